//! Settings and partition counts from outside.

use tidelog_kafka_wire::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use tidelog_kafka_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use tidelog_kafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use tidelog_kafka_wire::messages::describe_configs_response::DescribeConfigsResult;
use tidelog_kafka_wire::messages::{
    AlterConfigsRequest, AlterConfigsResponse, CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest,
    CreateTopicsResponse, DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, ListConfigResourcesRequest, ListConfigResourcesResponse, alter_configs_request,
    incremental_alter_configs_request,
};
use tidelog_kafka_wire::{ErrorCode, StrBytes, message};
use tidelog_model::TenantId;

use crate::testing::{Door, TENANT};
use crate::testing_client::Client;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

async fn describe(client: &mut Client, version: i16, kind: i8, name: &str, keys: &[&str]) -> DescribeConfigsResult {
    let keys = (!keys.is_empty()).then(|| keys.iter().map(|key| StrBytes::from(*key)).collect());
    let resource =
        message!(DescribeConfigsResource { resource_type: kind, resource_name: name.into(), configuration_keys: keys });
    let request = message!(DescribeConfigsRequest {
        // Again and again, and answered once.
        resources: vec![resource.clone(), resource],
        include_synonyms: true,
        include_documentation: version >= 3,
    });
    let mut response: DescribeConfigsResponse = client.call(version, &request).await;
    assert_eq!(response.results.len(), 1);
    response.results.remove(0)
}

/// The value of a setting of a topic.
async fn value(client: &mut Client, topic: &str, key: &str) -> Option<String> {
    let mut result = describe(client, 4, TOPIC, topic, &[key]).await;
    assert_eq!((result.error_code, result.configs.len()), (0, 1), "{key}");
    result.configs.remove(0).value.map(|value| value.to_string())
}

type Op<'a> = (&'a str, i8, Option<&'a str>);

fn incremental(kind: i8, name: &str, ops: &[Op<'_>]) -> incremental_alter_configs_request::AlterConfigsResource {
    let config = |(name, operation, value): &Op<'_>| {
        message!(incremental_alter_configs_request::AlterableConfig {
            name: (*name).into(),
            config_operation: *operation,
            value: value.map(StrBytes::from),
        })
    };
    message!(incremental_alter_configs_request::AlterConfigsResource {
        resource_type: kind,
        resource_name: name.into(),
        configs: ops.iter().map(config).collect(),
    })
}

/// Code and text of each resource.
async fn alter(
    client: &mut Client,
    resources: Vec<incremental_alter_configs_request::AlterConfigsResource>,
    validate_only: bool,
) -> Vec<(i16, String)> {
    let request = message!(IncrementalAlterConfigsRequest { resources: resources, validate_only: validate_only });
    let response: IncrementalAlterConfigsResponse = client.call(1, &request).await;
    let text = |text: Option<StrBytes>| text.map(|text| text.to_string()).unwrap_or_default();
    response.responses.into_iter().map(|it| (it.error_code, text(it.error_message))).collect()
}

async fn check(client: &mut Client, op: Op<'_>, code: ErrorCode, says: &str) {
    let results = alter(client, vec![incremental(TOPIC, "t", &[op])], false).await;
    assert_eq!(results[0].0, code.code(), "{op:?}: {}", results[0].1);
    assert!(results[0].1.contains(says), "{op:?}: {}", results[0].1);
}

