// SPDX-License-Identifier: Apache-2.0
//! Conditions over rows of a vault, in the syntax of a SOQL `WHERE`, because admins know it.
//!
//! Understood: `= != <> < <= > >=`, `LIKE`, `IN (…)`, `NOT IN (…)`, `INCLUDES (…)`, `EXCLUDES (…)`, `AND`, `OR`, `NOT`, parentheses,
//! `null`, `true`, `false`, numbers, `'text'`, dates and datetimes without quotes. As in SOQL, text compares without regard to
//! case, an empty text is null, and mixing `AND` with `OR` needs parentheses. Ids compare in their 15 and 18 character forms.
//! Not understood, and refused: relationship paths, functions, date literals such as `TODAY`, subqueries.

mod lex;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result, nearest};
use lex::{Lexer, Token};
use orgkeep_vault::Batch;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// A parsed condition.
#[derive(Clone, Debug)]
pub struct Filter {
    condition: Condition,
    text: String,
}

#[derive(Clone, Debug)]
enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare { field: String, op: Op, values: Vec<Literal> },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Like,
    In,
    NotIn,
    Includes,
    Excludes,
}

#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Null,
    Text(String),
    /// Number, date, datetime or boolean, as written.
    Bare(String),
}

impl Filter {
    /// # Errors
    /// `Invalid` with the place in the text, for anything that is not understood.
    pub fn parse(text: &str) -> Result<Filter> {
        let mut parser = Parser { lexer: Lexer::new(text)?, text };
        let condition = parser.any()?;
        match parser.lexer.next() {
            (_, Token::End) => Ok(Filter { condition, text: text.to_owned() }),
            (at, token) => Err(parser.unexpected(at, &token, "AND, OR or the end")),
        }
    }

    /// The condition as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names of the fields it reads, each checked against the columns there are.
    ///
    /// # Errors
    /// `NotFound` naming a field that is not among them, with the nearest one as a hint.
    pub fn fields<'a>(&self, columns: &'a [String]) -> Result<BTreeSet<&'a str>> {
        let mut names = BTreeSet::new();
        self.condition.names(&mut names);
        names
            .into_iter()
            .map(|name| {
                columns.iter().find(|column| column.eq_ignore_ascii_case(&name)).map(String::as_str).ok_or_else(|| {
                    let error = Error::not_found(format!("no field {name} in this backup"));
                    match nearest(&name, columns.iter().map(String::as_str)) {
                        Some(near) => error.hint(format!("did you mean {near}")),
                        None => error,
                    }
                })
            })
            .collect()
    }

    /// Whether a row satisfies it. A column that the batch lacks is null.
    pub fn matches(&self, batch: &Batch, row: usize) -> bool {
        self.condition.holds(&|field: &str| {
            let column = batch.names().position(|name| name.eq_ignore_ascii_case(field))?;
            batch.text(row, column).map(|text| text.into_owned())
        })
    }
}

impl Condition {
    fn names(&self, names: &mut BTreeSet<String>) {
        match self {
            Condition::And(all) | Condition::Or(all) => all.iter().for_each(|each| each.names(names)),
            Condition::Not(inner) => inner.names(names),
            Condition::Compare { field, .. } => {
                names.insert(field.clone());
            }
        }
    }

    fn holds(&self, value: &dyn Fn(&str) -> Option<String>) -> bool {
        match self {
            Condition::And(all) => all.iter().all(|each| each.holds(value)),
            Condition::Or(any) => any.iter().any(|each| each.holds(value)),
            Condition::Not(inner) => !inner.holds(value),
            Condition::Compare { field, op, values } => compare(value(field).as_deref(), *op, values),
        }
    }
}

