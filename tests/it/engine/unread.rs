//! A provider whose record cannot be read: one irreversible call, and then its webhooks or a person. The stand-in is
//! Stripe's, behind an adapter that tells nothing but what its calls were answered with.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use respondby::dispute::{Capabilities, FileDelivery};
use respondby::engine::{Applied, Cause, Command, Input};
use respondby::evidence::{Document, Field, Packet, Sending};
use respondby::providers::{
    Account, Acknowledgement, Answer, Call, CallLog, Delivery, Kept, NotReady, Page, Provider, ProviderName,
    Reading, Record, Refusal, Target, Uploaded, Verified,
};
use respondby::sandbox::{Change, ExtraWebhook, NewDispute, ProviderKind, WebhookFault, WebhookTrouble};
use respondby::store::accounts::AccountDirectory;
use respondby::store::evidence::{self, Form, NewEvidence};
use respondby::store::files::{self, NewFile};
use respondby::store::seal::SealingKey;
use respondby::store::{actions, deliveries};
use respondby::worker::{self, Backlog, Stepped};

use serde_json::Value;

use super::stage::{RULES, STRIPE, Setup, Stage, fraud, hours, not_received};

/// What becomes of an irreversible call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Taken,
    /// Answered well, and without effect.
    Swallowed,
    LostAfterEffect,
    LostBeforeEffect,
    Refused,
    Throttled,
}

/// What the adapter was asked to do.
#[derive(Default)]
struct Asked {
    /// `accept` or `submit`, with the key.
    calls: Vec<(&'static str, String)>,
    sent: Vec<(Packet, Vec<Document>)>,
    staged: Vec<(Packet, Vec<Document>)>,
    reads: usize,
    uploads: usize,
}

/// Tells nothing of its disputes but by webhook.
struct Mute {
    inner: Arc<dyn Provider>,
    can: &'static Capabilities,
    /// Of the irreversible calls, in order; taken once there are no more.
    fates: Mutex<VecDeque<Fate>>,
    asked: Arc<Mutex<Asked>>,
}

fn acknowledged(now: DateTime<Utc>) -> Answer<Record> {
    let reading = Reading::Acknowledged { what: "success".into() };
    Answer::Receipt(Record { reading, raw: Bytes::new(), as_of: now })
}

fn never_read<T>() -> (Answer<T>, Vec<CallLog>) {
    (Answer::Refused { status: 404, code: None, reason: "there is no such call".into() }, Vec::new())
}

impl Mute {
    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.asked.lock().unwrap()
    }

    /// Makes the call at the stand-in where it takes effect, and answers as is its fate.
    async fn meet(&self, effect: Call<'_, Record>) -> (Answer<Record>, Vec<CallLog>) {
        let fate = self.fates.lock().unwrap().pop_front().unwrap_or(Fate::Taken);
        let why = "the connection was lost".to_owned();
        let mut logs = vec![CallLog {
            request: "POST /act".into(),
            status: None,
            provider_request_ref: None,
            latency_ms: 1,
            error: None,
        }];
        let answer = match fate {
            Fate::Taken | Fate::LostAfterEffect => {
                let (answer, made) = effect.await;
                logs = made;
                match (fate, answer) {
                    (Fate::Taken, Answer::Receipt(record)) => acknowledged(record.as_of),
                    (Fate::LostAfterEffect, Answer::Receipt(_)) => Answer::Unknown { why },
                    (_, other) => panic!("the stand-in did not take it: {other:?}"),
                }
            }
            Fate::Swallowed => acknowledged(super::stage::start_of_time()),
            Fate::LostBeforeEffect => Answer::Unknown { why },
            Fate::Refused => Answer::Refused {
                status: 422,
                code: Some("no_reason".into()),
                reason: "not defendable".into(),
            },
            Fate::Throttled => Answer::Retry { after: None, why: "HTTP 429".into() },
        };
        (answer, logs)
    }
}

impl Provider for Mute {
    fn name(&self) -> ProviderName {
        self.inner.name()
    }
    fn capabilities(&self) -> &'static Capabilities {
        self.can
    }
    fn prepare<'a>(
        &'a self,
        delivery: &'a Delivery,
        account: &'a Account,
    ) -> Option<BoxFuture<'a, Result<(), NotReady>>> {
        self.inner.prepare(delivery, account)
    }
    fn acknowledgement(&self) -> Acknowledgement {
        self.inner.acknowledgement()
    }
    fn verify(&self, delivery: Delivery, account: &Account, now: DateTime<Utc>) -> Result<Verified, Refusal> {
        self.inner.verify(delivery, account, now)
    }
    fn events(&self, kept: &Kept<'_>) -> Reading {
        self.inner.events(kept)
    }
    fn fetch<'a>(&'a self, _account: &'a Account, _dispute_ref: &'a str) -> Call<'a, Record> {
        self.asked().reads += 1;
        Box::pin(async { never_read() })
    }
    fn list_changed_since<'a>(
        &'a self,
        _account: &'a Account,
        _since: DateTime<Utc>,
        _cursor: Option<String>,
    ) -> Call<'a, Page> {
        self.asked().reads += 1;
        Box::pin(async { never_read() })
    }
    fn accept<'a>(&'a self, account: &'a Account, target: Target<'a>, key: &'a str) -> Call<'a, Record> {
        self.asked().calls.push(("accept", key.to_owned()));
        Box::pin(self.meet(self.inner.accept(account, target, key)))
    }
    fn stage_evidence<'a>(
        &'a self,
        _account: &'a Account,
        _target: Target<'a>,
        sending: Sending<'a>,
        _key: &'a str,
    ) -> Call<'a, Record> {
        self.asked().staged.push((sending.packet.clone(), sending.documents.to_vec()));
        Box::pin(async { (acknowledged(super::stage::start_of_time()), Vec::new()) })
    }
    fn submit<'a>(
        &'a self,
        account: &'a Account,
        target: Target<'a>,
        sending: Sending<'a>,
        key: &'a str,
    ) -> Call<'a, Record> {
        self.asked().calls.push(("submit", key.to_owned()));
        self.asked().sent.push((sending.packet.clone(), sending.documents.to_vec()));
        Box::pin(async move {
            // The stand-in knows no files of ours.
            let words = Packet { text: sending.packet.text.clone(), ..Packet::default() };
            self.meet(self.inner.submit(account, target, Sending::of(&words), key)).await
        })
    }
    fn upload<'a>(
        &'a self,
        account: &'a Account,
        name: &'a str,
        media_type: &'a str,
        content: Bytes,
        key: &'a str,
    ) -> Call<'a, Uploaded> {
        self.asked().uploads += 1;
        self.inner.upload(account, name, media_type, content, key)
    }
    fn lint(&self, packet: &Packet, submit: bool) -> Vec<String> {
        let words = Packet { text: packet.text.clone(), ..Packet::default() };
        self.inner.lint(&words, submit)
    }
}

