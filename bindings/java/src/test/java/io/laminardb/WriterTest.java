package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class WriterTest {
    record Row(long ts, String name) {}

    private final LaminarDB db = LaminarDB.open();

    @BeforeEach
    void define() {
        db.execute("CREATE SOURCE s (ts BIGINT NOT NULL, name VARCHAR)");
        db.start();
    }

    @AfterEach
    void close() {
        db.close();
    }

    private long count() {
        return (Long) db.query("SELECT count(*) AS n FROM s").toMaps().get(0).get("n");
    }

    @Test
    void rowsWaitUntilTheyAreMany() {
        try (Writer<Row> writer = db.writer("s", Row.class)) {
            for (int row = 0; row < Writer.BATCH_ROWS - 1; row++) {
                writer.insert(new Row(row, "a"));
            }
            assertEquals(0, count());
            writer.insert(new Row(1, null));
            assertEquals(Writer.BATCH_ROWS, count());
            writer.insert(new Row(2, "b"));
            assertEquals(1, writer.flush());
            assertEquals(0, writer.flush());
            assertEquals(2, writer.insertAll(List.of(new Row(3, "c"), new Row(4, "d"))));
            writer.watermark(4);
            assertEquals(OptionalLong.of(4), writer.currentWatermark());
            writer.watermark(Instant.ofEpochMilli(3));
            assertEquals(OptionalLong.of(4), writer.currentWatermark());
            assertEquals(Writer.BATCH_ROWS + 3, count());
            writer.insert(new Row(5, "e"));
        }
        assertEquals(Writer.BATCH_ROWS + 4, count());
    }

    @Test
    void aWrongRowIsRefusedAtOnceAndTheOthersStay() {
        try (Writer<Map<String, Object>> writer = db.writer("s")) {
            writer.insert(Map.of("ts", 1));
            List<Map<String, Object>> rows =
                    List.of(Map.of("ts", 2), Map.of("ts", "three"), Map.of("ts", 4));
            LaminarException error =
                    assertThrows(IngestionException.class, () -> writer.insertAll(rows));
            assertTrue(error.getMessage().contains("`ts`"), error::getMessage);
            assertTrue(error.getMessage().contains("row 2"), error::getMessage);
            writer.insert(Map.of("ts", 5));
        }
        assertEquals(
                List.of(Map.of("ts", 1L), Map.of("ts", 5L)),
                db.query("SELECT ts FROM s ORDER BY ts").toMaps());
    }

    @Test
    void afterCloseItIsClosed() {
        Writer<Row> writer = db.writer("s", Row.class);
        writer.insert(new Row(1, "a"));
        writer.close();
        writer.close();
        assertTrue(writer.isClosed());
        LaminarException closed =
                assertThrows(IngestionException.class, () -> writer.insert(new Row(2, "b")));
        assertEquals(ErrorCode.WRITER_CLOSED, closed.errorCode());
        Writer<Row> late = db.writer("s", Row.class);
        late.insert(new Row(3, "c"));
        db.close();
        LaminarException lost = assertThrows(ConnectionException.class, late::close);
        assertEquals(ErrorCode.CONNECTION_CLOSED, lost.errorCode());
        late.close();
    }

    @Test
    void rowsThatFoundNoRoomWaitOn() {
        Config config =
                Config.builder().maxQueuedBytes(20_000).pushTimeout(Duration.ofMillis(1)).build();
        try (LaminarDB small = LaminarDB.open(config)) {
            small.execute("CREATE SOURCE s (ts BIGINT, name VARCHAR)");
            small.execute("CREATE STREAM t AS SELECT ts + 1 AS ts FROM s");
            Writer<Row> writer = small.writer("s", Row.class);
            List<Row> rows = new ArrayList<>();
            for (int row = 0; row < 2_000; row++) {
                rows.add(new Row(row, "name"));
            }
            int batches = 0;
            LaminarException full = null;
            while (full == null) {
                assertTrue(batches < 100, "the queue has no end");
                try {
                    writer.insertAll(rows);
                    batches++;
                } catch (IngestionException error) {
                    full = error;
                }
            }
            assertEquals(ErrorCode.BACKPRESSURE, full.errorCode());
            assertThrows(IngestionException.class, writer::close);
            assertTrue(!writer.isClosed());
            small.start();
            writer.close();
            assertEquals(
                    batches * 2_000L,
                    small.query("SELECT count(*) AS n FROM s").toMaps().get(0).get("n"));
        }
    }
}
