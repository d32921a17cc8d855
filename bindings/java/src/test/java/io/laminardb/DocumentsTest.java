package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringWriter;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The programs of the documents and examples are compiled and run, and print what they say. */
class DocumentsTest {
    /** The folder of the binding. */
    private static final Path JAVA = Path.of(System.getProperty("laminar.java"));

    private static final Pattern BLOCK =
            Pattern.compile("```java\\n(.*?)```\\n(?:```text\\n(.*?)```)?", Pattern.DOTALL);

    @TempDir Path classes;

    @Test
    void theReadmeRunsAsPrinted() throws Exception {
        assertTrue(runBlocks(JAVA.resolve("README.md")) >= 3);
    }

    @Test
    void theGuideRunsAsPrinted() throws Exception {
        assertTrue(runBlocks(JAVA.resolve("../../docs/JAVA.md")) >= 6);
    }

    /** Runs each block of Java that says what it prints. */
    private int runBlocks(Path document) throws Exception {
        Matcher block = BLOCK.matcher(Files.readString(document));
        int run = 0;
        while (block.find()) {
            if (block.group(2) == null) {
                continue;
            }
            String name = "Block" + run;
            String program =
                    "import io.laminardb.*; import java.math.*; import java.time.*;"
                            + " import java.util.*; import java.util.concurrent.*;"
                            + " public class "
                            + name
                            + " { public static void main(String[] args) throws Exception {\n"
                            + block.group(1)
                            + "\n} }";
            assertEquals(block.group(2), run(name, program), document + ", block " + run);
            run++;
        }
        return run;
    }

    @Test
    void theExamplesRun() throws Exception {
        List<Path> examples;
        try (Stream<Path> files = Files.list(JAVA.resolve("examples"))) {
            examples = files.filter(file -> file.toString().endsWith(".java")).sorted().toList();
        }
        List<String> names = new ArrayList<>();
        for (Path example : examples) {
            String name = example.getFileName().toString().replace(".java", "");
            names.add(name);
            String printed = run(name, Files.readString(example));
            List<String> lines = printed.lines().toList();
            switch (name) {
                case "Dashboard" -> {
                    assertEquals(6, lines.size());
                    assertEquals("Detected 5 slow requests", lines.get(5));
                }
                case "EventCorrelation" ->
                        assertEquals(
                                """
                                User activity:
                                {user_id=alice, ip=1.2.3.4, amount=29.99, purchase_ts=3}
                                {user_id=bob, ip=5.6.7.8, amount=999.0, purchase_ts=4}
                                {user_id=alice, ip=1.2.3.4, amount=750.0, purchase_ts=5}
                                Large purchases:
                                {user_id=bob, amount=999.0, purchase_ts=4}
                                {user_id=alice, amount=750.0, purchase_ts=5}
                                """,
                                printed);
                case "IotMonitoring" -> {
                    // 36 alerts, a title and five devices, each with 40 of the 200 readings.
                    assertEquals(43, lines.size());
                    assertTrue(
                            lines.get(42).startsWith("Pipeline: running, 200 rows ingested,"),
                            printed);
                    assertEquals("ALERT [INSERT] device_1: temp=81.5", lines.get(0));
                    assertTrue(
                            lines.get(37).startsWith("Stats[device=device_0, readingCount=40,"),
                            printed);
                }
                case "ProducerConsumer" ->
                        assertEquals(
                                List.of(
                                        "Consumed 500 events",
                                        "Pipeline: ingested=500, late=0",
                                        "Producer done: 499 final watermark"),
                                lines.stream().sorted().toList());
                case "TimeSeries" -> {
                    assertEquals(4 + 3 + 10, lines.size());
                    long trades =
                            lines.stream()
                                    .filter(line -> line.startsWith("Summary"))
                                    .mapToLong(line -> number(line, "tradeCount"))
                                    .sum();
                    assertEquals(1000, trades);
                }
                default -> throw new AssertionError("nothing is expected of " + name);
            }
        }
        assertEquals(5, names.size());
    }

    private static long number(String line, String name) {
        Matcher matcher = Pattern.compile(name + "=(\\d+)").matcher(line);
        assertTrue(matcher.find(), line);
        return Long.parseLong(matcher.group(1));
    }

    /** Compiles a program, runs its main method, and answers what it prints. */
    private String run(String name, String program) throws Exception {
        compile(name, program);
        PrintStream out = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        try (URLClassLoader loader =
                        new URLClassLoader(
                                new URL[] {classes.toUri().toURL()}, getClass().getClassLoader());
                PrintStream capture = new PrintStream(printed, true, StandardCharsets.UTF_8)) {
            System.setOut(capture);
            loader.loadClass(name)
                    .getMethod("main", String[].class)
                    .invoke(null, (Object) new String[0]);
        } finally {
            System.setOut(out);
        }
        return printed.toString(StandardCharsets.UTF_8);
    }

    private void compile(String name, String program) throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter complaints = new StringWriter();
        JavaFileObject source =
                new SimpleJavaFileObject(
                        URI.create("string:///" + name + ".java"), JavaFileObject.Kind.SOURCE) {
                    @Override
                    public CharSequence getCharContent(boolean ignoreErrors) {
                        return program;
                    }
                };
        boolean compiled =
                compiler.getTask(
                                complaints,
                                null,
                                null,
                                List.of("-d", classes.toString(), "-Xlint:all", "--release", "17"),
                                null,
                                List.of(source))
                        .call();
        assertTrue(compiled, () -> program + "\n" + complaints);
    }
}
