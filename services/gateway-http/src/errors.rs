//! Every problem there is, in one table, and every error's place in it. No arm is a wildcard, so a new error is a decision
//! here.
//!
//! A code is for programs and never changes its meaning. Whether to try again is a property of the code; whether what was
//! asked may have happened is a property of the error.

use axum::http::StatusCode;
use tidelog_catalog_api::{AlterTopicError, CatalogError, CreateTopicError, FenceRefused, FenceView, OffsetRefused};
use tidelog_fetch::ReadError;
use tidelog_groups::describe::DeleteError;
use tidelog_groups::{CommitError, GroupError};
use tidelog_http_api::WireOffset;
use tidelog_ingest::{AdmitError, AppendError};
use tidelog_model::limits::OFFSET_METADATA_BYTES_MAX;
use tidelog_model::{FirstTry, PartitionId};

use crate::problem::Refused;

macro_rules! codes {
    ($($name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// What can be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// Its name, for programs.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            /// The HTTP status that it is answered with.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Code::$name => StatusCode::$status,)* }
            }

            /// What it is, for people.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }
        }
    };
}

codes! {
    InvalidParameter = "invalid_parameter", BAD_REQUEST, "A parameter has no valid value";
    UnknownParameter = "unknown_parameter", BAD_REQUEST, "There is no such parameter";
    InvalidJson = "invalid_json", BAD_REQUEST, "The body is not valid JSON";
    JsonTooDeep = "json_too_deep", BAD_REQUEST, "The JSON is nested too deeply";
    InvalidUtf8 = "invalid_utf8", BAD_REQUEST, "The body is not UTF-8 text";
    InvalidBody = "invalid_body", BAD_REQUEST, "The body is not as it should be";
    InvalidRecord = "invalid_record", BAD_REQUEST, "A record is not as it should be";
    InvalidBase64 = "invalid_base64", BAD_REQUEST, "A field is not base64";
    InvalidTimestamp = "invalid_timestamp", BAD_REQUEST, "The topic does not take records of that time";
    InvalidCursor = "invalid_cursor", BAD_REQUEST, "The cursor is none that was given out";
    InvalidTopicName = "invalid_topic_name", BAD_REQUEST, "No topic may have that name";
    InvalidGroup = "invalid_group", BAD_REQUEST, "No group may have that name";
    InvalidPartitions = "invalid_partitions", BAD_REQUEST, "No topic may have so many partitions";
    InvalidConfig = "invalid_config", BAD_REQUEST, "A setting is unknown or has no valid value";
    TooManyPartitions = "too_many_partitions", BAD_REQUEST, "The topic has too many partitions for this";
    MetadataTooLarge = "metadata_too_large", BAD_REQUEST, "The metadata of an offset is too long";
    InvalidArrow = "invalid_arrow", BAD_REQUEST, "The body is not a valid Arrow IPC stream";
    InvalidColumn = "invalid_column", BAD_REQUEST, "A column is not as it should be";
    BodyCutOff = "body_cut_off", BAD_REQUEST, "The body ended before its end";
    NotFound = "not_found", NOT_FOUND, "There is nothing at that path";
    UnknownTopic = "unknown_topic", NOT_FOUND, "There is no such topic";
    UnknownPartition = "unknown_partition", NOT_FOUND, "The topic has no such partition";
    UnknownGroup = "unknown_group", NOT_FOUND, "There is no such group";
    UnknownHost = "unknown_host", MISDIRECTED_REQUEST, "The door has no such name";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The path does not take that method";
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, "None of the accepted media types is offered";
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The body did not arrive in time";
    TopicExists = "topic_exists", CONFLICT, "The topic exists already";
    TopicNameCollides = "topic_name_collides", CONFLICT, "The name is too much like another topic's";
    TopicRecreated = "topic_recreated", CONFLICT, "The cursor belongs to an earlier topic of that name";
    GroupNotEmpty = "group_not_empty", CONFLICT, "The group has members";
    Conflict = "conflict", CONFLICT, "A condition of the request did not hold";
    UnexpectedOffset = "unexpected_offset", CONFLICT, "The partition does not end at the expected offset";
    OutOfOrder = "out_of_order", CONFLICT, "The sequence is not the producer's next one";
    UnknownProducer = "unknown_producer", CONFLICT, "The producer is not known here";
    StaleEpoch = "stale_epoch", CONFLICT, "The producer has begun a newer epoch";
    ProducerHalted = "producer_halted", CONFLICT, "An earlier condition of the producer did not hold";
    OffsetForgotten = "offset_forgotten", CONFLICT, "It is stored, and where is forgotten";
    Fenced = "fenced", PRECONDITION_FAILED, "A higher fencing token was seen";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    LineTooLong = "line_too_long", PAYLOAD_TOO_LARGE, "A line is too long";
    ArrowBatchTooLarge = "arrow_batch_too_large", PAYLOAD_TOO_LARGE, "A record batch is too large";
    RecordTooLarge = "record_too_large", PAYLOAD_TOO_LARGE, "A record is larger than the topic takes";
    TooManyRecords = "too_many_records", PAYLOAD_TOO_LARGE, "The body has too many records";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body's media type is not taken here";
    UnsupportedEncoding = "unsupported_encoding", UNSUPPORTED_MEDIA_TYPE, "The body's content encoding is not taken";
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The key was used for another request";
    TooManyKeys = "too_many_keys", TOO_MANY_REQUESTS, "No more keys can be remembered now";
    OffsetOutOfRange = "offset_out_of_range", RANGE_NOT_SATISFIABLE, "The partition has no such offset";
    QuotaExceeded = "quota_exceeded", TOO_MANY_REQUESTS, "The client's quota is used up";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong here";
    RecordsDamaged = "records_damaged", INTERNAL_SERVER_ERROR, "Stored records are damaged";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "There is too much to do";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Something needed is away";
    StoreFull = "store_full", SERVICE_UNAVAILABLE, "There is no room for more";
    EarlierFailed = "earlier_failed", SERVICE_UNAVAILABLE, "An earlier record of the request was not stored";
    Stopping = "stopping", SERVICE_UNAVAILABLE, "The node is stopping";
    Timeout = "timeout", GATEWAY_TIMEOUT, "It was not done in time";
}

