//! Who is let in, how often, and what they are told who are not.

use std::process::Output;

use respondby::store::api_keys;
use serde_json::Value;

use super::{ALL, Program, READ, merchant_id};
use crate::engine::stage::{STRIPE, Setup, Stage, fraud, hours};

#[tokio::test]
async fn whoever_shows_no_good_key_gets_one_answer_and_learns_nothing() {
    let mut stage = Stage::new().await;
    let dispute_ref = stage.open(fraud(STRIPE, hours(96))).await;
    let path = format!("/v1/disputes/{dispute_ref}");
    let good = Program::of(&stage, "acme", "till", ALL).await;
    let ours = merchant_id(&stage, "acme").await;
    let theirs = merchant_id(&stage, "bazaar").await;
    assert_eq!(good.get(&path).await.status, 200);
    let revoked = Program::of(&stage, "acme", "lost", ALL).await;
    assert_eq!(revoked.get(&path).await.status, 200);
    let mut conn = stage.db.pool.acquire().await.unwrap();
    let done = api_keys::revoke(&mut conn, ours, "lost", "ana", stage.clock.now()).await.unwrap();
    assert!(matches!(done, api_keys::Revoked::Done { .. }));

    let other_name = good.key.replace(&format!("rby_{ours}_"), &format!("rby_{theirs}_"));
    let mut other_bits = good.key.clone();
    let at = other_bits.len() - 9;
    let other = if &other_bits[at..=at] == "A" { "B" } else { "A" };
    other_bits.replace_range(at..=at, other);
    let mut told: Vec<String> = Vec::new();
    for key in [&revoked.key, &other_name, &other_bits, "rby_1_x", "x", "sk_test_stage"] {
        for path in [path.as_str(), "/v1/disputes", "/v1/disputes/dp_nobody"] {
            let said = Program::with_key(&stage, key).get(path).await;
            assert_eq!((said.status, said.problem()), (401, "unauthorized"), "{key}");
            assert_eq!(said.headers["www-authenticate"], "Bearer");
            told.push(said.body.to_string());
        }
    }
    let bare = good.send(good.http.get(format!("{}{path}", good.base))).await;
    let basic =
        good.send(good.http.get(format!("{}{path}", good.base)).basic_auth(&good.key, Some(""))).await;
    // Two keys are none: nobody guesses which was meant.
    let twice = good.http.get(format!("{}{path}", good.base)).bearer_auth(&good.key).bearer_auth(&good.key);
    let twice = good.send(twice).await;
    told.extend([bare.body.to_string(), basic.body.to_string(), twice.body.to_string()]);
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_no_more() {
    let stage = Stage::new().await;
    let writer = Program::of(&stage, "acme", "writer", &[respondby::desk::Scope::DisputesWrite]).await;
    let said = writer.get("/v1/disputes").await;
    assert_eq!((said.status, said.problem()), (403, "scope-missing"));
    assert_eq!(said.body["scope"], "disputes:read");
}

#[tokio::test]
async fn a_key_that_comes_too_often_is_told_when_to_come_again_and_others_are_not() {
    let more = "[api]\ncalls_per_minute = 1\ncalls_at_once = 3\n".to_owned();
    let stage = Stage::with(Setup { more, ..Setup::default() }).await;
    let hasty = Program::of(&stage, "acme", "hasty", READ).await;
    for _ in 0..3 {
        assert_eq!(hasty.get("/v1/disputes").await.status, 200);
    }
    let said = hasty.get("/v1/disputes").await;
    assert_eq!((said.status, said.problem()), (429, "too-often"));
    let after: u64 = said.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    let other = Program::of(&stage, "acme", "other", READ).await;
    assert_eq!(other.get("/v1/disputes").await.status, 200);
    // Strangers cannot use up anybody's calls, nor are they counted.
    for _ in 0..5 {
        assert_eq!(Program::with_key(&stage, "x").get("/v1/disputes").await.status, 401);
    }
    assert_eq!(other.get("/v1/disputes").await.status, 200);
}

#[tokio::test]
async fn keys_are_made_shown_once_listed_and_revoked_on_the_command_line() {
    let stage = Stage::new().await;
    let run = async |words: &[&str]| -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = tokio::process::Command::new(env!("CARGO_BIN_EXE_respondby"))
            .args(words)
            .arg("--config")
            .arg(stage.configuration())
            .output()
            .await
            .unwrap();
        (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
    };
    let make = ["keys", "create", "--merchant", "acme", "--name", "till", "--as", "ana"];
    let scopes = ["--scope", "disputes:read", "--scope", "disputes:write", "--scope", "disputes:read"];
    let (code, made) = run(&[&make[..], &scopes, &["--json"]].concat()).await;
    assert_eq!(code, Some(0), "{made}");
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["scopes"], serde_json::json!(["disputes:read", "disputes:write"]));
    let key = made["key"].as_str().unwrap();
    assert_eq!(Program::with_key(&stage, key).get("/v1/disputes").await.status, 200);

    let kept: String = sqlx::query_scalar("select string_agg(k::text, ' ') from api_keys k")
        .fetch_one(&stage.db.pool)
        .await
        .unwrap();
    let bits = key.rsplit('_').next().unwrap();
    assert!(kept.contains("till") && !kept.contains(bits), "{kept}");
    let (_, listed) = run(&["keys", "list", "--merchant", "acme"]).await;
    assert!(listed.contains("till") && listed.contains("by ana") && !listed.contains(bits), "{listed}");

    let (code, taken) = run(&[&make[..], &scopes].concat()).await;
    assert!(code == Some(1) && taken.contains("has a key `till` already"), "{taken}");
    for (words, part) in [
        (&["--name", "b", "--scope", "disputes:all"][..], "not a scope"),
        (&["--name", "b"], "--scope"),
        (&["--name", "No Name", "--scope", "disputes:read"], "lower-case"),
    ] {
        let (code, said) =
            run(&[&["keys", "create", "--merchant", "acme", "--as", "ana"], words].concat()).await;
        assert!(code == Some(2) && said.contains(part), "{words:?}: {said}");
    }
    let revoke = ["keys", "revoke", "--merchant", "acme", "--name", "till", "--as", "ben"];
    assert_eq!(run(&revoke).await.0, Some(0));
    assert_eq!(Program::with_key(&stage, key).get("/v1/disputes").await.status, 401);
    let (code, again) = run(&revoke).await;
    assert!(code == Some(1) && again.contains("no key `till` in use"), "{again}");
    let (code, next) = run(&[&make[..], &scopes].concat()).await;
    assert!(code == Some(0) && next.contains("the only time"), "{next}");
    let (_, listed) = run(&["keys", "list"]).await;
    assert!(listed.contains("revoked by ben"), "{listed}");
}
