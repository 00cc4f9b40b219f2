// SPDX-License-Identifier: Apache-2.0
//! Describes as recorded (`salesforce-api.md` 2.4, 2.5): compared key by key with those of real orgs, told when they changed,
//! and cheap when they did not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::{Client, settings};
use orgkeep_emulator::record::Input;
use orgkeep_emulator::schema::{Companion, Field, FieldType, Schema, custom};
use orgkeep_emulator::{Catalog, Clock, Settings};
use serde_json::{Value, json};

fn fixtures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let there = folder.exists();
    if !there {
        say(&format!("no fixtures at {}", folder.display()));
    }
    there.then_some(folder)
}

#[allow(clippy::disallowed_macros, reason = "what agrees and what does not is worth reading")]
fn say(text: &str) {
    println!("{text}");
}

fn recorded(folder: &Path, name: &str) -> Value {
    let text = std::fs::read(folder.join("CumulusCI/decoded").join(name)).expect("the recording is there");
    serde_json::from_slice(&text).expect("it is JSON")
}

fn everything() -> Client {
    Client::with(Settings { catalog: Catalog::Everything, ..settings() })
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// What differs from the recordings, and why: an ending of `Object.Field attribute`.
const KNOWN: [(&str, &str); 28] = [
    ("Account.Type length", LONGER),
    ("Account.Type byteLength", LONGER),
    ("Account.Industry length", LONGER),
    ("Account.Industry byteLength", LONGER),
    ("Account.Ownership length", LONGER),
    ("Account.Ownership byteLength", LONGER),
    ("Account.Rating length", LONGER),
    ("Account.Rating byteLength", LONGER),
    ("Account.AccountSource length", LONGER),
    ("Account.AccountSource byteLength", LONGER),
    ("Case.Type length", LONGER),
    ("Case.Type byteLength", LONGER),
    ("Case.Status length", LONGER),
    ("Case.Status byteLength", LONGER),
    ("Case.Reason length", LONGER),
    ("Case.Reason byteLength", LONGER),
    ("Case.Origin length", LONGER),
    ("Case.Origin byteLength", LONGER),
    ("Case.Priority length", LONGER),
    ("Case.Priority byteLength", LONGER),
    ("Case.Comments byteLength", "written as a comment, and counted in bytes where all other text is in characters"),
    ("Contact.Salutation picklistValues", "a picklist that each org changes"),
    ("Contact child AIRecordInsight.TargetId", "the two orgs differ"),
    ("WorkOrderLineItemHistory label", "its own word, where all others are called after their parent"),
    ("WorkOrderLineItemHistory labelPlural", "its own word, where all others are called after their parent"),
    ("Event keyPrefix", "the recording's last two objects were added by hand"),
    ("Lead keyPrefix", "the recording's last two objects were added by hand"),
    ("GeocodeAccuracy picklistValues", "labels got blanks in a later release (NearAddress, Near Address)"),
];
const LONGER: &str = "picklists of standard objects take 255 characters since; recorded at 48.0 with 40";

fn reason(difference: &str) -> &'static str {
    KNOWN.iter().find(|(what, _)| difference.ends_with(what)).map_or("not known", |(_, why)| why)
}

/// What two describes of an object have in common, counted by fact.
#[derive(Default)]
struct Agreement {
    same: u32,
    all: u32,
    differing: Vec<String>,
}

impl Agreement {
    fn note(&mut self, what: &str, own: &Value, real: &Value) {
        self.all += 1;
        if own == real {
            self.same += 1;
        } else {
            let short = |value: &Value| value.to_string().chars().take(120).collect::<String>();
            let line = format!("{what}: {} where {} is recorded ({})", short(own), short(real), reason(what));
            self.differing.push(line);
        }
    }

