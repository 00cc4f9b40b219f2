// SPDX-License-Identifier: Apache-2.0
//! Children of a record in a query: what does not fit into a page is kept as a cursor of its own, and the result of the subquery
//! says `done: false` and where to go on (`salesforce-api.md` 2.6).
//!
//! A subquery has a page of its own here; in a real org all subqueries of a page share one with their parents, so that fewer
//! records may come at once.

use serde_json::Value;

use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::org::Tx;
use crate::rest::cursor::{self, Asked};
use crate::rest::query::{Kind, next_url};
use crate::schema::Object;
use crate::soql;
use crate::soql::ast::{Item, Query};

/// Cuts the children of records that are more than a page.
///
/// # Errors
/// None for a statement that was run before.
pub fn cut(
    ctx: &Ctx,
    tx: &Tx<'_>,
    statement: &str,
    object: &Object,
    kind: Kind,
    page: usize,
    records: &mut [Value],
) -> Result<(), ApiError> {
    if records.iter().any(|record| has_long(record, page)) {
        let query = soql::parse(statement)?;
        let ground = Ground { ctx, tx, statement, kind, page };
        records.iter_mut().for_each(|record| ground.cut(&query, object, record));
    }
    Ok(())
}

fn has_long(record: &Value, page: usize) -> bool {
    let children = record.as_object().into_iter().flatten().filter_map(|(_, value)| value["records"].as_array());
    let mut children = children.peekable();
    children.peek().is_some() && children.any(|rows| rows.len() > page || rows.iter().any(|row| has_long(row, page)))
}

struct Ground<'a, 'b> {
    ctx: &'a Ctx,
    tx: &'a Tx<'b>,
    statement: &'a str,
    kind: Kind,
    page: usize,
}

impl Ground<'_, '_> {
    fn cut(&self, query: &Query, object: &Object, record: &mut Value) {
        for item in &query.select {
            let Item::Children(inner) = item else { continue };
            let name = inner.from.path.text();
            let Some(child) = object.child(name.rsplit('.').next().unwrap_or(&name)) else { continue };
            let Some(below) = self.tx.schema.object(&child.object) else { continue };
            let key = child.relationship_name.clone().unwrap_or(name);
            let Some(Value::Object(result)) = record.get_mut(&key) else { continue };
            let Some(rows) = result.get_mut("records").and_then(Value::as_array_mut) else { continue };
            rows.iter_mut().for_each(|row| self.cut(inner, below, row));
            if rows.len() <= self.page {
                continue;
            }
            let ids: Vec<&str> = rows.iter().filter_map(id_of).collect();
            let statement = self.alone(inner, below);
            let asked = Asked {
                statement: &statement,
                all: self.kind.all,
                tooling: self.kind.tooling,
                user_id: &self.ctx.caller.user_id,
            };
            let locator = cursor::keep(self.tx, asked, &ids);
            rows.truncate(self.page);
            let next = next_url(self.ctx, self.kind.tooling, &locator, self.page);
            result.insert("done".to_owned(), false.into());
            result.shift_insert(2, "nextRecordsUrl".to_owned(), next.into());
        }
    }

    /// What the subquery selects, as a statement of its own. The cursor knows which rows.
    fn alone(&self, inner: &Query, object: &Object) -> String {
        let from = inner.from.path.offset();
        let before = &self.statement[..from];
        let begin = opening(before).map_or(0, |at| at + 1);
        let selected = before[begin..].trim();
        // The text ends in FROM, whatever its case.
        let selected = selected.get(..selected.len().saturating_sub(4)).unwrap_or_default().trim();
        let alias = inner.from.alias.as_ref().map_or(String::new(), |alias| format!(" {}", alias.text));
        format!("{selected} FROM {}{alias}", object.name)
    }
}

/// Where the parenthesis opened that is still open at the end of a text.
fn opening(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, one) in text.char_indices().rev() {
        match one {
            ')' => depth += 1,
            '(' if depth == 0 => return Some(at),
            '(' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn id_of(record: &Value) -> Option<&str> {
    record["attributes"]["url"].as_str()?.rsplit('/').next()
}
