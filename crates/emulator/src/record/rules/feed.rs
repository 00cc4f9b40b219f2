// SPDX-License-Identifier: Apache-2.0
//! Feeds (`salesforce-api.md` 6.9): posts and their comments. The feed of an object shows the feed items of its records under
//! the same Ids; a post counts its comments and knows who edited it last. Tracked changes are the platform's own.

use crate::error::SaveError;
use crate::record::audit;
use crate::record::draft::Draft;
use crate::schema::{Companion, FieldType};
use crate::store::{Row, Tx};
use crate::user::Caller;
use crate::value::Value;

/// What a post is when its author does not say, and who inserted it.
pub fn before(tx: &Tx<'_>, caller: &Caller, draft: &mut Draft) {
    draft.set_if_null("InsertedById", caller.user_id.clone());
    if draft.object.name == "FeedItem" {
        let kind = match (draft.get("LinkUrl").is_null(), draft.get("RelatedRecordId").is_null()) {
            (false, _) => "LinkPost",
            (true, false) => "ContentPost",
            (true, true) => "TextPost",
        };
        draft.set_if_null("Type", kind);
    } else {
        draft.set_if_null("CommentType", "TextComment");
        let item = draft.text("FeedItemId").and_then(|id| tx.row(tx.schema.object("FeedItem")?, id));
        if let Some(item) = item {
            draft.set("ParentId", item.get("ParentId").clone());
        }
    }
    let text = if draft.object.name == "FeedItem" { "Body" } else { "CommentBody" };
    if !draft.is_new() && draft.changed(text) {
        draft.set("LastEditById", caller.user_id.clone());
        draft.set("LastEditDate", audit::second(tx.now));
        let revision = draft.was("Revision").as_int().unwrap_or(1) + 1;
        draft.set("Revision", revision);
    } else if draft.is_new() {
        draft.set_if_null("Revision", 1);
    }
}

pub fn check(draft: &Draft) -> Result<(), SaveError> {
    if !draft.is_new() {
        return Ok(());
    }
    if draft.object.name == "FeedComment" {
        return if draft.get("CommentBody").is_null() && draft.get("RelatedRecordId").is_null() {
            Err(SaveError::required(vec!["CommentBody".into()]))
        } else {
            Ok(())
        };
    }
    let missing = |field: &str| Err(SaveError::required(vec![field.into()]));
    match draft.text("Type").unwrap_or_default() {
        "TextPost" if draft.get("Body").is_null() => missing("Body"),
        "LinkPost" if draft.get("LinkUrl").is_null() => missing("LinkUrl"),
        "ContentPost" if draft.get("RelatedRecordId").is_null() => missing("RelatedRecordId"),
        "TrackedChange" | "UserStatus" => Err(SaveError::new(
            "FIELD_INTEGRITY_EXCEPTION",
            "Type: this type of feed item is made by the platform alone",
            &["Type"],
        )),
        _ => Ok(()),
    }
}

/// The object's feed shows the post as it is now.
pub fn mirror(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    show(tx, &draft.id, draft.text("ParentId"), |field| draft.get(field).clone())
}

fn show(tx: &Tx<'_>, id: &str, parent: Option<&str>, value: impl Fn(&str) -> Value) -> Result<(), SaveError> {
    let parent = parent.and_then(|id| tx.schema.by_prefix(id));
    let feed = parent.and_then(|parent| tx.schema.object(&Companion::Feed.name_for(&parent.name))).cloned();
    let Some(feed) = feed else { return Ok(()) };
    let whole = |value: Value, kind: FieldType| match value {
        Value::Null if kind.is_number() => Value::Int(0),
        other => other,
    };
    let values: Vec<Value> = feed.fields.iter().map(|field| whole(value(&field.name), field.kind)).collect();
    tx.delete_row(&feed, id)?;
    tx.insert_row(&feed, &values)?;
    Ok(())
}

/// A post counts its comments, without being changed by them.
pub fn count_comments(tx: &Tx<'_>, item: Option<&str>) -> Result<(), SaveError> {
    let (Some(id), Some(items)) = (item, tx.schema.object("FeedItem").cloned()) else { return Ok(()) };
    let count = tx.count("FeedComment", "\"FeedItemId\" = ?1 AND \"IsDeleted\" = 0", &[&id]);
    tx.update_row(&items, id, &["CommentCount"], &[&Value::Int(count)])?;
    let Some(row) = tx.row(&items, id) else { return Ok(()) };
    show(tx, id, row.get("ParentId").as_str(), |field| row.get(field).clone())
}

/// A post that is gone leaves the feed.
pub fn after_delete(tx: &Tx<'_>, row: &Row) -> Result<(), SaveError> {
    let parent = row.get("ParentId").as_str().and_then(|id| tx.schema.by_prefix(id));
    let feed = parent.and_then(|parent| tx.schema.object(&Companion::Feed.name_for(&parent.name))).cloned();
    let Some(feed) = feed else { return Ok(()) };
    match tx.row(&row.object, row.id()).filter(|now| !now.is_deleted()) {
        Some(now) => show(tx, row.id(), row.get("ParentId").as_str(), |field| now.get(field).clone()),
        None => Ok(tx.delete_row(&feed, row.id())?),
    }
}
