// SPDX-License-Identifier: Apache-2.0
//! An S3 bucket that keeps versions and may lock them (object lock), which the library for stores knows nothing of.
//!
//! - Where the bucket has a default retention, every object is locked from its upload on. [`ObjectLock::retain`] makes a lock longer, so that what is still
//!   needed stays locked.
//! - A plain removal would only hide an object behind a delete marker: an erasure would erase nothing, and a locked file would be hidden and
//!   kept. So content is removed version by version, the oldest first; the bucket refuses that while a version is locked, and then the newest one is
//!   still there. What comes and goes (locks, marks of unfinished work) is removed plainly.
//! - What is written over ([`PutMode::Overwrite`]) leaves its older versions to the rules of the bucket.
//!
//! Requests are those of the S3 API: [GetObjectLockConfiguration], [GetBucketVersioning], [ListObjectVersions], [DeleteObject] with a version, and
//! [PutObjectRetention]. A service that does not know one of the first two counts as a bucket without; to a user who may not ask (`s3:GetBucketVersioning`,
//! `s3:GetBucketObjectLockConfiguration`) nothing is removed, because nobody knows whether it would be gone.
//!
//! [GetObjectLockConfiguration]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html
//! [GetBucketVersioning]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html
//! [ListObjectVersions]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
//! [DeleteObject]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
//! [PutObjectRetention]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html
//! [`PutMode::Overwrite`]: object_store::PutMode::Overwrite

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures::stream::{BoxStream, StreamExt};
use http::{Method, StatusCode};
use md5::{Digest as _, Md5};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer, Checksum};
use object_store::client::{HttpClient, HttpConnector as _, HttpRequestBody, ReqwestConnector};
use object_store::path::Path;
use object_store::signer::Signer as _;
use object_store::{
    ClientOptions, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::OnceCell;
use url::Url;

use super::xml;
use super::{BucketRetention, ObjectLock};
use crate::packed::ENDING;

const STORE: &str = "S3";
/// The address that a request without a signature of its own is derived from is used at once.
const SIGNED_FOR: Duration = Duration::from_secs(60);
const TRIES: u32 = 4;
const REMOVED_AT_ONCE: usize = 8;

/// What a bucket does beyond storing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Abilities {
    versions: bool,
    retention: Option<BucketRetention>,
}

/// A bucket, as a store of objects and as one that locks them. Clones share it.
#[derive(Clone)]
pub(super) struct Bucket {
    s3: AmazonS3,
    /// Where in it the vault is.
    prefix: Path,
    http: HttpClient,
    abilities: Arc<OnceCell<Abilities>>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.s3.fmt(f)
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.s3.fmt(f)
    }
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic { store: STORE, source: source.into() }
}

/// What the service said.
struct Answer {
    status: StatusCode,
    text: String,
}

impl Bucket {
    /// `options` by the names that `object_store` gives them; those it does not know are other programs'.
    pub(super) fn open(url: &Url, prefix: Path, options: impl IntoIterator<Item = (String, String)>) -> Result<Bucket> {
        // A bucket that locks takes nothing without a checksum; a service may know none, and then can be told so.
        let (mut builder, mut client) = (AmazonS3Builder::new().with_url(url.as_str()), ClientOptions::new());
        let mut checksum = Some(Checksum::SHA256);
        for (name, value) in options {
            let Ok(key) = name.parse::<AmazonS3ConfigKey>() else { continue };
            if key == AmazonS3ConfigKey::Checksum {
                checksum = None;
                if value == "none" {
                    continue;
                }
            }
            if let AmazonS3ConfigKey::Client(key) = &key {
                client = client.with_config(*key, value.clone());
            }
            builder = builder.with_config(key, value);
        }
        if let Some(checksum) = checksum {
            builder = builder.with_checksum_algorithm(checksum);
        }
        let http = ReqwestConnector::default().connect(&client)?;
        Ok(Bucket { s3: builder.build()?, prefix, http, abilities: Arc::default() })
    }

    async fn abilities(&self) -> Result<&Abilities> {
        let ask = async || -> Result<Abilities> {
            let root = Path::default();
            let versioning = self.ability(&root, "versioning").await?;
            let lock = self.ability(&root, "object-lock").await?;
            // Where it is suspended, versions from before are still there.
            let versions = versioning.is_some_and(|text| xml::text(&text, "Status").is_some());
            Ok(Abilities { versions, retention: lock.as_deref().and_then(retention) })
        };
        self.abilities.get_or_try_init(ask).await
    }

