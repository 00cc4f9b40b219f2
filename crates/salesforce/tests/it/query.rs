// SPDX-License-Identifier: Apache-2.0
//! Reading by REST, against an emulated org. Each case names the section of `salesforce-api.md` on which it stands.

use crate::emulated::{accounts, cells, emulated, names, row, table};
use futures::TryStreamExt;
use orgkeep_emulator::Settings;
use orgkeep_salesforce::{Described, FieldType, Kind, Query, Rows, Scope, Writer, soql};
use serde_json::json;

/// 2.2, 2.4: the list of objects with what a backup decides by.
#[tokio::test(start_paused = true)]
async fn objects_are_listed_and_described() {
    let org = emulated().org().await;
    let objects = org.describe_global().await.unwrap();
    let account = objects.iter().find(|object| object.name == "Account").unwrap();
    assert_eq!(account.key_prefix.as_deref(), Some("001"));
    assert!(account.queryable && account.createable && account.undeletable && account.replicateable);
    let history = objects.iter().find(|object| object.associate_entity_type.as_deref() == Some("History")).unwrap();
    assert!(history.associate_parent_entity.is_some(), "{history:?}");

    // 2.5
    let describe = org.describe("Account").await.unwrap();
    assert!(describe.field("Name").unwrap().required_on_create());
    assert!(describe.field("BillingAddress").unwrap().is_compound());
    assert!(describe.raw.starts_with('{') && describe.raw.ends_with('}'));
    let error = org.describe("Nothing__c").await.unwrap_err();
    assert_eq!((error.kind, error.error_code()), (Kind::NotFound, Some("NOT_FOUND")));
}

/// 2.6: pages of 2,000 rows, `COUNT()`, and a total of more than one page.
#[tokio::test(start_paused = true)]
async fn a_long_answer_comes_in_pages() {
    let writer = emulated().writer().await;
    let org = writer.org();
    let before = org.count("Account", None, Scope::Live).await.unwrap();
    accounts(&writer, "Paged", 4_100).await;
    assert_eq!(org.count("Account", None, Scope::Live).await.unwrap(), before + 4_100);
    let calls = org.usage().calls["query"];
    let columns = names(&["Id", "Name"]);
    let soql = soql::select(&columns, "Account", Some("Name LIKE 'Paged%'")) + " ORDER BY Name";
    let pages: Vec<Rows> = org.query(&soql, &columns, Scope::Live).try_collect().await.unwrap();
    let lengths: Vec<usize> = pages.iter().map(Rows::len).collect();
    assert_eq!(lengths, [2_000, 2_000, 100]);
    assert_eq!(org.usage().calls["query"], calls + 3);
    assert_eq!(pages[2].cell(99, 1), Some("Paged 04099"));
}

/// 2.6, 6.7: deleted rows are seen by queryAll only.
#[tokio::test(start_paused = true)]
async fn deleted_rows_are_seen_by_query_all() {
    let writer = emulated().writer().await;
    let ids = accounts(&writer, "Deleted", 3).await;
    writer.delete(&ids[..1]).await.unwrap();
    let columns = names(&["Name", "IsDeleted"]);
    let soql = soql::select(&columns, "Account", Some("Name LIKE 'Deleted%'")) + " ORDER BY Name";
    let org = writer.org();
    assert_eq!(
        cells(org.query(&soql, &columns, Scope::Live)).await,
        [["Deleted 00001", "false"], ["Deleted 00002", "false"]]
    );
    let all = cells(org.query(&soql, &columns, Scope::All)).await;
    assert_eq!(all[0], ["Deleted 00000", "true"]);
    assert_eq!(org.count("Account", Some("IsDeleted = true"), Scope::All).await.unwrap(), 1);
}

/// 2.6: a path to a parent is a nested object, or null where the lookup is empty.
#[tokio::test(start_paused = true)]
async fn parents_are_read_along_a_path() {
    let writer = emulated().writer().await;
    let ids = accounts(&writer, "Parent", 1).await;
    let children = [row(json!({"LastName": "With", "AccountId": ids[0]})), row(json!({"LastName": "Without"}))];
    assert!(writer.create("Contact", &children).await.unwrap().iter().all(|result| result.success));
    let columns = names(&["LastName", "Account.Name", "Account.Owner.Username", "Owner.Name"]);
    let soql = soql::select(&columns, "Contact", Some("LastName IN ('With', 'Without')")) + " ORDER BY LastName";
    let rows = cells(writer.org().query(&soql, &columns, Scope::Live)).await;
    let username = &writer.org().identity().username;
    assert_eq!(rows[0][..3], ["With", "Parent 00000", username]);
    assert_eq!(rows[1][..3], ["Without", "", ""]);
    assert!(!rows[0][3].is_empty());
}

