package io.laminardb;

import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.LongConsumer;

/**
 * Something native, freed once: by {@link #close}, or when nobody refers to it any more.
 *
 * <p>Calls that use it are counted, so that closing it under a call of another thread frees it after
 * that call; no lock is held meanwhile. Every use is {@code enter}, the call, {@code leave}.
 */
final class Handle implements AutoCloseable {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final LongAdder LIVE = new LongAdder();

    private final State state;
    private final Cleaner.Cleanable cleanable;

    /**
     * Takes over a handle.
     *
     * @param pointer what the native part gave
     * @param free how it is freed
     */
    Handle(long pointer, LongConsumer free) {
        LIVE.increment();
        this.state = new State(pointer, free);
        this.cleanable = CLEANER.register(this, state);
    }

    /** Frees a handle as soon as nobody refers to what it keeps alive, such as a buffer. */
    static void keepFor(Object user, long pointer, LongConsumer free) {
        LIVE.increment();
        CLEANER.register(user, new State(pointer, free));
    }

    /** How many there are that were not freed, of all kinds. */
    static long live() {
        return LIVE.sum();
    }

    /** Begins a call; answers 0 when the handle was closed, and the call must not be made. */
    long tryEnter() {
        return state.tryEnter();
    }

    /** Ends a call that {@link #tryEnter} began. */
    void leave() {
        state.leave();
    }

    /** Frees it as soon as nobody is in it. The second time it does nothing. */
    @Override
    public void close() {
        cleanable.clean();
    }

    /** What the cleaner keeps: it must not refer to the handle itself. */
    private static final class State implements Runnable {
        /** Added to the number of calls when no more may begin. */
        private static final int CLOSED = Integer.MIN_VALUE;

        private final long pointer;
        private final LongConsumer free;
        private final AtomicInteger calls = new AtomicInteger();

        State(long pointer, LongConsumer free) {
            this.pointer = pointer;
            this.free = free;
        }

        long tryEnter() {
            int seen = calls.get();
            while (seen >= 0) {
                if (calls.compareAndSet(seen, seen + 1)) {
                    return pointer;
                }
                seen = calls.get();
            }
            return 0;
        }

        void leave() {
            if (calls.decrementAndGet() == CLOSED) {
                free();
            }
        }

        /** Closes; the cleaner sees to it that this runs once. */
        @Override
        public void run() {
            if (calls.getAndAdd(CLOSED) == 0) {
                free();
            }
        }

        private void free() {
            LIVE.decrement();
            free.accept(pointer);
        }
    }
}
