//! The log: one line per event on standard error, as JSON for machines or laid out for people.
//! Knows nothing of what is logged: each event says for itself what it may show.

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{LogConfig, LogFormat};

/// Starts logging for the whole process. Once; a second call is an error.
pub fn start_logging(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.filter)
        .with_context(|| format!("log.filter is not a filter: {:?}", config.filter))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        LogFormat::Pretty => builder.with_target(false).try_init(),
    };
    started.map_err(|e| anyhow::anyhow!("the log is started already: {e}"))
}
