// SPDX-License-Identifier: Apache-2.0
//! Criteria as Setup makes them: lines of field, operation and value, joined by AND or by a logic such as `(1 OR 2) AND 3`.
//!
//! Texts compare without case. Several values behind a comma are alternatives. A line without a value asks for an empty field.
//! Fields are those of the record (`Case.Origin`), of a parent (`Account.Industry`, by relationship or by object) and of whoever
//! saves (`User.Alias`). References compare by Id, or by the name of what they lead to. Days may be named `TODAY`, `YESTERDAY`
//! and `TOMORROW`; other relative days are outside of the subset.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Verdict;
use super::validation::{absent, shown};
use crate::metadata::Node;
use crate::record::Draft;
use crate::record::formula::RuleFormula;
use crate::schema::{Field, FieldType, Object, Schema};
use crate::store::{Tx, compare_folded};
use crate::user::Caller;
use crate::value::{self, Value};

/// When something happens.
#[derive(Clone, Debug)]
pub enum Condition {
    Always,
    Formula(RuleFormula),
    Criteria(Vec<Line>, Logic),
}

/// One line of criteria.
#[derive(Clone, Debug)]
pub struct Line {
    source: Source,
    operation: Operation,
    values: Vec<String>,
    /// Compares with this field of the record instead.
    other: Option<usize>,
}

#[derive(Clone, Debug)]
enum Source {
    Own(usize),
    /// The reference field, and the field of what it leads to.
    Parent(usize, String),
    User(String),
}

/// How a value compares with those of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Equals,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    NotContain,
    StartsWith,
    EndsWith,
    Includes,
    Excludes,
}

/// How lines are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logic {
    All,
    Any,
    Line(usize),
    Not(Box<Logic>),
    Both(Box<Logic>, Box<Logic>),
    Either(Box<Logic>, Box<Logic>),
}

impl Operation {
    /// Under the names that criteria and flows have for it.
    pub fn named(name: &str) -> Option<Operation> {
        Some(match name {
            "equals" | "EqualTo" => Operation::Equals,
            "notEqual" | "NotEqualTo" => Operation::NotEqual,
            "lessThan" | "LessThan" => Operation::Less,
            "lessOrEqual" | "LessThanOrEqualTo" => Operation::LessOrEqual,
            "greaterThan" | "GreaterThan" => Operation::Greater,
            "greaterOrEqual" | "GreaterThanOrEqualTo" => Operation::GreaterOrEqual,
            "contains" | "Contains" => Operation::Contains,
            "notContain" => Operation::NotContain,
            "startsWith" | "StartsWith" => Operation::StartsWith,
            "EndsWith" => Operation::EndsWith,
            "includes" => Operation::Includes,
            "excludes" => Operation::Excludes,
            _ => return None,
        })
    }
}

impl Condition {
    /// The condition of a rule: its `formula`, or its `criteriaItems` with their `booleanFilter`.
    ///
    /// # Errors
    /// What is wrong with it, or outside of the subset.
    pub fn of_rule(schema: &Schema, object: &Arc<Object>, node: &Node) -> Result<Condition, Verdict> {
        match node.text_of("formula") {
            "" => Condition::of_lines(schema, object, node.all("criteriaItems"), node.text_of("booleanFilter")),
            formula => Condition::of_formula(schema, object, formula),
        }
    }

    pub fn of_formula(schema: &Schema, object: &Arc<Object>, text: &str) -> Result<Condition, Verdict> {
        read_formula(schema, object, text).map(Condition::Formula)
    }

    pub fn of_lines<'n>(
        schema: &Schema,
        object: &Arc<Object>,
        lines: impl Iterator<Item = &'n Node>,
        logic: &str,
    ) -> Result<Condition, Verdict> {
        let lines = lines.map(|line| Line::read(schema, object, line)).collect::<Result<Vec<Line>, Verdict>>()?;
        if lines.is_empty() {
            return Ok(Condition::Always);
        }
        let unknown = || Verdict::Wrong(format!("Invalid filter logic: {logic}"));
        let logic = Logic::read(logic, lines.len()).ok_or_else(unknown)?;
        Ok(Condition::Criteria(lines, logic))
    }

    pub fn holds(&self, tx: &Tx<'_>, caller: &Caller, draft: &Draft) -> bool {
        match self {
            Condition::Always => true,
            Condition::Formula(formula) => formula.holds(tx, caller, draft),
            Condition::Criteria(lines, logic) => {
                logic.holds(lines.len(), &|at| lines[at].holds(tx, caller, &draft.object, &draft.values))
            }
        }
    }

    /// Whether it was true before the record was changed.
    pub fn held(&self, tx: &Tx<'_>, caller: &Caller, draft: &Draft) -> bool {
        let Some(old) = &draft.old else { return false };
        self.holds(tx, caller, &Draft::standing(draft.object.clone(), draft.id.clone(), old.clone()))
    }
}

