//! Answers that no honest server gives: cut anywhere, of the wrong types, huge, with garbage for details, and a line
//! that ends in the middle. None of them may be taken for a yes, nor for a no that was not said.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::calling::{Called, accept, acknowledged, status};
use super::stub::{Reply, Stub, framed};
use super::wire::{bytes, message, number};
use super::{ADYEN, DISPUTE, account, prism};
use crate::providers::Answer;
use crate::providers::http::BODY_BYTES_MAX;

async fn accepted(reply: Reply) -> Called {
    let stub = Stub::answering([reply]).await;
    accept(&prism("stub"), &account(ADYEN, &stub.address)).await
}

/// What says yes, whole.
fn yes() -> Vec<u8> {
    message(&[bytes(1, DISPUTE), number(2, 3), number(5, 200), bytes(7, DISPUTE)])
}

const WELL: (&str, &str) = ("grpc-status", "0");

fn trailers(all: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    all.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

async fn is_unknown(reply: Reply, what: &str) {
    let (answer, logs) = accepted(reply).await;
    assert!(matches!(answer, Answer::Unknown { .. }), "{what}: {answer:?}");
    assert_eq!(logs.len(), 1, "{what}: nothing is repeated");
}

#[tokio::test]
async fn a_message_that_is_cut_says_yes_only_where_the_yes_is_whole() {
    let whole = yes();
    let id_and_status = 2 + DISPUTE.len() + 2;
    for length in 0..=whole.len() {
        let (answer, _) = accepted(Reply::Message(whole[..length].to_vec())).await;
        // Cut between two fields it is a message that says less, and still says who and what.
        let between = [id_and_status, id_and_status + 3, whole.len()].contains(&length);
        match between {
            true => assert!(acknowledged(&answer), "{length} bytes: {answer:?}"),
            false => assert!(matches!(answer, Answer::Unknown { .. }), "{length} bytes: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn fields_of_the_wrong_type_are_no_answer() {
    for (fields, what) in [
        (vec![number(1, 7), number(2, 3)], "a number for the id"),
        (vec![bytes(1, DISPUTE), bytes(2, "ACCEPTED")], "words for the status"),
        (vec![bytes(1, b"\xff\xfe\xfd"), number(2, 3)], "an id that is no text"),
        (vec![bytes(1, DISPUTE), number(2, 3), number(4, 1)], "a number for the error"),
        (vec![bytes(1, DISPUTE), number(2, 3), bytes(4, b"\xff")], "an error that is none"),
        (vec![bytes(1, DISPUTE), number(2, u64::MAX)], "a status below nothing"),
        (vec![bytes(1, DISPUTE), number(2, 3 << 32)], "a status beyond its bits"),
        (vec![bytes(1, DISPUTE), number(2, 3), vec![0xfb, 0x01]], "a group that never ends"),
        (vec![bytes(1, DISPUTE), number(2, 3), number(2, 7)], "two statuses"),
    ] {
        is_unknown(Reply::Message(message(&fields)), what).await;
    }
}

#[tokio::test]
async fn a_frame_that_lies_is_no_answer() {
    let (well, yes) = (trailers(&[WELL]), framed(&yes()));
    let mut compressed = yes.clone();
    compressed[0] = 1;
    let mut longer = yes.clone();
    longer[4] += 1;
    let mut endless = yes.clone();
    endless[1..5].copy_from_slice(&u32::MAX.to_be_bytes());
    let huge =
        framed(&[message(&[bytes(1, DISPUTE), number(2, 3)]), bytes(6, vec![b'x'; BODY_BYTES_MAX])].concat());
    for (frame, what) in [
        (Vec::new(), "no frame"),
        (yes[..3].to_vec(), "half a head"),
        (compressed, "compressed, it says"),
        (longer, "longer, it says"),
        (endless, "4 GiB, it says"),
        (huge, "more than is read"),
        ([yes.clone(), yes.clone()].concat(), "the same twice"),
        ([yes.clone(), framed(&status(7))].concat(), "a yes, and then a no"),
    ] {
        is_unknown(Reply::Bytes(frame, well.clone()), what).await;
    }
}

#[tokio::test]
async fn a_status_that_is_none_is_no_status() {
    let frame = framed(&yes());
    for all in [
        &[][..],
        &[("grpc-status", "")],
        &[("grpc-status", "zero")],
        &[("grpc-status", "-1")],
        &[("grpc-status", "00")],
        &[("grpc-status", "99")],
        &[("grpc-message", "fine")],
    ] {
        is_unknown(Reply::Bytes(frame.clone(), trailers(all)), &format!("{all:?}")).await;
    }
}

/// INVALID_ARGUMENT is a no where nothing stands beside it. What stands there and cannot be read may say that the
/// connector was asked.
#[tokio::test]
async fn details_that_cannot_be_read_leave_the_call_unknown() {
    let huge = "A".repeat(8 << 10);
    for garbage in ["!!!", "====", "AAAA", "/////w", "CgVh", huge.as_str()] {
        let all = [("grpc-status", "3"), ("grpc-message", "no"), ("grpc-status-details-bin", garbage)];
        is_unknown(Reply::Bytes(Vec::new(), trailers(&all)), garbage).await;
    }
}

const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// The server goes away: it has taken streams up to `last`.
fn go_away(last: u32) -> Vec<u8> {
    [b"\0\0\x08\x07\0\0\0\0\0", &last.to_be_bytes()[..], &[0; 4]].concat()
}

/// Greets, waits until the request was sent, says goodbye and hangs up.
async fn leaving(goodbye: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let goodbye = goodbye.clone();
            tokio::spawn(async move {
                _ = socket.write_all(SETTINGS).await;
                let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
                // The message names the dispute, in the clear.
                while !seen.windows(DISPUTE.len()).any(|part| part == DISPUTE.as_bytes()) {
                    match socket.read(&mut chunk).await {
                        Ok(n) if n > 0 => seen.extend_from_slice(&chunk[..n]),
                        Ok(_) | Err(_) => return,
                    }
                }
                _ = socket.write_all(&goodbye).await;
                _ = socket.shutdown().await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_server_that_leaves_in_the_middle_of_a_call_may_have_taken_it() {
    for (goodbye, what) in [
        (go_away(1), "it has taken the call"),
        (go_away(0), "it says that it has not"),
        (go_away(0x7fff_ffff), "it says nothing of which"),
        (Vec::new(), "without a word"),
    ] {
        let address = leaving(goodbye).await;
        let (answer, logs) = accept(&prism("stub"), &account(ADYEN, &address)).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{what}: {answer:?}");
        assert_eq!(logs.len(), 1, "{what}");
    }
    let stub = Stub::answering([Reply::Message(status(3))]).await;
    assert!(acknowledged(&accept(&prism("stub"), &account(ADYEN, &stub.address)).await.0));
}
