// SPDX-License-Identifier: Apache-2.0
//! What the server computes: formulas, roll-ups, auto-numbers, names, and the rows it makes by itself.

use crate::desk::{Desk, Find as _, text};
use orgkeep_emulator::Feature;
use orgkeep_emulator::record::Input;
use orgkeep_emulator::schema::{Field, FieldType};
use orgkeep_emulator::value::Value;

#[test]
fn roll_ups_follow_their_children() {
    let desk = Desk::new();
    let project = desk.make("Project__c", &[("Name", "P"), ("Budget__c", "100")]);
    assert_eq!(desk.get(&project, "Task_Count__c"), Value::Int(0));
    let task = |cost: &str, due: &str| {
        desk.make("Project_Task__c", &[("Project__c", &project), ("Title__c", "T"), ("Cost__c", cost), ("Due__c", due)])
    };
    let first = task("40.50", "2024-01-02");
    task("9.50", "2024-03-04");
    assert_eq!(desk.get(&project, "Task_Count__c"), Value::Int(2));
    assert_eq!(desk.get(&project, "Cost__c").as_num(), Some(50.0));
    assert_eq!(desk.get(&project, "Last_Due__c"), Value::from("2024-03-04"));
    assert_eq!(desk.get(&project, "Remaining__c").as_num(), Some(50.0), "a formula over a roll-up");
    desk.update("Project_Task__c", &first, &[("Cost__c", "95")]).expect("saved");
    assert_eq!(desk.get(&project, "Health__c"), Value::from("Over budget"));
    desk.delete(&first).expect("deleted");
    assert_eq!(desk.get(&project, "Task_Count__c"), Value::Int(1));
    assert_eq!(desk.get(&project, "Health__c"), Value::from("On track"));
    desk.undelete(&first).expect("back");
    assert_eq!(desk.get(&project, "Task_Count__c"), Value::Int(2));
}

#[test]
fn formulas_follow_their_row_and_their_parent_without_a_new_modstamp() {
    // 6.10: formula changes do not bump SystemModstamp
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "Acme"), ("Site", "Rome")]);
    let project = desk.make("Project__c", &[("Account__c", &account), ("Budget__c", "10")]);
    assert_eq!(desk.get(&project, "Account_Name__c"), Value::from("Acme (Rome)"));
    let stamp = desk.get(&project, "SystemModstamp");
    desk.later(100);
    desk.update("Account", &account, &[("Name", "Emca")]).expect("saved");
    assert_eq!(desk.get(&project, "Account_Name__c"), Value::from("Emca (Rome)"));
    assert_eq!(desk.get(&project, "SystemModstamp"), stamp);
    let task = desk
        .make("Project_Task__c", &[("Project__c", &project), ("Title__c", "T"), ("Cost__c", "30"), ("Hours__c", "4")]);
    assert_eq!(desk.get(&task, "Rate__c"), Value::Num(7.5));
    let (code, ..) = desk.refused("Project__c", &[("Health__c", "fine")]);
    assert_eq!(code, "INVALID_FIELD_FOR_INSERT_UPDATE");
}

#[test]
fn auto_numbers_count_and_cannot_be_given() {
    let desk = Desk::new();
    let case = desk.make("Case", &[("Subject", "S")]);
    assert_eq!(desk.get(&case, "CaseNumber"), Value::from("00000001"));
    let invoice = desk.make("Invoice__c", &[]);
    let next = desk.make("Invoice__c", &[]);
    assert_eq!(desk.get(&invoice, "Name"), Value::from("INV-000001"));
    assert_eq!(desk.get(&next, "Name"), Value::from("INV-000002"));
    let (code, ..) = desk.refused("Invoice__c", &[("Name", "INV-9")]);
    assert_eq!(code, "INVALID_FIELD_FOR_INSERT_UPDATE");
}

