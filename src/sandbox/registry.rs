//! The stand-ins that exist: one line each. A provider's place in this list is its place everywhere: its port
//! after the control port, its disputes in the list of all. Behaviour belongs in the provider's folder.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SandboxAccount;
use super::stand_in::StandIn;

macro_rules! stand_ins {
    ($($kind:ident = $word:literal by $book:ty;)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum ProviderKind {
            $(#[serde(rename = $word)] $kind,)+
        }

        impl ProviderKind {
            pub const ALL: &[ProviderKind] = &[$(ProviderKind::$kind),+];

            /// The word in addresses and files: `/webhooks/{word}/…`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(ProviderKind::$kind => $word,)+
                }
            }

            /// As people write it.
            pub fn title(self) -> &'static str {
                self.stand_in().facts().name
            }

            /// The account that `respondby sandbox` starts with. Its credentials open nothing.
            pub fn example(self) -> SandboxAccount {
                self.stand_in().example()
            }

            /// A stand-in to which nothing has happened yet.
            pub(super) fn stand_in(self) -> Box<dyn StandIn> {
                match self {
                    $(ProviderKind::$kind => Box::<$book>::default(),)+
                }
            }
        }
    };
}

stand_ins! {
    Stripe = "stripe" by super::stripe::Book;
    Razorpay = "razorpay" by super::razorpay::Book;
    Hyperswitch = "hyperswitch" by super::hyperswitch::Book;
    Paypal = "paypal" by super::paypal::Book;
    Checkout = "checkout" by super::checkout::Book;
    Square = "square" by super::square::Book;
    Adyen = "adyen" by super::adyen::Book;
    Prism = "prism" by super::prism::Book;
}

impl std::fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ProviderKind {
    type Err = anyhow::Error;
    fn from_str(word: &str) -> anyhow::Result<Self> {
        let known = || Self::ALL.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
        let found = Self::ALL.iter().copied().find(|kind| kind.as_str() == word);
        found.ok_or_else(|| {
            anyhow::anyhow!("the sandbox has no provider `{word}`: expected one of {}", known())
        })
    }
}
