//! Records on their way out, as the JSON that the server takes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::NewRecord;

/// Before the records of a body.
pub(crate) const BEGIN: &[u8] = b"{\"records\":[";
/// After them.
pub(crate) const END: &[u8] = b"]}";

/// Writes a record: text as a string, other bytes as base64.
pub(crate) fn record(out: &mut Vec<u8>, record: &NewRecord) {
    out.push(b'{');
    let mut is_first = true;
    if let Some(key) = &record.key {
        piece(out, &mut is_first, "key", key);
    }
    if let Some(value) = &record.value {
        piece(out, &mut is_first, "value", value);
    }
    if !record.headers.is_empty() {
        name(out, &mut is_first, "headers");
        for (place, (header, value)) in record.headers.iter().enumerate() {
            out.extend_from_slice(if place == 0 { b"[{" } else { b",{" });
            let mut is_first = true;
            name(out, &mut is_first, "name");
            text(out, header);
            if let Some(value) = value {
                piece(out, &mut is_first, "value", value);
            }
            out.push(b'}');
        }
        out.push(b']');
    }
    if let Some(partition) = record.partition {
        name(out, &mut is_first, "partition");
        out.extend_from_slice(partition.to_string().as_bytes());
    }
    if let Some(timestamp_ms) = record.timestamp_ms {
        name(out, &mut is_first, "timestamp");
        out.extend_from_slice(timestamp_ms.to_string().as_bytes());
    }
    out.push(b'}');
}

fn name(out: &mut Vec<u8>, is_first: &mut bool, name: &str) {
    out.extend_from_slice(if std::mem::take(is_first) { b"\"" } else { b",\"" });
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn piece(out: &mut Vec<u8>, is_first: &mut bool, field: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(value) => {
            name(out, is_first, field);
            text(out, value);
        }
        Err(_) => {
            name(out, is_first, &format!("{field}_base64"));
            out.push(b'"');
            let from = out.len();
            out.resize(from + base64::encoded_len(bytes.len(), true).expect("a record is far shorter"), 0);
            STANDARD.encode_slice(bytes, &mut out[from..]).expect("as much as was made room for");
            out.push(b'"');
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("memory takes every text");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(new: &NewRecord, json: &str) {
        let mut out = Vec::new();
        record(&mut out, new);
        assert_eq!(String::from_utf8(out).unwrap(), json);
        // The server knows every field.
        serde_json::from_str::<tidelog_http_api::RecordInput>(json).unwrap();
    }

    #[test]
    fn text_is_text_and_the_rest_base64() {
        check(&NewRecord::null(), "{}");
        check(&NewRecord::new("a\"\n"), r#"{"value":"a\"\n"}"#);
        check(&NewRecord::new(vec![0xff]).key("k"), r#"{"key":"k","value_base64":"/w=="}"#);
        let all = NewRecord::new("v").key(vec![0xfe]).header("h", "1").null_header("n").header("b", vec![0xff]);
        check(
            &all.partition(3).timestamp_ms(7),
            concat!(
                r#"{"key_base64":"/g==","value":"v","headers":[{"name":"h","value":"1"},{"name":"n"},"#,
                r#"{"name":"b","value_base64":"/w=="}],"partition":3,"timestamp":7}"#
            ),
        );
    }
}
