// SPDX-License-Identifier: Apache-2.0
//! What Apex triggers and flows do, as far as tests need it: declared in a file, since the emulator runs neither.
//!
//! `orgkeep-emulator.json` in the folder of a project, or any file of this form that the settings name:
//!
//! ```json
//! {"effects": [
//!   {"trigger": "CasePriority", "object": "Case", "on": ["before insert"], "if": "ISBLANK(TEXT(Priority))", "set": {"Priority": "High"}},
//!   {"flow": "Follow_Up", "object": "Lead", "on": ["after insert"], "create": {"object": "Task", "formulas": {"WhoId": "Id"}, "set": {"Subject": "Call"}}},
//!   {"trigger": "KeepWon", "object": "Opportunity", "on": ["before delete"], "if": "IsWon", "add_error": {"message": "Won deals stay", "field": "StageName"}}
//! ]}
//! ```
//!
//! An effect belongs to a deployed `ApexTrigger` or `Flow` and has none while that is missing, inactive, or, as far as its first
//! line tells, about another object or moment. `if` and `formulas` are formulas of rules. In a before moment `set` and `formulas`
//! set fields of the record; in an after moment the record is updated once more, as by DML, when that changes it. `create` makes
//! another record for the user, with all rights. `add_error` refuses the record: on its field, or as a whole.
//!
//! Triggers fire once for each record here, where a real org fires them once for 200.

use std::collections::BTreeMap;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::condition::{Condition, plain, read_formula};
use super::{OfObject, Standing, Verdict, system};
use crate::error::SaveError;
use crate::metadata::component;
use crate::record::formula::RuleFormula;
use crate::record::{self, Draft, Fields, Input};
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

/// When a trigger fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Moment {
    #[serde(rename = "before insert")]
    BeforeInsert,
    #[serde(rename = "before update")]
    BeforeUpdate,
    #[serde(rename = "before delete")]
    BeforeDelete,
    #[serde(rename = "after insert")]
    AfterInsert,
    #[serde(rename = "after update")]
    AfterUpdate,
    #[serde(rename = "after delete")]
    AfterDelete,
    #[serde(rename = "after undelete")]
    AfterUndelete,
}

impl Moment {
    fn is_before(self) -> bool {
        matches!(self, Moment::BeforeInsert | Moment::BeforeUpdate | Moment::BeforeDelete)
    }

    /// As a trigger's first line has it.
    fn written(self) -> &'static str {
        match self {
            Moment::BeforeInsert => "before insert",
            Moment::BeforeUpdate => "before update",
            Moment::BeforeDelete => "before delete",
            Moment::AfterInsert => "after insert",
            Moment::AfterUpdate => "after update",
            Moment::AfterDelete => "after delete",
            Moment::AfterUndelete => "after undelete",
        }
    }

    /// As errors name it.
    fn named(self) -> String {
        self.written().split(' ').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
    }
}

/// The file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effects {
    effects: Vec<Declared>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    trigger: Option<String>,
    flow: Option<String>,
    object: String,
    on: Vec<Moment>,
    #[serde(rename = "if")]
    condition: Option<String>,
    #[serde(default)]
    set: BTreeMap<String, Json>,
    #[serde(default)]
    formulas: BTreeMap<String, String>,
    create: Option<Created>,
    add_error: Option<AddError>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Created {
    object: String,
    #[serde(default)]
    set: BTreeMap<String, Json>,
    #[serde(default)]
    formulas: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AddError {
    message: String,
    field: Option<String>,
}

/// An effect that works.
#[derive(Debug)]
pub struct Effect {
    name: String,
    is_flow: bool,
    on: Vec<Moment>,
    condition: Condition,
    sets: Vec<(String, Source)>,
    creates: Option<(String, Vec<(String, Source)>)>,
    add_error: Option<AddError>,
}

#[derive(Debug)]
enum Source {
    Literal(Input),
    Formula(RuleFormula),
}

/// Where the text of the file is kept.
const SETTING: &str = "effects";

/// Reads a file of effects.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse(text: &str) -> Result<Effects, String> {
    let effects: Effects = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for one in &effects.effects {
        if one.trigger.is_some() == one.flow.is_some() {
            return Err(format!("an effect on {} names neither one trigger nor one flow", one.object));
        }
    }
    Ok(effects)
}

/// Keeps the text of a file that could be read.
pub fn keep(tx: &Tx<'_>, text: &str) -> rusqlite::Result<()> {
    tx.note("INSERT OR REPLACE INTO _setting (name, value) VALUES (?1, ?2)", &[&SETTING, &text])?;
    Ok(())
}

