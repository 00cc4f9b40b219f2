// SPDX-License-Identifier: Apache-2.0
//! Automation that acts on records: assignment rules, declared effects of triggers and flows, duplicate rules (`salesforce-api.md` 2.1, 6.5).

use crate::acts::{bulk, criterion, field, soap};
use crate::client::Client;
use crate::porter::{deploy_well, package, zip};
use serde_json::{Value, json};

fn assignment(object: &str, rules: &str) -> Vec<u8> {
    let body = format!("<AssignmentRules xmlns=\"http://soap.sforce.com/2006/04/metadata\">{rules}</AssignmentRules>");
    zip(&[
        ("package.xml", &package(&[("AssignmentRules", &[object])])),
        (&format!("assignmentRules/{object}.assignmentRules"), &body),
    ])
}

fn assignment_rule(name: &str, active: bool, entries: &[(&str, &str, &str)]) -> String {
    let entry = |(kind, owner, criteria): &(&str, &str, &str)| {
        format!(
            "<ruleEntry><assignedTo>{owner}</assignedTo><assignedToType>{kind}</assignedToType>{criteria}</ruleEntry>"
        )
    };
    let entries: String = entries.iter().map(entry).collect();
    format!("<assignmentRule><fullName>{name}</fullName><active>{active}</active>{entries}</assignmentRule>")
}

#[tokio::test(start_paused = true)]
async fn assignment_rules_name_the_owner_where_the_call_asks_for_them() {
    let client = Client::new();
    let queue = client.create("Group", &json!({"Type": "Queue", "DeveloperName": "Support", "Name": "Support"})).await;
    client.create("QueueSobject", &json!({"QueueId": queue, "SobjectType": "Case"})).await;
    let rules = assignment_rule(
        "Usual",
        true,
        &[
            ("Queue", "Support", &criterion("Case.Origin", "equals", "Phone")),
            ("User", "sales@org-1.orgkeep.example", "<formula>ISPICKVAL(Priority, \"High\")</formula>"),
        ],
    ) + &assignment_rule("Rare", false, &[("User", "sales@org-1.orgkeep.example", "")]);
    deploy_well(&client, &assignment("Case", &rules)).await;
    let admin = client.emulator.credentials(0).user_id;
    let sales =
        client.query("SELECT Id FROM User WHERE Username = 'sales@org-1.orgkeep.example'").await[0]["Id"].clone();
    let make = async |headers: &[(&str, &str)], record: Value| {
        let all: Vec<(&str, &str)> = headers.iter().copied().chain([("content-type", "application/json")]).collect();
        let reply = client.send_with("POST", "/sobjects/Case", &all, record.to_string()).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        field(&client, reply.json()["id"].as_str().unwrap(), "Case", "OwnerId").await
    };
    // REST applies the active rule unless it is told not to; the first entry that holds decides.
    assert_eq!(make(&[], json!({"Origin": "Phone", "Priority": "High"})).await, json!(queue));
    assert_eq!(make(&[], json!({"Priority": "High"})).await, sales);
    assert_eq!(make(&[], json!({"Priority": "Low"})).await, json!(admin));
    assert_eq!(make(&[("sforce-auto-assign", "FALSE")], json!({"Origin": "Phone"})).await, json!(admin));
    // By its Id also a rule that is not active.
    let listed = crate::porter::call(
        &client,
        "<listMetadata><queries><type>AssignmentRule</type></queries><asOfVersion>67.0</asOfVersion></listMetadata>",
    )
    .await;
    let rare =
        listed.all("result").find(|one| one.text_of("fullName") == "Case.Rare").unwrap().text_of("id").to_owned();
    assert_eq!(make(&[("sforce-auto-assign", &rare)], json!({"Origin": "Phone"})).await, sales);
    // An update is assigned as well; SOAP and Bulk must ask.
    let id = client.create("Case", &json!({"Priority": "Low"})).await;
    client.json("PATCH", &format!("/sobjects/Case/{id}"), &json!({"Origin": "Phone"})).await;
    assert_eq!(field(&client, &id, "Case", "OwnerId").await, json!(queue));
    let create = "<urn:create><urn:sObjects><s:type>Case</s:type><Origin>Phone</Origin><Subject>S</Subject></urn:sObjects></urn:create>";
    soap(&client, "", create).await;
    soap(
        &client,
        "<urn:AssignmentRuleHeader><urn:useDefaultRule>true</urn:useDefaultRule></urn:AssignmentRuleHeader>",
        create,
    )
    .await;
    let owners = client.query("SELECT OwnerId FROM Case WHERE Subject = 'S' ORDER BY CaseNumber").await;
    assert_eq!((&owners[0]["OwnerId"], &owners[1]["OwnerId"]), (&json!(admin), &json!(queue)));
    bulk(&client, json!({"object": "Case", "operation": "insert"}), "Origin,Subject\nPhone,B1\n").await;
    bulk(
        &client,
        json!({"object": "Case", "operation": "insert", "assignmentRuleId": rare}),
        "Origin,Subject\nPhone,B2\n",
    )
    .await;
    let owners = client.query("SELECT OwnerId FROM Case WHERE Subject LIKE 'B%' ORDER BY CaseNumber").await;
    assert_eq!((&owners[0]["OwnerId"], &owners[1]["OwnerId"]), (&json!(admin), &sales));
}

