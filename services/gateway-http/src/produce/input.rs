//! A record as it was sent, and what it is.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::value::RawValue;
use tidelog_catalog_api::TopicView;
use tidelog_format::records::BatchBuilder;
use tidelog_http_api::HeaderInput;
use tidelog_ingest::{AdmitRules, Timestamps};
use tidelog_model::{HEADER_BYTES, TimestampMs};
use tidelog_topic_configs::topic_configs;

use crate::errors::Code;
use crate::options::RECORD_HEADERS_MAX;
use crate::partitioner::partition_of_key;
use crate::problem::Refused;

/// A record as JSON, still where it arrived: [`tidelog_http_api::RecordInput`] for whoever reads it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordText<'a> {
    #[serde(borrow, default)]
    key: Option<&'a RawValue>,
    #[serde(default)]
    key_base64: Option<String>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    value_base64: Option<String>,
    #[serde(default, deserialize_with = "tidelog_http_api::list_of_objects")]
    headers: Vec<HeaderInput>,
    #[serde(default)]
    partition: Option<u32>,
    #[serde(default)]
    timestamp: Option<i64>,
}

/// Name and value.
pub(super) type Header<'a> = (Cow<'a, str>, Option<Cow<'a, [u8]>>);

/// A record, in bytes: those of the request where they can be taken as they came.
#[derive(Debug, Default)]
pub(super) struct NewRecord<'a> {
    pub(super) key: Option<Cow<'a, [u8]>>,
    pub(super) value: Option<Cow<'a, [u8]>>,
    pub(super) headers: Vec<Header<'a>>,
    pub(super) partition: Option<u32>,
    pub(super) timestamp: Option<i64>,
}

/// What a topic asks of the records of one request.
pub(super) struct Rules {
    pub(super) topic: Arc<TopicView>,
    pub(super) admit: AdmitRules,
    pub(super) now: TimestampMs,
    /// Where records go that have neither key nor partition: one partition for all of a request, so that they are in
    /// order and few batches.
    sticky: u32,
    /// Partitions that keys are spread over.
    spread: u32,
    /// Where all records go that do not say another one.
    pub(super) partition: Option<u32>,
    /// Where batches end.
    pub(super) batch_bytes_max: usize,
}

impl Rules {
    pub(super) fn new(topic: Arc<TopicView>, now: TimestampMs, chance: u64) -> Rules {
        let sticky = (chance % u64::from(topic.partitions)) as u32;
        let spread = topic.partitions;
        let admit = topic_configs::admit_rules(&topic);
        Rules { batch_bytes_max: admit.batch_bytes_max, admit, topic, now, sticky, spread, partition: None }
    }

    /// What was stored is sent again: it was judged when it was stored, by the time and the settings of then.
    pub(super) fn take_again(&mut self) {
        self.admit.batch_bytes_max = usize::MAX;
        self.admit.needs_keys = false;
        if let Timestamps::CreateTime { .. } = self.admit.timestamps {
            self.admit.timestamps = Timestamps::CreateTime { before_ms_max: i64::MAX, after_ms_max: i64::MAX };
        }
    }

    /// Spreads records over the topic's first partitions, which were all it had once.
    pub(super) fn spread(&mut self, partitions: u32, chance: u64) {
        self.spread = partitions;
        self.sticky = (chance % u64::from(partitions)) as u32;
    }

    /// Says where a record goes.
    ///
    /// # Errors
    /// When it says what cannot be.
    pub(super) fn place(&self, record: &NewRecord<'_>) -> Result<u32, Refused> {
        let partitions = self.topic.partitions;
        if let (Some(all), Some(partition)) = (self.partition, record.partition)
            && all != partition
        {
            let detail = format!("the record says partition {partition}, and ?partition= says {all}; say one of them");
            return Err(Refused::new(Code::InvalidRecord, detail).field("partition"));
        }
        match (record.partition.or(self.partition), &record.key) {
            (Some(partition), _) if partition < partitions => Ok(partition),
            (Some(partition), _) => {
                let detail = format!("partition {partition} is none of the topic's, which are 0 to {}", partitions - 1);
                Err(Refused::new(Code::UnknownPartition, detail).field("partition").of_partition(partition))
            }
            (None, Some(key)) => Ok(partition_of_key(key, self.spread)),
            (None, None) => Ok(self.sticky),
        }
    }

