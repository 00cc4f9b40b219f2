// SPDX-License-Identifier: Apache-2.0
//! External client apps as metadata: what a deploy of their components makes, and what a retrieve gives back
//! (`salesforce-api.md` 1.10).
//!
//! 1. [`stage`] reads the files of a deploy that are components of external client apps, and checks them against each
//!    other, against what the org has, and against its users, permission sets and profiles. It changes nothing.
//! 2. Consumer key and secret are drawn where the files give none. A redeploy keeps them.
//! 3. OAuth settings without policies get `<settings>_defaultPolicy`: everyone may authorise himself, refresh tokens last
//!    365 days.
//! 4. [`Staged::commit`] puts the components in place. An application whose OAuth settings and global settings are both
//!    there is an app that can be signed in to.
//!
//! Components with a problem are left out of what is committed; whether the rest is committed is the deploy's decision.
//!
//! Kept, given back and without effect: push, canvas, SAML, mobile and attestation plugins, mTLS, DPoP, token exchange,
//! custom attributes, ID token settings, token IP ranges, required session levels (there is no MFA here). The texts of unknown references are those of other metadata types: for these no report is known.

mod component;
mod compose;
mod kind;

pub use component::Component;
pub use compose::Consumer;
pub use kind::Kind;

use crate::faces::{Faces, lock};
use crate::host::MyDomain;
use crate::oauth::app::Apps;
use crate::org::Tx;

/// Where a retrieve's file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The metadata type.
    pub kind: Kind,
    /// The component's name.
    pub full_name: String,
    /// 18 characters.
    pub id: String,
    /// Below the package's root: `externalClientApps/A.eca`.
    pub path: String,
    /// In ms.
    pub created_ms: i64,
    /// In ms.
    pub modified_ms: i64,
    /// The whole file.
    pub xml: String,
}

/// What a deploy says of one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The metadata type.
    pub kind: Kind,
    /// The component's name.
    pub full_name: String,
    /// As given; for a deletion, where its file would be.
    pub path: String,
    /// 18 characters; empty where there is a problem.
    pub id: String,
    /// Whether it is new, changed or gone.
    pub change: Change,
    /// Why it cannot be deployed.
    pub problem: Option<String>,
}

/// What became of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Created,
    Changed,
    Unchanged,
    Deleted,
}

/// A deploy that was checked and not yet carried out.
#[derive(Debug)]
pub struct Staged {
    apps: Apps,
    my_domain: MyDomain,
    outcomes: Vec<Outcome>,
}

/// Whether a file of a deploy is a component of an external client app, so that [`stage`] speaks for it.
pub fn takes(path: &str) -> bool {
    Kind::of_path(path).is_some()
}

/// Checks a deploy: `files` as path and body, `removed` as type and full name from the destructive changes. Files of other
/// types are passed over, but for `certs/*.crt` and the settings `ExternalClientApp`, `MyDomain` and `OauthOidc`, which are
/// read for what they mean here and answered for by whoever deploys them.
///
/// `tx` must see the permission sets and users that are deployed together with the app.
pub fn stage(tx: &Tx<'_>, faces: &Faces, files: &[(String, Vec<u8>)], removed: &[(String, String)]) -> Staged {
    let mut staged =
        Staged { apps: lock(&faces.apps).clone(), my_domain: lock(&faces.my_domain).clone(), outcomes: Vec::new() };
    for (path, body) in files {
        staged.read_switches(path, body);
    }
    for kind in Kind::ALL {
        for (path, body) in files {
            if let Some((of, full_name)) = Kind::of_path(path)
                && of == kind
            {
                staged.put(tx, kind, full_name, path, body);
            }
        }
    }
    staged.check_references(tx);
    for (kind, full_name) in removed {
        if let Some(kind) = Kind::named(kind) {
            staged.take_out(kind, full_name);
        }
    }
    staged.add_default_policies(tx);
    compose::compose(tx, faces, &mut staged.apps);
    staged
}

