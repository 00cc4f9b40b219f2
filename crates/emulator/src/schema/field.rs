// SPDX-License-Identifier: Apache-2.0
//! One field as describe shows it (`salesforce-api.md` 2.5).

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// The type of a field, by describe's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    Id,
    String,
    Textarea,
    Boolean,
    Int,
    Double,
    Currency,
    Percent,
    Date,
    Datetime,
    Time,
    Picklist,
    Multipicklist,
    Combobox,
    Reference,
    Email,
    Phone,
    Url,
    EncryptedString,
    Base64,
    Address,
    Location,
    #[serde(rename = "anyType")]
    AnyType,
    Long,
    DataCategoryGroupReference,
    ComplexValue,
    Json,
}

impl FieldType {
    /// Describe's `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            FieldType::Id => "id",
            FieldType::String => "string",
            FieldType::Textarea => "textarea",
            FieldType::Boolean => "boolean",
            FieldType::Int => "int",
            FieldType::Double => "double",
            FieldType::Currency => "currency",
            FieldType::Percent => "percent",
            FieldType::Date => "date",
            FieldType::Datetime => "datetime",
            FieldType::Time => "time",
            FieldType::Picklist => "picklist",
            FieldType::Multipicklist => "multipicklist",
            FieldType::Combobox => "combobox",
            FieldType::Reference => "reference",
            FieldType::Email => "email",
            FieldType::Phone => "phone",
            FieldType::Url => "url",
            FieldType::EncryptedString => "encryptedstring",
            FieldType::Base64 => "base64",
            FieldType::Address => "address",
            FieldType::Location => "location",
            FieldType::AnyType => "anyType",
            FieldType::Long => "long",
            FieldType::DataCategoryGroupReference => "datacategorygroupreference",
            FieldType::ComplexValue => "complexvalue",
            FieldType::Json => "json",
        }
    }

    /// Describe's `soapType`.
    pub fn soap_type(self) -> &'static str {
        match self {
            FieldType::Id | FieldType::Reference => "tns:ID",
            FieldType::Boolean => "xsd:boolean",
            FieldType::Int => "xsd:int",
            FieldType::Long => "xsd:long",
            FieldType::Double | FieldType::Currency | FieldType::Percent => "xsd:double",
            FieldType::Date => "xsd:date",
            FieldType::Datetime => "xsd:dateTime",
            FieldType::Time => "xsd:time",
            FieldType::Base64 => "xsd:base64Binary",
            FieldType::AnyType => "xsd:anyType",
            FieldType::Address => "urn:address",
            FieldType::Location => "urn:location",
            FieldType::Json => "tns:json",
            _ => "xsd:string",
        }
    }

    /// Double, currency and percent: numbers that JSON shows with a fraction.
    pub fn has_fraction(self) -> bool {
        matches!(self, FieldType::Double | FieldType::Currency | FieldType::Percent)
    }

    pub fn is_number(self) -> bool {
        self.has_fraction() || matches!(self, FieldType::Int | FieldType::Long)
    }

    /// Address and location: made of other fields, without a column of their own.
    pub fn is_compound(self) -> bool {
        matches!(self, FieldType::Address | FieldType::Location)
    }

    /// Stored and compared as text that people wrote.
    pub fn is_text(self) -> bool {
        !self.is_number()
            && !self.is_compound()
            && !matches!(
                self,
                FieldType::Id
                    | FieldType::Reference
                    | FieldType::Boolean
                    | FieldType::Date
                    | FieldType::Datetime
                    | FieldType::Time
                    | FieldType::Base64
            )
    }
}

/// One value of a picklist.
#[derive(Clone, Debug, PartialEq, Eq, Default, Hash)]
pub struct PicklistValue {
    pub active: bool,
    pub default_value: bool,
    pub label: String,
    pub value: String,
    /// Base64 of a bitmap over the controlling field's values.
    pub valid_for: Option<String>,
}

/// The filter of a lookup field.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilteredLookup {
    pub controlling_fields: Vec<String>,
    /// Whether it looks at fields of the record itself.
    pub dependent: bool,
    /// Whether values outside may be chosen.
    pub optional_filter: bool,
}

