//! Identifiers and counts. Each is its own type, so that two of them side by side cannot be swapped.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

number!(/** A customer of the service; nothing of one tenant is visible to another. */ TenantId(u32), "t");
number!(/** The position of a record in its partition. Dense when assigned, never reused. */ Offset(u64), "");
number!(/** One file in the object store. Granted in blocks by the catalog, used for one payload, once. */ ObjectId(u64), "o");
number!(/** One life of a node, known to the catalog. A node's new session fences its old one. */ SessionId(u64), "s");
number!(/** A compute node. Never reused. */ NodeId(u64), "n");
number!(/** A flush pipeline with one latency/cost profile. */ LaneId(u8), "lane");
number!(/** The position of a commit in its (session, lane); starts at 1 and has no gaps. */ CommitSequence(u64), "c");
number!(/** One life of a catalog: changes at bootstrap and at restore. */ Incarnation(u64), "i");
number!(/** The catalog's clock: advanced by the leader's monotonic clock, one tick a second. */ Tick(u64), "tick");
number!(/** Position of an entry in the catalog's Raft log. */ LogIndex(u64), "@");
number!(/** Kafka's producer id. */ ProducerId(i64), "p");
number!(/** Kafka's producer epoch. */ ProducerEpoch(i16), "e");
number!(/** Who may write to a partition: the highest that was seen there, and whoever has none. Given out by whoever elects writers. */ FencingToken(u64), "f");
number!(/** Milliseconds since 1970, as producers and the wall clock state them. */ TimestampMs(i64), "");

impl Offset {
    /// The offset `records` further on. Offsets stay below 2⁶³ because Kafka's wire type is an `i64`.
    #[must_use]
    pub fn plus(self, records: u32) -> Offset {
        let next = self.0 + u64::from(records);
        assert!(next <= i64::MAX as u64, "offset space of a partition is exhausted");
        Offset(next)
    }

    /// As Kafka writes it.
    #[must_use]
    pub fn as_i64(self) -> i64 {
        self.0 as i64
    }
}

/// Kafka's topic id: 128 random bits that never name another topic, so a topic created again under its old name is
/// another topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// The id that Kafka's protocol uses for "none".
    pub const ZERO: TopicId = TopicId([0; 16]);

    /// A topic id from 128 random bits, marked as a version 4 UUID (RFC 9562), so never one of Kafka's reserved ids.
    #[must_use]
    pub fn from_random(mut bytes: [u8; 16]) -> TopicId {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        TopicId(bytes)
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One partition of one topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// The topic it belongs to.
    pub topic: TopicId,
    /// Its number in the topic, from 0.
    pub index: u32,
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.index)
    }
}

impl fmt::Debug for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
