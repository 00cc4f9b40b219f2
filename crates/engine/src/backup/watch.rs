// SPDX-License-Identifier: Apache-2.0
//! What goes on beside a backup, by a timer: its lock is renewed, and people are told when it waits for allowance.
//!
//! Work waits for jobs, sorts rows, or pauses at its share of the allowance for hours without a word of its own.

use crate::error::Result;
use crate::event::{Clock, Event, Monitor};
use chrono::{DateTime, TimeDelta, Utc};
use orgkeep_salesforce::Org;
use orgkeep_vault::Lock;
use std::sync::Mutex;
use std::time::Duration;

/// A lease in a bucket ends after ten minutes of silence.
const RENEWAL: TimeDelta = TimeDelta::minutes(2);
const LOOK_EVERY: Duration = Duration::from_secs(30);

pub(super) struct Watch<'a> {
    org: &'a Org,
    lock: &'a Lock,
    clock: &'a dyn Clock,
    monitor: &'a dyn Monitor,
    /// When the lock was last renewed.
    renewed: Mutex<DateTime<Utc>>,
    /// Whether it was said that the backup waits.
    waits: Mutex<bool>,
}

impl<'a> Watch<'a> {
    pub fn new(org: &'a Org, lock: &'a Lock, clock: &'a dyn Clock, monitor: &'a dyn Monitor) -> Watch<'a> {
        Watch { org, lock, clock, monitor, renewed: Mutex::new(clock.now()), waits: Mutex::default() }
    }

    /// Does some work, which ends early where the lock is lost.
    pub async fn over<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let timer = async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                self.say_wait();
                if let Err(error) = self.renew_lock().await {
                    return error;
                }
            }
        };
        let ended = tokio::select! {
            done = work => done,
            error = timer => Err(error),
        };
        self.say_wait();
        ended
    }

    /// Says once that the backup waits for allowance, and once that it goes on.
    fn say_wait(&self) {
        let usage = self.org.usage();
        let waits = usage.asks_again_in.is_some();
        if std::mem::replace(&mut *self.waits.lock().expect("no holder of this lock panics"), waits) == waits {
            return;
        }
        let used = format!(
            "{} of the org's {} API requests of 24 hours are used",
            usage.org_used.unwrap_or_default(),
            usage.org_max.unwrap_or_default()
        );
        let (message, hint) = match usage.asks_again_in {
            None => (format!("the backup goes on: {used}"), None),
            Some(asks_again_in) => {
                let then = (self.clock.now() + asks_again_in).format("%H:%M");
                let message = format!(
                    "the backup waits: {used}, and the rest is left to others; the org is asked again at {then} UTC"
                );
                (
                    message,
                    Some(
                        "what was read is kept; it goes on by itself, or with the next backup if you stop it now"
                            .into(),
                    ),
                )
            }
        };
        self.monitor.event(&Event::Notice { message, hint });
    }

    async fn renew_lock(&self) -> Result<()> {
        let now = self.clock.now();
        let due = {
            let mut renewed = self.renewed.lock().expect("no holder of this lock panics");
            let due = now - *renewed >= RENEWAL;
            if due {
                *renewed = now;
            }
            due
        };
        if due { Ok(self.lock.renew(now).await?) } else { Ok(()) }
    }
}
