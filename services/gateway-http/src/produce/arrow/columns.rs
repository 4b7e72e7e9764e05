//! Which columns are taken, and the records that their rows are.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::pieces::Pieces;
use crate::errors::Code;
use crate::options::RECORD_HEADERS_MAX;
use crate::problem::Refused;
use crate::produce::input::NewRecord;

/// How much of what a client named is told back to it.
const TOLD_CHARS_MAX: usize = 120;
/// What the server says of records; a stream that was read has them.
const OF_THE_SERVER: [&str; 2] = ["offset", "cursor"];

type NewHeader<'a> = (Cow<'a, str>, Option<Cow<'a, [u8]>>);

/// A schema that is taken.
pub(super) struct Columns {
    pub(super) schema: SchemaRef,
    key: Option<usize>,
    value: Option<usize>,
    timestamp: Option<usize>,
    headers: Option<usize>,
    partition: Option<usize>,
}

impl Columns {
    /// # Errors
    /// When a column is unknown, there twice, or of a type that does not work; it is named.
    pub(super) fn of(schema: Schema) -> Result<Columns, Refused> {
        let mut columns = Columns {
            schema: Arc::new(Schema::empty()),
            key: None,
            value: None,
            timestamp: None,
            headers: None,
            partition: None,
        };
        for (index, field) in schema.fields().iter().enumerate() {
            let name = field.name().as_str();
            let found = field.data_type();
            let (place, fits, works) = match name {
                "key" => (&mut columns.key, is_bytes(found), "binary or string works"),
                "value" => (&mut columns.value, is_bytes(found), "binary or string works"),
                "timestamp" => {
                    let works = "timestamp, or int64 with milliseconds since 1970, works";
                    (&mut columns.timestamp, is_time(found), works)
                }
                "headers" => {
                    (&mut columns.headers, is_headers(found), "list<struct<name: string, value: binary>> works")
                }
                "partition" => (&mut columns.partition, is_integer(found), "any integer type works"),
                _ => return Err(unknown(name)),
            };
            if !fits {
                let found = shortened(&found.to_string());
                return Err(refused(name, format!("column {name} is {found}; {works}")));
            }
            if place.replace(index).is_some() {
                return Err(refused(name, format!("column {name} is there twice")));
            }
        }
        if columns.key.is_none() && columns.value.is_none() {
            return Err(refused(
                "value",
                "there is no column value and no column key; a record has one of them at least",
            ));
        }
        columns.schema = Arc::new(schema);
        Ok(columns)
    }

    /// The rows of a batch of this schema.
    pub(super) fn rows(&self, batch: &RecordBatch) -> Rows {
        let column = |place: Option<usize>| place.map(|place| batch.column(place));
        Rows {
            count: batch.num_rows(),
            key: column(self.key).map(Pieces::of),
            value: column(self.value).map(Pieces::of),
            timestamp: column(self.timestamp).map(Times::of),
            headers: column(self.headers).and_then(Headers::of),
            partition: column(self.partition).map(Integers::of),
        }
    }
}

fn unknown(name: &str) -> Refused {
    let told = shortened(name);
    let why = if OF_THE_SERVER.contains(&name) {
        "is what the server says of a record that is stored; leave it out"
    } else {
        "is unknown"
    };
    refused(&told, format!("column {told} {why}; key, value, timestamp, headers and partition work"))
}

