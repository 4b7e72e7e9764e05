import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.utils.AppInfoParser;

/** Kafka's command line tools: each call is one of them, and who reads is a console consumer that stays. */
final class ToolsClient implements Client {
    private static final String TOPICS = "org.apache.kafka.tools.TopicCommand";
    private static final String CONFIGS = "kafka.admin.ConfigCommand";
    private static final String GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    private static final String DELETE_RECORDS = "org.apache.kafka.tools.DeleteRecordsCommand";
    private static final String CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    private static final boolean OLD = AppInfoParser.getVersion().startsWith("3.");
    private static final String PRODUCER = OLD ? "kafka.tools.ConsoleProducer" : "org.apache.kafka.tools.ConsoleProducer";
    private static final String PROPERTY_OF_CONSUMER = OLD ? "--consumer-property" : "--command-property";
    private static final String PROPERTY_OF_PRODUCER = OLD ? "--producer-property" : "--command-property";
    private static final String ABSENT = "NULL";
    /** Stand in no record. */
    private static final String BETWEEN = "\u001f";
    private static final char END = '\u001e';
    private static final long POLL_MS = 20;

    private final String address;

    ToolsClient(String address) {
        this.address = address;
    }

    /** What a tool prints. */
    private String run(String tool, String... words) throws Exception {
        return fed("", tool, words);
    }

    private String fed(String input, String tool, String... words) throws Exception {
        Tool ended = new Tool(tool, input, with(words)).join();
        if (ended.code() != 0) {
            throw new Exception(tool + " ended with " + ended.code() + ": " + ended.out() + ended.err());
        }
        return ended.out();
    }

    private String[] with(String... words) {
        List<String> all = new ArrayList<>(List.of("--bootstrap-server", address));
        all.addAll(Arrays.asList(words));
        return all.toArray(String[]::new);
    }

    /** The cells of a table's rows about {@code group}. */
    private List<String[]> rows(String group, String... words) throws Exception {
        String[] all = Arrays.copyOf(words, words.length + 3);
        System.arraycopy(new String[] {"--describe", "--group", group}, 0, all, words.length, 3);
        return run(GROUPS, all).lines().map(line -> line.trim().split("\\s+"))
                .filter(cells -> cells[0].equals(group)).toList();
    }

    @Override
    public void create(String topic, int partitions) throws Exception {
        run(TOPICS, "--create", "--topic", topic, "--partitions", String.valueOf(partitions));
    }

    @Override
    public void delete(String topic) throws Exception {
        run(TOPICS, "--delete", "--topic", topic);
    }

    @Override
    public int partitions(String topic) throws Exception {
        String described = run(TOPICS, "--describe", "--topic", topic, "--if-exists");
        return (int) described.lines().filter(line -> line.contains("\tPartition: ")).count();
    }

    @Override
    public void write(String topic, List<Features.Item> items, String codec, boolean idempotent) throws Exception {
        int last = items.stream().mapToInt(Features.Item::partition).max().orElse(0);
        for (int partition = 0; partition <= last; partition++) {
            int here = partition;
            writeTo(topic, items.stream().filter(one -> one.partition() == here).toList(), codec, idempotent, here);
        }
    }

    private void writeTo(String topic, List<Features.Item> items, String codec, boolean idempotent, int partition)
            throws Exception {
        StringBuilder lines = new StringBuilder();
        for (Features.Item one : items) {
            List<String> headers = one.headers().stream().map(header -> header.getKey() + ":" + text(header.getValue()))
                    .toList();
            lines.append(headers.isEmpty() ? ABSENT : String.join(",", headers)).append('\t');
            lines.append(text(one.key())).append('\t').append(text(one.value())).append('\n');
        }
        String property = OLD ? "--property" : "--reader-property";
        fed(lines.toString(), PRODUCER, "--topic", topic, "--compression-codec", codec, "--batch-size", "8192",
                "--timeout", "5", "--request-timeout-ms", "30000",
                PROPERTY_OF_PRODUCER, "enable.idempotence=" + idempotent,
                PROPERTY_OF_PRODUCER, "partitioner.class=" + OnePartition.class.getName(),
                PROPERTY_OF_PRODUCER, OnePartition.SETTING + "=" + partition,
                property, "parse.key=true", property, "parse.headers=true", property, "null.marker=" + ABSENT);
    }

    private static String text(byte[] bytes) {
        return bytes == null ? ABSENT : new String(bytes, UTF_8);
    }

    @Override
    public Client.Reader reader(String topic, int partitions) {
        List<Tool> consumers = new ArrayList<>();
        for (int partition = 0; partition < partitions; partition++) {
            consumers.add(consumer("--topic", topic, "--partition", String.valueOf(partition), "--offset", "earliest"));
        }
        return new Console(consumers, null);
    }

    @Override
    public Client.Reader member(String group, String topic) {
        String name = "member-" + System.nanoTime();
        Tool member = consumer("--topic", topic, "--group", group, "--from-beginning",
                PROPERTY_OF_CONSUMER, "client.id=" + name, PROPERTY_OF_CONSUMER, "heartbeat.interval.ms=300");
        return new Console(List.of(member), () -> rows(group, "--members").stream()
                .filter(cells -> cells[3].equals(name)).mapToInt(cells -> Integer.parseInt(cells[4])).sum());
    }

