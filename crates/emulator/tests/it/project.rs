// SPDX-License-Identifier: Apache-2.0
//! Projects that other people wrote load: their objects, fields and record types are there as describe would show them.

use std::path::{Path, PathBuf};
use std::process::Command;

use orgkeep_emulator::org::Org;
use orgkeep_emulator::project::{self, Project, ProjectError};
use orgkeep_emulator::record::Input;
use orgkeep_emulator::schema::{FieldType, Schema};
use orgkeep_emulator::{Catalog, Clock, Emulator, Settings};

/// Unpacks an archive of the fixtures. `None`, with the reason printed, where the fixtures are absent.
#[allow(clippy::disallowed_macros, reason = "a test that cannot run says why")]
fn unpack(archive: &str, into: &Path) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures").join(archive);
    if !path.exists() {
        println!("no fixtures at {}", path.display());
        return None;
    }
    let done = Command::new("tar").arg("xzf").arg(&path).arg("-C").arg(into).status().expect("tar runs");
    assert!(done.success());
    Some(into.to_owned())
}

fn load(archive: &str) -> Option<Project> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = unpack(archive, folder.path())?;
    Some(project::load(&Schema::standard(), &path).expect("the project loads"))
}

#[test]
fn dreamhouse() {
    let Some(loaded) = load("sfdx-projects/dreamhouse-metadata.tar.gz") else { return };
    assert_eq!(loaded.skipped, Vec::<String>::new());
    let property = loaded.schema.object("Property__c").expect("there");
    let kind = |name: &str| property.field(name).map(|field| field.kind);
    assert_eq!(kind("Broker__c"), Some(FieldType::Reference));
    assert_eq!(kind("Location__c"), Some(FieldType::Location));
    assert_eq!(kind("Location__Latitude__s"), Some(FieldType::Double));
    assert_eq!(kind("Price__c"), Some(FieldType::Currency));
    let broker = loaded.schema.object("Broker__c").expect("there");
    assert!(broker.child("Properties__r").is_some_and(|child| child.object == "Property__c"));
    assert_ne!(property.key_prefix, broker.key_prefix);
    assert!(loaded.schema.object("Broker__Share").is_some());
    assert_eq!(broker.label_plural, "Brokers");
}

#[test]
fn ebikes() {
    let Some(loaded) = load("sfdx-projects/ebikes-metadata.tar.gz") else { return };
    let item = loaded.schema.object("Order_Item__c").expect("there");
    let master = item.field("Order__c").expect("there");
    assert!(master.is_master_detail() && master.cascade_delete && !item.has("OwnerId"));
    let category = loaded.schema.object("Product__c").and_then(|object| object.field("Category__c")).expect("there");
    assert!(category.restricted_picklist);
    assert_eq!(
        category.picklist.iter().map(|value| value.value.as_str()).collect::<Vec<_>>(),
        ["Mountain", "Commuter"]
    );
    let event = loaded.schema.object("Manufacturing_Event__e").expect("there");
    assert!(
        event.createable
            && !event.queryable
            && event.key_prefix.as_deref().is_some_and(|prefix| prefix.starts_with('e'))
    );
}

#[test]
fn apex_recipes() {
    let Some(loaded) = load("sfdx-projects/apexrecipes-metadata.tar.gz") else { return };
    let junction = loaded.schema.object("Junction__c").expect("there");
    let masters = junction.fields.iter().filter(|field| field.is_master_detail()).count();
    assert_eq!(masters, 2);
    assert!(loaded.schema.object("Metadata_Driven_Trigger__mdt").is_some_and(|object| !object.createable));
    let account = loaded.schema.object("Account").expect("there");
    assert!(account.fields.iter().any(|field| field.name.ends_with("__c") && field.custom));
}

#[test]
fn a_large_project_loads_and_says_what_it_leaves_out() {
    let Some(loaded) = load("NPSP/npsp-metadata.tar.gz") else { return };
    let custom = loaded.schema.objects().filter(|object| object.name.ends_with("__c")).count();
    assert!(custom > 40, "{custom}");
    for reason in &loaded.skipped {
        let known = ["is not emulated", "Not available for deploy", "is not in the project"];
        assert!(known.iter().any(|text| reason.ends_with(text)), "{reason}");
    }
    Org::open(0, loaded.schema, Clock::starting_at(0), None).expect("its tables can be made");
}

