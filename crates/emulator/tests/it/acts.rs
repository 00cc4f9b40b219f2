// SPDX-License-Identifier: Apache-2.0
//! What tests of automation do with an org: calls of several APIs, and parts of components.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, csv};

/// Runs a Bulk 2.0 job: the error of each row that failed.
pub async fn bulk(client: &Client, order: Value, data: &str) -> Vec<String> {
    let job = client.json("POST", "/jobs/ingest", &order).await.json();
    let path = format!("/jobs/ingest/{}", job["id"].as_str().unwrap_or_else(|| panic!("{job}")));
    client.send("PUT", &format!("{path}/batches"), "text/csv", data.to_owned()).await;
    client.json("PATCH", &path, &json!({"state": "UploadComplete"})).await;
    for _ in 0..100 {
        if client.get(&path).await.json()["state"] == "JobComplete" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let reply = client.get(&format!("{path}/failedResults")).await;
    csv(reply.text()).1.into_iter().map(|row| row[1].clone()).collect()
}

/// A call of the partner API: the body of the answer.
pub async fn soap(client: &Client, header: &str, body: &str) -> String {
    let text = format!(
        "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:urn=\"urn:partner.soap.sforce.com\" \
         xmlns:s=\"urn:sobject.partner.soap.sforce.com\"><soapenv:Header><urn:SessionHeader><urn:sessionId>{}</urn:sessionId>\
         </urn:SessionHeader>{header}</soapenv:Header><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>",
        client.token
    );
    let headers = [("content-type", "text/xml; charset=UTF-8"), ("soapaction", "\"\"")];
    client.send_with("POST", "/services/Soap/u/67.0", &headers, text).await.text().to_owned()
}

pub fn criterion(field: &str, operation: &str, value: &str) -> String {
    format!(
        "<criteriaItems><field>{field}</field><operation>{operation}</operation><value>{value}</value></criteriaItems>"
    )
}

pub async fn field(client: &Client, id: &str, object: &str, name: &str) -> Value {
    client.get(&format!("/sobjects/{object}/{id}?fields={name}")).await.json()[name].clone()
}
