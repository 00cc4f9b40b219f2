// SPDX-License-Identifier: Apache-2.0
//! What the platform does for activities, shares, prices, campaigns, feeds and users (`salesforce-api.md` 6.9).

use crate::desk::{Desk, Find as _, text};
use orgkeep_emulator::Feature;
use orgkeep_emulator::record::{self, OwnerChange};
use orgkeep_emulator::value::Value;

fn user(desk: &Desk, name: &str) -> String {
    desk.org.id_of("User", "Username", &format!("{name}@org-1.orgkeep.example"))
}

fn deal<'a>(name: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("Name", name), ("StageName", "Prospecting"), ("CloseDate", "2024-01-01")];
    fields.extend(more);
    fields
}

/// A product's standard price.
fn price(desk: &Desk, unit: &str) -> String {
    let book = desk.org.id_of("Pricebook2", "Name", "Standard Price Book");
    let product = desk.make("Product2", &[("Name", "P"), ("IsActive", "true")]);
    desk.make(
        "PricebookEntry",
        &[("Pricebook2Id", &book), ("Product2Id", &product), ("UnitPrice", unit), ("IsActive", "true")],
    )
}

fn days(desk: &Desk, object: &str, master: &str, field: &str) -> Vec<String> {
    let rows = desk.org.rows(object);
    let of_series = rows.iter().filter(|row| row.get("RecurrenceActivityId").is_some_and(|id| *id == master));
    let mut days: Vec<String> = of_series.map(|row| row[field].as_str().expect("a day").to_owned()).collect();
    days.sort();
    days
}

#[test]
fn a_recurring_task_has_its_occurrences() {
    let desk = Desk::new();
    let series = |kind: &str, start: &str, end: &str, more: &[(&str, &str)]| {
        let mut fields = vec![
            ("Subject", "S"),
            ("IsRecurrence", "true"),
            ("RecurrenceType", kind),
            ("RecurrenceStartDateOnly", start),
            ("RecurrenceEndDateOnly", end),
        ];
        fields.extend(more);
        let master = desk.make("Task", &fields);
        days(&desk, "Task", &master, "ActivityDate")
    };
    assert_eq!(
        series("RecursDaily", "2024-06-01", "2024-06-07", &[("RecurrenceInterval", "3")]),
        ["2024-06-01", "2024-06-04", "2024-06-07"]
    );
    // Monday is 2, Wednesday 8; the 3rd of June 2024 is a Monday. Every other week.
    assert_eq!(
        series(
            "RecursWeekly",
            "2024-06-03",
            "2024-06-19",
            &[("RecurrenceInterval", "2"), ("RecurrenceDayOfWeekMask", "10")]
        ),
        ["2024-06-03", "2024-06-05", "2024-06-17", "2024-06-19"]
    );
    assert_eq!(
        series(
            "RecursMonthly",
            "2024-01-31",
            "2024-03-31",
            &[("RecurrenceInterval", "1"), ("RecurrenceDayOfMonth", "31")]
        ),
        ["2024-01-31", "2024-02-29", "2024-03-31"]
    );
    assert_eq!(
        series(
            "RecursMonthlyNth",
            "2024-01-01",
            "2024-02-29",
            &[("RecurrenceInterval", "1"), ("RecurrenceInstance", "Last"), ("RecurrenceDayOfWeekMask", "32")]
        ),
        ["2024-01-26", "2024-02-23"]
    );
    assert_eq!(
        series(
            "RecursYearly",
            "2024-01-01",
            "2026-01-01",
            &[("RecurrenceDayOfMonth", "1"), ("RecurrenceMonthOfYear", "May")]
        ),
        ["2024-05-01", "2025-05-01"]
    );
}

#[test]
fn a_series_without_its_pattern_or_too_long_is_refused() {
    let desk = Desk::new();
    let (code, _, fields) =
        desk.refused("Task", &[("Subject", "S"), ("IsRecurrence", "true"), ("RecurrenceType", "RecursDaily")]);
    assert_eq!(code, "REQUIRED_FIELD_MISSING");
    assert_eq!(fields, ["RecurrenceStartDateOnly", "RecurrenceEndDateOnly", "RecurrenceInterval"]);
    let long = [
        ("Subject", "S"),
        ("IsRecurrence", "true"),
        ("RecurrenceType", "RecursDaily"),
        ("RecurrenceInterval", "1"),
        ("RecurrenceStartDateOnly", "2024-01-01"),
        ("RecurrenceEndDateOnly", "2024-12-31"),
    ];
    assert_eq!(desk.refused("Task", &long).0, "FIELD_INTEGRITY_EXCEPTION");
    assert_eq!(desk.count("Task"), 0);
}

