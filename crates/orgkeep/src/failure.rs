// SPDX-License-Identifier: Apache-2.0
//! How a command ends: exit codes, the error and its hint, the last JSON line.
//!
//! The one table that turns an error's kind into an exit code is [`Kind::exit_code`]; `docs/contract.md` repeats it and a
//! test compares them.

use serde_json::{Map, Value, json};
use std::error::Error as StdError;

/// What the reader of an error should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Correct the input or the configuration.
    Invalid,
    /// Check the name.
    NotFound,
    /// Wait: someone else writes, or the org moved since the plan.
    Busy,
    /// Sign in again, or grant the permission that is named.
    Denied,
    /// Wait for the API allowance.
    Limited,
    /// Try later.
    Unreachable,
    /// Run `orgkeep check`, touch nothing.
    Corrupt,
    /// Report it.
    Bug,
    /// Done, but some records were not: see the report.
    Partial,
    /// Stopped by Ctrl-C or a termination signal; the next run continues.
    Interrupted,
}

impl Kind {
    #[cfg(test)]
    const ALL: [Kind; 10] = [
        Kind::Invalid,
        Kind::NotFound,
        Kind::Busy,
        Kind::Denied,
        Kind::Limited,
        Kind::Unreachable,
        Kind::Corrupt,
        Kind::Bug,
        Kind::Partial,
        Kind::Interrupted,
    ];

    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Invalid => 1,
            Kind::Partial => 3,
            Kind::NotFound => 10,
            Kind::Busy => 11,
            Kind::Denied => 12,
            Kind::Limited => 13,
            Kind::Unreachable => 14,
            Kind::Corrupt => 15,
            Kind::Bug => 70,
            Kind::Interrupted => 130,
        }
    }

    /// The word in `--json` results.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Invalid => "invalid",
            Kind::Partial => "partial",
            Kind::NotFound => "not_found",
            Kind::Busy => "busy",
            Kind::Denied => "denied",
            Kind::Limited => "limited",
            Kind::Unreachable => "unreachable",
            Kind::Corrupt => "corrupt",
            Kind::Bug => "bug",
            Kind::Interrupted => "interrupted",
        }
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    /// A sentence without a final period, its causes after colons.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), hint: None }
    }

    pub fn invalid(message: impl Into<String>) -> Failure {
        Failure::new(Kind::Invalid, message)
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Puts what it is about before the message.
    pub fn about(mut self, what: impl std::fmt::Display) -> Failure {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// An error of another library that the reader can only mend outside of Orgkeep (a file that cannot be read …).
    pub fn caused(kind: Kind, doing: impl std::fmt::Display, cause: &(dyn StdError + 'static)) -> Failure {
        Failure::new(kind, format!("{doing}: {}", chain(cause)))
    }

    /// What goes to stderr.
    pub fn text(&self) -> String {
        match &self.hint {
            Some(hint) => format!("error: {}\nhint: {hint}\n", self.message),
            None => format!("error: {}\n", self.message),
        }
    }

    /// The last line of `--json`.
    pub fn result(&self, command: &str) -> Value {
        json!({
            "type": "result",
            "command": command,
            "ok": false,
            "exit_code": self.kind.exit_code(),
            "kind": self.kind.word(),
            "message": self.message,
            "hint": self.hint,
        })
    }
}

/// An error and its causes on one line. Causes whose words were said already are left out: not every foreign library
/// keeps to the rule that an error does not repeat its source.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

impl From<orgkeep_engine::Error> for Failure {
    fn from(error: orgkeep_engine::Error) -> Failure {
        use orgkeep_engine::Kind as Engine;
        let kind = match error.kind() {
            Engine::Invalid => Kind::Invalid,
            Engine::NotFound => Kind::NotFound,
            Engine::Busy => Kind::Busy,
            Engine::Denied => Kind::Denied,
            Engine::Limited => Kind::Limited,
            Engine::Unreachable => Kind::Unreachable,
            Engine::Corrupt => Kind::Corrupt,
            Engine::Bug => Kind::Bug,
        };
        let hint = match (error.next_step(), kind) {
            (Some(hint), _) => Some(hint.to_owned()),
            (None, Kind::Corrupt) => {
                Some("run `orgkeep check` and change nothing in the vault until it is read".to_owned())
            }
            (None, Kind::Bug) => {
                Some("this is a mistake in Orgkeep: please report it with the whole output".to_owned())
            }
            (None, _) => None,
        };
        Failure { kind, message: chain(&error), hint }
    }
}

impl From<orgkeep_salesforce::Error> for Failure {
    fn from(error: orgkeep_salesforce::Error) -> Failure {
        orgkeep_engine::Error::from(error).into()
    }
}

impl From<orgkeep_vault::Error> for Failure {
    fn from(error: orgkeep_vault::Error) -> Failure {
        orgkeep_engine::Error::from(error).into()
    }
}

/// How a command ended that did its work.
#[derive(Debug, Default)]
pub struct Answer {
    /// The fields of the last JSON line, beside `type`, `command`, `ok` and `exit_code`.
    pub fields: Map<String, Value>,
    /// Why the exit code is 3 and not 0.
    pub partly: Option<String>,
}

impl Answer {
    /// An answer whose JSON fields are those of `value`, which serialises to an object.
    pub fn with(value: impl serde::Serialize) -> Answer {
        match serde_json::to_value(value) {
            Ok(Value::Object(fields)) => Answer { fields, partly: None },
            Ok(other) => Answer { fields: Map::from_iter([("value".to_owned(), other)]), partly: None },
            // Only maps with keys that are not text fail to serialise, and no report has one.
            Err(error) => {
                Answer { fields: Map::from_iter([("unreadable".to_owned(), error.to_string().into())]), partly: None }
            }
        }
    }

    pub fn partly(mut self, why: Option<String>) -> Answer {
        self.partly = why;
        self
    }

    pub fn exit_code(&self) -> u8 {
        if self.partly.is_some() { Kind::Partial.exit_code() } else { 0 }
    }

    pub fn result(&self, command: &str) -> Value {
        let mut line = Map::new();
        line.insert("type".to_owned(), "result".into());
        line.insert("command".to_owned(), command.into());
        line.insert("ok".to_owned(), self.partly.is_none().into());
        line.insert("exit_code".to_owned(), self.exit_code().into());
        if let Some(why) = &self.partly {
            line.insert("kind".to_owned(), Kind::Partial.word().into());
            line.insert("message".to_owned(), why.as_str().into());
        }
        for (key, value) in &self.fields {
            line.entry(key.clone()).or_insert_with(|| value.clone());
        }
        Value::Object(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_the_next_step() {
        let failure = Failure::new(Kind::Denied, "the passphrase does not open the vault at /v").hint("try again");
        assert_eq!(failure.text(), "error: the passphrase does not open the vault at /v\nhint: try again\n");
        assert_eq!(
            failure.result("backup").to_string(),
            r#"{"type":"result","command":"backup","ok":false,"exit_code":12,"kind":"denied","message":"the passphrase does not open the vault at /v","hint":"try again"}"#
        );
    }

    #[test]
    fn done_but_not_for_every_record_is_exit_code_three() {
        let answer = Answer::with(json!({"written": 9, "failed": 1})).partly(Some("1 record was not written".into()));
        assert_eq!(answer.exit_code(), 3);
        assert_eq!(
            answer.result("restore").to_string(),
            r#"{"type":"result","command":"restore","ok":false,"exit_code":3,"kind":"partial","message":"1 record was not written","written":9,"failed":1}"#
        );
        assert_eq!(
            Answer::default().result("ls").to_string(),
            r#"{"type":"result","command":"ls","ok":true,"exit_code":0}"#
        );
    }

    #[test]
    fn the_contract_lists_every_exit_code() {
        let contract = include_str!("../../../docs/contract.md");
        for kind in Kind::ALL {
            let row = format!("| {} | `{}` |", kind.exit_code(), kind.word());
            assert!(contract.contains(&row), "docs/contract.md lacks the row {row}");
        }
    }
}
