// SPDX-License-Identifier: Apache-2.0
//! From text to one statement that only reads.
//!
//! The parser knows `FOR SYSTEM_TIME AS OF`, of SQL:2011, and `VERSION AS OF`, of Delta's other readers. The short `AS OF` that people write
//! is not SQL to it, so the two words `FOR SYSTEM_TIME` are put before it where they are missing. A table cannot have the alias `of`.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::{ObjectName, SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use orgkeep_engine::{Error, Result};

/// What was asked for.
pub(crate) enum Asked {
    /// A query, or `EXPLAIN` of one.
    Query(Box<Statement>),
    ShowTables,
    Describe(ObjectName),
}

const READS: &str = "a vault is read by SELECT, EXPLAIN, SHOW TABLES and DESCRIBE";

/// # Errors
/// `Invalid` with the place of a mistake, for several statements, and for what does more than read.
pub(crate) fn parse(sql: &str) -> Result<Asked> {
    let dialect = Versioned;
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|error| misread(sql, &error.message, Some((error.location.line, error.location.column))))?;
    let parsed = Parser::new(&dialect).with_tokens_with_locations(with_system_time(tokens)).parse_statements();
    let mut statements = parsed.map_err(|error| place(sql, &error))?;
    let statement = match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => statement,
        (None, _) => return Err(Error::invalid("there is no statement to run").hint(READS)),
        (Some(_), false) => {
            return Err(Error::invalid("one statement is run at a time").hint("run the command once for each"));
        }
    };
    let query = match &statement {
        Statement::ShowTables { .. } => return Ok(Asked::ShowTables),
        Statement::ExplainTable { table_name, .. } => return Ok(Asked::Describe(table_name.clone())),
        Statement::Query(query) => Some(query),
        Statement::Explain { statement, .. } => match statement.as_ref() {
            Statement::Query(query) => Some(query),
            _ => None,
        },
        _ => None,
    };
    match query {
        Some(query) if reads(&query.body) => Ok(Asked::Query(Box::new(statement))),
        _ => Err(refused(&statement)),
    }
}

fn reads(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::Query(query) => reads(&query.body),
        SetExpr::SetOperation { left, right, .. } => reads(left) && reads(right),
        SetExpr::Values(_) => true,
        _ => false,
    }
}

fn refused(statement: &Statement) -> Error {
    let text = statement.to_string();
    let word = text.split_whitespace().next().unwrap_or_default().to_owned();
    Error::invalid(format!("{word} is not for a vault, which is only read here")).hint(READS)
}

/// Puts `FOR SYSTEM_TIME` before an `AS OF` that nothing like it stands before.
fn with_system_time(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let word = |token: &TokenWithSpan, words: &[&str]| match &token.token {
        Token::Word(word) if word.quote_style.is_none() => words.iter().any(|it| word.value.eq_ignore_ascii_case(it)),
        _ => false,
    };
    let solid: Vec<usize> = (0..tokens.len()).filter(|at| !matches!(tokens[*at].token, Token::Whitespace(_))).collect();
    let short: Vec<usize> = solid
        .windows(3)
        .filter(|at| word(&tokens[at[1]], &["AS"]) && word(&tokens[at[2]], &["OF"]))
        .filter(|at| !word(&tokens[at[0]], &["SYSTEM_TIME", "VERSION", "TIMESTAMP"]))
        .map(|at| at[1])
        .collect();
    let mut completed = Vec::with_capacity(tokens.len() + 2 * short.len());
    for (index, token) in tokens.into_iter().enumerate() {
        if short.contains(&index) {
            let added = |text| TokenWithSpan { token: Token::make_keyword(text), span: token.span };
            completed.extend([added("FOR"), added("SYSTEM_TIME")]);
        }
        completed.push(token);
    }
    completed
}

/// The parser puts the place at the end of its words.
fn place(sql: &str, error: &ParserError) -> Error {
    let message = match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message.as_str(),
        ParserError::RecursionLimitExceeded => return misread(sql, "it is nested too deeply", None),
    };
    let at = message.rsplit_once(" at Line: ").and_then(|(words, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((words, (line.trim().parse().ok()?, column.trim().parse().ok()?)))
    });
    match at {
        Some((words, place)) => misread(sql, words, Some(place)),
        None => misread(sql, message, None),
    }
}

