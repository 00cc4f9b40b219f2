// SPDX-License-Identifier: Apache-2.0
//! A subscription: events go out as the client asks for them (`salesforce-api.md` 5.1; "Subscribe RPC Method").
//!
//! 1. The first request says the topic and where to begin; later ones only how many more events the client takes.
//! 2. While events are asked for, whatever lies behind the position goes out, at most 100 at once. When there is nothing, an
//!    empty answer with the latest replay id shows every 270 seconds that the stream lives.
//! 3. When everything asked for has been sent and nothing is asked for in 60 seconds, or the client ends its side, the stream
//!    ends. It ends with an error when the session does.
//!
//! The waiting goes by tokio's clock. Moving the emulator's clock makes events too old at once; a transaction that commits by
//! that clock is noticed with the next request to the org, or the next empty answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Status, Streaming};

use super::Visit;
use super::refusal::Refusal;
use super::wire::{ConsumerEvent, FetchRequest, FetchResponse, ProducerEvent, ReplayPreset};
use crate::event::bus::{self, Event};
use crate::event::mask;
use crate::event::topic::{self, Topic};
use crate::org::Tx;
use crate::schema::Object;
use crate::user::Caller;

const KEEPALIVE: Duration = Duration::from_secs(270);
const UNASKED_MAX: Duration = Duration::from_secs(60);
/// Events that a client may ask for at once, and that go out at once.
const EVENTS_MAX: i32 = 100;

/// A stream of events.
pub struct Subscription {
    visit: Visit,
    /// What the client asks; none when it has ended its side.
    requests: Option<Streaming<FetchRequest>>,
    /// None before the first request.
    begun: Option<Begun>,
    news: watch::Receiver<u64>,
    /// When the client was answered last.
    answered: Instant,
}

struct Begun {
    name: String,
    topic: Topic,
    /// Everything up to this replay id was sent or passed over.
    position: i64,
    /// Events asked for and not sent.
    pending: i32,
}

/// What a subscription waited for.
enum Woken {
    Asked(Result<Option<FetchRequest>, Status>),
    News,
    TimeIsUp,
    Closing,
}

impl Subscription {
    pub fn new(visit: Visit, requests: Streaming<FetchRequest>) -> Subscription {
        let news = visit.org.event_news();
        Subscription { visit, requests: Some(requests), begun: None, news, answered: Instant::now() }
    }

