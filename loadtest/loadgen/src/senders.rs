//! A thread that sends: everything that is due, at its time, whatever became of what was sent before.

use std::collections::HashMap;
use std::time::Duration;

use crate::check::{Acknowledged, Checks};
use crate::driver::{Answer, Driver, Offered, Senders};
use crate::engine::Shared;
use crate::plan::Plan;
use crate::record::{Head, Maker};
use crate::schedule::{Due, Moment, Pace};
use crate::workload::Spread;

/// What is due within that is sent together: finer steps would cost more than they tell.
const TICK: Duration = Duration::from_micros(100);
/// The longest that a thread works without looking whether the run goes on.
const TURN_MAX: Duration = Duration::from_millis(20);
/// Records offered before answers are looked at again.
const OFFERS_MAX: usize = 2000;

/// What a thread knows of what it sent.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) acknowledged: Acknowledged,
    pub(crate) checks: Checks,
    /// The first reason that a record was refused for.
    pub(crate) first_error: Option<String>,
}

/// Which place the next record of each connection goes to.
struct Places<'a> {
    plan: &'a Plan,
    connections: HashMap<u32, Position>,
}

#[derive(Clone, Copy)]
struct Position {
    place: u32,
    since: Moment,
    bytes: usize,
}

impl<'a> Places<'a> {
    fn new(plan: &'a Plan) -> Places<'a> {
        Places { plan, connections: HashMap::new() }
    }

    /// The place of a connection's record that is to be sent at `intended`.
    fn next(&mut self, connection: u32, intended: Moment) -> u32 {
        let workload = &self.plan.workload;
        let (places, step) = (workload.places(), workload.connections);
        let fresh = Position { place: connection % places, since: intended, bytes: 0 };
        let Some(position) = self.connections.get_mut(&connection) else {
            self.connections.insert(connection, Position { bytes: workload.record_bytes, ..fresh });
            return fresh.place;
        };
        match workload.spread {
            Spread::RoundRobin => position.place = (position.place + 1) % places,
            Spread::Own if step >= places => {}
            Spread::Own => {
                position.place += step;
                if position.place >= places {
                    position.place = connection;
                }
            }
            Spread::Sticky => {
                let linger = Duration::from_millis(u64::from(workload.linger_ms));
                let is_over = intended >= position.since.plus(linger);
                if is_over || position.bytes + workload.record_bytes > workload.batch_bytes {
                    let place = (position.place + 1) % places;
                    *position = Position { place, since: intended, bytes: 0 };
                }
                position.bytes += workload.record_bytes;
            }
        }
        position.place
    }
}

/// Sends this thread's part of the schedule and waits for the answers. Ends when all is answered, or the run's time is over.
pub(crate) fn send(shared: &Shared<'_>, driver: &dyn Driver, threads: u32, thread: u32) -> anyhow::Result<Sent> {
    let plan = shared.plan;
    let own = (thread..plan.workload.connections).step_by(threads as usize).collect::<Vec<_>>();
    let mut senders = driver.senders(plan, shared.clock, &own)?;
    let mut sending = Sending {
        shared,
        places: Places::new(plan),
        maker: Maker::new(
            plan.workload.record_bytes,
            plan.workload.incompressible,
            plan.is_text(),
            u64::from(thread) + 1,
        ),
        sequences: HashMap::new(),
        held: None,
        on_its_way: 0,
        sent: Sent::default(),
    };
    let mut pace = Pace::new(shared.schedule, plan.workload.connections, threads, thread);
    let mut answers = Vec::new();
    // Nothing is due before, but the clock shows the beginning until then.
    shared.clock.sleep_until(Moment(0));
    loop {
        let ends = shared.ends();
        let more = sending.offer_due(&mut pace, &mut *senders, ends)?;
        let now = shared.clock.now();
        let until = match more {
            Some(due) => due.max(now.plus(TICK)).min(now.plus(TURN_MAX)),
            None => now.plus(Duration::from_millis(1)),
        };
        senders.turn(until, &mut answers)?;
        sending.take(&mut answers);
        let is_done = more.is_none() && sending.on_its_way == 0;
        if is_done || shared.clock.now() > shared.gives_up() || shared.is_broken() {
            break;
        }
    }
    sending.sent.checks.unanswered += sending.on_its_way;
    Ok(sending.sent)
}

struct Sending<'a> {
    shared: &'a Shared<'a>,
    places: Places<'a>,
    maker: Maker,
    sequences: HashMap<(u32, u32), u64>,
    /// There was no room for it: it keeps its place in the sequence.
    held: Option<(Due, Head)>,
    on_its_way: u64,
    sent: Sent,
}

