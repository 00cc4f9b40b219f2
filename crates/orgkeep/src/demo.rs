// SPDX-License-Identifier: Apache-2.0
//! placeholder while wiring
use crate::context::Context;
use crate::failure::{Answer, Failure};
use clap::Args;
use std::path::PathBuf;

/// Plays backup, bad day and restore on an emulated org, and proves that everything is back
#[derive(Args, Debug)]
pub struct Arguments {
    #[arg(long, value_name = "N", default_value_t = 25_000)]
    records: u64,
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

pub async fn run(_arguments: Arguments, _context: &Context) -> Result<Answer, Failure> {
    Ok(Answer::default())
}
