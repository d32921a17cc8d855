package io.laminardb;

import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Hands what a subscription gives to a listener, on its executor, as far as it was requested.
 *
 * <p>At most one task runs at a time; whoever finds more to do while one runs only counts that, and
 * the task goes round again. Nothing of the listener's runs on a thread that pushes.
 */
final class Delivery<T> implements Flow.Subscription {
    private final Subscription<T> subscription;
    private final Executor executor;
    private final Target<T> target;
    private final Runnable atEnd;
    private final AtomicLong requested = new AtomicLong();

    /** Reasons to look for more that have not been followed yet; above 0 a task runs, or none may. */
    private final AtomicInteger reasons = new AtomicInteger(1);

    private final AtomicBoolean done = new AtomicBoolean();
    private volatile boolean badRequest;
    private volatile long key = -1;

    /** Whom the pieces are for. */
    interface Target<T> {
        void next(T piece);

        /** Answers whether to go on; that is not possible when it is the last. */
        boolean failed(Throwable error, boolean isLast);

        void ended();
    }

    /**
     * A delivery that has not begun.
     *
     * @param atEnd runs once, after the last call of the target
     */
    Delivery(
            Subscription<T> subscription, Executor executor, Target<T> target, Runnable atEnd) {
        this.subscription = subscription;
        this.executor = executor;
        this.target = target;
        this.atEnd = atEnd;
    }

    /** Where listeners run unless told otherwise: on daemon threads, as many as they keep busy. */
    static Executor defaultExecutor() {
        return Threads.POOL;
    }

    /** A publisher for one subscriber. */
    static <T> Flow.Publisher<T> publisher(Subscription<T> subscription, Executor executor) {
        AtomicBoolean taken = new AtomicBoolean();
        return subscriber -> {
            Objects.requireNonNull(subscriber, "subscriber");
            if (taken.getAndSet(true)) {
                subscriber.onSubscribe(new Nothing());
                subscriber.onError(
                        new IllegalStateException(
                                "`"
                                        + subscription.name()
                                        + "` has a subscriber; Sink.publisher() takes any number"));
                return;
            }
            Target<T> target =
                    new Target<>() {
                        @Override
                        public void next(T piece) {
                            subscriber.onNext(piece);
                        }

                        @Override
                        public boolean failed(Throwable error, boolean isLast) {
                            subscriber.onError(error);
                            return false;
                        }

                        @Override
                        public void ended() {
                            subscriber.onComplete();
                        }
                    };
            Delivery<T> delivery = new Delivery<>(subscription, executor, target, () -> {});
            subscriber.onSubscribe(delivery);
            delivery.start();
        };
    }

    /** Lets the database tell when there is something. */
    void start() {
        Dispatcher dispatcher = subscription.db().dispatcher();
        key = dispatcher.add(this::look, subscription::onReady);
        if (done.get()) {
            dispatcher.remove(key); // it was cancelled before it had a key
        }
        reasons.set(0);
        look();
    }

    @Override
    public void request(long count) {
        if (count <= 0) {
            badRequest = true;
        } else {
            requested.accumulateAndGet(
                    count, (had, more) -> had + more < 0 ? Long.MAX_VALUE : had + more);
        }
        look();
    }

    @Override
    public void cancel() {
        finish();
    }

    /** Sees to it that a task looks for more. */
    private void look() {
        if (!done.get() && reasons.getAndIncrement() == 0) {
            try {
                executor.execute(this::run);
            } catch (RuntimeException error) {
                // It takes no more tasks, so there is nobody to be called.
                finish();
            }
        }
    }

    private void run() {
        int left;
        do {
            int followed = reasons.get();
            try {
                pass();
            } catch (Throwable error) {
                finish();
                throw error;
            }
            left = reasons.addAndGet(-followed);
        } while (left != 0 && !done.get());
    }

    /** Hands over what there is, as far as it was requested. */
    private void pass() {
        while (!done.get()) {
            if (badRequest) {
                target.failed(
                        new IllegalArgumentException("a request must be for more than 0"), true);
                finish();
                return;
            }
            if (requested.get() == 0) {
                return;
            }
            T piece;
            try {
                piece = subscription.takeForDelivery();
            } catch (RuntimeException error) {
                boolean isLast = subscription.isEnded();
                if (!target.failed(error, isLast)) {
                    finish();
                }
                continue;
            }
            if (piece == null) {
                if (subscription.isEnded() && !done.get()) {
                    target.ended();
                    finish();
                }
                return;
            }
            if (requested.get() != Long.MAX_VALUE) {
                requested.decrementAndGet();
            }
            target.next(piece);
        }
    }

    private void finish() {
        if (!done.getAndSet(true)) {
            subscription.db().dispatcher().remove(key);
            subscription.cancel();
            atEnd.run();
        }
    }

    /** Made when the first listener needs it. A listener that waits must not hold up others. */
    private static final class Threads {
        static final Executor POOL =
                new ThreadPoolExecutor(
                        0,
                        Integer.MAX_VALUE,
                        10,
                        TimeUnit.SECONDS,
                        new SynchronousQueue<>(),
                        task -> {
                            Thread thread = new Thread(task, "laminardb-listener");
                            thread.setDaemon(true);
                            return thread;
                        });
    }

    /** The subscription of a subscriber who gets nothing. */
    private static final class Nothing implements Flow.Subscription {
        @Override
        public void request(long count) {}

        @Override
        public void cancel() {}
    }
}
