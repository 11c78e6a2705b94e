//! Runs the stand-ins on free ports and prints their addresses as one line of JSON, until standard input
//! ends. With `RECORD` set, every request and its answer are written to that file. This is what `bin/sdk-check` drives with the official SDKs.

use respondby::sandbox::{RunOptions, run};
use tokio::io::{AsyncReadExt, stdin};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = RunOptions {
        listen: "127.0.0.1:0".parse()?,
        webhook_url: None,
        seed: 1,
        settings: vec![],
        movable_clock: true,
        json: true,
        record: std::env::var_os("RECORD").map(Into::into),
    };
    run(options, async {
        // Whoever started this closes its end when it is done, even when it is killed.
        _ = stdin().read_to_end(&mut Vec::new()).await;
    })
    .await
}
