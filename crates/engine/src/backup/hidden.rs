// SPDX-License-Identifier: Apache-2.0
//! What the org has and does not show to the user who backs up: fields hidden by field-level security, and files outside of
//! the user's reach. Neither leaves a trace in describes, queries or counts.
//!
//! **Fields**: the Tooling API names all fields of an object to whoever may view the setup. Those that the describe does not have are hidden.
//! About a thousand fields are asked for in a call, and only for objects whose describe was asked for: when the schema moves, and once a day.
//! In between what the backup before found is taken over.
//!
//! **Files**: without Query All Files a user finds only the files that records, libraries and sharing lead to. Such a user cannot query all
//! links of files, which is how it is noticed. The org's own cached counts of records (`salesforce-api.md` 2.3) then tell how many files
//! there are.
//!
//! Not promised: the number of invisible files is as old as the org's cached count, and where that counts no more than the user sees, nothing
//! is said. An object that is hidden as a whole is not looked for.

use super::Run;
use super::catalog::Catalog;
use super::read::refusal;
use crate::error::Result;
use crate::event::{Gap, Route, State};
use crate::point::Entry;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Fields that are asked for in one call, and objects: their names go into a URL.
const FIELDS_PER_CALL: usize = 1_000;
const OBJECTS_PER_CALL: usize = 100;
/// Hidden fields that a gap names.
const MOST_NAMED: usize = 20;

/// The fields that the org has and does not show to this user.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Hidden {
    /// By object.
    pub fields: BTreeMap<String, Vec<String>>,
    /// Why that is not known, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// Looks for hidden fields of the objects whose describes were `sent`; of the others is known what was found before, unless
/// `known` is false.
pub(super) async fn fields(run: &Run<'_>, catalog: &Catalog, sent: &BTreeSet<String>, known: bool) -> Result<Hidden> {
    let before = run.previous.and_then(|point| point.content.hidden.clone()).filter(|before| before.unknown.is_none());
    let before = before.filter(|_| known);
    let everything = before.is_none();
    let mut hidden = before.unwrap_or_default();
    let mut open = Vec::new();
    for entry in &catalog.entries {
        if !everything && !sent.contains(&entry.object) {
            continue;
        }
        hidden.fields.remove(&entry.object);
        open.push((entry.object.as_str(), entry.spec.fields.len()));
    }
    hidden.fields.retain(|object, _| catalog.entry(object).is_some());
    for group in groups(&open) {
        let found = match run.org.field_definitions(&group).await {
            Ok(found) => found,
            Err(error) => match refusal(&error) {
                Some(reason) => return Ok(Hidden { unknown: Some(reason), ..hidden }),
                None => return Err(error.into()),
            },
        };
        for (object, names) in found {
            // An object that has not changed was described before, and is not among those of this run.
            let Some(describe) = described(run, catalog, &object).await? else { continue };
            let shown: HashSet<String> = describe.fields.iter().map(|field| field.name.to_ascii_lowercase()).collect();
            let mut missing: Vec<String> =
                names.into_iter().filter(|name| !shown.contains(&name.to_ascii_lowercase())).collect();
            missing.sort();
            if !missing.is_empty() {
                hidden.fields.insert(object, missing);
            }
        }
    }
    Ok(hidden)
}

async fn described(run: &Run<'_>, catalog: &Catalog, object: &str) -> Result<Option<orgkeep_salesforce::Describe>> {
    match (catalog.describes.get(object)?, run.previous) {
        (None, Some(point)) => point.describe(run.unfinished.vault(), object).await,
        (found, _) => Ok(found),
    }
}

/// Objects with their number of fields, as many as fit a call.
fn groups<'o>(objects: &[(&'o str, usize)]) -> Vec<Vec<&'o str>> {
    let mut groups: Vec<Vec<&str>> = Vec::new();
    let mut fields = 0;
    for (object, count) in objects {
        fields += count;
        match groups.last_mut() {
            Some(group) if fields <= FIELDS_PER_CALL && group.len() < OBJECTS_PER_CALL => group.push(object),
            _ => {
                fields = *count;
                groups.push(vec![object]);
            }
        }
    }
    groups
}

impl Hidden {
    /// Where it is not known what is hidden, nothing is green.
    pub fn state(&self) -> State {
        if self.unknown.is_none() { State::Green } else { State::Yellow }
    }

    /// Says of the objects what is hidden. One that holds no rows has lost nothing by it.
    pub fn tell(&self, objects: &mut BTreeMap<String, Entry>) {
        for (object, names) in &self.fields {
            let Some(entry) = objects.get_mut(object) else { continue };
            if entry.live == 0 || entry.note.route == Route::None {
                continue;
            }
            let mut what = names.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
            if names.len() > MOST_NAMED {
                what.push_str(&format!(" and {} more", names.len() - MOST_NAMED));
            }
            let what =
                if names.len() == 1 { format!("field {what}") } else { format!("{} fields: {what}", names.len()) };
            entry.note.gaps.push(Gap { what, reason: HIDDEN.into() });
            entry.state = entry.state.max(State::Yellow);
        }
    }
}

/// Why a hidden field is not read.
pub(crate) const HIDDEN: &str = "field-level security hides it from this user";
/// Why invisible files are not read.
pub(crate) const INVISIBLE: &str = "without the permission Query All Files this user does not see them";

/// Notes how many files the user does not see, where that is known.
pub(super) async fn files(run: &Run<'_>, catalog: &Catalog) -> Result<()> {
    let links = run.done("ContentDocumentLink").map(|(_, note)| note.route);
    let links = links.or_else(|| run.previous_note("ContentDocumentLink").map(|note| note.route));
    if links != Some(Route::Parents) {
        return Ok(());
    }
    let counts = match run.org.record_counts().await {
        Ok(counts) => counts,
        Err(error) if refusal(&error).is_some() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for object in ["ContentDocument", "ContentVersion"] {
        let (Some(entry), Some(count)) = (catalog.entry(object), counts.get(object).copied()) else { continue };
        let seen = run.held(object).saturating_sub(run.unseen(object));
        if run.left(object).is_none() && count > seen {
            let what = format!("{} of about {count} rows", count - seen);
            run.amend(entry, |note| note.gaps.push(Gap { what, reason: INVISIBLE.into() }));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_asks_for_as_many_fields_as_an_answer_holds() {
        let objects = [("A", 600), ("B", 400), ("C", 1), ("D", 2_000), ("E", 3)];
        assert_eq!(groups(&objects), [vec!["A", "B"], vec!["C"], vec!["D"], vec!["E"]]);
        let many: Vec<(&str, usize)> = vec![("O", 1); 250];
        assert_eq!(groups(&many).iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    }
}
