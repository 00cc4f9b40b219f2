// SPDX-License-Identifier: Apache-2.0
//! Reading and writing dates, times and both together.
//!
//! Accepted on input (`salesforce-api.md` 2.1, 3.2): `2022-03-17`, `2022-03-17T16:21:26Z`, with milliseconds or without,
//! with `Z`, `+0000`, `+00:00` or any offset, and a date alone where both are asked for (midnight UTC). Years 1 to 9999;
//! Salesforce starts at 1700, and whoever wants that limit checks it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

/// `2022-03-17T16:21:26.000` and the zone given.
pub fn date_time_text(ms: i64, zone: &str) -> String {
    let mut text = Vec::with_capacity(23 + zone.len());
    write_date_time(ms, zone, &mut text);
    String::from_utf8(text).expect("digits and a zone are text")
}

/// [`date_time_text`] at the end of `out`, with the calendar worked out by hand: a general formatter takes longer than the rest of
/// a row.
pub fn write_date_time(ms: i64, zone: &str, out: &mut Vec<u8>) {
    let (days, ms_of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Days to a date of the proleptic Gregorian calendar, counted in eras of 400 years that begin in March.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    if !(0..=9999).contains(&year) {
        out.extend_from_slice(far_date_time(ms).as_bytes());
        out.extend_from_slice(zone.as_bytes());
        return;
    }
    let two = |number: i64| {
        let number = u8::try_from(number).unwrap_or_default();
        [b'0' + number / 10, b'0' + number % 10]
    };
    let [y1, y2] = two(year / 100);
    let [y3, y4] = two(year % 100);
    let [m1, m2] = two(month);
    let [d1, d2] = two(day);
    let [h1, h2] = two(ms_of_day / 3_600_000);
    let [n1, n2] = two(ms_of_day / 60_000 % 60);
    let [s1, s2] = two(ms_of_day / 1000 % 60);
    let [f1, f2] = two(ms_of_day % 1000 / 10);
    let [_, f3] = two(ms_of_day % 10);
    out.extend_from_slice(&[
        y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'.', f1, f2, f3,
    ]);
    out.extend_from_slice(zone.as_bytes());
}

/// A moment whose year has not four digits.
fn far_date_time(ms: i64) -> String {
    match DateTime::from_timestamp_millis(ms) {
        Some(time) => time.naive_utc().format("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
        None => "9999-12-31T23:59:59.999".to_owned(),
    }
}

/// The canonical `YYYY-MM-DD`. A date and time is accepted too, and cut, as Salesforce does for date fields.
pub fn parse_date(text: &str) -> Option<String> {
    let head = text.get(..10)?;
    let date = NaiveDate::parse_from_str(head, "%Y-%m-%d").ok()?;
    let plain = text.len() == 10 || parse_date_time(text).is_some();
    plain.then(|| date.format("%Y-%m-%d").to_string())
}

/// Milliseconds since 1970 UTC.
pub fn parse_date_time(text: &str) -> Option<i64> {
    if text.len() == 10 {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        return Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
    }
    let body = text.get(..19)?;
    let local = NaiveDateTime::parse_from_str(body, "%Y-%m-%dT%H:%M:%S").ok()?;
    let mut rest = &text[19..];
    let mut ms = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        ms = format!("{:0<3}", &fraction[..digits])[..3].parse::<i64>().ok()?;
        rest = &fraction[digits..];
    }
    Some(local.and_utc().timestamp_millis() + ms - zone_offset_ms(rest)?)
}

fn zone_offset_ms(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone == "Z" || zone == "z" {
        return Some(0);
    }
    let sign = match zone.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = zone[1..].chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits[range].parse::<i64>().ok();
    Some(sign * (number(0..2)? * 60 + number(2..4)?) * 60_000)
}

/// The canonical `HH:MM:SS.mmmZ`.
pub fn parse_time(text: &str) -> Option<String> {
    let body = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let time =
        NaiveTime::parse_from_str(body, "%H:%M:%S%.f").or_else(|_| NaiveTime::parse_from_str(body, "%H:%M")).ok()?;
    Some(time.format("%H:%M:%S%.3fZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accepted_form_of_a_date_and_time() {
        for text in [
            "2022-03-17T16:21:26Z",
            "2022-03-17T16:21:26.000Z",
            "2022-03-17T16:21:26.000+0000",
            "2022-03-17T17:21:26+01:00",
            "2022-03-17T16:21:26",
        ] {
            assert_eq!(parse_date_time(text), Some(1_647_534_086_000), "{text}");
        }
        assert_eq!(date_time_text(1_647_534_086_000, "+0000"), "2022-03-17T16:21:26.000+0000");
        assert_eq!(
            date_time_text(parse_date_time("1888-01-02T03:04:05.678Z").expect("valid"), "Z"),
            "1888-01-02T03:04:05.678Z"
        );
    }

    #[test]
    fn moments_agree_with_the_general_formatter() {
        let spread = (0..20_000).map(|step| -62_135_596_800_000 + step * 15_778_476_123);
        for ms in spread.chain([0, -1, 951_782_400_000, 1_709_164_800_000, 253_402_300_799_999, -99_999_999_999_999]) {
            assert_eq!(date_time_text(ms, "+0000"), far_date_time(ms) + "+0000");
        }
        assert_eq!(date_time_text(i64::MAX, "Z"), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn what_is_no_date() {
        for text in ["", "2022-02-30", "2022-3-1", "17.03.2022", "2022-03-17T16:21:26+1", "2022-03-17T25:00:00Z"] {
            assert_eq!(parse_date_time(text), None, "{text}");
            assert_eq!(parse_date(text), None, "{text}");
        }
        assert_eq!(parse_time("7:05"), Some("07:05:00.000Z".into()));
        assert_eq!(parse_time("24:00:00"), None);
    }
}
