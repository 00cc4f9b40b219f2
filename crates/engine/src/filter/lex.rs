// SPDX-License-Identifier: Apache-2.0
//! Words, operators and literals of a condition, each with its place in the text.

use crate::error::{Error, Result};
use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    Bare(String),
    Op(&'static str),
    Open,
    Close,
    Comma,
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(word) | Token::Bare(word) => write!(f, "{word}"),
            Token::Text(text) => write!(f, "'{text}'"),
            Token::Op(op) => f.write_str(op),
            Token::Open => f.write_str("("),
            Token::Close => f.write_str(")"),
            Token::Comma => f.write_str(","),
            Token::End => f.write_str("end of the condition"),
        }
    }
}

pub(super) struct Lexer {
    tokens: Vec<(usize, Token)>,
    next: usize,
}

impl Lexer {
    pub fn new(text: &str) -> Result<Lexer> {
        let chars: Vec<(usize, char)> = text.char_indices().collect();
        let mut tokens = Vec::new();
        let mut i = 0;
        while i < chars.len() {
            let (at, c) = chars[i];
            let following = chars.get(i + 1).map(|(_, c)| *c);
            let (token, taken) = match c {
                c if c.is_whitespace() => {
                    i += 1;
                    continue;
                }
                '(' => (Token::Open, 1),
                ')' => (Token::Close, 1),
                ',' => (Token::Comma, 1),
                '=' => (Token::Op("="), 1),
                '!' if following == Some('=') => (Token::Op("!="), 2),
                '<' if following == Some('>') => (Token::Op("<>"), 2),
                '<' if following == Some('=') => (Token::Op("<="), 2),
                '>' if following == Some('=') => (Token::Op(">="), 2),
                '<' => (Token::Op("<"), 1),
                '>' => (Token::Op(">"), 1),
                '\'' => quoted(text, at, &chars[i + 1..])?,
                c if c.is_alphabetic() => {
                    let word: String = chars[i..]
                        .iter()
                        .map(|(_, c)| *c)
                        .take_while(|c| c.is_alphanumeric() || "_.".contains(*c))
                        .collect();
                    let taken = word.chars().count();
                    (Token::Word(word), taken)
                }
                c if c.is_ascii_digit() || c == '-' || c == '+' => {
                    let bare: String = chars[i..]
                        .iter()
                        .map(|(_, c)| *c)
                        .take_while(|c| c.is_ascii_alphanumeric() || ".:+-".contains(*c))
                        .collect();
                    let taken = bare.chars().count();
                    (Token::Bare(bare), taken)
                }
                other => return Err(error(text, at, &format!("unexpected character {other}"))),
            };
            tokens.push((at, token));
            i += taken;
        }
        tokens.push((text.len(), Token::End));
        Ok(Lexer { tokens, next: 0 })
    }

    pub fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    /// The next token and its byte offset; `End` for ever after the last.
    pub fn next(&mut self) -> (usize, Token) {
        let token = self.tokens[self.next].clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }
}

/// A text in single quotes with SOQL's escapes; `\%` and `\_` keep their backslash for LIKE.
fn quoted(text: &str, at: usize, rest: &[(usize, char)]) -> Result<(Token, usize)> {
    let mut value = String::new();
    let mut i = 0;
    while i < rest.len() {
        match rest[i].1 {
            '\'' => return Ok((Token::Text(value), i + 2)),
            '\\' => {
                i += 1;
                match rest.get(i).map(|(_, c)| *c) {
                    Some('n' | 'N') => value.push('\n'),
                    Some('r' | 'R') => value.push('\r'),
                    Some('t' | 'T') => value.push('\t'),
                    Some(c @ ('%' | '_')) => value.extend(['\\', c]),
                    Some(c) => value.push(c),
                    None => break,
                }
            }
            c => value.push(c),
        }
        i += 1;
    }
    Err(error(text, at, "this text has no closing quote"))
}

/// One line for the message, the condition and a caret below the place in the hint.
pub(super) fn error(text: &str, at: usize, what: &str) -> Error {
    let column = text[..at].chars().count();
    Error::invalid(format!("the condition cannot be read: {what} at column {}", column + 1)).hint(format!(
        "{}\n      {}^",
        text.replace(['\n', '\r', '\t'], " "),
        " ".repeat(column)
    ))
}
