//! What each of Adyen's nineteen dispute events means: the stage, and the status that `disputeStatus` gives it.
//! The event's name is signed and the status is not, so a status that the name contradicts is not believed.
//! Pure tables. Sources: Adyen's OpenAPI `Webhooks-v1`, docs.adyen.com "Dispute webhooks".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::dispute::{FundsMove, Stage, Status, UnknownWord, words};

words!(
    /// An event of Adyen's that is about a dispute.
    EventCode, "dispute event", {
        NotificationOfFraud = "NOTIFICATION_OF_FRAUD",
        RequestForInformation = "REQUEST_FOR_INFORMATION",
        NotificationOfChargeback = "NOTIFICATION_OF_CHARGEBACK",
        Chargeback = "CHARGEBACK",
        InformationSupplied = "INFORMATION_SUPPLIED",
        DisputeDefensePeriodEnded = "DISPUTE_DEFENSE_PERIOD_ENDED",
        ChargebackReversed = "CHARGEBACK_REVERSED",
        SecondChargeback = "SECOND_CHARGEBACK",
        IssuerResponseTimeframeExpired = "ISSUER_RESPONSE_TIMEFRAME_EXPIRED",
        IssuerComments = "ISSUER_COMMENTS",
        PrearbitrationOpen = "PREARBITRATION_OPEN",
        PrearbitrationAccepted = "PREARBITRATION_ACCEPTED",
        PrearbitrationDeclined = "PREARBITRATION_DECLINED",
        PrearbitrationIssuerWithdrawn = "PREARBITRATION_ISSUER_WITHDRAWN",
        PrearbitrationWon = "PREARBITRATION_WON",
        PrearbitrationLost = "PREARBITRATION_LOST",
        SchemeArbitration = "SCHEME_ARBITRATION",
        SchemeArbitrationWon = "SCHEME_ARBITRATION_WON",
        SchemeArbitrationLost = "SCHEME_ARBITRATION_LOST",
    }
);

words!(
    /// `disputeStatus`. Never told for payments in Brazil, and left out of some samples.
    Word, "dispute status", {
        Unresponded = "Unresponded",
        Responded = "Responded",
        Expired = "Expired",
        Undefended = "Undefended",
        Accepted = "Accepted",
        Pending = "Pending",
        Lost = "Lost",
        Won = "Won",
    }
);

impl Word {
    const fn status(self) -> Status {
        match self {
            Word::Unresponded | Word::Undefended => Status::NeedsResponse,
            Word::Responded | Word::Pending => Status::UnderReview,
            Word::Expired => Status::Expired,
            Word::Accepted => Status::Accepted,
            Word::Lost => Status::Lost,
            Word::Won => Status::Won,
        }
    }

    /// Words that only requests for information have.
    pub const fn of_inquiry(self) -> bool {
        match self {
            Word::Unresponded | Word::Responded | Word::Expired => true,
            Word::Undefended | Word::Accepted | Word::Pending | Word::Lost | Word::Won => false,
        }
    }
}

/// What an event says of the dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    pub stage: Stage,
    pub status: Status,
    pub funds: Option<FundsMove>,
}

/// What an event can say.
struct Sense {
    stage: Stage,
    /// Without a word, where the event is enough.
    plain: Status,
    /// What its word may make of it instead.
    others: &'static [Status],
    funds: Option<FundsMove>,
}

const fn sense(stage: Stage, plain: Status, others: &'static [Status]) -> Sense {
    Sense { stage, plain, others, funds: None }
}

const fn moving(funds: FundsMove, sense: Sense) -> Sense {
    Sense { funds: Some(funds), ..sense }
}

