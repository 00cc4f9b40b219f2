// SPDX-License-Identifier: Apache-2.0
//! The objects that the platform makes beside another one (`salesforce-api.md` 2.4, 6.9): its field history, its shares, its
//! feed and its change events. All of a kind look alike, so they are made from their parent instead of being described one by
//! one; the names of their reference fields and of the relationships are those that recorded parents give them.
//!
//! The flags of their fields are partly a guess: no whole describe of a companion is recorded.

use std::sync::Arc;

use super::custom::{system, user};
use super::{Field, FieldType, Object, PicklistValue};
use crate::value::Value;

/// What a companion keeps of its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Companion {
    History,
    Share,
    Feed,
    ChangeEvent,
}

/// Shares that name their parent after it; in all others the field is `ParentId`.
const SHARES_BY_NAME: [&str; 10] =
    ["Account", "Asset", "Campaign", "Case", "Contact", "Individual", "Lead", "Opportunity", "Order", "User"];
/// What a feed shows of its feed items, in order.
const FEED_FIELDS: [&str; 18] = [
    "Id",
    "ParentId",
    "Type",
    "CreatedById",
    "CreatedDate",
    "IsDeleted",
    "LastModifiedDate",
    "SystemModstamp",
    "CommentCount",
    "LikeCount",
    "Title",
    "Body",
    "LinkUrl",
    "IsRichText",
    "RelatedRecordId",
    "InsertedById",
    "NetworkScope",
    "BestCommentId",
];
/// What changes without a change event, or is no data.
const NOT_IN_EVENTS: [&str; 8] = [
    "IsDeleted",
    "SystemModstamp",
    "LastActivityDate",
    "LastViewedDate",
    "LastReferencedDate",
    "MasterRecordId",
    "PhotoUrl",
    "IsArchived",
];

impl Companion {
    pub const ALL: [Companion; 4] = [Companion::History, Companion::Share, Companion::Feed, Companion::ChangeEvent];

    /// `associateEntityType` of a describe.
    pub fn as_str(self) -> &'static str {
        match self {
            Companion::History => "History",
            Companion::Share => "Share",
            Companion::Feed => "Feed",
            Companion::ChangeEvent => "ChangeEvent",
        }
    }

    pub fn named(name: &str) -> Option<Companion> {
        Companion::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The companion's name.
    pub fn name_for(self, parent: &str) -> String {
        match (parent.strip_suffix("__c"), self) {
            (Some(stem), _) => format!("{stem}__{}", self.as_str()),
            (None, Companion::History) if parent == "Opportunity" => "OpportunityFieldHistory".to_owned(),
            (None, _) => format!("{parent}{}", self.as_str()),
        }
    }

    /// The companion of this parent. A feed takes the form of its fields from `FeedItem`, and has few without it.
    pub fn of(self, parent: &Object, feed_item: Option<&Object>) -> Object {
        let mut object = self.frame(parent);
        object.fields = match self {
            Companion::History => history(parent),
            Companion::Share => share(parent),
            Companion::Feed => feed(parent, feed_item),
            Companion::ChangeEvent => change_event(parent),
        }
        .into_iter()
        .map(Arc::new)
        .collect();
        object
    }

    /// Everything but the fields.
    fn frame(self, parent: &Object) -> Object {
        let word = if self == Companion::ChangeEvent { "Change Event" } else { self.as_str() };
        let label = format!("{} {word}", parent.label);
        let (prefix, told) = self.prefix(parent);
        Object {
            name: self.name_for(&parent.name),
            label_plural: label.clone(),
            label,
            key_prefix: prefix.map(str::to_owned),
            key_prefix_untold: !told,
            queryable: self != Companion::ChangeEvent,
            retrieveable: true,
            createable: self == Companion::Share,
            updateable: self == Companion::Share,
            deletable: matches!(self, Companion::Share | Companion::Feed),
            replicateable: matches!(self, Companion::History | Companion::Feed),
            triggerable: self == Companion::ChangeEvent,
            bulk: self != Companion::ChangeEvent && !self.is_refused_by_bulk(parent),
            associate_entity_type: Some(self.as_str().to_owned()),
            associate_parent_entity: Some(parent.name.clone()),
            ..Object::default()
        }
    }

    /// As connectors found it (3.5).
    fn is_refused_by_bulk(self, parent: &Object) -> bool {
        match self {
            Companion::Feed => matches!(parent.name.as_str(), "Account" | "Asset"),
            Companion::Share => matches!(parent.name.as_str(), "AccountBrand" | "ChannelProgramLevel"),
            Companion::History | Companion::ChangeEvent => false,
        }
    }

    /// The prefix of the Ids, and whether describe tells it.
    fn prefix(self, parent: &Object) -> (Option<&'static str>, bool) {
        match (self, parent.name.as_str()) {
            (Companion::History, _) => (Some("017"), false),
            (Companion::Feed, _) => (Some("0D5"), false),
            (Companion::ChangeEvent, _) => (None, true),
            (Companion::Share, "Account") => (Some("00r"), true),
            (Companion::Share, "Opportunity") => (Some("00t"), true),
            (Companion::Share, "Case") => (Some("01n"), true),
            (Companion::Share, "Lead") => (Some("01o"), true),
            (Companion::Share, "Contact") => (Some("03s"), true),
            (Companion::Share, "Campaign") => (Some("08s"), true),
            (Companion::Share, "User") => (Some("0N2"), true),
            (Companion::Share, _) => (Some("02c"), false),
        }
    }
}

