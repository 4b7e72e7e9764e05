//! JSON that says what to do, and JSON that tells how things are, each as a whole.

use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidelog_http_api::object_from_str;

use crate::body::Arriving;
use crate::encoding;
use crate::errors::Code;
use crate::gateway::Shared;
use crate::memory::{Address, Room, Taker};
use crate::negotiate::{self, JSON};
use crate::problem::Refused;
use crate::produce::{check_text, json_error};
use crate::topics::content_length;

/// A request's body.
///
/// # Errors
/// When it is no JSON, none of this kind, larger than `bytes_max`, or does not come.
pub(crate) async fn read<T: DeserializeOwned>(
    shared: &Arc<Shared>,
    (address, headers): (Address, &HeaderMap),
    body: Body,
    bytes_max: usize,
) -> Result<T, Refused> {
    negotiate::content_type(headers, &[JSON])?;
    encoding::none_of_body(headers)?;
    let whole = Arriving::new(shared, address, body).whole(content_length(headers), bytes_max).await?;
    let text = check_text(&whole.bytes)?;
    object_from_str(text).map_err(|error| json_error(&error, Code::InvalidBody))
}

/// An answer as JSON. It ends its line, for people at a terminal.
pub(crate) fn bytes_of(answer: &impl Serialize) -> Vec<u8> {
    let mut body = serde_json::to_vec(answer).expect("texts and numbers, with texts as keys");
    body.push(b'\n');
    body
}

/// An answer in the room that it takes until its client has it.
pub(crate) fn write(taker: &Arc<Taker>, room: Room, answer: &impl Serialize) -> Response {
    let body = bytes_of(answer);
    ([(CONTENT_TYPE, JSON), (CACHE_CONTROL, "no-store")], Body::from(taker.hold(body, room))).into_response()
}