/// A stage whose Stripe cannot be read, with what becomes of the first irreversible calls.
async fn muted(rules: &str, fates: &[Fate]) -> (Stage, Arc<Mutex<Asked>>) {
    let setup = Setup { rules: rules.into(), ..Setup::default() };
    let mut stage = Stage::with(setup).await;
    let asked = Arc::<Mutex<Asked>>::default();
    let inner = stage.engine.shop.world.registry.get(ProviderName::Stripe).clone();
    let can = *inner.capabilities();
    let mut files = can.files;
    (files.delivery, files.file_bytes_max, files.total_bytes_max) = (FileDelivery::Inline, 64, 100);
    let can = Box::leak(Box::new(Capabilities { fetch: false, list: false, files, ..can }));
    let fates = Mutex::new(fates.iter().copied().collect());
    let mute = Mute { inner, can, fates, asked: asked.clone() };
    stage.engine.shop.world.registry = stage.engine.shop.world.registry.with(Arc::new(mute));
    (stage, asked)
}

fn at_one() -> String {
    RULES.replace("lead = \"24h\"", "after = \"1h\"")
}

fn calls(asked: &Arc<Mutex<Asked>>) -> Vec<&'static str> {
    asked.lock().unwrap().calls.iter().map(|(kind, _)| *kind).collect()
}

fn hush(stage: &Stage) {
    stage.control.set_webhook_url(STRIPE, None, None).unwrap();
}

/// Nothing was ever read, at no time and for no reason.
fn nothing_was_read(asked: &Arc<Mutex<Asked>>) {
    assert_eq!(asked.lock().unwrap().reads, 0, "a provider that cannot be read was asked");
}

/// Title and what is needed, of the newest page of that kind.
async fn page(stage: &Stage, kind: &str) -> (String, String, String) {
    sqlx::query_as(
        "select title, detail ->> 'waiting_for', state from alerts where kind = $1 and severity = 'page'
         order by alert_id desc limit 1",
    )
    .bind(kind)
    .fetch_one(&stage.db.pool)
    .await
    .unwrap()
}

