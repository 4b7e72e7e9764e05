//! What S3 answers, in our words.

use std::error::Error;

use crate::{BlobError, Key};

/// Longest text of an error that is passed on: bodies are the store's.
const TEXT_BYTES_MAX: usize = 500;

/// The error of a call for `key`; `end` is the end of the range that was asked for.
pub(super) fn translate(key: &Key, end: u64, error: &object_store::Error) -> BlobError {
    use object_store::Error as Theirs;
    let text = whole_text(error);
    let status = status(&text);
    let text = shortened(text);
    if text.contains("NoSuchBucket") {
        return BlobError::Refused(text);
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

/// The error with all of its causes: the outer ones often do not say.
fn whole_text(error: &object_store::Error) -> String {
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
    fn long_bodies_are_cut() {
        let text = shortened("é".repeat(1000));
        assert!(text.len() < 510 && text.ends_with('…'));
    }
}
