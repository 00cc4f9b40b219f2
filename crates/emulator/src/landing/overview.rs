// SPDX-License-Identifier: Apache-2.0
//! What the start page shows, as values.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::Emulator;
use crate::faces::lock;
use crate::feature::Feature;
use crate::log::LogEntry;
use crate::oauth::app::{App, Permitted};
use crate::org::{Org, Tx};
use crate::rest::live_rows;
use crate::value::date_time_text;

const SHOWN_REQUESTS: usize = 50;
const SHOWN_USERS: usize = 200;

/// Everything.
#[derive(Debug, Serialize)]
pub struct Overview {
    /// As the client called it.
    pub url: String,
    /// The emulated time.
    pub now: String,
    pub orgs: Vec<OneOrg>,
    /// Requests of no org: refused sign-ins, version lists, unknown paths.
    pub other_requests: Vec<OneRequest>,
}

/// One org.
#[derive(Debug, Serialize)]
pub struct OneOrg {
    pub id: String,
    pub name: String,
    pub edition: String,
    pub is_sandbox: bool,
    /// What it has beyond what every org has, by the names that `--feature` takes.
    pub features: Vec<&'static str>,
    /// Host name under Salesforce's own domain.
    pub my_domain: String,
    pub security_token: String,
    /// A session of the administrator that was opened at the start.
    pub access_token: String,
    /// The first app's; empty when it was used up before a restart.
    pub refresh_token: String,
    pub live_sessions: usize,
    pub users: Vec<OneUser>,
    /// Users beyond those that are listed.
    pub further_users: usize,
    pub apps: Vec<OneApp>,
    /// Objects that have live rows.
    pub objects: Vec<Records>,
    /// How many objects have none.
    pub empty_objects: usize,
    /// Requests since the start by API family.
    pub calls: BTreeMap<&'static str, u64>,
    pub daily_calls_used: u64,
    pub daily_calls_max: u64,
    /// Newest first.
    pub requests: Vec<OneRequest>,
}

/// A user and how to get in as them.
#[derive(Debug, Serialize)]
pub struct OneUser {
    pub id: String,
    pub name: String,
    pub username: String,
    pub profile: String,
    pub password: String,
    pub can_log_in: bool,
}

/// An app.
#[derive(Debug, Serialize)]
pub struct OneApp {
    pub name: String,
    pub kind: &'static str,
    pub client_id: String,
    pub client_secret: Option<String>,
    pub callbacks: Vec<String>,
    pub scopes: String,
    /// Sentences on who may use it and how.
    pub policies: Vec<String>,
    /// Refresh tokens that were given and are good.
    pub grants: usize,
}

/// An object with its live rows.
#[derive(Clone, Debug, Serialize)]
pub struct Records {
    pub object: String,
    pub label: String,
    pub rows: u64,
}

/// A request that was answered.
#[derive(Debug, Serialize)]
pub struct OneRequest {
    pub at: String,
    pub status: u16,
    pub family: &'static str,
    pub method: String,
    pub path: String,
    pub username: Option<String>,
}

/// The counts of an org, and at which state of its store they were taken.
#[derive(Debug, Default)]
pub struct Counted {
    state: Option<(u64, usize)>,
    objects: Vec<Records>,
    empty: usize,
}

/// Gathers it.
pub fn of(emulator: &Emulator, base_url: &str) -> Overview {
    let orgs = (0..emulator.orgs().len()).map(|number| one_org(emulator, number)).collect();
    let other_requests = {
        let log = lock(&emulator.inner.log);
        log.entries().rev().take(SHOWN_REQUESTS).map(|entry| request(&entry, &BTreeMap::new())).collect()
    };
    let now = date_time_text(emulator.clock().now(), "Z");
    Overview { url: base_url.to_owned(), now, orgs, other_requests }
}

fn one_org(emulator: &Emulator, number: usize) -> OneOrg {
    let org = &emulator.orgs()[number];
    let credentials = emulator.credentials(number);
    let now = org.clock().now();
    let my_domain = org.my_domain();
    let (users, further_users) = users(org);
    let names: BTreeMap<&str, &str> = users.iter().map(|user| (user.id.as_str(), user.username.as_str())).collect();
    let requests = {
        let log = lock(&org.faces.log);
        log.entries().rev().take(SHOWN_REQUESTS).map(|entry| request(&entry, &names)).collect()
    };
    let (name, edition, is_sandbox) = org.read(|tx| {
        let row = tx.schema.object("Organization").and_then(|object| tx.row(object, &org.id));
        row.map(|row| {
            (row.text("Name").to_owned(), row.text("OrganizationType").to_owned(), row.get("IsSandbox").is_true())
        })
        .unwrap_or_default()
    });
    let live_sessions = lock(&org.faces.sessions).live(now);
    let (objects, empty_objects) = counts(org);
    let (daily_calls_used, daily_calls_max) = org.daily_usage();
    OneOrg {
        id: org.id.clone(),
        name,
        edition,
        is_sandbox,
        features: org.features().into_iter().map(Feature::name).collect(),
        my_domain,
        security_token: credentials.security_token,
        access_token: credentials.access_token,
        refresh_token: credentials.refresh_token,
        live_sessions,
        apps: apps(org),
        users,
        further_users,
        objects,
        empty_objects,
        calls: org.usage_by_family(),
        daily_calls_used,
        daily_calls_max,
        requests,
    }
}

