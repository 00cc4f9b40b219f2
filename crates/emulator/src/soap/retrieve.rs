// SPDX-License-Identifier: Apache-2.0
//! `retrieve`: records by their Ids, in the order of the Ids, nil for one that is not there.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::ctx::Ctx;
use crate::id;
use crate::soql::{self, Options, Which};

use super::sobject::Writer;
use super::{Call, Fault, faults, header};

/// Most Ids in one call.
const IDS_MAX: usize = 2_000;

/// The records.
pub fn retrieve(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let name = call.operation.text_of("sObjectType");
    let wanted = call.operation.texts_of("ids");
    if wanted.len() > IDS_MAX {
        return Err(faults::too_many(IDS_MAX));
    }
    let malformed = |text: &String| Fault::new("MALFORMED_ID", format!("malformed id {text}"));
    let wanted: Vec<String> = wanted
        .iter()
        .map(|text| id::to18(text).filter(|_| id::valid(text)).ok_or_else(|| malformed(text)))
        .collect::<Result<_, _>>()?;
    if wanted.is_empty() {
        return Ok(String::new());
    }
    ctx.org.read(|tx| {
        let object = ctx.caller.object(&tx.schema, &name).ok_or_else(|| faults::no_such_object(&name))?;
        let fields = call.operation.text_of("fieldList");
        let mut columns: Vec<&str> = Vec::new();
        for field in fields.split(',').map(str::trim).filter(|field| !field.is_empty()) {
            if ctx.caller.field(object, field).is_none() && !field.contains('.') {
                return Err(faults::no_such_column(field, &object.name));
            }
            if !columns.iter().any(|known| known.eq_ignore_ascii_case(field)) {
                columns.push(field);
            }
        }
        if columns.is_empty() {
            return Err(Fault::new("MISSING_ARGUMENT", "The field list of a retrieve must name a field"));
        }
        let among: Vec<String> = wanted.iter().map(|id| format!("'{id}'")).collect();
        let statement = format!("SELECT {} FROM {} WHERE Id IN ({})", columns.join(", "), object.name, among.join(","));
        let options = Options { now: tx.now, ..Options::default() };
        let prepared = soql::prepare(&tx.schema, &ctx.caller, &statement, options)?;
        let records = prepared.records(tx, &ctx.version, Which::All)?;
        let found: HashMap<&str, &Map<String, Value>> = records
            .iter()
            .filter_map(Value::as_object)
            .filter_map(|members| Some((members["attributes"]["url"].as_str()?.rsplit('/').next()?, members)))
            .collect();
        let writer = Writer { tx, typed: header::types_values(call), tooling: false };
        let mut out = String::new();
        for id in &wanted {
            match found.get(id.as_str()) {
                Some(members) => writer.write("result", members, &mut out),
                None => out += "<result xsi:nil=\"true\"/>",
            }
        }
        Ok(out)
    })
}