    pub fn into_stream(self) -> impl Stream<Item = Result<FetchResponse, Status>> {
        unfold(Some(self), |subscription| async move {
            let mut subscription = subscription?;
            match subscription.next().await {
                Ok(Some(answer)) => Some((Ok(answer), Some(subscription))),
                Ok(None) => None,
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    /// The next answer; none when the stream ends well.
    async fn next(&mut self) -> Result<Option<FetchResponse>, Status> {
        loop {
            if let Some(answer) = self.ready()? {
                self.answered = Instant::now();
                return Ok(Some(answer));
            }
            if self.requests.is_none() {
                return Ok(None);
            }
            match self.wait().await {
                Woken::Asked(asked) => match asked? {
                    Some(request) => self.take(request)?,
                    None => self.requests = None,
                },
                Woken::News => {}
                Woken::Closing => return Err(self.visit.refuse(Refusal::Closing)),
                Woken::TimeIsUp => match &self.begun {
                    Some(begun) if begun.pending > 0 => {
                        let latest = self.visit.org.read(bus::tip).max(begun.position);
                        self.answered = Instant::now();
                        return Ok(Some(self.answer(Vec::new(), latest)));
                    }
                    _ => return Ok(None),
                },
            }
        }
    }

    /// Events that can be sent now.
    fn ready(&mut self) -> Result<Option<FetchResponse>, Status> {
        self.news.borrow_and_update();
        let Some(begun) = self.begun.as_mut().filter(|begun| begun.pending > 0) else { return Ok(None) };
        let caller = self.visit.caller()?;
        let limit = usize::try_from(begun.pending.min(EVENTS_MAX)).unwrap_or_default();
        let (events, position) = self.visit.org.read(|tx| {
            let mut heard = HashMap::new();
            let (mut events, position) = bus::after(tx, begun.position, limit, |event| {
                begun.topic.carries(event)
                    && *heard.entry(event.to_owned()).or_insert_with(|| may_hear(tx, &caller, event))
            });
            hide(tx, &caller, &mut events);
            (events, position)
        });
        begun.position = position;
        if events.is_empty() {
            return Ok(None);
        }
        begun.pending -= i32::try_from(events.len()).unwrap_or(i32::MAX);
        Ok(Some(self.answer(events, position)))
    }

    fn answer(&self, events: Vec<Event>, latest: i64) -> FetchResponse {
        let consumer = |event: Event| ConsumerEvent {
            replay_id: bus::to_bytes(event.replay),
            event: Some(ProducerEvent {
                id: bus::uuid(&format!("event {} {}", self.visit.org.id, event.replay), false),
                schema_id: event.schema_id,
                payload: event.payload,
                headers: Vec::new(),
            }),
        };
        FetchResponse {
            events: events.into_iter().map(consumer).collect(),
            latest_replay_id: bus::to_bytes(latest),
            rpc_id: self.visit.rpc_id.clone(),
            pending_num_requested: self.begun.as_ref().map_or(0, |begun| begun.pending),
        }
    }

    async fn wait(&mut self) -> Woken {
        let is_pending = self.begun.as_ref().is_some_and(|begun| begun.pending > 0);
        let until = self.answered + if is_pending { KEEPALIVE } else { UNASKED_MAX };
        let requests = &mut self.requests;
        let asked = async {
            match requests {
                Some(requests) => requests.message().await,
                None => std::future::pending().await,
            }
        };
        let news = &mut self.news;
        let changed = async {
            if news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let closing = self.visit.closing.clone();
        let closing = async {
            let is_closing = match closing {
                Some(mut closing) => closing.0.wait_for(|is_closing| *is_closing).await.is_ok(),
                None => false,
            };
            if !is_closing {
                std::future::pending().await
            }
        };
        tokio::select! {
            asked = asked => Woken::Asked(asked),
            () = changed, if is_pending => Woken::News,
            () = closing => Woken::Closing,
            () = tokio::time::sleep_until(until) => Woken::TimeIsUp,
        }
    }

    /// Takes a request of the client: the first begins, later ones ask for more.
    fn take(&mut self, request: FetchRequest) -> Result<(), Status> {
        if request.num_requested < 1 {
            return Err(self.visit.refuse(Refusal::RequestedEventsInvalid));
        }
        if request.num_requested > EVENTS_MAX {
            return Err(self.visit.refuse(Refusal::RequestedEventsLimit));
        }
        let Some(begun) = &mut self.begun else {
            self.begun = Some(self.begin(request)?);
            self.answered = Instant::now();
            return Ok(());
        };
        if !request.topic_name.is_empty() && request.topic_name != begun.name {
            let (first, later) = (begun.name.clone(), request.topic_name);
            return Err(self.visit.refuse(Refusal::OtherTopic { first, later }));
        }
        if begun.pending == 0 {
            self.answered = Instant::now();
        }
        begun.pending = begun.pending.saturating_add(request.num_requested);
        Ok(())
    }

    fn begin(&self, request: FetchRequest) -> Result<Begun, Status> {
        let name = request.topic_name;
        if name.is_empty() {
            return Err(self.visit.refuse(Refusal::TopicBlank));
        }
        let topic = self.visit.topic(&name)?;
        if !topic.admits(&self.visit.caller()?) {
            return Err(self.visit.refuse(Refusal::TopicDenied(name)));
        }
        let position = match ReplayPreset::try_from(request.replay_preset).unwrap_or(ReplayPreset::Latest) {
            ReplayPreset::Latest => self.visit.org.read(bus::tip),
            ReplayPreset::Earliest => 0,
            ReplayPreset::Custom if request.replay_id.is_empty() => {
                return Err(self.visit.refuse(Refusal::ReplayIdMissing));
            }
            ReplayPreset::Custom => bus::from_bytes(&request.replay_id)
                .filter(|replay| self.visit.org.read(|tx| bus::is_retained(tx, *replay)))
                .ok_or_else(|| self.visit.refuse(Refusal::ReplayIdCorrupted))?,
        };
        Ok(Begun { name, topic, position, pending: request.num_requested })
    }
}

/// Whether a user gets events of an event object.
fn may_hear(tx: &Tx<'_>, caller: &Caller, event: &str) -> bool {
    match topic::entity_of(tx, event) {
        Some(entity) => topic::may_hear_of(caller, &entity),
        None => tx.schema.object(event).is_some_and(|object| caller.sees(object)),
    }
}

/// Takes out of the events what the user may not see.
fn hide(tx: &Tx<'_>, caller: &Caller, events: &mut [Event]) {
    let mut entities: HashMap<String, Option<Arc<Object>>> = HashMap::new();
    for event in events {
        let find = || {
            let entity = topic::entity_of(tx, &event.topic).or_else(|| tx.schema.object(&event.topic).cloned())?;
            let is_masked = (0..entity.fields.len()).any(|at| !caller.sees_at(&entity, at));
            is_masked.then_some(entity)
        };
        let Some(entity) = entities.entry(event.topic.clone()).or_insert_with(find) else { continue };
        let is_hidden = |field: &str| entity.position(field).is_some_and(|at| !caller.sees_at(entity, at));
        let masked =
            bus::schema(tx, &event.schema_id).and_then(|schema| mask::masked(&schema, &event.payload, is_hidden));
        event.payload = masked.expect("a payload is as the schema that is kept with it says");
    }
}
