//! `disputes accept|defend|hold|approve|resume`: a person's order, put through a turn beside whatever else runs.
//! Calls no provider: what is wanted then, the worker of a running engine picks up within a second or so.

use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::list;
use crate::app;
use crate::cli::Globals;
use crate::cli::desk::{self, Person, Which, dispute_at, with_database};
use crate::cli::show::{at, plain};
use crate::engine::{Applied, Approval, Cause, Command, Input, Order};
use crate::providers::Registry;
use crate::store::accounts::AccountDirectory;
use crate::store::disputes::ActionLine;
use crate::store::evidence::Named;
use crate::store::ids::Ids;
use crate::store::merchants::{self, Merchant};
use crate::store::turn::{self, CaseKey, Item, World};
use crate::store::{disputes, dossier, rulesets};
use crate::{config::Config, rules::Ruleset};

#[derive(Debug, clap::Args)]
struct Who {
    #[command(flatten)]
    which: Which,
    /// Your name: it stands in the history.
    #[arg(long = "as", value_name = "NAME")]
    by: Person,
}

#[derive(Debug, clap::Args)]
pub(super) struct Accept {
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, clap::Args)]
pub(super) struct Defend {
    #[command(flatten)]
    who: Who,
    /// A template of the rules in force. Without it: what is attached, and what facts give.
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
    /// The reason code of the defence, for providers that want one.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Agree to the fee that the network charges for a response.
    #[arg(long)]
    acknowledge_fee: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Hold {
    #[command(flatten)]
    who: Who,
    /// Why, for those who look next.
    #[arg(long, value_name = "TEXT", value_parser = parse_why)]
    why: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Approve {
    #[command(flatten)]
    who: Who,
    /// What you saw, as `disputes show` prints it: anything else is not approved.
    #[arg(long, value_name = "DIGEST")]
    seen: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    #[command(flatten)]
    who: Who,
}

const WHY_CHARS_MAX: usize = 1000;

fn parse_why(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        1..=WHY_CHARS_MAX => Ok(text.to_owned()),
        n => Err(format!("say why in 1 to {WHY_CHARS_MAX} characters; these are {n}")),
    }
}

/// An order and the dispute it is for.
pub(super) struct Given {
    which: Which,
    order: Order,
    /// What the person saw who approves.
    seen: Option<String>,
}

impl Who {
    fn orders(self, command: Command) -> Given {
        Given { which: self.which, order: Order { by: self.by.name().to_owned(), command }, seen: None }
    }
}

impl Accept {
    pub fn given(self) -> Given {
        self.who.orders(Command::Accept)
    }
}

impl Defend {
    pub fn given(self) -> Given {
        let Self { who, template, reason, acknowledge_fee } = self;
        who.orders(Command::Defend { template, reason, acknowledge_fee })
    }
}

impl Hold {
    pub fn given(self) -> Given {
        self.who.orders(Command::Hold { why: self.why })
    }
}

impl Approve {
    pub fn given(self) -> Given {
        Given { seen: self.seen, ..self.who.orders(Command::Approve) }
    }
}

impl Resume {
    pub fn given(self) -> Given {
        self.who.orders(Command::Resume)
    }
}

pub(super) async fn run(given: Given, globals: &Globals) -> anyhow::Result<ExitCode> {
    let config = globals.load()?;
    with_database(globals, async |conn| {
        let named = dispute_at(conn, &given.which).await?;
        check_template(conn, &named, &given.order.command).await?;
        let applied = put(conn, &config, &named, &given).await?;
        tell(conn, globals, &named, &applied).await
    })
    .await
}

/// The engine would defend with what is attached: here a misspelt template is refused.
async fn check_template(conn: &mut PgConnection, named: &Named, command: &Command) -> anyhow::Result<()> {
    let Command::Defend { template: Some(template), .. } = command else { return Ok(()) };
    let versions = rulesets::versions(conn, named.merchant_id).await?;
    let Some(in_force) = versions.into_iter().find(|v| v.in_force) else {
        bail!("no rules are published for {}, so there is no template `{template}`", named.merchant);
    };
    let ruleset = match Ruleset::parse(&in_force.rules) {
        Ok(loaded) => loaded.ruleset,
        Err(_) => {
            bail!("the rules of {}, version {}, do not load any more", named.merchant, in_force.version)
        }
    };
    if ruleset.template(template).is_none() {
        let names: Vec<&str> = ruleset.template_names().collect();
        let there_are = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        bail!("the rules in force have no template `{template}`: there are {there_are}");
    }
    Ok(())
}

async fn put(
    conn: &mut PgConnection,
    config: &Config,
    named: &Named,
    given: &Given,
) -> anyhow::Result<Applied> {
    let order = given.order.clone();
    let clock = desk::clock(conn).await?;
    let registry = Registry::new(&config.providers, clock.clone())?;
    let mut world: World = app::world(config, Ids::new(), registry);
    // Without the key the order is given all the same, and a running engine looks at it once more.
    if let Ok(key) = app::sealing_key(config) {
        let accounts = AccountDirectory::new(key);
        accounts.refresh(conn).await?;
        world = world.with_accounts(accounts);
    }
    let key = CaseKey::Id { merchant_id: named.merchant_id, dispute_id: named.dispute_id };
    let cause = format!("person:{}", order.by);
    let item = |input| Item { key: key.clone(), input, cause: cause.clone(), delivery_id: None };
    let mut tx = conn.begin().await?;
    if let Some(seen) = &given.seen {
        // What has come since is looked at first, in the same transaction: what is compared is what is approved.
        turn::take(&mut tx, &world, vec![item(Input::Look(Cause::Wake))], clock.now()).await?;
        if let Some(why) = other_than_seen(&mut tx, named, seen).await? {
            return Ok(Applied::Refused(why));
        }
    }
    let mut turned = turn::take(&mut tx, &world, vec![item(Input::Order(order))], clock.now()).await?;
    tx.commit().await?;
    Ok(turned.pop().context("a turn of one order came to nothing")?.applied)
}

/// Where nothing waits for approval, the engine says so.
async fn other_than_seen(
    conn: &mut PgConnection,
    named: &Named,
    seen: &str,
) -> anyhow::Result<Option<String>> {
    let newest = dossier::cycles(conn, named.merchant_id, named.dispute_id).await?.pop();
    let Some(cycle) = newest.filter(|cycle| cycle.state == "open") else { return Ok(None) };
    Ok(match serde_json::from_value(cycle.plan["approval"].clone())? {
        Approval::Needed { matter: Some(matter), .. } => matter.other_than(seen),
        Approval::Needed { matter: None, .. } => {
            Some("what exactly is to be approved was not written down by the version that asked".to_owned())
        }
        Approval::NotNeeded | Approval::Granted { .. } => None,
    })
}

async fn tell(
    conn: &mut PgConnection,
    globals: &Globals,
    named: &Named,
    applied: &Applied,
) -> anyhow::Result<ExitCode> {
    let name = &named.dispute_ref;
    let refused = match applied {
        Applied::Refused(why) => Some(why.as_str()),
        Applied::Applied | Applied::Unchanged | Applied::Stale | Applied::Doubtful(_) => None,
    };
    if let Some(why) = refused {
        let value = json!({ "dispute": name, "applied": "refused", "why": why });
        globals.output().answer(&format!("{name}: refused: {why}"), &value)?;
        return Ok(ExitCode::FAILURE);
    }
    let cycle = dossier::cycles(conn, named.merchant_id, named.dispute_id).await?.pop();
    let actions = disputes::actions(conn, named.merchant_id, named.dispute_id).await?;
    let stopped = merchants::list(conn).await?.into_iter().find(|m| m.merchant_id == named.merchant_id);
    let mut lines: Vec<String> = stopped.iter().filter_map(|m: &Merchant| list::kill_switch(m)).collect();
    if let Some(cycle) = &cycle {
        lines.push(format!("{name}: {}; respond by {}", list::plan(cycle), at(cycle.respond_by)));
        let waiting = cycle.plan["waiting_for"].as_array().into_iter().flatten().filter_map(|w| w.as_str());
        lines.extend(waiting.map(|w| format!("  waits for: {}", plain(w))));
        lines.extend(list::approval(&cycle.plan, true).map(|line| format!("  {}", plain(&line))));
    }
    let pending: Vec<&ActionLine> = actions.iter().filter(|a| a.due_at.is_some()).collect();
    lines.extend(
        pending
            .iter()
            .map(|a| format!("  {} is {}: the worker of a running engine does it", a.kind, a.state)),
    );
    let plan = cycle.as_ref().map(|c| &c.plan);
    let value = json!({ "dispute": name, "applied": applied.word(), "plan": plan, "actions": pending });
    globals.output().answer(&lines.join("\n"), &value)?;
    Ok(ExitCode::SUCCESS)
}
