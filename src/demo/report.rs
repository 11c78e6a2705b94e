//! The table at the end: what was decided and why, when it acted, how much time was left, and what the
//! provider's own record says. Two lines to a response owed: what became of it, and why.

use std::collections::HashMap;

use super::stage::{Stage, start_of_month};
use super::tell::{self, Names};
use super::trouble::Trouble;
use crate::cli::show::span;
use crate::cli::story;
use crate::dispute::{DisputeId, Response};
use crate::engine::HistoryKind;
use crate::sandbox::WebhookState;
use crate::store::deliveries;
use crate::store::disputes::{self, CycleLine, DecisionLine, Line};

const ALL: i64 = 1000;
/// What a reason is broken at; the rows above it take about as much.
const LINE_CHARS: usize = 160;
const COLUMNS: usize = 8;
const HEAD: [&str; COLUMNS] =
    ["dispute", "provider", "amount", "reason", "stage", "acted", "slack", "the provider's record"];
const HEAD_BELOW: &str = "decided by: what, and why";
/// The columns of numbers, which end at one place.
const RIGHT: [usize; 2] = [2, 6];

type Cell = [String; COLUMNS];

/// A response owed, or a dispute in which none is, as it is told.
struct Row {
    cells: Cell,
    why: String,
}

pub(super) async fn print(
    stage: &mut Stage,
    names: &Names,
    trouble: &Trouble,
    say: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<()> {
    let seen = Seen::read(stage).await?;
    let mut lines: Vec<&Line> = seen.lines.iter().collect();
    lines.sort_by_key(|line| (line.merchant.clone(), line.opened_at));
    let rows: Vec<Row> =
        lines.into_iter().flat_map(|line| seen.rows(stage, names.name(&line.dispute_ref), line)).collect();
    say("");
    for line in shown(&rows) {
        say(&line);
    }
    if seen.unread {
        say("* cannot be read through its API: of this record the engine knows what webhooks told it");
    }
    say("");
    totals(stage, &seen, trouble, say).await
}

/// What the month left in the database.
struct Seen {
    lines: Vec<Line>,
    cycles: Vec<(DisputeId, CycleLine)>,
    /// The last of each cycle.
    decisions: HashMap<(DisputeId, i32), DecisionLine>,
    /// Of each cycle.
    stages: HashMap<(DisputeId, i32), String>,
    /// Whether there are providers whose records cannot be read.
    unread: bool,
}

impl Seen {
    async fn read(stage: &Stage) -> anyhow::Result<Self> {
        let mut conn = stage.engine.shop.pool.acquire().await?;
        let lines = disputes::list(&mut conn, &disputes::Filter { limit: ALL, ..Default::default() }).await?;
        let cycles = disputes::all_cycles(&mut conn).await?;
        let decisions = disputes::decisions(&mut conn, None).await?;
        let decisions = decisions.into_iter().map(|d| ((d.dispute_id, d.cycle_n), d)).collect();
        let history = disputes::history_between(&mut conn, start_of_month(), stage.clock.now()).await?;
        let opened = history.iter().filter(|e| e.kind == HistoryKind::CycleOpened.as_str());
        let stages = opened
            .filter_map(|e| Some(((e.dispute_id, e.cycle_n?), e.detail["stage"].as_str()?.to_owned())))
            .collect();
        let unread = lines.iter().any(|line| !is_read(stage, line));
        Ok(Self { lines, cycles, decisions, stages, unread })
    }

    fn rows(&self, stage: &Stage, name: &str, line: &Line) -> Vec<Row> {
        let theirs = stage.control.dispute(&line.dispute_ref).map_or("?".to_owned(), |view| view.status);
        let theirs = if is_read(stage, line) { theirs } else { format!("{theirs} *") };
        let own: Vec<&CycleLine> =
            self.cycles.iter().filter(|(id, _)| *id == line.dispute_id).map(|(_, cycle)| cycle).collect();
        let cells = |stage: String, acted: String, slack: String, theirs: String| {
            let (amount, reason) = (line.amount.to_string(), story::plainly(&line.category));
            [name.to_owned(), line.provider.clone(), amount, reason, stage, acted, slack, theirs]
        };
        if own.is_empty() {
            let dash = || "-".to_owned();
            let cells = cells(story::plainly(line.stage.as_str()), dash(), dash(), theirs);
            return vec![Row { cells, why: "no response is possible or owed".to_owned() }];
        }
        let several = own.len() > 1;
        let row = |(i, cycle): (usize, &&CycleLine)| {
            let here = self.stage_of(line, cycle);
            let numbered = if several { format!("{} {here}", cycle.n) } else { here };
            // The record is one, and tells of the round that came last.
            let theirs = if i + 1 < own.len() { "went on, see below".to_owned() } else { theirs.clone() };
            let (acted, slack) = acted(cycle);
            Row { cells: cells(numbered, acted, slack, theirs), why: self.why(line, cycle) }
        };
        own.iter().enumerate().map(row).collect()
    }

    fn stage_of(&self, line: &Line, cycle: &CycleLine) -> String {
        let known = self.stages.get(&(line.dispute_id, cycle.n)).map(String::as_str);
        story::plainly(known.unwrap_or(line.stage.as_str()))
    }

    /// What was decided and why, who agreed to it, and whether people had to be called.
    fn why(&self, line: &Line, cycle: &CycleLine) -> String {
        let decision = self.decisions.get(&(line.dispute_id, cycle.n));
        let person = cycle.plan["decided_by"].as_str().filter(|by| by.starts_with("person:")).map(story::who);
        let rule = cycle.rule_id.as_deref();
        let why = decision.and_then(|d| d.detail["why"].as_str()).unwrap_or_default();
        let mut why = match (person, rule) {
            (Some(who), Some(rule)) => format!("{who}: {}, by an order over rule {rule}", cycle.plan_kind),
            (Some(who), None) => format!("{who}: {}, by an order", cycle.plan_kind),
            (None, rule) => format!("rule {}: {}, {why}", rule.unwrap_or("-"), cycle.plan_kind),
        };
        if let Some(by) = cycle.plan["approval"]["by"].as_str() {
            why.push_str(&format!("; approved by {by}"));
        }
        if let Some(paged_at) = cycle.paged_at {
            why.push_str(&format!("; people were paged {}", tell::at(paged_at)));
        }
        why
    }
}

fn is_read(stage: &Stage, line: &Line) -> bool {
    let registry = &stage.engine.shop.world.registry;
    line.provider.parse().is_ok_and(|provider| registry.get(provider).capabilities().fetch)
}

/// What the record shows of a response and since when, and how long that was before the deadline.
fn acted(cycle: &CycleLine) -> (String, String) {
    let what = match cycle.response {
        Some(Response::Elsewhere) => "by hand",
        Some(response) => story::answered(response.as_str()),
        None => "open",
    };
    match cycle.answered_at {
        Some(at) => (format!("{what} {}", tell::at(at)), span((cycle.respond_by - at).num_seconds())),
        None => (what.to_owned(), "-".to_owned()),
    }
}

/// The table, each row with its reason below it.
fn shown(rows: &[Row]) -> Vec<String> {
    let head = HEAD.map(str::to_owned);
    let widths: Vec<usize> = (0..COLUMNS)
        .map(|i| {
            rows.iter().map(|row| &row.cells).chain([&head]).map(|c| c[i].chars().count()).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &Cell| {
        let aligned =
            cells.iter().zip(&widths).enumerate().map(|(i, (cell, width))| match RIGHT.contains(&i) {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
        aligned.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let indent = widths[0] + 2;
    let below = |row: &Row| {
        let broken = broken(&row.why, LINE_CHARS - indent);
        broken.into_iter().map(move |part| format!("{:indent$}{part}", ""))
    };
    let body = rows.iter().flat_map(|row| std::iter::once(line(&row.cells)).chain(below(row)));
    [line(&head), format!("{:indent$}{HEAD_BELOW}", "")].into_iter().chain(body).collect()
}

/// In lines of so many characters at most, between words.
fn broken(text: &str, chars: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= chars {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

async fn totals(
    stage: &Stage,
    seen: &Seen,
    trouble: &Trouble,
    say: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<()> {
    let webhooks = stage.control.webhooks();
    let count = |state: WebhookState| webhooks.iter().filter(|w| w.state == state).count();
    let sent: usize = webhooks.iter().map(|w| w.attempts.len()).sum();
    let (kept, quarantined) = {
        let mut conn = stage.engine.shop.pool.acquire().await?;
        deliveries::count_webhooks(&mut conn).await?
    };
    let duplicates = count(WebhookState::Delivered) as i64 - kept;
    let held_up = |word: &Option<String>| {
        word.as_deref().is_some_and(|w| w.starts_with("delayed") || w.starts_with("after"))
    };
    let late = webhooks.iter().filter(|w| held_up(&w.trouble)).count();
    let cycles: Vec<CycleLine> = seen.cycles.iter().map(|(_, cycle)| cycle.clone()).collect();
    let answered = cycles.iter().filter(|c| c.answered_at.is_some_and(|at| at <= c.respond_by)).count();
    let paged = cycles.iter().filter(|c| c.paged_at.is_some()).count();
    let missed = super::promises::missed(&cycles).len();
    let irreversible = stage.control.ledger_totals().effective_per_round_max;
    say(&format!(
        "webhooks: {sent} sent ({late} of them late), {kept} kept, {duplicates} duplicate, {} refused, {quarantined} \
         quarantined; {} lost on the way, and {} made up for by asking",
        count(WebhookState::Refused),
        count(WebhookState::Dropped),
        trouble.found,
    ));
    say(&format!(
        "disputes: {} seen, {answered} cycles answered in time, {paged} paged, {missed} missed; irreversible calls per \
         cycle: at most {irreversible}",
        seen.lines.len(),
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [&str; COLUMNS], why: &str) -> Row {
        Row { cells: cells.map(str::to_owned), why: why.to_owned() }
    }

    #[test]
    fn columns_stand_under_their_heads_however_long_a_name_is() {
        let rows = [
            row(["lamp", "a", "1.00 USD", "fraud", "chargeback", "open", "-", "won"], "hold: it is so"),
            row(
                [
                    "a longer name",
                    "hyperswitch",
                    "89,000.00 INR",
                    "x",
                    "2 pre-arbitration",
                    "y",
                    "11h 58m",
                    "z",
                ],
                &"because ".repeat(40),
            ),
        ];
        let lines = shown(&rows);
        let column =
            |line: &str, word: &str| line.find(word).unwrap_or_else(|| panic!("{word} not in {line}"));
        assert_eq!(column(&lines[0], "stage"), column(&lines[2], "chargeback"));
        assert_eq!(column(&lines[0], "provider"), column(&lines[4], "hyperswitch"));
        assert_eq!(column(&lines[2], "USD"), column(&lines[4], "INR"), "amounts end at one place");
        assert_eq!(lines[3].trim_start(), "hold: it is so");
        assert_eq!(column(&lines[3], "hold"), column(&lines[0], "provider"));
        assert!(
            lines[5..].len() > 1 && lines.iter().all(|line| line.chars().count() <= LINE_CHARS),
            "{lines:#?}"
        );
    }

    #[test]
    fn a_text_is_broken_between_words_and_nowhere_else() {
        assert_eq!(broken("one two three", 7), ["one two", "three"]);
        assert_eq!(broken("unbreakable", 3), ["unbreakable"]);
        assert_eq!(broken("", 3), [""]);
    }
}
