// SPDX-License-Identifier: Apache-2.0
//! A statement as it was written: names are not yet known to exist. Offsets are bytes into the statement, for the caret of an error.

use super::lex::Quoted;

#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub select: Vec<Item>,
    pub from: From,
    /// `FROM Contact c, c.Account a`: further aliases for parent paths.
    pub aliases: Vec<From>,
    pub scope: Option<Word>,
    pub filter: Option<Condition>,
    pub group: Grouping,
    pub having: Option<Condition>,
    pub order: Vec<Order>,
    pub limit: Option<u64>,
    pub offset: Option<u64>,
    /// FOR VIEW, FOR REFERENCE, FOR UPDATE: accepted; they do not change what is read.
    pub purposes: Vec<Word>,
    pub all_rows: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub text: String,
    pub offset: usize,
}

/// `Account.Owner.Name`.
#[derive(Clone, Debug, PartialEq)]
pub struct Path(pub Vec<Word>);

impl Path {
    pub fn offset(&self) -> usize {
        self.0[0].offset
    }
    pub fn text(&self) -> String {
        self.0.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(".")
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct From {
    pub path: Path,
    pub alias: Option<Word>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Value { value: Value, alias: Option<Word> },
    Children(Box<Query>),
    TypeOf(TypeOf),
    Fields(Word),
}

#[derive(Clone, Debug, PartialEq)]
pub struct TypeOf {
    pub path: Path,
    pub branches: Vec<(Word, Vec<Path>)>,
    pub otherwise: Vec<Path>,
}

/// What can be selected, compared, grouped or sorted by.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Path(Path),
    Call { function: Word, arguments: Vec<Argument> },
}

impl Value {
    pub fn offset(&self) -> usize {
        match self {
            Value::Path(path) => path.offset(),
            Value::Call { function, .. } => function.offset,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    Value(Value),
    Literal(Literal, usize),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Grouping {
    None,
    By(Vec<Value>),
    /// ROLLUP or CUBE, at the word.
    Subtotals(Word),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub value: Value,
    pub descending: bool,
    pub nulls_last: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare {
        left: Value,
        operator: Operator,
        right: Literal,
        right_offset: usize,
    },
    Like {
        left: Value,
        pattern: Literal,
        right_offset: usize,
    },
    In {
        left: Value,
        negated: bool,
        list: Vec<(Literal, usize)>,
    },
    InQuery {
        left: Value,
        negated: bool,
        query: Box<Query>,
    },
    /// INCLUDES and EXCLUDES of a multi-select picklist.
    Includes {
        left: Value,
        excludes: bool,
        list: Vec<(Literal, usize)>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Null,
    Bool(bool),
    Text(Quoted),
    Number(String),
    /// Date, time or datetime as written.
    Moment(String),
    /// `TODAY`, `LAST_N_DAYS:3`, upper case.
    Relative(String, Option<u64>),
    /// `USD100`.
    Currency(String),
}
