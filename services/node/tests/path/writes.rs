//! What was acknowledged is there, once, in order, whatever the catalog's answers and the store do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use tidelog_catalog_api::Catalog;
use tidelog_ingest::{AppendError, LaneProfile};
use tidelog_model::FirstTry;
use tokio::time::Instant;

use crate::batches::batch;
use crate::harness::{Path, PathOptions, large, partition, value};
use crate::local_catalog::Faults;

/// What a producer knows about one of its batches.
struct Sent {
    value: Vec<u8>,
    offset: Option<u64>,
    maybe: bool,
}

/// Mostly small; some are too large to ride in a commit.
fn value_of(producer: i64, number: usize) -> Vec<u8> {
    let mut value = value(producer, number);
    if (number as i64 + producer) % 7 == 3 {
        value.push(b' ');
        value.extend(large(number as u64));
    }
    value
}

async fn idempotent_producer(path: Path, id: i64, index: u32, count: usize) -> Vec<Sent> {
    let mut sent = Vec::new();
    for i in 0..count {
        let value = value_of(id, i);
        let bytes = batch(Some((id, 0, i as i32)), 0, std::slice::from_ref(&value));
        // The same batch under the same sequence, until it is known to be there: what clients do.
        let offset = loop {
            match path.append(id as u64, index, &bytes).await {
                Ok(appended) => break appended.base_offset.0,
                Err(error) => assert!(error.kind().retry_is_sensible(), "{error}"),
            }
        };
        sent.push(Sent { value, offset: Some(offset), maybe: false });
    }
    sent
}

async fn plain_producer(path: Path, id: i64, index: u32, count: usize) -> Vec<Sent> {
    let mut sent = Vec::new();
    let mut waiting = Vec::new();
    for i in 0..count {
        let value = value_of(id, i);
        let append = path.append(id as u64, index, &batch(None, 0, std::slice::from_ref(&value)));
        waiting.push((value, tokio::spawn(append)));
        // Not all in one flush.
        tokio::time::sleep(Duration::from_millis(i as u64 % 3)).await;
        if waiting.len() == 5 {
            for (value, append) in waiting.drain(..) {
                let result = append.await.unwrap();
                let maybe = matches!(&result, Err(error) if error.first_try() == FirstTry::MayHaveHappened);
                sent.push(Sent { value, offset: result.ok().map(|appended| appended.base_offset.0), maybe });
            }
        }
    }
    sent
}

async fn check(seed: u64, faults: Faults) {
    check_path(PathOptions { seed, catalog: faults, ..PathOptions::default() }).await;
}

