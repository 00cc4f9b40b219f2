// SPDX-License-Identifier: Apache-2.0
//! The flags of an object, of which the line tells only what differs from an object that can do everything.
//!
//! A recorded describeGlobal wins, then the reference's table of calls and what the documentation says; the rest follows from
//! the fields an object has. Fields that remember when a user last looked at a record are there exactly on objects with pages.

use serde_json::Value;

use super::Choices;
use crate::schema::sources::Sources;

/// Feeds that every new org has switched on, beside those of the core.
const FEED_ENABLED: [&str; 5] = ["Event", "Task", "WorkOrder", "WorkOrderLineItem", "CollaborationGroup"];

pub fn of(name: &str, choices: &Choices, sources: &Sources, fields: &[Value], companions: &str) -> String {
    let global = sources.global.get(name);
    let documented = sources.documented.get(name);
    let calls = sources.calls.get(name);
    let call = |call: &str| calls.and_then(|calls| calls.get(call)).copied();
    let flag = |name: &str| global.and_then(|global| global[name].as_bool());
    let fact = |name: &str| documented.and_then(|facts| facts[name].as_bool());
    let has = |name: &str| fields.iter().any(|field| field["name"] == name);
    let org = sources.org.get(name).and_then(|org| org["queryable"].as_bool());
    let no_query = sources.not_queryable.iter().any(|known| known == name);
    let stored = sources.not_filterable.iter().any(|known| known == name);
    let event = name.ends_with("Event") && !sources.org.contains_key(name) && !stored || name.ends_with("EventStream");
    let queryable = flag("queryable").or(org).unwrap_or(stored || sources.index.contains_key(name))
        && !(no_query && (org.is_none() || !choices.needs_filter.contains_key(name)));
    let described = documented.is_some_and(|facts| facts["createable"].is_boolean()) || calls.is_some();
    let paged = has("LastViewedDate") && has("LastReferencedDate");
    let createable = flag("createable").or(fact("createable")).or(call("create")).unwrap_or(paged && !event);
    let deletable = flag("deletable").or(fact("deletable")).or(call("delete")).unwrap_or(createable && paged);
    let updateable = flag("updateable").or(fact("updateable")).or(call("update")).unwrap_or(createable && paged);
    let layoutable = flag("layoutable").or(call("describeLayout")).unwrap_or(paged && createable);
    let undeletable =
        flag("undeletable").or(call("undelete")).unwrap_or(!described && deletable && has("IsDeleted") && paged);
    let replicateable =
        flag("replicateable").or(call("getUpdated")).unwrap_or(!described && has("SystemModstamp") && has("IsDeleted"));
    let triggerable = flag("triggerable").unwrap_or(
        matches!(name, "ContentVersion" | "OpportunityLineItem" | "Quote")
            || (createable && has("SystemModstamp") && (layoutable || companions.contains("ChangeEvent"))),
    );
    let mut values: Vec<(&str, bool)> = vec![
        ("queryable", queryable && !event),
        ("retrieveable", flag("retrieveable").or(call("retrieve")).unwrap_or(!event && queryable)),
        ("searchable", flag("searchable").or(fact("searchable")).unwrap_or(false)),
        ("createable", createable),
        ("updateable", updateable),
        ("deletable", deletable),
        ("undeletable", undeletable),
        ("mergeable", flag("mergeable").or(call("merge")).unwrap_or(false)),
        ("replicateable", replicateable),
        ("layoutable", layoutable),
        ("triggerable", triggerable),
        (
            "feedEnabled",
            flag("feedEnabled")
                .unwrap_or(FEED_ENABLED.contains(&name) || choices.feed.iter().any(|parent| parent == name)),
        ),
        ("mruEnabled", flag("mruEnabled").unwrap_or(paged)),
        ("deepCloneable", flag("deepCloneable").unwrap_or(false)),
        ("bulk", !event && !sources.not_bulk.iter().any(|known| known == name)),
    ];
    let by_hand = choices.object_flags.get(name).map(String::as_str).unwrap_or_default();
    for word in by_hand.split(' ').filter(|word| !word.is_empty()) {
        let (on, flag) = word.strip_prefix('!').map_or((true, word), |flag| (false, flag));
        if let Some(value) = values.iter_mut().find(|(known, _)| *known == flag) {
            value.1 = on;
        }
    }
    let usual = |flag: &str| !matches!(flag, "mergeable" | "feedEnabled" | "mruEnabled" | "deepCloneable");
    let words: Vec<String> = values
        .into_iter()
        .filter(|(flag, on)| *on != usual(flag))
        .map(|(flag, on)| if on { flag.to_owned() } else { format!("!{flag}") })
        .collect();
    words.join(" ")
}
