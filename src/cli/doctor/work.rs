//! What `doctor` looks at of the work itself: partitions, deliveries, cycles, actions and pages that wait, and
//! for how long that is right. Changes nothing.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::Finding;
use crate::cli::show::ago;
use crate::clock::Clock;
use crate::config::Config;
use crate::providers::{ProviderName, Registry};
use crate::store::deliveries;
use crate::store::vitals::{self, Waiting};

/// Work that announces itself is done within a second; this is far beyond any batch.
const LATE: TimeDelta = TimeDelta::minutes(2);
/// A provider's record shows an action within minutes, and is read again and again until it does.
const UNCONFIRMED: TimeDelta = TimeDelta::minutes(30);
/// Where only a webhook can tell: providers send one again for hours while an address does not answer, the slowest
/// every eight hours, and a day has three of those. A person is paged at the margin in any case.
const UNCONFIRMED_UNREAD: TimeDelta = TimeDelta::hours(24);

pub(super) async fn look(
    conn: &mut PgConnection,
    config: &Config,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<Finding>> {
    let mut findings = vec![partitions(conn, now).await?];
    findings.extend(read(conn, now).await?);
    findings.extend(cycles(conn, now).await?);
    let registry = Registry::new(&config.providers, Clock::system())?;
    let unread = ProviderName::ALL.iter().filter(|name| !registry.get(**name).capabilities().fetch);
    let unread: Vec<&str> = unread.map(|name| name.as_str()).collect();
    let before = vitals::SentBefore { read: now - UNCONFIRMED, unread: now - UNCONFIRMED_UNREAD };
    findings.push(waiting(
        "actions",
        vitals::unconfirmed_actions(conn, before, &unread).await?,
        now,
        "actions were sent without the provider's record showing the effect",
        "`respondby disputes show` of those that `disputes list --open` lists shows each request and its answer",
    ));
    findings.push(waiting(
        "pages",
        vitals::unacknowledged_pages(conn).await?,
        now,
        "pages wait for somebody to acknowledge them",
        "`respondby alerts list`, do what is asked, and `respondby alerts ack ID --as YOU`",
    ));
    Ok(findings)
}

async fn partitions(conn: &mut PgConnection, now: DateTime<Utc>) -> anyhow::Result<Finding> {
    let missing = deliveries::missing_months(conn, now).await?;
    Ok(match missing.as_slice() {
        [] => Finding::ok("partitions", "there are those for this month and the next"),
        some => {
            let months: Vec<String> = some.iter().map(|m| m.format("%Y-%m").to_string()).collect();
            let said = format!("deliveries of {} have no partition yet", months.join(" and "));
            Finding::wrong(
                "partitions",
                said,
                "`respondby serve` makes them as it starts and every six hours",
            )
        }
    })
}

async fn read(conn: &mut PgConnection, now: DateTime<Utc>) -> anyhow::Result<Vec<Finding>> {
    let unread = vitals::unread(conn).await?;
    let late = unread.since.is_some_and(|since| since <= now - LATE);
    let (count, since) = (unread.count, unread.since.map(|s| ago(s, now)).unwrap_or_default());
    let waits = match (count, late) {
        (0, _) => Finding::ok("deliveries", "none waits to be read"),
        (_, false) => {
            Finding::ok("deliveries", format!("{count} wait(s) to be read, the oldest came {since}"))
        }
        (_, true) => Finding::wrong(
            "deliveries",
            format!("{count} wait(s) to be read, the oldest came {since}"),
            "is a worker running? `respondby serve` with \"worker\" in worker.roles reads them",
        ),
    };
    let quarantined = waiting(
        "quarantine",
        vitals::quarantined(conn).await?,
        now,
        "deliveries wait for a person, because they were not understood",
        "`respondby deliveries list --state quarantined` says why; after a fix: `respondby deliveries replay --quarantined`; \
         what can never be read: `respondby deliveries dismiss ID --as YOU --why TEXT`",
    );
    Ok(vec![waits, quarantined])
}

async fn cycles(conn: &mut PgConnection, now: DateTime<Utc>) -> anyhow::Result<Vec<Finding>> {
    let late = waiting(
        "scheduler",
        vitals::late_wakes(conn, now - LATE).await?,
        now,
        "open cycles are late to be looked at",
        "is a worker running? `respondby serve` with \"worker\" in worker.roles looks at them",
    );
    let overdue = waiting(
        "deadlines",
        vitals::overdue(conn, now).await?,
        now,
        "open cycles are past respond_by without a response",
        "`respondby disputes list --open` names them: look each up in the provider's dashboard",
    );
    Ok(vec![late, overdue])
}

/// Right when there is none.
fn waiting(about: &'static str, found: Waiting, now: DateTime<Utc>, what: &str, mend: &str) -> Finding {
    match (found.count, found.since) {
        (0, _) => Finding::ok(about, format!("no {what}")),
        (n, Some(since)) => {
            Finding::wrong(about, format!("{n} {what}; the oldest {}", ago(since, now)), mend)
        }
        (n, None) => Finding::wrong(about, format!("{n} {what}"), mend),
    }
}
