// SPDX-License-Identifier: Apache-2.0
//! Files against an emulated org. Each case names the section of `salesforce-api.md` on which it stands.

use std::sync::Arc;

use crate::emulated::{accounts, emulated, names, row, table};
use futures::StreamExt;
use orgkeep_salesforce::{Body, Kind};
use serde_json::json;

/// 2.9, 6.8: a file is streamed up and down, and has its document, size and checksum.
#[tokio::test(start_paused = true)]
async fn a_file_goes_up_and_comes_back() {
    let writer = emulated().writer().await;
    let chunk: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let whole: Vec<u8> = chunk.iter().copied().cycle().take(3_000_000).collect();
    let body = Body::Stream(Arc::new(move || {
        let chunks: Vec<_> = (0..30).map(|_| Ok(bytes::Bytes::from(chunk.clone()))).collect();
        futures::stream::iter(chunks).boxed()
    }));
    let fields = row(json!({"PathOnClient": "größe \"1\".bin", "Title": "größe"}));
    let id = writer
        .create_with_blob("ContentVersion", &fields, "VersionData", "größe \"1\".bin", 3_000_000, body)
        .await
        .unwrap();
    assert!(id.starts_with("068"), "{id}");
    let blob = writer.org().blob("ContentVersion", &id, "VersionData").await.unwrap();
    assert_eq!(blob.collect().await.unwrap(), whole);
    let columns = names(&["Title", "ContentSize", "FileExtension", "IsLatest", "VersionNumber"]);
    let rows = writer.org().retrieve("ContentVersion", std::slice::from_ref(&id), &columns).await.unwrap();
    assert_eq!(table(&rows), [["größe", "3000000", "bin", "true", "1"]]);
}

/// 6.8: the next version names the document of the first.
#[tokio::test(start_paused = true)]
async fn versions_follow_each_other() {
    let writer = emulated().writer().await;
    let fields = row(json!({"PathOnClient": "a.txt"}));
    let create = |fields| {
        let writer = &writer;
        async move {
            writer
                .create_with_blob("ContentVersion", &fields, "VersionData", "a.txt", 2, Body::Bytes("v1".into()))
                .await
                .unwrap()
        }
    };
    let first = create(fields.clone()).await;
    let document = writer.org().retrieve("ContentVersion", &[first], &names(&["ContentDocumentId"])).await.unwrap();
    let document = document.cell(0, 0).unwrap().to_owned();
    assert!(document.starts_with("069"));
    let mut fields = fields;
    fields.insert("ContentDocumentId".to_owned(), document.clone().into());
    let second = create(fields).await;
    let rows = writer
        .org()
        .retrieve("ContentVersion", &[second], &names(&["ContentDocumentId", "VersionNumber"]))
        .await
        .unwrap();
    assert_eq!(table(&rows), [[document.as_str(), "2"]]);
}

/// 2.9: attachments, also empty ones.
#[tokio::test(start_paused = true)]
async fn attachments_go_up_and_come_back() {
    let writer = emulated().writer().await;
    let ids = accounts(&writer, "Attachment", 1).await;
    for content in ["", "hello\r\n--not a boundary--\r\n"] {
        let fields = row(json!({"ParentId": ids[0], "Name": "a.txt"}));
        let body = Body::Bytes(content.into());
        let id =
            writer.create_with_blob("Attachment", &fields, "Body", "a.txt", content.len() as u64, body).await.unwrap();
        assert!(id.starts_with("00P"));
        let blob = writer.org().blob("Attachment", &id, "Body").await.unwrap();
        assert_eq!(blob.collect().await.unwrap(), content.as_bytes());
    }
}

/// 2.1, 2.9: what is not there is NotFound, and a missing field of the record is the org's refusal.
#[tokio::test(start_paused = true)]
async fn mistakes_are_told() {
    let writer = emulated().writer().await;
    let error = writer.org().blob("ContentVersion", "068000000000000AAA", "VersionData").await.err().unwrap();
    assert_eq!(error.kind, Kind::NotFound, "{error}");
    let body = Body::Bytes("x".into());
    let error =
        writer.create_with_blob("Attachment", &row(json!({"Name": "a"})), "Body", "a", 1, body).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (Kind::Invalid, false), "{error}");
}
