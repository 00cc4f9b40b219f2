// SPDX-License-Identifier: Apache-2.0
//! A subscriber for tests: the client made from the same proto file, over an emulator in the same process, and a reader of
//! payloads that knows nothing but the schema it is given.

pub mod deeds;
pub mod recorded;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use apache_avro::types::Value as Avro;
use apache_avro::{Schema, from_avro_datum};
use orgkeep_emulator::Emulator;
use tokio::sync::mpsc;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};

#[allow(clippy::all, missing_debug_implementations, reason = "made from the proto file")]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/client/eventbus.v1.rs"));
}

use super::caller::Caller;
use wire::pub_sub_client::PubSubClient;
pub use wire::{ConsumerEvent, FetchRequest, FetchResponse, ReplayPreset};

/// The way to the emulator.
#[derive(Clone)]
pub struct Line(Emulator);

impl tower::Service<http::Request<tonic::body::Body>> for Line {
    type Response = http::Response<axum::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let emulator = self.0.clone();
        Box::pin(async move { Ok(emulator.handle(request.map(axum::body::Body::new)).await) })
    }
}

/// Somebody who calls the Pub/Sub API with these headers.
#[derive(Clone)]
pub struct Listener {
    client: PubSubClient<Line>,
    pub headers: Vec<(&'static str, String)>,
    schemas: BTreeMap<String, String>,
}

/// A change event as its client sees it.
#[derive(Debug)]
pub struct Heard {
    pub kind: String,
    pub entity: String,
    pub ids: Vec<String>,
    pub header: BTreeMap<String, Avro>,
    /// The fields that have a value, nested ones by `Parent.Part`.
    pub fields: BTreeMap<String, Avro>,
    /// `changedFields` by name.
    pub changed: Vec<String>,
    /// `nulledFields` by name.
    pub nulled: Vec<String>,
    pub replay_id: Vec<u8>,
}

impl Heard {
    pub fn text(&self, field: &str) -> &str {
        match self.fields.get(field) {
            Some(Avro::String(text)) => text,
            other => panic!("{field} is {other:?}"),
        }
    }

    pub fn header_text(&self, field: &str) -> &str {
        match &self.header[field] {
            Avro::String(text) => text,
            other => panic!("{field} is {other:?}"),
        }
    }

    pub fn header_number(&self, field: &str) -> i64 {
        match self.header[field] {
            Avro::Long(number) => number,
            Avro::Int(number) => number.into(),
            ref other => panic!("{field} is {other:?}"),
        }
    }
}

/// A subscription that is open, and read as it comes, as a socket is.
pub struct Stream {
    requests: Option<mpsc::Sender<FetchRequest>>,
    answers: mpsc::UnboundedReceiver<Result<FetchResponse, Status>>,
}

async fn read(mut answers: Streaming<FetchResponse>, into: mpsc::UnboundedSender<Result<FetchResponse, Status>>) {
    while let Some(answer) = answers.message().await.transpose() {
        let is_last = answer.is_err();
        if into.send(answer).is_err() || is_last {
            return;
        }
    }
}

/// Lets the emulator do what it can do now.
pub async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

impl Stream {
    pub async fn ask(&self, num_requested: i32) {
        self.ask_as(FetchRequest { num_requested, ..FetchRequest::default() }).await;
    }

    pub async fn ask_as(&self, request: FetchRequest) {
        self.requests.as_ref().unwrap().send(request).await.unwrap();
        settle().await;
    }

    /// The next answer; none when the stream has ended well.
    pub async fn next(&mut self) -> Result<Option<FetchResponse>, Status> {
        self.answers.recv().await.transpose()
    }

    /// Says that nothing more will be asked.
    pub fn end(&mut self) {
        self.requests = None;
    }
}

impl Listener {
    pub fn of(caller: &Caller) -> Listener {
        let headers = vec![
            ("accesstoken", caller.token.clone()),
            ("instanceurl", format!("https://{}", super::caller::HOST)),
            ("tenantid", caller.credentials.org_id.clone()),
        ];
        Listener { client: PubSubClient::new(Line(caller.emulator.clone())), headers, schemas: BTreeMap::new() }
    }

    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in &self.headers {
            request.metadata_mut().insert(*name, value.parse().unwrap());
        }
        request
    }

    pub fn client(&self) -> PubSubClient<Line> {
        self.client.clone()
    }

    pub async fn topic(&self, name: &str) -> Result<wire::TopicInfo, Status> {
        let request = self.request(wire::TopicRequest { topic_name: name.to_owned() });
        self.client().get_topic(request).await.map(tonic::Response::into_inner)
    }

    pub async fn schema(&self, id: &str) -> Result<wire::SchemaInfo, Status> {
        let request = self.request(wire::SchemaRequest { schema_id: id.to_owned() });
        self.client().get_schema(request).await.map(tonic::Response::into_inner)
    }

    pub async fn subscribe(&self, first: FetchRequest) -> Result<Stream, Status> {
        let (requests, receiver) = mpsc::channel(8);
        requests.send(first).await.unwrap();
        let request = self.request(ReceiverStream::new(receiver));
        let answers = self.client().subscribe(request).await?.into_inner();
        let (into, received) = mpsc::unbounded_channel();
        tokio::spawn(read(answers, into));
        settle().await;
        Ok(Stream { requests: Some(requests), answers: received })
    }

