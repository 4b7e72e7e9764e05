import java.util.Map;
import org.apache.kafka.clients.producer.Partitioner;
import org.apache.kafka.common.Cluster;

/** Puts every record into the one partition that a setting names: the console producer has no option for that. */
public final class OnePartition implements Partitioner {
    static final String SETTING = "one.partition";

    private int partition;

    @Override
    public void configure(Map<String, ?> settings) {
        partition = Integer.parseInt(settings.get(SETTING).toString());
    }

    @Override
    public int partition(String topic, Object key, byte[] keyBytes, Object value, byte[] bytes, Cluster cluster) {
        return partition;
    }

    @Override
    public void close() {}
}
