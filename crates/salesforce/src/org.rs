// SPDX-License-Identifier: Apache-2.0
//! An org that can be read. Nothing here writes; what writes is [`crate::Writer`].

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::allowance::{Allowance, AtTheReserve, OAUTH, Share, Usage};
use crate::call::{Call, Client};
use crate::error::{Error, Kind, Result};
use crate::id;
use crate::login::{Login, TokenStore};
use crate::query::Scope;
use crate::records::DatetimeFields;
use crate::retry::Jitter;
use crate::session::Session;
use crate::soql;
use crate::transport::Transport;

/// The newest API version whose answers this client was written for.
pub const NEWEST_API_VERSION: u16 = 67;
/// `resultPages` of Bulk API 2.0 came with this one (`salesforce-api.md` 3.1).
pub const OLDEST_API_VERSION: u16 = 58;

pub struct Options {
    /// `None`: the newest that the org and this client know.
    pub api_version: Option<u16>,
    /// Name that the org's logs show for this client (`Sforce-Call-Options: client=`).
    pub client: String,
    pub token_store: Option<Arc<dyn TokenStore>>,
    /// Share of the org's daily API requests that is never used.
    pub reserve: Share,
    /// What becomes of requests that would take from it.
    pub at_the_reserve: AtTheReserve,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            api_version: None,
            client: "orgkeep".to_owned(),
            token_store: None,
            reserve: Share::default(),
            at_the_reserve: AtTheReserve::default(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// 18 characters.
    pub org_id: String,
    /// 18 characters.
    pub user_id: String,
    pub username: String,
    pub instance_url: Url,
    /// "67.0"
    pub api_version: String,
}

/// The org's own record of itself (`salesforce-api.md` 2.10).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Organization {
    pub name: String,
    pub is_sandbox: bool,
    /// "Enterprise Edition", …
    pub organization_type: String,
    pub instance_name: Option<String>,
    pub namespace_prefix: Option<String>,
}

/// One entry of `/limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Limit {
    pub max: u64,
    pub remaining: u64,
}

/// `/limits`, at most five minutes old (`salesforce-api.md` 2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub daily_api_requests: Option<Limit>,
    /// Only for users with *Manage Users*.
    pub data_storage_mb: Option<Limit>,
    /// Only for users with *Manage Users*.
    pub file_storage_mb: Option<Limit>,
    /// Everything the org said.
    pub all: BTreeMap<String, Value>,
}

/// A connection to an org; clones share it.
#[derive(Clone)]
pub struct Org {
    pub(crate) client: Arc<Client>,
    identity: Arc<Identity>,
    /// Datetime fields of objects described so far, for the reading of JSON rows.
    pub(crate) datetime_fields: Arc<RwLock<HashMap<String, Option<DatetimeFields>>>>,
}

impl std::fmt::Debug for Org {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Org").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Org {
    /// Signs in and learns the API version and whose session this is. Costs no API requests where the session has the
    /// scope for `userinfo`, else two.
    ///
    /// # Errors
    ///
    /// `Denied` with a hint that says what to click for the known causes; `Unreachable`; `Invalid` where the org does
    /// not know the API version.
    pub async fn connect(transport: Arc<dyn Transport>, login: Login, options: Options) -> Result<Org> {
        let call_options = HeaderValue::from_str(&format!("client={}", options.client)).map_err(|source| {
            Error::new(Kind::Invalid, "connecting", "the name of this client cannot be sent in a header")
                .caused_by(source)
        })?;
        let allowance = Arc::new(Allowance::new(options.reserve, options.at_the_reserve));
        let session = Arc::new(Session::new(transport.clone(), login, options.token_store, allowance.clone()));
        let token = session.token().await?;
        let mut client = Client {
            transport,
            session,
            allowance,
            jitter: Jitter::of(token.instance_url.as_str()),
            instance_url: token.instance_url.clone(),
            api_version: format!("{NEWEST_API_VERSION}.0"),
            call_options,
            date: AtomicU64::default(),
        };
        client.api_version = choose_version(&client, options.api_version).await?;
        let identity = identify(&client, token.id.as_deref()).await?;
        Ok(Org { client: Arc::new(client), identity: Arc::new(identity), datetime_fields: Arc::default() })
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub fn usage(&self) -> Usage {
        self.client.allowance.usage()
    }

    /// The org's clock, as its last answer told it, to the second; `None` where no answer did.
    pub fn now(&self) -> Option<SystemTime> {
        let seconds = self.client.date.load(Ordering::Relaxed);
        (seconds > 0).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
    }

    pub async fn organization(&self) -> Result<Organization> {
        let doing = "reading Organization";
        let soql = "SELECT Name, IsSandbox, OrganizationType, InstanceName, NamespacePrefix FROM Organization LIMIT 1";
        let rows: Vec<Organization> = self.client.query_json(soql, doing).await?;
        rows.into_iter().next().ok_or_else(|| Error::new(Kind::Corrupt, doing, "the org has no record of itself"))
    }

    /// Live records by object, as the org last counted them for itself: approximate, and companions such as histories and shares are not
    /// among them (`salesforce-api.md` 2.3).
    pub async fn record_counts(&self) -> Result<BTreeMap<String, u64>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Counts {
            s_objects: Vec<Count>,
        }
        #[derive(Deserialize)]
        struct Count {
            name: String,
            count: u64,
        }
        let call = Call::get("rest", self.client.url(&["limits", "recordCount"]), "asking how many records there are");
        let counts: Counts = self.client.read_json(&call).await?;
        Ok(counts.s_objects.into_iter().map(|count| (count.name, count.count)).collect())
    }

