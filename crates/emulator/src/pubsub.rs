// SPDX-License-Identifier: Apache-2.0
//! The Pub/Sub API: gRPC on the same port as everything else, over HTTP/2 with or without TLS (`salesforce-api.md` 5.1).
//!
//! 1. Who asks is in the headers `accesstoken`, `instanceurl` and `tenantid`; all three must be there, and the tenant must be
//!    the org of the token. Tokens that are JWTs are refused, as SOAP refuses them.
//! 2. The server that is made from the proto file reads the message and calls one of the functions here.
//! 3. A refusal is a gRPC status with Salesforce's own code in the trailer `error-code` ([`refusal`]).
//!
//! Calls are not taken from the daily allowance of API requests. Not built: `ManagedSubscribe`, filters and enrichment of
//! custom channels, allocations of deliveries and publishes.

pub(crate) use refusal::of_fault as refusal_of_fault;

mod publish;
mod refusal;
mod subscribe;

#[allow(
    clippy::all,
    clippy::unwrap_used,
    missing_debug_implementations,
    unused_qualifications,
    reason = "made from the proto file"
)]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/server/eventbus.v1.rs"));
}

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use futures::Stream;
use http::HeaderMap;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};
use tower::Service as _;

use crate::Emulator;
use crate::event::bus;
use crate::event::topic::Topic;
use crate::org::Org;
use crate::request::header;
use crate::user::Caller;

use refusal::Refusal;
use subscribe::Subscription;
use wire::pub_sub_server::{PubSub, PubSubServer};
use wire::{
    FetchRequest, FetchResponse, ManagedFetchRequest, ManagedFetchResponse, PublishRequest, PublishResponse,
    SchemaInfo, SchemaRequest, TopicInfo, TopicRequest,
};

/// The first segment of the paths of its calls.
pub(crate) const ROOT: &str = "eventbus.v1.PubSub";

/// Becomes true when the socket that a request came over is about to be closed.
#[derive(Clone, Debug)]
pub(crate) struct Closing(pub watch::Receiver<bool>);

/// One call: whose it is, and what it is called in errors.
#[derive(Clone)]
struct Visit {
    org: Arc<Org>,
    user_id: String,
    token: String,
    rpc_id: String,
    closing: Option<Closing>,
}

impl Visit {
    /// The caller with what they may do now; none when the session has ended or the user may not enter any more.
    fn caller(&self) -> Result<Caller, Status> {
        let now_ms = self.org.clock().now();
        let is_live = crate::faces::lock(&self.org.faces.sessions).look_at(&self.token, now_ms).is_some();
        let caller = self.org.caller(&self.user_id);
        let may_enter = caller.rights.as_ref().is_none_or(|rights| rights.may_enter);
        if is_live && may_enter { Ok(caller) } else { Err(self.refuse(Refusal::Authentication)) }
    }

    fn refuse(&self, refusal: Refusal) -> Status {
        refusal.status(&self.rpc_id)
    }

    /// `CORE/prod/00D…`: how the service calls an org.
    fn tenant(&self) -> String {
        format!("CORE/prod/{}", self.org.id)
    }

    /// The topic of this name. Asking for one of change events selects what it tells of.
    fn topic(&self, name: &str) -> Result<Topic, Status> {
        if name.starts_with("/data/") {
            self.org.capture_changes_from_now();
        }
        let unknown = || self.refuse(Refusal::TopicNotFound { tenant: self.tenant(), topic: name.to_owned() });
        let topic = self.org.read(|tx| Topic::named(tx, name)).ok_or_else(unknown)?;
        match &topic {
            Topic::Channel { unsupported: Some(what), .. } => {
                Err(self.refuse(Refusal::NotEmulated(format!("{what} of channel {name}"))))
            }
            _ => Ok(topic),
        }
    }
}

