// SPDX-License-Identifier: Apache-2.0
//! Deploying: one transaction in which drafts become components and take effect, and which is undone as a whole when it was
//! only a check, or when something failed and `rollbackOnError` holds.
//!
//! 1. Files become drafts ([`draft`]); what the manifest names and the zip lacks fails, what the zip has beside is a warning.
//! 2. What is to be removed before, then objects, fields, record types and value sets, then what is to be removed after go into
//!    a `Model`; of it one new schema is made, and the tables follow.
//! 3. Components are kept; records of custom metadata types, permission sets and profiles become rows (`effect`).
//!
//! External client apps are another part's (`apps`): it checks them within the transaction and takes them over after it.
//! A component that fails leaves nothing behind. Parts of a container that failed fail with it.

mod apps;
pub mod draft;
mod options;
pub mod parcel;
mod report;
mod tables;

use std::collections::HashSet;

use percent_encoding::percent_decode_str;

use super::component::{self, Component};
use super::model::{Model, is_custom};
use super::xml::{self, Node};
use super::{Problem, container, effect, types};
use crate::automation::{self, Verdict};
use crate::describe::Kept;
use crate::faces::lock;
use crate::feature::SetUp;
use crate::org::seed;
use crate::org::{Org, Tx};
use crate::schema::Schema;

pub use draft::Draft;
pub use options::Options;
pub use parcel::Parcel;
use parcel::place as place_of;
pub use report::{Message, Report};

/// A component that is to be removed.
struct Removal {
    file: String,
    kind: String,
    full_name: String,
    after: bool,
    problem: Option<String>,
    warning: bool,
}

/// Runs a deploy to its end.
pub fn run(org: &Org, user_id: &str, parcel: &Parcel, options: &Options) -> Report {
    if !parcel.wrong.is_empty() {
        let messages = parcel.wrong.iter().map(|(file, text)| Message {
            full_name: file.clone(),
            file_name: format!("{}{file}", parcel.folder),
            problem: Some(text.clone()),
            problem_type: Some("Error"),
            ..Message::default()
        });
        return Report { messages: messages.collect(), ..Report::default() };
    }
    let (drafts, unlisted) = draft::read(parcel);
    let mut staged = None;
    let report = org.migrate(|tx| {
        let mut report = Report::default();
        let kept = tx.savepoint(|tx| {
            let mut work = Work { user_id, drafts, removals: removals(parcel), schema: None, lenient: parcel.lenient };
            work.run(tx);
            report.messages = messages(parcel, options, &work);
            let mut further = Vec::new();
            if !options.allow_missing_files {
                further.extend(missing(parcel, &work.drafts));
            }
            if !options.auto_update_package {
                further.extend(unlisted.iter().map(|(path, place)| unnamed(parcel, options, path, place.as_ref())));
            }
            report.messages.extend(further);
            staged = apps::stage(tx, org, parcel, &mut report.messages);
            let undone = options.check_only || (options.rollback_on_error && report.failed() > 0);
            if undone { Err(()) } else { Ok(work.schema.map(|schema| (*schema).clone())) }
        });
        report.kept = kept.is_ok();
        super::step_generation(tx);
        (report, kept.unwrap_or_default())
    });
    if let Some(staged) = staged.filter(|_| report.kept) {
        apps::commit(org, user_id, staged);
    }
    forget_descriptions(org);
    report
}

/// Saves components that a caller of the CRUD calls or a project gives, each in its own right.
pub fn save(org: &Org, user_id: &str, drafts: Vec<Draft>, all_or_none: bool) -> Vec<(Draft, Outcome)> {
    let outcomes = org.migrate(|tx| {
        let mut outcomes = Vec::new();
        let kept = tx.savepoint(|tx| {
            let mut work = Work { user_id, drafts, removals: Vec::new(), schema: None, lenient: false };
            let saved = work.run(tx);
            outcomes = work.drafts.into_iter().zip(saved).collect();
            let failed = outcomes.iter().any(|(draft, _)| !draft.is_good());
            if all_or_none && failed { Err(()) } else { Ok(work.schema.map(|schema| (*schema).clone())) }
        });
        super::step_generation(tx);
        (outcomes, kept.unwrap_or_default())
    });
    forget_descriptions(org);
    outcomes
}

