//! `tidelog-bench`: what one process costs, measured with a stock client (librdkafka) against the real binary with its
//! default settings. Prints the median and the worst of several runs; exits with 1 when a stated bound is missed.
//!
//! `cargo build --release && cargo run --release -p tidelog-bench -- all`

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod floor;
mod http;
mod http_arrow;
mod http_floor;
mod many_groups;
mod many_partitions;
mod profile;
mod requests;
mod restart;
mod server;
mod stages;
mod table;
mod wire;

use clap::{Parser, ValueEnum};

use crate::table::Table;

#[derive(Parser)]
#[command(about = "Measures CPU, latency and memory of `tidelog dev` with default settings")]
struct Arguments {
    /// What to measure.
    #[arg(value_enum, default_value = "all")]
    stage: Stage,
    /// Runs of each measurement.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// MiB of records per run.
    #[arg(long, default_value_t = 1024)]
    mebibytes: usize,
    /// Topics of the stage `many-partitions`, of ten partitions each.
    #[arg(long, default_value_t = 5_000)]
    topics: usize,
    /// Groups of the stage `many-groups`.
    #[arg(long, default_value_t = 1_000)]
    groups: usize,
    /// The machine does other things meanwhile: of the stages with many partitions and groups hold the bounds of memory, of
    /// start and of medians that are compared, but not those of time and of the slowest.
    #[arg(long)]
    busy: bool,
    /// Measures nothing, but draws flame graphs of the server's processor time and of its allocations into this folder; needs `perf`.
    #[arg(long, value_name = "FOLDER")]
    profile: Option<std::path::PathBuf>,
    /// The binary to measure.
    #[arg(long, default_value = "target/release/tidelog")]
    binary: std::path::PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    All,
    Floor,
    Produce,
    Fetch,
    Acknowledge,
    Memory,
    Partitions,
    Objects,
    /// Lines over HTTP.
    HttpLines,
    /// Reading an Arrow IPC stream over HTTP.
    HttpArrow,
    /// Requests of one record over HTTP.
    HttpRecords,
    /// 10,000 readers of events at the tail.
    HttpIdleReaders,
    /// One record to 1,000 readers of events.
    HttpFanOut,
    /// 5,000 topics of ten partitions, all with records; see `--topics`.
    ManyPartitions,
    /// 1,000 groups of twenty members; see `--groups`.
    ManyGroups,
    /// Takes 11 GiB of disk below the working folder, for as long as it runs.
    Restart,
}

