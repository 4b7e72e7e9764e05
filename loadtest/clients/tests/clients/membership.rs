//! How consumers share, beyond the plain case: cooperatively, as static members, and topics by a pattern.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, ClientContext, TopicPartitionList};

use crate::server;

const WAIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// What was taken from a member, one set for each rebalance that took something.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<BTreeSet<i32>>>>);

impl ClientContext for Taken {}

impl ConsumerContext for Taken {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        println!("rebalance: {rebalance:?}");
        if let Rebalance::Revoke(partitions) = rebalance
            && partitions.count() > 0
        {
            self.0.lock().unwrap().push(numbers(partitions));
        }
    }
}

type Member = BaseConsumer<Taken>;

fn numbers(partitions: &TopicPartitionList) -> BTreeSet<i32> {
    partitions.elements().iter().map(|one| one.partition()).collect()
}

fn has(member: &Member) -> BTreeSet<i32> {
    numbers(&member.assignment().unwrap())
}

fn member(address: &str, topic: &str, settings: &[(&str, &str)]) -> (Member, Taken) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("group.id", "g").set("auto.offset.reset", "earliest");
    config.set("heartbeat.interval.ms", "300").set("topic.metadata.refresh.interval.ms", "300");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    let taken = Taken::default();
    let member: Member = config.create_with_context(taken.clone()).unwrap();
    member.subscribe(&[topic]).unwrap();
    (member, taken)
}

fn create(address: &str, topic: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let made = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

/// Writes one record into each partition.
fn write(address: &str, topic: &str, partitions: i32, value: &str) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
    for partition in 0..partitions {
        let record = BaseRecord::<(), _>::to(topic).partition(partition).payload(value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(WAIT).unwrap();
}

/// Polls all until `done`; what they read, as topic and value.
fn poll_until(
    members: &[&Member],
    what: &str,
    mut done: impl FnMut(&[(String, String)]) -> bool,
) -> Vec<(String, String)> {
    let deadline = Instant::now() + WAIT;
    let mut read = Vec::new();
    while !done(&read) {
        assert!(
            Instant::now() < deadline,
            "{what}: {read:?}, {:?}",
            members.iter().map(|it| has(it)).collect::<Vec<_>>()
        );
        for member in members {
            let Some(message) = member.poll(POLL) else { continue };
            let message = message.unwrap();
            let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
            read.push((message.topic().to_owned(), value));
        }
    }
    read
}

#[test]
fn a_cooperative_member_gives_up_only_what_another_gets() {
    let server = server();
    create(server.address(), "shared", 4);
    let settings = [("partition.assignment.strategy", "cooperative-sticky")];
    let (first, taken) = member(server.address(), "shared", &settings);
    poll_until(&[&first], "alone", |_| has(&first).len() == 4);
    let (second, _) = member(server.address(), "shared", &settings);
    poll_until(&[&first, &second], "two", |_| has(&first).len() == 2 && has(&second).len() == 2);
    assert_eq!(*taken.0.lock().unwrap(), [has(&second)], "what the second has was taken, at once, and nothing else");
    write(server.address(), "shared", 4, "x");
    let read = poll_until(&[&first, &second], "reading", |read| read.len() >= 4);
    assert_eq!(read.len(), 4);
    drop(second);
    poll_until(&[&first], "alone again", |_| has(&first).len() == 4);
    assert_eq!(taken.0.lock().unwrap().len(), 1, "nothing was taken when the other left");
}

#[test]
fn a_static_member_comes_back_to_what_it_had() {
    let server = server();
    create(server.address(), "shared", 4);
    let named = |name: &'static str| {
        let settings = [("group.instance.id", name), ("session.timeout.ms", "20000"), ("client.id", name)];
        member(server.address(), "shared", &settings)
    };
    let ((one, _), (other, other_s)) = (named("one"), named("other"));
    poll_until(&[&one, &other], "two", |_| has(&one).len() == 2 && has(&other).len() == 2);
    let (before, rebalances) = (has(&one), other_s.0.lock().unwrap().len());
    // It does not leave, being static.
    drop(one);
    let (one, _) = named("one");
    poll_until(&[&one, &other], "back", |_| has(&one).len() == 2);
    assert_eq!(has(&one), before);
    assert_eq!(other_s.0.lock().unwrap().len(), rebalances, "the other did not notice");
    let groups = one.fetch_group_list(Some("g"), WAIT).unwrap();
    let mut clients: Vec<&str> = groups.groups()[0].members().iter().map(|member| member.client_id()).collect();
    clients.sort_unstable();
    assert_eq!((groups.groups()[0].state(), &clients[..]), ("Stable", &["one", "other"][..]));
    // A second one of the same name takes its place, and the first is told so.
    let (usurper, _) = named("one");
    let deadline = Instant::now() + WAIT;
    while one.client().fatal_error().is_none() {
        assert!(Instant::now() < deadline, "it was not fenced");
        for member in [&one, &usurper, &other] {
            let _ = member.poll(POLL);
        }
    }
    assert_eq!(one.client().fatal_error().map(|(code, _)| code), Some(RDKafkaErrorCode::FencedInstanceId));
    poll_until(&[&usurper, &other], "the usurper", |_| has(&usurper) == before);
}

#[test]
fn a_pattern_finds_topics_also_those_that_are_new() {
    let server = server();
    for (topic, value) in [("news.sport", "a"), ("others", "b"), ("news.weather", "c")] {
        create(server.address(), topic, 1);
        write(server.address(), topic, 1, value);
    }
    let (reader, _) = member(server.address(), "^news\\..*", &[]);
    let mut read = poll_until(&[&reader], "two topics", |read| read.len() >= 2);
    create(server.address(), "news.late", 1);
    write(server.address(), "news.late", 1, "d");
    read.extend(poll_until(&[&reader], "the third", |read| !read.is_empty()));
    read.sort();
    let expected = [("news.late", "d"), ("news.sport", "a"), ("news.weather", "c")];
    assert_eq!(read, expected.map(|(topic, value)| (topic.to_owned(), value.to_owned())));
}