fn refused(name: &str, detail: impl Into<String>) -> Refused {
    Refused::new(Code::InvalidColumn, detail).field(name)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TOLD_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// A column of nothing but nulls has a type of its own.
fn is_bytes(found: &DataType) -> bool {
    match found {
        DataType::FixedSizeBinary(bytes) => *bytes > 0,
        DataType::Null | DataType::Binary | DataType::LargeBinary | DataType::BinaryView => true,
        other => is_text(other),
    }
}

fn is_text(found: &DataType) -> bool {
    matches!(found, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_time(found: &DataType) -> bool {
    matches!(found, DataType::Null | DataType::Int64 | DataType::Timestamp(_, _))
}

fn is_integer(found: &DataType) -> bool {
    found.is_integer() || *found == DataType::Null
}

fn is_headers(found: &DataType) -> bool {
    let item = match found {
        DataType::Null => return true,
        DataType::List(item) | DataType::LargeList(item) => item,
        _ => return false,
    };
    let DataType::Struct(fields) = item.data_type() else { return false };
    let has = |name: &str, fits: fn(&DataType) -> bool| {
        fields.iter().any(|field: &Arc<Field>| field.name() == name && fits(field.data_type()))
    };
    fields.len() == 2 && has("name", is_text) && has("value", is_bytes)
}

/// Rows of one record batch.
pub(super) struct Rows {
    pub(super) count: usize,
    key: Option<Pieces>,
    value: Option<Pieces>,
    timestamp: Option<Times>,
    headers: Option<Headers>,
    partition: Option<Integers>,
}

impl Rows {
    /// Bytes of all keys, values and headers: of some kinds of columns rows may share what they show.
    pub(super) fn bytes(&self) -> usize {
        let headers = self.headers.iter().flat_map(|headers| [&headers.names, &headers.values]);
        self.key.iter().chain(&self.value).chain(headers).map(Pieces::bytes).fold(0, usize::saturating_add)
    }

    /// A row as a record. Keys and values stay where they are.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn record(&self, row: usize) -> Result<NewRecord<'_>, Refused> {
        let partition = match self.partition.as_ref().and_then(|partitions| partitions.at(row)) {
            None => None,
            Some(number) => Some(u32::try_from(number).map_err(|_| {
                let detail = format!("partition {number} is none of the topic's");
                Refused::new(Code::UnknownPartition, detail).field("partition")
            })?),
        };
        let timestamp = self.timestamp.as_ref().map_or(Ok(None), |times| times.at(row))?;
        let headers = self.headers.as_ref().map_or(Ok(Vec::new()), |headers| headers.at(row))?;
        let key = self.key.as_ref().and_then(|pieces| pieces.at(row));
        let value = self.value.as_ref().and_then(|pieces| pieces.at(row));
        Ok(NewRecord { key: key.map(Cow::Borrowed), value: value.map(Cow::Borrowed), headers, partition, timestamp })
    }
}

/// Milliseconds since 1970, from what they are counted in.
struct Times {
    array: ArrayRef,
    unit: TimeUnit,
}

impl Times {
    fn of(array: &ArrayRef) -> Times {
        let unit = match array.data_type() {
            DataType::Timestamp(unit, _) => *unit,
            _ => TimeUnit::Millisecond,
        };
        Times { array: array.clone(), unit }
    }

    fn at(&self, row: usize) -> Result<Option<i64>, Refused> {
        if *self.array.data_type() == DataType::Null || self.array.is_null(row) {
            return Ok(None);
        }
        let array = &self.array;
        let (value, each) = match (array.data_type(), self.unit) {
            (DataType::Int64, _) => (array.as_primitive::<Int64Type>().value(row), Some(1)),
            (_, TimeUnit::Second) => (array.as_primitive::<TimestampSecondType>().value(row), None),
            (_, TimeUnit::Millisecond) => (array.as_primitive::<TimestampMillisecondType>().value(row), Some(1)),
            (_, TimeUnit::Microsecond) => (array.as_primitive::<TimestampMicrosecondType>().value(row), Some(1_000)),
            (_, TimeUnit::Nanosecond) => (array.as_primitive::<TimestampNanosecondType>().value(row), Some(1_000_000)),
        };
        let milliseconds = each.map_or_else(|| value.checked_mul(1_000), |each| Some(value.div_euclid(each)));
        let milliseconds = milliseconds.ok_or_else(|| {
            let detail = format!("timestamp {value} is too many seconds");
            Refused::new(Code::InvalidTimestamp, detail).field("timestamp")
        })?;
        Ok(Some(milliseconds))
    }
}

/// Integers of any type.
struct Integers(ArrayRef);

impl Integers {
    fn of(array: &ArrayRef) -> Integers {
        Integers(array.clone())
    }

    fn at(&self, row: usize) -> Option<i128> {
        let array = &self.0;
        let is_there = *array.data_type() != DataType::Null && !array.is_null(row);
        is_there.then(|| match array.data_type() {
            DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
            DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
            DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
            DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
            DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
            DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
            DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
            DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
            other => unreachable!("{other} was refused with the schema"),
        })
    }
}

/// Headers of all rows, one after the other.
struct Headers {
    lists: ArrayRef,
    items: StructArray,
    names: Pieces,
    values: Pieces,
}

impl Headers {
    /// `None` when no row has any.
    fn of(array: &ArrayRef) -> Option<Headers> {
        let items = match array.data_type() {
            DataType::List(_) => array.as_list::<i32>().values().as_struct().clone(),
            DataType::LargeList(_) => array.as_list::<i64>().values().as_struct().clone(),
            _ => return None,
        };
        let column = |name| Pieces::of(items.column_by_name(name).expect("the schema was seen to have it"));
        Some(Headers { lists: array.clone(), names: column("name"), values: column("value"), items })
    }

    fn at(&self, row: usize) -> Result<Vec<NewHeader<'_>>, Refused> {
        if self.lists.is_null(row) {
            return Ok(Vec::new());
        }
        let range = match self.lists.data_type() {
            DataType::List(_) => {
                let offsets = self.lists.as_list::<i32>().value_offsets();
                offsets[row] as usize..offsets[row + 1] as usize
            }
            _ => {
                let offsets = self.lists.as_list::<i64>().value_offsets();
                offsets[row] as usize..offsets[row + 1] as usize
            }
        };
        let wrong = |what: String| Refused::new(Code::InvalidRecord, what).field("headers");
        if range.len() > RECORD_HEADERS_MAX {
            return Err(wrong(format!("a record may have {RECORD_HEADERS_MAX} headers at most")));
        }
        let header = |item: usize| {
            let name = self.names.text_at(item).filter(|_| self.items.is_valid(item));
            match name {
                Some(name) => Ok((Cow::Borrowed(name), self.values.at(item).map(Cow::Borrowed))),
                None => Err(wrong("a header has no name".to_owned())),
            }
        };
        range.map(header).collect()
    }
}
