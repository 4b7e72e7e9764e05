//! Content encodings: gzip and zstd, of what is sent and of what is answered.
//!
//! `answer.rs` encodes answers, `upload.rs` unfolds bodies. Encoders and decoders hold memory beside what they are given, so
//! there are so many at once and no more: an answer for which there is none goes as it is, a body waits until one of those that
//! come too slowly has made way.

mod answer;
mod upload;

pub(crate) use answer::encode;
pub(crate) use upload::{Unfolding, refused_by, unfold};

use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use axum::http::{HeaderMap, HeaderValue};

use crate::errors::Code;
use crate::problem::Refused;

/// How bytes are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    Zstd,
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Encoding::Gzip => "gzip",
            Encoding::Zstd => "zstd",
        }
    }

    fn of(name: &str) -> Option<Encoding> {
        match name {
            _ if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => Some(Encoding::Gzip),
            _ if name.eq_ignore_ascii_case("zstd") => Some(Encoding::Zstd),
            _ => None,
        }
    }
}

/// How a body is encoded, where that is taken.
///
/// # Errors
/// When it is encoded otherwise.
pub(crate) fn of_body(headers: &HeaderMap) -> Result<Option<Encoding>, Refused> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(None) };
    let name = value.to_str().unwrap_or("?").trim();
    if name.eq_ignore_ascii_case("identity") {
        return Ok(None);
    }
    let found = Encoding::of(name).filter(|_| headers.get_all(CONTENT_ENCODING).iter().count() == 1);
    found.map(Some).ok_or_else(|| {
        let detail = format!("the content encoding {value:?} is not taken; gzip, zstd, or the body as it is work");
        let refused = Refused::parameter(Code::UnsupportedEncoding, "content-encoding", detail);
        refused.with_header(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd"))
    })
}

/// The body is to be as it is.
///
/// # Errors
/// When it is encoded.
pub(crate) fn none_of_body(headers: &HeaderMap) -> Result<(), Refused> {
    let encoded = headers.get(CONTENT_ENCODING).filter(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    let Some(value) = encoded else { return Ok(()) };
    let detail = format!("the content encoding {value:?} is not taken here; send the body as it is");
    let refused = Refused::parameter(Code::UnsupportedEncoding, "content-encoding", detail);
    Err(refused.with_header(ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

/// How an answer is best encoded for its client: what it likes best, and of equals zstd. `None`: as it is.
pub(crate) fn accepted(headers: &HeaderMap) -> Option<Encoding> {
    let mut best: Option<(f32, Encoding)> = None;
    for value in headers.get_all(ACCEPT_ENCODING) {
        for part in value.to_str().unwrap_or_default().split(',') {
            let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
            let Some(encoding) = Encoding::of(name.trim()) else { continue };
            let quality = match parameters.trim() {
                "" => 1.0,
                parameter => parameter.strip_prefix("q=").and_then(|text| text.parse().ok()).unwrap_or(0.0),
            };
            let is_better = |(than, other)| quality > than || (quality == than && other == Encoding::Gzip);
            if quality > 0.0 && best.is_none_or(is_better) {
                best = Some((quality, encoding));
            }
        }
    }
    best.map(|(_, encoding)| encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_liked_encoding_is_taken() {
        let check = |accept: &'static str, expected: Option<Encoding>| {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(accept))]);
            assert_eq!(accepted(&headers), expected, "{accept}");
        };
        check("gzip, deflate, br", Some(Encoding::Gzip));
        check("gzip, deflate, br, zstd", Some(Encoding::Zstd));
        check("zstd, gzip", Some(Encoding::Zstd));
        check("gzip;q=1.0, zstd; q=0.5", Some(Encoding::Gzip));
        check("gzip;q=0", None);
        check("gzip;q=many", None);
        check("identity", None);
        check("*", None);
        check("", None);
    }

    #[test]
    fn a_body_is_encoded_in_one_of_two_ways_or_refused() {
        let of = |values: &[&'static str]| {
            let pair = |value: &&'static str| (CONTENT_ENCODING, HeaderValue::from_static(value));
            of_body(&values.iter().map(pair).collect())
        };
        assert_eq!(of(&[]).unwrap(), None);
        assert_eq!(of(&["identity"]).unwrap(), None);
        assert_eq!(of(&["GZIP"]).unwrap(), Some(Encoding::Gzip));
        assert_eq!(of(&["zstd"]).unwrap(), Some(Encoding::Zstd));
        for wrong in [&["br"][..], &["gzip, gzip"], &["gzip", "zstd"], &["deflate"], &[""]] {
            assert_eq!(of(wrong).unwrap_err().code(), Code::UnsupportedEncoding, "{wrong:?}");
        }
    }
}

#[cfg(test)]
mod encoding_test;
