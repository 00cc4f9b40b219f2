// SPDX-License-Identifier: Apache-2.0
//! The flags of a field by describe's names, and what is usual for a type.

use super::{Field, FieldType};

const FLAGS: [&str; 28] = [
    "nillable",
    "createable",
    "updateable",
    "defaultedOnCreate",
    "filterable",
    "sortable",
    "groupable",
    "aggregatable",
    "unique",
    "externalId",
    "idLookup",
    "caseSensitive",
    "calculated",
    "autoNumber",
    "encrypted",
    "htmlFormatted",
    "restrictedPicklist",
    "dependentPicklist",
    "nameField",
    "namePointing",
    "polymorphicForeignKey",
    "permissionable",
    "deprecatedAndHidden",
    "writeRequiresMasterRead",
    "queryByDistance",
    "searchPrefilterable",
    "cascadeDelete",
    "restrictedDelete",
];

impl Field {
    /// A field of this type with everything as is usual for it: writable, nillable, filterable where the type allows.
    pub fn usual(name: &str, label: &str, kind: FieldType, length: u32) -> Field {
        let long_text = kind == FieldType::Textarea && length > 255;
        let opaque = long_text
            || matches!(
                kind,
                FieldType::Base64
                    | FieldType::EncryptedString
                    | FieldType::ComplexValue
                    | FieldType::Json
                    | FieldType::AnyType
            );
        let boolean = kind == FieldType::Boolean;
        let many = kind == FieldType::Multipicklist;
        let whole = kind.is_compound();
        Field {
            name: name.to_owned(),
            label: label.to_owned(),
            kind,
            length,
            precision: 0,
            scale: 0,
            digits: 0,
            nillable: !boolean,
            createable: !whole,
            updateable: !whole,
            defaulted_on_create: boolean,
            filterable: !opaque,
            sortable: !opaque && !many && !whole,
            groupable: !(opaque
                || many
                || whole
                || kind.has_fraction()
                || matches!(kind, FieldType::Datetime | FieldType::Time)),
            aggregatable: !(opaque || many || whole || boolean || kind == FieldType::Time),
            unique: false,
            external_id: false,
            id_lookup: false,
            case_sensitive: false,
            calculated: false,
            auto_number: false,
            encrypted: kind == FieldType::EncryptedString,
            html_formatted: false,
            restricted_picklist: false,
            dependent_picklist: false,
            name_field: false,
            name_pointing: false,
            polymorphic_foreign_key: false,
            custom: name.ends_with("__c") || name.ends_with("__s"),
            permissionable: false,
            deprecated_and_hidden: false,
            write_requires_master_read: false,
            query_by_distance: whole,
            search_prefilterable: false,
            cascade_delete: false,
            restricted_delete: false,
            picklist: Vec::new(),
            reference_to: Vec::new(),
            relationship_name: None,
            child_relationship_name: None,
            relationship_order: None,
            compound: None,
            extra_type_info: None,
            inline_help_text: None,
            default_value: None,
            formula: None,
            summary: None,
            auto_number_format: None,
            controller: None,
            default_value_formula: None,
            filtered_lookup: None,
            formula_treat_null_number_as_zero: false,
            display_location_in_decimal: false,
            reference_target_field: None,
            mask: None,
        }
    }

    /// All flags false, for a description that lists the true ones.
    pub(super) fn clear_flags(&mut self) {
        for word in FLAGS {
            self.set_flag(&format!("!{word}"));
        }
    }

    /// Sets or, with a leading `!`, clears one of describe's flags. False when there is no such flag.
    pub fn set_flag(&mut self, word: &str) -> bool {
        let (on, name) = match word.strip_prefix('!') {
            Some(name) => (false, name),
            None => (true, word),
        };
        let flag = match name {
            "nillable" => &mut self.nillable,
            "createable" => &mut self.createable,
            "updateable" => &mut self.updateable,
            "defaultedOnCreate" => &mut self.defaulted_on_create,
            "filterable" => &mut self.filterable,
            "sortable" => &mut self.sortable,
            "groupable" => &mut self.groupable,
            "aggregatable" => &mut self.aggregatable,
            "unique" => &mut self.unique,
            "externalId" => &mut self.external_id,
            "idLookup" => &mut self.id_lookup,
            "caseSensitive" => &mut self.case_sensitive,
            "calculated" => &mut self.calculated,
            "autoNumber" => &mut self.auto_number,
            "encrypted" => &mut self.encrypted,
            "htmlFormatted" => &mut self.html_formatted,
            "restrictedPicklist" => &mut self.restricted_picklist,
            "dependentPicklist" => &mut self.dependent_picklist,
            "nameField" => &mut self.name_field,
            "namePointing" => &mut self.name_pointing,
            "polymorphicForeignKey" => &mut self.polymorphic_foreign_key,
            "permissionable" => &mut self.permissionable,
            "deprecatedAndHidden" => &mut self.deprecated_and_hidden,
            "writeRequiresMasterRead" => &mut self.write_requires_master_read,
            "queryByDistance" => &mut self.query_by_distance,
            "searchPrefilterable" => &mut self.search_prefilterable,
            "cascadeDelete" => &mut self.cascade_delete,
            "restrictedDelete" => &mut self.restricted_delete,
            _ => return false,
        };
        *flag = on;
        true
    }
}