/// A trigger's files.
fn trigger(name: &str, object: &str, moments: &str, status: &str) -> [(String, String); 2] {
    let meta = format!(
        "<ApexTrigger xmlns=\"http://soap.sforce.com/2006/04/metadata\"><apiVersion>60.0</apiVersion><status>{status}</status></ApexTrigger>"
    );
    [
        (format!("triggers/{name}.trigger"), format!("trigger {name} on {object} ({moments}) {{ }}")),
        (format!("triggers/{name}.trigger-meta.xml"), meta),
    ]
}

async fn declare(client: &Client, effects: Value) -> Vec<Value> {
    let request = http::Request::post("/_emulator/effects").header("host", "org.test");
    let response = client.emulator.handle(request.body(json!({"effects": effects}).to_string().into()).unwrap()).await;
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    answer["automation"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

#[tokio::test(start_paused = true)]
async fn declared_effects_happen_as_their_triggers_would() {
    let client = Client::new();
    let mut files =
        vec![("package.xml".to_owned(), package(&[("ApexTrigger", &["OnCase", "OnDeal", "Asleep", "Loop"])]))];
    files.extend(trigger("OnCase", "Case", "before insert, after insert, after update, after undelete", "Active"));
    files.extend(trigger("OnDeal", "Opportunity", "before update, before delete, after delete", "Active"));
    files.extend(trigger("Asleep", "Case", "before insert", "Inactive"));
    files.extend(trigger("Loop", "Contact", "after insert", "Active"));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, body)| (path.as_str(), body.as_str())).collect();
    deploy_well(&client, &zip(&files)).await;
    let standings = declare(
        &client,
        json!([
            {"trigger": "OnCase", "object": "Case", "on": ["before insert"], "if": "ISPICKVAL(Origin, \"Phone\")", "set": {"Priority": "High"},
             "formulas": {"Subject": "UPPER(Subject)"}},
            {"trigger": "OnCase", "object": "Case", "on": ["after insert"], "if": "ISPICKVAL(Priority, \"High\")",
             "create": {"object": "Task", "set": {"Subject": "Call back"}, "formulas": {"WhatId": "Id"}}},
            {"trigger": "OnCase", "object": "Case", "on": ["after undelete"], "set": {"Description": "back again"}},
            {"trigger": "OnCase", "object": "Case", "on": ["before delete"], "add_error": {"message": "never"}},
            {"trigger": "OnDeal", "object": "Opportunity", "on": ["before update"], "if": "ISCHANGED(Amount) && Amount < PRIORVALUE(Amount)",
             "add_error": {"message": "Less is not more", "field": "Amount"}},
            {"trigger": "OnDeal", "object": "Opportunity", "on": ["before delete"], "if": "ISPICKVAL(StageName, \"Closed Won\")", "add_error": {"message": "Won deals stay"}},
            {"trigger": "OnDeal", "object": "Opportunity", "on": ["after delete"], "create": {"object": "Account", "formulas": {"Name": "Name"}}},
            {"trigger": "Asleep", "object": "Case", "on": ["before insert"], "set": {"Subject": "asleep"}},
            {"trigger": "Absent", "object": "Case", "on": ["before insert"], "set": {"Subject": "absent"}},
            {"trigger": "Loop", "object": "Contact", "on": ["after insert"], "create": {"object": "Contact", "set": {"LastName": "Again"}}},
        ]),
    )
    .await;
    let reasons: Vec<&str> = standings.iter().filter_map(|one| one["reason"].as_str()).collect();
    assert_eq!(
        reasons,
        [
            "the trigger OnCase does not fire before delete",
            "the ApexTrigger Asleep is not active",
            "no ApexTrigger named Absent is deployed"
        ]
    );
    let id = client.create("Case", &json!({"Origin": "Phone", "Subject": "help"})).await;
    assert_eq!(field(&client, &id, "Case", "Priority").await, "High");
    assert_eq!(field(&client, &id, "Case", "Subject").await, "HELP");
    let tasks = client.query("SELECT Subject, WhatId FROM Task").await;
    assert_eq!((tasks.len(), &tasks[0]["Subject"], &tasks[0]["WhatId"]), (1, &json!("Call back"), &json!(id)));
    // Delete and undelete.
    client.send("DELETE", &format!("/sobjects/Case/{id}"), "", "").await;
    soap(&client, "", &format!("<urn:undelete><urn:ids>{id}</urn:ids></urn:undelete>")).await;
    assert_eq!(field(&client, &id, "Case", "Description").await, "back again");
    let deal = client
        .create("Opportunity", &json!({"Name": "D", "StageName": "Closed Won", "CloseDate": "2026-01-01", "Amount": 5}))
        .await;
    let path = format!("/sobjects/Opportunity/{deal}");
    let reply = client.json("PATCH", &path, &json!({"Amount": 4})).await;
    assert_eq!(
        reply.json(),
        json!([{"message": "Less is not more", "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": ["Amount"]}])
    );
    let reply = client.send("DELETE", &path, "", "").await;
    assert_eq!(reply.refusal(), (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION".into(), "Won deals stay".into()));
    assert_eq!(client.json("PATCH", &path, &json!({"StageName": "Prospecting"})).await.status, 204);
    assert_eq!(client.send("DELETE", &path, "", "").await.status, 204);
    assert_eq!(client.query("SELECT Name FROM Account").await[0]["Name"], "D");
    // What sets itself off is stopped, and leaves nothing behind.
    let reply = client.json("POST", "/sobjects/Contact", &json!({"LastName": "First"})).await;
    let (status, code, text) = reply.refusal();
    assert_eq!((status, code.as_str()), (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"));
    assert!(text.starts_with("Loop: maximum trigger depth exceeded"), "{text}");
    assert_eq!(client.count("Contact").await, 0);
    // A trigger that is switched off by a deploy does nothing any more.
    let off = trigger("OnCase", "Case", "before insert", "Inactive");
    deploy_well(
        &client,
        &zip(&[
            ("package.xml", &package(&[("ApexTrigger", &["OnCase"])])),
            (&off[0].0, &off[0].1),
            (&off[1].0, &off[1].1),
        ]),
    )
    .await;
    let id = client.create("Case", &json!({"Origin": "Phone", "Subject": "help"})).await;
    assert_eq!(field(&client, &id, "Case", "Subject").await, "help");
}

#[tokio::test(start_paused = true)]
async fn a_trigger_that_is_refused_a_record_refuses_its_own() {
    let client = Client::new();
    let files = trigger("Makes", "Account", "after insert", "Active");
    deploy_well(
        &client,
        &zip(&[
            ("package.xml", &package(&[("ApexTrigger", &["Makes"])])),
            (&files[0].0, &files[0].1),
            (&files[1].0, &files[1].1),
        ]),
    )
    .await;
    declare(&client, json!([{"trigger": "Makes", "object": "Account", "on": ["after insert"], "create": {"object": "Contact", "set": {"FirstName": "A"}}}])).await;
    let (status, code, text) = client.json("POST", "/sobjects/Account", &json!({"Name": "A"})).await.refusal();
    assert_eq!((status, code.as_str()), (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"));
    assert!(
        text.starts_with("Makes: execution of AfterInsert\n\ncaused by: System.DmlException: Insert failed. First exception on row 0; first error: \
                          REQUIRED_FIELD_MISSING, Required fields are missing: [LastName]: [LastName]"),
        "{text}"
    );
    assert_eq!(client.count("Account").await, 0);
}

#[tokio::test]
async fn a_project_brings_the_effects_of_its_triggers() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("sfdx-project.json", "{\"packageDirectories\": [{\"path\": \"force-app\", \"default\": true}]}");
    for (path, text) in trigger("OnCase", "Case", "before insert", "Active") {
        write(&format!("force-app/main/default/{path}"), &text);
    }
    let effects = |set: &str| {
        format!(
            "{{\"effects\": [{{\"trigger\": \"OnCase\", \"object\": \"Case\", \"on\": [\"before insert\"], \"set\": {{\"Subject\": \"{set}\"}}}}]}}"
        )
    };
    write("orgkeep-emulator.json", &effects("of the project"));
    let settings =
        || orgkeep_emulator::Settings { project: Some(folder.path().to_owned()), ..crate::client::settings() };
    let client = Client::with(settings());
    let id = client.create("Case", &json!({})).await;
    assert_eq!(field(&client, &id, "Case", "Subject").await, "of the project");
    write("other.json", &effects("of the settings"));
    let client =
        Client::with(orgkeep_emulator::Settings { effects: Some(folder.path().join("other.json")), ..settings() });
    let id = client.create("Case", &json!({})).await;
    assert_eq!(field(&client, &id, "Case", "Subject").await, "of the settings");
    write("other.json", "{\"effects\": [{\"object\": \"Case\", \"on\": [\"sometimes\"]}]}");
    let wrong = orgkeep_emulator::Settings { effects: Some(folder.path().join("other.json")), ..settings() };
    let error = orgkeep_emulator::Emulator::start(wrong).err().unwrap().to_string();
    assert!(error.contains("other.json") && error.contains("sometimes"), "{error}");
}

/// A duplicate rule of contacts with its matching rule: by e-mail, and by name and phone.
fn duplicates(on_insert: &str, operations: &str) -> Vec<u8> {
    let item = |field: &str, method: &str| {
        format!(
            "<matchingRuleItems><blankValueBehavior>NullNotAllowed</blankValueBehavior><fieldName>{field}</fieldName>\
             <matchingMethod>{method}</matchingMethod></matchingRuleItems>"
        )
    };
    let rule = |name: &str, filter: &str, items: &str| {
        format!(
            "<matchingRules><fullName>{name}</fullName>{filter}<label>{name}</label>{items}<ruleStatus>Active</ruleStatus></matchingRules>"
        )
    };
    let matching = format!(
        "<MatchingRules xmlns=\"http://soap.sforce.com/2006/04/metadata\">{}{}</MatchingRules>",
        rule("Contact_Email", "", &item("Email", "Exact")),
        rule(
            "Name_Phone",
            "<booleanFilter>1 AND 2 AND 3</booleanFilter>",
            &(item("FirstName", "FirstName") + &item("LastName", "LastName") + &item("Phone", "Phone")),
        )
    );
    let matched = |name: &str| {
        format!(
            "<duplicateRuleMatchRules><matchRuleSObjectType>Contact</matchRuleSObjectType><matchingRule>{name}</matchingRule>\
             <objectMapping xsi:nil=\"true\"/></duplicateRuleMatchRules>"
        )
    };
    let duplicate = format!(
        "<DuplicateRule xmlns=\"http://soap.sforce.com/2006/04/metadata\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <actionOnInsert>{on_insert}</actionOnInsert><actionOnUpdate>Block</actionOnUpdate><alertText>Use one of these records?</alertText>\
         <description xsi:nil=\"true\"/><duplicateRuleFilter><booleanFilter xsi:nil=\"true\"/><duplicateRuleFilterItems><field>Title</field>\
         <operation>notEqual</operation><value>Twin</value><sortOrder>1</sortOrder><table>Contact</table></duplicateRuleFilterItems></duplicateRuleFilter>\
         {}{}<isActive>true</isActive><masterLabel>Doubles</masterLabel>{operations}<operationsOnUpdate>Alert</operationsOnUpdate>\
         <securityOption>BypassSharingRules</securityOption><sortOrder>1</sortOrder></DuplicateRule>",
        matched("Contact_Email"),
        matched("Name_Phone")
    );
    zip(&[
        ("package.xml", &package(&[("DuplicateRule", &["Contact.Doubles"]), ("MatchingRules", &["Contact"])])),
        ("matchingRules/Contact.matchingRule", &matching),
        ("duplicateRules/Contact.Doubles.duplicateRule", &duplicate),
    ])
}

#[tokio::test(start_paused = true)]
async fn duplicate_rules_refuse_warn_or_report() {
    let client = Client::new();
    let alert = "<operationsOnInsert>Alert</operationsOnInsert><operationsOnInsert>Report</operationsOnInsert>";
    deploy_well(&client, &duplicates("Allow", alert)).await;
    let first = client
        .create(
            "Contact",
            &json!({"FirstName": "Ann", "LastName": "Meyer", "Email": "ann@example.com", "Phone": "(555) 123-4567"}),
        )
        .await;
    // The recorded answer, misspelled key and all.
    let reply = client
        .version("51.0")
        .json("POST", "/sobjects/Contact", &json!({"LastName": "X", "Email": "ANN@example.com"}))
        .await;
    let url = format!("/services/data/v51.0/sobjects/Contact/{first}");
    let record = json!({"attributes": {"type": "Contact", "url": url}, "Id": first});
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.json(),
        json!([{
            "duplicateResut": {
                "allowSave": true, "duplicateRule": "Doubles", "duplicateRuleEntityType": "Contact", "errorMessage": "Use one of these records?",
                "matchResults": [{
                    "entityType": "Contact", "errors": [], "matchEngine": "ExactMatchEngine",
                    "matchRecords": [{"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": record}],
                    "rule": "Contact_Email", "size": 1, "success": true,
                }],
            },
            "errorCode": "DUPLICATES_DETECTED", "message": "Use one of these records?",
        }])
    );
    // More of what was found, when the header asks for it.
    let details = [
        ("content-type", "application/json"),
        ("sforce-duplicate-rule-header", "allowSave=false; includeRecordDetails=true; runAsCurrentUser=true"),
    ];
    let body = json!({"LastName": "X", "Email": "ANN@example.com"}).to_string();
    let reply = client.send_with("POST", "/sobjects/Contact", &details, body).await.json();
    let found = &reply[0]["duplicateResut"]["matchResults"][0]["matchRecords"][0]["record"];
    assert_eq!((&found["Name"], &found["Email"]), (&json!("Ann Meyer"), &json!("ann@example.com")));
    // Alike, not equal: another engine.
    let reply = client
        .json("POST", "/sobjects/Contact", &json!({"FirstName": "A", "LastName": "Meyers", "Phone": "555 123 4567"}))
        .await;
    assert_eq!(reply.json()[0]["duplicateResut"]["matchResults"][0]["matchEngine"], "FuzzyMatchEngine");
    // In collections, Bulk and SOAP.
    let records =
        json!({"records": [{"attributes": {"type": "Contact"}, "LastName": "X", "Email": "ann@example.com"}]});
    let reply = client.json("POST", "/composite/sobjects", &records).await.json();
    assert_eq!(
        reply[0]["errors"],
        json!([{"statusCode": "DUPLICATES_DETECTED", "message": "Use one of these records?", "fields": []}])
    );
    let failed = bulk(
        &client,
        json!({"object": "Contact", "operation": "insert"}),
        "LastName,Email\nX,ann@example.com\nY,y@example.com\n",
    )
    .await;
    assert_eq!(failed, ["DUPLICATES_DETECTED:Use one of these records?:--"]);
    let create = "<urn:create><urn:sObjects><s:type>Contact</s:type><LastName>S</LastName><Email>ann@example.com</Email></urn:sObjects></urn:create>";
    let said = soap(&client, "", create).await;
    assert!(
        said.contains("<errors xsi:type=\"DuplicateError\"><message>Use one of these records?</message><statusCode>DUPLICATES_DETECTED</statusCode><duplicateResult><allowSave>true</allowSave>")
            && said.contains(&format!("<sf:Id>{first}</sf:Id>")),
        "{said}"
    );
    // Who says so saves all the same, and the duplicate is reported.
    let headers = [
        ("content-type", "application/json"),
        ("sforce-duplicate-rule-header", "allowSave=true; runAsCurrentUser=true"),
    ];
    let body = json!({"LastName": "X", "Email": "ann@example.com"}).to_string();
    let reply = client.send_with("POST", "/sobjects/Contact", &headers, body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let second = reply.json()["id"].clone();
    let said =
        soap(&client, "<urn:DuplicateRuleHeader><urn:allowSave>true</urn:allowSave></urn:DuplicateRuleHeader>", create)
            .await;
    assert!(said.contains("<success>true</success>"), "{said}");
    let sets = client.query("SELECT Id, RecordCount, DuplicateRule.DeveloperName FROM DuplicateRecordSet").await;
    assert_eq!(
        (sets.len(), &sets[0]["RecordCount"], &sets[0]["DuplicateRule"]["DeveloperName"]),
        (1, &json!(3), &json!("Doubles"))
    );
    let items = client.query("SELECT RecordId FROM DuplicateRecordItem").await;
    assert!([json!(first), second].iter().all(|id| items.iter().any(|item| item["RecordId"] == *id)));
    // What the filter leaves out is no duplicate; an update is judged when it changes what is matched by.
    client.create("Contact", &json!({"LastName": "T", "Email": "ann@example.com", "Title": "Twin"})).await;
    let other = client.create("Contact", &json!({"LastName": "O", "Email": "o@example.com"})).await;
    let path = format!("/sobjects/Contact/{other}");
    assert_eq!(client.json("PATCH", &path, &json!({"LastName": "P"})).await.status, 204);
    let reply = client.send_with("PATCH", &path, &headers, json!({"Email": "ann@example.com"}).to_string()).await;
    assert_eq!(reply.json()[0]["duplicateResut"]["allowSave"], false, "blocked whatever the header says");
    // Without an alert it is saved.
    deploy_well(&client, &duplicates("Allow", "<operationsOnInsert>Report</operationsOnInsert>")).await;
    client.create("Contact", &json!({"LastName": "Q", "Email": "ann@example.com"})).await;
}

#[tokio::test(start_paused = true)]
async fn rules_are_found_and_switched_off_through_the_tooling_api() {
    let client = Client::new();
    let rule = |name: &str, active: bool| {
        format!(
            "<validationRules><fullName>{name}</fullName><active>{active}</active><errorConditionFormula>Name = \"{name}\"</errorConditionFormula>\
             <errorDisplayField>Name</errorDisplayField><errorMessage>Not {name}</errorMessage></validationRules>"
        )
    };
    let object = format!(
        "<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\">{}{}</CustomObject>",
        rule("Bad", true),
        rule("Worse", false)
    );
    deploy_well(
        &client,
        &zip(&[("package.xml", &package(&[("CustomObject", &["Account"])])), ("objects/Account.object", &object)]),
    )
    .await;
    let query = async |soql: &str| {
        let query: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        client.get(&format!("/tooling/query?q={query}")).await
    };
    let found = query("SELECT Id, ValidationName, EntityDefinition.QualifiedApiName FROM ValidationRule WHERE Active = true AND EntityDefinition.QualifiedApiName = 'Account'").await.json();
    assert_eq!((&found["totalSize"], &found["records"][0]["ValidationName"]), (&json!(1), &json!("Bad")));
    assert_eq!(found["records"][0]["EntityDefinition"]["QualifiedApiName"], "Account");
    let id = found["records"][0]["Id"].as_str().unwrap().to_owned();
    let all = query("SELECT ValidationName FROM ValidationRule WHERE ValidationName LIKE '%or%' OR Active = true ORDER BY ValidationName DESC").await.json();
    assert_eq!((&all["records"][0]["ValidationName"], &all["totalSize"]), (&json!("Worse"), &json!(2)));
    assert_eq!(
        query("SELECT COUNT() FROM ValidationRule WHERE Id IN ('000000000000000')").await.json()["totalSize"],
        0
    );
    let (status, code, text) = query("SELECT Metadata FROM ValidationRule").await.refusal();
    assert_eq!((status, code.as_str()), (400, "MALFORMED_QUERY"));
    assert!(text.ends_with("no more than one row for retrieval. Result size: 2"), "{text}");
    assert_eq!(query("SELECT Nothing FROM ValidationRule").await.refusal().1, "INVALID_FIELD");
    // Switched off as restores do it: what was read goes back with one member changed.
    let path = format!("/tooling/sobjects/ValidationRule/{id}");
    let rule = client.get(&path).await.json();
    assert_eq!(rule["FullName"], "Account.Bad");
    let mut metadata = rule["Metadata"].clone();
    assert_eq!(
        (&metadata["active"], &metadata["errorConditionFormula"], &metadata["description"]),
        (&json!(true), &json!("Name = \"Bad\""), &Value::Null)
    );
    let refused = client.json("POST", "/sobjects/Account", &json!({"Name": "Bad"})).await.refusal();
    assert_eq!(refused.1, "FIELD_CUSTOM_VALIDATION_EXCEPTION");
    metadata["active"] = false.into();
    let reply = client.json("PATCH", &path, &json!({"Metadata": metadata})).await;
    assert_eq!((reply.status, reply.text()), (204, ""));
    client.create("Account", &json!({"Name": "Bad"})).await;
    assert_eq!(client.get(&path).await.json()["Active"], false);
    assert_eq!(client.get("/tooling/sobjects/ValidationRule/03dEM00000000zzz").await.status, 404);
    // Apex code stands in rows of its own.
    let files = trigger("Here", "Account", "before insert, after update", "Active");
    deploy_well(
        &client,
        &zip(&[
            ("package.xml", &package(&[("ApexTrigger", &["Here"])])),
            (&files[0].0, &files[0].1),
            (&files[1].0, &files[1].1),
        ]),
    )
    .await;
    let row = query(
        "SELECT Name, TableEnumOrId, Status, UsageBeforeInsert, UsageAfterUpdate, UsageAfterDelete FROM ApexTrigger",
    )
    .await
    .json();
    let row = &row["records"][0];
    assert_eq!(
        (&row["Name"], &row["TableEnumOrId"], &row["Status"]),
        (&json!("Here"), &json!("Account"), &json!("Active"))
    );
    assert_eq!(
        (&row["UsageBeforeInsert"], &row["UsageAfterUpdate"], &row["UsageAfterDelete"]),
        (&json!(true), &json!(true), &json!(false))
    );
}
