//! The recorder: one per process. Libraries count, it adds up and makes text.

use std::time::Duration;

use anyhow::Context;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tidelog_host::metric::{Kind, Metric, counter, gauge, histogram};
use tidelog_host::tasks::OnPanic;
use tidelog_host::{Clock, Tasks, declare_metrics};
use tidelog_node::Recorded;

use super::{process, traces};
use crate::version::VERSION;

declare_metrics! {
    gauge BUILD_INFO = "tidelog_build_info", ["version"],
        "1, with the build's version and commit. What runs?";
}

/// Samples of histograms are gathered by whoever records them, and added up this often: memory for them is bounded by what
/// is recorded in this time.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);

/// Every metric there is.
pub fn declared() -> impl Iterator<Item = &'static Metric> {
    METRICS.iter().chain(process::METRICS).chain(traces::METRICS).chain(tidelog_node::metrics())
}

/// What adds up.
pub struct Recorder {
    handle: PrometheusHandle,
}

impl Recorder {
    /// Installs it, once in the life of the process and before anything that counts is made.
    ///
    /// # Errors
    /// When there is one already.
    pub fn install() -> anyhow::Result<Recorder> {
        let mut builder = PrometheusBuilder::new();
        for metric in declared() {
            if let Kind::Histogram(bounds) = metric.kind {
                builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)?;
            }
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).context("cannot install the recorder of metrics")?;
        declared().for_each(describe);
        process::began(Clock::real().wall());
        gauge!(BUILD_INFO, "version" => VERSION).set(1.0);
        Ok(Recorder { handle })
    }

    /// What it has, for the node to tell.
    pub fn recorded(&self) -> Recorded {
        let handle = self.handle.clone();
        Recorded::by(move || {
            process::observe();
            in_order(&handle.render())
        })
    }

    /// Keeps it small from now on.
    pub fn keep_small(&self, tasks: &Tasks, clock: Clock) {
        let handle = self.handle.clone();
        // Nobody joins this: it ends with the runtime. Without it memory would grow until somebody collects.
        tasks.spawn_detached("metrics", OnPanic::EndProcess, async move {
            loop {
                clock.sleep(UPKEEP_EVERY).await;
                handle.run_upkeep();
            }
        });
    }
}

/// Says what a metric is. One without labels is there from now on, as zero; of the others it is not known yet which there are.
fn describe(metric: &Metric) {
    let (name, help, unit) = (metric.name, metric.help, unit_of(metric.name));
    match metric.kind {
        Kind::Counter => describe_counter!(name, unit, help),
        Kind::Gauge => describe_gauge!(name, unit, help),
        Kind::Histogram(_) => describe_histogram!(name, unit, help),
    }
    if metric.labels.is_empty() {
        match metric.kind {
            Kind::Counter => counter!(name).increment(0),
            Kind::Gauge => gauge!(name).increment(0.0),
            Kind::Histogram(_) => drop(histogram!(name)),
        }
    }
}

fn unit_of(name: &str) -> Unit {
    match name.strip_suffix("_total").unwrap_or(name) {
        name if name.ends_with("_seconds") => Unit::Seconds,
        name if name.ends_with("_bytes") || name.ends_with("_bytes_max") => Unit::Bytes,
        _ => Unit::Count,
    }
}

/// The same, in an order that does not change from one time to the next: families by name, and their series too, but for the
/// buckets of histograms, which are in order.
fn in_order(text: &str) -> String {
    let mut families = text.split("\n\n").map(str::trim_end).filter(|family| !family.is_empty()).collect::<Vec<_>>();
    families.sort_unstable();
    let mut ordered = String::with_capacity(text.len() + 1);
    for family in families {
        let mut lines = family.lines().collect::<Vec<_>>();
        let head = lines.iter().take_while(|line| line.starts_with('#')).count();
        if !lines[..head].iter().any(|line| line.ends_with(" histogram")) {
            lines[head..].sort_unstable();
        }
        for line in lines {
            ordered.push_str(line);
            ordered.push('\n');
        }
        ordered.push('\n');
    }
    ordered
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_ours_told_once_and_end_with_their_unit() {
        let names = declared().map(|metric| metric.name).collect::<BTreeSet<_>>();
        assert_eq!(names.len(), declared().count(), "a name is declared twice");
        for metric in declared() {
            let name = metric.name;
            assert!(name.starts_with("tidelog_") || name.starts_with("process_"), "{name}");
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
                "{name}"
            );
            assert_eq!(metric.kind == Kind::Counter, name.ends_with("_total"), "{name}");
            let help = metric.help;
            assert!(
                help.ends_with('?') && help.contains(". ") && !help.contains("  "),
                "{name}: what question? {help}"
            );
        }
    }

    #[test]
    fn the_order_is_by_name_and_buckets_stay_as_they_are() {
        let text = "# HELP b B\n# TYPE b counter\nb{x=\"2\"} 1\nb{x=\"1\"} 3\n\n# HELP a A\n# TYPE a histogram\n\
                    a_bucket{le=\"0.5\"} 0\na_bucket{le=\"+Inf\"} 1\na_sum 2\na_count 1\n\n";
        let expected = "# HELP a A\n# TYPE a histogram\na_bucket{le=\"0.5\"} 0\na_bucket{le=\"+Inf\"} 1\na_sum 2\n\
                        a_count 1\n\n# HELP b B\n# TYPE b counter\nb{x=\"1\"} 3\nb{x=\"2\"} 1\n\n";
        assert_eq!(in_order(text), expected);
    }
}
