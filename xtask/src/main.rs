// SPDX-License-Identifier: Apache-2.0
//! What developers run: `cargo xtask NAME`. Nothing of this is part of the product.
#![allow(clippy::disallowed_methods, reason = "a developer's tool has an environment, a clock and time to wait")]

mod bench;
mod child;
mod clients;
mod emulator;
mod place;
mod schema;
mod test;

use std::process::ExitCode;

/// What went wrong, as a person is told; empty when everything was said already.
type Result<T> = std::result::Result<T, String>;

const USAGE: &str = "\
usage: cargo xtask test [--quick] [--only WORD]         everything that must pass
       cargo xtask bench [NAME…] [--json] [--rows N]    what holds beside other programs, measured
       cargo xtask bench emulator [NAME…] [--json] [--rows N] [--records N]   how fast and how large the emulator is
       cargo xtask schema [FIXTURES]                    builds the emulator's standard schema from recorded describes";

#[allow(clippy::disallowed_macros, reason = "a developer's tool talks to a terminal")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match name.as_str() {
        "schema" => schema::run(&rest),
        "bench" => bench::run(&rest),
        "test" => test::run(&rest),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            if !message.is_empty() {
                eprintln!("error: {message}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Says a line at once, also into a pipe.
fn say(line: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    // A reader that went away wants no more.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Says a line about the work itself, beside the output.
#[allow(clippy::disallowed_macros, reason = "a developer's tool talks to a terminal")]
fn note(line: &str) {
    eprintln!("{line}");
}