#[tokio::test]
async fn a_topic_s_settings_in_every_version() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    door.catalog.add(TenantId(2), "theirs", 1);
    let mut client = door.connect().await;
    check(&mut client, ("retention.ms", SET, Some(" 5 ")), ErrorCode::None, "").await;
    for version in 1..=4 {
        let all = describe(&mut client, version, TOPIC, "t", &[]).await;
        assert_eq!((all.error_code, all.configs.len()), (0, 33), "v{version}");
        let result = describe(&mut client, version, TOPIC, "t", &["retention.ms", "max.message.bytes", "nope"]).await;
        let [bytes, retention] = &result.configs[..] else { panic!("two of three: {result:?}") };
        assert_eq!((bytes.name.as_str(), bytes.value.as_deref()), ("max.message.bytes", Some("1048588")));
        assert_eq!((bytes.config_source, bytes.read_only, bytes.is_sensitive), (5, false, false));
        let synonyms = bytes.synonyms.iter().map(|it| (it.name.as_str(), it.source)).collect::<Vec<_>>();
        assert_eq!(synonyms, [("message.max.bytes", 5)]);
        assert_eq!((retention.value.as_deref(), retention.config_source), (Some("5"), 1));
        assert_eq!(retention.synonyms.len(), 1);
        if version >= 3 {
            assert_eq!((bytes.config_type, retention.config_type), (3, 5));
            assert!(bytes.documentation.as_ref().unwrap().contains("16 MiB"));
            assert!(retention.documentation.as_ref().unwrap().contains("no effect in Tidelog yet"));
        }
        for (name, code) in [
            ("nope", ErrorCode::UnknownTopicOrPartition),
            ("theirs", ErrorCode::UnknownTopicOrPartition),
            ("a b", ErrorCode::InvalidTopic),
            ("", ErrorCode::InvalidTopic),
        ] {
            assert_eq!(describe(&mut client, version, TOPIC, name, &[]).await.error_code, code.code(), "{name}");
        }
    }
}

#[tokio::test]
async fn this_node_s_settings_are_what_it_was_started_with() {
    let door = Door::open_with(|options| options.partitions_default = 6).await;
    let mut client = door.connect().await;
    let of = |result: &DescribeConfigsResult, name: &str| {
        let config = result.configs.iter().find(|config| config.name.as_str() == name).unwrap();
        assert!(config.read_only && !config.is_sensitive);
        config.value.as_ref().unwrap().to_string()
    };
    let result = describe(&mut client, 4, BROKER, "7", &[]).await;
    for (name, value) in [
        ("node.id", "7"),
        ("broker.id", "7"),
        ("num.partitions", "6"),
        ("message.max.bytes", "1048588"),
        ("auto.create.topics.enable", "true"),
        ("advertised.listeners", "PLAINTEXT://there:9092"),
        ("group.initial.rebalance.delay.ms", "1"),
        ("log.cleanup.policy", "delete"),
    ] {
        assert_eq!(of(&result, name), value, "{name}");
    }
    assert!(result.configs.windows(2).all(|pair| pair[0].name.as_str() < pair[1].name.as_str()));
    assert_eq!(describe(&mut client, 4, BROKER, "7", &["node.id"]).await.configs.len(), 1);
    let defaults = describe(&mut client, 4, BROKER, "", &[]).await;
    assert_eq!((defaults.error_code, defaults.configs.len()), (0, 0));
    for (kind, name) in [(BROKER, "8"), (BROKER, "x"), (8, "7"), (0, "x"), (99, "x"), (16, ""), (32, "")] {
        let result = describe(&mut client, 4, kind, name, &[]).await;
        assert_eq!(result.error_code, ErrorCode::InvalidRequest.code(), "{kind} {name}");
        assert!(result.error_message.is_some());
    }
    assert_eq!(describe(&mut client, 4, 32, "group", &[]).await.error_code, 0);
    let results =
        alter(&mut client, vec![incremental(BROKER, "7", &[("num.partitions", SET, Some("9"))])], false).await;
    assert_eq!(results[0].0, ErrorCode::InvalidRequest.code());
    assert!(results[0].1.contains("[num.partitions]"), "{}", results[0].1);
}