#[test]
fn a_recurring_event_keeps_its_hour_and_a_regenerating_task_comes_again() {
    let desk = Desk::new();
    let event = desk.make(
        "Event",
        &[
            ("Subject", "E"),
            ("StartDateTime", "2024-06-01T09:30:00Z"),
            ("DurationInMinutes", "30"),
            ("IsRecurrence", "true"),
            ("RecurrenceType", "RecursDaily"),
            ("RecurrenceInterval", "1"),
            ("RecurrenceStartDateTime", "2024-06-01T09:30:00Z"),
            ("RecurrenceEndDateOnly", "2024-06-02"),
        ],
    );
    assert_eq!(
        days(&desk, "Event", &event, "StartDateTime"),
        ["2024-06-01T09:30:00.000+0000", "2024-06-02T09:30:00.000+0000"]
    );
    assert_eq!(days(&desk, "Event", &event, "EndDateTime")[1], "2024-06-02T10:00:00.000+0000");
    let task = desk.make(
        "Task",
        &[
            ("Subject", "T"),
            ("ActivityDate", "2024-06-01"),
            ("RecurrenceRegeneratedType", "RecurrenceRegenerateAfterDueDate"),
            ("RecurrenceInterval", "7"),
        ],
    );
    desk.update("Task", &task, &[("Status", "Completed")]).expect("closed");
    let open: Vec<_> = desk.org.rows("Task").into_iter().filter(|row| row["IsClosed"] == false).collect();
    assert_eq!(open.len(), 1);
    assert_eq!((&open[0]["ActivityDate"], &open[0]["Subject"]), (&"2024-06-08".into(), &"T".into()));
}

#[test]
fn shared_activities_have_rows_for_whom_and_what() {
    let desk = Desk::new();
    desk.org.turn_on(Feature::SharedActivities).expect("on");
    let account = desk.make("Account", &[("Name", "A")]);
    let [one, two] = ["One", "Two"].map(|name| desk.make("Contact", &[("LastName", name), ("AccountId", &account)]));
    let task = desk.make("Task", &[("Subject", "T"), ("WhoId", &one), ("WhatId", &account)]);
    assert_eq!((desk.count("TaskRelation"), desk.get(&task, "WhoCount")), (2, Value::Int(1)));
    let second = desk.make("TaskRelation", &[("TaskId", &task), ("RelationId", &two)]);
    assert_eq!((desk.get(&task, "WhoCount"), desk.get(&task, "WhatCount")), (Value::Int(2), Value::Int(1)));
    assert_eq!(desk.refused("TaskRelation", &[("TaskId", &task), ("RelationId", &two)]).0, "DUPLICATE_VALUE");
    desk.delete(&second).expect("removed");
    assert_eq!(desk.get(&task, "WhoCount"), Value::Int(1));
    desk.update("Task", &task, &[("WhoId", &two)]).expect("another person");
    let rows = desk.org.rows("TaskRelation");
    assert!(
        rows.iter().any(|row| row["RelationId"] == two.as_str())
            && rows.iter().all(|row| row["RelationId"] != one.as_str())
    );
    let plain = Desk::new();
    let contact = plain.make("Contact", &[("LastName", "L")]);
    plain.make("Task", &[("Subject", "T"), ("WhoId", &contact)]);
    assert_eq!(plain.count("TaskRelation"), 0, "without the feature");
}