fn misread(sql: &str, why: &str, at: Option<(u64, u64)>) -> Error {
    const SHOWN_CHARACTERS: usize = 24;
    let why = why.replacen("Expected: ", "expected ", 1).replacen(", found: ", ", found ", 1);
    let Some((line, column)) = at else {
        // The end has no place.
        let (why, place) = match why.strip_suffix(", found EOF") {
            Some(why) => (why, " at its end"),
            None => (why.as_str(), ""),
        };
        return Error::invalid(format!("the statement cannot be read{place}: {why}"));
    };
    let text = sql.lines().nth((line.max(1) - 1) as usize).unwrap_or_default();
    let rest: String = text.chars().skip((column.max(1) - 1) as usize).collect();
    let shown: String = rest.chars().take(SHOWN_CHARACTERS).collect();
    let more = if rest.chars().count() > SHOWN_CHARACTERS { "…" } else { "" };
    let there = if shown.is_empty() { "at its end".to_owned() } else { format!("at `{shown}{more}`") };
    if why.ends_with("found SYSTEM_TIME") {
        return Error::invalid(format!("the statement cannot be read {there} (line {line}, column {column})"))
            .hint("an alias stands after the point in time: FROM Account AS OF 3 a");
    }
    let error = Error::invalid(format!("the statement cannot be read {there} (line {line}, column {column}): {why}"));
    error.hint("text stands in single quotes; a name that is also a word of SQL, such as Case, in double ones")
}

/// The dialect that DataFusion reads, with versions of tables.
#[derive(Debug)]
struct Versioned;

macro_rules! as_generic {
    ($($rule:ident)*) => { $(fn $rule(&self) -> bool { GenericDialect.$rule() })* };
}

impl Dialect for Versioned {
    fn dialect(&self) -> TypeId {
        GenericDialect.dialect()
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        GenericDialect.is_delimited_identifier_start(character)
    }

    fn is_identifier_start(&self, character: char) -> bool {
        GenericDialect.is_identifier_start(character)
    }

    fn is_identifier_part(&self, character: char) -> bool {
        GenericDialect.is_identifier_part(character)
    }

    as_generic! {
        allow_extract_custom allow_extract_single_quotes supports_explain_with_utility_options supports_extract_comma_syntax
        supports_filter_during_aggregation supports_group_by_expr supports_group_by_with_modifier
        supports_left_associative_joins_without_parens supports_limit_comma supports_multiline_comment_hints
        supports_nested_comments supports_parens_around_table_factor supports_projection_trailing_commas
        supports_select_wildcard_except supports_select_wildcard_exclude supports_string_escape_constant supports_try_convert
        supports_values_as_table_factor supports_window_clause_named_window_reference
        supports_window_function_null_treatment_arg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str) -> String {
        match parse(sql) {
            Ok(Asked::Query(statement)) => statement.to_string(),
            Ok(Asked::ShowTables) => "tables".to_owned(),
            Ok(Asked::Describe(name)) => format!("describe {name}"),
            Err(error) => format!("{error}; {}", error.next_step().unwrap_or_default()),
        }
    }

    #[test]
    fn as_of_is_read_with_and_without_its_long_form() {
        let long = "SELECT a.Id FROM Account FOR SYSTEM_TIME AS OF 3 a JOIN Account FOR SYSTEM_TIME AS OF '2026-11-01' AS b ON a.Id = b.Id";
        let short = "select a.Id from Account as of 3 a join Account AS OF '2026-11-01' AS b on a.Id = b.Id";
        assert_eq!(read(short), read(long));
        assert_eq!(read(short).matches("FOR SYSTEM_TIME AS OF").count(), 2);
        assert_eq!(read("SELECT Id FROM Account VERSION AS OF 3"), "SELECT Id FROM Account VERSION AS OF 3");
        assert_eq!(read("SELECT ' AS OF ' AS \"of\" FROM Case"), "SELECT ' AS OF ' AS \"of\" FROM Case");
    }

    #[test]
    fn what_does_more_than_read_is_refused() {
        for statement in [
            "DELETE FROM Account",
            "UPDATE Account SET Name = 'x'",
            "INSERT INTO Account VALUES (1)",
            "DROP TABLE Account",
            "CREATE TABLE a AS SELECT 1",
            "SELECT Id INTO b FROM Account",
            "COPY Account TO 'file'",
            "SET a = 1",
            "EXPLAIN DELETE FROM Account",
            "WITH a AS (SELECT 1) INSERT INTO Account SELECT * FROM a",
        ] {
            let said = read(statement);
            assert!(said.contains("is not for a vault") && said.contains("SELECT, EXPLAIN"), "{statement}: {said}");
        }
        assert!(read("SELECT 1; SELECT 2").contains("one statement"));
        assert!(read(" -- nothing").contains("no statement"));
        assert_eq!(read("show tables"), "tables");
        assert_eq!(read("DESCRIBE Account_history;"), "describe Account_history");
    }

    #[test]
    fn a_mistake_is_shown_at_its_place() {
        let said = read("SELECT Name\nFORM Account WHERE Name = 'a long enough text'");
        assert!(said.contains("at `Account WHERE Name = 'a …` (line 2, column 6)"), "{said}");
        let said = read("SELECT Id FROM Account WHERE");
        assert!(said.contains("cannot be read at its end: expected an expression"), "{said}");
        let said = read("SELECT Id FROM Account a AS OF 3");
        assert!(said.contains("at `AS OF 3`") && said.contains("FROM Account AS OF 3 a"), "{said}");
        assert!(read("SELECT 'open").contains("line 1, column 8"), "{}", read("SELECT 'open"));
    }
}
