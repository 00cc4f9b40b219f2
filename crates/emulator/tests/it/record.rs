// SPDX-License-Identifier: Apache-2.0
//! Inserts, updates and upserts, rule by rule (`salesforce-api.md` 2.5, 2.7, 6.2 to 6.6).

use crate::desk::{Desk, Find as _, START_MS, text};
use orgkeep_emulator::id;
use orgkeep_emulator::record::Input;
use orgkeep_emulator::value::Value;

#[test]
fn required_fields_are_named() {
    // 6.6 REQUIRED_FIELD_MISSING
    let desk = Desk::new();
    let (code, message, fields) = desk.refused("Contact", &[("FirstName", "Ann")]);
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]")
    );
    assert_eq!(fields, ["LastName"]);
    let (_, message, _) = desk.refused("Opportunity", &[]);
    assert_eq!(message, "Required fields are missing: [Name, StageName, CloseDate]");
    let id = desk.make("Account", &[("Name", "Acme")]);
    let error = desk.update("Account", &id, &[("Name", "")]).expect_err("a name is required");
    assert_eq!(error.code, "REQUIRED_FIELD_MISSING");
}

#[test]
fn unknown_and_read_only_fields_are_refused() {
    // 6.2, 2.1
    let desk = Desk::new();
    let (code, message, _) = desk.refused("Account", &[("Name", "A"), ("Nmae", "B")]);
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("INVALID_FIELD", "No such column 'Nmae' on sobject of type Account")
    );
    let (code, message, fields) =
        desk.refused("Account", &[("Name", "A"), ("CreatedDate", "2020-01-01"), ("IsDeleted", "true")]);
    assert_eq!(code, "INVALID_FIELD_FOR_INSERT_UPDATE");
    assert!(message.starts_with("Unable to create/update fields: CreatedDate, IsDeleted. Please check"), "{message}");
    assert_eq!(fields, ["CreatedDate", "IsDeleted"]);
    let (code, _, _) = desk.refused("AccountHistory", &[]);
    assert_eq!(code, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY");
}

#[test]
fn names_are_taken_in_any_case_and_ids_in_both_forms() {
    // 6.1, 7.1
    let desk = Desk::new();
    let account = desk.make("account", &[("nAME", "Acme")]);
    let contact = desk.make("Contact", &[("lastname", "Lee"), ("accountID", id::to15(&account))]);
    assert_eq!(desk.get(&contact, "AccountId"), Value::Text(account.clone()));
    desk.update("Account", id::to15(&account), &[("name", "Acme 2")]).expect("15 characters name the same row");
    assert_eq!(desk.get(&account, "Name"), Value::from("Acme 2"));
}

#[test]
fn lengths_types_and_picklists() {
    // 6.6 STRING_TOO_LONG, INVALID_TYPE_ON_FIELD_IN_RECORD, INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST, INVALID_EMAIL_ADDRESS
    let desk = Desk::new();
    let long = "ß".repeat(256);
    let (code, message, fields) = desk.refused("Account", &[("Name", &long)]);
    assert_eq!(code, "STRING_TOO_LONG");
    assert_eq!(message, format!("Account Name: data value too large: {long} (max length=255)"));
    assert_eq!(fields, ["Name"]);
    desk.make("Account", &[("Name", &"ß".repeat(255))]);
    let (code, message, _) = desk.refused("Account", &[("Name", "A"), ("NumberOfEmployees", "many")]);
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("INVALID_TYPE_ON_FIELD_IN_RECORD", "Employees: value not of required type: many")
    );
    let (code, message, fields) = desk.refused("Project__c", &[("Status__c", "Lost")]);
    assert_eq!(code, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
    assert_eq!(
        (message.as_str(), fields),
        ("Status: bad value for restricted picklist field: Lost", vec!["Status__c".to_owned()])
    );
    let (code, ..) = desk.refused("Project__c", &[("Status__c", "Cancelled")]);
    assert_eq!(code, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "an inactive value");
    desk.make("Account", &[("Name", "A"), ("Industry", "Alchemy")]);
    let (code, message, _) = desk.refused("Contact", &[("LastName", "A"), ("Email", "123")]);
    assert_eq!((code.as_str(), message.as_str()), ("INVALID_EMAIL_ADDRESS", "Email: invalid email address: 123"));
}

