// SPDX-License-Identifier: Apache-2.0
//! Date literals (`TODAY`, `LAST_N_DAYS:3`) as spans of whole days, and the functions that cut a part out of a date
//! (`CALENDAR_YEAR`, `DAY_ONLY`) as SQL. Weeks start on Sunday.
//!
//! Not here: time zones and fiscal years of their own. Every user of the emulated org is in GMT, and its fiscal year is the calendar's.

use chrono::{Datelike, Days, Months, NaiveDate};

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

const UNITS: [(&str, &str, Unit); 7] = [
    ("DAY", "DAYS", Unit::Day),
    ("WEEK", "WEEKS", Unit::Week),
    ("MONTH", "MONTHS", Unit::Month),
    ("QUARTER", "QUARTERS", Unit::Quarter),
    ("YEAR", "YEARS", Unit::Year),
    ("FISCAL_QUARTER", "FISCAL_QUARTERS", Unit::Quarter),
    ("FISCAL_YEAR", "FISCAL_YEARS", Unit::Year),
];

/// Whole days from `first` up to, but without, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub first: NaiveDate,
    pub end: NaiveDate,
}

enum Kind {
    /// The unit that lies this many units ahead of the current one.
    Single(Unit, i64),
    /// Days back from today, today included.
    LastDays(i64),
    /// This many units before the current one.
    Last(Unit, i64),
    /// This many units after the current one.
    Next(Unit, i64),
}

/// `LAST_N_DAYS` and its kin, which are followed by a colon and a number.
pub fn takes_count(upper: &str) -> bool {
    kind(upper, Some(1)).is_some()
}

pub fn is_relative(upper: &str) -> bool {
    kind(upper, None).is_some()
}

/// The days that a literal means when today is `today`; none when they leave the calendar.
pub fn span(upper: &str, count: Option<u64>, today: NaiveDate) -> Option<Span> {
    let count = match count {
        Some(count) => Some(i64::try_from(count).ok()?),
        None => None,
    };
    let (first, end) = match kind(upper, count)? {
        Kind::Single(unit, ahead) => (moved(unit, today, ahead)?, moved(unit, today, ahead + 1)?),
        Kind::LastDays(days) => (moved(Unit::Day, today, -days)?, moved(Unit::Day, today, 1)?),
        Kind::Last(unit, units) => (moved(unit, today, -units)?, moved(unit, today, 0)?),
        Kind::Next(unit, units) => (moved(unit, today, 1)?, moved(unit, today, units.checked_add(1)?)?),
    };
    Some(Span { first, end })
}

fn kind(upper: &str, count: Option<i64>) -> Option<Kind> {
    if let Some(count) = count {
        return UNITS.iter().find_map(|(_, plural, unit)| {
            if upper.strip_prefix("LAST_N_") == Some(*plural) {
                Some(if *unit == Unit::Day { Kind::LastDays(count) } else { Kind::Last(*unit, count) })
            } else if upper.strip_prefix("NEXT_N_") == Some(*plural) {
                Some(Kind::Next(*unit, count))
            } else if upper.strip_prefix("N_").and_then(|rest| rest.strip_suffix("_AGO")) == Some(*plural) {
                Some(Kind::Single(*unit, -count))
            } else {
                None
            }
        });
    }
    match upper {
        "YESTERDAY" => return Some(Kind::Single(Unit::Day, -1)),
        "TODAY" => return Some(Kind::Single(Unit::Day, 0)),
        "TOMORROW" => return Some(Kind::Single(Unit::Day, 1)),
        "LAST_90_DAYS" => return Some(Kind::LastDays(90)),
        "NEXT_90_DAYS" => return Some(Kind::Next(Unit::Day, 90)),
        _ => {}
    }
    [("LAST_", -1), ("THIS_", 0), ("NEXT_", 1)].iter().find_map(|(prefix, ahead)| {
        let name = upper.strip_prefix(prefix)?;
        let (_, _, unit) = UNITS.iter().find(|(single, _, unit)| *single == name && *unit != Unit::Day)?;
        Some(Kind::Single(*unit, *ahead))
    })
}

