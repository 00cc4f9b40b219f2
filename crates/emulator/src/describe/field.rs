// SPDX-License-Identifier: Apache-2.0
//! One field of a describe, with every key that a real org sends (`salesforce-api.md` 2.5).

use serde::{Serialize, Serializer};

use super::View;
use crate::record::access;
use crate::schema::{Field, FilteredLookup, Object, PicklistValue};
use crate::value;

/// A field as describe shows it. The order is that of the answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribedField<'a> {
    pub aggregatable: bool,
    pub ai_prediction_field: bool,
    pub auto_number: bool,
    pub byte_length: u32,
    pub calculated: bool,
    pub calculated_formula: Option<&'a str>,
    pub cascade_delete: bool,
    pub case_sensitive: bool,
    pub compound_field_name: Option<&'a str>,
    pub controller_name: Option<&'a str>,
    pub createable: bool,
    pub custom: bool,
    pub default_value: Option<serde_json::Value>,
    pub default_value_formula: Option<&'a str>,
    pub defaulted_on_create: bool,
    pub dependent_picklist: bool,
    pub deprecated_and_hidden: bool,
    pub digits: u32,
    pub display_location_in_decimal: bool,
    pub encrypted: bool,
    pub external_id: bool,
    pub extra_type_info: Option<&'a str>,
    pub filterable: bool,
    pub filtered_lookup_info: Option<&'a FilteredLookup>,
    pub formula_treat_null_number_as_zero: bool,
    pub groupable: bool,
    pub high_scale_number: bool,
    pub html_formatted: bool,
    pub id_lookup: bool,
    pub inline_help_text: Option<&'a str>,
    pub label: &'a str,
    pub length: u32,
    pub mask: Option<&'a str>,
    pub mask_type: Option<&'a str>,
    pub name: &'a str,
    pub name_field: bool,
    pub name_pointing: bool,
    pub nillable: bool,
    pub permissionable: bool,
    #[serde(serialize_with = "picklist")]
    pub picklist_values: &'a [PicklistValue],
    pub polymorphic_foreign_key: bool,
    pub precision: u32,
    pub query_by_distance: bool,
    pub reference_target_field: Option<&'a str>,
    pub reference_to: &'a [String],
    pub relationship_name: Option<&'a str>,
    pub relationship_order: Option<u8>,
    pub restricted_delete: bool,
    pub restricted_picklist: bool,
    pub scale: u32,
    pub search_prefilterable: bool,
    pub soap_type: &'static str,
    pub sortable: bool,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub unique: bool,
    pub updateable: bool,
    pub write_requires_master_read: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Choice<'a> {
    active: bool,
    default_value: bool,
    label: &'a str,
    valid_for: Option<&'a str>,
    value: &'a str,
}

fn picklist<S: Serializer>(values: &&[PicklistValue], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(values.iter().map(|one| Choice {
        active: one.active,
        default_value: one.default_value,
        label: &one.label,
        valid_for: one.valid_for.as_deref(),
        value: &one.value,
    }))
}

impl<'a> DescribedField<'a> {
    /// `written`: whether field-level security lets the caller write it.
    pub(super) fn new(view: View<'a>, object: &'a Object, field: &'a Field, written: bool) -> DescribedField<'a> {
        DescribedField {
            aggregatable: field.aggregatable,
            ai_prediction_field: false,
            auto_number: field.auto_number,
            byte_length: field.byte_length(),
            calculated: field.calculated,
            calculated_formula: field.formula.as_deref(),
            // What a delete does to children by a standard field is told by the parent alone, as recorded.
            cascade_delete: field.cascade_delete && field.custom,
            case_sensitive: field.case_sensitive,
            compound_field_name: field.compound.as_deref(),
            controller_name: field.controller.as_deref(),
            createable: access::createable(view.schema, object, field, view.caller),
            custom: field.custom,
            default_value: field.default_value.as_ref().map(|default| value::json(default, field)),
            default_value_formula: field.default_value_formula.as_deref(),
            defaulted_on_create: field.defaulted_on_create,
            dependent_picklist: field.dependent_picklist,
            deprecated_and_hidden: field.deprecated_and_hidden,
            digits: field.digits,
            display_location_in_decimal: field.display_location_in_decimal,
            encrypted: field.encrypted,
            external_id: field.external_id,
            extra_type_info: field.extra_type_info.as_deref(),
            filterable: field.filterable,
            filtered_lookup_info: field.filtered_lookup.as_ref(),
            formula_treat_null_number_as_zero: field.formula_treat_null_number_as_zero,
            groupable: field.groupable,
            high_scale_number: false,
            html_formatted: field.html_formatted,
            id_lookup: field.id_lookup,
            inline_help_text: field.inline_help_text.as_deref(),
            label: &field.label,
            length: field.length,
            mask: field.mask.as_ref().map(|(mask, _)| mask.as_str()),
            mask_type: field.mask.as_ref().map(|(_, kind)| kind.as_str()),
            name: &field.name,
            name_field: field.name_field,
            name_pointing: field.name_pointing,
            nillable: field.nillable,
            permissionable: field.permissionable,
            picklist_values: &field.picklist,
            polymorphic_foreign_key: field.polymorphic_foreign_key,
            precision: field.precision,
            query_by_distance: field.query_by_distance,
            reference_target_field: field.reference_target_field.as_deref(),
            reference_to: &field.reference_to,
            relationship_name: field.relationship_name.as_deref(),
            relationship_order: field.relationship_order,
            restricted_delete: field.restricted_delete && field.custom,
            restricted_picklist: field.restricted_picklist,
            scale: field.scale,
            search_prefilterable: field.search_prefilterable,
            soap_type: field.soap_type(),
            sortable: field.sortable,
            kind: field.kind.as_str(),
            unique: field.unique,
            updateable: field.updateable && written,
            write_requires_master_read: field.write_requires_master_read,
        }
    }
}
