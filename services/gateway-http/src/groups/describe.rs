//! What groups there are and who is in them, and that one is no more.

use std::ops::Bound;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use tidelog_groups::assignment::assigned;
use tidelog_groups::describe::{GroupDescription, MemberDescription};
use tidelog_http_api::{AssignedTopic, GroupInfo, GroupList, GroupMember, GroupSummary, Problem};

use super::{find, in_time, key, unknown};
use crate::errors;
use crate::gateway::Shared;
use crate::json_body;
use crate::memory::TakerOf;
use crate::options::{ENTRY_BYTES, LIST_DEFAULT, LIST_MAX};
use crate::problem::Refused;
use crate::query::Query;
use crate::topics::Named;

/// What a group's members and shares take as JSON, as a multiple of what the coordinator keeps.
const JSON_PER_KEPT: usize = 4;

/// Lists groups by name.
#[utoipa::path(
    get,
    path = "/v1/groups",
    operation_id = "list_groups",
    tag = "groups",
    params(
        ("after" = Option<String>, Query, description = "Only groups whose names come after this one."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000,
            description = "How many at most; 1,000 unless said. Fewer come where names are long."),
    ),
    responses(
        (status = 200, description = "Groups.", body = GroupList),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    TakerOf(taker): TakerOf,
) -> Result<Response, Refused> {
    let query = Query::parse(query.as_deref(), &["after", "limit"])?;
    let limit = query.number("limit", 1..=LIST_MAX)?.unwrap_or(LIST_DEFAULT);
    let room = taker.page_room(&shared.memory, limit * ENTRY_BYTES).await?;
    let all = shared.parts.groups.groups(shared.options.tenant).await.map_err(|error| errors::of_commit(&error))?;
    let after = query.text("after").map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = all.range::<str, _>((after, Bound::Unbounded)).peekable();
    let mut groups = Vec::new();
    let mut bytes_left = limit * ENTRY_BYTES;
    while groups.len() < limit
        && let Some((name, summary)) = rest.peek()
    {
        let bytes = name.len() + summary.protocol_type.len();
        if bytes > bytes_left && !groups.is_empty() {
            break;
        }
        bytes_left = bytes_left.saturating_sub(bytes);
        groups.push(GroupSummary {
            group: name.to_string(),
            state: summary.state.name().to_owned(),
            protocol_type: summary.protocol_type.clone(),
            members: u32::try_from(summary.members).expect("groups are far smaller"),
        });
        rest.next();
    }
    let next = groups.last().filter(|_| rest.peek().is_some()).map(|group| group.group.clone());
    Ok(json_body::write(&taker, room, &GroupList { groups, next }))
}

/// Describes a group and its members.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}",
    operation_id = "describe_group",
    tag = "groups",
    params(("group" = String, Path, min_length = 1, description = "The group's name.")),
    responses(
        (status = 200, description = "All about it but how far it has read.", body = GroupInfo),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn describe(
    State(shared): State<Arc<Shared>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
    TakerOf(taker): TakerOf,
) -> Result<Response, Refused> {
    Query::parse(query.as_deref(), &[])?;
    let key = key(&shared, &name)?;
    let kept_bytes = shared.parts.groups.group_bytes(&key).map_err(errors::of_group)?;
    let room = taker.page_room(&shared.memory, ENTRY_BYTES + kept_bytes * JSON_PER_KEPT).await?;
    let found = find(&shared, &key).await?.ok_or_else(|| unknown(&name))?;
    Ok(json_body::write(&taker, room, &info(name, found)))
}

fn info(group: String, found: GroupDescription) -> GroupInfo {
    let is_consumer = found.summary.protocol_type == tidelog_groups::CONSUMER;
    let member = |member: MemberDescription| {
        let topic = |(topic, partitions): (&str, Vec<u32>)| AssignedTopic { topic: topic.to_owned(), partitions };
        let topics = assigned(&member.assignment).map(|topics| topics.into_iter().map(topic).collect());
        GroupMember {
            assignment: topics.filter(|_| is_consumer),
            member_id: member.member_id,
            client_id: member.client_id,
            client_host: member.client_host,
            instance_id: member.instance_id,
        }
    };
    GroupInfo {
        group,
        state: found.summary.state.name().to_owned(),
        protocol_type: found.summary.protocol_type,
        protocol: found.protocol,
        members: found.members.into_iter().map(member).collect(),
    }
}

/// Deletes a group without members, and how far it has read.
#[utoipa::path(
    delete,
    path = "/v1/groups/{group}",
    operation_id = "delete_group",
    tag = "groups",
    params(("group" = String, Path, min_length = 1, description = "The group's name.")),
    responses(
        (status = 204, description = "It is no more."),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "It may be deleted if the problem says so.", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn delete(
    State(shared): State<Arc<Shared>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Refused> {
    Query::parse(query.as_deref(), &[])?;
    let key = key(&shared, &name)?;
    in_time(&shared, shared.parts.groups.delete(&key), |error| errors::of_delete_group(&error)).await?;
    tracing::info!(group = name, "group deleted");
    Ok(StatusCode::NO_CONTENT)
}