async fn due_actions(stage: &Stage) -> i64 {
    sqlx::query_scalar("select count(*) from actions where due_at is not null")
        .fetch_one(&stage.db.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_call_that_was_taken_counts_once_a_webhook_tells_of_it() {
    let (mut stage, asked) = muted(&at_one(), &[]).await;
    let accepted = stage.open(fraud(STRIPE, hours(96))).await;
    let defended = stage.open(not_received(STRIPE, hours(96))).await;
    let late = WebhookTrouble::Delay { by_s: 5 * 3600 };
    stage.advance(TimeDelta::minutes(59)).await;
    for _ in 0..8 {
        stage.control.add_webhook_fault(WebhookFault::once(STRIPE, late));
    }
    stage.advance(hours(2)).await;
    for (dispute_ref, kind) in [(&accepted, "accept"), (&defended, "submit")] {
        assert!(!stage.theirs(dispute_ref).open, "it was made");
        assert_eq!(stage.action(dispute_ref, kind).await, "sent", "taken is not done");
        assert_eq!(stage.cycle(dispute_ref).await.state, "open");
        let row = stage.actions(dispute_ref).await.into_iter().find(|a| a.kind == kind).unwrap();
        assert!(row.note.unwrap().contains("its webhook is waited for"));
    }
    stage.advance(hours(5)).await;
    for (dispute_ref, kind, response) in [(&accepted, "accept", "accept"), (&defended, "submit", "defend")] {
        assert_eq!(stage.action(dispute_ref, kind).await, "done");
        assert_eq!(stage.cycle(dispute_ref).await.response.unwrap().as_str(), response);
        assert_eq!(stage.alerts(dispute_ref).await, Vec::<String>::new());
    }
    stage.advance(hours(24 * 30)).await;
    let mut made = calls(&asked);
    made.sort_unstable();
    assert_eq!(made, ["accept", "submit"]);
    assert_eq!(due_actions(&stage).await, 0);
    nothing_was_read(&asked);
    let watched: i64 = sqlx::query_scalar("select count(*) from disputes where check_at is not null")
        .fetch_one(&stage.db.pool)
        .await
        .unwrap();
    let fetches: i64 =
        sqlx::query_scalar("select count(*) from fetches").fetch_one(&stage.db.pool).await.unwrap();
    assert_eq!((watched, fetches), (0, 0), "nothing is planned that asks it");
    stage.uphold().await;
}

#[tokio::test]
async fn a_call_that_was_taken_and_that_no_webhook_tells_of_pages_at_the_margin() {
    let (mut stage, asked) = muted(&at_one(), &[Fate::Swallowed]).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(48))).await;
    let page_at = stage.cycle(&dispute_ref).await.page_at;
    stage.advance_to(page_at - TimeDelta::seconds(1)).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "sent");
    assert_eq!(stage.alerts(&dispute_ref).await, Vec::<String>::new());
    stage.advance_to(page_at).await;
    assert_eq!(stage.alerts(&dispute_ref).await, ["unanswered/page"]);
    assert!(page(&stage, "unanswered").await.0.contains("no webhook"));
    assert!(matches!(
        stage.order(&dispute_ref, "alice", Command::Accept).await,
        Applied::Refused(why) if why.starts_with("too late")
    ));
    hush(&stage);
    stage.advance(hours(24 * 30)).await;
    assert_eq!(calls(&asked), ["accept"], "and it is never made a second time");
    nothing_was_read(&asked);
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_is_never_repeated_and_a_person_is_paged_at_once() {
    for fate in [Fate::LostAfterEffect, Fate::LostBeforeEffect] {
        let (mut stage, asked) = muted(&at_one(), &[fate]).await;
        let dispute_ref = stage.open(fraud(STRIPE, hours(48))).await;
        hush(&stage);
        let act_at = stage.cycle(&dispute_ref).await.act_at.unwrap();
        stage.advance_to(act_at).await;
        assert_eq!(stage.action(&dispute_ref, "accept").await, "unknown", "{fate:?}");
        assert_eq!(stage.alerts(&dispute_ref).await, ["call_lost/page"], "{fate:?}: now, not at the margin");
        let (title, needed, state) = page(&stage, "call_lost").await;
        assert!(title.contains("the answer is lost") && title.contains("cannot be read"), "{title}");
        assert!(needed.contains("dashboard") && needed.contains("disputes accept"), "{needed}");
        assert_eq!(state, "sent");
        let page_at = stage.cycle(&dispute_ref).await.page_at;
        stage.advance_to(page_at).await;
        assert_eq!(stage.alerts(&dispute_ref).await, ["call_lost/page", "unanswered/page"], "{fate:?}");
        stage.advance(hours(24 * 30)).await;
        assert_eq!(calls(&asked), ["accept"], "{fate:?}");
        assert_eq!(stage.alerts(&dispute_ref).await.iter().filter(|a| *a == "call_lost/page").count(), 1);
        nothing_was_read(&asked);
    }
}

#[tokio::test]
async fn a_webhook_that_tells_of_a_lost_call_confirms_it_and_ends_the_page() {
    let (mut stage, asked) = muted(&at_one(), &[Fate::LostAfterEffect]).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(48))).await;
    stage.advance(TimeDelta::minutes(59)).await;
    for _ in 0..4 {
        let late = WebhookTrouble::Delay { by_s: 7200 };
        stage.control.add_webhook_fault(WebhookFault::once(STRIPE, late));
    }
    stage.advance(hours(1)).await;
    assert_eq!(stage.alerts(&dispute_ref).await, ["call_lost/page"]);
    stage.advance(hours(2)).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "done");
    assert_eq!(stage.cycle(&dispute_ref).await.response.unwrap().as_str(), "accept");
    assert_eq!(page(&stage, "call_lost").await.2, "resolved");
    assert_eq!((calls(&asked).len(), due_actions(&stage).await), (1, 0));
    nothing_was_read(&asked);
    stage.uphold().await;
}

#[tokio::test]
async fn only_a_person_s_order_sends_a_lost_call_again_and_under_a_new_key() {
    let (mut stage, asked) = muted(&at_one(), &[Fate::LostBeforeEffect]).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    stage.advance(hours(2)).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "unknown");
    // New rules, new facts, a new look: none of them is a person who has looked.
    stage.publish(STRIPE, &at_one().replace("a test concedes fraud", "otherwise")).await;
    stage.say(STRIPE, &dispute_ref, serde_json::json!({"customer": {"id": "cus_1"}})).await;
    let order = stage.order(&dispute_ref, "alice", Command::Hold { why: "wait".into() }).await;
    assert!(matches!(order, Applied::Refused(why) if why.contains("cannot be asked")));
    assert_eq!(calls(&asked).len(), 1);
    assert_eq!(stage.order(&dispute_ref, "alice", Command::Accept).await, Applied::Applied);
    assert_eq!(stage.action(&dispute_ref, "accept").await, "done");
    assert_eq!(page(&stage, "call_lost").await.2, "resolved");
    let keys: Vec<String> = asked.lock().unwrap().calls.iter().map(|(_, key)| key.clone()).collect();
    assert!(keys.len() == 2 && keys[0] != keys[1], "{keys:?}");
    nothing_was_read(&asked);
    stage.uphold().await;
}

#[tokio::test]
async fn another_answer_may_take_the_place_of_a_lost_one_and_a_second_loss_pages_anew() {
    let (mut stage, asked) = muted(&at_one(), &[Fate::LostBeforeEffect, Fate::LostBeforeEffect]).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    stage.advance(hours(2)).await;
    let defend = Command::Defend { template: Some("words".into()), reason: None, acknowledge_fee: false };
    assert_eq!(stage.order(&dispute_ref, "alice", defend).await, Applied::Applied);
    assert_eq!(calls(&asked), ["accept", "submit"]);
    let states = [stage.action(&dispute_ref, "accept").await, stage.action(&dispute_ref, "submit").await];
    assert_eq!(states, ["cancelled", "unknown"]);
    assert_eq!(stage.alerts(&dispute_ref).await, ["call_lost/page", "call_lost/page"]);
    stage.advance(hours(24)).await;
    assert_eq!(calls(&asked).len(), 2);
    nothing_was_read(&asked);
}

