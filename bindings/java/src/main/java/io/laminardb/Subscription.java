package io.laminardb;

import java.lang.ref.Reference;
import java.time.Duration;
import java.util.Collections;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What changes in a stream or a query, one piece after another.
 *
 * <p>It is read in one of four ways: {@link #poll}, {@link #next() next} and iteration are for
 * threads that take; {@link #listen listen} and {@link #publisher} call when there is something. Any
 * thread may cancel it; whoever waits then wakes. Threads that take from the same subscription take
 * turns.
 *
 * <p>When changes were missed because they were taken too slowly, a call throws {@link
 * SubscriptionException} with the code SUBSCRIPTION_LAGGED, once, and the next one goes on with the
 * oldest that are kept.
 *
 * @param <T> what it gives: {@link ChangeBatch} for all that an epoch changed, a record or a map for
 *     each row that came to be, {@link ChangeRow} for each row that came or went
 */
public final class Subscription<T> implements Iterable<T>, AutoCloseable {
    /** How long a wait goes on before it looks for an interrupt. */
    private static final long SLICE_MS = 50;

    private static final int BATCH = 0;
    private static final int NOTHING = 1;
    private static final int END = 2;
    private static final int LAGGED = 3;

    /** Kept, so that it is not collected while it is followed. */
    private final LaminarDB db;

    private final String name;
    private final Handle handle;
    private final Schema schema;
    private final Decoder<T> decoder;
    private final ReentrantLock lock = new ReentrantLock();

    /** What the last poll answered; guarded by the lock. */
    private final long[] outcome = new long[2];

    /** What is left of the last batch; guarded by the lock. */
    private Iterator<T> current = Collections.emptyIterator();

    /** Whether the next batch is the whole content; guarded by the lock. */
    private boolean reset;

    private volatile boolean ended;
    private volatile boolean cancelled;
    private volatile boolean delivered;
    private volatile long epoch;
    private volatile long lagged;

    Subscription(
            LaminarDB db, String name, Handle handle, Schema schema, Decoder<T> decoder) {
        this.db = db;
        this.name = name;
        this.handle = handle;
        this.schema = schema;
        this.decoder = decoder;
    }

    /**
     * What is followed.
     *
     * @return the name or the query
     */
    public String name() {
        return name;
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
     * Whether more can come.
     *
     * @return false after {@link #cancel}, after the end, and when the database was closed
     */
    public boolean isActive() {
        return !ended && !db.isClosed();
    }

    /**
     * The epoch of what came last.
     *
     * @return the epoch; 0 before the first
     */
    public long epoch() {
        return epoch;
    }

    /**
     * Rows that were missed since the subscription was made.
     *
     * @return rows
     */
    public long lagged() {
        long pointer = handle.tryEnter();
        if (pointer == 0) {
            return lagged;
        }
        try {
            return Native.lagged(pointer);
        } finally {
            handle.leave();
        }
    }

    /**
     * The next piece if there is one. Never waits.
     *
     * @return the piece; null when there is none now, or will be none ({@link #isActive})
     * @throws ConnectionException when the database was closed
     * @throws SubscriptionException when changes were missed
     * @throws StreamException when the stream failed
     */
    public @Nullable T poll() {
        requireTaking();
        if (!lock.tryLock()) {
            return null; // another thread waits for the next one, and it is that thread's
        }
        try {
            return take();
        } finally {
            lock.unlock();
        }
    }

    /**
     * The next piece. Waits as long as it takes.
     *
     * @return the piece; null when there will be none any more
     * @throws InterruptedException when the thread was interrupted while it waited
     * @throws ConnectionException when the database was closed before
     * @throws SubscriptionException when changes were missed
     * @throws StreamException when the stream failed
     */
    public @Nullable T next() throws InterruptedException {
        requireTaking();
        Inside.refuse("waiting for `" + name + "`");
        lock.lockInterruptibly();
        try {
            return await(Long.MAX_VALUE);
        } finally {
            lock.unlock();
        }
    }

    /**
     * The next piece. Waits at most so long.
     *
     * @param timeout how long
     * @return the piece; null when nothing came in time, or nothing will ({@link #isActive})
     * @throws InterruptedException when the thread was interrupted while it waited
     * @throws ConnectionException when the database was closed before
     * @throws SubscriptionException when changes were missed
     * @throws StreamException when the stream failed
     */
    public @Nullable T next(Duration timeout) throws InterruptedException {
        requireTaking();
        long nanos = nanos(timeout);
        if (nanos > 0) {
            Inside.refuse("waiting for `" + name + "`");
        }
        long begun = System.nanoTime();
        if (!lock.tryLock(nanos, TimeUnit.NANOSECONDS)) {
            return null;
        }
        try {
            return await(Math.max(0, nanos - (System.nanoTime() - begun)));
        } finally {
            lock.unlock();
        }
    }

    /**
     * The pieces as they come, until the end: until {@link #cancel}, or the database is closed.
     *
     * <p>An interrupt throws {@link CancellationException} and stays set.
     *
     * @return an iterator that takes from this subscription
     */
    @Override
    public Iterator<T> iterator() {
        return new Iterator<>() {
            private @Nullable T ahead;

            @Override
            public boolean hasNext() {
                if (ahead == null) {
                    ahead = nextUnchecked();
                }
                return ahead != null;
            }

            @Override
            public T next() {
                if (!hasNext()) {
                    throw new NoSuchElementException("the subscription is at its end");
                }
                T piece = Objects.requireNonNull(ahead);
                ahead = null;
                return piece;
            }
        };
    }

    private @Nullable T nextUnchecked() {
        if (delivered) {
            requireTaking();
        }
        Inside.refuse("waiting for `" + name + "`");
        try {
            lock.lockInterruptibly();
            try {
                return await(Long.MAX_VALUE);
            } finally {
                lock.unlock();
            }
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            CancellationException cancellation =
                    new CancellationException("interrupted while waiting for `" + name + "`");
            cancellation.initCause(error);
            throw cancellation;
        }
    }

    /**
     * Calls for each piece, on a pool of daemon threads, one call at a time. Until it ends, the database
     * is in use and is not collected.
     *
     * @param onNext called with each piece
     * @param onError called with what goes wrong: missed changes and what {@code onNext} throws, after
     *     which it goes on, and failures of the stream, after which it ends
     * @return what ends it
     */
    public Listening listen(Consumer<? super T> onNext, Consumer<? super Throwable> onError) {
        return listen(onNext, onError, Delivery.defaultExecutor());
    }

    /**
     * Calls for each piece, one call at a time. Until it ends, the database is in use and is not
     * collected.
     *
     * @param onNext called with each piece
     * @param onError called with what goes wrong: missed changes and what {@code onNext} throws, after
     *     which it goes on, and failures of the stream, after which it ends
     * @param executor on which both are called
     * @return what ends it
     */
    public Listening listen(
            Consumer<? super T> onNext, Consumer<? super Throwable> onError, Executor executor) {
        deliver();
        Listening listening = new Listening();
        Delivery<T> delivery =
                new Delivery<>(
                        this,
                        executor,
                        new Delivery.Target<>() {
                            @Override
                            public void next(T piece) {
                                try {
                                    onNext.accept(piece);
                                } catch (RuntimeException error) {
                                    onError.accept(error);
                                }
                            }

                            @Override
                            public boolean failed(Throwable error, boolean isLast) {
                                onError.accept(error);
                                return !isLast;
                            }

                            @Override
                            public void ended() {}
                        },
                        listening::end);
        listening.begin(delivery);
        delivery.start();
        delivery.request(Long.MAX_VALUE);
        return listening;
    }

    /**
     * This subscription as a publisher for one subscriber, which is called on a pool of daemon
     * threads. The subscription ends with the subscriber's.
     *
     * @return the publisher
     */
    public Flow.Publisher<T> publisher() {
        return publisher(Delivery.defaultExecutor());
    }

    /**
     * This subscription as a publisher for one subscriber. The subscription ends with the subscriber's;
     * what the subscriber has not requested waits in the database. Missed changes are an error, which
     * ends it.
     *
     * @param executor on which the subscriber is called
     * @return the publisher
     */
    public Flow.Publisher<T> publisher(Executor executor) {
        deliver();
        return Delivery.publisher(this, executor);
    }

    /** Ends it and wakes whoever waits. The second time it does nothing. */
    public void cancel() {
        cancelled = true;
        ended = true;
        end();
    }

    /** The same as {@link #cancel}. */
    @Override
    public void close() {
        cancel();
    }

    /** What is followed, and whether more can come. */
    @Override
    public String toString() {
        return "Subscription " + name + (isActive() ? " active" : " ended");
    }

    LaminarDB db() {
        return db;
    }

    boolean isEnded() {
        return ended;
    }

    /** Has notes left when there is something to take after nothing was found. */
    void onReady(long ready, long key) {
        Inside.lock(lock, "`" + name + "`");
        try {
            long pointer = handle.tryEnter();
            if (pointer == 0) {
                return;
            }
            try {
                Native.onReady(pointer, ready, key);
            } finally {
                handle.leave();
            }
        } finally {
            lock.unlock();
        }
    }

    /** The next piece for a listener. */
    @Nullable T takeForDelivery() {
        lock.lock();
        try {
            return take();
        } finally {
            lock.unlock();
        }
    }

    private void deliver() {
        synchronized (this) {
            requireTaking();
            delivered = true;
        }
    }

    private void requireTaking() {
        if (db.isClosed()) {
            throw LaminarException.closed();
        }
        if (delivered) {
            throw new IllegalStateException("`" + name + "` is delivered to a listener");
        }
    }

    /** What there is now; null without. The lock is held. */
    private @Nullable T take() {
        while (true) {
            if (cancelled) {
                return null;
            }
            if (current.hasNext()) {
                return current.next();
            }
            if (ended || !pollOnce(0)) {
                return null;
            }
        }
    }

    /** What comes in time; null without. The lock is held. */
    private @Nullable T await(long nanos) throws InterruptedException {
        long begun = System.nanoTime();
        while (true) {
            T piece = take();
            if (piece != null || ended) {
                return piece;
            }
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
            long left = nanos - (System.nanoTime() - begun);
            if (left <= 0) {
                return null;
            }
            // Rounded up, so that a wait is never cut to a spin.
            long leftMs = left / 1_000_000 + 1;
            pollOnce(Math.min(leftMs, SLICE_MS));
        }
    }

    /** Gets a batch into {@code current}; answers whether to look again at once. */
    private boolean pollOnce(long timeoutMs) {
        long pointer = handle.tryEnter();
        if (pointer == 0) {
            ended = true;
            return false;
        }
        long batch;
        try {
            batch = Native.poll(pointer, timeoutMs, outcome);
        } catch (LaminarException error) {
            if (error.errorCode() == ErrorCode.CONNECTION_CLOSED) {
                ended = true;
                return false;
            }
            // A stream that failed sends no more; other errors leave the subscription as it was.
            if (error.code() >= 500 && error.code() < 700) {
                ended = true;
            }
            throw error;
        } finally {
            handle.leave();
            Reference.reachabilityFence(db);
        }
        switch ((int) outcome[0]) {
            case BATCH -> {
                epoch = outcome[1];
                boolean whole = reset;
                reset = false;
                current = decoder.decode(schema, batch, epoch, whole);
            }
            case NOTHING -> {
                return false;
            }
            case END -> {
                ended = true;
                end();
                return false;
            }
            case LAGGED ->
                    throw LaminarException.of(
                            ErrorCode.SUBSCRIPTION_LAGGED,
                            "LDB-5301",
                            "the subscription to `"
                                    + name
                                    + "` has missed "
                                    + outcome[1]
                                    + " rows, because they were taken too slowly; the next call goes"
                                    + " on with the oldest kept");
            default -> reset = true;
        }
        return true;
    }

    /** Frees the native subscription after those that are in it, and wakes them. */
    private void end() {
        long pointer = handle.tryEnter();
        if (pointer != 0) {
            try {
                lagged = Native.lagged(pointer);
                Native.cancel(pointer);
            } finally {
                handle.leave();
            }
        }
        handle.close();
    }

    private static long nanos(Duration timeout) {
        try {
            return Math.max(0, timeout.toNanos());
        } catch (ArithmeticException error) {
            return Long.MAX_VALUE;
        }
    }
}
