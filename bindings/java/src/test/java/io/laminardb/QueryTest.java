package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class QueryTest {
    record Row(long id, String text) {}

    private static final int ROWS = 20_000;

    private final LaminarDB db = LaminarDB.open();

    @BeforeEach
    void fill() {
        db.execute("CREATE SOURCE s (id BIGINT NOT NULL, text VARCHAR)");
        db.start();
        List<Row> rows = new ArrayList<>();
        for (int id = 0; id < ROWS; id++) {
            rows.add(new Row(id, id % 7 == 0 ? null : "text " + id));
        }
        assertEquals(ROWS, db.insert("s", rows));
    }

    @AfterEach
    void close() {
        db.close();
    }

    @Test
    void rowsAreReadBatchByBatch() {
        long rows = 0;
        long sum = 0;
        for (Batch batch : db.query("SELECT id, text FROM s")) {
            try (batch) {
                Column ids = batch.column("id");
                Column texts = batch.column("text");
                assertEquals(0, ids.nullCount());
                for (int row = 0; row < batch.size(); row++) {
                    long id = ids.getLong(row);
                    assertEquals(id % 7 == 0 ? null : "text " + id, texts.getString(row));
                    sum += id;
                }
                rows += batch.size();
            }
        }
        assertEquals(ROWS, rows);
        assertEquals((long) ROWS * (ROWS - 1) / 2, sum);
    }

    @Test
    void slicesKeepTheirNulls() {
        // Cuts that are no multiple of eight move the validity within its bytes.
        for (int skip : new int[] {1, 7, 13, 8_193}) {
            List<Row> rows =
                    db.query("SELECT id, text FROM s ORDER BY id LIMIT 20 OFFSET " + skip)
                            .toRecords(Row.class);
            assertEquals(20, rows.size());
            for (int row = 0; row < rows.size(); row++) {
                long id = skip + row;
                assertEquals(new Row(id, id % 7 == 0 ? null : "text " + id), rows.get(row));
            }
        }
    }

    @Test
    void aQuerySeesOneState() {
        try (QueryResult result = db.query("SELECT count(*) AS n FROM s")) {
            db.insert("s", new Row(-1, null));
            assertEquals(List.of(Map.of("n", (long) ROWS)), result.toMaps());
        }
    }

    @Test
    void aResultIsReadOnce() {
        QueryResult result = db.query("SELECT 1 AS one");
        assertEquals("one", result.schema().fields().get(0).name());
        assertEquals(List.of(Map.of("one", 1L)), result.toMaps());
        assertNull(result.next());
        assertEquals(List.of(), result.toMaps());
        QueryResult closed = db.query("SELECT * FROM s");
        closed.close();
        closed.close();
        assertThrows(IllegalStateException.class, closed::next);
    }

    @Test
    void aCancelledQuerySaysSo() {
        try (QueryResult result =
                db.query("SELECT a.id FROM s a, s b WHERE a.id * b.id < 0")) {
            Thread canceller = new Thread(result::cancel);
            canceller.start();
            LaminarException cancelled =
                    assertThrows(
                            QueryException.class,
                            () -> {
                                while (result.next() != null) {
                                    Thread.onSpinWait();
                                }
                            });
            assertEquals(ErrorCode.QUERY_CANCELLED, cancelled.errorCode());
        }
    }

    @Test
    void closingUnderAReaderEndsIt() throws InterruptedException {
        QueryResult result = db.query("SELECT a.id FROM s a, s b WHERE a.id * b.id < 0");
        List<Throwable> seen = new ArrayList<>();
        Thread reader =
                new Thread(
                        () -> {
                            try {
                                result.next();
                            } catch (QueryException | IllegalStateException error) {
                                seen.add(error);
                            }
                        });
        reader.start();
        result.close();
        reader.join(30_000);
        assertTrue(!reader.isAlive());
        assertEquals(1, seen.size());
    }

    @Test
    void manyColumnsAndNoRows() {
        QueryResult none = db.query("SELECT * FROM s WHERE id < 0");
        assertEquals(List.of(), none.toMaps());
        StringBuilder sql = new StringBuilder("SELECT 0 AS c0");
        for (int column = 1; column < 300; column++) {
            sql.append(", ").append(column).append(" AS c").append(column);
        }
        Batch wide = db.query(sql.toString()).next();
        assertNotNull(wide);
        for (int column = 0; column < 300; column++) {
            assertEquals(column, wide.column("c" + column).getLong(0));
        }
    }
}