#[tokio::test]
async fn a_process_that_dies_between_the_mark_and_the_answer_leaves_a_lost_call_and_never_a_second_one() {
    let (mut stage, asked) = muted(&at_one(), &[]).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    stage.clock.advance(hours(1));
    worker::wake(&stage.engine.shop, &Backlog::default()).await.unwrap();
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let now = stage.clock.now();
    let claimed = actions::claim(&mut conn, now, TimeDelta::minutes(2), 10, &[]).await.unwrap();
    let [accept] = &claimed[..] else { panic!("one action, not {claimed:?}") };
    assert!(actions::mark_sent(&mut conn, accept, TimeDelta::minutes(2), now).await.unwrap());
    drop(conn);
    stage.advance(TimeDelta::minutes(3)).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "unknown");
    assert_eq!(stage.alerts(&dispute_ref).await, ["call_lost/page"]);
    stage.advance(hours(48)).await;
    assert_eq!(calls(&asked), Vec::<&str>::new(), "it may have left, so it does not leave");
    assert_eq!(stage.order(&dispute_ref, "alice", Command::Accept).await, Applied::Applied);
    assert_eq!(stage.action(&dispute_ref, "accept").await, "done");
    assert_eq!(calls(&asked), ["accept"]);
    nothing_was_read(&asked);
    stage.uphold().await;
}

#[tokio::test]
async fn a_webhook_that_shows_another_s_answer_cancels_the_plan_even_before_it_is_read() {
    let (mut stage, asked) = muted(&at_one(), &[]).await;
    let early = stage.open(not_received(STRIPE, hours(96))).await;
    stage.change(&early, Change::SubmittedElsewhere).await;
    let racing = stage.open(not_received(STRIPE, hours(96))).await;
    stage.clock.advance(hours(1));
    worker::wake(&stage.engine.shop, &Backlog::default()).await.unwrap();
    assert_eq!(stage.action(&racing, "submit").await, "wanted");
    // Somebody answers in the dashboard; the webhook is kept, and nobody has read it when the call is to be made.
    stage.control.change(&racing, &Change::SubmittedElsewhere).unwrap();
    stage.control.flush().await;
    assert!(matches!(worker::act(&stage.engine.shop).await.unwrap(), Stepped::Did(1)));
    assert_eq!(calls(&asked), Vec::<&str>::new(), "not while there is news");
    stage.advance(hours(48)).await;
    for (dispute_ref, left) in [(&early, "none"), (&racing, "cancelled")] {
        assert_eq!(stage.action(dispute_ref, "submit").await, left);
        assert_eq!(stage.cycle(dispute_ref).await.response.unwrap().as_str(), "elsewhere");
        assert!(stage.alerts(dispute_ref).await.contains(&"answered_elsewhere/info".to_owned()));
    }
    assert_eq!(calls(&asked), Vec::<&str>::new());
    nothing_was_read(&asked);
    stage.uphold().await;
}

#[tokio::test]
async fn a_refusal_is_told_to_a_person_and_a_throttled_call_is_made_again() {
    let (mut stage, asked) = muted(&at_one(), &[Fate::Refused, Fate::Throttled, Fate::Throttled]).await;
    let refused = stage.open(fraud(STRIPE, hours(96))).await;
    stage.advance(hours(1)).await;
    assert_eq!(stage.action(&refused, "accept").await, "refused");
    assert_eq!(stage.alerts(&refused).await, ["needs_person/warning"]);
    let throttled = stage.open(not_received(STRIPE, hours(96))).await;
    stage.advance(hours(2)).await;
    assert_eq!(stage.action(&throttled, "submit").await, "done");
    assert_eq!(calls(&asked), ["accept", "submit", "submit", "submit"]);
    nothing_was_read(&asked);
}

/// Attaches a file of ours, and has the dispute looked at.
async fn attach(stage: &mut Stage, dispute_ref: &str, name: &str, content: Vec<u8>) -> i64 {
    let line = stage.line(dispute_ref).await;
    let now = stage.clock.now();
    let mut tx = stage.db.pool.begin().await.unwrap();
    let file = NewFile::new(name, content).unwrap();
    let file_id = files::add(&mut tx, line.merchant_id, &file, "ann", now).await.unwrap();
    let new = NewEvidence::new(Field::ShippingDocumentation, Form::File(file_id)).unwrap();
    let at = (line.merchant_id, line.dispute_id);
    evidence::add(&mut tx, at, &new, false, "ann", now).await.unwrap();
    tx.commit().await.unwrap();
    stage.look(dispute_ref, Input::Look(Cause::EvidenceAdded { by: "ann".into() })).await;
    file_id
}

/// Contests with the words of the template, every attached file and a reason of the rule's own.
fn with_files() -> String {
    let reason = "defend = { template = \"words\", reason = \"goods_services_received\", after = \"1h\" }";
    at_one().replace("defend = { template = \"words\", after = \"1h\" }", reason)
        + "shipping_documentation = \"{evidence.shipping_documentation}\"\n"
}

