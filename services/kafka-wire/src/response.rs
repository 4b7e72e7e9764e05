//! An answer becomes a frame.

use bytes::{Bytes, BytesMut};
use kafka_wire::KafkaResponse;
use kafka_wire_core::{ApiVersion, EncodeError};

use crate::{Api, RequestHeader};

/// A message that we made does not fit its version: a defect here, not of the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer to {} v{version} cannot be encoded: {source}", api.name())]
pub struct EncodeFailed {
    /// What was asked.
    pub api: Api,
    /// In which version.
    pub version: i16,
    /// What the codec says.
    pub source: EncodeError,
}

/// The whole frame of an answer, length field included.
///
/// # Errors
/// [`EncodeFailed`] when a field is set that the version does not have, or a string is too long.
pub fn encode_response<M: KafkaResponse>(to: &RequestHeader, message: &M) -> Result<Bytes, EncodeFailed> {
    assert_eq!(M::API_KEY.value(), to.api.key(), "an answer goes to a request of its own kind");
    encode_response_at(to.api, to.version, to.correlation_id, message)
}

/// As [`encode_response`], in a version of choice: an ApiVersions that is too new is answered in version 0.
///
/// # Errors
/// As [`encode_response`].
pub fn encode_response_at<M: KafkaResponse>(
    api: Api,
    version: i16,
    correlation_id: i32,
    message: &M,
) -> Result<Bytes, EncodeFailed> {
    let failed = |source| EncodeFailed { api, version, source };
    let kafka_version = ApiVersion::new(version);
    let mut out = BytesMut::with_capacity(512);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&correlation_id.to_be_bytes());
    if header_is_flexible(api, version) {
        out.extend_from_slice(&[0]); // No tagged fields.
    }
    message.encode_into(&mut out, kafka_version).map_err(failed)?;
    let bytes = out.len() - 4;
    let length = i32::try_from(bytes).map_err(|_| failed(EncodeError::FrameTooLarge { bytes }))?;
    out[..4].copy_from_slice(&length.to_be_bytes());
    Ok(out.freeze())
}

/// Whether the response header has tagged fields. That of ApiVersions never does, so that a client that does not know yet
/// what the server speaks can read it (KIP-511).
pub(crate) fn header_is_flexible(api: Api, version: i16) -> bool {
    api != Api::ApiVersions && api.advertised().is_flexible(version)
}
