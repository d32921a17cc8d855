package io.laminardb;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A listener at work: what {@link Subscription#listen listen} answers. */
public final class Listening implements AutoCloseable {
    private final CountDownLatch ended = new CountDownLatch(1);
    private volatile @Nullable Delivery<?> delivery;

    Listening() {}

    void begin(Delivery<?> delivery) {
        this.delivery = delivery;
    }

    void end() {
        ended.countDown();
    }

    /**
     * Whether calls can follow.
     *
     * @return false after {@link #cancel} and after the end
     */
    public boolean isActive() {
        return ended.getCount() > 0;
    }

    /**
     * Ends it, from any thread and from inside of a call too; a call that is under way goes on. The
     * second time it does nothing.
     */
    public void cancel() {
        Delivery<?> running = delivery;
        if (running != null) {
            running.cancel();
        }
    }

    /** The same as {@link #cancel}. */
    @Override
    public void close() {
        cancel();
    }

    /**
     * Waits for the end: until it is cancelled, the database is closed, or the stream fails.
     *
     * @throws InterruptedException when the thread was interrupted while it waited
     */
    public void await() throws InterruptedException {
        ended.await();
    }

    /**
     * Waits for the end, at most so long.
     *
     * @param timeout how long
     * @return whether it has ended
     * @throws InterruptedException when the thread was interrupted while it waited
     */
    public boolean await(Duration timeout) throws InterruptedException {
        return ended.await(timeout.toMillis(), TimeUnit.MILLISECONDS);
    }
}
