//! A frame becomes a request.

use bytes::Bytes;
use kafka_wire_core::{ApiVersion, DecodeError, DecodeLimits, Decoder, KafkaDecode, StrBytes};
use tidelog_model::limits::FRAME_BYTES_MAX;

use crate::messages::{
    AlterClientQuotasRequest, AlterConfigsRequest, AlterPartitionReassignmentsRequest, ApiVersionsRequest,
    CreatePartitionsRequest, CreateTopicsRequest, DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeClientQuotasRequest, DescribeClusterRequest, DescribeConfigsRequest, DescribeGroupsRequest,
    DescribeLogDirsRequest, DescribeProducersRequest, DescribeQuorumRequest, DescribeTopicPartitionsRequest,
    ElectLeadersRequest, FetchRequest, FindCoordinatorRequest, GetTelemetrySubscriptionsRequest, HeartbeatRequest,
    IncrementalAlterConfigsRequest, InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest,
    ListConfigResourcesRequest, ListGroupsRequest, ListOffsetsRequest, ListPartitionReassignmentsRequest,
    MetadataRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest,
    ProduceRequest, PushTelemetryRequest, SyncGroupRequest, UpdateFeaturesRequest,
};
use crate::{Api, CONTROL_FRAME_BYTES_MAX, PRODUCE_ENTRIES_MAX, produce_entries};

/// Elements of one array: as many as a topic may have partitions.
const ARRAY_ELEMENTS_MAX: usize = 100_000;
/// Tagged fields that we do not know, in one structure: they are kept, so they cost memory.
const TAGGED_FIELDS_MAX: usize = 16;
/// Bytes of one string. Kafka's own are `i16::MAX` at most until versions become flexible.
const STRING_BYTES_MAX: usize = 64 * 1024;

/// What every request begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// What is asked.
    pub api: Api,
    /// In which version.
    pub version: i16,
    /// Comes back with the answer.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<StrBytes>,
}

/// A decoded request.
#[allow(missing_docs, reason = "the names are Kafka's")]
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Produce(ProduceRequest),
    Fetch(FetchRequest),
    ListOffsets(ListOffsetsRequest),
    Metadata(MetadataRequest),
    OffsetCommit(OffsetCommitRequest),
    OffsetFetch(OffsetFetchRequest),
    FindCoordinator(FindCoordinatorRequest),
    JoinGroup(JoinGroupRequest),
    Heartbeat(HeartbeatRequest),
    LeaveGroup(LeaveGroupRequest),
    SyncGroup(SyncGroupRequest),
    ApiVersions(ApiVersionsRequest),
    CreateTopics(CreateTopicsRequest),
    DeleteTopics(DeleteTopicsRequest),
    InitProducerId(InitProducerIdRequest),
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest),
    DescribeConfigs(DescribeConfigsRequest),
    AlterConfigs(AlterConfigsRequest),
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest),
    CreatePartitions(CreatePartitionsRequest),
    ListConfigResources(ListConfigResourcesRequest),
    DescribeGroups(DescribeGroupsRequest),
    ListGroups(ListGroupsRequest),
    DeleteGroups(DeleteGroupsRequest),
    OffsetDelete(OffsetDeleteRequest),
    DescribeClientQuotas(DescribeClientQuotasRequest),
    AlterClientQuotas(AlterClientQuotasRequest),
    DeleteRecords(DeleteRecordsRequest),
    DescribeLogDirs(DescribeLogDirsRequest),
    ElectLeaders(ElectLeadersRequest),
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest),
    ListPartitionReassignments(ListPartitionReassignmentsRequest),
    DescribeProducers(DescribeProducersRequest),
    DescribeTopicPartitions(DescribeTopicPartitionsRequest),
    DescribeQuorum(DescribeQuorumRequest),
    UpdateFeatures(UpdateFeaturesRequest),
    GetTelemetrySubscriptions(GetTelemetrySubscriptionsRequest),
    PushTelemetry(PushTelemetryRequest),
    DescribeCluster(DescribeClusterRequest),
}

