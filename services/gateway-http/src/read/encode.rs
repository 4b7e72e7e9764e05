//! Records as JSON, in a list, in lines or as events. What is written can be measured first, by the same code.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use tidelog_format::records::Record;
use tidelog_http_api::WireOffset;

use crate::errors::Code;
use crate::problem::Refused;
use crate::produce::check_text_within;

/// Bytes that a byte of text takes in JSON at most: a control character.
const JSON_BYTES_PER_BYTE: usize = 6;
/// What a record takes beside its parts, and each of its headers.
const RECORD_BYTES: usize = 256;
const HEADER_BYTES: usize = 64;

/// How values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum ValueFormat {
    /// As text; what is not UTF-8 as base64.
    #[default]
    Text,
    /// JSON as it is; what is not JSON, or so deep that readers of the answer would refuse it, as base64.
    Json,
    /// As base64, and so are keys and headers.
    Base64,
}

impl ValueFormat {
    /// # Errors
    /// When there is no such format.
    pub(super) fn of(text: Option<&str>) -> Result<ValueFormat, Refused> {
        match text {
            None | Some("text") => Ok(ValueFormat::Text),
            Some("json") => Ok(ValueFormat::Json),
            Some("base64") => Ok(ValueFormat::Base64),
            Some(other) => {
                let detail = format!("value_format is {other:?}; text, json and base64 work");
                Err(Refused::parameter(Code::InvalidParameter, "value_format", detail))
            }
        }
    }
}

/// What is around a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Commas between them.
    List,
    /// Each on a line.
    Lines,
    /// Each an event.
    Events,
    /// Each a row of an Arrow IPC stream.
    Columns,
}

impl Framing {
    /// Levels of nesting around a record's value.
    fn levels(self) -> usize {
        match self {
            // The page, its list, the record.
            Framing::List => 3,
            Framing::Lines | Framing::Events | Framing::Columns => 1,
        }
    }
}

/// A record and its place.
pub(super) struct Placed<'a> {
    pub(super) partition: u32,
    pub(super) offset: u64,
    pub(super) record: Record<'a>,
    /// Where to go on in the topic, when that is what is read.
    pub(super) cursor: Option<String>,
}

/// Bytes that a record takes at most when it is written.
pub(super) fn bytes_max(record: &Record<'_>) -> usize {
    let piece = |piece: Option<&[u8]>| piece.map_or(0, |piece| JSON_BYTES_PER_BYTE * piece.len());
    let headers = record.headers.map(|(name, value)| HEADER_BYTES + piece(Some(name)) + piece(value));
    RECORD_BYTES + piece(record.key) + piece(record.value) + headers.sum::<usize>()
}

/// Where JSON is written.
pub(super) trait Out: io::Write {
    fn put(&mut self, bytes: &[u8]) {
        self.write_all(bytes).expect("memory takes everything");
    }

    fn put_base64(&mut self, bytes: &[u8]);
}

impl Out for Vec<u8> {
    fn put_base64(&mut self, bytes: &[u8]) {
        let from = self.len();
        self.resize(from + base64_bytes(bytes), 0);
        STANDARD.encode_slice(bytes, &mut self[from..]).expect("as much as was made room for");
    }
}

/// Counts what would be written.
struct Measured(usize);

impl io::Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out for Measured {
    fn put_base64(&mut self, bytes: &[u8]) {
        self.0 += base64_bytes(bytes);
    }
}

fn base64_bytes(bytes: &[u8]) -> usize {
    base64::encoded_len(bytes.len(), true).expect("a record is far shorter")
}

/// Bytes that [`write()`] writes.
pub(super) fn measure(placed: &Placed<'_>, framing: Framing, format: ValueFormat, is_first: bool) -> usize {
    let mut measured = Measured(0);
    write(&mut measured, placed, framing, format, is_first);
    measured.0
}