impl Sending<'_> {
    /// Hands over everything that is due. Tells when the next record is; nothing when there are no more.
    fn offer_due(
        &mut self,
        pace: &mut Pace<'_>,
        senders: &mut dyn Senders,
        ends: Moment,
    ) -> anyhow::Result<Option<Moment>> {
        let mut lags = Vec::new();
        let mut next = None;
        for _ in 0..OFFERS_MAX {
            let Some(due) = pace.peek().filter(|due| due.intended < ends) else {
                next = None;
                break;
            };
            next = Some(due.intended);
            let now = self.shared.clock.now();
            if due.intended > now {
                break;
            }
            let head = match self.held.take().filter(|(held, _)| *held == due) {
                Some((_, head)) => head,
                None => self.head(due),
            };
            let value = self.maker.make(&head);
            if senders.offer(&head, value)? == Offered::Full {
                self.held = Some((due, head));
                break;
            }
            lags.push((due.intended, now));
            self.on_its_way += 1;
            pace.pass();
        }
        self.shared.note_sent(&lags);
        Ok(next)
    }

    fn head(&mut self, due: Due) -> Head {
        let place = self.places.next(due.connection, due.intended);
        let sequence = self.sequences.entry((due.connection, place)).or_insert(0);
        let head = Head {
            run: self.shared.plan.run,
            producer: due.connection,
            place,
            sequence: *sequence,
            intended: due.intended,
        };
        *sequence += 1;
        head
    }

    fn take(&mut self, answers: &mut Vec<Answer>) {
        self.on_its_way -= answers.len() as u64;
        self.shared.note_answers(answers);
        for Answer { head, failure, .. } in answers.drain(..) {
            match failure {
                None => {
                    self.sent.acknowledged.entry((head.producer, head.place)).or_default().note(head.sequence);
                }
                Some(failure) => {
                    self.sent.checks.errors += 1;
                    self.sent.first_error.get_or_insert(failure);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Workload;

    /// Where a connection's records go that are due a millisecond apart.
    fn check(set: &[&str], connection: u32, expected: &[u32]) {
        let always = ["partitions=5", "connections=2", "consumers=1", "record_bytes=500", "batch_bytes=1024"];
        let set: Vec<String> = always.iter().chain(set).map(|one| (*one).to_owned()).collect();
        let plan = Plan::new(Workload::load("w4", &set).unwrap(), 1);
        let mut places = Places::new(&plan);
        let found: Vec<u32> =
            (0..expected.len() as u64).map(|at| places.next(connection, Moment(at * 1_000_000))).collect();
        assert_eq!(found, expected, "{set:?}");
    }

    #[test]
    fn a_connection_stays_with_a_place_for_a_batch() {
        check(&["spread=sticky", "linger_ms=1000"], 1, &[1, 1, 2, 2, 3, 3, 4, 4, 0, 0]);
        check(&["spread=sticky", "linger_ms=1000", "batch_bytes=100000"], 0, &[0; 10]);
        check(&["spread=sticky", "linger_ms=3", "batch_bytes=100000"], 0, &[0, 0, 0, 1, 1, 1, 2, 2, 2, 3]);
    }

    #[test]
    fn or_goes_to_the_next_with_each_record_or_to_its_own() {
        check(&["spread=round-robin"], 1, &[1, 2, 3, 4, 0, 1]);
        check(&["spread=own"], 0, &[0, 2, 4, 0, 2, 4]);
        check(&["spread=own"], 1, &[1, 3, 1, 3]);
        check(&["spread=own", "connections=7"], 6, &[1, 1, 1]);
    }
}
