package io.laminardb;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A function of SQL as native code calls it ({@code native/src/host.rs}). */
abstract class HostFunction {
    static final int CALL = 0;
    static final int UPDATE = 1;
    static final int MERGE = 2;
    static final int EVALUATE = 3;

    /** In the place of the number of rows: what follows is the reason of a refusal. */
    private static final int REFUSED = -1;

    /**
     * Called by the native part, on the thread that does the work.
     *
     * @param what one of the numbers above
     * @param state a packed row, or null
     * @param input packed rows, or null
     * @param rows how many
     * @return rows, or why there are none
     */
    final byte[] enter(
            int what, byte @Nullable [] state, byte @Nullable [] input, int rows) {
        Inside.enter();
        try {
            RowEncoder out = work(what, state, input, rows);
            return out.copy();
        } catch (Throwable error) {
            if (error instanceof InterruptedException) {
                Thread.currentThread().interrupt();
            }
            return refusal(error);
        } finally {
            Inside.leave();
        }
    }

    abstract RowEncoder work(
            int what, byte @Nullable [] state, byte @Nullable [] input, int rows)
            throws Exception;

    private static byte[] refusal(Throwable error) {
        byte[] reason = Native.utf8(error.toString());
        byte[] refusal = new byte[4 + reason.length];
        WireReader.INTS.set(refusal, 0, REFUSED);
        System.arraycopy(reason, 0, refusal, 4, reason.length);
        return refusal;
    }

    /** A scalar function. */
    static final class Scalar extends HostFunction {
        private final Schema arguments;
        private final Field result;
        private final ScalarFunction function;

        Scalar(Schema arguments, Field result, ScalarFunction function) {
            this.arguments = arguments;
            this.result = result;
            this.function = function;
        }

        /** A function of rows as one of columns. */
        static ScalarFunction byRow(RowFunction function, boolean strict) {
            return (arguments, results) -> {
                for (int index = 0; index < arguments.size(); index++) {
                    Row row = arguments.row(index);
                    results.append(strict && row.hasNull() ? null : function.call(row));
                }
            };
        }

        @Override
        RowEncoder work(int what, byte @Nullable [] state, byte @Nullable [] input, int rows)
                throws Exception {
            byte[] piece = Objects.requireNonNull(input);
            ColumnBuilder results = new ColumnBuilder(result, rows);
            function.call(Rows.of(arguments, piece, rows, false), results);
            if (results.size() != rows) {
                throw new IllegalStateException(
                        "the function gave " + results.size() + " results for " + rows + " rows");
            }
            return results.values();
        }
    }

    /** An aggregate function with its state in the columns of a record. */
    static final class Aggregate<S extends Record> extends HostFunction {
        private final Schema arguments;
        private final Schema columns;
        private final Field result;
        private final AggregateFunction<S> function;
        private final RowReader<S> reader;
        private final RowWriter<S> writer;
        private final boolean strict;

        Aggregate(
                Schema arguments,
                Schema columns,
                Field result,
                Class<S> type,
                AggregateFunction<S> function,
                boolean strict) {
            this.arguments = arguments;
            this.columns = columns;
            this.result = result;
            this.function = function;
            this.reader = RowReader.of(type, columns);
            this.writer = RowWriter.of(type, columns);
            this.strict = strict;
        }

        @Override
        RowEncoder work(int what, byte @Nullable [] state, byte @Nullable [] input, int rows)
                throws Exception {
            S known = read(state);
            return switch (what) {
                case UPDATE -> {
                    byte[] piece = Objects.requireNonNull(input);
                    Rows given = Rows.of(arguments, piece, rows, strict);
                    yield write(function.updateAll(known, given));
                }
                case MERGE -> write(merge(known, read(input)));
                default -> {
                    ColumnBuilder results = new ColumnBuilder(result, 1);
                    results.append(function.evaluate(known));
                    yield results.values();
                }
            };
        }

        private @Nullable S merge(@Nullable S state, @Nullable S other) throws Exception {
            if (state == null || other == null) {
                return state == null ? other : state;
            }
            return function.merge(state, other);
        }

        private @Nullable S read(byte @Nullable [] piece) {
            if (piece == null) {
                return null;
            }
            Rows rows = Rows.of(columns, piece, 1, false);
            return rows.isNothing() ? null : reader.read(rows.columns(), 0);
        }

        private RowEncoder write(@Nullable S state) {
            RowEncoder out = new RowEncoder(columns.size() * 16);
            if (state == null) {
                for (int column = 0; column < columns.size(); column++) {
                    out.putNull();
                }
            } else {
                writer.write(state, out);
            }
            out.endRow();
            return out;
        }
    }
}
