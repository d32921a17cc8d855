package io.laminardb;

import java.util.concurrent.locks.ReentrantLock;

/**
 * Whether this thread is inside of a function that the engine is calling. The engine is locked then,
 * and whoever waits for it waits for this function: so nothing here may wait for anybody.
 */
final class Inside {
    private static final ThreadLocal<int[]> DEPTH = ThreadLocal.withInitial(() -> new int[1]);

    private Inside() {}

    static void enter() {
        DEPTH.get()[0]++;
    }

    static void leave() {
        DEPTH.get()[0]--;
    }

    static boolean isInside() {
        return DEPTH.get()[0] > 0;
    }

    /**
     * Refuses what would have to wait for the engine.
     *
     * @param what for example "closing the database"
     */
    static void refuse(String what) {
        if (isInside()) {
            throw inUse(what);
        }
    }

    /**
     * Takes a lock that another thread may hold while it waits for the engine.
     *
     * @param what whose lock it is
     * @throws ConnectionException with CONNECTION_IN_USE where that would mean to wait for ever
     */
    static void lock(ReentrantLock lock, String what) {
        if (!isInside()) {
            lock.lock();
        } else if (!lock.tryLock()) {
            throw inUse(what);
        }
    }

    private static LaminarException inUse(String what) {
        return LaminarException.of(
                ErrorCode.CONNECTION_IN_USE,
                "LDB-1201",
                what + " would wait for the engine, which waits for this function");
    }
}
