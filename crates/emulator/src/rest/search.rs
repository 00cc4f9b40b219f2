// SPDX-License-Identifier: Apache-2.0
//! `/search`, `/parameterizedSearch`, `/search/suggestions`, `/search/scopeOrder` and `/search/layout` (`salesforce-api.md` 2.2).

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::org::Tx;
use crate::request::Query;
use crate::rest::Call;
use crate::schema::Object;
use crate::sosl::{self, Group, ROWS_MAX, Returning, Search, Statement, malformed};

/// The members of a search with parameters that name what the emulator does not have.
const UNKNOWN: [&str; 6] = ["dataCategories", "division", "metadata", "netWorkIds", "pricebookId", "snippet"];
/// What suggestions leave out.
const NOT_SUGGESTED: [&str; 10] = [
    "ContentNote",
    "Event",
    "FeedComment",
    "FeedPost",
    "IdeaComment",
    "Pricebook2",
    "Reply",
    "TagDefinition",
    "Task",
    "ExternalObject",
];
const SUGGESTED_OBJECTS_MAX: usize = 10;
const SUGGESTIONS: usize = 5;
/// What a new user searches first.
const SCOPE: [&str; 6] = ["Account", "Contact", "Opportunity", "Lead", "Case", "User"];

/// `/search?q=FIND {…}`.
pub fn sosl(ctx: &Ctx, tx: &Tx<'_>, query: &Query) -> Result<Answer, ApiError> {
    let text = query.get("q").unwrap_or_default();
    shown(ctx, tx, &sosl::parse(text)?)
}

/// From 37.0 on the records stand in an object; before, they were the answer.
fn shown(ctx: &Ctx, tx: &Tx<'_>, statement: &Statement) -> Result<Answer, ApiError> {
    let records = sosl::run(tx, &ctx.caller, statement, &ctx.version)?;
    Ok(Answer::ok(if ctx.version_number() >= 37 { json!({"searchRecords": records}) } else { records.into() }))
}

/// GET `/parameterizedSearch?q=acme&sobject=Account&Account.fields=Id,Name`.
pub fn parameterized(ctx: &Ctx, tx: &Tx<'_>, query: &Query) -> Result<Answer, ApiError> {
    let mut body = Map::new();
    for (name, value) in &query.0 {
        body.insert(name.clone(), value.as_str().into());
    }
    let objects: Vec<Value> = names(query.get("sobject").unwrap_or_default())
        .map(|name| {
            let own = |part: &str| query.get(&format!("{name}.{part}")).map_or(Value::Null, Value::from);
            json!({"name": name, "fields": own("fields"), "where": own("where"), "limit": own("limit"),
                "orderBy": own("orderBy")})
        })
        .collect();
    body.insert("sobjects".to_owned(), objects.into());
    shown(ctx, tx, &of_parameters(&body)?)
}

/// POST `/parameterizedSearch`.
pub fn parameterized_body(ctx: &Ctx, tx: &Tx<'_>, call: &Call) -> Result<Answer, ApiError> {
    shown(ctx, tx, &of_parameters(&call.json()?)?)
}

fn of_parameters(body: &Map<String, Value>) -> Result<Statement, ApiError> {
    if let Some(name) = UNKNOWN.iter().find(|name| body.get(**name).is_some_and(|value| !value.is_null())) {
        return Err(malformed(format!("The emulator does not know the search parameter {name}")));
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let search = Search::read(text("q").unwrap_or_default())?;
    let group = match text("in") {
        Some(name) => Group::named(name).ok_or_else(|| malformed(format!("invalid search scope: {name}")))?,
        None => Group::All,
    };
    let overall = number(body, "overallLimit")?.unwrap_or(ROWS_MAX).min(ROWS_MAX);
    let each = number(body, "defaultLimit")?;
    let offset = number(body, "offset")?.unwrap_or(0);
    let fields = listed(body.get("fields"));
    let mut returning = Vec::new();
    for item in body.get("sobjects").and_then(Value::as_array).into_iter().flatten() {
        let Value::Object(item) = item else { return Err(malformed("An element of sobjects is no object")) };
        let own = |name: &str| item.get(name).and_then(Value::as_str);
        let object = own("name").ok_or_else(|| malformed("An element of sobjects has no name"))?;
        let chosen = listed(item.get("fields"));
        let mut rest = own("where").map(|text| format!(" WHERE {text}")).unwrap_or_default();
        rest += &own("orderBy").map(|text| format!(" ORDER BY {text}")).unwrap_or_default();
        returning.push(Returning {
            object: object.to_owned(),
            fields: if chosen.is_empty() { fields.clone() } else { chosen },
            rest,
            limit: number(item, "limit")?.or(each),
            offset,
        });
    }
    Ok(Statement { search, group, returning, limit: overall, highlight: false })
}

/// A list of names, or a text with commas, as SOQL selects them.
fn listed(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => names(text).collect::<Vec<_>>().join(", "),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    }
}

