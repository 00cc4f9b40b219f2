// SPDX-License-Identifier: Apache-2.0
//! What the engine says while it works, for three kinds of readers: bars on a terminal, plain lines elsewhere, JSON Lines
//! for programs. Each is a [`Monitor`]; which one is used is decided once, here.

mod bars;
mod lines;
mod standing;

pub use lines::verb;

use crate::screen::Screen;
use orgkeep_engine::{Event, Monitor};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The monitor that suits where the output goes.
pub enum Progress {
    /// Every event as it is, a line each.
    Json(Arc<Screen>),
    Bars(bars::Bars),
    Lines(lines::Lines),
    Silent,
}

impl Progress {
    pub fn new(screen: &Arc<Screen>) -> Progress {
        if screen.json() {
            Progress::Json(screen.clone())
        } else if screen.draws_progress() {
            Progress::Bars(bars::Bars::new())
        } else {
            Progress::Lines(lines::Lines::new(screen.clone()))
        }
    }

    /// For a caller that tells the story itself: bars and JSON Lines, but no log.
    pub fn without_lines(screen: &Arc<Screen>) -> Progress {
        match Progress::new(screen) {
            Progress::Lines(_) => Progress::Silent,
            other => other,
        }
    }

    /// Takes bars off the terminal, before something else is written there.
    pub fn clear(&self) {
        if let Progress::Bars(bars) = self {
            bars.clear();
        }
    }
}

impl Monitor for Progress {
    fn event(&self, event: &Event) {
        match self {
            Progress::Json(screen) => {
                if let Ok(value) = serde_json::to_value(event) {
                    // An output that cannot be written to must not stop a backup; the result line will fail too and say so.
                    let _ = screen.record(&value);
                }
            }
            Progress::Bars(bars) => bars.event(event),
            Progress::Lines(lines) => lines.event(event),
            Progress::Silent => {}
        }
    }
}

/// A JSON line of the binary's own: `value`'s fields under a `type`.
pub fn tagged(kind: &str, value: impl serde::Serialize) -> Value {
    let mut line = Map::new();
    line.insert("type".to_owned(), kind.into());
    if let Ok(Value::Object(fields)) = serde_json::to_value(value) {
        line.extend(fields);
    }
    Value::Object(line)
}

#[cfg(test)]
mod tests;
