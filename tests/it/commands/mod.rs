//! The commands that people and engineers run beside an engine: the built program on a database of its own.

mod deliveries;
mod doctor;
mod orders;
mod readme;
mod rules;

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use respondby::app;
use respondby::clock::Clock;
use respondby::config::Config;
use respondby::dispute::{
    Category, Currency, Event, Money, News, Reason, RespondBy, Snapshot, Source, Stage, Status,
};
use respondby::engine::{Applied, Input};
use respondby::providers::Registry;
use respondby::store::ids::Ids;
use respondby::store::turn::{self, CaseKey, Item, World};
use serde_json::Value;

use crate::support::{Database, world};

/// Live rules under which a person's order to accept wants a second person.
const RULES: &str = r#"
schema = 1
default = { hold = { why = "no rule of the tests matches" } }

[policy]
mode = "live"

[[rule]]
id = "accept-with-two"
why = "two pairs of eyes"
when.reason = ["fraud"]
when.amount = { at_most = { USD = "25.00" } }
then = { accept = { after = "24h" } }
approval = "always"

[template.letter]
summary = "The goods were delivered."
"#;

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// Merchant 1, `shop`, with the account stripe/shop-eu, and the program beside its database.
struct Shop {
    db: Database,
    dir: tempfile::TempDir,
    now: DateTime<Utc>,
}

impl Shop {
    async fn new() -> Self {
        let db = Database::new().await;
        world::merchant(&db.pool, 1, "shop").await;
        let dir = tempfile::tempdir().unwrap();
        let shop = Self { db, dir, now: Clock::system().now() };
        shop.write("respondby.toml", &format!("[database]\nurl = {:?}\n", shop.db.url));
        shop
    }

    async fn with_rules() -> Self {
        let shop = Self::new().await;
        world::rules(&shop.db.pool, 1, RULES).await;
        shop
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn run(&self, words: &[&str]) -> Said {
        respondby(
            words,
            &[("RESPONDBY_CONFIG", &self.dir.path().join("respondby.toml").display().to_string())],
        )
    }

    fn ok(&self, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!(said.code, Some(0), "{words:?}: {}", said.all());
        said.out
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[words, &["--json"]].concat())).unwrap()
    }

    /// Fails, and says all of this.
    fn fails(&self, words: &[&str], parts: &[&str]) {
        let said = self.run(words);
        assert_eq!(said.code, Some(1), "{words:?}: {}", said.all());
        for part in parts {
            assert!(said.all().contains(part), "{words:?}: {part} not in {}", said.all());
        }
    }

    /// News of a dispute over USD 20.00 that wants a response within five days, as a webhook would bring it.
    async fn dispute(&self, dispute_ref: &str, account_id: i64) {
        let snapshot = Snapshot {
            dispute_ref: dispute_ref.to_owned(),
            payment_ref: Some("pi_tests".to_owned()),
            charge_ref: None,
            stage: Stage::Chargeback,
            status: Status::NeedsResponse,
            provider_status: "needs_response".to_owned(),
            amount: Money::new(2000, Currency::parse("USD").unwrap()),
            reason: Reason {
                category: Category::Fraud,
                provider_reason: "fraudulent".to_owned(),
                network_code: Some("10.4".to_owned()),
                network: Some("visa".to_owned()),
            },
            respond_by: RespondBy::At(self.now + TimeDelta::days(5)),
            deadline_confirmed: true,
            opened_at: self.now - TimeDelta::days(2),
            submissions: 0,
            evidence_staged: false,
            past_due: false,
            fee_required: false,
            refunded: false,
            customer_ref: None,
            live: true,
            new_round: false,
        };
        let event = Event {
            source: Source::Webhook,
            name: "charge.dispute.created".to_owned(),
            as_of: self.now - TimeDelta::hours(1),
            news: News::Record { snapshot },
        };
        let key = CaseKey::Ref { merchant_id: 1, account_id, dispute_ref: dispute_ref.to_owned() };
        let input = Input::News(Box::new(event));
        let item = Item { key, input, cause: "webhook".to_owned(), delivery_id: None };
        let mut tx = self.db.pool.begin().await.unwrap();
        let turned = turn::take(&mut tx, &turns(), vec![item], self.now).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(turned[0].applied, Applied::Applied);
    }
}

fn turns() -> World {
    // Made once: each reads the machine's certificates.
    static REGISTRY: LazyLock<Registry> =
        LazyLock::new(|| Registry::new(&Config::read(None, []).unwrap().providers, Clock::system()).unwrap());
    app::world(&Config::read(None, []).unwrap(), Ids::new(), REGISTRY.clone())
}

/// The program with nothing of our own environment that would steer it.
fn respondby(words: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_respondby"));
    let ours = |name: &str| name.starts_with("RESPONDBY_") || name == "DATABASE_URL";
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    let Output { status, stdout, stderr } =
        command.args(words).envs(environment.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: status.code(), out: text(stdout), err: text(stderr) }
}
