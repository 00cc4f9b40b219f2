// SPDX-License-Identifier: Apache-2.0
//! Where a vault lies: a folder by its path, or any object store by its URL.

mod bucket;
mod xml;

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreScheme, parse_url_opts};
use url::Url;

use bucket::Bucket;

use crate::error::{Error, Kind, Result};

/// The written form of a place, understood but not yet opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    form: Form,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Folder(PathBuf),
    Remote(Url),
}

/// How long a bucket locks what is put into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketRetention {
    /// `GOVERNANCE`, which some users may lift, or `COMPLIANCE`, which nobody may.
    pub mode: String,
    pub period: TimeDelta,
}

/// Storage that locks objects: until its time an object can be neither removed nor written over for good, whoever asks.
#[async_trait]
pub trait ObjectLock: Send + Sync {
    /// For how long every object is locked when it is put; none where the storage locks nothing.
    async fn retention(&self) -> object_store::Result<Option<BucketRetention>>;

    /// Locks an object until then; a lock does not become shorter. `path` is that of the vault's store.
    async fn retain(&self, path: &Path, mode: &str, until: DateTime<Utc>) -> object_store::Result<()>;
}

/// An opened place. A bare store is one too: then backups of an org are kept apart by a lease object, not by a file lock.
#[derive(Clone)]
pub struct Place {
    pub store: Arc<dyn ObjectStore>,
    /// The folder that `store` shows, if it is one on this machine.
    pub folder: Option<PathBuf>,
    /// Where the storage may lock what is in it.
    pub locks: Option<Arc<dyn ObjectLock>>,
}

impl Place {
    /// The file of an object, where there is one to flush.
    pub(crate) fn file(&self, path: &Path) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| path.parts().fold(folder.clone(), |file, part| file.join(part.as_ref())))
    }
}

impl From<Arc<dyn ObjectStore>> for Place {
    fn from(store: Arc<dyn ObjectStore>) -> Self {
        Place { store, folder: None, locks: None }
    }
}

impl Location {
    /// A path, or a URL with one of the schemes `file`, `memory`, `s3`, `gs`, `az` and their kin. Invalid for a URL that
    /// no store understands.
    pub fn parse(text: &str) -> Result<Location> {
        if !text.contains("://") {
            if text.is_empty() {
                return Err(Error::new(Kind::Invalid, "a vault needs a path or a URL"));
            }
            return Ok(Location { form: Form::Folder(text.into()) });
        }
        let url = Url::parse(text)
            .map_err(|error| Error::because("this is not a URL", error).of_kind(Kind::Invalid).with("url", text))?;
        if url.scheme() == "file" {
            let path = url.to_file_path().map_err(|()| {
                Error::new(Kind::Invalid, "a file URL must have an absolute path and no host").with("url", text)
            })?;
            return Ok(Location { form: Form::Folder(path) });
        }
        Ok(Location { form: Form::Remote(url) })
    }

    /// The folder, if the place is one.
    pub fn folder(&self) -> Option<&FilePath> {
        match &self.form {
            Form::Folder(path) => Some(path),
            Form::Remote(_) => None,
        }
    }

    /// Opens the place, creating a folder that does not exist. `options` are credentials and settings by the names that
    /// `object_store` gives them, such as `aws_access_key_id`.
    pub fn open(&self, options: impl IntoIterator<Item = (String, String)>) -> Result<Place> {
        match &self.form {
            Form::Folder(path) => {
                let unusable = |error: std::io::Error| {
                    Error::because("the vault's folder cannot be used", error).with("path", path.display())
                };
                std::fs::create_dir_all(path).map_err(unusable)?;
                let folder = path.canonicalize().map_err(unusable)?;
                let store = LocalFileSystem::new_with_prefix(&folder)
                    .map_err(|error| Error::because("the vault's folder cannot be used", error))?;
                Ok(Place { store: Arc::new(store), folder: Some(folder), locks: None })
            }
            Form::Remote(url) => {
                let unusable = |error| {
                    Error::because("the vault's URL cannot be used", error)
                        .of_kind(Kind::Invalid)
                        .with("url", url)
                        .hint("write s3://bucket/folder, gs://bucket/folder, az://container/folder, or a path")
                };
                let scheme = ObjectStoreScheme::parse(url).map_err(|error| unusable(error.into()))?;
                let (store, prefix, locks): (Arc<dyn ObjectStore>, Path, Option<Arc<dyn ObjectLock>>) = match scheme {
                    (ObjectStoreScheme::AmazonS3, prefix) => {
                        let bucket = Bucket::open(url, prefix.clone(), options).map_err(unusable)?;
                        (Arc::new(bucket.clone()), prefix, Some(Arc::new(bucket)))
                    }
                    _ => {
                        let (store, prefix) = parse_url_opts(url, options).map_err(unusable)?;
                        (Arc::from(store), prefix, None)
                    }
                };
                let store = if prefix.as_ref().is_empty() { store } else { Arc::new(PrefixStore::new(store, prefix)) };
                Ok(Place { store, folder: None, locks })
            }
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.form {
            Form::Folder(path) => write!(f, "{}", path.display()),
            Form::Remote(url) => write!(f, "{url}"),
        }
    }
}
