package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Functions of SQL that are written in Java. */
class FunctionsTest {
    private LaminarDB db;

    @BeforeEach
    void open() {
        db = LaminarDB.open();
        db.execute("CREATE SOURCE numbers (k VARCHAR, n BIGINT, x DOUBLE)");
        db.start();
    }

    @AfterEach
    void close() {
        db.close();
    }

    private void insert(String k, Long n, Double x) {
        record Number(String k, Long n, Double x) {}
        db.insert("numbers", new Number(k, n, x));
    }

    /** The only value of a query. */
    private Object value(String sql) {
        return db.query(sql).toMaps().get(0).values().iterator().next();
    }

    private static void twice(Rows arguments, ColumnBuilder results) {
        Column n = arguments.column(0);
        for (int row = 0; row < arguments.size(); row++) {
            if (n.isNull(row)) {
                results.appendNull();
            } else if (n.getLong(row) == 13) {
                throw new IllegalArgumentException("no 13 here: \u00fc");
            } else {
                results.append(2 * n.getLong(row));
            }
        }
    }

    @Test
    void scalarFunctionsTakeColumns() {
        db.registerScalar("twice", Signature.of("BIGINT").returns("BIGINT"), FunctionsTest::twice);
        db.execute("CREATE STREAM doubled AS SELECT k, twice(n) AS d FROM numbers");
        try (Subscription<ChangeBatch> doubled = db.subscribe("doubled")) {
            db.insert(
                    "numbers",
                    List.of(Map.of("k", "a", "n", 1), Map.of("k", "b", "n", 13), Map.of("k", "c")));
            ChangeBatch batch = doubled.poll();
            assertEquals(2, batch.size());
            assertEquals(2, batch.column("d").getLong(0));
            assertTrue(batch.column("d").isNull(1));
        }
        assertEquals(
                "twice: java.lang.IllegalArgumentException: no 13 here: \u00fc",
                value("SELECT error FROM laminar_dead_letters"));
        assertEquals(42L, value("SELECT twice(21)"));
        QueryException refused =
                assertThrows(QueryException.class, () -> value("SELECT twice(13)"));
        assertTrue(refused.getMessage().contains("no 13 here: \u00fc"), refused.getMessage());
        assertEquals(
                "immutable", value("SELECT volatility FROM laminar_functions WHERE name = 'twice'"));
        SchemaException taken =
                assertThrows(
                        SchemaException.class,
                        () ->
                                db.registerScalar(
                                        "twice",
                                        Signature.of("BIGINT").returns("BIGINT"),
                                        FunctionsTest::twice));
        assertEquals(ErrorCode.TABLE_EXISTS, taken.errorCode());
    }

    @Test
    void scalarFunctionsTakeRows() {
        db.registerScalar(
                "hypotenuse",
                Signature.of("DOUBLE", "DOUBLE").returns("DOUBLE").strict(),
                row -> Math.hypot(row.getDouble(0), row.getDouble(1)));
        assertEquals(5.0, value("SELECT hypotenuse(3, 4)"));
        assertEquals(null, value("SELECT hypotenuse(3, NULL)"));
        db.registerScalar(
                "described",
                Signature.of("VARCHAR", "BIGINT").returns("VARCHAR"),
                row -> row.getObject(0) + "/" + (row.isNull(1) ? "none" : row.getInt(1)));
        assertEquals("a/7", value("SELECT described('a', 7)"));
        assertEquals("null/none", value("SELECT described(NULL, NULL)"));
        db.registerScalar(
                "ticket",
                Signature.of("BIGINT").returns("BIGINT").volatility(Volatility.VOLATILE),
                row -> row.getLong(0));
        assertEquals(
                "volatile", value("SELECT volatility FROM laminar_functions WHERE name = 'ticket'"));
    }