/// 2.1, 3.1: the same rows by both routes, to the character.
#[tokio::test(start_paused = true)]
async fn both_routes_give_the_same_cells() {
    let writer = emulated().writer().await;
    let rows = [
        row(
            json!({"Name": "Ünï 😀 \"quoted\", and\r\nbroken", "AnnualRevenue": 1234567.5, "NumberOfEmployees": 42, "Description": "  #N/A  "}),
        ),
        row(json!({"Name": "2022-03-17T16:21:26.000+0000", "Site": "true"})),
    ];
    assert!(writer.create("Account", &rows).await.unwrap().iter().all(|result| result.success));
    let org = writer.org();
    let describe = org.describe("Account").await.unwrap();
    let columns: Vec<String> =
        describe.fields.iter().filter(|field| !field.is_compound()).map(|field| field.name.clone()).collect();
    let soql = soql::select(&columns, "Account", None) + " ORDER BY Id";
    let by_rest = cells(org.query(&soql, &columns, Scope::Live)).await;
    let job = org.bulk_query(&soql, Scope::Live).await.unwrap();
    job.wait(&mut |_| ()).await.unwrap();
    let by_bulk = cells(job.rows()).await;
    assert!(by_rest.len() >= 2);
    for (rest, bulk) in by_rest.iter().zip(&by_bulk) {
        for ((rest, bulk), column) in rest.iter().zip(bulk).zip(&columns) {
            assert_eq!(rest, bulk, "{column}");
        }
    }
    assert_eq!(by_rest.len(), by_bulk.len());
}

/// 2.1, 3.1: as above, for every object of a generated org that both routes can read.
#[tokio::test(start_paused = true)]
async fn both_routes_give_the_same_cells_for_every_object() {
    let emulated = crate::emulated::with(Settings { records: 1_500, ..Settings::default() });
    let org = emulated.org().await;
    let (mut objects, mut rows) = (0, 0);
    for summary in org.describe_global().await.unwrap().into_iter().filter(|object| object.queryable) {
        let object = summary.name.as_str();
        // 3.5: some need a filter, and are no matter here.
        let Ok(count @ 1..) = org.count(object, None, Scope::All).await else { continue };
        let describe = org.describe(object).await.unwrap();
        let fields =
            describe.fields.iter().filter(|field| !field.is_compound() && field.field_type != FieldType::Base64);
        let columns: Vec<String> = fields.map(|field| field.name.clone()).collect();
        let soql = soql::select(&columns, object, None) + " ORDER BY Id";
        let Ok(job) = org.bulk_query(&soql, Scope::All).await else { continue };
        job.wait(&mut |_| ()).await.unwrap();
        let by_bulk = cells(job.rows()).await;
        let by_rest = cells(org.query(&soql, &columns, Scope::All)).await;
        assert_eq!(by_rest.len() as u64, count, "{object}");
        for (rest, bulk) in by_rest.iter().zip(&by_bulk) {
            for ((rest, bulk), column) in rest.iter().zip(bulk).zip(&columns) {
                assert_eq!(rest, bulk, "{object}.{column}");
            }
        }
        assert_eq!(by_rest.len(), by_bulk.len(), "{object}");
        objects += 1;
        rows += by_rest.len();
    }
    assert!(objects > 20 && rows > 1_500, "{objects} objects, {rows} rows");
}

/// 2.6, 2.1: the org's words about a field that does not exist, and about an object.
#[tokio::test(start_paused = true)]
async fn mistakes_are_told_in_the_orgs_words() {
    let org = emulated().org().await;
    let query = |soql: &'static str| org.query(soql, &["Id".to_owned()], Scope::Live).try_collect::<Vec<_>>();
    let error = query("SELECT Id, Foo FROM Account").await.unwrap_err();
    assert_eq!((error.kind, error.error_code()), (Kind::Invalid, Some("INVALID_FIELD")));
    assert!(error.org_message().unwrap().contains("No such column 'Foo' on entity 'Account'"), "{error}");
    let error = query("SELECT Id FROM Xyzzy").await.unwrap_err();
    assert_eq!((error.kind, error.error_code()), (Kind::NotFound, Some("INVALID_TYPE")));
    let error = query("SELECT Id FORM Account").await.unwrap_err();
    assert_eq!((error.kind, error.error_code()), (Kind::Invalid, Some("MALFORMED_QUERY")));
}

