//! The log on a disk that forgets: whatever was answered is there after a power loss, and what was not is a beginning of
//! what was asked.

use std::path::Path;
use std::sync::Arc;

use openraft::type_config::TypeConfigExt;
use tidelog_catalog_api::Command;
use tidelog_host::{Clock, ForgetfulDisk, Random};
use tidelog_model::TenantId;

use super::{LogFacts, LogOptions, RaftLog};
use crate::types::{Entry, EntryPayload, IoFlushed, Leader, LogId, Logged, TypeConfig, Vote};

pub(super) const CLUSTER: [u8; 16] = [3; 16];
pub(super) const DIR: &str = "/data/log";
/// Small segments, so that they are rolled and removed often.
pub(super) const OPTIONS: LogOptions =
    LogOptions { segment_bytes: 8_192, recent_bytes_max: 2_000, disk_free_bytes_min: 0 };

pub(super) fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    let command = Command::CommitOffsets { tenant: TenantId(1), group: "g".repeat(bytes), offsets: Vec::new() };
    let log_id = LogId { leader_id: Leader { term, node_id: 1 }, index };
    Entry { log_id, payload: EntryPayload::Normal(Logged::new(command)) }
}

pub(super) fn open(disk: &ForgetfulDisk) -> Result<RaftLog, crate::OpenError> {
    RaftLog::open(Arc::new(disk.clone()), Path::new(DIR), CLUSTER, 1, OPTIONS, Clock::real())
}

pub(super) fn new_log(seed: u64) -> ForgetfulDisk {
    let disk = ForgetfulDisk::new(seed);
    tidelog_host::disk::create_dir_all_durable(&disk, Path::new("/data")).unwrap();
    RaftLog::create(&disk, Path::new(DIR), CLUSTER, 1, &OPTIONS).unwrap();
    disk
}

/// Appends, and says whether it became durable.
pub(super) fn append(log: &RaftLog, entries: Vec<Entry>) -> impl Future<Output = std::io::Result<()>> + use<> {
    let (done, wait) = TypeConfig::oneshot();
    log.append(entries, IoFlushed::signal(done)).unwrap();
    async { wait.await.unwrap() }
}

/// What the log should hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub vote: Option<Vote>,
    pub purged: Option<LogId>,
    pub entries: Vec<(LogId, usize)>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Append(Vec<(LogId, usize)>),
    Vote(Vote),
    Truncate(Option<LogId>),
    Purge(LogId),
}

impl Model {
    pub fn last(&self) -> Option<LogId> {
        self.entries.last().map(|(id, _)| *id).or(self.purged)
    }

    /// The models on the way through a step, the last one being after it.
    pub fn after(&self, step: &Step) -> Vec<Model> {
        let mut next = self.clone();
        match step {
            Step::Append(entries) => {
                return entries
                    .iter()
                    .map(|entry| {
                        next.entries.push(*entry);
                        next.clone()
                    })
                    .collect();
            }
            Step::Vote(vote) => next.vote = Some(*vote),
            Step::Truncate(last) => next.entries.retain(|(id, _)| last.is_some_and(|last| id.index <= last.index)),
            Step::Purge(upto) => {
                next.entries.retain(|(id, _)| id.index > upto.index);
                next.purged = Some(*upto);
            }
        }
        vec![next]
    }

    fn random_step(&self, term: &mut u64, random: &Random) -> Step {
        let kept = self.entries.len() as u64;
        match random.below(10) {
            0 => {
                *term += random.below(2);
                Step::Vote(Vote::new(*term, 1))
            }
            1 if kept > 0 => {
                *term += 1;
                let keep = kept - random.below(kept.min(4) + 1);
                let last = keep.checked_sub(1).map(|nth| self.entries[nth as usize].0);
                Step::Truncate(last.or(self.purged))
            }
            2 if kept > 0 => Step::Purge(self.entries[random.below(kept) as usize].0),
            _ => {
                let next = self.last().map_or(0, |last| last.index + 1);
                let id = |index| LogId { leader_id: Leader { term: *term, node_id: 1 }, index };
                let count = 1 + random.below(4);
                let bytes = |_| if random.one_in(8) { 3_000 } else { random.below(600) as usize };
                Step::Append((next..next + count).map(|index| (id(index), bytes(index))).collect())
            }
        }
    }

