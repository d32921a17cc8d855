/* Several threads: producers and a consumer, exclusive handles, wakers, cancel. */
#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#if defined(RUNNING_SLOWLY)
#define SCALE 1
#else
#define SCALE 10
#endif

#define PRODUCERS 4
#define PUSHES (20 * SCALE)
#define DEADLINE_S 60

static int64_t now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec;
}

static pthread_t spawn(void *(*run)(void *), void *argument) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, run, argument) == 0);
    return thread;
}

static void join(pthread_t thread) { REQUIRE(pthread_join(thread, NULL) == 0); }

static int load(const int *flag) { return __atomic_load_n(flag, __ATOMIC_SEQ_CST); }
static void store(int *flag, int value) { __atomic_store_n(flag, value, __ATOMIC_SEQ_CST); }
static void add(int *flag, int value) { __atomic_add_fetch(flag, value, __ATOMIC_SEQ_CST); }

/* Each thread's error slot is freed by the thread. */
static void *done(void) {
    (void)ERR;
    return NULL;
}

static void *produce(void *argument) {
    laminar_source *source = (laminar_source *)argument;
    for (int64_t i = 0; i < PUSHES; ++i) {
        push_events(source, 2, KEYS("a", "b"), INTS(1, 2), INTS(1000, 1000));
    }
    laminar_source_free(source);
    return done();
}

static laminar_db *shared_db;

static void *insert_by_name(void *argument) {
    (void)argument; /* a const handle: used by all of them at once */
    for (int64_t i = 0; i < PUSHES; ++i) {
        struct table t = events(2, KEYS("a", "b"), INTS(1, 2), INTS(1000, 1000));
        OK(laminar_insert(shared_db, "events", &t.array, &t.schema, ERR));
        table_free(&t);
    }
    return done();
}

static void many_producers_one_consumer(void) {
    laminar_db *db = open_started(NULL);
    shared_db = db;
    run_sql(db, "CREATE STREAM twos AS SELECT k, v FROM events WHERE v = 2");
    run_sql(db, "CREATE STREAM sums AS SELECT k, SUM(v) AS total FROM events GROUP BY k "
                "EMIT CHANGES");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *twos = open_subscription(db, "twos");
    pthread_t threads[2 * PRODUCERS];
    for (int i = 0; i < PRODUCERS; ++i) {
        laminar_source *clone = NULL;
        MUST(laminar_source_clone(source, &clone, ERR));
        threads[i] = spawn(produce, clone);
        threads[PRODUCERS + i] = spawn(insert_by_name, NULL);
    }
    const int64_t rows = 2 * PRODUCERS * PUSHES; /* each push has one row that passes */
    int64_t received = 0;
    uint64_t epoch = 0;
    const int64_t deadline = now_s() + DEADLINE_S;
    while (received < rows && now_s() < deadline) {
        struct ArrowArray array;
        const laminar_status status = laminar_poll(twos, 100, &array, NULL, ERR);
        if (status == LAMINAR_AGAIN) {
            continue;
        }
        if (!STATUS(LAMINAR_OK, status)) {
            break;
        }
        received += array.length;
        CHECK(laminar_subscription_epoch(twos) > epoch); /* one order of epochs for all */
        epoch = laminar_subscription_epoch(twos);
        array.release(&array);
    }
    CHECK_INT(received, rows);
    for (int i = 0; i < 2 * PRODUCERS; ++i) {
        join(threads[i]);
    }
    char wanted[64];
    snprintf(wanted, sizeof wanted, "a|%lld\nb|%lld\n", (long long)rows, (long long)(2 * rows));
    expect_rows(db, "SELECT k, total FROM sums ORDER BY k", wanted);
    laminar_subscription_free(twos);
    laminar_source_free(source);
    laminar_close(db);
    CHECK_INT(arrays_live(), 0);
}

/* The watermark of a source is the least of its open producers'. */
static void each_producer_has_its_own_watermark(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM tens AS SELECT window_start, SUM(v) AS total FROM events "
                "GROUP BY tumble(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE");
    laminar_source *first = open_source(db, "events");
    laminar_source *second = NULL;
    MUST(laminar_source_clone(first, &second, ERR));
    laminar_subscription *tens = open_subscription(db, "tens");
    push_events(first, 1, KEYS("a"), INTS(1), INTS(5000));
    push_events(second, 1, KEYS("a"), INTS(2), INTS(6000));
    OK(laminar_watermark(first, 20000, ERR));
    expect_nothing(tens);
    push_events(second, 1, KEYS("a"), INTS(4), INTS(7000)); /* in time, for this producer */
    OK(laminar_watermark(second, 20000, ERR));
    expect_batch(tens, "0|7\n");
    laminar_subscription_free(tens);
    laminar_source_free(second);
    laminar_source_free(first);
    laminar_close(db);
}

