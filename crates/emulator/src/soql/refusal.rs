// SPDX-License-Identifier: Apache-2.0
//! What a refused statement is told: the line of the statement, a caret under the offending place, its row and column,
//! then the sentence (`salesforce-api.md` 2.1). Clients parse these texts, so the block is kept to the letter.

use crate::error::ApiError;

/// Longest stretch of a line that is quoted before and after the place.
const QUOTED_CHARS: usize = 80;

/// A refusal without a place in the text.
pub fn plain(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(400, code, message)
}

/// A refusal that points at the byte `offset` of `text`.
pub fn at(text: &str, offset: usize, code: &str, message: impl AsRef<str>) -> ApiError {
    let before = &text[..offset.min(text.len())];
    let line_start = before.rfind('\n').map_or(0, |place| place + 1);
    let row = before.matches('\n').count() + 1;
    let column = text[line_start..before.len()].chars().count();
    let line: Vec<char> = text[line_start..].chars().take_while(|letter| *letter != '\n').collect();
    let from = if line.len() > 2 * QUOTED_CHARS { column.saturating_sub(QUOTED_CHARS) } else { 0 };
    let to = line.len().min(from + 2 * QUOTED_CHARS);
    let quoted: String = line[from.min(to)..to].iter().collect();
    let caret = " ".repeat(column - from);
    plain(code, format!("\n{quoted}\n{caret}^\nERROR at Row:{row}:Column:{}\n{}", column + 1, message.as_ref()))
}

/// `unexpected token: 'FORM'`.
pub fn unexpected(text: &str, offset: usize, token: &str) -> ApiError {
    let shown = if token.is_empty() { "<EOF>".to_owned() } else { format!("'{token}'") };
    at(text, offset, "MALFORMED_QUERY", format!("unexpected token: {shown}"))
}

/// `No such column 'X' on entity 'Y'`, with the advice that real orgs add.
pub fn no_column(text: &str, offset: usize, column: &str, entity: &str) -> ApiError {
    at(
        text,
        offset,
        "INVALID_FIELD",
        format!(
            "No such column '{column}' on entity '{entity}'. If you are attempting to use a custom field, be sure to append the \
             '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names."
        ),
    )
}

/// An object that the org does not have.
pub fn no_object(text: &str, offset: usize, object: &str) -> ApiError {
    at(
        text,
        offset,
        "INVALID_TYPE",
        format!(
            "sObject type '{object}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after \
             the entity name. Please reference your WSDL or the describe call for the appropriate names."
        ),
    )
}

/// A parent path or a child subquery through a relationship that does not exist. `place` is `field path` or `FROM part of query call`.
pub fn no_relationship(text: &str, offset: usize, relationship: &str, place: &str) -> ApiError {
    let code = if place == "field path" { "INVALID_FIELD" } else { "INVALID_TYPE" };
    at(
        text,
        offset,
        code,
        format!(
            "Didn't understand relationship '{relationship}' in {place}. If you are attempting to use a custom relationship, be sure to \
             append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate \
             names."
        ),
    )
}
