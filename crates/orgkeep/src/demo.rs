// SPDX-License-Identifier: Apache-2.0
//! `orgkeep demo`: an org, a backup, a bad day, the way back, and the proof.
//!
//! Only the org is emulated. It listens on a real socket; client, vault and engine are the ones that back up real orgs. What
//! is claimed at the end is checked twice: by the engine through the org's API, field by field, and by counting in
//! the emulator's own tables, which the engine never sees.

mod bad_day;
mod narrator;
mod place;
mod truth;

use crate::context::{self, Context};
use crate::environment::{self, SystemClock};
use crate::failure::{Answer, Failure, Kind};
use crate::number::{bytes, counted, grouped};
use crate::{progress, render};
use bad_day::BadDay;
use clap::Args;
use narrator::Narrator;
use orgkeep_emulator::{Emulator, Settings};
use orgkeep_engine::{BackupOptions, CompareOptions, PlanOptions, Selection, Side};
use orgkeep_salesforce::{Login, Org, Writer};
use orgkeep_vault::{Location, OrgVault, Protection, Vault};
use place::Place;
use serde_json::json;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use truth::Truth;

/// Plays backup, bad day and restore on an emulated org, and proves that everything is back
#[derive(Args, Debug)]
pub struct Arguments {
    /// About how many records the org has
    #[arg(long, value_name = "N", default_value_t = 25_000, value_parser = clap::value_parser!(u64).range(100..=5_000_000))]
    records: u64,

    /// Leave the vault in this folder, and print the commands to look around in it
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// The connector's name in a demo that is kept.
const NAME: &str = "demo";

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let screen = context.screen.clone();
    let shape = screen.shape().narrower(narrator::INDENT);
    let mut tell = Narrator::new(screen.clone());
    // A log of every object would bury the story; bars and JSON Lines do not.
    let progress = progress::Progress::without_lines(&screen);
    let place = Place::new(arguments.keep.as_deref())?;
    tell.introduce("A Salesforce org, a backup, a bad day, and the way back. Only the org is emulated.")?;

    tell.begin("Start an emulated Salesforce org")?;
    let (emulator, url) = start(arguments.records).await?;
    let before = Truth::of(&emulator);
    tell.detail(&format!(
        "{} and {} in {} on {url}",
        counted(before.records(), "record"),
        counted(before.files(), "file"),
        counted(before.objects(), "object"),
    ))?;
    tell.done()?;

    tell.begin("Create an encrypted vault")?;
    let passphrase = place.passphrase()?;
    let location = Location::parse(&place.vault().display().to_string())?;
    let protection = Protection::Passphrase(passphrase.expose().into());
    let (vault, recovery_key) = Vault::init(location.open(environment::storage_variables())?, protection).await?;
    tell.detail(&format!("In {}", place.vault().display()))?;
    if let Some(key) = &recovery_key {
        tell.detail(&format!("Recovery key: {key}"))?;
    }
    tell.done()?;

    tell.begin("Connect")?;
    let credentials = emulator.credentials(0);
    let login = Login::ClientCredentials {
        login_url: url.clone(),
        client_id: credentials.client_id.clone(),
        client_secret: credentials.client_secret.as_str().into(),
    };
    let org = context::connect(login, None).await?;
    let organization = org.organization().await?;
    place.write_connector(NAME, &url, &org, &organization, &credentials)?;
    let vault = vault.org(&org.identity().org_id).await?;
    tell.detail(&format!("{} as {}", organization.name, org.identity().username))?;
    tell.done()?;

    tell.begin("Take a full backup")?;
    let first = backup(&org, &vault, &progress).await?;
    tell.text(&backup_line(&first))?;
    tell.done()?;

    tell.begin("A bad day")?;
    let day = BadDay::of(arguments.records).happen(&emulator, &org).await?;
    for line in day.lines() {
        tell.detail(&line)?;
    }
    tell.done()?;

    tell.begin("Take an incremental backup")?;
    let second = backup(&org, &vault, &progress).await?;
    tell.text(&backup_line(&second))?;
    tell.detail(&format!("{} of vault hold both backups", bytes(place.vault_bytes())))?;
    tell.done()?;

