//! Records of the Raft log, and the header of a segment.
//!
//! A segment is a preallocated file: a header in its first block, then records, then zeros. A record is
//!
//! | bytes | what |
//! |---|---|
//! | 4 | CRC-32C of the segment's number and of everything after this field |
//! | 4 | length of the body |
//! | 1 | version, 1 |
//! | 1 | kind |
//! | 6 | zero |
//! | 8 | sequence: 1, 2, 3… over all segments, so that nothing can be missing unnoticed |
//! | 8 | the sequence that was known to be durable when this record was written |
//! | n | body, then zeros up to a multiple of 8 |
//!
//! numbers little-endian. The segment's number is under the checksum, so a record is valid in its own segment only.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use tidelog_format::codec::{Corrupt, Reader, Writer};

use crate::types::{LogId, Vote};
use crate::wire;

/// Where the first record of a segment begins.
pub(crate) const RECORDS_START: u64 = 4_096;
/// Bytes before a record's body.
pub(crate) const RECORD_HEADER_BYTES: usize = 32;
/// Records begin at multiples of this.
pub(crate) const RECORD_ALIGNMENT: usize = 8;
/// Largest body; bounded by the segment size besides.
pub(crate) const RECORD_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

const RECORD_VERSION: u8 = 1;
const HEADER_BYTES: usize = 512;
const HEADER_MAGIC: &[u8; 8] = b"TIDERAFT";
const HEADER_VERSION: u8 = 1;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A log entry.
    Entry,
    /// The vote.
    Vote,
    /// The entries after a log id (or all) are no more.
    Truncate,
    /// The entries up to and including a log id are no more.
    Purge,
    /// How far this replica knew the log to be committed; a hint.
    Committed,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Kind::Entry => 1,
            Kind::Vote => 2,
            Kind::Truncate => 3,
            Kind::Purge => 4,
            Kind::Committed => 5,
        }
    }

    fn from_code(code: u8) -> Option<Kind> {
        [Kind::Entry, Kind::Vote, Kind::Truncate, Kind::Purge, Kind::Committed]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// What a record's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub kind: Kind,
    pub body_bytes: usize,
    pub sequence: u64,
    pub synced: u64,
}

/// Bytes that a record takes in its segment.
pub(crate) fn record_bytes(body: usize) -> usize {
    (RECORD_HEADER_BYTES + body).next_multiple_of(RECORD_ALIGNMENT)
}

fn checksum(segment: u64, rest_of_header: &[u8], body: &[&[u8]]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&segment.to_le_bytes());
    digest.update(rest_of_header);
    for part in body {
        digest.update(part);
    }
    digest.finalize() as u32
}

/// The header of a record with this body.
pub(crate) fn encode_record_header(segment: u64, header: &RecordHeader, body: &[&[u8]]) -> [u8; RECORD_HEADER_BYTES] {
    assert!(header.body_bytes <= RECORD_BODY_BYTES_MAX, "a record's body is bounded where it is proposed");
    assert_eq!(header.body_bytes, body.iter().map(|part| part.len()).sum::<usize>(), "length of a record's body");
    let mut bytes = [0_u8; RECORD_HEADER_BYTES];
    bytes[4..8].copy_from_slice(&(header.body_bytes as u32).to_le_bytes());
    bytes[8] = RECORD_VERSION;
    bytes[9] = header.kind.code();
    bytes[16..24].copy_from_slice(&header.sequence.to_le_bytes());
    bytes[24..32].copy_from_slice(&header.synced.to_le_bytes());
    let crc = checksum(segment, &bytes[4..], body);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The record at the start of `bytes`, if there is a whole and valid one: its header, with the body behind it.
pub(crate) fn read_record(segment: u64, bytes: &[u8]) -> Option<RecordHeader> {
    let header = bytes.get(..RECORD_HEADER_BYTES)?;
    if header[8] != RECORD_VERSION || header[10..16] != [0; 6] {
        return None;
    }
    let kind = Kind::from_code(header[9])?;
    let body_bytes = u32_at(header, 4) as usize;
    let body = bytes.get(RECORD_HEADER_BYTES..)?.get(..body_bytes)?;
    let (sequence, synced) = (u64_at(header, 16), u64_at(header, 24));
    (sequence > synced && checksum(segment, &header[4..], &[body]) == u32_at(header, 0)).then_some(RecordHeader {
        kind,
        body_bytes,
        sequence,
        synced,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes were sliced"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes were sliced"))
}

/// What the log says besides its entries. Each segment begins with it, so that those before can be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogFacts {
    pub vote: Option<Vote>,
    pub committed: Option<LogId>,
    pub purged: Option<LogId>,
    /// The last entry, or `purged` when there is none after it.
    pub last: Option<LogId>,
}

