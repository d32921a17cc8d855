package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** The log, and checkpoints. */
class LogTest {
    record Line(LogLevel level, String text) {}

    @Test
    void theLogTellsWhatHappens() {
        Queue<Line> lines = new ConcurrentLinkedQueue<>();
        try (LaminarDB db = LaminarDB.open()) {
            db.onLog(LogLevel.INFO, (level, line) -> lines.add(new Line(level, line)));
            db.execute("CREATE SOURCE n\u00fcmbers (n BIGINT)");
            db.execute("CREATE STREAM inverse AS SELECT 10 / n AS n FROM n\u00fcmbers");
            db.start();
            db.query("SELECT 1").toMaps();
            assertTrue(lines.stream().allMatch(line -> line.level == LogLevel.INFO));
            assertTrue(lines.peek().text.contains("n\u00fcmbers"), lines::toString);
            db.insert("n\u00fcmbers", Map.of("n", 0));
            assertEquals(
                    1, lines.stream().filter(line -> line.level == LogLevel.WARN).count());
            int told = lines.size();
            Queue<Line> others = new ConcurrentLinkedQueue<>();
            db.onLog(LogLevel.DEBUG, (level, line) -> others.add(new Line(level, line)));
            db.query("SELECT 2").toMaps();
            assertEquals(told, lines.size());
            assertTrue(
                    others.stream().anyMatch(line -> line.level == LogLevel.DEBUG),
                    others::toString);
            db.onLog(LogLevel.ERROR, null);
            int heard = others.size();
            db.query("SELECT 3").toMaps();
            assertEquals(heard, others.size());
        }
    }

    @Test
    void aListenerMayUseTheDatabase() throws InterruptedException {
        try (LaminarDB db = LaminarDB.open()) {
            db.execute("CREATE SOURCE s (n BIGINT)");
            db.execute("CREATE SOURCE seen (line VARCHAR)");
            db.execute("CREATE STREAM inverse AS SELECT 10 / n AS n FROM s");
            db.start();
            AtomicInteger told = new AtomicInteger();
            db.onLog(
                    LogLevel.INFO,
                    (level, line) -> {
                        told.incrementAndGet();
                        db.insert("seen", Map.of("line", line));
                        db.query("SELECT count(*) FROM seen").toMaps();
                    });
            List<Thread> threads = new ArrayList<>();
            for (int number = 0; number < 4; number++) {
                int name = number;
                threads.add(
                        new Thread(
                                () -> {
                                    for (int round = 0; round < 20; round++) {
                                        db.execute("CREATE SOURCE x" + name + " (n BIGINT)");
                                        db.insert("s", Map.of("n", 0));
                                        db.execute("DROP SOURCE x" + name);
                                    }
                                }));
            }
            threads.forEach(Thread::start);
            for (Thread thread : threads) {
                thread.join(60_000);
                assertFalse(thread.isAlive(), "a thread waits for ever");
            }
            db.onLog(LogLevel.INFO, null);
            assertTrue(told.get() >= 4 * 20 * 2, told::toString);
            long rows = (Long) db.query("SELECT count(*) AS n FROM seen").toMaps().get(0).get("n");
            assertEquals(told.get(), rows);
        }
    }

    @Test
    void whatAListenerThrowsIsUncaughtAndTheWorkGoesOn() {
        Thread thread = Thread.currentThread();
        Thread.UncaughtExceptionHandler before = thread.getUncaughtExceptionHandler();
        Queue<Throwable> uncaught = new ConcurrentLinkedQueue<>();
        try (LaminarDB db = LaminarDB.open()) {
            thread.setUncaughtExceptionHandler((where, error) -> uncaught.add(error));
            db.onLog(
                    LogLevel.INFO,
                    (level, line) -> {
                        throw new IllegalStateException("broken");
                    });
            db.execute("CREATE SOURCE s (n BIGINT)");
            assertEquals("broken", uncaught.remove().getMessage());
            assertEquals(1, db.sources().size());
        } finally {
            thread.setUncaughtExceptionHandler(before);
        }
    }

    /** The database's timer is a thread of the library's own: it calls as a daemon. */
    @Test
    void theTimerTellsToo() throws InterruptedException {
        try (LaminarDB db = LaminarDB.open()) {
            CountDownLatch told = new CountDownLatch(1);
            Queue<Thread> threads = new ConcurrentLinkedQueue<>();
            db.execute(
                    "CREATE SOURCE s (n BIGINT, at AS proctime())");
            db.execute(
                    "CREATE STREAM counts AS SELECT count(*) / (count(*) - 1) AS n FROM s "
                            + "GROUP BY tumble(at, INTERVAL '100' MILLISECOND) EMIT ON WINDOW CLOSE");
            db.start();
            db.onLog(
                    LogLevel.WARN,
                    (level, line) -> {
                        threads.add(Thread.currentThread());
                        told.countDown();
                    });
            db.insert("s", Map.of("n", 1));
            assertTrue(told.await(30, TimeUnit.SECONDS), "the window never closed");
            assertTrue(threads.peek().isDaemon());
        }
    }

    @Test
    void aDatabaseInMemoryHasNoCheckpoints() {
        LaminarDB db = LaminarDB.open();
        QueryException none = assertThrows(QueryException.class, db::checkpoint);
        assertEquals(ErrorCode.UNSUPPORTED, none.errorCode());
        db.close();
        ConnectionException closed = assertThrows(ConnectionException.class, db::checkpoint);
        assertEquals(ErrorCode.CONNECTION_CLOSED, closed.errorCode());
    }
}
