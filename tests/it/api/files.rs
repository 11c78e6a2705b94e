//! Files that come with an order: kept with it, whole or not at all, and handed to the provider when it is sent.

use respondby::desk::{Caller, Found, Given, NotTaken, Piece, Standing, Told, Want, Which, Wish};
use respondby::evidence::Field;
use respondby::store::evidence::Named;
use respondby::store::files::NewFile;
use tokio::time::Instant;

use super::{ALL, Program};
use crate::engine::stage::{RAZORPAY, STRIPE, Stage, fraud, hours};

const SLIP: &[u8] = b"%PDF-1.4\n% a slip\n%%EOF\n";

fn slip(name: &str, content: &'static [u8]) -> Piece {
    Piece { field: Field::ShippingDocumentation, given: Given::File(NewFile::new(name, content).unwrap()) }
}

fn words(text: &str) -> Piece {
    Piece { field: Field::Summary, given: Given::Words(text.into()) }
}

const SENT: Want = Want::Defend { template: None, reason: None, acknowledge_fee: false };

/// Somebody at the desk, with one dispute before them.
struct Counter {
    caller: Caller,
    named: Named,
}

impl Counter {
    async fn at(stage: &Stage, merchant: &str, dispute_ref: &str) -> Self {
        let program = Program::of(stage, merchant, "till", ALL).await;
        let caller = stage.engine.desk.authenticate(&program.key).await.unwrap();
        Self { named: Self::named(stage, &caller, dispute_ref).await, caller }
    }

    async fn named(stage: &Stage, caller: &Caller, dispute_ref: &str) -> Named {
        let which = Which { word: dispute_ref, ..Which::default() };
        match stage.engine.desk.find(caller, which).await.unwrap() {
            Found::One(named) => named,
            other @ (Found::None | Found::Several(_)) => panic!("{dispute_ref}: {other:?}"),
        }
    }

    async fn order(
        &self,
        stage: &Stage,
        key: Option<&str>,
        want: Want,
        pieces: Vec<Piece>,
    ) -> Result<Told, NotTaken> {
        let wish = Wish::new(want, pieces).unwrap();
        stage.engine.desk.order(&self.caller, &self.named, wish, key, Instant::now()).await
    }
}

async fn count(stage: &Stage, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&stage.db.pool).await.unwrap()
}

const FILES: &str = "select count(*) from files";
const EVIDENCE: &str = "select count(*) from evidence where file_id is not null";

#[tokio::test]
async fn a_file_that_an_order_brings_is_kept_with_it_and_reaches_the_provider() {
    let mut stage = Stage::new().await;
    for (merchant, provider) in [("acme", STRIPE), ("bazaar", RAZORPAY)] {
        let dispute_ref = stage.open(fraud(provider, hours(96))).await;
        let counter = Counter::at(&stage, merchant, &dispute_ref).await;
        let before = count(&stage, FILES).await;
        let all = vec![words("It came."), slip("slip.pdf", SLIP)];
        let told = counter.order(&stage, None, SENT, all).await.unwrap();
        assert!(!told.standing.is_final(), "{told:?}");
        assert_eq!(count(&stage, FILES).await, before + 1);
        stage.settle().await;
        let uploaded: String = sqlx::query_scalar(
            "select u.provider_file_ref from file_uploads u join files using (merchant_id, file_id)
             join evidence e using (merchant_id, file_id) where e.dispute_id = $1 and e.added_by = 'api:till'
                 and files.content = $2",
        )
        .bind(counter.named.dispute_id)
        .bind(SLIP)
        .fetch_one(&stage.db.pool)
        .await
        .unwrap();
        let record = stage.theirs(&dispute_ref).record.to_string();
        assert!(record.contains(&uploaded), "{record}");
    }
    stage.uphold().await;
}

#[tokio::test]
async fn nothing_of_a_refused_order_s_files_is_kept() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let counter = Counter::at(&stage, "acme", &dispute_ref).await;
    let misspelt = Want::Defend { template: Some("wrods".into()), reason: None, acknowledge_fee: false };
    let told = counter.order(&stage, Some("1"), misspelt, vec![slip("slip.pdf", SLIP)]).await.unwrap();
    assert!(matches!(told.standing, Standing::Refused { .. }), "{told:?}");
    assert_eq!((count(&stage, FILES).await, count(&stage, EVIDENCE).await), (0, 0));
    // Other bytes under the same name are another order, and leave nothing behind either.
    let again = counter.order(&stage, Some("1"), Want::Keep, vec![slip("slip.pdf", b"%PDF-other")]).await;
    assert!(matches!(again, Err(NotTaken::AnotherUnderThisKey)), "{again:?}");
    assert_eq!(count(&stage, FILES).await, 0);
}

#[tokio::test]
async fn the_same_file_is_kept_once_and_the_same_order_is_one() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let other = stage.open(fraud(STRIPE, hours(96))).await;
    let counter = Counter::at(&stage, "acme", &dispute_ref).await;
    for key in [Some("a"), Some("a"), None, None] {
        let told = counter.order(&stage, key, Want::Keep, vec![slip("slip.pdf", SLIP)]).await.unwrap();
        assert_eq!(told.standing, Standing::Kept);
    }
    assert_eq!((count(&stage, FILES).await, count(&stage, EVIDENCE).await), (1, 1));
    let changed =
        counter.order(&stage, Some("a"), Want::Keep, vec![slip("slip.pdf", b"%PDF-1.4 more")]).await;
    assert!(matches!(changed, Err(NotTaken::AnotherUnderThisKey)), "{changed:?}");
    // For another dispute it is the same file.
    let beside = Counter { named: Counter::named(&stage, &counter.caller, &other).await, ..counter };
    beside.order(&stage, None, Want::Keep, vec![slip("slip.pdf", SLIP)]).await.unwrap();
    assert_eq!((count(&stage, FILES).await, count(&stage, EVIDENCE).await), (1, 2));
}
