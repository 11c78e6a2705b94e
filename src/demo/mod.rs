//! `respondby demo`: a scripted month at every provider, played on a moved clock against the real engine. It
//! tells what happens as it happens, ends with a table, and fails if any promise was broken.

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
mod script;
mod shops;
mod stage;
mod tell;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;
use crate::dispute::FileDelivery;
use crate::engine::{Cause, Input, Order};
use crate::sandbox::{ExtraWebhook, NewDispute, ProviderKind, Witness};
use crate::store::disputes::Entry;
use crate::store::evidence::{Form, NewEvidence};
use crate::store::facts::{self, NewFacts};
use crate::store::turn::{self, CaseKey, Item};
use crate::store::{disputes, evidence, files};
use script::{Act, Scene};
pub use shops::{SHOPS, Shop, secrets};
pub use stage::Stage;
use tell::Names;

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
    let mut play = Play {
        stage,
        names: Names::default(),
        told_until: stage::start_of_month(),
        told: HashSet::new(),
        decided: HashMap::new(),
        say,
    };
    play.introduce();
    for scene in script::month() {
        let at = stage::start_of_month() + TimeDelta::seconds(scene.at_s);
        play.go_to(at).await?;
        play.act(scene).await?;
    }
    play.go_to(stage::start_of_month() + LENGTH).await?;
    let Play { mut stage, names, say, .. } = play;
    report::print(&mut stage, &names, say).await?;
    let broken = promises::broken(&mut stage).await?;
    promises::print(&broken, say);
    Ok(Played { stage, broken })
}

struct Play<'a> {
    stage: Stage,
    names: Names,
    told_until: DateTime<Utc>,
    told: HashSet<i64>,
    /// What was decided last of each dispute, in words.
    decided: HashMap<String, String>,
    say: &'a mut (dyn FnMut(&str) + Send),
}

