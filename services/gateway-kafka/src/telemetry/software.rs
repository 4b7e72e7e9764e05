//! What the client at the other end of a connection is, as far as it has said so in ApiVersions.

use std::sync::Arc;

use parking_lot::Mutex;
use tidelog_kafka_wire::messages::ApiVersionsRequest;

/// Bytes of a name or a version that are remembered; what is longer is not.
const SOFTWARE_BYTES_MAX: usize = 128;

/// Name and version.
pub(super) type Said = (Arc<str>, Arc<str>);

/// The software of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Software(Arc<Mutex<Option<Said>>>);

impl Software {
    /// Takes them from a request that is valid.
    pub(crate) fn note(&self, request: &ApiVersionsRequest) {
        let (name, version) = (request.client_software_name.as_str(), request.client_software_version.as_str());
        if name.len() <= SOFTWARE_BYTES_MAX && version.len() <= SOFTWARE_BYTES_MAX {
            *self.0.lock() = Some((name.into(), version.into()));
        }
    }

    /// Name and version, once they were said.
    pub(super) fn get(&self) -> Option<Said> {
        self.0.lock().clone()
    }
}
