// SPDX-License-Identifier: Apache-2.0
//! Recurring tasks and events (`salesforce-api.md` 6.9; Object Reference, "Recurring Tasks"): inserting the master makes an
//! occurrence for each day of its pattern, which names the master in `RecurrenceActivityId`. At most 100 daily, 53 weekly,
//! 60 monthly and 10 yearly ones; a longer series is refused. A task that regenerates gets its successor when it is closed.
//!
//! Lightning's calendar has series of another kind (`series`). Not emulated: making a series anew when its pattern changes.
//! Guesses: the texts of the refusals.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, Weekday};

use super::create;
use crate::error::SaveError;
use crate::record::draft::Draft;
use crate::schema::FieldType;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::{self, Value};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const INSTANCES: [&str; 5] = ["First", "Second", "Third", "Fourth", "Last"];

/// When an activity recurs.
#[derive(Clone, Debug)]
struct Pattern {
    kind: String,
    start: NaiveDate,
    end: NaiveDate,
    interval: u32,
    /// Bit 0 is Sunday.
    weekdays: u32,
    day_of_month: u32,
    instance: usize,
    month: u32,
}

fn day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()
}

fn date_of(value: &Value) -> Option<NaiveDate> {
    match value {
        Value::Text(text) => day(text),
        Value::Int(ms) => DateTime::from_timestamp_millis(*ms).map(|moment| moment.date_naive()),
        _ => None,
    }
}

fn starts(object: &str) -> &'static str {
    if object == "Task" { "RecurrenceStartDateOnly" } else { "RecurrenceStartDateTime" }
}

/// Refuses a series that lacks a part of its pattern or is too long.
pub fn check(draft: &Draft) -> Result<(), SaveError> {
    if !draft.is_new() || !draft.get("IsRecurrence").is_true() {
        return Ok(());
    }
    let mut required = vec![starts(&draft.object.name), "RecurrenceEndDateOnly", "RecurrenceType"];
    required.extend(match draft.text("RecurrenceType").unwrap_or_default() {
        "RecursDaily" => &["RecurrenceInterval"][..],
        "RecursEveryWeekday" => &["RecurrenceDayOfWeekMask"],
        "RecursWeekly" => &["RecurrenceInterval", "RecurrenceDayOfWeekMask"],
        "RecursMonthly" => &["RecurrenceInterval", "RecurrenceDayOfMonth"],
        "RecursMonthlyNth" => &["RecurrenceInterval", "RecurrenceInstance", "RecurrenceDayOfWeekMask"],
        "RecursYearly" => &["RecurrenceDayOfMonth", "RecurrenceMonthOfYear"],
        "RecursYearlyNth" => &["RecurrenceDayOfWeekMask", "RecurrenceInstance", "RecurrenceMonthOfYear"],
        _ => &[],
    });
    let missing: Vec<String> =
        required.iter().filter(|field| draft.get(field).is_null()).map(|field| (*field).to_owned()).collect();
    if !missing.is_empty() {
        return Err(SaveError::required(missing));
    }
    let Some(pattern) = pattern(draft) else { return Ok(()) };
    let refuse = |message: &str, field: &str| Err(SaveError::new("FIELD_INTEGRITY_EXCEPTION", message, &[field]));
    if pattern.end < pattern.start {
        return refuse("Recurrence End: the end date must be on or after the start date", "RecurrenceEndDateOnly");
    }
    let days = pattern.days();
    if days.is_empty() {
        return refuse("Recurrence: the series has no occurrence", "RecurrenceType");
    }
    if days.len() > pattern.most() {
        return refuse("Recurrence: the series has too many occurrences", "RecurrenceEndDateOnly");
    }
    Ok(())
}

fn pattern(draft: &Draft) -> Option<Pattern> {
    let number = |field: &str| draft.get(field).as_int().and_then(|n| u32::try_from(n).ok());
    let place = |list: &[&str], field: &str| list.iter().position(|word| draft.text(field) == Some(word));
    Some(Pattern {
        kind: draft.text("RecurrenceType")?.to_owned(),
        start: date_of(draft.get(starts(&draft.object.name)))?,
        end: date_of(draft.get("RecurrenceEndDateOnly"))?,
        interval: number("RecurrenceInterval").unwrap_or(1).max(1),
        weekdays: number("RecurrenceDayOfWeekMask").unwrap_or(0),
        day_of_month: number("RecurrenceDayOfMonth").unwrap_or(1),
        instance: place(&INSTANCES, "RecurrenceInstance").unwrap_or(0),
        month: place(&MONTHS, "RecurrenceMonthOfYear").map_or(1, |at| at as u32 + 1),
    })
}

impl Pattern {
    fn most(&self) -> usize {
        match self.kind.as_str() {
            "RecursWeekly" => 53,
            "RecursMonthly" | "RecursMonthlyNth" => 60,
            "RecursYearly" | "RecursYearlyNth" => 10,
            _ => 100,
        }
    }

