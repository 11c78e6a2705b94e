//! Evidence, provider-neutral: the catalogue of fields, the packet that is sent, templates that fill it from
//! facts, and the lint that no packet may break. Pure. Each provider maps the fields to its own.

mod field;
mod packet;
pub mod template;

pub use field::{Field, FieldKind};
pub use packet::{EvidenceSet, Packet};
