//! A compact, checked encoding for stored values: integers as LEB128 varints, byte strings with their length first.
//!
//! Every stored thing begins with a version byte of its own; the encoding of a version never changes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes that are not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is corrupt: {problem}")]
pub struct Corrupt {
    /// The thing that was being decoded.
    pub what: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl Corrupt {
    /// An error about `what`.
    #[must_use]
    pub fn new(what: &'static str, problem: impl Into<String>) -> Corrupt {
        Corrupt { what, problem: problem.into() }
    }
}

/// A value that can be stored.
pub trait Encode {
    /// Appends the value's bytes.
    fn encode(&self, out: &mut Writer);
}

/// A value that can be read back.
pub trait Decode: Sized {
    /// Takes the value's bytes from the front of `input`.
    ///
    /// # Errors
    /// [`Corrupt`] when the bytes are no such value.
    fn decode(input: &mut Reader) -> Result<Self, Corrupt>;
}

/// Where values are written to.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: BytesMut,
}

impl Writer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Writer {
        Writer::default()
    }

    /// An empty one with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Writer {
        Writer { bytes: BytesMut::with_capacity(bytes) }
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.bytes.freeze()
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.put_slice(bytes);
    }

    /// Appends one byte.
    pub fn byte(&mut self, byte: u8) {
        self.bytes.put_u8(byte);
    }

    /// Appends an unsigned number as LEB128.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.put_u8(value as u8);
    }

    /// Appends a signed number, zigzag, as LEB128.
    pub fn signed(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Appends a value.
    pub fn put<T: Encode + ?Sized>(&mut self, value: &T) {
        value.encode(self);
    }
}

/// Where values are read from. Byte strings share the input's memory.
#[derive(Debug)]
pub struct Reader {
    what: &'static str,
    bytes: Bytes,
}

impl Reader {
    /// Reads `bytes`, which should be a `what`.
    #[must_use]
    pub fn new(what: &'static str, bytes: Bytes) -> Reader {
        Reader { what, bytes }
    }

    /// Bytes not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// An error about the thing being read.
    #[must_use]
    pub fn corrupt(&self, problem: impl Into<String>) -> Corrupt {
        Corrupt::new(self.what, problem)
    }

    /// Takes `count` bytes, sharing their memory.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn raw(&mut self, count: usize) -> Result<Bytes, Corrupt> {
        if count > self.bytes.len() {
            return Err(self.corrupt(format!("needs {count} more bytes and {} are left", self.bytes.len())));
        }
        Ok(self.bytes.split_to(count))
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// At the end.
    pub fn byte(&mut self) -> Result<u8, Corrupt> {
        if self.bytes.is_empty() {
            return Err(self.corrupt("ends early"));
        }
        Ok(self.bytes.get_u8())
    }

    /// Takes an unsigned LEB128 number.
    ///
    /// # Errors
    /// At the end, or for more than 64 bits.
    pub fn varint(&mut self) -> Result<u64, Corrupt> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.corrupt("has a number of more than 64 bits"))
    }

    /// Takes a signed number.
    ///
    /// # Errors
    /// As [`Reader::varint`].
    pub fn signed(&mut self) -> Result<i64, Corrupt> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Takes a count of things that take `bytes_each_min` bytes at least, refusing one that cannot fit what is left: so
    /// nothing is allocated for a count that is not there.
    ///
    /// # Errors
    /// When it cannot.
    pub fn count(&mut self, bytes_each_min: usize) -> Result<usize, Corrupt> {
        let count = self.varint()?;
        let fits = self.bytes.len() / bytes_each_min.max(1);
        if count > fits as u64 {
            return Err(self.corrupt(format!("counts {count} items where {fits} fit at most")));
        }
        Ok(count as usize)
    }

    /// Takes a value.
    ///
    /// # Errors
    /// As its [`Decode`].
    pub fn get<T: Decode>(&mut self) -> Result<T, Corrupt> {
        T::decode(self)
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// When something is.
    pub fn end(&self) -> Result<(), Corrupt> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(self.corrupt(format!("{} bytes follow its end", self.bytes.len())))
        }
    }
}

