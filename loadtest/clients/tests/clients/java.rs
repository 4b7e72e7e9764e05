//! The Java client and the command line tools built on it.

use tidelog_clients::Server;
use tidelog_clients::server::Options;
use tidelog_clients::tools::{java, run};

use crate::server;

const SECONDS: u32 = 90;

fn produce(address: &str, topic: &str, extra: &[&str], input: &str) {
    let mut command = java("org.apache.kafka.tools.ConsoleProducer", SECONDS).unwrap();
    command.args(["--bootstrap-server", address, "--topic", topic]).args(extra);
    run(command, input.as_bytes()).unwrap();
}

fn consume(address: &str, topic: &str, count: usize, extra: &[&str]) -> String {
    let mut command = java("org.apache.kafka.tools.consumer.ConsoleConsumer", SECONDS).unwrap();
    command.args(["--bootstrap-server", address, "--topic", topic, "--from-beginning"]);
    command.args(["--timeout-ms", "60000", "--max-messages", &count.to_string()]).args(extra);
    run(command, b"").unwrap()
}

#[test]
fn the_console_tools_write_and_read() {
    let server = server();
    let lines: String = (0..1_000).map(|index| format!("line {index}\n")).collect();
    produce(server.address(), "console", &[], &lines);
    // Through `subscribe()`, so a group with its coordinator is part of this.
    assert_eq!(consume(server.address(), "console", 1_000, &["--group", "g"]), lines);
}

#[test]
fn a_plain_compressing_producer_works_too() {
    let server = server();
    let lines: String = (0..200).map(|index| format!("{index}\n")).collect();
    let extra = ["--compression-codec", "gzip", "--producer-property", "enable.idempotence=false"];
    produce(server.address(), "plain", &extra, &lines);
    assert_eq!(consume(server.address(), "plain", 200, &["--partition", "0"]), lines);
}

#[test]
fn the_performance_test_runs() {
    let server = server();
    let mut command = java("org.apache.kafka.tools.ProducerPerformance", SECONDS).unwrap();
    command.args(["--topic", "perf", "--num-records", "50000", "--record-size", "1024", "--throughput", "-1"]);
    command.args(["--bootstrap-server", server.address()]);
    let printed = run(command, b"").unwrap();
    assert!(printed.contains("50000 records sent"), "{printed}");
    let read = consume(server.address(), "perf", 50_000, &[]);
    assert_eq!(read.lines().count(), 50_000);
}

#[test]
fn the_other_performance_test_reads_what_is_there() {
    let server = server();
    let lines: String = (0..2_000).map(|index| format!("{index}\n")).collect();
    produce(server.address(), "perf", &[], &lines);
    let read = tool(
        "org.apache.kafka.tools.ConsumerPerformance",
        server.address(),
        &["--topic", "perf", "--num-records", "2000", "--timeout", "60000"],
    );
    // Begin, end, megabytes, a rate, records, a rate and more of this run's own.
    let row = read.lines().last().unwrap_or_default();
    assert_eq!(row.split(", ").nth(4), Some("2000"), "{read}");
}

#[test]
fn a_cooperative_static_member_reads_topics_by_a_pattern() {
    let server = server();
    for topic in ["news.sport", "others", "news.weather"] {
        produce(server.address(), topic, &[], &format!("{topic}\n"));
    }
    let mut command = java("org.apache.kafka.tools.consumer.ConsoleConsumer", SECONDS).unwrap();
    command.args([
        "--bootstrap-server",
        server.address(),
        "--include",
        "news\\..*",
        "--from-beginning",
        "--group",
        "g",
    ]);
    command.args(["--timeout-ms", "60000", "--max-messages", "2", "--command-property", "group.instance.id=one"]);
    const COOPERATIVE: &str = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    command.arg("--command-property").arg(format!("partition.assignment.strategy={COOPERATIVE}"));
    let mut read: Vec<String> = run(command, b"").unwrap().lines().map(str::to_owned).collect();
    read.sort();
    assert_eq!(read, ["news.sport", "news.weather"]);
    // It does not leave, being static: the group keeps it for a session timeout.
    const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    let members = tool(GROUPS, server.address(), &["--describe", "--group", "g", "--members", "--verbose"]);
    assert!(members.contains("news.sport") && members.contains("news.weather"), "{members}");
    let state = tool(GROUPS, server.address(), &["--describe", "--group", "g", "--state"]);
    assert!(state.contains("cooperative-sticky") && state.contains("Stable"), "{state}");
}

/// A command line tool against a server; its output.
fn tool(class: &str, address: &str, arguments: &[&str]) -> String {
    let mut command = java(class, SECONDS).unwrap();
    command.args(["--bootstrap-server", address]).args(arguments);
    run(command, b"").unwrap()
}

