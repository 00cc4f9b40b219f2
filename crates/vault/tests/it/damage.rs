// SPDX-License-Identifier: Apache-2.0
//! Files of a vault that are cut, changed, swapped or gone: `check` names them, and the rest stays readable.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use orgkeep_vault::{CaptureKind, CheckReport, Kind, OrgVault, Protection, Scan, Secret, Vault};
use std::sync::Arc;

use crate::world::*;

struct Sample {
    store: Arc<dyn ObjectStore>,
    vault: Vault,
}

impl Sample {
    /// Two backups of two objects, a blob, a document and a restore.
    async fn new(protection: Protection) -> Sample {
        let store = memory();
        let vault = Vault::init(store.clone(), protection).await.unwrap().0;
        let org = vault.org(ORG).await.unwrap();
        let lock = lock(&org).await;
        for round in 1..=2 {
            let unfinished = org.begin(&lock).await.unwrap();
            for object in ["Account", "Contact"] {
                let names: Vec<String> =
                    (0..5000).map(|row| format!("{object} {} {round}", row * 7919 % 5000)).collect();
                let ids: Vec<String> = (0..5000).map(|row| format!("{object}{row:05}")).collect();
                let rows: Vec<Record<'_>> =
                    ids.iter().zip(&names).map(|(id, name)| (id.as_str(), false, name.as_str(), "3.25")).collect();
                let rows = if round == 1 { rows } else { rows[..10].to_vec() };
                capture(&unfinished, object, CaptureKind::Changes, vec![accounts(&rows)]).await;
            }
            unfinished.put_document("describe", format!("{{\"round\":{round}}}").as_bytes()).await.unwrap();
            let blobs = unfinished.blobs().await.unwrap();
            let body = bytes::Bytes::from(vec![round; 1_200_000 * usize::from(round)]);
            let put = blobs.put(futures::stream::iter([Ok::<_, std::io::Error>(body)])).await;
            put.unwrap();
            blobs.commit().await.unwrap();
            unfinished.finish(draft()).await.unwrap();
        }
        org.restore_create(b"{}").await.unwrap().append(&[serde_json::json!(1)]).await.unwrap();
        Sample { store, vault }
    }

    async fn org(&self) -> OrgVault {
        self.vault.org(ORG).await.unwrap()
    }

    async fn paths(&self, part: &str, ending: &str) -> Vec<Path> {
        let prefix = Path::from(format!("orgs/{ORG}/{part}"));
        let mut paths: Vec<Path> = self
            .store
            .list(Some(&prefix))
            .map_ok(|meta| meta.location)
            .try_filter(|path| std::future::ready(path.as_ref().ends_with(ending)))
            .try_collect()
            .await
            .unwrap();
        paths.sort();
        paths
    }

    async fn read(&self, path: &Path) -> Vec<u8> {
        self.store.get(path).await.unwrap().bytes().await.unwrap().to_vec()
    }

    async fn write(&self, path: &Path, bytes: Vec<u8>) {
        self.store.put(path, bytes.into()).await.unwrap();
    }

    async fn check(&self, read_data: bool) -> CheckReport {
        self.org().await.check(read_data, &mut |_| {}).await.unwrap()
    }
}

fn encrypted() -> Protection {
    Protection::Passphrase(Secret::new("p"))
}

fn assert_names(report: &CheckReport, path: &Path) {
    assert!(!report.damage.is_empty());
    for damage in &report.damage {
        let related = path.as_ref().starts_with(damage.path.as_str()) || damage.path == path.as_ref();
        assert!(related, "{damage:?} is not {path}");
    }
}

