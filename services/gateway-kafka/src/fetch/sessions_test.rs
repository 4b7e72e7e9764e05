//! Sessions as a client sees them.

use tidelog_model::TopicId;

use super::*;
use crate::testing_watch::FakeMoves;

fn key(partition: i32) -> PartitionKey {
    (TopicKey::Name("t".into()), partition)
}

fn asked(offset: i64) -> Asked {
    Asked { offset, bytes_max: 100, leader_epoch: -1 }
}

fn told(high_watermark: i64, has_records: bool) -> Told {
    Told { found: None, high_watermark, log_start: 0, has_records, is_error: false }
}

fn id(index: i32) -> PartitionId {
    PartitionId { topic: TopicId([1; 16]), index: index as u32 }
}

/// Answers a plan, each partition with what `tell` says of it, and watches them.
fn finish(
    sessions: &FetchSessions,
    now: Instant,
    plan: Plan,
    moves: &FakeMoves,
    tell: impl Fn(i32) -> Told,
) -> (i32, Vec<bool>) {
    let mut watch = plan.watch.unwrap_or_else(|| Box::new(moves.watch()));
    let answer = |(key, asked): (PartitionKey, Asked)| {
        let index = key.1;
        (key, asked, Told { found: Some(id(index)), ..tell(index) })
    };
    let answered = plan.partitions.into_iter().map(answer).collect::<Vec<_>>();
    answered.iter().for_each(|((_, index), ..)| watch.add(id(*index)));
    sessions.finish(now, plan.mode, &answered, watch)
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
    begun_with(sessions, now, partitions, &FakeMoves::default())
}

fn begun_with(sessions: &FetchSessions, now: Instant, partitions: &[i32], moves: &FakeMoves) -> i32 {
    let plan = sessions.begin(now, request(0, 0, partitions)).unwrap();
    let (id, all) = finish(sessions, now, plan, moves, |_| told(10, false));
    assert!(all.iter().all(|answered| *answered), "a full fetch answers everything");
    id
}

/// A session of partitions 0 to 4 whose client has read all of them.
fn quiet(sessions: &FetchSessions, now: Instant, moves: &FakeMoves) -> i32 {
    let mut first = request(0, 0, &[0, 1, 2, 3, 4]);
    first.partitions.iter_mut().for_each(|(_, asked)| asked.offset = 10);
    let plan = sessions.begin(now, first).unwrap();
    finish(sessions, now, plan, moves, |_| told(10, false)).0
}

#[test]
fn a_session_answers_only_news() {
    let (sessions, moves) = (FetchSessions::new(Random::seeded(1)), FakeMoves::default());
    let now = Instant::now();
    let id = begun_with(&sessions, now, &[0, 1, 2], &moves);
    assert_ne!(id, NO_SESSION);

    let plan = sessions.begin(now, request(id, 1, &[])).unwrap();
    assert_eq!(indexes(&plan), [0, 1, 2]);
    let answers = [told(10, false), told(11, false), told(11, true)];
    let (of, news) = finish(&sessions, now, plan, &moves, |index| answers[index as usize]);
    assert_eq!((of, news), (id, vec![false, true, true]));

    // Partition 2 was served last, so the next answer begins behind it; partition 1 is forgotten.
    let mut next = request(id, 2, &[7]);
    next.forgotten = vec![key(1)];
    let plan = sessions.begin(now, next).unwrap();
    assert_eq!(indexes(&plan), [7, 0, 2]);
}

#[test]
fn what_was_read_to_its_end_is_looked_at_when_it_changes() {
    let (sessions, moves) = (FetchSessions::new(Random::seeded(1)), FakeMoves::default());
    let now = Instant::now();
    let session = quiet(&sessions, now, &moves);
    let plan = sessions.begin(now, request(session, 1, &[])).unwrap();
    assert!(indexes(&plan).is_empty());
    // While that one waits, it learns of what changes.
    moves.note(id(3));
    let mut watch = plan.watch.unwrap();
    let more = sessions.changed(plan.mode, watch.take_changed());
    assert_eq!(more, [(key(3), Asked { offset: 10, ..asked(0) })]);
    let answered = [(key(3), asked(10), Told { found: Some(id(3)), ..told(11, true) })];
    assert_eq!(sessions.finish(now, plan.mode, &answered, watch).1, [true]);
    // What changes between two fetches is seen by the next, and so is what may not have been read to its end.
    moves.note(id(1));
    let plan = sessions.begin(now, request(session, 2, &[])).unwrap();
    assert_eq!(indexes(&plan), [1, 3]);
    finish(&sessions, now, plan, &moves, |index| told(if index == 3 { 11 } else { 10 }, false));
    // A client that has read on says so.
    let mut next = request(session, 3, &[3]);
    next.partitions[0].1.offset = 11;
    let plan = sessions.begin(now, next).unwrap();
    assert_eq!(indexes(&plan), [3]);
    finish(&sessions, now, plan, &moves, |_| told(11, false));
    assert!(indexes(&sessions.begin(now, request(session, 4, &[])).unwrap()).is_empty());
}

