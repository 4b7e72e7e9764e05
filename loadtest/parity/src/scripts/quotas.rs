//! DescribeClientQuotas, AlterClientQuotas.

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};

use super::common::text;
use crate::exchange::Exchange;

/// How an entity's name is matched.
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const SPECIFIED: i8 = 2;
const NO_MATCH: i8 = 9;
/// What is limited.
const PRODUCER: &str = "producer_byte_rate";
const CONSUMER: &str = "consumer_byte_rate";
const TIME: &str = "request_percentage";
const MUTATIONS: &str = "controller_mutation_rate";
const CONNECTIONS: &str = "connection_creation_rate";

type Entity<'a> = &'a [(&'a str, Option<&'a str>)];
type Ops<'a> = &'a [(&'a str, Option<f64>)];

fn entry(entity: Entity<'_>, ops: Ops<'_>) -> EntryData {
    let part = |(kind, name): &(&str, Option<&str>)| {
        EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text))
    };
    let op = |(key, value): &(&str, Option<f64>)| {
        OpData::default().with_key(text(key)).with_value(value.unwrap_or_default()).with_remove(value.is_none())
    };
    EntryData::default().with_entity(entity.iter().map(part).collect()).with_ops(ops.iter().map(op).collect())
}

fn alter(entries: &[(Entity<'_>, Ops<'_>)]) -> AlterClientQuotasRequest {
    let entries = entries.iter().map(|(entity, ops)| entry(entity, ops));
    AlterClientQuotasRequest::default().with_entries(entries.collect())
}

fn describe(filter: &[(&str, i8, Option<&str>)], strict: bool) -> DescribeClientQuotasRequest {
    let component = |(kind, match_type, name): &(&str, i8, Option<&str>)| {
        ComponentData::default().with_entity_type(text(kind)).with_match_type(*match_type).with_match(name.map(text))
    };
    DescribeClientQuotasRequest::default().with_components(filter.iter().map(component).collect()).with_strict(strict)
}

/// Waits until so many entities of a user are known everywhere.
fn settled(x: &mut Exchange, user: &str, count: usize) -> anyhow::Result<()> {
    let request = describe(&[("user", EXACT, Some(user))], false);
    x.settle("quotas", |x| {
        let found = x.quietly(&request)?.entries.unwrap_or_default().len();
        Ok((found == count).then_some(()))
    })
}

pub fn altered(x: &mut Exchange) -> anyhow::Result<()> {
    let (user, other) = (x.name("user"), x.name("other"));
    let of_user: Entity<'_> = &[("user", Some(&user))];
    let of_both: Entity<'_> = &[("client-id", Some(&other)), ("user", Some(&user))];
    let with_default: Entity<'_> = &[("client-id", None), ("user", Some(&user))];
    let all: Ops<'_> = &[(CONSUMER, Some(2e6)), (MUTATIONS, Some(0.5)), (PRODUCER, Some(1e6)), (TIME, Some(12.5))];
    x.ask("only validate", &alter(&[(of_user, all)]).with_validate_only(true))?;
    x.ask("set", &alter(&[(of_user, all), (of_both, &[(PRODUCER, Some(5.0))]), (with_default, &[(TIME, Some(1.0))])]))?;
    settled(x, &user, 3)?;
    x.ask("as they are set", &describe(&[("user", EXACT, Some(&user))], false))?;
    x.ask("take one away", &alter(&[(of_user, &[(TIME, None), (CONSUMER, Some(3e6))])]))?;
    x.ask("take all away", &alter(&[(of_both, &[(PRODUCER, None)]), (with_default, &[(TIME, None)])]))?;
    settled(x, &user, 1)?;
    x.ask("what is left", &describe(&[("user", EXACT, Some(&user))], false))?;
    x.ask("take away what is not there", &alter(&[(of_both, &[(PRODUCER, None)])]))?;
    x.ask("nothing of it", &alter(&[(of_user, &[])]))?;
    x.ask("nothing", &alter(&[]))?;
    // Never more than there are, so that other scripts are left alone.
    x.ask("clean up", &alter(&[(of_user, &[(CONSUMER, None), (MUTATIONS, None), (PRODUCER, None), (TIME, None)])]))?;
    settled(x, &user, 0)
}

