// SPDX-License-Identifier: Apache-2.0
//! Erasing records from all backups of an org, with everything that hangs on them, by a fixed rule:
//!
//! 1. A record is the same record under every Id that a restore into its own org gave it.
//! 2. With it go its children by master-detail and by lookups that delete in cascade, as the describes say; its history, shares
//!    and feed; and tasks, events, notes, attachments, e-mails, feed posts and comments, followers, topics and approvals
//!    that refer to it; and what hangs on those in the same way.
//! 3. With it go the links to its files, and each file that was never linked to anything else than erased records and users,
//!    with all its versions. The content of a file goes unless another record has the same content.
//! 4. A lookup of another record to an erased one stays as an Id that leads nowhere.
//!
//! All captured versions count: what referred to the record once hangs on it. A name in the text of another record is not
//! found by any rule.
//!
//! What plans and ledgers of restores say of the records in words is taken out first, then the vault erases. An erasure that was
//! interrupted before it was on the vault's list has erased nothing yet; after it, the next one or the next backup completes it.

use crate::backup::hash_of;
use crate::error::{Error, Result};
use crate::event::Clock;
use crate::id;
use crate::lineage::Lineage;
use crate::point::Point;
use crate::rich::{BODY, IMAGES, RECORD};
use chrono::{DateTime, Utc};
use futures::stream::TryStreamExt;
use orgkeep_salesforce::Describe;
use orgkeep_vault::{Erased, ErasedSince, Erasure, ErasureDraft, ErasureSignature, Lock, OrgVault, Share};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What refers to any record and hangs on it, by object and field.
const HANGING: [(&str, &str); 22] = [
    (IMAGES, RECORD),
    ("Task", "WhoId"),
    ("Task", "WhatId"),
    ("TaskRelation", "RelationId"),
    ("Event", "WhoId"),
    ("Event", "WhatId"),
    ("EventRelation", "RelationId"),
    ("Note", "ParentId"),
    ("Attachment", "ParentId"),
    ("EmailMessage", "ParentId"),
    ("EmailMessage", "RelatedToId"),
    ("EmailMessageRelation", "RelationId"),
    ("FeedItem", "ParentId"),
    ("FeedComment", "ParentId"),
    ("FeedComment", "FeedItemId"),
    ("ContentDocumentLink", "LinkedEntityId"),
    ("EntitySubscription", "ParentId"),
    ("TopicAssignment", "EntityId"),
    ("ProcessInstance", "TargetObjectId"),
    ("CampaignMember", "ContactId"),
    ("CampaignMember", "LeadId"),
    ("ContentVersion", "ContentDocumentId"),
];
/// The rule in one sentence, for the list and the certificate.
const RULE: &str = "the record under all Ids that restores gave it, its children by cascading delete, its history, shares and feed, \
                    activities, notes, attachments, e-mails, images in its rich text, and files linked to nothing else";
/// Key prefix of users: the link of a file to its owner does not keep it.
const USER: &str = "005";
/// Shorter values are not looked for in words.
const TELLING_CHARACTERS: usize = 4;

/// What an erasure did, for whoever asked for it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    pub what: &'static str,
    pub format: u32,
    pub vault: String,
    pub org: String,
    /// Number of the erasure on the vault's list; none where nothing was done.
    pub erasure: Option<u64>,
    pub at: DateTime<Utc>,
    pub object: String,
    pub ids: Vec<String>,
    pub rule: String,
    /// Records that were erased, and captured versions of them, by object.
    pub records: BTreeMap<String, u64>,
    pub versions: BTreeMap<String, u64>,
    /// The backups whose state held one of them.
    pub backups: Vec<u64>,
    /// Contents of files that were erased.
    pub bodies: u64,
    /// Restores whose plan or ledger said something of the records in words.
    pub restores: u64,
    #[serde(flatten)]
    pub done: Erased,
    /// BLAKE3 of the erasure as the vault keeps it.
    pub hash: Option<String>,
    /// The newest backup that still counts what was erased.
    pub newest: u64,
    /// What the erased records were of the state of their object, from a backup on to the next entry: an attestation of that
    /// backup, less this, is what the vault holds now.
    pub shares: BTreeMap<String, Vec<Share>>,
    /// The vault's, under `hash`.
    #[serde(flatten)]
    pub signature: Option<ErasureSignature>,
}

/// What would be erased. Changes nothing.
///
/// # Errors
/// `NotFound` where no backup holds one of the records.
pub async fn erasure(vault: &OrgVault, object: &str, ids: &[String], clock: &dyn Clock) -> Result<Certificate> {
    let draft = draft(vault, object, ids).await?;
    let erasure = vault.erasure(draft, clock.now()).await?;
    certificate(vault, erasure, None, 0)
}