/// The first block of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub number: u64,
    pub cluster: [u8; 16],
    pub node: u64,
    /// Sequence of the segment's first record.
    pub first_sequence: u64,
    /// As they were when the segment was begun.
    pub facts: LogFacts,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Writer::with_capacity(HEADER_BYTES);
        out.raw(HEADER_MAGIC);
        out.byte(HEADER_VERSION);
        out.varint(self.number);
        out.raw(&self.cluster);
        out.varint(self.node);
        out.varint(self.first_sequence);
        wire::put_option(&mut out, self.facts.vote.as_ref(), wire::put_vote);
        wire::put_option(&mut out, self.facts.committed.as_ref(), wire::put_log_id);
        wire::put_option(&mut out, self.facts.purged.as_ref(), wire::put_log_id);
        wire::put_option(&mut out, self.facts.last.as_ref(), wire::put_log_id);
        assert!(out.len() <= HEADER_BYTES - 4, "the longest header fits its block");
        let padding = HEADER_BYTES - 4 - out.len();
        out.raw(&vec![0; padding]);
        let bytes = out.finish();
        let mut out = Writer::with_capacity(HEADER_BYTES);
        out.raw(&bytes);
        out.raw(&(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &bytes) as u32).to_le_bytes());
        out.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<SegmentHeader, Corrupt> {
        const WHAT: &str = "header of a raft log segment";
        let block = bytes.get(..HEADER_BYTES).ok_or_else(|| Corrupt::new(WHAT, "it ends early"))?;
        let (content, crc) = block.split_at(HEADER_BYTES - 4);
        if crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, content) as u32 != u32_at(crc, 0) {
            return Err(Corrupt::new(WHAT, "its checksum does not match"));
        }
        let mut input = Reader::new(WHAT, Bytes::copy_from_slice(content));
        if input.raw(HEADER_MAGIC.len())?.as_ref() != HEADER_MAGIC {
            return Err(input.corrupt("it does not begin with its magic bytes"));
        }
        let version = input.byte()?;
        if version != HEADER_VERSION {
            return Err(input.corrupt(format!("its version is {version}, known here is {HEADER_VERSION}")));
        }
        let number = input.varint()?;
        let cluster = input.raw(16)?.as_ref().try_into().expect("sixteen bytes were taken");
        Ok(SegmentHeader {
            number,
            cluster,
            node: input.varint()?,
            first_sequence: input.varint()?,
            facts: LogFacts {
                vote: wire::get_option(&mut input, wire::get_vote)?,
                committed: wire::get_option(&mut input, wire::get_log_id)?,
                purged: wire::get_option(&mut input, wire::get_log_id)?,
                last: wire::get_option(&mut input, wire::get_log_id)?,
            },
        })
    }
}

/// The mark: the sequence that was durable when it was written. It is never fsynced itself: see the log's header.
pub(crate) fn encode_mark(cluster: &[u8; 16], sequence: u64) -> [u8; 32] {
    let mut bytes = [0_u8; 32];
    bytes[..8].copy_from_slice(&sequence.to_le_bytes());
    bytes[8..24].copy_from_slice(cluster);
    let crc = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &bytes[..24]) as u32;
    bytes[24..28].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What a mark says; nothing when it is torn or of another cluster.
pub(crate) fn decode_mark(cluster: &[u8; 16], bytes: &[u8; 32]) -> Option<u64> {
    let crc = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &bytes[..24]) as u32;
    (crc == u32_at(bytes, 24) && &bytes[8..24] == cluster).then(|| u64_at(bytes, 0))
}
