// SPDX-License-Identifier: Apache-2.0
//! Events as bars on a terminal: one line for the whole, one for each object or step at work. Everything is erased at the
//! end; what lasts is the report on stdout.

use super::lines;
use super::standing::Standing;
use crate::number::bytes;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use orgkeep_engine::Event;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const REDRAW: Duration = Duration::from_millis(200);

pub struct Bars {
    all: MultiProgress,
    state: Mutex<State>,
}

struct State {
    standing: Standing,
    /// When the first event of this piece of work came.
    began: Option<Instant>,
    whole: Option<ProgressBar>,
    /// By object, or by the number of the step.
    parts: HashMap<String, ProgressBar>,
}

impl Bars {
    pub fn new() -> Bars {
        let state = State { standing: Standing::default(), began: None, whole: None, parts: HashMap::new() };
        Bars { all: MultiProgress::new(), state: Mutex::new(state) }
    }
}

impl Bars {
    /// Takes all bars away. What comes next is another piece of work, counted from zero.
    pub fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clear();
        (state.standing, state.began) = (Standing::default(), None);
    }

    pub fn event(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.standing.add(event);
        match event {
            Event::ObjectStarted { object, rows_expected, .. } => {
                state.begin(&self.all, object, object, *rows_expected)
            }
            Event::ObjectProgress { object, rows, bytes: read } => state.moved(&self.all, object, *rows, bytes(*read)),
            Event::ObjectFinished { object, .. } => state.end(object),
            Event::FileProgress { files, bytes: read } => state.moved(&self.all, "files", *files, bytes(*read)),
            Event::CompareProgress { object, rows } => state.only(&self.all, object, *rows),
            Event::PlanProgress { object, records } => state.only(&self.all, object, *records),
            Event::StepStarted { step, action, object, records, .. } => {
                let label = format!("{} {object}", lines::verb(*action));
                state.begin(&self.all, &step.to_string(), &label, Some(*records));
            }
            Event::StepProgress { step, records } => state.moved(&self.all, &step.to_string(), *records, String::new()),
            Event::StepFinished { step, .. } => state.end(&step.to_string()),
            Event::BackupFinished { .. } | Event::RestoreFinished { .. } => state.clear(),
            Event::BackupStarted { .. }
            | Event::RestoreStarted { .. }
            | Event::Allowance { .. }
            | Event::CheckProgress { .. }
            | Event::CopyProgress { .. } => {}
            Event::Notice { .. } => {
                // Above the bars, and it stays. A terminal that went away has nobody to tell.
                let _ = self.all.println(lines::line(event).unwrap_or_default());
            }
        }
        if !matches!(event, Event::BackupFinished { .. } | Event::RestoreFinished { .. } | Event::Notice { .. }) {
            let elapsed = state.began.get_or_insert_with(Instant::now).elapsed();
            let line = state.standing.line(elapsed);
            state.whole(&self.all).set_message(line);
        }
    }
}

impl State {
    fn whole(&mut self, all: &MultiProgress) -> &ProgressBar {
        self.whole.get_or_insert_with(|| {
            let bar = all.add(ProgressBar::new_spinner().with_style(style("{spinner} {wide_msg}")));
            bar.enable_steady_tick(REDRAW);
            bar
        })
    }

    fn begin(&mut self, all: &MultiProgress, key: &str, label: &str, expected: Option<u64>) {
        let bar = match expected {
            Some(expected) => ProgressBar::new(expected)
                .with_style(style("  {prefix:30!} {bar:24} {human_pos} of {human_len}  {msg}")),
            None => ProgressBar::new_spinner().with_style(style("  {prefix:30!} {human_pos}  {msg}")),
        };
        let bar = all.insert(0, bar.with_prefix(label.to_owned()));
        if let Some(former) = self.parts.insert(key.to_owned(), bar) {
            former.finish_and_clear();
        }
    }

    fn moved(&mut self, all: &MultiProgress, key: &str, position: u64, note: String) {
        if !self.parts.contains_key(key) {
            self.begin(all, key, key, None);
        }
        if let Some(bar) = self.parts.get(key) {
            bar.set_position(position);
            bar.set_message(note);
        }
    }

    /// For work that goes through its objects one after the other and does not say when one ends.
    fn only(&mut self, all: &MultiProgress, object: &str, position: u64) {
        let ended: Vec<String> = self.parts.keys().filter(|key| *key != object).cloned().collect();
        for key in ended {
            self.end(&key);
        }
        self.moved(all, object, position, String::new());
    }

    fn end(&mut self, key: &str) {
        if let Some(bar) = self.parts.remove(key) {
            bar.finish_and_clear();
        }
    }

    fn clear(&mut self) {
        for (_, bar) in self.parts.drain() {
            bar.finish_and_clear();
        }
        if let Some(whole) = self.whole.take() {
            whole.finish_and_clear();
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; without colours, which carry no meaning here.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()).progress_chars("█▌ ")
}
