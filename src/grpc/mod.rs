//! The dispute calls that Hyperswitch Prism's documents print, answered over gRPC: Defend, Accept, SubmitEvidence and
//! Get, under both paths the documents give, with reflection and health beside them. Here is how a call is let in,
//! read and answered; what it means, the desk knows. The credentials that callers of Prism send along name the
//! provider that is meant, and go no further than where they are read.
//!
//! `server` connections · `tls` · `door` one call, from its head to its status · `headers` what its head says · `call`
//! what is asked of the desk · `ask` requests read · `answer` answers written · `words` closed sets of words ·
//! `refusal` what is told when the answer is no · `proto` the messages

mod answer;
mod ask;
mod call;
mod door;
mod headers;
pub mod proto;
mod refusal;
mod server;
mod tls;
mod words;

pub use server::{CannotServe, Server};
pub use tls::check as check_tls;
