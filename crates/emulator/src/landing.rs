// SPDX-License-Identifier: Apache-2.0
//! The page at `/`: what orgs there are, who can log in, what they hold and what was asked last.

use crate::Emulator;
use crate::answer::Answer;
use crate::faces::lock;
use crate::log::RequestLog;
use crate::oauth::{escape, page};
use crate::org::Org;
use crate::rest::live_rows;
use crate::value::date_time_text;

const SHOWN_REQUESTS: usize = 30;
const SHOWN_USERS: usize = 20;

/// The page.
pub fn page_of(emulator: &Emulator, base_url: &str) -> Answer {
    let mut html = format!(
        "<main class=\"wide\"><h1>Emulated Salesforce orgs</h1><p class=\"note\">Point a client at <code>{}</code>. \
         These orgs hold nothing real.</p>",
        escape(base_url)
    );
    for (number, org) in emulator.orgs().iter().enumerate() {
        let credentials = emulator.credentials(number);
        html += &format!(
            "<h2>Org {}</h2><table><tr><th>Username</th><td><code>{}</code></td></tr><tr><th>Password</th>\
             <td><code>{}</code></td></tr><tr><th>Consumer key</th><td><code>{}</code></td></tr></table>",
            escape(&org.id),
            escape(&credentials.username),
            escape(&credentials.password),
            escape(&credentials.client_id)
        );
        html += &users(org);
        html += &objects(org);
        html += "<h2>Last requests</h2>";
        html += &requests(&lock(&org.faces.log));
    }
    html += "<h2>Last requests of no org: signing in, version lists, unknown paths</h2>";
    html += &requests(&lock(&emulator.inner.log));
    html += "</main>";
    Answer::page(200, page("Emulated Salesforce orgs", &html))
}

fn users(org: &Org) -> String {
    let rows: String = org.read(|tx| {
        let Some(object) = tx.schema.object("User").cloned() else { return String::new() };
        let users = tx.rows_where(&object, "\"IsActive\" = 1", &[]);
        let shown = users.iter().take(SHOWN_USERS).map(|user| {
            format!(
                "<tr><td>{}</td><td><code>{}</code></td><td><code>{}</code></td></tr>",
                escape(user.text("Name")),
                escape(user.text("Username")),
                escape(user.id())
            )
        });
        shown.collect()
    });
    format!("<h2>Active users</h2><table><tr><th>Name</th><th>Username</th><th>Id</th></tr>{rows}</table>")
}

fn objects(org: &Org) -> String {
    let rows: String = org.read(|tx| {
        let counted = tx.schema.objects().map(|object| (object.clone(), live_rows(tx, object)));
        counted
            .filter(|(_, rows)| *rows > 0)
            .map(|(object, rows)| {
                format!("<tr><td><code>{}</code></td><td class=\"number\">{rows}</td></tr>", escape(&object.name))
            })
            .collect()
    });
    format!("<h2>Records</h2><table><tr><th>Object</th><th class=\"number\">Live rows</th></tr>{rows}</table>")
}

fn requests(log: &RequestLog) -> String {
    let rows: String = log
        .entries()
        .rev()
        .take(SHOWN_REQUESTS)
        .map(|entry| {
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td><code>{} {}</code></td></tr>",
                date_time_text(entry.at_ms, "Z"),
                entry.status,
                entry.family.as_str(),
                escape(&entry.method),
                escape(&entry.path)
            )
        })
        .collect();
    format!("<table><tr><th>Time</th><th>Status</th><th>API</th><th>Request</th></tr>{rows}</table>")
}
