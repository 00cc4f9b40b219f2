// SPDX-License-Identifier: Apache-2.0
//! A sandbox that was refreshed: the same host and often the same login, and another org Id. Its backups go on under the same name, those
//! from before stay as they are, linked to the new ones and reached by a connector of their own.

use crate::config::{Config, Connector, Login, Place};
use crate::environment::SystemClock;
use crate::failure::{Failure, Kind};
use crate::former::found;
use orgkeep_engine::Clock as _;
use orgkeep_salesforce::Organization;
use orgkeep_vault::{OrgVault, Vault};

pub fn not_refreshed(name: &str, existing: Option<&Connector>, org: &str) -> Failure {
    match existing {
        Some(_) => Failure::invalid(format!("{name} was not refreshed: its org is {org} as before"))
            .hint(format!("run `orgkeep connect {name}` without --refreshed to renew its login")),
        None => Failure::new(Kind::NotFound, format!("no connector is named {name}, so nothing can go on from before"))
            .hint("give the name that the sandbox has had, or leave out --refreshed"),
    }
}

/// What is linked: the org of before, with its connector, and the one of now.
pub struct Refresh<'a> {
    former: &'a Connector,
    before: OrgVault,
    now: OrgVault,
}

/// Whether the org that this login leads to may go on from the connector's former one. Changes nothing.
pub async fn verified<'a>(
    name: &str,
    former: &'a Connector,
    place: &str,
    org_id: &str,
    organization: &Organization,
    vault: &Vault,
) -> Result<Refresh<'a>, Failure> {
    let production = |org: &str, id: &str, tense: &str| {
        Failure::invalid(format!("{org} ({id}) {tense} no sandbox, and only those are refreshed"))
            .hint("choose another name for this org")
    };
    if !organization.is_sandbox {
        return Err(production(&organization.name, org_id, "is"));
    }
    if place != former.vault {
        return Err(Failure::invalid(format!("the backups of {name} are in {}, not in {place}", former.vault))
            .hint("a refreshed sandbox goes on in the same vault: leave out --vault"));
    }
    let (before, now) = (vault.org(&former.org_id).await?, vault.org(org_id).await?);
    if !was_sandbox(&before).await? {
        return Err(production(&former.org_name, &former.org_id, "was"));
    }
    if now.former().await?.is_none() && now.newest().await?.is_some() {
        return Err(Failure::invalid(format!("the vault has backups of {org_id} already, which go on from nothing"))
            .hint("choose another name for this org"));
    }
    Ok(Refresh { former, before, now })
}

impl Refresh<'_> {
    /// Links the two, and gives the former org a connector without a login. Returns its name. It may be done again.
    pub async fn link(self, name: &str, config: &mut Config) -> Result<String, Failure> {
        let (at, former) = (SystemClock.now(), self.former);
        self.now.continue_from(&self.before, at).await?;
        if let Some(known) = config.linking(&former.vault, &former.org_id).find(|known| *known != name) {
            return Ok(known.to_owned());
        }
        let kept = config.free_name(&format!("{name}-until-{}", at.format("%Y-%m-%d")));
        config.put(&kept, Connector { login: Login::None {}, ..former.clone() })?;
        Ok(kept)
    }
}

/// As its newest backup holds it. An org without a backup has nothing that could be mixed up.
async fn was_sandbox(org: &OrgVault) -> Result<bool, Failure> {
    let record = found(orgkeep_engine::record(org, "Organization", org.id(), None).await)?;
    let sandbox = record.and_then(|record| record.fields.into_iter().find(|(name, _)| name == "IsSandbox"));
    Ok(sandbox.is_none_or(|(_, value)| value.as_deref() == Some("true")))
}

/// Whether a stored login can be used again: one that was typed in or is renewed by itself.
pub fn reusable(login: &Login) -> bool {
    !matches!(login, Login::None {} | Login::AccessToken { access_token: Place::Kept })
}
