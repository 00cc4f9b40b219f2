// SPDX-License-Identifier: Apache-2.0
//! The clauses of SOSL: `FIND {…} [IN … FIELDS] [RETURNING T(fields WHERE … ORDER BY … LIMIT n OFFSET n), …] [WITH …] [LIMIT n]
//! [UPDATE …]`.
//!
//! What a RETURNING clause says of one object is cut at its keywords and handed to SOQL, which knows fields, conditions and
//! orders. `WITH HIGHLIGHT` and `WITH SPELL_CORRECTION` are taken; every other WITH clause is refused by its name.

use super::terms::{Search, malformed};
use crate::error::ApiError;

/// The most rows a search gives, and the most any LIMIT may ask for.
pub const ROWS_MAX: usize = 2_000;

/// Which fields are searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Group {
    #[default]
    All,
    Name,
    Email,
    Phone,
    Sidebar,
}

impl Group {
    /// `ALL`, `NAME`, `EMAIL`, `PHONE`, `SIDEBAR`, in any case.
    pub fn named(name: &str) -> Option<Group> {
        Some(match name.to_ascii_uppercase().as_str() {
            "ALL" => Group::All,
            "NAME" => Group::Name,
            "EMAIL" => Group::Email,
            "PHONE" => Group::Phone,
            "SIDEBAR" => Group::Sidebar,
            _ => return None,
        })
    }
}

/// What is wanted of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Returning {
    pub object: String,
    /// As written, comma-separated; empty for the Id alone.
    pub fields: String,
    /// `WHERE … ORDER BY …`, as SOQL has it.
    pub rest: String,
    pub limit: Option<usize>,
    pub offset: usize,
}

/// A search with all it asks for.
#[derive(Clone, Debug)]
pub struct Statement {
    pub search: Search,
    pub group: Group,
    /// The objects in their order; none for all.
    pub returning: Vec<Returning>,
    pub limit: usize,
    pub highlight: bool,
}

/// Parses a statement.
///
/// # Errors
/// `MALFORMED_SEARCH`
pub fn parse(text: &str) -> Result<Statement, ApiError> {
    const NO_TERM: &str = "No search term found. The search term must be enclosed in braces.";
    let mut reader = Reader { rest: text.trim() };
    if !reader.take("FIND") {
        return Err(malformed(NO_TERM));
    }
    let term = reader.braces().ok_or_else(|| malformed(NO_TERM))?;
    let mut statement = Statement {
        search: Search::read(&term)?,
        group: Group::All,
        returning: Vec::new(),
        limit: ROWS_MAX,
        highlight: false,
    };
    if reader.take("IN") {
        let name = reader.word();
        statement.group = Group::named(&name).ok_or_else(|| unexpected(&name))?;
        if !reader.take("FIELDS") {
            return Err(unexpected(reader.rest));
        }
    }
    if reader.take("RETURNING") {
        loop {
            statement.returning.push(reader.returning()?);
            if !reader.sign(',') {
                break;
            }
        }
    }
    while reader.take("WITH") {
        let name = reader.word();
        match name.to_ascii_uppercase().as_str() {
            "HIGHLIGHT" => statement.highlight = true,
            // There is none to turn on or off.
            "SPELL_CORRECTION" => {
                reader.sign('=');
                reader.word();
            }
            other => return Err(malformed(format!("The emulator does not know the clause WITH {other}"))),
        }
    }
    if reader.take("LIMIT") {
        statement.limit = reader.number("LIMIT")?.min(ROWS_MAX);
    }
    if reader.take("UPDATE") {
        // Statistics of Knowledge articles, which nothing reads.
        while matches!(reader.word().to_ascii_uppercase().as_str(), "TRACKING" | "VIEWSTAT") && reader.sign(',') {}
    }
    if reader.rest.is_empty() { Ok(statement) } else { Err(unexpected(reader.rest)) }
}

fn unexpected(rest: &str) -> ApiError {
    let token = rest.split_whitespace().next().unwrap_or("<EOF>");
    malformed(format!("unexpected token: '{token}'"))
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn word(&mut self) -> String {
        let end = self.rest.find(|one: char| !one.is_alphanumeric() && one != '_').unwrap_or(self.rest.len());
        let word = self.rest[..end].to_owned();
        self.rest = self.rest[end..].trim_start();
        word
    }

    fn take(&mut self, keyword: &str) -> bool {
        let before = self.rest;
        if self.word().eq_ignore_ascii_case(keyword) {
            return true;
        }
        self.rest = before;
        false
    }

    fn sign(&mut self, sign: char) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn number(&mut self, clause: &str) -> Result<usize, ApiError> {
        let word = self.word();
        word.parse().map_err(|_| malformed(format!("{clause} needs a number and has '{word}'")))
    }

    /// The text up to the closing brace; escaped braces belong to it.
    fn braces(&mut self) -> Option<String> {
        let inner = self.rest.strip_prefix('{')?;
        let mut escaped = false;
        for (at, one) in inner.char_indices() {
            match one {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '}' => {
                    self.rest = inner[at + 1..].trim_start();
                    return Some(inner[..at].to_owned());
                }
                _ => {}
            }
        }
        None
    }

    fn returning(&mut self) -> Result<Returning, ApiError> {
        let object = self.word();
        if object.is_empty() {
            return Err(unexpected(self.rest));
        }
        if !self.rest.starts_with('(') {
            return Ok(Returning { object, ..Returning::default() });
        }
        let end = closing(self.rest).ok_or_else(|| malformed("expecting a right parentheses, found '<EOF>'"))?;
        let inner = self.rest[1..end].trim().to_owned();
        self.rest = self.rest[end + 1..].trim_start();
        of_object(object, &inner)
    }
}

