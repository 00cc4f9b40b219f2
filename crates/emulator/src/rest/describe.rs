// SPDX-License-Identifier: Apache-2.0
//! describeGlobal and describe, with every key a real org sends (`salesforce-api.md` 2.4, 2.5).
//!
//! Both depend on who asks: with the permission to set audit fields, those fields are createable. Both answer 304 when
//! the schema has not changed since `If-Modified-Since`; the change is noticed by the first describe after it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::faces::lock;
use crate::org::Tx;
use crate::record::access;
use crate::rest::Call;
use crate::schema::{Field, Object, PicklistValue, Schema};
use crate::value;

/// The record type that every object has.
const MASTER_RECORD_TYPE: &str = "012000000000000AAA";

/// When the schema last changed: the schema that was seen then, so that another one is recognised.
#[derive(Debug, Default)]
pub struct Seen(Option<(Arc<Schema>, i64)>);

/// `/sobjects`.
pub fn global(ctx: &Ctx, call: &Call) -> Answer {
    conditional(ctx, call, |schema| {
        let objects: Vec<Value> = schema.objects().map(|object| Value::Object(summary(ctx, object))).collect();
        json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects})
    })
}

/// `/sobjects/T`: the object's line of describeGlobal, and the rows the user looked at last (the emulator has no viewers).
pub fn basic(ctx: &Ctx, tx: &Tx<'_>, name: &str) -> Result<Answer, ApiError> {
    let object = super::object(tx, name)?;
    Ok(Answer::ok(json!({"objectDescribe": summary(ctx, &object), "recentItems": []})))
}

/// `/sobjects/T/describe`.
pub fn describe(ctx: &Ctx, call: &Call, name: &str) -> Result<Answer, ApiError> {
    let object = ctx.org.schema().object(name).cloned().ok_or_else(ApiError::not_found)?;
    Ok(conditional(ctx, call, |schema| full(ctx, schema, &object)))
}

/// 304 when nothing changed since the time the caller names, else the body with `Last-Modified`.
fn conditional(ctx: &Ctx, call: &Call, body: impl FnOnce(&Schema) -> Value) -> Answer {
    let schema = ctx.org.schema();
    let changed_ms = {
        let now = ctx.org.clock().now();
        let mut seen = lock(&ctx.org.faces.schema_seen);
        match seen.0.take() {
            Some((known, at)) if Arc::ptr_eq(&known, &schema) => seen.renew(&schema, at),
            // A second change within a second must not look like the first.
            Some((_, at)) => seen.renew(&schema, now.max(at + 1000)),
            None => seen.renew(&schema, now),
        }
    };
    let changed = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(changed_ms).unwrap_or(0));
    let last_modified = httpdate::fmt_http_date(changed);
    let known = call.header("if-modified-since").and_then(|text| httpdate::parse_http_date(text).ok());
    // HTTP dates have no milliseconds, so a change within the named second is taken as known.
    if known.is_some_and(|known| known + Duration::from_secs(1) > changed) {
        return Answer::empty(304).header("last-modified", last_modified);
    }
    Answer::ok(body(&schema)).header("last-modified", last_modified)
}

impl Seen {
    fn renew(&mut self, schema: &Arc<Schema>, at_ms: i64) -> i64 {
        self.0 = Some((schema.clone(), at_ms));
        at_ms
    }
}

/// The keys that describeGlobal and describe share, in their alphabetical order.
fn summary(ctx: &Ctx, object: &Object) -> Map<String, Value> {
    let Value::Object(map) = json!({
        "activateable": false,
        "associateEntityType": object.associate_entity_type,
        "associateParentEntity": object.associate_parent_entity,
        "createable": object.createable,
        "custom": object.custom,
        "customSetting": object.custom_setting,
        "deepCloneable": false,
        "deletable": object.deletable,
        "deprecatedAndHidden": object.deprecated_and_hidden,
        "feedEnabled": object.feed_enabled,
        "hasSubtypes": false,
        "isInterface": false,
        "isSubtype": false,
        "keyPrefix": object.key_prefix,
        "label": object.label,
        "labelPlural": object.label_plural,
        "layoutable": object.layoutable,
        "mergeable": object.mergeable,
        "mruEnabled": object.mru_enabled,
        "name": object.name,
        "queryable": object.queryable,
        "replicateable": object.replicateable,
        "retrieveable": object.retrieveable,
        "searchable": object.searchable,
        "triggerable": object.triggerable,
        "undeletable": object.undeletable,
        "updateable": object.updateable,
        "urls": urls(ctx, object, false),
    }) else {
        unreachable!("the literal above is an object")
    };
    map
}

