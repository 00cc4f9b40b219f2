// SPDX-License-Identifier: Apache-2.0
//! One writer per org at a time.
//!
//! In a folder, an operating system lock on a file: it vanishes with the process that held it. Anywhere else, a lease
//! object written with a conditional put, which its holder renews and which counts as left behind after ten minutes of
//! silence. Both are plain JSON with the holder's name.
//!
//! The lease does not stop a holder that slept through its end; what does is that commits and manifests are conditional.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::org::OrgVault;

/// A lease that was not renewed for this long is left behind.
pub const LEASE_MINUTES: i64 = 10;
const RENEW_EVERY: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Held {
    holder: String,
    since: DateTime<Utc>,
    renewed: DateTime<Utc>,
    token: String,
}

/// The right to write to an org, until it is released or dropped. A dropped lease on an object store is taken over only
/// after its time, a released one at once.
#[derive(Debug, Clone)]
pub struct Lock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    org: String,
    at: DateTime<Utc>,
    /// When, by the clock that only goes forward.
    taken: tokio::time::Instant,
    form: Form,
}

#[derive(Debug)]
enum Form {
    File(#[expect(dead_code, reason = "held for its lock")] File),
    Lease { store: Arc<dyn ObjectStore>, path: Path, held: Held, version: Mutex<Option<UpdateVersion>> },
}

fn busy(held: Option<&Held>) -> Error {
    let error = Error::new(Kind::Busy, "another process is writing to this org");
    match held {
        Some(held) => error.with("holder", &held.holder).with("since", held.since.to_rfc3339()),
        None => error,
    }
    .hint("wait for it to finish")
}

impl OrgVault {
    /// Takes the lock of this org. Busy names who holds it and since when. `now` is the time that the backup is known by.
    pub async fn lock(&self, holder: &str, now: DateTime<Utc>) -> Result<Lock> {
        let held = Held { holder: holder.into(), since: now, renewed: now, token: crate::keys::random_name()? };
        let form = match &self.place().folder {
            Some(folder) => {
                let file = folder.join("orgs").join(self.id()).join("lock");
                Form::File(
                    tokio::task::spawn_blocking(move || lock_file(&file, &held))
                        .await
                        .map_err(crate::sorter::stopped)??,
                )
            }
            None => lease(self.place().store.clone(), self.path("lock"), held, now).await?,
        };
        Ok(Lock { inner: Arc::new(Inner { org: self.id().into(), at: now, taken: tokio::time::Instant::now(), form }) })
    }

