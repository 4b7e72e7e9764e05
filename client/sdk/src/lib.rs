//! The client of [Tidelog](https://github.com/tidelog/tidelog), a log service, over HTTP.
//!
//! **Owns:** requests and their retries; the producer with its batches, order and memory; the consumer with its resuming; the
//! errors with their two answers. **Promises:** what is told as stored is stored; nothing is sent again that could be stored
//! twice; a consumer hands out each record once and in order; memory is bounded. **Does not know:** the server's code, storage,
//! Kafka.
//!
//! # Appending
//!
//! ```no_run
//! use tidelog::{Client, NewRecord};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tidelog::Error> {
//! let client = Client::new("http://127.0.0.1:8080")?;
//! let producer = client.producer("greetings").build();
//! let delivery = producer.send(NewRecord::new("hello").key("you")).await?;
//! let place = delivery.await?;
//! println!("stored in partition {} at offset {}", place.partition, place.offset);
//! producer.close().await
//! # }
//! ```
//!
//! [`Producer`] is for many records: batches, backpressure, retries that are safe. [`Client::append`] is one request: for an
//! append on condition ([`Append::expected_offset`], [`Append::fencing_token`]) or one that is repeatable
//! ([`Append::idempotency_key`]).
//!
//! # Reading
//!
//! ```no_run
//! use futures::TryStreamExt;
//! use tidelog::{Client, Start};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tidelog::Error> {
//! let client = Client::new("http://127.0.0.1:8080")?;
//! let mut consumer = client.consumer("greetings").from(Start::Earliest).start().await?;
//! while let Some(record) = consumer.try_next().await? {
//!     println!("{}/{}: {}", record.partition, record.offset, record.text().unwrap_or("(no text)"));
//! }
//! # Ok(()) }
//! ```
//!
//! [`Consumer`] is a [`Stream`](futures::Stream) that goes on behind the last record when the connection breaks or the server
//! restarts.
//!
//! # Errors
//!
//! Every [`Error`] answers [`is_retriable`](Error::is_retriable) and [`may_have_happened`](Error::may_have_happened), and has the
//! server's [`code`](Error::code) when it has answered.
//!
//! # Runtime
//!
//! Everything runs on [tokio](https://docs.rs/tokio). `https://` needs the feature `tls`, which is there by default.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod append;
mod client;
mod consumer;
mod encode;
mod error;
mod groups;
mod offset;
mod partitioner;
mod problem;
mod producer;
mod record;
mod record_json;
mod request;
mod retry;
mod start;
mod status;
mod topics;

#[cfg(test)]
mod consumer_test;
#[cfg(test)]
mod producer_test;
#[cfg(test)]
mod testing;

pub use append::{Append, Fence};
/// Keys and values are these.
pub use bytes::Bytes;
pub use client::{Client, ClientBuilder};
pub use consumer::{Consumer, ConsumerBuilder};
pub use error::{Error, ErrorKind};
pub use groups::{
    Assignment, GroupInfo, GroupMember, GroupOffset, GroupSummary, OffsetChange, OffsetCommit, ResetOffsets,
};
pub use partitioner::partition_of_key;
pub use problem::{Place, Problem, RecordOutcome};
pub use producer::{Delivery, Producer, ProducerBuilder};
pub use record::{Header, NewRecord, Record, RecordPlace};
pub use retry::Retries;
pub use start::{NoStart, Start};
pub use status::{AppendsStatus, NodeStatus, Status};
pub use topics::{ConfigView, NewTopic, PartitionInfo, TopicChanges, TopicInfo, TopicSummary};
