// SPDX-License-Identifier: Apache-2.0
//! Insert and update: the order of a save (`salesforce-api.md` 6.5, without what customers program).

use std::sync::Arc;

use super::access::{self, Deed};
use super::convert::{Converted, convert};
use super::draft::Draft;
use super::plan::Plan;
use super::rules::OwnerChange;
use super::{Fields, Input, audit, formula, hierarchy, history, number, record_type, reference, rollup, rules, unique};
use crate::automation::{self, Judged, OfObject};
use crate::error::SaveError;
use crate::id;
use crate::rights;
use crate::schema::Object;
use crate::sharing::Level;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

/// Creates a row and answers its Id.
pub fn insert(tx: &mut Tx<'_>, caller: &Caller, object: &Object, fields: Fields) -> Result<String, SaveError> {
    insert_with(tx, caller, object, fields, true)
}

/// `audit_allowed`: whether the call may give audit fields, which an upsert may not.
pub(super) fn insert_with(
    tx: &mut Tx<'_>,
    caller: &Caller,
    object: &Object,
    fields: Fields,
    audit_allowed: bool,
) -> Result<String, SaveError> {
    tx.acts(caller);
    let object = current(tx, object)?;
    access::check_object(caller, &object, Deed::Create)?;
    if fields.iter().any(|(name, input)| name.eq_ignore_ascii_case("Id") && *input != Input::Null) && !caller.bypass {
        let message = "cannot specify Id in an insert call";
        return Err(SaveError::new("INVALID_FIELD_FOR_INSERT_UPDATE", message, &["Id"]));
    }
    let plan = tx.schema.plan(&object);
    let automation = automation::of(tx, caller, &object);
    let fields: Fields = fields.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("Id")).collect();
    let places = access::positions(&tx.schema, &object, caller, &fields, true, audit_allowed)?;
    let width = object.fields.len();
    let mut draft = Draft {
        object: object.clone(),
        id: String::new(),
        values: vec![Value::Null; width],
        given: vec![false; width],
        blobs: Vec::new(),
        old: None,
        owner_change: OwnerChange::default(),
    };
    take(tx, &mut draft, fields, &places)?;
    fill_defaults(tx, caller, &plan, &mut draft);
    if let Some(automation) = &automation {
        formula::compute(tx, &plan, &mut draft);
        automation.before(tx, caller, &mut draft)?;
    }
    record_type::narrow(tx, caller, plan.record_type, &mut draft)?;
    rules::before(tx, caller, &mut draft)?;
    require(&plan, &draft)?;
    reference::check(tx, caller, &plan, &mut draft)?;
    rules::check(tx, caller, &draft)?;
    let judged = match &automation {
        Some(automation) => {
            formula::compute(tx, &plan, &mut draft);
            automation.check(tx, caller, &draft)?
        }
        None => Judged::default(),
    };
    unique::check(tx, &plan, &draft)?;
    lock_masters(tx, &plan, &draft)?;
    draft.id = tx.next_id(&object);
    draft.values[plan.id] = Value::Text(draft.id.clone());
    name_by_id(&plan, &mut draft);
    audit::stamp(tx.now, caller, &plan, &mut draft)?;
    number::assign(tx, &plan, &mut draft);
    rollup::start(&plan, &mut draft);
    formula::compute(tx, &plan, &mut draft);
    if object.name.ends_with("__e") {
        // Platform events are published and never stored as rows (`salesforce-api.md` 2.4).
        tx.capture().publish(tx, &object, &draft.values);
        return Ok(draft.id);
    }
    tx.insert_row(&object, &draft.values)?;
    put_blobs(tx, &draft)?;
    history::record(tx, caller, &draft)?;
    rules::after(tx, caller, &draft)?;
    rollup::feed(tx, &plan, &draft);
    if let Some(automation) = &automation {
        automation.after(tx, caller, &draft, judged)?;
    }
    Ok(draft.id)
}

/// Changes a row.
pub fn update(tx: &mut Tx<'_>, caller: &Caller, object: &Object, id: &str, fields: Fields) -> Result<(), SaveError> {
    update_with(tx, caller, object, id, fields, OwnerChange::default())
}

