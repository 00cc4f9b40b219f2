// SPDX-License-Identifier: Apache-2.0
//! Names in a statement, whatever their case.
//!
//! Objects and fields of Salesforce know no case, and the query engine does. So the names of a statement are collected first: its tables,
//! its aliases. Then every name is written in one spelling throughout: that of a field of the tables it reads, else that of an
//! object, else the one in which an alias was first written. Two objects that spell a field in different ways get one
//! spelling as well, since their columns go through the same list. What a person called a column of the result is put back at the end
//! (see `query`). Ids of 15 characters in conditions are given their long form on the way (see `ids`).

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, Statement, TableAlias, TableFactor, Visit, VisitMut, Visitor, VisitorMut,
};
use orgkeep_engine::{Error, Result};

use crate::ids;
use crate::moment::Moment;

/// A table as a statement names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reference {
    /// In lower case.
    pub name: String,
    pub moment: Option<Moment>,
}

/// What a statement names.
#[derive(Default)]
pub(crate) struct Names {
    pub tables: Vec<(String, Reference)>,
    /// Names that it gives to queries of its own, in lower case.
    pub queries: BTreeSet<String>,
    /// Columns that begin with an underscore, in lower case.
    pub own: BTreeSet<String>,
    aliases: Vec<String>,
}

impl Names {
    /// # Errors
    /// `Invalid` for a table with a prefix, and for what is no point in time.
    pub fn of(statement: &Statement) -> Result<Names> {
        let mut names = Names::default();
        match statement.visit(&mut names) {
            ControlFlow::Continue(()) => Ok(names),
            ControlFlow::Break(error) => Err(error),
        }
    }

    fn column(&mut self, ident: &Ident) {
        if ident.value.starts_with('_') {
            self.own.insert(ident.value.to_lowercase());
        }
    }

    fn alias(&mut self, alias: Option<&TableAlias>) {
        if let Some(alias) = alias {
            self.aliases.push(alias.name.value.clone());
            self.aliases.extend(alias.columns.iter().map(|column| column.name.value.clone()));
        }
    }
}

/// The one name that a table has here.
///
/// # Errors
/// `Invalid` for a name of several parts.
pub(crate) fn single(name: &ObjectName) -> Result<&Ident> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Ok(ident),
        _ => Err(Error::invalid(format!("there is no table {name}"))
            .hint("objects are named without a prefix: FROM Account")),
    }
}

impl Visitor for Names {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        for query in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.queries.insert(query.alias.name.value.to_lowercase());
            self.alias(Some(&query.alias));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.aliases.push(alias.value.clone());
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        match factor {
            // The engine would read over it.
            TableFactor::Table { sample: Some(_), .. } => {
                return ControlFlow::Break(
                    Error::invalid("a table is read whole: there is no TABLESAMPLE")
                        .hint("narrow it by WHERE or LIMIT"),
                );
            }
            TableFactor::Table { name, alias, args: None, version, .. } => {
                self.alias(alias.as_ref());
                let reference = || -> Result<(String, Reference)> {
                    let moment = version.as_ref().map(Moment::of).transpose()?;
                    let written = single(name)?.value.clone();
                    Ok((written.clone(), Reference { name: written.to_lowercase(), moment }))
                };
                match reference() {
                    Ok(reference) => self.tables.push(reference),
                    Err(error) => return ControlFlow::Break(error),
                }
            }
            TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } => self.alias(alias.as_ref()),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        match expr {
            Expr::Identifier(ident) => self.column(ident),
            Expr::CompoundIdentifier(idents) => idents.iter().for_each(|ident| self.column(ident)),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// One spelling for each name.
#[derive(Default)]
pub(crate) struct Spelling {
    by_lower_case: HashMap<String, String>,
    /// What each table is registered as.
    tables: HashMap<Reference, Registered>,
}

#[derive(Clone)]
struct Registered {
    name: String,
    /// What its columns are qualified with, where the statement gives it no alias.
    shown: String,
}

impl Spelling {
    /// Takes a name in, unless it has a spelling.
    pub fn take(&mut self, name: &str) {
        self.by_lower_case.entry(name.to_lowercase()).or_insert_with(|| name.to_owned());
    }

    pub fn take_aliases(&mut self, names: &Names) {
        names.aliases.iter().for_each(|alias| self.take(alias));
    }

    pub fn register(&mut self, reference: Reference, name: String, shown: String) {
        self.tables.insert(reference, Registered { name, shown });
    }

    pub fn of(&self, name: &str) -> String {
        self.by_lower_case.get(&name.to_lowercase()).cloned().unwrap_or_else(|| name.to_owned())
    }

    pub fn apply(&mut self, statement: &mut Statement) {
        // Nothing in it breaks off.
        let _ = statement.visit(self);
    }

    fn spell(&self, ident: &mut Ident) {
        ident.value = self.of(&ident.value);
    }

    fn spell_name(&self, name: &mut ObjectName) {
        for part in &mut name.0 {
            if let ObjectNamePart::Identifier(ident) = part {
                self.spell(ident);
            }
        }
    }

    fn spell_alias(&self, alias: Option<&mut TableAlias>) {
        if let Some(alias) = alias {
            self.spell(&mut alias.name);
            alias.columns.iter_mut().for_each(|column| self.spell(&mut column.name));
        }
    }
}

impl VisitorMut for Spelling {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for query in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            self.spell_alias(Some(&mut query.alias));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        drop_repeated(&mut select.projection);
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => self.spell(alias),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    self.spell_name(name);
                }
                _ => {}
            }
        }
        for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
            if let Some(JoinConstraint::Using(names)) = constraint(&mut join.join_operator) {
                names.iter_mut().for_each(|name| self.spell_name(name));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, alias, args: None, version, .. } => {
                self.spell_alias(alias.as_mut());
                // Both were understood when the names were collected.
                let moment = version.as_ref().and_then(|version| Moment::of(version).ok());
                let written = single(name).map(|ident| ident.value.to_lowercase()).unwrap_or_default();
                match self.tables.get(&Reference { name: written, moment }).cloned() {
                    Some(registered) => {
                        if registered.name != registered.shown && alias.is_none() {
                            *alias = Some(TableAlias {
                                explicit: true,
                                name: Ident::with_quote('"', &registered.shown),
                                columns: Vec::new(),
                                at: None,
                            });
                        }
                        *name = ObjectName::from(vec![Ident::with_quote('"', registered.name)]);
                    }
                    None => self.spell_name(name),
                }
                *version = None;
            }
            TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } => self.spell_alias(alias.as_mut()),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// The names in it have their spelling by now, which tells the fields of Ids.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        ids::widen(expr);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.spell(ident),
            Expr::CompoundIdentifier(idents) => idents.iter_mut().for_each(|ident| self.spell(ident)),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn constraint(join: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match join {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint) => Some(constraint),
        _ => None,
    }
}

/// A column of the vault's own that a statement names is in its `*` as well: `SELECT *, _backup` names it a second time.
fn drop_repeated(items: &mut Vec<SelectItem>) {
    let whole: Vec<Option<String>> = items
        .iter()
        .filter_map(|item| match item {
            SelectItem::Wildcard(_) => Some(None),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                Some(Some(name.to_string().to_lowercase()))
            }
            _ => None,
        })
        .collect();
    items.retain(|item| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) if ident.value.starts_with('_') => whole.is_empty(),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents)) => match idents.as_slice() {
            [table, column] if column.value.starts_with('_') => {
                let table = table.to_string().to_lowercase();
                !whole.iter().any(|of| of.as_ref().is_none_or(|of| *of == table))
            }
            _ => true,
        },
        _ => true,
    });
}
