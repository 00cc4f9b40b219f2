// SPDX-License-Identifier: Apache-2.0
//! `orgkeep connect`: links an org to a vault under a name.
//!
//! It signs in at once, opens the vault at once, and writes the connector down only when both worked. Under a name that
//! exists it replaces the login (to reauthenticate) and refuses another org, because that would mix two histories; the org that a
//! sandbox became by a refresh is linked to the one that it was.

mod permissions;
mod refreshed;

use crate::cli::{self, Unlocking};
use crate::config::{self, Connector, Kept, Login, Place};
use crate::context::{self, Context};
use crate::environment::{ACCESS_TOKEN, CLIENT_SECRET, REFRESH_TOKEN, absolute};
use crate::failure::{Answer, Failure};
use crate::number::grouped;
use crate::screen::facts;
use crate::secret::{self, Given, Rotation};
use clap::Args;
use orgkeep_salesforce::{Org, Organization, Secret};
use permissions::Permissions;
use serde_json::json;
use std::path::PathBuf;
use url::Url;

/// Links an org to a vault under a name, and says what it can see
#[derive(Args, Debug)]
pub struct Arguments {
    /// Name for the connector; one that exists gets the new login
    #[arg(value_name = "NAME", value_parser = config::connector_name)]
    name: String,

    /// The vault: a folder or a URL [required the first time]
    #[arg(long, value_name = "VAULT")]
    vault: Option<String>,

    /// Where to sign in: the org's My Domain (https://acme.my.salesforce.com), or https://login.salesforce.com, or
    /// https://test.salesforce.com for sandboxes [required the first time]
    #[arg(long, value_name = "URL", value_parser = login_url)]
    url: Option<Url>,

    /// File with an access token of a session made elsewhere [else: $ORGKEEP_ACCESS_TOKEN, a prompt]
    #[arg(long, value_name = "F", conflicts_with = "client_id")]
    access_token_file: Option<PathBuf>,

    /// Consumer key of the org's External Client App
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,

    /// File with the consumer secret [else: $ORGKEEP_CLIENT_SECRET, a prompt]
    #[arg(long, value_name = "F", requires = "client_id")]
    client_secret_file: Option<PathBuf>,

    /// File with the private key (PEM) whose certificate the app holds
    #[arg(long, value_name = "F", requires = "client_id", requires = "username", conflicts_with_all = ["client_secret_file", "refresh_token_file"])]
    jwt_key_file: Option<PathBuf>,

    /// User to sign in as with the private key
    #[arg(long, value_name = "U", requires = "jwt_key_file")]
    username: Option<String>,

    /// File with a refresh token; it is rewritten when the org rotates the token. `-`: $ORGKEEP_REFRESH_TOKEN, else a prompt
    #[arg(long, value_name = "F", requires = "client_id")]
    refresh_token_file: Option<PathBuf>,

    /// Share of the org's daily API requests, others' use counted, at which a backup pauses, in percent [default: 50]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    api_share: Option<u8>,

    /// How much of the bodies of files each backup fetches, such as 10GB, newest first [default: all]
    #[arg(long, value_name = "SIZE", value_parser = crate::number::amount)]
    file_budget: Option<u64>,

    /// The sandbox was refreshed: go on with the org that it is now, and keep the backups from before, linked to it, under a name of their own
    #[arg(long)]
    refreshed: bool,

    #[command(flatten)]
    unlocking: Unlocking,
}

impl Arguments {
    fn gives_login(&self) -> bool {
        self.client_id.is_some() || self.access_token_file.is_some()
    }
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let mut config = context.config()?;
    let kept = Kept::beside(config.path());
    let existing = config.existing(&arguments.name).cloned();
    let name = &arguments.name;

