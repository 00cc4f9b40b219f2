// SPDX-License-Identifier: Apache-2.0
//! In orgs of random roles, groups, owners, shares and defaults, a user who may not view all data finds by SOQL, by Id and
//! in counts exactly the rows that sharing allows when it is evaluated row by row in plain Rust, and may edit and delete
//! exactly those that it allows.

use std::collections::{BTreeMap, BTreeSet};

use crate::desk::Find as _;
use orgkeep_emulator::record::Input;
use orgkeep_emulator::schema::Schema;
use orgkeep_emulator::sharing::{self, Access, Level};
use orgkeep_emulator::soql::{self, Options};
use orgkeep_emulator::{Clock, Org};
use proptest::prelude::*;
use serde_json::{Map, Value};

const START_MS: i64 = 1_772_366_400_000;
const OBJECTS: [&str; 6] = ["Account", "Contact", "Opportunity", "Case", "Task", "OpportunityContactRole"];

/// A stream of small random numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, choices: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % choices as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

fn insert(org: &Org, object: &str, pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    let fields = pairs.map(|(name, value)| ((*name).to_owned(), Input::Text((*value).to_owned()))).collect();
    org.insert(object, fields).unwrap_or_else(|error| panic!("{object}: {error:?}"))
}

/// Defaults, roles, users, groups, rows and shares.
fn make(dice: &mut Dice) -> (Org, Vec<String>) {
    let org = Org::open(0, Schema::standard(), Clock::starting_at(START_MS), None).unwrap();
    let plain = [Access::Private, Access::Private, Access::Private, Access::Read, Access::Edit];
    for object in ["Account", "Opportunity", "Case"] {
        org.set_default_access(object, *dice.of(&plain));
    }
    org.set_default_access(
        "Contact",
        *dice.of(&[Access::ControlledByParent, Access::ControlledByParent, Access::Private, Access::Read]),
    );
    let mut roles: Vec<String> = Vec::new();
    for number in 0..5 {
        let above = if number == 0 { String::new() } else { dice.of(&roles).clone() };
        let levels: Vec<&str> = (0..3).map(|_| *dice.of(&["None", "Read", "Edit"])).collect();
        let name = format!("Role{number}");
        let role = insert(
            &org,
            "UserRole",
            &[
                ("Name", name.as_str()),
                ("ParentRoleId", above.as_str()),
                ("OpportunityAccessForAccountOwner", levels[0]),
                ("CaseAccessForAccountOwner", levels[1]),
                ("ContactAccessForAccountOwner", levels[2]),
            ],
        );
        roles.push(role);
    }
    let profile = org.id_of("Profile", "Name", "Standard User");
    let users: Vec<String> = (0..5)
        .map(|number| {
            let role = if dice.below(5) == 0 { String::new() } else { dice.of(&roles).clone() };
            let name = format!("u{number}@sharing.example");
            insert(
                &org,
                "User",
                &[
                    ("Username", name.as_str()),
                    ("Email", name.as_str()),
                    ("LastName", "User"),
                    ("Alias", &format!("u{number}")),
                    ("CommunityNickname", &format!("u{number}")),
                    ("IsActive", "true"),
                    ("ProfileId", &profile),
                    ("UserRoleId", &role),
                    ("TimeZoneSidKey", "GMT"),
                    ("LocaleSidKey", "en_US"),
                    ("LanguageLocaleKey", "en_US"),
                    ("EmailEncodingKey", "UTF-8"),
                ],
            )
        })
        .collect();
    let mut groups: Vec<String> = Vec::new();
    for number in 0..4 {
        let kind = *dice.of(&["Regular", "Regular", "Role", "RoleAndSubordinates"]);
        let related = if kind == "Regular" { String::new() } else { dice.of(&roles).clone() };
        let bosses = *dice.of(&["true", "false"]);
        let name = format!("Group{number}");
        let group = insert(
            &org,
            "Group",
            &[
                ("Name", name.as_str()),
                ("DeveloperName", &name),
                ("Type", kind),
                ("RelatedId", &related),
                ("DoesIncludeBosses", bosses),
            ],
        );
        if kind == "Regular" {
            for _ in 0..2 {
                let member = if groups.is_empty() || dice.below(3) > 0 {
                    dice.of(&users).clone()
                } else {
                    dice.of(&groups).clone()
                };
                insert(&org, "GroupMember", &[("GroupId", &group), ("UserOrGroupId", &member)]);
            }
        }
        groups.push(group);
    }
    let holders: Vec<String> = users.iter().chain(&groups).cloned().collect();
    let mut accounts = vec![String::new()];
    let mut opportunities: Vec<String> = Vec::new();
    let mut contacts: Vec<String> = Vec::new();
    let mut things = vec![String::new()];
    for number in 0..7 {
        let name = format!("A{number}");
        accounts.push(insert(&org, "Account", &[("Name", &name), ("OwnerId", dice.of(&users).as_str())]));
    }
    for number in 0..8 {
        let name = format!("N{number}");
        let account = dice.of(&accounts).clone();
        contacts.push(insert(
            &org,
            "Contact",
            &[("LastName", &name), ("AccountId", &account), ("OwnerId", dice.of(&users).as_str())],
        ));
        let account = dice.of(&accounts).clone();
        let deal = [
            ("Name", name.as_str()),
            ("AccountId", &account),
            ("OwnerId", dice.of(&users).as_str()),
            ("StageName", "Prospecting"),
            ("CloseDate", "2026-09-09"),
        ];
        opportunities.push(insert(&org, "Opportunity", &deal));
        let account = dice.of(&accounts).clone();
        insert(&org, "Case", &[("Subject", &name), ("AccountId", &account), ("OwnerId", dice.of(&users).as_str())]);
    }
    things.extend(accounts[1..].iter().chain(&opportunities).cloned());
    for number in 0..8 {
        let about = dice.of(&things).clone();
        let who = if dice.below(2) == 0 { dice.of(&contacts).clone() } else { String::new() };
        let subject = format!("T{number}");
        insert(
            &org,
            "Task",
            &[("Subject", &subject), ("WhatId", &about), ("WhoId", &who), ("OwnerId", dice.of(&users).as_str())],
        );
        let (deal, contact) = (dice.of(&opportunities).clone(), dice.of(&contacts).clone());
        insert(&org, "OpportunityContactRole", &[("OpportunityId", &deal), ("ContactId", &contact)]);
    }
    let level = |dice: &mut Dice| *dice.of(&["Read", "Edit", "All"]);
    for _ in 0..3 {
        let (account, holder) = (accounts[1 + dice.below(accounts.len() - 1)].clone(), dice.of(&holders).clone());
        let levels: Vec<&str> = (0..3).map(|_| *dice.of(&["None", "Read", "Edit"])).collect();
        insert(
            &org,
            "AccountShare",
            &[
                ("AccountId", &account),
                ("UserOrGroupId", &holder),
                ("AccountAccessLevel", level(dice)),
                ("OpportunityAccessLevel", levels[0]),
                ("CaseAccessLevel", levels[1]),
                ("ContactAccessLevel", levels[2]),
            ],
        );
        let (deal, holder) = (dice.of(&opportunities).clone(), dice.of(&holders).clone());
        insert(
            &org,
            "OpportunityShare",
            &[("OpportunityId", &deal), ("UserOrGroupId", &holder), ("OpportunityAccessLevel", level(dice))],
        );
        let (contact, holder) = (dice.of(&contacts).clone(), dice.of(&holders).clone());
        insert(
            &org,
            "ContactShare",
            &[("ContactId", &contact), ("UserOrGroupId", &holder), ("ContactAccessLevel", level(dice))],
        );
    }
    (org, users)
}