    /// Always allowed, also within the reserve, and it refreshes what is known of the allowance.
    pub async fn limits(&self) -> Result<Limits> {
        let mut call = Call::get("rest", self.client.url(&["limits"]), "reading the org's limits");
        call.always = true;
        let all: BTreeMap<String, Value> = self.client.read_json(&call).await?;
        let limit = |name: &str| all.get(name).and_then(|value| Limit::deserialize(value).ok());
        let limits = Limits {
            daily_api_requests: limit("DailyApiRequests"),
            data_storage_mb: limit("DataStorageMB"),
            file_storage_mb: limit("FileStorageMB"),
            all,
        };
        if let Some(Limit { max, remaining }) = limits.daily_api_requests {
            self.client.allowance.learn_usage(max.saturating_sub(remaining), max);
        }
        Ok(limits)
    }

    /// Rows of an object, as the org counts them.
    pub async fn count(&self, object: &str, condition: Option<&str>, scope: Scope) -> Result<u64> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Count {
            total_size: u64,
        }
        let soql = soql::select(&["COUNT()"], object, condition);
        let count: Count =
            self.client.read_json(&self.client.query_call(&soql, scope, &format!("counting {object}"))).await?;
        Ok(count.total_size)
    }
}

/// The versions need no session and do not count (`salesforce-api.md` 2.1).
async fn choose_version(client: &Client, wanted: Option<u16>) -> Result<String> {
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    let mut url = client.instance_url.clone();
    url.set_path("/services/data");
    let doing = "learning the org's API versions";
    let versions: Vec<Version> = client.read_json(&Call::get(OAUTH, url, doing)).await?;
    let known: Vec<u16> = versions.iter().filter_map(|v| v.version.strip_suffix(".0")?.parse().ok()).collect();
    let newest = known.iter().copied().filter(|&version| version <= NEWEST_API_VERSION).max();
    let chosen = match wanted {
        Some(version) if known.contains(&version) => Some(version),
        Some(_) => None,
        None => newest,
    };
    match chosen {
        Some(version) if version >= OLDEST_API_VERSION => Ok(format!("{version}.0")),
        _ => {
            let wanted = wanted.map_or("one that is supported".to_owned(), |version| format!("{version}.0"));
            let range = format!("{OLDEST_API_VERSION}.0 to {}.0", newest.unwrap_or(NEWEST_API_VERSION));
            Err(Error::new(Kind::Invalid, doing, format!("the API version {wanted} is not usable here"))
                .hint(format!("use one from {range}")))
        }
    }
}

/// Whose session this is: by `userinfo`, or where the session may not ask that, by the resources of the API.
async fn identify(client: &Client, token_id: Option<&str>) -> Result<Identity> {
    #[derive(Deserialize)]
    struct UserInfo {
        user_id: String,
        organization_id: String,
        preferred_username: String,
    }
    let doing = "learning whose session this is";
    let mut url = client.instance_url.clone();
    url.set_path("/services/oauth2/userinfo");
    let (org_id, user_id, username) = match client.read_json::<UserInfo>(&Call::get(OAUTH, url, doing)).await {
        Ok(user) => (user.organization_id, user.user_id, user.preferred_username),
        Err(error) if error.http_status().is_some_and(|status| matches!(status.as_u16(), 403 | 404)) => {
            by_resources(client, token_id, doing).await?
        }
        Err(error) => return Err(error),
    };
    let full = |id: &str| id::to_18(id).ok_or_else(|| Error::new(Kind::Corrupt, doing, format!("{id:?} is not an Id")));
    Ok(Identity {
        org_id: full(&org_id)?,
        user_id: full(&user_id)?,
        username,
        instance_url: client.instance_url.clone(),
        api_version: client.api_version.clone(),
    })
}

/// The Ids are the last two parts of the identity URL; the name is in the user's record.
async fn by_resources(client: &Client, token_id: Option<&str>, doing: &str) -> Result<(String, String, String)> {
    #[derive(Deserialize)]
    struct Resources {
        identity: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct User {
        username: String,
    }
    let identity = match token_id {
        Some(id) => id.to_owned(),
        None => client.read_json::<Resources>(&Call::get("rest", client.url(&[]), doing)).await?.identity,
    };
    let mut parts = identity.rsplit('/');
    let (Some(user_id), Some(org_id)) = (parts.next(), parts.next()) else {
        return Err(Error::new(Kind::Corrupt, doing, format!("{identity:?} is not an identity URL")));
    };
    let soql = soql::select(&["Username"], "User", Some(&format!("Id = {}", soql::quote(user_id))));
    let users: Vec<User> = client.query_json(&soql, doing).await?;
    let user = users.into_iter().next();
    let user = user.ok_or_else(|| Error::new(Kind::Denied, doing, "the session's user cannot see its own record"))?;
    Ok((org_id.to_owned(), user_id.to_owned(), user.username))
}
