//! Tidelog with the proxy before its store: signatures hold, what is counted is what the store saw, and errors, resets and lost
//! answers of the store lose and double nothing (I1, I5, I8).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::producer::{DeliveryFuture, FutureProducer};
use tidelog_clients::chance::Chance;
use tidelog_clients::s3_servers::S3Server;
use tidelog_store_proxy::{FaultKind, Faults, Latency, Operation, Options, StoreProxy};

use crate::retries::read_again;
use crate::{
    LARGE_BYTES, PARTITIONS, SLACK, create_topic, moto, producer, read_all, send, start, wait,
    what_was_acknowledged_survives,
};

const PRODUCERS: usize = 8;
/// Of each producer.
const RECORDS: usize = 12;

/// A store as it is behind a proxy.
pub struct Proxied<'a> {
    store: &'a mut dyn S3Server,
    pub proxy: StoreProxy,
    // After the proxy, which runs on it.
    _runtime: tokio::runtime::Runtime,
}

impl Proxied<'_> {
    /// As slow as the zonal class.
    pub fn new(store: &mut dyn S3Server) -> Proxied<'_> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let latency = Latency::profile("s3-express").expect("known");
        let options = Options { latency, seed: Chance::seed_of_this_run(), ..Options::new(store.endpoint()) };
        println!("the proxy's seed is {}", options.seed);
        let proxy = runtime.block_on(StoreProxy::start(options)).expect("the store takes connections");
        Proxied { store, proxy, _runtime: runtime }
    }
}

impl S3Server for Proxied<'_> {
    fn name(&self) -> &'static str {
        self.store.name()
    }

    fn endpoint(&self) -> String {
        self.proxy.endpoint()
    }

    fn freeze(&mut self) -> anyhow::Result<()> {
        self.store.freeze()
    }

    fn resume(&mut self) -> anyhow::Result<()> {
        self.store.resume()
    }
}

#[test]
fn what_is_counted_is_what_the_store_saw() {
    let mut store = moto();
    let before = store.methods().expect("a log").len();
    let mut proxied = Proxied::new(&mut store);
    what_was_acknowledged_survives(&mut proxied, "counted");
    let report = proxied.proxy.report();
    drop(proxied);

    let mut counted = BTreeMap::new();
    for (operation, counts) in &report.operations {
        let method = match operation {
            Operation::PutObject => "PUT",
            Operation::GetObject | Operation::ListObjectsV2 => "GET",
            Operation::HeadObject => "HEAD",
            Operation::DeleteObject => "DELETE",
            Operation::DeleteObjects => "POST",
            operation => panic!("nobody asks for {operation:?} here"),
        };
        *counted.entry(method.to_owned()).or_insert(0) += counts.store_requests;
        assert_eq!(counts.requests, counts.store_requests, "{operation:?}: nothing was made to fail");
        assert_eq!((counts.store_failures, counts.in_flight), (0, 0), "{operation:?}");
    }
    let deadline = Instant::now() + SLACK;
    let seen = || {
        let mut seen = BTreeMap::new();
        for method in store.methods().expect("a log").split_off(before) {
            *seen.entry(method).or_insert(0_u64) += 1;
        }
        seen
    };
    // It writes its last lines after its last answers.
    while seen() != counted && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(seen(), counted, "what moto saw, and what was counted");
    let put = &report.operations[&Operation::PutObject];
    assert!(put.bytes_stored >= 6 * LARGE_BYTES as u64, "{put:?}");
    assert_eq!(put.billed, put.store_answers.success + put.store_answers.client_error);
}

#[test]
fn errors_resets_and_lost_answers_lose_and_double_nothing() {
    let mut store = moto();
    let proxied = Proxied::new(&mut store);
    let mut server = start(proxied.options("faulty"));
    create_topic(&server);
    let kinds = vec![
        FaultKind::SlowDown,
        FaultKind::InternalError,
        FaultKind::InternalErrorAfter,
        FaultKind::ResetBefore,
        FaultKind::ResetAfter,
    ];
    let faulty = Faults { rate: 0.25, kinds: kinds.clone(), ..Faults::default() };
    proxied.proxy.set_faults(faulty.clone()).expect("it can be done");
    let mut chance = Chance::new(Chance::seed_of_this_run());
    let producers: Vec<FutureProducer> =
        (0..PRODUCERS).map(|_| producer(&server, &[("enable.idempotence", "true")])).collect();
    let mut answers: Vec<DeliveryFuture> = Vec::new();
    for record in 0..RECORDS {
        for (number, producer) in producers.iter().enumerate() {
            // Half of them make objects of their own.
            let bytes = if chance.below(2) == 0 { LARGE_BYTES } else { 200 };
            answers.push(send_numbered(producer, number, record, bytes));
        }
    }
    for answer in answers {
        wait(answer).expect("a client that tries again succeeds");
    }

    // Chance may have left one out: each once more, for sure. With the last one the store has done it, and its answer never comes.
    let in_turn: Vec<FaultKind> = kinds.iter().copied().chain([FaultKind::TimeoutAfter]).collect();
    for (record, kind) in (RECORDS..).zip(&in_turn) {
        let once = Faults {
            rate: 1.0,
            kinds: vec![*kind],
            operations: vec![Operation::PutObject],
            count_max: Some(1),
            timeout_ms: 60_000,
            ..Faults::default()
        };
        proxied.proxy.set_faults(once).expect("it can be done");
        wait(send_numbered(&producers[0], 0, record, LARGE_BYTES)).expect("it is tried again");
    }

    // What is read comes from the store, through the same faults, as does what the start needs.
    proxied.proxy.set_faults(faulty).expect("it can be done");
    server.kill9().expect("it was alive");
    std::fs::remove_dir_all(server.folder().join("data/cache")).expect("there is a cache");
    server.start_again(None).expect("it starts");
    server.wait_ready().expect("it serves");
    let read = read_all(&server);
    let (count, problems) = read_again(&read);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(count, PRODUCERS * RECORDS + in_turn.len(), "each is there once");
    assert!(read.iter().flatten().all(|value| value.iter().rev().take(100).all(|byte| *byte == b'.')));

    let total = proxied.proxy.report().total;
    for kind in &in_turn {
        assert!(total.injected.get(kind).is_some_and(|count| *count > 0), "no {kind:?} in {total:?}");
    }
}

fn send_numbered(producer: &FutureProducer, number: usize, record: usize, bytes: usize) -> DeliveryFuture {
    let mut value = format!("{number} 0 {record} ").into_bytes();
    value.resize(bytes, b'.');
    send(producer, i32::try_from(number).expect("few") % PARTITIONS, &value)
}