#[test]
fn multi_select_values_are_kept_in_the_order_of_the_picklist() {
    let desk = Desk::new();
    let id = desk.make("Project__c", &[("Regions__c", "APAC;EMEA;APAC")]);
    assert_eq!(desk.get(&id, "Regions__c"), Value::from("EMEA;APAC"));
}

#[test]
fn references_must_exist_be_alive_and_fit() {
    // 6.1 MALFORMED_ID; 6.6 INVALID_CROSS_REFERENCE_KEY, ENTITY_IS_DELETED
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "Acme")]);
    let (code, message, _) = desk.refused("Contact", &[("LastName", "L"), ("AccountId", "001RM000003oLrB000")]);
    assert_eq!((code.as_str(), message.as_str()), ("MALFORMED_ID", "malformed id 001RM000003oLrB000"));
    let contact = desk.make("Contact", &[("LastName", "L")]);
    let (code, message, _) = desk.refused("Contact", &[("LastName", "L"), ("AccountId", &contact)]);
    assert_eq!(
        (code.as_str(), message),
        ("MALFORMED_ID", format!("Account ID: id value of incorrect type: {contact}"))
    );
    let absent = id::make("001", 999_999);
    let (code, message, fields) = desk.refused("Contact", &[("LastName", "L"), ("AccountId", &absent)]);
    assert_eq!((code.as_str(), message.as_str()), ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"));
    assert_eq!(fields, ["AccountId"]);
    desk.delete(&account).expect("deletes");
    let (code, message, _) = desk.refused("Contact", &[("LastName", "L"), ("AccountId", &account)]);
    assert_eq!((code.as_str(), message.as_str()), ("ENTITY_IS_DELETED", "entity is deleted"));
}

#[test]
fn unique_values_compare_without_case_unless_the_field_says_otherwise() {
    // 6.6 DUPLICATE_VALUE with the 15-character id
    let desk = Desk::new();
    let first = desk.make("Project__c", &[("External_Key__c", "Straße"), ("Case_Code__c", "abc")]);
    let (code, message, _) = desk.refused("Project__c", &[("External_Key__c", "STRAßE")]);
    assert_eq!(code, "DUPLICATE_VALUE");
    assert_eq!(
        message,
        format!("duplicate value found: External_Key__c duplicates value on record with id: {}", id::to15(&first))
    );
    desk.make("Project__c", &[("Case_Code__c", "ABC")]);
    let (code, ..) = desk.refused("Project__c", &[("Case_Code__c", "abc")]);
    assert_eq!(code, "DUPLICATE_VALUE");
    desk.delete(&first).expect("deletes");
    desk.make("Project__c", &[("External_Key__c", "strasse")]);
    desk.make("Project__c", &[("External_Key__c", "straße")]);
}

