//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup: from the wire to the coordinator and back.
//!
//! JoinGroup and SyncGroup wait, often for long. They block their connection, as every request but Produce and Fetch does;
//! consumers keep a connection of its own for their group.

use std::sync::Arc;

use tidelog_groups::messages::{
    Claim, GroupKey, JoinAnswer, JoinRefused, JoinRequest, Joined, Leaving, Protocol, SyncRequest, Synced,
};
use tidelog_groups::{Coordinator, GroupError};
use tidelog_kafka_wire::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    SyncGroupRequest, SyncGroupResponse, join_group_response, leave_group_request, leave_group_response,
};
use tidelog_kafka_wire::{ErrorCode, RequestHeader, StrBytes, message};
use tidelog_model::TenantId;

pub(crate) use super::offset_handlers::{offset_commit, offset_fetch};

/// From this version on JoinGroup states a rebalance timeout.
const JOIN_REBALANCE_TIMEOUT_FROM: i16 = 1;
/// From this version on a new member joins twice, first to get its id (KIP-394).
const JOIN_MEMBER_ID_FROM: i16 = 4;
/// From this version on the answer may go without a protocol.
const JOIN_NO_PROTOCOL_FROM: i16 = 7;
/// From this version on a leader can be told to keep the assignment (KIP-814).
const JOIN_SKIP_ASSIGNMENT_FROM: i16 = 9;
/// From this version on SyncGroup has to state the protocol (KIP-559).
const SYNC_PROTOCOL_FROM: i16 = 5;
/// From this version on several members may leave at once (KIP-345).
const LEAVE_MEMBERS_FROM: i16 = 3;

/// What the requests of groups are about.
pub(crate) struct Context<'a> {
    pub(crate) coordinator: &'a Coordinator,
    /// Whose connection it is.
    pub(crate) tenant: TenantId,
}

impl Context<'_> {
    pub(super) fn key(&self, group: &StrBytes) -> GroupKey {
        GroupKey { tenant: self.tenant, group: Arc::from(group.as_str()) }
    }
}

/// Waits until the group has its next generation, and gives the request's `room` back before.
pub(crate) async fn join_group(
    context: &Context<'_>,
    header: &RequestHeader,
    host: &str,
    request: JoinGroupRequest,
    room: impl Send,
) -> JoinGroupResponse {
    let join = join_of(context, header, host, request);
    drop(room);
    join_response(header.version, context.coordinator.join(join).await)
}