    /// Checks a record as far as that can be done before its batch is made, and says what time it has.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn judge(&self, record: &NewRecord<'_>) -> Result<TimestampMs, Refused> {
        if record.key.is_none() && self.admit.needs_keys {
            let detail = "a record has no key, which the topic needs: its cleanup.policy has compact";
            return Err(Refused::new(Code::InvalidRecord, detail).field("key"));
        }
        let timestamp = record.timestamp.unwrap_or(self.now.0);
        if timestamp < 0 {
            let detail = format!("timestamp {timestamp} is negative; milliseconds since 1970 work");
            return Err(Refused::new(Code::InvalidTimestamp, detail).field("timestamp"));
        }
        if let Timestamps::CreateTime { before_ms_max, after_ms_max } = self.admit.timestamps {
            let range = self.now.0.saturating_sub(before_ms_max)..=self.now.0.saturating_add(after_ms_max);
            if !range.contains(&timestamp) {
                let (earliest, latest) = (range.start(), range.end());
                let detail = format!("timestamp {timestamp} is not within {earliest} to {latest}, as the topic asks");
                return Err(Refused::new(Code::InvalidTimestamp, detail).field("timestamp"));
            }
        }
        let bytes = record.batch_bytes_max();
        let bytes_max = self.admit.batch_bytes_max;
        if HEADER_BYTES + bytes > bytes_max {
            let detail = format!("the record takes {bytes} bytes; the topic's max.message.bytes is {bytes_max}");
            return Err(Refused::new(Code::RecordTooLarge, detail));
        }
        Ok(TimestampMs(timestamp))
    }
}

impl<'a> NewRecord<'a> {
    /// What was sent as JSON.
    ///
    /// # Errors
    /// When fields contradict each other or are not what they should be.
    pub(super) fn of(text: RecordText<'a>) -> Result<NewRecord<'a>, Refused> {
        let RecordText { key, key_base64, value, value_base64, headers, partition, timestamp } = text;
        if headers.len() > RECORD_HEADERS_MAX {
            let detail = format!("a record may have {RECORD_HEADERS_MAX} headers at most");
            return Err(Refused::new(Code::InvalidRecord, detail).field("headers"));
        }
        let header = |header: HeaderInput| {
            let text = header.value.map(|text| Cow::Owned(text.into_bytes()));
            Ok((Cow::Owned(header.name), either("headers.value", text, header.value_base64)?))
        };
        Ok(NewRecord {
            key: either("key", bytes_of("key", key)?, key_base64)?,
            value: either("value", bytes_of("value", value)?, value_base64)?,
            headers: headers.into_iter().map(header).collect::<Result<_, Refused>>()?,
            partition,
            timestamp,
        })
    }

    fn batch_bytes_max(&self) -> usize {
        self.with_headers(|headers| BatchBuilder::record_bytes_max(self.key.as_deref(), self.value.as_deref(), headers))
    }

    pub(super) fn with_headers<T>(&self, use_them: impl FnOnce(&[(&[u8], Option<&[u8]>)]) -> T) -> T {
        if self.headers.is_empty() {
            return use_them(&[]);
        }
        let headers = self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()));
        use_them(&headers.collect::<Vec<_>>())
    }
}

/// What a piece of JSON stands for: a string for its text, anything else for itself.
fn bytes_of<'a>(field: &str, json: Option<&'a RawValue>) -> Result<Option<Cow<'a, [u8]>>, Refused> {
    let Some(json) = json else { return Ok(None) };
    let bytes = json.get().as_bytes();
    let Some(quoted) = bytes.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return Ok(Some(Cow::Borrowed(bytes)));
    };
    // The reader of JSON has seen where it ends, and that it has no control characters.
    if memchr::memchr(b'\\', quoted).is_none() {
        return Ok(Some(Cow::Borrowed(quoted)));
    }
    let text: String = serde_json::from_str(json.get())
        .map_err(|error| Refused::new(Code::InvalidJson, format!("{field} is no text: {error}")).field(field))?;
    Ok(Some(Cow::Owned(text.into_bytes())))
}

