//! What every request passes: the name it is asked by, its id, caught panics, the end of the node, quotas, and the bound on work.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, SERVER};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tower::Service;
use tracing::Instrument;

use crate::errors::Code;
use crate::gateway::Shared;
use crate::memory::{Address, Client, Taker, Tracked};
use crate::meters::Measured;
use crate::problem::{self, Refused};
use crate::{encoding, hosts, quotas};

/// Names a request, in its answer and in the log.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest that is taken from a client.
const REQUEST_ID_BYTES_MAX: usize = 128;
const TIDELOG: HeaderValue = HeaderValue::from_static("tidelog");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Around the router: counts a request, learns how much of the answer its client has taken, encodes the answer, gives the
/// request an id and writes what went wrong.
pub(crate) async fn around(shared: &Arc<Shared>, router: Router, mut request: Request) -> Response {
    let route = shared.routes.find(request.uri().path());
    let measured = Measured::begin(shared, &request, route);
    let taker = request.extensions().get::<Arc<Taker>>().cloned();
    // Without a connection, as in tests, each is its own client.
    let taker = taker.unwrap_or_else(|| {
        let taker = Taker::new(&Client::new(&shared.parts.clock, Address::NOWHERE), None);
        request.extensions_mut().insert(taker.clone());
        taker
    });
    let accepted = encoding::accepted(request.headers());
    let identified = Identified::of(shared, &request);
    let answering = async {
        match (hosts::known(shared, &request), route) {
            (Err(refused), _) => refused.into_response(),
            (Ok(()), Some(route)) if route.is_work => work(shared, router, request).await,
            (Ok(()), _) => routed(router, request).await,
        }
    };
    let answered = AssertUnwindSafe(answering).catch_unwind().instrument(measured.span.clone()).await;
    let response = identified.finish(shared, answered.unwrap_or_else(panicked));
    let response = encoding::encode(shared, accepted, response);
    let response = response.map(|body| Body::new(Tracked::new(body, taker)));
    measured.end(shared, &response);
    response
}

/// Not an async function: its future would have room for the request twice.
fn routed(mut router: Router, request: Request) -> impl Future<Output = Response> {
    router.call(request).map(|answered| {
        let Ok(response) = answered;
        response
    })
}

/// A request that has an id: its client's own if it has a proper one.
struct Identified {
    id: HeaderValue,
    method: Method,
    uri: Uri,
    version: Version,
}

impl Identified {
    fn of(shared: &Shared, request: &Request) -> Identified {
        let id = request.headers().get(REQUEST_ID).filter(|id| is_proper(id)).cloned();
        Identified {
            id: id.unwrap_or_else(|| new_id(shared.parts.random.bytes())),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
        }
    }

    /// Says in the answer what every answer says.
    fn finish(self, shared: &Shared, response: Response) -> Response {
        let Identified { id, method, uri, version } = self;
        let text = id.to_str().expect("it is proper");
        // Refusals under load or at the end are many, and no news to whoever reads the log.
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
            let (path, status) = (uri.path(), response.status().as_u16());
            tracing::warn!(%method, path, status, request_id = text, "request failed");
        }
        let mut response = problem::write(response, text);
        if shared.parts.tasks.is_stopping() && version < Version::HTTP_2 {
            response.headers_mut().insert(CONNECTION, CLOSE);
        }
        response.headers_mut().insert(REQUEST_ID, id);
        response.headers_mut().insert(SERVER, TIDELOG);
        response
    }
}

/// As 32 hexadecimal digits.
fn new_id(bytes: [u8; 16]) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |at: usize| DIGITS[usize::from(bytes[at / 2] >> (4 * (1 - at % 2)) & 0xf)];
    let text: [u8; 32] = std::array::from_fn(digit);
    HeaderValue::from_bytes(&text).expect("hexadecimal digits")
}

fn is_proper(id: &HeaderValue) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.to_str().is_ok()
}

/// A request whose handler panicked. The panic hook has printed where.
pub(crate) fn panicked(_: Box<dyn Any + Send>) -> Response {
    let detail = "the request could not be worked on; whether it had an effect is not known";
    Refused::new(Code::Internal, detail).uncertain(true).into_response()
}

/// Around what is worked on: no new work once the node stops, each client's within its quotas, and no more at once than may be.
async fn work(shared: &Arc<Shared>, router: Router, request: Request) -> Response {
    if shared.parts.tasks.is_stopping() {
        return Refused::new(Code::Stopping, "the node is stopping and takes no new requests").into_response();
    }
    let bounded = async |request| {
        // What waits for its quota is not being worked on.
        let Some(_begun) = shared.memory.places.begin() else {
            let detail = "as many requests as may be are being worked on; try again in a moment";
            return Refused::new(Code::Overloaded, detail).into_response();
        };
        routed(router, request).await
    };
    quotas::charge(shared, request, bounded).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_bytes_as_digits() {
        let bytes = std::array::from_fn(|at| [0x01, 0xf0, 0xab, 0x9c][at % 4]);
        assert_eq!(new_id(bytes), format!("{:032x}", u128::from_be_bytes(bytes)));
    }
}