/// Why a frame is not a request that can be handled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The API is not offered. There is no answer that its sender would understand.
    #[error("api key {0} is not offered")]
    UnknownApi(i16),
    /// ApiVersions in a version that is not offered: answered in version 0 with UNSUPPORTED_VERSION.
    #[error("ApiVersions v{version} is not offered")]
    UnsupportedApiVersions {
        /// As sent.
        version: i16,
        /// Comes back with the answer.
        correlation_id: i32,
    },
    /// Another API in a version that is not understood. As Kafka does, the connection is closed without an answer.
    #[error("{} v{version} is not supported", api.name())]
    UnsupportedVersion {
        /// What is asked.
        api: Api,
        /// As sent.
        version: i16,
    },
    /// A Produce request that names more topics and partitions than [`PRODUCE_ENTRIES_MAX`].
    #[error("more than {PRODUCE_ENTRIES_MAX} topics and partitions in one Produce request")]
    TooManyEntries,
    /// The bytes are not what their header says.
    #[error("malformed request: {0}")]
    Malformed(#[from] DecodeError),
}

/// Decodes a frame without its length field. Byte fields share the frame's memory; counts and lengths are checked against
/// the bytes that are left before anything is allocated for them.
///
/// # Errors
/// See [`RequestError`].
pub fn decode_request(frame: Bytes) -> Result<(RequestHeader, Request), RequestError> {
    let mut input = Decoder::new(frame.clone(), limits(&frame))?;
    let key = input.read_i16()?;
    let version = input.read_i16()?;
    let correlation_id = input.read_i32()?;
    let api = Api::from_key(key).ok_or(RequestError::UnknownApi(key))?;
    let row = api.advertised();
    if !row.understands(version) {
        return Err(match api {
            Api::ApiVersions => RequestError::UnsupportedApiVersions { version, correlation_id },
            _ => RequestError::UnsupportedVersion { api, version },
        });
    }
    if api == Api::Produce && produce_entries(&frame) > PRODUCE_ENTRIES_MAX {
        return Err(RequestError::TooManyEntries);
    }
    let client_id = input.read_nullable_string()?;
    if row.is_flexible(version) {
        input.read_tagged_fields()?;
    }
    // What follows the body is ignored, as Apache Kafka does: librdkafka 2.12 sends three bytes too many after a Metadata
    // request of version 13 for all topics.
    let request = decode_body(api, &mut input, ApiVersion::new(version))?;
    Ok((RequestHeader { api, version, correlation_id, client_id }, request))
}

