// SPDX-License-Identifier: Apache-2.0
//! Objects and fields as rows: what describe hides from a user is found through the Tooling API (Tooling API reference of
//! `EntityDefinition`, `FieldDefinition` and `EntityParticle`).

use crate::caller::Caller;
use orgkeep_emulator::Settings;
use serde_json::{Value, json};

async fn tooling(caller: &Caller, statement: &str) -> crate::caller::Said {
    let query = crate::caller::encode(statement);
    caller.get(&format!("/tooling/query?q={query}")).await
}

fn names(answer: &Value) -> Vec<String> {
    let rows = answer["records"].as_array().unwrap();
    rows.iter().map(|row| row["QualifiedApiName"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_hidden_field_is_found_by_who_may_view_setup() {
    let admin = Caller::new();
    let sales = admin.as_user("sales").await;
    let taken = admin
        .query(
            "SELECT Id FROM FieldPermissions WHERE Parent.Profile.Name = 'Standard User' AND Field = 'Account.Rating'",
        )
        .await
        .expect(200);
    let row = taken["records"][0]["Id"].as_str().unwrap().to_owned();
    assert_eq!(admin.delete(&format!("/sobjects/FieldPermissions/{row}")).await.status, 204);

    let statement = "SELECT QualifiedApiName FROM FieldDefinition WHERE EntityDefinition.QualifiedApiName = 'Account'";
    let described = sales.get("/sobjects/Account/describe").await.expect(200);
    let described: Vec<String> = described["fields"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|field| field["compoundFieldName"].is_null() || field["compoundFieldName"] == field["name"])
        .map(|field| field["name"].as_str().unwrap().to_owned())
        .collect();
    // The data API shows what describe shows, the Tooling API what there is.
    assert_eq!(names(&sales.query(statement).await.expect(200)), described);
    let mut hidden = names(&tooling(&sales, statement).await.expect(200));
    hidden.retain(|name| !described.contains(name));
    assert!(hidden.contains(&"Rating".to_owned()), "{hidden:?}");
    let as_admin = names(&tooling(&admin, statement).await.expect(200));
    assert_eq!(as_admin, names(&tooling(&sales, statement).await.expect(200)));

    // An object without read permission likewise.
    let statement = "SELECT QualifiedApiName FROM EntityDefinition";
    let seen = names(&sales.query(statement).await.expect(200));
    let all = names(&tooling(&sales, statement).await.expect(200));
    assert!(all.len() > seen.len() && seen.iter().all(|name| all.contains(name)));
    assert!(all.contains(&"Account".to_owned()));

    let user = admin.query("SELECT Id FROM User WHERE Alias = 'sales'").await.expect(200);
    admin.org().set_permission(user["records"][0]["Id"].as_str().unwrap(), "ViewSetup", false);
    let (status, code, _) = tooling(&sales, statement).await.error();
    assert_eq!((status, code.as_str()), (400, "INVALID_TYPE"));
}

#[tokio::test]
async fn definitions_have_the_columns_and_limits_of_the_reference() {
    let caller = Caller::with(Settings { catalog: orgkeep_emulator::Catalog::Everything, ..crate::caller::settings() });
    let row = |answer: Value| answer["records"][0].clone();
    // As recorded in public: a reference without Id in its durable name, its targets in an object of their own.
    let statement = "SELECT QualifiedApiName, RelationshipName, ReferenceTo, ReferenceTargetField FROM FieldDefinition \
                     WHERE EntityDefinition.QualifiedApiName = 'Contact' AND QualifiedApiName = 'AccountId'";
    assert_eq!(
        tooling(&caller, statement).await.expect(200),
        json!({
            "size": 1, "totalSize": 1, "done": true, "queryLocator": null, "entityTypeName": "FieldDefinition",
            "records": [{
                "attributes": {
                    "type": "FieldDefinition", "url": "/services/data/v67.0/tooling/sobjects/FieldDefinition/Contact.Account"
                },
                "QualifiedApiName": "AccountId", "RelationshipName": "Account",
                "ReferenceTo": {"referenceTo": ["Account"]}, "ReferenceTargetField": null,
            }],
        })
    );
    let statement = "SELECT DataType, EntityDefinition.Label, IsNillable FROM FieldDefinition \
                     WHERE EntityDefinitionId = 'Account' AND QualifiedApiName IN ('Rating', 'Name', 'ParentId') ORDER BY QualifiedApiName";
    let answer = tooling(&caller, statement).await.expect(200);
    let kinds: Vec<&str> =
        answer["records"].as_array().unwrap().iter().map(|row| row["DataType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Text(255)", "Hierarchy", "Picklist"]);
    assert_eq!(answer["records"][0]["EntityDefinition"]["Label"], "Account");
    let statement = "SELECT DataType, FieldDefinition.QualifiedApiName FROM EntityParticle \
                     WHERE EntityDefinition.QualifiedApiName = 'Contact' AND QualifiedApiName = 'FirstName'";
    let particle = row(tooling(&caller, statement).await.expect(200));
    assert_eq!(
        (&particle["DataType"], &particle["FieldDefinition"]["QualifiedApiName"]),
        (&json!("string"), &json!("Name"))
    );
    let statement = "SELECT DurableId, KeyPrefix, IsQueryable, IsCustomSetting FROM EntityDefinition WHERE QualifiedApiName = 'Case'";
    let case = row(tooling(&caller, statement).await.expect(200));
    assert_eq!(
        (&case["DurableId"], &case["KeyPrefix"], &case["IsQueryable"]),
        (&json!("Case"), &json!("500"), &json!(true))
    );
    // LIMIT is ignored.
    let statement = "SELECT QualifiedApiName FROM EntityDefinition LIMIT 5";
    assert!(tooling(&caller, statement).await.expect(200)["size"].as_u64().unwrap() > 1_000);
    let statement = "SELECT COUNT() FROM FieldDefinition WHERE EntityDefinition.QualifiedApiName = 'Account'";
    assert!(tooling(&caller, statement).await.expect(200)["totalSize"].as_u64().unwrap() > 30);

    for (statement, code, text) in [
        (
            "SELECT QualifiedApiName FROM FieldDefinition",
            "MALFORMED_QUERY",
            "FieldDefinition: a filter on a reified column is required [EntityDefinitionId,DurableId]",
        ),
        (
            "SELECT QualifiedApiName FROM EntityDefinition WHERE QualifiedApiName != 'Account'",
            "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION",
            "Only equals comparisons permitted",
        ),
        (
            "SELECT KeyPrefix FROM EntityDefinition WHERE IsQueryable = true OR KeyPrefix = '01j'",
            "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION",
            "Disjunctions not supported",
        ),
    ] {
        let said = tooling(&caller, statement).await.error();
        assert_eq!(said, (400, code.to_owned(), text.to_owned()), "{statement}");
    }
    let (_, code, _) = tooling(&caller, "SELECT Nothing FROM EntityDefinition").await.error();
    assert_eq!(code, "INVALID_FIELD");
}
