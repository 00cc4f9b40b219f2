// SPDX-License-Identifier: Apache-2.0
//! What an org tells of its user interface and automation where nothing of the kind was set up: tabs, themes, menus, quick actions,
//! list views, invocable actions, workflow rules, approval processes, communities (`salesforce-api.md` 2.2).
//!
//! List views are the rows of `ListView`. Their columns and conditions are not kept, so describing and running one is refused.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::org::{Row, Tx};
use crate::rest::{Call, object};

/// Objects with a tab.
const TABS: [&str; 8] = ["Account", "Contact", "Opportunity", "Lead", "Case", "Campaign", "Product2", "Contract"];
const CUSTOM_ACTIONS: [&str; 5] = ["apex", "emailAlert", "flow", "quickAction", "sendNotification"];
const LIST_VIEWS: usize = 25;

/// Answers what belongs here; nothing for another path.
pub fn answer(ctx: &Ctx, tx: &Tx<'_>, call: &Call, path: &[&str]) -> Option<Result<Answer, ApiError>> {
    let base = || format!("{}/{}", ctx.data_path(), path.join("/"));
    Some(Ok(match path {
        ["tabs"] => Answer::ok(tabs(tx)),
        ["theme"] => Answer::ok(theme(tx)),
        ["appMenu", "AppSwitcher" | "Salesforce1" | "NetworkTabs"] => Answer::ok(json!({"appMenuItems": []})),
        ["quickActions"] => Answer::ok(json!([])),
        ["sobjects", name, "quickActions"] => match object(tx, name) {
            Ok(_) => Answer::ok(json!([])),
            Err(error) => return Some(Err(error)),
        },
        ["sobjects", name, "listviews", below @ ..] => return Some(list_views(ctx, tx, call, name, below)),
        ["process", "rules"] => Answer::ok(json!({"rules": {}})),
        ["process", "approvals"] => Answer::ok(json!({"approvals": {}})),
        ["actions"] => Answer::ok(json!({"custom": base() + "/custom", "standard": base() + "/standard"})),
        ["actions", "custom"] => {
            let url = |kind: &&str| ((*kind).to_owned(), Value::from(format!("{}/{kind}", base())));
            Answer::ok(CUSTOM_ACTIONS.iter().map(url).collect())
        }
        ["actions", "standard"] => Answer::ok(json!({"actions": []})),
        ["actions", "custom", kind] if CUSTOM_ACTIONS.contains(kind) => Answer::ok(json!({"actions": []})),
        ["connect", "communities"] => Answer::ok(json!({"communities": [], "total": 0})),
        _ => return None,
    }))
}

fn tabs(tx: &Tx<'_>) -> Value {
    TABS.iter()
        .filter_map(|name| tx.schema.object(name))
        .map(|object| {
            let prefix = object.key_prefix.as_deref().unwrap_or_default();
            json!({
                "colors": [],
                "custom": false,
                "iconUrl": null,
                "icons": [],
                "label": object.label_plural,
                "miniIconUrl": null,
                "name": format!("standard-{}", object.name),
                "sobjectName": object.name,
                "url": format!("/{prefix}/o"),
            })
        })
        .collect()
}

fn theme(tx: &Tx<'_>) -> Value {
    let themed = TABS.iter().filter_map(|name| tx.schema.object(name));
    let items: Vec<Value> = themed.map(|object| json!({"colors": [], "icons": [], "name": object.name})).collect();
    json!({"themeItems": items})
}

fn list_views(ctx: &Ctx, tx: &Tx<'_>, call: &Call, name: &str, below: &[&str]) -> Result<Answer, ApiError> {
    let object = object(tx, name)?;
    let views = match tx.schema.object("ListView") {
        Some(views) if views.has("SobjectType") => tx.rows_where(views, "\"SobjectType\" = ?1", &[&object.name]),
        _ => Vec::new(),
    };
    let base = format!("{}/sobjects/{}/listviews", ctx.data_path(), object.name);
    let line = |row: &Row| {
        let own = format!("{base}/{}", row.id());
        json!({
            "describeUrl": format!("{own}/describe"),
            "developerName": row.text("DeveloperName"),
            "id": row.id(),
            "label": row.text("Name"),
            "resultsUrl": format!("{own}/results"),
            "soqlCompatible": true,
            "url": own,
        })
    };
    match below {
        [] => {
            let number = |name: &str| call.query.get(name).and_then(|text| text.parse::<usize>().ok());
            let (from, most) = (number("offset").unwrap_or(0), number("limit").unwrap_or(LIST_VIEWS));
            let shown: Vec<Value> = views.iter().skip(from).take(most).map(line).collect();
            let next = (from + most < views.len()).then(|| format!("{base}?limit={most}&offset={}", from + most));
            Ok(Answer::ok(json!({
                "done": next.is_none(),
                "listviews": shown,
                "nextRecordsUrl": next,
                "size": views.len(),
                "sobjectType": object.name,
            })))
        }
        [id, rest @ ..] => {
            let id = crate::id::to18(id).ok_or_else(ApiError::not_found)?;
            let view = views.iter().find(|view| view.id() == id).ok_or_else(ApiError::not_found)?;
            match rest {
                [] => Ok(Answer::ok(line(view))),
                ["describe" | "results"] => {
                    let text = "The emulator does not keep what a list view selects";
                    Err(ApiError::new(403, "FUNCTIONALITY_NOT_ENABLED", text))
                }
                _ => Err(ApiError::not_found()),
            }
        }
    }
}
