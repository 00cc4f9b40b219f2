// SPDX-License-Identifier: Apache-2.0
//! What every command starts from, and the two doors it opens: a connector's vault and its org.

use crate::cli::Unlocking;
use crate::config::{Config, Connector, Kept};
use crate::failure::{Failure, Kind};
use crate::first_contact::FirstContact;
use crate::progress::Progress;
use crate::screen::Screen;
use crate::secret::Rotation;
use crate::{environment, secret};
use orgkeep_salesforce::{AtTheReserve, Options, Org, Share};
use orgkeep_vault::{Location, OrgVault, Unlock, Vault};
use std::path::PathBuf;
use std::sync::Arc;

/// The name that Orgkeep gives itself in an org's login history and limits.
const CLIENT: &str = concat!("orgkeep/", env!("CARGO_PKG_VERSION"));

pub struct Context {
    pub screen: Arc<Screen>,
    pub progress: Progress,
    config_path: Option<PathBuf>,
}

impl Context {
    pub fn new(screen: Arc<Screen>, config: Option<PathBuf>) -> Context {
        let config_path = config.or_else(environment::default_config_path);
        Context { progress: Progress::new(&screen), screen, config_path }
    }

    pub fn config(&self) -> Result<Config, Failure> {
        let path = self.config_path.as_deref().ok_or_else(|| {
            Failure::invalid("this platform names no folder for settings")
                .hint("name a configuration file with --config FILE or ORGKEEP_CONFIG")
        })?;
        Config::load(path)
    }

    pub fn connector(&self, name: &str) -> Result<Connector, Failure> {
        self.config()?.connector(name).cloned()
    }

    /// What the vault keeps of the connector's org.
    pub async fn org_vault(&self, connector: &Connector, unlocking: &Unlocking) -> Result<OrgVault, Failure> {
        let vault = self.vault(&connector.vault, unlocking, &connector.unlocking()).await?;
        Ok(vault.org(&connector.org_id).await?)
    }

    /// Opens a vault. `remembered` are the files that `connect` wrote down.
    pub async fn vault(&self, place: &str, unlocking: &Unlocking, remembered: &Unlocking) -> Result<Vault, Failure> {
        self.vault_and_secret(place, unlocking, remembered).await.map(|(vault, _)| vault)
    }

    /// Opens a vault, and says with what.
    pub async fn vault_and_secret(
        &self,
        place: &str,
        unlocking: &Unlocking,
        remembered: &Unlocking,
    ) -> Result<(Vault, Unlock), Failure> {
        let about = |error: orgkeep_vault::Error| Failure::from(error).about(format!("vault at {place}"));
        let location = Location::parse(place).map_err(about)?;
        if location.folder().is_some_and(|folder| !folder.is_dir()) {
            // Opening would create the folder.
            return Err(Failure::new(Kind::NotFound, format!("vault at {place}: there is no such folder"))
                .hint(format!("check the path, or make a vault there with `orgkeep init {place}`")));
        }
        let opened = location.open(environment::storage_variables()).map_err(about)?;
        match Vault::open(opened.clone(), Unlock::None).await {
            // Encrypted: only now is it worth asking for a passphrase.
            Err(error) if error.kind() == orgkeep_vault::Kind::Denied => {
                let unlock = unlock(place, unlocking, remembered)?;
                let vault = Vault::open(opened, unlock.clone()).await.map_err(about)?;
                Ok((vault, unlock))
            }
            opened => Ok((opened.map_err(about)?, Unlock::None)),
        }
    }

    /// Signs in to a connector's org, which must be the one that `connect` saw.
    pub async fn sign_in(&self, name: &str, connector: &Connector) -> Result<Org, Failure> {
        self.sign_in_sharing(name, connector, 100, AtTheReserve::Refuse).await
    }

