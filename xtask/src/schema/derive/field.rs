// SPDX-License-Identifier: Apache-2.0
//! One field, joined from the sources.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Choices;
use crate::schema::sources::Sources;

/// Fields that the server alone writes, on every object.
const SERVER: [&str; 15] = [
    "Id",
    "IsDeleted",
    "CreatedDate",
    "CreatedById",
    "LastModifiedDate",
    "LastModifiedById",
    "SystemModstamp",
    "LastActivityDate",
    "LastViewedDate",
    "LastReferencedDate",
    "MasterRecordId",
    "IsClosed",
    "IsConverted",
    "IsArchived",
    "PhotoUrl",
];
/// What nobody can hide by field-level security although it may be empty.
const NOT_PERMISSIONABLE: [&str; 14] = [
    "MasterRecordId",
    "RecordTypeId",
    "PhotoUrl",
    "LastActivityDate",
    "LastViewedDate",
    "LastReferencedDate",
    "FirstName",
    "Salutation",
    "EmailBouncedReason",
    "EmailBouncedDate",
    "LastCURequestDate",
    "LastCUUpdateDate",
    "IndividualId",
    "Comments",
];

/// All fields of an object in the order of the org's describe.
pub fn all(object: &str, known: &BTreeSet<String>, choices: &Choices, sources: &Sources) -> Vec<Value> {
    let org = sources.org.get(object).and_then(|source| source["fields"].as_array()).cloned().unwrap_or_default();
    let documented =
        sources.documented.get(object).and_then(|source| source["properties"].as_object()).cloned().unwrap_or_default();
    let mut fields: Vec<Value> = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let wanted = |name: &str| {
        let foreign = name.contains("__")
            || name == "CurrencyIsoCode"
            || name.ends_with("CountryCode")
            || name.ends_with("StateCode");
        !foreign && name != "CloneSourceId"
    };
    for field in org.iter().filter(|field| wanted(name_of(field))) {
        fields.push(from_org(object, field, documented.get(name_of(field)), known, choices, sources));
    }
    seen.extend(org.iter().map(|field| name_of(field).to_owned()));
    if org.is_empty() {
        let described = |facts: &Value| facts["nullable"].is_boolean();
        let scraped = !documented.values().any(described);
        if scraped && sources.names.contains(object) && !choices.objects.iter().any(|core| core == object) {
            fields.extend(told_by_parents(object, &documented, known, choices, sources));
        }
        for (name, facts) in documented.iter().filter(|(name, facts)| wanted(name) && described(facts)) {
            let field = as_org_field(name, facts);
            fields.push(from_org(object, &field, Some(facts), known, choices, sources));
            seen.insert(name.clone());
        }
    }
    for field in choices.fields.get(object).into_iter().flatten().filter(|field| !seen.contains(name_of(field))) {
        fields.push(field.clone());
    }
    fields.sort_by_key(|field| name_of(field) != "Id");
    fields
}

/// The fields of an object that the org names and nobody describes: an Id, what parents say refers to them, when it was made,
/// and what the documentation mentions.
fn told_by_parents(
    object: &str,
    documented: &Map<String, Value>,
    known: &BTreeSet<String>,
    choices: &Choices,
    sources: &Sources,
) -> Vec<Value> {
    let mut fields = vec![json!({"name": "Id", "label": "Record ID", "type": "id", "nillable": false})];
    let of = sources.relationships.iter().filter(|((child, _), _)| child == object);
    for ((_, field), relationship) in of {
        let name = field.strip_suffix("Id");
        fields.push(
            json!({"name": field, "label": words(field), "type": "reference", "nillable": field != "CreatedById",
            "referenceTo": relationship.parents, "relationshipName": name}),
        );
    }
    for (name, facts) in documented {
        fields.push(as_org_field(name, facts));
    }
    if object.ends_with("Event") {
        fields.push(json!({"name": "ReplayId", "label": "Replay ID", "type": "string", "nillable": true}));
        fields.push(json!({"name": "EventUuid", "label": "Event UUID", "type": "string", "nillable": true}));
    }
    fields.push(json!({"name": "CreatedDate", "label": "Created Date", "type": "datetime", "nillable": false}));
    let mut seen = BTreeSet::new();
    fields.retain(|field| seen.insert(name_of(field).to_owned()));
    for field in &mut fields {
        let kind = field["type"].as_str().unwrap_or_default().to_owned();
        let plain = !matches!(kind.as_str(), "textarea" | "anyType" | "base64");
        for flag in ["filterable", "sortable", "groupable", "aggregatable"] {
            let on =
                plain && !(flag == "groupable" && kind == "datetime") && !(flag == "aggregatable" && kind == "boolean");
            field[flag] = json!(on);
        }
        if field["nillable"].is_null() {
            field["nillable"] = json!(kind != "boolean");
        }
    }
    fields
        .iter()
        .map(|field| from_org(object, field, documented.get(name_of(field)), known, choices, sources))
        .collect()
}

