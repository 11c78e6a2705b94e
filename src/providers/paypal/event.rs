//! What a kept body means. A webhook is a hint and no more: its signature covers a CRC32 of the body, and to any
//! body another with the same CRC32 can be written. So it is read to the dispute it names, and the record is
//! fetched over an authenticated channel before anything is believed. Pure and total.

use super::{record, wire};
use crate::dispute::{Event, News, Snapshot, Source};
use crate::providers::shared::plausible::clean;
use crate::providers::{Kept, Reading, json};

pub fn events(kept: &Kept<'_>) -> Reading {
    let read = match kept.source {
        Source::Webhook => read_webhook(kept.body),
        Source::Poll | Source::ReadBack | Source::Receipt => read_record(kept),
    };
    read.unwrap_or_else(|what| Reading::Unrecognised { what })
}

/// `RISK.DISPUTE.CREATED` is the older name of the first.
const DISPUTE_EVENTS: [&str; 4] = [
    "CUSTOMER.DISPUTE.CREATED",
    "CUSTOMER.DISPUTE.UPDATED",
    "CUSTOMER.DISPUTE.RESOLVED",
    "RISK.DISPUTE.CREATED",
];

fn read_webhook(body: &[u8]) -> Result<Reading, String> {
    let envelope: wire::Envelope = json::read(body, "the body")?;
    let name = envelope.event_type.filter(|n| !n.is_empty()).ok_or("`event_type` is missing")?;
    envelope.id.filter(|id| !id.is_empty()).ok_or("`id` is missing")?;
    if !DISPUTE_EVENTS.contains(&name.as_str()) {
        let name = clean(&name);
        // A dispute event that we do not know must not be passed over as somebody else's.
        return match name.to_ascii_uppercase().contains("DISPUTE") {
            true => Err(format!("`event_type` is `{name}`, which is not known")),
            false => Ok(Reading::NotOurs { what: name }),
        };
    }
    let resource = envelope.resource.ok_or("`resource` is missing")?;
    let dispute_ref = resource.dispute_id.ok_or("`resource.dispute_id` is missing")?;
    match wire::is_dispute_ref(&dispute_ref) {
        true => Ok(Reading::FetchFirst { dispute_ref, name }),
        false => Err(format!("`resource.dispute_id` is `{}`, which is no id", clean(&dispute_ref))),
    }
}

fn read_record(kept: &Kept<'_>) -> Result<Reading, String> {
    let dispute: wire::Dispute = json::read(kept.body, "the body")?;
    let snapshot: Snapshot =
        record::snapshot(&dispute, kept.as_of).map_err(|what| format!("the dispute: {what}"))?;
    let name = kept.source.as_str().to_owned();
    let event = Event { source: kept.source, name, as_of: kept.as_of, news: News::Record { snapshot } };
    Ok(Reading::Events(vec![event]))
}
