//! What is known to differ, and why. Each entry must be found by every run, in each version that it names; whatever else
//! differs fails the run. `docs/kafka-compatibility.md` says the same in words.

use std::ops::RangeInclusive;

use crate::compare::Unlike;

/// A reason, and everywhere that it shows.
pub struct Difference {
    /// Words of the section "Differences" in docs/kafka-compatibility.md that speak of it.
    pub documented: &'static str,
    /// Where it is seen.
    pub places: &'static [Place],
}

/// A field that differs: script, versions of it, step, field, what Tidelog has, what Kafka has. In the last four `*` stands for
/// anything.
#[derive(Clone, Debug)]
pub struct Place(
    pub &'static str,
    pub RangeInclusive<i16>,
    pub &'static str,
    pub &'static str,
    pub &'static str,
    pub &'static str,
);

/// All of them.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        documented: "Which versions are offered is in the table above",
        places: &[Place("versions", 0..=4, "table", "api_keys[*]", "absent", "present")],
    },
    Difference {
        documented: "Each of Kafka's features has one level here",
        places: &[
            Place("versions", 3..=4, "table", "supported_features[metadata.version].min_version", "30", "7"),
            Place("versions", 4..=4, "table", "supported_features[*].max_version", "0", "*"),
            Place("versions", 3..=4, "table", "finalized_features[*]", "absent", "present"),
            Place("versions", 3..=4, "table", "finalized_features_epoch", "0", "*"),
            Place("features", 0..=2, "the newer group protocol", "*", "*", "*"),
        ],
    },
    Difference {
        documented: "Offsets of groups are kept in the catalog, so there is no topic `__consumer_offsets`",
        places: &[Place("all topics", 0..=13, "all", "topics[__consumer_offsets]", "absent", "present")],
    },
    Difference {
        documented: "A topic repeated in Metadata, a key in FindCoordinator and a partition in OffsetFetch are answered once",
        places: &[Place("coordinator", 4..=6, "of one group twice", "coordinators[1]", "absent", "present")],
    },
    Difference {
        documented: "A topic that Metadata creates is in the answer to the same request",
        places: &[
            Place("auto-create", 0..=13, "first", "topics[topic].error_code", "0", "3"),
            Place("auto-create", 0..=13, "first", "topics[topic].partitions[0]", "present", "absent"),
            Place("auto-create", 10..=13, "first", "topics[topic].topic_id", "<topic topic>", "00000000-*"),
        ],
    },
    Difference {
        documented: "An id beside the name of a topic is not looked at before version 12",
        places: &[Place("metadata", 10..=11, "by id too early", "*", "*", "*")],
    },
    Difference {
        documented: "A topic without name and id is unknown (Kafka fails)",
        places: &[Place("metadata", 12..=13, "by neither", "*", "*", "*")],
    },
    Difference {
        documented: "CreateTopics that only validates gives no topic id",
        places: &[Place("create", 7..=7, "only validate", "topics[topic].topic_id", "00000000-*", "<topic topic>")],
    },
    Difference {
        documented: "`min.insync.replicas` is shown as a default, where Kafka shows a setting of the cluster",
        places: &[
            Place("create", 5..=7, "*", "topics[*].configs[min.insync.replicas].config_source", "5", "3"),
            Place(
                "create refused",
                5..=7,
                "one twice",
                "topics[other].configs[min.insync.replicas].config_source",
                "5",
                "3",
            ),
            Place("describe configs", 1..=4, "*", "results[0].configs[min.insync.replicas].config_source", "5", "3"),
        ],
    },
    Difference {
        documented: "A batch that is refused is answered without the partition's first offset",
        places: &[
            Place("produce refused", 5..=13, "*", "*.log_start_offset", "-1", "0"),
            Place("produce compacted", 5..=13, "*", "*.log_start_offset", "-1", "0"),
            Place("idempotent", 5..=13, "*", "*.log_start_offset", "-1", "0"),
        ],
    },
    Difference {
        documented: "Bytes behind the last whole batch of a partition refuse all of it (Kafka drops them)",
        places: &[Place("produce refused", 3..=13, "a batch and a half", "*", "*", "*")],
    },
    Difference {
        documented: "A codec that does not exist is `INVALID_RECORD` (Kafka fails)",
        places: &[Place("produce refused", 3..=13, "a codec that is none", "*.error_code", "87", "-1")],
    },
    Difference {
        documented: "A batch that is appended already is answered without a time unless the topic stamps its records",
        places: &[Place("idempotent", 3..=13, "sequence * again", "*.log_append_time_ms", "-1", "17*")],
    },
    Difference {
        documented: "A batch that begins before what is expected and is not remembered gets `DUPLICATE_SEQUENCE_NUMBER`",
        places: &[Place("idempotent", 3..=13, "sequence 0, but shorter", "*.error_code", "46", "45")],
    },
    Difference {
        documented: "A producer id without an epoch is `INVALID_RECORD`",
        places: &[Place("idempotent", 3..=13, "an epoch below 0", "*.error_code", "87", "47")],
    },
    Difference {
        documented: "producer is not known and does not begin at 0 (Kafka accepts the latter)",
        places: &[
            Place("idempotent", 3..=13, "another partition from the middle", "*.error_code", "45", "0"),
            Place("idempotent", 3..=13, "another partition from the middle", "*", "*", "*"),
        ],
    },
    Difference {
        documented: "Fetch never lists aborted transactions: the list is null where Kafka's is empty",
        places: &[
            Place("fetch", 4..=18, "*", "*.aborted_transactions", "null", "[]"),
            Place("fetch session", 7..=18, "*", "*.aborted_transactions", "null", "[]"),
        ],
    },
    Difference {
        documented: "A full Fetch that names no partition begins no fetch session",
        places: &[Place("fetch session", 7..=18, "a session of nothing", "session_id", "0", "<session *")],
    },
    Difference {
        documented: "An isolation level that does not exist is read as uncommitted (Kafka fails)",
        places: &[Place("fetch", 4..=18, "another isolation", "*", "*", "*")],
    },
    Difference {
        documented: "The epoch that a reader fetched last is not compared",
        places: &[Place("fetch", 12..=18, "last fetched in a newer epoch", "*", "*", "*")],
    },
    Difference {
        documented: "A negative offset is not committed: it is `INVALID_REQUEST` (Kafka keeps it)",
        places: &[Place("commit", 2..=10, "commit of -*", "*.error_code", "42", "0")],
    },
    Difference {
        documented: "A commit of a generation to a group without members is `ILLEGAL_GENERATION`",
        places: &[
            Place("commit", 2..=10, "commit of a generation*", "*.error_code", "22", "25"),
            Place("commit", 9..=9, "commit of a generation to no group", "*.error_code", "22", "69"),
        ],
    },
    Difference {
        documented: "There are no share groups: FindCoordinator refuses keys of their kind with `INVALID_REQUEST`",
        places: &[Place("coordinator", 6..=6, "of a share partition", "*", "*", "*")],
    },
    Difference {
        documented: "A group that never had members is gone with its last offset",
        places: &[Place("delete offsets", 0..=0, "of one again", "*", "*", "*")],
    },
    Difference {
        documented: "one that is named twice is described once",
        places: &[Place("describe configs", 1..=4, "of a topic twice", "results[1]", "absent", "present")],
    },
    Difference {
        documented: "DescribeConfigs shows those of Kafka's that mean something here, all read-only",
        places: &[
            Place("describe configs", 1..=4, "of a broker", "results[0].configs[*].config_source", "4", "5"),
            Place(
                "describe configs",
                1..=4,
                "of a broker",
                "results[0].configs[message.max.bytes].read_only",
                "true",
                "false",
            ),
        ],
    },
    Difference {
        documented: "An operation on a setting that does not exist is `INVALID_REQUEST` (Kafka fails)",
        places: &[Place("change configs", 0..=1, "no operation", "*.error_code", "42", "-1")],
    },
    Difference {
        documented: "A pattern is a regular expression without look-around and backreferences, which Kafka has",
        places: &[Place("metrics subscriptions", 0..=1, "look-around", "*", "*", "*")],
    },
    Difference {
        documented: "ElectLeaders for all partitions names none, since none needs an election",
        places: &[Place("elect", 0..=2, "everything", "replica_election_results[*]", "absent", "present")],
    },
    Difference {
        documented: "A cursor that names a topic which is not asked for is taken for its place in the order",
        places: &[Place("topic partitions", 0..=0, "from a topic that is not asked for", "topics[b]*", "*", "*")],
    },
    Difference {
        documented: "with an error come the operations as well",
        places: &[Place(
            "topic partitions",
            0..=0,
            "a cursor below 0",
            "topics[a].topic_authorized_operations",
            "3576",
            "-2147483648",
        )],
    },
    Difference {
        documented: "DescribeProducers tells of 200,000 producers at a time and does not say when a producer wrote last",
        places: &[Place("producers", 0..=0, "of a partition", "*.last_timestamp", "-1", "17*")],
    },
    Difference {
        documented: "DescribeQuorum shows the catalog's log as `__cluster_metadata`",
        places: &[
            Place("quorum", 0..=2, "of the metadata", "topics[0].partitions[0].leader_epoch", "*", "*"),
            Place("quorum", 0..=2, "of the metadata", "topics[0].partitions[0].high_watermark", "*", "*"),
            Place("quorum", 2..=2, "of the metadata", "nodes[0].listeners[PLAINTEXT]", "present", "absent"),
            Place("quorum", 2..=2, "of the metadata", "nodes[0].listeners[CONTROLLER]", "absent", "present"),
        ],
    },
    // What the command line tools make of it: the step is the command, the field a line of what it prints.
    Difference {
        documented: "Which versions are offered is in the table above",
        places: &[Place("tools", 0..=0, "kafka-broker-api-versions", "out[*]", "*", "*")],
    },
    Difference {
        documented: "Each of Kafka's features has one level here",
        places: &[
            Place("tools", 0..=0, "kafka-features describe", "out[*]", "Feature: *", "Feature: *"),
            Place("tools", 0..=0, "kafka-features upgrade *", "out[*]", "Could not *", "Could not *"),
        ],
    },
    Difference {
        documented: "Groups and loggers have no settings",
        places: &[
            Place("tools", 0..=0, "kafka-configs --entity-type groups *", "exit", "1", "0"),
            Place("tools", 0..=0, "kafka-configs --entity-type groups *", "*", "*", "*"),
        ],
    },
    Difference {
        documented: "Transactions.** Not offered",
        places: &[Place("tools", 0..=0, "kafka-transactions list", "*", "*", "*")],
    },
    Difference {
        documented: "DescribeQuorum shows the catalog's log as `__cluster_metadata`",
        places: &[Place("tools", 0..=0, "kafka-metadata-quorum * --status", "out[6]", "*PLAINTEXT:*", "*CONTROLLER:*")],
    },
    Difference {
        documented: "The replication factor of a topic (1 to 3) is accepted and has no effect",
        places: &[
            Place("tools", 0..=0, "kafka-topics * none --replication-factor 4", "out[0]", "*", "*cannot be reached*"),
            Place("tools", 0..=0, "kafka-topics * thrice --replication-factor 3", "exit", "0", "1"),
            Place("tools", 0..=0, "kafka-topics * thrice --replication-factor 3", "out[0]", "Created*", "Error*"),
        ],
    },
    Difference {
        documented: "A manual assignment names this node alone",
        places: &[Place("tools", 0..=0, "kafka-topics * --replica-assignment 1,7", "out[0]", "*", "*")],
    },
    Difference {
        documented: "`min.insync.replicas` is shown as a default, where Kafka shows a setting of the cluster",
        places: &[
            Place(
                "tools",
                0..=0,
                "kafka-topics --describe*",
                "out[*]",
                "*",
                "Topic: * Configs: min.insync.replicas=1*",
            ),
            Place("tools", 0..=0, "kafka-configs * --all", "out[*]", "*", "min.insync.replicas=1 *DYNAMIC_DEFAULT*"),
            Place("tools", 0..=0, "kafka-configs * --entity-default *", "out[1]", "absent", "min.insync.replicas=1 *"),
        ],
    },
    Difference {
        documented: "Where a value of a setting is refused, the text names the setting's default as a value that works",
        places: &[Place("tools", 0..=0, "kafka-configs * --add-config *", "err[*]", "*; * would work", "*")],
    },
];

