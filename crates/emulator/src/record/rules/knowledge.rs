// SPDX-License-Identifier: Apache-2.0
//! Knowledge (`salesforce-api.md` 6.9): a new version is a draft of a new article; what is published cannot be edited, only
//! drafted anew; publishing a draft archives the version that was online.
//!
//! Guesses: version numbers count from 1 with the first draft, and the texts and codes of the refusals.

use super::create;
use crate::error::SaveError;
use crate::record::audit;
use crate::record::draft::Draft;
use crate::record::{Fields, Input, insert};
use crate::schema::{FieldType, Object};
use crate::store::{Row, Tx};
use crate::user::Caller;
use crate::value::Value;

const VERSIONS: &str = "Knowledge__kav";
const ARTICLES: &str = "Knowledge__ka";
/// Articles are numbered from 1,000 in nine digits.
const FIRST_NUMBER: u64 = 999;

/// Makes the article of a new version.
pub fn before(tx: &mut Tx<'_>, caller: &Caller, draft: &mut Draft) -> Result<(), SaveError> {
    if !draft.is_new() {
        return Ok(());
    }
    draft.set_if_null("PublishStatus", "Draft");
    draft.set_if_null("VersionNumber", 1);
    draft.set("IsLatestVersion", true);
    draft.set("IsMasterLanguage", true);
    if draft.get("KnowledgeArticleId").is_null() {
        let number = format!("{:09}", FIRST_NUMBER + tx.next_number("Knowledge__ka.ArticleNumber"));
        draft.set("ArticleNumber", number.clone());
        let fields = vec![("ArticleNumber", Value::from(number)), ("MasterLanguage", draft.get("Language").clone())];
        if let Some(article) = create(tx, caller, ARTICLES, fields)? {
            draft.set("KnowledgeArticleId", article);
        }
    }
    Ok(())
}

pub fn check(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    if !draft.is_new() && draft.text("PublishStatus") != Some("Draft") {
        return Err(SaveError::new("INSUFFICIENT_ACCESS_OR_READONLY", "You can edit only drafts of articles", &[]));
    }
    if !draft.changed("UrlName") {
        return Ok(());
    }
    let condition = "\"UrlName\" = ?1 AND \"Language\" = ?2 AND \"IsDeleted\" = 0 AND \"KnowledgeArticleId\" IS NOT ?3";
    let values: [&dyn rusqlite::ToSql; 3] =
        [draft.get("UrlName"), draft.get("Language"), draft.get("KnowledgeArticleId")];
    match tx.ids_where(&draft.object, condition, &values).into_iter().next() {
        Some(other) => Err(SaveError::duplicate_value("UrlName", &other)),
        None => Ok(()),
    }
}

/// The views over all article types show the same rows.
pub fn mirror(tx: &Tx<'_>, object: &Object, id: &str) -> Result<(), SaveError> {
    let view = match object.name.as_str() {
        VERSIONS => "KnowledgeArticleVersion",
        ARTICLES => "KnowledgeArticle",
        _ => return Ok(()),
    };
    let Some(view) = tx.schema.object(view).cloned() else { return Ok(()) };
    tx.delete_row(&view, id)?;
    let Some(row) = tx.row(object, id) else { return Ok(()) };
    let whole = |value: &Value, kind: FieldType| match value {
        Value::Null if kind == FieldType::Boolean => Value::Bool(false),
        other => other.clone(),
    };
    let values: Vec<Value> = view.fields.iter().map(|field| whole(row.get(&field.name), field.kind)).collect();
    tx.insert_row(&view, &values)?;
    Ok(())
}

/// A published version stays.
pub fn check_delete(row: &Row) -> Result<(), SaveError> {
    if row.text("PublishStatus") == "Online" {
        return Err(SaveError::new("DELETE_FAILED", "A published article must be archived before it is deleted", &[]));
    }
    Ok(())
}

fn version(tx: &Tx<'_>, id: &str) -> Result<Row, SaveError> {
    let row = crate::record::delete::live_row(tx, id)?;
    if row.object.name.ends_with("__kav") { Ok(row) } else { Err(SaveError::invalid_cross_reference(&[])) }
}

fn refuse(message: &str) -> SaveError {
    SaveError::new("FIELD_INTEGRITY_EXCEPTION", message, &["PublishStatus"])
}

/// Deletes a version that is not published.
///
/// # Errors
/// `DELETE_FAILED` for a published one, and what any delete answers.
pub fn delete(tx: &mut Tx<'_>, caller: &Caller, version_id: &str) -> Result<(), SaveError> {
    let row = version(tx, version_id)?;
    crate::record::delete(tx, caller, row.id())
}

