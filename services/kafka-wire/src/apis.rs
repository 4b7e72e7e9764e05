//! The APIs and versions that are offered. An explicit table: a codec's own range names versions that nobody here handles.

/// An API that is handled here.
#[allow(missing_docs, reason = "the names are Kafka's")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum Api {
    Produce = 0,
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    OffsetCommit = 8,
    OffsetFetch = 9,
    FindCoordinator = 10,
    JoinGroup = 11,
    Heartbeat = 12,
    LeaveGroup = 13,
    SyncGroup = 14,
    DescribeGroups = 15,
    ListGroups = 16,
    ApiVersions = 18,
    CreateTopics = 19,
    DeleteTopics = 20,
    DeleteRecords = 21,
    InitProducerId = 22,
    OffsetForLeaderEpoch = 23,
    DescribeConfigs = 32,
    AlterConfigs = 33,
    DescribeLogDirs = 35,
    CreatePartitions = 37,
    DeleteGroups = 42,
    ElectLeaders = 43,
    IncrementalAlterConfigs = 44,
    AlterPartitionReassignments = 45,
    ListPartitionReassignments = 46,
    OffsetDelete = 47,
    DescribeClientQuotas = 48,
    AlterClientQuotas = 49,
    DescribeQuorum = 55,
    UpdateFeatures = 57,
    DescribeCluster = 60,
    DescribeProducers = 61,
    GetTelemetrySubscriptions = 71,
    PushTelemetry = 72,
    ListConfigResources = 74,
    DescribeTopicPartitions = 75,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// The API.
    pub api: Api,
    /// The oldest version that is advertised.
    pub version_min: i16,
    /// The oldest version that is understood; older ones that are advertised are refused.
    pub version_understood_min: i16,
    /// The newest version that is advertised and understood.
    pub version_max: i16,
    /// The first version with compact lengths and tagged fields.
    pub flexible_from: i16,
}

/// For an API without flexible versions.
pub(crate) const NEVER_FLEXIBLE: i16 = i16::MAX;

const fn row(api: Api, version_min: i16, version_max: i16, flexible_from: i16) -> Advertised {
    Advertised { api, version_min, version_understood_min: version_min, version_max, flexible_from }
}

/// What `ApiVersions` answers, by key. Ranges are Apache Kafka 4's, except where a line says otherwise.
pub const ADVERTISED: [Advertised; 39] = [
    // 0 to 2 are refused: older librdkafka sends uncompressed when they are not advertised (KAFKA-18659).
    Advertised { api: Api::Produce, version_min: 0, version_understood_min: 3, version_max: 13, flexible_from: 9 },
    row(Api::Fetch, 4, 18, 12),
    row(Api::ListOffsets, 1, 11, 6),
    row(Api::Metadata, 0, 13, 9),
    row(Api::OffsetCommit, 2, 10, 8),
    row(Api::OffsetFetch, 1, 10, 6),
    // The kind of key that 6 adds is for brokers among each other, and refused as any other that is none.
    row(Api::FindCoordinator, 0, 6, 3),
    row(Api::JoinGroup, 0, 9, 6),
    row(Api::Heartbeat, 0, 4, 4),
    row(Api::LeaveGroup, 0, 5, 4),
    row(Api::SyncGroup, 0, 5, 4),
    row(Api::DescribeGroups, 0, 6, 5),
    row(Api::ListGroups, 0, 5, 3),
    // 5 is newer than Apache Kafka 4.3.
    row(Api::ApiVersions, 0, 4, 3),
    row(Api::CreateTopics, 2, 7, 5),
    row(Api::DeleteTopics, 1, 6, 4),
    row(Api::DeleteRecords, 0, 2, 2),
    row(Api::InitProducerId, 0, 5, 2),
    row(Api::OffsetForLeaderEpoch, 2, 4, 4),
    row(Api::DescribeConfigs, 1, 4, 4),
    row(Api::AlterConfigs, 0, 2, 2),
    row(Api::DescribeLogDirs, 1, 5, 2),
    row(Api::CreatePartitions, 0, 3, 2),
    // 3 is newer than Apache Kafka 4.3.
    row(Api::DeleteGroups, 0, 2, 2),
    row(Api::ElectLeaders, 0, 2, 2),
    row(Api::IncrementalAlterConfigs, 0, 1, 1),
    row(Api::AlterPartitionReassignments, 0, 1, 0),
    row(Api::ListPartitionReassignments, 0, 0, 0),
    row(Api::OffsetDelete, 0, 0, NEVER_FLEXIBLE),
    row(Api::DescribeClientQuotas, 0, 1, 1),
    row(Api::AlterClientQuotas, 0, 1, 1),
    row(Api::DescribeQuorum, 0, 2, 0),
    row(Api::UpdateFeatures, 0, 2, 0),
    row(Api::DescribeCluster, 0, 2, 0),
    row(Api::DescribeProducers, 0, 0, 0),
    row(Api::GetTelemetrySubscriptions, 0, 0, 0),
    row(Api::PushTelemetry, 0, 0, 0),
    row(Api::ListConfigResources, 0, 1, 0),
    row(Api::DescribeTopicPartitions, 0, 0, 0),
];

