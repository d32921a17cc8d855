package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class SourceTest {
    record Trade(String symbol, double price, long ts) {}

    record Bar(String symbol, long windowStart, long trades, double high) {}

    private final LaminarDB db = LaminarDB.open();

    @AfterEach
    void close() {
        db.close();
    }

    private void trades() {
        db.execute("CREATE SOURCE trades (symbol VARCHAR NOT NULL, price DOUBLE, ts BIGINT)");
    }

    private void bars() {
        trades();
        db.execute(
                "CREATE STREAM bars AS SELECT symbol, tumble(ts, 1000) AS window_start,"
                        + " count(*) AS trades, max(price) AS high FROM trades"
                        + " GROUP BY symbol, tumble(ts, 1000) EMIT ON WINDOW CLOSE");
        db.start();
    }

    @Test
    void aPushHasReachedEverythingWhenItReturns() {
        bars();
        Subscription<Bar> bars = db.sink("bars", Bar.class).subscribe();
        try (Source<Trade> source = db.source("trades", Trade.class)) {
            source.push(new Trade("A", 1.5, 100));
            assertEquals(
                    2,
                    source.pushBatch(List.of(new Trade("A", 2.5, 200), new Trade("B", 9, 300))));
            assertNull(bars.poll());
            source.watermark(1_500);
            assertEquals(OptionalLong.of(1_500), source.currentWatermark());
            List<Bar> closed = List.of(required(bars.poll()), required(bars.poll()));
            assertTrue(closed.contains(new Bar("A", 0, 2, 2.5)), closed::toString);
            assertTrue(closed.contains(new Bar("B", 0, 1, 9)), closed::toString);
            assertNull(bars.poll());
        }
    }

    @Test
    void theSlowestProducerHoldsTheWatermark() {
        bars();
        Subscription<Bar> bars = db.sink("bars", Bar.class).subscribe();
        try (Source<Trade> first = db.source("trades", Trade.class);
                Source<Trade> second = first.clone()) {
            first.push(new Trade("A", 1, 100));
            second.push(new Trade("A", 2, 200));
            second.watermark(5_000);
            assertNull(bars.poll());
            first.watermark(1_000);
            assertEquals(new Bar("A", 0, 2, 2), bars.poll());
            first.push(new Trade("A", 3, 1_200));
            first.endOfInput();
            assertEquals(new Bar("A", 1_000, 1, 3), bars.poll());
            LaminarException refused =
                    assertThrows(
                            IngestionException.class, () -> first.push(new Trade("A", 1, 6_000)));
            assertTrue(refused.getMessage().contains("end"), refused::getMessage);
        }
    }

    @Test
    void producersOfManyThreadsLoseNothing() throws InterruptedException {
        trades();
        db.execute("CREATE STREAM n AS SELECT symbol, count(*) AS n FROM trades GROUP BY symbol");
        db.start();
        int threads = 4;
        int rows = 500;
        List<Thread> producers = new ArrayList<>();
        CountDownLatch begin = new CountDownLatch(1);
        try (Source<Trade> source = db.source("trades", Trade.class)) {
            for (int number = 0; number < threads; number++) {
                String symbol = "S" + number;
                // Half of them share the first producer, half have one of their own.
                Source<Trade> own = number % 2 == 0 ? source : source.clone();
                producers.add(
                        new Thread(
                                () -> {
                                    try {
                                        begin.await();
                                    } catch (InterruptedException error) {
                                        return;
                                    }
                                    for (int row = 0; row < rows; row++) {
                                        own.push(new Trade(symbol, row, row));
                                    }
                                    if (own != source) {
                                        own.close();
                                    }
                                }));
            }
            producers.forEach(Thread::start);
            begin.countDown();
            for (Thread producer : producers) {
                producer.join();
            }
        }
        List<Map<String, Object>> counts =
                db.query("SELECT symbol, n FROM n ORDER BY symbol").toMaps();
        assertEquals(threads, counts.size());
        counts.forEach(count -> assertEquals((long) rows, count.get("n")));
    }

    @Test
    void backpressureIsAnOutcomeForTryAndAnErrorForPush() {
        Config config =
                Config.builder().maxQueuedBytes(20_000).pushTimeout(Duration.ofMillis(20)).build();
        try (LaminarDB small = LaminarDB.open(config)) {
            small.execute("CREATE SOURCE s (text VARCHAR)");
            // What no stream reads does not wait for the start.
            small.execute("CREATE STREAM t AS SELECT upper(text) AS text FROM s");
            record Row(String text) {}
            Source<Row> source = small.source("s", Row.class);
            Row row = new Row("x".repeat(8_000));
            int taken = 0;
            while (source.tryPush(row)) {
                taken++;
                assertTrue(taken < 100, "the queue has no end");
            }
            assertTrue(taken > 0);
            assertEquals(taken, source.pending());
            assertFalse(source.tryPushBatch(List.of(row)));
            LaminarException full = assertThrows(IngestionException.class, () -> source.push(row));
            assertEquals(ErrorCode.BACKPRESSURE, full.errorCode());
            small.start();
            assertEquals(0, source.pending());
            assertTrue(source.tryPush(row));
            assertEquals(
                    (long) taken + 1,
                    small.query("SELECT count(*) AS n FROM s").toMaps().get(0).get("n"));
        }
    }

    @Test
    void aRecordGoesWithItsColumnsOrIsRefusedAtOnce() {
        trades();
        record Unknown(String symbol, double cost) {}
        record Ambiguous(String SYMBOL) {}
        record Renamed(@ColumnName("symbol") String name, @ColumnName("price") Double cost) {}
        LaminarException unknown =
                assertThrows(SchemaException.class, () -> db.source("trades", Unknown.class));
        assertTrue(unknown.getMessage().contains("`cost`"), unknown::getMessage);
        assertThrows(SchemaException.class, () -> db.source("nothing", Trade.class));
        db.start();
        db.source("trades", Ambiguous.class).push(new Ambiguous("A"));
        db.source("trades", Renamed.class).push(new Renamed("B", 2.0));
        assertEquals(
                List.of(new Renamed("A", null), new Renamed("B", 2.0)),
                db.query("SELECT * FROM trades ORDER BY symbol").toRecords(Renamed.class));
        db.execute("CREATE SOURCE twice (a_b BIGINT, ab BIGINT)");
        record Twice(long aB) {}
        LaminarException ambiguous =
                assertThrows(SchemaException.class, () -> db.source("twice", Twice.class));
        assertTrue(ambiguous.getMessage().contains("@ColumnName"), ambiguous::getMessage);
    }

    @Test
    void mapsArePushedWithoutAClass() {
        trades();
        db.start();
        try (Source<Map<String, Object>> source = db.source("trades")) {
            source.push(Map.of("symbol", "A", "ts", 7));
            LaminarException unknown =
                    assertThrows(
                            IngestionException.class,
                            () -> source.push(Map.of("symbol", "A", "cost", 1)));
            assertTrue(unknown.getMessage().contains("`cost`"), unknown::getMessage);
            LaminarException missing =
                    assertThrows(IngestionException.class, () -> source.push(Map.of("ts", 1)));
            assertTrue(missing.getMessage().contains("`symbol`"), missing::getMessage);
            assertEquals("trades", source.name());
            assertEquals(3, source.schema().size());
            assertTrue(source.hasCapacity());
        }
        Map<String, Object> row = db.query("SELECT * FROM trades").toMaps().get(0);
        assertEquals("A", row.get("symbol"));
        assertNull(row.get("price"));
        assertEquals(7L, row.get("ts"));
    }

    @Test
    void aClosedProducerSaysSo() {
        trades();
        Source<Trade> source = db.source("trades", Trade.class);
        Source<Trade> other = source.clone();
        source.close();
        source.close();
        assertTrue(source.isClosed());
        LaminarException closed =
                assertThrows(IngestionException.class, () -> source.push(new Trade("A", 1, 1)));
        assertEquals(ErrorCode.WRITER_CLOSED, closed.errorCode());
        other.push(new Trade("A", 1, 1));
        db.close();
        LaminarException gone =
                assertThrows(ConnectionException.class, () -> other.push(new Trade("A", 1, 1)));
        assertEquals(ErrorCode.CONNECTION_CLOSED, gone.errorCode());
        assertTrue(other.isClosed());
        other.close();
    }

    private static <T> T required(T value) {
        assertTrue(value != null, "nothing came");
        return value;
    }
}