/// Profiles say which record types a description shows as available, and an object that is selected for change events has them
/// from now on, whoever listens.
fn forget_descriptions(org: &Org) {
    *lock(&org.faces.described) = Kept::default();
    if org.read(|tx| !component::all(tx, "PlatformEventChannelMember").is_empty()) {
        org.capture_changes_from_now();
    }
}

/// Removes components: the text of a refusal for each, or nothing.
pub fn delete(org: &Org, user_id: &str, kind: &str, names: &[String], all_or_none: bool) -> Vec<Option<String>> {
    org.migrate(|tx| {
        let mut outcomes = Vec::new();
        let kept = tx.savepoint(|tx| {
            let removals = names.iter().map(|name| removal("", kind, name, false)).collect();
            let mut work = Work { user_id, drafts: Vec::new(), removals, schema: None, lenient: false };
            work.run(tx);
            // Schema parts are removed in an order of their own, so the outcomes are found again by name.
            outcomes = names
                .iter()
                .map(|name| {
                    work.removals
                        .iter()
                        .find(|removal| removal.full_name == *name)
                        .and_then(|removal| removal.problem.clone())
                })
                .collect();
            let failed = outcomes.iter().any(Option::is_some);
            if all_or_none && failed { Err(()) } else { Ok(work.schema.map(|schema| (*schema).clone())) }
        });
        super::step_generation(tx);
        (outcomes, kept.unwrap_or_default())
    })
}

/// What became of a draft.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub id: String,
    pub created: bool,
    pub changed: bool,
}

struct Work<'a> {
    user_id: &'a str,
    drafts: Vec<Draft>,
    removals: Vec<Removal>,
    schema: Option<std::sync::Arc<Schema>>,
    /// Objects need not say what an org insists on.
    lenient: bool,
}

/// What changes the schema.
const SCHEMA_KINDS: [&str; 5] = ["CustomField", "CustomObject", "GlobalValueSet", "RecordType", "StandardValueSet"];

/// In which order drafts go into the model.
fn rank(draft: &Draft) -> u8 {
    match draft.kind.as_str() {
        "GlobalValueSet" => 0,
        "CustomObject" => 1,
        "CustomField" => match draft.node.as_ref().map(|node| (node.text_of("type"), node.first("formula"))) {
            Some(("Summary", _)) => 4,
            Some((_, Some(_))) => 3,
            _ => 2,
        },
        "RecordType" => 5,
        "StandardValueSet" => 6,
        "CustomMetadata" => 8,
        "PermissionSet" | "Profile" => 9,
        _ => 7,
    }
}