/// A formula of a rule, checked against the schema.
///
/// # Errors
/// What is wrong with it, or outside of the subset.
pub fn read_formula(schema: &Schema, object: &Arc<Object>, text: &str) -> Result<RuleFormula, Verdict> {
    let formula = RuleFormula::read(text)
        .map_err(|unknown| Verdict::Dormant(format!("its formula has what is not emulated: {}", shown(&unknown))))?;
    match formula.missing(schema, object) {
        Some(missing) => Err(absent(&missing)),
        None => Ok(formula),
    }
}

impl Line {
    fn read(schema: &Schema, object: &Arc<Object>, node: &Node) -> Result<Line, Verdict> {
        let path = node.text_of("field");
        let name = node.text_of("operation");
        let operation = Operation::named(name).ok_or_else(|| {
            Verdict::Dormant(format!("its criteria have the operation {name}, which is not emulated"))
        })?;
        let (source, field) = Source::read(schema, object, path).ok_or_else(|| absent(path))?;
        let values = split(node.text_of("value"));
        if matches!(field.kind, FieldType::Date | FieldType::Datetime)
            && let Some(unknown) = values.iter().find(|value| !value.is_empty() && day(value, 0).is_none())
        {
            return Err(Verdict::Dormant(format!("its criteria name a day as {unknown}, which is not emulated")));
        }
        let other = match node.text_of("valueField") {
            "" => None,
            other => {
                let own = other.rsplit('.').next().unwrap_or(other);
                Some(object.position(own).ok_or_else(|| absent(other))?)
            }
        };
        Ok(Line { source, operation, values, other })
    }

    fn holds(&self, tx: &Tx<'_>, caller: &Caller, object: &Arc<Object>, values: &[Value]) -> bool {
        let (value, field) = match &self.source {
            Source::Own(at) => (values[*at].clone(), object.fields[*at].clone()),
            Source::Parent(at, name) => {
                let Some(id) = values[*at].as_str() else { return self.compares(tx, &Value::Null, None) };
                let row = tx.schema.by_prefix(id).and_then(|parent| tx.row(parent, id));
                match row.and_then(|row| Some((row.get(name).clone(), row.object.field(name)?.clone()))) {
                    Some(found) => found,
                    None => return self.compares(tx, &Value::Null, None),
                }
            }
            Source::User(name) => {
                let users = tx.schema.object("User");
                let row = users.and_then(|users| tx.row(users, &caller.user_id));
                match row.and_then(|row| Some((row.get(name).clone(), row.object.field(name)?.clone()))) {
                    Some(found) => found,
                    None => return self.compares(tx, &Value::Null, None),
                }
            }
        };
        match self.other {
            None => self.compares(tx, &value, Some(&field)),
            Some(at) => {
                let text = plain(&values[at], object.fields[at].kind);
                compares(tx, &value, Some(&field), self.operation, std::slice::from_ref(&text))
            }
        }
    }

    fn compares(&self, tx: &Tx<'_>, value: &Value, field: Option<&Arc<Field>>) -> bool {
        compares(tx, value, field, self.operation, &self.values)
    }
}

impl Source {
    fn read(schema: &Schema, object: &Arc<Object>, path: &str) -> Option<(Source, Arc<Field>)> {
        let (of, name) = path.split_once('.').unwrap_or((&object.name, path));
        if of.eq_ignore_ascii_case(&object.name) {
            let at = object.position(name)?;
            return Some((Source::Own(at), object.fields[at].clone()));
        }
        if of == "User" {
            return Some((Source::User(name.to_owned()), schema.object("User")?.field(name)?.clone()));
        }
        let leads = |field: &Arc<Field>| field.reference_to.iter().any(|target| target.eq_ignore_ascii_case(of));
        let reference = object.relationship(of).or_else(|| object.fields.iter().find(|field| leads(field)))?;
        let targets = reference.reference_to.iter().filter_map(|target| schema.object(target)?.field(name).cloned());
        let field = targets.into_iter().next()?;
        Some((Source::Parent(object.position(&reference.name)?, name.to_owned()), field))
    }
}

