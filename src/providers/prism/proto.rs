//! Prism's messages, made by build.rs from `proto/prism`: `types` is today's form, `ucs::v2` the one of servers
//! before 2026-03-05, `ucs::v2::renamed` the answers of the four days after. Private to this folder.

#![allow(clippy::all, reason = "made by prost-build, and not to be edited")]
#![allow(rust_2018_idioms, reason = "made by prost-build, and not to be edited")]
#![allow(dead_code, reason = "not every name that prost-build makes is needed")]

include!(concat!(env!("OUT_DIR"), "/prism.rs"));
