//! The report as a page: what the table says, and how it went over time. One file that needs no other, light and dark.

pub(crate) mod plot;

use std::fmt::Write;

use crate::latency::{Latency, Point};
use crate::measure::Sample;
use crate::report::Report;
use crate::store::StoreReport;
use plot::{Line, Plot, Scale};

const STYLE: &str = include_str!("html/style.css");

/// The page of a report.
#[must_use]
pub fn page(report: &Report) -> String {
    let workload = &report.workload;
    let title = format!("{}: {}", workload.name, workload.about);
    let mut body = String::new();
    put(&mut body, format_args!("<h1>{}</h1>\n", escaped(&title)));
    let who = format!("{} by {}, {}", report.server, report.client, report.date);
    put(&mut body, format_args!("<p>{}</p>\n", escaped(&who)));
    verdict(&mut body, report);
    latencies(&mut body, report);
    figures(&mut body, report);
    if let Some(store) = &report.store {
        of_store(&mut body, store);
    }
    for plot in plots(report).iter().filter(|plot| !plot.is_empty()) {
        put(&mut body, format_args!("{plot}"));
    }
    let keys = serde_json::to_string_pretty(workload).expect("a workload is plain values");
    put(&mut body, format_args!("<details><summary>The workload</summary><pre>{}</pre></details>\n", escaped(&keys)));
    document(&title, &body)
}

/// A page that needs no other file: light and dark, wide and narrow. `title` is a text, `body` is HTML.
#[must_use]
pub fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escaped(title)
    )
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory does not fail");
}

/// Names come from files and servers, and are shown as they are.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn verdict(out: &mut String, report: &Report) {
    if report.complaints.is_empty() {
        put(out, format_args!("<p class=\"held\"><b>Held:</b> {}.</p>\n", escaped(report.what_held())));
    }
    for complaint in &report.complaints {
        put(out, format_args!("<p class=\"failed\"><b>Failed:</b> {}.</p>\n", escaped(complaint)));
    }
    for why in report.why_not_quotable() {
        put(out, format_args!("<p class=\"failed\"><b>Not to be quoted:</b> {}.</p>\n", escaped(why)));
    }
    for remark in &report.remarks {
        put(out, format_args!("<p>{}.</p>\n", escaped(remark)));
    }
}

fn latencies(out: &mut String, report: &Report) {
    put(
        out,
        format_args!(
            "<table>\n<thead><tr><th scope=\"col\">from intended send</th><th scope=\"col\">p50 ms</th><th scope=\"col\">p99 ms</th>\
         <th scope=\"col\">p99.9 ms</th><th scope=\"col\">max ms</th><th scope=\"col\">records</th></tr></thead>\n<tbody>\n"
        ),
    );
    let mut row = |name: &str, latency: &Latency| {
        let Latency { count, p50_ms, p99_ms, p99_9_ms, max_ms, .. } = latency;
        put(
            out,
            format_args!(
                "<tr><th scope=\"row\">{name}</th><td>{p50_ms:.2}</td><td>{p99_ms:.2}</td><td>{p99_9_ms:.2}</td><td>{max_ms:.2}</td><td>{count}</td></tr>\n"
            ),
        );
    };
    row("to acknowledge", &report.acknowledge);
    let is_read = report.workload.consumers > 0;
    if is_read {
        row("to receive", &report.receive);
    }
    if report.stages.len() > 1 {
        for stage in &report.stages {
            row(&format!("{} records/s, to acknowledge", stage.rate_per_second), &stage.acknowledge);
            if is_read {
                row(&format!("{} records/s, to receive", stage.rate_per_second), &stage.receive);
            }
        }
    }
    if let Some(catch_up) = &report.catch_up {
        row("receive at the tail, before others catch up", &catch_up.before);
        row("meanwhile", &catch_up.meanwhile);
        row("after", &catch_up.after);
    }
    put(out, format_args!("</tbody>\n</table>\n"));
}

