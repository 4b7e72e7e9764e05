//! Servers that err, and one that stalls: the run says so.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use crate::check::Checks;
use crate::driver::{Answer, Arrived, Driver, Offered, Receiver, Senders};
use crate::engine::{Outcome, carry_out};
use crate::machine::Machine;
use crate::measure::Gauge;
use crate::plan::Plan;
use crate::record::Head;
use crate::report::{Circumstances, Report};
use crate::schedule::{Clock, Moment};
use crate::workload::Workload;

/// What a server does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Drops,
    Doubles,
    Reorders,
    Damages,
    Refuses,
    /// Answers nothing in the third half-second.
    Stalls,
    /// Has no room in it.
    TakesNothing,
    /// Takes everything, and answers 175 records/s of each thread.
    IsSlow,
    /// Has a record of the first place come again when all has come.
    DoublesLate,
    /// Gives consumers that begin late nothing of the second place until a while after that.
    KeepsBack,
}

/// A server in memory.
struct Fake {
    fault: Fault,
    logs: Mutex<Vec<Vec<Vec<u8>>>>,
}

/// When a late group begins, and when it gets all.
const LATE: (Moment, Moment) = (Moment(1_000_000_000), Moment(3_000_000_000));
const STALL: (Moment, Moment) = (Moment(1_000_000_000), Moment(1_500_000_000));

impl Driver for Fake {
    fn name(&self) -> String {
        "fake".to_owned()
    }

    fn create_topics(&self, _: &Plan) -> anyhow::Result<()> {
        Ok(())
    }

    fn delete_topics(&self, _: &Plan) -> anyhow::Result<()> {
        Ok(())
    }

    fn senders<'a>(&'a self, _: &'a Plan, clock: Clock, _: &[u32]) -> anyhow::Result<Box<dyn Senders + 'a>> {
        Ok(Box::new(FakeSenders { fake: self, clock, waiting: VecDeque::new(), offered: 0 }))
    }

    fn receiver<'a>(&'a self, _: &'a Plan, clock: Clock, places: &[u32]) -> anyhow::Result<Box<dyn Receiver + 'a>> {
        let next = places.iter().map(|place| (*place, 0)).collect();
        Ok(Box::new(FakeReceiver { fake: self, clock, next, since: clock.now(), has_doubled: false }))
    }
}

struct FakeSenders<'a> {
    fake: &'a Fake,
    clock: Clock,
    waiting: VecDeque<Head>,
    offered: u64,
}

impl Senders for FakeSenders<'_> {
    fn offer(&mut self, head: &Head, value: &[u8]) -> anyhow::Result<Offered> {
        let now = self.clock.now();
        if self.fake.fault == Fault::TakesNothing && now >= STALL.0 && now < STALL.1 {
            return Ok(Offered::Full);
        }
        self.offered += 1;
        self.waiting.push_back(*head);
        let mut logs = self.fake.logs.lock().unwrap();
        let log = &mut logs[head.place as usize];
        let is_chosen = head.producer == 0 && self.offered == 50;
        match self.fake.fault {
            Fault::Drops | Fault::Refuses if is_chosen => {}
            Fault::Doubles if is_chosen => log.extend([value.to_vec(), value.to_vec()]),
            Fault::Reorders if is_chosen => {
                let before = log.pop().unwrap();
                log.extend([value.to_vec(), before]);
            }
            Fault::Damages if is_chosen => {
                let mut value = value.to_vec();
                *value.last_mut().unwrap() ^= 1;
                log.push(value);
            }
            _ => log.push(value.to_vec()),
        }
        Ok(Offered::Taken)
    }

    fn turn(&mut self, until: Moment, answers: &mut Vec<Answer>) -> anyhow::Result<()> {
        self.clock.sleep_until(until);
        let at = self.clock.now();
        if self.fake.fault == Fault::Stalls && at >= STALL.0 && at < STALL.1 {
            return Ok(());
        }
        let has_answered = self.offered - self.waiting.len() as u64;
        let may_answer = match self.fake.fault {
            Fault::IsSlow => (at.0 * 175 / 1_000_000_000).saturating_sub(has_answered) as usize,
            _ => usize::MAX,
        };
        for head in self.waiting.drain(..may_answer.min(self.waiting.len())) {
            let is_refused = self.fake.fault == Fault::Refuses && head.producer == 0 && head.sequence == 49;
            answers.push(Answer { head, at, failure: is_refused.then(|| "no".to_owned()) });
        }
        Ok(())
    }
}

