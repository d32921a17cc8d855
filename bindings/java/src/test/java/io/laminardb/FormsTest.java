package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Rows that come written as text or bytes. */
class FormsTest {
    record Row(Long id, String name) {}

    private final LaminarDB db = LaminarDB.open();

    @BeforeEach
    void define() {
        db.execute("CREATE SOURCE s (id BIGINT, name VARCHAR)");
        db.start();
    }

    @AfterEach
    void close() {
        db.close();
    }

    private List<Row> rows() {
        return db.query("SELECT * FROM s ORDER BY id").toRecords(Row.class);
    }

    @Test
    void json() {
        assertEquals(2, db.insertJson("s", "[{\"id\": 1, \"name\": \"grün\"}, {\"id\": 2}]"));
        try (Source<Map<String, Object>> source = db.source("s")) {
            assertEquals(1, source.pushJson("{\"id\": 3, \"name\": null}"));
        }
        assertEquals(List.of(new Row(1L, "grün"), new Row(2L, null), new Row(3L, null)), rows());
        LaminarException error =
                assertThrows(
                        IngestionException.class,
                        () -> db.insertJson("s", "[{\"id\": 4}, {\"id\": \"five\"}]"));
        assertTrue(error.getMessage().contains("id"), error::getMessage);
        assertEquals(3, rows().size());
    }

    @Test
    void csv() {
        assertEquals(2, db.insertCsv("s", "name,id\na,1\n\"b,c\",2\n"));
        CsvOptions options =
                CsvOptions.defaults().header(false).delimiter(';').quote('\'').nullText("-");
        assertEquals(2, db.insertCsv("s", "3;-\n4;'d;e'\n", options));
        try (Source<Map<String, Object>> source = db.source("s")) {
            assertEquals(1, source.pushCsv("id\n5\n", CsvOptions.defaults()));
        }
        assertEquals(
                List.of(
                        new Row(1L, "a"),
                        new Row(2L, "b,c"),
                        new Row(3L, null),
                        new Row(4L, "d;e"),
                        new Row(5L, null)),
                rows());
    }

    /** A direct buffer with something around what counts. */
    private static ByteBuffer direct(byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length + 7);
        buffer.position(3).put(bytes).position(3).limit(3 + bytes.length);
        return buffer;
    }

    @Test
    void buffersAreReadWhereTheyLie() {
        byte[] json = "{\"id\": 1, \"name\": \"\u00e4\"}".getBytes(StandardCharsets.UTF_8);
        byte[] csv = "id;name\n2;b\n".getBytes(StandardCharsets.UTF_8);
        CsvOptions options = CsvOptions.defaults().delimiter(';');
        byte[] ipc = db.query("SELECT CAST(3 AS BIGINT) AS id, 'c' AS name").toIpc();
        try (Source<Map<String, Object>> source = db.source("s")) {
            for (boolean isDirect : new boolean[] {true, false}) {
                Function<byte[], ByteBuffer> buffer =
                        isDirect
                                ? FormsTest::direct
                                : bytes -> ByteBuffer.wrap(bytes).asReadOnlyBuffer();
                ByteBuffer first = buffer.apply(json);
                int position = first.position();
                assertEquals(1, db.insertJson("s", first));
                assertEquals(position, first.position());
                assertEquals(1, source.pushJson(first));
                assertEquals(1, db.insertCsv("s", buffer.apply(csv), options));
                assertEquals(1, source.pushCsv(buffer.apply(csv), options));
                assertEquals(1, db.insertIpc("s", buffer.apply(ipc)));
                assertEquals(1, source.pushIpc(buffer.apply(ipc)));
                assertThrows(IngestionException.class, () -> db.insertIpc("s", buffer.apply(csv)));
            }
        }
        assertEquals(12, rows().size());
        assertEquals(new Row(1L, "\u00e4"), rows().get(0));
        assertEquals(new Row(3L, "c"), rows().get(11));
    }

    @Test
    void valuesAreSeenWhereTheyLie() {
        db.insert("s", List.of(new Row(1L, "a"), new Row(1L << 40, null), new Row(-7L, "c")));
        ByteBuffer ids;
        try (Batch batch = db.query("SELECT id, name FROM s").next()) {
            ids = batch.values(0);
            SchemaException text = assertThrows(SchemaException.class, () -> batch.values(1));
            assertTrue(text.getMessage().contains("`name`"), text.getMessage());
            assertThrows(IndexOutOfBoundsException.class, () -> batch.values(2));
        }
        db.close();
        LongBuffer view = ids.asLongBuffer();
        for (int round = 0; round < 20; round++) {
            System.gc();
        }
        assertTrue(ids.isDirect() && ids.isReadOnly());
        long[] got = new long[3];
        view.get(got);
        Arrays.sort(got);
        assertArrayEquals(new long[] {-7, 1, 1L << 40}, got);
    }

    @Test
    void arrowIpcComesOutAndGoesIn() {
        db.insert("s", List.of(new Row(1L, "a"), new Row(2L, null)));
        byte[] ipc = db.query("SELECT id + 10 AS id, name FROM s").toIpc();
        assertEquals(2, db.insertIpc("s", ipc));
        try (Source<Map<String, Object>> source = db.source("s")) {
            assertEquals(2, source.pushIpc(ipc));
        }
        assertEquals(6, rows().size());
        assertEquals(new Row(11L, "a"), rows().get(2));
        assertThrows(IngestionException.class, () -> db.insertIpc("s", new byte[] {1, 2, 3}));
        QueryResult read = db.query("SELECT 1");
        read.toMaps();
        assertThrows(IllegalStateException.class, read::toIpc);
        assertThrows(
                QueryException.class, () -> db.execute("SELECT 1").toQueryResult().toIpc());
    }
}
