//! Who takes part in a kill run, what appenders and readers have in common, and how much each of them has done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use tidelog_history::{Append, Bounds, Guarantees, Seen};

use super::world::{PARTITIONS, World, place};
use crate::chance::Chance;

/// By which protocol a client comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Door {
    Kafka,
    Http,
}

impl Door {
    pub(crate) const ALL: [Door; 2] = [Door::Kafka, Door::Http];

    /// As the history has it.
    pub(crate) fn protocol(self) -> &'static str {
        match self {
            Door::Kafka => "kafka",
            Door::Http => "http",
        }
    }
}

/// A client of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// Nobody else's.
    pub(crate) process: u32,
    pub(crate) name: &'static str,
    pub(crate) door: Door,
}

/// Starts a client on a thread of its own, and expects it to do something. What ends it early is a trouble.
pub(crate) fn start(
    world: &Arc<World>,
    client: Client,
    work: impl FnOnce(&Arc<World>) -> anyhow::Result<()> + Send + 'static,
) -> JoinHandle<()> {
    world.joins(client);
    let world = world.clone();
    std::thread::spawn(move || {
        if let Err(error) = work(&world) {
            world.trouble(client, format_args!("{error:#}"));
        }
    })
}

/// What a client has done.
#[derive(Clone, Debug)]
pub struct Work {
    /// Who it is.
    pub client: String,
    /// Records acknowledged or read, or questions answered.
    pub done: u64,
    /// Lives of the server in which there was any.
    pub lives: u32,
    /// The last of them.
    pub(crate) last_life: Option<u32>,
}

impl Work {
    pub(crate) fn new(client: Client) -> Work {
        let Client { process, name, door } = client;
        let client = format!("{} {name} ({process})", door.protocol());
        Work { client, done: 0, lives: 0, last_life: None }
    }

    pub(crate) fn add(&mut self, done: u64, life: u32) {
        if done > 0 {
            self.done += done;
            self.lives += u32::from(self.last_life.replace(life) != Some(life));
        }
    }
}

/// A client that appends.
pub(crate) struct Appender {
    pub(crate) client: Client,
    pub(crate) guarantees: Guarantees,
    pub(crate) chance: Chance,
    sequences: BTreeMap<u32, u64>,
}

impl Appender {
    pub(crate) fn new(client: Client, guarantees: Guarantees, seed: u64) -> Appender {
        let chance = Chance::new(seed ^ (u64::from(client.process) << 32));
        Appender { client, guarantees, chance, sequences: BTreeMap::new() }
    }

    /// Whether it shall have something in flight all the time.
    pub(crate) fn is_pressed(&self, world: &World) -> bool {
        self.guarantees.idempotent && world.is_pressed()
    }

    pub(crate) fn any_partition(&mut self) -> u32 {
        u32::try_from(self.chance.below(u64::from(PARTITIONS))).expect("few")
    }

    /// Its records that were begun in `partition`.
    pub(crate) fn begun(&self, partition: u32) -> u64 {
        self.sequences.get(&partition).copied().unwrap_or(0)
    }

    /// Makes a record, which is about to be sent. Mostly small, so that flushes ride in the log; now and then large enough
    /// that an object is made. Under pressure all of it shall go into the log, and soon be enough for a snapshot.
    pub(crate) fn begin(&mut self, world: &World, partition: u32, is_pressed: bool) -> Append {
        let bytes = match (is_pressed, self.chance.below(50)) {
            (true, _) => 6_000,
            (false, 0) => 300_000,
            (false, _) => 100 + self.chance.below(1_500),
        };
        let sequence = self.sequences.entry(partition).or_insert(0);
        let Client { process, door, .. } = self.client;
        let bytes = usize::try_from(bytes).expect("small");
        let (place, protocol) = (place(partition), door.protocol());
        let append = world.recorder.append_begins(process, &place, *sequence, self.guarantees, protocol, bytes);
        *sequence += 1;
        world.sent(self.client, append.operation, self.guarantees.idempotent);
        append
    }
}

/// A client that reads on: how far it is in each partition.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) client: Client,
    next: BTreeMap<u32, u64>,
    /// Whether it is the full read at the end.
    is_last: bool,
}

impl Reader {
    pub(crate) fn new(client: Client) -> Reader {
        Reader { client, next: BTreeMap::new(), is_last: false }
    }

    /// Reads all there is, at the end.
    pub(crate) fn last(client: Client) -> Reader {
        Reader { is_last: true, ..Reader::new(client) }
    }

    /// The offset that it has not read yet.
    pub(crate) fn next(&self, partition: u32) -> u64 {
        self.next.get(&partition).copied().unwrap_or(0)
    }

    /// Writes down that it asks for what comes next.
    pub(crate) fn begins(&self, world: &World, partition: u32) -> u64 {
        let Client { process, door, .. } = self.client;
        world.recorder.read_begins(process, &place(partition), self.next(partition), door.protocol())
    }

    /// Writes down what came, up to `next`.
    pub(crate) fn ends(
        &mut self,
        world: &World,
        partition: u32,
        operation: u64,
        (next, records, bounds): (u64, Vec<Seen>, Option<Bounds>),
    ) {
        world.worked(self.client, records.len() as u64);
        world.recorder.read_ends(self.client.process, operation, next, records, bounds, self.is_last);
        self.next.insert(partition, next);
    }

    /// Writes down what came without being asked for, of each partition in order.
    pub(crate) fn came(&mut self, world: &World, records: BTreeMap<u32, Vec<Seen>>) {
        for (partition, records) in records {
            let next = records.last().map_or(self.next(partition), |one| one.offset.saturating_add(1));
            // When the client asked for these is not known, and the checker needs no such time for records.
            let operation = self.begins(world, partition);
            self.ends(world, partition, operation, (next, records, None));
        }
    }
}

/// A client that asks for the bounds of a partition writes down that it does.
pub(crate) fn bounds_begin(world: &World, client: Client, partition: u32) -> u64 {
    world.recorder.read_begins(client.process, &place(partition), 0, client.door.protocol())
}

/// And what it was told.
pub(crate) fn bounds_end(world: &World, client: Client, operation: u64, bounds: Bounds) {
    world.worked(client, 1);
    world.recorder.read_ends(client.process, operation, 0, Vec::new(), Some(bounds), false);
}
