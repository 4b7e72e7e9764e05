import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;

/** What an administrator has to do in the client matrix: the same as in ../../python/matrix_admin.py. */
final class AdminFeatures {
    private final Client client;
    private final String topic;
    private final Features features;

    AdminFeatures(Client client, String topic) {
        this.client = client;
        this.topic = topic;
        this.features = new Features(client, topic);
    }

    void check(String feature) throws Exception {
        switch (feature) {
            case "add-partitions" -> addPartitions();
            case "configs" -> configs();
            case "delete-records" -> deleteRecords();
            case "describe-groups" -> describeGroups();
            case "alter-groups" -> alterGroups();
            default -> throw new IllegalArgumentException("no feature is called " + feature);
        }
    }

    private static void equal(String what, Object found, Object expected) throws Features.Differs {
        if (!expected.equals(found)) {
            throw new Features.Differs(what + ": " + found + " instead of " + expected);
        }
    }

    private static void refused(String what, Callable<Void> call) throws Features.Differs {
        try {
            call.call();
        } catch (Exception expected) {
            return;
        }
        throw new Features.Differs(what + " was not refused");
    }

    /** Of some partitions there may be several ends. */
    private void readAll(int partitions, int ends, List<Features.Item> expected) throws Exception {
        try (Client.Reader reader = client.reader(topic, partitions)) {
            Features.compare(expected, Features.readToEnd(List.of(reader), ends).get(0), partitions);
        }
    }

    private void addPartitions() throws Exception {
        List<Features.Item> items = new ArrayList<>(Features.some("before", 30, 2));
        features.writeAndRead(items, 2, "none", false);
        client.addPartitions(topic, 4);
        equal("partitions", client.partitions(topic), 4);
        List<Features.Item> after = Features.some("after", 30, 2).stream().map(one -> new Features.Item(
                one.partition() + 2, one.key(), one.value(), one.headers(), one.timestamp())).toList();
        features.write(after, 4, "none", false);
        items.addAll(after);
        readAll(4, 6, items);
        refused("fewer partitions", () -> {
            client.addPartitions(topic, 1);
            return null;
        });
    }

    private void configs() throws Exception {
        features.writeAndRead(Features.some("configs", 30, 1), 1, "none", false);
        equal("the default", client.config(topic, "retention.ms"), "604800000");
        client.setConfig(topic, "retention.ms", "777000");
        equal("what was set", client.config(topic, "retention.ms"), "777000");
        refused("a time that is none", () -> {
            client.setConfig(topic, "retention.ms", "soon");
            return null;
        });
    }

    private void deleteRecords() throws Exception {
        List<Features.Item> items = Features.some("delete", 30, 1);
        features.writeAndRead(items, 1, "none", false);
        client.deleteRecords(topic, 10);
        readAll(1, 1, items.subList(10, 30));
    }

    /** Makes a group whose one member has read and committed everything. */
    private Client.Reader readByMember(String group, List<Features.Item> items) throws Exception {
        client.create(topic, 2);
        features.write(items, 2, "none", false);
        Client.Reader member = client.member(group, topic);
        Features.compare(items, Features.readToEnd(List.of(member), 2).get(0), 2);
        member.commit();
        return member;
    }

    private void untilEmpty(String group) throws Exception {
        long deadline = System.nanoTime() + Features.PATIENCE.toNanos();
        while (!client.describeGroup(group).equals("Empty 0")) {
            if (System.nanoTime() > deadline) {
                equal("the group whose member has left", client.describeGroup(group), "Empty 0");
            }
        }
    }

    private void describeGroups() throws Exception {
        String group = topic + "-group";
        try (Client.Reader member = readByMember(group, Features.some("groups", 40, 2))) {
            equal("the group", client.describeGroup(group), "Stable 1");
        }
        untilEmpty(group);
        equal("that the group is listed", client.groups().contains(group), true);
        equal("its offsets", client.groupOffsets(group, topic), Map.of(0, 21L, 1, 21L));
    }

    private void alterGroups() throws Exception {
        String group = topic + "-group";
        List<Features.Item> items = Features.some("groups", 40, 2);
        readByMember(group, items).close();
        untilEmpty(group);
        Map<Integer, Long> first = Map.of(0, 5L, 1, 7L);
        client.setGroupOffsets(group, topic, first);
        List<Features.Item> rest = new ArrayList<>();
        for (int i = 0; i < items.size(); i++) {
            if (i / 2 >= first.get(items.get(i).partition())) {
                rest.add(items.get(i));
            }
        }
        try (Client.Reader late = client.member(group, topic)) {
            Features.compare(rest, Features.readToEnd(List.of(late), 2).get(0), 2);
        }
        untilEmpty(group);
        client.deleteGroup(group);
        equal("that the deleted group is listed", client.groups().contains(group), false);
    }
}
