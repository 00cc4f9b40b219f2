// SPDX-License-Identifier: Apache-2.0
//! Finds what the names of a statement mean: aliases, fields, paths over parents, and paths over references that may point to
//! several objects (`Owner.Name`, `What.Type`), which see only the few fields that Salesforce's `Name` object has.

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::{From, Path, Word};
use super::plan::{Expr, Node, Targets};
use super::refusal;
use crate::error::ApiError;
use crate::schema::{Field, Object, Schema};
use crate::sharing::{Level, condition};
use crate::user::Caller;

/// Parents that one path may climb.
const LEVELS: usize = 5;
/// Parents that one statement may reach.
const PARENTS: usize = 55;
/// Fields of the object `Name`, which a path over a reference to several objects sees.
const NAME_FIELDS: [&str; 14] = [
    "Id",
    "Name",
    "FirstName",
    "LastName",
    "MiddleName",
    "Suffix",
    "Email",
    "Phone",
    "Title",
    "Username",
    "Alias",
    "IsActive",
    "ProfileId",
    "UserRoleId",
];

/// The parents that the paths of one statement go through.
#[derive(Debug)]
pub struct Names<'a> {
    pub text: &'a str,
    pub schema: &'a Schema,
    /// Who asks: hidden objects and fields do not exist.
    pub caller: &'a Caller,
    pub nodes: Vec<Node>,
    by_step: HashMap<(usize, String), usize>,
    aliases: HashMap<String, usize>,
}

/// Where a path ends: its parents, canonically spelled, then a field or a reference with a field of `Name`.
#[derive(Clone, Debug)]
pub struct Place {
    /// Names of the relationships on the way, and the node each leads to; none for a reference to several objects.
    pub parents: Vec<(String, Option<usize>)>,
    pub name: String,
    pub expr: Expr,
}

impl<'a> Names<'a> {
    pub fn new(text: &'a str, schema: &'a Schema, caller: &'a Caller, object: Arc<Object>, from: &From) -> Names<'a> {
        let mut aliases = HashMap::new();
        if let Some(alias) = &from.alias {
            aliases.insert(alias.text.to_ascii_lowercase(), 0);
        }
        if object.relationship(&object.name).is_none() {
            aliases.entry(object.name.to_ascii_lowercase()).or_insert(0);
        }
        let sight = condition(schema, caller, &object, Level::Read);
        Names { text, schema, caller, nodes: vec![Node { object, via: None, sight }], by_step: HashMap::new(), aliases }
    }

    /// `FROM Contact c, c.Account a`.
    pub fn add_alias(&mut self, from: &From) -> Result<(), ApiError> {
        let mut node = 0;
        for (place, word) in from.path.0.iter().enumerate() {
            match self.aliases.get(&word.text.to_ascii_lowercase()) {
                Some(&known) if place == 0 => node = known,
                _ => node = self.step(node, word)?.1,
            }
        }
        if let Some(alias) = &from.alias
            && self.aliases.insert(alias.text.to_ascii_lowercase(), node).is_some()
        {
            return Err(refusal::at(
                self.text,
                alias.offset,
                "MALFORMED_QUERY",
                format!("duplicate alias: {}", alias.text),
            ));
        }
        Ok(())
    }

    pub fn object(&self, node: usize) -> &Arc<Object> {
        &self.nodes[node].object
    }

    /// The parent that `word` leads to from `node`, with the relationship's canonical name.
    fn step(&mut self, node: usize, word: &Word) -> Result<(String, usize), ApiError> {
        let reference = self.reference(node, word)?;
        let name = reference.relationship_name.clone().unwrap_or_default();
        if let Some(&known) = self.by_step.get(&(node, name.clone())) {
            return Ok((name, known));
        }
        let parent = reference.reference_to.first().and_then(|object| self.caller.object(self.schema, object));
        let Some(parent) = parent else {
            return Err(refusal::no_relationship(self.text, word.offset, &word.text, "field path"));
        };
        if self.nodes.len() > PARENTS {
            return Err(refusal::plain(
                "MALFORMED_QUERY",
                format!("Maximum {PARENTS} parent relationships are allowed in a query"),
            ));
        }
        let sight = condition(self.schema, self.caller, parent, Level::Read);
        self.nodes.push(Node { object: parent.clone(), via: Some((node, reference)), sight });
        let new = self.nodes.len() - 1;
        self.by_step.insert((node, name.clone()), new);
        Ok((name, new))
    }

    fn reference(&self, node: usize, word: &Word) -> Result<Arc<Field>, ApiError> {
        self.caller
            .relationship(self.schema, self.object(node), &word.text)
            .cloned()
            .ok_or_else(|| refusal::no_relationship(self.text, word.offset, &word.text, "field path"))
    }

    /// The words after an alias, and the node where they start.
    fn start<'p>(&self, path: &'p Path) -> (usize, &'p [Word]) {
        let first = path.0[0].text.to_ascii_lowercase();
        match self.aliases.get(&first) {
            Some(&node) if path.0.len() > 1 => (node, &path.0[1..]),
            _ => (0, &path.0),
        }
    }

