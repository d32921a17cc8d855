package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SubscriptionTest {
    private static final Duration LONG = Duration.ofSeconds(30);

    record Reading(String sensor, long value) {}

    record Count(String sensor, long n) {}

    private final LaminarDB db = LaminarDB.open();

    @BeforeEach
    void define() {
        db.execute("CREATE SOURCE readings (sensor VARCHAR, value BIGINT)");
        db.execute("CREATE STREAM high AS SELECT * FROM readings WHERE value > 10");
        db.execute(
                "CREATE STREAM counts AS SELECT sensor, count(*) AS n FROM readings"
                        + " GROUP BY sensor EMIT CHANGES");
        db.execute("CREATE SINK alarm FROM high");
        db.start();
    }

    @AfterEach
    void close() {
        db.close();
    }

    private void insert(String sensor, long value) {
        db.insert("readings", new Reading(sensor, value));
    }

    @Test
    void rowsComeAsRecordsMapsAndBatches() throws InterruptedException {
        Subscription<Reading> records = db.sink("alarm", Reading.class).subscribe();
        Subscription<Map<String, Object>> maps = db.sink("alarm").subscribe();
        Subscription<ChangeBatch> batches = db.subscribe("high");
        insert("a", 5);
        insert("a", 11);
        assertEquals(new Reading("a", 11), records.poll());
        assertNull(records.poll());
        assertEquals(Map.of("sensor", "a", "value", 11L), maps.next(LONG));
        ChangeBatch batch = batches.next();
        assertNotNull(batch);
        assertEquals(1, batch.size());
        assertEquals("a", batch.column("sensor").getString(0));
        assertEquals(11, batch.column(1).getLong(0));
        assertEquals(1, batch.weight(0));
        assertFalse(batch.isReset());
        assertEquals(batch.epoch(), batches.epoch());
        assertTrue(batch.epoch() > 0);
        assertEquals(0, batches.lagged());
        assertThrows(SchemaException.class, () -> db.sink("nothing").subscribe());
        assertThrows(SchemaException.class, () -> db.sink("alarm", Count.class).subscribe());
    }

    @Test
    void changesTellWhatWentAndRowsDoNot() {
        Subscription<ChangeRow<Count>> changes = db.sink("counts", Count.class).changes();
        Subscription<Count> rows = db.subscribe("counts", Count.class);
        insert("a", 1);
        insert("a", 2);
        ChangeRow<Count> first = changes.poll();
        ChangeRow<Count> second = changes.poll();
        ChangeRow<Count> third = changes.poll();
        assertNull(changes.poll());
        assertNotNull(first);
        assertNotNull(second);
        assertNotNull(third);
        assertEquals(Op.INSERT, first.op());
        assertEquals(new Count("a", 1), first.row());
        assertEquals(Op.DELETE, second.op());
        assertEquals(new Count("a", 1), second.row());
        assertEquals(Op.INSERT, third.op());
        assertEquals(new Count("a", 2), third.row());
        assertEquals(second.epoch(), third.epoch());
        assertFalse(third.isReset());
        assertEquals(new Count("a", 1), rows.poll());
        assertEquals(new Count("a", 2), rows.poll());
        assertNull(rows.poll());
    }

    @Test
    void aSnapshotComesFirst() {
        insert("a", 20);
        SubscribeOptions options = SubscribeOptions.defaults().snapshot(true);
        Subscription<Count> counts = db.sink("counts", Count.class).subscribe(options);
        assertEquals(new Count("a", 1), counts.poll());
        Subscription<Reading> query =
                db.subscribe("SELECT * FROM readings WHERE value > 15", Reading.class);
        assertEquals(new Reading("a", 20), query.poll());
        insert("a", 30);
        assertEquals(new Reading("a", 30), query.poll());
    }

    @Test
    void iterationEndsWhenItIsCancelled() {
        Subscription<Reading> rows = db.sink("high", Reading.class).subscribe();
        List<Reading> seen = new ArrayList<>();
        CompletableFuture<Void> consumer =
                CompletableFuture.runAsync(
                        () -> {
                            for (Reading row : rows) {
                                seen.add(row);
                                if (row.value() == 14) {
                                    rows.cancel();
                                }
                            }
                        });
        for (int value = 11; value < 20; value++) {
            insert("a", value);
        }
        assertTimeoutPreemptively(LONG, consumer::join);
        assertEquals(
                List.of(11L, 12L, 13L, 14L), seen.stream().map(Reading::value).toList());
        assertFalse(rows.isActive());
        assertNull(rows.poll());
        rows.cancel();
        rows.close();
    }

    @Test
    void closingTheDatabaseWakesWhoWaits() {
        Subscription<Reading> rows = db.sink("high", Reading.class).subscribe();
        CompletableFuture<Integer> consumer =
                CompletableFuture.supplyAsync(
                        () -> {
                            int count = 0;
                            for (Reading row : rows) {
                                count += row == null ? 0 : 1;
                            }
                            return count;
                        });
        insert("a", 11);
        db.close();
        int seen = assertTimeoutPreemptively(LONG, consumer::join);
        assertTrue(seen <= 1);
        assertEquals(
                ErrorCode.CONNECTION_CLOSED,
                assertThrows(ConnectionException.class, rows::poll).errorCode());
        assertThrows(ConnectionException.class, () -> rows.next(LONG));
        assertFalse(rows.isActive());
    }

    @Test
    void aTimeoutAnswersNothing() throws InterruptedException {
        Subscription<Reading> rows = db.sink("high", Reading.class).subscribe();
        long begun = System.nanoTime();
        assertNull(rows.next(Duration.ofMillis(120)));
        long waitedMs = (System.nanoTime() - begun) / 1_000_000;
        assertTrue(waitedMs >= 120, () -> "waited " + waitedMs + " ms");
        assertNull(rows.next(Duration.ZERO));
        assertTrue(rows.isActive());
    }

    @Test
    void anInterruptEndsAWait() throws InterruptedException {
        Subscription<Reading> rows = db.sink("high", Reading.class).subscribe();
        AtomicReference<Throwable> first = new AtomicReference<>();
        AtomicReference<Throwable> second = new AtomicReference<>();
        Thread waiter =
                new Thread(
                        () -> {
                            first.set(assertThrows(InterruptedException.class, rows::next));
                            Thread.currentThread().interrupt();
                            second.set(
                                    assertThrows(
                                            CancellationException.class,
                                            () -> rows.iterator().hasNext()));
                            assertTrue(Thread.interrupted());
                        });
        waiter.start();
        waiter.interrupt();
        waiter.join(LONG.toMillis());
        assertFalse(waiter.isAlive());
        assertNotNull(first.get());
        assertNotNull(second.get());
        insert("a", 11);
        assertEquals(new Reading("a", 11), rows.poll());
    }

    @Test
    void twoThreadsShareWhatComes() {
        Subscription<Reading> rows = db.sink("high", Reading.class).subscribe();
        List<CompletableFuture<Integer>> consumers = new ArrayList<>();
        for (int number = 0; number < 2; number++) {
            consumers.add(
                    CompletableFuture.supplyAsync(
                            () -> {
                                int count = 0;
                                for (Reading row : rows) {
                                    count++;
                                    if (row.value() == 110) {
                                        rows.cancel();
                                    }
                                }
                                return count;
                            }));
        }
        for (int value = 11; value <= 110; value++) {
            insert("a", value);
        }
        int seen =
                assertTimeoutPreemptively(
                        LONG, () -> consumers.stream().mapToInt(CompletableFuture::join).sum());
        assertEquals(100, seen);
    }

    @Test
    void missedRowsAreTold() {
        SubscribeOptions small = SubscribeOptions.defaults().capacity(4);
        Subscription<Reading> rows = db.sink("high", Reading.class).subscribe(small);
        for (int value = 11; value < 31; value++) {
            insert("a", value);
        }
        LaminarException lagged = assertThrows(SubscriptionException.class, rows::poll);
        assertEquals(ErrorCode.SUBSCRIPTION_LAGGED, lagged.errorCode());
        assertEquals(503, lagged.code());
        List<Long> kept = new ArrayList<>();
        for (Reading row = rows.poll(); row != null; row = rows.poll()) {
            kept.add(row.value());
        }
        assertEquals(20 - rows.lagged(), kept.size());
        assertEquals(30L, kept.get(kept.size() - 1));
        assertTrue(rows.lagged() >= 16, () -> rows.lagged() + " missed");
    }

    @Test
    void changesThatWereMissedBeginAnew() {
        SubscribeOptions small = SubscribeOptions.defaults().capacity(4);
        Subscription<ChangeRow<Count>> changes = db.sink("counts", Count.class).changes(small);
        for (int sensor = 0; sensor < 50; sensor++) {
            insert("s" + sensor, 1);
        }
        int whole = 0;
        for (ChangeRow<Count> row = changes.poll(); row != null; row = changes.poll()) {
            assertTrue(row.isReset());
            assertEquals(Op.INSERT, row.op());
            whole++;
        }
        assertEquals(50, whole);
        insert("s0", 1);
        ChangeRow<Count> next = changes.poll();
        assertNotNull(next);
        assertFalse(next.isReset());
    }

    @Test
    void blockingHoldsPushesBack() {
        try (LaminarDB slow =
                LaminarDB.open(Config.builder().pushTimeout(Duration.ofMillis(50)).build())) {
            slow.execute("CREATE SOURCE s (value BIGINT)");
            slow.start();
            record Row(long value) {}
            SubscribeOptions options =
                    SubscribeOptions.defaults().capacity(2).onFull(SubscribeOptions.OnFull.BLOCK);
            Subscription<Row> rows = slow.sink("s", Row.class).subscribe(options);
            Source<Row> source = slow.source("s", Row.class);
            int pushed = 0;
            while (source.tryPush(new Row(pushed))) {
                pushed++;
                assertTrue(pushed < 100, "nothing holds it back");
            }
            for (int value = 0; value < pushed; value++) {
                assertEquals(new Row(value), rows.poll());
            }
            source.push(new Row(pushed));
            assertEquals(new Row(pushed), rows.poll());
            assertEquals(0, rows.lagged());
        }
    }

    @Test
    void aStreamThatFailsThrowsAndEnds() {
        db.execute("CREATE SOURCE numbers (n BIGINT)");
        db.execute(
                "CREATE STREAM inverse AS SELECT 10 / n AS x FROM numbers ON ERROR FAIL");
        Subscription<Map<String, Object>> rows = db.sink("inverse").subscribe();
        db.execute("INSERT INTO numbers VALUES (5)");
        assertEquals(Map.of("x", 2L), rows.poll());
        try {
            db.execute("INSERT INTO numbers VALUES (0)");
        } catch (LaminarException error) {
            // Who pushed may be told or not; the subscriber must be.
        }
        LaminarException failed = assertThrows(LaminarException.class, () -> rows.next(LONG));
        assertTrue(failed instanceof StreamException, failed::toString);
        assertFalse(rows.isActive());
    }

    @Test
    void aNullDoesNotFitAPrimitive() {
        Subscription<Reading> rows = db.sink("readings", Reading.class).subscribe();
        db.execute("INSERT INTO readings VALUES ('a', NULL), ('b', 2)");
        LaminarException error = assertThrows(SchemaException.class, rows::poll);
        assertTrue(error.getMessage().contains("`value`"), error::getMessage);
        assertEquals(new Reading("b", 2), rows.poll());
    }

    @Test
    void errorsOfAnotherThreadAreSeenByIt() {
        CompletableFuture<Void> failing =
                CompletableFuture.runAsync(() -> db.execute("SELECT nothing FROM nowhere"));
        CompletionException error =
                assertThrows(CompletionException.class, failing::join);
        assertTrue(error.getCause() instanceof LaminarException, error::toString);
    }
}
