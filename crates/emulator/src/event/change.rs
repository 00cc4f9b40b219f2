// SPDX-License-Identifier: Apache-2.0
//! One change of a record as the payload of an event: what changed, as bitmaps and values (`salesforce-api.md` 5.2; Change
//! Data Capture Developer Guide, "Change Event Body Fields" and "ChangeEventHeader Fields").
//!
//! A new or restored record shows all its values, a changed one only those that changed, a deleted one none. Only a change
//! lists its fields, `LastModifiedDate` always among them, but for a lead that was converted.

use crate::org::Row;
use crate::value::{Value, parse_date_time};

use super::avro::{put_double, put_long, put_text, put_texts};
use super::shape::{Form, Kind, Part, Shape};

/// What happened to a record. The numbers are those of the schema's enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeType {
    Create,
    Update,
    Delete,
    Undelete,
    GapCreate,
    GapUpdate,
    GapDelete,
    GapUndelete,
    GapOverflow,
    /// Reserved by Salesforce; never sent.
    Snapshot,
}

impl ChangeType {
    pub const ALL: [ChangeType; 10] = [
        ChangeType::Create,
        ChangeType::Update,
        ChangeType::Delete,
        ChangeType::Undelete,
        ChangeType::GapCreate,
        ChangeType::GapUpdate,
        ChangeType::GapDelete,
        ChangeType::GapUndelete,
        ChangeType::GapOverflow,
        ChangeType::Snapshot,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ChangeType::Create => "CREATE",
            ChangeType::Update => "UPDATE",
            ChangeType::Delete => "DELETE",
            ChangeType::Undelete => "UNDELETE",
            ChangeType::GapCreate => "GAP_CREATE",
            ChangeType::GapUpdate => "GAP_UPDATE",
            ChangeType::GapDelete => "GAP_DELETE",
            ChangeType::GapUndelete => "GAP_UNDELETE",
            ChangeType::GapOverflow => "GAP_OVERFLOW",
            ChangeType::Snapshot => "SNAPSHOT",
        }
    }

    /// The same change told without its values.
    pub fn as_gap(self) -> ChangeType {
        match self {
            ChangeType::Create => ChangeType::GapCreate,
            ChangeType::Update => ChangeType::GapUpdate,
            ChangeType::Delete => ChangeType::GapDelete,
            ChangeType::Undelete => ChangeType::GapUndelete,
            other => other,
        }
    }
}

/// What is told of a record's change, and is the same for all records that changed in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    pub kind: ChangeType,
    pub nulled: Vec<String>,
    pub changed: Vec<String>,
    /// The fields after the header, in Avro.
    pub body: Vec<u8>,
}

/// The rest of an event's header.
pub struct Commit<'a> {
    pub entity: &'a str,
    pub record_ids: &'a [String],
    pub origin: &'a str,
    pub key: &'a str,
    pub sequence: i64,
    pub at_ms: i64,
    pub number: i64,
    pub user: &'a str,
}

impl Change {
    /// What lies between two states of a record, and for how many changes it counts; none when nothing that events tell of
    /// has changed. A row in the recycle bin is not there.
    pub fn between(shape: &Shape, before: Option<&Row>, after: Option<&Row>) -> Option<(Change, usize)> {
        let is_there = |row: &&Row| !row.is_deleted();
        let there_before = before.filter(is_there);
        match (there_before, after.filter(is_there)) {
            (None, None) => None,
            (Some(_), None) => Some((Change::bare(ChangeType::Delete, shape), 1)),
            (None, Some(now)) => {
                let kind = if before.is_some() { ChangeType::Undelete } else { ChangeType::Create };
                let mut body = Vec::new();
                let mut told = Told { shape, old: None, new: now, body: &mut body };
                told.all();
                Some((Change { kind, nulled: Vec::new(), changed: Vec::new(), body }, 1))
            }
            (Some(then), Some(now)) => Change::update(shape, then, now),
        }
    }

    /// A change without values.
    pub fn bare(kind: ChangeType, shape: &Shape) -> Change {
        Change { kind, nulled: Vec::new(), changed: Vec::new(), body: vec![0; shape.members.len()] }
    }