/// The reference to the parent, whose delete takes the row along.
fn through(name: &str, parent: &Object, children: &str) -> Field {
    let mut field = Field::usual(name, &format!("{} ID", parent.label), FieldType::Reference, 18);
    (field.nillable, field.createable, field.updateable, field.cascade_delete) = (false, false, false, true);
    field.reference_to = vec![parent.name.clone()];
    field.relationship_name = Some(name.trim_end_matches("Id").to_owned());
    field.child_relationship_name = Some(children.to_owned());
    field
}

fn read_only(name: &str, label: &str, kind: FieldType, length: u32) -> Field {
    let mut field = Field::usual(name, label, kind, length);
    (field.createable, field.updateable) = (false, false);
    field
}

fn history(parent: &Object) -> Vec<Field> {
    let key = if parent.custom { "ParentId".to_owned() } else { format!("{}Id", parent.name) };
    let children = if parent.name == "Opportunity" { "Histories2" } else { "Histories" };
    let mut changed = read_only("Field", "Changed Field", FieldType::Picklist, 255);
    changed.nillable = false;
    let kind = read_only("DataType", "Datatype", FieldType::Picklist, 40);
    vec![
        system("Id", "History ID", FieldType::Id, 18),
        system("IsDeleted", "Deleted", FieldType::Boolean, 0),
        through(&key, parent, children),
        user("CreatedById", "Created By ID"),
        system("CreatedDate", "Created Date", FieldType::Datetime, 0),
        changed,
        kind,
        read_only("OldValue", "Old Value", FieldType::AnyType, 255),
        read_only("NewValue", "New Value", FieldType::AnyType, 255),
    ]
}

