package io.laminardb;

import java.time.Instant;
import java.util.OptionalLong;

/**
 * A producer that gathers rows and pushes them {@value #BATCH_ROWS} at a time, at a watermark, at
 * {@link #flush} and when it is closed.
 *
 * <p>A row is checked when it is inserted. Threads that share one writer take turns.
 *
 * @param <T> the class of the rows: a record, or a map of column names to values
 */
public final class Writer<T> implements AutoCloseable {
    /** Rows that are gathered before they are pushed. */
    public static final int BATCH_ROWS = 1_024;

    private final Producer producer;
    private final RowWriter<T> writer;

    Writer(Producer producer, Class<T> type) {
        this.producer = producer;
        this.writer = bind(producer, type);
    }

    /** The way to write a class for a producer; when there is none the producer is closed. */
    static <T> RowWriter<T> bind(Producer producer, Class<T> type) {
        try {
            return producer.schema().writer(type);
        } catch (RuntimeException error) {
            producer.close();
            throw error;
        }
    }

    /**
     * The name of the source.
     *
     * @return the name
     */
    public String name() {
        return producer.name();
    }

    /**
     * The columns of the source.
     *
     * @return the schema
     */
    public Schema schema() {
        return producer.schema();
    }

    /**
     * Takes a row.
     *
     * @param row the row
     * @throws IngestionException when it does not fit; what was taken before stays
     */
    public void insert(T row) {
        gather(Producer.encode(writer, schema(), row));
    }

    /**
     * Takes rows: all of them, or none.
     *
     * @param rows the rows
     * @return how many there were
     * @throws IngestionException when one does not fit; what was taken before stays
     */
    public long insertAll(Iterable<? extends T> rows) {
        return gather(Producer.encodeAll(writer, schema(), rows));
    }

    private long gather(RowEncoder rows) {
        return producer.call(
                source -> Native.gatherRows(source, rows.piece(), rows.length(), BATCH_ROWS));
    }

    /**
     * Pushes the rows gathered, then promises that no event with a time of at most {@code tsMs}
     * follows through this writer.
     *
     * @param tsMs milliseconds since 1970-01-01 00:00:00 UTC, or in the terms of a BIGINT column
     */
    public void watermark(long tsMs) {
        producer.watermark(tsMs);
    }

    /**
     * Pushes the rows gathered, then promises that no event with a time of at most {@code ts} follows
     * through this writer.
     *
     * @param ts the time, of which milliseconds count
     */
    public void watermark(Instant ts) {
        producer.watermark(ts.toEpochMilli());
    }

    /**
     * The largest watermark that was set here.
     *
     * @return milliseconds; empty when none was
     */
    public OptionalLong currentWatermark() {
        return producer.watermark();
    }

    /**
     * Pushes the rows gathered.
     *
     * @return how many there were
     * @throws IngestionException with BACKPRESSURE when there was no room; the rows wait on
     */
    public long flush() {
        return producer.call(Native::flush);
    }

    /** Pushes the rows gathered, then says that nothing follows through this writer. */
    public void endOfInput() {
        producer.endOfInput();
    }

    /**
     * Whether it, or the database, was closed.
     *
     * @return true when it was
     */
    public boolean isClosed() {
        return producer.isClosed();
    }

    /**
     * Pushes the rows gathered and gives the writer up; when there is no room for them it stays open.
     * The second time it does nothing.
     *
     * @throws IngestionException when the rows gathered are refused
     * @throws ConnectionException when the database was closed before they were pushed
     */
    @Override
    public void close() {
        try {
            if (producer.gathered() > 0) {
                flush();
            }
        } catch (LaminarException error) {
            boolean goesOn =
                    error.errorCode() == ErrorCode.BACKPRESSURE
                            || error.errorCode() == ErrorCode.CONNECTION_IN_USE;
            if (!goesOn) {
                producer.close();
            }
            throw error;
        }
        producer.close();
    }

    /** The name, and whether it is open. */
    @Override
    public String toString() {
        return producer.describe("Writer");
    }
}
