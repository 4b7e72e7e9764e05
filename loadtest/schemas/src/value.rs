//! Values, and how they stand on the wire.

use crate::schema::{Api, Field, Kind};

/// What a field holds. Some values fit no wire: those are for asking what a server makes of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of any kind of number.
    Int(i64),
    /// A flag.
    Bool(bool),
    /// Of 64 bits.
    Float(f64),
    /// As bytes.
    Uuid([u8; 16]),
    /// Need not be UTF-8.
    Text(Option<Vec<u8>>),
    /// Or records.
    Bytes(Option<Vec<u8>>),
    /// Elements.
    Array(Option<Vec<Value>>),
    /// As many as the schema has fields, those of other versions included; and the tagged fields that the schema does not have.
    Struct(Option<Vec<Value>>, Tags),
    /// Written as it is, in the place of whatever belongs there.
    Raw(Vec<u8>),
}

/// Tagged fields beside those of the schema.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Tags {
    /// None.
    #[default]
    None,
    /// These, in this order.
    More(Vec<(u32, Vec<u8>)>),
    /// Written as it is, in the place of all tagged fields.
    Raw(Vec<u8>),
}

/// A whole frame, its length included. `None` for the client id means null.
#[must_use]
pub fn write_request(api: &Api, version: i16, correlation: i32, client: Option<&str>, body: &Value) -> Vec<u8> {
    let flexible = api.request.flexible.has(version);
    let mut frame = vec![0; 4];
    frame.extend(api.key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(correlation.to_be_bytes());
    // Of two bytes in every version, so that it can be read before the version is known to be understood.
    write(&mut frame, &Kind::Text, &Value::Text(client.map(|client| client.as_bytes().to_vec())), version, false);
    if flexible {
        frame.push(0);
    }
    write(&mut frame, &api.request.body, body, version, flexible);
    let bytes = i32::try_from(frame.len() - 4).expect("a frame below 2 GiB");
    frame[..4].copy_from_slice(&bytes.to_be_bytes());
    frame
}

fn write(out: &mut Vec<u8>, kind: &Kind, value: &Value, version: i16, flexible: bool) {
    match (kind, value) {
        (_, Value::Raw(bytes)) => out.extend_from_slice(bytes),
        (Kind::Bool, Value::Bool(flag)) => out.push(u8::from(*flag)),
        (Kind::Int { bytes, .. }, Value::Int(number)) => out.extend_from_slice(&number.to_be_bytes()[8 - bytes..]),
        (Kind::Float, Value::Float(number)) => out.extend_from_slice(&number.to_be_bytes()),
        (Kind::Uuid, Value::Uuid(id)) => out.extend_from_slice(id),
        (Kind::Text, Value::Text(text)) => sized(out, text.as_deref(), if flexible { 0 } else { 2 }),
        (Kind::Bytes | Kind::Records, Value::Bytes(bytes)) => {
            sized(out, bytes.as_deref(), if flexible { 0 } else { 4 })
        }
        (Kind::Array(element), Value::Array(elements)) => {
            length(out, elements.as_ref().map(Vec::len), if flexible { 0 } else { 4 });
            for one in elements.iter().flatten() {
                write(out, element, one, version, flexible);
            }
        }
        (Kind::Struct(fields), Value::Struct(Some(values), tags)) => {
            write_struct(out, fields, values, tags, version, flexible);
        }
        _ => panic!("{value:?} is no {kind:?}"),
    }
}

fn write_struct(out: &mut Vec<u8>, fields: &[Field], values: &[Value], tags: &Tags, version: i16, flexible: bool) {
    assert_eq!(fields.len(), values.len());
    let here = || fields.iter().zip(values).filter(|(field, _)| field.versions.has(version));
    for (field, value) in here().filter(|(field, _)| field.tag_in(version).is_none()) {
        write_field(out, field, value, version, flexible);
    }
    if !flexible {
        return;
    }
    let mut tagged: Vec<(u32, Vec<u8>)> = Vec::new();
    for (field, value) in here() {
        if let Some(tag) = field.tag_in(version) {
            let mut bytes = Vec::new();
            write_field(&mut bytes, field, value, version, flexible);
            tagged.push((tag, bytes));
        }
    }
    tagged.sort_by_key(|(tag, _)| *tag);
    match tags {
        Tags::None => {}
        Tags::More(more) => tagged.extend(more.iter().cloned()),
        Tags::Raw(bytes) => return out.extend_from_slice(bytes),
    }
    varint(out, tagged.len() as u64);
    for (tag, bytes) in tagged {
        varint(out, u64::from(tag));
        varint(out, bytes.len() as u64);
        out.extend(bytes);
    }
}

/// A structure that may be null says first whether it is.
fn write_field(out: &mut Vec<u8>, field: &Field, value: &Value, version: i16, flexible: bool) {
    if let (Kind::Struct(_), true, Value::Struct(fields, _)) = (&field.kind, field.nullable.has(version), value) {
        out.push(if fields.is_some() { 1 } else { 0xff });
        if fields.is_none() {
            return;
        }
    }
    write(out, &field.kind, value, version, flexible);
}

fn sized(out: &mut Vec<u8>, bytes: Option<&[u8]>, prefix: usize) {
    length(out, bytes.map(<[u8]>::len), prefix);
    out.extend_from_slice(bytes.unwrap_or_default());
}

/// A length or count: of so many bytes, or a varint of one more than it is.
fn length(out: &mut Vec<u8>, length: Option<usize>, prefix: usize) {
    match prefix {
        0 => varint(out, length.map_or(0, |length| length as u64 + 1)),
        _ => out.extend_from_slice(&length.map_or(-1, |length| length as i64).to_be_bytes()[8 - prefix..]),
    }
}

/// Seven bits a byte, the lowest first.
pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