/// Cuts what stands between an object's parentheses.
fn of_object(object: String, inner: &str) -> Result<Returning, ApiError> {
    let cuts = keywords(inner);
    let fields_end = cuts.first().map_or(inner.len(), |(at, _)| *at);
    let mut returning = Returning { object, fields: inner[..fields_end].trim().to_owned(), ..Returning::default() };
    for (place, (at, keyword)) in cuts.iter().enumerate() {
        let end = cuts.get(place + 1).map_or(inner.len(), |(next, _)| *next);
        let clause = inner[*at..end].trim();
        let number = || {
            let text = clause[keyword.len()..].trim();
            text.parse::<usize>().map_err(|_| malformed(format!("{keyword} needs a number and has '{text}'")))
        };
        match *keyword {
            "LIMIT" => returning.limit = Some(number()?),
            "OFFSET" => returning.offset = number()?,
            "USING" => return Err(malformed("The emulator does not know the clause USING LISTVIEW")),
            _ => {
                returning.rest.push(' ');
                returning.rest.push_str(clause);
            }
        }
    }
    Ok(returning)
}

/// Where the clauses of a text begin, outside of quotes and parentheses.
fn keywords(text: &str) -> Vec<(usize, &'static str)> {
    const KEYWORDS: [&str; 5] = ["USING", "WHERE", "ORDER", "LIMIT", "OFFSET"];
    let mut found = Vec::new();
    let mut depth = 0;
    let mut word_start = None;
    let mut quoted = false;
    let mut escaped = false;
    for (at, one) in text.char_indices().chain([(text.len(), ' ')]) {
        if quoted {
            quoted = escaped || one != '\'';
            escaped = one == '\\' && !escaped;
            continue;
        }
        match one {
            '\'' => quoted = true,
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        let in_word = one.is_alphanumeric() || one == '_' || one == '.';
        match (word_start, in_word) {
            (None, true) => word_start = Some(at),
            (Some(start), false) => {
                let word = &text[start..at];
                let keyword = KEYWORDS.iter().find(|keyword| keyword.eq_ignore_ascii_case(word));
                found.extend(keyword.filter(|_| depth == 0).map(|keyword| (start, *keyword)));
                word_start = None;
            }
            _ => {}
        }
    }
    found
}

/// Where the parenthesis that opens the text closes, outside of quotes.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut quoted = false;
    let mut escaped = false;
    for (at, one) in text.char_indices() {
        if quoted {
            quoted = escaped || one != '\'';
            escaped = one == '\\' && !escaped;
            continue;
        }
        match one {
            '\'' => quoted = true,
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clause_is_read() {
        let statement = parse(
            "find {Acme \\{xy\\}} in name fields returning Account(Name, toLabel(Industry) where Name = 'LIMIT ) it\\'s' \
             order by Name desc limit 5 offset 2), Contact WITH HIGHLIGHT LIMIT 10 UPDATE TRACKING",
        )
        .unwrap();
        assert_eq!(statement.group, Group::Name);
        let account = Returning {
            object: "Account".into(),
            fields: "Name, toLabel(Industry)".into(),
            rest: " where Name = 'LIMIT ) it\\'s' order by Name desc".into(),
            limit: Some(5),
            offset: 2,
        };
        assert_eq!(statement.returning, [account, Returning { object: "Contact".into(), ..Returning::default() }]);
        assert!(statement.highlight && statement.limit == 10);
    }

    #[test]
    fn what_is_no_statement_is_refused() {
        let refused = |text: &str| parse(text).unwrap_err();
        let no_term = "No search term found. The search term must be enclosed in braces.";
        for text in ["", "FIND acme", "SELECT Id FROM Account", "FIND {acme"] {
            assert_eq!(refused(text).message, no_term, "{text}");
        }
        for text in ["FIND {acme} IN SOME FIELDS", "FIND {acme} RETURNING", "FIND {acme} BANANA", "FIND {acme} LIMIT x"]
        {
            assert_eq!(refused(text).code, "MALFORMED_SEARCH", "{text}");
        }
        assert!(refused("FIND {acme} WITH DATA CATEGORY Geography__c AT usa__c").message.contains("WITH DATA"));
    }
}
