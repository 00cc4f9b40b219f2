// SPDX-License-Identifier: Apache-2.0
//! Recursive descent over the grammar of `salesforce-api.md` 7.1. Only form is judged here; names are checked against a schema
//! in `check`. AND beside OR without parentheses is an error in SOQL, not a question of precedence.

use super::ast::{
    Argument, Condition, From, Grouping, Item, Literal, Operator, Order, Path, Query, TypeOf, Value, Word,
};
use super::date;
use super::lex::{self, Placed, Token};
use super::refusal;
use crate::error::ApiError;

/// Longest statement, in characters.
const LONGEST: usize = 100_000;
/// Deeper nesting than this is refused instead of risking the stack.
const DEEPEST: usize = 100;

/// Words that end a name list, so they cannot be an alias.
const RESERVED: [&str; 27] = [
    "AND", "ASC", "DESC", "EXCLUDES", "FIRST", "FROM", "GROUP", "HAVING", "IN", "INCLUDES", "LAST", "LIKE", "LIMIT",
    "NOT", "NULL", "NULLS", "OR", "ORDER", "SELECT", "USING", "WHERE", "WITH", "OFFSET", "FOR", "ALL", "UPDATE", "BY",
];

pub fn parse(text: &str) -> Result<Query, ApiError> {
    if text.trim().is_empty() {
        return Err(refusal::plain("MALFORMED_QUERY", "A query string has to be specified"));
    }
    if text.chars().count() > LONGEST {
        return Err(refusal::plain("MALFORMED_QUERY", "SOQL statements cannot be longer than 100000 characters."));
    }
    let mut parser = Parser { text, tokens: lex::tokens(text)?, at: 0, depth: 0 };
    let query = parser.query()?;
    match parser.peek() {
        Token::End => Ok(query),
        _ => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].token
    }

    fn offset(&self) -> usize {
        self.tokens[self.at].offset
    }

    fn advance(&mut self) -> Placed {
        let placed = self.tokens[self.at].clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        placed
    }

    fn unexpected(&self) -> ApiError {
        let placed = &self.tokens[self.at];
        refusal::unexpected(self.text, placed.offset, &self.text[placed.offset..placed.end])
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Placed { token: Token::Word(text), .. }) if text.eq_ignore_ascii_case(word))
    }

    fn is_sign(&self, ahead: usize, sign: &str) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Placed { token: Token::Sign(text), .. }) if *text == sign)
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = self.is_word(0, word);
        if found {
            self.advance();
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), ApiError> {
        if self.accept_word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn accept_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(0, sign);
        if found {
            self.advance();
        }
        found
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), ApiError> {
        if self.accept_sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, ApiError>) -> Result<T, ApiError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(refusal::plain("QUERY_TOO_COMPLICATED", "Query is nested too deeply"));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn query(&mut self) -> Result<Query, ApiError> {
        self.expect_word("SELECT")?;
        let select = self.separated(Self::item)?;
        self.expect_word("FROM")?;
        let from = self.from()?;
        let mut aliases = Vec::new();
        while self.accept_sign(",") {
            aliases.push(self.from()?);
        }
        let scope = if self.accept_word("USING") {
            self.expect_word("SCOPE")?;
            Some(self.word()?)
        } else {
            None
        };
        let filter = if self.accept_word("WHERE") { Some(self.condition()?) } else { None };
        let group = self.grouping()?;
        let having = if self.accept_word("HAVING") { Some(self.condition()?) } else { None };
        let order = if self.accept_word("ORDER") {
            self.expect_word("BY")?;
            self.separated(Self::order)?
        } else {
            Vec::new()
        };
        let limit = if self.accept_word("LIMIT") { Some(self.whole()?) } else { None };
        let offset = if self.accept_word("OFFSET") { Some(self.whole()?) } else { None };
        let mut purposes = Vec::new();
        while self.accept_word("FOR") {
            if !["VIEW", "REFERENCE", "UPDATE"].iter().any(|word| self.is_word(0, word)) {
                return Err(self.unexpected());
            }
            purposes.push(self.word()?);
        }
        let all_rows = self.accept_word("ALL");
        if all_rows {
            self.expect_word("ROWS")?;
        }
        Ok(Query { select, from, aliases, scope, filter, group, having, order, limit, offset, purposes, all_rows })
    }

    fn separated<T>(&mut self, one: impl Fn(&mut Self) -> Result<T, ApiError>) -> Result<Vec<T>, ApiError> {
        let mut all = vec![one(self)?];
        while self.accept_sign(",") {
            all.push(one(self)?);
        }
        Ok(all)
    }

    fn from(&mut self) -> Result<From, ApiError> {
        // Two objects have the names of keywords; `FROM Group` and `FROM Order` are usual statements.
        let an_object = (self.is_word(0, "GROUP") || self.is_word(0, "ORDER")) && !self.is_word(1, "BY");
        let path = if an_object { Path(vec![self.word()?]) } else { self.path()? };
        let spelled_out = self.accept_word("AS");
        let alias = self.alias()?;
        if spelled_out && alias.is_none() {
            return Err(self.unexpected());
        }
        Ok(From { path, alias })
    }

    fn alias(&mut self) -> Result<Option<Word>, ApiError> {
        match self.peek() {
            Token::Word(text) if !RESERVED.iter().any(|word| text.eq_ignore_ascii_case(word)) => Ok(Some(self.word()?)),
            _ => Ok(None),
        }
    }

    fn item(&mut self) -> Result<Item, ApiError> {
        if self.is_sign(0, "(") {
            self.advance();
            let query = self.deeper(Self::query)?;
            self.expect_sign(")")?;
            return Ok(Item::Children(Box::new(query)));
        }
        if self.is_word(0, "TYPEOF")
            && matches!(self.tokens.get(self.at + 1), Some(Placed { token: Token::Word(_), .. }))
        {
            return Ok(Item::TypeOf(self.type_of()?));
        }
        if self.is_word(0, "FIELDS") && self.is_sign(1, "(") {
            self.advance();
            self.advance();
            if !["ALL", "STANDARD", "CUSTOM"].iter().any(|word| self.is_word(0, word)) {
                return Err(self.unexpected());
            }
            let which = self.word()?;
            self.expect_sign(")")?;
            return Ok(Item::Fields(which));
        }
        let value = self.value()?;
        // `SELECT Id FORM Account`: the mistake is FORM, not what follows an alias of that name.
        let alias = if self.is_sign(1, ",") || self.is_word(1, "FROM") { self.alias()? } else { None };
        Ok(Item::Value { value, alias })
    }

    fn type_of(&mut self) -> Result<TypeOf, ApiError> {
        self.advance();
        let path = self.path()?;
        let mut branches = Vec::new();
        while self.accept_word("WHEN") {
            let object = self.word()?;
            self.expect_word("THEN")?;
            branches.push((object, self.separated(Self::path)?));
        }
        if branches.is_empty() {
            return Err(self.unexpected());
        }
        let otherwise = if self.accept_word("ELSE") { self.separated(Self::path)? } else { Vec::new() };
        self.expect_word("END")?;
        Ok(TypeOf { path, branches, otherwise })
    }

    fn word(&mut self) -> Result<Word, ApiError> {
        match self.peek().clone() {
            Token::Word(text) => Ok(Word { text, offset: self.advance().offset }),
            _ => Err(self.unexpected()),
        }
    }

    fn path(&mut self) -> Result<Path, ApiError> {
        if RESERVED.iter().any(|word| self.is_word(0, word)) && !self.is_sign(1, ".") {
            return Err(self.unexpected());
        }
        let mut words = vec![self.word()?];
        while self.accept_sign(".") {
            words.push(self.word()?);
        }
        Ok(Path(words))
    }

    fn value(&mut self) -> Result<Value, ApiError> {
        if matches!(self.peek(), Token::Word(_)) && self.is_sign(1, "(") {
            return self.deeper(Self::call);
        }
        Ok(Value::Path(self.path()?))
    }

    fn call(&mut self) -> Result<Value, ApiError> {
        let function = self.word()?;
        self.expect_sign("(")?;
        let mut arguments = Vec::new();
        if !self.is_sign(0, ")") {
            arguments = self.separated(Self::argument)?;
        }
        self.expect_sign(")")?;
        Ok(Value::Call { function, arguments })
    }

    fn argument(&mut self) -> Result<Argument, ApiError> {
        let offset = self.offset();
        match self.peek() {
            Token::Word(_) => Ok(Argument::Value(self.value()?)),
            _ => Ok(Argument::Literal(self.literal()?, offset)),
        }
    }

    fn condition(&mut self) -> Result<Condition, ApiError> {
        let first = self.negation()?;
        for (word, other) in [("AND", "OR"), ("OR", "AND")] {
            if !self.is_word(0, word) {
                continue;
            }
            let mut all = vec![first];
            while self.accept_word(word) {
                all.push(self.negation()?);
            }
            if self.is_word(0, other) {
                return Err(self.unexpected());
            }
            return Ok(if word == "AND" { Condition::And(all) } else { Condition::Or(all) });
        }
        Ok(first)
    }

    fn negation(&mut self) -> Result<Condition, ApiError> {
        if self.accept_word("NOT") {
            return Ok(Condition::Not(Box::new(self.primary()?)));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Condition, ApiError> {
        if self.accept_sign("(") {
            let inner = self.deeper(Self::condition)?;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        let left = self.value()?;
        if self.accept_word("LIKE") {
            let right_offset = self.offset();
            return Ok(Condition::Like { left, pattern: self.literal()?, right_offset });
        }
        for (word, excludes) in [("INCLUDES", false), ("EXCLUDES", true)] {
            if self.accept_word(word) {
                return Ok(Condition::Includes { left, excludes, list: self.list()? });
            }
        }
        let negated = self.is_word(0, "NOT") && self.is_word(1, "IN");
        if negated {
            self.advance();
        }
        if self.accept_word("IN") {
            if self.is_sign(0, "(") && self.is_word(1, "SELECT") {
                self.advance();
                let query = self.deeper(Self::query)?;
                self.expect_sign(")")?;
                return Ok(Condition::InQuery { left, negated, query: Box::new(query) });
            }
            return Ok(Condition::In { left, negated, list: self.list()? });
        }
        let operator = match self.peek() {
            Token::Sign("=") => Operator::Equal,
            Token::Sign("!=") => Operator::NotEqual,
            Token::Sign("<") => Operator::Less,
            Token::Sign("<=") => Operator::LessOrEqual,
            Token::Sign(">") => Operator::Greater,
            Token::Sign(">=") => Operator::GreaterOrEqual,
            _ => return Err(self.unexpected()),
        };
        self.advance();
        let right_offset = self.offset();
        Ok(Condition::Compare { left, operator, right: self.literal()?, right_offset })
    }

    fn list(&mut self) -> Result<Vec<(Literal, usize)>, ApiError> {
        self.expect_sign("(")?;
        let list = self.separated(|parser| {
            let offset = parser.offset();
            Ok((parser.literal()?, offset))
        })?;
        self.expect_sign(")")?;
        Ok(list)
    }

    fn literal(&mut self) -> Result<Literal, ApiError> {
        let literal = match self.peek().clone() {
            Token::Text(quoted) => Literal::Text(quoted),
            Token::Number(text) => Literal::Number(text),
            Token::Moment(text) => Literal::Moment(text),
            Token::Word(text) => return self.named_literal(&text),
            Token::Sign(":") => {
                return Err(refusal::at(
                    self.text,
                    self.offset(),
                    "MALFORMED_QUERY",
                    "Bind variables only allowed in Apex code",
                ));
            }
            _ => return Err(self.unexpected()),
        };
        self.advance();
        Ok(literal)
    }

    fn named_literal(&mut self, text: &str) -> Result<Literal, ApiError> {
        let upper = text.to_ascii_uppercase();
        let literal = match upper.as_str() {
            "NULL" => Literal::Null,
            "TRUE" => Literal::Bool(true),
            "FALSE" => Literal::Bool(false),
            _ if date::takes_count(&upper) => {
                self.advance();
                self.expect_sign(":")?;
                return Ok(Literal::Relative(upper, Some(self.whole()?)));
            }
            _ if date::is_relative(&upper) => Literal::Relative(upper, None),
            _ if upper.len() > 3
                && upper.as_bytes()[..3].iter().all(u8::is_ascii_alphabetic)
                && upper[3..].bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                self.advance();
                let mut amount = upper;
                if let Token::Number(fraction) = self.peek().clone()
                    && fraction.starts_with('.')
                {
                    self.advance();
                    amount.push_str(&fraction);
                }
                return Ok(Literal::Currency(amount));
            }
            _ => return Err(self.unexpected()),
        };
        self.advance();
        Ok(literal)
    }

    fn grouping(&mut self) -> Result<Grouping, ApiError> {
        if !self.accept_word("GROUP") {
            return Ok(Grouping::None);
        }
        self.expect_word("BY")?;
        if (self.is_word(0, "ROLLUP") || self.is_word(0, "CUBE")) && self.is_sign(1, "(") {
            let word = self.word()?;
            self.expect_sign("(")?;
            self.separated(Self::value)?;
            self.expect_sign(")")?;
            return Ok(Grouping::Subtotals(word));
        }
        Ok(Grouping::By(self.separated(Self::value)?))
    }

    fn order(&mut self) -> Result<Order, ApiError> {
        let value = self.value()?;
        let descending = self.accept_word("DESC");
        if !descending {
            self.accept_word("ASC");
        }
        let nulls_last = if self.accept_word("NULLS") {
            if self.accept_word("LAST") {
                Some(true)
            } else {
                self.expect_word("FIRST")?;
                Some(false)
            }
        } else {
            None
        };
        Ok(Order { value, descending, nulls_last })
    }

    /// The number of LIMIT, OFFSET or `LAST_N_DAYS:`.
    fn whole(&mut self) -> Result<u64, ApiError> {
        let number = match self.peek() {
            Token::Number(text) => text.parse().ok(),
            _ => None,
        };
        let Some(number) = number else { return Err(self.unexpected()) };
        self.advance();
        Ok(number)
    }
}

#[cfg(test)]
mod tests;
