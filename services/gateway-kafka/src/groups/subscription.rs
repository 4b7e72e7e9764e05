//! What consumers say in JoinGroup, as far as it matters here: the topics that they subscribe to.

use bytes::Buf;

use super::machine::Group;

/// The protocol type whose metadata is known here.
pub(super) const CONSUMER: &str = "consumer";

impl Group {
    /// Whether some member subscribes to a topic. Of a consumer whose metadata is not understood, anything is believed.
    pub(super) fn is_subscribed(&self, topic: &str) -> bool {
        let members = self.membership.members.values();
        let mut spoken = members.flat_map(|member| member.protocols.iter().map(|protocol| &protocol.metadata[..]));
        spoken.any(|metadata| subscribes(metadata, topic).unwrap_or(true))
    }
}

/// Whether a `ConsumerProtocolSubscription` names a topic; `None` when the bytes are none. Of all versions the beginning
/// is the same: a version, then an array of strings.
fn subscribes(mut metadata: &[u8], topic: &str) -> Option<bool> {
    metadata.try_get_i16().ok()?;
    let count = metadata.try_get_i32().ok()?;
    let mut is_named = false;
    // Ends with the bytes, whatever the count says.
    for _ in 0..count {
        let length = usize::try_from(metadata.try_get_i16().ok()?).ok()?;
        let name = metadata.get(..length)?;
        is_named |= name == topic.as_bytes();
        metadata.advance(length);
    }
    Some(is_named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_found_and_nonsense_is_not_trusted() {
        let mut metadata = vec![0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c'];
        metadata.extend_from_slice(b"what later versions add");
        assert_eq!(subscribes(&metadata, "bc"), Some(true));
        assert_eq!(subscribes(&metadata, "b"), Some(false));
        assert_eq!(subscribes(&metadata[..12], "a"), None);
        assert_eq!(subscribes(&[0, 0, 0x7f, 0xff, 0xff, 0xff], "a"), None);
        assert_eq!(subscribes(&[0, 0, 0, 0, 0, 1, 0xff, 0xff], "a"), None);
        assert_eq!(subscribes(b"", "a"), None);
    }
}
