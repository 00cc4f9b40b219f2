// SPDX-License-Identifier: Apache-2.0
//! The socket: the same answers as in-process, connections kept open, large bodies both ways, an orderly end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod caller;

use caller::Caller;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Sends a request and reads its answer: status, head and body.
    async fn send(&mut self, head: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        let stream = self.0.get_mut();
        stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).await.unwrap(), 0, "closed after: {head}");
        }
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = Vec::new();
        if let Some((_, rest)) = head.split_once("content-length: ") {
            body.resize(rest.split('\r').next().unwrap().parse().unwrap(), 0);
            self.0.read_exact(&mut body).await.unwrap();
        } else if head.contains("transfer-encoding: chunked") {
            loop {
                let mut size = String::new();
                self.0.read_line(&mut size).await.unwrap();
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                let mut chunk = vec![0; size + 2];
                self.0.read_exact(&mut chunk).await.unwrap();
                if size == 0 {
                    break;
                }
                body.extend_from_slice(&chunk[..size]);
            }
        }
        (status, head, body)
    }
}

struct Running {
    caller: Caller,
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn run() -> Running {
    let caller = Caller::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let emulator = caller.emulator.clone();
    let served = tokio::spawn(async move {
        let until = async move {
            let _ = stopped.await;
        };
        emulator.serve(listener, until).await
    });
    Running { caller, address, stop, served }
}

impl Running {
    async fn connect(&self) -> Connection {
        Connection(BufReader::new(TcpStream::connect(self.address).await.unwrap()))
    }

    fn head(&self, method: &str, path: &str, more: &str) -> String {
        let (address, token) = (self.address, &self.caller.token);
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}{more}")
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_urls_name_its_address() {
    let running = run().await;
    let mut connection = running.connect().await;
    for _ in 0..3 {
        let (status, head, body) = connection.send(&running.head("GET", "/services/data/v67.0/", ""), b"").await;
        assert_eq!(status, 200, "{head}");
        assert!(head.contains("sforce-limit-info: api-usage="), "{head}");
        let map: Value = serde_json::from_slice(&body).unwrap();
        assert!(map["identity"].as_str().unwrap().starts_with(&format!("http://{}/id/", running.address)));
    }
    running.stop.send(()).unwrap();
    running.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn large_bodies_go_both_ways() {
    // 2.9: 1 MB of base64 in JSON, sent in chunks as Node does, and read back as bytes.
    use base64::Engine as _;
    let running = run().await;
    let mut connection = running.connect().await;
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let body = json!({
        "Title": "big", "PathOnClient": "big.bin",
        "VersionData": base64::engine::general_purpose::STANDARD.encode(&bytes),
    });
    let mut chunked = Vec::new();
    for chunk in body.to_string().as_bytes().chunks(60_000) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let more = "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
    let path = "/services/data/v67.0/sobjects/ContentVersion";
    let (status, _, answer) = connection.send(&running.head("POST", path, more), &chunked).await;
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
    let id = serde_json::from_slice::<Value>(&answer).unwrap()["id"].as_str().unwrap().to_owned();
    let (status, _, back) = connection.send(&running.head("GET", &format!("{path}/{id}/VersionData"), ""), b"").await;
    assert_eq!(status, 200);
    assert!(back == bytes, "{} bytes came back", back.len());
    running.stop.send(()).unwrap();
    running.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn stopping_lets_idle_connections_go() {
    let running = run().await;
    let mut connection = running.connect().await;
    connection.send(&running.head("GET", "/services/data", ""), b"").await;
    running.stop.send(()).unwrap();
    running.served.await.unwrap().unwrap();
    assert_eq!(connection.0.read(&mut [0]).await.unwrap(), 0, "the idle connection was closed");
    assert!(TcpStream::connect(running.address).await.is_err());
}
