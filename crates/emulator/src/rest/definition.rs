// SPDX-License-Identifier: Apache-2.0
//! `EntityDefinition`, `FieldDefinition` and `EntityParticle`: objects and fields as rows, worked out of the schema when they
//! are asked for (Tooling API reference of these objects).
//!
//! Through `query` the rows are what the caller sees: objects with read permission, fields that field-level security leaves.
//! Through `tooling/query` they are all there are, for users with View Setup and Configuration; this is how a client finds
//! the fields that describe hides from it. A field or element stands for itself; parts of a compound field are particles only.
//!
//! SOQL is limited as the reference says: a filter on the object is needed for fields, LIMIT and OFFSET are ignored, `!=`, OR
//! and GROUP BY are refused. Guessed: the code of these refusals (that of other computed objects), and that a user without View
//! Setup is told that the Tooling API has no such object. Not there: subqueries (`Fields`, `Particles`), `Metadata`, owners and
//! classifications of fields, sharing models, and when a definition was changed.

use serde_json::{Map, Value, json};

use super::setup::Asked;
use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::metadata;
use crate::org::Tx;
use crate::rest::Call;
use crate::schema::{Field, FieldType, Object};
use crate::soql::ast::{Condition, Grouping, Operator, Query, Value as Selected};

const ENTITIES: &str = "EntityDefinition";
const FIELDS: &str = "FieldDefinition";
const PARTICLES: &str = "EntityParticle";
const KINDS: [&str; 3] = [ENTITIES, FIELDS, PARTICLES];
/// By which the object of a field is named.
const REIFIED: [&str; 6] = [
    "EntityDefinitionId",
    "EntityDefinition.QualifiedApiName",
    "EntityDefinition.DurableId",
    "EntityDefinition.DeveloperName",
    "FieldDefinitionId",
    "DurableId",
];

/// Answers a query about definitions; none for everything else.
pub fn route(ctx: &Ctx, call: &Call) -> Option<Result<Answer, ApiError>> {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let tooling = match (call.method.as_str(), &path[..]) {
        ("GET", ["query" | "queryAll"]) => false,
        ("GET", ["tooling", "query"]) => true,
        _ => return None,
    };
    let query = crate::soql::parse(call.query.get("q")?).ok()?;
    let name = query.from.path.text();
    let kind = KINDS.into_iter().find(|known| known.eq_ignore_ascii_case(&name))?;
    let may = if tooling {
        ctx.caller.can("ViewSetup")
    } else {
        ctx.caller.object(&ctx.org.schema(), kind).is_some() || kind == PARTICLES
    };
    if !may {
        let text = format!("sObject type '{name}' is not supported.");
        return Some(Err(ApiError::new(400, "INVALID_TYPE", text)));
    }
    Some(ctx.org.read(|tx| select(ctx, tx, kind, &query, tooling)))
}

fn select(ctx: &Ctx, tx: &Tx<'_>, kind: &'static str, query: &Query, tooling: bool) -> Result<Answer, ApiError> {
    allowed(kind, query)?;
    let ids = Ids::of(tx);
    // What every row has, from any object that has a field.
    let any =
        tx.schema.object("Organization").or_else(|| tx.schema.objects().next()).ok_or_else(ApiError::not_found)?;
    let model = match kind {
        ENTITIES => entity(ctx, &ids, any),
        _ => field(ctx, tx, &ids, any, &any.fields[0], kind),
    };
    let asked = Asked { kind, model };
    let seen = |object: &Object| tooling || ctx.caller.sees(object);
    let mut all = Vec::new();
    for object in tx.schema.objects().filter(|object| seen(object)) {
        if kind == ENTITIES {
            all.push(entity(ctx, &ids, object));
            continue;
        }
        if !query.filter.as_ref().is_none_or(|filter| may_be_about(&ids, object, filter)) {
            continue;
        }
        for (at, one) in object.fields.iter().enumerate() {
            let is_part =
                kind == FIELDS && one.compound.is_some() && one.compound.as_deref() != Some(one.name.as_str());
            if (tooling || ctx.caller.sees_at(object, at)) && !is_part {
                all.push(field(ctx, tx, &ids, object, one, kind));
            }
        }
    }
    let rows = asked.rows(all, query)?;
    let paths = asked.selected(query)?;
    Ok(asked.answer(ctx, &rows, paths.as_deref()))
}

