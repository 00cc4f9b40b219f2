// SPDX-License-Identifier: Apache-2.0
//! Duplicate rules (`salesforce-api.md` 2.1, 6.5): a save is refused with `DUPLICATES_DETECTED` when it would make a duplicate.
//!
//! Active rules are tried in their order, on update only where a field changed that they match by. `Block` refuses always;
//! `Allow` with an alert refuses unless the call says `allowSave`; what is saved all the same is reported, where the rule says
//! so, by a `DuplicateRecordSet` with an item for each record. The refusal tells the records that were found: in REST's answers
//! on a single record under the misspelled key `duplicateResut`, in SOAP as a `DuplicateError`.
//!
//! `includeRecordDetails` adds to each record's Id the fields that were compared and its name, as far as the caller sees them. Which
//! fields Salesforce adds is a guess.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::condition::Condition;
use super::matching::Matching;
use super::{OfObject, Standing, Verdict, system};
use crate::error::SaveError;
use crate::metadata::{self, Node};
use crate::record::{self, Draft, Fields, Input};
use crate::schema::{Object, Schema};
use crate::sharing::{self, Level};
use crate::store::{Row, Tx};
use crate::user::Caller;

/// An active rule.
#[derive(Debug)]
pub struct DuplicateRule {
    id: String,
    /// Its own name, without the object's.
    name: String,
    order: i64,
    on_insert: Action,
    on_update: Action,
    alert: String,
    respects_sharing: bool,
    filter: Condition,
    matchings: Vec<Match>,
}

#[derive(Debug)]
struct Match {
    target: Arc<Object>,
    matching: Matching,
    /// From fields of the target to fields of the record, where they are named otherwise.
    mapping: HashMap<String, String>,
}

#[derive(Clone, Copy, Debug)]
struct Action {
    blocks: bool,
    alerts: bool,
    reports: bool,
}

impl Action {
    fn read(node: &Node, action: &str, operations: &str) -> Action {
        let has = |name: &str| node.all(operations).any(|one| one.text.trim().eq_ignore_ascii_case(name));
        Action { blocks: node.text_of(action) == "Block", alerts: has("alert"), reports: has("report") }
    }
}

/// Judges `Account.Rule` as far as the schema alone allows.
pub fn judge(schema: &Schema, kind: &str, full_name: &str, node: &Node) -> Verdict {
    let object = full_name.split_once('.').and_then(|(object, _)| schema.object(object));
    let Some(object) = object else { return Verdict::Dormant("its object is not there".to_owned()) };
    let read = match kind {
        "MatchingRule" => Matching::read(object, full_name, node).map(drop),
        _ => filter(schema, object, node).map(drop),
    };
    read.map_or_else(|verdict| verdict, |()| Verdict::Works)
}

fn filter(schema: &Schema, object: &Arc<Object>, node: &Node) -> Result<Condition, Verdict> {
    let Some(filter) = node.first("duplicateRuleFilter") else { return Ok(Condition::Always) };
    let lines: Vec<Node> = filter
        .all("duplicateRuleFilterItems")
        .map(|item| {
            let table = Some(item.text_of("table")).filter(|table| !table.is_empty()).unwrap_or(&object.name);
            let field = item.text_of("field");
            let path = if field.contains('.') { field.to_owned() } else { format!("{table}.{field}") };
            let rest = item.children.iter().filter(|child| child.name != "field").cloned();
            Node { children: rest.chain([Node::leaf("field", path)]).collect(), ..item.clone() }
        })
        .collect();
    Condition::of_lines(schema, object, lines.iter(), filter.text_of("booleanFilter"))
}

/// Reads the deployed rules.
pub fn read(tx: &Tx<'_>, objects: &mut HashMap<String, OfObject>, standings: &mut Vec<Standing>) {
    let matchings: HashMap<String, Node> = metadata::components_of(tx, "MatchingRule")
        .into_iter()
        .map(|(component, node)| (component.full_name.to_lowercase(), node))
        .collect();
    for (component, node) in metadata::components_of(tx, "DuplicateRule") {
        let active = node.is_true("isActive");
        let object = component.full_name.split_once('.').and_then(|(object, _)| tx.schema.object(object)).cloned();
        let read = match &object {
            None => Err(Verdict::Dormant("its object is not there".to_owned())),
            Some(object) => rule(&tx.schema, object, &component, &node, &matchings),
        };
        let verdict = match (read, object) {
            (Ok(rule), Some(object)) => {
                if active {
                    let of = objects.entry(object.name.clone()).or_default();
                    of.duplicates.push(rule);
                    of.duplicates.sort_by_key(|rule| rule.order);
                }
                Verdict::Works
            }
            (Err(verdict), _) => verdict,
            (Ok(_), None) => Verdict::Works,
        };
        standings.push(Standing::new("DuplicateRule", component.full_name, active, verdict));
    }
}

