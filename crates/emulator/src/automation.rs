// SPDX-License-Identifier: Apache-2.0
//! Automation: what customers configure to happen when records are saved, read from the deployed components.
//!
//! Components become an [`Automation`] once, when the first record is saved after metadata changed, and are looked up by object
//! from then on: saving a record never parses XML, and an org without rules pays one comparison for each row. What is outside
//! of the emulated subset is kept and has no effect; [`judge`] says so when it is deployed, [`Automation::standings`] later.
//!
//! Saves of the platform itself (worlds, tests' `Org::insert`, rows that follow from other rows) run none of it.

mod assignment;
mod condition;
mod duplicate;
mod effect;
mod matching;
mod validation;
mod workflow;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use crate::error::SaveError;
use crate::metadata::{self, Node};
use crate::org::Org;
use crate::record::{self, Again, Draft, RecordTypeRules};
use crate::schema::{Object, Schema};
use crate::store::{Row, Tx};
use crate::user::Caller;
use crate::value::Value;
use assignment::AssignmentRule;
use duplicate::{DuplicateRule, Reported};
use effect::{Effect, Moment};
use validation::ValidationRule;
use workflow::WorkflowRule;

/// How a component stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The metadata type.
    pub kind: &'static str,
    pub full_name: String,
    /// Whether its own XML says that it is on.
    pub active: bool,
    /// Why it has no effect although it is on.
    pub reason: Option<String>,
}

/// What is configured for one object.
#[derive(Debug, Default)]
pub struct OfObject {
    validations: Vec<ValidationRule>,
    workflow: Vec<WorkflowRule>,
    assignment: Vec<AssignmentRule>,
    duplicates: Vec<DuplicateRule>,
    effects: Vec<Effect>,
}

/// What is configured in an org.
#[derive(Debug, Default)]
pub struct Automation {
    objects: HashMap<String, Arc<OfObject>>,
    pub(crate) record_types: RecordTypeRules,
    /// Every component that could have an effect, by type and name.
    pub standings: Vec<Standing>,
}

/// The automation of the org with what it was read under.
#[derive(Default)]
pub struct Kept {
    reading: RefCell<Option<Reading>>,
    /// How many effects are happening within each other.
    depth: Cell<u32>,
}

struct Reading {
    generation: u64,
    schema: Arc<Schema>,
    automation: Arc<Automation>,
}

/// What the rules found of a record that they let pass.
#[derive(Default)]
pub struct Judged(Vec<Reported>);

/// What becomes of a component that is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Works,
    /// Salesforce would refuse it, with this text.
    Wrong(String),
    /// It is outside of the emulated subset.
    Dormant(String),
}

/// What whoever deploys reads about a component without effect.
pub fn note(reason: &str) -> String {
    format!("The emulator keeps this component and takes it for inactive: {reason}")
}

/// Judges a component before it is saved.
pub fn judge(schema: &Schema, kind: &str, full_name: &str, node: Option<&Node>) -> Verdict {
    let Some(node) = node else { return Verdict::Works };
    match kind {
        "ValidationRule" => validation::judge(schema, full_name, node),
        "DuplicateRule" | "MatchingRule" => duplicate::judge(schema, kind, full_name, node),
        "AssignmentRule" => assignment::judge(schema, full_name, node),
        "WorkflowFieldUpdate" | "WorkflowRule" => workflow::judge(schema, kind, full_name, node),
        _ => Verdict::Works,
    }
}

/// The automation of the org.
pub fn all(tx: &Tx<'_>) -> Arc<Automation> {
    let generation = metadata::generation(tx);
    let mut kept = tx.automation().reading.borrow_mut();
    if let Some(reading) = &*kept
        && reading.generation == generation
        && Arc::ptr_eq(&reading.schema, &tx.schema)
    {
        return reading.automation.clone();
    }
    let automation = Arc::new(Automation::read(tx));
    *kept = Some(Reading { generation, schema: tx.schema.clone(), automation: automation.clone() });
    automation
}

/// The automation of an org into which something was deployed.
pub(crate) fn deployed(tx: &Tx<'_>) -> Option<Arc<Automation>> {
    (metadata::generation(tx) > 0).then(|| all(tx))
}

/// What is configured for records of an object that this caller saves.
pub fn of(tx: &Tx<'_>, caller: &Caller, object: &Object) -> Option<Arc<OfObject>> {
    let automation = if caller.bypass { None } else { deployed(tx) }?;
    if automation.objects.is_empty() { None } else { automation.objects.get(&object.name).cloned() }
}

impl Automation {
    fn read(tx: &Tx<'_>) -> Automation {
        let mut objects: HashMap<String, OfObject> = HashMap::new();
        let mut standings = Vec::new();
        validation::read(tx, &mut objects, &mut standings);
        workflow::read(tx, &mut objects, &mut standings);
        assignment::read(tx, &mut objects, &mut standings);
        duplicate::read(tx, &mut objects, &mut standings);
        effect::read(tx, &mut objects, &mut standings);
        let objects = objects.into_iter().map(|(name, of)| (name, Arc::new(of))).collect();
        Automation { objects, record_types: RecordTypeRules::deployed(tx), standings }
    }
}

impl Standing {
    fn new(kind: &'static str, full_name: String, active: bool, verdict: Verdict) -> Standing {
        let reason = match verdict {
            Verdict::Works => None,
            Verdict::Wrong(text) | Verdict::Dormant(text) => Some(text),
        };
        Standing { kind, full_name, active, reason }
    }
}

/// One more effect within others; at most [`MOST_DEPTH`].
struct Depth(u32);