/// Every component as a retrieve gives it, in the order of their paths.
pub fn files(faces: &Faces) -> Vec<File> {
    let apps = lock(&faces.apps);
    let file = |component: &Component| File {
        kind: component.kind,
        full_name: component.full_name.clone(),
        id: component.id.clone(),
        path: component.kind.path_of(&component.full_name),
        created_ms: component.created_ms,
        modified_ms: component.modified_ms,
        xml: component.to_xml(),
    };
    let mut files: Vec<File> = apps.components.iter().map(file).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

impl Staged {
    /// One outcome per component that was given or removed.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Whether some component has a problem.
    pub fn has_problems(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.problem.is_some())
    }

    /// Carries out what has no problem.
    pub fn commit(self, faces: &Faces) {
        let mut apps = lock(&faces.apps);
        *apps = self.apps;
        apps.note_change();
        *lock(&faces.my_domain) = self.my_domain;
    }

    fn refuse(&mut self, kind: Kind, full_name: &str, path: &str, problem: String) {
        self.outcomes.push(Outcome {
            kind,
            full_name: full_name.to_owned(),
            path: path.to_owned(),
            id: String::new(),
            change: Change::Unchanged,
            problem: Some(problem),
        });
    }

    fn put(&mut self, tx: &Tx<'_>, kind: Kind, full_name: String, path: &str, body: &[u8]) {
        let elements = match component::read(kind, body) {
            Ok(elements) => elements,
            Err(problem) => return self.refuse(kind, &full_name, path, problem),
        };
        let known = self.apps.components.iter().position(|known| known.kind == kind && known.full_name == full_name);
        let mut component = Component {
            kind,
            id: tx.next_id_of(kind.key_prefix()),
            created_ms: tx.now,
            modified_ms: tx.now,
            full_name,
            elements,
        };
        let change = match known {
            Some(at) => {
                let before = self.apps.components.remove(at);
                component.id.clone_from(&before.id);
                component.created_ms = before.created_ms;
                if before.elements == component.elements {
                    component.modified_ms = before.modified_ms;
                    Change::Unchanged
                } else {
                    Change::Changed
                }
            }
            None => Change::Created,
        };
        self.outcomes.push(Outcome {
            kind,
            full_name: component.full_name.clone(),
            path: path.to_owned(),
            id: component.id.clone(),
            change,
            problem: None,
        });
        self.apps.components.push(component);
    }

    /// Finds what components name and the org has not. A refused one takes its newcomer out again.
    fn check_references(&mut self, tx: &Tx<'_>) {
        for at in 0..self.outcomes.len() {
            let Outcome { kind, full_name, problem: None, .. } = &self.outcomes[at] else { continue };
            let Some(place) =
                self.apps.components.iter().position(|known| known.kind == *kind && known.full_name == *full_name)
            else {
                continue;
            };
            if let Some(problem) = compose::problem(tx, &self.apps, &self.apps.components[place]) {
                self.apps.components.remove(place);
                let outcome = &mut self.outcomes[at];
                outcome.id.clear();
                outcome.change = Change::Unchanged;
                outcome.problem = Some(problem);
            }
        }
    }

    /// An application takes all that names it along.
    fn take_out(&mut self, kind: Kind, full_name: &str) {
        let path = kind.path_of(full_name);
        let known = self.apps.components.iter().find(|known| known.kind == kind && known.full_name == full_name);
        let Some(known) = known else {
            let problem = format!("No {} named: {full_name} found", kind.name());
            return self.refuse(kind, full_name, &path, problem);
        };
        let id = known.id.clone();
        self.apps.components.retain(|known| match kind {
            Kind::ExternalClientApplication => known.application() != full_name,
            _ => known.kind != kind || known.full_name != full_name,
        });
        if kind == Kind::ExternalClientApplication {
            self.apps.consumers.remove(full_name);
        }
        let full_name = full_name.to_owned();
        self.outcomes.push(Outcome { kind, full_name, path, id, change: Change::Deleted, problem: None });
    }

    fn add_default_policies(&mut self, tx: &Tx<'_>) {
        let bare: Vec<(String, String)> = self
            .apps
            .components
            .iter()
            .filter(|component| component.kind == Kind::ExtlClntAppOauthSettings)
            .filter(|settings| compose::policies(&self.apps, settings.application()).is_none())
            .map(|settings| (settings.full_name.clone(), settings.application().to_owned()))
            .collect();
        for (settings, application) in bare {
            let policy = compose::default_policy(tx, &settings, &application);
            self.apps.components.push(policy);
        }
    }

    /// Certificates by their name, and the org's switches.
    fn read_switches(&mut self, path: &str, body: &[u8]) {
        let path = path.strip_suffix("-meta.xml").unwrap_or(path);
        let mut segments = path.rsplit('/');
        let (file, folder) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        let text = String::from_utf8_lossy(body);
        if let ("certs", Some(name)) = (folder, file.strip_suffix(".crt"))
            && text.contains("BEGIN CERTIFICATE")
        {
            self.apps.certificates.insert(name.to_owned(), text.clone().into_owned());
        }
        if folder != "settings" {
            return;
        }
        let Ok(root) = crate::metadata::xml::parse(&text) else { return };
        let switch = |name: &str| root.first(name).map(|element| element.text.trim() == "true");
        if file == "ExternalClientApp.settings"
            && let Some(on) = switch("enableClientSecretInRestApiAccess")
        {
            self.apps.secrets_in_rest = on;
        }
        if file == "OauthOidc.settings"
            && let Some(blocked) = switch("blockOAuthUnPwFlow")
        {
            self.apps.password_flow = !blocked;
        }
        if file == "MyDomain.settings" {
            self.my_domain.only_here = switch("canOnlyLoginWithMyDomainUrl").unwrap_or(self.my_domain.only_here);
            self.my_domain.api_only_here =
                switch("doesApiLoginRequireOrgDomain").unwrap_or(self.my_domain.api_only_here);
        }
    }
}