macro_rules! unsigned {
    ($($ty:ty),*) => {$(
        impl Encode for $ty {
            fn encode(&self, out: &mut Writer) {
                out.varint(u64::from(*self));
            }
        }
        impl Decode for $ty {
            fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
                let value = input.varint()?;
                <$ty>::try_from(value).map_err(|_| input.corrupt(format!("{value} is too large for a {}", stringify!($ty))))
            }
        }
    )*};
}
unsigned!(u8, u16, u32, u64);

macro_rules! signed {
    ($($ty:ty),*) => {$(
        impl Encode for $ty {
            fn encode(&self, out: &mut Writer) {
                out.signed(i64::from(*self));
            }
        }
        impl Decode for $ty {
            fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
                let value = input.signed()?;
                <$ty>::try_from(value).map_err(|_| input.corrupt(format!("{value} does not fit a {}", stringify!($ty))))
            }
        }
    )*};
}
signed!(i16, i32, i64);

macro_rules! newtype {
    ($($ty:ident),*) => {$(
        impl Encode for tidelog_model::$ty {
            fn encode(&self, out: &mut Writer) {
                self.0.encode(out);
            }
        }
        impl Decode for tidelog_model::$ty {
            fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
                Ok(tidelog_model::$ty(Decode::decode(input)?))
            }
        }
    )*};
}
newtype!(
    TenantId,
    Offset,
    ObjectId,
    SessionId,
    NodeId,
    LaneId,
    CommitSequence,
    Incarnation,
    Tick,
    LogIndex,
    ProducerId,
    ProducerEpoch,
    TimestampMs
);

impl Encode for tidelog_model::TopicId {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for tidelog_model::TopicId {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        let bytes = input.raw(16)?;
        Ok(tidelog_model::TopicId(bytes.as_ref().try_into().expect("16 bytes were asked for")))
    }
}

impl Encode for tidelog_model::PartitionId {
    fn encode(&self, out: &mut Writer) {
        self.topic.encode(out);
        self.index.encode(out);
    }
}

impl Decode for tidelog_model::PartitionId {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        Ok(tidelog_model::PartitionId { topic: input.get()?, index: input.get()? })
    }
}

impl Encode for [u8; 16] {
    fn encode(&self, out: &mut Writer) {
        out.raw(self);
    }
}

impl Decode for [u8; 16] {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        Ok(input.raw(16)?.as_ref().try_into().expect("16 bytes were asked for"))
    }
}

impl Encode for bool {
    fn encode(&self, out: &mut Writer) {
        out.byte(u8::from(*self));
    }
}

impl Decode for bool {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        match input.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(input.corrupt(format!("{other} is neither true nor false"))),
        }
    }
}

impl Encode for Bytes {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.len() as u64);
        out.raw(self);
    }
}

impl Decode for Bytes {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        let count = input.count(1)?;
        input.raw(count)
    }
}

impl Encode for str {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.len() as u64);
        out.raw(self.as_bytes());
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Writer) {
        self.as_str().encode(out);
    }
}

impl Decode for String {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        let bytes: Bytes = input.get()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| input.corrupt("has text that is not UTF-8"))
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Writer) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        Ok(if input.get()? { Some(input.get()?) } else { None })
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.len() as u64);
        for item in self {
            item.encode(out);
        }
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        // Everything stored takes a byte at least; the vector grows with what is really there.
        let count = input.count(1)?;
        let mut items = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            items.push(input.get()?);
        }
        Ok(items)
    }
}

impl<K: Encode, V: Encode> Encode for std::collections::BTreeMap<K, V> {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.len() as u64);
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }
}

impl<K: Decode + Ord, V: Decode> Decode for std::collections::BTreeMap<K, V> {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        let count = input.count(1)?;
        let mut map = std::collections::BTreeMap::new();
        for _ in 0..count {
            if map.insert(input.get()?, input.get()?).is_some() {
                return Err(input.corrupt("has a key twice"));
            }
        }
        Ok(map)
    }
}

