// SPDX-License-Identifier: Apache-2.0
//! Values between text and type, without loss.
//!
//! Parsing answers `None` for every text whose value the type cannot hold exactly; the caller then keeps the text verbatim.
//! Two texts have the same value if they are the same number (`1000.0`, `1E3`), the same instant, the same day. Writing
//! gives one canonical text per value: no exponent and no trailing zeros in numbers, timestamps in UTC with milliseconds.
//! Years outside 0001 to 9999 are not taken, since other readers of the tables could not show them.

use std::fmt::Write as _;

/// The number in `text` as a count of 10^-scale, if it is a whole one.
pub(crate) fn parse_decimal(text: &str, scale: i8) -> Option<i128> {
    let number = Number::parse(text)?;
    if number.digits == 0 {
        return Some(0);
    }
    let shift = number.exponent.checked_add(i32::from(scale))?;
    let magnitude = if shift >= 0 {
        number.digits.checked_mul(10i128.checked_pow(u32::try_from(shift).ok()?)?)?
    } else {
        let divisor = 10i128.checked_pow(u32::try_from(-shift).ok()?)?;
        if number.digits % divisor != 0 {
            return None;
        }
        number.digits / divisor
    };
    Some(if number.negative { -magnitude } else { magnitude })
}

/// A number in text: (-)digits x 10^exponent, digits without trailing zeros.
#[derive(PartialEq, Eq)]
struct Number {
    negative: bool,
    digits: i128,
    exponent: i32,
}

impl Number {
    fn parse(text: &str) -> Option<Number> {
        let bytes = text.as_bytes();
        let mut at = 0;
        let negative = bytes.first() == Some(&b'-');
        if negative || bytes.first() == Some(&b'+') {
            at = 1;
        }
        let (mut digits, mut exponent) = (0i128, 0i32);
        // Zeros are held back until another digit follows, so that they cost neither digits nor overflow.
        let (mut zeros, mut seen, mut point) = (0u32, false, false);
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'0'..=b'9' => {
                    seen = true;
                    if point {
                        exponent -= 1;
                    }
                    if byte == b'0' {
                        zeros += u32::from(digits != 0);
                    } else {
                        digits =
                            digits.checked_mul(10i128.checked_pow(zeros + 1)?)?.checked_add(i128::from(byte - b'0'))?;
                        zeros = 0;
                    }
                }
                b'.' if !point => point = true,
                b'e' | b'E' if seen => break,
                _ => return None,
            }
            at += 1;
        }
        if !seen {
            return None;
        }
        exponent += i32::try_from(zeros).ok()?;
        if at < bytes.len() {
            let written = &text[at + 1..];
            let unsigned = written.strip_prefix(['+', '-']).unwrap_or(written);
            if unsigned.is_empty() || unsigned.len() > 6 || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            exponent = exponent.checked_add(written.strip_prefix('+').unwrap_or(written).parse().ok()?)?;
        }
        if digits == 0 {
            return Some(Number { negative: false, digits, exponent: 0 });
        }
        Some(Number { negative, digits, exponent })
    }
}

/// The double that stands for exactly the value in `text`, by its shortest decimal form.
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    let number = Number::parse(text)?;
    if number.digits == 0 {
        return Some(0.0);
    }
    let value: f64 = text.parse().ok()?;
    // Fifteen digits in the normal range always survive the way to a double and back.
    if number.digits < 1_000_000_000_000_000 && (-290..=290).contains(&number.exponent) {
        return Some(value);
    }
    let mut shortest = String::new();
    write_double(value, &mut shortest);
    (value.is_finite() && Number::parse(&shortest)? == number).then_some(value)
}

pub(crate) fn write_double(value: f64, text: &mut String) {
    let magnitude = value.abs();
    let written = if value == 0.0 {
        text.push('0');
        Ok(())
    } else if (1e-7..1e21).contains(&magnitude) {
        write!(text, "{value}")
    } else {
        write!(text, "{value:e}")
    };
    written.expect("writing to a String cannot fail");
}

pub(crate) fn write_decimal(value: i128, scale: i8, text: &mut String) {
    let (mut magnitude, mut places) = (value.unsigned_abs(), usize::try_from(scale).unwrap_or(0));
    while places > 0 && magnitude % 10 == 0 {
        magnitude /= 10;
        places -= 1;
    }
    if value < 0 {
        text.push('-');
    }
    let divisor = 10u128.pow(u32::try_from(places).expect("a scale is below 39"));
    write!(text, "{}", magnitude / divisor).expect("writing to a String cannot fail");
    if places > 0 {
        write!(text, ".{:0places$}", magnitude % divisor).expect("writing to a String cannot fail");
    }
}

/// Days since 1970-01-01.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    days(number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..])?)
}

pub(crate) fn write_date(day: i32, text: &mut String) {
    let (year, month, day) = civil(day);
    write!(text, "{year:04}-{month:02}-{day:02}").expect("writing to a String cannot fail");
}

/// Microseconds since 1970-01-01T00:00:00Z; only whole milliseconds are taken, since only those are written back.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes[10] != b'T' || bytes[13] != b':' || bytes[16] != b':' {
        return None;
    }
    let day = parse_date(text.get(..10)?)?;
    let (hour, minute, second) = (number(&bytes[11..13])?, number(&bytes[14..16])?, number(&bytes[17..19])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut at = 19;
    let mut milliseconds = 0i64;
    if bytes[at] == b'.' {
        at += 1;
        let start = at;
        while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
            let digit = i64::from(digit - b'0');
            match at - start {
                0 => milliseconds += digit * 100,
                1 => milliseconds += digit * 10,
                2 => milliseconds += digit,
                _ if digit != 0 => return None,
                _ => {}
            }
            at += 1;
        }
        if at == start {
            return None;
        }
    }
    let offset_minutes = match &bytes[at..] {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), zone @ ..] => {
            let (hours, minutes) = match zone {
                [a, b, b':', c, d] | [a, b, c, d] => (number(&[*a, *b])?, number(&[*c, *d])?),
                _ => return None,
            };
            if hours > 23 || minutes > 59 {
                return None;
            }
            i64::from(hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let seconds = i64::from(day) * 86_400 + i64::from(hour * 3600 + minute * 60 + second) - offset_minutes * 60;
    let earliest = i64::from(days(1, 1, 1)?) * 86_400;
    let latest = i64::from(days(9999, 12, 31)?) * 86_400 + 86_399;
    (earliest..=latest).contains(&seconds).then_some(seconds * 1_000_000 + milliseconds * 1000)
}

pub(crate) fn write_timestamp(microseconds: i64, text: &mut String) {
    let milliseconds = microseconds.div_euclid(1000);
    let day = milliseconds.div_euclid(86_400_000);
    let rest = milliseconds.rem_euclid(86_400_000);
    write_date(i32::try_from(day).expect("a 64-bit count of microseconds has fewer days than 2^31"), text);
    let (seconds, milliseconds) = (rest / 1000, rest % 1000);
    write!(text, "T{:02}:{:02}:{:02}.{milliseconds:03}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
        .expect("writing to a String cannot fail");
}

fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i32::from(byte - b'0')))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, by shifting the year to start in March.
fn days(year: i32, month: i32, day: i32) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i32::from(leap),
        _ => return None,
    };
    if !(1..=9999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn civil(days: i32) -> (i32, i32, i32) {
    let shifted = i64::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month as i32, day as i32)
}
