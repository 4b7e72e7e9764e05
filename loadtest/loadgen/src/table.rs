//! The table that is printed when a run has ended.

use std::fmt;
use std::io::IsTerminal;

use crate::latency::Latency;
use crate::report::Report;

/// Shows a report to people.
pub struct Table<'a>(pub &'a Report);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let workload = &report.workload;
        writeln!(f, "{}: {}", workload.name, workload.about)?;
        writeln!(f, "{} by {}, {}", report.server, report.client, report.date)?;
        writeln!(f)?;
        let columns = ["p50 ms", "p99 ms", "p99.9 ms", "max ms", "records"];
        let [p50, p99, p99_9, max, count] = columns;
        writeln!(f, "{:<34}{p50:>11}{p99:>11}{p99_9:>11}{max:>11}{count:>12}", "from intended send")?;
        row(f, "to acknowledge", &report.acknowledge)?;
        if workload.consumers > 0 {
            row(f, "to receive", &report.receive)?;
        }
        if report.stages.len() > 1 {
            for stage in &report.stages {
                row(f, &format!("  {} records/s, acknowledge", stage.rate_per_second), &stage.acknowledge)?;
                if workload.consumers > 0 {
                    row(f, &format!("  {} records/s, receive", stage.rate_per_second), &stage.receive)?;
                }
            }
        }
        for stage in report.stages.iter().filter(|stage| stage.steady_after_seconds.is_some()) {
            figure(f, "  steady again after, s", stage.steady_after_seconds, 0)?;
        }
        if let Some(catch_up) = &report.catch_up {
            row(f, "receive at the tail, before", &catch_up.before)?;
            row(f, "  while others catch up", &catch_up.meanwhile)?;
            row(f, "  after", &catch_up.after)?;
        }
        writeln!(f)?;
        let sent: f64 = report.stages.iter().map(|stage| stage.sent_per_second).fold(0.0, f64::max);
        figure(f, "sent at most, records/s", Some(sent), 0)?;
        let taken: f64 = report.stages.iter().map(|stage| stage.acknowledged_per_second).fold(0.0, f64::max);
        figure(f, "acknowledged at most, records/s", Some(taken), 0)?;
        figure(f, "acknowledged at most, MiB/s", Some(taken * workload.record_bytes as f64 / f64::from(1 << 20)), 1)?;
        figure(f, "too much was more than, records/s", report.saturated_above_per_second.map(|rate| rate as f64), 0)?;
        figure(f, "server, CPU-s/GiB", report.server_cpu_seconds_per_gibibyte, 2)?;
        figure(f, "server, cores", report.server_cores, 2)?;
        figure(f, "server, resident at most, MiB", report.server_resident_mebibytes_max, 0)?;
        figure(f, "generator, cores", Some(report.generator_cores), 2)?;
        figure(f, "load average before", report.load_average_before, 2)?;
        figure(f, "load average after", report.load_average_after, 2)?;
        verdict(f, report)
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, latency: &Latency) -> fmt::Result {
    let Latency { count, p50_ms, p99_ms, p99_9_ms, max_ms, .. } = latency;
    writeln!(f, "{name:<34}{p50_ms:>11.2}{p99_ms:>11.2}{p99_9_ms:>11.2}{max_ms:>11.2}{count:>12}")
}

fn figure(f: &mut fmt::Formatter<'_>, name: &str, value: Option<f64>, digits: usize) -> fmt::Result {
    match value {
        Some(value) => writeln!(f, "{name:<34}{value:>11.digits$}"),
        None => Ok(()),
    }
}

fn verdict(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let (red, green, end) =
        if std::io::stdout().is_terminal() { ("\x1b[31m", "\x1b[32m", "\x1b[0m") } else { ("", "", "") };
    writeln!(f)?;
    for complaint in &report.complaints {
        writeln!(f, "{red}failed{end}: {complaint}")?;
    }
    if report.complaints.is_empty() {
        writeln!(f, "{green}held{end}: every acknowledged record came, once and in order, and the schedule was kept")?;
    }
    if !report.is_quotable {
        let why =
            if report.complaints.is_empty() { "the machine was busy, or was allowed to be" } else { "a check failed" };
        writeln!(f, "not to be quoted: {why}")?;
    }
    Ok(())
}
