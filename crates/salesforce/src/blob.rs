// SPDX-License-Identifier: Apache-2.0
//! Bodies of files (`salesforce-api.md` 2.9, 6.8): read as streams, written as multipart, so that 2 GB never lie in
//! memory.
//!
//! The org promises no ranges. A download that is cut is begun anew and what was already given out is skipped; the
//! body of a version never changes, and where the length does, the download fails instead of mixing two bodies.

use bytes::{Buf, Bytes};
use futures::stream::{self, BoxStream, StreamExt};
use http::Method;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::call::{Call, Client};
use crate::collections::without_side_effects;
use crate::error::{Error, Kind, Result};
use crate::org::Org;
use crate::retry::Backoff;
use crate::transport::{Body, Response, SendError};
use crate::write::Writer;

/// The body of a file on its way.
pub struct BlobBody {
    /// Bytes, where the org says so beforehand.
    pub length: Option<u64>,
    pub content_type: Option<String>,
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl BlobBody {
    /// The whole body in memory.
    pub async fn collect(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.body.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(bytes)
    }
}

impl Org {
    /// The content of a blob field, such as `VersionData` of a ContentVersion. Costs one call, and one more for each
    /// repetition.
    pub async fn blob(&self, object: &str, id: &str, field: &str) -> Result<BlobBody> {
        self.download(&["sobjects", object, id, field], format!("reading {field} of {object} {id}")).await
    }

    /// An image of a rich text field, by its content reference Id, the `refid` in the field's text (REST API guide, "sObject Rich Text
    /// Image Get"; `salesforce-api.md` 2.2). Costs as much as [`Org::blob`].
    pub async fn rich_text_image(&self, object: &str, id: &str, field: &str, reference: &str) -> Result<BlobBody> {
        let path = ["sobjects", object, id, "richTextImageFields", field, reference];
        self.download(&path, format!("reading the image {reference} in {field} of {object} {id}")).await
    }

    async fn download(&self, path: &[&str], doing: String) -> Result<BlobBody> {
        let call = Call::get("blob", self.client.url(path), doing).uncompressed().header(ACCEPT, "*/*");
        let response = self.client.open(&call).await?;
        let length = length(&response.headers);
        let content_type = response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let download = Download {
            client: self.client.clone(),
            call,
            response: Some(response),
            length,
            given_out: 0,
            skip: 0,
            backoff: None,
        };
        let body = stream::try_unfold(download, |mut download| async move {
            let chunk = download.next().await?;
            Ok(chunk.map(|chunk| (chunk, download)))
        });
        Ok(BlobBody { length, content_type, body: body.boxed() })
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

struct Download {
    client: std::sync::Arc<Client>,
    call: Call,
    response: Option<Response>,
    length: Option<u64>,
    given_out: u64,
    /// Bytes of the current answer that were given out by an earlier one.
    skip: u64,
    backoff: Option<Backoff>,
}

impl Download {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let response = match &mut self.response {
                Some(response) => response,
                None => self.reopen().await?,
            };
            match response.body.next().await {
                Some(Ok(mut chunk)) => {
                    let known = self.skip.min(chunk.len() as u64);
                    self.skip -= known;
                    chunk.advance(usize::try_from(known).unwrap_or(chunk.len()));
                    if !chunk.is_empty() {
                        self.given_out += chunk.len() as u64;
                        self.backoff = None;
                        return Ok(Some(chunk));
                    }
                }
                Some(Err(failure)) => self.again(failure).await?,
                None if self.skip == 0 && self.length.is_none_or(|length| length == self.given_out) => return Ok(None),
                None => {
                    let host = self.call.url.host_str().unwrap_or_default();
                    let cut = SendError::lost(host, format_args!("the body ended after {} bytes", self.given_out));
                    self.again(cut).await?;
                }
            }
        }
    }

    async fn again(&mut self, failure: SendError) -> Result<()> {
        self.response = None;
        let backoff = self.backoff.get_or_insert_with(|| self.client.jitter.backoff());
        if backoff.wait(None).await {
            return Ok(());
        }
        let tries = backoff.tries().to_string();
        let error = Error::new(Kind::Unreachable, self.call.doing.as_str(), "the body never arrives whole");
        Err(error.with("tries", tries).caused_by(failure))
    }

    async fn reopen(&mut self) -> Result<&mut Response> {
        let response = self.client.open(&self.call).await?;
        if length(&response.headers) != self.length {
            let error = Error::new(Kind::Busy, self.call.doing.as_str(), "the body changed while it was read");
            return Err(error.hint("read it again from its beginning"));
        }
        self.skip = self.given_out;
        Ok(self.response.insert(response))
    }
}

impl Writer {
    /// Creates one record with its file, which streams from `body`; gives the record's Id.
    ///
    /// # Errors
    ///
    /// It is not repeated after a lost answer: the error then says `sent`. The file can be found again by its checksum.
    pub async fn create_with_blob(
        &self,
        object: &str,
        fields: &Map<String, Value>,
        blob_field: &str,
        file_name: &str,
        length: u64,
        body: Body,
    ) -> Result<String> {
        #[derive(Deserialize)]
        struct Created {
            id: String,
        }
        let doing = format!("creating a record of {object} with {length} bytes");
        let client = &self.org().client;
        let boundary = boundary(&doing)?;
        let json = Value::Object(fields.clone());
        // The documented order: first the record, then its file, whose part must have a file name (`salesforce-api.md`
        // 2.9).
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"entity_record\"\r\nContent-Type: application/json\r\n\r\n{json}\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"{blob_field}\"; filename=\"{}\"\r\nContent-Type: application/octet-stream\r\n\r\n",
            quoted(file_name)
        );
        let (head, tail) = (Bytes::from(head), Bytes::from(format!("\r\n--{boundary}--\r\n")));
        let whole_length = head.len() as u64 + length + tail.len() as u64;
        let parts = Body::Stream(std::sync::Arc::new(move || {
            let (head, tail) = (head.clone(), tail.clone());
            stream::iter([Ok(head)]).chain(body.open()).chain(stream::iter([Ok(tail)])).boxed()
        }));
        let mut call = Call::json("blob", Method::POST, client.url(&["sobjects", object]), Vec::new(), doing.as_str());
        call = without_side_effects(call);
        call.body = parts;
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole_length));
        let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
        let content_type = HeaderValue::from_str(&content_type)
            .map_err(|source| Error::new(Kind::Bug, doing, "the boundary is no header value").caused_by(source))?;
        call.headers.insert(CONTENT_TYPE, content_type);
        Ok(client.read_json::<Created>(&call).await?.id)
    }
}

/// A line that is in none of the parts. The file cannot be looked through beforehand, and whoever wrote it must not be
/// able to guess this.
fn boundary(doing: &str) -> Result<String> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| Error::new(Kind::Bug, doing, "the machine gives no random bytes"))?;
    Ok(random.iter().fold("orgkeep-".to_owned(), |text, byte| format!("{text}{byte:02x}")))
}

/// As browsers write file names in form data.
fn quoted(file_name: &str) -> String {
    file_name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests;
