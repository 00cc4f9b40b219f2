// SPDX-License-Identifier: Apache-2.0
//! The control API, `/_emulator/…`: what a test in this process does to an org by calling it, for whoever drives restore
//! drills in another language. JSON in and out, no session, and no trace in the request log. It does not exist in Salesforce.
//!
//! `?org=` takes the Id of an org or its number from 0; without it the first org is meant. Errors are
//! `{"error": "…"}` with 400, 404 or 405. The table of calls is [`CALLS`], and what `GET /_emulator` answers.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::Emulator;
use crate::answer::Answer;
use crate::faces::lock;
use crate::fault::{Effect, Fault, strike};
use crate::org::Org;
use crate::record::{Fields, Input};
use crate::request::Request;
use crate::value::date_time_text;

/// The first segment of every path here.
pub const ROOT: &str = "_emulator";

/// Every call: method, path below `/_emulator`, what it does.
pub const CALLS: &[(&str, &str, &str)] = &[
    ("GET", "", "this table"),
    ("GET", "/orgs", "Id, users' names and credentials of each org"),
    ("GET", "/faults", "the faults, how often each fitted and struck"),
    (
        "POST",
        "/faults",
        "orders a fault: {\"when\": {…}, \"nth\": 1, \"times\": 1, \"rate\": 0.1, \"seed\": 1, \"do\": effect or [effects]}; answers its number",
    ),
    ("DELETE", "/faults", "takes every fault back"),
    ("DELETE", "/faults/{number}", "takes one back"),
    ("GET", "/log", "requests after ?after=number, at most ?limit=; of one ?family= or ?client="),
    ("DELETE", "/log", "forgets the requests and what they cost"),
    (
        "GET",
        "/usage",
        "requests, bytes and time by API family, by client and by app, and requests by object; the daily allowance",
    ),
    ("GET", "/clock", "what time it is"),
    ("POST", "/clock", "{\"advance_seconds\": 3600} moves the clock of all orgs"),
    (
        "POST",
        "/limits",
        "{\"used\": 0, \"max\": 15000, \"others\": 3} sets the daily allowance, and how many calls other applications make for each one",
    ),
    ("POST", "/sessions/expire", "ends every session; refresh tokens stay good"),
    ("POST", "/sessions/revoke", "revokes every refresh token with its sessions, or what {\"token\": …} names"),
    ("POST", "/users/{id}/permissions", "{\"QueryAllFiles\": false} gives or takes user permissions"),
    ("POST", "/users/{id}/freeze", "{\"frozen\": true} freezes or thaws a user"),
    (
        "POST",
        "/files",
        "{\"count\": 10000, \"bytes\": 100000, \"seed\": 0} adds files of one size, whose content is made when it is read; answers the Ids of their versions",
    ),
    ("GET", "/jobs", "every Bulk job with its state"),
    ("POST", "/jobs/step", "one step of every Bulk job, for an emulator with stepped jobs"),
    ("GET", "/automation", "rules and other automation that were deployed: which work, which do not, and why"),
    (
        "POST",
        "/effects",
        "{\"effects\": [{\"trigger\" or \"flow\", \"object\", \"on\": [moments], \"if\", \"set\", \"formulas\", \"create\", \"add_error\"}]}: what triggers and flows do, in place of what was declared before",
    ),
    ("POST", "/recycle-bin/purge", "{\"older_than_days\": 0} empties the recycle bin"),
    ("POST", "/schema", "an effect that changes the schema: drop_field, add_field, rename_field, remove_object"),
    ("POST", "/rows/lock", "{\"ids\": […]} locks rows as another transaction would"),
    ("POST", "/rows/unlock", "{\"ids\": […]} lets them go"),
    (
        "POST",
        "/late-commits",
        "{\"insert\": [{\"object\", \"fields\"}], \"update\": [{\"id\", \"fields\"}], \"delete\": [ids], \"after_seconds\": 900}: stamped now, seen then",
    ),
    (
        "POST",
        "/change-events",
        "{\"capture\": true, \"overflow_after\": 100000, \"gap_transactions\": 1}: whether changes are captured, how many of a transaction before it overflows, how many of the next transactions make gap events",
    ),
    ("GET", "/rows/{object}", "the live rows of an object as stored"),
];

