//! The demo as its user runs it: it ends well, says what it promises to say, and keeps its secrets.

use std::process::Command;

use respondby::demo::SECRETS;

#[test]
fn the_demo_keeps_every_promise_and_every_secret() {
    let done = Command::new(env!("CARGO_BIN_EXE_respondby"))
        .arg("demo")
        .env("RESPONDBY_LOG__FILTER", "respondby=trace,info")
        .output()
        .expect("the demo runs");
    let (said, logged) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "the demo failed:\n{said}\n{logged}");
    for line in ["promises P1 to P8 were checked", "0 missed", "irreversible calls per cycle: at most 1"] {
        assert!(said.contains(line), "the demo does not say `{line}`:\n{said}");
    }
    for (name, secret) in SECRETS {
        assert!(
            !said.contains(secret) && !logged.contains(secret),
            "the demo's output holds the secret {name}"
        );
    }
    let rows = said.lines().skip_while(|line| !line.starts_with("dispute ")).count();
    assert!(rows >= 24, "{rows} rows in the table at the end:\n{said}");
}
