// SPDX-License-Identifier: Apache-2.0
//! Standard value sets that have rows of their own: the stages of opportunities and the statuses of cases, leads, tasks …

use super::super::Problem;
use super::super::xml::Node;
use crate::org::{Tx, seed};
use crate::record::{self, Fields, Input};

/// Value set, object of its rows, the element and the field that tell closed values from open ones.
const SETS: [(&str, &str, &str, &str); 6] = [
    ("CaseStatus", "CaseStatus", "closed", "IsClosed"),
    ("LeadStatus", "LeadStatus", "converted", "IsConverted"),
    ("OpportunityStage", "OpportunityStage", "closed", "IsClosed"),
    ("SolutionStatus", "SolutionStatus", "reviewed", "IsReviewed"),
    ("TaskPriority", "TaskPriority", "highPriority", "IsHighPriority"),
    ("TaskStatus", "TaskStatus", "closed", "IsClosed"),
];

/// Brings the rows in line with the values: new ones are made, those that are no longer named are not touched, because the
/// platform only makes them inactive.
///
/// # Errors
/// A row is refused.
pub fn save(tx: &mut Tx<'_>, name: &str, node: &Node) -> Result<(), Problem> {
    let Some((_, object, element, field)) = SETS.iter().find(|(set, ..)| *set == name) else { return Ok(()) };
    let Some(object) = tx.schema.object(object).cloned() else { return Ok(()) };
    for (order, value) in (1..).zip(node.all("standardValue")) {
        let text = |text: &str| Input::Text(text.to_owned());
        let api_name = value.text_of("fullName");
        let label = Some(value.text_of("label")).filter(|label| !label.is_empty()).unwrap_or(api_name);
        let mut fields: Fields = vec![
            ("MasterLabel".into(), text(label)),
            ("ApiName".into(), text(api_name)),
            ("SortOrder".into(), Input::Number(order.to_string())),
            ((*field).into(), Input::Bool(value.is_true(element))),
        ];
        if name == "OpportunityStage" {
            let category = value.text_of("forecastCategory");
            fields.extend([
                ("IsActive".into(), Input::Bool(value.text_of("isActive") != "false")),
                ("IsWon".into(), Input::Bool(value.is_true("won"))),
                ("DefaultProbability".into(), Input::Number(number(value.text_of("probability")))),
                ("ForecastCategory".into(), text(category)),
                ("ForecastCategoryName".into(), text(category)),
            ]);
        } else {
            fields.push(("IsDefault".into(), Input::Bool(value.is_true("default"))));
        }
        fields.retain(|(name, _)| object.has(name));
        let caller = seed::platform(tx);
        let known = tx.ids_where(&object, "\"ApiName\" = ?1", &[&api_name]).into_iter().next();
        let done = match known {
            Some(id) => record::update(tx, &caller, &object, &id, fields),
            None => record::insert(tx, &caller, &object, fields).map(|_| ()),
        };
        done.map_err(|error| Problem::at(value, error.message))?;
    }
    Ok(())
}

fn number(text: &str) -> String {
    if text.trim().parse::<f64>().is_ok() { text.trim().to_owned() } else { "0".to_owned() }
}
