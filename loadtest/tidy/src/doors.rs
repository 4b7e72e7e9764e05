//! Doors: the crates by which a heavy or loaded dependency enters, and the ones that must do without some.

use crate::workspace::{Crate, Kind};

/// A dependency and who may name it. Everybody else goes through them.
pub const DOORS: &[(&str, &[&str])] = &[
    ("object_store", &["tidelog-blob"]),
    ("reqwest", &["tidelog-blob", "tidelog"]),
    ("rustls", &["tidelog-blob", "tidelog"]),
    ("aws-config", &["tidelog-blob"]),
    ("aws-credential-types", &["tidelog-blob"]),
    ("aws-smithy-async", &["tidelog-blob"]),
    ("aws-smithy-http-client", &["tidelog-blob"]),
    ("foyer", &["tidelog-cache-nvme"]),
    ("openraft", &["tidelog-catalog-raft"]),
    ("redb", &["tidelog-catalog-raft"]),
    ("kafka-wire", &["tidelog-kafka-wire"]),
    ("kafka-wire-core", &["tidelog-kafka-wire"]),
    // To test against: it has no decode limits, which is fine for answers of servers that are our own.
    ("kafka-protocol", &["tidelog-parity"]),
    // The server takes the lock on its folder and the signals.
    ("rustix", &["tidelog-host", "tidelog-server"]),
    ("metrics-util", &["tidelog-host"]),
    // One process has one recorder.
    ("metrics-exporter-prometheus", &["tidelog-server"]),
    ("opentelemetry", &["tidelog-server"]),
    ("opentelemetry-proto", &["tidelog-server"]),
    ("opentelemetry_sdk", &["tidelog-server"]),
    ("tracing-opentelemetry", &["tidelog-server"]),
    ("prost", &["tidelog-server"]),
    ("axum", &["tidelog-gateway-http"]),
    // The server sends spans to a collector; the proxy before a store is HTTP on both sides.
    ("hyper", &["tidelog-gateway-http", "tidelog-server", "tidelog-store-proxy", "tidelog-bench"]),
    ("hyper-util", &["tidelog-gateway-http", "tidelog-server", "tidelog-store-proxy", "tidelog-bench"]),
    ("http-body", &["tidelog-gateway-http"]),
    ("http-body-util", &["tidelog-gateway-http", "tidelog-server", "tidelog-store-proxy", "tidelog-bench"]),
    ("tower", &["tidelog-gateway-http"]),
    ("tower-http", &["tidelog-gateway-http"]),
    ("form_urlencoded", &["tidelog-gateway-http"]),
    ("base64", &["tidelog-gateway-http", "tidelog", "tidelog-clients"]),
    ("utoipa", &["tidelog-http-api", "tidelog-gateway-http"]),
    ("utoipa-axum", &["tidelog-gateway-http"]),
    ("arrow-array", &["tidelog-gateway-http"]),
    ("arrow-buffer", &["tidelog-gateway-http"]),
    ("arrow-ipc", &["tidelog-gateway-http"]),
    ("arrow-schema", &["tidelog-gateway-http"]),
    ("flatbuffers", &["tidelog-gateway-http"]),
    ("socket2", &["tidelog-gateway-kafka", "tidelog-gateway-http"]),
    ("figment", &["tidelog-server"]),
    ("tracing-subscriber", &["tidelog-server"]),
    (
        "clap",
        &[
            "tidelog-server",
            "tidelog-cli",
            "tidelog-clients",
            "tidelog-bench",
            "tidelog-fuzz",
            "tidelog-loadgen",
            "tidelog-compare",
            "tidelog-store-proxy",
            "tidelog-microbench",
        ],
    ),
    ("clap_complete", &["tidelog-cli"]),
    ("criterion", &["tidelog-microbench"]),
    ("dhat", &["tidelog-server"]),
    ("inferno", &["tidelog-bench"]),
    ("mimalloc", &["tidelog-server"]),
    ("indicatif", &["tidelog-cli", "tidelog-loadgen"]),
    ("rdkafka", &["tidelog-clients", "tidelog-bench", "tidelog-loadgen"]),
    ("rskafka", &["tidelog-clients"]),
    // Errors without a kind are for programs, not for libraries.
    // The example of catalog-raft is a program.
    (
        "anyhow",
        &[
            "tidelog-server",
            "tidelog-clients",
            "tidelog-bench",
            "tidelog-fuzz",
            "tidelog-parity",
            "tidelog-loadgen",
            "tidelog-compare",
            "tidelog-catalog-raft",
            // Its program; the library has its own.
            "tidelog-store-proxy",
        ],
    ),
    // Domain types are not serialisable by accident: layouts are written by hand in `format`.
    // What is said over HTTP has types of its own, in `http-api`.
    (
        "serde",
        &[
            "tidelog-server",
            "tidelog-history",
            "tidelog-clients",
            // Workloads and results.
            "tidelog-bench",
            "tidelog-loadgen",
            // Scenarios and results.
            "tidelog-compare",
            "tidelog-tidy",
            "tidelog-http-api",
            "tidelog-gateway-http",
            // The other side of the same JSON.
            "tidelog",
            "tidelog-cli",
            // What is said at its control address.
            "tidelog-store-proxy",
        ],
    ),
];

