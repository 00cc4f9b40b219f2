// SPDX-License-Identifier: Apache-2.0
//! Deploying over REST (`salesforce-api.md` 4.2): `/metadata/deployRequest`. There is no retrieve over REST.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use super::asynchronous::{self, Ending, Order, Request, State};
use super::deploy::{Message, Options, Report, parcel};
use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::multipart;
use crate::request;
use crate::rest::parse_json;
use crate::value::date_time_text;

/// The zip in base64 would be 52 MB; here it comes as it is, with air for the parts around it.
const FORM_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Answers below `/metadata`. `request.path` begins with `metadata`.
///
/// # Errors
/// As the org refuses.
pub(crate) async fn route(ctx: &Ctx, mut request: request::Request) -> Result<Answer, ApiError> {
    if !super::may_use(&ctx.caller) {
        return Err(ApiError::new(403, "INSUFFICIENT_ACCESS", super::NO_ACCESS));
    }
    let method = request.method.clone();
    match request.segments()[1..] {
        ["deployRequest"] if method == Method::POST => match multipart::is_multipart(&request.headers) {
            true => create(ctx, request).await,
            false => quick(ctx, &request.body_bytes().await?).await,
        },
        ["deployRequest"] => Err(ApiError::method_not_allowed(method.as_str(), "POST")),
        ["deployRequest", id] => {
            let id = id.to_owned();
            let found = asynchronous::find(&ctx.org, &id).await.filter(|found| found.is_deploy());
            let found = found.ok_or_else(ApiError::not_found)?;
            match method {
                Method::GET | Method::HEAD => {
                    let details =
                        request.query.get("includeDetails").is_some_and(|value| value.eq_ignore_ascii_case("true"));
                    Ok(Answer::ok(shown(ctx, &found, details)))
                }
                Method::PATCH => {
                    let body = parse_json(&request.body_bytes().await?)?;
                    if body.get("deployResult").and_then(|result| result["status"].as_str()) != Some("Canceling") {
                        return Err(ApiError::new(400, "INVALID_STATUS", "Only the status Canceling can be set"));
                    }
                    if !asynchronous::cancel(&ctx.org, &found, &ctx.caller.user_id) {
                        return Err(ApiError::new(400, "INVALID_ID_FIELD", "Deployment already completed"));
                    }
                    Ok(Answer::json(202, shown(ctx, &found, false)))
                }
                _ => Err(ApiError::method_not_allowed(method.as_str(), "GET,HEAD,PATCH")),
            }
        }
        _ => Err(ApiError::not_found()),
    }
}

/// A form with the zip and the options, in any order and under any names.
async fn create(ctx: &Ctx, request: request::Request) -> Result<Answer, ApiError> {
    let mut options = Options::default();
    let mut zip = None;
    let unreadable = |error: std::io::Error| ApiError::new(400, "INVALID_MULTIPART_REQUEST", error.to_string());
    for mut part in multipart::read(&request.headers, request.body, FORM_MAX_BYTES).await? {
        if part.is_json() {
            let body = parse_json(&part.bytes().map_err(unreadable)?)?;
            let given = body.get("deployOptions").cloned().unwrap_or_default();
            options = Options::of_json(&given).map_err(|text| ApiError::new(400, "INVALID_TYPE", text))?;
        } else {
            zip = Some(part.bytes().map_err(unreadable)?);
        }
    }
    let zip = zip.ok_or_else(|| multipart::malformed("the zip file is missing"))?;
    let parcel = parcel::unpack(&zip, options.single_package);
    if let Err(("LIMIT_EXCEEDED", text)) = parcel {
        return Err(ApiError::new(400, "LIMIT_EXCEEDED", text));
    }
    let parcel = parcel.map(Arc::new).map_err(|(code, text)| (code.to_owned(), text));
    let started =
        asynchronous::start(&ctx.org, &ctx.caller.user_id, Order::Deploy { parcel, options, validated: None });
    Ok(Answer::json(201, shown(ctx, &started, false)))
}

