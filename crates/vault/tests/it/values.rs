// SPDX-License-Identifier: Apache-2.0
//! Text to type and back: the same value, whatever was written.

use orgkeep_vault::{Batch, Builder, Column, ColumnType, Schema};
use proptest::prelude::*;

fn one(kind: ColumnType, text: &str) -> Batch {
    let schema = Schema::new(vec![Column::new("Id", ColumnType::Text), Column::new("Value", kind)]).unwrap();
    let mut builder = Builder::new(&schema);
    builder.push(false, [Some("001"), Some(text)].into_iter());
    builder.finish()
}

fn shown(kind: ColumnType, text: &str) -> Option<String> {
    one(kind, text).text(0, 1).map(|text| text.into_owned())
}

/// Whether the text went into the typed column.
fn typed(kind: ColumnType, text: &str) -> bool {
    one(kind, text).record_batch().column(1).null_count() == 0
}

const MONEY: ColumnType = ColumnType::Decimal { precision: 18, scale: 2 };

#[test]
fn values_have_one_canonical_text() {
    let cases = [
        (ColumnType::Boolean, "true", "true"),
        (ColumnType::Integer, "1000.0", "1000"),
        (ColumnType::Integer, "-1E3", "-1000"),
        (ColumnType::Integer, "9223372036854775807", "9223372036854775807"),
        (MONEY, "1000.50", "1000.5"),
        (MONEY, "-0.01", "-0.01"),
        (MONEY, "0.00", "0"),
        (MONEY, "1.5e2", "150"),
        (MONEY, "9999999999999999.99", "9999999999999999.99"),
        (
            ColumnType::Decimal { precision: 38, scale: 0 },
            "99999999999999999999999999999999999999",
            "99999999999999999999999999999999999999",
        ),
        (ColumnType::Double, "0.1", "0.1"),
        (ColumnType::Double, "1.0E-20", "1e-20"),
        (ColumnType::Double, "123456789.250", "123456789.25"),
        (ColumnType::Date, "1899-12-31", "1899-12-31"),
        (ColumnType::Date, "2024-02-29", "2024-02-29"),
        (ColumnType::Date, "9999-12-31", "9999-12-31"),
        (ColumnType::Timestamp, "2021-01-01T00:00:00.000Z", "2021-01-01T00:00:00.000Z"),
        (ColumnType::Timestamp, "2021-01-01T01:30:00.123+0130", "2021-01-01T00:00:00.123Z"),
        (ColumnType::Timestamp, "1700-01-01T23:59:59.999000+00:00", "1700-01-01T23:59:59.999Z"),
        (ColumnType::Timestamp, "2021-01-01T00:00:00Z", "2021-01-01T00:00:00.000Z"),
    ];
    for (kind, given, canonical) in cases {
        assert!(typed(kind, given), "{kind:?} holds {given}");
        assert_eq!(shown(kind, given).as_deref(), Some(canonical), "{kind:?} {given}");
    }
}

#[test]
fn what_does_not_fit_is_kept_verbatim() {
    let cases = [
        (ColumnType::Boolean, "1"),
        (ColumnType::Boolean, "TRUE"),
        (ColumnType::Integer, "1.5"),
        (ColumnType::Integer, "9223372036854775808"),
        (ColumnType::Integer, " 7"),
        (ColumnType::Integer, "#N/A"),
        (MONEY, "1.005"),
        (MONEY, "10000000000000000"),
        (MONEY, "1e400"),
        (MONEY, "."),
        (MONEY, "1e"),
        (MONEY, "--1"),
        (ColumnType::Double, "0.1234567890123456789"),
        (ColumnType::Double, "123456789012345678"),
        (ColumnType::Double, "1e999"),
        (ColumnType::Double, "1e-999"),
        (ColumnType::Double, "NaN"),
        (ColumnType::Double, "inf"),
        (ColumnType::Date, "2023-02-29"),
        (ColumnType::Date, "0000-01-01"),
        (ColumnType::Date, "2023-2-9"),
        (ColumnType::Timestamp, "2021-01-01T00:00:00.0001Z"),
        (ColumnType::Timestamp, "2021-01-01T24:00:00.000Z"),
        (ColumnType::Timestamp, "2021-01-01T00:00:00.000"),
        (ColumnType::Timestamp, "2021-01-01T00:00:00.Z"),
        (ColumnType::Timestamp, "9999-12-31T23:59:59.999-01:00"),
        (ColumnType::Timestamp, "täglich um 12:00 Uhr 😀"),
    ];
    for (kind, given) in cases {
        assert!(!typed(kind, given), "{kind:?} does not hold {given}");
        assert_eq!(shown(kind, given).as_deref(), Some(given));
    }
}

