// SPDX-License-Identifier: Apache-2.0
//! Reading the content, file by file: what was read longest ago first, and not more than was asked for.

use futures::stream::StreamExt;
use object_store::path::Path;

use super::memory::Memory;
use super::{Check, CheckOptions, Damage, Extent, is_damage};
use crate::backup::DocumentRef;
use crate::columns::Column;
use crate::error::{Error, Kind, Result};
use crate::examine::{Broken, examine};
use crate::log::DataFile;

/// What was read is noted in the vault after this many bytes, so that little is lost of a check that is stopped.
const NOTED_BYTES: u64 = 256 * 1024 * 1024;

/// Something to be read whole.
pub(super) struct Unit {
    pub path: Path,
    pub bytes: u64,
    /// The backups that need it.
    pub backups: Vec<u64>,
    pub content: Content,
}

pub(super) enum Content {
    /// A data file of an object.
    Rows {
        object: String,
        file: DataFile,
        columns: Vec<Column>,
    },
    /// All rows of an object, as the states that they make up.
    States {
        object: String,
    },
    /// Bodies of small files.
    Pack {
        file: DataFile,
    },
    /// One large body.
    Large {
        hash: String,
    },
    Document(DocumentRef),
    /// A plan, or a part of a ledger.
    Restore,
    /// Taken out of its table, and there for who still reads it.
    TakenOut,
    /// Named, but known not to be there in full.
    Missing,
}

impl Unit {
    pub(super) fn object(&self) -> Option<&str> {
        match &self.content {
            Content::Rows { object, .. } | Content::States { object, .. } => Some(object),
            _ => None,
        }
    }

    fn is_states(&self) -> bool {
        matches!(self.content, Content::States { .. })
    }
}

