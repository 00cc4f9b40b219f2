// SPDX-License-Identifier: Apache-2.0
//! As of when a table is read: a backup by its number, or the newest that was finished by some time.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use datafusion::sql::sqlparser::ast::{Expr, TableVersion, Value};
use orgkeep_engine::{Error, Result};
use orgkeep_vault::OrgVault;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Moment {
    Backup(u64),
    Time(DateTime<Utc>),
}

impl Moment {
    /// The number of a backup, a day (its beginning in UTC), or a time, in UTC where it names no other zone.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn parse(text: &str) -> Result<Moment> {
        let text = text.trim();
        if let Ok(number) = text.parse() {
            return Ok(Moment::Backup(number));
        }
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Ok(Moment::Time(time.to_utc()));
        }
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0));
        let spaced = text.replacen('T', " ", 1);
        let time = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
            .into_iter()
            .find_map(|form| NaiveDateTime::parse_from_str(&spaced, form).ok());
        day.or(time).map(|time| Moment::Time(time.and_utc())).ok_or_else(|| {
            Error::invalid(format!("{text:?} is neither the number of a backup nor a time"))
                .hint("write 3, '2026-11-01' (the beginning of that day in UTC) or '2026-11-01T18:30:00Z'")
        })
    }

    /// What stands after `AS OF`.
    pub fn of(version: &TableVersion) -> Result<Moment> {
        let (TableVersion::ForSystemTimeAsOf(expr)
        | TableVersion::TimestampAsOf(expr)
        | TableVersion::VersionAsOf(expr)) = version
        else {
            return Err(
                Error::invalid(format!("{version} is no point in time")).hint("write AS OF 3, or AS OF '2026-11-01'")
            );
        };
        let value = match expr {
            Expr::Value(value) => &value.value,
            Expr::TypedString(typed) => &typed.value.value,
            other => {
                return Err(Error::invalid(format!("AS OF takes a number or a text, not {other}"))
                    .hint("write AS OF 3, or AS OF '2026-11-01'"));
            }
        };
        match value {
            Value::Number(number, _) => Moment::parse(number),
            Value::SingleQuotedString(text) => Moment::parse(text),
            other => Moment::parse(&other.to_string()),
        }
    }

    /// The number of the backup that is meant.
    ///
    /// # Errors
    /// `NotFound` where no backup was finished by that time.
    pub async fn backup(&self, vault: &OrgVault) -> Result<u64> {
        let time = match self {
            Moment::Backup(number) => return Ok(vault.manifest(*number).await?.sequence),
            Moment::Time(time) => *time,
        };
        let backups = vault.manifests().await?;
        let before = backups.iter().rfind(|manifest| manifest.finished_at <= time);
        before.map(|manifest| manifest.sequence).ok_or_else(|| {
            let error = Error::not_found(format!("no backup was finished by {}", time.format("%Y-%m-%d %H:%M:%S UTC")));
            match backups.first() {
                Some(first) => error.hint(format!(
                    "the first that there is, backup {}, was finished at {}",
                    first.sequence,
                    first.finished_at.format("%Y-%m-%d %H:%M:%S UTC")
                )),
                None => error.hint("take one with `orgkeep backup NAME`"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orgkeep_engine::Kind;

    #[test]
    fn numbers_days_and_times_are_moments() {
        let time = |text: &str| Moment::Time(DateTime::parse_from_rfc3339(text).unwrap().to_utc());
        assert_eq!(Moment::parse("3").unwrap(), Moment::Backup(3));
        assert_eq!(Moment::parse("2026-11-01").unwrap(), time("2026-11-01T00:00:00Z"));
        assert_eq!(Moment::parse("2026-11-01 18:30").unwrap(), time("2026-11-01T18:30:00Z"));
        assert_eq!(Moment::parse("2026-11-01T18:30:00.5").unwrap(), time("2026-11-01T18:30:00.5Z"));
        assert_eq!(Moment::parse("2026-11-01T18:30:00+02:00").unwrap(), time("2026-11-01T16:30:00Z"));
        assert_eq!(Moment::parse("yesterday").unwrap_err().kind(), Kind::Invalid);
    }
}