fn urls(ctx: &Ctx, object: &Object, with_pages: bool) -> Value {
    let base = format!("{}/sobjects/{}", ctx.data_path(), object.name);
    let mut urls = Map::new();
    let mut put = |name: &str, url: String| urls.insert(name.to_owned(), url.into());
    if object.layoutable {
        put("compactLayouts", format!("{base}/describe/compactLayouts"));
    }
    put("rowTemplate", format!("{base}/{{ID}}"));
    if object.layoutable {
        put("approvalLayouts", format!("{base}/describe/approvalLayouts"));
    }
    if with_pages {
        put("uiDetailTemplate", format!("{}/{{ID}}", ctx.base_url));
        put("uiEditTemplate", format!("{}/{{ID}}/e", ctx.base_url));
        if object.layoutable {
            put("defaultValues", format!("{base}/defaultValues?recordTypeId&fields"));
        }
    }
    if object.mru_enabled {
        put("listviews", format!("{base}/listviews"));
    }
    put("describe", format!("{base}/describe"));
    if with_pages && let Some(prefix) = &object.key_prefix {
        put("uiNewRecord", format!("{}/{prefix}/e", ctx.base_url));
    }
    if object.layoutable {
        put("quickActions", format!("{base}/quickActions"));
        put("layouts", format!("{base}/describe/layouts"));
    }
    put("sobject", base);
    Value::Object(urls)
}

fn full(ctx: &Ctx, schema: &Schema, object: &Object) -> Value {
    let mut map = summary(ctx, object);
    let none = || Value::Null;
    let children: Vec<Value> = object
        .children
        .iter()
        .map(|child| {
            json!({
                "cascadeDelete": child.cascade_delete,
                "childSObject": child.object,
                "deprecatedAndHidden": false,
                "field": child.field,
                "junctionIdListNames": [],
                "junctionReferenceTo": [],
                "relationshipName": child.relationship_name,
                "restrictedDelete": child.restricted_delete,
            })
        })
        .collect();
    let scopes = if object.layoutable {
        json!([
            {"label": format!("All {}", object.label_plural.to_lowercase()), "name": "everything"},
            {"label": format!("My {}", object.label_plural.to_lowercase()), "name": "mine"},
        ])
    } else {
        json!([])
    };
    for (name, value) in [
        ("actionOverrides", json!([])),
        ("childRelationships", children.into()),
        ("compactLayoutable", object.layoutable.into()),
        ("defaultImplementation", none()),
        ("extendedBy", none()),
        ("extendsInterfaces", none()),
        ("fields", object.fields.iter().map(|field| describe_field(ctx, schema, object, field)).collect()),
        ("implementedBy", none()),
        ("implementsInterfaces", none()),
        ("listviewable", none()),
        ("lookupLayoutable", none()),
        ("namedLayoutInfos", json!([])),
        ("networkScopeFieldName", none()),
        ("recordTypeInfos", record_types(ctx, object)),
        ("searchLayoutable", object.layoutable.into()),
        ("sobjectDescribeOption", "FULL".into()),
        ("supportedScopes", scopes),
        ("urls", urls(ctx, object, true)),
    ] {
        map.insert(name.to_owned(), value);
    }
    map.sort_keys();
    Value::Object(map)
}