/// Declares structs that are encoded field by field, in the order written. Changing one changes bytes at rest: the thing
/// it is stored in then needs a new version.
#[macro_export]
macro_rules! stored_struct {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $ty:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        pub struct $name { $($(#[$field_meta])* pub $field: $ty),* }
        impl $crate::codec::Encode for $name {
            fn encode(&self, out: &mut $crate::codec::Writer) {
                $($crate::codec::Encode::encode(&self.$field, out);)*
            }
        }
        impl $crate::codec::Decode for $name {
            fn decode(input: &mut $crate::codec::Reader) -> Result<Self, $crate::codec::Corrupt> {
                $(let $field = $crate::codec::Decode::decode(input)?;)*
                Ok($name { $($field),* })
            }
        }
    )*};
}

/// Declares enums that are encoded as the number written at each variant, then its fields. Numbers once written are never
/// reused.
#[macro_export]
macro_rules! stored_enum {
    ($($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$variant_meta:meta])* $number:literal => $variant:ident
            $({ $($(#[$field_meta:meta])* $field:ident: $ty:ty),* $(,)? })?
            $(( $inner:ty ))?
        ),* $(,)?
    })*) => {$(
        $(#[$meta])*
        pub enum $name { $($(#[$variant_meta])* $variant $({ $($(#[$field_meta])* $field: $ty),* })? $(( $inner ))?),* }
        impl $crate::codec::Encode for $name {
            fn encode(&self, out: &mut $crate::codec::Writer) {
                $($crate::stored_enum!(@encode self, out, $name, $number, $variant $({ $($field),* })? $(( $inner ))?);)*
            }
        }
        impl $crate::codec::Decode for $name {
            fn decode(input: &mut $crate::codec::Reader) -> Result<Self, $crate::codec::Corrupt> {
                match input.byte()? {
                    $($number => $crate::stored_enum!(@decode input, $name, $variant $({ $($field),* })? $(( $inner ))?),)*
                    other => Err(input.corrupt(format!("{} has no variant {other}", stringify!($name)))),
                }
            }
        }
    )*};
    (@encode $self:ident, $out:ident, $name:ident, $number:literal, $variant:ident) => {
        if let $name::$variant = $self { $out.byte($number); }
    };
    (@encode $self:ident, $out:ident, $name:ident, $number:literal, $variant:ident { $($field:ident),* }) => {
        if let $name::$variant { $($field),* } = $self {
            $out.byte($number);
            $($crate::codec::Encode::encode($field, $out);)*
        }
    };
    (@encode $self:ident, $out:ident, $name:ident, $number:literal, $variant:ident ( $inner:ty )) => {
        if let $name::$variant(inner) = $self {
            $out.byte($number);
            $crate::codec::Encode::encode(inner, $out);
        }
    };
    (@decode $input:ident, $name:ident, $variant:ident) => { Ok($name::$variant) };
    (@decode $input:ident, $name:ident, $variant:ident { $($field:ident),* }) => {{
        $(let $field = $crate::codec::Decode::decode($input)?;)*
        Ok($name::$variant { $($field),* })
    }};
    (@decode $input:ident, $name:ident, $variant:ident ( $inner:ty )) => {
        Ok($name::$variant($crate::codec::Decode::decode($input)?))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    stored_enum! {
        /// For the tests.
        #[derive(Debug, PartialEq, Clone)]
        pub enum Shape {
            /// Nothing.
            0 => Dot,
            /// Fields.
            1 => Box { width: u32, name: String },
            /// Another.
            7 => Many(Vec<u64>),
        }
    }

    fn round_trip<T: Encode + Decode + PartialEq + std::fmt::Debug>(value: &T) {
        let mut out = Writer::new();
        out.put(value);
        let mut input = Reader::new("test value", out.finish());
        assert_eq!(&input.get::<T>().expect("what was written is read"), value);
        input.end().expect("and nothing more");
    }

    #[test]
    fn values_round_trip() {
        round_trip(&Shape::Dot);
        round_trip(&Shape::Box { width: u32::MAX, name: "é".into() });
        round_trip(&Shape::Many(vec![0, 127, 128, u64::MAX]));
        round_trip(&vec![i64::MIN, -1, 0, i64::MAX]);
        round_trip(&Some(Bytes::from_static(b"x")));
    }

    #[test]
    fn a_planted_count_is_refused_before_memory_is_taken() {
        let mut out = Writer::new();
        out.varint(i32::MAX as u64);
        let bytes = out.finish();
        assert!(Reader::new("list", bytes.clone()).get::<Vec<u64>>().is_err());
        assert!(Reader::new("string", bytes).get::<Bytes>().is_err());
    }

    proptest::proptest! {
        #[test]
        fn numbers_round_trip(value: u64, signed: i64) {
            round_trip(&value);
            round_trip(&signed);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Reader::new("noise", Bytes::from(bytes)).get::<Vec<Shape>>();
        }
    }
}
