// SPDX-License-Identifier: Apache-2.0
//! Whose turn it is: jobs and batches are worked off when the clock says so, by whoever finds them due.
//!
//! What is ordered for execution gets a nudge that looks again when its turn comes, so that it runs although nobody polls;
//! every request about it looks too, so that it also runs when the nudge died with its runtime. Under a current-thread
//! runtime the work runs inline, which makes an in-process test deterministic; else on a blocking thread.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::Jobs;
use crate::faces::lock;
use crate::org::Org;

use super::progress::{Outcome, Progress, STATE_MS};

/// A job of Bulk 2.0 or a batch of Bulk 1.0.
pub trait Task: Send + Sync + 'static {
    fn progress(&self) -> MutexGuard<'_, Progress>;
    /// Does the work. Called once.
    fn work(&self, org: &Org) -> Outcome;
    /// Its state is another one now.
    fn changed(&self, org: &Org);
    /// Its work is done: what came of it may need a nudge.
    fn followed(&self, _org: &Arc<Org>) {}
    /// Whether it has to wait for another one, whatever the clock says.
    fn is_held(&self) -> bool {
        false
    }
}

/// Looks at a task whenever its turn has come, until it has ended.
pub fn nudge<T: Task>(org: &Arc<Org>, task: &Arc<T>) {
    let Ok(runtime) = Handle::try_current() else { return };
    let (org, task) = (org.clone(), task.clone());
    runtime.spawn(async move {
        while let Some(wait_ms) = next_look(&org, &*task) {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            settle(&org, &task).await;
        }
    });
}

/// How long until a task is to be looked at, in ms; nothing when somebody else moves it or it has ended.
fn next_look<T: Task>(org: &Org, task: &T) -> Option<u64> {
    if lock(&org.faces.jobs).pace == Jobs::Stepped {
        return None;
    }
    let at_ms = task.progress().next_ms()?;
    let at_least = if task.is_held() { STATE_MS } else { 0 };
    u64::try_from((at_ms - org.clock().now()).max(at_least)).ok()
}

/// Moves a task as far as the clock says, doing its work if nobody has.
pub async fn settle<T: Task>(org: &Arc<Org>, task: &Arc<T>) {
    if lock(&org.faces.jobs).pace == Jobs::Stepped {
        return;
    }
    let claimed = !task.is_held() && task.progress().claim(org.clock().now());
    if claimed {
        let has_threads =
            Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
        if has_threads {
            let (org, task) = (org.clone(), task.clone());
            // When the caller goes away the work still runs to its end; a panic in it was reported by the runtime.
            let _ = tokio::task::spawn_blocking(move || work(&org, &*task)).await;
        } else {
            work(org, &**task);
        }
        task.followed(org);
    }
    let ended = task.progress().settle(org.clock().now());
    if ended {
        task.changed(org);
    }
}

/// One step by hand, for [`Jobs::Stepped`].
pub fn step<T: Task>(org: &Org, task: &T) {
    if task.is_held() {
        return;
    }
    let is_due = task.progress().step(org.clock().now());
    if is_due {
        work(org, task);
        task.progress().finish_step(org.clock().now());
    }
    task.changed(org);
}

fn work<T: Task>(org: &Org, task: &T) {
    task.changed(org);
    let outcome = task.work(org);
    task.progress().worked(outcome, org.clock().now());
    task.changed(org);
}
