//! Client instances, and the pace that they keep: who comes before its time is told so.
//!
//! One that is forgotten, because others displaced it or it was away for long, begins anew when it comes back. That costs
//! a request, so nothing depends on remembering.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::settings::INTERVAL_MS_DEFAULT;

/// Instances that are remembered; Kafka's number. The one that was away for longest goes first.
pub(super) const INSTANCES_MAX: usize = 16_384;
/// An instance is forgotten after this, or after three times its interval.
const AWAY_MIN: Duration = Duration::from_secs(60);
const AWAY_INTERVALS: u32 = 3;

/// What is known of one.
#[derive(Clone, Copy, Debug)]
struct Instance {
    /// Of the subscriptions when it was last here.
    generation: u64,
    /// What it was told last.
    interval: Duration,
    last_get: Option<Instant>,
    last_push: Option<Instant>,
    /// What it was told last does not hold any more, so it may ask at once.
    is_stale: bool,
    /// It has said that it ends.
    is_terminating: bool,
    used: u64,
    used_at: Instant,
}

/// Those of one node.
#[derive(Default)]
pub(super) struct Instances {
    by_id: BTreeMap<[u8; 16], Instance>,
    /// By when they were used last.
    by_use: BTreeMap<u64, [u8; 16]>,
    uses: u64,
}

/// Why one has to wait or is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooEarly {
    /// Its interval has not passed.
    Interval,
    /// It has said that it ends.
    Terminating,
}

impl Instances {
    /// It asks what is wanted.
    ///
    /// # Errors
    /// It has asked or pushed less than its interval ago.
    pub(super) fn get(&mut self, id: [u8; 16], generation: u64, now: Instant) -> Result<(), TooEarly> {
        let instance = self.touch(id, generation, now);
        let last = instance.last_get.max(instance.last_push);
        if !instance.is_stale && last.is_some_and(|last| now.duration_since(last) < instance.interval) {
            return Err(TooEarly::Interval);
        }
        instance.last_get = Some(now);
        instance.is_stale = false;
        Ok(())
    }

    /// It pushes. The first push after it has asked may come at any time: clients spread theirs.
    ///
    /// # Errors
    /// It has pushed less than its interval ago and does not end, or it has said before that it ends.
    pub(super) fn push(
        &mut self,
        id: [u8; 16],
        generation: u64,
        is_terminating: bool,
        now: Instant,
    ) -> Result<(), TooEarly> {
        let instance = self.touch(id, generation, now);
        if std::mem::replace(&mut instance.is_terminating, is_terminating) {
            return Err(TooEarly::Terminating);
        }
        let has_asked = instance.last_get > instance.last_push;
        let is_due = instance.last_push.is_none_or(|last| now.duration_since(last) >= instance.interval);
        if !has_asked && !is_due && !is_terminating {
            return Err(TooEarly::Interval);
        }
        instance.last_push = Some(now);
        Ok(())
    }

    /// It was found out how often it is to come.
    pub(super) fn comes_every(&mut self, id: [u8; 16], interval: Duration) {
        if let Some(instance) = self.by_id.get_mut(&id) {
            instance.interval = interval;
        }
    }

    /// What it was told does not hold any more.
    pub(super) fn is_stale(&mut self, id: [u8; 16]) {
        if let Some(instance) = self.by_id.get_mut(&id) {
            instance.is_stale = true;
        }
    }

    /// How many are remembered.
    pub(super) fn count(&self) -> usize {
        self.by_id.len()
    }

    /// It is here: known, or new.
    fn touch(&mut self, id: [u8; 16], generation: u64, now: Instant) -> &mut Instance {
        self.uses += 1;
        let known = self.by_id.remove(&id);
        if let Some(known) = &known {
            self.by_use.remove(&known.used);
        } else if self.by_id.len() >= INSTANCES_MAX
            && let Some((_, displaced)) = self.by_use.pop_first()
        {
            self.by_id.remove(&displaced);
        }
        let holds = |known: &Instance| {
            let away_max = AWAY_MIN.max(known.interval * AWAY_INTERVALS);
            known.generation == generation && now.duration_since(known.used_at) <= away_max
        };
        let new = Instance {
            generation,
            // Until it is found out.
            interval: Duration::from_millis(INTERVAL_MS_DEFAULT as u64),
            last_get: None,
            last_push: None,
            is_stale: false,
            is_terminating: false,
            used: self.uses,
            used_at: now,
        };
        let instance = known.filter(holds).map_or(new, |known| Instance { used: self.uses, used_at: now, ..known });
        self.by_use.insert(self.uses, id);
        self.by_id.entry(id).or_insert(instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(1);
    const ID: [u8; 16] = [1; 16];

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn an_instance_keeps_its_pace() {
        let (mut all, start) = (Instances::default(), Instant::now());
        assert_eq!(all.get(ID, 1, start), Ok(()));
        all.comes_every(ID, INTERVAL);
        let mut get = |ms| all.get(ID, 1, after(start, ms));
        assert_eq!([get(10), get(999), get(1_000)], [Err(TooEarly::Interval), Err(TooEarly::Interval), Ok(())]);
        let mut push = |ms| all.push(ID, 1, false, after(start, ms));
        assert_eq!(push(1_001), Ok(()), "at once after it has asked");
        assert_eq!([push(1_500), push(2_000), push(2_001)], [Err(TooEarly::Interval), Err(TooEarly::Interval), Ok(())]);
        assert_eq!(all.get(ID, 1, after(start, 2_500)), Err(TooEarly::Interval), "a push counts too");
        all.is_stale(ID);
        assert_eq!(all.get(ID, 1, after(start, 2_500)), Ok(()), "it was told to ask again");
        assert_eq!(all.get(ID, 2, after(start, 2_501)), Ok(()), "the subscriptions are others");
    }

    #[test]
    fn who_ends_may_push_once_more() {
        let (mut all, start) = (Instances::default(), Instant::now());
        assert_eq!(all.push(ID, 1, false, start), Ok(()));
        all.comes_every(ID, INTERVAL);
        assert_eq!(all.push(ID, 1, true, after(start, 1)), Ok(()), "before its time");
        assert_eq!(all.push(ID, 1, true, after(start, 5_000)), Err(TooEarly::Terminating));
        assert_eq!(all.push(ID, 1, true, after(start, 9_000)), Err(TooEarly::Terminating));
        assert_eq!(all.push(ID, 1, false, after(start, 80_000)), Ok(()), "it was away for long");
    }

    #[test]
    fn so_many_are_remembered() {
        let (mut all, start) = (Instances::default(), Instant::now());
        let id = |number: usize| (number as u128).to_be_bytes();
        for number in 0..INSTANCES_MAX {
            all.get(id(number), 1, start).unwrap();
        }
        assert_eq!(all.get(id(0), 1, start), Err(TooEarly::Interval));
        all.get(id(INSTANCES_MAX), 1, start).unwrap();
        assert_eq!((all.count(), all.by_use.len()), (INSTANCES_MAX, INSTANCES_MAX));
        assert_eq!(all.get(id(1), 1, start), Ok(()), "the one that was away for longest was forgotten");
        assert_eq!(all.get(id(0), 1, start), Err(TooEarly::Interval), "not one that was here since");
    }
}
