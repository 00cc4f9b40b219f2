// SPDX-License-Identifier: Apache-2.0
//! Publishing platform events (`salesforce-api.md` 5.1; "Publish RPC Method", "PublishStream RPC Method").
//!
//! Each event stands for itself: one that cannot be read, or that the org refuses to save, gets an error in its place while
//! the others are published. What is saved is what a create through REST would save; `CreatedDate` and `CreatedById` of
//! the payload are read and the server's own are kept.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use tonic::{Status, Streaming};

use super::Visit;
use super::refusal::Refusal;
use super::wire::{Error, ErrorCode, ProducerEvent, PublishRequest, PublishResponse, PublishResult};
use crate::event::avro::Reader;
use crate::event::bus;
use crate::event::shape::{Form, Kind, Shape};
use crate::event::topic::Topic;
use crate::record::{self, Fields, Input};
use crate::value::date_time_text;

/// How long a stream is held on to without an event.
const UNUSED_MAX: Duration = Duration::from_secs(70);

/// Publishes the events of one request.
pub fn publish(visit: &Visit, request: PublishRequest) -> Result<PublishResponse, Status> {
    if request.topic_name.is_empty() {
        return Err(visit.refuse(Refusal::TopicBlank));
    }
    let topic = visit.topic(&request.topic_name)?;
    let caller = visit.caller()?;
    let Topic::PlatformEvent(shape) = &topic else {
        return Err(visit.refuse(Refusal::PublishDenied(request.topic_name)));
    };
    if !topic.takes_from(&caller) {
        return Err(visit.refuse(Refusal::PublishDenied(request.topic_name)));
    }
    let results = visit.org.write(|tx| {
        bus::keep_schema(tx, shape).expect("the store's own table can be written");
        let mut results = Vec::new();
        for event in request.events {
            let before = tx.capture().messages();
            let saved = fields(shape, &event).and_then(|fields| {
                tx.savepoint(|tx| record::insert(tx, &caller, &shape.entity, fields)).map_err(|error| error.message)
            });
            let correlation_key = event.id;
            results.push(match saved {
                // Its replay id is known when the transaction commits.
                Ok(_) => (before, PublishResult { correlation_key, ..PublishResult::default() }),
                Err(msg) => {
                    let error = Some(Error { code: ErrorCode::Publish.into(), msg });
                    (before, PublishResult { correlation_key, error, ..PublishResult::default() })
                }
            });
        }
        let replays = tx.capture().commit_messages(tx).expect("the store can be written");
        let with_replay = |(at, mut result): (usize, PublishResult)| {
            if result.error.is_none() {
                result.replay_id = replays.get(at).map(|replay| bus::to_bytes(*replay)).unwrap_or_default();
            }
            result
        };
        results.into_iter().map(with_replay).collect()
    });
    Ok(PublishResponse { results, schema_id: shape.schema_id.clone(), rpc_id: visit.rpc_id.clone() })
}

/// Publishes the events of each request of a stream, all on the topic of the first.
pub fn stream(
    visit: Visit,
    requests: Streaming<PublishRequest>,
) -> impl Stream<Item = Result<PublishResponse, Status>> {
    unfold(Some((visit, requests, None::<String>)), |state| async move {
        let (visit, mut requests, first) = state?;
        let asked = tokio::time::timeout(UNUSED_MAX, requests.message()).await;
        let mut request = match asked {
            Ok(Ok(Some(request))) => request,
            Ok(Err(status)) => return Some((Err(status), None)),
            Ok(Ok(None)) | Err(_) => return None,
        };
        let topic = first.unwrap_or_else(|| request.topic_name.clone());
        if request.topic_name.is_empty() {
            request.topic_name.clone_from(&topic);
        }
        if request.topic_name != topic {
            let later = request.topic_name;
            return Some((Err(visit.refuse(Refusal::OtherTopic { first: topic, later })), None));
        }
        match publish(&visit, request) {
            Ok(answer) => Some((Ok(answer), Some((visit, requests, Some(topic))))),
            Err(status) => Some((Err(status), None)),
        }
    })
}

/// The values of an event as a create takes them.
fn fields(shape: &Arc<Shape>, event: &ProducerEvent) -> Result<Fields, String> {
    if event.schema_id != shape.schema_id {
        return Err(format!("The schema ID {} is not that of the event {}.", event.schema_id, shape.event));
    }
    let unreadable = || "The event payload can't be read with the event schema.".to_owned();
    let mut reader = Reader::of(&event.payload);
    let mut fields = Fields::new();
    for member in &shape.members {
        let Form::Plain(part) = &member.form else { return Err(unreadable()) };
        let is_system = matches!(member.name.as_str(), "CreatedDate" | "CreatedById");
        let branch = if is_system { Some(1) } else { reader.long() };
        let input = match branch.ok_or_else(unreadable)? {
            0 => Input::Null,
            1 => read(&mut reader, part.kind).ok_or_else(unreadable)?,
            _ => return Err(unreadable()),
        };
        if !is_system && input != Input::Null {
            fields.push((member.name.clone(), input));
        }
    }
    if reader.is_at_end() { Ok(fields) } else { Err(unreadable()) }
}

fn read(reader: &mut Reader<'_>, kind: Kind) -> Option<Input> {
    Some(match kind {
        Kind::Text => Input::Text(reader.text()?.to_owned()),
        Kind::Boolean => Input::Bool(reader.boolean()?),
        Kind::Int => Input::Number(reader.long()?.to_string()),
        Kind::Double => Input::Number(reader.double()?.to_string()),
        Kind::DateTime => Input::Text(date_time_text(reader.long()?, "Z")),
        Kind::Date => Input::Text(date_time_text(reader.long()?, "Z").get(..10)?.to_owned()),
        Kind::Time => {
            let ms = reader.long()?;
            Input::Text(date_time_text(ms, "Z").get(11..)?.to_owned())
        }
    })
}
