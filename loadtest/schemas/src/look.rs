//! Looking into a message by the names of its fields.

use crate::schema::{Api, Kind};
use crate::value::Value;

/// A value with its schema.
#[derive(Clone, Copy, Debug)]
pub struct Look<'m> {
    kind: &'m Kind,
    value: &'m Value,
}

/// At the body of a request.
#[must_use]
pub fn look_at_request<'m>(api: &'m Api, value: &'m Value) -> Look<'m> {
    Look { kind: &api.request.body, value }
}

/// At the body of an answer.
#[must_use]
pub fn look_at_answer<'m>(api: &'m Api, value: &'m Value) -> Look<'m> {
    Look { kind: &api.answer.body, value }
}

impl<'m> Look<'m> {
    /// The field of a structure, if it has one of that name and is not null.
    #[must_use]
    pub fn field(self, name: &str) -> Option<Look<'m>> {
        match (self.kind, self.value) {
            (Kind::Struct(fields), Value::Struct(Some(values), _)) => {
                let index = fields.iter().position(|field| field.name == name)?;
                Some(Look { kind: &fields[index].kind, value: &values[index] })
            }
            _ => None,
        }
    }

    /// The elements of the array called `name`; none when there is none.
    #[must_use]
    pub fn items(self, name: &str) -> Vec<Look<'m>> {
        match self.field(name) {
            Some(Look { kind: Kind::Array(element), value: Value::Array(Some(values)) }) => {
                values.iter().map(|value| Look { kind: element, value }).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The number called `name`.
    #[must_use]
    pub fn int(self, name: &str) -> Option<i64> {
        match self.field(name)?.value {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The flag called `name`.
    #[must_use]
    pub fn flag(self, name: &str) -> Option<bool> {
        match self.field(name)?.value {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The id called `name`.
    #[must_use]
    pub fn id(self, name: &str) -> Option<[u8; 16]> {
        match self.field(name)?.value {
            Value::Uuid(id) => Some(*id),
            _ => None,
        }
    }

    /// The text called `name`, if it is one.
    #[must_use]
    pub fn text(self, name: &str) -> Option<String> {
        self.field(name)?.as_text()
    }

    /// Itself, if it is a text.
    #[must_use]
    pub fn as_text(self) -> Option<String> {
        match self.value {
            Value::Text(Some(text)) => String::from_utf8(text.clone()).ok(),
            _ => None,
        }
    }
}

/// Puts a value in the place that the names of `path` lead to, by the first element of each array.
///
/// # Panics
/// When nothing is there.
pub fn put_in_request(api: &Api, request: &mut Value, path: &[&str], value: Value) {
    let (mut kind, mut place) = (&api.request.body, request);
    for name in path {
        if let Kind::Array(element) = kind {
            let Value::Array(Some(elements)) = place else { panic!("no elements with {name}: {place:?}") };
            (kind, place) = (element, &mut elements[0]);
        }
        let Kind::Struct(fields) = kind else { panic!("{name} is no field of {kind:?}") };
        let Value::Struct(Some(values), _) = place else { panic!("nothing has {name}: {place:?}") };
        let index = fields.iter().position(|field| field.name == *name).expect("a field of that name");
        (kind, place) = (&fields[index].kind, &mut values[index]);
    }
    *place = value;
}
