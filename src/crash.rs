//! Crash points: places at which a test lets the process die, to prove that nothing is lost or done twice
//! when it does. Without `RESPONDBY_CRASH_AT` in the environment a point is one comparison and nothing more.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// `act.sent` dies at the first pass, `act.sent:3` at the third.
const VARIABLE: &str = "RESPONDBY_CRASH_AT";

/// Every point there is, for the tests that go through all of them.
pub const POINTS: [&str; 7] =
    ["intake.kept", "apply.applied", "wake.looked", "act.claimed", "act.sent", "act.answered", "notify.sent"];

struct Armed {
    point: String,
    passes_left: AtomicU32,
}

fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    ARMED
        .get_or_init(|| {
            let wanted = std::env::var(VARIABLE).ok()?;
            let (point, passes) = wanted.split_once(':').unwrap_or((&wanted, "1"));
            Some(Armed { point: point.to_owned(), passes_left: AtomicU32::new(passes.parse().unwrap_or(1)) })
        })
        .as_ref()
}

/// Dies here, as by `kill -9`, when the environment says so.
pub fn point(name: &'static str) {
    let Some(armed) = armed().filter(|armed| armed.point == name) else { return };
    if armed.passes_left.fetch_sub(1, Ordering::AcqRel) == 1 {
        std::process::abort();
    }
}