/// Changes a row, and says what goes along when that gives it another owner (SOAP's `OwnerChangeOptions`).
pub fn update_with(
    tx: &mut Tx<'_>,
    caller: &Caller,
    object: &Object,
    id: &str,
    fields: Fields,
    owner_change: OwnerChange,
) -> Result<(), SaveError> {
    tx.acts(caller);
    let object = current(tx, object)?;
    let id = id::to18(id).ok_or_else(|| SaveError::malformed_id(id, "Id"))?;
    if object.key_prefix.as_deref().is_some_and(|prefix| !id.starts_with(prefix)) {
        let label = object.field("Id").map_or("Record ID", |field| field.label.as_str());
        return Err(SaveError::wrong_object_id(label, &id, "Id"));
    }
    access::check_object(caller, &object, Deed::Edit)?;
    let row = tx.row(&object, &id).ok_or_else(|| SaveError::invalid_cross_reference(&[]))?;
    lock(tx, &id)?;
    if row.is_deleted() && !caller.bypass {
        return Err(SaveError::entity_is_deleted());
    }
    access::check_row(tx, caller, &object, &id, Level::Edit)?;
    let plan = tx.schema.plan(&object);
    let automation = automation::of(tx, caller, &object);
    let fields: Fields = fields.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("Id")).collect();
    let places = access::positions(&tx.schema, &object, caller, &fields, false, false)?;
    let given = vec![false; object.fields.len()];
    let values = row.values.clone();
    let mut draft = Draft { object, id, values, given, blobs: Vec::new(), old: Some(row.values), owner_change };
    take(tx, &mut draft, fields, &places)?;
    if let Some(automation) = &automation {
        formula::compute(tx, &plan, &mut draft);
        automation.before(tx, caller, &mut draft)?;
    }
    let judge = |tx: &Tx<'_>, draft: &mut Draft| match &automation {
        Some(automation) => {
            formula::compute(tx, &plan, draft);
            automation.check(tx, caller, draft)
        }
        None => Ok(Judged::default()),
    };
    if let (Some(judged), Some(automation)) = (write_update(tx, caller, &plan, &mut draft, judge)?, &automation) {
        automation.after(tx, caller, &draft, judged)?;
    }
    Ok(())
}

/// A further write of a record within the save of it.
pub(crate) struct Again<'a> {
    pub automation: &'a OfObject,
    /// What triggers are told that the record was: none for one that is being created.
    pub before: Option<Vec<Value>>,
    /// Whether triggers see it.
    pub fires: bool,
}

/// Writes what automation set, after the record was saved: the platform's own rules hold for it, those of customers do not
/// (`salesforce-api.md` 6.5). `values` are those to be.
pub(crate) fn resave(
    tx: &mut Tx<'_>,
    caller: &Caller,
    object: &Arc<Object>,
    id: &str,
    values: Vec<Value>,
    again: &Again<'_>,
) -> Result<(), SaveError> {
    let row = tx.row(object, id).ok_or_else(|| SaveError::invalid_cross_reference(&[]))?;
    let plan = tx.schema.plan(object);
    let mut draft = Draft::standing(object.clone(), id.to_owned(), values);
    draft.given = draft.values.iter().zip(&row.values).map(|(new, old)| new != old).collect();
    draft.old = again.before.clone().or_else(|| Some(row.values.clone()));
    if again.fires {
        formula::compute(tx, &plan, &mut draft);
        again.automation.triggers_before(tx, caller, &mut draft)?;
    }
    let told = draft.old.replace(row.values);
    if write_update(tx, caller, &plan, &mut draft, |_, _| Ok(Judged::default()))?.is_some() && again.fires {
        draft.old = told;
        again.automation.triggers_after(tx, caller, &draft)?;
    }
    Ok(())
}

/// From a draft's values to the row and what follows: what `judge` found, or none when the row said nothing any more and is gone.
fn write_update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    plan: &Plan,
    draft: &mut Draft,
    judge: impl FnOnce(&Tx<'_>, &mut Draft) -> Result<Judged, SaveError>,
) -> Result<Option<Judged>, SaveError> {
    record_type::narrow(tx, caller, plan.record_type, draft)?;
    rules::before(tx, caller, draft)?;
    require_given(draft)?;
    reference::check(tx, caller, plan, draft)?;
    hierarchy::check(tx, draft)?;
    rules::check(tx, caller, draft)?;
    let judged = judge(tx, draft)?;
    unique::check(tx, plan, draft)?;
    name_by_id(plan, draft);
    audit::stamp(tx.now, caller, plan, draft)?;
    formula::compute(tx, plan, draft);
    write_changes(tx, draft)?;
    if !caller.bypass && rights::removes(draft) {
        tx.delete_row(&draft.object, &draft.id)?;
        return Ok(None);
    }
    put_blobs(tx, draft)?;
    history::record(tx, caller, draft)?;
    rules::after(tx, caller, draft)?;
    rollup::feed(tx, plan, draft);
    if !plan.looked_at_by.is_empty() {
        let changes = draft.changes();
        let changed: Vec<&str> = changes.iter().map(|&at| draft.object.fields[at].name.as_str()).collect();
        formula::refresh_onlookers(tx, plan, &draft.id, &changed);
    }
    Ok(Some(judged))
}

