//! AlterClientQuotas: each entity is judged by itself and altered as a whole or not at all.

use std::collections::{BTreeMap, BTreeSet};

use tidelog_catalog_api::{
    CatalogError, Command, Outcome, QuotaAlteration, QuotaEntity, QuotaKind, QuotaRefused, QuotaValue,
};
use tidelog_kafka_wire::messages::alter_client_quotas_request as asked;
use tidelog_kafka_wire::messages::alter_client_quotas_response::{EntityData, EntryData};
use tidelog_kafka_wire::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use tidelog_kafka_wire::{Api, ErrorCode, StrBytes, message};
use tidelog_model::limits::QUOTA_ENTITIES_MAX;

use super::entities;
use crate::errors;
use crate::gateway::Shared;

/// Entities that one request may alter: as many as there may be.
const ENTITIES_MAX: usize = QUOTA_ENTITIES_MAX;

type Refusal = (ErrorCode, String);

/// An entity of the answer, as it was named, and what is to become of it.
struct Judged {
    named: Vec<(StrBytes, Option<StrBytes>)>,
    alteration: Result<QuotaAlteration, Refusal>,
}

/// Answers AlterClientQuotas. A cancelled caller may leave quotas altered.
pub(crate) async fn answer(shared: &Shared, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let judged = judge_all(request.entries);
    let good = judged.iter().filter_map(|judged| judged.alteration.as_ref().ok().cloned()).collect::<Vec<_>>();
    let mut outcomes = if request.validate_only || good.is_empty() {
        vec![Ok(()); good.len()].into_iter()
    } else {
        propose(shared, good).await.into_iter()
    };
    let entries = judged.into_iter().map(|Judged { named, alteration }| {
        let result = alteration.and_then(|_| outcomes.next().expect("one for each that was proposed"));
        let (code, text) = result.map_or_else(|(code, text)| (code, Some(text)), |()| (ErrorCode::None, None));
        shared.meters.error(Api::AlterClientQuotas, code);
        let part = |(kind, name)| message!(EntityData { entity_type: kind, entity_name: name });
        message!(EntryData {
            error_code: code.code(),
            error_message: text.map(errors::text),
            entity: named.into_iter().map(part).collect(),
        })
    });
    message!(AlterClientQuotasResponse { entries: entries.collect() })
}

/// An entity that stands twice is answered once and not altered: who repeats himself may not mean what he says.
fn judge_all(entries: Vec<asked::EntryData>) -> Vec<Judged> {
    let mut places = BTreeMap::<Vec<(StrBytes, Option<StrBytes>)>, usize>::new();
    let mut judged = Vec::<Judged>::new();
    for (position, entry) in entries.into_iter().enumerate() {
        // Of parts of one kind the last one counts, as in Kafka.
        let parts = entry.entity.into_iter().map(|part| (part.entity_type, part.entity_name));
        let named = parts.collect::<BTreeMap<_, _>>().into_iter().collect::<Vec<_>>();
        if let Some(place) = places.get(&named) {
            let text = "Ignoring duplicate entity".to_owned();
            judged[*place].alteration = Err((ErrorCode::InvalidRequest, text));
            continue;
        }
        places.insert(named.clone(), judged.len());
        let alteration = if position < ENTITIES_MAX {
            judge(&named, &entry.ops)
        } else {
            let text = format!("a request may alter the quotas of {ENTITIES_MAX} entities at most");
            Err((ErrorCode::InvalidRequest, text))
        };
        judged.push(Judged { named, alteration });
    }
    judged
}

fn judge(named: &[(StrBytes, Option<StrBytes>)], ops: &[asked::OpData]) -> Result<QuotaAlteration, Refusal> {
    let refused = |text: String| Err((ErrorCode::InvalidRequest, text));
    let mut entity = QuotaEntity::default();
    for (kind, name) in named {
        match entities::part_mut(&mut entity, kind) {
            Some(part) => *part = Some(entities::name(kind, name.as_deref())),
            None => return refused(format!("Unhandled client quota entity type: {kind}")),
        }
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = ops.iter().find(|op| !seen.insert(op.key.as_str())) {
        return refused(format!("Duplicate quota key {} not updating quota for this entity", twice.key));
    }
    let mut changes = BTreeMap::new();
    let mut unknown = None;
    for op in ops {
        match QuotaKind::of_name(&op.key) {
            Some(kind) => drop(changes.insert(kind, (!op.remove).then(|| QuotaValue::new(op.value)))),
            // What there cannot be is not there.
            None if op.remove => {}
            None => unknown = unknown.or(Some(&op.key)),
        }
    }
    let alteration = QuotaAlteration { entity, changes };
    alteration.check().map_err(|error| refusal(&error))?;
    match unknown {
        Some(key) => refused(format!("Invalid configuration key {key}")),
        None => Ok(alteration),
    }
}

fn refusal(error: &QuotaRefused) -> Refusal {
    (errors::of_quota(error), error.to_string())
}

async fn propose(shared: &Shared, alterations: Vec<QuotaAlteration>) -> Vec<Result<(), Refusal>> {
    let count = alterations.len();
    let failed = |error: CatalogError| vec![Err((errors::of_catalog(&error), error.to_string())); count];
    match shared.parts.catalog.propose(Command::AlterClientQuotas { tenant: shared.options.tenant, alterations }).await
    {
        Ok(Outcome::ClientQuotasAltered(results)) => {
            assert_eq!(results.len(), count, "the catalog answers each entity");
            tracing::info!(entities = count, "client quotas altered");
            results.into_iter().map(|result| result.map_err(|error| refusal(&error))).collect()
        }
        Ok(other) => unreachable!("the catalog answers AlterClientQuotas with ClientQuotasAltered, not {other:?}"),
        Err(error) => failed(error),
    }
}
