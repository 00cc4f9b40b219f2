// SPDX-License-Identifier: Apache-2.0
//! Where things lie: the workspace, the target directory, what is installed into it, and folders to play in.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

#[derive(Clone)]
pub struct Place {
    /// The workspace's folder.
    pub root: PathBuf,
    /// Cargo's target directory: `$CARGO_TARGET_DIR`, else `target` in the workspace.
    pub target: PathBuf,
}

impl Place {
    pub fn find() -> Result<Place> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask has no workspace")?.to_owned();
        let target = match std::env::var_os("CARGO_TARGET_DIR").filter(|target| !target.is_empty()) {
            Some(target) => std::path::absolute(&target).map_err(|error| format!("CARGO_TARGET_DIR: {error}"))?,
            None => root.join("target"),
        };
        Ok(Place { root, target })
    }

    /// Cargo, in the workspace, with this target directory; without what it tells this program of its own package, since some build scripts
    /// look at that, and everything behind them would be compiled again whenever a person calls cargo by hand.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        for (name, _) in std::env::vars_os() {
            let named = |start: &str| name.to_str().is_some_and(|name| name.starts_with(start));
            if named("CARGO_PKG_") || named("CARGO_MANIFEST_") {
                cargo.env_remove(&name);
            }
        }
        cargo
    }

    /// The product as it was built last.
    pub fn orgkeep(&self, profile: &str) -> PathBuf {
        self.built(profile, "orgkeep")
    }

    /// A program of the workspace as it was built last.
    pub fn built(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// Recorded answers and other people's files, beside the workspace where there are any.
    pub fn fixtures(&self) -> PathBuf {
        self.root.join("../shared/fixtures")
    }

    /// Where programs of other people are installed, once.
    pub fn clients(&self) -> PathBuf {
        self.target.join("clients")
    }

    /// An empty folder of this name, for one run.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.join("xtask").join(name);
        let failed = |error| format!("cannot empty {}: {error}", folder.display());
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        std::fs::create_dir_all(&folder).map_err(failed)?;
        Ok(folder)
    }
}