/// The object as the transaction's schema has it; the caller may hold an older one.
fn current(tx: &Tx<'_>, object: &Object) -> Result<Arc<Object>, SaveError> {
    let known = tx.schema.object(&object.name).cloned();
    known
        .ok_or_else(|| SaveError::new("INVALID_TYPE", format!("sObject type '{}' is not supported.", object.name), &[]))
}

/// Refuses to write a row that another transaction holds (`salesforce-api.md` 6.6).
pub(super) fn lock(tx: &Tx<'_>, id: &str) -> Result<(), SaveError> {
    if !tx.is_locked(id) {
        return Ok(());
    }
    let message = format!("unable to obtain exclusive access to this record or 1 records: {id}");
    Err(SaveError::new("UNABLE_TO_LOCK_ROW", message, &[]))
}

/// A detail holds its masters while it is written.
fn lock_masters(tx: &Tx<'_>, plan: &Plan, draft: &Draft) -> Result<(), SaveError> {
    if !tx.has_locks() {
        return Ok(());
    }
    let masters = plan.references.iter().filter(|&&at| draft.object.fields[at].is_master_detail());
    masters.filter_map(|&at| draft.values[at].as_str()).try_for_each(|id| lock(tx, id))
}

/// Puts what the caller gave in its place.
fn take(tx: &Tx<'_>, draft: &mut Draft, fields: Fields, places: &[usize]) -> Result<(), SaveError> {
    let object = draft.object.clone();
    for ((_, input), &at) in fields.into_iter().zip(places) {
        let field = &object.fields[at];
        draft.given[at] = true;
        let converted = match input {
            Input::Parent(names) => Converted::Value(reference::parent(tx, field, names)?),
            input => convert(field, input)?,
        };
        match converted {
            Converted::Value(value) => draft.values[at] = value,
            Converted::Body(body) => draft.blobs.push((at, body)),
        }
    }
    Ok(())
}

fn fill_defaults(tx: &Tx<'_>, caller: &Caller, plan: &Plan, draft: &mut Draft) {
    for (at, value) in &plan.defaults {
        if !draft.given[*at] && draft.values[*at].is_null() {
            draft.values[*at] = value.clone();
        }
    }
    if let Some(at) = plan.owner
        && draft.values[at].is_null()
    {
        draft.values[at] = Value::Text(caller.user_id.clone());
    }
    let Some(at) = plan.record_type.filter(|&at| !draft.given[at]) else { return };
    let own = record_type::default_of(tx, caller, &draft.object.name);
    if let Some(kind) = own.or_else(|| plan.default_record_type.clone()) {
        draft.values[at] = Value::Text(kind);
    }
}

fn require(plan: &Plan, draft: &Draft) -> Result<(), SaveError> {
    let absent = |at: &&usize| draft.values[**at].is_null() && !draft.blobs.iter().any(|(blob, _)| blob == *at);
    let missing: Vec<String> =
        plan.required.iter().filter(absent).map(|&at| draft.object.fields[at].name.clone()).collect();
    if missing.is_empty() { require_given(draft) } else { Err(SaveError::required(missing)) }
}

/// A null given to a field that must have a value.
fn require_given(draft: &Draft) -> Result<(), SaveError> {
    let emptied = |(at, field): (usize, &Arc<crate::schema::Field>)| {
        let empty = draft.given[at] && draft.values[at].is_null() && !draft.blobs.iter().any(|(blob, _)| *blob == at);
        (empty && !field.nillable).then(|| field.name.clone())
    };
    let missing: Vec<String> = draft.object.fields.iter().enumerate().filter_map(emptied).collect();
    if missing.is_empty() { Ok(()) } else { Err(SaveError::required(missing)) }
}

fn name_by_id(plan: &Plan, draft: &mut Draft) {
    if let Some(at) = plan.name_by_id
        && draft.values[at].is_null()
    {
        draft.values[at] = Value::Text(draft.id.clone());
    }
}

fn write_changes(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let changes: Vec<usize> = draft.changes().into_iter().filter(|&at| draft.object.fields[at].stored()).collect();
    let columns: Vec<&str> = changes.iter().map(|&at| draft.object.fields[at].name.as_str()).collect();
    let values: Vec<&Value> = changes.iter().map(|&at| &draft.values[at]).collect();
    tx.update_row(&draft.object, &draft.id, &columns, &values)?;
    Ok(())
}

fn put_blobs(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    for (at, body) in &draft.blobs {
        tx.put_body(&draft.object, &draft.id, &draft.object.fields[*at].name, body)?;
    }
    Ok(())
}
