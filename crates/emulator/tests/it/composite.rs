// SPDX-License-Identifier: Apache-2.0
//! Collections, chains, batches and trees (`salesforce-api.md` 2.8).

use crate::client::Client;
use serde_json::{Value, json};

fn account(name: &str) -> Value {
    json!({"attributes": {"type": "Account"}, "Name": name})
}

#[tokio::test(start_paused = true)]
async fn a_collection_answers_in_order_and_per_row() {
    let client = Client::new();
    let records = json!([account("A"), {"attributes": {"type": "Contact"}, "FirstName": "no last name"}, account("B")]);
    let reply = client.json("POST", "/composite/sobjects", &json!({"records": records})).await;
    let rows = reply.json();
    assert_eq!(reply.status, 200);
    assert_eq!(rows[0], json!({"id": rows[0]["id"], "success": true, "errors": []}));
    let error = json!({"statusCode": "REQUIRED_FIELD_MISSING", "message": "Required fields are missing: [LastName]",
        "fields": ["LastName"]});
    assert_eq!(rows[1], json!({"success": false, "errors": [error]}));
    assert_eq!(rows[2]["success"], true);
    assert_eq!(client.count("Account").await, 2);
}

#[tokio::test(start_paused = true)]
async fn all_or_none_leaves_none() {
    let client = Client::new();
    let records = json!([account("A"), {"attributes": {"type": "Account"}}]);
    let rows = client.json("POST", "/composite/sobjects", &json!({"allOrNone": true, "records": records})).await.json();
    let error = &rows[0]["errors"][0];
    assert_eq!(error["statusCode"], "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert_eq!(
        error["message"],
        "Record rolled back because not all records were valid and the request was using AllOrNone header"
    );
    assert_eq!(rows[1]["errors"][0]["statusCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(client.count("Account").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_collection_has_limits() {
    let client = Client::new();
    let many: Vec<Value> = (0..201).map(|number| account(&number.to_string())).collect();
    let reply = client.json("POST", "/composite/sobjects", &json!({"records": many})).await;
    assert_eq!(reply.refusal().1, "EXCEEDED_ID_LIMIT");
    let mixed: Vec<Value> = (0..11)
        .map(|number| match number % 2 {
            0 => account("A"),
            _ => json!({"attributes": {"type": "Contact"}, "LastName": "B"}),
        })
        .collect();
    let reply = client.json("POST", "/composite/sobjects", &json!({"records": mixed})).await;
    assert!(reply.refusal().2.contains("more than 10 chunks"), "{}", reply.text());
    let reply = client.json("POST", "/composite/sobjects", &json!({"records": mixed[..10]})).await;
    assert_eq!(reply.json().as_array().unwrap().len(), 10);
    let unknown = json!([{"attributes": {"type": "Account"}, "Nope__c": 1}]);
    let reply = client.json("POST", "/composite/sobjects", &json!({"records": unknown})).await;
    let text = "No such column 'Nope__c' on sobject of type Account";
    assert_eq!(reply.refusal(), (400, "INVALID_FIELD".into(), text.into()));
}

#[tokio::test(start_paused = true)]
async fn a_collection_updates_and_deletes() {
    let client = Client::new();
    let id = client.create("Account", &json!({"Name": "A"})).await;
    let records = json!([
        {"attributes": {"type": "Account"}, "id": id, "Name": "B"},
        {"attributes": {"type": "Account"}, "Id": "001000000000000AAA", "Name": "C"},
        {"attributes": {"type": "Account"}, "Name": "D"},
    ]);
    let rows = client.json("PATCH", "/composite/sobjects", &json!({"records": records})).await.json();
    assert_eq!(rows[0], json!({"id": id, "success": true, "errors": []}));
    assert_eq!(rows[1]["errors"][0]["statusCode"], "INVALID_CROSS_REFERENCE_KEY");
    assert_eq!(rows[2]["errors"][0]["statusCode"], "MISSING_ARGUMENT");
    assert_eq!(client.query("SELECT Name FROM Account").await[0]["Name"], "B");

    let path = format!("/composite/sobjects?ids={},nonsense", &id[..15]);
    let rows = client.send("DELETE", &path, "", "").await.json();
    assert_eq!(rows[0], json!({"id": id, "success": true, "errors": []}), "18 characters out");
    assert_eq!(rows[1]["errors"][0]["statusCode"], "MALFORMED_ID");
    assert_eq!(client.count("Account").await, 0);
    let again = client.send("DELETE", &format!("/composite/sobjects?ids={id}&allOrNone=true"), "", "").await.json();
    assert_eq!(again[0]["errors"][0]["statusCode"], "ENTITY_IS_DELETED");
}

#[tokio::test(start_paused = true)]
async fn a_collection_upserts_by_external_id_and_by_id() {
    let client = Client::new();
    // 2.8: the field may be Id; a null Id creates. The shape is recorded.
    let record = json!({"Name": "Sitwell-Bluth", "Legacy_Id__c": "420", "Id": null, "attributes": {"type": "Account"}});
    let rows = client.json("PATCH", "/composite/sobjects/Account/Id", &json!({"records": [record]})).await.json();
    let id = rows[0]["id"].clone();
    assert_eq!(rows, json!([{"id": id, "success": true, "errors": [], "created": true}]));
    let records = json!([
        {"attributes": {"type": "Account"}, "legacy_id__c": "420", "Name": "B"},
        {"attributes": {"type": "Account"}, "Legacy_Id__c": "421", "Name": "C"},
        {"attributes": {"type": "Account"}, "Legacy_Id__c": "421", "Name": "D"},
        {"attributes": {"type": "Account"}, "Name": "E"},
    ]);
    let rows =
        client.json("PATCH", "/composite/sobjects/Account/Legacy_Id__c", &json!({"records": records})).await.json();
    assert_eq!(rows[0], json!({"id": id, "success": true, "errors": [], "created": false}));
    assert_eq!(rows[1]["created"], true);
    assert_eq!(rows[2]["errors"][0]["message"], "Duplicate external id specified: 421");
    assert_eq!(rows[3]["errors"][0]["statusCode"], "MISSING_ARGUMENT");
    assert_eq!(client.count("Account").await, 2);
    let reply = client.json("PATCH", "/composite/sobjects/Account/Phone", &json!({"records": []})).await;
    let text = "Provided external ID field does not exist or is not accessible: Phone";
    assert_eq!(reply.refusal(), (404, "NOT_FOUND".into(), text.into()));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_null_at_its_place() {
    let client = Client::new();
    let a = client.create("Account", &json!({"Name": "A"})).await;
    let gone = client.create("Account", &json!({"Name": "gone"})).await;
    client.send("DELETE", &format!("/sobjects/Account/{gone}"), "", "").await;
    let contact = client.create("Contact", &json!({"LastName": "C"})).await;
    let body =
        json!({"ids": [gone, a, contact, "001000000000000AAA", &a[..15]], "fields": ["name", "Name", "IsDeleted"]});
    let rows = client.json("POST", "/composite/sobjects/Account", &body).await.json();
    let found = json!({"attributes": {"type": "Account", "url": format!("{}/sobjects/Account/{a}", client.base)},
        "Name": "A", "IsDeleted": false});
    assert_eq!(rows, json!([null, found, null, null, found]));
    let rows = client.get(&format!("/composite/sobjects/Account?ids={a}&fields=Id,Name")).await.json();
    assert_eq!((&rows[0]["Id"], &rows[0]["Name"]), (&json!(a), &json!("A")));
    let body = json!({"ids": vec![a.as_str(); 2_001], "fields": ["Id"]});
    assert_eq!(client.json("POST", "/composite/sobjects/Account", &body).await.refusal().1, "EXCEEDED_ID_LIMIT");
    let body = json!({"ids": vec![a.as_str(); 2_000], "fields": ["Id"]});
    let rows = client.json("POST", "/composite/sobjects/Account", &body).await.json();
    assert_eq!(rows.as_array().unwrap().len(), 2_000);
    let body = json!({"ids": [a], "fields": ["Nope"]});
    assert_eq!(client.json("POST", "/composite/sobjects/Account", &body).await.refusal().1, "INVALID_FIELD");
}

fn sub(method: &str, url: String, reference_id: &str, body: Value) -> Value {
    json!({"method": method, "url": url, "referenceId": reference_id, "body": body})
}

#[tokio::test(start_paused = true)]
async fn a_chain_hands_on_what_it_made() {
    let client = Client::new();
    let base = &client.base;
    let chain = json!({"compositeRequest": [
        sub("POST", format!("{base}/sobjects/Account"), "refAccount", json!({"Name": "A & B"})),
        sub("POST", format!("{base}/sobjects/Contact"), "refContact", json!({"LastName": "C", "AccountId": "@{refAccount.id}"})),
        sub("GET", format!("{base}/sobjects/Account/@{{refAccount.id}}?fields=Name"), "row", Value::Null),
        sub("GET", format!("{base}/query?q=SELECT AccountId FROM Contact WHERE Account.Name = '@{{row.Name}}'"), "found", Value::Null),
        sub("PATCH", format!("{base}/sobjects/Account/@{{found.records[0].AccountId}}"), "patched", json!({"Phone": "1"})),
    ]});
    let reply = client.json("POST", "/composite", &chain).await;
    assert_eq!(reply.status, 200);
    let answers = reply.json()["compositeResponse"].clone();
    let id = answers[0]["body"]["id"].as_str().unwrap();
    assert_eq!(
        answers[0],
        json!({"body": {"id": id, "success": true, "errors": []},
            "httpHeaders": {"Location": format!("{base}/sobjects/Account/{id}")},
            "httpStatusCode": 201, "referenceId": "refAccount"})
    );
    assert_eq!(answers[1]["httpStatusCode"], 201);
    assert_eq!(answers[2]["body"]["Name"], "A & B");
    assert_eq!(answers[3]["body"]["totalSize"], 1);
    assert_eq!(answers[4], json!({"body": null, "httpHeaders": {}, "httpStatusCode": 204, "referenceId": "patched"}));
    assert_eq!(client.query("SELECT Phone FROM Account").await[0]["Phone"], "1");
    assert_eq!(client.emulator.orgs()[0].daily_usage().0, 2, "a chain is one call, the query the other");
}

#[tokio::test(start_paused = true)]
async fn a_chain_goes_on_after_a_failure_but_not_for_what_depends_on_it() {
    let client = Client::new();
    let base = &client.base;
    let chain = json!({"compositeRequest": [
        sub("GET", format!("{base}/sobjects/Foo"), "missing", Value::Null),
        sub("POST", format!("{base}/sobjects/Contact"), "contact", json!({"LastName": "C", "AccountId": "@{missing.id}"})),
        sub("POST", format!("{base}/sobjects/Contact"), "other", json!({"LastName": "D"})),
    ]});
    let answers = client.json("POST", "/composite", &chain).await.json()["compositeResponse"].clone();
    // The first is recorded: 404 with an error array, no headers.
    assert_eq!(answers[0]["httpStatusCode"], 404);
    assert_eq!(answers[0]["httpHeaders"], json!({}));
    assert_eq!(
        answers[0]["body"],
        json!([{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}])
    );
    let text = "Invalid reference specified. No value for missing.id found in missing";
    assert_eq!(answers[1]["body"], json!([{"errorCode": "PROCESSING_HALTED", "message": text}]));
    assert_eq!(answers[1]["httpStatusCode"], 400);
    assert_eq!(answers[2]["httpStatusCode"], 201);
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_all_or_none_is_undone() {
    let client = Client::new();
    let base = &client.base;
    let chain = json!({"allOrNone": true, "compositeRequest": [
        sub("POST", format!("{base}/sobjects/Account"), "one", json!({"Name": "A"})),
        sub("POST", format!("{base}/sobjects/Account"), "two", json!({})),
        sub("POST", format!("{base}/sobjects/Account"), "three", json!({"Name": "C"})),
    ]});
    let answers = client.json("POST", "/composite", &chain).await.json()["compositeResponse"].clone();
    // Recorded: the failure keeps its error, every other one was rolled back.
    let rolled_back = json!([{"errorCode": "PROCESSING_HALTED",
        "message": "The transaction was rolled back since another operation in the same transaction failed."}]);
    assert_eq!(answers[0]["body"], rolled_back);
    assert_eq!(answers[1]["body"][0]["errorCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(answers[2]["body"], rolled_back);
    assert_eq!(answers[2]["httpStatusCode"], 400);
    assert_eq!(client.count("Account").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_chain_may_hold_collections() {
    let client = Client::new();
    let base = &client.base;
    let chain = json!({"allOrNone": true, "compositeRequest": [
        sub("POST", format!("{base}/composite/sobjects"), "made", json!({"allOrNone": true, "records": [account("A"), account("B")]})),
        sub("PATCH", format!("{base}/sobjects/Account/@{{made[1].id}}"), "patched", json!({"Phone": "2"})),
    ]});
    let answers = client.json("POST", "/composite", &chain).await.json()["compositeResponse"].clone();
    assert_eq!(answers[0]["body"][1]["success"], true, "{answers}");
    assert_eq!(answers[1]["httpStatusCode"], 204, "{answers}");
    assert_eq!(client.query("SELECT Phone FROM Account WHERE Name = 'B'").await[0]["Phone"], "2");
}

#[tokio::test(start_paused = true)]
async fn chains_that_are_none_are_refused() {
    let client = Client::new();
    let base = &client.base;
    let get = |reference_id: &str| sub("GET", format!("{base}/limits"), reference_id, Value::Null);
    let query = |number: usize| {
        sub("GET", format!("{base}/query?q=SELECT Id FROM Account"), &format!("q{number}"), Value::Null)
    };
    let mut header = get("h");
    header["httpHeaders"] = json!({"Authorization": "Bearer x"});
    let chains = [
        (0..26).map(|number| get(&format!("r{number}"))).collect::<Vec<_>>(),
        (0..6).map(query).collect(),
        vec![get("same"), get("same")],
        vec![get("with space")],
        vec![sub("GET", "/limits".into(), "r", Value::Null)],
        vec![sub("get", format!("{base}/limits"), "r", Value::Null)],
        vec![header],
    ];
    for chain in chains {
        let reply = client.json("POST", "/composite", &json!({"compositeRequest": chain})).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
    }
    assert_eq!(client.json("POST", "/composite", &json!({})).await.refusal().1, "JSON_PARSER_ERROR");
    assert_eq!(client.json("PUT", "/composite", &json!({})).await.status, 405);
}

#[tokio::test(start_paused = true)]
async fn a_batch_counts_each_subrequest() {
    let client = Client::new();
    let id = client.create("Account", &json!({"Name": "A"})).await;
    let before = client.emulator.orgs()[0].daily_usage().0;
    let batch = json!({"batchRequests": [
        {"method": "PATCH", "url": format!("v67.0/sobjects/Account/{id}"), "richInput": {"Name": "B"}},
        {"method": "GET", "url": format!("v67.0/sobjects/Account/{id}?fields=Name")},
        {"method": "GET", "url": "v67.0/sobjects/Account/001000000000000AAA"},
    ]});
    let reply = client.json("POST", "/composite/batch", &batch).await.json();
    assert_eq!(client.emulator.orgs()[0].daily_usage().0 - before, 3);
    assert_eq!(reply["hasErrors"], true);
    assert_eq!(reply["results"][0], json!({"statusCode": 204, "result": null}));
    assert_eq!(reply["results"][1]["result"]["Name"], "B");
    assert_eq!(reply["results"][2]["statusCode"], 404);
    assert_eq!(reply["results"][2]["result"][0]["errorCode"], "NOT_FOUND");
}

#[tokio::test(start_paused = true)]
async fn a_batch_can_halt_at_an_error() {
    let client = Client::new();
    let batch = json!({"haltOnError": true, "batchRequests": [
        {"method": "POST", "url": "v67.0/sobjects/Account", "richInput": {"Name": "A"}},
        {"method": "POST", "url": "v67.0/sobjects/Account", "richInput": {}},
        {"method": "POST", "url": "v67.0/sobjects/Account", "richInput": {"Name": "C"}},
    ]});
    let reply = client.json("POST", "/composite/batch", &batch).await.json();
    let codes: Vec<&Value> = reply["results"].as_array().unwrap().iter().map(|result| &result["statusCode"]).collect();
    assert_eq!(codes, [201, 400, 412]);
    assert_eq!(reply["results"][2]["result"][0]["errorCode"], "BATCH_PROCESSING_HALTED");
    assert_eq!(client.count("Account").await, 1, "what was done before stays");
}

#[tokio::test(start_paused = true)]
async fn a_tree_is_planted_with_its_children() {
    let client = Client::new();
    let tree = json!({"records": [
        {"attributes": {"type": "Account", "referenceId": "ref1"}, "Name": "A", "Contacts": {"records": [
            {"attributes": {"type": "Contact", "referenceId": "ref2"}, "LastName": "One"},
            {"attributes": {"type": "Contact", "referenceId": "ref3"}, "LastName": "Two"},
        ]}},
        {"attributes": {"type": "Account", "referenceId": "ref4"}, "Name": "B"},
    ]});
    let reply = client.json("POST", "/composite/tree/Account", &tree).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let body = reply.json();
    assert_eq!(body["hasErrors"], false);
    let references: Vec<&Value> = body["results"].as_array().unwrap().iter().map(|one| &one["referenceId"]).collect();
    assert_eq!(references, ["ref1", "ref4", "ref2", "ref3"], "level by level");
    let contacts = client.query("SELECT AccountId FROM Contact").await;
    assert_eq!(contacts.len(), 2);
    assert!(contacts.iter().all(|contact| contact["AccountId"] == body["results"][0]["id"]));
}

#[tokio::test(start_paused = true)]
async fn a_tree_is_planted_whole_or_not_at_all() {
    let client = Client::new();
    let tree = json!({"records": [
        {"attributes": {"type": "Account", "referenceId": "ref1"}, "Name": "A", "Contacts": {"records": [
            {"attributes": {"type": "Contact", "referenceId": "ref2"}, "LastName": "Smith", "Email": "123"},
            {"attributes": {"type": "Contact", "referenceId": "ref3"}, "LastName": "Evans", "Email": "sample@salesforce.com"},
        ]}},
    ]});
    let reply = client.json("POST", "/composite/tree/Account", &tree).await;
    assert_eq!(reply.status, 400);
    let error = json!({"statusCode": "INVALID_EMAIL_ADDRESS", "message": "Email: invalid email address: 123", "fields": ["Email"]});
    assert_eq!(reply.json(), json!({"hasErrors": true, "results": [{"referenceId": "ref2", "errors": [error]}]}));
    assert_eq!((client.count("Account").await, client.count("Contact").await), (0, 0));
    let record =
        |number: usize| json!({"attributes": {"type": "Account", "referenceId": format!("r{number}")}, "Name": "A"});
    let too_many: Vec<Value> = (0..201).map(record).collect();
    let twice = vec![record(1), record(1)];
    for records in [too_many, twice, vec![account("without reference")]] {
        let reply = client.json("POST", "/composite/tree/Account", &json!({"records": records})).await;
        assert_eq!((reply.status, &reply.json()["hasErrors"]), (400, &json!(true)));
    }
    assert_eq!(client.count("Account").await, 0);
}

fn node(reference_id: &str, name: &str, body: Value) -> Value {
    sub("POST", format!("/services/data/v67.0/sobjects/{name}"), reference_id, body)
}

#[tokio::test(start_paused = true)]
async fn each_graph_is_a_transaction_of_its_own() {
    // 2.8
    let client = Client::new();
    let base = &client.base;
    let body = json!({"graphs": [
        {"graphId": "1", "compositeRequest": [
            // Written before what it refers to.
            node("contact", "Contact", json!({"LastName": "C", "AccountId": "@{account.id}"})),
            node("account", "Account", json!({"Name": "Good"})),
        ]},
        {"graphId": "2", "compositeRequest": [
            node("account", "Account", json!({"Name": "Bad"})),
            node("contact", "Contact", json!({"AccountId": "@{account.id}"})),
            node("later", "Account", json!({"Name": "Later"})),
        ]},
    ]});
    let said = client.json("POST", "/composite/graph", &body).await;
    assert_eq!(said.status, 200, "{}", said.text());
    let said = said.json();
    let (good, bad) = (&said["graphs"][0], &said["graphs"][1]);
    assert_eq!((&good["graphId"], &good["isSuccessful"]), (&json!("1"), &json!(true)));
    let answers = &good["graphResponse"]["compositeResponse"];
    let id = answers[1]["body"]["id"].as_str().unwrap();
    let wanted = json!({"body": {"id": id, "success": true, "errors": []},
        "httpHeaders": {"Location": format!("{base}/sobjects/Account/{id}")},
        "httpStatusCode": 201, "referenceId": "account"});
    assert_eq!(answers[1], wanted);
    assert_eq!((&answers[0]["referenceId"], &answers[0]["httpStatusCode"]), (&json!("contact"), &json!(201)));
    assert_eq!(bad["isSuccessful"], false);
    let answers = &bad["graphResponse"]["compositeResponse"];
    let halted = "The transaction was rolled back since another operation in the same transaction failed.";
    for place in [0, 2] {
        assert_eq!(answers[place]["body"], json!([{"errorCode": "PROCESSING_HALTED", "message": halted}]));
    }
    assert_eq!(answers[1]["body"][0]["errorCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(client.query("SELECT Name FROM Account").await.len(), 1);
    assert_eq!(client.emulator.orgs()[0].daily_usage().0, 2, "all graphs are one call");
}

#[tokio::test(start_paused = true)]
async fn graphs_have_limits() {
    // 2.8: 75 graphs, 500 nodes, 15 levels, 15 kinds; records only.
    let client = Client::new();
    let refused = async |graphs: Value| client.json("POST", "/composite/graph", &json!({"graphs": graphs})).await;
    let account = |name: &str| node(name, "Account", json!({"Name": "A"}));
    let graph = |id: usize, nodes: Vec<Value>| json!({"graphId": id.to_string(), "compositeRequest": nodes});
    let many = (0..76).map(|id| graph(id, vec![account("a")])).collect();
    assert_eq!(refused(many).await.refusal().1, "LIMIT_EXCEEDED");
    let nodes = (0..501).map(|number| account(&format!("a{number}"))).collect();
    assert_eq!(refused(json!([graph(1, nodes)])).await.refusal().1, "LIMIT_EXCEEDED");
    let chain = |length: usize| {
        let link = |number: usize| match number {
            0 => account("a0"),
            _ => node(
                &format!("a{number}"),
                "Account",
                json!({"Name": "A", "ParentId": format!("@{{a{}.id}}", number - 1)}),
            ),
        };
        json!([graph(1, (0..length).map(link).collect())])
    };
    assert_eq!(refused(chain(16)).await.refusal().1, "LIMIT_EXCEEDED");
    assert_eq!(refused(chain(15)).await.json()["graphs"][0]["isSuccessful"], true);
    let circle = vec![
        node("a", "Account", json!({"Name": "A", "ParentId": "@{b.id}"})),
        node("b", "Account", json!({"Name": "B", "ParentId": "@{a.id}"})),
    ];
    assert_eq!(refused(json!([graph(1, circle)])).await.status, 400);
    let query = sub("GET", "/services/data/v67.0/query?q=SELECT Id FROM Account".into(), "q", Value::Null);
    assert_eq!(refused(json!([graph(1, vec![query])])).await.refusal().1, "INVALID_INPUT");
    assert_eq!(client.version("49.0").json("POST", "/composite/graph", &json!({"graphs": []})).await.status, 404);
    // After 14 failures nothing more is tried.
    let bad = |id: usize| graph(id, vec![node("n", "Account", json!({}))]);
    let mut graphs: Vec<Value> = (0..14).map(bad).collect();
    graphs.push(graph(99, vec![account("a")]));
    let said = refused(Value::Array(graphs)).await.json();
    let last = &said["graphs"][14];
    assert_eq!(last["isSuccessful"], false);
    assert_eq!(last["graphResponse"]["compositeResponse"][0]["body"][0]["errorCode"], "PROCESSING_HALTED");
}

#[tokio::test(start_paused = true)]
async fn a_describe_in_a_chain_may_be_known_already() {
    // As recorded: status 304, no body, tag and date among the headers.
    let client = Client::new();
    let url = format!("{}/sobjects", client.base);
    let mut sent = sub("GET", url, "known", Value::Null);
    sent["httpHeaders"] = json!({"If-Modified-Since": "Thu, 1 Jan 2026 00:00:00 GMT"});
    let said = client.json("POST", "/composite", &json!({"compositeRequest": [sent]})).await.json();
    let answer = &said["compositeResponse"][0];
    assert_eq!((&answer["httpStatusCode"], &answer["body"]), (&json!(304), &Value::Null));
    let names: Vec<&String> = answer["httpHeaders"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["ETag", "Last-Modified"]);
    assert_eq!(answer["httpHeaders"]["ETag"].as_str().unwrap().len(), 10);
    assert_eq!(answer["httpHeaders"]["Last-Modified"], "Thu, 01 Jan 2026 00:00:00 GMT");
}

#[tokio::test(start_paused = true)]
async fn a_batch_may_carry_files() {
    // 2.8: `binaryPartName` and `binaryPartNameAlias`.
    let client = Client::new();
    let account = client.create("Account", &json!({"Name": "A"})).await;
    let batch = json!({"batchRequests": [{
        "method": "POST", "url": "v67.0/sobjects/Attachment",
        "richInput": {"Name": "a.txt", "ParentId": account},
        "binaryPartName": "file1", "binaryPartNameAlias": "Body",
    }]});
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"batch\"\r\nContent-Type: application/json\r\n\r\n{batch}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"file1\"; filename=\"a.txt\"\r\n\r\nhello\r\n--b--\r\n"
    );
    let said = client.send("POST", "/composite/batch", "multipart/form-data; boundary=b", form).await.json();
    assert_eq!(said["hasErrors"], false, "{said}");
    let id = said["results"][0]["result"]["id"].as_str().unwrap();
    assert_eq!(client.get(&format!("/sobjects/Attachment/{id}/Body")).await.body, b"hello");
}
