// SPDX-License-Identifier: Apache-2.0
//! Ctrl-C and termination signals.

use tokio::sync::watch;

/// Whether the user or the system asked the program to end, since [`Interrupt::listen`].
#[derive(Clone)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on: a signal that comes before anybody waits for it is not lost, and everybody who waits is told
    /// of the same one. Needs the runtime. A platform that cannot tell never asks.
    pub fn listen() -> Interrupt {
        let (tell, told) = watch::channel(false);
        let signals = Signals::register();
        drop(tokio::spawn(async move {
            signals.received().await;
            // Nobody may be waiting.
            let _ = tell.send(true);
        }));
        Interrupt(told)
    }

    /// Completes when the end was asked for.
    pub fn asked(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut told = self.0.clone();
        async move {
            if told.wait_for(|asked| *asked).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(unix)]
struct Signals(Vec<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Signals {
    fn register() -> Signals {
        use tokio::signal::unix::{SignalKind, signal};
        Signals(
            [SignalKind::interrupt(), SignalKind::terminate()]
                .into_iter()
                .filter_map(|kind| signal(kind).ok())
                .collect(),
        )
    }

    async fn received(mut self) {
        std::future::poll_fn(|context| match self.0.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        })
        .await;
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn register() -> Signals {
        Signals
    }

    async fn received(self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
