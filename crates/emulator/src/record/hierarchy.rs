// SPDX-License-Identifier: Apache-2.0
//! Accounts, cases and campaigns form trees: a loop of parents is refused with `CIRCULAR_DEPENDENCY`
//! (`salesforce-api.md` 6.4). Other self references, custom ones too, may form loops.

use super::draft::Draft;
use crate::error::SaveError;
use crate::store::Tx;
use crate::value::Value;

/// Far deeper than any tree Salesforce shows; stops a loop that was made around the check.
const MOST_LEVELS: usize = 500;

pub fn check(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    if !matches!(draft.object.name.as_str(), "Account" | "Case" | "Campaign")
        || !draft.changed("ParentId")
        || draft.is_new()
    {
        return Ok(());
    }
    let mut above = draft.get("ParentId").clone();
    for _ in 0..MOST_LEVELS {
        let Value::Text(id) = above else { return Ok(()) };
        if id == draft.id {
            let message = "attempt to violate hierarchy constraints".to_owned();
            return Err(SaveError::new("CIRCULAR_DEPENDENCY", message, &["ParentId"]));
        }
        above = tx.row(&draft.object, &id).map_or(Value::Null, |row| row.get("ParentId").clone());
    }
    Ok(())
}
