//! Reading a topic, as a stream that goes on by itself after whatever happened to the connection.

mod builder;
mod end;
mod events;
mod growth;
mod lane;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{BoxStream, SelectAll, Stream};
use futures::{FutureExt, StreamExt};

pub use self::builder::ConsumerBuilder;
use self::growth::Grown;
use self::lane::Lane;

use crate::{Client, Error, OffsetCommit, Record};

/// The records of a topic or a partition, as a [`Stream`]. Made by [`Client::consumer`].
///
/// **Order.** Records of a partition come in order, each once. Of two partitions the order is chance.
///
/// **Resuming.** When the connection breaks, or the server restarts, it connects again, with pauses, and goes on exactly behind
/// the last record that it has received. To go on in another process, keep the offset of the last record that you are done
/// with, or its [`cursor`](Record::cursor), or use a [`group`](ConsumerBuilder::group).
///
/// **Memory.** A piece of what is on its way is held, and the rest waits in the connection: a program that is slow slows the
/// server down.
///
/// After an error it is over: the error is one that trying again would not change.
///
/// ```no_run
/// # async fn example(client: tidelog::Client) -> Result<(), tidelog::Error> {
/// use futures::TryStreamExt;
/// use tidelog::Start;
/// let mut consumer = client.consumer("orders").from(Start::Earliest).start().await?;
/// while let Some(record) = consumer.try_next().await? {
///     println!("{}/{}: {:?}", record.partition, record.offset, record.text());
/// }
/// # Ok(()) }
/// ```
#[must_use = "nothing is read before it is polled"]
pub struct Consumer {
    pieces: SelectAll<BoxStream<'static, Result<Vec<Record>, Error>>>,
    /// Partitions that come to a topic that is read for a group.
    growth: Option<BoxStream<'static, Result<Grown, Error>>>,
    /// Of the last piece, not handed out yet.
    ready: std::vec::IntoIter<Record>,
    /// What comes next in each partition, of those of which that is known.
    positions: BTreeMap<u32, u64>,
    group: Option<Group>,
    topic: String,
    is_over: bool,
}

/// Where positions are kept.
struct Group {
    client: Client,
    name: String,
    /// What was committed last.
    committed: BTreeMap<u32, u64>,
}

impl Consumer {
    /// The next record; `None` when it is over, which is only when it was told to end at the tail. A caller that stops waiting
    /// loses nothing.
    ///
    /// # Errors
    /// What trying again would not change: the topic is gone, the offset is out of range.
    pub async fn next(&mut self) -> Option<Result<Record, Error>> {
        StreamExt::next(self).await
    }

    /// What comes next in each partition, behind what was handed out; of a group also where it begins, as far as that is known.
    #[must_use]
    pub fn positions(&self) -> &BTreeMap<u32, u64> {
        &self.positions
    }

    /// Notes in the group that all records that were handed out are done with. Nothing is sent when there is no news.
    ///
    /// Commit when you are done with a record, not before: after a crash the group goes on behind what was committed. When the
    /// consumer was ended because its topic is gone or was created again, there is nothing to note any more.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a group; and why the server does not take it. What is committed later makes up for it.
    pub async fn commit(&mut self) -> Result<(), Error> {
        let Some(group) = &mut self.group else {
            return Err(Error::invalid("the consumer was not told a group"));
        };
        let news = self.positions.iter().filter(|(partition, offset)| group.committed.get(*partition) != Some(*offset));
        let news = news.map(|(partition, offset)| (*partition, *offset)).collect::<Vec<_>>();
        if news.is_empty() {
            return Ok(());
        }
        let commit = |&(partition, offset): &(u32, u64)| OffsetCommit {
            topic: self.topic.clone(),
            partition,
            offset,
            metadata: None,
        };
        group.client.commit_offsets(&group.name, &news.iter().map(commit).collect::<Vec<_>>()).await?;
        group.committed.extend(news);
        Ok(())
    }

    /// It is over, and this is why.
    fn end_with(&mut self, error: Error) -> Poll<Option<Result<Record, Error>>> {
        self.is_over = true;
        // What was read is of a topic that is no more: noted, it would be a place in another one.
        if matches!(error.code(), Some("unknown_topic" | "topic_recreated")) {
            self.positions.clear();
        }
        Poll::Ready(Some(Err(error)))
    }

    /// The record that is here already, if there is one: to work on several at once without waiting for more.
    pub fn next_ready(&mut self) -> Option<Result<Record, Error>> {
        StreamExt::next(self).now_or_never().flatten()
    }
}

impl Stream for Consumer {
    type Item = Result<Record, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(record) = self.ready.next() {
                self.positions.insert(record.partition, record.offset + 1);
                return Poll::Ready(Some(Ok(record)));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            match self.growth.as_mut().map(|growth| growth.poll_next_unpin(context)) {
                Some(Poll::Ready(Some(Ok(Grown { lanes, positions, committed })))) => {
                    self.positions.extend(positions);
                    if let Some(group) = &mut self.group {
                        group.committed.extend(committed);
                    }
                    self.pieces.extend(lanes.into_iter().map(Lane::pieces));
                    // It goes on looking.
                    continue;
                }
                Some(Poll::Ready(Some(Err(error)))) => return self.end_with(error),
                Some(Poll::Ready(None) | Poll::Pending) | None => {}
            }
            match self.pieces.poll_next_unpin(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(piece))) => self.ready = piece.into_iter(),
                Poll::Ready(Some(Err(error))) => return self.end_with(error),
                Poll::Ready(None) => self.is_over = true,
            }
        }
    }
}
