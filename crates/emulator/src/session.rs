// SPDX-License-Identifier: Apache-2.0
//! Sessions, grants and the tokens that stand for them (`salesforce-api.md` 1.4, 1.5).
//!
//! A session is what an access token names. It slides: each use moves its end to the org's session timeout from now.
//! A grant is what a refresh token names: one approval of one app by one user, with every access token derived from it.
//! At most five grants exist per user and app; a sixth silently revokes the oldest. With rotation on, every refresh
//! makes a new refresh token; one that was rotated away takes the whole grant with it when it is presented again. A
//! grant also ends by its app's policy: so long after it was given, or so long after it was last used.
//!
//! What changed is remembered until `Sessions::take_changes` asks for it, so that an org with a store file can write
//! it down. The sliding of a session is written only when it moved by a twentieth of the timeout: after a restart a
//! session may end that much early. Codes and logins that wait for consent are not written: they live 15 minutes.
//!
//! Tokens are drawn from a generator seeded by the org, so that a run can be repeated. They protect nothing.

mod code;
mod written;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use crate::oauth::app::RefreshPolicy;

pub use code::Code;
use written::Mark;
pub(crate) use written::Written;

const GRANTS_PER_USER_AND_APP: usize = 5;
const CODE_LIFETIME_MS: i64 = 15 * 60 * 1000;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";

/// OAuth scopes by name.
pub type Scopes = BTreeSet<String>;

/// What an access token names.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The access token.
    pub token: String,
    /// Whose session it is.
    pub user_id: String,
    /// The app that signed in; none for SOAP `login()`.
    pub client_id: Option<String>,
    /// The grant it was derived from, which takes it along when revoked.
    pub grant: Option<u64>,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was issued, in ms.
    pub issued_ms: i64,
    /// When it ends unless it is used before, in ms.
    pub expires_ms: i64,
    /// How far each use moves its end, in ms; 0: its end stays.
    pub timeout_ms: i64,
    /// The end that was written down last.
    #[serde(skip)]
    written_ms: i64,
}

impl Session {
    /// Whether its scopes open the APIs. A session without an app, from SOAP `login()`, opens them all.
    pub fn is_for_apis(&self) -> bool {
        self.client_id.is_none() || self.scopes.contains("api") || self.scopes.contains("full")
    }
}

/// What a refresh token names.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// Whose approval it is.
    pub user_id: String,
    /// Which app was approved.
    pub client_id: String,
    /// What was approved.
    pub scopes: Scopes,
    /// The refresh token that is good now.
    pub refresh_token: String,
    /// When it was given, in ms.
    pub issued_ms: i64,
    /// When it last bought an access token, in ms.
    pub used_ms: i64,
    /// How often it did.
    pub refreshes: u64,
}

impl Grant {
    /// Whether the policy has ended it by now.
    pub fn is_expired(&self, policy: RefreshPolicy, now_ms: i64) -> bool {
        let over = |since_ms: i64, seconds: Option<u64>| {
            seconds.is_some_and(|seconds| {
                let length_ms = i64::try_from(seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000);
                now_ms.saturating_sub(since_ms) >= length_ms
            })
        };
        over(self.issued_ms, policy.lifetime_seconds) || over(self.used_ms, policy.idle_seconds)
    }
}

/// Why a refresh token buys nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Never issued here, revoked, expired, or of another app.
    Unknown,
    /// Rotated away before: the grant is revoked now.
    Reused,
}

/// Every session and grant of one org.
#[derive(Debug)]
pub struct Sessions {
    sessions: HashMap<String, Session>,
    grants: BTreeMap<u64, Grant>,
    refresh: HashMap<String, u64>,
    codes: HashMap<String, Code>,
    next_grant: u64,
    random: StdRng,
    timeout_ms: i64,
    changes: BTreeSet<Mark>,
}

impl Default for Sessions {
    fn default() -> Sessions {
        Sessions {
            sessions: HashMap::new(),
            grants: BTreeMap::new(),
            refresh: HashMap::new(),
            codes: HashMap::new(),
            next_grant: 1,
            random: StdRng::seed_from_u64(0),
            timeout_ms: 7_200_000,
            changes: BTreeSet::new(),
        }
    }
}

impl Sessions {
    /// Sets the session timeout and the seed of the tokens.
    pub fn set_up(&mut self, timeout_seconds: u64, seed: u64) {
        self.timeout_ms = i64::try_from(timeout_seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000);
        self.random = StdRng::seed_from_u64(seed);
    }

    /// The session timeout in seconds.
    pub fn timeout_seconds(&self) -> i64 {
        self.timeout_ms / 1000
    }

