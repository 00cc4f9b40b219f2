// SPDX-License-Identifier: Apache-2.0
//! Secrets that were typed in and must be remembered: `secrets.toml` beside the configuration, mode 0600.
//!
//! A secret that the user has in a file of his own is not copied here; the configuration names that file. The secrets
//! are not encrypted: whoever can read the user's files can read them, as with `~/.netrc`.

use super::replace;
use crate::failure::{Failure, Kind};
use orgkeep_salesforce::Secret;
use std::io;
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, Item, Table, value};

/// The file of kept secrets.
#[derive(Clone)]
pub struct Kept {
    path: PathBuf,
}

impl Kept {
    pub fn beside(config: &Path) -> Kept {
        Kept { path: config.with_file_name("secrets.toml") }
    }

    pub fn get(&self, connector: &str, key: &str) -> Result<Secret, Failure> {
        let document = self.read().map_err(|error| self.faulty("read", &error))?;
        let text = document.get(connector).and_then(|table| table.get(key)).and_then(|item| item.as_str());
        text.map(Secret::from).ok_or_else(|| {
            Failure::new(Kind::NotFound, format!("{} holds no {key} for {connector}", self.path.display()))
                .hint(format!("run `orgkeep connect {connector}` again"))
        })
    }

    pub fn put(&self, connector: &str, key: &str, secret: &Secret) -> Result<(), Failure> {
        self.write(connector, key, secret).map_err(|error| self.faulty("write", &error))
    }

    /// As [`Kept::put`], for callers that can only report an i/o error.
    pub fn write(&self, connector: &str, key: &str, secret: &Secret) -> io::Result<()> {
        let mut document = self.read()?;
        let table = document.entry(connector).or_insert(Item::Table(Table::new()));
        let Some(table) = table.as_table_like_mut() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("`{connector}` is not a table")));
        };
        table.insert(key, value(secret.expose()));
        replace(&self.path, document.to_string().as_bytes(), true)
    }

    fn read(&self) -> io::Result<DocumentMut> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        // The parser's message would quote the line, and with it a secret.
        text.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid TOML"))
    }

    fn faulty(&self, doing: &str, error: &io::Error) -> Failure {
        Failure::caused(Kind::Invalid, format!("could not {doing} {}", self.path.display()), error)
    }
}