struct FakeReceiver<'a> {
    fake: &'a Fake,
    clock: Clock,
    next: Vec<(u32, usize)>,
    since: Moment,
    has_doubled: bool,
}

impl Receiver for FakeReceiver<'_> {
    fn turn(&mut self, _: Duration, visit: &mut dyn FnMut(&Arrived<'_>)) -> anyhow::Result<()> {
        self.clock.sleep_until(self.clock.now().plus(Duration::from_millis(2)));
        let now = self.clock.now();
        let mut logs = self.fake.logs.lock().unwrap();
        for (place, next) in &mut self.next {
            let log = &mut logs[*place as usize];
            if self.fake.fault == Fault::DoublesLate && *place == 0 && now > Moment(2_400_000_000) && !self.has_doubled
            {
                self.has_doubled = true;
                log.push(log[0].clone());
            }
            if self.fake.fault == Fault::KeepsBack && *place == 1 && self.since >= LATE.0 && now < LATE.1 {
                continue;
            }
            // The newest one stays behind for a moment, as it may yet be changed by what comes.
            let is_quiet = self.clock.now() > Moment::of_seconds(2);
            let end = if is_quiet { log.len() } else { log.len().saturating_sub(1) };
            for value in log.get(*next..end).unwrap_or_default() {
                visit(&Arrived { place: *place, offset: *next as i64, value, at: self.clock.now() });
                *next += 1;
            }
        }
        Ok(())
    }
}

/// Two seconds of 400 records/s of two producers to one place each.
fn outcome(fault: Fault) -> (Plan, Outcome) {
    let set = [
        "partitions=2",
        "connections=2",
        "consumers=2",
        "spread=own",
        "warm_up_seconds=0",
        "rate_per_second=400",
        "duration_seconds=2",
        "drain_seconds=1",
        // Half of the stall, and more than a busy machine adds.
        "lag_ms_max=250",
    ];
    let workload = Workload::load("w4", &set.map(str::to_owned)).unwrap();
    carried_out(fault, workload)
}

fn carried_out(fault: Fault, workload: Workload) -> (Plan, Outcome) {
    let plan = Plan::new(workload, 5);
    let fake = Fake { fault, logs: Mutex::new(vec![Vec::new(); 2]) };
    let outcome = carry_out(&plan, &fake, &Gauge::new(None, None)).unwrap();
    (plan, outcome)
}

fn report((plan, outcome): (Plan, Outcome)) -> Report {
    let around = Circumstances {
        server: String::new(),
        client: String::new(),
        load_average_before: None,
        load_average_after: None,
        load_average_max: 1.0,
        reservations: Vec::new(),
        remarks: Vec::new(),
        told: None,
        machine: Machine::this(),
        date: String::new(),
    };
    Report::of(plan.workload, outcome, around)
}

fn check(fault: Fault, complaint: &str) {
    let report = report(outcome(fault));
    assert!(!report.is_quotable, "{fault:?}");
    let found = report.complaints.iter().any(|line| line.contains(complaint));
    assert!(found, "{fault:?}: {complaint:?} is not in {:?}", report.complaints);
}

#[test]
fn a_server_that_does_as_it_should_passes() {
    let report = report(outcome(Fault::None));
    assert_eq!(report.complaints, [""; 0]);
    assert!(report.is_quotable);
    assert_eq!((report.sent, report.received, report.acknowledge.count, report.receive.count), (800, 800, 800, 800));
}

#[test]
fn a_dropped_record_fails_the_run() {
    check(Fault::Drops, "1 records acknowledged and lost");
}

#[test]
fn a_doubled_record_fails_the_run() {
    check(Fault::Doubles, "1 records received more than once");
}

/// All has come when it does.
#[test]
fn a_record_that_comes_again_late_fails_the_run() {
    check(Fault::DoublesLate, "1 records received more than once");
}

fn caught_up(fault: Fault, set: &[&str]) -> Option<f64> {
    // Whether the schedule is held on a busy machine is not what is asked here.
    let always = ["partitions=2", "connections=2", "consumers=1", "spread=own", "warm_up_seconds=0", "lag_ms_max=5000"];
    let always = always.into_iter().chain(["rate_per_second=400", "duration_seconds=2", "catch_up_after_seconds=1"]);
    let set: Vec<String> = always.chain(set.iter().copied()).map(str::to_owned).collect();
    let report = report(carried_out(fault, Workload::load("w4", &set).unwrap()));
    assert_eq!((report.checks, report.received), (Checks::default(), 1600));
    report.catch_up.unwrap().caught_up_seconds
}