    @Test
    void functionsWithoutArguments() {
        AtomicLong tickets = new AtomicLong();
        db.registerScalar("seven", Signature.of().returns("BIGINT"), row -> 7);
        db.registerScalar(
                "ticket",
                Signature.of().returns("BIGINT").volatility(Volatility.VOLATILE).strict(),
                row -> tickets.incrementAndGet());
        db.registerScalar(
                "row_count",
                Signature.of().returns("BIGINT").volatility(Volatility.VOLATILE),
                (Rows rows, ColumnBuilder results) -> {
                    for (int row = 0; row < rows.size(); row++) {
                        results.append((long) rows.size());
                    }
                });
        db.execute("CREATE SOURCE plain (id BIGINT)");
        db.execute(
                "CREATE STREAM numbered AS "
                        + "SELECT id, seven() AS seven, ticket() AS ticket, row_count() AS n FROM plain");
        db.start();
        try (Subscription<ChangeBatch> numbered = db.subscribe("numbered")) {
            db.insert("plain", List.of(Map.of("id", 1), Map.of("id", 2)));
            assertEquals(
                    List.of(
                            Map.of("id", 1L, "seven", 7L, "ticket", 1L, "n", 2L),
                            Map.of("id", 2L, "seven", 7L, "ticket", 2L, "n", 2L)),
                    numbered.poll().toMaps());
        }
        QueryException error =
                assertThrows(
                        QueryException.class,
                        () ->
                                db.registerAggregate(
                                        "none",
                                        Signature.of().returns("DOUBLE"),
                                        Spread.class,
                                        new SpreadFunction()));
        assertTrue(error.getMessage().contains("needs at least one argument"), error.getMessage());
    }

    /** What goes in as one type comes out as the same. */
    @Test
    void everyTypeCrosses() {
        record Case(String type, String literal, Object value) {}
        List<Case> cases =
                List.of(
                        new Case("BOOLEAN", "true", true),
                        new Case("TINYINT", "-5", (byte) -5),
                        new Case("INTEGER", "7", 7),
                        new Case("BIGINT", "9007199254740993", 9007199254740993L),
                        new Case("REAL", "1.5", 1.5f),
                        new Case("DOUBLE", "-0.25", -0.25),
                        new Case("DECIMAL(10, 2)", "12.50", new BigDecimal("12.50")),
                        new Case("VARCHAR", "'gr\u00fc\u00dfe'", "gr\u00fc\u00dfe"),
                        new Case("DATE", "'1970-01-02'", LocalDate.of(1970, 1, 2)),
                        new Case(
                                "TIMESTAMP(3)",
                                "'2026-01-01 00:00:00.123'",
                                Instant.parse("2026-01-01T00:00:00.123Z")
                                        .atOffset(java.time.ZoneOffset.UTC)
                                        .toLocalDateTime()),
                        new Case("BIGINT[]", "[1, 2]", List.of(1L, 2L)));
        for (int index = 0; index < cases.size(); index++) {
            Case each = cases.get(index);
            List<Object> seen = new ArrayList<>();
            db.registerScalar(
                    "same_" + index,
                    Signature.of(each.type).returns(each.type),
                    row -> {
                        seen.add(row.getObject(0));
                        return row.getObject(0);
                    });
            String sql = "SELECT same_" + index + "(CAST(" + each.literal + " AS " + each.type + "))";
            assertEquals(each.value, value(sql), each.type);
            assertEquals(each.value, seen.get(0), each.type);
        }
        db.registerScalar(
                "bytes", Signature.of("BYTEA").returns("BYTEA"), row -> row.getBytes(0));
        assertEquals(
                List.of((byte) 0, (byte) 255),
                boxed((byte[]) value("SELECT bytes(decode('00ff', 'hex'))")));
    }

    private static List<Byte> boxed(byte[] bytes) {
        List<Byte> all = new ArrayList<>();
        for (byte each : bytes) {
            all.add(each);
        }
        return all;
    }