    /// The days of the series, up to one more than it may have.
    fn days(&self) -> Vec<NaiveDate> {
        let mut found = Vec::new();
        match self.kind.as_str() {
            "RecursDaily" => {
                let step = Days::new(u64::from(self.interval));
                let mut day = self.start;
                while day <= self.end && found.len() <= self.most() {
                    found.push(day);
                    let Some(next) = day.checked_add_days(step) else { break };
                    day = next;
                }
            }
            "RecursEveryWeekday" | "RecursWeekly" => {
                let first_week = self.start.week(Weekday::Sun).first_day();
                for day in self.start.iter_days().take_while(|day| *day <= self.end) {
                    let week = day.signed_duration_since(first_week).num_days() / 7;
                    let due = self.kind == "RecursEveryWeekday" || week % i64::from(self.interval) == 0;
                    if due && self.on_weekday(day) {
                        found.push(day);
                    }
                    if found.len() > self.most() {
                        break;
                    }
                }
            }
            _ => self.of_months(&mut found),
        }
        found
    }

    fn of_months(&self, found: &mut Vec<NaiveDate>) {
        let yearly = self.kind.starts_with("RecursYearly");
        let mut month = self.start.with_day(1).unwrap_or(self.start);
        if yearly {
            month = month.with_month(self.month).unwrap_or(month);
        }
        let step = Months::new(if yearly { 12 } else { self.interval });
        while month <= self.end && found.len() <= self.most() {
            let day = if self.kind.ends_with("Nth") { self.nth(month) } else { self.day_in(month) };
            found.extend(day.filter(|day| *day >= self.start && *day <= self.end));
            let Some(next) = month.checked_add_months(step) else { break };
            month = next;
        }
    }

    /// The day of the month, its last where it is shorter.
    fn day_in(&self, month: NaiveDate) -> Option<NaiveDate> {
        (1..=self.day_of_month.min(31)).rev().find_map(|day| month.with_day(day))
    }

    fn nth(&self, month: NaiveDate) -> Option<NaiveDate> {
        let days: Vec<NaiveDate> = month
            .iter_days()
            .take_while(|day| day.month() == month.month())
            .filter(|day| self.on_weekday(*day))
            .collect();
        if self.instance == 4 { days.last().copied() } else { days.get(self.instance).copied() }
    }

    fn on_weekday(&self, day: NaiveDate) -> bool {
        self.weekdays >> day.weekday().num_days_from_sunday() & 1 == 1
    }
}

/// Makes the occurrences of a new series, and the successor of a closed task.
pub fn after(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    if draft.is_new() && draft.get("IsRecurrence").is_true() {
        let Some(pattern) = pattern(draft) else { return Ok(()) };
        for day in pattern.days() {
            occurrence(tx, caller, draft, day, true)?;
        }
        return Ok(());
    }
    let closed = !draft.is_new() && draft.get("IsClosed").is_true() && !draft.was("IsClosed").is_true();
    let regenerates = draft.text("RecurrenceRegeneratedType").filter(|_| closed && draft.object.name == "Task");
    let from = match regenerates {
        Some("RecurrenceRegenerateAfterDueDate") => date_of(draft.get("ActivityDate")),
        Some("RecurrenceRegenerateAfterToday") => date_of(&Value::Int(tx.now)),
        _ => None,
    };
    let days = u64::try_from(draft.get("RecurrenceInterval").as_int().unwrap_or(1)).unwrap_or(1);
    if let Some(day) = from.and_then(|day| day.checked_add_days(Days::new(days))) {
        occurrence(tx, caller, draft, day, false)?;
    }
    Ok(())
}

/// A copy of a task or event on another day.
fn occurrence(
    tx: &mut Tx<'_>,
    caller: &Caller,
    master: &Draft,
    day: NaiveDate,
    of_series: bool,
) -> Result<(), SaveError> {
    let object = master.object.clone();
    let text = day.format("%Y-%m-%d").to_string();
    let mut fields: Vec<(&str, Value)> = Vec::new();
    for (field, value) in object.fields.iter().zip(&master.values) {
        let pattern = field.name.starts_with("Recurrence") || field.name.starts_with("IsRecurrence");
        let kept = !of_series && matches!(field.name.as_str(), "RecurrenceRegeneratedType" | "RecurrenceInterval");
        let own = field.name.contains("Date") || matches!(field.name.as_str(), "Id" | "IsClosed" | "Status");
        let written = field.createable && field.stored() && !field.calculated;
        if written && !value.is_null() && (!pattern || kept) && (!own || (of_series && field.name == "Status")) {
            let value = match (value, field.kind) {
                (Value::Int(ms), FieldType::Datetime) => Value::Text(value::date_time_text(*ms, "Z")),
                (value, _) => value.clone(),
            };
            fields.push((&field.name, value));
        }
    }
    if of_series {
        fields.push(("RecurrenceActivityId", Value::Text(master.id.clone())));
    }
    if object.name == "Task" {
        fields.push(("ActivityDate", Value::from(text)));
    } else {
        let start = master.get("RecurrenceStartDateTime").as_int().or_else(|| master.get("StartDateTime").as_int());
        let time = start.map_or("00:00:00.000Z".to_owned(), |ms| {
            value::date_time_text(ms, "Z").get(11..).unwrap_or_default().to_owned()
        });
        fields.push(("StartDateTime", Value::from(format!("{text}T{time}"))));
    }
    create(tx, caller, &object.name, fields).map(drop)
}