/// Erases records and what hangs on them from all backups.
///
/// # Errors
/// `NotFound` where no backup holds one of the records, `Busy` while somebody else writes to the org's part of the vault.
pub async fn erase(
    vault: &OrgVault,
    object: &str,
    ids: &[String],
    holder: &str,
    clock: &dyn Clock,
) -> Result<Certificate> {
    vault.alone(holder, clock.now(), async |lock| under_lock(vault, object, ids, lock).await).await
}

async fn under_lock(vault: &OrgVault, object: &str, ids: &[String], lock: &Lock) -> Result<Certificate> {
    vault.complete_erasures(lock).await?;
    let draft = draft(vault, object, ids).await?;
    // What is on hold is refused before anything is changed.
    vault.erasure(draft.clone(), lock.at()).await?;
    let restores = silence(vault, &draft, lock).await?;
    let (erasure, done) = vault.erase(lock, draft).await?;
    certificate(vault, erasure, Some(done), restores)
}

/// Records of an object that a backup held as live and that were erased since, by erasure.
///
/// # Errors
/// `NotFound` for a backup or object that is not there.
pub async fn erased_since(vault: &OrgVault, object: &str, at: Option<u64>) -> Result<Vec<ErasedSince>> {
    let point = Point::at(vault, at).await?;
    let object = point.named(object)?.0;
    Ok(vault.erased().await?.since(object, point.sequence))
}

/// What is said of a record that is not there: that it was erased, where it was, or else what the caller says.
pub(crate) async fn absent(vault: &OrgVault, object: &str, record_id: &str, otherwise: Error) -> Error {
    let list = match vault.erased().await {
        Ok(list) => list,
        Err(error) => return error.into(),
    };
    let Some(erasure) = list.holding(object, record_id) else { return otherwise };
    let when = erasure.at.format("%Y-%m-%d");
    Error::not_found(format!("{object} {record_id} was erased from all backups on {when}")).hint(format!(
        "it does not come back: erasure {} of this vault, BLAKE3 {}",
        erasure.number,
        erasure.hash()
    ))
}

fn certificate(vault: &OrgVault, erasure: Erasure, done: Option<Erased>, restores: u64) -> Result<Certificate> {
    Ok(Certificate {
        signature: done.as_ref().map(|_| vault.sign_erasure(&erasure)).transpose()?,
        newest: erasure.newest,
        shares: erasure.shares.clone(),
        what: "orgkeep erasure",
        format: 1,
        vault: vault.vault().id().to_string(),
        org: vault.id().to_owned(),
        erasure: done.is_some().then_some(erasure.number),
        at: erasure.at,
        backups: erasure.backups(),
        bodies: erasure.bodies.len() as u64,
        restores,
        hash: done.is_some().then(|| erasure.hash()),
        done: done.unwrap_or_default(),
        records: erasure.records.iter().map(|(object, ids)| (object.clone(), ids.len() as u64)).collect(),
        versions: erasure.versions,
        object: erasure.object,
        ids: erasure.ids,
        rule: erasure.rule,
    })
}

/// Everything that goes.
async fn draft(vault: &OrgVault, object: &str, ids: &[String]) -> Result<ErasureDraft> {
    let point = Point::at(vault, None).await?;
    let object = point.named(object)?.0.clone();
    let asked: BTreeSet<String> = ids.iter().map(|each| id::normalize(each)).collect::<Result<_>>()?;
    let mut found = Found::open(vault, &point).await?;
    let mut there = BTreeSet::new();
    let mut rows = vault.versions(&object, Some(Vec::new()), Some(asked.iter().cloned().collect())).await?;
    while let Some(batch) = rows.try_next().await? {
        there.extend((0..batch.len()).map(|row| batch.id(row).to_owned()));
    }
    if let Some(absent) = asked.iter().find(|id| !there.contains(*id)) {
        if let Some(erasure) = vault.erased().await?.holding(&object, absent) {
            let when = erasure.at.format("%Y-%m-%d");
            return Err(Error::not_found(format!("{object} {absent} was erased on {when} already")));
        }
        return Err(Error::not_found(format!("no backup holds {object} {absent}")));
    }
    found.gather(&object, asked.clone()).await?;
    let bodies = found.bodies().await?;
    let ids = asked.into_iter().collect();
    Ok(ErasureDraft { object, ids, rule: RULE.into(), records: found.records, bodies })
}

/// What has been found to hang on the records.
struct Found<'a> {
    vault: &'a OrgVault,
    tables: Vec<String>,
    describes: HashMap<String, Describe>,
    columns: HashMap<String, Vec<String>>,
    lineage: Lineage,
    records: BTreeMap<String, BTreeSet<String>>,
}

type Ids = BTreeMap<String, BTreeSet<String>>;

