// SPDX-License-Identifier: Apache-2.0
//! Tells the story: numbered steps in plain words, each with its time; with `--json` one `demo_step` event each.

use crate::failure::Failure;
use crate::number::duration;
use crate::screen::Screen;
use serde_json::json;
use std::sync::Arc;
use tokio::time::Instant;

/// Columns before everything that belongs to a step.
pub const INDENT: u16 = 3;

pub struct Narrator {
    screen: Arc<Screen>,
    story_began: Instant,
    step: u64,
    title: String,
    details: Vec<String>,
    step_began: Instant,
}

impl Narrator {
    pub fn new(screen: Arc<Screen>) -> Narrator {
        let now = Instant::now();
        Narrator { screen, story_began: now, step: 0, title: String::new(), details: Vec::new(), step_began: now }
    }

    pub fn introduce(&mut self, words: &str) -> Result<(), Failure> {
        self.screen.line(words)
    }

    pub fn begin(&mut self, title: &str) -> Result<(), Failure> {
        self.step += 1;
        title.clone_into(&mut self.title);
        self.details.clear();
        self.step_began = Instant::now();
        self.screen.line(&format!("\n{}. {title}", self.step))
    }

    /// One fact.
    pub fn detail(&mut self, words: &str) -> Result<(), Failure> {
        self.details.push(words.to_owned());
        self.screen.line(&format!("   {words}"))
    }

    /// Several lines, such as a table; these have events of their own and are not repeated with `--json`.
    pub fn text(&mut self, words: &str) -> Result<(), Failure> {
        let indented: String = words
            .trim_matches('\n')
            .lines()
            .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("   {line}\n") })
            .collect();
        self.screen.show(&indented)
    }

    pub fn done(&mut self) -> Result<(), Failure> {
        let took = self.step_began.elapsed();
        self.screen.line(&format!("   Done in {}", duration(took)))?;
        self.screen.record(&json!({
            "type": "demo_step",
            "step": self.step,
            "title": self.title,
            "seconds": took.as_secs_f64(),
            "details": self.details,
        }))
    }

    pub fn close(&mut self, words: &str) -> Result<(), Failure> {
        self.screen.line(&format!("\n{words} The whole story took {}.", duration(self.story_began.elapsed())))
    }

    pub fn plain(&mut self, words: &str) -> Result<(), Failure> {
        self.screen.line(words)
    }

    pub fn seconds(&self) -> f64 {
        self.story_began.elapsed().as_secs_f64()
    }
}
