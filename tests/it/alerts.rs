//! People are told in time, told again until somebody says "I have it", told once per piece of news, and
//! not told of what is no longer so. Channels that fail, vanish or hang keep nobody else from being told.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use respondby::clock::Clock;
use respondby::config::Config;
use respondby::dispute::Severity;
use respondby::observe::channel::Channels;
use respondby::standard_webhooks::{self, Key, Signed};
use respondby::store::alerts::{self, Acknowledged, Answered, Filter, NewAlert, SettledAlert};
use respondby::worker::Stepped;
use respondby::worker::notify::Notifier;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{Database, world};

const SECRET: &str = "whsec_AQIDBAUGBwgJCgsMDQ4PEAECAwQFBgcICQoLDA0ODxA=";
const SLACK: &str = "/services/opaque-part";

/// A database with one merchant, a clock that stands still, and a server that plays the channels.
struct Desk {
    db: Database,
    clock: Clock,
    server: MockServer,
}

impl Desk {
    async fn new() -> Self {
        let db = Database::new().await;
        world::merchant(&db.pool, 1, "shop").await;
        Self { db, clock: Clock::frozen_at(world::noon()), server: MockServer::start().await }
    }

    /// Answers on `at` with these statuses in turn; the last one stays.
    async fn answers(&self, at: &str, statuses: &[u16]) {
        for (i, status) in statuses.iter().enumerate() {
            let mock = Mock::given(method("POST")).and(path(at)).respond_with(ResponseTemplate::new(*status));
            let last = i + 1 == statuses.len();
            let mock = if last { mock } else { mock.up_to_n_times(1) };
            mock.with_priority(u8::try_from(i).unwrap() + 1).mount(&self.server).await;
        }
    }

    /// `ops` is Slack's for warnings and up, `pager` is signed and for pages, `boss` is escalated to.
    fn notifier(&self) -> Notifier {
        self.notifier_with(
            "[[alerts.route]]\nat_least = 'warning'\nchannels = ['ops']\nescalate_to = ['boss']\n\
             [[alerts.route]]\nat_least = 'page'\nchannels = ['pager']\n",
            &[],
        )
    }

