// SPDX-License-Identifier: Apache-2.0
//! The SELECT list: which columns are read and how a record is put together from them. Names come out in the canonical case and in
//! the order of the list; fields of one parent share one nested object (`salesforce-api.md` 2.6).

use std::sync::Arc;

use super::super::ast::{Argument, Item, Path, Query, TypeOf, Value as Named, Word};
use super::super::names::Place;
use super::super::plan::{ChildPlan, Entry, Expr, Kind, Money, Plan, RateDay, Shape, Written};
use super::super::refusal;
use super::{CHILD_LEVELS, Checker, MOST_CHILDREN, Position, plan};
use crate::error::ApiError;
use crate::schema::{Field, FieldType};

/// What the SELECT list became.
#[derive(Default)]
pub struct Selected {
    pub columns: Vec<Expr>,
    pub entries: Vec<Entry>,
    pub written: Vec<Written>,
    pub children: Vec<ChildPlan>,
}

/// Parts of an address or location, by the end of their field's name, in the order of the answer.
const PARTS: [(&str, &str); 10] = [
    ("City", "city"),
    ("Country", "country"),
    ("CountryCode", "countryCode"),
    ("GeocodeAccuracy", "geocodeAccuracy"),
    ("Latitude", "latitude"),
    ("Longitude", "longitude"),
    ("PostalCode", "postalCode"),
    ("State", "state"),
    ("StateCode", "stateCode"),
    ("Street", "street"),
];

impl Selected {
    fn column(&mut self, expr: Expr) -> usize {
        let same = |column: &Expr| match (column, &expr) {
            // A field is one in memory, and there may be hundreds to compare.
            (Expr::Field { node: a, field: one }, Expr::Field { node: b, field: other }) => {
                a == b && Arc::ptr_eq(one, other)
            }
            (Expr::Field { .. }, _) | (_, Expr::Field { .. }) => false,
            (one, other) => one == other,
        };
        let known = self.columns.iter().position(same);
        known.unwrap_or_else(|| {
            self.columns.push(expr);
            self.columns.len() - 1
        })
    }
}

