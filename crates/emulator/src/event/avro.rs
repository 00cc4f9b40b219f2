// SPDX-License-Identifier: Apache-2.0
//! Avro's binary form, as far as events need it (Avro 1.11 specification, "Binary encoding"): no container, no
//! fingerprint, nothing but the values of a record one after the other.

/// An integer or a long: zigzag, seven bits a byte, the least significant first.
pub fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_long(out, text.len() as i64);
    out.extend_from_slice(text.as_bytes());
}

pub fn put_double(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// An array of strings: one block, then the empty block that ends it.
pub fn put_texts(out: &mut Vec<u8>, texts: &[String]) {
    if !texts.is_empty() {
        put_long(out, texts.len() as i64);
        texts.iter().for_each(|text| put_text(out, text));
    }
    put_long(out, 0);
}

/// Reads values one after the other; none when the bytes end too early or are no such value.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn of(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn long(&mut self) -> Option<i64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        None
    }

    pub fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.long()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }

    pub fn double(&mut self) -> Option<f64> {
        let (bytes, rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some(f64::from_le_bytes(*bytes))
    }

    pub fn boolean(&mut self) -> Option<bool> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        (byte < 2).then_some(byte == 1)
    }

    pub fn texts(&mut self) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        loop {
            let count = self.long()?;
            if count == 0 {
                return Some(texts);
            }
            for _ in 0..u64::try_from(count).ok()? {
                texts.push(self.text()?.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_the_specification_shows_them() {
        let bytes = |value: i64| {
            let mut out = Vec::new();
            put_long(&mut out, value);
            out
        };
        let shown: [(i64, &[u8]); 6] = [(0, &[0]), (-1, &[1]), (1, &[2]), (-64, &[0x7f]), (64, &[0x80, 1]), (-2, &[3])];
        for (value, expected) in shown {
            assert_eq!(bytes(value), expected);
        }
        for value in [i64::MAX, i64::MIN, 1_714_170_102_000, -62_135_596_800_000] {
            assert_eq!(Reader::of(&bytes(value)).long(), Some(value));
        }
    }

    #[test]
    fn bytes_that_end_too_early_are_no_value() {
        assert_eq!(Reader::of(&[0x80]).long(), None);
        assert_eq!(Reader::of(&[6, b'a', b'b']).text(), None);
        assert_eq!(Reader::of(&[1]).text(), None);
        assert_eq!(Reader::of(&[0; 7]).double(), None);
    }
}
