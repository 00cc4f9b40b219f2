// SPDX-License-Identifier: Apache-2.0
//! Deploys and retrieves as requests that run by themselves: Pending, InProgress, and an end (`salesforce-api.md` 4.1).
//!
//! As with Bulk jobs, states last 100 ms of the emulator's clock and longer for many files, and with stepped jobs only
//! [`Org::step_metadata`] moves. The work is done when the time in progress is over, in one piece, by whoever looks then; a request
//! that is cancelled before has done nothing. Requests live in memory; deploys are forgotten after 30 days, retrieves when
//! their zip was fetched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};

use super::deploy::{self, Options, Parcel, Report};
use super::retrieve::{self, Retrieved};
use crate::Jobs;
use crate::faces::lock;
use crate::org::Org;

/// How long a state lasts on the emulator's clock.
const STATE_MS: i64 = 100;
/// How many files are worked off in a millisecond.
const FILES_PER_MS: usize = 10;
const KEPT_MS: i64 = 30 * 24 * 3600 * 1000;

/// The requests of an org, by Id.
#[derive(Debug, Default)]
pub struct Requests {
    requests: BTreeMap<String, Arc<Request>>,
}

/// What was asked for.
#[derive(Debug)]
pub enum Order {
    Deploy { parcel: Result<Arc<Parcel>, (String, String)>, options: Options, validated: Option<String> },
    Retrieve(retrieve::Order),
}

/// What came of it.
#[derive(Debug)]
pub enum Ending {
    Deployed(Report),
    Retrieved(Retrieved),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Pending,
    InProgress,
    Done,
    Canceled,
}

/// One request.
#[derive(Debug)]
pub struct Request {
    pub id: String,
    pub user_id: String,
    pub order: Order,
    pub created_ms: i64,
    progress: Mutex<Progress>,
}

/// How far it is.
#[derive(Debug)]
pub struct Progress {
    pub state: State,
    pub started_ms: Option<i64>,
    pub changed_ms: i64,
    pub canceled_by: Option<String>,
    pub result: Option<Ending>,
    working: bool,
}

impl Request {
    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    pub fn is_deploy(&self) -> bool {
        matches!(self.order, Order::Deploy { .. })
    }

    fn work_ms(&self) -> i64 {
        let files = match &self.order {
            Order::Deploy { parcel: Ok(parcel), .. } => parcel.files_count,
            _ => 0,
        };
        STATE_MS + i64::try_from(files / FILES_PER_MS).unwrap_or(0)
    }

    /// When something will happen by itself, in ms.
    fn next_ms(&self) -> Option<i64> {
        let progress = self.progress();
        match progress.state {
            State::Pending => Some(self.created_ms + STATE_MS),
            State::InProgress => Some(progress.changed_ms + self.work_ms()),
            _ => None,
        }
    }
}

impl Progress {
    fn enter(&mut self, state: State, now_ms: i64) {
        (self.state, self.changed_ms) = (state, now_ms);
        if state == State::InProgress {
            self.started_ms = Some(now_ms);
        }
    }

    /// Moves as far as the clock says; true once, when the work is due.
    fn advance(&mut self, created_ms: i64, work_ms: i64, now_ms: i64) -> bool {
        if self.state == State::Pending && now_ms >= created_ms + STATE_MS {
            self.enter(State::InProgress, created_ms + STATE_MS);
        }
        let due = self.state == State::InProgress && now_ms >= self.changed_ms + work_ms && !self.working;
        self.working |= due;
        due
    }
}

/// Takes an order on; it runs although nobody asks for it.
pub fn start(org: &Arc<Org>, user_id: &str, order: Order) -> Arc<Request> {
    let now_ms = org.clock().now();
    let prefix = if matches!(order, Order::Deploy { .. }) { "0Af" } else { "09S" };
    let id = org.write(|tx| tx.next_id_of(prefix));
    let request = Arc::new(Request {
        id: id.clone(),
        user_id: user_id.to_owned(),
        order,
        created_ms: now_ms,
        progress: Mutex::new(Progress {
            state: State::Pending,
            started_ms: None,
            changed_ms: now_ms,
            canceled_by: None,
            result: None,
            working: false,
        }),
    });
    let mut requests = lock(&org.faces.metadata);
    requests.requests.retain(|_, known| known.created_ms > now_ms - KEPT_MS);
    requests.requests.insert(id, request.clone());
    drop(requests);
    nudge(org, &request);
    request
}

/// The request with this Id, in either form, moved as far as the clock says.
pub async fn find(org: &Arc<Org>, id: &str) -> Option<Arc<Request>> {
    let id = crate::id::to18(id)?;
    let request = lock(&org.faces.metadata).requests.get(&id).cloned()?;
    settle(org, &request).await;
    Some(request)
}

/// Forgets a retrieve whose zip was fetched.
pub fn forget(org: &Org, id: &str) {
    lock(&org.faces.metadata).requests.remove(id);
}

/// Cancels a deploy that has not ended.
pub fn cancel(org: &Org, request: &Request, user_id: &str) -> bool {
    let mut progress = request.progress();
    if !matches!(progress.state, State::Pending | State::InProgress) || progress.working {
        return false;
    }
    progress.enter(State::Canceled, org.clock().now());
    progress.canceled_by = Some(user_id.to_owned());
    true
}

/// Looks at a request again when its time has come, until it has ended.
fn nudge(org: &Arc<Org>, request: &Arc<Request>) {
    let Ok(runtime) = Handle::try_current() else { return };
    let (org, request) = (org.clone(), request.clone());
    runtime.spawn(async move {
        while let Some(at_ms) = request.next_ms() {
            if lock(&org.faces.jobs).pace == Jobs::Stepped {
                return;
            }
            let wait_ms = (at_ms - org.clock().now()).max(1);
            tokio::time::sleep(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(1))).await;
            settle(&org, &request).await;
        }
    });
}

async fn settle(org: &Arc<Org>, request: &Arc<Request>) {
    if lock(&org.faces.jobs).pace == Jobs::Stepped {
        return;
    }
    let due = request.progress().advance(request.created_ms, request.work_ms(), org.clock().now());
    if !due {
        return;
    }
    let has_threads = Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if has_threads {
        let (org, request) = (org.clone(), request.clone());
        // When the caller goes away the work still runs to its end; a panic in it was reported by the runtime.
        let _ = tokio::task::spawn_blocking(move || work(&org, &request)).await;
    } else {
        work(org, request);
    }
}

fn work(org: &Org, request: &Request) {
    let result = match &request.order {
        Order::Deploy { parcel: Err((code, text)), .. } => {
            Ending::Deployed(Report { error: Some((code.clone(), text.clone())), ..Report::default() })
        }
        Order::Deploy { parcel: Ok(parcel), options, .. } => {
            Ending::Deployed(deploy::run(org, &request.user_id, parcel, options))
        }
        Order::Retrieve(order) => Ending::Retrieved(retrieve::run(org, order)),
    };
    let mut progress = request.progress();
    progress.result = Some(result);
    progress.enter(State::Done, org.clock().now());
}

impl Org {
    /// One step of every deploy and retrieve, for tests with [`Jobs::Stepped`]: from Pending to InProgress, or from there
    /// through the work to the end.
    pub fn step_metadata(&self) {
        let requests: Vec<Arc<Request>> = lock(&self.faces.metadata).requests.values().cloned().collect();
        for request in requests {
            let state = request.progress().state;
            match state {
                State::Pending => request.progress().enter(State::InProgress, self.clock().now()),
                State::InProgress => work(self, &request),
                State::Done | State::Canceled => {}
            }
        }
    }
}
