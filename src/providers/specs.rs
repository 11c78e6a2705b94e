//! Holds what a provider's folder is about to send against what its API takes, in every test of this crate. Whose API
//! it is, is told by the folder in which the client was made, so that no new call escapes. Never part of the product.

use http_body_util::BodyExt;
use reqwest::{Body, Request};

#[path = "../../tests/specs/mod.rs"]
mod checks;

/// The folder of the provider in which that file is.
fn provider(file: &str) -> Option<&str> {
    let (folder, _) = file.strip_prefix("src/providers/")?.split_once('/')?;
    Some(folder)
}

/// The request as it was.
///
/// # Panics
/// The API does not take it.
pub async fn held_against(made_in: &str, mut request: Request) -> Request {
    let Some(provider) = provider(made_in) else { return request };
    let known = request.body().map(|body| body.as_bytes().map(bytes::Bytes::copy_from_slice));
    let body = match known {
        None => bytes::Bytes::new(),
        Some(Some(bytes)) => bytes,
        // Parts come one by one, and go on so.
        Some(None) => {
            let stream = request.body_mut().take().expect("there is a body");
            let bytes = stream.collect().await.expect("nothing is read from elsewhere").to_bytes();
            let again = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes.clone())]);
            *request.body_mut() = Some(Body::wrap_stream(again));
            bytes
        }
    };
    let url = request.url();

    let asked = checks::Asked {
        provider,
        method: request.method().as_str(),
        path: url.path(),
        query: url.query().unwrap_or_default(),
        headers: request.headers(),
        body: &body,
    };
    let faults = checks::faults(asked);
    assert!(faults.is_empty(), "a request that its API does not take:\n{}", faults.join("\n"));
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_belongs_to_the_folder_that_made_it() {
        for (file, told) in [
            ("src/providers/adyen/mod.rs", Some("adyen")),
            ("src/providers/adyen/tests/calling.rs", Some("adyen")),
            ("src/providers/http.rs", None),
            ("src/worker/facts.rs", None),
        ] {
            assert_eq!(provider(file), told);
        }
    }

    #[tokio::test]
    #[should_panic(expected = "purpos")]
    async fn a_misspelt_part_stops_the_test_that_sends_it() {
        crate::providers::http::install_crypto();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let form = reqwest::multipart::Form::new().text("purpos", "dispute_evidence");
        let request = client.post("http://127.0.0.1:9/files").bearer_auth("sk_1").multipart(form);
        held_against("src/providers/checkout/api.rs", request.build().unwrap()).await;
    }

    #[tokio::test]
    async fn parts_go_on_as_they_came() {
        crate::providers::http::install_crypto();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let file = reqwest::multipart::Part::stream(&b"%PDF"[..]).file_name("a.pdf");
        let file = file.mime_str("application/pdf").unwrap();
        let form = reqwest::multipart::Form::new().text("purpose", "dispute_evidence").part("file", file);
        let request = client.post("http://127.0.0.1:9/files").bearer_auth("sk_1").multipart(form);
        let mut request = held_against("src/providers/checkout/api.rs", request.build().unwrap()).await;
        let body = request.body_mut().take().unwrap().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("%PDF") && text.trim_end().ends_with("--"), "{text}");
    }

    #[test]
    fn every_provider_that_is_asked_in_words_has_its_file() {
        let names = crate::providers::ProviderName::ALL.iter().map(|name| name.as_str());
        let without: Vec<&str> = names.filter(|name| !checks::is_known(name)).collect();
        assert_eq!(without, ["prism"]);
    }
}
