// SPDX-License-Identifier: Apache-2.0
//! The calls that work on components one by one, at most ten of them: create, read, update, upsert, delete, rename.

use super::super::crud::{self, Deed};
use super::super::{container, elements, types};
use super::answer::tag;
use super::{Call, Fault, fault};

/// Most components of one call, and of one that has custom metadata records or applications.
const MAX: usize = 10;
const MAX_OF_SMALL: usize = 200;

fn check_count(count: usize, kind: &str) -> Result<(), Fault> {
    let max = if matches!(kind, "CustomMetadata" | "CustomApplication") { MAX_OF_SMALL } else { MAX };
    if count <= max {
        return Ok(());
    }
    Err(fault("LIMIT_EXCEEDED", format!("record limit reached. cannot submit more than {max} records into this call")))
}

fn names(call: &Call<'_>) -> Vec<String> {
    let named = call.operation.children.iter().filter(|child| child.name.eq_ignore_ascii_case("fullNames"));
    named.map(|child| child.text.trim().to_owned()).collect()
}

fn kind<'a>(call: &'a Call<'_>) -> Result<&'a str, Fault> {
    let kind = call.text(&["type"]);
    if types::exists(kind) || container::of_part(kind).is_some() {
        return Ok(kind);
    }
    Err(fault("INVALID_TYPE", format!("Unknown type:{kind}")))
}

/// `readMetadata`: what is not there is an empty record.
pub fn read(call: &Call<'_>) -> Result<String, Fault> {
    let (kind, names) = (kind(call)?, names(call));
    check_count(names.len(), kind)?;
    let mut out = String::from("<result>");
    call.ctx.org.read(|tx| {
        for name in &names {
            match crud::read(tx, kind, name) {
                Some(mut node) => {
                    elements::sort(&mut node, kind);
                    node.name = "records".to_owned();
                    node.attributes = vec![("xsi:type".to_owned(), kind.to_owned())];
                    out += &node.compact();
                }
                None => out += "<records xsi:nil=\"true\"/>",
            }
        }
    });
    Ok(out + "</result>")
}

fn errors(problem: Option<&(String, String)>) -> String {
    let Some((code, text)) = problem else { return String::new() };
    format!("<errors>{}{}</errors>", tag("message", text), tag("statusCode", code))
}

/// `createMetadata`, `updateMetadata`, `upsertMetadata`.
pub fn write(call: &Call<'_>) -> Result<String, Fault> {
    let given: Vec<_> =
        call.operation.children.iter().filter(|child| child.name.eq_ignore_ascii_case("metadata")).collect();
    let first = given.first().and_then(|node| node.type_name()).unwrap_or_default();
    check_count(given.len(), first)?;
    let mut components = Vec::new();
    for node in given {
        let Some(kind) = node.type_name().filter(|kind| types::exists(kind) || container::of_part(kind).is_some())
        else {
            return Err(fault(
                "INVALID_TYPE",
                "Must specify a {http://www.w3.org/2001/XMLSchema-instance}type attribute value for the metadata",
            ));
        };
        components.push((kind.to_owned(), node.clone()));
    }
    let deed = match call.operation.name.as_str() {
        "createMetadata" => Deed::Create,
        "updateMetadata" => Deed::Update,
        _ => Deed::Upsert,
    };
    let written = crud::write(&call.ctx.org, &call.ctx.caller.user_id, deed, components, call.all_or_none());
    let result = |one: &crud::Written| {
        let created = if deed == Deed::Upsert { format!("<created>{}</created>", one.created) } else { String::new() };
        let (name, success) = (tag("fullName", &one.full_name), one.problem.is_none());
        format!("<result>{created}{}{name}<success>{success}</success></result>", errors(one.problem.as_ref()))
    };
    Ok(written.iter().map(result).collect())
}

/// `deleteMetadata`.
pub fn delete(call: &Call<'_>) -> Result<String, Fault> {
    let (kind, names) = (kind(call)?, names(call));
    check_count(names.len(), kind)?;
    let deleted = crud::delete(&call.ctx.org, &call.ctx.caller.user_id, kind, &names, call.all_or_none());
    let result = |one: &crud::Written| {
        let (name, success) = (tag("fullName", &one.full_name), one.problem.is_none());
        format!("<result>{}{name}<success>{success}</success></result>", errors(one.problem.as_ref()))
    };
    Ok(deleted.iter().map(result).collect())
}

/// `renameMetadata`.
pub fn rename(call: &Call<'_>) -> Result<String, Fault> {
    let kind = kind(call)?;
    let (old, new) = (call.text(&["oldFullName"]), call.text(&["newFullName"]));
    let one = crud::rename(&call.ctx.org, &call.ctx.caller.user_id, kind, old, new);
    let (name, success) = (tag("fullName", &one.full_name), one.problem.is_none());
    Ok(format!("<result>{}{name}<success>{success}</success></result>", errors(one.problem.as_ref())))
}

/// `describeValueType`: the elements of a type, one level deep.
pub fn describe_value_type(call: &Call<'_>) -> Result<String, Fault> {
    let asked = call.text(&["type"]);
    let name = asked.rsplit('}').next().unwrap_or(asked);
    let Some(elements) = elements::of(name).filter(|_| types::exists(name) || container::of_part(name).is_some())
    else {
        return Err(fault("INVALID_TYPE", format!("Unknown type:{asked}")));
    };
    let mut out = String::from(
        "<result><apiCreatable>true</apiCreatable><apiDeletable>true</apiDeletable><apiReadable>true</apiReadable><apiUpdatable>true</apiUpdatable>",
    );
    for element in elements {
        let soap_type = match element.kind {
            "s" => "string",
            "b" => "boolean",
            "i" => "int",
            "l" => "long",
            "d" => "double",
            "D" => "date",
            "T" => "dateTime",
            "B" => "base64Binary",
            "a" => "anyType",
            other => other,
        };
        out += &format!(
            "<valueTypeFields><isForeignKey>false</isForeignKey><isNameField>{}</isNameField><minOccurs>0</minOccurs>{}{}<valueRequired>false</valueRequired></valueTypeFields>",
            element.name == "fullName",
            tag("name", element.name),
            tag("soapType", soap_type),
        );
    }
    Ok(out + "</result>")
}