#[tokio::test]
async fn settings_are_set_deleted_appended_and_subtracted() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    let client = &mut client;
    check(client, ("cleanup.policy", APPEND, Some("compact")), ErrorCode::None, "").await;
    assert_eq!(value(client, "t", "cleanup.policy").await.as_deref(), Some("delete,compact"), "to the default");
    check(client, ("cleanup.policy", APPEND, Some("compact")), ErrorCode::None, "").await;
    assert_eq!(value(client, "t", "cleanup.policy").await.as_deref(), Some("delete,compact"), "once");
    check(client, ("cleanup.policy", SUBTRACT, Some("delete,nope")), ErrorCode::None, "").await;
    assert_eq!(value(client, "t", "cleanup.policy").await.as_deref(), Some("compact"));
    check(client, ("cleanup.policy", DELETE, None), ErrorCode::None, "").await;
    assert_eq!(value(client, "t", "cleanup.policy").await.as_deref(), Some("delete"));
    check(client, ("colour", DELETE, None), ErrorCode::None, "").await;
    let invalid = ErrorCode::InvalidConfig;
    check(client, ("retention.ms", APPEND, Some("1")), invalid, "Can't APPEND to key retention.ms").await;
    check(client, ("colour", SUBTRACT, Some("1")), invalid, "Can't SUBTRACT to key colour").await;
    check(client, ("colour", SET, Some("1")), invalid, "Unknown topic config name: colour").await;
    check(client, ("log.retention.ms", SET, Some("1")), invalid, "did you mean retention.ms?").await;
    check(client, ("retention.ms", SET, Some("x")), invalid, "retention.ms: Not a number of type LONG; 604800000")
        .await;
    check(client, ("cleanup.policy", APPEND, Some("x")), invalid, "compact, delete").await;
    check(client, ("retention.ms", SET, None), ErrorCode::InvalidRequest, "Null value not supported").await;
    check(client, ("retention.ms", 9, Some("1")), ErrorCode::InvalidRequest, "Unknown operation for retention.ms")
        .await;
    let twice = [("retention.ms", SET, Some("5")), ("retention.ms", DELETE, None)];
    let results = alter(client, vec![incremental(TOPIC, "t", &twice)], false).await;
    assert_eq!(results[0], (ErrorCode::InvalidRequest.code(), "Error due to duplicate config keys".to_owned()));
    // All of a resource or nothing, and nothing when it is only asked.
    let mixed = [("segment.ms", SET, Some("5")), ("retention.ms", SET, Some("x"))];
    assert_eq!(alter(client, vec![incremental(TOPIC, "t", &mixed)], false).await[0].0, invalid.code());
    assert_eq!(alter(client, vec![incremental(TOPIC, "t", &mixed[..1])], true).await[0].0, 0);
    assert_eq!(value(client, "t", "segment.ms").await.as_deref(), Some("604800000"));
}

#[tokio::test]
async fn resources_are_judged_each_by_itself() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    let op = [("retention.ms", SET, Some("5"))];
    let bad = [("retention.ms", SET, Some("x"))];
    let of = |name: &str| incremental(TOPIC, name, &op);
    let resources = vec![
        of("t"),
        of("nope"),
        incremental(TOPIC, "nope2", &bad),
        of(""),
        of("a b"),
        of("d"),
        of("d"),
        incremental(5, "x", &op),
    ];
    let results = alter(&mut client, resources, false).await;
    let codes = results.iter().map(|result| result.0).collect::<Vec<_>>();
    let expected = [
        ErrorCode::None,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::InvalidConfig,
        ErrorCode::InvalidRequest,
        ErrorCode::InvalidTopic,
        ErrorCode::InvalidRequest,
        ErrorCode::InvalidRequest,
        ErrorCode::InvalidRequest,
    ];
    assert_eq!(codes, expected.map(ErrorCode::code));
    assert_eq!(results[1].1, "The topic 'nope' does not exist.");
    assert_eq!(results[5].1, "Each resource must appear at most once.");
    *door.catalog.is_down.lock() = true;
    let results = alter(&mut client, vec![of("t"), of("unknown")], false).await;
    // The first is as it should be already.
    assert_eq!([results[0].0, results[1].0], [0, ErrorCode::NotController.code()]);
}

/// kafka-reassign-partitions ends by deleting throttles that nobody has set.
#[tokio::test]
async fn what_a_broker_does_not_have_can_be_deleted() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let throttle = "leader.replication.throttled.rate";
    let results = alter(
        &mut client,
        vec![
            incremental(BROKER, "7", &[(throttle, DELETE, None)]),
            incremental(BROKER, "", &[(throttle, SET, Some("1"))]),
        ],
        false,
    )
    .await;
    assert_eq!(results.iter().map(|result| result.0).collect::<Vec<_>>(), [0, ErrorCode::InvalidRequest.code()]);
    assert!(results[1].1.contains("[leader.replication.throttled.rate]"), "{}", results[1].1);
}

