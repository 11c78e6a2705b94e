//! What every integration test may use. Builders take only what a test is about; the rest is made up.

mod cluster;
mod database;

pub use database::Database;
