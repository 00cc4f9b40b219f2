// SPDX-License-Identifier: Apache-2.0
//! The Pub/Sub API: topics, schemas, subscriptions, and the events that changes through other APIs make.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod caller;
mod listener;

use caller::Caller;
use listener::Listener;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_subscriber_hears_of_a_change_through_rest() {
    let caller = Caller::new();
    let mut listener = Listener::of(&caller);
    let topic = listener.topic("/data/AccountChangeEvent").await.unwrap();
    assert!(topic.can_subscribe && !topic.can_publish);
    assert_eq!(topic.tenant_guid, format!("CORE/prod/{}", caller.credentials.org_id));
    assert_eq!(topic.schema_id.len(), 22);
    let schema = listener.schema(&topic.schema_id).await.unwrap();
    assert!(schema.schema_json.contains("\"name\":\"AccountChangeEvent\""));
    let mut stream = listener.listen("/data/AccountChangeEvent").await;
    let id = caller.create("Account", json!({"Name": "Acme", "BillingCity": "Ulm"})).await;
    let heard = listener.hear(&mut stream, 1).await;
    assert_eq!((heard[0].kind.as_str(), heard[0].entity.as_str()), ("CREATE", "Account"));
    assert_eq!(heard[0].ids, [id]);
    assert_eq!(heard[0].text("Name"), "Acme");
    assert_eq!(heard[0].text("BillingAddress.City"), "Ulm");
    assert!(heard[0].changed.is_empty() && heard[0].nulled.is_empty());
    assert_eq!(heard[0].header_text("commitUser"), caller.credentials.user_id);
}