/// Answers a call. The org and the user are those of its session.
pub(crate) async fn answer(
    emulator: &Emulator,
    request: http::Request<Body>,
    base_url: &str,
) -> (http::Response<Body>, Option<Arc<Org>>, Option<String>) {
    let number = emulator.inner.rpcs.fetch_add(1, Ordering::Relaxed);
    let rpc_id = bus::uuid(&format!("rpc {number} {}", emulator.clock().now()), false);
    let closing = request.extensions().get::<Closing>().cloned();
    match enter(emulator, request.headers(), base_url) {
        Err(refusal) => (refusal.status(&rpc_id).into_http(), None, None),
        Ok((org, token, user_id)) => {
            let visit = Visit { org: org.clone(), user_id: user_id.clone(), token, rpc_id, closing };
            let answered = PubSubServer::new(visit).call(request).await;
            let Ok(response) = answered;
            (response.map(Body::new), Some(org), Some(user_id))
        }
    }
}

/// The org, the token and the user of a call.
fn enter(emulator: &Emulator, headers: &HeaderMap, base_url: &str) -> Result<(Arc<Org>, String, String), Refusal> {
    let given = |name: &str| header(headers, name).map(str::trim).filter(|value| !value.is_empty());
    let (Some(token), Some(_), Some(tenant)) = (given("accesstoken"), given("instanceurl"), given("tenantid")) else {
        return Err(Refusal::Headers);
    };
    if token.starts_with("eyJ") {
        return Err(Refusal::Authentication);
    }
    let (org, session) = emulator.session_at(token, base_url).ok_or(Refusal::Authentication)?;
    let named = tenant.rsplit('/').next().unwrap_or_default();
    let caller = org.caller(&session.user_id);
    let may_call = session.is_for_apis() && caller.has_api() && caller.can("ApiEnabled");
    if crate::id::to18(named).as_deref() != Some(&org.id) || !may_call {
        return Err(Refusal::Authentication);
    }
    Ok((org, token.to_owned(), session.user_id))
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl PubSub for Visit {
    type SubscribeStream = Answers<FetchResponse>;
    type PublishStreamStream = Answers<PublishResponse>;
    type ManagedSubscribeStream = Answers<ManagedFetchResponse>;

    async fn subscribe(
        &self,
        request: Request<Streaming<FetchRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let subscription = Subscription::new(self.clone(), request.into_inner());
        Ok(Response::new(Box::pin(subscription.into_stream())))
    }

    async fn get_schema(&self, request: Request<SchemaRequest>) -> Result<Response<SchemaInfo>, Status> {
        let schema_id = request.into_inner().schema_id;
        if schema_id.is_empty() {
            return Err(self.refuse(Refusal::SchemaIdBlank));
        }
        let known = self.org.read(|tx| bus::schema(tx, &schema_id));
        let schema_json = known.ok_or_else(|| self.refuse(Refusal::SchemaNotFound(schema_id.clone())))?;
        Ok(Response::new(SchemaInfo { schema_json, schema_id, rpc_id: self.rpc_id.clone() }))
    }

    async fn get_topic(&self, request: Request<TopicRequest>) -> Result<Response<TopicInfo>, Status> {
        let topic_name = request.into_inner().topic_name;
        let topic = self.topic(&topic_name)?;
        let caller = self.caller()?;
        if let Some(shape) = topic.shape() {
            self.org.write(|tx| bus::keep_schema(tx, shape)).expect("the store's own table can be written");
        }
        Ok(Response::new(TopicInfo {
            topic_name,
            tenant_guid: self.tenant(),
            can_publish: topic.takes_from(&caller),
            can_subscribe: topic.admits(&caller),
            schema_id: topic.shape().map(|shape| shape.schema_id.clone()).unwrap_or_default(),
            rpc_id: self.rpc_id.clone(),
        }))
    }

    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        publish::publish(self, request.into_inner()).map(Response::new)
    }

    async fn publish_stream(
        &self,
        request: Request<Streaming<PublishRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        Ok(Response::new(Box::pin(publish::stream(self.clone(), request.into_inner()))))
    }

    async fn managed_subscribe(
        &self,
        _: Request<Streaming<ManagedFetchRequest>>,
    ) -> Result<Response<Self::ManagedSubscribeStream>, Status> {
        Err(self.refuse(Refusal::NotEmulated("ManagedSubscribe".to_owned())))
    }
}