fn rule(
    schema: &Schema,
    object: &Arc<Object>,
    component: &metadata::Component,
    node: &Node,
    deployed: &HashMap<String, Node>,
) -> Result<DuplicateRule, Verdict> {
    let mut matchings = Vec::new();
    for one in node.all("duplicateRuleMatchRules") {
        let (target, name) = (one.text_of("matchRuleSObjectType"), one.text_of("matchingRule"));
        let target = schema.object(target).ok_or_else(|| Verdict::Dormant(format!("there is no object {target}")))?;
        let full_name = format!("{}.{name}", target.name);
        let matching = match deployed.get(&full_name.to_lowercase()) {
            Some(node) if node.text_of("ruleStatus") != "Active" => {
                return Err(Verdict::Dormant(format!("the MatchingRule {full_name} is not active")));
            }
            Some(node) => Matching::read(target, &full_name, node)?,
            None => Matching::standard(schema, target, name)
                .ok_or_else(|| Verdict::Dormant(format!("there is no MatchingRule named {full_name}")))?,
        };
        let fields = one.first("objectMapping").map(|mapping| {
            let pair = |field: &Node| (field.text_of("outputField").to_owned(), field.text_of("inputField").to_owned());
            mapping.all("mappingFields").map(pair).collect()
        });
        matchings.push(Match { target: target.clone(), matching, mapping: fields.unwrap_or_default() });
    }
    Ok(DuplicateRule {
        id: component.id.clone(),
        name: component.full_name.split_once('.').map_or("", |(_, own)| own).to_owned(),
        order: node.text_of("sortOrder").parse().unwrap_or(0),
        on_insert: Action::read(node, "actionOnInsert", "operationsOnInsert"),
        on_update: Action::read(node, "actionOnUpdate", "operationsOnUpdate"),
        alert: node.text_of("alertText").to_owned(),
        respects_sharing: node.text_of("securityOption") == "EnforceSharingRules",
        filter: filter(schema, object, node)?,
        matchings,
    })
}

/// A rule with the records that were found by it and are to be reported.
pub struct Reported {
    rule: usize,
    ids: Vec<String>,
}

/// Refuses a duplicate. Answers what is to be reported when the record has been written.
///
/// # Errors
/// `DUPLICATES_DETECTED`.
pub fn check(rules: &[DuplicateRule], tx: &Tx<'_>, caller: &Caller, draft: &Draft) -> Result<Vec<Reported>, SaveError> {
    let mut reported = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let action = if draft.is_new() { rule.on_insert } else { rule.on_update };
        let found = rule.find(tx, caller, draft);
        if found.iter().all(|(_, rows)| rows.is_empty()) {
            continue;
        }
        if action.blocks || (action.alerts && !caller.allow_duplicates) {
            return Err(rule.refusal(caller, &draft.object.name, !action.blocks, &found));
        }
        if action.reports {
            let ids = found.iter().flat_map(|(_, rows)| rows).map(|row| row.id().to_owned()).collect();
            reported.push(Reported { rule: at, ids });
        }
    }
    Ok(reported)
}

