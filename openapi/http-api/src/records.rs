//! Records on their way in and out.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::WireOffset;

/// Records to append.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"records": [{"key": "you", "value": "hello"}, {"value": {"any": ["json"]}}]})))]
pub struct RecordsInput {
    /// In order.
    pub records: Vec<RecordInput>,
}

/// A record to append. Key and value are bytes: a JSON string stands for its UTF-8 bytes; an object, array, number or boolean
/// for its JSON text as it was sent; `…_base64` for what it decodes to. A value that is null or absent is a null value, which
/// on a compacted topic deletes the key.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordInput {
    /// Records of one key go to one partition, the same as Kafka's producers choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub key: Option<Box<RawValue>>,
    /// The key as base64; instead of `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(content_encoding = "base64")]
    pub key_base64: Option<String>,
    /// What is to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub value: Option<Box<RawValue>>,
    /// The value as base64; instead of `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(content_encoding = "base64")]
    pub value_base64: Option<String>,
    /// Names and values, in order. A name may be there more than once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderInput>,
    /// The partition to append to; else the key decides, and without a key the records of a request go to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Milliseconds since 1970; now, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub timestamp: Option<i64>,
}

/// A header of a record to append.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderInput {
    /// Its name.
    pub name: String,
    /// Its value; null or absent is a null value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value as base64; instead of `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(content_encoding = "base64")]
    pub value_base64: Option<String>,
}

/// What an append is answered with: of a list each record, of lines what is bounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Appended {
    /// Of a list, or of one record.
    Records(Produced),
    /// Of lines.
    Lines(ProducedLines),
}

/// Records that are stored, each where the request had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(examples(json!({"records": [{"partition": 0, "offset": 41}, {"partition": 0, "offset": 42}]})))]
pub struct Produced {
    /// In the order of the request.
    pub records: Vec<RecordPlace>,
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordPlace {
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: WireOffset,
}

/// Lines that are stored, or rows of an Arrow IPC stream. However many there were, the answer is bounded: lines that follow each
/// other in request and partition are told as one run, and 1,000 runs at most are told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(examples(json!({
    "records": 2,
    "runs": [{"line": 1, "count": 2, "partition": 0, "offset": 41}],
    "is_complete": true,
    "partitions": [{"partition": 0, "records": 2, "first_offset": 41, "last_offset": 42}],
})))]
pub struct ProducedLines {
    /// How many records are stored.
    pub records: u64,
    /// Which lines are where, in the order in which they were stored.
    pub runs: Vec<LineRun>,
    /// Whether `runs` tells of all records. `partitions` always does.
    pub is_complete: bool,
    /// What is stored in each partition that got any.
    pub partitions: Vec<PartitionPlaces>,
}

/// Lines that follow each other, with offsets that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineRun {
    /// The first line, or the first row of all, from 1.
    pub line: u64,
    /// How many lines.
    pub count: u64,
    /// Their partition.
    pub partition: u32,
    /// The offset of the first.
    pub offset: WireOffset,
}

/// What a request has stored in one partition. Records of others may lie between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionPlaces {
    /// The partition.
    pub partition: u32,
    /// How many records.
    pub records: u64,
    /// Of the first of them.
    pub first_offset: WireOffset,
    /// Of the last of them.
    pub last_offset: WireOffset,
}

/// Records that were read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(examples(json!({
    "records": [{"partition": 0, "offset": 41, "timestamp": 1_769_860_800_000_i64, "key": "you", "value": "hello"}],
    "next_offset": 42,
    "high_watermark": 42,
})))]
pub struct RecordPage {
    /// In order.
    pub records: Vec<Record>,
    /// What to say as `from` to go on.
    pub next_offset: WireOffset,
    /// The offset that the next record of the partition will get.
    pub high_watermark: WireOffset,
}

/// A record that was read. Bytes that are no UTF-8 text come as base64, under another name.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(examples(json!({"partition": 0, "offset": 41, "timestamp": 1_769_860_800_000_i64, "key": "you", "value": "hello"})))]
pub struct Record {
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: WireOffset,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Its key as text; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its key as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(content_encoding = "base64")]
    pub key_base64: Option<String>,
    /// Its value: text, or with `value_format=json` any JSON; null when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub value: Option<Box<RawValue>>,
    /// Its value as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(content_encoding = "base64")]
    pub value_base64: Option<String>,
    /// Its headers, when it has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderOutput>,
    /// Of a topic as a whole: what to say as `cursor` to go on after this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A header of a record that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeaderOutput {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its name as base64, when it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(content_encoding = "base64")]
    pub name_base64: Option<String>,
    /// Its value as text; null when it has none.
    #[serde(default)]
    pub value: Option<String>,
    /// Its value as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(content_encoding = "base64")]
    pub value_base64: Option<String>,
}