impl Code {
    /// Whether the same request may succeed later without anyone changing it.
    #[must_use]
    pub fn retry(self) -> bool {
        let retried = [
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        retried.contains(&self.status())
    }
}

/// An append that was not acknowledged.
pub(crate) fn of_append(error: &AppendError) -> Refused {
    let code = match error {
        AppendError::UnknownPartition => Code::UnknownTopic,
        AppendError::OutOfOrder { .. } => Code::OutOfOrder,
        AppendError::UnknownProducer => Code::UnknownProducer,
        AppendError::StaleEpoch { .. } => Code::StaleEpoch,
        AppendError::ProducerHalted { .. } => Code::ProducerHalted,
        AppendError::DuplicateForgotten => Code::OffsetForgotten,
        AppendError::UnexpectedOffset { .. } => Code::UnexpectedOffset,
        AppendError::Fenced { .. } => Code::Fenced,
        AppendError::KeyReused => Code::IdempotencyKeyReused,
        AppendError::KeysFull => Code::TooManyKeys,
        // Known here by now, so the same request is made into batches in that way.
        AppendError::OtherLayout { .. } => Code::Unavailable,
        AppendError::Timeout => Code::Timeout,
        AppendError::StoreFull(_) => Code::StoreFull,
        AppendError::Unavailable(_) => Code::Unavailable,
        AppendError::EarlierFailed => Code::EarlierFailed,
        AppendError::Stopping => Code::Stopping,
    };
    // What is stored, and only its offset is not known, has happened.
    let is_stored = matches!(error, AppendError::DuplicateForgotten);
    let uncertain = is_stored || error.first_try() == FirstTry::MayHaveHappened;
    Refused::new(code, error.to_string()).uncertain(uncertain).with_facts(|problem| match error {
        AppendError::OutOfOrder { expected } => problem.expected_sequence = Some(*expected),
        AppendError::UnexpectedOffset { tail } => problem.tail = Some(WireOffset(tail.0)),
        AppendError::Fenced { token, tail } => {
            (problem.fencing_token, problem.tail) = (Some(WireOffset(token.0)), Some(WireOffset(tail.0)));
        }
        AppendError::StaleEpoch { current: epoch } | AppendError::ProducerHalted { epoch } => {
            problem.producer_epoch = Some(epoch.0);
        }
        AppendError::UnknownPartition
        | AppendError::UnknownProducer
        | AppendError::DuplicateForgotten
        | AppendError::KeyReused
        | AppendError::OtherLayout { .. }
        | AppendError::KeysFull
        | AppendError::Timeout
        | AppendError::StoreFull(_)
        | AppendError::Unavailable(_)
        | AppendError::EarlierFailed
        | AppendError::Stopping => {}
    })
}

/// A fence that was not raised.
pub(crate) fn of_fence(error: &FenceRefused) -> Refused {
    match error {
        FenceRefused::UnknownPartition => {
            Refused::new(Code::UnknownTopic, "the topic or the partition does not exist any more")
        }
        FenceRefused::Fenced(FenceView { token, tail }) => {
            of_append(&AppendError::Fenced { token: *token, tail: *tail })
        }
    }
}

/// Records that did not pass the checks; nothing was appended.
pub(crate) fn of_admit(error: &AdmitError) -> Refused {
    let code = match error {
        AdmitError::TooLarge { .. } | AdmitError::StoredTooLarge { .. } => Code::RecordTooLarge,
        AdmitError::Timestamps(_) => Code::InvalidTimestamp,
        AdmitError::WithoutKey { .. } => Code::InvalidRecord,
        // The batch is our own.
        AdmitError::Empty
        | AdmitError::NotOneBatch
        | AdmitError::Batch(_)
        | AdmitError::Records(_)
        | AdmitError::Transactional
        | AdmitError::Control
        | AdmitError::Producer { .. } => Code::Internal,
    };
    Refused::new(code, error.to_string())
}

/// A read of a partition that gave nothing.
pub(crate) fn of_read(partition: PartitionId, error: &ReadError) -> Refused {
    match error {
        ReadError::UnknownPartition => {
            Refused::new(Code::UnknownTopic, "the topic or the partition does not exist any more")
        }
        ReadError::OutOfRange { view } => {
            Refused::new(Code::OffsetOutOfRange, error.to_string()).within(partition, *view)
        }
        ReadError::Corrupt(_) => Refused::new(Code::RecordsDamaged, error.to_string()).of_partition(partition.index),
        ReadError::Unavailable(_) => Refused::new(Code::Unavailable, error.to_string()).of_partition(partition.index),
    }
}

/// The catalog did not answer.
pub(crate) fn of_catalog(error: &CatalogError) -> Refused {
    let code = match error {
        CatalogError::Unavailable(_) | CatalogError::Stopped(_) => Code::Unavailable,
        CatalogError::AnswerLost(_) => Code::Timeout,
        CatalogError::Overloaded(_) => Code::Overloaded,
        CatalogError::Full(_) => Code::StoreFull,
    };
    Refused::new(code, error.to_string()).uncertain(error.first_try() == FirstTry::MayHaveHappened)
}

/// A topic that was not created.
pub(crate) fn of_create_topic(error: &CreateTopicError) -> Refused {
    let code = match error {
        CreateTopicError::Exists(_) => Code::TopicExists,
        CreateTopicError::Collides { .. } => Code::TopicNameCollides,
        CreateTopicError::Invalid(_) => Code::InvalidTopicName,
    };
    Refused::new(code, error.to_string())
}

/// A topic that was not altered.
pub(crate) fn of_alter_topic(error: &AlterTopicError) -> Refused {
    match error {
        AlterTopicError::UnknownTopic => Refused::new(Code::UnknownTopic, "the topic was deleted meanwhile"),
        AlterTopicError::Changed => {
            Refused::new(Code::Overloaded, "others keep changing the topic's settings; try again in a moment")
        }
        AlterTopicError::NotMore(_) | AlterTopicError::Invalid(_) => {
            Refused::new(Code::InvalidPartitions, error.to_string()).field("partitions")
        }
    }
}

/// Members go on from where they are, so nobody else may say how far they have read.
pub(crate) fn group_not_empty() -> Refused {
    let detail = "the group has members; stop its consumers, and wait until they have left";
    Refused::new(Code::GroupNotEmpty, detail)
}

/// What the coordinator does not do for somebody who is no member.
pub(crate) fn of_group(error: GroupError) -> Refused {
    match error {
        // Of somebody who states no member id: there are members.
        GroupError::UnknownMember => group_not_empty(),
        GroupError::InvalidGroupId => Refused::new(Code::InvalidGroup, error.to_string()),
        GroupError::NotAvailable => Refused::new(Code::Unavailable, error.to_string()),
        // Of members.
        GroupError::InvalidSessionTimeout
        | GroupError::MemberIdRequired
        | GroupError::FencedInstance
        | GroupError::IllegalGeneration
        | GroupError::RebalanceInProgress
        | GroupError::InconsistentProtocol
        | GroupError::GroupFull
        | GroupError::TooLarge => Refused::new(Code::Conflict, error.to_string()),
    }
}

/// Offsets that were not committed, or groups that were not looked at.
pub(crate) fn of_commit(error: &CommitError) -> Refused {
    match error {
        CommitError::Refused(error) => of_group(*error),
        CommitError::Catalog(error) => of_catalog(error),
    }
}

/// A group that was not deleted.
pub(crate) fn of_delete_group(error: &DeleteError) -> Refused {
    match error {
        DeleteError::NonEmpty => group_not_empty(),
        DeleteError::NotFound => Refused::new(Code::UnknownGroup, "there is no such group"),
        DeleteError::Refused(error) => of_group(*error),
        DeleteError::Catalog(error) => of_catalog(error),
    }
}

/// One offset that was not committed.
pub(crate) fn of_offset(refused: OffsetRefused) -> Refused {
    match refused {
        // It was there a moment ago.
        OffsetRefused::UnknownPartition => Refused::new(Code::UnknownTopic, "the topic was deleted meanwhile"),
        OffsetRefused::MetadataTooLarge => {
            let detail = format!("metadata may have {OFFSET_METADATA_BYTES_MAX} bytes at most");
            Refused::new(Code::MetadataTooLarge, detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tidelog_model::{FencingToken, Offset};

    use super::*;

    const PAGE: &str = include_str!("../../../docs/http.md");

    #[test]
    fn codes_are_distinct_words_and_none_is_a_success() {
        let names = Code::ALL.iter().map(|code| code.as_str()).collect::<BTreeSet<_>>();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(
                code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            );
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }

    #[test]
    fn the_page_has_every_code() {
        let (_, problems) = PAGE.split_once("\n## Problems\n").expect("the page has a part about problems");
        let rows = problems.lines().filter(|line| line.starts_with("| `")).collect::<Vec<_>>();
        let expected = Code::ALL.iter().map(|code| {
            let retry = if code.retry() { "yes" } else { "no" };
            format!("| `{}` | {} | {} | {retry} |", code.as_str(), code.status().as_u16(), code.title())
        });
        assert_eq!(rows, expected.collect::<Vec<_>>(), "docs/http.md tells of every code, and of no other");
    }

    #[test]
    fn what_is_uncertain_is_said_to_be() {
        let check = |error: AppendError, code: Code, uncertain: bool| {
            let refused = of_append(&error);
            assert_eq!((refused.code(), refused.may_have_happened()), (code, uncertain), "{error}");
        };
        check(AppendError::Timeout, Code::Timeout, true);
        check(AppendError::Stopping, Code::Stopping, true);
        check(AppendError::Unavailable(String::new()), Code::Unavailable, false);
        check(AppendError::EarlierFailed, Code::EarlierFailed, false);
        check(AppendError::DuplicateForgotten, Code::OffsetForgotten, true);
        check(AppendError::UnexpectedOffset { tail: Offset(1) }, Code::UnexpectedOffset, false);
        check(AppendError::Fenced { token: FencingToken(2), tail: Offset(1) }, Code::Fenced, false);
        check(AppendError::KeysFull, Code::TooManyKeys, false);
        assert!(of_catalog(&CatalogError::AnswerLost(String::new())).may_have_happened());
        assert!(!of_catalog(&CatalogError::Full(String::new())).may_have_happened());
    }
}
