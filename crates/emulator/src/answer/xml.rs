// SPDX-License-Identifier: Apache-2.0
//! REST's answers as XML (`salesforce-api.md` 2.1): the same members as the JSON, with the element names of the REST guide.
//!
//! An object is an element per member, a list repeats its member's element, `attributes` of a record are attributes of its
//! element, null is `xsi:nil`. The name of the outermost element is documented for records, queries, errors, results of a
//! save, version and resource lists, describeGlobal and suggestions; the other names are guesses.

use std::fmt::Write as _;

use http::HeaderMap;
use quick_xml::escape::escape;
use serde_json::Value;

use crate::request;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
const XSI: &str = " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

/// Resources that speak JSON only, whatever is accepted.
const JSON_ONLY: [&str; 4] = ["jobs", "composite", "metadata", "connect"];
/// Endings of a path that name a format. Ours are the first two.
const ENDINGS: [&str; 4] = [".xml", ".json", ".csv", ".inc"];

/// The path below the version of a REST request that wants XML. `path` begins with `services`.
pub fn wanted(headers: &HeaderMap, path: &[String]) -> Option<Vec<String>> {
    let below = below_version(path)?;
    (is_preferred(headers) && !below.first().is_some_and(|first| JSON_ONLY.contains(&first.as_str()))).then_some(below)
}

/// Whether a request says that it prefers XML.
pub fn is_preferred(headers: &HeaderMap) -> bool {
    request::header(headers, "accept").is_some_and(prefers_xml)
}

/// What an ending of the path says of the format.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    None,
    /// The ending was taken off the path.
    Json,
    Xml(Vec<String>),
    /// The value of an external id looks like a format, which leads nowhere (`salesforce-api.md` 2.7).
    Nowhere,
}

/// Takes `.xml` or `.json` off a path below `/services/data`. `raw` is the path as sent: a slash at its end leaves it alone.
pub fn take_ending(path: &mut [String], raw: &str) -> Ending {
    let is_data = path.len() > 3 && path[0] == "services" && path[1] == "data";
    let Some(last) = path.last_mut().filter(|_| is_data && !raw.ends_with('/')) else { return Ending::None };
    let Some(ending) = ENDINGS.iter().find(|ending| last.len() > ending.len() && last.ends_with(**ending)) else {
        return Ending::None;
    };
    let shorter = last.len() - ending.len();
    let names_value = path.len() == 7 && path[3] == "sobjects" && !crate::id::valid(&path[5]);
    if names_value && !matches!(path[5].as_str(), "describe" | "listviews") {
        return Ending::Nowhere;
    }
    let last = path.last_mut().expect("the path has segments");
    match *ending {
        ".xml" => {
            last.truncate(shorter);
            below_version(path).map_or(Ending::None, Ending::Xml)
        }
        ".json" => {
            last.truncate(shorter);
            Ending::Json
        }
        _ => Ending::None,
    }
}

fn below_version(path: &[String]) -> Option<Vec<String>> {
    match path {
        [services, data, rest @ ..] if services == "services" && data == "data" => {
            Some(rest.iter().skip(1).cloned().collect())
        }
        _ => None,
    }
}

/// Whether XML is wanted more than JSON; of equals, what stands first. `*/*` is JSON.
fn prefers_xml(listed: &str) -> bool {
    let mut best: Option<(f64, bool)> = None;
    for range in listed.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let is_xml = match kind.as_str() {
            "application/xml" | "text/xml" => true,
            "application/json" | "application/*" | "*/*" => false,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        if best.is_none_or(|(known, _)| weight > known) {
            best = Some((weight, is_xml));
        }
    }
    best.is_some_and(|(_, is_xml)| is_xml)
}

/// A document. `path` are the segments below the version, which name what nothing in the value names.
pub fn render(value: &Value, path: &[String]) -> Vec<u8> {
    let root = root_of(value, path);
    let mut out = HEAD.to_owned();
    let nil = if has_null(value) { XSI } else { "" };
    match value {
        Value::Array(items) => {
            let _ = write!(out, "<{root}{nil}>");
            let item = root.strip_suffix('s').unwrap_or("Item");
            for one in items {
                element(&mut out, item, one, "");
            }
            let _ = write!(out, "</{root}>");
        }
        other => element(&mut out, root, other, nil),
    }
    out.into_bytes()
}

