// SPDX-License-Identifier: Apache-2.0
//! Sharing as a condition on a row in SQL, with bound values. Names come from the schema alone.

use rusqlite::types::Value as Bound;

use super::{Access, BELOW_ACCOUNT, Level, Standing, shares_of};
use crate::schema::{Field, Object, Schema};
use crate::user::Caller;

/// What stands for the row's table in the text.
const ROW: &str = "@row";
/// A row that belongs to a row that belongs to a row: further on nothing is open.
const MOST_STEPS: usize = 5;

/// References to one of many objects (what a task is about, what a file is linked to) that are followed one after another:
/// each has a hundred objects to look at, and files lead to posts that lead to files.
const MOST_CHOICES: usize = 2;

/// A condition on a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    pub bound: Vec<Bound>,
}

impl Condition {
    /// The text for the table of this alias.
    pub fn on(&self, alias: &str) -> String {
        self.text.replace(ROW, alias)
    }
}

/// Which rows are meant.
enum Rows {
    All,
    No,
    Those(Condition),
}

/// Which rows of an object are open to a caller; none when all are.
pub fn condition(schema: &Schema, caller: &Caller, object: &Object, level: Level) -> Option<Condition> {
    if caller.bypass {
        return None;
    }
    let alone;
    let standing = match &caller.rights {
        Some(rights) => &rights.standing,
        None => {
            alone = Standing::alone(&caller.user_id);
            &alone
        }
    };
    let mut search = Search { schema, caller, standing, aliases: 0, choices: 0 };
    match search.open(object, ROW, level, 0) {
        Rows::All => None,
        Rows::No => Some(Condition { text: "0".to_owned(), bound: Vec::new() }),
        Rows::Those(condition) => Some(condition),
    }
}

struct Search<'a> {
    schema: &'a Schema,
    caller: &'a Caller,
    standing: &'a Standing,
    aliases: usize,
    /// References to several objects that are being followed.
    choices: usize,
}