struct poller {
    laminar_subscription *subscription;
    int entered;
    laminar_status status;
};

static void *poll_for_ever(void *argument) {
    struct poller *p = (struct poller *)argument;
    do { /* BUSY: the other thread was inside for a moment */
        struct ArrowArray array;
        store(&p->entered, 1);
        p->status = laminar_poll(p->subscription, -1, &array, NULL, ERR);
        if (p->status == LAMINAR_OK) {
            array.release(&array);
        }
    } while (p->status == LAMINAR_BUSY);
    return done();
}

/* Polls until the handle is BUSY: then, and only then, the other thread is inside its call. */
static void wait_until_busy(laminar_subscription *subscription) {
    const int64_t deadline = now_s() + DEADLINE_S;
    laminar_status status = LAMINAR_AGAIN;
    while (status == LAMINAR_AGAIN && now_s() < deadline) {
        struct ArrowArray array;
        status = laminar_poll(subscription, 0, &array, NULL, ERR);
        CHECK(array.release == NULL);
        sched_yield();
    }
    STATUS(LAMINAR_BUSY, status);
}

static void exclusive_handles_answer_busy(void) {
    laminar_db *db = open_started(NULL);
    laminar_subscription *all = open_subscription(db, "SELECT k FROM events");
    struct poller p = {all, 0, LAMINAR_OK};
    pthread_t thread = spawn(poll_for_ever, &p);
    wait_until_busy(all);
    /* What is const does not care. */
    struct ArrowSchema schema;
    OK(laminar_subscription_schema(all, &schema, ERR));
    schema.release(&schema);
    CHECK_INT(laminar_subscription_lagged(all), 0);
    laminar_subscription_cancel(all); /* wakes whoever waits */
    join(thread);
    CHECK_INT(p.status, LAMINAR_END);
    laminar_subscription_free(all);
    laminar_close(db);
}

static void a_push_wakes_a_poll(void) {
    laminar_db *db = open_started(NULL);
    laminar_source *source = open_source(db, "events");
    laminar_subscription *all = open_subscription(db, "SELECT k FROM events");
    struct poller p = {all, 0, LAMINAR_END};
    pthread_t thread = spawn(poll_for_ever, &p);
    wait_until_busy(all);
    push_events(source, 1, KEYS("a"), INTS(1), INTS(1000));
    join(thread);
    CHECK_INT(p.status, LAMINAR_OK);
    laminar_subscription_free(all);
    laminar_source_free(source);
    laminar_close(db);
}

static void close_wakes_a_poll(void) {
    laminar_db *db = open_started(NULL);
    laminar_subscription *all = open_subscription(db, "SELECT k FROM events");
    struct poller p = {all, 0, LAMINAR_OK};
    pthread_t thread = spawn(poll_for_ever, &p);
    wait_until_busy(all);
    laminar_close(db);
    join(thread);
    CHECK_INT(p.status, LAMINAR_END);
    laminar_subscription_free(all);
}

/* A free during a call cancels it and defers: the memory lives until the call is out. */
static void free_during_a_poll(void) {
    laminar_db *db = open_started(NULL);
    laminar_subscription *all = open_subscription(db, "SELECT k FROM events");
    struct poller p = {all, 0, LAMINAR_OK};
    pthread_t thread = spawn(poll_for_ever, &p);
    wait_until_busy(all);
    laminar_subscription_free(all);
    join(thread);
    CHECK_INT(p.status, LAMINAR_END);
    laminar_close(db);
}

