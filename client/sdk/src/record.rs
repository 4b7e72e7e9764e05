//! Records: those to append, and those that were read.

use bytes::Bytes;
use serde::Deserialize;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A record to append. Key and value are bytes, and either may be null.
///
/// ```
/// use tidelog::NewRecord;
/// let record = NewRecord::new("hello").key("you").header("trace", "4711");
/// let from_text: NewRecord = "hello".into();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct NewRecord {
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Vec<(String, Option<Bytes>)>,
    pub(crate) partition: Option<u32>,
    pub(crate) timestamp_ms: Option<i64>,
}

impl NewRecord {
    /// A record with a value.
    pub fn new(value: impl Into<Bytes>) -> NewRecord {
        NewRecord { value: Some(value.into()), ..NewRecord::default() }
    }

    /// A record whose value is null: on a compacted topic it deletes its key.
    pub fn null() -> NewRecord {
        NewRecord::default()
    }

    /// With a key. Records of one key go to one partition, the same as Kafka's producers choose.
    pub fn key(mut self, key: impl Into<Bytes>) -> NewRecord {
        self.key = Some(key.into());
        self
    }

    /// With a header more. A name may be there more than once.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> NewRecord {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// With a header more whose value is null.
    pub fn null_header(mut self, name: impl Into<String>) -> NewRecord {
        self.headers.push((name.into(), None));
        self
    }

    /// For this partition, whatever the key.
    pub fn partition(mut self, partition: u32) -> NewRecord {
        self.partition = Some(partition);
        self
    }

    /// Whether it has a key.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Whether it says its partition.
    #[must_use]
    pub fn has_partition(&self) -> bool {
        self.partition.is_some()
    }

    /// With a time of its own, in milliseconds since 1970; else it has the time when it comes to the server.
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> NewRecord {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }
}

macro_rules! from_bytes {
    ($($bytes:ty),*) => {
        $(impl From<$bytes> for NewRecord {
            fn from(value: $bytes) -> NewRecord {
                NewRecord::new(value)
            }
        })*
    };
}

from_bytes!(&'static str, &'static [u8], String, Vec<u8>, Bytes);

/// A record that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Its key; `None` is null.
    pub key: Option<Bytes>,
    /// Its value; `None` is null.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
    /// Of a topic that is read as a whole: where to go on after this record, for [`Start::Cursor`](crate::Start::Cursor).
    pub cursor: Option<String>,
}

impl Record {
    /// The value as text, if it is some.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.value.as_deref()?).ok()
    }
}

/// A header of a record that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Its name: text, as a rule.
    pub name: Bytes,
    /// Its value; `None` is null.
    pub value: Option<Bytes>,
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, Deserialize)]
pub struct RecordPlace {
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    #[serde(with = "crate::offset")]
    pub offset: u64,
}

/// A record as the server writes it: text as it is, other bytes as base64 under another name.
#[derive(Deserialize)]
pub(crate) struct WireRecord {
    partition: u32,
    #[serde(with = "crate::offset")]
    offset: u64,
    timestamp: i64,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    key_base64: Option<String>,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    value_base64: Option<String>,
    #[serde(default)]
    headers: Vec<WireHeader>,
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct WireHeader {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    name_base64: Option<String>,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    value_base64: Option<String>,
}

impl WireRecord {
    /// The record, or why it is none.
    pub(crate) fn read(self) -> Result<Record, String> {
        let header = |header: WireHeader| {
            Ok(Header {
                name: either(header.name, header.name_base64)?.ok_or("a header without a name")?,
                value: either(header.value, header.value_base64)?,
            })
        };
        Ok(Record {
            partition: self.partition,
            offset: self.offset,
            timestamp_ms: self.timestamp,
            key: either(self.key, self.key_base64)?,
            value: either(self.value, self.value_base64)?,
            headers: self.headers.into_iter().map(header).collect::<Result<_, String>>()?,
            cursor: self.cursor,
        })
    }
}

fn either(text: Option<String>, base64: Option<String>) -> Result<Option<Bytes>, String> {
    match (text, base64) {
        (text, None) => Ok(text.map(Bytes::from)),
        (_, Some(base64)) => STANDARD.decode(base64).map(|bytes| Some(bytes.into())).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Record {
        serde_json::from_str::<WireRecord>(json).unwrap().read().unwrap()
    }

    #[test]
    fn records_are_read_byte_for_byte() {
        let record = read(
            r#"{"partition":2,"offset":"9007199254740992","timestamp":5,"key_base64":"/w==","value":"a\n\u0000",
                "headers":[{"name":"h","value":null},{"name_base64":"/w==","value_base64":""}],"cursor":"c"}"#,
        );
        assert_eq!((record.partition, record.offset, record.timestamp_ms), (2, 1 << 53, 5));
        assert_eq!((record.key.as_deref(), record.text()), (Some(&b"\xff"[..]), Some("a\n\0")));
        assert_eq!((&*record.headers[0].name, record.headers[0].value.as_deref()), (&b"h"[..], None));
        assert_eq!((&*record.headers[1].name, record.headers[1].value.as_deref()), (&b"\xff"[..], Some(&b""[..])));
        assert_eq!(record.cursor.as_deref(), Some("c"));
        let record = read(r#"{"partition":0,"offset":0,"timestamp":0,"value":null}"#);
        assert_eq!((record.key, record.value, record.headers.len()), (None, None, 0));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let wrong = r#"{"partition":0,"offset":0,"timestamp":0,"value_base64":"*"}"#;
        assert!(serde_json::from_str::<WireRecord>(wrong).unwrap().read().is_err());
        assert!(serde_json::from_str::<WireRecord>(r#"{"partition":0}"#).is_err());
    }
}
