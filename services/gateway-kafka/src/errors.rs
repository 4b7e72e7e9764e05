//! Every error's Kafka code, chosen by what clients *do* on it. No arm is a wildcard, so a new error is a decision here.
//!
//! The rule behind the table: a code that makes an idempotent producer bump its epoch and send the same records again is
//! answered only when those records certainly are not in the log. `UNKNOWN_PRODUCER_ID` and `OUT_OF_ORDER_SEQUENCE_NUMBER`
//! are such codes: Java retries under a new epoch after the first always, after the second when the batch is next in line.
//! The first is never answered, the second only when a batch before it is missing.

use tidelog_catalog_api::{
    CatalogError, CreateTopicError, DeleteRecordsError, OffsetRefused, QuotaRefused, SubscriptionRefused,
};
use tidelog_fetch::ReadError;
use tidelog_format::records::RecordsError;
use tidelog_ingest::{AdmitError, AppendError};
use tidelog_kafka_wire::{ErrorCode, StrBytes};
use tidelog_model::limits::BATCH_BYTES_MAX;
use tidelog_model::{BatchError, TopicNameError};

/// Longest text beside an error code. It may repeat a name that was asked about, for each of many partitions, and is to fit
/// the strings of every version.
pub const TEXT_BYTES_MAX: usize = 512;

/// The text beside an error code, cut where it is too long.
pub(crate) fn text(text: String) -> StrBytes {
    const CUT: &str = "…";
    if text.len() <= TEXT_BYTES_MAX {
        return StrBytes::from(text);
    }
    let end = text.floor_char_boundary(TEXT_BYTES_MAX - CUT.len());
    StrBytes::from(format!("{}{CUT}", &text[..end]))
}

/// Records that did not pass the checks; nothing was appended.
#[must_use]
pub fn of_admit(error: &AdmitError) -> ErrorCode {
    match error {
        AdmitError::Empty | AdmitError::NotOneBatch | AdmitError::Control | AdmitError::Producer { .. } => {
            ErrorCode::InvalidRecord
        }
        AdmitError::Batch(error) => of_batch(error),
        AdmitError::Records(error) => of_records(error),
        // Final for these records: no client sends them again.
        AdmitError::Timestamps(_) => ErrorCode::InvalidTimestamp,
        AdmitError::WithoutKey { .. } => ErrorCode::InvalidRecord,
        // Java splits the batch and sends the parts.
        AdmitError::TooLarge { .. } | AdmitError::StoredTooLarge { .. } => ErrorCode::MessageTooLarge,
        // Fatal to a transactional producer of Java and of librdkafka, so neither retries.
        AdmitError::Transactional => ErrorCode::TransactionalIdAuthorizationFailed,
    }
}

/// Records whose compressed body is wrong.
#[must_use]
pub fn of_records(error: &RecordsError) -> ErrorCode {
    match error {
        RecordsError::Batch(error) => of_batch(error),
        RecordsError::Compressed { .. } | RecordsError::TooLarge { .. } => ErrorCode::InvalidRecord,
    }
}

/// A malformed batch.
#[must_use]
pub fn of_batch(error: &BatchError) -> ErrorCode {
    match error {
        // May have happened on the way: clients send it again.
        BatchError::Checksum { .. } | BatchError::Misplaced { .. } => ErrorCode::CorruptMessage,
        // The request was whole, so its sender cut the batch: it would be the same again.
        BatchError::CutOff { .. } => ErrorCode::InvalidRecord,
        // Over what any topic may allow. Java splits the batch and sends the parts.
        BatchError::Length(length) if usize::try_from(*length).is_ok_and(|length| length > BATCH_BYTES_MAX) => {
            ErrorCode::MessageTooLarge
        }
        BatchError::Length(_) => ErrorCode::CorruptMessage,
        // Produce v3 and later may carry format v2 only; what is no format at all may have happened on the way.
        BatchError::Magic(0 | 1) => ErrorCode::InvalidRecord,
        BatchError::Magic(_) => ErrorCode::CorruptMessage,
        BatchError::Codec(_) | BatchError::Count { .. } | BatchError::Record { .. } => ErrorCode::InvalidRecord,
    }
}

