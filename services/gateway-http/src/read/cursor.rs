//! Where to go on in a topic: the place in each of its partitions. Opaque to clients.
//!
//! Base64url of: a version (1), the topic's id, and for each partition in order the offset that comes next as a LEB128
//! number. Partitions that the topic got since are read from their beginning.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tidelog_catalog_api::{Catalog, TopicView};
use tidelog_model::{Offset, PartitionId, TopicId};

use super::{MERGED_PARTITIONS_MAX, from};
use crate::errors::Code;
use crate::problem::Refused;

const VERSION: u8 = 1;
const TOPIC_ID_BYTES: usize = 16;
/// Of a number up to 2⁶³.
const NUMBER_BYTES_MAX: usize = 9;

/// The longest text of a cursor.
pub(super) const CURSOR_BYTES_MAX: usize =
    (1 + TOPIC_ID_BYTES + NUMBER_BYTES_MAX * MERGED_PARTITIONS_MAX as usize).div_ceil(3) * 4;

/// A cursor.
pub(super) fn encode(topic: TopicId, nexts: impl Iterator<Item = u64>) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&topic.0);
    for mut next in nexts {
        while next >= 0x80 {
            bytes.push(next as u8 | 0x80);
            next >>= 7;
        }
        bytes.push(next as u8);
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The places that a cursor names, one for each partition that the topic had when it was given out.
///
/// # Errors
/// When it is none of this topic's.
pub(super) fn decode(text: &str, topic: &TopicView) -> Result<Vec<Offset>, Refused> {
    let refused = || {
        let detail = "the cursor is none that was given out; say from instead, or the cursor of a record";
        Refused::new(Code::InvalidCursor, detail)
    };
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
    let (version, rest) = bytes.split_first().ok_or_else(refused)?;
    if *version != VERSION || rest.len() < TOPIC_ID_BYTES {
        return Err(refused());
    }
    let (id, mut rest) = rest.split_at(TOPIC_ID_BYTES);
    if id != topic.id.0 {
        let detail = format!("topic {} was deleted and created again since the cursor was given out", topic.name);
        return Err(Refused::new(Code::TopicRecreated, detail));
    }
    let mut nexts = Vec::with_capacity(topic.partitions as usize);
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| byte & 0x80 == 0).ok_or_else(refused)?;
        let (number, after) = rest.split_at(end + 1);
        rest = after;
        if number.len() > NUMBER_BYTES_MAX || nexts.len() == topic.partitions as usize {
            return Err(refused());
        }
        let next = number.iter().rev().fold(0, |next, byte| (next << 7) | u64::from(byte & 0x7f));
        nexts.push(Offset(next));
    }
    Ok(nexts)
}

/// Where to go on in each partition of the topic, in the catalog as it is here now.
///
/// # Errors
/// When the cursor is none of this topic's, or a partition does not have the place that it names: not any more, or not yet. Names
/// where the cursor stood.
pub(super) fn resolve(
    (stood_in, text): (&str, &str),
    topic: &TopicView,
    catalog: &dyn Catalog,
) -> Result<Vec<Offset>, Refused> {
    let there = |refused: Refused| refused.at(|place| place.parameter = Some(stood_in.to_owned()));
    let mut nexts = decode(text, topic).map_err(there)?;
    for index in 0..topic.partitions {
        let partition = PartitionId { topic: topic.id, index };
        let view = catalog.partition(partition);
        let view = view.ok_or_else(|| Refused::new(Code::UnknownTopic, "the topic was deleted meanwhile"))?;
        match nexts.get(index as usize) {
            Some(next) => {
                from::within(partition, *next, view).map_err(there)?;
            }
            None => nexts.push(view.log_start),
        }
    }
    Ok(nexts)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidelog_model::TenantId;

    use super::*;

    fn topic(id: u8, partitions: u32) -> TopicView {
        TopicView {
            id: TopicId([id; 16]),
            tenant: TenantId(1),
            name: "t".into(),
            partitions,
            replication_factor: 1,
            configs: Arc::default(),
        }
    }

    fn check_refused(text: &str, topic: &TopicView, code: Code) {
        assert_eq!(decode(text, topic).unwrap_err().code(), code, "{text}");
    }

    #[test]
    fn a_cursor_is_read_back() {
        let nexts = [0, 1, 127, 128, 1 << 53, i64::MAX as u64];
        let text = encode(TopicId([7; 16]), nexts.into_iter());
        assert_eq!(decode(&text, &topic(7, 6)).unwrap(), nexts.map(Offset));
        assert_eq!(decode(&text, &topic(7, 8)).unwrap(), nexts.map(Offset), "of new partitions it names no place");
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let text = encode(TopicId([7; 16]), [5, 6].into_iter());
        check_refused(&text, &topic(8, 2), Code::TopicRecreated);
        check_refused(&text, &topic(7, 1), Code::InvalidCursor);
        check_refused("", &topic(7, 2), Code::InvalidCursor);
        check_refused("42", &topic(7, 2), Code::InvalidCursor);
        check_refused("not a cursor", &topic(7, 2), Code::InvalidCursor);
        let endless = [vec![VERSION], vec![7; 16], vec![0xff; 12], vec![0]].concat();
        check_refused(&URL_SAFE_NO_PAD.encode(endless), &topic(7, 2), Code::InvalidCursor);
        let cut_off = [vec![VERSION], vec![7; 16], vec![0xff]].concat();
        check_refused(&URL_SAFE_NO_PAD.encode(cut_off), &topic(7, 2), Code::InvalidCursor);
        let newer = [vec![2], vec![7; 16], vec![0]].concat();
        check_refused(&URL_SAFE_NO_PAD.encode(newer), &topic(7, 2), Code::InvalidCursor);
    }
}
