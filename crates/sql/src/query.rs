// SPDX-License-Identifier: Apache-2.0
//! One statement, from text to an answer.

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::common::{DataFusionError, TableReference};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as DataFusionStatement;
use datafusion::sql::sqlparser::ast::{Expr, Select, SelectItem, SetExpr, Statement};
use orgkeep_engine::{Error, Kind, Result};
use orgkeep_vault::OrgVault;

use crate::answer::Answer;
use crate::catalog::{Catalog, HISTORY};
use crate::failure;
use crate::moment::Moment;
use crate::spelling::{Names, Reference, Spelling, single};
use crate::statement::{self, Asked};
use crate::table::{Field, Own, Source, Table};

#[derive(Clone, Debug)]
pub struct Options {
    /// As of when tables are read that do not say it: the number of a backup, or a time. The newest backup by default.
    pub at: Option<String>,
    /// What the query may hold in memory for sorts, joins and groups. Reading takes some megabytes more.
    pub memory_bytes: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { at: None, memory_bytes: 512 << 20 }
    }
}

/// Runs one statement that reads.
///
/// # Errors
/// `Invalid` for a statement that cannot be understood or does more than read, `NotFound` for an object, field or backup that is not
/// there, and what reading the vault gives. What happens only while it runs comes with the rows: `Limited` where the memory does
/// not suffice.
pub async fn query(vault: &OrgVault, sql: &str, options: &Options) -> Result<Answer> {
    let asked = statement::parse(sql)?;
    let at = options.at.as_deref().map(Moment::parse).transpose()?;
    let mut catalog = Catalog::open(vault, at.as_ref()).await?;
    match asked {
        Asked::ShowTables => Ok(show_tables(&catalog)),
        Asked::Describe(name) => Ok(describe(&catalog.table(&single(&name)?.value, None).await?.1)),
        Asked::Query(mut statement) => {
            let called = Called::of(&statement);
            let context = context(options.memory_bytes)?;
            let (tables, mut spelling) = tables(&statement, &mut catalog).await?;
            let (list, mut erased, mut absent) = (vault.erased().await?, Vec::new(), Vec::new());
            for (name, table) in tables {
                absent.extend(table.absent());
                let (object, at) = table.state();
                let gone = list.since(object, at).into_iter().filter(|gone| !erased.contains(gone));
                erased.extend(gone.collect::<Vec<_>>());
                context.register_table(TableReference::bare(name), Arc::new(table)).map_err(failure::explained)?;
            }
            spelling.apply(&mut statement);
            let explains = matches!(*statement, Statement::Explain { .. });
            let plan = context
                .state()
                .statement_to_plan(DataFusionStatement::Statement(statement))
                .await
                .map_err(|error| at_another_time(&error, &absent).unwrap_or_else(|| failure::explained(error)))?;
            let reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
            reads.verify_plan(&plan).map_err(failure::explained)?;
            let columns = called.columns(&plan, &spelling);
            let physical = context.state().create_physical_plan(&plan).await.map_err(failure::explained)?;
            let rows = execute_stream(physical, context.task_ctx()).map_err(failure::explained)?;
            if explains { Answer::explained(rows).await } else { Ok(Answer::new(columns, rows).without(erased)) }
        }
    }
}

/// Of a field that an object has at other backups, but not at this one.
fn at_another_time(error: &DataFusionError, absent: &[(String, String, u64)]) -> Option<Error> {
    let missing = failure::missing(error)?;
    let (field, object, at) = absent.iter().find(|(field, ..)| field.eq_ignore_ascii_case(missing))?;
    Some(
        Error::not_found(format!("{object} has no field {field} at backup {at}"))
            .hint(format!("it has it at others: {object}{HISTORY} has every field that there ever was")),
    )
}

/// The tables of a statement, and one spelling for all names in it.
async fn tables(statement: &Statement, catalog: &mut Catalog) -> Result<(Vec<(String, Table)>, Spelling)> {
    let names = Names::of(statement)?;
    let mut spelling = Spelling::default();
    let mut sources: Vec<(String, Source)> = Vec::new();
    let mut seen: Vec<Reference> = Vec::new();
    for (written, reference) in &names.tables {
        if seen.contains(reference) {
            continue;
        }
        seen.push(reference.clone());
        let (shown, source) = match catalog.table(written, reference.moment.as_ref()).await {
            // The statement's own query of that name is meant.
            Err(error)
                if error.kind() == Kind::NotFound
                    && reference.moment.is_none()
                    && names.queries.contains(&reference.name) =>
            {
                continue;
            }
            found => found?,
        };
        source.fields.iter().for_each(|field| spelling.take(&field.name));
        let name = match reference.moment {
            Some(_) => format!("{shown}@{}", source.at),
            None => shown.clone(),
        };
        spelling.register(reference.clone(), name.clone(), shown);
        if !sources.iter().any(|(there, _)| *there == name) {
            sources.push((name, source));
        }
    }
    for own in Own::OF_HISTORY.into_iter().chain([Own::Misfit]) {
        spelling.take(own.name());
    }
    sources.iter().for_each(|(name, _)| spelling.take(name));
    spelling.take_aliases(&names);
    let tables =
        sources.into_iter().map(|(name, source)| (name, Table::new(source, &names.own, |name| spelling.of(name))));
    Ok((tables.collect(), spelling))
}

