// SPDX-License-Identifier: Apache-2.0
//! `search`: a SOSL statement answered as REST's `/search` answers it.

use serde_json::Value;

use crate::ctx::Ctx;

use super::sobject::Writer;
use super::xml::tag;
use super::{Call, Fault, header, resource};

/// The records that a statement finds. `queryId` names no log that anybody could look up.
pub fn search(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let statement = call.operation.text_of("searchString");
    let answer = resource::get(ctx, "search", &[("q", &statement)])?;
    let found = answer.get("searchRecords").unwrap_or(&answer);
    let records = found.as_array().map(Vec::as_slice).unwrap_or_default();
    ctx.org.read(|tx| {
        let writer = Writer { tx, typed: header::types_values(call), tooling: false };
        let mut out = format!("<result>{}", tag("queryId", ""));
        for members in records.iter().filter_map(Value::as_object) {
            out += "<searchRecords>";
            writer.write("record", members, &mut out);
            out += "</searchRecords>";
        }
        Ok(out + "</result>")
    })
}