/// The first day of the unit that lies `units` ahead of the one that `day` is in.
fn moved(unit: Unit, day: NaiveDate, units: i64) -> Option<NaiveDate> {
    let days = |day: NaiveDate, days: i64| {
        let step = Days::new(days.unsigned_abs());
        if days < 0 { day.checked_sub_days(step) } else { day.checked_add_days(step) }
    };
    let months = |day: NaiveDate, months: i64| {
        let step = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
        if months < 0 { day.checked_sub_months(step) } else { day.checked_add_months(step) }
    };
    let first = |month: u32| NaiveDate::from_ymd_opt(day.year(), month, 1);
    let moved = match unit {
        Unit::Day => days(day, units),
        Unit::Week => days(day, units.checked_mul(7)? - i64::from(day.weekday().num_days_from_sunday())),
        Unit::Month => months(first(day.month())?, units),
        Unit::Quarter => months(first((day.month() - 1) / 3 * 3 + 1)?, units.checked_mul(3)?),
        Unit::Year => months(first(1)?, units.checked_mul(12)?),
    }?;
    (1..=9999).contains(&moved.year()).then_some(moved)
}

/// The SQL of a date part over `moment`, an expression that SQLite's date functions read; none if there is no such function.
pub fn part_sql(upper: &str, moment: &str) -> Option<String> {
    let whole = |format: &str| format!("CAST(strftime('{format}', {moment}) AS INTEGER)");
    Some(match upper {
        "CALENDAR_YEAR" | "FISCAL_YEAR" => whole("%Y"),
        "CALENDAR_QUARTER" | "FISCAL_QUARTER" => format!("(({} + 2) / 3)", whole("%m")),
        "CALENDAR_MONTH" | "FISCAL_MONTH" => whole("%m"),
        "DAY_IN_MONTH" => whole("%d"),
        "DAY_IN_WEEK" => format!("({} + 1)", whole("%w")),
        "DAY_IN_YEAR" => whole("%j"),
        "DAY_ONLY" => format!("strftime('%Y-%m-%d', {moment})"),
        "HOUR_IN_DAY" => whole("%H"),
        "WEEK_IN_MONTH" => format!("(({} + 6) / 7)", whole("%d")),
        "WEEK_IN_YEAR" => format!("(({} + 6) / 7)", whole("%j")),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(literal: &str, count: Option<u64>) -> (String, String) {
        let today = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap(); // a Thursday
        let span = span(literal, count, today).unwrap();
        (span.first.to_string(), span.end.to_string())
    }

    #[test]
    fn spans() {
        for (literal, count, first, end) in [
            ("TODAY", None, "2024-02-29", "2024-03-01"),
            ("YESTERDAY", None, "2024-02-28", "2024-02-29"),
            ("THIS_WEEK", None, "2024-02-25", "2024-03-03"),
            ("LAST_WEEK", None, "2024-02-18", "2024-02-25"),
            ("NEXT_MONTH", None, "2024-03-01", "2024-04-01"),
            ("LAST_QUARTER", None, "2023-10-01", "2024-01-01"),
            ("THIS_FISCAL_YEAR", None, "2024-01-01", "2025-01-01"),
            ("LAST_90_DAYS", None, "2023-12-01", "2024-03-01"),
            ("LAST_N_DAYS", Some(3), "2024-02-26", "2024-03-01"),
            ("NEXT_N_DAYS", Some(3), "2024-03-01", "2024-03-04"),
            ("N_DAYS_AGO", Some(1), "2024-02-28", "2024-02-29"),
            ("LAST_N_WEEKS", Some(2), "2024-02-11", "2024-02-25"),
            ("NEXT_N_YEARS", Some(2), "2025-01-01", "2027-01-01"),
            ("N_FISCAL_QUARTERS_AGO", Some(1), "2023-10-01", "2024-01-01"),
        ] {
            assert_eq!(days(literal, count), (first.to_owned(), end.to_owned()), "{literal}");
        }
    }

    #[test]
    fn what_is_no_literal() {
        for word in ["LAST_DAY", "THIS_DAYS", "NOW", "LAST_N_DAYS", "N_DAYS"] {
            assert!(!is_relative(word), "{word}");
        }
        assert!(!takes_count("TODAY"));
        assert_eq!(span("LAST_N_YEARS", Some(1_000_000), NaiveDate::from_ymd_opt(2024, 1, 1).unwrap()), None);
    }
}
