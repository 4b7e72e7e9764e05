//! Telemetry from outside: subscriptions are set, clients ask and push.

use bytes::Bytes;
use tidelog_format::records::compress;
use tidelog_kafka_wire::messages::{
    ApiVersionsRequest, ApiVersionsResponse, GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, PushTelemetryRequest, PushTelemetryResponse,
    incremental_alter_configs_request,
};
use tidelog_kafka_wire::{ErrorCode, StrBytes, Uuid, message};
use tidelog_model::Codec;

use super::TELEMETRY_BYTES_MAX;
use super::otlp::tests::payload;
use crate::testing::Door;
use crate::testing_client::Client;

const CLIENT_METRICS: i8 = 16;
const THROTTLED: i16 = ErrorCode::ThrottlingQuotaExceeded as i16;

/// Sets a subscription, or deletes it when there are no settings.
async fn subscribe(client: &mut Client, name: &str, settings: &[(&str, &str)]) {
    let config = |name: &str| {
        let value = settings.iter().find(|(set, _)| *set == name).map(|(_, value)| StrBytes::from(*value));
        message!(incremental_alter_configs_request::AlterableConfig {
            name: name.into(),
            config_operation: if value.is_some() { 0 } else { 1 },
            value: value,
        })
    };
    let request = message!(IncrementalAlterConfigsRequest {
        resources: vec![message!(incremental_alter_configs_request::AlterConfigsResource {
            resource_type: CLIENT_METRICS,
            resource_name: name.into(),
            configs: ["metrics", "interval.ms", "match"].map(config).to_vec(),
        })],
    });
    let response: IncrementalAlterConfigsResponse = client.call(1, &request).await;
    assert_eq!(response.responses[0].error_code, 0, "{:?}", response.responses[0].error_message);
}

/// A connection of a client that has said what it is.
async fn connect(door: &Door, software: &str) -> Client {
    let mut client = door.connect().await;
    let request =
        message!(ApiVersionsRequest { client_software_name: software.into(), client_software_version: "1.2".into() });
    let response: ApiVersionsResponse = client.call(3, &request).await;
    assert_eq!(response.error_code, 0);
    client
}

async fn get(client: &mut Client, id: Uuid) -> GetTelemetrySubscriptionsResponse {
    client.call(0, &message!(GetTelemetrySubscriptionsRequest { client_instance_id: id })).await
}

fn pushing(of: &GetTelemetrySubscriptionsResponse, metrics: impl Into<Bytes>) -> PushTelemetryRequest {
    message!(PushTelemetryRequest {
        client_instance_id: of.client_instance_id,
        subscription_id: of.subscription_id,
        metrics: metrics.into(),
    })
}

async fn push(client: &mut Client, request: &PushTelemetryRequest) -> i16 {
    let response: PushTelemetryResponse = client.call(0, request).await;
    response.error_code
}

fn metrics(response: &GetTelemetrySubscriptionsResponse) -> Vec<&str> {
    response.requested_metrics.iter().map(StrBytes::as_str).collect()
}

#[tokio::test]
async fn without_subscriptions_nothing_is_wanted() {
    let door = Door::open().await;
    let mut client = connect(&door, "java").await;
    let first = get(&mut client, Uuid::ZERO).await;
    assert_eq!((first.error_code, first.push_interval_ms, metrics(&first)), (0, 300_000, vec![]));
    assert_ne!(first.client_instance_id, Uuid::ZERO, "it was given an id");
    assert_eq!(first.accepted_compression_types, [4, 3, 1, 2]);
    assert_eq!((first.telemetry_max_bytes, first.delta_temporality), (1 << 20, true));
    let early = get(&mut client, first.client_instance_id).await;
    assert_eq!((early.error_code, early.client_instance_id), (THROTTLED, Uuid::ZERO));
    let other = get(&mut client, Uuid::ZERO).await;
    assert!(other.error_code == 0 && other.client_instance_id != first.client_instance_id, "another client");
}

#[tokio::test]
async fn a_change_of_subscriptions_is_heard_of_at_once() {
    let door = Door::open().await;
    let mut admin = door.connect().await;
    let (mut java, mut go) = (connect(&door, "java").await, connect(&door, "go").await);
    let before = get(&mut java, Uuid::ZERO).await;
    let id = before.client_instance_id;
    subscribe(&mut admin, "j", &[("metrics", "b.,a."), ("match", "client_software_name=java")]).await;
    subscribe(&mut admin, "any", &[("metrics", "c."), ("interval.ms", "60000")]).await;
    assert_eq!(push(&mut java, &pushing(&before, payload(1))).await, ErrorCode::UnknownSubscriptionId.code());
    let after = get(&mut java, id).await;
    assert_eq!(
        (after.client_instance_id, after.push_interval_ms, metrics(&after)),
        (id, 60_000, vec!["a.", "b.", "c."])
    );
    let of_go = get(&mut go, Uuid::ZERO).await;
    assert_eq!(metrics(&of_go), ["c."]);
    assert_eq!(push(&mut java, &pushing(&after, payload(1))).await, 0);
    assert_eq!(push(&mut java, &pushing(&after, payload(1))).await, THROTTLED);
    subscribe(&mut admin, "j", &[]).await;
    assert_eq!(metrics(&get(&mut java, id).await), ["c."]);
    // Whoever has not said what it is matches no software.
    subscribe(&mut admin, "j", &[("metrics", "*"), ("match", "client_software_version=.*")]).await;
    assert_eq!(metrics(&get(&mut door.connect().await, Uuid::ZERO).await), ["c."]);
    assert_eq!(metrics(&get(&mut java, id).await), ["*"]);
}

