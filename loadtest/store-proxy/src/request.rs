//! What happens to one request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};
use hyper::{Request, Response, StatusCode, Uri, Version};

use crate::body::{AnswerBody, RequestBody};
use crate::counts::{Flight, Pending};
use crate::faults::{FaultKind, answer_of, xml};
use crate::operation::Operation;
use crate::proxy::Shared;
use crate::socket::Reset;

/// The client gets no answer but a reset.
#[derive(Debug, thiserror::Error)]
#[error("the connection is reset on purpose")]
pub(crate) struct Unanswered;

/// What was decided of a request before anything happens to it.
struct Fate {
    number: u64,
    delay: Duration,
    fault: Option<FaultKind>,
    timeout: Duration,
    bytes_per_s: Option<u64>,
}

impl Fate {
    fn has(&self, kinds: &[FaultKind]) -> bool {
        self.fault.is_some_and(|kind| kinds.contains(&kind))
    }
}

/// Passes a request on and its answer back, or does to it what was drawn. A cancelled caller, which is a client that has gone,
/// leaves a request that the store may have done.
pub(crate) async fn handle(
    shared: Arc<Shared>,
    reset: Reset,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Unanswered> {
    let operation = Operation::of(request.method(), request.uri(), request.headers());
    let fate = draw(&shared, operation);
    let (flight, pending) = shared.counts.begin(operation);
    if let Some(kind) = fate.fault {
        flight.injected(kind);
    }
    if fate.has(&[FaultKind::ResetBefore]) {
        reset.want();
        return Err(Unanswered);
    }
    let resource = request.uri().path().to_owned();
    let (head, body) = request.into_parts();
    let body = RequestBody::new(body, flight.clone(), fate.bytes_per_s);
    let Some(kind) = fate.fault.filter(|kind| !kind.is_after()) else {
        let outgoing = Request::from_parts(head, body);
        return pass(&shared, &reset, &fate, outgoing, &resource, flight, pending).await;
    };
    // A client that is still sending would see a broken connection and not the answer. What is left when it goes, is nothing.
    let _ = drain(body).await;
    if kind == FaultKind::TimeoutBefore {
        return time_out(&fate, &reset).await;
    }
    let (status, text) = answer_of(kind, &resource, fate.number);
    Ok(own_answer(&shared, &fate, &flight, pending, status, text).await)
}

/// Asks the store.
async fn pass(
    shared: &Arc<Shared>,
    reset: &Reset,
    fate: &Fate,
    mut outgoing: Request<RequestBody>,
    resource: &str,
    flight: Arc<Flight>,
    pending: Pending,
) -> Result<Response<AnswerBody>, Unanswered> {
    let path = outgoing.uri().path_and_query().cloned();
    *outgoing.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    *outgoing.version_mut() = Version::HTTP_11;
    remove_hop_by_hop(outgoing.headers_mut());
    // Dropped with the caller, it says that the client has gone.
    let sending = flight.send();
    let (mut answer, lease) = match shared.pool.send(outgoing).await {
        Ok(answered) => answered,
        // Its client has gone, which is nothing that the store did.
        Err(_) if flight.is_broken() => return Err(Unanswered),
        Err(why) => {
            sending.failed();
            let text = xml("StoreUnreachable", &why, resource, fate.number);
            return Ok(own_answer(shared, fate, &flight, pending, 502, text).await);
        }
    };
    sending.answered(answer.status().as_u16());
    if fate.has(&[FaultKind::TimeoutAfter]) {
        return time_out(fate, reset).await;
    }
    if fate.has(&[FaultKind::InternalErrorAfter]) {
        let (status, text) = answer_of(FaultKind::InternalErrorAfter, resource, fate.number);
        return Ok(own_answer(shared, fate, &flight, pending, status, text).await);
    }
    shared.delays.until(flight.last_byte_in() + fate.delay).await;
    if fate.has(&[FaultKind::ResetAfter]) {
        reset.want();
        return Err(Unanswered);
    }
    *answer.version_mut() = Version::HTTP_11;
    remove_hop_by_hop(answer.headers_mut());
    pending.answered(answer.status().as_u16());
    Ok(answer.map(|body| AnswerBody::passing(body, flight, lease, fate.bytes_per_s)))
}

fn draw(shared: &Shared, operation: Operation) -> Fate {
    let (number, draw) = shared.draw();
    let mut settings = shared.settings.lock();
    let fault = settings.faults.strike(operation, &draw);
    if let (Some(_), Some(count)) = (fault, &mut settings.faults.count_max) {
        *count -= 1;
    }
    let faults = &settings.faults;
    Fate {
        number,
        delay: settings.latency.delay(draw.normal),
        fault,
        timeout: Duration::from_millis(faults.timeout_ms),
        bytes_per_s: (fault == Some(FaultKind::SlowBody)).then_some(faults.slow_body_bytes_per_s),
    }
}

/// An answer that is not the store's. It takes as long as the store's would.
async fn own_answer(
    shared: &Shared,
    fate: &Fate,
    flight: &Flight,
    pending: Pending,
    status: u16,
    text: Bytes,
) -> Response<AnswerBody> {
    shared.delays.until(flight.last_byte_in() + fate.delay).await;
    flight.count(|counts| counts.bytes_out += text.len() as u64);
    pending.answered(status);
    let mut answer = Response::new(AnswerBody::Own(Some(text)));
    *answer.status_mut() = StatusCode::from_u16(status).expect("of this file and `faults`");
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    let request = format!("{:016X}", fate.number);
    headers.insert("x-amz-request-id", HeaderValue::from_str(&request).expect("digits"));
    answer
}

async fn time_out(fate: &Fate, reset: &Reset) -> Result<Response<AnswerBody>, Unanswered> {
    tokio::time::sleep_until((Instant::now() + fate.timeout).into()).await;
    reset.want();
    Err(Unanswered)
}

/// Reads a body to its end.
async fn drain(mut body: RequestBody) -> Result<(), hyper::Error> {
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

/// Takes out what is said between two neighbours only. All else passes, whatever a signature covers with it.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let known = [CONNECTION, TE, TRANSFER_ENCODING, UPGRADE, HeaderName::from_static("keep-alive")];
    for name in named.iter().chain(&known) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_neighbours_does_not_pass() {
        let mut headers = HeaderMap::new();
        let pairs = [
            ("host", "127.0.0.1:9000"),
            ("connection", "keep-alive, x-mine"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("authorization", "AWS4-HMAC-SHA256 …"),
            ("x-amz-date", "20261128T183000Z"),
        ];
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        remove_hop_by_hop(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "host", "x-amz-date"]);
    }
}
