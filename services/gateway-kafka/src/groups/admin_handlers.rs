//! ListGroups, DescribeGroups, DeleteGroups and OffsetDelete: from the wire to the coordinator and back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use tidelog_catalog_api::CatalogError;
use tidelog_groups::CommitError;
use tidelog_groups::deletion::OffsetDeletion;
use tidelog_groups::describe::{DeleteError, GroupDescription, GroupSummary, MemberDescription};
use tidelog_groups::machine::GroupState;
use tidelog_kafka_wire::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, ListGroupsRequest,
    ListGroupsResponse, OffsetDeleteRequest, OffsetDeleteResponse, delete_groups_response, describe_groups_response,
    list_groups_response, offset_delete_response,
};
use tidelog_kafka_wire::{ErrorCode, RequestHeader, StrBytes, message};
use tidelog_model::PartitionId;

use super::handlers::{Context, code_of};
use super::named_topics::{Naming, partition};
use crate::errors;

/// The type of all groups here; Kafka's name of the protocol that they use.
const CLASSIC: &str = "classic";
/// From this version on a group that does not exist is an error of its own.
const DESCRIBE_NOT_FOUND_FROM: i16 = 6;
/// Operations on a group, as bits: read, delete, describe, describe and alter configs.
pub(crate) const GROUP_OPERATIONS: i32 = 0b1101_0100_1000;
/// Groups of one request that are deleted at once.
const DELETIONS_AT_ONCE: usize = 64;
/// Memory that a group, or a member, takes in an answer, beside its texts and bytes.
const ENTRY_BYTES: usize = 256;

/// The groups that a client asks for, and the memory that the answer takes.
pub(crate) async fn list_groups(
    context: &Context<'_>,
    request: &ListGroupsRequest,
) -> (Result<BTreeMap<Arc<str>, GroupSummary>, ErrorCode>, usize) {
    let lowered = |filter: &[StrBytes]| filter.iter().map(|it| it.to_ascii_lowercase()).collect::<BTreeSet<_>>();
    let (states, types) = (lowered(&request.states_filter), lowered(&request.types_filter));
    if !types.is_empty() && !types.contains(CLASSIC) {
        return (Ok(BTreeMap::new()), 0);
    }
    match context.coordinator.groups(context.tenant).await {
        Err(error) => (Err(code_of_look(&error)), 0),
        Ok(mut groups) => {
            groups.retain(|_, it| states.is_empty() || states.contains(&it.state.name().to_ascii_lowercase()));
            let texts = groups.iter().map(|(name, it)| name.len() + it.protocol_type.len());
            let bytes = texts.map(|texts| 2 * texts + ENTRY_BYTES).sum();
            (Ok(groups), bytes)
        }
    }
}

pub(crate) fn list_response(groups: Result<BTreeMap<Arc<str>, GroupSummary>, ErrorCode>) -> ListGroupsResponse {
    let groups = match groups {
        Ok(groups) => groups,
        Err(code) => return message!(ListGroupsResponse { error_code: code.code() }),
    };
    let listed = |(name, summary): (Arc<str>, GroupSummary)| {
        message!(list_groups_response::ListedGroup {
            group_id: name.as_ref().into(),
            protocol_type: summary.protocol_type.into(),
            group_state: summary.state.name().into(),
            group_type: CLASSIC.into(),
        })
    };
    message!(ListGroupsResponse { groups: groups.into_iter().map(listed).collect() })
}

/// What is known of the groups that a client asks for, each once, and the memory that the answer takes.
pub(crate) async fn describe_groups(
    context: &Context<'_>,
    request: &DescribeGroupsRequest,
) -> (Result<BTreeMap<Arc<str>, GroupDescription>, ErrorCode>, usize) {
    let names = request.groups.iter().map(|name| Arc::from(name.as_str())).collect();
    match context.coordinator.describe(context.tenant, &names).await {
        Err(error) => (Err(code_of_look(&error)), 0),
        Ok(found) => {
            let members = found.values().flat_map(|group| &group.members);
            let bytes = members.map(|it| {
                let texts = it.member_id.len() + it.client_id.len() + it.client_host.len();
                2 * texts + it.metadata.len() + it.assignment.len() + ENTRY_BYTES
            });
            let bytes = bytes.sum::<usize>() + names.len() * ENTRY_BYTES;
            (Ok(found), bytes)
        }
    }
}

pub(crate) fn describe_response(
    header: &RequestHeader,
    request: DescribeGroupsRequest,
    found: Result<BTreeMap<Arc<str>, GroupDescription>, ErrorCode>,
) -> DescribeGroupsResponse {
    let operations = if request.include_authorized_operations { GROUP_OPERATIONS } else { i32::MIN };
    let mut seen = BTreeSet::new();
    let names = request.groups.into_iter().filter(|name| seen.insert(name.as_str().to_owned()));
    let group = |name: StrBytes| match found.as_ref().map(|found| found.get(name.as_str())) {
        Ok(Some(group)) => described(name, group, operations),
        Ok(None) => {
            let is_error = header.version >= DESCRIBE_NOT_FOUND_FROM;
            let code = if is_error { ErrorCode::GroupIdNotFound } else { ErrorCode::None };
            message!(describe_groups_response::DescribedGroup {
                error_code: code.code(),
                error_message: is_error.then(|| errors::text(format!("Group {name} not found."))),
                group_state: GroupState::Dead.name().into(),
                authorized_operations: i32::MIN,
                group_id: name,
            })
        }
        Err(code) => message!(describe_groups_response::DescribedGroup {
            error_code: code.code(),
            group_id: name,
            authorized_operations: i32::MIN,
        }),
    };
    message!(DescribeGroupsResponse { groups: names.map(group).collect() })
}

