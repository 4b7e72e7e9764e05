//! What was counted, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::counts::{Measured, OperationCounts};
use crate::faults::Faults;
use crate::latency::Latency;
use crate::operation::Operation;
use crate::prices::{Cost, price_table};
use crate::proxy::Shared;

const GIB: f64 = (1_u64 << 30) as f64;
const MIB: f64 = (1_u64 << 20) as f64;

/// Everything that a proxy knows.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Since counting began.
    pub seconds: f64,
    /// Of delays and faults.
    pub seed: u64,
    /// The profile of latency, or `custom`.
    pub profile: &'static str,
    /// How long answers take now.
    pub latency: Latency,
    /// What goes wrong now.
    pub faults: Faults,
    /// What of it all was payload, when that was said.
    pub payload_bytes: Option<u64>,
    /// By operation.
    pub operations: BTreeMap<Operation, OperationCounts>,
    /// All of them.
    pub total: OperationCounts,
    /// From the end of a request to the first byte of its answer, by operation.
    pub first_byte_ms: BTreeMap<Operation, Quantiles>,
    /// The same of the store alone.
    pub store_ms: BTreeMap<Operation, Quantiles>,
    /// Of all operations.
    pub first_byte_ms_total: Option<Quantiles>,
    /// For each GiB of payload, when that was said and is not nothing.
    pub per_gib: Option<PerGib>,
    /// At the prices of each class of storage that there are prices for.
    pub costs: Vec<Cost>,
}

/// Of times, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half take longer.
    pub p50: f64,
    /// One in a hundred takes longer.
    pub p99: f64,
    /// None takes longer.
    pub max: f64,
}

/// Of requests and bytes, divided by the payload in GiB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerGib {
    /// All requests of clients.
    pub requests: f64,
    /// By operation.
    pub requests_by_operation: BTreeMap<Operation, f64>,
    /// In bodies of requests.
    pub bytes_in: f64,
    /// In bodies of answers.
    pub bytes_out: f64,
}

/// What some requests come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bill {
    /// All operations together.
    pub total: OperationCounts,
    /// For each GiB of payload, when that is known and not nothing.
    pub per_gib: Option<PerGib>,
    /// At the prices of each class of storage that there are prices for.
    pub costs: Vec<Cost>,
}

impl Bill {
    /// Of these operations, which carried so much payload.
    #[must_use]
    pub fn of(operations: &BTreeMap<Operation, OperationCounts>, payload_bytes: Option<u64>) -> Bill {
        let mut total = OperationCounts::default();
        operations.values().for_each(|counts| total.add(counts));
        let payload_gib = payload_bytes.filter(|bytes| *bytes > 0).map(|bytes| bytes as f64 / GIB);
        Bill {
            per_gib: payload_gib.map(|gib| PerGib {
                requests: total.requests as f64 / gib,
                requests_by_operation: operations.iter().map(|(of, it)| (*of, it.requests as f64 / gib)).collect(),
                bytes_in: total.bytes_in as f64 / gib,
                bytes_out: total.bytes_out as f64 / gib,
            }),
            costs: price_table().iter().map(|class| class.cost(operations, payload_gib)).collect(),
            total,
        }
    }
}

pub(crate) fn of(shared: &Shared) -> Report {
    let (latency, faults, payload_bytes) = {
        let settings = shared.settings.lock();
        (settings.latency, settings.faults.clone(), settings.payload_bytes)
    };
    let (time, measured) = shared.counts.read();
    let operations: BTreeMap<_, _> = measured.iter().map(|(of, found)| (*of, found.counts.clone())).collect();
    let mut all = Measured::new();
    for found in measured.values() {
        all.first_byte_us.add(&found.first_byte_us).expect("all histograms have the same bounds");
    }
    let times = |of: fn(&Measured) -> &Histogram<u64>| {
        measured.iter().filter_map(|(operation, found)| Some((*operation, quantiles(of(found))?))).collect()
    };
    let Bill { total, per_gib, costs } = Bill::of(&operations, payload_bytes);
    Report {
        seconds: time.as_secs_f64(),
        seed: shared.seed,
        profile: latency.name(),
        latency,
        faults,
        payload_bytes,
        first_byte_ms: times(|found| &found.first_byte_us),
        store_ms: times(|found| &found.store_us),
        first_byte_ms_total: quantiles(&all.first_byte_us),
        per_gib,
        costs,
        operations,
        total,
    }
}

fn quantiles(times_us: &Histogram<u64>) -> Option<Quantiles> {
    let ms = |us: u64| us as f64 / 1e3;
    (!times_us.is_empty()).then(|| Quantiles {
        p50: ms(times_us.value_at_quantile(0.5)),
        p99: ms(times_us.value_at_quantile(0.99)),
        max: ms(times_us.max()),
    })
}

