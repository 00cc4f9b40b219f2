// SPDX-License-Identifier: Apache-2.0
//! A request as the faces see it: the path cut into decoded segments, the query as pairs, the body still unread.

use std::io::Read;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use crate::error::ApiError;

/// The largest body that is read into memory: base64 uploads of 50 MB (`salesforce-api.md` 2.9) and some air.
const WHOLE_BODY_MAX_BYTES: usize = 64 * 1024 * 1024;

/// One request below a base path.
#[derive(Debug)]
pub struct Request {
    /// The method, after `_HttpMethod` was applied.
    pub method: Method,
    /// Path segments below the face's base (for REST: below `/services/data/vNN.N`), percent-decoded; a trailing
    /// slash leaves no empty segment.
    pub path: Vec<String>,
    /// The query.
    pub query: Query,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it comes from the wire: [`Request::body_bytes`] reads and unzips it.
    pub body: Body,
}

impl Request {
    /// The segments as string slices, for matching.
    pub fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// A header as text, when it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The whole body, unzipped.
    ///
    /// # Errors
    /// 400 when the body breaks off or is larger than 64 MiB.
    pub async fn body_bytes(&mut self) -> Result<Bytes, ApiError> {
        let body = std::mem::replace(&mut self.body, Body::empty());
        read_whole(&self.headers, body).await
    }
}

/// A header as text, when it is there and is text.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether the body is compressed with gzip.
pub fn is_gzip(headers: &HeaderMap) -> bool {
    header(headers, "content-encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("gzip"))
}

/// The `Content-Type` without its parameters, in lower case.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = header(headers, "content-type").unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads a body to its end, unzipped.
///
/// # Errors
/// 400 when the body breaks off, is not what its encoding says, or is larger than 64 MiB.
pub async fn read_whole(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let mut stream = body.into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| unreadable(&error.to_string()))?;
        if whole.len() + piece.len() > WHOLE_BODY_MAX_BYTES {
            return Err(unreadable("the request body is too large"));
        }
        whole.extend_from_slice(&piece);
    }
    if !is_gzip(headers) {
        return Ok(whole.freeze());
    }
    let mut plain = Vec::new();
    let limit = WHOLE_BODY_MAX_BYTES as u64 + 1;
    flate2::read::MultiGzDecoder::new(&whole[..])
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|error| unreadable(&error.to_string()))?;
    if plain.len() > WHOLE_BODY_MAX_BYTES {
        return Err(unreadable("the request body is too large"));
    }
    Ok(plain.into())
}

fn unreadable(why: &str) -> ApiError {
    ApiError::new(400, "UNKNOWN_EXCEPTION", why)
}

/// Percent-decoded segments of a path; empty ones (a doubled or trailing slash) are dropped.
pub fn decode_path(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect()
}

/// The pairs of a query string or of a form, in order.
#[derive(Clone, Debug, Default)]
pub struct Query(pub Vec<(String, String)>);

impl Query {
    /// Parses `a=b&c=d`, decoding `%xx` and `+`.
    pub fn parse(text: &str) -> Query {
        Query(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The first value of a name. Names are case-sensitive.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether `name=true`.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_are_decoded_once() {
        assert_eq!(decode_path("/sobjects/A__c/Ext__c/a%2Fb%2525/"), ["sobjects", "A__c", "Ext__c", "a/b%25"]);
        let query = Query::parse("q=SELECT+Id+FROM+A&x=%2B1&flag=TRUE");
        assert_eq!(query.get("q"), Some("SELECT Id FROM A"));
        assert_eq!(query.get("x"), Some("+1"));
        assert!(query.is_true("flag") && !query.is_true("q"));
    }
}
