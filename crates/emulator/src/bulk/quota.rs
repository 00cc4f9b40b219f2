// SPDX-License-Identifier: Apache-2.0
//! What Bulk may do in 24 hours (`salesforce-api.md` 3.3): query jobs of 2.0, batches of both APIs together, rows of
//! ingest jobs. Rolling windows, as the daily allowance of calls; the texts of what is used up are those of the limits
//! page, no recorded answer is known.

use crate::error::ApiError;
use crate::log::Usage;

const BATCHES_MAX: u64 = 15_000;
const QUERY_JOBS_MAX: u64 = 10_000;
const ROWS_MAX: u64 = 150_000_000;

/// The allowances of an org.
#[derive(Debug)]
pub struct Quotas {
    pub batches: Usage,
    pub query_jobs: Usage,
    pub rows: Usage,
}

impl Default for Quotas {
    fn default() -> Quotas {
        let fresh = |max: u64| {
            let mut usage = Usage::default();
            usage.set(0, 0, max);
            usage
        };
        Quotas { batches: fresh(BATCHES_MAX), query_jobs: fresh(QUERY_JOBS_MAX), rows: fresh(ROWS_MAX) }
    }
}

impl Quotas {
    /// Names of `/limits`, what is used and what is allowed.
    pub fn shown(&mut self, now_ms: i64) -> [(&'static str, u64, u64); 2] {
        let of = |usage: &mut Usage| (usage.used(now_ms), usage.max());
        let ((batches, batches_max), (jobs, jobs_max)) = (of(&mut self.batches), of(&mut self.query_jobs));
        [("DailyBulkApiBatches", batches, batches_max), ("DailyBulkV2QueryJobs", jobs, jobs_max)]
    }

    /// Counts one query job.
    ///
    /// # Errors
    /// 400 `LIMIT_EXCEEDED` when none is left.
    pub fn take_query_job(&mut self, now_ms: i64) -> Result<(), ApiError> {
        if self.query_jobs.used(now_ms) >= self.query_jobs.max() {
            let text =
                "ExceededQuota : Bulk API 2.0 query jobs exceeded the allowed number for the past 24-hour period";
            return Err(ApiError::new(400, "LIMIT_EXCEEDED", text));
        }
        self.query_jobs.add(now_ms, 1);
        Ok(())
    }

    /// Counts one batch of so many rows.
    ///
    /// # Errors
    /// The message of the job or batch that is refused.
    pub fn take_batch(&mut self, now_ms: i64, rows: usize) -> Result<(), String> {
        if self.batches.used(now_ms) >= self.batches.max() {
            return Err("ExceededQuota : ApiBatchItems Limit exceeded.".to_owned());
        }
        self.take_rows(now_ms, rows)?;
        self.batches.add(now_ms, 1);
        Ok(())
    }

    /// Counts rows that are about to be written.
    ///
    /// # Errors
    /// The message of the job or batch that is refused.
    pub fn take_rows(&mut self, now_ms: i64, rows: usize) -> Result<(), String> {
        let rows = rows as u64;
        if self.rows.used(now_ms) + rows > self.rows.max() {
            let text = "ExceededQuota : Ingested records exceeded the allowed number for the past 24-hour period";
            return Err(text.to_owned());
        }
        self.rows.add(now_ms, rows);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_a_day_run_out_and_come_back() {
        let mut quotas = Quotas::default();
        quotas.batches.set(0, BATCHES_MAX - 1, BATCHES_MAX);
        quotas.take_batch(0, 1).unwrap();
        assert_eq!(quotas.take_batch(1, 1).unwrap_err(), "ExceededQuota : ApiBatchItems Limit exceeded.");
        quotas.take_batch(25 * 3_600_000, 1).unwrap();
    }
}
