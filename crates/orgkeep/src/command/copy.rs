// SPDX-License-Identifier: Apache-2.0
//! `orgkeep copy`: a whole vault in another place as well.

use crate::cli;
use crate::context::Context;
use crate::environment::{self, SystemClock};
use crate::failure::{Answer, Failure, Kind};
use crate::number::{bytes, counted};
use crate::render;
use clap::Args;
use orgkeep_engine::{Clock as _, Event, Monitor as _};
use orgkeep_vault::{Copied, Location, Locked, copy, renew_locks_of_copy};
use serde::Serialize;

/// Copies a whole vault to another folder or bucket, or brings a copy up to date
#[derive(Args, Debug)]
#[command(after_help = "\
The copy is a vault of its own right: `orgkeep attach TO` works with it, and `orgkeep check` checks it. No passphrase is \
needed, because files are copied as they are stored; the copy is opened with the same one. Backups may run meanwhile: what \
was finished when the copy began is in it, the rest comes with the next run. Stopped anywhere, the next run goes on.")]
pub struct Arguments {
    /// The vault: a folder or a URL
    #[arg(value_name = "VAULT")]
    vault: String,

    /// Where the copy is to be: an empty place, or a copy of this vault
    #[arg(value_name = "TO")]
    to: String,

    /// Also remove from the copy what the vault no longer has
    #[arg(long)]
    mirror: bool,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let from = cli::vault_place(&arguments.vault);
    let to = cli::vault_place(&arguments.to);
    if from == to {
        return Err(Failure::invalid("a vault cannot be copied onto itself"));
    }
    let open = |place: &str| {
        let about = |error: orgkeep_vault::Error| Failure::from(error).about(format!("vault at {place}"));
        Location::parse(place).and_then(|location| location.open(environment::storage_variables())).map_err(about)
    };
    if Location::parse(&from).ok().and_then(|location| location.folder().map(|folder| !folder.is_dir())) == Some(true) {
        return Err(Failure::new(Kind::NotFound, format!("vault at {from}: there is no such folder")));
    }
    let (source, target) = (open(&from)?, open(&to)?);
    let progress = &context.progress;
    let copied = copy(&source, &target, arguments.mirror, &mut |copied, _| {
        progress.event(&Event::CopyProgress { files: copied.files + copied.present, bytes: copied.bytes });
    })
    .await?;
    progress.clear();
    // The copy is made, whatever becomes of its locks.
    let locked = renew_locks_of_copy(&source, &target, SystemClock.now()).await;
    let removed =
        if copied.removed > 0 { format!(", {} removed", counted(copied.removed, "file")) } else { String::new() };
    if copied.refused > 0 {
        let refused = counted(copied.refused, "file");
        context
            .screen
            .say(&format!("{to} would not remove {refused}, locked perhaps; the next copy with --mirror tries again"));
    }
    context.screen.line(&format!(
        "{} with {} at {to}: {} ({}) written and read back, {} there already{removed}",
        "A copy of the vault",
        counted(copied.backups, "backup"),
        counted(copied.files, "file"),
        bytes(copied.bytes),
        counted(copied.present, "file"),
    ))?;
    let (locked, unlocked) = match locked {
        Ok(locked) => (locked, None),
        Err(error) => {
            context.screen.say(&format!("warning: {}", Failure::from(error).text().trim_end()));
            (None, Some("files of the copy could not be locked for longer".to_owned()))
        }
    };
    if let Some(locked) = &locked {
        context.screen.say(&render::locked(locked, "the copy"));
    }
    Ok(Answer::with(&Told { copied, locked }).partly(unlocked))
}

/// What a script is told.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    copied: Copied,
    /// Where the copy's storage locks files.
    #[serde(skip_serializing_if = "Option::is_none")]
    locked: Option<Locked>,
}
