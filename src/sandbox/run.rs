//! `respondby sandbox`: starts the stand-ins with one example account each, prints where they are and how to
//! point official SDKs at them, and runs until told to stop.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};

use serde_json::json;

use super::{Sandbox, SandboxAccount, SandboxConfig, SandboxPorts};
use crate::clock::Clock;

/// The example accounts' credentials. They open nothing but a sandbox.
pub const STRIPE_KEY: &str = "sk_test_sandbox";
pub const STRIPE_WEBHOOK_SECRET: &str = "whsec_sandbox";
pub const RAZORPAY_KEY_ID: &str = "rzp_test_sandbox";
pub const RAZORPAY_KEY_SECRET: &str = "sandbox_key_secret";
pub const RAZORPAY_WEBHOOK_SECRET: &str = "sandbox_webhook_secret";

#[derive(Debug, Clone)]
pub struct RunOptions {
    pub listen: IpAddr,
    /// 0 takes free ports.
    pub ports: SandboxPorts,
    /// Where webhooks go; the account's name is put at its end: `{url}/stripe/example`.
    pub webhook_url: Option<String>,
    pub seed: u64,
    /// Stripe: thin events instead of snapshots.
    pub thin_events: bool,
    /// A clock that `POST /_sandbox/clock` can move, starting at the machine's time.
    pub movable_clock: bool,
    /// Print the addresses as one line of JSON.
    pub json: bool,
}

/// Runs a sandbox until `stop` is done.
///
/// # Errors
/// A port that is taken.
pub async fn run(options: RunOptions, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let clock = match options.movable_clock {
        true => Clock::moved_to(Clock::system().now()),
        false => Clock::system(),
    };
    let url = |provider: &str| {
        options.webhook_url.as_ref().map(|base| format!("{}/{provider}/example", base.trim_end_matches('/')))
    };
    let stripe = SandboxAccount {
        webhook_url: url("stripe"),
        thin_events: options.thin_events,
        ..SandboxAccount::stripe("example", STRIPE_KEY, STRIPE_WEBHOOK_SECRET)
    };
    let razorpay = SandboxAccount {
        webhook_url: url("razorpay"),
        ..SandboxAccount::razorpay("example", RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET, RAZORPAY_WEBHOOK_SECRET)
    };
    let listen = SocketAddr::new(options.listen, 0);
    let config = SandboxConfig { listen, clock, accounts: vec![stripe, razorpay], seed: options.seed };
    let sandbox = Sandbox::start_on(config, options.ports).await?;
    print!("{}", if options.json { addresses(&sandbox) } else { introduction(&sandbox) });
    stop.await;
    sandbox.shutdown().await;
    Ok(())
}

fn addresses(sandbox: &Sandbox) -> String {
    let line = json!({
        "control": sandbox.control_url(),
        "stripe": sandbox.stripe_url(),
        "razorpay": sandbox.razorpay_url(),
        "stripe_key": STRIPE_KEY,
        "stripe_webhook_secret": STRIPE_WEBHOOK_SECRET,
        "razorpay_key_id": RAZORPAY_KEY_ID,
        "razorpay_key_secret": RAZORPAY_KEY_SECRET,
        "razorpay_webhook_secret": RAZORPAY_WEBHOOK_SECRET,
    });
    format!("{line}\n")
}

fn introduction(sandbox: &Sandbox) -> String {
    let (stripe, razorpay, control) = (sandbox.stripe_url(), sandbox.razorpay_url(), sandbox.control_url());
    let port = stripe.rsplit(':').next().unwrap_or_default();
    format!(
        "The sandbox is listening.\n\
         \n\
         Stripe     {stripe}   key {STRIPE_KEY}   webhook secret {STRIPE_WEBHOOK_SECRET}\n\
         Razorpay   {razorpay}   key {RAZORPAY_KEY_ID}:{RAZORPAY_KEY_SECRET}   webhook secret {RAZORPAY_WEBHOOK_SECRET}\n\
         Control    {control}/_sandbox\n\
         \n\
         Node, stripe:      new Stripe('{STRIPE_KEY}', {{ host: '127.0.0.1', port: {port}, protocol: 'http' }})\n\
         Node, razorpay:    const r = new Razorpay({{ key_id, key_secret }}); r.api.rq.defaults.baseURL = '{razorpay}'\n\
         Python, razorpay:  razorpay.Client(auth=(key_id, key_secret), base_url='{razorpay}')\n\
         \n\
         Open a dispute:    curl {control}/_sandbox/disputes --json '{{\"provider\":\"stripe\",\"amount\":2500}}'\n\
         Decide it:         curl {control}/_sandbox/disputes/ID --json '{{\"change\":\"won\"}}'\n\
         Make trouble:      curl {control}/_sandbox/faults/webhooks --json '{{\"provider\":\"stripe\",\"trouble\":{{\"kind\":\"drop\"}}}}'\n\
         What was answered: curl {control}/_sandbox/ledger\n"
    )
}
