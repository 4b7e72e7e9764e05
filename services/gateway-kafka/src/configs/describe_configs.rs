//! DescribeConfigs: what topics and this node are set to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tidelog_catalog_api::{CatalogError, MetricsSubscriptions, TopicView};
use tidelog_kafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use tidelog_kafka_wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use tidelog_kafka_wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use tidelog_kafka_wire::{EncodeFailed, ErrorCode, RequestHeader, StrBytes, message};
use tidelog_model::check_topic_name;

use crate::configs::broker_configs::{BrokerConfig, broker_configs};
use crate::configs::config_resources::{ResourceType, SOURCE_BROKER, SOURCE_DEFAULT, SOURCE_TOPIC};
use crate::configs::subscription_configs;
use crate::configs::topic_configs::{self, Shown};
use crate::connection::Answer;
use crate::gateway::Shared;
use crate::topics::{Lookup, TopicKey};
use crate::{dispatch, errors};

/// Resources in one answer. More are refused each, so that a request of a few bytes per topic cannot fill the memory.
const RESOURCES_MAX: usize = 2_000;
/// Memory that one resource's answer takes, with synonyms and documentation, while it is made.
const RESOURCE_BYTES: usize = 24 * 1024;
/// What is said behind a purpose.
const NO_EFFECT: &str = "Kept and shown; it has no effect in Tidelog yet.";

type Refusal = (ErrorCode, Option<String>);

/// What a client wants to know of each setting.
#[derive(Clone, Copy)]
pub(super) struct Detail {
    pub(super) synonyms: bool,
    pub(super) documentation: bool,
}

/// Answers DescribeConfigs, in room that is made first. A resource that is named again is answered once.
pub(crate) async fn frame(
    shared: &Shared,
    header: &RequestHeader,
    request: DescribeConfigsRequest,
    room: impl Send,
) -> Result<Answer, EncodeFailed> {
    let detail = Detail { synonyms: request.include_synonyms, documentation: request.include_documentation };
    let mut seen = BTreeSet::new();
    let resources = request.resources.into_iter();
    let resources = resources
        .filter(|it| seen.insert((it.resource_type, it.resource_name.as_str().to_owned())))
        .collect::<Vec<_>>();
    let topics = topics(shared, &resources).await;
    let asks_subscriptions = resources.iter().any(|it| it.resource_type == ResourceType::ClientMetrics.number());
    let subscriptions =
        if asks_subscriptions { subscription_configs::subscriptions(shared).await } else { Ok(Arc::default()) };
    let described = resources.len().min(RESOURCES_MAX);
    let share = shared.memory.answer(described * RESOURCE_BYTES).await;
    drop(room);
    let results = resources.into_iter().enumerate().map(|(position, resource)| {
        let configs = if position < RESOURCES_MAX {
            describe(shared, &topics, &subscriptions, &resource, detail)
        } else {
            let text = format!("a request may describe {RESOURCES_MAX} resources at most: ask for the rest in another");
            Err((ErrorCode::InvalidRequest, Some(text)))
        };
        let (code, text, configs) = match configs {
            Ok(configs) => (ErrorCode::None, None, configs),
            Err((code, text)) => (code, text, Vec::new()),
        };
        shared.meters.error(header.api, code);
        message!(DescribeConfigsResult {
            error_code: code.code(),
            error_message: text.map(errors::text),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            configs: configs,
        })
    });
    let results = results.collect();
    dispatch::frame_in(header, message!(DescribeConfigsResponse { results: results }), share)
}

/// The topics among the resources, looked up with one read barrier.
async fn topics(shared: &Shared, resources: &[DescribeConfigsResource]) -> BTreeMap<String, Lookup> {
    let topics = resources.iter().take(RESOURCES_MAX).filter(|it| it.resource_type == ResourceType::Topic.number());
    let topics = topics.filter(|it| check_topic_name(&it.resource_name).is_ok());
    let names = topics.map(|it| it.resource_name.as_str().to_owned()).collect::<Vec<_>>();
    let keys = names.iter().map(|name| TopicKey::Name(name.as_str().into())).collect::<Vec<_>>();
    names.into_iter().zip(shared.topics(&keys).await).collect()
}