/// What this program is started with to be the floor of HTTP.
const SERVE_HTTP_FLOOR: &str = "serve-http-floor";

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).is_some_and(|argument| argument == SERVE_HTTP_FLOOR) {
        return http_floor::serve();
    }
    let arguments = Arguments::parse();
    anyhow::ensure!(
        arguments.binary.exists(),
        "{} does not exist: run `cargo build --release` first, or name it with --binary",
        arguments.binary.display()
    );
    if let Some(folder) = &arguments.profile {
        let stage = profiled(arguments.stage)?;
        return profile::of(&arguments.binary, folder, |binary| stage(binary, arguments.mebibytes));
    }
    let wanted = |stage| arguments.stage == Stage::All || arguments.stage == stage;
    let mut table = Table::new(arguments.runs);
    let floor = if wanted(Stage::Floor) || wanted(Stage::Produce) {
        let runs = repeat(arguments.runs, "floor", || floor::cpu_seconds_per_gibibyte(arguments.mebibytes))?;
        table.row("floor: receive + CRC + copy + new file, CPU-s/GiB", &runs, None);
        Some(table::median(&runs))
    } else {
        None
    };
    if wanted(Stage::Produce) {
        let runs = repeat(arguments.runs, "produce", || stages::produce(&arguments.binary, arguments.mebibytes))?;
        let cpu: Vec<f64> = runs.iter().map(|run| run.cpu_seconds_per_gibibyte).collect();
        let rate: Vec<f64> = runs.iter().map(|run| run.mebibytes_per_second).collect();
        table.row("produce, 8 partitions, 1 KiB records, fsync, CPU-s/GiB", &cpu, Some(1.2));
        if let Some(floor) = floor {
            let ratios: Vec<f64> = cpu.iter().map(|cpu| cpu / floor).collect();
            table.row("produce, × floor", &ratios, Some(2.3));
        }
        table.row_of_rates("produce, MiB/s", &rate);
    }
    if wanted(Stage::Fetch) {
        let runs = repeat(arguments.runs, "fetch", || stages::fetch(&arguments.binary, arguments.mebibytes))?;
        let cpu: Vec<f64> = runs.iter().map(|run| run.cpu_seconds_per_gibibyte).collect();
        let rate: Vec<f64> = runs.iter().map(|run| run.mebibytes_per_second).collect();
        table.row("fetch from cache, CPU-s/GiB", &cpu, Some(0.35));
        table.row_of_rates("fetch from cache, MiB/s", &rate);
    }
    if wanted(Stage::Acknowledge) {
        let runs = repeat(arguments.runs, "acknowledge", || stages::acknowledge(&arguments.binary))?;
        table.row("acknowledge at 1,000 records/s, p50 ms", &column(&runs, |run| run.p50_ms), Some(2.0));
        table.row("acknowledge at 1,000 records/s, p99 ms", &column(&runs, |run| run.p99_ms), Some(12.0));
    }
    if wanted(Stage::Memory) {
        let runs = repeat(arguments.runs, "memory", || stages::memory(&arguments.binary, arguments.mebibytes))?;
        table.row("resident when idle, MiB", &column(&runs, |run| run.idle_mebibytes), Some(80.0));
        table.row("resident at most under load, MiB", &column(&runs, |run| run.peak_mebibytes), Some(500.0));
    }
    if wanted(Stage::Partitions) {
        let runs = repeat(arguments.runs, "partitions", || stages::partitions(&arguments.binary))?;
        table.row("create 10,000 partitions in one request, s", &column(&runs, |run| run.create_seconds), Some(5.0));
        table.row("metadata of 10,000 partitions, ms", &column(&runs, |run| run.metadata_ms), Some(20.0));
        table.row("serving again with them, s", &column(&runs, |run| run.restart_seconds), Some(1.0));
    }
    if wanted(Stage::Objects) {
        let runs = repeat(arguments.runs, "objects", || stages::objects(&arguments.binary, arguments.mebibytes))?;
        table.row("objects put at full produce load, per second", &runs, Some(200.0));
    }
    if wanted(Stage::HttpLines) {
        let runs = repeat(arguments.runs, "http lines", || http::lines(&arguments.binary, arguments.mebibytes))?;
        let cpu = column(&runs, |run| run.cpu_seconds_per_gibibyte);
        table.row("http: append lines of 1 KiB records to 8 partitions, CPU-s/GiB", &cpu, Some(2.5));
        table.row_of_rates("http: append lines, MiB/s", &column(&runs, |run| run.mebibytes_per_second));
    }
    if wanted(Stage::HttpArrow) {
        let runs = repeat(arguments.runs, "http arrow", || http_arrow::read(&arguments.binary, arguments.mebibytes))?;
        let cpu = column(&runs, |run| run.cpu_seconds_per_gibibyte);
        // 400 MB of records in a second of one core.
        let bound = (1 << 30) as f64 / 400e6;
        table.row("http: read 1 KiB records as an Arrow IPC stream, CPU-s/GiB", &cpu, Some(bound));
        table.row_of_rates("http: read as an Arrow IPC stream, MiB/s", &column(&runs, |run| run.mebibytes_per_second));
    }
    if wanted(Stage::HttpRecords) {
        let runs = repeat(arguments.runs, "http records", || http::records(&arguments.binary))?;
        let cost = column(&runs, |run| run.cost_microseconds);
        table.row("http: hyper alone, µs of CPU each", &column(&runs, |run| run.floor_microseconds), None);
        table.row("http: append one record of 256 bytes, µs of CPU each", &cost, Some(1e6 / 30_000.0));
        let ratios = column(&runs, |run| run.cost_microseconds / run.floor_microseconds);
        table.row("http: append one record, × hyper alone", &ratios, None);
        table.row_of_rates("http: append one record, requests/s", &column(&runs, |run| run.per_second));
    }
    if wanted(Stage::HttpIdleReaders) {
        let runs = repeat(arguments.runs, "http idle readers", || http::idle_readers(&arguments.binary))?;
        table.row("http: resident with 10,000 idle readers of events, MiB", &runs, Some(200.0));
    }
    if wanted(Stage::HttpFanOut) {
        let runs = repeat(arguments.runs, "http fan-out", || http::fan_out(&arguments.binary))?;
        table.row("http: one record to 1,000 readers of events, p99 ms", &runs, Some(50.0));
    }
    if wanted(Stage::ManyPartitions) {
        let runs = repeat(arguments.runs, "many partitions", || {
            many_partitions::measure(&arguments.binary, arguments.topics)
        })?;
        many_partitions::rows(&mut table, &runs, arguments.topics, arguments.busy);
    }
    if wanted(Stage::ManyGroups) {
        let runs = repeat(arguments.runs, "many groups", || many_groups::measure(&arguments.binary, arguments.groups))?;
        many_groups::rows(&mut table, &runs, arguments.busy);
    }
    if wanted(Stage::Restart) {
        let mut filled = restart::Filled::new(&arguments.binary)?;
        let runs = repeat(arguments.runs, "restart", || filled.restart())?;
        table.row("serving again with 10 GiB, after SIGTERM, s", &column(&runs, |run| run.stopped_seconds), Some(1.0));
        table.row("serving again with 10 GiB, after kill -9, s", &column(&runs, |run| run.killed_seconds), Some(1.0));
    }
    print!("{table}");
    if table.misses() > 0 {
        println!("{} bound(s) missed", table.misses());
        std::process::exit(1);
    }
    Ok(())
}

