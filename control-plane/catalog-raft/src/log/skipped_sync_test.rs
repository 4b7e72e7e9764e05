//! The log on a disk that skips one sync: a power loss then breaks a promise, or the sync was not needed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use tidelog_host::{Disk, ForgetfulDisk};

use super::power_loss_test::{CLUSTER, DIR, Model, OPTIONS, Step, append, entry, open};
use super::record::{RECORDS_START, read_record, record_bytes};
use super::{RaftLog, recover, segment_path};
use crate::lies::{Ending, Lies, Sync, every_lie_is_noticed};
use crate::skipped_sync_test::{abort, log_redundant};
use crate::types::{Leader, LogId, Vote};

/// What is done, one after the other.
#[derive(Clone, Debug)]
enum Action {
    Create,
    Open,
    Close,
    Do(Step),
    /// The process is killed when so many changes of the disk were made, while the power stays on.
    KilledIn(u64, Step),
    /// What a power loss may leave of a group that was never answered: its first record torn, the ones behind it whole.
    Tear,
}

const SECTOR_BYTES: u64 = 512;

fn id(term: u64, index: u64) -> LogId {
    LogId { leader_id: Leader { term, node_id: 1 }, index }
}

/// One entry after the other, of so many bytes.
fn entries(term: u64, first: u64, bytes: &[usize]) -> Step {
    Step::Append((first..).zip(bytes).map(|(index, bytes)| (id(term, index), *bytes)).collect())
}

/// Elections, conflicting leaders whose entries are taken back within a segment and beyond it, purges that free segments
/// and one that passes the end, kills in the middle of an append, and a record that is larger than a segment.
fn script() -> Vec<Action> {
    let vote = |term| Step::Vote(Vote::new(term, 1));
    let mut script = vec![Action::Create, Action::Open];
    script.extend(
        [
            vote(1),
            entries(1, 0, &[300]),
            entries(1, 1, &[500, 200, 900]),
            vote(2),
            entries(2, 4, &[700, 700]),
            // A leader of term 3 does not know entries 3 to 5.
            vote(3),
            Step::Truncate(Some(id(1, 2))),
            entries(3, 3, &[600]),
            entries(3, 4, &[2_500]),
            entries(3, 5, &[2_500]),
            entries(3, 6, &[1_000, 1_300]),
            entries(3, 8, &[2_500]),
            Step::Purge(id(3, 3)),
            // What is taken back lies in two segments.
            vote(4),
            Step::Truncate(Some(id(3, 4))),
            entries(4, 5, &[100]),
        ]
        .map(Action::Do),
    );
    // Written, and the fsync was what failed: whoever finds it promises it.
    script.extend([Action::KilledIn(1, entries(4, 6, &[400])), Action::Open]);
    script.push(Action::Do(entries(4, 7, &[1_200])));
    script.extend([Action::Close, Action::Open, Action::Do(vote(5))]);
    script.extend([Action::KilledIn(2, entries(5, 8, &[120, 300, 10])), Action::Tear, Action::Open]);
    script.extend(
        [
            // As long as the torn one, so that what was whole behind it is whole behind this one.
            entries(6, 8, &[120]),
            entries(6, 9, &[2_600]),
        ]
        .map(Action::Do),
    );
    // The next segment has its name, but not for good.
    script.extend([Action::KilledIn(3, entries(6, 10, &[5_000])), Action::Open]);
    script.extend(
        [
            entries(6, 10, &[2_600]),
            entries(6, 11, &[9_000]),
            entries(6, 12, &[50]),
            Step::Purge(id(6, 11)),
            // A snapshot of a leader that is far ahead.
            Step::Truncate(Some(id(6, 11))),
            Step::Purge(id(7, 20)),
            entries(7, 21, &[2_600]),
            entries(7, 22, &[2_600]),
            entries(7, 23, &[2_600]),
            entries(7, 24, &[2_600]),
            Step::Purge(id(7, 23)),
            vote(8),
        ]
        .map(Action::Do),
    );
    script.extend([Action::Close, Action::Open, Action::Do(entries(8, 25, &[10]))]);
    script
}

struct World {
    disk: ForgetfulDisk,
    log: Option<RaftLog>,
    /// Whether the log's making was answered.
    made: bool,
    /// What the log may hold: one thing, unless something was asked and not answered.
    possible: Vec<Model>,
}