/// Takes the request to pieces: what waits has copies of its own, since the strings of a request share the memory of its frame.
fn join_of(context: &Context<'_>, header: &RequestHeader, host: &str, request: JoinGroupRequest) -> JoinRequest {
    let states_rebalance_timeout = header.version >= JOIN_REBALANCE_TIMEOUT_FROM;
    JoinRequest {
        key: context.key(&request.group_id),
        member_id: request.member_id.to_string(),
        instance_id: text(request.group_instance_id.as_ref()),
        client_id: text(header.client_id.as_ref()).unwrap_or_default(),
        client_host: host.to_owned(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: if states_rebalance_timeout {
            request.rebalance_timeout_ms
        } else {
            request.session_timeout_ms
        },
        protocol_type: request.protocol_type.to_string(),
        protocols: (request.protocols.into_iter())
            .map(|protocol| Protocol { name: protocol.name.to_string(), metadata: protocol.metadata })
            .collect(),
        member_id_required: header.version >= JOIN_MEMBER_ID_FROM,
        can_skip_assignment: header.version >= JOIN_SKIP_ASSIGNMENT_FROM,
    }
}

fn join_response(version: i16, answer: JoinAnswer) -> JoinGroupResponse {
    match answer {
        Ok(Joined { member_id, generation, protocol_type, protocol, leader, skip_assignment, members }) => {
            message!(JoinGroupResponse {
                generation_id: generation,
                protocol_type: Some(protocol_type.into()),
                protocol_name: Some(protocol.into()),
                leader: leader.into(),
                skip_assignment: skip_assignment,
                member_id: member_id.into(),
                members: (members.into_iter())
                    .map(|member| {
                        message!(join_group_response::JoinGroupResponseMember {
                            member_id: member.member_id.into(),
                            group_instance_id: member.instance_id.map(StrBytes::from),
                            metadata: member.metadata,
                        })
                    })
                    .collect(),
            })
        }
        Err(JoinRefused { member_id, error }) => message!(JoinGroupResponse {
            error_code: code_of(error).code(),
            protocol_name: (version < JOIN_NO_PROTOCOL_FROM).then(StrBytes::default),
            member_id: member_id.into(),
        }),
    }
}

/// Waits until the leader has brought the assignment, and gives the request's `room` back before.
pub(crate) async fn sync_group(
    context: &Context<'_>,
    header: &RequestHeader,
    request: SyncGroupRequest,
    room: impl Send,
) -> SyncGroupResponse {
    let states_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if header.version >= SYNC_PROTOCOL_FROM && !states_protocol {
        return sync_refused(GroupError::InconsistentProtocol);
    }
    let sync = sync_of(context, request);
    drop(room);
    match context.coordinator.sync(sync).await {
        Ok(Synced { protocol_type, protocol, assignment }) => message!(SyncGroupResponse {
            protocol_type: Some(protocol_type.into()),
            protocol_name: Some(protocol.into()),
            assignment: assignment,
        }),
        Err(error) => sync_refused(error),
    }
}

/// See [`join_of`].
fn sync_of(context: &Context<'_>, request: SyncGroupRequest) -> SyncRequest {
    SyncRequest {
        key: context.key(&request.group_id),
        claim: claim(&request.member_id, request.group_instance_id.as_ref(), request.generation_id),
        protocol_type: text(request.protocol_type.as_ref()),
        protocol: text(request.protocol_name.as_ref()),
        assignments: (request.assignments.into_iter())
            .map(|share| (share.member_id.to_string(), share.assignment))
            .collect(),
    }
}

fn sync_refused(error: GroupError) -> SyncGroupResponse {
    message!(SyncGroupResponse { error_code: code_of(error).code() })
}

/// A sign of life.
pub(crate) async fn heartbeat(
    context: &Context<'_>,
    _header: &RequestHeader,
    request: HeartbeatRequest,
) -> HeartbeatResponse {
    let claim = claim(&request.member_id, request.group_instance_id.as_ref(), request.generation_id);
    let answer = context.coordinator.heartbeat(&context.key(&request.group_id), &claim);
    message!(HeartbeatResponse { error_code: code_of_result(answer).code() })
}

/// Members leave.
pub(crate) async fn leave_group(
    context: &Context<'_>,
    header: &RequestHeader,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let key = context.key(&request.group_id);
    if header.version < LEAVE_MEMBERS_FROM {
        let leaving = Leaving { member_id: request.member_id.to_string(), instance_id: None };
        let left = context.coordinator.leave(&key, &[leaving]);
        let answer = left.and_then(|mut results| results.pop().expect("one member leaves, one is answered"));
        return message!(LeaveGroupResponse { error_code: code_of_result(answer).code() });
    }
    let leaving: Vec<Leaving> = (request.members.iter())
        .map(|member| Leaving {
            member_id: member.member_id.to_string(),
            instance_id: text(member.group_instance_id.as_ref()),
        })
        .collect();
    let results = match context.coordinator.leave(&key, &leaving) {
        Ok(results) => results,
        // No such group: Kafka says so of each member.
        Err(GroupError::UnknownMember) => vec![Err(GroupError::UnknownMember); leaving.len()],
        Err(error) => return message!(LeaveGroupResponse { error_code: code_of(error).code() }),
    };
    let left = |(member, result): (leave_group_request::MemberIdentity, Result<(), GroupError>)| {
        message!(leave_group_response::MemberResponse {
            member_id: member.member_id,
            group_instance_id: member.group_instance_id,
            error_code: code_of_result(result).code(),
        })
    };
    message!(LeaveGroupResponse { members: request.members.into_iter().zip(results).map(left).collect() })
}

pub(super) fn claim(member_id: &StrBytes, instance_id: Option<&StrBytes>, generation: i32) -> Claim {
    Claim { member_id: member_id.to_string(), instance_id: text(instance_id), generation }
}

fn text(stated: Option<&StrBytes>) -> Option<String> {
    stated.map(|text| text.as_str().to_owned())
}

fn code_of_result(result: Result<(), GroupError>) -> ErrorCode {
    match result {
        Ok(()) => ErrorCode::None,
        Err(error) => code_of(error),
    }
}

/// Kafka's code of a refusal. Consumers join again on most of them; which ones, Kafka's own code decides.
pub(super) fn code_of(error: GroupError) -> ErrorCode {
    match error {
        GroupError::InvalidGroupId => ErrorCode::InvalidGroupId,
        GroupError::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
        GroupError::MemberIdRequired => ErrorCode::MemberIdRequired,
        GroupError::UnknownMember => ErrorCode::UnknownMemberId,
        GroupError::FencedInstance => ErrorCode::FencedInstanceId,
        GroupError::IllegalGeneration => ErrorCode::IllegalGeneration,
        GroupError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        GroupError::InconsistentProtocol => ErrorCode::InconsistentGroupProtocol,
        GroupError::GroupFull => ErrorCode::GroupMaxSizeReached,
        GroupError::TooLarge => ErrorCode::UnknownServerError,
        GroupError::NotAvailable => ErrorCode::CoordinatorNotAvailable,
    }
}
