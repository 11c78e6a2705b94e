//! `respondby demo`: a scripted month at every provider, played on a moved clock against the real engine. It
//! tells what happens as it happens, ends with a table, and fails if any promise was broken.

mod acts;
mod plot_adyen;
mod plot_checkout;
mod plot_hyperswitch;
mod plot_paypal;
mod plot_prism;
mod plot_razorpay;
mod plot_square;
mod plot_stripe;
mod promises;
mod report;
mod rounds;
mod script;
mod shops;
mod stage;
mod tell;
mod trouble;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::anyhow;
use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;
use crate::engine::HistoryKind;
use crate::sandbox::Witness;
use crate::store::disputes::{self, Entry};
use crate::store::evidence;
pub use promises::{broken, broken_in};
use script::Scene;
pub use shops::{SHOPS, Shop, secrets, widest};
pub use stage::Stage;
use tell::Names;
use trouble::Trouble;

/// How long the scripted month is.
const LENGTH: TimeDelta = TimeDelta::days(31);

/// What the demo came to.
pub struct Played {
    pub stage: Stage,
    /// Promises of the design that were broken, in words. Empty is the point.
    pub broken: Vec<String>,
}

/// Plays the month in `dir`, which must be empty or absent. `witness` sees every call to a stand-in; `say` takes each
/// line of the story.
pub async fn play(
    dir: &Path,
    listen: &str,
    witness: Option<Witness>,
    say: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<Played> {
    let clock = Clock::frozen_at(stage::start_of_month());
    let stage = Stage::set(dir, clock, listen, witness).await?;
    let scenes = script::month();
    let mut play = Play {
        stage,
        names: Names::of(&scenes),
        trouble: Trouble::default(),
        told_until: stage::start_of_month(),
        told: HashSet::new(),
        decided: HashMap::new(),
        say,
    };
    let played = tokio::select! {
        played = play.month(scenes) => played,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted before the month was over")),
    };
    let Play { mut stage, names, trouble, say, .. } = play;
    if let Err(error) = played {
        // Its database has a server of its own, which nobody else would stop.
        stage.end().await?;
        return Err(error);
    }
    // What goes on after the month has no plot: nothing of it is lost on the way any more.
    stage.control.clear_faults();
    report::print(&mut stage, &names, &trouble, say).await?;
    let broken = promises::broken(&stage).await?;
    promises::print(&broken, say);
    Ok(Played { stage, broken })
}

struct Play<'a> {
    stage: Stage,
    names: Names,
    trouble: Trouble,
    told_until: DateTime<Utc>,
    told: HashSet<i64>,
    /// What was decided last of each dispute, in words.
    decided: HashMap<String, String>,
    say: &'a mut (dyn FnMut(&str) + Send),
}

