//! Conditional appends, fences, producers and Idempotency-Keys over HTTP while the server is killed: what is told is
//! linearizable (I10), and what is sent again until it is answered is there once (I8).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;
use tidelog_clients::Server;
use tidelog_clients::chance::Chance;
use tidelog_clients::http::{Http, NoAnswer};
use tidelog_clients::server::Options;
use tidelog_history::{
    Append, Bounds, Condition, FenceOutcome, Guarantees, Outcome, Place, Recorder, Refusal, Seen, check_file,
};

const TOPIC: &str = "conditional";
/// Under conditions, with keys, by producers.
const PARTITIONS: u32 = 3;
const KILLS: u32 = 15;
const AWAY: Duration = Duration::from_millis(20);

struct World {
    recorder: Recorder,
    address: String,
    stopping: AtomicBool,
    /// The highest token that anybody has stated.
    token: AtomicU64,
    seed: u64,
    refused: AtomicU64,
    fenced: AtomicU64,
    /// Requests that were sent again after their answer was lost.
    repeated: AtomicU64,
}

impl World {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn chance(&self, process: u32) -> Chance {
        Chance::new(self.seed ^ (u64::from(process) << 32))
    }
}

fn place(partition: u32) -> Place {
    Place { tenant: "default".to_owned(), topic: TOPIC.to_owned(), partition }
}

fn number(json: &Value) -> u64 {
    json.as_u64().unwrap_or_else(|| panic!("{json} is a number"))
}

