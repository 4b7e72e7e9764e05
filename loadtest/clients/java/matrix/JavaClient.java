import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupListing;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java client. */
final class JavaClient implements Client {
    private static final Duration POLL = Duration.ofMillis(100);

    private final String address;
    private final Admin admin;

    JavaClient(String address) {
        this.address = address;
        this.admin = Admin.create(settings());
    }

    private Properties settings(String... pairs) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", address);
        for (int i = 0; i < pairs.length; i += 2) {
            settings.put(pairs[i], pairs[i + 1]);
        }
        return settings;
    }

    @Override
    public void create(String topic, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
    }

    @Override
    public void delete(String topic) throws Exception {
        admin.deleteTopics(List.of(topic)).all().get();
    }

    @Override
    public int partitions(String topic) throws Exception {
        if (!admin.listTopics().names().get().contains(topic)) {
            return 0;
        }
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    }

    @Override
    public void write(String topic, List<Features.Item> items, String codec, boolean idempotent) throws Exception {
        Properties settings = settings("compression.type", codec, "enable.idempotence", String.valueOf(idempotent),
                "acks", "all", "linger.ms", "5", "batch.size", "8192");
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (Features.Item one : items) {
                var record = new ProducerRecord<>(topic, one.partition(), one.timestamp(), one.key(), one.value());
                one.headers().forEach(header -> record.headers().add(header.getKey(), header.getValue()));
                sent.add(producer.send(record));
            }
            for (Future<RecordMetadata> one : sent) {
                one.get();
            }
        }
    }

    @Override
    public Client.Reader reader(String topic, int partitions) {
        var reader = new Reader(settings("auto.offset.reset", "earliest", "enable.auto.commit", "false"));
        reader.consumer.assign(IntStream.range(0, partitions).mapToObj(i -> new TopicPartition(topic, i)).toList());
        return reader;
    }

    @Override
    public Client.Reader member(String group, String topic) {
        var member = new Reader(settings("group.id", group, "auto.offset.reset", "earliest",
                "enable.auto.commit", "false", "heartbeat.interval.ms", "300"));
        member.consumer.subscribe(List.of(topic));
        return member;
    }

    @Override
    public long offsetAt(String topic, long timestamp) {
        try (Reader reader = new Reader(settings())) {
            var partition = new TopicPartition(topic, 0);
            var found = reader.consumer.offsetsForTimes(Map.of(partition, timestamp)).get(partition);
            return found == null ? -1 : found.offset();
        }
    }

    @Override
    public void addPartitions(String topic, int count) throws Exception {
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all().get();
    }

    @Override
    public String config(String topic, String name) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name).value();
    }

    @Override
    public void setConfig(String topic, String name, String value) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        var set = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
    }

    @Override
    public void deleteRecords(String topic, long before) throws Exception {
        admin.deleteRecords(Map.of(new TopicPartition(topic, 0), RecordsToDelete.beforeOffset(before))).all().get();
    }

    @Override
    public List<String> groups() throws Exception {
        return admin.listConsumerGroups().all().get().stream().map(ConsumerGroupListing::groupId).toList();
    }

    @Override
    public String describeGroup(String group) throws Exception {
        var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        return described.state() + " " + described.members().size();
    }

    @Override
    public Map<Integer, Long> groupOffsets(String group, String topic) throws Exception {
        Map<Integer, Long> offsets = new TreeMap<>();
        admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
                .forEach((partition, offset) -> offsets.put(partition.partition(), offset.offset()));
        return offsets;
    }

    @Override
    public void setGroupOffsets(String group, String topic, Map<Integer, Long> offsets) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> wanted = new HashMap<>();
        offsets.forEach((partition, offset) ->
                wanted.put(new TopicPartition(topic, partition), new OffsetAndMetadata(offset)));
        admin.alterConsumerGroupOffsets(group, wanted).all().get();
    }

    @Override
    public void deleteGroup(String group) throws Exception {
        admin.deleteConsumerGroups(List.of(group)).all().get();
    }

    @Override
    public void close() {
        admin.close();
    }

    /** A consumer, with partitions of its own choice or as a member of a group. */
    static final class Reader implements Client.Reader {
        private final KafkaConsumer<byte[], byte[]> consumer;

        private Reader(Properties settings) {
            consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        }

        @Override
        public List<Features.Item> poll() {
            List<Features.Item> read = new ArrayList<>();
            for (ConsumerRecord<byte[], byte[]> one : consumer.poll(POLL)) {
                List<Map.Entry<String, byte[]>> headers = new ArrayList<>();
                one.headers().forEach(header -> headers.add(Map.entry(header.key(), header.value())));
                read.add(new Features.Item(one.partition(), one.key(), one.value(), headers, one.timestamp()));
            }
            return read;
        }

        @Override
        public int assigned() {
            return consumer.assignment().size();
        }

        @Override
        public void commit() {
            consumer.commitSync();
        }

        @Override
        public void close() {
            consumer.close();
        }
    }
}
