// SPDX-License-Identifier: Apache-2.0
//! Erasures: what would go, and what went.

use crate::number::{bytes, counted, grouped};
use crate::table::{Shape, Table};
use orgkeep_engine::Certificate;
use orgkeep_vault::ErasedSince;

/// What a reader of a backup is told of records that it held until they were erased.
pub fn left_out(gone: &ErasedSince) -> String {
    let records = counted(gone.records, "record");
    format!("left out, because it was erased since: {records} of {}, {gone}", gone.object)
}

pub fn erasure(certificate: &Certificate, shape: Shape) -> String {
    let mut table = Table::new(["Object", ">Records", ">Versions"]);
    for (object, records) in certificate.records.iter().filter(|(_, records)| **records > 0) {
        let versions = certificate.versions.get(object).copied().unwrap_or_default();
        table.row([object.clone(), grouped(*records), grouped(versions)]);
    }
    let mut text = table.render(shape);
    let backups: Vec<String> = certificate.backups.iter().map(u64::to_string).collect();
    let done = certificate.erasure.is_some();
    text.push_str(&match backups.as_slice() {
        [] => "No backup holds them as live\n".to_owned(),
        [only] => format!("{} backup {only}\n", if done { "Erased from" } else { "Held by" }),
        [first, .., last] => format!(
            "{} {} between {first} and {last}\n",
            if done { "Erased from" } else { "Held by" },
            counted(backups.len() as u64, "backup")
        ),
    });
    if certificate.bodies > 0 {
        text.push_str(&format!("The contents of {} that nothing else has\n", counted(certificate.bodies, "file")));
    }
    if let Some(number) = certificate.erasure {
        let removed = &certificate.done;
        text.push_str(&format!(
            "{} of the vault ({}) removed, {} ({}) written without the records\nErasure {number} on the vault's list, BLAKE3 {}\n",
            counted(removed.files_removed, "file"),
            bytes(removed.bytes_removed),
            grouped(removed.files_written),
            bytes(removed.bytes_written),
            certificate.hash.as_deref().unwrap_or_default()
        ));
    }
    text
}
