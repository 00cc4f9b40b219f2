// SPDX-License-Identifier: Apache-2.0
//! The checked-in schema: complete, consistent, and as recorded describes have it (`salesforce-api.md` 2.5).

use orgkeep_emulator::schema::{FieldType, Schema};

fn required(schema: &Schema, object: &str) -> Vec<String> {
    let object = schema.object(object).expect("the object is there");
    object.fields.iter().filter(|field| field.required_on_create()).map(|field| field.name.clone()).collect()
}

#[test]
fn what_must_be_given_on_create_is_as_in_real_orgs() {
    let schema = Schema::standard();
    assert_eq!(required(&schema, "Account"), ["Name"]);
    assert_eq!(required(&schema, "Contact"), ["LastName"]);
    assert_eq!(required(&schema, "Lead"), ["LastName", "Company"]);
    assert_eq!(required(&schema, "Opportunity"), ["Name", "StageName", "CloseDate"]);
    assert_eq!(required(&schema, "Case"), Vec::<String>::new());
}

#[test]
fn there_are_enough_objects_and_all_that_are_needed() {
    let schema = Schema::standard();
    let standard = schema.objects().filter(|object| !object.custom).count();
    assert!(standard >= 80, "{standard}");
    for name in "Organization User Profile PermissionSet PermissionSetAssignment UserRole Group GroupMember RecordType Account \
                 AccountContactRelation Contact Lead Opportunity OpportunityLineItem OpportunityContactRole Product2 Pricebook2 \
                 PricebookEntry Quote Order OrderItem Contract Asset Case CaseComment Task Event Campaign CampaignMember Note Attachment \
                 ContentDocument ContentVersion ContentDocumentLink EmailMessage Solution Entitlement AccountHistory AccountShare \
                 AccountFeed OpportunityFieldHistory Project__c Project__History Project__Share Billing_Setting__c Region_Rule__mdt"
        .split_whitespace()
    {
        assert!(schema.object(name).is_some(), "{name}");
    }
    assert!(schema.object("acCOUNT").is_some_and(|object| object.field("NAME").is_some()));
    assert_eq!(schema.by_prefix("0D5").map(|object| object.name.as_str()), Some("FeedItem"));
    assert_eq!(schema.by_prefix("001EM0000000001").map(|object| object.name.as_str()), Some("Account"));
}

#[test]
fn everything_named_is_there() {
    let schema = Schema::standard();
    for object in schema.objects() {
        assert!(object.has("Id") || !object.createable, "{} has no Id", object.name);
        assert!(object.key_prefix.as_ref().is_none_or(|prefix| prefix.len() == 3), "{}", object.name);
        let mut names = std::collections::BTreeSet::new();
        for field in &object.fields {
            assert!(names.insert(field.name.to_lowercase()), "{}.{} twice", object.name, field.name);
            for target in &field.reference_to {
                assert!(schema.object(target).is_some(), "{}.{} refers to {target}", object.name, field.name);
            }
            let compound = field.compound.as_ref();
            assert!(
                compound.is_none_or(|whole| object.has(whole)),
                "{}.{} is part of {compound:?}",
                object.name,
                field.name
            );
            assert!(!(field.calculated && (field.createable || field.updateable)), "{}.{}", object.name, field.name);
            assert!(!field.kind.is_text() || field.length > 0, "{}.{} has no length", object.name, field.name);
        }
        for child in &object.children {
            let below = schema.object(&child.object).expect("children are objects");
            assert!(below.field(&child.field).is_some_and(|field| field.reference_to.contains(&object.name)));
        }
        let mut relationships = std::collections::BTreeSet::new();
        for name in object.children.iter().filter_map(|child| child.relationship_name.as_ref()) {
            assert!(relationships.insert(name.to_lowercase()), "{} has two child relationships {name}", object.name);
        }
    }
}

#[test]
fn deletes_cascade_and_are_restricted_as_recorded() {
    // 6.7
    let schema = Schema::standard();
    let account = schema.object("Account").expect("there");
    let child = |object: &str, field: &str| {
        let found = account.children.iter().find(|child| child.object == object && child.field == field);
        found.map(|child| (child.cascade_delete, child.restricted_delete))
    };
    for (object, field) in [
        ("Contact", "AccountId"),
        ("Opportunity", "AccountId"),
        ("Asset", "AccountId"),
        ("Attachment", "ParentId"),
        ("Task", "WhatId"),
        ("AccountShare", "AccountId"),
    ] {
        assert_eq!(child(object, field), Some((true, false)), "{object}.{field}");
    }
    for (object, field) in [("Case", "AccountId"), ("Order", "AccountId"), ("Contract", "AccountId")] {
        assert_eq!(child(object, field).map(|(_, restricted)| restricted), Some(true), "{object}.{field}");
    }
    assert_eq!(child("Account", "ParentId"), Some((false, false)));
}

#[test]
fn the_demonstration_org_has_every_kind_of_field() {
    let schema = Schema::standard();
    let project = schema.object("Project__c").expect("there");
    let kind = |name: &str| project.field(name).map(|field| field.kind);
    for (name, wanted) in [
        ("Secret__c", FieldType::EncryptedString),
        ("Regions__c", FieldType::Multipicklist),
        ("Site__c", FieldType::Location),
        ("Site__Latitude__s", FieldType::Double),
        ("Standup__c", FieldType::Time),
        ("Budget__c", FieldType::Currency),
        ("Margin__c", FieldType::Percent),
        ("Notes__c", FieldType::Textarea),
    ] {
        assert_eq!(kind(name), Some(wanted), "{name}");
    }
    assert!(project.field("Cost__c").is_some_and(|field| field.calculated && field.summary.is_some()));
    let detail = schema.object("Project_Task__c").expect("there");
    let master = detail.field("Project__c").expect("there");
    assert!(
        master.is_master_detail()
            && master.cascade_delete
            && !master.nillable
            && !master.updateable
            && !detail.has("OwnerId")
    );
    assert!(project.child("Project_Tasks__r").is_some_and(|child| child.cascade_delete));
    assert!(project.relationship("Account__r").is_some());
    assert!(
        schema.object("Billing_Setting__c").is_some_and(|object| object.custom_setting && object.has("SetupOwnerId"))
    );
    assert!(schema.object("Region_Rule__mdt").is_some_and(|object| !object.createable && object.is_custom_metadata()));
}
