// SPDX-License-Identifier: Apache-2.0
//! A caller of the Metadata API, for tests: envelopes as clients write them, zips, and waiting by the clock.
pub mod wsdl;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use orgkeep_emulator::metadata::archive;
use orgkeep_emulator::metadata::xml::{self, Node};

use crate::client::{Client, Reply};

/// Files by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// An archive of the fixtures, unpacked. `None`, with the reason printed, where the fixtures are absent.
#[allow(clippy::disallowed_macros, reason = "a test that cannot run says why")]
pub fn unpack(archive: &str, into: &Path) -> Option<PathBuf> {
    let path = fixture(archive)?;
    let done = Command::new("tar").arg("xzf").arg(&path).arg("-C").arg(into).status().expect("tar runs");
    assert!(done.success());
    Some(into.to_owned())
}

/// A file of the fixtures. `None`, with the reason printed, where they are absent.
#[allow(clippy::disallowed_macros, reason = "a test that cannot run says why")]
pub fn fixture(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures").join(name);
    if !path.exists() {
        println!("no fixtures at {}", path.display());
        return None;
    }
    Some(path)
}

/// Posts an operation; the body's first element of the answer.
pub async fn call(client: &Client, operation: &str) -> Node {
    let reply = post(client, operation).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let envelope = xml::parse(reply.text()).expect("well-formed");
    envelope.first("Body").expect("a body").children[0].clone()
}

/// Posts an operation as CumulusCI does.
pub async fn post(client: &Client, operation: &str) -> Reply {
    post_with(client, "", operation).await
}

pub async fn post_with(client: &Client, header: &str, operation: &str) -> Reply {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soap:Header><SessionHeader xmlns=\"http://soap.sforce.com/2006/04/metadata\">\
         <sessionId>{}</sessionId></SessionHeader>{header}</soap:Header><soap:Body>{operation}</soap:Body></soap:Envelope>",
        client.token
    );
    let headers = [("content-type", "text/xml; charset=UTF-8"), ("soapaction", "\"\"")];
    client.send_with("POST", "/services/Soap/m/67.0", &headers, text).await
}

pub fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    archive::write(&files.iter().map(|(path, body)| ((*path).to_owned(), body.as_bytes().to_vec())).collect())
}

/// A package with everything of the types named.
pub fn package(types: &[(&str, &[&str])]) -> String {
    let types: String = types
        .iter()
        .map(|(name, members)| {
            let members: String = members.iter().map(|member| format!("<members>{member}</members>")).collect();
            format!("<types>{members}<name>{name}</name></types>")
        })
        .collect();
    format!("<Package xmlns=\"http://soap.sforce.com/2006/04/metadata\">{types}<version>67.0</version></Package>")
}

/// Deploys and waits: the `DeployResult`.
pub async fn deploy(client: &Client, zip: &[u8], options: &str) -> Node {
    let zip = base64::engine::general_purpose::STANDARD.encode(zip);
    let started =
        call(client, &format!("<deploy><ZipFile>{zip}</ZipFile><DeployOptions>{options}</DeployOptions></deploy>"))
            .await;
    let id = started.first("result").expect("a result").text_of("id").to_owned();
    finished(client, &id).await
}

/// Waits for a deploy.
pub async fn finished(client: &Client, id: &str) -> Node {
    for _ in 0..600 {
        let operation = format!(
            "<checkDeployStatus><asyncProcessId>{id}</asyncProcessId><includeDetails>true</includeDetails></checkDeployStatus>"
        );
        let answer = call(client, &operation).await;
        let result = answer.first("result").expect("a result");
        if result.is_true("done") {
            return result.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the deploy does not end");
}

/// Deploys what must succeed, at the root of the zip.
pub async fn deploy_well(client: &Client, zip: &[u8]) -> Node {
    let result = deploy(client, zip, "<singlePackage>true</singlePackage>").await;
    assert_eq!(result.text_of("status"), "Succeeded", "{:#?}", problems(&result));
    result
}

/// Full name and problem of what failed.
pub fn problems(result: &Node) -> Vec<(String, String)> {
    let details = result.first("details").expect("details");
    let failures = details.all("componentFailures");
    failures.map(|one| (one.text_of("fullName").to_owned(), one.text_of("problem").to_owned())).collect()
}

/// Retrieves: the files below `unpackaged/`, and the result.
pub async fn retrieve(client: &Client, package: &str) -> (Files, Node) {
    let unpackaged: String = xml::parse(package).expect("a package").children.iter().map(Node::compact).collect();
    let operation = format!(
        "<retrieve><retrieveRequest><apiVersion>67.0</apiVersion><unpackaged>{unpackaged}</unpackaged></retrieveRequest></retrieve>"
    );
    let started = call(client, &operation).await;
    let id = started.first("result").expect("a result").text_of("id").to_owned();
    for _ in 0..600 {
        let operation = format!("<checkRetrieveStatus><asyncProcessId>{id}</asyncProcessId></checkRetrieveStatus>");
        let answer = call(client, &operation).await;
        let result = answer.first("result").expect("a result").clone();
        if result.is_true("done") {
            let zip = base64::engine::general_purpose::STANDARD.decode(result.text_of("zipFile")).expect("base64");
            let files = if zip.is_empty() { Files::new() } else { archive::read(&zip).expect("a zip") };
            let inside = |path: String| path.strip_prefix("unpackaged/").map(str::to_owned).expect("below unpackaged");
            return (files.into_iter().map(|(path, body)| (inside(path), body)).collect(), result);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the retrieve does not end");
}

/// A list of components of a type: full names.
pub async fn list(client: &Client, kind: &str, folder: &str) -> Vec<String> {
    let folder = if folder.is_empty() { String::new() } else { format!("<folder>{folder}</folder>") };
    let operation = format!(
        "<listMetadata><queries>{folder}<type>{kind}</type></queries><asOfVersion>67.0</asOfVersion></listMetadata>"
    );
    let answer = call(client, &operation).await;
    answer.all("result").map(|one| one.text_of("fullName").to_owned()).collect()
}

/// A file with its elements in the order of their names and of what they say, for comparison.
pub fn normal(text: &str) -> String {
    sorted(xml::parse(text).expect("well-formed"))
}

/// The same of an element, without what it is declared with.
pub fn sorted(mut node: Node) -> String {
    fn sort(node: &mut Node) {
        node.children.iter_mut().for_each(sort);
        node.children.sort_by_cached_key(|child| (child.name.clone(), child.compact()));
    }
    sort(&mut node);
    node.attributes.clear();
    node.compact()
}