#[test]
fn upsert_creates_updates_and_refuses_what_is_ambiguous() {
    // 2.7
    let desk = Desk::new();
    let (id, created) = desk.upsert("Project__c", "External_Key__c", "K1", &[("Name", "One")]).expect("creates");
    assert!(created);
    let again = desk.upsert("Project__c", "external_key__c", "k1", &[("Name", "Two")]).expect("updates");
    assert_eq!(again, (id.clone(), false));
    assert_eq!(desk.get(&id, "Name"), Value::from("Two"));
    let error = desk.upsert("Project__c", "Nope__c", "K1", &[]).expect_err("no such field");
    assert_eq!(error.message, "Provided external ID field does not exist or is not accessible: Nope__c");
    let error =
        desk.upsert("Project__c", "External_Key__c", "K1", &[("External_Key__c", "K1")]).expect_err("given twice");
    assert_eq!(error.message, "The External_Key__c field should not be specified in the sobject data.");
    for name in ["A", "B"] {
        desk.make("Contact", &[("LastName", name), ("Email", "same@example.com")]);
    }
    let error = desk.upsert("Contact", "Email", "same@example.com", &[("LastName", "C")]).expect_err("two have it");
    assert_eq!(error.code, "DUPLICATE_EXTERNAL_ID");
    let (number, _) = desk.upsert("Project__c", "External_Number__c", "42.0", &[("Name", "N")]).expect("creates");
    assert_eq!(desk.upsert("Project__c", "External_Number__c", "42", &[]).expect("finds it").0, number);
}

#[test]
fn parents_are_found_by_their_external_id() {
    // 2.7 "parent by external id"
    let desk = Desk::new();
    let skill = desk.make("Skill__c", &[("Name", "Welding"), ("Code__c", "W")]);
    let project = desk.make("Project__c", &[("External_Number__c", "7")]);
    let by = |name: &str, value: Input| Input::Parent(vec![(name.to_owned(), value)]);
    let link = desk
        .insert(
            "Project_Skill__c",
            &[
                ("Project__r", by("External_Number__c", Input::Number("7".into()))),
                ("Skill__r", by("Code__c", text("W"))),
            ],
        )
        .expect("both parents are found");
    assert_eq!(desk.get(&link, "Skill__c"), Value::Text(skill));
    assert_eq!(desk.get(&link, "Project__c"), Value::Text(project));
    let error = desk
        .insert("Project_Skill__c", &[("Project__r", by("External_Number__c", Input::Number("8".into())))])
        .expect_err("there is no such project");
    assert_eq!(error.message, "Foreign key external ID: 8 not found for field External_Number__c in entity Project__c");
}

#[test]
fn a_detail_needs_its_master_and_keeps_it() {
    // 6.4
    let desk = Desk::new();
    let (code, message, _) = desk.refused("Project_Task__c", &[("Title__c", "T")]);
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("REQUIRED_FIELD_MISSING", "Required fields are missing: [Project__c]")
    );
    let (first, second) = (desk.make("Project__c", &[("Name", "1")]), desk.make("Project__c", &[("Name", "2")]));
    let task = desk.make("Project_Task__c", &[("Title__c", "T"), ("Project__c", &first)]);
    let error = desk.update("Project_Task__c", &task, &[("Project__c", &second)]).expect_err("no reparenting");
    assert_eq!(error.code, "INVALID_FIELD_FOR_INSERT_UPDATE");
}

#[test]
fn loops_are_refused_where_the_platform_draws_trees_and_allowed_elsewhere() {
    // 6.4 CIRCULAR_DEPENDENCY
    let desk = Desk::new();
    let top = desk.make("Account", &[("Name", "Top")]);
    let middle = desk.make("Account", &[("Name", "Middle"), ("ParentId", &top)]);
    let bottom = desk.make("Account", &[("Name", "Bottom"), ("ParentId", &middle)]);
    let error = desk.update("Account", &top, &[("ParentId", &bottom)]).expect_err("a loop");
    assert_eq!(error.code, "CIRCULAR_DEPENDENCY");
    let a = desk.make("Project__c", &[("Name", "A")]);
    let b = desk.make("Project__c", &[("Name", "B"), ("Parent_Project__c", &a)]);
    desk.update("Project__c", &a, &[("Parent_Project__c", &b)]).expect("custom lookups may form a loop");
}

