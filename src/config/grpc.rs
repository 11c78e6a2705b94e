//! What `[grpc]` must say beyond its types: keys and merchants' credentials travel there, so that it is either
//! encrypted or not for other machines to reach. Reads no certificate; who serves does.

use std::path::Path;

use super::check::{Mistake, mistake};
use super::{CallerCredentials, GrpcConfig, Plaintext};

pub(super) fn all(grpc: &mut GrpcConfig, base: &Path, found: &mut Vec<Mistake>) {
    if let Some(certificate) = &mut grpc.tls_certificate {
        *certificate = base.join(&*certificate);
        if let Err(e) = std::fs::File::open(&*certificate) {
            let message = format!("cannot read the certificate {}: {e}", certificate.display());
            found.push(mistake("grpc.tls_certificate", message));
        }
    }
    let encrypted = match (&grpc.tls_certificate, &grpc.tls_key) {
        (Some(_), Some(_)) => true,
        (None, None) => false,
        (Some(_), None) => {
            found
                .push(mistake("grpc.tls_certificate", "a certificate needs its key: name it with `tls_key`"));
            true
        }
        (None, Some(_)) => {
            let message = "a key needs its certificate: name the file with `tls_certificate`";
            found.push(mistake("grpc.tls_key", message));
            true
        }
    };
    if let Some(listen) = grpc.listen.filter(|a| !encrypted && !a.ip().is_loopback()) {
        match grpc.plaintext {
            Plaintext::BehindAProxy => {}
            Plaintext::OnLoopback => {
                let message = format!(
                    "other machines reach {listen}, and API keys travel there: name `tls_certificate` and `tls_key`, \
                     or say plaintext = \"behind_a_proxy\" if a proxy in front ends TLS"
                );
                found.push(mistake("grpc.listen", message));
            }
        }
    }
    match grpc.caller_credentials {
        CallerCredentials::Ignored => {}
        CallerCredentials::Used => {
            let message = "an order is carried out after its call has been heard, and checked against the provider's \
                           record for days: the credentials would have to be kept for that, and callers' never are. \
                           Leave it at \"ignored\", and name the account in an [[account]]";
            found.push(mistake("grpc.caller_credentials", message));
        }
    }
}