    @Test
    void whatAFunctionMayNotDoIsRefused() {
        Signature one = Signature.of("BIGINT").returns("BIGINT");
        db.registerScalar("none", one, (rows, results) -> {});
        assertThrown("gave 0 results for 1 rows", "SELECT none(1)");
        db.registerScalar("wrong", one, row -> "text");
        assertThrown("does not fit BIGINT", "SELECT wrong(1)");
        db.registerScalar("far", Signature.of("BIGINT").returns("TINYINT"), row -> 300);
        assertThrown("300 does not fit TINYINT", "SELECT far(1)");
        db.registerScalar("deep", one, FunctionsTest::deep);
        assertThrown("StackOverflowError", "SELECT deep(1)");
        db.registerScalar("silent", one, row -> { throw new Exception(); });
        assertThrown("java.lang.Exception", "SELECT silent(1)");
        db.registerScalar("unread", one, row -> row.getLong(5));
        assertThrown("Index 5", "SELECT unread(1)");
        db.registerScalar("loud", one, row -> { throw new Exception("x".repeat(5_000)); });
        assertThrown("xxx", "SELECT loud(1)");
        assertEquals(1L, value("SELECT 1"));

        assertThrows(
                LaminarException.class,
                () ->
                        db.registerScalar(
                                "odd", Signature.of("NO_TYPE").returns("BIGINT"), row -> 1));
        assertThrows(NullPointerException.class, () -> db.registerScalar("n", one, (RowFunction) null));
        db.close();
        assertThrows(ConnectionException.class, () -> db.registerScalar("late", one, row -> 1));
    }

    private static Object deep(Row row) throws Exception {
        return row.size() + (Integer) deep(row);
    }

    private void assertThrown(String part, String sql) {
        QueryException error = assertThrows(QueryException.class, () -> value(sql));
        assertTrue(error.getMessage().contains(part), error.getMessage());
    }

    record Spread(double least, double most) {}

    /** The largest less the smallest; nothing below zero. */
    static final class SpreadFunction implements AggregateFunction<Spread> {
        @Override
        public Spread update(Spread state, Row row) {
            double x = row.getDouble(0);
            if (x < 0) {
                throw new IllegalArgumentException("below zero");
            }
            return state == null
                    ? new Spread(x, x)
                    : new Spread(Math.min(state.least, x), Math.max(state.most, x));
        }

        @Override
        public Spread merge(Spread state, Spread other) {
            return new Spread(
                    Math.min(state.least, other.least), Math.max(state.most, other.most));
        }

        @Override
        public Object evaluate(Spread state) {
            return state == null ? null : state.most - state.least;
        }
    }

    @Test
    void aggregateFunctionsKeepRecords() {
        Signature signature = Signature.of("DOUBLE").returns("DOUBLE").strict();
        db.registerAggregate("spread", signature, Spread.class, new SpreadFunction());
        db.execute(
                "CREATE MATERIALIZED VIEW spreads AS SELECT k, spread(x) AS s FROM numbers GROUP BY k");
        insert("a", null, 3.0);
        insert("a", null, 10.0);
        insert("b", null, null);
        db.insert("numbers", List.of(Map.of("k", "a", "x", 1.0), Map.of("k", "a", "x", -1.0)));
        List<Map<String, Object>> rows = db.query("SELECT * FROM spreads ORDER BY k").toMaps();
        assertEquals(9.0, rows.get(0).get("s"));
        assertEquals(null, rows.get(1).get("s"));
        String dead = (String) value("SELECT error FROM laminar_dead_letters");
        assertTrue(dead.contains("below zero"), dead);
        assertEquals(2.5, value("SELECT spread(column1) FROM (VALUES (1.0), (3.5)) AS v"));
        assertThrown("below zero", "SELECT spread(-1.0)");
        QueryException changing =
                assertThrows(
                        QueryException.class,
                        () ->
                                db.execute(
                                        "CREATE STREAM again AS SELECT spread(s) AS s FROM spreads"));
        assertTrue(changing.getMessage().contains("spread"), changing.getMessage());
    }

