//! Building a flush object from batches, with as little copying as pays.

use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, checksum};
use tidelog_model::limits::{GATHER_BYTES_MAX, OBJECT_BYTES_MAX, OBJECT_PARTITIONS_MAX};
use tidelog_model::{BatchHeader, BatchPlacement, Incarnation, ObjectId, PREFIX_BYTES, PartitionId};

use super::{MAGIC, ObjectEntry, TRAILER_BYTES, Trailer, VERSION};
use crate::codec::{Encode, Writer};

/// First buffer for gathered bytes; each further one is twice as large, so that a small flush takes little memory and a
/// large one few pieces.
const GATHER_BUFFER_BYTES_MIN: usize = 16 * 1024;
const GATHER_BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// An object ready for the store.
#[derive(Clone, Debug)]
pub struct FlushObject {
    /// Its bytes, in order.
    pub parts: Vec<Bytes>,
    /// How many they are.
    pub bytes: u32,
    /// Its index: one entry for each call of [`FlushObjectBuilder::add`].
    pub entries: Vec<ObjectEntry>,
}

/// Collects the batches of one object. Used for flushes and for inline payloads that move to an object.
#[derive(Debug)]
pub struct FlushObjectBuilder {
    trailer: Trailer,
    parts: Vec<Bytes>,
    gather: BytesMut,
    gather_bytes_next: usize,
    bytes: usize,
    entries: Vec<ObjectEntry>,
}

impl FlushObjectBuilder {
    /// An empty object.
    #[must_use]
    pub fn new(object: ObjectId, incarnation: Incarnation, cluster_id: [u8; 16]) -> FlushObjectBuilder {
        FlushObjectBuilder {
            trailer: Trailer {
                object,
                incarnation,
                cluster_id,
                footer_position: 0,
                footer_bytes: 0,
                footer_checksum: 0,
            },
            parts: Vec::new(),
            gather: BytesMut::new(),
            gather_bytes_next: GATHER_BUFFER_BYTES_MIN,
            bytes: 0,
            entries: Vec::new(),
        }
    }

    /// Bytes of batches added so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends batches of one partition, each whole and checked at admission, and returns where they lie: the first at
    /// `position`, the others right behind. Batches below [`GATHER_BYTES_MAX`] are copied; of larger ones only the first
    /// 16 bytes are, the rest is kept by reference. A partition may be added again.
    ///
    /// # Panics
    /// When there is no batch, when one is not exactly a batch, or when the object grows over [`OBJECT_BYTES_MAX`]
    /// or [`OBJECT_PARTITIONS_MAX`] groups: all of that was decided by the caller.
    pub fn add(&mut self, partition: PartitionId, batches: impl IntoIterator<Item = Bytes>) -> ObjectEntry {
        let position = self.bytes;
        let mut entry = ObjectEntry { partition, position: position as u32, bytes: 0, batches: 0, offsets: 0 };
        for batch in batches {
            let header = BatchHeader::read(&batch).expect("batches are checked before they come here");
            assert_eq!(header.bytes, batch.len(), "a piece is exactly one batch");
            entry.batches += 1;
            entry.offsets += u64::from(header.offset_count());
            self.add_batch(&batch);
        }
        assert!(entry.batches > 0, "a group has a batch");
        assert!(self.entries.len() < OBJECT_PARTITIONS_MAX, "the object is sealed before it has too many groups");
        entry.bytes = (self.bytes - position) as u32;
        self.entries.push(entry);
        entry
    }

    fn add_batch(&mut self, batch: &Bytes) {
        let object = self.trailer.object;
        assert!(self.bytes + batch.len() <= OBJECT_BYTES_MAX, "the object is sealed before it grows over its bound");
        let prefix = BatchPlacement { object, position: self.bytes as u32 }.prefix(batch);
        if batch.len() < GATHER_BYTES_MAX {
            self.gather(&[&prefix, &batch[PREFIX_BYTES..]]);
        } else {
            self.gather(&[&prefix]);
            self.flush_gathered();
            self.parts.push(batch.slice(PREFIX_BYTES..));
        }
        self.bytes += batch.len();
    }

    /// Ends the object with footer and trailer.
    #[must_use]
    pub fn finish(mut self) -> FlushObject {
        let mut footer = Writer::with_capacity(64 * self.entries.len() + 16);
        footer.varint(u64::from(VERSION));
        self.entries.encode(&mut footer);
        let footer = footer.finish();
        self.trailer.footer_position = self.bytes as u32;
        self.trailer.footer_bytes = footer.len() as u32;
        self.trailer.footer_checksum = checksum(CrcAlgorithm::Crc32Iscsi, &footer) as u32;
        let trailer = encode_trailer(&self.trailer);
        self.gather(&[&footer, &trailer]);
        self.flush_gathered();
        let bytes = self.bytes + footer.len() + trailer.len();
        debug_assert_eq!(bytes, self.parts.iter().map(Bytes::len).sum::<usize>());
        FlushObject { parts: self.parts, bytes: bytes as u32, entries: self.entries }
    }

    /// Copies pieces behind each other into the current buffer, or a new one when they do not fit.
    fn gather(&mut self, pieces: &[&[u8]]) {
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        // Never grown in place: that would copy again what was gathered before.
        if self.gather.capacity() - self.gather.len() < bytes {
            self.flush_gathered();
            self.gather = BytesMut::with_capacity(self.gather_bytes_next.max(bytes));
            self.gather_bytes_next = (2 * self.gather_bytes_next).min(GATHER_BUFFER_BYTES_MAX);
        }
        for piece in pieces {
            self.gather.extend_from_slice(piece);
        }
    }

    /// Makes a part of what was gathered; the buffer's free end stays in use.
    fn flush_gathered(&mut self) {
        if !self.gather.is_empty() {
            self.parts.push(self.gather.split().freeze());
        }
    }
}

fn encode_trailer(trailer: &Trailer) -> [u8; TRAILER_BYTES] {
    let mut out = Vec::with_capacity(TRAILER_BYTES);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&trailer.footer_position.to_be_bytes());
    out.extend_from_slice(&trailer.footer_bytes.to_be_bytes());
    out.extend_from_slice(&trailer.footer_checksum.to_be_bytes());
    out.extend_from_slice(&trailer.object.0.to_be_bytes());
    out.extend_from_slice(&trailer.incarnation.0.to_be_bytes());
    out.extend_from_slice(&trailer.cluster_id);
    let checksum = checksum(CrcAlgorithm::Crc32Iscsi, &out) as u32;
    out.extend_from_slice(&checksum.to_be_bytes());
    out.try_into().expect("the fields are 60 bytes")
}