#[test]
fn an_invited_user_has_a_child_event() {
    let desk = Desk::new();
    let event =
        desk.make("Event", &[("Subject", "E"), ("StartDateTime", "2024-06-01T10:00:00Z"), ("DurationInMinutes", "60")]);
    let sales = user(&desk, "sales");
    let relation = desk.make("EventRelation", &[("EventId", &event), ("RelationId", &sales)]);
    assert_eq!(desk.get(&relation, "Status"), Value::from("New"));
    assert!(desk.get(&event, "IsGroupEvent").is_true());
    let child = desk.org.rows("Event").into_iter().find(|row| row["IsChild"] == true).expect("a child event");
    assert_eq!((&child["OwnerId"], &child["Subject"]), (&sales.as_str().into(), &"E".into()));
    assert_eq!(child["StartDateTime"], "2024-06-01T10:00:00.000+0000");
    desk.delete(&relation).expect("no longer invited");
    assert_eq!(desk.count("Event"), 1);
    assert!(!desk.get(&event, "IsGroupEvent").is_true());
}

#[test]
fn an_email_makes_a_task_and_only_a_draft_is_changed() {
    let desk = Desk::new();
    desk.org.turn_on(Feature::EnhancedEmail).expect("on");
    let case = desk.make("Case", &[("Subject", "C")]);
    let sent = desk.make(
        "EmailMessage",
        &[
            ("Subject", "Hi"),
            ("Status", "3"),
            ("ParentId", &case),
            ("MessageDate", "2024-05-01T10:00:00Z"),
            ("TextBody", "Text"),
        ],
    );
    let Value::Text(task) = desk.get(&sent, "ActivityId") else { panic!("a task") };
    for (field, value) in [
        ("Subject", "Email: Hi"),
        ("Status", "Completed"),
        ("WhatId", &case),
        ("ActivityDate", "2024-05-01"),
        ("TaskSubtype", "Email"),
    ] {
        assert_eq!(desk.get(&task, field), Value::from(value), "{field}");
    }
    let error = desk.update("EmailMessage", &sent, &[("Subject", "Ho")]).expect_err("sent");
    assert_eq!((error.code.as_str(), error.fields), ("INVALID_FIELD_FOR_INSERT_UPDATE", vec!["Subject".to_owned()]));
    let draft = desk.make("EmailMessage", &[("Subject", "Hi"), ("Status", "5"), ("RelatedToId", &case)]);
    assert_eq!(desk.get(&draft, "ActivityId"), Value::Null);
    desk.update("EmailMessage", &draft, &[("Subject", "Ho"), ("Status", "3")]).expect("a draft, sent now");
    assert!(!desk.get(&draft, "ActivityId").is_null());
    // Object Reference: an activity can be named for messages of cases alone.
    let account = desk.make("Account", &[("Name", "A")]);
    let given = [("Subject", "Hi"), ("Status", "3"), ("ActivityId", task.as_str())];
    let (code, _, fields) = desk.refused("EmailMessage", &[&given[..], &[("RelatedToId", &account)]].concat());
    assert_eq!((code.as_str(), fields), ("INSUFFICIENT_ACCESS_OR_READONLY", vec!["ActivityId".to_owned()]));
    let tasks = desk.count("Task");
    let again = desk.make("EmailMessage", &[&given[..], &[("ParentId", &case)]].concat());
    assert_eq!((desk.get(&again, "ActivityId"), desk.count("Task")), (Value::from(task.as_str()), tasks));
    let plain = Desk::new();
    plain.make("EmailMessage", &[("Subject", "Hi"), ("Status", "3")]);
    assert_eq!(plain.count("Task"), 0, "without the feature");
}

#[test]
fn manual_shares_end_with_the_owner_and_trivial_ones_are_refused() {
    let desk = Desk::new();
    let [sales, support] = ["sales", "support"].map(|name| user(&desk, name));
    let account = desk.make("Account", &[("Name", "A")]);
    let (code, message, _) = desk
        .refused("AccountShare", &[("AccountId", &account), ("UserOrGroupId", &sales), ("AccountAccessLevel", "Read")]);
    assert_eq!(code, "FIELD_INTEGRITY_EXCEPTION");
    assert!(
        message.contains("AccountAccessLevel (trivial share level Read, for organization with default level Edit)"),
        "{message}"
    );
    let organisation = desk.org.rows("Organization")[0]["Id"].as_str().expect("an Id").to_owned();
    desk.org.update(&organisation, vec![("DefaultAccountAccess".to_owned(), text("None"))]).expect("private");
    let give = [("AccountId", &*account), ("UserOrGroupId", &*sales), ("AccountAccessLevel", "Read")];
    let share = desk.make("AccountShare", &give);
    assert_eq!(desk.get(&share, "RowCause"), Value::from("Manual"));
    let mut by_owner = give.to_vec();
    by_owner.push(("RowCause", "Owner"));
    assert_eq!(desk.refused("AccountShare", &by_owner).0, "INSUFFICIENT_ACCESS_OR_READONLY");
    let member = [("AccountId", &*account), ("UserId", &*sales), ("TeamMemberRole", "Account Manager")];
    desk.make("AccountTeamMember", &member);
    desk.update("Account", &account, &[("Site", "S")]).expect("the same owner");
    assert_eq!((desk.count("AccountShare"), desk.count("AccountTeamMember")), (1, 1));
    desk.update("Account", &account, &[("OwnerId", &support)]).expect("another owner");
    assert_eq!((desk.count("AccountShare"), desk.count("AccountTeamMember")), (0, 0));
}

