// SPDX-License-Identifier: Apache-2.0
//! `orgkeep`, the command line: reads arguments, environment and configuration, hands them to the engine, and says what came
//! of it. What a command does is under `command/`, how it ends under `failure`.

#![allow(rustdoc::bare_urls, reason = "the doc comment of an argument is its help text")]

mod cli;
mod command;
mod config;
mod context;
mod demo;
mod environment;
mod failure;
mod first_contact;
mod former;
mod interrupt;
mod number;
mod progress;
mod prompt;
mod render;
mod screen;
mod secret;
mod table;
mod target;
mod text;

use clap::Parser;
use clap::error::ErrorKind;
use cli::{Cli, Command};
use context::Context;
use failure::{Answer, Failure, Kind};
use interrupt::Interrupt;
use screen::Screen;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Rows move in batches of megabytes from thread to thread; the C library's allocator keeps for each thread what was freed there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads that compress, hash and wait for files. Each keeps memory of its own, so that many of them cost more than they win.
/// Opening a table takes one that waits for another, and an org of a vault opens two at a time.
const BLOCKING_THREADS: usize = 6;

/// How long work that cannot be cancelled (a hash, a database query) may hold up the end.
const LAST_WORK: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let screen = Arc::new(Screen::new(cli.json));
    let (name, when_interrupted) = (cli.command.name(), cli.command.when_interrupted());
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if name != "emulator" {
        runtime.max_blocking_threads(BLOCKING_THREADS);
    }
    let outcome = match runtime.enable_all().build() {
        Err(error) => Err(Failure::caused(Kind::Bug, "could not start", &error)),
        Ok(runtime) => {
            let outcome = runtime.block_on(async {
                let interrupt = Interrupt::listen();
                tokio::select! {
                    outcome = Box::pin(run(cli, &screen, &interrupt)) => outcome,
                    () = interrupt.asked(), if name != "emulator" => {
                        Err(Failure::new(Kind::Interrupted, "interrupted").hint(when_interrupted))
                    }
                }
            });
            runtime.shutdown_timeout(LAST_WORK);
            outcome
        }
    };
    ExitCode::from(end(name, outcome, &screen))
}

async fn run(cli: Cli, screen: &Arc<Screen>, interrupt: &Interrupt) -> Result<Answer, Failure> {
    let context = Context::new(screen.clone(), cli.config);
    match cli.command {
        Command::Demo(arguments) => demo::run(arguments, &context).await,
        Command::Emulator(arguments) => command::emulator::run(arguments, screen, interrupt).await,
        Command::Init(arguments) => command::init::run(arguments, &context).await,
        Command::Connect(arguments) => command::connect::run(arguments, &context).await,
        Command::Backup(arguments) => command::backup::run(arguments, &context).await,
        Command::Backups(arguments) => command::backups::run(arguments, &context).await,
        Command::Coverage(arguments) => command::coverage::run(arguments, &context).await,
        Command::Estimate(arguments) => command::estimate::run(arguments, &context).await,
        Command::Ls(arguments) => command::ls::run(arguments, &context).await,
        Command::Show(arguments) => command::show::run(arguments, &context).await,
        Command::Compare(arguments) => command::compare::run(arguments, &context).await,
        Command::Export(arguments) => command::export::run(arguments, &context).await,
        #[cfg(feature = "sql")]
        Command::Sql(arguments) => command::sql::run(arguments, &context).await,
        Command::Restore(arguments) => command::restore::run(arguments, &context).await,
        Command::Check(arguments) => command::check::run(arguments, &context).await,
        Command::Compact(arguments) => command::compact::run(arguments, &context).await,
        Command::Erase(arguments) => command::erase::run(arguments, &context).await,
        Command::Expire(arguments) => command::expire::run(arguments, &context).await,
        Command::Hold(arguments) => command::hold::run(arguments, &context).await,
        Command::Attest(arguments) => command::attest::run(arguments, &context).await,
        Command::Copy(arguments) => command::copy::run(arguments, &context).await,
        Command::Attach(arguments) => command::attach::run(arguments, &context).await,
        Command::Keys(arguments) => command::keys::run(arguments, &context).await,
    }
}

/// Says how it ended, on stderr or as the last JSON line, and gives the exit code.
fn end(name: &str, outcome: Result<Answer, Failure>, screen: &Screen) -> u8 {
    let told = match &outcome {
        // The emulator's one line was all that its readers expect.
        Ok(_) if name == "emulator" => Ok(()),
        Ok(answer) => screen.record(&answer.result(name)),
        Err(failure) => screen.record(&failure.result(name)),
    };
    match (outcome, told) {
        (Ok(_), Err(failure)) => {
            eprint_failure(&failure);
            failure.kind.exit_code()
        }
        (Ok(answer), Ok(())) => {
            if let Some(why) = &answer.partly {
                screen.say(&format!("warning: {why}"));
            }
            answer.exit_code()
        }
        (Err(failure), _) => {
            if !screen.json() {
                eprint_failure(&failure);
            }
            failure.kind.exit_code()
        }
    }
}

fn eprint_failure(failure: &Failure) {
    use std::io::Write;
    // A closed stderr leaves nobody to tell; the exit code still does.
    let _ = std::io::stderr().lock().write_all(failure.text().as_bytes());
}

/// Help, version, or arguments that make no sense; the last with a result line if `--json` was among them.
fn usage(error: &clap::Error) -> ExitCode {
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let json = std::env::args_os().any(|argument| argument == "--json");
    if json && !asked_for {
        let message = error.to_string();
        let first = message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let line = serde_json::json!({
            "type": "result", "ok": false, "exit_code": 2, "kind": "usage", "message": first,
            "hint": "orgkeep help lists the commands and their arguments",
        });
        let _ = Screen::new(true).record(&line);
    }
    // A reader that went away is no error.
    let _ = error.print();
    ExitCode::from(if asked_for { 0 } else { 2 })
}
