//! The program: the crypto provider, the runtime, and the command line.
//! Everything else is in the library, where tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    // One provider for every TLS connection of the process, before the first is made.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("error: another TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(respondby::cli::run()),
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            ExitCode::FAILURE
        }
    }
}