/// `{"validatedDeployRequestId": "0Af…"}`: deploys what a check found good.
async fn quick(ctx: &Ctx, body: &[u8]) -> Result<Answer, ApiError> {
    let body = parse_json(body)?;
    let id = body.get("validatedDeployRequestId").and_then(Value::as_str).unwrap_or_default();
    let validated = asynchronous::find(&ctx.org, id).await.filter(|found| found.is_deploy());
    let validated = validated
        .ok_or_else(|| ApiError::new(400, "INVALID_ID_FIELD", format!("Invalid validatedDeployRequestId: {id}")))?;
    let started = super::quick_deploy(&ctx.org, &ctx.caller.user_id, &validated);
    let started = started.map_err(|(code, text)| ApiError::new(400, code, text))?;
    Ok(Answer::json(201, shown(ctx, &started, false)))
}

fn shown(ctx: &Ctx, request: &Request, details: bool) -> Value {
    let Order::Deploy { options, validated, .. } = &request.order else { return Value::Null };
    json!({
        "id": request.id,
        "url": format!("{}{}/metadata/deployRequest/{}", ctx.base_url, ctx.data_path(), request.id),
        "validatedDeployRequestId": validated,
        "deployOptions": options.to_json(),
        "deployResult": result(ctx, request, details),
    })
}

fn result(ctx: &Ctx, request: &Request, details: bool) -> Value {
    let Order::Deploy { options, parcel, .. } = &request.order else { return Value::Null };
    let progress = request.progress();
    let nothing = Report::default();
    let report = match &progress.result {
        Some(Ending::Deployed(report)) => report,
        _ => &nothing,
    };
    let name = |id: &str| ctx.org.read(|tx| super::user_name(tx, id));
    let date = |ms: i64| date_time_text(ms, "+0000");
    let done = matches!(progress.state, State::Done | State::Canceled);
    let status = super::soap::status(progress.state, report);
    let mut out = json!({
        "id": request.id,
        "success": matches!(status, "Succeeded" | "SucceededPartial"),
        "checkOnly": options.check_only,
        "ignoreWarnings": options.ignore_warnings,
        "rollbackOnError": options.rollback_on_error,
        "status": status,
        "runTestsEnabled": options.runs_tests(),
        "done": done,
    });
    if progress.state == State::Pending {
        return out;
    }
    let further = json!({
        "createdBy": request.user_id,
        "createdByName": name(&request.user_id),
        "createdDate": date(request.created_ms),
        "startDate": progress.started_ms.map(date),
        "completedDate": done.then(|| date(progress.changed_ms)),
        "lastModifiedDate": date(progress.changed_ms),
        "canceledBy": progress.canceled_by,
        "canceledByName": progress.canceled_by.as_deref().map(name),
        "errorStatusCode": report.error.as_ref().map(|(code, _)| code),
        "errorMessage": report.error.as_ref().map(|(_, text)| text),
        "stateDetail": null,
        "numberComponentErrors": report.failed(),
        "numberComponentsDeployed": report.succeeded(),
        "numberComponentsTotal": report.total(),
        "numberFiles": parcel.as_ref().map_or(0, |parcel| parcel.files_count),
        "zipSize": parcel.as_ref().map_or(0, |parcel| parcel.zipped_bytes),
        "numberTestErrors": 0,
        "numberTestsCompleted": 0,
        "numberTestsTotal": 0,
    });
    let merged = [
        further,
        if details { json!({"details": details_of(report, &date(progress.changed_ms))}) } else { Value::Null },
    ];
    if let Value::Object(members) = &mut out {
        members.extend(merged.into_iter().filter_map(|value| value.as_object().cloned()).flatten());
    }
    out
}

fn details_of(report: &Report, when: &str) -> Value {
    let message = |one: &Message| {
        json!({
            "changed": one.changed,
            "columnNumber": (one.line > 0).then_some(one.column),
            "componentType": one.component_type,
            "created": one.created,
            "createdDate": when,
            "deleted": one.deleted,
            "fileName": one.file_name,
            "fullName": one.full_name,
            "id": one.id,
            "lineNumber": (one.line > 0).then_some(one.line),
            "problem": one.problem,
            "problemType": one.problem_type,
            "success": one.success,
        })
    };
    let of = |success: bool| -> Vec<Value> {
        report.messages.iter().filter(|one| one.success == success).map(message).collect()
    };
    json!({
        "componentFailures": of(false),
        "componentSuccesses": of(true),
        "retrieveResult": null,
        "runTestResult": {
            "numFailures": 0, "numTestsRun": 0, "totalTime": 0.0, "successes": [], "failures": [], "codeCoverage": [],
            "codeCoverageWarnings": [], "flowCoverage": [], "flowCoverageWarnings": [], "apexLogId": null,
        },
    })
}
