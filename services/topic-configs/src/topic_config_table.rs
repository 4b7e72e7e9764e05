//! Every setting that a topic may have: `LogConfig` of Apache Kafka 4.3, with its names, types, defaults and valid values.
//!
//! A setting without an effect is checked, kept and shown, so that what is written for Kafka runs unchanged. It gets its
//! effect here together with the code that gives it one, and docs/kafka-compatibility.md says so (a test compares).

use crate::config_kinds::Kind;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct TopicConfig {
    /// Its name.
    pub name: &'static str,
    /// What is valid in it.
    pub kind: Kind,
    /// What holds where nothing is set.
    pub default: &'static str,
    /// The broker's setting that its default comes from, if that has a value.
    pub broker: Option<&'static str>,
    /// What it does in Tidelog; `None`: nothing yet.
    pub effect: Option<&'static str>,
    /// What it is for.
    pub purpose: &'static str,
}

/// A broker's setting by the same name.
const SAME: &str = "";
const DAY: &str = "86400000";
const WEEK: &str = "604800000";
const LONG_MAX: &str = "9223372036854775807";
const INT_MAX: i32 = i32::MAX;

const fn row(name: &'static str, kind: Kind, default: &'static str, broker: &'static str) -> TopicConfig {
    let broker = if broker.is_empty() { Some(name) } else { Some(broker) };
    TopicConfig { name, kind, default, broker, effect: None, purpose: "" }
}

/// Its default comes from nowhere else.
const fn own(name: &'static str, kind: Kind, default: &'static str) -> TopicConfig {
    TopicConfig { name, kind, default, broker: None, effect: None, purpose: "" }
}

impl TopicConfig {
    const fn is(self, purpose: &'static str) -> TopicConfig {
        TopicConfig { purpose, ..self }
    }

    const fn does(self, effect: &'static str) -> TopicConfig {
        TopicConfig { effect: Some(effect), ..self }
    }
}

