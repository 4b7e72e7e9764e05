//! Reading a flush object's footer and trailer, for people and tools.

use bytes::{Buf, Bytes};
use crc_fast::{CrcAlgorithm, checksum};
use tidelog_model::limits::{FOOTER_BYTES_MAX, OBJECT_PARTITIONS_MAX};
use tidelog_model::{BatchPlacement, Incarnation, ObjectId};

use super::{MAGIC, ObjectEntry, TRAILER_BYTES, Trailer, VERSION};
use crate::codec::{Corrupt, Reader};

const WHAT: &str = "flush object";

/// Reads the last [`TRAILER_BYTES`] of an object.
///
/// # Errors
/// When they are no trailer, or a damaged one.
pub fn read_trailer(bytes: &[u8]) -> Result<Trailer, Corrupt> {
    let corrupt = |problem: String| Corrupt::new(WHAT, problem);
    let Ok(bytes) = <&[u8; TRAILER_BYTES]>::try_from(bytes) else {
        return Err(corrupt(format!("trailer of {} bytes instead of {TRAILER_BYTES}", bytes.len())));
    };
    let (mut rest, stated) = bytes.split_at(TRAILER_BYTES - 4);
    if rest[..8] != MAGIC {
        return Err(corrupt("trailer does not begin with its magic".into()));
    }
    let (found, stated) = (checksum(CrcAlgorithm::Crc32Iscsi, rest) as u32, (&stated[..]).get_u32());
    if found != stated {
        return Err(corrupt(format!("trailer checksum is {found:#010x}, it says {stated:#010x}")));
    }
    rest.advance(8);
    let version = rest.get_u32();
    if version != VERSION {
        return Err(corrupt(format!("layout version {version} is unknown")));
    }
    let (footer_position, footer_bytes, footer_checksum) = (rest.get_u32(), rest.get_u32(), rest.get_u32());
    let (object, incarnation) = (ObjectId(rest.get_u64()), Incarnation(rest.get_u64()));
    let cluster_id = rest.try_into().expect("16 bytes are left");
    if footer_bytes as usize > FOOTER_BYTES_MAX {
        return Err(corrupt(format!("footer of {footer_bytes} bytes is over the maximum")));
    }
    Ok(Trailer { object, incarnation, cluster_id, footer_position, footer_bytes, footer_checksum })
}

/// Reads the footer that `trailer` announces: the groups in order, which fill the object from its start to the footer.
///
/// # Errors
/// When the bytes are not that footer.
pub fn read_footer(trailer: &Trailer, footer: &Bytes) -> Result<Vec<ObjectEntry>, Corrupt> {
    let mut input = Reader::new(WHAT, footer.clone());
    if footer.len() != trailer.footer_bytes as usize {
        return Err(input.corrupt(format!("footer of {} bytes instead of {}", footer.len(), trailer.footer_bytes)));
    }
    let found = checksum(CrcAlgorithm::Crc32Iscsi, footer) as u32;
    if found != trailer.footer_checksum {
        return Err(input.corrupt(format!("footer checksum is {found:#010x}, not {:#010x}", trailer.footer_checksum)));
    }
    let version = input.varint()?;
    if version != u64::from(VERSION) {
        return Err(input.corrupt(format!("footer version {version} is unknown")));
    }
    let entries: Vec<ObjectEntry> = input.get()?;
    input.end()?;
    if entries.len() > OBJECT_PARTITIONS_MAX {
        return Err(input.corrupt(format!("footer has {} entries", entries.len())));
    }
    let mut next = 0_u64;
    for entry in &entries {
        if u64::from(entry.position) != next {
            return Err(input.corrupt(format!("{} lies at {} instead of {next}", entry.partition, entry.position)));
        }
        next += u64::from(entry.bytes);
    }
    if next != u64::from(trailer.footer_position) {
        return Err(input.corrupt(format!("groups end at {next}, the footer begins at {}", trailer.footer_position)));
    }
    Ok(entries)
}

/// Checks a whole object: trailer, footer, and every batch against its placement and checksum.
///
/// # Errors
/// The first thing that is not as it was written.
pub fn check_object(object: &Bytes) -> Result<(Trailer, Vec<ObjectEntry>), Corrupt> {
    let corrupt = |problem: String| Corrupt::new(WHAT, problem);
    let Some(trailer_from) = object.len().checked_sub(TRAILER_BYTES) else {
        return Err(corrupt(format!("{} bytes are too few", object.len())));
    };
    let trailer = read_trailer(&object[trailer_from..])?;
    let footer_from = trailer.footer_position as usize;
    if footer_from.checked_add(trailer.footer_bytes as usize) != Some(trailer_from) {
        return Err(corrupt("footer does not lie between batches and trailer".into()));
    }
    let entries = read_footer(&trailer, &object.slice(footer_from..trailer_from))?;
    for entry in &entries {
        check_group(&trailer, entry, &object[..footer_from])?;
    }
    Ok((trailer, entries))
}

/// `batches` is all that comes before the footer; [`read_footer`] has seen that the groups lie in it.
fn check_group(trailer: &Trailer, entry: &ObjectEntry, batches: &[u8]) -> Result<(), Corrupt> {
    let end = entry.position as usize + entry.bytes as usize;
    let (mut at, mut count, mut offsets) = (entry.position as usize, 0_u32, 0_u64);
    while at < end {
        let place = BatchPlacement { object: trailer.object, position: at as u32 };
        let header = place.check(&batches[at..end]).map_err(|error| Corrupt::new(WHAT, error.to_string()))?;
        at += header.bytes;
        count += 1;
        offsets += u64::from(header.offset_count());
    }
    if count != entry.batches || offsets != entry.offsets {
        let problem = format!("{} has {count} batches, {offsets} offsets; its entry differs", entry.partition);
        return Err(Corrupt::new(WHAT, problem));
    }
    Ok(())
}
