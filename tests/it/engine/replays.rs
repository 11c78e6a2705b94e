//! What was not understood when it came, and is understood now: sent round again by a person, once or by two at the
//! same time, alone or beside news of the same dispute.

use std::process::{Command, Output};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use respondby::dispute::Capabilities;
use respondby::evidence::{Packet, Sending};
use respondby::providers::{
    Account, Acknowledgement, Call, Delivery, Kept, NotReady, Page, Provider, ProviderName, Reading, Record,
    Refusal, Target, Uploaded, Verified,
};
use respondby::sandbox::{Change, ProviderKind};
use respondby::store::deliveries;
use respondby::worker::{self, Shop, Stepped};

use super::stage::{RAZORPAY, STRIPE, Stage, dispute, fraud, hours};

/// A provider as an older program knew it: without one of its words.
struct Older {
    now: Arc<dyn Provider>,
    word: &'static str,
}

impl Provider for Older {
    fn name(&self) -> ProviderName {
        self.now.name()
    }
    fn capabilities(&self) -> &'static Capabilities {
        self.now.capabilities()
    }
    fn prepare<'a>(
        &'a self,
        delivery: &'a Delivery,
        account: &'a Account,
    ) -> Option<BoxFuture<'a, Result<(), NotReady>>> {
        self.now.prepare(delivery, account)
    }
    fn verify(&self, delivery: Delivery, account: &Account, now: DateTime<Utc>) -> Result<Verified, Refusal> {
        self.now.verify(delivery, account, now)
    }
    fn acknowledgement(&self) -> Acknowledgement {
        self.now.acknowledgement()
    }
    fn events(&self, kept: &Kept<'_>) -> Reading {
        let body = String::from_utf8_lossy(kept.body);
        match body.contains(&format!("\"{}\"", self.word)) {
            true => {
                Reading::Unrecognised { what: format!("`status` is `{}`, which is not known", self.word) }
            }
            false => self.now.events(kept),
        }
    }
    fn fetch<'a>(&'a self, account: &'a Account, dispute_ref: &'a str) -> Call<'a, Record> {
        self.now.fetch(account, dispute_ref)
    }
    fn list_changed_since<'a>(
        &'a self,
        account: &'a Account,
        since: DateTime<Utc>,
        cursor: Option<String>,
    ) -> Call<'a, Page> {
        self.now.list_changed_since(account, since, cursor)
    }
    fn accept<'a>(&'a self, account: &'a Account, target: Target<'a>, key: &'a str) -> Call<'a, Record> {
        self.now.accept(account, target, key)
    }
    fn stage_evidence<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        key: &'a str,
    ) -> Call<'a, Record> {
        self.now.stage_evidence(account, target, sending, key)
    }
    fn submit<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        key: &'a str,
    ) -> Call<'a, Record> {
        self.now.submit(account, target, sending, key)
    }
    fn upload<'a>(
        &'a self,
        account: &'a Account,
        name: &'a str,
        media_type: &'a str,
        content: Bytes,
        key: &'a str,
    ) -> Call<'a, Uploaded> {
        self.now.upload(account, name, media_type, content, key)
    }
    fn lint(&self, packet: &Packet, submit: bool) -> Vec<String> {
        self.now.lint(packet, submit)
    }
}

const OPEN_WORDS: [(ProviderKind, &str); 2] = [(STRIPE, "needs_response"), (RAZORPAY, "open")];

/// The shop of a program that did not know how each provider calls an open dispute.
fn older(stage: &Stage) -> Shop {
    let mut shop = stage.engine.shop.clone();
    for (provider, word) in OPEN_WORDS {
        let now = shop.world.registry.get(provider.as_str().parse().unwrap()).clone();
        shop.world.registry = shop.world.registry.with(Arc::new(Older { now, word }));
    }
    shop
}

async fn apply_all(shop: &Shop) {
    while matches!(worker::apply(shop).await.unwrap(), Stepped::Did(_)) {}
}

/// One delivery a transaction, so that two workers have two of one dispute in hand.
fn one_at_a_time(stage: &Stage) -> Shop {
    let mut shop = stage.engine.shop.clone();
    shop.settings.batch = 1;
    shop
}

