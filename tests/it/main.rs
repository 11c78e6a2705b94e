//! The integration tests: one binary, so that one cluster and one template database serve them all.

#[path = "../specs/mod.rs"]
mod specs;

mod demo;
mod support;

mod alerts;
mod api;
mod bad_input;
mod cli;
mod commands;
mod desk;
mod embedded;
mod engine;
mod evidence;
mod facts;
mod grpc;
mod harness;
mod intake;
mod requests;
mod schema;
