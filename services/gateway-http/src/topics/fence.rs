//! Raising a partition's fence, so that whoever wrote before writes no more.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tidelog_catalog_api::{Command, Outcome};
use tidelog_http_api::{Fence, FenceInput, Problem, WireOffset, object_from_str};
use tidelog_model::FencingToken;

use super::create::{content_length, in_time};
use super::lookup::{Named, partition_of};
use crate::body::Arriving;
use crate::errors::{self, Code};
use crate::gateway::Shared;
use crate::json_body;
use crate::memory::TakerOf;
use crate::negotiate::{self, JSON};
use crate::options::ADMIN_BODY_BYTES_MAX;
use crate::problem::Refused;
use crate::produce::{check_text, json_error};
use crate::query::Query;

/// Raises a partition's fence.
///
/// From then on no append with a lower `fencing-token` lands. A new writer raises the fence, reads up to the tail that it is
/// told, and then appends with its token. To raise it to where it is changes nothing.
#[utoipa::path(
    put,
    path = "/v1/topics/{topic}/partitions/{partition}/fence",
    operation_id = "raise_fence",
    tag = "records",
    params(
        ("topic" = String, Path, min_length = 1, max_length = 249, pattern = "^[a-zA-Z0-9._-]+$", example = "greetings",
            description = "The topic's name."),
        ("partition" = u32, Path, example = 0, description = "The partition's number."),
    ),
    request_body = FenceInput,
    responses(
        (status = 200, description = "It stands.", body = Fence),
        (status = 412, description = "A higher token was seen.", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "It may stand if the problem says so.", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn fence(
    State(shared): State<Arc<Shared>>,
    Named((name, partition)): Named<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    TakerOf(taker): TakerOf,
    body: Body,
) -> Result<Response, Refused> {
    Query::parse(query.as_deref(), &[])?;
    negotiate::content_type(&headers, &[JSON])?;
    let topic = shared.topic(&name).await?;
    let partition = match partition_of(&topic, &partition) {
        // The replica here may not know yet that there are more.
        Err(refused) if refused.code() == Code::UnknownPartition => {
            shared.parts.catalog.read_barrier().await.map_err(|error| errors::of_catalog(&error))?;
            partition_of(&*shared.topic(&name).await?, &partition)?
        }
        other => other?,
    };
    let whole =
        Arriving::new(&shared, taker.address(), body).whole(content_length(&headers), ADMIN_BODY_BYTES_MAX).await?;
    let text = check_text(&whole.bytes)?;
    let input: FenceInput = object_from_str(text).map_err(|error| json_error(&error, Code::InvalidBody))?;
    let token = FencingToken(input.token.0);
    let proposal = shared.parts.catalog.propose(Command::RaiseFence { partition, token });
    match in_time(&shared, proposal).await? {
        Outcome::FenceRaised(result) => {
            let view = result.map_err(|error| errors::of_fence(&error).of_partition(partition.index))?;
            let fence = Fence { token: WireOffset(view.token.0), tail: WireOffset(view.tail.0) };
            let body = json_body::bytes_of(&fence);
            Ok(([(CONTENT_TYPE, JSON)], body).into_response())
        }
        other => unreachable!("the catalog answers RaiseFence with FenceRaised, not {other:?}"),
    }
}
