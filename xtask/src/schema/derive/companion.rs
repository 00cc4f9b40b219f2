// SPDX-License-Identifier: Apache-2.0
//! The generated companions of an object, `*History`, `*Share` and `*Feed`, which no source describes: all of a kind look
//! alike (`salesforce-api.md` 2.4, 6.9).

use serde_json::{Value, json};

use super::Choices;

const SYSTEM: &str = "defaultedOnCreate filterable sortable";

pub fn object(name: &str, choices: &Choices) -> Option<Value> {
    let parent_of = |parents: &[String], suffix: &str| {
        let parent = name.strip_suffix(suffix)?;
        parents.iter().find(|known| *known == parent).cloned()
    };
    if name == "OpportunityFieldHistory" {
        return Some(history(name, "Opportunity"));
    }
    if let Some(parent) = parent_of(&choices.history, "History") {
        return Some(history(name, &parent));
    }
    if let Some(parent) = parent_of(&choices.share, "Share") {
        return Some(share(name, &parent));
    }
    parent_of(&choices.feed, "Feed").map(|parent| feed(name, &parent))
}

fn id() -> Value {
    json!({"name": "Id", "label": "ID", "type": "id", "length": 18, "is": "defaultedOnCreate filterable sortable groupable aggregatable idLookup"})
}

fn system(name: &str, label: &str, kind: &str) -> Value {
    json!({"name": name, "label": label, "type": kind, "is": SYSTEM})
}

fn user(name: &str, label: &str) -> Value {
    let relationship = name.trim_end_matches("Id");
    json!({"name": name, "label": label, "type": "reference", "length": 18, "is": SYSTEM, "referenceTo": ["User"], "relationshipName": relationship})
}

fn parent_field(field: &str, parent: &str, relationship: &str, children: &str, flags: &str) -> Value {
    json!({"name": field, "label": format!("{parent} ID"), "type": "reference", "length": 18,
        "is": format!("filterable sortable groupable aggregatable cascadeDelete{flags}"),
        "referenceTo": [parent], "relationshipName": relationship, "childRelationshipName": children})
}

/// The prefix of all history objects is 017; `Field` names what changed, the values are text here.
fn history(name: &str, parent: &str) -> Value {
    json!({"name": name, "label": format!("{parent} History"), "labelPlural": format!("{parent} History"), "keyPrefix": "017",
    "flags": "!createable !updateable !deletable !undeletable !searchable !layoutable !triggerable",
    "associateEntityType": "History", "associateParentEntity": parent,
    "fields": [
        id(), system("IsDeleted", "Deleted", "boolean"),
        parent_field(&format!("{parent}Id"), parent, parent, if name.ends_with("FieldHistory") { "Histories2" } else { "Histories" }, ""),
        user("CreatedById", "Created By ID"), system("CreatedDate", "Created Date", "datetime"),
        {"name": "Field", "label": "Changed Field", "type": "picklist", "length": 255, "is": "filterable sortable groupable aggregatable"},
        {"name": "DataType", "label": "Datatype", "type": "picklist", "length": 40, "is": "nillable filterable sortable groupable aggregatable"},
        {"name": "OldValue", "label": "Old Value", "type": "anyType", "length": 255, "is": "nillable"},
        {"name": "NewValue", "label": "New Value", "type": "anyType", "length": 255, "is": "nillable"}
    ]})
}

fn share(name: &str, parent: &str) -> Value {
    let prefix = match parent {
        "Account" => "00r",
        "Opportunity" => "00t",
        "Case" => "01n",
        "Lead" => "01o",
        "Contact" => "03s",
        "Campaign" => "08s",
        "User" => "0N2",
        _ => "02c",
    };
    let key = format!("{parent}Id");
    let mut levels = vec![parent];
    if parent == "Account" {
        levels.extend(["Opportunity", "Case", "Contact"]);
    }
    let mut fields = vec![
        id(),
        parent_field(&key, parent, parent, "Shares", " createable"),
        json!({"name": "UserOrGroupId", "label": "User/Group ID", "type": "reference", "length": 18,
            "is": "createable filterable sortable groupable aggregatable namePointing polymorphicForeignKey",
            "referenceTo": ["Group", "User"], "relationshipName": "UserOrGroup"}),
    ];
    for level in levels {
        let required = if level == parent { "" } else { "nillable " };
        fields.push(json!({"name": format!("{level}AccessLevel"), "label": format!("{level} Access"), "type": "picklist", "length": 40,
            "is": format!("{required}createable updateable filterable sortable groupable aggregatable restrictedPicklist"),
            "picklist": ["None", "Read", "Edit", "All"]}));
    }
    fields.extend([
        json!({"name": "RowCause", "label": "Row Cause", "type": "picklist", "length": 40, "default": "Manual",
            "is": "nillable createable defaultedOnCreate filterable sortable groupable aggregatable restrictedPicklist",
            "picklist": ["Owner", "Manual", "Rule", "Team", "ImplicitChild", "ImplicitParent"]}),
        system("LastModifiedDate", "Last Modified Date", "datetime"),
        user("LastModifiedById", "Last Modified By ID"),
        system("IsDeleted", "Deleted", "boolean"),
    ]);
    json!({"name": name, "label": format!("{parent} Share"), "labelPlural": format!("{parent} Share"), "keyPrefix": prefix,
        "flags": "!undeletable !searchable !layoutable !triggerable !replicateable",
        "associateEntityType": "Share", "associateParentEntity": parent, "fields": fields})
}

/// Rows of a feed are the feed items of one parent object; their Ids are those of `FeedItem`.
fn feed(name: &str, parent: &str) -> Value {
    json!({"name": name, "label": format!("{parent} Feed"), "labelPlural": format!("{parent} Feed"), "keyPrefix": "0D5",
    "flags": "!createable !updateable !undeletable !searchable !layoutable !triggerable !bulk",
    "associateEntityType": "Feed", "associateParentEntity": parent,
    "fields": [
        id(),
        parent_field("ParentId", parent, "Parent", "Feeds", ""),
        {"name": "Type", "label": "Feed Item Type", "type": "picklist", "length": 40, "is": "nillable filterable sortable groupable aggregatable",
            "picklist": ["TrackedChange", "TextPost", "LinkPost", "ContentPost", "PollPost", "CreateRecordEvent"]},
        user("CreatedById", "Created By ID"), system("CreatedDate", "Created Date", "datetime"),
        system("IsDeleted", "Deleted", "boolean"), system("LastModifiedDate", "Last Modified Date", "datetime"),
        system("SystemModstamp", "System Modstamp", "datetime"),
        {"name": "CommentCount", "label": "Comment Count", "type": "int", "digits": 9, "is": "filterable sortable"},
        {"name": "LikeCount", "label": "Like Count", "type": "int", "digits": 9, "is": "filterable sortable"},
        {"name": "Title", "label": "Title", "type": "string", "length": 255, "is": "nillable sortable filterable"},
        {"name": "Body", "label": "Body", "type": "textarea", "length": 10000, "is": "nillable"},
        {"name": "LinkUrl", "label": "Link Url", "type": "url", "length": 1000, "is": "nillable"}
    ]})
}