#[tokio::test]
async fn a_file_that_was_cut_is_named_and_the_rest_is_readable() {
    let sample = Sample::new(encrypted()).await;
    let path = sample.paths("objects/Account", ".parquet").await.remove(0);
    let whole = sample.read(&path).await;
    for length in [0, 20, 48, 60, whole.len() / 2, whole.len() - 1] {
        sample.write(&path, whole[..length].to_vec()).await;
        let report = sample.check(false).await;
        assert_names(&report, &path);
        assert_eq!(report.damage[0].object.as_deref(), Some("Account"));
        assert_eq!(report.damage[0].backups, [1, 2]);
    }
    let org = sample.org().await;
    let read: Result<Vec<_>, _> = org.scan("Account", 2, Scan::default()).await.unwrap().try_collect().await;
    assert_eq!(read.unwrap_err().kind(), Kind::Corrupt);
    let contacts = collect(org.scan("Contact", 2, Scan::default()).await.unwrap()).await;
    assert_eq!(table(&contacts).len(), 5000);
    // Of the broken object too, what lies in other files.
    let ids = Some(vec!["Account00003".to_owned()]);
    assert_eq!(org.manifests().await.unwrap().len(), 2);
    let read: Result<Vec<_>, _> =
        org.scan("Account", 1, Scan { ids, ..Scan::default() }).await.unwrap().try_collect().await;
    assert_eq!(read.unwrap_err().kind(), Kind::Corrupt);
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_found() {
    let sample = Sample::new(encrypted()).await;
    assert_eq!(sample.check(true).await.damage, []);
    let mut paths = Vec::new();
    for (part, ending) in
        [("objects/Account", ".parquet"), ("blobs", ""), ("documents", ".zst"), ("restores", ""), ("backups", ".zst")]
    {
        paths.extend(sample.paths(part, ending).await);
    }
    paths.extend(sample.paths("objects/Contact/_delta_log", ".json").await);
    assert!(paths.len() > 12, "{paths:?}");
    for path in paths {
        let whole = sample.read(&path).await;
        for position in [3, 30, whole.len() / 2, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x10;
            sample.write(&path, bytes).await;
            let report = sample.check(true).await;
            assert!(!report.damage.is_empty(), "bit {position} of {path}");
            let folder = path.as_ref().rsplit_once('/').unwrap().0.trim_end_matches("/_delta_log");
            assert!(
                report
                    .damage
                    .iter()
                    .any(|damage| damage.path.starts_with(folder) || path.as_ref().starts_with(&damage.path)),
                "{path}: {:?}",
                report.damage
            );
        }
        sample.write(&path, whole).await;
    }
    assert_eq!(sample.check(true).await.damage, []);
}

#[tokio::test]
async fn files_that_changed_places_are_found() {
    let sample = Sample::new(encrypted()).await;
    let (one, other) = (
        sample.paths("objects/Account", ".parquet").await.remove(0),
        sample.paths("objects/Contact", ".parquet").await.remove(0),
    );
    let (first, second) = (sample.read(&one).await, sample.read(&other).await);
    sample.write(&one, second).await;
    sample.write(&other, first).await;
    let report = sample.check(true).await;
    let named: Vec<&str> = report.damage.iter().map(|damage| damage.path.as_str()).collect();
    assert!(named.contains(&one.as_ref()) && named.contains(&other.as_ref()), "{named:?}");
}

#[tokio::test]
async fn a_file_that_is_gone_is_found_without_reading_data() {
    let sample = Sample::new(Protection::None).await;
    let mut gone = sample.paths("objects/Contact", ".parquet").await;
    gone.extend(sample.paths("blobs/large", "").await);
    for path in gone {
        let whole = sample.read(&path).await;
        sample.store.delete(&path).await.unwrap();
        assert_names(&sample.check(false).await, &path);
        sample.write(&path, whole).await;
    }
    let log = sample.paths("objects/Contact/_delta_log", ".json").await.remove(0);
    sample.store.delete(&log).await.unwrap();
    let report = sample.check(false).await;
    assert_names(&report, &log);
    assert_eq!(report.damage[0].backups, [1, 2]);
}

#[tokio::test]
async fn a_changed_page_of_an_unencrypted_vault_is_found_by_reading() {
    let sample = Sample::new(Protection::None).await;
    let path = sample.paths("objects/Account", ".parquet").await.remove(0);
    let whole = sample.read(&path).await;
    let mut bytes = whole.clone();
    // Well inside the first column chunks.
    for byte in &mut bytes[200..232] {
        *byte ^= 0xff;
    }
    sample.write(&path, bytes).await;
    assert_eq!(sample.check(false).await.damage, [], "the length is right, and nothing was read");
    let report = sample.check(true).await;
    assert!(report.damage.iter().any(|damage| damage.object.as_deref() == Some("Account")), "{report:?}");
    assert!(report.damage.iter().all(|damage| damage.object.as_deref() != Some("Contact")), "{report:?}");
}

#[tokio::test]
async fn a_manifest_that_was_removed_or_rewritten_breaks_the_chain() {
    let sample = Sample::new(Protection::None).await;
    let path = sample.paths("backups", "/0000000001.json.zst").await.remove(0);
    let text = String::from_utf8(zstd::decode_all(sample.read(&path).await.as_slice()).unwrap()).unwrap();
    assert!(text.contains("\"green\":true"), "{text}");
    let other = text.replace("\"green\":true", "\"green\":null");
    sample.write(&path, zstd::encode_all(other.as_bytes(), 1).unwrap()).await;
    assert_eq!(sample.org().await.manifests().await.unwrap_err().kind(), Kind::Corrupt);
    let report = sample.check(false).await;
    // The one that was rewritten is not the one that was sealed, and the next does not follow it.
    let named: Vec<&str> = report.damage.iter().map(|damage| damage.path.rsplit_once('/').unwrap().1).collect();
    assert_eq!(named, ["0000000001.json.zst", "0000000002.json.zst"]);
    sample.store.delete(&path).await.unwrap();
    assert_eq!(sample.org().await.manifests().await.unwrap_err().kind(), Kind::Corrupt);
    assert!(!sample.check(false).await.damage.is_empty());
}

#[tokio::test]
async fn a_damaged_checkpoint_costs_nothing_but_time() {
    for protection in [Protection::None, encrypted()] {
        let store = memory();
        let sample = Sample { vault: Vault::init(store.clone(), protection).await.unwrap().0, store };
        for round in 1..=18 {
            let name = format!("round {round}");
            let rows = accounts(&[("001A", false, &name, ""), ("001B", false, "constant", "")]);
            backup(&sample.org().await, CaptureKind::Changes, vec![rows]).await;
        }
        let checkpoint = sample.paths("objects/Account/_delta_log", ".checkpoint.parquet").await.remove(0);
        let hint = sample.paths("objects/Account/_delta_log", "_last_checkpoint").await.remove(0);
        for path in [checkpoint, hint] {
            let whole = sample.read(&path).await;
            for bytes in [whole[..whole.len() / 2].to_vec(), vec![b'x'; whole.len()]] {
                sample.write(&path, bytes).await;
                let org = sample.org().await;
                assert_eq!(names(&org, 18).await[0], ("001A".to_owned(), "round 18".to_owned()));
                let report = sample.check(true).await;
                assert_eq!(report.damage.len(), 1, "{:?}", report.damage);
                assert_eq!(report.damage[0].path, path.as_ref());
                assert_eq!(report.damage[0].backups, [0; 0]);
            }
            sample.write(&path, whole).await;
        }
        // And a backup goes on.
        let (_, captured) = backup(&sample.org().await, CaptureKind::Everything, vec![]).await;
        assert_eq!(captured.deleted, 2);
        // A commit that is gone is not taken for the end of the table.
        let commits = sample.paths("objects/Account/_delta_log", ".json").await;
        sample.store.delete(&commits[17]).await.unwrap();
        let org = sample.org().await;
        assert_eq!(org.scan("Account", 19, Scan::default()).await.err().unwrap().kind(), Kind::Corrupt);
    }
}
