//! The settings that a topic may have: Kafka's names. Most have no effect yet; all are kept and shown.

use tidelog_catalog_api::TopicView;
use tidelog_model::limits::{BATCH_BYTES_DEFAULT, BATCH_BYTES_MAX};

/// `org.apache.kafka.common.config.TopicConfig`, Kafka 4.
const NAMES: [&str; 35] = [
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "errors.deadletterqueue.group.enable",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "internal.segment.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.downconversion.enable",
    "message.format.version",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.difference.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "unclean.leader.election.enable",
];

/// More of them, which come in families with their neighbours above.
const MORE_NAMES: [&str; 3] = ["segment.index.bytes", "segment.jitter.ms", "segment.ms"];

/// Bytes of one setting's value.
const VALUE_BYTES_MAX: usize = 4 * 1024;

/// Checks a setting as a client gave it.
///
/// # Errors
/// A text for the client.
pub(crate) fn check(name: &str, value: Option<&str>) -> Result<(), String> {
    if !NAMES.contains(&name) && !MORE_NAMES.contains(&name) {
        return Err(format!("Unknown topic config name: {name}"));
    }
    let Some(value) = value else {
        return Err(format!("Null value not supported for topic configs: {name}"));
    };
    if value.len() > VALUE_BYTES_MAX {
        return Err(format!("Value of {name} is longer than {VALUE_BYTES_MAX} bytes"));
    }
    if name == "max.message.bytes" && value.trim().parse::<u32>().is_err() {
        return Err(format!("Invalid value {value} for configuration {name}: it is not a number of bytes"));
    }
    Ok(())
}

/// The largest batch that a topic takes.
pub(crate) fn batch_bytes_max(topic: &TopicView) -> usize {
    let set = topic.configs.get("max.message.bytes").and_then(|value| value.trim().parse::<usize>().ok());
    set.unwrap_or(BATCH_BYTES_DEFAULT).min(BATCH_BYTES_MAX)
}
