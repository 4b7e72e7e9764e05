//! What the log keeps in memory: where each live entry is, and the latest entries themselves.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;

use super::record::LogFacts;
use super::{Place, recover};
use crate::types::{Entry, EntryPayload, LogId};

/// An entry costs about this much besides its command.
const ENTRY_OVERHEAD_BYTES: usize = 256;

pub(super) struct Memory {
    /// As handed in.
    pub facts: LogFacts,
    /// As written to disk.
    pub written: LogFacts,
    /// Of the entries that are written, up to `written.last`.
    pub places: VecDeque<Place>,
    /// The last entries. Invariant: what is not yet written is here.
    recent: VecDeque<Entry>,
    recent_bytes: usize,
}

/// Where an entry was found.
pub(super) enum Found {
    /// It is purged, or not yet there.
    Nothing,
    Recent(Entry),
    OnDisk(Place),
}

/// Bytes of memory that an entry takes, about.
pub(super) fn weight(entry: &Entry) -> usize {
    ENTRY_OVERHEAD_BYTES
        + match &entry.payload {
            EntryPayload::Normal(logged) => logged.bytes().len(),
            EntryPayload::Blank | EntryPayload::Membership(_) => 0,
        }
}

fn end(facts: &LogFacts) -> u64 {
    facts.last.map_or(0, |last| last.index + 1)
}

impl Memory {
    pub(super) fn new(facts: LogFacts, places: VecDeque<Place>) -> Memory {
        Memory { facts, written: facts, places, recent: VecDeque::new(), recent_bytes: 0 }
    }

    pub(super) fn append(&mut self, entries: Vec<Entry>, records: &[(LogId, Bytes, Bytes)]) -> io::Result<()> {
        for (id, _, _) in records {
            let next = self.facts.last.map_or(id.index, |last| last.index + 1);
            if id.index != next {
                return Err(io::Error::other(format!("entry {id} appended where {next} is next")));
            }
            self.facts.last = Some(*id);
        }
        self.recent_bytes += entries.iter().map(weight).sum::<usize>();
        self.recent.extend(entries);
        Ok(())
    }

    pub(super) fn truncate(&mut self, last: Option<LogId>) {
        let new_end = last.map_or(0, |last| last.index + 1);
        while self.recent.back().is_some_and(|entry| entry.log_id.index >= new_end) {
            self.recent_bytes -= self.recent.pop_back().map_or(0, |entry| weight(&entry));
        }
        if new_end < end(&self.facts) {
            self.facts.last = last.max(self.facts.purged);
        }
    }

    pub(super) fn purge(&mut self, upto: LogId) {
        while self.recent.front().is_some_and(|entry| entry.log_id.index <= upto.index) {
            self.pop_front();
        }
        self.facts.purged = self.facts.purged.max(Some(upto));
        self.facts.last = self.facts.last.max(self.facts.purged);
    }

    fn pop_front(&mut self) {
        self.recent_bytes -= self.recent.pop_front().map_or(0, |entry| weight(&entry));
    }

    /// Forgets the oldest entries that can be read from disk, down to `bytes_max`.
    pub(super) fn evict(&mut self, bytes_max: usize) {
        let written = end(&self.written);
        while self.recent_bytes > bytes_max && self.recent.front().is_some_and(|entry| entry.log_id.index < written) {
            self.pop_front();
        }
    }

    pub(super) fn find(&self, index: u64) -> Found {
        if index >= end(&self.facts) || self.facts.purged.is_some_and(|purged| index <= purged.index) {
            return Found::Nothing;
        }
        if let Some(front) = self.recent.front()
            && index >= front.log_id.index
        {
            let entry = &self.recent[(index - front.log_id.index) as usize];
            assert_eq!(entry.log_id.index, index, "recent entries have no gaps");
            return Found::Recent(entry.clone());
        }
        let first = end(&self.written) - self.places.len() as u64;
        match index.checked_sub(first).and_then(|nth| self.places.get(nth as usize)) {
            Some(place) => Found::OnDisk(*place),
            None => Found::Nothing,
        }
    }

    /// An entry has been written.
    pub(super) fn placed(&mut self, id: LogId, place: Place) {
        self.places.push_back(place);
        self.written.last = Some(id);
    }

    pub(super) fn truncate_written(&mut self, last: Option<LogId>) {
        recover::truncate(&mut self.written, &mut self.places, last);
    }

    pub(super) fn purge_written(&mut self, upto: LogId) {
        recover::purge(&mut self.written, &mut self.places, upto);
    }
}