/// 2.8: five queries cost one call, each with its own outcome.
#[tokio::test(start_paused = true)]
async fn five_queries_cost_one_call() {
    let emulated = emulated();
    let writer = emulated.writer().await;
    accounts(&writer, "Composite", 2_100).await;
    let org = writer.org();
    let query =
        |from: &str| Query { soql: format!("SELECT Id FROM {from}"), columns: names(&["Id"]), scope: Scope::All };
    let queries = [query("User"), query("Xyzzy"), query("Profile"), query("Contact WHERE LastName = 'nobody'")];
    let (used, _) = emulated.emulator.orgs()[0].daily_usage();
    let results = org.composite_queries(&queries).await.unwrap();
    assert_eq!(emulated.emulator.orgs()[0].daily_usage().0, used + 1);
    let rows: Vec<_> = results.iter().map(|result| result.as_ref().map(|first| first.rows.len() as u64)).collect();
    assert!(matches!(rows[..], [Ok(1..), Err(_), Ok(1..), Ok(0)]), "{rows:?}");
    assert_eq!(results[1].as_ref().err().unwrap().error_code(), Some("INVALID_TYPE"));

    // Later pages are fetched one by one.
    let mut results = org.composite_queries(&[query("Account WHERE Name LIKE 'Composite%'")]).await.unwrap();
    let first = results.pop().unwrap().unwrap();
    assert_eq!((first.total, first.rows.len()), (2_100, 2_000));
    let rest: Vec<Rows> = first.rest.unwrap().try_collect().await.unwrap();
    assert_eq!(rest.iter().map(Rows::len).sum::<usize>(), 100);
}

/// 2.5, 2.8: describes in one call, only those that changed.
#[tokio::test(start_paused = true)]
async fn describes_are_asked_for_together_and_only_when_they_changed() {
    let emulated = emulated();
    let org = emulated.org().await;
    let described = org.describes(&[("Account", None), ("Xyzzy", None), ("Contact", None)]).await.unwrap();
    let Ok(Described::Now(account)) = &described[0] else { panic!("{described:?}") };
    assert_eq!(account.raw, org.describe("Account").await.unwrap().raw);
    assert!(described[1].is_err() && matches!(described[2], Ok(Described::Now(_))));

    let emulated_org = &emulated.emulator.orgs()[0];
    emulated_org.clock().advance(std::time::Duration::from_secs(3600));
    let then = org.describe("Account").await.map(|_| org.now().unwrap()).unwrap();
    emulated_org.clock().advance(std::time::Duration::from_secs(3600));
    assert!(emulated_org.drop_field("Contact", "AssistantName"));
    let again = org.describes(&[("Account", Some(then)), ("Contact", Some(then))]).await.unwrap();
    assert!(matches!(again[0], Ok(Described::Unchanged)), "{again:?}");
    assert!(matches!(&again[1], Ok(Described::Now(contact)) if contact.field("AssistantName").is_none()), "{again:?}");
}

/// 2.1: SOQL literals survive quoting.
#[tokio::test(start_paused = true)]
async fn literals_are_quoted() {
    let writer = emulated().writer().await;
    let name = "O'Hara \\ \"x\"\t%_";
    writer.create("Account", &[row(json!({"Name": name}))]).await.unwrap();
    let columns = names(&["Name"]);
    let soql = soql::select(&columns, "Account", Some(&format!("Name = {}", soql::quote(name))));
    assert_eq!(cells(writer.org().query(&soql, &columns, Scope::Live)).await, [[name]]);
}

/// 2.3 and the header of 2.1.
#[tokio::test(start_paused = true)]
async fn the_allowance_is_known_and_its_end_is_told() {
    let emulated = emulated();
    let org = emulated.org().await;
    emulated.emulator.orgs()[0].set_daily_limit(10, 100);
    org.count("Account", None, Scope::Live).await.unwrap();
    assert_eq!((org.usage().org_used, org.usage().org_max), (Some(11), Some(100)));
    let limits = org.limits().await.unwrap();
    assert_eq!(limits.daily_api_requests.unwrap().max, 100);
    assert!(limits.all.len() > 10);
    emulated.emulator.orgs()[0].set_daily_limit(100, 100);
    let error = org.count("Account", None, Scope::Live).await.unwrap_err();
    assert_eq!((error.kind, error.error_code()), (Kind::Limited, Some("REQUEST_LIMIT_EXCEEDED")));
}

/// 2.10
#[tokio::test(start_paused = true)]
async fn the_org_says_what_it_is() {
    let emulated = emulated();
    let org = emulated.org().await;
    let organization = org.organization().await.unwrap();
    assert!(!organization.name.is_empty() && !organization.organization_type.is_empty());
    assert_eq!(org.identity().org_id, emulated.credentials.org_id);
    assert_eq!(org.identity().username, emulated.credentials.username);
    let ids = [org.identity().user_id.clone(), "005000000000000AAA".to_owned()];
    let rows = Writer::new(org).org().retrieve("User", &ids, &names(&["Id", "Username"])).await.unwrap();
    assert_eq!(table(&rows), [[ids[0].as_str(), &emulated.credentials.username]]);
}
