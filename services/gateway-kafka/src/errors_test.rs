//! What the table must never say.

use tidelog_catalog_api::KeyLayout;
use tidelog_model::{FencingToken, FirstTry, Offset, ProducerEpoch};

use super::*;

fn append_errors() -> Vec<AppendError> {
    vec![
        AppendError::UnknownPartition,
        AppendError::OutOfOrder { expected: 3 },
        AppendError::UnknownProducer,
        AppendError::StaleEpoch { current: ProducerEpoch(2) },
        AppendError::DuplicateForgotten,
        AppendError::UnexpectedOffset { tail: Offset(1) },
        AppendError::Fenced { token: FencingToken(2), tail: Offset(1) },
        AppendError::ProducerHalted { epoch: ProducerEpoch(2) },
        AppendError::KeyReused,
        AppendError::OtherLayout { layout: KeyLayout { partitions: 1, batch_bytes_max: 1 } },
        AppendError::KeysFull,
        AppendError::Timeout,
        AppendError::StoreFull("disk".into()),
        AppendError::Unavailable("store".into()),
        AppendError::EarlierFailed,
        AppendError::Stopping,
    ]
}

#[test]
fn no_code_makes_a_producer_resend_under_a_new_epoch() {
    for error in append_errors() {
        assert_ne!(of_append(&error), ErrorCode::UnknownProducerId, "{error}");
        assert_ne!(of_append(&error), ErrorCode::None, "{error}");
        // A batch that may have been appended must not get this one, after which Java may send it under a new epoch.
        let is_gap = matches!(error, AppendError::OutOfOrder { .. } | AppendError::UnknownProducer);
        assert_eq!(of_append(&error) == ErrorCode::OutOfOrderSequenceNumber, is_gap, "{error}");
    }
}

#[test]
fn what_may_have_happened_is_a_timeout() {
    for error in append_errors() {
        let timeout = of_append(&error) == ErrorCode::RequestTimedOut;
        assert_eq!(timeout, error.first_try() == FirstTry::MayHaveHappened, "{error}");
    }
}

#[test]
fn transactional_records_are_fatal_to_their_producer() {
    assert_eq!(of_admit(&AdmitError::Transactional), ErrorCode::TransactionalIdAuthorizationFailed);
    assert_eq!(of_admit(&AdmitError::Control), ErrorCode::InvalidRecord);
}

#[test]
fn a_malformed_batch_is_sent_again_only_if_that_can_help() {
    let check = |error, expected| assert_eq!(of_batch(&error), expected, "{error}");
    check(BatchError::CutOff { needed: 100, available: 99 }, ErrorCode::InvalidRecord);
    check(BatchError::Length(0), ErrorCode::CorruptMessage);
    check(BatchError::Length(-1), ErrorCode::CorruptMessage);
    check(BatchError::Length(i32::try_from(BATCH_BYTES_MAX).unwrap() + 1), ErrorCode::MessageTooLarge);
    check(BatchError::Magic(1), ErrorCode::InvalidRecord);
    check(BatchError::Magic(3), ErrorCode::CorruptMessage);
}
