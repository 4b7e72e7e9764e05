//! DescribeClientQuotas: the quotas of entities that match.

use std::collections::BTreeMap;

use tidelog_catalog_api::{ClientQuotas, QuotaEntity, QuotaKind, QuotaName, QuotaValue};
use tidelog_kafka_wire::messages::describe_client_quotas_request::ComponentData;
use tidelog_kafka_wire::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use tidelog_kafka_wire::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use tidelog_kafka_wire::{EncodeFailed, ErrorCode, RequestHeader, StrBytes, message};

use super::entities::{self, CLIENT_ID, IP, USER};
use crate::connection::Answer;
use crate::gateway::Shared;
use crate::{dispatch, errors};

const MATCH_EXACT: i8 = 0;
const MATCH_DEFAULT: i8 = 1;
const MATCH_SPECIFIED: i8 = 2;

/// Memory that an entity takes in the answer, beside its names.
const ENTRY_BYTES: usize = 512;

type Refusal = (ErrorCode, String);

/// What is asked of a part of an entity; `None`: that there is one.
type Wanted = Option<QuotaName>;

/// Answers DescribeClientQuotas, in room that is made first.
pub(crate) async fn frame(
    shared: &Shared,
    header: &RequestHeader,
    request: DescribeClientQuotasRequest,
    room: impl Send,
) -> Result<Answer, EncodeFailed> {
    let (response, share) = match find(shared, &request).await {
        Ok((quotas, filter)) => {
            let found = || quotas.iter().filter(|(entity, _)| filter.matches(entity));
            let name_bytes = |entity: &QuotaEntity| {
                entities::parts(entity).map(|(_, name)| entities::text(name).map_or(0, str::len)).sum::<usize>()
            };
            let bytes = found().map(|(entity, _)| ENTRY_BYTES + 2 * name_bytes(entity)).sum();
            let share = shared.memory.answer(bytes).await;
            let entries = found().map(|(entity, values)| entry(entity, values)).collect();
            // Without an error Kafka has an empty text.
            (message!(DescribeClientQuotasResponse { error_message: Some("".into()), entries: Some(entries) }), share)
        }
        Err((code, text)) => {
            shared.meters.error(header.api, code);
            let response = message!(DescribeClientQuotasResponse {
                error_code: code.code(),
                error_message: Some(errors::text(text)),
                entries: None,
            });
            (response, None)
        }
    };
    drop(room);
    dispatch::frame_in(header, response, share)
}

async fn find(
    shared: &Shared,
    request: &DescribeClientQuotasRequest,
) -> Result<(std::sync::Arc<ClientQuotas>, Filter), Refusal> {
    let filter = Filter::of(request)?;
    // That there is no quota is a negative.
    let barrier = shared.parts.catalog.read_barrier().await;
    barrier.map_err(|error| (errors::of_catalog(&error), error.to_string()))?;
    Ok((shared.parts.catalog.client_quotas(shared.options.tenant), filter))
}

/// Which entities are asked for.
struct Filter {
    by_kind: BTreeMap<&'static str, Wanted>,
    /// Whether they may have parts that are not asked for.
    is_strict: bool,
}

impl Filter {
    fn of(request: &DescribeClientQuotasRequest) -> Result<Filter, Refusal> {
        let mut by_kind = BTreeMap::new();
        for component in &request.components {
            let (kind, wanted) = wanted(component)?;
            if by_kind.insert(kind, wanted).is_some() {
                let text = format!("Entity type {kind} cannot appear more than once in the filter.");
                return Err((ErrorCode::InvalidRequest, text));
            }
        }
        if by_kind.contains_key(IP) && by_kind.len() > 1 {
            let text = "Invalid entity filter component combination. IP filter component should not be used with user \
                        or clientId filter component.";
            return Err((ErrorCode::InvalidRequest, text.to_owned()));
        }
        Ok(Filter { by_kind, is_strict: request.strict })
    }

    fn matches(&self, entity: &QuotaEntity) -> bool {
        let parts = entities::parts(entity).collect::<BTreeMap<_, _>>();
        let is_there = |(kind, wanted): (&&str, &Wanted)| {
            let part = parts.get(*kind);
            part.is_some_and(|part| wanted.as_ref().is_none_or(|wanted| wanted == *part))
        };
        self.by_kind.iter().all(is_there) && (!self.is_strict || parts.len() == self.by_kind.len())
    }
}

fn wanted(component: &ComponentData) -> Result<(&'static str, Wanted), Refusal> {
    let refused = |text: &str| Err((ErrorCode::InvalidRequest, text.to_owned()));
    let kind = match component.entity_type.as_str() {
        "" => return refused("Invalid empty entity type."),
        other => [USER, CLIENT_ID, IP].into_iter().find(|kind| *kind == other),
    };
    let Some(kind) = kind else {
        let text = format!("Unsupported entity type {}", component.entity_type);
        return Err((ErrorCode::UnsupportedVersion, text));
    };
    match (component.match_type, &component.match_) {
        (MATCH_EXACT, Some(name)) => Ok((kind, Some(entities::name(kind, Some(name))))),
        (MATCH_EXACT, None) => refused("Request specified MATCH_TYPE_EXACT, but set match string to null."),
        (MATCH_DEFAULT, None) => Ok((kind, Some(QuotaName::Default))),
        (MATCH_SPECIFIED, None) => Ok((kind, None)),
        (MATCH_DEFAULT, _) => refused("Request specified MATCH_TYPE_DEFAULT, but also specified a match string."),
        (MATCH_SPECIFIED, _) => refused("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string."),
        (other, _) => refused(&format!("Unknown match type {other}")),
    }
}

fn entry(entity: &QuotaEntity, values: &BTreeMap<QuotaKind, QuotaValue>) -> EntryData {
    let part = |(kind, name): (&'static str, &QuotaName)| {
        let name = entities::text(name).map(StrBytes::from);
        message!(EntityData { entity_type: kind.into(), entity_name: name })
    };
    let value =
        |(kind, value): (&QuotaKind, &QuotaValue)| message!(ValueData { key: kind.name().into(), value: value.get() });
    message!(EntryData {
        entity: entities::parts(entity).map(part).collect(),
        values: values.iter().map(value).collect(),
    })
}
