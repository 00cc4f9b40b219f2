// SPDX-License-Identifier: Apache-2.0
//! Errors of the query engine as errors of this product: what is wrong with the query, in words that lead on.

use std::error::Error as StdError;
use std::sync::Arc;

use datafusion::common::{Column, DataFusionError, SchemaError};
use orgkeep_engine::{Error, Kind, nearest};

pub(crate) fn explained(error: DataFusionError) -> Error {
    if let Some(error) = of_the_vault(&error) {
        return error;
    }
    match error.find_root() {
        DataFusionError::SchemaError(error, _) => names(error),
        DataFusionError::ResourcesExhausted(why) => {
            Error::new(Kind::Limited, format!("the query needs more memory than it may use: {}", first_line(why)))
                .hint("raise --memory, or ask for less: fewer columns, a WHERE, a LIMIT beside ORDER BY; nothing is put on disk, where it would lie in clear")
        }
        DataFusionError::Internal(why) => Error::bug(format!("the query engine failed: {}", first_line(why))),
        DataFusionError::Plan(why) if why.contains("unique expression names") => {
            Error::invalid("two columns of a SELECT have the same name").hint("give one of them another with AS")
        }
        DataFusionError::Plan(why) | DataFusionError::Configuration(why) => {
            Error::invalid(format!("the query makes no sense: {}", first_line(why)))
        }
        DataFusionError::NotImplemented(why) => Error::invalid(format!("the query engine cannot do this: {}", first_line(why))),
        other => Error::invalid(format!("the query cannot be answered: {}", first_line(&other.strip_backtrace()))),
    }
}

/// The column that a query names and no table has.
pub(crate) fn missing(error: &DataFusionError) -> Option<&str> {
    match error.find_root() {
        DataFusionError::SchemaError(error, _) => match error.as_ref() {
            SchemaError::FieldNotFound { field, .. } => Some(field.name.as_str()),
            _ => None,
        },
        _ => None,
    }
}

/// The vault's own error, wherever it lies.
fn of_the_vault(error: &(dyn StdError + 'static)) -> Option<Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<orgkeep_vault::Error>() {
            let kind = match found.kind() {
                orgkeep_vault::Kind::Invalid => Kind::Invalid,
                orgkeep_vault::Kind::NotFound => Kind::NotFound,
                orgkeep_vault::Kind::Busy => Kind::Busy,
                orgkeep_vault::Kind::Denied => Kind::Denied,
                orgkeep_vault::Kind::Limited => Kind::Limited,
                orgkeep_vault::Kind::Unreachable => Kind::Unreachable,
                orgkeep_vault::Kind::Corrupt => Kind::Corrupt,
                orgkeep_vault::Kind::Bug => Kind::Bug,
            };
            let error = Error::new(kind, found.chain());
            return Some(match found.next_step() {
                Some(hint) => error.hint(hint),
                None => error,
            });
        }
        if let Some(shared) = error.downcast_ref::<Arc<DataFusionError>>() {
            return of_the_vault(shared.as_ref());
        }
        next = match error.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
            _ => error.source(),
        };
    }
    None
}

fn names(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => not_found(field, valid_fields),
        SchemaError::AmbiguousReference { field } => {
            let name = &field.name;
            Error::invalid(format!("{name} is a column of more than one table here"))
                .hint(format!("write it after the name of the table, or its alias: Account.{name}"))
        }
        other => Error::invalid(format!("the query makes no sense: {}", first_line(&other.to_string())))
            .hint("give one of the two another name with AS"),
    }
}

fn not_found(field: &Column, valid: &[Column]) -> Error {
    let table = field.relation.as_ref().map(|table| table.table());
    let known = |column: &&Column| {
        table.is_none_or(|table| column.relation.as_ref().is_some_and(|relation| relation.table() == table))
    };
    let of_table: Vec<&str> = valid.iter().filter(known).map(|column| column.name.as_str()).collect();
    if let (Some(table), true) = (table, of_table.is_empty()) {
        return Error::not_found(format!("there is no table or alias {table} for {table}.{}", field.name)).hint(format!(
            "SQL follows no relationships: JOIN the object that {table} refers to, by its Id; and text stands in single quotes"
        ));
    }
    let mut tables: Vec<&str> = Vec::new();
    for column in valid.iter().filter(known) {
        if let Some(relation) = &column.relation
            && !tables.contains(&relation.table())
        {
            tables.push(relation.table());
        }
    }
    let of = if tables.is_empty() { String::new() } else { format!(" of {}", tables.join(", ")) };
    let error = Error::not_found(format!("there is no column {}{of}", field.name));
    let list = tables.first().map_or_else(String::new, |table| format!("; DESCRIBE {table} lists all columns"));
    match nearest(&field.name, of_table) {
        Some(near) => error.hint(format!("did you mean {near}{list}")),
        None if list.is_empty() => error.hint("text stands in single quotes"),
        None => error.hint(format!("text stands in single quotes{list}")),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
