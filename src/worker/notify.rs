//! Tells people. A step folds what is beyond the hourly budget, claims what is due, looks once more whether
//! the reason still stands, sends to every channel side by side, and writes down what became of it. No
//! transaction is open while the network is in use. A crash between sending and writing sends again under
//! the same message id: at least once.

mod words;

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use sqlx::PgPool;

use super::Stepped;
use crate::alerts::{self, CHANNEL_STOPPED, Notice, Outcome, Timing};
use crate::clock::Clock;
use crate::config::AlertsConfig;
use crate::dispute::Severity;
use crate::observe::channel::{Channels, TIME_OUTS};
use crate::observe::record;
use crate::store::alerts::{self as rows, Budget, Claimed, NewAlert, Sent, SettledAlert};

const BATCH: i64 = 32;
const SENT_AT_ONCE: usize = 8;
/// Longer than a whole batch takes with every channel at its time-out.
const LEASE: TimeDelta = TimeDelta::minutes(2);
const ADMITTED_AT_ONCE: i64 = 1_000;
/// A flood comes to four digests an hour.
const DIGEST_AFTER: TimeDelta = TimeDelta::minutes(15);

/// Everything that telling people needs.
#[derive(Debug)]
pub struct Notifier {
    pool: PgPool,
    clock: Clock,
    channels: Arc<Channels>,
    timing: Timing,
    budget: Budget,
    log: bool,
}

/// What became of one alert, for tests and the curious.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Sent(SettledAlert),
    /// The reason was gone.
    Moot,
    /// Acknowledged, resolved or claimed by somebody else since we claimed it.
    NotOurs,
}

type Stopped = HashSet<(String, Vec<u8>)>;

impl Notifier {
    pub fn new(pool: PgPool, clock: Clock, channels: Arc<Channels>, config: &AlertsConfig) -> Self {
        let timing = Timing {
            repage: TimeDelta::seconds(config.repage_every_s.into()),
            escalate_after: TimeDelta::seconds(config.escalate_after_s.into()),
        };
        let budget = Budget {
            per_hour: config.per_hour_max.into(),
            digest_after: DIGEST_AFTER,
            batch: ADMITTED_AT_ONCE,
        };
        Self { pool, clock, channels, timing, budget, log: config.log }
    }

