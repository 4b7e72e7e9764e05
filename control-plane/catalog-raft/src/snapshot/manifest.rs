//! The manifest of a snapshot: version, cluster, position in the log, state hash, parts, CRC-32C of all that.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use tidelog_catalog::PartId;
use tidelog_format::codec::{Corrupt, Reader, Writer};
use tidelog_model::LogIndex;

use crate::types::{LogId, StoredMembership};
use crate::wire;

const MAGIC: &[u8; 8] = b"TIDESNAP";
const VERSION: u8 = 1;
const WHAT: &str = "snapshot manifest";

/// What a snapshot consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub cluster: [u8; 16],
    pub position: Position,
    pub state_hash: u64,
    pub parts: Vec<PartFile>,
}

/// Where in the log a state is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The last entry in it.
    pub last: Option<LogId>,
    /// Who votes, as of that entry.
    pub membership: StoredMembership,
}

/// One part's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartFile {
    pub id: PartId,
    pub changed_at: LogIndex,
    pub bytes: u64,
    pub crc: u32,
}

impl Manifest {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Writer::new();
        out.raw(MAGIC);
        out.byte(VERSION);
        out.raw(&self.cluster);
        wire::put_option(&mut out, self.position.last.as_ref(), wire::put_log_id);
        wire::put_stored_membership(&mut out, &self.position.membership);
        out.raw(&self.state_hash.to_le_bytes());
        out.varint(self.parts.len() as u64);
        for part in &self.parts {
            out.byte(part.id.number());
            out.varint(part.changed_at.0);
            out.varint(part.bytes);
            out.raw(&part.crc.to_le_bytes());
        }
        let content = out.finish();
        let mut out = Writer::with_capacity(content.len() + 4);
        out.raw(&content);
        out.raw(&(checksum(CrcAlgorithm::Crc32Iscsi, &content) as u32).to_le_bytes());
        out.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Manifest, Corrupt> {
        let length = bytes.len().checked_sub(4).ok_or_else(|| Corrupt::new(WHAT, "it ends early"))?;
        let mut input = Reader::new(WHAT, bytes.slice(..length));
        if bytes[length..] != (checksum(CrcAlgorithm::Crc32Iscsi, &bytes[..length]) as u32).to_le_bytes() {
            return Err(input.corrupt("its checksum does not match"));
        }
        if input.raw(MAGIC.len())?.as_ref() != MAGIC {
            return Err(input.corrupt("it does not begin with its magic bytes"));
        }
        let version = input.byte()?;
        if version != VERSION {
            return Err(input.corrupt(format!("its version is {version}, known here is {VERSION}")));
        }
        let cluster = input.raw(16)?.as_ref().try_into().expect("sixteen bytes were taken");
        let last = wire::get_option(&mut input, wire::get_log_id)?;
        let membership = wire::get_stored_membership(&mut input)?;
        let state_hash = u64::from_le_bytes(input.raw(8)?.as_ref().try_into().expect("eight bytes were taken"));
        let mut parts = Vec::new();
        for _ in 0..input.count(7)? {
            let number = input.byte()?;
            let id = PartId::from_number(number).ok_or_else(|| input.corrupt(format!("has part {number}")))?;
            let changed_at = LogIndex(input.varint()?);
            let bytes = input.varint()?;
            let crc = u32::from_le_bytes(input.raw(4)?.as_ref().try_into().expect("four bytes were taken"));
            parts.push(PartFile { id, changed_at, bytes, crc });
        }
        input.end()?;
        Ok(Manifest { cluster, position: Position { last, membership }, state_hash, parts })
    }
}