#[test]
fn a_new_owner_gets_what_is_said_and_nothing_else() {
    // SOAP API guide, OwnerChangeOptions
    let desk = Desk::new();
    let sales = user(&desk, "sales");
    let account = desk.make("Account", &[("Name", "A")]);
    let task = desk.make("Task", &[("Subject", "T"), ("WhatId", &account)]);
    let done = desk.make("Task", &[("Subject", "D"), ("WhatId", &account), ("Status", "Completed")]);
    let contact = desk.make("Contact", &[("LastName", "L"), ("AccountId", &account)]);
    let note = desk.make("Note", &[("Title", "N"), ("ParentId", &account)]);
    let options = OwnerChange { transfer_open_activities: true, transfer_contacts: true, ..OwnerChange::default() };
    desk.org
        .write(|tx| {
            let object = tx.schema.object("Account").expect("there").clone();
            let fields = vec![("OwnerId".to_owned(), text(&sales))];
            tx.savepoint(|tx| record::update_with(tx, &desk.caller, &object, &account, fields, options))
        })
        .expect("another owner");
    for (id, moved) in [(&task, true), (&contact, true), (&done, false), (&note, false)] {
        assert_eq!(desk.get(id, "OwnerId") == Value::from(sales.as_str()), moved, "{id}");
    }
}

#[test]
fn every_record_has_its_owners_share_where_the_org_keeps_them() {
    let desk = Desk::new();
    desk.org.turn_on(Feature::OwnerShares).expect("on");
    let account = desk.make("Account", &[("Name", "A")]);
    let shares = desk.org.rows("AccountShare");
    assert_eq!(shares.len(), 1);
    assert_eq!((&shares[0]["RowCause"], &shares[0]["AccountAccessLevel"]), (&"Owner".into(), &"All".into()));
    let share = shares[0]["Id"].as_str().expect("an Id").to_owned();
    assert_eq!(desk.delete(&share).expect_err("the platform's").code, "INSUFFICIENT_ACCESS_OR_READONLY");
    let sales = user(&desk, "sales");
    desk.update("Account", &account, &[("OwnerId", &sales)]).expect("another owner");
    assert_eq!(desk.get(&share, "UserOrGroupId"), Value::from(sales.as_str()));
    desk.make("Project__c", &[("Name", "P")]);
    assert_eq!(desk.count("Project__Share"), 1);
    desk.delete(&account).expect("deleted");
    assert_eq!(desk.count("AccountShare"), 0);
}