/// What the reference says that these objects do not support.
fn allowed(kind: &str, query: &Query) -> Result<(), ApiError> {
    let refused = |text: &str| ApiError::new(400, "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION", text);
    if query.group != Grouping::None {
        let text = "The requested operation is not yet supported by this SObject storage type, contact salesforce.com support for more \
                    information.";
        return Err(refused(text));
    }
    let mut reified = kind == ENTITIES;
    if let Some(filter) = &query.filter {
        let mut left = vec![filter];
        while let Some(one) = left.pop() {
            match one {
                Condition::And(all) => left.extend(all),
                Condition::Or(_) => return Err(refused("Disjunctions not supported")),
                Condition::Not(_) | Condition::In { negated: true, .. } => {
                    return Err(refused("Only equals comparisons permitted"));
                }
                Condition::Compare { operator: Operator::NotEqual, .. } => {
                    return Err(refused("Only equals comparisons permitted"));
                }
                Condition::Includes { .. } => return Err(refused("Unsupported filter type")),
                Condition::Compare { left, operator: Operator::Equal, .. } | Condition::In { left, .. } => {
                    let Selected::Path(path) = left else { continue };
                    let text = path.text();
                    reified |= REIFIED.iter().any(|known| known.eq_ignore_ascii_case(&text));
                }
                _ => {}
            }
        }
    }
    if !reified {
        let columns = if kind == FIELDS {
            "EntityDefinitionId,DurableId"
        } else {
            "EntityDefinitionId,FieldDefinitionId,DurableId"
        };
        let text = format!("{kind}: a filter on a reified column is required [{columns}]");
        return Err(ApiError::malformed_query(text));
    }
    Ok(())
}

/// Whether fields of an object can be meant: the statement names no other object. Keeps rows of all others from being made.
fn may_be_about(ids: &Ids, object: &Object, filter: &Condition) -> bool {
    let names = |value: &Value| {
        let own = ids.of_object(object);
        value.as_str().is_none_or(|text| {
            let text = text.split('.').next().unwrap_or(text);
            text.eq_ignore_ascii_case(&object.name)
                || crate::id::to15(text) == crate::id::to15(&own)
                || object.name.trim_end_matches("__c").eq_ignore_ascii_case(text)
        })
    };
    let is_about = |left: &Selected| match left {
        Selected::Path(path) => REIFIED.iter().any(|known| known.eq_ignore_ascii_case(&path.text())),
        Selected::Call { .. } => false,
    };
    match filter {
        Condition::And(all) => all.iter().all(|one| may_be_about(ids, object, one)),
        Condition::Compare { left, operator: Operator::Equal, right, .. } if is_about(left) => {
            super::setup::literal(right).is_none_or(|value| names(&value))
        }
        Condition::In { left, negated: false, list } if is_about(left) => {
            list.iter().any(|(literal, _)| super::setup::literal(literal).is_none_or(|value| names(&value)))
        }
        _ => true,
    }
}

/// Ids of deployed objects and fields, by their full names.
struct Ids(std::collections::HashMap<String, String>);

impl Ids {
    fn of(tx: &Tx<'_>) -> Ids {
        let kinds = ["CustomObject", "CustomField"].into_iter();
        let all = kinds.flat_map(|kind| metadata::components_named(tx, kind));
        Ids(all.filter(|(_, id)| !id.is_empty()).collect())
    }

    /// `DurableId` of an object: its name, or the Id of a custom one.
    fn of_object(&self, object: &Object) -> String {
        let known = self.0.get(&object.name).filter(|_| object.custom);
        known.map_or_else(|| object.name.clone(), |id| crate::id::to15(id).to_owned())
    }