    let first_time = |option: &str| {
        Failure::invalid(format!("{name} is a new connector and needs {option}"))
            .hint(format!("orgkeep connect {name} --vault VAULT --url URL --client-id ID --client-secret-file F"))
    };
    let vault = match (&arguments.vault, &existing) {
        (Some(vault), _) => cli::vault_place(vault),
        (None, Some(connector)) => connector.vault.clone(),
        (None, None) => return Err(first_time("--vault")),
    };
    let url = match (&arguments.url, &existing) {
        (Some(url), _) => url.clone(),
        (None, Some(connector)) => connector.url.clone(),
        (None, None) => return Err(first_time("--url")),
    };
    // 1. Sign in, with the secrets as they were given.
    let known = existing.as_ref().map(|existing| &existing.login).filter(|login| refreshed::reusable(login));
    let (login, to_keep, signed) = match known.filter(|_| arguments.refreshed && !arguments.gives_login()) {
        Some(login) => (login.clone(), Vec::new(), secret::login(name, &url, login, &kept)?),
        None => {
            let (login, to_keep) = new_login(&arguments)?;
            let signed = with_secrets(&login, &url, &to_keep)?;
            (login, to_keep, signed)
        }
    };
    let rotation = Rotation::of(name, &login, &kept);
    let org = context::connect(signed, rotation.clone()).await?;
    let identity = org.identity().clone();
    let former = existing.as_ref().filter(|former| former.org_id != identity.org_id);
    match (former, arguments.refreshed) {
        (Some(former), false) => return Err(context::another_org(name, former, &identity.org_id)),
        (None, true) => return Err(refreshed::not_refreshed(name, existing.as_ref(), &identity.org_id)),
        _ => {}
    }
    // 2. Ask the org who it is and what this user may see.
    let organization = org.organization().await?;
    let permissions = Permissions::of(&org).await;
    let limits = org.limits().await.ok();
    // 3. Open the vault.
    let given = arguments.unlocking.absolute();
    let unlocking = match &existing {
        Some(former) if former.vault == vault && given.is_empty() => former.unlocking(),
        _ => given,
    };
    let opened = context.vault(&vault, &arguments.unlocking, &unlocking).await?;
    let refresh = match former {
        Some(former) => {
            let org_id = &identity.org_id;
            Some(refreshed::verified(name, former, &vault, org_id, &organization, &opened).await?)
        }
        None => None,
    };
    // 4. Write it down.
    for (key, given) in &to_keep {
        let rotated = *key == "refresh_token" && rotation.as_ref().is_some_and(|rotation| rotation.happened());
        if given.place == Place::Kept && !rotated {
            kept.put(name, key, &given.secret)?;
        }
    }
    let connector = Connector {
        vault,
        passphrase_file: unlocking.passphrase_file,
        recovery_key_file: unlocking.recovery_key_file,
        url,
        org_id: identity.org_id.clone(),
        org_name: organization.name.clone(),
        username: identity.username.clone(),
        api_share: arguments.api_share.or(existing.as_ref().and_then(|existing| existing.api_share)),
        file_budget_bytes: arguments.file_budget.or(existing.as_ref().and_then(|existing| existing.file_budget_bytes)),
        reconcile_days: existing.as_ref().and_then(|existing| existing.reconcile_days),
        login,
    };
    let before = match refresh {
        Some(refresh) => Some(refresh.link(name, &mut config).await?),
        None => None,
    };
    config.put(name, connector.clone())?;

    let daily = limits.and_then(|limits| limits.daily_api_requests);
    let used = daily.map(|limit| (limit.max.saturating_sub(limit.remaining), limit.max));
    let screen = &context.screen;
    screen.line(&format!("{} {name}\n", if existing.is_some() { "Renewed the login of" } else { "Connected" }))?;
    screen.show(&found(&org, &organization, &connector, used, &permissions))?;
    for (what, remedy) in permissions.missing() {
        screen.say(&format!("\nwarning: {} lacks the permission \"{what}\"\nhint: {remedy}", identity.username));
    }
    if let Some(before) = &before {
        screen.say(&format!(
            "\nIts backups from before the refresh are those of {before}: `orgkeep backups {before}`, and `orgkeep restore {before} --at N --to {name}` \
             puts records of then into the org of now"
        ));
    }
    screen.say(&format!("\nNext: orgkeep backup {name}"));
    Ok(Answer::with(json!({
        "connector": name,
        "renewed": existing.is_some(),
        "former": former.map(|former| json!({ "org": former.org_id, "connector": before })),
        "org": {
            "id": identity.org_id,
            "name": organization.name,
            "sandbox": organization.is_sandbox,
            "type": organization.organization_type,
            "instance": organization.instance_name,
            "url": identity.instance_url.as_str(),
        },
        "username": identity.username,
        "api_version": identity.api_version,
        "api_requests_used": used.map(|(used, _)| used),
        "api_requests_max": used.map(|(_, max)| max),
        "vault": connector.vault,
        "permissions": permissions,
        "missing_permissions": permissions.missing().map(|(what, _)| what).collect::<Vec<_>>(),
    })))
}

