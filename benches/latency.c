/*
 * How long one row takes from push to poll through the C ABI.
 *
 *     latency [--operations N] [--only NAME]
 *
 * One thread: the clock runs from before the row is handed over until what it brought about was
 * polled and released. The producer's own building of an Arrow array is outside; setting the
 * values of the appender is inside. What reading the clock twice takes is measured and subtracted.
 * No schema crosses the ABI (NULL at both ends), and every row brings about a result.
 *
 * Two threads: from before the push until the consumer, which was blocked in laminar_poll, has
 * the result in its hands.
 *
 * The processor time per operation comes from a second run without a clock in the loop.
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>

static int64_t operations = 400000;
static int64_t clock_cost_ns;

struct workload {
    const char *name;
    const char *query;
    int64_t keys;
    int by_appender;
};

#define FILTER "SELECT key, value * 2 AS doubled FROM events WHERE value >= 0"
#define KEYED "SELECT key, count(*) AS n, sum(value) AS total FROM events GROUP BY key EMIT CHANGES"

static const struct workload workloads[] = {
    {"filter_project", FILTER, 1000, 0},
    {"keyed_1k", KEYED, 1000, 0},
    {"keyed_1m", KEYED, 1000000, 0},
    {"filter_project_appender", FILTER, 1000, 1},
    {"keyed_1k_appender", KEYED, 1000, 1},
    {"keyed_1m_appender", KEYED, 1000000, 1},
};

static int compare(const void *left, const void *right) {
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* The value below which `part` of the sorted samples lie, without what the clock took. */
static int64_t percentile(const int64_t *sorted, int64_t count, double part) {
    int64_t index = (int64_t)(part * (double)count);
    const int64_t ns = sorted[index < count ? index : count - 1] - clock_cost_ns;
    return ns > 0 ? ns : 0;
}

/* `cpu_ns` per operation, or a negative number when it was not measured. */
static void report(const char *name, int64_t *samples, int64_t count, double cpu_ns) {
    qsort(samples, (size_t)count, sizeof *samples, compare);
    const int64_t p50 = percentile(samples, count, 0.5), p99 = percentile(samples, count, 0.99);
    const int64_t p999 = percentile(samples, count, 0.999), max = percentile(samples, count, 1.0);
    printf("{\"bench\":\"latency\",\"name\":\"%s\",\"operations\":%" PRId64 ",\"p50_ns\":%" PRId64
           ",\"p99_ns\":%" PRId64 ",\"p999_ns\":%" PRId64 ",\"max_ns\":%" PRId64,
           name, count, p50, p99, p999, max);
    fprintf(stderr, "%-26s p50 %8.2f us   p99 %8.2f us   p99.9 %8.2f us   max %9.2f us", name,
            (double)p50 / 1e3, (double)p99 / 1e3, (double)p999 / 1e3, (double)max / 1e3);
    if (cpu_ns >= 0) {
        printf(",\"cpu_ns\":%.0f", cpu_ns);
        fprintf(stderr, "   cpu %7.2f us", cpu_ns / 1e3);
    }
    printf("}\n");
    fprintf(stderr, "\n");
}

/* The median time between two looks at the clock. */
static void measure_clock(void) {
    enum { LOOKS = 100001 };
    int64_t *samples = malloc(LOOKS * sizeof *samples);
    require(samples != NULL, "memory is left");
    for (int i = 0; i < LOOKS; ++i) {
        const int64_t before = now_ns();
        samples[i] = now_ns() - before;
    }
    qsort(samples, LOOKS, sizeof *samples, compare);
    clock_cost_ns = samples[LOOKS / 2];
    free(samples);
    printf("{\"bench\":\"latency\",\"name\":\"clock\",\"cost_ns\":%" PRId64 "}\n", clock_cost_ns);
    fprintf(stderr, "reading the clock twice takes %" PRId64 " ns, subtracted below\n",
            clock_cost_ns);
}

/* What one thread needs to push a row and poll its result. */
struct lane {
    struct bench bench;
    laminar_subscription *subscription;
    laminar_appender *appender;
    uint64_t random;
    int64_t keys;
    int64_t ts;
};

static void poll_one(laminar_subscription *subscription, int64_t timeout_ms) {
    struct ArrowArray result;
    laminar_error *error = NULL;
    check(laminar_poll(subscription, timeout_ms, &result, NULL, &error), error);
    result.release(&result);
}

static void build_row(struct lane *lane, struct ArrowArray *row) {
    events_new(row, 1);
    events_values(row, 0)[0] = (int64_t)(random_next(&lane->random) % (uint64_t)lane->keys);
    events_values(row, 1)[0] = lane->ts % 1000;
    events_values(row, 2)[0] = lane->ts++;
}

static int64_t arrow_operation(struct lane *lane, int timed) {
    struct ArrowArray row;
    laminar_error *error = NULL;
    build_row(lane, &row);
    const int64_t before = timed ? now_ns() : 0;
    check(laminar_push(lane->bench.source, &row, NULL, &error), error);
    poll_one(lane->subscription, 0);
    return timed ? now_ns() - before : 0;
}

