// SPDX-License-Identifier: Apache-2.0
//! SFDX projects (or folders in Metadata API form) in an org: everything of a project is deployed into it when it is made.
//!
//! It is the deploy of the Metadata API ([`crate::metadata`]), more lenient in two ways: what fails is left out and named, and
//! objects need not say what an org insists on. A store that is opened again has its components already.

use std::path::Path;

use crate::metadata::deploy::{self, Options};
use crate::metadata::source;
use crate::org::Org;
use crate::schema::Schema;

pub use crate::metadata::source::SourceError as ProjectError;

/// A schema with a project's objects and fields.
#[derive(Debug)]
pub struct Project {
    pub schema: Schema,
    /// What the project has and the emulator has not: where, and why. Sentences without a final period.
    pub skipped: Vec<String>,
}

/// Reads the project in `folder` and adds its objects, fields and record types to `schema`.
///
/// # Errors
/// A file cannot be read or is not well-formed, or there is nothing in the folder.
pub fn load(schema: &Schema, folder: &Path) -> Result<Project, ProjectError> {
    let parcel = source::read(folder)?;
    let (schema, skipped) = deploy::schema_with(schema, &parcel);
    Ok(Project { schema, skipped })
}

/// Deploys the project in `folder` into an org, as its first administrator. Answers what was left out.
///
/// # Errors
/// A file cannot be read or is not well-formed, or there is nothing in the folder.
pub fn deploy(org: &Org, folder: &Path) -> Result<Vec<String>, ProjectError> {
    let parcel = source::read(folder)?;
    let user = org.read(|tx| tx.first_user_id());
    let options = Options { rollback_on_error: false, ignore_warnings: true, ..Options::default() };
    let report = deploy::run(org, &user, &parcel, &options);
    let failed = report.messages.iter().filter(|message| !message.success);
    Ok(failed
        .map(|message| format!("{}: {}", message.full_name, message.problem.clone().unwrap_or_default()))
        .collect())
}
