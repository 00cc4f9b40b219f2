// SPDX-License-Identifier: Apache-2.0
//! The page at `/`: which orgs there are, how to get into them, what they hold and what was asked of them last.
//!
//! What is shown is gathered once ([`overview`]) and either written as a page for people or, for `Accept:
//! application/json`, as JSON with the same content. Secrets are shown: they protect nothing.
//!
//! Counting every table of a large org takes a while, so counts are kept until a row changes.

mod html;
mod overview;

use http::HeaderMap;

use crate::Emulator;
use crate::answer::Answer;
use crate::page::page;
use crate::request::header;

pub(crate) use overview::Counted;

/// The page, or its content as JSON where that is what the client takes.
pub fn page_of(emulator: &Emulator, base_url: &str, headers: &HeaderMap) -> Answer {
    let overview = overview::of(emulator, base_url);
    let accept = header(headers, "accept").unwrap_or_default();
    if accept.contains("application/json") && !accept.contains("text/html") {
        return Answer::ok(serde_json::to_value(&overview).expect("an overview is plain data"));
    }
    Answer::page(200, page("Emulated Salesforce orgs", &html::write(&overview)))
}
