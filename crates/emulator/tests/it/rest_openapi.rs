// SPDX-License-Identifier: Apache-2.0
//! Answers held against the OpenAPI description of REST that another project wrote (`restapi-openapi.yaml`).
//!
//! The checker knows what that file uses: types, required members, items, references. Three points of the description are not held,
//! because recorded answers or Salesforce's guide contradict it: members that are not required may be null (`relationshipName` of a
//! describe), a row of a collection that was refused has no `id`, and a refused tree answers with `hasErrors` and `results`.

#![allow(clippy::disallowed_macros, reason = "a test that is left out says why")]

use crate::caller::Caller;
use serde_json::{Value, json};

const FILE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/salesforce_core/restapi-openapi.yaml");

struct Contract(Value);

impl Contract {
    fn read() -> Option<Contract> {
        match std::fs::read_to_string(FILE) {
            Ok(text) => Some(Contract(serde_norway::from_str(&text).unwrap())),
            Err(error) => {
                eprintln!("left out: {FILE}: {error}");
                None
            }
        }
    }

    /// The schema of an answer, and that it is one.
    fn check(&self, path: &str, method: &str, status: u16, body: &Value) {
        let responses = &self.0["paths"][path][method]["responses"];
        let response = &responses[status.to_string()];
        assert!(response.is_object(), "{method} {path} has no answer {status}");
        let schema = &response["content"]["application/json"]["schema"];
        if schema.is_null() {
            assert!(body.is_null(), "{method} {path} has no body");
            return;
        }
        let mut faults = Vec::new();
        self.faults(schema, body, "", &mut faults);
        assert!(faults.is_empty(), "{method} {path} {status}: {faults:?}\n{body}");
    }

    fn faults(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap();
            let named = &self.0["components"]["schemas"][name];
            assert!(named.is_object(), "{reference} is not described");
            return self.faults(named, value, at, faults);
        }
        for kind in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[kind].as_array() {
                let fits = choices.iter().any(|choice| {
                    let mut own = Vec::new();
                    self.faults(choice, value, at, &mut own);
                    own.is_empty()
                });
                if !fits {
                    faults.push(format!("{at}: none of {kind} fits"));
                }
                return;
            }
        }
        let fits = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some(other) => panic!("the checker does not know the type {other}"),
            None => true,
        };
        let may_be_null = schema["nullable"].as_bool() == Some(true);
        if !fits && (!value.is_null() || !may_be_null) {
            faults.push(format!("{at}: {value} is no {:?}", schema["type"]));
            return;
        }
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if let Value::Object(members) = value {
            for name in &required {
                if !members.contains_key(*name) {
                    faults.push(format!("{at}: {name} is missing"));
                }
            }
            for (name, own) in members {
                let described = &schema["properties"][name.as_str()];
                let absent = own.is_null() && !required.contains(&name.as_str());
                if !described.is_null() && !absent {
                    self.faults(described, own, &format!("{at}/{name}"), faults);
                }
            }
        }
        for (place, item) in value.as_array().into_iter().flatten().enumerate() {
            self.faults(&schema["items"], item, &format!("{at}/{place}"), faults);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_as_described() {
    let Some(contract) = Contract::read() else { return };
    let caller = Caller::new();
    let record = |name: &str| json!({"attributes": {"type": "Account"}, "Name": name});
    let said = caller.post("/sobjects/Account", json!({"Name": "A"})).await;
    contract.check("/sobjects/{sObjectType}", "post", said.status, &said.json());
    let id = said.json()["id"].as_str().unwrap().to_owned();
    let said = caller.post("/sobjects/Account", json!({})).await;
    contract.check("/sobjects/{sObjectType}", "post", said.status, &said.json());
    let said = caller.get("/sobjects/Account").await;
    contract.check("/sobjects/{sObjectType}", "get", said.status, &said.json());
    for name in ["Account", "Contact", "ContentVersion", "OpportunityLineItem", "Task"] {
        let said = caller.get(&format!("/sobjects/{name}/describe")).await;
        contract.check("/sobjects/{sObjectType}/describe", "get", said.status, &said.json());
    }
    let row = "/sobjects/{sObjectType}/{recordId}";
    let said = caller.get(&format!("/sobjects/Account/{id}")).await;
    contract.check(row, "get", said.status, &said.json());
    let said = caller.get("/sobjects/Account/001EM0000000999").await;
    contract.check(row, "get", said.status, &said.json());
    let said = caller.patch(&format!("/sobjects/Account/{id}"), json!({"Phone": "1"})).await;
    contract.check(row, "patch", said.status, &said.expect(204));
    let said = caller.patch(&format!("/sobjects/Account/{id}"), json!({"Nope": "1"})).await;
    contract.check(row, "patch", said.status, &said.json());
    let said = caller.get("/sobjects/User/Username/nobody").await;
    contract.check("/sobjects/{sObjectType}/{fieldName}/{fieldValue}", "get", said.status, &said.json());

    let said =
        caller.post("/composite/sobjects", json!({"allOrNone": false, "records": [record("B"), record("C")]})).await;
    contract.check("/composite/sobjects", "post", said.status, &said.json());
    let second = said.json()[0]["id"].as_str().unwrap().to_owned();
    let mut changed = record("D");
    changed["id"] = json!(second);
    let said = caller.patch("/composite/sobjects", json!({"allOrNone": false, "records": [changed]})).await;
    contract.check("/composite/sobjects", "patch", said.status, &said.json());
    let said = caller.post("/composite/sobjects/Account", json!({"ids": [id, second], "fields": ["Id", "Name"]})).await;
    contract.check("/composite/sobjects/{sObjectType}", "post", said.status, &said.json());
    let mut upserted = record("E");
    upserted["Id"] = Value::Null;
    let said = caller.patch("/composite/sobjects/Account/Id", json!({"allOrNone": false, "records": [upserted]})).await;
    contract.check("/composite/sobjects/{sObjectType}/{externalIdField}", "patch", said.status, &said.json());
    let said = caller.delete(&format!("/composite/sobjects?ids={second}")).await;
    contract.check("/composite/sobjects", "delete", said.status, &said.json());

    let leaf = json!({"attributes": {"type": "Account", "referenceId": "r1"}, "Name": "T"});
    let said = caller.post("/composite/tree/Account", json!({"records": [leaf]})).await;
    contract.check("/composite/tree/{sObjectType}", "post", said.status, &said.json());

    for path in ["/query", "/queryAll"] {
        let said = caller.get(&format!("{path}?q=SELECT+Id,Name+FROM+Account")).await;
        contract.check(path, "get", said.status, &said.json());
        let said = caller.get(&format!("{path}?q=SELECT")).await;
        contract.check(path, "get", said.status, &said.json());
    }
    let said = caller.get("/query/0r8000000000000AAA-2000").await;
    contract.check("/query/{queryLocator}", "get", said.status, &said.json());
    let said = caller.get("/search?q=FIND+%7BAcme%7D").await;
    contract.check("/search", "get", said.status, &said.json());
    caller.emulator.clock().advance(std::time::Duration::from_secs(120));
    let said = caller.get("/sobjects/Account/deleted?start=2026-03-01T11:00:00Z&end=2026-03-01T12:30:00Z").await;
    contract.check("/sobjects/{sObjectType}/deleted", "get", said.status, &said.json());
    let said = caller.delete(&format!("/sobjects/Account/{id}")).await;
    contract.check(row, "delete", said.status, &said.expect(204));
}
