// SPDX-License-Identifier: Apache-2.0
//! The feed of an object shows the feed items of its records under the same Ids.

use crate::error::SaveError;
use crate::record::draft::Draft;
use crate::store::Tx;
use crate::value::Value;

pub fn mirror(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let parent = draft.text("ParentId").and_then(|id| tx.schema.by_prefix(id));
    let feed = parent.and_then(|parent| tx.schema.object(&format!("{}Feed", parent.name))).cloned();
    let Some(feed) = feed else { return Ok(()) };
    let whole = |value: &Value, kind: crate::schema::FieldType| match value {
        Value::Null if kind.is_number() => Value::Int(0),
        other => other.clone(),
    };
    let values: Vec<Value> = feed.fields.iter().map(|field| whole(draft.get(&field.name), field.kind)).collect();
    tx.insert_row(&feed, &values)?;
    Ok(())
}
