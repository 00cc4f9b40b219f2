// SPDX-License-Identifier: Apache-2.0
//! Who may sign in, and what the session may then do.
//!
//! Every user of an emulated org has the org's one password until another is set, with or without the security token
//! behind it, as from a trusted network. An inactive or frozen user has none.
//!
//! What a session may then do is told in `rights`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Emulator;
use crate::faces::lock;
use crate::host::Place;
use crate::oauth::app::App;
use crate::org::{Org, Row};

/// The passwords of an org's users.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Passwords {
    /// That of everyone who has no own one.
    pub common: String,
    /// May follow any password.
    pub security_token: String,
    /// Those that were set, by user Id.
    pub own: BTreeMap<String, String>,
}

impl Passwords {
    fn fits(&self, user_id: &str, password: &str) -> bool {
        let right = self.own.get(user_id).unwrap_or(&self.common);
        password.strip_prefix(right.as_str()).is_some_and(|rest| rest.is_empty() || rest == self.security_token)
    }

    fn has_token(&self, password: &str) -> bool {
        !self.security_token.is_empty() && password.ends_with(&self.security_token)
    }
}

/// A user who signed in.
#[derive(Clone, Debug)]
pub struct User {
    /// 18 characters.
    pub id: String,
    /// The whole `User` record.
    pub row: Row,
}

/// Why a user may not sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEntry {
    /// No such user, or the wrong password.
    Unknown,
    /// The user exists and is inactive or frozen.
    Inactive,
    /// Outside the login ranges of the user's profile.
    Address,
    /// Outside the login hours of the user's profile.
    Time,
    /// Outside the org's trusted networks, without the security token behind the password.
    NeedsToken,
}

impl Org {
    /// The user with this username.
    pub fn user_named(&self, username: &str) -> Option<User> {
        self.read(|tx| {
            let object = tx.schema.object("User")?.clone();
            let row = tx.rows_where(&object, "\"Username\" = ?1", &[&username]).into_iter().next()?;
            Some(User { id: row.id().to_owned(), row })
        })
    }

    /// The user with this Id.
    pub fn user(&self, id: &str) -> Option<User> {
        self.read(|tx| {
            let row = tx.row(tx.schema.object("User")?, id)?;
            Some(User { id: row.id().to_owned(), row })
        })
    }

    /// Whether a user may hold a session.
    pub fn may_enter(&self, user: &User) -> bool {
        self.rights(&user.id).may_enter
    }

    /// Whether a user may sign in from where the request that is being answered came from, now.
    ///
    /// # Errors
    /// [`NoEntry`]
    pub fn entry(&self, user: &User) -> Result<(), NoEntry> {
        let rights = self.rights(&user.id);
        if rights.may_enter { self.admits(&rights.profile_id) } else { Err(NoEntry::Inactive) }
    }

    /// The user, when the password is right and the user may enter.
    ///
    /// # Errors
    /// [`NoEntry`]
    pub fn sign_in(&self, username: &str, password: &str) -> Result<User, NoEntry> {
        let user = self.user_named(username).ok_or(NoEntry::Unknown)?;
        let (good, has_token) = {
            let passwords = lock(&self.faces.passwords);
            (passwords.fits(&user.id, password), passwords.has_token(password))
        };
        if !good {
            return Err(NoEntry::Unknown);
        }
        self.entry(&user)?;
        if !has_token && self.needs_token(user.row.text("ProfileId")) {
            return Err(NoEntry::NeedsToken);
        }
        Ok(user)
    }
}

impl Org {
    /// Gives a user a password. It ends the user's sessions, and leaves refresh tokens good.
    pub fn set_password(&self, user_id: &str, password: &str) {
        lock(&self.faces.passwords).own.insert(user_id.to_owned(), password.to_owned());
        lock(&self.faces.sessions).end_sessions_of(user_id);
        self.keep();
    }
}

impl Emulator {
    /// The org and user that a username and password open at a place.
    ///
    /// # Errors
    /// [`NoEntry`], of the org that came closest to letting the user in.
    pub fn log_in_at(&self, place: &Place, username: &str, password: &str) -> Result<(Arc<Org>, User), NoEntry> {
        let at_login = matches!(place, Place::Login | Place::Test);
        let mut refused = NoEntry::Unknown;
        for org in self.orgs_at(place).into_iter().filter(|org| !at_login || !lock(&org.faces.my_domain).only_here) {
            match org.sign_in(username, password) {
                Ok(user) => return Ok((org, user)),
                Err(NoEntry::Unknown) => {}
                Err(other) => refused = other,
            }
        }
        Err(refused)
    }

    /// The org and user that a username and password open, whichever org that is.
    pub fn log_in(&self, username: &str, password: &str) -> Option<(Arc<Org>, User)> {
        self.log_in_at(&Place::Anywhere, username, password).ok()
    }

    /// The first org at a place that knows an app, and the app.
    pub fn app_at(&self, place: &Place, client_id: &str) -> Option<(Arc<Org>, App)> {
        self.orgs_at(place)
            .into_iter()
            .find_map(|org| Some((org.clone(), lock(&org.faces.apps).get(client_id)?.clone())))
    }

    /// The first org that knows an app, and the app.
    pub fn app(&self, client_id: &str) -> Option<(Arc<Org>, App)> {
        self.app_at(&Place::Anywhere, client_id)
    }
}
