//! Where an answer says how long its client is throttled (KIP-219). It is filled in when the answer is made already: until
//! then nobody knows how much of the client's quotas it uses.

use bytes::{Bytes, BytesMut};

use crate::response::header_is_flexible;
use crate::{Api, RequestHeader};

/// Bytes of the frame's length and of the correlation id.
const LENGTH_AND_CORRELATION_BYTES: usize = 8;
const ERROR_CODE_BYTES: usize = 2;
const THROTTLE_TIME_BYTES: usize = 4;

/// Fills in the throttle time of an answer that says none as yet. What the version has no place for is not said.
///
/// # Panics
/// When the answer is not one to that request, or says a throttle time already.
pub fn set_throttle_time(to: &RequestHeader, pieces: &mut [Bytes], throttle_time_ms: i32) {
    let first = pieces.first_mut().expect("an answer has a piece that it begins with");
    let Some(at) = place(to, first) else { return };
    let place = at..at + THROTTLE_TIME_BYTES;
    assert_eq!(first[place.clone()], [0; THROTTLE_TIME_BYTES], "no throttle time is said yet");
    let mut changed = BytesMut::from(std::mem::take(first));
    changed[place].copy_from_slice(&throttle_time_ms.to_be_bytes());
    *first = changed.freeze();
}

fn place(to: &RequestHeader, frame: &[u8]) -> Option<usize> {
    let is_flexible = to.api.advertised().is_flexible(to.version);
    let body = LENGTH_AND_CORRELATION_BYTES + usize::from(header_is_flexible(to.api, to.version));
    match to.api {
        // At its end, but for the tagged fields, of which there are none.
        Api::Produce => Some(frame.len() - THROTTLE_TIME_BYTES - usize::from(is_flexible)),
        Api::ApiVersions if to.version == 0 => None,
        Api::ApiVersions => Some(behind_versions(frame, body + ERROR_CODE_BYTES, is_flexible)),
        Api::OffsetDelete => Some(body + ERROR_CODE_BYTES),
        Api::DescribeQuorum => None,
        api => (to.version >= first_version(api)).then_some(body),
    }
}

/// The first version whose answer has a throttle time, which is then the first thing that it says.
fn first_version(api: Api) -> i16 {
    match api {
        Api::Metadata | Api::OffsetCommit | Api::OffsetFetch => 3,
        Api::ListOffsets | Api::JoinGroup | Api::OffsetForLeaderEpoch | Api::CreateTopics => 2,
        Api::Fetch
        | Api::FindCoordinator
        | Api::Heartbeat
        | Api::LeaveGroup
        | Api::SyncGroup
        | Api::DescribeGroups
        | Api::ListGroups
        | Api::DeleteTopics => 1,
        _ => 0,
    }
}

/// Behind the list of APIs, each of three numbers of two bytes.
fn behind_versions(frame: &[u8], at: usize, is_flexible: bool) -> usize {
    const ROW_BYTES: usize = 6;
    if !is_flexible {
        let count = frame[at..at + 4].iter().fold(0, |count, byte| count << 8 | usize::from(*byte));
        return at + 4 + count * ROW_BYTES;
    }
    let mut count = 0;
    let mut end = at;
    for shift in (0..).step_by(7) {
        count |= usize::from(frame[end] & 0x7f) << shift;
        end += 1;
        if frame[end - 1] & 0x80 == 0 {
            break;
        }
    }
    // Compact lengths are one more than what they count, and each row ends with its tagged fields.
    end + (count - 1) * (ROW_BYTES + 1)
}

#[cfg(test)]
#[path = "throttle_test.rs"]
mod tests;
