//! What is told about the process to whoever watches it: metrics for Prometheus, traces for a collector.

pub mod collector;
pub mod metrics;
#[cfg(test)]
mod page_test;
mod process;
pub mod traces;
