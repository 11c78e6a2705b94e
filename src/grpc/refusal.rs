//! What is told when a call is refused before it is an order: a status of gRPC's own, and words that say what, where
//! and how to mend it. What became of an order stands in its answer instead. Whoever shows no good key is told
//! nothing more than that.

use tonic::Status;

use crate::desk::{Denied, Lacks, NotTaken};
use crate::store::evidence::Named;

/// So many candidates are named at most.
const CANDIDATES_MAX: usize = 20;

pub(super) fn invalid(message: impl Into<String>) -> Status {
    Status::invalid_argument(message)
}

/// Nobody can tell from outside whether it is another merchant's.
pub(super) fn no_such_dispute() -> Status {
    Status::not_found(
        "there is no such dispute: give the provider's id of it, or ours, and the connector it is at, if any",
    )
}

pub(super) fn several(all: &[Named]) -> Status {
    let one = |n: &Named| format!("{} ({}, account {})", n.dispute_id, n.provider, n.account);
    let named: Vec<String> = all.iter().take(CANDIDATES_MAX).map(one).collect();
    let more = all.len().saturating_sub(CANDIDATES_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Status::failed_precondition(format!(
        "{} of your disputes have this id: give one of our ids as `dispute_id` instead: {}{more}",
        all.len(),
        named.join(", ")
    ))
}

pub(super) fn denied(denied: Denied) -> Status {
    match denied {
        Denied::Unknown => {
            Status::unauthenticated("show a key that is in use, as metadata: `authorization: Bearer KEY`")
        }
        Denied::TooOften { after } => {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            let mut status = Status::resource_exhausted(format!(
                "this key has been used too often: come again in {seconds} s"
            ));
            // gRFC A6: clients that repeat by themselves wait for so long.
            let pushback = after.as_millis().saturating_add(1);
            if let Ok(pushback) = pushback.to_string().parse() {
                status.metadata_mut().insert("grpc-retry-pushback-ms", pushback);
            }
            status
        }
        Denied::Away(error) => away(&error),
    }
}

pub(super) fn lacks(lacks: &Lacks) -> Status {
    Status::permission_denied(lacks.to_string())
}

pub(super) fn not_taken(why: NotTaken) -> Status {
    match why {
        NotTaken::AnotherUnderThisKey => {
            invalid("another order was given under this `idempotency-key`: use a new key for a new order")
        }
        NotTaken::Away(error) => away(&error),
    }
}

/// Whatever the database says is for the log.
pub(super) fn away(error: &sqlx::Error) -> Status {
    tracing::error!(%error, "a gRPC call was told to come again: the database does not do as it should");
    Status::unavailable("the engine cannot look at its disputes now: come again in some seconds")
}
