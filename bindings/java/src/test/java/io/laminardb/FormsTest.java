package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
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
