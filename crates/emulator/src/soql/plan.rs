// SPDX-License-Identifier: Apache-2.0
//! A checked statement: every name is resolved to an object and a field of a schema and every literal to a stored value, so that
//! translation to SQL and building of records cannot fail on what the statement says.

use std::sync::Arc;

use super::ast::Operator;
use crate::schema::{Field, FieldType, Object};
use crate::sharing::Condition;
use crate::value::Value;

#[derive(Clone, Debug)]
pub struct Plan {
    pub object: Arc<Object>,
    /// The object itself, then each parent that a path goes through.
    pub nodes: Vec<Node>,
    pub kind: Kind,
    /// What SQL has to select. Column 0 is the record's Id, but in aggregates.
    pub columns: Vec<Expr>,
    /// How a record is built from the columns.
    pub entries: Vec<Entry>,
    /// The columns that were written in SELECT, in that order, with their names in a CSV header.
    pub written: Vec<Written>,
    pub children: Vec<ChildPlan>,
    pub filter: Option<Test>,
    pub group: Vec<Expr>,
    pub having: Option<Test>,
    pub order: Vec<Sort>,
    pub limit: Option<u64>,
    pub offset: Option<u64>,
    /// Deleted and archived rows too.
    pub all: bool,
    /// `USING SCOPE mine`: only rows that this user owns.
    pub owner: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Rows,
    /// `SELECT COUNT()`.
    Count,
    Aggregate,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub object: Arc<Object>,
    /// The node and its reference field that lead here; none for the object itself.
    pub via: Option<(usize, Arc<Field>)>,
    /// What of the object's rows the caller sees; none when all.
    pub sight: Option<Condition>,
}

#[derive(Clone, Debug)]
pub struct ChildPlan {
    pub plan: Plan,
    /// The child's reference to the parent.
    pub reference: Arc<Field>,
}

#[derive(Clone, Debug)]
pub struct Written {
    pub name: String,
    pub column: usize,
    pub kind: FieldType,
    /// Whether it belongs to the object itself, not to a parent that may be absent.
    pub own: bool,
}

#[derive(Clone, Debug)]
pub enum Entry {
    Value {
        key: String,
        column: usize,
        model: Option<Arc<Field>>,
        shape: Shape,
    },
    /// A base64 field shows where its content is read.
    Content {
        key: String,
        object: String,
        id: usize,
        field: String,
    },
    Compound {
        key: String,
        parts: Vec<(&'static str, usize, Arc<Field>)>,
    },
    Parent {
        key: String,
        object: String,
        id: usize,
        entries: Vec<Entry>,
    },
    /// A parent of one of several objects, known by the Id's prefix. `named` shows the object's name in `attributes.type`,
    /// else it is `Name`.
    AnyParent {
        key: String,
        id: usize,
        named: bool,
        entries: Vec<Entry>,
    },
    TypeOf {
        key: String,
        id: usize,
        branches: Vec<(String, Vec<Entry>)>,
        otherwise: Vec<Entry>,
    },
    Children {
        key: String,
        at: usize,
    },
}

impl Entry {
    pub fn key(&self) -> &str {
        match self {
            Entry::Value { key, .. }
            | Entry::Content { key, .. }
            | Entry::Compound { key, .. }
            | Entry::Parent { key, .. }
            | Entry::AnyParent { key, .. }
            | Entry::TypeOf { key, .. }
            | Entry::Children { key, .. } => key,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Plain,
    /// `toLabel()`.
    Label,
    /// `FORMAT()`.
    Format,
    /// `FORMAT()` of an amount in the currency whose ISO code this column has.
    Money(usize),
}

/// Where a name of one of several possible parents is found: prefix, object, field.
pub type Targets = Vec<(String, String, String)>;

#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Field {
        node: usize,
        field: Arc<Field>,
    },
    /// A field of whichever object the reference points to.
    Any {
        node: usize,
        reference: Arc<Field>,
        targets: Targets,
        model: Arc<Field>,
    },
    /// The name of the object the reference points to.
    AnyType {
        node: usize,
        reference: Arc<Field>,
        names: Vec<(String, String)>,
    },
    /// A part of a date, by its function's upper-case name.
    Part {
        function: String,
        of: Box<Expr>,
    },
    Distance {
        node: usize,
        latitude: Arc<Field>,
        longitude: Arc<Field>,
        from: (f64, f64),
        miles: bool,
    },
    Aggregate {
        function: Function,
        of: Option<Box<Expr>>,
    },
    /// An amount in another currency than its record's: `convertCurrency()`, what aggregates add up, what amounts are sorted by,
    /// what `USD5000` is compared with.
    Converted {
        node: usize,
        field: Arc<Field>,
        to: Money,
        /// The day whose rates count, where the org has dated ones.
        day: Option<RateDay>,
    },
    /// The ISO code of the user's currency.
    UserCurrency {
        user: String,
    },
    /// An encrypted field as someone without `ViewEncryptedData` sees it.
    Masked {
        node: usize,
        field: Arc<Field>,
        last_four: bool,
        mask: char,
    },
}

/// The day that decides which dated exchange rate an amount is converted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateDay {
    /// The record's own close date.
    Own,
    /// That of its opportunity.
    OfOpportunity,
}

