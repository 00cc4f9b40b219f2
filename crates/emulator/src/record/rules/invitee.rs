// SPDX-License-Identifier: Apache-2.0
//! Whom an activity is with (`salesforce-api.md` 6.9).
//!
//! With shared activities each of a task's or event's people and its related record has a row in `TaskRelation` or
//! `EventRelation`, the first person being `WhoId`; the activity counts them. An event that users are invited to is a group
//! event, and each such user has a child event of their own.

use super::{create, twin};
use crate::error::SaveError;
use crate::feature::Feature;
use crate::record::audit;
use crate::record::draft::Draft;
use crate::schema::Object;
use crate::store::{Row, Tx};
use crate::user::Caller;
use crate::value::Value;

/// What an event's child has of it.
const COPIED: [&str; 12] = [
    "Subject",
    "Location",
    "StartDateTime",
    "EndDateTime",
    "ActivityDateTime",
    "ActivityDate",
    "DurationInMinutes",
    "IsAllDayEvent",
    "Description",
    "ShowAs",
    "WhoId",
    "WhatId",
];

fn relation_of(activity: &str) -> (&'static str, &'static str) {
    if activity == "Task" { ("TaskRelation", "TaskId") } else { ("EventRelation", "EventId") }
}

/// Rows for who and what of a saved activity.
pub fn relate(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    if !tx.set_up().has(Feature::SharedActivities) || !(draft.changed("WhoId") || draft.changed("WhatId")) {
        return Ok(());
    }
    let (relation, through) = relation_of(&draft.object.name);
    let Some(relations) = tx.schema.object(relation).cloned() else { return Ok(()) };
    for (field, is_what) in [("WhoId", false), ("WhatId", true)] {
        if !draft.changed(field) {
            continue;
        }
        if let Value::Text(old) = draft.was(field) {
            let same = format!("\"{through}\" = ?1 AND \"RelationId\" = ?2");
            for id in tx.ids_where(&relations, &same, &[&draft.id, old]) {
                tx.delete_row(&relations, &id)?;
            }
        }
        if let Value::Text(new) = draft.get(field) {
            let same = format!("\"{through}\" = ?1 AND \"RelationId\" = ?2");
            if tx.count(relation, &same, &[&draft.id, new]) == 0 {
                let fields = vec![
                    (through, Value::Text(draft.id.clone())),
                    ("RelationId", Value::Text(new.clone())),
                    ("IsWhat", Value::Bool(is_what)),
                    ("AccountId", draft.get("AccountId").clone()),
                ];
                create(tx, caller, relation, fields)?;
            }
        }
    }
    count(tx, &draft.object, &draft.id)
}

/// Counts the people and records of an activity.
fn count(tx: &Tx<'_>, activity: &Object, id: &str) -> Result<(), SaveError> {
    let (relation, through) = relation_of(&activity.name);
    if !activity.has("WhoCount") || !tx.schema.object(relation).is_some_and(|object| object.has("IsWhat")) {
        return Ok(());
    }
    let many = |is_what: i64| {
        Value::Int(tx.count(relation, &format!("\"{through}\" = ?1 AND \"IsWhat\" = {is_what}"), &[&id]))
    };
    tx.update_row(activity, id, &["WhoCount", "WhatCount"], &[&many(0), &many(1)])?;
    Ok(())
}

/// A caller's row: what kind of thing is related, and not twice.
pub fn before(draft: &mut Draft) {
    if draft.object.name == "EventRelation" {
        draft.set_if_null("Status", "New");
    }
}

pub fn check(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let through = relation_of(draft.object.name.trim_end_matches("Relation")).1;
    if !draft.is_new() {
        return Ok(());
    }
    match twin(tx, draft, &[through, "RelationId"]) {
        Some(other) => Err(SaveError::duplicate_value("RelationId", &other)),
        None => Ok(()),
    }
}

/// The activity follows a new relation: the first person is its `WhoId`; a user is invited.
pub fn after(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    let kind = draft.object.name.trim_end_matches("Relation").to_owned();
    let through = relation_of(&kind).1;
    let Some(activities) = tx.schema.object(&kind).cloned() else { return Ok(()) };
    let Some(row) = draft.text(through).and_then(|id| tx.row(&activities, id)) else { return Ok(()) };
    let other = draft.text("RelationId").unwrap_or_default();
    let target = tx.schema.by_prefix(other).map(|object| object.name.clone()).unwrap_or_default();
    let field = match target.as_str() {
        "Contact" | "Lead" => Some("WhoId"),
        _ if draft.get("IsWhat").is_true() => Some("WhatId"),
        _ => None,
    };
    if let Some(field) = field.filter(|field| tx.set_up().has(Feature::SharedActivities) && row.get(field).is_null()) {
        tx.update_row(&activities, row.id(), &[field], &[draft.get("RelationId")])?;
    }
    if draft.is_new() && kind == "Event" && target == "User" && !row.get("IsChild").is_true() {
        invite(tx, caller, &row, other)?;
    }
    count(tx, &activities, row.id())
}

fn invite(tx: &mut Tx<'_>, caller: &Caller, event: &Row, user: &str) -> Result<(), SaveError> {
    let mut fields: Vec<(&str, Value)> = COPIED
        .iter()
        .filter(|name| !event.get(name).is_null())
        .map(|name| match (*name, event.get(name)) {
            (name, Value::Int(ms)) if name.ends_with("DateTime") => {
                (name, Value::Text(crate::value::date_time_text(*ms, "Z")))
            }
            (name, value) => (name, value.clone()),
        })
        .collect();
    fields.extend([
        ("OwnerId", Value::from(user)),
        ("IsChild", Value::Bool(true)),
        ("IsGroupEvent", Value::Bool(true)),
    ]);
    create(tx, caller, "Event", fields)?;
    set_group(tx, event, true)
}

fn set_group(tx: &Tx<'_>, event: &Row, group: bool) -> Result<(), SaveError> {
    let kind = Value::from(if group { "1" } else { "0" });
    let stamp = Value::Int(audit::second(tx.now));
    let columns = ["IsGroupEvent", "GroupEventType", "SystemModstamp"];
    tx.update_row(&event.object, event.id(), &columns, &[&Value::Bool(group), &kind, &stamp])?;
    Ok(())
}

/// A relation that is gone takes the invited user's event along.
pub fn after_delete(tx: &Tx<'_>, row: &Row) -> Result<(), SaveError> {
    let kind = row.object.name.trim_end_matches("Relation");
    let through = relation_of(kind).1;
    let Some(activities) = tx.schema.object(kind).cloned() else { return Ok(()) };
    let Some(activity) = tx.row(&activities, row.text(through)) else { return Ok(()) };
    if tx.row(&row.object, row.id()).is_some_and(|row| !row.is_deleted()) {
        return Ok(());
    }
    if kind == "Event" {
        let child = "\"IsChild\" = 1 AND \"OwnerId\" = ?1 AND \"StartDateTime\" IS ?2 AND \"Subject\" IS ?3";
        let values: [&dyn rusqlite::ToSql; 3] =
            [row.get("RelationId"), activity.get("StartDateTime"), activity.get("Subject")];
        for id in tx.ids_where(&activities, child, &values) {
            tx.delete_row(&activities, &id)?;
        }
        if tx.count("EventRelation", "\"EventId\" = ?1", &[&activity.id()]) == 0 {
            set_group(tx, &activity, false)?;
        }
    }
    count(tx, &activities, activity.id())
}
