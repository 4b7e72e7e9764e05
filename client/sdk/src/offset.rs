//! Offsets in JSON: numbers up to 2⁵³−1, strings of digits beyond. Both are read.

use std::fmt;

use serde::{Deserializer, Serializer, de};

/// The greatest integer that every reader of JSON holds exactly.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Writes an offset.
pub(crate) fn serialize<S: Serializer>(offset: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    if *offset <= NUMBER_MAX { serializer.serialize_u64(*offset) } else { serializer.collect_str(offset) }
}

/// Reads an offset.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Visitor;
    impl de::Visitor<'_> for Visitor {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number that is not negative, or a string of its digits")
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
            Ok(number)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
            text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }
    deserializer.deserialize_any(Visitor)
}

/// The same of offsets that may be absent or null.
pub(crate) mod option {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes an offset, or null.
    pub(crate) fn serialize<S: Serializer>(offset: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match offset {
            Some(offset) => super::serialize(offset, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads an offset, or null.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        #[derive(Deserialize)]
        struct Offset(#[serde(with = "super")] u64);
        Ok(Option::<Offset>::deserialize(deserializer)?.map(|Offset(offset)| offset))
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Both {
        #[serde(with = "super")]
        one: u64,
        #[serde(with = "super::option", default)]
        other: Option<u64>,
    }

    #[test]
    fn what_is_not_exact_as_a_number_is_text() {
        let check = |one: u64, other: Option<u64>, json: &str| {
            let both = Both { one, other };
            assert_eq!(serde_json::to_string(&both).unwrap(), json);
            assert_eq!(serde_json::from_str::<Both>(json).unwrap(), both);
        };
        check(7, Some((1 << 53) - 1), r#"{"one":7,"other":9007199254740991}"#);
        check(1 << 53, None, r#"{"one":"9007199254740992","other":null}"#);
        assert_eq!(serde_json::from_str::<Both>(r#"{"one":"7"}"#).unwrap(), Both { one: 7, other: None });
        for wrong in [r#"{"one":-1}"#, r#"{"one":"x"}"#, r#"{"one":1.5}"#, r#"{"one":null}"#] {
            assert!(serde_json::from_str::<Both>(wrong).is_err(), "{wrong}");
        }
    }
}