impl Play<'_> {
    fn introduce(&mut self) {
        let sandbox = self.stage.sandbox();
        let shops = SHOPS.len();
        (self.say)(&format!(
            "respondby plays a month: {shops} shops, {shops} providers, one clock that is moved along."
        ));
        for shop in SHOPS {
            let (name, url) = (shop.provider.title(), sandbox.url(shop.provider));
            (self.say)(&format!(
                "  {:<8} is paid through {name:<13} whose stand-in is at {url}",
                shop.merchant
            ));
        }
        if let Some(address) = self.stage.engine.address {
            (self.say)(&format!("  the engine takes webhooks at http://{address}/webhooks/…"));
        }
        (self.say)("");
    }

    /// Moves on to `until` in steps, and tells what was written on the way.
    async fn go_to(&mut self, until: DateTime<Utc>) -> anyhow::Result<()> {
        while self.stage.clock.now() < until {
            let stop = (self.stage.clock.now() + TimeDelta::hours(12)).min(until);
            self.stage.advance_to(stop).await?;
            self.tell().await?;
        }
        Ok(())
    }

    async fn tell(&mut self) -> anyhow::Result<()> {
        let now = self.stage.clock.now();
        let mut conn = self.stage.engine.shop.pool.acquire().await?;
        for entry in disputes::history_between(&mut conn, self.told_until, now).await? {
            // The clock stands still while steps run: more is written at an instant that was told of already.
            if !self.told.insert(entry.history_id) {
                continue;
            }
            if let Some(what) = tell::words(&entry).filter(|what| !self.said_before(&entry, what)) {
                let name = self.names.of(&entry.dispute_ref);
                (self.say)(&tell::line(entry.at, &entry.provider, name, &what));
            }
        }
        self.told_until = now;
        Ok(())
    }

    /// A decision is written down again when it acts; nobody needs to read it twice.
    fn said_before(&mut self, entry: &Entry, what: &str) -> bool {
        entry.kind == "decided"
            && self.decided.insert(entry.dispute_ref.clone(), what.to_owned()).as_deref() == Some(what)
    }

    async fn act(&mut self, scene: Scene) -> anyhow::Result<()> {
        let now = self.stage.clock.now();
        match scene.act {
            Act::Opens { name, order, window_s, facts, proofs } => {
                self.open(name, *order, window_s, facts, proofs).await?;
            }
            Act::Moves { name, change, becomes } => {
                let dispute_ref = self.reference(name)?;
                let record = self.stage.control.change(&dispute_ref, &change)?;
                if let (Some(becomes), Some(id)) = (becomes, record["id"].as_str()) {
                    self.names.learn(id.to_owned(), becomes);
                }
            }
            Act::Warns(order) => {
                let notice = self.stage.control.warn(&order)?;
                let what = format!("early fraud warning {notice}: kept, nothing is owed");
                (self.say)(&tell::line(now, order.provider.as_str(), "-", &what));
            }
            Act::ApiTrouble { mut fault, name } => {
                fault.dispute = name.map(|name| self.reference(name)).transpose()?;
                self.stage.control.add_api_fault(fault);
            }
            Act::WebhookTrouble(fault) => self.stage.control.add_webhook_fault(fault),
            Act::Sends { what, webhook } => self.send(what, &webhook).await?,
            Act::Person { name, who, command } => {
                self.order(name, Order { by: who.to_owned(), command }).await?
            }
            Act::Attaches { name, who, field, file } => self.attach(name, who, field, file).await?,
            Act::Learns { name, facts } => {
                let dispute_ref = self.reference(name)?;
                self.learn(&dispute_ref, facts).await?;
            }
            Act::Says(words) => (self.say)(&format!("{}  ~ {words}", tell::at(now))),
        }
        self.stage.settle().await?;
        self.tell().await
    }

    async fn send(&mut self, what: &str, webhook: &ExtraWebhook) -> anyhow::Result<()> {
        let now = self.stage.clock.now();
        self.stage.control.send_extra(webhook)?;
        self.stage.settle().await?;
        let sent = self.stage.control.webhooks();
        let answered = sent.last().and_then(|webhook| webhook.attempts.last()).and_then(|a| a.status);
        let came = match answered {
            Some(200) if webhook.dispute.is_some() => {
                "kept, and nothing of it is believed: the dispute's record is fetched".to_owned()
            }
            Some(200) => "signed well, so it is kept, and quarantined for a person".to_owned(),
            Some(status) => format!("refused with {status}, and nothing is kept"),
            None => "not answered".to_owned(),
        };
        let line = tell::line(now, webhook.provider.as_str(), "-", &format!("somebody sends {what}: {came}"));
        (self.say)(&line);
        Ok(())
    }

    fn reference(&self, name: &str) -> anyhow::Result<String> {
        let found =
            self.names.reference(name).with_context(|| format!("the plot knows no dispute `{name}`"))?;
        Ok(found.to_owned())
    }

    async fn open(
        &mut self,
        name: &'static str,
        mut order: NewDispute,
        window_s: Option<i64>,
        mut known: serde_json::Value,
        proofs: &[crate::evidence::Field],
    ) -> anyhow::Result<()> {
        let now = self.stage.clock.now();
        if let Some(window_s) = window_s {
            order.due_by = Some(Some(now.timestamp() + window_s));
        }
        let shop = shops::paid_through(order.provider)?;
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let payment = (shop.payment)(&letters);
        order.payment = Some(payment.clone());
        let registry = &self.stage.engine.shop.world.registry;
        let files = registry.get(order.provider.as_str().parse()?).capabilities().files;
        let uploads = files.delivery == FileDelivery::Upload;
        for field in proofs.iter().filter(|_| uploads) {
            let file_ref = self.upload(order.provider, &format!("{field}.pdf")).await?;
            known["evidence"][field.as_str()] = file_ref.into();
        }
        if known.as_object().is_some_and(|facts| !facts.is_empty()) {
            self.set_facts(shop.merchant, &payment, known).await?;
        }
        let dispute_ref = self.stage.control.create(&order)?;
        self.names.learn(dispute_ref, name);
        // Where files travel with the answer, the shop attaches its documents to the dispute it was told of.
        for field in proofs.iter().filter(|_| !uploads) {
            self.stage.settle().await?;
            self.attach(name, shop.merchant, *field, &format!("{field}.pdf")).await?;
        }
        Ok(())
    }

    /// The shop puts a document with the provider, as its own systems would.
    async fn upload(&self, provider: ProviderKind, name: &str) -> anyhow::Result<String> {
        let shop = &self.stage.engine.shop;
        let provider = provider.as_str().parse()?;
        let account =
            shop.accounts.all().into_iter().find(|a| a.provider == provider).context("no such account")?;
        let adapter = shop.world.registry.get(provider).clone();
        let key = format!("demo-{name}-{}", rand::random::<u64>());
        let (answer, _) = adapter.upload(&account, name, "application/pdf", pdf(name).into(), &key).await;
        Ok(answer.into_result()?.provider_file_ref)
    }

    async fn set_facts(&self, merchant: &str, subject: &str, known: serde_json::Value) -> anyhow::Result<()> {
        let shop = &self.stage.engine.shop;
        let now = self.stage.clock.now();
        let mut tx = shop.pool.begin().await?;
        let merchant_id =
            crate::store::rulesets::merchant_id(&mut tx, merchant).await?.context("no such merchant")?;
        facts::set(
            &mut tx,
            &NewFacts::new(merchant_id, subject, known)?,
            facts::Mode::Merge,
            "the shop",
            now,
        )
        .await?;
        facts::wake_cycles(&mut tx, merchant_id, subject, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn learn(&mut self, dispute_ref: &str, known: serde_json::Value) -> anyhow::Result<()> {
        let key = self.key(dispute_ref).await?;
        let provider = self.stage.control.dispute(dispute_ref).context("no such dispute")?.provider;
        self.set_facts(shops::paid_through(provider)?.merchant, dispute_ref, known).await?;
        self.put(key, Input::Look(Cause::FactsChanged), "facts".into()).await
    }

    async fn order(&mut self, name: &str, order: Order) -> anyhow::Result<()> {
        let dispute_ref = self.reference(name)?;
        let key = self.key(&dispute_ref).await?;
        let cause = format!("person:{}", order.by);
        self.put(key, Input::Order(order), cause).await
    }

    async fn attach(
        &mut self,
        name: &str,
        who: &str,
        field: crate::evidence::Field,
        file: &str,
    ) -> anyhow::Result<()> {
        let dispute_ref = self.reference(name)?;
        let key = self.key(&dispute_ref).await?;
        let CaseKey::Id { merchant_id, dispute_id } = key else {
            anyhow::bail!("the dispute is not known yet")
        };
        let now = self.stage.clock.now();
        let mut tx = self.stage.engine.shop.pool.begin().await?;
        let new = files::NewFile::new(file, pdf(file))?;
        let file_id = files::add(&mut tx, merchant_id, &new, who, now).await?;
        let new = NewEvidence::new(field, Form::File(file_id))?;
        evidence::add(&mut tx, (merchant_id, dispute_id), &new, false, who, now).await?;
        tx.commit().await?;
        let cause = format!("person:{who}");
        self.put(key, Input::Look(Cause::EvidenceAdded { by: who.to_owned() }), cause).await
    }

    async fn key(&self, dispute_ref: &str) -> anyhow::Result<CaseKey> {
        let mut conn = self.stage.engine.shop.pool.acquire().await?;
        let named = disputes::named(&mut conn, dispute_ref).await?;
        let (merchant_id, dispute_id) =
            named.first().copied().with_context(|| format!("the engine does not know {dispute_ref}"))?;
        Ok(CaseKey::Id { merchant_id, dispute_id })
    }

    async fn put(&mut self, key: CaseKey, input: Input, cause: String) -> anyhow::Result<()> {
        let shop = &self.stage.engine.shop;
        let now = self.stage.clock.now();
        let mut tx = shop.pool.begin().await?;
        let turned =
            turn::take(&mut tx, &shop.world, vec![Item { key, input, cause, delivery_id: None }], now)
                .await?;
        tx.commit().await?;
        for turned in turned {
            if let crate::engine::Applied::Refused(why) = turned.applied {
                (self.say)(&format!("{}  ~ refused: {why}", tell::at(now)));
            }
        }
        Ok(())
    }
}

/// A small document.
fn pdf(title: &str) -> Vec<u8> {
    format!("%PDF-1.4\n% {title}: a page of the demo\n%%EOF\n").into_bytes()
}