#[test]
fn names_of_people_are_joined() {
    // 2.5: the name of a contact is a compound that cannot be written
    let desk = Desk::new();
    let contact = desk.make("Contact", &[("Salutation", "Ms."), ("FirstName", "Ann"), ("LastName", "Lee")]);
    assert_eq!(desk.get(&contact, "Name"), Value::from("Ann Lee"));
    desk.update("Contact", &contact, &[("FirstName", "")]).expect("saved");
    assert_eq!(desk.get(&contact, "Name"), Value::from("Lee"));
    let (code, ..) = desk.refused("Lead", &[("LastName", "L"), ("Company", "C"), ("Name", "L")]);
    assert_eq!(code, "INVALID_FIELD_FOR_INSERT_UPDATE");
}

#[test]
fn a_contact_with_an_account_has_a_direct_relation() {
    // 6.9 AccountContactRelation
    let desk = Desk::new();
    let (one, two) = (desk.make("Account", &[("Name", "1")]), desk.make("Account", &[("Name", "2")]));
    let contact = desk.make("Contact", &[("LastName", "Lee"), ("AccountId", &one)]);
    let relation = desk.org.id_of("AccountContactRelation", "ContactId", &contact);
    assert!(desk.get(&relation, "IsDirect").is_true());
    assert_eq!(desk.get(&relation, "AccountId"), Value::Text(one.clone()));
    let indirect =
        desk.make("AccountContactRelation", &[("AccountId", &two), ("ContactId", &contact), ("Roles", "Influencer")]);
    assert!(!desk.get(&indirect, "IsDirect").is_true());
    let (code, ..) = desk.refused("AccountContactRelation", &[("AccountId", &two), ("ContactId", &contact)]);
    assert_eq!(code, "DUPLICATE_VALUE");
    assert_eq!(desk.delete(&relation).expect_err("direct").code, "DELETE_FAILED");
    desk.update("Contact", &contact, &[("AccountId", &two)]).expect("saved");
    assert!(desk.get(&indirect, "IsDirect").is_true());
    assert_eq!(desk.find(&relation, "Id"), None);
}

#[test]
fn an_opportunity_follows_its_stage_and_its_lines() {
    // 6.9 Opportunity, OpportunityLineItem, PricebookEntry
    let desk = Desk::new();
    let standard = desk.org.id_of("Pricebook2", "Name", "Standard Price Book");
    let custom = desk.make("Pricebook2", &[("Name", "Partners"), ("IsActive", "true")]);
    let product = desk.make("Product2", &[("Name", "Bolt"), ("ProductCode", "B1"), ("IsActive", "true")]);
    let entry = |book: &str| [("Pricebook2Id", book.to_owned()), ("Product2Id", product.clone())];
    let price = |book: &str| {
        let [(a, x), (b, y)] = entry(book);
        desk.insert(
            "PricebookEntry",
            &[
                (a, text(&x)),
                (b, text(&y)),
                ("UnitPrice", Input::Number("2.5".into())),
                ("IsActive", Input::Bool(true)),
            ],
        )
    };
    let error = price(&custom).expect_err("the standard price comes first");
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("STANDARD_PRICE_NOT_DEFINED", "Before creating a custom price, create a standard price.")
    );
    let standard_entry = price(&standard).expect("standard price");
    let custom_entry = price(&custom).expect("custom price");
    assert_eq!(price(&custom).expect_err("twice").code, "DUPLICATE_VALUE");

    let fields = [
        ("Name", "Deal"),
        ("StageName", "Negotiation/Review"),
        ("CloseDate", "2024-08-09"),
        ("Pricebook2Id", &*custom),
        ("Amount", "1000"),
    ];
    let deal = desk.make("Opportunity", &fields);
    assert_eq!(desk.get(&deal, "Probability"), Value::Int(90));
    assert_eq!(desk.get(&deal, "ExpectedRevenue"), Value::Int(900));
    assert_eq!(desk.get(&deal, "Fiscal"), Value::from("2024 3"));
    let (code, message, _) = desk.refused(
        "OpportunityLineItem",
        &[("OpportunityId", &deal), ("PricebookEntryId", &standard_entry), ("Quantity", "1")],
    );
    assert_eq!(code, "FIELD_INTEGRITY_EXCEPTION");
    assert!(
        message.contains("pricebook entry is in a different pricebook than the one assigned to the opportunity"),
        "{message}"
    );
    let line = desk.make(
        "OpportunityLineItem",
        &[("OpportunityId", &deal), ("PricebookEntryId", &custom_entry), ("Quantity", "4"), ("UnitPrice", "3")],
    );
    assert_eq!(desk.get(&line, "TotalPrice"), Value::Int(12));
    assert_eq!(desk.get(&line, "Product2Id"), Value::Text(product));
    assert_eq!(desk.get(&deal, "Amount"), Value::Int(12));
    desk.update("Opportunity", &deal, &[("Amount", "77"), ("StageName", "Closed Won")]).expect("saved");
    assert_eq!(desk.get(&deal, "Amount"), Value::Int(12), "ignored while there are lines");
    assert!(desk.get(&deal, "IsWon").is_true() && desk.get(&deal, "IsClosed").is_true());
    let both = [
        ("OpportunityId", &*deal),
        ("PricebookEntryId", &*custom_entry),
        ("Quantity", "4"),
        ("UnitPrice", "3"),
        ("TotalPrice", "5"),
    ];
    assert_eq!(desk.refused("OpportunityLineItem", &both).0, "FIELD_INTEGRITY_EXCEPTION");
    assert_eq!(desk.delete(&custom_entry).expect_err("in use").code, "DELETE_FAILED");
    desk.delete(&line).expect("deleted");
    assert!(!desk.get(&deal, "HasOpportunityLineItem").is_true());
}