#[test]
fn audit_fields_are_the_servers() {
    // 6.3; milliseconds are not kept
    let desk = Desk::new();
    let id = desk.make("Account", &[("Name", "Acme")]);
    let made = Value::Int(START_MS / 1000 * 1000);
    for field in ["CreatedDate", "LastModifiedDate", "SystemModstamp"] {
        assert_eq!(desk.get(&id, field), made, "{field}");
    }
    assert_eq!(desk.get(&id, "CreatedById"), Value::Text(desk.caller.user_id.clone()));
    desk.later(60);
    desk.update("Account", &id, &[("Name", "Acme")]).expect("nothing changes");
    assert_eq!(desk.get(&id, "CreatedDate"), made);
    assert_eq!(desk.get(&id, "SystemModstamp"), Value::Int(START_MS / 1000 * 1000 + 60_000));
}

#[test]
fn audit_fields_can_be_given_on_insert_with_switch_and_permission() {
    // 6.3
    let desk = Desk::with(&["CreateAuditFields"]);
    let user = desk.org.id_of("User", "Alias", "former");
    let given = [
        ("Name", "Old"),
        ("CreatedDate", "2010-01-02T03:04:05Z"),
        ("CreatedById", &*user),
        ("LastModifiedDate", "2011-01-02T03:04:05Z"),
    ];
    let id = desk.make("Account", &given);
    assert_eq!(desk.get(&id, "CreatedDate"), Value::Int(1_262_401_445_000));
    assert_eq!(desk.get(&id, "CreatedById"), Value::Text(user));
    assert_eq!(desk.get(&id, "SystemModstamp"), Value::Int(START_MS / 1000 * 1000));
    let error = desk.update("Account", &id, &[("CreatedDate", "2010-01-02T03:04:05Z")]).expect_err("not on update");
    assert_eq!(error.code, "INVALID_FIELD_FOR_INSERT_UPDATE");
    let error = desk
        .upsert("Project__c", "External_Key__c", "k", &[("CreatedDate", "2010-01-02T03:04:05Z")])
        .expect_err("not by upsert");
    assert_eq!(error.code, "INVALID_FIELD_FOR_INSERT_UPDATE");
    let (code, ..) = desk.refused("Account", &[("Name", "Future"), ("CreatedDate", "2030-01-01T00:00:00Z")]);
    assert_eq!(code, "FIELD_INTEGRITY_EXCEPTION");
    let (code, ..) = desk.refused("Product2", &[("Name", "P"), ("CreatedDate", "2010-01-01T00:00:00Z")]);
    assert_eq!(code, "INVALID_FIELD_FOR_INSERT_UPDATE", "not for products");
    desk.org.set_audit_fields_switch(false).expect("the schema changes");
    let (code, ..) = desk.refused("Account", &[("Name", "Old"), ("CreatedDate", "2010-01-02T03:04:05Z")]);
    assert_eq!(code, "INVALID_FIELD_FOR_INSERT_UPDATE", "the switch is off");
}

