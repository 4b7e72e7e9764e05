//! Objects that are objects. What serde derives for a struct reads a list too, by position, and so would take `[]` for an object
//! of which everything is left out.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// An object in a text of JSON.
///
/// # Errors
/// When it is none, or not of this kind.
pub fn object_from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, serde_json::Error> {
    serde_json::from_str::<Object<T>>(text).map(|object| object.0)
}

/// A list of objects, for a field that is one.
///
/// # Errors
/// When it is none, or one of them is no object or not of this kind.
pub fn list_of_objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Vec::<Object<T>>::deserialize(deserializer)?.into_iter().map(|object| object.0).collect())
}

struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FenceInput, OffsetsInput, TopicChanges, WireOffset};

    #[test]
    fn a_list_is_no_object() {
        assert_eq!(object_from_str::<FenceInput>(r#"{"token":7}"#).unwrap().token, WireOffset(7));
        let error = object_from_str::<FenceInput>("[7]").unwrap_err().to_string();
        assert!(error.contains("expected an object"), "{error}");
        assert!(object_from_str::<TopicChanges>("{}").is_ok());
        assert!(object_from_str::<TopicChanges>("[]").is_err());
        let offset = r#"{"topic":"t","partition":0,"offset":1}"#;
        assert_eq!(object_from_str::<OffsetsInput>(&format!(r#"{{"offsets":[{offset}]}}"#)).unwrap().offsets.len(), 1);
        assert!(object_from_str::<OffsetsInput>(r#"{"offsets":[["t",0,1,""]]}"#).is_err());
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let error = object_from_str::<FenceInput>("{\"token\":7,\n\"tokne\":8}").unwrap_err();
        assert_eq!((error.line(), error.is_data()), (2, true), "{error}");
    }
}
