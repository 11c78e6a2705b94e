//! The stand-in of Hyperswitch Prism with Adyen behind it: a gRPC front that keeps nothing, reads the headers, asks
//! the connector by HTTP, and makes of its answer what the real server was seen to make, mistakes among it. It
//! speaks the service of today and, as servers before 2026-03-05, `ucs.v2`. It must not know the engine's adapter.

mod front;
mod grpc;
mod header;
mod reflection;
mod stand_in;
mod wire;

use super::adyen;

/// Prism keeps nothing; what is here is the connector's.
#[derive(Debug)]
pub(super) struct Book {
    connector: adyen::Book,
}

impl Default for Book {
    fn default() -> Self {
        Self { connector: adyen::Book::behind(super::ProviderKind::Prism) }
    }
}