    private Tool consumer(String... words) {
        List<String> all = new ArrayList<>(Arrays.asList(words));
        for (String property : new String[] {"print.timestamp=true", "print.partition=true", "print.headers=true",
                "print.key=true", "key.separator=" + BETWEEN, "line.separator=" + END, "null.literal=" + ABSENT}) {
            all.addAll(List.of(OLD ? "--property" : "--formatter-property", property));
        }
        return new Tool(CONSUMER, "", with(all.toArray(String[]::new)));
    }

    @Override
    public long offsetAt(String topic, long timestamp) {
        throw new UnsupportedOperationException("they give records no timestamps");
    }

    @Override
    public void addPartitions(String topic, int count) throws Exception {
        run(TOPICS, "--alter", "--topic", topic, "--partitions", String.valueOf(count));
    }

    @Override
    public String config(String topic, String name) throws Exception {
        String described = run(CONFIGS, "--describe", "--all", "--entity-type", "topics", "--entity-name", topic);
        String line = described.lines().map(String::trim).filter(one -> one.startsWith(name + "=")).findFirst().get();
        return line.substring(name.length() + 1).split(" ")[0];
    }

    @Override
    public void setConfig(String topic, String name, String value) throws Exception {
        run(CONFIGS, "--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", name + "=" + value);
    }

    @Override
    public void deleteRecords(String topic, long before) throws Exception {
        runWithFile("{\"version\":1,\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"offset\":" + before
                + "}]}", DELETE_RECORDS, "--offset-json-file");
    }

    /** The file is the last word. */
    private void runWithFile(String content, String tool, String... words) throws Exception {
        Path file = Files.createTempFile("tidelog-matrix", "");
        try {
            Files.writeString(file, content);
            String[] all = Arrays.copyOf(words, words.length + 1);
            all[words.length] = file.toString();
            run(tool, all);
        } finally {
            Files.delete(file);
        }
    }

    @Override
    public List<String> groups() throws Exception {
        return run(GROUPS, "--list").lines().toList();
    }

    @Override
    public String describeGroup(String group) throws Exception {
        // The assignor before them may be absent.
        String[] cells = rows(group, "--state").get(0);
        return cells[cells.length - 2] + " " + cells[cells.length - 1];
    }

    @Override
    public Map<Integer, Long> groupOffsets(String group, String topic) throws Exception {
        Map<Integer, Long> offsets = new TreeMap<>();
        rows(group, "--offsets").forEach(cells -> offsets.put(Integer.valueOf(cells[2]), Long.valueOf(cells[3])));
        return offsets;
    }

    @Override
    public void setGroupOffsets(String group, String topic, Map<Integer, Long> offsets) throws Exception {
        StringBuilder lines = new StringBuilder();
        offsets.forEach((partition, offset) ->
                lines.append(topic).append(',').append(partition).append(',').append(offset).append('\n'));
        runWithFile(lines.toString(), GROUPS, "--reset-offsets", "--group", group, "--execute", "--from-file");
    }

    @Override
    public void deleteGroup(String group) throws Exception {
        run(GROUPS, "--delete", "--group", group);
    }

    /** They are fed with lines of text. */
    @Override
    public boolean takesAnyBytes() {
        return false;
    }

    @Override
    public void close() {}

    /** Says how many partitions a member has. */
    private interface Assigned {
        int count() throws Exception;
    }

    /** Console consumers that read until they are ended. */
    private record Console(List<Tool> consumers, Assigned assignment) implements Client.Reader {
        @Override
        public List<Features.Item> poll() throws Exception {
            List<Features.Item> read = new ArrayList<>();
            for (Tool consumer : consumers) {
                String printed = new String(consumer.takeOut((byte) END), UTF_8);
                if (!printed.isEmpty()) {
                    Arrays.stream(printed.split(String.valueOf(END))).map(Console::item).forEach(read::add);
                }
            }
            if (read.isEmpty()) {
                Thread.sleep(POLL_MS);
            }
            return read;
        }

        private static Features.Item item(String printed) {
            String[] parts = printed.split(BETWEEN, -1);
            List<Map.Entry<String, byte[]>> headers = new ArrayList<>();
            if (!parts[2].equals("NO_HEADERS")) {
                for (String header : parts[2].split(",")) {
                    String[] pair = header.split(":", 2);
                    headers.add(Map.entry(pair[0], pair[1].getBytes(UTF_8)));
                }
            }
            return new Features.Item(Integer.parseInt(after(parts[1])), bytes(parts[3]), bytes(parts[4]), headers,
                    Long.valueOf(after(parts[0])));
        }

        private static String after(String named) {
            return named.substring(named.indexOf(':') + 1);
        }

        private static byte[] bytes(String text) {
            return text.equals(ABSENT) ? null : text.getBytes(UTF_8);
        }

        @Override
        public int assigned() throws Exception {
            return assignment.count();
        }

        /** It commits by itself, at the latest when it gives partitions back. */
        @Override
        public void commit() {}

        @Override
        public void close() throws Exception {
            for (Tool consumer : consumers) {
                consumer.end();
            }
        }
    }
}
