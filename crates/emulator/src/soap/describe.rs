// SPDX-License-Identifier: Apache-2.0
//! `describeGlobal`, `describeSObject`, `describeSObjects`: REST's describes as XML in the order of the WSDL.
//!
//! A type of the WSDL is a list of its elements with how each is written ([`Part`]); the members of REST's JSON have the same
//! names. What REST lacks is left out where the WSDL allows it, else false, 0 or nil.

use serde_json::Value;

use crate::ctx::Ctx;

use super::xml::{escape, nil, tag};
use super::{Call, Fault, faults, resource};

/// Most objects of one `describeSObjects`.
const OBJECTS_MAX: usize = 100;

/// How an element is written from a member of JSON.
#[derive(Clone, Copy)]
pub enum Part {
    /// `true` or `false`; false when absent.
    Flag,
    /// Always there, empty when null.
    Text,
    /// Nil when null.
    Nillable,
    /// Left out when null.
    Optional,
    /// One element for each item of a list of texts.
    Texts,
    /// `xsd:anyType`: says its type, left out when null.
    Any,
    /// One element for each item of a list of objects.
    List(&'static [(&'static str, Part)]),
    /// One element of a type of its own, left out when null.
    Inner(&'static [(&'static str, Part)]),
}

use Part::{Any, Flag, Inner, List, Nillable, Optional, Text, Texts};

const GLOBAL: &[(&str, Part)] = &[
    ("activateable", Flag),
    ("associateEntityType", Nillable),
    ("associateParentEntity", Nillable),
    ("createable", Flag),
    ("custom", Flag),
    ("customSetting", Flag),
    ("dataTranslationEnabled", Optional),
    ("deepCloneable", Flag),
    ("deletable", Flag),
    ("deprecatedAndHidden", Flag),
    ("feedEnabled", Flag),
    ("hasSubtypes", Flag),
    ("idEnabled", Flag),
    ("isInterface", Flag),
    ("isSubtype", Flag),
    ("keyPrefix", Nillable),
    ("label", Text),
    ("labelPlural", Text),
    ("layoutable", Flag),
    ("mergeable", Flag),
    ("mruEnabled", Flag),
    ("name", Text),
    ("queryable", Flag),
    ("replicateable", Flag),
    ("retrieveable", Flag),
    ("searchable", Flag),
    ("triggerable", Flag),
    ("undeletable", Flag),
    ("updateable", Flag),
];

const OBJECT: &[(&str, Part)] = &[
    (
        "actionOverrides",
        List(&[
            ("formFactor", Nillable),
            ("isAvailableInTouch", Flag),
            ("name", Text),
            ("pageId", Text),
            ("url", Nillable),
        ]),
    ),
    ("activateable", Flag),
    ("associateEntityType", Nillable),
    ("associateParentEntity", Nillable),
    (
        "childRelationships",
        List(&[
            ("cascadeDelete", Flag),
            ("childSObject", Text),
            ("deprecatedAndHidden", Flag),
            ("field", Text),
            ("junctionIdListNames", Texts),
            ("junctionReferenceTo", Texts),
            ("relationshipName", Optional),
            ("restrictedDelete", Optional),
        ]),
    ),
    ("compactLayoutable", Flag),
    ("createable", Flag),
    ("custom", Flag),
    ("customSetting", Flag),
    ("dataTranslationEnabled", Optional),
    ("deepCloneable", Flag),
    ("defaultImplementation", Nillable),
    ("deletable", Flag),
    ("deprecatedAndHidden", Flag),
    ("feedEnabled", Flag),
    ("fields", List(FIELD)),
    ("hasSubtypes", Flag),
    ("idEnabled", Flag),
    ("implementedBy", Nillable),
    ("implementsInterfaces", Nillable),
    ("isInterface", Flag),
    ("isSubtype", Flag),
    ("keyPrefix", Nillable),
    ("label", Text),
    ("labelPlural", Text),
    ("layoutable", Flag),
    ("listviewable", Optional),
    ("lookupLayoutable", Optional),
    ("mergeable", Flag),
    ("mruEnabled", Flag),
    ("name", Text),
    ("namedLayoutInfos", List(&[("name", Text)])),
    ("networkScopeFieldName", Nillable),
    ("queryable", Flag),
    (
        "recordTypeInfos",
        List(&[
            ("active", Flag),
            ("available", Flag),
            ("defaultRecordTypeMapping", Flag),
            ("developerName", Text),
            ("master", Flag),
            ("name", Text),
            ("recordTypeId", Nillable),
        ]),
    ),
    ("replicateable", Flag),
    ("retrieveable", Flag),
    ("searchLayoutable", Optional),
    ("searchable", Flag),
    ("supportedScopes", List(&[("label", Text), ("name", Text)])),
    ("triggerable", Optional),
    ("undeletable", Flag),
    ("updateable", Flag),
    ("urlDetail", Nillable),
    ("urlEdit", Nillable),
    ("urlNew", Nillable),
];

/// The WSDL's `PicklistEntry`.
pub const PICKLIST: &[(&str, Part)] =
    &[("active", Flag), ("defaultValue", Flag), ("label", Nillable), ("validFor", Optional), ("value", Text)];

