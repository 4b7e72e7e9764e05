//! Workloads as they are written.

use super::*;

const GOOD: &str = "name = \"a\"\npartitions = 8\nconnections = 2\nconsumers = 1\nrecord_bytes = 1024\nrate_per_second = 100\nduration_seconds = 3\n";

fn refused(text: &str) -> String {
    Workload::read(text, &[]).expect_err("it should be refused")
}

#[test]
fn every_named_workload_is_valid_and_says_what_it_is_for() {
    assert_eq!(Workload::named().count(), named::names().count());
    for name in named::names() {
        let workload = Workload::load(name, &[]).unwrap();
        assert_eq!(workload.name, name);
        assert!(!workload.about.is_empty(), "{name}");
    }
    assert!(Workload::load("W1", &[]).is_ok());
}

#[test]
fn a_rate_and_a_duration_are_one_stage() {
    let workload = Workload::read(GOOD, &[]).unwrap();
    assert_eq!(workload.stages, [Stage { rate_per_second: 100, seconds: 3 }]);
}

#[test]
fn an_unknown_key_is_refused_by_name_with_those_that_would_work() {
    let problem = refused(&format!("{GOOD}partitons = 8\n"));
    assert!(problem.contains("`partitons`") && problem.contains("`partitions`"), "{problem}");
    let problem = refused(&format!("{GOOD}protocol = \"kafka\"\n"));
    assert!(problem.contains("`kafka`") && problem.contains("`kafka-librdkafka`"), "{problem}");
    let failure = Workload::load("w99", &[]).expect_err("there is none");
    assert!(failure.to_string().contains("w2-100") && failure.exit_code() == 2, "{failure}");
}

#[test]
fn what_cannot_be_is_refused_with_what_could() {
    assert!(refused(&GOOD.replace("1024", "63")).contains("record_bytes is 63; it must be between 64"));
    assert!(refused(&GOOD.replace("partitions = 8", "partitions = 0")).contains("partitions is 0"));
    assert!(refused(&GOOD.replace("consumers = 1", "consumers = 9")).contains("consumers"));
    assert!(
        refused(&GOOD.replace("duration_seconds = 3\n", "")).contains("either rate_per_second and duration_seconds")
    );
    assert!(refused(&format!("{GOOD}incompressible = 2.0\n")).contains("between 0 and 1"));
}

#[test]
fn keys_are_set_from_outside() {
    let set = ["partitions=3".to_owned(), "compression=zstd".to_owned()];
    let workload = Workload::read(GOOD, &set).unwrap();
    assert_eq!((workload.partitions, workload.compression), (3, Compression::Zstd));
    assert!(Workload::read(GOOD, &["partition=3".to_owned()]).is_err());
    assert!(Workload::read(GOOD, &["partitions".to_owned()]).is_err());
}
