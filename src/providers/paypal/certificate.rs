//! Whose certificate signed: where it may be fetched from, and what is checked of it. Checked: the chain of
//! signatures up to an authority of this machine (or of the file that is named), each link's dates, that the
//! leaf is for servers, a name beneath PayPal's domain among its names, an RSA key of 2048 bits or more. Not
//! checked: revocation. A stand-in on this machine signs with a certificate of its own making, which is taken
//! as it is: plain HTTP to a loopback address is allowed by nobody but the operator.

use chrono::{DateTime, Utc};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, RawPublicKeyEntity};

use crate::providers::http::is_local;

const PATH: &str = "/v1/notifications/certs/";
/// Certificates in one download: a leaf and what leads to its authority.
const CHAIN_LENGTH_MAX: usize = 8;

/// The public key of a certificate that passed.
#[derive(Debug, Clone)]
pub struct Key(SubjectPublicKeyInfoDer<'static>);

impl Key {
    /// RSA PKCS#1 v1.5 with SHA-256.
    pub fn is_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = RawPublicKeyEntity::try_from(&self.0);
        let algorithm = webpki::ring::RSA_PKCS1_2048_8192_SHA256;
        key.is_ok_and(|key| key.verify_signature(algorithm, message, signature).is_ok())
    }

    /// The key of a PEM file: a certificate, or a bare public key. Somebody put it there: nothing is checked.
    pub fn pinned(pem: &[u8]) -> Result<Self, String> {
        if let Ok(key) = SubjectPublicKeyInfoDer::from_pem_slice(pem) {
            return Self::usable(key);
        }
        let leaf = CertificateDer::from_pem_slice(pem)
            .map_err(|_| "it holds neither a certificate nor a public key in PEM".to_owned())?;
        Self::of(&leaf)
    }

    fn of(leaf: &CertificateDer<'_>) -> Result<Self, String> {
        let leaf =
            EndEntityCert::try_from(leaf).map_err(|e| format!("the certificate is not readable: {e}"))?;
        Self::usable(leaf.subject_public_key_info())
    }

    fn usable(key: SubjectPublicKeyInfoDer<'_>) -> Result<Self, String> {
        let key = key.into_owned();
        match RawPublicKeyEntity::try_from(&key) {
            Ok(_) => Ok(Self(key)),
            Err(e) => Err(format!("the public key is not readable: {e}")),
        }
    }
}

/// Whether a certificate may be fetched from `url`: one of `origins` to the letter, the one path, and an id.
/// No address is parsed: whatever a parser would have to make sense of is refused.
pub fn is_allowed<'o>(url: &str, mut origins: impl Iterator<Item = &'o str>) -> bool {
    origins.any(|origin| {
        let id = url.strip_prefix(origin).and_then(|rest| rest.strip_prefix(PATH));
        id.is_some_and(|id| id.len() <= 100 && crate::providers::http::is_plain_ref(id))
    })
}

/// An address certificates may come from: HTTPS, or a stand-in on this machine; no path, no user.
pub fn is_origin(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':');
    let host = text.strip_prefix("https://").or(text.strip_prefix("http://").filter(|_| is_local(text)));
    host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain))
}

/// The authorities, and the domain that a certificate must be of.
pub struct Trust {
    pub authorities: Vec<TrustAnchor<'static>>,
    pub domain: String,
}

impl Trust {
    /// The authorities of a PEM file, else those of this machine.
    pub fn new(authorities_pem: Option<&[u8]>, domain: &str) -> Self {
        let roots: Vec<CertificateDer<'static>> = match authorities_pem {
            Some(pem) => CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect(),
            None => rustls_native_certs::load_native_certs().certs,
        };
        let anchor = |root| webpki::anchor_from_trusted_cert(root).ok().map(|anchor| anchor.to_owned());
        Self { authorities: roots.iter().filter_map(anchor).collect(), domain: domain.to_owned() }
    }

    /// The key of the first certificate in `pem`, when all that is checked holds.
    pub fn check(&self, pem: &[u8], now: DateTime<Utc>) -> Result<Key, String> {
        let certificates: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|_| "the download is no PEM".to_owned())?;
        let Some((first, others)) = certificates.split_first() else {
            return Err("the download holds no certificate".to_owned());
        };
        if certificates.len() > CHAIN_LENGTH_MAX {
            return Err(format!("the download holds {} certificates", certificates.len()));
        }
        let leaf = EndEntityCert::try_from(first).map_err(|e| format!("it is not readable: {e}"))?;
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let usage = KeyUsage::server_auth();
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &self.authorities,
            others,
            at,
            usage,
            None,
            None,
        )
        .map_err(|e| {
            let unknown = e == webpki::Error::UnknownIssuer;
            let remedy = "no authority known here issued it: name a file with its issuer in \
                              `certificate_authorities`";
            if unknown { remedy.to_owned() } else { format!("its chain does not hold: {e}") }
        })?;
        let beneath = format!(".{}", self.domain);
        let names: Vec<&str> = leaf.valid_dns_names().collect();
        if !names.iter().any(|name| *name == self.domain || name.ends_with(&beneath)) {
            return Err(format!("it is for {}, and not for {}", names.join(", "), self.domain));
        }
        Key::of(first)
    }
}