impl Work<'_> {
    /// Does everything; answers what became of each draft, in their order.
    fn run(&mut self, tx: &mut Tx<'_>) -> Vec<Outcome> {
        let schema_changes = self.drafts.iter().any(|draft| SCHEMA_KINDS.contains(&draft.kind.as_str()))
            || self.removals.iter().any(|removal| SCHEMA_KINDS.contains(&removal.kind.as_str()));
        if schema_changes {
            self.change_schema(tx);
        }
        self.remove(tx, false);
        let outcomes = self.keep(tx);
        self.remove(tx, true);
        outcomes
    }

    fn change_schema(&mut self, tx: &mut Tx<'_>) {
        let mut model = Model::of(&tx.schema, component::key_prefixes(tx.conn));
        model.value_sets = super::value_sets(tx);
        self.note_sharing(tx, &mut model);
        self.remove_from(&mut model, false);
        let mut order: Vec<usize> = (0..self.drafts.len()).collect();
        order.sort_by_key(|&at| rank(&self.drafts[at]));
        let mut failed: HashSet<String> = HashSet::new();
        for at in order {
            let draft = &mut self.drafts[at];
            if !SCHEMA_KINDS.contains(&draft.kind.as_str()) {
                continue;
            }
            if draft.container.as_ref().is_some_and(|container| failed.contains(container)) {
                draft.refuse(Problem { line: 0, column: 0, text: "Parent entity failed to deploy".to_owned() });
            }
            if draft.is_good() {
                let done = put(&mut model, draft, !self.lenient);
                for (object, prefix) in model.new_prefixes.drain(..) {
                    component::keep_key_prefix(tx, &object, &prefix).expect("the store's own tables can be written");
                }
                if let Err(problem) = done {
                    draft.refuse(problem);
                }
            }
            if !draft.is_good()
                && draft.kind == "CustomObject"
                && is_custom(&draft.full_name)
                && !model.has(&draft.full_name)
            {
                failed.insert(draft.full_name.clone());
            }
        }
        self.fail_parts(&failed);
        self.check_formulas(&mut model);
        self.remove_from(&mut model, true);
        let before = tx.schema.clone();
        let (mut schema, finished) = model.finish(&before, tx.set_up());
        if let Err(error) = tables::follow(tx, &before, &schema, &finished) {
            let text =
                format!("An unexpected error occurred. Please include this ErrorId if you contact support: {error}");
            self.drafts.iter_mut().for_each(|draft| draft.refuse(Problem { line: 0, column: 0, text: text.clone() }));
            return;
        }
        tx.schema = std::sync::Arc::new(schema.clone());
        crate::rights::grant_new_fields(tx, Some(&before)).expect("the store can be written");
        if self.drafts.iter().any(|draft| draft.kind == "RecordType")
            && let Ok(ids) = seed::record_types(tx)
        {
            schema = seed::with_record_types(&tx.schema, &ids);
            tx.schema = std::sync::Arc::new(schema);
        }
        for object in &finished.computed {
            if let Some(object) = tx.schema.object(object).cloned() {
                crate::record::recompute(tx, &object);
            }
        }
        self.schema = Some(tx.schema.clone());
    }

    /// Fields that share a value set which is deployed now follow its values.
    fn note_sharing(&self, tx: &Tx<'_>, model: &mut Model) {
        let deployed: Vec<&str> = self
            .drafts
            .iter()
            .filter(|draft| draft.kind == "GlobalValueSet")
            .map(|draft| draft.full_name.as_str())
            .collect();
        if deployed.is_empty() {
            return;
        }
        for known in component::all(tx, "CustomField") {
            let Some(node) = component::node(tx, &known) else { continue };
            let set = node.first("valueSet").map(|set| set.text_of("valueSetName")).unwrap_or_default();
            if deployed.contains(&set) {
                let (object, field) = known.full_name.split_once('.').unwrap_or_default();
                model.note_sharing(object, field, set);
            }
        }
    }

    fn fail_parts(&mut self, failed: &HashSet<String>) {
        for draft in &mut self.drafts {
            if draft.container.as_ref().is_some_and(|container| failed.contains(container))
                && container::of_part(&draft.kind).is_some_and(|(kind, _)| kind == "CustomObject")
            {
                draft.refuse(Problem { line: 0, column: 0, text: "Parent entity failed to deploy".to_owned() });
            }
        }
    }

    /// Formulas are checked when all fields are there; a field whose formula reads what is not there is taken out again.
    fn check_formulas(&mut self, model: &mut Model) {
        for draft in self.drafts.iter_mut().filter(|draft| draft.kind == "CustomField" && draft.is_good()) {
            let Some((object, field)) = draft.full_name.split_once('.') else { continue };
            let formula = draft.node.as_ref().and_then(|node| node.first("formula"));
            let Some((formula, missing)) =
                formula.and_then(|node| Some((node, model.missing_in_formula(object, &node.text)?)))
            else {
                continue;
            };
            let problem = Problem::at(
                draft.node.as_ref().unwrap_or(formula),
                format!("Field {missing} does not exist. Check spelling."),
            );
            let _ = model.remove_field(object, field);
            draft.refuse(problem);
        }
    }

    fn remove_from(&mut self, model: &mut Model, after: bool) {
        // Fields before their objects, so that what goes together does not hold itself.
        self.removals.sort_by_key(|removal| removal.kind == "CustomObject");
        for removal in self.removals.iter_mut().filter(|removal| removal.after == after) {
            let (object, own) = removal.full_name.split_once('.').unwrap_or((&removal.full_name, ""));
            let done = match removal.kind.as_str() {
                "CustomField" if !model.has_field(object, own) => Ok(()),
                "CustomField" => model.remove_field(object, own),
                "CustomObject" if is_custom(object) => model.remove_object(object),
                "RecordType" => {
                    model.remove_record_type(object, own);
                    Ok(())
                }
                _ => Ok(()),
            };
            removal.problem = done.err();
        }
    }

    /// Removes what is kept of components, and their rows.
    fn remove(&mut self, tx: &mut Tx<'_>, after: bool) {
        for removal in self.removals.iter_mut().filter(|removal| removal.after == after && removal.problem.is_none()) {
            if !types::exists(&removal.kind) && removal.kind != "CustomLabel" {
                removal.problem = Some(format!("Unknown type name '{}' specified in {}", removal.kind, removal.file));
                continue;
            }
            let row = effect::remove(tx, &removal.kind, &removal.full_name);
            let gone = component::remove(tx, &removal.kind, &removal.full_name);
            if !gone.expect("the store's own tables can be written") && !row {
                removal.problem = Some(format!("No {} named: {} found", removal.kind, removal.full_name));
                removal.warning = true;
            }
        }
    }

    /// Keeps the drafts that are good, with their rows.
    fn keep(&mut self, tx: &mut Tx<'_>) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::default(); self.drafts.len()];
        let mut order: Vec<usize> = (0..self.drafts.len()).collect();
        order.sort_by_key(|&at| rank(&self.drafts[at]));
        for &at in &order {
            let draft = &mut self.drafts[at];
            if !draft.is_good() {
                continue;
            }
            match automation::judge(&tx.schema, &draft.kind, &draft.full_name, draft.node.as_ref()) {
                Verdict::Works => {}
                Verdict::Wrong(text) if !self.lenient => {
                    let (line, column) = draft.position();
                    draft.refuse(Problem { line, column, text });
                    continue;
                }
                Verdict::Wrong(text) | Verdict::Dormant(text) => draft.note = Some(automation::note(&text)),
            }
            let row = match tx.savepoint(|tx| effect::save(tx, draft)) {
                Ok(row) => row,
                Err(problem) => {
                    draft.refuse(problem);
                    continue;
                }
            };
            merge(tx, draft);
            let name = (draft.kind.as_str(), draft.full_name.as_str());
            let saved =
                component::put(tx, self.user_id, name, draft.container.as_deref(), &draft.file, &draft.files, row)
                    .expect("the store's own tables can be written");
            outcomes[at] = Outcome { id: saved.id, created: saved.created, changed: saved.changed };
        }
        // References between records of custom metadata types may point forward.
        for &at in &order {
            let draft = &mut self.drafts[at];
            if draft.kind == "CustomMetadata"
                && draft.is_good()
                && let Err(problem) = effect::relate(tx, draft)
            {
                draft.refuse(problem);
            }
        }
        for (draft, outcome) in self.drafts.iter_mut().zip(&outcomes) {
            draft.outcome = outcome.clone();
        }
        outcomes
    }
}

