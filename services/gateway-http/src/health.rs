//! Whether the process lives, and whether it should get requests.

use std::sync::Arc;

use axum::extract::State;
use tidelog_http_api::Problem;

use crate::errors::Code;
use crate::gateway::Shared;
use crate::problem::Refused;

/// Whether the process lives.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "livez",
    tag = "health",
    responses(
        (status = 200, description = "It does.", body = String, content_type = "text/plain", example = "ok\n"),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// Whether requests should be sent here. That ends before the node stops taking them.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "health",
    responses(
        (status = 200, description = "They should.", body = String, content_type = "text/plain",
            example = "ready\n"),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They should not.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Result<&'static str, Refused> {
    if shared.parts.tasks.is_stopping() {
        return Err(Refused::new(Code::Stopping, "the node is stopping; another one may serve"));
    }
    if let Some(why) = shared.parts.node.failure() {
        let detail = format!("the node can acknowledge nothing until it is started again: {why}");
        return Err(Refused::new(Code::Unavailable, detail));
    }
    Ok("ready\n")
}
