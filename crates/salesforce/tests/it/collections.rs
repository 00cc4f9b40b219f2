// SPDX-License-Identifier: Apache-2.0
//! Collections against an emulated org. Each case names the section of `salesforce-api.md` on which it stands.

use crate::emulated::{accounts, emulated, names, row, table};
use orgkeep_salesforce::{Kind, MOST_ROWS_WRITTEN, Scope};
use serde_json::json;

/// 2.8: each row succeeds or fails by itself, in the order of the request; per-row errors have `statusCode`.
#[tokio::test(start_paused = true)]
async fn rows_are_created_one_by_one() {
    let writer = emulated().writer().await;
    let rows = [
        row(json!({"LastName": "First", "Email": "first@acme.example"})),
        row(json!({"FirstName": "No last name"})),
        row(json!({"LastName": "Third", "Email": "not an address"})),
        row(json!({"LastName": "Fourth", "AccountId": "001000000000000AAA"})),
    ];
    let results = writer.create("Contact", &rows).await.unwrap();
    assert!(results[0].success && results[0].id.as_ref().unwrap().len() == 18);
    let codes: Vec<&str> = results[1..].iter().map(|result| result.errors[0].status_code.as_str()).collect();
    assert_eq!(codes, ["REQUIRED_FIELD_MISSING", "INVALID_EMAIL_ADDRESS", "INVALID_CROSS_REFERENCE_KEY"]);
    assert_eq!(results[1].errors[0].fields, ["LastName"]);
    assert_eq!(
        writer.org().count("Contact", Some("LastName IN ('First', 'Third', 'Fourth')"), Scope::Live).await.unwrap(),
        1
    );
}

/// 2.8: updates may be repeated; a null clears.
#[tokio::test(start_paused = true)]
async fn rows_are_updated() {
    let writer = emulated().writer().await;
    let ids = accounts(&writer, "Update", 2).await;
    for _ in 0..2 {
        let rows = [
            row(json!({"Id": ids[0], "Phone": "1", "Site": "north"})),
            row(json!({"Id": "001000000000000AAA", "Phone": "1"})),
        ];
        let results = writer.update("Account", &rows).await.unwrap();
        assert!(results[0].success && !results[1].success);
    }
    writer.update("Account", &[row(json!({"Id": ids[0], "Phone": null}))]).await.unwrap();
    let rows = writer.org().retrieve("Account", &ids, &names(&["Id", "Phone", "Site"])).await.unwrap();
    assert_eq!(table(&rows), [[ids[0].as_str(), "", "north"], [ids[1].as_str(), "", ""]]);
}

/// 2.8, 2.7: deleting twice tells the second time that the row is deleted.
#[tokio::test(start_paused = true)]
async fn rows_are_deleted() {
    let writer = emulated().writer().await;
    let ids = accounts(&writer, "Delete", 200).await;
    let results = writer.delete(&ids).await.unwrap();
    assert_eq!(results.len(), 200);
    assert!(results.iter().all(|result| result.success));
    let again = writer.delete(&ids[..1]).await.unwrap();
    assert_eq!(again[0].errors[0].status_code, "ENTITY_IS_DELETED");
    // 2.8: missing rows are null at their index, and left out here.
    let rows = writer.org().retrieve("Account", &ids, &names(&["Id"])).await.unwrap();
    assert!(rows.is_empty());
}

/// 2.8: up to 2,000 rows are read per call, in the order of the Ids, which may have 15 characters (6.1).
#[tokio::test(start_paused = true)]
async fn rows_are_retrieved() {
    let writer = emulated().writer().await;
    let mut ids = accounts(&writer, "Retrieve", 2_050).await;
    ids.reverse();
    let calls = writer.org().usage().calls["composite"];
    let rows = writer.org().retrieve("Account", &ids, &names(&["Id", "Name", "CreatedDate"])).await.unwrap();
    assert_eq!(writer.org().usage().calls["composite"], calls + 2);
    assert_eq!((rows.len(), rows.cell(0, 1)), (2_050, Some("Retrieve 02049")));
    assert!(rows.iter().zip(&ids).all(|(mut row, id)| row.next().unwrap() == Some(id)));
    assert!(rows.cell(0, 2).unwrap().ends_with(".000Z"), "{:?}", rows.cell(0, 2));
    let short = [ids[0][..15].to_owned()];
    assert_eq!(
        writer.org().retrieve("Account", &short, &names(&["Id"])).await.unwrap().cell(0, 0),
        Some(ids[0].as_str())
    );
}

/// 2.8: a mistake in a field's name refuses its row or the whole call; either way nothing is lost on the way.
#[tokio::test(start_paused = true)]
async fn an_unknown_field_is_told() {
    let writer = emulated().writer().await;
    let words = match writer.create("Account", &[row(json!({"Name": "x", "Nothing__c": 1}))]).await {
        Ok(results) => results[0].errors[0].to_string(),
        Err(error) => error.to_string(),
    };
    assert!(words.contains("INVALID_FIELD") && words.contains("Nothing__c"), "{words}");
    let many = vec![row(json!({"Name": "x"})); MOST_ROWS_WRITTEN + 1];
    assert_eq!(writer.create("Account", &many).await.unwrap_err().kind, Kind::Bug);
}
