//! The recorder behind `/metrics`, and one function per metric, so that no caller spells a name or a label.
//! Knows the table of metrics, and nothing of what the numbers are used for.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use metrics::Unit;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::metric::{Kind, METRICS};

/// What has been measured so far, ready to be shown.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Starts measuring, for the whole process. A second call gives the same.
    pub fn install() -> Self {
        static INSTALLED: OnceLock<Metrics> = OnceLock::new();
        INSTALLED
            .get_or_init(|| {
                let recorder = recorder();
                let metrics = Metrics(recorder.handle());
                // Refused only where a test has put a recorder of its own in place.
                if metrics::set_global_recorder(recorder).is_ok() {
                    describe();
                }
                metrics
            })
            .clone()
    }

    /// The text of `/metrics`, in the exposition format of Prometheus.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

/// Names and labels in a rendered text that the table of metrics does not have. Empty when the contract holds.
pub fn undeclared(rendered: &str) -> BTreeSet<String> {
    let samples = rendered.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    samples.flat_map(undeclared_in).collect()
}

/// `name{label="value",…} 1`
fn undeclared_in(sample: &str) -> Vec<String> {
    let end = sample.find(['{', ' ']).unwrap_or(sample.len());
    let (name, rest) = sample.split_at(end);
    let plain = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    let Some(metric) = METRICS.iter().find(|m| m.name == name || Some(m.name) == plain) else {
        return vec![name.to_owned()];
    };
    let labels = rest.strip_prefix('{').and_then(|r| r.rsplit_once('}')).map_or("", |(labels, _)| labels);
    labels
        .split("\",")
        .filter_map(|pair| pair.split_once('=').map(|(label, _)| label))
        .filter(|label| *label != "le" && !metric.labels.contains(label))
        .map(|label| format!("{name}{{{label}}}"))
        .collect()
}

fn recorder() -> PrometheusRecorder {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let Kind::Histogram(bounds) = metric.kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)
                .expect("every histogram of the table has bounds");
        }
    }
    builder.build_recorder()
}

fn describe() {
    for metric in METRICS {
        let unit = if metric.name.ends_with("_seconds") { Unit::Seconds } else { Unit::Count };
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, unit, metric.meaning),
            Kind::Gauge => metrics::describe_gauge!(metric.name, unit, metric.meaning),
            Kind::Histogram(_) => metrics::describe_histogram!(metric.name, unit, metric.meaning),
        }
    }
}

/// One function per metric of the table. Durations in seconds.
pub mod record {
    use metrics::{counter, gauge, histogram};

    pub fn http_request(route: &'static str, status: u16) {
        counter!("respondby_http_requests_total", "route" => route, "status" => status.to_string())
            .increment(1);
    }

    pub fn grpc_call(method: &'static str, code: &'static str) {
        counter!("respondby_grpc_calls_total", "method" => method, "code" => code).increment(1);
    }

    pub fn deliveries(provider: &'static str, outcome: &'static str, count: u64) {
        counter!("respondby_deliveries_total", "provider" => provider, "outcome" => outcome).increment(count);
    }

    pub fn intake_batch(rows: usize, seconds: f64) {
        histogram!("respondby_intake_batch_rows").record(rows as f64);
        histogram!("respondby_intake_commit_seconds").record(seconds);
    }

    pub fn apply_lag(provider: &'static str, seconds: f64) {
        histogram!("respondby_apply_lag_seconds", "provider" => provider).record(seconds);
    }

    pub fn events(provider: &'static str, outcome: &'static str, count: u64) {
        counter!("respondby_events_total", "provider" => provider, "outcome" => outcome).increment(count);
    }

    pub fn decisions(answer: &'static str, count: u64) {
        counter!("respondby_decisions_total", "answer" => answer).increment(count);
    }

    pub fn wake(lag_seconds: f64) {
        counter!("respondby_wakes_total").increment(1);
        histogram!("respondby_wake_lag_seconds").record(lag_seconds);
    }

    /// Below zero when the response came after `respond_by`.
    pub fn slack(provider: &'static str, seconds: f64) {
        histogram!("respondby_slack_seconds", "provider" => provider).record(seconds);
    }

    pub fn overdue(cycles: u64) {
        gauge!("respondby_overdue_cycles").set(cycles as f64);
    }

