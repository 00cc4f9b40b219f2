// SPDX-License-Identifier: Apache-2.0
//! The resources below a version: where they are, which methods they take and since which version they are there
//! (`salesforce-api.md` 2.2).
//!
//! What a real org lists and the emulator does not answer is refused with `FUNCTIONALITY_NOT_ENABLED` and named, so that nobody
//! takes its absence for an empty answer. The versions since which resources exist are those of the REST guide.

use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::rest::Call;

const READ: &str = "GET,HEAD";
const ROW: &str = "DELETE,GET,HEAD,PATCH,POST";

/// Pattern, methods, first version. `*` stands for one segment, `**` at the end for any number. The first match counts.
const RESOURCES: &[(&str, &str, u32)] = &[
    ("", READ, 20),
    ("limits", READ, 24),
    ("limits/recordCount", READ, 40),
    ("sobjects", READ, 20),
    ("sobjects/*", "GET,HEAD,POST", 20),
    ("sobjects/*/describe", READ, 20),
    ("sobjects/*/describe/layouts/**", READ, 28),
    ("sobjects/*/describe/compactLayouts/**", READ, 29),
    ("sobjects/*/describe/approvalLayouts/**", READ, 30),
    ("sobjects/*/describe/namedLayouts/**", READ, 31),
    ("sobjects/*/listviews/**", READ, 32),
    ("sobjects/*/quickActions/**", READ, 28),
    ("sobjects/*/updated", READ, 20),
    ("sobjects/*/deleted", READ, 20),
    ("sobjects/*/*", ROW, 20),
    ("sobjects/*/*/richTextImageFields/*/*", READ, 38),
    ("sobjects/*/*/*", ROW, 20),
    ("sobjects/*/*/*/**", "DELETE,GET,HEAD,PATCH", 36),
    ("query/**", READ, 20),
    ("queryAll/**", READ, 29),
    ("search", READ, 20),
    ("search/scopeOrder", READ, 20),
    ("search/layout", READ, 23),
    ("search/suggestions", READ, 32),
    ("parameterizedSearch", "GET,HEAD,POST", 36),
    ("recent", READ, 27),
    ("compactLayouts", READ, 31),
    ("quickActions/**", READ, 28),
    ("tabs", READ, 31),
    ("theme", READ, 29),
    ("appMenu/**", READ, 29),
    ("process/rules/**", READ, 30),
    ("process/approvals", READ, 30),
    ("actions", READ, 32),
    ("actions/custom/**", READ, 32),
    ("actions/standard/**", READ, 32),
    ("connect/communities", READ, 26),
    ("tooling/query/**", READ, 20),
];

/// What composite resources are there since.
const COMPOSITE: &[(&str, u32)] = &[("", 38), ("batch", 34), ("tree", 34), ("sobjects", 42), ("graph", 50)];

/// Every name in the list of resources, in the order of a real one. Those of the second kind are not emulated.
const NAMES: &[(&str, bool)] = &[
    ("tooling", true),
    ("metadata", true),
    ("eclair", false),
    ("folders", false),
    ("prechatForms", false),
    ("contact-tracing", false),
    ("jsonxform", false),
    ("chatter", false),
    ("payments", false),
    ("tabs", true),
    ("appMenu", true),
    ("quickActions", true),
    ("queryAll", true),
    ("commerce", false),
    ("wave", false),
    ("iot", false),
    ("analytics", false),
    ("search", true),
    ("smartdatadiscovery", false),
    ("identity", true),
    ("composite", true),
    ("parameterizedSearch", true),
    ("fingerprint", false),
    ("theme", true),
    ("nouns", false),
    ("domino", false),
    ("event", false),
    ("serviceTemplates", false),
    ("recent", true),
    ("connect", true),
    ("licensing", false),
    ("limits", true),
    ("process", true),
    ("dedupe", false),
    ("async-queries", false),
    ("query", true),
    ("jobs", true),
    ("match", false),
    ("localizedvalue", false),
    ("mobile", false),
    ("emailConnect", false),
    ("consent", false),
    ("tokenizer", false),
    ("compactLayouts", true),
    ("knowledgeManagement", true),
    ("sobjects", true),
    ("actions", true),
    ("support", false),
];

