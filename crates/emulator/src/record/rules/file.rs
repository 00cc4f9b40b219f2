// SPDX-License-Identifier: Apache-2.0
//! Files (`salesforce-api.md` 6.8): the first version makes its document and the links of its owner and of the place it was
//! first published to; a later one names the document and becomes the latest.

use super::{create, together_unique};
use crate::error::SaveError;
use crate::record::audit;
use crate::record::draft::Draft;
use crate::store::{self, Tx};
use crate::user::Caller;
use crate::value::Value;

/// Number, size, checksum, type and title of a version, and its document.
pub fn version(tx: &mut Tx<'_>, caller: &Caller, draft: &mut Draft) -> Result<(), SaveError> {
    if !draft.is_new() {
        return Ok(());
    }
    let path = draft.text("PathOnClient").unwrap_or_default().to_owned();
    let file = path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let (stem, extension) = file.rsplit_once('.').unwrap_or((&file, ""));
    if !stem.is_empty() {
        draft.set_if_null("Title", stem.chars().take(255).collect::<String>());
    }
    draft.set_if_null("Title", "Untitled");
    if !extension.is_empty() {
        draft.set("FileExtension", extension.to_lowercase().chars().take(40).collect::<String>());
    }
    let link = draft.text("ContentUrl").is_some();
    draft.set("FileType", if link { "LINK".to_owned() } else { file_type(extension) });
    if link {
        draft.set("ContentLocation", "E");
        draft.set("Origin", "C");
    }
    if !link {
        let body = draft.blobs.first().map(|(_, body)| body);
        let (size, checksum) = body.map_or_else(|| (0, store::md5(&[])), |body| (body.length(), body.md5()));
        draft.set("ContentSize", size);
        draft.set("Checksum", checksum);
    }
    draft.set_if_null("ContentModifiedDate", audit::second(tx.now));
    draft.set_if_null("ContentModifiedById", caller.user_id.clone());
    draft.set("IsLatest", true);
    draft.set_if_null("PublishStatus", "R");
    draft.set_if_null("ContentBodyId", tx.next_id_of("05T"));
    for counter in ["RatingCount", "PositiveRatingCount", "NegativeRatingCount"] {
        draft.set_if_null(counter, 0);
    }
    join_document(tx, caller, draft)
}

/// The document this version belongs to: the one it names, or a new one.
fn join_document(tx: &mut Tx<'_>, caller: &Caller, draft: &mut Draft) -> Result<(), SaveError> {
    let Some(documents) = tx.schema.object("ContentDocument").cloned() else { return Ok(()) };
    if let Value::Text(id) = draft.get("ContentDocumentId").clone() {
        let row = tx.row(&documents, &id).ok_or_else(|| SaveError::invalid_cross_reference(&["ContentDocumentId"]))?;
        if row.is_deleted() {
            return Err(SaveError::entity_is_deleted());
        }
        let versions = tx.count("ContentVersion", "\"ContentDocumentId\" = ?1", &[&id]);
        draft.set("VersionNumber", (versions + 1).to_string());
        if !draft.given("OwnerId") {
            draft.set("OwnerId", row.get("OwnerId").clone());
        }
        return Ok(());
    }
    let owner = draft.get("OwnerId").clone();
    let mut fields =
        vec![("Title", draft.get("Title").clone()), ("OwnerId", owner), ("PublishStatus", Value::from("R"))];
    for field in ["Description", "FileType", "FileExtension", "ContentSize", "SharingOption", "SharingPrivacy"] {
        fields.push((field, draft.get(field).clone()));
    }
    for field in ["CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById"] {
        if draft.given(field) {
            let value = match draft.get(field) {
                Value::Int(ms) => Value::Text(crate::value::date_time_text(*ms, "Z")),
                other => other.clone(),
            };
            fields.push((field, value));
        }
    }
    let author = Caller { bypass: true, ..caller.clone() };
    if let Some(id) = create(tx, &author, "ContentDocument", fields)? {
        draft.set("ContentDocumentId", id);
    }
    draft.set("VersionNumber", "1");
    Ok(())
}

pub fn check_version(draft: &Draft) -> Result<(), SaveError> {
    let empty = draft.is_new() && draft.text("ContentUrl").is_none();
    if empty && draft.text("PathOnClient").is_none() {
        return Err(SaveError::required(vec!["PathOnClient".into()]));
    }
    if empty && draft.blobs.is_empty() && !draft.given("VersionData") {
        return Err(SaveError::required(vec!["VersionData".into()]));
    }
    Ok(())
}

