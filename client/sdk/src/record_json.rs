//! Records as one line of JSON, in the form of the server's NDJSON: for programs that pass them on.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{Error, Header, NewRecord, Record};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordText<'a> {
    #[serde(borrow, default)]
    key: Option<&'a RawValue>,
    #[serde(default)]
    key_base64: Option<String>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    value_base64: Option<String>,
    #[serde(default)]
    headers: Vec<HeaderText>,
    #[serde(default)]
    partition: Option<u32>,
    #[serde(default)]
    timestamp: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderText {
    name: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    value_base64: Option<String>,
}

impl NewRecord {
    /// A record in the JSON that the server takes: `key`, `value`, `headers`, `partition`, `timestamp`, all optional. A string
    /// stands for its text, any other JSON for itself, `key_base64` and `value_base64` for any bytes.
    ///
    /// ```
    /// use tidelog::NewRecord;
    /// let record = NewRecord::from_json(r#"{"key":"you","value":{"any":["json"]},"headers":[{"name":"n","value":"v"}]}"#)?;
    /// assert_eq!(record, NewRecord::new(r#"{"any":["json"]}"#).key("you").header("n", "v"));
    /// # Ok::<(), tidelog::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] says what is wrong, and where.
    pub fn from_json(json: &str) -> Result<NewRecord, Error> {
        let text: RecordText<'_> = serde_json::from_str(json).map_err(|error| not_read(&error))?;
        let header = |header: HeaderText| {
            let value = header.value.map(|text| Cow::Owned(text.into_bytes()));
            Ok((header.name, either("headers.value", value, header.value_base64)?))
        };
        Ok(NewRecord {
            key: either("key", bytes_of(text.key)?, text.key_base64)?,
            value: either("value", bytes_of(text.value)?, text.value_base64)?,
            headers: text.headers.into_iter().map(header).collect::<Result<_, Error>>()?,
            partition: text.partition,
            timestamp_ms: text.timestamp,
        })
    }
}

/// What is wrong, in one line of text without its number, which is whoever's who has the lines.
fn not_read(error: &serde_json::Error) -> Error {
    let (said, line, column) = (error.to_string(), error.line(), error.column());
    let about = said.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&said);
    let place = if line > 1 { format!("line {line} of it, column {column}") } else { format!("column {column}") };
    Error::invalid(match error.is_data() {
        true => format!("{about}, {place}"),
        false => format!("it is no JSON: {about}, {place}"),
    })
}

/// What a piece of JSON stands for: a string for its text, anything else for itself.
fn bytes_of(json: Option<&RawValue>) -> Result<Option<Cow<'_, [u8]>>, Error> {
    let Some(json) = json else { return Ok(None) };
    if !json.get().starts_with('"') {
        return Ok(Some(Cow::Borrowed(json.get().as_bytes())));
    }
    let text = serde_json::from_str::<String>(json.get()).map_err(|error| Error::invalid(error.to_string()))?;
    Ok(Some(Cow::Owned(text.into_bytes())))
}

fn either(field: &str, plain: Option<Cow<'_, [u8]>>, base64: Option<String>) -> Result<Option<Bytes>, Error> {
    let Some(base64) = base64 else { return Ok(plain.map(|bytes| Bytes::from(bytes.into_owned()))) };
    if plain.is_some() {
        return Err(Error::invalid(format!("{field} and {field}_base64 are both there; say one of them")));
    }
    let engine: &GeneralPurpose = match (base64.contains(['-', '_']), base64.ends_with('=')) {
        (false, true) => &STANDARD,
        (false, false) => &STANDARD_NO_PAD,
        (true, true) => &URL_SAFE,
        (true, false) => &URL_SAFE_NO_PAD,
    };
    let decoded =
        engine.decode(base64).map_err(|error| Error::invalid(format!("{field}_base64 is not base64: {error}")))?;
    Ok(Some(decoded.into()))
}

/// As the server writes it: text as it is, other bytes as base64 under another name, times in milliseconds.
impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Offset(#[serde(with = "crate::offset")] u64);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("partition", &self.partition)?;
        map.serialize_entry("offset", &Offset(self.offset))?;
        map.serialize_entry("timestamp", &self.timestamp_ms)?;
        if let Some(key) = &self.key {
            piece(&mut map, "key", "key_base64", key)?;
        }
        match &self.value {
            Some(value) => piece(&mut map, "value", "value_base64", value)?,
            None => map.serialize_entry("value", &None::<&str>)?,
        }
        if !self.headers.is_empty() {
            map.serialize_entry("headers", &Headers(&self.headers))?;
        }
        if let Some(cursor) = &self.cursor {
            map.serialize_entry("cursor", cursor)?;
        }
        map.end()
    }
}

struct Headers<'a>(&'a [Header]);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for header in self.0 {
            list.serialize_element(header)?;
        }
        list.end()
    }
}

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        piece(&mut map, "name", "name_base64", &self.name)?;
        match &self.value {
            Some(value) => piece(&mut map, "value", "value_base64", value)?,
            None => map.serialize_entry("value", &None::<&str>)?,
        }
        map.end()
    }
}

fn piece<M: SerializeMap>(map: &mut M, name: &str, name_base64: &str, bytes: &[u8]) -> Result<(), M::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => map.serialize_entry(name, text),
        Err(_) => map.serialize_entry(name_base64, &STANDARD.encode(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::WireRecord;

    #[test]
    fn what_is_read_is_what_the_server_would_read() {
        let check = |json: &str, record: NewRecord| assert_eq!(NewRecord::from_json(json).unwrap(), record, "{json}");
        check("{}", NewRecord::null());
        check(r#"{"value":null}"#, NewRecord::null());
        check(r#"{"key":7,"value":[1, 2.50]}"#, NewRecord::new("[1, 2.50]").key("7"));
        check(r#"{"key_base64":"-_A","value":"a\u00e9"}"#, NewRecord::new("aé").key(vec![0xfb, 0xf0]));
        check(r#"{"value":"v","partition":3,"timestamp":9}"#, NewRecord::new("v").partition(3).timestamp_ms(9));
        for (wrong, says) in [
            ("", "EOF"),
            (r#"{"vlaue":1}"#, "unknown field `vlaue`"),
            (r#"{"value":"a","value_base64":"YQ=="}"#, "both there"),
            (r#"{"value_base64":"*"}"#, "not base64"),
        ] {
            let error = NewRecord::from_json(wrong).unwrap_err().to_string();
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_is_written_is_what_the_server_writes() {
        let header = |name: &'static [u8], value: Option<&'static [u8]>| Header {
            name: Bytes::from_static(name),
            value: value.map(Bytes::from_static),
        };
        let record = Record {
            partition: 1,
            offset: 1 << 53,
            timestamp_ms: 5,
            key: Some(Bytes::from_static(b"\xff")),
            value: Some(Bytes::from_static(b"a\n")),
            headers: vec![header(b"h", None), header(b"\xff", Some(b"x"))],
            cursor: Some("c".to_owned()),
        };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"partition":1,"offset":"9007199254740992","timestamp":5,"key_base64":"/w==","value":"a\n","#,
                r#""headers":[{"name":"h","value":null},{"name_base64":"/w==","value":"x"}],"cursor":"c"}"#
            )
        );
        assert_eq!(serde_json::from_str::<WireRecord>(&json).unwrap().read().unwrap(), record);
        serde_json::from_str::<tidelog_http_api::Record>(&json).unwrap();
    }
}