    fn notifier_with(&self, routes: &str, settings: &[(&str, u32)]) -> Notifier {
        let settings: String = settings.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let text = format!(
            "[alerts]\nrepage_every_s = 1800\nescalate_after_s = 5400\n{settings}\
             [[alerts.channel]]\nname = 'ops'\nkind = 'slack'\nurl = 'env:OPS'\n\
             [[alerts.channel]]\nname = 'pager'\nkind = 'webhook'\nurl = 'env:PAGER'\nsecret = 'env:SECRET'\n\
             [[alerts.channel]]\nname = 'boss'\nkind = 'webhook'\nurl = 'env:BOSS'\nsecret = 'env:SECRET'\n{routes}"
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("respondby.toml");
        std::fs::write(&file, text).unwrap();
        let url = |at: &str| format!("{}{at}", self.server.uri());
        let environment = [("OPS", url(SLACK)), ("PAGER", url("/pager")), ("BOSS", url("/boss"))]
            .into_iter()
            .chain([("SECRET", SECRET.to_owned())])
            .map(|(name, value)| (name.to_owned(), value));
        let config = Config::read(Some(&file), environment).unwrap();
        let channels = Arc::new(Channels::new(&config.alerts, self.clock.clone()).unwrap());
        Notifier::new(self.db.pool.clone(), self.clock.clone(), channels, &config.alerts)
    }

    async fn raise(&self, new: &[NewAlert]) -> Vec<i64> {
        let mut conn = self.db.pool.acquire().await.unwrap();
        alerts::raise(&mut conn, new, self.clock.now()).await.unwrap()
    }

    /// What was posted to `at`, oldest first.
    async fn posted(&self, at: &str) -> Vec<Request> {
        let all = self.server.received_requests().await.unwrap();
        all.into_iter().filter(|r| r.url.path() == at).collect()
    }

    async fn message_ids(&self, at: &str) -> Vec<String> {
        let ids = self.posted(at).await;
        ids.iter().map(|r| r.headers["webhook-id"].to_str().unwrap().to_owned()).collect()
    }

    async fn row(&self, alert_id: i64) -> alerts::AlertRow {
        let mut conn = self.db.pool.acquire().await.unwrap();
        let all = Filter { settled_too: true, limit: 100_000, ..Filter::default() };
        let rows = alerts::list(&mut conn, &all).await.unwrap();
        rows.into_iter().find(|row| row.alert_id == alert_id).unwrap()
    }

    async fn count(&self, state: &str) -> i64 {
        sqlx::query_scalar("select count(*) from alerts where state = $1")
            .bind(state)
            .fetch_one(&self.db.pool)
            .await
            .unwrap()
    }
}

fn alert(severity: Severity, key: &str) -> NewAlert {
    NewAlert {
        merchant_id: 1,
        dispute_id: None,
        cycle_n: None,
        kind: "needs_person".to_owned(),
        severity,
        dedupe_key: key.to_owned(),
        title: "somebody has to decide".to_owned(),
        detail: json!({}),
    }
}

fn about(dispute_id: i64, severity: Severity, kind: &str) -> NewAlert {
    let key = format!("{kind}:{dispute_id}");
    let (dispute_id, cycle_n) = (Some(dispute_id), Some(1));
    NewAlert { dispute_id, cycle_n, kind: kind.to_owned(), ..alert(severity, &key) }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn minutes(n: i64) -> TimeDelta {
    TimeDelta::minutes(n)
}

#[tokio::test]
async fn a_page_tells_each_channel_what_who_how_much_and_until_when() {
    let desk = Desk::new().await;
    world::dispute(&desk.db.pool, 1, 501).await;
    let zone = "schema = 1\npolicy = { mode = \"live\", safety_margin = \"6h\", at_margin = \"page\", \
                time_zone = \"Asia/Kolkata\" }\ndefault = { hold = { why = \"no rule\" } }\n";
    world::rules(&desk.db.pool, 1, zone).await;
    desk.answers(SLACK, &[200]).await;
    desk.answers("/pager", &[204]).await;
    let detail = json!({"waiting_for": ["approval"], "rule": "r-7", "answer": {"text": "4000 0012 3456"}});
    let id = desk.raise(&[NewAlert { detail, ..about(501, Severity::Page, "unanswered") }]).await[0];
    assert_eq!(desk.notifier().step().await.unwrap(), Stepped::Did(1));

    let told = body(&desk.posted("/pager").await[0]);
    assert_eq!(told["type"], "alert.unanswered");
    let dispute = &told["data"]["dispute"];
    assert_eq!(dispute["ref"], "dp_501");
    assert_eq!((&dispute["provider"], &dispute["account"]), (&json!("stripe"), &json!("shop-eu")));
    assert_eq!((&dispute["amount_minor"], &dispute["currency"]), (&json!(4250), &json!("EUR")));
    assert_eq!(dispute["respond_by"], "2026-11-22T12:00:00Z");
    assert_eq!(told["data"]["needed"], "approval");
    let text = told["data"]["text"].as_str().unwrap();
    assert!(text.contains("2026-11-22 12:00:00 UTC (2026-11-22 17:30:00 +05:30 Asia/Kolkata)"), "{text}");
    assert!(text.contains("Time left: 1 d 0 h"), "{text}");
    let slack = body(&desk.posted(SLACK).await[0]).to_string();
    assert!(slack.contains(&format!("respondby alerts ack {id} --as NAME")), "{slack}");
    assert!(slack.contains("42.50 EUR") && slack.contains("dp_501"), "{slack}");
    assert!(!slack.contains("3456") && !told.to_string().contains("3456"), "only words for people leave");
    assert_eq!(desk.row(id).await.state, "sent");
}

#[tokio::test]
async fn what_a_webhook_receives_verifies_and_a_tampered_body_does_not() {
    let desk = Desk::new().await;
    desk.answers(SLACK, &[200]).await;
    desk.answers("/pager", &[200]).await;
    desk.raise(&[alert(Severity::Page, "a")]).await;
    desk.notifier().step().await.unwrap();
    let request = desk.posted("/pager").await.remove(0);
    let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let signed = Signed { id, timestamp, signature: header("webhook-signature") };
    let keys = [Key::parse(SECRET).unwrap()];
    let check = |body: &[u8]| {
        standard_webhooks::verify(&keys, &signed, body, world::noon(), standard_webhooks::TOLERANCE)
    };
    assert_eq!(check(&request.body), Ok(()));
    let mut tampered = request.body.clone();
    tampered[0] ^= 1;
    assert!(check(&tampered).is_err());
}

#[tokio::test]
async fn the_state_is_looked_at_again_when_sending() {
    let desk = Desk::new().await;
    for dispute_id in [501, 502, 503] {
        world::dispute(&desk.db.pool, 1, dispute_id).await;
    }
    desk.answers(SLACK, &[200]).await;
    desk.answers("/pager", &[200]).await;
    let page = about(501, Severity::Page, "unanswered");
    let warning = about(502, Severity::Warning, "deadline");
    let news = about(503, Severity::Warning, "answered_elsewhere");
    let ids = desk.raise(&[page, warning, news]).await;
    for dispute_id in [501, 502, 503] {
        // The provider's time of the answer lies before our alert: news of it came late.
        world::answer(&desk.db.pool, dispute_id, world::noon() - minutes(10)).await;
    }
    desk.notifier().step().await.unwrap();
    assert_eq!(desk.posted(SLACK).await.len(), 1, "only the news of the answer itself");
    assert!(desk.posted("/pager").await.is_empty());
    for id in &ids[..2] {
        let row = desk.row(*id).await;
        assert_eq!((row.state.as_str(), row.next_at), ("resolved", None));
        assert!(row.note.unwrap().contains("no longer open"));
    }
    assert_eq!(desk.row(ids[2]).await.state, "sent");
    let idle = desk.notifier().step().await.unwrap();
    assert_eq!(idle, Stepped::Idle { next_at: None });
}

#[tokio::test]
async fn the_same_news_is_one_alert() {
    let desk = Desk::new().await;
    let twice = [alert(Severity::Warning, "k"), alert(Severity::Page, "k"), alert(Severity::Page, "l")];
    assert_eq!(desk.raise(&twice).await.len(), 2);
    assert_eq!(desk.raise(&twice).await, Vec::<i64>::new());
    world::merchant(&desk.db.pool, 2, "other").await;
    let elsewhere = NewAlert { merchant_id: 2, ..alert(Severity::Page, "k") };
    assert_eq!(desk.raise(&[elsewhere]).await.len(), 1, "another merchant's key is another key");
}

#[tokio::test]
async fn a_channel_that_fails_is_tried_again_alone_and_under_the_same_id() {
    let desk = Desk::new().await;
    desk.answers(SLACK, &[200]).await;
    desk.answers("/pager", &[500, 429, 204]).await;
    let id = desk.raise(&[alert(Severity::Page, "a")]).await[0];
    let notifier = desk.notifier();
    let mut steps = 0;
    while desk.posted("/pager").await.len() < 3 {
        steps += 1;
        assert!(steps < 10, "the third try comes soon");
        if let Stepped::Idle { next_at } = notifier.step().await.unwrap() {
            desk.clock.advance_to(next_at.unwrap());
        }
    }
    assert_eq!(desk.posted(SLACK).await.len(), 1, "who has it is not told again");
    assert_eq!(desk.message_ids("/pager").await, vec![format!("alert_{id}_1"); 3]);
    assert!(desk.clock.now() < world::noon() + minutes(1));
    let row = desk.row(id).await;
    assert_eq!((row.state.as_str(), row.sends, row.failures), ("sent", 1, 0));
    let tries: Vec<(String, i32, String)> =
        sqlx::query_as("select channel, tries, outcome from alert_sends order by channel")
            .fetch_all(&desk.db.pool)
            .await
            .unwrap();
    let wanted = [("ops", 1, "delivered"), ("pager", 3, "delivered")];
    assert_eq!(tries, wanted.map(|(channel, n, outcome)| (channel.to_owned(), n, outcome.to_owned())));
}

/// Runs until `until`, jumping to whenever something is due.
async fn run_until(notifier: &Notifier, clock: &Clock, until: DateTime<Utc>) {
    loop {
        match notifier.step().await.unwrap() {
            Stepped::Did(_) => {}
            Stepped::Idle { next_at: Some(next_at) } if next_at <= until => clock.advance_to(next_at),
            Stepped::Idle { .. } => return clock.advance_to(until),
        }
    }
}

#[tokio::test]
async fn a_page_is_sent_again_until_somebody_acknowledges_and_escalated_meanwhile() {
    let desk = Desk::new().await;
    for at in [SLACK, "/pager", "/boss"] {
        desk.answers(at, &[200]).await;
    }
    let id = desk.raise(&[alert(Severity::Page, "a")]).await[0];
    let notifier = desk.notifier();
    run_until(&notifier, &desk.clock, world::noon() + minutes(125)).await;
    let wanted: Vec<_> = (1..=5).map(|round| format!("alert_{id}_{round}")).collect();
    assert_eq!(desk.message_ids("/pager").await, wanted, "every half hour, a new message each time");
    assert_eq!(desk.message_ids("/boss").await, wanted[3..], "the boss is told after an hour and a half");
    let escalated = body(&desk.posted("/boss").await[0]);
    assert_eq!(escalated["data"]["escalated"], true);

    let mut conn = desk.db.pool.acquire().await.unwrap();
    let now = desk.clock.now();
    assert_eq!(alerts::acknowledge(&mut conn, id, "ann", now).await.unwrap(), Acknowledged::Done);
    let again = alerts::acknowledge(&mut conn, id, "bob", now + minutes(1)).await.unwrap();
    assert_eq!(again, Acknowledged::Already { by: "ann".into(), at: now });
    assert_eq!(alerts::acknowledge(&mut conn, 1, "bob", now).await.unwrap(), Acknowledged::NoSuchAlert);
    run_until(&notifier, &desk.clock, now + minutes(600)).await;
    assert_eq!(desk.posted("/pager").await.len(), 5, "nothing after the acknowledgement");
}

#[tokio::test]
async fn an_acknowledgement_while_a_page_is_on_its_way_stands() {
    let desk = Desk::new().await;
    let slow = ResponseTemplate::new(200).set_delay(std::time::Duration::from_millis(300));
    Mock::given(method("POST")).respond_with(slow).mount(&desk.server).await;
    let id = desk.raise(&[alert(Severity::Page, "a")]).await[0];
    let notifier = desk.notifier();
    let (stepped, ()) = tokio::join!(notifier.step(), async {
        // The claim raises the fence: from then on the page is on its way.
        let claimed = async || -> bool {
            let row = sqlx::query_scalar("select fence > 0 from alerts").fetch_one(&desk.db.pool);
            row.await.unwrap()
        };
        while !claimed().await {
            tokio::task::yield_now().await;
        }
        let mut conn = desk.db.pool.acquire().await.unwrap();
        let done = alerts::acknowledge(&mut conn, id, "ann", desk.clock.now()).await.unwrap();
        assert_eq!(done, Acknowledged::Done);
    });
    stepped.unwrap();
    let row = desk.row(id).await;
    assert_eq!((row.state.as_str(), row.next_at), ("acknowledged", None));
}

#[tokio::test]
async fn a_dead_channel_does_not_quiet_the_living_ones() {
    let desk = Desk::new().await;
    desk.answers(SLACK, &[500]).await;
    desk.answers("/pager", &[200]).await;
    desk.answers("/boss", &[200]).await;
    let id = desk.raise(&[alert(Severity::Page, "a")]).await[0];
    run_until(&desk.notifier(), &desk.clock, world::noon() + minutes(65)).await;
    let wanted: Vec<_> = (1..=3).map(|round| format!("alert_{id}_{round}")).collect();
    assert_eq!(desk.message_ids("/pager").await, wanted, "each round once, however often ops is tried");
    assert!(desk.posted(SLACK).await.len() > 10, "and ops is tried on");
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_left_alone_until_it_is_configured_anew() {
    let desk = Desk::new().await;
    desk.answers(SLACK, &[200]).await;
    desk.answers("/pager", &[410]).await;
    let routes = "[[alerts.route]]\nchannels = ['ops', 'pager']\n";
    let notifier = desk.notifier_with(routes, &[]);
    desk.raise(&[alert(Severity::Page, "a")]).await;
    run_until(&notifier, &desk.clock, world::noon() + minutes(125)).await;
    assert_eq!(desk.posted("/pager").await.len(), 1, "it said so once, and that was enough");
    let slack = desk.posted(SLACK).await;
    let told: Vec<_> = slack.iter().filter(|r| body(r).to_string().contains("HTTP 410")).collect();
    assert_eq!(told.len(), 1, "people are told through the other channel, once");
    assert_eq!(slack.len(), 6, "and paged through it every half hour all the same");

    // The same name with another address.
    let moved = desk.notifier_with("[[alerts.route]]\nchannels = ['boss']\n", &[]);
    sqlx::query("update stopped_channels set channel = 'boss'").execute(&desk.db.pool).await.unwrap();
    desk.answers("/boss", &[200]).await;
    desk.clock.advance(minutes(30));
    moved.step().await.unwrap();
    assert_eq!(desk.posted("/boss").await.len(), 1, "the stop was for the old address");
}

#[tokio::test]
async fn when_every_channel_is_gone_the_alert_waits_and_is_not_lost() {
    let desk = Desk::new().await;
    desk.answers(SLACK, &[410]).await;
    let routes = "[[alerts.route]]\nchannels = ['ops']\n";
    let id = desk.raise(&[alert(Severity::Warning, "a")]).await[0];
    run_until(&desk.notifier_with(routes, &[]), &desk.clock, world::noon() + minutes(240)).await;
    assert_eq!(desk.posted(SLACK).await.len(), 1);
    let row = desk.row(id).await;
    assert_eq!(row.state, "raised");
    assert!(row.next_at.is_some());
    desk.answers("/boss", &[200]).await;
    let mended = desk.notifier_with("[[alerts.route]]\nchannels = ['boss']\n", &[]);
    run_until(&mended, &desk.clock, desk.clock.now() + minutes(60)).await;
    assert_eq!(desk.row(id).await.state, "sent");
}

#[tokio::test]
async fn several_notifiers_side_by_side_never_send_twice() {
    let desk = Desk::new().await;
    desk.answers(SLACK, &[200]).await;
    desk.answers("/pager", &[200]).await;
    let pages: Vec<_> = (0..150).map(|i| alert(Severity::Page, &format!("p{i}"))).collect();
    let ids = desk.raise(&pages).await;
    let notifiers = [desk.notifier(), desk.notifier(), desk.notifier()];
    let drain = async |notifier: &Notifier| while let Stepped::Did(_) = notifier.step().await.unwrap() {};
    tokio::join!(drain(&notifiers[0]), drain(&notifiers[1]), drain(&notifiers[2]));
    let mut sent = desk.message_ids("/pager").await;
    sent.sort_unstable();
    let mut wanted: Vec<_> = ids.iter().map(|id| format!("alert_{id}_1")).collect();
    wanted.sort_unstable();
    assert_eq!(sent, wanted);
    assert_eq!(desk.posted(SLACK).await.len(), 150);
    assert_eq!(desk.count("sent").await, 150);
}

#[tokio::test]
async fn a_crash_between_sending_and_writing_down_sends_again_under_the_same_id() {
    let desk = Desk::new().await;
    desk.answers(SLACK, &[200]).await;
    let hang = ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(60));
    let hang = Mock::given(path("/pager")).respond_with(hang).up_to_n_times(1).with_priority(1);
    hang.mount(&desk.server).await;
    desk.answers("/pager", &[200]).await;
    let id = desk.raise(&[alert(Severity::Page, "a")]).await[0];
    let crashing = tokio::spawn({
        let notifier = desk.notifier();
        async move { notifier.step().await }
    });
    while desk.posted("/pager").await.is_empty() {
        tokio::task::yield_now().await;
    }
    crashing.abort();
    assert!(crashing.await.unwrap_err().is_cancelled());

    let notifier = desk.notifier();
    let Stepped::Idle { next_at: Some(lease_end) } = notifier.step().await.unwrap() else {
        panic!("the lease keeps others away until it ends");
    };
    desk.clock.advance_to(lease_end);
    assert_eq!(notifier.step().await.unwrap(), Stepped::Did(1));
    assert_eq!(desk.message_ids("/pager").await, vec![format!("alert_{id}_1"); 2]);
    assert_eq!(desk.row(id).await.sends, 1);
}

#[tokio::test]
async fn who_has_lost_the_lease_can_write_nothing() {
    let desk = Desk::new().await;
    let id = desk.raise(&[alert(Severity::Page, "a")]).await[0];
    let mut conn = desk.db.pool.acquire().await.unwrap();
    let (noon, lease) = (world::noon(), minutes(2));
    let slow = alerts::claim(&mut conn, 9, noon, noon + lease).await.unwrap().remove(0);
    assert!(alerts::claim(&mut conn, 9, noon, noon + lease).await.unwrap().is_empty(), "leased");
    let later = noon + lease;
    let quick = alerts::claim(&mut conn, 9, later, later + lease).await.unwrap().remove(0);
    assert!(alerts::look(&mut conn, &slow).await.unwrap().is_none());
    assert!(alerts::look(&mut conn, &quick).await.unwrap().is_some());

    let timing = respondby::alerts::Timing { repage: minutes(30), escalate_after: minutes(90) };
    let outcome = [("pager".to_owned(), respondby::alerts::Outcome::Delivered)];
    let settled_by = |claimed| {
        let round = respondby::alerts::round(alerts::Claimed::standing(claimed), timing, later);
        let settled = respondby::alerts::settle(
            claimed.standing(),
            round,
            false,
            &[outcome[0].1.clone()],
            timing,
            later,
        );
        alerts::Sent { claimed, round, settled, outcomes: &outcome }
    };
    let lost = alerts::settle(&mut conn, &settled_by(&slow), later).await.unwrap();
    assert_eq!(lost, SettledAlert::LeaseLost);
    assert_eq!(alerts::settle_moot(&mut conn, &slow, "x").await.unwrap(), SettledAlert::LeaseLost);
    let row = desk.row(id).await;
    assert_eq!((row.state.as_str(), row.sends), ("raised", 0));
    let won = alerts::settle(&mut conn, &settled_by(&quick), later).await.unwrap();
    assert_eq!(won, SettledAlert::Settled);
    assert_eq!(desk.row(id).await.next_at, Some(later + minutes(30)));
}

#[tokio::test]
async fn row_26_a_flood_becomes_a_few_messages_and_pages_come_through_it() {
    let desk = Desk::new().await;
    world::merchant(&desk.db.pool, 2, "other").await;
    desk.answers(SLACK, &[200]).await;
    desk.answers("/pager", &[200]).await;
    let routes =
        "[[alerts.route]]\nchannels = ['ops']\n[[alerts.route]]\nat_least = 'page'\nchannels = ['pager']\n";
    let flood: Vec<_> = (0..3_000).map(|i| alert(Severity::Warning, &format!("w{i}"))).collect();
    desk.raise(&flood).await;
    let page = desk.raise(&[alert(Severity::Page, "p")]).await[0];
    desk.raise(&[NewAlert { merchant_id: 2, ..alert(Severity::Warning, "quiet") }]).await;
    let notifiers = [
        desk.notifier_with(routes, &[("per_hour_max", 20)]),
        desk.notifier_with(routes, &[("per_hour_max", 20)]),
    ];
    let drain = async |notifier: &Notifier| while let Stepped::Did(_) = notifier.step().await.unwrap() {};
    tokio::join!(drain(&notifiers[0]), drain(&notifiers[1]));
    let slack: Vec<_> = desk.posted(SLACK).await.iter().map(|r| body(r).to_string()).collect();
    assert_eq!(slack.len(), 22, "twenty of the flood, the page, and the other merchant's own");
    assert_eq!(slack.iter().filter(|text| text.contains("other")).count(), 1);
    assert_eq!(desk.message_ids("/pager").await, [format!("alert_{page}_1")]);

    let mut conn = desk.db.pool.acquire().await.unwrap();
    alerts::acknowledge(&mut conn, page, "ann", desk.clock.now()).await.unwrap();
    run_until(&notifiers[0], &desk.clock, world::noon() + minutes(59)).await;
    let slack: Vec<_> = desk.posted(SLACK).await.iter().map(|r| body(r).to_string()).collect();
    let digests: Vec<_> = slack.iter().filter(|text| text.contains("hourly budget")).collect();
    let told: i64 = digests.iter().map(|text| digest_count(text)).sum();
    assert_eq!((told, slack.len()), (2_980, 22 + digests.len()), "nothing is lost, and nothing else is sent");
    assert!(digests.len() <= 3, "one, or one more for each who folded at the same time: {}", digests.len());
    assert_eq!(desk.count("raised").await, 0, "what a digest told of counts as told");

    // An hour later there is a budget again.
    desk.clock.advance(minutes(2));
    desk.raise(&[alert(Severity::Warning, "later")]).await;
    notifiers[1].step().await.unwrap();
    assert_eq!(desk.posted(SLACK).await.len(), 23 + digests.len());
}

fn digest_count(text: &str) -> i64 {
    let (_, rest) = text.split_once("WARNING: ").unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_digest_leaves_out_what_has_been_answered_and_is_not_sent_when_all_has() {
    let desk = Desk::new().await;
    for dispute_id in [501, 502, 503] {
        world::dispute(&desk.db.pool, 1, dispute_id).await;
    }
    desk.answers(SLACK, &[500, 200]).await;
    let notifier = desk.notifier_with("[[alerts.route]]\nchannels = ['ops']\n", &[("per_hour_max", 1)]);
    let first = about(501, Severity::Warning, "needs_person");
    let second = about(502, Severity::Warning, "needs_person");
    let info = about(503, Severity::Info, "needs_person");
    let ids = desk.raise(&[first, second, info]).await;
    notifier.step().await.unwrap();
    world::answer(&desk.db.pool, 503, desk.clock.now()).await;
    run_until(&notifier, &desk.clock, world::noon() + minutes(50)).await;
    let slack: Vec<_> = desk.posted(SLACK).await.iter().map(|r| body(r).to_string()).collect();
    let digests: Vec<_> = slack.iter().filter(|text| text.contains("hourly budget")).collect();
    assert_eq!(digests.len(), 1, "the digest of infos had nothing left to tell: {slack:#?}");
    assert!(digests[0].contains("1 × needs_person, the earliest to respond to by 2026-11-22 12:00:00 UTC"));
    assert_eq!(desk.row(ids[1]).await.state, "sent");
    assert_eq!(desk.row(ids[2]).await.state, "resolved");
    assert_eq!(desk.count("raised").await, 0);
}

#[tokio::test]
async fn what_is_about_a_deadline_is_never_folded_and_uses_nothing_of_the_budget() {
    let desk = Desk::new().await;
    desk.answers(SLACK, &[200]).await;
    let notifier = desk.notifier_with("[[alerts.route]]\nchannels = ['ops']\n", &[("per_hour_max", 2)]);
    let of = |kind: &str, i: usize| NewAlert {
        kind: kind.to_owned(),
        ..alert(Severity::Warning, &format!("{kind}{i}"))
    };
    let kinds = ["deadline", "deadline_unknown", "missed"];
    let rungs: Vec<_> = kinds.iter().flat_map(|kind| (0..3).map(|i| of(kind, i))).collect();
    desk.raise(&rungs).await;
    while let Stepped::Did(_) = notifier.step().await.unwrap() {}
    assert_eq!(desk.posted(SLACK).await.len(), 9);
    let others: Vec<_> = (0..3).map(|i| of("needs_person", i)).collect();
    desk.raise(&others).await;
    while let Stepped::Did(_) = notifier.step().await.unwrap() {}
    assert_eq!(desk.posted(SLACK).await.len(), 11, "two of the three, as many as the budget has");
}

#[tokio::test]
async fn a_cycles_alerts_are_resolved_together_and_acknowledged_ones_stay_so() {
    let desk = Desk::new().await;
    world::dispute(&desk.db.pool, 1, 501).await;
    world::dispute(&desk.db.pool, 1, 502).await;
    let raised = [
        about(501, Severity::Page, "unanswered"),
        about(501, Severity::Warning, "deadline"),
        about(502, Severity::Page, "unanswered"),
    ];
    let ids = desk.raise(&raised).await;
    desk.clock.advance(minutes(1));
    let now = desk.clock.now();
    let elsewhere = desk.raise(&[about(501, Severity::Info, "answered_elsewhere")]).await[0];
    let mut conn = desk.db.pool.acquire().await.unwrap();
    alerts::acknowledge(&mut conn, ids[0], "ann", now).await.unwrap();
    let ended = [Answered { merchant_id: 1, dispute_id: 501, cycle_n: 1, why: "answered".into() }];
    assert_eq!(alerts::resolve(&mut conn, &ended, now).await.unwrap(), 1);
    let mut states = Vec::new();
    for id in [ids[0], ids[1], ids[2], elsewhere] {
        states.push(desk.row(id).await.state);
    }
    assert_eq!(states, ["acknowledged", "resolved", "raised", "raised"]);
    let unsent = alerts::acknowledge(&mut conn, ids[1], "bob", now).await.unwrap();
    assert_eq!(unsent, Acknowledged::Resolved { note: Some("answered".into()) });
}

/// Everything that is logged while the guard lives, on this thread.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_has_every_alert_and_never_an_address_or_a_secret() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // With one subscriber alone, `tracing` asks the thread that meets a line of code first whether anybody
    // listens, and remembers the answer for all threads. Other tests' threads would say no.
    let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber);
    let desk = Desk::new().await;
    world::dispute(&desk.db.pool, 1, 501).await;
    desk.answers(SLACK, &[500, 404, 410]).await;
    desk.answers("/pager", &[302, 503]).await;
    let forged =
        NewAlert { title: "one\nERROR forged line".into(), ..about(501, Severity::Page, "unanswered") };
    desk.raise(&[forged]).await;
    let notifier = desk.notifier();
    println!("{notifier:?}");
    tracing::info!("{notifier:?}");
    run_until(&notifier, &desk.clock, world::noon() + minutes(40)).await;
    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("ERROR") && log.contains("PAGE: one ERROR forged line"), "{log}");
    assert!(log.contains("dp_501"), "the log can be searched by the dispute");
    assert!(!log.contains("\nERROR forged"), "a title is one line");
    assert!(log.contains("did not get through"));
    // Below INFO other people's code may tell what it sends; what we run with is INFO.
    let loud = |line: &&str| [" INFO ", " WARN ", "ERROR "].iter().any(|level| line.contains(level));
    let mine = |line: &&str| loud(line) || line.contains("respondby::");
    let ours: String = log.lines().filter(mine).collect();
    for secret in ["opaque-part", &SECRET[6..], &SECRET[6..20]] {
        assert!(!ours.contains(secret), "{secret} is in the log");
    }
}
