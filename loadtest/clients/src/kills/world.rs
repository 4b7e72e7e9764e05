//! What all clients of one run share: the history, the pulse, and the word to stop.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use tidelog_history::{Place, Recorder};

/// The one topic of a run.
pub(crate) const TOPIC: &str = "kills";
pub(crate) const PARTITIONS: u32 = 4;
/// Younger than this, a record may still be on its way through the client's own threads.
const IN_FLIGHT_AGE_MIN: Duration = Duration::from_micros(200);
/// Troubles kept; the first ones tell the story.
const TROUBLES_MAX: usize = 50;

pub(crate) struct World {
    pub(crate) recorder: Recorder,
    pub(crate) address: String,
    pulse: Mutex<Pulse>,
    changed: Condvar,
}

#[derive(Default)]
struct Pulse {
    /// Records of clients that retry, sent and not acknowledged, by operation. Those of other clients are answered by the
    /// client itself when the connection breaks, so they would not show afterwards what was lost on the way.
    in_flight: BTreeMap<u64, Instant>,
    /// Whether clients that retry shall have something in flight all the time.
    pressed: bool,
    acknowledged: u64,
    /// `acknowledged` when this life of the server began.
    before_this_life: u64,
    stopping: bool,
    troubles: Vec<String>,
}

impl World {
    /// Creates the topic and begins the history.
    pub(crate) fn create(address: &str, history: &Path) -> anyhow::Result<World> {
        let admin: AdminClient<_> = config(address).create()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let partitions = i32::try_from(PARTITIONS)?;
        let topic = NewTopic::new(TOPIC, partitions, TopicReplication::Fixed(1));
        let made = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new()))?;
        ensure!(made.iter().all(Result::is_ok), "cannot create the topic: {made:?}");
        let recorder = Recorder::create(history).context("beginning the history")?;
        let (pulse, changed) = (Mutex::new(Pulse::default()), Condvar::new());
        Ok(World { recorder, address: address.to_owned(), pulse, changed })
    }

    pub(crate) fn sent(&self, operation: u64, retries: bool) {
        if retries {
            self.pulse().in_flight.insert(operation, Instant::now());
        }
    }

    /// Tells producers that retry whether to have something in flight all the time, because nobody can say when the server
    /// will end itself. It also fills the log, which brings snapshots.
    pub(crate) fn set_pressed(&self, pressed: bool) {
        self.pulse().pressed = pressed;
    }

    pub(crate) fn is_pressed(&self) -> bool {
        self.pulse().pressed
    }

    /// Waits until `operation` is answered, for at most `bound`.
    pub(crate) fn wait_answered(&self, operation: u64, bound: Duration) {
        let wait = |pulse: &mut Pulse| !pulse.stopping && pulse.in_flight.contains_key(&operation);
        let waited = self.changed.wait_timeout_while(self.pulse(), bound, wait);
        drop(waited.expect("clients do not panic while holding the pulse"));
    }

    pub(crate) fn answered(&self, operation: u64, acknowledged: bool) {
        let mut pulse = self.pulse();
        pulse.in_flight.remove(&operation);
        pulse.acknowledged += u64::from(acknowledged);
        drop(pulse);
        self.changed.notify_all();
    }

    /// Something that clients should not meet, whatever is killed.
    pub(crate) fn trouble(&self, text: String) {
        let mut pulse = self.pulse();
        if pulse.troubles.len() < TROUBLES_MAX {
            pulse.troubles.push(text);
        }
    }

    pub(crate) fn troubles(&self) -> Vec<String> {
        self.pulse().troubles.clone()
    }

    pub(crate) fn life_begins(&self) {
        let mut pulse = self.pulse();
        pulse.before_this_life = pulse.acknowledged;
    }

    pub(crate) fn acknowledged_in_this_life(&self) -> u64 {
        let pulse = self.pulse();
        pulse.acknowledged - pulse.before_this_life
    }

    /// Operations that were given to a client a while ago and are not acknowledged.
    pub(crate) fn in_flight(&self) -> Vec<u64> {
        let now = Instant::now();
        let pulse = self.pulse();
        let old = pulse.in_flight.iter().filter(|(_, sent)| now.duration_since(**sent) >= IN_FLIGHT_AGE_MIN);
        old.map(|(operation, _)| *operation).collect()
    }

    /// Waits for a moment at which something is in flight, and says what.
    pub(crate) fn wait_in_flight(&self, bound: Duration) -> Vec<u64> {
        let deadline = Instant::now() + bound;
        loop {
            let in_flight = self.in_flight();
            if !in_flight.is_empty() || Instant::now() >= deadline {
                return in_flight;
            }
            // The moment is shorter than what a thread needs to be woken.
            std::thread::yield_now();
        }
    }

    /// Whether any of `operations` is still unacknowledged.
    pub(crate) fn is_any_unanswered(&self, operations: &[u64]) -> bool {
        let pulse = self.pulse();
        operations.iter().any(|operation| pulse.in_flight.contains_key(operation))
    }

    /// Waits until `count` records were acknowledged in this life of the server.
    pub(crate) fn wait_acknowledged(&self, count: u64, bound: Duration) -> anyhow::Result<()> {
        let pulse = self.pulse();
        let wait = |pulse: &mut Pulse| pulse.acknowledged < pulse.before_this_life + count;
        let waited = self.changed.wait_timeout_while(pulse, bound, wait);
        let (pulse, timeout) = waited.expect("clients do not panic while holding the pulse");
        let (acknowledged, in_flight) = (pulse.acknowledged - pulse.before_this_life, pulse.in_flight.len());
        ensure!(
            !timeout.timed_out(),
            "no progress: {acknowledged} of {count} acknowledged after {bound:?}, {in_flight} in flight, troubles {:?}",
            pulse.troubles
        );
        Ok(())
    }

    pub(crate) fn stop(&self) {
        self.pulse().stopping = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.pulse().stopping
    }

    /// Lets `pace` pass; true when it is time to stop.
    pub(crate) fn pace(&self, pace: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.pulse(), pace, |pulse| !pulse.stopping);
        waited.expect("clients do not panic while holding the pulse").0.stopping
    }

    fn pulse(&self) -> std::sync::MutexGuard<'_, Pulse> {
        self.pulse.lock().expect("clients do not panic while holding the pulse")
    }
}

/// What every client of the run is told: come back quickly, do not log what is expected.
pub(crate) fn config(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config.set("reconnect.backoff.ms", "10").set("reconnect.backoff.max.ms", "100");
    config.set("topic.metadata.refresh.fast.interval.ms", "50").set("log_level", "2");
    config
}

pub(crate) fn place(partition: u32) -> Place {
    Place { tenant: "default".to_owned(), topic: TOPIC.to_owned(), partition }
}
