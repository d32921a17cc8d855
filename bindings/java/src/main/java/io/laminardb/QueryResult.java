package io.laminardb;

import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The rows of a query, read once, batch by batch.
 *
 * <p>It closes itself when its last batch was read; close it when you stop earlier. One thread reads
 * it; any thread may cancel or close it.
 */
public final class QueryResult implements Iterable<Batch>, AutoCloseable {
    /** Kept, so that it is not collected while its rows are read. */
    private final LaminarDB db;

    private final Handle handle;
    private final Schema schema;
    private final long id;
    private volatile boolean ended;

    /** Takes over a cursor of the native part. */
    QueryResult(LaminarDB db, long pointer) {
        this.db = db;
        this.handle = new Handle(pointer, Native::freeCursor);
        this.schema = new Schema(Native.cursorSchema(pointer));
        this.id = Native.cursorId(pointer);
    }

    /**
     * The columns of the rows.
     *
     * @return the schema
     */
    public Schema schema() {
        return schema;
    }

    /**
     * The next batch. Waits for it.
     *
     * @return the batch, which may be closed when it was read; null at the end
     * @throws QueryException with the code QUERY_CANCELLED after {@link #cancel}
     * @throws IllegalStateException when the result was closed before its end
     */
    public @Nullable Batch next() {
        long cursor = handle.tryEnter();
        if (cursor == 0) {
            if (ended) {
                return null;
            }
            throw new IllegalStateException("the result is closed");
        }
        long batch;
        try {
            batch = Native.cursorNext(cursor);
        } finally {
            handle.leave();
            Reference.reachabilityFence(db);
        }
        if (batch == 0) {
            ended = true;
            handle.close();
            return null;
        }
        return new Batch(schema, batch);
    }

    /**
     * The batches that are left.
     *
     * @return an iterator that reads on in this result
     */
    @Override
    public Iterator<Batch> iterator() {
        return new Iterator<>() {
            private @Nullable Batch ahead;

            @Override
            public boolean hasNext() {
                if (ahead == null) {
                    ahead = QueryResult.this.next();
                }
                return ahead != null;
            }

            @Override
            public Batch next() {
                if (!hasNext()) {
                    throw new NoSuchElementException("the result is at its end");
                }
                Batch batch = ahead;
                ahead = null;
                return Objects.requireNonNull(batch);
            }
        };
    }

    /**
     * All rows that are left, as maps of column names to values, in the order of the columns. Closes
     * the result.
     *
     * @return a new list
     */
    public List<Map<String, @Nullable Object>> toMaps() {
        List<Map<String, @Nullable Object>> maps = new ArrayList<>();
        try (this) {
            for (Batch batch : this) {
                try (batch) {
                    maps.addAll(batch.toMaps());
                }
            }
        }
        return maps;
    }

    /**
     * All rows that are left, as records whose components are columns by name. Closes the result.
     *
     * @param <R> the class of the records
     * @param type the class of the records
     * @return a new list
     * @throws SchemaException when a component has no column, or one of another type
     */
    public <R extends Record> List<R> toRecords(Class<R> type) {
        List<R> records = new ArrayList<>();
        try (this) {
            schema.reader(type);
            for (Batch batch : this) {
                try (batch) {
                    records.addAll(batch.toRecords(type));
                }
            }
        }
        return records;
    }

    /**
     * All rows that are left, as one stream of Arrow's IPC format. Closes the result.
     *
     * @return the bytes of the stream
     * @throws QueryException when the result was read already, or is one of {@code execute}
     */
    public byte[] toIpc() {
        long cursor = handle.tryEnter();
        if (cursor == 0) {
            throw new IllegalStateException("the result is closed");
        }
        try (this) {
            return Native.cursorIpc(cursor);
        } finally {
            handle.leave();
            Reference.reachabilityFence(db);
        }
    }

    /**
     * Its number in {@code laminar_queries}, by which {@link LaminarDB#cancelQuery} knows it.
     *
     * @return the number; 0 when it is not listed
     */
    public long id() {
        return id;
    }

    /** Cancels the query from any thread: whoever reads gets QUERY_CANCELLED. */
    public void cancel() {
        long cursor = handle.tryEnter();
        if (cursor == 0) {
            return;
        }
        try {
            Native.cancelCursor(cursor);
        } finally {
            handle.leave();
        }
    }

    /** Cancels what is not read yet and gives the memory back. The second time it does nothing. */
    @Override
    public void close() {
        cancel();
        handle.close();
    }

    /** The columns. */
    @Override
    public String toString() {
        return "QueryResult" + schema;
    }
}