    /// The same, to use at most a share of its daily API requests, in percent.
    pub async fn sign_in_sharing(
        &self,
        name: &str,
        connector: &Connector,
        share: u8,
        at_the_reserve: AtTheReserve,
    ) -> Result<Org, Failure> {
        let reserve = Share::percent(100.0 - f64::from(share)).unwrap_or_default();
        let kept = Kept::beside(self.config()?.path());
        let login = secret::login(name, &connector.url, &connector.login, &kept)?;
        let org = connect_sharing(login, Rotation::of(name, &connector.login, &kept), reserve, at_the_reserve).await.map_err(|failure| {
            match (&connector.login, failure.kind) {
                // Nothing can renew such a session; other ways to sign in have hints of their own.
                (crate::config::Login::AccessToken { .. }, Kind::Denied) => failure.hint(format!(
                    "put a fresh access token where the connector reads it, or run `orgkeep connect {name}` with --client-id \
                     for a login that renews itself"
                )),
                (_, Kind::Denied) if failure.hint.is_none() => {
                    failure.hint(format!("sign in again: `orgkeep connect {name} …` with fresh credentials"))
                }
                _ => failure,
            }
        })?;
        let found = &org.identity().org_id;
        if *found != connector.org_id {
            return Err(another_org(name, connector, found));
        }
        Ok(org)
    }
}

/// What to say where a login leads to another org than the connector's.
pub fn another_org(name: &str, connector: &Connector, found: &str) -> Failure {
    let (org_name, org_id) = (&connector.org_name, &connector.org_id);
    Failure::invalid(format!("{name} is the org {org_name} ({org_id}), but this login leads to {found}")).hint(format!(
        "if it is a sandbox that was refreshed: `orgkeep connect {name} --refreshed` goes on with the new org under this name and keeps \
         the backups from before, linked to it. Any other org needs a name of its own"
    ))
}

/// Signs in over the network.
pub async fn connect(login: orgkeep_salesforce::Login, rotation: Option<Arc<Rotation>>) -> Result<Org, Failure> {
    connect_sharing(login, rotation, Share::default(), AtTheReserve::Refuse).await
}

async fn connect_sharing(
    login: orgkeep_salesforce::Login,
    rotation: Option<Arc<Rotation>>,
    reserve: Share,
    at_the_reserve: AtTheReserve,
) -> Result<Org, Failure> {
    let token_store = rotation.map(|rotation| rotation as Arc<dyn orgkeep_salesforce::TokenStore>);
    let options = Options { client: CLIENT.to_owned(), token_store, reserve, at_the_reserve, ..Options::default() };
    let network = FirstContact::over_the_network()?;
    let hopeless = network.hopeless();
    tokio::select! {
        connected = Org::connect(Arc::new(network), login, options) => Ok(connected?),
        failure = hopeless => Err(failure),
    }
}

fn unlock(place: &str, given: &Unlocking, remembered: &Unlocking) -> Result<Unlock, Failure> {
    if let Some(unlock) = in_files(given)? {
        return Ok(unlock);
    }
    if let Some(passphrase) = environment::variable(environment::PASSPHRASE) {
        return Ok(Unlock::Passphrase(passphrase.into()));
    }
    if let Some(unlock) = in_files(remembered)? {
        return Ok(unlock);
    }
    match secret::from_prompt(&format!("Passphrase of the vault at {place}"))? {
        Some(passphrase) => Ok(Unlock::Passphrase(passphrase.expose().into())),
        None => Err(Failure::invalid(format!("no passphrase was given for the vault at {place}"))
            .hint("give --passphrase-file FILE, set ORGKEEP_PASSPHRASE, or run on a terminal to be asked")),
    }
}

fn in_files(unlocking: &Unlocking) -> Result<Option<Unlock>, Failure> {
    Ok(match (&unlocking.recovery_key_file, &unlocking.passphrase_file) {
        (Some(path), _) => Some(Unlock::RecoveryKey(secret::from_file(path, "recovery key")?.expose().into())),
        (None, Some(path)) => Some(Unlock::Passphrase(secret::from_file(path, "passphrase")?.expose().into())),
        (None, None) => None,
    })
}
