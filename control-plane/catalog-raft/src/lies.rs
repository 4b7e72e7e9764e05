//! For tests: a disk that lies about one chosen sync, and may stop soon after it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tidelog_host::ForgetfulDisk;
use tidelog_host::disk::{Call, Operation};

/// A sync of a run: what, and the how-manieth of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sync {
    /// `file /data/log/mark` or `folder /data`.
    pub what: String,
    pub nth: usize,
    /// The last change that it makes durable, `Rename /data/log/spare`; empty when there is none since the sync before.
    pub after: String,
}

/// Sees every call and answers wrongly as told. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Lies {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    seen: Vec<Sync>,
    counts: BTreeMap<String, usize>,
    changed: BTreeMap<PathBuf, String>,
    /// Folders: making one again changes nothing.
    made: BTreeSet<PathBuf>,
    target: Option<Sync>,
    hit: bool,
    /// Changes that pass after the lie.
    stop_after: Option<u64>,
    stopped: bool,
    /// Whether the log's thread that keeps the reserve is held up: it would sync folders at times of its own.
    reserve_held: bool,
}

impl Lies {
    /// Lies about `target` on this disk, and fails every change but so many after it.
    pub(crate) fn install(disk: &ForgetfulDisk, target: Option<Sync>, stop_after: Option<u64>) -> Lies {
        let lies = Lies { state: Arc::new(Mutex::new(State { target, stop_after, ..State::default() })) };
        let (fails, skips) = (lies.clone(), lies.clone());
        disk.fail_where(std::io::ErrorKind::Other, move |call| fails.state.lock().fails(call));
        disk.skip_syncs_where(move |call| skips.state.lock().skips(call));
        lies
    }

    /// The syncs so far, in order.
    pub(crate) fn seen(&self) -> Vec<Sync> {
        self.state.lock().seen.clone()
    }

    /// Whether the lie was told.
    pub(crate) fn told(&self) -> bool {
        self.state.lock().hit
    }

    pub(crate) fn hold_reserve(&self, held: bool) {
        self.state.lock().reserve_held = held;
    }
}

impl State {
    fn fails(&mut self, call: &Call<'_>) -> bool {
        let unchanging = [Operation::Open, Operation::List, Operation::Stat, Operation::Read];
        if unchanging.contains(&call.operation) {
            return false;
        }
        if self.reserve_held && call.operation == Operation::Create && call.path.ends_with("spare.tmp") {
            return true;
        }
        if self.hit
            && let Some(left) = self.stop_after.as_mut()
        {
            self.stopped |= *left == 0;
            *left = left.saturating_sub(1);
        }
        if self.stopped {
            // A sync that fails would take what was written with it, which a power loss need not do. It is skipped instead:
            // after each sync of a file there comes a change, which fails, before anybody is told.
            return call.operation != Operation::Sync;
        }
        let change = format!("{:?} {}", call.operation, call.path.display());
        match call.operation {
            Operation::Write | Operation::SetLen | Operation::Allocate => {
                self.changed.insert(call.path.to_owned(), change);
            }
            Operation::CreateDir => {
                for made in call.path.ancestors() {
                    if self.made.insert(made.to_owned()) {
                        self.changed.insert(made.parent().unwrap_or(Path::new("/")).to_owned(), change.clone());
                    }
                }
            }
            Operation::Create | Operation::Rename | Operation::Remove => {
                self.changed.insert(call.path.parent().unwrap_or(Path::new("/")).to_owned(), change);
            }
            _ => {}
        }
        false
    }

    fn skips(&mut self, call: &Call<'_>) -> bool {
        if self.stopped {
            return true;
        }
        let kind = if call.operation == Operation::Sync { "file" } else { "folder" };
        let what = format!("{kind} {}", call.path.display());
        let count = self.counts.entry(what.clone()).or_default();
        let sync = Sync { what, nth: *count, after: self.changed.remove(call.path).unwrap_or_default() };
        *count += 1;
        let lie = self.target.as_ref().is_some_and(|target| target.what == sync.what && target.nth == sync.nth);
        self.hit |= lie;
        self.seen.push(sync);
        lie
    }
}

/// How a run ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// Changes that pass after the lie; the whole step it is in when not set.
    pub stop_after: Option<u64>,
    /// With a seed, some of what was not synced survives.
    pub torn: Option<u64>,
}

/// Where a run may be cut after a lie: the step's end first, which shows most of them.
/// Few need more than the first seeds.
pub(crate) fn endings() -> Vec<Ending> {
    let stops = [None, Some(0), Some(1), Some(2), Some(3), Some(4), Some(6), Some(8), Some(10), Some(12)];
    let torn = std::iter::once(None).chain((1..=32).map(Some));
    torn.flat_map(|torn| stops.map(|stop_after| Ending { stop_after, torn })).collect()
}

/// Tells each lie in turn. Those that no ending shows must be `redundant`, which says why.
pub(crate) async fn every_lie_is_noticed<F>(
    syncs: Vec<Sync>,
    run: impl Fn(Sync, Ending) -> F,
    redundant: impl Fn(&Sync) -> Option<&'static str>,
) where
    F: Future<Output = Result<(), String>>,
{
    let (mut noticed, mut unnoticed) = (0, Vec::new());
    for sync in syncs.into_iter().filter(|sync| !sync.after.is_empty()) {
        let mut problem = None;
        let why = redundant(&sync);
        // Of one that is said to be redundant it is only made sure that no test would be the better for it.
        let endings = endings().into_iter().take(if why.is_some() { 2 } else { usize::MAX });
        for ending in endings {
            let run = std::panic::AssertUnwindSafe(run(sync.clone(), ending));
            problem = match futures::FutureExt::catch_unwind(run).await {
                Ok(Ok(())) => continue,
                Ok(Err(problem)) => Some(problem),
                Err(_) => Some("a panic".to_owned()),
            };
            break;
        }
        match (problem, why) {
            (Some(_), None) => noticed += 1,
            (None, Some(_)) => {}
            (Some(problem), Some(why)) => panic!("{sync:?} is not redundant ({why}): {problem}"),
            (None, None) => unnoticed.push(sync),
        }
    }
    println!("{noticed} lies were noticed");
    assert!(unnoticed.is_empty(), "nothing notices that these are skipped: {unnoticed:#?}");
    assert!(noticed > 0, "there is something to notice");
}