impl Check<'_> {
    pub(super) async fn content(&mut self, options: CheckOptions, memory: &mut Memory) -> Result<()> {
        let whole: u64 = self.units.iter().map(|unit| unit.bytes).sum();
        let budget = match options.extent {
            Extent::Nothing => 0,
            Extent::Everything => u64::MAX,
            Extent::Bytes(bytes) => bytes,
            // Rounded up, so that any share comes to an end.
            Extent::Share(share) => (whole as f64 * share.clamp(0.0, 1.0)).ceil() as u64,
        };
        for damage in &self.report.damage {
            memory.damaged(&self.org, damage, options.now);
        }
        let units = std::mem::take(&mut self.units);
        // States after the files they are made of: a damaged file is to be named itself.
        let mut order: Vec<usize> = (0..units.len()).collect();
        order.sort_by_cached_key(|index| {
            let unit = &units[*index];
            (memory.read_at(&self.org, &unit.path), unit.is_states(), unit.path.to_string())
        });
        let (mut read, mut noted) = (0, 0);
        let mut outcome = Ok(());
        for index in order {
            let unit = &units[index];
            // The last one may exceed what was asked for: else a file larger than the share would never be read.
            if read >= budget || matches!(unit.content, Content::Missing) {
                continue;
            }
            match self.unit(unit).await {
                Ok(sound) => {
                    read += unit.bytes;
                    self.say(unit.path.as_ref());
                    memory.read(&self.org, unit, sound, &self.report.damage, options.now);
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            if options.now.is_some() && read - noted >= NOTED_BYTES {
                noted = read;
                memory.put(&self.org, &units).await?;
            }
        }
        self.units = units;
        self.report.content.read_bytes = read;
        outcome
    }

    /// Reads one; whether it is sound.
    async fn unit(&mut self, unit: &Unit) -> Result<bool> {
        let before = self.report.damage.len();
        let object = unit.object().map(str::to_owned);
        match &unit.content {
            Content::Rows { file, columns, .. } => {
                let broken = examine(&self.org, &unit.path, file, Some(columns)).await?;
                self.broken(unit, broken);
            }
            Content::Pack { file } => {
                let broken = examine(&self.org, &unit.path, file, None).await?;
                // Noted already where its large bodies were looked for.
                if !self.report.damage.iter().any(|damage| damage.path == unit.path.as_ref()) {
                    self.broken(unit, broken);
                }
            }
            Content::States { object } => {
                // The files of the object that are damaged have been named.
                let known = self.report.damage.iter().any(|damage| damage.object.as_deref() == Some(object));
                if !known {
                    let found = self.states(unit, object).await;
                    self.note(&unit.path, Some(object), unit.backups.clone(), found)?;
                }
            }
            Content::Large { hash } => {
                let found = self.body(hash).await;
                self.note(&unit.path, None, unit.backups.clone(), found)?;
            }
            Content::Document(reference) => {
                let found = self.org.document(reference).await;
                self.note(&unit.path, None, Vec::new(), found)?;
            }
            Content::Restore => {
                let found = self.restore(&unit.path).await;
                self.note(&unit.path, None, Vec::new(), found)?;
            }
            Content::TakenOut => {
                let found = self.taken_out(&unit.path).await;
                self.note(&unit.path, None, Vec::new(), found)?;
            }
            Content::Missing => {}
        }
        // Of a pack it may have been noted before, where its large bodies were looked for.
        let named = self.report.damage.iter().any(|damage| damage.path == unit.path.as_ref());
        Ok(self.report.damage.len() == before
            && !named
            && !self.report.damage.iter().any(|damage| object.is_some() && unit.is_states() && damage.object == object))
    }

    fn broken(&mut self, unit: &Unit, broken: Vec<Broken>) {
        for Broken { ids, error } in broken {
            let damage = self.damage(&unit.path, unit.object(), unit.backups.clone(), error.chain());
            self.report.damage.push(Damage { ids: unit.object().and(ids), ..damage });
        }
    }

    /// Whether the state as of each backup is what its manifest says, all in one pass over all versions.
    async fn states(&mut self, unit: &Unit, object: &str) -> Result<()> {
        let states = self.org.states(object).await?;
        let lost: Vec<(u64, u64)> =
            self.report.lost.iter().filter(|lost| lost.object == object).map(|lost| (lost.from, lost.mended)).collect();
        let manifests = self.manifests.clone();
        let before = self.erased.without(&self.erasures_under_way);
        let mut wrong = Vec::new();
        for (sequence, said) in manifests.iter().filter_map(|one| Some((one.sequence, one.state.get(object)?))) {
            let expected = self.erased.held(object, sequence, said)?;
            let held = states.range(..=sequence).next_back().map(|(_, held)| held.clone()).unwrap_or_default();
            let known = lost.iter().any(|(from, mended)| (*from..*mended).contains(&sequence));
            // An erasure under way has reached some tables and not others.
            if !known && held != expected && held != before.held(object, sequence, said)? {
                wrong.push((sequence, held.live, expected.live));
            }
        }
        if let Some((sequence, live, expected)) = wrong.first().copied() {
            let mut what = format!(
                "the records of backup {sequence} are not those that were captured: {live} live, {expected} expected"
            );
            if self.broken_erasures {
                what.push_str(" (an erasure that cannot be read may be why)");
            }
            self.damaged(&unit.path, Some(object), wrong.into_iter().map(|(sequence, ..)| sequence).collect(), what);
        }
        Ok(())
    }

    async fn body(&self, hash: &str) -> Result<()> {
        let mut body = self.org.blob(hash).await?;
        while body.next().await.transpose()?.is_some() {}
        Ok(())
    }

    async fn restore(&self, path: &Path) -> Result<()> {
        let bytes = self.org.unpacked(path, "a part of a restore").await?;
        let mut values = serde_json::Deserializer::from_slice(&bytes).into_iter::<serde_json::Value>();
        match values.find_map(Result::err) {
            // Plans of other programs may have other forms; ledgers are lines of JSON.
            Some(error) if path.as_ref().contains("/ledger/") => {
                Err(Error::because("a part of a restore is not readable", error).of_kind(Kind::Corrupt))
            }
            _ => Ok(()),
        }
    }
}

/// Whether an error of reading one part is damage of it; anything else ends the check.
pub(crate) fn damage_or(error: Error) -> Result<Error> {
    if is_damage(&error) { Ok(error) } else { Err(error) }
}
