package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ListenTest {
    private static final Duration LONG = Duration.ofSeconds(30);

    record Row(long n) {}

    private final LaminarDB db = LaminarDB.open();

    @BeforeEach
    void define() {
        db.execute("CREATE SOURCE s (n BIGINT)");
        db.start();
    }

    @AfterEach
    void close() {
        db.close();
    }

    private void insert(long n) {
        db.insert("s", new Row(n));
    }

    @Test
    void everyRowIsHandedOverInOrderByOneThreadAtATime() throws InterruptedException {
        int rows = 2_000;
        List<Long> seen = Collections.synchronizedList(new ArrayList<>());
        AtomicInteger inside = new AtomicInteger();
        CountDownLatch all = new CountDownLatch(rows);
        Thread pusher = Thread.currentThread();
        Listening listening =
                db.sink("s", Row.class)
                        .subscribe()
                        .listen(
                                row -> {
                                    assertEquals(1, inside.incrementAndGet());
                                    assertNotEquals(pusher, Thread.currentThread());
                                    seen.add(row.n());
                                    inside.decrementAndGet();
                                    all.countDown();
                                },
                                error -> seen.add(-1L));
        for (int n = 0; n < rows; n++) {
            insert(n);
        }
        assertTrue(all.await(30, TimeUnit.SECONDS), () -> seen.size() + " of " + rows);
        assertEquals(LongStream.range(0, rows).boxed().toList(), seen);
        assertTrue(listening.isActive());
        listening.cancel();
        listening.cancel();
        assertTrue(listening.await(LONG));
        assertFalse(listening.isActive());
        insert(-5);
        assertEquals(rows, seen.size());
    }

    @Test
    void aListenerMayPushAndCancelFromInside() throws InterruptedException {
        db.execute("CREATE SOURCE echo (n BIGINT)");
        BlockingQueue<Long> echoed = new LinkedBlockingQueue<>();
        Listening second =
                db.sink("echo", Row.class)
                        .subscribe()
                        .listen(row -> echoed.add(row.n()), error -> echoed.add(-1L));
        AtomicReference<Listening> first = new AtomicReference<>();
        CountDownLatch begun = new CountDownLatch(1);
        first.set(
                db.sink("s", Row.class)
                        .subscribe()
                        .listen(
                                row -> {
                                    db.insert("echo", new Row(row.n() * 2));
                                    try {
                                        begun.await();
                                    } catch (InterruptedException error) {
                                        throw new IllegalStateException(error);
                                    }
                                    first.get().cancel();
                                },
                                error -> echoed.add(-2L)));
        begun.countDown();
        insert(21);
        assertEquals(42L, echoed.poll(30, TimeUnit.SECONDS));
        assertTrue(first.get().await(LONG));
        insert(22);
        second.close();
        assertTrue(echoed.isEmpty());
    }

    @Test
    void whatAListenerThrowsIsToldAndItGoesOn() throws InterruptedException {
        BlockingQueue<Object> seen = new LinkedBlockingQueue<>();
        Listening listening =
                db.sink("s", Row.class)
                        .subscribe()
                        .listen(
                                row -> {
                                    if (row.n() == 1) {
                                        throw new IllegalArgumentException("one");
                                    }
                                    seen.add(row.n());
                                },
                                error -> seen.add(String.valueOf(error.getMessage())));
        insert(1);
        assertEquals("one", seen.poll(30, TimeUnit.SECONDS));
        insert(2);
        assertEquals(2L, seen.poll(30, TimeUnit.SECONDS));
        assertTrue(listening.isActive());
        db.close();
        assertTrue(listening.await(LONG));
        assertTrue(seen.isEmpty());
    }

    @Test
    void missedRowsAreTold() throws InterruptedException {
        BlockingQueue<Object> seen = new LinkedBlockingQueue<>();
        CountDownLatch first = new CountDownLatch(1);
        CountDownLatch pushed = new CountDownLatch(1);
        db.sink("s", Row.class)
                .subscribe(SubscribeOptions.defaults().capacity(4))
                .listen(
                        row -> {
                            first.countDown();
                            try {
                                pushed.await();
                            } catch (InterruptedException error) {
                                throw new IllegalStateException(error);
                            }
                            seen.add(row.n());
                        },
                        seen::add);
        insert(0);
        assertTrue(first.await(30, TimeUnit.SECONDS));
        for (int n = 1; n <= 20; n++) {
            insert(n);
        }
        pushed.countDown();
        assertEquals(0L, seen.poll(30, TimeUnit.SECONDS));
        Object error = seen.poll(30, TimeUnit.SECONDS);
        assertTrue(error instanceof SubscriptionException, () -> String.valueOf(error));
        Object last = null;
        while (!Long.valueOf(20).equals(last)) {
            last = seen.poll(30, TimeUnit.SECONDS);
            assertTrue(last instanceof Long, "nothing came after the missed rows");
        }
    }

    @Test
    void aSubscriberGetsNoMoreThanItRequests() throws InterruptedException {
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try {
            Collector collector = new Collector(2);
            db.sink("s", Row.class).publisher(executor).subscribe(collector);
            for (int n = 0; n < 10; n++) {
                insert(n);
            }
            assertEquals(0L, collector.next());
            assertEquals(1L, collector.next());
            executor.submit(() -> {}).get(30, TimeUnit.SECONDS);
            assertTrue(collector.rows.isEmpty());
            collector.subscription.request(3);
            for (long n = 2; n < 5; n++) {
                assertEquals(n, collector.next());
            }
            collector.subscription.request(Long.MAX_VALUE);
            for (long n = 5; n < 10; n++) {
                assertEquals(n, collector.next());
            }
            db.close();
            assertTrue(collector.completed.await(30, TimeUnit.SECONDS));
            assertEquals(null, collector.failure.get());
        } catch (java.util.concurrent.ExecutionException
                | java.util.concurrent.TimeoutException error) {
            throw new AssertionError(error);
        } finally {
            executor.shutdownNow();
        }
    }

    @Test
    void eachSubscriberOfASinkGetsEverything() throws InterruptedException {
        Flow.Publisher<Row> publisher = db.sink("s", Row.class).publisher();
        Collector first = new Collector(Long.MAX_VALUE);
        Collector second = new Collector(Long.MAX_VALUE);
        publisher.subscribe(first);
        publisher.subscribe(second);
        insert(7);
        assertEquals(7L, first.next());
        assertEquals(7L, second.next());
        first.subscription.cancel();
        insert(8);
        assertEquals(8L, second.next());
        assertTrue(first.rows.isEmpty());
        assertThrows(NullPointerException.class, () -> publisher.subscribe(null));
    }

    @Test
    void theRulesOfSubscribersAreKept() throws InterruptedException {
        Flow.Publisher<Row> once = db.sink("s", Row.class).subscribe().publisher();
        Collector first = new Collector(Long.MAX_VALUE);
        Collector second = new Collector(Long.MAX_VALUE);
        once.subscribe(first);
        once.subscribe(second);
        assertTrue(second.failed.await(30, TimeUnit.SECONDS));
        assertTrue(second.failure.get() instanceof IllegalStateException);
        insert(1);
        assertEquals(1L, first.next());
        Collector bad = new Collector(0);
        db.sink("s", Row.class).publisher().subscribe(bad);
        assertTrue(bad.failed.await(30, TimeUnit.SECONDS));
        assertTrue(bad.failure.get() instanceof IllegalArgumentException);
        // On the executor of the caller itself, and cancelled before it began.
        Collector direct = new Collector(Long.MAX_VALUE);
        db.sink("s", Row.class).publisher(Runnable::run).subscribe(direct);
        insert(2);
        assertEquals(2L, direct.next());
        Collector early = new Collector(-2);
        db.sink("s", Row.class).publisher().subscribe(early);
        insert(3);
        assertEquals(3L, direct.next());
        assertTrue(early.rows.isEmpty());
    }

    @Test
    void aDeliveredSubscriptionIsNotPolled() {
        Subscription<Row> rows = db.sink("s", Row.class).subscribe();
        Listening listening = rows.listen(row -> {}, error -> {});
        assertThrows(IllegalStateException.class, rows::poll);
        assertThrows(IllegalStateException.class, () -> rows.iterator().hasNext());
        assertThrows(IllegalStateException.class, rows::publisher);
        listening.cancel();
    }

    @Test
    void anExecutorThatIsShutEndsIt() throws InterruptedException {
        ExecutorService executor = Executors.newSingleThreadExecutor();
        Listening listening =
                db.sink("s", Row.class).subscribe().listen(row -> {}, error -> {}, executor);
        executor.shutdown();
        assertTrue(executor.awaitTermination(30, TimeUnit.SECONDS));
        insert(1);
        assertTrue(listening.await(LONG));
    }

    /** Keeps what it gets; requests so many at first, or with -2 cancels. */
    private static final class Collector implements Flow.Subscriber<Row> {
        private final long first;
        final BlockingQueue<Long> rows = new LinkedBlockingQueue<>();
        final CountDownLatch completed = new CountDownLatch(1);
        final CountDownLatch failed = new CountDownLatch(1);
        final AtomicReference<Throwable> failure = new AtomicReference<>();
        volatile Flow.Subscription subscription;

        Collector(long first) {
            this.first = first;
        }

        Long next() throws InterruptedException {
            return rows.poll(30, TimeUnit.SECONDS);
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription = subscription;
            if (first == -2) {
                subscription.cancel();
            } else {
                subscription.request(first);
            }
        }

        @Override
        public void onNext(Row row) {
            rows.add(row.n());
        }

        @Override
        public void onError(Throwable error) {
            failure.set(error);
            failed.countDown();
        }

        @Override
        public void onComplete() {
            completed.countDown();
        }
    }
}
