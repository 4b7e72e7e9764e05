//! Quotas as administrators' tools set and show them.

use tidelog_kafka_wire::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use tidelog_kafka_wire::messages::describe_client_quotas_request::ComponentData;
use tidelog_kafka_wire::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest, DescribeClientQuotasResponse,
};
use tidelog_kafka_wire::{ErrorCode, message};

use crate::testing::Door;
use crate::testing_client::Client;

type Entity<'a> = &'a [(&'a str, Option<&'a str>)];
type Ops<'a> = &'a [(&'a str, Option<f64>)];

fn alteration(entity: Entity<'_>, ops: Ops<'_>) -> EntryData {
    let part = |(kind, name): &(&str, Option<&str>)| {
        message!(EntityData { entity_type: (*kind).into(), entity_name: name.map(Into::into) })
    };
    let op = |(key, value): &(&str, Option<f64>)| {
        message!(OpData { key: (*key).into(), value: value.unwrap_or_default(), remove: value.is_none() })
    };
    message!(EntryData { entity: entity.iter().map(part).collect(), ops: ops.iter().map(op).collect() })
}

async fn alter(client: &mut Client, entries: Vec<EntryData>, validate_only: bool) -> Vec<i16> {
    let request = message!(AlterClientQuotasRequest { entries: entries, validate_only: validate_only });
    let response: AlterClientQuotasResponse = client.call(1, &request).await;
    for entry in &response.entries {
        assert_eq!(entry.error_code != 0, entry.error_message.is_some());
    }
    response.entries.iter().map(|entry| entry.error_code).collect()
}

/// Of each entity its parts and values, written out.
async fn describe(client: &mut Client, filter: &[(&str, i8, Option<&str>)], strict: bool) -> Result<Vec<String>, i16> {
    let component = |(kind, match_type, name): &(&str, i8, Option<&str>)| {
        message!(ComponentData { entity_type: (*kind).into(), match_type: *match_type, match_: name.map(Into::into) })
    };
    let components = filter.iter().map(component).collect();
    let request = message!(DescribeClientQuotasRequest { components: components, strict: strict });
    let response: DescribeClientQuotasResponse = client.call(1, &request).await;
    if response.error_code != 0 {
        assert!(response.entries.is_none());
        return Err(response.error_code);
    }
    let written = response.entries.unwrap().into_iter().map(|entry| {
        let parts = entry.entity.iter().map(|part| {
            let name = part.entity_name.as_ref().map_or("<default>", |name| name.as_str());
            format!("{}={name}", part.entity_type)
        });
        let values = entry.values.iter().map(|value| format!("{}={}", value.key, value.value));
        parts.chain(values).collect::<Vec<_>>().join(" ")
    });
    Ok(written.collect())
}

const RATE: &str = "producer_byte_rate";

#[tokio::test]
async fn what_is_set_is_shown_to_who_asks_for_it() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let entries = || {
        vec![
            alteration(&[("user", Some("u"))], &[(RATE, Some(1.0))]),
            alteration(
                &[("user", Some("u")), ("client-id", None)],
                &[(RATE, Some(2.0)), ("request_percentage", Some(0.5))],
            ),
            alteration(&[("client-id", Some("c"))], &[("consumer_byte_rate", Some(3.0))]),
            alteration(&[("ip", Some("0:0::1"))], &[("connection_creation_rate", Some(4.0))]),
        ]
    };
    assert_eq!(alter(&mut client, entries(), true).await, [0; 4]);
    assert_eq!(describe(&mut client, &[], false).await, Ok(vec![]), "it was only looked at");
    assert_eq!(alter(&mut client, entries(), false).await, [0; 4]);
    let user = "user=u producer_byte_rate=1";
    let both = "user=u client-id=<default> producer_byte_rate=2 request_percentage=0.5";
    let only = "client-id=c consumer_byte_rate=3";
    let ip = "ip=::1 connection_creation_rate=4";
    for (filter, strict, expected) in [
        (&[][..], false, &[ip, only, user, both][..]),
        (&[], true, &[]),
        (&[("user", 2, None)], false, &[user, both]),
        (&[("user", 2, None)], true, &[user]),
        (&[("user", 0, Some("u")), ("client-id", 1, None)], true, &[both]),
        (&[("client-id", 1, None)], false, &[both]),
        (&[("client-id", 0, Some("other"))], false, &[]),
        (&[("ip", 0, Some("::0:1"))], true, &[ip]),
    ] {
        let found = describe(&mut client, filter, strict).await;
        assert_eq!(found, Ok(expected.iter().map(|it| (*it).to_owned()).collect()), "{filter:?} {strict}");
    }
    let away = vec![alteration(&[("user", Some("u"))], &[(RATE, None)])];
    assert_eq!(alter(&mut client, away, false).await, [0]);
    assert_eq!(describe(&mut client, &[("user", 2, None)], true).await, Ok(vec![]));
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_the_rest_is_done() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let user: Entity<'_> = &[("user", Some("u"))];
    let bad: [(Entity<'_>, Ops<'_>); 12] = [
        (&[], &[(RATE, Some(1.0))]),
        (&[("user", Some(""))], &[(RATE, Some(1.0))]),
        (&[("group", Some("g"))], &[(RATE, Some(1.0))]),
        (&[("ip", Some("localhost"))], &[("connection_creation_rate", Some(1.0))]),
        (&[("ip", None), ("user", None)], &[(RATE, Some(1.0))]),
        (&[("ip", None)], &[(RATE, Some(1.0))]),
        (user, &[("connection_creation_rate", Some(1.0))]),
        (user, &[("no_such_rate", Some(1.0))]),
        (user, &[(RATE, Some(0.0))]),
        (user, &[(RATE, Some(f64::NAN))]),
        (user, &[(RATE, Some(1.5))]),
        (user, &[(RATE, Some(1.0)), (RATE, Some(2.0))]),
    ];
    for (entity, ops) in bad {
        let entries = vec![alteration(entity, ops), alteration(&[("user", Some("good"))], &[(RATE, Some(7.0))])];
        assert_eq!(
            alter(&mut client, entries, false).await,
            [ErrorCode::InvalidRequest.code(), 0],
            "{entity:?} {ops:?}"
        );
    }
    let twice = vec![alteration(user, &[(RATE, Some(1.0))]), alteration(user, &[(RATE, Some(2.0))])];
    assert_eq!(alter(&mut client, twice, false).await, [ErrorCode::InvalidRequest.code()]);
    assert_eq!(alter(&mut client, vec![alteration(user, &[("no_such_rate", None)])], false).await, [0]);
    assert_eq!(describe(&mut client, &[], false).await, Ok(vec!["user=good producer_byte_rate=7".to_owned()]));
}

#[tokio::test]
async fn filters_that_make_no_sense_are_refused() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let (invalid, unsupported) = (ErrorCode::InvalidRequest.code(), ErrorCode::UnsupportedVersion.code());
    for (filter, code) in [
        (&[("", 0, Some("u"))][..], invalid),
        (&[("group", 0, Some("u"))], unsupported),
        (&[("user", 0, None)], invalid),
        (&[("user", 1, Some("u"))], invalid),
        (&[("user", 2, Some("u"))], invalid),
        (&[("user", 9, None)], invalid),
        (&[("user", 2, None), ("user", 0, Some("u"))], invalid),
        (&[("ip", 2, None), ("client-id", 2, None)], invalid),
    ] {
        assert_eq!(describe(&mut client, filter, false).await, Err(code), "{filter:?}");
    }
    *door.catalog.is_down.lock() = true;
    assert_eq!(describe(&mut client, &[], false).await, Err(ErrorCode::NotController.code()));
}
