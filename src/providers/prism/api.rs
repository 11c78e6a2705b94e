//! The calls. Each is made once, in the form of the account's server; what an answer is worth is for `receipt` and
//! `refusal`. Submitting is two calls: the documents, and only when those were taken the defence.

use super::channel::Channels;
use super::header::{self, Form};
use super::reason::{self, Spelling};
use super::request::{Ask, What};
use super::service::{Service, Verb};
use super::{Get, event, evidence, kept, receipt, refusal, response};
use crate::dispute::Source;
use crate::evidence::Sending;
use crate::providers::http::{Safety, is_plain_ref, refused_unsent, uncertain};
use crate::providers::{Account, Answer, CallLog, Kept, Reading, Record, Target};

type Called<T> = (Answer<T>, Vec<CallLog>);

pub struct Api {
    pub channels: Channels,
    pub base_url: String,
    pub get: Get,
}

/// What an account says of its server and connector, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms<'a> {
    pub connector: &'a str,
    pub service: Service,
    pub form: Form,
    pub spelling: Spelling,
}

impl<'a> Terms<'a> {
    /// # Errors
    /// A setting with a word that is none of its words; in words.
    pub fn of(account: &'a Account) -> Result<Self, String> {
        let connector = header::connector(account)?;
        let service =
            word(account, "service", Service::Types, Service::named, &Service::ALL.map(Service::as_str))?;
        let form = word(account, "headers", Form::of(service), Form::named, &Form::ALL.map(Form::as_str))?;
        let spellings = Spelling::ALL.map(Spelling::as_str);
        let spelling = word(account, "reason_codes", Spelling::of(connector), Spelling::named, &spellings)?;
        Ok(Self { connector, service, form, spelling })
    }

    /// The engine does not come here with what `capabilities_of` has not: a guard, for what cannot be taken back.
    fn supplies(&self) -> Result<(), String> {
        if takes_documents(self.connector) {
            return Ok(());
        }
        let connector = self.connector;
        Err(format!(
            "it is not known that Prism hands documents over to {connector}, and one that does not get them would be \
             told a defence without evidence, for good. Answer the dispute in {connector}'s dashboard, and give the \
             account the provider's own name instead of `prism` where respondby speaks to it itself"
        ))
    }
}

/// Whether SubmitEvidence hands the documents over and does no more. It does for Adyen, where they can be
/// supplied again and the defence is a call of its own. Of other connectors that is not known, and one that was
/// seen (Stripe's branch) drops the bytes without a word and submits for good: neither the documents nor a
/// defence that has none may go there.
pub fn takes_documents(connector: &str) -> bool {
    connector == "adyen"
}

fn word<T>(
    account: &Account,
    setting: &str,
    otherwise: T,
    named: fn(&str) -> Option<T>,
    words: &[&str],
) -> Result<T, String> {
    match account.credentials.get(setting) {
        "" => Ok(otherwise),
        told => named(told).ok_or_else(|| {
            let (name, words) = (&account.name, words.join(", "));
            format!(
                "account `{name}` has `{setting} = \"{}\"`: expected one of {words}",
                receipt::shown(told)
            )
        }),
    }
}

impl Api {
    pub async fn accept(&self, account: &Account, target: Target<'_>, key: &str) -> Called<Record> {
        match terms(account, target.dispute_ref) {
            Ok(terms) => self.send(account, terms, target, What::Accept, Safety::Irreversible, key).await,
            Err(why) => refused_unsent(why),
        }
    }

    pub async fn submit(
        &self,
        account: &Account,
        target: Target<'_>,
        sending: Sending<'_>,
        key: &str,
    ) -> Called<Record> {
        let ready = terms(account, target.dispute_ref).and_then(|terms| {
            terms.supplies()?;
            let code = reason::code(sending.packet.defence_reason.as_deref(), terms.spelling)?;
            Ok((terms, code, evidence::submission(sending)?))
        });
        let (terms, code, documents) = match ready {
            Ok(ready) => ready,
            Err(why) => return refused_unsent(why),
        };
        // Only where supplying twice does no harm: what follows may be a reason to do it all again.
        let (supplied, mut logs) =
            self.send(account, terms, target, documents, Safety::Repeatable, key).await;
        match supplied {
            Answer::Receipt(_) => {}
            Answer::Retry { .. } | Answer::Refused { .. } | Answer::Unknown { .. } => {
                return (supplied, logs);
            }
        }
        let defend = What::Defend { reason_code: &code };
        let (answer, log) = self.send(account, terms, target, defend, Safety::Irreversible, key).await;
        logs.extend(log);
        (answer, logs)
    }

