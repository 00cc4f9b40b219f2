// SPDX-License-Identifier: Apache-2.0
//! Reading `jobInfo`, in XML or JSON (`salesforce-api.md` 3.4).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bulk::csv::{Delimiter, LineEnding};
use crate::bulk::operation::Operation;
use crate::bulk::order::{self, Order, not_in_bulk};
use crate::ctx::Ctx;
use crate::faces::lock;

use super::Refusal;
use super::chunking::{self, Chunking};
use super::form::Form;
use super::job::{Job, Mode, State};
use super::xml;

/// `contentType` of a job: how its batches and results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    Csv,
    Json,
    Xml,
    ZipCsv,
    ZipJson,
    ZipXml,
}

impl Content {
    /// The name in a job.
    pub fn as_str(self) -> &'static str {
        match self {
            Content::Csv => "CSV",
            Content::Json => "JSON",
            Content::Xml => "XML",
            Content::ZipCsv => "ZIP_CSV",
            Content::ZipJson => "ZIP_JSON",
            Content::ZipXml => "ZIP_XML",
        }
    }

    fn named(name: &str) -> Option<Content> {
        let all = [Content::Csv, Content::Json, Content::Xml, Content::ZipCsv, Content::ZipJson, Content::ZipXml];
        all.into_iter().find(|content| content.as_str() == name)
    }

    /// The content type of results.
    pub fn media_type(self) -> &'static str {
        match self {
            Content::Csv | Content::ZipCsv => "text/csv",
            Content::Json | Content::ZipJson => "application/json",
            Content::Xml | Content::ZipXml => "application/xml",
        }
    }

    /// Whether batches come as a zip with `request.txt` and files.
    pub fn is_zip(self) -> bool {
        matches!(self, Content::ZipCsv | Content::ZipJson | Content::ZipXml)
    }
}

/// The members of a jobInfo that a caller may give, as text.
struct Members(Vec<(String, String)>);

impl Members {
    fn read(form: Form, body: &[u8]) -> Result<Members, Refusal> {
        match form {
            Form::Xml => {
                let root = xml::parse(body).filter(|root| root.name == "jobInfo");
                let root =
                    root.ok_or_else(|| Refusal::new("InvalidXML", "Unable to parse the jobInfo of the request"))?;
                Ok(Members(root.children.into_iter().map(|child| (child.name, child.text.trim().to_owned())).collect()))
            }
            Form::Json => {
                let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
                    return Err(Refusal::new("ClientInputError", "Unable to parse the jobInfo of the request"));
                };
                let text = |value: Value| match value {
                    Value::String(text) => Some(text),
                    Value::Null => None,
                    other => Some(other.to_string()),
                };
                Ok(Members(members.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()))
            }
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// The state that a request sets.
///
/// # Errors
/// `InvalidXML` or `ClientInputError` for what is no jobInfo.
pub fn state(form: Form, body: &[u8]) -> Result<String, Refusal> {
    Ok(Members::read(form, body)?.get("state").unwrap_or_default().to_owned())
}

/// The job that a request orders, which is then one of the org's.
///
/// # Errors
/// `InvalidJob`, `InvalidEntity`, `FeatureNotEnabled`, `ClientInputError`.
pub fn job(ctx: &Ctx, form: Form, body: &[u8], chunking: Option<Chunking>) -> Result<Arc<Job>, Refusal> {
    let members = Members::read(form, body)?;
    let value = |name: &str, value: &str| {
        Refusal::new("ClientInputError", format!("Invalid value: '{value}' supplied for property: '{name}'"))
    };
    let name = members.get("operation").unwrap_or_default();
    let operation = Operation::named(name).ok_or_else(|| value("operation", name))?;
    let content = members.get("contentType").unwrap_or("XML");
    let content = Content::named(content).ok_or_else(|| value("contentType", content))?;
    let mode = match members.get("concurrencyMode") {
        // simple-salesforce sends the number of the value.
        None | Some("Parallel" | "0") => Mode::Parallel,
        Some("Serial" | "1") => Mode::Serial,
        Some(other) => return Err(value("concurrencyMode", other)),
    };
    let mut order = Order {
        operation,
        object: String::new(),
        query: String::new(),
        external_field: None,
        assignment_rule: members.get("assignmentRuleId").map(str::to_owned),
        version: ctx.version.clone(),
        delimiter: Delimiter::Comma,
        line_ending: LineEnding::Lf,
        caller: ctx.caller.clone(),
    };
    order.caller.auto_assign = order.assignment_rule.is_some();
    order.caller.assignment_rule = order.assignment_rule.clone();
    let object = members.get("object").unwrap_or_default();
    if operation.is_query() {
        let schema = ctx.org.schema();
        let unknown = || Refusal::new("InvalidJob", format!("Unable to find object: {object}"));
        let object = schema.object(object).ok_or_else(unknown)?;
        if !object.bulk {
            return Err(not_in_bulk(&object.name).into());
        }
        if content.is_zip() {
            return Err(Refusal::new("InvalidJob", "A query job cannot have a zip content type"));
        }
        object.name.clone_into(&mut order.object);
    } else {
        order::writes(ctx, &mut order, object, members.get("externalIdFieldName"), content.is_zip())?;
    }
    let chunking = chunking.filter(|_| operation.is_query());
    if let Some(chunking) = &chunking {
        chunking::check(&ctx.org.schema(), &order.object, chunking)?;
    }
    let now_ms = ctx.org.clock().now();
    let mut registry = lock(&ctx.org.faces.jobs);
    let standing = (State::Open, now_ms);
    let job = Arc::new(Job::new(registry.next_job(), order, mode, content, chunking, now_ms, standing));
    registry.classic.insert(job.id.clone(), job.clone());
    Ok(job)
}