/// Refuses a method that a resource does not take, and a resource that the version does not have yet.
///
/// # Errors
/// 404 and 405 (`salesforce-api.md` 2.1).
pub fn check(ctx: &Ctx, call: &Call) -> Result<(), ApiError> {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let Some((_, methods, since)) = RESOURCES.iter().find(|(pattern, ..)| matches(pattern, &path)) else {
        return Ok(());
    };
    if ctx.version_number() < *since {
        return Err(ApiError::not_found());
    }
    let by_id = matches!(path[..], ["sobjects", _, id] if id.eq_ignore_ascii_case("Id"));
    if by_id && ctx.version_number() < 37 {
        return Err(ApiError::not_found());
    }
    let methods = if by_id { "POST" } else { methods };
    let method = call.method.as_str();
    let posts_to_row = method == "POST" && path.len() > 2 && path[0] == "sobjects" && !by_id;
    if methods.split(',').any(|one| one == method) && !posts_to_row {
        return Ok(());
    }
    Err(ApiError::method_not_allowed(method, methods))
}

/// Refuses a composite resource that the version does not have yet. `below` are the segments after `composite`.
///
/// # Errors
/// 404
pub fn check_composite(ctx: &Ctx, below: &[&str]) -> Result<(), ApiError> {
    let name = below.first().copied().unwrap_or_default();
    let since = COMPOSITE.iter().find(|(known, _)| *known == name).map_or(0, |(_, since)| *since);
    if ctx.version_number() < since { Err(ApiError::not_found()) } else { Ok(()) }
}

fn matches(pattern: &str, path: &[&str]) -> bool {
    let mut parts = pattern.split('/').filter(|part| !part.is_empty());
    let mut segments = path.iter();
    loop {
        match (parts.next(), segments.next()) {
            (None, None) | (Some("**"), _) => return true,
            (Some("*"), Some(_)) => {}
            (Some(part), Some(segment)) if part == *segment => {}
            _ => return false,
        }
    }
}

/// The list of resources; jsforce takes `identity` from it, `sf` asks for it to see whether its session lives.
pub fn resources(ctx: &Ctx) -> Answer {
    let since = |name: &str| {
        let own = RESOURCES.iter().find(|(pattern, ..)| pattern.split('/').next() == Some(name));
        own.map_or(0, |(_, _, since)| *since)
    };
    let here = NAMES.iter().filter(|(name, _)| since(name) <= ctx.version_number());
    let map: Map<String, Value> = here
        .map(|(name, _)| {
            let url = match *name {
                "identity" => format!("{}/id/{}/{}", ctx.base_url, ctx.org.id, ctx.caller.user_id),
                name => format!("{}/{name}", ctx.data_path()),
            };
            ((*name).to_owned(), url.into())
        })
        .collect();
    Answer::ok(Value::Object(map))
}

/// The refusal of a path that nobody answers.
pub fn unknown(path: &[String]) -> ApiError {
    let first = path.first().map(String::as_str).unwrap_or_default();
    match NAMES.iter().find(|(name, emulated)| *name == first && !emulated) {
        _ if matches!(path, [first, second] if first == "search" && second.starts_with("suggest")) => {
            let text = "Suggestions of articles and queries need Salesforce Knowledge";
            ApiError::new(403, "FUNCTIONALITY_NOT_ENABLED", text)
        }
        Some((name, _)) => {
            let text = format!("The emulator does not have the resource {name}");
            ApiError::new(403, "FUNCTIONALITY_NOT_ENABLED", text)
        }
        None => ApiError::not_found(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_segment_by_segment() {
        let found = |path: &str| {
            let path: Vec<&str> = path.split('/').filter(|one| !one.is_empty()).collect();
            RESOURCES.iter().find(|(pattern, ..)| matches(pattern, &path)).map(|(pattern, ..)| *pattern)
        };
        assert_eq!(found(""), Some(""));
        assert_eq!(found("sobjects/A/describe/layouts/012"), Some("sobjects/*/describe/layouts/**"));
        assert_eq!(found("sobjects/A/001/Owner"), Some("sobjects/*/*/*"));
        assert_eq!(found("sobjects/A/001/Owner/Manager"), Some("sobjects/*/*/*/**"));
        assert_eq!(found("query"), Some("query/**"));
        assert_eq!(found("wave/dashboards"), None);
    }
}