/// Why a call is refused.
struct Refused(u16, String);

impl Refused {
    fn new(status: u16, text: impl Into<String>) -> Refused {
        Refused(status, text.into())
    }
}

/// Answers a call.
pub async fn route(emulator: &Emulator, mut request: Request) -> Answer {
    let body = match request.body_bytes().await {
        Ok(body) => body,
        Err(error) => return Answer::json(400, json!({"error": error.message})),
    };
    let answered = org(emulator, request.query.get("org")).and_then(|org| answer(emulator, &org, &request, &body));
    match answered {
        Ok(value) => Answer::ok(value),
        Err(Refused(status, text)) => Answer::json(status, json!({"error": text})),
    }
}

fn org(emulator: &Emulator, wanted: Option<&str>) -> Result<Arc<Org>, Refused> {
    let Some(wanted) = wanted else { return Ok(emulator.orgs()[0].clone()) };
    let by_number = wanted.parse::<usize>().ok().and_then(|number| emulator.orgs().get(number));
    let by_id = || emulator.orgs().iter().find(|org| org.id == wanted || org.id15() == wanted);
    by_number.or_else(by_id).cloned().ok_or_else(|| Refused::new(404, format!("there is no org {wanted}")))
}

fn answer(emulator: &Emulator, org: &Arc<Org>, request: &Request, body: &[u8]) -> Result<Value, Refused> {
    let path: Vec<&str> = request.path.iter().skip(1).map(String::as_str).collect();
    match (request.method.as_str(), &path[..]) {
        ("GET", []) => Ok(table()),
        ("GET", ["orgs"]) => Ok(orgs(emulator)),
        ("GET", ["faults"]) => Ok(faults(org)),
        ("POST", ["faults"]) => Ok(json!({"number": org.faults().add(read::<Fault>(body)?)})),
        ("DELETE", ["faults"]) => {
            org.faults().clear();
            Ok(json!({}))
        }
        ("DELETE", ["faults", number]) => {
            let removed = number.parse().is_ok_and(|number| org.faults().remove(number));
            removed.then(|| json!({})).ok_or_else(|| Refused::new(404, format!("there is no fault {number}")))
        }
        ("GET", ["log"]) => Ok(log(org, request)),
        ("DELETE", ["log"]) => {
            lock(&org.faces.log).clear();
            Ok(json!({}))
        }
        ("GET", ["usage"]) => {
            let (used, max) = org.daily_usage();
            let mut usage = org.usage();
            usage["daily_api_requests"] = json!({"used": used, "max": max});
            Ok(usage)
        }
        ("GET", ["clock"]) => Ok(now(emulator)),
        ("POST", ["clock"]) => {
            let Advance { advance_seconds } = read(body)?;
            let by = Duration::try_from_secs_f64(advance_seconds);
            emulator.clock().advance(by.map_err(|error| Refused::new(400, error.to_string()))?);
            Ok(now(emulator))
        }
        ("POST", ["limits"]) => {
            let Limit { used, max, others } = read(body)?;
            org.set_daily_limit(used, max);
            org.set_calls_of_others(others);
            Ok(json!({"used": used, "max": max, "others": others}))
        }
        ("POST", ["files"]) => {
            let ids = crate::world::add_files(org, read(body)?);
            Ok(json!({"ids": ids.map_err(|error| Refused::new(400, error.to_string()))?}))
        }
        ("POST", ["sessions", "expire"]) => {
            org.expire_sessions();
            Ok(json!({}))
        }
        ("POST", ["sessions", "revoke"]) => {
            match read::<Option<Revoked>>(if body.is_empty() { b"null" } else { body })?.and_then(|body| body.token) {
                None => org.revoke_grants(),
                Some(token) if org.revoke(&token) => {}
                Some(_) => return Err(Refused::new(404, "the token names nothing")),
            }
            Ok(json!({}))
        }
        ("POST", ["users", user, "permissions"]) => {
            for (name, given) in read::<std::collections::BTreeMap<String, bool>>(body)? {
                org.set_permission(user, &name, given);
            }
            Ok(json!({}))
        }
        ("POST", ["users", user, "freeze"]) => {
            org.set_frozen(user, read::<Freeze>(body)?.frozen);
            Ok(json!({}))
        }
        ("GET", ["jobs"]) => Ok(jobs(org)),
        ("POST", ["jobs", "step"]) => {
            org.step_jobs();
            Ok(jobs(org))
        }
        ("GET", ["automation"]) => Ok(automation(org)),
        ("POST", ["effects"]) => {
            let text = std::str::from_utf8(body).map_err(|error| Refused::new(400, error.to_string()))?;
            org.set_effects(text).map_err(|reason| Refused::new(400, reason))?;
            Ok(automation(org))
        }
        ("POST", ["recycle-bin", "purge"]) => {
            let Purge { older_than_days } = read(if body.is_empty() { b"{}" } else { body })?;
            let before_ms = org.clock().now() + 1 - (older_than_days * 86_400_000.0) as i64;
            Ok(json!({"purged": org.purge_recycle_bin(before_ms)}))
        }
        ("POST", ["schema"]) => match read::<Effect>(body)? {
            effect @ (Effect::DropField { .. }
            | Effect::AddField { .. }
            | Effect::RenameField { .. }
            | Effect::RemoveObject { .. }) => {
                strike::change(org, &effect);
                Ok(json!({}))
            }
            other => Err(Refused::new(400, format!("{} does not change the schema", other.name()))),
        },
        ("POST", ["rows", "lock"]) => {
            read::<Ids>(body)?.ids.iter().for_each(|id| org.lock_row(id));
            Ok(json!({}))
        }
        ("POST", ["rows", "unlock"]) => {
            let unlocked = read::<Ids>(body)?.ids.iter().filter(|id| org.unlock_row(id)).count();
            Ok(json!({"unlocked": unlocked}))
        }
        ("POST", ["late-commits"]) => late(org, read(body)?),
        ("POST", ["change-events"]) => {
            let ChangeEvents { capture, overflow_after, gap_transactions } = read(body)?;
            capture.into_iter().for_each(|on| org.capture_changes(on));
            overflow_after.into_iter().for_each(|changes| org.set_overflow_changes(changes));
            gap_transactions.into_iter().for_each(|transactions| org.send_gaps(transactions));
            Ok(json!({}))
        }
        ("GET", ["rows", object]) => Ok(Value::Array(org.rows(object).into_iter().map(Value::Object).collect())),
        _ => Err(unknown(&request.method, &path)),
    }
}

