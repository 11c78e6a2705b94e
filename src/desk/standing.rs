//! What became of an order, judged by what the database says of the dispute. Pure, and looked at again and again
//! until nothing can change it any more, or a person is needed, or the caller's patience is over.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::dispute::{Response, Stage, Status};
use crate::engine::{Order, Plan};
use crate::store::disputes::{ActionLine, CycleLine};

use super::wish::Want;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The provider's record shows the response.
    Confirmed,
    /// The evidence is kept; nothing was to be sent.
    Kept,
    /// Nothing is in the way. Whether it has been sent, the provider's record may not show yet.
    UnderWay { sent: bool },
    /// A person is needed first: to approve, to mend something, to switch the kill switch off.
    Waits { waiting_for: Vec<String> },
    /// Not taken, and nothing was changed.
    Refused { why: String },
    /// The provider said no.
    TurnedDown { why: String },
    /// The order is no longer what is done: somebody ordered otherwise, or answered elsewhere.
    Overtaken { why: String },
}

impl Standing {
    /// Nothing will change it: the caller is told this whenever it asks again.
    pub const fn is_final(&self) -> bool {
        match self {
            Standing::Confirmed
            | Standing::Kept
            | Standing::Refused { .. }
            | Standing::TurnedDown { .. }
            | Standing::Overtaken { .. } => true,
            Standing::UnderWay { .. } | Standing::Waits { .. } => false,
        }
    }

    pub const fn word(&self) -> &'static str {
        match self {
            Standing::Confirmed => "confirmed",
            Standing::Kept => "kept",
            Standing::UnderWay { sent: true } => "sent",
            Standing::UnderWay { sent: false } => "wanted",
            Standing::Waits { .. } => "waits",
            Standing::Refused { .. } => "refused",
            Standing::TurnedDown { .. } => "turned_down",
            Standing::Overtaken { .. } => "overtaken",
        }
    }
}

/// What the caller is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub standing: Standing,
    pub status: Status,
    pub stage: Stage,
}

/// What is looked at: the window in which the order was given, and what was wanted in it.
pub(super) struct Seen {
    pub cycle: CycleLine,
    pub actions: Vec<ActionLine>,
}

/// Why evidence that is only to be kept would never be sent: who gives it takes it for part of the response. `newest`:
/// the last window there was; before the first one, evidence is kept for it.
pub(super) fn in_vain(status: Status, newest: Option<&CycleLine>, actions: &[ActionLine]) -> Option<String> {
    let nothing = "nothing that comes now can be sent, and the evidence is not kept";
    let Some(cycle) = newest else {
        return status.is_terminal().then(|| format!("the dispute is over ({status}): {nothing}"));
    };
    if cycle.state != "open" {
        let made = cycle.response.map_or("none was made", |response| match response {
            Response::Accept => "it was accepted",
            Response::Defend => "the defence was made",
            Response::Elsewhere => "it was answered outside this engine",
            Response::Nothing => "none was made",
        });
        return Some(format!("no response is owed any more ({made}): {nothing}"));
    }
    let left = |a: &&ActionLine| {
        a.cycle_n == cycle.n
            && matches!(a.kind.as_str(), "accept" | "submit")
            && matches!(a.state.as_str(), "sent" | "unknown" | "done")
    };
    let sent = actions.iter().find(left)?;
    Some(format!("`{}` has been sent to the provider already: {nothing}", sent.kind))
}

/// Where the order stands. `ordered_at`: what the provider refused before counts no more.
pub(super) fn judge(seen: &Seen, want: &Want, order: &Order, ordered_at: DateTime<Utc>) -> Standing {
    let (kind, response) = match want {
        Want::Accept => ("accept", Response::Accept),
        Want::Defend { .. } => ("submit", Response::Defend),
        Want::Keep => return Standing::Kept,
    };
    let overtaken = |why: &str| Standing::Overtaken { why: why.to_owned() };
    match seen.cycle.response {
        Some(made) if made == response => return Standing::Confirmed,
        Some(Response::Elsewhere) => return overtaken("the dispute was answered outside this engine"),
        Some(Response::Nothing) => return overtaken("no response is owed any more, and none was made"),
        Some(Response::Accept | Response::Defend) => return overtaken("the dispute was answered otherwise"),
        None => {}
    }
    let ours = |a: &&ActionLine| a.cycle_n == seen.cycle.n && a.kind == kind && a.wanted_at >= ordered_at;
    let action = seen.actions.iter().rfind(ours);
    let plan = serde_json::from_value::<Plan>(seen.cycle.plan.clone()).ok();
    match action.map(|a| (a.state.as_str(), &a.note)) {
        // Lost where nothing can be read: nothing but a webhook or a person tells of it any more.
        Some(("unknown", _)) if plan.as_ref().is_some_and(|plan| plan.call_lost_told.is_some()) => {
            let look =
                "a person has to look at the provider: the call may have arrived, and it cannot be asked";
            return Standing::Waits { waiting_for: vec![look.to_owned()] };
        }
        // Sent: it counts, whatever has been ordered since.
        Some(("sent" | "unknown" | "done", _)) => return Standing::UnderWay { sent: true },
        Some(("refused", note)) => {
            let why = note.clone().unwrap_or_else(|| "the provider does not say why".to_owned());
            return Standing::TurnedDown { why };
        }
        Some(_) | None => {}
    }
    let Some(plan) = plan else { return Standing::UnderWay { sent: false } };
    match &plan.order {
        Some(standing) if standing == order => {}
        Some(other) => return overtaken(&format!("{} ordered otherwise", other.by)),
        None => return overtaken("the order was withdrawn, and the rules decide again"),
    }
    // Somebody is asked only while something is in the way that does not go away by itself. A file on its way to the
    // provider may be all that is missing: what is in the way besides is known when it has arrived.
    let uploading = |a: &ActionLine| a.kind == "upload" && matches!(a.state.as_str(), "wanted" | "sent");
    match plan.asked {
        Some(_) if !seen.actions.iter().any(uploading) => Standing::Waits { waiting_for: plan.waiting_for },
        Some(_) | None => Standing::UnderWay { sent: false },
    }
}
