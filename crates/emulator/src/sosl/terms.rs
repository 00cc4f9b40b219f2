// SPDX-License-Identifier: Apache-2.0
//! What stands between the braces of `FIND {…}`: words, phrases in quotation marks, `*` and `?`, `AND`, `OR`, `AND NOT`,
//! parentheses.
//!
//! Text is cut into words at everything that is neither letter nor digit, and compared without case. A term of several such
//! words, like `o'neil` or `a@b.com`, is a phrase: its words must follow each other in one field. Words side by side must all be
//! there, each in any field. `AND` and `AND NOT` bind closer than `OR`. Stemming, synonyms and spelling correction are not
//! modelled.

use crate::error::ApiError;

/// A search as it is evaluated against a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Search {
    /// Patterns that match words one after another.
    Phrase(Vec<Pattern>),
    And(Vec<Search>),
    Or(Vec<Search>),
    Not(Box<Search>),
}

/// One word with wildcards, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Letter(char),
    /// `?`: one character.
    One,
    /// `*`: any number.
    Any,
}

/// The words of one field, in lower case.
pub fn words(text: &str) -> Vec<String> {
    let parts = text.split(|one: char| !one.is_alphanumeric()).filter(|word| !word.is_empty());
    parts.map(str::to_lowercase).collect()
}

impl Search {
    /// Reads the text between the braces.
    ///
    /// # Errors
    /// `MALFORMED_SEARCH`
    pub fn read(text: &str) -> Result<Search, ApiError> {
        let tokens = tokens(text)?;
        if !tokens.iter().any(|token| matches!(token, Token::Phrase(_))) {
            return Err(malformed("No search term found. The search term must be enclosed in braces."));
        }
        let mut reader = Reader { tokens, at: 0 };
        let search = reader.or()?;
        match reader.tokens.get(reader.at) {
            None => Ok(search),
            Some(_) => Err(malformed(format!("unmatched parenthesis in search term: {text}"))),
        }
    }

    /// The last word of a text that is being typed may go on.
    ///
    /// # Errors
    /// `MALFORMED_SEARCH`
    pub fn typed(text: &str) -> Result<Search, ApiError> {
        let mut all: Vec<Search> = Vec::new();
        let words = words(text);
        for (place, word) in words.iter().enumerate() {
            let mut pieces: Vec<Piece> = word.chars().map(Piece::Letter).collect();
            if place + 1 == words.len() {
                pieces.push(Piece::Any);
            }
            all.push(Search::Phrase(vec![Pattern(pieces)]));
        }
        if all.is_empty() {
            return Err(malformed("No search term found. The search term must be enclosed in braces."));
        }
        Ok(Search::And(all))
    }

    /// Whether a record matches, given the words of each of its fields.
    pub fn matches(&self, fields: &[Vec<String>]) -> bool {
        match self {
            Search::Phrase(patterns) => fields.iter().any(|words| {
                words.windows(patterns.len()).any(|run| run.iter().zip(patterns).all(|(word, one)| one.matches(word)))
            }),
            Search::And(parts) => parts.iter().all(|part| part.matches(fields)),
            Search::Or(parts) => parts.iter().any(|part| part.matches(fields)),
            Search::Not(part) => !part.matches(fields),
        }
    }

    /// Text with every word that is searched for between `<mark>` and `</mark>`; nothing when there is none. Patterns with
    /// wildcards mark nothing.
    pub fn marked(&self, text: &str) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut found = false;
        while let Some(start) = rest.find(char::is_alphanumeric) {
            out.push_str(&rest[..start]);
            rest = &rest[start..];
            let end = rest.find(|one: char| !one.is_alphanumeric()).unwrap_or(rest.len());
            let word = &rest[..end];
            if self.names(&word.to_lowercase()) {
                found = true;
                out.push_str(&format!("<mark>{word}</mark>"));
            } else {
                out.push_str(word);
            }
            rest = &rest[end..];
        }
        out.push_str(rest);
        found.then_some(out)
    }

    fn names(&self, word: &str) -> bool {
        match self {
            Search::Phrase(patterns) => patterns.iter().any(|one| one.is_plain() && one.matches(word)),
            Search::And(parts) | Search::Or(parts) => parts.iter().any(|part| part.names(word)),
            Search::Not(_) => false,
        }
    }
}

impl Pattern {
    fn is_plain(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Letter(_)))
    }

    fn matches(&self, word: &str) -> bool {
        let letters: Vec<char> = word.chars().collect();
        matches(&self.0, &letters)
    }
}

