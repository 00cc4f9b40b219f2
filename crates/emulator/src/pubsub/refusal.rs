// SPDX-License-Identifier: Apache-2.0
//! Why a call is refused: gRPC status, text, and the code in the trailer `error-code` (`salesforce-api.md` 5.1; Pub/Sub API
//! guide, "Handle Errors").
//!
//! Recorded by clients: the texts and statuses of a bad session, of an unknown topic and of a blank schema id, and the
//! codes of a bad session and a bad replay id. The other codes and texts follow their pattern and are guesses; so is the
//! name of the trailer `rpc-id`.

use crate::answer::Answer;

use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The session is no good, or not one of this org.
    Authentication,
    /// A header is missing.
    Headers,
    TopicNotFound {
        tenant: String,
        topic: String,
    },
    /// The first request names no topic.
    TopicBlank,
    /// A later request names another topic.
    OtherTopic {
        first: String,
        later: String,
    },
    TopicDenied(String),
    PublishDenied(String),
    SchemaIdBlank,
    SchemaNotFound(String),
    /// Fewer than one event is asked for.
    RequestedEventsInvalid,
    /// More than 100 events are asked for.
    RequestedEventsLimit,
    /// `CUSTOM` without a replay id.
    ReplayIdMissing,
    /// No replay id, one that is too old, or one that was never given.
    ReplayIdCorrupted,
    /// Nothing was asked or published for too long.
    Closing,
    /// What Salesforce has and this server lacks.
    NotEmulated(String),
}

impl Refusal {
    fn parts(&self) -> (Code, &'static str, String) {
        match self {
            Refusal::Authentication => (
                Code::Unauthenticated,
                "service.auth.error",
                "An authentication exception occurred. Provide valid authentication via metadata headers.".to_owned(),
            ),
            Refusal::Headers => (
                Code::Unauthenticated,
                "service.auth.headers.invalid",
                "The authentication headers are invalid. Provide the metadata headers accesstoken, instanceurl, and tenantid.".to_owned(),
            ),
            Refusal::TopicNotFound { tenant, topic } => (
                Code::NotFound,
                "topic.not.found",
                format!(
                    "The topic information for org {tenant} and topic {topic} not found. Ensure the topic name is correct and that the topic exists."
                ),
            ),
            Refusal::TopicBlank => {
                (Code::InvalidArgument, "topic.validation.failed", "Topic validation failed. The topic name can't be blank.".to_owned())
            }
            Refusal::OtherTopic { first, later } => (
                Code::InvalidArgument,
                "topic.validation.failed",
                format!("Topic validation failed. The topic {later} doesn't match the topic {first} of the first request."),
            ),
            Refusal::TopicDenied(topic) => (
                Code::PermissionDenied,
                "subscription.topic.permission.denied",
                format!("The user doesn't have permission to subscribe to the topic {topic}."),
            ),
            Refusal::PublishDenied(topic) => (
                Code::PermissionDenied,
                "publish.topic.permission.denied",
                format!("The user doesn't have permission to publish to the topic {topic}."),
            ),
            Refusal::SchemaIdBlank => (
                Code::InvalidArgument,
                "schema.validation.failed",
                "Schema validation failed. The schema ID can't be blank.".to_owned(),
            ),
            Refusal::SchemaNotFound(id) => (
                Code::NotFound,
                "schema.not.found",
                format!("The schema information for schema ID {id} not found. Ensure the schema ID is correct."),
            ),
            Refusal::RequestedEventsInvalid => (
                Code::InvalidArgument,
                "subscription.fetch.requested.events.invalid",
                "The number of requested events must be greater than zero.".to_owned(),
            ),
            Refusal::RequestedEventsLimit => (
                Code::InvalidArgument,
                "subscription.fetch.requested.events.limit.reached",
                "The number of requested events exceeds the limit of 100.".to_owned(),
            ),
            Refusal::ReplayIdMissing => (
                Code::InvalidArgument,
                "subscription.fetch.replayid.validation.failed",
                "The Replay ID validation failed. Provide a Replay ID with the replay preset CUSTOM.".to_owned(),
            ),
            Refusal::ReplayIdCorrupted => (
                Code::InvalidArgument,
                "subscription.fetch.replayid.corrupted",
                "The Replay ID validation failed. Ensure that the Replay ID is valid.".to_owned(),
            ),
            Refusal::Closing => {
                (Code::Unavailable, "service.unavailable", "The Pub/Sub API service is unavailable.".to_owned())
            }
            Refusal::NotEmulated(what) => {
                (Code::Unimplemented, "service.unimplemented", format!("The emulator does not do this: {what}."))
            }
        }
    }

    /// The status with its trailers.
    pub fn status(&self, rpc_id: &str) -> Status {
        let (code, error_code, text) = self.parts();
        let mut trailers = MetadataMap::new();
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = MetadataValue::try_from(value) {
                trailers.insert(name, value);
            }
        };
        put("error-code", &format!("sfdc.platform.eventbus.grpc.{error_code}"));
        put("rpc-id", rpc_id);
        Status::with_metadata(code, format!("{text} rpcId: {rpc_id}"), trailers)
    }
}

/// What a fault refuses with: an HTTP status, and a code that goes into the trailer as it is.
pub fn of_fault(status: u16, code: &str, message: &str) -> Answer {
    let grpc = match status {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        429 => Code::ResourceExhausted,
        502 | 503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Internal,
    };
    let text = percent_encoding::utf8_percent_encode(message, percent_encoding::NON_ALPHANUMERIC).to_string();
    Answer::empty(200)
        .header("content-type", "application/grpc")
        .header("grpc-status", (grpc as i32).to_string())
        .header("grpc-message", text)
        .header("error-code", code)
}