impl Stage {
    /// Makes a dispute whose webhooks an older program takes in.
    async fn misunderstood(&self, provider: ProviderKind) -> String {
        let reason = if provider == STRIPE { "general" } else { "RZP00" };
        let dispute_ref = self.create(dispute(provider, reason, hours(96)));
        self.control.flush().await;
        apply_all(&older(self)).await;
        assert_eq!(self.deliveries("kept").await, 0);
        assert!(self.known(&dispute_ref).await.is_none(), "nothing is concluded from it");
        dispute_ref
    }

    fn program(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_respondby"));
        let ours = |name: &str| name.starts_with("RESPONDBY_") || name == "DATABASE_URL";
        for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        command.args(words).arg("--config").arg(self.configuration());
        command
    }

    fn run(&self, words: &[&str]) -> String {
        said(self.program(words).output().unwrap())
    }

    async fn quarantined(&self) -> Vec<i64> {
        sqlx::query_scalar("select delivery_id from deliveries where state = 'quarantined' order by 1")
            .fetch_all(&self.db.pool)
            .await
            .unwrap()
    }

    /// So many history entries of this kind.
    async fn happened(&self, dispute_ref: &str, kind: &str) -> usize {
        self.history(dispute_ref).await.iter().filter(|entry| entry.kind == kind).count()
    }
}

fn said(output: Output) -> String {
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn what_was_not_understood_is_seen_and_sent_round_again_by_the_program_that_understands_it() {
    for (provider, word) in OPEN_WORDS {
        let mut stage = Stage::new().await;
        let dispute_ref = stage.misunderstood(provider).await;
        let waiting = stage.quarantined().await;
        assert!(!waiting.is_empty());
        let listed = stage.run(&["deliveries", "list", "--state", "quarantined"]);
        let told = format!("unrecognised: `status` is `{word}`, which is not known");
        assert_eq!(listed.matches(&told).count(), waiting.len(), "{listed}");
        // The same program again does not help.
        stage.run(&["deliveries", "replay", "--quarantined"]);
        apply_all(&older(&stage)).await;
        assert_eq!(stage.quarantined().await, waiting);

        let replayed = stage.run(&["deliveries", "replay", "--quarantined"]);
        assert!(replayed.starts_with(&format!("{} sent round again", waiting.len())), "{replayed}");
        apply_all(&stage.engine.shop).await;
        assert_eq!((stage.deliveries("quarantined").await, stage.deliveries("kept").await), (0, 0));
        let line = stage.line(&dispute_ref).await;
        assert_eq!((line.status.as_str(), line.amount.minor), ("needs_response", 2_000));
        let history = stage.history(&dispute_ref).await;
        assert!(history[0].kind == "opened" && history[0].cause.starts_with("webhook "), "{history:?}");
        let cycle = stage.cycle(&dispute_ref).await;
        assert_eq!((cycle.n, cycle.state.as_str(), cycle.plan_kind.as_str()), (1, "open", "hold"));
        assert_eq!(stage.run(&["deliveries", "list", "--state", "quarantined"]), "no deliveries\n");
        stage.settle().await;
        stage.uphold().await;
    }
}

#[tokio::test]
async fn two_replays_at_once_apply_it_once() {
    for provider in [STRIPE, RAZORPAY] {
        let mut stage = Stage::new().await;
        let dispute_ref = stage.misunderstood(provider).await;
        let (one, other) = (one_at_a_time(&stage), one_at_a_time(&stage));
        let replays: Vec<_> = (0..2)
            .map(|_| {
                let mut command = stage.program(&["deliveries", "replay", "--quarantined"]);
                std::thread::spawn(move || said(command.output().unwrap()))
            })
            .collect();
        // Two workers take what comes, while it comes.
        while !replays.iter().all(std::thread::JoinHandle::is_finished) {
            let (a, b) = tokio::join!(worker::apply(&one), worker::apply(&other));
            _ = [a.unwrap(), b.unwrap()];
        }
        replays.into_iter().for_each(|replay| drop(replay.join().unwrap()));
        tokio::join!(apply_all(&one), apply_all(&other));
        assert_eq!((stage.deliveries("quarantined").await, stage.deliveries("kept").await), (0, 0));
        assert_eq!(stage.happened(&dispute_ref, "opened").await, 1);
        assert_eq!(stage.decisions(&dispute_ref).await.len(), 1, "decided once");
        assert_eq!(stage.alerts(&dispute_ref).await, ["needs_person/warning"]);
        assert_eq!(stage.cycle(&dispute_ref).await.n, 1);
        stage.settle().await;
        stage.uphold().await;
    }
}

#[tokio::test]
async fn a_replay_of_what_is_applied_already_changes_nothing_however_many_ask_for_it() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    stage.advance(hours(2)).await;
    let before = (stage.line(&dispute_ref).await.status, stage.history(&dispute_ref).await.len());
    let ids: Vec<i64> = sqlx::query_scalar("select delivery_id from deliveries where source = 'webhook'")
        .fetch_all(&stage.db.pool)
        .await
        .unwrap();
    let shop = one_at_a_time(&stage);
    for _ in 0..10 {
        let requeue = async || {
            let mut conn = stage.db.pool.acquire().await.unwrap();
            deliveries::requeue(&mut conn, &ids).await.unwrap()
        };
        let (_, _, a, b) = tokio::join!(requeue(), requeue(), worker::apply(&shop), worker::apply(&shop));
        _ = [a.unwrap(), b.unwrap()];
    }
    tokio::join!(apply_all(&shop), apply_all(&shop));
    assert_eq!((stage.line(&dispute_ref).await.status, stage.history(&dispute_ref).await.len()), before);
    assert_eq!(stage.deliveries("kept").await, 0);
    stage.settle().await;
    stage.uphold().await;
}

