//! A run under way: threads that send, threads that receive, and one that watches them and judges each stage.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::anyhow;
use hdrhistogram::Histogram;

use crate::check::{Acknowledged, Checks, Received};
use crate::driver::{Answer, Arrived, Driver};
use crate::interrupt;
use crate::latency::Recorder;
use crate::measure::{Gauge, Sample};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::record::read;
use crate::schedule::{Clock, Moment, Schedule};
use crate::senders::{Sent, send};
use crate::tail::{Behind, Tail};

/// From the start of the threads to the first record: a consumer of librdkafka takes half a second to begin.
const LEAD: Duration = Duration::from_secs(1);
/// How often the run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After a stage, until what was late in it has shown.
const JUDGED_AFTER: Duration = Duration::from_secs(1);
/// Threads that send: so many, and on a large machine a thread for some of its processors. It also has a server to run.
const SENDER_THREADS: std::ops::RangeInclusive<u32> = 2..=8;
const CORES_PER_SENDER_THREAD: usize = 4;
/// What one wait of a consumer takes, at most.
const RECEIVE_WAIT: Duration = Duration::from_millis(20);
/// How long consumers read on when everything has come: what comes twice comes late.
const READ_ON: Duration = Duration::from_secs(1);
/// Of the records of a stage, how many must be sent in it, and acknowledged soon after it.
const ON_TIME_SHARE_MIN: f64 = 0.99;

/// How a stage was kept up with.
pub(crate) struct Lag {
    /// Microseconds.
    pub(crate) behind: Histogram<u64>,
    /// Records that were sent before the stage was over.
    pub(crate) on_time: u64,
    /// Records that were acknowledged before it was judged. What a driver has taken, the server need not have.
    pub(crate) acknowledged: u64,
}

/// What the threads of a run share.
pub(crate) struct Shared<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) schedule: &'a Schedule,
    pub(crate) clock: Clock,
    /// Nothing that is due then or later is sent.
    ends: AtomicU64,
    stop_receiving: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) acknowledge: Mutex<Recorder>,
    pub(crate) receive: Mutex<Recorder>,
    lags: Mutex<Vec<Lag>>,
    /// Where a group begins late.
    tail: Option<Tail>,
    broken: Mutex<Option<anyhow::Error>>,
}

/// How a run went.
pub(crate) struct Outcome {
    pub(crate) checks: Checks,
    pub(crate) first_error: Option<String>,
    pub(crate) acknowledge: Recorder,
    pub(crate) receive: Recorder,
    pub(crate) lags: Vec<Lag>,
    /// Stages that belong to the result.
    pub(crate) stages: usize,
    /// Whether the stage behind them was too much.
    pub(crate) is_saturated: bool,
    pub(crate) samples: Vec<Sample>,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) caught_up: Option<Moment>,
}

impl<'a> Shared<'a> {
    fn new(plan: &'a Plan, schedule: &'a Schedule) -> Shared<'a> {
        let lag = || Lag { behind: Histogram::new(3).expect("digits that are known"), on_time: 0, acknowledged: 0 };
        Shared {
            plan,
            schedule,
            clock: Clock::begins_in(LEAD),
            ends: AtomicU64::new(schedule.ends().0),
            stop_receiving: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            received: AtomicU64::new(0),
            acknowledge: Mutex::new(Recorder::new(schedule)),
            receive: Mutex::new(Recorder::new(schedule)),
            lags: Mutex::new(schedule.stages().iter().map(|_| lag()).collect()),
            tail: Tail::of(plan),
            broken: Mutex::new(None),
        }
    }

    pub(crate) fn ends(&self) -> Moment {
        Moment(self.ends.load(Relaxed))
    }

    /// When nothing more is waited for.
    pub(crate) fn gives_up(&self) -> Moment {
        self.ends().plus(Duration::from_secs(u64::from(self.plan.workload.drain_seconds)))
    }

    /// Records sent, acknowledged and received so far.
    pub(crate) fn counts(&self) -> [u64; 3] {
        [&self.sent, &self.answered, &self.received].map(|count| count.load(Relaxed))
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.lock().expect("nobody panics with it").is_some()
    }

    fn breaks(&self, error: anyhow::Error) {
        self.broken.lock().expect("nobody panics with it").get_or_insert(error);
    }

    /// Records that were just handed over: when they should have been, and when they were.
    pub(crate) fn note_sent(&self, records: &[(Moment, Moment)]) {
        if records.is_empty() {
            return;
        }
        self.sent.fetch_add(records.len() as u64, Relaxed);
        let mut lags = self.lags.lock().expect("nobody panics with it");
        for (intended, at) in records {
            if let Some(stage) = self.schedule.stage_of(*intended) {
                let behind = at.microseconds_since(*intended);
                lags[stage].behind.record(behind).expect("it grows");
                lags[stage].on_time += u64::from(*at < self.schedule.stages()[stage].ends);
            }
        }
    }

    pub(crate) fn note_answers(&self, answers: &[Answer]) {
        if answers.is_empty() {
            return;
        }
        let mut recorder = self.acknowledge.lock().expect("nobody panics with it");
        let mut lags = self.lags.lock().expect("nobody panics with it");
        let mut count = 0;
        for Answer { head, at, .. } in answers.iter().filter(|answer| answer.failure.is_none()) {
            recorder.record(head.intended, *at);
            count += 1;
            if let Some(tail) = &self.tail {
                tail.acknowledged(head.place);
            }
            if let Some(stage) = self.schedule.stage_of(head.intended) {
                let judged = self.schedule.stages()[stage].ends.plus(JUDGED_AFTER);
                lags[stage].acknowledged += u64::from(*at < judged);
            }
        }
        drop((recorder, lags));
        self.answered.fetch_add(count, Relaxed);
        self.failed.fetch_add(answers.len() as u64 - count, Relaxed);
    }

    /// Whether the generator sent a stage as it should have, and the server kept up. The generator is late also when a driver
    /// has no room for more.
    fn is_kept_up_with(&self, stage: usize) -> bool {
        let lag = &self.lags.lock().expect("nobody panics with it")[stage];
        let count = self.schedule.stages()[stage].count;
        is_held(lag, count, self.plan.workload.lag_ms_max) && is_acknowledged(lag, count)
    }
}