#[tokio::test]
async fn files_travel_in_the_call_with_the_rule_s_reason_and_only_their_names_are_kept() {
    let (mut stage, asked) = muted(&with_files(), &[]).await;
    let dispute_ref = stage.open(not_received(STRIPE, hours(96))).await;
    let content = b"%PDF-1.7 signed: R. Amsel".to_vec();
    let file_id = attach(&mut stage, &dispute_ref, "slip.pdf", content.clone()).await;
    stage.advance(hours(2)).await;
    assert_eq!(stage.action(&dispute_ref, "submit").await, "done");
    assert_eq!(stage.action(&dispute_ref, "upload").await, "none");
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    assert_eq!((asked.uploads, asked.sent.len()), (0, 1));
    let (packet, documents) = &asked.sent[0];
    assert_eq!(packet.defence_reason.as_deref(), Some("goods_services_received"));
    let document = Document {
        field: Field::ShippingDocumentation,
        name: "slip.pdf".into(),
        media_type: "application/pdf".into(),
        content: content.into(),
    };
    assert_eq!(*documents, std::slice::from_ref(&document));
    assert_eq!(asked.staged.last().unwrap().1, [document], "staged as it is sent");
    let names = &packet.files[&Field::ShippingDocumentation];
    assert!(names.len() == 1 && names[0].starts_with(&format!("own-{file_id}-")), "{names:?}");
    let frozen: Vec<String> =
        sqlx::query_scalar("select packet::text from packets").fetch_all(&stage.db.pool).await.unwrap();
    assert!(frozen.iter().any(|text| text.contains(&names[0])), "{frozen:?}");
    assert!(frozen.iter().all(|text| !text.contains("Amsel")), "bytes are kept once, with the file");
    stage.uphold().await;
}

#[tokio::test]
async fn a_file_that_the_provider_would_not_take_is_told_before_anything_is_sent() {
    let (mut stage, asked) = muted(&with_files(), &[]).await;
    let large = stage.open(not_received(STRIPE, hours(96))).await;
    let mut content = b"%PDF-1.7 ".to_vec();
    content.resize(65, b'x');
    attach(&mut stage, &large, "large.pdf", content.clone()).await;
    let many = stage.open(not_received(STRIPE, hours(96))).await;
    content.truncate(60);
    attach(&mut stage, &many, "one.pdf", content.clone()).await;
    content[59] = b'y';
    attach(&mut stage, &many, "two.pdf", content).await;
    let foreign = stage.open(not_received(STRIPE, hours(96))).await;
    let known = serde_json::json!({"evidence": {"shipping_documentation": "file_elsewhere"}});
    stage.say(STRIPE, &foreign, known).await;
    stage.advance(hours(24)).await;
    for (dispute_ref, words) in [
        (&large, "large.pdf has 65 bytes, and stripe takes 64"),
        (&many, "all files together have 120 bytes, and stripe takes 100"),
        (&foreign, "`file_elsewhere` is no file attached to this dispute"),
    ] {
        let plan: String = sqlx::query_scalar(
            "select c.plan::text from cycles c join disputes d using (merchant_id, dispute_id) where d.dispute_ref = $1",
        )
        .bind(dispute_ref)
        .fetch_one(&stage.db.pool)
        .await
        .unwrap();
        assert!(plan.contains(words), "{words}: {plan}");
        assert!(stage.alerts(dispute_ref).await.contains(&"needs_person/warning".to_owned()));
    }
    assert!(calls(&asked).is_empty());
}

#[tokio::test]
async fn a_file_that_is_not_what_the_packet_names_is_not_sent() {
    let (mut stage, asked) = muted(&with_files(), &[]).await;
    let dispute_ref = stage.open(not_received(STRIPE, hours(96))).await;
    attach(&mut stage, &dispute_ref, "slip.pdf", b"%PDF-1.7 the true one".to_vec()).await;
    stage.clock.advance(hours(1));
    worker::wake(&stage.engine.shop, &Backlog::default()).await.unwrap();
    sqlx::query("update files set content = $1 where name = 'slip.pdf'")
        .bind(&b"%PDF-1.7 another one."[..])
        .execute(&stage.db.pool)
        .await
        .unwrap();
    stage.settle().await;
    assert_eq!(stage.action(&dispute_ref, "submit").await, "refused");
    assert!(calls(&asked).is_empty());
    let note =
        stage.actions(&dispute_ref).await.into_iter().find(|a| a.kind == "submit").unwrap().note.unwrap();
    assert!(note.contains("is not what it was"), "{note}");
    assert!(stage.alerts(&dispute_ref).await.contains(&"needs_person/warning".to_owned()));
}

const ADYEN: ProviderKind = ProviderKind::Adyen;

/// A stage with every provider, where people decide everything.
async fn watched() -> Stage {
    let rules = RULES.replace("after = \"1h\"", "after = \"60d\"").replace("lead = \"24h\"", "lead = \"7h\"");
    Stage::with(Setup { rules, everywhere: true, ..Setup::default() }).await
}

/// Adyen's next webhook comes so many hours late.
fn late(stage: &Stage, hours: u32) {
    let trouble = WebhookTrouble::Delay { by_s: hours * 3600 };
    stage.control.add_webhook_fault(WebhookFault::once(ADYEN, trouble));
}

fn until(stage: &Stage, window: TimeDelta) -> Option<i64> {
    Some((stage.clock.now() + window).timestamp())
}

/// Key, severity and state of the alerts about what is not believed.
async fn doubts(stage: &Stage, dispute_ref: &str) -> Vec<(String, String)> {
    sqlx::query_as(
        "select a.severity, a.state
         from alerts a
         join disputes d on d.merchant_id = a.merchant_id and d.dispute_id = a.dispute_id
         where d.dispute_ref = $1 and a.dedupe_key like '%:unproved:%'
         order by a.alert_id",
    )
    .bind(dispute_ref)
    .fetch_all(&stage.db.pool)
    .await
    .unwrap()
}

async fn looked_back(stage: &Stage, dispute_ref: &str) -> usize {
    stage.history(dispute_ref).await.iter().filter(|entry| entry.kind == "looked_back").count()
}

