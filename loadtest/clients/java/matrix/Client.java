import java.util.List;
import java.util.Map;

/** What a client can do, as the checks see it. What is refused throws. */
interface Client extends AutoCloseable {
    void create(String topic, int partitions) throws Exception;

    void delete(String topic) throws Exception;

    /** 0 when the topic is not there. */
    int partitions(String topic) throws Exception;

    /** Returns when all are acknowledged. */
    void write(String topic, List<Features.Item> items, String codec, boolean idempotent) throws Exception;

    Reader reader(String topic, int partitions) throws Exception;

    Reader member(String group, String topic) throws Exception;

    /** The first offset of partition 0 whose record is not older; -1 when there is none. */
    long offsetAt(String topic, long timestamp) throws Exception;

    void addPartitions(String topic, int count) throws Exception;

    String config(String topic, String name) throws Exception;

    void setConfig(String topic, String name, String value) throws Exception;

    /** Deletes those of partition 0 before an offset. */
    void deleteRecords(String topic, long before) throws Exception;

    List<String> groups() throws Exception;

    /** State and number of members: {@code Stable 1}. */
    String describeGroup(String group) throws Exception;

    Map<Integer, Long> groupOffsets(String group, String topic) throws Exception;

    void setGroupOffsets(String group, String topic, Map<Integer, Long> offsets) throws Exception;

    void deleteGroup(String group) throws Exception;

    /** Whether records may hold what is no text. */
    default boolean takesAnyBytes() {
        return true;
    }

    @Override
    void close();

    /** A consumer, with partitions of its own choice or as a member of a group. */
    interface Reader extends AutoCloseable {
        /** What has come, after a short wait. */
        List<Features.Item> poll() throws Exception;

        int assigned() throws Exception;

        void commit() throws Exception;

        @Override
        void close() throws Exception;
    }
}
