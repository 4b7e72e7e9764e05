//! Processor time of the threads of this process: a thread that is always at work is a queue, and what waits in it is not the
//! server's doing.

use std::collections::HashMap;

use crate::schedule::Moment;
use crate::store::THREAD_NAMES;

/// Ticks are too coarse for less.
const SECONDS_MIN: f64 = 0.5;

/// One look at all of them.
#[derive(Debug, Default)]
pub(super) struct Threads {
    at: Moment,
    ticks: HashMap<u32, f64>,
    busiest: f64,
}

/// What threads have used: each of the generator, and together those of a proxy before the store.
struct Used {
    generator: HashMap<u32, f64>,
    proxy: f64,
}

impl Threads {
    /// The cores that the busiest thread of the generator has used since the last look (or the last that was long enough ago), and
    /// ticks of the proxy since it began.
    pub(super) fn look(&mut self, at: Moment, ticks_per_second: f64) -> (f64, f64) {
        let used = used();
        let seconds = at.seconds() - self.at.seconds();
        if seconds >= SECONDS_MIN || self.ticks.is_empty() {
            self.busiest = if self.ticks.is_empty() { 0.0 } else { busiest(&self.ticks, &used.generator) };
            self.busiest /= ticks_per_second * seconds.max(SECONDS_MIN);
            (self.at, self.ticks) = (at, used.generator);
        }
        (self.busiest, used.proxy)
    }
}

/// The most that one thread has used more than before; a new one began with nothing.
fn busiest(before: &HashMap<u32, f64>, now: &HashMap<u32, f64>) -> f64 {
    now.iter().map(|(id, ticks)| ticks - before.get(id).unwrap_or(&0.0)).fold(0.0, f64::max)
}

fn used() -> Used {
    let mut used = Used { generator: HashMap::new(), proxy: 0.0 };
    for entry in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        // A thread may end between the two.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((id, name, ticks)) = parse(&stat) else { continue };
        if THREAD_NAMES.contains(&name) {
            used.proxy += ticks;
        } else {
            used.generator.insert(id, ticks);
        }
    }
    used
}

/// Id, name, and user and system time of the thread itself.
fn parse(stat: &str) -> Option<(u32, &str, f64)> {
    let (id, rest) = stat.split_once(" (")?;
    let (name, fields) = rest.rsplit_once(") ")?;
    let number = |field: usize| fields.split(' ').nth(field)?.parse::<f64>().ok();
    Some((id.parse().ok()?, name, number(11)? + number(12)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_is_who_used_most_since() {
        let before = HashMap::from([(1, 500.0), (2, 10.0)]);
        let now = HashMap::from([(1, 510.0), (2, 60.0), (3, 70.0)]);
        assert_eq!(busiest(&before, &now), 70.0);
        assert_eq!(busiest(&now, &now), 0.0);
    }

    #[test]
    fn a_thread_is_read_whatever_its_name() {
        let line = "12 (a) (b c) S 7 12 12 0 -1 4194560 1 0 0 0 100 20 3 4 20 0 1 0 5 1000 256";
        assert_eq!(parse(line), Some((12, "a) (b c", 120.0)));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_at_work_is_seen() {
        let mut threads = Threads::default();
        threads.look(Moment(0), 100.0);
        let began = std::time::Instant::now();
        let mut worked = 0_u64;
        while began.elapsed().as_millis() < 300 {
            worked = std::hint::black_box(worked.wrapping_mul(31) + 1);
        }
        let (busiest, _) = threads.look(Moment(1_000_000_000), 100.0);
        assert!(busiest > 0.0, "{busiest}");
    }
}
