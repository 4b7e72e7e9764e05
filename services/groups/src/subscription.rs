//! What consumers say in JoinGroup, as far as it matters here: the topics that they subscribe to.

use std::collections::BTreeSet;

use bytes::Buf;

use super::machine::Group;

/// The protocol type whose metadata is known here.
pub const CONSUMER: &str = "consumer";

impl Group {
    /// The topics that members subscribe to, in any of their protocols. `None` for anything: there is a member whose
    /// metadata is not understood.
    pub(super) fn subscribed(&self) -> Option<BTreeSet<&[u8]>> {
        let members = self.membership.members.values();
        let spoken = members.flat_map(|member| member.protocols.iter().map(|protocol| &protocol.metadata[..]));
        let mut topics = BTreeSet::new();
        for metadata in spoken {
            read_topics(metadata, &mut topics)?;
        }
        Some(topics)
    }
}

/// Adds the topics of a `ConsumerProtocolSubscription`; `None` when the bytes are none. Of all versions the beginning is
/// the same: a version, then an array of strings.
fn read_topics<'a>(mut metadata: &'a [u8], topics: &mut BTreeSet<&'a [u8]>) -> Option<()> {
    metadata.try_get_i16().ok()?;
    let count = metadata.try_get_i32().ok()?;
    // Ends with the bytes, whatever the count says.
    for _ in 0..count {
        let length = usize::try_from(metadata.try_get_i16().ok()?).ok()?;
        let (name, rest) = metadata.split_at_checked(length)?;
        topics.insert(name);
        metadata = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_found_and_nonsense_is_not_trusted() {
        let mut metadata = vec![0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c'];
        metadata.extend_from_slice(b"what later versions add");
        let topics = |metadata: &[u8]| {
            let mut topics = BTreeSet::new();
            read_topics(metadata, &mut topics)?;
            Some(topics.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>())
        };
        assert_eq!(topics(&metadata), Some(vec![b"a".to_vec(), b"bc".to_vec()]));
        assert_eq!(topics(&metadata[..12]), None);
        assert_eq!(topics(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(topics(&[0, 0, 0, 0, 0, 1, 0xff, 0xff]), None);
        assert_eq!(topics(b""), None);
    }
}
