// SPDX-License-Identifier: Apache-2.0
//! Vaults in Azure Blob Storage, as Microsoft's own emulator of it, Azurite, plays it.

use std::process::Command;
use std::time::Duration;

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

fn play(place: &Place, azurite: &Azurite) -> Result<()> {
    let folder = place.scratch("azure")?;
    let [port]: [u16; 1] = child::free_ports()?;
    let mut serve = Command::new(&azurite.node);
    serve.arg(&azurite.program).args(["--silent", "--location"]).arg(folder.join("blobs"));
    serve.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]).current_dir(&folder);
    let _server = child::serving(&mut serve, &folder.join("azurite"), port, READY, |_| true)?;
    let url = format!("http://127.0.0.1:{port}");
    let container = format!("{url}/{ACCOUNT}/vaults?restype=container&{SIGNATURE}");
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
    let variables = vec![("AZURE_STORAGE_USE_EMULATOR", "true".to_owned()), ("AZURITE_BLOB_STORAGE_URL", url)];
    story(&World::new(place, &folder, variables)?, "az://vaults")
}
