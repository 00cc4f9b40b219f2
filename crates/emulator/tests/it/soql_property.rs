// SPDX-License-Identifier: Apache-2.0
//! Generated statements over a small table, evaluated row by row in plain Rust, must find what the translation to SQL finds: with
//! absent values, AND, OR, NOT, IN, LIKE, order, LIMIT and OFFSET.

use std::cmp::Ordering;
use std::sync::LazyLock;

use crate::soql_rows::{NOW, admin, empty_org, id, put};
use orgkeep_emulator::Org;
use orgkeep_emulator::soql::{self, Options};
use orgkeep_emulator::value::{Value, date_time_text};
use proptest::prelude::*;

const TEXTS: [&str; 7] = ["Alpha", "ALPHA", "beta", "Äpfel", "äpfel_x", "a%b", "O'Hara \\ \"q\""];
const FIELDS: [&str; 6] = ["Name", "Site", "NumberOfEmployees", "AnnualRevenue", "IsPartner", "CreatedDate"];
const DAY_MS: i64 = 86_400_000;

/// One row: the values of `FIELDS`.
type Row = [Value; 6];

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let mut state = 7_u64;
    let mut pick = move |choices: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % choices
    };
    let mut row = || {
        let mut text = |choices: u64| TEXTS.get(pick(choices) as usize).map_or(Value::Null, |text| Value::from(*text));
        let (name, site) = (text(7), text(9));
        let number = |number: u64, absent: bool| if absent { Value::Null } else { Value::Int(number as i64 - 2) };
        let employees = number(pick(6), pick(4) == 0);
        let revenue = if pick(3) == 0 { Value::Num(pick(4) as f64 + 0.5) } else { number(pick(6), pick(4) == 0) };
        [name, site, employees, revenue, Value::Bool(pick(2) == 0), Value::Int(NOW - pick(5) as i64 * DAY_MS)]
    };
    (0..80).map(|_| row()).collect()
});

static ORG: LazyLock<Org> = LazyLock::new(|| {
    let org = empty_org();
    org.write(|tx| {
        for (number, row) in ROWS.iter().enumerate() {
            let values: Vec<(&str, Value)> = FIELDS.iter().copied().zip(row.iter().cloned()).collect();
            put(tx, "Account", &id("001", number as u64), &values);
        }
    });
    org
});

#[derive(Clone, Debug)]
enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare(usize, &'static str, Value),
    In(usize, bool, Vec<Value>),
    Like(usize, String),
}

fn written(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Num(number) => number.to_string(),
        Value::Int(ms) if ms.abs() > 1_000_000 => date_time_text(*ms, "Z"),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('"', "\\\"")),
    }
}

impl Condition {
    fn written(&self) -> String {
        let join = |all: &[Condition], word: &str| {
            let parts: Vec<String> = all.iter().map(|one| format!("({})", one.written())).collect();
            parts.join(word)
        };
        match self {
            Condition::And(all) => join(all, " AND "),
            Condition::Or(all) => join(all, " or "),
            Condition::Not(one) => format!("NOT ({})", one.written()),
            Condition::Compare(field, operator, value) => format!("{} {operator} {}", FIELDS[*field], written(value)),
            Condition::In(field, negated, list) => {
                let list: Vec<String> = list.iter().map(written).collect();
                format!("{} {}IN ({})", FIELDS[*field], if *negated { "NOT " } else { "" }, list.join(", "))
            }
            Condition::Like(field, pattern) => format!("{} LIKE '{pattern}'", FIELDS[*field]),
        }
    }

    fn holds(&self, row: &Row) -> bool {
        match self {
            Condition::And(all) => all.iter().all(|one| one.holds(row)),
            Condition::Or(all) => all.iter().any(|one| one.holds(row)),
            Condition::Not(one) => !one.holds(row),
            Condition::Compare(field, operator, value) => {
                let order = compare(&row[*field], value);
                let absent = row[*field].is_null() || value.is_null();
                match *operator {
                    "=" => order == Ordering::Equal,
                    "!=" => order != Ordering::Equal,
                    _ if absent => false,
                    "<" => order == Ordering::Less,
                    "<=" => order != Ordering::Greater,
                    ">" => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }
            }
            Condition::In(field, negated, list) => {
                list.iter().any(|value| compare(&row[*field], value) == Ordering::Equal) != *negated
            }
            Condition::Like(field, pattern) => match &row[*field] {
                Value::Text(text) => like(&pattern.to_lowercase(), &text.to_lowercase()),
                _ => false,
            },
        }
    }
}

/// Absent values come first and equal each other.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Text(a), Value::Text(b)) => a.to_lowercase().cmp(&b.to_lowercase()),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (a, b) => a.as_num().partial_cmp(&b.as_num()).unwrap(),
    }
}

fn like(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    let tail = text.chars().next().map(|letter| (letter, &text[letter.len_utf8()..]));
    match (first, tail) {
        ('%', tail) => like(rest, text) || tail.is_some_and(|(_, tail)| like(pattern, tail)),
        (_, None) => false,
        ('_', Some((_, tail))) => like(rest, tail),
        ('\\', Some((letter, tail))) => rest.starts_with(letter) && like(&rest[letter.len_utf8()..], tail),
        (first, Some((letter, tail))) => first == letter && like(rest, tail),
    }
}

