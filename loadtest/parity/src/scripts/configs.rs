//! DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest, ListConfigResourcesRequest,
    alter_configs_request as plain, incremental_alter_configs_request as incremental,
};

use super::common::{create, text};
use crate::exchange::Exchange;

/// Kinds of resources.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const NO_KIND: i8 = 99;
/// What IncrementalAlterConfigs does to a setting.
pub const SET: i8 = 0;
pub const DELETE: i8 = 1;
pub const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;
const NO_OPERATION: i8 = 9;
const DOCUMENTATION_FROM: i16 = 3;
/// Settings of a broker that mean something on both systems.
const OF_BROKERS: &[&str] = &["auto.create.topics.enable", "num.partitions", "message.max.bytes", "broker.id"];

pub fn about(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
    let keys = keys.map(|keys| keys.iter().map(|key| text(key)).collect());
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(keys)
}

pub fn describe(resources: Vec<DescribeConfigsResource>) -> DescribeConfigsRequest {
    DescribeConfigsRequest::default().with_resources(resources)
}

pub fn described(x: &mut Exchange) -> anyhow::Result<()> {
    let settings = [("retention.ms", "60000"), ("cleanup.policy", "compact,delete")];
    let topic = create(x, "topic", 1, &settings)?.name;
    x.ask("all of a topic", &describe(vec![about(TOPIC, &topic, None)]))?;
    let two: &[&str] = &["retention.ms", "max.message.bytes"];
    x.ask("two of a topic", &describe(vec![about(TOPIC, &topic, Some(two))]))?;
    x.ask("with synonyms", &describe(vec![about(TOPIC, &topic, Some(two))]).with_include_synonyms(true))?;
    if x.version() >= DOCUMENTATION_FROM {
        x.ask("documented", &describe(vec![about(TOPIC, &topic, Some(two))]).with_include_documentation(true))?;
    }
    x.ask("one that is none", &describe(vec![about(TOPIC, &topic, Some(&["no.such.setting"]))]))?;
    x.ask("none of a topic", &describe(vec![about(TOPIC, &topic, Some(&[]))]))?;
    x.ask("of an unknown topic", &describe(vec![about(TOPIC, &x.name("unknown"), None)]))?;
    x.ask("of a topic that cannot be", &describe(vec![about(TOPIC, "with blank", None)]))?;
    x.ask("of no kind", &describe(vec![about(NO_KIND, "x", None)]))?;
    x.ask("of nothing", &describe(Vec::new()))?;
    x.ask("of a broker", &describe(vec![about(BROKER, "1", Some(OF_BROKERS))]))?;
    x.ask("of another broker", &describe(vec![about(BROKER, "77", Some(OF_BROKERS))]))?;
    x.ask("of a broker without a number", &describe(vec![about(BROKER, "one", Some(OF_BROKERS))]))?;
    let one = about(TOPIC, &topic, Some(two));
    x.ask("of a topic twice", &describe(vec![one.clone(), one]))?;
    Ok(())
}

/// What a topic's settings have become.
fn look(x: &mut Exchange, step: &str, topic: &str) -> anyhow::Result<()> {
    let keys: &[&str] = &["retention.ms", "cleanup.policy", "max.message.bytes"];
    x.ask(step, &describe(vec![about(TOPIC, topic, Some(keys))]))?;
    Ok(())
}

fn alter(kind: i8, name: &str, configs: &[(&str, Option<&str>)]) -> AlterConfigsRequest {
    let config = |(name, value): &(&str, Option<&str>)| {
        plain::AlterableConfig::default().with_name(text(name)).with_value(value.map(text))
    };
    let resource = plain::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(configs.iter().map(config).collect());
    AlterConfigsRequest::default().with_resources(vec![resource])
}

