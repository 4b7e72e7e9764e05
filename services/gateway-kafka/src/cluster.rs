//! Requests about the cluster itself: ApiVersions, DescribeCluster, FindCoordinator. There is one node, so the answers name
//! it.

use std::collections::BTreeSet;

use tidelog_kafka_wire::messages::api_versions_response::ApiVersion;
use tidelog_kafka_wire::messages::describe_cluster_response::DescribeClusterBroker;
use tidelog_kafka_wire::messages::find_coordinator_response::Coordinator;
use tidelog_kafka_wire::messages::{
    ApiVersionsRequest, ApiVersionsResponse, DescribeClusterRequest, DescribeClusterResponse, FindCoordinatorRequest,
    FindCoordinatorResponse,
};
use tidelog_kafka_wire::{
    ADVERTISED, Api, EncodeFailed, ErrorCode, RequestHeader, StrBytes, encode_response_at, message,
};

use crate::connection::{Answer, Peer};
use crate::features;
use crate::gateway::Shared;

/// Operations on the cluster, as bits: create, alter, describe, cluster action, describe and alter configs, idempotent
/// write. Nobody is refused any of them yet.
pub(crate) const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;
/// Operations on a topic, as bits: read, write, create, delete, alter, describe, describe and alter configs.
pub(crate) const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;

/// Since which version clients say what they are.
const SOFTWARE_FROM_VERSION: i16 = 3;

const ENDPOINT_BROKERS: i8 = 1;
const ENDPOINT_CONTROLLERS: i8 = 2;
const COORDINATOR_GROUP: i8 = 0;
const COORDINATOR_TRANSACTION: i8 = 1;

pub(crate) fn api_versions(peer: &Peer, header: &RequestHeader, request: &ApiVersionsRequest) -> ApiVersionsResponse {
    if header.version >= SOFTWARE_FROM_VERSION {
        let is_valid =
            is_software_name(&request.client_software_name) && is_software_name(&request.client_software_version);
        if !is_valid {
            return versions(ErrorCode::InvalidRequest);
        }
        peer.software.note(request);
    }
    let mut response = versions(ErrorCode::None);
    features::tell(header.version, &mut response);
    response
}

/// To a version that is too new: version 0, which everyone can read, with the versions of this API, so that the client knows
/// what to send next (KIP-511).
pub(crate) fn unsupported_api_versions(correlation_id: i32) -> Result<Answer, EncodeFailed> {
    let response = versions(ErrorCode::UnsupportedVersion);
    Ok(Answer::Frame(vec![encode_response_at(Api::ApiVersions, 0, correlation_id, &response)?], None))
}

fn versions(error: ErrorCode) -> ApiVersionsResponse {
    let row = |row: &tidelog_kafka_wire::Advertised| {
        message!(ApiVersion { api_key: row.api.key(), min_version: row.version_min, max_version: row.version_max })
    };
    // As Kafka does: with an error comes what helps to ask again, and no more.
    let told = |row: &&tidelog_kafka_wire::Advertised| match error {
        ErrorCode::None => true,
        ErrorCode::UnsupportedVersion => row.api == Api::ApiVersions,
        _ => false,
    };
    message!(ApiVersionsResponse {
        error_code: error.code(),
        api_keys: ADVERTISED.iter().filter(told).map(row).collect()
    })
}

/// Kafka's rule: letters, digits, dots and dashes, beginning and ending with a letter or digit.
fn is_software_name(name: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    edge(name.bytes().next())
        && edge(name.bytes().last())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

pub(crate) fn describe_cluster(shared: &Shared, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    let refused = |code: ErrorCode, text: &str| {
        message!(DescribeClusterResponse { error_code: code.code(), error_message: Some(text.into()) })
    };
    match request.endpoint_type {
        ENDPOINT_BROKERS => {}
        ENDPOINT_CONTROLLERS => {
            return refused(ErrorCode::MismatchedEndpointType, "this is a broker endpoint, not a controller endpoint");
        }
        _ => return refused(ErrorCode::UnsupportedEndpointType, "no such endpoint type"),
    }
    let options = &shared.options;
    message!(DescribeClusterResponse {
        cluster_id: shared.cluster_id.as_str().into(),
        controller_id: options.broker_id(),
        brokers: vec![message!(DescribeClusterBroker {
            broker_id: options.broker_id(),
            host: options.advertised_host.as_str().into(),
            port: i32::from(options.advertised_port),
            rack: options.zone.as_deref().map(StrBytes::from),
        })],
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            CLUSTER_OPERATIONS
        } else {
            i32::MIN
        },
    })
}

/// Every group and every transactional id is coordinated here. That transactions are not offered is what InitProducerId
/// says.
pub(crate) fn find_coordinator(
    shared: &Shared,
    header: &RequestHeader,
    request: &FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let options = &shared.options;
    let known = matches!(request.key_type, COORDINATOR_GROUP | COORDINATOR_TRANSACTION);
    let error = if known { ErrorCode::None } else { ErrorCode::InvalidRequest };
    let host = StrBytes::from(options.advertised_host.as_str());
    let (node_id, host, port) = if known {
        (options.broker_id(), host, i32::from(options.advertised_port))
    } else {
        (-1, StrBytes::default(), -1)
    };
    if header.version < 4 {
        return message!(FindCoordinatorResponse {
            error_code: error.code(),
            node_id: node_id,
            host: host,
            port: port,
        });
    }
    let coordinator = |key: &StrBytes| {
        message!(Coordinator {
            key: key.clone(),
            error_code: error.code(),
            node_id: node_id,
            host: host.clone(),
            port: port,
        })
    };
    // A key of one byte is answered with all of the host's name, so each is answered once.
    let mut seen = BTreeSet::new();
    let keys = request.coordinator_keys.iter().filter(|key| seen.insert(key.as_str()));
    message!(FindCoordinatorResponse { coordinators: keys.map(coordinator).collect() })
}

/// An id as Kafka writes ids: base64 with the URL alphabet, without padding.
pub(crate) fn id_text(id: [u8; 16]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // 128 bits and four zero bits make 22 digits of six bits.
    let number = u128::from_be_bytes(id);
    (0..22)
        .map(|digit| {
            let six = if digit < 21 { number >> (122 - 6 * digit) } else { number << 4 };
            char::from(ALPHABET[(six & 63) as usize])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_kafka_writes_them() {
        assert_eq!(id_text([0; 16]), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(id_text([0xff; 16]), "_____________________w");
        let counting = std::array::from_fn(|i| i as u8);
        assert_eq!(id_text(counting), "AAECAwQFBgcICQoLDA0ODw");
    }

    #[test]
    fn operations_are_kafka_s_bits() {
        assert_eq!(CLUSTER_OPERATIONS, [5, 7, 8, 9, 10, 11, 12].map(|bit| 1 << bit).iter().sum::<i32>());
        assert_eq!(TOPIC_OPERATIONS, [3, 4, 5, 6, 7, 8, 10, 11].map(|bit| 1 << bit).iter().sum::<i32>());
    }

    #[test]
    fn software_names() {
        assert!(is_software_name("apache-kafka-java") && is_software_name("4.1.0"));
        assert!(!is_software_name("") && !is_software_name("-x") && !is_software_name("a b"));
    }
}
