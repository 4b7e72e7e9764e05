//! A node with very many partitions, all of which have records, beside one with few: what the many cost in memory and at
//! start, and whether those that are in use notice them.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;

use crate::column;
use crate::requests::{Consumer, Partition, read};
use crate::server::{Server, payload};
use crate::table::Table;
use crate::wire::{Sequence, Wire};

/// Partitions of each topic, everywhere.
const TOPIC_PARTITIONS: i32 = 10;
/// Topics of the node with few partitions, and those in use on both.
const FEW_TOPICS: usize = 10;
const RECORD_BYTES: usize = 1024;
/// Records written to each partition, each in a request of its own pass over all of them, so in extents of their own.
const RECORDS: i32 = 2;
/// Partitions of one Produce: a megabyte of records, which goes to the store.
const PRODUCED_AT_ONCE: usize = 1_000;
/// The mover leaves inline payloads in the catalog for ten seconds.
const SETTLE: Duration = Duration::from_secs(12);
/// Requests of each kind to each of the two nodes.
const REQUESTS: usize = 2_000;
/// Partitions of one of those small Produce requests that go around all partitions while a snapshot is awaited: they ride in
/// the catalog's log, 64 MiB of which call for a snapshot.
const WRITTEN_AT_ONCE: usize = 200;
/// Between them: together 8 MiB/s, what the log takes.
const WRITE_INTERVAL: Duration = Duration::from_millis(25);
/// Between records whose acknowledgement is timed meanwhile.
const PROBE_INTERVAL: Duration = Duration::from_millis(2);
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(60);

/// What was measured. Ratios are of the node with many to that with few.
pub struct ManyPartitions {
    pub create_seconds: f64,
    pub idle_mebibytes: f64,
    pub busy_mebibytes: f64,
    pub peak_mebibytes: f64,
    pub restarted_mebibytes: f64,
    pub bytes_per_partition: f64,
    pub metadata: Compared,
    pub produce: Compared,
    pub fetch: Compared,
    pub session: Compared,
    pub all_metadata_ms: f64,
    pub snapshot: Snapshot,
    pub stopped_seconds: f64,
    pub killed_seconds: f64,
}

/// From when a record should have been sent to its acknowledgement, while all partitions are written to.
pub struct Snapshot {
    /// Those that fell into the writing of a snapshot: 99.9 of 100.
    pub during_p999_ms: f64,
    /// All the others.
    pub otherwise_p999_ms: f64,
    pub seconds: f64,
}

/// The same requests to both nodes in turn.
pub struct Compared {
    pub p50_ms: f64,
    pub p50_ratio: f64,
    pub p99_ratio: f64,
}

/// With their bounds; on a busy machine those that other work does not touch.
pub fn rows(table: &mut Table, runs: &[ManyPartitions], topics: usize, busy: bool) {
    let mebibytes_max = if topics * TOPIC_PARTITIONS as usize <= 50_000 { 300.0 } else { 400.0 };
    let quiet = |bound: f64| (!busy).then_some(bound);
    let mut row = |name: &str, pick: fn(&ManyPartitions) -> f64, bound| table.row(name, &column(runs, pick), bound);
    row("many partitions: create them, s", |run| run.create_seconds, Some(10.0));
    row("resident when idle, MiB", |run| run.idle_mebibytes, Some(mebibytes_max));
    row("resident after load on a few, MiB", |run| run.busy_mebibytes, Some(mebibytes_max));
    row("resident at most, with writes to all of them, MiB", |run| run.peak_mebibytes, None);
    row("resident after a restart, MiB", |run| run.restarted_mebibytes, Some(mebibytes_max));
    row("of which for each partition, bytes", |run| run.bytes_per_partition, Some(5_120.0));
    type Pick = fn(&ManyPartitions) -> &Compared;
    let compared: [(&str, Pick); 4] = [
        ("metadata of one topic", |run| &run.metadata),
        ("produce to one partition", |run| &run.produce),
        ("fetch from one partition", |run| &run.fetch),
        ("produce, and fetch in a session of all", |run| &run.session),
    ];
    for (name, pick) in compared {
        let column = |of: fn(&Compared) -> f64| runs.iter().map(|run| of(pick(run))).collect::<Vec<f64>>();
        table.row(&format!("{name}, p50 ms"), &column(|it| it.p50_ms), None);
        table.row(&format!("{name}, p50, × that of 100 partitions"), &column(|it| it.p50_ratio), Some(1.5));
        table.row(&format!("{name}, p99, × that of 100 partitions"), &column(|it| it.p99_ratio), quiet(1.5));
    }
    let mut row = |name: &str, pick: fn(&ManyPartitions) -> f64, bound| table.row(name, &column(runs, pick), bound);
    row("metadata of all, ms", |run| run.all_metadata_ms, quiet(20.0));
    row("a snapshot of them, s", |run| run.snapshot.seconds, None);
    row("acknowledge while it is written, p99.9 ms", |run| run.snapshot.during_p999_ms, quiet(200.0));
    row("the same, under the same load without it, p99.9 ms", |run| run.snapshot.otherwise_p999_ms, None);
    row("serving again after SIGTERM, s", |run| run.stopped_seconds, Some(2.0));
    row("serving again after kill -9, s", |run| run.killed_seconds, Some(2.0));
}

