// SPDX-License-Identifier: Apache-2.0
//! A deployed list view is a row of `ListView`. What it shows is read from its component when it is run.

use super::super::xml::Node;
use crate::org::{Tx, seed};
use crate::record::{self, Input};
use crate::value::Value;

/// Writes the row. None for a view of no object that the org has.
pub fn save(tx: &mut Tx<'_>, full_name: &str, node: &Node) -> Option<String> {
    let (object, name) = full_name.split_once('.')?;
    let object = tx.schema.object(object)?.name.clone();
    let views = tx.schema.object("ListView")?.clone();
    let label = Some(node.text_of("label")).filter(|label| !label.is_empty()).unwrap_or(name).to_owned();
    if let Some(id) = find(tx, &object, name) {
        tx.update_row(&views, &id, &["Name"], &[&Value::Text(label)]).expect("the store can be written");
        return Some(id);
    }
    let text = |value: &str| Input::Text(value.to_owned());
    let fields = vec![
        ("Name".to_owned(), text(&label)),
        ("DeveloperName".to_owned(), text(name)),
        ("SobjectType".to_owned(), text(&object)),
        ("IsSoqlCompatible".to_owned(), Input::Bool(true)),
    ];
    record::insert(tx, &seed::platform(tx), &views, fields).ok()
}

/// Removes the row. False when there is none.
pub fn remove(tx: &Tx<'_>, full_name: &str) -> bool {
    let Some((object, name)) = full_name.split_once('.') else { return false };
    let (Some(id), Some(views)) = (find(tx, object, name), tx.schema.object("ListView")) else { return false };
    tx.delete_row(views, &id).expect("the store can be written");
    true
}

fn find(tx: &Tx<'_>, object: &str, name: &str) -> Option<String> {
    let views = tx.schema.object("ListView")?;
    tx.ids_where(views, "\"SobjectType\" = ?1 AND \"DeveloperName\" = ?2", &[&object, &name]).into_iter().next()
}
