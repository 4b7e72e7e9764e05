//! The client's half of the wire, for tests: requests are encoded, answers decoded.

use bytes::{Bytes, BytesMut};
use kafka_wire::{KafkaRequest, KafkaResponse, OutboundFrameLimits};
use kafka_wire_core::{ApiVersion, DecodeLimits, Decoder};
use tidelog_model::limits::FRAME_BYTES_MAX;

use crate::response::header_is_flexible;
use crate::{Api, RequestHeader};

/// A request's frame, length field included, and the header that its answer is read by.
///
/// # Panics
/// When the request does not fit its version.
#[must_use]
pub fn encode_request<R: KafkaRequest>(version: i16, correlation_id: i32, request: &R) -> (RequestHeader, Bytes) {
    let api = Api::from_key(R::API_KEY.value()).expect("the API is offered");
    let mut frame = BytesMut::new();
    let limits = OutboundFrameLimits::new(FRAME_BYTES_MAX);
    let client_id = Some("test".into());
    kafka_wire::encode_request(
        &mut frame,
        correlation_id,
        client_id.clone(),
        request,
        ApiVersion::new(version),
        limits,
    )
    .unwrap_or_else(|error| panic!("{} v{version}: {error}", R::NAME));
    (RequestHeader { api, version, correlation_id, client_id }, frame.freeze())
}

/// Reads the answer to a request from a frame without its length field.
///
/// # Panics
/// When it is not the answer to that request, byte for byte to its end.
#[must_use]
pub fn decode_response<M: KafkaResponse>(to: &RequestHeader, frame: Bytes) -> M {
    let mut input = Decoder::new(frame, DecodeLimits::default()).expect("a frame within limits");
    assert_eq!(input.read_i32().expect("a correlation id"), to.correlation_id, "answers come in order");
    if header_is_flexible(to.api, to.version) {
        input.read_tagged_fields().expect("tagged fields");
    }
    let message = M::decode(&mut input, ApiVersion::new(to.version)).expect("a message of the version");
    input.finish().expect("nothing behind the message");
    message
}
