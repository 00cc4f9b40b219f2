// SPDX-License-Identifier: Apache-2.0
//! A small vault that holds every kind of file, and a check that must read each of them to its last byte. Who adds a kind of file
//! to vaults adds it to [`full`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use orgkeep_vault::{
    CaptureKind, CheckOptions, ErasureDraft, Extent, Hold, ManifestDraft, OrgVault, Policy, Protection, Retention,
    Secret, Vault,
};
use serde_json::json;

use crate::world::*;

pub const OTHER_ORG: &str = "00D000000000002EAA";

/// How much a vault is to hold.
#[derive(Clone, Copy, PartialEq)]
pub enum Size {
    /// Few bytes, to be flipped one after the other.
    Least,
    /// Also what takes many backups: a checkpoint of a table's log, a large body.
    Every,
}

async fn round(org: &OrgVault, number: u64, size: Size) {
    let at = now() + TimeDelta::days(number.cast_signed());
    let lock = org.lock("test", at).await.unwrap();
    let unfinished = org.begin(&lock).await.unwrap();
    let lost = unfinished.quarantine().await.unwrap();
    let name = format!("round {number}");
    let rows = [("001A", false, name.as_str(), "1.5"), ("001B", number.is_multiple_of(2), "constant", "2")];
    capture(&unfinished, "Account", CaptureKind::Changes, vec![accounts(&rows)]).await;
    if number == 1 || number == 3 || !lost.is_empty() {
        let kind = if lost.is_empty() { CaptureKind::Changes } else { CaptureKind::Everything };
        let rows = [("003A", false, "Erika", ""), ("003B", false, name.as_str(), "")];
        capture(&unfinished, "Contact", kind, vec![accounts(&rows)]).await;
    }
    let blobs = unfinished.blobs().await.unwrap();
    let body = Bytes::from(format!("body of round {number}"));
    blobs.put(futures::stream::iter([Ok::<_, std::io::Error>(body)])).await.unwrap();
    if number == 2 && size == Size::Every {
        let large = Bytes::from(vec![7; 1_200_000]);
        blobs.put(futures::stream::iter([Ok::<_, std::io::Error>(large)])).await.unwrap();
    }
    blobs.commit().await.unwrap();
    unfinished.put_document("describe", br#"{"name":"Account"}"#).await.unwrap();
    unfinished.finish(ManifestDraft { finished_at: at, ..draft() }).await.unwrap();
    lock.release().await.unwrap();
}

async fn data_file(store: &dyn ObjectStore, folder: &str, newest: bool) -> Path {
    let mut files: Vec<Path> = store
        .list(Some(&Path::from(format!("orgs/{ORG}/objects/{folder}"))))
        .map_ok(|meta| meta.location)
        .try_filter(|path| {
            let is_file = path.as_ref().ends_with(".parquet") && !path.as_ref().contains("_delta_log");
            std::future::ready(is_file)
        })
        .try_collect()
        .await
        .unwrap();
    files.sort();
    if newest { files.pop().unwrap() } else { files.remove(0) }
}

/// A check that finds a file damaged, and remembers that.
async fn damaged(org: &OrgVault, store: &dyn ObjectStore, path: &Path, day: i64) -> Bytes {
    let whole = store.get(path).await.unwrap().bytes().await.unwrap();
    let mut bytes = whole.to_vec();
    bytes.truncate(whole.len() - 9);
    store.put(path, bytes.into()).await.unwrap();
    let options = CheckOptions { extent: Extent::Everything, now: Some(now() + TimeDelta::days(day)) };
    let report = org.check_with(options, &mut |_| {}).await.unwrap();
    assert!(report.damage.iter().any(|damage| damage.path == path.as_ref()), "{:?}", report.damage);
    whole
}

/// Two orgs; of one of them backups that expired and were removed, holds, an erasure, a restore, damage that was mended and some that
/// was brought back from elsewhere, a backup that was interrupted, and where there are keys an exchange of them that is under way.
pub async fn full(store: Arc<dyn ObjectStore>, protection: Protection, size: Size) -> Vault {
    let encrypted = !matches!(protection, Protection::None);
    let vault = Vault::init(store.clone(), protection).await.unwrap().0;
    round(&vault.org(OTHER_ORG).await.unwrap(), 1, Size::Least).await;
    let org = vault.org(ORG).await.unwrap();
    let rounds = if size == Size::Every { 18 } else { 5 };
    for number in 1..=3 {
        round(&org, number, size).await;
    }
    let file = data_file(store.as_ref(), "Contact", false).await;
    damaged(&org, store.as_ref(), &file, 3).await;
    for number in 4..=rounds {
        round(&org, number, size).await;
    }
    let lock = org.lock("test", now() + TimeDelta::days(30)).await.unwrap();
    let records = BTreeMap::from([("Contact".to_owned(), BTreeSet::from(["003A".to_owned()]))]);
    let (ids, rule) = (vec!["003A".to_owned()], "only itself".to_owned());
    let draft = ErasureDraft { object: "Contact".into(), ids, rule, records, bodies: BTreeSet::new() };
    org.erase(&lock, draft).await.unwrap();
    let policy = Policy { keep_last: 2, ..Policy::default() };
    let mut retention = Retention { policy: Some(policy.clone()), ..Retention::default() };
    let hold = Hold { since: now(), reason: "a lawsuit".into() };
    retention.backups.insert(3, hold.clone());
    retention.records.entry("Account".into()).or_default().insert("001B".into(), hold);
    org.set_retention(&lock, &retention).await.unwrap();
    org.continue_from(&vault.org(OTHER_ORG).await.unwrap(), now()).await.unwrap();
    org.expire(&lock, &[2]).await.unwrap();
    org.remove_expired(&lock, &[2]).await.unwrap();
    org.expire(&lock, &[1]).await.unwrap();
    let ledger = org.restore_create(br#"{"selection":"Name != null"}"#).await.unwrap();
    ledger.append(&[json!({"type": "created", "id": "001A"})]).await.unwrap();
    lock.release().await.unwrap();

    let file = data_file(store.as_ref(), "Account", true).await;
    let whole = damaged(&org, store.as_ref(), &file, 30).await;
    store.put(&file, whole.into()).await.unwrap();
    if encrypted {
        let lock = org.lock("keys", now() + TimeDelta::days(30)).await.unwrap();
        org.rotate(&lock, lock.at()).await.unwrap();
        org.continue_rotation(&lock, 1, lock.at()).await.unwrap();
        lock.release().await.unwrap();
    }
    // Within a day, so that files which were taken out of their tables are still there.
    let lock = org.lock("test", now() + TimeDelta::days(30)).await.unwrap();
    let unfinished = org.begin(&lock).await.unwrap();
    capture(&unfinished, "Lead", CaptureKind::Everything, vec![accounts(&[("00QA", false, "new", "")])]).await;
    drop(unfinished);
    lock.release().await.unwrap();
    vault
}

/// What the vault must hold for the test to say something: by the end or the beginning of its path below the org.
const KINDS: [&str; 23] = [
    "erasures/0000000001.out.json.zst",
    "former.json.zst",
    "unfinished.json",
    "retention.json.zst",
    "removed.json.zst",
    "lost.json.zst",
    "checked.json.zst",
    "backups/damaged.json.zst",
    "backups/0000000003.json.zst",
    "backups/0000000001.expired.json.zst",
    "backups/0000000002.expired.json.zst",
    "backups/0000000002-",
    "erasures/0000000001.json.zst",
    "erasures/0000000001.done.json.zst",
    "objects/Account/_delta_log/00000000000000000000.json",
    "objects/Account/0",
    "objects/Contact/0",
    "objects/Lead/0",
    "blobs/0",
    "blobs/_delta_log/",
    "documents/",
    "restores/0000000001/plan.json.zst",
    "restores/0000000001/ledger/0000000001.jsonl.zst",
];

/// A store that remembers which bytes of each file were read.
#[derive(Debug)]
struct Watched {
    inner: InMemory,
    read: Mutex<BTreeMap<Path, Vec<Range<u64>>>>,
}

impl Watched {
    fn note(&self, path: &Path, range: Range<u64>) {
        self.read.lock().unwrap().entry(path.clone()).or_default().push(range);
    }

    /// The first byte of a file that was not read.
    fn unread(&self, path: &Path, bytes: u64) -> Option<u64> {
        let mut ranges = self.read.lock().unwrap().get(path).cloned().unwrap_or_default();
        ranges.sort_by_key(|range| range.start);
        let end = ranges.iter().fold(0, |end, range| if range.start <= end { end.max(range.end) } else { end });
        (end < bytes).then_some(end)
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("watched store")
    }
}

#[async_trait]
impl ObjectStore for Watched {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let found = self.inner.get_opts(location, options).await?;
        if !head {
            self.note(location, found.range.clone());
        }
        Ok(found)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        ranges.iter().for_each(|range| self.note(location, range.clone()));
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_check_reads_every_byte_of_every_file_that_a_vault_has() {
    for protection in [Protection::None, Protection::Passphrase(Secret::new("p"))] {
        let encrypted = !matches!(protection, Protection::None);
        let base = Arc::new(InMemory::new());
        let vault = full(base.clone(), protection, Size::Every).await;
        let listed: Vec<ObjectMeta> = base.list(None).try_collect().await.unwrap();
        let own = format!("orgs/{ORG}/");
        let there: Vec<&str> = listed.iter().filter_map(|meta| meta.location.as_ref().strip_prefix(&own)).collect();
        let keys = ["key.json", "rotation.json"];
        let large = ["blobs/large/", "objects/Account/_delta_log/_last_checkpoint"];
        for kind in KINDS.iter().chain(&large).chain(keys.iter().filter(|_| encrypted)) {
            assert!(there.iter().any(|path| path.starts_with(kind)), "the vault has no {kind}: {there:#?}");
        }
        if !encrypted {
            let packed = base.get(&Path::from(format!("{own}removed.json.zst"))).await.unwrap().bytes().await.unwrap();
            let removed: serde_json::Value =
                serde_json::from_slice(&zstd::decode_all(packed.as_ref()).unwrap()).unwrap();
            let taken_out = |meta: &ObjectMeta| removed["files"].get(meta.location.as_ref()).is_some();
            assert!(listed.iter().any(taken_out), "no file that was taken out of its table: {removed:?}");
        }
        let watched = Arc::new(Watched { inner: base.fork(), read: Mutex::default() });
        let seen = vault.at(watched.clone() as Arc<dyn ObjectStore>);
        for org in [ORG, OTHER_ORG] {
            let report = seen.org(org).await.unwrap().check(true, &mut |_| {}).await.unwrap();
            assert_eq!(report.damage, []);
            assert_eq!(report.unnamed.paths, [""; 0], "files that no check knows");
        }
        for meta in &listed {
            // Who holds the lock at the moment is nobody's content.
            let passing = meta.location.as_ref().ends_with("/lock") || meta.location.as_ref() == "vault.lock";
            let unread = watched.unread(&meta.location, meta.size).filter(|_| !passing);
            assert_eq!(unread, None, "from that byte on nobody read {}", meta.location);
        }
    }
}

/// Each file beside the content, damaged: what the report calls it, the backup and the org.
#[tokio::test]
async fn damage_beside_the_content_is_named_by_what_it_is() {
    for protection in [Protection::None, Protection::Passphrase(Secret::new("p"))] {
        let encrypted = !matches!(protection, Protection::None);
        let base = Arc::new(InMemory::new());
        let vault = full(base.clone(), protection, Size::Least).await;
        let mut files = vec![
            ("retention.json.zst", "retention policy and holds"),
            ("removed.json.zst", "list of removed files"),
            ("lost.json.zst", "list of what was lost"),
            ("checked.json.zst", "list of what was checked"),
            ("backups/damaged.json.zst", "list of damaged files"),
            ("backups/0000000001.expired.json.zst", "mark of expired backup 1"),
            ("erasures/0000000001.json.zst", "erasure 1"),
            ("erasures/0000000001.done.json.zst", "end of erasure 1"),
            ("restores/0000000001/plan.json.zst", "plan of restore 0000000001"),
            ("restores/0000000001/ledger/0000000001.jsonl.zst", "ledger of restore 0000000001"),
        ];
        if encrypted {
            files.push(("rotation.json", "progress of an exchange of keys"));
        }
        for (name, what) in files {
            let path = Path::from(format!("orgs/{ORG}/{name}"));
            let mut bytes = base.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
            let middle = bytes.len() - 12;
            bytes[middle] ^= 1;
            let store = Arc::new(base.fork());
            store.put(&path, bytes.into()).await.unwrap();
            let org = vault.at(store as Arc<dyn ObjectStore>).org(ORG).await.unwrap();
            let report = org.check(true, &mut |_| {}).await.unwrap();
            let damage = report.damage.iter().find(|damage| damage.path == path.as_ref());
            let damage = damage.unwrap_or_else(|| panic!("{name} is not named: {:?}", report.damage));
            assert_eq!((damage.file.as_deref(), damage.org.as_deref()), (Some(what), Some(ORG)));
            assert_eq!(damage.backups, if name.contains("expired") { vec![1] } else { vec![] }, "{name}");
        }
        // What must be there and is not: quickly, without reading content.
        for (name, what) in [("erasures/0000000001.json.zst", "erasure 1"), ("backups/0000000002.expired.json.zst", "")]
        {
            let store = Arc::new(base.fork());
            store.delete(&Path::from(format!("orgs/{ORG}/{name}"))).await.unwrap();
            let org = vault.at(store as Arc<dyn ObjectStore>).org(ORG).await.unwrap();
            let report = org.check(false, &mut |_| {}).await.unwrap();
            let named = report.damage.iter().any(|damage| what.is_empty() || damage.file.as_deref() == Some(what));
            assert!(named, "{name} is not missed: {:?}", report.damage);
        }
    }
}