    tell.begin("Compare the two backups")?;
    let options = CompareOptions { object: None, details: 0 };
    let (from, to) = (Side::Backup(first.line.sequence), Side::Backup(second.line.sequence));
    let comparison = orgkeep_engine::compare(&vault, from, to, &options, &progress).await?;
    progress.clear();
    tell.text(&render::overview(&comparison, shape))?;
    tell.done()?;

    tell.begin("Plan the restore")?;
    let selection = Selection::ChangesSince(first.line.sequence);
    let options = PlanOptions { at: first.line.sequence, selection, related: false, skip_missing: false };
    let plan = orgkeep_engine::plan(&vault, &org, &options, &SystemClock, &progress).await?;
    progress.clear();
    tell.text(&render::plan(&plan, shape))?;
    tell.done()?;

    tell.begin("Apply the plan")?;
    let writer = Writer::new(org.clone());
    let report = orgkeep_engine::apply(&vault, &plan, writer, &SystemClock, &progress).await?;
    progress.clear();
    tell.text(&render::restore(&report, shape))?;
    tell.done()?;

    tell.begin("Prove it, field by field, through the org's API")?;
    let proof = orgkeep_engine::prove(&vault, first.line.sequence, &org, &progress).await?;
    progress.clear();
    tell.text(&render::proof(&proof, shape))?;
    tell.done()?;

    tell.begin("Prove it once more, in the emulator's own tables")?;
    let after = Truth::of(&emulator);
    let verdict = before.compared_with(&after, &day);
    for line in &verdict.lines {
        tell.detail(line)?;
    }
    tell.done()?;

    let holds = proof.holds() && verdict.holds && report.failed == 0;
    if holds {
        tell.close("Everything is back.")?;
    }
    for line in place.look_around(NAME, &day) {
        tell.plain(&line)?;
    }
    if !holds {
        return Err(Failure::new(Kind::Bug, "the org is not as it was before the bad day")
            .hint("the differences are listed above; please report them with the whole output"));
    }
    Ok(Answer::with(json!({
        "seconds": tell.seconds(),
        "backups": [first, second],
        "restore": report,
        "proof": proof,
        "kept_in": place.kept(),
    })))
}

/// An org on a free port of this machine, served until the program ends.
async fn start(records: u64) -> Result<(Emulator, url::Url), Failure> {
    let cannot =
        |error: &(dyn std::error::Error + 'static)| Failure::caused(Kind::Invalid, "the emulator did not start", error);
    let settings = Settings { records, ..Settings::default() };
    let emulator = tokio::task::spawn_blocking(move || Emulator::start(settings))
        .await
        .map_err(|error| cannot(&error))?
        .map_err(|error| cannot(&error))?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| cannot(&error))?;
    let address = listener.local_addr().map_err(|error| cannot(&error))?;
    let url = url::Url::parse(&format!("http://{address}/")).map_err(|error| cannot(&error))?;
    let serving = emulator.clone();
    tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
    Ok((emulator, url))
}

async fn backup(
    org: &Org,
    vault: &OrgVault,
    progress: &progress::Progress,
) -> Result<orgkeep_engine::BackupReport, Failure> {
    let options = BackupOptions { holder: environment::holder(), ..BackupOptions::default() };
    let report = orgkeep_engine::backup(org, vault, &options, &SystemClock, progress).await?;
    progress.clear();
    Ok(report)
}

/// The last line of a backup's report, and what is missing: the table of all objects would be long.
fn backup_line(report: &orgkeep_engine::BackupReport) -> String {
    let mut text = render::backup_total(report);
    let gaps: usize = report.objects.iter().map(|line| line.gaps.len()).sum();
    if gaps > 0 {
        text.push_str(&format!("{} (`orgkeep ls {NAME}` lists them)\n", grouped_gaps(gaps)));
    }
    text
}

fn grouped_gaps(gaps: usize) -> String {
    format!(
        "{} named as not in the backup, each with its reason",
        if gaps == 1 { "1 thing is".to_owned() } else { format!("{} things are", grouped(gaps as u64)) }
    )
}