    pub async fn fetch(&self, account: &Account, dispute_ref: &str) -> Called<Record> {
        let terms = match terms(account, dispute_ref) {
            Ok(terms) => terms,
            Err(why) => return refused_unsent(why),
        };
        if self.get == Get::Stub {
            return refused_unsent(
                "Prism's Get is a stub that answers with nothing: what became of a dispute is told by webhooks and \
                 by the connector's dashboard"
                    .to_owned(),
            );
        }
        self.send(account, terms, dispute_ref.into(), What::Get, Safety::Repeatable, dispute_ref).await
    }

    async fn send(
        &self,
        account: &Account,
        terms: Terms<'_>,
        target: Target<'_>,
        what: What<'_>,
        safety: Safety,
        key: &str,
    ) -> Called<Record> {
        let Target { dispute_ref, payment_ref } = target;
        let ask = Ask { dispute_ref, payment_ref: payment_ref.filter(|id| !id.is_empty()), what };
        let verb = ask.verb();
        let metadata = match header::metadata(account, terms.form, dispute_ref, key) {
            Ok(metadata) => metadata,
            Err(why) => return refused_unsent(why),
        };
        let address = account.base_url.as_deref().unwrap_or(&self.base_url);
        let path = terms.service.path(verb);
        let (outcome, log) = self.channels.call(address, path, metadata, ask.encode(terms.service)).await;
        let answer = match outcome {
            Ok(answered) => {
                let read = read(terms.service, verb, dispute_ref, safety, &answered.message);
                read.map(|message| {
                    let raw = kept::call(terms.service, verb, &message);
                    let source = if verb == Verb::Get { Source::ReadBack } else { Source::Receipt };
                    let reading = event::read(&Kept { source, body: &raw, as_of: answered.as_of }, self.get);
                    Record { reading, raw, as_of: answered.as_of }
                })
            }
            Err(failure) => refusal::answer(&failure, verb, terms.connector, safety),
        };
        (understood(answer, verb, dispute_ref), vec![log])
    }
}

fn terms<'a>(account: &'a Account, dispute_ref: &str) -> Result<Terms<'a>, String> {
    if !is_plain_ref(dispute_ref) {
        return Err(format!("`{}` is not an id that a connector gives", receipt::shown(dispute_ref)));
    }
    Terms::of(account)
}

/// The bytes that may be kept, when they say that the call was taken.
fn read(
    service: Service,
    verb: Verb,
    dispute_ref: &str,
    safety: Safety,
    bytes: &[u8],
) -> Answer<prost::bytes::Bytes> {
    match verb {
        Verb::Get => match response::record(service, bytes) {
            Ok((_, kept)) => Answer::Receipt(kept),
            Err(why) => uncertain(safety, why),
        },
        Verb::Defend | Verb::Accept | Verb::SubmitEvidence => match response::told(service, verb, bytes) {
            Ok((told, kept)) => receipt::taken(verb, dispute_ref, safety, told, kept),
            Err(why) => uncertain(safety, why),
        },
    }
}

/// A Get whose record says nothing, or is about another dispute, was not answered; asking again changes neither.
fn understood(answer: Answer<Record>, verb: Verb, dispute_ref: &str) -> Answer<Record> {
    let Answer::Receipt(record) = answer else { return answer };
    let refused = |reason: String| Answer::Refused { status: 200, code: None, reason };
    match &record.reading {
        Reading::Events(events) => match events.first().and_then(|e| e.snapshot()) {
            Some(snapshot) if snapshot.dispute_ref == dispute_ref => Answer::Receipt(record),
            Some(other) => {
                refused(format!("asked about {dispute_ref}, and the record is of {}", other.dispute_ref))
            }
            None => refused("the answer holds no dispute".to_owned()),
        },
        Reading::Acknowledged { .. } if verb != Verb::Get => Answer::Receipt(record),
        Reading::Unrecognised { what }
        | Reading::Partly { what, .. }
        | Reading::Acknowledged { what }
        | Reading::NotOurs { what } => refused(what.clone()),
        Reading::FetchFirst { name, .. } => refused(format!("{name} is no record")),
    }
}
