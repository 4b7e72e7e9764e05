//! What can have settings, in Kafka's numbers, and where they come from.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidelog_kafka_wire::messages::list_config_resources_response::ConfigResource;
use tidelog_kafka_wire::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use tidelog_kafka_wire::{EncodeFailed, ErrorCode, RequestHeader, message};

use crate::connection::Answer;
use crate::gateway::Shared;
use crate::{dispatch, errors};

/// Set for a topic.
pub(crate) const SOURCE_TOPIC: i8 = 1;
/// Set for this node when it was started.
pub(crate) const SOURCE_BROKER: i8 = 4;
/// Set for a metrics subscription.
pub(crate) const SOURCE_CLIENT_METRICS: i8 = 7;
/// Nobody has set it.
pub(crate) const SOURCE_DEFAULT: i8 = 5;

/// Memory that one topic or subscription of an answer takes.
const RESOURCE_BYTES: usize = 384;

/// Kafka's `ConfigResource.Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ResourceType {
    Topic,
    Broker,
    BrokerLogger,
    ClientMetrics,
    Group,
}

impl ResourceType {
    pub(crate) fn of(number: i8) -> Option<ResourceType> {
        use ResourceType::{Broker, BrokerLogger, ClientMetrics, Group, Topic};
        [Topic, Broker, BrokerLogger, ClientMetrics, Group].into_iter().find(|it| it.number() == number)
    }

    pub(crate) fn number(self) -> i8 {
        match self {
            ResourceType::Topic => 2,
            ResourceType::Broker => 4,
            ResourceType::BrokerLogger => 8,
            ResourceType::ClientMetrics => 16,
            ResourceType::Group => 32,
        }
    }
}

/// Answers ListConfigResources. Version 0 asks for metrics subscriptions.
pub(crate) async fn frame(
    shared: &Shared,
    header: &RequestHeader,
    request: ListConfigResourcesRequest,
    room: impl Send,
) -> Result<Answer, EncodeFailed> {
    let types = request.resource_types.iter().map(|number| ResourceType::of(*number)).collect::<BTreeSet<_>>();
    let all = types.is_empty() && header.version > 0;
    let is_old = header.version == 0;
    let wanted = |wanted: ResourceType| {
        all || types.contains(&Some(wanted)) || (is_old && wanted == ResourceType::ClientMetrics)
    };
    let mut code = ErrorCode::None;
    if types.contains(&None) {
        code = ErrorCode::UnsupportedVersion;
    } else if (wanted(ResourceType::Topic) || wanted(ResourceType::ClientMetrics))
        && let Err(error) = shared.parts.catalog.read_barrier().await
    {
        code = errors::of_catalog(&error);
    }
    let is_good = code == ErrorCode::None;
    let topics = if is_good && wanted(ResourceType::Topic) {
        shared.parts.catalog.topics(shared.options.tenant)
    } else {
        Vec::new()
    };
    let subscriptions = if is_good && wanted(ResourceType::ClientMetrics) {
        shared.parts.catalog.metrics_subscriptions(shared.options.tenant)
    } else {
        Arc::default()
    };
    let share = shared.memory.answer((topics.len() + subscriptions.len()) * RESOURCE_BYTES).await;
    drop(room);
    let resource = |kind: ResourceType, name: &str| {
        message!(ConfigResource { resource_name: name.into(), resource_type: kind.number() })
    };
    let mut resources = Vec::new();
    if is_good && wanted(ResourceType::Broker) {
        resources.push(resource(ResourceType::Broker, &shared.options.broker_id().to_string()));
    }
    resources.extend(subscriptions.keys().map(|name| resource(ResourceType::ClientMetrics, name)));
    resources.extend(topics.iter().map(|topic| resource(ResourceType::Topic, &topic.name)));
    shared.meters.error(header.api, code);
    let response = message!(ListConfigResourcesResponse { error_code: code.code(), config_resources: resources });
    dispatch::frame_in(header, response, share)
}
