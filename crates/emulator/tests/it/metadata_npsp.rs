// SPDX-License-Identifier: Apache-2.0
//! All metadata of NPSP through the Metadata API, in the order in which CumulusCI deploys it: what has to be there before,
//! the package, what comes after it, then each of the configurations. After each deploy its components are retrieved by name,
//! and every single file of the project is held against what came back.
//!
//! The fixtures leave out program code, so each description of code gets a body of its own here. Tokens are filled in as
//! CumulusCI fills them in for an unmanaged deploy into an org without a namespace.

use std::collections::BTreeSet;

use crate::client::Client;
use crate::npsp::shown::{How, Shown};
use crate::npsp::{Tree, filter_groups, injected, managed, packages, supplied, tree};
use crate::porter::{Files, deploy_well, retrieve};
use orgkeep_emulator::metadata::xml::{self, Node};
use orgkeep_emulator::metadata::{archive, manifest::Manifest, source};

/// In this order, as some name fields that others bring.
const CONFIGURATIONS: [&str; 24] = [
    "dev",
    "trial",
    "delete",
    "npsp_standard_user_profile",
    "qa",
    "qa_namespaced",
    "qa_bdi_custom_metadata",
    "perf",
    "con_merge_testing",
    "crlp_testing",
    "ps_testing",
    "core_instrumentation_mock_classes",
    "offsetfiscal",
    "platformencryption_fields",
    "platformencryption_permset",
    "config_ldv_org_for_testing",
    "regression_bdi_custom_metadata",
    "rd2_post_config",
    "reports",
    "trailhead",
    "trailhead_delete",
    "trial_pmm",
    "trial_translations",
    "trial_tso",
];

/// The options that CumulusCI deploys with, but that files may be missing: manifests name dashboards, paths and prompts that the
/// fixtures leave out.
const OPTIONS: &str = "<allowMissingFiles>true</allowMissingFiles><autoUpdatePackage>false</autoUpdatePackage><checkOnly>false</checkOnly>\
     <ignoreWarnings>true</ignoreWarnings><performRetrieve>false</performRetrieve><purgeOnDelete>false</purgeOnDelete>\
     <rollbackOnError>true</rollbackOnError><singlePackage>true</singlePackage>";

#[tokio::test]
#[allow(clippy::disallowed_macros, reason = "the test says how much it compared")]
async fn all_of_npsp_deploys_and_comes_back_equal() {
    let folder = tempfile::tempdir().unwrap();
    let Some(root) = crate::porter::unpack("NPSP/npsp-metadata.tar.gz", folder.path()) else { return };
    let client = Client::new();
    let every = tree(&root, "");
    deploy_well(&client, &archive::write(&packages(&every))).await;
    deploy_well(&client, &archive::write(&managed(&every))).await;
    let mut held = Held::default();
    for name in ["account_record_types", "opportunity_record_types"] {
        held.package(&client, &root, &format!("unpackaged/pre/{name}")).await;
    }
    held.project(&client, &root, "force-app").await;
    held.package(&client, &root, "unpackaged/post/first").await;
    deploy_well(&client, &archive::write(&filter_groups())).await;
    for name in CONFIGURATIONS {
        held.package(&client, &root, &format!("unpackaged/config/{name}")).await;
    }
    held.project(&client, &root, "unpackaged/gift_entry").await;
    println!(
        "{} files of the fixtures and {} bodies of code: {} byte for byte, {} element for element",
        held.from_fixtures, held.supplied, held.by_bytes, held.by_elements
    );
    assert_eq!(held.different, Vec::<String>::new());
    // Every file of the fixtures was held against an answer, but for those that are no metadata.
    let beside: Vec<String> = every.into_keys().filter(|path| !held.seen.contains(path)).collect();
    assert_eq!(beside, ["LICENSE", "sfdx-project.json", "unpackaged/README.md"]);
    assert_eq!((held.from_fixtures, held.supplied), (10_432, 1_657));
    // All but the 27 manifests and the two lists of removals that decided what was deployed.
    assert_eq!((held.by_bytes, held.by_elements), (4_045, 8_015));
    assert_eq!(held.unnamed, 37);
}

/// What was held against answers so far.
#[derive(Default)]
struct Held {
    from_fixtures: usize,
    supplied: usize,
    by_bytes: usize,
    by_elements: usize,
    /// Files that their own package does not name.
    unnamed: usize,
    different: Vec<String>,
    /// Files of the fixtures, by their path in them; manifests are seen when they decide what is deployed.
    seen: BTreeSet<String>,
}

