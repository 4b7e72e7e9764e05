//! What can be seen of the HTTP door from outside.

use std::array;
use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderName, Method, StatusCode};
use axum::response::Response;
use tidelog_host::metric::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tidelog_host::{declare_metrics, follow_request, trace};
use tokio::time::Instant;
use tracing::{Span, field};

use crate::errors::Code;
use crate::gateway::Shared;
use crate::routes::{Route, Routes};

declare_metrics! {
    counter REQUESTS = "tidelog_http_requests_total", ["route", "method", "status"],
        "HTTP requests that were answered, by the route's template and the class of the status. What do clients do, and does \
         it work?";
    seconds SECONDS = "tidelog_http_request_seconds", ["route", "method"],
        "From a request's head to the head of its answer; a read with `wait_ms` waits because it is asked to. How long do \
         clients wait?";
    counter REFUSED = "tidelog_http_refused_total", ["code"],
        "Requests that were answered with a problem, by its code. What goes wrong?";
    gauge IN_FLIGHT = "tidelog_http_requests_in_flight", [],
        "Requests whose answer has not begun. Do they pile up?";
    gauge STREAMS = "tidelog_http_streams", [],
        "Answers that go on: lines and events. Is the bound near?";
    gauge CONNECTIONS = "tidelog_http_connections", [],
        "Open HTTP connections. Is the bound near?";
    counter CONNECTIONS_REFUSED = "tidelog_http_connections_refused_total", ["reason"],
        "Connections that were closed because there were too many (`connections_max`) or answers were not taken \
         (`slow_reader`). Is someone hostile or broken?";
    counter RECEIVED_BYTES = "tidelog_http_received_bytes_total", [],
        "Bytes that came over HTTP connections, heads included. How much comes in?";
    counter SENT_BYTES = "tidelog_http_sent_bytes_total", [],
        "Bytes that went over HTTP connections, heads included. How much goes out?";
}

/// Names the span of the client (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Stands for what matched no route.
const NO_ROUTE: &str = "none";
/// Told apart; the rest counts as one, for clients make methods up.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"];
const CONNECTION_REASONS: [&str; 2] = ["connections_max", "slow_reader"];
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Handles made once.
pub(crate) struct Meters {
    /// By routes, and one more for what matched none.
    routes: Vec<[OfMethod; METHODS.len()]>,
    in_flight: Gauge,
    pub(crate) received_bytes: Counter,
    pub(crate) sent_bytes: Counter,
}

/// What was never asked for has no meter: a histogram is many lines for whoever collects.
#[derive(Default)]
struct OfMethod {
    statuses: [OnceLock<Counter>; STATUSES.len()],
    seconds: OnceLock<Histogram>,
}

impl Meters {
    pub(crate) fn new(routes: &Routes) -> Meters {
        // There from the beginning, so that the first one is seen as one more.
        Code::ALL.iter().for_each(|code| drop(refused(*code)));
        CONNECTION_REASONS.iter().for_each(|reason| drop(counter!(CONNECTIONS_REFUSED, "reason" => *reason)));
        Meters {
            routes: (0..=routes.count()).map(|_| array::from_fn(|_| OfMethod::default())).collect(),
            in_flight: gauge!(IN_FLIGHT),
            received_bytes: counter!(RECEIVED_BYTES),
            sent_bytes: counter!(SENT_BYTES),
        }
    }

    pub(crate) fn connection_refused(&self, reason: &'static str) {
        counter!(CONNECTIONS_REFUSED, "reason" => reason).increment(1);
    }

    /// The routes that were asked for anything.
    #[cfg(test)]
    pub(crate) fn asked<'a>(&self, routes: &'a Routes) -> Vec<&'a str> {
        let names = routes.all().iter().map(|route| &*route.template).chain([NO_ROUTE]);
        let of_names = names.zip(&self.routes);
        of_names.filter(|(_, of)| of.iter().any(|of| of.seconds.get().is_some())).map(|(name, _)| name).collect()
    }

    fn answered(&self, route: Option<&Route>, method: &Method, status: StatusCode, took: Duration) {
        let at = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
        let of_route = &self.routes[route.map_or(self.routes.len() - 1, |route| route.number)];
        let (of, method, route) = (&of_route[at], METHODS[at], name_of(route));
        let class = usize::from(status.as_u16() / 100).clamp(1, STATUSES.len()) - 1;
        let requests = of.statuses[class].get_or_init(
            || counter!(REQUESTS, "route" => route.to_owned(), "method" => method, "status" => STATUSES[class]),
        );
        requests.increment(1);
        let seconds = of.seconds.get_or_init(|| histogram!(SECONDS, "route" => route.to_owned(), "method" => method));
        seconds.record(took.as_secs_f64());
    }
}

fn name_of(route: Option<&Route>) -> &str {
    route.map_or(NO_ROUTE, |route| &route.template)
}

fn refused(code: Code) -> Counter {
    counter!(REFUSED, "code" => code.as_str())
}

/// What goes up and down, when somebody asks.
pub(crate) fn observe(connections: usize, streams: usize) {
    gauge!(CONNECTIONS).set(connections as f64);
    gauge!(STREAMS).set(streams as f64);
}

/// A request that is being counted, and followed if it is to be followed.
pub(crate) struct Measured<'a> {
    meters: &'a Meters,
    begun: Instant,
    route: Option<&'a Route>,
    method: Method,
    /// Around what is done for it.
    pub(crate) span: Span,
    working: Working<'a>,
}

impl Measured<'_> {
    pub(crate) fn begin<'a>(shared: &'a Shared, request: &Request, route: Option<&'a Route>) -> Measured<'a> {
        Measured {
            meters: &shared.meters,
            begun: shared.parts.clock.now(),
            span: if trace::is_on() { span_of(request, name_of(route)) } else { Span::none() },
            route,
            method: request.method().clone(),
            working: Working::begin(&shared.meters),
        }
    }

    /// What is answered has begun.
    pub(crate) fn end(self, shared: &Shared, response: &Response) {
        let Measured { meters, begun, route, method, span, working } = self;
        span.record("http.response.status_code", response.status().as_u16());
        if response.status().is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        drop((working, span));
        let took = shared.parts.clock.now().saturating_duration_since(begun);
        meters.answered(route, &method, response.status(), took);
        if let Some(code) = response.extensions().get::<Code>() {
            refused(*code).increment(1);
        }
    }
}

/// The span of a request, named as OpenTelemetry's conventions have it; none when it is not followed.
fn span_of(request: &Request, route: &str) -> Span {
    let parent = request.headers().get(TRACEPARENT).and_then(|text| trace::Parent::read(text.to_str().ok()?));
    let method = request.method().as_str();
    follow_request!(
        parent,
        "http",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
    )
}

/// Counted down also when the client goes before it is answered.
struct Working<'a>(&'a Gauge);

impl Working<'_> {
    fn begin(meters: &Meters) -> Working<'_> {
        meters.in_flight.increment(1.0);
        Working(&meters.in_flight)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
