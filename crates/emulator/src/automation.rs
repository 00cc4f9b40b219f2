// SPDX-License-Identifier: Apache-2.0
//! Automation: what customers configure to happen when records are saved, read from the deployed components.
//!
//! Components become an [`Automation`] once, when the first record is saved after metadata changed, and are looked up by object
//! from then on: saving a record never parses XML, and an org without rules pays one comparison for each row. What is outside
//! of the emulated subset is kept and has no effect; [`judge`] says so when it is deployed, [`Automation::standings`] later.
//!
//! Saves of the platform itself (worlds, tests' `Org::insert`, rows that follow from other rows) run none of it.

mod condition;
mod validation;
mod workflow;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::error::SaveError;
use crate::metadata::{self, Node};
use crate::record::{self, Again, Draft, RecordTypeRules};
use crate::schema::{Object, Schema};
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;
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
pub struct Kept(RefCell<Option<Reading>>);

struct Reading {
    generation: u64,
    schema: Arc<Schema>,
    automation: Arc<Automation>,
}

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
        "WorkflowFieldUpdate" | "WorkflowRule" => workflow::judge(schema, kind, full_name, node),
        _ => Verdict::Works,
    }
}

/// The automation of the org.
pub fn all(tx: &Tx<'_>) -> Arc<Automation> {
    let generation = metadata::generation(tx);
    let mut kept = tx.automation().0.borrow_mut();
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

/// Automation acts for the user, who needs no rights for what it does.
fn system(caller: &Caller) -> Caller {
    let permissions = ["ModifyAllData", "ViewAllData"].iter().map(|name| (*name).to_owned()).collect();
    Caller { rights: None, permissions: Arc::new(permissions), ..caller.clone() }
}

impl OfObject {
    /// What happens before the record is judged.
    pub fn before(&self, tx: &mut Tx<'_>, caller: &Caller, draft: &mut Draft) -> Result<(), SaveError> {
        self.triggers_before(tx, caller, draft)
    }

    pub fn triggers_before(&self, _tx: &mut Tx<'_>, _caller: &Caller, _draft: &mut Draft) -> Result<(), SaveError> {
        Ok(())
    }

    pub fn triggers_after(&self, _tx: &mut Tx<'_>, _caller: &Caller, _draft: &Draft) -> Result<(), SaveError> {
        Ok(())
    }

    /// What happens when the record was written.
    pub fn after(&self, tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
        self.triggers_after(tx, caller, draft)?;
        let Some(mut working) = self.reread(tx, draft) else { return Ok(()) };
        let updated = workflow::run(tx, caller, &self.workflow, &mut working)?;
        if updated {
            let before: Option<Vec<Value>> = draft.old.clone();
            let again = Again { automation: self, before, fires: true };
            record::resave(tx, caller, &draft.object, &draft.id, working.values, &again)?;
        }
        Ok(())
    }

    /// The record as it is stored now, with what it was before the save; none when nobody asks, or when it is gone.
    fn reread(&self, tx: &Tx<'_>, draft: &Draft) -> Option<Draft> {
        if self.workflow.is_empty() {
            return None;
        }
        let row = tx.row(&draft.object, &draft.id)?;
        let standing = Draft::standing(draft.object.clone(), draft.id.clone(), row.values);
        Some(Draft { old: draft.old.clone(), ..standing })
    }

    /// Refuses what the rules do not allow. The draft's formulas must have been computed.
    ///
    /// # Errors
    /// `FIELD_CUSTOM_VALIDATION_EXCEPTION`, once for each rule that is broken.
    pub fn check(&self, tx: &Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
        validation::check(&self.validations, tx, caller, draft)
    }
}