impl EventCode {
    /// `None` for an event that says nothing of where the dispute stands.
    fn sense(self) -> Option<Sense> {
        use FundsMove::{Reinstated, Withdrawn};
        use Stage::{Arbitration, Chargeback, Inquiry, PreArbitration};
        use Status::{Accepted, Expired, Lost, NeedsResponse, UnderReview, Won};
        Some(match self {
            EventCode::NotificationOfFraud | EventCode::IssuerComments => return None,
            EventCode::RequestForInformation => sense(Inquiry, NeedsResponse, &[UnderReview, Expired]),
            // Either may be written out late: whatever the dispute is by then is believed.
            EventCode::NotificationOfChargeback => {
                sense(Chargeback, NeedsResponse, &[UnderReview, Expired, Accepted, Lost, Won])
            }
            EventCode::Chargeback => moving(
                Withdrawn,
                sense(Chargeback, NeedsResponse, &[UnderReview, Expired, Accepted, Lost, Won]),
            ),
            // Without its word it may tell of documents alone: see `meaning`.
            EventCode::InformationSupplied => sense(Chargeback, UnderReview, &[]),
            EventCode::DisputeDefensePeriodEnded => {
                sense(Chargeback, Lost, &[UnderReview, Expired, Accepted])
            }
            EventCode::ChargebackReversed => moving(Reinstated, sense(Chargeback, Won, &[UnderReview])),
            // The bank did not take the defence. What may follow is pre-arbitration.
            EventCode::SecondChargeback => {
                moving(Withdrawn, sense(PreArbitration, Lost, &[NeedsResponse, UnderReview, Accepted]))
            }
            EventCode::IssuerResponseTimeframeExpired => sense(Chargeback, Won, &[]),
            EventCode::PrearbitrationOpen => {
                sense(PreArbitration, NeedsResponse, &[UnderReview, Expired, Accepted, Lost])
            }
            EventCode::PrearbitrationAccepted => sense(PreArbitration, Accepted, &[Lost]),
            EventCode::PrearbitrationDeclined => sense(PreArbitration, UnderReview, &[]),
            EventCode::PrearbitrationIssuerWithdrawn => sense(PreArbitration, Won, &[UnderReview]),
            EventCode::PrearbitrationWon => sense(PreArbitration, Won, &[UnderReview]),
            EventCode::PrearbitrationLost => sense(PreArbitration, Lost, &[]),
            // The scheme decides, and nobody is asked for anything through the API.
            EventCode::SchemeArbitration => sense(Arbitration, UnderReview, &[NeedsResponse]),
            EventCode::SchemeArbitrationWon => sense(Arbitration, Won, &[]),
            EventCode::SchemeArbitrationLost => sense(Arbitration, Lost, &[]),
        })
    }

    /// What it says with this word: nothing of a dispute's state, or why the two cannot both be true.
    /// `of_inquiry`: the news carries the codes of a request for information. `auto_defended`: Adyen says that it
    /// has answered itself.
    pub fn meaning(
        self,
        word: Option<Word>,
        of_inquiry: bool,
        auto_defended: bool,
    ) -> Result<Option<Meaning>, String> {
        let Some(sense) = self.sense() else { return Ok(None) };
        let contradiction =
            |word: Word| Err(format!("`disputeStatus` is `{word}`, which `{self}` contradicts"));
        let status = match word {
            // Documents are there, and the defence is not or may not be: nothing has moved. Read as a question it would
            // open the first stage again under a later one, of which the event says nothing.
            Some(Word::Undefended | Word::Unresponded) if self == EventCode::InformationSupplied => {
                return Ok(None);
            }
            None if self == EventCode::InformationSupplied && !auto_defended => return Ok(None),
            // It ends for want of an answer and by an acceptance (docs.adyen.com, Webhooks, this event), and its word
            // may say that an answer is with the bank. Without the word it is no outcome: none is made up.
            None if self == EventCode::DisputeDefensePeriodEnded => {
                return Err(format!(
                    "`disputeStatus` is missing, as it is for payments in Brazil: `{self}` tells by it alone whether \
                     the dispute was lost, accepted or is with the bank. The Customer Area shows it"
                ));
            }
            // The period has ended, so that nobody can answer any more.
            Some(Word::Undefended | Word::Unresponded) if self == EventCode::DisputeDefensePeriodEnded => {
                Status::Expired
            }
            Some(word) if word.status() == sense.plain || sense.others.contains(&word.status()) => {
                word.status()
            }
            Some(word) => return contradiction(word),
            None if auto_defended && sense.plain == Status::NeedsResponse => Status::UnderReview,
            None => sense.plain,
        };
        let answers_either =
            self == EventCode::InformationSupplied || self == EventCode::DisputeDefensePeriodEnded;
        let inquiry = answers_either && (of_inquiry || word.is_some_and(Word::of_inquiry));
        let stage = if inquiry { Stage::Inquiry } else { sense.stage };
        Ok(Some(Meaning { stage, status, funds: sense.funds }))
    }
}

/// Every event by every word as text, for the test that keeps it.
#[cfg(test)]
pub fn table() -> String {
    let words: Vec<Option<Word>> = std::iter::once(None).chain(Word::ALL.iter().copied().map(Some)).collect();
    let name = |word: &Option<Word>| word.map_or("(none)".to_owned(), |w| w.to_string());
    let mut out = format!("{:<34}", "event \\ disputeStatus");
    out.extend(words.iter().map(|word| format!(" {:<15}", name(word))));
    for code in EventCode::ALL {
        out.push_str(&format!("\n{code:<34}"));
        for word in &words {
            let told = match code.meaning(*word, false, false) {
                Ok(Some(meaning)) => meaning.status.to_string(),
                Ok(None) => "·".to_owned(),
                Err(_) => "?".to_owned(),
            };
            out.push_str(&format!(" {told:<15}"));
        }
    }
    out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
