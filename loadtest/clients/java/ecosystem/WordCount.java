import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * {@code WordCount SETTING=VALUE ...}: from {@code lines}, each in capitals to {@code loud}, how often a word came in a minute
 * to {@code counts}, and how often it came at all to {@code totals}. Ends when it is told to, or by itself when Streams fails.
 */
public final class WordCount {
    /** Later than any record of a test comes, also one that is read again after a failure. */
    private static final Duration GRACE = Duration.ofHours(1);
    private static final Duration CLOSE_MAX = Duration.ofSeconds(30);
    private static final long LOOK_MS = 50;

    private WordCount() {}

    /** Prints how many tasks it has got whenever that changes; exits with 1 when it failed, and says why. */
    public static void main(String[] words) throws InterruptedException {
        Properties settings = new Properties();
        settings.put("default.key.serde", Serdes.StringSerde.class);
        settings.put("default.value.serde", Serdes.StringSerde.class);
        for (String word : words) {
            String[] pair = word.split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        System.out.println("version " + AppInfoParser.getVersion());
        CountDownLatch failed = new CountDownLatch(1);
        KafkaStreams streams = new KafkaStreams(topology(), settings);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            failed.countDown();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        // Without being asked, a member does not leave: its work would wait for its session to time out.
        var leave = CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP);
        Thread close = new Thread(() -> System.out.println("closed " + streams.close(leave.withTimeout(CLOSE_MAX))));
        Runtime.getRuntime().addShutdownHook(close);
        streams.start();
        int before = -1;
        while (!failed.await(LOOK_MS, TimeUnit.MILLISECONDS)) {
            int tasks = streams.metadataForLocalThreads().stream().mapToInt(thread -> thread.activeTasks().size()).sum();
            if (tasks != before) {
                System.out.println("tasks " + tasks + ".");
                before = tasks;
            }
        }
        System.exit(1);
    }

    private static Topology topology() {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> lines = builder.stream("lines");
        lines.filter((number, line) -> !line.isBlank()).mapValues(line -> line.toUpperCase()).to("loud");
        KGroupedStream<String, String> words = lines.flatMapValues(line -> Arrays.asList(line.split(" ")))
                .groupBy((number, word) -> word, Grouped.as("by-word"));
        words.windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), GRACE))
                .count(Materialized.as("by-minute"))
                .toStream()
                .map((word, count) -> KeyValue.pair(word.key() + "@" + word.window().start(), count.toString()))
                .to("counts");
        words.count(Materialized.as("ever")).toStream().mapValues(count -> count.toString()).to("totals");
        return builder.build();
    }
}
