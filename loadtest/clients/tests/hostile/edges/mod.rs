//! Every request that is offered, in every version, with every field at its edges, one after the other: made from Kafka's
//! schemas, so that an API that is offered tomorrow is covered tomorrow.
//!
//! Against the real binary and not in its process, because what has to be seen is how a connection ends, what is in the
//! answer's bytes, what the server's memory and log say, and what is there after it was killed.

mod ask;
mod ledger;
mod setup;
mod state;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tidelog_schemas::{Api, Fate, cases, error_codes};

use crate::Target;
use ask::{Asker, Outcome};
use ledger::Ledger;
use setup::Fixture;
use state::State;

/// Versions that are advertised and refused, whatever is in them: older librdkafka sends uncompressed otherwise.
const REFUSED: [(&str, i16, i16); 1] = [("Produce", 0, 2)];
/// What the plausible request of some APIs and versions is answered with instead of success: there is nothing to be elected,
/// a member is told its id before it is let in, and an instance of a client is given its id by the node.
const REFUSED_WHEN_PLAUSIBLE: [(&str, i16, i16, i16); 3] =
    [("ElectLeaders", 0, 2, 84), ("JoinGroup", 4, 4, 79), ("PushTelemetry", 0, 0, 42)];
/// What a successful answer may change; of any other API nothing may change anything. One that is offered and changes
/// something gets a line here, and one in `ledger.rs` that says what.
const CHANGING: [(&str, Lane); 16] = [
    ("Metadata", Lane::Topics),
    ("CreateTopics", Lane::Topics),
    ("DeleteTopics", Lane::Topics),
    ("CreatePartitions", Lane::Topics),
    ("Produce", Lane::Records),
    ("DeleteRecords", Lane::Records),
    ("AlterConfigs", Lane::Configs),
    ("IncrementalAlterConfigs", Lane::Configs),
    ("OffsetCommit", Lane::Groups),
    ("OffsetDelete", Lane::Groups),
    ("DeleteGroups", Lane::Groups),
    ("JoinGroup", Lane::Groups),
    ("SyncGroup", Lane::Groups),
    ("Heartbeat", Lane::Groups),
    ("LeaveGroup", Lane::Groups),
    ("AlterClientQuotas", Lane::Configs),
];
/// Connections on which requests that change nothing are sent at the same time.
const READING_LANES: usize = 3;
/// Cases at least: fewer would mean that fields have gone missing, not that all is well.
const CASES_MIN: usize = 10_000;
/// Failures that are shown.
const FAILURES_MAX: usize = 60;
/// One answer, on a busy machine. None of these waits for anything but the disk.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Others wait for the disk as well, and for two processors that this keeps busy.
const SLOWEST_MAX: Duration = Duration::from_secs(4);
/// What answers and requests of many elements take while they are there, and the catalog for what it was told to keep.
const GROWTH_MAX_MIB: u64 = 128;

/// Requests whose successes change the same things follow each other; so what is there in the end is what the last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Nothing,
    Topics,
    Records,
    Configs,
    Groups,
}

/// What was seen.
#[derive(Default)]
struct Report {
    cases: usize,
    answered: usize,
    closed: usize,
    failures: Vec<String>,
    /// By error code.
    codes: BTreeMap<i16, usize>,
    slowest: Duration,
}

impl Report {
    fn fail(&mut self, failure: String) {
        self.failures.push(failure);
    }

    fn add(&mut self, other: Report) {
        self.cases += other.cases;
        self.answered += other.answered;
        self.closed += other.closed;
        self.failures.extend(other.failures);
        self.slowest = self.slowest.max(other.slowest);
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
    }
}

#[test]
fn every_field_of_every_request_at_its_edges() {
    let mut target = Target::start();
    let mut report = Report::default();
    let mut before = State::default();
    target.attacked_within(SLOWEST_MAX, GROWTH_MAX_MIB, |address| {
        let fixture = Fixture::prepare(address);
        run(&fixture, &mut report);
        before = State::of(address);
    });
    let begun = Instant::now();
    if target.server.output().contains("panicked") {
        report.fail(format!("the server panicked:\n{}", target.server.output()));
    }
    report.failures.extend(before.impossible());
    // What was stored can be read by whoever starts on it.
    target.server.kill9().unwrap();
    target.server.start_again(None).unwrap();
    target.server.wait_ready().unwrap();
    let mut after = State::of(target.address());
    // Members come and go by the clock.
    before.forget_groups();
    after.forget_groups();
    report.failures.extend(Ledger::default().differences("a restart", &before, &after));

    println!("started on it again and compared in {:?}", begun.elapsed());
    println!(
        "{} cases: {} answered, {} closed, the slowest after {:?}",
        report.cases, report.answered, report.closed, report.slowest
    );
    println!("error codes: {:?}", report.codes);
    let shown = report.failures.iter().take(FAILURES_MAX).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(report.failures.is_empty(), "{} failures:\n{shown}", report.failures.len());
    assert!(report.cases >= CASES_MIN && report.answered > report.cases / 2 && report.closed > report.cases / 20);
}

