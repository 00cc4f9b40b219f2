// SPDX-License-Identifier: Apache-2.0
//! From a formula's text to an expression, by precedence climbing.

use super::pattern::Pattern;

/// A formula.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// `Name`, or `Account__r.Name`.
    Path(Vec<String>),
    /// `$User.Email`: what belongs to no record. In rules only.
    Global(Vec<String>),
    /// `REGEX(text, "pattern")`. In rules only.
    Matches(Box<Expression>, Pattern),
    Call(String, Vec<Expression>),
    Not(Box<Expression>),
    Minus(Box<Expression>),
    Operation(Operator, Box<Expression>, Box<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Join,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

impl Expression {
    /// All field paths it reads.
    pub fn paths(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    /// Whether it calls one of these functions, so that its value changes as the clock goes.
    pub fn calls(&self, names: &[&str]) -> bool {
        match self {
            Expression::Call(name, arguments) => {
                names.iter().any(|known| name.eq_ignore_ascii_case(known))
                    || arguments.iter().any(|argument| argument.calls(names))
            }
            Expression::Not(inner) | Expression::Minus(inner) | Expression::Matches(inner, _) => inner.calls(names),
            Expression::Operation(_, left, right) => left.calls(names) || right.calls(names),
            _ => false,
        }
    }

    fn collect(&self, found: &mut Vec<Vec<String>>) {
        match self {
            Expression::Path(path) => found.push(path.clone()),
            Expression::Call(_, arguments) => arguments.iter().for_each(|argument| argument.collect(found)),
            Expression::Not(inner) | Expression::Minus(inner) | Expression::Matches(inner, _) => inner.collect(found),
            Expression::Operation(_, left, right) => {
                left.collect(found);
                right.collect(found);
            }
            _ => {}
        }
    }
}

/// What could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown(pub String);

/// Reads the formula of a field. Functions that are not emulated are refused here, so that such a formula is null as a whole.
pub fn parse(text: &str) -> Result<Expression, Unknown> {
    read(text, false)
}

/// Reads the formula of a rule, which may look at what the record was and at whoever saves it.
pub fn parse_rule(text: &str) -> Result<Expression, Unknown> {
    read(text, true)
}

fn read(text: &str, of_rule: bool) -> Result<Expression, Unknown> {
    let mut parser = Parser { rest: text, of_rule };
    let expression = parser.binary(0)?;
    parser.skip();
    if parser.rest.is_empty() { Ok(expression) } else { Err(Unknown(parser.rest.to_owned())) }
}

struct Parser<'a> {
    rest: &'a str,
    of_rule: bool,
}

/// Longer signs first, so that `<` does not hide `<=`.
const OPERATORS: [(&str, Operator, u8); 17] = [
    ("||", Operator::Or, 1),
    ("&&", Operator::And, 2),
    ("<>", Operator::Unequal, 3),
    ("!=", Operator::Unequal, 3),
    ("==", Operator::Equal, 3),
    ("<=", Operator::LessOrEqual, 4),
    (">=", Operator::GreaterOrEqual, 4),
    ("=", Operator::Equal, 3),
    ("<", Operator::Less, 4),
    (">", Operator::Greater, 4),
    ("&", Operator::Join, 5),
    ("+", Operator::Add, 6),
    ("-", Operator::Subtract, 6),
    ("*", Operator::Multiply, 7),
    ("/", Operator::Divide, 7),
    ("^", Operator::Power, 8),
    ("**", Operator::Power, 8),
];

impl Parser<'_> {
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.strip_prefix("/*").and_then(|comment| comment.split_once("*/")) {
                Some((_, behind)) => self.rest = behind,
                None => return,
            }
        }
    }

    fn take(&mut self, sign: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn binary(&mut self, least: u8) -> Result<Expression, Unknown> {
        let mut left = self.unary()?;
        loop {
            self.skip();
            let next = OPERATORS.iter().find(|(sign, ..)| self.rest.starts_with(sign));
            let Some((sign, operator, strength)) = next.filter(|(.., strength)| *strength > least) else {
                return Ok(left);
            };
            self.rest = &self.rest[sign.len()..];
            let right = self.binary(*strength)?;
            left = Expression::Operation(*operator, Box::new(left), Box::new(right));
        }
    }

    fn unary(&mut self) -> Result<Expression, Unknown> {
        if self.take("-") {
            return self.unary().map(|inner| Expression::Minus(Box::new(inner)));
        }
        if self.take("!") {
            return self.unary().map(|inner| Expression::Not(Box::new(inner)));
        }
        if self.take("(") {
            let inner = self.binary(0)?;
            return if self.take(")") { Ok(inner) } else { Err(Unknown(self.rest.to_owned())) };
        }
        self.skip();
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.text(quote),
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_alphabetic() || c == '$' || c == '_' => self.name(),
            _ => Err(Unknown(self.rest.to_owned())),
        }
    }

    fn text(&mut self, quote: char) -> Result<Expression, Unknown> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, c)) => text.push(c),
                    None => break,
                },
                c if c == quote => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(Expression::Text(text));
                }
                c => text.push(c),
            }
        }
        Err(Unknown(self.rest.to_owned()))
    }

    fn number(&mut self) -> Result<Expression, Unknown> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.parse().map(Expression::Number).map_err(|_| Unknown(digits.to_owned()))
    }

    fn name(&mut self) -> Result<Expression, Unknown> {
        let end = self
            .rest
            .find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.' | '$' | ':'))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        if self.take("(") {
            return self.call(name.to_ascii_uppercase());
        }
        match name.to_ascii_uppercase().as_str() {
            "TRUE" => Ok(Expression::Bool(true)),
            "FALSE" => Ok(Expression::Bool(false)),
            "NULL" => Ok(Expression::Null),
            _ if name.starts_with('$') => {
                let path: Vec<String> = name.split('.').map(str::to_owned).collect();
                let known = self.of_rule && super::global::is_known(&path);
                if known { Ok(Expression::Global(path)) } else { Err(Unknown(name.to_owned())) }
            }
            _ => Ok(Expression::Path(name.split('.').map(str::to_owned).collect())),
        }
    }

    fn call(&mut self, name: String) -> Result<Expression, Unknown> {
        if !super::functions::known(&name, self.of_rule) {
            return Err(Unknown(name));
        }
        let mut arguments = Vec::new();
        if !self.take(")") {
            loop {
                arguments.push(self.binary(0)?);
                if self.take(")") {
                    break;
                }
                if !self.take(",") {
                    return Err(Unknown(self.rest.to_owned()));
                }
            }
        }
        if name == "REGEX" {
            return matches(arguments);
        }
        let of_field = matches!(arguments.first(), Some(Expression::Path(path)) if path.len() == 1);
        if matches!(name.as_str(), "ISCHANGED" | "PRIORVALUE") && !of_field {
            return Err(Unknown(name));
        }
        Ok(Expression::Call(name, arguments))
    }
}

