// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask test [--quick] [--only WORD]`: everything that must pass, one check after the other, the cheap ones first.
//!
//! A check that fails does not keep the later ones from running, unless they need what it should have built. A check that
//! this machine cannot do is skipped, with the reason; only failures make the command fail. The last line counts single tests
//! where a check has them, else the check itself.
//!
//! `--quick` leaves out the documentation, the Python reader, S3, other engines and the foreign clients. `--only WORD` does only the checks with that word
//! in their titles, with what was built before.

mod azure;
mod foreign;
mod open;
mod reader;
mod rust;
mod s3;
mod stored;
mod vaulted;
mod walls;

use std::time::{Duration, Instant};

use crate::place::Place;
use crate::{Result, say};

/// How a check ended.
pub enum Outcome {
    Passed(Count),
    Failed(Count, String),
    Skipped(String),
}

#[derive(Clone, Copy, Default)]
pub struct Count {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl Outcome {
    /// Of a check that is one test.
    fn of(result: Result<()>) -> Outcome {
        match result {
            Ok(()) => Outcome::Passed(Count { passed: 1, ..Count::default() }),
            Err(error) => Outcome::Failed(Count { failed: 1, ..Count::default() }, error),
        }
    }
}

struct Line {
    title: String,
    outcome: Outcome,
    took: Duration,
}

/// Does the checks and keeps what came of them.
struct Session {
    only: Option<String>,
    lines: Vec<Line>,
}

impl Session {
    /// Whether it passed, or was not asked for.
    fn check(&mut self, title: &str, check: impl FnOnce() -> Outcome) -> bool {
        if self.only.as_ref().is_some_and(|word| !title.contains(word.as_str())) {
            return true;
        }
        say(&format!("\n==> {title}"));
        let started = Instant::now();
        let outcome = check();
        match &outcome {
            Outcome::Failed(_, why) => say(&format!("    FAILED: {why}")),
            Outcome::Skipped(why) => say(&format!("    skipped: {why}")),
            Outcome::Passed(_) => {}
        }
        let passed = matches!(outcome, Outcome::Passed(_));
        self.lines.push(Line { title: title.to_owned(), outcome, took: started.elapsed() });
        passed
    }

    /// A check that needs what another one did not make.
    fn cannot(&mut self, title: &str, why: &str) {
        self.check(title, || Outcome::Skipped(why.to_owned()));
    }

    fn summary(&self) -> Result<()> {
        let width = self.lines.iter().map(|line| line.title.chars().count()).max().unwrap_or(0);
        say("\nWhat was done");
        let mut total = Count::default();
        for Line { title, outcome, took } in &self.lines {
            let (word, count) = match outcome {
                Outcome::Passed(count) => ("passed ", *count),
                Outcome::Failed(count, _) => ("FAILED ", *count),
                Outcome::Skipped(_) => ("skipped", Count { skipped: 1, ..Count::default() }),
            };
            total.passed += count.passed;
            total.failed += count.failed;
            total.skipped += count.skipped;
            let note = match outcome {
                Outcome::Skipped(why) => first_line(why).to_owned(),
                _ if count.passed + count.failed > 1 => format!("{} tests", count.passed + count.failed),
                _ => String::new(),
            };
            say(format!("  {word}  {:>8}  {title:width$}  {note}", duration(*took)).trim_end());
        }
        say(&format!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped));
        if total.failed == 0 { Ok(()) } else { Err(String::new()) }
    }
}

pub fn run(arguments: &[String]) -> Result<()> {
    let (mut quick, mut only) = (false, None);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => quick = true,
            "--only" => only = Some(arguments.next().ok_or("--only needs a word")?.clone()),
            other => return Err(format!("{other} is not known; usage: cargo xtask test [--quick] [--only WORD]")),
        }
    }
    let place = Place::find()?;
    let mut session = Session { only, lines: Vec::new() };
    session.check("format: rustfmt would change nothing", || Outcome::of(rust::format(&place)));
    session.check("walls: who may depend on whom, what may not be in a file", || Outcome::of(walls::check(&place)));
    session.check("lints: clippy over every target, no warning", || Outcome::of(rust::lints(&place)));
    let built = session.check("build: the workspace and its tests", || Outcome::of(rust::build(&place)));
    let tests = "tests: unit, property, contract, story, sweep, command line, doc";
    if built {
        session.check(tests, || rust::tests(&place));
    } else {
        session.cannot(tests, "the build failed");
    }
    if !quick {
        session
            .check("documentation: builds, and its links lead somewhere", || Outcome::of(rust::documentation(&place)));
        for case in reader::cases()
            .into_iter()
            .chain(open::cases())
            .chain(s3::cases())
            .chain(azure::cases())
            .chain(foreign::cases(&place))
        {
            if built {
                session.check(&case.title, || (case.check)(&place));
            } else {
                session.cannot(&case.title, "the build failed");
            }
        }
    }
    session.summary()
}

/// A check that runs the built program.
pub struct Case {
    pub title: String,
    pub check: Box<dyn FnOnce(&Place) -> Outcome>,
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn duration(took: Duration) -> String {
    match took.as_secs() {
        0..60 => format!("{:.1} s", took.as_secs_f64()),
        seconds => format!("{} min {:02}", seconds / 60, seconds % 60),
    }
}
