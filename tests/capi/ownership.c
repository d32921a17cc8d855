/* Who owns what: every array is released exactly once, and handles go in any order. */
#include "fixture.h"

static void pushed_arrays_are_released_exactly_once(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM copy AS SELECT k, v FROM events");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *copy = open_subscription(db, "copy");
    const int64_t before = arrays_live();

    for (int64_t i = 0; i < 10; ++i) {
        push_events(source, 2, KEYS("a", "b"), INTS(1, 2), INTS(1000, 2000));
    }
    struct table t = events(1, KEYS("a"), INTS(1), INTS(1000));
    OK(laminar_try_push(source, &t.array, &t.schema, ERR));
    CHECK(t.array.release == NULL && t.schema.release != NULL);
    table_free(&t);
    t = events(1, KEYS("a"), INTS(1), INTS(1000));
    OK(laminar_insert(db, "events", &t.array, &t.schema, ERR));
    CHECK(t.array.release == NULL);
    table_free(&t);

    struct table tables[3] = {events(1, KEYS("a"), INTS(1), INTS(1000)),
                              events(0, NULL, NULL, NULL),
                              events(1, KEYS("b"), INTS(1), INTS(1000))};
    struct ArrowArrayStream stream = table_stream(tables, 3, -1);
    OK(laminar_insert_stream(db, "events", &stream, ERR));
    CHECK(stream.release == NULL);

    t = events(1, KEYS(NULL), INTS(1), INTS(1000));
    FAILS(LAMINAR_INGESTION_FAILED, "k", laminar_push(source, &t.array, &t.schema, ERR));
    CHECK(t.array.release == NULL);
    table_free(&t);

    /* A polled batch is the caller's, and outlives every handle. */
    struct ArrowArray array;
    struct ArrowSchema schema;
    MUST(laminar_poll(copy, 0, &array, &schema, ERR));
    laminar_source_free(source);
    laminar_subscription_free(copy);
    laminar_close(db);
    char *text = batch_text(&schema, &array, true);
    CHECK_TEXT(text, "a|1\nb|2\n");
    free(text);
    array.release(&array);
    schema.release(&schema);
    CHECK_INT(arrays_live(), before);
}

static void refused_for_want_of_room_moves_nothing(void) {
    laminar_db *db = open_db("{\"max_queued_bytes\": 1024, \"push_timeout_ms\": 0}");
    run_sql(db, EVENTS_DDL);
    run_sql(db, "CREATE STREAM copy AS SELECT k, v FROM events");
    laminar_source *source = open_source(db, "events");
    laminar_status status = LAMINAR_OK;
    for (int64_t i = 0; i < 1000 && status == LAMINAR_OK; ++i) {
        struct table t = events(2, KEYS("a", "b"), INTS(1, 2), INTS(1000, 2000));
        status = laminar_push(source, &t.array, &t.schema, ERR);
        CHECK((t.array.release == NULL) == (status == LAMINAR_OK));
        if (status == LAMINAR_AGAIN) { /* whole still: after start it goes in */
            OK(laminar_start(db, ERR));
            OK(laminar_push(source, &t.array, &t.schema, ERR));
        }
        table_free(&t);
    }
    CHECK_INT(status, LAMINAR_AGAIN);
    laminar_source_free(source);
    laminar_close(db);
    CHECK_INT(arrays_live(), 0);
}

/* The handles of one database, freed in the order of a permutation. */
enum { DB, SOURCE, CLONE, SUBSCRIPTION, QUERY, APPENDER, HANDLES };

static void frees_in_order(const int order[HANDLES]) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM copy AS SELECT k, v FROM events");
    laminar_source *source = open_source(db, "events");
    laminar_source *clone = NULL;
    laminar_subscription *copy = open_subscription(db, "copy");
    laminar_query *query = NULL;
    laminar_appender *appender = NULL;
    MUST(laminar_source_clone(source, &clone, ERR));
    MUST(laminar_appender_open(source, &appender, ERR));
    OK(laminar_append_string(appender, 0, "half a row", 10, ERR));
    push_events(clone, 1, KEYS("a"), INTS(1), INTS(1000));
    MUST(laminar_query_open(db, "SELECT k, v FROM events", &query, ERR));
    for (int i = 0; i < HANDLES; ++i) {
        switch (order[i]) {
        case DB: laminar_close(db); break;
        case SOURCE: laminar_source_free(source); break;
        case CLONE: laminar_source_free(clone); break;
        case SUBSCRIPTION: laminar_subscription_free(copy); break;
        case QUERY: laminar_query_free(query); break;
        default: laminar_appender_free(appender); break;
        }
    }
    CHECK_INT(arrays_live(), 0);
}

static void handles_are_freed_in_every_order(void) {
    /* Every rotation of every adjacent swap: each handle is first, last, and beside each other. */
    for (int swap = 0; swap < HANDLES; ++swap) {
        for (int first = 0; first < HANDLES; ++first) {
            int order[HANDLES];
            for (int i = 0; i < HANDLES; ++i) {
                order[(i + first) % HANDLES] = i;
            }
            const int other = (swap + 1) % HANDLES;
            const int kept = order[swap];
            order[swap] = order[other];
            order[other] = kept;
            frees_in_order(order);
        }
    }
}

static void handles_work_after_their_parent_is_freed(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM copy AS SELECT k, v FROM events");
    laminar_source *source = open_source(db, "events");
    laminar_source *clone = NULL;
    laminar_appender *appender = NULL;
    laminar_subscription *copy = open_subscription(db, "copy");
    MUST(laminar_source_clone(source, &clone, ERR));
    MUST(laminar_appender_open(clone, &appender, ERR));
    laminar_source_free(source);
    laminar_source_free(clone);
    OK(laminar_append_string(appender, 0, "a", 1, ERR));
    OK(laminar_append_int64(appender, 1, 5, ERR));
    OK(laminar_append_int64(appender, 2, 1000, ERR));
    OK(laminar_append_row(appender, ERR));
    OK(laminar_appender_flush(appender, ERR));
    expect_batch(copy, "a|5\n");
    laminar_appender_free(appender);
    laminar_subscription_free(copy);
    laminar_close(db);
}

static void errors_are_the_callers(void) {
    laminar_error *error = NULL;
    laminar_db *db = NULL;
    REQUIRE(laminar_open("{", &db, &error) == LAMINAR_CONNECTION_FAILED && error != NULL);
    const char *message = laminar_error_message(error);
    CHECK(message == laminar_error_message(error)); /* immutable for the error's life */
    MUST(laminar_open(NULL, &db, ERR));
    laminar_close(db);
    CHECK_CONTAINS(message, "LDB-1002");
    laminar_error_free(error);

    /* A slot is nulled on entry: what it held is not freed, and not read. */
    error = (laminar_error *)(void *)&error;
    OK(laminar_open(NULL, &db, &error));
    CHECK(error == NULL);
    laminar_close(db);
}

int main(void) {
    RUN(pushed_arrays_are_released_exactly_once);
    RUN(refused_for_want_of_room_moves_nothing);
    RUN(handles_are_freed_in_every_order);
    RUN(handles_work_after_their_parent_is_freed);
    RUN(errors_are_the_callers);
    return report();
}
