// SPDX-License-Identifier: Apache-2.0
//! What a user looked at last: `/recent`, the `recentItems` of an object, and `Sforce-Mru: updateMru=true`, by which a call adds its
//! record (`salesforce-api.md` 2.1, 2.2).
//!
//! `FOR VIEW` and `FOR REFERENCE` of a query add the records of its first page. It lives in memory, and `LastViewedDate` and
//! `LastReferencedDate` are not moved.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::faces::lock;
use crate::org::Tx;
use crate::rest::Call;
use crate::schema::Object;
use crate::soql::ast::Word;
use crate::soql::{self, Options, Prepared, Which};

const KEPT: usize = 200;
/// What an object shows of them.
const ITEMS: usize = 5;

/// The records each user looked at, the last one first.
#[derive(Debug, Default)]
pub struct Recent(HashMap<String, VecDeque<(String, String)>>);

impl Recent {
    fn add(&mut self, user_id: &str, object: &str, id: &str) {
        let items = self.0.entry(user_id.to_owned()).or_default();
        items.retain(|(_, known)| known != id);
        items.push_front((object.to_owned(), id.to_owned()));
        items.truncate(KEPT);
    }

    fn of(&self, user_id: &str) -> Vec<(String, String)> {
        self.0.get(user_id).map(|items| items.iter().cloned().collect()).unwrap_or_default()
    }
}

/// Remembers a record when the call asks for that.
pub fn remember(ctx: &Ctx, call: &Call, object: &Object, id: &str) {
    let wants = call.header("sforce-mru").is_some_and(|value| {
        let value: String = value.split_whitespace().collect::<String>().to_ascii_lowercase();
        value.split([';', ',']).any(|part| part == "updatemru=true")
    });
    if wants {
        lock(&ctx.org.faces.recent).add(&ctx.caller.user_id, &object.name, id);
    }
}

/// Remembers what a query selected `FOR VIEW` or `FOR REFERENCE`, the first record as the last one looked at.
///
/// # Errors
/// What running the query fails with.
pub fn remember_all(ctx: &Ctx, tx: &Tx<'_>, statement: &str, prepared: &Prepared) -> Result<(), ApiError> {
    // Most statements have no such words, and need not be parsed again.
    let lower = statement.to_ascii_lowercase();
    if !lower.contains("for") || !(lower.contains("view") || lower.contains("reference")) {
        return Ok(());
    }
    let Ok(query) = soql::parse(statement) else { return Ok(()) };
    let looks = |word: &Word| ["VIEW", "REFERENCE"].iter().any(|known| known.eq_ignore_ascii_case(&word.text));
    if query.purposes.iter().any(looks) {
        let ids = prepared.ids(tx)?;
        let mut recent = lock(&ctx.org.faces.recent);
        ids.iter().take(KEPT).rev().for_each(|id| recent.add(&ctx.caller.user_id, &prepared.object().name, id));
    }
    Ok(())
}

/// `/recent?limit=`.
pub fn all(ctx: &Ctx, tx: &Tx<'_>, call: &Call) -> Result<Answer, ApiError> {
    let most = match call.query.get("limit") {
        Some(text) => text.parse::<usize>().map_err(|_| {
            ApiError::new(400, "INVALID_QUERY_VALUE", format!("limit must be a number and is '{text}'"))
        })?,
        None => KEPT,
    };
    let items = lock(&ctx.org.faces.recent).of(&ctx.caller.user_id);
    Ok(Answer::ok(shown(ctx, tx, items.into_iter())?.into_iter().take(most).collect()))
}

/// The records of one object.
pub fn of_object(ctx: &Ctx, tx: &Tx<'_>, object: &Object) -> Result<Vec<Value>, ApiError> {
    let items = lock(&ctx.org.faces.recent).of(&ctx.caller.user_id);
    let own = items.into_iter().filter(|(name, _)| *name == object.name).take(ITEMS);
    shown(ctx, tx, own)
}

/// The records with their names; those that are gone meanwhile are left out.
fn shown(ctx: &Ctx, tx: &Tx<'_>, items: impl Iterator<Item = (String, String)>) -> Result<Vec<Value>, ApiError> {
    let mut records = Vec::new();
    for (name, id) in items {
        let Some(object) = tx.schema.object(&name) else { continue };
        let named = object.name_field().map_or(String::new(), |field| format!(", {}", field.name));
        let statement = format!("SELECT Id{named} FROM {} WHERE Id = '{id}'", object.name);
        let options = Options { all: false, bulk: false, tooling: false, now: tx.now };
        let prepared = soql::prepare(&tx.schema, &ctx.caller, &statement, options)?;
        records.extend(prepared.records(tx, &ctx.version, Which::All)?);
    }
    Ok(records)
}
