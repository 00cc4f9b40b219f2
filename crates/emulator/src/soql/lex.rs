// SPDX-License-Identifier: Apache-2.0
//! Cuts a statement into tokens, each with its byte offset. Keywords are ordinary words here: SOQL reserves none of them
//! everywhere. Dates, times and datetimes are recognised by their shape, since SOQL writes them without quotes.

use super::refusal;
use crate::error::ApiError;

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Word(String),
    Text(Quoted),
    /// As written, with its sign.
    Number(String),
    /// `2021-01-31`, `13:30:00.000Z` or `2021-01-31T13:30:00+01:00`, as written.
    Moment(String),
    /// `( ) , . : = != < <= > >=`; `<>` is read as `!=`.
    Sign(&'static str),
    End,
}

/// A string literal in both of its readings.
#[derive(Clone, Debug, PartialEq)]
pub struct Quoted {
    /// All escapes resolved.
    pub text: String,
    /// For LIKE: every character that stands for itself although it could mean something else has a backslash before it.
    pub pattern: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub token: Token,
    pub offset: usize,
    pub end: usize,
}

pub fn tokens(text: &str) -> Result<Vec<Placed>, ApiError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        let placed = lexer.next()?;
        let end = placed.token == Token::End;
        tokens.push(placed);
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Result<Placed, ApiError> {
        let blank = self.rest().find(|letter: char| !letter.is_whitespace()).unwrap_or(self.rest().len());
        self.at += blank;
        let offset = self.at;
        let token = match self.rest().chars().next() {
            None => Token::End,
            Some('\'') => Token::Text(self.quoted()?),
            Some(letter) if letter.is_ascii_alphabetic() || letter == '_' => self.word(),
            Some(letter) if letter.is_ascii_digit() => self.number_or_moment(),
            Some('+' | '-' | '.') if self.starts_number() => self.number_or_moment(),
            Some(letter) => self.sign(letter)?,
        };
        Ok(Placed { token, offset, end: self.at })
    }

    fn take(&mut self, bytes: usize) -> String {
        let taken = self.rest()[..bytes].to_owned();
        self.at += bytes;
        taken
    }

    fn word(&mut self) -> Token {
        let length = self.rest().find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        Token::Word(self.take(length.unwrap_or(self.rest().len())))
    }

    fn starts_number(&self) -> bool {
        let unsigned = self.rest().trim_start_matches(['+', '-']);
        unsigned.trim_start_matches('.').starts_with(|letter: char| letter.is_ascii_digit())
    }

    fn number_or_moment(&mut self) -> Token {
        let bytes = self.rest().as_bytes();
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let moment = (digits == 4 && bytes.get(4) == Some(&b'-')) || (digits == 2 && bytes.get(2) == Some(&b':'));
        let mut length = usize::from(matches!(bytes[0], b'+' | b'-'));
        while let Some(&byte) = bytes.get(length) {
            let part_of_moment = moment && matches!(byte, b'-' | b'+' | b':' | b'.' | b'T' | b'Z' | b't' | b'z');
            let exponent = !moment && matches!(byte, b'e' | b'E');
            let exponent_sign = !moment && matches!(byte, b'+' | b'-') && matches!(bytes[length - 1], b'e' | b'E');
            let point = !moment && byte == b'.';
            if !(byte.is_ascii_digit() || part_of_moment || exponent || exponent_sign || point) {
                break;
            }
            length += 1;
        }
        let taken = self.take(length);
        if moment { Token::Moment(taken) } else { Token::Number(taken) }
    }

    fn sign(&mut self, letter: char) -> Result<Token, ApiError> {
        const SIGNS: [(&str, &str); 12] = [
            ("!=", "!="),
            ("<>", "!="),
            ("<=", "<="),
            (">=", ">="),
            ("=", "="),
            ("<", "<"),
            (">", ">"),
            ("(", "("),
            (")", ")"),
            (",", ","),
            (".", "."),
            (":", ":"),
        ];
        for (written, meant) in SIGNS {
            if self.rest().starts_with(written) {
                self.at += written.len();
                return Ok(Token::Sign(meant));
            }
        }
        Err(refusal::at(self.text, self.at, "MALFORMED_QUERY", format!("unexpected token: '{letter}'")))
    }

    /// Escapes of `salesforce-api.md` 7.1; any other is refused.
    fn quoted(&mut self) -> Result<Quoted, ApiError> {
        let start = self.at;
        let mut quoted = Quoted { text: String::new(), pattern: String::new() };
        let text = self.text;
        let mut letters = text[start + 1..].char_indices();
        while let Some((place, letter)) = letters.next() {
            match letter {
                '\'' => {
                    self.at = start + 1 + place + 1;
                    return Ok(quoted);
                }
                '\\' => {
                    let Some((_, escaped)) = letters.next() else { break };
                    let meant = match escaped {
                        'n' | 'N' => '\n',
                        'r' | 'R' => '\r',
                        't' | 'T' => '\t',
                        'b' | 'B' => '\u{8}',
                        'f' | 'F' => '\u{c}',
                        '\'' | '"' | '\\' | '_' | '%' => escaped,
                        'u' | 'U' => {
                            let unit =
                                text[start + 1 + place..].get(2..6).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                            let Some(unit) = unit else { return Err(self.illegal_escape(start, escaped)) };
                            letters.nth(3);
                            let mut code = unit;
                            // A character beyond the basic plane is written as two surrogates.
                            if (0xd800..0xdc00).contains(&unit) {
                                let next = letters.as_str();
                                let low = next.strip_prefix("\\u").and_then(|hex| hex.get(..4));
                                let low = low.and_then(|hex| u32::from_str_radix(hex, 16).ok());
                                let Some(low) = low.filter(|low| (0xdc00..0xe000).contains(low)) else {
                                    return Err(self.illegal_escape(start, escaped));
                                };
                                letters.nth(5);
                                code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                            }
                            char::from_u32(code).ok_or_else(|| self.illegal_escape(start, escaped))?
                        }
                        other => return Err(self.illegal_escape(start, other)),
                    };
                    quoted.text.push(meant);
                    if matches!(meant, '_' | '%' | '\\') {
                        quoted.pattern.push('\\');
                    }
                    quoted.pattern.push(meant);
                }
                other => {
                    quoted.text.push(other);
                    quoted.pattern.push(other);
                }
            }
        }
        Err(refusal::at(text, start, "MALFORMED_QUERY", "unterminated string literal"))
    }

    fn illegal_escape(&self, start: usize, letter: char) -> ApiError {
        let literal = self.text[start + 1..].split('\'').next().unwrap_or_default();
        refusal::at(
            self.text,
            start,
            "MALFORMED_QUERY",
            format!("Invalid string literal '{literal}'. Illegal character sequence '\\{letter}' in string literal."),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Token> {
        tokens(text).unwrap().into_iter().map(|placed| placed.token).collect()
    }

    #[test]
    fn moments_are_told_from_numbers_by_shape() {
        for written in ["2021-01-01", "2021-01-01T00:00:00.000+00:00", "2021-01-01T00:00:00Z", "13:30:00.000Z"] {
            assert_eq!(kinds(written)[0], Token::Moment(written.to_owned()));
        }
        for written in ["2021", "-5", "+1.5", "1.5e-3", ".5", "20210"] {
            assert_eq!(kinds(written)[0], Token::Number(written.to_owned()));
        }
    }

    #[test]
    fn escapes_have_a_reading_for_like() {
        let Token::Text(quoted) = &kinds(r"'a\_b%\\\'\u00e9\ud83d\ude00\n'")[0] else { panic!("not a text") };
        assert_eq!(quoted.text, "a_b%\\'é😀\n");
        assert_eq!(quoted.pattern, "a\\_b%\\\\'é😀\n");
    }

    #[test]
    fn an_unknown_escape_and_an_open_quote_are_refused() {
        assert!(tokens(r"'a\q'").unwrap_err().message.contains(r"Illegal character sequence '\q'"));
        assert_eq!(tokens("'open").unwrap_err().code, "MALFORMED_QUERY");
        assert!(tokens("a ; b").unwrap_err().message.ends_with("unexpected token: ';'"));
    }
}