#[tokio::test]
async fn a_further_stage_has_a_window_whether_or_not_what_led_to_it_was_told_in_time() {
    for lost_is_late in [false, true] {
        let mut stage = watched().await;
        let dispute_ref = stage.open(NewDispute::adyen().respond_by(stage.clock.now() + hours(100))).await;
        stage.advance(hours(8)).await;
        if lost_is_late {
            late(&stage, 9);
        }
        // The bank charges back a second time, which is told under the next stage; then that stage is opened.
        stage.change(&dispute_ref, Change::Lost).await;
        stage.advance(hours(1)).await;
        let due_by = until(&stage, hours(300));
        stage.change(&dispute_ref, Change::Escalate { due_by, phase: Some("pre_arbitration".into()) }).await;
        stage.advance(hours(20)).await;
        let cycle = stage.cycle(&dispute_ref).await;
        assert_eq!((cycle.n, cycle.state.as_str()), (2, "open"), "late: {lost_is_late}");
        assert_eq!(Some(cycle.respond_by.timestamp()), due_by, "late: {lost_is_late}");
        assert_eq!(doubts(&stage, &dispute_ref).await, []);
        stage.uphold().await;
    }
}

#[tokio::test]
async fn a_window_that_older_news_shows_to_be_answered_is_withdrawn_and_a_person_is_paged() {
    let mut stage = watched().await;
    // The notification is late; the answer in the dashboard is told, and then a deadline that nothing proves.
    late(&stage, 40);
    let mut order = NewDispute::adyen().respond_by(stage.clock.now() + hours(200));
    order.extra.insert("debit_after_s".into(), 9_000_000.into());
    let dispute_ref = stage.open(order).await;
    stage.advance(hours(1)).await;
    stage.change(&dispute_ref, Change::SubmittedElsewhere).await;
    stage.advance(hours(1)).await;
    say_like(&mut stage, &dispute_ref, &dispute_ref, hours(300)).await;
    assert_eq!(stage.status(&dispute_ref).await, "needs_response");
    assert_eq!(stage.cycle(&dispute_ref).await.state, "open");
    stage.advance(hours(50)).await;
    assert_eq!(stage.status(&dispute_ref).await, "under_review", "in order, nothing opens it again");
    assert_eq!(stage.cycle(&dispute_ref).await.response.unwrap().as_str(), "elsewhere");
    assert_eq!(doubts(&stage, &dispute_ref).await, [("page".to_owned(), "sent".to_owned())]);
    assert_eq!(looked_back(&stage, &dispute_ref).await, 1);
    stage.uphold().await;
    // News that is newer and believed settles the question.
    stage.change(&dispute_ref, Change::Won { amount_deducted: 0 }).await;
    assert_eq!(doubts(&stage, &dispute_ref).await, [("page".to_owned(), "resolved".to_owned())]);
    stage.uphold().await;
}

#[tokio::test]
async fn an_answer_that_nobody_signed_for_is_told_louder() {
    let mut stage = watched().await;
    let dispute_ref = stage.open(NewDispute::adyen().respond_by(stage.clock.now() + hours(200))).await;
    stage.advance(hours(1)).await;
    stage.change(&dispute_ref, Change::SubmittedElsewhere).await;
    let told = stage.alerts(&dispute_ref).await;
    assert!(told.contains(&"answered_elsewhere/page".to_owned()), "{told:?}");
}

async fn remembered(stage: &Stage) -> Vec<(i64, i64)> {
    sqlx::query_as("select dispute_id, delivery_id from unread_news order by 1, 2")
        .fetch_all(&stage.db.pool)
        .await
        .unwrap()
}

/// An item that was sent before, under this date.
async fn say_again(stage: &mut Stage, dispute_ref: &str, event_date: &str) {
    let mut envelope = envelope_of(stage, dispute_ref).await;
    envelope["notificationItems"][0]["NotificationRequestItem"]["eventDate"] = event_date.into();
    let extra = ExtraWebhook { body: Some(envelope.to_string()), ..ExtraWebhook::new(ADYEN) };
    stage.control.send_extra(&extra).unwrap();
    stage.settle().await;
}

#[tokio::test]
async fn what_says_the_same_once_more_is_kept_and_not_told_again() {
    let mut stage = watched().await;
    let dispute_ref = stage.open(NewDispute::adyen().respond_by(stage.clock.now() + hours(100))).await;
    let before = remembered(&stage).await.len();
    for (date, more) in [
        ("2026-11-21T07:00:00+00:00", 1),
        ("2026-11-21T08:00:00+01:00", 1),
        ("2026-11-21T07:00:00.000Z", 1),
        ("2026-11-21T07:30:00Z", 2),
    ] {
        let kept = stage.deliveries("settled").await;
        say_again(&mut stage, &dispute_ref, date).await;
        assert_eq!(stage.deliveries("settled").await, kept + 1, "{date} is a delivery of its own");
        assert_eq!(remembered(&stage).await.len(), before + more, "{date}");
    }
    stage.uphold().await;
}

#[tokio::test]
async fn a_signed_item_that_comes_again_in_ever_other_words_is_remembered_so_often_and_pages_once() {
    let mut stage = watched().await;
    let dispute_ref = stage.open(NewDispute::adyen().respond_by(stage.clock.now() + hours(100))).await;
    for minute in 0..56 {
        say_again(&mut stage, &dispute_ref, &format!("2026-11-21T07:{minute:02}:00Z")).await;
    }
    assert_eq!(remembered(&stage).await.len(), 50);
    let told = stage.alerts(&dispute_ref).await;
    assert_eq!(told.iter().filter(|alert| *alert == "told_too_often/page").count(), 1, "{told:?}");
    // What another event tells is heard as before.
    stage.change(&dispute_ref, Change::SubmittedElsewhere).await;
    assert_eq!(stage.status(&dispute_ref).await, "under_review");
    stage.uphold().await;
}

