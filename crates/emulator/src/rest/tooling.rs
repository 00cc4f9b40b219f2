// SPDX-License-Identifier: Apache-2.0
//! The Tooling API's own rows and describes: `/tooling/sobjects/…` (`salesforce-api.md` 2.2, 4.4).
//!
//! Objects that clients ask for there are the same rows as elsewhere; what differs is their address, which has `tooling/` in it.
//! Components as rows are another part's (`setup`).
//! Objects of the tooling API that the org does not have, such as `SourceMember`, are 404, which clients take for "not tracked".
//! Running Apex or its tests is refused by name.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::describe::View;
use crate::error::ApiError;
use crate::org::Tx;
use crate::rest::Call;

/// Objects that clients read by the Tooling API.
const OBJECTS: [&str; 44] = [
    "ApexClass",
    "ApexCodeCoverage",
    "ApexCodeCoverageAggregate",
    "ApexComponent",
    "ApexLog",
    "ApexOrgWideCoverage",
    "ApexPage",
    "ApexTestQueueItem",
    "ApexTestResult",
    "ApexTrigger",
    "AsyncApexJob",
    "AuraDefinition",
    "AuraDefinitionBundle",
    "CustomField",
    "CustomObject",
    "CustomTab",
    "DebugLevel",
    "DuplicateRule",
    "EntityDefinition",
    "FieldDefinition",
    "Flow",
    "FlowDefinition",
    "FlowDefinitionView",
    "Group",
    "InstalledSubscriberPackage",
    "Layout",
    "MatchingRule",
    "MetadataContainer",
    "Organization",
    "Package2",
    "Package2Version",
    "Package2VersionCreateRequest",
    "PackageInstallRequest",
    "PermissionSet",
    "PermissionSetAssignment",
    "Profile",
    "RecordType",
    "SourceMember",
    "StaticResource",
    "SubscriberPackage",
    "SubscriberPackageVersion",
    "TraceFlag",
    "User",
    "ValidationRule",
];
const REFUSED: [&str; 6] =
    ["executeAnonymous", "runTestsAsynchronous", "runTestsSynchronous", "completions", "apexManifest", "runTests"];

/// The call as it is answered without `tooling/`, and a context whose addresses have it.
///
/// # Errors
/// 404 for an object that is not one of the Tooling API.
pub fn mirrored(ctx: &Ctx, call: &Call) -> Result<(Ctx, Call), ApiError> {
    let known = |name: &String| OBJECTS.iter().any(|known| known.eq_ignore_ascii_case(name));
    if !call.path.get(2).is_some_and(known) {
        return Err(ApiError::not_found());
    }
    // Every address is made of the version, and only its number before the point is ever read.
    let ctx = Ctx { version: format!("{}/tooling", ctx.version), ..ctx.clone() };
    let call = Call {
        method: call.method.clone(),
        path: call.path[1..].to_vec(),
        query: call.query.clone(),
        headers: call.headers.clone(),
        body: call.body.clone(),
        looks_into: call.looks_into,
    };
    Ok((ctx, call))
}

/// `/tooling/sobjects`.
pub fn global(ctx: &Ctx, tx: &Tx<'_>) -> Answer {
    let ctx = Ctx { version: format!("{}/tooling", ctx.version), ..ctx.clone() };
    let view = View::of(&ctx, &tx.schema);
    let seen = OBJECTS.iter().filter_map(|name| ctx.caller.object(&tx.schema, name));
    let objects: Vec<Value> = seen.map(|object| json!(view.line(object))).collect();
    Answer::ok(json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects}))
}

/// `/tooling`.
pub fn resources(ctx: &Ctx) -> Answer {
    let url = |name: &&str| ((*name).to_owned(), Value::from(format!("{}/tooling/{name}", ctx.data_path())));
    Answer::ok(["sobjects", "query", "search", "composite"].iter().map(url).collect())
}

/// The refusal of anything else below `tooling`.
pub fn unknown(path: &[&str]) -> ApiError {
    match path {
        [_, name, ..] if REFUSED.contains(name) => {
            let text = format!("The emulator runs no Apex: tooling/{name} is not there");
            ApiError::new(403, "FUNCTIONALITY_NOT_ENABLED", text)
        }
        _ => ApiError::not_found(),
    }
}
