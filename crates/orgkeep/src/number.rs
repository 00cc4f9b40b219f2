// SPDX-License-Identifier: Apache-2.0
//! Numbers as people read them: thousands with commas, bytes in powers of ten, times in two units at most.
//!
//! Only for output that people read. `--json` carries plain numbers.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 record`, `2,000 records`; `noun` is the singular.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = match noun {
        "query" => "queries".to_owned(),
        _ => format!("{noun}s"),
    };
    format!("{} {}", grouped(number), if number == 1 { noun } else { &plural })
}

/// Bytes in decimal units, as disks and networks are sold: `999 B`, `1.2 kB`, `34 MB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if number < 1000 {
        return format!("{number} B");
    }
    let mut value = number as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// `500MB` as bytes.
pub fn amount(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => Some(1),
        "KB" => Some(1_000),
        "MB" => Some(1_000_000),
        "GB" => Some(1_000_000_000),
        "TB" => Some(1_000_000_000_000),
        _ => None,
    };
    let number = digits.parse::<u64>().ok();
    number
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "an amount is a whole number with B, kB, MB, GB or TB, such as 500MB".to_owned())
}

/// `0.4 s`, `12 s`, `3 min 5 s`, `2 h 7 min`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", grouped(seconds / 3600), seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated_from_the_right() {
        let grouped: Vec<String> = [0, 12, 999, 1000, 25_000, 1_234_567, u64::MAX].map(grouped).into();
        assert_eq!(grouped, ["0", "12", "999", "1,000", "25,000", "1,234,567", "18,446,744,073,709,551,615"]);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1, "record"), "1 record");
        assert_eq!(counted(0, "record"), "0 records");
        assert_eq!(counted(2000, "query"), "2,000 queries");
    }

    #[test]
    fn bytes_change_unit_before_they_need_four_digits() {
        let text: Vec<String> =
            [0, 999, 1000, 1234, 9_949, 9_950, 123_456, 999_499, 999_500, 20_000_000, 5_300_000_000].map(bytes).into();
        assert_eq!(
            text,
            ["0 B", "999 B", "1.0 kB", "1.2 kB", "9.9 kB", "10 kB", "123 kB", "999 kB", "1.0 MB", "20 MB", "5.3 GB"]
        );
    }

    #[test]
    fn durations_use_two_units_at_most() {
        let text: Vec<String> =
            [0.04, 0.35, 9.94, 9.96, 59.4, 59.6, 185.0, 7_620.0].map(|s| duration(Duration::from_secs_f64(s))).into();
        assert_eq!(text, ["0.0 s", "0.3 s", "9.9 s", "10 s", "59 s", "1 min 0 s", "3 min 5 s", "2 h 7 min"]);
    }
}
