//! What Square holds for a dispute. All of it goes to the bank, whoever gave it and when: so before a submission what
//! the packet lacks is taken away, and nothing is submitted until the pieces are those that were given. What went to the
//! bank in an earlier round cannot be taken away any more, and a refusal to do so holds up nothing. Source:
//! developer.squareup.com/reference/square, "ListDisputeEvidence", "DeleteDisputeEvidence", "SubmitEvidence".

use reqwest::Method;

use super::api::Api;
use super::wire;
use crate::providers::http::{self, Safety};
use crate::providers::shared::answered::unread;
use crate::providers::shared::plausible::clean;
use crate::providers::{Account, Answer, CallLog, Record};

/// Pages of pieces, more than any dispute has.
const PAGES_MAX: usize = 50;

/// `given` are the ids of the packet's pieces.
pub async fn hold_only(
    api: &Api,
    account: &Account,
    dispute_ref: &str,
    given: &[String],
    logs: &mut Vec<CallLog>,
) -> Result<(), Answer<Record>> {
    let mut fixed = Vec::new();
    for after_taking_away in [false, true] {
        let held = held(api, account, dispute_ref, logs).await?;
        if let Some(missing) = given.iter().find(|id| !held.contains(id)) {
            return Err(not_yet(format!("`{}` was given and is not shown", clean(missing))));
        }
        let beside: Vec<String> =
            held.into_iter().filter(|id| !given.contains(id) && !fixed.contains(id)).collect();
        match &beside[..] {
            [] => return Ok(()),
            [first, ..] if after_taking_away => {
                return Err(not_yet(format!("`{first}` was taken away and is still shown")));
            }
            [_, ..] => {}
        }
        for id in beside {
            if !take_away(api, account, dispute_ref, &id, logs).await? {
                fixed.push(id);
            }
        }
    }
    Ok(())
}

/// The ids of all pieces, each of which can stand in a path.
async fn held(
    api: &Api,
    account: &Account,
    dispute_ref: &str,
    logs: &mut Vec<CallLog>,
) -> Result<Vec<String>, Answer<Record>> {
    let mut ids = Vec::new();
    let mut query = String::new();
    for _ in 0..PAGES_MAX {
        let path = format!("/v2/disputes/{dispute_ref}/evidence{query}");
        let (answer, log) = api.call(account, Method::GET, &path, Safety::Repeatable, |r| r).await;
        logs.extend(log);
        let response = answer.success()?;
        let page: wire::Held =
            serde_json::from_slice(&response.body).map_err(|e| not_yet(unread(response.status, &e)))?;
        for piece in page.evidence {
            let id = piece.into_id().filter(|id| http::is_plain_ref(id));
            ids.push(id.ok_or_else(|| not_yet("a piece that is shown has no id".to_owned()))?);
        }
        let Some(cursor) = page.cursor.filter(|cursor| !cursor.is_empty()) else { return Ok(ids) };
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        query = format!("?{}", pairs.append_pair("cursor", &cursor).finish());
    }
    Err(not_yet("the pieces that are shown have no end".to_owned()))
}

/// Whether it is gone; not so where Square refuses to remove it.
async fn take_away(
    api: &Api,
    account: &Account,
    dispute_ref: &str,
    id: &str,
    logs: &mut Vec<CallLog>,
) -> Result<bool, Answer<Record>> {
    let path = format!("/v2/disputes/{dispute_ref}/evidence/{id}");
    let (answer, log) = api.call(account, Method::DELETE, &path, Safety::Repeatable, |r| r).await;
    logs.extend(log);
    match answer {
        // Somebody was faster.
        Answer::Refused { status: 404, .. } => Ok(true),
        Answer::Refused { status: 400 | 409 | 422, .. } => Ok(false),
        Answer::Receipt(_) | Answer::Retry { .. } | Answer::Refused { .. } | Answer::Unknown { .. } => {
            answer.success().map(|_| true)
        }
    }
}

/// Nothing has been submitted.
fn not_yet(why: String) -> Answer<Record> {
    http::uncertain(Safety::Repeatable, why)
}