/// A node whose partitions all have records.
struct Node {
    server: Server,
    names: Vec<String>,
}

impl Node {
    fn start(binary: &Path, topics: usize) -> anyhow::Result<(Node, f64)> {
        let server = Server::start(binary)?;
        let names: Vec<String> = (0..topics).map(|number| format!("topic-{number:05}")).collect();
        let mut wire = Wire::connect(&server.address)?;
        let begun = Instant::now();
        wire.create_topics(&names, TOPIC_PARTITIONS)?;
        let seconds = begun.elapsed().as_secs_f64();
        let node = Node { server, names };
        let (producer, epoch) = wire.producer()?;
        let value = payload(RECORD_BYTES, 7);
        for first in 0..RECORDS {
            for partitions in node.all().chunks(PRODUCED_AT_ONCE) {
                wire.produce(partitions, &value, Sequence { producer, epoch, first })?;
            }
        }
        Ok((node, seconds))
    }

    fn wire(&self) -> anyhow::Result<Wire> {
        Wire::connect(&self.server.address)
    }

    fn all(&self) -> Vec<Partition> {
        self.names.iter().flat_map(|name| (0..TOPIC_PARTITIONS).map(|index| (name.clone(), index))).collect()
    }

    /// One partition in each of the topics that both nodes have.
    fn active(&self) -> Vec<Partition> {
        let every = self.names.len() / FEW_TOPICS;
        self.names.iter().step_by(every).take(FEW_TOPICS).map(|name| (name.clone(), 3)).collect()
    }

    fn again(self, seconds: &mut f64, kill: bool) -> anyhow::Result<Node> {
        let Node { server, names } = self;
        let binary = server.binary.clone();
        let into = tempfile::tempdir_in(".")?;
        let folder = if kill { server.kill(into)? } else { server.stop(into)? };
        let node = Node { server: Server::start_in(&binary, folder)?, names };
        *seconds = node.server.start_seconds;
        let partitions = node.names.len() * TOPIC_PARTITIONS as usize;
        let seen = node.wire()?.metadata(None)?;
        ensure!(seen == partitions, "{seen} of {partitions} partitions are there after a restart");
        for partition in node.active() {
            read(&mut node.wire()?, &partition, 0)?;
        }
        Ok(node)
    }
}

pub fn measure(binary: &Path, topics: usize) -> anyhow::Result<ManyPartitions> {
    let (few, _) = Node::start(binary, FEW_TOPICS)?;
    let (many, create_seconds) = Node::start(binary, topics)?;
    std::thread::sleep(SETTLE);
    let idle_mebibytes = many.server.mebibytes("VmRSS")?;
    let few_mebibytes = few.server.mebibytes("VmRSS")?;
    let partitions = topics * TOPIC_PARTITIONS as usize;
    let bytes_per_partition = (idle_mebibytes - few_mebibytes) * 1024.0 * 1024.0 / partitions as f64;

    let value = payload(RECORD_BYTES, 9);
    let metadata = compare(&few, &many, Node::wire, |node, wire, turn| {
        wire.metadata(Some(&node.active()[turn % FEW_TOPICS].0)).map(drop)
    })?;
    let produce = compare(&few, &many, Node::wire, |node, wire, turn| {
        wire.produce(&node.active()[turn % FEW_TOPICS..][..1], &value, Sequence::NONE)
    })?;
    let fetch = compare(&few, &many, Node::wire, |node, wire, turn| {
        read(wire, &node.active()[turn % FEW_TOPICS], (turn / FEW_TOPICS % 50) as i64)
    })?;
    let session = compare_sessions(&few, &many, &value)?;
    let busy_mebibytes = many.server.mebibytes("VmRSS")?;
    let all_metadata_ms = all_metadata_ms(&many, partitions)?;
    let snapshot = measure_snapshot(&many, &value)?;

    let peak_mebibytes = many.server.mebibytes("VmHWM")?;

    let (mut stopped_seconds, mut killed_seconds) = (0.0, 0.0);
    let many = many.again(&mut stopped_seconds, false)?.again(&mut killed_seconds, true)?;
    std::thread::sleep(Duration::from_secs(1));
    let restarted_mebibytes = many.server.mebibytes("VmRSS")?;
    Ok(ManyPartitions {
        create_seconds,
        idle_mebibytes,
        busy_mebibytes,
        peak_mebibytes,
        restarted_mebibytes,
        bytes_per_partition,
        metadata,
        produce,
        fetch,
        session,
        all_metadata_ms,
        snapshot,
        stopped_seconds,
        killed_seconds,
    })
}