#[test]
fn orders_and_contracts_begin_as_drafts() {
    // 6.4, 6.7
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "A")]);
    let order =
        |status: &'static str| [("AccountId", account.as_str()), ("EffectiveDate", "2024-01-01"), ("Status", status)];
    let (code, message, fields) = desk.refused("Order", &order("Activated"));
    assert_eq!((code.as_str(), fields), ("FAILED_ACTIVATION", vec!["Status".to_owned()]));
    assert_eq!(message, "Choose a valid order status and save your changes. Ask your admin for details.");
    let order = desk.make("Order", &order("Draft"));
    let error = desk.update("Order", &order, &[("Status", "Activated")]).expect_err("no product");
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("FAILED_ACTIVATION", "An order must have at least one product.")
    );
    let entry = price(&desk, "5");
    let line = [("OrderId", &*order), ("PricebookEntryId", &*entry), ("Quantity", "3"), ("UnitPrice", "4")];
    let item = desk.make("OrderItem", &line);
    assert_eq!(desk.get(&order, "TotalAmount"), Value::Int(12));
    desk.update("OrderItem", &item, &[("Quantity", "2")]).expect("fewer");
    assert_eq!(desk.get(&order, "TotalAmount"), Value::Int(8));
    desk.update("Order", &order, &[("Status", "Activated")]).expect("activated");
    assert_eq!(desk.get(&order, "ActivatedById"), Value::from(desk.caller.user_id.as_str()));
    assert_eq!(desk.refused("OrderItem", &line).0, "FIELD_INTEGRITY_EXCEPTION");
    assert_eq!(desk.delete(&order).expect_err("activated").code, "DELETE_FAILED");
    let contract =
        desk.make("Contract", &[("AccountId", &account), ("StartDate", "2024-01-31"), ("ContractTerm", "13")]);
    assert_eq!(desk.get(&contract, "EndDate"), Value::from("2025-02-27"));
    assert_eq!(desk.refused("Contract", &[("AccountId", &account), ("Status", "Activated")]).0, "FAILED_ACTIVATION");
}

#[test]
fn a_quote_sums_its_lines_and_a_synced_one_rules_the_opportunity() {
    let desk = Desk::new();
    let synced = desk.org.schema().object("Opportunity").expect("there").has("SyncedQuoteId");
    let entry = price(&desk, "5");
    let book = desk.org.id_of("Pricebook2", "Name", "Standard Price Book");
    let opportunity = desk.make("Opportunity", &deal("D", &[("Pricebook2Id", &book)]));
    let quote =
        desk.make("Quote", &[("Name", "Q"), ("OpportunityId", &opportunity), ("Pricebook2Id", &book), ("Tax", "1")]);
    let line = desk.make(
        "QuoteLineItem",
        &[
            ("QuoteId", &quote),
            ("PricebookEntryId", &entry),
            ("Quantity", "2"),
            ("UnitPrice", "10"),
            ("Discount", "10"),
        ],
    );
    for (field, value) in
        [("Subtotal", 20), ("TotalPrice", 18), ("GrandTotal", 19), ("LineItemCount", 1), ("Discount", 10)]
    {
        assert_eq!(desk.get(&quote, field), Value::Int(value), "{field}");
    }
    desk.delete(&line).expect("removed");
    assert_eq!(desk.get(&quote, "GrandTotal"), Value::Int(1));
    if synced {
        desk.make(
            "QuoteLineItem",
            &[("QuoteId", &quote), ("PricebookEntryId", &entry), ("Quantity", "2"), ("UnitPrice", "10")],
        );
        desk.update("Opportunity", &opportunity, &[("SyncedQuoteId", &quote)]).expect("synced");
        assert!(desk.get(&quote, "IsSyncing").is_true());
        assert_eq!(desk.get(&opportunity, "Amount"), Value::Int(20));
        desk.make(
            "QuoteLineItem",
            &[("QuoteId", &quote), ("PricebookEntryId", &entry), ("Quantity", "1"), ("UnitPrice", "7")],
        );
        assert_eq!(desk.get(&opportunity, "Amount"), Value::Int(27));
    }
}

#[test]
fn campaign_members_begin_with_the_campaigns_default() {
    let desk = Desk::new();
    let campaign = desk.make("Campaign", &[("Name", "C")]);
    let status = desk.make(
        "CampaignMemberStatus",
        &[
            ("CampaignId", &campaign),
            ("Label", "Came"),
            ("IsDefault", "true"),
            ("HasResponded", "true"),
            ("SortOrder", "3"),
        ],
    );
    let defaults =
        |desk: &Desk| desk.org.rows("CampaignMemberStatus").iter().filter(|row| row["IsDefault"] == true).count();
    assert_eq!(defaults(&desk), 1, "the old default gave way");
    let contact = desk.make("Contact", &[("LastName", "L")]);
    let member = desk.make("CampaignMember", &[("CampaignId", &campaign), ("ContactId", &contact)]);
    assert_eq!(desk.get(&member, "Status"), Value::from("Came"));
    assert_eq!(desk.get(&member, "FirstRespondedDate"), Value::from("2024-05-06"));
    desk.update("CampaignMember", &member, &[("Status", "Sent")]).expect("a status of it");
    assert_eq!(desk.get(&member, "FirstRespondedDate"), Value::Null);
    assert_eq!(desk.delete(&status).expect_err("the default").code, "DELETE_FAILED");
}