fn post(
    http: &mut Http,
    partition: u32,
    headers: &[(&'static str, String)],
    append: &Append,
) -> Result<(u16, Value), NoAnswer> {
    let content_type = ("content-type", "application/octet-stream".to_owned());
    let headers = [&[content_type], headers].concat();
    http.send("POST", &format!("/v1/topics/{TOPIC}/records?partition={partition}"), &headers, &append.bytes)
}

fn refusal(problem: &Value) -> Refusal {
    Refusal { tail: number(&problem["tail"]), token: problem["fencing_token"].as_u64() }
}

/// Appends under conditions that are right as far as this client knows, and sometimes not.
fn conditional_writer(world: &World, process: u32) {
    let mut http = Http::new(&world.address);
    let mut chance = world.chance(process);
    let mut tail = 0;
    let mut sequence = 0;
    while !world.is_stopping() {
        let expected = (chance.below(3) > 0).then_some(tail);
        let token = (chance.below(2) == 0).then(|| {
            let highest = world.token.load(Ordering::SeqCst);
            let token = (highest + u64::from(chance.below(20) == 0)).saturating_sub(chance.below(3) / 2);
            world.token.fetch_max(token, Ordering::SeqCst);
            token
        });
        let guarantees = Guarantees { idempotent: false, ordered: false };
        let append = world.recorder.append_begins(process, &place(0), sequence, guarantees, "http", 100);
        sequence += 1;
        world.recorder.append_asks(process, append.operation, Condition { expected, token });
        let expected = expected.map(|offset| ("expected-offset", offset.to_string()));
        let token = token.map(|token| ("fencing-token", token.to_string()));
        let headers: Vec<_> = expected.into_iter().chain(token).collect();
        let outcome = match post(&mut http, 0, &headers, &append) {
            Ok((200, told)) => Outcome::Ok(number(&told["records"][0]["offset"])),
            Ok((409 | 412, problem)) => {
                assert_eq!(problem["may_have_happened"], false, "{problem}");
                let counter = if problem["code"] == "fenced" { &world.fenced } else { &world.refused };
                counter.fetch_add(1, Ordering::SeqCst);
                Outcome::Refused(refusal(&problem))
            }
            Ok((_, problem)) if problem["may_have_happened"] == false => Outcome::Fail,
            Err(NoAnswer::NotSent) => Outcome::Fail,
            Ok(_) | Err(NoAnswer::Lost) => Outcome::Unknown,
        };
        world.recorder.append_ends(process, append.operation, outcome);
        match outcome {
            Outcome::Ok(offset) => tail = offset + 1,
            Outcome::Refused(refusal) => tail = refusal.tail,
            Outcome::Fail | Outcome::Unknown => std::thread::sleep(AWAY),
        }
    }
}

fn fencer(world: &World, process: u32) {
    let mut http = Http::new(&world.address);
    let mut chance = world.chance(process);
    while !world.is_stopping() {
        let highest = world.token.load(Ordering::SeqCst);
        let token = (highest + chance.below(3)).saturating_sub(1);
        world.token.fetch_max(token, Ordering::SeqCst);
        let operation = world.recorder.fence_begins(process, &place(0), token);
        let body = format!("{{\"token\":{token}}}");
        let json = [("content-type", "application/json".to_owned())];
        let path = format!("/v1/topics/{TOPIC}/partitions/0/fence");
        let outcome = match http.send("PUT", &path, &json, body.as_bytes()) {
            Ok((200, told)) => FenceOutcome::Ok(number(&told["tail"])),
            Ok((412, problem)) => FenceOutcome::Refused(refusal(&problem)),
            Ok(_) | Err(_) => FenceOutcome::Unknown,
        };
        world.recorder.fence_ends(process, operation, outcome);
        std::thread::sleep(Duration::from_millis(5 + chance.below(20)));
    }
}

/// Sends a request until it is answered with success; where its record is.
fn until_stored(
    world: &World,
    http: &mut Http,
    partition: u32,
    headers: &[(&'static str, String)],
    append: &Append,
) -> u64 {
    loop {
        match post(http, partition, headers, append) {
            Ok((200, told)) => return number(&told["records"][0]["offset"]),
            Ok((status, problem)) => assert!(status >= 500, "it may be sent again: {problem}"),
            Err(NoAnswer::NotSent) => {}
            Err(NoAnswer::Lost) => {
                world.repeated.fetch_add(1, Ordering::SeqCst);
            }
        }
        std::thread::sleep(AWAY);
    }
}

fn keyed_writer(world: &World, process: u32) {
    let mut http = Http::new(&world.address);
    for sequence in 0.. {
        if world.is_stopping() {
            return;
        }
        let guarantees = Guarantees { idempotent: true, ordered: true };
        let append = world.recorder.append_begins(process, &place(1), sequence, guarantees, "http", 100);
        let key = [("idempotency-key", format!("{process}/{sequence}"))];
        let offset = until_stored(world, &mut http, 1, &key, &append);
        world.recorder.append_ends(process, append.operation, Outcome::Ok(offset));
    }
}

fn sequenced_writer(world: &World, process: u32) {
    let mut http = Http::new(&world.address);
    let opened = loop {
        match http.send("POST", "/v1/producers", &[], &[]) {
            Ok((201, opened)) => break opened,
            _ => std::thread::sleep(AWAY),
        }
    };
    for sequence in 0_u64.. {
        if world.is_stopping() {
            return;
        }
        let guarantees = Guarantees { idempotent: true, ordered: true };
        let append = world.recorder.append_begins(process, &place(2), sequence, guarantees, "http", 100);
        let headers = [
            ("producer-id", opened["producer_id"].to_string()),
            ("producer-epoch", opened["epoch"].to_string()),
            ("producer-sequence", sequence.to_string()),
        ];
        let offset = until_stored(world, &mut http, 2, &headers, &append);
        world.recorder.append_ends(process, append.operation, Outcome::Ok(offset));
    }
}

/// Reads all of it, through the other door.
fn read_everything(world: &World, kafka: &str, http: &mut Http) {
    let (_, topic) = http.send("GET", &format!("/v1/topics/{TOPIC}"), &[], &[]).unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka).set("group.id", "last").set("enable.auto.commit", "false");
    config.set("check.crcs", "true").set("auto.offset.reset", "error");
    let consumer: BaseConsumer = config.create().unwrap();
    for partition in 0..PARTITIONS {
        let high = number(&topic["partitions"][partition as usize]["high_watermark"]);
        let operation = world.recorder.read_begins(99, &place(partition), 0, "kafka");
        let mut all = TopicPartitionList::new();
        all.add_partition_offset(TOPIC, partition as i32, Offset::Offset(0)).unwrap();
        consumer.assign(&all).unwrap();
        let mut records = Vec::new();
        while (records.len() as u64) < high {
            let message = consumer.poll(Duration::from_secs(30)).expect("all of it comes").unwrap();
            records.push(Seen::read(message.offset() as u64, message.payload().unwrap_or_default()));
        }
        let bounds = Some(Bounds { low: 0, high });
        world.recorder.read_ends(99, operation, high, records, bounds, true);
    }
}

/// What a client does, with its number.
type Work = fn(&World, u32);

#[test]
fn conditional_appends_are_linearizable_and_repeated_ones_land_once() {
    let mut server = Server::start(Options::default()).expect("the server starts");
    let history = server.folder().join("conditional.jsonl");
    let seed = Chance::seed_of_this_run();
    println!("seed {seed} (TIDELOG_SEED={seed} repeats its choices)");
    let world = Arc::new(World {
        recorder: Recorder::create(&history).unwrap(),
        address: server.http_address().to_owned(),
        stopping: AtomicBool::new(false),
        token: AtomicU64::new(1),
        seed,
        refused: AtomicU64::new(0),
        fenced: AtomicU64::new(0),
        repeated: AtomicU64::new(0),
    });
    let mut http = Http::new(server.http_address());
    let create = format!("{{\"name\":\"{TOPIC}\",\"partitions\":{PARTITIONS}}}");
    let json = [("content-type", "application/json".to_owned())];
    assert_eq!(http.send("POST", "/v1/topics", &json, create.as_bytes()).unwrap().0, 201);

    let clients: [(u32, Work); 9] = [
        (1, conditional_writer),
        (2, conditional_writer),
        (3, conditional_writer),
        (4, conditional_writer),
        (5, fencer),
        (6, keyed_writer),
        (7, keyed_writer),
        (8, sequenced_writer),
        (9, sequenced_writer),
    ];
    let start = |(process, client): (u32, fn(&World, u32))| {
        let world = world.clone();
        std::thread::spawn(move || client(&world, process))
    };
    let clients: Vec<JoinHandle<()>> = clients.into_iter().map(start).collect();
    let mut chance = world.chance(0);
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(150 + chance.below(400)));
        server.kill9().expect("it lives until it is killed");
        server.start_again(None).unwrap();
        server.wait_ready().unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    world.stopping.store(true, Ordering::SeqCst);
    clients.into_iter().for_each(|client| client.join().expect("no client has met what it must not"));

    read_everything(&world, server.address(), &mut Http::new(server.http_address()));
    world.recorder.flush().unwrap();
    let report = check_file(&history).unwrap();
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let (refused, fenced, repeated) = (count(&world.refused), count(&world.fenced), count(&world.repeated));
    println!(
        "{report}; {refused} refused for their offset, {fenced} fenced, {repeated} sent again after {KILLS} kills"
    );
    if !report.is_good() {
        panic!("kept for you: {}", server.keep_folder().display());
    }
    assert!(report.acknowledged > 200 && refused > 50 && fenced > 20 && repeated > 10, "too little has happened");
}
