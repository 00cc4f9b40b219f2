// SPDX-License-Identifier: Apache-2.0
//! The data files that a capture adds to a table, written as rows come in order of Id.
//!
//! Rows are collected until they fill a file, then stored. Files are stored one after the other; they
//! belong to the table only once a commit names them.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::batch::Batch;
use crate::datafile;
use crate::error::Result;
use crate::log::{DataFile, Log};
use crate::runs::Picks;
use crate::sorter;

/// Memory of the rows of one data file. Small beside a table of a million records, so that what has to be written anew when a
/// few records are taken out of it is a small part of it.
pub(crate) const FILE_BYTES: usize = 2 * 1024 * 1024;

/// Writes rows that come in order of Id as data files of a table.
pub(crate) struct Output {
    log: Log,
    pub(crate) sequence: u64,
    pub(crate) version: u64,
    pub(crate) part: u64,
    /// Whether rows get the sequence as their `_backup`; else they keep what they have.
    numbered: bool,
    picks: Picks,
    held: VecDeque<Batch>,
    held_bytes: usize,
    pub(crate) files: Vec<DataFile>,
}

impl Output {
    pub(crate) fn new(log: Log, sequence: u64, version: u64, numbered: bool) -> Output {
        Output {
            log,
            sequence,
            version,
            part: 0,
            numbered,
            picks: Picks::default(),
            held: VecDeque::new(),
            held_bytes: 0,
            files: Vec::new(),
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    pub(crate) async fn pick(&mut self, batch: &Arc<Batch>, row: usize) -> Result<()> {
        self.picks.push(batch, row, row + 1);
        if self.picks.full() { self.flush_picks().await } else { Ok(()) }
    }

    async fn flush_picks(&mut self) -> Result<()> {
        if self.picks.is_empty() {
            return Ok(());
        }
        let batch = self.picks.take()?;
        self.keep(batch).await
    }

    pub(crate) async fn push(&mut self, batch: Batch) -> Result<()> {
        if batch.len() == 1 {
            return self.pick(&Arc::new(batch), 0).await;
        }
        self.flush_picks().await?;
        self.keep(batch).await
    }

    async fn keep(&mut self, batch: Batch) -> Result<()> {
        let mut rest = if self.numbered { batch.numbered(self.sequence) } else { batch };
        while !rest.is_empty() {
            let room = FILE_BYTES.saturating_sub(self.held_bytes) / rest.memory_bytes_per_row().max(1) + 1;
            let part = rest.slice(0, room.min(rest.len()));
            rest = rest.slice(part.len(), rest.len() - part.len());
            self.held_bytes += part.memory_bytes();
            self.held.push_back(part);
            if self.held_bytes >= FILE_BYTES {
                self.store_held().await?;
            }
        }
        Ok(())
    }

    async fn store_held(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        let batches: Vec<_> = held.iter().map(|batch| batch.record_batch().clone()).collect();
        drop(held);
        let encoded =
            tokio::task::spawn_blocking(move || datafile::encode(&batches, true)).await.map_err(sorter::stopped)??;
        self.files.push(self.log.put_file(encoded, self.sequence, self.version, self.part).await?);
        self.part += 1;
        Ok(())
    }

    pub(crate) async fn finish(&mut self) -> Result<Vec<DataFile>> {
        self.flush_picks().await?;
        self.store_held().await?;
        Ok(std::mem::take(&mut self.files))
    }
}
