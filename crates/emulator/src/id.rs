// SPDX-License-Identifier: Apache-2.0
//! Salesforce Ids: 15 case-sensitive base-62 characters, or those and three more that survive a change of case
//! (`salesforce-api.md` 6.1).
//!
//! The first three characters name the object, the next two stand for the instance (always `EM` here, so that an Id of
//! the emulator is recognised), one is zero and nine count. Ids are handed out by the store, one counter per prefix,
//! and are never used twice.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECKSUM: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
const INSTANCE: &str = "EM0";

/// The Id of the master record type and of the "no record type" answer.
pub const MASTER_RECORD_TYPE: &str = "012000000000000AAA";

/// The Id (18 characters) that has this key prefix and this number.
pub fn make(prefix: &str, number: u64) -> String {
    debug_assert_eq!(prefix.len(), 3, "a key prefix has three characters");
    let mut id = String::with_capacity(18);
    id.push_str(prefix);
    id.push_str(INSTANCE);
    let mut digits = [b'0'; 9];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    id.extend(digits.iter().map(|&digit| char::from(digit)));
    let suffix = checksum(&id);
    id.push_str(&suffix);
    id
}

/// The number that an Id was made of; none for a text that is too short or has other characters.
pub fn number(id: &str) -> Option<u64> {
    let digits = id.get(6..15)?;
    let value = |digit: u8| DIGITS.iter().position(|known| *known == digit).map(|value| value as u64);
    digits.bytes().try_fold(0, |number, digit| Some(number * 62 + value(digit)?))
}

/// The three characters that make 15 into 18.
pub fn checksum(id15: &str) -> String {
    let group = |chars: &[u8]| {
        let bits = chars.iter().enumerate().filter(|(_, c)| c.is_ascii_uppercase()).fold(0, |n, (i, _)| n | 1 << i);
        char::from(CHECKSUM[bits])
    };
    id15.as_bytes().chunks(5).take(3).map(group).collect()
}

/// The 18-character form of an Id in either form. `None` when it is not an Id: wrong length, other characters, or a
/// checksum that does not fit.
pub fn to18(id: &str) -> Option<String> {
    if !id.bytes().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    match id.len() {
        15 => Some(format!("{id}{}", checksum(id))),
        18 if id.is_char_boundary(15) && checksum(&id[..15]) == id[15..] => Some(id.to_owned()),
        _ => None,
    }
}

/// The 15-character form, which error texts use.
pub fn to15(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}

/// Whether this is an Id of 15 or 18 characters.
pub fn valid(id: &str) -> bool {
    to18(id).is_some()
}

/// The key prefix of an Id, or the whole text when it is shorter.
pub fn prefix(id: &str) -> &str {
    id.get(..3).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_real_ids() {
        // The pairs the reference was verified with (6.1).
        assert_eq!(checksum("001D000000IqhSL"), "IAZ");
        assert_eq!(checksum("012000000000000"), "AAA");
        assert_eq!(to18("001D000000IqhSL").as_deref(), Some("001D000000IqhSLIAZ"));
        assert_eq!(to18("001D000000IqhSLIAZ").as_deref(), Some("001D000000IqhSLIAZ"));
    }

    #[test]
    fn what_is_no_id() {
        for text in
            ["", "001", "001D000000IqhSLIAA", "001D000000Iqh-L", "001D000000IqhSLI", "001D000000IqhSLIAZ0", "ÄÄÄÄÄÄÄÄÄ"]
        {
            assert_eq!(to18(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_count_up_in_order() {
        let ids: Vec<String> = [0, 1, 61, 62, 3843, 3844].into_iter().map(|n| make("001", n)).collect();
        assert!(ids.is_sorted());
        assert_eq!(to15(&ids[3]), "001EM0000000010");
        assert!(ids.iter().all(|id| valid(id)));
    }
}