/// First everything that may change nothing, then the rest.
fn run(fixture: &Fixture, report: &mut Report) {
    let mut lanes: BTreeMap<Lane, Vec<(&Api, i16)>> = BTreeMap::new();
    for (api, version) in fixture.items(report) {
        let lane = CHANGING.iter().find(|(name, _)| *name == api.name).map_or(Lane::Nothing, |(_, lane)| *lane);
        lanes.entry(lane).or_default().push((api, version));
    }
    let reading = lanes.remove(&Lane::Nothing).unwrap_or_default();
    let (reading, rest) = (Mutex::new(reading.into_iter()), lanes);
    let (found, ledger) = (Mutex::new(Report::default()), Mutex::new(Ledger::default()));
    let begun = Instant::now();
    let before = State::of(&fixture.address);
    let next = || reading.lock().unwrap().next();
    std::thread::scope(|scope| {
        for _ in 0..READING_LANES {
            scope.spawn(|| {
                // What is made to be asked about, that is.
                let (mut own_report, mut own) = (Report::default(), Ledger::default());
                while let Some((api, version)) = next() {
                    item(fixture, api, version, &mut own, &mut own_report);
                }
                found.lock().unwrap().add(own_report);
                ledger.lock().unwrap().add(own);
            });
        }
    });
    let between = State::of(&fixture.address);
    report.add(std::mem::take(&mut *found.lock().unwrap()));
    let differences = ledger.lock().unwrap().differences("requests that change nothing", &before, &between);
    report.failures.extend(differences);
    println!("requests that change nothing: {} cases in {:?}", report.cases, begun.elapsed());

    let begun = Instant::now();
    std::thread::scope(|scope| {
        for (lane, items) in &rest {
            let (found, ledger) = (&found, &ledger);
            scope.spawn(move || {
                let (mut own_report, mut own) = (Report::default(), Ledger::default());
                let begun = Instant::now();
                for (api, version) in items {
                    item(fixture, api, *version, &mut own, &mut own_report);
                }
                println!("{lane:?}: {} cases in {:?}", own_report.cases, begun.elapsed());
                found.lock().unwrap().add(own_report);
                ledger.lock().unwrap().add(own);
            });
        }
    });
    report.add(found.into_inner().unwrap());
    let ledger = ledger.into_inner().unwrap();
    report.failures.extend(ledger.differences(
        "requests that change something",
        &between,
        &State::of(&fixture.address),
    ));
    println!("requests that change something: {:?}", begun.elapsed());
}

/// All cases of one version of one API.
fn item(fixture: &Fixture, api: &Api, version: i16, ledger: &mut Ledger, report: &mut Report) {
    let mut asker = Asker::new(&fixture.address);
    if version < api.request.versions.min {
        let refused = REFUSED.iter().any(|(name, min, max)| *name == api.name && (*min..=*max).contains(&version));
        let outcome = asker.refused(api, version);
        if !refused || outcome != Ok(Outcome::Closed) {
            report.fail(format!("{} v{version}: older than Kafka's, and {outcome:?}", api.name));
        }
        report.cases += 1;
        report.closed += 1;
        return;
    }
    let all = cases(api, version, fixture.worlds(api, version, ledger));
    let outcomes = asker.ask_all(api, version, &all);
    for (number, (case, outcome)) in all.iter().zip(outcomes).enumerate() {
        let name = format!("{} v{version}, {}", api.name, case.what);
        report.cases += 1;
        let (outcome, took) = match outcome {
            Ok(done) => done,
            Err(problem) => {
                report.fail(format!("{name}: {problem}"));
                continue;
            }
        };
        report.slowest = report.slowest.max(took);
        if took > ANSWER_MAX {
            report.fail(format!("{name}: only after {took:?}"));
        }
        match (&outcome, case.fate) {
            (Outcome::Answered(_) | Outcome::Silent, Fate::Closed) => report.fail(format!("{name}: answered")),
            (Outcome::Closed, Fate::Answered) => report.fail(format!("{name}: the connection was closed")),
            _ => {}
        }
        match outcome {
            Outcome::Answered(answer) => {
                report.answered += 1;
                let codes = error_codes(api, version, &answer);
                for code in &codes {
                    *report.codes.entry(*code).or_default() += 1;
                    if let Some(problem) = ask::problem_of_code(*code) {
                        report.fail(format!("{name}: error code {code}, {problem}"));
                    }
                }
                let expected = REFUSED_WHEN_PLAUSIBLE
                    .iter()
                    .find(|(refused, min, max, _)| *refused == api.name && (*min..=*max).contains(&version));
                let expected = expected.map_or(0, |(.., code)| *code);
                if number == 0 && codes.iter().any(|code| ![0, expected].contains(code)) {
                    report.fail(format!(
                        "{name}: error codes {codes:?}; its fields get better values in loadtest/schemas/src/plausible.rs, \
                         or it stands in REFUSED_WHEN_PLAUSIBLE with the reason"
                    ));
                }
                ledger.read(api, &case.request, &answer);
            }
            Outcome::Silent => ledger.read_silence(api, &case.request),
            Outcome::Closed => report.closed += 1,
        }
    }
}
