// SPDX-License-Identifier: Apache-2.0
//! What every authorised request carries with it: the org, who asks, in which API version and from where.

use std::sync::Arc;

use http::HeaderMap;

use crate::{Emulator, org::Org, request, user::Caller};

/// The context of one authorised request.
#[derive(Clone)]
pub struct Ctx {
    /// The emulator the org lives in.
    pub emulator: Emulator,
    /// The org the access token belongs to.
    pub org: Arc<Org>,
    /// The user who asks, with permissions, and the switches of the request's headers.
    pub caller: Caller,
    /// The API version of the path, as in `"67.0"`. URLs in answers repeat it (`salesforce-api.md` 0).
    pub version: String,
    /// The request's headers.
    pub headers: HeaderMap,
    /// `http://host:port` as the client knows the org: the base of every absolute URL in an answer.
    pub base_url: String,
    /// The access token of the session.
    pub session: String,
}

impl Ctx {
    /// `/services/data/v67.0`.
    pub fn data_path(&self) -> String {
        format!("/services/data/v{}", self.version)
    }

    /// The API version as a number: 67 for `"67.0"`.
    pub fn version_number(&self) -> u32 {
        self.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
    }

    /// A header of the request as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        request::header(&self.headers, name)
    }

    /// Counts further calls against the daily allowance: each subrequest of a composite batch counts
    /// (`salesforce-api.md` 2.8), and the request itself has been counted already.
    pub fn count_calls(&self, further: u64) {
        self.org.faces.count_further(self.org.clock().now(), further);
    }
}

/// `http://host` or `https://host`, from the request's `Host`: https for what came over TLS, and where whoever puts TLS
/// in front of the emulator says so with `X-Forwarded-Proto`.
pub fn base_url(headers: &HeaderMap, uri: &http::Uri, is_secure: bool) -> String {
    let host = request::header(headers, "host")
        .map(str::to_owned)
        .or_else(|| uri.authority().map(|authority| authority.to_string()))
        .unwrap_or_else(|| "localhost".to_owned());
    let scheme = match request::header(headers, "x-forwarded-proto") {
        Some("https") => "https",
        _ if is_secure => "https",
        _ => "http",
    };
    format!("{scheme}://{host}")
}