#[tokio::test]
async fn whoever_is_overtaken_looks_again_and_undoes_nothing() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    *door.catalog.overtakes.lock() = 3;
    check(&mut client, ("retention.ms", SET, Some("5")), ErrorCode::None, "").await;
    assert_eq!(value(&mut client, "t", "retention.ms").await.as_deref(), Some("5"));
    assert_eq!(value(&mut client, "t", "segment.ms").await.as_deref(), Some("7"), "the other's stays");
    *door.catalog.overtakes.lock() = 100;
    check(&mut client, ("retention.ms", SET, Some("6")), ErrorCode::RequestTimedOut, "try again").await;
}

#[tokio::test]
async fn the_older_request_says_all_settings_anew() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    let mut client = door.connect().await;
    check(&mut client, ("segment.ms", SET, Some("5")), ErrorCode::None, "").await;
    for version in 0..=2 {
        let config = |name: &str, value: Option<&str>| {
            message!(alter_configs_request::AlterableConfig { name: name.into(), value: value.map(StrBytes::from) })
        };
        let resource = |configs| {
            message!(alter_configs_request::AlterConfigsResource {
                resource_type: TOPIC,
                resource_name: "t".into(),
                configs: configs,
            })
        };
        for (configs, code) in [
            (vec![config("retention.ms", Some("7"))], ErrorCode::None),
            (vec![config("retention.ms", None)], ErrorCode::InvalidRequest),
            (vec![config("colour", Some("7"))], ErrorCode::InvalidConfig),
        ] {
            let request = message!(AlterConfigsRequest { resources: vec![resource(configs)] });
            let response: AlterConfigsResponse = client.call(version, &request).await;
            assert_eq!(response.responses[0].error_code, code.code(), "v{version}");
        }
        assert_eq!(value(&mut client, "t", "retention.ms").await.as_deref(), Some("7"));
        assert_eq!(value(&mut client, "t", "segment.ms").await.as_deref(), Some("604800000"));
    }
}

#[tokio::test]
async fn a_new_topic_s_answer_shows_all_its_settings() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let config = message!(CreatableTopicConfig { name: "retention.ms".into(), value: Some("5".into()) });
    let topic = |name: &str| {
        message!(CreatableTopic {
            name: name.into(),
            num_partitions: 1,
            replication_factor: 1,
            configs: vec![config.clone()],
        })
    };
    let request = message!(CreateTopicsRequest { topics: vec![topic("t")] });
    let response: CreateTopicsResponse = client.call(7, &request).await;
    let configs = response.topics[0].configs.as_ref().unwrap();
    let set = configs.iter().filter(|config| config.config_source == 1).map(|config| config.name.as_str());
    assert_eq!((configs.len(), set.collect::<Vec<_>>()), (33, vec!["retention.ms"]));
    let request = message!(CreateTopicsRequest { topics: vec![topic("u")] });
    let response: CreateTopicsResponse = client.call(4, &request).await;
    assert_eq!(response.topics[0].error_code, 0);
}

