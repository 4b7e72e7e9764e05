//! Metrics subscriptions, GetTelemetrySubscriptions and PushTelemetry.

use bytes::Bytes;
use kafka_protocol::messages::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, ListConfigResourcesRequest,
    PushTelemetryRequest,
};
use uuid::Uuid;

use super::configs::{APPEND, DELETE, SET, about, change, describe};
use crate::exchange::Exchange;

/// Kind of resource.
const CLIENT_METRICS: i8 = 16;
const PUSH_BYTES_MAX: usize = 1 << 20;
/// A metric called `a`, in OpenTelemetry's protobuf.
const METRIC: &[u8] = b"\x0a\x07\x12\x05\x12\x03\x0a\x01a";

const NAMES: &[&str] = &["interval.ms", "match", "metrics"];

fn look(x: &mut Exchange, step: &str, name: &str) -> anyhow::Result<()> {
    let request = describe(vec![about(CLIENT_METRICS, name, None)]).with_include_synonyms(true);
    x.ask(step, &request)?;
    Ok(())
}

/// Waits until a setting has its value.
fn settled(x: &mut Exchange, name: &str, setting: &str, value: &str) -> anyhow::Result<()> {
    let request = describe(vec![about(CLIENT_METRICS, name, Some(&[setting]))]);
    x.settle(setting, |x| {
        let answer = x.quietly(&request)?;
        let mut configs = answer.results.iter().flat_map(|result| &result.configs);
        Ok(configs.any(|config| config.value.as_deref() == Some(value)).then_some(()))
    })
}

pub fn subscriptions(x: &mut Exchange) -> anyhow::Result<()> {
    let name = x.name("subscription");
    let (name, other) = (name.as_str(), x.name("other"));
    look(x, "before", name)?;
    let metrics = (SET, "metrics", Some("b., a."));
    x.ask("only validate", &change(CLIENT_METRICS, name, &[metrics]).with_validate_only(true))?;
    look(x, "after validation", name)?;
    let matches = (SET, "match", Some("client_id=x.*, client_software_name = y"));
    x.ask("set", &change(CLIENT_METRICS, name, &[metrics, matches]))?;
    settled(x, name, "metrics", "b.,a.")?;
    look(x, "when set", name)?;
    x.ask("set another", &change(CLIENT_METRICS, name, &[(SET, "interval.ms", Some(" 500 "))]))?;
    settled(x, name, "interval.ms", "500")?;
    look(x, "when another is set", name)?;
    for (what, config) in [
        ("a setting that is none", (SET, "no.such.setting", Some("1"))),
        ("too often", (SET, "interval.ms", Some("99"))),
        ("too seldom", (SET, "interval.ms", Some("3600001"))),
        ("no number", (SET, "interval.ms", Some("soon"))),
        ("no value", (SET, "metrics", None)),
        ("an empty metric", (SET, "metrics", Some("a,,b"))),
        ("append", (APPEND, "metrics", Some("c."))),
        ("append to no list", (APPEND, "interval.ms", Some("1"))),
        ("no pattern", (SET, "match", Some("client_id"))),
        ("an empty pattern", (SET, "match", Some("client_id="))),
        ("two patterns in one", (SET, "match", Some("client_id=a=b"))),
        ("a selector that is none", (SET, "match", Some("name=a"))),
        ("a pattern that is none", (SET, "match", Some("client_id=["))),
        ("look-around", (SET, "match", Some("client_id=(?!a).*"))),
    ] {
        x.ask(what, &change(CLIENT_METRICS, &other, &[config]))?;
    }
    x.ask("without a name", &change(CLIENT_METRICS, "", &[metrics]))?;
    x.ask("describe without a name", &describe(vec![about(CLIENT_METRICS, "", None)]))?;
    x.ask("delete what is not there", &change(CLIENT_METRICS, &x.name("none"), &[(DELETE, "metrics", None)]))?;
    delete(x, "delete", name)?;
    look(x, "at last", name)?;
    Ok(())
}

/// Deletes a subscription and waits until nobody sees it.
fn delete(x: &mut Exchange, step: &str, name: &str) -> anyhow::Result<()> {
    let all: Vec<_> = NAMES.iter().map(|setting| (DELETE, *setting, None)).collect();
    x.ask(step, &change(CLIENT_METRICS, name, &all))?;
    x.settle(name, |x| {
        let answer = x.quietly_in(0, &ListConfigResourcesRequest::default())?;
        Ok(answer.config_resources.iter().all(|it| it.resource_name.as_str() != name).then_some(()))
    })
}