/// Puts a draft into the model.
fn put(model: &mut Model, draft: &Draft, strict: bool) -> Result<(), Problem> {
    let Some(node) = &draft.node else { return Ok(()) };
    let container = draft.container.as_deref().unwrap_or_default();
    match draft.kind.as_str() {
        "GlobalValueSet" => model.put_value_set(&draft.full_name, node),
        "StandardValueSet" => model.put_standard_value_set(&draft.full_name, node),
        "CustomObject" => model.put_object(&draft.full_name, node, strict)?,
        "CustomField" => {
            if strict {
                model.check_tracking(container, node)?;
            }
            model.put_field(container, node)?;
        }
        "RecordType" => model.put_record_type(container, node)?,
        _ => {}
    }
    Ok(())
}

/// A profile only changes what it names, and so does an object; the rest stays as it was deployed before.
fn merge(tx: &Tx<'_>, draft: &mut Draft) {
    if !matches!(draft.kind.as_str(), "Profile" | "CustomObject") {
        return;
    }
    let Some(known) = component::find(tx, &draft.kind, &draft.full_name).and_then(|known| component::node(tx, &known))
    else {
        return;
    };
    let Some(node) = &draft.node else { return };
    if known == *node {
        draft.files = component::files(tx, &draft.kind, &draft.full_name);
        return;
    }
    let merged = if draft.kind == "Profile" { effect::merge_profile(known, node) } else { merge_elements(known, node) };
    draft.files = vec![(draft.file.clone(), merged.document().into_bytes())];
}

/// Elements that the new one names replace those of the same name.
fn merge_elements(mut known: Node, new: &Node) -> Node {
    known.children.retain(|child| new.first(&child.name).is_none());
    known.children.extend(new.children.iter().cloned());
    known.children.sort_by(|a, b| (a.name != "fullName", &a.name).cmp(&(b.name != "fullName", &b.name)));
    known
}

