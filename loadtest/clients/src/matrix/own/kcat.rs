//! kcat, the command: each write and each read is a process of its own, a member of a group is one that stays.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::adapter::{Adapter, Poller, Record};
use super::rdkafka_client::Rdkafka;
use crate::tools::{bounded, run_for_bytes};

const SECONDS: u32 = 60;
const POLL: Duration = Duration::from_millis(100);
/// Partition, offset, time and two lengths on a line, then key, value and headers, and a byte that no header of ours has.
const FORMAT: &str = "%p %o %T %K %S\\n%k%s%h\\x1e";
const RECORD_END: u8 = 0x1e;

/// What `kcat -V` says.
pub fn version() -> anyhow::Result<String> {
    let mut command = bounded("kcat", SECONDS);
    command.arg("-V");
    let printed = String::from_utf8_lossy(&run_for_bytes(command, b"")?).into_owned();
    let line = printed.lines().find_map(|line| line.strip_prefix("Version ")).context("kcat says no version")?;
    let (kcat, rest) = line.split_once(' ').context("no version of librdkafka")?;
    let library = rest.split("librdkafka ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("?");
    Ok(format!("{kcat}, librdkafka {library}"))
}

pub struct Kcat {
    address: String,
    /// kcat cannot create topics.
    admin: Rdkafka,
}

impl Kcat {
    pub fn new(address: &str) -> anyhow::Result<Kcat> {
        Ok(Kcat { address: address.to_owned(), admin: Rdkafka::new(address)? })
    }

    /// Writes records of one partition, headers and absent parts: what one call of kcat can write.
    fn write_alike(&self, topic: &str, records: &[&Record], options: &[&str]) -> anyhow::Result<()> {
        let first = records.first().context("nothing to write")?;
        let mut command = quiet(&self.address);
        command.args(["-P", "-t", topic, "-p", &first.partition.to_string()]).args(options);
        for (name, value) in &first.headers {
            let mut header = OsString::from(format!("{name}="));
            header.push(OsStr::from_bytes(value));
            command.arg("-H").arg(header);
        }
        if first.key.is_some() {
            command.args(["-K", "\\t"]);
        }
        if first.value.is_none() {
            command.arg("-Z");
        }
        let mut input = Vec::new();
        for record in records {
            if let Some(key) = &record.key {
                input.extend_from_slice(key);
                input.push(b'\t');
            }
            input.extend(record.value.iter().flatten());
            input.push(b'\n');
        }
        run_for_bytes(command, &input).map(drop)
    }
}

fn quiet(address: &str) -> Command {
    let mut command = bounded("kcat", SECONDS);
    command.args(["-q", "-b", address]);
    command
}

fn alike(one: &Record, other: &Record) -> bool {
    one.headers == other.headers
        && one.key.is_some() == other.key.is_some()
        && one.value.is_some() == other.value.is_some()
}

impl Adapter for Kcat {
    fn create(&self, topic: &str, partitions: i32) -> anyhow::Result<()> {
        self.admin.create(topic, partitions)
    }

    fn delete(&self, _topic: &str) -> anyhow::Result<()> {
        bail!("kcat deletes nothing")
    }

    fn partitions(&self, _topic: &str) -> anyhow::Result<Option<usize>> {
        bail!("kcat creates nothing")
    }

    fn write(&self, topic: &str, records: &[Record], codec: &str, idempotent: bool) -> anyhow::Result<()> {
        let idempotent = format!("enable.idempotence={idempotent}");
        let options = ["-z", codec, "-X", &idempotent, "-X", "linger.ms=5", "-X", "batch.num.messages=50"];
        for partition in 0..=records.iter().map(|record| record.partition).max().unwrap_or(0) {
            let here: Vec<&Record> = records.iter().filter(|record| record.partition == partition).collect();
            for run in here.chunk_by(|one, other| alike(one, other)) {
                self.write_alike(topic, run, &options)?;
            }
        }
        Ok(())
    }

    fn reader(&self, topic: &str, partitions: i32) -> anyhow::Result<Box<dyn Poller>> {
        let partitions = (0..partitions).map(|partition| (partition, 0)).collect();
        Ok(Box::new(Reader { address: self.address.clone(), topic: topic.to_owned(), partitions }))
    }

    fn member(&self, group: &str, topic: &str) -> anyhow::Result<Box<dyn Poller>> {
        // Said on standard error who has what, unless -q.
        let mut command = bounded("kcat", SECONDS);
        command.args([
            "-u",
            "-b",
            &self.address,
            "-X",
            "auto.offset.reset=earliest",
            "-X",
            "heartbeat.interval.ms=300",
        ]);
        command.args(["-f", FORMAT, "-G", group, topic]);
        Ok(Box::new(Member::start(command)?))
    }

    fn offset_at(&self, _topic: &str, _timestamp_ms: i64) -> anyhow::Result<Option<i64>> {
        bail!("kcat writes no timestamps")
    }
}

/// Each partition with the offset that comes next.
struct Reader {
    address: String,
    topic: String,
    partitions: Vec<(i32, i64)>,
}

impl Poller for Reader {
    fn poll(&mut self) -> anyhow::Result<Vec<Record>> {
        let mut read = Vec::new();
        for (partition, next) in &mut self.partitions {
            let mut command = quiet(&self.address);
            command.args(["-C", "-e", "-t", &self.topic, "-p", &partition.to_string(), "-f", FORMAT]);
            command.args(["-o", &next.to_string()]);
            let printed = run_for_bytes(command, b"")?;
            let mut rest = &printed[..];
            while let Some((offset, record)) = read_record(&mut rest)? {
                *next = offset + 1;
                read.push(record);
            }
        }
        Ok(read)
    }

    fn assigned(&mut self) -> usize {
        self.partitions.len()
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        bail!("a reader is in no group")
    }
}

/// A kcat that stays until it is dropped.
struct Member {
    child: Child,
    records: Receiver<Record>,
    assigned: Arc<AtomicUsize>,
}

impl Member {
    fn start(mut command: Command) -> anyhow::Result<Member> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("piped above")?);
        let stderr = BufReader::new(child.stderr.take().context("piped above")?);
        let (sender, records) = channel();
        // Both end when kcat ends, or when nobody wants the records any more.
        std::thread::spawn(move || {
            while let Ok(Some((_, record))) = read_record(&mut stdout) {
                if sender.send(record).is_err() {
                    break;
                }
            }
        });
        let assigned = Arc::new(AtomicUsize::new(0));
        let shared = assigned.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Some((_, partitions)) = line.split_once("assigned:") {
                    shared.store(partitions.matches('[').count(), Ordering::SeqCst);
                } else if line.contains("revoked:") {
                    shared.store(0, Ordering::SeqCst);
                }
            }
        });
        Ok(Member { child, records, assigned })
    }
}