/// Nobody can hide this field.
pub fn not_permissionable(field: &mut Value) {
    let is = field["is"].as_str().unwrap_or_default();
    let kept: Vec<&str> = is.split(' ').filter(|word| *word != "permissionable").collect();
    field["is"] = json!(kept.join(" "));
}

fn name_of(field: &Value) -> &str {
    field["name"].as_str().unwrap_or_default()
}

/// A field that only the documentation has, in the form of the org's describe.
fn as_org_field(name: &str, facts: &Value) -> Value {
    let format = facts["format"].as_str().unwrap_or_default();
    let kind = match (facts["type"].as_str().unwrap_or_default(), format) {
        _ if name == "Id" => "id",
        (_, "salesforce-id") => "reference",
        (_, "date-time") | ("dateTime", _) => "datetime",
        ("multipicklist", _) => "multipicklist",
        (_, "enum") | ("dynamic picklist", _) => "picklist",
        (_, "uri") | ("URL", _) => "url",
        ("number", "currency" | "percent") => format,
        ("number", _) => "double",
        ("integer", _) => "int",
        ("", _) => "string",
        (kind, _) => kind,
    };
    let mut targets: Vec<Value> = facts["x-objects"].as_array().cloned().unwrap_or_default();
    targets.extend(facts.get("x-object").cloned());
    let relationship = (kind == "reference").then(|| name.trim_end_matches("Id"));
    let values: Vec<Value> = facts["enum"].as_array().into_iter().flatten().cloned().collect();
    let picklist: Vec<Value> = values
        .into_iter()
        .map(|value| json!({"active": true, "defaultValue": false, "label": value, "value": value}))
        .collect();
    let long = facts["maxLength"].as_u64().unwrap_or(0) > 255 && kind == "textarea";
    let plain = !long && !matches!(kind, "base64" | "encryptedstring");
    let whole = matches!(kind, "address" | "location" | "multipicklist");
    json!({"name": name, "label": words(name), "type": kind, "nillable": facts["nullable"], "filterable": plain, "sortable": plain && !whole,
        "groupable": plain && !whole && !matches!(kind, "double" | "currency" | "percent" | "datetime"),
        "aggregatable": plain && !whole && kind != "boolean", "referenceTo": targets, "relationshipName": relationship,
        "picklistValues": picklist})
}

/// `TotalPrice` as `Total Price`.
pub fn words(name: &str) -> String {
    let mut label = String::new();
    let mut last_lower = false;
    for c in name.trim_end_matches("Id").chars() {
        if c.is_uppercase() && last_lower {
            label.push(' ');
        }
        last_lower = c.is_lowercase();
        label.push(c);
    }
    if name.ends_with("Id") { format!("{label} ID").trim().to_owned() } else { label }
}