/// What a roll-up summary field computes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Summary {
    pub operation: SummaryOperation,
    pub child_object: String,
    /// The child's master-detail field.
    pub child_field: String,
    /// The child's field that is summed; none for a count.
    pub summed_field: Option<String>,
    /// What a child must fulfil to be counted.
    #[serde(default)]
    pub filters: Vec<SummaryFilter>,
}

/// A condition of a roll-up on its children.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SummaryFilter {
    /// A field of the child.
    pub field: String,
    /// `equals`, `notEqual`, `lessThan` … as metadata writes it.
    pub operator: String,
    /// Several are separated by commas; true and false are written `True` and `False`.
    pub value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SummaryOperation {
    Count,
    Sum,
    Min,
    Max,
}

/// One field of an object. Names of the members are describe's, in this language's spelling.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Field {
    pub name: String,
    pub label: String,
    pub kind: FieldType,
    pub length: u32,
    pub precision: u32,
    pub scale: u32,
    pub digits: u32,
    pub nillable: bool,
    pub createable: bool,
    pub updateable: bool,
    pub defaulted_on_create: bool,
    pub filterable: bool,
    pub sortable: bool,
    pub groupable: bool,
    pub aggregatable: bool,
    pub unique: bool,
    pub external_id: bool,
    pub id_lookup: bool,
    pub case_sensitive: bool,
    pub calculated: bool,
    pub auto_number: bool,
    pub encrypted: bool,
    pub html_formatted: bool,
    pub restricted_picklist: bool,
    pub dependent_picklist: bool,
    pub name_field: bool,
    pub name_pointing: bool,
    pub polymorphic_foreign_key: bool,
    pub custom: bool,
    pub permissionable: bool,
    pub deprecated_and_hidden: bool,
    pub write_requires_master_read: bool,
    pub query_by_distance: bool,
    pub search_prefilterable: bool,
    /// A reference whose target's delete takes this record along.
    pub cascade_delete: bool,
    /// A reference that keeps its target from being deleted.
    pub restricted_delete: bool,
    pub picklist: Vec<PicklistValue>,
    pub reference_to: Vec<String>,
    pub relationship_name: Option<String>,
    /// How the parents call the records that refer to them by this field.
    pub child_relationship_name: Option<String>,
    /// 0 and 1 for a master-detail field, else none.
    pub relationship_order: Option<u8>,
    /// The compound field this one is a part of.
    pub compound: Option<String>,
    pub extra_type_info: Option<String>,
    pub inline_help_text: Option<String>,
    /// The value a new record gets when the caller gave none.
    pub default_value: Option<Value>,
    pub formula: Option<String>,
    pub summary: Option<Summary>,
    /// E.g. `INV-{0000}`.
    pub auto_number_format: Option<String>,
    /// The controlling field of a dependent picklist.
    pub controller: Option<String>,
    /// A default that is computed, as deployed.
    pub default_value_formula: Option<String>,
    pub filtered_lookup: Option<FilteredLookup>,
    /// Blank numbers count as zero in the formula.
    pub formula_treat_null_number_as_zero: bool,
    /// A geolocation that pages show in decimals.
    pub display_location_in_decimal: bool,
    /// What an indirect lookup compares: a field of its target.
    pub reference_target_field: Option<String>,
    /// `all` or `lastFour`, `asterisk` or `X`: how an encrypted field is masked.
    pub mask: Option<(String, String)>,
}

impl Field {
    /// Describe's `soapType`.
    pub fn soap_type(&self) -> &'static str {
        self.kind.soap_type()
    }

    /// Describe's `byteLength`: three bytes for a character; 18 for an Id, none for the rest.
    pub fn byte_length(&self) -> u32 {
        match self.kind {
            FieldType::Id | FieldType::Reference => 18,
            kind if kind.is_text() => self.length.saturating_mul(3),
            _ => 0,
        }
    }

    /// Whether the table has a column for it. Compound fields have none.
    pub fn stored(&self) -> bool {
        !self.kind.is_compound()
    }

    pub fn is_reference(&self) -> bool {
        self.kind == FieldType::Reference
    }

    /// A reference to exactly one object that is its master.
    pub fn is_master_detail(&self) -> bool {
        self.is_reference() && self.relationship_order.is_some()
    }

    /// What a caller must give on create (2.5): createable, not nillable, not defaulted, and no boolean.
    pub fn required_on_create(&self) -> bool {
        self.createable && !self.nillable && !self.defaulted_on_create && self.kind != FieldType::Boolean
    }
}
