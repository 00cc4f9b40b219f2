// SPDX-License-Identifier: Apache-2.0
//! Attestations: what was signed, and what of it still is so.

use crate::number::{counted, grouped};
use crate::screen::facts;
use crate::table::{Shape, Table};
use orgkeep_vault::{Held, Statement, Verification};

pub fn statement(statement: &Statement, objects: u64) -> String {
    facts([
        ("Backup", statement.sequence.to_string()),
        ("Finished", statement.finished_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
        ("Org", statement.org.clone()),
        ("Vault", statement.vault.clone()),
        ("Objects", objects.to_string()),
        ("Signed by", statement.public_key.clone()),
    ])
}

pub fn verification(verification: &Verification, shape: Shape) -> String {
    let mut text = statement(&verification.statement, verification.objects as u64);
    if !verification.same_key {
        text.push_str("\nThe vault seals with another key than the one that has signed this.\n");
    }
    if !verification.in_chain {
        text.push_str("\nThe vault's chain of backups does not contain this one.\n");
    }
    if !verification.kept {
        text.push_str("\nThe backup is not kept any more.\n");
    } else if verification.differences.is_empty() {
        let objects = counted(verification.objects as u64, "object");
        let but = if verification.erased.is_empty() { "" } else { ", but for what was erased since" };
        text.push_str(&format!("\nThe records of {objects} are what was attested{but}.\n"));
    } else {
        let mut table = Table::new(["Object", ">Attested", ">Found", "What differs"]);
        for difference in &verification.differences {
            let count = |held: &Option<Held>| held.as_ref().map_or(String::new(), |held| grouped(held.live));
            let what = match (&difference.attested, &difference.found, &difference.error) {
                (_, None, Some(error)) => error.clone(),
                (None, _, _) => "was not held then".to_owned(),
                (Some(attested), Some(found), _) if attested.live == found.live => "values".to_owned(),
                _ => "records".to_owned(),
            };
            table.row([difference.object.clone(), count(&difference.attested), count(&difference.found), what]);
        }
        text.push('\n');
        text.push_str(&table.render(shape));
    }
    for gone in &verification.erased {
        text.push_str(&format!("{} {} attested: {gone}\n", grouped(gone.records), gone.object));
    }
    text
}
