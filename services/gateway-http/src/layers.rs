//! What every request passes: its id, caught panics, the end of the node, and the bound on work.

use std::any::Any;
use std::sync::Arc;

use axum::BoxError;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, SERVER};
use axum::http::{HeaderName, HeaderValue, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::errors::Code;
use crate::gateway::Shared;
use crate::memory::{Client, Taker, Tracked};
use crate::problem::{self, Refused};

/// Names a request, in its answer and in the log.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest that is taken from a client.
const REQUEST_ID_BYTES_MAX: usize = 128;
const TIDELOG: HeaderValue = HeaderValue::from_static("tidelog");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Around all others: it is known how much of each answer its client has taken.
pub(crate) async fn track(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let taker = request.extensions().get::<Arc<Taker>>().cloned();
    // Without a connection, as in tests, each is its own client.
    let taker = taker.unwrap_or_else(|| Taker::new(&Client::new(&shared.parts.clock), None));
    request.extensions_mut().insert(taker.clone());
    next.run(request).await.map(|body| Body::new(Tracked::new(body, taker)))
}

/// Gives the request an id, its client's own if it has a proper one, and writes what went wrong.
pub(crate) async fn finish(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).filter(|id| is_proper(id)).cloned();
    let id = id.unwrap_or_else(|| {
        let id = u128::from_be_bytes(shared.parts.random.bytes());
        HeaderValue::from_str(&format!("{id:032x}")).expect("hexadecimal digits")
    });
    let (method, path, version) = (request.method().clone(), request.uri().path().to_owned(), request.version());
    let response = next.run(request).await;
    let text = id.to_str().expect("it is proper");
    // Refusals under load or at the end are many, and no news to whoever reads the log.
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::warn!(%method, path, status = response.status().as_u16(), request_id = text, "request failed");
    }
    let mut response = problem::write(response, text);
    if shared.parts.tasks.is_stopping() && version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, CLOSE);
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response.headers_mut().insert(SERVER, TIDELOG);
    response
}

fn is_proper(id: &HeaderValue) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.to_str().is_ok()
}

/// A request whose handler panicked. The panic hook has printed where.
pub(crate) fn panicked(_: Box<dyn Any + Send>) -> Response {
    let detail = "the request could not be worked on; whether it had an effect is not known";
    Refused::new(Code::Internal, detail).uncertain(true).into_response()
}

/// No new work once the node stops.
pub(crate) async fn refuse_when_stopping(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if shared.parts.tasks.is_stopping() {
        return Refused::new(Code::Stopping, "the node is stopping and takes no new requests").into_response();
    }
    next.run(request).await
}

/// More requests than may be worked on.
pub(crate) async fn shed(_: BoxError) -> Refused {
    Refused::new(Code::Overloaded, "as many requests as may be are being worked on; try again in a moment")
}

/// Nothing is at that path.
pub(crate) async fn not_found(request: Request) -> Refused {
    let detail = format!("there is nothing at {}; /openapi.json says what there is", request.uri().path());
    Refused::new(Code::NotFound, detail)
}

/// Something is, but takes other methods.
pub(crate) async fn method_not_allowed(request: Request) -> Refused {
    let detail = format!("{} is not taken at {}", request.method(), request.uri().path());
    Refused::new(Code::MethodNotAllowed, detail)
}
