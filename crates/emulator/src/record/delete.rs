// SPDX-License-Identifier: Apache-2.0
//! Deleting, the recycle bin and the way back (`salesforce-api.md` 6.7).
//!
//! A delete walks the tree below the record by what describe says of each child relationship: `cascadeDelete` takes the child
//! along, `restrictedDelete` refuses the whole delete, any other lookup is emptied and remembered. All rows that go carry the
//! same root, which is what an undelete brings back. Where the object is not undeletable, the delete is final.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::OptionalExtension as _;

use super::access::{self, Deed};
use super::plan::Below;
use super::save::lock;
use super::{audit, delete_event, formula, rollup, rules, unique};
use crate::automation;
use crate::error::SaveError;
use crate::id;
use crate::schema::Object;
use crate::sharing::Level;
use crate::store::{Row, Tx};
use crate::user::Caller;
use crate::value::Value;

/// Puts a record and what hangs on it into the recycle bin, or removes it where there is none.
pub fn delete(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<(), SaveError> {
    tx.acts(caller);
    let row = live_row(tx, id)?;
    access::check_object(caller, &row.object, Deed::Delete)?;
    access::check_row(tx, caller, &row.object, row.id(), Level::Delete)?;
    rules::before_delete(tx, caller, &row)?;
    automation::before_delete(tx, caller, &row)?;
    let fall = Fall::below(tx, &row)?;
    let to_bin = row.object.undeletable && row.object.has("IsDeleted");
    fall.happen(tx, caller, row.id(), to_bin)?;
    automation::after_delete(tx, caller, &row)
}

/// Removes a record for good, with what hangs on it; one in the recycle bin too.
pub fn hard_delete(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<(), SaveError> {
    tx.acts(caller);
    let row = any_row(tx, id)?;
    access::check_object(caller, &row.object, Deed::Delete)?;
    access::check_row(tx, caller, &row.object, row.id(), Level::Delete)?;
    if row.is_deleted() {
        return purge(tx, row.id());
    }
    rules::before_delete(tx, caller, &row)?;
    automation::before_delete(tx, caller, &row)?;
    let fall = Fall::below(tx, &row)?;
    fall.happen(tx, caller, row.id(), false)?;
    automation::after_delete(tx, caller, &row)
}

/// Puts records into the recycle bin together without what hangs on them, as a merge does.
pub(super) fn fall_alone(tx: &mut Tx<'_>, caller: &Caller, rows: Vec<Row>) -> Result<(), SaveError> {
    let Some(root) = rows.first().cloned() else { return Ok(()) };
    let to_bin = root.object.undeletable && root.object.has("IsDeleted");
    Fall { rows, cleared: Vec::new() }.happen(tx, caller, root.id(), to_bin)
}

/// Brings a record back from the recycle bin, with all that its delete took along, and puts emptied lookups back where
/// nobody has put another value since.
pub fn undelete(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<(), SaveError> {
    tx.acts(caller);
    let row = any_row(tx, id)?;
    access::check_object(caller, &row.object, Deed::Delete)?;
    access::check_row(tx, caller, &row.object, row.id(), Level::Delete)?;
    let root = root_of(tx, row.id()).filter(|_| row.is_deleted());
    let Some(root) = root else {
        return Err(SaveError::new("UNDELETE_FAILED", "Entity is not in the recycle bin", &[]));
    };
    if root != row.id() {
        return Err(SaveError::new("UNDELETE_FAILED", "must undelete parent", &[]));
    }
    for field in row.object.fields.iter().filter(|field| field.cascade_delete) {
        let Value::Text(parent_id) = row.get(&field.name) else { continue };
        let parent = tx.schema.by_prefix(parent_id).and_then(|object| tx.row(object, parent_id));
        if parent.is_none_or(|parent| parent.is_deleted()) {
            return Err(SaveError::new("UNDELETE_FAILED", "must undelete parent", &[]));
        }
    }
    let rows = members(tx, &root);
    for row in &rows {
        check_unique(tx, row)?;
        set_deleted(tx, row, false)?;
        delete_event::withdraw(tx, row)?;
        // A record that a merge deleted comes back as one of its own.
        if !row.get("MasterRecordId").is_null() {
            tx.update_row(&row.object, row.id(), &["MasterRecordId"], &[&Value::Null])?;
        }
    }
    put_lookups_back(tx, &root)?;
    tx.note("DELETE FROM _recycle WHERE root_id = ?1", &[&root])?;
    follow_up(tx, caller, &rows)?;
    rows.iter().try_for_each(|row| automation::after_undelete(tx, caller, row))
}

/// Removes a record that is in the recycle bin for good, with all that its delete took along.
pub fn empty_from_recycle_bin(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<(), SaveError> {
    let row = any_row(tx, id)?;
    access::check_object(caller, &row.object, Deed::Delete)?;
    access::check_row(tx, caller, &row.object, row.id(), Level::Delete)?;
    if root_of(tx, row.id()).is_none() {
        return Err(SaveError::new("INVALID_ID_FIELD", "Entity is not in the recycle bin", &[]));
    }
    purge(tx, row.id())
}

pub(super) fn any_row(tx: &Tx<'_>, id: &str) -> Result<Row, SaveError> {
    let id = id::to18(id).ok_or_else(|| SaveError::malformed_id(id, "Id"))?;
    let object = tx.object_of(&id).ok_or_else(|| SaveError::malformed_id(&id, "Id"))?;
    tx.row(&object, &id).ok_or_else(|| SaveError::invalid_cross_reference(&[]))
}

pub(super) fn live_row(tx: &Tx<'_>, id: &str) -> Result<Row, SaveError> {
    let row = any_row(tx, id)?;
    if row.is_deleted() { Err(SaveError::entity_is_deleted()) } else { Ok(row) }
}

fn root_of(tx: &Tx<'_>, id: &str) -> Option<String> {
    let mut statement = tx.conn.prepare_cached("SELECT root_id FROM _recycle WHERE id = ?1").expect("own table");
    statement.query_row([id], |row| row.get(0)).optional().expect("the store can be read")
}

/// The rows that one delete took, the root first.
fn members(tx: &Tx<'_>, root: &str) -> Vec<Row> {
    let mut statement = tx
        .conn
        .prepare_cached("SELECT id, object FROM _recycle WHERE root_id = ?1 ORDER BY id <> ?1, id")
        .expect("own table");
    let found = statement.query_map([root], |row| Ok((row.get(0)?, row.get(1)?))).and_then(Iterator::collect);
    let found: Vec<(String, String)> = found.expect("the store can be read");
    let row = |(id, object): (String, String)| tx.row(tx.schema.object(&object)?, &id);
    found.into_iter().filter_map(row).collect()
}

/// Everything that a delete does, found before anything is written.
struct Fall {
    rows: Vec<Row>,
    /// Lookups that are emptied: object, Id, field, what it held.
    cleared: Vec<(Arc<Object>, String, String, String)>,
}

impl Fall {
    fn below(tx: &Tx<'_>, root: &Row) -> Result<Fall, SaveError> {
        let mut fall = Fall { rows: vec![root.clone()], cleared: Vec::new() };
        let mut seen: HashSet<String> = [root.id().to_owned()].into();
        let mut next = 0;
        while next < fall.rows.len() {
            let row = fall.rows[next].clone();
            next += 1;
            for relationship in &tx.schema.plan(&row.object).below {
                fall.take_children(tx, &row, relationship, &mut seen)?;
            }
        }
        let falls: HashSet<&String> = seen.iter().collect();
        fall.cleared.retain(|(_, id, ..)| !falls.contains(id));
        Ok(fall)
    }

    fn take_children(
        &mut self,
        tx: &Tx<'_>,
        row: &Row,
        below: &Below,
        seen: &mut HashSet<String>,
    ) -> Result<(), SaveError> {
        // A table that was never used has no children; making it to find none would be dear.
        let Some(mut statement) = tx.conn.if_there(&below.sql)? else { return Ok(()) };
        let ids: Vec<String> = statement.query_map([row.id()], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        if below.restricted && ids.iter().any(|id| !seen.contains(id)) {
            return Err(refused(tx, row, &below.object, &ids));
        }
        for id in ids {
            if below.cascade {
                if seen.insert(id.clone())
                    && let Some(row) = tx.row(&below.object, &id)
                {
                    self.rows.push(row);
                }
            } else if below.field.nillable {
                self.cleared.push((below.object.clone(), id, below.field.name.clone(), row.id().to_owned()));
            }
        }
        Ok(())
    }

    fn happen(self, tx: &mut Tx<'_>, caller: &Caller, root: &str, to_bin: bool) -> Result<(), SaveError> {
        let touched = self.rows.iter().map(Row::id).chain(self.cleared.iter().map(|(_, id, ..)| id.as_str()));
        touched.into_iter().try_for_each(|id| lock(tx, id))?;
        for (object, id, field, was) in &self.cleared {
            let stamp = Value::Int(audit::second(tx.now));
            tx.update_row(object, id, &[field, "SystemModstamp"], &[&Value::Null, &stamp])?;
            if to_bin {
                let sql = "INSERT OR REPLACE INTO _cleared VALUES (?1, ?2, ?3, ?4, ?5)";
                tx.note(sql, &[&root, &object.name, id, field, was])?;
            }
        }
        for row in &self.rows {
            if to_bin && row.object.has("IsDeleted") {
                set_deleted(tx, row, true)?;
                let sql = "INSERT OR REPLACE INTO _recycle VALUES (?1, ?2, ?3, ?4)";
                tx.note(sql, &[&row.id(), &row.object.name, &root, &tx.now])?;
                delete_event::record(tx, caller, row)?;
            } else {
                remove(tx, row)?;
            }
        }
        follow_up(tx, caller, &self.rows)
    }
}

fn refused(tx: &Tx<'_>, row: &Row, child: &Object, ids: &[String]) -> SaveError {
    let name = |row: &Row| {
        let field = row.object.name_field().map_or("Id", |field| field.name.as_str()).to_owned();
        row.text(&field).to_owned()
    };
    let names: Vec<String> = ids.iter().take(10).filter_map(|id| tx.row(child, id)).map(|row| name(&row)).collect();
    let message = format!(
        "Your attempt to delete {} could not be completed because it is associated with the following {}.: {}",
        name(row),
        child.label_plural.to_lowercase(),
        names.join(", ")
    );
    SaveError::new("DELETE_FAILED", message, &[])
}

fn set_deleted(tx: &Tx<'_>, row: &Row, deleted: bool) -> Result<(), SaveError> {
    if row.object.name == "ContentDocument" {
        rules::note::set_deleted(tx, row.id(), deleted)?;
    }
    let stamp = Value::Int(audit::second(tx.now));
    tx.update_row(&row.object, row.id(), &["IsDeleted", "SystemModstamp"], &[&Value::Bool(deleted), &stamp])?;
    Ok(())
}

/// Removes a row for good, and with it what the recycle bin still has of it: no record that is brought back later may point
/// at one that is gone.
fn remove(tx: &Tx<'_>, row: &Row) -> Result<(), SaveError> {
    if row.object.name == "ContentDocument"
        && let Some(notes) = tx.schema.object("ContentNote")
    {
        tx.delete_row(notes, row.id())?;
    }
    tx.delete_row(&row.object, row.id())?;
    delete_event::withdraw(tx, row)?;
    tx.note("INSERT OR REPLACE INTO _purged VALUES (?1, ?2, ?3)", &[&row.id(), &row.object.name, &tx.now])?;
    tx.note("DELETE FROM _cleared WHERE was = ?1", &[&row.id()])?;
    for below in tx.schema.plan(&row.object).below.iter().filter(|below| below.object.has("IsDeleted")) {
        let sql = format!(
            "SELECT \"Id\" FROM \"{}\" WHERE \"{}\" = ?1 AND \"IsDeleted\" = 1",
            below.object.name, below.field.name
        );
        let Some(mut statement) = tx.conn.if_there(&sql)? else { continue };
        let ids: Vec<String> = statement.query_map([row.id()], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for id in ids {
            if !below.cascade && below.field.nillable {
                tx.update_row(&below.object, &id, &[&below.field.name], &[&Value::Null])?;
            } else if let Some(child) = tx.row(&below.object, &id).filter(|_| below.cascade) {
                remove(tx, &child)?;
                tx.note("DELETE FROM _recycle WHERE id = ?1", &[&child.id()])?;
            }
        }
    }
    Ok(())
}

/// Empties one entry of the recycle bin: a root with all that fell with it, or one record that fell with a root.
pub(super) fn purge(tx: &mut Tx<'_>, id: &str) -> Result<(), SaveError> {
    let mut rows = members(tx, id);
    if rows.is_empty() {
        rows.extend(any_row(tx, id));
    }
    for row in &rows {
        remove(tx, row)?;
        tx.note("DELETE FROM _recycle WHERE id = ?1", &[&row.id()])?;
    }
    tx.note("DELETE FROM _cleared WHERE root_id = ?1", &[&id])?;
    Ok(())
}

fn check_unique(tx: &Tx<'_>, row: &Row) -> Result<(), SaveError> {
    let plan = tx.schema.plan(&row.object);
    for &at in plan.unique.iter().filter(|&&at| !row.values[at].is_null()) {
        let field = &row.object.fields[at].name;
        if let Some(other) = unique::holder(tx, &row.object, field, &row.values[at], row.id()) {
            return Err(SaveError::duplicate_value(field, &other));
        }
    }
    Ok(())
}

fn put_lookups_back(tx: &Tx<'_>, root: &str) -> Result<(), SaveError> {
    let mut statement = tx.conn.prepare_cached("SELECT object, id, field, was FROM _cleared WHERE root_id = ?1")?;
    let found = statement.query_map([root], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let found: Vec<(String, String, String, String)> = found.collect::<rusqlite::Result<_>>()?;
    for (object, id, field, was) in found {
        let Some(object) = tx.schema.object(&object).cloned() else { continue };
        if tx.row(&object, &id).is_some_and(|row| row.get(&field).is_null()) {
            let stamp = Value::Int(audit::second(tx.now));
            tx.update_row(&object, &id, &[&field, "SystemModstamp"], &[&Value::Text(was), &stamp])?;
        }
    }
    tx.note("DELETE FROM _cleared WHERE root_id = ?1", &[&root])?;
    Ok(())
}

/// Roll-ups and amounts of parents, and formulas of the rows themselves.
fn follow_up(tx: &mut Tx<'_>, caller: &Caller, rows: &[Row]) -> Result<(), SaveError> {
    for row in rows {
        rollup::feed_row(tx, row);
        formula::refresh(tx, &row.object, row.id());
        rules::after_delete_or_undelete(tx, caller, row)?;
    }
    Ok(())
}