impl Play<'_> {
    async fn month(&mut self, scenes: Vec<Scene>) -> anyhow::Result<()> {
        self.introduce();
        self.settle().await?;
        for scene in scenes {
            self.go_to(stage::start_of_month() + TimeDelta::seconds(scene.at_s)).await?;
            self.act(scene).await?;
        }
        self.go_to(stage::start_of_month() + LENGTH).await
    }

    fn introduce(&mut self) {
        let sandbox = self.stage.sandbox();
        let shops = SHOPS.len();
        (self.say)(&format!(
            "respondby plays a month: {shops} shops, {shops} providers, one clock that is moved along."
        ));
        let (merchants, titles) = (shops::widest(|s| s.merchant), shops::widest(|s| s.provider.title()));
        for shop in SHOPS {
            let (merchant, title, url) = (shop.merchant, shop.provider.title(), sandbox.url(shop.provider));
            (self.say)(&format!(
                "  {merchant:<merchants$} is paid through {title:<titles$}  whose stand-in is at {url}"
            ));
        }
        if let Some(address) = self.stage.engine.address {
            (self.say)(&format!("  the engine takes webhooks at http://{address}/webhooks/…"));
        }
        (self.say)("  what stands behind a ~ is for you alone: the engine is told nothing of it");
        (self.say)("");
    }

    /// Moves on to `until` in steps, and tells what was written on the way.
    async fn go_to(&mut self, until: DateTime<Utc>) -> anyhow::Result<()> {
        while self.stage.move_on(until).await? {
            self.tell().await?;
        }
        Ok(())
    }

    /// Everything that is due is done, and told.
    async fn settle(&mut self) -> anyhow::Result<()> {
        self.stage.settle().await?;
        self.tell().await
    }

    fn line(&mut self, at: DateTime<Utc>, provider: &str, name: &str, what: &str) {
        (self.say)(&self.names.line(at, provider, name, what));
    }

    async fn tell(&mut self) -> anyhow::Result<()> {
        let now = self.stage.clock.now();
        for went in self.trouble.on_the_way(&self.stage.control) {
            let name = went.dispute_ref.as_deref().map_or("-", |r| self.names.name(r)).to_owned();
            self.line(went.at, went.provider.as_str(), &name, &went.what);
        }
        let mut calls = self.trouble.of_calls(&self.stage.control, now);
        for entry in self.news(now).await? {
            if entry.kind == HistoryKind::ActionUnknown.as_str() {
                for call in calls.extract_if(.., |c| c.dispute_ref.as_deref() == Some(&entry.dispute_ref)) {
                    let name = self.names.name(&entry.dispute_ref);
                    (self.say)(&self.names.line(call.at, call.provider.as_str(), name, &call.what));
                }
            }
            let Some(what) = self.words(&entry).await? else { continue };
            let found = self.trouble.found(&entry).unwrap_or_default();
            let name = self.names.name(&entry.dispute_ref);
            (self.say)(&self.names.line(entry.at, &entry.provider, name, &format!("{what}{found}")));
        }
        for call in calls {
            let name = call.dispute_ref.as_deref().map_or("-", |r| self.names.name(r)).to_owned();
            self.line(call.at, call.provider.as_str(), &name, &call.what);
        }
        self.told_until = now;
        Ok(())
    }

    /// What was written since it was asked last, without what the same instant overtook.
    async fn news(&mut self, now: DateTime<Utc>) -> anyhow::Result<Vec<Entry>> {
        let mut conn = self.stage.engine.shop.pool.acquire().await?;
        let mut entries = disputes::history_between(&mut conn, self.told_until, now).await?;
        // The clock stands still while steps run: more is written at an instant that was told of already.
        entries.retain(|entry| self.told.insert(entry.history_id));
        Ok(tell::folded(entries))
    }

    async fn words(&mut self, entry: &Entry) -> anyhow::Result<Option<String>> {
        let Some(what) = tell::words(entry) else { return Ok(None) };
        if entry.kind == HistoryKind::EvidenceAdded.as_str() {
            return self.attached(entry).await.map(Some);
        }
        Ok((!self.said_before(entry, &what)).then_some(what))
    }

    /// Evidence by what it is.
    async fn attached(&self, entry: &Entry) -> anyhow::Result<String> {
        let mut conn = self.stage.engine.shop.pool.acquire().await?;
        let named = evidence::named(&mut conn, &entry.dispute_ref).await?;
        let mut pieces = Vec::new();
        for one in named.into_iter().filter(|one| one.dispute_id == entry.dispute_id) {
            pieces.extend(evidence::list(&mut conn, one.merchant_id, one.dispute_id).await?);
        }
        Ok(tell::attached(entry, &pieces))
    }

    /// A decision is written down again when it acts; nobody needs to read it twice.
    fn said_before(&mut self, entry: &Entry, what: &str) -> bool {
        entry.kind == HistoryKind::Decided.as_str()
            && self.decided.insert(entry.dispute_ref.clone(), what.to_owned()).as_deref() == Some(what)
    }
}