    /// The fields that both have, attribute by attribute, keys and fields in the recorded order.
    fn fields(&mut self, name: &str, own: &Value, real: &Value) {
        let (own, real) = (own["fields"].as_array().unwrap(), real["fields"].as_array().unwrap());
        let named = |list: &'_ [Value], other: &[Value]| -> Vec<String> {
            let there = |field: &&Value| other.iter().any(|one| one["name"] == field["name"]);
            list.iter().filter(there).map(|field| field["name"].as_str().unwrap().to_owned()).collect()
        };
        let (mut own_order, mut real_order) = (named(own, real), named(real, own));
        // The org whose describes we follow had no record types, so it tells no place for this field.
        own_order.retain(|field| field != "RecordTypeId");
        real_order.retain(|field| field != "RecordTypeId");
        assert_eq!(own_order, real_order, "{name}: the order of the fields");
        for real in real {
            let Some(own) = own.iter().find(|own| own["name"] == real["name"]) else { continue };
            let field = real["name"].as_str().unwrap();
            assert_eq!(keys(own), keys(real), "{name}.{field}: the keys in their order");
            for (key, value) in real.as_object().unwrap() {
                self.note(&format!("{name}.{field} {key}"), &own[key], value);
            }
        }
    }

    /// The child relationships that both have.
    fn children(&mut self, name: &str, own: &Value, real: &Value) {
        let pairs = |describe: &Value| -> BTreeMap<String, Value> {
            let children = describe["childRelationships"].as_array().unwrap().iter();
            let key = |child: &Value| format!("{}.{}", child["childSObject"], child["field"]).replace('"', "");
            children.map(|child| (key(child), child.clone())).collect()
        };
        let own = pairs(own);
        for (key, real) in pairs(real) {
            if let Some(own) = own.get(&key) {
                assert_eq!(keys(own), keys(&real), "{name}: the keys of a relationship in their order");
                self.note(&format!("{name} child {key}"), own, &real);
            }
        }
    }

    #[track_caller]
    fn holds(&self, least: f64, facts: u32) {
        for line in &self.differing {
            say(line);
        }
        let unknown: Vec<&String> = self.differing.iter().filter(|line| line.ends_with("(not known)")).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        let share = f64::from(self.same) / f64::from(self.all);
        say(&format!("{} of {} facts agree ({:.2} %)", self.same, self.all, 100.0 * share));
        assert!(self.all >= facts && share >= least, "{} of {}", self.same, self.all);
    }
}

#[tokio::test]
async fn describes_are_as_recorded() {
    // The recordings of these three are not among the sources that the schema is made from.
    let Some(folder) = fixtures() else { return };
    let client = everything();
    let mut agreement = Agreement::default();
    for name in ["Account", "Contact", "Case"] {
        let real = recorded(&folder, &format!("GET_sobjects_{name}_describe.json"));
        let version = if real.get("associateEntityType").is_some() { "59.0" } else { "48.0" };
        let own = client.version(version).get(&format!("/sobjects/{name}/describe")).await.json();
        assert_eq!(keys(&own), keys(&real), "{name}: the keys in their order");
        for key in keys(&real) {
            if !matches!(key, "fields" | "childRelationships" | "recordTypeInfos" | "urls") {
                agreement.note(&format!("{name} {key}"), &own[key], &real[key]);
            }
        }
        let (own_urls, real_urls) = (keys(&own["urls"]), keys(&real["urls"]));
        assert_eq!(BTreeSet::from_iter(&own_urls), BTreeSet::from_iter(&real_urls), "{name}: the addresses");
        let own_kinds = own["recordTypeInfos"].as_array().unwrap().last().unwrap();
        let real_kinds = real["recordTypeInfos"].as_array().unwrap().last().unwrap();
        assert_eq!(keys(own_kinds), keys(real_kinds));
        assert_eq!(own_kinds["recordTypeId"], real_kinds["recordTypeId"]);
        agreement.fields(name, &own, &real);
        agreement.children(name, &own, &real);
    }
    agreement.holds(0.99, 9_000);
}

#[tokio::test]
async fn describe_global_is_as_recorded() {
    let Some(folder) = fixtures() else { return };
    let client = everything();
    let real = recorded(&folder, "GET_sobjects_Global_describe.json");
    let own = client.version("52.0").get("/sobjects").await.json();
    assert_eq!(keys(&own), keys(&real));
    let own_objects = own["sobjects"].as_array().unwrap();
    let mut agreement = Agreement::default();
    let mut absent = Vec::new();
    for real in real["sobjects"].as_array().unwrap() {
        let name = real["name"].as_str().unwrap();
        let Some(own) = own_objects.iter().find(|own| own["name"] == name) else {
            absent.push(name);
            continue;
        };
        assert_eq!(keys(own), keys(real), "{name}: the keys in their order");
        for (key, value) in real.as_object().unwrap() {
            agreement.note(&format!("{name} {key}"), &own[key], value);
        }
        if name != "WorkOrderLineItem" {
            assert_eq!(keys(&own["urls"]), keys(&real["urls"]), "{name}: the addresses in their order");
        }
    }
    say(&format!("recorded and absent: {absent:?}"));
    agreement.holds(0.99, 2_500);
    let names: Vec<&str> = own_objects.iter().filter_map(|object| object["name"].as_str()).collect();
    assert!(names.is_sorted());
}