    @Test
    void aggregateFunctionsMergePanesAndStandOverChanges() {
        Signature signature = Signature.of("DOUBLE").returns("DOUBLE").strict().retractable();
        db.registerAggregate("spread", signature, Spread.class, new SpreadFunction());
        db.execute("CREATE SOURCE readings (ts BIGINT, x DOUBLE, WATERMARK FOR ts)");
        db.execute(
                "CREATE STREAM hops AS SELECT spread(x) AS s FROM readings "
                        + "GROUP BY hop(ts, 1000, 2000) EMIT ON WINDOW CLOSE");
        db.execute("CREATE TABLE items (id BIGINT PRIMARY KEY, x DOUBLE)");
        db.execute("CREATE MATERIALIZED VIEW whole AS SELECT spread(x) AS s FROM items");
        try (Subscription<Map<String, Object>> hops = db.sink("hops").subscribe();
                Source<Map<String, Object>> source = db.source("readings")) {
            source.pushBatch(
                    List.of(
                            Map.of("ts", 100, "x", 3.0),
                            Map.of("ts", 1100, "x", 10.0),
                            Map.of("ts", 1200, "x", 1.0)));
            source.endOfInput();
            List<Object> closed = new ArrayList<>();
            for (var row = hops.poll(); row != null; row = hops.poll()) {
                closed.add(row.get("s"));
            }
            // [-1000, 1000) has 3; [0, 2000) has 3, 10, 1; [1000, 3000) has 10, 1.
            assertEquals(List.of(0.0, 9.0, 9.0), closed);
        }
        db.execute("INSERT INTO items VALUES (1, 5), (2, 8), (3, 6)");
        assertEquals(3.0, value("SELECT s FROM whole"));
        db.execute("DELETE FROM items WHERE id = 2");
        assertEquals(1.0, value("SELECT s FROM whole"));
    }

    enum Colour { RED, GREEN }

    record Rich(
            Boolean flag,
            Integer count,
            String text,
            byte[] bytes,
            LocalDate day,
            Instant at,
            Colour colour,
            List<Long> all) {}

    @Test
    void statesMayHoldWhatColumnsHold() {
        db.registerAggregate(
                "rich",
                Signature.of("BIGINT").returns("VARCHAR"),
                Rich.class,
                new AggregateFunction<Rich>() {
                    @Override
                    public Rich update(Rich state, Row row) {
                        if (row.isNull(0)) {
                            return state;
                        }
                        List<Long> all = new ArrayList<>(state == null ? List.of() : state.all());
                        all.add(row.getLong(0));
                        return new Rich(
                                true,
                                all.size(),
                                "t" + all.size(),
                                new byte[] {1, 2},
                                LocalDate.EPOCH,
                                Instant.ofEpochSecond(1, 5),
                                Colour.GREEN,
                                all);
                    }

                    @Override
                    public Rich merge(Rich state, Rich other) {
                        throw new AssertionError("nothing is merged here");
                    }

                    @Override
                    public Object evaluate(Rich s) {
                        return s == null
                                ? "nothing"
                                : s.flag + " " + s.count + " " + s.text + " " + s.bytes[1] + " "
                                        + s.day + " " + s.at.getNano() + " " + s.colour + " " + s.all;
                    }
                });
        db.execute("CREATE MATERIALIZED VIEW riches AS SELECT k, rich(n) AS r FROM numbers GROUP BY k");
        insert("a", 7L, null);
        insert("a", 8L, null);
        insert("b", null, null);
        assertEquals(
                List.of("true 2 t2 2 1970-01-01 5 GREEN [7, 8]", "nothing"),
                db.query("SELECT r FROM riches ORDER BY k").toMaps().stream()
                        .map(row -> row.get("r"))
                        .toList());

        record Odd(Thread thread) {}
        SchemaException odd =
                assertThrows(
                        SchemaException.class,
                        () ->
                                db.registerAggregate(
                                        "odd",
                                        Signature.of("BIGINT").returns("BIGINT"),
                                        Odd.class,
                                        new AggregateFunction<Odd>() {
                                            @Override
                                            public Odd update(Odd state, Row row) {
                                                return state;
                                            }

                                            @Override
                                            public Odd merge(Odd state, Odd other) {
                                                return state;
                                            }

                                            @Override
                                            public Object evaluate(Odd state) {
                                                return null;
                                            }
                                        }));
        assertTrue(odd.getMessage().contains("`thread`"), odd.getMessage());
    }

