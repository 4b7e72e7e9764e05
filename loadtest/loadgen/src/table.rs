//! The table that is printed when a run has ended.

use std::fmt;
use std::io::IsTerminal;

use crate::latency::Latency;
use crate::report::Report;
use crate::store::StoreReport;

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
        figure(f, "generator, its busiest thread", Some(report.generator_thread_cores_max), 2)?;
        figure(f, "load average before", report.load_average_before, 2)?;
        figure(f, "  it might be", Some(report.load_average_max), 2)?;
        figure(f, "load average after", report.load_average_after, 2)?;
        let congestion = &report.machine.congestion_control;
        writeln!(f, "{:<34}{congestion:>11}", "tcp congestion control")?;
        if let Some(store) = &report.store {
            of_store(f, store)?;
        }
        verdict(f, report)
    }
}

fn of_store(f: &mut fmt::Formatter<'_>, store: &StoreReport) -> fmt::Result {
    writeln!(f)?;
    writeln!(f, "store, {}", store.about())?;
    write!(f, "{:<22}", "requests to the store")?;
    let headings = store.headings();
    for heading in &headings {
        write!(f, "  {heading:>11}")?;
    }
    writeln!(f)?;
    for (name, values) in store.rows() {
        write!(f, "{name:<22}")?;
        for (index, (value, heading)) in values.iter().zip(&headings).enumerate() {
            let (width, digits) = (heading.len().max(11), [0, 1, 2, 2].get(index).copied().unwrap_or(6));
            write!(f, "  {value:>width$.digits$}")?;
        }
        writeln!(f)?;
    }
    Ok(())
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
        writeln!(f, "{green}held{end}: {}", report.what_held())?;
    }
    for why in report.why_not_quotable() {
        writeln!(f, "not to be quoted: {why}")?;
    }
    for remark in &report.remarks {
        writeln!(f, "note: {remark}")?;
    }
    Ok(())
}
