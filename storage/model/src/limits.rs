//! Every bound in one place, with its reason. Relations between them are checked when compiling.

/// Kafka's own bound on a topic name.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;
/// Largest Kafka frame; Kafka's `socket.request.max.bytes` default.
pub const FRAME_BYTES_MAX: usize = 100 * MIB;
/// Largest record batch accepted: Kafka's `max.message.bytes` default (1 MiB and a batch header) is the topic default;
/// this is the ceiling.
pub const BATCH_BYTES_MAX: usize = 16 * MIB;
/// Kafka's default of `max.message.bytes`.
pub const BATCH_BYTES_DEFAULT: usize = MIB + 12;
/// Records in one batch. A Kafka batch of 16 MiB cannot hold more than this many seven-byte records.
pub const BATCH_RECORDS_MAX: u32 = 2_500_000;
/// A compressed batch may not unfold to more than this.
pub const BATCH_DECOMPRESSED_BYTES_MAX: usize = 128 * MIB;
/// Partitions in one topic.
pub const TOPIC_PARTITIONS_MAX: u32 = 100_000;
/// Topics that one request may create or delete.
pub const TOPICS_PER_REQUEST_MAX: usize = 10_000;
/// Largest flush object: a sealed object holds at least one maximal batch, or that batch could never be written.
pub const OBJECT_BYTES_MAX: usize = 64 * MIB;
/// Bytes that footer and trailer of an object may take.
pub const FOOTER_BYTES_MAX: usize = 16 * MIB;
/// Partitions in one flush object.
pub const OBJECT_PARTITIONS_MAX: usize = 200_000;
/// Slices below this are gathered by one copy at seal; larger ones go by reference.
pub const GATHER_BYTES_MAX: usize = 64 * KIB;
/// Block of the object cache: one ranged GET.
pub const CACHE_BLOCK_BYTES: usize = MIB;
/// Inline payloads that wait in the catalog to be moved to an object, in all.
pub const INLINE_BYTES_MAX: usize = 64 * MIB;
/// Largest inline flush.
pub const INLINE_FLUSH_BYTES_MAX: usize = 256 * KIB;
/// Object ids in one grant.
pub const GRANT_OBJECTS_MAX: u32 = 4_096;
/// Last batches remembered per (producer, partition): Kafka's own number, and its clients' bound on requests in flight.
pub const PRODUCER_BATCHES_KEPT: usize = 5;
/// Producers remembered per partition; beyond it the idlest is evicted, and the eviction recorded.
pub const PARTITION_PRODUCERS_MAX: usize = 10_000;
/// Outcomes retained per (session, lane) until acknowledged.
pub const OUTCOMES_RETAINED_MAX: usize = 1_024;
/// Bytes of metadata that a group offset may carry; Kafka's `offset.metadata.max.bytes`.
pub const OFFSET_METADATA_BYTES_MAX: usize = 4_096;
/// Length of a group id.
pub const GROUP_ID_BYTES_MAX: usize = 32_767;
/// What the catalog remembers of one group with its members; Kafka's own bound is its largest message, 1 MiB.
pub const GROUP_RECORD_BYTES_MAX: usize = 4 * MIB;
/// And of all groups.
pub const GROUP_RECORDS_BYTES_MAX: usize = 128 * MIB;
/// Users, client ids and addresses of one tenant that quotas are kept for.
pub const QUOTA_ENTITIES_MAX: usize = 10_000;
/// Length of the name of one of them.
pub const QUOTA_NAME_BYTES_MAX: usize = 1_024;

/// Metrics subscriptions of one tenant. Each telemetry request of a client is held against all of them.
pub const METRICS_SUBSCRIPTIONS_MAX: usize = 256;
/// Length of the name of one of them.
pub const METRICS_SUBSCRIPTION_NAME_BYTES_MAX: usize = 249;
/// Bytes of its settings, with their names.
pub const METRICS_SUBSCRIPTION_BYTES_MAX: usize = 8 * KIB;

/// Batches of one request with an Idempotency-Key.
pub const KEY_BATCHES_MAX: usize = 1_000;
/// Batches of all requests of a tenant that are remembered by their keys: about 200 bytes each.
pub const KEYED_BATCHES_MAX: usize = 200_000;
/// Producers of one partition that are remembered as halted. Of more, those are forgotten whose ids are the oldest; what
/// they have under way is still refused for the gap in its sequence.
pub const HALTED_PRODUCERS_MAX: usize = 64;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

const _: () = assert!(OBJECT_BYTES_MAX >= BATCH_BYTES_MAX + FOOTER_BYTES_MAX);
const _: () = assert!(INLINE_BYTES_MAX >= 16 * INLINE_FLUSH_BYTES_MAX);
const _: () = assert!(KEYED_BATCHES_MAX >= 100 * KEY_BATCHES_MAX);
const _: () = assert!(FRAME_BYTES_MAX > BATCH_BYTES_MAX);
// Positions of batches in an object are kept in 32 bits.
const _: () = assert!(OBJECT_BYTES_MAX < u32::MAX as usize);
