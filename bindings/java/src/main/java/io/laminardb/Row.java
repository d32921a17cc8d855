package io.laminardb;

import java.math.BigDecimal;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * The arguments of one row, by their places from 0. What each method takes and answers is as for the
 * methods of {@link Column}.
 */
public final class Row {
    private final Column[] columns;
    private final int row;

    Row(Column[] columns, int row) {
        this.columns = columns;
        this.row = row;
    }

    /**
     * How many arguments there are.
     *
     * @return the number
     */
    public int size() {
        return columns.length;
    }

    /**
     * Whether an argument is NULL.
     *
     * @param argument its place
     * @return true when it is
     */
    public boolean isNull(int argument) {
        return columns[argument].isNull(row);
    }

    /**
     * Whether any argument is NULL.
     *
     * @return true when one is
     */
    public boolean hasNull() {
        for (Column column : columns) {
            if (column.isNull(row)) {
                return true;
            }
        }
        return false;
    }

    /**
     * A {@code BOOLEAN}.
     *
     * @param argument its place
     * @return the value
     */
    public boolean getBoolean(int argument) {
        return columns[argument].getBoolean(row);
    }

    /**
     * An integer that fits.
     *
     * @param argument its place
     * @return the value
     */
    public int getInt(int argument) {
        return columns[argument].getInt(row);
    }

    /**
     * An integer, or the count of a date or time in the unit of its type.
     *
     * @param argument its place
     * @return the value
     */
    public long getLong(int argument) {
        return columns[argument].getLong(row);
    }

    /**
     * A number.
     *
     * @param argument its place
     * @return the value
     */
    public double getDouble(int argument) {
        return columns[argument].getDouble(row);
    }

    /**
     * A {@code VARCHAR}.
     *
     * @param argument its place
     * @return the value, or null for NULL
     */
    public @Nullable String getString(int argument) {
        return columns[argument].getString(row);
    }

    /**
     * A {@code BYTEA}.
     *
     * @param argument its place
     * @return a copy of the value, or null for NULL
     */
    public byte @Nullable [] getBytes(int argument) {
        return columns[argument].getBytes(row);
    }

    /**
     * A {@code DECIMAL}, or an integer.
     *
     * @param argument its place
     * @return the value, or null for NULL
     */
    public @Nullable BigDecimal getBigDecimal(int argument) {
        return columns[argument].getBigDecimal(row);
    }

    /**
     * A {@code TIMESTAMP} as a point in time.
     *
     * @param argument its place
     * @return the value, or null for NULL
     */
    public @Nullable Instant getInstant(int argument) {
        return columns[argument].getInstant(row);
    }

    /**
     * An argument of any type.
     *
     * @param argument its place
     * @return the value in the class of its type, or null for NULL
     */
    public @Nullable Object getObject(int argument) {
        return columns[argument].getObject(row);
    }
}
