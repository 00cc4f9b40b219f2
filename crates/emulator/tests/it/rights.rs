// SPDX-License-Identifier: Apache-2.0
//! Who may do what: permissions, object permissions, field-level security, and what each API makes of them.

#![allow(clippy::disallowed_macros, reason = "a test that is left out says why")]

use crate::caller::{Caller, START_MS, settings};
use crate::desk::Find as _;
use orgkeep_emulator::Clock;
use orgkeep_emulator::network::IpRange;
use orgkeep_emulator::record::Input;
use orgkeep_emulator::sharing::Access;
use serde_json::{Value, json};

fn text(value: &str) -> Input {
    Input::Text(value.to_owned())
}

fn fields(pairs: &[(&str, Input)]) -> Vec<(String, Input)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// Another user of the same emulator, signed in by SOAP.
async fn as_user(caller: &Caller, name: &str) -> Caller {
    caller.as_user(name).await
}

async fn login(caller: &Caller, username: &str, password: &str, headers: &[(&str, &str)]) -> crate::caller::Said {
    caller.login(username, password, headers).await
}

/// A permission set for a user, with rows below it.
async fn grant(admin: &Caller, user: &str, name: &str, permissions: Value) -> String {
    let mut body = json!({"Name": name, "Label": name});
    for (key, value) in permissions.as_object().unwrap() {
        body[key] = value.clone();
    }
    let set = admin.create("PermissionSet", body).await;
    admin.create("PermissionSetAssignment", json!({"AssigneeId": user, "PermissionSetId": set})).await;
    set
}

