import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.apache.kafka.common.utils.Exit;

/**
 * A command line tool that runs in this process, as it would in one of its own: starting a virtual machine for each would take
 * most of the time. Its streams are its own, {@code exit} ends it and nobody else, and so does {@link #end}.
 *
 * <p>As a program, it takes one tool a line: {@code run}, the class, what stands on standard input, and the arguments, with tabs
 * between. It answers with a line of exit code, standard output and standard error. With {@code start} for {@code run} the tool
 * goes on until a line {@code end}, which is answered instead. A tab, a line's end and a backslash are written {@code \t},
 * {@code \n} and {@code \\}.
 */
public final class Tool {
    private static final long SECONDS_MAX = 60;
    /** The tool that a thread, or the thread that started it, belongs to. */
    private static final InheritableThreadLocal<Tool> CURRENT = new InheritableThreadLocal<>();

    static {
        PrintStream out = System.out;
        PrintStream err = System.err;
        InputStream in = System.in;
        // Before any class of a tool is loaded: some keep the stream that they find.
        System.setOut(new PrintStream(new Switch(out, tool -> tool.out), true));
        System.setErr(new PrintStream(new Switch(err, tool -> tool.err), true));
        System.setIn(new InputStream() {
            @Override
            public int read() throws java.io.IOException {
                Tool tool = CURRENT.get();
                return tool == null ? in.read() : tool.in.read();
            }

            @Override
            public int read(byte[] bytes, int from, int count) throws java.io.IOException {
                Tool tool = CURRENT.get();
                return tool == null ? in.read(bytes, from, count) : tool.in.read(bytes, from, count);
            }
        });
        Exit.setExitProcedure((code, message) -> exit(code));
        Exit.setHaltProcedure((code, message) -> exit(code));
        Exit.setShutdownHookAdder((name, hook) -> CURRENT.get().addHook(hook));
    }

    private final InputStream in;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private final List<Runnable> hooks = new ArrayList<>();
    private final CountDownLatch ended = new CountDownLatch(1);
    private final Thread thread;
    private int code;

    /** Starts {@code main} of the class. */
    Tool(String name, String input, String... words) {
        in = new ByteArrayInputStream(input.getBytes(UTF_8));
        thread = new Thread(() -> {
            CURRENT.set(this);
            finish(run(name, words));
        }, name);
        // Whatever a tool leaves behind does not keep this process.
        thread.setDaemon(true);
        thread.start();
    }

    private int run(String name, String[] words) {
        try {
            Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) words);
            return 0;
        } catch (InvocationTargetException error) {
            error.getCause().printStackTrace();
        } catch (ReflectiveOperationException error) {
            error.printStackTrace();
        }
        return 1;
    }

    /** Never returns, as in a process that ends: what comes after it in a tool's code is not to be run. */
    private static void exit(int code) {
        CURRENT.get().finish(code);
        try {
            new CountDownLatch(1).await();
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    private synchronized void addHook(Runnable hook) {
        hooks.add(hook);
    }

    private void finish(int code) {
        runHooks();
        synchronized (this) {
            if (ended.getCount() > 0) {
                this.code = code;
                ended.countDown();
            }
        }
    }

    /** Each once. */
    private void runHooks() {
        List<Runnable> now;
        synchronized (this) {
            now = List.copyOf(hooks);
            hooks.clear();
        }
        now.forEach(Runnable::run);
    }

    /** Waits until it ends by itself. */
    Tool join() throws InterruptedException {
        if (!ended.await(SECONDS_MAX, TimeUnit.SECONDS)) {
            throw new IllegalStateException(thread.getName() + " does not end; it printed:\n" + out() + err());
        }
        return this;
    }

    /** What a signal does to it: it runs its hooks, and ends. */
    void end() throws InterruptedException {
        Thread hooks = new Thread(() -> {
            CURRENT.set(this);
            runHooks();
        });
        hooks.setDaemon(true);
        hooks.start();
        hooks.join(TimeUnit.SECONDS.toMillis(SECONDS_MAX));
        join();
    }

    int code() {
        return code;
    }

    /** Everything that it has printed. */
    String out() {
        return out.toString(UTF_8);
    }

    String err() {
        return err.toString(UTF_8);
    }

    /** Takes what it has printed since the last time, up to the last {@code end}. */
    byte[] takeOut(byte end) {
        synchronized (out) {
            byte[] all = out.toByteArray();
            int length = all.length;
            while (length > 0 && all[length - 1] != end) {
                length--;
            }
            out.reset();
            out.write(all, length, all.length - length);
            return Arrays.copyOf(all, length);
        }
    }

    /** Passes on to whichever tool a thread belongs to, or to the process itself. */
    private static final class Switch extends OutputStream {
        private final OutputStream own;
        private final Function<Tool, OutputStream> of;

        Switch(OutputStream own, Function<Tool, OutputStream> of) {
            this.own = own;
            this.of = of;
        }

        private OutputStream here() {
            Tool tool = CURRENT.get();
            return tool == null ? own : of.apply(tool);
        }

        @Override
        public void write(int one) throws java.io.IOException {
            here().write(one);
        }

        @Override
        public void write(byte[] bytes, int from, int count) throws java.io.IOException {
            OutputStream here = here();
            synchronized (here) {
                here.write(bytes, from, count);
            }
        }

        @Override
        public void flush() throws java.io.IOException {
            here().flush();
        }
    }

    private static String escaped(String text) {
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "");
    }

    private static String unescaped(String text) {
        StringBuilder plain = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char letter = text.charAt(i);
            if (letter != '\\') {
                plain.append(letter);
                continue;
            }
            i++;
            char next = text.charAt(i);
            plain.append(next == 't' ? '\t' : next == 'n' ? '\n' : next);
        }
        return plain.toString();
    }

    /** Runs what standard input says, until it ends. */
    public static void main(String[] none) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        Tool started = null;
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = Arrays.stream(line.split("\t", -1)).map(Tool::unescaped).toArray(String[]::new);
            Tool tool = started;
            if (words[0].equals("end")) {
                tool.end();
            } else {
                tool = new Tool(words[1], words[2], Arrays.copyOfRange(words, 3, words.length));
                if (words[0].equals("start")) {
                    started = tool;
                    continue;
                }
                tool.join();
            }
            System.out.println(tool.code() + "\t" + escaped(tool.out()) + "\t" + escaped(tool.err()));
        }
        System.exit(0);
    }
}
