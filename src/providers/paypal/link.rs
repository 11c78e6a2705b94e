//! What PayPal lets the merchant do with a dispute, now: the links of its record say it, and what has no link is
//! refused before anything is sent (`customer_disputes_v1.json`, "HATEOAS links"). A link is read for its name
//! alone and never followed: calls go to the account's own address.

use super::wire;
use crate::providers::shared::plausible::clean;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    AcceptClaim,
    ProvideEvidence,
    Appeal,
}

impl Action {
    /// The last part of the address.
    pub const fn path(self) -> &'static str {
        match self {
            Action::AcceptClaim => "accept-claim",
            Action::ProvideEvidence => "provide-evidence",
            Action::Appeal => "appeal",
        }
    }
}

pub fn offers(dispute: &wire::Dispute, action: Action) -> bool {
    dispute.links.iter().flatten().any(|link| {
        let named = link.rel.as_deref().is_some_and(|rel| is_named(rel, action));
        let target = format!("/v1/customer/disputes/{}/{}", dispute.dispute_id, action.path());
        named && link.href.as_deref().is_some_and(|href| href.ends_with(&target))
    })
}

/// The pages write names with hyphens, the records with underscores.
fn is_named(rel: &str, action: Action) -> bool {
    rel.replace('_', "-") == action.path()
}

/// Everything that the record offers, for people's eyes.
pub fn shown(dispute: &wire::Dispute) -> String {
    let rels = dispute.links.iter().flatten().filter_map(|link| link.rel.as_deref());
    let offered: Vec<String> = rels.filter(|rel| *rel != "self").map(clean).collect();
    match offered.is_empty() {
        true => "nothing".to_owned(),
        false => offered.join(", "),
    }
}

/// Whether the answer to an action is about this dispute.
pub fn is_about(action: &wire::SubsequentAction, dispute_ref: &str) -> bool {
    let target = format!("/v1/customer/disputes/{dispute_ref}");
    action.links.iter().filter_map(|link| link.href.as_deref()).any(|href| {
        let after = href.split_once(&target).map(|(_, after)| after);
        after.is_some_and(|after| after.is_empty() || after.starts_with(['/', '?']))
    })
}

/// The token in the link to the next page.
pub fn next_page_token(links: Option<&[wire::Link]>) -> Option<String> {
    let next = links?.iter().find(|link| link.rel.as_deref() == Some("next"))?;
    let (_, query) = next.href.as_deref()?.split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "next_page_token").map(|(_, value)| value.into_owned())
}