#[test]
fn kafka_configs_alters_and_describes() {
    const CONFIGS: &str = "kafka.admin.ConfigCommand";
    let server = server();
    let address = server.address();
    let topic = ["--entity-type", "topics", "--entity-name", "set"];
    tool("org.apache.kafka.tools.TopicCommand", address, &["--create", "--topic", "set"]);
    let alter = |what: &[&str]| tool(CONFIGS, address, &[&topic[..], &["--alter"], what].concat());
    alter(&["--add-config", "retention.ms=12345,cleanup.policy=[compact,delete]"]);
    let describe = |more: &[&str]| tool(CONFIGS, address, &[&topic[..], &["--describe"], more].concat());
    let set = describe(&[]);
    assert!(set.contains("retention.ms=12345"), "{set}");
    assert!(set.contains("cleanup.policy=compact,delete"), "{set}");
    assert!(!set.contains("segment.ms"), "{set}");
    let all = describe(&["--all"]);
    assert!(all.contains("segment.ms=604800000"), "{all}");
    alter(&["--delete-config", "retention.ms"]);
    assert!(!describe(&[]).contains("retention.ms"), "it is deleted");
    let mut bad = java(CONFIGS, SECONDS).unwrap();
    bad.args(["--bootstrap-server", address]).args(topic).args(["--alter", "--add-config", "retention.ms=soon"]);
    let said = run(bad, b"").unwrap_err().to_string();
    assert!(said.contains("Invalid value soon for configuration retention.ms"), "{said}");
    let broker = tool(CONFIGS, address, &["--entity-type", "brokers", "--entity-name", "1", "--describe", "--all"]);
    assert!(broker.contains("message.max.bytes=1048588") && broker.contains("node.id=1"), "{broker}");
}

#[test]
fn kafka_features_describes_and_changes_nothing() {
    const FEATURES: &str = "org.apache.kafka.tools.FeatureCommand";
    let server = server();
    let address = server.address();
    let described = tool(FEATURES, address, &["describe"]);
    let has = |feature: &str, level: &str| {
        let columns = [
            format!("Feature: {feature} SupportedMinVersion: {level} SupportedMaxVersion: {level}"),
            format!("FinalizedVersionLevel: {level} Epoch: 0"),
        ];
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(described.lines().any(|line| words(line) == columns.join(" ")), "{feature} is not in {described}");
    };
    has("metadata.version", "4.3-IV0");
    has("group.version", "0");
    has("transaction.version", "0");
    let same = tool(FEATURES, address, &["upgrade", "--feature", "metadata.version=30"]);
    assert!(same.contains("metadata.version was upgraded to 30"), "{same}");
    let mut newer = java(FEATURES, SECONDS).unwrap();
    newer.args(["--bootstrap-server", address, "upgrade", "--feature", "group.version=1", "--dry-run"]);
    let said = run(newer, b"").unwrap_err().to_string();
    assert!(said.contains("This cluster only supports versions 0-0"), "{said}");
    assert_eq!(tool(FEATURES, address, &["describe"]), described);
}

#[test]
fn kafka_client_metrics_subscribes_lists_describes_and_deletes() {
    const METRICS: &str = "org.apache.kafka.tools.ClientMetricsCommand";
    let flags = ["--log-filter", "info,tidelog_gateway_kafka::telemetry=debug"].map(str::to_owned).to_vec();
    let server = Server::start(Options { flags, ..Options::default() }).unwrap();
    let address = server.address();
    let of = ["--name", "apps"];
    let what = ["--metrics", "org.apache.kafka.", "--interval", "500", "--match", "client_id=app.*"];
    let altered = tool(METRICS, address, &[&["--alter"], &of[..], &what].concat());
    assert!(altered.contains("Altered client metrics config for apps."), "{altered}");
    let described = tool(METRICS, address, &[&["--describe"], &of[..]].concat());
    for line in ["interval.ms=500", "match=client_id=app.*", "metrics=org.apache.kafka."] {
        assert!(described.lines().any(|it| it.trim() == line), "{line} is not in {described}");
    }
    assert_eq!(tool(METRICS, address, &["--list"]).trim(), "apps");
    let mut bad = java(METRICS, SECONDS).unwrap();
    bad.args(["--bootstrap-server", address, "--alter"]).args(of).args(["--interval", "5"]);
    let said = run(bad, b"").unwrap_err().to_string();
    assert!(said.contains("interval must be between 100 and 3600000"), "{said}");
    produce(address, "told", &["--command-property", "client.id=app-1"], "a\nb\n");
    // Waits for a third record for long enough to push.
    let mut waiting = java("org.apache.kafka.tools.consumer.ConsoleConsumer", SECONDS).unwrap();
    waiting.args(["--bootstrap-server", address, "--topic", "told", "--from-beginning", "--timeout-ms", "4000"]);
    waiting.args(["--command-property", "client.id=app-2"]);
    let read = run(waiting, b"").unwrap();
    assert!(read.starts_with("a\nb\n"), "{read}");
    let log = server.output();
    assert!(log.contains("telemetry pushed") && !log.contains("telemetry is refused"), "{log}");
    let deleted = tool(METRICS, address, &[&["--delete"], &of[..]].concat());
    assert!(deleted.contains("Deleted client metrics config for apps."), "{deleted}");
    assert_eq!(tool(METRICS, address, &["--list"]).trim(), "");
}

