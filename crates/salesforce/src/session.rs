// SPDX-License-Identifier: Apache-2.0
//! The session with an org: it signs in when first needed and again when the org says that the session has ended.
//!
//! However many requests find out at once, one of them asks for a new session and the others wait for it. A refresh
//! token that comes with it is handed to the [`TokenStore`] before the session is used, in a task of its own, so
//! that neither a crash nor an abandoned request loses it (`salesforce-api.md` 1.5). A store that fails leaves the
//! new token in memory, and the next need for a session tries to keep it again before anything else.
//!
//! A refresh whose answer was lost is tried once more with the same token. If rotation had already happened, the org
//! refuses that and the connection must be made anew; nothing on this side can prevent that.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use futures::StreamExt;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue};
use http::{HeaderMap, Method};
use tokio::sync::Mutex;
use url::Url;

use crate::allowance::{Allowance, OAUTH};
use crate::error::{Error, Kind, Refusal, Result};
use crate::login::{Login, TokenAnswer, TokenStore};
use crate::oauth;
use crate::refusal;
use crate::retry::{Jitter, retry_after};
use crate::secret::Secret;
use crate::transport::{Body, Request, Response, SendError, Transport};

pub(crate) struct Session {
    transport: Arc<dyn Transport>,
    store: Option<Arc<dyn TokenStore>>,
    allowance: Arc<Allowance>,
    jitter: Jitter,
    held: Mutex<Held>,
    current: RwLock<Option<Token>>,
}

struct Held {
    login: Login,
    generation: u64,
    /// A session that may not be used yet, because its refresh token could not be kept.
    unkept: Option<TokenAnswer>,
}

#[derive(Clone)]
pub(crate) struct Token {
    pub access_token: Secret,
    pub instance_url: Url,
    /// Identity URL, where the org gave one.
    pub id: Option<String>,
    generation: u64,
}

impl Token {
    pub(crate) fn header(&self) -> HeaderValue {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.access_token.expose()))
            .unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
        value.set_sensitive(true);
        value
    }
}