#[tokio::test]
async fn a_replay_beside_newer_news_of_the_same_dispute_leaves_the_newer_state() {
    for (provider, newer_first) in [(STRIPE, false), (RAZORPAY, false), (STRIPE, true), (RAZORPAY, true)] {
        let mut stage = Stage::new().await;
        let mut made = Vec::new();
        for _ in 0..6 {
            made.push(stage.misunderstood(provider).await);
        }
        let waiting = stage.quarantined().await;
        stage.clock.advance(hours(1));
        for dispute_ref in &made {
            stage.control.change(dispute_ref, &Change::Lost).unwrap();
        }
        let (one, other) = (one_at_a_time(&stage), one_at_a_time(&stage));
        if newer_first {
            stage.control.flush().await;
            apply_all(&one).await;
        }
        let replay = async {
            let mut conn = stage.db.pool.acquire().await.unwrap();
            assert_eq!(deliveries::requeue_quarantined(&mut conn).await.unwrap(), waiting);
        };
        // Otherwise the old news and the new become due together, and two workers take them one by one.
        tokio::join!(replay, stage.control.flush());
        tokio::join!(apply_all(&one), apply_all(&other));
        // A collision leaves one to the next look.
        apply_all(&one).await;
        assert_eq!((stage.deliveries("quarantined").await, stage.deliveries("kept").await), (0, 0));
        let stale: i64 = sqlx::query_scalar(
            "select count(*) from deliveries where outcome = 'stale' and delivery_id = any($1)",
        )
        .bind(&waiting)
        .fetch_one(&stage.db.pool)
        .await
        .unwrap();
        if newer_first {
            // Money that moved is news whenever it is told.
            assert_eq!(stale, made.len() as i64, "the opening of each is older, and known to be");
        }
        for dispute_ref in &made {
            assert_eq!(stage.status(dispute_ref).await, "lost", "{dispute_ref} of {provider}");
            assert_eq!(stage.happened(dispute_ref, "opened").await, 1);
        }
        let open: i64 = sqlx::query_scalar("select count(*) from cycles where state = 'open'")
            .fetch_one(&stage.db.pool)
            .await
            .unwrap();
        assert_eq!(open, 0);
        stage.settle().await;
        stage.uphold().await;
    }
}
