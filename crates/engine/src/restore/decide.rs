// SPDX-License-Identifier: Apache-2.0
//! What is to be done with each selected record, by holding its row in the backup against the target.
//!
//! A record that is there is updated in the fields that differ; one in the recycle bin is taken out of it and then updated;
//! one that is gone is created. Required parents that are gone too are added to the selection; optional lookups to
//! what the target does not have are left empty and noted.

use super::names::Names;
use super::order::{Node, Reference};
use super::plan::{Item, Missing, NotWritten};
use super::rules;
use super::select::{Source, Wanted, versions_of_documents};
use super::target::{Described, Present, Target};
use crate::browse::cell;
use crate::error::Result;
use crate::event::{Event, Monitor};
use crate::lineage::Lineage;
use crate::rich;
use futures::stream::TryStreamExt;
use orgkeep_vault::Batch;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Records looked at together: one call asks for as many (`salesforce-api.md` 2.8).
const RECORDS_PER_LOOK: usize = 2_000;

/// Of a record that is made anew: its rich text is written as it was, with addresses of images of another record. That no API puts an image
/// into a rich text area: `salesforce-api.md` 2.2 and 6.8 have only its reading.
const IMAGES_LOST: &str = "the images in its rich text are not put back, for which Salesforce has no API; the text keeps their addresses, which lead to what was there before";
/// Of a record that is there still.
const IMAGES_REFERRED: &str =
    "the images in its rich text are not uploaded again; the text shows those of them that the org still has";
const IMAGES_HINT: &str =
    "`orgkeep show NAME OBJECT ID` names them, with the hash under which the vault holds each (docs/format.md)";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Exists,
    Undelete,
    Create,
    /// It comes into being, or comes back, with another record.
    ComesAlong,
    Left,
}

/// A field of a written record that refers to another record.
#[derive(Clone, Debug)]
struct Use {
    object: String,
    id: String,
    field: String,
    to: String,
    required: bool,
}

/// A record that is there, with the lookups that may need to be set again: those to records that get a new Id.
struct Relink {
    object: String,
    item: Item,
    /// Field and the Id it has in the backup.
    lookups: Vec<(String, String)>,
    /// It is restored in every field, so that lookups to what comes back under its own Id are known already.
    exact: bool,
}

pub(crate) struct Decisions<'a> {
    source: &'a Source<'a>,
    names: &'a Names,
    lineage: &'a Lineage,
    same_org: bool,
    pub fates: HashMap<String, Fate>,
    pub undelete: BTreeMap<String, Vec<Item>>,
    pub update: BTreeMap<String, Vec<Item>>,
    pub create: Vec<Node>,
    pub create_fields: BTreeMap<String, BTreeSet<String>>,
    /// Lookups of records to be created that are left empty, by record.
    pub dropped: HashMap<String, Vec<String>>,
    pub references: BTreeMap<String, String>,
    uses: Vec<Use>,
    relink: Vec<Relink>,
    /// Versions to be created of each file, with their numbers.
    versions: HashMap<String, Vec<(u64, String)>>,
    /// First version of each file that is created.
    pub first_version: HashMap<String, String>,
    left: BTreeMap<(String, String, Option<String>), BTreeSet<String>>,
    missing: BTreeMap<(String, Option<String>), u64>,
}

