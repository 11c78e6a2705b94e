//! Nobody is given an id that somebody else has.

use std::collections::HashSet;

use respondby::store::ids::Ids;

use crate::support::Database;

#[tokio::test]
async fn many_takers_in_several_processes_never_share_an_id() {
    let db = Database::new().await;
    // Each `Ids` stands for a process.
    let processes = [Ids::new(), Ids::new(), Ids::new()];
    let takers: Vec<_> = (0..24usize)
        .map(|n| {
            let (pool, ids) = (db.pool.clone(), processes[n % 3].clone());
            tokio::spawn(async move {
                let mut conn = pool.acquire().await.unwrap();
                let mut taken = Vec::new();
                for count in [1, 0, 700, 2, 1500, 3] {
                    let some = ids.take(&mut conn, count).await.unwrap();
                    assert_eq!(some.len(), count);
                    taken.extend(some);
                }
                taken
            })
        })
        .collect();
    let mut all = HashSet::new();
    for taker in takers {
        for id in taker.await.unwrap() {
            assert!(id > 0);
            assert!(all.insert(id), "{id} was handed out twice");
        }
    }
    assert_eq!(all.len(), 24 * 2206);
}

#[tokio::test]
async fn a_transaction_that_is_rolled_back_gives_no_id_back() {
    let db = Database::new().await;
    let mut tx = db.pool.begin().await.unwrap();
    let first = Ids::new().take(&mut tx, 1000).await.unwrap();
    tx.rollback().await.unwrap();
    let mut conn = db.pool.acquire().await.unwrap();
    let second = Ids::new().take(&mut conn, 1000).await.unwrap();
    let first: HashSet<i64> = first.into_iter().collect();
    assert!(second.iter().all(|id| !first.contains(id)));
}

#[tokio::test]
async fn a_database_that_cannot_answer_costs_no_id_in_hand() {
    let db = Database::new().await;
    let mut conn = db.pool.acquire().await.unwrap();
    let ids = Ids::new();
    let mut seen: HashSet<i64> = ids.take(&mut conn, 990).await.unwrap().into_iter().collect();
    sqlx::query("alter sequence ids rename to ids_away").execute(&mut *conn).await.unwrap();
    ids.take(&mut conn, 50).await.unwrap_err();
    // The ten that were left are still there for a taker that needs no more.
    seen.extend(ids.take(&mut conn, 10).await.unwrap());
    assert_eq!(seen, (1..=1000).collect());
}