fn kept(tx: &Tx<'_>) -> Effects {
    let text =
        tx.conn.query_row("SELECT value FROM _setting WHERE name = ?1", [SETTING], |row| row.get::<_, String>(0));
    text.ok().and_then(|text| parse(&text).ok()).unwrap_or_default()
}

/// Reads the effects of what is deployed.
pub fn read(tx: &Tx<'_>, objects: &mut HashMap<String, OfObject>, standings: &mut Vec<Standing>) {
    for declared in kept(tx).effects {
        let (kind, name) = match (&declared.trigger, &declared.flow) {
            (Some(name), _) => ("ApexTrigger", name.clone()),
            (None, flow) => ("Flow", flow.clone().unwrap_or_default()),
        };
        let object = tx.schema.object(&declared.object).map(|object| object.name.clone());
        let verdict = bound(tx, kind, &name, &declared).and_then(|()| effect(tx, &name, &declared));
        let verdict = match (verdict, object) {
            (Ok(effect), Some(object)) => {
                objects.entry(object).or_default().effects.push(effect);
                Verdict::Works
            }
            (Err(verdict), _) => verdict,
            (Ok(_), None) => Verdict::Dormant(format!("there is no object {}", declared.object)),
        };
        standings.push(Standing::new(kind, name, true, verdict));
    }
}

/// Whether the component is there, active, and about this object and these moments.
fn bound(tx: &Tx<'_>, kind: &str, name: &str, declared: &Declared) -> Result<(), Verdict> {
    let dormant = |text: String| Err(Verdict::Dormant(text));
    let Some(found) = component::find(tx, kind, name) else {
        return dormant(format!("no {kind} named {name} is deployed"));
    };
    let status = component::node(tx, &found).map(|node| node.text_of("status").to_owned()).unwrap_or_default();
    if status != "Active" {
        return dormant(format!("the {kind} {name} is not active"));
    }
    let files = component::files(tx, kind, name);
    let body =
        files.iter().find(|(path, _)| path.ends_with(".trigger")).and_then(|(_, body)| std::str::from_utf8(body).ok());
    let Some((object, moments)) = body.and_then(first_line) else { return Ok(()) };
    if !object.eq_ignore_ascii_case(&declared.object) {
        return dormant(format!("the trigger {name} is on {object}, not on {}", declared.object));
    }
    match declared.on.iter().find(|moment| !moments.iter().any(|known| known == moment.written())) {
        Some(moment) => dormant(format!("the trigger {name} does not fire {}", moment.written())),
        None => Ok(()),
    }
}

/// `trigger Name on Object (before insert, after update) {`: object and moments.
fn first_line(body: &str) -> Option<(String, Vec<String>)> {
    let words: Vec<&str> = body.split_whitespace().collect();
    let at = words
        .windows(3)
        .position(|part| part[0].eq_ignore_ascii_case("trigger") && part[2].eq_ignore_ascii_case("on"))?;
    let rest = words[at + 3..].join(" ");
    let (object, rest) = rest.split_once('(')?;
    let (moments, _) = rest.split_once(')')?;
    let clean = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    Some((object.trim().to_owned(), moments.split(',').map(clean).collect()))
}

fn effect(tx: &Tx<'_>, name: &str, declared: &Declared) -> Result<Effect, Verdict> {
    let missing = |name: &str| Verdict::Dormant(format!("there is no object {name}"));
    let object = tx.schema.object(&declared.object).ok_or_else(|| missing(&declared.object))?;
    let sources = |target: &str, set: &BTreeMap<String, Json>, formulas: &BTreeMap<String, String>| {
        let target = tx.schema.object(target).ok_or_else(|| missing(target))?;
        let mut sources = Vec::new();
        for (field, value) in set {
            sources.push((field.clone(), Source::Literal(literal(value))));
        }
        for (field, text) in formulas {
            sources.push((field.clone(), Source::Formula(read_formula(&tx.schema, object, text)?)));
        }
        match sources.iter().find(|(field, _)| !target.has(field)) {
            Some((field, _)) => Err(super::validation::absent(field)),
            None => Ok(sources),
        }
    };
    let condition = match &declared.condition {
        None => Condition::Always,
        Some(text) => Condition::of_formula(&tx.schema, object, text)?,
    };
    let creates = match &declared.create {
        None => None,
        Some(made) => Some((made.object.clone(), sources(&made.object, &made.set, &made.formulas)?)),
    };
    Ok(Effect {
        name: name.to_owned(),
        is_flow: declared.flow.is_some(),
        on: declared.on.clone(),
        condition,
        sets: sources(&declared.object, &declared.set, &declared.formulas)?,
        creates,
        add_error: declared.add_error.clone(),
    })
}

fn literal(value: &Json) -> Input {
    match value {
        Json::Null => Input::Null,
        Json::Bool(on) => Input::Bool(*on),
        Json::Number(number) => Input::Number(number.to_string()),
        Json::String(text) => Input::Text(text.clone()),
        other => Input::Text(other.to_string()),
    }
}

