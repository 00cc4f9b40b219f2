// SPDX-License-Identifier: Apache-2.0
//! What deployed components make of an org's schema: objects, fields, record types and the values of picklists.
//!
//! A model is a schema taken apart. Each component is put into it or refused by itself, without traces; at the end a schema is
//! made of it once, however many components there were. The same is done with what the store kept when an org is opened
//! again, and so both are equal. What cannot be looked up until all fields are there (formulas, controlling fields, what a
//! roll-up sums) is looked up at the end.
//!
//! Not emulated: rows of external objects, big objects, knowledge articles as types of their own, indirect lookups, translations,
//! which values a record type offers (kept, and given back).

mod field;
mod object;
pub mod value_set;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine as _;

use super::Problem;
use super::xml::Node;
use crate::feature::{self, SetUp};
use crate::record::formula;
use crate::schema::{
    Catalog, Child, Field, FieldType, MOST_FIELDS, Object, PicklistValue, RecordTypeInfo, Schema, SummaryOperation,
    Tracking, custom,
};

pub use object::is_custom;

/// For each value of a picklist, the controlling values that let it be chosen.
type Controlled = Vec<(String, Vec<String>)>;

/// Value sets that several fields share, by name.
pub type ValueSets = BTreeMap<String, Vec<PicklistValue>>;

/// A column that changes its kind or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    Dropped { object: String, field: String },
    Retyped { object: String, field: String },
}

/// A schema in parts.
#[derive(Default)]
pub struct Model {
    catalog: Catalog,
    /// Custom objects whose companions are made when all their fields are there, and whether they keep a history.
    companions: BTreeMap<String, bool>,
    objects: BTreeMap<String, Object>,
    by_lower: HashMap<String, String>,
    pub value_sets: ValueSets,
    prefixes: BTreeMap<String, String>,
    numbers: BTreeMap<char, u32>,
    /// Key prefixes given since the model was made.
    pub new_prefixes: Vec<(String, String)>,
    pub columns: Vec<Column>,
    /// Objects that are gone: their tables go too.
    pub dropped: Vec<String>,
    /// Objects with computed fields that are new: their rows are computed.
    pub computed: BTreeSet<String>,
    dependent: Vec<(String, String, Controlled)>,
    /// Fields with the value set they share.
    sharing: Vec<(String, String, String)>,
}

impl Model {
    /// The parts of a schema. `prefixes` are the key prefixes that custom objects were given before.
    pub fn of(schema: &Schema, prefixes: impl IntoIterator<Item = (String, String)>) -> Model {
        let objects: BTreeMap<String, Object> =
            schema.to_objects().into_iter().map(|object| (object.name.clone(), object)).collect();
        let by_lower = objects.keys().map(|name| (name.to_ascii_lowercase(), name.clone())).collect();
        let prefixes = prefixes.into_iter().collect();
        Model { catalog: schema.catalog(), objects, by_lower, prefixes, ..Model::default() }
    }

    /// Whether there is an object of this name.
    pub fn has(&self, object: &str) -> bool {
        self.canonical(object).is_some()
    }

    /// Whether an object has a field of this name.
    pub fn has_field(&self, object: &str, field: &str) -> bool {
        let found = self.canonical(object).and_then(|name| self.objects.get(name));
        found.is_some_and(|object| object.fields.iter().any(|known| known.name.eq_ignore_ascii_case(field)))
    }