#[tokio::test]
async fn the_org_has_every_object_that_the_recorded_one_has() {
    let Some(folder) = fixtures() else { return };
    let text = std::fs::read(folder.join("lwrfileupload/typeNames.json")).unwrap();
    let recorded: Vec<Value> = serde_json::from_slice(&text).unwrap();
    assert_eq!(recorded.len(), 1_254);
    let schema = Schema::of(Catalog::Everything);
    let lacking: Vec<&str> =
        recorded.iter().filter_map(|one| one["name"].as_str()).filter(|name| schema.object(name).is_none()).collect();
    assert!(lacking.is_empty(), "{lacking:?}");
    // Children are as the parents of that org list them, companions too.
    let client = everything();
    let (mut told, mut found) = (0, 0);
    let mut absent: BTreeMap<String, u32> = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join("lwrfileupload/soqlMetadata")).unwrap() {
        let real: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let name = real["name"].as_str().unwrap();
        let parent = schema.object(name).unwrap();
        // What a description lists beside what references say.
        let described = match name {
            "Network" => client.get("/sobjects/Network/describe").await.json()["childRelationships"].clone(),
            _ => Value::Null,
        };
        for child in real["childRelationships"].as_array().unwrap() {
            let (object, field) = (child["childSObject"].as_str().unwrap(), child["field"].as_str().unwrap());
            if object.contains("__") || field.contains("__") {
                continue;
            }
            told += 1;
            let own = parent.children.iter().find(|own| own.object == object && own.field == field);
            let same = own.is_some_and(|own| {
                own.relationship_name.as_deref() == child["relationshipName"].as_str()
                    && json!(own.cascade_delete) == child["cascadeDelete"]
                    && json!(own.restricted_delete) == child["restrictedDelete"]
            });
            if same || described.as_array().is_some_and(|all| all.contains(child)) {
                found += 1;
            } else {
                *absent.entry(format!("{object}.{field}")).or_default() += 1;
            }
        }
    }
    // `UserRecordAccessId` is no field that an object shows, and which objects have it follows from nothing that describe tells.
    let hidden: u32 = absent.iter().filter(|(name, _)| name.ends_with(".UserRecordAccessId")).map(|(_, n)| n).sum();
    let others: Vec<&String> = absent.keys().filter(|name| !name.ends_with(".UserRecordAccessId")).collect();
    say(&format!(
        "{found} of {told} child relationships as recorded; {hidden} are UserRecordAccess's; others: {others:?}"
    ));
    // The others are references of definitions (fields, flows, tabs, lists), which the sources describe as text.
    assert!(told > 9_700 && f64::from(found) / f64::from(told) > 0.96 && others.len() < 65, "{found} of {told}");
}

