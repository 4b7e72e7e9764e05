//! What the server says when it refuses: RFC 9457, with stable codes.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ErrorKind;
use crate::offset::option as offset_option;

/// A refusal, in the server's words. [docs/http.md](https://github.com/tidelog/tidelog/blob/main/docs/http.md#problems) lists the
/// codes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What it is, for programs. `http_` and the status when somebody between here and Tidelog has answered.
    pub code: String,
    /// The same for every problem of this code.
    pub title: String,
    /// What it is this time, and what would work.
    pub detail: String,
    /// Whether the same request may succeed later without anyone changing it.
    pub retry: bool,
    /// Whether what was asked may have happened all the same.
    pub may_have_happened: bool,
    /// Names the request in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Where in the request it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Place>,
    /// The partition that it is about, where it is about one. What is told of a partition beside this is told of that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Of an append of several records that were tried: what became of each, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<RecordOutcome>>,
    /// Of an offset out of range: the first that can be read.
    #[serde(with = "offset_option", skip_serializing_if = "Option::is_none")]
    pub log_start: Option<u64>,
    /// Of an offset out of range: the one that the next record will get.
    #[serde(with = "offset_option", skip_serializing_if = "Option::is_none")]
    pub high_watermark: Option<u64>,
    /// Of a condition that did not hold: the offset that the next record will get.
    #[serde(with = "offset_option", skip_serializing_if = "Option::is_none")]
    pub tail: Option<u64>,
    /// Of an append that was fenced: the highest token that the partition has seen.
    #[serde(with = "offset_option", skip_serializing_if = "Option::is_none")]
    pub fencing_token: Option<u64>,
    /// How long to wait before the next try.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

/// A place in a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Place {
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The record, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// The field of a body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The parameter or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
}

/// What became of a record: stored with an offset, or refused with a code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RecordOutcome {
    /// Where it is or should have been.
    pub partition: u32,
    /// Its offset, when it is stored.
    #[serde(with = "offset_option", skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Why not, as a problem's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why not, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whether it may be stored all the same.
    pub may_have_happened: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = if self.detail.is_empty() { &self.title } else { &self.detail };
        match self.partition {
            Some(partition) if !said.contains(&format!("partition {partition}")) => {
                write!(f, "{said} ({} in partition {partition})", self.code)
            }
            _ => write!(f, "{said} ({})", self.code),
        }
    }
}

impl Problem {
    /// What to do about it: by the code where it matters, else by the status, so that codes of later versions have a meaning.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match (self.code.as_str(), self.status) {
            ("records_damaged", _) => ErrorKind::Corrupt,
            ("fenced" | "stale_epoch", _) => ErrorKind::Fenced,
            (_, 404) => ErrorKind::NotFound,
            (_, 409 | 412) => ErrorKind::Conflict,
            (_, 429) => ErrorKind::Throttled,
            (_, 408 | 502 | 503 | 504) => ErrorKind::Unavailable,
            (_, 400..=499) => ErrorKind::Invalid,
            _ => ErrorKind::Internal,
        }
    }

    /// What the server would say of a partition that there is not.
    pub(crate) fn of_missing_partition(topic: &str, partition: u32, count: u32) -> Problem {
        Problem {
            status: 404,
            code: "unknown_partition".to_owned(),
            title: "The topic has no such partition".to_owned(),
            detail: format!("topic {topic} has no partition {partition}, but 0 to {}", count.saturating_sub(1)),
            partition: Some(partition),
            ..Problem::default()
        }
    }

    /// Of a topic that is another one than it was.
    pub(crate) fn of_recreated_topic(topic: &str) -> Problem {
        Problem {
            status: 409,
            code: "topic_recreated".to_owned(),
            title: "The topic was created again".to_owned(),
            detail: format!("topic {topic} was deleted and created again while it was read"),
            ..Problem::default()
        }
    }

    /// Of an answer that is no problem of Tidelog's: a proxy's, say. What became of the request is known only when the status
    /// says that it was not worked on.
    pub(crate) fn of_stranger(status: u16, said: &str) -> Problem {
        let said = said.trim();
        let first = said.lines().next().unwrap_or_default().chars().take(200).collect::<String>();
        let detail = if first.is_empty() || first.starts_with('<') {
            format!("HTTP status {status}, and no Tidelog's words for it")
        } else {
            format!("HTTP status {status}: {first}")
        };
        Problem {
            status,
            code: format!("http_{status}"),
            detail,
            retry: matches!(status, 408 | 429 | 502 | 503 | 504),
            may_have_happened: status >= 500 && status != 503,
            ..Problem::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_of_the_server_is_read() {
        let said = tidelog_http_api::Problem {
            kind: "urn:tidelog:problem:offset_out_of_range".to_owned(),
            title: "t".to_owned(),
            status: 416,
            code: "offset_out_of_range".to_owned(),
            detail: "no such offset".to_owned(),
            retry: true,
            may_have_happened: true,
            request_id: Some("id".to_owned()),
            partition: Some(3),
            high_watermark: Some(tidelog_http_api::WireOffset(1 << 60)),
            records: Some(vec![tidelog_http_api::RecordOutcome { partition: 3, ..Default::default() }]),
            ..Default::default()
        };
        let read: Problem = serde_json::from_str(&serde_json::to_string(&said).unwrap()).unwrap();
        assert_eq!(
            (read.status, read.code.as_str(), read.retry, read.may_have_happened),
            (416, "offset_out_of_range", true, true)
        );
        assert_eq!(
            (read.high_watermark, read.log_start, read.request_id.as_deref()),
            (Some(1 << 60), None, Some("id"))
        );
        assert_eq!(read.records.as_deref().unwrap()[0].partition, 3);
        assert_eq!(
            (read.partition, read.to_string().as_str()),
            (Some(3), "no such offset (offset_out_of_range in partition 3)")
        );
        let said = Problem { detail: "partition 3 has none".to_owned(), ..read };
        assert_eq!(said.to_string(), "partition 3 has none (offset_out_of_range)", "it is not said twice");
    }

    #[test]
    fn strangers_are_told_apart() {
        let problem = Problem::of_stranger(502, "<html>");
        assert_eq!((problem.code.as_str(), problem.retry, problem.may_have_happened), ("http_502", true, true));
        let problem = Problem::of_stranger(403, "go away\nnow");
        assert_eq!(problem.to_string(), "HTTP status 403: go away (http_403)");
        assert_eq!((problem.kind(), problem.retry), (ErrorKind::Invalid, false));
    }
}
