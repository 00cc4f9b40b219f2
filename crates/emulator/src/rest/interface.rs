// SPDX-License-Identifier: Apache-2.0
//! What an org tells of its user interface and automation where nothing of the kind was set up: tabs, themes, menus, quick actions,
//! invocable actions, workflow rules, approval processes, communities (`salesforce-api.md` 2.2).

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::org::Tx;
use crate::rest::{Call, list_view, object};

/// Objects with a tab.
const TABS: [&str; 8] = ["Account", "Contact", "Opportunity", "Lead", "Case", "Campaign", "Product2", "Contract"];
const CUSTOM_ACTIONS: [&str; 5] = ["apex", "emailAlert", "flow", "quickAction", "sendNotification"];

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
        ["sobjects", name, "listviews", below @ ..] => return Some(list_view::answer(ctx, tx, call, name, below)),
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