    fn canonical(&self, name: &str) -> Option<&str> {
        self.by_lower.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// The objects that the fields of `name` belong to: fields of activities are fields of tasks and of events.
    fn targets(&self, name: &str) -> Vec<String> {
        if name == "Activity" && !self.has("Activity") {
            return ["Event", "Task"].iter().filter(|one| self.has(one)).map(|one| (*one).to_owned()).collect();
        }
        self.canonical(name).map(str::to_owned).into_iter().collect()
    }

    /// Makes a custom object, or changes what there is.
    ///
    /// # Errors
    /// There is no such standard object, the kind is not emulated, or something that must be said is not.
    pub fn put_object(&mut self, name: &str, node: &Node, strict: bool) -> Result<(), Problem> {
        let is_new = self.targets(name).is_empty();
        if is_new {
            let mut object = object::make(name, node, strict)?;
            object.key_prefix = Some(self.prefix_for(name));
            self.by_lower.insert(name.to_ascii_lowercase(), name.to_owned());
            self.objects.insert(name.to_owned(), object);
        } else if let Some(object) =
            self.canonical(name).map(str::to_owned).and_then(|name| self.objects.get_mut(&name))
        {
            object::change(object, node);
        }
        if is_custom(name) && self.has(name) {
            self.companions.insert(name.to_owned(), node.is_true("enableHistory"));
        }
        let said = node.first("enableHistory").is_some() || is_new;
        for target in self.targets(name).into_iter().filter(|_| said) {
            if let Some(object) = self.objects.get_mut(&target) {
                object.tracking.enable(node.is_true("enableHistory"));
            }
        }
        Ok(())
    }

    /// Whether the history of a field can be tracked as its metadata says.
    ///
    /// # Errors
    /// Salesforce's texts: the object keeps no history, or twenty fields are tracked.
    pub fn check_tracking(&self, object: &str, node: &Node) -> Result<(), Problem> {
        for target in self.targets(object).iter().filter(|_| node.is_true("trackHistory")) {
            let object = &self.objects[target];
            if object.tracking == Tracking::Off {
                return Err(Problem::at(node, format!("The entity: {target} does not have history tracking enabled")));
            }
            if object.tracking.others(node.text_of("fullName")) >= MOST_FIELDS {
                return Err(Problem::at(node, "exceeded the allowed number of fields to track on a given entity"));
            }
        }
        Ok(())
    }

    fn track(&mut self, targets: &[String], node: &Node) {
        if node.first("trackHistory").is_none() {
            return;
        }
        for target in targets {
            if let Some(object) = self.objects.get_mut(target) {
                object.tracking.choose(node.text_of("fullName"), node.is_true("trackHistory"));
            }
        }
    }

    /// The key prefix of a custom object: the one it had, or the next free one from `a10` on; those before are the
    /// demonstration org's.
    fn prefix_for(&mut self, name: &str) -> String {
        if let Some(known) = self.prefixes.get(name) {
            return known.clone();
        }
        let letter = object::prefix_letter(name);
        let digit =
            |n: u32| char::from(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(n % 62) as usize]);
        loop {
            let number = self.numbers.entry(letter).or_insert(62);
            let prefix = format!("{letter}{}{}", digit(*number / 62), digit(*number));
            *number += 1;
            let taken = self.prefixes.values().any(|known| *known == prefix)
                || self.objects.values().any(|object| object.key_prefix.as_deref() == Some(&prefix));
            if !taken {
                self.prefixes.insert(name.to_owned(), prefix.clone());
                self.new_prefixes.push((name.to_owned(), prefix.clone()));
                return prefix;
            }
        }
    }

    /// Makes a custom field, or changes it. What is said of standard fields is taken as it is.
    ///
    /// # Errors
    /// Salesforce's text on what is wrong.
    pub fn put_field(&mut self, object: &str, node: &Node) -> Result<(), Problem> {
        let name = node.text_of("fullName").to_owned();
        let targets = self.targets(object);
        if targets.is_empty() {
            return Err(Problem::at(node, format!("In field: field - no CustomObject named {object} found")));
        }
        if !name.ends_with("__c") {
            let known = targets.iter().any(|target| {
                // An address or a name is written as one field, and fields that show an Id without `Id`.
                let id = format!("{name}Id");
                self.has_field(target, &name) || self.has_field(target, &id)
            });
            if !known && is_custom(object) {
                return Err(no_such_field(node, &name));
            }
            self.track(&targets, node);
            return Ok(());
        }
        let made = field::field(node, &self.value_sets)?;
        for target in &made.field.reference_to {
            if !self.has(target)
                && !matches!(target.as_str(), "EntityDefinition" | "FieldDefinition" | "EntityParticle")
            {
                let text = format!("referenceTo value of '{target}' does not resolve to a valid sObject type");
                return Err(Problem::at(node, text));
            }
        }
        self.track(&targets, node);
        for target in targets {
            self.check_change(&target, &made.field, node)?;
            if let Some(relationship) = &made.relationship_name {
                self.check_relationship(&target, &made.field, relationship, node)?;
            }
            self.place_field(&target, &made);
        }
        Ok(())
    }

