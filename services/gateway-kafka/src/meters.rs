//! What can be seen of the Kafka door from outside.

use std::sync::OnceLock;
use std::time::Duration;

use tidelog_host::declare_metrics;
use tidelog_host::metric::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tidelog_kafka_wire::{ADVERTISED, Api, ErrorCode};

declare_metrics! {
    counter REQUESTS = "tidelog_kafka_requests_total", ["api"],
        "Kafka requests. What do clients do?";
    seconds SECONDS = "tidelog_kafka_request_seconds", ["api"],
        "From a request's first byte to its answer's last; a Fetch and a JoinGroup wait because they are asked to. How long do \
         clients wait?";
    counter RECEIVED_BYTES = "tidelog_kafka_received_bytes_total", ["api"],
        "Bytes of requests. How much comes in?";
    counter SENT_BYTES = "tidelog_kafka_sent_bytes_total", ["api"],
        "Bytes of answers. How much goes out?";
    gauge IN_FLIGHT = "tidelog_kafka_requests_in_flight", [],
        "Requests that are being worked on. Do they pile up?";
    counter ERRORS = "tidelog_kafka_errors_total", ["api", "code"],
        "Errors that were answered, by Kafka's name for them. What goes wrong, and for whom?";
    counter THROTTLED = "tidelog_kafka_throttled_total", ["api"],
        "Answers that told a client to wait. Whom do quotas slow down, and at what?";
    seconds THROTTLE_SECONDS = "tidelog_kafka_throttle_seconds", [],
        "How long clients were told to wait. How far beyond their quotas are they?";
    gauge CONNECTIONS = "tidelog_kafka_connections", [],
        "Open Kafka connections. Is the bound near?";
    counter REFUSED = "tidelog_kafka_connections_refused_total", ["reason"],
        "Connections closed because of what they sent or did not take. Is someone hostile or broken?";
}

/// Why connections are closed.
const REASONS: [&str; 7] =
    ["connections_max", "connection_creation_rate", "request", "idle", "slow_frame", "slow_reader", "frame"];

/// Handles made once.
pub(crate) struct Meters {
    /// By the number of the API.
    by_api: Vec<Option<OfApi>>,
    in_flight: Gauge,
    connections: Gauge,
}

struct OfApi {
    requests: Counter,
    received_bytes: Counter,
    sent_bytes: Counter,
    throttled: Counter,
    /// Of APIs that were ever used: a histogram is many lines for whoever collects.
    seconds: OnceLock<Histogram>,
}

impl Meters {
    pub(crate) fn new() -> Meters {
        // There from the beginning, so that the first one is seen as one more.
        REASONS.iter().for_each(|reason| drop(counter!(REFUSED, "reason" => *reason)));
        let mut by_api = Vec::new();
        for row in ADVERTISED {
            let name = row.api.name();
            let number = row.api as usize;
            if by_api.len() <= number {
                by_api.resize_with(number + 1, || None);
            }
            by_api[number] = Some(OfApi {
                requests: counter!(REQUESTS, "api" => name),
                received_bytes: counter!(RECEIVED_BYTES, "api" => name),
                sent_bytes: counter!(SENT_BYTES, "api" => name),
                throttled: counter!(THROTTLED, "api" => name),
                seconds: OnceLock::new(),
            });
        }
        Meters { by_api, in_flight: gauge!(IN_FLIGHT), connections: gauge!(CONNECTIONS) }
    }

    pub(crate) fn begun(&self, api: Api, bytes: usize) {
        self.in_flight.increment(1.0);
        let of = self.of(api);
        of.requests.increment(1);
        of.received_bytes.increment(bytes as u64);
    }

    pub(crate) fn sent(&self, api: Api, bytes: usize) {
        self.of(api).sent_bytes.increment(bytes as u64);
    }

    /// Every request that begun is counted down once, also when its connection ends first.
    pub(crate) fn ended(&self, api: Api, took: Duration) {
        self.in_flight.decrement(1.0);
        let seconds = self.of(api).seconds.get_or_init(|| histogram!(SECONDS, "api" => api.name()));
        seconds.record(took.as_secs_f64());
    }

    pub(crate) fn error(&self, api: Api, code: ErrorCode) {
        if code != ErrorCode::None {
            counter!(ERRORS, "api" => api.name(), "code" => format!("{code:?}")).increment(1);
        }
    }

    /// Only who has quotas comes here.
    pub(crate) fn throttled(&self, api: Api, wait: Duration) {
        self.of(api).throttled.increment(1);
        histogram!(THROTTLE_SECONDS).record(wait.as_secs_f64());
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

    fn of(&self, api: Api) -> &OfApi {
        let of = self.by_api.get(api as usize).and_then(Option::as_ref);
        of.expect("every advertised API has its meters")
    }
}
