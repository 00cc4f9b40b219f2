// SPDX-License-Identifier: Apache-2.0
//! Sharing: which rows a user sees and changes who may not see all of them.
//!
//! A row is open to a user by the organisation-wide default of its object; or because the user owns it, or somebody below
//! the user in the role hierarchy does; or because a row of the object's `…Share` gives it to the user, to a group of the
//! user's, or to somebody below; or through another row that it belongs to; or, for accounts and what hangs on them, by
//! implicit sharing. The whole becomes one condition in SQL on the row ([`condition`]), which SOQL adds to its own and
//! writes ask for the single row. Who sees all rows has no condition and pays nothing.
//!
//! Rules taken from Salesforce's sharing documentation:
//! - *Accounts*: who owns or was given a contact, opportunity or case reads its account (implicit parent).
//! - *Contacts, opportunities, cases*: the account's owner has what the owner's role says of them (implicit child), and who
//!   was given the account has what the share's own levels say.
//! - *Contacts controlled by their account* are as open as it is; one without an account is its owner's alone.
//! - *Details* (master-detail, and parts such as lines, roles, comments) are as open as what they belong to; writing one
//!   takes the right to edit it, or to read it where the relationship says so.
//! - *Activities* belong to their owner; who reads what they are about reads them.
//! - *Files* are seen by their owner, by whom they were given to, and through records that they are linked to; with
//!   `QueryAllFiles` all of them.
//! - *Deleting* takes ownership, a role above the owner, or full access.
//!
//! Not modelled: sharing rules and teams other than by the share rows that they would make, territories, portals, account
//! relationships, restriction rules. A parent that the user may not see reads as null in a path, which is a guess. The
//! platform's own share rows (owner, implicit) are not stored: what they say is computed.

mod condition;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::OptionalExtension as _;

use crate::org::Org;
use crate::schema::{Object, Schema};
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

pub use condition::{Condition, condition};

/// What a user wants of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Read,
    Edit,
    /// Full access: delete, and hand on.
    Delete,
}

/// An organisation-wide default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Private,
    Read,
    Edit,
    /// Everybody may delete too ("Public Full Access" of campaigns).
    Full,
    /// As open as the parent.
    ControlledByParent,
}

impl Access {
    /// From what `Organization.Default…Access` and metadata's `sharingModel` hold.
    pub fn named(text: &str) -> Option<Access> {
        Some(match text {
            "None" | "Private" => Access::Private,
            "Read" => Access::Read,
            "Edit" | "ReadWrite" | "ReadEditTransfer" | "ReadWriteTransfer" => Access::Edit,
            "All" | "FullAccess" => Access::Full,
            "ControlledByParent" | "ControlledByLeadOrContact" | "ControlledByCampaign" => Access::ControlledByParent,
            _ => return None,
        })
    }

    /// As `Organization.Default…Access` writes it for this object.
    fn written(self, object: &str) -> &'static str {
        match (self, object) {
            (Access::Private, _) => "None",
            (Access::Read, _) => "Read",
            (Access::Edit, "Lead" | "Case") => "ReadEditTransfer",
            (Access::Edit, _) => "Edit",
            (Access::Full, _) => "All",
            (Access::ControlledByParent, _) => "ControlledByParent",
        }
    }
}

/// Objects whose default is a field of Organization.
const OF_ORGANIZATION: [&str; 6] = ["Account", "Campaign", "Case", "Contact", "Lead", "Opportunity"];

/// Objects below an account with implicit sharing of their own.
const BELOW_ACCOUNT: [&str; 3] = ["Case", "Contact", "Opportunity"];

/// Where a user stands: whose rows count as theirs, and how open each object is.
#[derive(Debug, Default)]
pub struct Standing {
    user_id: String,
    /// The user, everybody below in the role hierarchy, and the groups of all these: Ids as a JSON list.
    principals: String,
    /// Owners whose accounts open the cases, contacts and opportunities below them: to read, and to edit.
    account_owners: BTreeMap<&'static str, (String, String)>,
    defaults: HashMap<String, Access>,
}

fn list<'a>(ids: impl IntoIterator<Item = &'a String>) -> String {
    serde_json::Value::from(ids.into_iter().map(String::as_str).collect::<Vec<_>>()).to_string()
}

impl Standing {
    /// A user without roles and groups, in an org where everything is private.
    pub fn alone(user_id: &str) -> Standing {
        Standing { user_id: user_id.to_owned(), principals: list([&user_id.to_owned()]), ..Standing::default() }
    }

