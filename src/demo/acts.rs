//! What a scene of the month does, each in the way it would come about: the provider's side by orders to its
//! stand-in, the shop's by its own calls, a person's by a turn. What follows is told elsewhere.

use anyhow::Context;

use super::script::{Act, Scene};
use super::{Play, shops, tell};
use crate::dispute::FileDelivery;
use crate::engine::{Applied, Cause, Input, Order};
use crate::sandbox::{ExtraWebhook, NewDispute, ProviderKind};
use crate::store::evidence::{Form, NewEvidence};
use crate::store::facts::{self, NewFacts};
use crate::store::turn::{self, CaseKey, Item};
use crate::store::{disputes, evidence, files};

impl Play<'_> {
    pub(super) async fn act(&mut self, scene: Scene) -> anyhow::Result<()> {
        let now = self.stage.clock.now();
        // Orders for later and words to the reader: nothing follows from them now.
        let waits = matches!(scene.act, Act::ApiTrouble { .. } | Act::WebhookTrouble(_) | Act::Says(_));
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
                self.line(now, order.provider.as_str(), "-", &what);
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
        if waits { Ok(()) } else { self.settle().await }
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
        self.line(now, webhook.provider.as_str(), "-", &format!("somebody sends {what}: {came}"));
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
            if let Applied::Refused(why) = turned.applied {
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
