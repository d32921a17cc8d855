package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class LifetimeTest {
    record Row(long id, String text) {}

    @Test
    void everythingClosesInAnyOrder() {
        Random random = new Random(7);
        for (int round = 0; round < 30; round++) {
            LaminarDB db = LaminarDB.open();
            db.execute("CREATE SOURCE s (id BIGINT, text VARCHAR)");
            db.start();
            db.insert("s", new Row(1, "a"));
            Source<Row> source = db.source("s", Row.class);
            Writer<Row> writer = db.writer("s", Row.class);
            Subscription<ChangeBatch> subscription = db.subscribe("SELECT * FROM s");
            Listening listening = db.subscribe("s", Row.class).listen(row -> {}, error -> {});
            QueryResult result = db.query("SELECT * FROM s");
            Batch read = db.query("SELECT * FROM s").next();
            ChangeBatch change = subscription.poll();
            List<AutoCloseable> open = new ArrayList<>();
            Collections.addAll(
                    open, db, source, source.clone(), writer, subscription, listening, result, read,
                    change);
            Collections.shuffle(open, random);
            for (AutoCloseable each : open) {
                close(each);
                use(db, source, writer, subscription, result, read, change);
            }
        }
    }

    private static void close(AutoCloseable each) {
        try {
            each.close();
        } catch (Exception error) {
            assertTrue(error instanceof LaminarException, error::toString);
        }
    }

    /** Uses what may be closed: it answers or says so, and never does anything else. */
    private static void use(
            LaminarDB db,
            Source<Row> source,
            Writer<Row> writer,
            Subscription<ChangeBatch> subscription,
            QueryResult result,
            Batch read,
            ChangeBatch change) {
        List<Runnable> calls =
                List.of(
                        () -> db.insert("s", new Row(2, "b")),
                        () -> source.push(new Row(3, "c")),
                        () -> source.clone().close(),
                        writer::flush,
                        subscription::poll,
                        subscription::lagged,
                        result::next,
                        () -> assertEquals("a", read.column("text").getString(0)),
                        () -> assertEquals(1, change.column(0).getLong(0)));
        for (Runnable call : calls) {
            try {
                call.run();
            } catch (LaminarException | IllegalStateException error) {
                String message = String.valueOf(error.getMessage());
                assertTrue(message.contains("closed"), message);
            }
        }
    }

    @Test
    void threadsHammerOneDatabaseWhileItCloses() throws InterruptedException {
        for (int round = 0; round < 5; round++) {
            LaminarDB db = LaminarDB.open();
            db.execute("CREATE SOURCE s (id BIGINT, text VARCHAR)");
            db.execute("CREATE STREAM n AS SELECT text, count(*) AS n FROM s GROUP BY text");
            db.start();
            Source<Row> shared = db.source("s", Row.class);
            Subscription<Row> rows = db.sink("s", Row.class).subscribe();
            Queue<Throwable> unexpected = new ConcurrentLinkedQueue<>();
            CountDownLatch working = new CountDownLatch(8);
            List<Thread> threads = new ArrayList<>();
            for (int number = 0; number < 8; number++) {
                int kind = number;
                Runnable work =
                        switch (kind % 4) {
                            case 0 -> () -> db.insert("s", new Row(1, "t" + kind));
                            case 1 -> () -> shared.push(new Row(2, "t" + kind));
                            case 2 -> () -> db.query("SELECT * FROM n").toMaps();
                            default -> rows::poll;
                        };
                threads.add(
                        new Thread(
                                () -> {
                                    try {
                                        work.run();
                                        working.countDown();
                                        while (true) {
                                            work.run();
                                        }
                                    } catch (LaminarException error) {
                                        int code = error.code();
                                        if (code != 101 && code != 901 && code != 402) {
                                            unexpected.add(error);
                                        }
                                    } catch (Throwable error) {
                                        unexpected.add(error);
                                    }
                                }));
            }
            threads.forEach(Thread::start);
            working.await();
            db.close();
            for (Thread thread : threads) {
                thread.join(30_000);
                assertTrue(!thread.isAlive(), "a thread does not end");
            }
            assertEquals(List.of(), List.copyOf(unexpected));
        }
    }

    @Test
    void aCallThatWaitsHoldsNoOtherUp() throws InterruptedException {
        try (LaminarDB db = LaminarDB.open()) {
            db.execute("CREATE SOURCE full (id BIGINT, text VARCHAR)");
            db.execute("CREATE SOURCE s (id BIGINT, text VARCHAR)");
            db.start();
            SubscribeOptions block =
                    SubscribeOptions.defaults().capacity(1).onFull(SubscribeOptions.OnFull.BLOCK);
            Subscription<Row> slow = db.sink("full", Row.class).subscribe(block);
            Subscription<Row> quiet = db.sink("s", Row.class).subscribe();
            Source<Row> source = db.source("full", Row.class);
            while (source.tryPush(new Row(1, "a"))) {
                Thread.onSpinWait();
            }
            Thread pusher = new Thread(() -> source.push(new Row(2, "b")));
            Thread waiter = new Thread(() -> quiet.forEach(row -> {}));
            pusher.start();
            waiter.start();
            for (int round = 0; round < 200; round++) {
                db.insert("s", new Row(round, "c"));
                assertEquals(1, db.query("SELECT 1 AS one").toMaps().size());
                try (Subscription<ChangeBatch> other = db.subscribe("SELECT * FROM s")) {
                    assertTrue(other.poll() != null);
                }
            }
            assertTrue(pusher.isAlive() && waiter.isAlive());
            while (slow.poll() != null || pusher.isAlive()) {
                Thread.onSpinWait();
            }
            quiet.cancel();
            pusher.join(30_000);
            waiter.join(30_000);
            assertTrue(!pusher.isAlive() && !waiter.isAlive());
        }
    }

    @Test
    void handlesAreClosedWhileThreadsAreInThem() throws InterruptedException {
        try (LaminarDB db = LaminarDB.open()) {
            db.execute("CREATE SOURCE s (id BIGINT, text VARCHAR)");
            db.start();
            for (int round = 0; round < 50; round++) {
                Subscription<Row> rows = db.sink("s", Row.class).subscribe();
                Thread waiter = new Thread(() -> rows.forEach(row -> {}));
                waiter.start();
                db.insert("s", new Row(round, "a"));
                rows.close();
                waiter.join(30_000);
                assertTrue(!waiter.isAlive(), "the subscription does not end");
            }
        }
    }

    @Test
    void whatNobodyClosesIsCollected() {
        long before = Handle.live();
        List<Object> kept = new ArrayList<>();
        for (int round = 0; round < 100; round++) {
            kept.addAll(leave());
        }
        int made = kept.size();
        assertTrue(Handle.live() >= made, () -> Handle.live() + " handles of " + made);
        kept.clear();
        // Schemas are never closed, so those of other tests may be left over as well.
        long deadline = System.nanoTime() + 30_000_000_000L;
        while (Handle.live() > before && System.nanoTime() < deadline) {
            System.gc();
            Thread.yield();
        }
        assertTrue(Handle.live() <= before, () -> Handle.live() + " handles, not " + before);
    }

    @Test
    void whatIsUsedKeepsItsDatabase() {
        Source<Row> source = orphan().source("s", Row.class);
        Subscription<Row> rows = orphan().sink("s", Row.class).subscribe();
        QueryResult result = orphan().query("SELECT * FROM s");
        // When a database that nothing was made from is gone, the others would be, too.
        WeakReference<LaminarDB> unused = new WeakReference<>(orphan());
        long deadline = System.nanoTime() + 30_000_000_000L;
        while (unused.get() != null && System.nanoTime() < deadline) {
            System.gc();
        }
        assertTrue(unused.get() == null, "nothing was collected");
        source.push(new Row(2, "b"));
        assertTrue(rows.poll() == null && rows.isActive());
        assertEquals(List.of(new Row(1, "a")), result.toRecords(Row.class));
    }

    /** A database that nobody refers to but what is made from it. */
    private static LaminarDB orphan() {
        LaminarDB db = LaminarDB.open();
        db.execute("CREATE SOURCE s (id BIGINT, text VARCHAR)");
        db.start();
        db.insert("s", new Row(1, "a"));
        return db;
    }

    /** What somebody made and did not close; one handle or more for each. */
    private static List<Object> leave() {
        LaminarDB db = LaminarDB.open();
        db.execute("CREATE SOURCE s (id BIGINT, text VARCHAR)");
        db.start();
        db.insert("s", new Row(1, "a"));
        Source<Row> source = db.source("s", Row.class);
        source.push(new Row(2, "b"));
        Subscription<ChangeBatch> rows = db.subscribe("SELECT * FROM s");
        ChangeBatch change = rows.poll();
        QueryResult result = db.query("SELECT * FROM s");
        Batch batch = result.next();
        assertTrue(change != null && batch != null);
        return List.of(db, source, rows, change, result, batch);
    }

    @Test
    void thousandsOfDatabasesLeaveNothing() throws IOException {
        for (int round = 0; round < 300; round++) {
            openAndClose();
        }
        // What a database that is left open costs is the measure of a leak.
        List<LaminarDB> open = new ArrayList<>();
        long empty = residentKb();
        for (int number = 0; number < 200; number++) {
            LaminarDB db = LaminarDB.open();
            open.add(db);
            open(db);
            db.insert("s", Map.of("id", 1L));
        }
        long eachKb = Math.max(1, (residentKb() - empty) / open.size());
        open.forEach(LaminarDB::close);
        openAndClose();
        int rounds = 2_000;
        long before = residentKb();
        for (int round = 0; round < rounds; round++) {
            openAndClose();
        }
        long grownKb = residentKb() - before;
        assertTrue(
                grownKb < rounds * eachKb / 4,
                () -> "grew by " + grownKb + " KB, and one database costs " + eachKb + " KB");
    }

    private static void openAndClose() {
        try (LaminarDB db = LaminarDB.open();
                Listening listening = open(db)) {
            db.insert("s", Map.of("id", 1L));
            assertTrue(listening != null);
        }
    }

    private static Listening open(LaminarDB db) {
        db.execute("CREATE SOURCE s (id BIGINT, text VARCHAR)");
        db.start();
        return db.subscribe("s", Row.class).listen(row -> {}, error -> {});
    }

    @Test
    void handlesThatAreMadeAndFreedLeaveNothing() throws IOException {
        try (LaminarDB db = LaminarDB.open()) {
            db.execute("CREATE SOURCE s (id BIGINT, text VARCHAR)");
            db.start();
            db.insert("s", new Row(1, "a".repeat(1_000)));
            useHandles(db, 2_000);
            long before = residentKb();
            useHandles(db, 5_000);
            long grownKb = residentKb() - before;
            assertTrue(grownKb < 20_000, () -> "grew by " + grownKb + " KB");
        }
    }

    private static void useHandles(LaminarDB db, int rounds) {
        for (int round = 0; round < rounds; round++) {
            try (Source<Row> source = db.source("s", Row.class);
                    Source<Row> copy = source.clone();
                    Subscription<ChangeBatch> rows = db.subscribe("s")) {
                assertTrue(rows.poll() == null && !copy.isClosed());
            }
        }
    }

    /** A program that closes nothing, with functions and threads of the database's at work. */
    public static final class LeftOpen {
        public static void main(String[] args) {
            LaminarDB db = LaminarDB.open();
            Signature signature = Signature.of("BIGINT").returns("BIGINT");
            db.onLog(LogLevel.DEBUG, (level, line) -> db.isClosed());
            db.registerScalar("same", signature, row -> db.isClosed() ? 0 : row.getLong(0));
            db.execute("CREATE SOURCE s (n BIGINT, at AS proctime())");
            db.execute(
                    "CREATE STREAM ticks AS SELECT same(count(*)) AS n FROM s "
                            + "GROUP BY tumble(at, INTERVAL '10' MILLISECOND) EMIT ON WINDOW CLOSE");
            db.start();
            Subscription<Map<String, Object>> ticks = db.sink("ticks").subscribe();
            db.insert("s", Map.of("n", 1));
            // The timer's thread has called into the virtual machine and stays attached.
            Map<String, Object> tick = ticks.iterator().next();
            System.out.println(tick + " " + db.query("SELECT same(2) AS n").toMaps());
        }
    }

    @Test
    void theVirtualMachineEndsWithADatabaseLeftOpen() throws Exception {
        List<String> command =
                List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xcheck:jni",
                        "-cp",
                        System.getProperty("java.class.path"),
                        LeftOpen.class.getName());
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(process.waitFor(60, TimeUnit.SECONDS), "it does not end");
        assertEquals("{n=1} [{n=2}]\n", said);
        assertEquals(0, process.exitValue());
    }

    private static long residentKb() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        throw new IOException("/proc/self/status does not tell the memory");
    }
}