pub fn altered(x: &mut Exchange) -> anyhow::Result<()> {
    let topic = create(x, "topic", 1, &[("max.message.bytes", "5000")])?.name;
    let retention = [("retention.ms", Some("1000"))];
    x.ask("only validate", &alter(TOPIC, &topic, &retention).with_validate_only(true))?;
    look(x, "after validation", &topic)?;
    x.ask("set", &alter(TOPIC, &topic, &retention))?;
    settled(x, &topic, "retention.ms", "1000")?;
    look(x, "the other is back", &topic)?;
    x.ask("a setting that is none", &alter(TOPIC, &topic, &[("no.such.setting", Some("1"))]))?;
    x.ask("no number", &alter(TOPIC, &topic, &[("retention.ms", Some("soon"))]))?;
    x.ask("no value", &alter(TOPIC, &topic, &[("retention.ms", None)]))?;
    x.ask("of an unknown topic", &alter(TOPIC, &x.name("unknown"), &retention))?;
    x.ask("of no kind", &alter(NO_KIND, "x", &retention))?;
    look(x, "at last", &topic)?;
    Ok(())
}

pub fn change(kind: i8, name: &str, configs: &[(i8, &str, Option<&str>)]) -> IncrementalAlterConfigsRequest {
    let config = |(operation, name, value): &(i8, &str, Option<&str>)| {
        let config = incremental::AlterableConfig::default().with_config_operation(*operation);
        config.with_name(text(name)).with_value(value.map(text))
    };
    let resource = incremental::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(configs.iter().map(config).collect());
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
}

/// Waits until a setting has its value.
fn settled(x: &mut Exchange, topic: &str, setting: &str, value: &str) -> anyhow::Result<()> {
    let request = describe(vec![about(TOPIC, topic, Some(&[setting]))]);
    x.settle(setting, |x| {
        let answer = x.quietly(&request)?;
        let mut configs = answer.results.iter().flat_map(|result| &result.configs);
        Ok(configs.any(|config| config.value.as_deref() == Some(value)).then_some(()))
    })
}

pub fn changed(x: &mut Exchange) -> anyhow::Result<()> {
    let topic = create(x, "topic", 1, &[("max.message.bytes", "5000")])?.name;
    let set = (SET, "retention.ms", Some("1000"));
    x.ask("only validate", &change(TOPIC, &topic, &[set]).with_validate_only(true))?;
    look(x, "after validation", &topic)?;
    x.ask("set", &change(TOPIC, &topic, &[set]))?;
    settled(x, &topic, "retention.ms", "1000")?;
    look(x, "the other is kept", &topic)?;
    x.ask("append", &change(TOPIC, &topic, &[(APPEND, "cleanup.policy", Some("compact"))]))?;
    settled(x, &topic, "cleanup.policy", "delete,compact")?;
    x.ask("append again", &change(TOPIC, &topic, &[(APPEND, "cleanup.policy", Some("compact"))]))?;
    x.ask("subtract", &change(TOPIC, &topic, &[(SUBTRACT, "cleanup.policy", Some("delete"))]))?;
    settled(x, &topic, "cleanup.policy", "compact")?;
    x.ask("delete", &change(TOPIC, &topic, &[(DELETE, "max.message.bytes", None)]))?;
    settled(x, &topic, "max.message.bytes", "1048588")?;
    look(x, "after all that", &topic)?;
    for (what, config) in [
        ("a setting that is none", (SET, "no.such.setting", Some("1"))),
        ("no number", (SET, "retention.ms", Some("soon"))),
        ("no value", (SET, "retention.ms", None)),
        ("append to no list", (APPEND, "retention.ms", Some("1"))),
        ("append what is no policy", (APPEND, "cleanup.policy", Some("burn"))),
        ("no operation", (NO_OPERATION, "retention.ms", Some("1"))),
    ] {
        x.ask(what, &change(TOPIC, &topic, &[config]))?;
    }
    x.ask("one twice", &change(TOPIC, &topic, &[set, set]))?;
    x.ask("nothing", &change(TOPIC, &topic, &[]))?;
    x.ask("of an unknown topic", &change(TOPIC, &x.name("unknown"), &[set]))?;
    x.ask("of no kind", &change(NO_KIND, "x", &[set]))?;
    let mut two = change(TOPIC, &topic, &[set]);
    two.resources.push(two.resources[0].clone());
    x.ask("a topic twice", &two)?;
    Ok(())
}

pub fn resources(x: &mut Exchange) -> anyhow::Result<()> {
    let request = ListConfigResourcesRequest::default();
    if x.version() == 0 {
        x.ask("of metrics", &request)?;
        return Ok(());
    }
    x.ask("brokers", &request.clone().with_resource_types(vec![BROKER]))?;
    x.ask("no kind", &request.with_resource_types(vec![NO_KIND]))?;
    Ok(())
}