    fn update(shape: &Shape, then: &Row, now: &Row) -> Option<(Change, usize)> {
        let mut body = Vec::new();
        let mut told = Told { shape, old: Some(then), new: now, body: &mut body };
        let (changed, nulled, count) = told.changes();
        (count > 0).then_some((Change { kind: ChangeType::Update, nulled, changed, body }, count))
    }

    /// The whole payload of an event.
    pub fn payload(&self, commit: &Commit<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.len() + 256);
        put_text(&mut out, commit.entity);
        put_texts(&mut out, commit.record_ids);
        put_long(&mut out, self.kind as i64);
        put_text(&mut out, commit.origin);
        put_text(&mut out, commit.key);
        put_long(&mut out, commit.sequence);
        put_long(&mut out, commit.at_ms);
        put_long(&mut out, commit.number);
        put_text(&mut out, commit.user);
        put_texts(&mut out, &self.nulled);
        put_texts(&mut out, &[]);
        put_texts(&mut out, &self.changed);
        out.extend_from_slice(&self.body);
        out
    }
}

/// Two states of a record on their way into an event's body.
struct Told<'a> {
    shape: &'a Shape,
    old: Option<&'a Row>,
    new: &'a Row,
    body: &'a mut Vec<u8>,
}

impl Told<'_> {
    /// Writes every value.
    fn all(&mut self) {
        for member in &self.shape.members {
            match &member.form {
                Form::Plain(part) => self.nullable(part),
                Form::Nested(parts) => self.nested(1, parts, |_| true),
                Form::Switchable { person, parts, .. } if self.new.values[*person].is_true() => {
                    self.nested(2, parts, |_| true);
                }
                Form::Switchable { text, .. } => self.nullable(text),
            }
        }
    }

    /// Writes what changed, and answers the bitmaps of what changed and of what became null, and how many fields that is.
    fn changes(&mut self) -> (Vec<String>, Vec<String>, usize) {
        let (mut changed, mut nulled) = (Bitmaps::default(), Bitmaps::default());
        let mut count = 0;
        let stamp = self.new.object.position("LastModifiedDate");
        let converted = self.new.object.position("IsConverted").is_some_and(|at| self.has_changed(at));
        for (index, member) in (1..).zip(&self.shape.members) {
            let (parts, is_person) = match &member.form {
                Form::Plain(part) => {
                    let is_stamp = Some(part.at) == stamp;
                    let is_told = if is_stamp { !converted } else { self.has_changed(part.at) };
                    if is_told {
                        changed.set(index);
                        count += usize::from(!is_stamp || self.has_changed(part.at));
                        if self.new.values[part.at].is_null() {
                            nulled.set(index);
                        }
                        self.nullable(part);
                    } else {
                        put_long(self.body, 0);
                    }
                    continue;
                }
                Form::Switchable { text, person, parts } => {
                    if !self.new.values[*person].is_true() {
                        if self.has_changed(text.at) {
                            changed.set(index);
                            count += 1;
                            self.nullable(text);
                        } else {
                            put_long(self.body, 0);
                        }
                        continue;
                    }
                    (parts, true)
                }
                Form::Nested(parts) => (parts, false),
            };
            for (at, part) in parts.iter().enumerate() {
                let Some(part) = part.as_ref().filter(|part| self.has_changed(part.at)) else { continue };
                changed.set_nested(index, at);
                count += 1;
                if self.new.values[part.at].is_null() {
                    nulled.set_nested(index, at);
                }
            }
            let old = self.old;
            let new = self.new;
            self.nested(if is_person { 2 } else { 1 }, parts, |part| {
                old.is_none_or(|old| old.values[part.at] != new.values[part.at])
            });
        }
        (changed.finish(), nulled.finish(), count)
    }

    fn has_changed(&self, at: usize) -> bool {
        self.old.is_none_or(|old| old.values[at] != self.new.values[at])
    }

    /// A record at this place of its union, of the parts that are told; null when none of them has a value.
    fn nested(&mut self, branch: i64, parts: &[Option<Part>], is_told: impl Fn(&Part) -> bool) {
        let values = &self.new.values;
        let shown = |part: &&Part| is_told(part) && !values[part.at].is_null();
        if !parts.iter().flatten().any(|part| shown(&part)) {
            put_long(self.body, 0);
            return;
        }
        put_long(self.body, branch);
        for part in parts {
            match part.as_ref().filter(shown) {
                Some(part) => self.nullable(part),
                None => put_long(self.body, 0),
            }
        }
    }

    fn nullable(&mut self, part: &Part) {
        put_nullable(self.body, &self.new.values[part.at], part.kind);
    }
}

