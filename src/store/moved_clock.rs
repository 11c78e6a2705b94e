//! The clock of a database that does not live by the machine's: the demo's. Written before anything else is, or
//! never: a database that has accounts keeps the machine's clock, whoever asks.

use chrono::TimeDelta;
use sqlx::PgConnection;

/// How far this database's clock is from the machine's; `None` where it is the machine's.
pub async fn away(conn: &mut PgConnection) -> sqlx::Result<Option<TimeDelta>> {
    let away_us: Option<i64> =
        sqlx::query_scalar("select away_us from moved_clock").fetch_optional(conn).await?;
    Ok(away_us.map(TimeDelta::microseconds))
}

/// Has a new database live by a moved clock. `false`, and nothing done, where there are accounts already.
pub async fn set_up(conn: &mut PgConnection, away: TimeDelta) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "insert into moved_clock (away_us)
         select $1
         where not exists (select from accounts) and not exists (select from deliveries)
         on conflict (only_row) do nothing",
    )
    .bind(micros(away)?)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Follows a clock that was moved again.
pub async fn follow(conn: &mut PgConnection, away: TimeDelta) -> sqlx::Result<()> {
    sqlx::query("update moved_clock set away_us = $1").bind(micros(away)?).execute(conn).await?;
    Ok(())
}

fn micros(away: TimeDelta) -> sqlx::Result<i64> {
    away.num_microseconds().ok_or_else(|| sqlx::Error::Encode("no clock is moved by 290,000 years".into()))
}