fn value_of(field: usize) -> BoxedStrategy<Value> {
    match field {
        0 | 1 => (0..TEXTS.len()).prop_map(|at| Value::from(TEXTS[at])).boxed(),
        2 => (-3_i64..5).prop_map(Value::Int).boxed(),
        3 => prop_oneof![(-3_i64..5).prop_map(Value::Int), (0..5).prop_map(|n| Value::Num(f64::from(n) + 0.5))].boxed(),
        4 => any::<bool>().prop_map(Value::Bool).boxed(),
        _ => (-1_i64..6).prop_map(|days| Value::Int(NOW - days * DAY_MS)).boxed(),
    }
}

fn leaf() -> impl Strategy<Value = Condition> {
    (0..FIELDS.len()).prop_flat_map(|field| {
        let operators: &[&str] = if field == 4 { &["=", "!="] } else { &["=", "!=", "<", "<=", ">", ">="] };
        let compare = (proptest::sample::select(operators), value_of(field))
            .prop_map(move |(operator, value)| Condition::Compare(field, operator, value));
        let absent = proptest::sample::select(&["=", "!="][..])
            .prop_map(move |operator| Condition::Compare(field, operator, Value::Null));
        let maybe = prop_oneof![4 => value_of(field), 1 => Just(Value::Null)];
        let list = (any::<bool>(), proptest::collection::vec(maybe, 1..4))
            .prop_map(move |(negated, list)| Condition::In(field, negated, list));
        match field {
            0 | 1 => {
                let piece = proptest::sample::select(&["%", "_", "a", "P", "ä", "\\\\%", "\\\\_", "%b", "lph"][..]);
                let pattern = proptest::collection::vec(piece, 0..5)
                    .prop_map(move |pieces| Condition::Like(field, pieces.concat().replace("\\\\", "\\")));
                prop_oneof![3 => compare, 1 => absent, 2 => list, 3 => pattern].boxed()
            }
            4 => compare.boxed(),
            _ => prop_oneof![3 => compare, 1 => absent, 2 => list].boxed(),
        }
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    leaf().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Condition::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Condition::Or),
            inner.prop_map(|one| Condition::Not(Box::new(one))),
        ]
    })
}

#[derive(Clone, Debug)]
struct Sort {
    field: usize,
    descending: bool,
    nulls_last: bool,
}

fn sort() -> impl Strategy<Value = Sort> {
    (0..FIELDS.len(), any::<bool>(), any::<bool>()).prop_map(|(field, descending, nulls_last)| Sort {
        field,
        descending,
        nulls_last,
    })
}

fn order(a: &Row, b: &Row, sorts: &[Sort]) -> Ordering {
    let one = |sort: &Sort| {
        let (a, b) = (&a[sort.field], &b[sort.field]);
        match (a.is_null(), b.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => {
                if sort.nulls_last {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (false, true) => {
                if sort.nulls_last {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (false, false) if sort.descending => compare(b, a),
            (false, false) => compare(a, b),
        }
    };
    sorts.iter().map(one).find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn sql_finds_what_a_plain_evaluation_finds(
        condition in proptest::option::weighted(0.95, condition()),
        sorts in proptest::collection::vec(sort(), 0..3),
        limit in proptest::option::of(0_usize..40),
        offset in proptest::option::of(0_usize..20),
    ) {
        let mut text = "SELECT Id FROM Account".to_owned();
        if let Some(condition) = &condition {
            text += &format!(" WHERE {}", condition.written());
        }
        for (place, sort) in sorts.iter().enumerate() {
            text += if place == 0 { " ORDER BY " } else { ", " };
            text += FIELDS[sort.field];
            text += if sort.descending { " DESC" } else { "" };
            text += if sort.nulls_last { " NULLS LAST" } else { "" };
        }
        if let Some(limit) = limit {
            text += &format!(" LIMIT {limit}");
        }
        if let Some(offset) = offset {
            text += &format!(" OFFSET {offset}");
        }

        let mut expected: Vec<usize> = (0..ROWS.len()).filter(|at| condition.as_ref().is_none_or(|one| one.holds(&ROWS[*at]))).collect();
        expected.sort_by(|a, b| order(&ROWS[*a], &ROWS[*b], &sorts));
        let expected: Vec<String> = expected.into_iter().skip(offset.unwrap_or(0)).take(limit.unwrap_or(usize::MAX)).map(|at| id("001", at as u64)).collect();

        let options = Options { now: NOW, ..Options::default() };
        let prepared = soql::prepare(&ORG.schema(), &admin(), &text, options).map_err(|error| TestCaseError::fail(format!("{text}: {}", error.message)))?;
        let (found, total) = ORG.read(|tx| (prepared.ids(tx).unwrap(), prepared.total(tx).unwrap()));
        prop_assert_eq!(total, found.len() as u64, "{}", text);
        prop_assert_eq!(found, expected, "{}", text);
    }
}
