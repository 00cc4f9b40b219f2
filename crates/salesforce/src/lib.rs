// SPDX-License-Identifier: Apache-2.0
//! A client for the APIs of a Salesforce org: what a backup reads, and what a restore writes.
//!
//! [`Org`] reads, [`Writer`] writes, [`Transport`] is the seam to the network. Between them lie one loop that decides
//! what is sent again (`call.rs`), one place that renews the session (`session.rs`) and one that counts the allowance
//! of API requests (`allowance.rs`). Rows have one shape, [`Rows`], whether they came as CSV or as JSON.
//!
//! It knows nothing of vaults and backups, and it has no clock, environment or terminal of its own.

mod allowance;
mod blob;
mod bulk;
mod call;
mod collections;
mod composite;
pub mod csv;
mod describe;
mod error;
mod gzip;
mod http;
pub mod id;
mod login;
mod oauth;
mod org;
mod query;
mod records;
mod refusal;
mod retry;
mod rows;
#[cfg(test)]
mod script;
mod secret;
mod session;
mod soap;
pub mod soql;
mod tooling;
mod transport;
mod write;

pub use self::http::Http;
pub use allowance::{AtTheReserve, Share, Usage};
pub use blob::BlobBody;
pub use bulk::{IngestJob, JobInfo, JobState, Operation, QueryJob, Upload};
pub use collections::{MOST_ROWS_RETRIEVED, MOST_ROWS_WRITTEN};
pub use composite::{Answered, Described, MOST_DESCRIBES, MOST_QUERIES, Query};
pub use describe::{ChildRelationship, Describe, Field, FieldType, ObjectSummary, PicklistValue, RecordTypeInfo};
pub use error::{Error, Kind, Refusal, Result};
pub use login::{Login, Pkce, TokenStore, authorization_url};
pub use org::{Identity, Limit, Limits, NEWEST_API_VERSION, OLDEST_API_VERSION, Options, Org, Organization};
pub use query::{Scope, fits_a_url};
pub use rows::{BATCH_BYTES, BATCH_ROWS, RowStream, Rows};
pub use secret::Secret;
pub use soap::MOST_ROWS_UNDELETED;
pub use transport::{Body, Request, Response, SendError, Transport};
pub use write::{RowError, RowResult, Writer};