#[test]
fn a_fetch_that_was_given_up_takes_what_it_was_told_along() {
    let (sessions, moves) = (FetchSessions::new(Random::seeded(1)), FakeMoves::default());
    let now = Instant::now();
    let session = quiet(&sessions, now, &moves);
    let lost = sessions.begin(now, request(session, 1, &[])).unwrap();
    moves.note(id(2));
    drop(lost);
    let plan = sessions.begin(now, request(session, 2, &[])).unwrap();
    assert_eq!(indexes(&plan), [0, 1, 2, 3, 4], "any of them may have changed");
    finish(&sessions, now, plan, &moves, |_| told(10, false));
    assert!(indexes(&sessions.begin(now, request(session, 3, &[])).unwrap()).is_empty());
}

#[test]
fn a_fetch_that_was_overtaken_does_not_end_the_one_that_followed() {
    let (sessions, moves) = (FetchSessions::new(Random::seeded(1)), FakeMoves::default());
    let now = Instant::now();
    let session = quiet(&sessions, now, &moves);
    let first = sessions.begin(now, request(session, 1, &[])).unwrap();
    let second = sessions.begin(now, request(session, 2, &[])).unwrap();
    assert_eq!(indexes(&second), [0, 1, 2, 3, 4]);
    finish(&sessions, now, first, &moves, |_| told(10, false));
    assert_eq!(sessions.changed(Mode::Incremental { id: session, epoch: 1 }, vec![id(0)]), []);
    finish(&sessions, now, second, &moves, |_| told(10, false));
    moves.note(id(4));
    let plan = sessions.begin(now, request(session, 3, &[])).unwrap();
    assert_eq!(indexes(&plan), [4], "the second one's watch is the session's");
}

#[test]
fn a_topic_that_was_made_anew_is_watched_in_the_place_of_the_old_one() {
    let (sessions, moves) = (FetchSessions::new(Random::seeded(1)), FakeMoves::default());
    let now = Instant::now();
    let session = quiet(&sessions, now, &moves);
    let new = |index: i32| PartitionId { topic: TopicId([2; 16]), ..id(index) };
    // The old one is gone.
    (0..5).for_each(|index| moves.note(id(index)));
    let plan = sessions.begin(now, request(session, 1, &[])).unwrap();
    assert_eq!(indexes(&plan), [0, 1, 2, 3, 4]);
    let mut watch = plan.watch.unwrap();
    (0..5).for_each(|index| watch.add(new(index)));
    let answer = |(key, asked): (PartitionKey, Asked)| {
        let found = Some(new(key.1));
        (key, asked, Told { found, ..told(10, false) })
    };
    let answered = plan.partitions.into_iter().map(answer).collect::<Vec<_>>();
    sessions.finish(now, plan.mode, &answered, watch);
    moves.note(new(2));
    moves.note(id(3));
    assert_eq!(indexes(&sessions.begin(now, request(session, 2, &[])).unwrap()), [2]);
}

#[test]
fn an_error_is_told_and_so_is_its_end() {
    let sessions = FetchSessions::new(Random::seeded(1));
    let now = Instant::now();
    let id = begun(&sessions, now, &[0]);
    let error = Told { found: None, high_watermark: -1, log_start: -1, has_records: false, is_error: true };
    for (epoch, told, news) in
        [(1, error, true), (2, error, true), (3, told(10, false), true), (4, told(10, false), false)]
    {
        let plan = sessions.begin(now, request(id, epoch, &[])).unwrap();
        let answered = [(key(0), asked(0), told)];
        let watch = Box::new(FakeMoves::default().watch());
        assert_eq!(sessions.finish(now, plan.mode, &answered, watch).1, [news], "epoch {epoch}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let sessions = FetchSessions::new(Random::seeded(1));
    let now = Instant::now();
    let id = begun(&sessions, now, &[0]);
    assert_eq!(sessions.begin(now, request(id + 1, 1, &[])).err(), Some(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(sessions.begin(now, request(id, 2, &[])).err(), Some(ErrorCode::InvalidFetchSessionEpoch));
    let mut by_id = request(id, 1, &[]);
    by_id.by_id = true;
    assert_eq!(sessions.begin(now, by_id).err(), Some(ErrorCode::FetchSessionTopicIdError));
    // Each epoch is good once.
    assert!(sessions.begin(now, request(id, 1, &[])).is_ok());
    assert_eq!(sessions.begin(now, request(id, 1, &[])).err(), Some(ErrorCode::InvalidFetchSessionEpoch));
    // The final epoch ends it.
    assert_eq!(sessions.begin(now, request(id, -1, &[5])).unwrap().mode, Mode::Sessionless);
    assert_eq!(sessions.begin(now, request(id, 2, &[])).err(), Some(ErrorCode::FetchSessionIdNotFound));
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
