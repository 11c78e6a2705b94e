//! Evidence that people attach: numbered, bound to its form, and given to each account with the file ids
//! that this account's provider knows.

use chrono::TimeDelta;
use respondby::dispute::FileDelivery;
use respondby::evidence::Field;
use respondby::store::evidence::{self, Attached, Form, NewEvidence, Wanted};
use respondby::store::files::{self, NewFile};

use crate::support::{Database, world};

async fn add(db: &Database, dispute_id: i64, field: Field, form: Form, replace: bool) -> i32 {
    let new = NewEvidence::new(field, form).unwrap();
    let mut tx = db.pool.begin().await.unwrap();
    let n = evidence::add(&mut tx, (1, dispute_id), &new, replace, "ann", world::noon()).await.unwrap();
    tx.commit().await.unwrap();
    n
}

async fn keep(db: &Database, name: &str, content: &'static [u8]) -> i64 {
    let mut conn = db.pool.acquire().await.unwrap();
    let file = NewFile::new(name, content).unwrap();
    files::add(&mut conn, 1, &file, "ann", world::noon()).await.unwrap()
}

async fn attached(db: &Database, dispute_id: i64, account_id: i64, at: i64) -> Attached {
    let mut conn = db.pool.acquire().await.unwrap();
    let wanted = Wanted { merchant_id: 1, dispute_id, account_id, delivery: FileDelivery::Upload };
    let now = world::noon() + TimeDelta::minutes(at);
    evidence::attached(&mut conn, &[wanted], now).await.unwrap().remove(0)
}

async fn one_dispute() -> Database {
    let db = Database::new().await;
    world::merchant(&db.pool, 1, "shop").await;
    world::dispute(&db.pool, 1, 501).await;
    db
}

#[tokio::test]
async fn words_of_a_field_are_joined_in_order_and_can_be_replaced() {
    let db = one_dispute().await;
    let words = |text: &str| Form::Words(text.to_owned());
    assert_eq!(add(&db, 501, Field::Summary, words("First."), false).await, 1);
    assert_eq!(add(&db, 501, Field::Summary, words("Second."), false).await, 2);
    assert_eq!(add(&db, 501, Field::CustomerName, words("A. Nother"), false).await, 1);
    let packet = attached(&db, 501, 10, 0).await.packet;
    assert_eq!(packet.text[&Field::Summary], "First.\n\nSecond.");
    assert_eq!(packet.text[&Field::CustomerName], "A. Nother");
    assert_eq!(add(&db, 501, Field::Summary, words("Third."), true).await, 1);
    assert_eq!(attached(&db, 501, 10, 0).await.packet.text[&Field::Summary], "Third.");
}

#[tokio::test]
async fn a_file_waits_for_its_upload_to_each_account_and_again_when_the_upload_expires() {
    let db = one_dispute().await;
    let file_id = keep(&db, "slip.pdf", b"%PDF-1.7 made up").await;
    add(&db, 501, Field::ShippingDocumentation, Form::File(file_id), false).await;
    add(&db, 501, Field::Receipt, Form::ProviderFile("file_there".into()), false).await;
    let before = attached(&db, 501, 10, 0).await;
    assert_eq!(before.to_upload.len(), 1);
    assert_eq!((before.to_upload[0].file_id, before.to_upload[0].name.as_str()), (file_id, "slip.pdf"));
    assert_eq!(before.packet.files[&Field::Receipt], ["file_there"]);
    assert!(!before.packet.files.contains_key(&Field::ShippingDocumentation));

    let mut conn = db.pool.acquire().await.unwrap();
    let expires_at = Some(world::noon() + TimeDelta::minutes(30));
    files::record_upload(&mut conn, 1, file_id, 10, "file_a", expires_at).await.unwrap();
    let after = attached(&db, 501, 10, 0).await;
    assert!(after.to_upload.is_empty());
    assert_eq!(after.packet.files[&Field::ShippingDocumentation], ["file_a"]);
    assert_eq!(attached(&db, 501, 99, 0).await.to_upload.len(), 1, "another account has not got it");
    assert_eq!(attached(&db, 501, 10, 30).await.to_upload.len(), 1, "an id that has expired is none");
    files::record_upload(&mut conn, 1, file_id, 10, "file_b", None).await.unwrap();
    assert_eq!(attached(&db, 501, 10, 30).await.packet.files[&Field::ShippingDocumentation], ["file_b"]);
}

