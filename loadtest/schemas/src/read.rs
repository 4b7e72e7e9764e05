//! Reading an answer by its schema.

use crate::schema::{Api, Field, Kind};
use crate::value::{Tags, Value};

/// The API whose answer's header never has tagged fields, so that clients that do not know the server yet can read it.
const API_VERSIONS: i16 = 18;

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError(pub String);

/// The body of an answer to a request of `version`, from a frame without its length.
///
/// # Errors
/// It is none, or answers another request, or bytes follow it.
pub fn read_answer(api: &Api, version: i16, correlation: i32, frame: &[u8]) -> Result<Value, ReadError> {
    let flexible = api.answer.flexible.has(version);
    let mut input = Input { rest: frame, version, flexible, path: Vec::new() };
    let answered = input.int(4, true)?;
    if answered != i64::from(correlation) {
        return Err(input.error(&format!("answers {answered} instead of {correlation}")));
    }
    if flexible && api.key != API_VERSIONS {
        input.tags(&[])?;
    }
    let body = input.value(&api.answer.body)?;
    if input.rest.is_empty() { Ok(body) } else { Err(input.error(&format!("{} bytes follow", input.rest.len()))) }
}

/// All error codes in an answer, in the order in which they stand there.
#[must_use]
pub fn error_codes(api: &Api, version: i16, answer: &Value) -> Vec<i16> {
    let mut found = Vec::new();
    collect(&api.answer.body, version, answer, &mut found);
    found
}

fn collect(kind: &Kind, version: i16, value: &Value, found: &mut Vec<i16>) {
    match (kind, value) {
        (Kind::Array(element), Value::Array(Some(elements))) => {
            elements.iter().for_each(|one| collect(element, version, one, found));
        }
        (Kind::Struct(fields), Value::Struct(Some(values), _)) => {
            for (field, value) in fields.iter().zip(values).filter(|(field, _)| field.versions.has(version)) {
                match value {
                    Value::Int(code) if field.name.ends_with("ErrorCode") => {
                        found.push(i16::try_from(*code).expect("error codes have two bytes"));
                    }
                    _ => collect(&field.kind, version, value, found),
                }
            }
        }
        _ => {}
    }
}

struct Input<'f> {
    rest: &'f [u8],
    version: i16,
    flexible: bool,
    /// Where in the answer this is, for who has to find out.
    path: Vec<String>,
}

impl<'f> Input<'f> {
    fn error(&self, what: &str) -> ReadError {
        ReadError(format!("{what} (at {})", self.path.join(".")))
    }