/// An append that was not acknowledged.
#[must_use]
pub fn of_append(error: &AppendError) -> ErrorCode {
    match error {
        // Clients refresh their metadata and send again; nothing was appended.
        AppendError::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
        // A batch before it is missing, so this one is certainly not in the log. That matters: what is not next in line
        // clients send again as it is, but what is, Java since 2.5 (KIP-360) sends again under a new epoch.
        AppendError::OutOfOrder { .. } => ErrorCode::OutOfOrderSequenceNumber,
        // As a rule the producer's first batch is still to be tried again, and this one, which is not next in line, has to
        // be sent again behind it under its old sequence. Not UNKNOWN_PRODUCER_ID, after which Java would not. If it is
        // next, its producer was forgotten, and Java sends it under a new epoch: a duplicate only if an earlier try had
        // landed and as many producers as a partition remembers wrote after it before it was tried again.
        AppendError::UnknownProducer => ErrorCode::OutOfOrderSequenceNumber,
        // As Kafka answers in Produce; final for the old incarnation of the producer.
        AppendError::StaleEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        // Clients take it as success without an offset, which it is.
        AppendError::DuplicateForgotten => ErrorCode::DuplicateSequenceNumber,
        // Over HTTP this producer was refused on a condition, and has not begun a new epoch.
        AppendError::ProducerHalted { .. } => ErrorCode::InvalidProducerEpoch,
        // Kafka requests cannot state conditions or keys, so nobody can have caused these.
        AppendError::UnexpectedOffset { .. }
        | AppendError::Fenced { .. }
        | AppendError::KeyReused
        | AppendError::OtherLayout { .. }
        | AppendError::KeysFull => ErrorCode::UnknownServerError,
        // It may have been appended. Clients send it again, with its old sequence if they are idempotent.
        AppendError::Timeout | AppendError::Stopping => ErrorCode::RequestTimedOut,
        // Certainly not appended; clients send it again, and their message names the disk.
        AppendError::StoreFull(_) => ErrorCode::KafkaStorageError,
        // Certainly not appended; clients send it again without asking for metadata first.
        AppendError::Unavailable(_) | AppendError::EarlierFailed => ErrorCode::NotEnoughReplicas,
    }
}

/// A read that gave nothing.
#[must_use]
pub fn of_read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
        ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        // Consumers ask for metadata and try again; CORRUPT_MESSAGE would make them skip or stop, but repair is possible.
        ReadError::Corrupt(_) => ErrorCode::KafkaStorageError,
        // As above. LEADER_NOT_AVAILABLE is a surprise to the Java consumer, so it is not used here.
        ReadError::Unavailable(_) => ErrorCode::NotLeaderOrFollower,
    }
}

/// The catalog did not answer an administrator's request.
#[must_use]
pub fn of_catalog(error: &CatalogError) -> ErrorCode {
    match error {
        // Nothing was proposed: clients look for the controller again and repeat the request.
        CatalogError::Unavailable(_) | CatalogError::Overloaded(_) => ErrorCode::NotController,
        // Nothing either, and to look for another controller would not help: clients wait and repeat the request.
        CatalogError::Full(_) => ErrorCode::KafkaStorageError,
        // It may have been done.
        CatalogError::AnswerLost(_) | CatalogError::Stopped(_) => ErrorCode::RequestTimedOut,
    }
}

/// The catalog gave no producer ids. Clients ask again on this code, for idempotent producers too.
#[must_use]
pub fn of_catalog_for_producer_id(error: &CatalogError) -> ErrorCode {
    match error {
        CatalogError::Unavailable(_)
        | CatalogError::AnswerLost(_)
        | CatalogError::Overloaded(_)
        | CatalogError::Full(_)
        | CatalogError::Stopped(_) => ErrorCode::CoordinatorLoadInProgress,
    }
}

/// A topic that was not created.
#[must_use]
pub fn of_create_topic(error: &CreateTopicError) -> ErrorCode {
    match error {
        CreateTopicError::Exists(_) => ErrorCode::TopicAlreadyExists,
        CreateTopicError::Collides { .. } => ErrorCode::InvalidTopic,
        CreateTopicError::Invalid(_) => ErrorCode::InvalidRequest,
    }
}

/// Records that were not deleted.
#[must_use]
pub fn of_delete_records(error: DeleteRecordsError) -> ErrorCode {
    match error {
        DeleteRecordsError::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
        DeleteRecordsError::BeyondTail(_) => ErrorCode::OffsetOutOfRange,
    }
}

/// Quotas that were not altered.
#[must_use]
pub fn of_quota(error: &QuotaRefused) -> ErrorCode {
    match error {
        QuotaRefused::Nobody
        | QuotaRefused::Combination
        | QuotaRefused::EmptyName(_)
        | QuotaRefused::LongName(_)
        | QuotaRefused::NoAddress(_)
        | QuotaRefused::NotOfEntity(_)
        | QuotaRefused::Value(..) => ErrorCode::InvalidRequest,
        // Until others are taken away; administrators' clients do not repeat it.
        QuotaRefused::Full => ErrorCode::PolicyViolation,
    }
}

/// A name that no topic may have.
#[must_use]
pub fn of_topic_name(error: &TopicNameError) -> ErrorCode {
    match error {
        TopicNameError::Empty
        | TopicNameError::Dots(_)
        | TopicNameError::TooLong(_)
        | TopicNameError::Characters(_) => ErrorCode::InvalidTopic,
    }
}

/// A group offset that was not taken.
#[must_use]
pub fn of_offset(error: OffsetRefused) -> ErrorCode {
    match error {
        OffsetRefused::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
        OffsetRefused::MetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
    }
}

/// A metrics subscription that was not altered.
#[must_use]
pub fn of_subscription(error: SubscriptionRefused) -> ErrorCode {
    match error {
        // Nobody saw what is there: to look and to alter again is right.
        SubscriptionRefused::Changed => ErrorCode::RequestTimedOut,
        SubscriptionRefused::Invalid => ErrorCode::InvalidConfig,
        SubscriptionRefused::Full => ErrorCode::PolicyViolation,
    }
}

#[cfg(test)]
#[path = "errors_test.rs"]
mod tests;
