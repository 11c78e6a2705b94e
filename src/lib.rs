//! respondby answers card disputes before `respond_by`. The order of the modules is the direction of
//! knowledge: each may know those above it.

mod accept;
pub mod alerts;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crash;
pub mod demo;
pub mod desk;
pub mod dispute;
pub mod engine;
pub mod evidence;
pub mod grpc;
mod grpc_code;
pub mod http;
pub mod observe;
pub mod providers;
pub mod rules;
pub mod sandbox;
pub mod standard_webhooks;
pub mod store;
pub mod worker;

/// Of every program built from this package, so that the bench measures what is shipped.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
