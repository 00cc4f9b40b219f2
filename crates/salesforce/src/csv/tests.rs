// SPDX-License-Identifier: Apache-2.0
use proptest::prelude::*;

use super::*;

/// Reads a text in chunks of these sizes, over and over.
fn read(csv: &[u8], chunk_sizes: &[usize], skip: u64) -> Result<Vec<Rows>> {
    let mut reader = Reader::skipping(skip);
    let mut batches = Vec::new();
    let mut rest = csv;
    for size in chunk_sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at((*size).clamp(1, rest.len()));
        reader.feed(chunk, &mut batches)?;
        rest = after;
    }
    batches.extend(reader.finish()?);
    Ok(batches)
}

fn cells(batches: &[Rows]) -> Vec<Vec<String>> {
    let rows = batches.iter().flat_map(Rows::iter);
    rows.map(|row| row.map(|cell| cell.unwrap_or_default().to_owned()).collect()).collect()
}

fn write(rows: &[Vec<String>]) -> Vec<u8> {
    let mut csv = Vec::new();
    for row in rows {
        write_row(&mut csv, row.iter().map(|cell| Some(cell.as_str())));
    }
    csv
}

/// Cells with everything that breaks careless readers.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("#N/A".to_owned()),
        Just("  leading and trailing  ".to_owned()),
        Just("a\r\nb\nc\rd".to_owned()),
        Just("\"".to_owned()),
        Just("\"\",\"\"\n".to_owned()),
        Just("😀👨‍👩‍👧 𝄞".to_owned()),
        Just("\u{feff}mark".to_owned()),
        Just("\0\u{1}".to_owned()),
        ".{0,12}",
        "[\",\r\n a]{0,8}",
    ]
}

fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
    (1usize..5).prop_flat_map(|columns| prop::collection::vec(prop::collection::vec(cell(), columns), 0..12))
}

fn header(columns: usize) -> Vec<String> {
    (0..columns).map(|column| format!("Field_{column}__c")).collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(rows in table(), sizes in prop::collection::vec(1usize..20, 1..8)) {
        let columns = rows.first().map_or(2, Vec::len);
        let mut all = vec![header(columns)];
        all.extend(rows.iter().cloned());
        let batches = read(&write(&all), &sizes, 0).unwrap();
        prop_assert_eq!(cells(&batches), rows);
        for batch in batches {
            prop_assert_eq!(batch.columns().to_vec(), header(columns));
        }
    }

    #[test]
    fn lines_may_end_in_crlf_and_the_last_one_in_nothing(rows in table(), sizes in prop::collection::vec(1usize..20, 1..8)) {
        let columns = rows.first().map_or(2, Vec::len);
        let mut csv = Vec::new();
        for row in std::iter::once(&header(columns)).chain(&rows) {
            write_row(&mut csv, row.iter().map(|cell| Some(cell.as_str())));
            csv.insert(csv.len() - 1, b'\r');
        }
        prop_assert_eq!(cells(&read(&csv, &sizes, 0).unwrap()), rows.clone());
        csv.truncate(csv.len() - 2);
        prop_assert_eq!(cells(&read(&csv, &sizes, 0).unwrap()), rows);
    }

    #[test]
    fn skipping_leaves_out_the_first_rows_only(rows in table(), skip in 0usize..14) {
        let columns = rows.first().map_or(2, Vec::len);
        let mut all = vec![header(columns)];
        all.extend(rows.iter().cloned());
        let batches = read(&write(&all), &[7], skip as u64).unwrap();
        prop_assert_eq!(cells(&batches), rows.get(skip..).unwrap_or_default().to_vec());
    }

    #[test]
    fn an_end_anywhere_is_either_noticed_or_between_whole_rows(rows in table(), cut in 0.0..1.0f64) {
        let columns = rows.first().map_or(2, Vec::len);
        let mut all = vec![header(columns)];
        all.extend(rows.iter().cloned());
        let csv = write(&all);
        let cut = (csv.len() as f64 * cut) as usize;
        // Between two quotes that mean one the text looks complete.
        prop_assume!(csv.get(cut) != Some(&b'"'));
        if let Ok(batches) = read(&csv[..cut], &[5], 0) {
            let read = cells(&batches);
            prop_assert_eq!(&read[..], &rows[..read.len()]);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), sizes in prop::collection::vec(1usize..20, 1..4)) {
        let _ = read(&bytes, &sizes, 0);
    }
}

#[test]
fn unquoted_values_are_read_too() {
    let batches = read(b"Id,Name\n1,a b\n2,\n", &[3], 0).unwrap();
    assert_eq!(cells(&batches), [["1", "a b"], ["2", ""]]);
}

#[test]
fn a_row_of_another_width_is_corrupt() {
    for csv in ["\"A\",\"B\"\n\"1\"\n", "\"A\",\"B\"\n\"1\",\"2\",\"3\"\n"] {
        let error = read(csv.as_bytes(), &[100], 0).unwrap_err();
        assert_eq!(error.kind, Kind::Corrupt);
    }
}

#[test]
fn text_that_is_not_utf_8_is_corrupt() {
    let error = read(b"\"A\"\n\"\xff\"\n", &[100], 0).unwrap_err();
    assert_eq!(error.kind, Kind::Corrupt);
}

#[test]
fn batches_are_given_out_by_rows_and_by_size() {
    let mut csv = b"\"A\",\"B\"\n".to_vec();
    for _ in 0..BATCH_ROWS + 5 {
        write_row(&mut csv, [Some("x"), None]);
    }
    let lengths: Vec<usize> = read(&csv, &[65_536], 0).unwrap().iter().map(Rows::len).collect();
    assert_eq!(lengths, [BATCH_ROWS, 5]);

    let long = "ä".repeat(50_000);
    let mut csv = b"\"A\"\n".to_vec();
    for _ in 0..100 {
        write_row(&mut csv, [Some(long.as_str())]);
    }
    let batches = read(&csv, &[65_536], 0).unwrap();
    assert_eq!(batches.iter().map(Rows::len).sum::<usize>(), 100);
    assert!(batches.iter().all(|batch| batch.bytes() <= BATCH_BYTES + long.len()));
    assert!(batches.iter().flat_map(Rows::iter).all(|mut row| row.next().unwrap() == Some(long.as_str())));
}

#[test]
fn columns_are_known_as_soon_as_the_header_is() {
    let mut reader = Reader::new();
    let mut batches = Vec::new();
    reader.feed(b"\"Id\",\"Na", &mut batches).unwrap();
    assert!(reader.columns().is_none());
    reader.feed(b"me\"\n", &mut batches).unwrap();
    assert_eq!(reader.columns().unwrap().join(","), "Id,Name");
    assert_eq!((reader.finish().unwrap(), reader.rows()), (None, 0));
}