    pub fn step_failure(step: &'static str) {
        counter!("respondby_step_failures_total", "step" => step).increment(1);
    }

    pub fn queue_depth(queue: &'static str, rows: u64) {
        gauge!("respondby_queue_depth", "queue" => queue).set(rows as f64);
    }

    pub fn action(kind: &'static str, outcome: &'static str) {
        counter!("respondby_actions_total", "kind" => kind, "outcome" => outcome).increment(1);
    }

    pub fn provider_call(provider: &'static str, outcome: &'static str, seconds: f64) {
        counter!("respondby_provider_calls_total", "provider" => provider, "outcome" => outcome).increment(1);
        histogram!("respondby_provider_call_seconds", "provider" => provider).record(seconds);
    }

    pub fn alert(channel: &str, outcome: &'static str) {
        counter!("respondby_alerts_total", "channel" => channel.to_owned(), "outcome" => outcome)
            .increment(1);
    }

    /// `gap_seconds` is known where the provider tells when it happened.
    pub fn reconcile_found(provider: &'static str, gap_seconds: Option<f64>) {
        counter!("respondby_reconcile_found_total", "provider" => provider).increment(1);
        if let Some(gap_seconds) = gap_seconds {
            histogram!("respondby_reconcile_gap_seconds", "provider" => provider).record(gap_seconds);
        }
    }

    pub fn reconcile_age(provider: &'static str, account: &str, seconds: f64) {
        gauge!("respondby_reconcile_age_seconds", "provider" => provider, "account" => account.to_owned())
            .set(seconds);
    }

    pub fn fetch_dropped(provider: &'static str, outcome: &'static str) {
        counter!("respondby_fetches_dropped_total", "provider" => provider, "outcome" => outcome)
            .increment(1);
    }

    pub fn facts_pull(outcome: &'static str) {
        counter!("respondby_facts_pulls_total", "outcome" => outcome).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(measure: impl FnOnce()) -> String {
        let recorder = recorder();
        let metrics = Metrics(recorder.handle());
        metrics::with_local_recorder(&recorder, || {
            describe();
            measure();
        });
        metrics.render()
    }

    fn everything() {
        record::http_request("/healthz", 200);
        record::grpc_call("Defend", "OK");
        record::deliveries("stripe", "kept", 3);
        record::intake_batch(3, 0.002);
        record::apply_lag("stripe", 0.01);
        record::events("razorpay", "applied", 2);
        record::decisions("defend", 1);
        record::wake(0.5);
        record::slack("stripe", -5.0);
        record::overdue(0);
        record::step_failure("wake");
        record::queue_depth("actions", 4);
        record::action("submit", "receipt");
        record::provider_call("stripe", "receipt", 0.3);
        record::alert("ops", "sent");
        record::reconcile_found("razorpay", Some(900.0));
        record::reconcile_age("razorpay", "acme", 12.0);
        record::fetch_dropped("paypal", "given_up");
        record::facts_pull("answered");
    }

    #[test]
    fn all_that_is_measured_is_in_the_table_and_all_of_the_table_can_be_measured() {
        let text = rendered(everything);
        assert_eq!(undeclared(&text), BTreeSet::new());
        for metric in METRICS {
            assert!(text.contains(&format!("# TYPE {} ", metric.name)), "{} is never measured", metric.name);
            assert!(text.contains(metric.meaning), "{} is not described", metric.name);
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_found() {
        let text = rendered(|| {
            metrics::counter!("respondby_made_up_total").increment(1);
            metrics::counter!("respondby_wakes_total", "mood" => "good").increment(1);
            record::slack("stripe", 100.0);
        });
        let found: Vec<String> = undeclared(&text).into_iter().collect();
        assert_eq!(found, ["respondby_made_up_total", "respondby_wakes_total{mood}"]);
    }

    #[test]
    fn histograms_have_the_buckets_of_the_table() {
        let text = rendered(|| record::slack("stripe", 4000.0));
        assert!(
            text.contains("respondby_slack_seconds_bucket{provider=\"stripe\",le=\"21600\"} 1"),
            "{text}"
        );
        assert!(text.contains("respondby_slack_seconds_bucket{provider=\"stripe\",le=\"3600\"} 0"), "{text}");
    }
}
