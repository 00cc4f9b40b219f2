// SPDX-License-Identifier: Apache-2.0
//! Automation that was deployed takes effect (`salesforce-api.md` 6.5, 6.6).

use crate::acts::{bulk, criterion, field, soap};
use crate::client::Client;
use crate::porter::{deploy, deploy_well, package, problems, zip};
use serde_json::{Value, json};

/// A validation rule; a rule without a field shows its message at the top.
fn rule(name: &str, active: bool, formula: &str, field: &str) -> String {
    let field =
        if field.is_empty() { String::new() } else { format!("<errorDisplayField>{field}</errorDisplayField>") };
    let formula = quick_escape(formula);
    format!(
        "<validationRules><fullName>{name}</fullName><active>{active}</active><errorConditionFormula>{formula}</errorConditionFormula>\
         {field}<errorMessage>{name} is broken</errorMessage></validationRules>"
    )
}

fn quick_escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn objects(files: &[(&str, String)]) -> Vec<u8> {
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let manifest = package(&[("CustomObject", &names)]);
    let files: Vec<(String, String)> = files
        .iter()
        .map(|(name, parts)| {
            let body =
                format!("<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\">{parts}</CustomObject>");
            (format!("objects/{name}.object"), body)
        })
        .collect();
    let mut all = vec![("package.xml", manifest.as_str())];
    all.extend(files.iter().map(|(path, body)| (path.as_str(), body.as_str())));
    zip(&all)
}

/// Whether a record is refused, and what it is told.
async fn told(client: &Client, object: &str, record: &Value) -> Vec<(String, Vec<String>)> {
    let reply = client.json("POST", &format!("/sobjects/{object}"), record).await;
    if reply.status == 201 {
        return Vec::new();
    }
    let errors = reply.json();
    let one = |error: &Value| {
        assert_eq!(error["errorCode"], "FIELD_CUSTOM_VALIDATION_EXCEPTION", "{error}");
        let fields = error["fields"].as_array().unwrap().iter().map(|field| field.as_str().unwrap().to_owned());
        (error["message"].as_str().unwrap().to_owned(), fields.collect())
    };
    assert_eq!(reply.status, 400);
    errors.as_array().unwrap().iter().map(one).collect()
}