impl Report {
    /// One line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string(self).expect("names and finite numbers");
        format!("{text}\n")
    }

    /// One line for people who watch.
    #[must_use]
    pub fn to_line(&self) -> String {
        let total = &self.total;
        let injected: u64 = total.injected.values().sum();
        let times = self
            .first_byte_ms_total
            .map_or_else(String::new, |times| format!(", first byte p50 {:.1} p99 {:.1} ms", times.p50, times.p99));
        format!(
            "{:.0} s: {} requests ({} under way), {:.1} MiB in, {:.1} MiB out, {} × 5xx, {injected} injected{times}",
            self.seconds,
            total.requests,
            total.in_flight,
            total.bytes_in as f64 / MIB,
            total.bytes_out as f64 / MIB,
            total.answers.server_error,
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:.1} s, latency {} (p50 {} ms, p99 {} ms), seed {}",
            self.seconds,
            self.profile,
            self.latency.p50_ms(),
            self.latency.p99_ms(),
            self.seed
        )?;
        self.write_operations(out)?;
        self.write_per_gib(out)?;
        self.write_costs(out)
    }
}

const HEADINGS: [&str; 13] = [
    "operation",
    "requests",
    "2xx",
    "3xx",
    "4xx",
    "5xx",
    "no answer",
    "at store",
    "MiB in",
    "MiB out",
    "p50 ms",
    "p99 ms",
    "store p50 ms",
];

impl Report {
    fn write_operations(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: Vec<Vec<String>> = vec![HEADINGS.map(str::to_owned).into()];
        for (operation, counts) in &self.operations {
            let (times, store) = (self.first_byte_ms.get(operation), self.store_ms.get(operation));
            rows.push(row(operation.name(), counts, times, store));
        }
        rows.push(row("all".to_owned(), &self.total, self.first_byte_ms_total.as_ref(), None));
        write_table(out, &rows)?;
        for (kind, count) in &self.total.injected {
            writeln!(out, "injected: {} × {}", count, kind.name())?;
        }
        if self.total.store_failures > 0 {
            writeln!(out, "the store failed {} times", self.total.store_failures)?;
        }
        if self.total.store_given_up > 0 {
            writeln!(out, "{} times the client went before the store had answered", self.total.store_given_up)?;
        }
        if self.total.cut_off > 0 {
            writeln!(out, "{} answers ended before their bodies did", self.total.cut_off)?;
        }
        Ok(())
    }

    fn write_per_gib(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(per_gib) = &self.per_gib else {
            return writeln!(out, "per GiB: the payload is not known; --payload-bytes or PUT /payload says it");
        };
        let itemised = per_gib.requests_by_operation.iter().map(|(of, count)| format!("{} {count:.1}", of.name()));
        writeln!(
            out,
            "per GiB of payload (of {:.3} GiB): {:.1} requests ({}), {:.3} GiB in, {:.3} GiB out",
            self.payload_bytes.unwrap_or_default() as f64 / GIB,
            per_gib.requests,
            itemised.collect::<Vec<_>>().join(", "),
            per_gib.bytes_in / GIB,
            per_gib.bytes_out / GIB
        )
    }

    fn write_costs(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (cost, class) in self.costs.iter().zip(price_table()) {
            writeln!(
                out,
                "cost at {} ({}, {}): requests ${:.6}, bytes ${:.6}, keeping it ${:.6} a month",
                cost.class,
                class.what,
                cost.region,
                cost.requests_dollars,
                cost.transfer_dollars,
                cost.storage_dollars_per_month
            )?;
            if let (Some(dollars), Some(storage)) = (cost.dollars_per_gib, cost.storage_dollars_per_gib_month) {
                writeln!(out, "  per GiB of payload: ${dollars:.6}, keeping it ${storage:.6} a month")?;
            }
            for (operation, dollars) in &cost.requests_dollars_by_operation {
                writeln!(out, "  requests: {} ${dollars:.6}", operation.name())?;
            }
            writeln!(out, "  prices as of {}; {}", cost.as_of, class.sources[0].url)?;
            for gap in &class.not_found {
                writeln!(out, "  not found: {gap}")?;
            }
        }
        Ok(())
    }
}

fn row(name: String, counts: &OperationCounts, times: Option<&Quantiles>, store: Option<&Quantiles>) -> Vec<String> {
    let ms = |times: Option<f64>| times.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
    let answers = &counts.answers;
    let numbers = [
        counts.requests,
        answers.success,
        answers.redirect,
        answers.client_error,
        answers.server_error,
        counts.unanswered,
        counts.store_requests,
    ];
    let mut row = vec![name];
    row.extend(numbers.map(|number| number.to_string()));
    row.extend([counts.bytes_in, counts.bytes_out].map(|bytes| format!("{:.2}", bytes as f64 / MIB)));
    row.extend([times.map(|times| times.p50), times.map(|times| times.p99), store.map(|store| store.p50)].map(ms));
    row
}

/// Names to the left, numbers to the right.
fn write_table(out: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    for row in rows {
        write!(out, "{:<1$}", row[0], widths[0])?;
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            write!(out, "  {cell:>width$}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}
