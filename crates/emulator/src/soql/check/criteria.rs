// SPDX-License-Identifier: Apache-2.0
//! WHERE and HAVING: which operators a type takes and what a literal means for it (`salesforce-api.md` 7.1). An empty text is null;
//! a date literal becomes the span of days that it means now; Ids may have 15 or 18 characters.

use chrono::{DateTime, NaiveDate, NaiveTime};

use super::super::ast::{Condition, Literal, Operator, Value as Named};
use super::super::date;
use super::super::plan::{Expr, Money, Plan, Test};
use super::{Checker, Position, float};
use crate::error::ApiError;
use crate::id;
use crate::schema::FieldType;
use crate::value::{Value, parse_date, parse_date_time, parse_time};

const MOST_SEMI_JOINS: usize = 2;

/// What a literal is for the field it is compared with.
enum Bound {
    Null,
    One(Value),
    /// From the first up to, but without, the second.
    Span(Value, Value),
}

impl Checker<'_> {
    /// `under_or`: whether the condition stands under an OR, where no semi-join may.
    pub(super) fn test(&mut self, condition: &Condition, under_or: bool) -> Result<Test, ApiError> {
        Ok(match condition {
            Condition::And(all) => Test::And(all.iter().map(|one| self.test(one, under_or)).collect::<Result<_, _>>()?),
            Condition::Or(all) => Test::Or(all.iter().map(|one| self.test(one, true)).collect::<Result<_, _>>()?),
            Condition::Not(one) => Test::Not(Box::new(self.test(one, under_or)?)),
            Condition::InQuery { left, negated, query } => {
                let plan = self.sub_select(left, query, under_or)?;
                let left = self.filtered(left)?;
                if !matches!(left.kind(), FieldType::Id | FieldType::Reference) {
                    let message = "The left operand of a semi join must be an id or reference field";
                    return self.refuse(query.from.path.offset(), "MALFORMED_QUERY", message);
                }
                negate(*negated, Test::InPlan { left, plan: Box::new(plan) })
            }
            simple => self.simple(simple, Self::filtered)?,
        })
    }

    pub(super) fn having(&mut self, condition: &Condition, group: &[Expr]) -> Result<Test, ApiError> {
        Ok(match condition {
            Condition::And(all) => Test::And(all.iter().map(|one| self.having(one, group)).collect::<Result<_, _>>()?),
            Condition::Or(all) => Test::Or(all.iter().map(|one| self.having(one, group)).collect::<Result<_, _>>()?),
            Condition::Not(one) => Test::Not(Box::new(self.having(one, group)?)),
            Condition::InQuery { query, .. } => {
                return self.refuse(
                    query.from.path.offset(),
                    "MALFORMED_QUERY",
                    "Semi joins are not allowed in HAVING",
                );
            }
            simple => self.simple(simple, |checker, value| {
                let expr = checker.expr(value)?;
                if expr.is_aggregate() || group.contains(&expr) {
                    return Ok(expr);
                }
                let message = format!("Field must be grouped or aggregated: {}", checker.written(value));
                checker.refuse(value.offset(), "MALFORMED_QUERY", message)
            })?,
        })
    }

    fn sub_select(&mut self, left: &Named, query: &super::Query, under_or: bool) -> Result<Plan, ApiError> {
        let offset = left.offset();
        if under_or {
            return self.refuse(
                offset,
                "MALFORMED_QUERY",
                "Semi join sub-selects are not allowed with the 'OR' operator",
            );
        }
        if self.position == Position::SemiJoin {
            return self.refuse(offset, "MALFORMED_QUERY", "Nesting of semi join sub-selects is not supported");
        }
        self.semi_joins += 1;
        if self.semi_joins > MOST_SEMI_JOINS {
            let message = format!("Maximum {MOST_SEMI_JOINS} semi join sub-selects are allowed");
            return self.refuse(offset, "MALFORMED_QUERY", message);
        }
        self.semi_join(query)
    }

    /// What WHERE may compare.
    fn filtered(&mut self, value: &Named) -> Result<Expr, ApiError> {
        let expr = self.expr(value)?;
        if expr.is_aggregate() {
            return self.refuse(value.offset(), "MALFORMED_QUERY", "Aggregate functions are not allowed in WHERE");
        }
        if let Some(field) = expr.model()
            && !field.filterable
            && !matches!(expr, Expr::Distance { .. })
        {
            let message = format!("field '{}' can not be filtered in a query call", field.name);
            return self.refuse(value.offset(), "INVALID_FIELD", message);
        }
        Ok(expr)
    }

    fn simple(
        &mut self,
        condition: &Condition,
        expr: impl Fn(&mut Self, &Named) -> Result<Expr, ApiError>,
    ) -> Result<Test, ApiError> {
        match condition {
            Condition::Compare { left, operator, right, right_offset } => {
                let name = self.written(left);
                let left_expr = expr(self, left)?;
                let left_expr = self.in_money_of(left_expr, right, *right_offset)?;
                let bound = self.bound(&left_expr, &name, right, *right_offset)?;
                let only_equal = matches!(left_expr.kind(), FieldType::Boolean | FieldType::Multipicklist);
                let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
                if !equality && (only_equal || matches!(bound, Bound::Null)) {
                    let message = format!("invalid operator on {} field: {name}", left_expr.kind().as_str());
                    return self.refuse(left.offset(), "INVALID_QUERY_FILTER_OPERATOR", message);
                }
                Ok(compared(left_expr, *operator, bound))
            }
            Condition::Like { left, pattern, right_offset } => {
                let left_expr = expr(self, left)?;
                let (Literal::Text(quoted), true) = (pattern, left_expr.kind().is_text()) else {
                    let message = format!("invalid operator on {} field", left_expr.kind().as_str());
                    return self.refuse(*right_offset, "INVALID_QUERY_FILTER_OPERATOR", message);
                };
                Ok(Test::Like { left: left_expr, pattern: quoted.pattern.clone() })
            }
            Condition::In { left, negated, list } => {
                let name = self.written(left);
                let left_expr = expr(self, left)?;
                let mut values = Vec::new();
                let mut others = Vec::new();
                let in_money = |(literal, _): &&(Literal, usize)| matches!(literal, Literal::Currency(_));
                if let Some((_, offset)) = list.iter().find(in_money).filter(|_| !list.iter().all(|one| in_money(&one)))
                {
                    let message = "Amounts with and without a currency cannot be mixed";
                    return self.refuse(*offset, "MALFORMED_QUERY", message);
                }
                for (literal, offset) in list {
                    if let Literal::Currency(_) = literal {
                        let money = self.in_money_of(left_expr.clone(), literal, *offset)?;
                        let bound = self.bound(&money, &name, literal, *offset)?;
                        others.push(compared(money, Operator::Equal, bound));
                        continue;
                    }
                    match self.bound(&left_expr, &name, literal, *offset)? {
                        Bound::One(value) => values.push(value),
                        bound => others.push(compared(left_expr.clone(), Operator::Equal, bound)),
                    }
                }
                if others.is_empty() || !values.is_empty() {
                    others.push(Test::In { left: left_expr, values });
                }
                Ok(negate(*negated, if others.len() == 1 { others.remove(0) } else { Test::Or(others) }))
            }
            Condition::Includes { left, excludes, list } => {
                let left_expr = expr(self, left)?;
                if left_expr.kind() != FieldType::Multipicklist {
                    let message = "INCLUDES and EXCLUDES may only be used on multi-select picklist fields";
                    return self.refuse(left.offset(), "INVALID_QUERY_FILTER_OPERATOR", message);
                }
                let mut combinations = Vec::new();
                for (literal, offset) in list {
                    let Literal::Text(quoted) = literal else {
                        return self.refuse(*offset, "INVALID_FIELD", "INCLUDES and EXCLUDES take texts");
                    };
                    combinations.push(quoted.text.clone());
                }
                Ok(negate(*excludes, Test::Includes { left: left_expr, combinations }))
            }
            Condition::And(_) | Condition::Or(_) | Condition::Not(_) | Condition::InQuery { .. } => {
                unreachable!("handled where conditions are taken apart")
            }
        }
    }

    fn bound(&self, left: &Expr, name: &str, literal: &Literal, offset: usize) -> Result<Bound, ApiError> {
        let kind = left.kind();
        if let Literal::Null = literal {
            return Ok(Bound::Null);
        }
        if let Literal::Currency(amount) = literal {
            let number = amount.get(3..).and_then(|number| number.parse().ok());
            return Ok(Bound::One(Value::Num(number.expect("a currency literal ends in a number"))));
        }
        let one = |value: Option<Value>| value.map(Bound::One);
        let bound =
            match (kind, literal) {
                (FieldType::Id | FieldType::Reference, Literal::Text(quoted)) if !quoted.text.is_empty() => {
                    let Some(id) = id::to18(&quoted.text) else {
                        let message = format!("invalid ID field: {}", quoted.text);
                        return self.refuse(offset, "INVALID_QUERY_FILTER_OPERATOR", message);
                    };
                    one(Some(Value::Text(id)))
                }
                (_, Literal::Text(quoted))
                    if kind.is_text() || matches!(kind, FieldType::Id | FieldType::Reference) =>
                {
                    if quoted.text.is_empty() { Some(Bound::Null) } else { one(Some(Value::Text(quoted.text.clone()))) }
                }
                (FieldType::Boolean, Literal::Bool(truth)) => one(Some(Value::Bool(*truth))),
                (_, Literal::Number(text)) if kind.is_number() => {
                    let whole = text.parse().ok().map(Value::Int);
                    one(whole.or_else(|| float(literal).map(Value::Num)))
                }
                (FieldType::Date, Literal::Moment(text)) if text.len() == 10 => one(parse_date(text).map(Value::Text)),
                (FieldType::Datetime, Literal::Moment(text)) if text.len() > 10 && text.contains(['T', 't']) => {
                    one(parse_date_time(&text.to_ascii_uppercase()).map(Value::Int))
                }
                (FieldType::Time, Literal::Moment(text)) if text.as_bytes()[2] == b':' => {
                    one(parse_time(text).map(Value::Text))
                }
                (FieldType::Date | FieldType::Datetime, Literal::Relative(word, count)) => {
                    let Some(span) = date::span(word, *count, self.today()) else {
                        return self.refuse(offset, "NUMBER_OUTSIDE_VALID_RANGE", format!("{word} is out of range"));
                    };
                    let value = |day: NaiveDate| match kind {
                        FieldType::Date => Value::Text(day.format("%Y-%m-%d").to_string()),
                        _ => Value::Int(day.and_time(NaiveTime::MIN).and_utc().timestamp_millis()),
                    };
                    Some(Bound::Span(value(span.first), value(span.end)))
                }
                _ => None,
            };
        bound.map_or_else(|| self.wrong_type(kind, name, literal, offset), Ok)
    }

    /// The left side in the currency that the right side is in: `Amount > USD5000` compares what amounts are worth. Without an
    /// ISO code numbers are compared (SOQL reference, `convertCurrency()`). The texts of the refusals are guesses.
    fn in_money_of(&self, left: Expr, right: &Literal, offset: usize) -> Result<Expr, ApiError> {
        let Literal::Currency(amount) = right else { return Ok(left) };
        if self.ground.schema.object("CurrencyType").is_none() {
            let message = format!("Currency literal {amount} needs an organization with multiple currencies");
            return self.refuse(offset, "MALFORMED_QUERY", message);
        }
        let iso = &amount[..3];
        let active = self.ground.schema.object("User").and_then(|users| users.field("DefaultCurrencyIsoCode"));
        if !active.is_some_and(|field| field.picklist.iter().any(|known| known.active && known.value == iso)) {
            return self.refuse(offset, "MALFORMED_QUERY", format!("Invalid currency ISO code: {iso}"));
        }
        match self.in_money(left, Money::Iso(iso.to_owned())) {
            converted @ Expr::Converted { .. } => Ok(converted),
            _ => self.refuse(offset, "MALFORMED_QUERY", format!("Currency literal {amount} needs a currency field")),
        }
    }

    fn wrong_type<T>(&self, kind: FieldType, name: &str, literal: &Literal, offset: usize) -> Result<T, ApiError> {
        let wanted = kind.soap_type().rsplit(':').next().unwrap_or("string");
        let quotes = match literal {
            Literal::Text(_) => " and should not be enclosed in quotes",
            _ if kind.is_text() || matches!(kind, FieldType::Id | FieldType::Reference) => {
                " and should be enclosed in quotes"
            }
            _ => "",
        };
        let message = format!("value of filter criterion for field '{name}' must be of type {wanted}{quotes}");
        self.refuse(offset, "INVALID_FIELD", message)
    }

    fn today(&self) -> NaiveDate {
        DateTime::from_timestamp_millis(self.ground.options.now).map_or(NaiveDate::MIN, |now| now.date_naive())
    }
}

fn negate(negated: bool, test: Test) -> Test {
    if negated { Test::Not(Box::new(test)) } else { test }
}

/// A span is compared as a whole: before it, in it, after it.
fn compared(left: Expr, operator: Operator, bound: Bound) -> Test {
    let compare =
        |operator: Operator, right: &Value| Test::Compare { left: left.clone(), operator, right: right.clone() };
    match bound {
        Bound::Null => negate(operator == Operator::NotEqual, Test::Null(left)),
        Bound::One(right) if operator == Operator::NotEqual => negate(true, compare(Operator::Equal, &right)),
        Bound::One(right) => compare(operator, &right),
        Bound::Span(first, end) => match operator {
            Operator::Equal | Operator::NotEqual => {
                let inside = Test::And(vec![compare(Operator::GreaterOrEqual, &first), compare(Operator::Less, &end)]);
                negate(operator == Operator::NotEqual, inside)
            }
            Operator::Less => compare(Operator::Less, &first),
            Operator::LessOrEqual => compare(Operator::Less, &end),
            Operator::Greater => compare(Operator::GreaterOrEqual, &end),
            Operator::GreaterOrEqual => compare(Operator::GreaterOrEqual, &first),
        },
    }
}
