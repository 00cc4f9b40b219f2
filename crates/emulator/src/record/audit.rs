// SPDX-License-Identifier: Apache-2.0
//! Who made and changed a row, and when (`salesforce-api.md` 6.3). Salesforce keeps whole seconds.

use super::draft::Draft;
use super::plan::Plan;
use crate::error::SaveError;
use crate::user::Caller;
use crate::value::Value;

/// The transaction's time as Salesforce writes it.
pub fn second(now: i64) -> i64 {
    now.div_euclid(1000) * 1000
}

/// Stamps a row. What the caller was allowed to give stays, if it makes sense.
pub fn stamp(now: i64, caller: &Caller, plan: &Plan, draft: &mut Draft) -> Result<(), SaveError> {
    let time = Value::Int(second(now));
    let user = Value::Text(caller.user_id.clone());
    let is_new = draft.is_new();
    let mut put = |at: Option<usize>, value: &Value, keep_given: bool| {
        if let Some(at) = at
            && !(keep_given && draft.given[at] && !draft.values[at].is_null())
        {
            draft.values[at] = value.clone();
        }
    };
    if is_new {
        put(plan.created_date, &time, true);
        put(plan.created_by, &user, true);
    }
    put(plan.modified_date, &time, is_new || caller.bypass);
    put(plan.modified_by, &user, is_new || caller.bypass);
    put(plan.modstamp, &time, caller.bypass);
    if caller.bypass {
        return Ok(());
    }
    let (Some(created), Some(modified)) = (plan.created_date, plan.modified_date) else { return Ok(()) };
    let (given_created, given_modified) = (draft.given[created], draft.given[modified]);
    let at = |at: usize| draft.values[at].as_int().unwrap_or(0);
    if given_created && at(created) > now {
        return Err(integrity("Created Date: value cannot be in the future", "CreatedDate"));
    }
    if given_modified && at(modified) > now {
        return Err(integrity("Last Modified Date: value cannot be in the future", "LastModifiedDate"));
    }
    if given_modified && at(modified) < at(created) {
        return Err(integrity("Last Modified Date: value cannot be before Created Date", "LastModifiedDate"));
    }
    Ok(())
}

fn integrity(message: &str, field: &str) -> SaveError {
    SaveError::new("FIELD_INTEGRITY_EXCEPTION", message, &[field])
}
