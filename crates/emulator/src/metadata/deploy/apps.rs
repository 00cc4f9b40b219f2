// SPDX-License-Identifier: Apache-2.0
//! External client apps of a deploy: checked and kept by [`crate::oauth::external_client_app`], which makes apps of them that can be
//! signed in to. Their files are kept here too, as that part gives them back, so that they are listed and retrieved.

use super::super::component;
use super::report::Message;
use super::{Parcel, place_of};
use crate::oauth::external_client_app::{self, Change, Staged};
use crate::org::{Org, Tx};

/// Whether components of this type are of external client apps.
pub fn takes(kind: &str) -> bool {
    external_client_app::Kind::named(kind).is_some()
}

/// Checks what a parcel has of apps and reports on it. Nothing when it has none.
pub fn stage(tx: &Tx<'_>, org: &Org, parcel: &Parcel, messages: &mut Vec<Message>) -> Option<Staged> {
    let listed = |path: &str| place_of(path).is_some_and(|place| parcel.manifest.names(&place.listed_as, &place.name));
    let files: Vec<(String, Vec<u8>)> =
        parcel.files.iter().filter(|(path, _)| listed(path)).map(|(path, body)| (path.clone(), body.clone())).collect();
    let removed: Vec<(String, String)> = parcel
        .removed_before
        .iter()
        .chain(&parcel.removed_after)
        .flat_map(|(_, manifest)| &manifest.types)
        .filter(|(kind, _)| takes(kind))
        .flat_map(|(kind, members)| members.iter().map(move |member| (kind.clone(), member.clone())))
        .collect();
    if removed.is_empty() && !files.iter().any(|(path, _)| external_client_app::takes(path)) {
        return None;
    }
    let staged = external_client_app::stage(tx, &org.faces, &files, &removed);
    for outcome in staged.outcomes() {
        let success = outcome.problem.is_none();
        messages.push(Message {
            changed: success && outcome.change != Change::Unchanged,
            created: success && outcome.change == Change::Created,
            deleted: success && outcome.change == Change::Deleted,
            success,
            component_type: outcome.kind.name().to_owned(),
            full_name: outcome.full_name.clone(),
            file_name: format!("{}{}", parcel.folder, outcome.path),
            id: Some(outcome.id.clone()).filter(|id| !id.is_empty()),
            problem: outcome.problem.clone(),
            problem_type: outcome.problem.as_ref().map(|_| "Error"),
            ..Message::default()
        });
    }
    Some(staged)
}

/// Takes over what was checked, and keeps the files as they are now.
pub fn commit(org: &Org, user_id: &str, staged: Staged) {
    staged.commit(&org.faces);
    let files = external_client_app::files(&org.faces);
    org.write(|tx| {
        for kind in external_client_app::Kind::ALL {
            for known in component::all(tx, kind.name()) {
                if !files.iter().any(|file| file.kind == kind && file.full_name == known.full_name) {
                    component::remove(tx, kind.name(), &known.full_name)
                        .expect("the store's own tables can be written");
                }
            }
        }
        for file in &files {
            let body = [(file.path.clone(), file.xml.clone().into_bytes())];
            let name = (file.kind.name(), file.full_name.as_str());
            component::put(tx, user_id, name, None, &file.path, &body, Some(file.id.clone()))
                .expect("the store's own tables can be written");
        }
    });
}
