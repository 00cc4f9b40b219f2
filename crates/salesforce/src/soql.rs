// SPDX-License-Identifier: Apache-2.0
//! Building SOQL text. It quotes and joins; it does not know which fields exist.

/// A string literal with its quotes. Escapes: `\\`, `\'`, `\n`, `\r`, `\t` (`salesforce-api.md` 7.1).
pub fn quote(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for c in text.chars() {
        match c {
            '\\' => literal.push_str("\\\\"),
            '\'' => literal.push_str("\\'"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            c => literal.push(c),
        }
    }
    literal.push('\'');
    literal
}

/// `SELECT a, b FROM Object WHERE condition`.
pub fn select<S: AsRef<str>>(columns: &[S], object: &str, condition: Option<&str>) -> String {
    let columns: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
    let mut soql = format!("SELECT {} FROM {object}", columns.join(", "));
    if let Some(condition) = condition {
        soql.push_str(" WHERE ");
        soql.push_str(condition);
    }
    soql
}

/// `field IN ('a', 'b')`. SOQL has no empty list, so the caller must not give one.
pub fn is_in<S: AsRef<str>>(field: &str, values: &[S]) -> String {
    let values: Vec<String> = values.iter().map(|value| quote(value.as_ref())).collect();
    format!("{field} IN ({})", values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_literal() {
        assert_eq!(quote("O'Hara \\ \n"), r"'O\'Hara \\ \n'");
        assert_eq!(quote("\\' OR Name != '"), r"'\\\' OR Name != \''");
    }

    #[test]
    fn a_select_reads_as_one_would_write_it() {
        assert_eq!(
            select(&["Id", "RecordType.DeveloperName"], "Account", None),
            "SELECT Id, RecordType.DeveloperName FROM Account"
        );
        assert_eq!(
            select(&["Id"], "Account", Some(&is_in("Name", &["a", "b"]))),
            "SELECT Id FROM Account WHERE Name IN ('a', 'b')"
        );
    }
}
