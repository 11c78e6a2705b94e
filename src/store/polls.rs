//! Accounts whose lists keep failing, and who hears of it. Until it works again only webhooks tell what happens there,
//! and where none come either, nothing does. Polls nothing itself.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::alerts::{self, NewAlert};
use crate::dispute::{AccountId, MerchantId, Severity};

const KIND: &str = "polls_failing";

#[derive(Debug, sqlx::FromRow)]
struct Failing {
    merchant_id: MerchantId,
    account_id: AccountId,
    provider: String,
    name: String,
    failing_since: DateTime<Utc>,
    /// No webhook has come since the polls began to fail.
    silent: bool,
    /// A response was sent, and the record has not shown it yet.
    unconfirmed: bool,
}

/// Raises an alert for each account whose polls have all failed since `before` or longer, once for as long as it
/// lasts, and resolves those of accounts that can be polled again. A warning, or a page where webhooks stay away too
/// or a response waits to be confirmed. Returns how many are new.
pub async fn tell_of_failing(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<usize> {
    let failing: Vec<Failing> = sqlx::query_as(
        "select w.merchant_id, w.account_id, a.provider, a.name, w.failing_since,
             coalesce(w.last_webhook_at < w.failing_since, true) as silent,
             exists (
                 select 1 from actions x
                 where x.merchant_id = w.merchant_id and x.account_id = w.account_id and x.state = 'sent'
                     and x.irreversible
             ) as unconfirmed
         from watermarks w
         join accounts a on a.merchant_id = w.merchant_id and a.account_id = w.account_id and a.retired_at is null
         where w.failing_since <= $1
         order by w.merchant_id, w.account_id",
    )
    .bind(before)
    .fetch_all(&mut *conn)
    .await?;
    resolve_mended(conn).await?;
    let alerts: Vec<NewAlert> = failing.iter().map(alert).collect();
    Ok(alerts::raise(conn, &alerts, now).await?.len())
}

fn alert(of: &Failing) -> NewAlert {
    let (severity, more) = match (of.silent, of.unconfirmed) {
        (_, true) => (Severity::Page, ", and a response that was sent waits for its record to be read"),
        (true, false) => (Severity::Page, ", and no webhook has come since either"),
        (false, false) => (Severity::Warning, ""),
    };
    let name = format!("{}/{}", of.provider, of.name);
    let since = of.failing_since.format("%Y-%m-%d %H:%M UTC");
    NewAlert {
        merchant_id: of.merchant_id,
        dispute_id: None,
        cycle_n: None,
        kind: KIND.to_owned(),
        severity,
        dedupe_key: format!(
            "polls-failing:{}:{}:{severity}",
            of.account_id,
            of.failing_since.timestamp_micros()
        ),
        title: format!("the disputes of {name} could not be listed since {since}{more}"),
        detail: json!({"account": name, "failing_since": of.failing_since, "waiting_for": [
            "mend what `respondby reconcile` shows as the last error: often it is the account's key"]}),
    }
}

async fn resolve_mended(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(
        "update alerts a
         set state = 'resolved', next_at = null, leased_until = null, note = 'its disputes are listed again'
         where a.kind = $1
             and a.state in ('raised', 'sent')
             and not exists (
                 select 1
                 from watermarks w
                 join accounts p on p.merchant_id = w.merchant_id and p.account_id = w.account_id
                 where w.merchant_id = a.merchant_id
                     and w.account_id::text = split_part(a.dedupe_key, ':', 2)
                     and w.failing_since is not null
                     and p.retired_at is null)",
    )
    .bind(KIND)
    .execute(conn)
    .await?;
    Ok(())
}
