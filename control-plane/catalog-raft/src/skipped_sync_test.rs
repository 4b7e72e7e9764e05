//! A replica on a disk that skips one sync: a power loss then breaks a promise, or the sync was not needed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidelog_catalog::State;
use tidelog_catalog_api::Catalog;
use tidelog_host::{Clock, ForgetfulDisk, Random};
use tidelog_model::{LogIndex, SessionId};

use crate::lies::{Ending, Lies, Sync, every_lie_is_noticed};
use crate::raft_catalog_test::{PARTITION, commit, options, prepare};
use crate::types::{Entry, EntryPayload};
use crate::{OpenError, RaftCatalog, RaftOptions};

/// What is done, one after the other.
#[derive(Clone, Copy, Debug)]
enum Step {
    Open,
    Prepare,
    Commit,
    Snapshot,
    Close,
}

/// Segments are rolled some times, three snapshots follow each other, segments and part files are removed.
fn script() -> Vec<Step> {
    let commits = |count| std::iter::repeat_n(Step::Commit, count);
    let mut script = vec![Step::Open, Step::Prepare];
    script.extend(commits(9));
    script.push(Step::Snapshot);
    script.extend(commits(9));
    script.extend([Step::Snapshot, Step::Close, Step::Open]);
    script.extend(commits(9));
    script.extend([Step::Snapshot, Step::Commit, Step::Commit]);
    script
}

struct World {
    disk: ForgetfulDisk,
    catalog: Option<Arc<RaftCatalog>>,
    session: Option<SessionId>,
    cluster: Option<[u8; 16]>,
    answered: u64,
    /// Entries as they were seen while the log still had them.
    history: Vec<Entry>,
}

/// Opens a small replica, which would be another one if it were new.
pub(crate) async fn open(disk: &ForgetfulDisk) -> Result<Arc<RaftCatalog>, OpenError> {
    let small = RaftOptions { segment_bytes: 8_192, ..options(Path::new("/data/raft")) };
    RaftCatalog::open(small, Arc::new(disk.clone()), Clock::real(), Random::seeded(disk.changes())).await
}

/// Adds what the log has beyond `history`.
pub(crate) fn remember(history: &mut Vec<Entry>, catalog: &RaftCatalog) -> Result<(), String> {
    let next = history.last().map_or(0, |last| last.log_id.index + 1);
    let read = catalog.log.read(next..catalog.applied().0 + 1, usize::MAX).map_err(|error| error.to_string())?;
    for entry in read {
        let expected = history.last().map_or(0, |last| last.log_id.index + 1);
        if entry.log_id.index != expected {
            return Err(format!("entry {} follows, expected is {expected}", entry.log_id.index));
        }
        history.push(entry);
    }
    Ok(())
}

/// Applies what comes after `state`.
pub(crate) fn replay(mut state: State, history: &[Entry]) -> State {
    for entry in history {
        let index = LogIndex(entry.log_id.index);
        match &entry.payload {
            _ if index.0 == 0 || index <= state.applied() => {}
            EntryPayload::Normal(logged) => drop(state.apply(index, logged.command())),
            EntryPayload::Blank | EntryPayload::Membership(_) => state.skip(index),
        }
    }
    state
}

impl World {
    async fn step(&mut self, step: Step) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        if let Step::Open = step {
            let catalog = open(&self.disk).await.map_err(|error| text(&error))?;
            self.cluster = Some(catalog.cluster().cluster_id);
            remember(&mut self.history, &catalog)?;
            self.catalog = Some(catalog);
            return Ok(());
        }
        let catalog = self.catalog.clone().expect("the script opens first");
        match step {
            Step::Open => unreachable!("done above"),
            Step::Prepare => self.session = Some(prepare(&catalog).await.map_err(|error| text(&error))?),
            Step::Commit => {
                let session = self.session.expect("the script prepares first");
                catalog.propose(commit(session, self.answered + 1)).await.map_err(|error| text(&error))?;
                self.answered += 1;
            }
            Step::Snapshot => drop(catalog.snapshot_now().await.map_err(|error| text(&error))?),
            Step::Close => {
                catalog.close().await;
                self.catalog = None;
                return Ok(());
            }
        }
        remember(&mut self.history, &catalog)
    }

    /// Everything that was answered is there, and the state is that of a replay from the first entry.
    async fn check(&mut self) -> Result<(), String> {
        let catalog = open(&self.disk).await.map_err(|error| error.to_string())?;
        let checked = self.check_open(&catalog);
        self.catalog = Some(catalog);
        checked
    }

    fn check_open(&mut self, catalog: &RaftCatalog) -> Result<(), String> {
        if self.cluster.is_some_and(|cluster| cluster != catalog.cluster().cluster_id) {
            return Err("it is another cluster".to_owned());
        }
        catalog.validate()?;
        if self.session.is_some() {
            let found = catalog.partition(PARTITION).map_or(0, |view| view.high_watermark.0);
            if found < self.answered || found > self.answered + 1 {
                return Err(format!("{found} records, {} were answered", self.answered));
            }
        }
        // What was seen but not answered may be gone; what replaced it is in the log.
        if self.history.last().is_some_and(|last| last.log_id.index > catalog.applied().0) {
            return Err("entries that were applied are gone".to_owned());
        }
        remember(&mut self.history, catalog)?;
        let replayed = replay(State::new(), &self.history).hash();
        if replayed != catalog.state_hash() {
            return Err("the state is not that of a replay".to_owned());
        }
        Ok(())
    }

    /// Power loss.
    async fn crash(&mut self, torn: bool) {
        if torn {
            self.disk.crash_torn()
        } else {
            self.disk.crash()
        }
        self.disk.stop_after(0);
        if let Some(catalog) = self.catalog.take() {
            catalog.close().await;
        }
        self.disk.heal();
    }
}