    /// Claims what is due and sends it.
    pub async fn step(&self) -> anyhow::Result<Stepped> {
        let now = self.clock.now();
        let folded = self.admit(now).await.context("cannot keep alerts within their budget")?;
        let mut conn = self.pool.acquire().await?;
        let leased_until = now + LEASE;
        let claimed =
            rows::claim(&mut conn, BATCH, now, leased_until).await.context("cannot claim alerts")?;
        if claimed.is_empty() && folded == 0 {
            return Ok(Stepped::Idle { next_at: rows::next_at(&mut conn).await? });
        }
        let stopped: Stopped = rows::stopped_channels(&mut conn).await?.into_iter().collect();
        drop(conn);
        let done = claimed.len() + folded;
        let tells: Vec<_> = claimed.iter().map(|alert| self.tell(alert, leased_until, &stopped)).collect();
        let told: Vec<anyhow::Result<Told>> =
            stream::iter(tells).buffer_unordered(SENT_AT_ONCE).collect().await;
        // One that failed keeps none of the others from being sent: it is due again when its lease ends.
        told.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Stepped::Did(done))
    }

    async fn admit(&self, now: DateTime<Utc>) -> sqlx::Result<usize> {
        let mut tx = self.pool.begin().await?;
        let admitted = rows::admit(&mut tx, self.budget, now).await?;
        tx.commit().await?;
        if admitted.folded > 0 {
            tracing::info!(
                alerts.folded = admitted.folded,
                "alerts beyond the hourly budget wait for a digest"
            );
        }
        Ok(admitted.folded)
    }

    async fn tell(
        &self,
        alert: &Claimed,
        leased_until: DateTime<Utc>,
        stopped: &Stopped,
    ) -> anyhow::Result<Told> {
        let now = self.clock.now();
        let whole = TimeDelta::milliseconds(i64::try_from(TIME_OUTS.total_ms)?);
        if now + whole >= leased_until {
            return Ok(Told::NotOurs);
        }
        let mut conn = self.pool.acquire().await?;
        let Some(seen) = words::see(&mut conn, alert).await? else { return Ok(Told::NotOurs) };
        if let Some(why) = seen.moot() {
            let settled = rows::settle_moot(&mut conn, alert, why).await?;
            record::alert("none", "suppressed");
            return Ok(if settled == SettledAlert::Settled { Told::Moot } else { Told::NotOurs });
        }
        let timing = self.timing.towards(seen.respond_by(), now);
        let round = alerts::round(alert.standing(), timing, now);
        let had = rows::delivered_in_round(&mut conn, alert, round.n).await?;
        drop(conn);
        let notice = seen.notice(alert, round)?;
        if self.log && !round.retry {
            log(alert, &notice);
        }
        let outcomes = self.send(&notice, &had, stopped).await;
        crate::crash::point("notify.sent");
        let only: Vec<Outcome> = outcomes.iter().map(|(_, outcome)| outcome.clone()).collect();
        let now = self.clock.now();
        let before = alert.state == alerts::AlertState::Sent.as_str();
        let settled = alerts::settle(alert.standing(), round, before, &only, timing, now);
        let sent = Sent { claimed: alert, round, settled, outcomes: &outcomes };
        self.write_down(&sent, stopped, now).await.map(Told::Sent)
    }

    /// To every channel of the route that has not had this round yet, side by side.
    async fn send(&self, notice: &Notice, had: &[String], stopped: &Stopped) -> Vec<(String, Outcome)> {
        let fingerprints = self.channels.fingerprints();
        let route = self.channels.route(&notice.merchant, notice.severity, notice.escalated);
        let sends = route.into_iter().filter(|name| !had.iter().any(|h| h == name)).map(|name| {
            let gone =
                fingerprints.get(name).is_some_and(|f| stopped.contains(&(name.to_owned(), f.to_vec())));
            async move {
                let outcome = match gone {
                    true => Outcome::Stopped { why: "the endpoint has told us to stop".to_owned() },
                    false => self.channels.send(name, notice).await,
                };
                record::alert(name, outcome.word());
                (name.to_owned(), outcome)
            }
        });
        join_all(sends).await
    }

    async fn write_down(
        &self,
        sent: &Sent<'_>,
        stopped: &Stopped,
        now: DateTime<Utc>,
    ) -> anyhow::Result<SettledAlert> {
        let alert = sent.claimed;
        let mut tx = self.pool.begin().await?;
        let settled = rows::settle(&mut tx, sent, now).await.context("cannot write down what was sent")?;
        let fingerprints = self.channels.fingerprints();
        for (name, outcome) in sent.outcomes {
            match outcome {
                Outcome::Delivered => {}
                Outcome::Failed { why, .. } => {
                    tracing::warn!(alert.id = alert.alert_id, channel = %name, why, "an alert did not get through");
                }
                Outcome::Stopped { why } => {
                    let Some(fingerprint) = fingerprints.get(name.as_str()) else { continue };
                    if stopped.contains(&(name.clone(), fingerprint.to_vec())) {
                        continue;
                    }
                    if rows::stop_channel(&mut tx, name, fingerprint, why, now).await? {
                        rows::raise(&mut tx, &[stopped_alert(alert, name, fingerprint)], now).await?;
                    }
                }
            }
        }
        tx.commit().await?;
        Ok(settled)
    }
}

/// Told through the other channels: a pager that is gone must not go unnoticed.
fn stopped_alert(alert: &Claimed, channel: &str, fingerprint: &[u8]) -> NewAlert {
    NewAlert {
        merchant_id: alert.merchant_id,
        dispute_id: None,
        cycle_n: None,
        kind: CHANNEL_STOPPED.to_owned(),
        severity: Severity::Warning,
        dedupe_key: format!("{CHANNEL_STOPPED}:{channel}:{}", hex::encode(&fingerprint[..8])),
        title: format!("the alert channel {channel} answered HTTP 410 and gets nothing any more"),
        detail: json!({"waiting_for": ["give the channel a new url in the configuration, or take it out"]}),
    }
}

fn log(alert: &Claimed, notice: &Notice) {
    let subject = notice.subject.as_ref();
    let dispute = subject.map(|s| s.dispute_ref.as_str());
    let respond_by = subject.and_then(|s| s.respond_by).map(|at| at.to_rfc3339());
    let words = notice.headline();
    macro_rules! say {
        ($level:ident) => {
            tracing::$level!(
                alert.id = alert.alert_id,
                alert.kind = %alert.kind,
                alert.round = notice.round,
                alert.escalated = notice.escalated,
                merchant = %notice.merchant,
                dispute.id = alert.dispute_id,
                dispute.r#ref = dispute,
                respond_by,
                "{words}"
            )
        };
    }
    match notice.severity {
        Severity::Info => say!(info),
        Severity::Warning => say!(warn),
        Severity::Page => say!(error),
    }
}

const _: () = {
    let rounds = (BATCH as u64).div_ceil(SENT_AT_ONCE as u64);
    assert!(rounds * TIME_OUTS.total_ms < 60_000, "a batch is sent well within its lease");
};