#[test]
fn posts_count_their_comments_and_leave_the_feed_with_them() {
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "A")]);
    let post = desk.make("FeedItem", &[("ParentId", &account), ("Body", "Hello")]);
    assert_eq!(desk.get(&post, "Type"), Value::from("TextPost"));
    let comment = desk.make("FeedComment", &[("FeedItemId", &post), ("CommentBody", "Hi")]);
    assert_eq!(desk.get(&comment, "ParentId"), Value::from(account.as_str()));
    assert_eq!(desk.get(&post, "CommentCount"), Value::Int(1));
    assert_eq!(desk.org.rows("AccountFeed")[0]["CommentCount"], 1);
    desk.update("FeedItem", &post, &[("Body", "Hello!")]).expect("edited");
    assert_eq!(desk.get(&post, "LastEditById"), Value::from(desk.caller.user_id.as_str()));
    assert_eq!(desk.org.rows("AccountFeed")[0]["Body"], "Hello!");
    desk.delete(&comment).expect("deleted");
    assert_eq!(desk.get(&post, "CommentCount"), Value::Int(0));
    assert_eq!(desk.refused("FeedItem", &[("ParentId", &account)]).0, "REQUIRED_FIELD_MISSING");
    assert_eq!(
        desk.refused("FeedItem", &[("ParentId", &account), ("Type", "TrackedChange")]).0,
        "FIELD_INTEGRITY_EXCEPTION"
    );
    desk.delete(&post).expect("deleted");
    assert_eq!(desk.count("AccountFeed"), 0);
}

#[test]
fn users_are_named_uniquely_and_licensed() {
    let desk = Desk::new();
    let profile = desk.org.id_of("Profile", "Name", "Standard User");
    let person = |name: &'static str, nickname: &'static str| {
        let email = Box::leak(format!("{name}@new.example").into_boxed_str());
        let mut fields = vec![
            ("Username", &*email),
            ("Email", &*email),
            ("LastName", name),
            ("Alias", "x"),
            ("ProfileId", Box::leak(profile.clone().into_boxed_str())),
            ("TimeZoneSidKey", "GMT"),
            ("LocaleSidKey", "en_US"),
            ("LanguageLocaleKey", "en_US"),
            ("EmailEncodingKey", "UTF-8"),
            ("IsActive", "true"),
        ];
        if !nickname.is_empty() {
            fields.push(("CommunityNickname", nickname));
        }
        fields
    };
    let ann = desk.make("User", &person("Ann", ""));
    assert_eq!(desk.get(&ann, "Username"), Value::from("ann@new.example"));
    assert_eq!(desk.get(&ann, "CommunityNickname"), Value::from("ann"));
    assert_eq!(desk.refused("User", &person("Bob", "Ann")).0, "DUPLICATE_COMM_NICKNAME");
    assert_eq!(desk.refused("User", &person("ANN", "z")).0, "DUPLICATE_USERNAME");
    let licence = desk.org.id_of("UserLicense", "Name", "Salesforce");
    let used = desk.org.rows("User").iter().filter(|row| row["IsActive"] == true).count();
    desk.org.update(&licence, vec![("TotalLicenses".to_owned(), text(&used.to_string()))]).expect("few licences");
    assert_eq!(desk.refused("User", &person("Cid", "")).0, "LICENSE_LIMIT_EXCEEDED");
    desk.update("User", &ann, &[("IsActive", "false")]).expect("deactivated");
    desk.make("User", &person("Dan", ""));
    assert_eq!(
        desk.update("User", &ann, &[("IsActive", "true")]).expect_err("none left").code,
        "LICENSE_LIMIT_EXCEEDED"
    );
}

