//! A request goes to the file that knows what it means.

use std::sync::Arc;

use futures::FutureExt;
use tidelog_kafka_wire::{EncodeFailed, Request, RequestHeader, StrBytes, encode_response};

use crate::configs::{alter_configs, config_resources, describe_configs};
use crate::connection::{Answer, Answering, Peer};
use crate::gateway::Shared;
use crate::groups::admin_handlers;
use crate::groups::handlers::{self, Context};
use crate::memory::{self, Room, Share};
use crate::quotas::{self, Charge, Mutations};
use crate::telemetry::handlers as telemetry;
use crate::topics::{
    create_partitions, create_topics, delete_records, delete_topics, describe_topic_partitions, log_dirs, metadata,
    placement,
};
use crate::{
    cluster, describe_producers, describe_quorum, features, fetch, list_offsets, offset_epochs, produce, producer_ids,
};

/// Begins a request. When this returns, what has to happen in the order of requests has happened; the answer is still to
/// come.
pub(crate) async fn begin(
    shared: &Arc<Shared>,
    peer: &Peer,
    header: RequestHeader,
    request: Request,
    room: Room,
    charge: Option<Arc<Charge>>,
) -> Answering {
    let shared = shared.clone();
    // Its own copy, so that a request that waits does not keep its frame.
    let client_id = header.client_id.map(|id| StrBytes::from(id.as_str()));
    let header = RequestHeader { client_id, ..header };
    match request {
        Request::Produce(request) => produce::begin(&shared, peer.number, header, request, room).await,
        Request::Fetch(request) => fetch::answer(shared, header, request, room.share, charge).boxed(),
        Request::ApiVersions(request) => {
            let response = cluster::api_versions(peer, &header, &request);
            async move { frame(&shared, &header, response, room).await }.boxed()
        }
        // The rest is alone in its connection.
        Request::Metadata(request) => {
            // What it creates is not refused, whatever the version.
            let mutations = Mutations::of(charge, &header, i16::MAX);
            async move { metadata::frame(&shared, &header, request, &mutations, room).await }.boxed()
        }
        Request::ListOffsets(request) => {
            async move { frame(&shared, &header, list_offsets::answer(&shared, &header, request).await, room).await }
                .boxed()
        }
        Request::OffsetForLeaderEpoch(request) => {
            async move { frame(&shared, &header, offset_epochs::answer(&shared, request).await, room).await }.boxed()
        }
        Request::FindCoordinator(request) => {
            async move { frame(&shared, &header, cluster::find_coordinator(&shared, &header, &request), room).await }
                .boxed()
        }
        Request::DescribeCluster(request) => {
            async move { frame(&shared, &header, cluster::describe_cluster(&shared, &request), room).await }.boxed()
        }
        Request::CreateTopics(request) => {
            let mutations = Mutations::of(charge, &header, 6);
            async move { create_topics::frame(&shared, &header, request, &mutations, room).await }.boxed()
        }
        Request::CreatePartitions(request) => {
            let mutations = Mutations::of(charge, &header, 3);
            async move {
                frame(&shared, &header, create_partitions::answer(&shared, request, &mutations).await, room).await
            }
            .boxed()
        }
        Request::DescribeConfigs(request) => {
            async move { describe_configs::frame(&shared, &header, request, room).await }.boxed()
        }
        Request::AlterConfigs(request) => {
            async move { frame(&shared, &header, alter_configs::answer(&shared, request).await, room).await }.boxed()
        }
        Request::IncrementalAlterConfigs(request) => async move {
            frame(&shared, &header, alter_configs::answer_incremental(&shared, request).await, room).await
        }
        .boxed(),
        Request::ListConfigResources(request) => {
            async move { config_resources::frame(&shared, &header, request, room).await }.boxed()
        }
        Request::DeleteTopics(request) => {
            let mutations = Mutations::of(charge, &header, 5);
            async move {
                let answer = delete_topics::answer(&shared, &header, request, &mutations).await;
                frame(&shared, &header, answer, room).await
            }
            .boxed()
        }
        Request::DescribeClientQuotas(request) => {
            async move { quotas::describe(&shared, &header, request, room).await }.boxed()
        }
        Request::AlterClientQuotas(request) => {
            async move { frame(&shared, &header, quotas::alter(&shared, request).await, room).await }.boxed()
        }
        Request::DeleteRecords(request) => {
            async move { frame(&shared, &header, delete_records::answer(&shared, request).await, room).await }.boxed()
        }
        Request::DescribeLogDirs(request) => {
            async move { log_dirs::frame(&shared, &header, request, room).await }.boxed()
        }
        Request::ElectLeaders(request) => {
            async move { frame(&shared, &header, placement::elect_leaders(&shared, request).await, room).await }.boxed()
        }
        Request::AlterPartitionReassignments(request) => {
            async move { frame(&shared, &header, placement::alter_reassignments(&shared, request).await, room).await }
                .boxed()
        }
        Request::ListPartitionReassignments(_) => {
            async move { frame(&shared, &header, placement::list_reassignments(), room).await }.boxed()
        }
        Request::DescribeProducers(request) => {
            async move { describe_producers::frame(&shared, &header, request, room).await }.boxed()
        }
        Request::DescribeQuorum(request) => {
            async move { frame(&shared, &header, describe_quorum::answer(&shared, &header, request), room).await }
                .boxed()
        }
        Request::UpdateFeatures(request) => {
            async move { frame(&shared, &header, features::update(&shared, &header, request), room).await }.boxed()
        }
        Request::GetTelemetrySubscriptions(request) => {
            let peer = peer.clone();
            async move { telemetry::get(&shared, &peer, &header, &request, room).await }.boxed()
        }
        Request::PushTelemetry(request) => {
            let peer = peer.clone();
            async move { frame(&shared, &header, telemetry::push(&shared, &peer, &header, &request), room).await }
                .boxed()
        }
        Request::DescribeTopicPartitions(request) => async move {
            frame(&shared, &header, describe_topic_partitions::answer(&shared, request).await, room).await
        }
        .boxed(),
        Request::InitProducerId(request) => {
            async move { frame(&shared, &header, producer_ids::answer(&shared, &request).await, room).await }.boxed()
        }
        Request::JoinGroup(request) => {
            let host = peer.host.clone();
            async move {
                let answer = handlers::join_group(&groups(&shared), &header, &host, request, room.share).await;
                frame(&shared, &header, answer, ()).await
            }
            .boxed()
        }
        Request::SyncGroup(request) => async move {
            frame(&shared, &header, handlers::sync_group(&groups(&shared), &header, request, room.share).await, ())
                .await
        }
        .boxed(),
        Request::Heartbeat(request) => async move {
            frame(&shared, &header, handlers::heartbeat(&groups(&shared), &header, request).await, room).await
        }
        .boxed(),
        Request::LeaveGroup(request) => async move {
            frame(&shared, &header, handlers::leave_group(&groups(&shared), &header, request).await, room).await
        }
        .boxed(),
        Request::OffsetCommit(request) => async move {
            frame(&shared, &header, handlers::offset_commit(&groups(&shared), &header, request).await, room).await
        }
        .boxed(),
        Request::OffsetFetch(request) => async move {
            frame(&shared, &header, handlers::offset_fetch(&groups(&shared), &header, request).await, room).await
        }
        .boxed(),
        Request::ListGroups(request) => async move {
            let (found, bytes) = admin_handlers::list_groups(&groups(&shared), &request).await;
            let share = shared.memory.answer(bytes).await;
            drop((request, room));
            frame_in(&header, admin_handlers::list_response(found), share)
        }
        .boxed(),
        Request::DescribeGroups(request) => async move {
            let (found, bytes) = admin_handlers::describe_groups(&groups(&shared), &request).await;
            let share = shared.memory.answer(bytes).await;
            drop(room);
            frame_in(&header, admin_handlers::describe_response(&header, request, found), share)
        }
        .boxed(),
        Request::DeleteGroups(request) => async move {
            frame(&shared, &header, admin_handlers::delete_groups(&groups(&shared), request).await, room).await
        }
        .boxed(),
        Request::OffsetDelete(request) => async move {
            frame(&shared, &header, admin_handlers::offset_delete(&groups(&shared), request).await, room).await
        }
        .boxed(),
    }
}

fn groups(shared: &Shared) -> Context<'_> {
    Context { coordinator: &shared.parts.groups, tenant: shared.options.tenant }
}

/// The answer's frame. The request's `room` is given back when there is room for the answer.
async fn frame<M>(shared: &Shared, header: &RequestHeader, message: M, room: impl Send) -> Result<Answer, EncodeFailed>
where
    M: tidelog_kafka_wire::messages::Response,
{
    let frame = encode_response(header, &message)?;
    drop(message);
    let share = shared.memory.answer(frame.len()).await;
    drop(room);
    Ok(Answer::Frame(vec![frame], share))
}

/// The frame of an answer that a small request can make large: room for it was made before it was, and what is not needed
/// is given back.
pub(crate) fn frame_in<M>(header: &RequestHeader, message: M, share: Option<Share>) -> Result<Answer, EncodeFailed>
where
    M: tidelog_kafka_wire::messages::Response,
{
    let frame = encode_response(header, &message)?;
    drop(message);
    let share = share.map(|share| memory::shrink(share, frame.len()));
    Ok(Answer::Frame(vec![frame], share))
}
