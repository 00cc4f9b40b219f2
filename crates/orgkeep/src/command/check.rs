// SPDX-License-Identifier: Apache-2.0
//! `orgkeep check`: whether everything the vault should hold of an org is there and readable.

use crate::cli::Unlocking;
use crate::context::Context;
use crate::environment::SystemClock;
use crate::failure::{Answer, Failure, Kind};
use crate::number::{bytes, counted};
use crate::render;
use clap::Args;
use orgkeep_engine::Clock as _;
use orgkeep_vault::{CheckOptions, CheckReport, Extent};

/// Says whether everything the vault should hold is there, and with --read-data whether it can be read
#[derive(Args, Debug)]
#[command(after_help = "\
Without options the structure is read: the chain of backups and its seals, the logs of all tables, and whether every file is \
there with its size. --read-data also reads what is in the files. On a schedule, `--read-data --share 1/30` every day reads \
everything once a month: the vault remembers when each file was last read, and what was read longest ago is read first.

Damage is named by file, object, range of Ids and backup, and remembered: the next backup fetches the records again from \
the org.")]
pub struct Arguments {
    /// Connector
    #[arg(value_name = "NAME")]
    name: String,

    /// Read every byte: decrypt, decode, and compare with what was captured
    #[arg(long)]
    read_data: bool,

    /// Read only this part, such as 10% or 1/7
    #[arg(long, value_name = "SHARE", requires = "read_data", value_parser = share)]
    share: Option<f64>,

    /// Read only about so much, such as 500MB or 2GB
    #[arg(long, value_name = "BYTES", requires = "read_data", conflicts_with = "share", value_parser = crate::number::amount)]
    limit: Option<u64>,

    #[command(flatten)]
    unlocking: Unlocking,
}

/// `10%`, `1/7` or `0.1`, as a part of one.
fn share(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let part = match (text.strip_suffix('%'), text.split_once('/')) {
        (Some(percent), _) => number(percent).map(|percent| percent / 100.0),
        (None, Some((part, whole))) => number(part).zip(number(whole)).map(|(part, whole)| part / whole),
        (None, None) => number(text),
    };
    part.filter(|part| *part > 0.0 && *part <= 1.0)
        .ok_or_else(|| "a share is written as 10% or 1/7, and is more than nothing and not more than all".to_owned())
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<Answer, Failure> {
    let connector = context.connector(&arguments.name)?;
    let vault = context.org_vault(&connector, &arguments.unlocking).await?;
    let extent = match (arguments.read_data, arguments.share, arguments.limit) {
        (false, _, _) => Extent::Nothing,
        (true, Some(share), _) => Extent::Share(share),
        (true, None, Some(bytes)) => Extent::Bytes(bytes),
        (true, None, None) => Extent::Everything,
    };
    let options = CheckOptions { extent, now: Some(SystemClock.now()) };
    let report = orgkeep_engine::check(&vault, options, &context.progress).await?;
    context.progress.clear();
    let screen = &context.screen;
    for number in &report.incomplete_erasures {
        screen.say(&format!(
            "erasure {number} is not complete: files that hold what it erased are still there; the next backup or `orgkeep erase` removes them"
        ));
    }
    if report.damage.is_empty() {
        screen.line(&sound(&report, extent))?;
        return Ok(Answer::with(&report));
    }
    screen.table(&render::damage(&report))?;
    // The findings are data and go into the stream of events; the last line then says how it ended.
    screen.record(&crate::progress::tagged("damage", &report))?;
    Err(Failure::new(
        Kind::Corrupt,
        format!("{} of {} damaged", counted(report.damage.len() as u64, "place"), extent_of(&report)),
    )
    .hint("what is not named above is still readable; bring the named files back from a copy of the vault, or run `orgkeep backup`, which fetches again what the org still has"))
}

fn extent_of(report: &CheckReport) -> String {
    format!("{}, {}", counted(report.files, "file"), bytes(report.bytes))
}

fn sound(report: &CheckReport, extent: Extent) -> String {
    let all = extent_of(report);
    match extent {
        Extent::Nothing => format!("Everything is there: {all}. What is in the files was not read."),
        Extent::Everything => format!("Everything is whole: {all} read"),
        Extent::Share(_) | Extent::Bytes(_) => {
            let content = &report.content;
            let share = |part: u64| (part as f64 / content.whole_bytes.max(1) as f64 * 100.0).floor();
            let mut text =
                format!("Everything is there: {all}. {:.0} % of the content was read", share(content.read_bytes));
            match content.oldest {
                Some(oldest) if content.never_bytes == 0 => {
                    text.push_str(&format!(", all of it since {}", oldest.format("%Y-%m-%d %H:%M UTC")));
                }
                _ => text.push_str(&format!(", {:.0} % never yet", share(content.never_bytes).max(1.0))),
            }
            text + "; nothing is damaged."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::amount;

    #[test]
    fn shares_and_amounts_are_read_as_people_write_them() {
        assert_eq!(share("10%"), Ok(0.1));
        assert_eq!(share("1/4"), Ok(0.25));
        assert_eq!(share("0.5"), Ok(0.5));
        for wrong in ["", "0%", "101%", "1/0", "-1", "much"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
        assert_eq!(amount("500MB"), Ok(500_000_000));
        assert_eq!(amount("2gb"), Ok(2_000_000_000));
        for wrong in ["", "0", "1.5GB", "GB", "99999999999TB"] {
            assert!(amount(wrong).is_err(), "{wrong}");
        }
    }
}
