//! What a producer is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Producer;
use crate::append::{BODY_BYTES_MAX, BODY_RECORDS_MAX};
use crate::{Client, Error, Retries};

/// What a [`Producer`] is told before it is made, by [`Client::producer`].
#[derive(Clone)]
#[must_use]
pub struct ProducerBuilder {
    client: Client,
    topic: String,
    options: Options,
}

/// Hears of interruptions.
type Interrupted = Arc<dyn Fn(&Error, Duration) + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Options {
    pub(super) linger: Duration,
    pub(super) batch_bytes: usize,
    pub(super) batch_records: usize,
    pub(super) memory_bytes: usize,
    pub(super) requests_max: usize,
    pub(super) delivery_timeout: Duration,
    /// Whether those behind a record that is not taken go on without it.
    pub(super) refused_alone: bool,
    interrupted: Option<Interrupted>,
}

impl Options {
    pub(super) fn retries(&self) -> Retries {
        Retries { give_up_after: self.delivery_timeout, ..Retries::default() }
    }

    pub(super) fn interrupted(&self, error: &Error, pause: Duration) {
        if let Some(tell) = &self.interrupted {
            tell(error, pause);
        }
    }
}

impl fmt::Debug for ProducerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerBuilder").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl ProducerBuilder {
    pub(crate) fn new(client: Client, topic: &str) -> ProducerBuilder {
        let options = Options {
            linger: Duration::ZERO,
            batch_bytes: 512 * 1024,
            batch_records: 10_000,
            memory_bytes: 32 << 20,
            requests_max: 16,
            delivery_timeout: Duration::from_secs(120),
            refused_alone: true,
            interrupted: None,
        };
        ProducerBuilder { client, topic: topic.to_owned(), options }
    }

    /// How long the first record of a batch waits for others. Not at all unless set: records gather anyhow while a batch is on
    /// its way. Larger batches cost the server less; each record is later by up to as much.
    pub fn linger(mut self, linger: Duration) -> ProducerBuilder {
        self.options.linger = linger;
        self
    }

    /// Bytes of a batch, as JSON, unless a record is larger. 512 KiB unless set, 8 MiB at most.
    pub fn batch_bytes(mut self, bytes: usize) -> ProducerBuilder {
        self.options.batch_bytes = bytes.clamp(1, BODY_BYTES_MAX - 1_024);
        self
    }

    /// Records of a batch. 10,000 unless set, 100,000 at most.
    pub fn batch_records(mut self, records: usize) -> ProducerBuilder {
        self.options.batch_records = records.clamp(1, BODY_RECORDS_MAX);
        self
    }

    /// Bytes of records, as JSON, that are not settled yet. At the bound [`Producer::send`] waits. 32 MiB unless set.
    pub fn memory_bytes(mut self, bytes: usize) -> ProducerBuilder {
        self.options.memory_bytes = bytes.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// Requests that are under way at once, each for another partition. 16 unless set.
    pub fn requests_max(mut self, requests: usize) -> ProducerBuilder {
        self.options.requests_max = requests.clamp(1, 1_024);
        self
    }

    /// For how long a batch is tried, from its first failure on. 2 minutes unless set; zero: once.
    pub fn delivery_timeout(mut self, timeout: Duration) -> ProducerBuilder {
        self.options.delivery_timeout = timeout;
        self
    }

    /// Whether a record that the server does not take (too large, a time out of range) fails alone, and those behind it are
    /// stored. So it is unless set; `false`: it fails like one that cannot be stored for another reason, and those behind it with
    /// it, so that what is stored of a partition has no gaps.
    pub fn refused_alone(mut self, is_alone: bool) -> ProducerBuilder {
        self.options.refused_alone = is_alone;
        self
    }

    /// Is told whenever a batch could not be delivered and will be tried again: why, and after which pause.
    pub fn on_interruption(mut self, tell: impl Fn(&Error, Duration) + Send + Sync + 'static) -> ProducerBuilder {
        self.options.interrupted = Some(Arc::new(tell));
        self
    }

    /// Makes the producer. Nothing is sent before the first record.
    #[must_use]
    pub fn build(self) -> Producer {
        Producer::new(self.client, self.topic, self.options)
    }
}
