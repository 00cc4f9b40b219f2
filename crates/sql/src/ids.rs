// SPDX-License-Identifier: Apache-2.0
//! Ids of 15 characters in conditions.
//!
//! Salesforce shows Ids of 15 characters in places and of 18 in others; the vault has those of 18. A text of 15 that is compared with `Id`,
//! or with a field whose name ends so, stands for either form: `= 'short'` becomes `IN ('short', 'long')`. The short form stays, for a
//! field that holds something else. Fields of other names, custom lookups among them, are compared as they are.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};

/// Adds the long form beside each short one in a comparison.
pub(crate) fn widen(condition: &mut Expr) {
    match condition {
        Expr::BinaryOp { left, op, right } => {
            let negated = match op {
                BinaryOperator::Eq => false,
                BinaryOperator::NotEq => true,
                _ => return,
            };
            let (field, given) = match (holds_ids(left), holds_ids(right)) {
                (true, false) => (left, right),
                (false, true) => (right, left),
                _ => return,
            };
            if let Some(long) = long_form(given) {
                let list = vec![given.as_ref().clone(), long];
                *condition = Expr::InList { expr: field.clone(), list, negated };
            }
        }
        Expr::InList { expr, list, .. } if holds_ids(expr) => {
            let long: Vec<Expr> = list.iter().filter_map(long_form).collect();
            list.extend(long);
        }
        _ => {}
    }
}

fn holds_ids(expr: &Expr) -> bool {
    let name = match expr {
        Expr::Identifier(ident) => ident,
        Expr::CompoundIdentifier(idents) => match idents.last() {
            Some(ident) => ident,
            None => return false,
        },
        _ => return false,
    };
    name.value.eq_ignore_ascii_case("Id") || name.value.ends_with("Id") || name.value.ends_with("ID")
}

fn long_form(expr: &Expr) -> Option<Expr> {
    const SHORT_CHARACTERS: usize = 15;
    let Expr::Value(value) = expr else { return None };
    let Value::SingleQuotedString(short) = &value.value else { return None };
    if short.len() != SHORT_CHARACTERS {
        return None;
    }
    let long = orgkeep_engine::full_id(short).ok()?;
    Some(Expr::Value(Value::SingleQuotedString(long).into()))
}
