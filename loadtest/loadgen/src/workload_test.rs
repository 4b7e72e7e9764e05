//! Workloads as they are written.

use super::*;

const GOOD: &str = "name = \"a\"\npartitions = 8\nconnections = 2\nconsumers = 1\nrecord_bytes = 1024\nrate_per_second = 100\nduration_seconds = 3\n";

fn refused(text: &str) -> String {
    Workload::read(text, &[]).expect_err("it should be refused").to_string()
}

/// A good text with one line in place of another is refused at that line, with these words.
fn check_refused(good: &str, wrong: &str, line: usize, says: &str) {
    assert!(GOOD.contains(good));
    let Wrong { line: found, text } = Workload::read(&GOOD.replace(good, wrong), &[]).expect_err(wrong);
    assert_eq!(found, Some(line), "{wrong}: {text}");
    assert!(text.contains(says) && !text.contains('\n'), "{wrong}: {text}");
}

/// Of something that was set, and not written.
fn check_set_refused(set: &[&str], says: &str) {
    let set: Vec<String> = set.iter().map(|one| (*one).to_owned()).collect();
    let Wrong { line, text } = Workload::read(GOOD, &set).expect_err(says);
    assert_eq!(line, None, "{text}");
    assert!(text.contains(says) && !text.contains('\n'), "{text}");
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
    assert!(refused(&format!("{GOOD}groups = 0\n")).contains("groups is 0"));
    let late_alone = Workload::read(&format!("{GOOD}groups = 0\ncatch_up_after_seconds = 4\n"), &[]).unwrap();
    assert_eq!(late_alone.groups_in_all(), 1);
    assert!(refused(&format!("{GOOD}incompressible = 2.0\n")).contains("between 0 and 1"));
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_key() {
    check_refused("partitions = 8", "partitons = 8", 2, "unknown field `partitons`, expected one of `name`");
    check_refused(
        "connections = 2",
        "connections = \"two\"",
        3,
        "connections: invalid type: string \"two\", expected a whole",
    );
    check_refused(
        "connections = 2",
        "connections = -2",
        3,
        "connections: invalid value: integer `-2`, expected a whole",
    );
    check_refused("record_bytes = 1024", "record_bytes = 1.5", 5, "record_bytes: invalid type");
    check_refused("record_bytes = 1024", "record_bytes = 10", 5, "record_bytes is 10; it must be between 64");
    check_refused("rate_per_second = 100", "rate_per_second = 0", 6, "rate_per_second is 0; it must be between 1");
    check_refused("duration_seconds = 3", "duration_seconds = 0", 7, "duration_seconds is 0");
    check_refused("consumers = 1", "consumers = 1\nuntil_saturated = 1", 5, "until_saturated: invalid type");
    check_refused("consumers = 1", "consumers = 1\ncatch_up_after_seconds = 3", 5, "between 0 and 2");
    check_refused("consumers = 1", "consumers = 1\nacknowledge_p99_ms_max = nan", 5, "acknowledge_p99_ms_max is NaN");
    let negative = "consumers = 1\nstore_requests_per_gibibyte_max = -1";
    check_refused("consumers = 1", negative, 5, "store_requests_per_gibibyte_max is -1");
    check_refused("consumers = 1", "consumers = ", 4, "");
    let stages = "stages = [\n    { rate_per_second = 5, seconds = 1 },\n    { rate_per_second = 5, seconds = 0 },\n]";
    let good = "rate_per_second = 100\nduration_seconds = 3";
    check_refused(good, stages, 8, "stages[1].seconds is 0; it must be between 1");
    check_refused(good, &stages.replace("= 0", "= \"x\""), 8, "stages[1].seconds: invalid type");
    check_refused(good, &stages.replace("seconds = 0", "second = 1"), 8, "unknown field `second`");
    check_set_refused(&["partitions=0"], "--set partitions=0: partitions is 0");
    check_set_refused(&["partitions=many"], "--set partitions=many: partitions: invalid type");
    check_set_refused(&["partition=3"], "--set partition=3: unknown field `partition`");
    check_set_refused(&["partitions"], "--set partitions: say key=value");
}

#[test]
fn a_file_is_told_by_name() {
    let file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    std::fs::write(file.path(), GOOD.replace("partitions = 8", "partitions = 0")).unwrap();
    let name = file.path().to_str().unwrap();
    let failure = Workload::load(name, &[]).expect_err("0 partitions");
    assert_eq!(failure.to_string(), format!("workload {name}:2: partitions is 0; it must be between 1 and 1000000"));
    // What is left out may be set.
    std::fs::write(file.path(), GOOD.replace("partitions = 8\n", "")).unwrap();
    let failure = Workload::load(name, &[]).expect_err("no partitions");
    assert_eq!(failure.to_string(), format!("workload {name}: missing field `partitions`"));
    assert_eq!(Workload::load(name, &["partitions=3".to_owned()]).unwrap().partitions, 3);
}

#[test]
fn what_a_workload_is_for_tells_what_was_changed() {
    let w4 = |set: &[&str]| {
        let set: Vec<String> = set.iter().map(|one| (*one).to_owned()).collect();
        Workload::load("w4", &set).unwrap().about
    };
    let about = w4(&[]);
    assert_eq!(w4(&["partitions=64", "name=mine"]), about, "64 as before");
    assert_eq!(w4(&["partitions=8", "spread=sticky"]), format!("{about} (with partitions=8, spread=sticky)"));
}

#[test]
fn keys_are_set_from_outside() {
    let set = ["partitions=3".to_owned(), "compression=zstd".to_owned()];
    let workload = Workload::read(GOOD, &set).unwrap();
    assert_eq!((workload.partitions, workload.compression), (3, Compression::Zstd));
    assert!(Workload::read(GOOD, &["partition=3".to_owned()]).is_err());
    assert!(Workload::read(GOOD, &["partitions".to_owned()]).is_err());
}