fn either<'a>(
    field: &str,
    plain: Option<Cow<'a, [u8]>>,
    base64: Option<String>,
) -> Result<Option<Cow<'a, [u8]>>, Refused> {
    match (plain, base64) {
        (plain, None) => Ok(plain),
        (None, Some(base64)) => decode_base64(&format!("{field}_base64"), &base64).map(|it| Some(Cow::Owned(it))),
        (Some(_), Some(_)) => {
            let detail = format!("{field} and {field}_base64 are both there; send one of them");
            Err(Refused::new(Code::InvalidRecord, detail).field(field))
        }
    }
}

/// Base64 of either alphabet, with or without padding.
///
/// # Errors
/// When it is none.
pub(super) fn decode_base64(field: &str, text: &str) -> Result<Vec<u8>, Refused> {
    let is_url_safe = text.contains(['-', '_']);
    let engine: &GeneralPurpose = match (is_url_safe, text.ends_with('=')) {
        (false, true) => &STANDARD,
        (false, false) => &STANDARD_NO_PAD,
        (true, true) => &URL_SAFE,
        (true, false) => &URL_SAFE_NO_PAD,
    };
    engine
        .decode(text)
        .map_err(|error| Refused::new(Code::InvalidBase64, format!("{field} is not base64: {error}")).field(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, key: Option<&str>, value: Option<&str>) {
        let record = NewRecord::of(serde_json::from_str(json).unwrap()).unwrap();
        let text = |piece: &Option<Cow<'_, [u8]>>| piece.as_ref().map(|it| String::from_utf8(it.to_vec()).unwrap());
        assert_eq!((text(&record.key).as_deref(), text(&record.value).as_deref()), (key, value), "{json}");
    }

    fn check_refused(json: &str, code: Code, field: &str) {
        let refused = NewRecord::of(serde_json::from_str(json).unwrap()).unwrap_err();
        assert_eq!(refused.code(), code, "{json}");
        assert!(refused.detail().contains(field), "{}", refused.detail());
    }

    #[test]
    fn values_are_bytes() {
        check(r#"{"value":"a\n\u00e9"}"#, None, Some("a\né"));
        check(r#"{"key":"k","value":{"a": [1, 2.50]}}"#, Some("k"), Some(r#"{"a": [1, 2.50]}"#));
        check(r#"{"key":7,"value":true}"#, Some("7"), Some("true"));
        check(r#"{"key":"k","value":null}"#, Some("k"), None);
        check(r#"{"key_base64":"a2V5","value_base64":""}"#, Some("key"), Some(""));
    }

    #[test]
    fn what_may_be_sent_is_what_is_described() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let header = HeaderInput { name: "h".to_owned(), value: None, value_base64: Some("aA==".to_owned()) };
        // Without `..`: a field that is described must be read.
        let described = tidelog_http_api::RecordInput {
            key: None,
            key_base64: Some("aw==".to_owned()),
            value: Some(raw("[1]")),
            value_base64: None,
            headers: vec![header],
            partition: Some(3),
            timestamp: Some(4),
        };
        let json = serde_json::to_string(&described).unwrap();
        let record = NewRecord::of(serde_json::from_str(&json).unwrap()).unwrap();
        assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some(&b"k"[..]), Some(&b"[1]"[..])));
        assert_eq!((record.partition, record.timestamp), (Some(3), Some(4)));
        assert_eq!(record.headers, [(Cow::Borrowed("h"), Some(Cow::Borrowed(&b"h"[..])))]);
        let described = tidelog_http_api::RecordInput { key: Some(raw("\"k\"")), ..Default::default() };
        let json = serde_json::to_string(&described).unwrap();
        assert_eq!(NewRecord::of(serde_json::from_str(&json).unwrap()).unwrap().key.as_deref(), Some(&b"k"[..]));
    }

    #[test]
    fn contradictions_are_refused() {
        check_refused(r#"{"value":"a","value_base64":"YQ=="}"#, Code::InvalidRecord, "value_base64");
        check_refused(r#"{"value_base64":"*"}"#, Code::InvalidBase64, "value_base64");
        check_refused(r#"{"value":"\ud800"}"#, Code::InvalidJson, "value");
        check_refused(r#"{"headers":[{"name":"a","value_base64":"!"}]}"#, Code::InvalidBase64, "headers");
    }

    #[test]
    fn both_alphabets_of_base64_are_read() {
        for text in ["+/A=", "+/A", "-_A=", "-_A"] {
            assert_eq!(decode_base64("x", text).unwrap(), [0xfb, 0xf0], "{text}");
        }
    }
}
