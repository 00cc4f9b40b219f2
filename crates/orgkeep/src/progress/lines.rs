// SPDX-License-Identifier: Apache-2.0
//! Events as plain lines on stderr, for logs: what begins and ends, what a person should know, and every ten seconds how
//! far the work is.

use super::standing::Standing;
use crate::number::{counted, grouped};
use crate::screen::Screen;
use crate::text::shown;
use orgkeep_engine::{Action, Event, Mode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const BETWEEN_STANDINGS: Duration = Duration::from_secs(10);

pub struct Lines {
    screen: Arc<Screen>,
    state: Mutex<State>,
}

struct State {
    standing: Standing,
    began: Instant,
    said: Instant,
}

impl Lines {
    pub fn new(screen: Arc<Screen>) -> Lines {
        let now = Instant::now();
        Lines { screen, state: Mutex::new(State { standing: Standing::default(), began: now, said: now }) }
    }
}

impl Lines {
    pub fn event(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.standing.add(event);
        if let Some(line) = line(event) {
            self.screen.say(&line);
        } else if state.said.elapsed() >= BETWEEN_STANDINGS {
            state.said = Instant::now();
            self.screen.say(&state.standing.line(state.began.elapsed()));
        }
    }
}

/// What an event is worth saying in a log.
pub fn line(event: &Event) -> Option<String> {
    match event {
        Event::BackupStarted { org, sequence, mode, continued, objects } => {
            let verb = if *continued { "continuing" } else { "starting" };
            let mode = if *mode == Mode::Full { "full" } else { "incremental" };
            Some(format!("{verb} backup {sequence} of {org}: {mode}, {}", counted(*objects as u64, "object")))
        }
        Event::ObjectFinished { object, rows_read, added, changed, deleted, gaps, .. } => {
            let mut line = format!("{object}: {} read", counted(*rows_read, "row"));
            for (number, what) in [(added, "added"), (changed, "changed"), (deleted, "deleted")] {
                if *number > 0 {
                    line.push_str(&format!(", {} {what}", grouped(*number)));
                }
            }
            for gap in gaps {
                line.push_str(&format!("; not in the backup: {} ({})", gap.what, gap.reason));
            }
            (*rows_read > 0 || *deleted > 0 || !gaps.is_empty()).then(|| shown(&line).into_owned())
        }
        Event::Notice { message, hint } => Some(match hint {
            Some(hint) => format!("note: {}\nhint: {}", shown(message), shown(hint)),
            None => format!("note: {}", shown(message)),
        }),
        Event::RestoreStarted { restore, steps, records, continued } => {
            let verb = if *continued { "continuing" } else { "starting" };
            Some(format!(
                "{verb} restore {restore}: {} in {}",
                counted(*records, "record"),
                counted(*steps as u64, "step")
            ))
        }
        Event::StepStarted { step, steps, action, object, records } => {
            Some(format!("step {step} of {steps}: {} {} of {object}", verb(*action), counted(*records, "record")))
        }
        Event::StepFinished { step, done, failed } if *failed > 0 => Some(format!(
            "step {step}: {} done, {} of this object refused so far",
            counted(*done, "record"),
            grouped(*failed)
        )),
        _ => None,
    }
}

/// An action in words.
pub fn verb(action: Action) -> &'static str {
    match action {
        Action::Undelete => "undelete",
        Action::Create => "create",
        Action::Upload => "upload",
        Action::Update => "update",
        Action::Relink => "relink",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orgkeep_engine::{Gap, Route};

    fn finished(rows_read: u64, deleted: u64, gaps: Vec<Gap>) -> Event {
        Event::ObjectFinished {
            object: "Account".into(),
            route: Route::Rest,
            rows_read,
            added: rows_read,
            changed: 0,
            deleted,
            rows_held: rows_read,
            rows_in_org: Some(rows_read),
            gaps,
        }
    }

    #[test]
    fn an_object_without_news_says_nothing() {
        assert_eq!(line(&finished(0, 0, Vec::new())), None);
        assert_eq!(line(&finished(1_200, 3, Vec::new())).unwrap(), "Account: 1,200 rows read, 1,200 added, 3 deleted");
    }

    #[test]
    fn gaps_and_notices_are_said_with_their_reason() {
        let gap = Gap { what: "field SSN__c".into(), reason: "no access".into() };
        assert_eq!(
            line(&finished(0, 0, vec![gap])).unwrap(),
            "Account: 0 rows read; not in the backup: field SSN__c (no access)"
        );
        let notice = Event::Notice { message: "the org is\u{7} slow".into(), hint: Some("wait".into()) };
        assert_eq!(line(&notice).unwrap(), "note: the org is\\u{7} slow\nhint: wait");
    }

    #[test]
    fn steps_are_numbered() {
        let step =
            Event::StepStarted { step: 2, steps: 5, action: Action::Create, object: "Contact".into(), records: 1_000 };
        assert_eq!(line(&step).unwrap(), "step 2 of 5: create 1,000 records of Contact");
        assert_eq!(line(&Event::StepFinished { step: 2, done: 1_000, failed: 0 }), None);
    }
}
