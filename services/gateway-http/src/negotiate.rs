//! Media types: what a body is, and what an answer may be.

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};

use crate::errors::Code;
use crate::problem::Refused;

pub(crate) const JSON: &str = "application/json";
pub(crate) const NDJSON: &str = "application/x-ndjson";
pub(crate) const EVENT_STREAM: &str = "text/event-stream";
pub(crate) const OCTETS: &str = "application/octet-stream";
pub(crate) const ARROW: &str = "application/vnd.apache.arrow.stream";

/// Of a page's form, and of whatever curl is given with `-d`, unless told otherwise.
const FORM: &str = "application/x-www-form-urlencoded";
const CURL: &str =
    " (curl says this of all that it sends with -d, unless it is told: -H 'content-type: application/json')";

/// Which of `offered` the body is.
///
/// # Errors
/// When it is none of them.
pub(crate) fn content_type(headers: &HeaderMap, offered: &[&'static str]) -> Result<&'static str, Refused> {
    let sent = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let (essence, parameters) = sent.unwrap_or_default().split_once(';').unwrap_or((sent.unwrap_or_default(), ""));
    let found = offered.iter().find(|offer| offer.eq_ignore_ascii_case(essence.trim()));
    let is_utf8 = parameters.split(';').all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            ["utf-8", "utf8", "us-ascii"].iter().any(|it| it.eq_ignore_ascii_case(value.trim().trim_matches('"')))
        }
        _ => true,
    });
    match found {
        Some(found) if is_utf8 => Ok(found),
        _ => {
            let works = offered.join(", ");
            let detail = match (sent, found) {
                (None, _) => format!("the body has no content-type; send it as {}", one_of(&works)),
                (Some(sent), Some(found)) => {
                    format!(
                        "the body's content-type is {sent:?}; of {found}, UTF-8 alone is taken: send it so, as {found}"
                    )
                }
                (Some(sent), None) => {
                    let curl = if essence.trim().eq_ignore_ascii_case(FORM) { CURL } else { "" };
                    format!(
                        "the body's content-type is {sent:?}, which is not taken here; send it as {}{curl}",
                        one_of(&works)
                    )
                }
            };
            let refused = Refused::parameter(Code::UnsupportedMediaType, "content-type", detail);
            let accept = HeaderValue::from_str(&works).expect("media types are ASCII");
            Err(refused.with_header(ACCEPT, accept))
        }
    }
}

fn one_of(works: &str) -> String {
    if works.contains(',') { format!("one of {works}") } else { works.to_owned() }
}

/// Which of `offered` the client wants: the one it likes best, of equals the first. The first when it does not say.
///
/// # Errors
/// When it accepts none of them.
pub(crate) fn accept(headers: &HeaderMap, offered: &[&'static str]) -> Result<&'static str, Refused> {
    let mut ranges = Vec::new();
    for value in headers.get_all(ACCEPT) {
        ranges.extend(value.to_str().unwrap_or_default().split(',').filter_map(range));
    }
    if ranges.is_empty() {
        return Ok(offered[0]);
    }
    // The most specific range that fits decides.
    let quality = |offer: &str| {
        let fits = ranges.iter().filter_map(|(range, quality)| Some((specificity(range, offer)?, *quality)));
        fits.max_by_key(|(specificity, _)| *specificity).map_or(0, |(_, quality)| quality)
    };
    let mut best = None;
    for offer in offered {
        let quality = quality(offer);
        if quality > 0 && best.is_none_or(|(_, other)| quality > other) {
            best = Some((*offer, quality));
        }
    }
    best.map(|(offer, _)| offer).ok_or_else(|| {
        let detail = format!("nothing is offered of what is accepted; these are: {}", offered.join(", "));
        Refused::parameter(Code::NotAcceptable, "accept", detail)
    })
}

/// A media range and its quality in thousandths.
fn range(text: &str) -> Option<(String, u32)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?.to_ascii_lowercase();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let quality = quality.and_then(|text| text.parse::<f32>().ok()).unwrap_or(1.0);
    Some((range, (quality.clamp(0.0, 1.0) * 1_000.0) as u32))
}

fn specificity(range: &str, offer: &str) -> Option<u8> {
    if range == offer {
        return Some(2);
    }
    if range == "*/*" {
        return Some(0);
    }
    let family = range.strip_suffix("/*")?;
    (offer.split('/').next() == Some(family)).then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: [&str; 3] = [JSON, NDJSON, EVENT_STREAM];

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    fn check_accept(value: &str, expected: Option<&str>) {
        assert_eq!(accept(&headers("accept", value), &OFFERED).ok(), expected, "{value}");
    }

    #[test]
    fn the_best_liked_wins() {
        assert_eq!(accept(&HeaderMap::new(), &OFFERED).ok(), Some(JSON));
        check_accept("*/*", Some(JSON));
        check_accept("text/event-stream", Some(EVENT_STREAM));
        check_accept("text/*", Some(EVENT_STREAM));
        check_accept("application/json;q=0.5, application/x-ndjson", Some(NDJSON));
        check_accept("application/json;q=0, */*;q=0.1", Some(NDJSON));
        check_accept("text/html, application/xhtml+xml, */*;q=0.8", Some(JSON));
        check_accept("text/html", None);
        check_accept("application/json;q=0", None);
    }

    #[test]
    fn a_body_is_what_it_says_it_is() {
        let check = |value: &str, expected: Option<&str>| {
            assert_eq!(content_type(&headers("content-type", value), &[JSON, OCTETS]).ok(), expected, "{value}");
        };
        check("application/json", Some(JSON));
        check("Application/JSON; charset=UTF-8", Some(JSON));
        check("application/json; charset=latin1", None);
        check("text/plain", None);
        let told =
            |sent: &HeaderMap, offered: &[&'static str]| content_type(sent, offered).unwrap_err().detail().to_owned();
        assert_eq!(told(&HeaderMap::new(), &[JSON]), "the body has no content-type; send it as application/json");
        let told_of = |sent: &str| told(&headers("content-type", sent), &[JSON, OCTETS]);
        assert_eq!(
            told_of("text/plain"),
            "the body's content-type is \"text/plain\", which is not taken here; send it as one of application/json, \
             application/octet-stream"
        );
        assert_eq!(
            told_of("application/json; charset=latin1"),
            "the body's content-type is \"application/json; charset=latin1\"; of application/json, UTF-8 alone is taken: send it \
             so, as application/json"
        );
        assert!(told_of("application/x-www-form-urlencoded").contains("-H 'content-type: application/json'"));
    }
}