    /// Does something to the org's part of the vault while nobody else writes there. Where it fails, that is what is told.
    pub async fn alone<T, E: From<Error>>(
        &self,
        holder: &str,
        now: DateTime<Utc>,
        work: impl AsyncFnOnce(&Lock) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let lock = self.lock(holder, now).await?;
        let done = work(&lock).await;
        let released = lock.release().await;
        let done = done?;
        released?;
        Ok(done)
    }
}

fn lock_file(path: &std::path::Path, held: &Held) -> Result<File> {
    let failed = |error: std::io::Error| {
        Error::because("the lock of the org cannot be taken", error).with("path", path.display())
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            return Err(busy(serde_json::from_str(&text).ok().as_ref()));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let json = serde_json::to_vec_pretty(held).expect("the lock is plain JSON");
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    file.write_all(&json).map_err(failed)?;
    file.set_len(json.len() as u64).map_err(failed)?;
    Ok(file)
}

async fn lease(store: Arc<dyn ObjectStore>, path: Path, held: Held, now: DateTime<Utc>) -> Result<Form> {
    let failed = |error| Error::because("the lock of the org cannot be taken", error).with("path", &path);
    let json = serde_json::to_vec_pretty(&held).expect("the lock is plain JSON");
    let version = match store.put_opts(&path, json.clone().into(), PutMode::Create.into()).await {
        Ok(done) => done.into(),
        Err(error) => {
            // Taken, or taken by this very put whose reply was lost.
            let found = match store.get(&path).await {
                Ok(found) => found,
                Err(_) => return Err(failed(error)),
            };
            let there = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
            let other: Option<Held> = serde_json::from_slice(&found.bytes().await.map_err(failed)?).ok();
            match other {
                Some(other) if other.token == held.token => there,
                Some(other) if other.renewed - now > TimeDelta::minutes(LEASE_MINUTES) => {
                    // Its end cannot be told by this clock. To take it over might disturb one who is at work.
                    return Err(busy(Some(&other)).with("renewed", other.renewed.to_rfc3339()).hint(format!(
                        "one of the two clocks is wrong: set them right; if that process is gone, remove {path} from the storage"
                    )));
                }
                Some(other) if now - other.renewed < TimeDelta::minutes(LEASE_MINUTES) => {
                    return Err(busy(Some(&other)));
                }
                _ => replace(&store, &path, json, there).await.map_err(|error| match error {
                    object_store::Error::Precondition { .. } => busy(None),
                    error => failed(error),
                })?,
            }
        }
    };
    Ok(Form::Lease { store, path, held, version: Mutex::new(Some(version)) })
}

/// Replaces the lease if it is still the one that was seen, on stores that can tell.
async fn replace(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    json: Vec<u8>,
    seen: UpdateVersion,
) -> object_store::Result<UpdateVersion> {
    let conditional = PutOptions::from(PutMode::Update(seen));
    match store.put_opts(path, json.clone().into(), conditional).await {
        Err(object_store::Error::NotImplemented { .. }) => store.put(path, json.into()).await.map(Into::into),
        other => other.map(Into::into),
    }
}

impl Lock {
    /// Fails unless this is the lock of that org.
    pub(crate) fn of(&self, org: &OrgVault) -> Result<()> {
        if self.inner.org == org.id() {
            return Ok(());
        }
        Err(Error::new(Kind::Bug, "the lock is that of another org").with("org", org.id()))
    }

    /// When the lock was taken.
    pub fn at(&self) -> DateTime<Utc> {
        self.inner.at
    }

    /// Says that the holder is still at work. Needed every few minutes on object stores, does nothing in a folder.
    /// Busy if the lease was taken over meanwhile: then stop writing.
    pub async fn renew(&self, now: DateTime<Utc>) -> Result<()> {
        let Form::Lease { store, path, held, version } = &self.inner.form else { return Ok(()) };
        let seen = version.lock().expect("no one panics while holding this lock").clone();
        let Some(seen) = seen else { return Err(busy(None)) };
        let json = serde_json::to_vec_pretty(&Held { renewed: now, ..held.clone() }).expect("the lock is plain JSON");
        match replace(store, path, json, seen).await {
            Ok(done) => {
                *version.lock().expect("no one panics while holding this lock") = Some(done);
                Ok(())
            }
            Err(object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. }) => {
                // A renewal of our own whose reply was lost also changes what is there.
                let found = store.get(path).await.map_err(|error| Error::because("the lock cannot be read", error))?;
                let there = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
                let bytes = found.bytes().await.map_err(|error| Error::because("the lock cannot be read", error))?;
                let other: Option<Held> = serde_json::from_slice(&bytes).ok();
                if other.as_ref().is_some_and(|other| other.token == held.token) {
                    *version.lock().expect("no one panics while holding this lock") = Some(there);
                    return Ok(());
                }
                Err(busy(other.as_ref()))
            }
            Err(error) => Err(Error::because("the lock of the org cannot be renewed", error).with("path", path)),
        }
    }

    /// Does some work and says meanwhile, every two minutes, that the holder is still at it.
    pub async fn renewing<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let renewal = async {
            loop {
                tokio::time::sleep(RENEW_EVERY).await;
                let passed = TimeDelta::from_std(self.inner.taken.elapsed()).unwrap_or_default();
                if let Err(error) = self.renew(self.inner.at + passed).await {
                    return error;
                }
            }
        };
        tokio::select! {
            done = work => done,
            error = renewal => Err(error),
        }
    }

    /// Gives the lock back. Without this a lease ends by its time, and a file lock when the last clone is dropped.
    pub async fn release(self) -> Result<()> {
        if let Form::Lease { store, path, version, .. } = &self.inner.form {
            let held = version.lock().expect("no one panics while holding this lock").take().is_some();
            if held {
                match store.delete(path).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(Error::because("the lock cannot be released", error).with("path", path)),
                }
            }
        }
        Ok(())
    }
}
