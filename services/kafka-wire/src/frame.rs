//! The first bytes of a frame, and what they must satisfy before a buffer is made for the rest.

use tidelog_model::limits::FRAME_BYTES_MAX;

use crate::Api;

/// Bytes that decide whether the rest of a frame is read: its length, API key and version.
pub const FRAME_PREFIX_BYTES: usize = 8;
/// Largest frame of an API other than Produce. Their messages unfold in memory to a multiple of their length, so they are
/// held shorter: this is 100,000 partitions with room to spare.
pub const CONTROL_FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// API key, version and correlation id.
const FRAME_BYTES_MIN: usize = 8;

const _: () = assert!(CONTROL_FRAME_BYTES_MAX < FRAME_BYTES_MAX);

/// What the first bytes of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePrefix {
    /// Bytes of the frame after the length field.
    pub bytes: usize,
    /// As sent; may be one that is not offered.
    pub api_key: i16,
    /// As sent.
    pub api_version: i16,
}

/// Why a frame is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Too short for any request, or negative.
    #[error("frame length {0} is too short for a request")]
    TooShort(i32),
    /// Over what its API may send.
    #[error("frame of {bytes} bytes is over the maximum of {bytes_max} for api key {api_key}")]
    TooLong {
        /// As announced.
        bytes: usize,
        /// Allowed.
        bytes_max: usize,
        /// As sent.
        api_key: i16,
    },
    /// The API is not offered.
    #[error("api key {0} is not offered")]
    UnknownApi(i16),
}

/// Judges a frame by its first bytes.
///
/// # Errors
/// The connection cannot go on after any of them.
pub fn check_frame(prefix: [u8; FRAME_PREFIX_BYTES]) -> Result<FramePrefix, FrameError> {
    let [a, b, c, d, e, f, g, h] = prefix;
    let length = i32::from_be_bytes([a, b, c, d]);
    let api_key = i16::from_be_bytes([e, f]);
    let bytes = usize::try_from(length).map_err(|_| FrameError::TooShort(length))?;
    if bytes < FRAME_BYTES_MIN {
        return Err(FrameError::TooShort(length));
    }
    let api = Api::from_key(api_key).ok_or(FrameError::UnknownApi(api_key))?;
    let bytes_max = if api == Api::Produce { FRAME_BYTES_MAX } else { CONTROL_FRAME_BYTES_MAX };
    if bytes > bytes_max {
        return Err(FrameError::TooLong { bytes, bytes_max, api_key });
    }
    Ok(FramePrefix { bytes, api_key, api_version: i16::from_be_bytes([g, h]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(length: i32, api_key: i16) -> Result<usize, FrameError> {
        let mut prefix = [0; FRAME_PREFIX_BYTES];
        prefix[..4].copy_from_slice(&length.to_be_bytes());
        prefix[4..6].copy_from_slice(&api_key.to_be_bytes());
        check_frame(prefix).map(|prefix| prefix.bytes)
    }

    #[test]
    fn lengths_are_judged_before_anything_is_allocated() {
        assert_eq!(check(8, 0), Ok(8));
        assert_eq!(check(FRAME_BYTES_MAX as i32, 0), Ok(FRAME_BYTES_MAX));
        assert!(matches!(check(FRAME_BYTES_MAX as i32 + 1, 0), Err(FrameError::TooLong { .. })));
        assert!(matches!(check(CONTROL_FRAME_BYTES_MAX as i32 + 1, 3), Err(FrameError::TooLong { .. })));
        assert_eq!(check(7, 0), Err(FrameError::TooShort(7)));
        assert_eq!(check(-1, 0), Err(FrameError::TooShort(-1)));
        assert!(matches!(check(i32::MAX, 18), Err(FrameError::TooLong { .. })));
        assert_eq!(check(100, 999), Err(FrameError::UnknownApi(999)));
        // An HTTP request, which is what port scanners send.
        assert!(check_frame(*b"GET / HT").is_err());
    }
}