impl Search<'_> {
    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("r{}", self.aliases)
    }

    /// The rows that are open, by whichever way this object has.
    fn open(&mut self, object: &Object, row: &str, level: Level, step: usize) -> Rows {
        let rights = self.caller.rights_on(object);
        let is_file = matches!(object.name.as_str(), "ContentDocument" | "ContentVersion" | "ContentNote");
        let all = match level {
            Level::Read if is_file => self.caller.can("QueryAllFiles"),
            Level::Read => rights.view_all || rights.modify_all,
            Level::Edit | Level::Delete => rights.modify_all,
        };
        if !rights.read || step > MOST_STEPS {
            return Rows::No;
        }
        if all {
            return Rows::All;
        }
        if self.caller.rights.is_none() {
            let owned = object.has("OwnerId") && object.name != "Group";
            return if owned { self.owned(object, row, level) } else { Rows::All };
        }
        match object.name.as_str() {
            "ContentDocument" | "ContentNote" => self.document(object, row, level, step),
            "ContentVersion" | "ContentDocumentLink" => self.through(object, row, "ContentDocumentId", level, step),
            "Task" | "Event" => self.activity(object, row, level, step),
            "Attachment" | "Note" => {
                let own = self.owned(object, row, level);
                let parent = self.through(object, row, "ParentId", level, step);
                any([own, parent])
            }
            "FeedItem" | "FeedComment" | "CaseTeamMember" => self.through(object, row, "ParentId", Level::Read, step),
            "EntitySubscription" => self.through(object, row, "ParentId", Level::Read, step),
            "TopicAssignment" => self.through(object, row, "EntityId", Level::Read, step),
            "EmailMessage" => {
                let related = self.through(object, row, "RelatedToId", Level::Read, step);
                let parent = self.through(object, row, "ParentId", Level::Read, step);
                every([related, parent])
            }
            "EmailMessageRelation" => self.through(object, row, "EmailMessageId", Level::Read, step),
            "TaskRelation" => self.through(object, row, "TaskId", level, step),
            "EventRelation" => self.through(object, row, "EventId", level, step),
            _ => self.by_default(object, row, level, step),
        }
    }

    fn by_default(&mut self, object: &Object, row: &str, level: Level, step: usize) -> Rows {
        if let Some(field) = parent_field(object) {
            return self.through(object, row, &field, level, step);
        }
        let Some(default) = self.standing.default_of(object) else { return Rows::All };
        let enough = match level {
            Level::Read => matches!(default, Access::Read | Access::Edit | Access::Full),
            Level::Edit => matches!(default, Access::Edit | Access::Full),
            Level::Delete => default == Access::Full,
        };
        if enough {
            return Rows::All;
        }
        if default == Access::ControlledByParent {
            return self.as_parent(object, row, level, step);
        }
        let own = self.owned(object, row, level);
        let implicit = match object.name.as_str() {
            "Account" if level == Level::Read => self.above_children(row),
            name => match BELOW_ACCOUNT.iter().find(|child| **child == name) {
                Some(child) if level != Level::Delete => self.below_account(object, row, child, level),
                _ => Rows::No,
            },
        };
        any([own, implicit])
    }

    /// Rows that follow what they belong to.
    fn as_parent(&mut self, object: &Object, row: &str, level: Level, step: usize) -> Rows {
        if object.name == "Contact" {
            let private = Condition {
                text: format!("({row}.\"AccountId\" IS NULL AND {row}.\"OwnerId\" = ?)"),
                bound: vec![self.standing.user_id.clone().into()],
            };
            let below = match self.through(object, row, "AccountId", level, step) {
                Rows::No => Rows::No,
                Rows::All => those(format!("{row}.\"AccountId\" IS NOT NULL"), Vec::new()),
                Rows::Those(inner) => {
                    those(format!("({row}.\"AccountId\" IS NOT NULL AND {})", inner.text), inner.bound)
                }
            };
            return any([Rows::Those(private), below]);
        }
        let masters: Vec<String> = object
            .fields
            .iter()
            .filter(|field| field.cascade_delete && field.custom)
            .map(|field| field.name.clone())
            .collect();
        if masters.is_empty() {
            return self.owned(object, row, level);
        }
        let mut rows = Vec::new();
        for master in masters {
            rows.push(self.through(object, row, &master, level, step));
        }
        every(rows)
    }

    /// Owned by, or given to, the user or somebody or some group that counts as the user.
    fn owned(&mut self, object: &Object, row: &str, level: Level) -> Rows {
        let mut ways = Vec::new();
        if object.has("OwnerId") {
            ways.push(self.held_by_principals(&format!("{row}.\"OwnerId\"")));
        }
        if let Some((share, of, access)) = shares_of(self.schema, object) {
            let given = self.alias();
            let levels = match level {
                Level::Read => "'Read', 'Edit', 'All'",
                Level::Edit => "'Edit', 'All'",
                Level::Delete => "'All'",
            };
            ways.push(those(
                format!(
                    "EXISTS (SELECT 1 FROM \"{}\" AS {given} WHERE {given}.\"{of}\" = {row}.\"Id\" AND {given}.\"{access}\" IN \
                     ({levels}) AND {given}.\"UserOrGroupId\" IN (SELECT value FROM json_each(?)){})",
                    share.name,
                    alive(share, &given),
                ),
                vec![self.standing.principals.clone().into()],
            ));
        }
        any(ways)
    }

    fn held_by_principals(&self, column: &str) -> Rows {
        let text = format!("{column} IN (SELECT value FROM json_each(?))");
        those(text, vec![self.standing.principals.clone().into()])
    }

    /// Accounts of contacts, opportunities and cases that are owned or given.
    fn above_children(&mut self, row: &str) -> Rows {
        let mut ways = Vec::new();
        for name in BELOW_ACCOUNT {
            let Some(child) = self.schema.object(name).filter(|child| child.has("AccountId")).cloned() else {
                continue;
            };
            if self.standing.default_of(&child) == Some(Access::ControlledByParent) {
                continue;
            }
            let below = self.alias();
            if let Rows::Those(held) = self.owned(&child, &below, Level::Read) {
                let text = format!(
                    "EXISTS (SELECT 1 FROM \"{name}\" AS {below} WHERE {below}.\"AccountId\" = {row}.\"Id\" AND {}{})",
                    held.text,
                    alive(&child, &below)
                );
                ways.push(those(text, held.bound));
            }
        }
        any(ways)
    }

    /// What the owner of the account, and whoever was given the account, has on the rows below it.
    fn below_account(&mut self, object: &Object, row: &str, child: &str, level: Level) -> Rows {
        if !object.has("AccountId") || self.schema.object("Account").is_none() {
            return Rows::No;
        }
        let mut ways = Vec::new();
        if let Some((read, edit)) = self.standing.account_owners.get(child) {
            let account = self.alias();
            let owners = if level == Level::Read { read } else { edit };
            ways.push(those(
                format!(
                    "EXISTS (SELECT 1 FROM \"Account\" AS {account} WHERE {account}.\"Id\" = {row}.\"AccountId\" AND \
                     {account}.\"OwnerId\" IN (SELECT value FROM json_each(?)))"
                ),
                vec![owners.clone().into()],
            ));
        }
        let access = format!("{child}AccessLevel");
        if let Some(share) = self.schema.object("AccountShare").filter(|share| share.has(&access)).cloned() {
            let given = self.alias();
            let levels = if level == Level::Read { "'Read', 'Edit'" } else { "'Edit'" };
            ways.push(those(
                format!(
                    "EXISTS (SELECT 1 FROM \"AccountShare\" AS {given} WHERE {given}.\"AccountId\" = {row}.\"AccountId\" AND \
                     {given}.\"{access}\" IN ({levels}) AND {given}.\"UserOrGroupId\" IN (SELECT value FROM json_each(?)){})",
                    alive(&share, &given)
                ),
                vec![self.standing.principals.clone().into()],
            ));
        }
        any(ways)
    }

    /// Activities: the owner's, and to read those about something that is open.
    fn activity(&mut self, object: &Object, row: &str, level: Level, step: usize) -> Rows {
        let mut ways = vec![self.owned(object, row, level)];
        if level == Level::Read {
            for field in ["WhatId", "WhoId"].into_iter().filter(|field| object.has(field)) {
                let about = match self.through(object, row, field, Level::Read, step) {
                    Rows::No => Rows::No,
                    Rows::All => those(format!("{row}.\"{field}\" IS NOT NULL"), Vec::new()),
                    Rows::Those(inner) => {
                        those(format!("({row}.\"{field}\" IS NOT NULL AND {})", inner.text), inner.bound)
                    }
                };
                ways.push(about);
            }
        }
        any(ways)
    }

    /// Files: the owner's, those given to the user, and those on records that are open.
    fn document(&mut self, object: &Object, row: &str, level: Level, step: usize) -> Rows {
        let owned = those(format!("{row}.\"OwnerId\" = ?"), vec![self.standing.user_id.clone().into()]);
        let Some(links) = self.schema.object("ContentDocumentLink").cloned() else { return owned };
        if level == Level::Delete || !object.has("OwnerId") {
            return owned;
        }
        let link = self.alias();
        let given = self.held_by_principals(&format!("{link}.\"LinkedEntityId\""));
        // What is given to another user or group is not given to this one, though users and groups themselves are open.
        let to_records = format!("substr({link}.\"LinkedEntityId\", 1, 3) NOT IN ('005', '00G')");
        let through = match self.through(&links, &link, "LinkedEntityId", Level::Read, step) {
            Rows::No => Rows::No,
            Rows::All => those(to_records, Vec::new()),
            Rows::Those(inner) => those(format!("({to_records} AND {})", inner.text), inner.bound),
        };
        let Rows::Those(reached) = any([given, through]) else { return owned };
        let writers = if level == Level::Read { "" } else { " AND \"ShareType\" IN ('C', 'I')" };
        let text = format!(
            "EXISTS (SELECT 1 FROM \"ContentDocumentLink\" AS {link} WHERE {link}.\"ContentDocumentId\" = {row}.\"Id\" AND \
             {}{writers}{})",
            reached.text,
            alive(&links, &link)
        );
        any([owned, those(text, reached.bound)])
    }

    /// Rows whose parent by this field is open; a row without a parent is open too, since nothing closes it.
    fn through(&mut self, object: &Object, row: &str, field: &str, level: Level, step: usize) -> Rows {
        let Some(field) = object.field(field).cloned() else { return Rows::All };
        let level = match level {
            Level::Read => Level::Read,
            _ if field.write_requires_master_read => Level::Read,
            _ => Level::Edit,
        };
        let column = format!("{row}.\"{}\"", field.name);
        let chooses = field.reference_to.len() > 1;
        if chooses && self.choices >= MOST_CHOICES {
            return those(format!("{column} IS NULL"), Vec::new());
        }
        self.choices += usize::from(chooses);
        let mut closed: Vec<(String, Condition)> = Vec::new();
        for target in targets(self.schema, &field) {
            let Some(prefix) = target.key_prefix.clone() else { continue };
            let parent = self.alias();
            let open = match self.open(target, &parent, level, step + 1) {
                Rows::All => continue,
                Rows::No => Condition { text: "0".to_owned(), bound: Vec::new() },
                Rows::Those(open) => Condition {
                    text: format!(
                        "EXISTS (SELECT 1 FROM \"{}\" AS {parent} WHERE {parent}.\"Id\" = {column} AND {})",
                        target.name, open.text
                    ),
                    bound: open.bound,
                },
            };
            closed.push((prefix, open));
        }
        self.choices -= usize::from(chooses);
        if closed.is_empty() {
            return Rows::All;
        }
        let mut text = format!("({column} IS NULL OR CASE substr({column}, 1, 3)");
        let mut bound = Vec::new();
        for (prefix, open) in closed {
            text += &format!(" WHEN '{prefix}' THEN {}", open.text);
            bound.extend(open.bound);
        }
        text += " ELSE 1 END)";
        those(text, bound)
    }
}

