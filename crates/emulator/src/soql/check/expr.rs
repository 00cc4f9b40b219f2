// SPDX-License-Identifier: Apache-2.0
//! What can be selected, compared, grouped and sorted by: fields, parts of dates, distances, aggregates (`salesforce-api.md` 7.1).

use super::super::ast::{Argument, Literal, Value as Named, Word};
use super::super::date;
use super::super::plan::{Expr, Function, Money, RateDay};
use super::{Checker, float};
use crate::error::ApiError;
use crate::schema::FieldType;

pub fn aggregate_function(name: &str) -> Option<Function> {
    Some(match name.to_ascii_uppercase().as_str() {
        "COUNT" => Function::Count,
        "COUNT_DISTINCT" => Function::CountDistinct,
        "SUM" => Function::Sum,
        "AVG" => Function::Avg,
        "MIN" => Function::Min,
        "MAX" => Function::Max,
        _ => return None,
    })
}

impl Checker<'_> {
    /// A field, a part of a date, a distance or an aggregate.
    pub(super) fn expr(&mut self, value: &Named) -> Result<Expr, ApiError> {
        let (function, arguments) = match value {
            Named::Path(path) => return Ok(self.names.place(path)?.expr),
            Named::Call { function, arguments } => (function, arguments),
        };
        let upper = function.text.to_ascii_uppercase();
        if upper == "DISTANCE" {
            return self.distance(function, arguments);
        }
        let aggregate = aggregate_function(&upper);
        let part = date::part_sql(&upper, "").is_some();
        if aggregate.is_none() && !part && upper != "CONVERTTIMEZONE" {
            return self.unknown_function(function);
        }
        let [Argument::Value(inner)] = arguments.as_slice() else {
            return self.refuse(function.offset, "MALFORMED_QUERY", format!("{} takes one field", function.text));
        };
        let inner = self.expr(inner)?;
        let Some(aggregate) = aggregate else {
            if !matches!(inner.kind(), FieldType::Date | FieldType::Datetime) {
                return self.refuse(
                    function.offset,
                    "INVALID_FIELD",
                    format!("{} takes a date or dateTime field", function.text),
                );
            }
            // Every user is in GMT, so the conversion changes nothing.
            return Ok(if upper == "CONVERTTIMEZONE" {
                inner
            } else {
                Expr::Part { function: upper, of: Box::new(inner) }
            });
        };
        let kind = inner.kind();
        let fits = match aggregate {
            Function::Count | Function::CountDistinct => !kind.is_compound() && kind != FieldType::Base64,
            Function::Sum | Function::Avg => kind.is_number(),
            Function::Min | Function::Max => kind != FieldType::Boolean && !kind.is_compound(),
        };
        let allowed = inner.model().is_none_or(|field| {
            field.aggregatable
                || matches!(aggregate, Function::Count | Function::CountDistinct | Function::Sum | Function::Avg)
        });
        if inner.is_aggregate() || !fits || !allowed {
            let message =
                format!("field {} does not support aggregate operator {upper}", self.written(value_inside(arguments)));
            return self.refuse(function.offset, "INVALID_FIELD", message);
        }
        let inner = match aggregate {
            Function::Count | Function::CountDistinct => inner,
            _ => self.in_money(inner, Money::Corporate),
        };
        Ok(Expr::Aggregate { function: aggregate, of: Some(Box::new(inner)) })
    }

    /// An amount of a record that has a currency, in another one; anything else as it is. Aggregates are in the org's currency,
    /// and the order of amounts is that of what they are worth (SOQL reference, `convertCurrency()`).
    pub(super) fn in_money(&self, expr: Expr, to: Money) -> Expr {
        match expr {
            Expr::Field { node, field }
                if field.kind == FieldType::Currency
                    && self.ground.schema.object("CurrencyType").is_some()
                    && self.names.object(node).has("CurrencyIsoCode") =>
            {
                let day = RateDay::of(&self.names.object(node).name);
                Expr::Converted { node, field, to, day }
            }
            other => other,
        }
    }

    fn distance(&mut self, function: &Word, arguments: &[Argument]) -> Result<Expr, ApiError> {
        let usage = "DISTANCE takes a location, GEOLOCATION(latitude, longitude) and 'mi' or 'km'";
        let [
            Argument::Value(Named::Path(path)),
            Argument::Value(Named::Call { function: geolocation, arguments: point }),
            Argument::Literal(Literal::Text(unit), _),
        ] = arguments
        else {
            return self.refuse(function.offset, "MALFORMED_QUERY", usage);
        };
        let coordinates = match point.as_slice() {
            [Argument::Literal(latitude, _), Argument::Literal(longitude, _)] => float(latitude).zip(float(longitude)),
            _ => None,
        };
        let place = self.names.place(path)?;
        let Expr::Field { node, field } = place.expr else {
            return self.refuse(path.offset(), "MALFORMED_QUERY", usage);
        };
        let parts = self.names.object(node).fields.iter().filter(|part| part.compound.as_ref() == Some(&field.name));
        let part = |end: &str| parts.clone().find(|part| part.name.trim_end_matches("__s").ends_with(end)).cloned();
        let unit_known = ["mi", "km"].contains(&unit.text.as_str());
        match (coordinates, part("Latitude"), part("Longitude")) {
            (Some(from), Some(latitude), Some(longitude))
                if unit_known && geolocation.text.eq_ignore_ascii_case("GEOLOCATION") =>
            {
                Ok(Expr::Distance { node, latitude, longitude, from, miles: unit.text == "mi" })
            }
            _ => self.refuse(function.offset, "MALFORMED_QUERY", usage),
        }
    }

    pub(super) fn grouped(&mut self, value: &Named) -> Result<Expr, ApiError> {
        let expr = self.expr(value)?;
        let refused = match &expr {
            Expr::Field { field, .. } | Expr::Any { model: field, .. } => !field.groupable,
            Expr::Part { .. } | Expr::AnyType { .. } => false,
            _ => true,
        };
        if refused {
            let message = format!("field '{}' can not be grouped in a query call", self.written(value));
            return self.refuse(value.offset(), "INVALID_FIELD", message);
        }
        Ok(expr)
    }

    pub(super) fn unknown_function<T>(&self, function: &Word) -> Result<T, ApiError> {
        self.refuse(function.offset, "MALFORMED_QUERY", format!("Unsupported function here: {}", function.text))
    }
}

fn value_inside(arguments: &[Argument]) -> &Named {
    match arguments {
        [Argument::Value(value)] => value,
        _ => unreachable!("checked to be one value before"),
    }
}