#[tokio::test]
async fn the_news_of_every_dispute_in_a_body_is_found_by_its_history() {
    let mut stage = watched().await;
    let window = stage.clock.now() + hours(100);
    let [one, other] = [0, 1].map(|_| stage.create(NewDispute::adyen().respond_by(window)));
    stage.settle().await;
    let mut envelope = envelope_of(&stage, &one).await;
    let mut items = Vec::new();
    for dispute_ref in [&one, &other] {
        let mut item = envelope_of(&stage, dispute_ref).await["notificationItems"][0].clone();
        let about = &mut item["NotificationRequestItem"];
        about["eventDate"] = stage.clock.now().to_rfc3339().into();
        about["additionalData"]["defensePeriodEndsAt"] = (window - hours(9)).to_rfc3339().into();
        items.push(item);
    }
    envelope["notificationItems"] = items.into();
    stage.clock.advance(hours(1));
    let extra = ExtraWebhook { body: Some(envelope.to_string()), ..ExtraWebhook::new(ADYEN) };
    stage.control.send_extra(&extra).unwrap();
    stage.settle().await;
    let before = remembered(&stage).await;
    let newest = before.iter().map(|(_, delivery_id)| *delivery_id).max().unwrap();
    assert_eq!(before.iter().filter(|(_, delivery_id)| *delivery_id == newest).count(), 2, "{before:?}");
    let mut conn = stage.db.pool.acquire().await.unwrap();
    sqlx::query("delete from unread_news").execute(&mut *conn).await.unwrap();
    let backfill = include_str!("../../../migrations/20261122000074_more_unread_news.sql");
    for _ in 0..2 {
        sqlx::raw_sql(backfill).execute(&mut *conn).await.unwrap();
        assert_eq!(remembered(&stage).await, before);
    }
}

/// A body that tells of the dispute.
async fn envelope_of(stage: &Stage, dispute_ref: &str) -> Value {
    let body: Vec<u8> = sqlx::query_scalar(
        "select body from deliveries where position($1 in convert_from(body, 'UTF8')) > 0 order by delivery_id limit 1",
    )
    .bind(dispute_ref)
    .fetch_one(&stage.db.pool)
    .await
    .unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// One more notification, like one of the dispute `like`: a status and a deadline that nobody signs.
async fn say_like(stage: &mut Stage, like: &str, dispute_ref: &str, window: TimeDelta) {
    let mut envelope = envelope_of(stage, like).await;
    let item = &mut envelope["notificationItems"][0]["NotificationRequestItem"];
    let now = stage.clock.now();
    item["pspReference"] = dispute_ref.into();
    item["eventCode"] = "NOTIFICATION_OF_CHARGEBACK".into();
    item["eventDate"] = now.to_rfc3339().into();
    item["additionalData"]["disputeStatus"] = "Undefended".into();
    item["additionalData"]["defendable"] = "true".into();
    item["additionalData"]["defensePeriodEndsAt"] = (now + window).to_rfc3339().into();
    let extra = ExtraWebhook { body: Some(envelope.to_string()), ..ExtraWebhook::new(ADYEN) };
    stage.control.send_extra(&extra).unwrap();
    stage.settle().await;
}

#[tokio::test]
async fn the_longer_of_two_unsigned_deadlines_is_never_believed_whichever_comes_first() {
    for longer_first in [false, true] {
        let mut stage = watched().await;
        if longer_first {
            late(&stage, 30);
        }
        let order = NewDispute::adyen().respond_by(stage.clock.now() + hours(100));
        let dispute_ref = stage.create(order);
        stage.advance(hours(1)).await;
        let other = stage.create(NewDispute::adyen().respond_by(stage.clock.now() + hours(100)));
        stage.settle().await;
        let shorter = stage.clock.now() + hours(99);
        if longer_first {
            // Of the first dispute nothing was kept yet to be copied: the neighbour's is, under its name.
            say_like(&mut stage, &other, &dispute_ref, hours(400)).await;
            assert!(stage.cycle(&dispute_ref).await.respond_by > shorter + hours(200));
        } else {
            say_like(&mut stage, &dispute_ref, &dispute_ref, hours(400)).await;
        }
        stage.advance(hours(40)).await;
        assert_eq!(stage.cycle(&dispute_ref).await.respond_by, shorter, "first: {longer_first}");
        assert_eq!(stage.cycle(&dispute_ref).await.n, 1);
        assert_eq!(looked_back(&stage, &dispute_ref).await, usize::from(longer_first));
        stage.uphold().await;
    }
}

#[tokio::test]
async fn a_delivery_that_is_read_once_more_changes_nothing_of_what_was_looked_back_at() {
    let mut stage = watched().await;
    late(&stage, 20);
    let dispute_ref = stage.open(NewDispute::adyen().respond_by(stage.clock.now() + hours(200))).await;
    stage.change(&dispute_ref, Change::SubmittedElsewhere).await;
    stage.advance(hours(30)).await;
    let told = async |stage: &Stage| {
        let mut line = serde_json::to_value(stage.line(&dispute_ref).await).unwrap();
        line["cycle"]["wake_at"] = Value::Null;
        (line, stage.alerts(&dispute_ref).await, stage.history(&dispute_ref).await.len())
    };
    let before = told(&stage).await;
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let ids: Vec<i64> = sqlx::query_scalar("select delivery_id from deliveries order by 1 desc")
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    for some in [&ids[..1], &ids[1..], &ids[..]] {
        assert_eq!(deliveries::requeue(&mut conn, some).await.unwrap().len(), some.len());
        stage.settle().await;
        assert_eq!(told(&stage).await, before);
    }
    stage.uphold().await;
}

#[tokio::test]
async fn a_window_that_was_open_when_our_response_left_is_not_answered_a_second_time() {
    let rules = RULES.replace("when.stage = [\"chargeback\", \"fraud_notice\"]\n", "");
    let mut stage = Stage::with(Setup { rules, everywhere: true, ..Setup::default() }).await;
    let order = NewDispute { network_reason_code: Some("10.4".into()), ..NewDispute::adyen() };
    let dispute_ref = stage.open(order.respond_by(stage.clock.now() + hours(100))).await;
    stage.advance(TimeDelta::minutes(50)).await;
    // The next stage is opened and its webhook is late: what leaves now for the first window reaches the second.
    late(&stage, 5);
    late(&stage, 60);
    let due_by = until(&stage, hours(300));
    stage.control.change(&dispute_ref, &Change::Escalate { due_by, phase: None }).unwrap();
    stage.advance(hours(2)).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "sent");
    stage.advance(hours(10)).await;
    let cycle = stage.cycle(&dispute_ref).await;
    assert_eq!((cycle.n, cycle.state.as_str()), (2, "open"));
    assert!(cycle.plan["waiting_for"].to_string().contains("may have answered it"), "{}", cycle.plan);
    assert!(stage.alerts(&dispute_ref).await.contains(&"needs_person/warning".to_owned()));
    stage.advance(hours(24 * 20)).await;
    assert_eq!(stage.status(&dispute_ref).await, "accepted");
    assert_eq!(stage.control.ledger().len(), 1, "{:?}", stage.control.ledger());
    stage.uphold().await;
}