fn get(id: Uuid) -> GetTelemetrySubscriptionsRequest {
    GetTelemetrySubscriptionsRequest::default().with_client_instance_id(id)
}

fn push(of: &GetTelemetrySubscriptionsResponse, metrics: impl Into<Bytes>) -> PushTelemetryRequest {
    PushTelemetryRequest::default()
        .with_client_instance_id(of.client_instance_id)
        .with_subscription_id(of.subscription_id)
        .with_metrics(metrics.into())
}

fn subscribe(x: &mut Exchange, word: &str, settings: &[(&str, &str)]) -> anyhow::Result<String> {
    let name = x.name(word);
    let settings: Vec<_> = settings.iter().map(|(setting, value)| (SET, *setting, Some(*value))).collect();
    x.quietly(&change(CLIENT_METRICS, &name, &settings))?;
    x.settle(&name, |x| {
        let answer = x.quietly_in(0, &ListConfigResourcesRequest::default())?;
        Ok(answer.config_resources.iter().any(|it| it.resource_name.as_str() == name).then_some(()))
    })?;
    Ok(name)
}

pub fn asked(x: &mut Exchange) -> anyhow::Result<()> {
    let first = x.ask("first", &get(Uuid::nil()))?;
    x.ask("too early", &get(first.client_instance_id))?;
    x.ask("another client", &get(Uuid::nil()))?;
    x.ask("an id of its own", &get(Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef)))?;
    let mine = subscribe(x, "mine", &[("metrics", "b.,a."), ("match", "client_id=par.ty"), ("interval.ms", "60000")])?;
    let all = subscribe(x, "all", &[("metrics", "c."), ("interval.ms", "100")])?;
    let theirs = subscribe(x, "theirs", &[("metrics", "*"), ("match", "client_id=par")])?;
    x.ask("when there are some", &get(first.client_instance_id))?;
    let every = subscribe(x, "every", &[("metrics", "*,d."), ("match", "client_source_address=127\\..*")])?;
    x.ask("when all are wanted", &get(first.client_instance_id))?;
    for (step, name) in [("delete mine", mine), ("delete all", all), ("delete theirs", theirs), ("delete every", every)]
    {
        delete(x, step, &name)?;
    }
    x.ask("when there are none", &get(first.client_instance_id))?;
    Ok(())
}

/// Every step is about a client of its own, which has just asked: its first push comes at its time, however slow the machine.
pub fn pushed(x: &mut Exchange) -> anyhow::Result<()> {
    let name = subscribe(x, "all", &[("metrics", "*"), ("interval.ms", "3600000")])?;
    let told = |x: &mut Exchange| x.quietly(&get(Uuid::nil()));
    let first = x.ask("first", &get(Uuid::nil()))?;
    x.ask("a metric", &push(&first, METRIC))?;
    x.ask("too early", &push(&first, METRIC))?;
    let other = told(x)?;
    x.ask("another subscription", &push(&other, METRIC).with_subscription_id(other.subscription_id ^ 1))?;
    x.ask("asked at once", &get(other.client_instance_id))?;
    for (what, bytes) in
        [("nothing", Vec::new()), ("noise", b"zz".to_vec()), ("too large", vec![0; PUSH_BYTES_MAX + 1])]
    {
        let request = push(&told(x)?, bytes);
        x.ask(what, &request)?;
    }
    for (what, codec) in [("no codec", 9), ("no gzip", 1)] {
        let request = push(&told(x)?, METRIC).with_compression_type(codec);
        x.ask(what, &request)?;
    }
    let unknown = Uuid::from_u128(7 << 64);
    for (what, id) in [
        ("without an id", Uuid::nil()),
        ("with the id of nobody", Uuid::from_u128(1)),
        ("of an unknown client", unknown),
    ] {
        let request = push(&told(x)?, METRIC).with_client_instance_id(id);
        x.ask(what, &request)?;
    }
    let ending = told(x)?;
    x.ask("before its end", &push(&ending, METRIC))?;
    x.ask("at its end", &push(&ending, METRIC).with_terminating(true))?;
    x.ask("after its end", &push(&ending, METRIC))?;
    delete(x, "delete", &name)
}