type Row = Map<String, Value>;

fn text<'a>(row: &'a Row, field: &str) -> &'a str {
    row.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Everything that sharing looks at, as rows.
struct Naive {
    rows: BTreeMap<&'static str, Vec<Row>>,
    defaults: BTreeMap<&'static str, Access>,
}

const TABLES: [&str; 13] = [
    "Account",
    "Contact",
    "Opportunity",
    "Case",
    "Task",
    "OpportunityContactRole",
    "AccountShare",
    "ContactShare",
    "OpportunityShare",
    "User",
    "UserRole",
    "Group",
    "GroupMember",
];

impl Naive {
    fn of(org: &Org) -> Naive {
        let organization = org.rows("Organization").remove(0);
        let default = |object: &'static str| {
            (object, Access::named(text(&organization, &format!("Default{object}Access"))).unwrap())
        };
        let mut defaults = BTreeMap::from(["Account", "Contact", "Opportunity", "Case"].map(default));
        defaults.insert("Task", Access::Private);
        Naive { rows: TABLES.map(|table| (table, org.rows(table))).into(), defaults }
    }

    fn row(&self, table: &str, id: &str) -> Option<&Row> {
        self.rows[table].iter().find(|row| text(row, "Id") == id)
    }

    fn role_of(&self, user: &str) -> &str {
        self.row("User", user).map_or("", |user| text(user, "UserRoleId"))
    }

    /// Whether the role is the other one or below it.
    fn at_or_below(&self, role: &str, other: &str) -> bool {
        !role.is_empty()
            && (role == other
                || self.row("UserRole", role).is_some_and(|row| self.at_or_below(text(row, "ParentRoleId"), other)))
    }

    /// The user and everybody in roles below.
    fn team(&self, user: &str) -> Vec<&str> {
        let own = self.role_of(user);
        let below = |row: &&Row| {
            let role = text(row, "UserRoleId");
            !own.is_empty() && role != own && self.at_or_below(role, own)
        };
        let ids = self.rows["User"].iter().filter(|row| text(row, "Id") == user || below(row));
        ids.map(|row| text(row, "Id")).collect()
    }

    /// Whether a user is in a group; `for_boss`: by a way of groups that all count for their members' bosses.
    fn is_member(&self, user: &str, group: &str, for_boss: bool) -> bool {
        let Some(row) = self.row("Group", group) else { return false };
        let regular = text(row, "Type") == "Regular";
        if for_boss && regular && row["DoesIncludeBosses"] != true {
            return false;
        }
        let role = self.role_of(user);
        let stands = match text(row, "Type") {
            "Role" => !role.is_empty() && role == text(row, "RelatedId"),
            "RoleAndSubordinates" => self.at_or_below(role, text(row, "RelatedId")),
            _ => false,
        };
        stands
            || self.rows["GroupMember"].iter().filter(|row| text(row, "GroupId") == group).any(|row| {
                let member = text(row, "UserOrGroupId");
                member == user || self.is_member(user, member, for_boss)
            })
    }

    /// Whether what this user or group has counts for the user.
    fn counts_for(&self, user: &str, holder: &str) -> bool {
        self.team(user).contains(&holder)
            || self.is_member(user, holder, false)
            || self.team(user).into_iter().any(|one| one != user && self.is_member(one, holder, true))
    }

    fn owned(&self, user: &str, object: &str, row: &Row, level: Level) -> bool {
        let enough = |given: &str| match level {
            Level::Read => matches!(given, "Read" | "Edit" | "All"),
            Level::Edit => matches!(given, "Edit" | "All"),
            Level::Delete => given == "All",
        };
        let share = format!("{object}Share");
        let shared = self.rows.get(share.as_str()).is_some_and(|shares| {
            shares.iter().any(|share| {
                text(share, &format!("{object}Id")) == text(row, "Id")
                    && enough(text(share, &format!("{object}AccessLevel")))
                    && self.counts_for(user, text(share, "UserOrGroupId"))
            })
        });
        shared || self.counts_for(user, text(row, "OwnerId"))
    }

    fn open(&self, user: &str, object: &'static str, row: &Row, level: Level) -> bool {
        if object == "OpportunityContactRole" {
            let above = if level == Level::Read { Level::Read } else { Level::Edit };
            let deal = self.row("Opportunity", text(row, "OpportunityId")).unwrap();
            return self.open(user, "Opportunity", deal, above);
        }
        let default = self.defaults[object];
        let public = match level {
            Level::Read => matches!(default, Access::Read | Access::Edit),
            Level::Edit => default == Access::Edit,
            Level::Delete => false,
        };
        if public {
            return true;
        }
        let account = self.row("Account", text(row, "AccountId"));
        if default == Access::ControlledByParent {
            let above = if level == Level::Read { Level::Read } else { Level::Edit };
            return match account {
                Some(account) => self.open(user, "Account", account, above),
                None => text(row, "OwnerId") == user,
            };
        }
        if self.owned(user, object, row, level) {
            return true;
        }
        match object {
            "Account" => {
                level == Level::Read
                    && ["Contact", "Opportunity", "Case"].into_iter().any(|child| {
                        self.defaults[child] != Access::ControlledByParent
                            && self.rows[child].iter().any(|below| {
                                text(below, "AccountId") == text(row, "Id")
                                    && self.owned(user, child, below, Level::Read)
                            })
                    })
            }
            "Task" => {
                let about = |id: &str| {
                    ["Account", "Opportunity", "Contact"]
                        .into_iter()
                        .any(|object| self.row(object, id).is_some_and(|row| self.open(user, object, row, Level::Read)))
                };
                level == Level::Read && (about(text(row, "WhatId")) || about(text(row, "WhoId")))
            }
            _ if level == Level::Delete => false,
            child => account.is_some_and(|account| {
                let wanted: &[&str] = if level == Level::Read { &["Read", "Edit"] } else { &["Edit"] };
                let owner = text(account, "OwnerId");
                let role = self.row("UserRole", self.role_of(owner));
                let says = role.map_or("", |role| text(role, &format!("{child}AccessForAccountOwner")));
                let by_role = self.team(user).contains(&owner) && wanted.contains(&says);
                let by_share = self.rows["AccountShare"].iter().any(|share| {
                    text(share, "AccountId") == text(account, "Id")
                        && wanted.contains(&text(share, &format!("{child}AccessLevel")))
                        && self.counts_for(user, text(share, "UserOrGroupId"))
                });
                by_role || by_share
            }),
        }
    }
}

