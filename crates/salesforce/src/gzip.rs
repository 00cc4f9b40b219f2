// SPDX-License-Identifier: Apache-2.0
//! Decoding of answers that the org compressed, while they arrive. Bulk results shrink to a tenth.
//!
//! A compressed body that ends too early is a lost connection, like any other cut.

use std::io;

use async_compression::tokio::bufread::GzipDecoder;
use futures::{StreamExt, TryStreamExt};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::transport::{Response, SendError};

const CHUNK_BYTES: usize = 128 * 1024;

/// The same answer without `Content-Encoding: gzip`.
pub(crate) fn decode(mut response: Response, host: &str) -> Response {
    let compressed = response
        .headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"));
    if !compressed {
        return response;
    }
    response.headers.remove(CONTENT_ENCODING);
    response.headers.remove(CONTENT_LENGTH);
    let host = host.to_owned();
    let compressed = StreamReader::new(response.body.map_err(io::Error::other));
    let mut decoder = GzipDecoder::new(compressed);
    decoder.multiple_members(true);
    let plain = ReaderStream::with_capacity(decoder, CHUNK_BYTES);
    response.body = plain.map_err(move |error| SendError::lost(&host, error)).boxed();
    response
}