/// Alternatives behind commas; a comma within quotes is none.
fn split(text: &str) -> Vec<String> {
    let (mut values, mut value, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => values.push(std::mem::take(&mut value).trim().to_owned()),
            c => value.push(c),
        }
    }
    values.push(value.trim().to_owned());
    values
}

/// A value as criteria write it.
pub fn plain(value: &Value, kind: FieldType) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(b) => b.to_string(),
        Value::Int(ms) if kind == FieldType::Datetime => value::date_time_text(*ms, "Z"),
        Value::Int(n) if kind == FieldType::Boolean => (*n != 0).to_string(),
        Value::Int(n) => n.to_string(),
        Value::Num(n) => n.to_string(),
        Value::Text(text) => text.clone(),
    }
}

/// Compares a value with alternatives.
pub fn compares(
    tx: &Tx<'_>,
    value: &Value,
    field: Option<&Arc<Field>>,
    operation: Operation,
    alternatives: &[String],
) -> bool {
    let kind = field.map_or(FieldType::String, |field| field.kind);
    let any = |holds: &dyn Fn(&str) -> bool| alternatives.iter().any(|one| holds(one));
    let own = plain(value, kind);
    let equal = |other: &str| order(tx, value, kind, other) == Some(Ordering::Equal);
    let folded = own.to_lowercase();
    let ordered = |wanted: &[Ordering]| {
        any(&|other| {
            !own.is_empty() && !other.is_empty() && order(tx, value, kind, other).is_some_and(|is| wanted.contains(&is))
        })
    };
    let chosen = |other: &str| own.split(';').any(|one| compare_folded(one, other) == Ordering::Equal);
    match operation {
        Operation::Equals => any(&equal),
        Operation::NotEqual => !any(&equal),
        Operation::Less => ordered(&[Ordering::Less]),
        Operation::LessOrEqual => ordered(&[Ordering::Less, Ordering::Equal]),
        Operation::Greater => ordered(&[Ordering::Greater]),
        Operation::GreaterOrEqual => ordered(&[Ordering::Greater, Ordering::Equal]),
        Operation::Contains => any(&|other| folded.contains(&other.to_lowercase())),
        Operation::NotContain => !any(&|other| folded.contains(&other.to_lowercase())),
        Operation::StartsWith => any(&|other| folded.starts_with(&other.to_lowercase())),
        Operation::EndsWith => any(&|other| folded.ends_with(&other.to_lowercase())),
        Operation::Includes => alternatives.iter().flat_map(|one| one.split(';')).any(chosen),
        Operation::Excludes => !alternatives.iter().flat_map(|one| one.split(';')).any(chosen),
    }
}

fn order(tx: &Tx<'_>, value: &Value, kind: FieldType, other: &str) -> Option<Ordering> {
    match (value, kind) {
        (Value::Null, FieldType::Boolean) => Some(false.cmp(&is_yes(other))),
        (Value::Null, _) => other.is_empty().then_some(Ordering::Equal),
        (value, FieldType::Boolean) => Some(value.is_true().cmp(&is_yes(other))),
        (value, kind) if kind.is_number() => value.as_num()?.partial_cmp(&other.replace(',', "").parse::<f64>().ok()?),
        (Value::Text(own), FieldType::Date) => Some(day(own, tx.now)?.cmp(&day(other, tx.now)?)),
        (Value::Int(own), FieldType::Datetime) => match value::parse_date_time(other).filter(|_| other.contains('T')) {
            Some(ms) => Some(own.cmp(&ms)),
            None => Some(own.div_euclid(DAY_MS).cmp(&day(other, tx.now)?)),
        },
        (Value::Text(id), FieldType::Reference | FieldType::Id) => Some(reference(tx, id, other)),
        (value, kind) => Some(compare_folded(&plain(value, kind), other)),
    }
}

const DAY_MS: i64 = 86_400_000;

fn is_yes(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text == "1"
}

/// Days since 1970 of `2024-05-31`, `5/31/2024` or a day that is named.
fn day(text: &str, now: i64) -> Option<i64> {
    let today = now.div_euclid(DAY_MS);
    match text.to_ascii_uppercase().as_str() {
        "TODAY" => return Some(today),
        "YESTERDAY" => return Some(today - 1),
        "TOMORROW" => return Some(today + 1),
        _ => {}
    }
    let american: Option<Vec<u32>> = text.split('/').map(|part| part.parse().ok()).collect();
    let iso = match american.as_deref() {
        Some([month, day, year]) => format!("{year:04}-{month:02}-{day:02}"),
        _ => text.to_owned(),
    };
    value::parse_date_time(&iso).map(|ms| ms.div_euclid(DAY_MS))
}