fn described(name: StrBytes, group: &GroupDescription, operations: i32) -> describe_groups_response::DescribedGroup {
    let member = |member: &MemberDescription| {
        message!(describe_groups_response::DescribedGroupMember {
            member_id: member.member_id.as_str().into(),
            group_instance_id: member.instance_id.as_deref().map(StrBytes::from),
            client_id: member.client_id.as_str().into(),
            client_host: member.client_host.as_str().into(),
            member_metadata: member.metadata.clone(),
            member_assignment: member.assignment.clone(),
        })
    };
    message!(describe_groups_response::DescribedGroup {
        group_id: name,
        group_state: group.summary.state.name().into(),
        protocol_type: group.summary.protocol_type.as_str().into(),
        protocol_data: group.protocol.as_str().into(),
        members: group.members.iter().map(member).collect(),
        authorized_operations: operations,
    })
}

/// Deletes groups, each by itself.
pub(crate) async fn delete_groups(context: &Context<'_>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut seen = BTreeSet::new();
    let names = request.groups_names.into_iter().filter(|name| seen.insert(name.as_str().to_owned()));
    let names = names.collect::<Vec<_>>();
    let mut results = Vec::with_capacity(names.len());
    // So many at once; what waits its turn takes no more memory than it has.
    for some in names.chunks(DELETIONS_AT_ONCE) {
        let deleting = some.iter().map(|name| async move {
            let result = context.coordinator.delete(&context.key(name)).await;
            let code = result.map_or_else(|error| code_of_delete(&error), |()| ErrorCode::None);
            message!(delete_groups_response::DeletableGroupResult { group_id: name.clone(), error_code: code.code() })
        });
        results.extend(join_all(deleting.collect::<Vec<_>>()).await);
    }
    message!(DeleteGroupsResponse { results: results })
}

/// Deletes offsets of one group.
pub(crate) async fn offset_delete(context: &Context<'_>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let names: Vec<Naming> = request.topics.iter().map(|topic| Naming::Name(topic.name.clone())).collect();
    let topics = context.topics(names.iter()).await;
    let mut known: Vec<(&str, PartitionId)> = Vec::new();
    // Each partition with its place among the known, or why it is none of them.
    let mut asked = Vec::with_capacity(request.topics.len());
    for (topic, found) in request.topics.iter().zip(&topics) {
        let places = topic.partitions.iter().map(|it| {
            let view = match found {
                Ok(Some(view)) => view,
                Ok(None) => return Err(ErrorCode::UnknownTopicOrPartition),
                Err(_) => return Err(ErrorCode::CoordinatorNotAvailable),
            };
            let partition = partition(view, it.partition_index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
            known.push((topic.name.as_str(), partition));
            Ok(known.len() - 1)
        });
        asked.push(places.collect::<Vec<_>>());
    }
    let results = match context.coordinator.delete_offsets(&context.key(&request.group_id), &known).await {
        Ok(results) => results,
        Err(error) => return message!(OffsetDeleteResponse { error_code: code_of_delete(&error).code() }),
    };
    let topic = |(topic, places): (
        &tidelog_kafka_wire::messages::offset_delete_request::OffsetDeleteRequestTopic,
        Vec<Result<usize, ErrorCode>>,
    )| {
        let partitions = topic.partitions.iter().zip(places).map(|(it, place)| {
            let code = match place.map(|place| results[place]) {
                Ok(OffsetDeletion::Deleted) => ErrorCode::None,
                Ok(OffsetDeletion::Subscribed) => ErrorCode::GroupSubscribedToTopic,
                Err(code) => code,
            };
            message!(offset_delete_response::OffsetDeleteResponsePartition {
                partition_index: it.partition_index,
                error_code: code.code(),
            })
        });
        message!(offset_delete_response::OffsetDeleteResponseTopic {
            name: topic.name.clone(),
            partitions: partitions.collect(),
        })
    };
    message!(OffsetDeleteResponse { topics: request.topics.iter().zip(asked).map(topic).collect() })
}

/// Clients ask again on these codes, of this node or another.
fn code_of_look(error: &CommitError) -> ErrorCode {
    match error {
        CommitError::Refused(error) => code_of(*error),
        CommitError::Catalog(error) => code_of_catalog(error),
    }
}

fn code_of_catalog(error: &CatalogError) -> ErrorCode {
    match error {
        CatalogError::Unavailable(_)
        | CatalogError::AnswerLost(_)
        | CatalogError::Overloaded(_)
        | CatalogError::Full(_)
        | CatalogError::Stopped(_) => ErrorCode::CoordinatorNotAvailable,
    }
}

fn code_of_delete(error: &DeleteError) -> ErrorCode {
    match error {
        DeleteError::NonEmpty => ErrorCode::NonEmptyGroup,
        DeleteError::NotFound => ErrorCode::GroupIdNotFound,
        DeleteError::Refused(error) => code_of(*error),
        // To delete again is right even if the first try has happened: then the group is not found.
        DeleteError::Catalog(error) => code_of_catalog(error),
    }
}
