//! What was pushed, by subscription.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tidelog_host::declare_metrics;
use tidelog_host::metric::{Counter, Gauge, counter, gauge};

use super::otlp::Counted;

declare_metrics! {
    counter PUSHES = "tidelog_kafka_telemetry_pushes_total", ["subscription"],
        "Pushes of clients' metrics that came for a subscription, of which 256 are told apart. Do its clients answer it?";
    counter PUSHED_BYTES = "tidelog_kafka_telemetry_pushed_bytes_total", ["subscription"],
        "Bytes of those pushes, as they were sent. What does the subscription cost?";
    counter PUSHED_METRICS = "tidelog_kafka_telemetry_pushed_metrics_total", ["subscription"],
        "Metrics in those pushes. Has it found the metrics that it asks for?";
    gauge INSTANCES = "tidelog_kafka_telemetry_instances", [],
        "Client instances that are remembered for their metrics. Is the bound near?";
}

/// Subscriptions that are told apart while the node runs: a meter is never taken away. The rest counts as one.
const METERED_MAX: usize = 256;
const OTHERS: &str = "others";

struct OfSubscription {
    pushes: Counter,
    bytes: Counter,
    metrics: Counter,
}

/// Handles made once for each subscription.
#[derive(Default)]
pub(super) struct PushMeters {
    by_name: Mutex<BTreeMap<Arc<str>, OfSubscription>>,
    instances: std::sync::OnceLock<Gauge>,
}

impl PushMeters {
    /// Counts a push for each of the subscriptions that asked for it.
    pub(super) fn pushed(&self, subscriptions: &[Arc<str>], bytes: usize, counted: Counted) {
        let mut by_name = self.by_name.lock();
        for name in subscriptions {
            let is_new = !by_name.contains_key(name);
            let name = if is_new && by_name.len() >= METERED_MAX { Arc::from(OTHERS) } else { name.clone() };
            let of = by_name.entry(name).or_insert_with_key(|name| OfSubscription {
                pushes: counter!(PUSHES, "subscription" => name.to_string()),
                bytes: counter!(PUSHED_BYTES, "subscription" => name.to_string()),
                metrics: counter!(PUSHED_METRICS, "subscription" => name.to_string()),
            });
            of.pushes.increment(1);
            of.bytes.increment(bytes as u64);
            of.metrics.increment(counted.metrics);
        }
    }

    pub(super) fn instances(&self, count: usize) {
        self.instances.get_or_init(|| gauge!(INSTANCES)).set(count as f64);
    }

    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.by_name.lock().keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_subscriptions_are_told_apart() {
        let meters = PushMeters::default();
        for number in 0..METERED_MAX + 9 {
            meters.pushed(&[number.to_string().into()], 1, Counted::default());
        }
        let names = meters.names();
        assert_eq!(names.len(), METERED_MAX + 1);
        assert!(names.contains(&Arc::from(OTHERS)));
    }
}
