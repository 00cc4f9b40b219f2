// SPDX-License-Identifier: Apache-2.0
//! What an org says of its objects: describe and describeGlobal (`salesforce-api.md` 2.4, 2.5), the same for every API.
//!
//! A description is a view of the schema by one caller, in one API version: objects and fields that are hidden from the caller
//! are absent, what the caller may not write is not writable, with the permission to set audit fields those fields are createable, and keys that newer versions added are absent in older ones. It borrows the schema and is written as
//! JSON without a tree of values in between, because a backup asks for every object of an org. The keys stand in the order in
//! which recorded orgs send them, which is alphabetical, but for the URLs.
//!
//! Not in it: translations of labels, layouts, and what orgs that translate data add (`dataTranslationEnabled`).

mod field;
mod kept;
mod object;
mod scopes;
mod urls;

use serde::Serialize;

pub use field::DescribedField;
pub(crate) use kept::Kept;
pub use object::{DescribedObject, ObjectLine, RecordTypeLine, Relationship};

use crate::ctx::Ctx;
use crate::record::record_type::Access;
use crate::schema::{Object, Schema};
use crate::user::Caller;

/// From this version on, objects name what they accompany (Salesforce's reference of `DescribeSObjectResult`).
const ASSOCIATES_SINCE: u32 = 50;

/// Who looks at which schema, and how the answer addresses things.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What is described.
    pub schema: &'a Schema,
    /// Who asks.
    pub caller: &'a Caller,
    /// The API version as the path has it: `67.0`.
    pub version: &'a str,
    /// `http://host:port`, the base of the pages' addresses.
    pub base_url: &'a str,
    /// What the caller's profile says of the object's record types, where it says something.
    record_types: Option<&'a Access>,
}

/// The answer to describeGlobal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Global<'a> {
    encoding: &'static str,
    max_batch_size: u32,
    sobjects: Vec<ObjectLine<'a>>,
}

impl<'a> View<'a> {
    /// The view of a request's caller.
    pub fn of(ctx: &'a Ctx, schema: &'a Schema) -> View<'a> {
        View { schema, caller: &ctx.caller, version: &ctx.version, base_url: &ctx.base_url, record_types: None }
    }

    /// The same, with what the caller's profile says of the record types of the object that will be described.
    pub fn with_record_types(self, access: Option<&'a Access>) -> View<'a> {
        View { record_types: access, ..self }
    }

    /// All objects, sorted by name.
    pub fn global(&self) -> Global<'a> {
        let sobjects =
            self.schema.objects().filter(|object| self.caller.sees(object)).map(|object| self.line(object)).collect();
        Global { encoding: "UTF-8", max_batch_size: 200, sobjects }
    }

    /// An object's line of describeGlobal.
    pub fn line(&self, object: &'a Object) -> ObjectLine<'a> {
        ObjectLine::new(*self, object)
    }

    /// The whole description of an object.
    pub fn object(&self, object: &'a Object) -> DescribedObject<'a> {
        DescribedObject::new(*self, object)
    }

    fn version_number(&self) -> u32 {
        self.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
    }

    /// Keys of associates, where this version has them.
    fn associate(&self, value: &'a Option<String>) -> Option<Option<&'a str>> {
        (self.version_number() >= ASSOCIATES_SINCE).then_some(value.as_deref())
    }
}

/// A description as compact JSON.
pub fn to_json(description: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(description).expect("descriptions have text keys, and writing to memory cannot fail")
}