fn users(org: &Org) -> (Vec<OneUser>, usize) {
    let rows = org.read(|tx| {
        let Some(object) = tx.schema.object("User") else { return Vec::new() };
        let rows = tx.rows_where(object, "1 = 1", &[]);
        rows.into_iter().map(|row| (profile_name(tx, row.text("ProfileId")), row)).collect::<Vec<_>>()
    });
    let further = rows.len().saturating_sub(SHOWN_USERS);
    let may_enter: Vec<bool> = rows.iter().take(SHOWN_USERS).map(|(_, row)| org.rights(row.id()).may_enter).collect();
    let passwords = lock(&org.faces.passwords);
    let users = rows
        .into_iter()
        .zip(may_enter)
        .map(|((profile, row), can_log_in)| OneUser {
            id: row.id().to_owned(),
            name: row.text("Name").to_owned(),
            username: row.text("Username").to_owned(),
            profile,
            password: passwords.own.get(row.id()).unwrap_or(&passwords.common).clone(),
            can_log_in,
        })
        .collect();
    (users, further)
}

fn profile_name(tx: &Tx<'_>, id: &str) -> String {
    let row = tx.schema.object("Profile").and_then(|object| tx.row(object, id));
    row.map(|row| row.text("Name").to_owned()).unwrap_or_default()
}

fn apps(org: &Org) -> Vec<OneApp> {
    let apps: Vec<App> = lock(&org.faces.apps).all().cloned().collect();
    let sessions = lock(&org.faces.sessions);
    let grants = |client_id: &str| sessions.grants().filter(|grant| grant.client_id == client_id).count();
    let mut shown: Vec<OneApp> = apps
        .into_iter()
        .map(|app| OneApp {
            kind: match (&app.external_client_app, app.client_id.as_str()) {
                (Some(_), _) => "External client app",
                (None, crate::oauth::app::PLATFORM_CLI) => "Built in",
                (None, _) => "Connected app",
            },
            policies: policies(&app),
            grants: grants(&app.client_id),
            scopes: app.scopes.iter().cloned().collect::<Vec<_>>().join(" "),
            name: app.name,
            client_id: app.client_id,
            client_secret: app.client_secret,
            callbacks: app.callbacks,
        })
        .collect();
    shown.sort_by_key(|app| app.kind == "Built in");
    shown
}

fn policies(app: &App) -> Vec<String> {
    let mut said = Vec::new();
    let named = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    match &app.permitted {
        Permitted::SelfAuthorize => said.push("all users may self-authorize".to_owned()),
        Permitted::AdminApproved(_) => {
            said.push("admin approved users only".to_owned());
            if !app.permission_sets.is_empty() {
                said.push(format!("by permission set {}", named(&app.permission_sets)));
            }
            if !app.profiles.is_empty() {
                said.push(format!("by profile {}", named(&app.profiles)));
            }
        }
    }
    let mut say = |is: bool, text: &str| {
        if is {
            said.push(text.to_owned());
        }
    };
    say(app.pkce_required, "PKCE required");
    say(app.rotate_refresh_tokens, "refresh tokens rotate");
    say(app.run_as.is_some(), "client credentials");
    say(app.jwt_public_key_pem.is_some(), "JWT bearer");
    say(!app.installed, "not installed");
    say(app.blocked, "blocked");
    said
}

fn counts(org: &Org) -> (Vec<Records>, usize) {
    org.read(|tx| {
        let mut counted = lock(&org.faces.counted);
        let state = Some((tx.conn.total_changes(), tx.schema.objects().count()));
        if counted.state != state {
            // Objects that were never used have no table, and asking for their rows would make it.
            let tables = tables(tx);
            let used = tx.schema.objects().filter(|object| tables.contains(&object.name));
            let objects: Vec<Records> = used
                .map(|object| Records {
                    object: object.name.clone(),
                    label: object.label.clone(),
                    rows: live_rows(tx, object),
                })
                .filter(|one| one.rows > 0)
                .collect();
            *counted = Counted { state, empty: tx.schema.objects().count() - objects.len(), objects };
        }
        (counted.objects.clone(), counted.empty)
    })
}

fn tables(tx: &Tx<'_>) -> BTreeSet<String> {
    let names = tx
        .conn
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect());
    names.expect("the store can be read")
}

fn request(entry: &LogEntry, names: &BTreeMap<&str, &str>) -> OneRequest {
    OneRequest {
        at: date_time_text(entry.at_ms, "Z"),
        status: entry.status,
        family: entry.family.as_str(),
        method: entry.method.clone(),
        path: entry.path.clone(),
        username: entry.user_id.as_deref().and_then(|id| names.get(id)).map(|name| (*name).to_owned()),
    }
}