fn context(memory_bytes: usize) -> Result<SessionContext> {
    const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::new(3).expect("three is not zero");
    let mut config = SessionConfig::new();
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.parse_float_as_decimal = true;
    let pool = TrackConsumersPool::new(GreedyMemoryPool::new(memory_bytes), NAMED_CONSUMERS);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        // Records would lie on the disk in clear.
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()
        .map_err(failure::explained)?;
    let state =
        SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features().build();
    Ok(SessionContext::new_with_state(state))
}

/// How a person wrote the columns of the result.
struct Called(Option<Vec<Item>>);

enum Item {
    Alias(String),
    /// A field, after its table where that was written.
    Field(Vec<String>),
    Text(String),
}

impl Called {
    fn of(statement: &Statement) -> Called {
        let Statement::Query(query) = statement else { return Called(None) };
        let mut body = query.body.as_ref();
        while let SetExpr::Query(inner) = body {
            body = inner.body.as_ref();
        }
        let SetExpr::Select(select) = body else { return Called(None) };
        Called(items(select))
    }

    /// The names of the columns, all different.
    fn columns(self, plan: &LogicalPlan, spelling: &Spelling) -> Vec<String> {
        let schema = plan.schema();
        // Of a column its name, and a longer one for where the same name occurs again.
        let mut names: Vec<(String, Option<String>)> = match self.0.filter(|items| items.len() == schema.fields().len())
        {
            Some(items) => items
                .into_iter()
                .map(|item| match item {
                    Item::Alias(text) | Item::Text(text) => (text, None),
                    Item::Field(parts) => {
                        let parts: Vec<String> = parts.iter().map(|part| spelling.of(part)).collect();
                        let longer = (parts.len() > 1).then(|| parts.join("."));
                        (parts.last().cloned().unwrap_or_default(), longer)
                    }
                })
                .collect(),
            None => schema
                .iter()
                .map(|(table, field)| {
                    (field.name().clone(), table.map(|table| format!("{}.{}", table.table(), field.name())))
                })
                .collect(),
        };
        let short: Vec<String> = names.iter().map(|(name, _)| name.to_lowercase()).collect();
        for (name, longer) in &mut names {
            let lower = name.to_lowercase();
            if short.iter().filter(|other| **other == lower).count() > 1
                && let Some(longer) = longer.take()
            {
                *name = longer;
            }
        }
        let mut given: Vec<String> = Vec::new();
        for (name, _) in names {
            let free = |candidate: &String| !given.iter().any(|other| other.eq_ignore_ascii_case(candidate));
            let numbered = (2..).map(|number| format!("{name}_{number}"));
            let name = std::iter::once(name.clone()).chain(numbered).find(free).unwrap_or(name);
            given.push(name);
        }
        given
    }
}

/// None where a wildcard stands for some of them.
fn items(select: &Select) -> Option<Vec<Item>> {
    let item = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(Item::Alias(alias.value.clone())),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(Item::Field(vec![ident.value.clone()])),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents)) => {
            Some(Item::Field(idents.iter().map(|ident| ident.value.clone()).collect()))
        }
        SelectItem::UnnamedExpr(expr) => Some(Item::Text(expr.to_string())),
        _ => None,
    };
    select.projection.iter().map(item).collect()
}

fn show_tables(catalog: &Catalog) -> Answer {
    let tables = catalog.default();
    let rows = tables.objects.iter();
    Answer::of_texts(
        &["Table", "Records", "Fields"],
        rows.map(|table| vec![table.object.clone(), table.rows.to_string(), table.fields.len().to_string()]).collect(),
    )
}

fn describe(source: &Source) -> Answer {
    let row = |name: &str, kind: String, meaning: &str| vec![name.to_owned(), kind, meaning.to_owned()];
    let mut rows: Vec<Vec<String>> =
        source.fields.iter().map(|field: &Field| row(&field.name, field.type_name(), "")).collect();
    let own: &[Own] = if source.is_history() { &Own::OF_HISTORY } else { &[Own::Backup] };
    for own in own.iter().chain(&[Own::Misfit]) {
        let meaning = match own {
            Own::Backup => "the backup that captured this version",
            Own::ValidFrom => "when that backup was finished",
            Own::UntilBackup => "the backup that captured the next version",
            Own::ValidTo => "when that one was finished",
            Own::Deleted => "whether the record was gone",
            Own::Misfit => "values that their column could not hold, as JSON; not in *",
        };
        let hidden = *own == Own::Backup && !source.is_history();
        let meaning = if hidden { format!("{meaning}; not in *") } else { meaning.to_owned() };
        rows.push(row(own.name(), own.type_name(), &meaning));
    }
    if !source.is_history() {
        rows.push(row(&format!("{}{HISTORY}", source.object), "table".to_owned(), "every version of each record"));
    }
    Answer::of_texts(&["Column", "Type", "Meaning"], rows)
}
