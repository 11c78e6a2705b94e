//! What is asked of the desk for each call: the dispute that is meant, the order, how it stands. Nobody gets here
//! without a key that is good for the call.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;

use super::answer::{self, Ended, Fate};
use super::ask::{self, About};
use super::headers::Said;
use super::proto::types::{
    DisputeResponse, DisputeServiceAcceptRequest, DisputeServiceAcceptResponse, DisputeServiceDefendRequest,
    DisputeServiceDefendResponse, DisputeServiceGetRequest, DisputeServiceSubmitEvidenceRequest,
    DisputeServiceSubmitEvidenceResponse, DisputeStatus,
};
use super::refusal;
use crate::desk::{Caller, Desk, Found, Taken, Which, Wish};
use crate::store::evidence::Named;

/// So that an answer arrives before its caller gives up: a tenth of the patience, at most this much.
const AHEAD_MAX: Duration = Duration::from_millis(250);

/// A call that was let in.
pub(super) struct Call<'a> {
    pub desk: &'a Desk,
    pub caller: &'a Caller,
    pub said: &'a Said,
    pub came_at: Instant,
    /// How long it may wait for what becomes of an order.
    pub wait_max: Duration,
}

impl Call<'_> {
    pub async fn defend(
        &self,
        request: DisputeServiceDefendRequest,
    ) -> Result<DisputeServiceDefendResponse, Status> {
        let (about, wish) = ask::defend(request)?;
        let (named, fate) = self.order(&about, wish, DisputeStatus::Challenged).await?;
        Ok(answer::defended(&named, fate, about.merchant_dispute_id))
    }

    pub async fn accept(
        &self,
        request: DisputeServiceAcceptRequest,
    ) -> Result<DisputeServiceAcceptResponse, Status> {
        let (about, wish) = ask::accept(request)?;
        let (named, fate) = self.order(&about, wish, DisputeStatus::Accepted).await?;
        Ok(answer::accepted(&named, fate, about.merchant_dispute_id))
    }

    pub async fn submit_evidence(
        &self,
        request: DisputeServiceSubmitEvidenceRequest,
        room: Option<Taken>,
    ) -> Result<DisputeServiceSubmitEvidenceResponse, Status> {
        let (about, wish) = ask::evidence(request)?;
        let wish = wish.held_in(room);
        let (named, fate) = self.order(&about, wish, DisputeStatus::Opened).await?;
        let file = self.desk.show(&named).await.map_err(|e| refusal::away(&e))?;
        let kept = file.map(|file| file.evidence).unwrap_or_default();
        Ok(answer::submitted(&named, fate, &kept, about.merchant_dispute_id))
    }

    pub async fn get(&self, request: DisputeServiceGetRequest) -> Result<DisputeResponse, Status> {
        let about = ask::get(request)?;
        let named = self.find(&about).await?;
        let file = self.desk.show(&named).await.map_err(|e| refusal::away(&e))?;
        let file = file.ok_or_else(refusal::no_such_dispute)?;
        Ok(answer::got(&file, about.merchant_dispute_id))
    }

    async fn find(&self, about: &About) -> Result<Named, Status> {
        // The key says whose disputes are meant; a header that says otherwise was meant for somebody else's.
        if !self.said.merchants.iter().all(|name| self.desk.is_called(self.caller, name)) {
            return Err(Status::permission_denied(format!(
                "this key is of merchant `{}`, and `x-merchant-id` names another: leave it out, show that merchant's \
                 key, or say in the account's settings what else the merchant is called",
                self.caller.merchant
            )));
        }
        let connector = self.said.connector.as_deref();
        let which = Which { word: &about.dispute_id, connector, ..Which::default() };
        let named = match self.desk.find(self.caller, which).await.map_err(|e| refusal::away(&e))? {
            Found::One(named) => named,
            Found::None => return Err(refusal::no_such_dispute()),
            Found::Several(all) => return Err(refusal::several(&all)),
        };
        about.agrees(&named)?;
        Ok(named)
    }

    async fn order(&self, about: &About, wish: Wish, done: DisputeStatus) -> Result<(Named, Fate), Status> {
        let named = self.find(about).await?;
        let patience = self.said.patience.map(|patience| patience - (patience / 10).min(AHEAD_MAX));
        if patience.is_some_and(|patience| self.came_at.elapsed() >= patience) {
            return Err(answer::too_late());
        }
        let until = self.came_at + patience.map_or(self.wait_max, |patience| patience.min(self.wait_max));
        let key = self.said.idempotency_key.as_deref();
        let told = self.desk.order(self.caller, &named, wish, key, until).await;
        let told = told.map_err(refusal::not_taken)?;
        let ended = match (Instant::now() >= until, self.desk.is_closing()) {
            (true, _) => Ended::Late,
            (false, true) => Ended::Closing,
            (false, false) => Ended::NoRoom,
        };
        let fate = answer::fate(&named, &told, done, ended)?;
        Ok((named, fate))
    }
}