    /** Whatever would wait for the engine from inside says so, on all threads at once. */
    @Test
    void noFunctionCanWaitForTheEngine() throws InterruptedException {
        Subscription<Map<String, Object>> rows = db.sink("numbers").subscribe();
        Source<Map<String, Object>> shared = db.source("numbers");
        Writer<Map<String, Object>> writer = db.writer("numbers");
        writer.insert(Map.of("k", "gathered"));
        Queue<String> got = new ConcurrentLinkedQueue<>();
        Map<String, Object> row = Map.of("k", "inside", "n", 1L);
        List<Call> calls =
                List.of(
                        () -> db.execute("CREATE SOURCE more (n BIGINT)"),
                        () -> db.insert("numbers", row),
                        () -> db.query("SELECT 1").toMaps(),
                        () -> db.subscribe("SELECT * FROM numbers"),
                        () -> shared.push(row),
                        () -> shared.tryPush(row),
                        writer::flush,
                        rows::next,
                        () -> rows.next(java.time.Duration.ofDays(1)),
                        () -> rows.iterator().hasNext(),
                        () -> db.registerScalar("f", Signature.of("BIGINT").returns("BIGINT"), r -> 1),
                        db::close);
        db.registerScalar(
                "inside",
                Signature.of("BIGINT").returns("BIGINT"),
                r -> {
                    assertFalse(db.isClosed());
                    rows.poll();
                    for (int index = 0; index < calls.size(); index++) {
                        got.add(index + " " + outcome(calls.get(index)));
                    }
                    return r.getLong(0);
                });
        db.execute("CREATE STREAM seen AS SELECT inside(n) AS n FROM numbers WHERE k = 'in'");
        Queue<Throwable> unexpected = new ConcurrentLinkedQueue<>();
        Map<String, Object> in = Map.of("k", "in", "n", 1L);
        List<Runnable> jobs =
                List.of(
                        () -> shared.push(in),
                        () -> db.insert("numbers", in),
                        () -> shared.pushBatch(List.of(in, in)),
                        () -> value("SELECT inside(1)"));
        List<Thread> threads = new ArrayList<>();
        for (int number = 0; number < 8; number++) {
            Runnable job = jobs.get(number % jobs.size());
            Thread thread =
                    new Thread(
                            () -> {
                                for (int round = 0; round < 25; round++) {
                                    job.run();
                                }
                            });
            thread.setUncaughtExceptionHandler((failed, error) -> unexpected.add(error));
            threads.add(thread);
        }
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join(60_000);
            assertFalse(thread.isAlive(), "a thread waits for ever");
        }
        assertEquals(List.of(), List.copyOf(unexpected));
        TreeSet<String> outcomes = new TreeSet<>(got);
        for (int index = 0; index < calls.size(); index++) {
            int call = index;
            List<String> each =
                    outcomes.stream().filter(said -> said.startsWith(call + " ")).toList();
            assertEquals(List.of(index + " CONNECTION_IN_USE"), each);
        }
        assertFalse(db.isClosed());
    }

    @FunctionalInterface
    private interface Call {
        void run() throws Exception;
    }

    private static String outcome(Call call) {
        try {
            call.run();
            return "done";
        } catch (LaminarException error) {
            return error.errorCode().name();
        } catch (Exception error) {
            return error.toString();
        }
    }

    /** A database's own threads are attached as daemons, and ad-hoc queries run on them. */
    @Test
    void theDatabasesThreadsAreDaemons() {
        Queue<Thread> threads = new ConcurrentLinkedQueue<>();
        db.registerScalar(
                "where_am_i",
                Signature.of("BIGINT").returns("BIGINT").volatility(Volatility.VOLATILE),
                row -> {
                    threads.add(Thread.currentThread());
                    return row.getLong(0);
                });
        for (int round = 0; round < 50; round++) {
            assertEquals(1L, value("SELECT where_am_i(1)"));
        }
        assertEquals(50, threads.size());
        for (Thread thread : threads) {
            assertTrue(thread == Thread.currentThread() || thread.isDaemon(), thread::toString);
        }
    }
}