/// The objects that a reference may lead to. Objects that share a prefix are taken once.
fn targets<'s>(schema: &'s Schema, field: &Field) -> Vec<&'s Object> {
    let mut found: Vec<&Object> = Vec::new();
    for name in &field.reference_to {
        if let Some(target) = schema.object(name)
            && !found.iter().any(|known| known.key_prefix == target.key_prefix)
        {
            found.push(target);
        }
    }
    found
}

/// The field by which a history, share, feed or part belongs to its parent.
fn parent_field(object: &Object) -> Option<String> {
    const PARTS: [(&str, &str); 22] = [
        ("AccountContactRelation", "AccountId"),
        ("AccountContactRole", "AccountId"),
        ("AccountPartner", "AccountFromId"),
        ("AccountTeamMember", "AccountId"),
        ("CampaignMember", "CampaignId"),
        ("CampaignMemberStatus", "CampaignId"),
        ("CaseComment", "ParentId"),
        ("CaseContactRole", "CasesId"),
        ("CaseMilestone", "CaseId"),
        ("CaseSolution", "CaseId"),
        ("ContractContactRole", "ContractId"),
        ("ContractLineItem", "ServiceContractId"),
        ("OpportunityCompetitor", "OpportunityId"),
        ("OpportunityContactRole", "OpportunityId"),
        ("OpportunityLineItem", "OpportunityId"),
        ("OpportunityPartner", "OpportunityId"),
        ("OpportunityTeamMember", "OpportunityId"),
        ("OrderItem", "OrderId"),
        ("Quote", "OpportunityId"),
        ("QuoteLineItem", "QuoteId"),
        ("WorkOrderLineItem", "WorkOrderId"),
        ("AssetRelationship", "AssetId"),
    ];
    let named = PARTS.iter().find(|(part, _)| *part == object.name).map(|(_, field)| *field);
    if let Some(field) = named {
        return object.has(field).then(|| field.to_owned());
    }
    let parent = object.associate_parent_entity.as_ref()?;
    let to_parent = object.fields.iter().find(|field| field.reference_to.iter().any(|target| target == parent));
    to_parent.map(|field| field.name.clone())
}

fn those(text: String, bound: Vec<Bound>) -> Rows {
    Rows::Those(Condition { text, bound })
}

fn any(ways: impl IntoIterator<Item = Rows>) -> Rows {
    let (mut texts, mut bound) = (Vec::new(), Vec::new());
    for way in ways {
        match way {
            Rows::All => return Rows::All,
            Rows::No => {}
            Rows::Those(one) => {
                texts.push(one.text);
                bound.extend(one.bound);
            }
        }
    }
    if texts.is_empty() { Rows::No } else { those(format!("({})", texts.join(" OR ")), bound) }
}

fn every(ways: impl IntoIterator<Item = Rows>) -> Rows {
    let (mut texts, mut bound) = (Vec::new(), Vec::new());
    for way in ways {
        match way {
            Rows::No => return Rows::No,
            Rows::All => {}
            Rows::Those(one) => {
                texts.push(one.text);
                bound.extend(one.bound);
            }
        }
    }
    if texts.is_empty() { Rows::All } else { those(format!("({})", texts.join(" AND ")), bound) }
}

fn alive(object: &Object, alias: &str) -> String {
    if object.has("IsDeleted") { format!(" AND {alias}.\"IsDeleted\" IS NOT 1") } else { String::new() }
}
