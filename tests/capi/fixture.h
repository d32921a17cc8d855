/*
 * A database to test with, and the sentences tests are made of:
 *
 *     laminar_db *db = open_started("{}");
 *     run_sql(db, "CREATE STREAM s AS SELECT ...");
 *     push_events(source, 2, KEYS("a", "b"), INTS(1, 2), INTS(1000, 2000));
 *     expect_batch(subscription, "a|1\nb|2\n");
 *     expect_nothing(subscription);
 */
#ifndef LAMINAR_FIXTURE_H
#define LAMINAR_FIXTURE_H

#include "arrow_build.h"
#include "arrow_read.h"

#define KEYS(...) ((const char *[]){__VA_ARGS__})
#define INTS(...) ((int64_t[]){__VA_ARGS__})

/* The source most tests use: a watermark one second behind the latest time. */
#define EVENTS_DDL \
    "CREATE SOURCE events (k VARCHAR NOT NULL, v BIGINT, ts BIGINT NOT NULL, " \
    "WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)"

TEST_HELPER void run_sql(const laminar_db *db, const char *sql) {
    if (!STATUS(LAMINAR_OK, laminar_execute(db, sql, NULL, ERR))) {
        fprintf(stderr, "    in: %s\n", sql);
        REQUIRE(!"the statement was refused");
    }
}

TEST_HELPER laminar_db *open_db(const char *config_json) {
    laminar_db *db = NULL;
    MUST(laminar_open(config_json, &db, ERR));
    return db;
}

/* A started database with the source `events`. */
TEST_HELPER laminar_db *open_started(const char *config_json) {
    laminar_db *db = open_db(config_json);
    run_sql(db, EVENTS_DDL);
    MUST(laminar_start(db, ERR));
    return db;
}

TEST_HELPER laminar_source *open_source(const laminar_db *db, const char *name) {
    laminar_source *source = NULL;
    MUST(laminar_source_open(db, name, &source, ERR));
    return source;
}

TEST_HELPER laminar_subscription *open_subscription(const laminar_db *db, const char *target) {
    laminar_subscription *subscription = NULL;
    MUST(laminar_subscribe(db, target, NULL, &subscription, ERR));
    return subscription;
}

/* Rows of `events`. */
TEST_HELPER struct table events(int64_t rows, const char *const *k, const int64_t *v,
                                const int64_t *ts) {
    struct table t = table_new(rows);
    table_utf8(&t, "k", k);
    table_int64(&t, "v", v, NULL);
    table_int64(&t, "ts", ts, NULL);
    return t;
}

TEST_HELPER void push_events(laminar_source *source, int64_t rows, const char *const *k,
                             const int64_t *v, const int64_t *ts) {
    struct table t = events(rows, k, v, ts);
    OK(laminar_push(source, &t.array, &t.schema, ERR));
    CHECK(t.array.release == NULL);
    table_free(&t);
}

TEST_HELPER void test_batch(const char *file, int line, laminar_subscription *subscription,
                            const char *wanted) {
    struct ArrowArray array;
    struct ArrowSchema schema;
    const laminar_status status = laminar_poll(subscription, 0, &array, &schema, ERR);
    if (!test_status(file, line, "laminar_poll", status, LAMINAR_OK)) {
        return;
    }
    char *text = batch_text(&schema, &array, true);
    test_text(file, line, "the batch", text, wanted, true);
    free(text);
    array.release(&array);
    schema.release(&schema);
}

/* The next batch is there and holds exactly these rows, sorted as text. */
#define expect_batch(subscription, wanted) test_batch(__FILE__, __LINE__, subscription, wanted)

#define expect_outcome(subscription, outcome) \
    do { \
        struct ArrowArray array_; \
        if (STATUS(outcome, laminar_poll(subscription, 0, &array_, NULL, ERR))) { \
            CHECK(array_.release == NULL); \
        } \
    } while (0)

#define expect_nothing(subscription) expect_outcome(subscription, LAMINAR_AGAIN)

TEST_HELPER void test_query(const char *file, int line, const laminar_db *db, const char *sql,
                            const char *wanted) {
    laminar_query *query = NULL;
    if (!test_status(file, line, sql, laminar_query_open(db, sql, &query, ERR), LAMINAR_OK)) {
        return;
    }
    char *all = (char *)test_alloc(BATCH_TEXT_BYTES);
    laminar_status status;
    for (;;) {
        struct ArrowArray array;
        struct ArrowSchema schema;
        status = laminar_query_next(query, &array, &schema, ERR);
        if (status != LAMINAR_OK) {
            break;
        }
        char *text = batch_text(&schema, &array, false);
        strncat(all, text, BATCH_TEXT_BYTES - strlen(all) - 1);
        free(text);
        array.release(&array);
        schema.release(&schema);
    }
    test_status(file, line, sql, status, LAMINAR_END);
    test_text(file, line, sql, all, wanted, true);
    free(all);
    laminar_query_free(query);
}

/* The query answers exactly these rows, in this order. */
#define expect_rows(db, sql, wanted) test_query(__FILE__, __LINE__, db, sql, wanted)

#endif
