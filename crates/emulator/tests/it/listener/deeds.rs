// SPDX-License-Identifier: Apache-2.0
//! What is done to an org that somebody listens to: calls of its other APIs, deployed metadata, further sessions.

use std::time::Duration;

use orgkeep_emulator::metadata::archive;
use serde_json::{Value, json};

use crate::caller::{Caller, Said};

pub async fn soap(caller: &Caller, path: &str, header: &str, body: &str) -> Said {
    let namespace =
        if path.contains("/m/") { "http://soap.sforce.com/2006/04/metadata" } else { "urn:partner.soap.sforce.com" };
    let text = format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"{namespace}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><e:Header><SessionHeader><sessionId>{}</sessionId></SessionHeader>\
         {header}</e:Header><e:Body>{body}</e:Body></e:Envelope>",
        caller.token
    );
    let said =
        caller.raw("POST", path, &[("content-type", "text/xml; charset=UTF-8"), ("soapaction", "\"\"")], text).await;
    assert_eq!(said.status, 200, "{}", said.text());
    said
}

/// Deploys files, each with its path, with a manifest of what they are.
pub async fn deploy(caller: &Caller, types: &[(&str, &str)], files: &[(&str, &str)]) {
    use base64::Engine as _;
    let types: String = types
        .iter()
        .map(|(kind, name)| format!("<types><members>{name}</members><name>{kind}</name></types>"))
        .collect();
    let package =
        format!("<Package xmlns=\"http://soap.sforce.com/2006/04/metadata\">{types}<version>67.0</version></Package>");
    let all = files.iter().copied().chain([("package.xml", package.as_str())]);
    let zip = archive::write(&all.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).collect());
    let zip = base64::engine::general_purpose::STANDARD.encode(zip);
    let body = format!(
        "<deploy><ZipFile>{zip}</ZipFile><DeployOptions><singlePackage>true</singlePackage></DeployOptions></deploy>"
    );
    let said = soap(caller, "/services/Soap/m/67.0", "", &body).await;
    let id = said.text().split_once("<id>").unwrap().1.split_once("</id>").unwrap().0.to_owned();
    loop {
        let body = format!(
            "<checkDeployStatus><asyncProcessId>{id}</asyncProcessId><includeDetails>true</includeDetails></checkDeployStatus>"
        );
        let said = soap(caller, "/services/Soap/m/67.0", "", &body).await;
        if said.text().contains("<done>true</done>") {
            assert!(said.text().contains("<status>Succeeded</status>"), "{}", said.text());
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub fn component(kind: &str, body: &str) -> String {
    format!("<{kind} xmlns=\"http://soap.sforce.com/2006/04/metadata\">{body}</{kind}>")
}

/// Deploys the platform event `Order_Event__e`.
pub async fn deploy_event(caller: &Caller) {
    let field =
        |name: &str, rest: &str| format!("<fields><fullName>{name}</fullName><label>{name}</label>{rest}</fields>");
    let object = component(
        "CustomObject",
        &[
            "<label>Order Event</label><pluralLabel>Order Events</pluralLabel><deploymentStatus>Deployed</deploymentStatus>",
            "<eventType>HighVolume</eventType><publishBehavior>PublishAfterCommit</publishBehavior>",
            &field("Order_Number__c", "<type>Text</type><length>18</length>"),
            &field("Amount__c", "<type>Number</type><precision>16</precision><scale>2</scale>"),
            &field("Due__c", "<type>DateTime</type>"),
            &field("Paid__c", "<type>Checkbox</type><defaultValue>false</defaultValue>"),
        ]
        .concat(),
    );
    deploy(caller, &[("CustomObject", "Order_Event__e")], &[("objects/Order_Event__e.object", &object)]).await;
}

pub async fn job(caller: &Caller, order: Value, rows: &str) {
    let job = caller.post("/jobs/ingest", order).await.expect(200);
    let path = format!("/jobs/ingest/{}", job["id"].as_str().unwrap());
    caller.call("PUT", &format!("{path}/batches"), &[("content-type", "text/csv")], rows.to_owned()).await.expect(201);
    caller.patch(&path, json!({"state": "UploadComplete"})).await.expect(200);
    loop {
        let state = caller.get(&path).await.expect(200);
        match state["state"].as_str().unwrap() {
            "JobComplete" => {
                assert_eq!(state["numberRecordsFailed"], 0);
                return;
            }
            "Failed" | "Aborted" => panic!("{state}"),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// The same user with a new session, after the first has ended.
pub async fn signed_in(caller: &Caller) -> Caller {
    let credentials = &caller.credentials;
    let body = format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><login xmlns=\"urn:partner.soap.sforce.com\">\
         <username>{}</username><password>{}</password></login></e:Body></e:Envelope>",
        credentials.username, credentials.password
    );
    user_session(caller, body).await
}

pub async fn user_session(caller: &Caller, body: String) -> Caller {
    let said = caller
        .raw("POST", "/services/Soap/u/59.0", &[("content-type", "text/xml"), ("soapaction", "login")], body)
        .await;
    let token = said.text().split_once("<sessionId>").unwrap().1.split_once('<').unwrap().0.to_owned();
    Caller { emulator: caller.emulator.clone(), credentials: caller.credentials.clone(), token, version: "67.0" }
}
