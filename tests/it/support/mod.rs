//! What every integration test may use. Builders take only what a test is about; the rest is made up.

mod cluster;
mod database;
pub mod grpc_server;
pub mod watched;
pub mod world;

pub use database::Database;