#[test]
fn who_may_not_write_cannot() {
    let mut desk = Desk::new();
    let admins = desk.make("Account", &[("Name", "Admin's")]);
    let backup = desk.org.id_of("User", "Alias", "backup");
    desk.caller = desk.org.caller(&backup);
    assert!(desk.caller.can("ViewAllData") && !desk.caller.can("ModifyAllData"));
    let (code, message, _) = desk.refused("Account", &[("Name", "A")]);
    assert_eq!(code, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY");
    assert_eq!(message, "entity type cannot be inserted: Account");
    assert_eq!(
        desk.update("Account", &admins, &[("Name", "B")]).expect_err("read-only").message,
        "entity type cannot be updated: Account"
    );
    assert_eq!(desk.delete(&admins).expect_err("read-only").code, "INSUFFICIENT_ACCESS_OR_READONLY");
    desk.caller = desk.org.caller(&desk.org.id_of("User", "Alias", "sales"));
    desk.make("Account", &[("Name", "A standard user writes accounts")]);
}

#[test]
fn owners_are_active_and_queues_admit_the_object() {
    // 6.6 INACTIVE_OWNER_OR_USER
    let desk = Desk::new();
    let former = desk.org.id_of("User", "Alias", "former");
    let (code, message, _) = desk.refused("Account", &[("Name", "A"), ("OwnerId", &former)]);
    assert_eq!(code, "INACTIVE_OWNER_OR_USER");
    assert_eq!(message, format!("operation performed with inactive user [{}] as owner of account", id::to15(&former)));
    let queue = desk.org.id_of("Group", "DeveloperName", "Support_Queue");
    desk.make("Case", &[("Subject", "S"), ("OwnerId", &queue)]);
    let (code, ..) = desk.refused("Invoice__c", &[("OwnerId", &queue)]);
    assert_eq!(code, "INVALID_OPERATION");
    let allowed = Desk::with(&["UpdateWithInactiveOwner"]);
    let former = allowed.org.id_of("User", "Alias", "former");
    allowed.make("Account", &[("Name", "A"), ("OwnerId", &former)]);
}

#[test]
fn record_types_belong_to_their_object() {
    let desk = Desk::new();
    let business = desk.org.id_of("RecordType", "DeveloperName", "Business");
    desk.make("Account", &[("Name", "A"), ("RecordTypeId", &business)]);
    let (code, message, _) = desk.refused("Case", &[("RecordTypeId", &business)]);
    assert_eq!(code, "INVALID_CROSS_REFERENCE_KEY");
    assert_eq!(message, format!("Record Type ID: this ID value isn't valid for the user: {business}"));
    let project = desk.make("Project__c", &[]);
    assert_eq!(
        desk.get(&project, "RecordTypeId"),
        Value::Text(desk.org.id_of("RecordType", "DeveloperName", "Customer_Project"))
    );
    assert_eq!(desk.get(&project, "Name"), Value::Text(project.clone()), "named by its Id");
    let master = desk.make("Case", &[("RecordTypeId", id::MASTER_RECORD_TYPE)]);
    assert_eq!(desk.get(&master, "RecordTypeId"), Value::Null);
}

#[test]
fn a_refused_row_leaves_nothing() {
    let desk = Desk::new();
    let before = desk.count("ContentDocument");
    let error =
        desk.insert("ContentVersion", &[("Title", text("T")), ("PathOnClient", text("t.txt"))]).expect_err("no body");
    assert_eq!(error.code, "REQUIRED_FIELD_MISSING");
    assert_eq!(desk.count("ContentDocument"), before);
}

#[test]
fn an_id_cannot_be_chosen_and_is_never_given_twice() {
    // 6.1
    let desk = Desk::new();
    let first = desk.make("Account", &[("Name", "A")]);
    let (code, _, fields) = desk.refused("Account", &[("Id", &first), ("Name", "B")]);
    assert_eq!((code.as_str(), fields), ("INVALID_FIELD_FOR_INSERT_UPDATE", vec!["Id".to_owned()]));
    desk.hard_delete(&first).expect("gone");
    assert_ne!(desk.make("Account", &[("Name", "C")]), first);
    assert!(first.starts_with("001") && id::valid(&first) && first.len() == 18);
}

#[test]
fn two_orgs_share_no_id() {
    let open = |number| {
        orgkeep_emulator::org::Org::open(
            number,
            orgkeep_emulator::schema::Schema::standard(),
            orgkeep_emulator::Clock::starting_at(0),
            None,
        )
        .expect("opens")
    };
    let (one, two) = (open(0), open(1));
    let made =
        |org: &orgkeep_emulator::org::Org| org.insert("Account", vec![("Name".into(), text("A"))]).expect("saved");
    assert_ne!(made(&one), made(&two));
    assert_ne!(one.id, two.id);
    assert_eq!(two.rows("Organization")[0]["Id"], serde_json::json!(two.id));
    assert_eq!(two.rows("User")[0]["CreatedById"], two.rows("User")[0]["Id"]);
}
