//! docs/operations/telemetry.md is made from what is declared: the part between its two marks is compared, and written anew when
//! asked.

use std::fmt::Write;
use std::path::Path;

use tidelog_host::metric::{Kind, Metric};

use super::metrics::declared;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations/telemetry.md");
const BEGIN: &str = "<!-- metrics: made from what is declared with declare_metrics! -->\n";
const END: &str = "<!-- end of metrics -->\n";
/// Set to write the page instead of comparing it.
const WRITE: &str = "WRITE_DOCS";

#[test]
fn the_page_has_all_metrics_as_they_are() {
    let page = std::fs::read_to_string(Path::new(PAGE)).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a mark where the metrics begin");
    let (there, after) = rest.split_once(END).expect("the page has a mark where the metrics end");
    let mut expected = "\n| metric | type | labels | what |\n|---|---|---|---|\n".to_owned();
    let mut all = declared().collect::<Vec<_>>();
    all.sort_by_key(|metric| metric.name);
    for Metric { name, kind, labels, help } in all {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        writeln!(expected, "| `{name}` | {kind} | {labels} | {help} |").expect("a string takes everything");
    }
    expected.push('\n');
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(PAGE, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
    } else {
        let command = format!("{WRITE}=1 cargo test --release -p tidelog-server the_page_has_all_metrics");
        assert!(there == expected, "docs/operations/telemetry.md has drifted; to write it anew:\n  {command}");
    }
}