/// Makes the sets of what was saved all the same.
pub fn report(
    rules: &[DuplicateRule],
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &str,
    reported: Vec<Reported>,
) -> Result<(), SaveError> {
    let (Some(sets), Some(items)) =
        (tx.schema.object("DuplicateRecordSet").cloned(), tx.schema.object("DuplicateRecordItem").cloned())
    else {
        return Ok(());
    };
    let platform = Caller { bypass: true, ..system(caller) };
    let make = |tx: &mut Tx<'_>, object: &Object, fields: &[(&str, &str)]| {
        let fields: Fields = fields
            .iter()
            .filter(|(name, _)| object.has(name))
            .map(|(name, value)| ((*name).to_owned(), Input::Text((*value).to_owned())))
            .collect();
        record::insert(tx, &platform, object, fields)
    };
    for Reported { rule, ids } in reported {
        let known = tx.ids_where(&items, "\"RecordId\" = ?1", &[&ids[0]]).into_iter().next();
        let set = known.and_then(|item| tx.row(&items, &item)).map(|item| item.text("DuplicateRecordSetId").to_owned());
        let (set, members) = match set {
            Some(set) => (set, vec![id.to_owned()]),
            None => {
                let set = make(tx, &sets, &[("DuplicateRuleId", &rules[rule].id)])?;
                (set, std::iter::once(id.to_owned()).chain(ids).collect())
            }
        };
        for member in members {
            make(tx, &items, &[("DuplicateRecordSetId", &set), ("RecordId", &member)])?;
        }
        let count = tx.count("DuplicateRecordItem", "\"DuplicateRecordSetId\" = ?1", &[&set]);
        tx.update_row(&sets, &set, &["RecordCount"], &[&crate::value::Value::Int(count)])?;
    }
    Ok(())
}

type Found<'r> = Vec<(&'r Match, Vec<Row>)>;

impl DuplicateRule {
    fn find(&self, tx: &Tx<'_>, caller: &Caller, draft: &Draft) -> Found<'_> {
        let mapped = |one: &Match, field: &str| one.mapping.get(field).map_or_else(|| field.to_owned(), Clone::clone);
        let touched = draft.old.as_ref().is_none_or(|old| {
            self.matchings
                .iter()
                .any(|one| one.matching.differs(&draft.object, old, &draft.values, &|field| mapped(one, field)))
        });
        if !touched || !self.filter.holds(tx, caller, draft) {
            return Vec::new();
        }
        let of = |one: &Match| {
            let mut rows =
                one.matching.matches(tx, (&draft.object, &draft.values), &one.target, &|field| mapped(one, field));
            rows.retain(|row| row.id() != draft.id);
            if self.respects_sharing {
                rows.retain(|row| sharing::allows(tx, caller, &one.target, row.id(), Level::Read));
            }
            rows
        };
        self.matchings.iter().map(|one| (one, of(one))).collect()
    }

    fn refusal(&self, caller: &Caller, object: &str, may_save: bool, found: &Found<'_>) -> SaveError {
        let usual = if may_save {
            "Use one of these records?"
        } else {
            "You're creating a duplicate record. We recommend you use an existing record instead."
        };
        let message = if self.alert.is_empty() { usual } else { &self.alert };
        let results = found.iter().filter(|(_, rows)| !rows.is_empty()).map(|(one, rows)| {
            let name = &one.target.name;
            let records: Vec<Json> = rows
                .iter()
                .map(|row| {
                    let url = format!("/services/data/v67.0/sobjects/{name}/{}", row.id());
                    let mut record = json!({"attributes": {"type": name, "url": url}, "Id": row.id()});
                    if caller.duplicate_details {
                        details(caller, one, row, &mut record);
                    }
                    json!({
                        "additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": record,
                    })
                })
                .collect();
            json!({
                "entityType": name, "errors": [],
                "matchEngine": if one.matching.is_exact { "ExactMatchEngine" } else { "FuzzyMatchEngine" },
                "matchRecords": records, "rule": one.matching.name, "size": rows.len(), "success": true,
            })
        });
        let result = json!({
            "allowSave": may_save, "duplicateRule": self.name, "duplicateRuleEntityType": object, "errorMessage": message,
            "matchResults": results.collect::<Vec<Json>>(),
        });
        let extra = Some(Box::new(json!({"duplicateResut": result})));
        SaveError { extra, ..SaveError::new("DUPLICATES_DETECTED", message, &[]) }
    }
}

/// Adds to a record that was found what it is called and what it was found by.
fn details(caller: &Caller, one: &Match, row: &Row, record: &mut Json) {
    let name = one.target.name_field().map(|field| field.name.as_str());
    for known in name.into_iter().chain(one.matching.fields()).filter_map(|name| caller.field(&one.target, name)) {
        record[&known.name] = crate::value::json(row.get(&known.name), known);
    }
}