/// Writes a record; `is_first` of its list.
pub(super) fn write(out: &mut impl Out, placed: &Placed<'_>, framing: Framing, format: ValueFormat, is_first: bool) {
    match framing {
        Framing::List if is_first => {}
        Framing::List => out.put(b","),
        Framing::Lines => {}
        Framing::Columns => unreachable!("columns are written otherwise"),
        Framing::Events => {
            out.put(b"id: ");
            match &placed.cursor {
                Some(cursor) => out.put(cursor.as_bytes()),
                None => out.put(placed.offset.to_string().as_bytes()),
            }
            out.put(b"\ndata: ");
        }
    }
    json(out, placed, format, framing.levels());
    match framing {
        Framing::List | Framing::Columns => {}
        Framing::Lines => out.put(b"\n"),
        Framing::Events => out.put(b"\n\n"),
    }
}

fn json(out: &mut impl Out, placed: &Placed<'_>, format: ValueFormat, levels_around: usize) {
    let Placed { partition, offset, record, cursor } = placed;
    out.put(b"{\"partition\":");
    number(out, partition);
    out.put(b",\"offset\":");
    number(out, &WireOffset(*offset));
    out.put(b",\"timestamp\":");
    number(out, &record.timestamp.0);
    if let Some(key) = record.key {
        out.put(b",");
        piece(out, "key", key, format);
    }
    out.put(b",");
    match record.value {
        None => out.put(b"\"value\":null"),
        Some(value) => match (format == ValueFormat::Json).then(|| json_of(value, levels_around)).flatten() {
            Some(json) => {
                out.put(b"\"value\":");
                // Between its parts only, where a space is as good: a line stays a line.
                for (number, line) in json.split(['\n', '\r']).enumerate() {
                    if number > 0 {
                        out.put(b" ");
                    }
                    out.put(line.as_bytes());
                }
            }
            None if format == ValueFormat::Json => base64(out, "value", value),
            None => piece(out, "value", value, format),
        },
    }
    let mut headers = record.headers.peekable();
    if headers.peek().is_some() {
        out.put(b",\"headers\":[");
        for (place, (name, value)) in headers.enumerate() {
            out.put(if place == 0 { b"{" } else { b",{" });
            piece(out, "name", name, format);
            out.put(b",");
            match value {
                None => out.put(b"\"value\":null"),
                Some(value) => piece(out, "value", value, format),
            }
            out.put(b"}");
        }
        out.put(b"]");
    }
    if let Some(cursor) = cursor {
        out.put(b",\"cursor\":");
        number(out, cursor);
    }
    out.put(b"}");
}

/// Numbers and texts are written without fail.
fn number(out: &mut impl Out, value: &impl serde::Serialize) {
    serde_json::to_writer(out, value).expect("memory takes everything");
}

fn piece(out: &mut impl Out, name: &str, bytes: &[u8], format: ValueFormat) {
    match std::str::from_utf8(bytes) {
        Ok(text) if format != ValueFormat::Base64 => {
            out.put(b"\"");
            out.put(name.as_bytes());
            out.put(b"\":");
            number(out, &text);
        }
        Ok(_) | Err(_) => base64(out, name, bytes),
    }
}

fn base64(out: &mut impl Out, name: &str, bytes: &[u8]) {
    out.put(b"\"");
    out.put(name.as_bytes());
    out.put(b"_base64\":\"");
    out.put_base64(bytes);
    out.put(b"\"");
}

