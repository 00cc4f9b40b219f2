// SPDX-License-Identifier: Apache-2.0
//! Rounds of: accounts and their contacts are deleted for good, Orgkeep puts them back under new Ids and leads the contacts to their
//! accounts again; then `sf data import bulk` writes the same rows once more. It rewrites no lookups, so its contacts all go to
//! one account that exists: the org has the same work with both.
//!
//! Each round takes other accounts of the same org.

use std::path::Path;

use super::figure::{Figure, RESTORE, median};
use super::org::Org;
use super::peer::Peer;
use super::product::Product;
use super::{ROUNDS, backup::OBJECTS};
use crate::{Result, note};

/// Of the accounts and of the contacts, the part that a round deletes: 50,000 records of 200,000 and 200,000.
const PART: u64 = 8;

pub fn measure(rows: u64, org: &Org<'_>, product: &Product, peer: Option<&Peer>, folder: &Path) -> Result<Figure> {
    product.connect("restore", true)?;
    product.backup("restore", org, &OBJECTS)?;
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS as u64 {
        let (from, to) = (round * (rows / PART), (round + 1) * (rows / PART));
        let slice = Slice::prepare(org, from, to, folder)?;
        slice.delete(org)?;
        let done = product.restore("restore", "Account", &slice.condition(""))?;
        let created = done.result["created"].as_u64().unwrap_or_default();
        let contacts = org.count("Contact", &slice.condition("Account."))?;
        if created < 2 * (to - from) || contacts != to - from {
            return Err(format!(
                "the restore is not whole, {contacts} contacts are at their accounts: {}",
                done.result
            ));
        }
        note(&format!("restore round {}: {:.2} s for {created} records", round + 1, done.run.seconds));
        ours.push(done.run.seconds);
        if let Some(peer) = peer {
            let seconds =
                peer.import("Account", &slice.accounts)?.seconds + peer.import("Contact", &slice.contacts)?.seconds;
            note(&format!("         sf data import bulk {seconds:.2} s"));
            others.push(seconds);
        }
    }
    Ok(Figure { kind: &RESTORE, ours: median(&ours).unwrap_or_default(), other: median(&others) })
}

/// The accounts of some numbers, with their contacts, as they were.
struct Slice {
    from: u64,
    to: u64,
    /// CSV of what can be created again.
    accounts: std::path::PathBuf,
    contacts: std::path::PathBuf,
    account_ids: std::path::PathBuf,
    contact_ids: std::path::PathBuf,
}

impl Slice {
    fn prepare(org: &Org<'_>, from: u64, to: u64, folder: &Path) -> Result<Slice> {
        let slice = Slice {
            from,
            to,
            accounts: folder.join("accounts.csv"),
            contacts: folder.join("contacts.csv"),
            account_ids: folder.join("account-ids.csv"),
            contact_ids: folder.join("contact-ids.csv"),
        };
        let (of_accounts, of_contacts) = (slice.condition(""), slice.condition("Account."));
        org.csv(&format!("SELECT Id FROM Account WHERE {of_accounts}"), &slice.account_ids)?;
        org.csv(&format!("SELECT Id FROM Contact WHERE {of_contacts}"), &slice.contact_ids)?;
        let fields = creatable(org, "Account", "ParentId")?;
        org.csv(&format!("SELECT {fields} FROM Account WHERE {of_accounts}"), &slice.accounts)?;
        let fields = creatable(org, "Contact", "AccountId")?;
        org.csv(&format!("SELECT {fields},AccountId FROM Contact WHERE {of_contacts}"), &slice.contacts)?;
        let survivor = folder.join("survivor.csv");
        org.csv("SELECT Id FROM Account ORDER BY AccountNumber DESC NULLS LAST LIMIT 1", &survivor)?;
        let survivor = std::fs::read_to_string(survivor).map_err(|error| error.to_string())?;
        let survivor = survivor.lines().nth(1).ok_or("no account survives")?.trim_matches('"').to_owned();
        lead_to(&slice.contacts, &survivor)?;
        Ok(slice)
    }

    /// The restored and the imported accounts have the same numbers; each round selects before it imports.
    fn condition(&self, path: &str) -> String {
        format!("{path}AccountNumber >= 'A-{:08}' AND {path}AccountNumber < 'A-{:08}'", self.from, self.to)
    }

    fn delete(&self, org: &Org<'_>) -> Result<()> {
        org.ingest("Contact", "hardDelete", &self.contact_ids)?;
        org.ingest("Account", "hardDelete", &self.account_ids)
    }
}

/// Fields that `sf` can send, without one that is treated apart.
fn creatable(org: &Org<'_>, object: &str, without: &str) -> Result<String> {
    let fields = org.fields(object, |field| field["createable"] == true && field["name"] != without)?;
    Ok(fields.join(","))
}

/// Puts another account into the last column of a CSV file of contacts.
fn lead_to(contacts: &Path, account: &str) -> Result<()> {
    let text = std::fs::read_to_string(contacts).map_err(|error| error.to_string())?;
    let mut rest = text.as_str();
    let mut led = String::with_capacity(text.len());
    while let Some(at) = rest.find(",\"001") {
        let (before, found) = rest.split_at(at);
        led.push_str(before);
        // Every value is quoted, and an Id has 18 characters.
        match found.get(20..22) {
            Some("\"\n") => {
                led.push_str(&format!(",\"{account}\"\n"));
                rest = &found[22..];
            }
            _ => {
                led.push(',');
                rest = &found[1..];
            }
        }
    }
    led.push_str(rest);
    std::fs::write(contacts, led).map_err(|error| format!("cannot write {}: {error}", contacts.display()))
}