fn removal(file: &str, kind: &str, name: &str, after: bool) -> Removal {
    Removal {
        file: file.to_owned(),
        kind: kind.to_owned(),
        full_name: name.to_owned(),
        after,
        problem: None,
        warning: false,
    }
}

fn removals(parcel: &Parcel) -> Vec<Removal> {
    let mut found = Vec::new();
    for (after, manifests) in [(false, &parcel.removed_before), (true, &parcel.removed_after)] {
        for (file, manifest) in manifests {
            for (kind, members) in &manifest.types {
                if !apps::takes(kind) {
                    found.extend(members.iter().map(|member| removal(file, kind, member, after)));
                }
            }
        }
    }
    found
}

/// The type under which manifests name components of a type.
pub fn listed_as(kind: &str) -> &str {
    match kind {
        "DashboardFolder" => "Dashboard",
        "DocumentFolder" => "Document",
        "EmailFolder" | "EmailTemplateFolder" => "EmailTemplate",
        "ReportFolder" => "Report",
        other => other,
    }
}

fn key(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), percent_decode_str(name).decode_utf8_lossy().to_lowercase())
}

/// What the manifest names and the zip has not.
fn missing(parcel: &Parcel, drafts: &[Draft]) -> Vec<Message> {
    let mut there: HashSet<(String, String)> =
        drafts.iter().map(|draft| key(listed_as(&draft.kind), &draft.full_name)).collect();
    // A container that was only named for its parts is there with its file.
    for place in parcel.files.keys().filter_map(|path| parcel::place(path)) {
        there.insert(key(&place.listed_as, &place.name));
    }
    let mut found = Vec::new();
    for (kind, members) in &parcel.manifest.types {
        let problem = |name: &str, text: String| Message {
            component_type: if types::exists(kind) { kind.clone() } else { String::new() },
            full_name: name.to_owned(),
            file_name: format!("{}package.xml", parcel.folder),
            problem: Some(text),
            problem_type: Some("Error"),
            ..Message::default()
        };
        if !types::exists(kind) && container::of_part(kind).is_none() {
            found.push(problem(kind, format!("Unknown type name '{kind}' specified in package.xml")));
            continue;
        }
        for member in members.iter().filter(|member| *member != "*" && !there.contains(&key(kind, member))) {
            let text = format!(
                "An object '{member}' of type {kind} was named in package.xml, but was not found in zipped directory"
            );
            found.push(problem(member, text));
        }
    }
    found
}

/// A file that the manifest does not name.
fn unnamed(parcel: &Parcel, options: &Options, path: &str, place: Option<&parcel::Place>) -> Message {
    Message {
        component_type: place.map(|place| place.kind.clone()).unwrap_or_default(),
        full_name: place.map_or_else(|| path.to_owned(), |place| place.name.clone()),
        file_name: format!("{}{path}", parcel.folder),
        problem: Some("Not in package.xml".to_owned()),
        problem_type: Some("Warning"),
        success: options.ignore_warnings,
        ..Message::default()
    }
}

fn messages(parcel: &Parcel, options: &Options, work: &Work<'_>) -> Vec<Message> {
    let manifest = |name: &str| Message {
        changed: true,
        success: true,
        full_name: name.to_owned(),
        file_name: format!("{}{name}", parcel.folder),
        ..Message::default()
    };
    let mut found = vec![manifest("package.xml")];
    let removed = parcel.removed_before.iter().chain(&parcel.removed_after);
    found.extend(removed.map(|(file, _)| manifest(file)));
    for draft in &work.drafts {
        let problem = draft.problem.as_ref();
        let success = problem.is_none() || (draft.is_warning && options.ignore_warnings);
        found.push(Message {
            changed: success && draft.outcome.changed,
            created: success && draft.outcome.created,
            deleted: false,
            success,
            component_type: draft.kind.clone(),
            full_name: draft.full_name.clone(),
            file_name: format!("{}{}", parcel.folder, draft.file),
            id: Some(draft.outcome.id.clone()).filter(|id| success && !id.is_empty()),
            line: problem.map_or(0, |problem| problem.line),
            column: problem.map_or(0, |problem| problem.column),
            problem: problem.map(|problem| problem.text.clone()).or_else(|| draft.note.clone()),
            problem_type: match problem {
                Some(_) if !draft.is_warning => Some("Error"),
                None if draft.note.is_none() => None,
                _ => Some("Warning"),
            },
        });
    }
    for removal in &work.removals {
        let success = removal.problem.is_none() || (removal.warning && options.ignore_warnings);
        found.push(Message {
            changed: removal.problem.is_none(),
            deleted: removal.problem.is_none(),
            success,
            component_type: removal.kind.clone(),
            full_name: removal.full_name.clone(),
            file_name: format!("{}{}", parcel.folder, removal.file),
            problem: removal.problem.clone(),
            problem_type: removal.problem.as_ref().map(|_| if removal.warning { "Warning" } else { "Error" }),
            ..Message::default()
        });
    }
    found
}

