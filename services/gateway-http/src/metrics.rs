//! `/metrics`: everything that is counted, for Prometheus.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use parking_lot::Mutex;
use tidelog_http_api::Problem;
use tokio::time::Instant;

use crate::gateway::Shared;
use crate::memory::TakerOf;
use crate::meters;
use crate::problem::Refused;

/// The text format that every collector takes.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How old an answer may be: whoever asks more often is told the same again, so that asking has a price that is bounded.
const AGE_MAX: Duration = Duration::from_millis(250);

/// Whoever has collected what is counted.
pub trait RenderMetrics: Send + Sync + 'static {
    /// All of it as it is now, in Prometheus' text format. Waits for nothing.
    fn render(&self) -> String;
}

/// What was told last, and when.
#[derive(Default)]
pub(crate) struct Rendered(Mutex<Option<(Instant, Bytes)>>);

impl Rendered {
    fn now(&self, shared: &Shared) -> Bytes {
        let mut last = self.0.lock();
        let now = shared.parts.clock.now();
        if let Some((at, text)) = &*last
            && now.saturating_duration_since(*at) < AGE_MAX
        {
            return text.clone();
        }
        meters::observe(shared.open_connections(), shared.open_streams());
        let text = Bytes::from(shared.parts.metrics.render());
        *last = Some((now, text.clone()));
        text
    }
}

/// What is counted, for Prometheus.
///
/// The names, and what they mean, are in docs/operations/telemetry.md.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    responses(
        (status = 200, description = "In Prometheus' text format.", body = String, content_type = "text/plain"),
        (status = "4XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "As the problem says.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>, TakerOf(taker): TakerOf) -> Result<Response, Refused> {
    let text = shared.rendered.now(&shared);
    // Answered however many requests are worked on, but not so that more may be while this waits.
    let _begun = shared.memory.places.begin_regardless();
    // In the budget of answers and under their time limit, like any other.
    let room = taker.page_room(&shared.memory, text.len()).await?;
    let body = taker.hold(text.to_vec(), room);
    Ok(([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-store")], Body::from(body)).into_response())
}
