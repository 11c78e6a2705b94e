//! What holds for every stand-in that the registry names, whoever it stands in for. A new one is tried by itself.

use super::*;

/// Each provider's example account, told where webhooks go.
async fn bench() -> Bench {
    let mut bench = Bench::new().await;
    let url = bench.control.0.quietly(|world, _| world.office.accounts[0].spec.webhook_url.clone().unwrap());
    let accounts = ProviderKind::ALL.iter().map(|kind| kind.example().webhook_url(&url)).collect();
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = SandboxConfig { listen, clock: bench.clock.clone(), accounts, seed: 12 };
    bench.sandbox = Sandbox::start(config).await.unwrap();
    bench.control = bench.sandbox.control();
    bench
}

#[tokio::test]
async fn a_dispute_ordered_without_a_word_makes_sense() {
    let bench = bench().await;
    let mut seen = std::collections::HashSet::new();
    for kind in ProviderKind::ALL {
        let id = bench.create(NewDispute::new(*kind));
        assert!(seen.insert(id.clone()), "{kind} gives an id twice: {id}");
        let view = bench.control.dispute(&id).unwrap();
        assert_eq!((view.provider, view.account.as_str()), (*kind, "example"));
        assert!(view.open && view.round == 1 && view.amount_minor > 0, "{view:?}");
        assert!(
            view.currency.len() == 3 && view.currency.chars().all(|c| c.is_ascii_uppercase()),
            "{view:?}"
        );
        assert!(view.respond_by.is_some_and(|by| by > bench.clock.now()), "{view:?}");
        assert!(view.record.to_string().contains(&id), "{view:?}");
    }
    let said = |error: anyhow::Error| error.to_string();
    for kind in ProviderKind::ALL {
        let elsewhere = NewDispute { account: Some("shed".to_owned()), ..NewDispute::new(*kind) };
        assert!(said(bench.control.create(&elsewhere).unwrap_err()).contains("there is example"), "{kind}");
        let odd = NewDispute { status: Some("sulking".to_owned()), ..NewDispute::new(*kind) };
        assert!(bench.control.create(&odd).is_err(), "{kind} takes any word for a status");
    }
}

#[tokio::test]
async fn what_is_silent_tells_nobody_and_what_is_not_names_the_dispute() {
    let bench = bench().await;
    for kind in ProviderKind::ALL {
        let silent = bench.create(NewDispute { silent: true, ..NewDispute::new(*kind) });
        assert!(bench.delivered().await.is_empty(), "{kind} tells of {silent}");
        let told = bench.create(NewDispute::new(*kind));
        let received = bench.delivered().await;
        assert!(!received.is_empty(), "{kind} tells nobody of {told}");
        for received in received {
            assert!(received.body.contains(&told), "{kind}: {}", received.body);
        }
        let webhooks = bench.control.webhooks();
        let own = webhooks.iter().filter(|w| w.provider == *kind);
        assert!(own.clone().all(|w| w.dispute_ref.as_deref() == Some(&told)), "{kind}");
        assert!(own.clone().all(|w| w.state == WebhookState::Delivered), "{kind}");
    }
}

#[tokio::test]
async fn nobody_answers_and_it_is_over() {
    let bench = bench().await;
    for kind in ProviderKind::ALL {
        let due = bench.clock.now() + TimeDelta::hours(5);
        let id = bench.create(NewDispute::new(*kind).respond_by(due));
        bench.advance(TimeDelta::hours(4));
        let view = bench.control.dispute(&id).unwrap();
        assert!(view.open && view.respond_by == Some(due), "{kind}: {view:?}");
        bench.advance(TimeDelta::hours(2));
        let view = bench.control.dispute(&id).unwrap();
        assert!(!view.open, "{kind}: {view:?}");
    }
}

#[tokio::test]
async fn a_forged_webhook_does_not_look_like_a_good_one() {
    let bench = bench().await;
    for kind in ProviderKind::ALL {
        let mut sent = vec![];
        for signing in [Signing::Valid, Signing::Forged, Signing::Missing] {
            let event_ref = Some("evt_everybody_s".to_owned());
            let order = ExtraWebhook { signing, event_ref, ..ExtraWebhook::new(*kind) };
            bench.control.send_extra(&order).unwrap();
            let mut received = bench.delivered().await;
            assert_eq!(received.len(), 1, "{kind}");
            let Received { headers, body } = received.remove(0);
            sent.push((format!("{headers:?}"), body));
        }
        assert!(sent[0] != sent[1] && sent[1] != sent[2] && sent[0] != sent[2], "{kind}: {sent:#?}");
    }
}

#[tokio::test]
async fn strangers_and_unknown_addresses_are_turned_away() {
    let bench = bench().await;
    for kind in ProviderKind::ALL {
        let id = bench.create(NewDispute::new(*kind));
        let url = bench.sandbox.url(*kind);
        for path in ["/", "/v1/no/such/thing", "/v1/disputes", &format!("/v1/disputes/{id}")] {
            for request in [
                bench.client.get(format!("{url}{path}")),
                bench.client.post(format!("{url}{path}")).body("{"),
            ] {
                let got = got(request).await;
                assert!((400..500).contains(&got.status), "{kind} {path}: {} {}", got.status, got.body);
            }
        }
        assert!(bench.control.ledger().iter().all(|entry| entry.provider != *kind), "{kind}");
    }
}
