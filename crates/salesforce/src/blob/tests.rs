// SPDX-License-Identifier: Apache-2.0
use http::StatusCode;
use serde_json::json as value;

use crate::script::{Answer, connected, headers, json};
use crate::{Body, Kind, Writer};

const LINE: &str = "GET /services/data/v67.0/sobjects/ContentVersion/068000000000001AAA/VersionData";

fn whole(body: &'static [u8]) -> Answer {
    let headers = headers([("content-length", &body.len().to_string()), ("content-type", "image/png")]);
    Answer::Reply(StatusCode::OK, headers, body.into())
}

fn cut(announced: &str, body: &'static [u8]) -> Answer {
    Answer::Cut(headers([("content-length", announced), ("content-type", "image/png")]), body.into())
}

#[tokio::test(start_paused = true)]
async fn a_body_cut_in_the_middle_arrives_whole() {
    let (org, script) = connected(vec![
        (LINE, cut("26", b"abcdefghijk")),
        (LINE, cut("26", b"abc")),
        (LINE, whole(b"abcdefghijklmnopqrstuvwxyz")),
    ])
    .await;
    let blob = org.blob("ContentVersion", "068000000000001AAA", "VersionData").await.unwrap();
    assert_eq!((blob.length, blob.content_type.as_deref()), (Some(26), Some("image/png")));
    assert_eq!(blob.collect().await.unwrap(), b"abcdefghijklmnopqrstuvwxyz");
    assert!(script.seen()[2].headers.get("accept-encoding").is_none());
    assert_eq!(org.usage().calls["blob"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_early_without_saying_so_is_read_again() {
    let short = Answer::Reply(StatusCode::OK, headers([("content-length", "5")]), "abc".into());
    let (org, _) = connected(vec![(LINE, short), (LINE, whole(b"abcde"))]).await;
    let blob = org.blob("ContentVersion", "068000000000001AAA", "VersionData").await.unwrap();
    assert_eq!(blob.collect().await.unwrap(), b"abcde");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_changes_meanwhile_is_not_mixed() {
    let (org, _) = connected(vec![(LINE, cut("5", b"abc")), (LINE, whole(b"abcdef"))]).await;
    let blob = org.blob("ContentVersion", "068000000000001AAA", "VersionData").await.unwrap();
    assert_eq!(blob.collect().await.unwrap_err().kind, Kind::Busy);
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_no_cut() {
    let (org, _) = connected(vec![(LINE, whole(b""))]).await;
    let blob = org.blob("ContentVersion", "068000000000001AAA", "VersionData").await.unwrap();
    assert!(blob.collect().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_file_is_sent_as_two_parts_of_announced_length() {
    let line = "POST /services/data/v67.0/sobjects/ContentVersion";
    let (org, script) = connected(vec![
        (line, json(r#"{"id":"068000000000001AAA","success":true,"errors":[]}"#)),
        (line, Answer::Lost),
    ])
    .await;
    let writer = Writer::new(org);
    let fields = value!({"PathOnClient": "a \"b\".txt"}).as_object().unwrap().clone();
    let create = || {
        writer.create_with_blob("ContentVersion", &fields, "VersionData", "a \"b\".txt", 5, Body::Bytes("hello".into()))
    };
    assert_eq!(create().await.unwrap(), "068000000000001AAA");
    let seen = &script.seen()[2];
    assert_eq!(seen.headers["content-length"], seen.body.len().to_string());
    let content_type = seen.headers["content-type"].to_str().unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=\"").unwrap().trim_end_matches('"');
    assert_eq!(
        seen.body,
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"entity_record\"\r\nContent-Type: application/json\r\n\r\n\
             {{\"PathOnClient\":\"a \\\"b\\\".txt\"}}\r\n--{boundary}\r\n\
             Content-Disposition: form-data; name=\"VersionData\"; filename=\"a %22b%22.txt\"\r\n\
             Content-Type: application/octet-stream\r\n\r\nhello\r\n--{boundary}--\r\n"
        )
    );
    assert!(create().await.unwrap_err().sent);
}