fn names(body: &Value) -> Vec<String> {
    let list = body["records"].as_array().unwrap_or_else(|| panic!("{body}"));
    list.iter().map(|row| row["Name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_field_hidden_by_field_level_security_exists_in_no_api() {
    let admin = Caller::new();
    let sales = as_user(&admin, "sales").await;
    let account = sales.create("Account", json!({"Name": "Acme", "Rating": "Hot", "Phone": "1"})).await;
    let shown = sales.get("/sobjects/Account/describe").await.expect(200);
    assert!(shown["fields"].as_array().unwrap().iter().any(|field| field["name"] == "Rating"));

    // An administrator takes the field from the profile, by its permission set's row.
    let profile = admin.org().id_of("Profile", "Name", "Standard User");
    let statement =
        format!("SELECT Id FROM FieldPermissions WHERE Parent.ProfileId = '{profile}' AND Field = 'Account.Rating'");
    let found = admin.query(&statement).await.expect(200);
    let row = found["records"][0]["Id"].as_str().unwrap().to_owned();
    assert_eq!(admin.delete(&format!("/sobjects/FieldPermissions/{row}")).await.status, 204);

    let shown = sales.get("/sobjects/Account/describe").await.expect(200);
    assert!(!shown["fields"].as_array().unwrap().iter().any(|field| field["name"] == "Rating"));
    let (status, code, message) = sales.query("SELECT Id, Rating FROM Account").await.error();
    assert_eq!((status, code.as_str()), (400, "INVALID_FIELD"));
    assert!(message.contains("No such column 'Rating' on entity 'Account'"), "{message}");
    for statement in [
        "SELECT Id FROM Account WHERE Rating = 'Hot'",
        "SELECT Id FROM Account ORDER BY Rating",
        "SELECT COUNT(Id) FROM Account GROUP BY Rating",
        "SELECT Id, Account.Rating FROM Contact",
        "SELECT Id FROM Contact WHERE AccountId IN (SELECT Id FROM Account WHERE Rating = 'Hot')",
    ] {
        assert_eq!(sales.query(statement).await.error().1, "INVALID_FIELD", "{statement}");
    }
    let row = sales.get(&format!("/sobjects/Account/{account}")).await.expect(200);
    assert_eq!((row.get("Rating"), row["Phone"].as_str()), (None, Some("1")));
    assert_eq!(sales.get(&format!("/sobjects/Account/{account}?fields=Rating")).await.error().1, "INVALID_FIELD");
    let refused = sales.patch(&format!("/sobjects/Account/{account}"), json!({"Rating": "Cold"})).await.error();
    assert_eq!((refused.0, refused.1.as_str()), (400, "INVALID_FIELD"));
    let all = sales.query("SELECT FIELDS(ALL) FROM Account LIMIT 1").await.expect(200);
    assert_eq!(all["records"][0].get("Rating"), None);
    let job = json!({"operation": "query", "query": "SELECT Id, Rating FROM Account"});
    assert_eq!(sales.post("/jobs/query", job).await.status, 400);
    // Nobody else is affected.
    assert_eq!(admin.query("SELECT Rating FROM Account").await.expect(200)["records"][0]["Rating"], "Hot");

    // A permission set gives it back, to read.
    let user = admin.org().id_of("User", "Alias", "sales");
    let set = grant(&admin, &user, "See_Rating", json!({})).await;
    let right = json!({"ParentId": set, "SobjectType": "Account", "Field": "Account.Rating", "PermissionsRead": true, "PermissionsEdit": false});
    admin.create("FieldPermissions", right).await;
    assert_eq!(sales.query("SELECT Rating FROM Account").await.expect(200)["records"][0]["Rating"], "Hot");
    let (_, code, message) =
        sales.patch(&format!("/sobjects/Account/{account}"), json!({"Rating": "Cold"})).await.error();
    assert_eq!(code, "INVALID_FIELD_FOR_INSERT_UPDATE");
    assert!(
        message.starts_with("Unable to create/update fields: Rating. Please check the security settings"),
        "{message}"
    );
    let shown = sales.get("/sobjects/Account/describe").await.expect(200);
    let rating = shown["fields"].as_array().unwrap().iter().find(|field| field["name"] == "Rating").unwrap().clone();
    assert_eq!((&rating["createable"], &rating["updateable"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn view_all_fields_lifts_field_level_security_for_reading() {
    let admin = Caller::new();
    let backup = as_user(&admin, "backup").await;
    admin.create("Account", json!({"Name": "Acme", "Rating": "Hot"})).await;
    let user = admin.org().id_of("User", "Alias", "backup");
    assert_eq!(backup.query("SELECT Rating FROM Account").await.expect(200)["records"][0]["Rating"], "Hot");
    admin.org().set_permission(&user, "ViewAllFieldsGlobal", false);
    assert_eq!(backup.query("SELECT Rating FROM Account").await.error().1, "INVALID_FIELD");
    assert_eq!(names(&backup.query("SELECT Name FROM Account").await.expect(200)), ["Acme"], "names are never secured");
}

#[tokio::test]
async fn object_permissions_take_effect_at_once_in_every_api() {
    let admin = Caller::new();
    let backup = as_user(&admin, "backup").await;
    let user = admin.org().id_of("User", "Alias", "backup");
    admin.org().set_permission(&user, "ViewAllData", false);
    let account = admin.create("Account", json!({"Name": "Acme"})).await;

    // No right at all: the object is not there.
    let objects = |body: Value| -> Vec<String> {
        body["sobjects"].as_array().unwrap().iter().map(|object| object["name"].as_str().unwrap().to_owned()).collect()
    };
    let seen = objects(backup.get("/sobjects").await.expect(200));
    assert!(!seen.contains(&"Account".to_owned()) && !seen.contains(&"AccountHistory".to_owned()));
    assert!(seen.contains(&"User".to_owned()));
    assert_eq!(backup.get("/sobjects/Account/describe").await.error().0, 404);
    assert_eq!(backup.get(&format!("/sobjects/Account/{account}")).await.error().0, 404);
    let (status, code, message) = backup.query("SELECT Id FROM Account").await.error();
    assert_eq!((status, code.as_str()), (400, "INVALID_TYPE"));
    assert!(message.contains("sObject type 'Account' is not supported"), "{message}");
    let below = backup.query("SELECT Id, (SELECT Id FROM Accounts) FROM User").await.error();
    assert_eq!(below.1, "INVALID_TYPE");
    assert_eq!(backup.post("/sobjects/Account", json!({"Name": "x"})).await.error().0, 404);
    let batch = json!({"records": [{"attributes": {"type": "Account"}, "Name": "x"}]});
    let said = backup.post("/composite/sobjects", batch.clone()).await.expect(200);
    assert_eq!(said[0]["errors"][0]["statusCode"], "INVALID_TYPE", "{said}");
    assert!(
        backup.post("/jobs/query", json!({"operation": "query", "query": "SELECT Id FROM Account"})).await.status
            == 400
    );

    // To read.
    let set = grant(&admin, &user, "Accounts", json!({})).await;
    let right = json!({"ParentId": set, "SobjectType": "Account", "PermissionsRead": true});
    let right = admin.create("ObjectPermissions", right).await;
    assert_eq!(names(&backup.query("SELECT Name FROM Account").await.expect(200)), ["Acme"]);
    let shown = backup.get("/sobjects/Account/describe").await.expect(200);
    assert_eq!(
        (&shown["createable"], &shown["updateable"], &shown["deletable"]),
        (&json!(false), &json!(false), &json!(false))
    );
    let (_, code, message) = backup.post("/sobjects/Account", json!({"Name": "x"})).await.error();
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type cannot be inserted: Account")
    );
    let (_, code, message) = backup.patch(&format!("/sobjects/Account/{account}"), json!({"Name": "x"})).await.error();
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type cannot be updated: Account")
    );
    let (status, code, _) = backup.delete(&format!("/sobjects/Account/{account}")).await.error();
    assert_eq!((status, code.as_str()), (403, "INSUFFICIENT_ACCESS_OR_READONLY"));
    let said = backup.post("/composite/sobjects", batch).await.expect(200);
    assert_eq!(said[0]["errors"][0]["statusCode"], "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY");

    // To create and edit, not to delete.
    let more = json!({"PermissionsCreate": true, "PermissionsEdit": true});
    assert_eq!(admin.patch(&format!("/sobjects/ObjectPermissions/{right}"), more).await.status, 204);
    let own = backup.create("Account", json!({"Name": "Own"})).await;
    assert_eq!(backup.patch(&format!("/sobjects/Account/{own}"), json!({"Name": "Mine"})).await.status, 204);
    assert_eq!(backup.delete(&format!("/sobjects/Account/{own}")).await.error().1, "INSUFFICIENT_ACCESS_OR_READONLY");

    // Everything off deletes the row, and with it the object.
    let off = json!({"PermissionsRead": false, "PermissionsCreate": false, "PermissionsEdit": false});
    assert_eq!(admin.patch(&format!("/sobjects/ObjectPermissions/{right}"), off).await.status, 204);
    assert_eq!(admin.get(&format!("/sobjects/ObjectPermissions/{right}")).await.status, 404);
    assert_eq!(backup.query("SELECT Id FROM Account").await.error().1, "INVALID_TYPE");
}

#[tokio::test]
async fn permissions_that_need_others_are_refused_without_them() {
    let admin = Caller::new();
    let set = admin.create("PermissionSet", json!({"Name": "Some", "Label": "Some"})).await;
    let refusal = |body: Value| {
        let (admin, set) = (&admin, &set);
        async move {
            let mut body = body;
            body["ParentId"] = json!(set);
            admin.post("/sobjects/ObjectPermissions", body).await.error()
        }
    };
    let (status, code, message) = refusal(json!({"SobjectType": "Account", "PermissionsEdit": true})).await;
    assert_eq!((status, code.as_str()), (400, "FIELD_INTEGRITY_EXCEPTION"));
    assert_eq!(message, "Permission Edit Account depends on permission(s): Read Account");
    let (_, _, message) =
        refusal(json!({"SobjectType": "Account", "PermissionsRead": true, "PermissionsModifyAllRecords": true})).await;
    assert_eq!(
        message,
        "Permission Modify All Account depends on permission(s): Delete Account, Edit Account, Read All Account"
    );
    let (_, _, message) = refusal(json!({"SobjectType": "Contract", "PermissionsRead": true})).await;
    assert_eq!(message, "Permission Read Contract depends on permission(s): Read Account");
    let (_, code, message) = refusal(json!({"SobjectType": "Account"})).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("FIELD_INTEGRITY_EXCEPTION", "You must enable at least one permission.")
    );
    let (_, code, _) = refusal(json!({"SobjectType": "User", "PermissionsRead": true})).await;
    assert_eq!(code, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
    let wrong = json!({"Name": "Files", "Label": "Files", "PermissionsQueryAllFiles": true});
    let (_, code, message) = admin.post("/sobjects/PermissionSet", wrong).await.error();
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("FIELD_INTEGRITY_EXCEPTION", "Permission QueryAllFiles depends on permission(s): ViewAllData")
    );
    let field = json!({"ParentId": set, "SobjectType": "Account", "Field": "Account.Name", "PermissionsRead": true});
    assert_eq!(
        admin.post("/sobjects/FieldPermissions", field).await.error().1,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    );
    // A custom object is one of those that permissions can be given on.
    admin
        .create("ObjectPermissions", json!({"ParentId": set, "SobjectType": "Project__c", "PermissionsRead": true}))
        .await;
}

#[tokio::test]
async fn a_profile_and_its_permission_set_say_the_same() {
    let admin = Caller::new();
    let profile = admin.org().id_of("Profile", "Name", "Standard User");
    let statement =
        format!("SELECT Id, PermissionsApiEnabled, IsOwnedByProfile FROM PermissionSet WHERE ProfileId = '{profile}'");
    let set = admin.query(&statement).await.expect(200)["records"][0].clone();
    assert_eq!((&set["PermissionsApiEnabled"], &set["IsOwnedByProfile"]), (&json!(true), &json!(true)));
    let sales = as_user(&admin, "sales").await;
    assert_eq!(sales.get("/limits").await.status, 200);
    let off = json!({"PermissionsApiEnabled": false});
    assert_eq!(admin.patch(&format!("/sobjects/Profile/{profile}"), off).await.status, 204);
    assert_eq!(sales.get("/limits").await.error().1, "API_CURRENTLY_DISABLED");
    assert_eq!(admin.query(&statement).await.expect(200)["records"][0]["PermissionsApiEnabled"], false);
    let set = set["Id"].as_str().unwrap();
    let on = json!({"PermissionsApiEnabled": true});
    assert_eq!(admin.patch(&format!("/sobjects/PermissionSet/{set}"), on).await.status, 204);
    assert_eq!(sales.get("/limits").await.status, 200);
    assert_eq!(admin.get(&format!("/sobjects/Profile/{profile}")).await.expect(200)["PermissionsApiEnabled"], true);
}

#[tokio::test]
async fn setup_is_written_by_its_own_permissions() {
    let admin = Caller::new();
    let sales = as_user(&admin, "sales").await;
    let role = json!({"Name": "New"});
    assert_eq!(sales.post("/sobjects/UserRole", role.clone()).await.error().1, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY");
    let user = admin.org().id_of("User", "Alias", "sales");
    admin.org().set_permission(&user, "ManageUsers", true);
    sales.create("UserRole", role).await;
    // Without View Setup, permission sets are not shown.
    assert_eq!(sales.query("SELECT Id FROM PermissionSet LIMIT 1").await.status, 200);
    admin.org().set_permission(&user, "ViewSetup", false);
    assert_eq!(sales.query("SELECT Id FROM PermissionSet LIMIT 1").await.error().1, "INVALID_TYPE");
}

#[tokio::test]
async fn rows_are_shared_by_owner_role_group_and_share() {
    let admin = Caller::new();
    let org = admin.org();
    org.set_default_access("Account", Access::Private);
    let sales = as_user(&admin, "sales").await;
    let support = as_user(&admin, "support").await;
    let (sales_id, support_id) = (org.id_of("User", "Alias", "sales"), org.id_of("User", "Alias", "support"));
    let mine = sales.create("Account", json!({"Name": "Mine"})).await;
    let other = support.create("Account", json!({"Name": "Other"})).await;
    let seen = |body: Value| names(&body);
    assert_eq!(seen(sales.query("SELECT Name FROM Account").await.expect(200)), ["Mine"]);
    assert_eq!(sales.query("SELECT COUNT() FROM Account").await.expect(200)["totalSize"], 1);
    assert_eq!(sales.query("SELECT COUNT(Id) n FROM Account").await.expect(200)["records"][0]["n"], 1);
    assert_eq!(sales.get(&format!("/sobjects/Account/{other}")).await.error().0, 404);
    assert_eq!(sales.patch(&format!("/sobjects/Account/{other}"), json!({"Name": "x"})).await.error().0, 404);
    assert_eq!(sales.delete(&format!("/sobjects/Account/{other}")).await.error().0, 404);
    let said = sales
        .patch(
            "/composite/sobjects",
            json!({"records": [{"attributes": {"type": "Account"}, "id": other, "Name": "x"}]}),
        )
        .await;
    assert_eq!(said.expect(200)[0]["errors"][0]["statusCode"], "INVALID_CROSS_REFERENCE_KEY");
    // Nothing may point at what its author does not see.
    let (status, code, message) =
        sales.post("/sobjects/Contact", json!({"LastName": "L", "AccountId": other})).await.error();
    assert_eq!((status, code.as_str()), (403, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"));
    assert!(message.starts_with("insufficient access rights on cross-reference id: 001"), "{message}");

    // A share row gives it to read.
    let share = json!({"AccountId": other, "UserOrGroupId": sales_id, "AccountAccessLevel": "Read", "OpportunityAccessLevel": "None"});
    admin.create("AccountShare", share).await;
    assert_eq!(seen(sales.query("SELECT Name FROM Account ORDER BY Name").await.expect(200)), ["Mine", "Other"]);
    let (status, code, message) =
        sales.patch(&format!("/sobjects/Account/{other}"), json!({"Name": "x"})).await.error();
    assert_eq!((status, code.as_str()), (403, "INSUFFICIENT_ACCESS_OR_READONLY"));
    assert_eq!(message, "insufficient access rights on object id");

    // A group's share counts for its members, also to edit; deleting stays the owner's.
    let group = admin.create("Group", json!({"Name": "Helpers", "DeveloperName": "Helpers", "Type": "Regular"})).await;
    admin.create("GroupMember", json!({"GroupId": group, "UserOrGroupId": support_id})).await;
    let share = json!({"AccountId": mine, "UserOrGroupId": group, "AccountAccessLevel": "Edit", "OpportunityAccessLevel": "None"});
    admin.create("AccountShare", share).await;
    assert_eq!(support.patch(&format!("/sobjects/Account/{mine}"), json!({"Name": "Ours"})).await.status, 204);
    assert_eq!(support.delete(&format!("/sobjects/Account/{mine}")).await.error().1, "INSUFFICIENT_ACCESS_OR_READONLY");

    // Whoever stands above the owner's role has what the owner has.
    let chief = org.id_of("UserRole", "DeveloperName", "CEO");
    org.update(&support_id, fields(&[("UserRoleId", text(&chief))])).unwrap();
    let hidden = sales.create("Account", json!({"Name": "Below"})).await;
    assert_eq!(support.delete(&format!("/sobjects/Account/{hidden}")).await.status, 204);
    assert_eq!(seen(sales.query("SELECT Name FROM Account ORDER BY Name").await.expect(200)), ["Other", "Ours"]);

    // View All of the object ends sharing for it.
    org.update(&support_id, fields(&[("UserRoleId", Input::Null)])).unwrap();
    assert_eq!(seen(support.query("SELECT Name FROM Account ORDER BY Name").await.expect(200)), ["Other", "Ours"]);
    admin.create("Account", json!({"Name": "Secret"})).await;
    assert_eq!(support.query("SELECT COUNT() FROM Account").await.expect(200)["totalSize"], 2);
    let set = grant(&admin, &support_id, "All_Accounts", json!({})).await;
    let right =
        json!({"ParentId": set, "SobjectType": "Account", "PermissionsRead": true, "PermissionsViewAllRecords": true});
    admin.create("ObjectPermissions", right).await;
    assert_eq!(support.query("SELECT COUNT() FROM Account").await.expect(200)["totalSize"], 3);
}

#[tokio::test]
async fn accounts_and_what_hangs_on_them_share_implicitly() {
    let admin = Caller::new();
    let org = admin.org();
    for object in ["Account", "Opportunity", "Case"] {
        org.set_default_access(object, Access::Private);
    }
    let sales = as_user(&admin, "sales").await;
    let sales_id = org.id_of("User", "Alias", "sales");
    let account = admin.create("Account", json!({"Name": "Acme"})).await;
    let contact = admin.create("Contact", json!({"LastName": "Lamb", "AccountId": account})).await;
    let deal = json!({"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-09-01", "AccountId": account});
    let opportunity = admin.create("Opportunity", deal).await;
    let count = |object: &'static str| {
        let sales = &sales;
        async move { sales.query(&format!("SELECT COUNT() FROM {object}")).await.expect(200)["totalSize"].as_u64().unwrap() }
    };
    assert_eq!((count("Account").await, count("Contact").await, count("Opportunity").await), (0, 0, 0));

    // The owner of an opportunity reads its account, and so the contacts that the account controls; edits neither.
    org.update(&opportunity, fields(&[("OwnerId", text(&sales_id))])).unwrap();
    assert_eq!((count("Account").await, count("Contact").await, count("Opportunity").await), (1, 1, 1));
    assert_eq!(
        sales.patch(&format!("/sobjects/Account/{account}"), json!({"Name": "x"})).await.error().1,
        "INSUFFICIENT_ACCESS_OR_READONLY"
    );
    assert_eq!(
        sales.patch(&format!("/sobjects/Contact/{contact}"), json!({"LastName": "x"})).await.error().1,
        "INSUFFICIENT_ACCESS_OR_READONLY"
    );
    // What hangs on the opportunity follows it.
    let role = json!({"OpportunityId": opportunity, "ContactId": contact});
    sales.create("OpportunityContactRole", role).await;
    let rows = sales
        .query("SELECT Name, (SELECT Id FROM Contacts), (SELECT Id FROM Opportunities) FROM Account")
        .await
        .expect(200);
    assert_eq!(rows["records"][0]["Opportunities"]["totalSize"], 1);

    // The owner of an account has on its opportunities what the owner's role says: Edit for Sales.
    org.update(&opportunity, fields(&[("OwnerId", text(&admin.credentials.user_id))])).unwrap();
    assert_eq!(count("Opportunity").await, 0);
    org.update(&account, fields(&[("OwnerId", text(&sales_id))])).unwrap();
    assert_eq!((count("Account").await, count("Opportunity").await), (1, 1));
    assert_eq!(sales.patch(&format!("/sobjects/Opportunity/{opportunity}"), json!({"Name": "x"})).await.status, 204);
    assert_eq!(
        sales.delete(&format!("/sobjects/Opportunity/{opportunity}")).await.error().1,
        "INSUFFICIENT_ACCESS_OR_READONLY"
    );
    // The role says nothing of cases.
    admin.create("Case", json!({"Subject": "Help", "AccountId": account})).await;
    assert_eq!(count("Case").await, 0);

    // A contact without an account is its owner's alone.
    admin.create("Contact", json!({"LastName": "Private"})).await;
    assert_eq!(count("Contact").await, 1);
    // A task about the account is read by who reads the account; one about nothing by its owner.
    admin.create("Task", json!({"Subject": "Call", "WhatId": account})).await;
    admin.create("Task", json!({"Subject": "Think"})).await;
    assert_eq!(count("Task").await, 1);
}

#[tokio::test]
async fn files_are_seen_through_what_they_are_linked_to() {
    let admin = Caller::new();
    let org = admin.org();
    org.set_default_access("Account", Access::Private);
    let sales = as_user(&admin, "sales").await;
    let sales_id = org.id_of("User", "Alias", "sales");
    let account = sales.create("Account", json!({"Name": "Acme"})).await;
    let file = |name: &str| json!({"Title": name, "PathOnClient": format!("{name}.txt"), "VersionData": "aGVsbG8="});
    let own = admin.create("ContentVersion", file("secret")).await;
    let mut linked = file("linked");
    linked["FirstPublishLocationId"] = json!(account);
    let version = admin.create("ContentVersion", linked).await;
    let titles = |body: Value| -> Vec<String> {
        body["records"].as_array().unwrap().iter().map(|row| row["Title"].as_str().unwrap().to_owned()).collect()
    };
    let statement = "SELECT Title FROM ContentDocument ORDER BY Title";
    assert_eq!(titles(sales.query(statement).await.expect(200)), ["linked"]);
    assert_eq!(titles(sales.query("SELECT Title FROM ContentVersion").await.expect(200)), ["linked"]);
    assert_eq!(sales.get(&format!("/sobjects/ContentVersion/{version}/VersionData")).await.text(), "hello");
    assert_eq!(sales.get(&format!("/sobjects/ContentVersion/{own}/VersionData")).await.status, 404);
    // View All Data reaches what hangs on records, not what somebody keeps for themselves.
    admin.org().set_permission(&sales_id, "ViewAllData", true);
    assert_eq!(titles(sales.query(statement).await.expect(200)), ["linked"]);
    admin.org().set_permission(&sales_id, "QueryAllFiles", true);
    assert_eq!(titles(sales.query(statement).await.expect(200)), ["linked", "secret"]);
}

#[tokio::test]
async fn frozen_and_inactive_users_have_no_session() {
    let admin = Caller::new();
    let sales = as_user(&admin, "sales").await;
    let user = admin.org().id_of("User", "Alias", "sales");
    let found = admin.query(&format!("SELECT Id, IsFrozen FROM UserLogin WHERE UserId = '{user}'")).await.expect(200);
    assert_eq!(found["records"][0]["IsFrozen"], false);
    let login_row = found["records"][0]["Id"].as_str().unwrap().to_owned();
    assert_eq!(sales.get("/sobjects").await.status, 200);
    let freeze = |on: bool| {
        let (admin, login_row) = (&admin, &login_row);
        async move { admin.patch(&format!("/sobjects/UserLogin/{login_row}"), json!({"IsFrozen": on})).await.status }
    };
    assert_eq!(freeze(true).await, 204);
    assert_eq!(sales.get("/sobjects").await.error().1, "INVALID_SESSION_ID");
    let refused = login(&admin, "sales@org-1.orgkeep.example", &admin.credentials.password, &[]).await;
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("<faultcode>INVALID_LOGIN</faultcode>"));
    assert_eq!(freeze(false).await, 204);
    let sales = as_user(&admin, "sales").await;
    assert_eq!(admin.patch(&format!("/sobjects/User/{user}"), json!({"IsActive": false})).await.status, 204);
    assert_eq!(sales.get("/sobjects").await.error().1, "INVALID_SESSION_ID");
}

#[tokio::test]
async fn an_assignment_takes_effect_with_the_next_call() {
    let clock = Clock::starting_at(START_MS);
    let admin = Caller::with(orgkeep_emulator::Settings { clock: clock.clone(), ..settings() });
    let user = admin.org().id_of("User", "Alias", "sales");
    let before = admin.org().caller(&user);
    assert!(!before.can("ViewAllData"));
    let set = grant(&admin, &user, "Viewer", json!({"PermissionsViewAllData": true})).await;
    assert!(admin.org().caller(&user).can("ViewAllData"), "a new assignment is seen by the next call");
    assert!(!before.can("ViewAllData"), "a call that began before keeps what it had");
    let off = json!({"PermissionsViewAllData": false});
    assert_eq!(admin.patch(&format!("/sobjects/PermissionSet/{set}"), off).await.status, 204);
    assert!(!admin.org().caller(&user).can("ViewAllData"));
}

/// Object Reference, "UserPermissionAccess": the permissions of the current user, for everybody, also without View Setup.
#[tokio::test]
async fn everybody_may_ask_for_their_own_permissions() {
    let admin = Caller::new();
    let sales = as_user(&admin, "sales").await;
    let user = admin.org().id_of("User", "Alias", "sales");
    let own =
        "SELECT PermissionsApiEnabled, PermissionsViewAllData, PermissionsModifyAllData FROM UserPermissionAccess";
    let asked = |said: crate::caller::Said| {
        let body = said.expect(200);
        assert_eq!(body["totalSize"], 1, "{body}");
        ["PermissionsApiEnabled", "PermissionsViewAllData", "PermissionsModifyAllData"]
            .map(|name| body["records"][0][name].as_bool().unwrap())
    };
    assert_eq!(asked(admin.query(own).await), [true, true, true]);
    assert_eq!(asked(sales.query(own).await), [true, false, false]);
    grant(&admin, &user, "Viewer", json!({"PermissionsViewAllData": true})).await;
    assert_eq!(asked(sales.query(own).await), [true, true, false]);
    let none = sales.query(&format!("{own} WHERE PermissionsModifyAllData = true")).await.expect(200);
    assert_eq!(none["totalSize"], 0);
    assert_eq!(sales.query("SELECT PermissionsFly FROM UserPermissionAccess").await.error().1, "INVALID_FIELD");
}

#[tokio::test]
async fn profiles_admit_users_by_address_and_hour() {
    let clock = Clock::starting_at(START_MS);
    let admin = Caller::with(orgkeep_emulator::Settings { clock: clock.clone(), ..settings() });
    let org = admin.org();
    let profile = org.id_of("Profile", "Name", "Standard User");
    let (user, password) = ("sales@org-1.orgkeep.example", admin.credentials.password.clone());
    let inside = [("x-forwarded-for", "203.0.113.7")];
    let outside = [("x-forwarded-for", "198.51.100.1, 203.0.113.7")];
    let range = IpRange { from: "203.0.113.0".parse().unwrap(), to: "203.0.113.255".parse().unwrap() };
    org.change_networks(|networks| drop(networks.login_ranges.insert(profile.clone(), vec![range])));

    let said = login(&admin, user, &password, &outside).await;
    assert_eq!(said.status, 500);
    let fault = "LOGIN_DURING_RESTRICTED_DOMAIN: cannot log in from current domain";
    assert!(said.text().contains(fault), "{}", said.text());
    let said = login(&admin, user, &password, &inside).await;
    assert_eq!(said.status, 200);
    let sales = as_user(&admin, "sales").await;

    // A session that was opened inside is good outside, unless every request is looked at.
    let anywhere = |address: &'static str| {
        let sales = &sales;
        async move { sales.call("GET", "/sobjects/Account/describe", &[("x-forwarded-for", address)], "").await.status }
    };
    assert_eq!(anywhere("198.51.100.1").await, 200);
    org.change_networks(|networks| networks.enforce_on_every_request = true);
    assert_eq!((anywhere("198.51.100.1").await, anywhere("203.0.113.7").await), (401, 200));

    // Login hours: 12:00 to 13:00, and it is noon.
    org.change_networks(|networks| {
        networks.login_ranges.clear();
        networks.login_hours.insert(profile.clone(), (12 * 60, 13 * 60));
    });
    assert_eq!(anywhere("203.0.113.7").await, 200);
    clock.advance(std::time::Duration::from_secs(3_600));
    assert_eq!(anywhere("203.0.113.7").await, 401);
    let said = login(&admin, user, &password, &[]).await;
    assert!(said.text().contains("<faultcode>LOGIN_DURING_RESTRICTED_TIME</faultcode>"), "{}", said.text());
    // Other profiles are not affected.
    assert_eq!(login(&admin, &admin.credentials.username, &password, &[]).await.status, 200);
}

#[tokio::test]
async fn outside_the_trusted_networks_a_password_needs_the_token() {
    let admin = Caller::new();
    let (user, password) = (admin.credentials.username.clone(), admin.credentials.password.clone());
    let trusted = IpRange { from: "10.0.0.0".parse().unwrap(), to: "10.255.255.255".parse().unwrap() };
    admin.org().change_networks(|networks| networks.trusted.push(trusted));
    let outside = [("x-forwarded-for", "198.51.100.1")];
    let said = login(&admin, &user, &password, &outside).await;
    assert!(said.text().contains("<faultcode>LOGIN_MUST_USE_SECURITY_TOKEN</faultcode>"), "{}", said.text());
    let with_token = format!("{password}{}", admin.credentials.security_token);
    assert_eq!(login(&admin, &user, &with_token, &outside).await.status, 200);
    assert_eq!(login(&admin, &user, &password, &[("x-forwarded-for", "10.1.2.3")]).await.status, 200);
    assert!(login(&admin, &user, "wrong", &outside).await.text().contains("<faultcode>INVALID_LOGIN</faultcode>"));
}

#[tokio::test]
async fn oauth_tells_why_a_user_gets_no_token() {
    let admin = Caller::new();
    let refresh = |address: &'static str| {
        let admin = &admin;
        async move {
            let (client, secret) = (&admin.credentials.client_id, &admin.credentials.client_secret);
            let form = crate::caller::form(&[
                ("grant_type", "client_credentials"),
                ("client_id", client),
                ("client_secret", secret),
            ]);
            let headers = [("content-type", "application/x-www-form-urlencoded"), ("x-forwarded-for", address)];
            let said = admin.raw("POST", "/services/oauth2/token", &headers, form).await;
            let body = said.json();
            let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            (said.status, text("error"), text("error_description"))
        }
    };
    assert_eq!(refresh("10.0.0.1").await.0, 200);
    let profile = admin.org().id_of("Profile", "Name", "System Administrator");
    let range = IpRange { from: "203.0.113.0".parse().unwrap(), to: "203.0.113.255".parse().unwrap() };
    admin.org().change_networks(|networks| drop(networks.login_ranges.insert(profile, vec![range])));
    assert_eq!(refresh("10.0.0.1").await, (400, "invalid_grant".into(), "ip restricted".into()));
    assert_eq!(refresh("203.0.113.1").await.0, 200);
    admin.org().set_frozen(&admin.credentials.user_id, true);
    assert_eq!(refresh("203.0.113.1").await, (400, "invalid_grant".into(), "inactive user".into()));
}

#[tokio::test]
async fn an_org_shows_its_edition_and_has_its_allowance() {
    for (name, kind, sandbox, calls) in [
        ("developer", "Developer Edition", false, 15_000),
        ("professional", "Professional Edition", false, 120_000),
        ("enterprise", "Enterprise Edition", false, 120_000),
        ("unlimited", "Unlimited Edition", false, 200_000),
        ("performance", "Unlimited Edition", false, 200_000),
        ("enterprise", "Enterprise Edition", true, 5_000_000),
    ] {
        let edition = Some(name.parse().unwrap());
        let settings = orgkeep_emulator::Settings { edition, sandbox, daily_api_requests: 0, ..settings() };
        let admin = Caller::with(settings);
        let row = admin.query("SELECT OrganizationType, IsSandbox, InstanceName FROM Organization").await.expect(200)["records"][0].clone();
        assert_eq!(
            (row["OrganizationType"].as_str(), row["IsSandbox"].as_bool()),
            (Some(kind), Some(sandbox)),
            "{name}"
        );
        assert_eq!(row["InstanceName"], if sandbox { "EMU1S" } else { "EMU1" });
        assert_eq!(admin.get("/limits").await.expect(200)["DailyApiRequests"]["Max"], calls, "{name}");
    }
    assert!("group".parse::<orgkeep_emulator::Edition>().is_err());
}

#[tokio::test]
async fn an_edition_without_api_refuses_every_call() {
    let edition = Some(orgkeep_emulator::Edition::ProfessionalWithoutApi);
    let admin = Caller::with(orgkeep_emulator::Settings { edition, ..settings() });
    let text = "API is not enabled for this Organization or Partner".to_owned();
    for path in
        ["/sobjects", "/query?q=SELECT+Id+FROM+Account", "/jobs/query", "/tooling/query?q=SELECT+Id+FROM+ApexClass"]
    {
        assert_eq!(admin.get(path).await.error(), (403, "API_DISABLED_FOR_ORG".to_owned(), text.clone()), "{path}");
    }
    let said = login(&admin, &admin.credentials.username, &admin.credentials.password, &[]).await;
    assert!(
        said.status == 500 && said.text().contains("<faultcode>API_DISABLED_FOR_ORG</faultcode>"),
        "{}",
        said.text()
    );
}

#[tokio::test]
async fn a_developer_org_has_the_limits_that_were_recorded() {
    let file =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/limits/limits-v49-developer-edition.json");
    let Ok(recorded) = std::fs::read(file) else {
        println!("skipped: the recorded limits are not there");
        return;
    };
    let recorded: Value = serde_json::from_slice(&recorded).unwrap();
    let edition = Some(orgkeep_emulator::Edition::Developer);
    let admin = Caller::with(orgkeep_emulator::Settings { edition, daily_api_requests: 0, ..settings() });
    let limits = admin.get("/services/data/v49.0/limits").await.expect(200);
    // Add-ons that not every Developer Edition org has.
    let optional =
        ["MonthlyPlatformEventsUsageEntitlement", "Package2VersionCreates", "Package2VersionCreatesWithoutValidation"];
    for (name, limit) in recorded.as_object().unwrap() {
        if optional.contains(&name.as_str()) {
            continue;
        }
        assert_eq!(limits[name]["Max"], limit["Max"], "{name}");
    }
}

#[tokio::test]
async fn an_administrator_of_an_old_store_has_what_the_present_build_knows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("org.sqlite");
    let open = || Caller::with(orgkeep_emulator::Settings { store: Some(path.clone()), ..settings() });
    let fields = async |caller: &Caller| {
        let described = caller.get("/sobjects/Account/describe").await.expect(200);
        let fields = described["fields"].as_array().unwrap().clone();
        let written = fields.iter().filter(|field| field["updateable"] == true);
        written.map(|field| field["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let sql = |statements: &str| {
        let store = rusqlite::Connection::open(&path).unwrap();
        store.create_collation("SF", |a: &str, b: &str| a.to_lowercase().cmp(&b.to_lowercase())).unwrap();
        store.execute_batch(statements).unwrap();
    };
    let all = fields(&open()).await;
    // As builds wrote it that knew no field-level security.
    sql("DELETE FROM FieldPermissions; DELETE FROM _setting WHERE name = 'schema version';");
    assert_eq!(fields(&open()).await, all);
    // As a build wrote it that lacked a field and a user permission, in an org whose admin took another field away.
    sql("DELETE FROM FieldPermissions WHERE Field IN ('Account.Site', 'Account.Phone');
         ALTER TABLE Account DROP COLUMN Site;
         ALTER TABLE PermissionSet DROP COLUMN PermissionsManageUsers;
         ALTER TABLE Profile DROP COLUMN PermissionsManageUsers;
         UPDATE _setting SET value = 'another' WHERE name = 'schema version';");
    let caller = open();
    let now = fields(&caller).await;
    assert!(now.contains(&"Site".to_owned()) && !now.contains(&"Phone".to_owned()));
    let admin = caller.query("SELECT PermissionsManageUsers FROM Profile WHERE Name = 'System Administrator'").await;
    assert_eq!(admin.expect(200)["records"][0]["PermissionsManageUsers"], true);
    drop(caller);
    // Under the same schema nothing comes back that was taken away.
    sql("DELETE FROM FieldPermissions WHERE Field = 'Account.Site'");
    assert!(!fields(&open()).await.contains(&"Site".to_owned()));
}