/// The WSDL's `Field`.
pub const FIELD: &[(&str, Part)] = &[
    ("aggregatable", Flag),
    ("aiPredictionField", Flag),
    ("autoNumber", Flag),
    ("byteLength", Text),
    ("calculated", Flag),
    ("calculatedFormula", Optional),
    ("cascadeDelete", Optional),
    ("caseSensitive", Flag),
    ("compoundFieldName", Optional),
    ("controllerName", Optional),
    ("createable", Flag),
    ("custom", Flag),
    ("dataTranslationEnabled", Optional),
    ("defaultValue", Any),
    ("defaultValueFormula", Optional),
    ("defaultedOnCreate", Flag),
    ("dependentPicklist", Optional),
    ("deprecatedAndHidden", Flag),
    ("digits", Text),
    ("displayLocationInDecimal", Optional),
    ("encrypted", Optional),
    ("externalId", Optional),
    ("extraTypeInfo", Optional),
    ("filterable", Flag),
    ("filteredLookupInfo", Inner(&[("controllingFields", Texts), ("dependent", Flag), ("optionalFilter", Flag)])),
    ("formulaTreatNullNumberAsZero", Optional),
    ("groupable", Flag),
    ("highScaleNumber", Optional),
    ("htmlFormatted", Optional),
    ("idLookup", Flag),
    ("inlineHelpText", Optional),
    ("label", Text),
    ("length", Text),
    ("mask", Optional),
    ("maskType", Optional),
    ("name", Text),
    ("nameField", Flag),
    ("namePointing", Optional),
    ("nillable", Flag),
    ("permissionable", Flag),
    ("picklistValues", List(PICKLIST)),
    ("polymorphicForeignKey", Flag),
    ("precision", Text),
    ("queryByDistance", Flag),
    ("referenceTargetField", Optional),
    ("referenceTo", Texts),
    ("relationshipName", Optional),
    ("relationshipOrder", Optional),
    ("restrictedDelete", Optional),
    ("restrictedPicklist", Flag),
    ("scale", Text),
    ("searchPrefilterable", Flag),
    ("soapType", Text),
    ("sortable", Optional),
    ("type", Text),
    ("unique", Flag),
    ("updateable", Flag),
    ("writeRequiresMasterRead", Optional),
];

/// `describeGlobal`.
pub fn global(ctx: &Ctx) -> Result<String, Fault> {
    let answer = resource::get(ctx, "sobjects", &[])?;
    let head = tag("encoding", "UTF-8") + &tag("maxBatchSize", "200");
    let objects = element("sobjects", List(GLOBAL), &answer["sobjects"]);
    Ok(format!("<result>{head}{objects}</result>"))
}

/// `describeSObject` and `describeSObjects`.
pub fn objects(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let names = call.operation.texts_of("sObjectType");
    if names.len() > OBJECTS_MAX {
        let text = format!("describeSObjects takes up to {OBJECTS_MAX} types");
        return Err(Fault::new("EXCEEDED_MAX_TYPES_LIMIT", text));
    }
    names.iter().map(|name| Ok(element("result", Inner(OBJECT), &object(ctx, name)?))).collect()
}

/// REST's describe of an object, with the addresses where the WSDL has them and its words for types.
pub fn object(ctx: &Ctx, name: &str) -> Result<Value, Fault> {
    let known = ctx.caller.object(&ctx.org.schema(), name).map(|object| object.name.clone());
    let name = known.ok_or_else(|| faults::no_such_object(name))?;
    let mut described = resource::get(ctx, &format!("sobjects/{name}/describe"), &[])?;
    for (member, url) in [("urlDetail", "uiDetailTemplate"), ("urlEdit", "uiEditTemplate"), ("urlNew", "uiNewRecord")] {
        described[member] = described["urls"][url].take();
    }
    for field in described["fields"].as_array_mut().into_iter().flatten() {
        // REST says `urn:address`, the WSDL `tns:address`.
        if let Some(kind) = field["soapType"].as_str().and_then(|kind| kind.strip_prefix("urn:")) {
            field["soapType"] = format!("tns:{kind}").into();
        }
    }
    Ok(described)
}

/// The elements of a type, one after the other.
pub fn elements(parts: &[(&str, Part)], value: &Value) -> String {
    parts.iter().map(|(name, part)| element(name, *part, &value[*name])).collect()
}

fn element(name: &str, part: Part, value: &Value) -> String {
    match (part, value) {
        (Flag, value) => tag(name, if value.as_bool() == Some(true) { "true" } else { "false" }),
        (Nillable, Value::Null) => nil(name),
        (Text, Value::Null) => tag(name, ""),
        (Optional | Any | Inner(_), Value::Null) => String::new(),
        (Texts, value) => {
            value.as_array().into_iter().flatten().map(|item| tag(name, item.as_str().unwrap_or_default())).collect()
        }
        (List(parts), value) => {
            let items = value.as_array().into_iter().flatten();
            items.map(|item| format!("<{name}>{}</{name}>", elements(parts, item))).collect()
        }
        (Inner(parts), value) => format!("<{name}>{}</{name}>", elements(parts, value)),
        (Any, Value::Bool(flag)) => format!("<{name} xsi:type=\"xsd:boolean\">{flag}</{name}>"),
        (Any, Value::Number(number)) => format!("<{name} xsi:type=\"xsd:double\">{number}</{name}>"),
        (Any, value) => format!("<{name} xsi:type=\"xsd:string\">{}</{name}>", escape(&text(value))),
        (_, value) => tag(name, &text(value)),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
