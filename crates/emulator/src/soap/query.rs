// SPDX-License-Identifier: Apache-2.0
//! `query`, `queryAll` and `queryMore` of the partner API: REST's records in XML, with dates ending in `Z`.
//!
//! Base64 fields are refused: SOAP would send their content, one row at a time, and nobody asks the emulator for that.

use serde_json::{Map, Value};

use crate::ctx::Ctx;
use crate::faces::lock;
use crate::org::Tx;
use crate::rest::cursor::Cursor;
use crate::schema::{FieldType, Object};
use crate::soql::{self, Options, Which};

use super::xml::tag;
use super::{Call, Fault};

const PAGE: usize = 500;

/// The first page.
pub fn first(ctx: &Ctx, call: &Call<'_>, all: bool) -> Result<String, Fault> {
    let statement = call.operation.text_of("queryString");
    ctx.org.read(|tx| {
        let options = Options { all, bulk: false, tooling: false, now: tx.now };
        let prepared = soql::prepare(&tx.schema, &ctx.caller, &statement, options)?;
        let size = page_size(call);
        if prepared.is_count_only() {
            return result(tx, prepared.object(), prepared.total(tx)?, &[], None);
        }
        if prepared.is_aggregate() {
            let records = prepared.records(tx, &ctx.version, Which::All)?;
            return result(tx, prepared.object(), records.len() as u64, &records, None);
        }
        let ids = prepared.ids(tx)?;
        let (total, end) = (ids.len() as u64, ids.len().min(size));
        let records = prepared.records(tx, &ctx.version, Which::Ids(&ids[..end]))?;
        let next = (end < ids.len()).then(|| {
            let cursor = Cursor {
                statement: statement.as_str().into(),
                all,
                tooling: false,
                ids: ids.into(),
                user_id: ctx.caller.user_id.clone(),
                opened_ms: tx.now,
            };
            format!("{}-{end}", lock(&ctx.org.faces.cursors).open(cursor))
        });
        result(tx, prepared.object(), total, &records, next)
    })
}

/// A further page.
pub fn next(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let text = call.operation.text_of("queryLocator");
    let invalid = || Fault::from(crate::error::ApiError::invalid_query_locator());
    let (locator, offset) = text.split_once('-').ok_or_else(invalid)?;
    let offset: usize = offset.parse().map_err(|_| invalid())?;
    ctx.org.read(|tx| {
        let cursor = lock(&ctx.org.faces.cursors)
            .get(locator, tx.now)
            .filter(|cursor| cursor.user_id == ctx.caller.user_id && offset <= cursor.ids.len())
            .ok_or_else(invalid)?;
        let options = Options { all: cursor.all, bulk: false, tooling: false, now: cursor.opened_ms };
        let prepared = soql::prepare(&tx.schema, &ctx.caller, &cursor.statement, options)?;
        let end = cursor.ids.len().min(offset + page_size(call));
        let records = prepared.records(tx, &ctx.version, Which::Ids(&cursor.ids[offset..end]))?;
        let next = (end < cursor.ids.len()).then(|| format!("{locator}-{end}"));
        result(tx, prepared.object(), cursor.ids.len() as u64, &records, next)
    })
}

fn page_size(call: &Call<'_>) -> usize {
    let wanted = call.header.find("QueryOptions").and_then(|header| header.text_of("batchSize").parse().ok());
    wanted.map_or(PAGE, |size: usize| size.clamp(200, 2_000))
}

fn result(tx: &Tx<'_>, object: &Object, total: u64, records: &[Value], next: Option<String>) -> Result<String, Fault> {
    let mut out =
        format!("<result xsi:type=\"QueryResult\">{}", tag("done", if next.is_none() { "true" } else { "false" }));
    out += &next.map_or_else(|| "<queryLocator xsi:nil=\"true\"/>".to_owned(), |next| tag("queryLocator", &next));
    for record in records {
        if let Value::Object(members) = record {
            write_record(tx, Some(object), "records", members, &mut out)?;
        }
    }
    out += &tag("size", &total.to_string());
    out += "</result>";
    Ok(out)
}

fn write_record(
    tx: &Tx<'_>,
    object: Option<&Object>,
    element: &str,
    members: &Map<String, Value>,
    out: &mut String,
) -> Result<(), Fault> {
    let kind = members.get("attributes").and_then(|attributes| attributes["type"].as_str()).unwrap_or_default();
    let object = tx.schema.object(kind).map(AsRef::as_ref).or(object);
    *out += &format!("<{element} xsi:type=\"sf:sObject\">");
    *out += &tag("sf:type", kind);
    match members.get("Id").and_then(Value::as_str) {
        Some(id) => *out += &tag("sf:Id", id),
        None => *out += "<sf:Id xsi:nil=\"true\"/>",
    }
    for (name, value) in members.iter().filter(|(name, _)| *name != "attributes") {
        let element = format!("sf:{name}");
        match value {
            Value::Null => *out += &format!("<{element} xsi:nil=\"true\"/>"),
            Value::Object(inner) if inner.contains_key("records") => {
                *out +=
                    &format!("<{element} xsi:type=\"QueryResult\"><done>true</done><queryLocator xsi:nil=\"true\"/>");
                let rows = inner["records"].as_array().map(Vec::as_slice).unwrap_or_default();
                for row in rows {
                    if let Value::Object(members) = row {
                        write_record(tx, None, "records", members, out)?;
                    }
                }
                *out += &format!("{}</{element}>", tag("size", &rows.len().to_string()));
            }
            Value::Object(inner) if inner.contains_key("attributes") => {
                write_record(tx, None, &element, inner, out)?;
            }
            Value::Object(inner) => {
                *out += &format!("<{element}>");
                for (part, value) in inner {
                    if !value.is_null() {
                        *out += &tag(part, &text(value));
                    }
                }
                *out += &format!("</{element}>");
            }
            value => {
                let field = object.and_then(|object| object.field(name));
                let shown = text(value);
                *out += &match field.map(|field| field.kind) {
                    Some(FieldType::Base64) => {
                        let text = format!("The emulator's SOAP API does not send {name}; read it by REST");
                        return Err(Fault::new("INVALID_FIELD", text));
                    }
                    Some(FieldType::Datetime) => tag(&element, &shown.replace("+0000", "Z")),
                    _ => tag(&element, &shown),
                };
            }
        }
    }
    *out += &format!("</{element}>");
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
