//! Bytes and text in whatever way a column keeps them.

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, LargeBinaryArray, LargeStringArray,
    StringArray, StringViewArray,
};
use arrow_schema::DataType;

/// A column of bytes or text.
pub(super) enum Pieces {
    /// Nothing but nulls.
    Nulls,
    Fixed(FixedSizeBinaryArray),
    Binary(BinaryArray),
    LargeBinary(LargeBinaryArray),
    BinaryView(BinaryViewArray),
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
}

impl Pieces {
    /// # Panics
    /// When it is of another type, which was refused with the schema.
    pub(super) fn of(array: &ArrayRef) -> Pieces {
        match array.data_type() {
            DataType::Null => Pieces::Nulls,
            DataType::FixedSizeBinary(_) => Pieces::Fixed(array.as_fixed_size_binary().clone()),
            DataType::Binary => Pieces::Binary(array.as_binary().clone()),
            DataType::LargeBinary => Pieces::LargeBinary(array.as_binary().clone()),
            DataType::BinaryView => Pieces::BinaryView(array.as_binary_view().clone()),
            DataType::Utf8 => Pieces::Text(array.as_string().clone()),
            DataType::LargeUtf8 => Pieces::LargeText(array.as_string().clone()),
            DataType::Utf8View => Pieces::TextView(array.as_string_view().clone()),
            other => unreachable!("{other} was refused with the schema"),
        }
    }

    /// What the row has, if it has something.
    pub(super) fn at(&self, row: usize) -> Option<&[u8]> {
        match self {
            Pieces::Nulls => None,
            Pieces::Fixed(array) => array.is_valid(row).then(|| array.value(row)),
            Pieces::Binary(array) => array.is_valid(row).then(|| array.value(row)),
            Pieces::LargeBinary(array) => array.is_valid(row).then(|| array.value(row)),
            Pieces::BinaryView(array) => array.is_valid(row).then(|| array.value(row)),
            Pieces::Text(_) | Pieces::LargeText(_) | Pieces::TextView(_) => self.text_at(row).map(str::as_bytes),
        }
    }

    /// The same as text; nothing when the column is none of text.
    pub(super) fn text_at(&self, row: usize) -> Option<&str> {
        match self {
            Pieces::Text(array) => array.is_valid(row).then(|| array.value(row)),
            Pieces::LargeText(array) => array.is_valid(row).then(|| array.value(row)),
            Pieces::TextView(array) => array.is_valid(row).then(|| array.value(row)),
            Pieces::Nulls | Pieces::Fixed(_) | Pieces::Binary(_) | Pieces::LargeBinary(_) | Pieces::BinaryView(_) => {
                None
            }
        }
    }

    /// Bytes of all rows, more than those of the column when rows share them, which only views can.
    pub(super) fn bytes(&self) -> usize {
        // A view begins with its length.
        let views = |views: &[u128]| views.iter().map(|view| *view as u32 as usize).fold(0, usize::saturating_add);
        match self {
            Pieces::BinaryView(array) => views(array.views()),
            Pieces::TextView(array) => views(array.views()),
            Pieces::Nulls => 0,
            Pieces::Fixed(array) => array.len() * array.value_length() as usize,
            Pieces::Binary(array) => array.value_data().len(),
            Pieces::LargeBinary(array) => array.value_data().len(),
            Pieces::Text(array) => array.value_data().len(),
            Pieces::LargeText(array) => array.value_data().len(),
        }
    }
}
