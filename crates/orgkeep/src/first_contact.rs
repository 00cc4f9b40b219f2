// SPDX-License-Identifier: Apache-2.0
//! Gives up early where nothing ever answered.
//!
//! The client repeats lost requests for minutes, which is right in the middle of a backup and wrong for a mistyped
//! address. Until the first answer of any kind, three lost requests in a row (about three seconds) are enough. After it
//! this is only a pass-through.

use crate::failure::{Failure, Kind, chain};
use futures::FutureExt;
use futures::future::BoxFuture;
use orgkeep_salesforce::{Http, Request, Response, SendError, Transport};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

const MOST_LOST: u32 = 3;

/// The network, and what has been seen of it.
pub struct FirstContact {
    inner: Arc<dyn Transport>,
    seen: Arc<Seen>,
}

struct Seen {
    answered: AtomicBool,
    /// Requests lost so far, and why the last one was.
    lost: watch::Sender<(u32, String)>,
}

impl FirstContact {
    pub fn over_the_network() -> Result<FirstContact, Failure> {
        Ok(FirstContact::new(Arc::new(Http::new()?)))
    }

    fn new(inner: Arc<dyn Transport>) -> FirstContact {
        let (lost, _) = watch::channel((0, String::new()));
        FirstContact { inner, seen: Arc::new(Seen { answered: AtomicBool::new(false), lost }) }
    }

    /// Completes when it is time to give up, with the reason; never once something answered.
    pub fn hopeless(&self) -> impl Future<Output = Failure> + use<> {
        let mut lost = self.seen.lost.subscribe();
        async move {
            let why = match lost.wait_for(|(count, _)| *count >= MOST_LOST).await {
                Ok(state) => state.1.clone(),
                Err(_) => return std::future::pending().await,
            };
            Failure::new(Kind::Unreachable, why)
                .hint("check the address and the network, then run the same command again")
        }
    }
}

impl Transport for FirstContact {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, SendError>> {
        let sending = self.inner.send(request);
        let seen = self.seen.clone();
        async move {
            let outcome = sending.await;
            match &outcome {
                Ok(_) => seen.answered.store(true, Ordering::Release),
                Err(error) if !seen.answered.load(Ordering::Acquire) => seen.lost.send_modify(|(count, why)| {
                    *count += 1;
                    *why = chain(error);
                }),
                Err(_) => {}
            }
            outcome
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use orgkeep_salesforce::{Body, Login, Options, Org};

    /// Answers only the requests of these numbers, counted from 1, with a 404.
    struct Deaf {
        answers: &'static [u32],
        asked: std::sync::atomic::AtomicU32,
    }

    impl Transport for Deaf {
        fn send(&self, _: Request) -> BoxFuture<'static, Result<Response, SendError>> {
            let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            let answer = if self.answers.contains(&number) {
                Ok(Response::whole(http::StatusCode::NOT_FOUND, http::HeaderMap::new(), Bytes::new()))
            } else {
                Err(SendError::not_sent("acme.example", "connection refused"))
            };
            async { answer }.boxed()
        }
    }

    fn over(answers: &'static [u32]) -> FirstContact {
        FirstContact::new(Arc::new(Deaf { answers, asked: 0.into() }))
    }

    fn request() -> Request {
        let url = "https://acme.example/".parse().unwrap();
        Request { method: http::Method::GET, url, headers: http::HeaderMap::new(), body: Body::Empty }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_address_is_given_up_within_seconds() {
        let network = over(&[]);
        let hopeless = network.hopeless();
        let login =
            Login::AccessToken { instance_url: "https://acme.example/".parse().unwrap(), access_token: "00D!x".into() };
        let began = tokio::time::Instant::now();
        let failure = tokio::select! {
            _ = Org::connect(Arc::new(network), login, Options::default()) => panic!("nothing answers"),
            failure = hopeless => failure,
        };
        assert_eq!(failure.kind, Kind::Unreachable);
        assert_eq!(failure.message, "acme.example cannot be reached: connection refused");
        assert!(began.elapsed().as_secs() < 5);
    }

    #[tokio::test(start_paused = true)]
    async fn what_answered_once_is_waited_for() {
        let network = over(&[2]);
        let hopeless = network.hopeless();
        for _ in 0..9 {
            let _ = network.send(request()).await;
        }
        let waited = tokio::time::timeout(std::time::Duration::from_secs(600), hopeless).await;
        assert!(waited.is_err());
    }
}
