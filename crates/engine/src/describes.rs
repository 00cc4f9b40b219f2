// SPDX-License-Identifier: Apache-2.0
//! The describes of all objects of an org at one time, kept in the vault as one document: JSON Lines, a line
//! `{"object": …, "describe": …}` per object, the describe with the characters that the org sent. One document and not one per
//! object, since an org has a thousand of them, they repeat each other's words, and they hardly ever change.

use crate::error::{Error, Kind, Result};
use orgkeep_salesforce::Describe;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ops::Range;

#[derive(Clone, Debug, Default)]
pub(crate) struct Describes {
    text: String,
    /// Where the describe of each object lies in the text.
    places: BTreeMap<String, Range<usize>>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    object: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    describe: &'a RawValue,
}

impl Describes {
    /// # Errors
    /// `Corrupt` where it is no such document.
    pub fn parse(document: Vec<u8>) -> Result<Describes> {
        let corrupt =
            |reason: String| Error::new(Kind::Corrupt, format!("the describes in the vault cannot be read: {reason}"));
        let text = String::from_utf8(document).map_err(|error| corrupt(error.to_string()))?;
        let mut places = BTreeMap::new();
        for line in serde_json::Deserializer::from_str(&text).into_iter::<Line<'_>>() {
            let line = line.map_err(|error| corrupt(error.to_string()))?;
            let start = line.describe.get().as_ptr() as usize - text.as_ptr() as usize;
            places.insert(line.object.into_owned(), start..start + line.describe.get().len());
        }
        Ok(Describes { text, places })
    }

    /// The document.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Adds the describe of an object, as the org sent it.
    pub fn push(&mut self, object: &str, raw: &str) {
        let name = serde_json::to_string(object).expect("text is always JSON");
        self.text.push_str(&format!("{{\"object\":{name},\"describe\":"));
        let start = self.text.len();
        self.text.push_str(raw);
        self.places.insert(object.to_owned(), start..self.text.len());
        self.text.push_str("}\n");
    }

    pub fn objects(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The describe of an object, as the org sent it.
    pub fn raw(&self, object: &str) -> Option<&str> {
        self.places.get(object).map(|place| &self.text[place.clone()])
    }

    /// # Errors
    /// `Corrupt` where what was kept is no describe.
    pub fn get(&self, object: &str) -> Result<Option<Describe>> {
        self.raw(object).map(|raw| Ok(Describe::parse(raw.as_bytes())?)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_comes_back_verbatim() {
        let mut describes = Describes::default();
        let raw = "{\"name\": \"Ä\\u00e4\",\n \"fields\":[]}";
        describes.push("Odd\"Name", raw);
        describes.push("B", "{\"name\":\"B\"}");
        let again = Describes::parse(describes.bytes().to_vec()).unwrap();
        assert_eq!(again.raw("Odd\"Name"), Some(raw));
        assert_eq!(again.get("B").unwrap().unwrap().name, "B");
        assert!(again.get("C").unwrap().is_none());
        assert_eq!(Describes::parse(b"{\"object\":1}".to_vec()).unwrap_err().kind(), Kind::Corrupt);
    }
}
