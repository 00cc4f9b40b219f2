// SPDX-License-Identifier: Apache-2.0
//! Opportunities follow their stage, and their amount follows their lines.

use chrono::{Datelike as _, NaiveDate};

use super::create;
use crate::error::SaveError;
use crate::record::audit;
use crate::record::draft::Draft;
use crate::schema::Object;
use crate::store::Tx;
use crate::user::Caller;
use crate::value::Value;

/// Probability, forecast category and the closed and won flags come from the stage; expected revenue and the fiscal period
/// from amount and close date. With lines, an amount that the caller gives is ignored.
pub fn follow_stage(tx: &Tx<'_>, draft: &mut Draft) {
    if draft.changed("StageName")
        && let Some(stage) = stage(tx, draft)
    {
        draft.set("IsClosed", stage.get("IsClosed").clone());
        draft.set("IsWon", stage.get("IsWon").clone());
        draft.set("ForecastCategory", stage.get("ForecastCategory").clone());
        if !draft.given("ForecastCategoryName") {
            draft.set("ForecastCategoryName", stage.get("ForecastCategoryName").clone());
        }
        if !draft.given("Probability") {
            draft.set("Probability", stage.get("DefaultProbability").clone());
        }
    }
    if !draft.is_new() && draft.get("HasOpportunityLineItem").is_true() {
        let amount = draft.was("Amount").clone();
        draft.set("Amount", amount);
    }
    let expected = match (draft.get("Amount").as_num(), draft.get("Probability").as_num()) {
        (Some(amount), Some(probability)) => money(amount * probability / 100.0),
        _ => Value::Null,
    };
    draft.set("ExpectedRevenue", expected);
    if let Some(day) = draft.text("CloseDate").and_then(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()) {
        let quarter = i64::from(day.month0() / 3 + 1);
        draft.set("FiscalYear", i64::from(day.year()));
        draft.set("FiscalQuarter", quarter);
        draft.set("Fiscal", format!("{} {quarter}", day.year()));
    }
}

fn stage(tx: &Tx<'_>, draft: &Draft) -> Option<crate::store::Row> {
    let stages = tx.schema.object("OpportunityStage")?;
    tx.rows_where(stages, "\"MasterLabel\" = ?1", &[draft.get("StageName")]).into_iter().next()
}

/// Rounded to cents.
pub fn money(amount: f64) -> Value {
    let rounded = (amount * 100.0).round() / 100.0;
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 { Value::Int(rounded as i64) } else { Value::Num(rounded) }
}

/// The contact given on create becomes the primary contact role; a row of stage history is written.
pub fn after(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    if draft.is_new()
        && let Value::Text(contact) = draft.get("ContactId").clone()
    {
        let id = Value::Text(draft.id.clone());
        let fields = vec![("OpportunityId", id), ("ContactId", Value::Text(contact)), ("IsPrimary", Value::Bool(true))];
        create(tx, caller, "OpportunityContactRole", fields)?;
    }
    stage_history(tx, caller, draft)
}

/// A row of stage history for a new opportunity and for each change of stage, amount, probability or close date.
fn stage_history(tx: &mut Tx<'_>, caller: &Caller, draft: &Draft) -> Result<(), SaveError> {
    const WATCHED: [&str; 5] = ["StageName", "Amount", "Probability", "CloseDate", "ForecastCategory"];
    if tx.schema.object("OpportunityHistory").is_none() || !WATCHED.iter().any(|field| draft.changed(field)) {
        return Ok(());
    }
    let mut fields = vec![("OpportunityId", Value::Text(draft.id.clone()))];
    for field in WATCHED.into_iter().chain(["ExpectedRevenue", "CurrencyIsoCode"]) {
        fields.push((field, draft.get(field).clone()));
    }
    create(tx, caller, "OpportunityHistory", fields).map(drop)
}

/// The amount of an opportunity with lines is their sum.
pub fn sum_lines(tx: &Tx<'_>, opportunity_id: Option<&str>) -> Result<(), SaveError> {
    let (Some(id), Some(object)) = (opportunity_id, tx.schema.object("Opportunity").cloned()) else { return Ok(()) };
    let Some(row) = tx.row(&object, id) else { return Ok(()) };
    let lines = tx.count("OpportunityLineItem", "\"OpportunityId\" = ?1 AND \"IsDeleted\" = 0", &[&id]);
    let amount = if lines > 0 { total(tx, &object, id)? } else { row.get("Amount").clone() };
    let expected = match (amount.as_num(), row.get("Probability").as_num()) {
        (Some(amount), Some(probability)) => money(amount * probability / 100.0),
        _ => Value::Null,
    };
    let stamp = Value::Int(audit::second(tx.now));
    let columns = ["HasOpportunityLineItem", "Amount", "ExpectedRevenue", "SystemModstamp"];
    tx.update_row(&object, id, &columns, &[&Value::Bool(lines > 0), &amount, &expected, &stamp])?;
    Ok(())
}

fn total(tx: &Tx<'_>, _opportunity: &Object, id: &str) -> Result<Value, SaveError> {
    let sql = "SELECT coalesce(sum(\"TotalPrice\"), 0) FROM \"OpportunityLineItem\" WHERE \"OpportunityId\" = ?1 AND \"IsDeleted\" = 0";
    let mut statement = tx.conn.prepare_cached(sql)?;
    let sum: f64 = statement.query_row([id], |row| row.get(0))?;
    Ok(money(sum))
}
