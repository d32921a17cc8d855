package io.laminardb;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Tells the listeners of a database when there is something for them.
 *
 * <p>The database leaves notes on whatever thread pushed ({@code native/src/ready.rs}); one daemon
 * thread picks them up and starts tasks on the listeners' executors. The thread lives as long as there
 * are listeners.
 */
final class Dispatcher {
    /** A note of no listener: to look whether there are any left. */
    private static final long NOBODY = 0;

    private static final long WAIT_MS = 60_000;

    private final Map<Long, Runnable> listeners = new HashMap<>();
    private long nextKey = NOBODY + 1;
    private @Nullable Handle ready;
    private @Nullable Thread thread;

    /**
     * Adds a listener.
     *
     * @param look starts its task
     * @param register has the database note the key; called with the native place of notes
     * @return the key
     */
    long add(Runnable look, Registration register) {
        long key;
        Handle notes;
        synchronized (this) {
            key = nextKey++;
            listeners.put(key, look);
            if (ready == null) {
                ready = new Handle(Native.newReady(), Native::freeReady);
            }
            notes = ready;
            if (thread == null) {
                thread = new Thread(() -> run(notes), "laminardb-dispatcher");
                thread.setDaemon(true);
                thread.start();
            }
        }
        long pointer = notes.tryEnter();
        try {
            register.register(pointer, key);
        } finally {
            notes.leave();
        }
        return key;
    }

    /** Forgets a listener. */
    synchronized void remove(long key) {
        if (listeners.remove(key) != null && listeners.isEmpty() && ready != null) {
            long pointer = ready.tryEnter();
            try {
                Native.noteReady(pointer, NOBODY);
            } finally {
                ready.leave();
            }
        }
    }

    private void run(Handle notes) {
        long pointer = notes.tryEnter();
        try {
            while (!isIdle()) {
                for (long key : Native.awaitReady(pointer, WAIT_MS)) {
                    Runnable look = listener(key);
                    if (look != null) {
                        look.run();
                    }
                }
            }
        } finally {
            notes.leave();
        }
    }

    private synchronized @Nullable Runnable listener(long key) {
        return listeners.get(key);
    }

    /** Whether the thread may end; the next listener starts another. */
    private synchronized boolean isIdle() {
        if (listeners.isEmpty()) {
            thread = null;
            return true;
        }
        return false;
    }

    /** Has the database note a key. */
    @FunctionalInterface
    interface Registration {
        void register(long ready, long key);
    }
}