impl<'a> Decisions<'a> {
    pub fn new(source: &'a Source<'a>, names: &'a Names, lineage: &'a Lineage, same_org: bool) -> Decisions<'a> {
        Decisions {
            source,
            names,
            lineage,
            same_org,
            fates: HashMap::new(),
            undelete: BTreeMap::new(),
            update: BTreeMap::new(),
            create: Vec::new(),
            create_fields: BTreeMap::new(),
            dropped: HashMap::new(),
            references: BTreeMap::new(),
            uses: Vec::new(),
            relink: Vec::new(),
            versions: HashMap::new(),
            first_version: HashMap::new(),
            left: BTreeMap::new(),
            missing: BTreeMap::new(),
        }
    }

    /// Decides on all of `wanted`, adding required parents as it finds them missing.
    pub async fn decide(&mut self, target: &mut Target<'_>, mut wanted: Wanted, monitor: &dyn Monitor) -> Result<()> {
        for (object, ids) in std::mem::take(&mut wanted.newer) {
            for id in ids {
                self.leave(&object, &id, "made after the backup, so there is nothing to put back", None);
            }
        }
        loop {
            let mut objects: Vec<String> = wanted.objects.keys().cloned().collect();
            // A version's fate follows from its document's.
            objects.sort_by_key(|object| (object == "ContentVersion", object.clone()));
            for object in objects {
                let picked = wanted.objects[&object].clone();
                let exact: Vec<String> = self.open(&picked.exact);
                let related: Vec<String> = self.open(&picked.related);
                self.object(target, &object, exact, true).await?;
                self.object(target, &object, related, false).await?;
                let records = (picked.exact.len() + picked.related.len()) as u64;
                monitor.event(&Event::PlanProgress { object, records });
            }
            let parents = self.outside(target).await?;
            if parents.is_empty() {
                break;
            }
            for (object, ids) in parents {
                wanted.objects.entry(object).or_default().related.extend(ids);
            }
            versions_of_documents(self.source, &mut wanted).await?;
        }
        self.relink_records();
        self.order_versions();
        self.order_price_book_entries().await
    }

    fn open(&self, ids: &BTreeSet<String>) -> Vec<String> {
        ids.iter().filter(|id| !self.fates.contains_key(*id)).cloned().collect()
    }

    async fn object(&mut self, target: &mut Target<'_>, object: &str, ids: Vec<String>, exact: bool) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        if rules::is_setup(object) {
            for id in &ids {
                self.leave(object, id, "part of the org's set-up, which a data restore does not write", None);
            }
            return Ok(());
        }
        let Some(described) = target.describe(object).await? else {
            *self.missing.entry((object.to_owned(), None)).or_default() += ids.len() as u64;
            let hint = Some("deploy the object to the target org first".to_owned());
            ids.iter().for_each(|id| self.leave(object, id, "the target org has no such object", hint.clone()));
            return Ok(());
        };
        for chunk in ids.chunks(RECORDS_PER_LOOK) {
            let current: Vec<String> = chunk.iter().filter_map(|id| self.current(id)).collect();
            let present = target.present(&described, &current).await?;
            let mut batches = self.source.rows(object, None, Some(chunk.to_vec())).await?;
            while let Some(batch) = batches.try_next().await? {
                for row in 0..batch.len() {
                    let id = batch.id(row).to_owned();
                    let there = self.current(&id).and_then(|current| present.get(&current));
                    self.record(&described, &batch, row, there, exact);
                }
            }
        }
        Ok(())
    }

    /// The Id under which the target would have a record; none in another org that never received it.
    fn current(&self, id: &str) -> Option<String> {
        match self.lineage.made(id) {
            Some(made) => Some(made.to_owned()),
            None if self.same_org => Some(id.to_owned()),
            None => self.names.twin(id).map(str::to_owned),
        }
    }

    fn record(&mut self, described: &Described, batch: &Batch, row: usize, there: Option<&Present>, exact: bool) {
        let object = described.describe.name.clone();
        let id = batch.id(row).to_owned();
        let target_id = self.current(&id).filter(|current| *current != id);
        let item = |present: &Present| Item {
            id: id.clone(),
            target_id: target_id.clone(),
            stamp: described.spec.stamp.as_deref().and_then(|stamp| cell(&present.batch, present.row, stamp)),
            ..Item::default()
        };
        match there {
            Some(present) if !present.in_bin && !exact => {
                self.fates.insert(id.clone(), Fate::Exists);
                let lookups = self.lookups(described, batch, row, present);
                let item = item(present);
                self.relink.push(Relink { object, item, lookups, exact: false });
            }
            Some(present) => {
                let mut item = item(present);
                item.fields = self.differing(described, batch, row, present);
                if present.in_bin {
                    self.fates.insert(id.clone(), Fate::Undelete);
                    self.undelete.entry(object.clone()).or_default().push(Item { fields: Vec::new(), ..item.clone() });
                    // Taking it out of the bin moves its stamp.
                    item.stamp = None;
                } else {
                    self.fates.insert(id.clone(), Fate::Exists);
                }
                let lookups = self.settable_lookups(described, batch, row);
                self.relink.push(Relink { object: object.clone(), item: item.clone(), lookups, exact: true });
                if described.spec.rich.iter().any(|field| item.fields.contains(field)) {
                    let kept = if self.same_org { IMAGES_REFERRED } else { IMAGES_LOST };
                    self.note_images(described, batch, row, kept);
                }
                if !item.fields.is_empty() {
                    self.update.entry(object).or_default().push(item);
                }
            }
            None => self.gone(described, batch, row),
        }
    }

    /// Fields of an existing record that can be set and hold another value.
    fn differing(&mut self, described: &Described, batch: &Batch, row: usize, present: &Present) -> Vec<String> {
        let object = &described.describe.name;
        let mut fields = Vec::new();
        for name in self.shared_fields(described, batch, row) {
            let Some(field) = described.field(&name) else { continue };
            let before = cell(batch, row, &name);
            let wanted = before.as_deref().and_then(|value| self.mapped(field, value));
            if before.is_some() && wanted.is_none() || wanted == cell(&present.batch, present.row, &name) {
                continue;
            }
            if !field.updateable {
                if field.createable && !rules::withheld(object, &name) {
                    let reason = format!("{name} can only be set when a record is created");
                    self.leave_field(object, batch.id(row), &reason);
                }
                continue;
            }
            if let Some(to) = before.filter(|_| field.field_type.name() == "reference") {
                let required = !field.nillable;
                if !self.refer(object, batch.id(row), &name, &to, required) {
                    continue;
                }
            }
            fields.push(name);
        }
        fields
    }

    /// Lookups of a related record that hold another value than in the backup.
    fn lookups(&self, described: &Described, batch: &Batch, row: usize, present: &Present) -> Vec<(String, String)> {
        described
            .describe
            .fields
            .iter()
            .filter(|field| field.field_type.name() == "reference" && field.updateable)
            .filter_map(|field| {
                let to = cell(batch, row, &field.name)?;
                let now = cell(&present.batch, present.row, &field.name);
                (now.as_deref() != Some(self.lineage.current(&to))).then(|| (field.name.clone(), to))
            })
            .collect()
    }

    /// Lookups to data that can be set after creation.
    fn settable_lookups(&self, described: &Described, batch: &Batch, row: usize) -> Vec<(String, String)> {
        let fields = described.describe.fields.iter();
        fields
            .filter(|field| field.field_type.name() == "reference" && field.updateable)
            .filter_map(|field| Some((field.name.clone(), cell(batch, row, &field.name)?)))
            .filter(|(_, to)| self.setup_object(to).is_none())
            .collect()
    }

    fn gone(&mut self, described: &Described, batch: &Batch, row: usize) {
        let describe = &described.describe;
        let (object, id) = (describe.name.as_str(), batch.id(row).to_owned());
        if rules::comes_with(object).is_some() {
            self.fates.insert(id, Fate::ComesAlong);
            return;
        }
        if !describe.createable {
            self.leave(
                object,
                &id,
                "Salesforce lets nobody create records of this object; they stay readable in the vault",
                None,
            );
            return;
        }
        if rules::rebuilt(object, cell(batch, row, "RowCause").as_deref()) {
            self.leave(object, &id, "Salesforce makes this sharing by itself", None);
            return;
        }
        let document = (object == "ContentVersion").then(|| cell(batch, row, "ContentDocumentId")).flatten();
        if let Some(document) = &document {
            match self.fates.get(document) {
                Some(Fate::Undelete) => {
                    self.fates.insert(id, Fate::ComesAlong);
                    return;
                }
                Some(Fate::Exists) => {
                    self.leave(object, &id, "its file exists, and a version cannot be put back between others", None);
                    return;
                }
                _ => {}
            }
        }
        if let Some(body) = &described.spec.body
            && cell(batch, row, &body.field).is_none()
            && cell(batch, row, "ContentUrl").is_none()
        {
            self.leave(
                object,
                &id,
                "the backup does not hold its content",
                Some("see the coverage of that backup".into()),
            );
            return;
        }
        let shared = self.shared_fields(described, batch, row);
        for field in &describe.fields {
            let given = shared.contains(&field.name) && cell(batch, row, &field.name).is_some();
            if field.required_on_create() && !given && !matches!(field.field_type.name(), "boolean" | "base64") {
                let reason = format!("{} is required and the backup has no value for it", field.name);
                self.leave(object, &id, &reason, None);
                return;
            }
        }
        let mut node = Node { object: object.to_owned(), id: id.clone(), references: Vec::new() };
        for name in shared {
            let Some(field) = described.field(&name) else { continue };
            let Some(value) = cell(batch, row, &name) else { continue };
            if !field.createable || rules::withheld(object, &name) {
                continue;
            }
            self.create_fields.entry(object.to_owned()).or_default().insert(name.clone());
            if field.field_type.name() == "reference" {
                let required =
                    field.required_on_create() || (object == "ContentVersion" && name == "ContentDocumentId");
                if !self.refer(object, &id, &name, &value, required) {
                    let reason =
                        format!("{name} is required, and the target org has nothing that stands for its value");
                    self.leave(object, &id, &reason, None);
                    return;
                }
                if self.setup_object(&value).is_none() {
                    node.references.push(Reference { field: name, to: value, required });
                }
            }
        }
        if let Some(document) = document {
            let number = |version: &str| version.parse::<u64>().unwrap_or(u64::MAX);
            let own = number(&cell(batch, row, "VersionNumber").unwrap_or_default());
            self.version(document, own, &id, &mut node);
        }
        self.note_images(described, batch, row, IMAGES_LOST);
        self.fates.insert(id, Fate::Create);
        self.create.push(node);
    }

    /// Versions of a file are created oldest first, the first one making the file.
    fn version(&mut self, document: String, number: u64, id: &str, node: &mut Node) {
        node.references.retain(|reference| reference.field != "ContentDocumentId");
        self.uses.retain(|one| !(one.id == id && one.field == "ContentDocumentId"));
        self.versions.entry(document).or_default().push((number, id.to_owned()));
    }

    /// Fields that the backup has and the target can be asked for; a value for a field that the target lacks is noted.
    fn shared_fields(&mut self, described: &Described, batch: &Batch, row: usize) -> Vec<String> {
        let mut shared = Vec::new();
        for (column, name) in batch.names().enumerate() {
            if described.spec.position(name).is_some() {
                shared.push(name.to_owned());
            } else if described.field(name).is_none() && batch.text(row, column).is_some() {
                *self.missing.entry((described.describe.name.clone(), Some(name.to_owned()))).or_default() += 1;
            }
        }
        shared
    }

    fn setup_object(&self, id: &str) -> Option<&'static str> {
        let object = self.source.object_of(id)?;
        rules::SETUP.iter().find(|(name, _)| *name == object).map(|(name, _)| *name)
    }

    /// The value to write for a value of the backup; `None` for a reference that has no counterpart.
    fn mapped(&self, field: &orgkeep_salesforce::Field, value: &str) -> Option<String> {
        if field.field_type.name() != "reference" {
            return Some(value.to_owned());
        }
        match self.setup_object(value) {
            Some(object) => self.names.setup(object, &field.name, value),
            None => Some(self.current(value).unwrap_or_else(|| value.to_owned())),
        }
    }

    /// Notes that a written field refers to another record. False where a required one has no counterpart.
    fn refer(&mut self, object: &str, id: &str, field: &str, to: &str, required: bool) -> bool {
        match self.setup_object(to) {
            Some(setup) => match self.names.setup(setup, field, to) {
                Some(twin) if twin == to => {}
                Some(twin) => {
                    self.references.insert(format!("{field}:{to}"), twin);
                }
                None if required => return false,
                None => self.drop_lookup(object, id, field, to),
            },
            None => {
                if let Some(twin) = self.names.twin(to) {
                    self.references.insert(to.to_owned(), twin.to_owned());
                }
                self.uses.push(Use {
                    object: object.into(),
                    id: id.into(),
                    field: field.into(),
                    to: to.into(),
                    required,
                });
            }
        }
        true
    }

    fn drop_lookup(&mut self, object: &str, id: &str, field: &str, to: &str) {
        self.dropped.entry(id.to_owned()).or_default().push(field.to_owned());
        let what = self.source.object_of(to).unwrap_or("record").to_owned();
        let reason = format!("{field} is left empty: the target org has no {what} that it refers to");
        self.leave_field(object, id, &reason);
        for items in self.update.get_mut(object).into_iter().flatten().filter(|item| item.id == id) {
            items.fields.retain(|name| name != field);
        }
    }

    /// Looks for what is referred to outside the selection. Returns required parents that must be restored too.
    async fn outside(&mut self, target: &mut Target<'_>) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let uses = std::mem::take(&mut self.uses);
        let mut asked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for one in uses.iter().filter(|one| !self.fates.contains_key(&one.to)) {
            if let Some(current) = self.current(&one.to)
                && let Some(object) = target.object_of(&current)
            {
                asked.entry(object.to_owned()).or_default().insert(current);
            }
        }
        let mut existing = BTreeSet::new();
        for (object, ids) in asked {
            existing.extend(target.existing(&object, &ids.into_iter().collect::<Vec<_>>()).await?);
        }
        let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for one in uses {
            let there = match self.fates.get(&one.to) {
                Some(Fate::Left) => false,
                Some(_) => true,
                None => self.current(&one.to).is_some_and(|current| existing.contains(&current)),
            };
            if there {
                continue;
            }
            let parent = self.source.object_of(&one.to).filter(|_| one.required && !self.fates.contains_key(&one.to));
            match parent {
                Some(parent) => {
                    parents.entry(parent.to_owned()).or_default().insert(one.to.clone());
                }
                None if one.required => {
                    let reason = format!("{} is required, and what it refers to is not there", one.field);
                    self.create.retain(|node| node.id != one.id);
                    self.leave(&one.object, &one.id, &reason, None);
                }
                None => self.drop_lookup(&one.object, &one.id, &one.field, &one.to),
            }
        }
        // A parent that the backup does not hold either would be asked for again and again.
        for (object, ids) in &mut parents {
            let mut held = BTreeSet::new();
            let list = Some(ids.iter().cloned().collect());
            let mut batches = self.source.rows(object, Some(vec!["Id".into()]), list).await?;
            while let Some(batch) = batches.try_next().await? {
                held.extend((0..batch.len()).map(|row| batch.id(row).to_owned()));
            }
            for id in ids.iter().filter(|id| !held.contains(*id)) {
                self.fates.insert(id.clone(), Fate::Left);
            }
            *ids = held;
        }
        parents.retain(|_, ids| !ids.is_empty());
        Ok(parents)
    }

    /// Sets lookups again whose target comes back. Related records that exist keep all their other values; a record restored in
    /// every field may point at one that will have a new Id, and then differs in nothing yet.
    fn relink_records(&mut self) {
        let mut place: HashMap<(String, String), usize> = HashMap::new();
        for (object, items) in &self.update {
            place.extend(items.iter().enumerate().map(|(at, item)| ((object.clone(), item.id.clone()), at)));
        }
        for Relink { object, mut item, lookups, exact } in std::mem::take(&mut self.relink) {
            let fields = lookups.into_iter().filter(|(_, to)| match self.fates.get(to) {
                Some(Fate::Create) => true,
                Some(Fate::Undelete | Fate::ComesAlong) => !exact,
                _ => false,
            });
            item.fields = fields.map(|(field, _)| field).collect();
            if item.fields.is_empty() {
                continue;
            }
            let items = self.update.entry(object.clone()).or_default();
            match place.get(&(object, item.id.clone())) {
                Some(at) => {
                    let known = &mut items[*at].fields;
                    item.fields.retain(|field| !known.contains(field));
                    known.append(&mut item.fields);
                }
                None => items.push(item),
            }
        }
    }

    /// Each version of a file after the one before it.
    fn order_versions(&mut self) {
        let place: HashMap<String, usize> =
            self.create.iter().enumerate().map(|(place, node)| (node.id.clone(), place)).collect();
        for (document, mut versions) in std::mem::take(&mut self.versions) {
            versions.sort();
            self.first_version.insert(document, versions[0].1.clone());
            for pair in versions.windows(2) {
                let (before, after) = (pair[0].1.clone(), &pair[1].1);
                if let Some(place) = place.get(after) {
                    let reference = Reference { field: "ContentDocumentId".into(), to: before, required: true };
                    self.create[*place].references.push(reference);
                }
            }
        }
    }

    /// A product needs its standard price before any other (`salesforce-api.md` 6.4), which no lookup says.
    async fn order_price_book_entries(&mut self) -> Result<()> {
        if !self.create.iter().any(|node| node.object == "PricebookEntry") {
            return Ok(());
        }
        let mut standard_books = BTreeSet::new();
        let columns = Some(vec!["Id".to_owned(), "IsStandard".to_owned()]);
        let mut batches = self.source.rows("Pricebook2", columns, None).await?;
        while let Some(batch) = batches.try_next().await? {
            let standard = |row: &usize| cell(&batch, *row, "IsStandard").as_deref() == Some("true");
            standard_books.extend((0..batch.len()).filter(standard).map(|row| batch.id(row).to_owned()));
        }
        let field = |node: &Node, name: &str| {
            node.references.iter().find(|reference| reference.field == name).map(|reference| reference.to.clone())
        };
        let in_standard = |node: &Node| field(node, "Pricebook2Id").is_some_and(|book| standard_books.contains(&book));
        let entries = self.create.iter().filter(|node| node.object == "PricebookEntry");
        let standard_of: HashMap<String, String> = entries
            .filter(|node| in_standard(node))
            .filter_map(|node| Some((field(node, "Product2Id")?, node.id.clone())))
            .collect();
        for place in 0..self.create.len() {
            let node = &self.create[place];
            if node.object != "PricebookEntry" || in_standard(node) {
                continue;
            }
            if let Some(standard) = field(node, "Product2Id").and_then(|product| standard_of.get(&product).cloned()) {
                let reference = Reference { field: "the standard price".into(), to: standard, required: true };
                self.create[place].references.push(reference);
            }
        }
        Ok(())
    }

    fn leave(&mut self, object: &str, id: &str, reason: &str, hint: Option<String>) {
        self.fates.insert(id.to_owned(), Fate::Left);
        self.left.entry((object.to_owned(), reason.to_owned(), hint)).or_default().insert(id.to_owned());
    }

    /// A field of a record that is written otherwise.
    fn leave_field(&mut self, object: &str, id: &str, reason: &str) {
        self.left.entry((object.to_owned(), reason.to_owned(), None)).or_default().insert(id.to_owned());
    }

    /// Says of a record that is written what becomes of the images in its rich text.
    fn note_images(&mut self, described: &Described, batch: &Batch, row: usize, reason: &str) {
        let mut texts = described.spec.rich.iter().filter_map(|field| cell(batch, row, field));
        if texts.any(|text| !rich::references(&text).is_empty()) {
            let key = (described.describe.name.clone(), reason.to_owned(), Some(IMAGES_HINT.to_owned()));
            self.left.entry(key).or_default().insert(batch.id(row).to_owned());
        }
    }

    pub fn leave_impossible(&mut self, object: &str, id: &str) {
        self.leave(object, id, "it is in a circle of required lookups, none of which can be created first", None);
    }

    pub fn not_written(&mut self) -> Vec<NotWritten> {
        std::mem::take(&mut self.left)
            .into_iter()
            .map(|((object, reason, hint), ids)| NotWritten { object, reason, hint, ids: ids.into_iter().collect() })
            .collect()
    }

    pub fn missing(&mut self) -> Vec<Missing> {
        std::mem::take(&mut self.missing)
            .into_iter()
            .map(|((object, field), records)| Missing { object, field, records })
            .collect()
    }
}
