// SPDX-License-Identifier: Apache-2.0
//! The conditions of a roll-up on its children, as SQL.
//!
//! Not understood are dates relative to today; a roll-up that uses one counts no child.

use crate::schema::{Field, FieldType, Object, SummaryFilter};
use crate::value;

/// What follows in a WHERE; empty when every child counts.
pub fn condition(child: &Object, filters: &[SummaryFilter]) -> String {
    filters.iter().map(|filter| format!(" AND {}", one(child, filter))).collect()
}

fn one(child: &Object, filter: &SummaryFilter) -> String {
    const NEVER: &str = "1 = 0";
    let Some(field) = child.field(&filter.field).filter(|field| field.stored()) else { return NEVER.to_owned() };
    let column = format!("\"{}\"", field.name);
    let values: Vec<&str> = filter.value.split(',').map(str::trim).collect();
    if filter.value.is_empty() {
        return match filter.operator.as_str() {
            "equals" => format!("{column} IS NULL"),
            "notEqual" => format!("{column} IS NOT NULL"),
            _ => NEVER.to_owned(),
        };
    }
    let literals: Option<Vec<String>> = values.iter().map(|value| literal(field, value)).collect();
    let Some(literals) = literals else { return NEVER.to_owned() };
    let any = |test: &dyn Fn(&String) -> String| {
        let tests: Vec<String> = literals.iter().map(test).collect();
        format!("({})", tests.join(" OR "))
    };
    let text = |value: &String| value.trim_matches('\'').to_owned();
    match filter.operator.as_str() {
        "equals" => any(&|value| format!("{column} = {value}")),
        "notEqual" => format!("({column} IS NULL OR NOT {})", any(&|value| format!("{column} = {value}"))),
        "lessThan" => any(&|value| format!("{column} < {value}")),
        "greaterThan" => any(&|value| format!("{column} > {value}")),
        "lessOrEqual" => any(&|value| format!("{column} <= {value}")),
        "greaterOrEqual" => any(&|value| format!("{column} >= {value}")),
        "contains" => any(&|value| format!("{column} LIKE '%{}%'", text(value))),
        "notContain" => {
            format!("({column} IS NULL OR NOT {})", any(&|value| format!("{column} LIKE '%{}%'", text(value))))
        }
        "startsWith" => any(&|value| format!("{column} LIKE '{}%'", text(value))),
        "includes" => any(&|value| format!("';' || {column} || ';' LIKE '%;{};%'", text(value))),
        "excludes" => {
            format!(
                "({column} IS NULL OR NOT {})",
                any(&|value| format!("';' || {column} || ';' LIKE '%;{};%'", text(value)))
            )
        }
        _ => NEVER.to_owned(),
    }
}

fn literal(field: &Field, text: &str) -> Option<String> {
    let quoted = |text: &str| format!("'{}'", text.trim_matches('"').replace('\'', "''"));
    match field.kind {
        FieldType::Boolean => Some(i32::from(text.eq_ignore_ascii_case("true") || text == "1").to_string()),
        FieldType::Datetime => value::parse_date_time(text).map(|ms| ms.to_string()),
        FieldType::Date => value::parse_date(text).map(|date| quoted(&date)),
        kind if kind.is_number() => text.parse::<f64>().ok().map(|_| text.to_owned()),
        _ => Some(quoted(text)),
    }
}
