//! Producers: whoever appends in sequence, so that several requests may be under way and each be sent again.
//!
//! The catalog gives out ids, and each partition remembers how far a producer has come there; nothing is kept here.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tidelog_catalog_api::{Command, Outcome};
use tidelog_http_api::{Problem, ProducerOpened};

use crate::gateway::Shared;
use crate::json_body;
use crate::negotiate::JSON;
use crate::problem::Refused;
use crate::query::Query;
use crate::topics::in_time;

/// Opens a producer.
///
/// Its appends state `producer-id`, `producer-epoch` and `producer-sequence`, the sequence of the first record in the
/// partition: they land in sequence and once. To begin anew, count the epoch up and go on from sequence 0.
#[utoipa::path(
    post,
    path = "/v1/producers",
    operation_id = "open_producer",
    tag = "records",
    responses(
        (status = 201, description = "Nobody else has this id.", body = ProducerOpened),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn open(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, Refused> {
    Query::parse(query.as_deref(), &[])?;
    match in_time(&shared, shared.parts.catalog.propose(Command::AllocateProducerIds { count: 1 })).await? {
        Outcome::ProducerIds { first, .. } => {
            let opened = ProducerOpened { producer_id: first.0, epoch: 0 };
            let body = json_body::bytes_of(&opened);
            Ok((StatusCode::CREATED, [(CONTENT_TYPE, JSON)], body).into_response())
        }
        other => unreachable!("the catalog answers AllocateProducerIds with ProducerIds, not {other:?}"),
    }
}