fn matches(pieces: &[Piece], letters: &[char]) -> bool {
    match (pieces.first(), letters.first()) {
        (None, None) => true,
        (Some(Piece::Any), _) => (0..=letters.len()).any(|skipped| matches(&pieces[1..], &letters[skipped..])),
        (Some(Piece::One), Some(_)) => matches(&pieces[1..], &letters[1..]),
        (Some(Piece::Letter(wanted)), Some(letter)) if wanted == letter => matches(&pieces[1..], &letters[1..]),
        _ => false,
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    AndNot,
    Phrase(Vec<Pattern>),
}

fn tokens(text: &str) -> Result<Vec<Token>, ApiError> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '"' => {
                let mut quoted = String::new();
                loop {
                    match letters.next() {
                        Some('"') => break,
                        Some('\\') => quoted.extend(letters.next().map(|one| if one == '*' { ' ' } else { one })),
                        Some(one) => quoted.push(one),
                        None => return Err(malformed(format!("line 1: unmatched quotation mark in {text}"))),
                    }
                }
                push_phrase(&mut tokens, &quoted)?;
            }
            one if one.is_whitespace() => {}
            one => {
                let mut word = String::new();
                let mut next = Some(one);
                while let Some(letter) = next {
                    match letter {
                        // What is escaped is text and not an operator; as text it only parts words.
                        '\\' => word.extend(letters.next().map(|one| if one.is_alphanumeric() { one } else { ' ' })),
                        other => word.push(other),
                    }
                    next = letters.next_if(|one| !one.is_whitespace() && !matches!(one, '(' | ')' | '"'));
                }
                match word.to_ascii_uppercase().as_str() {
                    "AND" => tokens.push(Token::And),
                    "OR" => tokens.push(Token::Or),
                    "NOT" if tokens.last() == Some(&Token::And) => {
                        tokens.pop();
                        tokens.push(Token::AndNot);
                    }
                    _ => push_phrase(&mut tokens, &word)?,
                }
            }
        }
    }
    Ok(tokens)
}

fn push_phrase(tokens: &mut Vec<Token>, text: &str) -> Result<(), ApiError> {
    let keeps = |one: char| one.is_alphanumeric() || one == '*' || one == '?';
    let parts: Vec<&str> = text.split(|one: char| !keeps(one)).filter(|part| !part.is_empty()).collect();
    let length: usize = parts.iter().map(|part| part.chars().filter(|one| one.is_alphanumeric()).count()).sum();
    let narrow = text.chars().all(|one| one.is_ascii() || !one.is_alphanumeric());
    if length == 0 || (length == 1 && narrow) {
        return Err(malformed(format!("search term must be longer than one character: {}", text.trim())));
    }
    let pattern = |part: &&str| {
        let pieces = part.chars().flat_map(char::to_lowercase).map(|one| match one {
            '*' => Piece::Any,
            '?' => Piece::One,
            letter => Piece::Letter(letter),
        });
        Pattern(pieces.collect())
    };
    tokens.push(Token::Phrase(parts.iter().map(pattern).collect()));
    Ok(())
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn take(&mut self, token: &Token) -> bool {
        let is_next = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(is_next);
        is_next
    }

    fn or(&mut self) -> Result<Search, ApiError> {
        let mut parts = vec![self.and()?];
        while self.take(&Token::Or) {
            parts.push(self.and()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Search::Or(parts) })
    }

    fn and(&mut self) -> Result<Search, ApiError> {
        let mut parts = vec![self.one()?];
        loop {
            if self.take(&Token::AndNot) {
                let not = self.one()?;
                parts.push(Search::Not(Box::new(not)));
            } else if self.take(&Token::And) || matches!(self.tokens.get(self.at), Some(Token::Phrase(_) | Token::Open))
            {
                parts.push(self.one()?);
            } else {
                return Ok(if parts.len() == 1 { parts.remove(0) } else { Search::And(parts) });
            }
        }
    }

    fn one(&mut self) -> Result<Search, ApiError> {
        if self.take(&Token::Open) {
            let inner = self.or()?;
            if !self.take(&Token::Close) {
                return Err(malformed("unmatched parenthesis in search term"));
            }
            return Ok(inner);
        }
        match self.tokens.get(self.at) {
            Some(Token::Phrase(patterns)) => {
                self.at += 1;
                Ok(Search::Phrase(patterns.clone()))
            }
            _ => Err(malformed("an operator of the search term lacks a word beside it")),
        }
    }
}

/// 400 for a search that cannot be read.
pub fn malformed(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "MALFORMED_SEARCH", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(search: &str, fields: &[&str]) -> bool {
        let fields: Vec<Vec<String>> = fields.iter().map(|field| words(field)).collect();
        Search::read(search).unwrap_or_else(|error| panic!("{search}: {error:?}")).matches(&fields)
    }

    #[test]
    fn words_phrases_wildcards_and_operators() {
        let fields = ["Acme Rocket Supply, Inc.", "wile@acme.com", "Map of India"];
        for (search, wanted) in [
            ("acme", true),
            ("ACM", false),
            ("acm*", true),
            ("a?me", true),
            ("*cke*", true),
            ("acme india", true),
            ("acme mars", false),
            ("acme OR mars", true),
            ("acme and not mars", true),
            ("acme AND NOT india", false),
            ("\"rocket supply\"", true),
            ("\"supply rocket\"", false),
            ("\"inc wile\"", false),
            ("wile@acme.com", true),
            ("mars OR rocket AND supply", true),
            ("(mars OR rocket) AND india", true),
            ("(mars OR rocket) AND NOT (india OR venus)", false),
            ("acme\\-rocket", true),
        ] {
            assert_eq!(found(search, &fields), wanted, "{search}");
        }
    }

    #[test]
    fn what_is_no_search_is_refused() {
        for text in ["", "  ", "a", "*", "\"open", "(acme", "acme)", "acme AND", "OR acme"] {
            assert_eq!(Search::read(text).unwrap_err().code, "MALFORMED_SEARCH", "{text}");
        }
        assert_eq!(Search::read("a").unwrap_err().message, "search term must be longer than one character: a");
    }

    #[test]
    fn found_words_are_marked() {
        let search = Search::read("salesforce west*").unwrap();
        assert_eq!(search.marked("Salesforce.com, west").unwrap(), "<mark>Salesforce</mark>.com, west");
        assert_eq!(search.marked("Other"), None);
    }
}
