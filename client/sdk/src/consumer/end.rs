//! Where reading ends that does not follow: at what was the tail when it began.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::{Client, Error, Record, Start, TopicInfo};

/// What is still to be read.
pub(super) struct End {
    /// The tail of each partition whose tail was not reached yet.
    tails: BTreeMap<u32, u64>,
}

/// Of a page, what tells whether anything is there.
#[derive(Deserialize)]
struct Page {
    records: Vec<IgnoredAny>,
}

impl End {
    /// The end of one partition, or of all.
    pub(super) fn of(topic: &TopicInfo, partition: Option<u32>) -> End {
        let here = topic.partitions.iter().filter(|it| partition.is_none_or(|partition| it.partition == partition));
        let some = here.filter(|it| it.log_start < it.high_watermark);
        End { tails: some.map(|it| (it.partition, it.high_watermark)).collect() }
    }

    pub(super) fn is_reached(&self) -> bool {
        self.tails.is_empty()
    }

    /// Takes note of records that are about to be handed out; those behind the end are not.
    pub(super) fn note(&mut self, piece: &mut Vec<Record>) {
        piece.retain(|record| {
            let Some(tail) = self.tails.get(&record.partition).copied() else { return false };
            if record.offset + 1 >= tail {
                self.tails.remove(&record.partition);
            }
            record.offset < tail
        });
    }

    /// Asks for each partition that seems not to be read to its end whether anything is left: offsets may have no record any
    /// more. `next` is where each one was left, and `start` where it began.
    pub(super) async fn look(
        &mut self,
        client: &Client,
        topic: &str,
        next: &BTreeMap<u32, u64>,
        start: &Start,
    ) -> Result<(), Error> {
        for (partition, _) in self.tails.clone() {
            let from = match (next.get(&partition), start) {
                (Some(next), _) => Start::Offset(*next),
                // A cursor names a place that is not known here. The stream has just said that nothing is behind it.
                (None, Start::Cursor(_)) => {
                    self.tails.remove(&partition);
                    continue;
                }
                (None, start) => start.clone(),
            };
            let mut url = client.url(&["v1", "topics", topic, "partitions", &partition.to_string(), "records"])?;
            url.query_pairs_mut().append_pair("from", &from.to_string()).append_pair("limit", "1");
            let page: Page = client.get(url).await?;
            if page.records.is_empty() {
                self.tails.remove(&partition);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> TopicInfo {
        let partition = |partition: u32, log_start: u64, high_watermark: u64| serde_json::json!({"partition": partition, "log_start": log_start, "high_watermark": high_watermark, "bytes": 0});
        let partitions = [partition(0, 0, 2), partition(1, 5, 5), partition(2, 3, 9)];
        let json = serde_json::json!(
            {"name": "t", "id": "i", "partition_count": 3, "partitions": partitions, "configs": {}}
        );
        serde_json::from_value(json).unwrap()
    }

    fn record(partition: u32, offset: u64) -> Record {
        Record { partition, offset, ..Record::default() }
    }

    #[test]
    fn it_ends_at_what_was_the_tail() {
        let mut end = End::of(&topic(), None);
        let mut piece = vec![record(0, 0), record(2, 3), record(0, 1), record(0, 2)];
        end.note(&mut piece);
        assert_eq!(piece.len(), 3, "what came later is left out");
        assert!(!end.is_reached());
        end.note(&mut vec![record(2, 8)]);
        assert!(end.is_reached());
        assert!(End::of(&topic(), Some(1)).is_reached(), "an empty partition has nothing to read");
        assert!(!End::of(&topic(), Some(2)).is_reached());
    }
}
