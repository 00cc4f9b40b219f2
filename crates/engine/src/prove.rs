// SPDX-License-Identifier: Apache-2.0
//! Proving a restore: the org as it is now against the backup it was brought back to, field by field.
//!
//! What differs is explained where Salesforce allows nothing else (new Ids, system fields, objects that nobody can write), and
//! listed where it is not.

use crate::compare::{ChangeKind, CompareOptions, RecordChange, Side, compare};
use crate::error::Result;
use crate::event::Monitor;
use orgkeep_salesforce::Org;
use orgkeep_vault::OrgVault;
use serde::Serialize;
use std::collections::BTreeMap;

/// The outcome of a proof. It holds when `unexplained` is zero.
#[derive(Clone, Debug, Serialize)]
pub struct Proof {
    pub backup: u64,
    /// Records of the backup that were looked at.
    pub records: u64,
    /// Records equal in every field that anybody can write.
    pub equal: u64,
    /// Differences that Salesforce does not let anybody avoid, with how many records have them.
    pub explained: Vec<(String, u64)>,
    pub unexplained: u64,
    /// The first of them.
    pub examples: Vec<RecordChange>,
    pub skipped: Vec<(String, String)>,
}

impl Proof {
    pub fn holds(&self) -> bool {
        self.unexplained == 0
    }
}

/// Fields that every object has, told together.
const AUDIT: [&str; 5] = ["CreatedById", "CreatedDate", "LastModifiedById", "LastModifiedDate", "SystemModstamp"];

/// Holds the org against a backup.
///
/// # Errors
/// As [`compare`].
pub async fn prove(vault: &OrgVault, at: u64, org: &Org, monitor: &dyn Monitor) -> Result<Proof> {
    let options = CompareOptions { object: None, details: usize::MAX };
    let comparison = compare(vault, Side::Backup(at), Side::Live(org), &options, monitor).await?;
    let mut explained: BTreeMap<String, u64> = BTreeMap::new();
    let mut explain = |what: String, records: u64| {
        if records > 0 {
            *explained.entry(what).or_default() += records;
        }
    };
    let mut proof = Proof {
        backup: at,
        records: 0,
        equal: 0,
        explained: Vec::new(),
        unexplained: 0,
        examples: Vec::new(),
        skipped: comparison.skipped,
    };
    for object in comparison.objects {
        if object.setup {
            let differing = object.removed + object.changed + object.added;
            explain(
                format!("{}: part of the org's set-up, which a data restore does not write", object.object),
                differing,
            );
            continue;
        }
        proof.records += object.removed + object.changed + object.touched + object.same;
        proof.equal += object.touched + object.same;
        explain("new Id: deleted for good, created again".into(), object.recreated);
        for (field, records) in &object.fields {
            if object.system_fields.contains(field) {
                let audit = AUDIT.contains(&field.as_str());
                let field = if audit { field.clone() } else { format!("{}.{field}", object.object) };
                explain(format!("{field}: set by Salesforce, nobody can write it"), *records);
            }
        }
        if !object.writable {
            explain(
                format!("{}: written by Salesforce alone, kept in the vault for reading", object.object),
                object.removed + object.added,
            );
        }
        let forgiven =
            |change: &RecordChange| !object.writable && matches!(change.kind, ChangeKind::Added | ChangeKind::Removed);
        for change in object.details {
            // Emptied with the record it pointed at, and Salesforce takes it on creation only. A record that was created again
            // has no such excuse.
            let cannot_be_set =
                |field: &String| object.system_fields.contains(field) || object.fixed_fields.contains(field);
            if change.kind == ChangeKind::Changed
                && change.was_id.is_none()
                && change.fields.iter().all(|differs| cannot_be_set(&differs.field))
            {
                proof.equal += 1;
                for differs in change.fields.iter().filter(|differs| object.fixed_fields.contains(&differs.field)) {
                    explain(
                        format!("{}.{}: can only be set when a record is created", object.object, differs.field),
                        1,
                    );
                }
                continue;
            }
            if change.kind != ChangeKind::Touched && !forgiven(&change) {
                proof.unexplained += 1;
                if proof.examples.len() < 20 {
                    proof.examples.push(change);
                }
            }
        }
    }
    proof.explained = explained.into_iter().collect();
    Ok(proof)
}
