// SPDX-License-Identifier: Apache-2.0
//! A sandbox that was refreshed: the same host and often the same login, and another org Id. Its backups go on under the same name, those
//! from before stay as they are, linked to the new ones and reached by a connector of their own.

use crate::config::{Config, Connector, Login, Place};
use crate::environment::SystemClock;
use crate::failure::{Failure, Kind};
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

/// Links the org that this login leads to with the connector's former one, and gives that one a connector without a login. Returns its name. Nothing has changed where it
/// fails, and it may be done again.
pub async fn link(
    name: &str,
    former: &Connector,
    now: &Connector,
    organization: &Organization,
    vault: &Vault,
    config: &mut Config,
) -> Result<String, Failure> {
    let production = |org: &str, id: &str, tense: &str| {
        Failure::invalid(format!("{org} ({id}) {tense} no sandbox, and only those are refreshed"))
            .hint("choose another name for this org")
    };
    if !organization.is_sandbox {
        return Err(production(&organization.name, &now.org_id, "is"));
    }
    if now.vault != former.vault {
        return Err(Failure::invalid(format!("the backups of {name} are in {}, not in {}", former.vault, now.vault))
            .hint("a refreshed sandbox goes on in the same vault: leave out --vault"));
    }
    let before = vault.org(&former.org_id).await?;
    if !was_sandbox(&before).await? {
        return Err(production(&former.org_name, &former.org_id, "was"));
    }
    let at = SystemClock.now();
    vault.org(&now.org_id).await?.continue_from(&before, at).await?;
    if let Some(known) = config.linking(&former.vault, &former.org_id).filter(|known| *known != name) {
        return Ok(known.to_owned());
    }
    let kept = config.free_name(&format!("{name}-until-{}", at.format("%Y-%m-%d")));
    config.put(&kept, Connector { login: Login::None {}, ..former.clone() })?;
    Ok(kept)
}

/// As its newest backup holds it. An org without a backup has nothing that could be mixed up.
async fn was_sandbox(org: &OrgVault) -> Result<bool, Failure> {
    match orgkeep_engine::record(org, "Organization", org.id(), None).await {
        Ok(record) => {
            let sandbox = record.fields.iter().find(|(name, _)| name == "IsSandbox");
            Ok(sandbox.is_none_or(|(_, value)| value.as_deref() == Some("true")))
        }
        Err(error) if error.kind() == orgkeep_engine::Kind::NotFound => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Whether a stored login can be used again: one that was typed in or is renewed by itself.
pub fn reusable(login: &Login) -> bool {
    !matches!(login, Login::None {} | Login::AccessToken { access_token: Place::Kept })
}
