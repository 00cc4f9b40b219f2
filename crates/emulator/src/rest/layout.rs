// SPDX-License-Identifier: Apache-2.0
//! Page layouts, compact layouts and approval layouts (`salesforce-api.md` 2.2).
//!
//! The emulated org has the layouts that an org makes by itself: one page layout per object with all fields in one section of
//! two columns, the compact layout `SYSTEM` with the record's name, no approval layouts. The members are those of
//! `DescribeLayoutResult` and `DescribeCompactLayoutsResult` of the partner WSDL.

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::id::MASTER_RECORD_TYPE;
use crate::org::Tx;
use crate::rest::object;
use crate::schema::{Field, FieldType, Object};

const COLUMNS: usize = 2;
/// Objects that one call for compact layouts may name.
const OBJECTS_MAX: usize = 100;

/// `/sobjects/T/describe/layouts` and `/{recordTypeId}`.
pub fn layouts(ctx: &Ctx, tx: &Tx<'_>, name: &str, record_type: Option<&str>) -> Result<Answer, ApiError> {
    let object = layoutable(tx, name)?;
    let types = record_types(&object);
    let layout = layout(ctx, &object);
    if let Some(wanted) = record_type {
        let wanted = crate::id::to18(wanted).ok_or_else(|| ApiError::malformed_id(wanted))?;
        let known = types.iter().any(|(id, ..)| *id == wanted);
        return if known { Ok(Answer::ok(layout)) } else { Err(ApiError::not_found()) };
    }
    let mappings: Vec<Value> = types
        .iter()
        .map(|(id, name, developer_name, default, master)| {
            json!({
                "active": true,
                "available": true,
                "defaultRecordTypeMapping": default,
                "developerName": developer_name,
                "layoutId": null,
                "master": master,
                "name": name,
                "picklistsForRecordType": [],
                "recordTypeId": id,
                "urls": {"layout": format!("{}/sobjects/{}/describe/layouts/{id}", ctx.data_path(), object.name)},
            })
        })
        .collect();
    // With several record types the layouts have to be asked for one by one.
    let layouts = if types.len() > 1 { Value::Null } else { json!([layout]) };
    Ok(Answer::ok(json!({
        "layouts": layouts, "recordTypeMappings": mappings, "recordTypeSelectorRequired": [types.len() > 2],
    })))
}

/// `/sobjects/Global/describe/layouts`: the layout of the global publisher, which has no actions here (REST API Developer
/// Guide, "Describe Layouts").
pub fn global() -> Answer {
    let mut layout = frame(json!([]), json!([]), Vec::new());
    layout["feedView"] = json!({"feedFilters": []});
    Answer::ok(json!({"layouts": [layout], "recordTypeMappings": [], "recordTypeSelectorRequired": [false]}))
}

/// Id, name, developer name, whether new records have it by default, and whether it is the master.
fn record_types(object: &Object) -> Vec<(String, String, String, bool, bool)> {
    let own = object.record_types.iter().filter(|kind| kind.active);
    let mut types: Vec<_> = own
        .map(|kind| (kind.id.clone(), kind.name.clone(), kind.developer_name.clone(), kind.default, kind.master))
        .collect();
    if !types.iter().any(|(.., master)| *master) {
        let default = !types.iter().any(|(.., default, _)| *default);
        types.push((MASTER_RECORD_TYPE.into(), "Master".into(), "Master".into(), default, true));
    }
    types
}

fn layoutable(tx: &Tx<'_>, name: &str) -> Result<std::sync::Arc<Object>, ApiError> {
    object(tx, name).and_then(|object| if object.layoutable { Ok(object) } else { Err(ApiError::not_found()) })
}

fn layout(ctx: &Ctx, object: &Object) -> Value {
    let shown: Vec<&Field> = object
        .fields
        .iter()
        .map(AsRef::as_ref)
        .filter(|field| ctx.caller.sees_field(object, field))
        .filter(|field| field.compound.is_none() && !matches!(field.kind, FieldType::Id | FieldType::Base64))
        .collect();
    let rows: Vec<Value> = shown
        .chunks(COLUMNS)
        .map(|fields| {
            let items: Vec<Value> = fields.iter().map(|field| item(field)).collect();
            json!({"layoutItems": items, "numItems": items.len()})
        })
        .collect();
    let section = |heading: bool| {
        json!([{
            "collapsed": false,
            "columns": COLUMNS,
            "heading": format!("{} Information", object.label),
            "layoutRows": rows,
            "layoutSectionId": null,
            "parentLayoutId": null,
            "rows": rows.len(),
            "tabOrder": "LeftToRight",
            "useCollapsibleSection": false,
            "useHeading": heading,
        }])
    };
    let lists: Vec<Value> = object.children.iter().filter_map(related_list).collect();
    frame(section(false), section(true), lists)
}

