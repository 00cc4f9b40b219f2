// SPDX-License-Identifier: Apache-2.0
//! Cases: closed by their status, and showing how their contact is reached.

use crate::record::audit;
use crate::record::draft::Draft;
use crate::store::Tx;
use crate::value::Value;

pub fn follow_status(tx: &Tx<'_>, draft: &mut Draft) {
    if draft.changed("Status") {
        let closed = tx.count("CaseStatus", "\"MasterLabel\" = ?1 AND \"IsClosed\" = 1", &[draft.get("Status")]) > 0;
        draft.set("IsClosed", closed);
        if draft.is_new() {
            draft.set("IsClosedOnCreate", closed);
        }
        match (closed, draft.get("ClosedDate").is_null()) {
            (true, true) => draft.set("ClosedDate", audit::second(tx.now)),
            (false, false) => draft.set("ClosedDate", Value::Null),
            _ => {}
        }
    }
    if !draft.changed("ContactId") {
        return;
    }
    let contact = draft.text("ContactId").and_then(|id| tx.row(tx.schema.object("Contact")?, id));
    for (own, theirs) in
        [("ContactPhone", "Phone"), ("ContactMobile", "MobilePhone"), ("ContactEmail", "Email"), ("ContactFax", "Fax")]
    {
        draft.set(own, contact.as_ref().map_or(Value::Null, |contact| contact.get(theirs).clone()));
    }
    if let Some(contact) = contact
        && !draft.given("AccountId")
    {
        draft.set_if_null("AccountId", contact.get("AccountId").clone());
    }
}