/// The pattern must stand there as it is: what is put together on the way is outside of the subset.
fn matches(mut arguments: Vec<Expression>) -> Result<Expression, Unknown> {
    match (arguments.len(), arguments.pop(), arguments.pop()) {
        (2, Some(Expression::Text(pattern)), Some(text)) => {
            let pattern = Pattern::new(&pattern).ok_or(Unknown(pattern))?;
            Ok(Expression::Matches(Box::new(text), pattern))
        }
        _ => Err(Unknown("REGEX".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_look_at_what_was_and_at_who_saves() {
        for text in ["$User.Email", "ISCHANGED(Name)", "ISNEW()", "PRIORVALUE(Name) = Name", "REGEX(Name, \"a+\")"] {
            assert!(parse(text).is_err() && parse_rule(text).is_ok(), "{text}");
        }
        for text in ["$Api.Session_ID", "VLOOKUP(a, b, c)", "REGEX(Name, \"a++\")", "ISCHANGED(Account.Name)"] {
            assert!(parse_rule(text).is_err(), "{text}");
        }
        let path = Expression::Path(vec!["Owner:User".into(), "Name".into()]);
        assert_eq!(parse_rule("Owner:User.Name"), Ok(path));
    }

    #[test]
    fn precedence_and_nesting() {
        let parsed = parse("IF(a__c + 2 * 3 > 7 && !b__c, \"yes\\n\", Owner.Name)").expect("known");
        let Expression::Call(name, arguments) = parsed else { panic!("a call") };
        assert_eq!((name.as_str(), arguments.len()), ("IF", 3));
        assert!(matches!(&arguments[0], Expression::Operation(Operator::And, ..)));
        assert_eq!(arguments[1], Expression::Text("yes\n".into()));
        assert_eq!(arguments[2], Expression::Path(vec!["Owner".into(), "Name".into()]));
    }

    #[test]
    fn what_is_not_emulated_is_refused() {
        for text in ["IMAGE(\"x\", \"y\")", "$User.Id", "1 +", "(1", "IF(1", "a b", "\"open"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