#[tokio::test]
async fn custom_objects_are_as_recorded() {
    let Some(folder) = fixtures() else { return };
    let client = Client::new();
    let org = &client.emulator.orgs()[0];
    let described = |name: &str| -> Value {
        let path = folder.join(format!("dreamhouse-with-tickets/describes/{name}.json"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    // Lookup and master-detail, built from what a project would say of them.
    let lookup = |name: &str, label: &str, target: &str, order: Option<u8>| {
        let mut field = Field::usual(name, label, FieldType::Reference, 18);
        field.reference_to = vec![target.to_owned()];
        field.relationship_order = order;
        field.updateable = order.is_none();
        field
    };
    org.change_schema(|objects| {
        let mut add = |name: &str, label: &str, name_label: &str, field: Option<Field>| {
            let plural = format!("{label}s");
            let mut object = custom::object(name, label, &plural, custom::Kind::Object, name_label, None);
            field.into_iter().for_each(|field| custom::add_field(&mut object, field));
            objects.push(object);
        };
        add("TicketableEvent__c", "Ticketable Event", "Ticketable Event Name", None);
        let mut event = lookup("Ticketable_Event__c", "Ticketable Event", "TicketableEvent__c", None);
        event.child_relationship_name = Some("Event_Instances__r".to_owned());
        add("EventInstance__c", "Event Instance", "Evemt Instance Name", Some(event));
        let contact = lookup("Contact__c", "Contact", "Contact", Some(0));
        add("TicketAllocation__c", "TicketAllocation", "TicketAllocation Name", Some(contact));
    })
    .unwrap();
    let mut agreement = Agreement::default();
    for name in ["TicketableEvent__c", "EventInstance__c", "TicketAllocation__c"] {
        let own = client.version("44.0").get(&format!("/sobjects/{name}/describe")).await.json();
        let real = described(name);
        assert_eq!(own["layoutable"], real["layoutable"]);
        agreement.fields(name, &own, &real);
        agreement.children(name, &own, &real);
    }
    agreement.holds(0.99, 1_700);
}

/// `Last-Modified` of a describe, or of describeGlobal without a name.
async fn stamp(client: &Client, object: &str) -> String {
    let path = if object.is_empty() { "/sobjects".to_owned() } else { format!("/sobjects/{object}/describe") };
    client.get(&path).await.header("last-modified").to_owned()
}

async fn status_since(client: &Client, path: &str, since: &str) -> u16 {
    client.send_with("GET", path, &[("if-modified-since", since)], axum::body::Body::empty()).await.status
}

#[tokio::test(start_paused = true)]
async fn a_change_moves_the_time_of_what_changed_only() {
    // 2.4, 2.5: whole seconds of the org's clock, the same for every version and however often it is asked for.
    let client = Client::new();
    let org = &client.emulator.orgs()[0];
    let made = stamp(&client, "Account").await;
    assert_eq!(made, "Thu, 01 Jan 2026 00:00:00 GMT");
    assert_eq!((stamp(&client, "Contact").await, stamp(&client, "").await), (made.clone(), made.clone()));
    client.emulator.clock().advance(Duration::from_millis(3_600_700));
    assert_eq!(stamp(&client.version("50.0"), "Account").await, made, "time alone changes nothing");
    assert!(org.add_field("Account", Field::usual("Rank__c", "Rank", FieldType::String, 10)));
    let changed = "Thu, 01 Jan 2026 01:00:00 GMT";
    for version in ["67.0", "50.0"] {
        assert_eq!(stamp(&client.version(version), "Account").await, changed);
    }
    assert_eq!((stamp(&client, "Contact").await.as_str(), stamp(&client, "").await.as_str()), (made.as_str(), changed));
    // Again within the second: whoever described in between learns of it.
    assert!(org.drop_field("Account", "Rank__c"));
    assert_eq!(status_since(&client, "/sobjects/Account/describe", changed).await, 200);
    assert_eq!(stamp(&client, "Account").await, "Thu, 01 Jan 2026 01:00:01 GMT");
    // Parents of a new reference list it among their children.
    client.emulator.clock().advance(Duration::from_secs(60));
    let mut reference = Field::usual("Lead__c", "Lead", FieldType::Reference, 18);
    reference.reference_to = vec!["Lead".to_owned()];
    assert!(org.add_field("Contact", reference));
    assert_eq!(stamp(&client, "Lead").await, "Thu, 01 Jan 2026 01:01:00 GMT");
    assert!(org.remove_object("Note"));
    assert_eq!(status_since(&client, "/sobjects", "Thu, 01 Jan 2026 01:01:00 GMT").await, 200);
    assert_eq!(stamp(&client, "Case").await, made);
}

#[tokio::test(start_paused = true)]
async fn what_has_not_changed_is_not_sent_again() {
    let client = Client::new();
    let made = stamp(&client, "Account").await;
    for path in ["/sobjects/Account/describe", "/sobjects"] {
        let headers = [("if-modified-since", made.as_str())];
        let reply = client.send_with("GET", path, &headers, axum::body::Body::empty()).await;
        assert_eq!((reply.status, reply.body.len(), reply.header("last-modified")), (304, 0, made.as_str()));
        assert_eq!(status_since(&client, path, "Wed, 31 Dec 2025 23:59:59 GMT").await, 200);
        assert_eq!(status_since(&client, path, "yesterday").await, 200, "what is no date is no condition");
    }
    // As a part of a composite request the condition is that part's own.
    let part = |since: &str, id: &str| {
        let url = format!("{}/sobjects/Account/describe", client.base);
        json!({"method": "GET", "url": url, "referenceId": id, "httpHeaders": {"If-Modified-Since": since}})
    };
    let parts = json!({"compositeRequest": [part(&made, "same"), part("Wed, 31 Dec 2025 00:00:00 GMT", "other")]});
    let answer = client.json("POST", "/composite", &parts).await.json();
    let parts = answer["compositeResponse"].as_array().unwrap();
    assert_eq!(parts.iter().map(|part| part["httpStatusCode"].as_u64().unwrap()).collect::<Vec<_>>(), [304, 200]);
    assert_eq!(parts[1]["body"]["name"], "Account");
    assert!(parts[1]["body"]["fields"].as_array().unwrap().len() > 50);
}

#[tokio::test(start_paused = true)]
async fn a_kept_description_follows_rights_schema_and_address() {
    use std::io::Read as _;
    let client = Client::new();
    let org = &client.emulator.orgs()[0];
    let user = client.emulator.credentials(0).user_id;
    let zipped = async |headers: &[(&str, &str)]| -> Value {
        let all = [&[("accept-encoding", "gzip")], headers].concat();
        let reply = client.send_with("GET", "/sobjects/Account/describe", &all, axum::body::Body::empty()).await;
        assert_eq!((reply.status, reply.header("content-encoding")), (200, "gzip"));
        assert_eq!(reply.header("content-type"), "application/json;charset=UTF-8");
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(reply.body.as_slice()).read_to_end(&mut plain).unwrap();
        serde_json::from_slice(&plain).unwrap()
    };
    let field = |describe: &Value, name: &str, key: &str| -> Value {
        let fields = describe["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).map_or(Value::Null, |field| field[key].clone())
    };
    let plain = client.get("/sobjects/Account/describe").await.json();
    for _ in 0..2 {
        assert_eq!(zipped(&[]).await, plain);
    }
    org.set_permission(&user, "CreateAuditFields", true);
    assert_eq!(field(&zipped(&[]).await, "CreatedDate", "createable"), json!(true));
    org.set_permission(&user, "CreateAuditFields", false);
    assert_eq!(field(&zipped(&[]).await, "CreatedDate", "createable"), json!(false));
    // The same right by a permission set: its row decides, not a switch of the test.
    let set = org.rows("PermissionSet").into_iter().find(|set| set["Name"] == "Audit_Fields");
    assert!(set.is_none(), "the world has no such set");
    org.add_field("Account", Field::usual("Rank__c", "Rank", FieldType::String, 10));
    assert_eq!(field(&zipped(&[]).await, "Rank__c", "length"), json!(10));
    let elsewhere = zipped(&[("x-forwarded-proto", "https")]).await;
    assert_eq!(elsewhere["urls"]["uiDetailTemplate"], "https://org.test/{ID}");
    assert_eq!(zipped(&[]).await["urls"]["uiDetailTemplate"], "http://org.test/{ID}");
}

#[tokio::test(start_paused = true)]
async fn rights_follow_the_rows_they_are_made_of() {
    let client = Client::new();
    let org = &client.emulator.orgs()[0];
    let backup = org.rows("User").into_iter().find(|user| user["Alias"] == "backup").unwrap();
    let id = backup["Id"].as_str().unwrap();
    assert!(org.caller(id).can("ViewAllData") && !org.caller(id).can("ManageUsers"));
    let known = org.caller(id);
    assert!(known.has_same_rights(&org.caller(id)), "read once");
    let text = |value: &str| Input::Text(value.to_owned());
    let fields = vec![
        ("Name".to_owned(), text("People")),
        ("Label".to_owned(), text("People")),
        ("PermissionsManageUsers".to_owned(), Input::Bool(true)),
    ];
    let set = org.insert("PermissionSet", fields).unwrap();
    let fields = vec![("PermissionSetId".to_owned(), text(&set)), ("AssigneeId".to_owned(), text(id))];
    let assignment = org.insert("PermissionSetAssignment", fields).unwrap();
    assert!(org.caller(id).can("ManageUsers") && !org.caller(id).has_same_rights(&known));
    org.update(&set, vec![("PermissionsManageUsers".to_owned(), Input::Bool(false))]).unwrap();
    assert!(!org.caller(id).can("ManageUsers"));
    org.update(&set, vec![("PermissionsManageUsers".to_owned(), Input::Bool(true))]).unwrap();
    org.delete(&assignment).unwrap();
    assert!(!org.caller(id).can("ManageUsers"));
}

#[tokio::test]
async fn objects_that_are_rarely_used_cost_a_table_when_they_are() {
    let client = everything();
    let org = &client.emulator.orgs()[0];
    let tables = || -> Vec<String> {
        let names = "SELECT name FROM sqlite_schema WHERE type = 'table'";
        org.read(|tx| {
            let mut statement = tx.conn.prepare(names).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        })
    };
    let before = tables();
    assert!(before.len() < 250, "{}", before.len());
    assert_eq!(client.count("WorkOrderHistory").await, 0);
    assert_eq!(tables(), before, "asking makes none");
    let catalog = client.create("ProductCatalog", &json!({"Name": "All"})).await;
    let id = client.create("ProductCategory", &json!({"Name": "Tools", "CatalogId": catalog})).await;
    let row = client.get(&format!("/sobjects/ProductCategory/{id}")).await.json();
    assert_eq!(row["Name"], "Tools");
    let account = client.create("Account", &json!({"Name": "Acme"})).await;
    let used = tables();
    assert_eq!(client.send("DELETE", &format!("/sobjects/Account/{account}"), "", "").await.status, 204);
    assert_eq!(tables(), used, "children that were never there need no tables");
    let rows = client.query("SELECT Id, (SELECT Id, Name FROM ContainedCategories) FROM ProductCatalog").await;
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_queried_is_refused_as_recorded() {
    // 3.5
    let client = everything();
    let refusal = async |soql: &str| {
        let query: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        client.get(&format!("/query?q={query}")).await.refusal()
    };
    for (soql, code, text) in [
        (
            "SELECT Id FROM ActivityHistory",
            "INVALID_TYPE_FOR_OPERATION",
            "entity type ActivityHistory does not support query",
        ),
        (
            "SELECT Id FROM AccountChangeEvent",
            "INVALID_TYPE_FOR_OPERATION",
            "entity type AccountChangeEvent does not support query",
        ),
        (
            "SELECT Id FROM EntityParticle",
            "MALFORMED_QUERY",
            "EntityParticle: a filter on a reified column is required [EntityDefinitionId,FieldDefinitionId,DurableId]",
        ),
        (
            "SELECT Id FROM UserEntityAccess WHERE IsReadable = true",
            "MALFORMED_QUERY",
            "UserEntityAccess: a filter on a reified column is required [UserId,DurableId]",
        ),
        (
            "SELECT Id FROM DataStatistics",
            "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION",
            "Where clauses should contain StatType",
        ),
        (
            "SELECT Id FROM UserFieldAccess",
            "MALFORMED_QUERY",
            "UserFieldAccess: a filter on a reified column is required [DurableId]",
        ),
        (
            "SELECT Id FROM OwnerChangeOptionInfo",
            "MALFORMED_QUERY",
            "OwnerChangeOptionInfo: a filter on a reified column is required [EntityDefinitionId,DurableId]",
        ),
        (
            "SELECT Id FROM PicklistValueInfo",
            "MALFORMED_QUERY",
            "PicklistValueInfo: a filter on a reified column is required [EntityParticleId,DurableId]",
        ),
        (
            "SELECT Id FROM RelationshipInfo",
            "MALFORMED_QUERY",
            "RelationshipInfo: a filter on a reified column is required [ChildSobjectId,FieldId,DurableId]",
        ),
        (
            "SELECT Id FROM RelationshipDomain",
            "MALFORMED_QUERY",
            "RelationshipDomain: a filter on a reified column is required \
             [FieldId,ChildSobjectId,ParentSobjectId,RelationshipInfoId,DurableId]",
        ),
        (
            "SELECT Id FROM SearchLayout",
            "MALFORMED_QUERY",
            "SearchLayout: a filter on a reified column is required [EntityDefinitionId,DurableId]",
        ),
        (
            "SELECT Id FROM SiteDetail",
            "MALFORMED_QUERY",
            "SiteDetail: a filter on a reified column is required [DurableId]",
        ),
        (
            "SELECT Id FROM FlexQueueItem",
            "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION",
            "The WHERE clause must contain a JobType field expression.",
        ),
        (
            "SELECT Id FROM ListViewChartInstance",
            "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION",
            "Getting all ListViewChartInstances is unsupported",
        ),
        (
            "SELECT Id FROM PlatformAction",
            "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION",
            "Getting all PlatformAction entities is unsupported",
        ),
        (
            "SELECT Id FROM ContentFolderItem",
            "MALFORMED_QUERY",
            "Implementation restriction: ContentFolderItem requires a filter by Id or ParentContentFolderId using the equals \
             or 'IN' operator",
        ),
        (
            "SELECT Id FROM OutgoingEmail WHERE Id = '000000000000000AAA'",
            "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION",
            "This query is not supported on the OutgoingEmail object.",
        ),
    ] {
        assert_eq!(refusal(soql).await, (400, code.to_owned(), text.to_owned()), "{soql}");
    }
    assert!(client.query("SELECT Id FROM UserEntityAccess WHERE UserId = '005000000000001AAA'").await.is_empty());
    let job = json!({"operation": "query", "query": "SELECT Id FROM ShiftStatus"});
    let (status, code, text) = client.json("POST", "/jobs/query", &job).await.refusal();
    assert_eq!((status, code.as_str()), (400, "INVALIDENTITY"), "{text}");
}

#[tokio::test]
async fn every_object_of_connectors_lists_is_refused_as_they_say() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/fixtures/airbyte-source-salesforce/query-restrictions.json");
    let Ok(text) = std::fs::read(&path) else {
        #[allow(clippy::disallowed_macros, reason = "a test that cannot run says why")]
        {
            println!("no fixtures at {}", path.display());
        }
        return;
    };
    let lists: Value = serde_json::from_slice(&text).unwrap();
    let client = everything();
    let schema = client.emulator.orgs()[0].schema();
    let known = |list: &str| -> Vec<String> {
        let names = lists[list].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        names.filter(|name| schema.object(name).is_some()).collect()
    };
    let mut wrong = Vec::new();
    let mut asked = 0;
    for list in ["airbyte.QUERY_RESTRICTED_SALESFORCE_OBJECTS", "airbyte.QUERY_INCOMPATIBLE_SALESFORCE_OBJECTS"] {
        for name in known(list) {
            asked += 1;
            let reply = client.get(&format!("/query?q=SELECT+Id+FROM+{name}")).await;
            if reply.status != 400 {
                wrong.push(format!("{name} can be queried"));
            }
        }
    }
    for name in known("airbyte.UNSUPPORTED_BULK_API_SALESFORCE_OBJECTS") {
        asked += 1;
        let job = json!({"operation": "query", "query": format!("SELECT Id FROM {name}")});
        let reply = client.json("POST", "/jobs/query", &job).await;
        if reply.status != 400 {
            wrong.push(format!("{name} can be read by the Bulk API"));
        }
    }
    assert!(asked > 100 && wrong.is_empty(), "{asked}: {wrong:#?}");
}

#[tokio::test]
async fn access_to_records_is_told_of_one_user_and_up_to_200_records() {
    // Object Reference, "UserRecordAccess"; the texts of INVALID_FIELD as recorded by users of the API
    let client = Client::new();
    let org = &client.emulator.orgs()[0];
    let user = |alias: &str| {
        let users = org.rows("User");
        users.into_iter().find(|user| user["Alias"] == alias).unwrap()["Id"].as_str().unwrap().to_owned()
    };
    let (sales, backup) = (user("sales"), user("backup"));
    let open = client.create("Account", &json!({"Name": "Open"})).await;
    org.set_default_access("Account", orgkeep_emulator::sharing::Access::Read);
    let own = client.create("Account", &json!({"Name": "Own", "OwnerId": sales})).await;
    let rows = async |user: &str, rest: &str| {
        let records = format!("RecordId IN ('{open}', '{}', '001000000000zzz')", &own[..15]);
        client
            .query(&format!(
                "SELECT RecordId, HasReadAccess, HasEditAccess, MaxAccessLevel FROM UserRecordAccess \
                 WHERE UserId = '{user}' AND {records}{rest}"
            ))
            .await
    };
    let told = |rows: &[Value], id: &str| {
        let row = rows.iter().find(|row| row["RecordId"] == id).unwrap();
        (row["HasReadAccess"] == true, row["HasEditAccess"] == true, row["MaxAccessLevel"].as_str().unwrap().to_owned())
    };
    let seen = rows(&sales, "").await;
    assert_eq!(seen.len(), 2, "what is not there is left out");
    assert_eq!(told(&seen, &open), (true, false, "Read".to_owned()));
    assert_eq!(told(&seen, &own), (true, true, "All".to_owned()));
    let editable = rows(&sales, " AND HasEditAccess = true").await;
    assert_eq!((editable.len(), editable[0]["RecordId"].as_str()), (1, Some(own.as_str())));
    assert_eq!(told(&rows(&backup, "").await, &own), (true, false, "Read".to_owned()));
    let refusal = async |soql: &str| {
        let query: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        client.get(&format!("/query?q={query}")).await.refusal()
    };
    let select = "Can select only RecordId, a Has*Access field, and MaxAccessLevel";
    let (_, code, text) = refusal("SELECT Id FROM UserRecordAccess").await;
    assert_eq!((code.as_str(), text.as_str()), ("INVALID_FIELD", select));
    let without = format!("SELECT HasReadAccess FROM UserRecordAccess WHERE UserId = '{sales}' AND RecordId = '{own}'");
    assert_eq!(refusal(&without).await.2, "RecordId field must be selected");
    for filter in [
        String::new(),
        format!(" WHERE RecordId = '{own}'"),
        format!(" WHERE UserId = '{sales}'"),
        format!(" WHERE UserId = '{sales}' AND RecordId IN ({})", vec![format!("'{own}'"); 201].join(",")),
    ] {
        let statement = format!("SELECT RecordId FROM UserRecordAccess{filter}");
        assert_eq!(refusal(&statement).await.1, "MALFORMED_QUERY", "{statement}");
    }
    let page = client.query("SELECT Id FROM Account").await;
    assert_eq!(page.len(), 2);
    assert!(org.rows("UserRecordAccess").is_empty(), "nothing stays");
}

#[test]
fn companions_follow_their_parent() {
    let schema = Schema::of(Catalog::Everything);
    let fields = |name: &str| -> Vec<&str> {
        schema.object(name).unwrap().fields.iter().map(|field| field.name.as_str()).collect()
    };
    assert_eq!(
        fields("WorkOrderHistory"),
        ["Id", "IsDeleted", "WorkOrderId", "CreatedById", "CreatedDate", "Field", "DataType", "OldValue", "NewValue"]
    );
    assert!(fields("WorkOrderShare").contains(&"ParentId") && fields("OrderShare").contains(&"OrderId"));
    assert!(fields("WorkOrderFeed").contains(&"BestCommentId"));
    let events = fields("AccountChangeEvent");
    assert_eq!(events[..4], ["Id", "ReplayId", "ChangeEventHeader", "Name"]);
    assert!(!events.contains(&"SystemModstamp") && events.contains(&"BillingAddress"));
    let event = schema.object("AccountChangeEvent").unwrap();
    assert!(event.fields.iter().all(|field| !field.createable && !field.filterable));
    assert!(!event.queryable && event.is_event());
    assert!(schema.object("Project__ChangeEvent").is_some());
    assert!(Schema::standard().object("AccountChangeEvent").is_none());
    let objects = schema.objects().filter(|object| object.associate_entity_type.is_some());
    for object in objects {
        let parent = object.associate_parent_entity.as_deref().and_then(|name| schema.object(name)).unwrap();
        let kind = Companion::named(object.associate_entity_type.as_deref().unwrap()).unwrap();
        assert_eq!(kind.name_for(&parent.name), object.name);
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_change_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Some(folder.path().join("org.sqlite"));
    let first = Client::with(Settings { store: store.clone(), ..settings() });
    let made = stamp(&first, "Contact").await;
    first.emulator.clock().advance(Duration::from_secs(100));
    assert!(first.emulator.orgs()[0].remove_object("Note"));
    let changed = stamp(&first, "Account").await;
    assert_eq!(changed, "Thu, 01 Jan 2026 00:01:40 GMT", "one of its children is gone");
    drop(first);
    // A day later the same program makes the same schema again, with the object that was removed.
    let later = Settings { store, clock: Clock::starting_at(crate::client::NEW_YEAR + 86_400_000), ..settings() };
    let second = Client::with(later);
    assert_eq!(stamp(&second, "User").await, "Fri, 02 Jan 2026 00:00:00 GMT", "the notes it wrote are back");
    assert_eq!(stamp(&second, "BusinessHours").await, made);
    assert_eq!(stamp(&second, "Note").await, "Fri, 02 Jan 2026 00:00:00 GMT");
    assert_eq!(stamp(&second, "").await, "Fri, 02 Jan 2026 00:00:00 GMT");
}

#[tokio::test(start_paused = true)]
async fn record_types_are_those_of_the_profile() {
    // 2.5: `available` and `defaultRecordTypeMapping` are the caller's.
    let client = Client::new();
    let org = &client.emulator.orgs()[0];
    let kinds = async || -> BTreeMap<String, (bool, bool)> {
        let describe = client.get("/sobjects/Account/describe").await.json();
        let line = |kind: &Value| {
            let flag = |name: &str| kind[name].as_bool().unwrap();
            let name = kind["developerName"].as_str().unwrap().to_owned();
            (name, (flag("available"), flag("defaultRecordTypeMapping")))
        };
        describe["recordTypeInfos"].as_array().unwrap().iter().map(line).collect()
    };
    let before = kinds().await;
    assert!(before.values().all(|(available, _)| *available) && before["Master"].1, "{before:?}");
    let user = client.emulator.credentials(0).user_id;
    let profile = org.rows("User").into_iter().find(|row| row["Id"] == user.as_str()).unwrap()["ProfileId"].clone();
    assert!(org.set_record_type_access(profile.as_str().unwrap(), "Account", "Household", true, true));
    let after = kinds().await;
    assert_eq!((after["Household"], after["Business"], after["Master"]), ((true, true), (false, false), (true, false)));
}

#[tokio::test]
async fn every_object_can_be_described_and_asked_for_or_says_why_not() {
    let client = Client::with(Settings { records: 300, catalog: Catalog::Everything, ..settings() });
    let global = client.get("/sobjects").await.json();
    let objects = global["sobjects"].as_array().unwrap();
    assert!(objects.len() > 1_250, "{}", objects.len());
    let (mut asked, mut refused) = (0, BTreeMap::<String, u32>::new());
    let schema = client.emulator.orgs()[0].schema();
    for (at, object) in objects.iter().enumerate() {
        let name = object["name"].as_str().unwrap();
        // A part of them, because the answers are large.
        if at % 16 == 0 {
            let describe = client.get(&format!("/sobjects/{name}/describe")).await.json();
            for key in keys(object).into_iter().filter(|key| *key != "urls") {
                assert_eq!(describe[key], object[key], "{name}: {key} of describe and describeGlobal");
            }
        }
        if object["queryable"] != true {
            continue;
        }
        let known = schema.object(name).unwrap();
        // Everything at once, so that each column is there and can be read.
        // The emulator's SOQL does not take its own words for fields.
        let words = ["Order", "Group", "Limit", "Offset", "With", "Using", "Where", "From"];
        let fields = known.fields.iter().map(|field| field.name.as_str()).filter(|name| !words.contains(name));
        let fields: Vec<&str> = fields.collect();
        let query: String =
            url::form_urlencoded::byte_serialize(format!("SELECT {} FROM {name} LIMIT 1", fields.join(",")).as_bytes())
                .collect();
        if query.len() > 16_000 {
            continue;
        }
        let reply = client.get(&format!("/query?q={query}")).await;
        if reply.status == 200 {
            asked += 1;
            continue;
        }
        let (_, code, text) = reply.refusal();
        // This one first says what may be selected.
        if name == "UserRecordAccess" && code == "INVALID_FIELD" {
            continue;
        }
        let known = known.needs_filter.as_ref();
        assert!(known.is_some_and(|needs| needs.code == code && needs.message == text), "{name}: {code} {text}");
        *refused.entry(code).or_default() += 1;
    }
    say(&format!("{asked} of {} objects answer, refused: {refused:?}", objects.len()));
    assert!(asked > 1_000 && refused.values().sum::<u32>() > 30);
}
