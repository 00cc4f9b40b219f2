// SPDX-License-Identifier: Apache-2.0
//! Stores that an earlier build wrote.
//!
//! A store remembers which schema it was written under. Under another one, the permission sets of its administrators lack what
//! the new build knows and the old did not: field permissions and user permissions. They are given here, once, so that an
//! administrator goes on seeing and being able to do everything. What an admin took away under the present schema stays
//! taken away.
//!
//! Tables and columns are added whenever a store is opened and need no care here. What an old build wrote in rows stays as it
//! is.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::org::seed;
use crate::rights;
use crate::schema::Schema;
use crate::store::Tx;

const SETTING: &str = "schema version";

/// The columns that each table of a store had when it was opened.
pub type Columns = HashMap<String, Vec<String>>;

/// Brings an org's rows up to the schema that it has now. `columns` are those of the store before this opening.
pub fn run(tx: &Tx<'_>, columns: &Columns, version: &str) -> rusqlite::Result<()> {
    let known =
        tx.conn.query_row("SELECT value FROM _setting WHERE name = ?1", [SETTING], |row| row.get::<_, String>(0));
    if known.is_ok_and(|known| known == version) {
        return Ok(());
    }
    if !columns.is_empty() {
        if tx.count("FieldPermissions", "1 = 1", &[]) == 0 {
            // From before there was field-level security: as a new org has it.
            rights::grant_new_fields(tx, None)?;
        } else {
            rights::grant_new_fields(tx, Some(&before(tx, columns)))?;
        }
        grant_new_permissions(tx, columns)?;
    }
    tx.note("INSERT OR REPLACE INTO _setting (name, value) VALUES (?1, ?2)", &[&SETTING, &version])?;
    Ok(())
}

/// What tells one schema from another: the names of its objects and fields. Descriptions may differ.
pub fn version_of(schema: &Schema) -> String {
    let mut hasher = DefaultHasher::new();
    for object in schema.objects() {
        object.name.hash(&mut hasher);
        object.fields.iter().for_each(|field| field.name.hash(&mut hasher));
    }
    format!("{:016x}", hasher.finish())
}

/// The schema as the store knew it. An object without a table was known when somebody has rights on its fields.
fn before(tx: &Tx<'_>, columns: &Columns) -> Schema {
    let granted: HashSet<String> = {
        let sql = "SELECT DISTINCT \"SobjectType\" FROM \"FieldPermissions\"";
        let mut statement = tx.conn.prepare(sql).expect("every org has this table");
        let found = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect);
        found.expect("the store can be read")
    };
    let mut objects = tx.schema.to_objects();
    objects.retain(|object| columns.contains_key(&object.name) || granted.contains(&object.name));
    for object in &mut objects {
        let Some(known) = columns.get(&object.name) else { continue };
        object.fields.retain(|field| !field.stored() || known.contains(&field.name));
    }
    tx.schema.rebuilt(objects)
}

/// Gives administrators the user permissions that the store had no column for.
fn grant_new_permissions(tx: &Tx<'_>, columns: &Columns) -> rusqlite::Result<()> {
    for table in ["PermissionSet", "Profile"] {
        let (Some(object), Some(known)) = (tx.schema.object(table), columns.get(table)) else { continue };
        let new = object.fields.iter().filter(|field| !known.contains(&field.name));
        let new = new.filter(|field| field.name.strip_prefix("Permissions").is_some_and(seed::is_an_administrators));
        for field in new {
            let sql = format!("UPDATE \"{table}\" SET \"{}\" = 1 WHERE \"PermissionsModifyAllData\" = 1", field.name);
            tx.note(&sql, &[])?;
        }
    }
    Ok(())
}
