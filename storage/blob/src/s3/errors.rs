//! What S3 answers, in our words.

use std::error::Error;

use crate::{BlobError, Key};

/// Longest text of an error that is passed on: bodies are the store's.
const TEXT_BYTES_MAX: usize = 500;

/// The error of a call for `key`; `end` is the end of the range that was asked for.
pub(super) fn translate(key: &Key, end: u64, error: &object_store::Error) -> BlobError {
    use object_store::Error as Theirs;
    if let Some(error) = ours(error) {
        return error;
    }
    let text = whole_text(error);
    let status = status(&text);
    let is_bucket_missing = text.contains("<Code>NoSuchBucket</Code>");
    let text = shortened(readable(text));
    if is_bucket_missing {
        return BlobError::Refused(format!("there is no such bucket: {text}"));
    }
    match (error, status) {
        (_, Some(416)) => BlobError::OutOfRange { key: key.to_string(), end },
        (_, Some(429 | 503)) => BlobError::Throttled(text),
        (Theirs::NotFound { .. }, _) | (_, Some(404)) => BlobError::NotFound { key: key.to_string() },
        (Theirs::PermissionDenied { .. } | Theirs::Unauthenticated { .. }, _) => BlobError::Refused(text),
        // 501: a call that this store does not have. The other ones of 4xx but "timeout" and "conflict" say that asking
        // again is of no use.
        (_, Some(501)) => BlobError::Refused(text),
        (_, Some(status)) if (400..500).contains(&status) && !matches!(status, 408 | 409 | 412) => {
            BlobError::Refused(text)
        }
        (Theirs::NotImplemented { .. } | Theirs::NotSupported { .. }, _) => BlobError::Refused(text),
        _ if text.contains("AccessDenied") => BlobError::Refused(text),
        _ if text.contains("SlowDown") => BlobError::Throttled(text),
        _ => BlobError::Unavailable(text),
    }
}

/// What became of the credentials, if that is why the call failed. It is no answer of the store, whatever its text says.
fn ours(error: &object_store::Error) -> Option<BlobError> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<BlobError>() {
            return Some(error.clone());
        }
        cause = error.source();
    }
    None
}

/// The error with all of its causes: the outer ones often do not say.
pub(super) fn whole_text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// The error with the store's XML, which nobody reads, brought down to its code and message.
fn readable(text: String) -> String {
    let Some(start) = text.find("<?xml").or_else(|| text.find("<Error>")) else { return text };
    let (before, body) = text.split_at(start);
    let inside = |tag: &str| {
        let (_, rest) = body.split_once(&format!("<{tag}>"))?;
        rest.split_once('<').map(|(value, _)| value).filter(|value| !value.is_empty())
    };
    match (inside("Code"), inside("Message")) {
        (Some(code), Some(message)) => format!("{before}{code} ({message})"),
        (Some(code), None) => format!("{before}{code}"),
        (None, _) => text,
    }
}

/// The client keeps the status in its text alone.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

fn shortened(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_found_in_the_clients_text() {
        assert_eq!(status("Server returned non-2xx status code: 416 Range Not Satisfiable: "), Some(416));
        assert_eq!(status("error sending request"), None);
        assert_eq!(status("status code: "), None);
    }

    #[test]
    fn a_failure_of_the_credentials_is_not_taken_for_the_stores_answer() {
        let source = BlobError::Refused("AWS credentials: status code: 404".to_owned());
        let error = object_store::Error::Generic { store: "S3", source: Box::new(source) };
        assert!(matches!(translate(&Key::new("k"), 0, &error), BlobError::Refused(_)));
    }

    #[test]
    fn of_xml_the_code_and_message_are_kept() {
        let body = "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>no</Message><Id>7</Id></Error>";
        assert_eq!(readable(format!("404: {body}")), "404: NoSuchBucket (no)");
        assert_eq!(readable("404: <Error><Code>A</Code><Message></Message></Error>".to_owned()), "404: A");
        assert_eq!(readable("<?xml cut".to_owned()), "<?xml cut");
    }

    #[test]
    fn long_bodies_are_cut() {
        let text = shortened("é".repeat(1000));
        assert!(text.len() < 510 && text.ends_with('…'));
    }
}
