// SPDX-License-Identifier: Apache-2.0
//! Files and attachments (`salesforce-api.md` 6.8).

use crate::desk::{Desk, Find as _, text};
use orgkeep_emulator::record::Input;
use orgkeep_emulator::value::Value;

fn version(desk: &Desk, document: Option<&str>, body: &[u8]) -> String {
    let mut fields = vec![("PathOnClient", text("plans/Bridge.PDF")), ("VersionData", Input::Bytes(body.to_vec()))];
    if let Some(document) = document {
        fields.push(("ContentDocumentId", text(document)));
    }
    desk.insert("ContentVersion", &fields).expect("a version is saved")
}

#[test]
fn a_first_version_makes_its_document_and_the_owners_link() {
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "A")]);
    let id = desk
        .insert(
            "ContentVersion",
            &[
                ("PathOnClient", text("Bridge.PDF")),
                ("VersionData", Input::Bytes(b"hello".to_vec())),
                ("FirstPublishLocationId", text(&account)),
            ],
        )
        .expect("saved");
    let Value::Text(document) = desk.get(&id, "ContentDocumentId") else { panic!("no document") };
    for (field, value) in [
        ("Title", Value::from("Bridge")),
        ("FileExtension", Value::from("pdf")),
        ("FileType", Value::from("PDF")),
        ("ContentSize", Value::Int(5)),
        ("Checksum", Value::from("5d41402abc4b2a76b9719d911017c592")),
        ("VersionNumber", Value::from("1")),
        ("IsLatest", Value::Bool(true)),
    ] {
        assert_eq!(desk.get(&id, field), value, "{field}");
    }
    assert_eq!(desk.get(&document, "LatestPublishedVersionId"), Value::Text(id));
    assert_eq!(desk.get(&document, "ContentSize"), Value::Int(5));
    let links = desk.org.rows("ContentDocumentLink");
    let linked: Vec<&str> = links.iter().filter_map(|link| link["LinkedEntityId"].as_str()).collect();
    assert_eq!(linked, [&desk.caller.user_id, &account]);
    let again = desk.refused("ContentDocumentLink", &[("ContentDocumentId", &document), ("LinkedEntityId", &account)]);
    assert_eq!(again.0, "DUPLICATE_VALUE");
}

#[test]
fn a_later_version_becomes_the_latest() {
    let desk = Desk::new();
    let first = version(&desk, None, b"one");
    let Value::Text(document) = desk.get(&first, "ContentDocumentId") else { panic!("no document") };
    let second = version(&desk, Some(&document), b"two!");
    assert_eq!(desk.get(&second, "VersionNumber"), Value::from("2"));
    assert!(!desk.get(&first, "IsLatest").is_true() && desk.get(&second, "IsLatest").is_true());
    assert_eq!(desk.get(&document, "LatestPublishedVersionId"), Value::Text(second.clone()));
    assert_eq!(desk.get(&document, "ContentSize"), Value::Int(4));
    assert_eq!(desk.count("ContentDocumentLink"), 1);
    let error = desk.update("ContentVersion", &second, &[("ContentDocumentId", &document)]).expect_err("create only");
    assert_eq!(error.code, "INVALID_FIELD_FOR_INSERT_UPDATE");
}

#[test]
fn a_document_falls_and_rises_with_versions_and_links_and_keeps_its_bytes() {
    let desk = Desk::new();
    let id = version(&desk, None, b"");
    let Value::Text(document) = desk.get(&id, "ContentDocumentId") else { panic!("no document") };
    assert_eq!(desk.refused("ContentDocument", &[("Title", "T")]).0, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY");
    assert_eq!(desk.delete(&id).expect_err("only documents are deleted").code, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY");
    let link = desk.org.id_of("ContentDocumentLink", "ContentDocumentId", &document);
    desk.delete(&document).expect("deleted");
    assert!(desk.is_deleted(&id) && desk.is_deleted(&link));
    desk.undelete(&document).expect("back");
    assert!(!desk.is_deleted(&id) && !desk.is_deleted(&link));
    let body = desk.org.read(|tx| tx.blob(tx.schema.object("ContentVersion").expect("there"), &id, "versiondata"));
    assert_eq!(body, Some(Vec::new()));
}

#[test]
fn an_attachment_needs_parent_name_and_body() {
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "A")]);
    let (code, _, fields) = desk.refused("Attachment", &[("Name", "a.txt")]);
    assert_eq!((code.as_str(), fields), ("REQUIRED_FIELD_MISSING", vec!["ParentId".to_owned(), "Body".to_owned()]));
    let id = desk.make("Attachment", &[("Name", "a.txt"), ("ParentId", &account), ("Body", "aGVsbG8=")]);
    assert_eq!(desk.get(&id, "BodyLength"), Value::Int(5));
    let body = desk.org.read(|tx| tx.blob(tx.schema.object("Attachment").expect("there"), &id, "Body"));
    assert_eq!(body.as_deref(), Some(&b"hello"[..]));
    assert_eq!(desk.get(&id, "Body"), Value::Null, "the bytes are kept beside the row");
}