    /// `DurableId` of a field: that of the object, and its name, a reference's without `Id`, or the Id of a custom one.
    fn of_field(&self, object: &Object, field: &Field) -> String {
        let known = self.0.get(&format!("{}.{}", object.name, field.name)).filter(|_| field.custom);
        let own = match known {
            Some(id) => crate::id::to15(id).to_owned(),
            None if field.is_reference() && !field.custom => field.name.trim_end_matches("Id").to_owned(),
            None => field.name.clone(),
        };
        format!("{}.{own}", self.of_object(object))
    }
}

fn developer_name(name: &str) -> (&str, Option<&str>) {
    let stem = name.rsplit_once("__").map_or(name, |(stem, _)| stem);
    match stem.split_once("__") {
        Some((namespace, own)) => (own, Some(namespace)),
        None => (stem, None),
    }
}

fn attributes(ctx: &Ctx, kind: &str, durable: &str) -> Value {
    json!({"type": kind, "url": format!("{}/tooling/sobjects/{kind}/{durable}", ctx.data_path())})
}

fn entity(ctx: &Ctx, ids: &Ids, object: &Object) -> Value {
    let durable = ids.of_object(object);
    let (developer, namespace) = developer_name(&object.name);
    let prefix = object.key_prefix.as_deref().filter(|_| !object.key_prefix_untold);
    let page = |end: &str| prefix.filter(|_| object.layoutable).map(|prefix| format!("/{prefix}{end}"));
    let is_own = object.associate_entity_type.is_none();
    let names = json!({
        "attributes": attributes(ctx, ENTITIES, &durable),
        "Id": Value::Null,
        "DurableId": durable,
        "LastModifiedDate": Value::Null, "LastModifiedById": Value::Null,
        "QualifiedApiName": object.name, "NamespacePrefix": namespace, "DeveloperName": developer,
        "MasterLabel": object.label, "Label": object.label, "PluralLabel": object.label_plural,
        "DefaultCompactLayoutId": Value::Null,
        "KeyPrefix": prefix,
        "DetailUrl": page("/{ID}").map(|_| "/{ID}"), "EditUrl": page("/{ID}/e").map(|_| "/{ID}/e"), "NewUrl": page("/e"),
        "EditDefinitionUrl": Value::Null, "HelpSettingPageName": Value::Null, "HelpSettingPageUrl": Value::Null,
        "RunningUserEntityAccessId": format!("{}.{}", object.name, crate::id::to15(&ctx.caller.user_id)),
        "PublisherId": if object.custom { "<local>" } else { "System" },
    });
    let flags = json!({
        "IsCustomizable": is_own && (object.custom || object.layoutable),
        "IsApexTriggerable": object.triggerable, "IsTriggerable": object.triggerable,
        "IsWorkflowEnabled": is_own && object.triggerable && object.layoutable,
        "IsProcessEnabled": is_own && object.triggerable && object.layoutable,
        "IsCompactLayoutable": object.layoutable, "IsLayoutable": object.layoutable,
        "DeploymentStatus": object.custom.then_some("Deployed"),
        "IsCustomSetting": object.custom_setting,
        "IsDeprecatedAndHidden": object.deprecated_and_hidden,
        "IsReplicateable": object.replicateable, "IsRetrieveable": object.retrieveable,
        "IsSearchLayoutable": object.searchable && object.layoutable, "IsSearchable": object.searchable,
        "IsIdEnabled": object.key_prefix.is_some(),
        "IsEverCreatable": object.createable, "IsEverUpdatable": object.updateable, "IsEverDeletable": object.deletable,
        "IsFeedEnabled": object.feed_enabled, "IsQueryable": object.queryable, "IsMruEnabled": object.mru_enabled,
        "RecordTypesSupported": Value::Null, "InternalSharingModel": Value::Null, "ExternalSharingModel": Value::Null,
        "HasSubtypes": false, "IsSubtype": false, "IsAutoActivityCaptureEnabled": false, "IsInterface": false,
        "ImplementsInterfaces": Value::Null, "ImplementedBy": Value::Null, "ExtendsInterfaces": Value::Null,
        "ExtendedBy": Value::Null, "DefaultImplementation": Value::Null,
    });
    together([names, flags])
}

