// SPDX-License-Identifier: Apache-2.0
//! The transport over a real socket: what it sends, and what it makes of connections that fail.

use futures::{StreamExt, TryStreamExt};
use http::{HeaderMap, Method};
use orgkeep_salesforce::{Body, Http, Request, Response, SendError, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

/// Answers one request with these bytes and closes; gives what it received.
async fn serve(answer: &'static str) -> (Url, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/path?q=1", listener.local_addr().unwrap())).unwrap();
    let task = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        while !complete(&received) {
            let mut buffer = [0; 4096];
            let read = socket.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the request ended early");
            received.extend_from_slice(&buffer[..read]);
        }
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(received).unwrap()
    });
    (url, task)
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    match text.split_once("\r\n\r\n") {
        None => false,
        Some((head, body)) if head.contains("transfer-encoding: chunked") => body.ends_with("0\r\n\r\n"),
        Some((head, body)) => {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            body.len() >= length.map_or(0, |length| length.parse().unwrap())
        }
    }
}

async fn send(url: Url, body: Body) -> Result<Response, SendError> {
    let headers = HeaderMap::from_iter([(http::header::ACCEPT_ENCODING, "gzip".parse().unwrap())]);
    Http::new().unwrap().send(Request { method: Method::POST, url, headers, body }).await
}

#[tokio::test]
async fn a_streamed_body_is_sent_without_length_and_answers_stay_as_they_are() {
    let (url, server) =
        serve("HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc")
            .await;
    let body = Body::Stream(std::sync::Arc::new(|| futures::stream::iter([Ok("he".into()), Ok("llo".into())]).boxed()));
    let response = send(url, body).await.unwrap();
    assert_eq!(response.status, 302);
    assert_eq!(response.headers["content-encoding"], "gzip");
    let bytes: Vec<bytes::Bytes> = response.body.try_collect().await.unwrap();
    assert_eq!(bytes.concat(), b"abc");
    let request = server.await.unwrap();
    assert!(request.starts_with("POST /path?q=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("transfer-encoding: chunked") && request.contains("user-agent: orgkeep/"), "{request}");
}

#[tokio::test]
async fn a_refused_connection_surely_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let error = send(url, Body::Empty).await.unwrap_err();
    assert!(!error.sent());
    assert!(error.to_string().starts_with("127.0.0.1 cannot be reached: "), "{error}");
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_is_lost() {
    let (url, server) = serve("").await;
    let error = send(url, Body::Bytes("x".into())).await.unwrap_err();
    assert!(error.sent(), "{error}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_body_cut_in_the_middle_is_lost() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    ] {
        let (url, _server) = serve(answer).await;
        let response = send(url, Body::Empty).await.unwrap();
        let error = response.body.try_collect::<Vec<_>>().await.unwrap_err();
        assert!(error.sent(), "{error}");
    }
}
