// SPDX-License-Identifier: Apache-2.0
//! A Salesforce org on localhost: the same APIs, the same errors, the same side effects, small enough to run inside a test.
//!
//! Requests come in through [`Emulator::serve`] on a socket or through [`Emulator::handle`] in the same process; both go
//! through one router. Each org has its own rows, users and limits; all share one clock that a test can move.

pub mod answer;
pub mod automation;
mod blob;
pub mod bulk;
pub mod bulk1;
pub mod clock;
mod composite;
mod control;
mod credentials;
pub mod ctx;
pub mod data;
pub mod describe;
pub mod edition;
pub mod error;
mod event;
pub mod faces;
pub mod fault;
pub mod feature;
pub mod host;
pub mod id;
mod landing;
pub mod log;
mod memory;
pub mod metadata;
mod multipart;
pub mod network;
pub mod oauth;
pub mod org;
mod page;
pub mod project;
mod pubsub;
pub mod record;
pub mod request;
pub mod rest;
pub mod rights;
pub mod schema;
mod server;
pub mod session;
pub mod sharing;
pub mod sign_in;
mod soap;
pub mod soql;
mod sosl;
pub mod store;
pub mod tls;
mod traffic;
pub mod user;
pub mod value;
mod wire;
pub mod world;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

pub use bulk::contention::Locking;
pub use clock::Clock;
pub use credentials::Credentials;
pub use edition::Edition;
pub use feature::Feature;
use log::RequestLog;
pub use org::{Org, Row, Tx};
pub use schema::Catalog;
pub use tls::Tls;
pub use user::Caller;

/// When the states of Bulk jobs move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jobs {
    /// By themselves: each state lasts 100 ms of the clock and longer for much data.
    #[default]
    Quick,
    /// Only when a test says so.
    Stepped,
}

/// What to emulate.
#[derive(Clone, Debug)]
pub struct Settings {
    pub orgs: usize,
    /// Which standard objects the orgs have.
    pub catalog: Catalog,
    pub seed: u64,
    /// How many records the generated world has; 0 leaves only users and what every org comes with.
    pub records: u64,
    /// An SFDX project whose objects and fields are added. A file `orgkeep-emulator.json` in it declares what its triggers and
    /// flows do (`automation.md`).
    pub project: Option<PathBuf>,
    /// A file of that form from somewhere else, which goes before the project's.
    pub effects: Option<PathBuf>,
    /// A folder with sObject trees that are loaded through the emulator's own API.
    pub data: Option<PathBuf>,
    /// A file that keeps the orgs' rows.
    pub store: Option<PathBuf>,
    pub jobs: Jobs,
    pub session_seconds: u64,
    /// Calls in 24 hours; 0 for what the edition allows.
    pub daily_api_requests: u64,
    /// What the orgs were bought as. None is a Developer Edition org that lacks nothing.
    pub edition: Option<Edition>,
    /// Whether the orgs are sandboxes.
    pub sandbox: bool,
    /// How often the orgs were refreshed as sandboxes are: each time gives them other Ids, under the same hosts and user names.
    pub refreshes: usize,
    pub rotate_refresh_tokens: bool,
    /// The name in the first org's My Domain, `acme` in `acme.my.salesforce.com`; the second has `acme2`. `orgkeep` when
    /// there is none.
    pub my_domain: Option<String>,
    /// What every org has beyond what all orgs have. An org that is found again in its store keeps those that it had.
    pub features: BTreeSet<Feature>,
    /// Files of given sizes beside the world's own, in each org.
    pub files: Vec<world::Files>,
    /// How jobs that write children of the same parent get into each other's way.
    pub locking: Locking,
    pub clock: Clock,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            orgs: 1,
            catalog: Catalog::Core,
            seed: 1,
            records: 0,
            project: None,
            effects: None,
            data: None,
            store: None,
            jobs: Jobs::Quick,
            session_seconds: 7_200,
            daily_api_requests: 1_000_000,
            edition: None,
            sandbox: false,
            refreshes: 0,
            rotate_refresh_tokens: true,
            my_domain: None,
            features: BTreeSet::new(),
            files: Vec::new(),
            locking: Locking::default(),
            clock: Clock::system(),
        }
    }
}

/// A running emulator. Clones share it.
#[derive(Clone)]
pub struct Emulator {
    inner: Arc<Inner>,
}

struct Inner {
    orgs: Vec<Arc<Org>>,
    clock: Clock,
    /// Requests that belong to no org: refused sign-ins, the version list, unknown paths.
    log: Mutex<RequestLog>,
    watch: OnceLock<Watcher>,
    /// Calls of the Pub/Sub API so far.
    rpcs: AtomicU64,
}