/// Every place of every difference, each with what is documented of it.
pub fn places() -> impl Iterator<Item = (&'static str, &'static Place)> {
    DIFFERENCES.iter().flat_map(|difference| difference.places.iter().map(|place| (difference.documented, place)))
}

impl Place {
    /// Whether this is what was found.
    #[must_use]
    pub fn explains(&self, script: &str, version: i16, step: &str, found: &Unlike) -> bool {
        let Place(of, versions, at, field, ours, theirs) = self;
        *of == script
            && versions.contains(&version)
            && matches(at, step)
            && matches(field, &found.field)
            && matches(ours, &found.ours)
            && matches(theirs, &found.theirs)
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| matches(after, &rest[at..]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("topics[*].error_code", "topics[a.b].error_code", true),
            ("topics[*].error_code", "topics[a].error_codes", false),
            ("*", "", true),
            ("3", "30", false),
            ("*a*b", "xaab", true),
            ("*a*b", "xbba", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} and {text}");
        }
    }

    /// A reader of the documentation must find what the scripts find.
    #[test]
    fn each_is_documented() {
        let document = include_str!("../../../docs/kafka-compatibility.md");
        let section = document.split_once("\n## Differences\n").unwrap().1;
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let section = words(section.split("\n## ").next().unwrap());
        for one in DIFFERENCES {
            let said = words(one.documented);
            assert!(said.len() > 20 && section.contains(&said), "not in the documentation: {said:?}");
        }
    }
}
