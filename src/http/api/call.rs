//! Every call of `/v1`, said once: the routes are made of this list, and so is the document that tells of them. What a
//! call does is not known here.

use axum::http::Method;

/// A call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Document,
    List,
    Show,
    Defend,
    Accept,
    Evidence,
}

impl Call {
    pub const ALL: &'static [Call] =
        &[Call::Document, Call::List, Call::Show, Call::Defend, Call::Accept, Call::Evidence];

    /// As the router and the document both write it.
    pub const fn path(self) -> &'static str {
        match self {
            Call::Document => "/v1/openapi.json",
            Call::List => "/v1/disputes",
            Call::Show => "/v1/disputes/{id}",
            Call::Defend => "/v1/disputes/{id}/defend",
            Call::Accept => "/v1/disputes/{id}/accept",
            Call::Evidence => "/v1/disputes/{id}/evidence",
        }
    }

    pub const fn method(self) -> Method {
        match self {
            Call::Document | Call::List | Call::Show => Method::GET,
            Call::Defend | Call::Accept | Call::Evidence => Method::POST,
        }
    }
}
