// SPDX-License-Identifier: Apache-2.0
//! A record under construction, and lists of Ids that take 18 bytes each.

use super::random::Random;
use crate::record::{Fields, Input};
use crate::schema::Object;
use crate::value::date_time_text;

/// Values to save. An absent one is not given.
#[derive(Default)]
pub struct Record(Vec<(&'static str, Input)>);

impl Record {
    pub fn new() -> Record {
        Record::default()
    }

    pub fn text(self, field: &'static str, text: impl Into<String>) -> Record {
        self.with(field, Input::Text(text.into()))
    }

    /// A value that may be absent.
    pub fn maybe(self, field: &'static str, text: Option<String>) -> Record {
        match text {
            Some(text) => self.text(field, text),
            None => self,
        }
    }

    pub fn number(self, field: &'static str, number: impl ToString) -> Record {
        self.with(field, Input::Number(number.to_string()))
    }

    /// An amount of money, given in cents.
    pub fn cents(self, field: &'static str, cents: i64) -> Record {
        let sign = if cents < 0 { "-" } else { "" };
        self.number(field, format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100))
    }

    pub fn flag(self, field: &'static str, on: bool) -> Record {
        self.with(field, Input::Bool(on))
    }

    /// A date and time in milliseconds since 1970 UTC.
    pub fn moment(self, field: &'static str, ms: i64) -> Record {
        self.text(field, date_time_text(ms, "Z"))
    }

    pub fn bytes(self, field: &'static str, bytes: Vec<u8>) -> Record {
        self.with(field, Input::Bytes(bytes))
    }

    fn with(mut self, field: &'static str, input: Input) -> Record {
        self.0.push((field, input));
        self
    }

    /// What the object can take. Fields that customers may have removed or never had (custom ones) are left out; a standard field
    /// that is missing stays, so that the save refuses it loudly.
    pub fn fields(self, object: &Object) -> Fields {
        let known = self
            .0
            .into_iter()
            .filter(|(field, _)| object.has(field) || !field.ends_with("__c") && !field.ends_with("__s"));
        let audit = |field: &str| {
            !matches!(field, "CreatedDate" | "CreatedById" | "LastModifiedDate" | "LastModifiedById" | "SystemModstamp")
        };
        known
            .filter(|(field, _)| audit(field) || object.has(field))
            .map(|(field, input)| (field.to_owned(), input))
            .collect()
    }
}

/// Ids of one object.
#[derive(Default)]
pub struct Ids(Vec<[u8; 18]>);

impl Ids {
    pub fn push(&mut self, id: &str) {
        self.0.extend(<[u8; 18]>::try_from(id.as_bytes()));
    }

    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    pub fn nth(&self, number: u64) -> Option<String> {
        let at = usize::try_from(number % self.len().max(1)).ok()?;
        self.0.get(at).map(|id| String::from_utf8_lossy(id).into_owned())
    }

    pub fn pick(&self, random: &mut Random) -> Option<String> {
        self.nth(random.next())
    }
}