fn compare(value: Option<&str>, op: Op, literals: &[Literal]) -> bool {
    let value = value.filter(|text| !text.is_empty());
    let equal = |literal: &Literal| match (value, literal) {
        (None, Literal::Null) => true,
        (None, Literal::Text(text)) => text.is_empty(),
        (Some(value), Literal::Text(text)) => same_text(value, text),
        (Some(value), Literal::Bare(text)) => order(value, text) == Some(Ordering::Equal),
        _ => false,
    };
    let ordered = |wanted: &[Ordering]| match (value, &literals[0]) {
        (Some(value), Literal::Text(text) | Literal::Bare(text)) => {
            order(value, text).is_some_and(|order| wanted.contains(&order))
        }
        _ => false,
    };
    match op {
        Op::Eq => equal(&literals[0]),
        // As in SOQL: != also finds rows where the field is null.
        Op::Ne => !equal(&literals[0]),
        Op::In => literals.iter().any(equal),
        Op::NotIn => !literals.iter().any(equal),
        Op::Lt => ordered(&[Ordering::Less]),
        Op::Le => ordered(&[Ordering::Less, Ordering::Equal]),
        Op::Gt => ordered(&[Ordering::Greater]),
        Op::Ge => ordered(&[Ordering::Greater, Ordering::Equal]),
        Op::Like => match (value, &literals[0]) {
            (Some(value), Literal::Text(pattern)) => like(&value.to_lowercase(), &pattern.to_lowercase()),
            _ => false,
        },
        Op::Includes => literals.iter().any(|literal| includes(value, literal)),
        Op::Excludes => !literals.iter().any(|literal| includes(value, literal)),
    }
}

/// Each literal of INCLUDES may itself be `a;b`: both must be selected.
fn includes(value: Option<&str>, literal: &Literal) -> bool {
    let (Some(value), Literal::Text(wanted)) = (value, literal) else { return false };
    wanted.split(';').all(|wanted| value.split(';').any(|selected| same_text(selected, wanted)))
}

fn same_text(value: &str, literal: &str) -> bool {
    if value.len() == 18 && literal.len() == 15 && value.is_char_boundary(15) && crate::id::is_id(value) {
        return &value[..15] == literal;
    }
    value == literal || value.to_lowercase() == literal.to_lowercase()
}

/// Orders numbers as numbers, datetimes in any offset as instants, everything else as text.
fn order(value: &str, literal: &str) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (instant(value), instant(literal)) {
        return Some(a.cmp(&b));
    }
    if let (Ok(a), Ok(b)) = (value.parse::<i128>(), literal.parse::<i128>()) {
        return Some(a.cmp(&b));
    }
    if let (Ok(a), Ok(b)) = (value.parse::<f64>(), literal.parse::<f64>()) {
        return a.partial_cmp(&b);
    }
    Some(value.to_lowercase().cmp(&literal.to_lowercase()))
}

/// Milliseconds since 1970 of a datetime, or of the start of a date.
fn instant(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes[4] != b'-' {
        return None;
    }
    if bytes.len() == 10 {
        let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        return Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis());
    }
    let parsed = chrono::DateTime::parse_from_rfc3339(text)
        .or_else(|_| chrono::DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"));
    Some(parsed.ok()?.timestamp_millis())
}

/// SOQL's LIKE: `%` any run, `_` one character, a backslash takes either literally.
fn like(value: &str, pattern: &str) -> bool {
    let value: Vec<char> = value.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    let (mut v, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while v < value.len() {
        let escaped = p + 1 < pattern.len() && pattern[p] == '\\';
        match pattern.get(p) {
            Some('%') if !escaped => {
                retry = Some((v, p));
                p += 1;
                continue;
            }
            Some('_') => {
                v += 1;
                p += 1;
                continue;
            }
            Some(_) if pattern[p + usize::from(escaped)] == value[v] => {
                v += 1;
                p += 1 + usize::from(escaped);
                continue;
            }
            _ => {}
        }
        let Some((from, star)) = retry else { return false };
        retry = Some((from + 1, star));
        v = from + 1;
        p = star + 1;
    }
    pattern[p..].iter().all(|c| *c == '%')
}

struct Parser<'a> {
    lexer: Lexer,
    text: &'a str,
}