/// The first place is at the tail at once.
#[test]
fn a_late_group_has_caught_up_when_it_has_everywhere() {
    let prompt = caught_up(Fault::None, &[]).unwrap();
    assert!((1.0..LATE.1.seconds()).contains(&prompt), "{prompt}");
    let late = caught_up(Fault::KeepsBack, &[]).unwrap();
    assert!(late >= LATE.1.seconds(), "{late}");
}

/// Nothing ever comes from the second place, so nothing young does.
#[test]
fn a_late_group_has_caught_up_where_nothing_is_written() {
    let found =
        caught_up(Fault::None, &["connections=1", "spread=sticky", "linger_ms=60000", "batch_bytes=8388608"]).unwrap();
    assert!((1.0..LATE.1.seconds()).contains(&found), "{found}");
}

#[test]
fn a_reordered_record_fails_the_run() {
    check(Fault::Reorders, "1 records received out of order");
}

#[test]
fn a_damaged_record_fails_the_run() {
    check(Fault::Damages, "1 records received damaged");
}

#[test]
fn a_refused_record_fails_the_run_and_says_why() {
    check(Fault::Refuses, "1 records were refused");
    check(Fault::Refuses, "the first refusal: no");
}

/// Records that were to be sent during the stall are late by what was left of it, all of them: nobody waited with sending.
#[test]
fn a_stall_shows_in_every_record_that_was_to_be_sent_in_it() {
    let report = report(outcome(Fault::Stalls));
    assert!(report.stages[0].is_held, "the generator itself was on time: {:?}", report.stages[0]);
    let slow = |quantile: f64| {
        let point = report.acknowledge.curve.iter().find(|(at, _)| *at >= quantile).unwrap();
        point.1
    };
    // A quarter of the run: the slowest waited for half a second, the others evenly less.
    assert!(report.acknowledge.max_ms >= 480.0, "{:?}", report.acknowledge);
    assert!(slow(0.9) >= 150.0, "{:?}", report.acknowledge);
    assert!(slow(0.5) < 100.0, "{:?}", report.acknowledge);
}

/// The same when it is the generator that cannot go on: the records are late all the same, and the run fails.
#[test]
fn a_schedule_that_is_not_held_fails_the_run() {
    let report = report(outcome(Fault::TakesNothing));
    assert!(report.acknowledge.max_ms >= 480.0, "{:?}", report.acknowledge);
    let found = report.complaints.iter().any(|line| line.starts_with("the schedule was not held"));
    assert!(found, "{:?}", report.complaints);
}

#[test]
fn a_sweep_ends_well_at_the_first_stage_that_is_too_much() {
    let workload = sweep(&[(300, 1), (400, 1), (500, 9)]);
    let report = report(carried_out(Fault::TakesNothing, workload));
    assert_eq!(report.complaints, [""; 0]);
    assert_eq!((report.saturated_above_per_second, report.stages.len(), report.acknowledge.count), (Some(300), 1, 300));
    assert!(report.sent < 3000, "nothing of the last stage is sent any more: {}", report.sent);
}

/// What a driver has taken, the server need not have.
#[test]
fn a_sweep_ends_where_the_server_does_not_keep_up() {
    let report = report(carried_out(Fault::IsSlow, sweep(&[(300, 1), (1_000, 2), (2_000, 9)])));
    assert_eq!(report.complaints, [""; 0]);
    assert_eq!((report.saturated_above_per_second, report.stages.len()), (Some(300), 1));
}

#[test]
fn a_sweep_whose_first_stage_is_too_much_fails() {
    let report = report(carried_out(Fault::IsSlow, sweep(&[(1_000, 2), (2_000, 9)])));
    let found = report.complaints.iter().any(|line| line.starts_with("the server did not keep up"));
    assert!(found, "{:?}", report.complaints);
}

fn sweep(stages: &[(u64, u32)]) -> Workload {
    let stages = stages.iter().map(|(rate, seconds)| format!("{{ rate_per_second = {rate}, seconds = {seconds} }}"));
    let stages = stages.collect::<Vec<_>>().join(", ");
    let text = format!(
        "name = \"sweep\"\npartitions = 2\nconnections = 2\nconsumers = 1\nrecord_bytes = 64\nuntil_saturated = true\n\
         lag_ms_max = 250\nstages = [{stages}]\n"
    );
    let file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    std::fs::write(file.path(), text).unwrap();
    Workload::load(file.path().to_str().unwrap(), &[]).unwrap()
}
