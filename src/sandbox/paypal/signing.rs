//! How PayPal signs webhooks: RSA over the transmission's id and time, the webhook's id and the CRC32 of the body.
//! The key and its certificate are the stand-in's own, made for this folder: they prove nothing to anybody.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

pub(super) const CERTIFICATE_ID: &str = "CERT-5a4db0c5-57a4d142";
pub(super) const CERTIFICATE: &[u8] = include_bytes!("standin.pem");

static KEY: LazyLock<RsaKeyPair> = LazyLock::new(|| {
    RsaKeyPair::from_pkcs8(include_bytes!("standin.der")).expect("the stand-in's own key is whole")
});

/// base64 of the signature.
pub(super) fn sign(transmission_id: &str, time: &str, webhook_id: &str, body: &[u8]) -> String {
    let message = format!("{transmission_id}|{time}|{webhook_id}|{}", crc32fast::hash(body));
    let mut signature = vec![0; KEY.public().modulus_len()];
    let signed = KEY.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature);
    signed.expect("a buffer of the key's length takes the signature");
    STANDARD.encode(signature)
}
