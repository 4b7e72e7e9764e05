//! One batch on its way: sent until it is known what became of it, or for as long as it is tried.

use std::sync::Arc;

use bytes::Bytes;

use super::batch::Sealed;
use super::delivery::Outcome;
use super::lane::Lane;
use super::session::Session;
use super::{Shared, lock};
use crate::{Error, ErrorKind, RecordOutcome, RecordPlace, append};

/// What became of a batch, and why nothing behind it may be stored, if so.
pub(super) struct Delivered {
    pub(super) outcome: Outcome,
    pub(super) cause: Option<Error>,
}

impl Delivered {
    fn failed(error: Error) -> Delivered {
        Delivered { outcome: Outcome::Failed(error.clone()), cause: Some(error) }
    }
}

/// Sends a batch. A record that the server does not take is taken out, and the others go on without it, if that is wanted.
pub(super) async fn deliver(shared: &Shared, lane: &Lane, batch: &Sealed) -> Delivered {
    let _turn = tokio::select! {
        biased;
        () = shared.aborted() => return Delivered::failed(Error::Closed),
        turn = shared.requests.acquire() => turn.expect("it is never closed"),
    };
    let mut outcomes = vec![None::<Result<RecordPlace, Error>>; batch.records()];
    let mut left = (0..batch.records()).collect::<Vec<_>>();
    let mut body = batch.body.clone();
    let mut is_session_new = false;
    let mut cause = None;
    while !left.is_empty() {
        let error = match send(shared, lane, body.clone(), left.len()).await {
            Ok(places) if outcomes.iter().all(Option::is_none) => {
                return Delivered { outcome: Outcome::Stored(places), cause };
            }
            Ok(places) => {
                left.iter().zip(places).for_each(|(record, place)| outcomes[*record] = Some(Ok(place)));
                break;
            }
            Err(error) => error,
        };
        if is_session_lost(&error) && !std::mem::replace(&mut is_session_new, true) {
            // Nothing of the batch is stored: the partition knows nothing of its producer, as after the topic was created again.
            *lock(&lane.session) = None;
        } else if let Some(refused) = refused_record(&error, left.len()) {
            if shared.options.refused_alone {
                outcomes[left.remove(refused)] = Some(Err(error));
            } else {
                let (record, earlier) = (left[refused], Error::EarlierFailed { cause: Arc::new(error.clone()) });
                left.drain(refused..).for_each(|behind| outcomes[behind] = Some(Err(earlier.clone())));
                outcomes[record] = Some(Err(error.clone()));
                cause = Some(error);
            }
            body = batch.body_of(&left);
        } else if let Some(each) = each(&error, left.len()) {
            cause = each.iter().find_map(|one| one.as_ref().err()).cloned().or(cause);
            left.iter().zip(each).for_each(|(record, outcome)| outcomes[*record] = Some(outcome));
            break;
        } else if outcomes.iter().all(Option::is_none) {
            return Delivered::failed(error);
        } else {
            left.iter().for_each(|record| outcomes[*record] = Some(Err(error.clone())));
            cause = Some(error);
            break;
        }
    }
    let outcomes = outcomes.into_iter().map(|outcome| outcome.expect("each was stored, or refused"));
    Delivered { outcome: Outcome::Mixed(outcomes.collect()), cause }
}

/// Sends a body of the lane's partition, in the lane's sequence.
async fn send(shared: &Shared, lane: &Lane, body: Bytes, records: usize) -> Result<Vec<RecordPlace>, Error> {
    let known = lock(&lane.session).take();
    let session = match known {
        Some(session) => session,
        None => Session::open(shared).await?,
    };
    let attempt = || append::append(&shared.client, &shared.topic, session.headers(), body.clone(), records);
    let sent = shared.retrying(session.safety(), attempt).await;
    let next = match &sent {
        Ok(_) => Some(session.behind(records)),
        Err(error) if is_certainly_nothing(error) => Some(session),
        Err(_) => session.anew(),
    };
    *lock(&lane.session) = next;
    sent
}

