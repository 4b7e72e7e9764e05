//! Kafka Streams: a stateless topology and a windowed word count with its changelogs, at least once.

use tidelog_clients::Server;
use tidelog_clients::matrix::proxy::Proxy;
use tidelog_clients::server::Options;

use crate::feeder::{Feeder, feed};
use crate::streams_app::{Application, PARTITIONS, REPARTITION, wait_tasks, wait_work};
use crate::topics::{ends, settings};
use crate::{kill_and_start_again, server, wait_until};

/// Both halves of the work.
const TASKS: u32 = 2 * PARTITIONS;
/// Words that are dealt with before the next thing happens: about a second's.
const SOME: i64 = 1_500;

#[test]
fn streams_count_every_word_once_through_clean_restarts() {
    let server = server();
    let address = server.address();
    let mut application = Application::create(address).unwrap();
    let instance = application.start(address, "one", &[]).unwrap();
    application.expected.add(&feed(address, application.base_ms, 0..600).unwrap(), 0);
    assert_eq!(application.check(address).unwrap(), 0);
    // What is committed and dealt with is deleted from the topic in between.
    wait_until("deletion of what is dealt with", || {
        Ok(ends(address, REPARTITION)?.iter().all(|(first, _)| *first > 0))
    })
    .unwrap();
    assert!(!instance.stop().unwrap().success(), "a signal ended it");

    // Its state is on disk; what came meanwhile is counted on top of it.
    application.expected.add(&feed(address, application.base_ms, 600..1_200).unwrap(), 0);
    let instance = application.start(address, "one", &[]).unwrap();
    assert_eq!(application.check(address).unwrap(), 0);
    instance.stop().unwrap();

    // Its state is in the changelogs alone.
    std::fs::remove_dir_all(application.state("one")).unwrap();
    let instance = application.start(address, "one", &[]).unwrap();
    application.expected.add(&feed(address, application.base_ms, 1_200..1_800).unwrap(), 0);
    assert_eq!(application.check(address).unwrap(), 0);
    instance.stop().unwrap();

    let of = |topic: &str, setting: &str| settings(address, topic).unwrap()[setting].clone();
    assert_eq!(of("words-by-minute-changelog", "cleanup.policy"), "compact,delete");
    assert_eq!(of("words-ever-changelog", "cleanup.policy"), "compact");
    assert_eq!(of(REPARTITION, "retention.ms"), "-1");
    assert_eq!(of(REPARTITION, "message.timestamp.type"), "CreateTime");
}

#[test]
fn streams_lose_nothing_when_they_or_the_server_are_killed() {
    let mut server = server();
    let address = server.address().to_owned();
    let address = address.as_str();
    let mut application = Application::create(address).unwrap();
    let instance = application.start(address, "one", &[]).unwrap();
    application.expected.add(&feed(address, application.base_ms, 0..600).unwrap(), 0);
    // Committed before anything fails: counted once for ever.
    assert_eq!(application.check(address).unwrap(), 0);

    let feeder = Feeder::start(address, application.base_ms, 600).unwrap();
    wait_work(address, SOME).unwrap();
    kill_and_start_again(&mut server).unwrap();
    wait_work(address, SOME).unwrap();
    let lines = feeder.stop().unwrap();
    let next = 600 + lines.len() as u64;
    application.expected.add(&lines, 0);
    // The group is as it was, and what producers send again lands once: nothing is repeated because the server was killed.
    assert_eq!(application.check(address).unwrap(), 0);

    let feeder = Feeder::start(address, application.base_ms, next).unwrap();
    wait_work(address, SOME).unwrap();
    instance.kill9().unwrap();
    let instance = application.start(address, "one", &[]).unwrap();
    wait_work(address, SOME).unwrap();
    instance.kill9().unwrap();
    std::fs::remove_dir_all(application.state("one")).unwrap();
    let instance = application.start(address, "one", &[]).unwrap();
    // While it begins: it joins, asks for what its topics are, and reads its changelogs.
    instance.wait_line("start", |lines| lines.iter().any(|line| line.starts_with("tasks "))).unwrap();
    kill_and_start_again(&mut server).unwrap();
    wait_work(address, SOME).unwrap();
    let lines = feeder.stop().unwrap();
    application.expected.add(&lines, 2);
    let more = application.check(address).unwrap();
    println!("{} lines through two kills of the application and one of the server; {more} counted again", lines.len());
    instance.stop().unwrap();
}

#[test]
fn streams_share_their_work_and_take_over() {
    let server = server();
    let address = server.address();
    let mut application = Application::create(address).unwrap();
    let shared = ["num.standby.replicas=1", "num.stream.threads=2"];
    let one = application.start(address, "one", &shared).unwrap();
    let feeder = Feeder::start(address, application.base_ms, 0).unwrap();
    wait_tasks(&one, |tasks| tasks == TASKS).unwrap();
    let two = application.start(address, "two", &shared).unwrap();
    wait_tasks(&two, |tasks| tasks > 0).unwrap();
    wait_tasks(&one, |tasks| (1..TASKS).contains(&tasks)).unwrap();
    wait_work(address, SOME).unwrap();
    two.stop().unwrap();
    wait_tasks(&one, |tasks| tasks == TASKS).unwrap();
    let lines = feeder.stop().unwrap();
    application.expected.add(&lines, 0);
    // Work that changes hands in order is not done twice.
    assert_eq!(application.check(address).unwrap(), 0);

    let two = application.start(address, "two", &shared).unwrap();
    wait_tasks(&two, |tasks| tasks > 0).unwrap();
    let feeder = Feeder::start(address, application.base_ms, lines.len() as u64).unwrap();
    wait_work(address, SOME).unwrap();
    two.kill9().unwrap();
    wait_tasks(&one, |tasks| tasks == TASKS).unwrap();
    application.expected.add(&feeder.stop().unwrap(), 1);
    let more = application.check(address).unwrap();
    println!("one of two instances was killed; {more} counted again");
    one.stop().unwrap();
}

#[test]
fn streams_that_want_what_is_not_offered_are_told_so() {
    let server = server();
    let application = Application::create(server.address()).unwrap();
    for (setting, told) in [
        (
            "processing.guarantee=exactly_once_v2",
            "TransactionalIdAuthorizationException: Transactional Id authorization failed",
        ),
        (
            "group.protocol=streams",
            "UnsupportedVersionException: The cluster does not support the STREAMS group protocol",
        ),
    ] {
        let mut instance = application.start(server.address(), setting, &[setting]).unwrap();
        let status = instance.wait_end().unwrap();
        let said = instance.output();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains(told), "{said}");
    }
}

/// The proof that the tests above can fail: one record of each topic does not reach its readers.
#[test]
fn streams_that_miss_a_record_are_found_out() {
    let listening = Proxy::listen().unwrap();
    let flags = vec!["--kafka-advertised".to_owned(), listening.address().to_owned()];
    let server = Server::start(Options { flags, ..Options::default() }).unwrap();
    let proxy = listening.serve(server.address()).unwrap();
    let address = proxy.address();
    let mut application = Application::create(address).unwrap();
    let instance = application.start(address, "one", &[]).unwrap();
    application.expected.add(&feed(address, application.base_ms, 0..600).unwrap(), 0);
    let said = application.check(address).unwrap_err().to_string();
    assert!(said.starts_with("lost: "), "{said}");
    instance.stop().unwrap();
}
