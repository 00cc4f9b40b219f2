// SPDX-License-Identifier: Apache-2.0
//! Undelete against an emulated org. Each case names the section of `salesforce-api.md` on which it stands.

use crate::emulated::{accounts, emulated, names, row, table};
use orgkeep_salesforce::{Scope, Writer};
use serde_json::json;

/// 6.7: undelete keeps the Id and brings back what the same delete had taken along.
#[tokio::test(start_paused = true)]
async fn a_deleted_account_comes_back_with_its_contacts() {
    let writer = emulated().writer().await;
    let ids = accounts(&writer, "Undelete", 1).await;
    let contact = row(json!({"LastName": "Child", "AccountId": ids[0]}));
    let contact = writer.create("Contact", &[contact]).await.unwrap()[0].id.clone().unwrap();
    writer.delete(&ids).await.unwrap();
    let live = |id: &str| {
        let condition = format!("Id = '{id}'");
        let org = writer.org().clone();
        async move {
            org.count(if condition.contains("'003") { "Contact" } else { "Account" }, Some(&condition), Scope::Live)
                .await
                .unwrap()
        }
    };
    assert_eq!((live(&ids[0]).await, live(&contact).await), (0, 0));
    let results = writer.undelete(&ids).await.unwrap();
    assert_eq!((results[0].id.as_deref(), results[0].success), (Some(ids[0].as_str()), true));
    assert_eq!((live(&ids[0]).await, live(&contact).await), (1, 1));
    let rows = writer.org().retrieve("Contact", &[contact], &names(&["AccountId"])).await.unwrap();
    assert_eq!(table(&rows), [[ids[0].as_str()]]);
}

/// 6.7: what is not in the bin is an outcome of its row.
#[tokio::test(start_paused = true)]
async fn what_is_not_in_the_bin_is_told_row_by_row() {
    let writer = emulated().writer().await;
    let ids = accounts(&writer, "Undelete", 2).await;
    writer.delete(&ids[1..]).await.unwrap();
    let results = writer.undelete(&ids).await.unwrap();
    assert_eq!(results.len(), 2);
    assert!(!results[0].success && results[1].success);
    assert_eq!(results[0].errors[0].status_code, "UNDELETE_FAILED");
    assert!(!results[0].errors[0].message.is_empty());
}

/// 1.8: for SOAP an ended session is a fault with status 500; it is renewed all the same.
#[tokio::test(start_paused = true)]
async fn an_ended_session_is_renewed_for_soap_too() {
    let emulated = emulated();
    let writer = Writer::new(emulated.connect(emulated.client_credentials()).await.unwrap());
    let ids = accounts(&writer, "Undelete", 1).await;
    writer.delete(&ids).await.unwrap();
    emulated.emulator.orgs()[0].expire_sessions();
    assert!(writer.undelete(&ids).await.unwrap()[0].success);
}