/// Salesforce documents that triggers may set each other off 16 deep.
const MOST_DEPTH: u32 = 16;

impl Depth {
    fn enter(tx: &Tx<'_>) -> Option<Depth> {
        let depth = tx.automation().depth.get();
        tx.automation().depth.set(depth + 1);
        if depth < MOST_DEPTH {
            return Some(Depth(depth));
        }
        tx.automation().depth.set(depth);
        None
    }

    fn leave(self, tx: &Tx<'_>) {
        tx.automation().depth.set(self.0);
    }
}

/// Before a record is deleted.
///
/// # Errors
/// What a trigger refuses.
pub(crate) fn before_delete(tx: &mut Tx<'_>, caller: &Caller, row: &Row) -> Result<(), SaveError> {
    around(tx, caller, Moment::BeforeDelete, row)
}

pub(crate) fn after_delete(tx: &mut Tx<'_>, caller: &Caller, row: &Row) -> Result<(), SaveError> {
    around(tx, caller, Moment::AfterDelete, row)
}

pub(crate) fn after_undelete(tx: &mut Tx<'_>, caller: &Caller, row: &Row) -> Result<(), SaveError> {
    around(tx, caller, Moment::AfterUndelete, row)
}

fn around(tx: &mut Tx<'_>, caller: &Caller, moment: Moment, row: &Row) -> Result<(), SaveError> {
    of(tx, caller, &row.object).map_or(Ok(()), |automation| automation.around(tx, caller, moment, row))
}

impl Org {
    /// Declares what Apex triggers and flows do (the module `effect` has the form), in place of what was declared before.
    ///
    /// # Errors
    /// What is wrong with the text, in words.
    pub fn set_effects(&self, text: &str) -> Result<(), String> {
        effect::parse(text)?;
        self.write(|tx| {
            metadata::step_generation(tx);
            effect::keep(tx, text).map_err(|error| error.to_string())
        })
    }
}

/// Automation acts for the user, who needs no rights for what it does.
fn system(caller: &Caller) -> Caller {
    let permissions = ["ModifyAllData", "ViewAllData"].iter().map(|name| (*name).to_owned()).collect();
    Caller { rights: None, permissions: Arc::new(permissions), auto_assign: false, ..caller.clone() }
}

impl OfObject {
    /// What happens before the record is judged.
    pub fn before(&self, tx: &mut Tx<'_>, caller: &Caller, draft: &mut Draft) -> Result<(), SaveError> {
        self.triggers_before(tx, caller, draft)
    }

    pub fn triggers_before(&self, tx: &mut Tx<'_>, caller: &Caller, draft: &mut Draft) -> Result<(), SaveError> {
        let moment = if draft.is_new() { Moment::BeforeInsert } else { Moment::BeforeUpdate };
        effect::run(tx, caller, &self.effects, moment, draft)
    }

    pub fn triggers_after(&self, tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
        let moment = if draft.is_new() { Moment::AfterInsert } else { Moment::AfterUpdate };
        if self.effects.is_empty() {
            return Ok(());
        }
        let standing = Draft::standing(draft.object.clone(), draft.id.clone(), draft.values.clone());
        effect::run(tx, caller, &self.effects, moment, &mut Draft { old: draft.old.clone(), ..standing })
    }

    /// What happens around a delete and an undelete.
    fn around(&self, tx: &mut Tx<'_>, caller: &Caller, moment: Moment, row: &Row) -> Result<(), SaveError> {
        let standing = Draft::standing(row.object.clone(), row.id().to_owned(), row.values.clone());
        effect::run(tx, caller, &self.effects, moment, &mut Draft { old: Some(row.values.clone()), ..standing })
    }

    /// What happens when the record was written.
    pub fn after(&self, tx: &mut Tx<'_>, caller: &Caller, draft: &Draft, judged: Judged) -> Result<(), SaveError> {
        duplicate::report(&self.duplicates, tx, caller, &draft.id, judged.0)?;
        self.triggers_after(tx, caller, draft)?;
        let Some(mut working) = self.reread(tx, draft) else { return Ok(()) };
        let assigned = assignment::assign(tx, caller, &self.assignment, &mut working)?;
        let updated = workflow::run(tx, caller, &self.workflow, &mut working)?;
        if assigned || updated {
            let before: Option<Vec<Value>> = draft.old.clone();
            let again = Again { automation: self, before, fires: updated };
            record::resave(tx, &system(caller), &draft.object, &draft.id, working.values, &again)?;
        }
        Ok(())
    }

    /// The record as it is stored now, with what it was before the save; none when nobody asks, or when it is gone.
    fn reread(&self, tx: &Tx<'_>, draft: &Draft) -> Option<Draft> {
        if self.workflow.is_empty() && self.assignment.is_empty() {
            return None;
        }
        let row = tx.row(&draft.object, &draft.id)?;
        let standing = Draft::standing(draft.object.clone(), draft.id.clone(), row.values);
        Some(Draft { old: draft.old.clone(), ..standing })
    }

    /// Refuses what the rules do not allow. The draft's formulas must have been computed.
    ///
    /// # Errors
    /// `FIELD_CUSTOM_VALIDATION_EXCEPTION`, once for each rule that is broken; else `DUPLICATES_DETECTED`.
    pub fn check(&self, tx: &Tx<'_>, caller: &Caller, draft: &Draft) -> Result<Judged, SaveError> {
        validation::check(&self.validations, tx, caller, draft)?;
        duplicate::check(&self.duplicates, tx, caller, draft).map(Judged)
    }
}
