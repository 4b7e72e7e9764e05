//! What a client can do, as the checks see it.

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