/// The XML of a component as a draft, as the CRUD calls give it.
pub fn draft_of(kind: &str, full_name: &str, node: Node) -> Draft {
    let (file_kind, container) = match container::of_part(kind) {
        Some((parent, _)) => (parent, Some(container::container_name(parent, full_name).to_owned())),
        None => (kind, None),
    };
    let stem = container.as_deref().unwrap_or(full_name);
    let file = match types::find(file_kind) {
        Some(one) => match one.suffix {
            Some(suffix) => format!("{}/{stem}.{suffix}", one.directory),
            None => format!("{}/{stem}", one.directory),
        },
        None => stem.to_owned(),
    };
    let mut node = node;
    let own_name = container.as_ref().map(|_| container::own_name(full_name).to_owned());
    node.name = kind.to_owned();
    node.children.retain(|child| child.name != "fullName");
    if let Some(own) = own_name {
        node.children.insert(0, Node::leaf("fullName", own));
    }
    let mut draft = Draft {
        kind: kind.to_owned(),
        full_name: full_name.to_owned(),
        container,
        files: vec![(file.clone(), node.document().into_bytes())],
        file,
        ..Draft::default()
    };
    if let Err(problem) = super::elements::check(&node, kind, draft::LATEST) {
        draft.refuse(problem);
    }
    draft.node = Some(node);
    draft
}

/// The components of a container's XML: what remains of it, and its parts.
pub fn drafts_of(kind: &str, full_name: &str, node: Node) -> Vec<Draft> {
    if container::parts_of(kind).is_empty() {
        return vec![draft_of(kind, full_name, node)];
    }
    let (rest, parts) = container::split(kind, node);
    let mut drafts = vec![draft_of(kind, full_name, rest)];
    for (part, node) in parts {
        let name = container::full_name(kind, full_name, node.text_of("fullName"));
        drafts.push(draft_of(part.kind, &name, node));
    }
    drafts
}

/// What the stored components make of a schema, when an org is opened again.
pub(crate) fn rebuild(tx: &Tx<'_>, schema: &Schema) -> Option<Schema> {
    let mut stored: Vec<Draft> = Vec::new();
    for kind in SCHEMA_KINDS {
        for Component { kind, full_name, container, .. } in component::all(tx, kind) {
            let files = component::files(tx, &kind, &full_name);
            let node = files.first().and_then(|(_, body)| xml::parse(std::str::from_utf8(body).ok()?).ok());
            stored.push(Draft { kind, full_name, container, node, ..Draft::default() });
        }
    }
    if stored.is_empty() {
        return None;
    }
    stored.sort_by_key(rank);
    let mut model = Model::of(schema, component::key_prefixes(tx.conn));
    for draft in &stored {
        // It was put once before, so it can be refused only where the standard schema has changed since.
        let _ = put(&mut model, draft, false);
    }
    Some(model.finish(schema, tx.set_up()).0)
}

/// A schema with what a parcel brings to it, and what it could not take.
pub(crate) fn schema_with(schema: &Schema, parcel: &Parcel) -> (Schema, Vec<String>) {
    let (mut drafts, _) = draft::read(parcel);
    drafts.sort_by_key(rank);
    let mut model = Model::of(schema, []);
    let mut skipped = Vec::new();
    for draft in drafts.iter().filter(|draft| SCHEMA_KINDS.contains(&draft.kind.as_str())) {
        let done = draft.problem.clone().map_or_else(|| put(&mut model, draft, !parcel.lenient), Err);
        if let Err(problem) = done {
            skipped.push(format!("{}: {}", draft.full_name, problem.text));
        }
    }
    (model.finish(schema, &SetUp::default()).0, skipped)
}