/// Requests to both in turn, so that what the machine does besides hits both.
fn compare<C>(
    few: &Node,
    many: &Node,
    connect: impl Fn(&Node) -> anyhow::Result<C>,
    request: impl Fn(&Node, &mut C, usize) -> anyhow::Result<()>,
) -> anyhow::Result<Compared> {
    let mut nodes = [(few, connect(few)?, times()?), (many, connect(many)?, times()?)];
    for turn in 0..REQUESTS + REQUESTS / 10 {
        for (node, connection, times) in &mut nodes {
            let begun = Instant::now();
            request(node, connection, turn)?;
            // The first ones warm up.
            if turn >= REQUESTS / 10 {
                times.record(begun.elapsed().as_nanos() as u64)?;
            }
        }
    }
    let [(.., few), (.., many)] = &nodes;
    let at = |quantile| many.value_at_quantile(quantile) as f64;
    let ratio = |quantile| at(quantile) / few.value_at_quantile(quantile) as f64;
    Ok(Compared { p50_ms: at(0.5) / 1e6, p50_ratio: ratio(0.5), p99_ratio: ratio(0.99) })
}

/// A consumer whose session has all partitions of its node, of which one had a record: how long its answer takes.
fn compare_sessions(few: &Node, many: &Node, value: &[u8]) -> anyhow::Result<Compared> {
    let begin = |node: &Node| -> anyhow::Result<(Wire, Consumer)> {
        let mut consumer = Consumer::begin(node.wire()?, &node.all(), i64::from(RECORDS))?;
        // What was written to the active ones since.
        while consumer.fetch(0)? > 0 {}
        Ok((node.wire()?, consumer))
    };
    compare(few, many, begin, |node, (producer, consumer), turn| {
        producer.produce(&node.active()[turn % FEW_TOPICS..][..1], value, Sequence::NONE)?;
        let read = consumer.fetch(5_000)?;
        ensure!(read == 1, "{read} partitions had records, one was written to");
        Ok(())
    })
}

fn all_metadata_ms(node: &Node, partitions: usize) -> anyhow::Result<f64> {
    let mut wire = node.wire()?;
    let mut best = f64::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        let seen = wire.metadata(None)?;
        best = best.min(begun.elapsed().as_secs_f64() * 1000.0);
        ensure!(seen == partitions, "{seen} of {partitions} partitions are described");
    }
    Ok(best)
}

/// Writes to all partitions until a snapshot of that has been taken, and to one of them at a steady pace beside it.
fn measure_snapshot(node: &Node, value: &[u8]) -> anyhow::Result<Snapshot> {
    let folder = node.server.folder.path().join("data/raft/snapshot");
    let manifest = folder.join("manifest");
    let written = || std::fs::metadata(&manifest).and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let (begun, before) = (SystemTime::now(), written());
    let is_over = || written() != before || begun.elapsed().is_ok_and(|elapsed| elapsed > SNAPSHOT_PATIENCE);
    let mut acknowledged = Vec::new();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let writing = scope.spawn(|| -> anyhow::Result<()> {
            let mut wire = node.wire()?;
            let all = node.all();
            let mut next = Instant::now();
            for partitions in all.chunks(WRITTEN_AT_ONCE).cycle() {
                if is_over() {
                    return Ok(());
                }
                wire.produce(partitions, value, Sequence::NONE)?;
                next = (next + WRITE_INTERVAL).max(Instant::now());
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            Ok(())
        });
        let mut wire = node.wire()?;
        let partition = &node.active()[..1];
        let mut intended = Instant::now();
        while !writing.is_finished() {
            intended += PROBE_INTERVAL;
            std::thread::sleep(intended.saturating_duration_since(Instant::now()));
            wire.produce(partition, value, Sequence::NONE)?;
            acknowledged.push((SystemTime::now(), intended.elapsed()));
        }
        writing.join().map_err(|_| anyhow::anyhow!("the writer panicked"))?
    })?;
    let end = written();
    ensure!(end != before, "no snapshot was taken in {SNAPSHOT_PATIENCE:?}");
    let start = first_part_written(&folder, begun)?;
    let (mut during, mut otherwise) = (times()?, times()?);
    for (at, took) in acknowledged {
        let overlaps = at >= start && at - took <= end;
        if overlaps { &mut during } else { &mut otherwise }.record(took.as_nanos() as u64)?;
    }
    let p999 = |times: &Histogram<u64>| times.value_at_quantile(0.999) as f64 / 1e6;
    Ok(Snapshot {
        during_p999_ms: p999(&during),
        otherwise_p999_ms: p999(&otherwise),
        seconds: end.duration_since(start)?.as_secs_f64(),
    })
}

/// When the first of a snapshot's files was complete, of those made since.
fn first_part_written(folder: &Path, since: SystemTime) -> anyhow::Result<SystemTime> {
    let mut first = None;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let at = entry.metadata()?.modified()?;
        if entry.file_name().to_string_lossy().ends_with(".part") && at >= since {
            first = Some(first.map_or(at, |first: SystemTime| first.min(at)));
        }
    }
    first.context("the snapshot has no files")
}

fn times() -> anyhow::Result<Histogram<u64>> {
    Histogram::new(3).context("three digits are a valid precision")
}
