// SPDX-License-Identifier: Apache-2.0
//! The Pub/Sub API: topics, schemas, subscriptions, publishing, and the events that changes through other APIs make
//! (`salesforce-api.md` 5).

use std::time::Duration;

use crate::caller::{Caller, settings};
use crate::listener::deeds::{component, deploy, deploy_event, job, signed_in, soap, user_session};
use crate::listener::recorded;
use crate::listener::wire::{ProducerEvent, PublishRequest};
use crate::listener::{FetchRequest, Heard, Listener, ReplayPreset, from, settle};
use apache_avro::types::Value as Avro;
use orgkeep_emulator::record::Input;
use orgkeep_emulator::schema::{Field, FieldType};
use orgkeep_emulator::{Clock, Feature, Settings};
use serde_json::{Value, json};
use tonic::{Code, Status};

const ACCOUNTS: &str = "/data/AccountChangeEvent";
const ALL: &str = "/data/ChangeEvents";

/// The code of a refusal, and what its trailer says behind the part that all share.
fn refusal(status: &Status) -> (Code, &str) {
    let code = status.metadata().get("error-code").map(|code| code.to_str().unwrap()).unwrap_or_default();
    let rpc_id = status.metadata().get("rpc-id").unwrap().to_str().unwrap();
    assert!(status.message().ends_with(&format!(" rpcId: {rpc_id}")), "{}", status.message());
    (status.code(), code.strip_prefix("sfdc.platform.eventbus.grpc.").unwrap())
}

/// Kind, entity and the Ids of each event.
fn told(heard: &[Heard]) -> Vec<(&str, &str, Vec<&str>)> {
    heard
        .iter()
        .map(|one| (one.kind.as_str(), one.entity.as_str(), one.ids.iter().map(String::as_str).collect()))
        .collect()
}

/// An org that captures, with somebody who listens.
async fn org() -> (Caller, Listener) {
    let caller = Caller::new();
    caller.org().capture_changes(true);
    let listener = Listener::of(&caller);
    (caller, listener)
}

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

