package io.laminardb;

import java.lang.reflect.Array;
import java.lang.reflect.RecordComponent;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.Period;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.Arrays;
import java.util.Collection;
import java.util.Date;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Writes rows in the form that the native part reads ({@code client/src/wire.rs}): all rows of a
 * call cross in one piece. Whether a value fits its column is decided there.
 */
final class RowEncoder {
    private static final byte NULL = 0;
    private static final byte FALSE = 1;
    private static final byte TRUE = 2;
    private static final byte INT = 3;
    private static final byte UINT = 4;
    private static final byte FLOAT = 5;
    private static final byte DECIMAL = 6;
    private static final byte STR = 7;
    private static final byte BYTES = 8;
    private static final byte DATE = 9;
    private static final byte TIME = 10;
    private static final byte TIMESTAMP = 11;
    private static final byte DURATION = 12;
    private static final byte INTERVAL = 13;
    private static final byte LIST = 14;
    private static final byte STRUCT = 15;
    private static final byte MAP = 16;

    /** Before the rows stands their number. */
    private static final int FIRST_ROW = 4;

    /** No array of the virtual machine may be longer. */
    private static final int MAX_BYTES = Integer.MAX_VALUE - 8;

    private byte[] bytes;
    private int length = FIRST_ROW;
    private int rows;

    /**
     * An encoder without rows.
     *
     * @param expectedBytes how much room to begin with
     */
    RowEncoder(int expectedBytes) {
        this.bytes = new byte[Math.max(64, FIRST_ROW + expectedBytes)];
    }

    /** Ends a row. */
    void endRow() {
        rows++;
    }

    int rows() {
        return rows;
    }

    /** All rows; only {@link #length} bytes count. */
    byte[] piece() {
        WireReader.INTS.set(bytes, 0, rows);
        return bytes;
    }

    int length() {
        return length;
    }

    /** All rows in an array that they fill. */
    byte[] copy() {
        return Arrays.copyOf(piece(), length);
    }

    void putNull() {
        room(1);
        bytes[length++] = NULL;
    }

    void putBoolean(boolean value) {
        room(1);
        bytes[length++] = value ? TRUE : FALSE;
    }

    void putLong(long value) {
        put(INT, value);
    }

    void putDouble(double value) {
        put(FLOAT, Double.doubleToRawLongBits(value));
    }

    /**
     * Any value.
     *
     * @throws IngestionException when objects of its class cannot be stored
     */
    void put(@Nullable Object value, Field field) {
        if (value == null) {
            putNull();
        } else if (value instanceof String text) {
            putText(STR, text);
        } else if (value instanceof Long || value instanceof Integer) {
            putLong(((Number) value).longValue());
        } else if (value instanceof Double number) {
            putDouble(number);
        } else if (value instanceof Boolean truth) {
            putBoolean(truth);
        } else {
            putOther(value, field);
        }
    }

    private void putOther(Object value, Field field) {
        if (value instanceof Float number) {
            putDouble(number);
        } else if (value instanceof Short || value instanceof Byte) {
            putLong(((Number) value).longValue());
        } else if (value instanceof BigDecimal number) {
            putText(DECIMAL, number.toPlainString());
        } else if (value instanceof BigInteger number) {
            putBigInteger(number);
        } else if (value instanceof Instant instant) {
            putTimestamp(instant.getEpochSecond(), instant.getNano(), "UTC", field);
        } else if (value instanceof LocalDateTime time) {
            putTimestamp(time.toEpochSecond(ZoneOffset.UTC), time.getNano(), "", field);
        } else if (value instanceof OffsetDateTime time) {
            putTimestamp(time.toEpochSecond(), time.getNano(), "UTC", field);
        } else if (value instanceof ZonedDateTime time) {
            putTimestamp(time.toEpochSecond(), time.getNano(), "UTC", field);
        } else if (value instanceof LocalDate date) {
            put(DATE, date.toEpochDay());
        } else if (value instanceof LocalTime time) {
            put(TIME, time.toNanoOfDay());
        } else if (value instanceof Duration duration) {
            putDuration(duration, field);
        } else if (value instanceof byte[] array) {
            putBytes(array, 0, array.length);
        } else if (value instanceof UUID uuid) {
            if (field.type().kind() == DataType.Kind.BINARY) {
                putBytes(Values.bytes(uuid), 0, 16);
            } else {
                putText(STR, uuid.toString());
            }
        } else if (value instanceof Enum<?> constant) {
            putText(STR, constant.name());
        } else if (value instanceof Collection<?> items) {
            begin(LIST, items.size());
            Field item = part(field, 0);
            for (Object each : items) {
                put(each, item);
            }
        } else if (value instanceof Map<?, ?> map) {
            putMap(map, field);
        } else if (value instanceof Record row) {
            putRecord(row, field);
        } else {
            putRare(value, field);
        }
    }

