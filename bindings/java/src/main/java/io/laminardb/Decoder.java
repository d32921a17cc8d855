package io.laminardb;

import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;

/** Makes what a subscription gives out of the batches that it gets. */
@FunctionalInterface
interface Decoder<T> {
    /**
     * Takes over a native batch.
     *
     * @param batch its handle
     * @param epoch the epoch that brought it
     * @param reset whether it is the whole content
     */
    Iterator<T> decode(Schema schema, long batch, long epoch, boolean reset);

    /** Whole batches. */
    static Decoder<ChangeBatch> batches() {
        return (schema, batch, epoch, reset) -> {
            long[] weights = Native.batchWeights(batch);
            return List.of(new ChangeBatch(schema, batch, epoch, weights, reset)).iterator();
        };
    }

    /** Rows that come to be. */
    static <T> Decoder<T> rows(RowReader<T> reader) {
        return (schema, batch, epoch, reset) -> {
            Change change = Change.take(schema, batch);
            return new Iterator<>() {
                private int next = change.firstInsertFrom(0);

                @Override
                public boolean hasNext() {
                    return next < change.rows;
                }

                @Override
                public T next() {
                    int row = change.require(next);
                    next = change.firstInsertFrom(row + 1);
                    return reader.read(change.columns, row);
                }
            };
        };
    }

    /** Rows that come and rows that go. */
    static <T> Decoder<ChangeRow<T>> changes(RowReader<T> reader) {
        return (schema, batch, epoch, reset) -> {
            Change change = Change.take(schema, batch);
            return new Iterator<>() {
                private int next;

                @Override
                public boolean hasNext() {
                    return next < change.rows;
                }

                @Override
                public ChangeRow<T> next() {
                    int row = change.require(next);
                    next = row + 1;
                    Op op = change.isInsert(row) ? Op.INSERT : Op.DELETE;
                    return new ChangeRow<>(op, reader.read(change.columns, row), epoch, reset);
                }
            };
        };
    }

    /** A batch in Java's memory. */
    final class Change {
        final Column[] columns;
        final int rows;
        private final long[] weights;

        private Change(Column[] columns, int rows, long[] weights) {
            this.columns = columns;
            this.rows = rows;
            this.weights = weights;
        }

        /** Reads a native batch and frees it. */
        static Change take(Schema schema, long batch) {
            try {
                long[] weights = Native.batchWeights(batch);
                Column[] columns = Batch.readAll(schema, batch);
                long[] none = new long[0];
                return new Change(
                        columns, Native.batchRows(batch), weights == null ? none : weights);
            } finally {
                Native.freeBatch(batch);
            }
        }

        boolean isInsert(int row) {
            return weights.length == 0 || weights[row] > 0;
        }

        int firstInsertFrom(int row) {
            int at = row;
            while (at < rows && !isInsert(at)) {
                at++;
            }
            return at;
        }

        int require(int row) {
            if (row >= rows) {
                throw new NoSuchElementException("the batch is at its end");
            }
            return row;
        }
    }
}
