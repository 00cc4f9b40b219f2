// SPDX-License-Identifier: Apache-2.0
//! The socket: the same answers as in-process, connections kept open, large bodies both ways, an orderly end.

use crate::caller::Caller;
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

mod tls {
    use std::sync::Arc;

    use orgkeep_emulator::Tls;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

    use super::*;

    /// A client that trusts nobody but this authority.
    fn connector(authority_pem: &str, alpn: &[&[u8]]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority_pem.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    async fn connect(connector: &TlsConnector, port: u16, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        connector.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
    }

    async fn ask(mut stream: TlsStream<TcpStream>, head: &str, body: &str) -> String {
        let head = format!("{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Some ends come without a close_notify, which matters to nobody after a whole answer.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn clients_that_insist_on_https_and_on_salesforces_names_are_served() {
        // salesforce-api.md 1.1: a local authority and the names of My Domain.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let tls = Tls::open(&file).unwrap();
        let authority = std::fs::read_to_string(&file).unwrap();
        assert_eq!(authority, tls.authority_pem());
        assert!(authority.starts_with("-----BEGIN CERTIFICATE-----"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let caller = Caller::new();
        let (stop, stopped) = oneshot::channel::<()>();
        let emulator = caller.emulator.clone();
        let served = tokio::spawn(async move {
            let until = async move {
                let _ = stopped.await;
            };
            emulator.serve_tls(listener, &tls, until).await
        });

        let trusting = connector(&authority, &[b"http/1.1"]);
        for name in [
            "localhost",
            "127.0.0.1",
            "::1",
            "login.salesforce.com",
            "test.salesforce.com",
            "acme.my.salesforce.com",
            "acme--dev.sandbox.my.salesforce.com",
            "acme.develop.my.salesforce.com",
            "api.pubsub.salesforce.com",
        ] {
            connect(&trusting, port, name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert!(connect(&trusting, port, "example.com").await.is_err(), "no other name");
        let other = connector(Tls::in_memory().unwrap().authority_pem(), &[]);
        assert!(connect(&other, port, "localhost").await.is_err(), "no other authority");
        let again = Tls::open(&file).unwrap();
        assert_eq!(again.authority_pem(), authority, "it is kept, so that it is trusted once");

        let credentials = &caller.credentials;
        let body = crate::caller::form(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", &credentials.refresh_token),
            ("client_id", &credentials.client_id),
            ("client_secret", &credentials.client_secret),
        ]);
        let stream = connect(&trusting, port, "login.salesforce.com").await.unwrap();
        let head = "POST /services/oauth2/token HTTP/1.1\r\nHost: login.salesforce.com\r\nContent-Type: application/x-www-form-urlencoded";
        let answer = ask(stream, head, &body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("\"instance_url\":\"https://orgkeep.develop.my.salesforce.com\""), "{answer}");
        let stream = connect(&trusting, port, "localhost").await.unwrap();
        let head = format!("GET /services/data HTTP/1.1\r\nHost: localhost:{port}");
        let answer = ask(stream, &head, "").await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 200") && !answer.contains("strict-transport-security"), "{answer}");
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn http_2_is_agreed_with_those_who_offer_it() {
        let tls = Tls::in_memory().unwrap();
        let connector = connector(tls.authority_pem(), &[b"h2", b"http/1.1"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let caller = Caller::new();
        let emulator = caller.emulator.clone();
        let served = tokio::spawn(async move { emulator.serve_tls(listener, &tls, std::future::pending()).await });
        let stream = connect(&connector, port, "localhost").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        let driven = tokio::spawn(connection);
        let request = http::Request::get(format!("https://localhost:{port}/services/data/v67.0/"))
            .header("authorization", format!("Bearer {}", caller.token))
            .body(())
            .unwrap();
        let (answer, _) = sender.send_request(request, true).unwrap();
        let mut answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut body = Vec::new();
        while let Some(piece) = answer.body_mut().data().await {
            body.extend_from_slice(&piece.unwrap());
        }
        let resources: Value = serde_json::from_slice(&body).unwrap();
        assert!(resources["identity"].as_str().unwrap().starts_with(&format!("https://localhost:{port}/id/")));
        // Clients of the Pub/Sub API know no other host.
        let topic = rpc::message("/data/AccountChangeEvent", None);
        let (answer, _) = rpc::call(&mut sender, "https://api.pubsub.salesforce.com:7443", &caller, "GetTopic", &topic);
        let (messages, status) = rpc::read(answer.await.unwrap()).await;
        assert_eq!(status, "0");
        assert!(String::from_utf8_lossy(&messages).contains(&format!("CORE/prod/{}", caller.credentials.org_id)));
        driven.abort();
        served.abort();
    }
}

/// Calls of the Pub/Sub API as they are on the wire: gRPC over HTTP/2.
mod rpc {
    use bytes::Bytes;
    use h2::client::{ResponseFuture, SendRequest};
    use h2::{RecvStream, SendStream};

    use super::Caller;

    /// A request that names a topic, and how many events it asks for.
    pub fn message(topic: &str, num_requested: Option<u8>) -> Vec<u8> {
        let mut message = vec![0x0a, u8::try_from(topic.len()).unwrap()];
        message.extend_from_slice(topic.as_bytes());
        // From the earliest event on.
        message.extend(num_requested.into_iter().flat_map(|number| [0x10, 1, 0x20, number]));
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], &length[..], &message].concat()
    }

    /// Sends a first message and leaves the client's side open.
    pub fn call(
        sender: &mut SendRequest<Bytes>,
        host: &str,
        caller: &Caller,
        method: &str,
        message: &[u8],
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let request = http::Request::post(format!("{host}/eventbus.v1.PubSub/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("accesstoken", &caller.token)
            .header("instanceurl", "https://orgkeep.develop.my.salesforce.com")
            .header("tenantid", &caller.credentials.org_id)
            .body(())
            .unwrap();
        let (answer, mut stream) = sender.send_request(request, false).unwrap();
        let is_unary = method != "Subscribe";
        stream.send_data(Bytes::copy_from_slice(message), is_unary).unwrap();
        (answer, stream)
    }

    /// What an answer says until it ends, and its status.
    pub async fn read(answer: http::Response<RecvStream>) -> (Vec<u8>, String) {
        let (head, mut body) = answer.into_parts();
        let mut messages = Vec::new();
        while let Some(piece) = body.data().await {
            let piece = piece.unwrap();
            body.flow_control().release_capacity(piece.len()).unwrap();
            messages.extend_from_slice(&piece);
        }
        let trailers = body.trailers().await.unwrap().unwrap_or(head.headers);
        (messages, trailers["grpc-status"].to_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_stream_of_events_goes_over_plain_http_2_and_ends_with_the_server() {
    let running = run().await;
    let host = format!("http://{}", running.address);
    let (mut sender, connection) =
        h2::client::handshake(TcpStream::connect(running.address).await.unwrap()).await.unwrap();
    let driven = tokio::spawn(connection);
    let first = rpc::message("/data/AccountChangeEvent", Some(10));
    let (answer, _asking) = rpc::call(&mut sender, &host, &running.caller, "Subscribe", &first);
    let mut answer = answer.await.unwrap();
    // Naming a topic lets changes be captured.
    let (topic, _) =
        rpc::call(&mut sender, &host, &running.caller, "GetTopic", &rpc::message("/data/AccountChangeEvent", None));
    assert_eq!(rpc::read(topic.await.unwrap()).await.1, "0");
    running.caller.create("Account", json!({"Name": "Over the wire"})).await;
    let event = answer.body_mut().data().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&event).contains("Over the wire"));
    running.stop.send(()).unwrap();
    let (_, status) = rpc::read(answer).await;
    assert_eq!(status, "14", "unavailable");
    running.served.await.unwrap().unwrap();
    driven.abort();
}

#[tokio::test]
async fn the_start_page_tells_how_to_get_in_and_what_there_is() {
    let caller = Caller::new();
    caller.create("Account", json!({"Name": "Acme"})).await;
    let page = caller.raw("GET", "/", &[("accept", "text/html,application/json;q=0.5")], "").await;
    let html = page.text();
    assert!(page.header("content-type").starts_with("text/html"));
    let credentials = &caller.credentials;
    for told in [
        &credentials.username,
        &credentials.password,
        &credentials.access_token,
        &credentials.client_id,
        &credentials.client_secret,
        &credentials.security_token,
        &"orgkeep.develop.my.salesforce.com".to_owned(),
        &"POST /services/data/v67.0/sobjects/Account".to_owned(),
    ] {
        assert!(html.contains(told.as_str()), "{told}");
    }
    assert!(!html.contains("<script") && !html.contains("src=") && !html.contains("<link"), "nothing from elsewhere");

    let told = async || caller.raw("GET", "/", &[("accept", "application/json")], "").await.expect(200);
    let overview = told().await;
    let org = &overview["orgs"][0];
    assert_eq!(
        (org["id"].as_str(), org["edition"].as_str()),
        (Some(credentials.org_id.as_str()), Some("Developer Edition"))
    );
    let accounts = |overview: &Value| {
        let objects = overview["orgs"][0]["objects"].as_array().unwrap();
        objects.iter().find(|one| one["object"] == "Account").map(|one| one["rows"].as_u64().unwrap())
    };
    assert_eq!(accounts(&overview), Some(1));
    assert_eq!((org["calls"]["rest"].as_u64(), org["requests"][0]["status"].as_u64()), (Some(1), Some(201)));
    assert_eq!(org["requests"][0]["username"], credentials.username.as_str());
    let former = org["users"].as_array().unwrap().iter().find(|user| user["name"] == "Fred Former").unwrap();
    assert_eq!(former["can_log_in"], false);
    assert!(org["apps"].as_array().unwrap().iter().any(|app| app["client_id"] == "PlatformCLI"));
    caller.create("Account", json!({"Name": "Beta"})).await;
    assert_eq!(accounts(&told().await), Some(2), "counts follow the rows");
}
