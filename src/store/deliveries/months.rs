//! The partitions of `deliveries`, one a month, made ahead. Which month it is, the caller's clock says.
//! Knows nothing of what the rows hold.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// How many months there are beside the present one.
const AHEAD: u32 = 2;

/// Serialises the making of partitions between programs. Any number that nothing else here locks.
const TURN: i64 = 0x6465_6c69_7665_7279;

/// The first day of the month, UTC: the partition key of a delivery received at that instant.
pub fn month_of(at: DateTime<Utc>) -> NaiveDate {
    let day = at.date_naive();
    day.with_day(1).expect("every month has a first day")
}

/// The month before.
pub(super) fn before(month: NaiveDate) -> NaiveDate {
    month - Months::new(1)
}

/// Makes the partitions of the month of `now` and of the two that follow, where they are missing. Cheap when
/// none is, and safe side by side.
pub async fn maintain_months(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    for ahead in 0..=AHEAD {
        make(conn, month_of(now) + Months::new(ahead)).await?;
    }
    Ok(())
}

/// Which of the partitions of the month of `now` and of the next are missing.
pub async fn missing_months(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<NaiveDate>> {
    let mut missing = Vec::new();
    for month in [month_of(now), month_of(now) + Months::new(1)] {
        if !exists(conn, &partition(month)).await? {
            missing.push(month);
        }
    }
    Ok(missing)
}

fn partition(month: NaiveDate) -> String {
    format!("deliveries_{}", month.format("%Y_%m"))
}

/// Makes one partition unless it is there. The table is made first and attached then: `create table …
/// partition of` would lock every reader and writer of `deliveries` out, and wait for the slowest of them.
pub(super) async fn make(conn: &mut PgConnection, month: NaiveDate) -> sqlx::Result<()> {
    let name = partition(month);
    if exists(conn, &name).await? {
        return Ok(());
    }
    let mut tx = conn.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(TURN).execute(&mut *tx).await?;
    if !exists(&mut tx, &name).await? {
        let end = month + Months::new(1);
        // The name and the days are made of numbers here.
        let make = format!(
            "create table {name} (like deliveries including all);
             alter table deliveries attach partition {name} for values from ('{month}') to ('{end}')"
        );
        sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut *tx).await?;
    }
    tx.commit().await
}

/// Asks the catalogue's tables: `to_regclass` answers from a cache that may be older than the lock.
async fn exists(conn: &mut PgConnection, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "select exists (
             select from pg_inherits i
             join pg_class c on c.oid = i.inhrelid
             where i.inhparent = 'deliveries'::regclass and c.relname = $1)",
    )
    .bind(name)
    .fetch_one(conn)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_its_first_day_and_the_year_has_an_edge() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(month_of(at("2027-01-31T23:59:59.999999Z")), day("2027-01-01"));
        assert_eq!(month_of(at("2027-02-01T00:00:00Z")), day("2027-02-01"));
        assert_eq!(before(day("2027-01-01")), day("2026-12-01"));
    }
}