impl Checker<'_> {
    pub(super) fn select(&mut self, query: &Query, kind: Kind, group: &[Expr]) -> Result<Selected, ApiError> {
        let mut selected = Selected::default();
        if kind == Kind::Count {
            return Ok(selected);
        }
        if kind == Kind::Aggregate {
            self.aggregates(&mut selected, query, group)?;
            return Ok(selected);
        }
        let id = self.field(0, "Id", query.from.path.offset())?;
        selected.column(id);
        for item in &query.select {
            match item {
                Item::Value { value: Named::Path(path), alias } => {
                    if let Some(alias) = alias {
                        return self.refuse(
                            alias.offset,
                            "MALFORMED_QUERY",
                            "only aggregate expressions use field aliasing",
                        );
                    }
                    let place = self.names.place(path)?;
                    self.add(&mut selected, place, Shape::Plain)?;
                }
                Item::Value { value, alias } => self.call(&mut selected, value, alias.as_ref())?,
                Item::Children(query) => self.children(&mut selected, query)?,
                Item::TypeOf(choice) => self.type_of(&mut selected, choice)?,
                Item::Fields(which) => self.fields(&mut selected, which)?,
            }
        }
        Ok(selected)
    }

    fn field(&self, node: usize, name: &str, offset: usize) -> Result<Expr, ApiError> {
        let object = self.names.object(node);
        let field =
            object.field(name).ok_or_else(|| refusal::no_column(self.ground.text, offset, name, &object.name))?;
        Ok(Expr::Field { node, field: field.clone() })
    }

    fn fields(&mut self, selected: &mut Selected, which: &Word) -> Result<(), ApiError> {
        let object = self.names.object(0).clone();
        let wanted = |field: &Field| match which.text.to_ascii_uppercase().as_str() {
            "CUSTOM" => field.custom,
            "STANDARD" => !field.custom,
            _ => true,
        };
        let seen = |field: &Field| self.ground.caller.sees_field(&object, field);
        let fields: Vec<_> = object.fields.iter().filter(|field| wanted(field) && seen(field)).cloned().collect();
        for field in &fields {
            let expr = Expr::Field { node: 0, field: field.clone() };
            self.add(selected, Place { parents: Vec::new(), name: field.name.clone(), expr }, Shape::Plain)?;
        }
        Ok(())
    }

    /// A field at the end of a path, into the nested object of its parent.
    fn add(&mut self, selected: &mut Selected, place: Place, shape: Shape) -> Result<(), ApiError> {
        let mut path: Vec<&str> = place.parents.iter().map(|(name, _)| name.as_str()).collect();
        path.push(&place.name);
        let header = path.join(".");
        let (entry, column, kind) = self.entry(selected, &place, shape)?;
        selected.written.push(Written { name: header.clone(), column, kind, own: place.parents.is_empty() });
        let mut steps = Vec::new();
        for (name, node) in &place.parents {
            steps.push(match node {
                Some(node) => {
                    let id = selected.column(self.field(*node, "Id", 0)?);
                    Entry::Parent {
                        key: name.clone(),
                        object: self.names.object(*node).name.clone(),
                        id,
                        entries: Vec::new(),
                    }
                }
                None => {
                    let (node, reference) = match &place.expr {
                        Expr::Any { node, reference, .. } | Expr::AnyType { node, reference, .. } => {
                            (*node, reference.clone())
                        }
                        _ => unreachable!("a path over several objects ends in an expression over them"),
                    };
                    let named = !matches!(name.as_str(), "Who" | "What");
                    let id = selected.column(Expr::Field { node, field: reference });
                    Entry::AnyParent { key: name.clone(), id, named, entries: Vec::new() }
                }
            });
        }
        let mut entries = &mut selected.entries;
        for step in steps {
            let at = match entries.iter().position(|known| known.key() == step.key()) {
                Some(at) => at,
                None => {
                    entries.push(step);
                    entries.len() - 1
                }
            };
            entries = match &mut entries[at] {
                Entry::Parent { entries, .. } | Entry::AnyParent { entries, .. } => entries,
                other => return Err(duplicate(other.key())),
            };
        }
        if entries.iter().any(|known| known.key() == entry.key()) {
            return Err(duplicate(&header));
        }
        entries.push(entry);
        Ok(())
    }

    fn entry(
        &self,
        selected: &mut Selected,
        place: &Place,
        shape: Shape,
    ) -> Result<(Entry, usize, FieldType), ApiError> {
        let key = place.name.clone();
        let kind = place.expr.kind();
        if let Expr::Field { node, field } = &place.expr {
            let object = self.names.object(*node);
            if kind.is_compound() {
                if self.ground.options.bulk {
                    return Err(refusal::plain("INVALIDBATCH", "Selecting compound data not supported in Bulk Query"));
                }
                let members = object.fields.iter().filter(|part| part.compound.as_ref() == Some(&field.name));
                let members: Vec<_> = members.cloned().collect();
                let mut parts = Vec::new();
                for (end, shown) in PARTS {
                    // `Loc__Latitude__s` ends in `Latitude__s`.
                    let ends = |part: &&Arc<Field>| part.name.trim_end_matches("__s").ends_with(end);
                    if let Some(part) = members.iter().find(ends) {
                        let column = selected.column(Expr::Field { node: *node, field: part.clone() });
                        parts.push((shown, column, part.clone()));
                    }
                }
                return Ok((Entry::Compound { key, parts }, 0, kind));
            }
            if kind == FieldType::Base64 {
                let id = selected.column(self.field(*node, "Id", 0)?);
                let entry = Entry::Content { key, object: object.name.clone(), id, field: field.name.clone() };
                return Ok((entry, id, kind));
            }
        }
        let expr = self.masked(place.expr.clone());
        let shape = match self.currency_of(&expr).filter(|_| shape == Shape::Format) {
            Some(iso) => Shape::Money(selected.column(iso)),
            None => shape,
        };
        let model = expr.model().cloned();
        let column = selected.column(expr);
        Ok((Entry::Value { key, column, model, shape }, column, kind))
    }

    /// An amount in the user's currency.
    fn converted(&self, function: &Word, expr: Expr) -> Result<Expr, ApiError> {
        match expr {
            Expr::Field { node, field }
                if field.kind == FieldType::Currency && self.names.object(node).has("CurrencyIsoCode") =>
            {
                let day = RateDay::of(&self.names.object(node).name);
                Ok(Expr::Converted { node, field, to: Money::OfUser(self.ground.caller.user_id.clone()), day })
            }
            _ => self.refuse(function.offset, "INVALID_FIELD", "convertCurrency takes a currency field"),
        }
    }

    /// How the currency of an amount is found, in an org of several.
    fn currency_of(&self, expr: &Expr) -> Option<Expr> {
        match expr {
            Expr::Converted { to: Money::OfUser(user), .. } => Some(Expr::UserCurrency { user: user.clone() }),
            Expr::Field { node, field } if field.kind == FieldType::Currency => {
                self.field(*node, "CurrencyIsoCode", 0).ok()
            }
            _ => None,
        }
    }

    fn masked(&self, expr: Expr) -> Expr {
        match expr {
            Expr::Field { node, field }
                if field.kind == FieldType::EncryptedString && !self.ground.caller.can("ViewEncryptedData") =>
            {
                let (kind, mask) = field.mask.clone().unwrap_or_else(|| ("all".to_owned(), "asterisk".to_owned()));
                let mask = if mask == "X" { 'X' } else { '*' };
                Expr::Masked { node, field, last_four: kind == "lastFour", mask }
            }
            other => other,
        }
    }

    /// `toLabel(Status)`, `FORMAT(Amount) f`: a function that shows a field in another way.
    fn call(&mut self, selected: &mut Selected, value: &Named, alias: Option<&Word>) -> Result<(), ApiError> {
        let Named::Call { function, arguments } = value else { unreachable!("paths are handled before") };
        let shape = match function.text.to_ascii_uppercase().as_str() {
            "TOLABEL" => Shape::Label,
            "FORMAT" => Shape::Format,
            "CONVERTCURRENCY" if self.ground.schema.object("CurrencyType").is_some() => Shape::Plain,
            "DISTANCE" => {
                let Some(alias) = alias else {
                    return self.refuse(
                        function.offset,
                        "MALFORMED_QUERY",
                        "DISTANCE in the SELECT list needs an alias",
                    );
                };
                let expr = self.expr(value)?;
                let place = Place { parents: Vec::new(), name: alias.text.clone(), expr };
                return self.add(selected, place, Shape::Plain);
            }
            _ => return self.unknown_function(function),
        };
        let mut converts = shape == Shape::Plain;
        let mut inside = arguments.as_slice();
        if let [Argument::Value(Named::Call { function: inner, arguments })] = inside
            && shape == Shape::Format
            && inner.text.eq_ignore_ascii_case("convertCurrency")
            && self.ground.schema.object("CurrencyType").is_some()
        {
            (converts, inside) = (true, arguments.as_slice());
        }
        let [Argument::Value(Named::Path(path))] = inside else {
            return self.refuse(function.offset, "MALFORMED_QUERY", format!("{} takes one field", function.text));
        };
        let mut place = self.names.place(path)?;
        if converts {
            place.expr = self.converted(function, place.expr)?;
        }
        if let Some(alias) = alias {
            place.parents.clear();
            place.name.clone_from(&alias.text);
        }
        self.add(selected, place, shape)
    }

    fn children(&mut self, selected: &mut Selected, query: &Query) -> Result<(), ApiError> {
        let level = match self.position {
            Position::Top => 1,
            Position::Children { level } => level + 1,
            Position::SemiJoin => {
                return self.refuse(
                    query.from.path.offset(),
                    "MALFORMED_QUERY",
                    "Semi join sub-selects cannot have sub-queries",
                );
            }
        };
        let from = &query.from.path;
        if level > CHILD_LEVELS || selected.children.len() >= MOST_CHILDREN {
            let message = format!("At most {MOST_CHILDREN} sub-queries and {CHILD_LEVELS} levels of them are allowed");
            return self.refuse(from.offset(), "MALFORMED_QUERY", message);
        }
        let parent = self.names.object(0).clone();
        let name = from.0.last().expect("a path has at least one word");
        let named_parent = from.0.len() == 2 && from.0[0].text.eq_ignore_ascii_case(&parent.name);
        let unknown =
            || refusal::no_relationship(self.ground.text, name.offset, &from.text(), "FROM part of query call");
        let child = parent.child(&name.text).filter(|_| from.0.len() == 1 || named_parent).ok_or_else(unknown)?;
        let object = self.ground.caller.object(self.ground.schema, &child.object).ok_or_else(unknown)?;
        let reference = self.ground.caller.field(object, &child.field).ok_or_else(unknown)?.clone();
        let plan = plan(self.ground, query, object.clone(), Position::Children { level })?;
        if plan.kind != Kind::Rows {
            return self.refuse(
                from.offset(),
                "MALFORMED_QUERY",
                "Aggregates are not allowed in a sub-query over a relationship",
            );
        }
        let key = child.relationship_name.clone().unwrap_or_default();
        if selected.entries.iter().any(|known| known.key() == key) {
            return Err(duplicate(&key));
        }
        selected.entries.push(Entry::Children { key, at: selected.children.len() });
        selected.children.push(ChildPlan { plan, reference });
        Ok(())
    }

    fn type_of(&mut self, selected: &mut Selected, choice: &TypeOf) -> Result<(), ApiError> {
        let (node, reference) = self.names.polymorphic(&choice.path)?;
        let key = reference.relationship_name.clone().unwrap_or_default();
        let id = selected.column(Expr::Field { node, field: reference.clone() });
        let mut branches: Vec<(String, Vec<Entry>)> = Vec::new();
        for (word, paths) in &choice.branches {
            let caller = self.ground.caller;
            let target = caller
                .object(self.ground.schema, &word.text)
                .filter(|object| reference.reference_to.contains(&object.name));
            let Some(target) = target else {
                return Err(refusal::no_object(self.ground.text, word.offset, &word.text));
            };
            let mut entries = Vec::new();
            for path in paths {
                let [word] = path.0.as_slice() else { return self.simple_only(path) };
                let field =
                    caller.field(target, &word.text).filter(|field| field.stored() && field.kind != FieldType::Base64);
                let Some(field) = field else {
                    return Err(refusal::no_column(self.ground.text, word.offset, &word.text, &target.name));
                };
                let prefix = target.key_prefix.clone().unwrap_or_default();
                let targets = vec![(prefix, target.name.clone(), field.name.clone())];
                let column =
                    selected.column(Expr::Any { node, reference: reference.clone(), targets, model: field.clone() });
                entries.push(Entry::Value {
                    key: field.name.clone(),
                    column,
                    model: Some(field.clone()),
                    shape: Shape::Plain,
                });
            }
            branches.push((target.name.clone(), entries));
        }
        let mut otherwise = Vec::new();
        for path in &choice.otherwise {
            let [word] = path.0.as_slice() else { return self.simple_only(path) };
            let mut full = choice.path.clone();
            full.0.push(word.clone());
            let place = self.names.place(&full)?;
            let model = place.expr.model().cloned();
            let column = selected.column(place.expr);
            otherwise.push(Entry::Value { key: place.name, column, model, shape: Shape::Plain });
        }
        if selected.entries.iter().any(|known| known.key() == key) {
            return Err(duplicate(&key));
        }
        selected.entries.push(Entry::TypeOf { key, id, branches, otherwise });
        Ok(())
    }

    fn simple_only<T>(&self, path: &Path) -> Result<T, ApiError> {
        let message = format!("Paths inside TYPEOF are not supported by the emulated org: {}", path.text());
        self.refuse(path.offset(), "MALFORMED_QUERY", message)
    }

    fn aggregates(&mut self, selected: &mut Selected, query: &Query, group: &[Expr]) -> Result<(), ApiError> {
        let mut unnamed = 0;
        for item in &query.select {
            let Item::Value { value, alias } = item else {
                return Err(refusal::plain("MALFORMED_QUERY", "Grouped queries select fields and aggregates only"));
            };
            let expr = self.expr(value)?;
            if !expr.is_aggregate() && !group.contains(&expr) {
                let message = format!("Field must be grouped or aggregated: {}", self.written(value));
                return self.refuse(value.offset(), "MALFORMED_QUERY", message);
            }
            let key = match (alias, value) {
                (Some(alias), _) => alias.text.clone(),
                (None, Named::Path(path)) => self.names.place(path)?.name,
                (None, Named::Call { .. }) => {
                    unnamed += 1;
                    format!("expr{}", unnamed - 1)
                }
            };
            if selected.entries.iter().any(|known| known.key().eq_ignore_ascii_case(&key)) {
                return Err(refusal::plain("MALFORMED_QUERY", format!("duplicate alias: {key}")));
            }
            let (model, kind) = (expr.model().cloned(), expr.kind());
            selected.columns.push(expr);
            let column = selected.columns.len() - 1;
            selected.written.push(Written { name: key.clone(), column, kind, own: true });
            selected.entries.push(Entry::Value { key, column, model, shape: Shape::Plain });
        }
        Ok(())
    }

    /// The plan of a semi-join, which selects one Id.
    pub(super) fn semi_join(&mut self, query: &Query) -> Result<Plan, ApiError> {
        let from = &query.from.path;
        let object = self.ground.caller.object(self.ground.schema, &from.text());
        let object = object.ok_or_else(|| refusal::no_object(self.ground.text, from.offset(), &from.text()))?;
        let inner = plan(self.ground, query, object.clone(), Position::SemiJoin)?;
        match inner.written.as_slice() {
            [one] if inner.kind == Kind::Rows && matches!(one.kind, FieldType::Id | FieldType::Reference) => Ok(inner),
            written => {
                let name = written.first().map_or("", |one| one.name.as_str());
                let message = format!("Semi join sub-selects can only query id fields, cannot use: '{name}'");
                self.refuse(from.offset(), "MALFORMED_QUERY", message)
            }
        }
    }
}

fn duplicate(name: &str) -> ApiError {
    refusal::plain("INVALID_FIELD", format!("duplicate field selected: {name}"))
}