    pub fn place(&mut self, path: &Path) -> Result<Place, ApiError> {
        let (mut node, words) = self.start(path);
        let (last, way) = words.split_last().expect("a path has at least one word");
        if way.len() > LEVELS {
            return Err(refusal::at(
                self.text,
                path.offset(),
                "MALFORMED_QUERY",
                format!("SOQL relationships cannot go up more than {LEVELS} levels: {}", path.text()),
            ));
        }
        let mut parents = self.way_to(node);
        for (step, word) in way.iter().enumerate() {
            let reference = self.reference(node, word)?;
            if reference.reference_to.len() > 1 {
                if step + 1 < way.len() {
                    let next = &way[step + 1];
                    return Err(refusal::no_relationship(self.text, next.offset, &next.text, "field path"));
                }
                parents.push((reference.relationship_name.clone().unwrap_or_default(), None));
                let (name, expr) = self.any(node, &reference, last, path)?;
                return Ok(Place { parents, name, expr });
            }
            let (name, next) = self.step(node, word)?;
            parents.push((name, Some(next)));
            node = next;
        }
        let object = self.object(node);
        let Some(field) = self.caller.field(object, &last.text) else {
            return Err(refusal::no_column(self.text, path.offset(), &last.text, &object.name));
        };
        Ok(Place { parents, name: field.name.clone(), expr: Expr::Field { node, field: field.clone() } })
    }

    /// The parents on the way from the object itself to `node`, which an alias may have jumped to.
    fn way_to(&self, node: usize) -> Vec<(String, Option<usize>)> {
        let mut way = Vec::new();
        let mut at = node;
        while let Some((below, reference)) = &self.nodes[at].via {
            way.push((reference.relationship_name.clone().unwrap_or_default(), Some(at)));
            at = *below;
        }
        way.reverse();
        way
    }

    /// The reference that TYPEOF names, with the node it belongs to.
    pub fn polymorphic(&mut self, path: &Path) -> Result<(usize, Arc<Field>), ApiError> {
        let (mut node, words) = self.start(path);
        let (last, way) = words.split_last().expect("a path has at least one word");
        for word in way {
            node = self.step(node, word)?.1;
        }
        let reference = self.reference(node, last)?;
        if node != 0 || reference.reference_to.len() < 2 {
            return Err(refusal::at(
                self.text,
                path.offset(),
                "MALFORMED_QUERY",
                format!("TYPEOF needs a polymorphic relationship of the object itself: {}", path.text()),
            ));
        }
        Ok((node, reference))
    }

    /// `Owner.Name`: a field of `Name` over all objects that the reference may point to.
    fn any(&self, node: usize, reference: &Arc<Field>, last: &Word, path: &Path) -> Result<(String, Expr), ApiError> {
        let objects = reference.reference_to.iter().filter_map(|object| self.caller.object(self.schema, object));
        let prefixed = objects.filter_map(|object| Some((object.key_prefix.clone()?, object)));
        if last.text.eq_ignore_ascii_case("Type") {
            // A group that owns records is a queue.
            let owner = reference.name == "OwnerId";
            let shown = |object: &Object| {
                if owner && object.name == "Group" { "Queue".to_owned() } else { object.name.clone() }
            };
            let names = prefixed.map(|(prefix, object)| (prefix, shown(object))).collect();
            return Ok(("Type".to_owned(), Expr::AnyType { node, reference: reference.clone(), names }));
        }
        let unknown = || refusal::no_column(self.text, path.offset(), &last.text, "Name");
        let name = NAME_FIELDS.iter().find(|name| name.eq_ignore_ascii_case(&last.text)).ok_or_else(unknown)?;
        let mut targets = Targets::new();
        let mut model = None;
        for (prefix, object) in prefixed {
            let field = if *name == "Name" {
                object.name_field().or_else(|| object.field("Name"))
            } else {
                self.caller.field(object, name)
            };
            if let Some(field) = field.filter(|field| field.stored()) {
                targets.push((prefix, object.name.clone(), field.name.clone()));
                model.get_or_insert_with(|| field.clone());
            }
        }
        let model = model.ok_or_else(unknown)?;
        Ok(((*name).to_owned(), Expr::Any { node, reference: reference.clone(), targets, model }))
    }
}