impl World {
    async fn act(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Create => {
                let create = || -> std::io::Result<()> {
                    tidelog_host::disk::create_dir_all_durable(&self.disk, Path::new("/data"))?;
                    RaftLog::create(&self.disk, Path::new(DIR), CLUSTER, 1, &OPTIONS)
                };
                create().map_err(|error| error.to_string())?;
                self.made = true;
            }
            Action::Open => self.open()?,
            Action::Close => self.close(),
            Action::Do(step) => self.step(step).await?,
            Action::KilledIn(changes, step) => {
                self.disk.stop_after(*changes);
                let done = self.step(step).await;
                self.close();
                self.disk.stop_after(u64::MAX / 2);
                assert!(done.is_err(), "the disk stopped before {step:?} was done");
            }
            Action::Tear => {
                let (segment, first, second) = self.last_group();
                // Sectors are written whole. So only where the next record has sectors of its own can it outlive this one.
                assert_eq!(second % SECTOR_BYTES, 0, "the script's sizes put {second} on the edge of a sector");
                self.disk.flip_bit(&segment, first, 0);
                // Nobody was told of the group, and what is left of it begins with something that is no record.
                self.possible.truncate(1);
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some(log) = self.log.take() {
            log.close();
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let log = self.log.clone().expect("the script opens first");
        self.possible = self.possible.last().expect("one at least").steps(step);
        let done = match step {
            Step::Append(entries) => {
                if entries.len() == 2 {
                    // As Raft does: it is written with what comes next.
                    log.save_committed(self.possible[0].last());
                }
                let entries = entries.iter().map(|(id, bytes)| entry(id.leader_id.term, id.index, *bytes));
                append(&log, entries.collect()).await
            }
            Step::Vote(vote) => log.save_vote(*vote).await,
            Step::Truncate(last) => log.truncate_after(*last).await,
            Step::Purge(upto) => log.purge(*upto).await,
        };
        done.map_err(|error| error.to_string())?;
        self.possible.drain(..self.possible.len() - 1);
        Ok(())
    }

    /// Opens the log; it holds what it promised. What is found is promised from here on.
    fn open(&mut self) -> Result<(), String> {
        let log = open(&self.disk).map_err(|error| format!("the log does not open: {error}"))?;
        let found = Model::of(&log).map_err(|error| format!("the log cannot be read: {error}"));
        self.log = Some(log);
        let found = found?;
        if !self.possible.contains(&found) {
            return Err(format!(
                "{}: found {found:?}, possible are {:?}",
                broken(&found, &self.possible),
                self.possible
            ));
        }
        self.possible = vec![found];
        Ok(())
    }

    /// The last segment, and where the first and the second record of its last group are.
    fn last_group(&self) -> (PathBuf, u64, u64) {
        let number = *recover::segment_numbers(&self.disk, Path::new(DIR)).unwrap().last().unwrap();
        let path = segment_path(Path::new(DIR), number);
        let file = self.disk.open(&path).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let (mut at, mut found) = (RECORDS_START as usize, (0, 0));
        while let Some(record) = read_record(number, &bytes[at..]) {
            let next = at + record_bytes(record.body_bytes);
            // The first of a group says that the one before it was durable.
            if record.synced + 1 == record.sequence {
                found = (at as u64, next as u64);
            }
            at = next;
        }
        (path, found.0, found.1)
    }

    /// Power loss.
    fn crash(&mut self, torn: bool) {
        if torn {
            self.disk.crash_torn();
        } else {
            self.disk.crash();
        }
        self.disk.stop_after(0);
        self.close();
        self.disk.heal();
    }
}

impl Model {
    /// The models on the way through a step, this one being the first and the one after it the last.
    fn steps(&self, step: &Step) -> Vec<Model> {
        std::iter::once(self.clone()).chain(self.after(step)).collect()
    }
}

const VOTE: &str = "a vote is forgotten";
const PURGE: &str = "a purge is forgotten";
const BACK: &str = "an entry that was taken back is there again";
const GONE: &str = "an acknowledged entry is gone";

/// Which promise is broken when `found` is none of what is possible.
fn broken(found: &Model, possible: &[Model]) -> &'static str {
    let known = |entry| possible.iter().any(|model| model.entries.contains(entry));
    if possible.iter().all(|model| model.vote != found.vote) {
        VOTE
    } else if possible.iter().all(|model| model.purged != found.purged) {
        PURGE
    } else if found.entries.iter().any(|entry| !known(entry)) {
        BACK
    } else {
        GONE
    }
}

/// Runs the script until the lie is told and the step, or so many changes as the ending says, are done, or to its end;
/// loses power; checks. Returns the syncs of the run.
async fn run(lie: Option<Sync>, ending: Ending) -> Result<Vec<Sync>, String> {
    let disk = ForgetfulDisk::new(ending.torn.unwrap_or(1));
    let lies = Lies::install(&disk, lie, ending.stop_after);
    let mut world = World { disk, log: None, made: false, possible: vec![Model::default()] };
    let mut syncs = Vec::new();
    for action in script() {
        let seen = lies.seen().len();
        let done = tokio::time::timeout(Duration::from_secs(20), world.act(&action)).await;
        let done = done.unwrap_or_else(|_| abort(&format!("{action:?} hangs")));
        let killed = matches!(action, Action::KilledIn(..));
        // A sync of what is never answered promises nothing.
        let seen_by_step = lies.seen().len();
        syncs.extend(lies.seen().into_iter().take(seen_by_step).skip(seen).filter(|_| !killed));
        if lies.told() && (done.is_err() || killed || ending.stop_after.is_none()) {
            break;
        }
        done.unwrap_or_else(|error| panic!("{action:?} failed without a cause: {error}"));
        // The reserve is made between two steps, so that the order of syncs is the same in each run.
        lies.hold_reserve(false);
        if let Some(log) = &world.log {
            log.look_at_disk();
        }
        lies.hold_reserve(true);
        syncs.extend(lies.seen().into_iter().skip(seen_by_step));
    }
    world.crash(ending.torn.is_some());
    if world.made {
        world.open()?;
        // And it goes on from there.
        let next = world.possible[0].last().map_or(0, |last| last.index + 1);
        world.step(&entries(9, next, &[40])).await?;
        world.crash(false);
        world.open()?;
        world.crash(false);
    }
    Ok(syncs)
}

#[tokio::test]
async fn every_sync_of_a_log_is_needed() {
    let syncs = run(None, Ending { stop_after: None, torn: None }).await.unwrap();
    let noticed = Mutex::new(BTreeSet::new());
    let noticed = &noticed;
    let lie = |sync: Sync, ending| async move {
        let told = run(Some(sync), ending).await.map(drop);
        if let Err(problem) = &told {
            noticed.lock().insert(problem.split_once(':').map_or(problem.as_str(), |(kind, _)| kind).to_owned());
        }
        told
    };
    every_lie_is_noticed(syncs, lie, log_redundant).await;
    let noticed = noticed.lock();
    for promise in [VOTE, PURGE, BACK, GONE] {
        assert!(noticed.contains(promise), "no lie breaks this one: {promise}; broken were {noticed:?}");
    }
}