    /// What a field may not become.
    fn check_change(&self, object: &str, field: &Field, node: &Node) -> Result<(), Problem> {
        let object = &self.objects[object];
        let Some(known) = object.fields.iter().find(|known| known.name.eq_ignore_ascii_case(&field.name)) else {
            return Ok(());
        };
        let text = |what: &str, from: bool| match from {
            true => format!("Cannot update a field from a {what} to something else"),
            false => format!("Cannot update a field to a {what} from something else"),
        };
        for (what, was, is) in [
            ("Summary", known.summary.is_some(), field.summary.is_some()),
            ("Formula", known.formula.is_some(), field.formula.is_some()),
        ] {
            if was != is {
                return Err(Problem::at(node, text(what, was)));
            }
        }
        if known.is_reference() != field.is_reference() {
            let word = if field.is_reference() { "Lookup" } else { node.text_of("type") };
            return Err(Problem::at(node, format!("Cannot change field type to {word}")));
        }
        if known.is_reference() && known.reference_to != field.reference_to && !known.reference_to.is_empty() {
            let text = format!("Cannot update referenceTo from {} to {}", known.reference_to[0], field.reference_to[0]);
            return Err(Problem::at(node, text));
        }
        Ok(())
    }

    fn check_relationship(&self, object: &str, field: &Field, name: &str, node: &Node) -> Result<(), Problem> {
        for parent in field.reference_to.iter().filter_map(|parent| self.objects.get(self.canonical(parent)?)) {
            let taken = parent.children.iter().any(|child| {
                let same = child.relationship_name.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(name));
                same && (child.object != object || !child.field.eq_ignore_ascii_case(&field.name))
            });
            // Tasks and events have their custom fields together, under one name.
            if taken && !matches!(object, "Task" | "Event") {
                let text = format!(
                    "There is already a Child Relationship named {} on {}.",
                    name.trim_end_matches("__r"),
                    parent.label
                );
                return Err(Problem::at(node, text));
            }
        }
        Ok(())
    }

    fn place_field(&mut self, object: &str, made: &field::Made) {
        let mut field = made.field.clone();
        for target in &mut field.reference_to {
            if let Some(canonical) = self.by_lower.get(&target.to_ascii_lowercase()) {
                target.clone_from(canonical);
            }
        }
        for parent in &field.reference_to {
            let child = Child {
                object: object.to_owned(),
                field: field.name.clone(),
                relationship_name: made.relationship_name.clone(),
                cascade_delete: field.cascade_delete,
                restricted_delete: field.restricted_delete,
            };
            if let Some(parent) = self.objects.get_mut(parent) {
                parent.children.retain(|known| known.object != child.object || known.field != child.field);
                parent.children.push(child);
            }
        }
        let Some(target) = self.objects.get_mut(object) else { return };
        if let Some(known) = target.fields.iter().find(|known| known.name == field.name)
            && affinity(known) != affinity(&field)
        {
            self.columns.push(Column::Retyped { object: object.to_owned(), field: field.name.clone() });
        }
        if field.formula.is_some() || field.summary.is_some() {
            self.computed.insert(object.to_owned());
        }
        if !made.dependent.is_empty() {
            self.dependent.push((object.to_owned(), field.name.clone(), made.dependent.clone()));
        }
        if let Some(set) = &made.value_set {
            self.sharing.push((object.to_owned(), field.name.clone(), set.clone()));
        }
        if is_custom(object) {
            self.companions.entry(object.to_owned()).or_insert(false);
        }
        custom::add_field(target, field);
    }

    /// Makes a record type, or changes its label and whether it is active.
    ///
    /// # Errors
    /// The object is not there.
    pub fn put_record_type(&mut self, object: &str, node: &Node) -> Result<(), Problem> {
        let targets = self.targets(object);
        if targets.is_empty() {
            return Err(Problem::at(node, format!("In field: field - no CustomObject named {object} found")));
        }
        let developer_name = node.text_of("fullName").to_owned();
        let name = Some(node.text_of("label")).filter(|label| !label.is_empty()).unwrap_or(&developer_name).to_owned();
        let active = node.is_true("active");
        for target in targets {
            let Some(object) = self.objects.get_mut(&target) else { continue };
            custom::add_record_type_field(object);
            match object.record_types.iter_mut().find(|known| known.developer_name == developer_name) {
                Some(known) => (known.name, known.active) = (name.clone(), active),
                None => object.record_types.push(RecordTypeInfo {
                    id: String::new(),
                    name: name.clone(),
                    developer_name: developer_name.clone(),
                    active,
                    default: false,
                    master: false,
                }),
            }
        }
        Ok(())
    }

    /// Takes the values that fields share; those that have them already follow.
    pub fn put_value_set(&mut self, name: &str, node: &Node) {
        let values = shared_values(node);
        self.value_sets.insert(name.to_owned(), values.clone());
        let sharing: Vec<(String, String)> = self
            .sharing
            .iter()
            .filter(|(.., set)| set == name)
            .map(|(object, field, _)| (object.clone(), field.clone()))
            .collect();
        for (object, field) in sharing {
            self.set_values(&object, &field, &values);
        }
    }

    /// Takes the values of a standard picklist.
    pub fn put_standard_value_set(&mut self, name: &str, node: &Node) {
        let values: Vec<PicklistValue> = node.all("standardValue").map(field::picklist_value).collect();
        for (object, field) in value_set::fields(name) {
            self.set_values(object, field, &values);
        }
    }

    /// Says which fields share a value set, of fields that were there before.
    pub fn note_sharing(&mut self, object: &str, field: &str, set: &str) {
        self.sharing.push((object.to_owned(), field.to_owned(), set.to_owned()));
    }

    fn set_values(&mut self, object: &str, field: &str, values: &[PicklistValue]) {
        let Some(object) = self.objects.get_mut(object) else { return };
        if let Some(at) = object.fields.iter().position(|known| known.name == field) {
            let mut field = (*object.fields[at]).clone();
            field.picklist = values.to_vec();
            field::take_default(&mut field);
            object.fields[at] = field.into();
        }
    }

    /// Removes a custom object with everything of it.
    ///
    /// # Errors
    /// Fields of other objects point to it.
    pub fn remove_object(&mut self, name: &str) -> Result<(), String> {
        let Some(name) = self.canonical(name).map(str::to_owned) else { return Ok(()) };
        let child = self.objects.values().flat_map(|object| object.fields.iter().map(move |field| (object, field)));
        let mut pointing = child.filter(|(object, field)| {
            field.custom
                && object.name != name
                && field.reference_to.contains(&name)
                && object.associate_parent_entity.as_deref() != Some(&name)
        });
        if let Some((object, field)) = pointing.next() {
            return Err(format!(
                "This custom object is referenced elsewhere in salesforce.com. : Custom Field - {}.{}",
                object.name, field.name
            ));
        }
        drop(pointing);
        let gone: Vec<String> = self
            .objects
            .values()
            .filter(|object| object.name == name || object.associate_parent_entity.as_deref() == Some(&name))
            .map(|object| object.name.clone())
            .collect();
        for name in gone {
            self.by_lower.remove(&name.to_ascii_lowercase());
            self.objects.remove(&name);
            self.dropped.push(name.clone());
            self.objects.values_mut().for_each(|object| object.children.retain(|child| child.object != name));
        }
        Ok(())
    }

    /// Removes a custom field.
    ///
    /// # Errors
    /// A formula or a roll-up uses it.
    pub fn remove_field(&mut self, object: &str, name: &str) -> Result<(), String> {
        for target in self.targets(object) {
            if let Some(by) = self.user_of(&target, name) {
                return Err(format!("This custom field is referenced elsewhere in salesforce.com. : {by}"));
            }
            let Some(object) = self.objects.get_mut(&target) else { continue };
            let before = object.fields.len();
            object
                .fields
                .retain(|field| !field.name.eq_ignore_ascii_case(name) && field.compound.as_deref() != Some(name));
            if object.fields.len() < before {
                self.columns.push(Column::Dropped { object: target.clone(), field: name.to_owned() });
            }
            self.objects.values_mut().for_each(|parent| {
                parent.children.retain(|child| child.object != target || child.field != name);
            });
        }
        Ok(())
    }

    fn user_of(&self, object: &str, field: &str) -> Option<String> {
        for other in self.objects.values() {
            for known in &other.fields {
                let summed = known.summary.as_ref().is_some_and(|summary| {
                    summary.child_object == object
                        && (summary.child_field == field || summary.summed_field.as_deref() == Some(field))
                });
                let computed = other.name == object
                    && known.formula.as_deref().is_some_and(|text| {
                        formula::paths(text).is_some_and(|paths| {
                            paths.iter().any(|path| path.len() == 1 && path[0].eq_ignore_ascii_case(field))
                        })
                    });
                if (summed || computed) && !(other.name == object && known.name == field) {
                    return Some(format!("Custom Field - {}.{}", other.name, known.name));
                }
            }
        }
        None
    }

    /// Removes a record type.
    pub fn remove_record_type(&mut self, object: &str, name: &str) {
        for target in self.targets(object) {
            if let Some(object) = self.objects.get_mut(&target) {
                object.record_types.retain(|known| known.developer_name != name);
            }
        }
    }

    /// The fields that a formula reads and its object has not. Formulas that the emulator cannot read are taken on trust.
    pub fn missing_in_formula(&self, object: &str, text: &str) -> Option<String> {
        let object = self.objects.get(self.canonical(object)?)?;
        let has = |name: &str| {
            object.fields.iter().any(|field| {
                field.name.eq_ignore_ascii_case(name)
                    || field.relationship_name.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(name))
            })
        };
        let plain = |path: &Vec<String>| path.len() == 1 && path[0].ends_with("__c");
        formula::paths(text)?.into_iter().filter(plain).map(|path| path[0].clone()).find(|name| !has(name))
    }

    /// The schema, in the place of the one that the model was made of.
    pub fn finish(mut self, base: &Schema, set_up: &SetUp) -> (Schema, Finished) {
        self.resolve_summaries();
        self.make_companions();
        for (object, field, pairs) in std::mem::take(&mut self.dependent) {
            self.resolve_dependent(&object, &field, &pairs);
        }
        let finished = Finished { columns: self.columns, dropped: self.dropped, computed: self.computed };
        let mut objects: Vec<Object> = self.objects.into_values().collect();
        feature::complete(&mut objects, set_up);
        (base.rebuilt(objects), finished)
    }

    /// Histories, shares and feeds are made once; change events have the fields of their object as they are now.
    fn make_companions(&mut self) {
        for (name, history) in std::mem::take(&mut self.companions) {
            // Nobody owns, follows or shares rows of big objects.
            if name.ends_with("__b") {
                continue;
            }
            let Some(object) = self.objects.get(&name).filter(|_| name.ends_with("__c")) else { continue };
            let enabled = custom::Enabled {
                history,
                feed: object.feed_enabled,
                change_events: self.catalog == Catalog::Everything && !object.custom_setting,
            };
            for companion in custom::all_companions(object, enabled, self.objects.get("FeedItem")) {
                if companion.name.ends_with("__ChangeEvent") {
                    self.objects.insert(companion.name.clone(), companion);
                } else {
                    self.objects.entry(companion.name.clone()).or_insert(companion);
                }
            }
        }
    }

    /// A minimum or maximum is of the kind of what it is taken of, a sum of money is money.
    fn resolve_summaries(&mut self) {
        let mut kinds = Vec::new();
        for object in self.objects.values() {
            for field in &object.fields {
                let Some(summary) =
                    field.summary.as_ref().filter(|summary| summary.operation != SummaryOperation::Count)
                else {
                    continue;
                };
                let summed = summary.summed_field.as_ref().and_then(|summed| {
                    self.objects
                        .get(&summary.child_object)?
                        .fields
                        .iter()
                        .find(|field| field.name.eq_ignore_ascii_case(summed))
                });
                if let Some(summed) = summed.filter(|summed| summed.kind != field.kind && field.custom) {
                    kinds.push((object.name.clone(), field.name.clone(), (**summed).clone()));
                }
            }
        }
        for (object, name, summed) in kinds {
            let Some(object) = self.objects.get_mut(&object) else { continue };
            let Some(at) = object.fields.iter().position(|field| field.name == name) else { continue };
            let was = (*object.fields[at]).clone();
            let usual = Field::usual(&was.name, &was.label, summed.kind, 0);
            let field = Field {
                kind: usual.kind,
                digits: usual.digits,
                length: usual.length,
                precision: if summed.kind.has_fraction() { 18 } else { 0 },
                scale: summed.scale,
                ..was
            };
            if affinity(&object.fields[at]) != affinity(&field) && summed.kind != FieldType::Double {
                self.columns.push(Column::Retyped { object: object.name.clone(), field: name });
            }
            object.fields[at] = field.into();
        }
    }

    /// The bitmaps of describe's `validFor`: bit n, counted from the highest of the first byte, is the controlling value n.
    fn resolve_dependent(&mut self, object: &str, name: &str, pairs: &[(String, Vec<String>)]) {
        let Some(object) = self.objects.get_mut(object) else { return };
        let Some(at) = object.fields.iter().position(|field| field.name == name) else { return };
        let mut field = (*object.fields[at]).clone();
        let Some(controller) =
            field.controller.as_ref().and_then(|by| object.fields.iter().find(|field| field.name == *by))
        else {
            return;
        };
        let by: Vec<String> = match controller.kind {
            FieldType::Boolean => vec!["unchecked".into(), "checked".into()],
            _ => controller.picklist.iter().map(|value| value.value.clone()).collect(),
        };
        for value in &mut field.picklist {
            let mut bits = vec![0u8; by.len().div_ceil(8).max(1)];
            let allowed = pairs.iter().filter(|(name, _)| *name == value.value).flat_map(|(_, by)| by);
            for allowed in allowed {
                if let Some(bit) = by.iter().position(|known| known == allowed) {
                    bits[bit / 8] |= 0x80 >> (bit % 8);
                }
            }
            value.valid_for = Some(base64::engine::general_purpose::STANDARD.encode(&bits));
        }
        object.fields[at] = field.into();
    }
}

/// What else must be done when a model's schema becomes an org's.
pub struct Finished {
    pub columns: Vec<Column>,
    pub dropped: Vec<String>,
    pub computed: BTreeSet<String>,
}

fn no_such_field(node: &Node, name: &str) -> Problem {
    Problem::at(node, format!("Field {name} does not exist. Check spelling."))
}

/// The values of a `GlobalValueSet`.
pub fn shared_values(node: &Node) -> Vec<PicklistValue> {
    node.all("customValue").map(field::picklist_value).collect()
}

/// How a column of the field keeps its values: fields of one affinity may become each other without a touch.
fn affinity(field: &Field) -> u8 {
    match field.kind {
        FieldType::Boolean | FieldType::Datetime => 1,
        kind if kind.is_number() => 2,
        kind if kind.is_compound() => 3,
        FieldType::Reference | FieldType::Date | FieldType::Time | FieldType::Base64 => 4,
        _ if field.case_sensitive => 4,
        _ => 5,
    }
}
