// SPDX-License-Identifier: Apache-2.0
//! Accounts and contacts: a contact with an account has a direct relation to it, which the server makes, moves and removes
//! (`salesforce-api.md` 6.9).

use super::{create, twin};
use crate::error::SaveError;
use crate::record::draft::Draft;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

/// A relation that a caller makes is indirect.
pub fn before(tx: &Tx<'_>, caller: &Caller, draft: &mut Draft) {
    let _ = tx;
    if draft.is_new() && !caller.bypass {
        draft.set("IsDirect", false);
    }
}

pub fn check(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    if !draft.is_new() || twin(tx, draft, &["AccountId", "ContactId"]).is_none() {
        return Ok(());
    }
    let message = "There's already a relationship between this account and contact.";
    Err(SaveError::new("DUPLICATE_VALUE", message, &["AccountId", "ContactId"]))
}

/// Keeps the direct relation of a contact in step with its account. An indirect relation to the new account becomes the
/// direct one.
pub fn after_contact(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    // A person has no relation to the account that it is.
    if !draft.changed("AccountId") || draft.get("IsPersonAccount").is_true() {
        return Ok(());
    }
    let Some(relations) = tx.schema.object("AccountContactRelation").cloned() else { return Ok(()) };
    if let Value::Text(old) = draft.was("AccountId") {
        for id in tx.ids_where(&relations, "\"ContactId\" = ?1 AND \"AccountId\" = ?2", &[&draft.id, old]) {
            tx.delete_row(&relations, &id)?;
        }
    }
    let Value::Text(account) = draft.get("AccountId") else { return Ok(()) };
    let existing = match draft.is_new() {
        true => None,
        false => tx
            .ids_where(&relations, "\"ContactId\" = ?1 AND \"AccountId\" = ?2", &[&draft.id, account])
            .into_iter()
            .next(),
    };
    match existing {
        Some(id) => tx.update_row(&relations, &id, &["IsDirect"], &[&Value::Bool(true)])?,
        None => {
            let fields = vec![
                ("AccountId", Value::Text(account.clone())),
                ("ContactId", Value::Text(draft.id.clone())),
                ("IsDirect", Value::Bool(true)),
                ("IsActive", Value::Bool(true)),
            ];
            create(tx, caller, "AccountContactRelation", fields)?;
        }
    }
    Ok(())
}
