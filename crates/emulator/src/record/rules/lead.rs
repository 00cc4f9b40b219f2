// SPDX-License-Identifier: Apache-2.0
//! Leads: once converted they are read-only, and nothing may refer to them any more (`salesforce-api.md` 6.6, 6.9).

use crate::error::SaveError;
use crate::record::draft::Draft;
use crate::store::Tx;
use crate::user::Caller;

/// Who has "View and Edit Converted Leads" may still change one.
pub fn check(caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    let converted = !draft.is_new() && draft.was("IsConverted").is_true();
    if converted && !caller.can("AllowViewEditConvertedLeads") { Err(refusal()) } else { Ok(()) }
}

/// Refuses a new or changed reference to a converted lead.
pub fn check_reference(tx: &Tx<'_>, draft: &Draft, field: &str) -> Result<(), SaveError> {
    let Some(id) = draft.text(field).filter(|_| draft.changed(field)) else { return Ok(()) };
    let Some(leads) = tx.schema.by_prefix(id).filter(|object| object.name == "Lead") else { return Ok(()) };
    let converted = tx.row(leads, id).is_some_and(|lead| lead.get("IsConverted").is_true());
    if converted { Err(refusal()) } else { Ok(()) }
}

fn refusal() -> SaveError {
    SaveError::new("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", &[])
}
