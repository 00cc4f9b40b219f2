// SPDX-License-Identifier: Apache-2.0
//! Reading the JSON that orders a job, with the refusals of `salesforce-api.md` 3.1 and 3.2. The texts of API_ERROR and
//! INVALIDJOB are those of real orgs, quoted in public tutorials.

use serde_json::{Map, Value};

use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::schema::{FieldType, Object};
use crate::user::Caller;

use super::csv::{Delimiter, LineEnding};
use super::operation::Operation;

/// What a caller ordered.
#[derive(Debug)]
pub struct Order {
    pub operation: Operation,
    /// Name of the object as in the schema.
    pub object: String,
    /// SOQL of a query job.
    pub query: String,
    /// The field an upsert matches by.
    pub external_field: Option<String>,
    /// `assignmentRuleId`: without it no assignment rule runs.
    pub assignment_rule: Option<String>,
    /// API version of the request, as in `"67.0"`.
    pub version: String,
    pub delimiter: Delimiter,
    pub line_ending: LineEnding,
    /// Who ordered it and with which permissions: the job acts for that user.
    pub caller: Caller,
}

/// The members of a job order.
const MEMBERS: [&str; 9] = [
    "operation",
    "object",
    "query",
    "externalIdFieldName",
    "assignmentRuleId",
    "contentType",
    "columnDelimiter",
    "lineEnding",
    "concurrencyMode",
];

/// The order of a query job, without its object, which the query names.
///
/// # Errors
/// 400 for what is no order.
pub fn query(ctx: &Ctx, body: &[u8]) -> Result<Order, ApiError> {
    let body = members(body)?;
    let operation = operation(&body, Operation::is_query)?;
    let query = text(&body, "query")?.unwrap_or_default().to_owned();
    let mut order = order(ctx, &body, operation)?;
    order.query = query;
    Ok(order)
}

/// The order of an ingest job.
///
/// # Errors
/// 400 for what is no order, an object that is not there or not for Bulk, and a missing permission.
pub fn ingest(ctx: &Ctx, body: &[u8]) -> Result<Order, ApiError> {
    let body = members(body)?;
    let operation = operation(&body, |operation| !operation.is_query())?;
    let mut order = order(ctx, &body, operation)?;
    let external_field = text(&body, "externalIdFieldName")?;
    writes(ctx, &mut order, text(&body, "object")?.unwrap_or_default(), external_field, false)?;
    order.assignment_rule = text(&body, "assignmentRuleId")?.filter(|rule| !rule.is_empty()).map(str::to_owned);
    order.caller.auto_assign = order.assignment_rule.is_some();
    order.caller.assignment_rule = order.assignment_rule.clone();
    Ok(order)
}

/// Completes an order that writes, in either Bulk API, with its object and what an upsert matches by. With `files` (the zip
/// jobs of Bulk 1.0) objects are taken that are closed to Bulk but for their files, such as Attachment.
///
/// # Errors
/// 400 for an object that is not there or not for Bulk, a missing permission, a field that identifies nothing.
pub fn writes(ctx: &Ctx, order: &mut Order, object: &str, field: Option<&str>, files: bool) -> Result<(), ApiError> {
    let schema = ctx.org.schema();
    let unknown = || invalid_job(format!("InvalidJob : Unable to find object: {object}"));
    let object = schema.object(object).ok_or_else(unknown)?;
    let takes_files = files && object.fields.iter().any(|field| field.kind == FieldType::Base64);
    if !object.bulk && !takes_files {
        return Err(not_in_bulk(&object.name));
    }
    if order.operation == Operation::HardDelete && !order.caller.can("BulkApiHardDelete") {
        return Err(ApiError::new(
            400,
            "FEATURENOTENABLED",
            "FeatureNotEnabled : hardDelete operation requires special user profile permission, please contact your \
             system administrator",
        ));
    }
    object.name.clone_into(&mut order.object);
    if order.operation == Operation::Upsert {
        order.external_field = Some(external_field(object, field.unwrap_or_default())?);
    }
    Ok(())
}

fn operation(body: &Map<String, Value>, fits: impl Fn(Operation) -> bool) -> Result<Operation, ApiError> {
    let name = text(body, "operation")?.unwrap_or_default();
    Operation::named(name).filter(|operation| fits(*operation)).ok_or_else(|| invalid_value(name, "operation"))
}

fn external_field(object: &Object, name: &str) -> Result<String, ApiError> {
    let field = object.field(name).filter(|field| field.external_id || field.id_lookup);
    field.map(|field| field.name.clone()).ok_or_else(|| {
        let object = &object.name;
        invalid_job(format!("InvalidJob : Field name provided, {name} does not match an External ID for {object}"))
    })
}

fn order(ctx: &Ctx, body: &Map<String, Value>, operation: Operation) -> Result<Order, ApiError> {
    match text(body, "contentType")? {
        None | Some("CSV") => {}
        Some(other) => return Err(invalid_value(other, "contentType")),
    }
    let delimiter = match text(body, "columnDelimiter")? {
        None => Delimiter::Comma,
        Some(name) => Delimiter::named(name).ok_or_else(|| invalid_value(name, "columnDelimiter"))?,
    };
    let line_ending = match text(body, "lineEnding")? {
        None => LineEnding::Lf,
        Some(name) => LineEnding::named(name).ok_or_else(|| invalid_value(name, "lineEnding"))?,
    };
    Ok(Order {
        operation,
        object: String::new(),
        query: String::new(),
        external_field: None,
        assignment_rule: None,
        version: ctx.version.clone(),
        delimiter,
        line_ending,
        caller: ctx.caller.clone(),
    })
}

fn members(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let body = json_object(body)?;
    match body.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        None => Ok(body),
        Some(name) => Err(ApiError::json_parser(format!("Unrecognized field \"{name}\""))),
    }
}

/// The request's JSON object.
///
/// # Errors
/// 400 `JSON_PARSER_ERROR`.
pub fn json_object(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::json_parser("The HTTP entity body must be a JSON object")),
        Err(error) => Err(ApiError::json_parser(error.to_string())),
    }
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, ApiError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(invalid_value(&other.to_string(), name)),
    }
}

/// 400 `API_ERROR` "Invalid value: 'x' supplied for property: 'operation'".
pub fn invalid_value(value: &str, property: &str) -> ApiError {
    ApiError::new(400, "API_ERROR", format!("Invalid value: '{value}' supplied for property: '{property}'"))
}

/// 400 `INVALIDENTITY` for an object that Bulk does not take (`salesforce-api.md` 3.1).
pub fn not_in_bulk(object: &str) -> ApiError {
    ApiError::new(400, "INVALIDENTITY", format!("Entity '{object}' is not supported by the Bulk API."))
}

fn invalid_job(message: String) -> ApiError {
    ApiError::new(400, "INVALIDJOB", message)
}
