//! What can be seen of the groups from outside.

use tidelog_host::declare_metrics;
use tidelog_host::metric::{Counter, Gauge, counter, gauge};

declare_metrics! {
    gauge GROUPS = "tidelog_kafka_groups", [],
        "Consumer groups that this node coordinates. Does the bound come near?";
    gauge GROUP_BYTES = "tidelog_kafka_group_bytes", [],
        "Bytes that they keep in memory. Does the bound come near?";
    counter REBALANCES = "tidelog_kafka_group_rebalances_total", [],
        "Generations of groups that were begun. Do groups rebalance all the time?";
}

/// Handles made once: every step of a group passes some.
pub(crate) struct GroupMeters {
    pub(crate) groups: Gauge,
    pub(crate) bytes: Gauge,
    pub(crate) rebalances: Counter,
}

impl GroupMeters {
    pub(crate) fn new() -> GroupMeters {
        GroupMeters { groups: gauge!(GROUPS), bytes: gauge!(GROUP_BYTES), rebalances: counter!(REBALANCES) }
    }
}
