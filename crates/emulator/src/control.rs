// SPDX-License-Identifier: Apache-2.0
//! What a test may do to an org from outside its APIs, and ask it afterwards.

pub(crate) mod web;

use std::collections::BTreeMap;

use crate::faces::lock;
use crate::fault::Faults;
use crate::log::LogEntry;
use crate::oauth::app::App;
use crate::org::{Org, Tx, seed};
use crate::record;
use crate::value::Value;

impl Org {
    /// The org's Id, 15 characters: how its access tokens begin.
    pub fn id15(&self) -> &str {
        crate::id::to15(&self.id)
    }

    /// The last requests, oldest first; 10,000 are kept.
    pub fn request_log(&self) -> Vec<LogEntry> {
        lock(&self.faces.log).entries().collect()
    }

    /// Requests since the start, by API family (`rest`, `query`, `bulk`, `composite`, `blob`, `tooling`, `soap`).
    pub fn usage_by_family(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.faces.log).by_family()
    }

    /// Calls taken from the daily allowance in the last 24 hours, and the allowance.
    pub fn daily_usage(&self) -> (u64, u64) {
        let mut usage = lock(&self.faces.usage);
        (usage.used(self.clock().now()), usage.max())
    }

    /// Sets the daily allowance, and what of it counts as used.
    pub fn set_daily_limit(&self, used: u64, max: u64) {
        lock(&self.faces.usage).set(self.clock().now(), used, max);
    }

    /// Lets other applications make so many calls for each one that is counted from now on.
    pub fn set_calls_of_others(&self, calls: u64) {
        lock(&self.faces.usage).set_others(calls);
    }

    /// Ends every session; refresh tokens stay good.
    pub fn expire_sessions(&self) {
        lock(&self.faces.sessions).expire_sessions();
        self.keep();
    }

    /// Revokes every refresh token together with its sessions, as an admin does who blocks an app's users.
    pub fn revoke_grants(&self) {
        lock(&self.faces.sessions).revoke_grants();
        self.keep();
    }

    /// Ends the session or the grant that a token names.
    pub fn revoke(&self, token: &str) -> bool {
        let revoked = lock(&self.faces.sessions).revoke(token);
        self.keep();
        revoked
    }

    /// Gives a user permission (`QueryAllFiles`, as in `salesforce-api.md` 1.11) to a user, or takes it, whatever profile
    /// and permission sets say.
    pub fn set_permission(&self, user_id: &str, name: &str, given: bool) {
        lock(&self.faces.permissions).entry(user_id.to_owned()).or_default().insert(name.to_owned(), given);
        self.change_rights();
    }

    /// Freezes a user, or thaws one, as `UserLogin.IsFrozen` does: a frozen user has no sessions and gets none.
    pub fn set_frozen(&self, user_id: &str, frozen: bool) {
        self.write(|tx| {
            let Some(logins) = tx.schema.object("UserLogin").cloned() else { return };
            for login in tx.ids_where(&logins, "\"UserId\" = ?1", &[&user_id]) {
                tx.update_row(&logins, &login, &["IsFrozen"], &[&Value::Bool(frozen)])
                    .expect("the store can be written");
            }
        });
    }

    /// Installs an app, or replaces the one with its consumer key.
    pub fn register_app(&self, app: App) {
        lock(&self.faces.apps).register(app);
        self.keep();
    }

    /// Changes an app: its policy, its callbacks, whether it is installed. False when there is none with this key.
    pub fn change_app(&self, client_id: &str, change: impl FnOnce(&mut App)) -> bool {
        let changed = lock(&self.faces.apps).get_mut(client_id).map(change).is_some();
        self.keep();
        changed
    }

    /// Blocks an app, as an admin does in "Connected Apps OAuth Usage", or lets it in again: its tokens are revoked, and
    /// nobody signs in with it meanwhile. False when there is none with this key.
    pub fn set_blocked(&self, client_id: &str, blocked: bool) -> bool {
        if blocked {
            lock(&self.faces.sessions).revoke_where(|_, app| app == Some(client_id));
        }
        self.change_app(client_id, |app| app.blocked = blocked)
    }

    /// What is to go wrong with the org's requests and jobs.
    pub fn faults(&self) -> &Faults {
        &self.faces.faults
    }

    /// Requests, bytes and time since the start by API family, by client, by app, and requests by object, as JSON.
    pub fn usage(&self) -> serde_json::Value {
        lock(&self.faces.log).usage()
    }

    /// Empties the recycle bin of what was deleted by itself before a time in ms; answers how many records that were.
    pub fn purge_recycle_bin(&self, before_ms: i64) -> usize {
        self.write(|tx| {
            let sql = "SELECT DISTINCT root_id FROM _recycle WHERE deleted_ms < ?1 ORDER BY root_id";
            let roots: Vec<String> = tx
                .conn
                .prepare_cached(sql)
                .and_then(|mut statement| statement.query_map([before_ms], |row| row.get(0))?.collect())
                .expect("the store's own table can be read");
            let caller = seed::platform(tx);
            let emptied = |tx: &mut Tx<'_>, root: &String| {
                tx.savepoint(|tx| record::empty_from_recycle_bin(tx, &caller, root)).is_ok()
            };
            roots.iter().filter(|root| emptied(tx, root)).count()
        })
    }
}