impl Parser<'_> {
    /// `or := unit (OR unit)* | unit (AND unit)*`; both at one level are refused, as in SOQL.
    fn any(&mut self) -> Result<Condition> {
        let first = self.unit()?;
        let joiner = match self.lexer.peek() {
            Token::Word(word) if word.eq_ignore_ascii_case("and") => "AND",
            Token::Word(word) if word.eq_ignore_ascii_case("or") => "OR",
            _ => return Ok(first),
        };
        let mut all = vec![first];
        while let Token::Word(word) = self.lexer.peek() {
            if !word.eq_ignore_ascii_case("and") && !word.eq_ignore_ascii_case("or") {
                break;
            }
            let same = word.eq_ignore_ascii_case(joiner);
            let (at, token) = self.lexer.next();
            if !same {
                return Err(self
                    .unexpected(at, &token, joiner)
                    .hint("AND and OR at one level need parentheses, as in SOQL"));
            }
            all.push(self.unit()?);
        }
        Ok(if joiner == "AND" { Condition::And(all) } else { Condition::Or(all) })
    }

    fn unit(&mut self) -> Result<Condition> {
        match self.lexer.next() {
            (_, Token::Open) => {
                let inner = self.any()?;
                self.expect(Token::Close, ")")?;
                Ok(inner)
            }
            (_, Token::Word(word)) if word.eq_ignore_ascii_case("not") => Ok(Condition::Not(Box::new(self.unit()?))),
            (at, Token::Word(field)) => {
                if field.contains('.') {
                    return Err(self
                        .error(at, &format!("{field} reaches into another object"))
                        .hint("name a field of the object itself, such as its lookup's Id field"));
                }
                self.comparison(field)
            }
            (at, token) => Err(self.unexpected(at, &token, "a field name")),
        }
    }

    fn comparison(&mut self, field: String) -> Result<Condition> {
        let (at, token) = self.lexer.next();
        let op = match &token {
            Token::Op("=") => Op::Eq,
            Token::Op("!=" | "<>") => Op::Ne,
            Token::Op("<") => Op::Lt,
            Token::Op("<=") => Op::Le,
            Token::Op(">") => Op::Gt,
            Token::Op(">=") => Op::Ge,
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "like" => Op::Like,
                "in" => Op::In,
                "includes" => Op::Includes,
                "excludes" => Op::Excludes,
                "not" => {
                    self.expect(Token::Word("in".into()), "IN")?;
                    Op::NotIn
                }
                _ => return Err(self.unexpected(at, &token, "an operator")),
            },
            _ => return Err(self.unexpected(at, &token, "an operator")),
        };
        let values = if matches!(op, Op::In | Op::NotIn | Op::Includes | Op::Excludes) {
            self.expect(Token::Open, "(")?;
            let mut values = vec![self.literal(op)?];
            while matches!(self.lexer.peek(), Token::Comma) {
                self.lexer.next();
                values.push(self.literal(op)?);
            }
            self.expect(Token::Close, ")")?;
            values
        } else {
            vec![self.literal(op)?]
        };
        Ok(Condition::Compare { field, op, values })
    }

    fn literal(&mut self, op: Op) -> Result<Literal> {
        let (at, token) = self.lexer.next();
        let literal = match &token {
            Token::Text(text) => Literal::Text(text.clone()),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Literal::Null,
            Token::Word(word) if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") => {
                Literal::Bare(word.to_ascii_lowercase())
            }
            Token::Bare(text) => Literal::Bare(text.clone()),
            Token::Word(_) => {
                return Err(self.unexpected(at, &token, "a value").hint("text is written in single quotes: 'Acme'"));
            }
            _ => return Err(self.unexpected(at, &token, "a value")),
        };
        let fits = match op {
            Op::Like | Op::Includes | Op::Excludes => matches!(literal, Literal::Text(_)),
            Op::Lt | Op::Le | Op::Gt | Op::Ge => literal != Literal::Null,
            _ => true,
        };
        if fits { Ok(literal) } else { Err(self.error(at, "this operator cannot be used with this value")) }
    }

    fn expect(&mut self, wanted: Token, name: &str) -> Result<()> {
        let (at, token) = self.lexer.next();
        let fits = match (&wanted, &token) {
            (Token::Word(a), Token::Word(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a == b,
        };
        if fits { Ok(()) } else { Err(self.unexpected(at, &token, name)) }
    }

    fn unexpected(&self, at: usize, token: &Token, wanted: &str) -> Error {
        self.error(at, &format!("unexpected {token}, expected {wanted}"))
    }

    fn error(&self, at: usize, what: &str) -> Error {
        lex::error(self.text, at, what)
    }
}
