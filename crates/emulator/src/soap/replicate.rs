// SPDX-License-Identifier: Apache-2.0
//! `getUpdated` and `getDeleted`: REST's spans of changes as XML (`salesforce-api.md` 2.7).

use serde_json::Value;

use crate::ctx::Ctx;

use super::xml::tag;
use super::{Call, Fault, faults, resource};

/// Ids of what changed in a span.
pub fn updated(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let answer = span(ctx, call, "updated")?;
    let ids = answer["ids"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let ids: String = ids.map(|id| tag("ids", id)).collect();
    Ok(format!("<result>{ids}{}</result>", moment(&answer, "latestDateCovered")))
}

/// Ids of what was deleted in a span, and when.
pub fn deleted(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let answer = span(ctx, call, "deleted")?;
    let record = |record: &Value| {
        let id = tag("id", record["id"].as_str().unwrap_or_default());
        format!("<deletedRecords>{}{id}</deletedRecords>", moment(record, "deletedDate"))
    };
    let records: String = answer["deletedRecords"].as_array().into_iter().flatten().map(record).collect();
    let (earliest, latest) = (moment(&answer, "earliestDateAvailable"), moment(&answer, "latestDateCovered"));
    Ok(format!("<result>{records}{earliest}{latest}</result>"))
}

fn span(ctx: &Ctx, call: &Call<'_>, which: &str) -> Result<Value, Fault> {
    let name = call.operation.text_of("sObjectType");
    let schema = ctx.org.schema();
    let object = ctx.caller.object(&schema, &name).ok_or_else(|| faults::no_such_object(&name))?;
    let (start, end) = (call.operation.text_of("startDate"), call.operation.text_of("endDate"));
    resource::get(ctx, &format!("sobjects/{}/{which}", object.name), &[("start", &start), ("end", &end)])
}

/// Date and time in UTC, ending in `Z`.
fn moment(value: &Value, name: &str) -> String {
    tag(name, &value[name].as_str().unwrap_or_default().replace("+0000", "Z"))
}