static int64_t appender_operation(struct lane *lane, int timed) {
    laminar_error *error = NULL;
    const int64_t key = (int64_t)(random_next(&lane->random) % (uint64_t)lane->keys);
    const int64_t before = timed ? now_ns() : 0;
    check(laminar_append_int64(lane->appender, 0, key, &error), error);
    check(laminar_append_int64(lane->appender, 1, lane->ts % 1000, &error), error);
    check(laminar_append_int64(lane->appender, 2, lane->ts++, &error), error);
    check(laminar_append_row(lane->appender, &error), error);
    check(laminar_appender_flush(lane->appender, &error), error);
    poll_one(lane->subscription, 0);
    return timed ? now_ns() - before : 0;
}

static void one_thread(const struct workload *workload) {
    laminar_error *error = NULL;
    int64_t (*operation)(struct lane *, int) =
        workload->by_appender ? appender_operation : arrow_operation;
    struct lane lane = {
        .bench = bench_open(workload->query),
        .random = 88172645463325252u,
        .keys = workload->keys,
    };
    bench_fill(&lane.bench, workload->keys);
    lane.subscription = bench_subscribe(&lane.bench);
    check(laminar_appender_open(lane.bench.source, &lane.appender, &error), error);
    int64_t *samples = malloc((size_t)operations * sizeof *samples);
    require(samples != NULL, "memory is left");
    /* Longer than the history that a source keeps, so that old rows leave as new ones come. */
    for (int64_t i = 0; i < operations / 4 + 1000; ++i) {
        operation(&lane, 0);
    }
    for (int64_t i = 0; i < operations; ++i) {
        samples[i] = operation(&lane, 1);
    }
    const int64_t cpu_before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int64_t i = 0; i < operations; ++i) {
        operation(&lane, 0);
    }
    const int64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_before;
    require(drain(lane.subscription) == 0, "each push brought about one batch");
    report(workload->name, samples, operations, (double)cpu_ns / (double)operations);
    free(samples);
    laminar_appender_free(lane.appender);
    laminar_subscription_free(lane.subscription);
    bench_close(&lane.bench);
}

/* What the consumer tells the producer: how many results it has, and when the last one came. */
struct consumer {
    laminar_subscription *subscription;
    int64_t results;
    _Atomic int64_t received;
    _Atomic int64_t received_at;
};

static void *consume(void *argument) {
    struct consumer *consumer = argument;
    for (int64_t i = 1; i <= consumer->results; ++i) {
        struct ArrowArray result;
        laminar_error *error = NULL;
        check(laminar_poll(consumer->subscription, -1, &result, NULL, &error), error);
        atomic_store_explicit(&consumer->received_at, now_ns(), memory_order_relaxed);
        atomic_store_explicit(&consumer->received, i, memory_order_release);
        result.release(&result);
    }
    return NULL;
}

static void two_threads(const char *name) {
    const int64_t pause_ns = 50000; /* enough for the consumer to fall asleep again */
    const int64_t warm_up = 1000;
    const int64_t count = operations / 20 > 100 ? operations / 20 : 100;
    laminar_error *error = NULL;
    struct lane lane = {.bench = bench_open(FILTER), .random = 88172645463325252u, .keys = 1000};
    struct consumer consumer = {
        .subscription = bench_subscribe(&lane.bench),
        .results = warm_up + count,
    };
    int64_t *samples = malloc((size_t)count * sizeof *samples);
    require(samples != NULL, "memory is left");
    pthread_t thread;
    require(pthread_create(&thread, NULL, consume, &consumer) == 0, "a thread starts");
    for (int64_t i = 1; i <= consumer.results; ++i) {
        struct ArrowArray row;
        build_row(&lane, &row);
        for (const int64_t from = now_ns(); now_ns() - from < pause_ns;) {
        }
        const int64_t before = now_ns();
        check(laminar_push(lane.bench.source, &row, NULL, &error), error);
        while (atomic_load_explicit(&consumer.received, memory_order_acquire) < i) {
        }
        const int64_t at = atomic_load_explicit(&consumer.received_at, memory_order_relaxed);
        if (i > warm_up) {
            samples[i - warm_up - 1] = at - before;
        }
    }
    pthread_join(thread, NULL);
    report(name, samples, count, -1);
    free(samples);
    laminar_subscription_free(consumer.subscription);
    bench_close(&lane.bench);
}

int main(int argc, char **argv) {
    const char *only = NULL;
    for (int i = 1; i < argc; ++i) {
        if (strcmp(argv[i], "--operations") == 0 && i + 1 < argc) {
            operations = atoll(argv[++i]);
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            only = argv[++i];
        } else {
            fprintf(stderr, "usage: latency [--operations N] [--only NAME]\n");
            return 2;
        }
    }
    require(operations > 0, "there is something to do");
    print_build();
    measure_clock();
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; ++i) {
        if (only == NULL || strcmp(only, workloads[i].name) == 0) {
            one_thread(&workloads[i]);
        }
    }
    if (only == NULL || strcmp(only, "wake") == 0) {
        two_threads("wake");
    }
    return 0;
}
