//! What a consumer is told, and how it begins.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::SelectAll;

use super::end::End;
use super::growth::Growth;
use super::lane::{Lane, Place};
use super::{Consumer, Group};
use crate::{Client, Error, Problem, Retries, Start, TopicInfo};

/// The partitions that are read one by one for a group.
const GROUP_PARTITIONS_MAX: u32 = 256;
/// How often is looked whether a topic that is read for a group has got more.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What a [`Consumer`] is told before it starts, by [`Client::consumer`].
#[derive(Clone)]
#[must_use]
pub struct ConsumerBuilder {
    pub(super) client: Client,
    pub(super) topic: String,
    partition: Option<u32>,
    start: Start,
    group: Option<String>,
    pub(super) options: Options,
}

/// Hears of interruptions.
type Interrupted = Arc<dyn Fn(&Error, Duration) + Send + Sync>;

#[derive(Clone)]
pub(super) struct Options {
    /// Whether to wait for more at the tail.
    pub(super) follow: bool,
    pub(super) retries: Retries,
    /// A stream that is silent for longer is dead: the server shows every 15 s that it lives.
    pub(super) silence_max: Duration,
    /// An event that is longer is not read.
    pub(super) event_bytes_max: usize,
    pub(super) look_every: Duration,
    pub(super) interrupted: Option<Interrupted>,
}

impl fmt::Debug for ConsumerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConsumerBuilder { topic, partition, start, group, .. } = self;
        write!(f, "ConsumerBuilder({topic}, {partition:?}, {start}, {group:?})")
    }
}

impl ConsumerBuilder {
    pub(crate) fn new(client: Client, topic: &str) -> ConsumerBuilder {
        let options = Options {
            follow: true,
            retries: Retries { give_up_after: Duration::MAX, ..Retries::default() },
            silence_max: Duration::from_secs(45),
            event_bytes_max: 256 << 20,
            look_every: LOOK_EVERY,
            interrupted: None,
        };
        let (partition, start, group) = (None, Start::Earliest, None);
        ConsumerBuilder { client, topic: topic.to_owned(), partition, start, group, options }
    }

    /// One partition only. Else all of the topic are read as one.
    pub fn partition(mut self, partition: u32) -> ConsumerBuilder {
        self.partition = Some(partition);
        self
    }

    /// Where to begin. At the first record unless set.
    pub fn from(mut self, start: Start) -> ConsumerBuilder {
        self.start = start;
        self
    }

    /// Begin where this group is; [`from`](ConsumerBuilder::from) says where in partitions in which it has not been, or where
    /// that was deleted meanwhile. What is
    /// read is noted in the group by [`Consumer::commit`] alone; a commit before anything has come notes where it begins, so that
    /// nothing of what comes while nobody reads is passed over.
    ///
    /// Partitions that the topic gets while it is read are read too, a few seconds later, from their beginning. One that gets more
    /// than 256 ends it with [`Error::Invalid`].
    ///
    /// The group is a name for places: its consumers do not share partitions among themselves, so let each read its own.
    pub fn group(mut self, group: impl Into<String>) -> ConsumerBuilder {
        self.group = Some(group.into());
        self
    }

    /// Whether to wait for more behind the last record. Yes unless set; else it ends when all is read that was there when it
    /// started.
    pub fn follow(mut self, yes: bool) -> ConsumerBuilder {
        self.options.follow = yes;
        self
    }

    /// How patiently it connects again. For ever unless set, with pauses of up to 2 s.
    pub fn retries(mut self, retries: Retries) -> ConsumerBuilder {
        self.options.retries = retries;
        self
    }

    /// Is told when the stream was interrupted, why, and how long it pauses before it connects again.
    pub fn on_interruption(mut self, tell: impl Fn(&Error, Duration) + Send + Sync + 'static) -> ConsumerBuilder {
        self.options.interrupted = Some(Arc::new(tell));
        self
    }

    /// The longest record that is taken, in bytes as JSON. 256 MiB unless set.
    pub fn record_bytes_max(mut self, bytes: usize) -> ConsumerBuilder {
        self.options.event_bytes_max = bytes;
        self
    }

    /// How often is looked for more partitions.
    #[cfg(test)]
    pub(crate) fn look_every(mut self, pause: Duration) -> ConsumerBuilder {
        self.options.look_every = pause;
        self
    }

    /// Looks that the topic is there, and where to begin. Reading begins when the consumer is polled.
    ///
    /// # Errors
    /// `unknown_topic`, `unknown_partition`; [`Error::Invalid`] for a place to begin that does not fit.
    pub async fn start(self) -> Result<Consumer, Error> {
        let topic = self.client.topic(&self.topic).await?;
        let committed = self.committed().await?;
        let places = self.places(&topic, &committed)?;
        let positions = if self.group.is_some() { known_positions(&topic, &places) } else { BTreeMap::new() };
        let is_growing = self.group.is_some() && self.partition.is_none() && self.options.follow;
        let growth = is_growing.then(|| Growth::watch(&self, &topic));
        let mut pieces = SelectAll::new();
        for place in places {
            let end = (!self.options.follow).then(|| End::of(&topic, place.partition()));
            let mut lane = Lane::new(&self.client, &topic, place, end, self.options.clone());
            lane.pin().await?;
            pieces.push(lane.pieces());
        }
        let client = self.client.clone();
        Ok(Consumer {
            pieces,
            growth,
            ready: Vec::new().into_iter(),
            positions,
            group: self.group.map(|name| Group { client, name, committed }),
            topic: self.topic,
            is_over: false,
        })
    }

