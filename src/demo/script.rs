//! The month: what happens at the providers, what the shops know, what people do. Each scene is one line of
//! the plot; the engine is told nothing of it.

use serde_json::{Value, json};

use crate::engine::Command;
use crate::evidence::Field;
use crate::sandbox::{ApiFault, Change, ExtraWebhook, NewDispute, NewWarning, WebhookFault};

pub const HOUR: i64 = 3600;
pub const DAY: i64 = 24 * HOUR;

/// Something happens, so many seconds after the month began.
pub struct Scene {
    pub at_s: i64,
    pub act: Act,
}

pub enum Act {
    /// A dispute is opened at the provider. `name` is the plot's word for it.
    Opens {
        name: &'static str,
        order: Box<NewDispute>,
        window_s: Option<i64>,
        facts: Value,
        proofs: &'static [Field],
    },
    /// The provider's side moves it.
    Moves {
        name: &'static str,
        change: Change,
        becomes: Option<&'static str>,
    },
    Warns(NewWarning),
    ApiTrouble {
        fault: ApiFault,
        name: Option<&'static str>,
    },
    WebhookTrouble(WebhookFault),
    Sends {
        what: &'static str,
        webhook: ExtraWebhook,
    },
    Person {
        name: &'static str,
        who: &'static str,
        command: Command,
    },
    /// A person attaches a file of the shop's own, which has to be uploaded first.
    Attaches {
        name: &'static str,
        who: &'static str,
        field: Field,
        file: &'static str,
    },
    /// The shop learns something later.
    Learns {
        name: &'static str,
        facts: Value,
    },
    /// Nothing: a word to the reader.
    Says(&'static str),
}

pub fn month() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for shop in super::SHOPS {
        (shop.scenes)(&mut scenes);
    }
    scenes.sort_by_key(|scene| scene.at_s);
    scenes
}

/// Facts of an order that arrived well before anybody disputed it.
pub fn delivered(order_id: &str, what: &str) -> Value {
    json!({
        "order_id": order_id, "product_description": what, "carrier": "Blue Dart", "tracking_number": "BD48213377",
        "shipped_at": "2026-02-10T08:00:00Z", "delivered_at": "2026-02-13T11:20:00Z",
    })
}

pub fn order(order_id: &str, what: &str) -> Value {
    json!({"order_id": order_id, "product_description": what})
}

/// `base` with more keys.
pub fn with(base: Value, more: Value) -> Value {
    let mut all = base;
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}

pub struct Opening(pub Scene);

/// A dispute as the provider gets to know it. `name` is the plot's word for it.
pub fn opening(at_s: i64, name: &'static str, dispute: NewDispute) -> Opening {
    let order = Box::new(dispute);
    Opening(Scene { at_s, act: Act::Opens { name, order, window_s: None, facts: json!({}), proofs: &[] } })
}

impl Opening {
    pub fn edit(mut self, change: impl FnOnce(&mut NewDispute)) -> Self {
        if let Act::Opens { order, .. } = &mut self.0.act {
            change(order);
        }
        self
    }

    /// How long the provider gives.
    pub fn window(mut self, seconds: i64) -> Self {
        if let Act::Opens { window_s, .. } = &mut self.0.act {
            *window_s = Some(seconds);
        }
        self
    }

    pub fn knows(mut self, known: Value) -> Self {
        if let Act::Opens { facts, .. } = &mut self.0.act {
            *facts = known;
        }
        self
    }

    /// Documents the shop has uploaded to the provider beforehand.
    pub fn proofs(mut self, fields: &'static [Field]) -> Self {
        if let Act::Opens { proofs, .. } = &mut self.0.act {
            *proofs = fields;
        }
        self
    }

    /// What the bank will say to a defence, and when.
    pub fn then(self, outcome: &str, after_s: i64) -> Self {
        self.edit(|d| {
            d.outcome = Some(outcome.to_owned());
            d.decide_after_s = Some(after_s);
        })
    }
}

pub fn person(at_s: i64, name: &'static str, who: &'static str, command: Command) -> Scene {
    Scene { at_s, act: Act::Person { name, who, command } }
}

pub fn moves(at_s: i64, name: &'static str, change: Change) -> Scene {
    Scene { at_s, act: Act::Moves { name, change, becomes: None } }
}

pub fn says(at_s: i64, words: &'static str) -> Scene {
    Scene { at_s, act: Act::Says(words) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_dispute_of_the_month_has_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for scene in month() {
            if let Act::Opens { name, .. } = scene.act {
                assert!(
                    names.insert(name),
                    "two disputes are called `{name}`: what happens to one would happen to both"
                );
                let shop = crate::demo::SHOPS.iter().find(|shop| shop.merchant == name);
                assert!(shop.is_none(), "a dispute and a shop are both called `{name}`");
            }
        }
    }
}
