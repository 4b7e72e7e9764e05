//! What openraft asks of a log, answered by [`RaftLog`].

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};

use futures::Stream;
use openraft::OptionalSend;
use openraft::storage::{LogState, RaftLogReader, RaftLogStorage};

use crate::log::RaftLog;
use crate::types::{Entry, IoFlushed, LogId, TypeConfig, Vote};

/// Bytes of entries that are read at once for a follower, or to be applied.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

impl RaftLog {
    /// The part of `range` that the log has.
    fn present(&self, range: &impl RangeBounds<u64>) -> Range<u64> {
        let (asked, facts) = (half_open(range), self.facts());
        let first = facts.purged.map_or(0, |purged| purged.index + 1);
        let end = facts.last.map_or(0, |last| last.index + 1);
        asked.start.max(first)..asked.end.min(end)
    }
}

impl RaftLogReader<TypeConfig> for RaftLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        self.read(self.present(&range), usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(self.present(&(start..end)), READ_BYTES_MAX)
    }

    /// In pieces of bounded size, however long the range.
    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let log = self.clone();
        let pieces = futures::stream::try_unfold(self.present(&range), move |left| {
            let log = log.clone();
            async move {
                if left.is_empty() {
                    return Ok(None);
                }
                let piece = log.read(left.clone(), READ_BYTES_MAX)?;
                let Some(last) = piece.last() else { return Ok(None) };
                let left = last.log_id.index + 1..left.end;
                Ok::<_, io::Error>(Some((futures::stream::iter(piece.into_iter().map(Ok)), left)))
            }
        });
        Box::pin(futures::TryStreamExt::try_flatten(pieces))
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.facts().vote)
    }
}

impl RaftLogStorage<TypeConfig> for RaftLog {
    type LogReader = RaftLog;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let facts = self.facts();
        Ok(LogState { last_purged_log_id: facts.purged, last_log_id: facts.last })
    }

    async fn get_log_reader(&mut self) -> RaftLog {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        RaftLog::save_vote(self, *vote).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        RaftLog::save_committed(self, committed);
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.facts().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IoFlushed) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        RaftLog::append(self, entries.into_iter().collect(), callback)
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        RaftLog::truncate_after(self, last_log_id).await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        RaftLog::purge(self, log_id).await
    }
}