#[tokio::test]
async fn many_disputes_are_loaded_at_once_and_in_order() {
    let db = one_dispute().await;
    world::dispute(&db.pool, 1, 502).await;
    add(&db, 501, Field::Summary, Form::Words("of the first".into()), false).await;
    let file_id = keep(&db, "a.png", b"\x89PNG\r\n\x1a\nmade up").await;
    for field in [Field::Receipt, Field::ServiceDocumentation] {
        add(&db, 502, field, Form::File(file_id), false).await;
    }
    let delivery = FileDelivery::Upload;
    let wanted =
        [502, 501, 777, 501].map(|id| Wanted { merchant_id: 1, dispute_id: id, account_id: 10, delivery });
    let mut conn = db.pool.acquire().await.unwrap();
    let all = evidence::attached(&mut conn, &wanted, world::noon()).await.unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(all[0].to_upload.len(), 1, "one file for two fields is uploaded once");
    assert_eq!(all[1].packet.text[&Field::Summary], "of the first");
    assert_eq!(all[2], Attached::default());
    assert_eq!(all[3], all[1]);
}

#[tokio::test]
async fn the_same_file_is_kept_once_and_its_bytes_come_back() {
    let db = one_dispute().await;
    let first = keep(&db, "slip.pdf", b"%PDF-1.7 made up").await;
    assert_eq!(keep(&db, "slip.pdf", b"%PDF-1.7 made up").await, first);
    assert_ne!(keep(&db, "slip.pdf", b"%PDF-1.7 another").await, first);
    let mut conn = db.pool.acquire().await.unwrap();
    let file = files::load(&mut conn, 1, first).await.unwrap().unwrap();
    assert_eq!((&file.content[..], file.media_type.as_str()), (&b"%PDF-1.7 made up"[..], "application/pdf"));
    assert_eq!(files::load(&mut conn, 2, first).await.unwrap(), None, "another merchant's");
}

#[tokio::test]
async fn two_who_attach_at_once_get_two_numbers() {
    let db = one_dispute().await;
    let each = (0..6).map(|i| add(&db, 501, Field::Summary, Form::Words(format!("text {i}")), false));
    let mut numbers = futures_util::future::join_all(each).await;
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_dispute_is_found_by_the_providers_id_or_ours() {
    let db = one_dispute().await;
    let mut conn = db.pool.acquire().await.unwrap();
    for word in ["dp_501", "501"] {
        let found = evidence::named(&mut conn, word).await.unwrap();
        assert_eq!(found.len(), 1, "{word}");
        assert_eq!((found[0].dispute_id, found[0].account.as_str()), (501, "shop-eu"));
    }
    assert!(evidence::named(&mut conn, "dp_5").await.unwrap().is_empty());
}

#[tokio::test]
async fn files_are_kept_byte_by_byte_whatever_their_size_and_once_whoever_brings_them() {
    let db = one_dispute().await;
    let slice = 64 << 10;
    for size in [5, slice - 1, slice, slice + 1, 3 * slice + 7] {
        let content: Vec<u8> =
            b"%PDF-".iter().copied().chain((0..size - 5).map(|n| (n % 251) as u8)).collect();
        let file = NewFile::new(&format!("Beleg “{size}”.pdf"), content.clone()).unwrap();
        // Side by side, and again.
        let bring = async || {
            let mut tx = db.pool.begin().await.unwrap();
            let file_id = files::add(&mut tx, 1, &file, "ann", world::noon()).await.unwrap();
            tx.commit().await.unwrap();
            file_id
        };
        let (a, b, c) = tokio::join!(bring(), bring(), bring());
        assert_eq!([a, b, c, bring().await], [a; 4]);
        let mut conn = db.pool.acquire().await.unwrap();
        let kept = files::load(&mut conn, 1, a).await.unwrap().unwrap();
        assert_eq!((kept.name, kept.media_type.as_str()), (format!("Beleg “{size}”.pdf"), "application/pdf"));
        assert!(kept.content == content, "{size}");
        let (sha256_is_so, size_bytes, by, at): (bool, i64, String, chrono::DateTime<chrono::Utc>) = sqlx::query_as(
            "select sha256 = sha256(content), size_bytes, added_by, added_at from files where file_id = $1",
        )
        .bind(a)
        .fetch_one(&mut *conn)
        .await
        .unwrap();
        assert!(sha256_is_so && by == "ann" && at == world::noon() && size_bytes == size as i64);
    }
    let mut conn = db.pool.acquire().await.unwrap();
    let stranger = NewFile::new("a.pdf", &b"%PDF-"[..]).unwrap();
    let refused = files::add(&mut conn, 99, &stranger, "ann", world::noon()).await;
    assert!(refused.is_err(), "of no merchant");
    // And the connection is as good as before.
    assert!(files::load(&mut conn, 1, 1).await.unwrap().is_none());
}
