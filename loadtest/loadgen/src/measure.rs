//! What the operating system says of a run: processor time and memory of the server's process and its children, processor time
//! of this one, and how busy the machine is.

mod threads;

use std::cell::RefCell;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::schedule::Moment;
use crate::store::{Counter, Told};
use threads::Threads;

/// What was seen at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the schedule began.
    pub at_seconds: f64,
    /// User and system time of the server and its children since they started; nothing when it is not known or gone.
    pub server_cpu_seconds: Option<f64>,
    /// Resident memory of the same.
    pub server_resident_mebibytes: Option<f64>,
    /// User and system time of the generator, without a proxy before the store that is in its process.
    pub generator_cpu_seconds: f64,
    /// Of a core, what the busiest thread of the generator used since the sample before.
    #[serde(default)]
    pub generator_thread_cores: f64,
    /// Requests to the store so far, where they are counted.
    #[serde(default)]
    pub store_requests: Option<u64>,
    /// Bytes to it.
    #[serde(default)]
    pub store_bytes_in: Option<u64>,
    /// Bytes from it.
    #[serde(default)]
    pub store_bytes_out: Option<u64>,
    /// Records handed over so far, the warm-up too.
    pub sent: u64,
    /// Of these, acknowledged.
    pub acknowledged: u64,
    /// Received so far by all groups together.
    pub received: u64,
}

/// Looks at the machine and the server.
pub(crate) struct Gauge {
    server: Option<u32>,
    ticks_per_second: f64,
    page_bytes: f64,
    threads: RefCell<Threads>,
    store: Option<Counter>,
    /// What the store's proxy told, and why it did not, the first time.
    told: RefCell<(Vec<Told>, Option<String>)>,
}

impl Gauge {
    /// `server` is its process, if it is on this machine; `store` counts what it asks of its store.
    pub(crate) fn new(server: Option<u32>, store: Option<Counter>) -> Gauge {
        // SAFETY: the calls have no preconditions.
        let (ticks, page) = unsafe { (libc::sysconf(libc::_SC_CLK_TCK), libc::sysconf(libc::_SC_PAGESIZE)) };
        Gauge {
            server,
            ticks_per_second: ticks as f64,
            page_bytes: page as f64,
            threads: RefCell::default(),
            store,
            told: RefCell::default(),
        }
    }

    pub(crate) fn sample(&self, at: Moment, [sent, acknowledged, received]: [u64; 3]) -> Sample {
        let server = self.server.and_then(|root| tree(root, processes()));
        let (generator_thread_cores, proxy_ticks) = self.threads.borrow_mut().look(at, self.ticks_per_second);
        let [requests, bytes_in, bytes_out] =
            self.ask_store(at, acknowledged).map_or([None; 3], |totals| totals.map(Some));
        Sample {
            at_seconds: at.seconds(),
            server_cpu_seconds: server.map(|(ticks, _)| ticks / self.ticks_per_second),
            server_resident_mebibytes: server.map(|(_, pages)| pages * self.page_bytes / f64::from(1 << 20)),
            generator_cpu_seconds: own_cpu_seconds() - proxy_ticks / self.ticks_per_second,
            generator_thread_cores,
            store_requests: requests,
            store_bytes_in: bytes_in,
            store_bytes_out: bytes_out,
            sent,
            acknowledged,
            received,
        }
    }

    fn ask_store(&self, at: Moment, acknowledged: u64) -> Option<[u64; 3]> {
        let counted = self.store.as_ref()?.read();
        let mut told = self.told.borrow_mut();
        match counted {
            Ok(counted) => {
                let totals = counted.totals();
                told.0.push(Told { at_seconds: at.seconds(), acknowledged, counted });
                Some(totals)
            }
            Err(error) => {
                told.1.get_or_insert_with(|| format!("{error:#}"));
                None
            }
        }
    }

    /// What the store's proxy told in all samples, or why it did not; nothing where nobody counts.
    pub(crate) fn into_told(self) -> Option<Result<Vec<Told>, String>> {
        self.store.as_ref()?;
        let (told, error) = self.told.into_inner();
        Some(error.map_or(Ok(told), Err))
    }
}

/// The kernel's threads are children of that one.
const KERNEL: u32 = 2;

/// User and system time so far of all processes but this one, its children and the kernel's: what others make of the machine.
/// That of children which have ended is in it as soon as somebody has waited for them.
#[must_use]
pub fn processor_seconds_of_others() -> f64 {
    let all = processes();
    let of_tree = |root| tree(root, all.clone()).map_or(0.0, |(ticks, _)| ticks);
    let ticks: f64 = all.iter().map(|process| process.ticks).sum();
    (ticks - of_tree(std::process::id()) - of_tree(KERNEL)) / Gauge::new(None, None).ticks_per_second
}

/// One line of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Process {
    id: u32,
    parent: u32,
    /// Its own, and that of children that ended.
    ticks: f64,
    resident_pages: f64,
}

fn processes() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    // A process may end between the two.
    ids.filter_map(|id| std::fs::read_to_string(format!("/proc/{id}/stat")).ok())
        .filter_map(|line| parse(&line))
        .collect()
}

/// The name is in brackets and may hold anything, brackets too.
fn parse(stat: &str) -> Option<Process> {
    let (id, rest) = stat.split_once(' ')?;
    let fields: Vec<&str> = rest.rsplit_once(") ")?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field)?.parse::<f64>().ok();
    // Counted from the state, which is the third of all.
    let ticks = number(11)? + number(12)? + number(13)? + number(14)?;
    Some(Process { id: id.parse().ok()?, parent: number(1)? as u32, ticks, resident_pages: number(21)? })
}

/// Ticks and pages of a process and all below it.
fn tree(root: u32, processes: Vec<Process>) -> Option<(f64, f64)> {
    let mut children: HashMap<u32, Vec<Process>> = HashMap::new();
    let mut next = Vec::new();
    for process in processes {
        if process.id == root {
            next.push(process);
        } else {
            children.entry(process.parent).or_default().push(process);
        }
    }
    next.first()?;
    let (mut ticks, mut pages) = (0.0, 0.0);
    while let Some(process) = next.pop() {
        ticks += process.ticks;
        pages += process.resident_pages;
        next.extend(children.remove(&process.id).into_iter().flatten());
    }
    Some((ticks, pages))
}

fn own_cpu_seconds() -> f64 {
    // SAFETY: all zeros is a valid rusage, and the call only writes to it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let line = "12 (a) (b c) S 7 12 12 0 -1 4194560 1 0 0 0 100 20 3 4 20 0 1 0 5 1000 256 18446744073709551615";
        assert_eq!(parse(line), Some(Process { id: 12, parent: 7, ticks: 127.0, resident_pages: 256.0 }));
        assert_eq!(parse("12 (a) S"), None);
    }

    #[test]
    fn children_count_and_strangers_do_not() {
        let process = |id, parent| Process { id, parent, ticks: 1.0, resident_pages: 10.0 };
        let all = vec![process(1, 0), process(2, 1), process(3, 2), process(4, 2), process(5, 1)];
        assert_eq!(tree(2, all.clone()), Some((3.0, 30.0)));
        assert_eq!(tree(9, all), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_seen() {
        let sample = Gauge::new(Some(std::process::id()), None).sample(Moment(0), [0; 3]);
        assert!(sample.server_resident_mebibytes.unwrap() > 1.0);
        assert!(sample.generator_cpu_seconds >= 0.0);
    }
}
