//! What was written is read, and nothing else is believed.

use super::*;
use crate::stored_enum;

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
