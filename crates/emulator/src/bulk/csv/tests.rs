// SPDX-License-Identifier: Apache-2.0

use std::io::BufReader;

use proptest::prelude::*;

use super::*;

fn read_all(text: &[u8], delimiter: Delimiter, line_ending: LineEnding) -> Result<Vec<Vec<String>>, Broken> {
    // A tiny buffer, so that every state is entered at the start of a chunk somewhere.
    let mut reader = Reader::new(BufReader::with_capacity(3, text), delimiter, line_ending);
    let mut rows = Vec::new();
    let mut row = Row::default();
    while reader.read(&mut row)? {
        rows.push(row.values().map(|value| String::from_utf8(value.to_vec()).unwrap()).collect());
    }
    Ok(rows)
}

fn lf(text: &str) -> Result<Vec<Vec<String>>, Broken> {
    read_all(text.as_bytes(), Delimiter::Comma, LineEnding::Lf)
}

#[test]
fn quotes_hold_delimiters_quotes_and_newlines() {
    let rows = lf("Id,Name\n1,\"a,\"\"b\"\"\nc\"\n2,plain\n").unwrap();
    assert_eq!(rows, [["Id", "Name"], ["1", "a,\"b\"\nc"], ["2", "plain"]]);
}

#[test]
fn empty_values_count_and_empty_lines_do_not() {
    assert_eq!(lf("a,,\"\"\n\n,\nlast").unwrap(), [vec!["a", "", ""], vec!["", ""], vec!["last"]]);
    assert!(lf("").unwrap().is_empty());
    assert_eq!(lf("a,").unwrap(), [["a", ""]]);
}

#[test]
fn the_other_line_ending_is_refused_outside_quotes_only() {
    assert!(matches!(lf("Id\r\n1\r\n"), Err(Broken::LineEnding)));
    assert!(matches!(read_all(b"Id\n1\n", Delimiter::Comma, LineEnding::CrLf), Err(Broken::LineEnding)));
    assert!(matches!(read_all(b"Id\r1\r\n", Delimiter::Comma, LineEnding::CrLf), Err(Broken::LineEnding)));
    assert_eq!(lf("\"a\r\nb\"\n").unwrap(), [["a\r\nb"]]);
    assert_eq!(read_all(b"\"a\nb\"\r\nc", Delimiter::Comma, LineEnding::CrLf).unwrap(), [["a\nb"], ["c"]]);
    assert_eq!(
        Broken::LineEnding.job_error(LineEnding::Lf),
        "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"
    );
}

#[test]
fn stray_quotes_and_a_byte_order_mark_are_refused() {
    for text in ["a\"b\n", "\"a\"b\n", "\"open\n", "\u{feff}\"Id\"\n"] {
        assert!(matches!(lf(text), Err(Broken::Quote)), "{text:?}");
    }
}

#[test]
fn limits_are_counted_in_characters() {
    let longest = "ü".repeat(VALUE_MAX_CHARS);
    assert_eq!(lf(&format!("{longest}\n")).unwrap(), [[longest.clone()]]);
    assert!(matches!(lf(&format!("{longest}x\n")), Err(Broken::TooLong(_))));
    let many = ",".repeat(RECORD_MAX_FIELDS);
    assert!(matches!(lf(&format!("{many}\n")), Err(Broken::TooLong(_))));
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z\",;|\t\r\n`^ 0-9]{0,12}",
        1 => any::<String>(),
        1 => Just("#N/A".to_owned()),
        1 => Just("😀\"\r\n".to_owned()),
    ]
}

proptest! {
    /// Whatever is written is read again, for every delimiter and line ending.
    #[test]
    fn written_rows_are_read_again(
        rows in prop::collection::vec(prop::collection::vec(any_value(), 2..5), 0..8),
        delimiter in prop::sample::select(vec!["BACKQUOTE", "CARET", "COMMA", "PIPE", "SEMICOLON", "TAB"]),
        crlf in any::<bool>(),
    ) {
        let delimiter = Delimiter::named(delimiter).unwrap();
        let line_ending = if crlf { LineEnding::CrLf } else { LineEnding::Lf };
        let mut text = Vec::new();
        for row in &rows {
            write_row(&mut text, row.iter().map(|value| value.as_bytes()), delimiter, line_ending);
        }
        prop_assert_eq!(read_all(&text, delimiter, line_ending).unwrap(), rows);
    }

    /// No input makes the reader panic, and what it accepts is what the same bytes give when written and read again.
    #[test]
    fn what_is_accepted_survives_a_round_trip(text in "[a\",\r\n]{0,20}", crlf in any::<bool>()) {
        let line_ending = if crlf { LineEnding::CrLf } else { LineEnding::Lf };
        if let Ok(rows) = read_all(text.as_bytes(), Delimiter::Comma, line_ending) {
            let rows: Vec<_> = rows.into_iter().filter(|row| row.len() > 1 || !row[0].is_empty()).collect();
            let mut again = Vec::new();
            for row in &rows {
                write_row(&mut again, row.iter().map(|value| value.as_bytes()), Delimiter::Comma, line_ending);
            }
            prop_assert_eq!(read_all(&again, Delimiter::Comma, line_ending).unwrap(), rows);
        }
    }
}
