//! The messages, and clients for those who want one, made by build.rs from `proto/served`. The messages of `ucs.v2`
//! are those of `types`.

#![allow(clippy::all, reason = "made by prost-build, and not to be edited")]
#![allow(rust_2018_idioms, reason = "made by prost-build, and not to be edited")]

pub mod types {
    include!(concat!(env!("OUT_DIR"), "/served/types.rs"));
}

pub mod ucs {
    pub mod v2 {
        include!(concat!(env!("OUT_DIR"), "/served/ucs.v2.rs"));
    }
}

/// What reflection tells: a `FileDescriptorSet` of both files.
pub(super) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/served/descriptors.bin"));
