// SPDX-License-Identifier: Apache-2.0
//! What developers run: `cargo xtask NAME`.

mod schema;

use std::process::ExitCode;

#[allow(clippy::disallowed_macros, reason = "a developer's tool talks to a terminal")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match name.as_str() {
        "schema" => schema::run(&rest),
        _ => Err("usage: cargo xtask schema [FIXTURES]".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