#[test]
fn kafka_topics_adds_partitions_and_describes_them() {
    const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
    let server = server();
    let address = server.address();
    tool(TOPICS, address, &["--create", "--topic", "grows", "--partitions", "2"]);
    produce(address, "grows", &[], "before\n");
    tool(TOPICS, address, &["--alter", "--topic", "grows", "--partitions", "5"]);
    let described = tool(TOPICS, address, &["--describe", "--topic", "grows"]);
    assert!(described.contains("PartitionCount: 5"), "{described}");
    assert_eq!(described.matches("Leader: 1").count(), 5, "{described}");
    produce(address, "grows", &[], "after\n");
    let mut read: Vec<String> = consume(address, "grows", 2, &[]).lines().map(str::to_owned).collect();
    read.sort();
    assert_eq!(read, ["after", "before"]);
    let mut fewer = java(TOPICS, SECONDS).unwrap();
    fewer.args(["--bootstrap-server", address, "--alter", "--topic", "grows", "--partitions", "3"]);
    let said = run(fewer, b"").unwrap_err().to_string();
    assert!(said.contains("3 would not be an increase"), "{said}");
}

#[test]
fn kafka_consumer_groups_lists_describes_resets_and_deletes() {
    const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    let server = server();
    let address = server.address();
    let lines: String = (0..10).map(|index| format!("{index}\n")).collect();
    produce(address, "read", &[], &lines);
    consume(address, "read", 10, &["--group", "readers"]);
    let listed = tool(GROUPS, address, &["--list", "--state"]);
    assert!(listed.lines().any(|line| line.starts_with("readers") && line.contains("Empty")), "{listed}");
    let of = ["--group", "readers"];
    let described = tool(GROUPS, address, &[&["--describe"], &of[..]].concat());
    let row = described.lines().find(|line| line.starts_with("readers")).unwrap_or_else(|| panic!("{described}"));
    let columns: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(columns[1..6], ["read", "0", "10", "10", "0"], "{described}");
    let state = tool(GROUPS, address, &[&["--describe", "--state"], &of[..]].concat());
    assert!(state.contains("Empty"), "{state}");
    let reset = [&["--reset-offsets", "--to-offset", "4", "--topic", "read", "--execute"], &of[..]].concat();
    tool(GROUPS, address, &reset);
    assert_eq!(consume(address, "read", 6, &of), "4\n5\n6\n7\n8\n9\n", "from where it was set");
    tool(GROUPS, address, &[&["--delete-offsets", "--topic", "read"], &of[..]].concat());
    let deleted = tool(GROUPS, address, &[&["--delete"], &of[..]].concat());
    assert!(deleted.contains("readers") || deleted.contains("successful"), "{deleted}");
    assert!(!tool(GROUPS, address, &["--list"]).contains("readers"));
}

#[test]
fn kafka_delete_records_log_dirs_leader_election_and_quorum() {
    let server = server();
    let address = server.address();
    let lines: String = (0..10).map(|index| format!("{index}\n")).collect();
    produce(address, "cut", &[], &lines);
    let folder = tempfile::tempdir().unwrap();
    let wanted = folder.path().join("delete.json");
    std::fs::write(&wanted, r#"{"version":1,"partitions":[{"topic":"cut","partition":0,"offset":7}]}"#).unwrap();
    let mut delete = java("org.apache.kafka.tools.DeleteRecordsCommand", SECONDS).unwrap();
    delete.args(["--bootstrap-server", address, "--offset-json-file"]).arg(&wanted);
    let said = run(delete, b"").unwrap();
    assert!(said.contains("low_watermark: 7"), "{said}");
    assert_eq!(consume(address, "cut", 3, &[]), "7\n8\n9\n");
    let offsets = tool("org.apache.kafka.tools.GetOffsetShell", address, &["--topic", "cut", "--time", "earliest"]);
    assert_eq!(offsets.trim(), "cut:0:7");
    let sizes = tool("org.apache.kafka.tools.LogDirsCommand", address, &["--describe", "--topic-list", "cut"]);
    assert!(sizes.contains(r#""partition":"cut-0""#) && !sizes.contains(r#""size":0,"#), "{sizes}");
    let election = ["--election-type", "preferred", "--topic", "cut", "--partition", "0"];
    let elected = tool("org.apache.kafka.tools.LeaderElectionCommand", address, &election);
    assert!(elected.contains("Valid replica already elected"), "{elected}");
    let quorum = tool("org.apache.kafka.tools.MetadataQuorumCommand", address, &["describe", "--status"]);
    assert!(quorum.lines().any(|line| line.split_whitespace().eq(["LeaderId:", "1"])), "{quorum}");
}
