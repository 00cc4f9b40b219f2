// SPDX-License-Identifier: Apache-2.0
//! The plan's leaf: rows of one table out of the vault, sorted by Id, only the columns and records that are needed.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result, Statistics, tree_node::TreeNodeRecursion};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions, SendableRecordBatchStream,
};
use futures::stream::{self, StreamExt, TryStreamExt};
use orgkeep_vault::{Batch, BatchStream};

use crate::history::Successors;
use crate::table::{Column, Contents, Own, Source, rows};

pub(crate) struct Scan {
    source: Arc<Source>,
    columns: Vec<Column>,
    schema: SchemaRef,
    ids: Option<Vec<String>>,
    properties: Arc<PlanProperties>,
}

impl Scan {
    pub fn new(source: Arc<Source>, columns: Vec<Column>, schema: SchemaRef, ids: Option<Vec<String>>) -> Scan {
        // Bytewise by Id, and no row is without one.
        let id = columns.iter().position(|column| *column == Column::Field("Id".to_owned()));
        let sorted = id.map(|index| {
            let name = schema.field(index).name();
            let ascending = datafusion::arrow::compute::SortOptions { descending: false, nulls_first: false };
            vec![PhysicalSortExpr::new(Arc::new(ColumnExpr::new(name, index)), ascending)]
        });
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(schema.clone(), sorted),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Scan { source, columns, schema, ids, properties: Arc::new(properties) }
    }

    fn read(&self) -> orgkeep_vault::Scan {
        let mut fields: Vec<String> = vec!["Id".to_owned()];
        for column in &self.columns {
            if let Column::Field(name) = column
                && !fields.contains(name)
            {
                fields.push(name.clone());
            }
        }
        orgkeep_vault::Scan { columns: Some(fields), ids: self.ids.clone(), ..orgkeep_vault::Scan::default() }
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "{:?}: [{}]", self.source, names.join(", "))?;
        match &self.ids {
            Some(ids) if ids.len() == 1 => write!(f, ", 1 Id"),
            Some(ids) => write!(f, ", {} Ids", ids.len()),
            None => Ok(()),
        }
    }
}

impl DisplayAs for Scan {
    fn fmt_as(&self, _form: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault: {self:?}")
    }
}

impl ExecutionPlan for Scan {
    fn name(&self) -> &'static str {
        "Vault"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _apply: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (source, read) = (self.source.clone(), self.read());
        let open = async move {
            let rows: BatchStream = match &source.contents {
                Contents::Nothing { .. } => stream::empty().boxed(),
                Contents::State => source.vault.scan(&source.object, source.at, read).await.map_err(outside)?,
                Contents::History(_) => {
                    let (columns, ids) = (read.columns, read.ids);
                    source.vault.versions_until(&source.object, source.at, columns, ids).await.map_err(outside)?
                }
            };
            Ok::<_, DataFusionError>(rows.map_err(outside))
        };
        let (columns, schema) = (self.columns.clone(), self.schema.clone());
        let mut successors = match &self.source.contents {
            Contents::History(times) => Some(Successors::new(times.clone())),
            _ => None,
        };
        let given = stream::once(open)
            .try_flatten()
            .map(move |batch| batch.and_then(|batch| give(&batch, &columns, &schema, successors.as_mut())))
            .boxed();
        Ok(Box::pin(cooperative(RecordBatchStreamAdapter::new(self.schema.clone(), given))))
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], _args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(Arc::new(match self.ids {
            Some(_) => Statistics::new_unknown(&self.schema),
            None => rows(&self.source, &self.schema),
        }))
    }
}

fn outside(error: orgkeep_vault::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The columns of a batch that the plan asked for.
fn give(
    batch: &Batch,
    columns: &[Column],
    schema: &SchemaRef,
    successors: Option<&mut Successors>,
) -> Result<RecordBatch> {
    let spans = successors.map(|successors| successors.of(batch));
    let stored = batch.record_batch();
    let own = |name: &str| stored.column_by_name(name).cloned();
    let arrays: Vec<ArrayRef> = columns
        .iter()
        .map(|column| {
            let array = match (column, &spans) {
                (Column::Field(name), _) => stored.column_by_name(name).cloned(),
                (Column::Own(column @ (Own::Misfit | Own::Backup | Own::Deleted)), _) => own(column.name()),
                (Column::Own(Own::ValidFrom), Some(spans)) => Some(spans.valid_from.clone()),
                (Column::Own(Own::ValidTo), Some(spans)) => Some(spans.valid_to.clone()),
                (Column::Own(Own::UntilBackup), Some(spans)) => Some(spans.until_backup.clone()),
                (Column::Own(_), None) => None,
            };
            array.ok_or_else(|| DataFusionError::Internal(format!("rows of the vault came without {column:?}")))
        })
        .collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?)
}