async fn check_path(options: PathOptions) {
    println!("seed {}", options.seed);
    let path = Path::start(options).await;
    let mut producers = Vec::new();
    for id in 0..6_i64 {
        let path = path.clone();
        producers.push((
            id,
            tokio::spawn(async move {
                let index = (id % 2) as u32;
                if id < 3 {
                    idempotent_producer(path, id, index, 60).await
                } else {
                    plain_producer(path, id, index, 60).await
                }
            }),
        ));
    }
    let mut histories = Vec::new();
    for (id, producer) in producers {
        histories.push((id, producer.await.unwrap()));
    }
    path.catalog.validate();
    for index in 0..2 {
        let read = path.read_all(index).await;
        assert!(read.iter().enumerate().all(|(i, (offset, _))| *offset == i as u64), "offsets are dense (I4)");
        for (id, sent) in histories.iter().filter(|(id, _)| (*id % 2) as u32 == index) {
            let mine: Vec<_> =
                read.iter().filter(|(_, value)| value.starts_with(format!("{id}:").as_bytes())).collect();
            let mut last = None;
            for sent in sent {
                let at: Vec<u64> = mine.iter().filter(|(_, v)| *v == sent.value).map(|(offset, _)| *offset).collect();
                match sent.offset {
                    Some(offset) => {
                        assert_eq!(at, [offset], "acknowledged, so there, once, where it was said (I1, I3, I8)");
                        assert!(last < Some(offset), "in the order in which it was sent (I5)");
                        last = Some(offset);
                    }
                    None if sent.maybe => assert!(at.len() <= 1),
                    None => assert!(at.is_empty(), "refused, so not there"),
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_wrong_when_nothing_does() {
    check(1, Faults::default()).await;
}

#[tokio::test(start_paused = true)]
async fn lost_answers_are_asked_for_again() {
    for seed in 0..8 {
        check(seed, Faults { lose_answer_one_in: 5, ..Faults::default() }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn refused_proposals_fail_alone() {
    for seed in 0..8 {
        check(seed, Faults { refuse_one_in: 5, ..Faults::default() }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn lost_and_refused_together() {
    for seed in 0..16 {
        check(seed, Faults { lose_answer_one_in: 7, refuse_one_in: 7, ..Faults::default() }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn refused_objects_are_not_overtaken() {
    for seed in 0..8 {
        let slow = Faults { answer_delay_ms_max: 20, ..Faults::default() };
        check(seed, Faults { refuse_object_one_in: 6, ..slow }).await;
        check(seed, Faults { refuse_object_one_in: 9, lose_answer_one_in: 9, refuse_one_in: 9, ..slow }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_refused_commit_on_its_connection_fails_too() {
    let catalog = Faults { answer_delay_ms_max: 20, ..Faults::default() };
    for seed in 0..20 {
        let path = Path::start(PathOptions { seed, catalog, ..PathOptions::default() }).await;
        path.catalog.refuse_next_objects(1);
        let refused = path.append(1, 0, &batch(None, 0, &[b"refused".to_vec()]));
        // Each in a flush of its own, proposed before the first one's answer can be here.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let same = path.append(1, 0, &batch(None, 0, &[b"same connection".to_vec()]));
        tokio::time::sleep(Duration::from_millis(1)).await;
        let other = path.append(2, 0, &batch(None, 0, &[b"other connection".to_vec()]));
        let refused = refused.await;
        if refused.is_ok() {
            // A grant was refused instead: not what this is about.
            continue;
        }
        let same = same.await;
        assert!(same.is_err(), "it was under way when its predecessor was refused (I5)");
        assert_eq!(other.await.unwrap().base_offset.0, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn small_batches_pass_by_uploads_that_hang() {
    let path = Path::start(PathOptions::default()).await;
    path.store.hang_next_puts(100);
    // More than there are slots, so that large ones wait in the buffer.
    let mut hung = Vec::new();
    for number in 0..20 {
        hung.push(tokio::spawn(path.append(1, 0, &batch(None, 0, &[large(number)]))));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let started = Instant::now();
    let behind = tokio::spawn(path.append(2, 0, &batch(None, 0, &[b"behind".to_vec()])));
    for round in 0..50 {
        assert!(path.append(3, 1, &batch(None, 0, &[value(3, round)])).await.is_ok());
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(!behind.is_finished(), "the same partition waits");
    while !behind.is_finished() {
        path.store.resume();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(behind.await.unwrap().unwrap().base_offset.0, 20);
    path.catalog.validate();
}

/// A client that gives a batch up is told nothing of it, and sends it again; what it sent behind it must not have passed.
#[tokio::test(start_paused = true)]
async fn what_follows_a_batch_that_was_given_up_fails_too() {
    let path = Path::start(PathOptions::default()).await;
    path.store.hang_next_puts(100);
    let mut hung = Vec::new();
    for number in 0..8 {
        hung.push(tokio::spawn(path.append(9, 1, &batch(None, 0, &[large(number)]))));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The slots are taken, so these wait in the buffer.
    let first = path.append_within(1, 0, &batch(None, 0, &[large(100)]), Duration::from_secs(5));
    let second = path.append_within(1, 0, &batch(None, 0, &[b"second".to_vec()]), Duration::from_secs(60));
    assert_eq!(first.await, Err(AppendError::Timeout));
    let second = tokio::spawn(second);
    while !second.is_finished() {
        path.store.resume();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(second.await.unwrap(), Err(AppendError::EarlierFailed));
    assert!(path.read_all(0).await.is_empty());
    drop(hung);
}

#[tokio::test(start_paused = true)]
async fn uploads_of_any_length_and_end_keep_the_order() {
    let put_latency_more_max = Duration::from_millis(400);
    for seed in 0..6 {
        let slow = PathOptions { seed, put_latency_more_max, ..PathOptions::default() };
        check_path(slow).await;
        let far = PathOptions { seed, put_latency_more_max, lane: LaneProfile::remote(), ..PathOptions::default() };
        check_path(far).await;
        let catalog =
            Faults { lose_answer_one_in: 20, refuse_one_in: 20, refuse_object_one_in: 20, answer_delay_ms_max: 20 };
        check_path(PathOptions { seed, put_latency_more_max, fail_put_one_in: 6, catalog, ..PathOptions::default() })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn objects_in_front_of_a_far_store_are_ten_a_second_and_delay_nobody_else() {
    let path = Path::start(PathOptions { lane: LaneProfile::remote(), ..PathOptions::default() }).await;
    let began = Instant::now();
    path.append(1, 0, &batch(None, 0, &[large(0)])).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(20), "nothing to wait for: {:?}", began.elapsed());
    let mut larges = Vec::new();
    // 6 MB/s, which is below the rate for what is inline.
    for round in 0..20 {
        larges.push(tokio::spawn(path.append(1, 0, &batch(None, 0, &[large(1 + round)]))));
        tokio::time::sleep(Duration::from_millis(1)).await;
        let began = Instant::now();
        path.append(2, 1, &batch(None, 0, &[value(2, round as usize)])).await.unwrap();
        assert!(began.elapsed() < Duration::from_millis(30), "{:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(49)).await;
    }
    for large in larges {
        large.await.unwrap().unwrap();
    }
    // 1.1 s, and the mover may have added one.
    assert!(path.catalog.object_count() <= 13, "{}", path.catalog.object_count());
}

#[tokio::test(start_paused = true)]
async fn a_load_above_the_rate_goes_to_objects_as_a_whole() {
    let path = Path::start(PathOptions { lane: LaneProfile::remote(), ..PathOptions::default() }).await;
    let (mut answers, mut inline_before) = (Vec::new(), usize::MAX);
    // 40 MB/s in batches that would each fit a commit.
    for millisecond in 0..3_000_u32 {
        answers.push(path.append(1, millisecond % 2, &batch(None, 0, &[vec![1; 40_000]])));
        tokio::time::sleep(Duration::from_millis(1)).await;
        let inline = path.catalog.inline_bytes();
        // What had been saved up for commits is used up by then; what is there may be moved.
        if millisecond >= 1_000 {
            assert!(inline <= inline_before, "{} more at {millisecond} ms", inline - inline_before);
            inline_before = inline;
        }
    }
    for answer in answers {
        answer.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_an_object_to_fill() {
    let lane = LaneProfile { object_interval: Duration::from_secs(60), ..LaneProfile::local() };
    let path = Path::start(PathOptions { lane, ..PathOptions::default() }).await;
    path.append(1, 0, &batch(None, 0, &[large(1)])).await.unwrap();
    let waits = path.append_within(1, 0, &batch(None, 0, &[large(2)]), Duration::from_secs(120));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let began = Instant::now();
    path.ingest.drain().await;
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!(waits.await.unwrap().base_offset.0, 1);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_hangs_holds_back_its_own_partition_only() {
    let path = Path::start(PathOptions::default()).await;
    path.store.hang_next_puts(1);
    let hung = path.append(1, 0, &batch(None, 0, &[large(1)]));
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut behind = Vec::new();
    let started = Instant::now();
    // Small and large, together and alone, and more of them than there are slots.
    for round in 0..40 {
        behind.push(path.append(2, 0, &batch(None, 0, &[value(2, round)])));
        assert!(path.append(3, 1, &batch(None, 0, &[value(3, round)])).await.is_ok());
        if round % 8 == 0 {
            assert!(path.append(3, 1, &batch(None, 0, &[large(round as u64)])).await.is_ok());
        }
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(path.read_all(0).await.is_empty(), "what came behind it to its partition waits");
    path.store.resume();
    assert_eq!(hung.await.unwrap().base_offset.0, 0);
    for (round, append) in behind.into_iter().enumerate() {
        assert_eq!(append.await.unwrap().base_offset.0, 1 + round as u64);
    }
    assert_eq!(path.read_all(0).await.len(), 41);
    assert_eq!(path.read_all(1).await.len(), 45);
    path.catalog.validate();
}

/// What is taken out of a flush leaves a hole in its bytes.
#[tokio::test(start_paused = true)]
async fn what_lies_behind_a_batch_that_had_to_fail_is_found() {
    let path = Path::start(PathOptions::default()).await;
    path.store.fail_next_puts(1);
    let failed = path.append(1, 0, &batch(None, 0, &[large(1)]));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let before = path.append(2, 0, &batch(None, 0, &[b"before".to_vec()]));
    let follows = path.append(1, 0, &batch(None, 0, &[b"follows what failed".to_vec()]));
    let behind = path.append(2, 0, &batch(None, 0, &[b"behind".to_vec()]));
    assert!(failed.await.is_err());
    assert_eq!(follows.await, Err(AppendError::EarlierFailed));
    assert!(before.await.is_ok() && behind.await.is_ok());
    assert_eq!(path.read_all(0).await, [(0, b"before".to_vec()), (1, b"behind".to_vec())]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_ahead_of_its_sequence_waits_for_the_one_before() {
    let path = Path::start(PathOptions::default()).await;
    let second = path.append(1, 0, &batch(Some((5, 0, 1)), 0, &[b"second".to_vec()]));
    let first = tokio::spawn({
        let path = path.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            path.append(2, 0, &batch(Some((5, 0, 0)), 0, &[b"first".to_vec()])).await
        }
    });
    // Sequence 1 of an unknown producer is refused at once: nothing says that 0 is on its way.
    assert_eq!(second.await, Err(AppendError::UnknownProducer));
    assert_eq!(first.await.unwrap().unwrap().base_offset.0, 0);

    let third = path.append(1, 0, &batch(Some((5, 0, 2)), 0, &[b"third".to_vec()]));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let second = path.append(2, 0, &batch(Some((5, 0, 1)), 0, &[b"second".to_vec()])).await;
    assert_eq!(second.unwrap().base_offset.0, 1);
    assert_eq!(third.await.unwrap().base_offset.0, 2, "parked until its predecessor landed");

    let lost = path.append(1, 0, &batch(Some((5, 0, 9)), 0, &[b"ahead".to_vec()]));
    assert_eq!(lost.await, Err(AppendError::OutOfOrder { expected: 3 }), "and given up after a second");
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_failed_upload_on_its_connection_fails_too() {
    let path = Path::start(PathOptions::default()).await;
    path.store.fail_next_puts(1);
    let failed = path.append(1, 0, &batch(None, 0, &[large(1)]));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let same = path.append(1, 0, &batch(None, 0, &[b"later, same connection".to_vec()]));
    let other_connection = path.append(2, 0, &batch(None, 0, &[b"other connection".to_vec()]));
    let other_partition = path.append(1, 1, &batch(None, 0, &[b"other partition".to_vec()]));
    assert!(matches!(failed.await, Err(AppendError::Unavailable(_))));
    assert_eq!(same.await, Err(AppendError::EarlierFailed));
    assert!(other_connection.await.is_ok());
    assert!(other_partition.await.is_ok());
    let after = path.append(1, 0, &batch(None, 0, &[b"sent after the failure was known".to_vec()]));
    assert!(after.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn inline_payloads_move_to_an_object_and_read_the_same() {
    let path = Path::start(PathOptions::default()).await;
    for i in 0..50 {
        path.append(1, i % 2, &batch(None, 0, &[value(1, i as usize)])).await.unwrap();
    }
    assert_eq!(path.catalog.object_count(), 0);
    let before = (path.read_all(0).await, path.read_all(1).await);
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(path.catalog.inline_bytes(), 0);
    assert_eq!(path.catalog.object_count(), 1);
    let plan = path.catalog.extents(partition(path.topic, 0), tidelog_model::Offset(0), usize::MAX).unwrap();
    assert_eq!(plan.extents.len(), 1, "moved neighbours are one extent");
    path.catalog.validate();
    assert_eq!(before, (path.read_all(0).await, path.read_all(1).await));
}

#[tokio::test(start_paused = true)]
async fn callers_that_leave_do_not_lift_the_bound_on_bytes_in_flight() {
    let path = Path::start(PathOptions { store_latency: Duration::from_secs(3600), ..PathOptions::default() }).await;
    let bytes = batch(None, 0, &[large(1)]);
    let live = Arc::new(AtomicUsize::new(0));
    for _ in 0..1_000 {
        let reserved = tokio::time::timeout(Duration::from_secs(1), path.ingest.reserve(bytes.len())).await;
        let Ok(held) = reserved else { return };
        path.append_and_leave(&counted(&bytes, &live), held);
        let live = live.load(Ordering::SeqCst);
        assert!(live <= 64 << 20, "{live} bytes are in memory");
    }
}

/// A copy of some bytes that counts itself for as long as anything of it is alive.
fn counted(bytes: &[u8], live: &Arc<AtomicUsize>) -> Bytes {
    struct Counted(Vec<u8>, Arc<AtomicUsize>);
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_sub(self.0.len(), Ordering::SeqCst);
        }
    }
    live.fetch_add(bytes.len(), Ordering::SeqCst);
    Bytes::from_owner(Counted(bytes.to_vec(), live.clone()))
}

#[tokio::test(start_paused = true)]
async fn many_parked_batches_are_proposed_together() {
    let path = Path::start(PathOptions::default()).await;
    path.append(1, 0, &batch(Some((5, 0, 0)), 0, &[b"first".to_vec()])).await.unwrap();
    let before = path.catalog.applied().0;
    let ahead: Vec<_> =
        (2..200).map(|sequence| path.append(1, 0, &batch(Some((5, 0, sequence)), 0, &[vec![b'x'; 1000]]))).collect();
    for append in ahead {
        assert_eq!(append.await, Err(AppendError::OutOfOrder { expected: 1 }));
    }
    let proposals = path.catalog.applied().0 - before;
    assert!(proposals < 100, "{proposals} proposals for batches that could not land");
}

/// An upload hangs until its deadline; meanwhile clients that wait behind it give up at about the same moment, and send
/// their batch again on a new connection.
#[tokio::test(start_paused = true)]
async fn a_retry_that_races_a_failing_upload_lands_once() {
    for seed in 0..60_u64 {
        println!("seed {seed}");
        let latency = Duration::from_secs(40);
        let path = Path::start(PathOptions { seed, store_latency: latency, ..PathOptions::default() }).await;
        let random = tidelog_host::Random::seeded(seed);
        let limit = |random: &tidelog_host::Random| Duration::from_millis(29_900 + random.below(200));
        let hung = path.append(1, 0, &batch(None, 0, &[large(1)]));
        let mut clients = Vec::new();
        for id in 0..4_i64 {
            let (path, random) = (path.clone(), random.clone());
            tokio::time::sleep(Duration::from_millis(random.below(60))).await;
            clients.push(tokio::spawn(async move {
                for number in 0..2 {
                    let bytes = batch(Some((id, 0, number)), 0, &[value(id, number as usize)]);
                    let mut tries = 0;
                    while path.append_within(100 * tries + id as u64, 0, &bytes, limit(&random)).await.is_err() {
                        tries += 1;
                        assert!(tries < 20, "it lands some day");
                        tokio::time::sleep(Duration::from_millis(random.below(100))).await;
                    }
                }
            }));
        }
        assert!(hung.await.is_err());
        for client in clients {
            client.await.unwrap();
        }
        let mut values: Vec<_> = path.read_all(0).await.into_iter().map(|(_, value)| value).collect();
        values.sort();
        let expected: Vec<_> = (0..4).flat_map(|id| (0..2).map(move |number| value(id, number))).collect();
        assert_eq!(values, expected, "each once (I8)");
        path.catalog.validate();
    }
}