impl Api {
    /// The API with this key, if it is offered.
    #[must_use]
    pub fn from_key(key: i16) -> Option<Api> {
        ADVERTISED.iter().map(|row| row.api).find(|api| *api as i16 == key)
    }

    /// Its key.
    #[must_use]
    pub fn key(self) -> i16 {
        self as i16
    }

    /// Its row of the table.
    #[must_use]
    pub fn advertised(self) -> &'static Advertised {
        ADVERTISED.iter().find(|row| row.api == self).expect("every API has a row: a test looks at all of them")
    }

    /// Kafka's name, for metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Api::Produce => "Produce",
            Api::Fetch => "Fetch",
            Api::ListOffsets => "ListOffsets",
            Api::Metadata => "Metadata",
            Api::OffsetCommit => "OffsetCommit",
            Api::OffsetFetch => "OffsetFetch",
            Api::FindCoordinator => "FindCoordinator",
            Api::JoinGroup => "JoinGroup",
            Api::Heartbeat => "Heartbeat",
            Api::LeaveGroup => "LeaveGroup",
            Api::SyncGroup => "SyncGroup",
            Api::DescribeGroups => "DescribeGroups",
            Api::ListGroups => "ListGroups",
            Api::ApiVersions => "ApiVersions",
            Api::CreateTopics => "CreateTopics",
            Api::DeleteTopics => "DeleteTopics",
            Api::DeleteRecords => "DeleteRecords",
            Api::InitProducerId => "InitProducerId",
            Api::OffsetForLeaderEpoch => "OffsetForLeaderEpoch",
            Api::DescribeConfigs => "DescribeConfigs",
            Api::AlterConfigs => "AlterConfigs",
            Api::DescribeLogDirs => "DescribeLogDirs",
            Api::CreatePartitions => "CreatePartitions",
            Api::DeleteGroups => "DeleteGroups",
            Api::ElectLeaders => "ElectLeaders",
            Api::IncrementalAlterConfigs => "IncrementalAlterConfigs",
            Api::AlterPartitionReassignments => "AlterPartitionReassignments",
            Api::ListPartitionReassignments => "ListPartitionReassignments",
            Api::OffsetDelete => "OffsetDelete",
            Api::DescribeClientQuotas => "DescribeClientQuotas",
            Api::AlterClientQuotas => "AlterClientQuotas",
            Api::DescribeQuorum => "DescribeQuorum",
            Api::UpdateFeatures => "UpdateFeatures",
            Api::DescribeCluster => "DescribeCluster",
            Api::DescribeProducers => "DescribeProducers",
            Api::GetTelemetrySubscriptions => "GetTelemetrySubscriptions",
            Api::PushTelemetry => "PushTelemetry",
            Api::ListConfigResources => "ListConfigResources",
            Api::DescribeTopicPartitions => "DescribeTopicPartitions",
        }
    }
}

impl Advertised {
    /// Whether a request of this version can be decoded.
    #[must_use]
    pub fn understands(&self, version: i16) -> bool {
        (self.version_understood_min..=self.version_max).contains(&version)
    }

    /// Whether a version is flexible (KIP-482).
    #[must_use]
    pub fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../docs/kafka-compatibility.md");

    #[test]
    fn the_page_says_what_is_advertised() {
        // The first table; others follow under headings of their own.
        let table = PAGE.lines().skip_while(|line| !line.starts_with("| API ")).skip(2);
        let written = table.take_while(|line| line.starts_with("| "));
        let row = |row: &Advertised| {
            format!("| {} | {} | {} to {} |", row.api.name(), row.api.key(), row.version_min, row.version_max)
        };
        assert_eq!(written.collect::<Vec<_>>(), ADVERTISED.iter().map(row).collect::<Vec<_>>());
    }
}
