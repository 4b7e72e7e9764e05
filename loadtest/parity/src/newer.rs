//! Messages in versions that the codec does not know yet.
//!
//! A version that adds a value, and no field, goes through the codec as the one before ([`Newer`]). Others stand here field by
//! field, as flexible versions write them.

use anyhow::{Result, ensure};
use bytes::{Buf, BufMut, BytesMut};
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, VersionRange};
use uuid::Uuid;

/// A message of the codec, also in versions up to `MAX` that are written like the newest it knows.
#[derive(Clone, Debug)]
pub struct Newer<M, const MAX: i16>(pub M);

impl<M: Message, const MAX: i16> Newer<M, MAX> {
    fn known(version: i16) -> i16 {
        version.min(M::VERSIONS.max)
    }
}

impl<M: Message, const MAX: i16> Message for Newer<M, MAX> {
    const VERSIONS: VersionRange = VersionRange { min: M::VERSIONS.min, max: MAX };
    const DEPRECATED_VERSIONS: Option<VersionRange> = M::DEPRECATED_VERSIONS;
}

impl<M: Message + Encodable, const MAX: i16> Encodable for Newer<M, MAX> {
    fn encode<B: ByteBufMut>(&self, buf: &mut B, version: i16) -> Result<()> {
        self.0.encode(buf, Self::known(version))
    }

    fn compute_size(&self, version: i16) -> Result<usize> {
        self.0.compute_size(Self::known(version))
    }
}

impl<M: Message + Decodable, const MAX: i16> Decodable for Newer<M, MAX> {
    fn decode<B: ByteBuf>(buf: &mut B, version: i16) -> Result<Self> {
        Ok(Newer(M::decode(buf, Self::known(version))?))
    }
}

impl<M: Message + HeaderVersion, const MAX: i16> HeaderVersion for Newer<M, MAX> {
    fn header_version(version: i16) -> i16 {
        M::header_version(Self::known(version))
    }
}

impl<R: Request, const MAX: i16> Request for Newer<R, MAX> {
    const KEY: i16 = R::KEY;
    type Response = Newer<R::Response, MAX>;
}

/// Something that is written and read.
trait Field: Sized {
    fn put(&self, out: &mut BytesMut);
    fn take(input: &mut dyn Buf) -> Result<Self>;
}

macro_rules! numbers {
    ($($number:ty: $put:ident $take:ident),*) => { $(
        impl Field for $number {
            fn put(&self, out: &mut BytesMut) {
                out.$put(*self);
            }
            fn take(input: &mut dyn Buf) -> Result<Self> {
                ensure!(input.remaining() >= size_of::<$number>(), "a number is missing");
                Ok(input.$take())
            }
        }
    )* };
}

numbers!(u8: put_u8 get_u8, i16: put_i16 get_i16, i32: put_i32 get_i32, i64: put_i64 get_i64, u128: put_u128 get_u128);

impl Field for Uuid {
    fn put(&self, out: &mut BytesMut) {
        self.as_u128().put(out);
    }
    fn take(input: &mut dyn Buf) -> Result<Self> {
        Ok(Uuid::from_u128(u128::take(input)?))
    }
}

/// One more than a length, so that 0 is nothing.
fn put_length(length: Option<usize>, out: &mut BytesMut) {
    let length = length.map_or(0, |length| length + 1);
    assert!(length < 0x80, "scripts send little");
    out.put_u8(length as u8);
}

fn take_length(input: &mut dyn Buf) -> Result<Option<usize>> {
    let length = u8::take(input)?;
    ensure!(length < 0x80, "scripts get little");
    Ok(usize::from(length).checked_sub(1))
}

impl Field for Option<String> {
    fn put(&self, out: &mut BytesMut) {
        put_length(self.as_ref().map(String::len), out);
        out.put_slice(self.as_deref().unwrap_or_default().as_bytes());
    }
    fn take(input: &mut dyn Buf) -> Result<Self> {
        let Some(length) = take_length(input)? else { return Ok(None) };
        ensure!(input.remaining() >= length, "a text is cut off");
        Ok(Some(String::from_utf8(input.copy_to_bytes(length).to_vec())?))
    }
}