    private void putRare(Object value, Field field) {
        if (value instanceof Optional<?> optional) {
            put(optional.orElse(null), field);
        } else if (value instanceof CharSequence || value instanceof Character) {
            putText(STR, value.toString());
        } else if (value instanceof ByteBuffer buffer) {
            int count = buffer.remaining();
            begin(BYTES, count);
            room(count);
            buffer.duplicate().get(bytes, length, count);
            length += count;
        } else if (value instanceof Interval interval) {
            putInterval(interval.months(), interval.days(), interval.nanoseconds());
        } else if (value instanceof Period period) {
            putInterval(Math.toIntExact(period.toTotalMonths()), period.getDays(), 0);
        } else if (value.getClass() == Date.class) {
            putOther(((Date) value).toInstant(), field);
        } else if (value.getClass().isArray()) {
            int count = Array.getLength(value);
            begin(LIST, count);
            Field item = part(field, 0);
            for (int index = 0; index < count; index++) {
                put(Array.get(value, index), item);
            }
        } else {
            throw unfit(field, "an object of " + value.getClass().getName() + " cannot be stored");
        }
    }

    private void putBigInteger(BigInteger number) {
        if (number.bitLength() < 64) {
            putLong(number.longValue());
        } else if (number.signum() > 0 && number.bitLength() == 64) {
            put(UINT, number.longValue());
        } else {
            putText(DECIMAL, number.toString());
        }
    }

    /** In the coarsest unit that loses nothing, so that far times fit. */
    private void putTimestamp(long seconds, int nanos, String zone, Field field) {
        long perSecond = unit(nanos);
        long count = count(seconds, nanos, perSecond, field);
        room(2 + 8);
        bytes[length++] = TIMESTAMP;
        bytes[length++] = digits(perSecond);
        putRawLong(count);
        putRawText(zone);
    }

    private void putDuration(Duration duration, Field field) {
        long perSecond = unit(duration.getNano());
        long count = count(duration.getSeconds(), duration.getNano(), perSecond, field);
        room(2 + 8);
        bytes[length++] = DURATION;
        bytes[length++] = digits(perSecond);
        putRawLong(count);
    }

    private static long unit(int nanos) {
        if (nanos == 0) {
            return 1L;
        }
        if (nanos % 1_000_000 == 0) {
            return 1_000L;
        }
        return nanos % 1_000 == 0 ? 1_000_000L : 1_000_000_000L;
    }

    private static byte digits(long perSecond) {
        return (byte) (perSecond == 1L ? 0 : Long.toString(perSecond).length() - 1);
    }

    private static long count(long seconds, int nanos, long perSecond, Field field) {
        try {
            long part = nanos / (1_000_000_000L / perSecond);
            return Math.addExact(Math.multiplyExact(seconds, perSecond), part);
        } catch (ArithmeticException error) {
            throw unfit(field, "a time this far away does not fit " + field.type());
        }
    }

