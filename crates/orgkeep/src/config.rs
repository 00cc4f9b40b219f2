// SPDX-License-Identifier: Apache-2.0
//! The configuration file: the connectors, each a named link from one org to one vault.
//!
//! ```toml
//! [connectors.acme]
//! vault = "/srv/backup/vault"
//! passphrase_file = "/etc/orgkeep/passphrase"
//! url = "https://acme.my.salesforce.com/"
//! org_id = "00D…"
//! org_name = "Acme"
//! username = "backup@acme.example"
//! login = { kind = "client-credentials", client_id = "3MVG…", client_secret = { file = "/etc/orgkeep/acme.secret" } }
//! ```
//!
//! The file never holds a secret, only where each is. It is written as a whole beside itself and then moved over the
//! old one, so that a crash leaves one or the other; comments and keys of other tools in it survive. Two `connect`s at
//! the very same moment may lose one of the two changes.

mod kept;
mod seen;

use crate::cli::Unlocking;
use crate::failure::{Failure, Kind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, Item, Table};
use url::Url;

pub use kept::Kept;
pub use seen::Seen;

/// One connector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// A path from the root, or the URL of a bucket.
    pub vault: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_key_file: Option<PathBuf>,
    /// Where to sign in; with an access token the org's own address.
    pub url: Url,
    /// 18 characters. A login to another org is refused.
    pub org_id: String,
    pub org_name: String,
    /// Who signed in.
    pub username: String,
    /// Percent of the org's daily API requests at which a backup pauses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_share: Option<u8>,
    /// Bytes of the bodies of files that a backup fetches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_budget_bytes: Option<u64>,
    /// After so many days a backup holds all Ids and formulas against the org's, though the counts agree; 0 for never. 7 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile_days: Option<u32>,
    pub login: Login,
}

impl Connector {
    /// The files that open its vault without a person.
    pub fn unlocking(&self) -> Unlocking {
        Unlocking { passphrase_file: self.passphrase_file.clone(), recovery_key_file: self.recovery_key_file.clone() }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Login {
    /// Not signed in yet: the connector came with a vault that was attached.
    None {},
    AccessToken {
        access_token: Place,
    },
    ClientCredentials {
        client_id: String,
        client_secret: Place,
    },
    JwtBearer {
        client_id: String,
        username: String,
        key_file: PathBuf,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audience: Option<String>,
    },
    RefreshToken {
        client_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_secret: Option<Place>,
        refresh_token: Place,
    },
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the user's own file, read each time.
    File(PathBuf),
    /// In an environment variable, read each time.
    Environment(String),
    /// Typed in once: in Orgkeep's file of secrets beside the configuration.
    Kept,
}

/// The file and what is in it.
#[derive(Debug)]
pub struct Config {
    path: PathBuf,
    document: DocumentMut,
    connectors: BTreeMap<String, Connector>,
}

#[derive(Default, Deserialize)]
struct Whole {
    #[serde(default)]
    connectors: BTreeMap<String, Connector>,
}

impl Config {
    /// Reads the file; one that is not there counts as empty.
    pub fn load(path: &Path) -> Result<Config, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(Failure::caused(Kind::Invalid, format!("could not read {}", path.display()), &error));
            }
        };
        let faulty = |error: &(dyn std::error::Error + 'static)| {
            // The TOML library's words span several lines and show the place.
            Failure::invalid(format!(
                "{} is not a valid configuration: {}",
                path.display(),
                error.to_string().trim_end()
            ))
            .hint("docs/contract.md lists the keys; correct the file, or move it away and run `orgkeep connect` again")
        };
        let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| faulty(&error))?;
        let whole: Whole = toml_edit::de::from_str(&text).map_err(|error| faulty(&error))?;
        Ok(Config { path: path.to_owned(), document, connectors: whole.connectors })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The connector of this name, or which ones there are.
    pub fn connector(&self, name: &str) -> Result<&Connector, Failure> {
        self.connectors.get(name).ok_or_else(|| {
            let failure =
                Failure::new(Kind::NotFound, format!("no connector is named {name} in {}", self.path.display()));
            if self.connectors.is_empty() {
                failure.hint(format!(
                    "run `orgkeep connect {name} --vault VAULT --url URL …` first, or name the right file with --config"
                ))
            } else {
                let names: Vec<&str> = self.connectors.keys().map(String::as_str).collect();
                failure.hint(format!("connectors there: {}", names.join(", ")))
            }
        })
    }

    pub fn connectors(&self) -> impl Iterator<Item = (&str, &Connector)> {
        self.connectors.iter().map(|(name, connector)| (name.as_str(), connector))
    }

    /// The connectors of an org in a vault.
    pub fn linking(&self, vault: &str, org_id: &str) -> impl Iterator<Item = &str> {
        let of = move |(_, known): &(&str, &Connector)| known.vault == vault && known.org_id == org_id;
        self.connectors().filter(of).map(|(name, _)| name)
    }

    /// This name, or with a number what is free.
    pub fn free_name(&self, name: &str) -> String {
        let numbered = (2u32..).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        names.find(|name| self.existing(name).is_none()).expect("names without end")
    }

    pub fn existing(&self, name: &str) -> Option<&Connector> {
        self.connectors.get(name)
    }

    /// Adds or replaces a connector and writes the file.
    pub fn put(&mut self, name: &str, connector: Connector) -> Result<(), Failure> {
        let cannot = |error: &(dyn std::error::Error + 'static)| {
            Failure::caused(Kind::Invalid, format!("could not write {}", self.path.display()), error)
        };
        let mut entry = toml_edit::ser::to_document(&connector).map_err(|error| cannot(&error))?.into_table();
        // The login reads better as `[connectors.acme.login]` than on one long line.
        if let Some(login) = entry.remove("login").and_then(|login| login.into_table().ok()) {
            entry.insert("login", Item::Table(login));
        }
        let connectors = self.document.entry("connectors").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        let Some(connectors) = connectors.as_table_like_mut() else {
            return Err(Failure::invalid(format!("`connectors` in {} is not a table", self.path.display())));
        };
        connectors.insert(name, Item::Table(entry));
        replace(&self.path, self.document.to_string().as_bytes(), false).map_err(|error| cannot(&error))?;
        self.connectors.insert(name.to_owned(), connector);
        Ok(())
    }
}

/// A name that is easy to type, also as part of a file name.
pub fn connector_name(name: &str) -> Result<String, String> {
    let good = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if good {
        Ok(name.to_owned())
    } else {
        Err("a name has letters, digits, `.`, `_` and `-`, and starts with a letter or digit".to_owned())
    }
}

/// Writes a file beside `path` and moves it there, durable when this returns. `secret`: readable by its owner only.
pub fn replace(path: &Path, content: &[u8], secret: bool) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".orgkeep-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(if secret { 0o600 } else { 0o644 }));
    }
    #[cfg(not(unix))]
    let _ = secret;
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The new name is durable only when its folder is; a platform that cannot open folders has no such step.
    if let Ok(folder) = std::fs::File::open(folder) {
        folder.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
