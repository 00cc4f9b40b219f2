// SPDX-License-Identifier: Apache-2.0
//! The start page as HTML, for somebody who has never seen it: what this is, how to get in, then what is there.

use super::overview::{OneApp, OneOrg, OneRequest, OneUser, Overview};
use crate::page::escape;

/// The content of the page.
pub fn write(overview: &Overview) -> String {
    let url = escape(&overview.url);
    let mut html = format!(
        "<main class=\"wide\"><header class=\"top\"><h1>Emulated Salesforce</h1><span class=\"note\">{} · emulated time \
         {}</span></header><p>This is Orgkeep's emulator, not Salesforce: the same APIs with nothing real behind them. Point \
         any client at <code>{url}</code>, as login URL and as instance URL. Passwords and secrets on this page are made up \
         and protect nothing. The same as JSON: <code>curl -H 'Accept: application/json' {url}/</code></p>",
        many(overview.orgs.len(), "org"),
        escape(&overview.now),
    );
    for org in &overview.orgs {
        html += &one_org(org, &url);
    }
    html += "<h2>Requests of no org</h2><section><p class=\"note\">Signing in, version lists, unknown paths.</p>";
    html += &requests(&overview.other_requests);
    html += "</section></main>";
    html
}

fn one_org(org: &OneOrg, url: &str) -> String {
    let sandbox = if org.is_sandbox { " · sandbox" } else { "" };
    let login = if org.is_sandbox { "test" } else { "login" };
    let admin = org.users.iter().find(|user| user.can_log_in);
    let features = match org.features.as_slice() {
        [] => String::new(),
        features => format!(" · with {}", features.join(", ")),
    };
    let mut html = format!(
        "<h2>{} <span class=\"note\">{}{sandbox}{features}</span></h2>",
        escape(&org.name),
        escape(&org.edition)
    );
    html += &format!(
        "<div class=\"pair\"><section><h3>Get in</h3><table>{}{}{}{}{}</table></section>",
        fact("Org Id", &org.id),
        fact("Username", admin.map_or("", |user| &user.username)),
        fact("Password", admin.map_or("", |user| &user.password)),
        fact("Access token", &org.access_token),
        fact("My Domain", &org.my_domain),
    );
    let app = org.apps.first();
    html += &format!(
        "<section><h3>Try it</h3><pre><code>curl '{url}/services/data/v67.0/query?q=SELECT+Name+FROM+User' \\\n  -H \
         'Authorization: Bearer {token}'</code></pre><p class=\"note\">A token of your own, by client credentials:</p>\
         <pre><code>curl {url}/services/oauth2/token \\\n  -d grant_type=client_credentials \\\n  -d client_id={key} \\\n  -d \
         client_secret={secret}</code></pre><p class=\"note\">Clients that insist on Salesforce's names: run with \
         <code>--tls-port</code>, trust the file of <code>--tls-ca</code>, and let <code>{login}.salesforce.com</code> and \
         <code>{my_domain}</code> lead here (<code>/etc/hosts</code>).</p></section></div>",
        token = escape(&org.access_token),
        key = escape(app.map_or("", |app| &app.client_id)),
        secret = escape(app.and_then(|app| app.client_secret.as_deref()).unwrap_or_default()),
        my_domain = escape(&org.my_domain),
    );
    html += &users(org);
    html += &apps(org);
    html += &calls_and_objects(org);
    html += "<section><h3>Last requests</h3>";
    html += &requests(&org.requests);
    html + "</section>"
}

fn fact(name: &str, value: &str) -> String {
    format!("<tr><th>{name}</th><td><code>{}</code></td></tr>", escape(value))
}

