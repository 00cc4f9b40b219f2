// SPDX-License-Identifier: Apache-2.0
//! Merging up to three records of one object into one of them (`salesforce-api.md` 6.7, 6.10; SOAP API guide, `merge()`).
//!
//! 1. The master gets the fields that the caller gave with it.
//! 2. Every child of a loser becomes a child of the master, as if somebody had updated its reference, so that what follows
//!    from it follows. A child that would be there twice (the same contact's relation to both accounts, the same campaign's
//!    member) goes instead. History and share rows stay behind.
//! 3. Each loser goes to the recycle bin, alone, with `MasterRecordId` naming the master.
//!
//! An undelete brings a loser back as a bare record: its children stay with the master.
//!
//! Guesses: the texts of the refusals, and that the children's `LastModifiedDate` moves.

use std::sync::Arc;

use super::access::{self, Deed};
use super::delete::{any_row, fall_alone, live_row};
use super::plan::Below;
use super::{Fields, Input, history, update};
use crate::error::SaveError;
use crate::schema::Object;
use crate::sharing::Level;
use crate::store::{Row, Tx};
use crate::user::Caller;
use crate::value::Value;

/// At most this many records become one, the master included.
const MOST_RECORDS: usize = 3;
/// What `merge()` takes, person accounts among the accounts.
const MERGEABLE: [&str; 5] = ["Account", "Case", "Contact", "Individual", "Lead"];

/// What a merge did: the SOAP API's `MergeResult`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The master.
    pub id: String,
    /// The losers, as given.
    pub merged_ids: Vec<String>,
    /// Children that were moved to the master.
    pub updated_related_ids: Vec<String>,
}

/// Merges records into the master, which keeps its values but for `fields`.
///
/// # Errors
/// `INVALID_MERGE_RECORD` for a wrong number of records, other objects or one record twice; `ENTITY_IS_DELETED` for a record
/// that is in the recycle bin; whatever an update of the master and a delete of the losers may answer.
pub fn merge(
    tx: &mut Tx<'_>,
    caller: &Caller,
    master: &str,
    losers: &[String],
    fields: Fields,
) -> Result<Merged, SaveError> {
    tx.acts(caller);
    let master = live_row(tx, master)?;
    let object = master.object.clone();
    if !MERGEABLE.contains(&object.name.as_str()) {
        return Err(invalid(&format!("entity type cannot be merged: {}", object.label)));
    }
    if losers.is_empty() || losers.len() >= MOST_RECORDS {
        return Err(invalid("a merge takes one master record and one or two records to merge into it"));
    }
    access::check_object(caller, &object, Deed::Edit)?;
    access::check_object(caller, &object, Deed::Delete)?;
    access::check_row(tx, caller, &object, master.id(), Level::Edit)?;
    let mut rows: Vec<Row> = Vec::new();
    for id in losers {
        let row = any_row(tx, id)?;
        if row.object.name != object.name {
            return Err(invalid("records of different types cannot be merged"));
        }
        if row.is_deleted() {
            return Err(SaveError::entity_is_deleted());
        }
        access::check_row(tx, caller, &object, row.id(), Level::Delete)?;
        if row.id() == master.id() || rows.iter().any(|known| known.id() == row.id()) {
            return Err(invalid("a record cannot be merged into itself"));
        }
        if row.get("IsPersonAccount") != master.get("IsPersonAccount") {
            return Err(invalid("a person account cannot be merged with a business account"));
        }
        rows.push(row);
    }
    let mut updated = Vec::new();
    for loser in &rows {
        leave_hierarchy(tx, &master, loser)?;
        move_children(tx, caller, loser, master.id(), &mut updated)?;
        if let (Some(theirs), Some(own)) = (person_contact(tx, loser), person_contact(tx, &master)) {
            move_children(tx, caller, &theirs, own.id(), &mut updated)?;
        }
    }
    update(tx, caller, &object, master.id(), fields)?;
    for loser in &rows {
        let mark = Value::Text(master.id().to_owned());
        tx.update_row(&object, loser.id(), &["MasterRecordId"], &[&mark])?;
        let person = person_contact(tx, loser);
        fall_alone(tx, caller, std::iter::once(loser.clone()).chain(person).collect())?;
    }
    let what = format!("{}Merged", object.name.to_ascii_lowercase());
    history::note(tx, caller, &object.name, master.id(), &what)?;
    updated.sort();
    updated.dedup();
    let merged_ids = rows.iter().map(|row| row.id().to_owned()).collect();
    Ok(Merged { id: master.id().to_owned(), merged_ids, updated_related_ids: updated })
}

