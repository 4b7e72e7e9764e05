//! The messages themselves, by Kafka's names: generated from Kafka's own schemas by the codec crate.
//!
//! Their structs may grow fields, so they are built with [`message!`](crate::message) rather than by a literal.

pub use kafka_wire::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterConfigsRequest, AlterConfigsResponse,
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ApiVersionsRequest, ApiVersionsResponse,
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteGroupsRequest,
    DeleteGroupsResponse, DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeClientQuotasRequest, DescribeClientQuotasResponse, DescribeClusterRequest, DescribeClusterResponse,
    DescribeConfigsRequest, DescribeConfigsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest, DescribeProducersResponse,
    DescribeQuorumRequest, DescribeQuorumResponse, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    ElectLeadersRequest, ElectLeadersResponse, FetchRequest, FindCoordinatorRequest, FindCoordinatorResponse,
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, HeartbeatRequest, HeartbeatResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, InitProducerIdRequest, InitProducerIdResponse,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListConfigResourcesRequest,
    ListConfigResourcesResponse, ListGroupsRequest, ListGroupsResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, MetadataRequest, MetadataResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, ProduceRequest, ProduceResponse,
    PushTelemetryRequest, PushTelemetryResponse, SyncGroupRequest, SyncGroupResponse, UpdateFeaturesRequest,
    UpdateFeaturesResponse,
};
pub use kafka_wire::{
    alter_client_quotas_request, alter_client_quotas_response, alter_configs_request, alter_configs_response,
    alter_partition_reassignments_request, alter_partition_reassignments_response, api_versions_response,
    create_partitions_request, create_partitions_response, create_topics_request, create_topics_response,
    delete_groups_response, delete_records_request, delete_records_response, delete_topics_request,
    delete_topics_response, describe_client_quotas_request, describe_client_quotas_response, describe_cluster_response,
    describe_configs_request, describe_configs_response, describe_groups_response, describe_log_dirs_request,
    describe_log_dirs_response, describe_producers_request, describe_producers_response, describe_quorum_request,
    describe_quorum_response, describe_topic_partitions_request, describe_topic_partitions_response,
    elect_leaders_request, elect_leaders_response, fetch_request, fetch_response, find_coordinator_response,
    incremental_alter_configs_request, incremental_alter_configs_response, join_group_request, join_group_response,
    leave_group_request, leave_group_response, list_config_resources_response, list_groups_response,
    list_offsets_request, list_offsets_response, list_partition_reassignments_request,
    list_partition_reassignments_response, metadata_request, metadata_response, offset_commit_request,
    offset_commit_response, offset_delete_request, offset_delete_response, offset_fetch_request, offset_fetch_response,
    offset_for_leader_epoch_request, offset_for_leader_epoch_response, produce_request, produce_response,
    sync_group_request, update_features_request, update_features_response,
};

pub use kafka_wire::FetchResponse;
/// A message that a client sends.
pub use kafka_wire::KafkaRequest as AnyRequest;
/// A message that is sent to a client.
pub use kafka_wire::KafkaResponse as Response;

/// Builds a message from its defaults: `message!(MetadataResponse { controller_id: 1 })`.
#[macro_export]
macro_rules! message {
    ($type:path { $($field:ident: $value:expr),* $(,)? }) => {{
        #[allow(unused_mut, reason = "no field may be given")]
        let mut message = <$type>::default();
        $( message.$field = $value; )*
        message
    }};
}