impl<'a> Found<'a> {
    async fn open(vault: &'a OrgVault, point: &Point) -> Result<Found<'a>> {
        let tables = vault.objects().await?;
        let (mut describes, mut columns) = (HashMap::new(), HashMap::new());
        for table in &tables {
            if let Some(describe) = point.describe(vault, table).await? {
                describes.insert(table.clone(), describe);
            }
            let schema = vault.schema(table).await?;
            columns.insert(table.clone(), schema.columns().iter().map(|column| column.name.clone()).collect());
        }
        let lineage = Lineage::of_org(vault).await?;
        Ok(Found { vault, tables, describes, columns, lineage, records: BTreeMap::new() })
    }

    fn has(&self, table: &str, column: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| columns.iter().any(|name| name == column))
    }

    /// Tables and their fields that refer to an object's records in a way that makes theirs go along.
    fn children(&self, parent: &str) -> Vec<(String, String)> {
        let described = self.describes.get(parent).map(|describe| describe.child_relationships.as_slice());
        let cascading = described.unwrap_or_default().iter().filter(|child| child.cascade_delete);
        let mut children: BTreeSet<(String, String)> =
            cascading.map(|child| (child.child_object.clone(), child.field.clone())).collect();
        children.extend(HANGING.iter().map(|(table, field)| ((*table).to_owned(), (*field).to_owned())));
        let stem = parent.strip_suffix("__c");
        for kind in ["History", "Share", "Feed"] {
            let table = stem.map_or_else(|| format!("{parent}{kind}"), |stem| format!("{stem}__{kind}"));
            for field in ["ParentId".to_owned(), format!("{parent}Id")] {
                children.insert((table.clone(), field));
            }
        }
        children.into_iter().filter(|(table, field)| self.has(table, field)).collect()
    }

    async fn gather(&mut self, object: &str, ids: BTreeSet<String>) -> Result<()> {
        let mut frontier: Ids = BTreeMap::from([(object.to_owned(), ids)]);
        while !frontier.is_empty() {
            for (object, ids) in &mut frontier {
                self.lineage.close_over(ids);
                let known = self.records.entry(object.clone()).or_default();
                ids.retain(|id| known.insert(id.clone()));
            }
            let mut next = self.referring(&frontier).await?;
            self.documents(&frontier, &mut next).await?;
            for (object, ids) in &mut next {
                let known = self.records.get(object);
                ids.retain(|id| known.is_none_or(|known| !known.contains(id)));
            }
            next.retain(|_, ids| !ids.is_empty());
            frontier = next;
        }
        Ok(())
    }