#[tokio::test]
async fn pushes_are_looked_at() {
    let door = Door::open().await;
    subscribe(&mut door.connect().await, "all", &[("metrics", "*")]).await;
    let mut client = connect(&door, "java").await;
    // Each a client of its own: the first push comes at its time.
    async fn check(client: &mut Client, change: impl FnOnce(&mut PushTelemetryRequest), expected: ErrorCode) {
        let told = get(client, Uuid::ZERO).await;
        let mut request = pushing(&told, payload(2));
        change(&mut request);
        assert_eq!(push(client, &request).await, expected.code(), "{request:?}");
    }
    check(&mut client, |_| {}, ErrorCode::None).await;
    check(&mut client, |it| it.metrics = Bytes::new(), ErrorCode::None).await;
    for (number, codec) in [(1, Codec::Gzip), (2, Codec::Snappy), (3, Codec::Lz4), (4, Codec::Zstd)] {
        let folded = |it: &mut PushTelemetryRequest| {
            it.compression_type = number;
            it.metrics = compress(codec, &it.metrics).into();
        };
        check(&mut client, folded, ErrorCode::None).await;
        check(&mut client, |it| it.compression_type = number, ErrorCode::InvalidRecord).await;
    }
    check(&mut client, |it| it.compression_type = 5, ErrorCode::UnsupportedCompressionType).await;
    check(&mut client, |it| it.compression_type = -1, ErrorCode::UnsupportedCompressionType).await;
    check(&mut client, |it| it.subscription_id ^= 1, ErrorCode::UnknownSubscriptionId).await;
    check(&mut client, |it| it.client_instance_id = Uuid::ZERO, ErrorCode::InvalidRequest).await;
    check(&mut client, |it| it.client_instance_id = Uuid::from_bytes(1_u128.to_be_bytes()), ErrorCode::InvalidRequest)
        .await;
    check(&mut client, |it| it.client_instance_id = Uuid::from_bytes([9; 16]), ErrorCode::UnknownSubscriptionId).await;
    check(&mut client, |it| it.metrics = Bytes::from_static(b"zz"), ErrorCode::InvalidRecord).await;
    let large = |bytes: usize| move |it: &mut PushTelemetryRequest| it.metrics = vec![0xff; bytes].into();
    check(&mut client, large(TELEMETRY_BYTES_MAX), ErrorCode::InvalidRecord).await;
    check(&mut client, large(TELEMETRY_BYTES_MAX + 1), ErrorCode::TelemetryTooLarge).await;
    // A few KiB that unfold to 9 MiB.
    let bomb = compress(Codec::Gzip, &payload(150_000));
    let bomb = |it: &mut PushTelemetryRequest| {
        it.compression_type = 1;
        it.metrics = bomb.into();
    };
    check(&mut client, bomb, ErrorCode::InvalidRecord).await;
}

#[tokio::test]
async fn a_client_that_ends_pushes_once_more() {
    let door = Door::open().await;
    subscribe(&mut door.connect().await, "all", &[("metrics", "*")]).await;
    let mut client = connect(&door, "java").await;
    let told = get(&mut client, Uuid::ZERO).await;
    assert_eq!(push(&mut client, &pushing(&told, payload(1))).await, 0);
    let mut last = pushing(&told, payload(1));
    last.terminating = true;
    assert_eq!(push(&mut client, &last).await, 0, "before its time");
    assert_eq!(push(&mut client, &last).await, ErrorCode::InvalidRequest.code());
}

#[tokio::test]
async fn whoever_was_told_something_wrong_may_ask_at_once() {
    let door = Door::open().await;
    subscribe(&mut door.connect().await, "all", &[("metrics", "*")]).await;
    let mut client = connect(&door, "java").await;
    let told = get(&mut client, Uuid::ZERO).await;
    let mut wrong = pushing(&told, payload(1));
    wrong.subscription_id ^= 1;
    assert_eq!(push(&mut client, &wrong).await, ErrorCode::UnknownSubscriptionId.code());
    let again = get(&mut client, told.client_instance_id).await;
    assert_eq!((again.error_code, again.subscription_id), (0, told.subscription_id));
    assert_eq!(push(&mut client, &pushing(&again, payload(1))).await, 0);
}

#[tokio::test]
async fn whoever_comes_before_its_time_is_held_against_no_pattern() {
    let door = Door::open().await;
    subscribe(&mut door.connect().await, "j", &[("metrics", "*"), ("match", "client_software_name=.*")]).await;
    let texts = || door.shared.telemetry.subscriptions.lock().texts();
    let told = get(&mut connect(&door, "java").await, Uuid::ZERO).await;
    let mut go = connect(&door, "go").await;
    assert_eq!((get(&mut go, told.client_instance_id).await.error_code, texts()), (THROTTLED, 1));
    assert_eq!(push(&mut go, &pushing(&told, payload(1))).await, 0, "asked for the same");
    assert_eq!(texts(), 2);
    let mut c = connect(&door, "c").await;
    assert_eq!((push(&mut c, &pushing(&told, payload(1))).await, texts()), (THROTTLED, 2));
    assert_eq!((get(&mut c, Uuid::ZERO).await.error_code, texts()), (0, 3));
}
