//! A connection without a server: what it asks, in which order, and what it makes of answers.

use super::*;
use crate::driver::raw::wire::take_frame;
use crate::workload::Workload;
use tidelog_model::Codec;

const NOW: Moment = Moment(0);
const VALUE: [u8; 400] = [b'v'; 400];

fn plan() -> Plan {
    let set = ["partitions=4", "connections=1", "consumers=1", "linger_ms=5"].map(str::to_owned);
    Plan::new(Workload::load("w4", &set).unwrap(), 1)
}

fn lane(plan: &Plan) -> Lane {
    // Correlation, throttle time, no error, producer 7, epoch 0.
    let answer = [&[0; 10][..], &[0, 0, 0, 0, 0, 0, 0, 7], &[0, 0]].concat();
    Lane::new(plan, &answer).unwrap().unwrap()
}

fn request(lane: &mut Lane, plan: &Plan, now: Moment) -> Option<Vec<u8>> {
    lane.request(plan, &mut Folder::new(Codec::None).unwrap(), now)
}

fn offer(lane: &mut Lane, place: u32, sequence: u64) -> Offered {
    let head = Head { run: 1, producer: 0, place, sequence, intended: NOW };
    lane.offer(&head, &VALUE, NOW, 1000, 6)
}

/// The batches of a request: partition, and the sequence and number of records that the batch's header says.
fn batches(request: Vec<u8>) -> Vec<(i32, i32, i32)> {
    let mut request = request;
    let body = take_frame(&mut request).unwrap().unwrap();
    // Behind key and version, as in an answer; then the client id, transactional id, acks and time-out.
    let correlation = i32::from_be_bytes(body[4..8].try_into().unwrap());
    let mut reader = Reader::of_answer(&body[4..], correlation).unwrap();
    reader.string().unwrap();
    reader.skip(2 + 2 + 4).unwrap();
    let mut found = Vec::new();
    for _ in 0..reader.count().unwrap() {
        reader.string().unwrap();
        for _ in 0..reader.count().unwrap() {
            let partition = reader.i32().unwrap();
            let batch = reader.bytes().unwrap();
            let number = |at: usize| i32::from_be_bytes(batch[at..at + 4].try_into().unwrap());
            found.push((partition, number(53), number(57)));
        }
    }
    found
}

/// The answer to a request of one partition.
fn answer(plan: &Plan, correlation: i32, partition: i32, code: i16) -> Vec<u8> {
    let body = [&1_i32.to_be_bytes()[..], &partition.to_be_bytes(), &code.to_be_bytes(), &[0; 24], &[0; 4]].concat();
    let topic = plan.topics[0].as_bytes();
    [&correlation.to_be_bytes()[..], &[0, 0, 0, 1], &(topic.len() as u16).to_be_bytes(), topic, &body].concat()
}

#[test]
fn a_server_that_is_not_ready_is_asked_again() {
    let answer = [&[0; 8][..], &[0, 14], &[0; 10]].concat();
    assert!(Lane::new(&plan(), &answer).unwrap().is_none());
    let refused = [&[0; 8][..], &[0, 1], &[0; 10]].concat();
    assert!(Lane::new(&plan(), &refused).is_err());
}

#[test]
fn a_batch_waits_for_its_linger_or_until_it_is_full() {
    let plan = plan();
    let mut lane = lane(&plan);
    offer(&mut lane, 1, 0);
    assert_eq!(lane.next_is_due(), Some(Moment(5_000_000)));
    assert!(request(&mut lane, &plan, Moment(4_999_999)).is_none());
    assert_eq!(batches(request(&mut lane, &plan, Moment(5_000_000)).unwrap()), [(1, 0, 1)]);
    // Two fit, so the third has the first two sent.
    (1..4).for_each(|sequence| assert_eq!(offer(&mut lane, 1, sequence), Offered::Taken));
    assert_eq!(batches(request(&mut lane, &plan, NOW).unwrap()), [(1, 1, 2)]);
    assert!(request(&mut lane, &plan, NOW).is_none());
}

#[test]
fn batches_of_a_partition_go_one_after_the_other_and_there_are_bounds() {
    let plan = plan();
    let mut lane = lane(&plan);
    for sequence in 0..12 {
        assert_eq!(offer(&mut lane, 2, sequence), Offered::Taken);
    }
    assert_eq!(offer(&mut lane, 2, 12), Offered::Full);
    let late = Moment(5_000_000);
    let requests: Vec<_> = std::iter::from_fn(|| request(&mut lane, &plan, late)).map(batches).collect();
    assert_eq!(requests, (0..5).map(|number| vec![(2, number * 2, 2)]).collect::<Vec<_>>());
    assert_eq!(lane.next_is_due(), None, "five are under way");
    let mut answers = Vec::new();
    lane.answer(&plan, &answer(&plan, 1, 2, 0), late, &mut answers).unwrap();
    lane.answer(&plan, &answer(&plan, 2, 2, 7), late, &mut answers).unwrap();
    let told: Vec<_> = answers.iter().map(|answer| (answer.head.sequence, answer.failure.is_some())).collect();
    assert_eq!(told, [(0, false), (1, false), (2, true), (3, true)]);
    assert_eq!(batches(request(&mut lane, &plan, late).unwrap()), [(2, 10, 2)]);
    let wrong = answer(&plan, 9, 2, 0);
    assert!(lane.answer(&plan, &wrong, late, &mut answers).is_err(), "an answer to another request");
}