    /// Subscribes from the tip of the stream for 100 events.
    pub async fn listen(&self, topic: &str) -> Stream {
        self.subscribe(from(topic, ReplayPreset::Latest, Vec::new())).await.unwrap()
    }

    /// What there is from the earliest event on.
    pub async fn earliest(&mut self, topic: &str) -> Vec<Heard> {
        self.all(from(topic, ReplayPreset::Earliest, Vec::new())).await
    }

    /// What there is now, read with a request that is not followed by another.
    pub async fn all(&mut self, first: FetchRequest) -> Vec<Heard> {
        let request = self.request(tonic::codegen::tokio_stream::iter([first]));
        let mut answers = self.client().subscribe(request).await.unwrap().into_inner();
        let mut heard = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            for event in answer.events {
                heard.push(self.read(event).await);
            }
        }
        heard
    }

    /// The next `count` events of a stream.
    pub async fn hear(&mut self, stream: &mut Stream, count: usize) -> Vec<Heard> {
        let mut heard = Vec::new();
        while heard.len() < count {
            for event in stream.next().await.unwrap().expect("the stream ended").events {
                heard.push(self.read(event).await);
            }
        }
        heard
    }

    /// Reads an event by the schema that the API gives for it.
    pub async fn read(&mut self, event: ConsumerEvent) -> Heard {
        let replay_id = event.replay_id;
        let event = event.event.unwrap();
        if !self.schemas.contains_key(&event.schema_id) {
            let json = self.schema(&event.schema_id).await.unwrap().schema_json;
            self.schemas.insert(event.schema_id.clone(), json);
        }
        let schema = Schema::parse_str(&self.schemas[&event.schema_id]).unwrap();
        let mut payload = event.payload.as_slice();
        let record = from_avro_datum(&schema, &mut payload, None).unwrap();
        assert!(payload.is_empty(), "bytes are left");
        let Avro::Record(members) = record else { panic!("no record") };
        let json: serde_json::Value = serde_json::from_str(&self.schemas[&event.schema_id]).unwrap();
        let mut header = BTreeMap::new();
        let mut fields = BTreeMap::new();
        for (name, value) in members {
            match value {
                Avro::Record(parts) if name == "ChangeEventHeader" => header.extend(parts),
                Avro::Union(_, value) => match *value {
                    Avro::Null => {}
                    Avro::Record(parts) => {
                        for (part, value) in parts {
                            if let Avro::Union(_, value) = value
                                && *value != Avro::Null
                            {
                                fields.insert(format!("{name}.{part}"), *value);
                            }
                        }
                    }
                    value => {
                        fields.insert(name, value);
                    }
                },
                value => {
                    fields.insert(name, value);
                }
            }
        }
        let texts = |name: &str| match header.get(name) {
            Some(Avro::Array(texts)) => texts.iter().map(text_of).collect(),
            _ => Vec::new(),
        };
        Heard {
            kind: match header.get("changeType") {
                Some(Avro::Enum(_, symbol)) => symbol.clone(),
                _ => String::new(),
            },
            entity: header.get("entityName").map(text_of).unwrap_or_default(),
            ids: texts("recordIds"),
            changed: names(&json, &texts("changedFields")),
            nulled: names(&json, &texts("nulledFields")),
            header,
            fields,
            replay_id,
        }
    }
}

fn text_of(value: &Avro) -> String {
    match value {
        Avro::String(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    }
}

pub fn from(topic: &str, preset: ReplayPreset, replay_id: Vec<u8>) -> FetchRequest {
    FetchRequest {
        topic_name: topic.to_owned(),
        replay_preset: preset.into(),
        replay_id,
        num_requested: 100,
        auth_refresh: String::new(),
    }
}

/// The names that bitmaps stand for, as Salesforce's own sample code decodes them.
fn names(schema: &serde_json::Value, bitmaps: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for bitmap in bitmaps {
        let (parent, bits) = match bitmap.split_once('-') {
            Some((parent, bits)) => (Some(parent.parse::<usize>().unwrap()), bits),
            None => (None, bitmap.as_str()),
        };
        let fields = &schema["fields"];
        let (prefix, fields) = match parent {
            None => (String::new(), fields.as_array().unwrap().clone()),
            Some(at) => {
                let kinds = fields[at]["type"].as_array().unwrap();
                let prefix = format!("{}.", fields[at]["name"].as_str().unwrap());
                (prefix, record(schema, kinds.last().unwrap()))
            }
        };
        let digits = bits.strip_prefix("0x").unwrap();
        for (nibble, digit) in digits.chars().rev().enumerate() {
            let digit = digit.to_digit(16).unwrap();
            for bit in (0..4).filter(|bit| digit & (1 << bit) != 0) {
                found.push(format!("{prefix}{}", fields[nibble * 4 + bit]["name"].as_str().unwrap()));
            }
        }
    }
    found
}

/// The fields of a record that is defined here or was before.
fn record(schema: &serde_json::Value, kind: &serde_json::Value) -> Vec<serde_json::Value> {
    if let Some(fields) = kind["fields"].as_array() {
        return fields.clone();
    }
    let all = schema["fields"].as_array().unwrap();
    let defined = all.iter().filter_map(|field| field["type"].as_array()).flatten();
    defined.into_iter().find(|one| one["name"] == *kind).unwrap()["fields"].as_array().unwrap().clone()
}
