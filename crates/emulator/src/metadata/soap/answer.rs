// SPDX-License-Identifier: Apache-2.0
//! Answers as XML, element by element in the order of the WSDL; and the two calls that only look.

use super::super::asynchronous::{Ending, Order, Request, State};
use super::super::deploy::{Message, Report};
use super::super::list::{self, Property};
use super::super::{component, container, types};
use super::{Call, Fault, fault, text_of};
use crate::value::date_time_text;

/// Most queries of one `listMetadata` (`salesforce-api.md` 4.1).
const QUERIES_MAX: usize = 3;

/// `<name>text</name>`.
pub fn tag(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", quick_xml::escape::escape(text))
}

fn flag(name: &str, on: bool) -> String {
    format!("<{name}>{on}</{name}>")
}

fn date(name: &str, ms: i64) -> String {
    tag(name, &date_time_text(ms, "Z"))
}

fn some(name: &str, text: Option<&str>) -> String {
    text.map(|text| tag(name, text)).unwrap_or_default()
}

/// `describeMetadata`.
pub fn describe() -> String {
    let mut out = String::from("<result>");
    for one in types::all().iter().filter(|one| one.described || one.name == "Settings") {
        out += "<metadataObjects>";
        one.children.iter().for_each(|child| out += &tag("childXmlNames", child));
        out += &tag("directoryName", one.directory);
        out += &flag("inFolder", one.in_folder());
        out += &flag("metaFile", one.meta_file());
        out += &some("suffix", one.suffix);
        out += &tag("xmlName", one.name);
        out += "</metadataObjects>";
    }
    out += "<organizationNamespace></organizationNamespace><partialSaveAllowed>true</partialSaveAllowed>";
    out + "<testRequired>false</testRequired></result>"
}

/// `listMetadata`.
pub fn list(call: &Call<'_>) -> Result<String, Fault> {
    let queries: Vec<_> =
        call.operation.children.iter().filter(|child| child.name.eq_ignore_ascii_case("queries")).collect();
    if queries.len() > QUERIES_MAX {
        return Err(fault("LIMIT_EXCEEDED", format!("Maximum number of listMetadata queries is {QUERIES_MAX}")));
    }
    let mut out = String::new();
    for query in queries {
        let (kind, folder) = (text_of(query, "type"), text_of(query, "folder"));
        let is_folder = matches!(kind, "DashboardFolder" | "DocumentFolder" | "EmailFolder" | "ReportFolder");
        if !types::exists(kind) && container::of_part(kind).is_none() && !is_folder {
            return Err(fault("INVALID_TYPE", format!("Unknown type:{kind}")));
        }
        let folder = Some(folder).filter(|folder| !folder.is_empty());
        call.ctx.org.read(|tx| {
            let found = if is_folder { component::all(tx, kind) } else { list::all(tx, kind, folder) };
            for property in list::properties(tx, found) {
                out += &format!("<result>{}</result>", file_properties(&property));
            }
        });
    }
    Ok(out)
}

/// `FileProperties`.
pub fn file_properties(property: &Property) -> String {
    let one = &property.component;
    let mut out = tag("createdById", &one.created_by);
    out += &tag("createdByName", &property.created_by_name);
    out += &date("createdDate", one.created_ms);
    out += &tag("fileName", &one.file);
    out += &tag("fullName", &one.full_name);
    out += &tag("id", &one.id);
    out += &tag("lastModifiedById", &one.modified_by);
    out += &tag("lastModifiedByName", &property.modified_by_name);
    out += &date("lastModifiedDate", one.modified_ms);
    if one.kind != "Package" {
        out += &tag("manageableState", "unmanaged");
    }
    out += &some("namespacePrefix", one.namespace());
    out + &tag("type", &one.kind)
}

/// `AsyncResult` of a request that was just taken on, or of one that is asked about with `checkStatus`.
pub fn asynchronous(request: &Request) -> String {
    let progress = request.progress();
    let (done, state) = match (progress.state, &progress.result) {
        (State::Pending, _) => (false, "Queued"),
        (State::InProgress, _) => (false, "InProgress"),
        (State::Done, Some(Ending::Retrieved(retrieved))) if retrieved.error.is_some() => (true, "Error"),
        (State::Done | State::Canceled, _) => (true, "Completed"),
    };
    format!("{}{}{}", flag("done", done), tag("id", &request.id), tag("state", state))
}