#[tokio::test(start_paused = true)]
async fn an_update_tells_what_changed_and_what_became_empty() {
    let (caller, mut listener) = org().await;
    let id = caller
        .create("Account", json!({"Name": "Acme", "Phone": "1", "BillingCity": "Ulm", "Industry": "Energy"}))
        .await;
    let contact =
        caller.create("Contact", json!({"FirstName": "Eva", "LastName": "Lang", "MailingCity": "Bonn"})).await;
    let mut stream = listener.listen(ALL).await;
    caller.org().clock().advance(Duration::from_secs(5));
    let path = format!("/sobjects/Account/{id}");
    caller
        .patch(&path, json!({"Industry": "Apparel", "Phone": null, "BillingCity": null, "BillingStreet": "Am Ring 1"}))
        .await
        .expect(204);
    caller.patch(&format!("/sobjects/Contact/{contact}"), json!({"LastName": "Lang-Roth"})).await.expect(204);
    let heard = listener.hear(&mut stream, 2).await;
    assert_eq!(told(&heard), [("UPDATE", "Account", vec![id.as_str()]), ("UPDATE", "Contact", vec![contact.as_str()])]);
    let account = &heard[0];
    assert_eq!(
        account.changed,
        ["Phone", "Industry", "LastModifiedDate", "BillingAddress.Street", "BillingAddress.City"]
    );
    assert_eq!(account.nulled, ["Phone", "BillingAddress.City"]);
    assert_eq!(account.fields.keys().collect::<Vec<_>>(), ["BillingAddress.Street", "Industry", "LastModifiedDate"]);
    assert_eq!((account.text("Industry"), account.text("BillingAddress.Street")), ("Apparel", "Am Ring 1"));
    assert_eq!(account.fields["LastModifiedDate"], Avro::Long(crate::caller::START_MS + 5_000));
    assert_eq!(heard[1].changed, ["LastModifiedDate", "Name.LastName"]);
    assert_eq!(heard[1].text("Name.LastName"), "Lang-Roth");
    assert_eq!(account.header_number("commitTimestamp"), crate::caller::START_MS + 5_000);
    assert_eq!((account.header_number("sequenceNumber"), heard[1].header_number("sequenceNumber")), (1, 1));
    assert!(account.header_number("commitNumber") < heard[1].header_number("commitNumber"));
    assert_ne!(account.header_text("transactionKey"), heard[1].header_text("transactionKey"));
    assert_eq!(account.header["diffFields"], Avro::Array(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn values_of_each_type_are_written_as_the_schema_says() {
    let (caller, mut listener) = org().await;
    let mut stream = listener.listen("/data/OpportunityChangeEvent").await;
    let body = json!({"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-03-31", "Amount": 12.5, "Probability": 10, "IsPrivate": true});
    caller.create("Opportunity", body).await;
    let deal = listener.hear(&mut stream, 1).await.remove(0);
    assert_eq!(deal.fields["CloseDate"], Avro::Long(1_774_915_200_000));
    assert_eq!(deal.fields["Amount"], Avro::Double(12.5));
    assert_eq!(deal.fields["Probability"], Avro::Double(10.0));
    assert_eq!(deal.fields["CreatedDate"], Avro::Long(crate::caller::START_MS));
    assert_eq!(deal.text("OwnerId"), caller.credentials.user_id);
    assert!(!deal.fields.contains_key("AccountId") && !deal.fields.contains_key("SystemModstamp"));
    assert!(!deal.fields.contains_key("Id") && !deal.fields.contains_key("IsDeleted"));
}

#[tokio::test(start_paused = true)]
async fn schemas_have_the_fields_of_recorded_ones() {
    let (_caller, listener) = org().await;
    let topic = listener.topic("/data/ContactChangeEvent").await.unwrap();
    let schema: Value = serde_json::from_str(&listener.schema(&topic.schema_id).await.unwrap().schema_json).unwrap();
    assert_eq!((&schema["namespace"], &schema["type"]), (&json!("com.sforce.eventbus"), &json!("record")));
    let fields = schema["fields"].as_array().unwrap();
    assert_eq!((&fields[0]["name"], &fields[0]["doc"]), (&json!("ChangeEventHeader"), &json!("Data:ComplexValueType")));
    let header = fields[0]["type"]["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap());
    let recorded = "entityName recordIds changeType changeOrigin transactionKey sequenceNumber commitTimestamp commitNumber \
                    commitUser nulledFields diffFields changedFields";
    assert_eq!(header.collect::<Vec<_>>().join(" "), recorded);
    let named = |field: &Value| {
        let kind = field["type"].as_array().unwrap().last().unwrap();
        let kind = kind.as_str().or(kind["name"].as_str()).unwrap().to_owned();
        (field["name"].as_str().unwrap().to_owned(), kind, field["doc"].as_str().unwrap().to_owned())
    };
    let ours: Vec<_> = fields[1..].iter().map(named).collect();
    let wanted = recorded::CONTACT.map(|(name, kind, doc)| (name.to_owned(), kind.to_owned(), doc.to_owned()));
    let both: Vec<_> = ours.into_iter().filter(|(name, ..)| wanted.iter().any(|(known, ..)| known == name)).collect();
    assert_eq!(both, wanted);
    let address = fields.iter().find(|field| field["name"] == "OtherAddress").unwrap();
    let parts: Vec<&str> =
        address["type"][1]["fields"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(parts, ["Street", "City", "State", "PostalCode", "Country", "Latitude", "Longitude", "GeocodeAccuracy"]);
    assert_eq!(
        fields.iter().find(|field| field["name"] == "MailingAddress").unwrap()["type"],
        json!(["null", "Address"])
    );
}

#[tokio::test(start_paused = true)]
async fn alike_changes_of_a_transaction_are_one_event() {
    let (caller, mut listener) = org().await;
    let mut ids = Vec::new();
    for name in ["A", "B", "C"] {
        ids.push(caller.create("Account", json!({"Name": name})).await);
    }
    caller.create("Contact", json!({"LastName": "X", "AccountId": ids[0]})).await;
    let contact = caller.create("Contact", json!({"LastName": "Y", "AccountId": ids[1]})).await;
    let mut stream = listener.listen(ALL).await;
    let records: Vec<Value> =
        ids.iter().map(|id| json!({"attributes": {"type": "Account"}, "id": id, "Industry": "Apparel"})).collect();
    caller.patch("/composite/sobjects", json!({"records": records})).await.expect(200);
    let heard = listener.hear(&mut stream, 1).await;
    assert_eq!(told(&heard), [("UPDATE", "Account", ids.iter().map(String::as_str).collect())]);
    // A delete takes the contacts along, in the same transaction.
    caller.delete(&format!("/composite/sobjects?ids={}", ids.join(","))).await.expect(200);
    let heard = listener.hear(&mut stream, 2).await;
    assert_eq!(
        heard.iter().map(|one| (one.entity.as_str(), one.ids.len())).collect::<Vec<_>>(),
        [("Account", 3), ("Contact", 2)]
    );
    assert!(heard.iter().all(|one| one.kind == "DELETE" && one.fields.is_empty() && one.changed.is_empty()));
    assert_eq!(heard[0].header_text("transactionKey"), heard[1].header_text("transactionKey"));
    assert_eq!((heard[0].header_number("sequenceNumber"), heard[1].header_number("sequenceNumber")), (1, 2));
    // And brings them back.
    soap(&caller, "/services/Soap/u/67.0", "", &format!("<undelete><ids>{}</ids></undelete>", ids[1])).await;
    let heard = listener.hear(&mut stream, 2).await;
    assert_eq!(
        told(&heard),
        [("UNDELETE", "Account", vec![ids[1].as_str()]), ("UNDELETE", "Contact", vec![contact.as_str()])]
    );
    assert_eq!((heard[0].text("Name"), heard[1].text("Name.LastName")), ("B", "Y"));
    // What leaves the recycle bin tells of nothing.
    caller.org().purge_recycle_bin(i64::MAX);
    assert!(
        listener
            .hear(
                &mut listener
                    .clone()
                    .subscribe(from(ALL, ReplayPreset::Custom, heard[1].replay_id.clone()))
                    .await
                    .unwrap(),
                0
            )
            .await
            .is_empty()
    );
    let rest = listener.all(from(ALL, ReplayPreset::Custom, heard[1].replay_id.clone())).await;
    assert_eq!(told(&rest), []);
}

#[tokio::test(start_paused = true)]
async fn a_record_has_one_event_for_a_transaction_and_none_for_what_was_undone() {
    let (caller, mut listener) = org().await;
    let request = |all: bool, last: Value| {
        json!({"allOrNone": all, "compositeRequest": [
            {"method": "POST", "url": "/services/data/v67.0/sobjects/Account", "referenceId": "a", "body": {"Name": "One"}},
            {"method": "PATCH", "url": "/services/data/v67.0/sobjects/Account/@{a.id}", "referenceId": "b", "body": {"Name": "Two"}},
            {"method": "POST", "url": "/services/data/v67.0/sobjects/Contact", "referenceId": "c", "body": last},
        ]})
    };
    caller.post("/composite", request(true, json!({"FirstName": "no last name"}))).await.expect(200);
    assert_eq!(told(&listener.earliest(ALL).await), []);
    caller.post("/composite", request(false, json!({"FirstName": "no last name"}))).await.expect(200);
    let heard = listener.earliest(ALL).await;
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].kind.as_str(), heard[0].text("Name")), ("CREATE", "Two"));
}

#[tokio::test(start_paused = true)]
async fn every_api_makes_events_and_is_named_as_their_origin() {
    let (caller, mut listener) = org().await;
    let mut stream = listener.listen(ACCOUNTS).await;
    let named = [("content-type", "application/json"), ("sforce-call-options", "client=Orgkeep, defaultNamespace=ns")];
    caller.call("POST", "/sobjects/Account", &named, json!({"Name": "rest"}).to_string()).await.expect(201);
    job(&caller, json!({"object": "Account", "operation": "insert", "lineEnding": "LF"}), "Name\nbulk 1\nbulk 2\n")
        .await;
    let create = "<create><sObjects xmlns:s=\"urn:sobject.partner.soap.sforce.com\"><s:type>Account</s:type><s:Name>soap</s:Name></sObjects></create>";
    soap(&caller, "/services/Soap/u/60.0", "<CallOptions><client>Loader</client></CallOptions>", create).await;
    let info = "<jobInfo xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\"><operation>insert</operation><object>Account</object><contentType>CSV</contentType></jobInfo>";
    let headers = |kind| [("x-sfdc-session", caller.token.as_str()), ("content-type", kind)];
    let created = caller.raw("POST", "/services/async/61.0/job", &headers("application/xml"), info).await;
    let id = created.text().split_once("<id>").unwrap().1.split_once("</id>").unwrap().0;
    let path = format!("/services/async/61.0/job/{id}/batch");
    assert_eq!(caller.raw("POST", &path, &headers("text/csv"), "Name\nclassic\n").await.status, 201);
    tokio::time::sleep(Duration::from_secs(5)).await;
    caller.raw("GET", &path, &headers("text/csv"), "").await;
    let tree = json!({"records": [{"attributes": {"type": "Account", "referenceId": "r"}, "Name": "tree"}]});
    caller.post("/composite/tree/Account", tree).await.expect(201);
    let heard = listener.hear(&mut stream, 6).await;
    let origins: Vec<(&str, &str)> =
        heard.iter().map(|one| (one.text("Name"), one.header_text("changeOrigin"))).collect();
    let bulk = "com/salesforce/api/bulkapi/67.0";
    let expected = [
        ("rest", "com/salesforce/api/rest/67.0;client=Orgkeep"),
        ("bulk 1", bulk),
        ("bulk 2", bulk),
        ("soap", "com/salesforce/api/soap/60.0;client=Loader"),
        ("classic", "com/salesforce/api/bulkapi/61.0"),
        ("tree", "com/salesforce/api/rest/67.0"),
    ];
    assert_eq!(origins, expected);
    caller.org().insert("Account", vec![("Name".into(), Input::Text("platform".into()))]).unwrap();
    assert_eq!(listener.hear(&mut stream, 1).await[0].header_text("changeOrigin"), "");
}

#[tokio::test(start_paused = true)]
async fn a_converted_lead_tells_of_what_it_became() {
    let (caller, mut listener) = org().await;
    let lead = caller.create("Lead", json!({"LastName": "Lang", "FirstName": "Eva", "Company": "Acme"})).await;
    caller.org().clock().advance(Duration::from_secs(60));
    let mut stream = listener.listen(ALL).await;
    let status = caller.query("SELECT MasterLabel FROM LeadStatus WHERE IsConverted = true").await.expect(200);
    let status = status["records"][0]["MasterLabel"].as_str().unwrap();
    let body = format!(
        "<convertLead><leadConverts><convertedStatus>{status}</convertedStatus><leadId>{lead}</leadId></leadConverts></convertLead>"
    );
    soap(&caller, "/services/Soap/u/67.0", "", &body).await;
    let heard = listener.hear(&mut stream, 5).await;
    let one = |entity: &str| heard.iter().find(|one| one.entity == entity).unwrap();
    let created: Vec<&str> = heard.iter().filter(|one| one.kind == "CREATE").map(|one| one.entity.as_str()).collect();
    assert_eq!(created, ["Account", "Contact", "Opportunity", "OpportunityContactRole"]);
    assert_eq!(one("Account").text("Name"), "Acme");
    assert_eq!(one("Contact").text("Name.LastName"), "Lang");
    let lead = one("Lead");
    assert_eq!((lead.kind.as_str(), &lead.fields["IsConverted"]), ("UPDATE", &Avro::Boolean(true)));
    assert_eq!(lead.text("ConvertedAccountId"), one("Account").ids[0]);
    for field in
        ["Status", "IsConverted", "ConvertedDate", "ConvertedAccountId", "ConvertedContactId", "ConvertedOpportunityId"]
    {
        assert!(lead.changed.iter().any(|changed| changed == field), "{field} in {:?}", lead.changed);
    }
    assert!(!lead.changed.iter().any(|field| field == "LastModifiedDate"));
    let keys: std::collections::BTreeSet<_> = heard.iter().map(|one| one.header_text("transactionKey")).collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(heard.iter().map(|one| one.header_number("sequenceNumber")).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_merge_tells_of_the_children_that_move_and_the_losers_that_go() {
    let (caller, mut listener) = org().await;
    let master = caller.create("Account", json!({"Name": "Master"})).await;
    let loser = caller.create("Account", json!({"Name": "Loser"})).await;
    let contact = caller.create("Contact", json!({"LastName": "Lang", "AccountId": loser})).await;
    let mut stream = listener.listen(ALL).await;
    let body = format!(
        "<merge><request><masterRecord xmlns:s=\"urn:sobject.partner.soap.sforce.com\"><s:type>Account</s:type><s:Id>{master}</s:Id>\
         <s:Phone>7</s:Phone></masterRecord><recordToMergeIds>{loser}</recordToMergeIds></request></merge>"
    );
    soap(&caller, "/services/Soap/u/67.0", "", &body).await;
    let heard = listener.hear(&mut stream, 3).await;
    let mut all = told(&heard);
    all.sort();
    let mut expected = [
        ("DELETE", "Account", vec![loser.as_str()]),
        ("UPDATE", "Account", vec![master.as_str()]),
        ("UPDATE", "Contact", vec![contact.as_str()]),
    ];
    expected.sort();
    assert_eq!(all, expected);
    let moved = heard.iter().find(|one| one.entity == "Contact").unwrap();
    assert_eq!(moved.text("AccountId"), master);
}

#[tokio::test(start_paused = true)]
async fn a_person_account_tells_of_both_its_records() {
    let features = [Feature::PersonAccounts].into();
    let caller = Caller::with(Settings { features, ..settings() });
    let mut listener = Listener::of(&caller);
    let mut stream = listener.listen(ALL).await;
    let kind = caller
        .query("SELECT Id FROM RecordType WHERE SobjectType = 'Account' AND IsPersonType = true")
        .await
        .expect(200);
    let kind = kind["records"][0]["Id"].as_str().unwrap();
    caller.create("Account", json!({"FirstName": "Eva", "LastName": "Lang", "RecordTypeId": kind})).await;
    caller.create("Account", json!({"Name": "Acme"})).await;
    let heard = listener.hear(&mut stream, 3).await;
    let account = heard.iter().find(|one| one.entity == "Account").unwrap();
    assert_eq!((account.text("Name.FirstName"), account.text("Name.LastName")), ("Eva", "Lang"));
    assert!(heard.iter().any(|one| one.entity == "Contact" && one.text("Name.LastName") == "Lang"));
    assert_eq!(heard[2].text("Name"), "Acme");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_begins_where_it_is_told() {
    let caller = Caller::new();
    let mut listener = Listener::of(&caller);
    caller.create("Account", json!({"Name": "before anybody asked"})).await;
    assert_eq!(told(&listener.earliest(ACCOUNTS).await), []);
    for name in ["1", "2", "3"] {
        caller.create("Account", json!({"Name": name})).await;
        caller.create("Contact", json!({"LastName": name})).await;
    }
    let names = |heard: &[Heard]| heard.iter().map(|one| one.text("Name").to_owned()).collect::<Vec<_>>();
    let all = listener.earliest(ACCOUNTS).await;
    assert_eq!(names(&all), ["1", "2", "3"]);
    let numbers: Vec<u64> = all.iter().map(|one| u64::from_be_bytes(one.replay_id[..8].try_into().unwrap())).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] > pair[0] + 1), "{numbers:?} increase and are not contiguous");
    let after = listener.all(from(ACCOUNTS, ReplayPreset::Custom, all[0].replay_id.clone())).await;
    assert_eq!(names(&after), ["2", "3"]);
    assert_eq!(told(&listener.all(from(ACCOUNTS, ReplayPreset::Latest, Vec::new())).await), []);
    // A replay id stays good when nothing happens, and when only other objects change.
    let last = after[1].replay_id.clone();
    caller.org().clock().advance(Duration::from_secs(71 * 3600));
    let mut later = Listener::of(&signed_in(&caller).await);
    assert_eq!(told(&later.all(from(ACCOUNTS, ReplayPreset::Custom, last.clone())).await), []);
    caller.org().clock().advance(Duration::from_secs(2 * 3600));
    let later = Listener::of(&signed_in(&caller).await);
    for (replay_id, code) in [
        (last, "subscription.fetch.replayid.corrupted"),
        (b"12907414".to_vec(), "subscription.fetch.replayid.corrupted"),
        (vec![1], "subscription.fetch.replayid.corrupted"),
        (Vec::new(), "subscription.fetch.replayid.validation.failed"),
    ] {
        let mut stream = later.subscribe(from(ACCOUNTS, ReplayPreset::Custom, replay_id)).await.unwrap();
        assert_eq!(refusal(&stream.next().await.unwrap_err()), (Code::InvalidArgument, code));
    }
    assert_eq!(told(&later.clone().earliest(ACCOUNTS).await), []);
}

#[tokio::test(start_paused = true)]
async fn a_client_gets_as_many_events_as_it_asks_for() {
    let (caller, mut listener) = org().await;
    for number in 0..5 {
        caller.create("Account", json!({"Name": format!("{number}")})).await;
    }
    let first = FetchRequest { num_requested: 2, ..from(ACCOUNTS, ReplayPreset::Earliest, Vec::new()) };
    let mut stream = listener.subscribe(first).await.unwrap();
    let answer = stream.next().await.unwrap().unwrap();
    assert_eq!((answer.events.len(), answer.pending_num_requested), (2, 0));
    assert_eq!(answer.latest_replay_id, answer.events[1].replay_id);
    stream.ask(1).await;
    stream.ask(100).await;
    let heard = listener.hear(&mut stream, 3).await;
    assert_eq!(heard[2].text("Name"), "4");
    // 101 were asked for since and 3 are there.
    caller.create("Account", json!({"Name": "5"})).await;
    assert_eq!(stream.next().await.unwrap().unwrap().pending_num_requested, 97);
    stream.end();
    settle().await;
    assert!(stream.next().await.unwrap().is_none(), "the stream ends when the client has ended its side");
    for (number, code) in
        [(0, "requested.events.invalid"), (-1, "requested.events.invalid"), (101, "requested.events.limit.reached")]
    {
        let request = FetchRequest { num_requested: number, ..from(ACCOUNTS, ReplayPreset::Latest, Vec::new()) };
        let mut stream = listener.subscribe(request).await.unwrap();
        let status = stream.next().await.unwrap_err();
        assert_eq!(refusal(&status), (Code::InvalidArgument, format!("subscription.fetch.{code}").as_str()));
    }
    let mut stream = listener.listen(ACCOUNTS).await;
    stream.ask_as(from(ACCOUNTS, ReplayPreset::Earliest, Vec::new())).await;
    stream.ask_as(from(ALL, ReplayPreset::Latest, Vec::new())).await;
    assert_eq!(stream.next().await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_is_kept_alive_while_events_are_asked_for() {
    let (caller, listener) = org().await;
    let start = tokio::time::Instant::now();
    let first = FetchRequest { num_requested: 1, ..from(ACCOUNTS, ReplayPreset::Latest, Vec::new()) };
    let mut stream = listener.subscribe(first).await.unwrap();
    let mut replay_ids = Vec::new();
    for round in 1..=2 {
        let answer = stream.next().await.unwrap().unwrap();
        assert_eq!((answer.events.len(), answer.pending_num_requested), (0, 1));
        assert_eq!(start.elapsed().as_secs(), 270 * round);
        replay_ids.push(answer.latest_replay_id);
    }
    assert!(replay_ids[0] < replay_ids[1], "the position moves on while nothing happens");
    caller.create("Account", json!({"Name": "at last"})).await;
    assert_eq!(stream.next().await.unwrap().unwrap().events.len(), 1);
    let answered = start.elapsed();
    assert!(stream.next().await.unwrap().is_none(), "nothing is asked for");
    assert_eq!((start.elapsed() - answered).as_secs(), 60);
    // The empty answer's position is a place to go on from.
    let events = listener.clone().all(from(ACCOUNTS, ReplayPreset::Custom, replay_ids.remove(1))).await;
    assert_eq!(events.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_good_session_is_refused() {
    let (caller, listener) = org().await;
    let with = |name: &str, value: Option<&str>| {
        let mut other = listener.clone();
        other.headers.retain(|(known, _)| *known != name);
        other.headers.extend(
            value.map(|value| (listener.headers.iter().find(|(known, _)| *known == name).unwrap().0, value.to_owned())),
        );
        other
    };
    let bad = (Code::Unauthenticated, "service.auth.error");
    let missing = (Code::Unauthenticated, "service.auth.headers.invalid");
    let org = format!("core/emulator/{}", caller.credentials.org_id);
    assert!(with("tenantid", Some(&org)).topic(ACCOUNTS).await.is_ok(), "the longer form of the tenant");
    for (other, expected) in [
        (with("accesstoken", None), missing),
        (with("instanceurl", None), missing),
        (with("tenantid", None), missing),
        (with("accesstoken", Some("00DEM00000000012!nothing")), bad),
        (with("accesstoken", Some("eyJhbGciOiJSUzI1NiJ9.e30.c2ln")), bad),
        (with("tenantid", Some("00DEM0000000009AAA")), bad),
    ] {
        let status = other.topic(ACCOUNTS).await.unwrap_err();
        assert_eq!(refusal(&status), expected);
        assert_eq!(
            refusal(&other.subscribe(from(ALL, ReplayPreset::Latest, Vec::new())).await.err().unwrap()),
            expected
        );
    }
    let mut stream = listener.listen(ALL).await;
    caller.org().expire_sessions();
    caller.org().insert("Account", vec![("Name".into(), Input::Text("unheard".into()))]).unwrap();
    assert_eq!(refusal(&stream.next().await.unwrap_err()), bad);
    let again = signed_in(&caller).await;
    caller.org().set_permission(&caller.credentials.user_id, "ApiEnabled", false);
    assert_eq!(refusal(&Listener::of(&again).topic(ACCOUNTS).await.unwrap_err()), bad);
}

#[tokio::test(start_paused = true)]
async fn topics_need_the_permission_to_see_all_records() {
    let (caller, _) = org().await;
    let body = format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><login xmlns=\"urn:partner.soap.sforce.com\">\
         <username>sales@org-1.orgkeep.example</username><password>{}</password></login></e:Body></e:Envelope>",
        caller.credentials.password
    );
    let sales = user_session(&caller, body).await;
    let mut listener = Listener::of(&sales);
    assert!(!listener.topic(ACCOUNTS).await.unwrap().can_subscribe);
    let mut refused = listener.listen(ACCOUNTS).await;
    assert_eq!(refused.next().await.unwrap_err().code(), Code::PermissionDenied);
    let mut stream = listener.listen(ALL).await;
    let user = caller.query("SELECT Id FROM User WHERE Username = 'sales@org-1.orgkeep.example'").await.expect(200);
    let user = user["records"][0]["Id"].as_str().unwrap();
    let set = caller.create("PermissionSet", json!({"Name": "Hears", "Label": "Hears"})).await;
    let rights =
        json!({"ParentId": set, "SobjectType": "Lead", "PermissionsRead": true, "PermissionsViewAllRecords": true});
    caller.create("ObjectPermissions", rights).await;
    caller.create("PermissionSetAssignment", json!({"AssigneeId": user, "PermissionSetId": set})).await;
    // Field-level security: an administrator takes two fields from the profile.
    let statement = "SELECT Id FROM FieldPermissions WHERE Parent.Profile.Name = 'Standard User' AND Field IN ('Lead.Fax', 'Lead.Address')";
    let rows = caller.query(statement).await.expect(200);
    assert_eq!(rows["totalSize"], 2);
    for row in rows["records"].as_array().unwrap() {
        let path = format!("/sobjects/FieldPermissions/{}", row["Id"].as_str().unwrap());
        assert_eq!(caller.delete(&path).await.status, 204);
    }
    caller.create("Account", json!({"Name": "not theirs"})).await;
    let lead = json!({"LastName": "theirs", "Company": "theirs", "Industry": "Energy", "Fax": "5", "City": "Ulm"});
    let lead = caller.create("Lead", lead).await;
    let body = json!({"Industry": "Apparel", "Fax": "6", "City": null, "Title": "Dr."});
    caller.patch(&format!("/sobjects/Lead/{lead}"), body).await.expect(204);
    let heard = listener.hear(&mut stream, 2).await;
    assert_eq!((heard[0].entity.as_str(), heard[0].text("Name.LastName")), ("Lead", "theirs"));
    assert_eq!(heard[0].text("Industry"), "Energy");
    assert!(!heard[0].fields.contains_key("Fax") && !heard[0].fields.contains_key("Address.City"));
    assert_eq!(
        (&heard[1].changed[..], heard[1].nulled.len()),
        (&["Title", "Industry", "LastModifiedDate"].map(str::to_owned)[..], 0)
    );
    let all = Listener::of(&caller).all(from(ALL, ReplayPreset::Custom, heard[0].replay_id.clone())).await;
    assert_eq!(all[0].changed, ["Title", "Fax", "Industry", "LastModifiedDate", "Address.City"]);
    assert!(listener.topic("/data/LeadChangeEvent").await.unwrap().can_subscribe);
    assert!(!listener.topic("/data/UserChangeEvent").await.unwrap().can_subscribe);
}

#[tokio::test(start_paused = true)]
async fn channels_carry_what_metadata_puts_on_them() {
    let (caller, mut listener) = org().await;
    for name in [
        "/data/Sales__chn",
        "/data/NothingChangeEvent",
        "/data/LoginHistoryChangeEvent",
        "/event/None__e",
        "AccountChangeEvent",
        "/topic/x",
    ] {
        let status = listener.topic(name).await.unwrap_err();
        assert_eq!(refusal(&status), (Code::NotFound, "topic.not.found"), "{name}");
        let text = format!(
            "The topic information for org CORE/prod/{} and topic {name} not found. Ensure the topic name is correct and that the topic exists.",
            caller.credentials.org_id
        );
        assert!(status.message().starts_with(&text), "{}", status.message());
    }
    let channel = component("PlatformEventChannel", "<channelType>data</channelType><label>Sales</label>");
    let member = |channel: &str, entity: &str, more: &str| {
        component(
            "PlatformEventChannelMember",
            &format!("<eventChannel>{channel}</eventChannel>{more}<selectedEntity>{entity}</selectedEntity>"),
        )
    };
    let types = [("PlatformEventChannel", "Sales__chn"), ("PlatformEventChannelMember", "Sales_Account")];
    let contact = member("Sales__chn", "ContactChangeEvent", "");
    let files = [
        ("platformEventChannels/Sales__chn.platformEventChannel", channel.as_str()),
        ("platformEventChannelMembers/Sales_Account.platformEventChannelMember", contact.as_str()),
    ];
    deploy(&caller, &types, &files).await;
    let topic = listener.topic("/data/Sales__chn").await.unwrap();
    assert!(topic.can_subscribe && topic.schema_id.is_empty());
    let mut stream = listener.listen("/data/Sales__chn").await;
    caller.create("Account", json!({"Name": "not on it"})).await;
    caller.create("Contact", json!({"LastName": "on it"})).await;
    assert_eq!(listener.hear(&mut stream, 1).await[0].entity, "Contact");
    // Selecting one object for the channel of all ends that every object is selected.
    let account = member("ChangeEvents", "AccountChangeEvent", "");
    let types = [("PlatformEventChannelMember", "ChangeEvents_Account")];
    deploy(
        &caller,
        &types,
        &[("platformEventChannelMembers/ChangeEvents_Account.platformEventChannelMember", &account)],
    )
    .await;
    let mut stream = listener.listen(ALL).await;
    caller.create("Contact", json!({"LastName": "not selected"})).await;
    caller.create("Account", json!({"Name": "selected"})).await;
    assert_eq!(listener.hear(&mut stream, 1).await[0].entity, "Account");
    assert_eq!(refusal(&listener.topic("/data/ContactChangeEvent").await.unwrap_err()).0, Code::NotFound);
    let filtered = member("Sales__chn", "AccountChangeEvent", "<filterExpression>Name = 'x'</filterExpression>");
    let types = [("PlatformEventChannelMember", "Sales_Filtered")];
    deploy(&caller, &types, &[("platformEventChannelMembers/Sales_Filtered.platformEventChannelMember", &filtered)])
        .await;
    let status = listener.topic("/data/Sales__chn").await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "events that a filter would hold back are not sent");
    assert!(status.message().contains("filterExpression"));
}

#[tokio::test(start_paused = true)]
async fn platform_events_are_published_through_every_api() {
    let caller = Caller::new();
    deploy_event(&caller).await;
    let mut listener = Listener::of(&caller);
    let topic = listener.topic("/event/Order_Event__e").await.unwrap();
    assert!(topic.can_subscribe && topic.can_publish);
    let schema: Value = serde_json::from_str(&listener.schema(&topic.schema_id).await.unwrap().schema_json).unwrap();
    // As in a log of a client: two system fields that are never null, then the event's own.
    assert_eq!(schema["fields"][0], json!({"name": "CreatedDate", "type": "long", "doc": "CreatedDate:DateTime"}));
    assert_eq!(schema["fields"][1], json!({"name": "CreatedById", "type": "string", "doc": "CreatedBy:EntityId"}));
    assert_eq!(schema["fields"][2]["type"], json!(["null", "string"]));
    let mut stream = listener.listen("/event/Order_Event__e").await;
    let said =
        caller.post("/sobjects/Order_Event__e", json!({"Order_Number__c": "rest", "Amount__c": 1.5})).await.expect(201);
    assert_eq!(said["errors"][0]["statusCode"], "OPERATION_ENQUEUED");
    let text = &schema.to_string();
    let event = |number: &str, amount: Option<f64>| {
        let null = || Avro::Union(0, Box::new(Avro::Null));
        let value = |value| Avro::Union(1, Box::new(value));
        let record = Avro::Record(vec![
            ("CreatedDate".into(), Avro::Long(1_000)),
            ("CreatedById".into(), Avro::String("005xx000001Svwo".into())),
            ("Order_Number__c".into(), value(Avro::String(number.into()))),
            ("Amount__c".into(), amount.map_or_else(null, |amount| value(Avro::Double(amount)))),
            ("Due__c".into(), value(Avro::Long(1_772_366_401_000))),
            ("Paid__c".into(), value(Avro::Boolean(true))),
        ]);
        let payload = apache_avro::to_avro_datum(&apache_avro::Schema::parse_str(text).unwrap(), record).unwrap();
        ProducerEvent { id: format!("key {number}"), schema_id: topic.schema_id.clone(), payload, headers: Vec::new() }
    };
    let broken = ProducerEvent { payload: vec![1, 2, 3], ..event("broken", None) };
    let events =
        vec![event("first", Some(2.5)), broken, event("longer than eighteen characters", None), event("last", None)];
    let publish =
        |events| PublishRequest { topic_name: "/event/Order_Event__e".into(), events, auth_refresh: String::new() };
    let published = listener.client().publish(listener.request(publish(events))).await.unwrap().into_inner();
    assert_eq!(published.schema_id, topic.schema_id);
    let failed: Vec<bool> = published.results.iter().map(|result| result.error.is_some()).collect();
    assert_eq!(failed, [false, true, true, false]);
    assert!(published.results[2].error.as_ref().unwrap().msg.contains("too large"), "{:?}", published.results[2]);
    let heard = listener.hear(&mut stream, 3).await;
    assert_eq!(heard.iter().map(|one| one.text("Order_Number__c")).collect::<Vec<_>>(), ["rest", "first", "last"]);
    assert_eq!(
        (&heard[1].fields["Amount__c"], &heard[1].fields["Paid__c"]),
        (&Avro::Double(2.5), &Avro::Boolean(true))
    );
    assert_eq!(heard[1].fields["Due__c"], Avro::Long(1_772_366_401_000));
    assert_eq!(heard[1].text("CreatedById"), caller.credentials.user_id, "the server says who and when");
    assert_eq!(
        (&published.results[0].correlation_key, &published.results[0].replay_id),
        (&"key first".to_owned(), &heard[1].replay_id)
    );
    assert_eq!(published.results[3].replay_id, heard[2].replay_id);
    let later = PublishRequest { topic_name: String::new(), ..publish(vec![event("b", None)]) };
    let requests = tonic::codegen::tokio_stream::iter([publish(vec![event("a", None)]), later]);
    let mut answers = listener.client().publish_stream(listener.request(requests)).await.unwrap().into_inner();
    let mut answered = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        answered += answer.results.iter().filter(|result| result.error.is_none()).count();
    }
    assert_eq!(answered, 2);
    assert_eq!(listener.hear(&mut stream, 2).await[1].text("Order_Number__c"), "b");
    let other = PublishRequest { topic_name: ACCOUNTS.into(), ..publish(vec![event("x", None)]) };
    assert_eq!(listener.client().publish(listener.request(other)).await.unwrap_err().code(), Code::PermissionDenied);
    // A refused save publishes nothing, and what is published is no row.
    let tree = json!({"allOrNone": true, "records": [
        {"attributes": {"type": "Order_Event__e"}, "Order_Number__c": "undone"},
        {"attributes": {"type": "Order_Event__e"}, "Order_Number__c": "longer than eighteen characters"},
    ]});
    caller.post("/composite/sobjects", tree).await.expect(200);
    assert_eq!(listener.all(from("/event/Order_Event__e", ReplayPreset::Earliest, Vec::new())).await.len(), 5);
    assert!(caller.org().rows("Order_Event__e").is_empty());
    assert!(listener.earliest(ALL).await.is_empty(), "platform events are not on the channel of changes");
}

#[tokio::test(start_paused = true)]
async fn gaps_and_overflows_come_when_they_are_ordered_or_due() {
    let (caller, mut listener) = org().await;
    let mut stream = listener.listen(ALL).await;
    let order = |body: Value| caller.raw("POST", "/_emulator/change-events", &[], body.to_string());
    order(json!({"gap_transactions": 1})).await.expect(200);
    let id = caller.create("Account", json!({"Name": "Acme"})).await;
    caller.patch(&format!("/sobjects/Account/{id}"), json!({"Phone": "1"})).await.expect(204);
    let heard = listener.hear(&mut stream, 2).await;
    assert_eq!(told(&heard), [("GAP_CREATE", "Account", vec![id.as_str()]), ("UPDATE", "Account", vec![id.as_str()])]);
    assert!(heard[0].fields.is_empty() && heard[0].changed.is_empty());
    // Three changes have events; the fourth, and a fifth of another object, overflow. Each field of an update counts.
    order(json!({"overflow_after": 3})).await.expect(200);
    let records: Vec<Value> =
        (0..4).map(|at| json!({"attributes": {"type": "Account"}, "Name": format!("{at}")})).collect();
    caller.post("/composite/sobjects", json!({"records": records})).await.expect(200);
    let heard = listener.hear(&mut stream, 4).await;
    assert_eq!(
        heard.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(),
        ["CREATE", "CREATE", "CREATE", "GAP_OVERFLOW"]
    );
    assert_eq!(told(&heard[3..]), [("GAP_OVERFLOW", "Account", vec!["000000000000000AAA"])]);
    let body = json!({"Phone": "2", "Fax": "3", "Website": "orgkeep.example", "Industry": "Energy"});
    caller.patch(&format!("/sobjects/Account/{id}"), body).await.expect(204);
    assert_eq!(told(&listener.hear(&mut stream, 1).await)[0].0, "GAP_OVERFLOW");
    order(json!({"overflow_after": 100_000})).await.expect(200);
    // An event of more than a megabyte is sent without its values.
    let mut fields = vec![("Name".to_owned(), Input::Text("big".into()))];
    for number in 1..=9 {
        let name = format!("Long_{number}__c");
        caller.org().add_field("Account", Field::usual(&name, &name, FieldType::Textarea, 131_072));
        fields.push((name, Input::Text("x".repeat(131_000))));
    }
    let few = fields[..3].to_vec();
    caller.org().insert("Account", few).unwrap();
    let big = caller.org().insert("Account", fields).unwrap();
    let heard = listener.hear(&mut stream, 2).await;
    assert_eq!((heard[0].kind.as_str(), heard[0].text("Long_2__c").len()), ("CREATE", 131_000));
    assert_eq!(told(&heard[1..]), [("GAP_CREATE", "Account", vec![big.as_str()])]);
}

#[tokio::test(start_paused = true)]
async fn a_store_keeps_events_and_goes_on_capturing() {
    let folder = tempfile::tempdir().unwrap();
    let kept = |clock| Settings { store: Some(folder.path().join("org.sqlite")), clock, ..settings() };
    let first = Caller::with(kept(Clock::starting_at(crate::caller::START_MS)));
    let mut listener = Listener::of(&first);
    let topic = listener.topic(ACCOUNTS).await.unwrap();
    first.create("Account", json!({"Name": "1"})).await;
    let replay_id = listener.earliest(ACCOUNTS).await[0].replay_id.clone();
    first.create("Account", json!({"Name": "2"})).await;
    drop((first, listener));
    let later = Caller::with(kept(Clock::starting_at(crate::caller::START_MS + 3_600_000)));
    later.create("Account", json!({"Name": "3"})).await;
    later.org().add_field("Account", Field::usual("New__c", "New", FieldType::String, 80));
    later.create("Account", json!({"Name": "4", "New__c": "new"})).await;
    let mut listener = Listener::of(&later);
    let heard = listener.all(from(ACCOUNTS, ReplayPreset::Custom, replay_id)).await;
    assert_eq!(heard.iter().map(|one| one.text("Name")).collect::<Vec<_>>(), ["2", "3", "4"]);
    assert_eq!(heard[2].text("New__c"), "new");
    let now = listener.topic(ACCOUNTS).await.unwrap();
    assert_ne!(now.schema_id, topic.schema_id, "another field is another schema, and the older one can still be read");
    let numbers: Vec<i64> = heard.iter().map(|one| one.header_number("commitNumber")).collect();
    assert!(numbers.is_sorted() && numbers[0] < numbers[2]);
}

#[tokio::test(start_paused = true)]
async fn a_late_commit_is_told_when_it_commits() {
    let (caller, mut listener) = org().await;
    let mut late = caller.org().begin_late_commit();
    late.insert("Account", vec![("Name".into(), Input::Text("late".into()))]).unwrap();
    caller.org().clock().advance(Duration::from_secs(900));
    assert!(listener.earliest(ACCOUNTS).await.is_empty());
    late.commit().unwrap();
    let heard = listener.earliest(ACCOUNTS).await;
    assert_eq!(heard[0].header_number("commitTimestamp"), crate::caller::START_MS + 900_000);
    assert_eq!(heard[0].fields["LastModifiedDate"], Avro::Long(crate::caller::START_MS));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_refused_and_faults_strike() {
    let (caller, listener) = org().await;
    let request = listener.request(tonic::codegen::tokio_stream::empty());
    let status = listener.client().managed_subscribe(request).await.unwrap_err();
    assert_eq!((status.code(), status.message().contains("ManagedSubscribe")), (Code::Unimplemented, true));
    let status = listener.schema("").await.unwrap_err();
    assert!(
        status.message().starts_with("Schema validation failed. The schema ID can't be blank. rpcId: "),
        "{status}"
    );
    assert_eq!(listener.schema("nTowGbw-ipH4sznrGpeohg").await.unwrap_err().code(), Code::NotFound);
    let fault = json!({"when": {"family": "pubsub", "path": "*/GetTopic"}, "do": {"refuse": {
        "status": 503, "code": "sfdc.platform.eventbus.grpc.service.unavailable", "message": "down"}}});
    caller.raw("POST", "/_emulator/faults", &[], fault.to_string()).await.expect(200);
    let status = listener.topic(ACCOUNTS).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "down"));
    assert_eq!(status.metadata().get("error-code").unwrap(), "sfdc.platform.eventbus.grpc.service.unavailable");
    assert!(listener.topic(ACCOUNTS).await.is_ok());
    let log = caller.org().request_log();
    let last = log.last().unwrap();
    assert_eq!((last.family.as_str(), last.path.as_str()), ("pubsub", "/eventbus.v1.PubSub/GetTopic"));
    assert_eq!(last.user_id.as_deref(), Some(caller.credentials.user_id.as_str()));
    assert_eq!(caller.org().daily_usage().0, 0, "the API has allocations of its own");
}

#[tokio::test(start_paused = true)]
async fn archived_activities_are_told_as_gaps() {
    let (caller, mut listener) = org().await;
    let closed = json!({"Subject": "Old", "Status": "Completed", "ActivityDate": "2026-03-01"});
    let task = caller.create("Task", closed).await;
    let made = listener.earliest("/data/TaskChangeEvent").await.remove(0);
    caller.org().clock().advance(Duration::from_secs(367 * 86_400));
    let mut later = Listener::of(&signed_in(&caller).await);
    let heard = later.earliest("/data/TaskChangeEvent").await;
    assert_eq!(made.kind, "CREATE");
    assert_eq!(told(&heard), [("GAP_UPDATE", "Task", vec![task.as_str()])]);
}