fn number(body: &Map<String, Value>, name: &str) -> Result<Option<usize>, ApiError> {
    let read = match body.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.parse().ok(),
        Some(other) => other.as_u64().and_then(|number| usize::try_from(number).ok()),
    };
    read.map(Some).ok_or_else(|| malformed(format!("{name} must be a number")))
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// `/search/suggestions?q=nat&sobject=Account`: records whose name goes on from what was typed.
pub fn suggestions(ctx: &Ctx, tx: &Tx<'_>, query: &Query) -> Result<Answer, ApiError> {
    let typed = query.get("q").unwrap_or_default();
    let missing = |name: &str| ApiError::new(400, "MISSING_ARGUMENT", format!("missing required parameter: {name}"));
    let objects: Vec<&str> = names(query.get("sobject").ok_or_else(|| missing("sobject"))?).collect();
    if objects.is_empty() || objects.len() > SUGGESTED_OBJECTS_MAX {
        let text = format!("Between one and {SUGGESTED_OBJECTS_MAX} objects can be searched for suggestions");
        return Err(ApiError::new(400, "INVALID_SEARCH_SCOPE", text));
    }
    let letters = typed.chars().filter(|one| one.is_alphanumeric()).count();
    let wide = typed.chars().any(|one| one.is_alphanumeric() && !one.is_ascii());
    let most = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(SUGGESTIONS);
    let mut found = Vec::new();
    let mut name_fields = Vec::new();
    for name in objects {
        let object = tx.schema.object(name).filter(|object| {
            object.searchable && !NOT_SUGGESTED.contains(&object.name.as_str()) && object.name_field().is_some()
        });
        let Some((object, named)) = object.and_then(|object| Some((object, object.name_field()?))) else {
            if query.is_true("ignoreUnsupportedSObjects") {
                continue;
            }
            return Err(ApiError::invalid_type(format!("sObject type '{name}' is not supported for suggestions.")));
        };
        name_fields.push(json!({"entityApiName": object.name, "fieldApiName": named.name}));
        if letters < if wide { 1 } else { 3 } {
            continue;
        }
        let lower = object.name.to_ascii_lowercase();
        let own = |part: &str| query.get(&format!("{lower}.{part}")).or_else(|| query.get(part));
        let mut fields = vec!["Id".to_owned(), named.name.clone()];
        let further = own("fields").map(|list| names(list).map(str::to_owned).collect()).unwrap_or_default();
        let further: Vec<String> = further;
        fields.extend(
            further
                .into_iter()
                .filter(|field| !field.eq_ignore_ascii_case("Id") && !field.eq_ignore_ascii_case(&named.name)),
        );
        let rest = own("where").map(|text| format!(" WHERE {text}")).unwrap_or_default();
        let returning = Returning {
            object: object.name.clone(),
            fields: fields.join(", "),
            rest,
            limit: Some(most + 1),
            offset: 0,
        };
        let statement = Statement {
            search: Search::typed(typed)?,
            group: Group::Name,
            returning: vec![returning],
            limit: ROWS_MAX,
            highlight: false,
        };
        found.extend(sosl::run(tx, &ctx.caller, &statement, &ctx.version)?);
    }
    let has_more = found.len() > most;
    found.truncate(most);
    Ok(Answer::ok(json!({
        "autoSuggestResults": found,
        "hasMoreResults": has_more,
        "meta": {"nameFields": name_fields, "secondaryFields": []},
    })))
}

/// `/search/scopeOrder`: what a user without history searches, in its order.
pub fn scope_order(ctx: &Ctx, tx: &Tx<'_>) -> Answer {
    let known = SCOPE.iter().filter_map(|name| tx.schema.object(name));
    let line = |object: &std::sync::Arc<Object>| json!({"type": object.name, "url": format!("{}/sobjects/{}/describe", ctx.data_path(), object.name)});
    Answer::ok(known.map(line).collect())
}

/// `/search/layout?q=Account,Contact`: the columns of a result page. Which ones an org without layouts shows is a guess.
pub fn layout(tx: &Tx<'_>, query: &Query) -> Result<Answer, ApiError> {
    const COLUMNS: [&str; 3] = ["Phone", "Email", "Status"];
    let mut layouts = Vec::new();
    for name in names(query.get("q").unwrap_or_default()) {
        let object = tx.schema.object(name).filter(|object| object.searchable);
        let object =
            object.ok_or_else(|| ApiError::invalid_type(format!("sObject type '{name}' is not supported.")))?;
        let shown = object.name_field().into_iter().chain(COLUMNS.iter().filter_map(|column| object.field(column)));
        let columns: Vec<Value> = shown
            .map(|field| {
                let path = format!("{}.{}", object.name, field.name);
                json!({"field": path, "format": null, "label": field.label, "name": field.name})
            })
            .collect();
        layouts.push(json!({
            "label": "Search Results", "limitRows": 25, "objectType": object.name, "searchColumns": columns,
        }));
    }
    Ok(Answer::ok(layouts.into()))
}
