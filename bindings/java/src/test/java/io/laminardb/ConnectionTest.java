package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class ConnectionTest {
    @Test
    void opensInMemoryInAllSpellings() {
        try (LaminarDB first = LaminarDB.open();
                LaminarDB second = LaminarDB.open(":memory:");
                LaminarDB third = LaminarDB.open(Config.defaults())) {
            for (LaminarDB db : List.of(first, second, third)) {
                assertEquals(
                        List.of(Map.of("answer", 2L)),
                        db.query("SELECT 1 + 1 AS answer").toMaps());
            }
        }
        assertTrue(LaminarDB.version().matches("\\d+\\.\\d+\\.\\d+"), LaminarDB::version);
    }

    @Test
    void pathsAreRefusedUntilTheyAreKept() {
        for (Executable open :
                List.<Executable>of(
                        () -> LaminarDB.open("/tmp/laminar"),
                        () -> LaminarDB.open(Path.of("/tmp/laminar")),
                        () ->
                                LaminarDB.open(
                                        Config.builder()
                                                .storageDir(Path.of("/tmp/laminar"))
                                                .build()))) {
            LaminarException error = assertThrows(LaminarException.class, open);
            assertEquals(ErrorCode.UNSUPPORTED, error.errorCode());
        }
    }

    @Test
    void settingsReachTheLibrary() {
        Config config =
                Config.builder()
                        .bufferSize(1024)
                        .maxQueuedBytes(1 << 20)
                        .retainHistory(2)
                        .pushTimeout(Duration.ofSeconds(1))
                        .waitStrategy(Config.WaitStrategy.PARK)
                        .spinYield(7)
                        .validateInput(Config.Validation.TRUSTED)
                        .variable("LIMIT", "1\"0")
                        .build();
        assertEquals(
                "{\"buffer_size\":1024,\"max_queued_bytes\":1048576,\"retain_history\":2,"
                        + "\"push_timeout_ms\":1000,\"wait_strategy\":\"spin_yield(7)\","
                        + "\"validate_input\":\"trusted\",\"variables\":{\"LIMIT\":\"1\\\"0\"}}",
                config.toJson());
        try (LaminarDB db = LaminarDB.open(config)) {
            db.execute("CREATE SOURCE s (n BIGINT)");
            db.start();
            for (int n = 0; n < 5; n++) {
                db.insert("s", Map.of("n", n));
            }
            assertEquals(2, db.query("SELECT n FROM s").toMaps().size());
        }
        LaminarException error =
                assertThrows(
                        ConnectionException.class,
                        () -> LaminarDB.open(Config.builder().bufferSize(3).build()));
        assertEquals(ErrorCode.CONNECTION_FAILED, error.errorCode());
    }

    @Test
    void statementsTellWhatTheyDid() {
        try (LaminarDB db = LaminarDB.open()) {
            ExecuteResult created = db.execute("CREATE SOURCE s (n BIGINT)");
            assertEquals(ExecuteResult.ResultType.DDL, created.resultType());
            assertEquals("CREATE SOURCE", created.ddlType());
            assertEquals("s", created.ddlObject());
            assertFalse(created.isQuery());
            assertThrows(QueryException.class, created::toQueryResult);
            db.start();
            ExecuteResult inserted = db.execute("INSERT INTO s VALUES (1), (2)");
            assertEquals(ExecuteResult.ResultType.DML, inserted.resultType());
            assertEquals(2, inserted.rowsAffected());
            assertNull(inserted.ddlType());
            ExecuteResult queried = db.execute("SELECT n FROM s ORDER BY n");
            assertEquals(ExecuteResult.ResultType.QUERY, queried.resultType());
            assertEquals(2, queried.rowsAffected());
            assertSame(queried.toQueryResult(), queried.toQueryResult());
            assertEquals(
                    List.of(Map.of("n", 1L), Map.of("n", 2L)), queried.toQueryResult().toMaps());
        }
    }

    @Test
    void theCatalogueIsShown() {
        try (LaminarDB db = LaminarDB.open()) {
            db.execute("CREATE SOURCE s (n BIGINT)");
            db.execute("CREATE STREAM t AS SELECT n + 1 AS n FROM s");
            db.execute("CREATE SINK u FROM t");
            assertEquals("s", db.sources().get(0).values().iterator().next());
            assertEquals("t", db.streams().get(0).values().iterator().next());
            assertEquals("u", db.sinks().get(0).values().iterator().next());
            assertTrue(db.explain("t").contains("s"), () -> db.explain("t"));
            assertFalse(db.explain("SELECT n FROM t").isEmpty());
        }
    }

    @Test
    void errorsCarryNumberCodeAndPlace() {
        try (LaminarDB db = LaminarDB.open()) {
            LaminarException parse =
                    assertThrows(QueryException.class, () -> db.execute("SELECT (1\n FROM"));
            assertEquals(401, parse.code());
            assertEquals(ErrorCode.SQL_PARSE_ERROR, parse.errorCode());
            assertEquals("LDB-4101", parse.ldbCode());
            assertTrue(parse.getMessage().startsWith("LDB-4101: "), parse::getMessage);
            LaminarException.Position position = parse.position();
            assertNotNull(position);
            assertEquals(2, position.line());
            LaminarException missing =
                    assertThrows(SchemaException.class, () -> db.query("SELECT * FROM größe"));
            assertEquals(ErrorCode.TABLE_NOT_FOUND, missing.errorCode());
            assertTrue(missing.getMessage().contains("größe"), missing::getMessage);
            LaminarException nul =
                    assertThrows(LaminarException.class, () -> db.execute("SELECT '\0'"));
            assertTrue(nul.getMessage().contains("NUL"), nul::getMessage);
            db.execute("CREATE SOURCE s (n BIGINT)");
            LaminarException exists =
                    assertThrows(
                            SchemaException.class, () -> db.execute("CREATE SOURCE s (n BIGINT)"));
            assertEquals(ErrorCode.TABLE_EXISTS, exists.errorCode());
            assertThrows(SchemaException.class, () -> db.insert("nothing", Map.of("n", 1)));
            assertThrows(SchemaException.class, () -> db.subscribe("nothing"));
        }
    }

    @Test
    void everyCodeHasItsBand() {
        Set<Integer> codes = new HashSet<>();
        Class<?>[] bands = {
            ConnectionException.class, SchemaException.class, IngestionException.class,
            QueryException.class, SubscriptionException.class, StreamException.class,
            CheckpointException.class, ConnectorException.class, InternalException.class
        };
        for (ErrorCode code : ErrorCode.values()) {
            assertTrue(codes.add(code.code()), code::name);
            assertSame(code, ErrorCode.of(code.code()));
            LaminarException error = LaminarException.of(code, "LDB-0000", "no");
            assertSame(bands[code.code() / 100 - 1], error.getClass());
        }
        assertSame(ErrorCode.INTERNAL_ERROR, ErrorCode.of(12345));
        assertEquals(303, ErrorCode.BACKPRESSURE.code());
    }

    @Test
    void afterCloseEverythingSaysSo() {
        LaminarDB db = LaminarDB.open();
        db.execute("CREATE SOURCE s (n BIGINT)");
        QueryResult result = db.query("SELECT * FROM s");
        Writer<Map<String, Object>> writer = db.writer("s");
        assertFalse(db.isClosed());
        db.close();
        db.close();
        db.stop();
        assertTrue(db.isClosed());
        assertTrue(writer.isClosed());
        assertTrue(db.toString().contains("closed"));
        for (Executable call :
                List.<Executable>of(
                        db::start,
                        () -> db.execute("SELECT 1"),
                        () -> db.query("SELECT 1"),
                        () -> db.explain("SELECT 1"),
                        () -> db.insert("s", Map.of("n", 1)),
                        () -> db.source("s"),
                        () -> db.writer("s"),
                        () -> db.subscribe("s"),
                        () -> db.sink("s").subscribe(),
                        db::sources,
                        writer::flush,
                        () -> writer.insert(Map.of("n", 1)))) {
            LaminarException error = assertThrows(ConnectionException.class, call);
            assertEquals(ErrorCode.CONNECTION_CLOSED, error.errorCode());
            assertTrue(error.getMessage().contains("closed"), error::getMessage);
        }
        writer.close();
        result.close();
    }
}
