//! GetTelemetrySubscriptions and PushTelemetry.

use std::sync::Arc;
use std::time::Duration;

use tidelog_format::records::decompress;
use tidelog_kafka_wire::messages::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, PushTelemetryRequest, PushTelemetryResponse,
};
use tidelog_kafka_wire::{Api, EncodeFailed, ErrorCode, RequestHeader, Uuid, message};
use tidelog_model::Codec;

use super::TELEMETRY_BYTES_MAX;
use super::instances::TooEarly;
use super::otlp::{self, Counted};
use super::subscriptions::{Attributes, Subscriptions, Wanted};
use crate::cluster::id_text;
use crate::connection::{Answer, Peer};
use crate::dispatch;
use crate::gateway::Shared;

/// In the order in which we would like them, as Kafka has it.
const ACCEPTED_CODECS: [Codec; 4] = [Codec::Zstd, Codec::Lz4, Codec::Gzip, Codec::Snappy];
/// What a push may unfold to. It is looked at and dropped without waiting in between, so there are as many at once as threads.
const UNFOLDED_BYTES_MAX: usize = 8 << 20;
/// Kafka keeps two ids for itself: none, and its metadata topic.
const RESERVED_IDS: [[u8; 16]; 2] = [[0; 16], 1_u128.to_be_bytes()];

/// Answers GetTelemetrySubscriptions, in room that is made first. A client that has no id yet gets one.
pub(crate) async fn get(
    shared: &Shared,
    peer: &Peer,
    header: &RequestHeader,
    request: &GetTelemetrySubscriptionsRequest,
    room: impl Send,
) -> Result<Answer, EncodeFailed> {
    let id = match request.client_instance_id.to_bytes() {
        id if id == Uuid::ZERO.to_bytes() => new_id(shared),
        id => id,
    };
    let subscriptions = subscriptions(shared);
    // Its pace first: who comes before its time costs nothing else.
    let result = {
        let mut instances = shared.telemetry.instances.lock();
        let result = instances.get(id, subscriptions.generation, shared.parts.clock.now());
        shared.telemetry.meters.instances(instances.count());
        result
    };
    let wanted = result.map(|()| {
        let wanted = subscriptions.wanted_of(&attributes(peer, header, id));
        shared.telemetry.instances.lock().comes_every(id, interval(&wanted));
        wanted
    });
    let share = shared.memory.answer(wanted.as_ref().map_or(0, |wanted| wanted.bytes())).await;
    drop(room);
    let response = match wanted {
        Ok(wanted) => message!(GetTelemetrySubscriptionsResponse {
            client_instance_id: Uuid::from_bytes(id),
            subscription_id: wanted.id(id),
            accepted_compression_types: ACCEPTED_CODECS.map(codec_number).to_vec(),
            push_interval_ms: i32::try_from(wanted.interval_ms).expect("an hour at most"),
            telemetry_max_bytes: TELEMETRY_BYTES_MAX as i32,
            delta_temporality: true,
            requested_metrics: wanted.metrics.iter().cloned().collect(),
        }),
        Err(early) => {
            let code = code_of(early);
            shared.meters.error(Api::GetTelemetrySubscriptions, code);
            message!(GetTelemetrySubscriptionsResponse { error_code: code.code() })
        }
    };
    dispatch::frame_in(header, response, share)
}

/// Answers PushTelemetry.
pub(crate) fn push(
    shared: &Shared,
    peer: &Peer,
    header: &RequestHeader,
    request: &PushTelemetryRequest,
) -> PushTelemetryResponse {
    let result = take(shared, peer, header, request);
    let code = result.err().unwrap_or(ErrorCode::None);
    shared.meters.error(Api::PushTelemetry, code);
    message!(PushTelemetryResponse { error_code: code.code() })
}