/// Lets the effects of a moment happen. In a before moment they change the draft.
///
/// # Errors
/// What an effect refuses, or what refused the records that it makes.
pub fn run(
    tx: &mut Tx<'_>,
    caller: &Caller,
    effects: &[Effect],
    moment: Moment,
    draft: &mut Draft,
) -> Result<(), SaveError> {
    for effect in effects.iter().filter(|effect| effect.on.contains(&moment)) {
        if effect.condition.holds(tx, caller, draft) {
            effect.happen(tx, caller, moment, draft)?;
        }
    }
    Ok(())
}

impl Effect {
    fn happen(&self, tx: &mut Tx<'_>, caller: &Caller, moment: Moment, draft: &mut Draft) -> Result<(), SaveError> {
        if let Some(AddError { message, field }) = &self.add_error {
            let fields: Vec<&str> = field.as_deref().into_iter().collect();
            return Err(SaveError::new("FIELD_CUSTOM_VALIDATION_EXCEPTION", message.clone(), &fields));
        }
        let depth = super::Depth::enter(tx).ok_or_else(|| self.too_deep(draft, moment))?;
        let done = self.act(tx, caller, moment, draft).map_err(|error| self.failed(moment, &error));
        depth.leave(tx);
        done
    }

    fn act(&self, tx: &mut Tx<'_>, caller: &Caller, moment: Moment, draft: &mut Draft) -> Result<(), SaveError> {
        if moment.is_before() {
            for (field, source) in &self.sets {
                let Some(at) = draft.object.position(field) else { continue };
                draft.values[at] = source.value(tx, caller, draft, &draft.object.fields[at])?;
                draft.given[at] = true;
            }
        } else if !self.sets.is_empty() {
            let mut fields = Fields::new();
            for (field, source) in &self.sets {
                let Some(at) = draft.object.position(field) else { continue };
                let value = source.value(tx, caller, draft, &draft.object.fields[at])?;
                if value != draft.values[at] {
                    fields.push((field.clone(), input(&value, draft.object.fields[at].kind)));
                }
            }
            if !fields.is_empty() {
                record::update(tx, &system(caller), &draft.object, &draft.id, fields)?;
            }
        }
        let Some((object, sources)) = &self.creates else { return Ok(()) };
        let Some(object) = tx.schema.object(object).cloned() else { return Ok(()) };
        let mut fields = Fields::new();
        for (field, source) in sources {
            let Some(target) = object.field(field) else { continue };
            let given = match source {
                Source::Literal(given) => given.clone(),
                Source::Formula(formula) => input(&formula.value(tx, caller, draft, target), target.kind),
            };
            fields.push((field.clone(), given));
        }
        record::insert(tx, &system(caller), &object, fields).map(drop)
    }

    /// What a trigger or flow reports that was refused a record itself.
    fn failed(&self, moment: Moment, error: &SaveError) -> SaveError {
        let fields = error.fields.join(", ");
        if self.is_flow {
            let text = format!(
                "We can't save this record because the “{}” process failed. Give your Salesforce admin these details. This error \
                 occurred when the flow tried to create records: {}: {}. You can look up ExceptionCode values in the SOAP API Developer Guide.",
                self.name, error.code, error.message
            );
            return SaveError::new("CANNOT_EXECUTE_FLOW_TRIGGER", text, &[]);
        }
        if error.message.contains("maximum trigger depth exceeded") {
            return error.clone();
        }
        let text = format!(
            "{}: execution of {}\n\ncaused by: System.DmlException: Insert failed. First exception on row 0; first error: {}, {}: [{fields}]\n\n\
             Trigger.{}: line 1, column 1",
            self.name,
            moment.named(),
            error.code,
            error.message,
            self.name
        );
        SaveError::new("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", text, &[])
    }

    fn too_deep(&self, draft: &Draft, moment: Moment) -> SaveError {
        let event = format!("{} trigger event {}", draft.object.name, moment.named());
        let text = format!("{}: maximum trigger depth exceeded\n{event}", self.name);
        SaveError::new("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", text, &[])
    }
}

impl Source {
    fn value(
        &self,
        tx: &Tx<'_>,
        caller: &Caller,
        draft: &Draft,
        field: &crate::schema::Field,
    ) -> Result<Value, SaveError> {
        match self {
            Source::Literal(input) => record::value_of(field, input.clone()),
            Source::Formula(formula) => Ok(formula.value(tx, caller, draft, field)),
        }
    }
}

fn input(value: &Value, kind: crate::schema::FieldType) -> Input {
    if value.is_null() { Input::Null } else { Input::Text(plain(value, kind)) }
}