#[test]
fn an_emulator_starts_with_a_project_and_saves_its_records() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(path) = unpack("sfdx-projects/dreamhouse-metadata.tar.gz", folder.path()) else { return };
    let emulator = Emulator::start(Settings { project: Some(path), ..Settings::default() }).expect("it starts");
    let org = &emulator.orgs()[0];
    let text = |value: &str| Input::Text(value.to_owned());
    let broker = org.insert("Broker__c", vec![("Name".into(), text("Ann"))]).expect("saved");
    let house = vec![
        ("Name".into(), text("House")),
        ("Broker__c".into(), text(&broker)),
        ("Location__Latitude__s".into(), Input::Number("42.35".into())),
    ];
    org.insert("Property__c", house).expect("saved");
    assert_eq!(org.rows("Property__c")[0]["Broker__c"], serde_json::json!(broker));
}

#[test]
fn metadata_api_form_and_shared_value_sets() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    write(
        "src/objects/Boat__c.object",
        "<CustomObject xmlns=\"http://soap.sforce.com/2006/04/metadata\"><label>Boat</label><pluralLabel>Boats</pluralLabel>\
         <enableFeeds>true</enableFeeds><enableHistory>true</enableHistory><nameField><label>No</label><type>AutoNumber</type><displayFormat>B-{000}</displayFormat></nameField>\
         <fields><fullName>Color__c</fullName><label>Color</label><type>Picklist</type><valueSet><valueSetName>Colors</valueSetName></valueSet></fields>\
         <fields><fullName>Twice__c</fullName><label>Twice</label><type>Number</type><precision>10</precision><scale>1</scale><formula>Tons__c * 2</formula></fields>\
         <fields><fullName>Tons__c</fullName><label>Tons</label><type>Number</type><precision>6</precision><scale>1</scale><required>true</required></fields>\
         <fields><fullName>Odd__c</fullName><label>Odd</label><type>ExternalLookup</type></fields>\
         <recordTypes><fullName>Sail</fullName><active>true</active><label>Sailing</label></recordTypes></CustomObject>",
    );
    write(
        "src/globalValueSets/Colors.globalValueSet",
        "<GlobalValueSet xmlns=\"http://soap.sforce.com/2006/04/metadata\"><customValue><fullName>Red</fullName><default>true</default>\
         <label>Red</label></customValue><customValue><fullName>Blue</fullName><default>false</default><label>Bleu</label></customValue></GlobalValueSet>",
    );
    let loaded = project::load(&Schema::standard(), folder.path()).expect("it loads");
    assert_eq!(loaded.skipped, ["Boat__c.Odd__c: field type ExternalLookup is not emulated"]);
    let org = Org::open(0, loaded.schema, Clock::starting_at(0), None).expect("opens");
    let error = org.insert("Boat__c", vec![]).expect_err("tons are required");
    assert_eq!(error.fields, ["Tons__c"]);
    org.insert("Boat__c", vec![("Tons__c".into(), Input::Number("2.5".into()))]).expect("saved");
    let boat = &org.rows("Boat__c")[0];
    assert_eq!((&boat["Name"], &boat["Color__c"], &boat["Twice__c"]), (&"B-001".into(), &"Red".into(), &5.0.into()));
    let schema = org.schema();
    let object = schema.object("Boat__c").expect("there");
    assert!(object.has("RecordTypeId") && object.record_types[0].id.starts_with("012"));
    assert!(schema.object("Boat__History").is_some() && schema.object("Boat__ChangeEvent").is_none());
    assert!(object.feed_enabled && schema.object("Boat__Feed").is_some_and(|feed| feed.has("Body")));
    // A post about a boat is in the feed of boats under the same Id.
    let boat = boat["Id"].as_str().expect("an Id").to_owned();
    let post = vec![("ParentId".into(), Input::Text(boat)), ("Body".into(), Input::Text("Ahoy".into()))];
    let post = org.insert("FeedItem", post).expect("saved");
    assert_eq!(org.rows("Boat__Feed")[0]["Id"], post.as_str());
    let whole = project::load(&Schema::of(Catalog::Everything), folder.path()).expect("it loads").schema;
    assert!(whole.object("Boat__ChangeEvent").is_some_and(|events| events.has("Color__c") && !events.queryable));
}

#[test]
fn a_folder_without_objects_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = project::load(&Schema::standard(), folder.path()).expect_err("nothing in it");
    assert!(matches!(error, ProjectError::Empty { .. }) && error.to_string().starts_with("there is no metadata in "));
    let broken = folder.path().join("objects/X__c/X__c.object-meta.xml");
    std::fs::create_dir_all(broken.parent().expect("a folder")).expect("made");
    std::fs::write(&broken, "<CustomObject><label>").expect("written");
    let error = project::load(&Schema::standard(), folder.path()).expect_err("broken");
    assert!(error.to_string().contains("X__c.object-meta.xml is not well-formed XML"), "{error}");
}
