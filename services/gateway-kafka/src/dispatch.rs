//! A request goes to the file that knows what it means.

use std::sync::Arc;

use futures::FutureExt;
use tidelog_kafka_wire::messages::ApiVersionsRequest;
use tidelog_kafka_wire::{EncodeFailed, Request, RequestHeader, encode_response};

use crate::connection::{Answer, Answering, Turn};
use crate::gateway::Shared;
use crate::groups::handlers::{self, Context};
use crate::{
    cluster, create_topics, delete_topics, fetch, list_offsets, metadata, offset_epochs, produce, producer_ids,
};

/// Begins a request. When this returns, what has to happen in the order of requests has happened; the answer is still to
/// come. `connection` names the connection to the write path.
pub(crate) async fn begin(
    shared: &Arc<Shared>,
    connection: u64,
    header: RequestHeader,
    request: Request,
    turn: Turn,
) -> Answering {
    let shared = shared.clone();
    match request {
        Request::Produce(request) => produce::begin(&shared, connection, header, request).await,
        Request::Fetch(request) => fetch::answer(shared, header, request, turn).boxed(),
        Request::ApiVersions(request) => async move { api_versions(&header, &request) }.boxed(),
        // The rest is alone in its connection.
        Request::Metadata(request) => {
            async move { frame(&header, &metadata::answer(&shared, &header, request).await) }.boxed()
        }
        Request::ListOffsets(request) => {
            async move { frame(&header, &list_offsets::answer(&shared, &header, request).await) }.boxed()
        }
        Request::OffsetForLeaderEpoch(request) => {
            async move { frame(&header, &offset_epochs::answer(&shared, request).await) }.boxed()
        }
        Request::FindCoordinator(request) => {
            async move { frame(&header, &cluster::find_coordinator(&shared, &header, &request)) }.boxed()
        }
        Request::DescribeCluster(request) => {
            async move { frame(&header, &cluster::describe_cluster(&shared, &request)) }.boxed()
        }
        Request::CreateTopics(request) => {
            async move { frame(&header, &create_topics::answer(&shared, request).await) }.boxed()
        }
        Request::DeleteTopics(request) => {
            async move { frame(&header, &delete_topics::answer(&shared, &header, request).await) }.boxed()
        }
        Request::InitProducerId(request) => {
            async move { frame(&header, &producer_ids::answer(&shared, &request).await) }.boxed()
        }
        Request::JoinGroup(request) => {
            async move { frame(&header, &handlers::join_group(&groups(&shared), &header, request).await) }.boxed()
        }
        Request::SyncGroup(request) => {
            async move { frame(&header, &handlers::sync_group(&groups(&shared), &header, request).await) }.boxed()
        }
        Request::Heartbeat(request) => {
            async move { frame(&header, &handlers::heartbeat(&groups(&shared), &header, request).await) }.boxed()
        }
        Request::LeaveGroup(request) => {
            async move { frame(&header, &handlers::leave_group(&groups(&shared), &header, request).await) }.boxed()
        }
        Request::OffsetCommit(request) => {
            async move { frame(&header, &handlers::offset_commit(&groups(&shared), &header, request).await) }.boxed()
        }
        Request::OffsetFetch(request) => {
            async move { frame(&header, &handlers::offset_fetch(&groups(&shared), &header, request).await) }.boxed()
        }
    }
}

fn groups(shared: &Shared) -> Context<'_> {
    Context { coordinator: &shared.parts.groups, tenant: shared.options.tenant }
}

fn api_versions(header: &RequestHeader, request: &ApiVersionsRequest) -> Result<Answer, EncodeFailed> {
    frame(header, &cluster::api_versions(header, request))
}

fn frame<M>(header: &RequestHeader, message: &M) -> Result<Answer, EncodeFailed>
where
    M: tidelog_kafka_wire::messages::Response,
{
    Ok(Answer::Frame(vec![encode_response(header, message)?]))
}
