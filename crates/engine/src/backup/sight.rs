// SPDX-License-Identifier: Apache-2.0
//! What the user who backs up is shown, because a record that does not come may be gone, or no longer shown.
//!
//! Who has View All Data (Modify All Data includes it) is shown every record, and with Query All Files every file. Of an object on which
//! a permission set gives View All Records the same holds without. The org tells the first two in one row of `UserPermissionAccess`, to
//! everybody (Object Reference, since API 41.0), and the last in `ObjectPermissions`, to who may view the setup; that is asked only of
//! a user who lacks View All Data.
//!
//! It is asked once when a backup begins, and again when rows or Ids that are held side by side seem to have vanished: after they came, so
//! that a permission that was taken meanwhile is noticed. Where the user is not shown all of an object, what does not come stays as it is held and
//! is counted (`Note::unseen`), and the coverage is yellow. What the org says itself was deleted, `IsDeleted` by `queryAll`, is deleted whoever
//! asks. While an object is not shown as a whole, and once when it is again, its Ids come with their stamps: a record that was out of sight
//! may have changed with a stamp that lies before what an incremental backup asks for.
//!
//! Not promised: a permission that is taken while an object is read and given back before its rows are held against the vault's goes
//! unnoticed.

use super::Run;
use super::catalog::Entry;
use super::read::refusal;
use crate::error::Result;
use crate::event::{Event, Gap, State};
use futures::{FutureExt, TryStreamExt};
use orgkeep_salesforce::{Org, Query, Scope};
use orgkeep_vault::{Capture, Captured};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

const VIEW_ALL_DATA: &str = "View All Data";
pub(crate) const QUERY_ALL_FILES: &str = "Query All Files";
/// How the reason begins why rows are held that the org did not show. What was missing for it follows.
pub(crate) const UNSEEN: &str =
    "the org no longer shows them to this user, and whether they were deleted cannot be told without";

/// What a user is shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sight {
    /// Who backs up.
    pub user: String,
    /// Every record.
    pub all_data: bool,
    /// Every file.
    pub all_files: bool,
    /// Objects of which every record is shown, where not all are.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub objects: BTreeSet<String>,
    /// Why the org does not tell, where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// What the org answered a capture that asked again, if it did.
pub(super) type Doubt = Arc<Mutex<Option<Result<Sight>>>>;

/// Objects of files, which Query All Files shows.
fn is_of_files(object: &str) -> bool {
    object.starts_with("Content") && !object.contains("__")
}

impl Sight {
    /// Asks the org what the user who is signed in is shown.
    ///
    /// # Errors
    /// What concerns more than this question.
    pub async fn ask(org: &Org) -> Result<Sight> {
        let user = org.identity().username.clone();
        let mut fields = ["PermissionsModifyAllData", "PermissionsQueryAllFiles", "PermissionsViewAllData"].to_vec();
        let mut sight = Sight { user, ..Sight::default() };
        loop {
            match held(org, &fields).await {
                Ok(held) => {
                    let has = |name: &str| held.iter().any(|held| held == name);
                    sight.all_data = has("PermissionsModifyAllData") || has("PermissionsViewAllData");
                    sight.all_files = has("PermissionsQueryAllFiles");
                    break;
                }
                // An org may lack a permission altogether.
                Err(error) => match (error.unknown_field().map(str::to_owned), refusal(&error)) {
                    (Some(field), _) if fields.contains(&field.as_str()) => fields.retain(|known| *known != field),
                    (_, Some(reason)) => {
                        sight.unknown = Some(reason);
                        break;
                    }
                    (_, None) => return Err(error.into()),
                },
            }
        }
        if !sight.all_data && sight.unknown.is_none() {
            sight.objects = viewed(org).await?;
        }
        Ok(sight)
    }

    /// Whether every record of an object is shown.
    pub fn is_whole(&self, object: &str) -> bool {
        if is_of_files(object) { self.all_files } else { self.all_data || self.objects.contains(object) }
    }

    /// The permission that is missing for an object.
    fn missing(object: &str) -> &'static str {
        if is_of_files(object) { QUERY_ALL_FILES } else { VIEW_ALL_DATA }
    }

    /// What to say of `rows` of an object that are held and were not shown.
    pub fn gap(object: &str, rows: u64) -> Gap {
        let what = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
        Gap { what, reason: format!("{UNSEEN} the permission {}; they stay as they are held", Sight::missing(object)) }
    }

    /// Why not every record that the org has can be in a backup; `None` where nothing is missing for it.
    pub fn shortfall(&self) -> Option<String> {
        let user = &self.user;
        match &self.unknown {
            Some(reason) => Some(format!("the org does not tell what {user} may see: {reason}")),
            None if self.all_data => None,
            None => Some(match self.objects.len() {
                0 => format!("{user} has no permission {VIEW_ALL_DATA}: only records shared with that user are read"),
                _ => format!(
                    "{user} has no permission {VIEW_ALL_DATA}: of all but {} objects, only records shared with that user are read",
                    self.objects.len()
                ),
            }),
        }
    }

    /// A backup by somebody who is not shown everything is not green.
    pub fn state(&self) -> State {
        if self.shortfall().is_none() { State::Green } else { State::Yellow }
    }
}

/// Which of these permissions the user has.
async fn held(org: &Org, fields: &[&str]) -> orgkeep_salesforce::Result<Vec<String>> {
    let columns: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
    let soql = format!("SELECT {} FROM UserPermissionAccess", columns.join(", "));
    let mut pages = org.query(&soql, &columns, Scope::Live);
    let mut held = Vec::new();
    while let Some(rows) = pages.try_next().await? {
        for row in 0..rows.len() {
            let on = |(column, _): &(usize, &String)| rows.cell(row, *column) == Some("true");
            held.extend(columns.iter().enumerate().filter(on).map(|(_, name)| name.clone()));
        }
    }
    Ok(held)
}

