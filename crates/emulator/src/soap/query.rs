// SPDX-License-Identifier: Apache-2.0
//! `query`, `queryAll` and `queryMore`: REST's records in XML, with dates ending in `Z` and base64 fields as content.

use serde_json::Value;

use crate::ctx::Ctx;
use crate::org::Tx;
use crate::rest::cursor::{self, Asked};
use crate::schema::FieldType;
use crate::soql::{self, Options, Prepared, Which};

use super::sobject::Writer;
use super::xml::{nil, tag};
use super::{Call, Fault, header};

/// The first page.
pub fn first(ctx: &Ctx, call: &Call<'_>, all: bool) -> Result<String, Fault> {
    let statement = call.operation.text_of("queryString");
    ctx.org.read(|tx| {
        let tooling = call.kind == "T";
        let options = Options { all, bulk: false, tooling, now: tx.now };
        let prepared = soql::prepare(&tx.schema, &ctx.caller, &statement, options)?;
        let size = page_size(call, &prepared);
        if prepared.is_count_only() {
            return Ok(result(tx, call, &prepared, prepared.total(tx)?, &[], None));
        }
        if prepared.is_aggregate() {
            let records = prepared.records(tx, &ctx.version, Which::All)?;
            return Ok(result(tx, call, &prepared, records.len() as u64, &records, None));
        }
        let asked = Asked { statement: &statement, all, tooling, user_id: &ctx.caller.user_id };
        let first = cursor::open(tx, &prepared, asked, size)?;
        let records = prepared.records(tx, &ctx.version, Which::Ids(&first.ids))?;
        let next = first.locator.map(|locator| format!("{locator}-{}", first.ids.len()));
        Ok(result(tx, call, &prepared, first.total as u64, &records, next))
    })
}

/// A further page.
pub fn next(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let text = call.operation.text_of("queryLocator");
    let invalid = || Fault::from(crate::error::ApiError::invalid_query_locator());
    let (locator, offset) = text.split_once('-').ok_or_else(invalid)?;
    let offset: usize = offset.parse().map_err(|_| invalid())?;
    ctx.org.read(|tx| {
        let cursor = cursor::find(tx, locator, &ctx.caller.user_id)
            .filter(|cursor| offset <= cursor.total)
            .ok_or_else(invalid)?;
        let options = Options { all: cursor.all, bulk: false, tooling: false, now: cursor.opened_ms };
        let prepared = soql::prepare(&tx.schema, &ctx.caller, &cursor.statement, options)?;
        let end = cursor.total.min(offset + page_size(call, &prepared));
        let records = prepared.records(tx, &ctx.version, Which::Ids(&cursor.ids(tx, offset, end)))?;
        let next = (end < cursor.total).then(|| format!("{locator}-{end}"));
        Ok(result(tx, call, &prepared, cursor.total as u64, &records, next))
    })
}

/// Records per page; one where the content of a base64 field is asked for.
fn page_size(call: &Call<'_>, prepared: &Prepared) -> usize {
    let object = prepared.object();
    let is_content = |name: &String| object.field(name).is_some_and(|field| field.kind == FieldType::Base64);
    if prepared.columns().iter().any(is_content) { 1 } else { header::page_size(call) }
}

fn result(
    tx: &Tx<'_>,
    call: &Call<'_>,
    prepared: &Prepared,
    total: u64,
    records: &[Value],
    next: Option<String>,
) -> String {
    let tooling = call.kind == "T";
    let mut out =
        format!("<result xsi:type=\"QueryResult\">{}", tag("done", if next.is_none() { "true" } else { "false" }));
    if tooling {
        out += &tag("entityTypeName", &prepared.object().name);
    }
    out += &next.map_or_else(|| nil("queryLocator"), |next| tag("queryLocator", &next));
    let writer = Writer { tx, typed: header::types_values(call), tooling };
    for members in records.iter().filter_map(Value::as_object) {
        writer.write("records", members, &mut out);
    }
    out += &tag("size", &if tooling { records.len() as u64 } else { total }.to_string());
    if tooling {
        out += &tag("totalSize", &total.to_string());
    }
    out + "</result>"
}
