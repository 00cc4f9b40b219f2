// SPDX-License-Identifier: Apache-2.0
//! Event series of Lightning's calendar (`salesforce-api.md` 6.9; Object Reference, "Event"; Change Data Capture Developer
//! Guide, "Recurring Activities"). An event that is saved with a pattern in `Recurrence2PatternText`, a subset of RFC 5545's
//! RRULE, becomes the record of a series (`GroupEventType` 3, `IsRecurrence2`), and an event is made for each day of the
//! pattern, with the pattern on it. Another pattern or start deletes the events and makes them anew. An event of a series that
//! is changed by itself is an exception.
//!
//! Which series an event belongs to is no field of it; the store remembers it. Not emulated: time zones (a series keeps its
//! time in UTC), exclusions (`EXDATE`), invitees of a series.
//!
//! Guesses: the texts of refusals; that a series may be as long as those of the classic calendar; that a deleted series takes
//! its events with it and does not bring them back.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, Weekday};

use super::create;
use crate::error::SaveError;
use crate::record::{self, draft::Draft};
use crate::store::{Row, Tx};
use crate::user::Caller;
use crate::value::{self, Value};

/// `GroupEventType` of the record that stands for a series.
const SERIES: &str = "3";
const MEMORY: &str = "event series";
const DAY_MS: i64 = 86_400_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// An RRULE.
#[derive(Clone, Debug)]
struct Rule {
    frequency: Frequency,
    interval: u32,
    count: Option<usize>,
    until: Option<NaiveDate>,
    /// With which one of the month it is, from its end where negative; 0 is each.
    days: Vec<(i32, Weekday)>,
    month_days: Vec<i32>,
    months: Vec<u32>,
    positions: Vec<i32>,
    week_start: Weekday,
}

/// What a series says of itself.
pub fn before(draft: &mut Draft) {
    if draft.is_new() {
        if !draft.get("Recurrence2PatternText").is_null() && !draft.given("IsRecurrence2") {
            draft.set("IsRecurrence2", true);
            draft.set("GroupEventType", SERIES);
            draft.set("Recurrence2PatternVersion", "1");
            draft.set_if_null("Recurrence2PatternStartDate", draft.get("StartDateTime").clone());
        }
        return;
    }
    let moved = ["Subject", "StartDateTime", "EndDateTime", "Location", "Description"];
    let own = moved.iter().any(|field| draft.changed(field));
    if own && draft.get("IsRecurrence2").is_true() && draft.text("GroupEventType") != Some(SERIES) {
        draft.set("IsRecurrence2Exception", true);
    }
}

/// Refuses a pattern that cannot be read, has no end, or is too long.
pub fn check(draft: &Draft) -> Result<(), SaveError> {
    let Some(text) = draft.text("Recurrence2PatternText").filter(|_| draft.changed("Recurrence2PatternText")) else {
        return Ok(());
    };
    let refuse =
        |message: String| Err(SaveError::new("FIELD_INTEGRITY_EXCEPTION", message, &["Recurrence2PatternText"]));
    let Some(rule) = Rule::read(text) else { return refuse(format!("Recurrence Pattern: invalid RRULE: {text}")) };
    if rule.count.is_none() && rule.until.is_none() {
        return refuse("Recurrence Pattern: a series needs COUNT or UNTIL".to_owned());
    }
    let days = start(draft).map(|start| rule.days_from(start)).unwrap_or_default();
    if days.is_empty() {
        return refuse("Recurrence Pattern: the series has no occurrence".to_owned());
    }
    if days.len() > rule.most() {
        return refuse("Recurrence Pattern: the series has too many occurrences".to_owned());
    }
    Ok(())
}

/// Makes the events of a series that is new or has another pattern.
pub fn after(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    let critical = draft.changed("Recurrence2PatternText") || draft.changed("StartDateTime");
    if draft.object.name != "Event" || draft.text("GroupEventType") != Some(SERIES) || !critical {
        return Ok(());
    }
    remove(tx, caller, &draft.id)?;
    let rule = draft.text("Recurrence2PatternText").and_then(Rule::read);
    let (Some(rule), Some(start), Some(start_ms)) = (rule, start(draft), draft.get("StartDateTime").as_int()) else {
        return Ok(());
    };
    for day in rule.days_from(start) {
        let moved = day.signed_duration_since(start).num_days() * DAY_MS;
        if let Some(id) = create(tx, caller, "Event", occurrence(draft, start_ms + moved))? {
            tx.note(
                "INSERT OR REPLACE INTO _memory (kind, key, text) VALUES (?1, ?2, ?3)",
                &[&MEMORY, &id, &draft.id],
            )?;
        }
    }
    Ok(())
}

/// The events of a deleted series go with it.
pub fn after_delete(tx: &mut Tx<'_>, caller: &Caller, row: &Row) -> Result<(), SaveError> {
    let is_gone = tx.row(&row.object, row.id()).is_none_or(|row| row.is_deleted());
    if row.text("GroupEventType") == SERIES && is_gone { remove(tx, caller, row.id()) } else { Ok(()) }
}

