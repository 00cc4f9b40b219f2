// SPDX-License-Identifier: Apache-2.0
//! Assets belong to somebody and form trees; entitlements are active between two days, as the day of the save has it.

use chrono::DateTime;

use crate::error::SaveError;
use crate::record::draft::Draft;
use crate::store::Tx;
use crate::value::Value;

/// The top of the tree, and how deep the asset stands in it.
pub fn before(tx: &Tx<'_>, draft: &mut Draft) {
    let parent = draft.text("ParentId").and_then(|id| tx.row(&draft.object, id));
    let (root, level) = match &parent {
        Some(parent) => {
            let root = parent.get("RootAssetId");
            let root = if root.is_null() { Value::from(parent.id()) } else { root.clone() };
            (root, parent.get("AssetLevel").as_int().unwrap_or(1) + 1)
        }
        None => (Value::Null, 1),
    };
    draft.set("RootAssetId", root);
    draft.set("AssetLevel", level);
    let product = draft.text("Product2Id").and_then(|id| tx.row(tx.schema.object("Product2")?, id));
    if let Some(product) = product {
        draft.set("ProductCode", product.get("ProductCode").clone());
    }
}

pub fn check(draft: &Draft) -> Result<(), SaveError> {
    if !draft.get("AccountId").is_null() || !draft.get("ContactId").is_null() {
        return Ok(());
    }
    let message = "Every asset needs an account, a contact, or both.";
    Err(SaveError::new("FIELD_INTEGRITY_EXCEPTION", message, &["AccountId", "ContactId"]))
}

/// Inactive before its start, expired after its end.
pub fn entitlement(tx: &Tx<'_>, draft: &mut Draft) {
    let today = DateTime::from_timestamp_millis(tx.now).unwrap_or_default().format("%Y-%m-%d").to_string();
    let status = match (draft.text("StartDate"), draft.text("EndDate")) {
        (Some(start), _) if start > today.as_str() => "Inactive",
        (_, Some(end)) if end < today.as_str() => "Expired",
        _ => "Active",
    };
    draft.set("Status", status);
}
