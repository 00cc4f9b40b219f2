// SPDX-License-Identifier: Apache-2.0
//! Large files: an upload and a download need memory for a piece, whatever the size; files of any size can be had for nothing.
//! A program of its own, because the memory that it measures is that of the process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "it/client.rs"]
#[allow(dead_code, reason = "the other program uses all of it")]
mod client;

use axum::body::Body;
use client::{Client, settings};
use futures::StreamExt as _;
use http::Request;
use md5::Digest as _;
use orgkeep_emulator::Settings;
use serde_json::json;

/// Memory is that of the process, so its tests take turns.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
const PIECE: usize = 64 * 1024;
const MIB: u64 = 1024 * 1024;

fn piece(number: u64) -> Vec<u8> {
    let mut piece = vec![u8::try_from(number % 251).unwrap(); PIECE];
    piece[..8].copy_from_slice(&number.to_le_bytes());
    piece
}

/// The most memory that the process ever had, in bytes. None where the system does not say.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// A form with a version's body of so many pieces, made while it is sent; and the MD5 of the body.
fn upload(pieces: u64) -> (Body, String) {
    let mut digest = md5::Md5::new();
    (0..pieces).for_each(|number| digest.update(piece(number)));
    let sum: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let json = json!({"PathOnClient": "large.bin"});
    let head = format!(
        "--xyz\r\nContent-Disposition: form-data; name=\"entity_content\"\r\nContent-Type: application/json\r\n\r\n{json}\r\n--xyz\r\n\
         Content-Disposition: form-data; name=\"VersionData\"; filename=\"large.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    let parts = std::iter::once(head.into_bytes()).chain((0..pieces).map(piece)).chain([b"\r\n--xyz--\r\n".to_vec()]);
    (Body::from_stream(futures::stream::iter(parts.map(Ok::<_, std::io::Error>))), sum)
}

/// Reads a body to its end and keeps nothing of it: length and MD5.
async fn download(client: &Client, path: &str) -> (u64, String, String) {
    let request = Request::get(format!("{}{path}", client.base))
        .header("host", "large.my.salesforce.test")
        .header("authorization", format!("Bearer {}", client.token));
    let answer = client.emulator.handle(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status(), 200);
    let told = answer.headers()["content-length"].to_str().unwrap().to_owned();
    let (mut digest, mut length) = (md5::Md5::new(), 0);
    let mut stream = answer.into_body().into_data_stream();
    while let Some(bytes) = stream.next().await {
        let bytes = bytes.unwrap();
        length += bytes.len() as u64;
        digest.update(&bytes);
    }
    (length, digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), told)
}

#[tokio::test]
async fn a_large_file_needs_memory_for_a_piece_of_it() {
    let _turn = TURN.lock().await;
    let folder = tempfile::tempdir().unwrap();
    for store in [None, Some(folder.path().join("org.sqlite"))] {
        let client = Client::with(Settings { store, ..settings() });
        let bytes = 176 * MIB;
        let before = peak_bytes();
        let (body, sum) = upload(bytes / PIECE as u64);
        let reply = client.send("POST", "/sobjects/ContentVersion", "multipart/form-data; boundary=xyz", body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let id = reply.json()["id"].as_str().unwrap().to_owned();
        let row = client.get(&format!("/sobjects/ContentVersion/{id}?fields=ContentSize,Checksum")).await.json();
        assert_eq!((&row["ContentSize"], &row["Checksum"]), (&json!(bytes), &json!(sum)));
        let (length, read, told) = download(&client, &format!("/sobjects/ContentVersion/{id}/VersionData")).await;
        assert_eq!((length, read, told), (bytes, sum, bytes.to_string()));
        if let (Some(before), Some(after)) = (before, peak_bytes()) {
            let grown = after.saturating_sub(before) / MIB;
            // SQLite's page cache takes up to 64 MiB of it.
            assert!(grown < 110, "{grown} MiB more for a file of {} MiB", bytes / MIB);
        }
        // Its pieces go with it.
        let document =
            client.query("SELECT ContentDocumentId FROM ContentVersion").await[0]["ContentDocumentId"].clone();
        let path = format!("/sobjects/ContentDocument/{}", document.as_str().unwrap());
        assert_eq!(client.send("DELETE", &path, "application/json", "").await.status, 204);
        assert!(client.emulator.orgs()[0].purge_recycle_bin(i64::MAX) > 0);
        let left = client.emulator.orgs()[0]
            .read(|tx| tx.conn.query_row("SELECT COUNT(*) FROM _piece", [], |row| row.get::<_, i64>(0)).unwrap());
        assert_eq!(left, 0);
    }
}

#[tokio::test]
async fn files_of_any_size_are_made_when_they_are_read() {
    let _turn = TURN.lock().await;
    let client = Client::with(Settings {
        files: vec![orgkeep_emulator::world::Files { count: 1, bytes: 20 * MIB + 5, seed: 3 }],
        ..settings()
    });
    let order = json!({"count": 700, "bytes": 1_000}).to_string();
    let made = Request::post("/_emulator/files").header("host", "127.0.0.1");
    let reply = client.answer(made.body(order.into()).unwrap()).await;
    assert_eq!((reply.status, reply.json()["ids"].as_array().unwrap().len()), (200, 700));
    let rows =
        client.query("SELECT Id, ContentSize, Checksum FROM ContentVersion ORDER BY ContentSize DESC LIMIT 3").await;
    assert_eq!(rows[0]["ContentSize"], json!(20 * MIB + 5));
    assert_ne!(rows[1]["Checksum"], rows[2]["Checksum"]);
    for row in &rows {
        let path = format!("/sobjects/ContentVersion/{}/VersionData", row["Id"].as_str().unwrap());
        let (length, sum, _) = download(&client, &path).await;
        assert_eq!((json!(length), json!(sum)), (row["ContentSize"].clone(), row["Checksum"].clone()));
    }
    assert_eq!(client.count("ContentDocument").await, 701);
}