fn remove(tx: &mut Tx<'_>, caller: &Caller, series: &str) -> Result<(), SaveError> {
    let ids: Vec<String> = {
        let sql = "SELECT key FROM _memory WHERE kind = ?1 AND text = ?2";
        let mut statement = tx.conn.prepare_cached(sql)?;
        let found = statement.query_map([MEMORY, series], |row| row.get(0))?;
        found.collect::<rusqlite::Result<_>>()?
    };
    let platform = Caller { bypass: true, ..caller.clone() };
    for id in ids {
        tx.note("DELETE FROM _memory WHERE kind = ?1 AND key = ?2", &[&MEMORY, &id])?;
        let lives =
            tx.schema.object("Event").and_then(|events| tx.row(events, &id)).is_some_and(|row| !row.is_deleted());
        if lives {
            record::delete(tx, &platform, &id)?;
        }
    }
    Ok(())
}

/// The fields of an event of the series.
fn occurrence(series: &Draft, start_ms: i64) -> Vec<(&str, Value)> {
    let text = |ms: i64| Value::Text(value::date_time_text(ms, "Z"));
    let mut fields = Vec::new();
    for (field, value) in series.object.fields.iter().zip(&series.values) {
        let written = field.createable && field.stored() && !field.calculated && !value.is_null();
        let own = field.name.contains("Recurrence") || field.name.contains("Date") || field.name == "Id";
        if written && !own {
            fields.push((field.name.as_str(), value.clone()));
        }
    }
    for name in ["Recurrence2PatternText", "Recurrence2PatternVersion", "Recurrence2PatternTimeZone"] {
        fields.push((name, series.get(name).clone()));
    }
    if let Some(ms) = series.get("Recurrence2PatternStartDate").as_int() {
        fields.push(("Recurrence2PatternStartDate", text(ms)));
    }
    fields.push(("StartDateTime", text(start_ms)));
    fields.push(("IsRecurrence2", Value::Bool(true)));
    fields.push(("GroupEventType", Value::from("0")));
    fields
}

fn start(draft: &Draft) -> Option<NaiveDate> {
    DateTime::from_timestamp_millis(draft.get("StartDateTime").as_int()?).map(|moment| moment.date_naive())
}

fn weekday(word: &str) -> Option<Weekday> {
    const WORDS: [(&str, Weekday); 7] = [
        ("MO", Weekday::Mon),
        ("TU", Weekday::Tue),
        ("WE", Weekday::Wed),
        ("TH", Weekday::Thu),
        ("FR", Weekday::Fri),
        ("SA", Weekday::Sat),
        ("SU", Weekday::Sun),
    ];
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, day)| *day)
}

