//! The parts a state is made of: the unit of copy on write, of hashing and of snapshot files.
//!
//! Bytes of a part: version, part number, `changed_at`, content, CRC64/NVME of all that. The state's hash is a hash over
//! the parts' checksums, so a part that did not change is not looked at again.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes};
use crc_fast::{CrcAlgorithm, checksum};
use tidelog_format::codec::{Corrupt, Decode, Encode, Reader, Writer};
use tidelog_model::LogIndex;

/// Shards of topics, partitions and groups.
pub(crate) const SHARDS: usize = 64;
/// Parts that hold inline payloads, so that an old payload is not written again by every snapshot.
pub(crate) const PAYLOAD_PARTS: usize = 16;
/// Parts that hold groups. A state has them from their first group on.
pub(crate) const GROUP_PARTS: usize = 16;
/// Parts that hold what guards partitions. A state has them from their first guard on.
pub(crate) const GUARD_PARTS: usize = 16;
/// Version of the encoding of parts.
const PART_VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 8;
const WHAT: &str = "catalog snapshot part";

/// Which part: a number that is stable in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId(u8);

impl PartId {
    /// Ticks, sessions, grants, orphans, counters. It changes with every command, and its `changed_at` is the state's
    /// applied index.
    pub const META: PartId = PartId(0);
    /// How many parts a state has at most.
    pub const COUNT: usize = 1 + SHARDS + PAYLOAD_PARTS + GROUP_PARTS + 3 + GUARD_PARTS;

    /// All of them, in order.
    pub fn all() -> impl Iterator<Item = PartId> {
        (0..Self::COUNT as u8).map(PartId)
    }

    /// The part of that number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<PartId> {
        (usize::from(number) < Self::COUNT).then_some(PartId(number))
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// Client quotas. A state has it from its first quota on.
    pub(crate) const QUOTAS: PartId = PartId((1 + SHARDS + PAYLOAD_PARTS + GROUP_PARTS) as u8);
    /// Metrics subscriptions. A state has them from the first one on.
    pub(crate) const SUBSCRIPTIONS: PartId = PartId((1 + SHARDS + PAYLOAD_PARTS + GROUP_PARTS + 1) as u8);

    /// How far producers of deleted topics were. A state has it from the first one on.
    pub(crate) const DEPARTED: PartId = PartId((1 + SHARDS + PAYLOAD_PARTS + GROUP_PARTS + 2) as u8);

    /// Fencing tokens, halted producers and Idempotency-Keys.
    pub(crate) fn guards(part: usize) -> PartId {
        assert!(part < GUARD_PARTS);
        PartId((1 + SHARDS + PAYLOAD_PARTS + GROUP_PARTS + 3 + part) as u8)
    }

    pub(crate) fn shard(shard: usize) -> PartId {
        assert!(shard < SHARDS);
        PartId(1 + shard as u8)
    }

    pub(crate) fn payloads(part: usize) -> PartId {
        assert!(part < PAYLOAD_PARTS);
        PartId((1 + SHARDS + part) as u8)
    }

    pub(crate) fn groups(part: usize) -> PartId {
        assert!(part < GROUP_PARTS);
        PartId((1 + SHARDS + PAYLOAD_PARTS + part) as u8)
    }
}

impl fmt::Display for PartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usize::from(self.0) {
            0 => f.write_str("meta"),
            n if n <= SHARDS => write!(f, "shard-{:02}", n - 1),
            n if n <= SHARDS + PAYLOAD_PARTS => write!(f, "payloads-{:02}", n - 1 - SHARDS),
            n if n <= SHARDS + PAYLOAD_PARTS + GROUP_PARTS => {
                write!(f, "groups-{:02}", n - 1 - SHARDS - PAYLOAD_PARTS)
            }
            n if n == SHARDS + PAYLOAD_PARTS + GROUP_PARTS + 1 => f.write_str("quotas"),
            n if n == SHARDS + PAYLOAD_PARTS + GROUP_PARTS + 2 => f.write_str("subscriptions"),
            n if n == SHARDS + PAYLOAD_PARTS + GROUP_PARTS + 3 => f.write_str("departed"),
            n => write!(f, "guards-{:02}", n - 4 - SHARDS - PAYLOAD_PARTS - GROUP_PARTS),
        }
    }
}