fn describe(
    shared: &Shared,
    topics: &BTreeMap<String, Lookup>,
    subscriptions: &Result<Arc<MetricsSubscriptions>, CatalogError>,
    resource: &DescribeConfigsResource,
    detail: Detail,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let name = resource.resource_name.as_str();
    let refused = |text: String| Err((ErrorCode::InvalidRequest, Some(text)));
    // An empty list of names asks for all, as none does.
    let keys = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty());
    let keys = keys.map(|keys| keys.iter().map(StrBytes::as_str).collect::<BTreeSet<_>>());
    let is_asked = |name: &str| keys.as_ref().is_none_or(|keys| keys.contains(name));
    match ResourceType::of(resource.resource_type) {
        Some(ResourceType::Topic) => {
            check_topic_name(name)
                .map_err(|error| (errors::of_topic_name(&error), Some(format!("Topic name is invalid: {error}"))))?;
            let topic = match &topics[name] {
                Lookup::Found(topic) => topic,
                Lookup::Missing => return Err((ErrorCode::UnknownTopicOrPartition, None)),
                Lookup::Unconfirmed(error) => return Err((errors::of_catalog(error), Some(error.to_string()))),
            };
            Ok(topic_results(topic, is_asked, detail))
        }
        Some(ResourceType::Broker) => {
            // The defaults of all brokers that were set while they run: there are none.
            if name.is_empty() {
                return Ok(Vec::new());
            }
            let own = shared.options.broker_id();
            if name.parse() != Ok(own) {
                return refused(format!("Unexpected broker id, expected {own} or empty string, but received {name}"));
            }
            let asked = broker_configs(shared).into_iter().filter(|config| is_asked(config.name));
            Ok(asked.map(|config| broker_result(config, detail)).collect())
        }
        // Groups can have no settings, so they have none.
        Some(ResourceType::Group) if !name.is_empty() => Ok(Vec::new()),
        Some(ResourceType::Group) => refused("Group name must not be empty".to_owned()),
        Some(ResourceType::ClientMetrics) if name.is_empty() => {
            refused("Client metrics subscription name must not be empty".to_owned())
        }
        Some(ResourceType::ClientMetrics) => match subscriptions {
            Ok(all) => Ok(subscription_configs::describe(all, name, is_asked, detail)),
            Err(error) => Err((errors::of_catalog(error), Some(error.to_string()))),
        },
        Some(ResourceType::BrokerLogger) => {
            refused("Loggers are not offered: set them in the server's configuration".to_owned())
        }
        None => refused(format!("Unexpected resource type {} for resource {name}", resource.resource_type)),
    }
}

fn topic_results(
    topic: &TopicView,
    is_asked: impl Fn(&str) -> bool,
    detail: Detail,
) -> Vec<DescribeConfigsResourceResult> {
    let asked = topic_configs::shown(&topic.configs).into_iter().filter(|shown| is_asked(shown.name));
    asked.map(|shown| topic_result(&shown, detail)).collect()
}

fn topic_result(shown: &Shown<'_>, detail: Detail) -> DescribeConfigsResourceResult {
    let config = shown.config;
    let value = StrBytes::from(shown.value.as_str());
    let mut synonyms = Vec::new();
    if detail.synonyms {
        if shown.is_set {
            synonyms.push(synonym(shown.name.into(), value.clone(), SOURCE_TOPIC));
        }
        if let Some((config, broker)) = config.and_then(|config| Some((config, config.broker?))) {
            synonyms.push(synonym(fixed(broker), fixed(config.default), SOURCE_DEFAULT));
        }
    }
    let documentation = config.filter(|_| detail.documentation);
    message!(DescribeConfigsResourceResult {
        name: config.map_or_else(|| shown.name.into(), |config| fixed(config.name)),
        value: Some(value),
        config_source: if shown.is_set { SOURCE_TOPIC } else { SOURCE_DEFAULT },
        synonyms: synonyms,
        config_type: config.map_or(0, |config| config.kind.number()),
        documentation: documentation.map(|config| StrBytes::from(format!(
            "{} {}",
            config.purpose,
            config.effect.unwrap_or(NO_EFFECT)
        ))),
    })
}

fn broker_result(config: BrokerConfig, detail: Detail) -> DescribeConfigsResourceResult {
    let source = if config.is_set { SOURCE_BROKER } else { SOURCE_DEFAULT };
    let value = StrBytes::from(config.value);
    let own = detail.synonyms.then(|| synonym(fixed(config.name), value.clone(), source));
    message!(DescribeConfigsResourceResult {
        name: fixed(config.name),
        value: Some(value),
        read_only: true,
        config_source: source,
        synonyms: own.into_iter().collect(),
        config_type: config.kind.number(),
        documentation: detail.documentation.then(|| fixed(config.purpose)),
    })
}

pub(super) fn synonym(name: StrBytes, value: StrBytes, source: i8) -> DescribeConfigsSynonym {
    message!(DescribeConfigsSynonym { name: name, value: Some(value), source: source })
}

/// A text of the program: it is not copied for each topic.
pub(crate) fn fixed(text: &'static str) -> StrBytes {
    StrBytes::try_from(Bytes::from_static(text.as_bytes())).expect("it is text")
}
