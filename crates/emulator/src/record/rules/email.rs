// SPDX-License-Identifier: Apache-2.0
//! E-mail messages (`salesforce-api.md` 6.9): only a draft can be changed. With [`Feature::EnhancedEmail`] a message that is no
//! draft makes a closed task, which is its activity. Whoever creates a message may name its activity only where it is about a
//! case: for anything else the org makes the activity itself (Object Reference, "EmailMessage", `ActivityId`), and refuses a
//! given one with `INSUFFICIENT_ACCESS_OR_READONLY` as users of the API report. A restore that writes tasks and then messages
//! meets both.
//!
//! Guesses: the code for a change of what is no draft, the task's subject, and that a draft has no task before it is sent.

use super::create;
use crate::error::SaveError;
use crate::feature::Feature;
use crate::record::draft::Draft;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

const DRAFT: &str = "5";

pub fn check(tx: &Tx<'_>, draft: &Draft) -> Result<(), SaveError> {
    let of_case =
        ["ParentId", "RelatedToId"].iter().any(|field| draft.text(field).is_some_and(|id| id.starts_with("500")));
    let own_activity = draft.is_new() && draft.given("ActivityId") && !draft.get("ActivityId").is_null();
    if own_activity && !of_case && tx.set_up().has(Feature::EnhancedEmail) {
        return Err(SaveError { fields: vec!["ActivityId".to_owned()], ..SaveError::insufficient_access() });
    }
    if draft.is_new() || draft.was("Status").as_str() == Some(DRAFT) {
        return Ok(());
    }
    let fixed = |at: &usize| {
        let field = &draft.object.fields[*at];
        draft.given[*at] && field.name != "IsExternallyVisible" && !field.custom
    };
    let fixed: Vec<String> =
        draft.changes().into_iter().filter(fixed).map(|at| draft.object.fields[at].name.clone()).collect();
    if fixed.is_empty() { Ok(()) } else { Err(SaveError::not_writable(fixed)) }
}

pub fn after(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    let is_draft = draft.text("Status").is_none_or(|status| status == DRAFT);
    if !tx.set_up().has(Feature::EnhancedEmail) || is_draft || !draft.get("ActivityId").is_null() {
        return Ok(());
    }
    let about = if draft.get("RelatedToId").is_null() { "ParentId" } else { "RelatedToId" };
    let day = match draft.get("MessageDate") {
        Value::Int(ms) => *ms,
        _ => tx.now,
    };
    let day = crate::value::date_time_text(day, "").get(..10).unwrap_or_default().to_owned();
    let subject = format!("Email: {}", draft.text("Subject").unwrap_or_default());
    let who = draft.text("FromId").filter(|id| id.starts_with("003") || id.starts_with("00Q"));
    let text: String = draft.text("TextBody").unwrap_or_default().chars().take(32_000).collect();
    let fields = vec![
        ("Subject", Value::from(subject.chars().take(255).collect::<String>())),
        ("Status", Value::from("Completed")),
        ("TaskSubtype", Value::from("Email")),
        ("ActivityDate", Value::from(day)),
        ("WhatId", draft.get(about).clone()),
        ("WhoId", who.map_or(Value::Null, Value::from)),
        ("Description", if text.is_empty() { Value::Null } else { Value::from(text) }),
    ];
    if let Some(task) = create(tx, caller, "Task", fields)? {
        tx.update_row(&draft.object, &draft.id, &["ActivityId"], &[&Value::Text(task)])?;
    }
    Ok(())
}
