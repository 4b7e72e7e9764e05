//! The ways to a server. A driver knows one protocol; what is sent when, and whether what comes is right, is decided elsewhere.

mod http;
mod librdkafka;
mod raw;
mod sockets;

use std::time::Duration;

use crate::plan::Plan;
use crate::record::Head;
use crate::schedule::{Clock, Moment};
use crate::target::Addresses;
use crate::workload::Protocol;

/// A protocol.
pub(crate) trait Driver: Sync {
    /// With its version, for the result.
    fn name(&self) -> String;

    /// Makes the plan's topics.
    fn create_topics(&self, plan: &Plan) -> anyhow::Result<()>;

    /// Deletes them, as far as they are there.
    fn delete_topics(&self, plan: &Plan) -> anyhow::Result<()>;

    /// Some of the run's connections, for the thread that calls it.
    fn senders<'a>(
        &'a self,
        plan: &'a Plan,
        clock: Clock,
        connections: &[u32],
    ) -> anyhow::Result<Box<dyn Senders + 'a>>;

    /// A consumer of these places, from their beginning, for the thread that calls it.
    fn receiver<'a>(&'a self, plan: &'a Plan, clock: Clock, places: &[u32]) -> anyhow::Result<Box<dyn Receiver + 'a>>;
}

/// Whether a record was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    Taken,
    /// There is no room now. It stays due, and is late by as long as that lasts.
    Full,
}

/// What became of a record.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) at: Moment,
    /// Why it is not stored, or may not be.
    pub(crate) failure: Option<String>,
}

/// Connections that append, used by one thread.
pub(crate) trait Senders {
    /// Hands a record over to be sent as soon as batches allow. Does not wait.
    fn offer(&mut self, head: &Head, value: &[u8]) -> anyhow::Result<Offered>;

    /// Works until about `until`, and adds what was answered meanwhile. May return sooner.
    fn turn(&mut self, until: Moment, answers: &mut Vec<Answer>) -> anyhow::Result<()>;
}

/// A record as it came.
pub(crate) struct Arrived<'a> {
    pub(crate) place: u32,
    pub(crate) offset: i64,
    pub(crate) value: &'a [u8],
    pub(crate) at: Moment,
}

/// A connection that reads, used by one thread.
pub(crate) trait Receiver {
    /// Shows what comes within `wait`. May return sooner.
    fn turn(&mut self, wait: Duration, visit: &mut dyn FnMut(&Arrived<'_>)) -> anyhow::Result<()>;
}

/// The driver of a workload.
pub(crate) fn of(protocol: Protocol, addresses: &Addresses) -> Box<dyn Driver> {
    match protocol {
        Protocol::KafkaLibrdkafka => Box::new(librdkafka::Librdkafka::new(addresses)),
        Protocol::KafkaRaw => Box::new(raw::Raw::new(addresses)),
        Protocol::Http => Box::new(http::Http::new(addresses)),
    }
}
