//! Scenarios as they are written.

use super::*;

const GOOD: &str = r#"
name = "a"
about = "b"
systems = ["tidelog", "kafka-fsync"]

[workload]
partitions = 8
connections = 2
consumers = 1
groups = 0
catch_up_after_seconds = 6
record_bytes = 1024
warm_up_seconds = 1
rate_per_second = 100
duration_seconds = 3

[[bounds]]
measure = "acknowledge-p99-ms"
against = "kafka-fsync"
ratio_max = 0.5
"#;

fn check(from: &str, to: &str, says: &str) {
    assert!(GOOD.contains(from));
    let problem = Scenario::read(&GOOD.replacen(from, to, 1)).expect_err(says);
    assert!(problem.contains(says), "{says:?} is not in {problem:?}");
    assert!(!problem.contains('\n'), "{problem}");
}

#[test]
fn every_scenario_that_comes_with_the_program_is_right() {
    for name in named::names() {
        let scenario = Scenario::load(name).unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!((scenario.name.as_str(), scenario.workload.name.as_str()), (name, name));
        assert!(name == "same" || !scenario.bounds.is_empty(), "{name} has no bound");
    }
    assert_eq!(Scenario::named().count(), named::names().count());
}

#[test]
fn an_unknown_key_is_refused_by_name_with_those_that_would_work() {
    check("about =", "abut =", "`abut`");
    check("partitions =", "partitons =", "`partitons`");
    check("ratio_max =", "ratio =", "`ratio`");
    check("measure = \"acknowledge-p99-ms\"", "measure = \"p99\"", "`acknowledge-p99-ms`");
    check("\"kafka-fsync\"]", "\"kafka\"]", "`kafka-page-cache`");
    check("[workload]", "[sweep]\nof = \"tidelog\"\n[workload]", "share");
    let failure = Scenario::load("no-such").expect_err("there is none");
    assert!(failure.exit_code() == 2 && failure.to_string().contains("produce-8"), "{failure}");
}

#[test]
fn a_bound_is_of_what_is_measured() {
    check("ratio_max = 0.5", "value_max = 5.0", "either against and ratio_max, or value_max");
    check("ratio_max = 0.5", "ratio_max = -1.0", "above 0");
    check("against = \"kafka-fsync\"", "against = \"kafka-page-cache\"", "not among the other systems");
    check("against = \"kafka-fsync\"", "against = \"tidelog\"", "not among the other systems");
    check("acknowledge-p99-ms", "receive-p99-ms", "do not have it");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    check("name = \"a\"", "name = \"../a\"", "letters, digits and -");
    check("[\"tidelog\", \"kafka-fsync\"]", "[\"kafka-fsync\", \"kafka-fsync\"]", "each of them once");
    check("[\"tidelog\", \"kafka-fsync\"]", "[\"kafka-fsync\"]", "tidelog is not among");
    check(
        "rate_per_second = 100\nduration_seconds = 3",
        "until_saturated = true\nstages = [{ rate_per_second = 1, seconds = 1 }]",
        "one rate",
    );
    check("record_bytes = 1024", "record_bytes = 1024\nprotocol = \"http\"", "speak Kafka's protocol");
    check("ratio_max = 0.5", "ratio_max = inf", "must be above 0");
    check("record_bytes = 1024", "record_bytes = 1024\nacknowledge_p99_ms_max = 4.0", "[[bounds]]");
    check("record_bytes = 1024", "record_bytes = 1", "record_bytes is 1");
    check("partitions = 8", "name = \"c\"\npartitions = 8", "leave it out");
    let sweep = |text: &str| format!("[sweep]\n{text}\n[workload]");
    check(
        "[workload]",
        &sweep("of = \"kafka-page-cache\"\nshare = 0.5\nrates_per_second = [1, 2]\nseconds = 1"),
        "not among",
    );
    check(
        "[workload]",
        &sweep("of = \"kafka-fsync\"\nshare = 0.5\nrates_per_second = [2, 1]\nseconds = 1"),
        "above the one before",
    );
    check("[workload]", &sweep("of = \"kafka-fsync\"\nshare = 2.0\nrates_per_second = [1, 2]\nseconds = 1"), "share");
    check(
        "[workload]",
        &sweep("of = \"kafka-fsync\"\nshare = 0.5\nrates_per_second = [1, 2]\nseconds = 0"),
        "seconds is 0",
    );
}

#[test]
fn fewer_systems_have_fewer_bounds() {
    let scenario = Scenario::read(GOOD).expect("it is good");
    let alone = scenario.clone().only(&[System::Tidelog]).expect("one is enough");
    assert_eq!((alone.systems.len(), alone.bounds.len()), (1, 0));
    assert!(scenario.only(&[]).is_err());
}

#[test]
fn another_rate_reads_as_long_after_it_as_before() {
    let workload = Scenario::read(GOOD).expect("it is good").workload;
    let changed = with_rate(&workload, 7, 0, 60);
    assert_eq!(changed.stages, [Stage { rate_per_second: 7, seconds: 60 }]);
    assert_eq!((changed.warm_up_seconds, changed.catch_up_after_seconds), (0, Some(62)));
}
