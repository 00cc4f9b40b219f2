// SPDX-License-Identifier: Apache-2.0
//! `describeLayout` and `describeTabs`, made from the schema: the emulated org keeps no page layouts and no apps.
//!
//! Every record type of an object has the same layout: one section with the fields that can be written, two to a row, and
//! one with those of the system. Related lists, buttons and links are absent. The one tab set has a tab for each object
//! that a user can open. All of it is a guess at what an admin would have made, and says nothing wrong of the fields.

use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::id;

use super::describe::{self, Part, elements};
use super::xml::{nil, tag};
use super::{Call, Fault};

/// The key prefix of layouts.
const LAYOUT: &str = "00h";
/// The key prefix of tab sets.
const TAB_SET: &str = "02u";
const COLUMNS: usize = 2;

const MAPPING: &[(&str, Part)] = &[
    ("active", Part::Flag),
    ("available", Part::Flag),
    ("defaultRecordTypeMapping", Part::Flag),
    ("developerName", Part::Text),
    ("layoutId", Part::Text),
    ("master", Part::Flag),
    ("name", Part::Text),
    (
        "picklistsForRecordType",
        Part::List(&[("picklistName", Part::Text), ("picklistValues", Part::List(describe::PICKLIST))]),
    ),
    ("recordTypeId", Part::Nillable),
];

