import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;

/** What the Java client has to do in the client matrix: the same as in ../../python/matrix_features.py. */
final class Features {
    static final Duration PATIENCE = Duration.ofSeconds(40);
    private static final long BASE_MS = 1_600_000_000_000L;
    /** Written last into each partition, in a batch of its own: whoever has read it has been offered everything before. */
    private static final byte[] END = bytes("the end");

    /** One record, as written or as read. A key or value that is null is absent, which is not the same as empty. */
    record Item(int partition, byte[] key, byte[] value, List<Map.Entry<String, byte[]>> headers, Long timestamp) {
        boolean isEnd() {
            return Arrays.equals(value, END);
        }

        boolean sameAs(Item other) {
            return Arrays.equals(key, other.key) && Arrays.equals(value, other.value);
        }

        boolean sameHeadersAs(Item other) {
            if (headers.size() != other.headers.size()) {
                return false;
            }
            for (int i = 0; i < headers.size(); i++) {
                var one = headers.get(i);
                var two = other.headers.get(i);
                if (!one.getKey().equals(two.getKey()) || !Arrays.equals(one.getValue(), two.getValue())) {
                    return false;
                }
            }
            return true;
        }

        @Override
        public String toString() {
            String start = value == null ? "null" : new String(value, 0, Math.min(40, value.length), UTF_8);
            String name = key == null ? "null" : new String(key, UTF_8);
            return "p" + partition + " " + name + " " + start + " with " + headers.size() + " headers at " + timestamp;
        }
    }

    /** The client was given something else than was written. */
    static final class Differs extends Exception {
        Differs(String what) {
            super(what);
        }
    }

    private final Client client;
    private final String topic;

    Features(Client client, String topic) {
        this.client = client;
        this.topic = topic;
    }

    void check(String feature) throws Exception {
        switch (feature) {
            case "produce" -> writeAndRead(some("produce", 600, 3), 3, "none", false);
            case "idempotence" -> writeAndRead(some("once", 1_000, 2), 2, "none", true);
            case "none", "gzip", "snappy", "lz4", "zstd" -> writeAndRead(some(feature, 300, 2), 2, feature, false);
            case "headers" -> headers();
            case "tombstones" -> tombstones();
            case "big" -> big();
            case "timestamps" -> writeAndRead(withTimes(50), 1, "none", false);
            case "offsets-by-time" -> offsetsByTime();
            case "admin" -> admin();
            case "group" -> group();
            default -> new AdminFeatures(client, topic).check(feature);
        }
    }