    pub fn read(tx: &Tx<'_>, user_id: &str) -> Standing {
        let people = People::read(tx, user_id);
        let groups = Groups::read(tx);
        let mut principals: BTreeSet<String> = people.below.keys().cloned().collect();
        principals.insert(user_id.to_owned());
        principals.extend(groups.of(&people, user_id, people.role.as_deref(), false));
        for (subordinate, role) in &people.below {
            principals.extend(groups.of(&people, subordinate, Some(role), true));
        }
        let mut account_owners = BTreeMap::new();
        for child in BELOW_ACCOUNT {
            let field = format!("{child}AccessForAccountOwner");
            let role_says = |wanted: &[&str]| {
                let own = people.role.as_ref().map(|role| (user_id.to_owned(), role.clone()));
                let everybody = people.below.clone().into_iter().chain(own);
                let open = everybody.filter(|(_, role)| {
                    people
                        .roles
                        .get(role)
                        .and_then(|role| role.access.get(&field))
                        .is_some_and(|access| wanted.contains(&access.as_str()))
                });
                list(&open.map(|(user, _)| user).collect::<BTreeSet<_>>())
            };
            account_owners.insert(child, (role_says(&["Read", "Edit"]), role_says(&["Edit"])));
        }
        Standing { user_id: user_id.to_owned(), principals: list(&principals), account_owners, defaults: defaults(tx) }
    }

    /// The organisation-wide default of an object; none for objects that have none.
    pub fn default_of(&self, object: &Object) -> Option<Access> {
        if let Some(access) = self.defaults.get(&object.name) {
            return Some(*access);
        }
        let detail = object.custom && object.fields.iter().any(|field| field.custom && field.cascade_delete);
        match object.name.as_str() {
            "Task" | "Event" => Some(Access::Private),
            "Group" | "User" => None,
            _ if detail => Some(Access::ControlledByParent),
            _ if object.has("OwnerId") => Some(Access::Edit),
            _ => None,
        }
    }
}

fn defaults(tx: &Tx<'_>) -> HashMap<String, Access> {
    let mut defaults = HashMap::new();
    if let Some(organizations) = tx.schema.object("Organization")
        && let Some(row) = tx.rows_where(organizations, "1 = 1", &[]).into_iter().next()
    {
        for object in OF_ORGANIZATION {
            if let Some(access) = Access::named(row.text(&format!("Default{object}Access"))) {
                defaults.insert(object.to_owned(), access);
            }
        }
    }
    let mut statement = tx
        .conn
        .prepare_cached("SELECT substr(name, 9), value FROM _setting WHERE name LIKE 'sharing:%'")
        .expect("the store's own table");
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).and_then(Iterator::collect);
    let found: Vec<(String, String)> = found.expect("the store can be read");
    defaults.extend(found.into_iter().filter_map(|(object, access)| Some((object, Access::named(&access)?))));
    defaults
}

/// A role: the one above, and what it says of the rows below an account.
struct Role {
    above: Option<String>,
    access: HashMap<String, String>,
}

/// Roles, and the users below one user.
struct People {
    roles: HashMap<String, Role>,
    role: Option<String>,
    /// Users in roles below, with their roles.
    below: BTreeMap<String, String>,
}

impl People {
    fn read(tx: &Tx<'_>, user_id: &str) -> People {
        let mut people = People { roles: HashMap::new(), role: None, below: BTreeMap::new() };
        let (Some(roles), Some(users)) = (tx.schema.object("UserRole"), tx.schema.object("User")) else {
            return people;
        };
        for row in tx.rows_where(roles, "1 = 1", &[]) {
            let levels = BELOW_ACCOUNT.map(|child| format!("{child}AccessForAccountOwner"));
            let access = levels.map(|field| (field.clone(), row.text(&field).to_owned())).into();
            let above = row.get("ParentRoleId").as_str().map(str::to_owned);
            people.roles.insert(row.id().to_owned(), Role { above, access });
        }
        people.role = tx.row(users, user_id).and_then(|user| user.get("UserRoleId").as_str().map(str::to_owned));
        let Some(own) = people.role.clone() else { return people };
        let below: Vec<&String> =
            people.roles.keys().filter(|role| **role != own && people.is_below(role, &own)).collect();
        if below.is_empty() {
            return people;
        }
        let sql =
            "SELECT \"Id\", \"UserRoleId\" FROM \"User\" WHERE \"UserRoleId\" IN (SELECT value FROM json_each(?1))";
        let mut statement = tx.conn.prepare_cached(sql).expect("users have roles");
        let found =
            statement.query_map([list(below)], |row| Ok((row.get(0)?, row.get(1)?))).and_then(Iterator::collect);
        people.below = found.expect("the store can be read");
        people.below.remove(user_id);
        people
    }

    /// Whether a role is another or stands below it. A loop of roles ends the search.
    fn is_below(&self, role: &str, other: &str) -> bool {
        let mut at = role;
        for _ in 0..=self.roles.len() {
            if at == other {
                return true;
            }
            match self.roles.get(at).and_then(|role| role.above.as_deref()) {
                Some(above) => at = above,
                None => return false,
            }
        }
        false
    }
}

