//! Topics.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{OneOfBuilder, Schema};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Type};

use crate::WireOffset;

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"name": "orders", "partitions": 6, "configs": {"retention.ms": 3_600_000}})))]
pub struct TopicInput {
    /// 1 to 249 of `a-z A-Z 0-9 . _ -`.
    #[schema(min_length = 1, max_length = 249, pattern = "^[a-zA-Z0-9._-]+$")]
    pub name: String,
    /// How many partitions; the server's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100_000)]
    pub partitions: Option<u32>,
    /// Settings by Kafka's names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<String, ConfigValue>,
}

/// What is to change about a topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"configs": {"retention.ms": "86400000"}}))]
pub struct TopicChanges {
    /// Settings by Kafka's names; null for one that goes back to its default. Those that are not named stay as they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(schema_with = config_changes)]
    pub configs: BTreeMap<String, Option<ConfigValue>>,
    /// How many partitions it is to have in all: as many as it has, or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100_000)]
    pub partitions: Option<u32>,
}

/// Values by name, any of which may be null: the derived schema cannot say so.
fn config_changes() -> RefOr<Schema> {
    let either = OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .item(Ref::from_schema_name(ConfigValue::name()));
    let description = "Settings by Kafka's names; null for one that goes back to its default. Those that are not named stay as they are.";
    let values = RefOr::T(Schema::OneOf(either.build()));
    ObjectBuilder::new().additional_properties(Some(values)).description(Some(description)).into()
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "the value of a setting is neither text, nor a number, nor true or false")]
pub enum ConfigValue {
    /// As Kafka writes it.
    Text(String),
    /// A number is as good as its digits.
    #[schema(value_type = f64)]
    Number(serde_json::Number),
    /// `true` or `false`.
    Boolean(bool),
}

impl fmt::Display for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigValue::Text(text) => f.write_str(text),
            ConfigValue::Number(number) => number.fmt(f),
            ConfigValue::Boolean(boolean) => boolean.fmt(f),
        }
    }
}

/// A topic that now exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(examples(json!({"name": "orders", "id": "f3b1c9a2-7d44-4e0b-9f5e-2b8a6c1d0e77", "partitions": 6})))]
pub struct TopicCreated {
    /// Its name.
    pub name: String,
    /// Its id, a UUID, which never names another topic.
    pub id: String,
    /// How many partitions it has.
    pub partitions: u32,
}

/// A topic among others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicSummary {
    /// Its name.
    pub name: String,
    /// Its id, a UUID, which never names another topic.
    pub id: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// With `details`: how many offsets are between the beginnings and the tails of its partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// With `details`: bytes of its batches, as they are stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// Topics, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(examples(json!({
    "topics": [{"name": "orders", "id": "f3b1c9a2-7d44-4e0b-9f5e-2b8a6c1d0e77", "partitions": 6}],
    "next": "orders",
})))]
pub struct TopicList {
    /// As many as were asked for.
    pub topics: Vec<TopicSummary>,
    /// When there are more: what to say as `after` to get them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// All about a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(examples(json!({
    "name": "orders",
    "id": "f3b1c9a2-7d44-4e0b-9f5e-2b8a6c1d0e77",
    "partition_count": 1,
    "partitions": [{"partition": 0, "log_start": 0, "high_watermark": 42, "bytes": 4711}],
    "configs": {"retention.ms": {"value": "3600000", "is_set": true}},
})))]
pub struct TopicInfo {
    /// Its name.
    pub name: String,
    /// Its id, a UUID, which never names another topic.
    pub id: String,
    /// How many partitions it has.
    pub partition_count: u32,
    /// Its partitions, as many as were asked for.
    pub partitions: Vec<PartitionInfo>,
    /// When there are more: what to say as `from_partition` to get them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_partition: Option<u32>,
    /// Its settings, by Kafka's names.
    pub configs: BTreeMap<String, ConfigView>,
}

/// Where a partition begins and ends, and how large it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionInfo {
    /// Its number, from 0.
    pub partition: u32,
    /// The first offset that can be read.
    pub log_start: WireOffset,
    /// The offset that the next record will get.
    pub high_watermark: WireOffset,
    /// Bytes of its batches, as they are stored.
    pub bytes: u64,
}

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigView {
    /// What holds.
    pub value: String,
    /// Whether it was set for this topic; else it is the default.
    pub is_set: bool,
}
