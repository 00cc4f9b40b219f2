// SPDX-License-Identifier: Apache-2.0
//! What objects and fields an org has, as it says itself (`salesforce-api.md` 2.4, 2.5).
//!
//! Unknown members and types are tolerated: an org is always newer than its client.

use std::time::SystemTime;

use http::HeaderValue;
use http::header::IF_MODIFIED_SINCE;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::call::{Call, from_json};
use crate::error::Result;
use crate::org::Org;
use crate::records::DatetimeFields;

/// An object in the list of all objects.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectSummary {
    pub name: String,
    pub label: String,
    pub label_plural: String,
    /// First three characters of its records' Ids; `None` where they have none of their own.
    pub key_prefix: Option<String>,
    pub activateable: bool,
    /// `History`, `Share`, `Feed`, `ChangeEvent`, … for companions that the org makes for another object.
    pub associate_entity_type: Option<String>,
    /// That other object.
    pub associate_parent_entity: Option<String>,
    pub createable: bool,
    pub custom: bool,
    pub custom_setting: bool,
    pub deletable: bool,
    pub deprecated_and_hidden: bool,
    pub feed_enabled: bool,
    pub has_subtypes: bool,
    pub is_interface: bool,
    pub is_subtype: bool,
    pub layoutable: bool,
    pub mergeable: bool,
    pub mru_enabled: bool,
    pub queryable: bool,
    pub replicateable: bool,
    pub retrieveable: bool,
    pub searchable: bool,
    pub triggerable: bool,
    pub undeletable: bool,
    pub updateable: bool,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Describe {
    pub name: String,
    pub label: String,
    pub label_plural: String,
    pub key_prefix: Option<String>,
    pub associate_entity_type: Option<String>,
    pub associate_parent_entity: Option<String>,
    pub createable: bool,
    pub custom: bool,
    pub custom_setting: bool,
    pub deletable: bool,
    pub deprecated_and_hidden: bool,
    pub feed_enabled: bool,
    pub has_subtypes: bool,
    pub is_interface: bool,
    pub is_subtype: bool,
    pub mergeable: bool,
    pub queryable: bool,
    pub replicateable: bool,
    pub retrieveable: bool,
    pub searchable: bool,
    pub triggerable: bool,
    pub undeletable: bool,
    pub updateable: bool,
    pub fields: Vec<Field>,
    pub child_relationships: Vec<ChildRelationship>,
    pub record_type_infos: Vec<RecordTypeInfo>,
    /// The whole body as the org sent it, a JSON object.
    #[serde(skip)]
    pub raw: String,
}

impl Describe {
    /// The field of this name, in any case.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// A describe as the org sent it, or as it was kept of it, for instance in a vault.
    ///
    /// # Errors
    ///
    /// `Corrupt` where it is not one.
    pub fn parse(raw: &[u8]) -> Result<Describe> {
        let mut describe: Describe = from_json(raw, "reading a describe")?;
        describe.raw = String::from_utf8_lossy(raw).into_owned();
        Ok(describe)
    }
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Field {
    pub name: String,
    pub label: String,
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// `tns:ID`, `xsd:string`, …
    pub soap_type: String,
    /// Characters; 0 for types that have no length.
    pub length: u32,
    pub byte_length: u32,
    /// Of an integer.
    pub digits: u32,
    /// Digits in all of a number, and of these after the point.
    pub precision: u32,
    pub scale: u32,
    pub aggregatable: bool,
    pub auto_number: bool,
    pub calculated: bool,
    pub calculated_formula: Option<String>,
    pub cascade_delete: bool,
    pub case_sensitive: bool,
    /// The compound field that this one is a part of.
    pub compound_field_name: Option<String>,
    /// The field whose value decides which values of this picklist are valid.
    pub controller_name: Option<String>,
    pub createable: bool,
    pub custom: bool,
    pub default_value: Option<Value>,
    pub default_value_formula: Option<String>,
    pub defaulted_on_create: bool,
    pub dependent_picklist: bool,
    pub deprecated_and_hidden: bool,
    pub encrypted: bool,
    pub external_id: bool,
    /// `richtextarea`, `plaintextarea`, `personname`, `externallookup`, …
    pub extra_type_info: Option<String>,
    pub filterable: bool,
    pub groupable: bool,
    pub html_formatted: bool,
    pub id_lookup: bool,
    pub inline_help_text: Option<String>,
    pub name_field: bool,
    pub name_pointing: bool,
    pub nillable: bool,
    pub permissionable: bool,
    pub picklist_values: Vec<PicklistValue>,
    pub polymorphic_foreign_key: bool,
    pub reference_target_field: Option<String>,
    /// Objects that a reference may lead to.
    pub reference_to: Vec<String>,
    /// Name of the reference in paths: `Owner` for `OwnerId`.
    pub relationship_name: Option<String>,
    /// 0 or 1 for the first or second master of a detail object.
    pub relationship_order: Option<u32>,
    pub restricted_delete: bool,
    pub restricted_picklist: bool,
    pub sortable: bool,
    pub unique: bool,
    pub updateable: bool,
    pub write_requires_master_read: bool,
}

impl Field {
    /// A create without it is refused (`salesforce-api.md` 2.5).
    pub fn required_on_create(&self) -> bool {
        self.createable && !self.nillable && !self.defaulted_on_create && self.field_type != FieldType::Boolean
    }

