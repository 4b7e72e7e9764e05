//! The commands, as they are typed. What stands behind a `#` tells two of them apart.

/// What is done with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It runs to its end.
    Run,
    /// It goes on beside those that follow.
    Start,
    /// The one that goes on is ended, as by Ctrl-C.
    End,
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub words: &'static str,
    pub how: How,
    /// What it reads on standard input.
    pub input: &'static str,
    /// The content of `{file}`.
    pub file: &'static str,
    /// It is repeated until it prints this.
    pub until: &'static str,
    /// Its lines have no order.
    pub in_any_order: bool,
    /// Lines without this are left out: they speak of what others have left.
    pub about: &'static str,
    /// Numbers are how far the server happens to be.
    pub without_numbers: bool,
}

const fn run(words: &'static str) -> Line {
    Line {
        words,
        how: How::Run,
        input: "",
        file: "",
        until: "",
        in_any_order: false,
        about: "",
        without_numbers: false,
    }
}

const fn start(words: &'static str) -> Line {
    Line { how: How::Start, ..run(words) }
}

const fn end(words: &'static str) -> Line {
    Line { how: How::End, ..run(words) }
}

impl Line {
    const fn fed(self, input: &'static str) -> Line {
        Line { input, ..self }
    }

    const fn with_file(self, file: &'static str) -> Line {
        Line { file, ..self }
    }

    const fn until(self, until: &'static str) -> Line {
        Line { until, ..self }
    }

    const fn about(self, about: &'static str) -> Line {
        Line { about, ..self }
    }

    const fn without_numbers(self) -> Line {
        Line { without_numbers: true, ..self }
    }

    const fn in_any_order(self) -> Line {
        Line { in_any_order: true, ..self }
    }
}