/// `RetrieveResult`; with the zip when it is asked for and there.
pub fn retrieved(request: &Request, with_zip: bool) -> String {
    use base64::Engine as _;
    let progress = request.progress();
    let result = match &progress.result {
        Some(Ending::Retrieved(result)) => Some(result),
        _ => None,
    };
    let error = result.and_then(|result| result.error.as_ref());
    let done = progress.state == State::Done;
    let mut out = flag("done", done);
    if let Some((code, text)) = error {
        out += &tag("errorMessage", &format!("{code}: {text}"));
        out += &tag("errorStatusCode", code);
    }
    for property in result.iter().flat_map(|result| &result.properties) {
        out += &format!("<fileProperties>{}</fileProperties>", file_properties(property));
    }
    out += &tag("id", &request.id);
    for (file, problem) in result.iter().flat_map(|result| &result.messages) {
        out += &format!("<messages>{}{}</messages>", tag("fileName", file), tag("problem", problem));
    }
    let status = match (progress.state, error) {
        (State::Pending, _) => "Pending",
        (State::InProgress, _) => "InProgress",
        (_, Some(_)) => "Failed",
        (_, None) => "Succeeded",
    };
    out += &tag("status", status);
    out += &flag("success", done && error.is_none());
    let zip = result.filter(|result| with_zip && result.error.is_none());
    out += &match zip {
        Some(result) => tag("zipFile", &base64::engine::general_purpose::STANDARD.encode(&result.zip)),
        None => "<zipFile xsi:nil=\"true\"/>".to_owned(),
    };
    out
}

/// `DeployResult` (`salesforce-api.md` 4.1).
pub fn deployed(request: &Request, with_details: bool, name_of: impl Fn(&str) -> String) -> String {
    let Order::Deploy { options, parcel, .. } = &request.order else { return String::new() };
    let progress = request.progress();
    let nothing = Report::default();
    let report = match &progress.result {
        Some(Ending::Deployed(report)) => report,
        _ => &nothing,
    };
    let done = matches!(progress.state, State::Done | State::Canceled);
    let mut out = String::new();
    if let Some(by) = &progress.canceled_by {
        out += &tag("canceledBy", by);
        out += &tag("canceledByName", &name_of(by));
    }
    out += &flag("checkOnly", options.check_only);
    if done {
        out += &date("completedDate", progress.changed_ms);
    }
    out += &tag("createdBy", &request.user_id);
    out += &tag("createdByName", &name_of(&request.user_id));
    out += &date("createdDate", request.created_ms);
    out += "<details>";
    if with_details {
        let when = progress.changed_ms;
        let (good, bad): (Vec<&Message>, Vec<&Message>) = report.messages.iter().partition(|message| message.success);
        bad.iter().for_each(|message| {
            out += &format!("<componentFailures>{}</componentFailures>", message_of(message, when))
        });
        good.iter().for_each(|message| {
            out += &format!("<componentSuccesses>{}</componentSuccesses>", message_of(message, when))
        });
    }
    out += "<runTestResult><numFailures>0</numFailures><numTestsRun>0</numTestsRun><totalTime>0.0</totalTime></runTestResult></details>";
    out += &flag("done", done);
    if let Some((code, text)) = &report.error {
        out += &tag("errorMessage", text);
        out += &tag("errorStatusCode", code);
    }
    out += &tag("id", &request.id);
    out += &flag("ignoreWarnings", options.ignore_warnings);
    out += &date("lastModifiedDate", progress.changed_ms);
    out += &tag("numberComponentErrors", &report.failed().to_string());
    out += &tag("numberComponentsDeployed", &report.succeeded().to_string());
    out += &tag("numberComponentsTotal", &report.total().to_string());
    if let Ok(parcel) = parcel {
        out += &tag("numberFiles", &parcel.files_count.to_string());
    }
    out += "<numberTestErrors>0</numberTestErrors><numberTestsCompleted>0</numberTestsCompleted><numberTestsTotal>0</numberTestsTotal>";
    out += &flag("rollbackOnError", options.rollback_on_error);
    out += &flag("runTestsEnabled", options.runs_tests());
    if let Some(ms) = progress.started_ms {
        out += &date("startDate", ms);
    }
    let status = status(progress.state, report);
    out += &tag("status", status);
    out += &flag("success", matches!(status, "Succeeded" | "SucceededPartial"));
    if let Ok(parcel) = parcel {
        out += &tag("zipSize", &parcel.zipped_bytes.to_string());
    }
    out
}

/// The status of a deploy.
pub fn status(state: State, report: &Report) -> &'static str {
    match state {
        State::Pending => "Pending",
        State::InProgress => "InProgress",
        State::Canceled => "Canceled",
        State::Done => report.status(),
    }
}

/// `DeployMessage`.
fn message_of(message: &Message, ms: i64) -> String {
    let mut out = flag("changed", message.changed);
    if message.line > 0 {
        out += &tag("columnNumber", &message.column.to_string());
    }
    out += &tag("componentType", &message.component_type);
    out += &flag("created", message.created);
    out += &date("createdDate", ms);
    out += &flag("deleted", message.deleted);
    out += &tag("fileName", &message.file_name);
    out += &tag("fullName", &message.full_name);
    out += &some("id", message.id.as_deref());
    if message.line > 0 {
        out += &tag("lineNumber", &message.line.to_string());
    }
    out += &some("problem", message.problem.as_deref());
    out += &some("problemType", message.problem_type);
    out + &flag("success", message.success)
}
