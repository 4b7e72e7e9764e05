//! A normal client that goes about its business while somebody else attacks, and measures how that goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::batch::{self, Batch};
use crate::calls::{Fetch, create_topic, produce};
use crate::wire::Client;

/// The slowest round that still counts as normal. A round is one append and one read, each a few milliseconds on an idle
/// machine; a bound of a different order only tells waiting for the attacker from not, on a machine that is shared.
pub const SLOWEST_MAX: Duration = Duration::from_secs(2);
/// Between two rounds, so that it does not load the machine itself.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs in a thread of its own until finished.
pub struct Bystander {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(u64, Duration)>,
}

impl Bystander {
    /// Starts, with a connection and a topic of its own.
    pub fn start(address: &str) -> Bystander {
        let stop = Arc::new(AtomicBool::new(false));
        let mut calm = Calm::begin(address);
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut slowest = Duration::ZERO;
            loop {
                slowest = slowest.max(calm.round());
                if told.load(Ordering::Relaxed) {
                    break;
                }
                std::thread::sleep(PAUSE);
            }
            (calm.rounds, slowest)
        });
        Bystander { stop, thread }
    }

    /// Ends it. Everything it wrote was acknowledged and read back, in order, and no round took longer than `slowest_max`.
    pub fn finish(self, slowest_max: Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let (rounds, slowest) = self.thread.join().expect("the normal client saw only what is right");
        println!("bystander: {rounds} rounds, the slowest {slowest:?}");
        assert!(rounds > 0);
        assert!(slowest <= slowest_max, "a normal client waited {slowest:?}, over {slowest_max:?}");
    }

    /// A normal client that comes now is served.
    pub fn check(address: &str, when: &str) {
        let mut calm = Calm::begin(address);
        let slowest = (0..5).map(|_| calm.round()).max().unwrap();
        assert!(slowest <= SLOWEST_MAX, "a normal client waited {slowest:?} {when} the attack");
    }
}

/// Its connection, topic and place in it.
struct Calm {
    client: Client,
    topic: String,
    rounds: u64,
}

impl Calm {
    fn begin(address: &str) -> Calm {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let topic = format!("calm-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut client = Client::connect(address);
        create_topic(&mut client, &topic, 1, &[]);
        Calm { client, topic, rounds: 0 }
    }

    /// Appends one record and reads it back.
    fn round(&mut self) -> Duration {
        let begun = Instant::now();
        let value = format!("{} {}", self.topic, self.rounds).into_bytes();
        let appended = produce(&mut self.client, &self.topic, 0, &Batch::of(&[&value]).bytes());
        let offset = i64::try_from(self.rounds).unwrap();
        assert_eq!(appended, (0, offset), "error code and offset of {}", self.topic);
        let fetched = Fetch::from(offset).ask(&mut self.client, &self.topic);
        assert_eq!(fetched.error, 0);
        assert_eq!(batch::values(&fetched.records), [(offset, value)]);
        self.rounds += 1;
        begun.elapsed()
    }
}