impl<T: Field> Field for Option<Vec<T>> {
    fn put(&self, out: &mut BytesMut) {
        put_length(self.as_ref().map(Vec::len), out);
        self.iter().flatten().for_each(|one| one.put(out));
    }
    fn take(input: &mut dyn Buf) -> Result<Self> {
        let Some(length) = take_length(input)? else { return Ok(None) };
        Ok(Some((0..length).map(|_| T::take(input)).collect::<Result<_>>()?))
    }
}

/// A structure: its fields in order, and no tagged ones. One with versions is a message.
macro_rules! fields {
    ($name:ident $(in $version:literal)? { $($field:ident: $kind:ty),* $(,)? }) => {
        #[derive(Clone, Debug, Default)]
        pub struct $name { $(pub $field: $kind),* }

        impl Field for $name {
            fn put(&self, out: &mut BytesMut) {
                $( self.$field.put(out); )*
                out.put_u8(0);
            }
            fn take(input: &mut dyn Buf) -> Result<Self> {
                let taken = $name { $($field: Field::take(input)?),* };
                ensure!(u8::take(input)? == 0, "tagged fields in {}", stringify!($name));
                Ok(taken)
            }
        }

        $(
            impl Message for $name {
                const VERSIONS: VersionRange = VersionRange { min: $version, max: $version };
                const DEPRECATED_VERSIONS: Option<VersionRange> = None;
            }
            impl Encodable for $name {
                fn encode<B: ByteBufMut>(&self, buf: &mut B, _version: i16) -> Result<()> {
                    let mut out = BytesMut::new();
                    self.put(&mut out);
                    buf.put_slice(&out);
                    Ok(())
                }
                fn compute_size(&self, _version: i16) -> Result<usize> {
                    let mut out = BytesMut::new();
                    self.put(&mut out);
                    Ok(out.len())
                }
            }
            impl Decodable for $name {
                fn decode<B: ByteBuf>(buf: &mut B, _version: i16) -> Result<Self> {
                    Field::take(buf)
                }
            }
        )?
    };
}

macro_rules! exchange {
    ($request:ident and $response:ident, key $key:literal) => {
        impl HeaderVersion for $request {
            fn header_version(_version: i16) -> i16 {
                2
            }
        }
        impl HeaderVersion for $response {
            fn header_version(_version: i16) -> i16 {
                1
            }
        }
        impl Request for $request {
            const KEY: i16 = $key;
            type Response = $response;
        }
    };
}

fields!(OffsetCommitById in 10 {
    group_id: Option<String>,
    generation_id_or_member_epoch: i32,
    member_id: Option<String>,
    group_instance_id: Option<String>,
    topics: Option<Vec<TopicToCommit>>,
});
fields!(TopicToCommit { topic_id: Uuid, partitions: Option<Vec<PartitionToCommit>> });
fields!(PartitionToCommit {
    partition_index: i32,
    committed_offset: i64,
    committed_leader_epoch: i32,
    committed_metadata: Option<String>,
});
fields!(OffsetCommitByIdAnswer in 10 { throttle_time_ms: i32, topics: Option<Vec<CommittedTopic>> });
fields!(CommittedTopic { topic_id: Uuid, partitions: Option<Vec<CommittedPartition>> });
fields!(CommittedPartition { partition_index: i32, error_code: i16 });
exchange!(OffsetCommitById and OffsetCommitByIdAnswer, key 8);

fields!(OffsetFetchById in 10 { groups: Option<Vec<GroupToFetch>>, require_stable: u8 });
fields!(GroupToFetch {
    group_id: Option<String>,
    member_id: Option<String>,
    member_epoch: i32,
    topics: Option<Vec<TopicToFetch>>,
});
fields!(TopicToFetch { topic_id: Uuid, partition_indexes: Option<Vec<i32>> });
fields!(OffsetFetchByIdAnswer in 10 { throttle_time_ms: i32, groups: Option<Vec<FetchedGroup>> });
fields!(FetchedGroup { group_id: Option<String>, topics: Option<Vec<FetchedTopic>>, error_code: i16 });
fields!(FetchedTopic { topic_id: Uuid, partitions: Option<Vec<FetchedPartition>> });
fields!(FetchedPartition {
    partition_index: i32,
    committed_offset: i64,
    committed_leader_epoch: i32,
    metadata: Option<String>,
    error_code: i16,
});
exchange!(OffsetFetchById and OffsetFetchByIdAnswer, key 9);