pub fn refused(x: &mut Exchange) -> anyhow::Result<()> {
    let user = x.name("user");
    let of_user: Entity<'_> = &[("user", Some(&user))];
    let one: Ops<'_> = &[(PRODUCER, Some(1.0))];
    let connections: Ops<'_> = &[(CONNECTIONS, Some(1.0))];
    for (what, entity, ops) in [
        ("zero", of_user, &[(PRODUCER, Some(0.0))][..]),
        ("less than zero", of_user, &[(MUTATIONS, Some(-1.0))]),
        ("too large", of_user, &[(PRODUCER, Some(1e30))]),
        ("no end", of_user, &[(CONSUMER, Some(f64::INFINITY))]),
        ("a fraction", of_user, &[(PRODUCER, Some(1.5))]),
        ("what is not limited", of_user, &[("no_such_rate", Some(1.0))]),
        ("one good and one bad", of_user, &[(PRODUCER, Some(1.0)), ("no_such_rate", Some(1.0))]),
        ("twice", of_user, &[(PRODUCER, Some(1.0)), (PRODUCER, Some(2.0))]),
        ("connections of a user", of_user, connections),
        ("nobody", &[], one),
        ("somebody without a name", &[("client-id", Some(""))], one),
        ("somebody of no kind", &[("group", Some("g"))], one),
        ("an address and a user", &[("ip", Some("10.0.0.1")), ("user", None)], one),
        ("bytes of an address", &[("ip", Some("10.0.0.1"))], one),
        ("no address", &[("ip", Some("10.0.0.300"))], connections),
        ("a fraction of a connection", &[("ip", Some("10.0.0.1"))], &[(CONNECTIONS, Some(1.5))]),
    ] {
        x.ask(what, &alter(&[(entity, ops)]).with_validate_only(true))?;
    }
    x.ask("take away what is not limited", &alter(&[(of_user, &[("no_such_rate", None)])]).with_validate_only(true))?;
    x.ask("a user twice", &alter(&[(of_user, one), (of_user, one)]).with_validate_only(true))?;
    x.ask("two users in one", &alter(&[(&[("user", Some("a")), ("user", Some("b"))], one)]).with_validate_only(true))?;
    Ok(())
}

pub fn described(x: &mut Exchange) -> anyhow::Result<()> {
    let user = x.name("user");
    let (client, address) = (x.name("client"), format!("10.1.0.{}", x.version()));
    let rate: Ops<'_> = &[(PRODUCER, Some(1e9))];
    let of_user: Entity<'_> = &[("user", Some(&user))];
    let of_both: Entity<'_> = &[("client-id", Some(&client)), ("user", Some(&user))];
    let of_client: Entity<'_> = &[("client-id", Some(&client))];
    let of_address: Entity<'_> = &[("ip", Some(&address))];
    let connections: Ops<'_> = &[(CONNECTIONS, Some(1e6))];
    x.quietly(&alter(&[(of_user, rate), (of_both, rate), (of_client, rate), (of_address, connections)]))?;
    settled(x, &user, 2)?;
    for (what, filter, strict) in [
        ("nothing in particular, strictly", &[][..], true),
        ("a user", &[("user", EXACT, Some(user.as_str()))], false),
        ("a user, strictly", &[("user", EXACT, Some(&user))], true),
        ("a user with a client", &[("user", EXACT, Some(&user)), ("client-id", SPECIFIED, None)], true),
        ("both", &[("user", EXACT, Some(&user)), ("client-id", EXACT, Some(&client))], false),
        ("a client", &[("client-id", EXACT, Some(&client))], false),
        ("a user and the default client", &[("user", EXACT, Some(&user)), ("client-id", DEFAULT, None)], false),
        ("an address", &[("ip", EXACT, Some(&address))], true),
        ("nobody of that name", &[("user", EXACT, Some("nobody"))], false),
        ("the empty name", &[("user", EXACT, Some(""))], false),
    ] {
        x.ask(what, &describe(filter, strict))?;
    }
    let away: Ops<'_> = &[(PRODUCER, None)];
    let gone: Ops<'_> = &[(CONNECTIONS, None)];
    x.quietly(&alter(&[(of_user, away), (of_both, away), (of_client, away), (of_address, gone)]))?;
    settled(x, &user, 0)?;
    for (what, filter) in [
        ("no kind", &[("", EXACT, Some("u"))][..]),
        ("another kind", &[("group", EXACT, Some("u"))]),
        ("a kind twice", &[("user", EXACT, Some("u")), ("user", SPECIFIED, None)]),
        ("exactly nobody", &[("user", EXACT, None)]),
        ("the default with a name", &[("user", DEFAULT, Some("u"))]),
        ("any with a name", &[("user", SPECIFIED, Some("u"))]),
        ("no way to match", &[("user", NO_MATCH, Some("u"))]),
        ("an address and a user", &[("ip", SPECIFIED, None), ("user", SPECIFIED, None)]),
    ] {
        x.ask(what, &describe(filter, false))?;
    }
    Ok(())
}