#[test]
fn campaigns_and_their_members() {
    // 6.9 CampaignMember
    let desk = Desk::new();
    let campaign = desk.make("Campaign", &[("Name", "Fair")]);
    assert_eq!(desk.org.rows("CampaignMemberStatus").len(), 2);
    let lead = desk.make("Lead", &[("LastName", "L"), ("Company", "C")]);
    let contact = desk.make("Contact", &[("LastName", "C")]);
    let member = desk.make("CampaignMember", &[("CampaignId", &campaign), ("LeadId", &lead), ("Status", "Responded")]);
    assert!(desk.get(&member, "HasResponded").is_true());
    let (code, ..) = desk.refused("CampaignMember", &[("CampaignId", &campaign), ("LeadId", &lead)]);
    assert_eq!(code, "DUPLICATE_VALUE");
    let both = desk.make("CampaignMember", &[("CampaignId", &campaign), ("LeadId", &lead), ("ContactId", &contact)]);
    assert_eq!(desk.get(&both, "LeadId"), Value::Null, "only the contact is kept");
    let other = desk.make("Contact", &[("LastName", "D")]);
    let (code, ..) =
        desk.refused("CampaignMember", &[("CampaignId", &campaign), ("ContactId", &other), ("Status", "Danced")]);
    assert_eq!(code, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
}

#[test]
fn cases_and_activities_know_what_follows() {
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "A")]);
    let contact = desk.make("Contact", &[("LastName", "L"), ("AccountId", &account), ("Email", "l@example.com")]);
    let case = desk.make("Case", &[("ContactId", &contact), ("Subject", "S")]);
    assert_eq!(desk.get(&case, "Status"), Value::from("New"));
    assert_eq!(desk.get(&case, "AccountId"), Value::Text(account.clone()));
    assert_eq!(desk.get(&case, "ContactEmail"), Value::from("l@example.com"));
    desk.update("Case", &case, &[("Status", "Closed")]).expect("saved");
    assert!(desk.get(&case, "IsClosed").is_true() && !desk.get(&case, "ClosedDate").is_null());
    let task =
        desk.make("Task", &[("Subject", "Call"), ("WhoId", &contact), ("Status", "Completed"), ("Priority", "High")]);
    assert!(desk.get(&task, "IsClosed").is_true() && desk.get(&task, "IsHighPriority").is_true());
    assert_eq!(desk.get(&task, "AccountId"), Value::Text(account.clone()));
    let event = desk.make(
        "Event",
        &[("Subject", "Meet"), ("ActivityDateTime", "2024-05-06T10:00:00Z"), ("DurationInMinutes", "90")],
    );
    assert_eq!(desk.get(&event, "EndDateTime"), Value::Int(1_714_995_000_000));
    assert_eq!(desk.refused("Event", &[("Subject", "Never")]).2, ["ActivityDateTime"]);
    let lead = desk.make("Lead", &[("LastName", "L"), ("Company", "C")]);
    assert_eq!(desk.refused("Task", &[("WhoId", &lead), ("WhatId", &account)]).0, "FIELD_INTEGRITY_EXCEPTION");
}