/// A value behind its place in the union of null and the type.
pub fn put_nullable(out: &mut Vec<u8>, value: &Value, kind: Kind) {
    let start = out.len();
    put_long(out, 1);
    if !put_value(out, value, kind) {
        out.truncate(start);
        put_long(out, 0);
    }
}

/// A value; false for null and for what is no value of the type.
pub fn put_value(out: &mut Vec<u8>, value: &Value, kind: Kind) -> bool {
    match (kind, value) {
        (_, Value::Null) => return false,
        (Kind::Text, Value::Text(text)) => put_text(out, text),
        (Kind::Text, Value::Int(number)) => put_text(out, &number.to_string()),
        (Kind::Text, Value::Num(number)) => put_text(out, &number.to_string()),
        (Kind::Text | Kind::Boolean, Value::Bool(is)) => out.push(u8::from(*is)),
        (Kind::Boolean, value) => out.push(u8::from(value.is_true())),
        (Kind::Double, value) => match value.as_num() {
            Some(number) => put_double(out, number),
            None => return false,
        },
        (Kind::Date, Value::Text(date)) => match parse_date_time(date) {
            Some(midnight) => put_long(out, midnight),
            None => return false,
        },
        (Kind::Time, Value::Text(time)) => match milliseconds(time) {
            Some(ms) => put_long(out, ms),
            None => return false,
        },
        (Kind::Int | Kind::DateTime | Kind::Date | Kind::Time, value) => match value.as_int() {
            Some(number) => put_long(out, number),
            None => return false,
        },
    }
    true
}

/// `HH:MM:SS.mmmZ` since midnight.
fn milliseconds(time: &str) -> Option<i64> {
    let (clock, fraction) = time.trim_end_matches('Z').split_once('.')?;
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction.parse::<i64>().ok()?)
}

/// Bitmaps of fields: the first of the event's own, then one for each compound field with a marked part.
#[derive(Default)]
struct Bitmaps {
    own: Vec<u8>,
    nested: Vec<(usize, Vec<u8>)>,
}

impl Bitmaps {
    fn set(&mut self, index: usize) {
        mark(&mut self.own, index);
    }

    fn set_nested(&mut self, index: usize, part: usize) {
        if self.nested.last().is_none_or(|(last, _)| *last != index) {
            self.nested.push((index, Vec::new()));
        }
        if let Some((_, bits)) = self.nested.last_mut() {
            mark(bits, part);
        }
    }

    /// `0x400800`, then `4-0x10`. When only parts are marked, the first is `0x00` (a guess: the guide says only that there is one).
    fn finish(mut self) -> Vec<String> {
        if self.own.is_empty() && self.nested.is_empty() {
            return Vec::new();
        }
        if self.own.is_empty() {
            self.own.push(0);
        }
        let nested = self.nested.iter().map(|(index, bits)| format!("{index}-{}", hexadecimal(bits)));
        std::iter::once(hexadecimal(&self.own)).chain(nested).collect()
    }
}

fn mark(bits: &mut Vec<u8>, index: usize) {
    if bits.len() <= index / 8 {
        bits.resize(index / 8 + 1, 0);
    }
    bits[index / 8] |= 1 << (index % 8);
}

/// The most significant byte first.
fn hexadecimal(bits: &[u8]) -> String {
    bits.iter().rev().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02X}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmaps_are_written_as_recorded() {
        // The guide's example: Industry is field 11 of AccountChangeEvent, LastModifiedDate field 22.
        let mut bits = Bitmaps::default();
        bits.set(11);
        bits.set(22);
        bits.set_nested(4, 4);
        assert_eq!(bits.finish(), ["0x400800", "4-0x10"]);
        assert!(Bitmaps::default().finish().is_empty());
    }

    #[test]
    fn a_time_is_counted_from_midnight() {
        assert_eq!(milliseconds("01:02:03.004Z"), Some(3_723_004));
        assert_eq!(milliseconds("noon"), None);
    }
}
