//! The broker's settings under Kafka's names: what is true of this node, for tools that look. They are set where the server
//! is configured and are read-only here.

use tidelog_groups::limits::{GROUP_MEMBERS_MAX, SESSION_TIMEOUT_MAX, SESSION_TIMEOUT_MIN};
use tidelog_model::limits::{FRAME_BYTES_MAX, OFFSET_METADATA_BYTES_MAX};

use crate::configs::config_kinds::Kind;
use crate::configs::topic_config_table::TOPIC_CONFIGS;
use crate::gateway::Shared;
use crate::options::{FETCH_SESSIONS_MAX, TOPIC_PARTITIONS_PER_ANSWER_MAX};
use crate::telemetry::TELEMETRY_BYTES_MAX;

const INT: Kind = Kind::Int { min: i32::MIN, max: i32::MAX };
const LONG: Kind = Kind::Long { min: i64::MIN };

/// One of them.
pub(crate) struct BrokerConfig {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) value: String,
    /// Set for this node; else the same on every node.
    pub(crate) is_set: bool,
    pub(crate) purpose: &'static str,
}

/// All of them, by name.
pub(crate) fn broker_configs(shared: &Shared) -> Vec<BrokerConfig> {
    let options = &shared.options;
    let id = options.broker_id().to_string();
    let listener = format!("PLAINTEXT://{}:{}", options.advertised_host, options.advertised_port);
    let idle_ms = options.idle_timeout.as_millis().to_string();
    let delay_ms = shared.parts.groups.initial_rebalance_delay().as_millis().to_string();
    let set = |name, kind, value: String, purpose| BrokerConfig { name, kind, value, is_set: true, purpose };
    let fixed = |name, kind, value: String, purpose| BrokerConfig { name, kind, value, is_set: false, purpose };
    let mut all = vec![
        set("advertised.listeners", Kind::Texts, listener.clone(), "Where clients are told to connect to."),
        set(
            "auto.create.topics.enable",
            Kind::Boolean,
            options.auto_create_topics.to_string(),
            "Whether a topic that is asked for comes into being.",
        ),
        set("broker.id", INT, id.clone(), "This node."),
        set("connections.max.idle.ms", LONG, idle_ms, "A connection without a request for so long is closed."),
        fixed("default.replication.factor", INT, "1".to_owned(), "Shown by topics; durability is the store's."),
        fixed("delete.topic.enable", Kind::Boolean, "true".to_owned(), "Whether topics can be deleted."),
        set("fetch.max.bytes", INT, options.fetch_answer_bytes_max.to_string(), "Records in one Fetch answer."),
        fixed(
            "group.coordinator.rebalance.protocols",
            Kind::Texts,
            "classic".to_owned(),
            "The group protocols that are offered.",
        ),
        set("group.initial.rebalance.delay.ms", INT, delay_ms, "How long a group's first rebalance waits."),
        fixed(
            "group.max.session.timeout.ms",
            INT,
            SESSION_TIMEOUT_MAX.as_millis().to_string(),
            "The longest session timeout of a member.",
        ),
        fixed("group.max.size", INT, GROUP_MEMBERS_MAX.to_string(), "Members of one group."),
        fixed(
            "group.min.session.timeout.ms",
            INT,
            SESSION_TIMEOUT_MIN.as_millis().to_string(),
            "The shortest session timeout of a member.",
        ),
        set("listeners", Kind::Texts, listener, "As advertised."),
        fixed(
            "max.incremental.fetch.session.cache.slots",
            INT,
            FETCH_SESSIONS_MAX.to_string(),
            "Fetch sessions that are kept.",
        ),
        set("max.connections", INT, options.connections_max.to_string(), "Connections at once."),
        fixed(
            "max.request.partition.size.limit",
            INT,
            TOPIC_PARTITIONS_PER_ANSWER_MAX.to_string(),
            "Partitions in one answer to DescribeTopicPartitions.",
        ),
        set("node.id", INT, id, "This node."),
        set(
            "num.partitions",
            INT,
            options.partitions_default.to_string(),
            "Partitions of a topic whose creator does not say how many.",
        ),
        fixed(
            "offset.metadata.max.bytes",
            INT,
            OFFSET_METADATA_BYTES_MAX.to_string(),
            "Metadata that a committed offset may carry.",
        ),
        fixed("process.roles", Kind::Texts, "broker,controller".to_owned(), "What this node is."),
        fixed("telemetry.max.bytes", INT, TELEMETRY_BYTES_MAX.to_string(), "One push of a client's metrics."),
        fixed("socket.request.max.bytes", INT, FRAME_BYTES_MAX.to_string(), "The largest request."),
    ];
    let zone = options.zone.clone();
    all.extend(zone.map(|zone| set("broker.rack", Kind::Text, zone, "The zone that this node is in.")));
    // The defaults of topics.
    all.extend(
        TOPIC_CONFIGS
            .iter()
            .filter_map(|config| Some(fixed(config.broker?, config.kind, config.default.to_owned(), config.purpose))),
    );
    all.sort_by_key(|config| config.name);
    all
}
