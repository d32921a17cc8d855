package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class TypesTest {
    private final LaminarDB db = LaminarDB.open();

    @AfterEach
    void close() {
        db.close();
    }

    private Object roundTrip(String type, Object value) {
        db.execute("CREATE SOURCE s (v " + type + ")");
        db.start();
        Map<String, Object> row = new HashMap<>();
        row.put("v", value);
        db.insert("s", row);
        Batch batch = db.query("SELECT v FROM s").next();
        assertNotNull(batch);
        try (batch) {
            assertEquals(1, batch.size());
            return batch.column(0).getObject(0);
        }
    }

    static List<Arguments> same() {
        return List.of(
                Arguments.of("BOOLEAN", true),
                Arguments.of("TINYINT", (byte) -7),
                Arguments.of("SMALLINT", (short) -300),
                Arguments.of("INTEGER", -70_000),
                Arguments.of("BIGINT", Long.MIN_VALUE),
                Arguments.of("TINYINT UNSIGNED", (short) 200),
                Arguments.of("SMALLINT UNSIGNED", 60_000),
                Arguments.of("INT UNSIGNED", 4_000_000_000L),
                Arguments.of("BIGINT UNSIGNED", new BigInteger("18446744073709551615")),
                Arguments.of("REAL", 1.5f),
                Arguments.of("DOUBLE", -0.1),
                Arguments.of("DOUBLE", Double.NaN),
                Arguments.of("VARCHAR", "grüße 😀"),
                Arguments.of("VARCHAR", ""),
                Arguments.of("DECIMAL(10, 2)", new BigDecimal("-12.50")),
                Arguments.of(
                        "DECIMAL(38, 10)",
                        new BigDecimal("1234567890123456789012345678.0123456789")),
                Arguments.of("DATE", LocalDate.of(1969, 12, 31)),
                Arguments.of("TIMESTAMP", LocalDateTime.of(2026, 11, 27, 1, 2, 3, 456_000_000)),
                Arguments.of("TIMESTAMP(6)", LocalDateTime.of(1950, 1, 1, 0, 0, 0, 1_000)),
                Arguments.of("TIMESTAMP(9)", LocalDateTime.of(2026, 1, 1, 0, 0, 0, 1)),
                Arguments.of("TIME", LocalTime.of(23, 59, 59)),
                Arguments.of("VARCHAR[]", Arrays.asList("a", null, "ö")),
                Arguments.of("INTEGER[]", List.of(1, 2)),
                Arguments.of("BIGINT[]", List.of()));
    }

    @ParameterizedTest
    @MethodSource("same")
    void comesBackAsItWentIn(String type, Object value) {
        assertEquals(value, roundTrip(type, value));
    }

    static List<Arguments> fitting() {
        LocalDateTime noon = LocalDateTime.of(2026, 6, 1, 12, 0);
        UUID uuid = new UUID(1, 2);
        return List.of(
                Arguments.of("BIGINT", (byte) 5, 5L),
                Arguments.of("BIGINT", BigInteger.TEN, 10L),
                Arguments.of("DOUBLE", 3, 3.0),
                Arguments.of("DOUBLE", 1.5f, 1.5),
                Arguments.of("DECIMAL(10, 2)", 7, new BigDecimal("7.00")),
                Arguments.of("DECIMAL(10, 2)", new BigDecimal("1E+1"), new BigDecimal("10.00")),
                Arguments.of("VARCHAR", 'x', "x"),
                Arguments.of("VARCHAR", new StringBuilder("sb"), "sb"),
                Arguments.of("VARCHAR", Op.INSERT, "INSERT"),
                Arguments.of("VARCHAR", uuid, uuid.toString()),
                Arguments.of("VARCHAR", Optional.of("o"), "o"),
                Arguments.of("VARCHAR", Optional.empty(), null),
                Arguments.of("TIMESTAMP", noon.toInstant(ZoneOffset.UTC), noon),
                Arguments.of("TIMESTAMP", noon.atOffset(ZoneOffset.ofHours(2)), noon.minusHours(2)),
                Arguments.of(
                        "TIMESTAMP", noon.atZone(ZoneId.of("Europe/Vienna")), noon.minusHours(2)),
                Arguments.of("TIMESTAMP", java.util.Date.from(noon.toInstant(ZoneOffset.UTC)), noon),
                Arguments.of("BIGINT[]", new long[] {1, 2}, List.of(1L, 2L)),
                Arguments.of("VARCHAR[]", new String[] {"a"}, List.of("a")));
    }

    @ParameterizedTest
    @MethodSource("fitting")
    void whatFitsIsTaken(String type, Object value, Object stored) {
        assertEquals(stored, roundTrip(type, value));
    }

    static List<Arguments> unfit() {
        return List.of(
                Arguments.of("TINYINT", 128),
                Arguments.of("BIGINT", new BigInteger("9223372036854775808")),
                Arguments.of("BIGINT", 1.5),
                Arguments.of("BIGINT", "1"),
                Arguments.of("BIGINT UNSIGNED", -1),
                Arguments.of("DOUBLE", "1.5"),
                Arguments.of("DOUBLE", Long.MAX_VALUE),
                Arguments.of("VARCHAR", 1),
                Arguments.of("VARCHAR", "half \ud83d"),
                Arguments.of("DECIMAL(4, 2)", new BigDecimal("100.00")),
                Arguments.of("DECIMAL(4, 2)", new BigDecimal("0.001")),
                Arguments.of("DATE", LocalDateTime.of(2026, 1, 1, 0, 0)),
                Arguments.of("TIMESTAMP(3)", LocalDateTime.of(2026, 1, 1, 0, 0, 0, 1)),
                Arguments.of("TIMESTAMP(9)", Instant.MAX),
                Arguments.of("BIGINT[]", List.of("a")),
                Arguments.of("BIGINT[]", 1),
                Arguments.of("VARCHAR", new Object()));
    }

    @ParameterizedTest
    @MethodSource("unfit")
    void whatDoesNotFitIsRefusedByName(String type, Object value) {
        LaminarException error =
                assertThrows(IngestionException.class, () -> roundTrip(type, value));
        assertEquals(ErrorCode.INGESTION_FAILED, error.errorCode());
        boolean named = error.getMessage().contains("`v`") || error.getMessage().contains("pair");
        assertTrue(named, error::getMessage);
        assertEquals(0, db.query("SELECT v FROM s").toMaps().size());
    }

    @Test
    void bytesAndUuids() {
        byte[] bytes = {0, -1, 7};
        assertArrayEquals(bytes, (byte[]) roundTrip("BYTEA", bytes));
        UUID uuid = UUID.fromString("00112233-4455-6677-8899-aabbccddeeff");
        db.execute("CREATE SOURCE ids (id BYTEA, name VARCHAR)");
        record Id(UUID id, UUID name) {}
        db.insert("ids", new Id(uuid, uuid));
        assertEquals(
                List.of(new Id(uuid, uuid)), db.query("SELECT * FROM ids").toRecords(Id.class));
        Batch batch = db.query("SELECT * FROM ids").next();
        assertNotNull(batch);
        assertEquals(uuid, batch.column("id").getUuid(0));
        assertEquals(uuid, batch.column("name").getUuid(0));
    }

    @Test
    void timesInAZone() {
        Batch batch =
                db.query(
                                "SELECT arrow_cast('2026-06-01T10:00:00Z',"
                                        + " 'Timestamp(Microsecond, Some(\"Europe/Vienna\"))') AS t,"
                                        + " arrow_cast(1500, 'Duration(Millisecond)') AS d,"
                                        + " INTERVAL '1' MONTH AS i")
                        .next();
        assertNotNull(batch);
        Column time = batch.column("t");
        ZoneId vienna = ZoneId.of("Europe/Vienna");
        Instant instant = Instant.parse("2026-06-01T10:00:00Z");
        assertEquals(ZonedDateTime.of(2026, 6, 1, 12, 0, 0, 0, vienna), time.getObject(0));
        assertEquals(instant, time.getInstant(0));
        assertEquals(LocalDateTime.of(2026, 6, 1, 12, 0), time.getLocalDateTime(0));
        assertEquals("Europe/Vienna", time.type().zone());
        assertEquals(6, time.type().unitDigits());
        assertEquals(Duration.ofMillis(1500), batch.column("d").getDuration(0));
        assertEquals(Duration.ofMillis(1500), batch.column("d").getObject(0));
        assertEquals(new Interval(1, 0, 0), batch.column("i").getObject(0));
        record Times(OffsetDateTime t, Duration d) {}
        Times times =
                db.query(
                                "SELECT arrow_cast('2026-06-01T10:00:00Z',"
                                        + " 'Timestamp(Second, Some(\"UTC\"))') AS t,"
                                        + " arrow_cast(1, 'Duration(Second)') AS d")
                        .toRecords(Times.class)
                        .get(0);
        assertEquals(instant.atOffset(ZoneOffset.UTC), times.t());
        assertEquals(Duration.ofSeconds(1), times.d());
    }

    record Point(double x, double y) {}

    record Shape(String name, Point at, List<Point> corners, Map<String, Long> counts) {}

    @Test
    void nestedValuesAreRecordsListsAndMaps() {
        db.execute(
                "CREATE SOURCE shapes (name VARCHAR, at STRUCT<x DOUBLE, y DOUBLE>,"
                        + " corners STRUCT<x DOUBLE, y DOUBLE>[])");
        db.start();
        record Plain(String name, Point at, List<Point> corners) {}
        Plain plain =
                new Plain("s", new Point(1, 2), List.of(new Point(3, 4), new Point(5, 6)));
        db.insert("shapes", plain);
        assertEquals(
                List.of(plain), db.query("SELECT * FROM shapes").toRecords(Plain.class));
        Map<String, Object> row = db.query("SELECT * FROM shapes").toMaps().get(0);
        assertEquals(Map.of("x", 1.0, "y", 2.0), row.get("at"));
        assertEquals(
                List.of(Map.of("x", 3.0, "y", 4.0), Map.of("x", 5.0, "y", 6.0)),
                row.get("corners"));
        db.insert("shapes", Map.of("name", "m", "at", Map.of("x", 9)));
        assertEquals(
                9.0,
                db.query("SELECT at['x'] AS x FROM shapes WHERE name = 'm'")
                        .toMaps()
                        .get(0)
                        .get("x"));
        LaminarException error =
                assertThrows(
                        IngestionException.class,
                        () -> db.insert("shapes", Map.of("at", Map.of("z", 1.0))));
        assertTrue(error.getMessage().contains("`z`"), error::getMessage);
        Map<String, Object> map =
                db.query("SELECT MAP(['a', 'b'], [1, 2]) AS m").toMaps().get(0);
        assertEquals(Map.of("a", 1L, "b", 2L), map.get("m"));
    }

    @Test
    void typedReadersReadWhatGoesWithThem() {
        db.execute(
                "CREATE SOURCE s (i INTEGER, u BIGINT UNSIGNED, d DOUBLE, c DECIMAL(6, 2),"
                        + " t VARCHAR, b BOOLEAN, day DATE)");
        db.start();
        List<Map<String, Object>> rows = new ArrayList<>();
        rows.add(
                Map.of(
                        "i", 5, "u", BigInteger.TWO.pow(63), "d", 1.25, "c", new BigDecimal("1.50"),
                        "t", "x", "b", true, "day", LocalDate.of(1970, 1, 3)));
        rows.add(Map.of());
        db.insert("s", rows);
        Batch batch = db.query("SELECT * FROM s ORDER BY i").next();
        assertNotNull(batch);
        Column integer = batch.column("i");
        assertEquals(5, integer.getInt(0));
        assertEquals(5, integer.getLong(0));
        assertEquals(5.0, integer.getDouble(0));
        assertEquals(new BigDecimal(5), integer.getBigDecimal(0));
        assertEquals(BigInteger.valueOf(5), integer.getBigInteger(0));
        assertEquals(1, integer.nullCount());
        assertTrue(integer.isNull(1));
        assertNull(integer.getObject(1));
        assertArrayEquals(new long[] {5, 0}, integer.toLongArray());
        assertEquals(Arrays.asList(5, null), integer.asList());
        assertThrows(SchemaException.class, () -> integer.getLong(1));
        assertThrows(SchemaException.class, () -> integer.getString(0));
        assertThrows(IndexOutOfBoundsException.class, () -> integer.getLong(2));
        Column unsigned = batch.column("u");
        assertThrows(ArithmeticException.class, () -> unsigned.getLong(0));
        assertEquals(BigInteger.TWO.pow(63), unsigned.getBigInteger(0));
        Column number = batch.column("d");
        assertEquals(1.25, number.getDouble(0));
        assertEquals(1.25, number.toDoubleArray()[0]);
        assertTrue(Double.isNaN(number.toDoubleArray()[1]));
        assertEquals(new BigDecimal("1.50"), batch.column("c").getBigDecimal(0));
        assertEquals(1.5, batch.column("c").getDouble(0));
        assertNull(batch.column("c").getBigDecimal(1));
        assertEquals("x", batch.column("t").getString(0));
        assertNull(batch.column("t").getString(1));
        assertTrue(batch.column("b").getBoolean(0));
        assertEquals(2, batch.column("day").getLong(0));
        assertEquals(LocalDate.of(1970, 1, 3), batch.column("day").getLocalDate(0));
        assertThrows(SchemaException.class, () -> batch.column("nothing"));
        batch.close();
        assertEquals(5, integer.getInt(0));
        assertEquals(5, batch.column("i").getInt(0));
    }

    @Test
    void aNarrowComponentRefusesWhatItWouldLose() {
        record Narrow(byte n) {}
        record Exact(int n) {}
        record Text(String n) {}
        assertEquals(
                List.of(new Narrow((byte) 100)),
                db.query("SELECT 100 AS n").toRecords(Narrow.class));
        assertThrows(
                SchemaException.class, () -> db.query("SELECT 200 AS n").toRecords(Narrow.class));
        assertThrows(
                SchemaException.class, () -> db.query("SELECT 1.5 AS n").toRecords(Exact.class));
        assertThrows(
                SchemaException.class, () -> db.query("SELECT 1 AS n").toRecords(Text.class));
        record Missing(long m) {}
        LaminarException missing =
                assertThrows(
                        SchemaException.class,
                        () -> db.query("SELECT 1 AS n").toRecords(Missing.class));
        assertTrue(missing.getMessage().contains("`m`"), missing::getMessage);
        record Optionals(Optional<Long> n, Optional<String> t) {}
        assertEquals(
                List.of(new Optionals(Optional.of(1L), Optional.empty())),
                db.query("SELECT 1 AS n, CAST(NULL AS VARCHAR) AS t").toRecords(Optionals.class));
        record WithEnum(Op op) {}
        assertEquals(
                List.of(new WithEnum(Op.DELETE)),
                db.query("SELECT 'DELETE' AS op").toRecords(WithEnum.class));
    }
}
