// SPDX-License-Identifier: Apache-2.0
//! What a request's host means: `login` and `test`, the My Domain of an org, a host of Salesforce's that has no API, or
//! any other name, which stands for every org of the process (`salesforce-api.md` 1.1).
//!
//! On localhost and under any name that is not Salesforce's, the org follows from the token, the consumer key or the
//! username, and addresses in answers repeat the request's host. Under Salesforce's own names (with DNS or `/etc/hosts`
//! pointing here, and the TLS listener) it is as with Salesforce: `login` signs in to production orgs and `test` to
//! sandboxes, answers then point to the org's My Domain, client credentials work on the My Domain only, and a My Domain
//! knows only its own org.
//!
//! Guesses: a My Domain that no org here has is taken as any other name instead of being unknown; REST and SOAP calls
//! with a session are answered on `login` and `test` too.

use std::sync::Arc;

use crate::Emulator;
use crate::faces::lock;
use crate::org::Org;

/// Where a request was sent to.
#[derive(Clone)]
pub enum Place {
    /// `login.salesforce.com`
    Login,
    /// `test.salesforce.com`
    Test,
    /// The My Domain of an org.
    Org(Arc<Org>),
    /// Lightning, Setup, Visualforce and file hosts: no API there.
    NoApi,
    /// Any other name: every org.
    Anywhere,
}

/// An org's address and who may sign in elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MyDomain {
    /// The part that the org's owner chose: `acme`.
    pub name: String,
    /// `MyDomainSettings.canOnlyLoginWithMyDomainUrl`: nobody signs in at `login` or `test`.
    pub only_here: bool,
    /// `MyDomainSettings.doesApiLoginRequireOrgDomain`: no SOAP `login()` there either.
    pub api_only_here: bool,
}

impl Default for MyDomain {
    fn default() -> MyDomain {
        MyDomain { name: "orgkeep".into(), only_here: false, api_only_here: false }
    }
}

/// Ends of host names below which Salesforce serves pages and no API.
const NO_API: [&str; 6] = [
    ".lightning.force.com",
    ".my.salesforce-setup.com",
    ".vf.force.com",
    ".file.force.com",
    ".my.site.com",
    ".content.force.com",
];

/// The host of a base URL without its port, in lower case.
fn host_of(base_url: &str) -> String {
    let authority = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.to_ascii_lowercase()
}

impl Org {
    /// The org's My Domain host, by its edition: `acme.my.salesforce.com`, `acme.develop.my.salesforce.com`,
    /// `acme--dev.sandbox.my.salesforce.com`.
    pub fn my_domain(&self) -> String {
        let name = lock(&self.faces.my_domain).name.clone();
        match self.kind() {
            OrgKind::Production => format!("{name}.my.salesforce.com"),
            OrgKind::Developer => format!("{name}.develop.my.salesforce.com"),
            OrgKind::Sandbox if name.contains("--") => format!("{name}.sandbox.my.salesforce.com"),
            OrgKind::Sandbox => format!("{name}--dev.sandbox.my.salesforce.com"),
        }
    }

    /// Production, Developer Edition or sandbox, from the `Organization` row.
    pub fn kind(&self) -> OrgKind {
        let kind = self.read(|tx| {
            let row = tx.row(tx.schema.object("Organization")?, &self.id)?;
            Some(match (row.get("IsSandbox").is_true(), row.text("OrganizationType")) {
                (true, _) => OrgKind::Sandbox,
                (false, "Developer Edition") => OrgKind::Developer,
                _ => OrgKind::Production,
            })
        });
        kind.unwrap_or(OrgKind::Production)
    }

    fn answers_to(&self, host: &str) -> bool {
        let own = self.my_domain();
        // The older form of the name, without the word for the kind of org, is redirected to the newer one.
        let older = own.replacen(".develop.my.", ".my.", 1).replacen(".sandbox.my.", ".my.", 1);
        host == own || host == older
    }
}

/// What kind of org it is, as far as hosts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrgKind {
    Production,
    Developer,
    Sandbox,
}

impl Emulator {
    /// Where a request with this base URL was sent to.
    pub fn place(&self, base_url: &str) -> Place {
        let host = host_of(base_url);
        match host.as_str() {
            "login.salesforce.com" => return Place::Login,
            "test.salesforce.com" => return Place::Test,
            _ => {}
        }
        if NO_API.iter().any(|end| host.ends_with(end)) {
            return Place::NoApi;
        }
        if !host.ends_with(".my.salesforce.com") {
            return Place::Anywhere;
        }
        self.orgs().iter().find(|org| org.answers_to(&host)).map_or(Place::Anywhere, |org| Place::Org(org.clone()))
    }

    /// The orgs that a place stands for.
    pub fn orgs_at(&self, place: &Place) -> Vec<Arc<Org>> {
        let all = self.orgs().iter();
        match place {
            Place::Login => all.filter(|org| org.kind() != OrgKind::Sandbox).cloned().collect(),
            Place::Test => all.filter(|org| org.kind() == OrgKind::Sandbox).cloned().collect(),
            Place::Org(org) => vec![org.clone()],
            Place::NoApi => Vec::new(),
            Place::Anywhere => all.cloned().collect(),
        }
    }

    /// The base of an org's addresses in an answer to a request with this base URL: its My Domain where the request came
    /// to `login` or `test`, else what the client called the host.
    pub fn instance_url(&self, base_url: &str, org: &Org) -> String {
        if !matches!(self.place(base_url), Place::Login | Place::Test) {
            return base_url.to_owned();
        }
        let (scheme, authority) = base_url.split_once("://").unwrap_or(("https", base_url));
        let port = authority.rsplit_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{}{port}", org.my_domain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_without_its_port_and_case() {
        assert_eq!(host_of("https://LOGIN.salesforce.com:8443"), "login.salesforce.com");
        assert_eq!(host_of("http://[::1]:7700"), "::1");
        assert_eq!(host_of("localhost"), "localhost");
    }
}
