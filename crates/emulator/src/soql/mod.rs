// SPDX-License-Identifier: Apache-2.0
//! SOQL, as `salesforce-api.md` 7 describes it, over the org's rows.
//!
//! A statement is cut into tokens (`lex`), parsed (`parse`) into what was written (`ast`), checked against the schema (`check`, `names`)
//! into a plan (`plan`), translated into SQL with bound values (`sql`), and its rows are shown as REST's records (`rows`) or the
//! Bulk API's CSV (`csv`). What is not understood is refused, never ignored.
//!
//! What the caller may not see does not exist for the statement: objects, fields, and rows that are not shared with it.
//!
//! Not modelled: time zones (all users are in GMT), subtotals (ROLLUP, CUBE), `toLabel` in conditions, the order of picklist values when sorting (they sort as text), paths
//! inside TYPEOF.

pub mod ast;
mod check;
mod csv;
mod date;
mod functions;
mod lex;
mod names;
mod parse;
mod permission_access;
mod plan;
mod record_access;
mod refusal;
mod rows;
mod show;
mod sql;

use std::sync::Arc;

pub use ast::Query;
pub use csv::Dialect;
pub use parse::parse;
pub use rows::Text;

use crate::error::ApiError;
use crate::schema::{Object, Schema};
use crate::store::Tx;
use crate::user::Caller;
use functions::if_used as statement;
use permission_access::PermissionAccess;
use plan::{Kind, Plan};
use record_access::RecordAccess;

/// By which API and when a statement is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// `queryAll`: deleted and archived rows too.
    pub all: bool,
    /// Refuse what the Bulk API cannot do.
    pub bulk: bool,
    /// Through the Tooling API, whose records have their URLs below `tooling/`.
    pub tooling: bool,
    /// What date literals count from: milliseconds since 1970 UTC.
    pub now: i64,
}

/// Which of a statement's rows are wanted.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    All,
    /// The first so many.
    First(usize),
    /// The rows of these Ids, in this order, as a cursor keeps them. Rows that are gone meanwhile are left out.
    Ids(&'a [String]),
}

impl Which<'_> {
    fn most(self) -> usize {
        if let Which::First(most) = self { most } else { usize::MAX }
    }
}

/// A statement that can be run. It holds the schema of its making.
#[derive(Clone, Debug)]
pub struct Prepared {
    plan: Plan,
    schema: Arc<Schema>,
    tooling: bool,
    access: Option<Access>,
}

/// Of a statement about an object that says what a user may do, what is worked out before it runs.
#[derive(Clone, Debug)]
enum Access {
    Records(RecordAccess),
    Permissions(PermissionAccess),
}