    private void putInterval(int months, int days, long nanoseconds) {
        room(1 + 16);
        bytes[length++] = INTERVAL;
        WireReader.INTS.set(bytes, length, months);
        WireReader.INTS.set(bytes, length + 4, days);
        length += 8;
        putRawLong(nanoseconds);
    }

    private void putMap(Map<?, ?> map, Field field) {
        if (field.type().kind() == DataType.Kind.MAP) {
            begin(MAP, map.size());
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                put(entry.getKey(), part(field, 0));
                put(entry.getValue(), part(field, 1));
            }
            return;
        }
        begin(STRUCT, map.size());
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            String name = String.valueOf(entry.getKey());
            putRawText(name);
            put(entry.getValue(), part(field, name));
        }
    }

    private void putRecord(Record row, Field field) {
        RecordComponent[] components = RecordShape.of(row.getClass()).components();
        begin(STRUCT, components.length);
        for (RecordComponent component : components) {
            Field inner = RecordShape.match(component, field.type().parts());
            putRawText(inner == null ? RecordShape.columnName(component) : inner.name());
            put(RecordShape.value(component, row), inner == null ? field : inner);
        }
    }

    private static Field part(Field field, int index) {
        return index < field.type().parts().size() ? field.type().parts().get(index) : field;
    }

    private static Field part(Field field, String name) {
        for (Field part : field.type().parts()) {
            if (part.name().equals(name)) {
                return part;
            }
        }
        return field;
    }

    private void put(byte tag, long value) {
        room(1 + 8);
        bytes[length++] = tag;
        WireReader.LONGS.set(bytes, length, value);
        length += 8;
    }

    private void putRawLong(long value) {
        room(8);
        WireReader.LONGS.set(bytes, length, value);
        length += 8;
    }

    private void begin(byte tag, int count) {
        room(1 + 4);
        bytes[length++] = tag;
        WireReader.INTS.set(bytes, length, count);
        length += 4;
    }

    private void putBytes(byte[] value, int from, int count) {
        begin(BYTES, count);
        room(count);
        System.arraycopy(value, from, bytes, length, count);
        length += count;
    }

    private void putText(byte tag, String text) {
        room(1);
        bytes[length++] = tag;
        putRawText(text);
    }

    /** Length and UTF-8. A text of ASCII, the usual case, is written without a copy in between. */
    private void putRawText(String text) {
        int chars = text.length();
        room(4L + chars);
        int start = length + 4;
        int at = start;
        for (int index = 0; index < chars; index++) {
            char c = text.charAt(index);
            if (c >= 0x80) {
                putRawUnicode(text);
                return;
            }
            bytes[at++] = (byte) c;
        }
        WireReader.INTS.set(bytes, length, chars);
        length = at;
    }

    private void putRawUnicode(String text) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw LaminarException.of(
                    ErrorCode.INGESTION_FAILED,
                    "LDB-3002",
                    "a text has half of a surrogate pair, which is no character");
        }
        byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
        room(4L + encoded.length);
        WireReader.INTS.set(bytes, length, encoded.length);
        System.arraycopy(encoded, 0, bytes, length + 4, encoded.length);
        length += 4 + encoded.length;
    }

    private void room(long more) {
        if (bytes.length - length >= more) {
            return;
        }
        if (length + more > MAX_BYTES) {
            throw LaminarException.of(
                    ErrorCode.INGESTION_FAILED,
                    "LDB-3001",
                    "the rows take up more than 2 GiB; give fewer at a time");
        }
        long wanted = Math.max(length + more, bytes.length * 2L);
        bytes = Arrays.copyOf(bytes, (int) Math.min(wanted, MAX_BYTES));
    }

    private static LaminarException unfit(Field field, String what) {
        return LaminarException.of(
                ErrorCode.INGESTION_FAILED,
                "LDB-3002",
                "column `" + field.name() + "`: " + what);
    }
}
