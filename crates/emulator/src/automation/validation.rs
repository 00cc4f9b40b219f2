// SPDX-License-Identifier: Apache-2.0
//! Validation rules (`salesforce-api.md` 6.5, 6.6): a formula that must not be true.
//!
//! All active rules of the object are tried, and each that is broken is an error of its own:
//! `FIELD_CUSTOM_VALIDATION_EXCEPTION` with the rule's message, and with the field that the rule names, if it names one.

use std::collections::HashMap;

use super::{OfObject, Standing, Verdict};
use crate::error::SaveError;
use crate::metadata::{self, Node};
use crate::record::Draft;
use crate::record::formula::RuleFormula;
use crate::schema::Schema;
use crate::store::Tx;
use crate::user::Caller;

/// An active rule.
#[derive(Debug)]
pub struct ValidationRule {
    condition: RuleFormula,
    message: String,
    field: Option<String>,
}

/// Judges `Object.Rule`.
pub fn judge(schema: &Schema, full_name: &str, node: &Node) -> Verdict {
    let object = full_name.split_once('.').and_then(|(object, _)| schema.object(object));
    let Some(object) = object else { return Verdict::Dormant("its object is not there".to_owned()) };
    match RuleFormula::read(node.text_of("errorConditionFormula")) {
        Err(unknown) => Verdict::Dormant(format!("its formula has what is not emulated: {}", shown(&unknown))),
        Ok(condition) => match condition.missing(schema, object) {
            Some(missing) => absent(&missing),
            None => Verdict::Works,
        },
    }
}

/// A custom field that is not there is an error. A standard one may be there in a real org, and one of a package with it.
pub fn absent(field: &str) -> Verdict {
    let own = field.rsplit('.').next().unwrap_or(field);
    if own.matches("__").count() == 1 {
        Verdict::Wrong(format!("Field {field} does not exist. Check spelling."))
    } else {
        Verdict::Dormant(format!("there is no field {field} here"))
    }
}

/// The beginning of what could not be read.
pub fn shown(unknown: &str) -> String {
    let line: String = unknown.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { "it ends too early".to_owned() } else { line.chars().take(60).collect() }
}

/// Reads the deployed rules.
pub fn read(tx: &Tx<'_>, objects: &mut HashMap<String, OfObject>, standings: &mut Vec<Standing>) {
    for (component, node) in metadata::components_of(tx, "ValidationRule") {
        let active = node.is_true("active");
        let verdict = judge(&tx.schema, &component.full_name, &node);
        let object = component.full_name.split_once('.').and_then(|(object, _)| tx.schema.object(object));
        if let (true, Verdict::Works, Some(object)) = (active, &verdict, object)
            && let Ok(condition) = RuleFormula::read(node.text_of("errorConditionFormula"))
        {
            let field = object.field(node.text_of("errorDisplayField")).map(|field| field.name.clone());
            let rule = ValidationRule { condition, message: node.text_of("errorMessage").to_owned(), field };
            objects.entry(object.name.clone()).or_default().validations.push(rule);
        }
        standings.push(Standing::new("ValidationRule", component.full_name, active, verdict));
    }
}

/// Tries the rules.
pub fn check(rules: &[ValidationRule], tx: &Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    let broken = rules.iter().filter(|rule| rule.condition.holds(tx, caller, draft)).map(|rule| {
        let fields: Vec<&str> = rule.field.as_deref().into_iter().collect();
        SaveError::new("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message.clone(), &fields)
    });
    let mut broken = broken.collect::<Vec<_>>().into_iter();
    match broken.next() {
        None => Ok(()),
        Some(first) => Err(SaveError { further: broken.collect(), ..first }),
    }
}