impl Held {
    /// A part in the source format.
    async fn project(&mut self, client: &Client, root: &std::path::Path, part: &str) {
        let given = tree(root, part);
        let added = supplied(&given);
        let folder = tempfile::tempdir().unwrap();
        let all: Tree = given.iter().chain(&added).map(|(path, body)| (path.clone(), body.clone())).collect();
        for (path, body) in injected(&all) {
            // A permission set lies in no folder of its type.
            let path = match path.strip_prefix("unpackaged/gift_entry/") {
                Some(file) => format!("permissionsets/{file}"),
                None => path,
            };
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, body).unwrap();
        }
        let parcel = source::read(folder.path()).unwrap();
        let back = deployed(client, parcel.files, &parcel.manifest.document()).await;
        let mut shown = Shown::new(&back);
        for (path, body) in &injected(&all) {
            let how = shown.source(path, body);
            self.count(path, how);
        }
        self.from_fixtures += given.len();
        self.supplied += added.len();
        self.seen.extend(given.into_keys());
    }

    /// A part in the form of the Metadata API, with its own manifest.
    async fn package(&mut self, client: &Client, root: &std::path::Path, part: &str) {
        let given = tree(root, part);
        let added = supplied(&given);
        let all: Tree = given.iter().chain(&added).map(|(path, body)| (path.clone(), body.clone())).collect();
        let mut files = Files::new();
        for (path, body) in injected(&all) {
            let path = path.strip_prefix(part).unwrap().trim_start_matches('/');
            // Some were kept in the source format, whose ending the Metadata API does not know.
            let converted = [".layout-meta.xml", ".flexipage-meta.xml"].iter().any(|end| path.ends_with(end));
            let path = if converted { path.trim_end_matches("-meta.xml") } else { path };
            files.insert(path.to_owned(), body);
        }
        let manifest = files.remove("package.xml").unwrap();
        let version = Manifest::parse(std::str::from_utf8(&manifest).unwrap()).unwrap().version;
        let mut back = deployed(client, files.clone(), std::str::from_utf8(&manifest).unwrap()).await;
        // A manifest that names removals takes effect, and has nothing that could come back.
        files.retain(|path, _| !path.starts_with("destructiveChanges"));
        // What a manifest does not name is not deployed, be it a file or a part of one. It is here, with one that names it.
        let mut shown = Shown::new(&back);
        let left = files.iter().filter(|(path, body)| shown.whole(path, body) == How::Not);
        let left: Files = left.map(|(path, body)| (path.clone(), body.clone())).collect();
        if !left.is_empty() {
            self.unnamed += left.len();
            let mut manifest = Manifest { version: version.clone(), ..Manifest::default() };
            for place in left.keys().map(|path| orgkeep_emulator::metadata::deploy::parcel::place(path).unwrap()) {
                manifest.add(&place.listed_as, "*");
            }
            back.extend(deployed(client, left, &manifest.document()).await);
        }
        let mut shown = Shown::new(&back);
        for (path, body) in &files {
            let how = shown.whole(path, body);
            self.count(&format!("{part}/{path}"), how);
        }
        self.from_fixtures += given.len();
        self.supplied += added.len();
        self.seen.extend(given.into_keys());
    }

    fn count(&mut self, path: &str, how: How) {
        match how {
            How::Bytes => self.by_bytes += 1,
            How::Elements => self.by_elements += 1,
            How::Not => self.different.push(path.to_owned()),
        }
    }
}

/// Deploys, and retrieves what the deploy reported, by name. A profile comes back with what else is retrieved, so what it has
/// permissions for is named too.
async fn deployed(client: &Client, mut files: Files, manifest: &str) -> Files {
    files.insert("package.xml".to_owned(), manifest.as_bytes().to_vec());
    let result = crate::porter::deploy(client, &archive::write(&files), OPTIONS).await;
    let problems = crate::porter::problems(&result);
    let wrong: Vec<_> = problems.iter().filter(|(_, text)| text != "Not in package.xml").collect();
    assert_eq!(result.text_of("status"), "Succeeded", "{wrong:#?}");
    let mut wanted = Manifest { version: "67.0".into(), ..Manifest::default() };
    for one in result.first("details").unwrap().all("componentSuccesses") {
        if one.text_of("problem") == "Not in package.xml" || one.text_of("fileName").starts_with("destructive") {
            continue;
        }
        let kind = one.text_of("componentType").replace("EmailFolder", "EmailTemplate");
        if !kind.is_empty() {
            wanted.add(kind.trim_end_matches("Folder"), one.text_of("fullName"));
        }
    }
    let reported = wanted.clone();
    for body in files.iter().filter(|(path, _)| path.ends_with(".profile")).map(|(_, body)| body) {
        for entry in xml::parse(std::str::from_utf8(body).unwrap()).unwrap().children {
            let (kind, element) = match entry.name.as_str() {
                "applicationVisibilities" => ("CustomApplication", "application"),
                "classAccesses" => ("ApexClass", "apexClass"),
                "fieldPermissions" => ("CustomField", "field"),
                "layoutAssignments" => ("Layout", "layout"),
                "objectPermissions" => ("CustomObject", "object"),
                "pageAccesses" => ("ApexPage", "apexPage"),
                "recordTypeVisibilities" => ("RecordType", "recordType"),
                "tabVisibilities" => ("CustomTab", "tab"),
                _ => continue,
            };
            wanted.add(kind, entry.text_of(element));
        }
    }
    let (back, result) = retrieve(client, &wanted.document()).await;
    for problem in result.all("messages").map(|one: &Node| one.text_of("problem")) {
        let is_reported = reported.types.iter().any(|(kind, members)| {
            members.iter().any(|name| problem == format!("Entity of type '{kind}' named '{name}' cannot be found"))
        });
        assert!(!is_reported, "{problem}");
    }
    back
}