fn decode_body(api: Api, input: &mut Decoder, version: ApiVersion) -> Result<Request, DecodeError> {
    Ok(match api {
        Api::Produce => Request::Produce(ProduceRequest::decode(input, version)?),
        Api::Fetch => Request::Fetch(FetchRequest::decode(input, version)?),
        Api::ListOffsets => Request::ListOffsets(ListOffsetsRequest::decode(input, version)?),
        Api::Metadata => Request::Metadata(MetadataRequest::decode(input, version)?),
        Api::OffsetCommit => Request::OffsetCommit(OffsetCommitRequest::decode(input, version)?),
        Api::OffsetFetch => Request::OffsetFetch(OffsetFetchRequest::decode(input, version)?),
        Api::FindCoordinator => Request::FindCoordinator(FindCoordinatorRequest::decode(input, version)?),
        Api::JoinGroup => Request::JoinGroup(JoinGroupRequest::decode(input, version)?),
        Api::Heartbeat => Request::Heartbeat(HeartbeatRequest::decode(input, version)?),
        Api::LeaveGroup => Request::LeaveGroup(LeaveGroupRequest::decode(input, version)?),
        Api::SyncGroup => Request::SyncGroup(SyncGroupRequest::decode(input, version)?),
        Api::ApiVersions => Request::ApiVersions(ApiVersionsRequest::decode(input, version)?),
        Api::CreateTopics => Request::CreateTopics(CreateTopicsRequest::decode(input, version)?),
        Api::DeleteTopics => Request::DeleteTopics(DeleteTopicsRequest::decode(input, version)?),
        Api::InitProducerId => Request::InitProducerId(InitProducerIdRequest::decode(input, version)?),
        Api::OffsetForLeaderEpoch => {
            Request::OffsetForLeaderEpoch(OffsetForLeaderEpochRequest::decode(input, version)?)
        }
        Api::DescribeConfigs => Request::DescribeConfigs(DescribeConfigsRequest::decode(input, version)?),
        Api::AlterConfigs => Request::AlterConfigs(AlterConfigsRequest::decode(input, version)?),
        Api::IncrementalAlterConfigs => {
            Request::IncrementalAlterConfigs(IncrementalAlterConfigsRequest::decode(input, version)?)
        }
        Api::CreatePartitions => Request::CreatePartitions(CreatePartitionsRequest::decode(input, version)?),
        Api::ListConfigResources => Request::ListConfigResources(ListConfigResourcesRequest::decode(input, version)?),
        Api::DescribeGroups => Request::DescribeGroups(DescribeGroupsRequest::decode(input, version)?),
        Api::ListGroups => Request::ListGroups(ListGroupsRequest::decode(input, version)?),
        Api::DeleteGroups => Request::DeleteGroups(DeleteGroupsRequest::decode(input, version)?),
        Api::OffsetDelete => Request::OffsetDelete(OffsetDeleteRequest::decode(input, version)?),
        Api::DescribeClientQuotas => {
            Request::DescribeClientQuotas(DescribeClientQuotasRequest::decode(input, version)?)
        }
        Api::AlterClientQuotas => Request::AlterClientQuotas(AlterClientQuotasRequest::decode(input, version)?),
        Api::DeleteRecords => Request::DeleteRecords(DeleteRecordsRequest::decode(input, version)?),
        Api::DescribeLogDirs => Request::DescribeLogDirs(DescribeLogDirsRequest::decode(input, version)?),
        Api::ElectLeaders => Request::ElectLeaders(ElectLeadersRequest::decode(input, version)?),
        Api::AlterPartitionReassignments => {
            Request::AlterPartitionReassignments(AlterPartitionReassignmentsRequest::decode(input, version)?)
        }
        Api::ListPartitionReassignments => {
            Request::ListPartitionReassignments(ListPartitionReassignmentsRequest::decode(input, version)?)
        }
        Api::DescribeProducers => Request::DescribeProducers(DescribeProducersRequest::decode(input, version)?),
        Api::DescribeTopicPartitions => {
            Request::DescribeTopicPartitions(DescribeTopicPartitionsRequest::decode(input, version)?)
        }
        Api::DescribeQuorum => Request::DescribeQuorum(DescribeQuorumRequest::decode(input, version)?),
        Api::GetTelemetrySubscriptions => {
            Request::GetTelemetrySubscriptions(GetTelemetrySubscriptionsRequest::decode(input, version)?)
        }
        Api::PushTelemetry => Request::PushTelemetry(PushTelemetryRequest::decode(input, version)?),
        Api::UpdateFeatures => Request::UpdateFeatures(UpdateFeaturesRequest::decode(input, version)?),
        Api::DescribeCluster => Request::DescribeCluster(DescribeClusterRequest::decode(input, version)?),
    })
}

fn limits(frame: &Bytes) -> DecodeLimits {
    let mut limits = DecodeLimits::default();
    limits.max_frame_bytes = FRAME_BYTES_MAX;
    limits.max_string_bytes = STRING_BYTES_MAX;
    limits.max_bytes_bytes = FRAME_BYTES_MAX;
    // Every element of every array takes a byte at least.
    limits.max_array_elements = ARRAY_ELEMENTS_MAX.min(frame.len());
    limits.max_tagged_fields = TAGGED_FIELDS_MAX;
    limits.max_tag_bytes = CONTROL_FRAME_BYTES_MAX;
    limits.max_total_tag_bytes = CONTROL_FRAME_BYTES_MAX;
    limits
}

#[cfg(test)]
#[path = "request_test.rs"]
mod tests;
