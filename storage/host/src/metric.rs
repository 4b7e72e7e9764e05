//! Metric handles: where counters and histograms come from.

pub use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