fn is_certainly_nothing(error: &Error) -> bool {
    let has_stored = |told: &RecordOutcome| told.offset.is_some() || told.may_have_happened;
    let records = error.problem().and_then(|problem| problem.records.as_ref());
    !error.may_have_happened() && !records.is_some_and(|records| records.iter().any(has_stored))
}

/// Whether the server does not know the sequence that we are in.
fn is_session_lost(error: &Error) -> bool {
    matches!(error.code(), Some("unknown_producer" | "out_of_order" | "stale_epoch")) && is_certainly_nothing(error)
}

/// The record that is the reason why none of a body was taken, if it is one of them.
fn refused_record(error: &Error, records: usize) -> Option<usize> {
    let problem = error.problem().filter(|_| error.kind() == ErrorKind::Invalid && is_certainly_nothing(error))?;
    let record = problem.at.as_ref()?.record?;
    usize::try_from(record).ok().filter(|record| *record < records)
}

/// What became of each record, if the server tells that some are stored.
fn each(error: &Error, records: usize) -> Option<Vec<Result<RecordPlace, Error>>> {
    let problem = error.problem()?;
    let told = problem.records.as_ref().filter(|told| told.len() == records)?;
    if !told.iter().any(|told| told.offset.is_some()) {
        return None;
    }
    // One error for all that failed alike, without the list of all of them.
    let of = |uncertain: bool| {
        let mut problem = problem.clone();
        (problem.records, problem.may_have_happened) = (None, uncertain);
        Error::Refused(problem.into())
    };
    let (certain, uncertain) = (of(false), of(true));
    let outcome = |told: &RecordOutcome| match told.offset {
        Some(offset) => Ok(RecordPlace { partition: told.partition, offset }),
        None if told.may_have_happened => Err(uncertain.clone()),
        None => Err(certain.clone()),
    };
    Some(told.iter().map(outcome).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Place, Problem};

    #[test]
    fn what_is_stored_of_a_batch_that_failed_is_told() {
        let stored = RecordOutcome { offset: Some(7), partition: 1, ..Default::default() };
        let lost = RecordOutcome { may_have_happened: true, ..Default::default() };
        let records = Some(vec![stored, lost, RecordOutcome::default()]);
        let problem = Problem { records, may_have_happened: true, retry: false, ..Default::default() };
        let error = Error::Refused(problem.into());
        let told = each(&error, 3).unwrap();
        assert_eq!(told[0].as_ref().unwrap(), &RecordPlace { partition: 1, offset: 7 });
        let uncertain = |one: &Result<RecordPlace, Error>| one.as_ref().unwrap_err().may_have_happened();
        assert_eq!((uncertain(&told[1]), uncertain(&told[2])), (true, false));
        assert!(each(&error, 4).is_none(), "another count is about other records");
        assert!(each(&Error::Closed, 3).is_none());
        assert!(!is_certainly_nothing(&error));
    }

    #[test]
    fn the_record_that_is_refused_is_found() {
        let mut problem = Problem { status: 413, code: "record_too_large".to_owned(), ..Default::default() };
        problem.at = Some(Place { record: Some(2), ..Default::default() });
        let refused = |problem: &Problem, records| refused_record(&Error::Refused(problem.clone().into()), records);
        assert_eq!((refused(&problem, 3), refused(&problem, 2)), (Some(2), None));
        problem.may_have_happened = true;
        assert_eq!(refused(&problem, 3), None);
        assert_eq!(refused_record(&Error::Closed, 3), None);
    }

    #[test]
    fn a_sequence_that_is_not_known_is_begun_anew_unless_something_may_be_stored() {
        let error = |code: &str, uncertain: bool| {
            let problem = Problem { code: code.to_owned(), may_have_happened: uncertain, ..Default::default() };
            Error::Refused(problem.into())
        };
        assert!(is_session_lost(&error("unknown_producer", false)));
        assert!(!is_session_lost(&error("unknown_producer", true)));
        assert!(!is_session_lost(&error("unknown_topic", false)));
    }
}
