// SPDX-License-Identifier: Apache-2.0
//! The Metadata API (`salesforce-api.md` 4): describe, list, deploy, retrieve and the calls on single components.

use std::time::Duration;

use crate::client::{Client, settings};
use crate::porter::{call, deploy, deploy_well, list, package, post, problems, retrieve, zip};
use orgkeep_emulator::{Jobs, Settings};
use serde_json::json;

const OBJECT: &str = "<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\">
    <deploymentStatus>Deployed</deploymentStatus>
    <fields>
        <fullName>Size__c</fullName>
        <label>Size</label>
        <length>20</length>
        <type>Text</type>
    </fields>
    <fields>
        <fullName>Twice__c</fullName>
        <formula>Number__c * 2</formula>
        <label>Twice</label>
        <precision>18</precision>
        <scale>0</scale>
        <type>Number</type>
    </fields>
    <fields>
        <fullName>Number__c</fullName>
        <label>Number</label>
        <precision>18</precision>
        <scale>0</scale>
        <type>Number</type>
    </fields>
    <fields>
        <fullName>Account__c</fullName>
        <deleteConstraint>SetNull</deleteConstraint>
        <label>Account</label>
        <referenceTo>Account</referenceTo>
        <relationshipLabel>Boats</relationshipLabel>
        <relationshipName>Boats</relationshipName>
        <type>Lookup</type>
    </fields>
    <label>Boat</label>
    <listViews>
        <fullName>All</fullName>
        <filterScope>Everything</filterScope>
        <label>All</label>
    </listViews>
    <nameField>
        <label>Boat Name</label>
        <type>Text</type>
    </nameField>
    <pluralLabel>Boats</pluralLabel>
    <recordTypes>
        <fullName>Sail</fullName>
        <active>true</active>
        <label>Sailing</label>
    </recordTypes>
    <sharingModel>ReadWrite</sharingModel>
    <validationRules>
        <fullName>Positive</fullName>
        <active>true</active>
        <errorConditionFormula>Number__c &lt; 0</errorConditionFormula>
        <errorMessage>Too small</errorMessage>
    </validationRules>
</CustomObject>";

fn boat(types: &[(&str, &[&str])]) -> Vec<u8> {
    zip(&[("package.xml", &package(types)), ("objects/Boat__c.object", OBJECT)])
}

const BOAT: &[(&str, &[&str])] = &[("CustomObject", &["Boat__c"])];