/// Older versions are no longer the latest; the document shows the newest; a first version has its links.
pub fn after_version(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    let Value::Text(document) = draft.get("ContentDocumentId").clone() else { return Ok(()) };
    let Some(documents) = tx.schema.object("ContentDocument").cloned() else { return Ok(()) };
    let stamp = Value::Int(audit::second(tx.now));
    if draft.is_new() {
        tx.note("UPDATE \"ContentVersion\" SET \"IsLatest\" = 0 WHERE \"ContentDocumentId\" = ?1 AND \"Id\" <> ?2 AND \"IsLatest\" = 1", &[&document, &draft.id])?;
    }
    if draft.get("IsLatest").is_true() {
        let columns = [
            "LatestPublishedVersionId",
            "Title",
            "Description",
            "FileType",
            "FileExtension",
            "ContentSize",
            "ContentModifiedDate",
            "SystemModstamp",
        ];
        let own = Value::Text(draft.id.clone());
        let of = |field: &str| draft.get(field);
        let values = [
            &own,
            of("Title"),
            of("Description"),
            of("FileType"),
            of("FileExtension"),
            of("ContentSize"),
            of("ContentModifiedDate"),
            &stamp,
        ];
        tx.update_row(&documents, &document, &columns, &values)?;
        super::note::follow(tx, &document, draft)?;
    }
    if draft.is_new() && draft.text("VersionNumber") == Some("1") {
        let owner = draft.get("OwnerId").clone();
        link_to(tx, caller, &document, owner.clone(), "I")?;
        let place = draft.get("FirstPublishLocationId").clone();
        if !place.is_null() && place != owner {
            link_to(tx, caller, &document, place, "V")?;
        }
    }
    Ok(())
}

fn link_to(tx: &mut Tx<'_>, caller: &Caller, document: &str, entity: Value, share: &str) -> Result<(), SaveError> {
    let fields = vec![
        ("ContentDocumentId", Value::from(document)),
        ("LinkedEntityId", entity),
        ("ShareType", Value::from(share)),
        ("Visibility", Value::from("AllUsers")),
    ];
    create(tx, caller, "ContentDocumentLink", fields).map(|_| ())
}

/// The latest version is titled like its document.
pub fn after_document(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let versions = tx.schema.object("ContentVersion").cloned();
    if let (Some(versions), Some(latest), true) =
        (versions, draft.text("LatestPublishedVersionId"), draft.changed("Title"))
    {
        tx.update_row(&versions, latest, &["Title"], &[draft.get("Title")])?;
    }
    Ok(())
}

pub fn link(draft: &mut Draft) {
    draft.set_if_null("ShareType", "V");
    draft.set_if_null("Visibility", "AllUsers");
}

pub fn check_link(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    if draft.is_new() { together_unique(tx, draft, &["ContentDocumentId", "LinkedEntityId"]) } else { Ok(()) }
}

/// Attachments and documents know how long their body is.
pub fn body_length(draft: &mut Draft) {
    if let Some((_, body)) = draft.blobs.first() {
        let length = body.length();
        draft.set("BodyLength", length);
    }
}

/// Salesforce's word for a file's kind.
fn file_type(extension: &str) -> String {
    match extension.to_lowercase().as_str() {
        "" => "UNKNOWN".to_owned(),
        "jpg" | "jpeg" => "JPG".to_owned(),
        "txt" | "log" => "TEXT".to_owned(),
        "docx" => "WORD_X".to_owned(),
        "xlsx" => "EXCEL_X".to_owned(),
        "pptx" => "POWER_POINT_X".to_owned(),
        "doc" => "WORD".to_owned(),
        "xls" => "EXCEL".to_owned(),
        "ppt" => "POWER_POINT".to_owned(),
        "htm" | "html" => "HTML".to_owned(),
        "snote" => "SNOTE".to_owned(),
        known @ ("pdf" | "png" | "gif" | "csv" | "zip" | "xml" | "svg" | "mp4" | "mp3" | "rtf" | "json") => {
            known.to_uppercase()
        }
        _ => "UNKNOWN".to_owned(),
    }
}
