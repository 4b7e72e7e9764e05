//! All comparisons as a page: ratios and bounds first, then how fast how many are, and how the rounds differ. One file that needs no other.

use std::fmt::Write;

use tidelog_loadgen::{Line, Plot, Scale, document, escaped};

use crate::comparison::{Comparison, Run};
use crate::measure::Measure;
use crate::ratio::{Verdict, spread};
use crate::system::System;
use crate::table::{about_rate, number, shown, words};

const TITLE: &str = "Tidelog and Apache Kafka, the same workload in turn";

/// The page of some comparisons.
pub fn page(comparisons: &[Comparison]) -> String {
    let mut body = String::new();
    put(&mut body, format_args!("<h1>{TITLE}</h1>\n"));
    if let Some(first) = comparisons.first() {
        let machine = &first.machine;
        let text = format!(
            "{} × {}, {} MiB; {}, {}. Latencies count from the moment when a record should have been sent. Less is better everywhere.",
            machine.cores, machine.processor, machine.memory_mebibytes, machine.kernel, machine.congestion_control
        );
        put(&mut body, format_args!("<p>{}</p>\n", escaped(&text)));
    }
    bounds(&mut body, comparisons);
    for comparison in comparisons {
        section(&mut body, comparison);
    }
    document(TITLE, &body)
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory does not fail");
}

/// Every bound of every scenario, in one table.
fn bounds(out: &mut String, comparisons: &[Comparison]) {
    put(
        out,
        format_args!(
            "<table>\n<thead><tr><th scope=\"col\">bound</th><th scope=\"col\">scenario</th><th scope=\"col\">median / worst</th>\
             <th scope=\"col\">rounds</th><th scope=\"col\">verdict</th></tr></thead>\n<tbody>\n"
        ),
    );
    for comparison in comparisons {
        let may_be_quoted = comparison.not_to_be_quoted().is_empty();
        for judged in comparison.judged() {
            let class = if judged.verdict == Verdict::Held { "held" } else { "failed" };
            let not = if may_be_quoted { "" } else { " (not to be quoted)" };
            let rounds = judged.spread.map_or(0, |spread| spread.count);
            put(
                out,
                format_args!(
                    "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{rounds}</td><td class=\"{class}\"><b>{}</b>{not}</td></tr>\n",
                    escaped(&words(&judged)),
                    escaped(&comparison.scenario),
                    shown(judged.spread),
                    judged.verdict.words()
                ),
            );
        }
    }
    put(out, format_args!("</tbody>\n</table>\n"));
}

fn section(out: &mut String, comparison: &Comparison) {
    put(out, format_args!("<h2>{}</h2>\n<p>{}</p>\n", escaped(&comparison.scenario), escaped(&comparison.about)));
    let client = comparison.runs.first().map_or("", |run| run.client.as_str());
    let text = format!(
        "{}; {} rounds, order reversed each time; a JVM warmed for {} s; {client}; {}",
        about_rate(comparison),
        comparison.rounds,
        comparison.warm_up_seconds,
        comparison.date
    );
    put(out, format_args!("<p>{}</p>\n", escaped(&text)));
    for why in comparison.not_to_be_quoted() {
        put(out, format_args!("<p class=\"failed\"><b>Not to be quoted:</b> {}.</p>\n", escaped(&why)));
    }
    table(out, comparison);
    for plot in plots(comparison).iter().filter(|plot| !plot.is_empty()) {
        put(out, format_args!("{plot}"));
    }
    runs(out, comparison);
    let keys = serde_json::to_string_pretty(&comparison.workload).expect("a workload is plain values");
    put(out, format_args!("<details><summary>The workload</summary><pre>{}</pre></details>\n", escaped(&keys)));
}

