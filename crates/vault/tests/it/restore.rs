// SPDX-License-Identifier: Apache-2.0
//! Plans and ledgers of restores.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use orgkeep_vault::{Kind, Unlock, Vault};
use serde_json::{Value, json};

use crate::world::*;

#[tokio::test]
async fn a_ledger_keeps_what_was_added_in_order() {
    let org = plain_org().await;
    assert_eq!(org.restore_open("0000000001").await.unwrap_err().kind(), Kind::NotFound);
    let one = org.restore_create(b"{\"plan\":1}").await.unwrap();
    let two = org.restore_create(b"{\"plan\":2}").await.unwrap();
    assert_eq!(org.restores().await.unwrap(), [one.id(), two.id()]);
    assert!(one.id() < two.id());
    one.append(&[json!({"step": 1}), json!({"text": "two\nlines"})]).await.unwrap();
    one.append(&[]).await.unwrap();
    one.append(&[json!({"step": 2})]).await.unwrap();
    let again = org.restore_open(one.id()).await.unwrap();
    again.append(&[json!({"step": 3})]).await.unwrap();
    assert_eq!(again.plan().await.unwrap(), "{\"plan\":1}");
    let expected = [json!({"step": 1}), json!({"text": "two\nlines"}), json!({"step": 2}), json!({"step": 3})];
    assert_eq!(again.entries().await.unwrap(), expected);
    assert_eq!(two.entries().await.unwrap(), Vec::<Value>::new());
}

#[tokio::test]
async fn a_lost_reply_adds_nothing_twice() {
    for fault in [Fault::Before, Fault::After] {
        for number in 0..12 {
            let store = Arc::new(InMemory::new());
            plain_vault(store.clone()).await;
            let faulty = Faulty::new(store.clone(), Some((number + 1, fault)));
            let vault = Vault::open(Arc::new(faulty) as Arc<dyn ObjectStore>, Unlock::None).await.unwrap();
            let org = vault.org(ORG).await.unwrap();
            let Ok(ledger) = org.restore_create(b"{}").await else { continue };
            for step in 0..3 {
                let entries = [json!({"step": step})];
                if ledger.append(&entries).await.is_err() {
                    ledger.append(&entries).await.unwrap();
                }
            }
            let org = Vault::open(store as Arc<dyn ObjectStore>, Unlock::None).await.unwrap().org(ORG).await.unwrap();
            let entries = org.restore_open(ledger.id()).await.unwrap().entries().await.unwrap();
            assert_eq!(entries, [json!({"step": 0}), json!({"step": 1}), json!({"step": 2})], "{fault:?} {number}");
        }
    }
}