/// A stage of one kind of load, with a binary and so many MiB where that matters; nothing of it is measured.
///
/// # Errors
/// Of other stages there is no profile.
fn profiled(stage: Stage) -> anyhow::Result<fn(&std::path::Path, usize) -> anyhow::Result<()>> {
    Ok(match stage {
        Stage::Produce => |binary, mebibytes| stages::produce(binary, mebibytes).map(drop),
        Stage::Fetch => |binary, mebibytes| stages::fetch(binary, mebibytes).map(drop),
        Stage::Acknowledge => |binary, _| stages::acknowledge(binary).map(drop),
        Stage::HttpLines => |binary, mebibytes| http::lines(binary, mebibytes).map(drop),
        Stage::HttpArrow => |binary, mebibytes| http_arrow::read(binary, mebibytes).map(drop),
        Stage::HttpRecords => |binary, _| http::records(binary).map(drop),
        Stage::HttpIdleReaders => |binary, _| http::idle_readers(binary).map(drop),
        Stage::HttpFanOut => |binary, _| http::fan_out(binary).map(drop),
        _ => anyhow::bail!(
            "--profile is of one stage: produce, fetch, acknowledge, http-lines, http-arrow, http-records, http-idle-readers or http-fan-out"
        ),
    })
}

pub(crate) fn column<T>(runs: &[T], pick: impl Fn(&T) -> f64) -> Vec<f64> {
    runs.iter().map(pick).collect()
}

fn repeat<T>(runs: usize, name: &str, mut measure: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<Vec<T>> {
    (1..=runs)
        .map(|run| {
            eprint!("\r{name}: run {run} of {runs}   ");
            let result = measure();
            if run == runs {
                eprintln!();
            }
            result
        })
        .collect()
}
