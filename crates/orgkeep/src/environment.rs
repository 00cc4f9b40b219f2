// SPDX-License-Identifier: Apache-2.0
//! What Orgkeep takes from the machine it runs on: environment variables, folders, the clock. The libraries get these
//! passed down and never look for themselves.
#![allow(clippy::disallowed_methods, reason = "this is the one place that reads the environment and the clock")]

use chrono::{DateTime, Utc};
use std::path::{Path, PathBuf};

/// The variables that Orgkeep reads, apart from those of storage providers (`AWS_…`, `AZURE_…`, `GOOGLE_…`).
pub const CONFIG: &str = "ORGKEEP_CONFIG";
pub const PASSPHRASE: &str = "ORGKEEP_PASSPHRASE";
pub const NEW_PASSPHRASE: &str = "ORGKEEP_NEW_PASSPHRASE";
pub const ACCESS_TOKEN: &str = "ORGKEEP_ACCESS_TOKEN";
pub const CLIENT_SECRET: &str = "ORGKEEP_CLIENT_SECRET";
pub const REFRESH_TOKEN: &str = "ORGKEEP_REFRESH_TOKEN";

/// A variable's value; one that is empty counts as not set.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Credentials and settings of storage providers, for vaults in a bucket, by the names that `object_store` gives them
/// (`aws_access_key_id`).
pub fn storage_variables() -> Vec<(String, String)> {
    const PREFIXES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];
    std::env::vars()
        .filter(|(name, _)| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect()
}

/// The configuration file when none is named: `$ORGKEEP_CONFIG`, else the platform's folder for settings
/// (`~/.config/orgkeep/config.toml` on Linux).
pub fn default_config_path() -> Option<PathBuf> {
    variable(CONFIG).map(PathBuf::from).or_else(|| Some(dirs::config_dir()?.join("orgkeep").join("config.toml")))
}

/// `path` from the root, without asking whether it exists.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Who writes, for the lock that others meet: user, host and process.
pub fn holder() -> String {
    let user = variable("USER").or_else(|| variable("USERNAME")).unwrap_or_else(|| "someone".to_owned());
    let host = variable("HOSTNAME")
        .or_else(|| Some(std::fs::read_to_string("/etc/hostname").ok()?.trim().to_owned()))
        .filter(|host| !host.is_empty())
        .unwrap_or_else(|| "this machine".to_owned());
    format!("{user} on {host} (process {})", std::process::id())
}

/// The machine's clock.
pub struct SystemClock;

impl orgkeep_engine::Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
