//! Sessions as a client sees them.

use super::*;

fn key(partition: i32) -> PartitionKey {
    (TopicKey::Name("t".into()), partition)
}

fn asked(offset: i64) -> Asked {
    Asked { offset, bytes_max: 100, leader_epoch: -1 }
}

fn told(high_watermark: i64, has_records: bool) -> Told {
    Told { high_watermark, log_start: 0, has_records, is_error: false }
}

fn request(id: i32, epoch: i32, partitions: &[i32]) -> SessionRequest {
    let partitions = partitions.iter().map(|index| (key(*index), asked(0))).collect();
    SessionRequest { id, epoch, by_id: false, partitions, forgotten: Vec::new() }
}

fn indexes(plan: &Plan) -> Vec<i32> {
    plan.partitions.iter().map(|((_, index), _)| *index).collect()
}

/// Begins a session with these partitions, each told a high watermark of 10.
fn begun(sessions: &FetchSessions, now: Instant, partitions: &[i32]) -> i32 {
    let plan = sessions.begin(now, request(0, 0, partitions)).unwrap();
    let answered = plan.partitions.into_iter().map(|(key, asked)| (key, asked, told(10, false))).collect::<Vec<_>>();
    let (id, all) = sessions.finish(now, plan.mode, &answered);
    assert!(all.iter().all(|answered| *answered), "a full fetch answers everything");
    id
}

#[test]
fn a_session_answers_only_news() {
    let sessions = FetchSessions::new(Random::seeded(1));
    let now = Instant::now();
    let id = begun(&sessions, now, &[0, 1, 2]);
    assert_ne!(id, NO_SESSION);

    let plan = sessions.begin(now, request(id, 1, &[])).unwrap();
    assert_eq!(indexes(&plan), [0, 1, 2]);
    let answers = [told(10, false), told(11, false), told(11, true)];
    let answered =
        plan.partitions.into_iter().zip(answers).map(|((key, asked), told)| (key, asked, told)).collect::<Vec<_>>();
    assert_eq!(sessions.finish(now, plan.mode, &answered), (id, vec![false, true, true]));

    // Partition 2 was served last, so the next answer begins behind it; partition 1 is forgotten.
    let mut next = request(id, 2, &[7]);
    next.forgotten = vec![key(1)];
    let plan = sessions.begin(now, next).unwrap();
    assert_eq!(indexes(&plan), [7, 0, 2]);
}

#[test]
fn an_error_is_told_and_so_is_its_end() {
    let sessions = FetchSessions::new(Random::seeded(1));
    let now = Instant::now();
    let id = begun(&sessions, now, &[0]);
    let error = Told { high_watermark: -1, log_start: -1, has_records: false, is_error: true };
    for (epoch, told, news) in
        [(1, error, true), (2, error, true), (3, told(10, false), true), (4, told(10, false), false)]
    {
        let plan = sessions.begin(now, request(id, epoch, &[])).unwrap();
        let answered = [(key(0), asked(0), told)];
        assert_eq!(sessions.finish(now, plan.mode, &answered).1, [news], "epoch {epoch}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let sessions = FetchSessions::new(Random::seeded(1));
    let now = Instant::now();
    let id = begun(&sessions, now, &[0]);
    assert_eq!(sessions.begin(now, request(id + 1, 1, &[])), Err(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(sessions.begin(now, request(id, 2, &[])), Err(ErrorCode::InvalidFetchSessionEpoch));
    let mut by_id = request(id, 1, &[]);
    by_id.by_id = true;
    assert_eq!(sessions.begin(now, by_id), Err(ErrorCode::FetchSessionTopicIdError));
    // Each epoch is good once.
    assert!(sessions.begin(now, request(id, 1, &[])).is_ok());
    assert_eq!(sessions.begin(now, request(id, 1, &[])), Err(ErrorCode::InvalidFetchSessionEpoch));
    // The final epoch ends it.
    assert_eq!(sessions.begin(now, request(id, -1, &[5])).unwrap().mode, Mode::Sessionless);
    assert_eq!(sessions.begin(now, request(id, 2, &[])), Err(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(sessions.inner.lock().partitions, 0);
}

#[test]
fn sessions_are_bounded_and_the_idlest_makes_room() {
    let sessions = FetchSessions::new(Random::seeded(1));
    let start = Instant::now();
    let first = begun(&sessions, start, &[0]);
    for _ in 1..FETCH_SESSIONS_MAX {
        assert_ne!(begun(&sessions, start, &[0]), NO_SESSION);
    }
    assert_eq!(begun(&sessions, start, &[0]), NO_SESSION, "full, and nobody is idle");
    // The first one is used again later than the others.
    let later = start + FETCH_SESSION_IDLE_MIN;
    assert!(sessions.begin(later, request(first, 1, &[])).is_ok());
    assert_ne!(begun(&sessions, later, &[0]), NO_SESSION);
    assert!(sessions.begin(later, request(first, 2, &[])).is_ok(), "the one in use is still there");
    let inner = sessions.inner.lock();
    assert_eq!(inner.sessions.len(), FETCH_SESSIONS_MAX);
    assert_eq!(inner.partitions, FETCH_SESSIONS_MAX);
}
