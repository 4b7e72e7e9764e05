//! How many partitions the topic has.

use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::HeaderMap;

use super::lock;
use crate::request::Safety;
use crate::{Client, Error, Retries, append};

/// A topic may get more of them; keys go by the new count after so long.
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// A body without records: the topic is created, if that is allowed, and nothing is stored.
const NOTHING: Bytes = Bytes::from_static(b"{\"records\":[]}");

/// The count, as far as it is known.
#[derive(Default)]
pub(super) struct Partitions {
    known: Mutex<Option<(u32, Instant)>>,
    asking: tokio::sync::Mutex<()>,
}

impl Partitions {
    /// The count: never zero. The server is asked when it is not known well enough.
    pub(super) async fn count(&self, client: &Client, topic: &str, retries: Retries) -> Result<u32, Error> {
        if let Some(count) = self.fresh() {
            return Ok(count);
        }
        let _one_asks = self.asking.lock().await;
        if let Some(count) = self.fresh() {
            return Ok(count);
        }
        let asked = client.retrying(retries, Safety::Repeatable, || ask(client, topic)).await;
        match (asked, self.known()) {
            (Ok(count), _) => {
                *lock(&self.known) = Some((count, Instant::now()));
                Ok(count)
            }
            // What was true a while ago is good enough, if the server is away for a moment.
            (Err(error), Some(count)) if error.is_retriable() => Ok(count),
            // No record was sent.
            (Err(error), _) => Err(error.of_read()),
        }
    }

    /// The last that was heard.
    pub(super) fn known(&self) -> Option<u32> {
        lock(&self.known).map(|(count, _)| count)
    }

    fn fresh(&self) -> Option<u32> {
        lock(&self.known).filter(|(_, at)| at.elapsed() < KNOWN_FOR).map(|(count, _)| count)
    }

    pub(super) fn forget(&self) {
        *lock(&self.known) = None;
    }
}

async fn ask(client: &Client, topic: &str) -> Result<u32, Error> {
    let info = match client.topic_page(topic, 0, "1").await {
        Err(error) if error.code() == Some("unknown_topic") => {
            // Whether a first use may create it is for the server to say.
            append::append(client, topic, HeaderMap::new(), NOTHING, 0).await?;
            client.topic_page(topic, 0, "1").await?
        }
        other => other?,
    };
    match info.partition_count {
        0 => Err(Error::unintelligible(&client.inner.server, format!("topic {topic} has no partitions"))),
        count => Ok(count),
    }
}

/// Where the first records without a key go, so that producers do not all begin at the same place.
pub(super) fn somewhere() -> u32 {
    RandomState::new().hash_one(0) as u32 >> 1
}