#[test]
fn an_empty_cell_is_null_and_text_is_untouched() {
    assert_eq!(shown(ColumnType::Text, ""), None);
    assert_eq!(shown(MONEY, ""), None);
    for text in ["  spaces  ", "two\nlines\r\n", "\"quoted\",", "𝄞😀", "#N/A", "\u{0}"] {
        assert_eq!(shown(ColumnType::Text, text).as_deref(), Some(text));
    }
}

/// A number as sign, digits without zeros around them, and exponent: two texts are the same value if these are equal.
fn value(text: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i64>().ok()?),
        None => (text, 0),
    };
    let negative = mantissa.starts_with('-');
    let mantissa = mantissa.trim_start_matches(['-', '+']);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let exponent = exponent - fraction.len() as i64;
    let trimmed = digits.trim_end_matches('0');
    let exponent = exponent + (digits.len() - trimmed.len()) as i64;
    let significant = trimmed.trim_start_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    Some((negative, significant.to_owned(), exponent))
}

proptest! {
    #[test]
    fn numbers_keep_their_value(text in "[+-]?[0-9]{1,22}(\\.[0-9]{0,12})?([eE][+-]?[0-9]{1,2})?", scale in 0i8..9) {
        for kind in [ColumnType::Integer, ColumnType::Decimal { precision: 18, scale }, ColumnType::Double] {
            let shown = shown(kind, &text).unwrap();
            prop_assert_eq!(value(&shown), value(&text), "{:?} {} {}", kind, text, shown);
            // Canonical text is canonical.
            if typed(kind, &text) {
                prop_assert!(typed(kind, &shown));
                prop_assert_eq!(self::shown(kind, &shown).unwrap(), shown);
            }
        }
    }

    #[test]
    fn doubles_survive(number in any::<f64>().prop_filter("finite", |number| number.is_finite())) {
        let text = format!("{number:e}");
        let shown = shown(ColumnType::Double, &text).unwrap();
        prop_assert!(typed(ColumnType::Double, &text), "{}", text);
        prop_assert_eq!(shown.parse::<f64>().unwrap(), number);
    }

    #[test]
    fn days_and_instants_survive(day in -719_162i64..2_932_896, millisecond in 0i64..86_400_000) {
        let instant = chrono::DateTime::from_timestamp_millis(day * 86_400_000 + millisecond).unwrap();
        let date = instant.format("%Y-%m-%d").to_string();
        prop_assert!(typed(ColumnType::Date, &date));
        prop_assert_eq!(shown(ColumnType::Date, &date).unwrap(), date);
        let stamp = instant.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        prop_assert!(typed(ColumnType::Timestamp, &stamp));
        prop_assert_eq!(shown(ColumnType::Timestamp, &stamp).unwrap(), stamp.clone());
        let offset = instant.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string();
        prop_assert_eq!(shown(ColumnType::Timestamp, &offset).unwrap(), stamp);
    }

    #[test]
    fn any_text_comes_back_from_any_column(text in "\\PC{1,40}") {
        for kind in [ColumnType::Boolean, ColumnType::Date, ColumnType::Timestamp, ColumnType::Text] {
            let shown = shown(kind, &text).unwrap();
            prop_assert!(shown == text || typed(kind, &text));
        }
    }
}