/// Whether a stage of `count` records was sent on time.
pub(crate) fn is_held(lag: &Lag, count: u64, lag_ms_max: u64) -> bool {
    lag.behind.value_at_quantile(0.999) <= lag_ms_max * 1000 && lag.on_time as f64 >= count as f64 * ON_TIME_SHARE_MIN
}

/// Whether the server kept up with a stage of `count` records.
pub(crate) fn is_acknowledged(lag: &Lag, count: u64) -> bool {
    lag.acknowledged as f64 >= count as f64 * ON_TIME_SHARE_MIN
}

/// Carries `plan` out with `driver`; its topics are there.
pub(crate) fn carry_out(plan: &Plan, driver: &dyn Driver, gauge: &Gauge) -> anyhow::Result<Outcome> {
    let schedule = Schedule::of(&plan.workload);
    let shared = Shared::new(plan, &schedule);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = ((cores / CORES_PER_SENDER_THREAD) as u32).clamp(*SENDER_THREADS.start(), *SENDER_THREADS.end());
    let threads = threads.min(plan.workload.connections);
    let groups = plan.workload.groups_in_all();
    let (watched, sent, received) = std::thread::scope(|scope| {
        let shared = &shared;
        let senders: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || send(shared, driver, threads, thread).map_err(|error| shared.breaks(error)).ok())
            })
            .collect();
        let consumers = (0..groups).flat_map(|group| (0..plan.workload.consumers).map(move |one| (group, one)));
        let receivers: Vec<_> = consumers
            .map(|(group, one)| {
                let work = move || receive(shared, driver, group, one).map_err(|error| shared.breaks(error)).ok();
                (group, one, scope.spawn(work))
            })
            .collect();
        let watched = watch(shared, gauge, || senders.iter().all(|sender| sender.is_finished()));
        shared.stop_receiving.store(1, Relaxed);
        let sent: Vec<Option<Sent>> = senders.into_iter().map(|it| it.join().ok().flatten()).collect();
        let received: Vec<_> =
            receivers.into_iter().map(|(group, one, it)| (group, one, it.join().ok().flatten())).collect();
        (watched, sent, received)
    });
    if let Some(error) = shared.broken.into_inner().expect("nobody panics with it") {
        return Err(error);
    }
    let (mut checks, mut acknowledged, mut first_error) = (Checks::default(), Acknowledged::new(), None);
    for sent in sent {
        let sent = sent.ok_or_else(|| anyhow!("a sender panicked"))?;
        checks.add(&sent.checks);
        acknowledged.extend(sent.acknowledged);
        first_error = first_error.or(sent.first_error);
    }
    for (_, one, received) in received {
        let received = received.ok_or_else(|| anyhow!("a consumer panicked"))?;
        checks.add(&received.checks);
        checks.lost += received.lost(&acknowledged, |place| place % plan.workload.consumers == one);
    }
    Ok(Outcome {
        checks,
        first_error,
        acknowledge: shared.acknowledge.into_inner().expect("nobody panics with it"),
        receive: shared.receive.into_inner().expect("nobody panics with it"),
        lags: shared.lags.into_inner().expect("nobody panics with it"),
        stages: watched.stages,
        is_saturated: watched.is_saturated,
        samples: watched.samples,
        sent: shared.sent.into_inner(),
        received: shared.received.into_inner(),
        caught_up: shared.tail.as_ref().and_then(Tail::caught_up),
    })
}