impl RateDay {
    /// Dated rates count for opportunities, their products and their history (SOQL reference, `convertCurrency()`).
    pub fn of(object: &str) -> Option<RateDay> {
        match object {
            "Opportunity" | "OpportunityHistory" => Some(RateDay::Own),
            "OpportunityLineItem" => Some(RateDay::OfOpportunity),
            _ => None,
        }
    }
}

/// Which currency an amount is converted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Money {
    /// That of the user with this Id.
    OfUser(String),
    /// The org's own.
    Corporate,
    /// By its ISO code.
    Iso(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Count,
    CountDistinct,
    Sum,
    Avg,
    Min,
    Max,
}

impl Expr {
    /// The field whose type the value has; none for counts, averages, parts of dates and names of objects.
    pub fn model(&self) -> Option<&Arc<Field>> {
        match self {
            Expr::Field { field, .. }
            | Expr::Any { model: field, .. }
            | Expr::Masked { field, .. }
            | Expr::Converted { field, .. } => Some(field),
            Expr::Aggregate { function: Function::Sum | Function::Min | Function::Max, of: Some(of) } => of.model(),
            _ => None,
        }
    }

    pub fn kind(&self) -> FieldType {
        match self {
            Expr::Part { function, .. } if function == "DAY_ONLY" => FieldType::Date,
            Expr::Part { .. } | Expr::Aggregate { function: Function::Count | Function::CountDistinct, .. } => {
                FieldType::Int
            }
            Expr::Distance { .. } | Expr::Aggregate { function: Function::Avg, .. } => FieldType::Double,
            other => other.model().map_or(FieldType::String, |field| field.kind),
        }
    }

    pub fn is_aggregate(&self) -> bool {
        matches!(self, Expr::Aggregate { .. })
    }
}

#[derive(Clone, Debug)]
pub struct Sort {
    pub by: Expr,
    pub descending: bool,
    pub nulls_last: bool,
}

/// A condition. It is true or false, never unknown: a comparison with an absent value is false, its opposite true.
#[derive(Clone, Debug)]
pub enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    Null(Expr),
    Compare {
        left: Expr,
        operator: Operator,
        right: Value,
    },
    Like {
        left: Expr,
        pattern: String,
    },
    In {
        left: Expr,
        values: Vec<Value>,
    },
    InPlan {
        left: Expr,
        plan: Box<Plan>,
    },
    /// Any of the combinations `a;b` is selected.
    Includes {
        left: Expr,
        combinations: Vec<String>,
    },
}
