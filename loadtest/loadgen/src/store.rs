//! The requests of a server to its store, as a store proxy counts them: one that is there, or one that is started for the run
//! with an S3 server behind it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use tidelog_clients::s3_servers::{self, S3Server};
use tidelog_store_proxy::{Bill, Latency, Operation, OperationCounts, Options, Quantiles, StoreProxy};
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::reach::connect;

/// Counts are small, and told at once.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Of the threads that a proxy has in this process.
pub(crate) const THREAD_NAMES: [&str; 2] = ["store-proxy", "delays"];

/// Where the requests of the server to its store are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// Nowhere.
    #[default]
    Unseen,
    /// At a `tidelog-store-proxy` that is there: `host:port` of its control address.
    Proxy(String),
    /// At one that is put between the server that is started and an S3 server that is started as well.
    Slowed {
        /// How long answers take: `s3-standard`, `s3-express` or `none`.
        profile: String,
        /// `moto` or `radosgw`.
        server: String,
    },
}

/// What a proxy told at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) at_seconds: f64,
    /// Records that had been acknowledged by then.
    pub(crate) acknowledged: u64,
    pub(crate) counted: Counted,
}

/// What a proxy has counted.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Counted {
    profile: String,
    latency: Latency,
    operations: BTreeMap<Operation, OperationCounts>,
    first_byte_ms_total: Option<Quantiles>,
    store_ms: BTreeMap<Operation, Quantiles>,
}

impl Counted {
    /// All requests, and the bytes to the store and from it.
    pub(crate) fn totals(&self) -> [u64; 3] {
        let Bill { total, .. } = Bill::of(&self.operations, None);
        [total.requests, total.bytes_in, total.bytes_out]
    }
}

/// The store of a run: what was asked of it while it was measured, and what that would cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreReport {
    /// Of latency: a name, or `custom`.
    pub profile: String,
    /// Half of the answers were to take longer.
    pub p50_ms: f64,
    /// One in a hundred.
    pub p99_ms: f64,
    /// How long they took, since the proxy began to count.
    pub first_byte_ms: Option<Quantiles>,
    /// How long the store behind it took alone. Latencies of a run are the profile's only where that is well below.
    pub store_alone_ms: BTreeMap<Operation, Quantiles>,
    /// Bytes of the values that were acknowledged meanwhile.
    pub payload_bytes: u64,
    /// By kind of request.
    pub operations: BTreeMap<Operation, OperationCounts>,
    /// All of it, for each GiB of payload, and at the prices of each class of storage.
    pub bill: Bill,
}

impl StoreReport {
    /// Of what was counted between two moments. Requests and payload are of the same time: what waits for the store at the first has
    /// not been asked for either.
    pub(crate) fn between(first: &Told, last: &Told, record_bytes: usize) -> StoreReport {
        let payload_bytes = last.acknowledged.saturating_sub(first.acknowledged) * record_bytes as u64;
        let (first, last) = (&first.counted, &last.counted);
        let nothing = OperationCounts::default();
        let since = |(of, counts): (&Operation, &OperationCounts)| {
            (*of, counts.since(first.operations.get(of).unwrap_or(&nothing)))
        };
        let operations: BTreeMap<_, _> = last.operations.iter().map(since).collect();
        StoreReport {
            profile: last.profile.clone(),
            p50_ms: last.latency.p50_ms(),
            p99_ms: last.latency.p99_ms(),
            first_byte_ms: last.first_byte_ms_total,
            store_alone_ms: last.store_ms.clone(),
            payload_bytes,
            bill: Bill::of(&operations, Some(payload_bytes)),
            operations,
        }
    }

    /// Requests of all kinds for each GiB of payload; nothing when there was none.
    pub(crate) fn requests_per_gibibyte(&self) -> Option<f64> {
        self.bill.per_gib.as_ref().map(|per_gib| per_gib.requests)
    }

    /// Rows of a table: what was asked, and for each GiB of payload its requests, MiB to the store and from it, and dollars at the
    /// prices of each class.
    pub(crate) fn rows(&self) -> Vec<(String, Vec<f64>)> {
        let gibibytes = self.payload_bytes as f64 / f64::from(1 << 30);
        let per_gib = |value: f64| if gibibytes > 0.0 { value / gibibytes } else { 0.0 };
        let row = |counts: &OperationCounts| {
            let mebibytes = [counts.bytes_in, counts.bytes_out].map(|bytes| bytes as f64 / f64::from(1 << 20));
            [vec![counts.requests as f64, per_gib(counts.requests as f64)], mebibytes.map(per_gib).to_vec()].concat()
        };
        let mut rows: Vec<_> = self
            .operations
            .iter()
            .filter(|(_, counts)| counts.requests > 0)
            .map(|(of, counts)| {
                let alone = Bill::of(&BTreeMap::from([(*of, counts.clone())]), None);
                let dollars = alone.costs.iter().map(|cost| per_gib(cost.dollars));
                (of.name(), [row(counts), dollars.collect()].concat())
            })
            .collect();
        let dollars = self.bill.costs.iter().map(|cost| per_gib(cost.dollars));
        rows.push(("all".to_owned(), [row(&self.bill.total), dollars.collect()].concat()));
        rows
    }