fn from_org(
    object: &str,
    org: &Value,
    facts: Option<&Value>,
    known: &BTreeSet<String>,
    choices: &Choices,
    sources: &Sources,
) -> Value {
    let name = name_of(org);
    let kind = org["type"].as_str().unwrap_or_default();
    let mut field = start(object, org, known, choices, sources);
    sizes(&mut field, kind, org, facts);
    if let Some(&length) = choices.lengths.get(&format!("{object}.{name}")) {
        put_number(&mut field, "length", length);
    }
    let mut is: Vec<&str> = ["nillable", "filterable", "sortable", "groupable", "aggregatable"]
        .into_iter()
        .filter(|flag| org[*flag].as_bool() == Some(true))
        .collect();
    let nillable = org["nillable"].as_bool() == Some(true);
    let writable = object_flag(object, sources, "createable");
    let compound_name = name == "Name" && matches!(object, "Contact" | "Lead" | "User");
    let server = SERVER.contains(&name) || compound_name || matches!(kind, "address" | "location");
    let documented = facts.is_some_and(|facts| facts["readOnly"].as_bool() == Some(true));
    let no_update = server
        || (documented && !Choices::lists(&choices.writable, object, name))
        || Choices::lists(&choices.read_only, object, name);
    let required_parent = kind == "reference" && !nillable;
    let create_only = Choices::lists(&choices.create_only, object, name);
    let createable = create_only
        || (!server && (!no_update || required_parent) && !Choices::lists(&choices.read_only, object, name));
    let auto_number = choices.auto_numbers.contains_key(&format!("{object}.{name}"));
    let full_name = format!("{object}.{name}");
    let default = choices.defaults.contains_key(&full_name) || default_picklist(org).is_some();
    let defaulted = kind == "boolean"
        || (server && !nillable && !compound_name)
        || (name == "OwnerId" && !nillable)
        || auto_number
        || default
        || Choices::lists(&choices.defaulted, object, name);
    let polymorphic = kind == "reference" && targets(object, org, choices).len() > 1;
    let name_field = choices.name_fields.get(object).map_or("Name", String::as_str) == name;
    let picklist = matches!(kind, "picklist" | "multipicklist");
    // What the server alone writes can be hidden only where it is put together from what can be hidden.
    let hideable =
        (createable && writable) || !no_update || matches!(kind, "address" | "location") || name == "ClosedDate";
    let permissionable = nillable && hideable && !NOT_PERMISSIONABLE.contains(&name) && full_name != "Case.Status"
        || full_name == "Case.IsEscalated";
    for (flag, on) in [
        ("createable", createable && writable && !auto_number && !Choices::lists(&choices.update_only, object, name)),
        ("updateable", !no_update && !create_only && !auto_number && object_flag(object, sources, "updateable")),
        ("defaultedOnCreate", defaulted),
        ("unique", choices.unique.contains(&full_name)),
        ("idLookup", name == "Id" || choices.id_lookup.contains(&full_name)),
        ("autoNumber", auto_number),
        ("encrypted", kind == "encryptedstring"),
        ("restrictedPicklist", picklist && choices.restricted.iter().any(|ending| name.ends_with(ending.as_str()))),
        ("nameField", name_field),
        ("namePointing", polymorphic),
        ("polymorphicForeignKey", polymorphic),
        ("permissionable", permissionable),
        ("queryByDistance", kind == "address"),
        (
            "searchPrefilterable",
            kind == "reference" && createable && nillable && name != "OwnerId" && name != "RecordTypeId",
        ),
    ] {
        if on {
            is.push(flag);
        }
    }
    put_flags(&mut field, object, org, is, sources, choices);
    if org["extraTypeInfo"] == "switchablepersonname" {
        field.insert("compound".into(), json!("Name"));
    } else if let Some(compound) = compound(object, name) {
        field.insert("compound".into(), json!(compound));
    }
    put_picklist(&mut field, org);
    put_default(&mut field, object, org, choices);
    Value::Object(field)
}

fn object_flag(object: &str, sources: &Sources, flag: &str) -> bool {
    let of = |source: Option<&Value>| source.and_then(|source| source[flag].as_bool());
    of(sources.global.get(object)).or(of(sources.documented.get(object))).unwrap_or(true)
}

fn start(
    object: &str,
    source: &Value,
    known: &BTreeSet<String>,
    choices: &Choices,
    sources: &Sources,
) -> Map<String, Value> {
    let mut field = Map::new();
    field.insert("name".into(), source["name"].clone());
    field.insert("label".into(), source["label"].clone());
    field.insert("type".into(), source["type"].clone());
    if let Some(relationship) = source["relationshipName"].as_str() {
        field.insert("relationshipName".into(), json!(relationship));
    }
    if source["type"] == "reference" {
        let present: Vec<String> =
            targets(object, source, choices).into_iter().filter(|target| known.contains(target)).collect();
        field.insert("referenceTo".into(), json!(present));
        if let Some((Some(children), ..)) = relationship(object, name_of(source), sources, choices) {
            field.insert("childRelationshipName".into(), json!(children));
        }
    }
    for key in ["extraTypeInfo", "inlineHelpText"] {
        if let Some(text) = source[key].as_str() {
            field.insert(if key == "inlineHelpText" { "help" } else { key }.into(), json!(text));
        }
    }
    field
}

fn targets(object: &str, source: &Value, choices: &Choices) -> Vec<String> {
    if let Some(targets) = choices.reference_to.get(&format!("{object}.{}", name_of(source))) {
        return targets.clone();
    }
    source["referenceTo"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|target| target.as_str().map(str::to_owned))
        .collect()
}

/// What parents say of this field: their name for the children, and whether a delete takes these along or is refused.
fn relationship(
    object: &str,
    field: &str,
    sources: &Sources,
    choices: &Choices,
) -> Option<(Option<String>, bool, bool)> {
    for text in &choices.cascade {
        if let Some(children) = text.strip_prefix(&format!("{object}.{field}=")) {
            return Some((Some(children.to_owned()), true, false));
        }
    }
    let known = sources.relationships.get(&(object.to_owned(), field.to_owned()))?;
    Some((known.name.clone(), known.cascade, known.restricted))
}