#[tokio::test]
async fn a_program_that_says_it_again_does_not_send_a_lost_call_again() {
    let (mut stage, asked) = muted(&at_one(), &[Fate::LostBeforeEffect]).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    stage.advance(hours(2)).await;
    assert_eq!(stage.action(&dispute_ref, "accept").await, "unknown");
    let defend = Command::Defend { template: Some("words".into()), reason: None, acknowledge_fee: false };
    for command in [Command::Accept, defend] {
        let order = stage.order(&dispute_ref, "api:till", command).await;
        assert!(matches!(&order, Applied::Refused(why) if why.contains("a person has to look")), "{order:?}");
    }
    stage.advance(hours(1)).await;
    assert_eq!(calls(&asked), ["accept"]);
    assert_eq!(page(&stage, "call_lost").await.2, "sent", "whoever is paged is still asked to look");
}

#[tokio::test]
async fn an_action_whose_account_is_away_stays_what_it_was() {
    let (mut stage, asked) = muted(&at_one(), &[Fate::LostBeforeEffect]).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    stage.advance(hours(2)).await;
    sqlx::query("update actions set due_at = $1 where kind = 'accept'")
        .bind(stage.clock.now())
        .execute(&stage.db.pool)
        .await
        .unwrap();
    let mut shop = stage.engine.shop.clone();
    shop.accounts = AccountDirectory::new(SealingKey::generate());
    worker::act(&shop).await.unwrap();
    assert_eq!(stage.action(&dispute_ref, "accept").await, "unknown", "it may have been sent");
    // Back again, the call is not made anew.
    stage.advance(hours(1)).await;
    assert_eq!(calls(&asked), ["accept"]);
}

#[tokio::test]
async fn a_webhook_that_nobody_understands_pages_where_it_may_be_all_there_is() {
    let (mut stage, _) = muted(RULES, &[]).await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let odd = ExtraWebhook {
        body: Some(r#"{"id":"evt_odd","object":"event","type":"charge.dispute.closed","created":1,"data":{"object":{"object":"dispute"}}}"#.into()),
        ..ExtraWebhook::new(STRIPE)
    };
    stage.control.send_extra(&odd).unwrap();
    stage.settle().await;
    assert_eq!(stage.deliveries("quarantined").await, 1);
    let pages: Vec<String> = sqlx::query_scalar(
        "select state from alerts where kind = 'webhook_not_understood' and severity = 'page'",
    )
    .fetch_all(&stage.db.pool)
    .await
    .unwrap();
    assert_eq!(pages, ["sent"]);
    assert_eq!(stage.cycle(&dispute_ref).await.state, "open");
}

/// Adyen tells of documents before they are a defence, and not at which stage: a question of a later stage stays the
/// one that it was, whether a status is told or not, and is answered once.
#[tokio::test]
async fn news_of_documents_at_a_later_stage_asks_nothing_again() {
    for status_told in [true, false] {
        let mut stage = Stage::with(Setup { everywhere: true, ..Setup::default() }).await;
        let mut order = not_received(ProviderKind::Adyen, hours(200));
        order.phase = Some("pre_arbitration".to_owned());
        order.extra.insert("status_told".to_owned(), status_told.into());
        let dispute_ref = stage.open(order).await;
        stage.advance(hours(190)).await;
        assert_eq!(stage.theirs(&dispute_ref).status, "Pending");
        let told = stage.control.webhooks();
        let told = told.iter().filter(|w| w.event_type == "INFORMATION_SUPPLIED").count();
        assert!(told >= 2, "of the documents and of the defence: {told}");
        assert_eq!(stage.cycle(&dispute_ref).await.n, 1, "status told: {status_told}");
        assert_eq!(stage.control.ledger_totals().effective_per_round_max, 1);
        let found = (stage.action(&dispute_ref, "submit").await, stage.status(&dispute_ref).await);
        let wanted = if status_told { ("done", "under_review") } else { ("sent", "needs_response") };
        assert_eq!((found.0.as_str(), found.1), wanted, "what is not told is waited for");
    }
}