impl Poller for Member {
    fn poll(&mut self) -> anyhow::Result<Vec<Record>> {
        let first = self.records.recv_timeout(POLL).ok();
        Ok(first.into_iter().chain(self.records.try_iter()).collect())
    }

    fn assigned(&mut self) -> usize {
        self.assigned.load(Ordering::SeqCst)
    }

    /// kcat commits by itself, whenever it gives partitions back.
    fn commit(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Ok(pid) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: a plain system call, for a child that has not been waited for. It passes the signal on to kcat.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
        let _ = self.child.wait();
    }
}

/// The next record of what `FORMAT` prints; nothing at the end.
fn read_record(from: &mut impl BufRead) -> anyhow::Result<Option<(i64, Record)>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let numbers: Result<Vec<i64>, _> = line.split_whitespace().map(str::parse).collect();
    let numbers = numbers.with_context(|| format!("kcat printed {line:?}"))?;
    let [partition, offset, timestamp, key_bytes, value_bytes] = numbers[..] else { bail!("kcat printed {line:?}") };
    let key = read_bytes(from, key_bytes)?;
    let value = read_bytes(from, value_bytes)?;
    let mut headers = Vec::new();
    from.read_until(RECORD_END, &mut headers)?;
    ensure!(headers.pop() == Some(RECORD_END), "kcat printed a part of a record");
    let split = |header: &[u8]| {
        let at = header.iter().position(|byte| *byte == b'=').unwrap_or(header.len());
        (String::from_utf8_lossy(&header[..at]).into_owned(), header.get(at + 1..).unwrap_or_default().to_vec())
    };
    let headers = headers.split(|byte| *byte == b',').filter(|header| !header.is_empty()).map(split).collect();
    let record = Record { partition: i32::try_from(partition)?, key, value, headers, timestamp_ms: Some(timestamp) };
    Ok(Some((offset, record)))
}

/// Nothing when the length is negative, which stands for an absent part.
fn read_bytes(from: &mut impl BufRead, length: i64) -> anyhow::Result<Option<Vec<u8>>> {
    let Ok(length) = usize::try_from(length) else { return Ok(None) };
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}