    /// `length` characters of the token alphabet.
    pub fn random_text(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(ALPHABET[self.random.random_range(0..ALPHABET.len())])).collect()
    }

    /// Opens a session; its token is `<org id, 15 characters>!<96 characters>`.
    pub fn open(
        &mut self,
        org_id15: &str,
        user_id: &str,
        client_id: Option<&str>,
        grant: Option<u64>,
        scopes: Scopes,
        now_ms: i64,
    ) -> Session {
        self.open_for(org_id15, user_id, client_id, grant, scopes, now_ms, None)
    }

    /// Opens a session with a timeout of its own, in seconds.
    pub fn open_for(
        &mut self,
        org_id15: &str,
        user_id: &str,
        client_id: Option<&str>,
        grant: Option<u64>,
        scopes: Scopes,
        now_ms: i64,
        timeout_seconds: Option<u64>,
    ) -> Session {
        let token = format!("{org_id15}!{}", self.random_text(96));
        let own = timeout_seconds.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000));
        let timeout_ms = own.unwrap_or(self.timeout_ms);
        let expires_ms = now_ms.saturating_add(timeout_ms);
        let session = Session {
            token: token.clone(),
            user_id: user_id.into(),
            client_id: client_id.map(str::to_owned),
            grant,
            scopes,
            issued_ms: now_ms,
            expires_ms,
            timeout_ms,
            written_ms: expires_ms,
        };
        self.changes.insert(Mark::Session(token.clone()));
        self.sessions.insert(token, session.clone());
        session
    }

    /// Gives a session another token, which says itself when it ends.
    pub(crate) fn replace_token(&mut self, old: &str, new: String, expires_ms: i64) -> Option<Session> {
        let session = self.sessions.remove(old)?;
        self.changes.insert(Mark::Session(old.to_owned()));
        self.changes.insert(Mark::Session(new.clone()));
        let session = Session { token: new.clone(), expires_ms, timeout_ms: 0, written_ms: expires_ms, ..session };
        self.sessions.insert(new, session.clone());
        Some(session)
    }

    /// The live session of a token; using it moves its end.
    pub fn use_token(&mut self, token: &str, now_ms: i64) -> Option<Session> {
        let session = self.sessions.get_mut(token)?;
        if session.expires_ms <= now_ms {
            self.changes.insert(Mark::Session(token.to_owned()));
            self.sessions.remove(token);
            return None;
        }
        if session.timeout_ms > 0 {
            session.expires_ms = now_ms.saturating_add(session.timeout_ms);
        }
        if session.expires_ms - session.written_ms > session.timeout_ms / 20 {
            session.written_ms = session.expires_ms;
            self.changes.insert(Mark::Session(token.to_owned()));
        }
        Some(session.clone())
    }

    /// The live session of a token, without using it.
    pub fn look_at(&self, token: &str, now_ms: i64) -> Option<&Session> {
        self.sessions.get(token).filter(|session| session.expires_ms > now_ms)
    }

    /// Records an approval and returns its number and refresh token; revokes the oldest of more than five.
    pub fn grant(&mut self, user_id: &str, client_id: &str, scopes: Scopes, now_ms: i64) -> (u64, String) {
        let same: Vec<u64> = self
            .grants
            .iter()
            .filter(|(_, grant)| grant.user_id == user_id && grant.client_id == client_id)
            .map(|(number, _)| *number)
            .collect();
        if same.len() >= GRANTS_PER_USER_AND_APP {
            self.revoke_grant(same[0]);
        }
        let number = self.next_grant;
        self.next_grant += 1;
        let refresh_token = self.new_refresh_token(number);
        let grant = Grant {
            user_id: user_id.into(),
            client_id: client_id.into(),
            scopes,
            refresh_token: refresh_token.clone(),
            issued_ms: now_ms,
            used_ms: now_ms,
            refreshes: 0,
        };
        self.changes.insert(Mark::Grant(number));
        self.grants.insert(number, grant);
        (number, refresh_token)
    }

    fn new_refresh_token(&mut self, grant: u64) -> String {
        let token = format!("5Aep861{}", self.random_text(80));
        self.changes.insert(Mark::Refresh(token.clone()));
        self.refresh.insert(token.clone(), grant);
        token
    }

    /// The grant a refresh token is good for under a policy, and with `rotate` the token that replaces it.
    ///
    /// # Errors
    /// [`Refused`]; a token that was rotated away revokes its grant with all sessions (`salesforce-api.md` 1.5).
    pub fn refresh(
        &mut self,
        refresh_token: &str,
        client_id: &str,
        rotate: bool,
        policy: RefreshPolicy,
        now_ms: i64,
    ) -> Result<(u64, Grant, Option<String>), Refused> {
        let number = *self.refresh.get(refresh_token).ok_or(Refused::Unknown)?;
        let grant = self.grants.get(&number).ok_or(Refused::Unknown)?;
        if grant.client_id != client_id {
            return Err(Refused::Unknown);
        }
        if grant.refresh_token != refresh_token {
            self.revoke_grant(number);
            return Err(Refused::Reused);
        }
        if grant.is_expired(policy, now_ms) {
            return Err(Refused::Unknown);
        }
        let next = rotate.then(|| self.new_refresh_token(number));
        let grant = self.grants.get_mut(&number).ok_or(Refused::Unknown)?;
        grant.used_ms = now_ms;
        grant.refreshes += 1;
        if let Some(next) = &next {
            grant.refresh_token.clone_from(next);
        }
        self.changes.insert(Mark::Grant(number));
        Ok((number, grant.clone(), next))
    }

    /// Whether a refresh token was issued here, be it good or used.
    pub fn knows_refresh_token(&self, refresh_token: &str) -> bool {
        self.refresh.contains_key(refresh_token)
    }

    /// The grant that a current refresh token names.
    pub fn grant_of(&self, refresh_token: &str) -> Option<&Grant> {
        let grant = self.grants.get(self.refresh.get(refresh_token)?)?;
        (grant.refresh_token == refresh_token).then_some(grant)
    }

    /// Ends a session, or a grant with all its sessions, whichever the token names. False when it names neither.
    pub fn revoke(&mut self, token: &str) -> bool {
        if self.sessions.remove(token).is_some() {
            self.changes.insert(Mark::Session(token.to_owned()));
            return true;
        }
        match self.refresh.get(token) {
            Some(&number) if self.grants.contains_key(&number) => {
                self.revoke_grant(number);
                true
            }
            _ => false,
        }
    }

    fn revoke_grant(&mut self, number: u64) {
        self.grants.remove(&number);
        self.changes.insert(Mark::Grant(number));
        let changes = &mut self.changes;
        self.refresh.retain(|token, grant| {
            let stays = *grant != number;
            if !stays {
                changes.insert(Mark::Refresh(token.clone()));
            }
            stays
        });
        self.sessions.retain(|token, session| {
            let stays = session.grant != Some(number);
            if !stays {
                changes.insert(Mark::Session(token.clone()));
            }
            stays
        });
    }

    /// Ends every session; refresh tokens stay good.
    pub fn expire_sessions(&mut self) {
        self.changes.extend(self.sessions.drain().map(|(token, _)| Mark::Session(token)));
    }

    /// Ends what a user or an app holds: every grant and session that the condition picks by user and app.
    pub fn revoke_where(&mut self, picks: impl Fn(&str, Option<&str>) -> bool) {
        let grants: Vec<u64> = self
            .grants
            .iter()
            .filter(|(_, grant)| picks(&grant.user_id, Some(&grant.client_id)))
            .map(|(number, _)| *number)
            .collect();
        for number in grants {
            self.revoke_grant(number);
        }
        let changes = &mut self.changes;
        self.sessions.retain(|token, session| {
            let stays = !picks(&session.user_id, session.client_id.as_deref());
            if !stays {
                changes.insert(Mark::Session(token.clone()));
            }
            stays
        });
    }

    /// Ends the sessions of a user; refresh tokens stay good.
    pub fn end_sessions_of(&mut self, user_id: &str) {
        let changes = &mut self.changes;
        self.sessions.retain(|token, session| {
            let stays = session.user_id != user_id;
            if !stays {
                changes.insert(Mark::Session(token.clone()));
            }
            stays
        });
    }

    /// Drops the sessions that have ended.
    pub(crate) fn forget_expired(&mut self, now_ms: i64) {
        let changes = &mut self.changes;
        self.sessions.retain(|token, session| {
            let stays = session.expires_ms > now_ms;
            if !stays {
                changes.insert(Mark::Session(token.clone()));
            }
            stays
        });
    }

    /// Every grant, oldest first.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.grants.values()
    }

    /// How many sessions are live.
    pub fn live(&self, now_ms: i64) -> usize {
        self.sessions.values().filter(|session| session.expires_ms > now_ms).count()
    }

    /// Revokes every grant with its sessions.
    pub fn revoke_grants(&mut self) {
        let numbers: Vec<u64> = self.grants.keys().copied().collect();
        for number in numbers {
            self.revoke_grant(number);
        }
    }

    /// Keeps a code for 15 minutes and returns its text, `aPrx…==`.
    pub fn keep_code(&mut self, code: Code) -> String {
        let text = format!("aPrx{}==", self.random_text(70));
        self.codes.insert(text.clone(), code);
        text
    }

    /// Takes a code (`approved`) or a login that waits for consent; each is good once and for 15 minutes.
    pub fn take_code(&mut self, text: &str, approved: bool, now_ms: i64) -> Option<Code> {
        if self.codes.get(text)?.approved != approved {
            return None;
        }
        let code = self.codes.remove(text)?;
        (now_ms - code.issued_ms < CODE_LIFETIME_MS).then_some(code)
    }
}

#[cfg(test)]
mod tests;
