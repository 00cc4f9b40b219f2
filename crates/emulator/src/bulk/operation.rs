// SPDX-License-Identifier: Apache-2.0
//! What a job does; the names are the same in both Bulk APIs.

use serde::{Deserialize, Serialize};

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    Query,
    QueryAll,
    Insert,
    Update,
    Upsert,
    Delete,
    HardDelete,
}

impl Operation {
    /// The name in a job.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Query => "query",
            Operation::QueryAll => "queryAll",
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::Upsert => "upsert",
            Operation::Delete => "delete",
            Operation::HardDelete => "hardDelete",
        }
    }

    /// Whether it reads.
    pub fn is_query(self) -> bool {
        matches!(self, Operation::Query | Operation::QueryAll)
    }

    /// From the name in a job, which is case-sensitive.
    pub fn named(name: &str) -> Option<Operation> {
        const ALL: [Operation; 7] = [
            Operation::Query,
            Operation::QueryAll,
            Operation::Insert,
            Operation::Update,
            Operation::Upsert,
            Operation::Delete,
            Operation::HardDelete,
        ];
        ALL.into_iter().find(|operation| operation.as_str() == name)
    }
}
