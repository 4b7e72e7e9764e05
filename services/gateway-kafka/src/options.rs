//! What can be set about the Kafka door, and its bounds.

use std::time::Duration;

use tidelog_model::{NodeId, TenantId};

/// Options of [`crate::Gateway`].
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// This node; clients see it as the broker id.
    pub node: NodeId,
    /// Whose connections these are: as yet all of them belong to one tenant.
    pub tenant: TenantId,
    /// The host that clients are told to connect to.
    pub advertised_host: String,
    /// The port that clients are told to connect to.
    pub advertised_port: u16,
    /// The zone that it is in, if that was said; clients see it as the broker's rack.
    pub zone: Option<String>,
    /// Whether a topic that is produced to or asked about comes into being, if its client allows that too.
    pub auto_create_topics: bool,
    /// Partitions of a topic whose creator does not say how many.
    pub partitions_default: u32,
    /// Connections at once. Further ones are closed at once.
    pub connections_max: usize,
    /// Requests of one connection that are being worked on. At the bound its socket is not read.
    pub connection_requests_max: usize,
    /// Bytes of their frames. At the bound its socket is not read; a frame larger than this waits until it is alone.
    pub connection_bytes_max: usize,
    /// Bytes of records in Fetch answers, on the whole node, from when they are read until they are written. Near
    /// the bound answers become smaller, at the bound reads wait.
    pub fetch_bytes_max: usize,
    /// Bytes of records in one Fetch answer, whatever the client would take.
    pub fetch_answer_bytes_max: usize,
    /// A connection without a request for this long is closed; Kafka's `connections.max.idle.ms`.
    pub idle_timeout: Duration,
    /// A frame that has begun must go on after this long, and be there after this and a second more for each 64 KiB, a
    /// minute at most.
    pub frame_timeout: Duration,
    /// A client that takes no byte of its answers for this long is disconnected; one that takes them slower than 64 KiB in
    /// a second, after this and two minutes at most.
    pub write_timeout: Duration,
    /// How long a stop waits for requests that are being worked on.
    pub drain_timeout: Duration,
}

/// The slowest that a frame may arrive and an answer be taken.
pub(crate) const BYTES_PER_SECOND_MIN: usize = 64 * 1024;
/// Frames that take more memory than this wait for each other while they arrive, and leave the rest of the room to small
/// ones: clients send 1 MiB at most unless they are told otherwise.
pub(crate) const LARGE_FRAME_BYTES: usize = 2 << 20;
/// Bytes of such frames that may be arriving at once; a larger one comes alone.
pub(crate) const LARGE_FRAMES_ARRIVING_BYTES_MAX: usize = 64 << 20;
/// Records in an answer when memory for answers is short.
pub(crate) const ANSWER_BYTES_WHEN_SHORT: usize = 1 << 20;
/// Longest wait that a Fetch can ask for; clients ask for half a second.
pub(crate) const FETCH_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a Fetch waits at least for room for its records: as long as clients wait for records, as a rule.
pub(crate) const FETCH_ROOM_WAIT_MIN: Duration = Duration::from_millis(500);
/// Bounds of a Produce request's own timeout. Below the lower one a slow flush would look like a failure.
pub(crate) const PRODUCE_TIMEOUT_MIN: Duration = Duration::from_secs(5);
pub(crate) const PRODUCE_TIMEOUT_MAX: Duration = Duration::from_secs(120);
/// Fetch sessions kept on the node; Kafka's `max.incremental.fetch.session.cache.slots`.
pub(crate) const FETCH_SESSIONS_MAX: usize = 1_000;
/// Partitions in all of them, about 250 bytes each.
pub(crate) const FETCH_SESSION_PARTITIONS_MAX: usize = 500_000;
/// A session may be displaced by a new one when it was not used for this long; Kafka's number.
pub(crate) const FETCH_SESSION_IDLE_MIN: Duration = Duration::from_secs(120);
/// Producer ids fetched from the catalog at once.
pub(crate) const PRODUCER_IDS_BLOCK: u32 = 1_000;
/// Partitions in one answer to DescribeTopicPartitions; Kafka's `max.request.partition.size.limit`.
pub(crate) const TOPIC_PARTITIONS_PER_ANSWER_MAX: usize = 2_000;
/// Reads at the tail or look-ups of one request that are under way at once.
pub(crate) const LOOKUPS_AT_ONCE: usize = 64;

impl GatewayOptions {
    /// The defaults of one process.
    #[must_use]
    pub fn embedded(node: NodeId, tenant: TenantId, advertised_host: String, advertised_port: u16) -> GatewayOptions {
        GatewayOptions {
            node,
            tenant,
            advertised_host,
            advertised_port,
            zone: None,
            auto_create_topics: true,
            partitions_default: 1,
            connections_max: 10_000,
            connection_requests_max: 32,
            connection_bytes_max: 64 << 20,
            fetch_bytes_max: 128 << 20,
            fetch_answer_bytes_max: 16 << 20,
            idle_timeout: Duration::from_secs(600),
            frame_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
        }
    }

    pub(crate) fn broker_id(&self) -> i32 {
        i32::try_from(self.node.0).expect("node ids are small: the gateway checks its own when it is made")
    }
}
