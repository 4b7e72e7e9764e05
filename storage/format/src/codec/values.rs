//! How numbers, texts, lists and the ids of the model are stored.

use bytes::Bytes;

use super::{Corrupt, Decode, Encode, Reader, Writer};

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
    FencingToken,
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