#[tokio::test(start_paused = true)]
async fn all_types_are_described() {
    let client = Client::new();
    let answer = call(&client, "<describeMetadata><asOfVersion>67.0</asOfVersion></describeMetadata>").await;
    let result = answer.first("result").unwrap();
    let own = result.all("metadataObjects").filter(|one| one.text_of("xmlName") != "Settings").count();
    let object = result.all("metadataObjects").find(|one| one.text_of("xmlName") == "CustomObject").unwrap();
    assert_eq!((own, object.text_of("directoryName"), object.text_of("suffix")), (596, "objects", "object"));
    assert!(object.all("childXmlNames").any(|child| child.text == "ValidationRule"));
    let Some(path) = crate::porter::fixture("source-deploy-retrieve/describe.json") else { return };
    // The 631 types of the description: each has files of its own, or lives in another's.
    let described: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let described = described.as_object().unwrap();
    assert_eq!(described.len(), 631);
    for (name, facts) in described {
        let found = result.all("metadataObjects").find(|one| one.text_of("xmlName") == name);
        let Some(found) = found else {
            assert!(
                result.all("metadataObjects").any(|one| one.all("childXmlNames").any(|child| child.text == *name)),
                "{name}"
            );
            continue;
        };
        assert_eq!(found.text_of("directoryName"), facts["directoryName"].as_str().unwrap_or_default(), "{name}");
        assert_eq!(found.is_true("inFolder"), facts["inFolder"] == json!(true), "{name}");
        if let Some(suffix) =
            facts["suffix"].as_str().filter(|suffix| !suffix.is_empty() && found.first("suffix").is_some())
        {
            assert_eq!(found.text_of("suffix"), suffix, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deploy_takes_effect_and_comes_back() {
    let client = Client::new();
    let result = deploy_well(&client, &boat(BOAT)).await;
    assert_eq!((result.text_of("numberComponentsTotal"), result.text_of("numberComponentErrors")), ("8", "0"));
    let details = result.first("details").unwrap();
    let field = details.all("componentSuccesses").find(|one| one.text_of("fullName") == "Boat__c.Size__c").unwrap();
    assert_eq!((field.text_of("componentType"), field.text_of("fileName")), ("CustomField", "objects/Boat__c.object"));
    assert!(field.is_true("created") && field.text_of("id").starts_with("00N"));
    // Records, formulas and record types work.
    let account = client.create("Account", &json!({"Name": "A"})).await;
    let boat_id =
        client.create("Boat__c", &json!({"Name": "B", "Number__c": 4, "Account__c": account, "Size__c": "L"})).await;
    let rows = client.query("SELECT Twice__c, Account__r.Name FROM Boat__c").await;
    assert_eq!((&rows[0]["Twice__c"], &rows[0]["Account__r"]["Name"]), (&json!(8.0), &json!("A")));
    assert_eq!(
        client.query("SELECT Id FROM RecordType WHERE SobjectType = 'Boat__c' AND DeveloperName = 'Sail'").await.len(),
        1
    );
    assert_eq!(client.query("SELECT (SELECT Id FROM Boats__r) FROM Account").await[0]["Boats__r"]["totalSize"], 1);
    // The file comes back as it was deployed: its parts in the order of their names.
    let (files, result) = retrieve(&client, &package(BOAT)).await;
    let back = std::str::from_utf8(&files["objects/Boat__c.object"]).unwrap();
    assert_eq!(crate::porter::normal(back), crate::porter::normal(OBJECT));
    assert_eq!(result.all("fileProperties").count(), 2);
    assert!(files.contains_key("package.xml"));
    // Parts can be retrieved alone.
    let (files, _) = retrieve(&client, &package(&[("ValidationRule", &["Boat__c.Positive"])])).await;
    let back = std::str::from_utf8(&files["objects/Boat__c.object"]).unwrap();
    assert!(back.contains("<validationRules>") && !back.contains("<fields>") && !back.contains("<label>Boat</label>"));
    // Deployed again, nothing changes.
    let result = deploy_well(&client, &boat(BOAT)).await;
    let details = result.first("details").unwrap();
    let changed = details
        .all("componentSuccesses")
        .filter(|one| one.is_true("changed") && one.text_of("fullName") != "package.xml");
    assert_eq!(changed.count(), 0);
    assert_eq!(client.query("SELECT Id FROM Boat__c").await[0]["Id"], json!(boat_id));
}

#[tokio::test(start_paused = true)]
async fn states_follow_the_clock_and_a_waiting_deploy_can_be_cancelled() {
    let client = Client::new();
    let zipped = base64_of(&boat(BOAT));
    let start = format!(
        "<deploy><ZipFile>{zipped}</ZipFile><DeployOptions><singlePackage>true</singlePackage></DeployOptions></deploy>"
    );
    let status = |id: String| {
        format!(
            "<checkDeployStatus><asyncProcessId>{id}</asyncProcessId><includeDetails>true</includeDetails></checkDeployStatus>"
        )
    };
    let started = call(&client, &start).await;
    let result = started.first("result").unwrap();
    assert_eq!((result.text_of("done"), result.text_of("state")), ("false", "Queued"));
    let id = result.text_of("id").to_owned();
    let state = |node: &orgkeep_emulator::metadata::Node| node.first("result").unwrap().text_of("status").to_owned();
    assert_eq!(state(&call(&client, &status(id.clone())).await), "Pending");
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(state(&call(&client, &status(id.clone())).await), "InProgress");
    assert_eq!(client.get("/sobjects/Boat__c/describe").await.status, 404);
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(state(&call(&client, &status(id)).await), "Succeeded");
    assert_eq!(client.get("/sobjects/Boat__c/describe").await.status, 200);

    let other = Client::new();
    let started = call(&other, &start).await;
    let id = started.first("result").unwrap().text_of("id").to_owned();
    let answer = call(&other, &format!("<cancelDeploy><id>{id}</id></cancelDeploy>")).await;
    assert!(answer.first("result").unwrap().is_true("done"));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let answer = call(&other, &status(id)).await;
    let result = answer.first("result").unwrap();
    assert_eq!((result.text_of("status"), result.text_of("success")), ("Canceled", "false"));
    assert!(!result.text_of("canceledByName").is_empty());
    assert_eq!(other.get("/sobjects/Boat__c/describe").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn stepped_requests_move_by_hand() {
    let client = Client::with(Settings { jobs: Jobs::Stepped, ..settings() });
    let zipped = base64_of(&boat(BOAT));
    let started = call(&client, &format!("<deploy><ZipFile>{zipped}</ZipFile><DeployOptions><singlePackage>true</singlePackage></DeployOptions></deploy>")).await;
    let id = started.first("result").unwrap().text_of("id").to_owned();
    let org = client.emulator.orgs()[0].clone();
    for expected in ["Pending", "InProgress", "Succeeded"] {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let answer =
            call(&client, &format!("<checkDeployStatus><asyncProcessId>{id}</asyncProcessId></checkDeployStatus>"))
                .await;
        assert_eq!(answer.first("result").unwrap().text_of("status"), expected);
        org.step_metadata();
    }
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[tokio::test(start_paused = true)]
async fn a_check_changes_nothing_and_can_be_deployed_quickly() {
    let client = Client::new();
    let result = deploy(&client, &boat(BOAT), "<singlePackage>true</singlePackage><checkOnly>true</checkOnly>").await;
    assert_eq!((result.text_of("status"), result.text_of("checkOnly")), ("Succeeded", "true"));
    assert_eq!(client.get("/sobjects/Boat__c/describe").await.status, 404);
    assert!(list(&client, "CustomField", "").await.iter().all(|name| !name.starts_with("Boat__c")));
    let answer = call(
        &client,
        &format!(
            "<deployRecentValidation><validationId>{}</validationId></deployRecentValidation>",
            result.text_of("id")
        ),
    )
    .await;
    let result = crate::porter::finished(&client, answer.text_of("result")).await;
    assert_eq!(result.text_of("status"), "Succeeded");
    assert_eq!(client.get("/sobjects/Boat__c/describe").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_fails_says_where_and_undoes_everything() {
    let client = Client::new();
    let broken = OBJECT.replace("<referenceTo>Account</referenceTo>", "<referenceTo>Fruit__c</referenceTo>");
    let files = zip(&[
        ("top/package.xml", &package(&[("CustomObject", &["Boat__c"]), ("ApexClass", &["A", "Absent"])])),
        ("top/objects/Boat__c.object", &broken),
        ("top/classes/A.cls", "public class A {}"),
        (
            "top/classes/A.cls-meta.xml",
            "<ApexClass xmlns=\"http://soap.sforce.com/2006/04/metadata\"><apiVersion>67.0</apiVersion></ApexClass>",
        ),
    ]);
    let result = deploy(&client, &files, "").await;
    assert_eq!((result.text_of("status"), result.text_of("success")), ("Failed", "false"));
    let text = "referenceTo value of 'Fruit__c' does not resolve to a valid sObject type";
    let absent = "An object 'Absent' of type ApexClass was named in package.xml, but was not found in zipped directory";
    assert_eq!(
        problems(&result),
        [("Boat__c.Account__c".to_owned(), text.to_owned()), ("Absent".to_owned(), absent.to_owned())]
    );
    let failure = result.first("details").unwrap().first("componentFailures").unwrap();
    assert_eq!((failure.text_of("lineNumber"), failure.text_of("columnNumber")), ("24", "13"));
    assert_eq!(failure.text_of("fileName"), "top/objects/Boat__c.object");
    assert_eq!(client.get("/sobjects/Boat__c/describe").await.status, 404);
    assert_eq!(list(&client, "ApexClass", "").await, Vec::<String>::new());
    assert_eq!(client.count("RecordType").await, Client::new().count("RecordType").await);
    // Without rollback what is good stays.
    let result = deploy(&client, &files, "<rollbackOnError>false</rollbackOnError>").await;
    assert_eq!(result.text_of("status"), "SucceededPartial");
    let fields = client.get("/sobjects/Boat__c/describe").await.json();
    let names: Vec<&str> =
        fields["fields"].as_array().unwrap().iter().filter_map(|field| field["name"].as_str()).collect();
    assert!(names.contains(&"Size__c") && !names.contains(&"Account__c"));
}

#[tokio::test(start_paused = true)]
async fn mistakes_have_salesforces_texts() {
    let client = Client::new();
    let object = |inside: &str| {
        format!(
            "<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\"><deploymentStatus>Deployed</deploymentStatus>{inside}<label>B</label>\
             <nameField><label>N</label><type>Text</type></nameField><pluralLabel>Bs</pluralLabel><sharingModel>ReadWrite</sharingModel></CustomObject>"
        )
    };
    let field = |inside: &str| object(&format!("<fields><fullName>F__c</fullName><label>F</label>{inside}</fields>"));
    for (file, expected) in [
        (field("<type>Txt</type>"), "Error parsing file: 'Txt' is not a valid value for the enum 'FieldType'"),
        (field("<type>Text</type>"), "Must specify 'length' for a CustomField of type Text"),
        (
            field("<length>3</length><type>Checkbox</type>"),
            "Can not specify 'length' for a CustomField of type Checkbox",
        ),
        (
            field("<formula>Gone__c + 1</formula><precision>18</precision><scale>0</scale><type>Number</type>"),
            "Field Gone__c does not exist. Check spelling.",
        ),
        (
            field("<type>Picklist</type><valueSet><valueSetName>Gone</valueSetName></valueSet>"),
            "In field: valueSetName - no GlobalValueSet named Gone found",
        ),
        (object("").replace("<sharingModel>ReadWrite</sharingModel>", ""), "Required field is missing: sharingModel"),
        (
            object("<colour>red</colour>"),
            "Error parsing file: Element {http://soap.sforce.com/2006/04/metadata}colour invalid at this location in type CustomObject",
        ),
    ] {
        let files = zip(&[("package.xml", &package(&[("CustomObject", &["B__c"])])), ("objects/B__c.object", &file)]);
        let result = deploy(&client, &files, "<singlePackage>true</singlePackage>").await;
        let found = problems(&result);
        assert!(found.iter().any(|(_, text)| text == expected), "{expected}: {found:?}");
    }
    let unknown = zip(&[("package.xml", &package(&[("Unheard", &["A"])]))]);
    let result = deploy(&client, &unknown, "<singlePackage>true</singlePackage>").await;
    assert_eq!(problems(&result)[0].1, "Unknown type name 'Unheard' specified in package.xml");
    let result = deploy(&client, &zip(&[("classes/a.cls", "")]), "").await;
    assert_eq!(problems(&result)[0].1, "No package.xml found");
    let result = deploy(&client, b"no zip", "").await;
    assert_eq!((result.text_of("status"), result.text_of("errorStatusCode")), ("Failed", "INVALID_OPERATION"));
    // What the manifest does not name is a warning, which is an error unless warnings are ignored.
    let beside = zip(&[("package.xml", &package(&[])), ("layouts/Account-A.layout", "<Layout/>")]);
    let result = deploy(&client, &beside, "<singlePackage>true</singlePackage>").await;
    assert_eq!((result.text_of("status"), problems(&result)[0].1.as_str()), ("Failed", "Not in package.xml"));
    let result =
        deploy(&client, &beside, "<singlePackage>true</singlePackage><ignoreWarnings>true</ignoreWarnings>").await;
    assert_eq!(result.text_of("status"), "Succeeded");
}

#[tokio::test(start_paused = true)]
async fn too_many_files_and_other_refusals_are_faults() {
    let client = Client::new();
    let many: Vec<(String, String)> = (0..10_001).map(|at| (format!("classes/C{at}.cls"), String::new())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(path, body)| (path.as_str(), body.as_str())).collect();
    let deploy = format!("<deploy><ZipFile>{}</ZipFile><DeployOptions/></deploy>", base64_of(&zip(&many)));
    let list = "<queries><type>ApexClass</type></queries>".repeat(4);
    for (operation, code) in [
        (deploy.as_str(), "sf:LIMIT_EXCEEDED"),
        (&format!("<listMetadata>{list}</listMetadata>"), "sf:LIMIT_EXCEEDED"),
        ("<listMetadata><queries><type>Unheard</type></queries></listMetadata>", "sf:INVALID_TYPE"),
        (
            "<checkDeployStatus><asyncProcessId>0Af000000000000</asyncProcessId></checkDeployStatus>",
            "sf:INVALID_ID_FIELD",
        ),
        (
            "<deploy><ZipFile>UEsF</ZipFile><DeployOptions><testLevel>Some</testLevel></DeployOptions></deploy>",
            "sf:INVALID_TYPE",
        ),
        ("<unheard/>", "soapenv:Client"),
    ] {
        let reply = post(&client, operation).await;
        assert_eq!(reply.status, 500);
        assert!(reply.text().contains(&format!("<faultcode>{code}</faultcode>")), "{}", reply.text());
    }
    client.emulator.orgs()[0].expire_sessions();
    let reply = post(&client, "<describeMetadata/>").await;
    assert!(reply.status == 500 && reply.text().contains("<faultcode>sf:INVALID_SESSION_ID</faultcode>"));
}

#[tokio::test(start_paused = true)]
async fn the_api_needs_a_permission() {
    let client = Client::new();
    let org = &client.emulator.orgs()[0];
    let user = client.emulator.credentials(0).user_id;
    org.set_permission(&user, "ModifyAllData", false);
    org.set_permission(&user, "ModifyMetadata", false);
    let reply = post(&client, "<describeMetadata/>").await;
    assert!(reply.text().contains("<faultcode>sf:INSUFFICIENT_ACCESS</faultcode>"), "{}", reply.text());
    org.set_permission(&user, "ModifyMetadata", true);
    assert_eq!(post(&client, "<describeMetadata/>").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn destructive_changes_remove_components_with_their_data() {
    let client = Client::new();
    deploy_well(&client, &boat(BOAT)).await;
    client.create("Boat__c", &json!({"Name": "B", "Number__c": 4, "Size__c": "L"})).await;
    let nothing = package(&[]);
    let remove =
        |types: &[(&str, &[&str])]| zip(&[("package.xml", &nothing), ("destructiveChanges.xml", &package(types))]);
    // A field that a formula reads stays.
    let result =
        deploy(&client, &remove(&[("CustomField", &["Boat__c.Number__c"])]), "<singlePackage>true</singlePackage>")
            .await;
    let text = "This custom field is referenced elsewhere in salesforce.com. : Custom Field - Boat__c.Twice__c";
    assert_eq!(problems(&result), [("Boat__c.Number__c".to_owned(), text.to_owned())]);
    let types: &[(&str, &[&str])] = &[("CustomField", &["Boat__c.Size__c"]), ("ValidationRule", &["Boat__c.Positive"])];
    let result = deploy_well(&client, &remove(types)).await;
    let gone = result.first("details").unwrap().all("componentSuccesses").filter(|one| one.is_true("deleted")).count();
    assert_eq!(gone, 2);
    assert_eq!(list(&client, "ValidationRule", "").await, Vec::<String>::new());
    // Made again, the field is empty.
    deploy_well(&client, &boat(BOAT)).await;
    assert_eq!(client.query("SELECT Size__c, Number__c FROM Boat__c").await[0]["Size__c"], json!(null));
    // What is not there is a warning.
    let absent = remove(&[("ApexClass", &["Gone"])]);
    let result = deploy(&client, &absent, "<singlePackage>true</singlePackage>").await;
    assert_eq!(problems(&result), [("Gone".to_owned(), "No ApexClass named: Gone found".to_owned())]);
    let result =
        deploy(&client, &absent, "<singlePackage>true</singlePackage><ignoreWarnings>true</ignoreWarnings>").await;
    assert_eq!(result.text_of("status"), "Succeeded");
    deploy_well(&client, &remove(&[("CustomObject", &["Boat__c"])])).await;
    assert_eq!(client.get("/sobjects/Boat__c").await.status, 404);
    assert!(!list(&client, "CustomObject", "").await.contains(&"Boat__c".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_the_org_has_anyway_is_listed_and_retrieved() {
    let client = Client::new();
    let objects = list(&client, "CustomObject", "").await;
    assert!(objects.contains(&"Account".to_owned()) && !objects.iter().any(|name| name.ends_with("History")));
    assert!(list(&client, "Profile", "").await.contains(&"Admin".to_owned()));
    assert!(list(&client, "Layout", "").await.contains(&"Account-Account Layout".to_owned()));
    assert!(list(&client, "ApexClass", "").await.is_empty());
    let wanted = package(&[
        ("CustomObject", &["Account"]),
        ("StandardValueSet", &["Industry"]),
        ("Layout", &["Account-Account Layout"]),
        ("PermissionSet", &["Orgkeep_Backup"]),
        ("Report", &["*"]),
        ("ApexClass", &["Gone"]),
        ("Unheard", &["A"]),
    ]);
    let (files, result) = retrieve(&client, &wanted).await;
    let text = |path: &str| std::str::from_utf8(&files[path]).unwrap();
    assert!(text("objects/Account.object").contains("<fullName>Industry</fullName>"));
    assert!(text("standardValueSets/Industry.standardValueSet").contains("<fullName>Banking</fullName>"));
    assert!(text("layouts/Account-Account Layout.layout").contains("<field>Name</field>"));
    assert!(text("permissionsets/Orgkeep_Backup.permissionset").contains("<name>ViewAllData</name>"));
    let messages: Vec<&str> = result.all("messages").map(|one| one.text_of("problem")).collect();
    assert_eq!(
        messages,
        ["Entity of type 'ApexClass' named 'Gone' cannot be found", "Entity type: 'Unheard' is unknown"]
    );
    // A wildcard stands for custom objects only.
    deploy_well(&client, &boat(BOAT)).await;
    let (files, _) = retrieve(&client, &package(&[("CustomObject", &["*"])])).await;
    assert!(files.contains_key("objects/Boat__c.object") && !files.contains_key("objects/Account.object"));
}

#[tokio::test(start_paused = true)]
async fn what_lies_in_folders_is_listed_by_folder() {
    let client = Client::new();
    let report = "<Report xmlns=\"http://soap.sforce.com/2006/04/metadata\"><name>R</name><reportType>Account</reportType></Report>";
    let files = zip(&[
        ("package.xml", &package(&[("Report", &["Mine", "Mine/R"])])),
        (
            "reports/Mine-meta.xml",
            "<ReportFolder xmlns=\"http://soap.sforce.com/2006/04/metadata\"><name>Mine</name></ReportFolder>",
        ),
        ("reports/Mine/R.report", report),
    ]);
    deploy_well(&client, &files).await;
    assert_eq!(list(&client, "ReportFolder", "").await, ["Mine"]);
    assert_eq!(list(&client, "Report", "Mine").await, ["Mine/R"]);
    assert_eq!(list(&client, "Report", "").await, Vec::<String>::new());
    let (files, _) = retrieve(&client, &package(&[("Report", &["Mine", "Mine/R"])])).await;
    assert_eq!(files["reports/Mine/R.report"], report.as_bytes());
    assert!(files.contains_key("reports/Mine-meta.xml"));
}

#[tokio::test(start_paused = true)]
async fn permission_sets_and_profiles_become_rows() {
    let client = Client::new();
    let set = "<PermissionSet xmlns=\"http://soap.sforce.com/2006/04/metadata\"><fieldPermissions><editable>true</editable><field>Boat__c.Size__c</field>\
               <readable>true</readable></fieldPermissions><label>Boats</label><objectPermissions><allowCreate>true</allowCreate><allowDelete>false</allowDelete>\
               <allowEdit>true</allowEdit><allowRead>true</allowRead><modifyAllRecords>false</modifyAllRecords><object>Boat__c</object>\
               <viewAllRecords>false</viewAllRecords></objectPermissions><userPermissions><enabled>true</enabled><name>QueryAllFiles</name></userPermissions></PermissionSet>";
    let profile = "<Profile xmlns=\"http://soap.sforce.com/2006/04/metadata\"><custom>true</custom><userLicense>Salesforce</userLicense>\
                   <userPermissions><enabled>true</enabled><name>ApiEnabled</name></userPermissions></Profile>";
    let files = |set: &str| {
        zip(&[
            (
                "package.xml",
                &package(&[("CustomObject", &["Boat__c"]), ("PermissionSet", &["Boats"]), ("Profile", &["Sailor"])]),
            ),
            ("objects/Boat__c.object", OBJECT),
            ("permissionsets/Boats.permissionset", set),
            ("profiles/Sailor.profile", profile),
        ])
    };
    deploy_well(&client, &files(set)).await;
    let sets = client
        .query("SELECT Id, PermissionsQueryAllFiles, PermissionsViewAllData FROM PermissionSet WHERE Name = 'Boats'")
        .await;
    assert_eq!(
        (&sets[0]["PermissionsQueryAllFiles"], &sets[0]["PermissionsViewAllData"]),
        (&json!(true), &json!(false))
    );
    let below = format!("WHERE ParentId = '{}'", sets[0]["Id"].as_str().unwrap());
    let fields = client.query(&format!("SELECT Field, PermissionsEdit FROM FieldPermissions {below}")).await;
    assert_eq!((fields.len(), &fields[0]["Field"]), (1, &json!("Boat__c.Size__c")));
    let objects =
        client.query(&format!("SELECT PermissionsCreate, PermissionsDelete FROM ObjectPermissions {below}")).await;
    assert_eq!((&objects[0]["PermissionsCreate"], &objects[0]["PermissionsDelete"]), (&json!(true), &json!(false)));
    assert_eq!(
        client.query("SELECT PermissionsApiEnabled FROM Profile WHERE Name = 'Sailor'").await[0]["PermissionsApiEnabled"],
        json!(true)
    );
    // What the file no longer names is taken away; what it names must be there.
    let (head, _) = set.split_once("<fieldPermissions>").unwrap();
    let (_, tail) = set.split_once("</fieldPermissions>").unwrap();
    deploy_well(&client, &files(&format!("{head}{tail}"))).await;
    assert!(client.query(&format!("SELECT Id FROM FieldPermissions {below}")).await.is_empty());
    for (from, to, text) in [
        ("Boat__c.Size__c", "Boat__c.Gone__c", "In field: field - no CustomField named Boat__c.Gone__c found"),
        ("<object>Boat__c", "<object>Gone__c", "In field: object - no CustomObject named Gone__c found"),
        ("QueryAllFiles", "Fly", "Unknown user permission: Fly"),
    ] {
        let result = deploy(&client, &files(&set.replace(from, to)), "<singlePackage>true</singlePackage>").await;
        assert_eq!(problems(&result), [("Boats".to_owned(), text.to_owned())]);
    }
}

#[tokio::test(start_paused = true)]
async fn custom_metadata_becomes_rows() {
    let client = Client::new();
    let object = "<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\"><fields><fullName>On__c</fullName><defaultValue>false</defaultValue><label>On</label>\
                  <type>Checkbox</type></fields><fields><fullName>Count__c</fullName><label>Count</label><precision>5</precision><scale>0</scale><type>Number</type></fields>\
                  <fields><fullName>Next__c</fullName><label>Next</label><referenceTo>Rule__mdt</referenceTo><relationshipLabel>Rules</relationshipLabel>\
                  <relationshipName>Rules</relationshipName><type>MetadataRelationship</type></fields><label>Rule</label><pluralLabel>Rules</pluralLabel></CustomObject>";
    let record = |next: &str| {
        format!(
            "<CustomMetadata xmlns=\"http://soap.sforce.com/2006/04/metadata\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><label>L</label><protected>false</protected><values><field>On__c</field><value xsi:type=\"xsd:boolean\">true</value></values>\
             <values><field>Count__c</field><value xsi:type=\"xsd:double\">3.0</value></values><values><field>Next__c</field>{next}</values></CustomMetadata>"
        )
    };
    let files = zip(&[
        ("package.xml", &package(&[("CustomObject", &["Rule__mdt"]), ("CustomMetadata", &["*"])])),
        ("objects/Rule__mdt.object", object),
        ("customMetadata/Rule.A.md", &record("<value xsi:type=\"xsd:string\">B</value>")),
        ("customMetadata/Rule.B.md", &record("<value xsi:nil=\"true\"/>")),
    ]);
    deploy_well(&client, &files).await;
    let rows = client.query("SELECT DeveloperName, On__c, Count__c, Next__r.DeveloperName, QualifiedApiName FROM Rule__mdt ORDER BY DeveloperName").await;
    assert_eq!(
        (&rows[0]["On__c"], &rows[0]["Count__c"], &rows[0]["Next__r"]["DeveloperName"]),
        (&json!(true), &json!(3.0), &json!("B"))
    );
    assert_eq!(rows[1]["Next__r"], json!(null));
    let remove = zip(&[
        ("package.xml", &package(&[])),
        ("destructiveChanges.xml", &package(&[("CustomMetadata", &["Rule.A"])])),
    ]);
    deploy_well(&client, &remove).await;
    assert_eq!(client.query("SELECT Id FROM Rule__mdt").await.len(), 1);
    let (files, _) = retrieve(&client, &package(&[("CustomMetadata", &["*"])])).await;
    assert_eq!(files["customMetadata/Rule.B.md"], record("<value xsi:nil=\"true\"/>").as_bytes());
}

#[tokio::test(start_paused = true)]
async fn components_are_made_read_changed_and_removed_one_by_one() {
    let client = Client::new();
    let field = |kind: &str| {
        format!(
            "<metadata xsi:type=\"met:CustomField\"><fullName>Account.Level__c</fullName><label>Level</label>{kind}</metadata>"
        )
    };
    let number = "<precision>5</precision><scale>0</scale><type>Number</type>";
    let answer = call(&client, &format!("<createMetadata>{}</createMetadata>", field(number))).await;
    let result = answer.first("result").unwrap();
    assert!(result.is_true("success"), "{result:?}");
    client.create("Account", &json!({"Name": "A", "Level__c": 7})).await;
    let answer = call(&client, &format!("<createMetadata>{}</createMetadata>", field(number))).await;
    let errors = answer.first("result").unwrap().first("errors").unwrap().clone();
    assert_eq!(errors.text_of("statusCode"), "DUPLICATE_DEVELOPER_NAME");
    // A number becomes a text with its rows.
    let answer =
        call(&client, &format!("<updateMetadata>{}</updateMetadata>", field("<length>10</length><type>Text</type>")))
            .await;
    assert!(answer.first("result").unwrap().is_true("success"));
    assert_eq!(client.query("SELECT Level__c FROM Account").await[0]["Level__c"], json!("7"));
    let answer = call(
        &client,
        &format!("<updateMetadata>{}</updateMetadata>", field("<formula>\"x\"</formula><type>Text</type>")),
    )
    .await;
    let errors = answer.first("result").unwrap().first("errors").unwrap().clone();
    assert_eq!(errors.text_of("message"), "Cannot update a field to a Formula from something else");
    let answer = call(&client, "<readMetadata><type>CustomField</type><fullNames>Account.Level__c</fullNames><fullNames>Account.Gone__c</fullNames></readMetadata>").await;
    let records: Vec<_> = answer.first("result").unwrap().all("records").cloned().collect();
    let names: Vec<&str> = records[0].children.iter().map(|child| child.name.as_str()).collect();
    assert_eq!(names, ["fullName", "label", "length", "type"]);
    assert_eq!((records[0].text_of("fullName"), records[1].attribute("nil")), ("Account.Level__c", Some("true")));
    let answer =
        call(&client, &format!("<upsertMetadata>{}</upsertMetadata>", field("<length>12</length><type>Text</type>")))
            .await;
    assert_eq!(answer.first("result").unwrap().text_of("created"), "false");
    let answer = call(
        &client,
        "<deleteMetadata><type>CustomField</type><fullNames>Account.Level__c</fullNames></deleteMetadata>",
    )
    .await;
    assert!(answer.first("result").unwrap().is_true("success"));
    assert!(client.get("/query?q=SELECT+Level__c+FROM+Account").await.status == 400);
    let answer = call(
        &client,
        "<deleteMetadata><type>CustomField</type><fullNames>Account.Level__c</fullNames></deleteMetadata>",
    )
    .await;
    assert!(!answer.first("result").unwrap().is_true("success"));
}

#[tokio::test(start_paused = true)]
async fn rest_deploys_too() {
    let client = Client::new();
    let options = json!({"deployOptions": {"singlePackage": true, "testLevel": "RunLocalTests"}}).to_string();
    let mut form = Vec::new();
    // As CumulusCI sends it: the JSON first, named `json`.
    form.extend(format!("--b\r\nContent-Disposition: form-data; name=\"json\"\r\nContent-Type: application/json\r\n\r\n{options}\r\n").into_bytes());
    form.extend(b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"metadata.zip\"\r\nContent-Type: application/zip\r\n\r\n");
    form.extend(boat(BOAT));
    form.extend(b"\r\n--b--\r\n");
    let reply = client.send("POST", "/metadata/deployRequest", "multipart/form-data; boundary=b", form).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let started = reply.json();
    let keys: Vec<&String> = started["deployResult"].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["id", "success", "checkOnly", "ignoreWarnings", "rollbackOnError", "status", "runTestsEnabled", "done"]
    );
    assert_eq!(
        (&started["deployOptions"]["testLevel"], &started["deployResult"]["status"]),
        (&json!("RunLocalTests"), &json!("Pending"))
    );
    let id = started["id"].as_str().unwrap();
    let refused = client
        .json("PATCH", &format!("/metadata/deployRequest/{id}"), &json!({"deployResult": {"status": "Paused"}}))
        .await;
    assert_eq!(refused.status, 400);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let done = client.get(&format!("/metadata/deployRequest/{id}?includeDetails=true")).await.json();
    assert_eq!(
        (&done["deployResult"]["status"], &done["deployResult"]["numberComponentsDeployed"]),
        (&json!("Succeeded"), &json!(8))
    );
    assert_eq!(done["deployResult"]["details"]["componentSuccesses"].as_array().unwrap().len(), 9);
    assert_eq!(client.get("/sobjects/Boat__c").await.status, 200);
    assert_eq!(client.get("/metadata/deployRequest/0Af000000000000").await.status, 404);
}

#[tokio::test]
async fn a_store_keeps_components_and_their_effects() {
    let folder = tempfile::tempdir().unwrap();
    let kept = || Settings { store: Some(folder.path().join("org.sqlite")), ..settings() };
    let client = Client::with(kept());
    deploy_well(&client, &boat(BOAT)).await;
    let id = client.create("Boat__c", &json!({"Name": "B", "Number__c": 4})).await;
    drop(client);
    let client = Client::with(kept());
    let rows = client.query("SELECT Id, Twice__c, RecordTypeId FROM Boat__c").await;
    assert_eq!((&rows[0]["Id"], &rows[0]["Twice__c"]), (&json!(id), &json!(8.0)));
    let (files, _) = retrieve(&client, &package(BOAT)).await;
    assert_eq!(
        crate::porter::normal(std::str::from_utf8(&files["objects/Boat__c.object"]).unwrap()),
        crate::porter::normal(OBJECT)
    );
    assert!(client.create("Boat__c", &json!({"Name": "C"})).await.starts_with(&id[..3]));
}

#[tokio::test(start_paused = true)]
async fn answers_keep_the_order_of_the_wsdl() {
    let Some(path) = crate::porter::fixture("forcedotcom-wsdl/resources/metadata.wsdl") else { return };
    let wsdl = crate::porter::wsdl::Wsdl::read(&std::fs::read_to_string(path).unwrap());
    let client = Client::new();
    let mut looked_at = 0;
    let start = |zipped: &[u8], options: &str| {
        format!(
            "<deploy><ZipFile>{}</ZipFile><DeployOptions><singlePackage>true</singlePackage>{options}</DeployOptions></deploy>",
            base64_of(zipped)
        )
    };
    // A deploy with failures, one that is cancelled, one that is checked and then deployed.
    let broken = zip(&[
        ("package.xml", &package(BOAT)),
        ("objects/Boat__c.object", &OBJECT.replace("<type>Lookup", "<type>Look")),
    ]);
    for (operation, wait) in [
        (start(&broken, ""), true),
        (start(&boat(BOAT), ""), false),
        (start(&boat(BOAT), "<checkOnly>true</checkOnly>"), true),
    ] {
        let answer = call(&client, &operation).await;
        looked_at += wsdl.check(&answer);
        let id = answer.first("result").unwrap().text_of("id").to_owned();
        let mut operations = vec![format!("<checkStatus><asyncProcessId>{id}</asyncProcessId></checkStatus>")];
        if wait {
            crate::porter::finished(&client, &id).await;
        } else {
            operations.push(format!("<cancelDeploy><id>{id}</id></cancelDeploy>"));
        }
        operations.push(format!("<checkDeployStatus><asyncProcessId>{id}</asyncProcessId><includeDetails>true</includeDetails></checkDeployStatus>"));
        if operation.contains("checkOnly") {
            operations
                .push(format!("<deployRecentValidation><validationId>{id}</validationId></deployRecentValidation>"));
        }
        for operation in operations {
            looked_at += wsdl.check(&call(&client, &operation).await);
        }
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    for (operation, wait) in [
        (
            "<retrieve><request><apiVersion>67.0</apiVersion><unpackaged><types><members>*</members><name>CustomObject</name></types>\
                                <types><members>Gone</members><name>ApexClass</name></types></unpackaged></request></retrieve>",
            true,
        ),
        ("<retrieve><request><packageNames>Gone</packageNames></request></retrieve>", true),
    ] {
        let answer = call(&client, operation).await;
        looked_at += wsdl.check(&answer);
        let id = answer.first("result").unwrap().text_of("id").to_owned();
        if wait {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let operation = format!(
            "<checkRetrieveStatus><asyncProcessId>{id}</asyncProcessId><includeZip>true</includeZip></checkRetrieveStatus>"
        );
        looked_at += wsdl.check(&call(&client, &operation).await);
    }
    let field = "<metadata xsi:type=\"CustomField\"><fullName>Boat__c.New__c</fullName><label>N</label><type>Date</type></metadata>";
    let label = "<metadata xsi:type=\"CustomLabel\"><fullName>Hello</fullName><language>en_US</language><protected>false</protected>\
                 <shortDescription>H</shortDescription><value>Hello</value></metadata>";
    for operation in [
        "<describeMetadata/>".to_owned(),
        "<describeValueType><type>{http://soap.sforce.com/2006/04/metadata}CustomField</type></describeValueType>".to_owned(),
        "<listMetadata><queries><type>CustomObject</type></queries><queries><type>CustomField</type></queries></listMetadata>".to_owned(),
        "<listMetadata><queries><type>ApexClass</type></queries></listMetadata>".to_owned(),
        format!("<createMetadata>{field}{label}</createMetadata>"),
        format!("<createMetadata>{field}</createMetadata>"),
        format!("<updateMetadata>{field}</updateMetadata>"),
        format!("<upsertMetadata>{field}</upsertMetadata>"),
        "<renameMetadata><type>CustomLabel</type><oldFullName>Hello</oldFullName><newFullName>Bye</newFullName></renameMetadata>".to_owned(),
        "<readMetadata><type>CustomObject</type><fullNames>Boat__c</fullNames><fullNames>Account</fullNames></readMetadata>".to_owned(),
        "<readMetadata><type>Profile</type><fullNames>Admin</fullNames></readMetadata>".to_owned(),
        "<readMetadata><type>Layout</type><fullNames>Account-Account Layout</fullNames></readMetadata>".to_owned(),
        "<deleteMetadata><type>CustomField</type><fullNames>Boat__c.New__c</fullNames><fullNames>Boat__c.Gone__c</fullNames></deleteMetadata>".to_owned(),
    ] {
        looked_at += wsdl.check(&call(&client, &operation).await);
    }
    assert!(looked_at > 1_500, "{looked_at}");
}

#[tokio::test(start_paused = true)]
async fn an_external_client_app_is_made_and_comes_back() {
    let client = Client::new();
    let ns = "xmlns=\"http://soap.sforce.com/2006/04/metadata\"";
    let app = format!(
        "<ExternalClientApplication {ns}><contactEmail>a@example.com</contactEmail><distributionState>Local</distributionState><isProtected>false</isProtected><label>Backup</label></ExternalClientApplication>"
    );
    let oauth = format!(
        "<ExtlClntAppOauthSettings {ns}><commaSeparatedOauthScopes>Api, RefreshToken</commaSeparatedOauthScopes><externalClientApplication>Backup</externalClientApplication><label>O</label></ExtlClntAppOauthSettings>"
    );
    let files = zip(&[
        (
            "package.xml",
            &package(&[("ExternalClientApplication", &["Backup"]), ("ExtlClntAppOauthSettings", &["Backup_oauth"])]),
        ),
        ("externalClientApps/Backup.eca", &app),
        ("extlClntAppOauthSettings/Backup_oauth.ecaOauth", &oauth),
    ]);
    deploy_well(&client, &files).await;
    assert_eq!(list(&client, "ExternalClientApplication", "").await, ["Backup"]);
    // The policies come by themselves (1.10).
    assert_eq!(list(&client, "ExtlClntAppOauthConfigurablePolicies", "").await, ["Backup_oauth_defaultPolicy"]);
    let (files, _) = retrieve(&client, &package(&[("ExtlClntAppOauthConfigurablePolicies", &["*"])])).await;
    let policies = files.values().map(|body| String::from_utf8_lossy(body).into_owned()).collect::<String>();
    assert!(policies.contains("<permittedUsersPolicyType>AllSelfAuthorized</permittedUsersPolicyType>"), "{policies}");
}

#[tokio::test(start_paused = true)]
async fn big_objects_are_deployed_with_their_index() {
    let client = Client::new();
    let field = |name: &str| {
        format!(
            "<fields><fullName>{name}</fullName><label>{name}</label><length>16</length><required>true</required><type>Text</type></fields>"
        )
    };
    let object = format!(
        "<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\"><deploymentStatus>Deployed</deploymentStatus>{}{}\
         <indexes><fullName>Reading_Index</fullName><fields><name>Meter__c</name><sortDirection>DESC</sortDirection></fields><label>Reading Index</label></indexes>\
         <label>Reading</label><pluralLabel>Readings</pluralLabel></CustomObject>",
        field("Meter__c"),
        field("Value__c")
    );
    let types: &[(&str, &[&str])] = &[("CustomObject", &["Reading__b"])];
    deploy_well(&client, &zip(&[("package.xml", &package(types)), ("objects/Reading__b.object", &object)])).await;
    let described = client.get("/sobjects/Reading__b/describe").await.json();
    assert_eq!(
        (&described["queryable"], &described["updateable"], &described["undeletable"]),
        (&json!(true), &json!(false), &json!(false))
    );
    let fields: Vec<&str> =
        described["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
    assert_eq!(fields, ["Id", "CreatedDate", "CreatedById", "Meter__c", "Value__c"]);
    client.create("Reading__b", &json!({"Meter__c": "M1", "Value__c": "7"})).await;
    assert_eq!(client.query("SELECT Value__c FROM Reading__b WHERE Meter__c = 'M1'").await[0]["Value__c"], "7");
    assert_eq!(client.json("GET", "/sobjects/Reading__Share/describe", &json!(null)).await.status, 404);
    let (files, _) = retrieve(&client, &package(types)).await;
    let back = std::str::from_utf8(&files["objects/Reading__b.object"]).unwrap();
    assert_eq!(crate::porter::normal(back), crate::porter::normal(&object));
}
