// SPDX-License-Identifier: Apache-2.0
//! What cargo checks.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::{Count, Outcome};
use crate::place::Place;
use crate::{Result, child, say};

pub fn format(place: &Place) -> Result<()> {
    child::shown(place.cargo().args(["fmt", "--all", "--", "--check"]))
}

pub fn lints(place: &Place) -> Result<()> {
    let everything = ["--workspace", "--all-targets", "--features", "xtask/measure"];
    child::shown(place.cargo().args(["clippy", "--quiet"]).args(everything).args(["--", "-D", "warnings"]))
}

pub fn build(place: &Place) -> Result<()> {
    child::shown(place.cargo().args(["test", "--quiet", "--workspace", "--no-run"]))
}

pub fn documentation(place: &Place) -> Result<()> {
    let mut cargo = place.cargo();
    cargo.args(["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    child::shown(&mut cargo)
}

/// After so long something hangs. The whole takes about ten minutes on two cores.
const PATIENCE: Duration = Duration::from_secs(45 * 60);

/// Runs every test, shows what is not simply `ok`, and counts.
pub fn tests(place: &Place) -> Outcome {
    let mut cargo = place.cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut count = Count::default();
    let mut run = || -> std::io::Result<bool> {
        let mut running = cargo.spawn()?;
        let process = running.id();
        let (done, watched) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            if watched.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                say("    the tests take too long; what is named last above hangs, and all is stopped");
                child::kill_with_descendants(process);
            }
        });
        if let Some(stdout) = running.stdout.take() {
            for line in BufReader::new(stdout).lines() {
                let line = line?;
                if let Some(result) = line.strip_prefix("test result: ") {
                    count.passed += number_before(result, " passed");
                    count.failed += number_before(result, " failed");
                    count.skipped += number_before(result, " ignored");
                }
                if !dull(&line) {
                    say(&line);
                }
            }
        }
        let status = running.wait()?;
        drop(done);
        Ok(status.success())
    };
    match run() {
        Ok(true) if count.passed > 0 => Outcome::Passed(count),
        Ok(success) => {
            // A test program that was killed reports no result.
            count.failed = count.failed.max(1);
            let why = if success { "no test was run" } else { "see above" };
            Outcome::Failed(count, why.to_owned())
        }
        Err(error) => Outcome::Failed(Count { failed: 1, ..count }, error.to_string()),
    }
}

fn dull(line: &str) -> bool {
    line.is_empty()
        || (line.starts_with("test ") && line.ends_with(" ... ok"))
        || (line.starts_with("running ") && (line.ends_with(" tests") || line.ends_with(" test")))
}

fn number_before(text: &str, word: &str) -> u64 {
    let Some((before, _)) = text.split_once(word) else { return 0 };
    let digits = before.rfind(|character: char| !character.is_ascii_digit()).map_or(0, |at| at + 1);
    before[digits..].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted_as_cargo_writes_them() {
        let line = "ok. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.03s";
        assert_eq!(number_before(line, " passed"), 12);
        assert_eq!(number_before(line, " failed"), 3);
        assert_eq!(number_before(line, " ignored"), 1);
        assert_eq!(number_before("FAILED.", " passed"), 0);
    }
}
