//! Stripe's stand-in with a platform and an account that is connected to it: who is told, and who may speak for whom.

use super::*;

fn order(account: &str) -> NewDispute {
    NewDispute { account: Some(account.to_owned()), amount: Some(5900), ..NewDispute::stripe() }
}

fn path(id: &str) -> String {
    format!("/v1/disputes/{id}")
}

/// What the bench has, and an account that is connected to Stripe's.
const CONNECTED: &str = "acct_1Oakleaf";

async fn platform(change: impl Fn(SandboxAccount) -> SandboxAccount) -> Bench {
    let more = vec![
        SandboxAccount::stripe("stranger", "sk_test_stranger", "whsec_stranger"),
        SandboxAccount::stripe_connected("shop-2", "shop", CONNECTED),
    ];
    Bench::with_more(change, more).await
}

#[tokio::test]
async fn a_connected_account_is_spoken_for_by_its_platform_and_told_of_at_its_endpoint() {
    let bench = platform(|account| account).await;
    let id = bench.create(order("shop-2"));
    let told = bench.delivered().await;
    assert!(!told.is_empty());
    for webhook in &told {
        let event = webhook.json();
        assert_eq!(event["account"], CONNECTED);
        let signed = webhook.header("stripe-signature").to_owned();
        let (t, v1) = signed.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let by_platform = delivery::hmac_hex(STRIPE_SECRET, &[t.as_bytes(), b".", webhook.body.as_bytes()]);
        assert_eq!(v1, by_platform, "signed with the platform's secret");
    }
    let own = bench.create(order("shop"));
    assert!(bench.delivered().await.iter().all(|webhook| webhook.json().get("account").is_none()));
    let on_behalf =
        |method: Method, path: &str| bench.stripe(method, path).header("stripe-account", CONNECTED);
    for (asked, theirs) in [(&id, &own), (&own, &id)] {
        let [behalf, plain] =
            [got(on_behalf(Method::GET, &path(asked))).await, bench.stripe_get(&path(asked)).await];
        let (seen, unseen) = if *asked == id { (behalf, plain) } else { (plain, behalf) };
        assert_eq!((seen.status, &seen.body["id"]), (200, &json!(asked)), "not {theirs}");
        assert_eq!((unseen.status, &unseen.body["error"]["code"]), (404, &json!("resource_missing")));
    }
    let closed = got(bench.stripe(Method::POST, &format!("{}/close", path(&id)))).await;
    assert_eq!((closed.status, &closed.body["error"]["code"]), (404, &json!("resource_missing")));
    let listed = got(on_behalf(Method::GET, "/v1/events")).await;
    assert!(listed.body["data"].as_array().unwrap().iter().all(|event| event["account"] == CONNECTED));
    let closed = got(on_behalf(Method::POST, &format!("{}/close", path(&id)))).await;
    assert_eq!((closed.status, &closed.body["status"]), (200, &json!("lost")));
    let told = bench.delivered().await;
    assert!(told.iter().any(|webhook| webhook.json()["type"] == "charge.dispute.closed"));
}

#[tokio::test]
async fn nobody_else_speaks_for_a_connected_account() {
    let bench = platform(|account| account).await;
    let id = bench.create(order("shop-2"));
    let url = format!("{}{}", bench.sandbox.url(ProviderKind::Stripe), path(&id));
    for (request, named) in [
        (bench.stripe(Method::GET, &path(&id)), "acct_nobody"),
        (bench.stripe(Method::GET, &path(&id)), ""),
        (bench.client.get(url).bearer_auth("sk_test_stranger"), CONNECTED),
    ] {
        let refused = got(request.header("stripe-account", named)).await;
        assert_eq!(
            (refused.status, &refused.body["error"]["code"]),
            (403, &json!("account_invalid")),
            "{named}"
        );
    }
}

#[tokio::test]
async fn thin_events_of_a_connected_account_name_it_too() {
    let thin = |account: SandboxAccount| match account.provider == ProviderKind::Stripe {
        true => account.thin_events(),
        false => account,
    };
    let bench = platform(thin).await;
    bench.create(order("shop-2"));
    let told = bench.delivered().await;
    assert!(!told.is_empty() && told.iter().all(|webhook| webhook.json()["context"] == CONNECTED));
}

#[tokio::test]
async fn an_account_is_connected_to_a_platform_that_is_there() {
    let platform = || SandboxAccount::stripe("shop", KEY, STRIPE_SECRET);
    let connected = |name: &str, via: &str| SandboxAccount::stripe_connected(name, via, CONNECTED);
    for (accounts, why) in [
        (vec![connected("a", "shop"), platform()], "`a` comes after"),
        (vec![platform(), connected("a", "shop"), connected("b", "a")], "connected itself"),
        (vec![platform(), connected("a", "shop").credential("api_key", "sk_1")], "give it nothing"),
        (
            vec![
                SandboxAccount::square("shop", "t", "s"),
                SandboxAccount { via: Some("shop".to_owned()), ..SandboxAccount::square("b", "t", "s") },
            ],
            "knows no connected accounts",
        ),
    ] {
        let refused = super::world::World::new(accounts, 1).unwrap_err();
        assert!(format!("{refused:#}").contains(why), "{why}: {refused:#}");
    }
}