impl Session {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        login: Login,
        store: Option<Arc<dyn TokenStore>>,
        allowance: Arc<Allowance>,
    ) -> Session {
        let current = match &login {
            Login::AccessToken { instance_url, access_token } => Some(Token {
                access_token: access_token.clone(),
                instance_url: instance_url.clone(),
                id: None,
                generation: 0,
            }),
            _ => None,
        };
        Session {
            transport,
            store,
            allowance,
            jitter: Jitter::of(login.url().as_str()),
            held: Mutex::new(Held { login, generation: 0, unkept: None }),
            current: RwLock::new(current),
        }
    }

    /// The session, after signing in where there is none yet.
    pub(crate) async fn token(self: &Arc<Session>) -> Result<Token> {
        match self.current() {
            Some(token) => Ok(token),
            None => self.renewed(None).await,
        }
    }

    /// A session other than `ended`.
    pub(crate) async fn renew(self: &Arc<Session>, ended: &Token) -> Result<Token> {
        self.renewed(Some(ended.generation)).await
    }

    async fn renewed(self: &Arc<Session>, ended: Option<u64>) -> Result<Token> {
        let session = Arc::clone(self);
        // A task of its own runs to its end even when the request that needs it is dropped.
        let task = tokio::spawn(async move { session.sign_in(ended).await });
        task.await.unwrap_or_else(|source| Err(Error::new(Kind::Bug, "signing in", "the task died").caused_by(source)))
    }

    async fn sign_in(&self, ended: Option<u64>) -> Result<Token> {
        let mut held = self.held.lock().await;
        if let Some(token) = self.current()
            && Some(token.generation) != ended
        {
            return Ok(token);
        }
        let answer = match held.unkept.take() {
            Some(answer) => answer,
            None => self.ask(&held.login).await?,
        };
        if let Some(refresh_token) = &answer.refresh_token {
            let refresh_token = refresh_token.clone();
            held.login.rotate(refresh_token.clone());
            if let Some(store) = &self.store
                && let Err(source) = store.keep(&refresh_token)
            {
                held.unkept = Some(answer);
                return Err(Error::new(Kind::Unreachable, "signing in", "the new refresh token cannot be kept")
                    .hint("make the place for secrets writable; the token is held in memory until then")
                    .caused_by(source));
            }
        }
        held.generation += 1;
        let instance_url = Url::parse(&answer.instance_url).map_err(|source| {
            Error::new(Kind::Corrupt, "signing in", "the org gave no proper instance URL").caused_by(source)
        })?;
        let generation = held.generation;
        let token = Token { access_token: answer.access_token, instance_url, id: answer.id, generation };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        Ok(token)
    }

    fn current(&self) -> Option<Token> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the token endpoint until it answers.
    async fn ask(&self, login: &Login) -> Result<TokenAnswer> {
        let doing = format!("signing in at {}", login.url().host_str().unwrap_or_default());
        let mut url = login.url().clone();
        url.set_path("/services/oauth2/token");
        url.set_query(None);
        let mut backoff = self.jitter.backoff();
        let mut lost = false;
        loop {
            let now = if login.needs_time() { self.time(login.url(), &doing).await? } else { DateTime::UNIX_EPOCH };
            let Some(form) = login.form(now)? else {
                return Err(Error::new(Kind::Denied, doing, "the access token has ended or was revoked")
                    .hint("give a new access token, or connect by OAuth so that sessions renew themselves"));
            };
            let headers = HeaderMap::from_iter([
                (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
                (ACCEPT, HeaderValue::from_static("application/json")),
            ]);
            let request = Request { method: Method::POST, url: url.clone(), headers, body: Body::Bytes(form.into()) };
            let mut asked = None;
            let error = match self.exchange(request, &mut asked).await {
                Ok(Ok(body)) => {
                    return serde_json::from_slice(&body).map_err(|source| {
                        Error::new(Kind::Corrupt, doing, "the answer is not that of a token endpoint")
                            .hint("check that the URL is that of a Salesforce org")
                            .caused_by(source)
                    });
                }
                Ok(Err(refusal)) if refusal::passes(&refusal, true) => oauth::error(&doing, refusal, lost),
                Ok(Err(refusal)) => return Err(oauth::error(&doing, refusal, lost)),
                Err(failure) => {
                    let again = !failure.sent() || !login.is_used_up_by_asking() || self.may_repeat(login, &mut lost);
                    let error = Error::new(Kind::Unreachable, doing.as_str(), "").caused_by(failure);
                    if !again {
                        return Err(error);
                    }
                    error
                }
            };
            if !backoff.wait(asked).await {
                return Err(error.with("tries", backoff.tries().to_string()));
            }
        }
    }

    /// A refresh is repeated once after a lost answer; a code never, since a second use of it is refused in any case.
    fn may_repeat(&self, login: &Login, lost: &mut bool) -> bool {
        matches!(login, Login::RefreshToken { .. }) && !std::mem::replace(lost, true)
    }

    /// What time it is for the host that will judge an assertion: its own `Date`, so that a wrong clock on this side
    /// does not matter. The list of versions needs no session and does not count (`salesforce-api.md` 2.1).
    async fn time(&self, login_url: &Url, doing: &str) -> Result<DateTime<Utc>> {
        let mut url = login_url.clone();
        url.set_path("/services/data");
        let mut backoff = self.jitter.backoff();
        loop {
            let request =
                Request { method: Method::GET, url: url.clone(), headers: HeaderMap::new(), body: Body::Empty };
            self.allowance.count(OAUTH);
            let failure = match self.transport.send(request).await {
                Ok(response) => {
                    let date = response.headers.get(DATE).and_then(|date| date.to_str().ok());
                    return date
                        .and_then(|date| DateTime::parse_from_rfc2822(date).ok())
                        .map(|date| date.to_utc())
                        .ok_or_else(|| {
                            Error::new(Kind::Corrupt, doing, "the host does not say what time it is (header Date)")
                        });
                }
                Err(failure) => failure,
            };
            if !backoff.wait(None).await {
                return Err(Error::new(Kind::Unreachable, doing, "").caused_by(failure));
            }
        }
    }

    /// One request and its whole answer.
    async fn exchange(
        &self,
        request: Request,
        asked: &mut Option<std::time::Duration>,
    ) -> Result<Result<Vec<u8>, Refusal>, SendError> {
        self.allowance.count(OAUTH);
        let response = self.transport.send(request).await?;
        *asked = retry_after(&response.headers);
        if !response.status.is_success() {
            return refusal::read(response).await.map(Err);
        }
        whole(response).await.map(Ok)
    }
}

/// The whole body of an answer.
pub(crate) async fn whole(mut response: Response) -> Result<Vec<u8>, SendError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.body.next().await {
        body.extend_from_slice(&chunk?);
    }
    Ok(body)
}

/// Adds the session to a request.
pub(crate) fn authorise(headers: &mut HeaderMap, token: &Token) {
    headers.insert(AUTHORIZATION, token.header());
}

#[cfg(test)]
mod tests;
