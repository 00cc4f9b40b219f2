// SPDX-License-Identifier: Apache-2.0
//! SQL over what a vault keeps of an org, encrypted or not.
//!
//! [`query`] takes one statement and gives an [`Answer`], which streams. Every object is a table of its live records at the newest
//! backup, or at the one that is asked for; `FROM Account AS OF 3` reads one table of a query as of another backup or time, so that
//! an object can be joined with itself at two points. `Account_history` has a row for each version of each record.
//!
//! How: the statement is parsed (`statement`), the tables it names are looked up (`catalog`) and the names in it are given the spelling
//! of the org's (`spelling`), since those of Salesforce know no case. DataFusion plans and runs it over tables (`table`) that read
//! nothing but the columns, and by `Id` the records, that are needed (`scan`, `history`). What comes out are typed columns with the
//! vault's own texts for them (`answer`).
//!
//! Rows stream; what a sort, a join or a grouping must hold is held in memory, up to a limit that ends the query. Nothing is spilled to
//! disk, since it would lie there in clear.
//!
//! What it does not do: write, read files, or follow relationship paths of SOQL (`Owner.Name`); a JOIN does that. A value that did not
//! fit its column, because the field has changed its type, is null; the column `_misfit` has it for those who name it.

mod answer;
mod catalog;
mod failure;
mod history;
mod ids;
mod moment;
mod query;
mod scan;
mod spelling;
mod statement;
mod table;

pub use answer::{Answer, Column, Rows};
pub use orgkeep_engine::{Error, Kind, Result};
pub use query::{Options, query};