#[tokio::test(start_paused = true)]
async fn validation_rules_refuse_records_in_every_api() {
    let client = Client::new();
    let rules = rule("Phone_Needed", true, "AND(ISBLANK(Phone), NumberOfEmployees > 10)", "Phone")
        + &rule("Not_Everywhere", true, "BillingCity = \"Nowhere\"", "")
        + &rule("Asleep", false, "TRUE", "");
    deploy_well(&client, &objects(&[("Account", rules)])).await;
    let bad = json!({"Name": "A", "NumberOfEmployees": 11, "BillingCity": "Nowhere"});
    // Each broken rule is an error of its own; the field is the one that the rule names.
    let both = vec![
        ("Not_Everywhere is broken".to_owned(), vec![]),
        ("Phone_Needed is broken".to_owned(), vec!["Phone".to_owned()]),
    ];
    assert_eq!(told(&client, "Account", &bad).await, both);
    let id = client.create("Account", &json!({"Name": "A", "NumberOfEmployees": 9})).await;
    // An update is judged with what the record has already.
    let reply = client.json("PATCH", &format!("/sobjects/Account/{id}"), &json!({"NumberOfEmployees": 20})).await;
    assert_eq!(reply.refusal(), (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION".into(), "Phone_Needed is broken".into()));
    assert_eq!(client.query("SELECT NumberOfEmployees FROM Account").await[0]["NumberOfEmployees"], 9);
    let reply =
        client.json("PATCH", &format!("/sobjects/Account/{id}"), &json!({"NumberOfEmployees": 20, "Phone": "1"})).await;
    assert_eq!(reply.status, 204);
    // Collections, trees, Bulk and SOAP.
    let records = json!({"records": [{"attributes": {"type": "Account"}, "Name": "B", "BillingCity": "Nowhere"}]});
    let reply = client.json("POST", "/composite/sobjects", &records).await.json();
    let error =
        json!({"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Not_Everywhere is broken", "fields": []});
    assert_eq!(reply, json!([{"success": false, "errors": [error]}]));
    let order = json!({"object": "Account", "operation": "insert"});
    let failed = bulk(&client, order, "Name,NumberOfEmployees\nC,12\nD,3\n").await;
    assert_eq!(failed, ["FIELD_CUSTOM_VALIDATION_EXCEPTION:Phone_Needed is broken:Phone--"]);
    let said = soap(
        &client,
        "",
        "<urn:create><urn:sObjects><s:type>Account</s:type><Name>E</Name><BillingCity>Nowhere</BillingCity></urn:sObjects></urn:create>",
    )
    .await;
    assert!(
        said.contains("<errors><message>Not_Everywhere is broken</message><statusCode>FIELD_CUSTOM_VALIDATION_EXCEPTION</statusCode></errors>"),
        "{said}"
    );
    // The platform's own account is not held to them, nor is anybody when the rule is off, or gone.
    client.emulator.orgs()[0]
        .insert(
            "Account",
            vec![
                ("Name".into(), orgkeep_emulator::record::Input::Text("F".into())),
                ("BillingCity".into(), orgkeep_emulator::record::Input::Text("Nowhere".into())),
            ],
        )
        .unwrap();
    deploy_well(&client, &objects(&[("Account", rule("Not_Everywhere", false, "BillingCity = \"Nowhere\"", ""))]))
        .await;
    assert_eq!(told(&client, "Account", &bad).await, both[1..]);
    let update = "<updateMetadata><metadata xsi:type=\"ValidationRule\"><fullName>Account.Phone_Needed</fullName><active>false</active>\
                  <errorConditionFormula>TRUE</errorConditionFormula><errorMessage>m</errorMessage></metadata></updateMetadata>";
    let answer = crate::porter::call(&client, update).await;
    assert!(answer.first("result").unwrap().is_true("success"), "{}", answer.compact());
    assert_eq!(told(&client, "Account", &bad).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_deploy_that_is_undone_leaves_the_rules_as_they_were() {
    let client = Client::new();
    let strict = objects(&[("Account", rule("Never", true, "TRUE", ""))]);
    let checked = deploy(&client, &strict, "<singlePackage>true</singlePackage><checkOnly>true</checkOnly>").await;
    assert!(checked.is_true("success"));
    client.create("Account", &json!({"Name": "A"})).await;
    deploy_well(&client, &strict).await;
    assert_eq!(told(&client, "Account", &json!({"Name": "A"})).await.len(), 1);
    let gone = zip(&[
        ("package.xml", &package(&[])),
        ("destructiveChanges.xml", &package(&[("ValidationRule", &["Account.Never"])])),
    ]);
    deploy_well(&client, &gone).await;
    client.create("Account", &json!({"Name": "A"})).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_outside_of_the_subset_is_kept_and_said_to_be_inactive() {
    let client = Client::new();
    let rules = rule("Looks_Up", true, "VLOOKUP($ObjectType.Zip__c.Fields.City__c, Name, Name) <> Name", "")
        + &rule("Unknown_Field", true, "ISBLANK(Some_Standard_Field)", "")
        + &rule("Works", true, "Name = \"Bad\"", "Name");
    let result = deploy_well(&client, &objects(&[("Account", rules)])).await;
    let messages = result.first("details").unwrap();
    let of = |name: &str| messages.all("componentSuccesses").find(|one| one.text_of("fullName") == name).unwrap();
    let dormant = of("Account.Looks_Up");
    assert_eq!((dormant.text_of("problemType"), dormant.is_true("success")), ("Warning", true));
    assert!(
        dormant.text_of("problem").starts_with("The emulator keeps this component and takes it for inactive"),
        "{}",
        dormant.text_of("problem")
    );
    assert!(of("Account.Unknown_Field").text_of("problem").ends_with("there is no field Some_Standard_Field here"));
    assert_eq!(of("Account.Works").text_of("problem"), "");
    assert_eq!(told(&client, "Account", &json!({"Name": "Bad"})).await.len(), 1);
    client.create("Account", &json!({"Name": "Good"})).await;
    let asked = http::Request::get("/_emulator/automation").header("host", "org.test");
    let reply = client.answer(asked.body(axum::body::Body::empty()).unwrap()).await;
    let lines = reply.json()["automation"].as_array().unwrap().clone();
    let line = |name: &str| lines.iter().find(|line| line["fullName"] == name).unwrap();
    assert_eq!(line("Account.Works")["works"], true);
    assert_eq!(line("Account.Looks_Up")["works"], false);
    assert!(line("Account.Looks_Up")["reason"].as_str().unwrap().contains("VLOOKUP"));
    // A field that is not there is an error, as in Setup.
    let result = deploy(
        &client,
        &objects(&[("Account", rule("Lost", true, "Lost__c = 1", ""))]),
        "<singlePackage>true</singlePackage>",
    )
    .await;
    assert_eq!(
        problems(&result),
        [("Account.Lost".to_owned(), "Field Lost__c does not exist. Check spelling.".to_owned())]
    );
}

/// Formulas and whether each is true of the record.
#[tokio::test(start_paused = true)]
async fn the_functions_of_rules_answer_as_documented() {
    let client = Client::new();
    let fields = "<fields><fullName>Amount__c</fullName><label>A</label><precision>18</precision><scale>2</scale><type>Number</type></fields>\
        <fields><fullName>Is_It__c</fullName><defaultValue>false</defaultValue><label>I</label><type>Checkbox</type></fields>\
        <fields><fullName>Day__c</fullName><label>D</label><type>Date</type></fields>\
        <fields><fullName>Kinds__c</fullName><label>K</label><type>MultiselectPicklist</type><visibleLines>4</visibleLines><valueSet><restricted>true</restricted>\
        <valueSetDefinition><sorted>false</sorted><value><fullName>Red</fullName><default>false</default><label>Red</label></value>\
        <value><fullName>Blue</fullName><default>false</default><label>Blue</label></value></valueSetDefinition></valueSet></fields>";
    let parent = client.create("Account", &json!({"Name": "Parent", "Industry": "Energy", "Type": "Customer"})).await;
    let record = json!({
        "LastName": "Meyer", "FirstName": "Ann", "AccountId": parent, "Email": "ann@example.com", "MailingPostalCode": "12345",
        "LeadSource": "Web", "Amount__c": 12.5, "Day__c": "2026-02-28", "Kinds__c": "Red;Blue", "Is_It__c": true,
    });
    let cases: &[(&str, bool)] = &[
        ("ISPICKVAL(LeadSource, \"Web\")", true),
        ("ISPICKVAL(Salutation, \"\")", true),
        ("TEXT(LeadSource) = \"web\"", false),
        ("Account.Name = \"Parent\" && ISPICKVAL(Account.Industry, \"Energy\")", true),
        ("ReportsTo.LastName = \"\"", true),
        ("ISBLANK(ReportsTo.Email)", true),
        ("Owner.Username = $User.Username", true),
        ("$Profile.Name = \"System Administrator\"", true),
        ("ISBLANK($UserRole.Name)", false),
        ("$Organization.Id = \"\"", false),
        ("INCLUDES(Kinds__c, \"Blue\") && PICKCOUNT(Kinds__c) = 2", true),
        ("INCLUDES(Kinds__c, \"Green\")", false),
        ("REGEX(MailingPostalCode, \"[0-9]{5}(-[0-9]{4})?\")", true),
        ("REGEX(MailingPostalCode, \"\\\\d{4}\")", false),
        ("REGEX(Email, \"[a-z]+@[a-z.]+\")", true),
        ("CONTAINS(Email, \"@example\") && BEGINS(Email, \"ann\") && NOT(BEGINS(Email, \"Ann\"))", true),
        ("LEN(LastName) = 5 && FIND(\"y\", LastName) = 3", true),
        ("LEFT(LastName, 2) & RIGHT(LastName, 1) & MID(LastName, 2, 2) = \"Mereye\"", false),
        ("LEFT(LastName, 2) & RIGHT(LastName, 1) & MID(LastName, 2, 2) = \"Merey\"", true),
        ("CASE(LeadSource, \"Web\", 1, \"Phone\", 2, 3) = 1", true),
        ("IF(Is_It__c, Amount__c > 12, FALSE)", true),
        ("Amount__c * 2 + 1 = 26 && ROUND(Amount__c, 0) = 13 && FLOOR(Amount__c) = 12 && MOD(5, 3) = 2", true),
        ("VALUE(MailingPostalCode) = 12345 && ISNUMBER(MailingPostalCode)", true),
        ("Day__c = DATE(2026, 2, 28) && YEAR(Day__c) = 2026 && WEEKDAY(Day__c) = 7", true),
        ("ADDMONTHS(Day__c, 1) = DATE(2026, 3, 31)", true),
        ("TODAY() = DATE(2026, 1, 1) && NOW() >= DATETIMEVALUE(\"2026-01-01 00:00:00\")", true),
        ("Day__c - TODAY() = 58 && Day__c > TODAY()", true),
        ("TEXT(Day__c) = \"2026-02-28\" && TEXT(Amount__c) = \"12.5\"", true),
        ("ISNEW() && NOT(ISCHANGED(LastName)) && PRIORVALUE(LastName) = LastName", true),
        // Nothing is computed of nothing, and nothing is not less than anything.
        ("Birthdate < TODAY()", false),
        ("Birthdate <> DATE(2000, 1, 1)", false),
        ("ISBLANK(Birthdate) && ISNULL(Birthdate) && Birthdate = NULL", true),
        // Texts are never null.
        ("ISNULL(Title)", false),
        ("ISBLANK(Title) && Title = \"\" && Title <> \"x\"", true),
        ("BLANKVALUE(Title, \"none\") = \"none\"", true),
        ("$Permission.Never_Made", false),
        ("XOR(TRUE, FALSE) && TRUNC(1.99, 1) = 1.9 && SUBSTITUTE(\"abc\", \"b\", \"\") = \"ac\"", true),
        ("UPPER(LastName) = \"MEYER\" && TRIM(\" a \") = \"a\" && LPAD(\"7\", 3, \"0\") = \"007\"", true),
        ("/* why */ Amount__c >= 12.5 || FALSE", true),
        ("Owner:User.IsActive", true),
    ];
    let rules: String =
        cases.iter().enumerate().map(|(at, (formula, _))| rule(&format!("R{at:02}"), true, formula, "")).collect();
    let result = deploy_well(&client, &objects(&[("Contact", fields.to_owned() + &rules)])).await;
    let kept_only: Vec<&str> = result
        .first("details")
        .unwrap()
        .all("componentSuccesses")
        .filter(|one| !one.text_of("problem").is_empty())
        .map(|one| one.text_of("problem"))
        .collect();
    assert_eq!(kept_only, Vec::<&str>::new());
    let broken: Vec<String> = told(&client, "Contact", &record).await.into_iter().map(|(message, _)| message).collect();
    for (at, (formula, holds)) in cases.iter().enumerate() {
        assert_eq!(broken.contains(&format!("R{at:02} is broken")), *holds, "{formula}");
    }
}

#[tokio::test(start_paused = true)]
async fn rules_see_what_a_record_was_and_settings_switch_them_off() {
    let client = Client::new();
    let setting = "<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\"><customSettingsType>Hierarchy</customSettingsType>\
        <fields><fullName>Off__c</fullName><defaultValue>false</defaultValue><label>Off</label><type>Checkbox</type></fields><label>Bypass</label></CustomObject>";
    let body =
        "ISCHANGED(StageName) && ISPICKVAL(PRIORVALUE(StageName), \"Closed Won\") && NOT($Setup.Bypass__c.Off__c)";
    let deal = format!(
        "<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\">{}</CustomObject>",
        rule("Stays_Won", true, body, "StageName")
    );
    deploy_well(
        &client,
        &zip(&[
            ("package.xml", &package(&[("CustomObject", &["Bypass__c", "Opportunity"])])),
            ("objects/Bypass__c.object", setting),
            ("objects/Opportunity.object", &deal),
        ]),
    )
    .await;
    let id =
        client.create("Opportunity", &json!({"Name": "D", "StageName": "Closed Won", "CloseDate": "2026-01-01"})).await;
    let path = format!("/sobjects/Opportunity/{id}");
    assert_eq!(client.json("PATCH", &path, &json!({"Name": "E"})).await.status, 204);
    let reply = client.json("PATCH", &path, &json!({"StageName": "Prospecting"})).await;
    assert_eq!(reply.json()[0]["fields"], json!(["StageName"]));
    let org = client.query("SELECT Id FROM Organization").await[0]["Id"].as_str().unwrap().to_owned();
    client.create("Bypass__c", &json!({"SetupOwnerId": org, "Off__c": true})).await;
    assert_eq!(client.json("PATCH", &path, &json!({"StageName": "Prospecting"})).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn a_custom_permission_lets_its_bearers_pass() {
    let client = Client::new();
    let object = format!(
        "<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\">{}</CustomObject>",
        rule("Nobody", true, "NOT($Permission.Pass)", "")
    );
    let permission = "<CustomPermission xmlns=\"http://soap.sforce.com/2006/04/metadata\"><isLicensed>false</isLicensed><label>Pass</label></CustomPermission>";
    let set = "<PermissionSet xmlns=\"http://soap.sforce.com/2006/04/metadata\"><customPermissions><enabled>true</enabled><name>Pass</name></customPermissions><label>Passing</label></PermissionSet>";
    deploy_well(
        &client,
        &zip(&[
            (
                "package.xml",
                &package(&[
                    ("CustomObject", &["Account"]),
                    ("CustomPermission", &["Pass"]),
                    ("PermissionSet", &["Passing"]),
                ]),
            ),
            ("objects/Account.object", &object),
            ("customPermissions/Pass.customPermission", permission),
            ("permissionsets/Passing.permissionset", set),
        ]),
    )
    .await;
    assert_eq!(told(&client, "Account", &json!({"Name": "A"})).await.len(), 1);
    let set = client.query("SELECT Id FROM PermissionSet WHERE Name = 'Passing'").await[0]["Id"].clone();
    let user = client.emulator.credentials(0).user_id;
    client.create("PermissionSetAssignment", &json!({"PermissionSetId": set, "AssigneeId": user})).await;
    client.create("Account", &json!({"Name": "A"})).await;
}

fn workflow(object: &str, parts: &str) -> Vec<u8> {
    let body = format!("<Workflow xmlns=\"http://soap.sforce.com/2006/04/metadata\">{parts}</Workflow>");
    zip(&[("package.xml", &package(&[("Workflow", &[object])])), (&format!("workflows/{object}.workflow"), &body)])
}

/// A field update: `rest` is its operation and what goes with it.
fn field_update(name: &str, field: &str, rest: &str) -> String {
    format!(
        "<fieldUpdates><fullName>{name}</fullName><field>{field}</field>{rest}<name>{name}</name><notifyAssignee>false</notifyAssignee>\
         <protected>false</protected></fieldUpdates>"
    )
}

fn workflow_rule(name: &str, trigger: &str, condition: &str, actions: &[&str]) -> String {
    let actions: String =
        actions.iter().map(|name| format!("<actions><name>{name}</name><type>FieldUpdate</type></actions>")).collect();
    format!(
        "<rules><fullName>{name}</fullName>{actions}<active>true</active>{condition}<triggerType>{trigger}</triggerType></rules>"
    )
}

#[tokio::test(start_paused = true)]
async fn workflow_rules_update_fields_when_their_time_has_come() {
    let client = Client::new();
    let literal = |value: &str| format!("<literalValue>{value}</literalValue><operation>Literal</operation>");
    let parts = field_update("Hot", "Rating", &literal("Hot"))
        + &field_update(
            "Note",
            "Description",
            "<formula>Name &amp; \" is \" &amp; TEXT(Rating)</formula><operation>Formula</operation>",
        )
        + &field_update("Next", "Type", "<operation>NextValue</operation>")
        + &field_update("Empty", "Fax", "<operation>Null</operation>")
        + &field_update(
            "Owner",
            "OwnerId",
            "<lookupValue>sales@org-1.orgkeep.example</lookupValue><lookupValueType>User</lookupValueType><operation>LookupValue</operation>",
        )
        + &workflow_rule(
            "New ones",
            "onCreateOnly",
            &criterion("Account.Industry", "equals", "energy,Banking"),
            &["Hot"],
        )
        + &workflow_rule(
            "Becomes big",
            "onCreateOrTriggeringUpdate",
            &criterion("Account.NumberOfEmployees", "greaterThan", "100"),
            &["Next"],
        )
        + &workflow_rule("Always", "onAllChanges", "<formula>NOT(ISBLANK(Fax))</formula>", &["Empty", "Note"])
        + &workflow_rule(
            "Either",
            "onCreateOnly",
            &format!(
                "<booleanFilter>1 OR 2</booleanFilter>{}{}",
                criterion("Account.Name", "startsWith", "x"),
                criterion("Account.Name", "contains", "given")
            ),
            &["Owner"],
        );
    deploy_well(&client, &workflow("Account", &parts)).await;
    let id = client
        .create(
            "Account",
            &json!({"Name": "A", "Industry": "Energy", "NumberOfEmployees": 5, "Fax": "1", "Type": "Prospect"}),
        )
        .await;
    assert_eq!(field(&client, &id, "Account", "Rating").await, "Hot");
    assert_eq!(field(&client, &id, "Account", "Fax").await, Value::Null);
    assert_eq!(field(&client, &id, "Account", "Description").await, "A is ");
    assert_eq!(field(&client, &id, "Account", "Type").await, "Prospect");
    let path = format!("/sobjects/Account/{id}");
    let types = client.emulator.orgs()[0].schema().object("Account").unwrap().field("Type").unwrap().picklist.clone();
    let after = |value: &str| types.iter().skip_while(|one| one.value != value).nth(1).unwrap().value.clone();
    // It fires when it begins to be true, and not as long as it stays true.
    client.json("PATCH", &path, &json!({"NumberOfEmployees": 500, "Rating": "Cold"})).await;
    assert_eq!(field(&client, &id, "Account", "Type").await, after("Prospect"));
    client.json("PATCH", &path, &json!({"NumberOfEmployees": 600})).await;
    assert_eq!(field(&client, &id, "Account", "Type").await, after("Prospect"));
    // A rule for new records does nothing later.
    assert_eq!(field(&client, &id, "Account", "Rating").await, "Cold");
    // Another user owns what was given away; Bulk does the same.
    let failed =
        bulk(&client, json!({"object": "Account", "operation": "insert"}), "Name,Industry\nto be given,Banking\n")
            .await;
    assert!(failed.is_empty(), "{failed:?}");
    let given = &client.query("SELECT Owner.Username, Rating FROM Account WHERE Name = 'to be given'").await[0];
    assert_eq!((&given["Owner"]["Username"], &given["Rating"]), (&json!("sales@org-1.orgkeep.example"), &json!("Hot")));
}

#[tokio::test(start_paused = true)]
async fn field_updates_pass_validation_and_let_rules_be_tried_again() {
    let client = Client::new();
    let literal = |value: &str| {
        format!(
            "<literalValue>{value}</literalValue><operation>Literal</operation><reevaluateOnChange>true</reevaluateOnChange>"
        )
    };
    let parts = field_update("To_B", "Description", &literal("b"))
        + &field_update("To_C", "Site", &literal("c"))
        + &workflow_rule("First", "onCreateOnly", &criterion("Account.Name", "equals", "A"), &["To_B"])
        + &workflow_rule("Before first", "onCreateOnly", &criterion("Account.Description", "equals", "b"), &["To_C"]);
    deploy_well(&client, &workflow("Account", &parts)).await;
    deploy_well(&client, &objects(&[("Account", rule("No_B", true, "Description = \"b\"", ""))])).await;
    assert_eq!(told(&client, "Account", &json!({"Name": "X", "Description": "b"})).await.len(), 1);
    let id = client.create("Account", &json!({"Name": "A"})).await;
    assert_eq!(field(&client, &id, "Account", "Description").await, "b");
    assert_eq!(field(&client, &id, "Account", "Site").await, "c");
    // What is outside of the subset, and what has no effect here, says so.
    let odd = workflow_rule(
        "Odd",
        "onCreateOnly",
        &criterion("Account.CreatedDate", "equals", "LAST 30 DAYS"),
        &["To_B"],
    ) + "<rules><fullName>Mail</fullName><actions><name>M</name><type>Alert</type></actions><active>true</active><formula>TRUE</formula>\
           <triggerType>onCreateOnly</triggerType></rules>";
    let result = deploy_well(&client, &workflow("Account", &odd)).await;
    let details = result.first("details").unwrap();
    let note = |name: &str| {
        details
            .all("componentSuccesses")
            .find(|one| one.text_of("fullName") == name)
            .unwrap()
            .text_of("problem")
            .to_owned()
    };
    assert!(note("Account.Odd").contains("LAST 30 DAYS") && note("Account.Mail").contains("only field updates"));
    // A wrong filter logic and a field that is not there are refused.
    let wrong = workflow_rule(
        "Wrong",
        "onCreateOnly",
        &format!("<booleanFilter>1 AND 2</booleanFilter>{}", criterion("Account.Name", "equals", "A")),
        &["To_B"],
    ) + &field_update("Lost", "Lost__c", "<operation>Null</operation>");
    let failed = problems(&deploy(&client, &workflow("Account", &wrong), "<singlePackage>true</singlePackage>").await);
    assert_eq!(failed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["Account.Wrong", "Account.Lost"]);
}

#[tokio::test(start_paused = true)]
async fn record_types_narrow_picklists_and_profiles_narrow_record_types() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("org.sqlite");
    let settings = || orgkeep_emulator::Settings { store: Some(store.clone()), ..crate::client::settings() };
    let client = Client::with(settings());
    let kind = |name: &str, values: &str| {
        format!(
            "<recordTypes><fullName>{name}</fullName><active>true</active><label>{name}</label>{values}</recordTypes>"
        )
    };
    let picklist = "<fields><fullName>Size__c</fullName><label>S</label><type>Picklist</type><valueSet><restricted>true</restricted>\
        <valueSetDefinition><sorted>false</sorted><value><fullName>Small</fullName><default>false</default><label>Small</label></value>\
        <value><fullName>Very large</fullName><default>false</default><label>Very large</label></value></valueSetDefinition></valueSet></fields>";
    let values = "<picklistValues><picklist>Size__c</picklist><values><fullName>Very large</fullName><default>true</default></values></picklistValues>";
    let profile = "<Profile xmlns=\"http://soap.sforce.com/2006/04/metadata\"><recordTypeVisibilities><default>true</default><recordType>Account.Big</recordType><visible>true</visible></recordTypeVisibilities>\
        <recordTypeVisibilities><default>false</default><recordType>Account.Hidden</recordType><visible>false</visible></recordTypeVisibilities></Profile>";
    let object = format!(
        "<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\">{picklist}{}{}</CustomObject>",
        kind("Big", values),
        kind("Hidden", "")
    );
    deploy_well(
        &client,
        &zip(&[
            ("package.xml", &package(&[("CustomObject", &["Account"]), ("Profile", &["Admin"])])),
            ("objects/Account.object", &object),
            ("profiles/Admin.profile", profile),
        ]),
    )
    .await;
    drop(client);
    // All of it outlasts a restart.
    let client = Client::with(settings());
    let kinds = client.query("SELECT Id, DeveloperName FROM RecordType WHERE SobjectType = 'Account' AND DeveloperName IN ('Big', 'Hidden') ORDER BY DeveloperName").await;
    let id = client.create("Account", &json!({"Name": "A"})).await;
    assert_eq!(field(&client, &id, "Account", "RecordTypeId").await, kinds[0]["Id"], "the profile's default");
    assert_eq!(field(&client, &id, "Account", "Size__c").await, "Very large", "the record type's default");
    let reply = client.json("POST", "/sobjects/Account", &json!({"Name": "B", "Size__c": "Small"})).await;
    assert_eq!(
        reply.refusal(),
        (
            400,
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST".into(),
            "S: bad value for restricted picklist field: Small".into()
        )
    );
    let reply = client.json("POST", "/sobjects/Account", &json!({"Name": "C", "RecordTypeId": kinds[1]["Id"]})).await;
    assert_eq!((reply.status, reply.refusal().1), (400, "INVALID_CROSS_REFERENCE_KEY".to_owned()));
    let infos = client.get("/sobjects/Account/describe").await.json()["recordTypeInfos"].clone();
    let of = |name: &str| infos.as_array().unwrap().iter().find(|one| one["developerName"] == name).unwrap().clone();
    assert_eq!((&of("Big")["available"], &of("Big")["defaultRecordTypeMapping"]), (&json!(true), &json!(true)));
    assert_eq!(of("Hidden")["available"], false);
    // What a profile's file does not name stays; what it names is changed.
    let shown = "<Profile xmlns=\"http://soap.sforce.com/2006/04/metadata\"><recordTypeVisibilities><default>false</default><recordType>Account.Hidden</recordType><visible>true</visible></recordTypeVisibilities></Profile>";
    deploy_well(
        &client,
        &zip(&[("package.xml", &package(&[("Profile", &["Admin"])])), ("profiles/Admin.profile", shown)]),
    )
    .await;
    let id = client.create("Account", &json!({"Name": "C", "RecordTypeId": kinds[1]["Id"], "Size__c": "Small"})).await;
    assert_eq!(field(&client, &id, "Account", "Size__c").await, "Small");
    let infos = client.get("/sobjects/Account/describe").await.json()["recordTypeInfos"].clone();
    let of = |name: &str| infos.as_array().unwrap().iter().find(|one| one["developerName"] == name).unwrap().clone();
    assert_eq!((&of("Big")["available"], &of("Hidden")["available"]), (&json!(true), &json!(true)));
}
