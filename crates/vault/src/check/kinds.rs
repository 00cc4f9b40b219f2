// SPDX-License-Identifier: Apache-2.0
//! What each file of an org is, by its path: the layout of docs/format.md as a value, so that damage can be named in words.

use std::fmt;

use crate::packed::ENDING;
use crate::seal::parse_name;

/// What a file below an org's folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Key,
    /// Who writes at the moment.
    Lock,
    Unfinished,
    Manifest(u64),
    Seal(u64),
    /// Of a backup that has expired.
    Mark(u64),
    DamagedFiles,
    Checked,
    Lost,
    Retention,
    /// The org that it was before a refresh.
    Former,
    Removed,
    Locked,
    Rotation,
    Erasure(u64),
    ErasureEnd(u64),
    /// That all tables are without what was erased.
    ErasureProgress(u64),
    /// A commit, a checkpoint or a hint of a table's log.
    Log(Table),
    Rows(String),
    Pack,
    Body,
    Document,
    Plan(String),
    Ledger(String),
    Spill,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Table {
    Object(String),
    Bodies,
}

impl Kind {
    /// By the path from the folder of the org; none for what Orgkeep does not write.
    pub(super) fn of(path: &str) -> Option<Kind> {
        let parts: Vec<&str> = path.split('/').collect();
        let number = |name: &str| name.strip_suffix(ENDING)?.parse::<u64>().ok();
        Some(match parts.as_slice() {
            ["key.json"] => Kind::Key,
            ["lock"] => Kind::Lock,
            ["unfinished.json"] => Kind::Unfinished,
            ["rotation.json"] => Kind::Rotation,
            ["retention.json.zst"] => Kind::Retention,
            ["former.json.zst"] => Kind::Former,
            ["removed.json.zst"] => Kind::Removed,
            ["locked.json.zst"] => Kind::Locked,
            ["lost.json.zst"] => Kind::Lost,
            ["checked.json.zst"] => Kind::Checked,
            ["backups", "damaged.json.zst"] => Kind::DamagedFiles,
            ["backups", name] => {
                let mark = || name.strip_suffix(ENDING)?.strip_suffix(".expired")?.parse().ok();
                let seal = || parse_name(name).map(|(sequence, _)| Kind::Seal(sequence));
                number(name).map(Kind::Manifest).or_else(seal).or_else(|| mark().map(Kind::Mark))?
            }
            ["erasures", name] => {
                let stage = |stage| name.strip_suffix(ENDING)?.strip_suffix(stage)?.parse().ok();
                let end = || stage(".done").map(Kind::ErasureEnd).or_else(|| stage(".out").map(Kind::ErasureProgress));
                number(name).map(Kind::Erasure).or_else(end)?
            }
            ["objects", object, "_delta_log", _] => Kind::Log(Table::Object((*object).to_owned())),
            ["blobs", "_delta_log", _] => Kind::Log(Table::Bodies),
            ["objects", object, name] if name.ends_with(".parquet") => Kind::Rows((*object).to_owned()),
            ["blobs", name] if name.ends_with(".parquet") => Kind::Pack,
            ["blobs", "large", _] => Kind::Body,
            ["documents", name] if name.ends_with(ENDING) => Kind::Document,
            ["restores", id, "plan.json.zst"] => Kind::Plan((*id).to_owned()),
            ["restores", id, "ledger", name] if name.ends_with(".jsonl.zst") => Kind::Ledger((*id).to_owned()),
            ["spill", ..] => Kind::Spill,
            _ => return None,
        })
    }

    /// The backup that it belongs to and no other.
    pub(super) fn backup(&self) -> Option<u64> {
        match self {
            Kind::Manifest(sequence) | Kind::Seal(sequence) | Kind::Mark(sequence) => Some(*sequence),
            _ => None,
        }
    }

    /// The object whose records it is about.
    pub(super) fn object(&self) -> Option<&str> {
        match self {
            Kind::Rows(object) | Kind::Log(Table::Object(object)) => Some(object),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Key => f.write_str("keys of the org"),
            Kind::Lock => f.write_str("lock"),
            Kind::Unfinished => f.write_str("mark of unfinished work"),
            Kind::Manifest(sequence) => write!(f, "manifest of backup {sequence}"),
            Kind::Seal(sequence) => write!(f, "seal of backup {sequence}"),
            Kind::Mark(sequence) => write!(f, "mark of expired backup {sequence}"),
            Kind::DamagedFiles => f.write_str("list of damaged files"),
            Kind::Checked => f.write_str("list of what was checked"),
            Kind::Lost => f.write_str("list of what was lost"),
            Kind::Retention => f.write_str("retention policy and holds"),
            Kind::Former => f.write_str("link to the former org"),
            Kind::Removed => f.write_str("list of removed files"),
            Kind::Locked => f.write_str("list of locked files"),
            Kind::Rotation => f.write_str("progress of an exchange of keys"),
            Kind::Erasure(number) => write!(f, "erasure {number}"),
            Kind::ErasureProgress(number) => write!(f, "progress of erasure {number}"),
            Kind::ErasureEnd(number) => write!(f, "end of erasure {number}"),
            Kind::Log(Table::Object(object)) => write!(f, "log of {object}"),
            Kind::Log(Table::Bodies) => f.write_str("log of file bodies"),
            Kind::Rows(object) => write!(f, "records of {object}"),
            Kind::Pack => f.write_str("pack of file bodies"),
            Kind::Body => f.write_str("file body"),
            Kind::Document => f.write_str("document"),
            Kind::Plan(id) => write!(f, "plan of restore {id}"),
            Kind::Ledger(id) => write!(f, "ledger of restore {id}"),
            Kind::Spill => f.write_str("spilled rows"),
        }
    }
}
