// SPDX-License-Identifier: Apache-2.0
//! Field-level security of events: what a subscriber may not see is null in the events that it gets, while the schema
//! keeps the fields (Change Data Capture Developer Guide, "Field-Level Security").
//!
//! The payload is walked by the schema it was written under, so that events from before a change of the object are masked
//! too. That the bitmaps do not name hidden fields either is a guess.

use serde_json::Value as Json;

use super::avro::{Reader, put_long, put_texts};

/// The payload without the fields that are hidden; none when it is not what the schema says.
pub fn masked(schema_json: &str, payload: &[u8], is_hidden: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let schema: Json = serde_json::from_str(schema_json).ok()?;
    let fields = schema["fields"].as_array()?;
    let hidden: Vec<bool> = fields.iter().map(|field| field["name"].as_str().is_some_and(&is_hidden)).collect();
    let walk = Walk { fields };
    let mut reader = Reader::of(payload);
    let mut out = Vec::with_capacity(payload.len());
    for (at, field) in fields.iter().enumerate() {
        let before = reader.rest();
        if field["name"] == "ChangeEventHeader" {
            walk.header(&mut reader, &field["type"], &hidden, &mut out)?;
            continue;
        }
        walk.pass(&mut reader, &field["type"])?;
        if hidden[at] {
            put_long(&mut out, 0);
        } else {
            out.extend_from_slice(&before[..before.len() - reader.rest().len()]);
        }
    }
    Some(out)
}

/// A way through values by their types.
struct Walk<'a> {
    fields: &'a [Json],
}

impl Walk<'_> {
    /// Passes over a value.
    fn pass(&self, reader: &mut Reader<'_>, kind: &Json) -> Option<()> {
        match kind {
            Json::String(name) => match name.as_str() {
                "string" => reader.text().map(drop),
                "int" | "long" => reader.long().map(drop),
                "double" => reader.double().map(drop),
                "boolean" => reader.boolean().map(drop),
                "null" => Some(()),
                name => self.pass(reader, self.defined(name)?),
            },
            Json::Array(branches) => {
                let branch = usize::try_from(reader.long()?).ok()?;
                self.pass(reader, branches.get(branch)?)
            }
            Json::Object(_) => match kind["type"].as_str()? {
                "enum" => reader.long().map(drop),
                "array" => reader.texts().map(drop),
                "record" => kind["fields"].as_array()?.iter().try_for_each(|field| self.pass(reader, &field["type"])),
                _ => None,
            },
            _ => None,
        }
    }

    /// The record that an earlier field defined.
    fn defined(&self, name: &str) -> Option<&Json> {
        let kinds = self.fields.iter().filter_map(|field| field["type"].as_array()).flatten();
        kinds.into_iter().find(|kind| kind["name"] == name)
    }

    /// The header, whose bitmaps are rewritten.
    fn header(&self, reader: &mut Reader<'_>, kind: &Json, hidden: &[bool], out: &mut Vec<u8>) -> Option<()> {
        for field in kind["fields"].as_array()? {
            if matches!(field["name"].as_str(), Some("changedFields" | "nulledFields")) {
                put_texts(out, &unmarked(reader.texts()?, hidden)?);
                continue;
            }
            let before = reader.rest();
            self.pass(reader, &field["type"])?;
            out.extend_from_slice(&before[..before.len() - reader.rest().len()]);
        }
        Some(())
    }
}

/// Bitmaps without the hidden fields: their bits in the first, and the bitmaps of their parts.
fn unmarked(bitmaps: Vec<String>, hidden: &[bool]) -> Option<Vec<String>> {
    let mut left = Vec::with_capacity(bitmaps.len());
    for bitmap in bitmaps {
        let Some(digits) = bitmap.strip_prefix("0x") else {
            let (at, _) = bitmap.split_once('-')?;
            if !hidden.get(at.parse::<usize>().ok()?).copied().unwrap_or(false) {
                left.push(bitmap);
            }
            continue;
        };
        let bits: Option<Vec<u32>> = digits.chars().rev().map(|digit| digit.to_digit(16)).collect();
        let mut bits = bits?;
        for (at, _) in hidden.iter().enumerate().filter(|(_, is_hidden)| **is_hidden) {
            if let Some(digit) = bits.get_mut(at / 4) {
                *digit &= !(1 << (at % 4));
            }
        }
        let digits = bits.iter().rev().filter_map(|bits| char::from_digit(*bits, 16));
        left.push(format!("0x{}", digits.collect::<String>().to_ascii_uppercase()));
    }
    Some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_of_hidden_fields_are_taken_away() {
        let mut hidden = vec![false; 24];
        (hidden[11], hidden[4]) = (true, true);
        let bitmaps = ["0x400800", "4-0x10", "5-0x02"].map(str::to_owned).to_vec();
        assert_eq!(unmarked(bitmaps, &hidden).unwrap(), ["0x400000", "5-0x02"]);
    }

    #[test]
    fn what_is_not_as_the_schema_says_is_not_masked() {
        let schema = r#"{"fields":[{"name":"A","type":["null","string"]}]}"#;
        assert_eq!(masked(schema, &[2, 4, b'h', b'i'], |_| true), Some(vec![0]));
        assert_eq!(masked(schema, &[2, 4, b'h', b'i'], |_| false), Some(vec![2, 4, b'h', b'i']));
        assert_eq!(masked(schema, &[2, 4, b'h'], |_| true), None);
        assert_eq!(masked(schema, &[4], |_| true), None);
    }
}