/// By name.
pub const TOPIC_CONFIGS: [TopicConfig; 34] = [
    row("cleanup.policy", Kind::ListOf(&["compact", "delete"]), "delete", "log.cleanup.policy")
        .is("What becomes of old records: delete them, compact them by key, or both.")
        .does("With compact, records need a key; with it alone DeleteRecords is refused. None expires or is compacted yet."),
    row("compression.gzip.level", Kind::IntOrDefault { min: 1, max: 9 }, "-1", SAME)
        .is("The level when compression.type is gzip.")
        .does("Of batches that are encoded anew; those that come in gzip stay as they are."),
    row("compression.lz4.level", Kind::Int { min: 1, max: 17 }, "9", SAME)
        .is("The level when compression.type is lz4."),
    row(
        "compression.type",
        Kind::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        "producer",
        SAME,
    )
    .is("The codec that batches are stored in; producer leaves them as they are sent.")
    .does("Batches in another codec are encoded anew. What exceeds max.message.bytes then gets MESSAGE_TOO_LARGE."),
    row("compression.zstd.level", Kind::Int { min: -131_072, max: 22 }, "3", SAME)
        .is("The level when compression.type is zstd.")
        .does("Of batches that are encoded anew; 9 is the most. Those that come in zstd stay as they are."),
    row("delete.retention.ms", Kind::Long { min: 0 }, DAY, "log.cleaner.delete.retention.ms")
        .is("How long compaction keeps tombstones."),
    row("file.delete.delay.ms", Kind::Long { min: 0 }, "60000", "log.segment.delete.delay.ms")
        .is("How long a deleted file is still there."),
    row("flush.messages", Kind::Long { min: 1 }, LONG_MAX, "log.flush.interval.messages")
        .is("Records after which a log is forced to disk. Every acknowledged record is durable here."),
    own("flush.ms", Kind::Long { min: 0 }, LONG_MAX)
        .is("Time after which a log is forced to disk. Every acknowledged record is durable here."),
    own("follower.replication.throttled.replicas", Kind::Replicas, "")
        .is("Followers whose replication is throttled, as partition:broker."),
    row("index.interval.bytes", Kind::Int { min: 0, max: INT_MAX }, "4096", "log.index.interval.bytes")
        .is("How densely offsets are indexed."),
    own("internal.segment.bytes", Kind::Int { min: i32::MIN, max: INT_MAX }, "").is("Of Kafka's own tests."),
    own("leader.replication.throttled.replicas", Kind::Replicas, "")
        .is("Leaders whose replication is throttled, as partition:broker."),
    row("local.retention.bytes", Kind::Long { min: -2 }, "-2", "log.local.retention.bytes")
        .is("How much stays on local disks with tiered storage; -2 for retention.bytes."),
    row("local.retention.ms", Kind::Long { min: -2 }, "-2", "log.local.retention.ms")
        .is("How long records stay on local disks with tiered storage; -2 for retention.ms."),
    row("max.compaction.lag.ms", Kind::Long { min: 1 }, LONG_MAX, "log.cleaner.max.compaction.lag.ms")
        .is("How long a record may stay uncompacted at most."),
    row("max.message.bytes", Kind::Int { min: 0, max: INT_MAX }, "1048588", "message.max.bytes")
        .is("The largest batch that is accepted, as it is sent.")
        .does("Larger batches get MESSAGE_TOO_LARGE; whatever is set, 16 MiB is the most."),
    row("message.timestamp.after.max.ms", Kind::Long { min: 0 }, "3600000", "log.message.timestamp.after.max.ms")
        .is("How far a record's timestamp may lie in the future.")
        .does("Records beyond it get INVALID_TIMESTAMP, and nothing of their batch is stored."),
    row("message.timestamp.before.max.ms", Kind::Long { min: 0 }, LONG_MAX, "log.message.timestamp.before.max.ms")
        .is("How far a record's timestamp may lie in the past.")
        .does("Records before it get INVALID_TIMESTAMP, and nothing of their batch is stored."),
    row(
        "message.timestamp.type",
        Kind::OneOf(&["CreateTime", "LogAppendTime"]),
        "CreateTime",
        "log.message.timestamp.type",
    )
    .is("Whether a record has its producer's timestamp or the time of its append.")
    .does("With LogAppendTime a batch gets this node's time when it comes in."),
    row("min.cleanable.dirty.ratio", Kind::Fraction, "0.5", "log.cleaner.min.cleanable.ratio")
        .is("How much of a log is uncompacted before it is compacted."),
    row("min.compaction.lag.ms", Kind::Long { min: 0 }, "0", "log.cleaner.min.compaction.lag.ms")
        .is("How long a record stays uncompacted at least."),
    row("min.insync.replicas", Kind::Int { min: 1, max: INT_MAX }, "1", SAME)
        .is("Replicas that must have a record before acks=all is answered. Durability is the store's here."),
    row("preallocate", Kind::Boolean, "false", "log.preallocate").is("Whether files are made in their full length."),
    own("remote.log.copy.disable", Kind::Boolean, "false").is("Whether tiered storage takes no further records."),
    own("remote.log.delete.on.disable", Kind::Boolean, "false")
        .is("Whether what is in tiered storage goes when it is switched off."),
    own("remote.storage.enable", Kind::Off, "false")
        .is("Kafka's tiered storage. All records are in the object store here, so it cannot be switched on."),
    row("retention.bytes", Kind::Long { min: i64::MIN }, "-1", "log.retention.bytes")
        .is("How large a partition grows before its oldest records are deleted; -1 for any size."),
    own("retention.ms", Kind::Long { min: -1 }, WEEK)
        .is("How old records grow before they are deleted; -1 for any age."),
    row("segment.bytes", Kind::Int { min: 1_048_576, max: INT_MAX }, "1073741824", "log.segment.bytes")
        .is("How large a log's file grows."),
    row("segment.index.bytes", Kind::Int { min: 4, max: INT_MAX }, "10485760", "log.index.size.max.bytes")
        .is("How large an index's file grows."),
    own("segment.jitter.ms", Kind::Long { min: 0 }, "0").is("By how much the age of log files is varied."),
    own("segment.ms", Kind::Long { min: 1 }, WEEK).is("How old a log's file grows."),
    row("unclean.leader.election.enable", Kind::Boolean, "false", SAME)
        .is("Whether a replica that lacks records may become leader. There are none that do."),
];
