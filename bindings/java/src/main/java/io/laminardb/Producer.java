package io.laminardb;

import java.lang.ref.Reference;
import java.util.Collection;
import java.util.OptionalLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongUnaryOperator;

/**
 * A native producer: what {@link Source} and {@link Writer} share. Its calls are exclusive, so
 * threads that share one wait for each other; other producers are not concerned.
 */
final class Producer implements AutoCloseable {
    /** Kept, so that it is not collected while it is pushed into. */
    private final LaminarDB db;

    private final String name;
    private final Schema schema;
    private final Handle handle;
    private final ReentrantLock lock = new ReentrantLock();
    private volatile boolean closed;

    /** The largest watermark that was set here; guarded by the lock. */
    private OptionalLong watermark = OptionalLong.empty();

    Producer(LaminarDB db, String name, Schema schema, long pointer) {
        this.db = db;
        this.name = name;
        this.schema = schema;
        this.handle = new Handle(pointer, Native::freeSource);
    }

    LaminarDB db() {
        return db;
    }

    String name() {
        return name;
    }

    Schema schema() {
        return schema;
    }

    /** Rows in one piece; nothing is sent. */
    static <T> RowEncoder encodeAll(RowWriter<T> writer, Schema schema, Iterable<? extends T> rows) {
        long expected = rows instanceof Collection<?> known ? known.size() : 16;
        long bytes = expected * schema.size() * 12L;
        RowEncoder encoder = new RowEncoder((int) Math.min(bytes, 1 << 24));
        for (T row : rows) {
            writer.write(row, encoder);
            encoder.endRow();
        }
        return encoder;
    }

    /** One row in a piece. */
    static <T> RowEncoder encode(RowWriter<T> writer, Schema schema, T row) {
        RowEncoder encoder = new RowEncoder(schema.size() * 16);
        writer.write(row, encoder);
        encoder.endRow();
        return encoder;
    }

    /** Calls with the native producer, alone. */
    long call(LongUnaryOperator function) {
        if (db.isClosed()) {
            throw LaminarException.closed();
        }
        lock();
        try {
            long source = handle.tryEnter();
            if (source == 0) {
                throw LaminarException.of(
                        ErrorCode.WRITER_CLOSED,
                        "LDB-3101",
                        "this producer of `" + name + "` is closed; make another");
            }
            try {
                return function.applyAsLong(source);
            } finally {
                handle.leave();
                Reference.reachabilityFence(db);
            }
        } finally {
            lock.unlock();
        }
    }

    /** Rows that were gathered and wait to be pushed; 0 once this is closed. */
    long gathered() {
        lock();
        try {
            long source = handle.tryEnter();
            if (source == 0) {
                return 0;
            }
            try {
                return Native.gathered(source);
            } finally {
                handle.leave();
            }
        } finally {
            lock.unlock();
        }
    }

    private void lock() {
        Inside.lock(lock, "the producer of `" + name + "`");
    }

    void watermark(long tsMs) {
        call(
                source -> {
                    Native.watermark(source, tsMs);
                    watermark = OptionalLong.of(Math.max(tsMs, watermark.orElse(tsMs)));
                    return 0;
                });
    }

    OptionalLong watermark() {
        lock();
        try {
            return watermark;
        } finally {
            lock.unlock();
        }
    }

    void endOfInput() {
        call(
                source -> {
                    Native.endOfInput(source);
                    return 0;
                });
    }

    Producer copy() {
        return new Producer(db, name, schema, call(Native::cloneSource));
    }

    boolean isClosed() {
        return closed || db.isClosed();
    }

    @Override
    public void close() {
        closed = true;
        handle.close();
    }

    String describe(String kind) {
        return kind + " " + name + (isClosed() ? " closed" : " open");
    }
}
