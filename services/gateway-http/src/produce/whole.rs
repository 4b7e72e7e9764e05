//! Bodies that are taken as a whole: a list of records as JSON, or one record as bytes. Nothing is appended before all of it
//! has been checked.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tidelog_http_api::{Produced, RecordOutcome, RecordPlace, WireOffset, object_from_str};

use super::batches::Batches;
use super::conditions::Gate;
use super::input::{NewRecord, RecordText, Rules, decode_base64};
use super::json_text::{check_text, in_terms_of_json, json_error};
use crate::body::Arriving;
use crate::errors::Code;
use crate::gateway::Shared;
use crate::json_body;
use crate::negotiate::JSON;
use crate::options::{JSON_BODY_BYTES_MAX, JSON_RECORDS_MAX};
use crate::problem::Refused;
use crate::query::Query;
use crate::topics::content_length;

/// The key of one record sent as bytes, where a header is easier than a parameter.
pub(super) const KEY: HeaderName = HeaderName::from_static("tidelog-key");
/// What a reader of JSON says when the list is too long; it cannot say more.
const TOO_MANY: &str = "too many records";

/// The list, each record still as it was sent, so that the one that is wrong can be named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent<'a> {
    #[serde(borrow, deserialize_with = "bounded")]
    records: Vec<&'a RawValue>,
}

fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<&'de RawValue>, D::Error> {
    struct Bounded;
    impl<'de> Visitor<'de> for Bounded {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list of records")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut records = Vec::new();
            while let Some(record) = list.next_element()? {
                if records.len() == JSON_RECORDS_MAX {
                    return Err(de::Error::custom(TOO_MANY));
                }
                records.push(record);
            }
            Ok(records)
        }
    }
    deserializer.deserialize_seq(Bounded)
}

/// Appends a list of records.
pub(super) async fn json(
    shared: &Arc<Shared>,
    rules: Rules,
    gate: Gate,
    headers: &HeaderMap,
    arriving: Arriving,
) -> Result<Response, Refused> {
    let whole = arriving.whole(content_length(headers), JSON_BODY_BYTES_MAX).await?;
    let mut batches = Batches::new(shared, rules).behind(gate);
    let count = {
        let sent: Sent<'_> = object_from_str(check_text(&whole.bytes)?).map_err(|error| {
            if error.to_string().starts_with(TOO_MANY) {
                let detail = format!("a list may have {JSON_RECORDS_MAX} records at most; lines may have any number");
                return Refused::new(Code::TooManyRecords, detail);
            }
            json_error(&error, Code::InvalidBody)
        })?;
        for (number, record) in sent.records.iter().enumerate() {
            let number = number as u64;
            let pushed = object_from_str::<RecordText<'_>>(record.get())
                .map_err(|error| Refused::new(json_error(&error, Code::InvalidRecord).code(), in_terms_of_json(&error)))
                .and_then(NewRecord::of)
                .and_then(|record| batches.push(number, &record));
            pushed.map_err(|refused| refused.at(|place| place.record = Some(number)))?;
        }
        sent.records.len()
    };
    // What was sent is not needed any more, now that there are batches of it.
    drop(whole);
    if count == 0 {
        batches.check_end().await?;
    }
    append(batches, count).await
}

/// Appends one record.
pub(super) async fn octets(
    shared: &Arc<Shared>,
    rules: Rules,
    gate: Gate,
    (query, headers): (&Query, &HeaderMap),
    arriving: Arriving,
) -> Result<Response, Refused> {
    let keys = [
        query.text("key").map(|key| Ok(key.as_bytes().to_vec())),
        query.text("key_base64").map(|key| decode_base64("key_base64", key)),
    ];
    let in_headers = headers.get_all(KEY).iter().map(|key| Ok(key.as_bytes().to_vec()));
    let mut keys = keys.into_iter().flatten().chain(in_headers);
    let key = keys.next().transpose()?;
    if keys.next().is_some() {
        let detail = "the key is there more than once: one of key, key_base64 and the header tidelog-key works";
        return Err(Refused::parameter(Code::InvalidParameter, "key", detail));
    }
    let timestamp = query.number("timestamp", 0..=i64::MAX)?;
    let bytes_max = rules.admit.batch_bytes_max;
    let bytes_max = if gate.is_repeatable() { octets_bytes_max(bytes_max) } else { bytes_max };
    let whole = arriving.whole(content_length(headers), bytes_max).await?;
    let mut batches = Batches::new(shared, rules).behind(gate);
    let record = NewRecord {
        key: key.map(Cow::Owned),
        value: Some(Cow::Borrowed(&whole.bytes)),
        headers: Vec::new(),
        partition: None,
        timestamp,
    };
    batches.push(0, &record)?;
    drop(whole);
    append(batches, 1).await
}

/// How long one record may be that could be stored already: it is read first, and judged when that is known.
pub(super) fn octets_bytes_max(of_topic: usize) -> usize {
    JSON_BODY_BYTES_MAX.max(of_topic)
}

async fn append(mut batches: Batches, count: usize) -> Result<Response, Refused> {
    let mut outcomes = vec![RecordOutcome::default(); count];
    let mut failed: Option<Refused> = None;
    for pending in batches.append().await {
        let (partition, spans, outcome) = pending.resolve().await;
        let numbers = spans.iter().flat_map(|span| span.first..span.first + u64::from(span.count));
        for (delta, number) in numbers.enumerate() {
            let told = &mut outcomes[number as usize];
            told.partition = partition;
            match &outcome {
                Ok(appended) => told.offset = Some(WireOffset(appended.base_offset.0 + delta as u64)),
                Err(refused) => {
                    told.code = Some(refused.code().as_str().to_owned());
                    told.may_have_happened = refused.may_have_happened();
                }
            }
        }
        if let Err(refused) = outcome {
            let uncertain = refused.may_have_happened();
            failed = Some(failed.unwrap_or(refused).uncertain(uncertain));
        }
    }
    if let Some(refused) = failed {
        return Err(refused.with_records(outcomes));
    }
    let place = |told: RecordOutcome| RecordPlace {
        partition: told.partition,
        offset: told.offset.expect("every record is in a batch, and none failed"),
    };
    let produced = Produced { records: outcomes.into_iter().map(place).collect() };
    let body = json_body::bytes_of(&produced);
    Ok(([(CONTENT_TYPE, JSON)], body).into_response())
}
