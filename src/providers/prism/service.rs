//! Which of Prism's services a server speaks, and under which paths. Servers from 2026-03-09 on speak `types`; older
//! ones `ucs.v2`, whose answers were renumbered on 2026-03-05. A server of another version than the account says
//! answers UNIMPLEMENTED, or worse, in a form that is read as nothing.

/// The dispute service of one age of Prism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `types.DisputeService`: from 2026-03-09.
    Types,
    /// `ucs.v2.DisputeService` before 2026-03-05.
    UcsV2,
    /// `ucs.v2.DisputeService` from 2026-03-05 to 2026-03-09: the numbers of today, ids in a message of their own.
    UcsV2Renamed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Defend,
    Accept,
    SubmitEvidence,
    Get,
}

impl Verb {
    pub const ALL: [Verb; 4] = [Verb::Defend, Verb::Accept, Verb::SubmitEvidence, Verb::Get];

    pub const fn as_str(self) -> &'static str {
        match self {
            Verb::Defend => "Defend",
            Verb::Accept => "Accept",
            Verb::SubmitEvidence => "SubmitEvidence",
            Verb::Get => "Get",
        }
    }
}

impl Service {
    pub const ALL: [Service; 3] = [Service::Types, Service::UcsV2, Service::UcsV2Renamed];

    /// As the account's setting `service` and kept answers name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Service::Types => "types",
            Service::UcsV2 => "ucs.v2",
            Service::UcsV2Renamed => "ucs.v2-2026-03-05",
        }
    }

    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.as_str() == word)
    }

    pub const fn path(self, verb: Verb) -> &'static str {
        match (self, verb) {
            (Service::Types, Verb::Defend) => "/types.DisputeService/Defend",
            (Service::Types, Verb::Accept) => "/types.DisputeService/Accept",
            (Service::Types, Verb::SubmitEvidence) => "/types.DisputeService/SubmitEvidence",
            (Service::Types, Verb::Get) => "/types.DisputeService/Get",
            (Service::UcsV2 | Service::UcsV2Renamed, Verb::Defend) => "/ucs.v2.DisputeService/Defend",
            (Service::UcsV2 | Service::UcsV2Renamed, Verb::Accept) => "/ucs.v2.DisputeService/Accept",
            (Service::UcsV2 | Service::UcsV2Renamed, Verb::SubmitEvidence) => {
                "/ucs.v2.DisputeService/SubmitEvidence"
            }
            (Service::UcsV2 | Service::UcsV2Renamed, Verb::Get) => "/ucs.v2.DisputeService/Get",
        }
    }
}

/// Verifies and reads webhooks. Only servers of today's form have it.
pub const HANDLE_EVENT: &str = "/types.EventService/HandleEvent";
