//! Who is too slow with its answers.
//!
//! An answer of which nothing is taken for a while is cut off. While others wait for room, those that are late are cut off at
//! once, the latest first, and no more of them than it takes: so that readers that take nothing cost the others a moment at
//! most, however many they are, and one that is slow keeps its connection as long as nobody needs its room.

use std::sync::Arc;
use std::time::Duration;

use tidelog_host::Clock;
use tokio::time::Instant;

use super::client::{Client, Cut};
use super::{Memory, Of};
use crate::options::{GatewayOptions, LATENESS_WHEN_WANTED_MAX, SLOW_LOOK, SLOW_WHEN_WANTED_MAX, WANTED_LOOK};

/// An answer that is late.
struct Late {
    by: Duration,
    held: [usize; Of::COUNT],
    cut: Arc<Cut>,
}

impl Memory {
    /// Looks after clients that are slow, for ever.
    pub(crate) async fn watch(&self, options: &GatewayOptions, clock: &Clock) {
        loop {
            let pause = if self.is_answer_wanted() { WANTED_LOOK } else { SLOW_LOOK };
            tokio::select! {
                () = clock.sleep(pause) => {}
                () = self.wanted.notified() => {}
            }
            self.look(options.write_timeout, clock.now());
            // Those who begin to wait meanwhile are looked after together.
            clock.sleep(WANTED_LOOK / 10).await;
        }
    }

    /// Cuts off who is too slow.
    pub(super) fn look(&self, patience: Duration, now: Instant) {
        let clients = self.clients.lock().values().cloned().collect::<Vec<_>>();
        let mut late = Vec::new();
        let mut leaving = [0; Of::COUNT];
        for client in &clients {
            look_at(client, patience, now, &mut late, &mut leaving);
        }
        late.sort_unstable_by_key(|late| std::cmp::Reverse(late.by));
        for of in Of::ALL {
            let missing = self.budget(of).missing_bytes();
            for late in &late {
                if leaving[of as usize] >= missing {
                    break;
                }
                if late.held[of as usize] > 0 && late.cut.at().is_none() {
                    late.cut.now(now);
                    leaving[of as usize] += late.held[of as usize];
                }
            }
        }
    }
}

fn look_at(client: &Client, patience: Duration, now: Instant, late: &mut Vec<Late>, leaving: &mut [usize; Of::COUNT]) {
    let passed = |since: Instant| now.saturating_duration_since(since);
    if client.blocked_since().is_some_and(|since| passed(since) > patience) {
        client.cut.now(now);
    }
    for answer in client.answers.lock().iter() {
        let by = answer.lateness(now);
        let is_in_the_way = client.room.is_wanted() && by > SLOW_WHEN_WANTED_MAX;
        match answer.cut.at() {
            Some(at) => {
                // What its stream has left in the connection may be stuck there.
                if passed(at) > SLOW_WHEN_WANTED_MAX {
                    client.cut.now(now);
                }
                leaving.iter_mut().zip(answer.held).for_each(|(leaving, held)| *leaving += held);
            }
            None if passed(answer.went_on_at) > patience || is_in_the_way => answer.cut.now(now),
            None if by >= LATENESS_WHEN_WANTED_MAX => {
                late.push(Late { by, held: answer.held, cut: answer.cut.clone() })
            }
            None => {}
        }
    }
}