/// The value as JSON, if it is that and no reader would refuse it within what is around it.
fn json_of(value: &[u8], levels_around: usize) -> Option<&str> {
    let text = check_text_within(value, levels_around).ok()?;
    serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidelog_format::records::{BatchBuilder, OpenBatch};
    use tidelog_model::TimestampMs;

    use super::*;

    fn check(key: Option<&[u8]>, value: Option<&[u8]>, format: ValueFormat, expected: &str) {
        let mut builder = BatchBuilder::default();
        builder.push(TimestampMs(5), key, value, &[(b"h", Some(b"\xff")), (b"n", None)]);
        let batch = OpenBatch::open(&Bytes::from(builder.finish().into_bytes())).unwrap();
        let record = batch.peek().unwrap().unwrap();
        let mut out = Vec::new();
        let bytes_max = bytes_max(&record);
        let placed = Placed { partition: 1, offset: 1 << 53, record, cursor: None };
        write(&mut out, &placed, Framing::Lines, format, true);
        assert!(out.len() <= bytes_max);
        assert_eq!(measure(&placed, Framing::Lines, format, true), out.len());
        let text = String::from_utf8(out).unwrap();
        let dto: tidelog_http_api::Record = serde_json::from_str(&text).unwrap();
        assert_eq!(dto.offset, WireOffset(1 << 53));
        assert_eq!(dto.headers.len(), 2);
        let start = "{\"partition\":1,\"offset\":\"9007199254740992\",\"timestamp\":5,";
        let middle = text.strip_prefix(start).unwrap().split_once(",\"headers\":").unwrap().0;
        assert_eq!(middle, expected);
    }

    #[test]
    fn values_are_written_as_they_are_wanted() {
        use ValueFormat::{Base64, Json, Text};
        check(Some(b"k"), Some(b"a\"\n\x01"), Text, "\"key\":\"k\",\"value\":\"a\\\"\\n\\u0001\"");
        check(None, Some(b"\xff"), Text, "\"value_base64\":\"/w==\"");
        check(None, None, Text, "\"value\":null");
        check(None, None, Base64, "\"value\":null");
        check(None, Some(b""), Text, "\"value\":\"\"");
        check(Some(b"k"), Some(b"ab"), Base64, "\"key_base64\":\"aw==\",\"value_base64\":\"YWI=\"");
        check(Some(b"k"), Some(b" {\"a\":\n[1.50]} "), Json, "\"key\":\"k\",\"value\":{\"a\": [1.50]}");
        check(None, Some(b"not json"), Json, "\"value_base64\":\"bm90IGpzb24=\"");
        check(
            None,
            Some(&[[b'['; 200], [b']'; 200]].concat()),
            Json,
            &format!("\"value_base64\":\"{}\"", STANDARD.encode([[b'['; 200], [b']'; 200]].concat())),
        );
    }

    #[test]
    fn nothing_is_written_deeper_than_readers_take() {
        let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        let levels_of = |framing: Framing, value: &[u8]| {
            let mut builder = BatchBuilder::default();
            builder.push(TimestampMs(5), None, Some(value), &[]);
            let batch = OpenBatch::open(&Bytes::from(builder.finish().into_bytes())).unwrap();
            let record = batch.peek().unwrap().unwrap();
            let mut out = Vec::new();
            let placed = Placed { partition: 0, offset: 7, record, cursor: None };
            write(&mut out, &placed, framing, ValueFormat::Json, true);
            assert_eq!(measure(&placed, framing, ValueFormat::Json, true), out.len());
            out.iter().filter(|byte| matches!(byte, b'{' | b'[')).count()
        };
        for (framing, around) in [(Framing::List, 3), (Framing::Lines, 1), (Framing::Events, 1)] {
            // The page and its list are written elsewhere.
            let beside = around - 1;
            assert_eq!(levels_of(framing, &deep(128 - around)), 128 - beside, "as JSON: {framing:?}");
            assert_eq!(levels_of(framing, &deep(128 - around + 1)), 1, "as base64: {framing:?}");
        }
    }

    #[test]
    fn an_event_is_lines() {
        let mut builder = BatchBuilder::default();
        builder.push(TimestampMs(5), None, Some(b"a\nb"), &[]);
        let batch = OpenBatch::open(&Bytes::from(builder.finish().into_bytes())).unwrap();
        let record = batch.peek().unwrap().unwrap();
        let mut out = Vec::new();
        let placed = Placed { partition: 0, offset: 7, record, cursor: None };
        write(&mut out, &placed, Framing::Events, ValueFormat::Text, false);
        assert_eq!(measure(&placed, Framing::Events, ValueFormat::Text, false), out.len());
        let text = "id: 7\ndata: {\"partition\":0,\"offset\":7,\"timestamp\":5,\"value\":\"a\\nb\"}\n\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
