//! How much is stored, counted as it changes: by where it is, and by topic. Whoever asks waits for no sum over extents.
//!
//! It is derived: not stored, not hashed, counted anew by a restore, and compared by `validate`.

use std::collections::BTreeMap;

use tidelog_catalog_api::{Extent, Location, StageTotals, StoredTotals, TopicTotals};
use tidelog_model::{Offset, TopicId};

use crate::partition::Partition;

/// See the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub stored: StoredTotals,
    /// Never one of nothing.
    topics: BTreeMap<TopicId, TopicTotals>,
}

/// What an append or a move adds in one stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    pub bytes: u64,
    pub extents: u64,
    pub records: u64,
}

impl Totals {
    /// A partition as a whole, of a state that is being counted anew.
    pub fn count(&mut self, topic: TopicId, partition: &Partition) {
        let records = partition.tail.0 - partition.log_start.0;
        self.change(topic, |totals| totals.records += records);
        for extent in partition.extents.iter() {
            let bytes = u64::from(extent.bytes());
            let stage = self.stage(&extent.location);
            stage.bytes += bytes;
            stage.extents += 1;
            self.change(topic, |totals| totals.bytes += bytes);
        }
    }

    /// Batches were appended to one partition.
    pub fn appended(&mut self, topic: TopicId, to: &Location, added: Added) {
        let stage = self.stage(to);
        stage.bytes += added.bytes;
        stage.extents += added.extents;
        self.change(topic, |totals| {
            totals.bytes += added.bytes;
            totals.records += added.records;
        });
    }

    /// An extent of `bytes` moved from a payload into an object, where it became one with `joined` neighbours.
    pub fn moved(&mut self, bytes: u32, joined: u32) {
        let StoredTotals { inline, objects } = &mut self.stored;
        *inline = less(*inline, u64::from(bytes), 1);
        objects.bytes += u64::from(bytes);
        *objects = less(StageTotals { extents: objects.extents + 1, ..*objects }, 0, u64::from(joined));
    }

    /// An extent is no longer in its partition.
    pub fn released(&mut self, topic: TopicId, extent: &Extent) {
        let bytes = u64::from(extent.bytes());
        let stage = self.stage(&extent.location);
        *stage = less(*stage, bytes, 1);
        self.change(topic, |totals| totals.bytes = totals.bytes.checked_sub(bytes).expect("it was counted"));
    }

    /// A partition's beginning moved.
    pub fn begins(&mut self, topic: TopicId, before: Offset, now: Offset) {
        self.change(topic, |totals| {
            let records = (totals.records + before.0).checked_sub(now.0);
            totals.records = records.expect("its records were counted");
        });
    }

    /// A topic is gone, and its extents were released.
    pub fn removed(&mut self, topic: TopicId) {
        self.topics.remove(&topic);
    }

    /// What a topic holds.
    pub fn of(&self, topic: TopicId) -> TopicTotals {
        self.topics.get(&topic).copied().unwrap_or_default()
    }

    fn change(&mut self, topic: TopicId, change: impl FnOnce(&mut TopicTotals)) {
        let totals = self.topics.entry(topic).or_default();
        change(totals);
        if *totals == TopicTotals::default() {
            self.topics.remove(&topic);
        }
    }

    fn stage(&mut self, location: &Location) -> &mut StageTotals {
        match location {
            Location::Inline { .. } => &mut self.stored.inline,
            Location::Object { .. } => &mut self.stored.objects,
        }
    }
}

fn less(stage: StageTotals, bytes: u64, extents: u64) -> StageTotals {
    let counted = "what is released was counted";
    StageTotals {
        bytes: stage.bytes.checked_sub(bytes).expect(counted),
        extents: stage.extents.checked_sub(extents).expect(counted),
    }
}
