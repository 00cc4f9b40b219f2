// SPDX-License-Identifier: Apache-2.0
//! The tables follow the schema: what is new is made, what is gone goes with its data, what changed its kind is converted.

use super::super::model::{Column, Finished};
use crate::org::Tx;
use crate::schema::Schema;
use crate::store;

/// Brings the tables from one schema to the next, within the transaction.
pub fn follow(tx: &Tx<'_>, before: &Schema, after: &Schema, finished: &Finished) -> rusqlite::Result<()> {
    let mut converted = Vec::new();
    for column in &finished.columns {
        let (Column::Dropped { object, .. } | Column::Retyped { object, .. }) = column;
        let (Some(was), Some(is)) = (before.object(object), after.object(object)) else { continue };
        match column {
            Column::Dropped { .. } => {
                for gone in was.fields.iter().filter(|field| field.stored() && !is.has(&field.name)) {
                    drop_column(tx, object, &gone.name)?;
                    forget(tx, after, "FieldPermissions", "Field", &format!("{object}.{}", gone.name))?;
                }
            }
            Column::Retyped { field, .. } => {
                if !was.field(field).is_some_and(|field| field.stored()) || !has_column(tx, object, field)? {
                    continue;
                }
                let sql = format!(
                    "DROP INDEX IF EXISTS \"_{object}_{field}\"; ALTER TABLE \"{object}\" RENAME COLUMN \"{field}\" TO \"{field} before\";"
                );
                tx.conn.execute_batch(&sql)?;
                converted.push((object, field));
            }
        }
    }
    for object in &finished.dropped {
        tx.conn.execute_batch(&format!("DROP TABLE IF EXISTS \"{object}\";"))?;
        for table in ["ObjectPermissions", "FieldPermissions", "RecordType"] {
            forget(tx, after, table, "SobjectType", object)?;
        }
        for table in ["_blob", "_recycle", "_purged", "_cleared"] {
            tx.note(&format!("DELETE FROM {table} WHERE object = ?1"), &[object])?;
        }
    }
    tx.conn.execute_batch(&store::missing_tables(tx.conn, after)?)?;
    for (object, field) in converted {
        let kept = after.object(object).and_then(|object| object.field(field)).is_some_and(|field| field.stored());
        let copy =
            if kept { format!("UPDATE \"{object}\" SET \"{field}\" = \"{field} before\";") } else { String::new() };
        tx.conn.execute_batch(&format!("{copy} ALTER TABLE \"{object}\" DROP COLUMN \"{field} before\";"))?;
    }
    Ok(())
}

/// Removes the rows of an object that speak of what is gone.
fn forget(tx: &Tx<'_>, schema: &Schema, object: &str, field: &str, name: &str) -> rusqlite::Result<()> {
    let Some(object) = schema.object(object) else { return Ok(()) };
    for id in tx.ids_where(object, &format!("\"{field}\" = ?1"), &[&name]) {
        tx.delete_row(object, &id)?;
    }
    Ok(())
}

/// A column that an earlier schema left behind may be absent.
fn drop_column(tx: &Tx<'_>, object: &str, field: &str) -> rusqlite::Result<()> {
    if !has_column(tx, object, field)? {
        return Ok(());
    }
    let sql = format!("DROP INDEX IF EXISTS \"_{object}_{field}\"; ALTER TABLE \"{object}\" DROP COLUMN \"{field}\";");
    tx.conn.execute_batch(&sql)
}

fn has_column(tx: &Tx<'_>, object: &str, field: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2";
    tx.conn.query_row(sql, [object, field], |row| row.get::<_, i64>(0)).map(|count| count > 0)
}
