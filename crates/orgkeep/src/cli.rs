// SPDX-License-Identifier: Apache-2.0
//! The command line. Each command's arguments and what it does are in its own file under `command/`; this one says
//! which there are and what all of them take.

use crate::command::{
    attach, attest, backup, backups, check, compact, compare, connect, copy, coverage, emulator, erase, estimate,
    expire, export, hold, init, keys, ls, restore, show,
};
use crate::{demo, environment};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Backs up Salesforce orgs, shows what changed, and puts it back.
#[derive(Parser, Debug)]
#[command(name = "orgkeep", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
Start with `orgkeep demo`: it plays backup, bad day and restore on an emulated org.

Exit codes: 0 done, 1 bad input, 2 usage, 3 done but some records were not, 10 not found, 11 busy, 12 denied, \
13 API allowance used up, 14 unreachable, 15 damaged, 70 mistake in Orgkeep, 130 interrupted.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// Configuration file [default: $ORGKEEP_CONFIG, else ~/.config/orgkeep/config.toml or the platform's own folder]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Every command")]
    pub config: Option<PathBuf>,

    /// Write events as JSON Lines to the standard output; the last line is the result
    #[arg(long, global = true, help_heading = "Every command")]
    pub json: bool,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    Demo(demo::Arguments),
    Emulator(emulator::Arguments),
    Init(init::Arguments),
    Connect(connect::Arguments),
    Backup(backup::Arguments),
    Backups(backups::Arguments),
    Coverage(coverage::Arguments),
    Estimate(estimate::Arguments),
    Ls(ls::Arguments),
    Show(show::Arguments),
    Compare(compare::Arguments),
    Export(export::Arguments),
    #[cfg(feature = "sql")]
    Sql(crate::command::sql::Arguments),
    Restore(restore::Arguments),
    Check(check::Arguments),
    Compact(compact::Arguments),
    Erase(erase::Arguments),
    Expire(expire::Arguments),
    Hold(hold::Arguments),
    Attest(attest::Arguments),
    Copy(copy::Arguments),
    Attach(attach::Arguments),
    Keys(keys::Arguments),
}

impl Command {
    /// As typed; the `command` of the last JSON line.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Demo(_) => "demo",
            Command::Emulator(_) => "emulator",
            Command::Init(_) => "init",
            Command::Connect(_) => "connect",
            Command::Backup(_) => "backup",
            Command::Backups(_) => "backups",
            Command::Coverage(_) => "coverage",
            Command::Estimate(_) => "estimate",
            Command::Ls(_) => "ls",
            Command::Show(_) => "show",
            Command::Compare(_) => "compare",
            Command::Export(_) => "export",
            #[cfg(feature = "sql")]
            Command::Sql(_) => "sql",
            Command::Restore(_) => "restore",
            Command::Check(_) => "check",
            Command::Compact(_) => "compact",
            Command::Erase(_) => "erase",
            Command::Expire(_) => "expire",
            Command::Hold(_) => "hold",
            Command::Attest(_) => "attest",
            Command::Copy(_) => "copy",
            Command::Attach(_) => "attach",
            Command::Keys(_) => "keys",
        }
    }

    /// What to say when it was stopped by a signal.
    pub fn when_interrupted(&self) -> &'static str {
        match self {
            Command::Backup(_) => {
                "run the same command again: the backup continues where it stopped, and what was read is kept"
            }
            Command::Restore(_) => {
                "run the same command again: every record that was written is in the ledger and is not written twice"
            }
            Command::Erase(_) => {
                "run the same command again, or take a backup: either completes an erasure that was begun"
            }
            _ => "run the same command again",
        }
    }
}

/// How an encrypted vault is opened.
#[derive(Args, Debug, Clone, Default)]
pub struct Unlocking {
    /// File with the vault's passphrase [else: $ORGKEEP_PASSPHRASE, the files named at `connect`, a prompt]
    #[arg(long, value_name = "FILE", help_heading = "Opening the vault")]
    pub passphrase_file: Option<PathBuf>,

    /// File with a recovery key: for when the passphrase is lost, or on a machine that has a key of its own
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file", help_heading = "Opening the vault")]
    pub recovery_key_file: Option<PathBuf>,
}

impl Unlocking {
    pub fn is_empty(&self) -> bool {
        self.passphrase_file.is_none() && self.recovery_key_file.is_none()
    }

    /// The same files, found from every folder.
    pub fn absolute(&self) -> Unlocking {
        let absolute = |path: &Option<PathBuf>| path.as_deref().map(environment::absolute);
        Unlocking {
            passphrase_file: absolute(&self.passphrase_file),
            recovery_key_file: absolute(&self.recovery_key_file),
        }
    }
}

/// A vault's path from the root, so that a connector works from every folder; a URL as it is.
pub fn vault_place(given: &str) -> String {
    if given.contains("://") { given.to_owned() } else { environment::absolute(given.as_ref()).display().to_string() }
}
