// SPDX-License-Identifier: Apache-2.0
//! The Metadata API (`salesforce-api.md` 4): an org's set-up as files that are listed, retrieved and deployed.
//!
//! Every component of any of the types ([`types`]) is kept as it was deployed ([`component`]); fields, list views and other parts
//! of containers are components of their own ([`container`]). Some take effect ([`deploy`], `effect`): objects, fields,
//! record types and value sets become the org's schema (`model`), records of custom metadata types, permission sets and
//! profiles become rows. Everything else is kept and given back. What the org has without a deploy is made of its schema and
//! rows when it is asked for (`standard`).
//!
//! Other parts of the emulator read components with [`components_of`] and notice changes by [`generation`].
//!
//! Rules take effect when records are saved ([`crate::automation`]).
//!
//! Not emulated: Apex and flows do nothing by being deployed; no tests run; packages do not exist; names with a namespace are
//! taken as names.

pub mod archive;
mod asynchronous;
pub mod component;
pub mod container;
pub(crate) mod crud;
pub mod deploy;
mod effect;
pub mod elements;
mod list;
pub mod manifest;
mod model;
pub(crate) mod rest;
mod retrieve;
pub(crate) mod soap;
pub mod source;
mod standard;
pub mod types;
pub mod xml;

use std::collections::BTreeMap;

pub use asynchronous::Requests;
pub use component::Component;
pub(crate) use effect::profile_row_name;
pub use xml::Node;

use std::sync::Arc;

use asynchronous::{Ending, Order};

use crate::org::{Org, Tx};
use crate::schema::PicklistValue;

/// What is wrong with a component: where in its file (0 where it is no place), and Salesforce's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    pub line: u32,
    pub column: u32,
    pub text: String,
}

impl Problem {
    pub fn at(node: &Node, text: impl Into<String>) -> Problem {
        Problem { line: node.line, column: node.column, text: text.into() }
    }
}

/// All components of a type with their XML, by name: `components_of(tx, "ValidationRule")`. A part's container is in
/// [`Component::container`].
pub fn components_of(tx: &Tx<'_>, kind: &str) -> Vec<(Component, Node)> {
    let known = component::all(tx, kind);
    known.into_iter().filter_map(|component| component::node(tx, &component).map(|node| (component, node))).collect()
}

/// Full names and Ids of all components of a type.
pub fn components_named(tx: &Tx<'_>, kind: &str) -> impl Iterator<Item = (String, String)> {
    component::all(tx, kind).into_iter().map(|component| (component.full_name, component.id))
}

const GENERATION: &str = "metadata generation";

/// A number that grows whenever components are deployed or removed; what was read of them under the same number still holds.
/// A deploy that is undone moves it too.
pub fn generation(tx: &Tx<'_>) -> u64 {
    tx.last_number(GENERATION)
}

pub(crate) fn step_generation(tx: &Tx<'_>) {
    tx.next_number(GENERATION);
}

/// The refusal of users who may do nothing with this API.
const NO_ACCESS: &str = "use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions";

pub(crate) fn may_use(caller: &crate::Caller) -> bool {
    caller.can("ModifyAllData") || caller.can("ModifyMetadata")
}

/// The name of a user, empty when there is none.
fn user_name(tx: &Tx<'_>, id: &str) -> String {
    let user = tx.schema.object("User").and_then(|users| tx.row(users, id));
    user.map(|user| user.text("Name").to_owned()).unwrap_or_default()
}

/// Deploys what a check found good within the last ten days.
fn quick_deploy(
    org: &Arc<Org>,
    user_id: &str,
    validated: &asynchronous::Request,
) -> Result<Arc<asynchronous::Request>, (&'static str, String)> {
    const RECENT_MS: i64 = 10 * 24 * 3600 * 1000;
    let refused = || {
        let text = format!("{} is not a recent successful validation", validated.id);
        ("INVALID_ID_FIELD", text)
    };
    let good = {
        let progress = validated.progress();
        match &progress.result {
            Some(Ending::Deployed(report)) => {
                report.status() == "Succeeded" && org.clock().now() - progress.changed_ms < RECENT_MS
            }
            _ => false,
        }
    };
    let Order::Deploy { parcel, options, .. } = &validated.order else { return Err(refused()) };
    if !good || !options.check_only {
        return Err(refused());
    }
    let options = deploy::Options { check_only: false, ..options.clone() };
    let order = Order::Deploy { parcel: parcel.clone(), options, validated: Some(validated.id.clone()) };
    Ok(asynchronous::start(org, user_id, order))
}

/// The global value sets of the org.
fn value_sets(tx: &Tx<'_>) -> BTreeMap<String, Vec<PicklistValue>> {
    let sets = components_of(tx, "GlobalValueSet").into_iter();
    sets.map(|(component, node)| (component.full_name, model::shared_values(&node))).collect()
}
