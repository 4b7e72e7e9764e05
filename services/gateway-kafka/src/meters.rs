//! What can be seen of the Kafka door from outside.

use std::time::Duration;

use tidelog_host::metric::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tidelog_kafka_wire::{ADVERTISED, Api, ErrorCode};

/// Requests, by API. Question: what do clients do?
const REQUESTS: &str = "kafka_requests_total";
/// From a frame's first byte to its answer's last, by API. Question: how long do clients wait?
const SECONDS: &str = "kafka_request_seconds";
/// Requests that are being worked on. Question: is the bound per connection reached?
const IN_FLIGHT: &str = "kafka_requests_in_flight";
/// Errors answered, by API and code. Question: what goes wrong, and for whom?
const ERRORS: &str = "kafka_errors_total";
/// How long clients were told to wait, by API. Question: whom do quotas slow down, and at what?
const THROTTLE_SECONDS: &str = "kafka_throttle_seconds";
/// Open connections. Question: is the bound near?
const CONNECTIONS: &str = "kafka_connections";
/// Connections closed because of what they sent or did not take, by reason. Question: is someone hostile or broken?
const REFUSED: &str = "kafka_connections_refused_total";

/// Handles made once.
pub(crate) struct Meters {
    by_api: Vec<(Api, Counter, Histogram)>,
    in_flight: Gauge,
    connections: Gauge,
}

impl Meters {
    pub(crate) fn new() -> Meters {
        let by_api = ADVERTISED
            .iter()
            .map(|row| {
                let name = row.api.name();
                (row.api, counter!(REQUESTS, "api" => name), histogram!(SECONDS, "api" => name))
            })
            .collect();
        Meters { by_api, in_flight: gauge!(IN_FLIGHT), connections: gauge!(CONNECTIONS) }
    }

    pub(crate) fn begun(&self, api: Api) {
        self.in_flight.increment(1.0);
        self.of(api).1.increment(1);
    }

    /// Every request that begun is counted down once, also when its connection ends first.
    pub(crate) fn ended(&self, api: Api, took: Duration) {
        self.in_flight.decrement(1.0);
        self.of(api).2.record(took.as_secs_f64());
    }

    pub(crate) fn error(&self, api: Api, code: ErrorCode) {
        if code != ErrorCode::None {
            counter!(ERRORS, "api" => api.name(), "code" => format!("{code:?}")).increment(1);
        }
    }

    /// Only who has quotas comes here.
    pub(crate) fn throttled(&self, api: Api, wait: Duration) {
        histogram!(THROTTLE_SECONDS, "api" => api.name()).record(wait.as_secs_f64());
    }

    pub(crate) fn connected(&self) {
        self.connections.increment(1.0);
    }

    pub(crate) fn disconnected(&self) {
        self.connections.decrement(1.0);
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        counter!(REFUSED, "reason" => reason).increment(1);
    }

    fn of(&self, api: Api) -> &(Api, Counter, Histogram) {
        self.by_api.iter().find(|(of, ..)| *of == api).expect("every advertised API has its meters")
    }
}
