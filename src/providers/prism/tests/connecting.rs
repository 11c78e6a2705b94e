//! The line to Prism: pooled, made anew, and what cannot have left on it.

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::calling::{accept, acknowledged, status};
use super::stub::{Reply, Stub};
use super::{ADYEN, account, prism, with};
use crate::providers::Answer;

#[tokio::test]
async fn a_call_that_cannot_have_arrived_may_be_repeated() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    // Somebody who does not speak TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let no_tls = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _sent = socket.write_all(b"this is not TLS").await;
        }
    });
    for address in [plain.as_str(), &no_tls, "http://", "nonsense", "ftp://127.0.0.1"] {
        let (answer, logs) = accept(&prism("stub"), &account(ADYEN, address)).await;
        assert!(matches!(answer, Answer::Retry { .. }), "{address}: {answer:?}");
        assert!(logs[0].error.as_deref().unwrap().contains("not sent"), "{logs:?}");
    }
}

#[tokio::test]
async fn one_connection_serves_all_calls_to_an_address() {
    let stub = Stub::answering([Reply::Message(status(3))]).await;
    let p = prism("stub");
    let accounts = [account(ADYEN, &stub.address), account(&with(ADYEN, &[("tenant", "b")]), &stub.address)];
    for _ in 0..10 {
        let (one, other) = tokio::join!(accept(&p, &accounts[0]), accept(&p, &accounts[1]));
        assert!(acknowledged(&one.0) && acknowledged(&other.0));
    }
    assert_eq!((stub.calls().len(), stub.connections()), (20, 1));
}

#[tokio::test]
async fn a_crowd_of_calls_dials_once_and_once_more_when_the_server_has_closed() {
    for close in [Stub::cut, Stub::go_away] {
        let stub = Stub::answering([Reply::Message(status(3))]).await;
        let p = prism("stub");
        let accounts =
            [account(ADYEN, &stub.address), account(&with(ADYEN, &[("tenant", "b")]), &stub.address)];
        let crowd = || join_all((0..50).map(|n| accept(&p, &accounts[n % 2])));
        for _ in 0..4 {
            assert!(crowd().await.iter().all(|(answer, _)| acknowledged(answer)));
        }
        assert_eq!((stub.calls().len(), stub.connections()), (200, 1));
        close(&stub);
        // Calls that were on their way when it closed may be lost, and are not repeated.
        crowd().await;
        for _ in 0..4 {
            assert!(crowd().await.iter().all(|(answer, _)| acknowledged(answer)));
        }
        assert_eq!(stub.connections(), 2);
    }
}

#[tokio::test]
async fn a_broken_connection_is_made_anew_by_the_next_call() {
    let stub = Stub::answering([Reply::HangUp, Reply::Message(status(3))]).await;
    let (p, account) = (prism("stub"), account(ADYEN, &stub.address));
    assert!(matches!(accept(&p, &account).await.0, Answer::Unknown { .. }));
    assert!(acknowledged(&accept(&p, &account).await.0));
    assert_eq!(stub.calls().len(), 2, "nothing was repeated unasked");
}
