//! Parameters of a request: known ones only, each once, each with a value that makes sense.

use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::errors::Code;
use crate::problem::Refused;

/// The parameters of a request.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Takes them apart.
    ///
    /// # Errors
    /// When there is one that is not `known`, or one twice.
    pub(crate) fn parse(raw: Option<&str>, known: &[&str]) -> Result<Query, Refused> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let there = if known.is_empty() { "there are none here".to_owned() } else { known.join(", ") };
                let detail = format!("there is no parameter {name:?}; there is: {there}");
                return Err(Refused::parameter(Code::UnknownParameter, &name, detail));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                let detail = format!("{name} is there twice; say it once");
                return Err(Refused::parameter(Code::InvalidParameter, &name, detail));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Query(pairs))
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Whether something is wanted; not unless said.
    ///
    /// # Errors
    /// When it says neither.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refused> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => {
                let detail = format!("{name} is {text:?}; true and false work");
                Err(Refused::parameter(Code::InvalidParameter, name, detail))
            }
        }
    }

    /// A number within bounds.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn number<N>(&self, name: &str, range: RangeInclusive<N>) -> Result<Option<N>, Refused>
    where
        N: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse::<N>() {
            // Rust reads a sign too, which no schema of ours has.
            Ok(number) if range.contains(&number) && !text.starts_with('+') => Ok(Some(number)),
            Ok(_) | Err(_) => {
                let detail =
                    format!("{name} is {text:?}; a whole number from {} to {} works", range.start(), range.end());
                Err(Refused::parameter(Code::InvalidParameter, name, detail))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, code: Code, name: &str) {
        let query = Query::parse(Some(raw), &["limit", "from"]).and_then(|query| query.number("limit", 1..=100_u32));
        let refused = query.unwrap_err();
        assert_eq!(refused.code(), code, "{raw}");
        assert!(refused.detail().contains(name), "{}", refused.detail());
    }

    #[test]
    fn mistakes_are_named() {
        check("limt=5", Code::UnknownParameter, "limt");
        check("limit=5&limit=6", Code::InvalidParameter, "limit");
        for absurd in ["-1", "0", "101", "1e3", "%2B5", "", "99999999999999999999999", "ten"] {
            check(&format!("limit={absurd}"), Code::InvalidParameter, "1 to 100");
        }
        let query = Query::parse(Some("from=%40170&limit=7"), &["limit", "from"]).unwrap();
        assert_eq!((query.text("from"), query.number("limit", 1..=100_u32).unwrap()), (Some("@170"), Some(7)));
    }
}
