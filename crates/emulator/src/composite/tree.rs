// SPDX-License-Identifier: Apache-2.0
//! `/composite/tree/{T}`: new records with their children, all or none (`salesforce-api.md` 2.8).
//!
//! The tree is flattened into levels; each level is inserted whole before the next, because a child needs its parent's
//! Id. The first level with a refused record ends it: everything is undone, and only the refused ones are named.

use std::collections::HashSet;
use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::error::{ApiError, SaveError};
use crate::org::Tx;
use crate::record::{self, Fields, Input};
use crate::rest::fields_of;
use crate::schema::Object;
use crate::user::Caller;

use super::row_errors;

const RECORDS_MAX: usize = 200;
const TYPES_MAX: usize = 5;
const LEVELS_MAX: usize = 5;

/// A record that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    pub reference_id: String,
    pub id: String,
}

/// Records that were refused, for which nothing was created.
pub type Refused = Vec<(String, SaveError)>;

/// Answers a request: 201 with every Id, or 400 with what was refused.
pub fn answer(tx: &mut Tx<'_>, caller: &Caller, object: &str, mut body: Map<String, Value>) -> Answer {
    let Some(Value::Array(records)) = body.remove("records") else {
        return ApiError::json_parser("The member 'records' is missing").into();
    };
    let Some(object) = tx.schema.object(object).cloned() else { return ApiError::not_found().into() };
    let (status, has_errors, results): (_, _, Vec<Value>) = match plant(tx, caller, &object, records) {
        Ok(planted) => {
            let show = |one: Planted| json!({"referenceId": one.reference_id, "id": one.id});
            (StatusCode::CREATED, false, planted.into_iter().map(show).collect())
        }
        Err(refused) => {
            let show = |(reference_id, error): (String, SaveError)| json!({"referenceId": reference_id, "errors": row_errors(&error)});
            (StatusCode::BAD_REQUEST, true, refused.into_iter().map(show).collect())
        }
    };
    Answer::json(status.as_u16(), json!({"hasErrors": has_errors, "results": results}))
}

/// Creates all records of a tree, level by level.
///
/// # Errors
/// The records that were refused; then none was created.
pub fn plant(
    tx: &mut Tx<'_>,
    caller: &Caller,
    object: &Arc<Object>,
    records: Vec<Value>,
) -> Result<Vec<Planted>, Refused> {
    let levels = flatten(tx, object, records).map_err(|(reference_id, error)| vec![(reference_id, error)])?;
    tx.savepoint(|tx| {
        let mut planted: Vec<Planted> = Vec::new();
        for level in levels {
            let mut refused = Refused::new();
            for mut node in level {
                if let Some((field, parent)) = node.parent {
                    // A parent that is missing was refused, and its level was the last.
                    let parent = planted.iter().find(|one| one.reference_id == parent);
                    let parent = parent.map(|parent| parent.id.clone()).unwrap_or_default();
                    node.fields.push((field, Input::Text(parent)));
                }
                let written = tx.savepoint(|tx| record::insert(tx, caller, &node.object, node.fields));
                match written {
                    Ok(id) => planted.push(Planted { reference_id: node.reference_id, id }),
                    Err(error) => refused.push((node.reference_id, error)),
                }
            }
            if !refused.is_empty() {
                return Err(refused);
            }
        }
        Ok(planted)
    })
}

/// A record that is to be created.
struct Node {
    reference_id: String,
    object: Arc<Object>,
    fields: Fields,
    /// The field that points to the parent, and the parent's reference id.
    parent: Option<(String, String)>,
}

/// A record that is not read yet, its object, and its parent as in [`Node`].
type Branch = (Value, Arc<Object>, Option<(String, String)>);

/// The reference id of a record that makes the tree unreadable, and why.
type Unreadable = (String, SaveError);

fn flatten(tx: &Tx<'_>, object: &Arc<Object>, records: Vec<Value>) -> Result<Vec<Vec<Node>>, Unreadable> {
    let mut levels = Vec::new();
    let mut known = HashSet::new();
    let mut types = HashSet::new();
    let mut next: Vec<Branch> = records.into_iter().map(|record| (record, object.clone(), None)).collect();
    while !next.is_empty() {
        if levels.len() == LEVELS_MAX {
            return Err(invalid("", format!("The request exceeded the maximum of {LEVELS_MAX} levels")));
        }
        let mut level = Vec::with_capacity(next.len());
        let mut below = Vec::new();
        for (record, object, parent) in next {
            let Value::Object(mut record) = record else { return Err(invalid("", "A record is no object".to_owned())) };
            let reference_id = attributes(&mut record, &object)?;
            if !known.insert(reference_id.clone()) {
                return Err(invalid(&reference_id, "Duplicate ReferenceId provided in the request.".to_owned()));
            }
            types.insert(object.name.clone());
            for (name, child, field) in children(tx, &object, &record) {
                if let Some(Value::Object(mut branch)) = record.remove(&name) {
                    let Some(Value::Array(records)) = branch.remove("records") else { continue };
                    let parent = Some((field, reference_id.clone()));
                    below.extend(records.into_iter().map(|record| (record, child.clone(), parent.clone())));
                }
            }
            let fields = fields_of(&object, record);
            let fields =
                fields.map_err(|error| (reference_id.clone(), SaveError::new(&error.code, error.message, &[])))?;
            level.push(Node { reference_id, object, fields, parent });
        }
        levels.push(level);
        next = below;
        if known.len() + next.len() > RECORDS_MAX {
            let text = format!("record limit reached. cannot submit more than {RECORDS_MAX} records into this call");
            return Err((String::new(), SaveError::new("EXCEEDED_ID_LIMIT", text, &[])));
        }
    }
    if types.len() > TYPES_MAX {
        return Err(invalid("", format!("The request exceeded the maximum of {TYPES_MAX} different types")));
    }
    Ok(levels)
}

/// Takes the attributes out of a record and gives its reference id.
fn attributes(record: &mut Map<String, Value>, object: &Object) -> Result<String, Unreadable> {
    let attributes = record.remove("attributes").unwrap_or_default();
    let text = |name: &str| attributes.get(name).and_then(Value::as_str);
    let reference_id = text("referenceId").unwrap_or_default();
    if reference_id.is_empty() {
        return Err(invalid("", "Include a reference ID for each record in the request.".to_owned()));
    }
    match text("type") {
        Some(kind) if kind.eq_ignore_ascii_case(&object.name) => Ok(reference_id.to_owned()),
        Some(kind) => Err(invalid(reference_id, format!("The record is of type {kind}, expected is {}", object.name))),
        None => Err(invalid(reference_id, "Include the type of each record in the request.".to_owned())),
    }
}

/// The members of a record that are child relationships: name, child object and the field that points back.
fn children(tx: &Tx<'_>, object: &Object, record: &Map<String, Value>) -> Vec<(String, Arc<Object>, String)> {
    let branches = record.iter().filter(|(_, value)| value.get("records").is_some());
    branches
        .filter_map(|(name, _)| {
            let child = object.child(name)?;
            Some((name.clone(), tx.schema.object(&child.object)?.clone(), child.field.clone()))
        })
        .collect()
}

fn invalid(reference_id: &str, message: String) -> Unreadable {
    (reference_id.to_owned(), SaveError::new("INVALID_INPUT", message, &[]))
}
