// SPDX-License-Identifier: Apache-2.0
//! Tasks and events (`salesforce-api.md` 6.9).

use crate::error::SaveError;
use crate::record::audit;
use crate::record::draft::Draft;
use crate::store::Tx;
use crate::value::{self, Value};

/// Closed and high priority follow from status and priority; the account from who and what.
pub fn task(tx: &Tx<'_>, draft: &mut Draft) {
    let closed = tx.count("TaskStatus", "\"MasterLabel\" = ?1 AND \"IsClosed\" = 1", &[draft.get("Status")]) > 0;
    draft.set("IsClosed", closed);
    let high =
        tx.count("TaskPriority", "\"MasterLabel\" = ?1 AND \"IsHighPriority\" = 1", &[draft.get("Priority")]) > 0;
    draft.set("IsHighPriority", high);
    draft.set_if_null("TaskSubtype", "Task");
    match (closed, draft.get("CompletedDateTime").is_null()) {
        (true, true) => draft.set("CompletedDateTime", audit::second(tx.now)),
        (false, false) => draft.set("CompletedDateTime", Value::Null),
        _ => {}
    }
    account(tx, draft);
}

/// Start, end and duration follow from each other; the account from who and what.
pub fn event(tx: &Tx<'_>, draft: &mut Draft) {
    let start = match (draft.get("StartDateTime").as_int(), draft.get("ActivityDateTime").as_int()) {
        (Some(start), other) if draft.given("StartDateTime") || other.is_none() => Some(start),
        (_, other) => other,
    };
    let all_day = draft.get("IsAllDayEvent").is_true();
    let start = start.or_else(|| draft.text("ActivityDate").and_then(value::parse_date_time));
    if let Some(start) = start {
        draft.set("StartDateTime", start);
        draft.set("ActivityDateTime", start);
        draft.set("ActivityDate", value::date_time_text(start, "").get(..10).unwrap_or_default().to_owned());
        let minutes = draft.get("DurationInMinutes").as_int();
        let end = draft.get("EndDateTime").as_int();
        match (minutes, end) {
            (Some(minutes), _) if draft.given("DurationInMinutes") || end.is_none() => {
                draft.set("EndDateTime", start + minutes * 60_000);
            }
            (_, Some(end)) => draft.set("DurationInMinutes", (end - start) / 60_000),
            (None, None) if all_day => {
                draft.set("DurationInMinutes", 1_440);
                draft.set("EndDateTime", start);
            }
            _ => {}
        }
    }
    draft.set_if_null("EventSubtype", "Event");
    account(tx, draft);
}

fn account(tx: &Tx<'_>, draft: &mut Draft) {
    if !draft.changed("WhatId") && !draft.changed("WhoId") {
        return;
    }
    let row = |id: Option<&str>| id.and_then(|id| tx.row(tx.schema.by_prefix(id)?, id));
    let what = row(draft.text("WhatId"));
    let account = match &what {
        Some(row) if row.object.name == "Account" => Value::Text(row.id().to_owned()),
        Some(row) => row.get("AccountId").clone(),
        None => row(draft.text("WhoId")).map_or(Value::Null, |who| who.get("AccountId").clone()),
    };
    draft.set("AccountId", account);
    draft.set("WhoCount", i64::from(!draft.get("WhoId").is_null()));
    draft.set("WhatCount", i64::from(!draft.get("WhatId").is_null()));
}

/// A lead excludes a related record; an event needs a time.
pub fn check(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    super::lead::check_reference(tx, draft, "WhoId")?;
    let lead = draft.text("WhoId").is_some_and(|who| who.starts_with("00Q"));
    if lead && !draft.get("WhatId").is_null() {
        let message = "Related To ID: a lead cannot be related to another record";
        return Err(SaveError::new("FIELD_INTEGRITY_EXCEPTION", message, &["WhatId"]));
    }
    if draft.object.name == "Event" {
        if draft.get("StartDateTime").is_null() {
            return Err(SaveError::required(vec!["ActivityDateTime".into()]));
        }
        if draft.get("EndDateTime").is_null() {
            return Err(SaveError::required(vec!["DurationInMinutes".into()]));
        }
        if draft.get("DurationInMinutes").as_int().is_some_and(|minutes| minutes < 0) {
            let message = "End Date: the end date must be on or after the start date";
            return Err(SaveError::new("FIELD_INTEGRITY_EXCEPTION", message, &["EndDateTime"]));
        }
    }
    Ok(())
}