    private static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(UTF_8);
    }

    private static Item item(int partition, String key, String value) {
        return new Item(partition, bytes(key), bytes(value), List.of(), null);
    }

    static List<Item> some(String name, int count, int partitions) {
        List<Item> items = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            items.add(item(i % partitions, "key-" + i, name + "-" + i + ":" + "wide ".repeat(20)));
        }
        return items;
    }

    private static List<Item> withTimes(int count) {
        List<Item> items = new ArrayList<>();
        for (Item one : some("times", count, 1)) {
            items.add(new Item(0, one.key(), one.value(), List.of(), BASE_MS + items.size() * 1_000L));
        }
        return items;
    }

    void write(List<Item> items, int partitions, String codec, boolean idempotent) throws Exception {
        client.write(topic, items, codec, idempotent);
        List<Item> ends = new ArrayList<>();
        for (int partition = 0; partition < partitions; partition++) {
            ends.add(new Item(partition, bytes("end"), END, List.of(), null));
        }
        client.write(topic, ends, "none", false);
    }

    void writeAndRead(List<Item> items, int partitions, String codec, boolean idempotent) throws Exception {
        client.create(topic, partitions);
        write(items, partitions, codec, idempotent);
        try (Client.Reader reader = client.reader(topic, partitions)) {
            compare(items, readToEnd(List.of(reader), partitions).get(0), partitions);
        }
    }

    /** Polls all in turn until the ends of all partitions have come; what each got. */
    static List<List<Item>> readToEnd(List<Client.Reader> readers, int partitions) throws Exception {
        List<List<Item>> shares = new ArrayList<>();
        readers.forEach(reader -> shares.add(new ArrayList<>()));
        pollUntil(readers, shares, () -> shares.stream().flatMap(List::stream).filter(Item::isEnd).count() >= partitions);
        return shares;
    }

    private static void pollUntil(List<Client.Reader> readers, List<List<Item>> shares, Callable<Boolean> done)
            throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!done.call()) {
            for (int i = 0; i < readers.size(); i++) {
                shares.get(i).addAll(readers.get(i).poll());
            }
            if (System.nanoTime() > deadline) {
                throw new Differs("nothing more came after " + shares.stream().map(List::size).toList() + " records");
            }
        }
    }

    /** Every record once, in its place, as it was written. What was not given to the client is not compared. */
    static void compare(List<Item> written, List<Item> read, int partitions) throws Differs {
        for (int partition = 0; partition < partitions; partition++) {
            int here = partition;
            List<Item> expected = written.stream().filter(one -> one.partition() == here).toList();
            List<Item> got = read.stream().filter(one -> one.partition() == here && !one.isEnd()).toList();
            for (Item one : expected) {
                if (got.stream().noneMatch(one::sameAs)) {
                    throw new Differs("lost: " + one);
                }
            }
            if (got.size() > expected.size()) {
                throw new Differs("doubled or foreign: " + got.size() + " records instead of " + expected.size());
            }
            for (int i = 0; i < expected.size(); i++) {
                Item one = expected.get(i);
                Item other = got.get(i);
                boolean inTime = one.timestamp() == null || one.timestamp().equals(other.timestamp());
                if (!one.sameAs(other) || !one.sameHeadersAs(other) || !inTime) {
                    throw new Differs("reordered or altered at " + i + ": " + one + " became " + other);
                }
            }
        }
    }

    private void headers() throws Exception {
        List<Item> items = new ArrayList<>();
        for (Item one : some("headers", 20, 1)) {
            byte number = (byte) items.size();
            byte[] bytes = client.takesAnyBytes() ? new byte[] {0, (byte) 255, number} : bytes("\u00e4" + number);
            items.add(new Item(0, one.key(), one.value(), List.of(
                    Map.entry("a-number", bytes(String.valueOf(number))),
                    Map.entry("b-empty", new byte[0]),
                    Map.entry("c-bytes", bytes)), null));
        }
        writeAndRead(items, 1, "none", false);
    }

    private void tombstones() throws Exception {
        writeAndRead(List.of(
                item(0, "key", "value"), item(0, "key", null), item(0, null, "no key"),
                item(0, "gone", null), item(0, "key", ""), item(0, "", "empty key")), 1, "none", false);
    }

    private void big() throws Exception {
        List<Item> items = new ArrayList<>(some("big", 6, 1));
        for (int i : new int[] {1, 2, 4}) {
            byte[] noise = new byte[900_000];
            new Random(i).nextBytes(noise);
            if (!client.takesAnyBytes()) {
                for (int at = 0; at < noise.length; at++) {
                    noise[at] = (byte) ('a' + Math.floorMod(noise[at], 26));
                }
            }
            items.set(i, new Item(0, items.get(i).key(), noise, List.of(), null));
        }
        writeAndRead(items, 1, "none", false);
    }

    private void offsetsByTime() throws Exception {
        writeAndRead(withTimes(10), 1, "none", false);
        for (long[] pair : new long[][] {{0, 0}, {1, 1}, {4_000, 4}, {4_500, 5}, {9_000, 9}}) {
            long found = client.offsetAt(topic, BASE_MS + pair[0]);
            if (found != pair[1]) {
                throw new Differs("the first record at " + pair[0] + " ms or later is " + pair[1] + ", not " + found);
            }
        }
    }

    private void admin() throws Exception {
        if (client.partitions(topic) != 0) {
            throw new Differs("the topic is there before it is created");
        }
        writeAndRead(some("admin", 30, 3), 3, "none", false);
        if (client.partitions(topic) != 3) {
            throw new Differs(client.partitions(topic) + " partitions instead of 3");
        }
        boolean twice = true;
        try {
            client.create(topic, 3);
        } catch (Exception error) {
            if (!error.toString().toLowerCase(Locale.ROOT).contains("exists")) {
                throw error;
            }
            twice = false;
        }
        if (twice) {
            throw new Differs("a topic was created twice");
        }
        client.delete(topic);
        if (client.partitions(topic) != 0) {
            throw new Differs("a deleted topic is still there");
        }
    }

    /** Two members share four partitions, one leaves, and a third goes on where the last one stood. */
    private void group() throws Exception {
        client.create(topic, 4);
        String group = topic + "-group";
        Client.Reader stays = client.member(group, topic);
        try (stays) {
            try (Client.Reader leaves = client.member(group, topic)) {
                untilAssigned(2, List.of(stays, leaves));
                phase("two", List.of(stays, leaves));
            }
            // What it reads before it has noticed would rightly come again: nobody has committed it.
            untilAssigned(4, List.of(stays));
            phase("one", List.of(stays));
        }
        try (Client.Reader late = client.member(group, topic)) {
            phase("late", List.of(late));
        }
    }

    private void phase(String name, List<Client.Reader> members) throws Exception {
        List<Item> items = some(name, 200, 4);
        write(items, 4, "none", false);
        List<List<Item>> shares = readToEnd(members, 4);
        compare(items, shares.stream().flatMap(List::stream).toList(), 4);
        if (shares.stream().anyMatch(List::isEmpty)) {
            throw new Differs(name + ": one member got nothing");
        }
        for (Client.Reader member : members) {
            member.commit();
        }
    }

    private static void untilAssigned(int each, List<Client.Reader> members) throws Exception {
        List<List<Item>> shares = new ArrayList<>();
        members.forEach(member -> shares.add(new ArrayList<>()));
        pollUntil(members, shares, () -> {
            for (Client.Reader member : members) {
                if (member.assigned() != each) {
                    return false;
                }
            }
            return true;
        });
        if (shares.stream().anyMatch(share -> !share.isEmpty())) {
            throw new Differs("records came again");
        }
    }
}