struct Watched {
    samples: Vec<Sample>,
    stages: usize,
    is_saturated: bool,
}

/// Looks at the run until everything has come, or its time is over.
fn watch(shared: &Shared<'_>, gauge: &Gauge, have_senders_ended: impl Fn() -> bool) -> Watched {
    let progress = Progress::new(shared);
    let stages = shared.schedule.stages();
    let mut watched =
        Watched { samples: vec![gauge.sample(shared.clock.now(), shared.counts())], stages: 0, is_saturated: false };
    let groups = u64::from(shared.plan.workload.groups_in_all());
    let mut next_sample = Moment::of_seconds(1);
    let mut has_all_since = None;
    loop {
        let now = shared.clock.now();
        if now >= next_sample {
            watched.samples.push(gauge.sample(now, shared.counts()));
            next_sample = next_sample.plus(Duration::from_secs(1));
        }
        progress.show(shared, &watched.samples);
        // A stage is judged a little after its end, and the last one when all is over.
        while !watched.is_saturated
            && stages.get(watched.stages).is_some_and(|stage| now >= stage.ends.plus(JUDGED_AFTER))
        {
            if shared.plan.workload.until_saturated && watched.stages > 0 && !shared.is_kept_up_with(watched.stages) {
                watched.is_saturated = true;
                shared.ends.store(now.0.min(shared.schedule.ends().0), Relaxed);
            } else {
                watched.stages += 1;
            }
        }
        if interrupt::is_interrupted() {
            shared.breaks(anyhow!("it was interrupted"));
        }
        // Nothing is lost track of when the last answers come between the two looks: the first one is at the senders.
        let has_all = have_senders_ended() && shared.received.load(Relaxed) >= shared.answered.load(Relaxed) * groups;
        if has_all {
            has_all_since.get_or_insert(now);
        }
        let has_read_on = |since: Moment| groups == 0 || now >= since.plus(READ_ON);
        if has_all_since.is_some_and(has_read_on) || now > shared.gives_up() || shared.is_broken() {
            break;
        }
        let look = now.plus(LOOK_EVERY).min(next_sample);
        shared.clock.sleep_until(look.max(now.plus(Duration::from_millis(1))));
    }
    while !watched.is_saturated && watched.stages < stages.len() {
        if shared.plan.workload.until_saturated && watched.stages > 0 && !shared.is_kept_up_with(watched.stages) {
            watched.is_saturated = true;
        } else {
            watched.stages += 1;
        }
    }
    watched.samples.push(gauge.sample(shared.clock.now(), shared.counts()));
    progress.end();
    watched
}

/// A thread that receives what one consumer of a group gets.
fn receive(shared: &Shared<'_>, driver: &dyn Driver, group: u32, one: u32) -> anyhow::Result<Received> {
    let plan = shared.plan;
    let late = plan.workload.catch_up_after_seconds.filter(|_| group == plan.workload.groups);
    let begins = Moment::of_seconds(u64::from(late.unwrap_or(0)));
    while shared.clock.now() < begins && shared.stop_receiving.load(Relaxed) == 0 && !shared.is_broken() {
        shared.clock.sleep_until(begins.min(shared.clock.now().plus(LOOK_EVERY)));
    }
    let mut receiver = driver.receiver(plan, shared.clock, &plan.places_of(one))?;
    let mut received = Received::of_run(plan.run);
    let mut behind = shared.tail.as_ref().filter(|_| late.is_some()).map(|tail| Behind::of(tail, &plan.places_of(one)));
    let mut came: Vec<(Moment, Moment)> = Vec::new();
    while shared.stop_receiving.load(Relaxed) == 0 && !shared.is_broken() {
        receiver.turn(RECEIVE_WAIT, &mut |arrived: &Arrived<'_>| {
            let head = read(arrived.value).ok();
            let counts = received.note(arrived.place, arrived.offset, head.as_ref());
            if let Some(head) = head.filter(|_| counts) {
                came.push((head.intended, arrived.at));
                if let Some(behind) = &mut behind {
                    behind.note(arrived.place, head.intended, arrived.at);
                }
            }
        })?;
        shared.received.fetch_add(came.len() as u64, Relaxed);
        if late.is_none() && !came.is_empty() {
            let mut recorder = shared.receive.lock().expect("nobody panics with it");
            came.iter().for_each(|(intended, at)| recorder.record(*intended, *at));
        }
        // Catching up is no latency of anybody; only when it is over counts.
        if let Some(behind) = &mut behind {
            behind.look(shared.clock.now());
        }
        came.clear();
    }
    Ok(received)
}
