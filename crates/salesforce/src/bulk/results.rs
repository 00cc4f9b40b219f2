// SPDX-License-Identifier: Apache-2.0
//! Downloading the CSV of a job, parsed while it arrives.
//!
//! A page that is cut in the middle is fetched again from its own locator. Since the stored result does not change
//! (`salesforce-api.md` 3.1), as many rows are skipped as were already given out, and the stream goes on as if nothing
//! had happened. A cut is also a page with fewer rows than its header announced, or with an end inside a value: not
//! every cut shows itself.

use std::collections::VecDeque;

use futures::stream::{self, BoxStream, StreamExt};
use http::HeaderMap;
use http::header::ACCEPT;
use url::Url;

use super::Job;
use crate::call::Call;
use crate::csv::Reader;
use crate::error::{Error, Kind, Result};
use crate::retry::Backoff;
use crate::rows::{RowStream, Rows};
use crate::transport::SendError;

/// A page of results.
#[derive(Clone)]
pub(crate) struct Place {
    url: Url,
    /// Whether the page after it is wanted too.
    and_on: bool,
}

impl Place {
    pub(crate) fn first(url: Url) -> Place {
        Place { url, and_on: true }
    }

    pub(crate) fn only(url: Url) -> Place {
        Place { url, and_on: false }
    }
}

pub(crate) fn rows(job: Job, place: Place) -> RowStream {
    let download = Download {
        job,
        place: Some(place),
        page: None,
        ready: VecDeque::new(),
        given_out: 0,
        backoff: None,
        silent: true,
    };
    stream::try_unfold(download, |mut download| async move {
        let rows = download.next().await?;
        Ok(rows.map(|rows| (rows, download)))
    })
    .boxed()
}

struct Download {
    job: Job,
    /// The page being read; `None` after the last.
    place: Option<Place>,
    page: Option<Page>,
    ready: VecDeque<Rows>,
    /// Rows of this page that have left this stream, or are ready to.
    given_out: u64,
    /// Waiting since the page last brought rows.
    backoff: Option<Backoff>,
    /// Nothing was given out yet by any page.
    silent: bool,
}

struct Page {
    body: BoxStream<'static, Result<bytes::Bytes, SendError>>,
    reader: Reader,
    announced: Option<u64>,
    next: Option<Url>,
}

impl Download {
    async fn next(&mut self) -> Result<Option<Rows>> {
        loop {
            if let Some(rows) = self.ready.pop_front() {
                self.silent = false;
                return Ok(Some(rows));
            }
            let Some(place) = self.place.clone() else { return Ok(None) };
            let mut page = match self.page.take() {
                Some(page) => page,
                None => self.open(&place).await?,
            };
            match self.advance(&mut page).await? {
                Step::More => self.page = Some(page),
                Step::End => self.end_page(page, &place)?,
                Step::Cut(cause) => self.again(cause).await?,
            }
        }
    }

    // `&mut`, since a body that is a stream is not to be shared between threads.
    async fn open(&mut self, place: &Place) -> Result<Page> {
        let call = Call::get("bulk", place.url.clone(), self.job.doing("reading")).header(ACCEPT, "text/csv");
        let response = self.job.client.open(&call).await.map_err(|error| self.job.named(error))?;
        let number = |name: &str| response.headers.get(name)?.to_str().ok()?.parse().ok();
        Ok(Page {
            announced: number("sforce-numberofrecords"),
            next: next_page(&response.headers, &place.url),
            body: response.body,
            reader: Reader::skipping(self.given_out),
        })
    }

    /// Reads one chunk of the page into `ready`.
    async fn advance(&mut self, page: &mut Page) -> Result<Step> {
        let mut full = Vec::new();
        let step = match page.body.next().await {
            Some(Ok(chunk)) => {
                page.reader.feed(&chunk, &mut full).map_err(|error| self.job.named(error))?;
                Step::More
            }
            Some(Err(failure)) => Step::Cut(failure.into()),
            None => match page.reader.finish() {
                Ok(last) if page.announced.is_none_or(|announced| announced == page.reader.rows()) => {
                    full.extend(last);
                    Step::End
                }
                Ok(_) => {
                    let announced = page.announced.unwrap_or_default();
                    Step::Cut(format!("the page has {} rows instead of {announced}", page.reader.rows()).into())
                }
                Err(error) => Step::Cut(error.into()),
            },
        };
        if !full.is_empty() {
            self.given_out += full.iter().map(|rows| rows.len() as u64).sum::<u64>();
            self.backoff = None;
        }
        self.ready.extend(full);
        Ok(step)
    }

    fn end_page(&mut self, page: Page, place: &Place) -> Result<()> {
        if self.silent
            && self.ready.is_empty()
            && let Some(columns) = page.reader.columns()
        {
            self.ready.push_back(Rows::empty(columns.clone()));
        }
        self.given_out = 0;
        self.backoff = None;
        self.place = match page.next {
            Some(url) if place.and_on => {
                if url == place.url {
                    let error = Error::new(
                        Kind::Corrupt,
                        self.job.doing("reading"),
                        "a page of the result names itself as the next",
                    );
                    return Err(self.job.named(error));
                }
                Some(Place::first(url))
            }
            _ => None,
        };
        Ok(())
    }

    async fn again(&mut self, cause: Box<dyn std::error::Error + Send + Sync>) -> Result<()> {
        let backoff = self.backoff.get_or_insert_with(|| self.job.client.jitter.backoff());
        if backoff.wait(None).await {
            return Ok(());
        }
        let tries = backoff.tries().to_string();
        let mut error = Error::new(Kind::Unreachable, self.job.doing("reading"), "the result never arrives whole");
        error.job_ended = true;
        Err(self.job.named(error.with("tries", tries).caused_by(cause)))
    }
}

enum Step {
    More,
    End,
    Cut(Box<dyn std::error::Error + Send + Sync>),
}

/// The next page's URL: the same with the locator of the header, which is the word `null` on the last page.
fn next_page(headers: &HeaderMap, url: &Url) -> Option<Url> {
    let locator = headers.get("sforce-locator")?.to_str().ok()?;
    if locator.is_empty() || locator == "null" {
        return None;
    }
    let mut next = url.clone();
    next.query_pairs_mut().clear().append_pair("locator", locator);
    Some(next)
}