fn unknown(method: &Method, path: &[&str]) -> Refused {
    let path = format!("/{ROOT}/{}", path.join("/"));
    Refused::new(404, format!("there is no {method} {path}; GET /{ROOT} lists what there is"))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::new(400, error.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    used: u64,
    max: u64,
    #[serde(default)]
    others: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoked {
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Freeze {
    frozen: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Purge {
    #[serde(default)]
    older_than_days: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ids {
    ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeEvents {
    capture: Option<bool>,
    overflow_after: Option<usize>,
    gap_transactions: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Late {
    #[serde(default)]
    insert: Vec<LateRow>,
    #[serde(default)]
    update: Vec<LateRow>,
    #[serde(default)]
    delete: Vec<String>,
    after_seconds: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LateRow {
    #[serde(default)]
    object: String,
    #[serde(default)]
    id: String,
    fields: Map<String, Value>,
}

fn automation(org: &Org) -> Value {
    let line = |one: &crate::automation::Standing| {
        json!({
            "type": one.kind, "fullName": one.full_name, "active": one.active, "works": one.active && one.reason.is_none(),
            "reason": one.reason,
        })
    };
    let lines: Vec<Value> = org.read(crate::automation::all).standings.iter().map(line).collect();
    json!({"automation": lines})
}

/// A transaction of somebody else, stamped now and seen later.
fn late(org: &Org, order: Late) -> Result<Value, Refused> {
    let after =
        Duration::try_from_secs_f64(order.after_seconds).map_err(|error| Refused::new(400, error.to_string()))?;
    let mut commit = org.begin_late_commit();
    let refused = |error: crate::error::SaveError| Refused::new(400, format!("{}: {}", error.code, error.message));
    let mut ids = Vec::new();
    for row in order.insert {
        ids.push(commit.insert(&row.object, fields(row.fields)).map_err(refused)?);
    }
    for row in order.update {
        commit.update(&row.id, fields(row.fields)).map_err(refused)?;
    }
    for id in order.delete {
        commit.delete(&id).map_err(refused)?;
    }
    commit.commit_after(after);
    Ok(json!({"ids": ids}))
}

fn fields(members: Map<String, Value>) -> Fields {
    let input = |value: Value| match value {
        Value::Null => Input::Null,
        Value::Bool(flag) => Input::Bool(flag),
        Value::Number(number) => Input::Number(number.to_string()),
        Value::String(text) => Input::Text(text),
        other => Input::Text(other.to_string()),
    };
    members.into_iter().map(|(name, value)| (name, input(value))).collect()
}

fn table() -> Value {
    let line = |(method, path, does): &(&str, &str, &str)| json!({"method": method, "path": format!("/{ROOT}{path}"), "does": does});
    json!({"calls": CALLS.iter().map(line).collect::<Vec<_>>()})
}

fn orgs(emulator: &Emulator) -> Value {
    let numbers = 0..emulator.orgs().len();
    let lines = numbers.map(|number| {
        let known = emulator.credentials(number);
        json!({
            "number": number, "id": known.org_id, "username": known.username, "user_id": known.user_id,
            "password": known.password, "security_token": known.security_token, "access_token": known.access_token,
            "client_id": known.client_id, "client_secret": known.client_secret,
        })
    });
    json!({"orgs": lines.collect::<Vec<Value>>()})
}

fn faults(org: &Org) -> Value {
    let lines = org.faults().list().into_iter().map(
        |(number, fault, fitted, struck)| json!({"number": number, "fitted": fitted, "struck": struck, "fault": fault}),
    );
    json!({"faults": lines.collect::<Vec<Value>>()})
}

fn log(org: &Org, request: &Request) -> Value {
    let number = |name: &str| request.query.get(name).and_then(|text| text.parse::<u64>().ok());
    let after = number("after").unwrap_or(0);
    let limit = usize::try_from(number("limit").unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let (family, client) = (request.query.get("family"), request.query.get("client"));
    let fits = |entry: &crate::log::LogEntry| {
        entry.number > after
            && family.is_none_or(|wanted| wanted == entry.family.as_str())
            && client.is_none_or(|part| entry.client.contains(part) || entry.app.as_deref() == Some(part))
    };
    let lines: Vec<Value> =
        org.request_log().iter().filter(|entry| fits(entry)).take(limit).map(crate::log::LogEntry::json).collect();
    json!({"requests": lines})
}

fn now(emulator: &Emulator) -> Value {
    let ms = emulator.clock().now();
    json!({"now": date_time_text(ms, "Z"), "ms": ms})
}

fn jobs(org: &Org) -> Value {
    let (jobs, classic): (Vec<_>, Vec<_>) = {
        let registry = lock(&org.faces.jobs);
        (registry.jobs.values().cloned().collect(), registry.classic.values().cloned().collect())
    };
    let now_ms = org.clock().now();
    let mut lines: Vec<Value> = jobs.iter().map(|job| Value::Object(job.info(now_ms))).collect();
    for job in classic {
        let mut line = job.listed();
        let batches = job.batches().into_iter().map(|batch| {
            let progress = batch.progress();
            json!({"id": batch.id, "state": progress.state.of_batch(), "stateMessage": progress.outcome.error})
        });
        line.insert("batches".to_owned(), batches.collect());
        lines.push(Value::Object(line));
    }
    json!({"jobs": lines})
}