fn root_of<'a>(value: &'a Value, path: &[String]) -> &'a str {
    let has = |name: &str| value.get(name).is_some();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if value.get(0).is_some_and(|first| first.get("errorCode").is_some()) {
        return "Errors";
    }
    if let Some(kind) = value.pointer("/attributes/type").and_then(Value::as_str) {
        return kind;
    }
    match path[..] {
        _ if has("totalSize") && has("records") => "QueryResult",
        _ if has("success") && has("errors") => "Result",
        _ if value.get(0).is_some_and(|first| first.get("version").is_some()) => "Versions",
        [] => "urls",
        ["sobjects"] => "DescribeGlobal",
        ["sobjects", _, "describe"] => "DescribeSObject",
        ["sobjects", _, "updated"] => "GetUpdatedResult",
        ["sobjects", _, "deleted"] => "GetDeletedResult",
        ["search", "suggestions"] => "suggestions",
        ["search"] | ["parameterizedSearch"] => "SearchResults",
        ["limits"] => "Limits",
        _ if value.is_array() => "Results",
        _ => "Result",
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

fn element(out: &mut String, name: &str, value: &Value, attributes: &str) {
    let name = &element_name(name);
    match value {
        Value::Null => {
            let _ = write!(out, "<{name}{attributes} xsi:nil=\"true\"/>");
        }
        Value::Array(items) => {
            for item in items {
                element(out, name, item, "");
            }
        }
        Value::Object(members) => {
            let _ = write!(out, "<{name}{attributes}");
            if let Some(Value::Object(own)) = members.get("attributes") {
                for (key, value) in own {
                    let _ = write!(out, " {key}=\"{}\"", escape(text(value)));
                }
            }
            out.push('>');
            for (key, value) in members.iter().filter(|(key, _)| *key != "attributes") {
                element(out, key, value, "");
            }
            let _ = write!(out, "</{name}>");
        }
        other => {
            let _ = write!(out, "<{name}{attributes}>{}</{name}>", escape(text(other)));
        }
    }
}

/// Members whose names XML does not allow, such as the numbers of suggested queries, begin with an underscore.
fn element_name(name: &str) -> String {
    let allowed = |one: char| one.is_alphanumeric() || matches!(one, '_' | '-' | '.');
    let kept: String = name.chars().map(|one| if allowed(one) { one } else { '_' }).collect();
    match kept.chars().next() {
        Some(first) if first.is_alphabetic() || first == '_' => kept,
        _ => format!("_{kept}"),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_sent_unless_xml_is_preferred() {
        for (listed, xml) in [
            ("application/xml", true),
            ("application/xml;q=0.5, application/json", false),
            ("text/html, application/xml;q=0.9, */*;q=0.8", true),
            ("*/*", false),
            ("text/csv", false),
            ("application/json, application/xml", false),
        ] {
            assert_eq!(prefers_xml(listed), xml, "{listed}");
        }
    }

    #[test]
    fn endings_name_formats() {
        let path = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<String>>();
        let mut xml = path("services/data/v67.0/sobjects/Account.xml");
        assert_eq!(take_ending(&mut xml, "…/Account.xml"), Ending::Xml(path("sobjects/Account")));
        let mut json = path("services/data/v67.0/query.json");
        assert_eq!((take_ending(&mut json, "…/query.json"), json[3].as_str()), (Ending::Json, "query"));
        let mut value = path("services/data/v67.0/sobjects/A/Ext__c/acme.inc");
        assert_eq!(take_ending(&mut value, "…/acme.inc"), Ending::Nowhere);
        assert_eq!(take_ending(&mut value, "…/acme.inc/"), Ending::None);
    }

    #[test]
    fn the_guides_examples() {
        let shown = |value: &Value, path: &[&str]| {
            let path: Vec<String> = path.iter().map(|one| (*one).to_owned()).collect();
            String::from_utf8(render(value, &path)).unwrap().split_off(HEAD.len())
        };
        let record = json!({"attributes": {"type": "Account", "url": "/x"}, "Name": "A & B", "Fax": null});
        let wanted = "<Account xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" type=\"Account\" url=\"/x\">\
                      <Name>A &amp; B</Name><Fax xsi:nil=\"true\"/></Account>";
        assert_eq!(shown(&record, &["sobjects", "Account", "001"]), wanted);
        let query = json!({"totalSize": 1, "done": true, "records": [
            {"attributes": {"type": "Account", "url": "/x"}, "Name": "A"}
        ]});
        let wanted = "<QueryResult><totalSize>1</totalSize><done>true</done>\
                      <records type=\"Account\" url=\"/x\"><Name>A</Name></records></QueryResult>";
        assert_eq!(shown(&query, &["query"]), wanted);
        let refused = json!([{"message": "no", "errorCode": "MALFORMED_QUERY"}]);
        let wanted = "<Errors><Error><message>no</message><errorCode>MALFORMED_QUERY</errorCode></Error></Errors>";
        assert_eq!(shown(&refused, &["query"]), wanted);
        let saved = json!({"id": "001", "success": true, "errors": []});
        assert_eq!(shown(&saved, &["sobjects", "Account"]), "<Result><id>001</id><success>true</success></Result>");
        assert_eq!(shown(&json!({"query": "/q"}), &[]), "<urls><query>/q</query></urls>");
        let versions = json!([{"version": "31.0"}]);
        assert_eq!(shown(&versions, &[]), "<Versions><Version><version>31.0</version></Version></Versions>");
    }
}
