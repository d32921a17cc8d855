/*
 * What the benchmarks in C share: clocks, random keys, one-row and many-row Arrow batches, and
 * the report, which is a line of JSON on stdout and a line for people on stderr.
 *
 * Everything here is for programs of one file: all functions are static.
 */
#ifndef LAMINAR_BENCH_H
#define LAMINAR_BENCH_H

#include <laminar.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_HELPER __attribute__((unused)) static

/* The columns that every benchmark pushes. */
#define EVENTS_SQL \
    "CREATE SOURCE events (key BIGINT NOT NULL, value BIGINT NOT NULL, ts BIGINT NOT NULL)"
#define EVENTS_COLUMNS 3

/* Ends the program on anything but OK. */
BENCH_HELPER void check(laminar_status status, laminar_error *error) {
    if (status == LAMINAR_OK) {
        return;
    }
    fprintf(stderr, "%s: %s\n", laminar_status_name(status),
            error == NULL ? "(no message)" : laminar_error_message(error));
    exit(1);
}

BENCH_HELPER void require(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "this does not hold: %s\n", what);
        exit(1);
    }
}

BENCH_HELPER int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

BENCH_HELPER int64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* Says which library runs. */
BENCH_HELPER void print_build(void) {
    printf("{\"bench\":\"library\",\"build\":\"%s\"}\n", laminar_build_info());
    fprintf(stderr, "%s\n", laminar_build_info());
}

/* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016). */
BENCH_HELPER uint64_t random_next(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

/* A struct array of EVENTS_COLUMNS columns in one allocation: structs, buffers and values. */
struct events {
    struct ArrowArray children[EVENTS_COLUMNS];
    struct ArrowArray *child_pointers[EVENTS_COLUMNS];
    const void *buffers[EVENTS_COLUMNS][2];
    const void *no_buffer[1];
    int64_t values[]; /* the columns, one after the other */
};

BENCH_HELPER void events_child_release(struct ArrowArray *array) { array->release = NULL; }

BENCH_HELPER void events_release(struct ArrowArray *array) {
    free(array->private_data);
    array->release = NULL;
}

/* So many rows whose values are yet to be written: `events_values` says where. */
BENCH_HELPER void events_new(struct ArrowArray *array, int64_t rows) {
    const size_t bytes = sizeof(struct events) + EVENTS_COLUMNS * (size_t)rows * sizeof(int64_t);
    struct events *events = malloc(bytes);
    require(events != NULL, "memory is left");
    for (int column = 0; column < EVENTS_COLUMNS; ++column) {
        events->buffers[column][0] = NULL;
        events->buffers[column][1] = events->values + column * rows;
        events->children[column] = (struct ArrowArray){
            .length = rows,
            .n_buffers = 2,
            .buffers = events->buffers[column],
            .release = events_child_release,
        };
        events->child_pointers[column] = &events->children[column];
    }
    events->no_buffer[0] = NULL;
    *array = (struct ArrowArray){
        .length = rows,
        .n_buffers = 1,
        .n_children = EVENTS_COLUMNS,
        .buffers = events->no_buffer,
        .children = events->child_pointers,
        .release = events_release,
        .private_data = events,
    };
}

BENCH_HELPER int64_t *events_values(struct ArrowArray *array, int column) {
    return ((struct events *)array->private_data)->values + column * array->length;
}

/* A database with the source `events`, one stream called `result` and a producer. */
struct bench {
    laminar_db *db;
    laminar_source *source;
};

BENCH_HELPER struct bench bench_open(const char *query) {
    struct bench bench;
    laminar_error *error = NULL;
    char sql[1024];
    snprintf(sql, sizeof sql, "CREATE STREAM result AS %s", query);
    check(laminar_open(NULL, &bench.db, &error), error);
    check(laminar_execute(bench.db, EVENTS_SQL, NULL, &error), error);
    check(laminar_execute(bench.db, sql, NULL, &error), error);
    check(laminar_start(bench.db, &error), error);
    check(laminar_source_open(bench.db, "events", &bench.source, &error), error);
    return bench;
}

BENCH_HELPER laminar_subscription *bench_subscribe(const struct bench *bench) {
    laminar_error *error = NULL;
    laminar_subscription *subscription;
    check(laminar_subscribe(bench->db, "result", NULL, &subscription, &error), error);
    return subscription;
}

BENCH_HELPER void bench_close(struct bench *bench) {
    laminar_source_free(bench->source);
    laminar_close(bench->db);
}

/* Pushes one row for each key from 0, in batches. */
BENCH_HELPER void bench_fill(const struct bench *bench, int64_t keys) {
    const int64_t batch_rows = 65536;
    laminar_error *error = NULL;
    for (int64_t from = 0; from < keys; from += batch_rows) {
        const int64_t rows = keys - from < batch_rows ? keys - from : batch_rows;
        struct ArrowArray array;
        events_new(&array, rows);
        for (int64_t row = 0; row < rows; ++row) {
            events_values(&array, 0)[row] = from + row;
            events_values(&array, 1)[row] = row % 1000;
            events_values(&array, 2)[row] = from + row;
        }
        check(laminar_push(bench->source, &array, NULL, &error), error);
    }
}

/* Polls what there is, and answers how many rows came. */
BENCH_HELPER int64_t drain(laminar_subscription *subscription) {
    int64_t rows = 0;
    struct ArrowArray array;
    laminar_error *error = NULL;
    laminar_status status;
    while ((status = laminar_poll(subscription, 0, &array, NULL, &error)) == LAMINAR_OK) {
        rows += array.length;
        array.release(&array);
    }
    require(status == LAMINAR_AGAIN, "everything was polled");
    return rows;
}

#endif