fn take(shared: &Shared, peer: &Peer, header: &RequestHeader, request: &PushTelemetryRequest) -> Result<(), ErrorCode> {
    let id = request.client_instance_id.to_bytes();
    if RESERVED_IDS.contains(&id) {
        return Err(ErrorCode::InvalidRequest);
    }
    let subscriptions = subscriptions(shared);
    {
        let mut instances = shared.telemetry.instances.lock();
        let now = shared.parts.clock.now();
        instances.push(id, subscriptions.generation, request.terminating, now).map_err(code_of)?;
        shared.telemetry.meters.instances(instances.count());
    }
    let wanted = subscriptions.wanted_of(&attributes(peer, header, id));
    {
        let mut instances = shared.telemetry.instances.lock();
        instances.comes_every(id, interval(&wanted));
        // After these clients ask again what is wanted, and may do so at once.
        if request.subscription_id != wanted.id(id) {
            instances.is_stale(id);
            return Err(ErrorCode::UnknownSubscriptionId);
        }
        if codec_of(request.compression_type).is_none() {
            instances.is_stale(id);
            return Err(ErrorCode::UnsupportedCompressionType);
        }
    }
    let codec = codec_of(request.compression_type).expect("it was looked at above");
    if request.metrics.len() > TELEMETRY_BYTES_MAX {
        return Err(ErrorCode::TelemetryTooLarge);
    }
    if request.metrics.is_empty() {
        return Ok(());
    }
    let counted = count(codec, &request.metrics).map_err(|problem| {
        tracing::debug!(client = %id_text(id), problem, "pushed telemetry is refused");
        ErrorCode::InvalidRecord
    })?;
    shared.telemetry.meters.pushed(&wanted.subscriptions, request.metrics.len(), counted);
    let Counted { metrics, data_points } = counted;
    tracing::debug!(client = %id_text(id), metrics, data_points, "telemetry pushed");
    Ok(())
}

fn count(codec: Codec, pushed: &[u8]) -> Result<Counted, String> {
    let unfolded;
    let payload = match codec {
        Codec::None => pushed,
        codec => {
            unfolded = decompress(codec, pushed, UNFOLDED_BYTES_MAX).map_err(|error| error.to_string())?;
            &unfolded
        }
    };
    otlp::count(payload).map_err(|error| error.to_string())
}

/// As the catalog has them now. That may be a moment old; then the client is told later.
fn subscriptions(shared: &Shared) -> Arc<Subscriptions> {
    let now = shared.parts.catalog.metrics_subscriptions(shared.options.tenant);
    let mut subscriptions = shared.telemetry.subscriptions.lock();
    if !subscriptions.are(&now) {
        *subscriptions = Arc::new(subscriptions.next(now));
    }
    subscriptions.clone()
}

/// What is longer than this is matched by nothing: the time that patterns take is in proportion to it.
const CLIENT_ID_BYTES_MAX: usize = 256;

fn attributes(peer: &Peer, header: &RequestHeader, id: [u8; 16]) -> Attributes {
    Attributes {
        client_id: header.client_id.clone().filter(|id| id.len() <= CLIENT_ID_BYTES_MAX),
        instance_id: id_text(id),
        software: peer.software.get(),
        address: peer.host.trim_start_matches('/').to_owned(),
        port: peer.port.map(|port| port.to_string()),
    }
}

/// Random, in the form of such ids: no other client has it.
fn new_id(shared: &Shared) -> [u8; 16] {
    tidelog_model::TopicId::from_random(shared.parts.random.bytes()).0
}

fn interval(wanted: &Wanted) -> Duration {
    Duration::from_millis(u64::from(wanted.interval_ms))
}

fn code_of(early: TooEarly) -> ErrorCode {
    match early {
        TooEarly::Interval => ErrorCode::ThrottlingQuotaExceeded,
        TooEarly::Terminating => ErrorCode::InvalidRequest,
    }
}

/// Kafka's numbers of codecs.
fn codec_number(codec: Codec) -> i8 {
    match codec {
        Codec::None => 0,
        Codec::Gzip => 1,
        Codec::Snappy => 2,
        Codec::Lz4 => 3,
        Codec::Zstd => 4,
    }
}

fn codec_of(number: i8) -> Option<Codec> {
    std::iter::once(Codec::None).chain(ACCEPTED_CODECS).find(|codec| codec_number(*codec) == number)
}
