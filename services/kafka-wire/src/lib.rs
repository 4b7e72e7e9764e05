//! Kafka frames and typed requests: bytes to messages and back, under limits.
//!
//! **Owns:** the table of APIs and versions that are advertised ([`ADVERTISED`]), the checks that a frame passes before a
//! byte is allocated for it, request decoding, response encoding (Fetch without copying records), Kafka's error codes.
//! **Promises:** any input bytes give a message or an error: no panic, no allocation beyond a small multiple of the bytes
//! that are there; the records of a decoded Produce request share the frame's memory. The only door to the codec crates.
//! **Does not know:** sockets, what a request means, where records are stored.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod apis;
mod error_code;
mod fetch_reply;
mod frame;
pub mod messages;
mod produce_entries;
mod request;
mod response;
#[doc(hidden)]
pub mod testing;
mod throttle;

pub use apis::{ADVERTISED, Advertised, Api};
pub use error_code::ErrorCode;
pub use fetch_reply::{FetchReply, FetchReplyPartition, FetchReplyTopic, encode_fetch_reply};
pub use frame::{CONTROL_FRAME_BYTES_MAX, FRAME_PREFIX_BYTES, FrameError, FramePrefix, check_frame};
pub use kafka_wire_core::{StrBytes, Uuid};
pub use produce_entries::{PRODUCE_ENTRIES_MAX, produce_entries};
pub use request::{Request, RequestError, RequestHeader, decode_request};
pub use response::{EncodeFailed, encode_response, encode_response_at};
pub use throttle::set_throttle_time;
