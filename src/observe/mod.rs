//! What operators see: the log, the metrics and alert channels. Log and metrics are a contract: every metric
//! stands in one table with its labels and its meaning, and nothing is measured that is not in it. Never sees
//! a body, a header, evidence or a secret.

pub mod channel;
mod log;
mod metric;
mod recorder;

pub use log::start_logging;
pub use metric::{Kind, METRICS, Metric};
pub use recorder::{Metrics, record, undeclared};
