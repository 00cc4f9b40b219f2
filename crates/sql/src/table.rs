// SPDX-License-Identifier: Apache-2.0
//! An object as a table for the query engine: its columns, which of them and which records a query needs.
//!
//! The vault's own columns begin with an underscore and are there only for a statement that names them, so that `SELECT *` gives the
//! object's fields. A history has more of them (see `history`), of which all but `_misfit` are always there.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use orgkeep_vault::{ColumnType, OrgVault};

use crate::history::Times;
use crate::scan::Scan;

/// What of an object a table has.
#[derive(Clone)]
pub(crate) enum Contents {
    /// It never had a record, so the vault has no table of it.
    Nothing { is_history: bool },
    /// The live records.
    State,
    /// Every version of each record.
    History(Arc<Times>),
}

/// A field of an object as a column.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub name: String,
    pub kind: ColumnType,
}

impl Field {
    pub fn of(column: &orgkeep_vault::Column) -> Field {
        Field { name: column.name.clone(), kind: column.kind }
    }

    pub fn text(name: &str) -> Field {
        Field { name: name.to_owned(), kind: ColumnType::Text }
    }

    /// As SQL names its type.
    pub fn type_name(&self) -> String {
        match self.kind {
            ColumnType::Boolean => "boolean".to_owned(),
            ColumnType::Integer => "bigint".to_owned(),
            ColumnType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            ColumnType::Double => "double".to_owned(),
            ColumnType::Date => "date".to_owned(),
            ColumnType::Timestamp => "timestamp".to_owned(),
            ColumnType::Text => "text".to_owned(),
        }
    }
}

/// Where the rows of a table come from.
pub(crate) struct Source {
    pub vault: OrgVault,
    pub object: String,
    pub at: u64,
    pub contents: Contents,
    pub fields: Vec<Field>,
    /// Fields that the object had at other backups.
    pub absent: Vec<String>,
    /// Live records, as the backup counted them.
    pub rows: u64,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Field(String),
    Own(Own),
}

/// A column that is the vault's, not the object's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Values that did not fit their columns, as JSON.
    Misfit,
    /// The backup that captured this version.
    Backup,
    /// When that backup was finished.
    ValidFrom,
    /// The backup that captured the next version.
    UntilBackup,
    /// When that one was finished.
    ValidTo,
    /// Whether the record was gone.
    Deleted,
}

impl Own {
    /// Those of a history, last but one; `_misfit` is there for who names it.
    pub const OF_HISTORY: [Own; 5] = [Own::Backup, Own::ValidFrom, Own::UntilBackup, Own::ValidTo, Own::Deleted];
    const FOR_WHO_NAMES_THEM: [Own; 2] = [Own::Backup, Own::Misfit];

    pub fn name(self) -> &'static str {
        match self {
            Own::Misfit => "_misfit",
            Own::Backup => "_backup",
            Own::ValidFrom => "_valid_from",
            Own::UntilBackup => "_until_backup",
            Own::ValidTo => "_valid_to",
            Own::Deleted => "_deleted",
        }
    }

    fn kind(self) -> ColumnType {
        match self {
            Own::Misfit => ColumnType::Text,
            Own::Backup | Own::UntilBackup => ColumnType::Integer,
            Own::ValidFrom | Own::ValidTo => ColumnType::Timestamp,
            Own::Deleted => ColumnType::Boolean,
        }
    }

    pub fn type_name(self) -> String {
        Field { name: String::new(), kind: self.kind() }.type_name()
    }
}

impl Source {
    pub fn is_history(&self) -> bool {
        matches!(self.contents, Contents::History(_) | Contents::Nothing { is_history: true })
    }

    /// The columns in their order; of the vault's own those that are always there and those in `named`.
    fn columns(&self, named: &BTreeSet<String>) -> Vec<(Column, ColumnType)> {
        let mut columns: Vec<(Column, ColumnType)> =
            self.fields.iter().map(|field| (Column::Field(field.name.clone()), field.kind)).collect();
        let mut own: Vec<Own> = if self.is_history() { Own::OF_HISTORY.to_vec() } else { Vec::new() };
        own.extend(Own::FOR_WHO_NAMES_THEM.into_iter().filter(|own| named.contains(own.name())));
        let mut there: Vec<Own> = Vec::new();
        for own in own {
            if !there.contains(&own) {
                there.push(own);
                columns.push((Column::Own(own), own.kind()));
            }
        }
        columns
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{} at backup {}",
            self.object,
            if self.is_history() { crate::catalog::HISTORY } else { "" },
            self.at
        )
    }
}

