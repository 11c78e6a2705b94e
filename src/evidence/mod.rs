//! Evidence, provider-neutral: the catalogue of fields, the packet that is sent, templates that fill it from
//! facts. Pure. Each provider maps the fields to its own.

mod document;
mod field;
mod moment;
mod packet;
mod placeholder;
mod spelling;
pub mod template;

pub use document::{Document, FileRef, Sending};
pub use field::{Field, FieldKind};
pub use moment::Moment;
pub use packet::{EvidenceSet, Packet};
pub use placeholder::is_step;
pub use spelling::{OTHER_SPELLINGS, spelled};