/// One row of several parts.
fn together<const N: usize>(parts: [Value; N]) -> Value {
    let mut row = Map::new();
    for part in parts {
        if let Value::Object(members) = part {
            row.extend(members);
        }
    }
    Value::Object(row)
}

fn field(ctx: &Ctx, tx: &Tx<'_>, ids: &Ids, object: &Object, field: &Field, kind: &str) -> Value {
    let durable = ids.of_field(object, field);
    let owner = entity(ctx, ids, object);
    let (developer, namespace) = if field.custom { developer_name(&field.name) } else { (field.name.as_str(), None) };
    let references = (!field.reference_to.is_empty()).then_some(&field.reference_to);
    let names = json!({
        "attributes": attributes(ctx, kind, &durable),
        "Id": Value::Null,
        "DurableId": durable,
        "QualifiedApiName": field.name,
        "EntityDefinitionId": owner["DurableId"], "EntityDefinition": owner,
        "NamespacePrefix": namespace, "DeveloperName": if field.custom { developer } else { field.name.trim_end_matches("Id") },
        "MasterLabel": field.label, "Label": field.label,
    });
    let kinds = json!({
        "Length": field.length,
        "DataType": if kind == FIELDS { shown_type(tx, object, field) } else { field.kind.as_str().to_owned() },
        "ServiceDataTypeId": Value::Null, "ValueTypeId": field.kind.as_str(), "ExtraTypeInfo": field.extra_type_info,
        "IsCalculated": field.calculated, "IsHighScaleNumber": false, "IsHtmlFormatted": field.html_formatted,
        "IsNameField": field.name_field, "IsNillable": field.nillable,
        "IsWorkflowFilterable": field.filterable, "IsCompactLayoutable": object.layoutable && field.filterable,
        "Precision": field.precision, "Scale": field.scale,
        "IsFieldHistoryTracked": object.position(&field.name).is_some_and(|at| object.tracks(at)),
        "IsApiFilterable": field.filterable, "IsApiSortable": field.sortable, "IsApiGroupable": field.groupable,
        "IsListVisible": field.filterable,
        "RelationshipName": field.relationship_name,
        "ReferenceTo": json!({"referenceTo": references}), "ReferenceTargetField": field.reference_target_field,
        "IsCompound": field.kind.is_compound() || tx.schema.object(&object.name).is_some_and(|object| {
            object.fields.iter().any(|part| part.name != field.name && part.compound.as_deref() == Some(&field.name))
        }),
    });
    let further = if kind == FIELDS { of_definition(field) } else { of_particle(ids, object, field) };
    together([names, kinds, further])
}

fn of_definition(field: &Field) -> Value {
    json!({
        "IsIndexed": field.kind == FieldType::Id || field.is_reference() || field.unique || field.external_id || field.name_field
            || matches!(field.name.as_str(), "CreatedDate" | "SystemModstamp" | "RecordTypeId"),
        "IsListFilterable": field.filterable, "IsListSortable": field.sortable,
        "ControllingFieldDefinitionId": field.controller,
        "LastModifiedDate": Value::Null, "LastModifiedById": Value::Null,
        "PublisherId": if field.custom { "<local>" } else { "System" }, "RunningUserFieldAccessId": Value::Null,
        "IsSearchPrefilterable": field.search_prefilterable, "IsPolymorphicForeignKey": field.polymorphic_foreign_key,
        "IsAiPredictionField": false, "BusinessOwnerId": Value::Null, "BusinessStatus": Value::Null,
        "SecurityClassification": Value::Null, "ComplianceGroup": Value::Null, "Description": Value::Null,
    })
}

