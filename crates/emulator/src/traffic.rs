// SPDX-License-Identifier: Apache-2.0
//! Bytes that go in and out, counted while bodies are read and sent, and the moment when an answer has gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::body::HttpBody as _;
use http_body_util::BodyExt as _;

/// Bytes of bodies, in both directions, as they go over the wire. Headers are not counted.
#[derive(Debug, Default)]
pub struct Traffic {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Traffic {
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }

    pub fn add(&self, bytes_in: u64, bytes_out: u64) {
        self.bytes_in.fetch_add(bytes_in, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes_out, Ordering::Relaxed);
    }
}

/// A request's body whose bytes are counted as they are read.
pub fn counted_in(body: Body, traffic: Arc<Traffic>) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::new(body.inspect_frame(move |frame| {
        traffic.add(frame.data_ref().map_or(0, |data| data.len() as u64), 0);
    }))
}

/// An answer's body whose bytes are counted as they are sent. What has ended is dropped with it.
pub fn counted_out(body: Body, traffic: Vec<Arc<Traffic>>, ended: Option<Ended>) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::new(body.inspect_frame(move |frame| {
        // Held by the body, so that it is dropped when the body is.
        let _ = &ended;
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        traffic.iter().for_each(|traffic| traffic.add(0, bytes));
    }))
}

/// Does something when it is dropped: when an answer has been sent, or when the client went away.
pub struct Ended(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Ended {
    pub fn new(then: impl FnOnce() + Send + Sync + 'static) -> Ended {
        Ended(Some(Box::new(then)))
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then();
        }
    }
}