/// Objects of which the user views all records, by the profile or a permission set. None where the org does not show them.
async fn viewed(org: &Org) -> Result<BTreeSet<String>> {
    // The Id is the org's own, so it needs no quoting.
    let user = &org.identity().user_id;
    let by_sets =
        format!("ParentId IN (SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = '{user}')");
    let by_profile = format!("Parent.ProfileId IN (SELECT ProfileId FROM User WHERE Id = '{user}')");
    let query = |of: String| Query {
        soql: format!("SELECT SobjectType FROM ObjectPermissions WHERE PermissionsViewAllRecords = true AND {of}"),
        columns: vec!["SobjectType".to_owned()],
        scope: Scope::Live,
    };
    let mut viewed = BTreeSet::new();
    let answers = match org.composite_queries(&[query(by_sets), query(by_profile)]).await {
        Ok(answers) => answers,
        Err(error) if refusal(&error).is_some() => return Ok(viewed),
        Err(error) => return Err(error.into()),
    };
    // A set that cannot be read grants nothing that is known of.
    for answered in answers.into_iter().flatten() {
        let mut pages = vec![answered.rows];
        if let Some(rest) = answered.rest {
            pages.extend(rest.try_collect::<Vec<_>>().await?);
        }
        for rows in pages {
            viewed.extend((0..rows.len()).filter_map(|row| rows.cell(row, 0).map(str::to_owned)));
        }
    }
    Ok(viewed)
}

impl Run<'_> {
    /// Whether the user is shown every record of an object, as far as it was asked in this backup.
    pub(super) fn sees_all(&self, object: &str) -> bool {
        self.sight.lock().expect("no holder of this lock panics").is_whole(object)
    }

    /// The same, asked anew where it was so before.
    pub(super) async fn still_sees_all(&self, object: &str) -> Result<bool> {
        if !self.sees_all(object) {
            return Ok(false);
        }
        let now = Sight::ask(self.org).await?;
        Ok(self.goes_on_with(now, object))
    }

    /// Whether the user is still shown every record of an object; if not, the backup goes on with what is shown now.
    fn goes_on_with(&self, now: Sight, object: &str) -> bool {
        let whole = now.is_whole(object);
        if !whole {
            *self.sight.lock().expect("no holder of this lock panics") = now;
            self.say_sight();
        }
        whole
    }

    /// Has a capture ask again before a row that did not come counts as deleted. The answer is for [`Run::heard`].
    pub(super) fn doubt(&self, object: &str, capture: &mut Capture) -> Doubt {
        let doubt = Doubt::default();
        let (org, object, answer) = (self.org.clone(), object.to_owned(), doubt.clone());
        let ask = async move {
            let now = Sight::ask(&org).await;
            let whole = now.as_ref().ok().map(|now| now.is_whole(&object));
            *answer.lock().expect("no holder of this lock panics") = Some(now);
            whole
        };
        capture.ask_before_deleting(|| ask.boxed());
        doubt
    }

    /// What came of a capture whose doubt this was.
    pub(super) fn heard(&self, object: &str, doubt: &Doubt, captured: Result<Captured>) -> Result<Captured> {
        let answer = doubt.lock().expect("no holder of this lock panics").take();
        // Where it was not answered, nothing was committed for that reason.
        if let Some(now) = answer.transpose()? {
            self.goes_on_with(now, object);
        }
        captured
    }

    /// Tells people that not everything is shown.
    pub(super) fn say_sight(&self) {
        let shortfall = self.sight.lock().expect("no holder of this lock panics").shortfall();
        if let Some(message) = shortfall {
            self.say(Event::Notice {
                message: format!("{message}; what is no longer shown is kept and does not count as deleted"),
                hint: Some(TO_DO.into()),
            });
        }
    }

    /// Whether rows of an object that were held out of sight have come back into it, or may.
    pub(super) fn is_in_doubt(&self, entry: &Entry) -> bool {
        !self.sees_all(&entry.object) || self.was_in_doubt(entry)
    }

    /// Whether the object was not shown as a whole at the backup before.
    pub(super) fn was_in_doubt(&self, entry: &Entry) -> bool {
        let unseen = self.previous_note(&entry.object).is_some_and(|note| note.unseen > 0);
        let before = self.previous.and_then(|point| point.content.sight.as_ref());
        unseen || before.is_some_and(|before| !before.is_whole(&entry.object))
    }

    /// Rows held of an object that are taken to be out of sight, by the note of this backup or the one before.
    pub(super) fn unseen(&self, object: &str) -> u64 {
        if self.sees_all(object) {
            return 0;
        }
        let note = self.done(object).map(|(_, note)| note).or_else(|| self.looked(object));
        note.as_ref().or_else(|| self.previous_note(object)).map_or(0, |note| note.unseen)
    }
}

/// What to do about it.
pub const TO_DO: &str = "give the user who backs up View All Data, under System Permissions of one of its permission sets, and run the backup again";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_shown_by_a_permission_of_their_own() {
        let sight = Sight { all_data: true, ..Sight::default() };
        assert!(sight.is_whole("Account") && sight.is_whole("Content__c") && !sight.is_whole("ContentVersion"));
        assert_eq!(sight.shortfall(), None);
        let one = Sight { objects: ["Account".to_owned()].into(), ..Sight::default() };
        assert!(one.is_whole("Account") && !one.is_whole("Contact"));
        assert!(one.shortfall().unwrap().contains("but 1 objects"));
        assert!(Sight::gap("ContentDocument", 2).reason.contains(QUERY_ALL_FILES));
        assert!(Sight::gap("Lead", 1).reason.contains(VIEW_ALL_DATA));
    }
}