#[derive(Debug)]
pub(crate) struct Table {
    source: Arc<Source>,
    columns: Vec<Column>,
    schema: SchemaRef,
}

impl Table {
    /// `spelled` gives a field the name that the statement knows it by.
    pub fn new(source: Source, named: &BTreeSet<String>, spelled: impl Fn(&str) -> String) -> Table {
        let columns = source.columns(named);
        let fields: Vec<ArrowField> = columns
            .iter()
            .map(|(column, kind)| {
                let name = match column {
                    Column::Field(name) => spelled(name),
                    Column::Own(own) => own.name().to_owned(),
                };
                ArrowField::new(name, kind.arrow(), true)
            })
            .collect();
        let columns = columns.into_iter().map(|(column, _)| column).collect();
        Table { source: Arc::new(source), columns, schema: Arc::new(Schema::new(fields)) }
    }

    /// The object and the backup that it is read at.
    pub fn state(&self) -> (&str, u64) {
        (&self.source.object, self.source.at)
    }

    /// Fields that are not there at this point: their names, the object's, the backup.
    pub fn absent(&self) -> impl Iterator<Item = (String, String, u64)> {
        self.source.absent.iter().map(|field| (field.clone(), self.source.object.clone(), self.source.at))
    }
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (columns, schema) = match projection {
            None => (self.columns.clone(), self.schema.clone()),
            Some(wanted) => {
                let columns = wanted.iter().map(|index| self.columns[*index].clone()).collect();
                (columns, Arc::new(self.schema.project(wanted)?))
            }
        };
        let ids = filters.iter().filter_map(ids_of).reduce(|a, b| a.intersection(&b).cloned().collect());
        Ok(Arc::new(Scan::new(self.source.clone(), columns, schema, ids.map(|ids| ids.into_iter().collect()))))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // The filter stays: which records are read follows from it, which rows are given does not.
        let answer = |filter: &&Expr| match ids_of(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(answer).collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(rows(&self.source, &self.schema))
    }
}

/// Never exact: a backup's count is from before erasures, and a history has more rows than records.
pub(crate) fn rows(source: &Source, schema: &Schema) -> Statistics {
    let rows = usize::try_from(source.rows).unwrap_or(usize::MAX);
    Statistics { num_rows: Precision::Inexact(rows), ..Statistics::new_unknown(schema) }
}

/// The Ids outside of which no record satisfies a condition; none where it does not bound them.
fn ids_of(condition: &Expr) -> Option<BTreeSet<String>> {
    let is_id = |expr: &Expr| matches!(expr, Expr::Column(column) if column.name == "Id");
    let text = |expr: &Expr| match expr {
        Expr::Literal(
            ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)),
            _,
        ) => Some(text.clone()),
        _ => None,
    };
    match condition {
        Expr::BinaryExpr(both) => match both.op {
            Operator::Eq if is_id(&both.left) => text(&both.right).map(|id| BTreeSet::from([id])),
            Operator::Eq if is_id(&both.right) => text(&both.left).map(|id| BTreeSet::from([id])),
            Operator::And => match (ids_of(&both.left), ids_of(&both.right)) {
                (Some(a), Some(b)) => Some(a.intersection(&b).cloned().collect()),
                (a, b) => a.or(b),
            },
            Operator::Or => {
                let (mut a, b) = (ids_of(&both.left)?, ids_of(&both.right)?);
                a.extend(b);
                Some(a)
            }
            _ => None,
        },
        Expr::InList(list) if !list.negated && is_id(&list.expr) => list.list.iter().map(text).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::prelude::{col, lit};

    #[test]
    fn only_conditions_that_bound_the_ids_are_taken() {
        let id = || Expr::Column(datafusion::common::Column::from_name("Id"));
        let ids = |condition: Expr| ids_of(&condition).map(|ids| ids.into_iter().collect::<Vec<_>>().join(" "));
        assert_eq!(ids(id().eq(lit("a"))).as_deref(), Some("a"));
        assert_eq!(ids(lit("a").eq(id()).or(id().eq(lit("b")))).as_deref(), Some("a b"));
        assert_eq!(
            ids(id().in_list(vec![lit("a"), lit("b")], false).and(id().not_eq(lit("b")))).as_deref(),
            Some("a b")
        );
        assert_eq!(ids(id().in_list(vec![lit("a"), lit("b")], false).and(id().eq(lit("b")))).as_deref(), Some("b"));
        assert_eq!(ids(id().eq(lit("a")).or(col("Name").eq(lit("b")))), None);
        assert_eq!(ids(id().in_list(vec![lit("a")], true)), None);
        assert_eq!(ids(id().gt(lit("a"))), None);
    }
}
