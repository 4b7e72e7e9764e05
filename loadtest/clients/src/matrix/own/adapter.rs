//! What a client can do, as the checks see it.

use std::collections::BTreeMap;

use anyhow::bail;

/// One record, as written or as read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub partition: i32,
    /// May be absent, which is not the same as empty.
    pub key: Option<Vec<u8>>,
    /// As the key.
    pub value: Option<Vec<u8>>,
    /// In order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// As the producer gave it; none where it gave none.
    pub timestamp_ms: Option<i64>,
}

/// One client.
pub trait Adapter {
    /// Creates a topic.
    fn create(&self, topic: &str, partitions: i32) -> anyhow::Result<()>;
    /// Deletes it.
    fn delete(&self, topic: &str) -> anyhow::Result<()>;
    /// How many partitions it has; nothing when it is not there.
    fn partitions(&self, topic: &str) -> anyhow::Result<Option<usize>>;
    /// Writes all, in order, and returns when all are acknowledged.
    fn write(&self, topic: &str, records: &[Record], codec: &str, idempotent: bool) -> anyhow::Result<()>;
    /// Reads partitions 0 to `partitions` from their beginnings.
    fn reader(&self, topic: &str, partitions: i32) -> anyhow::Result<Box<dyn Poller>>;
    /// Joins a group.
    fn member(&self, group: &str, topic: &str) -> anyhow::Result<Box<dyn Poller>>;
    /// The first offset of partition 0 whose record is not older.
    fn offset_at(&self, topic: &str, timestamp_ms: i64) -> anyhow::Result<Option<i64>>;

    // What administrators do. Whoever has it not fails, and is not asked.

    /// Makes them `count`.
    fn add_partitions(&self, _topic: &str, _count: usize) -> anyhow::Result<()> {
        bail!("it adds no partitions")
    }
    /// The value of a topic's setting.
    fn config(&self, _topic: &str, _name: &str) -> anyhow::Result<Option<String>> {
        bail!("it describes no settings")
    }
    /// Alters one.
    fn set_config(&self, _topic: &str, _name: &str, _value: &str) -> anyhow::Result<()> {
        bail!("it alters no settings")
    }
    /// Deletes those of partition 0 before an offset.
    fn delete_records(&self, _topic: &str, _before: i64) -> anyhow::Result<()> {
        bail!("it deletes no records")
    }
    /// All groups.
    fn groups(&self) -> anyhow::Result<Vec<String>> {
        bail!("it lists no groups")
    }
    /// A group's state and the number of its members.
    fn describe_group(&self, _group: &str) -> anyhow::Result<(String, usize)> {
        bail!("it describes no groups")
    }
    /// What a group has committed, by partition.
    fn group_offsets(&self, _group: &str, _topic: &str) -> anyhow::Result<BTreeMap<i32, i64>> {
        bail!("it fetches no offsets")
    }
    /// Commits for a group that has no members.
    fn set_group_offsets(&self, _group: &str, _topic: &str, _offsets: &[(i32, i64)]) -> anyhow::Result<()> {
        bail!("it sets no offsets")
    }
    /// Deletes a group without members.
    fn delete_group(&self, _group: &str) -> anyhow::Result<()> {
        bail!("it deletes no groups")
    }
}

/// Somebody who reads; leaves when dropped.
pub trait Poller {
    /// What has come, after a short wait.
    fn poll(&mut self) -> anyhow::Result<Vec<Record>>;
    /// How many partitions it reads.
    fn assigned(&mut self) -> usize;
    /// Commits what was read.
    fn commit(&mut self) -> anyhow::Result<()>;
}
