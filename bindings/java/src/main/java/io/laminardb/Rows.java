package io.laminardb;

import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * Rows of arguments that a function of SQL is called with, in columns. Iterating over them leaves
 * out rows with a NULL where the function is {@link Signature#strict strict}.
 */
public final class Rows implements Iterable<Row> {
    private final Column[] columns;
    private final int size;
    private final boolean strict;

    Rows(Column[] columns, int size, boolean strict) {
        this.columns = columns;
        this.size = size;
        this.strict = strict;
    }

    /** Rows of a piece that the native part packed. */
    static Rows of(Schema schema, byte[] piece, int size, boolean strict) {
        Column[] columns = new Column[schema.size()];
        for (int index = 0; index < columns.length; index++) {
            columns[index] = new Column(schema.fields().get(index), size, piece, index);
        }
        return new Rows(columns, size, strict);
    }

    /**
     * How many rows there are.
     *
     * @return the number
     */
    public int size() {
        return size;
    }

    /**
     * An argument of all rows.
     *
     * @param argument its place, from 0
     * @return the column
     */
    public Column column(int argument) {
        return columns[argument];
    }

    /**
     * A row.
     *
     * @param row its place, from 0
     * @return the row
     */
    public Row row(int row) {
        if (row < 0 || row >= size) {
            throw new IndexOutOfBoundsException("row " + row + " of " + size);
        }
        return new Row(columns, row);
    }

    @Override
    public Iterator<Row> iterator() {
        return new Iterator<>() {
            private int next = -1;

            {
                seek();
            }

            /** Goes on to the next row that is not left out. */
            private void seek() {
                do {
                    next++;
                } while (strict && next < size && row(next).hasNull());
            }

            @Override
            public boolean hasNext() {
                return next < size;
            }

            @Override
            public Row next() {
                if (next >= size) {
                    throw new NoSuchElementException("there are " + size + " rows");
                }
                Row row = row(next);
                seek();
                return row;
            }
        };
    }

    /** Whether all columns are NULL in the first row. */
    boolean isNothing() {
        for (Column column : columns) {
            if (!column.isNull(0)) {
                return false;
            }
        }
        return true;
    }

    Column[] columns() {
        return columns;
    }
}