fn share(parent: &Object) -> Vec<Field> {
    let named = SHARES_BY_NAME.contains(&parent.name.as_str());
    let stem = if named { parent.name.as_str() } else { "" };
    let key = if named { format!("{stem}Id") } else { "ParentId".to_owned() };
    let mut record = through(&key, parent, "Shares");
    record.createable = true;
    let mut who = Field::usual("UserOrGroupId", "User/Group ID", FieldType::Reference, 18);
    (who.nillable, who.updateable, who.name_pointing, who.polymorphic_foreign_key) = (false, false, true, true);
    who.cascade_delete = true;
    who.reference_to = vec!["Group".to_owned(), "User".to_owned()];
    who.relationship_name = Some("UserOrGroup".to_owned());
    let choice = |name: &str, label: &str, values: &[&str]| {
        let mut field = Field::usual(name, label, FieldType::Picklist, 40);
        field.restricted_picklist = true;
        field.picklist = values.iter().map(|value| choice(value)).collect();
        field
    };
    let level = |of: &str, label: &str| {
        choice(&format!("{of}AccessLevel"), &format!("{label} Access"), &["None", "Read", "Edit", "All"])
    };
    let mut own = level(stem, &parent.label);
    own.nillable = false;
    let mut fields = vec![system("Id", "ID", FieldType::Id, 18), record, who, own];
    if parent.name == "Account" {
        fields.extend(["Opportunity", "Case", "Contact"].map(|of| level(of, of)));
    }
    let causes = ["Owner", "Manual", "Rule", "Team", "ImplicitChild", "ImplicitParent"];
    let mut cause = choice("RowCause", "Row Cause", &causes);
    // Sharing reasons of custom objects are values of their own.
    cause.restricted_picklist = !parent.custom;
    (cause.updateable, cause.defaulted_on_create, cause.default_value) = (false, true, Some(Value::from("Manual")));
    fields.extend([
        cause,
        system("LastModifiedDate", "Last Modified Date", FieldType::Datetime, 0),
        user("LastModifiedById", "Last Modified By ID"),
        system("IsDeleted", "Deleted", FieldType::Boolean, 0),
    ]);
    fields
}

fn choice(value: &str) -> PicklistValue {
    PicklistValue { active: true, label: value.to_owned(), value: value.to_owned(), ..PicklistValue::default() }
}

/// Rows of a feed are the feed items of one parent object; their Ids are those of `FeedItem`.
fn feed(parent: &Object, feed_item: Option<&Object>) -> Vec<Field> {
    let item =
        |name: &&str| feed_item?.fields.iter().find(|field| field.name == **name).map(|field| Field::clone(field));
    let mut fields: Vec<Field> = FEED_FIELDS.iter().filter_map(item).collect();
    if fields.is_empty() {
        fields = vec![
            system("Id", "Feed Item ID", FieldType::Id, 18),
            user("CreatedById", "Created By ID"),
            system("CreatedDate", "Created Date", FieldType::Datetime, 0),
            system("IsDeleted", "Deleted", FieldType::Boolean, 0),
        ];
    }
    for field in &mut fields {
        (field.createable, field.updateable) = (false, false);
        field.cascade_delete = false;
        field.child_relationship_name = None;
    }
    let at = fields.iter().position(|field| field.name == "ParentId").unwrap_or(1);
    let at_parent = through("ParentId", parent, "Feeds");
    match fields.get_mut(at) {
        Some(field) if field.name == "ParentId" => *field = at_parent,
        _ => fields.insert(at, at_parent),
    }
    fields
}

/// Change events carry the changed fields of their record; nothing of them can be asked for or written.
fn change_event(parent: &Object) -> Vec<Field> {
    let deaf = |mut field: Field| {
        (field.createable, field.updateable, field.defaulted_on_create) = (false, false, false);
        (field.filterable, field.sortable, field.groupable, field.aggregatable) = (false, false, false, false);
        (field.id_lookup, field.unique, field.external_id, field.auto_number) = (false, false, false, false);
        (field.cascade_delete, field.restricted_delete, field.permissionable) = (false, false, false);
        (field.search_prefilterable, field.query_by_distance) = (false, false);
        (field.default_value, field.formula, field.summary, field.auto_number_format) = (None, None, None, None);
        field.child_relationship_name = None;
        field.relationship_order = None;
        field
    };
    let label = format!("{} Change Event ID", parent.label);
    let mut fields = vec![
        deaf(system("Id", &label, FieldType::Id, 18)),
        deaf(Field::usual("ReplayId", "Replay ID", FieldType::String, 1000)),
        deaf(Field::usual("ChangeEventHeader", "Change Event Header", FieldType::ComplexValue, 0)),
    ];
    let told = |field: &&Arc<Field>| {
        let kept = field.name != "Id" && !NOT_IN_EVENTS.contains(&field.name.as_str());
        kept && !field.calculated && field.kind != FieldType::Base64
    };
    fields.extend(parent.fields.iter().filter(told).map(|field| {
        let mut field = deaf(Field::clone(field));
        field.nillable = field.kind != FieldType::Boolean;
        field
    }));
    fields
}
