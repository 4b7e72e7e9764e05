//! Offsets in JSON: numbers as long as every reader takes them for what they are.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{OneOfBuilder, Schema};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// The greatest integer that JavaScript's numbers, and so many readers of JSON, hold exactly.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// An offset. Up to 2⁵³−1 it is a JSON number, beyond that a string of digits, which is understood for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireOffset(pub u64);

impl Serialize for WireOffset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 <= NUMBER_MAX { serializer.serialize_u64(self.0) } else { serializer.collect_str(&self.0) }
    }
}

impl<'de> Deserialize<'de> for WireOffset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WireOffset, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = WireOffset;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an offset: a number from 0 to 2^53-1, or a string of its digits")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<WireOffset, E> {
                // Beyond that whoever wrote it may have meant another one.
                let exact = Some(number).filter(|number| *number <= NUMBER_MAX);
                exact.map(WireOffset).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<WireOffset, E> {
                // Digits only: Rust reads a sign too.
                let number = text.parse().ok().filter(|_| !text.starts_with('+'));
                number.map(WireOffset).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl PartialSchema for WireOffset {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(0))
            .maximum(Some(NUMBER_MAX as i64))
            .build();
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]+$")).build();
        let description = "An offset: a number, or beyond 2^53-1, where numbers are not exact everywhere, its digits.";
        let either = OneOfBuilder::new().item(number).item(text).description(Some(description)).build();
        RefOr::T(Schema::OneOf(either))
    }
}

impl ToSchema for WireOffset {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(offset: u64, json: &str) {
        assert_eq!(serde_json::to_string(&WireOffset(offset)).unwrap(), json);
        assert_eq!(serde_json::from_str::<WireOffset>(json).unwrap(), WireOffset(offset));
    }

    #[test]
    fn what_is_not_exact_as_a_number_is_text() {
        check(0, "0");
        check(9_007_199_254_740_991, "9007199254740991");
        check(9_007_199_254_740_992, "\"9007199254740992\"");
        assert_eq!(serde_json::from_str::<WireOffset>("\"7\"").unwrap(), WireOffset(7));
        assert!(serde_json::from_str::<WireOffset>("-1").is_err());
        for absurd in ["\"x\"", "\"+7\"", "\"\"", "\"18446744073709551616\"", "7.0", "null", "9007199254740992"] {
            assert!(serde_json::from_str::<WireOffset>(absurd).is_err(), "{absurd}");
        }
    }
}
