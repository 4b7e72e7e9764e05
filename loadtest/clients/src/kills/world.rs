//! What all clients of one run share: the history, the pulse, and the word to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use tidelog_history::{Outcome, Place, Recorder};

use super::clients::{Client, Door, Work};
use crate::server::Server;

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
    pub(crate) http_address: String,
    pulse: Mutex<Pulse>,
    changed: Condvar,
}

#[derive(Default)]
struct Pulse {
    /// Records of clients that retry, sent and not acknowledged, by operation. Those of other clients are answered by the
    /// client itself when the connection breaks, so they would not show afterwards what was lost on the way.
    in_flight: BTreeMap<u64, (Instant, Door)>,
    /// Whether clients that retry shall have something in flight all the time.
    pressed: bool,
    /// Counted from 0.
    life: u32,
    /// Clients that retry, by process.
    retrying: BTreeSet<u32>,
    /// In this life of the server, by process.
    acknowledged: BTreeMap<u32, u64>,
    /// By process.
    work: BTreeMap<u32, Work>,
    stopping: bool,
    troubles: Vec<String>,
}

impl Pulse {
    fn acknowledged(&self) -> u64 {
        self.acknowledged.values().sum()
    }

    /// Clients that retry and have not been acknowledged anything in this life.
    fn away(&self) -> impl Iterator<Item = &u32> {
        self.retrying.iter().filter(|process| !self.acknowledged.contains_key(process))
    }
}

impl World {
    /// Creates the topic and begins the history.
    pub(crate) fn create(server: &Server, history: &Path) -> anyhow::Result<World> {
        let (address, http_address) = (server.address().to_owned(), server.http_address().to_owned());
        let admin: AdminClient<_> = config(&address).create()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let partitions = i32::try_from(PARTITIONS)?;
        let topic = NewTopic::new(TOPIC, partitions, TopicReplication::Fixed(1));
        let made = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new()))?;
        ensure!(made.iter().all(Result::is_ok), "cannot create the topic: {made:?}");
        let recorder = Recorder::create(history).context("beginning the history")?;
        let (pulse, changed) = (Mutex::new(Pulse::default()), Condvar::new());
        Ok(World { recorder, address, http_address, pulse, changed })
    }

    /// From now on this client is expected to do something.
    pub(crate) fn joins(&self, client: Client) {
        let before = self.pulse().work.insert(client.process, Work::new(client));
        assert!(before.is_none(), "two clients are {}", client.process);
    }

    /// Takes note that a client has read records or was answered; of those that have joined.
    pub(crate) fn worked(&self, client: Client, done: u64) {
        let mut pulse = self.pulse();
        let life = pulse.life;
        if let Some(work) = pulse.work.get_mut(&client.process) {
            work.add(done, life);
        }
    }

    /// What each client has done.
    pub(crate) fn work(&self) -> Vec<Work> {
        self.pulse().work.values().cloned().collect()
    }

    pub(crate) fn sent(&self, client: Client, operation: u64, retries: bool) {
        if retries {
            let mut pulse = self.pulse();
            pulse.retrying.insert(client.process);
            pulse.in_flight.insert(operation, (Instant::now(), client.door));
        }
    }

    /// Tells clients that retry whether to have something in flight all the time, because nobody can say when the server
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

    /// Writes down how an append has ended for its client.
    pub(crate) fn append_ends(&self, client: Client, operation: u64, outcome: Outcome) {
        self.recorder.append_ends(client.process, operation, outcome);
        let acknowledged = u64::from(matches!(outcome, Outcome::Ok(_)));
        let mut pulse = self.pulse();
        pulse.in_flight.remove(&operation);
        if acknowledged > 0 {
            *pulse.acknowledged.entry(client.process).or_insert(0) += acknowledged;
        }
        drop(pulse);
        self.worked(client, acknowledged);
        self.changed.notify_all();
    }

    /// Something that clients should not meet, whatever is killed.
    pub(crate) fn trouble(&self, client: Client, text: impl std::fmt::Display) {
        let Client { process, name, door } = client;
        let mut pulse = self.pulse();
        if pulse.troubles.len() < TROUBLES_MAX {
            pulse.troubles.push(format!("{} {name} ({process}): {text}", door.protocol()));
        }
    }

    pub(crate) fn troubles(&self) -> Vec<String> {
        self.pulse().troubles.clone()
    }

    pub(crate) fn life_begins(&self) {
        let mut pulse = self.pulse();
        pulse.life += 1;
        pulse.acknowledged.clear();
    }

    pub(crate) fn acknowledged_in_this_life(&self) -> u64 {
        self.pulse().acknowledged()
    }

    /// Operations that were given to a client a while ago and are not acknowledged; those of one door, if one is named.
    pub(crate) fn in_flight(&self, door: Option<Door>) -> Vec<u64> {
        let now = Instant::now();
        let pulse = self.pulse();
        let is_meant = |of: Door, sent: Instant| {
            door.is_none_or(|door| door == of) && now.duration_since(sent) >= IN_FLIGHT_AGE_MIN
        };
        let old = pulse.in_flight.iter().filter(|(_, (sent, of))| is_meant(*of, *sent));
        old.map(|(operation, _)| *operation).collect()
    }

    /// Waits for a moment at which something of a door is in flight, and says what.
    pub(crate) fn wait_in_flight(&self, door: Door, bound: Duration) -> Vec<u64> {
        let deadline = Instant::now() + bound;
        loop {
            let in_flight = self.in_flight(Some(door));
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

    /// Waits until `count` records were acknowledged in this life of the server, some of them to each client that retries.
    pub(crate) fn wait_acknowledged(&self, count: u64, bound: Duration) -> anyhow::Result<()> {
        let pulse = self.pulse();
        let wait = |pulse: &mut Pulse| pulse.acknowledged() < count || pulse.away().next().is_some();
        let waited = self.changed.wait_timeout_while(pulse, bound, wait);
        let (pulse, timeout) = waited.expect("clients do not panic while holding the pulse");
        ensure!(
            !timeout.timed_out(),
            "no progress: {} of {count} acknowledged after {bound:?}, none to {:?}, {} in flight, troubles {:?}",
            pulse.acknowledged(),
            pulse.away().collect::<Vec<_>>(),
            pulse.in_flight.len(),
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
