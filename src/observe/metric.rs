//! The table of everything that is measured: the contract with dashboards and alert rules.
//! Nothing is measured here and nothing is rendered: the recorder does both from this table.

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only rises. Its name ends in `_total`.
    Counter,
    /// A level at this moment.
    Gauge,
    /// Counts per bucket, with the upper bounds of the buckets.
    Histogram(&'static [f64]),
}

#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub meaning: &'static str,
}

const MOMENTS_S: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
const ROWS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// From a minute to a month; what is below zero came too late.
const SLACK_S: &[f64] =
    &[0.0, 60.0, 600.0, 3600.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 604_800.0, 1_209_600.0, 2_592_000.0];
const GAP_S: &[f64] = &[1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0, 604_800.0];

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric { name, kind, labels, meaning }
}

use Kind::{Counter, Gauge, Histogram};

pub const METRICS: &[Metric] = &[
    metric(
        "respondby_http_requests_total",
        Counter,
        &["route", "status"],
        "Requests answered, by the route's pattern and the status code.",
    ),
    metric(
        "respondby_grpc_calls_total",
        Counter,
        &["method", "code"],
        "gRPC calls answered, by method (other: reflection, health, what there is not) and status code.",
    ),
    metric(
        "respondby_deliveries_total",
        Counter,
        &["provider", "outcome"],
        "Webhooks by what became of them: kept, duplicate, refused, unavailable.",
    ),
    metric("respondby_intake_batch_rows", Histogram(ROWS), &[], "Deliveries committed by one statement."),
    metric(
        "respondby_intake_commit_seconds",
        Histogram(MOMENTS_S),
        &[],
        "From the first delivery of a batch being taken to its commit.",
    ),
    metric(
        "respondby_apply_lag_seconds",
        Histogram(MOMENTS_S),
        &["provider"],
        "From the receipt of a webhook to the commit of what it meant.",
    ),
    metric(
        "respondby_events_total",
        Counter,
        &["provider", "outcome"],
        "Events by what became of them: applied, unchanged, stale, quarantined, not_ours.",
    ),
    metric(
        "respondby_decisions_total",
        Counter,
        &["answer"],
        "Decisions recorded, by what the rules answered.",
    ),
    metric(
        "respondby_step_failures_total",
        Counter,
        &["step"],
        "Passes of a worker step that failed and were tried again.",
    ),
    metric("respondby_wakes_total", Counter, &[], "Cycles looked at because their time had come."),
    metric(
        "respondby_wake_lag_seconds",
        Histogram(MOMENTS_S),
        &[],
        "From the instant a cycle wanted to be looked at to the commit of the look.",
    ),
    metric(
        "respondby_slack_seconds",
        Histogram(SLACK_S),
        &["provider"],
        "What was left before respond_by when the provider's record showed the response.",
    ),
    metric(
        "respondby_overdue_cycles",
        Gauge,
        &[],
        "Open cycles past their wake by more than five minutes. Anything but 0 is an incident.",
    ),
    metric(
        "respondby_queue_depth",
        Gauge,
        &["queue"],
        "Rows waiting, counted to 10,000: deliveries, quarantine, actions, alerts, fetches.",
    ),
    metric(
        "respondby_actions_total",
        Counter,
        &["kind", "outcome"],
        "Attempts of external effects, by where the action stands afterwards: done, again, unconfirmed, unknown, refused, cancelled, regenerated.",
    ),
    metric(
        "respondby_provider_calls_total",
        Counter,
        &["provider", "outcome"],
        "Calls to a provider's API, reads among them: receipt, retry, refused, unknown.",
    ),
    metric(
        "respondby_provider_call_seconds",
        Histogram(MOMENTS_S),
        &["provider"],
        "How long a provider took to answer.",
    ),
    metric(
        "respondby_alerts_total",
        Counter,
        &["channel", "outcome"],
        "Sends of alerts: delivered, failed, stopped; suppressed where the reason was gone.",
    ),
    metric(
        "respondby_reconcile_gap_seconds",
        Histogram(GAP_S),
        &["provider"],
        "How old the provider's news was when polling found what no webhook had told.",
    ),
    metric(
        "respondby_reconcile_found_total",
        Counter,
        &["provider"],
        "Disputes and changes found only by polling: webhooks lost.",
    ),
    metric(
        "respondby_reconcile_age_seconds",
        Gauge,
        &["provider", "account"],
        "Since the last comparison with the provider's own list that went through.",
    ),
    metric(
        "respondby_fetches_dropped_total",
        Counter,
        &["provider", "outcome"],
        "Disputes named by a webhook and known to nobody: turned_away where too many waited, given_up after the provider had said five times that there is none.",
    ),
    metric(
        "respondby_facts_pulls_total",
        Counter,
        &["outcome"],
        "Questions to the merchant's own system: answered, unknown, failed.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_say_what_they_are() {
        let mut seen = BTreeSet::new();
        for metric in METRICS {
            assert!(seen.insert(metric.name), "{} is there twice", metric.name);
            assert!(metric.name.starts_with("respondby_"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Counter, "{}", metric.name);
            assert!(metric.meaning.ends_with('.'), "{}", metric.name);
            if let Histogram(bounds) = metric.kind {
                assert!(bounds.is_sorted(), "{}", metric.name);
            }
        }
    }
}
