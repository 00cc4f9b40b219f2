// SPDX-License-Identifier: Apache-2.0
//! Record Ids: 15 case-sensitive characters, or the same with 3 more that survive the folding of case
//! (`salesforce-api.md` 6.1). Both name the same record; Orgkeep keeps the 18-character form.
//!
//! What is checked is the shape. Whether such a record exists only the org knows.

use crate::error::{Error, Kind, Result};

const SUFFIXES: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The 18-character form of an Id given in either form.
///
/// # Errors
///
/// `Invalid` where the length is neither 15 nor 18, a character is not a letter or digit, or the checksum is wrong.
pub fn normalise(id: &str) -> Result<String> {
    to_18(id).ok_or_else(|| {
        Error::new(Kind::Invalid, format!("reading the Id {id:?}"), "this is not a Salesforce Id")
            .hint("an Id has 15 or 18 letters and digits, and its upper and lower case matter")
    })
}

/// As [`normalise`], for callers that have their own words for what is wrong.
pub fn to_18(id: &str) -> Option<String> {
    let bytes = id.as_bytes();
    if !bytes.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    match bytes.len() {
        15 => {
            let mut full = String::with_capacity(18);
            full.push_str(id);
            full.extend(suffix(bytes));
            Some(full)
        }
        // The suffix itself is not case-sensitive: tools that fold the case of a whole Id are what it is for.
        18 if bytes[15..].iter().zip(suffix(&bytes[..15])).all(|(&a, b)| a.to_ascii_uppercase() == b as u8) => {
            let mut full = id[..15].to_owned();
            full.extend(suffix(&bytes[..15]));
            Some(full)
        }
        _ => None,
    }
}

pub fn is_valid(id: &str) -> bool {
    to_18(id).is_some()
}

/// The Id halfway between two of one object: not before the first, and before the last. `None` where there is none, or they are no Ids
/// of one object.
///
/// Ids count up by base 62, so that about as many records lie on either side where they were made evenly. Nothing may depend on it.
pub fn between(first: &str, last: &str) -> Option<String> {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let number = |id: &str| -> Option<u128> {
        let digits = to_18(id)?.into_bytes();
        digits[..15]
            .iter()
            .try_fold(0, |number, digit| Some(number * 62 + DIGITS.iter().position(|known| known == digit)? as u128))
    };
    if key_prefix(first)? != key_prefix(last)? {
        return None;
    }
    let (first, last) = (number(first)?, number(last)?);
    if first >= last {
        return None;
    }
    let mut middle = first + (last - first) / 2;
    let mut id = [b'0'; 15];
    for place in id.iter_mut().rev() {
        *place = DIGITS[(middle % 62) as usize];
        middle /= 62;
    }
    to_18(std::str::from_utf8(&id).expect("digits are ASCII"))
}

/// The first three characters, which name the object (`keyPrefix` of its describe).
pub fn key_prefix(id: &str) -> Option<&str> {
    id.get(..3)
}

fn suffix(id15: &[u8]) -> impl Iterator<Item = char> + '_ {
    id15.chunks(5).map(|group| {
        let bits = group.iter().enumerate().fold(0, |bits, (i, c)| bits | usize::from(c.is_ascii_uppercase()) << i);
        char::from(SUFFIXES[bits])
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_id_between_two_lies_between_them() {
        assert_eq!(between("001000000000001AAA", "001000000000003AAA").as_deref(), Some("001000000000002AAA"));
        assert_eq!(between("001000000000001AAA", "001000000000002AAA").as_deref(), Some("001000000000001AAA"));
        assert_eq!(between("001000000000001AAA", "001000000000001AAA"), None);
        assert_eq!(between("001000000000001AAA", "003000000000009AAA"), None);
        // From one instance of Salesforce to another.
        let middle = between("0015e00000zzzzzAAA", "001Ws00003abcDEIAY");
        assert!(middle.is_none_or(|id| id.as_str() < "001Ws00003abcDEIAY"));
    }

    #[test]
    fn known_pairs_of_real_orgs() {
        for (short, long) in [
            ("001D000000IqhSL", "001D000000IqhSLIAZ"),
            ("012000000000000", "012000000000000AAA"),
            ("005000000000000", "005000000000000AAA"),
        ] {
            assert_eq!(to_18(short).as_deref(), Some(long));
            assert_eq!(to_18(long).as_deref(), Some(long));
            assert_eq!(to_18(&format!("{short}{}", long[15..].to_lowercase())).as_deref(), Some(long));
        }
    }

    #[test]
    fn what_is_not_an_id() {
        for id in
            ["", "001", "001D000000IqhS", "001D000000IqhSLIAA", "001D000000IqhSLI", "001D000000Iqh-L", "0012345678901ä"]
        {
            let error = normalise(id).expect_err(id);
            assert_eq!(error.kind, Kind::Invalid, "{id}");
        }
    }

    proptest! {
        #[test]
        fn normalising_keeps_the_15_characters_and_is_stable(id in "[0-9A-Za-z]{15}") {
            let long = to_18(&id).unwrap();
            prop_assert_eq!(&long[..15], &id);
            prop_assert_eq!(to_18(&long).unwrap(), long);
        }

        #[test]
        fn the_suffix_notices_every_change_of_case(id in "[0-9A-Za-z]{15}", place in 0usize..15) {
            let long = to_18(&id).unwrap();
            let mut folded = long.clone().into_bytes();
            prop_assume!(folded[place].is_ascii_alphabetic());
            folded[place] ^= 0x20;
            prop_assert_eq!(to_18(std::str::from_utf8(&folded).unwrap()), None);
        }

        #[test]
        fn nothing_makes_it_panic(id in ".{0,20}") {
            let _ = to_18(&id);
        }
    }
}