    /// A compound field: its parts are fields of their own, and Bulk API 2.0 cannot select it (`salesforce-api.md`
    /// 3.1).
    pub fn is_compound(&self) -> bool {
        matches!(self.field_type, FieldType::Address | FieldType::Location | FieldType::ComplexValue)
    }
}

macro_rules! field_types {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// `type` of a field's describe. New ones are kept by their name.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum FieldType { $($variant,)* Other(String) }

        impl FieldType {
            /// Salesforce's name for it.
            pub fn name(&self) -> &str {
                match self { $(FieldType::$variant => $name,)* FieldType::Other(name) => name }
            }
        }

        impl From<&str> for FieldType {
            fn from(name: &str) -> FieldType {
                match name { $($name => FieldType::$variant,)* other => FieldType::Other(other.to_owned()) }
            }
        }
    };
}

field_types! {
    Text "string", Picklist "picklist", Multipicklist "multipicklist", Combobox "combobox", Reference "reference",
    Base64 "base64", Boolean "boolean", Currency "currency", Textarea "textarea", Int "int", Double "double",
    Percent "percent", Phone "phone", Id "id", Date "date", Datetime "datetime", Time "time", Url "url", Email "email",
    EncryptedString "encryptedstring", DataCategoryGroupReference "datacategorygroupreference", Location "location",
    Address "address", AnyType "anyType", Json "json", ComplexValue "complexvalue", Long "long",
    FloatArray "floatarray", TextArray "textarray",
}

impl Default for FieldType {
    fn default() -> FieldType {
        FieldType::Other(String::new())
    }
}

impl<'de> Deserialize<'de> for FieldType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FieldType, D::Error> {
        Ok(FieldType::from(std::borrow::Cow::<'de, str>::deserialize(deserializer)?.as_ref()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PicklistValue {
    pub active: bool,
    pub default_value: bool,
    pub label: Option<String>,
    pub value: String,
    /// Base64 bitmap: bit *i*, most significant first, is the controlling field's value *i*.
    pub valid_for: Option<String>,
}

/// A field of another object that leads here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChildRelationship {
    pub cascade_delete: bool,
    #[serde(rename = "childSObject")]
    pub child_object: String,
    pub deprecated_and_hidden: bool,
    pub field: String,
    pub junction_id_list_names: Vec<String>,
    pub junction_reference_to: Vec<String>,
    pub relationship_name: Option<String>,
    pub restricted_delete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordTypeInfo {
    pub active: bool,
    pub available: bool,
    pub default_record_type_mapping: bool,
    pub developer_name: String,
    /// The one that every object has, `012000000000000AAA`.
    pub master: bool,
    pub name: String,
    pub record_type_id: String,
}

fn summaries(body: &[u8]) -> Result<Vec<ObjectSummary>> {
    #[derive(Deserialize)]
    struct Global {
        sobjects: Vec<ObjectSummary>,
    }
    Ok(from_json::<Global>(body, "listing the org's objects")?.sobjects)
}

impl Org {
    /// Every object that the user can see.
    pub async fn describe_global(&self) -> Result<Vec<ObjectSummary>> {
        summaries(&self.client.whole(&self.global()).await?)
    }

    /// The same, or `None` where the metadata of no object that the user can see has changed since then (`salesforce-api.md` 2.4).
    pub async fn describe_global_since(&self, since: SystemTime) -> Result<Option<Vec<ObjectSummary>>> {
        let mut call = self.global();
        let date = httpdate::fmt_http_date(since);
        call.headers.insert(IF_MODIFIED_SINCE, HeaderValue::from_str(&date).expect("a date is a header value"));
        let body = self.client.whole(&call).await?;
        if body.is_empty() { Ok(None) } else { summaries(&body).map(Some) }
    }

    fn global(&self) -> Call {
        Call::get("rest", self.client.url(&["sobjects"]), "listing the org's objects")
    }

    pub async fn describe(&self, object: &str) -> Result<Describe> {
        let doing = format!("describing {object}");
        let call = Call::get("rest", self.client.url(&["sobjects", object, "describe"]), doing);
        let describe = Describe::parse(&self.client.whole(&call).await?)?;
        self.know(&describe);
        Ok(describe)
    }

    /// Takes note of a describe that is known from elsewhere: rows of its object can then be read without asking for it.
    pub fn know(&self, describe: &Describe) {
        let fields = describe.fields.iter().filter(|field| field.field_type == FieldType::Datetime);
        let fields: DatetimeFields = fields.map(|field| field.name.to_ascii_lowercase()).collect();
        let mut known = self.datetime_fields.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.insert(describe.name.to_ascii_lowercase(), Some(fields));
    }
}
