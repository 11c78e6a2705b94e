//! What several providers' folders do the same way, each once: plain functions that take a folder's own words as
//! arguments and know none. What only one folder does stays there.
//!
//! `answered` what the answer to a call holds · `outgoing` what a call carries · `plausible` values that can be true ·
//! `signed` the plain parts of a webhook's proof · `walk` where a walk through a list stands.

pub mod answered;
pub mod outgoing;
pub mod plausible;
pub mod signed;
pub mod walk;
