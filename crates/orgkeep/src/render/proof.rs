// SPDX-License-Identifier: Apache-2.0
//! The org against a backup, field by field: what is equal, what cannot be, and what should be.

use super::comparison::record;
use crate::number::{counted, grouped};
use crate::table::{Shape, Table};
use crate::text::shown;
use orgkeep_engine::Proof;

pub fn proof(proof: &Proof, shape: Shape) -> String {
    let mut text = format!(
        "{} of {} of backup {} are in the org with every field that anybody can write as it was\n",
        grouped(proof.equal),
        counted(proof.records, "record"),
        proof.backup
    );
    if !proof.explained.is_empty() {
        let mut table = Table::new(["What differs, and why it cannot be otherwise", ">Records"]);
        for (what, records) in &proof.explained {
            table.row([what.clone(), grouped(*records)]);
        }
        text.push_str(&table.render(shape));
    }
    if !proof.skipped.is_empty() {
        let mut table = Table::new(["Not looked at", "Reason"]);
        for (object, reason) in &proof.skipped {
            table.row([object, reason]);
        }
        text.push_str(&table.render(shape));
    }
    if proof.unexplained > 0 {
        text.push_str(&format!("\n{} without an explanation:\n", counted(proof.unexplained, "difference")));
        for change in &proof.examples {
            text.push_str(&format!("  {}\n{}", shown(&change.object), record(change)));
        }
    }
    text
}
