//! What a caller wants done with a dispute, checked as far as it can be without looking at the dispute. Pure.
//! Equal wishes have equal digests, however they were written.

use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Taken;
use crate::engine::Command;
use crate::evidence::Field;
use crate::store::evidence::{BadEvidence, Form, NewEvidence};
use crate::store::files::NewFile;

/// No id of a file: they begin at 1.
pub(super) const NOT_KEPT_YET: i64 = 0;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    Accept,
    Defend {
        /// A template of the rules in force. Without it: what is attached, and what facts give.
        template: Option<String>,
        /// The reason code of the defence, for providers that want one.
        reason: Option<String>,
        acknowledge_fee: bool,
    },
    /// Nothing is to be sent: the evidence is kept for when it is.
    Keep,
}

impl Want {
    pub(super) fn command(&self) -> Option<Command> {
        match self {
            Want::Accept => Some(Command::Accept),
            Want::Defend { template, reason, acknowledge_fee } => Some(Command::Defend {
                template: template.clone(),
                reason: reason.clone(),
                acknowledge_fee: *acknowledge_fee,
            }),
            Want::Keep => None,
        }
    }
}

/// A piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Piece {
    pub field: Field,
    pub given: Given,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    Words(String),
    /// The provider's id of a file that is already there.
    ProviderFile(String),
    /// A file to be kept here, and handed to the provider when it is needed.
    File(NewFile),
}

/// Evidence to attach, each field's in place of what it had, and then an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wish {
    pub want: Want,
    evidence: Vec<Piece>,
    /// The part of the amount that is contested, minor units. Only the whole is taken.
    pub amount_minor: Option<i64>,
    #[serde(skip)]
    room: Held,
}

/// The room that the evidence takes: it says nothing of what is wished.
#[derive(Debug, Clone, Default)]
struct Held {
    _room: Option<Arc<Taken>>,
}

impl PartialEq for Held {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Held {}

impl Wish {
    pub fn new(want: Want, mut evidence: Vec<Piece>) -> Result<Self, BadEvidence> {
        // Stable: pieces of one field keep their order.
        evidence.sort_by_key(|piece| piece.field);
        for piece in &evidence {
            piece.new_evidence(NOT_KEPT_YET)?;
        }
        Ok(Self { want, evidence, amount_minor: None, room: Held::default() })
    }

    pub fn contesting(self, amount_minor: Option<i64>) -> Self {
        Self { amount_minor, ..self }
    }

    /// The same, with the room that its evidence takes until it is let go of.
    pub fn held_in(self, room: Option<Taken>) -> Self {
        Self { room: Held { _room: room.map(Arc::new) }, ..self }
    }

    /// Each piece, and whether it is the first of its field.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (&Piece, bool)> {
        let before = std::iter::once(None).chain(self.evidence.iter().map(|piece| Some(piece.field)));
        self.evidence.iter().zip(before).map(|(piece, before)| (piece, before != Some(piece.field)))
    }

    pub(super) fn brings_evidence(&self) -> bool {
        !self.evidence.is_empty()
    }

    /// All that is looked at after the order is given: files may be large, and waiting takes long.
    pub(super) fn let_go_of_evidence(&mut self) {
        self.evidence = Vec::new();
        self.room = Held::default();
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        let json = serde_json::to_vec(self).expect("a wish is text, lists and numbers");
        Sha256::digest(json).into()
    }
}

impl Piece {
    /// The file it brings, which is kept first.
    pub(super) const fn file(&self) -> Option<&NewFile> {
        match &self.given {
            Given::File(file) => Some(file),
            Given::Words(_) | Given::ProviderFile(_) => None,
        }
    }

    /// `file_id`: what the file it brings is kept as.
    pub(super) fn new_evidence(&self, file_id: i64) -> Result<NewEvidence, BadEvidence> {
        let form = match &self.given {
            Given::Words(words) => Form::Words(words.clone()),
            Given::ProviderFile(id) => Form::ProviderFile(id.clone()),
            Given::File(_) => Form::File(file_id),
        };
        NewEvidence::new(self.field, form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(field: Field, text: &str) -> Piece {
        Piece { field, given: Given::Words(text.into()) }
    }

    fn file(id: &str) -> Piece {
        Piece { field: Field::Receipt, given: Given::ProviderFile(id.into()) }
    }

    #[test]
    fn equal_wishes_have_equal_digests_and_others_have_not() {
        let wish = |pieces: Vec<Piece>| Wish::new(Want::Keep, pieces).unwrap();
        let one = wish(vec![words(Field::Summary, "It came."), file("f_1"), file("f_2")]);
        let same = wish(vec![file("f_1"), words(Field::Summary, "It came."), file("f_2")]);
        assert_eq!(one.digest(), same.digest());
        let turned = wish(vec![words(Field::Summary, "It came."), file("f_2"), file("f_1")]);
        assert_ne!(one.digest(), turned.digest());
        assert_ne!(one.digest(), one.clone().contesting(Some(1)).digest());
        assert_ne!(wish(vec![]).digest(), Wish::new(Want::Accept, vec![]).unwrap().digest());
        let firsts: Vec<bool> = one.pieces().map(|(_, first)| first).collect();
        assert_eq!(firsts, [true, true, false]);
    }

    #[test]
    fn the_digest_covers_the_bytes_of_files_their_names_and_their_order() {
        let slip = |name: &str, content: &'static [u8]| Piece {
            field: Field::Receipt,
            given: Given::File(NewFile::new(name, content).unwrap()),
        };
        let digest = |pieces: Vec<Piece>| Wish::new(Want::Keep, pieces).unwrap().digest();
        let (one, two) = (slip("a.pdf", b"%PDF-1"), slip("b.pdf", b"%PDF-1"));
        assert_eq!(digest(vec![one.clone()]), digest(vec![slip("a.pdf", b"%PDF-1")]));
        let wishes = [
            digest(vec![]),
            digest(vec![one.clone()]),
            digest(vec![two.clone()]),
            digest(vec![slip("a.pdf", b"%PDF-2")]),
            digest(vec![one.clone(), two.clone()]),
            digest(vec![two, one]),
        ];
        for (n, wish) in wishes.iter().enumerate() {
            assert!(!wishes[..n].contains(wish), "{n}");
        }
        let in_words_place = Piece { field: Field::Summary, ..slip("a.pdf", b"%PDF-1") };
        let refused = Wish::new(Want::Keep, vec![in_words_place]);
        assert_eq!(refused.unwrap_err(), BadEvidence::WantsWords(Field::Summary));
    }

    #[test]
    fn evidence_that_cannot_be_kept_is_refused_before_anything_is_done() {
        for piece in [
            words(Field::Summary, " "),
            words(Field::Summary, "a\0"),
            words(Field::Receipt, "x"),
            file("a/b"),
        ] {
            assert!(Wish::new(Want::Keep, vec![piece.clone()]).is_err(), "{piece:?}");
        }
    }
}