/// Publishes a draft (`Online`), archives a published version (`Archived`) or takes it back (`Draft`), which needs that there is
/// no draft of it (Knowledge Developer Guide, "Unpublish the Master Version of an Article").
///
/// # Errors
/// `FIELD_INTEGRITY_EXCEPTION` when the version is in no state for it.
pub fn publish(tx: &mut Tx<'_>, caller: &Caller, version_id: &str, status: &str) -> Result<(), SaveError> {
    let row = version(tx, version_id)?;
    let article = row.get("KnowledgeArticleId").clone();
    let now = Value::Int(audit::second(tx.now));
    let user = Value::Text(caller.user_id.clone());
    let set = |tx: &Tx<'_>, id: &str, changes: &[(&str, Value)]| -> Result<(), SaveError> {
        let columns: Vec<&str> = changes
            .iter()
            .map(|(name, _)| *name)
            .chain(["LastModifiedDate", "LastModifiedById", "SystemModstamp"])
            .collect();
        let values: Vec<&Value> = changes.iter().map(|(_, value)| value).chain([&now, &user, &now]).collect();
        tx.update_row(&row.object, id, &columns, &values)?;
        mirror(tx, &row.object, id)
    };
    match (row.text("PublishStatus"), status) {
        ("Draft", "Online") => {
            let before = "\"KnowledgeArticleId\" = ?1 AND \"Language\" = ?2 AND \"PublishStatus\" = 'Online' AND \"IsDeleted\" = 0";
            let online = tx.rows_where(&row.object, before, &[&article, row.get("Language")]);
            let first = online.first().map_or_else(|| now.clone(), |old| old.get("FirstPublishedDate").clone());
            for old in &online {
                set(
                    tx,
                    old.id(),
                    &[
                        ("PublishStatus", Value::from("Archived")),
                        ("IsLatestVersion", Value::Bool(false)),
                        ("ArchivedDate", now.clone()),
                        ("ArchivedById", user.clone()),
                    ],
                )?;
            }
            set(
                tx,
                row.id(),
                &[
                    ("PublishStatus", Value::from("Online")),
                    ("IsLatestVersion", Value::Bool(true)),
                    ("FirstPublishedDate", first.clone()),
                    ("LastPublishedDate", now.clone()),
                ],
            )?;
            tell_article(tx, &article, &[("FirstPublishedDate", first), ("LastPublishedDate", now.clone())])
        }
        ("Online", "Archived") => {
            set(
                tx,
                row.id(),
                &[
                    ("PublishStatus", Value::from("Archived")),
                    ("ArchivedDate", now.clone()),
                    ("ArchivedById", user.clone()),
                ],
            )?;
            tell_article(tx, &article, &[("ArchivedDate", now.clone())])
        }
        ("Online", "Draft") => {
            let drafts = "\"KnowledgeArticleId\" = ?1 AND \"PublishStatus\" = 'Draft' AND \"IsDeleted\" = 0";
            if !tx.ids_where(&row.object, drafts, &[&article]).is_empty() {
                return Err(refuse("The article has a draft already"));
            }
            set(tx, row.id(), &[("PublishStatus", Value::from("Draft"))])
        }
        (old, new) => Err(refuse(&format!("A version that is {old} cannot become {new}"))),
    }
}

fn tell_article(tx: &Tx<'_>, article: &Value, changes: &[(&str, Value)]) -> Result<(), SaveError> {
    let (Some(articles), Some(id)) = (tx.schema.object(ARTICLES).cloned(), article.as_str()) else { return Ok(()) };
    let columns: Vec<&str> = changes.iter().map(|(name, _)| *name).collect();
    let values: Vec<&Value> = changes.iter().map(|(_, value)| value).collect();
    tx.update_row(&articles, id, &columns, &values)?;
    mirror(tx, &articles, id)
}

/// Makes a draft of a published article and answers its Id.
///
/// # Errors
/// `FIELD_INTEGRITY_EXCEPTION` when the article has a draft already or nothing published or archived.
pub fn edit(tx: &mut Tx<'_>, caller: &Caller, article_id: &str) -> Result<String, SaveError> {
    let article = crate::id::to18(article_id).ok_or_else(|| SaveError::malformed_id(article_id, "articleId"))?;
    let object = tx.schema.object(VERSIONS).cloned().ok_or_else(SaveError::not_found)?;
    let rows = tx.rows_where(&object, "\"KnowledgeArticleId\" = ?1 AND \"IsDeleted\" = 0", &[&article]);
    if rows.iter().any(|row| row.text("PublishStatus") == "Draft") {
        return Err(refuse("The article has a draft already"));
    }
    let Some(source) = rows.iter().max_by_key(|row| row.get("VersionNumber").as_int()) else {
        return Err(SaveError::invalid_cross_reference(&["articleId"]));
    };
    let next = source.get("VersionNumber").as_int().unwrap_or(0) + 1;
    let kept = |name: &str| matches!(name, "KnowledgeArticleId" | "ArticleNumber" | "FirstPublishedDate");
    let mut fields: Fields = Vec::new();
    for (field, value) in object.fields.iter().zip(&source.values) {
        if (field.createable || kept(&field.name)) && field.stored() && !value.is_null() {
            let input = match (value, field.kind) {
                (Value::Int(ms), FieldType::Datetime) => Input::Text(crate::value::date_time_text(*ms, "Z")),
                _ => Input::from_value(value.clone()),
            };
            fields.push((field.name.clone(), input));
        }
    }
    fields.push(("VersionNumber".to_owned(), Input::Number(next.to_string())));
    let platform = Caller { bypass: true, ..caller.clone() };
    insert(tx, &platform, &object, fields)
}