/// All of them, in order: each finds what those before have done.
pub const LINES: &[Line] = &[
    // Topics.
    run("kafka-topics --create --topic orders --partitions 3"),
    run("kafka-topics --create --topic orders # again"),
    run("kafka-topics --create --topic orders --if-not-exists"),
    run("kafka-topics --create --topic single --partitions 1 --replication-factor 1"),
    run("kafka-topics --create --topic set --config retention.ms=777 --config cleanup.policy=compact"),
    run("kafka-topics --create --topic placed --replica-assignment 1,1"),
    run("kafka-topics --create --topic bad/name"),
    run("kafka-topics --create --topic .."),
    run("kafka-topics --create --topic none --partitions 0"),
    run("kafka-topics --create --topic none --replication-factor 4"),
    run("kafka-topics --create --topic none --replica-assignment 1,7"),
    run("kafka-topics --create --topic none --config retention.ms=soon"),
    run("kafka-topics --create --topic none --config no.such=1"),
    run("kafka-topics --create --topic thrice --replication-factor 3"),
    run("kafka-topics --delete --topic thrice --if-exists"),
    run("kafka-topics --list --topic orders|single|set|placed|none"),
    run("kafka-topics --list --topic nothing"),
    run("kafka-topics --describe --topic orders|single|set|placed"),
    run("kafka-topics --describe --topic nothing"),
    run("kafka-topics --describe --topic nothing --if-exists"),
    run("kafka-topics --describe --topics-with-overrides --topic orders|single|set|placed"),
    run("kafka-topics --describe --under-replicated-partitions"),
    run("kafka-topics --describe --unavailable-partitions"),
    run("kafka-topics --describe --under-min-isr-partitions"),
    run("kafka-topics --describe --at-min-isr-partitions --topic orders"),
    run("kafka-topics --alter --topic orders --partitions 5"),
    run("kafka-topics --alter --topic orders --partitions 5 # again"),
    run("kafka-topics --alter --topic orders --partitions 2"),
    run("kafka-topics --alter --topic single --partitions 2 --replica-assignment 1,7"),
    run("kafka-topics --alter --topic nothing --partitions 2"),
    run("kafka-topics --delete --topic placed"),
    run("kafka-topics --delete --topic nothing"),
    // Records.
    run("kafka-console-producer --topic single --reader-property parse.key=true --reader-property parse.headers=true \
         --reader-property null.marker=NULL")
    .fed("a:1,b:\tk1\tv1\nNULL\tk2\tNULL\nNULL\tNULL\tv3\n"),
    run("kafka-console-producer --topic single --compression-codec zstd --command-property acks=1").fed("v4\nv5\n"),
    run("kafka-console-producer --topic orders --reader-property parse.key=true").fed("k1\tv1\nk2\tv2\nk3\tv3\n"),
    run("kafka-console-producer --topic single --reader-property parse.key=true # no key").fed("no key\n"),
    run("kafka-console-consumer --topic single --from-beginning --max-messages 5 --formatter-property print.key=true \
         --formatter-property print.headers=true --formatter-property print.offset=true \
         --formatter-property print.partition=true --formatter-property print.timestamp=true --group readers"),
    run("kafka-console-consumer --topic single --partition 0 --offset 3 --max-messages 2"),
    run("kafka-console-consumer --topic orders --from-beginning --max-messages 3 --group readers \
         --formatter-property print.key=true --formatter-property print.partition=true")
    .in_any_order(),
    run("kafka-console-consumer --include single|set --from-beginning --max-messages 5 --group pattern \
         --command-property group.instance.id=one \
         --command-property partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor"),
    // Offsets.
    run("kafka-get-offsets --topic single|orders|set"),
    run("kafka-get-offsets --topic single|orders|set --time earliest"),
    run("kafka-get-offsets --topic single|orders|set --time latest"),
    // Not of the topic with records of the same millisecond.
    run("kafka-get-offsets --topic orders|set --time max-timestamp"),
    run("kafka-get-offsets --topic single|orders|set --time earliest-local"),
    run("kafka-get-offsets --topic single|orders|set --time latest-tiered"),
    run("kafka-get-offsets --topic single|orders|set --time 0"),
    run("kafka-get-offsets --topic single|orders|set --time 9999999999999"),
    run("kafka-get-offsets --topic-partitions orders:1-3,single:0 --time earliest"),
    run("kafka-get-offsets --topic orders --partitions 7"),
    run("kafka-get-offsets --topic nothing"),
    run("kafka-get-offsets --topic orders --time soon"),
    // Groups, first one with nobody in it.
    run("kafka-consumer-groups --describe --group readers"),
    run("kafka-consumer-groups --describe --group readers --members --verbose"),
    run("kafka-consumer-groups --describe --group readers --state --verbose"),
    run("kafka-consumer-groups --describe --group nothing"),
    run("kafka-consumer-groups --describe --group nothing --members"),
    run("kafka-consumer-groups --describe --group nothing --state"),
    run("kafka-consumer-groups --reset-offsets --group readers --topic single --to-earliest --dry-run"),
    run("kafka-consumer-groups --reset-offsets --group readers --topic single --to-earliest --export --dry-run"),
    run("kafka-consumer-groups --reset-offsets --group readers --topic single --to-offset 2 --execute"),
    run("kafka-consumer-groups --reset-offsets --group readers --topic single --shift-by -1 --execute"),
    run("kafka-consumer-groups --reset-offsets --group readers --topic single --to-current --execute"),
    run("kafka-consumer-groups --reset-offsets --group readers --topic single --to-offset 100 --execute"),
    run(
        "kafka-consumer-groups --reset-offsets --group readers --topic single --to-datetime 2020-01-01T00:00:00.000 --execute",
    ),
    run("kafka-consumer-groups --reset-offsets --group readers --topic single --by-duration PT1H --execute"),
    run("kafka-consumer-groups --reset-offsets --group readers --topic orders:1,2 --to-latest --execute"),
    run("kafka-consumer-groups --reset-offsets --group readers --from-file {file} --execute").with_file("single,0,3\n"),
    run("kafka-consumer-groups --reset-offsets --group readers --topic nothing --to-earliest --execute"),
    run("kafka-consumer-groups --reset-offsets --group readers --topic single:7 --to-earliest --execute"),
    run("kafka-consumer-groups --reset-offsets --group fresh --topic single --to-latest --execute"),
    run("kafka-consumer-groups --reset-offsets --group readers --all-topics --to-earliest --dry-run"),
    run("kafka-consumer-groups --describe --group readers --offsets # after all that").in_any_order(),
    run("kafka-consumer-groups --describe --group fresh"),
    run("kafka-consumer-groups --delete-offsets --group readers --topic orders"),
    run("kafka-consumer-groups --delete-offsets --group readers --topic orders:0 # again"),
    run("kafka-consumer-groups --delete-offsets --group readers --topic nothing"),
    run("kafka-consumer-groups --delete-offsets --group nothing --topic single"),
    // Then one with a member.
    start(
        "kafka-console-consumer --topic single --group live --command-property client.id=client \
           --command-property enable.auto.commit=false",
    ),
    run("kafka-consumer-groups --describe --group live --state --verbose").until("Stable"),
    run("kafka-consumer-groups --describe --group live"),
    run("kafka-consumer-groups --describe --group live --members --verbose"),
    run("kafka-consumer-groups --list --state stable").about("live"),
    run("kafka-consumer-groups --reset-offsets --group live --topic single --to-earliest --execute"),
    run("kafka-consumer-groups --delete-offsets --group live --topic single"),
    run("kafka-consumer-groups --delete-offsets --group live --topic orders"),
    run("kafka-consumer-groups --delete --group live"),
    run("kafka-consumer-groups --list --type classic --state Stable").about("live"),
    end("the console consumer is ended"),
    run("kafka-consumer-groups --describe --group live --state # ended").until("Empty"),
    run("kafka-consumer-groups --delete --group live # ended"),
    run("kafka-consumer-groups --delete --group readers --group nothing"),
    run("kafka-consumer-groups --delete --group nothing"),
    run("kafka-groups --list --consumer").about("pattern"),
    // Settings.
    run("kafka-configs --entity-type topics --entity-name single --describe"),
    run(
        "kafka-configs --entity-type topics --entity-name single --alter --add-config retention.ms=12345,cleanup.policy=[compact,delete]",
    ),
    run("kafka-configs --entity-type topics --entity-name single --describe # altered").until("retention.ms=12345"),
    run("kafka-configs --entity-type topics --entity-name single --describe --all"),
    run("kafka-configs --entity-type topics --entity-name single --alter --add-config retention.ms=soon"),
    run("kafka-configs --entity-type topics --entity-name single --alter --add-config cleanup.policy=[burn]"),
    run("kafka-configs --entity-type topics --entity-name single --alter --add-config segment.bytes=1"),
    run("kafka-configs --entity-type topics --entity-name single --alter --add-config no.such=1"),
    run("kafka-configs --entity-type topics --entity-name single --alter --delete-config no.such"),
    run("kafka-configs --entity-type topics --entity-name single --alter --delete-config retention.ms,cleanup.policy"),
    run("kafka-configs --entity-type topics --entity-name single --describe # as it was"),
    run("kafka-configs --entity-type topics --entity-name nothing --describe"),
    run("kafka-configs --entity-type topics --entity-name nothing --alter --add-config retention.ms=1"),
    run("kafka-configs --entity-type brokers --entity-name 1 --describe"),
    run("kafka-configs --entity-type brokers --entity-default --describe"),
    run(
        "kafka-configs --entity-type groups --entity-name fresh --alter --add-config consumer.session.timeout.ms=50000",
    ),
    run(
        "kafka-client-metrics --alter --name sent --metrics org.apache.kafka.producer. --interval 5000 --match client_id=a.*",
    ),
    run("kafka-client-metrics --list").about("sent"),
    run("kafka-client-metrics --describe --name sent").until("5000"),
    run("kafka-client-metrics --alter --name sent --interval 1"),
    run("kafka-client-metrics --alter --name sent --match nonsense"),
    run("kafka-client-metrics --describe --name nothing"),
    run("kafka-client-metrics --delete --name sent"),
    // Deletion of records.
    run("kafka-delete-records --offset-json-file {file}")
        .with_file(r#"{"version":1,"partitions":[{"topic":"single","partition":0,"offset":2}]}"#),
    run("kafka-delete-records --offset-json-file {file} # beyond the end")
        .with_file(r#"{"version":1,"partitions":[{"topic":"single","partition":0,"offset":100}]}"#),
    run("kafka-delete-records --offset-json-file {file} # of a compacted topic")
        .with_file(r#"{"version":1,"partitions":[{"topic":"set","partition":0,"offset":0}]}"#),
    run("kafka-delete-records --offset-json-file {file} # up to the end")
        .with_file(r#"{"version":1,"partitions":[{"topic":"single","partition":0,"offset":-1}]}"#),
    run("kafka-get-offsets --topic single --time earliest # after deletion"),
    run("kafka-console-consumer --topic single --partition 0 --offset 0 --timeout-ms 500 # out of range"),
    // The cluster.
    run("kafka-log-dirs --describe --topic-list orders --broker-list 1"),
    run("kafka-log-dirs --describe --topic-list nothing"),
    run("kafka-broker-api-versions"),
    run("kafka-cluster cluster-id"),
    run("kafka-cluster list-endpoints"),
    run("kafka-metadata-quorum describe --status").without_numbers(),
    run("kafka-metadata-quorum describe --replication").without_numbers(),
    run("kafka-features describe"),
    run("kafka-features upgrade --feature metadata.version=99"),
    run("kafka-features upgrade --feature no.such=1"),
    run("kafka-leader-election --election-type preferred --topic orders --partition 0"),
    run("kafka-leader-election --election-type unclean --topic orders --partition 0"),
    run("kafka-leader-election --election-type preferred --topic nothing --partition 0"),
    run("kafka-leader-election --election-type preferred --path-to-json-file {file}")
        .with_file(r#"{"partitions":[{"topic":"orders","partition":1},{"topic":"orders","partition":7}]}"#),
    run("kafka-reassign-partitions --generate --topics-to-move-json-file {file} --broker-list 1")
        .with_file(r#"{"version":1,"topics":[{"topic":"set"}]}"#),
    run("kafka-reassign-partitions --execute --reassignment-json-file {file}")
        .with_file(r#"{"version":1,"partitions":[{"topic":"set","partition":0,"replicas":[1]}]}"#),
    run("kafka-reassign-partitions --verify --reassignment-json-file {file}")
        .with_file(r#"{"version":1,"partitions":[{"topic":"set","partition":0,"replicas":[1]}]}"#),
    run("kafka-reassign-partitions --execute --reassignment-json-file {file} # to nowhere")
        .with_file(r#"{"version":1,"partitions":[{"topic":"set","partition":0,"replicas":[7]}]}"#),
    run("kafka-reassign-partitions --execute --reassignment-json-file {file} # of nothing")
        .with_file(r#"{"version":1,"partitions":[{"topic":"nothing","partition":0,"replicas":[1]}]}"#),
    run("kafka-reassign-partitions --cancel --reassignment-json-file {file}")
        .with_file(r#"{"version":1,"partitions":[{"topic":"set","partition":0,"replicas":[1]}]}"#),
    run("kafka-reassign-partitions --list"),
    run("kafka-transactions describe-producers --topic set --partition 0"),
    run("kafka-transactions list"),
    run("kafka-topics --delete --topic orders|single|set"),
];
