//! What went wrong, in the form of RFC 9457.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ProducedLines, WireOffset};

/// A request that did not do what it should. `code` is stable and for programs, `detail` is for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(examples(json!({
    "type": "urn:tidelog:problem:unknown_topic",
    "title": "There is no such topic",
    "status": 404,
    "code": "unknown_topic",
    "detail": "there is no topic \"orders\"; POST /v1/topics creates one",
    "retry": false,
    "may_have_happened": false,
    "request_id": "5f0c2f6f9d3b4a1e8f6a7b2c1d0e9f8a",
})))]
pub struct Problem {
    /// `urn:tidelog:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What it is, for programs. Codes are never reused.
    pub code: String,
    /// What it is this time, and what would work.
    pub detail: String,
    /// Whether the same request may succeed later without anyone changing it. False where something of it is stored, which it
    /// would store again: not so with an Idempotency-Key or a producer.
    pub retry: bool,
    /// Whether what was asked may have happened all the same: true when an answer was lost on the way to us.
    pub may_have_happened: bool,
    /// Names the request in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Where in the request it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Place>,
    /// The partition that it is about, where it is about one: an offset that is not there, records that are damaged, a batch that
    /// was refused. What is told of a partition beside this is told of that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Of an append of lines: what is stored all the same. Nothing else of the request is, unless `may_have_happened`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<ProducedLines>,
    /// Of an append of several records that were tried: what became of each, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<RecordOutcome>>,
    /// Of an offset out of range: the first that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_start: Option<WireOffset>,
    /// Of an offset out of range: the one that the next record will get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_watermark: Option<WireOffset>,
    /// Of a condition that did not hold: where the partition ended when it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<WireOffset>,
    /// Of a fencing token that is too low: the highest that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fencing_token: Option<WireOffset>,
    /// Of a sequence out of order: the one that is next in the partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_sequence: Option<i32>,
    /// Of a producer that is refused: the epoch that stands in its way. A higher one works, from sequence 0 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer_epoch: Option<i16>,
}

/// A place in a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// The line, or the row of an Arrow IPC stream, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The column in the line, in bytes, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// The record, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// The field of a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The parameter or header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
}

/// What became of a record: stored with an offset, or refused with a code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordOutcome {
    /// Where it is or should have been.
    pub partition: u32,
    /// Its offset, when it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<WireOffset>,
    /// Why not, as a problem's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whether it may be stored all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_have_happened: bool,
}
