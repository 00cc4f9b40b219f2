// SPDX-License-Identifier: Apache-2.0

use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use proptest::prelude::*;

use super::*;
use crate::keys::new_key;

fn ring() -> Keyring {
    Keyring { current: 0, keys: [(0, new_key().unwrap())].into(), since: None }
}

fn stores() -> (Arc<InMemory>, VaultStore) {
    let inner = Arc::new(InMemory::new());
    let place = Place { store: inner.clone(), folder: None, locks: None };
    (inner, VaultStore::new(&place, Some(ring())))
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_at_random_is_what_was_written(
        chunks in 0usize..6,
        rest in prop_oneof![Just(0usize), Just(1), Just(65_535), 2usize..65_535],
        parts in prop::option::of(1usize..200_000),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..6),
    ) {
        block_on(async {
            let plain = noise(chunks * CHUNK_BYTES as usize + rest);
            let (_, store) = stores();
            let path = Path::from("orgs/x/file");
            match parts {
                None => drop(store.put(&path, plain.clone().into()).await.unwrap()),
                Some(size) => {
                    let mut upload = store.put_multipart(&path).await.unwrap();
                    for part in plain.chunks(size) {
                        upload.put_part(part.to_vec().into()).await.unwrap();
                    }
                    upload.complete().await.unwrap();
                }
            }
            assert_eq!(store.head(&path).await.unwrap().size, plain.len() as u64);
            let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
            assert_eq!(listed[0].size, plain.len() as u64);
            assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), plain);
            let ranges: Vec<Range<u64>> = cuts
                .iter()
                .map(|(a, b)| {
                    let (a, b) = (a.index(plain.len() + 1) as u64, b.index(plain.len() + 1) as u64);
                    a.min(b)..a.max(b)
                })
                .collect();
            let read = store.get_ranges(&path, &ranges).await.unwrap();
            for (range, bytes) in ranges.iter().zip(read) {
                assert_eq!(bytes, plain[range.start as usize..range.end as usize]);
                if range.start < range.end {
                    assert_eq!(store.get_range(&path, range.clone()).await.unwrap(), bytes);
                }
            }
            if !plain.is_empty() {
                let options = GetOptions { range: Some(GetRange::Suffix(7)), ..GetOptions::default() };
                let suffix = store.get_opts(&path, options).await.unwrap().bytes().await.unwrap();
                assert_eq!(suffix, plain[plain.len().saturating_sub(7)..]);
            }
        });
    }
}

#[test]
fn reading_a_little_fetches_a_little() {
    block_on(async {
        let (inner, store) = stores();
        let path = Path::from("file");
        store.put(&path, noise(50 * CHUNK_BYTES as usize).into()).await.unwrap();
        store.get_range(&path, 10..20).await.unwrap();
        // With every chunk but the first destroyed, the first is still readable.
        let mut bytes = inner.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
        bytes[(HEADER_BYTES + SEALED_BYTES) as usize..].fill(0);
        inner.put(&path, bytes.into()).await.unwrap();
        store.get_ranges(&path, &[0..65_536, 100..200]).await.unwrap();
        assert!(store.get_range(&path, 65_530..65_540).await.is_err());
    });
}

#[test]
fn a_replaced_object_is_read_with_its_new_header() {
    block_on(async {
        let (_, store) = stores();
        let path = Path::from("file");
        for text in ["first", "2nd", "the third"] {
            store.put(&path, text.into()).await.unwrap();
            let whole = 0..text.len() as u64;
            assert_eq!(store.get_ranges(&path, &[whole]).await.unwrap()[0], text);
        }
    });
}

#[test]
fn a_copy_is_sealed_for_its_new_path() {
    block_on(async {
        let (inner, store) = stores();
        let (from, to, moved) = (Path::from("from"), Path::from("to"), Path::from("moved"));
        store.put(&from, "content".into()).await.unwrap();
        store.copy(&from, &to).await.unwrap();
        store.rename(&to, &moved).await.unwrap();
        assert_eq!(store.get(&moved).await.unwrap().bytes().await.unwrap(), "content");
        inner.copy(&from, &to).await.unwrap();
        assert!(store.get(&to).await.unwrap().bytes().await.is_err(), "moved behind our back");
        assert!(matches!(
            store.put_opts(&from, "x".into(), PutMode::Create.into()).await,
            Err(object_store::Error::AlreadyExists { .. })
        ));
    });
}

#[test]
fn sizes_follow_from_each_other() {
    for plain in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 10 * CHUNK_BYTES, 10 * CHUNK_BYTES + 5] {
        let stored = HEADER_BYTES + cipher::chunks(plain) * cipher::TAG_BYTES + plain;
        assert_eq!(cipher::plain_size(stored), Some(plain));
    }
    for stored in [0, 47, 48, 63, HEADER_BYTES + SEALED_BYTES + 16, HEADER_BYTES + SEALED_BYTES + 3] {
        assert_eq!(cipher::plain_size(stored), None, "{stored}");
    }
}
