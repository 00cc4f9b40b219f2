// SPDX-License-Identifier: Apache-2.0
//! Calls that write rows: each row in a savepoint of its own, all of them in one with `AllOrNoneHeader`, and what came of
//! each as a result in the order of the rows.

use std::collections::HashSet;

use crate::ctx::Ctx;
use crate::error::SaveError;
use crate::id;
use crate::org::Tx;
use crate::record::{self, Input};
use crate::schema::{FieldType, Object};
use crate::user::Caller;

use super::sobject::{self, Sent};
use super::xml::{nil, tag};
use super::{Call, Fault, faults, header};

/// Most rows in one call.
const ROWS_MAX: usize = 200;
/// Rows of one object that follow each other are a chunk; a call may have so many.
const CHUNKS_MAX: usize = 10;

type RowCall = fn(&mut Tx<'_>, &Caller, &str) -> Result<(), SaveError>;

/// `create`.
pub fn create(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let outcomes = rows(ctx, call, sent(ctx, call)?, |tx, mut sent| {
        sent.fields.extend(sent.id.map(|id| ("Id".to_owned(), Input::Text(id))));
        record::insert(tx, &ctx.caller, &sent.object, sent.fields)
    });
    Ok(outcomes.iter().map(saved).collect())
}

/// `update`.
pub fn update(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let outcomes = rows(ctx, call, sent(ctx, call)?, |tx, sent| {
        let missing = || SaveError::new("MISSING_ARGUMENT", "Id not specified in an update call", &[]);
        let id = sent.id.ok_or_else(missing)?;
        record::update_with(tx, &ctx.caller, &sent.object, &id, sent.fields, header::owner_change(call))?;
        Ok(id::to18(&id).unwrap_or(id))
    });
    Ok(outcomes.iter().map(saved).collect())
}

/// `upsert`: by an external id, or by the Id where the field's name is `Id`.
pub fn upsert(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let key = call.operation.text_of("externalIDFieldName");
    let sent = sent(ctx, call)?;
    for one in &sent {
        check_key(&one.object, &key)?;
    }
    let mut matched = HashSet::new();
    let outcomes = rows(ctx, call, sent, |tx, sent| upsert_one(tx, &ctx.caller, &key, sent, &mut matched));
    let result = |outcome: &Result<(String, bool), SaveError>| {
        let created = tag("created", if matches!(outcome, Ok((_, true))) { "true" } else { "false" });
        let rest = match outcome {
            Ok((id, _)) => tag("id", id) + &tag("success", "true"),
            Err(error) => errors(error) + &nil("id") + &tag("success", "false"),
        };
        format!("<result>{created}{rest}</result>")
    };
    Ok(outcomes.iter().map(result).collect())
}

fn upsert_one(
    tx: &mut Tx<'_>,
    caller: &Caller,
    key: &str,
    mut sent: Sent,
    matched: &mut HashSet<String>,
) -> Result<(String, bool), SaveError> {
    let value = if key.eq_ignore_ascii_case("Id") {
        sent.id.take().map(Input::Text)
    } else {
        sent.fields.extend(sent.id.take().map(|id| ("Id".to_owned(), Input::Text(id))));
        let at = sent.fields.iter().position(|(name, _)| name.eq_ignore_ascii_case(key));
        at.map(|at| sent.fields.remove(at).1)
    };
    let value = match value {
        Some(Input::Text(text)) => text,
        _ if key.eq_ignore_ascii_case("Id") => {
            return record::upsert(tx, caller, &sent.object, "Id", &Input::Null, sent.fields);
        }
        _ => return Err(SaveError::new("MISSING_ARGUMENT", format!("{key} not specified"), &[])),
    };
    if !matched.insert(value.to_lowercase()) {
        let message = format!("Duplicate external id specified: {value}");
        return Err(SaveError::new("DUPLICATE_VALUE", message, &[key]));
    }
    record::upsert(tx, caller, &sent.object, key, &Input::Text(value), sent.fields)
}

fn check_key(object: &Object, key: &str) -> Result<(), Fault> {
    let usable = |field: &crate::schema::Field| field.external_id || field.id_lookup || field.kind == FieldType::Id;
    if object.field(key).is_some_and(|field| usable(field)) {
        return Ok(());
    }
    let text = format!(
        "Field name provided, {key} does not match an External ID, Salesforce Id, or indexed field for {}",
        object.name
    );
    Err(Fault::new("INVALID_FIELD", text))
}

/// `delete`, `undelete` and `emptyRecycleBin`: one thing done to each Id.
pub fn each_id(ctx: &Ctx, call: &Call<'_>, act: RowCall) -> Result<String, Fault> {
    let ids = call.operation.texts_of("ids");
    if ids.len() > ROWS_MAX {
        return Err(faults::too_many(ROWS_MAX));
    }
    let outcomes = rows(ctx, call, ids, |tx, text| {
        let id = id::to18(&text).filter(|_| id::valid(&text)).ok_or_else(|| SaveError::malformed_id(&text, "Id"))?;
        act(tx, &ctx.caller, &id).map(|()| id)
    });
    Ok(outcomes.iter().map(saved).collect())
}

/// The records of a call.
fn sent(ctx: &Ctx, call: &Call<'_>) -> Result<Vec<Sent>, Fault> {
    let schema = ctx.org.schema();
    let truncates = header::truncates(call);
    let sent = call.operation.all("sObjects").map(|element| sobject::read(&schema, element, truncates));
    let sent = sent.collect::<Result<Vec<_>, Fault>>()?;
    if sent.len() > ROWS_MAX {
        return Err(faults::too_many(ROWS_MAX));
    }
    if 1 + sent.windows(2).filter(|pair| pair[0].object.name != pair[1].object.name).count() > CHUNKS_MAX {
        let text =
            "Cannot have more than 10 chunks in a single operation. Please rearrange the data to reduce chunking.";
        return Err(Fault::new("LIMIT_EXCEEDED", text));
    }
    Ok(sent)
}

/// Does one thing to each row; with `AllOrNoneHeader`, to all of them or to none.
pub fn rows<R, T>(
    ctx: &Ctx,
    call: &Call<'_>,
    rows: Vec<R>,
    mut one: impl FnMut(&mut Tx<'_>, R) -> Result<T, SaveError>,
) -> Vec<Result<T, SaveError>> {
    let all_or_none = header::all_or_none(call);
    ctx.org.write(|tx| {
        let mut outcomes = Vec::with_capacity(rows.len());
        let kept = tx.savepoint(|tx| {
            outcomes.extend(rows.into_iter().map(|row| tx.savepoint(|tx| one(tx, row))));
            if all_or_none && outcomes.iter().any(Result::is_err) { Err(()) } else { Ok(()) }
        });
        if kept.is_err() {
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                let text =
                    "Record rolled back because not all records were valid and the request was using AllOrNone header";
                *outcome = Err(SaveError::new("ALL_OR_NONE_OPERATION_ROLLED_BACK", text, &[]));
            }
        }
        outcomes
    })
}

fn saved(outcome: &Result<String, SaveError>) -> String {
    match outcome {
        Ok(id) => format!("<result>{}<success>true</success></result>", tag("id", id)),
        Err(error) => format!("<result>{}{}<success>false</success></result>", errors(error), nil("id")),
    }
}

/// The `errors` of a result.
pub fn errors(error: &SaveError) -> String {
    let one = |error: &SaveError| {
        let fields: String = error.fields.iter().map(|field| tag("fields", field)).collect();
        let rest = tag("message", &error.message) + &tag("statusCode", &error.code);
        match error.extra.as_ref().and_then(|extra| extra.get("duplicateResut")) {
            Some(result) => {
                format!("<errors xsi:type=\"DuplicateError\">{fields}{rest}{}</errors>", duplicates(result))
            }
            None => format!("<errors>{fields}{rest}</errors>"),
        }
    };
    error.all().map(one).collect()
}

/// What a duplicate rule found, in the order of the WSDL.
fn duplicates(result: &serde_json::Value) -> String {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let all = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let record = |found: &serde_json::Value| {
        let (kind, id) = (&found["record"]["attributes"]["type"], &found["record"]["Id"]);
        let (kind, id) = (tag("sf:type", &text(kind)), tag("sf:Id", &text(id)));
        let confidence = format!("{:.1}", found["matchConfidence"].as_f64().unwrap_or(0.0));
        format!(
            "<matchRecords>{}<record xsi:type=\"sf:sObject\">{kind}{id}</record></matchRecords>",
            tag("matchConfidence", &confidence)
        )
    };
    let matched = |one: &serde_json::Value| {
        let records: String = all(&one["matchRecords"]).iter().map(record).collect();
        let field = |name: &str| tag(name, &text(&one[name]));
        let head = field("entityType") + &field("matchEngine");
        format!("<matchResults>{head}{records}{}{}{}</matchResults>", field("rule"), field("size"), field("success"))
    };
    let results: String = all(&result["matchResults"]).iter().map(matched).collect();
    let field = |name: &str| tag(name, &text(&result[name]));
    let head =
        field("allowSave") + &field("duplicateRule") + &field("duplicateRuleEntityType") + &field("errorMessage");
    format!("<duplicateResult>{head}{results}</duplicateResult>")
}
