/*
 * What the library takes: time to open, idle memory, allocations per row, memory per key.
 *
 *     footprint [--keys N]
 *
 * This program's malloc and its kin stand in for libc's in the library too, and count; the
 * library asks the system's allocator for all of its memory. What the program itself allocates to
 * build its input is counted apart and left out.
 */
#include "bench.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>

/* glibc's own, under the names that stay when malloc is replaced. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);
extern void __libc_free(void *block);

static _Atomic int64_t allocations;
static _Atomic int64_t live_bytes;

static void *counted(void *block) {
    if (block != NULL) {
        atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&live_bytes, (int64_t)malloc_usable_size(block),
                                  memory_order_relaxed);
    }
    return block;
}

static void uncounted(void *block) {
    if (block != NULL) {
        atomic_fetch_sub_explicit(&live_bytes, (int64_t)malloc_usable_size(block),
                                  memory_order_relaxed);
    }
}

void *malloc(size_t bytes) { return counted(__libc_malloc(bytes)); }
void *calloc(size_t count, size_t bytes) { return counted(__libc_calloc(count, bytes)); }
void *memalign(size_t alignment, size_t bytes) {
    return counted(__libc_memalign(alignment, bytes));
}
void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void **block, size_t alignment, size_t bytes) {
    *block = memalign(alignment, bytes);
    return *block == NULL ? ENOMEM : 0;
}

void *realloc(void *block, size_t bytes) {
    const int64_t before = block == NULL ? 0 : (int64_t)malloc_usable_size(block);
    void *moved = __libc_realloc(block, bytes);
    if (moved != NULL) {
        atomic_fetch_sub_explicit(&live_bytes, before, memory_order_relaxed);
        counted(moved);
    }
    return moved;
}

void free(void *block) {
    uncounted(block);
    __libc_free(block);
}

/* A line such as "VmRSS:  1234 kB" of /proc/self/status, in bytes. */
static int64_t resident_bytes(const char *field) {
    char line[256];
    int64_t kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    require(status != NULL, "/proc/self/status can be read");
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0) {
            kib = atoll(line + strlen(field) + 1);
        }
    }
    fclose(status);
    return kib * 1024;
}