    /// What the bucket says of something that it may be able to do; none where it or the service cannot.
    async fn ability(&self, root: &Path, query: &str) -> Result<Option<String>> {
        let answer = self.call(Method::GET, root, query, Bytes::new()).await?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED => Ok(None),
            _ => {
                let text = answer.text.clone();
                done(root, answer)?;
                Ok(Some(text))
            }
        }
    }

    /// Removes every version of an object, the oldest first, so that whatever stops it an older one does not come back.
    async fn remove(&self, path: &Path) -> Result<()> {
        let key = path.as_ref();
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let (mut versions, mut after) = (Vec::new(), String::new());
        loop {
            let query = format!("versions&prefix={}{after}", encoded(key));
            let listed = self.call(Method::GET, &Path::default(), &query, Bytes::new()).await?;
            let text = listed.text.clone();
            done(path, listed)?;
            versions.extend(xml::versions(&text).into_iter().filter(|version| version.key == key));
            match xml::text(&text, "IsTruncated").as_deref() {
                Some("false") => break,
                Some("true") => {}
                _ => return Err(generic("the service's list of versions is none")),
            }
            let next = |tag| xml::text(&text, tag).filter(|next| !next.is_empty());
            let (Some(marker), Some(version)) = (next("NextKeyMarker"), next("NextVersionIdMarker")) else {
                return Err(generic("the service's list of versions breaks off"));
            };
            if marker != key {
                // Objects whose names begin with this one's.
                break;
            }
            after = format!("&key-marker={}&version-id-marker={}", encoded(&marker), encoded(&version));
        }
        for version in versions.iter().rev() {
            let query = format!("versionId={}", encoded(&version.id));
            match self.call(Method::DELETE, path, &query, Bytes::new()).await? {
                answer if answer.status == StatusCode::NOT_FOUND => {}
                answer => done(path, answer)?,
            }
        }
        Ok(())
    }

    /// Whether an object is of those that are put once and removed for good: not what comes and goes while work is under way.
    fn is_content(&self, path: &Path) -> bool {
        let Some(parts) = path.prefix_match(&self.prefix) else { return false };
        let parts: Vec<_> = parts.collect();
        let names: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        match names.as_slice() {
            ["orgs", _, "objects" | "blobs" | "documents" | "restores", ..] => !names.contains(&"_delta_log"),
            ["orgs", _, "backups", name] => {
                name.strip_suffix(ENDING).is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            }
            _ => false,
        }
    }

    /// One request, signed, and repeated where the service is busy or away.
    async fn call(&self, method: Method, path: &Path, query: &str, body: Bytes) -> Result<Answer> {
        let credential = self.s3.credentials().get_credential().await?;
        // The library tells neither address nor region, but signs addresses, which hold both.
        let mut url = self.s3.signed_url(method.clone(), path, SIGNED_FOR).await?;
        let region = url.query_pairs().find(|(name, _)| name == "X-Amz-Credential");
        let region = region.and_then(|(_, scope)| scope.split('/').nth_back(2).map(str::to_owned));
        let region = region.ok_or_else(|| generic("a signed address names no region"))?;
        url.set_query(Some(query));
        let mut tried = 0;
        loop {
            tried += 1;
            let mut request = http::Request::builder()
                .method(method.clone())
                .uri(url.as_str())
                .header("content-md5", STANDARD.encode(Md5::digest(&body)))
                .body(HttpRequestBody::from(body.clone()))
                .map_err(generic)?;
            AwsAuthorizer::new(&credential, "s3", &region).authorize(&mut request, None);
            let last = tried == TRIES;
            match self.http.execute(request).await {
                Ok(response) if response.status().is_server_error() && !last => {}
                Ok(response) => {
                    let (parts, body) = response.into_parts();
                    let text = String::from_utf8_lossy(&body.bytes().await.map_err(generic)?).into_owned();
                    return Ok(Answer { status: parts.status, text });
                }
                Err(error) if last => return Err(generic(error)),
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(100 << tried)).await;
        }
    }
}

fn done(path: &Path, answer: Answer) -> Result<()> {
    if answer.status.is_success() {
        return Ok(());
    }
    let said = xml::text(&answer.text, "Message").unwrap_or_else(|| answer.status.to_string());
    let (path, source) = (path.to_string(), said.into());
    Err(match answer.status {
        StatusCode::FORBIDDEN => object_store::Error::PermissionDenied { path, source },
        StatusCode::NOT_FOUND => object_store::Error::NotFound { path, source },
        _ => generic(source),
    })
}

#[async_trait]
impl ObjectLock for Bucket {
    async fn retention(&self) -> Result<Option<BucketRetention>> {
        Ok(self.abilities().await?.retention.clone())
    }

    async fn retain(&self, path: &Path, mode: &str, until: DateTime<Utc>) -> Result<()> {
        let path: Path = self.prefix.parts().chain(path.parts()).collect();
        let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
        let body = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"
        );
        done(&path, self.call(Method::PUT, &path, "retention", body.into()).await?)
    }
}

fn retention(answer: &str) -> Option<BucketRetention> {
    let text = |tag| xml::text(answer, tag);
    let number = |tag| text(tag)?.parse::<i64>().ok();
    let days = number("Days").or_else(|| Some(number("Years")? * 365))?;
    Some(BucketRetention {
        mode: text("Mode")?,
        period: TimeDelta::try_days(days).filter(|period| *period > TimeDelta::zero())?,
    })
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.s3.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.s3.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.s3.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.s3.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let bucket = self.clone();
        let remove = move |location: Result<Path>| {
            let bucket = bucket.clone();
            async move {
                let location = location?;
                if bucket.is_content(&location) && bucket.abilities().await?.versions {
                    bucket.remove(&location).await?;
                } else {
                    bucket.s3.delete(&location).await?;
                }
                Ok(location)
            }
        };
        locations.map(remove).buffered(REMOVED_AT_ONCE).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.s3.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.s3.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.s3.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.s3.copy_opts(from, to, options).await
    }
}
