// SPDX-License-Identifier: Apache-2.0
//! Field history as an admin would have chosen it: a few fields of the objects that people work with.

use crate::schema::{Object, Tracking};

/// Objects and their fields, as metadata names them.
const TRACKED: [(&str, &[&str]); 7] = [
    ("Account", &["Name", "Owner", "Parent", "Phone", "Type"]),
    ("Case", &["IsEscalated", "Owner", "Parent", "Priority", "Status"]),
    ("Contact", &["Account", "Email", "Name", "Owner", "ReportsTo"]),
    ("Lead", &["Owner", "Rating", "Status"]),
    ("Opportunity", &["Amount", "CloseDate", "Owner", "StageName"]),
    ("Project__c", &["Account__c", "Budget__c", "OwnerId", "Status__c"]),
    ("Solution", &["Owner", "Status"]),
];

/// Chooses them for every object of which nothing was said.
pub fn complete(objects: &mut [Object]) {
    for (name, fields) in TRACKED {
        if let Some(object) = super::find(objects, name).filter(|object| object.tracking == Tracking::Unsaid) {
            object.tracking = Tracking::Fields(fields.iter().map(|field| (*field).to_owned()).collect());
        }
    }
}
