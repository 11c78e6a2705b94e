//! The state machine: what a record with status `to` means for a dispute last known as `from`. The
//! provider is the authority, so no pair is refused; each pair has a name, and the name decides what
//! happens to the cycle. The database repeats the result as CHECKs; the printed table is a snapshot test.

use super::Status;

/// What changed, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Move {
    /// First news, and a response is owed.
    Opens,
    /// First news, and somebody has answered already.
    EntersAnswered,
    /// First news, and the matter is settled already.
    EntersSettled,
    Stays,
    /// The record shows a response.
    Answers,
    /// After a response, another one is owed.
    AsksAgain,
    Settles,
    /// Settled before, and a response is owed again.
    Reopens,
    /// Settled before, and under review again.
    Revives,
    /// One settlement replaced by another (a win reversed).
    Reverses,
}

pub fn transition(from: Option<Status>, to: Status) -> Move {
    let Some(from) = from else { return first(to) };
    match from {
        Status::NeedsResponse => from_needs_response(to),
        Status::UnderReview => from_under_review(to),
        Status::Won
        | Status::Lost
        | Status::Accepted
        | Status::Expired
        | Status::Cancelled
        | Status::Prevented
        | Status::Closed => from_settled(from, to),
    }
}

fn first(to: Status) -> Move {
    match to {
        Status::NeedsResponse => Move::Opens,
        Status::UnderReview => Move::EntersAnswered,
        Status::Won
        | Status::Lost
        | Status::Accepted
        | Status::Expired
        | Status::Cancelled
        | Status::Prevented
        | Status::Closed => Move::EntersSettled,
    }
}

fn from_needs_response(to: Status) -> Move {
    match to {
        Status::NeedsResponse => Move::Stays,
        Status::UnderReview => Move::Answers,
        Status::Won
        | Status::Lost
        | Status::Accepted
        | Status::Expired
        | Status::Cancelled
        | Status::Prevented
        | Status::Closed => Move::Settles,
    }
}

fn from_under_review(to: Status) -> Move {
    match to {
        Status::NeedsResponse => Move::AsksAgain,
        Status::UnderReview => Move::Stays,
        Status::Won
        | Status::Lost
        | Status::Accepted
        | Status::Expired
        | Status::Cancelled
        | Status::Prevented
        | Status::Closed => Move::Settles,
    }
}

fn from_settled(from: Status, to: Status) -> Move {
    match to {
        Status::NeedsResponse => Move::Reopens,
        Status::UnderReview => Move::Revives,
        Status::Won
        | Status::Lost
        | Status::Accepted
        | Status::Expired
        | Status::Cancelled
        | Status::Prevented
        | Status::Closed => match from == to {
            true => Move::Stays,
            false => Move::Reverses,
        },
    }
}

/// The whole machine as text: a row per status known, a column per status told.
pub fn table() -> String {
    let mut out = format!("{:<15}", "known \\ told");
    for to in Status::ALL {
        out.push_str(&format!(" {to:<15}"));
    }
    let rows = std::iter::once(None).chain(Status::ALL.iter().copied().map(Some));
    for from in rows {
        let name = from.map_or("(none)", |s| s.as_str());
        out.push_str(&format!("\n{name:<15}"));
        for to in Status::ALL {
            let name = format!("{:?}", transition(from, *to));
            out.push_str(&format!(" {name:<15}"));
        }
    }
    out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_table_is_the_machine() {
        insta::assert_snapshot!(table());
    }

    #[test]
    fn only_a_needs_response_record_makes_a_response_owed() {
        let asking = [Move::Opens, Move::AsksAgain, Move::Reopens];
        for from in std::iter::once(None).chain(Status::ALL.iter().copied().map(Some)) {
            for to in Status::ALL {
                let asks = asking.contains(&transition(from, *to));
                let owed_anew = *to == Status::NeedsResponse && from != Some(Status::NeedsResponse);
                assert_eq!(asks, owed_anew, "{from:?} -> {to}");
            }
        }
    }
}
