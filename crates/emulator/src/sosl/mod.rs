// SPDX-License-Identifier: Apache-2.0
//! SOSL: full-text search over the org's rows.
//!
//! 1. The statement is parsed into a search and what to return of each object (`parse`, `terms`).
//! 2. For each object every live row is read and its words are compared: there is no index.
//! 3. The rows that match and that the caller may see under the object's own conditions are shown by SOQL.
//!
//! Rows come in the order of the statement's objects, within one in its ORDER BY or else by Id: the ranking by relevance of a
//! real org is not modelled, nor is the minute or so until new rows are found. Which standard fields a real org indexes differs from
//! object to object; here all text fields that are not encrypted are searched, and no picklists.

mod parse;
mod terms;

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use parse::{Group, ROWS_MAX, Returning, Statement, parse};
pub use terms::{Search, malformed, words};

use crate::error::ApiError;
use crate::org::Tx;
use crate::schema::{Field, FieldType, Object};
use crate::soql::{self, Options, Which};
use crate::user::Caller;

/// Objects that are searched only where they are named.
const NAMED_ONLY: [&str; 8] = [
    "ContentVersion",
    "Document",
    "FeedComment",
    "FeedItem",
    "KnowledgeArticleVersion",
    "Product2",
    "Solution",
    "ContentDocument",
];
/// The most rows of one object that are highlighted.
const MARKED_MAX: usize = 25;

/// Runs a statement. `version` is that of the request's path.
///
/// # Errors
/// `INVALID_TYPE` for an object that cannot be searched, and what SOQL refuses of fields and conditions.
pub fn run(tx: &Tx<'_>, caller: &Caller, statement: &Statement, version: &str) -> Result<Vec<Value>, ApiError> {
    let mut records = Vec::new();
    let all: Vec<Returning>;
    let wanted = if statement.returning.is_empty() {
        let searched =
            tx.schema.objects().filter(|object| object.searchable && object.queryable && caller.sees(object));
        let searched = searched.filter(|object| !NAMED_ONLY.contains(&object.name.as_str()));
        all = searched.map(|object| Returning { object: object.name.clone(), ..Returning::default() }).collect();
        &all
    } else {
        &statement.returning
    };
    for returning in wanted {
        let left = statement.limit.saturating_sub(records.len());
        if left == 0 {
            break;
        }
        records.extend(of_object(tx, caller, statement, returning, version, left)?);
    }
    Ok(records)
}

fn of_object(
    tx: &Tx<'_>,
    caller: &Caller,
    statement: &Statement,
    returning: &Returning,
    version: &str,
    left: usize,
) -> Result<Vec<Value>, ApiError> {
    let object = caller.object(&tx.schema, &returning.object).filter(|object| object.searchable).cloned();
    let object = object.ok_or_else(|| {
        ApiError::invalid_type(format!("sObject type '{}' is not supported for search.", returning.object))
    })?;
    let found = matching(tx, caller, &object, &statement.search, statement.group);
    if found.is_empty() && statement.returning.is_empty() {
        return Ok(Vec::new());
    }
    let fields = if returning.fields.is_empty() { "Id" } else { &returning.fields };
    let text = format!("SELECT {fields} FROM {}{}", object.name, returning.rest);
    let options = Options { all: false, bulk: false, tooling: false, now: tx.now };
    let prepared = soql::prepare(&tx.schema, caller, &text, options)?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let ids = prepared.ids(tx)?.into_iter().filter(|id| found.contains(id)).skip(returning.offset);
    let ids: Vec<String> = ids.take(returning.limit.unwrap_or(ROWS_MAX).min(left)).collect();
    let mut records = prepared.records(tx, version, Which::Ids(&ids))?;
    if statement.highlight {
        for record in records.iter_mut().take(MARKED_MAX) {
            mark(record, &statement.search);
        }
    }
    Ok(records)
}

/// Adds `highlight.Name` beside each text that was found.
fn mark(record: &mut Value, search: &Search) {
    let Value::Object(members) = record else { return };
    let marked: Map<String, Value> = members
        .iter()
        .filter_map(|(name, value)| Some((format!("highlight.{name}"), search.marked(value.as_str()?)?.into())))
        .collect();
    members.extend(marked);
}

/// The Ids of the live rows that match.
fn matching(tx: &Tx<'_>, caller: &Caller, object: &Object, search: &Search, group: Group) -> HashSet<String> {
    let seen = object.fields.iter().filter(|field| caller.sees_field(object, field));
    let fields: Vec<&Arc<Field>> = seen.filter(|field| is_searched(field, group)).collect();
    if fields.is_empty() {
        return HashSet::new();
    }
    let columns: Vec<String> = fields.iter().map(|field| format!("\"{}\"", field.name)).collect();
    let live = if object.has("IsDeleted") { " WHERE \"IsDeleted\" = 0" } else { "" };
    let sql = format!("SELECT \"Id\", {} FROM \"{}\"{live}", columns.join(", "), object.name);
    // A table that was never used has nothing to find.
    let Some(mut statement) = tx.conn.if_there(&sql).expect("the columns are those of the object") else {
        return HashSet::new();
    };
    let mut rows = statement.query([]).expect("the store can be read");
    let mut found = HashSet::new();
    while let Some(row) = rows.next().expect("the store can be read") {
        let text = |at: usize| row.get_ref(at).ok().and_then(|value| value.as_str().ok().map(str::to_owned));
        let texts = (1..=fields.len()).filter_map(|at| Some(words(&text(at)?))).collect::<Vec<_>>();
        if search.matches(&texts) {
            found.extend(text(0));
        }
    }
    found
}

fn is_searched(field: &Field, group: Group) -> bool {
    if !field.stored() || field.encrypted {
        return false;
    }
    let is_name = field.name_field || field.compound.as_deref() == Some("Name");
    let is_text = matches!(
        field.kind,
        FieldType::String | FieldType::Textarea | FieldType::Email | FieldType::Phone | FieldType::Url
    );
    match group {
        Group::All => is_text || is_name,
        Group::Name => is_name,
        Group::Email => field.kind == FieldType::Email,
        Group::Phone => field.kind == FieldType::Phone,
        Group::Sidebar => is_name || matches!(field.kind, FieldType::Email | FieldType::Phone) || field.auto_number,
    }
}
