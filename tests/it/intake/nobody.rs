//! Whoever proves nothing learns nothing: not even which accounts there are. What is sent to an address that does not
//! exist is answered, byte by byte, as what somebody else signed for one that does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, header};
use respondby::http::{Intake, Probes, Webhooks, Writers, router};
use respondby::providers::ProviderName;
use respondby::store::accounts::{AccountDirectory, ConfiguredAccount, sync};
use respondby::store::ids::Ids;
use respondby::store::seal::SealingKey;
use secrecy::SecretString;
use tokio::sync::Notify;
use tower::ServiceExt as _;

use super::{at, config, providers};
use crate::support::Database;
use crate::support::grpc_server::GrpcServer;

/// An account with everything that its provider's accounts must have, and these settings.
fn account(provider: ProviderName, name: &str, told: &[(&str, &str)]) -> ConfiguredAccount {
    let needed = provider.needs().iter().filter(|need| need.required);
    let mut credentials: BTreeMap<String, SecretString> =
        needed.map(|need| (need.name.to_owned(), "5b0d7f2e91c3a846".into())).collect();
    credentials.extend(told.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
    ConfiguredAccount {
        merchant: "acme".to_owned(),
        provider,
        name: name.to_owned(),
        provider_account: None,
        via: None,
        base_url: None,
        tolerance_s: 300,
        webhook_secrets: vec!["5b0d7f2e91c3a8465b0d7f2e91c3a846".into()],
        credentials,
    }
}

/// Everything that takes webhooks, but for a socket.
struct Doors {
    db: Database,
    intake: Intake,
    _writers: Writers,
}

impl Doors {
    async fn open() -> Self {
        let db = Database::new().await;
        let (config, clock) = (config(), clock());
        let connect = (*db.pool.connect_options()).clone();
        let (intake, writers) =
            Intake::start(&config.intake, connect, clock, Ids::new(), Arc::new(Notify::new()));
        Self { db, intake, _writers: writers }
    }

    /// What answers where these accounts are all there are.
    async fn with(&self, accounts: &[ConfiguredAccount]) -> Router {
        let key = SealingKey::generate();
        let mut conn = self.db.pool.acquire().await.unwrap();
        for table in ["accounts", "merchants"] {
            let statement = sqlx::AssertSqlSafe(format!("delete from {table}"));
            sqlx::query(statement).execute(&mut *conn).await.unwrap();
        }
        sync(&mut conn, &Ids::new(), &key, accounts, clock().now()).await.unwrap();
        let directory = AccountDirectory::new(key);
        directory.refresh(&mut conn).await.unwrap();
        assert_eq!(directory.all().len(), accounts.len(), "{:?}", directory.unusable());
        let webhooks = Webhooks::new(&config().http, clock(), providers(), directory, self.intake.clone());
        let render = Arc::new(String::new);
        router(Probes::new(self.db.pool.clone(), None, Vec::new(), render), Some(webhooks), None)
    }
}

fn clock() -> respondby::clock::Clock {
    respondby::clock::Clock::frozen_at(at("2026-11-20T10:00:00Z"))
}

/// Status, headers and body.
type Answer = (u16, HeaderMap, Vec<u8>);

async fn post(app: &Router, address: &str) -> Answer {
    // No provider's, or with every signature but the right one: both are wrong.
    let request = Request::post(format!("/webhooks/{address}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header("stripe-signature", "t=1790000000,v1=00")
        .header("x-razorpay-signature", "00")
        .header("x-webhook-signature-512", "00")
        .header("cko-signature", "00")
        .header("x-square-hmacsha256-signature", "AAAA")
        .body(Body::from(r#"{"id":"evt_1","notificationItems":[{"NotificationRequestItem":{}}]}"#))
        .unwrap();
    let (mut head, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    head.headers.remove(header::DATE);
    (head.status.as_u16(), head.headers, to_bytes(body, 1 << 16).await.unwrap().to_vec())
}

#[tokio::test]
async fn a_bad_signature_and_no_account_are_answered_alike_at_every_provider() {
    let doors = Doors::open().await;
    for provider in ProviderName::ALL {
        let here = doors.with(&[account(*provider, "here", &[("connector", "adyen")])]).await;
        let nowhere = doors.with(&[]).await;
        let bad = post(&here, &format!("{provider}/here")).await;
        assert_eq!(bad.0, 401, "{provider}: {bad:?}");
        assert_eq!(post(&here, &format!("{provider}/nobody")).await, bad, "{provider}");
        assert_eq!(post(&nowhere, &format!("{provider}/nobody")).await, bad, "{provider}: none at all");
        assert_eq!(post(&here, "nonesuch/here").await, bad, "{provider}");
    }
}

/// Behind Prism an account may be one whose webhooks are verified here, or one that Prism is asked about, in each of
/// its forms; and the server may be away.
#[tokio::test]
async fn accounts_behind_prism_cannot_be_told_from_none() {
    let doors = Doors::open().await;
    let (refusing, troubled) = (GrpcServer::answering(3, b"").await, GrpcServer::answering(13, b"").await);
    let prism = |told: &[(&str, &str)], address: &str| {
        let base_url = Some(address.to_owned());
        ConfiguredAccount { base_url, ..account(ProviderName::Prism, "here", told) }
    };
    for connector in ["adyen", "stripe", "paypal", "novalnet"] {
        for form in [
            &[][..],
            &[("service", "ucs.v2"), ("headers", "keys"), ("key1", "k"), ("reason_codes", "upper")],
            &[("service", "ucs.v2-2026-03-05"), ("headers", "auth"), ("tenant", "b")],
        ] {
            let told = [&[("connector", connector), ("api_key", "AQE-1")][..], form].concat();
            for (address, status) in [(&refusing.address, 401), (&troubled.address, 503)] {
                let app = doors.with(&[prism(&told, address)]).await;
                let bad = post(&app, "prism/here").await;
                let asked = connector == "novalnet";
                assert_eq!(bad.0, if asked { status } else { 401 }, "{told:?}: {bad:?}");
                assert_eq!(post(&app, "prism/nobody").await, bad, "{told:?}");
            }
        }
    }
    // Where there are accounts of both kinds, an address that does not exist is like one or the other, and stays so.
    let native = prism(&[("connector", "adyen"), ("api_key", "AQE-1")], &troubled.address);
    let asked = prism(&[("connector", "novalnet"), ("api_key", "nn-7")], &troubled.address);
    let app = doors.with(&[native, ConfiguredAccount { name: "there".to_owned(), ..asked }]).await;
    let of_both = [post(&app, "prism/here").await.0, post(&app, "prism/there").await.0];
    assert_eq!(of_both, [401, 503]);
    let mut seen = BTreeSet::new();
    for n in 0..64 {
        let [once, again] =
            [post(&app, &format!("prism/nobody-{n}")).await, post(&app, &format!("prism/nobody-{n}")).await];
        assert_eq!(once, again, "{n}");
        seen.insert(once.0);
    }
    assert_eq!(seen, BTreeSet::from(of_both));
}
