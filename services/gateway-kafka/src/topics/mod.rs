//! Topics: made, looked up, described, changed, deleted. A file per API, and how a topic is found.

pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_topic_partitions;
pub(crate) mod log_dirs;
mod lookup;
pub(crate) mod metadata;
pub(crate) mod placement;

pub(crate) use lookup::{Lookup, TopicKey, partition_of};

#[cfg(test)]
mod topics_test;
