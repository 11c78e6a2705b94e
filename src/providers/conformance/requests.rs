//! Asking: every kind of evidence makes a request that the API takes. Whether it does is looked at before anything is
//! sent, as in every test; here are the requests that no other test makes.

use bytes::Bytes;

use super::calls::{PATIENT_MS, Verb, call_with, served};
use super::{Conformance, every, registry};
use crate::dispute::FileDelivery;
use crate::evidence::{Field, FieldKind, FileRef, Packet};
use crate::providers::{Answer, Provider};

/// What a packet calls a file by: the provider's id of one that was put there, or our name of it.
async fn file_ref(p: &dyn Provider, c: &Conformance) -> String {
    if p.capabilities().files.delivery != FileDelivery::Upload {
        return FileRef { file_id: 17, sha256: [7; 32] }.to_string();
    }
    let server = served(c, Verb::Upload, Verb::Upload.does(c)).await;
    let (media_type, content) = (p.capabilities().files.media_types[0], Bytes::from_static(b"a signature"));
    let account = c.account(&[], Some(server.uri()));
    let (answer, _) = p.upload(&account, "signature", media_type, content, "act-0001").await;
    answer.into_result().expect("it is taken").provider_file_ref
}

/// Each kind alone, as words or as a file.
#[tokio::test]
async fn every_kind_of_evidence_makes_a_request_that_the_api_takes() {
    for c in every() {
        let registry = registry(PATIENT_MS);
        let p = &**registry.get(c.provider);
        let file = file_ref(p, &c).await;
        for verb in Verb::of(&c).filter(|verb| matches!(verb, Verb::Stage | Verb::Submit)) {
            let server = served(&c, verb, verb.does(&c)).await;
            let mut sent = 0;
            for field in Field::ALL.iter().copied() {
                let defence_reason = (c.api.packet)().defence_reason;
                let mut packet = Packet { defence_reason, ..Packet::default() };
                match field.kind() {
                    FieldKind::Text => _ = packet.text.insert(field, "It was handed over.".to_owned()),
                    FieldKind::File => _ = packet.files.insert(field, vec![file.clone()]),
                }
                if p.lint(&packet, verb == Verb::Submit).is_empty() {
                    let account = c.account(&[], Some(server.uri()));
                    let (answer, _) = call_with(p, &c, verb, &account, packet).await;
                    sent += u32::from(matches!(answer, Answer::Receipt(())));
                }
            }
            assert!(sent >= 10, "{} {verb:?}: only {sent} kinds", c.provider);
        }
    }
}