/// The contact that a person account is.
fn person_contact(tx: &Tx<'_>, account: &Row) -> Option<Row> {
    let id = account.get("PersonContactId").as_str()?;
    tx.row(tx.schema.object("Contact")?, id)
}

fn invalid(message: &str) -> SaveError {
    SaveError::new("INVALID_MERGE_RECORD", message, &[])
}

/// A master below one of its losers would become its own parent: it is lifted to where the loser stood.
fn leave_hierarchy(tx: &mut Tx<'_>, master: &Row, loser: &Row) -> Result<(), SaveError> {
    for field in ["ParentId", "ReportsToId"] {
        let Some(now) = tx.row(&master.object, master.id()) else { continue };
        if now.get(field).as_str() == Some(loser.id()) {
            let above = match loser.get(field) {
                Value::Text(above) if above != master.id() => Value::Text(above.clone()),
                _ => Value::Null,
            };
            tx.update_row(&master.object, master.id(), &[field], &[&above])?;
        }
    }
    Ok(())
}

fn move_children(
    tx: &mut Tx<'_>,
    caller: &Caller,
    loser: &Row,
    master: &str,
    updated: &mut Vec<String>,
) -> Result<(), SaveError> {
    let platform = Caller { bypass: true, ..caller.clone() };
    let plan = tx.schema.plan(&loser.object);
    for below in plan.below.iter().filter(|below| moves(below)) {
        let mut statement = tx.conn.prepare_cached(&below.sql)?;
        let ids: Vec<String> = statement.query_map([loser.id()], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        drop(statement);
        for id in ids {
            // What a move of another child took along may be gone already, and a master is lifted before.
            let Some(child) = tx.row(&below.object, &id).filter(|child| !child.is_deleted()) else { continue };
            if child.get(&below.field.name).as_str() != Some(loser.id()) || id == master {
                continue;
            }
            if child.object.name == "Contact" && child.get("IsPersonAccount").is_true() {
                continue;
            }
            if would_be_there_twice(tx, &child, &below.field.name, master) {
                tx.delete_row(&below.object, &id)?;
                continue;
            }
            let fields = vec![(below.field.name.clone(), Input::Text(master.to_owned()))];
            update(tx, &platform, &below.object, &id, fields)?;
            updated.push(id);
        }
    }
    Ok(())
}

/// References that name a parent. A loser's history, its shares and what earlier merges left behind stay with it.
fn moves(below: &Below) -> bool {
    let companion = matches!(below.object.associate_entity_type.as_deref(), Some("History" | "Share" | "ChangeEvent"));
    let own = matches!(below.field.name.as_str(), "MasterRecordId" | "PersonContactId");
    !companion && !own && !has_own_rule(&below.object)
}

/// Feeds are copies of their feed items, which are moved themselves.
fn has_own_rule(object: &Arc<Object>) -> bool {
    object.associate_entity_type.as_deref() == Some("Feed")
}

/// Objects that tie a parent to another record only once: by what.
fn would_be_there_twice(tx: &Tx<'_>, child: &Row, field: &str, master: &str) -> bool {
    let other = match (child.object.name.as_str(), field) {
        ("AccountContactRelation", "AccountId") => "ContactId",
        ("AccountContactRelation", "ContactId") => "AccountId",
        ("CampaignMember", "LeadId" | "ContactId" | "LeadOrContactId") => "CampaignId",
        ("ContentDocumentLink", "LinkedEntityId") => "ContentDocumentId",
        ("OpportunityContactRole", "ContactId") => "OpportunityId",
        ("AccountTeamMember", "AccountId") => "UserId",
        ("CaseTeamMember", "ParentId") => "MemberId",
        ("EntitySubscription", "ParentId") => "SubscriberId",
        ("TopicAssignment", "EntityId") => "TopicId",
        _ => return false,
    };
    let alive = if child.object.has("IsDeleted") { " AND \"IsDeleted\" = 0" } else { "" };
    let condition = format!("\"{field}\" = ?1 AND \"{other}\" = ?2 AND \"Id\" <> ?3{alive}");
    tx.count(&child.object.name, &condition, &[&master, child.get(other), &child.id()]) > 0
}