    /// What a log holds.
    pub fn of(log: &RaftLog) -> std::io::Result<Model> {
        let LogFacts { vote, purged, last, .. } = log.facts();
        let entries = log.read(0..last.map_or(0, |last| last.index + 1), usize::MAX)?;
        let bytes = |entry: &Entry| match &entry.payload {
            EntryPayload::Normal(logged) => match logged.command() {
                Command::CommitOffsets { group, .. } => group.len(),
                other => panic!("never appended: {other:?}"),
            },
            other => panic!("never appended: {other:?}"),
        };
        let model = Model { vote, purged, entries: entries.iter().map(|entry| (entry.log_id, bytes(entry))).collect() };
        assert_eq!(model.last(), last, "the last entry can be read");
        Ok(model)
    }
}

/// One life of a log: random steps, some of them together, until the disk stops. Returns what it may hold afterwards.
async fn live(log: &RaftLog, mut model: Model, steps: u64, term: &mut u64, random: &Random) -> Vec<Model> {
    let mut done = 0;
    while done < steps {
        let mut possible = vec![model.clone()];
        let mut ok = true;
        let mut waiting = Vec::new();
        for _ in 0..1 + random.below(3) {
            let step = model.random_step(term, random);
            done += 1;
            let on_the_way = model.after(&step);
            model = on_the_way.last().unwrap().clone();
            possible.extend(on_the_way);
            match step {
                Step::Append(entries) => {
                    let entries = entries.iter().map(|(id, bytes)| entry(id.leader_id.term, id.index, *bytes));
                    waiting.push(append(log, entries.collect()));
                }
                Step::Vote(vote) => ok &= log.save_vote(vote).await.is_ok(),
                Step::Truncate(last) => ok &= log.truncate_after(last).await.is_ok(),
                Step::Purge(upto) => ok &= log.purge(upto).await.is_ok(),
            }
        }
        for flushed in waiting {
            ok &= flushed.await.is_ok();
        }
        if !ok {
            return possible;
        }
    }
    vec![model]
}

/// Many lives of one log, each ended by a power loss or a kill. The first thing that went wrong.
async fn run(seed: u64, lie: impl FnOnce(&ForgetfulDisk)) -> Result<(), String> {
    let random = Random::seeded(seed);
    let disk = new_log(seed);
    lie(&disk);
    let mut term = 1;
    let mut possible = vec![Model::default()];
    for life in 0..8 {
        let log = open(&disk).map_err(|error| format!("seed {seed}, life {life}: {error}"))?;
        let found = Model::of(&log).map_err(|error| format!("seed {seed}, life {life}: {error}"))?;
        if !possible.contains(&found) {
            return Err(format!("seed {seed}, life {life}: found {found:?}, possible are {possible:?}"));
        }
        disk.stop_after(if random.one_in(3) { 0 } else { random.below(150) });
        possible = live(&log, found, 40, &mut term, &random).await;
        disk.stop_after(0);
        log.close();
        match random.below(3) {
            0 => disk.crash(),
            1 => disk.crash_torn(),
            // The process is killed, maybe by an fsync that failed, and started again while the power stays on: it finds
            // what was written, durable or not, and promises it from then on.
            _ => {}
        }
        disk.stop_after(u64::MAX / 2);
    }
    Ok(())
}

#[tokio::test]
async fn what_was_answered_survives_power_loss() {
    for seed in 1..=1_000 {
        run(seed, |_| {}).await.unwrap();
    }
}

/// Whether some seed notices that syncs are lied about.
async fn is_noticed(lie: impl Fn(&ForgetfulDisk)) -> bool {
    for seed in 1..=100 {
        let run = std::panic::AssertUnwindSafe(run(seed, &lie));
        if !matches!(futures::FutureExt::catch_unwind(run).await, Ok(Ok(()))) {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_lie_about_syncs_is_noticed() {
    use tidelog_host::disk::Operation;
    assert!(is_noticed(|disk| disk.skip_syncs_where(|call| call.operation == Operation::Sync)).await, "file");
    assert!(is_noticed(|disk| disk.skip_syncs_where(|call| call.operation == Operation::SyncDir)).await, "folder");
}
