//! Bounds of the group coordinator, each with its reason and with what happens there.

use std::time::Duration;

use tidelog_model::limits::{GROUP_RECORD_BYTES_MAX, GROUP_RECORDS_BYTES_MAX};

/// Members of one group, and again as many member ids handed out and not used yet. Each rebalance sends the whole list
/// to the leader. A member too many gets `GROUP_MAX_SIZE_REACHED`.
pub const GROUP_MEMBERS_MAX: usize = 2_000;
/// Groups with members, or emptied lately, on one node. At the bound the group that has been empty longest makes room;
/// when none is empty, `COORDINATOR_NOT_AVAILABLE`.
pub const GROUPS_MAX: usize = 16_384;
/// What one member may say about itself in a JoinGroup: names and metadata of all its protocols, its ids.
pub const MEMBER_BYTES_MAX: usize = 1024 * 1024;
/// Protocols that one member may state in a JoinGroup; Kafka's clients state one to three. Each join and each rebalance
/// looks at those of all members with the group locked. At the bound `INCONSISTENT_GROUP_PROTOCOL`: clients take it for
/// final and it names what is wrong, while `UNKNOWN_SERVER_ERROR` would send people to look at the server.
pub const MEMBER_PROTOCOLS_MAX: usize = 64;
/// What one group keeps: members and assignments. Kafka's own bound is the largest message of its offsets topic, 1 MiB.
pub const GROUP_BYTES_MAX: usize = 3 * 1024 * 1024;
/// What all groups of a node keep together. At the bound a join or an assignment gets `COORDINATOR_NOT_AVAILABLE`.
pub const ALL_GROUPS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Client and instance ids are cut to this length when they become part of a member id.
pub const MEMBER_ID_PREFIX_BYTES_MAX: usize = 249;

/// Kafka's `group.min.session.timeout.ms`: shorter ones would expel a member for a pause of its garbage collector.
pub const SESSION_TIMEOUT_MIN: Duration = Duration::from_secs(6);
/// Kafka's `group.max.session.timeout.ms`: for so long the partitions of a dead member may stay unread.
pub const SESSION_TIMEOUT_MAX: Duration = Duration::from_secs(30 * 60);
/// A shorter rebalance timeout is raised to this; nobody rejoins faster than it can hear of the rebalance.
pub const REBALANCE_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// How long a new member may wait in its first JoinGroup. It cannot send heartbeats yet, and a client that has gone away
/// and come back would leave a second member behind; Kafka's number.
pub const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// How long an empty group is remembered, so that its generations go on from where they were.
pub const EMPTY_GROUP_KEPT: Duration = Duration::from_secs(10 * 60);
/// Default of the initial rebalance delay (Kafka: 3 s). Longer: a fleet of consumers that starts together rebalances
/// once instead of once per member. Shorter: a lone consumer gets its first record sooner.
pub const INITIAL_REBALANCE_DELAY_DEFAULT: Duration = Duration::from_millis(100);

/// Independent locks over the groups.
pub const SHARDS: usize = 16;

const _: () = assert!(MEMBER_BYTES_MAX <= GROUP_BYTES_MAX);
const _: () = assert!(GROUP_BYTES_MAX <= ALL_GROUPS_BYTES_MAX);
// What a node takes in, the catalog can store.
const _: () = assert!(GROUP_BYTES_MAX + GROUP_BYTES_MAX / 4 <= GROUP_RECORD_BYTES_MAX);
const _: () = assert!(ALL_GROUPS_BYTES_MAX * 2 <= GROUP_RECORDS_BYTES_MAX);
const _: () = assert!(GROUPS_MAX.is_multiple_of(SHARDS));
