//! Partitions that a topic gets while it is read for a group.
//!
//! The server tells a stream of the topic as a whole of them; a group has a stream for each partition, so here is looked now and
//! then how many there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::builder::{ConsumerBuilder, known_positions};
use super::lane::Lane;
use crate::{Error, Problem, Start, TopicInfo};

/// What has come to a topic.
pub(super) struct Grown {
    pub(super) lanes: Vec<Lane>,
    /// Where they begin, as far as that is known.
    pub(super) positions: BTreeMap<u32, u64>,
    /// What the group had committed of them.
    pub(super) committed: BTreeMap<u32, u64>,
}

/// Looks at a topic, for as long as it is read.
pub(super) struct Growth {
    builder: ConsumerBuilder,
    topic_id: String,
    count: u32,
}

impl Growth {
    /// Of a topic as it is now. What it gets is read from its beginning, wherever reading began: nobody has passed over it.
    pub(super) fn watch(builder: &ConsumerBuilder, topic: &TopicInfo) -> BoxStream<'static, Result<Grown, Error>> {
        let builder = builder.clone().from(Start::Earliest);
        let growth = Growth { builder, topic_id: topic.id.clone(), count: topic.partition_count };
        stream::try_unfold(growth, |mut growth| async move {
            let grown = growth.next().await?;
            Ok(Some((grown, growth)))
        })
        .map_err(Error::of_read)
        .boxed()
    }

    /// The next partitions, at least one.
    async fn next(&mut self) -> Result<Grown, Error> {
        loop {
            tokio::time::sleep(self.builder.options.look_every).await;
            match self.look().await {
                Ok(Some(grown)) => return Ok(grown),
                Ok(None) => {}
                // The streams tell how patiently the server is waited for; here the next look comes by itself.
                Err(error) if error.is_retriable() => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn look(&mut self) -> Result<Option<Grown>, Error> {
        let client = &self.builder.client;
        let mut topic = client.topic_now(&self.builder.topic).await?;
        if topic.id == self.topic_id && topic.partition_count > self.count {
            // With all partitions, so that it tells where the new ones begin.
            topic = client.topic(&self.builder.topic).await?;
        }
        if topic.id != self.topic_id {
            return Err(Error::Refused(Arc::new(Problem::of_recreated_topic(&self.builder.topic))));
        }
        if topic.partition_count <= self.count {
            return Ok(None);
        }
        let mut committed = self.builder.committed().await?;
        let mut places = self.builder.places(&topic, &committed)?;
        places.retain(|place| place.partition().is_some_and(|partition| partition >= self.count));
        committed.retain(|partition, _| *partition >= self.count);
        let positions = known_positions(&topic, &places);
        let options = &self.builder.options;
        let lanes = places.into_iter().map(|place| Lane::new(client, &topic, place, None, options.clone())).collect();
        self.count = topic.partition_count;
        Ok(Some(Grown { lanes, positions, committed }))
    }
}