fn of_particle(ids: &Ids, object: &Object, field: &Field) -> Value {
    let whole = field.compound.as_deref().and_then(|name| object.field(name)).map_or(field, |whole| whole);
    json!({
        "FieldDefinitionId": ids.of_field(object, whole),
        "FieldDefinition": {"QualifiedApiName": whole.name, "DurableId": ids.of_field(object, whole)},
        "Name": field.name, "IsAutonumber": field.auto_number, "ByteLength": field.byte_length(),
        "IsCaseSensitive": field.case_sensitive, "IsUnique": field.unique, "IsCreatable": field.createable,
        "IsUpdatable": field.updateable, "IsDefaultedOnCreate": field.defaulted_on_create,
        "IsWriteRequiresMasterRead": field.write_requires_master_read, "IsPermissionable": field.permissionable,
        "IsEncrypted": field.encrypted, "Digits": field.digits, "InlineHelpText": field.inline_help_text,
        "Mask": field.mask.as_ref().map(|(_, character)| character), "MaskType": field.mask.as_ref().map(|(kind, _)| kind),
        "IsLayoutable": object.layoutable, "IsDependentPicklist": field.dependent_picklist,
        "IsDeprecatedAndHidden": field.deprecated_and_hidden,
        "IsDisplayLocationInDecimal": field.display_location_in_decimal,
        "DefaultValueFormula": field.default_value_formula, "IsIdLookup": field.id_lookup,
        "IsNamePointing": field.name_pointing, "RelationshipOrder": field.relationship_order,
        "IsComponent": field.compound.is_some() && field.compound.as_deref() != Some(field.name.as_str()),
    })
}

/// A type as pages name it: `Text(255)`, `Lookup(Account)`.
fn shown_type(tx: &Tx<'_>, object: &Object, field: &Field) -> String {
    let number = || format!("{}, {}", field.precision.saturating_sub(field.scale), field.scale);
    let plain = match field.kind {
        FieldType::Id => "Lookup()".to_owned(),
        _ if field.auto_number => return "Auto Number".to_owned(),
        FieldType::String if field.name_field && is_name_of_parts(object) => "Name".to_owned(),
        FieldType::String => format!("Text({})", field.length),
        FieldType::Textarea if field.html_formatted => format!("Rich Text Area({})", field.length),
        FieldType::Textarea if field.length > 255 => format!("Long Text Area({})", field.length),
        FieldType::Textarea => format!("Text Area({})", field.length),
        FieldType::Boolean => "Checkbox".to_owned(),
        FieldType::Int => format!("Number({}, 0)", field.digits),
        FieldType::Double | FieldType::Long => format!("Number({})", number()),
        FieldType::Currency => format!("Currency({})", number()),
        FieldType::Percent => format!("Percent({})", number()),
        FieldType::Date => "Date".to_owned(),
        FieldType::Datetime => "Date/Time".to_owned(),
        FieldType::Time => "Time".to_owned(),
        FieldType::Picklist | FieldType::Combobox => "Picklist".to_owned(),
        FieldType::Multipicklist => "Picklist (Multi-Select)".to_owned(),
        FieldType::Email => "Email".to_owned(),
        FieldType::Phone => "Phone".to_owned(),
        FieldType::Url => format!("URL({})", field.length),
        FieldType::EncryptedString => format!("Text (Encrypted)({})", field.length),
        FieldType::Address => "Address".to_owned(),
        FieldType::Location => "Geolocation".to_owned(),
        FieldType::Reference if field.reference_to.contains(&object.name) && !field.custom => "Hierarchy".to_owned(),
        FieldType::Reference => {
            let labels: Vec<&str> = field
                .reference_to
                .iter()
                .map(|to| tx.schema.object(to).map_or(to.as_str(), |target| target.label.as_str()))
                .collect();
            let kind = if field.is_master_detail() { "Master-Detail" } else { "Lookup" };
            format!("{kind}({})", labels.join(","))
        }
        other => other.as_str().to_owned(),
    };
    if let Some(summary) = &field.summary {
        let child =
            tx.schema.object(&summary.child_object).map_or(summary.child_object.as_str(), |child| child.label.as_str());
        return format!("Roll-Up Summary ({} {child})", format!("{:?}", summary.operation).to_uppercase());
    }
    let bare = plain.split('(').next().unwrap_or(&plain).trim();
    if field.formula.is_some() { format!("Formula ({bare})") } else { plain }
}

/// People's names have parts.
fn is_name_of_parts(object: &Object) -> bool {
    object.fields.iter().any(|part| part.compound.as_deref() == Some("Name") && part.name != "Name")
}