#[test]
fn assets_entitlements_groups_and_settings_have_their_rules() {
    let desk = Desk::new();
    let (code, message, _) = desk.refused("Asset", &[("Name", "A")]);
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("FIELD_INTEGRITY_EXCEPTION", "Every asset needs an account, a contact, or both.")
    );
    let account = desk.make("Account", &[("Name", "A")]);
    let top = desk.make("Asset", &[("Name", "Top"), ("AccountId", &account)]);
    let middle = desk.make("Asset", &[("Name", "Middle"), ("AccountId", &account), ("ParentId", &top)]);
    let low = desk.make("Asset", &[("Name", "Low"), ("AccountId", &account), ("ParentId", &middle)]);
    assert_eq!(
        (desk.get(&low, "RootAssetId"), desk.get(&low, "AssetLevel")),
        (Value::from(top.as_str()), Value::Int(3))
    );
    for (start, end, status) in [
        ("2024-05-01", "2024-06-01", "Active"),
        ("2024-06-01", "", "Inactive"),
        ("2023-01-01", "2024-05-05", "Expired"),
    ] {
        let fields = [("Name", "E"), ("AccountId", &*account), ("StartDate", start), ("EndDate", end)];
        assert_eq!(desk.get(&desk.make("Entitlement", &fields), "Status"), Value::from(status));
    }
    let group = desk.make("Group", &[("Name", "New Group")]);
    assert_eq!(desk.get(&group, "DeveloperName"), Value::from("New_Group"));
    assert_eq!(desk.get(&group, "Type"), Value::from("Regular"));
    let setting = "Billing_Setting__c";
    desk.make(setting, &[]);
    let (code, message, _) = desk.refused(setting, &[]);
    assert_eq!(code, "DUPLICATE_VALUE");
    assert!(
        message.starts_with("duplicate value found: SetupOwnerId duplicates value on record with id: "),
        "{message}"
    );
    desk.make(setting, &[("SetupOwnerId", &desk.org.id_of("Profile", "Name", "Standard User"))]);
    desk.make(setting, &[("SetupOwnerId", &user(&desk, "sales"))]);
    assert!(desk.insert(setting, &[("SetupOwnerId", text(&group))]).is_err(), "a group has no settings");
}

#[test]
fn an_event_with_a_pattern_is_a_series_with_its_events() {
    // Change Data Capture Developer Guide, "Recurring Activities"
    let desk = Desk::new();
    let pattern = "RRULE:FREQ=WEEKLY;BYDAY=MO;WKST=SU;INTERVAL=1;COUNT=13";
    let fields = [("Subject", "Plan"), ("StartDateTime", "2024-05-06T17:00:00Z"), ("DurationInMinutes", "60")];
    let with = |pattern: &'static str| [&fields[..], &[("Recurrence2PatternText", pattern)]].concat();
    let series = desk.make("Event", &with(pattern));
    assert_eq!(desk.get(&series, "GroupEventType"), Value::from("3"));
    assert!(desk.get(&series, "IsRecurrence2").is_true() && !desk.get(&series, "IsRecurrence").is_true());
    assert_eq!(desk.get(&series, "Recurrence2PatternVersion"), Value::from("1"));
    let events = || {
        let rows = desk.org.rows("Event").into_iter().filter(|row| row["GroupEventType"] == "0");
        rows.map(|row| row["StartDateTime"].as_str().unwrap()[..10].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((events().len(), events()[0].as_str(), events()[12].as_str()), (13, "2024-05-06", "2024-07-29"));
    let third = desk.org.rows("Event").into_iter().find(|row| row["StartDateTime"] == "2024-05-20T17:00:00.000+0000");
    let third = third.unwrap()["Id"].as_str().unwrap().to_owned();
    desk.update("Event", &third, &[("Location", "Elsewhere")]).expect("changed by itself");
    assert!(desk.get(&third, "IsRecurrence2Exception").is_true() && desk.get(&third, "IsRecurrence2").is_true());
    // Another pattern deletes the events and makes them anew.
    desk.update("Event", &series, &[("Recurrence2PatternText", "RRULE:FREQ=DAILY;COUNT=2")]).expect("changed");
    assert_eq!(events(), ["2024-05-06", "2024-05-07"]);
    assert!(desk.is_deleted(&third));
    desk.delete(&series).expect("deleted");
    assert!(events().is_empty());
    for wrong in ["RRULE:FREQ=SOMETIMES", "RRULE:FREQ=DAILY", "RRULE:FREQ=DAILY;COUNT=200"] {
        assert_eq!(desk.refused("Event", &with(wrong)).0, "FIELD_INTEGRITY_EXCEPTION", "{wrong}");
    }
}