fn frame(detail: Value, edit: Value, lists: Vec<Value>) -> Value {
    json!({
        "buttonLayoutSection": {"detailButtons": []},
        "detailLayoutSections": detail,
        "editLayoutSections": edit,
        "feedView": null,
        "highlightsPanelLayoutSection": null,
        "id": null,
        "multirowEditLayoutSections": [],
        "offlineLinks": [],
        "quickActionList": {"quickActionListItems": []},
        "relatedContent": null,
        "relatedLists": lists,
        "saveOptions": [],
    })
}

fn item(field: &Field) -> Value {
    let component = json!({
        "details": null,
        "displayLines": if field.kind == FieldType::Textarea { 6 } else { 1 },
        "tabOrder": 0,
        "type": "Field",
        "value": field.name,
    });
    json!({
        "editableForNew": field.createable,
        "editableForUpdate": field.updateable,
        "label": field.label,
        "layoutComponents": [component],
        "placeholder": false,
        "required": field.createable && !field.nillable && !field.defaulted_on_create,
    })
}

fn related_list(child: &crate::schema::Child) -> Option<Value> {
    let name = child.relationship_name.as_deref()?;
    Some(json!({
        "accessLevelRequiredForCreate": null,
        "buttons": [],
        "columns": [],
        "custom": child.object.ends_with("__c"),
        "field": child.field,
        "label": name,
        "limitRows": 5,
        "name": name,
        "sobject": child.object,
        "sort": [],
    }))
}

/// `/sobjects/T/describe/compactLayouts` and `/primary`.
pub fn compact(ctx: &Ctx, tx: &Tx<'_>, name: &str, primary: bool) -> Result<Answer, ApiError> {
    let object = layoutable(tx, name)?;
    if primary {
        return Ok(Answer::ok(compact_layout(&object)));
    }
    let base = format!("{}/sobjects/{}/describe/compactLayouts", ctx.data_path(), object.name);
    let mappings: Vec<Value> = record_types(&object)
        .iter()
        .map(|(id, name, ..)| {
            json!({
                "available": true,
                "compactLayoutId": null,
                "compactLayoutName": "SYSTEM",
                "recordTypeId": id,
                "recordTypeName": name,
                "urls": {"compactLayout": format!("{base}/{id}")},
            })
        })
        .collect();
    Ok(Answer::ok(json!({
        "compactLayouts": [compact_layout(&object)],
        "defaultCompactLayoutId": null,
        "recordTypeCompactLayoutMappings": mappings,
        "urls": {"primary": format!("{base}/primary")},
    })))
}

fn compact_layout(object: &Object) -> Value {
    let items: Vec<Value> = object.name_field().map(|field| item(field)).into_iter().collect();
    json!({
        "actions": [],
        "fieldItems": items,
        "id": null,
        "imageItems": [],
        "label": "System Default",
        "name": "SYSTEM",
        "objectType": object.name,
    })
}

/// `/compactLayouts?q=Account,Contact`: the primary compact layout of each.
pub fn compact_of_several(tx: &Tx<'_>, names: &str) -> Result<Answer, ApiError> {
    let names: Vec<&str> = names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.len() > OBJECTS_MAX {
        let text = format!("Compact layouts of more than {OBJECTS_MAX} objects cannot be asked for at once");
        return Err(ApiError::new(400, "LIMIT_EXCEEDED", text));
    }
    let mut layouts = Map::new();
    for name in names {
        let object = layoutable(tx, name)?;
        layouts.insert(object.name.clone(), compact_layout(&object));
    }
    Ok(Answer::ok(layouts.into()))
}

/// `/sobjects/T/describe/approvalLayouts`: there are none.
pub fn approval(tx: &Tx<'_>, name: &str) -> Result<Answer, ApiError> {
    object(tx, name)?;
    Ok(Answer::ok(json!({"approvalLayouts": []})))
}
