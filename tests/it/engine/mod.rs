//! The whole engine against hostile providers: webhooks over HTTP, Postgres, the stand-ins and one moved clock.

mod batches;
mod behind_prism;
mod connected;
mod crashes;
mod crowd;
mod faults;
mod fetched;
mod hands;
mod listing;
mod locks;
mod order;
mod packets;
mod pulls;
mod replays;
mod rows;
mod rows_everywhere;
mod rows_people;
pub mod stage;
mod storms;
mod unread;
mod upheld;
mod wakes;
mod watch;
mod weather;

/// Whether this is `bin/test --long`.
fn is_long() -> bool {
    std::env::var_os("RESPONDBY_LONG").is_some()
}

/// How many rounds a seeded test goes.
fn rounds(quick: u64, long: u64) -> u64 {
    if is_long() { long } else { quick }
}
