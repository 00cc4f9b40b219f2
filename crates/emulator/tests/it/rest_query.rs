// SPDX-License-Identifier: Apache-2.0
//! Queries over REST: pages, cursors and the forms of an answer (`salesforce-api.md` 2.6).

use std::time::Duration;

use crate::caller::Caller;
use orgkeep_emulator::record::{self, Input};
use serde_json::{Value, json};

/// Accounts put into the store without a request each.
fn plant(caller: &Caller, number: usize) -> Vec<String> {
    let by = caller.org().caller(&caller.credentials.user_id);
    caller.org().write(|tx| {
        let object = tx.schema.object("Account").unwrap().clone();
        let insert = |at: usize| {
            let fields = vec![("Name".to_owned(), Input::Text(format!("A{at:05}")))];
            record::insert(tx, &by, &object, fields).unwrap()
        };
        (0..number).map(insert).collect()
    })
}

fn ids(page: &Value) -> Vec<&str> {
    page["records"].as_array().unwrap().iter().map(|record| record["Id"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_large_result_comes_in_pages() {
    let caller = Caller::new();
    let all = plant(&caller, 4_500);
    let mut page = caller.query("SELECT Id FROM Account ORDER BY Name").await.expect(200);
    let mut seen: Vec<String> = Vec::new();
    let mut sizes = Vec::new();
    loop {
        assert_eq!(page["totalSize"], 4_500);
        sizes.push(ids(&page).len());
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page.get("nextRecordsUrl").and_then(Value::as_str) else { break };
        assert_eq!(page["done"], false);
        assert!(next.starts_with("/services/data/v67.0/query/0r8"), "{next}");
        assert!(next.ends_with(&format!("-{}", seen.len())));
        page = caller.get(next).await.expect(200);
    }
    assert_eq!(page["done"], true);
    assert_eq!(sizes, [2_000, 2_000, 500]);
    assert_eq!(seen, all);
}

#[tokio::test(start_paused = true)]
async fn counts_see_what_their_rows_would_be() {
    let caller = Caller::new();
    let all = plant(&caller, 5);
    for id in &all[..2] {
        caller.call("DELETE", &format!("/sobjects/Account/{id}"), &[], "").await.expect(204);
    }
    let counted = [
        ("query", "", 3),
        ("queryAll", "", 5),
        ("queryAll", " WHERE IsDeleted = false", 3),
        ("queryAll", " WHERE IsDeleted = true", 2),
        ("queryAll", " WHERE IsDeleted != false", 2),
        ("query", " WHERE IsDeleted = true", 0),
        ("query", " WHERE Name LIKE 'A%'", 3),
    ];
    for (resource, filter, rows) in counted {
        let ask = async |select: &str| {
            let query = crate::caller::encode(&format!("SELECT {select} FROM Account{filter}"));
            caller.get(&format!("/{resource}?q={query}")).await.expect(200)
        };
        assert_eq!(ask("COUNT()").await["totalSize"], rows, "{resource}{filter}");
        assert_eq!(ask("COUNT(Id) n").await["records"][0]["n"], rows, "{resource}{filter}");
        assert_eq!(ask("Id").await["totalSize"], rows, "{resource}{filter}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_size_can_be_asked_for() {
    // 2.1: 200 to 2,000.
    let caller = Caller::new();
    plant(&caller, 600);
    for (asked, got) in [("batchSize=250", 250), ("batchSize=1", 200), ("batchSize=5000", 600), ("nonsense", 600)] {
        let path = "/query?q=SELECT+Id+FROM+Account";
        let page = caller.call("GET", path, &[("sforce-query-options", asked)], "").await.expect(200);
        assert_eq!(ids(&page).len(), got, "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_is_a_snapshot_of_ids() {
    let caller = Caller::new();
    let all = plant(&caller, 2_100);
    let page = caller.query("SELECT Id, Name FROM Account ORDER BY Id").await.expect(200);
    caller.delete(&format!("/sobjects/Account/{}", all[2_000])).await.expect(204);
    plant(&caller, 1);
    let next = page["nextRecordsUrl"].as_str().unwrap();
    let rest = caller.get(next).await.expect(200);
    assert_eq!(ids(&rest), all[2_001..].iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((rest["totalSize"].clone(), rest["done"].clone()), (json!(2_100), json!(true)));
    assert_eq!(caller.get(next).await.expect(200), rest, "a page can be read again");
}

#[tokio::test(start_paused = true)]
async fn a_cursor_of_query_all_keeps_deleted_rows() {
    let caller = Caller::new();
    let all = plant(&caller, 2_001);
    caller.delete(&format!("/sobjects/Account/{}", all[2_000])).await.expect(204);
    let page = caller.get("/queryAll?q=SELECT+Id,IsDeleted+FROM+Account+ORDER+BY+Id").await.expect(200);
    let next = page["nextRecordsUrl"].as_str().unwrap();
    assert!(next.contains("/query/"), "{next}");
    let rest = caller.get(&next.replace("/query/", "/queryAll/")).await.expect(200);
    assert_eq!(rest["records"][0]["IsDeleted"], true);
}

#[tokio::test(start_paused = true)]
async fn cursors_end_after_two_days_and_belong_to_their_user() {
    let caller = Caller::new();
    plant(&caller, 2_001);
    let page = caller.query("SELECT Id FROM Account").await.expect(200);
    let next = page["nextRecordsUrl"].as_str().unwrap();
    let gone = (400, "INVALID_QUERY_LOCATOR".to_owned(), "invalid query locator".to_owned());
    for bad in ["/query/0r8000000000099AAA-2000", "/query/nonsense", &format!("{next}x")] {
        assert_eq!(caller.get(bad).await.error(), gone, "{bad}");
    }
    assert_eq!(caller.get(next).await.status, 200);
    for _ in 0..25 {
        caller.emulator.clock().advance(Duration::from_secs(7_000));
        caller.get("/limits").await.expect(200);
    }
    assert_eq!(caller.get(next).await.error(), gone);
}

#[tokio::test(start_paused = true)]
async fn counts_and_groups_have_their_forms() {
    let caller = Caller::new();
    plant(&caller, 3);
    let body = caller.query("SELECT COUNT() FROM Account").await.expect(200);
    assert_eq!(body, json!({"totalSize": 3, "done": true, "records": []}));
    let body = caller.query("SELECT COUNT(Id) cnt, MAX(Name) FROM Account").await.expect(200);
    let record = json!({"attributes": {"type": "AggregateResult"}, "cnt": 3, "expr0": "A00002"});
    assert_eq!(body, json!({"totalSize": 1, "done": true, "records": [record]}));
}

#[tokio::test(start_paused = true)]
async fn aggregates_have_one_page() {
    let caller = Caller::new();
    plant(&caller, 2_001);
    let said = caller.query("SELECT Name, COUNT(Id) FROM Account GROUP BY Name").await;
    assert_eq!((said.status, said.error().1), (400, "EXCEEDED_ID_LIMIT".into()));
}

#[tokio::test(start_paused = true)]
async fn a_bad_statement_is_refused_with_the_real_text() {
    // 2.1
    let caller = Caller::new();
    let said = caller.query("select count() from XYZZY").await;
    let text = "\nselect count() from XYZZY\n                    ^\nERROR at Row:1:Column:21\nsObject type 'XYZZY' is not \
        supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please \
        reference your WSDL or the describe call for the appropriate names.";
    assert_eq!(said.error(), (400, "INVALID_TYPE".into(), text.into()));
    let said = caller.get("/query").await;
    assert_eq!(said.error(), (400, "MALFORMED_QUERY".into(), "A query string has to be specified".into()));
    assert_eq!(caller.query("SELECT Id FROM ScratchOrgInfo limit 1").await.error().1, "INVALID_TYPE");
}

#[tokio::test(start_paused = true)]
async fn columns_describe_a_statement_without_its_rows() {
    let caller = Caller::new();
    let statement =
        "SELECT Id, a.Name, Account.Owner.Name, (SELECT LastName FROM Contacts), CreatedDate FROM Account a";
    let path = format!("/query?q={}&columns=true", crate::caller::encode(statement));
    let body = caller.get(&path).await.expect(200);
    assert_eq!((body["entityName"].clone(), body["keyPrefix"].clone()), (json!("Account"), json!("001")));
    let names: Vec<&str> = body["columnMetadata"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["columnName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Id", "Name", "Owner", "Contacts", "CreatedDate"]);
    assert_eq!(body["columnMetadata"][2]["joinColumns"][0]["columnName"], "Name");
    assert_eq!(body["columnMetadata"][3]["joinColumns"][0]["columnName"], "LastName");
    assert_eq!(body["columnMetadata"][3]["aggregate"], true);
    assert_eq!(body["columnMetadata"][4]["apexType"], "Datetime");
    let path = format!("/query?q={}&columns=true", crate::caller::encode("SELECT COUNT(Id) n, MAX(Name) FROM Account"));
    let body = caller.get(&path).await.expect(200);
    let shown = |at: usize| {
        (body["columnMetadata"][at]["columnName"].clone(), body["columnMetadata"][at]["displayName"].clone())
    };
    assert_eq!(shown(0), (json!("n"), json!("COUNT(Id)")));
    assert_eq!(shown(1), (json!("expr0"), json!("MAX(Name)")));
}

#[tokio::test(start_paused = true)]
async fn the_tooling_api_answers_queries_a_little_differently() {
    // 2.6: `size`, `queryLocator`, `entityTypeName`.
    let caller = Caller::new();
    let body = caller.get("/tooling/query?q=SELECT+Id+FROM+User").await.expect(200);
    assert_eq!((body["entityTypeName"].clone(), body["queryLocator"].clone()), (json!("User"), Value::Null));
    assert_eq!(body["size"], body["totalSize"]);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_outlives_a_restart_where_the_store_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        || orgkeep_emulator::Settings { store: Some(folder.path().join("org.sqlite")), ..crate::caller::settings() };
    let (all, next) = {
        let caller = Caller::with(settings());
        let all = plant(&caller, 2_500);
        let page = caller.query("SELECT Id FROM Account ORDER BY Name DESC").await.expect(200);
        (all, page["nextRecordsUrl"].as_str().unwrap().to_owned())
    };
    let caller = Caller::with(settings());
    let rest = caller.get(&next).await.expect(200);
    assert_eq!(ids(&rest), all[..500].iter().rev().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn any_place_of_a_cursor_can_be_asked_for() {
    // Also across the blocks that Ids are kept in, and more than once.
    let caller = Caller::new();
    let all = plant(&caller, 3_300);
    let page = caller.query("SELECT Id FROM Account ORDER BY Id").await.expect(200);
    let next = page["nextRecordsUrl"].as_str().unwrap();
    let locator = next.rsplit_once('-').unwrap().0;
    for from in [0, 1, 999, 1_000, 1_001, 2_950, 3_300] {
        let headers = [("sforce-query-options", "batchSize=300")];
        let page = caller.call("GET", &format!("{locator}-{from}"), &headers, "").await.expect(200);
        let to = all.len().min(from + 300);
        assert_eq!(ids(&page), all[from..to].iter().map(String::as_str).collect::<Vec<_>>(), "{from}");
        assert_eq!(page["done"], to == all.len());
    }
    assert_eq!(caller.get(&format!("{locator}-3301")).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn children_come_in_pages_too() {
    // 2.6: the result of a subquery has its own `nextRecordsUrl`.
    let caller = Caller::new();
    let parents = plant(&caller, 2);
    let by = caller.org().caller(&caller.credentials.user_id);
    caller.org().write(|tx| {
        let object = tx.schema.object("Contact").unwrap().clone();
        for at in 0..450 {
            let fields = vec![
                ("LastName".to_owned(), Input::Text(format!("C{at:03}"))),
                ("AccountId".to_owned(), Input::Text(parents[1].clone())),
            ];
            record::insert(tx, &by, &object, fields).unwrap();
        }
    });
    let statement = "SELECT Name, (SELECT c.LastName FROM Contacts c WHERE LastName != 'C000' ORDER BY LastName DESC) FROM Account ORDER BY Name";
    let headers = [("sforce-query-options", "batchSize=200")];
    let path = format!("/query?q={}", crate::caller::encode(statement));
    let page = caller.call("GET", &path, &headers, "").await.expect(200);
    assert_eq!(page["records"][0]["Contacts"], Value::Null);
    let mut result = page["records"][1]["Contacts"].clone();
    let keys: Vec<&String> = result.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["totalSize", "done", "nextRecordsUrl", "records"]);
    let mut names = Vec::new();
    loop {
        assert_eq!(result["totalSize"], 449);
        let records = result["records"].as_array().unwrap().clone();
        names.extend(records.iter().map(|record| record["LastName"].as_str().unwrap().to_owned()));
        let Some(next) = result["nextRecordsUrl"].as_str().map(str::to_owned) else { break };
        result = caller.call("GET", &next, &headers, "").await.expect(200);
    }
    assert_eq!(names, (1..450).rev().map(|at| format!("C{at:03}")).collect::<Vec<_>>());
    let whole = caller.query(statement).await.expect(200);
    assert_eq!(whole["records"][1]["Contacts"]["done"], true);
}

#[tokio::test(start_paused = true)]
async fn the_tooling_api_has_addresses_of_its_own() {
    // 4.4
    let caller = Caller::new();
    let user = &caller.credentials.user_id;
    let row = caller.get(&format!("/tooling/sobjects/User/{user}?fields=Id,Username")).await.expect(200);
    assert_eq!(row["attributes"]["url"], format!("/services/data/v67.0/tooling/sobjects/User/{user}"));
    let body = caller.get("/tooling/query?q=SELECT+Id+FROM+User+LIMIT+1").await.expect(200);
    let url = body["records"][0]["attributes"]["url"].as_str().unwrap();
    assert!(url.starts_with("/services/data/v67.0/tooling/sobjects/User/"), "{url}");
    assert_eq!(caller.get(url).await.status, 200);
    let describe = caller.get("/tooling/sobjects/User/describe").await.expect(200);
    assert_eq!(describe["urls"]["sobject"], "/services/data/v67.0/tooling/sobjects/User");
    let global = caller.get("/tooling/sobjects").await.expect(200);
    let names: Vec<&str> =
        global["sobjects"].as_array().unwrap().iter().map(|object| object["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"User") && names.contains(&"ApexClass") && !names.contains(&"Account"), "{names:?}");
    assert_eq!(caller.get("/tooling").await.expect(200)["query"], "/services/data/v67.0/tooling/query");
    for path in ["/tooling/sobjects/SourceMember/describe", "/tooling/sobjects/Account/describe", "/tooling/nothing"] {
        assert_eq!(caller.get(path).await.error().1, "NOT_FOUND", "{path}");
    }
    let said = caller.get("/tooling/executeAnonymous?anonymousBody=x").await;
    assert_eq!((said.status, said.error().1), (403, "FUNCTIONALITY_NOT_ENABLED".into()));
    let said = caller.post("/tooling/runTestsAsynchronous", json!({})).await;
    assert_eq!(said.error().1, "FUNCTIONALITY_NOT_ENABLED");
}