impl Rule {
    /// A pattern, with or without `RRULE:` before it. None for what is no rule or has parts that are not known.
    fn read(text: &str) -> Option<Rule> {
        let text = text.trim().trim_start_matches("RRULE:");
        let mut frequency = None;
        let mut rule = Rule {
            frequency: Frequency::Daily,
            interval: 1,
            count: None,
            until: None,
            days: Vec::new(),
            month_days: Vec::new(),
            months: Vec::new(),
            positions: Vec::new(),
            week_start: Weekday::Mon,
        };
        for part in text.split(';').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=')?;
            let numbers = || value.split(',').map(|one| one.parse().ok()).collect::<Option<Vec<i32>>>();
            match name {
                "FREQ" => {
                    frequency = Some(match value {
                        "DAILY" => Frequency::Daily,
                        "WEEKLY" => Frequency::Weekly,
                        "MONTHLY" => Frequency::Monthly,
                        "YEARLY" => Frequency::Yearly,
                        _ => return None,
                    });
                }
                "INTERVAL" => rule.interval = value.parse().ok().filter(|interval| *interval > 0)?,
                "COUNT" => rule.count = Some(value.parse().ok()?),
                "UNTIL" => rule.until = Some(NaiveDate::parse_from_str(value.get(..8)?, "%Y%m%d").ok()?),
                "BYDAY" => {
                    for one in value.split(',') {
                        let (which, day) = one.split_at_checked(one.len().checked_sub(2)?)?;
                        let which = if which.is_empty() { 0 } else { which.parse().ok()? };
                        rule.days.push((which, weekday(day)?));
                    }
                }
                "BYMONTHDAY" => rule.month_days = numbers()?,
                "BYMONTH" => rule.months = value.split(',').map(|one| one.parse().ok()).collect::<Option<_>>()?,
                "BYSETPOS" => rule.positions = numbers()?,
                "WKST" => rule.week_start = weekday(value)?,
                _ => return None,
            }
        }
        rule.frequency = frequency?;
        Some(rule)
    }

    fn most(&self) -> usize {
        match self.frequency {
            Frequency::Daily => 100,
            Frequency::Weekly => 53,
            Frequency::Monthly => 60,
            Frequency::Yearly => 10,
        }
    }

    /// The days of a series that starts on this day, up to one more than it may have.
    fn days_from(&self, start: NaiveDate) -> Vec<NaiveDate> {
        let most = self.count.unwrap_or(usize::MAX).min(self.most() + 1);
        // A rule that never fits, such as the 31st of February, ends after so many periods.
        const PERIODS: u32 = 4_000;
        let mut found = Vec::new();
        for period in 0..PERIODS {
            let Some(days) = self.period(start, period * self.interval) else { break };
            for day in days.into_iter().filter(|day| *day >= start) {
                if found.len() == most || self.until.is_some_and(|until| day > until) {
                    return found;
                }
                found.push(day);
            }
        }
        found
    }

    /// The days of the n-th day, week, month or year from the one that the series starts in.
    fn period(&self, start: NaiveDate, number: u32) -> Option<Vec<NaiveDate>> {
        let of_month = |day: &NaiveDate| self.months.is_empty() || self.months.contains(&day.month());
        let mut days: Vec<NaiveDate> = match self.frequency {
            Frequency::Daily => {
                let day = start.checked_add_days(Days::new(u64::from(number)))?;
                let fits = self.days.is_empty() || self.days.iter().any(|(_, weekday)| *weekday == day.weekday());
                if fits { vec![day] } else { Vec::new() }
            }
            Frequency::Weekly => {
                let first = start.week(self.week_start).first_day();
                let first = first.checked_add_days(Days::new(u64::from(number) * 7))?;
                let due = |day: &NaiveDate| match self.days.is_empty() {
                    true => day.weekday() == start.weekday(),
                    false => self.days.iter().any(|(_, weekday)| *weekday == day.weekday()),
                };
                first.iter_days().take(7).filter(due).collect()
            }
            Frequency::Monthly => self.month(start.with_day(1)?.checked_add_months(Months::new(number))?, start),
            Frequency::Yearly => {
                let year = start.with_day(1)?.with_month(1)?.checked_add_months(Months::new(number * 12))?;
                let months = if self.months.is_empty() { vec![start.month()] } else { self.months.clone() };
                let mut days = Vec::new();
                for month in months {
                    days.extend(self.month(year.with_month(month)?, start));
                }
                days
            }
        };
        days.retain(of_month);
        days.sort_unstable();
        if self.positions.is_empty() {
            return Some(days);
        }
        let at = |position: &i32| nth(&days, *position);
        Some(self.positions.iter().filter_map(at).collect())
    }

    fn month(&self, first: NaiveDate, start: NaiveDate) -> Vec<NaiveDate> {
        let all: Vec<NaiveDate> = first.iter_days().take_while(|day| day.month() == first.month()).collect();
        if !self.month_days.is_empty() {
            return self.month_days.iter().filter_map(|number| nth(&all, *number)).collect();
        }
        if self.days.is_empty() {
            return nth(&all, start.day().cast_signed()).into_iter().collect();
        }
        let of = |(which, weekday): &(i32, Weekday)| {
            let days: Vec<NaiveDate> = all.iter().copied().filter(|day| day.weekday() == *weekday).collect();
            if *which == 0 { days } else { nth(&days, *which).into_iter().collect() }
        };
        self.days.iter().flat_map(of).collect()
    }
}

/// The n-th from 1 on, from the end where it is negative.
fn nth(days: &[NaiveDate], number: i32) -> Option<NaiveDate> {
    let at = usize::try_from(number.unsigned_abs()).ok()?.checked_sub(1)?;
    if number > 0 { days.get(at).copied() } else { days.iter().rev().nth(at).copied() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(text: &str, start: &str) -> Vec<String> {
        let start = NaiveDate::parse_from_str(start, "%Y-%m-%d").expect("a day");
        Rule::read(text).expect("a rule").days_from(start).iter().map(|day| day.format("%m-%d").to_string()).collect()
    }

    #[test]
    fn patterns_have_their_days() {
        for (rule, start, expected) in [
            ("RRULE:FREQ=DAILY;INTERVAL=2;COUNT=3", "2026-01-01", &["01-01", "01-03", "01-05"][..]),
            ("RRULE:FREQ=WEEKLY;BYDAY=MO;WKST=SU;INTERVAL=1;COUNT=3", "2026-01-05", &["01-05", "01-12", "01-19"]),
            (
                "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=MO;UNTIL=20260120T000000Z",
                "2026-01-05",
                &["01-05", "01-11", "01-19"],
            ),
            ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=2", "2026-01-01", &["01-30", "02-27"]),
            ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=2;COUNT=2", "2026-01-01", &["01-02", "02-03"]),
            ("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=2", "2026-01-31", &["01-31", "03-31"]),
            ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=3;COUNT=2", "2026-01-01", &["02-03", "02-03"]),
        ] {
            assert_eq!(days(rule, start), expected, "{rule}");
        }
        for wrong in ["", "FREQ=HOURLY", "FREQ=DAILY;INTERVAL=0", "FREQ=WEEKLY;BYDAY=XX", "EVERY DAY"] {
            assert!(Rule::read(wrong).is_none(), "{wrong}");
        }
    }
}
