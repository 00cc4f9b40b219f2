// SPDX-License-Identifier: Apache-2.0
//! The part of a vault that holds one org: its store, its tables, and what is remembered of both between calls.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::Semaphore;

use crate::backup::Manifest;
use crate::erasure::ErasureList;
use crate::error::{Error, Kind, Result};
use crate::location::Place;
use crate::log::{Log, OPENED_AT_ONCE, State};
use crate::store::VaultStore;
use crate::vault::{Vault, org_path};

/// Everything that is kept of one org. Clones share it.
#[derive(Clone)]
pub struct OrgVault {
    inner: Arc<Inner>,
}

struct Inner {
    id: String,
    vault: Vault,
    store: Arc<VaultStore>,
    place: Place,
    /// To open tables.
    turns: Arc<Semaphore>,
    /// Whether a list of damaged files was seen beside the manifests.
    damaged: AtomicBool,
    /// Tells rows of this vault from those of another.
    origin: String,
    /// Manifests that were read and verified; they never change.
    manifests: Mutex<BTreeMap<u64, Arc<Manifest>>>,
    /// States of tables, and up to which backup each is known to be complete.
    states: Mutex<HashMap<String, (u64, Arc<State>)>>,
    /// Tables whose files have become many; none stands for the bodies of files.
    due: Mutex<BTreeSet<Option<String>>>,
    /// Backups that have expired, as last listed.
    expired: Mutex<Option<Arc<BTreeSet<u64>>>>,
    erasures: tokio::sync::Mutex<Option<Arc<ErasureList>>>,
    pub(crate) blobs: tokio::sync::Mutex<Option<Arc<crate::blobs::Index>>>,
}

impl fmt::Debug for OrgVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrgVault({})", self.inner.id)
    }
}

impl OrgVault {
    pub(crate) fn new(id: &str, vault: Vault, store: Arc<VaultStore>, place: Place) -> OrgVault {
        let origin = format!("{}/{id}", vault.id());
        OrgVault {
            inner: Arc::new(Inner {
                id: id.into(),
                vault,
                store,
                place,
                damaged: AtomicBool::new(false),
                origin,
                manifests: Mutex::default(),
                states: Mutex::default(),
                due: Mutex::default(),
                turns: Arc::new(Semaphore::new(OPENED_AT_ONCE)),
                expired: Mutex::default(),
                erasures: tokio::sync::Mutex::default(),
                blobs: tokio::sync::Mutex::default(),
            }),
        }
    }

    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// The vault that this is a part of.
    pub fn vault(&self) -> &Vault {
        &self.inner.vault
    }

    /// Notes whether the list of damaged files was there when the backups were listed, which saves asking for it.
    pub(crate) fn saw_damaged(&self, there: bool) {
        self.inner.damaged.store(there, Ordering::Relaxed);
    }

    pub(crate) fn may_be_damaged(&self) -> bool {
        self.inner.damaged.load(Ordering::Relaxed)
    }

    pub(crate) fn vault_store(&self) -> Arc<VaultStore> {
        self.inner.store.clone()
    }

    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        self.inner.store.clone()
    }

    /// Drops what is remembered of the store and the tables, to see what is really there.
    pub(crate) fn forget_all(&self) {
        self.inner.store.forget_all();
        self.forget_marks();
        self.inner.states.lock().expect("no one panics while holding this lock").clear();
    }

    pub(crate) fn place(&self) -> &Place {
        &self.inner.place
    }

    pub(crate) fn origin(&self) -> &str {
        &self.inner.origin
    }

    pub(crate) fn path(&self, part: &str) -> Path {
        org_path(&self.inner.id).join(part)
    }

    pub(crate) fn log(&self, object: &str) -> Log {
        self.log_at(self.path("objects").join(object))
    }

    /// A table in any folder.
    pub(crate) fn log_at(&self, path: Path) -> Log {
        Log::new(self.store(), path, self.inner.turns.clone())
    }

    pub(crate) fn known_manifests(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Manifest>>> {
        self.inner.manifests.lock().expect("no one panics while holding this lock")
    }

    pub(crate) fn due(&self) -> std::sync::MutexGuard<'_, BTreeSet<Option<String>>> {
        self.inner.due.lock().expect("no one panics while holding this lock")
    }

    pub(crate) fn known_expired(&self) -> std::sync::MutexGuard<'_, Option<Arc<BTreeSet<u64>>>> {
        self.inner.expired.lock().expect("no one panics while holding this lock")
    }

    pub(crate) fn forget_marks(&self) {
        *self.known_expired() = None;
    }

    pub(crate) fn known_erasures(&self) -> &tokio::sync::Mutex<Option<Arc<ErasureList>>> {
        &self.inner.erasures
    }

    pub(crate) fn blob_index(&self) -> &tokio::sync::Mutex<Option<Arc<crate::blobs::Index>>> {
        &self.inner.blobs
    }

    pub(crate) fn forget_state(&self, object: &str) {
        self.inner.states.lock().expect("no one panics while holding this lock").remove(object);
    }

    /// The state of a table, complete at least up to the finished backup `at`. NotFound names what there is.
    pub(crate) async fn state_at(&self, object: &str, at: u64) -> Result<Arc<State>> {
        check_name(object)?;
        let held = self.inner.states.lock().expect("no one panics while holding this lock").get(object).cloned();
        if let Some((complete, state)) = held
            && complete >= at
        {
            return Ok(state);
        }
        let complete = self.known_manifests().keys().next_back().copied().unwrap_or(0);
        let Some(state) = self.log(object).state().await? else {
            let known = self.objects().await.unwrap_or_default();
            let nearest = nearest(object, &known);
            let error = Error::new(Kind::NotFound, "no backup holds this object").with("object", object);
            return Err(match nearest {
                Some(name) => error.hint(format!("did you mean {name}?")),
                None => error.hint("`orgkeep ls` lists what there is"),
            });
        };
        let state = Arc::new(state);
        self.inner
            .states
            .lock()
            .expect("no one panics while holding this lock")
            .insert(object.into(), (complete, state.clone()));
        Ok(state)
    }

    /// The objects that finished backups hold, sorted.
    pub async fn objects(&self) -> Result<Vec<String>> {
        let manifests = self.manifests().await?;
        let of = |manifest: Manifest| manifest.objects.into_keys().chain(manifest.state.into_keys());
        let names: BTreeSet<String> = manifests.into_iter().flat_map(of).collect();
        Ok(names.into_iter().collect())
    }

    /// The objects that have a folder for their table, finished or not.
    pub async fn tables(&self) -> Result<Vec<String>> {
        let listed = self
            .store()
            .list_with_delimiter(Some(&self.path("objects")))
            .await
            .map_err(|error| Error::because("the objects of the vault cannot be listed", error))?;
        let mut objects: Vec<String> =
            listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect();
        objects.sort();
        Ok(objects)
    }
}

/// An object's name becomes part of a path.
pub(crate) fn check_name(object: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if object.is_empty() || object.len() > 200 || !object.bytes().all(fits) {
        return Err(Error::new(Kind::Invalid, "an object's name has only letters, digits, dashes and underscores")
            .with("object", object));
    }
    Ok(())
}

/// The known name that shares most of its beginning with what was asked for, regardless of case.
fn nearest<'a>(asked: &str, known: &'a [String]) -> Option<&'a str> {
    let shared = |name: &str| name.bytes().zip(asked.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
    known.iter().map(String::as_str).filter(|name| shared(name) >= 3.min(asked.len())).max_by_key(|name| shared(name))
}