#[tokio::test]
async fn topics_grow_each_by_itself() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let grow = |name: &str, count: i32, assignments: Option<&[&[i32]]>| {
        let one = |brokers: &&[i32]| message!(CreatePartitionsAssignment { broker_ids: brokers.to_vec() });
        message!(CreatePartitionsTopic {
            name: name.into(),
            count: count,
            assignments: assignments.map(|all| all.iter().map(one).collect()),
        })
    };
    for version in 0..=3 {
        let name = format!("t{version}");
        let name = name.as_str();
        let id = door.catalog.add(TENANT, name, 2);
        for (topic, validate_only, code, text) in [
            (grow(name, 1, None), false, ErrorCode::InvalidPartitions, "currently has 2 partition(s); 1 would not"),
            (grow(name, -1, None), false, ErrorCode::InvalidPartitions, "-1 would not be an increase."),
            (grow(name, 2, None), false, ErrorCode::InvalidPartitions, "Topic already has 2 partition(s)."),
            (grow(name, 100_001, None), false, ErrorCode::InvalidPartitions, "allowed are 1 to 100000"),
            (grow("nope", 3, None), false, ErrorCode::UnknownTopicOrPartition, ""),
            (grow(name, 4, Some(&[&[7]])), false, ErrorCode::InvalidReplicaAssignment, "only 1 assignment(s)"),
            (grow(name, 3, Some(&[&[8]])), false, ErrorCode::InvalidReplicaAssignment, "includes broker 8"),
            (grow(name, 3, Some(&[&[7, 7]])), false, ErrorCode::InvalidReplicaAssignment, "more than once"),
            (grow(name, 3, Some(&[&[]])), false, ErrorCode::InvalidReplicaAssignment, "empty replica list"),
            (grow(name, 3, None), true, ErrorCode::None, ""),
            (grow(name, 3, Some(&[&[7]])), false, ErrorCode::None, ""),
            (grow(name, 5, None), false, ErrorCode::None, ""),
        ] {
            let request =
                message!(CreatePartitionsRequest { topics: vec![topic.clone()], validate_only: validate_only });
            let response: CreatePartitionsResponse = client.call(version, &request).await;
            let result = &response.results[0];
            assert_eq!(result.error_code, code.code(), "v{version} {topic:?}");
            let said = result.error_message.as_deref().unwrap_or_default();
            assert!(said.contains(text), "v{version} {topic:?}: {said}");
        }
        let view = tidelog_catalog_api::Catalog::topic(&*door.catalog, id).unwrap();
        assert_eq!(view.partitions, 5);
    }
    let big = door.catalog.add(TENANT, "big", 1);
    let request = message!(CreatePartitionsRequest {
        topics: vec![
            grow("t0", 6, None),
            grow("t1", 7, None),
            grow("t0", 7, None),
            grow("big", 100_000, None),
            grow("t2", 7, None),
        ],
    });
    let response: CreatePartitionsResponse = client.call(3, &request).await;
    let codes = response.results.iter().map(|it| (it.name.as_str(), it.error_code)).collect::<Vec<_>>();
    let (twice, many) = (ErrorCode::InvalidRequest.code(), ErrorCode::InvalidPartitions.code());
    assert_eq!(codes, [("t0", twice), ("t1", 0), ("big", many), ("t2", 0)]);
    let view = tidelog_catalog_api::Catalog::topic(&*door.catalog, big).unwrap();
    assert_eq!(view.partitions, 1, "beyond what one request may create");
}

#[tokio::test]
async fn resources_are_listed() {
    let door = Door::open().await;
    door.catalog.add(TENANT, "t", 1);
    door.catalog.add(TenantId(2), "theirs", 1);
    let mut client = door.connect().await;
    let mut list = async |version: i16, types: &[i8]| {
        let request = message!(ListConfigResourcesRequest { resource_types: types.to_vec() });
        let response: ListConfigResourcesResponse = client.call(version, &request).await;
        let resources = response.config_resources.into_iter();
        let resources = resources.map(|it| (it.resource_type, it.resource_name.to_string())).collect::<Vec<_>>();
        (response.error_code, resources)
    };
    let (broker, topic) = ((BROKER, "7".to_owned()), (TOPIC, "t".to_owned()));
    assert_eq!(list(0, &[]).await, (0, vec![]), "version 0 lists metrics subscriptions");
    assert_eq!(list(1, &[]).await, (0, vec![broker.clone(), topic.clone()]));
    assert_eq!(list(1, &[BROKER]).await, (0, vec![broker]));
    assert_eq!(list(1, &[TOPIC, 16]).await, (0, vec![topic]));
    assert_eq!(list(1, &[TOPIC, 77]).await, (ErrorCode::UnsupportedVersion.code(), vec![]));
}
