//! Metrics subscriptions as resources, from outside.

use tidelog_kafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use tidelog_kafka_wire::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, ListConfigResourcesRequest,
    ListConfigResourcesResponse, alter_configs_request, incremental_alter_configs_request,
};
use tidelog_kafka_wire::{ErrorCode, StrBytes, message};

use crate::testing::Door;
use crate::testing_client::Client;

const CLIENT_METRICS: i8 = 16;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;

async fn alter(client: &mut Client, name: &str, ops: &[(&str, i8, Option<&str>)], validate: bool) -> (i16, String) {
    let config = |(name, operation, value): &(&str, i8, Option<&str>)| {
        message!(incremental_alter_configs_request::AlterableConfig {
            name: (*name).into(),
            config_operation: *operation,
            value: value.map(StrBytes::from),
        })
    };
    let request = message!(IncrementalAlterConfigsRequest {
        resources: vec![message!(incremental_alter_configs_request::AlterConfigsResource {
            resource_type: CLIENT_METRICS,
            resource_name: name.into(),
            configs: ops.iter().map(config).collect(),
        })],
        validate_only: validate,
    });
    let response: IncrementalAlterConfigsResponse = client.call(1, &request).await;
    let text = response.responses[0].error_message.as_ref().map(ToString::to_string);
    (response.responses[0].error_code, text.unwrap_or_default())
}

/// Name, value and source of each setting.
async fn describe(client: &mut Client, name: &str) -> (i16, Vec<(String, String, i8)>) {
    let resource = message!(DescribeConfigsResource {
        resource_type: CLIENT_METRICS,
        resource_name: name.into(),
        configuration_keys: None
    });
    let request = message!(DescribeConfigsRequest { resources: vec![resource] });
    let response: DescribeConfigsResponse = client.call(4, &request).await;
    let configs = response.results[0].configs.iter();
    let value = |value: &Option<StrBytes>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    let configs = configs.map(|it| (it.name.to_string(), value(&it.value), it.config_source)).collect();
    (response.results[0].error_code, configs)
}

async fn listed(client: &mut Client, version: i16) -> Vec<String> {
    let types = if version == 0 { Vec::new() } else { vec![CLIENT_METRICS] };
    let request = message!(ListConfigResourcesRequest { resource_types: types });
    let response: ListConfigResourcesResponse = client.call(version, &request).await;
    assert!(response.config_resources.iter().all(|it| it.resource_type == CLIENT_METRICS));
    response.config_resources.iter().map(|it| it.resource_name.to_string()).collect()
}

fn settings(all: &[(&str, &str, i8)]) -> (i16, Vec<(String, String, i8)>) {
    (0, all.iter().map(|(name, value, source)| ((*name).to_owned(), (*value).to_owned(), *source)).collect())
}

const DEFAULTS: &[(&str, &str, i8)] = &[("interval.ms", "300000", 5), ("match", "", 5), ("metrics", "", 5)];

#[tokio::test]
async fn a_subscription_is_there_from_its_first_setting_to_its_last() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let none = (0, String::new());
    assert_eq!(describe(&mut client, "s").await, settings(DEFAULTS));
    let ops = [("metrics", SET, Some("a., b.")), ("match", SET, Some("client_id=x"))];
    assert_eq!(alter(&mut client, "s", &ops, true).await, none);
    assert_eq!((listed(&mut client, 0).await, listed(&mut client, 1).await), (vec![], vec![]), "only checked");
    assert_eq!(alter(&mut client, "s", &ops, false).await, none);
    let shown = [("interval.ms", "300000", 5), ("match", "client_id=x", 7), ("metrics", "a.,b.", 7)];
    assert_eq!(describe(&mut client, "s").await, settings(&shown));
    assert_eq!(alter(&mut client, "r", &[("interval.ms", SET, Some("100"))], false).await, none);
    assert_eq!(
        (listed(&mut client, 0).await, listed(&mut client, 1).await),
        (vec!["r".into(), "s".into()], vec!["r".into(), "s".into()])
    );
    let deletes = [("metrics", DELETE, None), ("match", DELETE, None), ("interval.ms", DELETE, None)];
    assert_eq!(alter(&mut client, "s", &deletes, false).await, none);
    assert_eq!(alter(&mut client, "never", &deletes, false).await, none);
    assert_eq!(describe(&mut client, "s").await, settings(DEFAULTS));
    assert_eq!(listed(&mut client, 1).await, ["r"]);
    let request = message!(AlterConfigsRequest {
        resources: vec![message!(alter_configs_request::AlterConfigsResource {
            resource_type: CLIENT_METRICS,
            resource_name: "r".into(),
            configs: vec![message!(alter_configs_request::AlterableConfig {
                name: "metrics".into(),
                value: Some("*".into()),
            })],
        })],
    });
    let response: AlterConfigsResponse = client.call(2, &request).await;
    assert_eq!(response.responses[0].error_code, 0);
    let shown = [("interval.ms", "300000", 5), ("match", "", 5), ("metrics", "*", 7)];
    assert_eq!(describe(&mut client, "r").await, settings(&shown), "all settings anew");
}

#[tokio::test]
async fn what_means_nothing_is_refused() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    for (name, op, code, words) in [
        ("s", ("nope", SET, Some("1")), ErrorCode::InvalidRequest, "Unknown client metrics configuration"),
        ("s", ("interval.ms", SET, Some("99")), ErrorCode::InvalidRequest, "between 100 and 3600000"),
        ("s", ("match", SET, Some("client_id=[")), ErrorCode::InvalidConfig, "Illegal client matching pattern"),
        ("s", ("metrics", APPEND, Some("a")), ErrorCode::InvalidConfig, "its type is not LIST"),
        ("s", ("metrics", SET, None), ErrorCode::InvalidRequest, "Null value not supported"),
        ("", ("metrics", SET, Some("a")), ErrorCode::InvalidRequest, "can't be empty"),
        (&"x".repeat(250), ("metrics", SET, Some("a")), ErrorCode::InvalidConfig, "a name of 1 to 249 bytes"),
        ("s", ("metrics", SET, Some(&"a,".repeat(5_000))), ErrorCode::InvalidConfig, "must not be empty"),
        ("s", ("metrics", SET, Some(&"a".repeat(9_000))), ErrorCode::InvalidConfig, "settings of 8192 bytes"),
    ] {
        let (found, text) = alter(&mut client, name, &[op], false).await;
        assert!(found == code.code() && text.contains(words), "{op:?}: {found} {text}");
    }
    assert_eq!(listed(&mut client, 1).await, Vec::<String>::new());
    *door.catalog.is_down.lock() = true;
    let down = ErrorCode::NotController.code();
    assert_eq!(alter(&mut client, "s", &[("metrics", SET, Some("a"))], false).await.0, down);
    assert_eq!(describe(&mut client, "s").await, (down, vec![]));
}
