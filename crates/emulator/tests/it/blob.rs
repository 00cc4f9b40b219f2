// SPDX-License-Identifier: Apache-2.0
//! File bodies (`salesforce-api.md` 2.9).

use crate::client::Client;
use axum::body::Body;
use serde_json::json;

fn part(name: &str, filename: Option<&str>, content_type: &str, body: &[u8]) -> Vec<u8> {
    let filename = filename.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
    let head = format!(
        "--xyz\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\nContent-Type: {content_type}\r\n\r\n"
    );
    [head.as_bytes(), body, b"\r\n"].concat()
}

fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [&parts.concat()[..], b"--xyz--\r\n"].concat()
}

const FORM: &str = "multipart/form-data; boundary=\"xyz\"";

#[tokio::test(start_paused = true)]
async fn a_version_is_uploaded_in_a_form_and_read_back() {
    let client = Client::new();
    let body: Vec<u8> = (0..300_000_u32).map(|number| u8::try_from(number * 7 % 256).unwrap()).collect();
    let json = json!({"Title": "Plan", "PathOnClient": "plan.bin"}).to_string();
    // The documentation sends the JSON first, jsforce last and under the object's name.
    let documented = form(&[
        part("entity_content", None, "application/json", json.as_bytes()),
        part("VersionData", Some("plan.bin"), "application/octet-stream", &body),
    ]);
    let jsforce = form(&[
        part("VersionData", Some("plan.bin"), "application/octet-stream", &body),
        part("ContentVersion", None, "application/json", json.as_bytes()),
    ]);
    for upload in [documented, jsforce] {
        let pieces: Vec<_> = upload.chunks(1000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
        let reply = client
            .send("POST", "/sobjects/ContentVersion", FORM, Body::from_stream(futures::stream::iter(pieces)))
            .await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let created = reply.json();
        assert_eq!((&created["success"], &created["errors"]), (&json!(true), &json!([])));
        let id = created["id"].as_str().unwrap();
        assert!(id.starts_with("068"));
        let read = client.get(&format!("/sobjects/ContentVersion/{id}/versiondata")).await;
        assert_eq!((read.status, read.header("content-type")), (200, "application/octetstream"));
        assert_eq!(read.body, body);
        let row = client
            .get(&format!("/sobjects/ContentVersion/{id}?fields=VersionData,ContentSize,FileExtension"))
            .await
            .json();
        assert_eq!(row["VersionData"], format!("{}/sobjects/ContentVersion/{id}/VersionData", client.base));
        assert_eq!((&row["ContentSize"], &row["FileExtension"]), (&json!(300_000), &json!("bin")));
    }
}

#[tokio::test(start_paused = true)]
async fn an_attachment_is_changed_by_a_form() {
    let client = Client::new();
    let parent = client.create("Account", &json!({"Name": "A"})).await;
    let attachment = json!({"Name": "a.txt", "ParentId": parent, "Body": "aGVsbG8="});
    let id = client.create("Attachment", &attachment).await;
    let path = format!("/sobjects/Attachment/{id}");
    assert_eq!(client.get(&format!("{path}/Body")).await.text(), "hello");
    let change = form(&[
        part("entity_attachment", None, "application/json", b"{\"Name\":\"b.txt\"}"),
        part("Body", Some("b.txt"), "text/plain", b""),
    ]);
    let reply = client.send("PATCH", &path, FORM, change).await;
    assert_eq!((reply.status, reply.text()), (204, ""));
    assert_eq!(client.get(&format!("{path}/Body")).await.text(), "", "an empty file is a file");
    assert_eq!(client.get(&format!("{path}?fields=Name,BodyLength")).await.json()["BodyLength"], 0);
    client.send("DELETE", &path, "", "").await;
    assert_eq!(client.get(&format!("{path}/Body")).await.refusal().1, "ENTITY_IS_DELETED");
}

#[tokio::test(start_paused = true)]
async fn forms_that_are_none_are_refused() {
    let client = Client::new();
    let json = part("entity", None, "application/json", b"{\"PathOnClient\":\"a\"}");
    let file = part("VersionData", Some("a"), "application/octet-stream", b"x");
    let forms = [
        form(std::slice::from_ref(&json)),
        form(std::slice::from_ref(&file)),
        form(&[json.clone(), part("VersionData", None, "application/octet-stream", b"x")]),
        form(&[json.clone(), part("Elsewhere", Some("a"), "application/octet-stream", b"x")]),
        [json, file].concat(),
    ];
    for upload in forms {
        let reply = client.send("POST", "/sobjects/ContentVersion", FORM, upload).await;
        let (status, code, text) = reply.refusal();
        assert_eq!((status, code.as_str()), (400, "INVALID_MULTIPART_REQUEST"), "{text}");
    }
    assert_eq!(client.count("ContentVersion").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_collection_carries_files_in_parts() {
    let client = Client::new();
    let record = |part: &str| {
        json!({"attributes": {"type": "ContentVersion", "binaryPartName": part, "binaryPartNameAlias": "VersionData"},
            "PathOnClient": format!("{part}.txt")})
    };
    let upload = form(&[
        part(
            "collection",
            None,
            "application/json",
            json!({"records": [record("one"), record("two")]}).to_string().as_bytes(),
        ),
        part("two", Some("two.txt"), "text/plain", b"2"),
        part("one", Some("one.txt"), "text/plain", b"1"),
    ]);
    let rows = client.send("POST", "/composite/sobjects", FORM, upload).await.json();
    for (row, text) in [(&rows[0], "1"), (&rows[1], "2")] {
        let id = row["id"].as_str().unwrap_or_else(|| panic!("{rows}"));
        assert_eq!(client.get(&format!("/sobjects/ContentVersion/{id}/VersionData")).await.text(), text);
    }
}