struct Group {
    id: String,
    kind: String,
    related: Option<String>,
    bosses: bool,
}

/// Public groups, queues, and the groups that stand for roles and for everybody.
struct Groups {
    all: Vec<Group>,
    /// Groups by their member, which is a user or another group.
    of_member: HashMap<String, Vec<String>>,
}

impl Groups {
    fn read(tx: &Tx<'_>) -> Groups {
        let mut groups = Groups { all: Vec::new(), of_member: HashMap::new() };
        if let Some(object) = tx.schema.object("Group") {
            for row in tx.rows_where(object, "1 = 1", &[]) {
                groups.all.push(Group {
                    id: row.id().to_owned(),
                    kind: row.text("Type").to_owned(),
                    related: row.get("RelatedId").as_str().map(str::to_owned),
                    bosses: row.get("DoesIncludeBosses").is_true() || row.text("Type") != "Regular",
                });
            }
        }
        if let Some(object) = tx.schema.object("GroupMember") {
            for row in tx.rows_where(object, "1 = 1", &[]) {
                let groups = groups.of_member.entry(row.text("UserOrGroupId").to_owned()).or_default();
                groups.push(row.text("GroupId").to_owned());
            }
        }
        groups
    }

    /// The groups that a user belongs to, through other groups too. `for_boss`: only those that also count for the users
    /// above their members.
    fn of(&self, people: &People, user: &str, role: Option<&str>, for_boss: bool) -> BTreeSet<String> {
        let stands_for = |group: &&Group| match group.kind.as_str() {
            "Organization" => true,
            "Role" => group.related.as_deref().is_some() && group.related.as_deref() == role,
            "RoleAndSubordinates" | "RoleAndSubordinatesInternal" => {
                matches!((role, &group.related), (Some(role), Some(top)) if people.is_below(role, top))
            }
            _ => false,
        };
        let mut next: Vec<&str> = self.all.iter().filter(stands_for).map(|group| group.id.as_str()).collect();
        next.extend(self.of_member.get(user).into_iter().flatten().map(String::as_str));
        let mut found: BTreeSet<String> = BTreeSet::new();
        while let Some(id) = next.pop() {
            let bosses = self.all.iter().any(|group| group.id == id && group.bosses);
            if (for_boss && !bosses) || !found.insert(id.to_owned()) {
                continue;
            }
            next.extend(self.of_member.get(id).into_iter().flatten().map(String::as_str));
        }
        found
    }
}

/// The object that shares rows of this one, with its field that names the row and the one that holds the level.
fn shares_of<'s>(schema: &'s Schema, object: &Object) -> Option<(&'s Object, String, String)> {
    let (share, row, level) = match object.name.strip_suffix("__c") {
        Some(stem) => (format!("{stem}__Share"), "ParentId".to_owned(), "AccessLevel".to_owned()),
        None => {
            let name = &object.name;
            (format!("{name}Share"), format!("{name}Id"), format!("{name}AccessLevel"))
        }
    };
    let share = schema.object(&share)?;
    let complete = share.has(&row) && share.has(&level) && share.has("UserOrGroupId");
    complete.then_some((share.as_ref(), row, level))
}

/// Whether a user may do this to one row, deleted or not. Object permissions are another matter.
pub fn allows(tx: &Tx<'_>, caller: &Caller, object: &Object, id: &str, level: Level) -> bool {
    let Some(condition) = condition(&tx.schema, caller, object, level) else { return true };
    let sql = format!("SELECT 1 FROM \"{}\" AS q WHERE q.\"Id\" = ? AND ({})", object.name, condition.on("q"));
    let bound = std::iter::once(rusqlite::types::Value::from(id.to_owned())).chain(condition.bound);
    let mut statement = tx.conn.prepare_cached(&sql).expect("conditions are made of the schema's names");
    let found = statement.query_row(rusqlite::params_from_iter(bound), |_| Ok(())).optional();
    found.expect("the store can be read").is_some()
}

impl Org {
    /// Sets the organisation-wide default of an object, as Setup's sharing settings do.
    pub fn set_default_access(&self, object: &str, access: Access) {
        self.write(|tx| {
            if OF_ORGANIZATION.contains(&object)
                && let Some(organizations) = tx.schema.object("Organization").cloned()
            {
                let written = Value::from(access.written(object));
                let id = self.id.clone();
                tx.update_row(&organizations, &id, &[&format!("Default{object}Access")], &[&written])
            } else {
                let name = format!("sharing:{object}");
                tx.note("INSERT OR REPLACE INTO _setting (name, value) VALUES (?1, ?2)", &[&name, &access.written("")])
                    .map(|_| ())
            }
            .expect("the store can be written");
        });
        self.change_rights();
    }
}