/// The Ids that a statement finds.
fn found(org: &Org, user: &str, statement: &str) -> BTreeSet<String> {
    let caller = org.caller(user);
    let options = Options { now: START_MS, ..Options::default() };
    let prepared = soql::prepare(&org.schema(), &caller, statement, options)
        .unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    org.read(|tx| {
        let ids = prepared.ids(tx).unwrap();
        assert_eq!(prepared.total(tx).unwrap(), ids.len() as u64);
        ids.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn soql_finds_what_sharing_allows(seed in any::<u64>()) {
        let (org, users) = make(&mut Dice(seed));
        let naive = Naive::of(&org);
        for user in &users {
            let caller = org.caller(user);
            for object in OBJECTS {
                let allowed = |level: Level| -> BTreeSet<String> {
                    let rows = naive.rows[object].iter().filter(|row| naive.open(user, object, row, level));
                    rows.map(|row| text(row, "Id").to_owned()).collect()
                };
                let read = allowed(Level::Read);
                prop_assert_eq!(&found(&org, user, &format!("SELECT Id FROM {object}")), &read, "{} of {}", object, user);
                org.read(|tx| {
                    let described = tx.schema.object(object).unwrap();
                    for level in [Level::Read, Level::Edit, Level::Delete] {
                        let allowed = allowed(level);
                        for row in &naive.rows[object] {
                            let id = text(row, "Id");
                            let may = sharing::allows(tx, &caller, described, id, level);
                            prop_assert_eq!(may, allowed.contains(id), "{:?} of {} {} by {}", level, object, id, user);
                        }
                    }
                    Ok(())
                })?;
            }
            // Semi-joins and sub-queries see no more.
            let accounts = found(&org, user, "SELECT Id FROM Account");
            let contacts = found(&org, user, "SELECT Id FROM Contact");
            let through = found(&org, user, "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact)");
            let expected: BTreeSet<String> = naive.rows["Contact"]
                .iter()
                .filter(|row| contacts.contains(text(row, "Id")))
                .map(|row| text(row, "AccountId").to_owned())
                .filter(|account| accounts.contains(account))
                .collect();
            prop_assert_eq!(through, expected);
        }
    }
}