static void a_poll_waits_as_long_as_it_says(void) {
    laminar_db *db = open_started(NULL);
    laminar_subscription *all = open_subscription(db, "SELECT k FROM events");
    struct timespec before, after;
    struct ArrowArray array;
    clock_gettime(CLOCK_MONOTONIC, &before);
    STATUS(LAMINAR_AGAIN, laminar_poll(all, 50, &array, NULL, ERR));
    clock_gettime(CLOCK_MONOTONIC, &after);
    const int64_t waited_us =
        (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
    CHECK(waited_us >= 50000);
    laminar_subscription_free(all);
    laminar_close(db);
}

/* What a waker sees; on the heap, so that a call after its drop is a use after free. */
struct bell {
    int rings;
    int *dropped; /* outlives the bell */
    int *freed;   /* set once laminar_subscription_free has returned; outlives the bell */
    int late;
};

static void ring(void *userdata) {
    struct bell *bell = (struct bell *)userdata;
    if (bell->freed != NULL && load(bell->freed)) {
        test_fail(__FILE__, __LINE__, "a callback started after free returned", "");
    }
    add(&bell->rings, 1);
}

static void drop_bell(void *userdata) {
    struct bell *bell = (struct bell *)userdata;
    add(bell->dropped, 1);
    free(bell);
}

static struct bell *new_bell(int *dropped, int *freed) {
    struct bell *bell = (struct bell *)test_alloc(sizeof *bell);
    bell->dropped = dropped;
    bell->freed = freed;
    return bell;
}

static void wakers_are_edge_triggered(void) {
    laminar_db *db = open_started(NULL);
    laminar_source *source = open_source(db, "events");
    laminar_subscription *all = open_subscription(db, "SELECT k, v FROM events");
    int dropped = 0;
    struct bell *bell = new_bell(&dropped, NULL);
    OK(laminar_on_ready(all, ring, bell, drop_bell, ERR));
    CHECK_INT(bell->rings, 0); /* nothing waits */
    push_events(source, 1, KEYS("a"), INTS(1), INTS(1000));
    CHECK_INT(bell->rings, 1); /* once the push has returned, the waker has run */
    push_events(source, 1, KEYS("a"), INTS(2), INTS(1000));
    CHECK_INT(bell->rings, 1); /* an edge, not a level */
    expect_batch(all, "a|1\n");
    push_events(source, 1, KEYS("a"), INTS(3), INTS(1000));
    CHECK_INT(bell->rings, 1); /* no poll has answered AGAIN yet */
    expect_batch(all, "a|2\n");
    expect_batch(all, "a|3\n");
    expect_nothing(all); /* armed */
    push_events(source, 1, KEYS("a"), INTS(4), INTS(1000));
    CHECK_INT(bell->rings, 2);

    /* Registered while something waits: rings at once. The old one is dropped, once. */
    struct bell *second = new_bell(&dropped, NULL);
    OK(laminar_on_ready(all, ring, second, drop_bell, ERR));
    CHECK_INT(dropped, 1);
    CHECK_INT(second->rings, 1);
    expect_batch(all, "a|4\n");
    expect_nothing(all);
    laminar_subscription_cancel(all); /* the end rings too */
    CHECK_INT(second->rings, 2);
    expect_outcome(all, LAMINAR_END);

    OK(laminar_on_ready(all, NULL, NULL, NULL, ERR));
    CHECK_INT(dropped, 2);
    struct bell *third = new_bell(&dropped, NULL);
    OK(laminar_on_ready(all, ring, third, drop_bell, ERR)); /* the end waits */
    CHECK_INT(third->rings, 1);
    laminar_subscription_free(all);
    CHECK_INT(dropped, 3);
    laminar_source_free(source);
    laminar_close(db);
}

static void room_is_told_once(void) {
    laminar_db *db = open_started(NULL);
    laminar_source *source = open_source(db, "events");
    laminar_subscription *copy = NULL;
    OK(laminar_subscribe(db, "SELECT k, v FROM events", "{\"capacity\": 1, \"on_full\": \"block\"}",
                         &copy, ERR));
    int dropped = 0;
    struct bell *bell = new_bell(&dropped, NULL);
    OK(laminar_source_on_room(source, ring, bell, drop_bell, ERR));
    CHECK_INT(bell->rings, 1); /* there is room */
    push_events(source, 1, KEYS("a"), INTS(1), INTS(1000));
    struct table t = events(1, KEYS("a"), INTS(2), INTS(1000));
    STATUS(LAMINAR_AGAIN, laminar_try_push(source, &t.array, &t.schema, ERR));
    CHECK_INT(bell->rings, 1); /* armed */
    expect_batch(copy, "a|1\n");
    CHECK_INT(bell->rings, 2); /* once the poll has returned, the waker has run */
    OK(laminar_try_push(source, &t.array, &t.schema, ERR));
    table_free(&t);
    expect_batch(copy, "a|2\n");
    CHECK_INT(bell->rings, 2); /* nobody was refused */

    /* The old one is dropped, once; the end of the database rings, refused or not. */
    struct bell *second = new_bell(&dropped, NULL);
    OK(laminar_source_on_room(source, ring, second, drop_bell, ERR));
    CHECK_INT(dropped, 1);
    CHECK_INT(second->rings, 1);
    OK(laminar_shutdown(db, ERR));
    CHECK_INT(second->rings, 2);
    laminar_source_free(source);
    CHECK_INT(dropped, 2);
    laminar_subscription_free(copy);
    laminar_close(db);
}

struct inside {
    laminar_subscription *subscription;
    laminar_source *source;
    int calls;
    int dropped;
};

static void free_inside(void *userdata) {
    struct inside *inside = (struct inside *)userdata;
    inside->calls += 1;
    laminar_subscription_free(inside->subscription);
    CHECK_INT(inside->dropped, 0); /* put off to the end of the callback */
}

static void note_drop(void *userdata) { ((struct inside *)userdata)->dropped += 1; }

static void freeing_from_inside_the_callback(void) {
    laminar_db *db = open_started(NULL);
    laminar_source *source = open_source(db, "events");
    struct inside inside = {open_subscription(db, "SELECT k FROM events"), source, 0, 0};
    OK(laminar_on_ready(inside.subscription, free_inside, &inside, note_drop, ERR));
    push_events(source, 1, KEYS("a"), INTS(1), INTS(1000));
    CHECK_INT(inside.calls, 1);
    CHECK_INT(inside.dropped, 1);
    push_events(source, 1, KEYS("a"), INTS(1), INTS(1000));
    CHECK_INT(inside.calls, 1);
    laminar_source_free(source);
    laminar_close(db);
}

static void push_inside(void *userdata) {
    struct inside *inside = (struct inside *)userdata;
    inside->calls += 1;
    if (inside->calls == 1) {
        struct table t = events(1, KEYS("b"), INTS(2), INTS(1000));
        OK(laminar_insert(shared_db, "events", &t.array, &t.schema, ERR));
        table_free(&t);
    }
}

static void pushing_from_inside_the_callback(void) {
    laminar_db *db = open_started(NULL);
    shared_db = db;
    laminar_source *source = open_source(db, "events");
    laminar_subscription *all = open_subscription(db, "SELECT k, v FROM events");
    struct inside inside = {all, source, 0, 0};
    OK(laminar_on_ready(all, push_inside, &inside, note_drop, ERR));
    push_events(source, 1, KEYS("a"), INTS(1), INTS(1000));
    CHECK_INT(inside.calls, 1);
    expect_batch(all, "a|1\n");
    expect_batch(all, "b|2\n");
    expect_nothing(all);
    laminar_subscription_free(all);
    CHECK_INT(inside.dropped, 1);
    laminar_source_free(source);
    laminar_close(db);
}

static int stop;

static void *push_until_stopped(void *argument) {
    while (!load(&stop)) {
        push_events((laminar_source *)argument, 1, KEYS("a"), INTS(1), INTS(1000));
        sched_yield(); /* lets valgrind's one running thread be another */
    }
    return done();
}

static void callback_against_free(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM copy AS SELECT k FROM events");
    laminar_source *source = open_source(db, "events");
    store(&stop, 0);
    pthread_t thread = spawn(push_until_stopped, source);
    int dropped = 0;
    const int rounds = 20 * SCALE;
    static int freed[20 * SCALE];
    for (int i = 0; i < rounds; ++i) {
        laminar_subscription *copy = open_subscription(db, "copy");
        struct ArrowArray array;
        store(&freed[i], 0);
        OK(laminar_on_ready(copy, ring, new_bell(&dropped, &freed[i]), drop_bell, ERR));
        if (laminar_poll(copy, i % 3, &array, NULL, ERR) == LAMINAR_OK) {
            array.release(&array);
        }
        laminar_subscription_free(copy);
        store(&freed[i], 1);
    }
    store(&stop, 1);
    join(thread);
    CHECK_INT(load(&dropped), rounds); /* each exactly once */
    laminar_source_free(source);
    laminar_close(db);
    CHECK_INT(arrays_live(), 0);
}

static void *query_until_stopped(void *argument) {
    (void)argument;
    while (!load(&stop)) {
        expect_rows(shared_db, "SELECT COUNT(*) % 2, COALESCE(SUM(v), 0) * 2 - COUNT(*) * 3 "
                               "FROM events", "0|0\n");
    }
    return done();
}

/* Every push has one row of 1 and one of 2: a query never sees half of a push. */
static void queries_see_whole_epochs(void) {
    laminar_db *db = open_started(NULL);
    shared_db = db;
    store(&stop, 0);
    pthread_t reader = spawn(query_until_stopped, NULL);
    pthread_t writers[2] = {spawn(insert_by_name, NULL), spawn(insert_by_name, NULL)};
    join(writers[0]);
    join(writers[1]);
    store(&stop, 1);
    join(reader);
    laminar_close(db);
    CHECK_INT(arrays_live(), 0);
}

int main(void) {
    RUN(many_producers_one_consumer);
    RUN(each_producer_has_its_own_watermark);
    RUN(exclusive_handles_answer_busy);
    RUN(a_push_wakes_a_poll);
    RUN(close_wakes_a_poll);
    RUN(free_during_a_poll);
    RUN(a_poll_waits_as_long_as_it_says);
    RUN(wakers_are_edge_triggered);
    RUN(room_is_told_once);
    RUN(freeing_from_inside_the_callback);
    RUN(pushing_from_inside_the_callback);
    RUN(callback_against_free);
    RUN(queries_see_whole_epochs);
    return report();
}
