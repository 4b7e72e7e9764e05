//! The layers: which crate may depend on which. A new edge is a design change and is made here, on purpose.

use crate::workspace::{Crate, Kind};

/// From the bottom up; a crate depends only on crates of earlier rows. Names without the `tidelog-` in front.
pub const LAYERS: &[&[&str]] = &[
    &["model", "http-api", "console", "history", "schemas", "verify", "tidy"],
    // What users of the SDK get has no crate of ours behind it; its tests compare with what the server says.
    &["host", "format", "kafka-wire", "tidelog"],
    &["blob", "catalog-api", "cli", "store-proxy"],
    &["cache", "catalog"],
    &["cache-nvme", "catalog-raft"],
    &["ingest", "fetch", "access", "groups"],
    &["topic-configs"],
    &["gateway-kafka", "gateway-http"],
    &["node"],
    &["server"],
    &["clients", "bench", "fuzz", "microbench"],
    &["parity", "loadgen"],
    &["compare"],
];

/// What each crate may ship with. Its tests may use anything of a lower layer.
pub const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("host", &["model"]),
    ("format", &["model"]),
    ("blob", &["model", "host", "format"]),
    ("cache", &["model", "host", "blob"]),
    ("cache-nvme", &["model", "host", "cache"]),
    ("catalog-api", &["model", "format"]),
    ("catalog", &["model", "format", "catalog-api"]),
    ("catalog-raft", &["model", "host", "format", "catalog-api", "catalog"]),
    // Write path and read path do not know each other, nor any protocol.
    ("ingest", &["model", "host", "format", "blob", "cache", "catalog-api"]),
    ("fetch", &["model", "host", "format", "blob", "cache", "catalog-api"]),
    ("kafka-wire", &["model"]),
    // What may be done is the same whatever door it is asked at.
    ("access", &["model", "catalog-api"]),
    // Groups are the same whatever door asks for them.
    ("groups", &["model", "host", "catalog-api"]),
    // What a topic asks of its records is told to the write path, whatever the door.
    ("topic-configs", &["model", "format", "catalog-api", "ingest"]),
    // A gateway knows no store and no Raft.
    (
        "gateway-kafka",
        &[
            "model",
            "host",
            "format",
            "catalog-api",
            "ingest",
            "fetch",
            "access",
            "groups",
            "topic-configs",
            "kafka-wire",
        ],
    ),
    (
        "gateway-http",
        &[
            "model",
            "host",
            "format",
            "catalog-api",
            "ingest",
            "fetch",
            "access",
            "groups",
            "topic-configs",
            "http-api",
            "console",
        ],
    ),
    // What is said over HTTP, which clients know too.
    ("http-api", &[]),
    // Pages for people, as bytes.
    ("console", &[]),
    (
        "node",
        &[
            "model",
            "host",
            // Where an object's key comes from.
            "format",
            "blob",
            "cache",
            "cache-nvme",
            "catalog-api",
            "catalog-raft",
            "ingest",
            "fetch",
            "groups",
            // What clients have used is one account for all doors.
            "access",
            "gateway-kafka",
            "gateway-http",
        ],
    ),
    // Clients know a server by what it says only.
    ("tidelog", &[]),
    ("cli", &["tidelog"]),
    ("server", &["model", "host", "node", "cli"]),
    ("history", &[]),
    ("schemas", &[]),
    ("clients", &["history"]),
    ("bench", &[]),
    // Knows what S3 says, not who says it.
    ("store-proxy", &["host"]),
    // Starts servers as the tests with real clients do.
    ("parity", &["clients"]),
    ("loadgen", &["model", "format", "clients", "store-proxy"]),
    // Starts servers as the tests with real clients do, and feeds them as the load generator does.
    ("compare", &["clients", "loadgen"]),
    // Feeds noise to everything that decodes, and to a node.
    ("fuzz", &["model", "host", "format", "catalog", "catalog-api", "kafka-wire", "gateway-http", "node", "schemas"]),
    // Calls single steps of the paths.
    ("microbench", &["model", "format", "catalog", "catalog-api", "kafka-wire"]),
    ("verify", &[]),
    ("tidy", &[]),
];

/// Every edge that the tables do not allow, and every crate they do not know.
#[must_use]
pub fn complaints(crates: &[Crate]) -> Vec<String> {
    let mut found = Vec::new();
    for one in crates {
        let name = short(&one.name);
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            found.push(format!("{} is in no layer: give it a place in tidy's layers", one.name));
            continue;
        };
        for dependency in one.dependencies.iter().filter(|dependency| is_ours(&dependency.name)) {
            let on = short(&dependency.name);
            if dependency.kind == Kind::Shipped && !allowed.contains(&on) {
                found.push(format!("{name} must not depend on {on}"));
            }
            if layer(on) >= layer(name) {
                found.push(format!("{name} must not depend on {on}, not even in tests: it is not in a lower layer"));
            }
        }
    }
    found
}

const PREFIX: &str = "tidelog-";
/// The SDK, which has the name that its users look for.
const SDK: &str = "tidelog";

fn is_ours(name: &str) -> bool {
    name == SDK || name.starts_with(PREFIX)
}

fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// The row of `name`; crates without one lie above all.
fn layer(name: &str) -> usize {
    LAYERS.iter().position(|row| row.contains(&name)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn check(name: &str, on: &str, kind: Kind) -> usize {
        let dependencies = vec![Dependency { name: format!("tidelog-{on}"), kind, inherited: true }];
        let one = Crate { name: format!("tidelog-{name}"), dependencies, inherits_lints: true, files: Vec::new() };
        complaints(&[one]).len()
    }

    #[test]
    fn allowed_edges_pass() {
        assert_eq!(check("ingest", "blob", Kind::Shipped), 0);
        assert_eq!(check("gateway-kafka", "blob", Kind::Tests), 0);
        assert_eq!(check_sdk("tidelog-cli"), 0);
    }

    #[test]
    fn other_edges_are_named() {
        assert_eq!(check("gateway-kafka", "blob", Kind::Shipped), 1);
        assert_eq!(check("ingest", "fetch", Kind::Tests), 1);
        assert_eq!(check("model", "server", Kind::Shipped), 2);
        assert_eq!(check("stranger", "model", Kind::Shipped), 1);
        assert_eq!(check_sdk("tidelog-node"), 1);
    }

    /// Of a crate that ships with the SDK.
    fn check_sdk(name: &str) -> usize {
        let dependencies = vec![Dependency { name: SDK.to_owned(), kind: Kind::Shipped, inherited: true }];
        complaints(&[Crate { name: name.to_owned(), dependencies, inherits_lints: true, files: Vec::new() }]).len()
    }

    #[test]
    fn the_two_tables_agree() {
        for (name, allowed) in ALLOWED {
            assert!(layer(name) < usize::MAX, "{name} has no layer");
            for on in *allowed {
                assert!(layer(on) < layer(name), "{name} -> {on} does not point down");
            }
        }
    }
}
