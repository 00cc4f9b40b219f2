// SPDX-License-Identifier: Apache-2.0
//! What differs between two streams of rows sorted by Id: the operation under compare, backup and restore.
//!
//! Both streams are read side by side, once, in bounded memory, each some batches ahead by a task of its own. Values are compared, not
//! their storage: columns are matched by name, a column that one side lacks is null there, and columns of different types are compared as
//! text.
//! The same captured version of a record on both sides is the same without a look at its fields.

use std::cmp::Ordering;
use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt};
use tokio_util::task::AbortOnDropHandle;

use crate::batch::{Batch, same_value};
use crate::error::Result;
use crate::runs::BatchStream;
use crate::sorter::stopped;

/// One row of a batch.
#[derive(Debug, Clone)]
pub struct Row {
    pub batch: Arc<Batch>,
    pub row: usize,
}

impl Row {
    pub fn id(&self) -> &str {
        self.batch.id(self.row)
    }
}

/// How one record differs between left and right.
#[derive(Debug, Clone)]
pub enum Change {
    Added { right: Row },
    Removed { left: Row },
    Changed { left: Row, right: Row, fields: Vec<String> },
    Same { left: Row, right: Row },
}

struct Side {
    rows: BatchStream,
    batch: Option<Arc<Batch>>,
    row: usize,
}

impl Side {
    async fn current(&mut self) -> Result<Option<Row>> {
        while self.batch.as_ref().is_none_or(|batch| self.row >= batch.len()) {
            match self.rows.next().await.transpose()? {
                Some(batch) => {
                    self.batch = Some(Arc::new(batch));
                    self.row = 0;
                }
                None => return Ok(None),
            }
        }
        Ok(self.batch.as_ref().map(|batch| Row { batch: batch.clone(), row: self.row }))
    }
}

struct Merge {
    left: Side,
    right: Side,
    fields: Option<Fields>,
}

/// The changes from `left` to `right`, in order of Id, unchanged records among them. Reads in tasks of the runtime that it is called in.
pub fn merge(left: BatchStream, right: BatchStream) -> BoxStream<'static, Result<Change>> {
    let side = |rows| Side { rows: ahead(rows), batch: None, row: 0 };
    let merge = Merge { left: side(left), right: side(right), fields: None };
    futures::stream::try_unfold(merge, |mut merge| async move { Ok(merge.next().await?.map(|change| (change, merge))) })
        .boxed()
}

/// Reads on while a batch is looked at: one waits, and one is made.
fn ahead(mut rows: BatchStream) -> BatchStream {
    let (give, take) = tokio::sync::mpsc::channel(1);
    let reading = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Some(batch) = rows.next().await {
            if give.send(batch).await.is_err() {
                break;
            }
        }
    }));
    futures::stream::unfold(Some((take, reading)), |state| async move {
        let (mut take, reading) = state?;
        match take.recv().await {
            Some(batch) => Some((batch, Some((take, reading)))),
            // At the end, or because reading panicked.
            None => reading.await.err().map(|error| (Err(stopped(error)), None)),
        }
    })
    .fuse()
    .boxed()
}

impl Merge {
    async fn next(&mut self) -> Result<Option<Change>> {
        let order = match (self.left.current().await?, self.right.current().await?) {
            (None, None) => return Ok(None),
            (Some(left), None) => (Ordering::Less, Some(left), None),
            (None, Some(right)) => (Ordering::Greater, None, Some(right)),
            (Some(left), Some(right)) => (left.id().cmp(right.id()), Some(left), Some(right)),
        };
        Ok(match order {
            (Ordering::Less, Some(left), _) => {
                self.left.row += 1;
                Some(Change::Removed { left })
            }
            (Ordering::Greater, _, Some(right)) => {
                self.right.row += 1;
                Some(Change::Added { right })
            }
            (_, Some(left), Some(right)) => {
                self.left.row += 1;
                self.right.row += 1;
                Some(self.compare(left, right))
            }
            // The side that the order names is the one that is there.
            _ => None,
        })
    }

    fn compare(&mut self, left: Row, right: Row) -> Change {
        let same_version = left.batch.origin().is_some()
            && left.batch.origin() == right.batch.origin()
            && left.batch.backup(left.row) == right.batch.backup(right.row)
            && left.batch.backup(left.row) != 0;
        if same_version {
            return Change::Same { left, right };
        }
        let fresh = !self
            .fields
            .as_ref()
            .is_some_and(|fields| Arc::ptr_eq(&fields.left, &left.batch) && Arc::ptr_eq(&fields.right, &right.batch));
        if fresh {
            self.fields = Some(Fields::new(left.batch.clone(), right.batch.clone()));
        }
        let fields = self.fields.as_ref().expect("it was just made").differing(left.row, right.row);
        if fields.is_empty() { Change::Same { left, right } } else { Change::Changed { left, right, fields } }
    }
}

type SameValue = Box<dyn Fn(usize, usize) -> bool + Send>;

enum Compared {
    /// Both sides have the column with one type.
    Typed(usize, usize, SameValue),
    /// The types differ, or one side lacks the column.
    AsText(Option<usize>, Option<usize>),
}

/// The comparison of two batches, made once for all their rows.
struct Fields {
    left: Arc<Batch>,
    right: Arc<Batch>,
    columns: Vec<(String, Compared)>,
}

impl Fields {
    fn new(left: Arc<Batch>, right: Arc<Batch>) -> Fields {
        let mut columns = Vec::new();
        for (at, column) in left.schema().columns().iter().enumerate() {
            let other = right.column_index(&column.name);
            let compared = match other {
                Some(other) if right.schema().columns()[other].kind == column.kind => {
                    let (a, b) = (left.record_batch().column(at), right.record_batch().column(other));
                    Compared::Typed(at, other, same_value(column.kind, a, b))
                }
                other => Compared::AsText(Some(at), other),
            };
            columns.push((column.name.clone(), compared));
        }
        for (at, column) in right.schema().columns().iter().enumerate() {
            if left.column_index(&column.name).is_none() {
                columns.push((column.name.clone(), Compared::AsText(None, Some(at))));
            }
        }
        Fields { left, right, columns }
    }

    fn differing(&self, left: usize, right: usize) -> Vec<String> {
        use arrow_array::Array as _;
        let misfits = self.left.misfits().is_valid(left) || self.right.misfits().is_valid(right);
        let text = |batch: &Arc<Batch>, row, column: Option<usize>| {
            column.and_then(|column| batch.text(row, column).map(std::borrow::Cow::into_owned))
        };
        let differs = |compared: &Compared| match compared {
            Compared::Typed(a, b, same) if misfits => {
                // A null may stand for a value that did not fit.
                !same(left, right) || text(&self.left, left, Some(*a)) != text(&self.right, right, Some(*b))
            }
            Compared::Typed(_, _, same) => !same(left, right),
            Compared::AsText(a, b) => text(&self.left, left, *a) != text(&self.right, right, *b),
        };
        self.columns.iter().filter(|(_, compared)| differs(compared)).map(|(name, _)| name.clone()).collect()
    }
}