/// Only tests may use these, whoever they are.
pub const TESTS_ONLY: &[&str] = &["proptest", "tempfile", "kafka-protocol"];

/// Crates that put up test servers, so what others use in tests is what they ship.
const TEST_CRATES: &[&str] =
    &["tidelog-clients", "tidelog-bench", "tidelog-parity", "tidelog-fuzz", "tidelog-loadgen", "tidelog-compare"];

/// A crate and what it must not know, tests excepted.
pub const UNKNOWN: &[(&str, &[&str])] = &[
    ("tidelog-model", &["tokio", "futures", "serde", "tracing", "metrics"]),
    ("tidelog-format", &["tokio", "futures", "serde", "tracing"]),
    ("tidelog-catalog-api", &["tokio", "tracing"]),
    ("tidelog-catalog", &["tokio", "futures", "tracing", "metrics", "parking_lot", "rand"]),
    ("tidelog-access", &["tokio", "futures", "tracing"]),
    ("tidelog-kafka-wire", &["tokio", "futures", "tracing"]),
    ("tidelog-http-api", &["tokio", "futures", "tracing"]),
    ("tidelog-verify", &["anyhow", "libc", "serde"]),
];

/// Every dependency that enters by a wrong door.
#[must_use]
pub fn complaints(crates: &[Crate]) -> Vec<String> {
    let mut found = Vec::new();
    for one in crates {
        for dependency in &one.dependencies {
            let name = dependency.name.as_str();
            let door = DOORS.iter().find(|(heavy, _)| *heavy == name);
            if let Some((_, doors)) = door.filter(|(_, doors)| !doors.contains(&one.name.as_str())) {
                found.push(format!("{} depends on {name}, which enters by {} only", one.name, doors.join(", ")));
            }
            let shipped = dependency.kind == Kind::Shipped;
            if shipped && TESTS_ONLY.contains(&name) && !TEST_CRATES.contains(&one.name.as_str()) {
                found.push(format!("{} ships {name}, which is for tests only", one.name));
            }
            let unknown = UNKNOWN.iter().any(|(who, what)| *who == one.name && what.contains(&name));
            if shipped && unknown {
                found.push(format!("{} must not know {name}", one.name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn check(name: &str, on: &str, kind: Kind) -> usize {
        let dependencies = vec![Dependency { name: on.to_owned(), kind, inherited: true }];
        complaints(&[Crate { name: name.to_owned(), dependencies, inherits_lints: true, files: Vec::new() }]).len()
    }

    #[test]
    fn the_door_is_open_to_one() {
        assert_eq!(check("tidelog-blob", "object_store", Kind::Shipped), 0);
        assert_eq!(check("tidelog-ingest", "object_store", Kind::Shipped), 1);
        assert_eq!(check("tidelog-ingest", "object_store", Kind::Tests), 1);
    }

    #[test]
    fn tests_may_know_more() {
        assert_eq!(check("tidelog-catalog", "tokio", Kind::Shipped), 1);
        assert_eq!(check("tidelog-catalog", "tokio", Kind::Tests), 0);
        assert_eq!(check("tidelog-catalog", "proptest", Kind::Shipped), 1);
        assert_eq!(check("tidelog-catalog", "proptest", Kind::Tests), 0);
    }
}