fn record_types(ctx: &Ctx, object: &Object) -> Value {
    let line = |id: &str, name: &str, developer_name: &str, active: bool, default: bool, master: bool| {
        json!({
            "active": active,
            "available": active,
            "defaultRecordTypeMapping": default,
            "developerName": developer_name,
            "master": master,
            "name": name,
            "recordTypeId": id,
            "urls": {"layout": format!("{}/sobjects/{}/describe/layouts/{id}", ctx.data_path(), object.name)},
        })
    };
    let mut lines: Vec<Value> = object
        .record_types
        .iter()
        .map(|kind| line(&kind.id, &kind.name, &kind.developer_name, kind.active, kind.default, kind.master))
        .collect();
    if object.layoutable && !object.record_types.iter().any(|kind| kind.master) {
        let default = !object.record_types.iter().any(|kind| kind.default);
        lines.push(line(MASTER_RECORD_TYPE, "Master", "Master", true, default, true));
    }
    lines.into()
}

fn describe_field(ctx: &Ctx, schema: &Schema, object: &Object, field: &Field) -> Value {
    let createable = access::createable(schema, object, field, &ctx.caller);
    let keys = [
        ("aggregatable", json!(field.aggregatable)),
        ("aiPredictionField", json!(false)),
        ("autoNumber", json!(field.auto_number)),
        ("byteLength", json!(field.byte_length())),
        ("calculated", json!(field.calculated)),
        ("calculatedFormula", json!(field.formula)),
        ("cascadeDelete", json!(field.cascade_delete)),
        ("caseSensitive", json!(field.case_sensitive)),
        ("compoundFieldName", json!(field.compound)),
        ("controllerName", json!(field.controller)),
        ("createable", json!(createable)),
        ("custom", json!(field.custom)),
        (
            "defaultValue",
            json!(field.default_value.as_ref().map_or(Value::Null, |default| value::json(default, field))),
        ),
        ("defaultValueFormula", json!(null)),
        ("defaultedOnCreate", json!(field.defaulted_on_create)),
        ("dependentPicklist", json!(field.dependent_picklist)),
        ("deprecatedAndHidden", json!(field.deprecated_and_hidden)),
        ("digits", json!(field.digits)),
        ("displayLocationInDecimal", json!(false)),
        ("encrypted", json!(field.encrypted)),
        ("externalId", json!(field.external_id)),
        ("extraTypeInfo", json!(field.extra_type_info)),
        ("filterable", json!(field.filterable)),
        ("filteredLookupInfo", json!(null)),
        ("formulaTreatNullNumberAsZero", json!(false)),
        ("groupable", json!(field.groupable)),
        ("highScaleNumber", json!(false)),
        ("htmlFormatted", json!(field.html_formatted)),
        ("idLookup", json!(field.id_lookup)),
        ("inlineHelpText", json!(field.inline_help_text)),
        ("label", json!(field.label)),
        ("length", json!(field.length)),
        ("mask", json!(field.mask.as_ref().map(|(mask, _)| mask))),
        ("maskType", json!(field.mask.as_ref().map(|(_, kind)| kind))),
        ("name", json!(field.name)),
        ("nameField", json!(field.name_field)),
        ("namePointing", json!(field.name_pointing)),
        ("nillable", json!(field.nillable)),
        ("permissionable", json!(field.permissionable)),
        ("picklistValues", json!(picklist(&field.picklist))),
        ("polymorphicForeignKey", json!(field.polymorphic_foreign_key)),
        ("precision", json!(field.precision)),
        ("queryByDistance", json!(field.query_by_distance)),
        ("referenceTargetField", json!(null)),
        ("referenceTo", json!(field.reference_to)),
        ("relationshipName", json!(field.relationship_name)),
        ("relationshipOrder", json!(field.relationship_order)),
        ("restrictedDelete", json!(field.restricted_delete)),
        ("restrictedPicklist", json!(field.restricted_picklist)),
        ("scale", json!(field.scale)),
        ("searchPrefilterable", json!(field.search_prefilterable)),
        ("soapType", json!(field.soap_type())),
        ("sortable", json!(field.sortable)),
        ("type", json!(field.kind.as_str())),
        ("unique", json!(field.unique)),
        ("updateable", json!(field.updateable)),
        ("writeRequiresMasterRead", json!(field.write_requires_master_read)),
    ];
    keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
}

fn picklist(values: &[PicklistValue]) -> Value {
    values
        .iter()
        .map(|one| {
            json!({
                "active": one.active,
                "defaultValue": one.default_value,
                "label": one.label,
                "validFor": one.valid_for,
                "value": one.value,
            })
        })
        .collect()
}
