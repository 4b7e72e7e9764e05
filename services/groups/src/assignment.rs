//! What consumers get in SyncGroup, as far as people want to see it: the partitions that each of them reads.

use bytes::Buf;

/// The topics of a `ConsumerProtocolAssignment` with their partitions; none for nothing. `None` when the bytes are no such thing. Of
/// all versions the beginning is the same: a version, then an array of strings with arrays of numbers.
#[must_use]
pub fn assigned(mut assignment: &[u8]) -> Option<Vec<(&str, Vec<u32>)>> {
    let mut topics = Vec::new();
    if assignment.is_empty() {
        return Some(topics);
    }
    assignment.try_get_i16().ok()?;
    let count = assignment.try_get_i32().ok()?;
    // Ends with the bytes, whatever the counts say.
    for _ in 0..count {
        let length = usize::try_from(assignment.try_get_i16().ok()?).ok()?;
        let (name, rest) = assignment.split_at_checked(length)?;
        assignment = rest;
        let count = usize::try_from(assignment.try_get_i32().ok()?).ok()?;
        let (numbers, rest) = assignment.split_at_checked(count.checked_mul(size_of::<i32>())?)?;
        assignment = rest;
        let partitions =
            numbers.as_chunks::<4>().0.iter().map(|number| u32::try_from(i32::from_be_bytes(*number)).ok());
        topics.push((std::str::from_utf8(name).ok()?, partitions.collect::<Option<Vec<_>>>()?));
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_found_and_nonsense_is_not_trusted() {
        let mut bytes = vec![0, 1, 0, 0, 0, 2, 0, 1, b'a', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7];
        bytes.extend_from_slice(&[0, 2, b'b', b'c', 0, 0, 0, 0]);
        let expected = Some(vec![("a", vec![0, 7]), ("bc", vec![])]);
        assert_eq!(assigned(&bytes), expected);
        for cut in 1..bytes.len() {
            assert_eq!(assigned(&bytes[..cut]), None, "{cut}");
        }
        bytes.extend_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        assert_eq!(assigned(&bytes), expected, "what the assignor adds is its own");
        assert_eq!(assigned(b""), Some(vec![]));
        assert_eq!(assigned(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(assigned(&[0, 0, 0, 0, 0, 1, 0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(assigned(&[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0]), None, "a partition is not negative");
    }
}