/// Runs the script until the lie is told, or to its end; loses power; checks. Returns the syncs of the run.
async fn run(lie: Option<Sync>, ending: Ending) -> Result<Vec<Sync>, String> {
    let disk = ForgetfulDisk::new(ending.torn.unwrap_or(1));
    let lies = Lies::install(&disk, lie, ending.stop_after);
    let mut world = World { disk, catalog: None, session: None, cluster: None, answered: 0, history: Vec::new() };
    for step in script() {
        // The first reserve is made when the log is, by whoever makes it.
        let done = tokio::time::timeout(Duration::from_secs(20), world.step(step)).await;
        let done = done.unwrap_or_else(|_| abort(&format!("{step:?} hangs")));
        if lies.told() {
            break;
        }
        done.unwrap_or_else(|error| panic!("{step:?} failed without a cause: {error}"));
        lies.hold_reserve(false);
        if let Some(catalog) = &world.catalog {
            catalog.log.look_at_disk();
        }
        lies.hold_reserve(true);
    }
    let syncs = lies.seen();
    world.crash(ending.torn.is_some()).await;
    world.check().await?;
    // And it goes on from there.
    if world.session.is_some() {
        world.step(Step::Commit).await?;
        world.crash(false).await;
        world.check().await?;
    }
    world.crash(false).await;
    Ok(syncs)
}

/// Syncs whose absence breaks no promise, and why they are there.
fn redundant(sync: &Sync) -> Option<&'static str> {
    log_redundant(sync).or_else(|| {
        let (what, after) = (sync.what.as_str(), sync.after.as_str());
        Some(match what {
            "folder /data/raft" if after.ends_with("/log") => {
                "the cluster file's name, which is given last, is in the same folder"
            }
            "folder /data/raft/snapshot" if after.starts_with("Create") => {
                "the manifest's name is synced with those of its parts; a disk that mixes up the names of one folder needs it"
            }
            "folder /data/raft/snapshot" if after.ends_with("manifest") => {
                "removing old parts syncs the folder again, before the log is purged; unless it fails"
            }
            "folder /data/raft/snapshot" if after.starts_with("Remove") => "an old part that is back is removed again",
            _ => return None,
        })
    })
}

/// The same of a log.
pub(crate) fn log_redundant(sync: &Sync) -> Option<&'static str> {
    let (what, after) = (sync.what.as_str(), sync.after.as_str());
    let folder = what.starts_with("folder ") && what.ends_with("/log");
    Some(match () {
        () if what.ends_with("/log/spare.tmp") => {
            "the header's sync, when the spare becomes a segment, is of the same file; \
             this one keeps the allocation of blocks out of the way of appends"
        }
        () if after.starts_with("Allocate") => {
            "a record larger than a segment makes the spare longer, and the header's sync, which follows, is of the same file"
        }
        () if what.ends_with("/log/mark") => "a lost mark is as if there were none",
        () if folder && after.ends_with("/spare") => "a lost spare is made again",
        () if folder && after.ends_with("/mark") => "a lost mark is as if there were none",
        () if folder && after.starts_with("Remove") => {
            "a removed segment that is back is removed again; a disk that mixes up the names of one folder needs it"
        }
        () => return None,
    })
}

#[tokio::test]
async fn every_sync_of_a_replica_is_needed() {
    let syncs = run(None, Ending { stop_after: None, torn: None }).await.unwrap();
    let lie = |sync, ending| async move { run(Some(sync), ending).await.map(drop) };
    every_lie_is_noticed(syncs, lie, redundant).await;
}

/// A run that does not end must not pass for a lie that was noticed.
pub(crate) fn abort(problem: &str) -> ! {
    eprintln!("{problem}");
    std::process::abort();
}

/// From some change on, every call fails. Each step ends, with an error at the latest when it is one that writes, and
/// nothing that was asked after the first failure is ever answered well.
#[tokio::test]
async fn a_disk_that_fails_ends_serving() {
    let (mut failed_at, mut failures) = (0, 0);
    loop {
        let disk = ForgetfulDisk::new(failed_at);
        let mut world = World { disk, catalog: None, session: None, cluster: None, answered: 0, history: Vec::new() };
        world.disk.stop_after(failed_at);
        let mut failed = None;
        for step in script() {
            let done = tokio::time::timeout(Duration::from_secs(20), world.step(step)).await;
            let done = done.unwrap_or_else(|_| abort(&format!("{step:?} hangs when change {failed_at} fails")));
            if let Err(error) = done {
                failed = Some((step, error));
                break;
            }
        }
        // Without a reserve nothing is written, so nothing has failed: that is like a full disk, and passes.
        if let (Some((Step::Commit | Step::Prepare, error)), Some(catalog)) = (&failed, world.catalog.clone())
            && !error.contains("reserve cannot be made")
        {
            // The disk recovers, this replica does not: it does not know what it has.
            world.disk.heal();
            let session = world.session.unwrap_or(SessionId(1));
            let late = tokio::time::timeout(Duration::from_secs(20), async {
                let proposed = catalog.propose(commit(session, world.answered + 1)).await;
                (proposed.is_err(), catalog.read_barrier().await.is_err())
            });
            assert_eq!(late.await, Ok((true, true)), "change {failed_at}: a proposal, and a barrier, are refused");
            failures += 1;
        }
        world.crash(failed_at % 2 == 0).await;
        world.check().await.unwrap_or_else(|problem| panic!("change {failed_at} failed: {problem}"));
        world.crash(false).await;
        if failed.is_none() {
            break;
        }
        failed_at += 1;
    }
    assert!(failures > 20, "{failures} of {failed_at} ended a proposal");
}
