package io.laminardb;

import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * A producer of a source. When a push returns, everything downstream has what it brought about.
 *
 * <p>Each producer has a watermark of its own, and the source's is the least of its open producers';
 * {@link #clone} makes one for a further thread. Threads that share one producer take turns.
 *
 * @param <T> the class of the rows: a record, or a map of column names to values
 */
public final class Source<T> implements AutoCloseable {
    private static final long NO_ROOM = -1;

    private final Producer producer;
    private final RowWriter<T> writer;

    Source(Producer producer, Class<T> type) {
        this(producer, Writer.bind(producer, type));
    }

    private Source(Producer producer, RowWriter<T> writer) {
        this.producer = producer;
        this.writer = writer;
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
     * Pushes a row. Waits for room as long as the configuration says.
     *
     * @param row the row
     * @throws IngestionException when it does not fit, or with BACKPRESSURE when there was no room
     */
    public void push(T row) {
        send(Producer.encode(writer, schema(), row), true);
    }

    /**
     * Pushes a row, or does nothing where that would wait for room.
     *
     * @param row the row
     * @return whether it was pushed
     * @throws IngestionException when it does not fit
     */
    public boolean tryPush(T row) {
        return send(Producer.encode(writer, schema(), row), false) != NO_ROOM;
    }

    /**
     * Pushes rows: all of them as one epoch, or none.
     *
     * @param rows the rows
     * @return how many there were
     * @throws IngestionException when one does not fit; the message names the row and the column
     */
    public long pushBatch(Iterable<? extends T> rows) {
        return send(Producer.encodeAll(writer, schema(), rows), true);
    }

    /**
     * Pushes rows as {@link #pushBatch} does, or does nothing where that would wait for room.
     *
     * @param rows the rows
     * @return whether they were pushed
     * @throws IngestionException when one does not fit
     */
    public boolean tryPushBatch(Iterable<? extends T> rows) {
        return send(Producer.encodeAll(writer, schema(), rows), false) != NO_ROOM;
    }

    /**
     * Pushes rows that are written as JSON: an object, an array of objects, or objects one after the
     * other. All of them as one epoch, or none.
     *
     * @param json the rows
     * @return how many there were
     * @throws IngestionException when one does not fit; the message names the row and the column
     */
    public long pushJson(String json) {
        return producer.call(
                source -> Native.pushEncoded(source, Form.JSON, null, Native.utf8(json)));
    }

    /**
     * Pushes rows that are written as CSV. All of them as one epoch, or none.
     *
     * @param csv the rows
     * @param options how they are written
     * @return how many there were
     * @throws IngestionException when one does not fit; the message names the row and the column
     */
    public long pushCsv(String csv, CsvOptions options) {
        byte[] how = options.utf8();
        return producer.call(
                source -> Native.pushEncoded(source, Form.CSV, how, Native.utf8(csv)));
    }

    /**
     * Pushes the rows of a stream or file in Arrow's IPC format. All of them as one epoch, or none.
     *
     * @param ipc the bytes
     * @return how many there were
     * @throws IngestionException when they do not fit; the message names the column
     */
    public long pushIpc(byte[] ipc) {
        return producer.call(source -> Native.pushEncoded(source, Form.IPC, null, ipc));
    }

    /**
     * Pushes rows as {@link #pushIpc(byte[])} does, those between the position and the limit of a
     * buffer, which stay as they are. A direct buffer is read where it lies; it must not be changed
     * meanwhile.
     *
     * @param ipc the bytes
     * @return how many rows there were
     */
    public long pushIpc(ByteBuffer ipc) {
        return pushEncoded(Form.IPC, null, ipc);
    }

    /**
     * Pushes rows as {@link #pushJson(String)} does, out of a buffer with UTF-8, as {@link
     * #pushIpc(ByteBuffer)} reads it.
     *
     * @param json the rows
     * @return how many there were
     */
    public long pushJson(ByteBuffer json) {
        return pushEncoded(Form.JSON, null, json);
    }

    /**
     * Pushes rows as {@link #pushCsv(String, CsvOptions)} does, out of a buffer with UTF-8, as {@link
     * #pushIpc(ByteBuffer)} reads it.
     *
     * @param csv the rows
     * @param options how they are written
     * @return how many there were
     */
    public long pushCsv(ByteBuffer csv, CsvOptions options) {
        return pushEncoded(Form.CSV, options.utf8(), csv);
    }

    private long pushEncoded(int form, byte @Nullable [] options, ByteBuffer rows) {
        if (!rows.isDirect()) {
            byte[] copy = Form.copy(rows);
            return producer.call(source -> Native.pushEncoded(source, form, options, copy));
        }
        int from = rows.position();
        int length = rows.remaining();
        return producer.call(
                source -> Native.pushDirect(source, form, options, rows, from, length));
    }

    private long send(RowEncoder rows, boolean wait) {
        return producer.call(
                source -> Native.pushRows(source, rows.piece(), rows.length(), wait));
    }

    /**
     * Promises that this producer sends no event with a time of at most {@code tsMs} any more. A
     * promise behind an earlier one does nothing. Windows that it completes were delivered when this
     * returns.
     *
     * @param tsMs milliseconds since 1970-01-01 00:00:00 UTC, or in the terms of a BIGINT column
     */
    public void watermark(long tsMs) {
        producer.watermark(tsMs);
    }

    /**
     * Promises that this producer sends no event with a time of at most {@code ts} any more.
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
     * Says that this producer sends nothing any more; a later push is refused. When every producer of
     * the source has said so or was closed, all windows close and results are final.
     */
    public void endOfInput() {
        producer.endOfInput();
    }

    /**
     * Rows that the source holds back until the database is started.
     *
     * @return rows; 0 once it is started
     */
    public long pending() {
        return producer.call(Native::pending);
    }

    /**
     * Rows that the source may hold back until the database is started.
     *
     * @return rows
     */
    public long capacity() {
        return producer.call(Native::capacity);
    }

    /**
     * Whether there is room for a row before the start.
     *
     * @return true when there is
     */
    public boolean hasCapacity() {
        return producer.call(source -> Native.capacity(source) - Native.pending(source)) > 0;
    }

    /**
     * One more producer of the same source, with a watermark of its own.
     *
     * @return the producer
     */
    @Override
    public Source<T> clone() {
        return new Source<>(producer.copy(), writer);
    }

    /**
     * Whether it, or the database, was closed.
     *
     * @return true when it was
     */
    public boolean isClosed() {
        return producer.isClosed();
    }

    /** Gives the producer up, so that its watermark holds the source's back no longer. */
    @Override
    public void close() {
        producer.close();
    }

    /** The name, and whether it is open. */
    @Override
    public String toString() {
        return producer.describe("Source");
    }

    Producer producer() {
        return producer;
    }
}
