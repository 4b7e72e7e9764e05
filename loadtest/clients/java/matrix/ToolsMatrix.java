/** Kafka's command line tools in the client matrix, called as {@link Matrix} is. */
public final class ToolsMatrix {
    private ToolsMatrix() {}

    /** Exits with 0, or prints what differed. */
    public static void main(String[] words) {
        Matrix.check(words, ToolsClient::new);
    }
}