static int compare(const void *left, const void *right) {
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* The first open of the process, the median of later ones, and what an open database holds. */
static void open_and_idle(void) {
    enum { OPENS = 101 };
    laminar_error *error = NULL;
    laminar_db *db;
    const int64_t loaded = resident_bytes("VmRSS");
    const int64_t before = now_ns();
    check(laminar_open(NULL, &db, &error), error);
    const int64_t first_ns = now_ns() - before;
    check(laminar_start(db, &error), error);
    const int64_t idle = resident_bytes("VmRSS");
    const int64_t anonymous = resident_bytes("RssAnon");
    int64_t later[OPENS];
    for (int i = 0; i < OPENS; ++i) {
        laminar_db *another;
        const int64_t from = now_ns();
        check(laminar_open(NULL, &another, &error), error);
        later[i] = now_ns() - from;
        laminar_close(another);
    }
    qsort(later, OPENS, sizeof *later, compare);
    laminar_close(db);
    printf("{\"bench\":\"open\",\"first_ns\":%" PRId64 ",\"later_ns\":%" PRId64 "}\n", first_ns,
           later[OPENS / 2]);
    printf("{\"bench\":\"idle\",\"loaded_rss_bytes\":%" PRId64 ",\"idle_rss_bytes\":%" PRId64
           ",\"idle_anonymous_bytes\":%" PRId64 "}\n",
           loaded, idle, anonymous);
    fprintf(stderr, "open                       first %.2f ms, later %.3f ms\n",
            (double)first_ns / 1e6, (double)later[OPENS / 2] / 1e6);
    fprintf(stderr,
            "idle resident memory       %.1f MB (%.1f MB loaded before open; %.1f MB not shared)\n",
            (double)idle / 1e6, (double)loaded / 1e6, (double)anonymous / 1e6);
}

/* What the library allocates for one push of so many rows and the poll of what they bring. */
static void allocations_per_push(const char *name, const char *query, int64_t rows) {
    enum { WARM_UP = 300 };
    const int64_t pushes = 2000;
    const int64_t keys = 1000;
    laminar_error *error = NULL;
    struct bench bench = bench_open(query);
    bench_fill(&bench, keys);
    laminar_subscription *subscription = bench_subscribe(&bench);
    uint64_t random = 88172645463325252u;
    int64_t counted_here = 0, ts = 0;
    for (int64_t push = -WARM_UP; push < pushes; ++push) {
        struct ArrowArray array;
        events_new(&array, rows);
        for (int64_t row = 0; row < rows; ++row) {
            events_values(&array, 0)[row] = (int64_t)(random_next(&random) % (uint64_t)keys);
            events_values(&array, 1)[row] = row % 1000;
            events_values(&array, 2)[row] = ts++;
        }
        const int64_t before = atomic_load(&allocations);
        check(laminar_push(bench.source, &array, NULL, &error), error);
        drain(subscription);
        counted_here += push < 0 ? 0 : atomic_load(&allocations) - before;
    }
    const double per_push = (double)counted_here / (double)pushes;
    printf("{\"bench\":\"allocations\",\"name\":\"%s\",\"batch\":%" PRId64
           ",\"per_push\":%.3f,\"per_row\":%.5f}\n",
           name, rows, per_push, per_push / (double)rows);
    fprintf(stderr, "allocations %-14s batch %5" PRId64 ": %8.2f per push, %8.4f per row\n", name,
            rows, per_push, per_push / (double)rows);
    laminar_subscription_free(subscription);
    bench_close(&bench);
}

/* What the state of an aggregate takes, per key. */
static void memory_per_key(int64_t keys) {
    struct bench bench = bench_open(
        "SELECT key, count(*) AS n, sum(value) AS total FROM events GROUP BY key");
    /* What does not grow with the keys: the source's history, buffers, one batch. */
    for (int round = 0; round < 4; ++round) {
        bench_fill(&bench, 65536);
    }
    malloc_trim(0);
    const int64_t heap = atomic_load(&live_bytes), resident = resident_bytes("RssAnon");
    bench_fill(&bench, keys + 65536);
    malloc_trim(0);
    const double heap_per_key = (double)(atomic_load(&live_bytes) - heap) / (double)keys;
    const double resident_per_key = (double)(resident_bytes("RssAnon") - resident) / (double)keys;
    printf("{\"bench\":\"memory_per_key\",\"keys\":%" PRId64
           ",\"heap_bytes\":%.1f,\"resident_bytes\":%.1f}\n",
           keys, heap_per_key, resident_per_key);
    fprintf(stderr, "memory per key, %9" PRId64 " keys: %.1f B of heap, %.1f B resident\n", keys,
            heap_per_key, resident_per_key);
    bench_close(&bench);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        const char *query;
    } queries[] = {
        {"filter_project", "SELECT key, value * 2 AS doubled FROM events WHERE value >= 0"},
        {"keyed_1k",
         "SELECT key, count(*) AS n, sum(value) AS total FROM events GROUP BY key EMIT CHANGES"},
    };
    int64_t keys = 10000000;
    if (argc == 3 && strcmp(argv[1], "--keys") == 0) {
        keys = atoll(argv[2]);
    } else if (argc != 1) {
        fprintf(stderr, "usage: footprint [--keys N]\n");
        return 2;
    }
    print_build();
    open_and_idle();
    for (size_t i = 0; i < sizeof queries / sizeof *queries; ++i) {
        allocations_per_push(queries[i].name, queries[i].query, 1);
        allocations_per_push(queries[i].name, queries[i].query, 1000);
    }
    memory_per_key(1000000);
    if (keys != 1000000) {
        memory_per_key(keys);
    }
    return 0;
}