/// Is told of each request.
type Watcher = Arc<dyn Fn(&log::LogEntry) + Send + Sync>;

/// Why an emulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot open the store of org {org}")]
    Store { org: usize, source: rusqlite::Error },
    #[error("cannot load the project")]
    Project { source: project::ProjectError },
    #[error("cannot read the effects in {path}: {reason}")]
    Effects { path: PathBuf, reason: String },
    #[error("cannot fill org {org} with records")]
    World { org: usize, source: world::WorldError },
    #[error("cannot load the data of org {org}")]
    Data { org: usize, source: data::LoadError },
}

impl Emulator {
    pub fn start(settings: Settings) -> Result<Emulator, StartError> {
        let mut orgs = Vec::new();
        let schema = schema::Schema::of(settings.catalog);
        for number in 0..settings.orgs {
            let path = settings.store.as_ref().map(|path| match number {
                0 => path.clone(),
                _ => path.with_extension(format!("{number}.sqlite")),
            });
            let org = Org::open_with_ids(
                number,
                number + settings.refreshes * settings.orgs,
                schema.clone(),
                settings.clock.clone(),
                path.as_deref(),
            )
            .map_err(|source| StartError::Store { org: number, source })?;
            for feature in settings.features.union(&org.kept_features()) {
                org.turn_on(*feature).map_err(|source| StartError::Store { org: number, source })?;
            }
            if let Some(folder) = &settings.project {
                deploy_once(&org, folder).map_err(|source| StartError::Project { source })?;
            }
            declare_effects(&org, &settings)?;
            credentials::set_up(&org, number, &settings);
            faces::lock(&org.faces.jobs).contention.locking = settings.locking;
            if let Some(path) = &path {
                bulk::journal::open(&org, path).map_err(|source| StartError::Store { org: number, source })?;
            }
            populate_once(&org, settings.seed.wrapping_add(number as u64), settings.records)
                .map_err(|source| StartError::World { org: number, source })?;
            if !settings.files.is_empty() && !is_marked(&org, "files added") {
                for files in &settings.files {
                    world::add_files(&org, *files).map_err(|source| StartError::World { org: number, source })?;
                }
                mark(&org, "files added");
            }
            if let Some(folder) = &settings.data {
                let admin = faces::lock(&org.faces.credentials).as_ref().map(|known| known.user_id.clone());
                data::load_once(&org, &org.caller(&admin.unwrap_or_default()), folder)
                    .map_err(|source| StartError::Data { org: number, source })?;
            }
            orgs.push(Arc::new(org));
        }
        let log = Mutex::default();
        Ok(Emulator {
            inner: Arc::new(Inner {
                orgs,
                clock: settings.clock,
                log,
                watch: OnceLock::new(),
                rpcs: AtomicU64::new(0),
            }),
        })
    }

    pub fn orgs(&self) -> &[Arc<Org>] {
        &self.inner.orgs
    }

    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }
}

/// Deploys a project into a new org; one that is found again in its store has it, with what was changed since.
fn deploy_once(org: &Org, folder: &Path) -> Result<(), project::ProjectError> {
    const MARK: &str = "project deployed";
    if !is_marked(org, MARK) {
        project::deploy(org, folder)?;
        mark(org, MARK);
    }
    Ok(())
}

/// Takes what the settings' file, or else the project's, says of triggers and flows.
fn declare_effects(org: &Org, settings: &Settings) -> Result<(), StartError> {
    let own = settings.project.as_ref().map(|folder| folder.join("orgkeep-emulator.json")).filter(|path| path.exists());
    let Some(path) = settings.effects.clone().or(own) else { return Ok(()) };
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
    text.and_then(|text| org.set_effects(&text)).map_err(|reason| StartError::Effects { path, reason })
}

fn is_marked(org: &Org, mark: &str) -> bool {
    org.read(|tx| tx.conn.query_row("SELECT 1 FROM _setting WHERE name = ?1", [mark], |_| Ok(())).is_ok())
}

fn mark(org: &Org, mark: &str) {
    org.write(|tx| tx.conn.execute("INSERT INTO _setting (name, value) VALUES (?1, ?2)", [mark, "yes"]))
        .expect("the store's own table can be written");
}

/// Fills a new org; one that is found again in its store stays as it was left.
fn populate_once(org: &Org, seed: u64, records: u64) -> Result<(), world::WorldError> {
    const MARK: &str = "world made";
    if records == 0 || is_marked(org, MARK) {
        return Ok(());
    }
    world::populate(org, seed, records)?;
    mark(org, MARK);
    Ok(())
}