    /// Where the group is in this topic, if there is a group.
    pub(super) async fn committed(&self) -> Result<BTreeMap<u32, u64>, Error> {
        let Some(group) = &self.group else { return Ok(BTreeMap::new()) };
        match self.client.group_offsets(group).await {
            Ok(offsets) => {
                let here = offsets.into_iter().filter(|offset| offset.topic == self.topic);
                Ok(here.map(|offset| (offset.partition, offset.offset)).collect())
            }
            // A group comes into being when it notes something.
            Err(error) if error.code() == Some("unknown_group") => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn places(&self, topic: &TopicInfo, committed: &BTreeMap<u32, u64>) -> Result<Vec<Place>, Error> {
        let name = &topic.name;
        let count = topic.partition_count;
        if self.partition.is_some_and(|partition| partition >= count) {
            let partition = self.partition.unwrap_or_default();
            return Err(Error::Refused(Arc::new(Problem::of_missing_partition(name, partition, count))));
        }
        let of_partition = |partition: u32| {
            let info = topic.partitions.iter().find(|it| it.partition == partition);
            // What was deleted meanwhile is no place to go on.
            let is_there = |offset: &&u64| info.is_none_or(|info| **offset >= info.log_start);
            let start = match (committed.get(&partition).filter(is_there), &self.start) {
                (Some(offset), _) => Start::Offset(*offset),
                // From now on is from where the tail is now, also when the connection breaks before anything has come.
                (None, Start::Latest) => info.map_or(Start::Latest, |info| Start::Offset(info.high_watermark)),
                (None, start) => start.clone(),
            };
            Place::Partition { partition, start }
        };
        match (self.partition, &self.start) {
            (Some(_), Start::Cursor(_)) => {
                Err(Error::invalid("a cursor is for a topic as a whole; of one partition say an offset"))
            }
            (Some(partition), _) => Ok(vec![of_partition(partition)]),
            (None, Start::Offset(_)) if count > 1 => {
                let why =
                    format!("topic {name} has {count} partitions, and an offset belongs to one: say which `partition`");
                Err(Error::invalid(why))
            }
            (None, Start::Offset(_)) => Ok(vec![of_partition(0)]),
            (None, Start::Cursor(_)) if self.group.is_some() => {
                Err(Error::invalid("a cursor and a group both say where to begin; say one of them"))
            }
            // A group knows places by partition.
            (None, _) if self.group.is_some() && count > GROUP_PARTITIONS_MAX => {
                let why =
                    format!("topic {name} has {count} partitions; for a group {GROUP_PARTITIONS_MAX} are read at most");
                Err(Error::invalid(why))
            }
            (None, _) if self.group.is_some() => Ok((0..count).map(of_partition).collect()),
            (None, _) => Ok(vec![Place::Topic { start: self.start.clone() }]),
        }
    }
}

/// Where partitions begin of which that is known before anything is read.
pub(super) fn known_positions(topic: &TopicInfo, places: &[Place]) -> BTreeMap<u32, u64> {
    let known = places.iter().filter_map(|place| {
        let partition = place.partition()?;
        let offset = match place.start() {
            Start::Offset(offset) => *offset,
            Start::Earliest => topic.partitions.iter().find(|it| it.partition == partition)?.log_start,
            _ => return None,
        };
        Some((partition, offset))
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(partition_count: u32) -> TopicInfo {
        let json = serde_json::json!(
            {"name": "t", "id": "i", "partition_count": partition_count, "partitions": [], "configs": {}}
        );
        serde_json::from_value(json).unwrap()
    }

    fn builder() -> ConsumerBuilder {
        Client::new("http://127.0.0.1:1").unwrap().consumer("t")
    }

    #[test]
    fn a_group_begins_where_it_is() {
        let committed = BTreeMap::from([(1, 7)]);
        let places = builder().group("g").from(Start::Latest).places(&topic(2), &committed).unwrap();
        let expected = [(0, Start::Latest), (1, Start::Offset(7))];
        assert_eq!(places, expected.map(|(partition, start)| Place::Partition { partition, start }));
        let whole = builder().places(&topic(3), &BTreeMap::new()).unwrap();
        assert_eq!(whole, [Place::Topic { start: Start::Earliest }]);
    }

    #[test]
    fn a_group_does_not_go_on_where_nothing_is_any_more() {
        let mut topic = topic(1);
        let partition = serde_json::json!({"partition": 0, "log_start": 5, "high_watermark": 9, "bytes": 0});
        topic.partitions = vec![serde_json::from_value(partition).unwrap()];
        let check = |committed: u64, expected: Start| {
            let places = builder().group("g").places(&topic, &BTreeMap::from([(0, committed)])).unwrap();
            assert_eq!(places, [Place::Partition { partition: 0, start: expected }]);
            places
        };
        check(5, Start::Offset(5));
        let places = check(4, Start::Earliest);
        assert_eq!(known_positions(&topic, &places), BTreeMap::from([(0, 5)]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let check = |builder: ConsumerBuilder, partitions: u32, says: &str| {
            let error = builder.places(&topic(partitions), &BTreeMap::new()).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        };
        check(builder().partition(2), 2, "0 to 1");
        check(builder().from(Start::Offset(3)), 2, "say which");
        check(builder().partition(0).from(Start::Cursor("c".to_owned())), 1, "as a whole");
        check(builder().group("g").from(Start::Cursor("c".to_owned())), 1, "say one");
        check(builder().group("g"), 257, "256");
    }
}