    fn take(&mut self, count: usize) -> Result<&'f [u8], ReadError> {
        if count > self.rest.len() {
            return Err(self.error(&format!("ends {} bytes early", count - self.rest.len())));
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    fn int(&mut self, bytes: usize, signed: bool) -> Result<i64, ReadError> {
        let taken = self.take(bytes)?;
        let first = if signed && taken[0] >= 0x80 { -1 } else { 0 };
        Ok(taken.iter().fold(first, |number, byte| number << 8 | i64::from(*byte)))
    }

    fn varint(&mut self) -> Result<u64, ReadError> {
        let mut value = 0;
        for place in 0..5 {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error("a varint without end"))
    }

    /// A length or a count of `prefix` bytes, or a varint in flexible versions.
    fn length(&mut self, prefix: usize) -> Result<Option<usize>, ReadError> {
        let length = if self.flexible { self.varint()? as i64 - 1 } else { self.int(prefix, true)? };
        match length {
            -1 => Ok(None),
            // Nothing takes less than a byte, so no memory is taken for what cannot be there.
            0.. if length as usize <= self.rest.len() => Ok(Some(length as usize)),
            _ => Err(self.error(&format!("a length of {length}"))),
        }
    }

    fn value(&mut self, kind: &Kind) -> Result<Value, ReadError> {
        Ok(match kind {
            Kind::Bool => Value::Bool(match self.take(1)?[0] {
                0 => false,
                1 => true,
                other => return Err(self.error(&format!("a flag of {other}"))),
            }),
            Kind::Int { bytes, signed } => Value::Int(self.int(*bytes, *signed)?),
            Kind::Float => Value::Float(f64::from_bits(self.int(8, true)? as u64)),
            Kind::Uuid => Value::Uuid(self.take(16)?.try_into().expect("as many as were asked for")),
            Kind::Text => {
                let text = self.sized(2)?;
                if text.as_deref().is_some_and(|text| std::str::from_utf8(text).is_err()) {
                    return Err(self.error("a text that is not UTF-8"));
                }
                Value::Text(text)
            }
            Kind::Bytes | Kind::Records => Value::Bytes(self.sized(4)?),
            Kind::Array(element) => {
                let count = self.length(4)?;
                let elements = |count| (0..count).map(|_| self.value(element)).collect::<Result<_, _>>();
                Value::Array(count.map(elements).transpose()?)
            }
            Kind::Struct(fields) => self.fields(fields)?,
        })
    }

    fn sized(&mut self, prefix: usize) -> Result<Option<Vec<u8>>, ReadError> {
        match self.length(prefix)? {
            Some(length) => Ok(Some(self.take(length)?.to_vec())),
            None => Ok(None),
        }
    }

    /// A field in its place: null only where its schema allows it.
    fn field(&mut self, field: &Field) -> Result<Value, ReadError> {
        self.path.push(field.name.clone());
        let nullable = field.nullable.has(self.version);
        if matches!(field.kind, Kind::Struct(_)) && nullable && self.int(1, true)? < 0 {
            self.path.pop();
            return Ok(Value::Struct(None, Tags::None));
        }
        let value = self.value(&field.kind)?;
        let is_null = matches!(value, Value::Text(None) | Value::Bytes(None) | Value::Array(None));
        // Kafka's own answers have null records where the schema does not allow it, and its clients read them.
        if is_null && !nullable && field.kind != Kind::Records {
            return Err(self.error("null, which it must not be"));
        }
        self.path.pop();
        Ok(value)
    }

    fn fields(&mut self, fields: &[Field]) -> Result<Value, ReadError> {
        let mut values: Vec<Value> = fields.iter().map(|field| absent(&field.kind)).collect();
        let version = self.version;
        for (field, value) in fields.iter().zip(&mut values).filter(|(field, _)| field.versions.has(version)) {
            if field.tag_in(version).is_none() {
                *value = self.field(field)?;
            }
        }
        if self.flexible {
            for (index, value) in self.tags(fields)? {
                values[index] = value;
            }
        }
        Ok(Value::Struct(Some(values), Tags::None))
    }

    /// The tagged fields of a structure. All of an answer's must be in its schema, in order, and fill what they say.
    fn tags(&mut self, fields: &[Field]) -> Result<Vec<(usize, Value)>, ReadError> {
        let mut found = Vec::new();
        let mut last = None;
        for _ in 0..self.varint()? {
            let (tag, bytes) = (self.varint()? as u32, self.varint()? as usize);
            let known = fields
                .iter()
                .position(|field| field.versions.has(self.version) && field.tag_in(self.version) == Some(tag));
            let Some(index) = known else { return Err(self.error(&format!("tagged field {tag}"))) };
            if last.is_some_and(|last| last >= tag) {
                return Err(self.error(&format!("tagged field {tag} is out of order")));
            }
            last = Some(tag);
            let Some(left) = self.rest.len().checked_sub(bytes) else { return Err(self.error("a tag is cut")) };
            let value = self.field(&fields[index])?;
            if self.rest.len() != left {
                return Err(self.error(&format!("tagged field {tag} is not of {bytes} bytes")));
            }
            found.push((index, value));
        }
        Ok(found)
    }
}

/// What stands for a field that this version does not have, or that was not sent.
fn absent(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(false),
        Kind::Int { .. } => Value::Int(0),
        Kind::Float => Value::Float(0.0),
        Kind::Uuid => Value::Uuid([0; 16]),
        Kind::Text => Value::Text(None),
        Kind::Bytes | Kind::Records => Value::Bytes(None),
        Kind::Array(_) => Value::Array(None),
        Kind::Struct(_) => Value::Struct(None, Tags::None),
    }
}
