// SPDX-License-Identifier: Apache-2.0
//! The tables that a statement names: each object at its point in time, and the history of each.
//!
//! A table is known inside a statement by a name that tells its point: `Account` is the one at the default point, `Account@3` that of
//! backup 3. What a backup holds is read once, however many tables name it.

use std::collections::BTreeMap;
use std::sync::Arc;

use orgkeep_engine::{Error, Kind, Result, Tables, nearest};
use orgkeep_vault::OrgVault;

use crate::history::Times;
use crate::moment::Moment;
use crate::table::{Contents, Field, Source};

/// What follows the name of an object in that of its history.
pub(crate) const HISTORY: &str = "_history";

pub(crate) struct Catalog {
    vault: OrgVault,
    /// As of when tables are read that do not say it.
    default: Arc<Tables>,
    known: BTreeMap<u64, Arc<Tables>>,
    times: Option<Arc<Times>>,
}

impl Catalog {
    /// # Errors
    /// `NotFound` where there is no such backup, or none at all.
    pub async fn open(vault: &OrgVault, at: Option<&Moment>) -> Result<Catalog> {
        let at = match at {
            Some(moment) => Some(moment.backup(vault).await?),
            None => None,
        };
        let default = Arc::new(orgkeep_engine::tables(vault, at).await?);
        let known = BTreeMap::from([(default.backup, default.clone())]);
        Ok(Catalog { vault: vault.clone(), default, known, times: None })
    }

    /// What the backup holds that is read by default.
    pub fn default(&self) -> &Tables {
        &self.default
    }

    async fn at(&mut self, moment: Option<&Moment>) -> Result<Arc<Tables>> {
        let Some(moment) = moment else { return Ok(self.default.clone()) };
        let backup = moment.backup(&self.vault).await?;
        if let Some(known) = self.known.get(&backup) {
            return Ok(known.clone());
        }
        let tables = Arc::new(orgkeep_engine::tables(&self.vault, Some(backup)).await?);
        self.known.insert(backup, tables.clone());
        Ok(tables)
    }

    /// The table of this name, whatever its case, and what it is called inside the statement.
    ///
    /// # Errors
    /// `NotFound` with the nearest name.
    pub async fn table(&mut self, name: &str, moment: Option<&Moment>) -> Result<(String, Source)> {
        let tables = self.at(moment).await?;
        let object = |name: &str| tables.objects.iter().find(|table| table.object.eq_ignore_ascii_case(name));
        let past = || {
            let end = name.len().checked_sub(HISTORY.len())?;
            let (of, ending) = (name.get(..end)?, name.get(end..)?);
            if ending.eq_ignore_ascii_case(HISTORY) { object(of) } else { None }
        };
        let (table, is_history) = match (object(name), past()) {
            (Some(table), _) => (table, false),
            (None, Some(table)) => (table, true),
            (None, None) => return Err(unknown(name, &tables)),
        };
        let (fields, absent) = match table.held {
            true => self.fields(&table.object, if is_history { None } else { Some(&table.fields) }).await?,
            false => (table.fields.iter().map(|name| Field::text(name)).collect(), Vec::new()),
        };
        let contents = match (table.held, is_history) {
            (false, _) => Contents::Nothing { is_history },
            (true, false) => Contents::State,
            (true, true) => Contents::History(self.times().await?),
        };
        let written = if is_history { format!("{}{HISTORY}", table.object) } else { table.object.clone() };
        let source = Source {
            vault: self.vault.clone(),
            object: table.object.clone(),
            at: tables.backup,
            contents,
            fields,
            absent,
            rows: table.rows,
        };
        Ok((written, source))
    }

    /// The vault's columns of an object: those of these names, or all that it ever had; and the names of the others.
    async fn fields(&self, object: &str, names: Option<&Vec<String>>) -> Result<(Vec<Field>, Vec<String>)> {
        let schema = self.vault.schema(object).await?;
        let wanted = |name: &str| names.is_none_or(|names| names.iter().any(|it| it.eq_ignore_ascii_case(name)));
        let (there, absent): (Vec<_>, Vec<_>) =
            schema.columns().iter().partition(|column| column.name == "Id" || wanted(&column.name));
        Ok((there.into_iter().map(Field::of).collect(), absent.into_iter().map(|column| column.name.clone()).collect()))
    }

    async fn times(&mut self) -> Result<Arc<Times>> {
        if let Some(times) = &self.times {
            return Ok(times.clone());
        }
        let times = Arc::new(Times(self.vault.finish_times().await?));
        self.times = Some(times.clone());
        Ok(times)
    }
}

fn unknown(name: &str, tables: &Tables) -> Error {
    let error = Error::new(Kind::NotFound, format!("backup {} holds no object {name}", tables.backup));
    let of_history = name.to_ascii_lowercase().strip_suffix(HISTORY).map(str::to_owned);
    let asked = of_history.as_deref().unwrap_or(name);
    match nearest(asked, tables.objects.iter().map(|table| table.object.as_str())) {
        Some(near) if of_history.is_some() => {
            error.hint(format!("did you mean {near}{HISTORY}; SHOW TABLES lists all objects"))
        }
        Some(near) => error.hint(format!("did you mean {near}; SHOW TABLES lists all objects")),
        None => error.hint("SHOW TABLES lists all objects"),
    }
}
