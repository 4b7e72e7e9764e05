//! Whether buffers are full of what they have: the library reads where rows begin as numbers, all of a buffer at once, and panics
//! when the last one of them is not whole.

use arrow_ipc::{Buffer, RecordBatch};
use arrow_schema::{DataType, Field};

use super::messages::invalid;
use crate::problem::Refused;

/// Bytes of a view: where a row's bytes are, and their beginning.
const VIEW_BYTES: i64 = 16;

/// Checks a batch of these columns. Buffers that are not there are the library's to miss.
///
/// # Errors
/// When a buffer has a part of a number.
pub(super) fn check<'f>(fields: impl IntoIterator<Item = &'f Field>, batch: &RecordBatch<'_>) -> Result<(), Refused> {
    let mut left = Left {
        buffers: batch.buffers().into_iter().flat_map(|buffers| buffers.iter()),
        counts: batch.variadicBufferCounts().into_iter().flat_map(|counts| counts.iter()),
    };
    fields.into_iter().try_for_each(|field| left.take(field))
}

/// What is not looked at yet.
struct Left<B, C> {
    buffers: B,
    counts: C,
}

impl<'b, B: Iterator<Item = &'b Buffer>, C: Iterator<Item = i64>> Left<B, C> {
    /// Takes a column's buffers. Its levels were bounded when its schema was verified.
    fn take(&mut self, field: &Field) -> Result<(), Refused> {
        match field.data_type() {
            DataType::Null => {}
            DataType::Utf8 | DataType::Binary => {
                self.skip(1);
                self.numbers(field, size_of::<i32>() as i64)?;
                self.skip(1);
            }
            DataType::LargeUtf8 | DataType::LargeBinary => {
                self.skip(1);
                self.numbers(field, size_of::<i64>() as i64)?;
                self.skip(1);
            }
            DataType::Utf8View | DataType::BinaryView => {
                self.skip(1);
                self.numbers(field, VIEW_BYTES)?;
                let count = self.counts.next().unwrap_or_default();
                self.skip(usize::try_from(count).unwrap_or_default());
            }
            DataType::List(items) => {
                self.skip(1);
                self.numbers(field, size_of::<i32>() as i64)?;
                self.take(items)?;
            }
            DataType::LargeList(items) => {
                self.skip(1);
                self.numbers(field, size_of::<i64>() as i64)?;
                self.take(items)?;
            }
            DataType::Struct(fields) => {
                self.skip(1);
                fields.iter().try_for_each(|field| self.take(field))?;
            }
            // Of a fixed width each: as many are read as there are rows.
            _ => self.skip(2),
        }
        Ok(())
    }

    fn skip(&mut self, count: usize) {
        self.buffers.by_ref().take(count).for_each(drop);
    }

    fn numbers(&mut self, field: &Field, bytes: i64) -> Result<(), Refused> {
        match self.buffers.next() {
            Some(buffer) if buffer.length() % bytes != 0 => {
                let (name, length) = (field.name(), buffer.length());
                let detail =
                    format!("column {name}: a buffer of {length} bytes says where rows are, in {bytes} bytes each");
                Err(invalid(detail))
            }
            _ => Ok(()),
        }
    }
}