/// A row for each measure, with the durability of each column.
fn table(out: &mut String, comparison: &Comparison) {
    put(out, format_args!("<table>\n<thead><tr><th scope=\"col\">median / worst</th>"));
    for side in &comparison.sides {
        put(out, format_args!("<th scope=\"col\">{} ({})</th>", side.system.name(), side.system.durability_in_short()));
    }
    for other in comparison.others() {
        put(out, format_args!("<th scope=\"col\">tidelog × {}</th>", other.name()));
    }
    put(out, format_args!("</tr></thead>\n<tbody>\n"));
    for row in comparison.rows() {
        put(out, format_args!("<tr><th scope=\"row\">{}</th>", row.measure.label()));
        for spread in row.values.iter().chain(&row.ratios) {
            put(out, format_args!("<td>{}</td>", shown(*spread)));
        }
        put(out, format_args!("</tr>\n"));
    }
    put(out, format_args!("</tbody>\n</table>\n<dl>\n"));
    for side in &comparison.sides {
        let text = format!("{}; {}", side.version, side.durability);
        put(out, format_args!("<div><dt>{}</dt><dd>{}</dd></div>\n", side.system.name(), escaped(&text)));
    }
    put(out, format_args!("</dl>\n"));
}

/// Each run, with the file that has all of it.
fn runs(out: &mut String, comparison: &Comparison) {
    put(
        out,
        format_args!(
            "<details><summary>The runs</summary>\n<table>\n<thead><tr><th scope=\"col\">run</th><th scope=\"col\">load average before</th>\
             <th scope=\"col\">cores of others</th><th scope=\"col\">acknowledge p99 ms</th><th scope=\"col\">what did not hold</th></tr></thead>\n<tbody>\n"
        ),
    );
    for run in &comparison.runs {
        let p99 = run.values.get(&Measure::AcknowledgeP99Ms).copied();
        put(
            out,
            format_args!(
                "<tr><th scope=\"row\">{}/{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                escaped(&comparison.scenario),
                escaped(&run.file),
                run.load_average_before.map_or("–".to_owned(), number),
                number(run.others_cores),
                p99.map_or("–".to_owned(), number),
                escaped(&run.complaints.join("; "))
            ),
        );
    }
    put(out, format_args!("</tbody>\n</table></details>\n"));
}

fn plots(comparison: &Comparison) -> Vec<Plot> {
    let name = &comparison.scenario;
    let systems = || comparison.sides.iter().map(|side| side.system);
    let curves = |title: &str, pick: fn(&Run) -> &Vec<(f64, f64)>| Plot {
        title: format!("{}: {title}", escaped(name)),
        x_label: "percentile".to_owned(),
        y_label: "ms".to_owned(),
        x_scale: Scale::Percentile,
        y_scale: Scale::Logarithmic,
        lines: systems().map(|system| curve(comparison, system, pick)).collect(),
    };
    let by_round = |measure: Measure, scale: Scale| Plot {
        title: format!("{}: {}, round by round", escaped(name), measure.label()),
        x_label: "round".to_owned(),
        y_label: String::new(),
        x_scale: Scale::Linear,
        y_scale: scale,
        lines: systems()
            .map(|system| {
                let values = comparison.by_round(system, measure).into_iter().zip(1..);
                let points = values.filter_map(|(value, round)| Some((f64::from(round), value?))).collect();
                Line { name: system.name().to_owned(), points }
            })
            .collect(),
    };
    // What the bounds are of; a comparison without any is looked at for its acknowledgements.
    let mut measures: Vec<Measure> = comparison.bounds.iter().map(|bound| bound.measure).collect();
    measures.dedup();
    let mut plots = vec![
        curves("send to acknowledge, how many are faster", |run| &run.acknowledge),
        curves("send to receive, how many are faster", |run| &run.receive),
    ];
    plots.extend(measures.into_iter().map(|measure| by_round(measure, Scale::Linear)));
    plots
}

/// The median of the rounds at each quantile. The slowest of all is at infinity, and left out.
fn curve(comparison: &Comparison, system: System, pick: fn(&Run) -> &Vec<(f64, f64)>) -> Line {
    let of_system = || comparison.runs.iter().filter(|run| run.system == system).map(pick);
    let quantiles = of_system().next().into_iter().flatten().map(|(quantile, _)| *quantile);
    let median = |quantile: f64| {
        let at = of_system().filter_map(|points| points.iter().find(|point| point.0 == quantile).map(|point| point.1));
        spread(&at.collect::<Vec<_>>()).map(|spread| spread.median)
    };
    let points = quantiles.filter(|quantile| *quantile < 1.0);
    Line {
        name: system.name().to_owned(),
        points: points.filter_map(|quantile| Some((1.0 / (1.0 - quantile), median(quantile)?))).collect(),
    }
}