fn figures(out: &mut String, report: &Report) {
    let machine = &report.machine;
    let number =
        |value: Option<f64>, digits: usize| value.map_or("–".to_owned(), |value| format!("{value:.digits$}"));
    let sent = report.stages.iter().map(|stage| stage.sent_per_second).fold(0.0, f64::max);
    let load = [report.load_average_before, report.load_average_after].map(|load| number(load, 2));
    let load = format!("{} ({} might be)", load.join(", "), number(Some(report.load_average_max), 2));
    let rows = [
        ("sent at most, records/s", format!("{sent:.0}")),
        ("server, CPU-s/GiB", number(report.server_cpu_seconds_per_gibibyte, 2)),
        ("server, cores", number(report.server_cores, 2)),
        ("server, resident at most, MiB", number(report.server_resident_mebibytes_max, 0)),
        ("generator, cores", number(Some(report.generator_cores), 2)),
        ("generator, its busiest thread, cores", number(Some(report.generator_thread_cores_max), 2)),
        ("load average, before and after", load),
        ("machine", format!("{} × {}, {} MiB", machine.cores, machine.processor, machine.memory_mebibytes)),
        ("kernel", machine.kernel.clone()),
        ("tcp congestion control", machine.congestion_control.clone()),
    ];
    put(out, format_args!("<dl>\n"));
    for (name, value) in rows {
        put(out, format_args!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escaped(&value)));
    }
    put(out, format_args!("</dl>\n"));
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn of_store(out: &mut String, store: &StoreReport) {
    put(out, format_args!("<h2>Requests to the store</h2>\n<p>{}.</p>\n", escaped(&store.about())));
    put(out, format_args!("<table>\n<thead><tr><th scope=\"col\">kind</th>"));
    for heading in store.headings() {
        put(out, format_args!("<th scope=\"col\">{}</th>", escaped(&heading)));
    }
    put(out, format_args!("</tr></thead>\n<tbody>\n"));
    for (name, values) in store.rows() {
        put(out, format_args!("<tr><th scope=\"row\">{}</th>", escaped(&name)));
        for (index, value) in values.iter().enumerate() {
            let digits = [0, 1, 2, 2].get(index).copied().unwrap_or(6);
            put(out, format_args!("<td>{value:.digits$}</td>"));
        }
        put(out, format_args!("</tr>\n"));
    }
    put(out, format_args!("</tbody>\n</table>\n"));
}

fn plots(report: &Report) -> Vec<Plot> {
    let over_time = |title: &str, unit: &str, scale: Scale, lines: Vec<Line>| Plot {
        title: title.to_owned(),
        x_label: "seconds since the schedule began".to_owned(),
        y_label: unit.to_owned(),
        x_scale: Scale::Linear,
        y_scale: scale,
        lines,
    };
    let of_series = |series: &[Point]| {
        let line = |name: &str, pick: fn(&Point) -> f64| {
            let points = series.iter().filter(|point| point.count > 0).map(|point| (point.at_seconds, pick(point)));
            Line { name: name.to_owned(), points: points.collect() }
        };
        vec![line("p50", |point| point.p50_ms), line("p99", |point| point.p99_ms), line("max", |point| point.max_ms)]
    };
    // The slowest of all is at infinity; everything else has its place.
    let of_curve = |name: &str, latency: &Latency| Line {
        name: name.to_owned(),
        points: latency
            .curve
            .iter()
            .filter(|(quantile, _)| *quantile < 1.0)
            .map(|(q, ms)| (1.0 / (1.0 - q), *ms))
            .collect(),
    };
    let per_second = |name: &str, pick: fn(&Sample) -> Option<f64>| {
        let points = report.samples.windows(2).filter_map(|pair| {
            let seconds = pair[1].at_seconds - pair[0].at_seconds;
            // What is closer together says more of the clock than of the server.
            let both = pick(&pair[0]).zip(pick(&pair[1])).filter(|_| seconds > 0.5);
            both.map(|(before, after)| (pair[1].at_seconds, (after - before) / seconds))
        });
        Line { name: name.to_owned(), points: points.collect() }
    };
    let memory =
        report.samples.iter().filter_map(|sample| sample.server_resident_mebibytes.map(|mib| (sample.at_seconds, mib)));
    vec![
        over_time("From intended send to acknowledge", "ms", Scale::Logarithmic, of_series(&report.acknowledge_series)),
        over_time("From intended send to receive", "ms", Scale::Logarithmic, of_series(&report.receive_series)),
        Plot {
            title: "How many are faster".to_owned(),
            x_label: "percentile".to_owned(),
            y_label: "ms".to_owned(),
            x_scale: Scale::Percentile,
            y_scale: Scale::Logarithmic,
            lines: [("to acknowledge", &report.acknowledge), ("to receive", &report.receive)]
                .into_iter()
                .filter(|(_, latency)| !latency.curve.is_empty())
                .map(|(name, latency)| of_curve(name, latency))
                .collect(),
        },
        over_time(
            "Records",
            "per second",
            Scale::Linear,
            [
                per_second("sent", |sample| Some(sample.sent as f64)),
                per_second("acknowledged", |sample| Some(sample.acknowledged as f64)),
                per_second("received", |sample| Some(sample.received as f64)),
            ]
            .into_iter()
            .filter(|line| report.workload.consumers > 0 || line.name != "received")
            .collect(),
        ),
        over_time(
            "Processors",
            "cores",
            Scale::Linear,
            vec![
                per_second("server", |sample| sample.server_cpu_seconds),
                per_second("generator", |sample| Some(sample.generator_cpu_seconds)),
            ],
        ),
        over_time(
            "Memory of the server",
            "MiB",
            Scale::Linear,
            vec![Line { name: "resident".to_owned(), points: memory.collect() }],
        ),
        over_time(
            "Requests to the store",
            "per second",
            Scale::Linear,
            vec![per_second("requests", |sample| sample.store_requests.map(|count| count as f64))],
        ),
        over_time(
            "Bytes to and from the store",
            "MiB per second",
            Scale::Linear,
            vec![
                per_second("to it", |sample| sample.store_bytes_in.map(mebibytes)),
                per_second("from it", |sample| sample.store_bytes_out.map(mebibytes)),
            ],
        ),
    ]
}