/// By Id, or by the name of what the Id leads to.
fn reference(tx: &Tx<'_>, id: &str, other: &str) -> Ordering {
    if crate::id::to18(other).is_some_and(|other| other == id) {
        return Ordering::Equal;
    }
    let row = tx.schema.by_prefix(id).and_then(|object| tx.row(object, id));
    let names = |name: &str| row.as_ref().is_some_and(|row| compare_folded(row.text(name), other) == Ordering::Equal);
    if ["Name", "DeveloperName", "Username"].iter().any(|name| names(name)) { Ordering::Equal } else { id.cmp(other) }
}

impl Logic {
    /// Reads `1 AND (2 OR NOT 3)`; nothing, `and` and `or` join all lines.
    pub fn read(text: &str, lines: usize) -> Option<Logic> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "and" => return Some(Logic::All),
            "or" => return Some(Logic::Any),
            _ => {}
        }
        let spaced = text.to_ascii_uppercase().replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let (logic, rest) = either(&words, lines)?;
        rest.is_empty().then_some(logic)
    }

    pub fn holds(&self, lines: usize, line: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Logic::All => (0..lines).all(line),
            Logic::Any => (0..lines).any(line),
            Logic::Line(at) => line(*at),
            Logic::Not(inner) => !inner.holds(lines, line),
            Logic::Both(left, right) => left.holds(lines, line) && right.holds(lines, line),
            Logic::Either(left, right) => left.holds(lines, line) || right.holds(lines, line),
        }
    }
}

type Read<'w> = Option<(Logic, &'w [&'w str])>;

fn either<'w>(words: &'w [&'w str], lines: usize) -> Read<'w> {
    let (mut left, mut rest) = both(words, lines)?;
    while let Some(("OR", behind)) = rest.split_first().map(|(first, behind)| (*first, behind)) {
        let (right, behind) = both(behind, lines)?;
        (left, rest) = (Logic::Either(Box::new(left), Box::new(right)), behind);
    }
    Some((left, rest))
}

fn both<'w>(words: &'w [&'w str], lines: usize) -> Read<'w> {
    let (mut left, mut rest) = single(words, lines)?;
    while let Some(("AND", behind)) = rest.split_first().map(|(first, behind)| (*first, behind)) {
        let (right, behind) = single(behind, lines)?;
        (left, rest) = (Logic::Both(Box::new(left), Box::new(right)), behind);
    }
    Some((left, rest))
}

fn single<'w>(words: &'w [&'w str], lines: usize) -> Read<'w> {
    let (first, rest) = words.split_first()?;
    match *first {
        "NOT" => single(rest, lines).map(|(inner, rest)| (Logic::Not(Box::new(inner)), rest)),
        "(" => {
            let (inner, rest) = either(rest, lines)?;
            let (closing, rest) = rest.split_first()?;
            (*closing == ")").then_some((inner, rest))
        }
        number => {
            let at = number.parse::<usize>().ok().filter(|at| (1..=lines).contains(at))?;
            Some((Logic::Line(at - 1), rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logic_is_read_as_written() {
        let holds = |text: &str, lines: &[bool]| {
            Logic::read(text, lines.len()).map(|logic| logic.holds(lines.len(), &|at| lines[at]))
        };
        assert_eq!(holds("(1 OR 2) AND (3 AND 4)", &[false, true, true, true]), Some(true));
        assert_eq!(holds("1 OR 2 AND 3", &[true, false, false]), Some(true));
        assert_eq!(holds("1 and not(2)", &[true, true]), Some(false));
        assert_eq!(holds("", &[true, false]), Some(false));
        for wrong in ["1 AND", "3", "(1", "1 2", "1 XOR 2"] {
            assert_eq!(holds(wrong, &[true, true]), None, "{wrong}");
        }
    }

    #[test]
    fn values_stand_behind_commas() {
        assert_eq!(split("New, In Progress,\"a, b\""), ["New", "In Progress", "a, b"]);
        assert_eq!(split(""), [""]);
        assert_eq!(day("5/31/2024", 0), day("2024-05-31", 0));
    }
}