    /// What the rows have.
    pub(crate) fn headings(&self) -> Vec<String> {
        let fixed = ["requests", "per GiB", "MiB in/GiB", "MiB out/GiB"].map(str::to_owned);
        let dollars = self.bill.costs.iter().map(|cost| format!("$/GiB {}", cost.class));
        fixed.into_iter().chain(dollars).collect()
    }

    /// In a line: how slow the store was meant to be, and how slow it was.
    pub(crate) fn about(&self) -> String {
        let took = self
            .first_byte_ms
            .map_or(String::new(), |took| format!("; p50 {:.1} and p99 {:.1} ms were had", took.p50, took.p99));
        let alone = self.store_alone_ms.iter().map(|(of, alone)| format!("{} {:.1}", of.name(), alone.p50));
        let alone = alone.collect::<Vec<_>>().join(", ");
        let alone = if alone.is_empty() { String::new() } else { format!("; without the proxy p50 {alone} ms") };
        format!("{} (p50 {}, p99 {} ms){took}{alone}", self.profile, self.p50_ms, self.p99_ms)
    }
}

/// Asks a proxy what it has counted.
pub(crate) struct Counter {
    /// `host:port`.
    control: String,
    _started: Option<Started>,
}

/// In the order in which they are ended.
struct Started {
    _proxy: StoreProxy,
    _runtime: Runtime,
    _server: Box<dyn S3Server>,
}

impl Counter {
    /// Of a proxy that is there.
    pub(crate) fn there(control: &str) -> Result<Counter, Failure> {
        let counter = Counter { control: control.to_owned(), _started: None };
        counter.read().map_err(|error| {
            Failure::Unreachable(format!("{control} is no control address of a tidelog-store-proxy: {error:#}"))
        })?;
        Ok(counter)
    }

    /// Of one that is started, and how a Tidelog is started that keeps its objects behind it.
    pub(crate) fn slowed(profile: &str, server: &str) -> Result<(Counter, tidelog_clients::server::Options), Failure> {
        let latency =
            Latency::profile(profile).map_err(|error| Failure::Refused(format!("--store-latency: {error}")))?;
        if !["moto", "radosgw"].contains(&server) {
            return Err(Failure::Refused(format!("--store-server {server}: moto and radosgw would work")));
        }
        let failed = |error: String| Failure::Unreachable(format!("the store does not start: {error}"));
        let server = s3_servers::start(server).map_err(|error| failed(format!("{error:#}").replace('\n', " | ")))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(THREAD_NAMES[0])
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let options = Options { latency, ..Options::new(server.endpoint()) };
        let proxy = runtime.block_on(StoreProxy::start(options)).map_err(|error| failed(error.to_string()))?;
        let mut how = server.options("load");
        for flag in &mut how.flags {
            if *flag == server.endpoint() {
                *flag = proxy.endpoint();
            }
        }
        let control = proxy.control_endpoint().trim_start_matches("http://").to_owned();
        Ok((Counter { control, _started: Some(Started { _proxy: proxy, _runtime: runtime, _server: server }) }, how))
    }

    /// What it has counted until now.
    pub(crate) fn read(&self) -> anyhow::Result<Counted> {
        let mut stream = connect(&self.control)?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        Ok(serde_json::from_str(&get_counts(&mut stream)?)?)
    }
}

/// The body of the answer to a request whose answer ends the connection.
fn get_counts(stream: &mut TcpStream) -> anyhow::Result<String> {
    stream.write_all(b"GET /counts HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("no answer")?;
    let answer = String::from_utf8(answer).context("an answer that is no text")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer of HTTP")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{}", head.lines().next().unwrap_or_default());
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(acknowledged: u64, puts: u64, gets: u64) -> Told {
        let operations = BTreeMap::from([
            (
                Operation::PutObject,
                OperationCounts { requests: puts, billed: puts, bytes_in: puts << 20, ..Default::default() },
            ),
            (Operation::GetObject, OperationCounts { requests: gets, billed: gets, ..Default::default() }),
        ]);
        let counted = Counted {
            profile: "s3-standard".to_owned(),
            latency: Latency::profile("s3-standard").unwrap(),
            operations,
            first_byte_ms_total: None,
            store_ms: BTreeMap::new(),
        };
        Told { at_seconds: 0.0, acknowledged, counted }
    }

    #[test]
    fn what_was_asked_meanwhile_is_told_for_each_gibibyte() {
        let report = StoreReport::between(&told(1 << 10, 10, 5), &told(513 << 10, 110, 5), 1 << 10);
        assert_eq!(report.headings()[..4], ["requests", "per GiB", "MiB in/GiB", "MiB out/GiB"]);
        assert_eq!(report.headings()[4], "$/GiB s3-standard");
        let rows = report.rows();
        let names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["PutObject", "all"], "nothing was read meanwhile");
        assert_eq!(rows[0].1[..4], [100.0, 200.0, 200.0, 0.0]);
        assert!((rows[0].1[4] - 200.0 * 0.005 / 1000.0).abs() < 1e-12, "{rows:?}");
        assert_eq!(rows[0].1, rows[1].1);
        assert_eq!(report.bill.per_gib.unwrap().requests, 200.0);
    }
}
