package io.laminardb;

import org.jspecify.annotations.Nullable;

/**
 * The results of a function of SQL, one after the other. Whether a value fits the type of the
 * results is decided as for rows that are inserted: what does not fit refuses the rows.
 */
public final class ColumnBuilder {
    private final Field field;
    private final RowEncoder values;

    ColumnBuilder(Field field, int expected) {
        this.field = field;
        this.values = new RowEncoder((int) Math.min(expected * 12L, 1 << 24));
    }

    /**
     * Adds an integer, or the count of a date or time in the unit of its type.
     *
     * @param value the value
     */
    public void append(long value) {
        values.putLong(value);
        values.endRow();
    }

    /**
     * Adds a number.
     *
     * @param value the value
     */
    public void append(double value) {
        values.putDouble(value);
        values.endRow();
    }

    /**
     * Adds a {@code BOOLEAN}.
     *
     * @param value the value
     */
    public void append(boolean value) {
        values.putBoolean(value);
        values.endRow();
    }

    /**
     * Adds a value of any type, as {@link LaminarDB#insert} takes it.
     *
     * @param value the value, or null for NULL
     */
    public void append(@Nullable Object value) {
        values.put(value, field);
        values.endRow();
    }

    /** Adds a NULL. */
    public void appendNull() {
        values.putNull();
        values.endRow();
    }

    /**
     * How many there are.
     *
     * @return the number
     */
    public int size() {
        return values.rows();
    }

    RowEncoder values() {
        return values;
    }
}