#[test]
fn changes_are_written_to_the_history() {
    let desk = Desk::new();
    // A new org tracks nothing.
    let account = desk.make("Account", &[("Name", "Acme")]);
    desk.update("Account", &account, &[("Name", "Emca")]).expect("saved");
    assert_eq!(desk.org.rows("AccountHistory").len(), 0);
    desk.org.turn_on(Feature::FieldHistory).expect("turned on");
    desk.update("Account", &account, &[("Name", "Acne"), ("Phone", "1"), ("Site", "not tracked")]).expect("saved");
    let rows = desk.org.rows("AccountHistory");
    let changed: Vec<&str> = rows.iter().filter_map(|row| row["Field"].as_str()).collect();
    assert_eq!(changed, ["Name", "Phone"]);
    assert_eq!((&rows[0]["OldValue"], &rows[0]["NewValue"]), (&"Emca".into(), &"Acne".into()));
    // What is new from now on says so.
    let project = desk.make("Project__c", &[("Name", "P")]);
    desk.update("Project__c", &project, &[("Status__c", "Running")]).expect("saved");
    let rows = desk.org.rows("Project__History");
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row["Field"].as_str().unwrap_or_default(), row.get("NewValue").cloned().unwrap_or_default()))
        .collect();
    assert_eq!(told, [("created", serde_json::Value::Null), ("Status__c", "Running".into())]);
    assert!(rows.iter().all(|row| row["ParentId"] == serde_json::json!(project)));
    let case = desk.make("Case", &[("Subject", "S")]);
    assert_eq!(desk.org.rows("CaseHistory")[0]["CaseId"], serde_json::json!(case));
}

#[test]
fn formulas_follow_at_any_distance_and_with_the_day() {
    // 6.10: none of it moves SystemModstamp
    let desk = Desk::new();
    let formula = |name: &str, kind: FieldType, text: &str| {
        let mut field = Field::usual(name, name, kind, 1300);
        (field.formula, field.precision) = (Some(text.to_owned()), 18);
        field
    };
    for (object, field) in [
        ("Project_Task__c", formula("Far__c", FieldType::String, "Project__r.Account__r.Name")),
        ("Project_Task__c", formula("Chain__c", FieldType::String, "Project__r.Account_Name__c")),
        ("Project_Task__c", formula("Share__c", FieldType::Double, "Project__r.Cost__c")),
        ("Project__c", formula("Age__c", FieldType::Double, "TODAY() - Start__c")),
    ] {
        assert!(desk.org.add_field(object, field));
    }
    let account = desk.make("Account", &[("Name", "Acme"), ("Site", "Oslo")]);
    let project = desk.make("Project__c", &[("Account__c", &account), ("Start__c", "2024-05-01")]);
    let task = desk.make("Project_Task__c", &[("Project__c", &project), ("Title__c", "T"), ("Cost__c", "3")]);
    assert_eq!(desk.get(&task, "Far__c"), Value::from("Acme"));
    assert_eq!(desk.get(&project, "Age__c"), Value::Int(5));
    let stamps = || (desk.get(&task, "SystemModstamp"), desk.get(&project, "SystemModstamp"));
    let before = stamps();
    desk.later(60);
    desk.update("Account", &account, &[("Name", "Apex")]).expect("renamed");
    assert_eq!(desk.get(&task, "Far__c"), Value::from("Apex"));
    assert_eq!(desk.get(&task, "Chain__c"), Value::from("Apex (Oslo)"));
    assert_eq!(desk.get(&task, "Share__c"), Value::Int(3), "a roll-up of the parent");
    desk.later(86_400);
    assert_eq!(desk.get(&project, "Age__c"), Value::Int(6));
    assert_eq!(stamps(), before);
}