fn users(org: &OneOrg) -> String {
    let row = |user: &OneUser| {
        let state = if user.can_log_in { "<span class=\"good\">yes</span>" } else { "<span class=\"bad\">no</span>" };
        format!(
            "<tr><td>{}</td><td><code>{}</code></td><td><code>{}</code></td><td>{}</td><td>{state}</td><td><code>{}</code></td></tr>",
            escape(&user.name),
            escape(&user.username),
            escape(&user.password),
            escape(&user.profile),
            escape(&user.id)
        )
    };
    let rows: String = org.users.iter().map(row).collect();
    let further = if org.further_users > 0 {
        format!("<p class=\"note\">and {} more</p>", org.further_users)
    } else {
        String::new()
    };
    format!(
        "<section><h3>Users</h3><p class=\"note\">To log in by SOAP or on a login page: username and password; the security \
         token <code>{}</code> may follow the password. Anyone who can log in can also approve an app.</p>\
         <table><thead><tr><th>Name</th><th>Username</th><th>Password</th><th>Profile</th><th>May log in</th><th>Id</th></tr></thead>\
         <tbody>{rows}</tbody></table>{further}</section>",
        escape(&org.security_token)
    )
}

fn apps(org: &OneOrg) -> String {
    let row = |app: &OneApp| {
        let secret = app.client_secret.as_deref().map_or("<span class=\"note\">none</span>".to_owned(), code);
        let callbacks: String = app.callbacks.iter().map(|callback| format!("{}<br>", code(callback))).collect();
        format!(
            "<tr><td>{}<br><span class=\"note\">{}; {}</span></td><td>{}</td><td>{secret}</td><td>{callbacks}</td>\
             <td><span class=\"note\">{}<br>{}</span></td></tr>",
            escape(&app.name),
            app.kind,
            many(app.grants, "refresh token"),
            code(&app.client_id),
            escape(&app.scopes),
            escape(&app.policies.join(", ")),
        )
    };
    let rows: String = org.apps.iter().map(row).collect();
    let refresh = match org.refresh_token.as_str() {
        "" => String::new(),
        token => format!(" A refresh token of the first app: {}, good once where tokens rotate.", code(token)),
    };
    format!(
        "<section><h3>Apps</h3><p class=\"note\">{} live.{refresh}</p><table><thead><tr><th>App</th><th>Consumer key</th>\
         <th>Consumer secret</th><th>Callbacks</th><th>Scopes and policies</th></tr></thead><tbody>{rows}</tbody></table></section>",
        many(org.live_sessions, "session"),
    )
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

fn calls_and_objects(org: &OneOrg) -> String {
    let calls: String = org
        .calls
        .iter()
        .map(|(family, calls)| format!("<tr><td>{family}</td><td class=\"number\">{calls}</td></tr>"))
        .collect();
    let objects: String = org
        .objects
        .iter()
        .map(|one| {
            format!(
                "<li><span title=\"{}\">{}</span><span class=\"number\">{}</span></li>",
                escape(&one.label),
                escape(&one.object),
                one.rows
            )
        })
        .collect();
    format!(
        "<section><h3>Records</h3><ul class=\"columns\">{objects}</ul><p class=\"note\">{} without records.</p></section>\
         <section><h3>Calls by API</h3><table><tbody>{calls}</tbody></table><p class=\"note\">Of the daily allowance {} of {} are \
         used.</p></section>",
        many(org.empty_objects, "object"),
        org.daily_calls_used,
        org.daily_calls_max,
    )
}

fn requests(requests: &[OneRequest]) -> String {
    if requests.is_empty() {
        return "<p class=\"note\">None yet.</p>".to_owned();
    }
    let row = |one: &OneRequest| {
        format!(
            "<tr><td>{}</td><td class=\"{}\">{}</td><td>{}</td><td><code>{} {}</code></td><td>{}</td></tr>",
            escape(&one.at),
            if one.status < 400 { "good" } else { "bad" },
            one.status,
            one.family,
            escape(&one.method),
            escape(&one.path),
            escape(one.username.as_deref().unwrap_or_default()),
        )
    };
    let rows: String = requests.iter().map(row).collect();
    format!(
        "<table><thead><tr><th>Time</th><th>Status</th><th>API</th><th>Request</th><th>User</th></tr></thead><tbody>{rows}</tbody></table>"
    )
}

fn many(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
