//! Kafka Connect in distributed mode: its topics, its group with a protocol of its own, and connectors that go on.

use crate::topics::{delete_records, settings, wait_in_work};
use crate::worker::{Cluster, RUNNING, SINK_GROUP, TOPICS};
use crate::{kill_and_start_again, server};

/// Lines that a source gets at a time.
const SOME: usize = 300;
/// Lines of one source that are through before the next thing happens: less than a second's.
const SOME_COMMITTED: i64 = 200;

#[test]
fn connect_brings_each_line_once_and_goes_on_after_a_restart() {
    let server = server();
    let address = server.address();
    let cluster = Cluster::create(address).unwrap();
    let worker = cluster.start().unwrap();
    cluster.append(SOME, 0).unwrap();
    cluster.create_sources(&worker).unwrap();
    cluster.create_sink(&worker).unwrap();
    worker.wait_running(&worker.rest, |there| there == RUNNING).unwrap();
    assert_eq!(cluster.check(&worker).unwrap(), 0);
    cluster.append(SOME, 0).unwrap();
    assert_eq!(cluster.check(&worker).unwrap(), 0);
    worker.stop().unwrap();

    cluster.append(SOME, 0).unwrap();
    let worker = cluster.start().unwrap();
    assert_eq!(cluster.check(&worker).unwrap(), 0);
    worker.reset("sink").unwrap();
    let said = cluster.check(&worker).unwrap_err().to_string();
    let again = format!("repeated: {} lines: 0 0: 2 times, 0 1: 2 times", 3 * SOME * TOPICS.len());
    assert!(said.starts_with(&again), "all that there is comes once more: {said}");
    worker.stop().unwrap();

    for topic in ["connect-configs", "connect-offsets", "connect-status"] {
        assert_eq!(settings(address, topic).unwrap()["cleanup.policy"], "compact", "{topic}");
    }
}

#[test]
fn connect_loses_nothing_when_a_worker_or_the_server_is_killed() {
    let mut server = server();
    let address = server.address().to_owned();
    let cluster = Cluster::create(&address).unwrap();
    let worker = cluster.start().unwrap();
    cluster.append(SOME, 0).unwrap();
    cluster.create_sources(&worker).unwrap();
    cluster.create_sink(&worker).unwrap();
    // Committed before anything fails: once for ever.
    assert_eq!(cluster.check(&worker).unwrap(), 0);

    let wait = || wait_in_work(&address, SINK_GROUP, TOPICS[0], SOME_COMMITTED).unwrap();
    let killed = cluster.append_during(1, || {
        wait();
        kill_and_start_again(&mut server).unwrap();
        wait();
    });
    killed.unwrap();
    let by_server = cluster.check(&worker).unwrap();
    let worker = cluster.append_during(1, || {
        wait();
        worker.kill9().unwrap();
        let worker = cluster.start().unwrap();
        wait();
        worker
    });
    let worker = worker.unwrap();
    let by_worker = cluster.check(&worker).unwrap() - by_server;
    println!("the server was killed, {by_server} lines came again; a worker was killed, {by_worker} did");
    worker.stop().unwrap();
}

#[test]
fn connect_workers_share_connectors_and_take_over() {
    let server = server();
    let cluster = Cluster::create(server.address()).unwrap();
    let one = cluster.start().unwrap();
    cluster.append(SOME, 0).unwrap();
    cluster.create_sources(&one).unwrap();
    cluster.create_sink(&one).unwrap();
    let two = cluster.start().unwrap();
    one.wait_running(&two.rest, |there| (RUNNING / 3..=RUNNING * 2 / 3).contains(&there)).unwrap();
    cluster.append(SOME, 0).unwrap();
    assert_eq!(cluster.check(&two).unwrap(), 0);
    two.stop().unwrap();
    one.wait_running(&one.rest, |there| there == RUNNING).unwrap();
    cluster.append(SOME, 0).unwrap();
    // Work that changes hands in order is not done twice.
    assert_eq!(cluster.check(&one).unwrap(), 0);

    let two = cluster.start().unwrap();
    one.wait_running(&two.rest, |there| (RUNNING / 3..=RUNNING * 2 / 3).contains(&there)).unwrap();
    let killed = cluster.append_during(1, || {
        wait_in_work(server.address(), SINK_GROUP, TOPICS[0], SOME_COMMITTED).unwrap();
        two.kill9().unwrap();
        one.wait_running(&one.rest, |there| there == RUNNING).unwrap();
    });
    killed.unwrap();
    let more = cluster.check(&one).unwrap();
    println!("one of two workers was killed; {more} lines came again");
    one.stop().unwrap();
}

/// The proof that the tests above can fail: one line is gone before the sink reads it.
#[test]
fn connect_that_misses_a_line_is_found_out() {
    let server = server();
    let cluster = Cluster::create(server.address()).unwrap();
    let worker = cluster.start().unwrap();
    cluster.append(SOME, 0).unwrap();
    cluster.create_sources(&worker).unwrap();
    delete_records(server.address(), TOPICS[1], 0, 1).unwrap();
    cluster.create_sink(&worker).unwrap();
    let said = cluster.check(&worker).unwrap_err().to_string();
    assert_eq!(said, "lost: 1 lines: 1 0");
    worker.stop().unwrap();
}
