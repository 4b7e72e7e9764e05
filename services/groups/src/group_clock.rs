//! Time as groups see it: what a member's silence is measured in.
//!
//! It follows the machine's monotonic clock, so that a wall clock that is set expels nobody. And it goes on from tick to tick,
//! each of them made by the coordinator's own task, by a bounded step: while this process is stopped or gets no processor, it
//! hears nobody, so that time is not held against anybody.
//!
//! ```text
//!   machine   0──1──2──3──4──5─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─63──64──65
//!   tick      ✓  ✓  ✓  ✓       stopped, or starved              late ✓
//!   groups    0──1──2──3──4──5                                 5───6───7
//!                                            nobody is judged ──┤   ├── by now what came meanwhile has been read
//! ```
//!
//! So a member has after a stall what was left of its session before it, and at least a tick in which it can be heard. Ticks
//! are made in memory and concern nobody else: heartbeats, too, never reach the catalog.

use std::time::Duration;

use parking_lot::Mutex;
use tidelog_catalog_api::TICK_MS;
use tidelog_host::Clock;
use tokio::time::Instant;

/// A tick is made this often, at least.
pub(super) const TICK: Duration = Duration::from_millis(TICK_MS);
/// A tick that comes later than this after the one before is late, and time goes on by so much.
const TICK_STEP_MAX: Duration = Duration::from_millis(2 * TICK_MS);
/// After so many late ticks in a row groups are judged all the same: a process that is always late would keep dead members
/// for ever.
const LATE_TICKS_MAX: u32 = 5;

/// See the file.
pub(super) struct GroupClock {
    clock: Clock,
    ticks: Mutex<Ticks>,
}

struct Ticks {
    last: Instant,
    /// What was not counted.
    lost: Duration,
    late: u32,
    /// Nobody is judged before.
    judged_from: Instant,
}

impl GroupClock {
    pub fn new(clock: Clock) -> GroupClock {
        let now = clock.now();
        GroupClock { clock, ticks: Mutex::new(Ticks { last: now, lost: Duration::ZERO, late: 0, judged_from: now }) }
    }

    /// Never goes back; may stand still, and is late then.
    pub fn now(&self) -> Instant {
        let ticks = self.ticks.lock();
        self.clock.now().min(ticks.last + TICK_STEP_MAX) - ticks.lost
    }

    /// Makes a tick. Whether groups may be judged by the time now: not soon after a late one.
    pub fn tick(&self) -> bool {
        let now = self.clock.now();
        let mut ticks = self.ticks.lock();
        let over = now.saturating_duration_since(ticks.last + TICK_STEP_MAX);
        ticks.last = now;
        ticks.lost += over;
        if !over.is_zero() && ticks.late < LATE_TICKS_MAX {
            ticks.late += 1;
            ticks.judged_from = now + TICK;
        }
        let may_judge = now >= ticks.judged_from;
        if may_judge {
            ticks.late = 0;
        }
        may_judge
    }
}

#[cfg(test)]
#[path = "group_clock_test.rs"]
mod tests;
