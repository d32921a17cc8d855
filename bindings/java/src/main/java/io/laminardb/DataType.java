package io.laminardb;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The type of a column.
 *
 * @param kind what its values are
 * @param sql the type as SQL writes it, for example {@code DECIMAL(10, 2)}
 * @param bits the width of a value: of numbers and dates, and of {@code BINARY} when it is fixed;
 *     otherwise 0
 * @param precision all digits of a {@code DECIMAL}
 * @param scale digits of a {@code DECIMAL} behind the point
 * @param unitDigits decimal places of a second that times, timestamps and durations count: 0, 3, 6
 *     or 9
 * @param zone the zone of a {@code TIMESTAMP}; null when it has none
 * @param parts the item of a list, the fields of a struct, key and value of a map
 */
public record DataType(
        Kind kind,
        String sql,
        int bits,
        int precision,
        int scale,
        int unitDigits,
        @Nullable String zone,
        List<Field> parts) {

    /** What the values of a column are. */
    public enum Kind {
        /** Nothing but NULL. */
        NULL,
        /** {@code Boolean}. */
        BOOLEAN,
        /** {@code Byte}, {@code Short}, {@code Integer} or {@code Long}, by the width. */
        INTEGER,
        /** {@code Short}, {@code Integer}, {@code Long} or {@code BigInteger}, by the width. */
        UNSIGNED,
        /** {@code Float} or {@code Double}, by the width. */
        FLOAT,
        /** {@code String}. */
        TEXT,
        /** {@code byte[]}. */
        BINARY,
        /** {@code BigDecimal}. */
        DECIMAL,
        /** {@code LocalDate}. */
        DATE,
        /** {@code LocalTime}. */
        TIME,
        /** {@code LocalDateTime} without a zone, {@code ZonedDateTime} with one. */
        TIMESTAMP,
        /** {@code Duration}. */
        DURATION,
        /** {@link Interval}. */
        INTERVAL,
        /** {@code List}. */
        LIST,
        /** {@code Map} of names to values, in order. */
        STRUCT,
        /** {@code Map}, in order. */
        MAP
    }

    /** How many of its units are in a second. */
    long unitsPerSecond() {
        return switch (unitDigits) {
            case 0 -> 1L;
            case 3 -> 1_000L;
            case 6 -> 1_000_000L;
            default -> 1_000_000_000L;
        };
    }

    /** The type as SQL writes it. */
    @Override
    public String toString() {
        return sql;
    }
}
