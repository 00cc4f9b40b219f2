// SPDX-License-Identifier: Apache-2.0
//! Vaults in Azure Blob Storage, as Microsoft's own emulator of it, Azurite, plays it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::s3::free_ports;
use super::stored::{World, story};
use super::{Case, Outcome};
use crate::clients::Azurite;
use crate::place::Place;
use crate::{Result, child, clients};

const READY: Duration = Duration::from_secs(60);
/// Azurite has one account, whose name and key everybody knows; this is a signature with that key for making containers.
const ACCOUNT: &str = "devstoreaccount1";
const SIGNATURE: &str = "sv=2021-08-06&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00%3A00%3A00Z&sig=96c2EygB3PgwPw%2FPybbUy3WlHCPrp0h%2FIdLehWe2UEU%3D";

pub fn cases() -> Vec<Case> {
    vec![Case {
        title: "store: a vault in Azure Blob Storage (Azurite)".to_owned(),
        check: Box::new(|place: &Place| {
            if !clients::runs(Command::new("curl").arg("--version")) {
                return Outcome::Skipped("there is no curl to make a container".to_owned());
            }
            match clients::azurite(place) {
                Ok(azurite) => Outcome::of(play(place, &azurite)),
                Err(why) => Outcome::Skipped(why),
            }
        }),
    }]
}

/// The server, until it is dropped.
struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        child::stop(&mut self.child);
    }
}

impl Server {
    fn start(azurite: &Azurite, folder: &Path) -> Result<Server> {
        let [port]: [u16; 1] = free_ports()?;
        let mut command = Command::new(&azurite.node);
        command.arg(&azurite.program).args(["--silent", "--location"]).arg(folder.join("blobs"));
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]).current_dir(folder);
        let log = folder.join("azurite.log");
        let child = command.stdin(Stdio::null()).stdout(child::create(&log)?).stderr(Stdio::null()).spawn();
        let child = child.map_err(|error| format!("cannot start Azurite: {error}"))?;
        let server = Server { child, url: format!("http://127.0.0.1:{port}") };
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if started.elapsed() > READY {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("Azurite did not start: {}", child::tail(&said)));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(server)
    }
}

fn play(place: &Place, azurite: &Azurite) -> Result<()> {
    let folder = place.scratch("azure")?;
    let server = Server::start(azurite, &folder)?;
    let container = format!("{}/{ACCOUNT}/vaults?restype=container&{SIGNATURE}", server.url);
    let mut make = Command::new("curl");
    make.args([
        "--silent",
        "--show-error",
        "--fail-with-body",
        "--request",
        "PUT",
        "-H",
        "content-length: 0",
        &container,
    ]);
    child::kept(&mut make, &folder.join("curl"), READY)?;
    let variables =
        vec![("AZURE_STORAGE_USE_EMULATOR", "true".to_owned()), ("AZURITE_BLOB_STORAGE_URL", server.url.clone())];
    story(&World::new(place, &folder, variables)?, "az://vaults")
}
