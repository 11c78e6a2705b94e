//! Intake: from the socket to the committed row, and everything that may go wrong on the way.

mod accounts;
mod ids;

use chrono::{DateTime, Utc};

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant in RFC 3339")
}