    /// What refers to records in a way that makes it go along.
    async fn referring(&self, parents: &Ids) -> Result<Ids> {
        let mut wanted: BTreeMap<String, Vec<(String, &BTreeSet<String>)>> = BTreeMap::new();
        for (parent, ids) in parents.iter().filter(|(_, ids)| !ids.is_empty()) {
            for (table, field) in self.children(parent) {
                wanted.entry(table).or_default().push((field, ids));
            }
        }
        let mut found = Ids::new();
        for (table, fields) in wanted {
            let columns = fields.iter().map(|(field, _)| field.clone()).collect();
            let mut rows = self.vault.versions(&table, Some(columns), None).await?;
            while let Some(batch) = rows.try_next().await? {
                for (field, ids) in &fields {
                    let Some(column) = batch.column_index(field) else { continue };
                    for row in 0..batch.len() {
                        if batch.text(row, column).is_some_and(|id| ids.contains(id.as_ref())) {
                            found.entry(table.clone()).or_default().insert(batch.id(row).to_owned());
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// Adds the files that are linked to erased records and users only, with their other links.
    async fn documents(&self, now: &Ids, next: &mut Ids) -> Result<()> {
        const LINK: &str = "ContentDocumentLink";
        let new_links = next.get(LINK).is_some_and(|ids| !ids.is_empty());
        if !new_links || !self.has(LINK, "ContentDocumentId") {
            return Ok(());
        }
        let erased: HashSet<&String> =
            self.records.values().chain(now.values()).chain(next.values()).flatten().collect();
        let columns = vec!["ContentDocumentId".to_owned(), "LinkedEntityId".to_owned()];
        let mut links: HashMap<String, (Vec<String>, bool, bool)> = HashMap::new();
        let mut rows = self.vault.versions(LINK, Some(columns), None).await?;
        while let Some(batch) = rows.try_next().await? {
            let (document, entity) = (batch.column_index("ContentDocumentId"), batch.column_index("LinkedEntityId"));
            for row in 0..batch.len() {
                let text = |column: Option<usize>| column.and_then(|column| batch.text(row, column));
                let Some(document) = text(document) else { continue };
                let (ids, linked, elsewhere) = links.entry(document.into_owned()).or_default();
                ids.push(batch.id(row).to_owned());
                match text(entity) {
                    Some(entity) if erased.contains(&entity.to_string()) => *linked = true,
                    Some(entity) if entity.starts_with(USER) => {}
                    _ => *elsewhere = true,
                }
            }
        }
        for (document, (ids, linked, elsewhere)) in links {
            if linked && !elsewhere {
                next.entry(LINK.into()).or_default().extend(ids);
                next.entry("ContentDocument".into()).or_default().insert(document);
            }
        }
        Ok(())
    }

    /// Columns that refer to the contents of files or images.
    fn body_columns(&self, table: &str) -> Vec<String> {
        if table == IMAGES {
            return vec![BODY.to_owned()];
        }
        let fields = self.describes.get(table).into_iter().flat_map(|describe| &describe.fields);
        let bodies = fields.filter(|field| field.field_type.name() == "base64").map(|field| field.name.clone());
        bodies.filter(|column| self.has(table, column)).collect()
    }

    /// The contents of files that only the erased records have.
    async fn bodies(&self) -> Result<BTreeSet<String>> {
        let mut hashes = (BTreeSet::new(), BTreeSet::new());
        for table in &self.tables {
            let columns = self.body_columns(table);
            if columns.is_empty() {
                continue;
            }
            let gone = self.records.get(table);
            let mut rows = self.vault.versions(table, Some(columns.clone()), None).await?;
            while let Some(batch) = rows.try_next().await? {
                for column in columns.iter().filter_map(|name| batch.column_index(name)) {
                    for row in 0..batch.len() {
                        let cell = batch.text(row, column);
                        let Some(hash) = cell.as_deref().and_then(hash_of) else { continue };
                        match gone.is_some_and(|ids| ids.contains(batch.id(row))) {
                            true => hashes.0.insert(hash.to_owned()),
                            false => hashes.1.insert(hash.to_owned()),
                        };
                    }
                }
            }
        }
        Ok(hashes.0.difference(&hashes.1).cloned().collect())
    }
}

/// Takes out of plans and ledgers what they say of the records in words: why one was not written, and by which values records
/// were selected. Ids stay, so that a later restore still knows which record is which. How many restores were changed.
async fn silence(vault: &OrgVault, draft: &ErasureDraft, lock: &Lock) -> Result<u64> {
    let restores = vault.restores().await?;
    if restores.is_empty() {
        return Ok(0);
    }
    let ids: HashSet<&str> = draft.records.values().flatten().map(String::as_str).collect();
    let values = values(vault, draft).await?;
    let tells = |text: &str| values.iter().any(|value| text.contains(value.as_str()));
    let silenced = |entry: &mut Value| silence_in(entry, &ids, &tells);
    let mut changed = 0;
    for restore in restores {
        changed += u64::from(vault.restore_open(&restore).await?.rewrite(lock, &silenced).await?);
    }
    Ok(changed)
}

/// The values that the records ever had, long enough to tell something.
async fn values(vault: &OrgVault, draft: &ErasureDraft) -> Result<BTreeSet<String>> {
    let mut values = BTreeSet::new();
    for (object, ids) in &draft.records {
        let mut rows = vault.versions(object, None, Some(ids.iter().cloned().collect())).await?;
        while let Some(batch) = rows.try_next().await? {
            for row in 0..batch.len() {
                let cells = (0..batch.names().len()).filter_map(|column| batch.text(row, column));
                values.extend(
                    cells
                        .filter(|text| {
                            text.chars().count() >= TELLING_CHARACTERS && *text != "true" && *text != "false"
                        })
                        .map(|text| text.into_owned()),
                );
            }
        }
    }
    Ok(values)
}

/// Whether something was taken out of a plan or a line of a ledger.
fn silence_in(entry: &mut Value, ids: &HashSet<&str>, tells: &dyn Fn(&str) -> bool) -> bool {
    match entry {
        Value::Array(entries) => entries.iter_mut().fold(false, |changed, one| silence_in(one, ids, tells) | changed),
        Value::Object(fields) => {
            let names = |value: &Value| value.as_str().is_some_and(|id| ids.contains(id));
            let about = fields.get("id").is_some_and(names)
                || fields.get("ids").and_then(Value::as_array).is_some_and(|ids| ids.iter().any(names));
            let mut changed = false;
            for (name, value) in fields.iter_mut() {
                match (name.as_str(), &*value) {
                    ("reason" | "hint" | "selection", Value::String(text))
                        if (about && name != "selection") || tells(text) =>
                    {
                        *value = "(erased)".into();
                        changed = true;
                    }
                    (_, Value::Array(_) | Value::Object(_)) => changed |= silence_in(value, ids, tells),
                    _ => {}
                }
            }
            changed
        }
        _ => false,
    }
}