fn put_flags(
    field: &mut Map<String, Value>,
    object: &str,
    source: &Value,
    mut is: Vec<&str>,
    sources: &Sources,
    choices: &Choices,
) {
    if source["type"] == "reference"
        && let Some((_, cascade, restricted)) = relationship(object, name_of(source), sources, choices)
    {
        if cascade {
            is.push("cascadeDelete");
        }
        if restricted {
            is.push("restrictedDelete");
        }
    }
    field.insert("is".into(), json!(is.join(" ")));
    if let Some(format) = choices.auto_numbers.get(&format!("{object}.{}", name_of(source))) {
        field.insert("autoNumberFormat".into(), json!(format));
    }
}

fn put_number(field: &mut Map<String, Value>, key: &str, number: u64) {
    if number > 0 {
        field.insert(key.into(), json!(number));
    }
}

/// Length, precision, scale and digits as describes of real orgs show them for the type, where the documentation is silent.
fn sizes(field: &mut Map<String, Value>, kind: &str, org: &Value, facts: Option<&Value>) {
    let documented = facts.and_then(|facts| facts["maxLength"].as_u64());
    let length = match kind {
        "id" | "reference" => 18,
        "string" | "url" | "combobox" | "picklist" => documented.unwrap_or(255),
        "phone" => documented.unwrap_or(40),
        "email" => documented.unwrap_or(80),
        "textarea" => documented.unwrap_or(if org["filterable"] == true { 255 } else { 32_000 }),
        "multipicklist" => documented.unwrap_or(4_099),
        "encryptedstring" => documented.unwrap_or(175),
        "anyType" | "complexvalue" | "json" => documented.unwrap_or(255),
        _ => 0,
    };
    put_number(field, "length", length);
    let step = facts.and_then(|facts| facts["multipleOf"].as_f64());
    let documented_scale = step.filter(|step| *step > 0.0).map(|step| (-step.log10()).round() as u64);
    match kind {
        "int" => put_number(field, "digits", if org["name"] == "NumberOfEmployees" { 8 } else { 9 }),
        "double" | "currency" | "percent" => {
            let scale = documented_scale.unwrap_or(if kind == "currency" && facts.is_none() { 2 } else { 0 });
            put_number(field, "precision", 18);
            put_number(field, "scale", scale);
        }
        _ => {}
    }
}

/// The address or name that a field is a part of.
fn compound(object: &str, name: &str) -> Option<String> {
    if matches!(object, "Contact" | "Lead" | "User")
        && matches!(name, "Salutation" | "FirstName" | "LastName" | "MiddleName" | "Suffix")
    {
        return Some("Name".into());
    }
    let part = ["Street", "City", "State", "PostalCode", "Country", "Latitude", "Longitude", "GeocodeAccuracy"]
        .into_iter()
        .find(|part| name.ends_with(part))?;
    let start = name.strip_suffix(part).unwrap_or_default();
    let known = match object {
        "Lead" | "User" | "Organization" | "WorkOrder" | "WorkOrderLineItem" => start.is_empty(),
        "Account" | "Order" | "Quote" | "Contract" => {
            matches!(start, "Billing" | "Shipping" | "QuoteTo" | "Additional")
        }
        "Contact" => matches!(start, "Mailing" | "Other"),
        _ => false,
    };
    known.then(|| format!("{start}Address"))
}

fn default_picklist(source: &Value) -> Option<Value> {
    let values = source["picklistValues"].as_array()?;
    values.iter().find(|value| value["defaultValue"] == true).map(|value| value["value"].clone())
}

fn put_picklist(field: &mut Map<String, Value>, source: &Value) {
    let values = source["picklistValues"].as_array().cloned().unwrap_or_default();
    if values.is_empty() {
        return;
    }
    let short = |value: &Value| {
        let mut entry = Map::new();
        entry.insert("value".into(), value["value"].clone());
        if value["label"].is_string() && value["label"] != value["value"] {
            entry.insert("label".into(), value["label"].clone());
        }
        if value["defaultValue"] == true {
            entry.insert("default".into(), json!(true));
        }
        if value["active"] == false {
            entry.insert("inactive".into(), json!(true));
        }
        if let Some(text) = value["validFor"].as_str() {
            entry.insert("validFor".into(), json!(text));
        }
        if entry.len() == 1 { value["value"].clone() } else { Value::Object(entry) }
    };
    field.insert("picklist".into(), Value::Array(values.iter().map(short).collect()));
}

fn put_default(field: &mut Map<String, Value>, object: &str, source: &Value, choices: &Choices) {
    let by_hand = choices.defaults.get(&format!("{object}.{}", name_of(source))).cloned();
    let own = source["defaultValue"].as_bool().map(Value::Bool);
    if let Some(value) = by_hand.or(own).or_else(|| default_picklist(source)) {
        field.insert("default".into(), value);
    }
}