/// The layout of an object, and which record type has it.
pub fn layout(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let name = call.operation.text_of("sObjectType");
    let wanted = call.operation.texts_of("recordTypeIds");
    let mut object = describe::object(ctx, &name)?;
    if object["layoutable"] != true {
        let text = format!("sObject type '{}' does not support layouts", object["name"].as_str().unwrap_or(&name));
        return Err(Fault::new("INVALID_TYPE", text));
    }
    let place = ctx.org.schema().objects().position(|known| object["name"] == known.name.as_str());
    let layout_id = id::make(LAYOUT, place.unwrap_or_default() as u64 + 1);
    let fields: Vec<Value> = object["fields"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let picklists: Vec<Value> = fields
        .iter()
        .filter(|field| field["picklistValues"].as_array().is_some_and(|values| !values.is_empty()))
        .map(|field| json!({"picklistName": field["name"], "picklistValues": field["picklistValues"]}))
        .collect();
    let kinds = object["recordTypeInfos"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let selector = kinds.iter().filter(|kind| kind["available"] == true && kind["master"] != true).count() > 1;
    let mappings: String = kinds
        .into_iter()
        .filter(|kind| wanted.is_empty() || wanted.iter().any(|id| is_same_id(kind, id)))
        .map(|mut kind| {
            kind["layoutId"] = layout_id.as_str().into();
            kind["picklistsForRecordType"] = picklists.clone().into();
            format!("<recordTypeMappings>{}</recordTypeMappings>", elements(MAPPING, &kind))
        })
        .collect();
    let sections = |element: &str, system: bool| {
        let (own, others): (Vec<&Value>, Vec<&Value>) = shown(&fields).into_iter().partition(|field| is_written(field));
        let mut out = section(element, "Information", &layout_id, 1, &own);
        if system {
            out += &section(element, "System Information", &layout_id, 2, &others);
        }
        out
    };
    let layout =
        sections("detailLayoutSections", true) + &sections("editLayoutSections", false) + &tag("id", &layout_id);
    let selector = tag("recordTypeSelectorRequired", if selector { "true" } else { "false" });
    Ok(format!("<result><layouts>{layout}</layouts>{mappings}{selector}</result>"))
}

fn is_same_id(kind: &Value, id: &str) -> bool {
    id::to18(id).as_deref() == kind["recordTypeId"].as_str()
}

/// What a page shows: no Ids, no flags of the platform, and the whole of a compound field rather than its parts.
fn shown(fields: &[Value]) -> Vec<&Value> {
    const HIDDEN: [&str; 5] = ["Id", "IsDeleted", "SystemModstamp", "LastViewedDate", "LastReferencedDate"];
    let is_part = |field: &Value| field["compoundFieldName"].as_str().is_some_and(|whole| field["name"] != whole);
    let hidden = |field: &&Value| HIDDEN.iter().any(|name| field["name"] == *name) || is_part(field);
    fields.iter().filter(|field| !hidden(field)).collect()
}

fn is_written(field: &Value) -> bool {
    // A compound field is written through its parts.
    field["createable"] == true || field["updateable"] == true || field["type"] == "address"
}

fn section(element: &str, heading: &str, layout_id: &str, number: u64, fields: &[&Value]) -> String {
    let rows: String = fields
        .chunks(COLUMNS)
        .enumerate()
        .map(|(row, pair)| {
            let items: String =
                pair.iter().enumerate().map(|(column, field)| item(field, row * COLUMNS + column + 1)).collect();
            format!("<layoutRows>{items}{}</layoutRows>", tag("numItems", &pair.len().to_string()))
        })
        .collect();
    [
        format!("<{element}>"),
        tag("collapsed", "false"),
        tag("columns", &COLUMNS.to_string()),
        tag("heading", heading),
        rows,
        tag("layoutSectionId", &id::make("01B", number)),
        tag("parentLayoutId", layout_id),
        tag("rows", &fields.len().div_ceil(COLUMNS).to_string()),
        tag("tabOrder", "LeftToRight"),
        tag("useCollapsibleSection", "false"),
        tag("useHeading", "true"),
        format!("</{element}>"),
    ]
    .concat()
}

fn item(field: &Value, order: usize) -> String {
    let flag = |on: bool| if on { "true" } else { "false" };
    let name = field["name"].as_str().unwrap_or_default();
    let (new, old) = (field["createable"] == true, field["updateable"] == true);
    let required = new && field["nillable"] == false && field["defaultedOnCreate"] == false;
    let component = [
        tag("displayLines", "1"),
        tag("tabOrder", &order.to_string()),
        tag("type", "Field"),
        tag("value", name),
        format!("<field>{}</field>", elements(describe::FIELD, field)),
    ]
    .concat();
    let behavior = match (required, new || old) {
        (true, _) => "Required",
        (false, true) => "Edit",
        (false, false) => "Readonly",
    };
    [
        "<layoutItems>".to_owned(),
        tag("editableForNew", flag(new)),
        tag("editableForUpdate", flag(old)),
        tag("label", field["label"].as_str().unwrap_or_default()),
        format!("<layoutComponents xsi:type=\"FieldComponent\">{component}</layoutComponents>"),
        tag("placeholder", "false"),
        tag("required", flag(required)),
        tag("uiBehavior", behavior),
        "</layoutItems>".to_owned(),
    ]
    .concat()
}

/// The one tab set.
pub fn tab_sets(ctx: &Ctx) -> String {
    let set = [
        tag("description", "Every object that has pages"),
        tag("label", "All Objects"),
        tag("logoUrl", &format!("{}/img/salesforce-noname-logo-v2.svg", ctx.base_url)),
        tag("selected", "true"),
        tag("tabSetId", &id::make(TAB_SET, 1)),
        tabs(ctx, "tabs"),
    ];
    format!("<result>{}</result>", set.concat())
}

/// A tab for each object that a user can open.
pub fn tabs(ctx: &Ctx, element: &str) -> String {
    let schema = ctx.org.schema();
    let objects = schema.objects().filter(|object| object.layoutable && object.mru_enabled);
    let tab = |object: &std::sync::Arc<crate::schema::Object>| {
        let parts = [
            tag("custom", if object.custom { "true" } else { "false" }),
            tag("iconUrl", ""),
            tag("label", &object.label_plural),
            tag("miniIconUrl", ""),
            tag("name", &object.name),
            tag("sobjectName", &object.name),
            object
                .key_prefix
                .as_ref()
                .map_or_else(|| nil("url"), |prefix| tag("url", &format!("{}/{prefix}/o", ctx.base_url))),
        ];
        format!("<{element}>{}</{element}>", parts.concat())
    };
    objects.map(tab).collect()
}
