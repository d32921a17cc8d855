package io.laminardb;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.AbstractList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A column of a batch: its values by row, from 0.
 *
 * <p>The methods that answer a primitive refuse a NULL, those that answer an object answer null for
 * it; a method whose class does not go with the type of the column throws {@link SchemaException}.
 * The values are kept in Java's memory: a column may be used after its batch was closed.
 */
public final class Column {
    private static final VarHandle SHORTS =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle FLOATS =
            MethodHandles.byteArrayViewVarHandle(float[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle DOUBLES =
            MethodHandles.byteArrayViewVarHandle(double[].class, ByteOrder.LITTLE_ENDIAN);

    /** Bytes for each column at the beginning of a piece ({@code client/src/pack.rs}). */
    private static final int HEADER = 24;

    private static final int FIXED = 1;
    private static final int BYTES = 2;

    private static final long MILLIS_PER_DAY = 86_400_000L;

    private final Field field;
    private final DataType type;
    private final int rows;
    private final byte[] bytes;
    private final int layout;
    private final int width;
    private final int nulls;
    private final int validityAt;
    private final int valuesAt;
    private final int dataAt;

    /**
     * A column of a piece that the native part packed.
     *
     * @param index which of the piece's columns
     */
    Column(Field field, int rows, byte[] piece, int index) {
        this.field = field;
        this.type = field.type();
        this.rows = rows;
        this.bytes = piece;
        int at = index * HEADER;
        this.layout = (int) WireReader.INTS.get(piece, at);
        this.width = (int) WireReader.INTS.get(piece, at + 4);
        this.nulls = (int) WireReader.INTS.get(piece, at + 8);
        this.validityAt = (int) WireReader.INTS.get(piece, at + 12);
        this.valuesAt = (int) WireReader.INTS.get(piece, at + 16);
        this.dataAt = (int) WireReader.INTS.get(piece, at + 20);
    }

    /**
     * The column's name, type, and whether it may hold NULL.
     *
     * @return its field
     */
    public Field field() {
        return field;
    }

    /**
     * The column's name.
     *
     * @return its name
     */
    public String name() {
        return field.name();
    }

    /**
     * The column's type.
     *
     * @return its type
     */
    public DataType type() {
        return type;
    }

    /**
     * How many rows there are.
     *
     * @return the number
     */
    public int size() {
        return rows;
    }

    /**
     * How many values are NULL.
     *
     * @return the number
     */
    public int nullCount() {
        return nulls;
    }

    /**
     * Whether a value is NULL.
     *
     * @param row the row
     * @return true when it is
     */
    public boolean isNull(int row) {
        if (row < 0 || row >= rows) {
            throw new IndexOutOfBoundsException("row " + row + " of " + rows);
        }
        if (nulls == 0) {
            return false;
        }
        return validityAt == 0 || (bytes[validityAt + (row >> 3)] >> (row & 7) & 1) == 0;
    }

    /**
     * A value of type {@code BOOLEAN}.
     *
     * @param row the row
     * @return the value
     */
    public boolean getBoolean(int row) {
        require(type.kind() == DataType.Kind.BOOLEAN, "a boolean");
        requireValue(row);
        if (layout != FIXED) {
            return (Boolean) present(row);
        }
        return bytes[valuesAt + row] != 0;
    }

    /**
     * An integer that fits.
     *
     * @param row the row
     * @return the value, as {@link #getLong}
     * @throws ArithmeticException when it is too large
     */
    public int getInt(int row) {
        return Math.toIntExact(getLong(row));
    }

    /**
     * An integer; also the count of a date, time, timestamp or duration, in the unit of its column
     * (days, or {@link DataType#unitDigits} places of a second).
     *
     * @param row the row
     * @return the value
     * @throws ArithmeticException when it is an unsigned integer that is too large
     */
    public long getLong(int row) {
        switch (type.kind()) {
            case INTEGER, UNSIGNED, DATE, TIME, TIMESTAMP, DURATION -> {}
            default -> throw wrong("an integer");
        }
        requireValue(row);
        if (layout != FIXED) {
            return countOf(present(row));
        }
        if (type.kind() != DataType.Kind.UNSIGNED) {
            return signed(row);
        }
        long value = signed(row);
        return switch (width) {
            case 1 -> value & 0xff;
            case 2 -> value & 0xffff;
            case 4 -> value & 0xffff_ffffL;
            default -> {
                if (value < 0) {
                    throw new ArithmeticException(
                            Long.toUnsignedString(value) + " does not fit a long: read an object");
                }
                yield value;
            }
        };
    }

    /**
     * A floating point number; also an integer or a decimal number, rounded where it must be.
     *
     * @param row the row
     * @return the value
     */
    public double getDouble(int row) {
        switch (type.kind()) {
            case FLOAT -> {
                requireValue(row);
                if (layout != FIXED) {
                    return ((Number) present(row)).doubleValue();
                }
                return width == 4
                        ? (float) FLOATS.get(bytes, valuesAt + row * 4)
                        : (double) DOUBLES.get(bytes, valuesAt + row * 8);
            }
            case INTEGER, UNSIGNED, DECIMAL -> {
                requireValue(row);
                return ((Number) present(row)).doubleValue();
            }
            default -> throw wrong("a number");
        }
    }

    /**
     * A value of type {@code VARCHAR}.
     *
     * @param row the row
     * @return the value, or null for NULL
     */
    public @Nullable String getString(int row) {
        require(type.kind() == DataType.Kind.TEXT, "a text");
        if (isNull(row)) {
            return null;
        }
        if (layout != BYTES) {
            return (String) present(row);
        }
        int from = offset(row);
        return new String(bytes, dataAt + from, offset(row + 1) - from, StandardCharsets.UTF_8);
    }

    /**
     * A value of type {@code BYTEA} or {@code BINARY(n)}.
     *
     * @param row the row
     * @return a copy of the value, or null for NULL
     */
    public byte @Nullable [] getBytes(int row) {
        require(type.kind() == DataType.Kind.BINARY, "bytes");
        if (isNull(row)) {
            return null;
        }
        if (layout == FIXED) {
            int at = valuesAt + row * width;
            return Arrays.copyOfRange(bytes, at, at + width);
        }
        if (layout != BYTES) {
            return (byte[]) present(row);
        }
        return Arrays.copyOfRange(bytes, dataAt + offset(row), dataAt + offset(row + 1));
    }

    /**
     * A UUID: of 16 bytes, or written as a text.
     *
     * @param row the row
     * @return the value, or null for NULL
     */
    public @Nullable UUID getUuid(int row) {
        if (type.kind() == DataType.Kind.TEXT) {
            String text = getString(row);
            return text == null ? null : UUID.fromString(text);
        }
        byte[] value = getBytes(row);
        if (value != null && value.length != 16) {
            throw wrong("a UUID");
        }
        return value == null ? null : Values.uuid(value, 0);
    }

    /**
     * A value of type {@code DECIMAL}, or an integer.
     *
     * @param row the row
     * @return the value with the scale of its column, or null for NULL
     */
    public @Nullable BigDecimal getBigDecimal(int row) {
        switch (type.kind()) {
            case DECIMAL -> {
                if (isNull(row)) {
                    return null;
                }
                if (layout != FIXED) {
                    return (BigDecimal) present(row);
                }
                return Values.decimal(bytes, valuesAt + row * width, width, type.scale());
            }
            case INTEGER, UNSIGNED -> {
                BigInteger value = getBigInteger(row);
                return value == null ? null : new BigDecimal(value);
            }
            default -> throw wrong("a decimal number");
        }
    }

    /**
     * An integer of any size.
     *
     * @param row the row
     * @return the value, or null for NULL
     */
    public @Nullable BigInteger getBigInteger(int row) {
        switch (type.kind()) {
            case INTEGER, UNSIGNED -> {}
            default -> throw wrong("an integer");
        }
        if (isNull(row)) {
            return null;
        }
        if (type.kind() == DataType.Kind.UNSIGNED && type.bits() == 64 && layout == FIXED) {
            return Values.unsigned(signed(row));
        }
        Object value = present(row);
        return value instanceof BigInteger big
                ? big
                : BigInteger.valueOf(((Number) value).longValue());
    }

    /**
     * A value of type {@code DATE}.
     *
     * @param row the row
     * @return the value, or null for NULL
     */
    public @Nullable LocalDate getLocalDate(int row) {
        require(type.kind() == DataType.Kind.DATE, "a date");
        if (isNull(row)) {
            return null;
        }
        if (layout != FIXED) {
            return (LocalDate) present(row);
        }
        long count = signed(row);
        return LocalDate.ofEpochDay(
                type.bits() == 32 ? count : Math.floorDiv(count, MILLIS_PER_DAY));
    }

    /**
     * A value of type {@code TIME}.
     *
     * @param row the row
     * @return the value, or null for NULL
     */
    public @Nullable LocalTime getLocalTime(int row) {
        require(type.kind() == DataType.Kind.TIME, "a time of the day");
        if (isNull(row)) {
            return null;
        }
        if (layout != FIXED) {
            return (LocalTime) present(row);
        }
        return LocalTime.ofNanoOfDay(signed(row) * (1_000_000_000L / type.unitsPerSecond()));
    }

    /**
     * A value of type {@code TIMESTAMP}; one without a zone is taken for UTC.
     *
     * @param row the row
     * @return the value, or null for NULL
     */
    public @Nullable Instant getInstant(int row) {
        require(type.kind() == DataType.Kind.TIMESTAMP, "a timestamp");
        return isNull(row) ? null : Values.instant(getLong(row), type.unitsPerSecond());
    }

    /**
     * A value of type {@code TIMESTAMP} as the clock shows it: in the zone of the column when it has
     * one.
     *
     * @param row the row
     * @return the value, or null for NULL
     */
    public @Nullable LocalDateTime getLocalDateTime(int row) {
        require(type.kind() == DataType.Kind.TIMESTAMP, "a timestamp");
        if (isNull(row)) {
            return null;
        }
        Object value = Values.timestamp(getLong(row), type.unitsPerSecond(), type.zone());
        return value instanceof ZonedDateTime zoned
                ? zoned.toLocalDateTime()
                : (LocalDateTime) value;
    }

    /**
     * A value of type {@code TIMESTAMP} in the zone of the column, UTC when it has none.
     *
     * @param row the row
     * @return the value, or null for NULL
     */
    public @Nullable ZonedDateTime getZonedDateTime(int row) {
        Instant instant = getInstant(row);
        String zone = type.zone();
        return instant == null ? null : instant.atZone(ZoneId.of(zone == null ? "UTC" : zone));
    }

    /**
     * A value of type {@code DURATION}.
     *
     * @param row the row
     * @return the value, or null for NULL
     */
    public @Nullable Duration getDuration(int row) {
        require(type.kind() == DataType.Kind.DURATION, "a duration");
        return isNull(row) ? null : Values.duration(getLong(row), type.unitsPerSecond());
    }

    /**
     * A value of any type, in the class that {@link DataType.Kind} names.
     *
     * @param row the row
     * @return the value, or null for NULL
     */
    public @Nullable Object getObject(int row) {
        return isNull(row) ? null : present(row);
    }

    /**
     * All integers, dates or times at once, as {@link #getLong} reads them.
     *
     * @return a new array; 0 stands for NULL
     */
    public long[] toLongArray() {
        long[] values = new long[rows];
        for (int row = 0; row < rows; row++) {
            if (!isNull(row)) {
                values[row] = getLong(row);
            }
        }
        return values;
    }

    /**
     * All numbers at once, as {@link #getDouble} reads them.
     *
     * @return a new array; NaN stands for NULL
     */
    public double[] toDoubleArray() {
        double[] values = new double[rows];
        for (int row = 0; row < rows; row++) {
            values[row] = isNull(row) ? Double.NaN : getDouble(row);
        }
        return values;
    }

    /**
     * The column as a list of {@link #getObject}.
     *
     * @return an unmodifiable view
     */
    public List<@Nullable Object> asList() {
        return new AbstractList<>() {
            @Override
            public @Nullable Object get(int row) {
                return getObject(row);
            }

            @Override
            public int size() {
                return rows;
            }
        };
    }

    /** Name, type and number of rows. */
    @Override
    public String toString() {
        return field + ": " + rows + " rows";
    }

    /** A value that is not NULL. */
    private Object present(int row) {
        Object value =
                switch (layout) {
                    case FIXED -> fixed(row);
                    case BYTES -> type.kind() == DataType.Kind.TEXT ? getString(row) : getBytes(row);
                    default -> new WireReader(bytes, dataAt + offset(row)).value(type);
                };
        return Objects.requireNonNull(value);
    }

    private @Nullable Object fixed(int row) {
        return switch (type.kind()) {
            case BOOLEAN -> bytes[valuesAt + row] != 0;
            case INTEGER -> Values.integer(signed(row), type);
            case UNSIGNED -> width == 8 ? Values.unsigned(signed(row)) : small(row);
            case FLOAT -> {
                if (width == 4) {
                    yield (float) FLOATS.get(bytes, valuesAt + row * 4);
                }
                yield (double) DOUBLES.get(bytes, valuesAt + row * 8);
            }
            case BINARY -> getBytes(row);
            case DECIMAL -> getBigDecimal(row);
            case DATE -> getLocalDate(row);
            case TIME -> getLocalTime(row);
            case TIMESTAMP -> Values.timestamp(signed(row), type.unitsPerSecond(), type.zone());
            case DURATION -> Values.duration(signed(row), type.unitsPerSecond());
            default -> throw new IllegalStateException(type + " is not of a fixed width");
        };
    }

    /** An unsigned integer of less than 64 bits. */
    private Object small(int row) {
        return Values.integer(getLong(row), type);
    }

    private long signed(int row) {
        return switch (width) {
            case 1 -> bytes[valuesAt + row];
            case 2 -> (short) SHORTS.get(bytes, valuesAt + row * 2);
            case 4 -> (int) WireReader.INTS.get(bytes, valuesAt + row * 4);
            default -> (long) WireReader.LONGS.get(bytes, valuesAt + row * 8);
        };
    }

    /** The count of a value that was read as an object. */
    private long countOf(Object value) {
        long perSecond = type.unitsPerSecond();
        if (value instanceof BigInteger big) {
            return big.longValueExact();
        }
        if (value instanceof LocalDate date) {
            return date.toEpochDay() * (type.bits() == 32 ? 1L : MILLIS_PER_DAY);
        }
        if (value instanceof LocalTime time) {
            return time.toNanoOfDay() / (1_000_000_000L / perSecond);
        }
        if (value instanceof Duration duration) {
            return count(duration.getSeconds(), duration.getNano(), perSecond);
        }
        if (value instanceof LocalDateTime time) {
            return count(time.toEpochSecond(ZoneOffset.UTC), time.getNano(), perSecond);
        }
        if (value instanceof ZonedDateTime time) {
            return count(time.toEpochSecond(), time.getNano(), perSecond);
        }
        return ((Number) value).longValue();
    }

    private static long count(long seconds, int nanos, long perSecond) {
        return seconds * perSecond + nanos / (1_000_000_000L / perSecond);
    }

    private int offset(int row) {
        return (int) WireReader.INTS.get(bytes, valuesAt + row * 4);
    }

    private void requireValue(int row) {
        if (isNull(row)) {
            throw RecordShape.mismatch(
                    "column `"
                            + name()
                            + "` is NULL in row "
                            + row
                            + ": ask isNull first, or read an object");
        }
    }

    private void require(boolean goes, String wanted) {
        if (!goes) {
            throw wrong(wanted);
        }
    }

    private LaminarException wrong(String wanted) {
        return RecordShape.mismatch(
                "column `" + name() + "` is of type " + type + ", which is not " + wanted);
    }
}