/// The login as the configuration keeps it, and the secrets by their names.
type NewLogin = (Login, Vec<(&'static str, Given)>);

fn new_login(arguments: &Arguments) -> Result<NewLogin, Failure> {
    let client_secret = || {
        let file = arguments.client_secret_file.as_deref();
        secret::given(file, CLIENT_SECRET, "client secret", "--client-secret-file")
    };
    let Some(client_id) = arguments.client_id.clone() else {
        let file = arguments.access_token_file.as_deref();
        let given = secret::given(file, ACCESS_TOKEN, "access token", "--access-token-file")?;
        let login = Login::AccessToken { access_token: given.place.clone() };
        return Ok((login, vec![("access_token", given)]));
    };
    if let (Some(key_file), Some(username)) = (&arguments.jwt_key_file, &arguments.username) {
        let (key_file, username) = (absolute(key_file), username.clone());
        return Ok((Login::JwtBearer { client_id, username, key_file, audience: None }, Vec::new()));
    }
    if let Some(file) = &arguments.refresh_token_file {
        let file = Some(file.as_path()).filter(|file| file.as_os_str() != "-");
        let mut refresh = secret::given(file, REFRESH_TOKEN, "refresh token", "--refresh-token-file")?;
        if matches!(refresh.place, Place::Environment(_)) {
            // The org may replace it at any time, and a variable cannot be written back.
            refresh.place = Place::Kept;
        }
        let secret = if arguments.client_secret_file.is_some() { Some(client_secret()?) } else { None };
        let login = Login::RefreshToken {
            client_id,
            client_secret: secret.as_ref().map(|given| given.place.clone()),
            refresh_token: refresh.place.clone(),
        };
        let secrets = secret.map(|given| ("client_secret", given)).into_iter();
        return Ok((login, secrets.chain([("refresh_token", refresh)]).collect()));
    }
    let given = client_secret()?;
    let login = Login::ClientCredentials { client_id, client_secret: given.place.clone() };
    Ok((login, vec![("client_secret", given)]))
}

/// For the first sign-in: secrets that were just given are not read again, a prompt or a pipe has no second answer.
fn with_secrets(login: &Login, url: &Url, given: &[(&str, Given)]) -> Result<orgkeep_salesforce::Login, Failure> {
    let secret = |key: &str| -> Option<Secret> {
        given.iter().find(|(name, _)| *name == key).map(|(_, given)| given.secret.clone())
    };
    let lost = || Failure::new(crate::failure::Kind::Bug, "a secret was asked for and not kept in mind");
    let url = url.clone();
    Ok(match login {
        Login::None {} => return Err(lost()),
        Login::AccessToken { .. } => orgkeep_salesforce::Login::AccessToken {
            instance_url: url,
            access_token: secret("access_token").ok_or_else(lost)?,
        },
        Login::ClientCredentials { client_id, .. } => orgkeep_salesforce::Login::ClientCredentials {
            login_url: url,
            client_id: client_id.clone(),
            client_secret: secret("client_secret").ok_or_else(lost)?,
        },
        Login::JwtBearer { client_id, username, key_file, audience } => orgkeep_salesforce::Login::JwtBearer {
            login_url: url,
            client_id: client_id.clone(),
            username: username.clone(),
            private_key_pem: secret::from_file(key_file, "private key")?,
            audience: audience.clone(),
        },
        Login::RefreshToken { client_id, .. } => orgkeep_salesforce::Login::RefreshToken {
            login_url: url,
            client_id: client_id.clone(),
            client_secret: secret("client_secret"),
            refresh_token: secret("refresh_token").ok_or_else(lost)?,
        },
    })
}

fn found(
    org: &Org,
    organization: &Organization,
    connector: &Connector,
    used: Option<(u64, u64)>,
    permissions: &Permissions,
) -> String {
    let kind = if organization.is_sandbox { "sandbox" } else { "production" };
    let instance = organization.instance_name.as_deref().map(|name| format!(", {name}")).unwrap_or_default();
    facts([
        ("Org", format!("{} ({})", organization.name, connector.org_id)),
        ("Kind", format!("{kind}, {}{instance}", organization.organization_type)),
        ("Signed in as", connector.username.clone()),
        ("API version", org.identity().api_version.clone()),
        (
            "API requests",
            match used {
                Some((used, max)) => format!("{} of {} used in the last 24 hours", grouped(used), grouped(max)),
                None => "the org does not say".to_owned(),
            },
        ),
        ("Permissions", permissions.to_string()),
        ("Vault", connector.vault.clone()),
    ])
}

/// Checks what people paste from a browser's address bar.
fn login_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; write it with https://"))?;
    let host = url.host_str().unwrap_or_default();
    let local = matches!(url.host(), Some(url::Host::Ipv4(ip)) if ip.is_loopback())
        || matches!(url.host(), Some(url::Host::Ipv6(ip)) if ip.is_loopback())
        || host == "localhost";
    if url.scheme() != "https" && !(url.scheme() == "http" && local) {
        return Err("it must start with https://, because secrets are sent there".to_owned());
    }
    for (browser_only, api) in
        [(".lightning.force.com", ".my.salesforce.com"), (".my.salesforce-setup.com", ".my.salesforce.com")]
    {
        if let Some(domain) = host.strip_suffix(browser_only) {
            return Err(format!("this host is for browsers; use https://{domain}{api}"));
        }
    }
    let mut root = url;
    root.set_path("/");
    root.set_query(None);
    root.set_fragment(None);
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_from_the_browser_becomes_a_login_url_or_a_hint() {
        assert_eq!(
            login_url("https://acme.my.salesforce.com/home?x=1").unwrap().as_str(),
            "https://acme.my.salesforce.com/"
        );
        assert_eq!(login_url("http://127.0.0.1:7700").unwrap().as_str(), "http://127.0.0.1:7700/");
        assert!(login_url("http://localhost:7700").is_ok());
        assert!(login_url("http://acme.my.salesforce.com").unwrap_err().contains("https://"));
        assert!(login_url("acme.my.salesforce.com").unwrap_err().contains("https://"));
        let lightning = login_url("https://acme--uat.sandbox.lightning.force.com/lightning/page/home").unwrap_err();
        assert!(lightning.contains("https://acme--uat.sandbox.my.salesforce.com"), "{lightning}");
    }
}
