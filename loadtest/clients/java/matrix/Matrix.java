import java.util.function.Function;
import org.apache.kafka.common.utils.AppInfoParser;

/** The Java client in the client matrix: {@code Matrix version}, or {@code Matrix ADDRESS TOPIC FEATURE}. */
public final class Matrix {
    private Matrix() {}

    /** Exits with 0, or prints what differed. */
    public static void main(String[] words) {
        check(words, JavaClient::new);
    }

    static void check(String[] words, Function<String, Client> connect) {
        if (words.length == 1) {
            System.out.println(AppInfoParser.getVersion());
            return;
        }
        try (Client client = connect.apply(words[0])) {
            new Features(client, words[1]).check(words[2]);
        } catch (Features.Differs difference) {
            System.out.println(difference.getMessage());
            System.exit(1);
        } catch (Exception error) {
            error.printStackTrace();
            System.exit(1);
        }
    }
}