/// Rows that stand in a table while a statement runs.
struct Standing<'a, 'b>(&'a Tx<'b>, &'a Access);

impl Drop for Standing<'_, '_> {
    fn drop(&mut self) {
        // What stays by a fault is taken away before the next statement.
        drop(match self.1 {
            Access::Records(_) => record_access::clear(self.0),
            Access::Permissions(_) => permission_access::clear(self.0),
        });
    }
}

/// Parses and checks a statement.
///
/// Errors carry Salesforce's codes and texts: `MALFORMED_QUERY`, `INVALID_TYPE`, `INVALID_FIELD`, `INVALID_QUERY_FILTER_OPERATOR`,
/// `NUMBER_OUTSIDE_VALID_RANGE`; of the Bulk API `INVALIDENTITY`, `INVALIDBATCH`, `API_ERROR` (2.1, 3.1).
pub fn prepare(schema: &Arc<Schema>, caller: &Caller, text: &str, options: Options) -> Result<Prepared, ApiError> {
    let query = parse(text)?;
    let ground = check::Ground { text, schema, caller, options };
    let mut plan = check::check(ground, &query)?;
    let records = record_access::of(&mut plan, caller)?;
    check::needs_filter(caller, &plan, records.is_some())?;
    let permissions = permission_access::of(&plan, caller).map(Access::Permissions);
    let access = records.map(Access::Records).or(permissions);
    Ok(Prepared { plan, schema: schema.clone(), tooling: options.tooling, access })
}

impl Prepared {
    /// The object of FROM.
    pub fn object(&self) -> &Arc<Object> {
        &self.plan.object
    }

    /// `SELECT COUNT() FROM …`: the answer is a total without records.
    pub fn is_count_only(&self) -> bool {
        self.plan.kind == Kind::Count
    }

    /// Whether the records are groups, which have no Ids.
    pub fn is_aggregate(&self) -> bool {
        self.plan.kind == Kind::Aggregate
    }

    /// The columns of a CSV, in the order of SELECT and the canonical case.
    pub fn columns(&self) -> Vec<String> {
        self.plan.written.iter().map(|written| written.name.clone()).collect()
    }

    fn stand<'a, 'b>(&'a self, tx: &'a Tx<'b>) -> Result<Option<Standing<'a, 'b>>, ApiError> {
        let Some(access) = &self.access else { return Ok(None) };
        match access {
            Access::Records(records) => records.fill(tx),
            Access::Permissions(permissions) => permissions.fill(tx),
        }
        .map_err(failed)?;
        Ok(Some(Standing(tx, access)))
    }

    /// How many rows or groups match, within LIMIT.
    pub fn total(&self, tx: &Tx<'_>) -> Result<u64, ApiError> {
        let _standing = self.stand(tx)?;
        let sql = sql::total(&self.plan);
        let Some(mut statement) = statement(tx.conn, &sql.text, &self.plan).map_err(failed)? else { return Ok(0) };
        let count: i64 =
            statement.query_row(rusqlite::params_from_iter(sql.bound), |row| row.get(0)).map_err(failed)?;
        Ok(count.unsigned_abs())
    }

    /// How many rows a statement that counts goes over.
    pub fn counted(&self, tx: &Tx<'_>) -> Result<u64, ApiError> {
        let plan = Plan { kind: Kind::Count, group: Vec::new(), ..self.plan.clone() };
        Prepared { plan, ..self.clone() }.total(tx)
    }

    /// The Ids of the matching rows, in order: what a cursor keeps. Empty for aggregates.
    pub fn ids(&self, tx: &Tx<'_>) -> Result<Vec<String>, ApiError> {
        if self.plan.kind != Kind::Rows {
            return Ok(Vec::new());
        }
        let _standing = self.stand(tx)?;
        let sql = sql::ids(&self.plan);
        let Some(mut statement) = statement(tx.conn, &sql.text, &self.plan).map_err(failed)? else {
            return Ok(Vec::new());
        };
        let rows = statement.query_map(rusqlite::params_from_iter(sql.bound), |row| row.get(0)).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Gives the Id of each matching row, in order, without keeping any. Nothing for aggregates.
    pub fn each_id(&self, tx: &Tx<'_>, mut each: impl FnMut(&str)) -> Result<(), ApiError> {
        if self.plan.kind != Kind::Rows {
            return Ok(());
        }
        let _standing = self.stand(tx)?;
        let sql = sql::ids(&self.plan);
        let Some(mut statement) = statement(tx.conn, &sql.text, &self.plan).map_err(failed)? else { return Ok(()) };
        let mut rows = statement.query(rusqlite::params_from_iter(sql.bound)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            each(row.get_ref(0).map_err(failed)?.as_str().unwrap_or_default());
        }
        Ok(())
    }

    /// REST's records. `version` is that of the request's path, e.g. `67.0`. Empty for `COUNT()`.
    pub fn records(&self, tx: &Tx<'_>, version: &str, which: Which<'_>) -> Result<Vec<serde_json::Value>, ApiError> {
        Ok(self.records_and_more(tx, version, which)?.0)
    }

    /// [`Prepared::records`], and whether there are more than were asked for.
    pub fn records_and_more(
        &self,
        tx: &Tx<'_>,
        version: &str,
        which: Which<'_>,
    ) -> Result<(Vec<serde_json::Value>, bool), ApiError> {
        if self.plan.kind == Kind::Count {
            return Ok((Vec::new(), false));
        }
        let _standing = self.stand(tx)?;
        rows::Ground::new(tx, &self.schema, &self.base(version)).records(&self.plan, self.rows(which), which.most())
    }

    /// Gives each of [`Prepared::records`] as it is read, so that none has to be kept. An error of `each` ends the reading.
    pub fn each_record<E: From<ApiError>>(
        &self,
        tx: &Tx<'_>,
        version: &str,
        each: impl FnMut(serde_json::Value) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.plan.kind == Kind::Count {
            return Ok(());
        }
        rows::Ground::new(tx, &self.schema, &self.base(version)).every(&self.plan, each)
    }

    /// The same as text, parted by commas: what a JSON list has between its brackets.
    pub fn text(&self, tx: &Tx<'_>, version: &str, which: Which<'_>) -> Result<Text, ApiError> {
        if self.plan.kind == Kind::Count {
            return Ok(Text::default());
        }
        let _standing = self.stand(tx)?;
        rows::Ground::new(tx, &self.schema, &self.base(version)).text(&self.plan, self.rows(which), which.most())
    }

    fn rows<'w>(&self, which: Which<'w>) -> sql::Rows<'w> {
        match which {
            Which::Ids(ids) if self.plan.kind == Kind::Rows => sql::Rows::Ids(ids),
            // One more tells whether there are more.
            Which::First(most) if self.plan.kind == Kind::Rows => sql::Rows::First(most as u64 + 1),
            _ => sql::Rows::Matching,
        }
    }

    fn base(&self, version: &str) -> String {
        format!("/services/data/v{version}/{}sobjects", if self.tooling { "tooling/" } else { "" })
    }

    /// The header line of the CSV.
    pub fn csv_header(&self, dialect: Dialect) -> Vec<u8> {
        csv::header(&self.plan, dialect)
    }

    /// Gives each row of the CSV (without the header), with its line ending, to `out`; returns the number of rows. An error of
    /// `out` ends the reading. A base64 field fails with `FeatureNotEnabled`, as a job does once it runs (3.1).
    pub fn csv<E: From<ApiError>>(
        &self,
        tx: &Tx<'_>,
        dialect: Dialect,
        mut out: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        csv::rows(tx, &self.plan, dialect, &mut out)
    }
}

/// SQLite could not run what was translated: a sum beyond its range, or a fault of the translation.
fn failed(error: rusqlite::Error) -> ApiError {
    ApiError::new(400, "QUERY_NOT_SUPPORTED", format!("The query cannot be run: {error}"))
}