/// A part's content with the index of the command that last changed it.
#[derive(Clone, Debug)]
pub(crate) struct Stamped<T> {
    pub changed_at: LogIndex,
    /// Set when it was computed since the last change.
    hash: OnceLock<u64>,
    pub body: T,
}

impl<T> Stamped<T> {
    pub fn new(body: T) -> Arc<Stamped<T>> {
        Arc::new(Stamped { changed_at: LogIndex(0), hash: OnceLock::new(), body })
    }
}

impl<T: Clone> Stamped<T> {
    /// The content, to be changed by the command at `index`. Copies it first when a frozen state shares it.
    pub fn write(this: &mut Arc<Stamped<T>>, index: LogIndex) -> &mut T {
        let own = Arc::make_mut(this);
        own.changed_at = index;
        own.hash = OnceLock::new();
        &mut own.body
    }
}

impl<T: Encode> Stamped<T> {
    pub fn encode(&self, id: PartId) -> Bytes {
        let mut out = Writer::new();
        out.byte(PART_VERSION);
        out.byte(id.0);
        out.put(&self.changed_at);
        out.put(&self.body);
        let mut bytes = out.finish().try_into_mut().expect("the writer's bytes are shared with nobody");
        let hash = checksum(CrcAlgorithm::Crc64Nvme, &bytes);
        bytes.put_u64(hash);
        let _ = self.hash.set(hash);
        bytes.freeze()
    }

    pub fn hash(&self, id: PartId) -> u64 {
        if let Some(hash) = self.hash.get() {
            return *hash;
        }
        self.encode(id);
        *self.hash.get().expect("encode has set it")
    }
}

impl<T: Decode> Stamped<T> {
    pub fn decode(id: PartId, bytes: Bytes) -> Result<Arc<Stamped<T>>, Corrupt> {
        let corrupt = |problem: String| Corrupt::new(WHAT, format!("{id}: {problem}"));
        let Some(length) = bytes.len().checked_sub(CHECKSUM_BYTES) else {
            return Err(corrupt(format!("it has only {} bytes", bytes.len())));
        };
        let (content, stored) = (bytes.slice(..length), &bytes[length..]);
        let expected = u64::from_be_bytes(stored.try_into().expect("eight bytes were split off"));
        let hash = checksum(CrcAlgorithm::Crc64Nvme, &content);
        if hash != expected {
            return Err(corrupt(format!("its checksum is {hash:#018x}, stored is {expected:#018x}")));
        }
        let mut input = Reader::new(WHAT, content);
        let version = input.byte()?;
        if version != PART_VERSION {
            return Err(corrupt(format!("its version is {version}, known here is {PART_VERSION}")));
        }
        let number = input.byte()?;
        if number != id.0 {
            return Err(corrupt(format!("it says that it is part {number}")));
        }
        let changed_at = input.get()?;
        let body = input.get()?;
        input.end()?;
        Ok(Arc::new(Stamped { changed_at, hash: OnceLock::from(hash), body }))
    }
}

/// A hash over part hashes, which come in the order of their ids.
pub(crate) fn root_hash(parts: impl Iterator<Item = u64>) -> u64 {
    let mut bytes = Vec::with_capacity(PartId::COUNT * 8);
    for hash in parts {
        bytes.put_u64(hash);
    }
    checksum(CrcAlgorithm::Crc64Nvme, &bytes)
}

/// An `Arc` that is stored as what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Shared<T>(pub Arc<T>);

impl<T> Shared<T> {
    pub fn new(value: T) -> Shared<T> {
        Shared(Arc::new(value))
    }
}

impl<T: Clone> Shared<T> {
    pub fn write(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T> std::ops::Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Encode> Encode for Shared<T> {
    fn encode(&self, out: &mut Writer) {
        self.0.encode(out);
    }
}

impl<T: Decode> Decode for Shared<T> {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        Ok(Shared::new(input.get()?))
    }
}
