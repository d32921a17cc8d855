/* Wrong calls: each gets its status and a message that names what was wrong. */
#include "fixture.h"

static void configurations(void) {
    laminar_db *db = NULL;
    FAILS(LAMINAR_CONNECTION_FAILED, "configuration", laminar_open("{", &db, ERR));
    CHECK_TEXT(laminar_error_code(test_error), "LDB-1002");
    FAILS(LAMINAR_CONNECTION_FAILED, "configuration", laminar_open("[]", &db, ERR));
    FAILS(LAMINAR_CONNECTION_FAILED, "configuration", laminar_open("", &db, ERR));
    FAILS(LAMINAR_CONNECTION_FAILED, "bufer_size", laminar_open("{\"bufer_size\": 8}", &db, ERR));
    FAILS(LAMINAR_CONNECTION_FAILED, "power of two",
          laminar_open("{\"buffer_size\": 1000}", &db, ERR));
    FAILS(LAMINAR_CONNECTION_FAILED, "buffer_size",
          laminar_open("{\"buffer_size\": 0}", &db, ERR));
    FAILS(LAMINAR_CONNECTION_FAILED, "nap",
          laminar_open("{\"wait_strategy\": \"nap\"}", &db, ERR));
    REFUSED(laminar_open("{\"path\": \"\xff\xfe\"}", &db, ERR));
    CHECK(db == NULL);
    /* Until durability is built, a path is refused, never a silent pretence. */
    FAILS(LAMINAR_UNSUPPORTED, "path", laminar_open("{\"path\": \"/tmp/laminar\"}", &db, ERR));
    CHECK(db == NULL);
    OK(laminar_open("{\"path\": \":memory:\", \"validate_input\": \"trusted\"}", &db, ERR));
    laminar_close(db);
}

static void statements(void) {
    laminar_db *db = open_started(NULL);
    laminar_query *query = NULL;
    char *text = NULL;
    FAILS(LAMINAR_SQL_PARSE_ERROR, "SELEC", laminar_execute(db, "SELEC 1", NULL, ERR));
    FAILS(LAMINAR_SQL_PARSE_ERROR, "", laminar_query_open(db, "SELECT 1 +", &query, ERR));
    CHECK(query == NULL);
    FAILS(LAMINAR_SQL_PARSE_ERROR, "", laminar_explain(db, "SELECT (1", &text, ERR));
    CHECK(text == NULL);
    REFUSED(laminar_execute(db, "", NULL, ERR));
    REFUSED(laminar_execute(db, "   ", NULL, ERR));
    REFUSED(laminar_execute(db, "SELECT '\xff\xfe'", NULL, ERR));
    CHECK_CONTAINS(last_message(), "UTF-8");
    REFUSED(laminar_query_open(db, "SELECT * FROM nowhere", &query, ERR));
    CHECK_CONTAINS(last_message(), "nowhere");
    REFUSED(laminar_query_open(db, "SELECT missing FROM events", &query, ERR));
    CHECK_CONTAINS(last_message(), "missing");
    REFUSED(laminar_execute(db, "CREATE STREAM s AS SELECT nothing FROM events", NULL, ERR));
    CHECK_CONTAINS(last_message(), "nothing");
    FAILS(LAMINAR_TABLE_EXISTS, "events", laminar_execute(db, EVENTS_DDL, NULL, ERR));
    FAILS(LAMINAR_TABLE_NOT_FOUND, "ghost", laminar_execute(db, "DROP STREAM ghost", NULL, ERR));
    REFUSED(laminar_query_open(db, "DROP SOURCE events", &query, ERR));
    CHECK(query == NULL);
    run_sql(db, "CREATE STREAM reader AS SELECT k FROM events");
    FAILS(LAMINAR_INVALID_SCHEMA, "reader", laminar_execute(db, "DROP SOURCE events", NULL, ERR));
    REFUSED(laminar_execute(db, "CREATE SOURCE two (a BIGINT, a BIGINT)", NULL, ERR));
    REFUSED(laminar_execute(db, "CREATE SOURCE odd (a NO_SUCH_TYPE)", NULL, ERR));
    CHECK_CONTAINS(last_message(), "NO_SUCH_TYPE");
    laminar_close(db);
}

static void positions_in_sql(void) {
    laminar_db *db = open_db(NULL);
    FAILS(LAMINAR_SQL_PARSE_ERROR, "line 1, column 1", laminar_execute(db, "SELEC 1", NULL, ERR));
    CHECK_INT(laminar_error_line(test_error), 1);
    CHECK_INT(laminar_error_column(test_error), 1);
    FAILS(LAMINAR_SQL_PARSE_ERROR, "line 2, column 11",
          laminar_execute(db, "CREATE SOURCE x (\n a BIGINT,,\n b BIGINT)", NULL, ERR));
    CHECK_INT(laminar_error_line(test_error), 2);
    CHECK_INT(laminar_error_column(test_error), 11);
    /* No SQL, no position. */
    laminar_source *source = NULL;
    FAILS(LAMINAR_TABLE_NOT_FOUND, "x", laminar_source_open(db, "x", &source, ERR));
    CHECK_INT(laminar_error_line(test_error), 0);
    CHECK_INT(laminar_error_column(test_error), 0);
    laminar_close(db);
}

static void names(void) {
    laminar_db *db = open_started(NULL);
    laminar_source *source = NULL;
    laminar_subscription *subscription = NULL;
    FAILS(LAMINAR_TABLE_NOT_FOUND, "ghost", laminar_source_open(db, "ghost", &source, ERR));
    REFUSED(laminar_source_open(db, "", &source, ERR));
    REFUSED(laminar_source_open(db, "\xff\xfe", &source, ERR));
    CHECK_CONTAINS(last_message(), "UTF-8");
    CHECK(source == NULL);
    struct table t = events(1, KEYS("a"), INTS(1), INTS(1000));
    FAILS(LAMINAR_TABLE_NOT_FOUND, "ghost",
          laminar_insert(db, "ghost", &t.array, &t.schema, ERR));
    CHECK(t.array.release == NULL);
    table_free(&t);
    FAILS(LAMINAR_TABLE_NOT_FOUND, "ghost",
          laminar_subscribe(db, "ghost", NULL, &subscription, ERR));
    REFUSED(laminar_subscribe(db, "SELECT x FROM ghost", NULL, &subscription, ERR));
    CHECK_CONTAINS(last_message(), "ghost");
    REFUSED(laminar_subscribe(db, "\xff\xfe", NULL, &subscription, ERR));
    REFUSED(laminar_subscribe(db, "events", "{", &subscription, ERR));
    REFUSED(laminar_subscribe(db, "events", "{\"snapshoot\": true}", &subscription, ERR));
    CHECK_CONTAINS(last_message(), "snapshoot");
    REFUSED(laminar_subscribe(db, "events", "{\"capacity\": \"many\"}", &subscription, ERR));
    CHECK(subscription == NULL);
    laminar_close(db);
    CHECK_INT(arrays_live(), 0);
}

/* A push that is refused whole: the status, a part of the message, and nothing came in. */
#define REFUSED_PUSH(wanted, part, t) \
    do { \
        FAILS(wanted, part, laminar_push(source, &(t).array, &(t).schema, ERR)); \
        CHECK((t).array.release == NULL); \
        table_free(&(t)); \
    } while (0)

static void batches_that_do_not_fit(void) {
    laminar_db *db = open_started(NULL);
    laminar_source *source = open_source(db, "events");

    struct table t = table_new(1); /* a name that the source does not have */
    table_utf8(&t, "k", KEYS("a"));
    table_int64(&t, "volume", INTS(1), NULL);
    table_int64(&t, "ts", INTS(1000), NULL);
    REFUSED_PUSH(LAMINAR_BATCH_SCHEMA_MISMATCH, "volume", t);

    t = table_new(1); /* a type */
    table_utf8(&t, "k", KEYS("a"));
    table_utf8(&t, "v", KEYS("one"));
    table_int64(&t, "ts", INTS(1000), NULL);
    REFUSED_PUSH(LAMINAR_BATCH_SCHEMA_MISMATCH, "v", t);

    t = table_new(1); /* a NOT NULL column is missing */
    table_utf8(&t, "k", KEYS("a"));
    table_int64(&t, "v", INTS(1), NULL);
    REFUSED_PUSH(LAMINAR_BATCH_SCHEMA_MISMATCH, "ts", t);

    t = events(1, KEYS("a"), INTS(1), INTS(1000)); /* one column too many */
    table_int64(&t, "extra", INTS(1), NULL);
    REFUSED_PUSH(LAMINAR_BATCH_SCHEMA_MISMATCH, "extra", t);

    t = events(2, KEYS("a", NULL), INTS(1, 2), INTS(1000, 1000)); /* a null in NOT NULL */
    REFUSED_PUSH(LAMINAR_INGESTION_FAILED, "k", t);

    t = table_new(2); /* a null event time */
    table_utf8(&t, "k", KEYS("a", "b"));
    table_int64(&t, "v", INTS(1, 2), NULL);
    table_int64(&t, "ts", INTS(1, 2), (bool[]){true, false});
    REFUSED_PUSH(LAMINAR_INGESTION_FAILED, "ts", t);

    expect_rows(db, "SELECT COUNT(*) FROM events", "0\n"); /* nothing of any of them */
    laminar_source_free(source);
    laminar_close(db);
    CHECK_INT(arrays_live(), 0);
}

static void sources_without_event_time_have_no_watermark(void) {
    laminar_db *db = open_db(NULL);
    run_sql(db, "CREATE SOURCE plain (a VARCHAR)");
    laminar_source *source = open_source(db, "plain");
    const laminar_status status = laminar_watermark(source, 1000, ERR);
    if (status != LAMINAR_OK) { /* refused or without effect, and never a defect */
        CHECK(status >= 100 && status != LAMINAR_INTERNAL_ERROR);
    }
    laminar_source_free(source);
    laminar_close(db);
}

static void everything_after_close_says_closed(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM copy AS SELECT k, v FROM events");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *copy = open_subscription(db, "copy");
    laminar_appender *appender = NULL;
    laminar_source *another = NULL;
    laminar_query *query = NULL;
    laminar_subscription *subscription = NULL;
    char *text = NULL;
    MUST(laminar_appender_open(source, &appender, ERR));
    push_events(source, 1, KEYS("a"), INTS(1), INTS(1000));
    OK(laminar_shutdown(db, ERR));
    OK(laminar_shutdown(db, ERR)); /* twice is once */

    FAILS(LAMINAR_CONNECTION_CLOSED, "closed", laminar_execute(db, "SELECT 1", NULL, ERR));
    FAILS(LAMINAR_CONNECTION_CLOSED, "closed", laminar_start(db, ERR));
    FAILS(LAMINAR_CONNECTION_CLOSED, "closed", laminar_query_open(db, "SELECT 1", &query, ERR));
    FAILS(LAMINAR_CONNECTION_CLOSED, "closed", laminar_explain(db, "SELECT 1", &text, ERR));
    FAILS(LAMINAR_CONNECTION_CLOSED, "closed",
          laminar_source_open(db, "events", &another, ERR));
    FAILS(LAMINAR_CONNECTION_CLOSED, "closed",
          laminar_subscribe(db, "copy", NULL, &subscription, ERR));
    struct table t = events(1, KEYS("a"), INTS(1), INTS(1000));
    FAILS(LAMINAR_CONNECTION_CLOSED, "closed",
          laminar_insert(db, "events", &t.array, &t.schema, ERR));
    CHECK(t.array.release == NULL);
    table_free(&t);
    laminar_close(db);

    t = events(1, KEYS("a"), INTS(1), INTS(1000));
    FAILS(LAMINAR_CONNECTION_CLOSED, "closed", laminar_push(source, &t.array, &t.schema, ERR));
    CHECK(t.array.release == NULL);
    table_free(&t);
    t = events(1, KEYS("a"), INTS(1), INTS(1000));
    FAILS(LAMINAR_CONNECTION_CLOSED, "closed",
          laminar_try_push(source, &t.array, &t.schema, ERR));
    table_free(&t);
    FAILS(LAMINAR_CONNECTION_CLOSED, "closed", laminar_watermark(source, 1, ERR));
    OK(laminar_append_string(appender, 0, "a", 1, ERR));
    OK(laminar_append_int64(appender, 2, 1, ERR));
    OK(laminar_append_row(appender, ERR));
    FAILS(LAMINAR_CONNECTION_CLOSED, "closed", laminar_appender_flush(appender, ERR));

    /* What came before is still delivered, then END for ever; names stay readable. */
    expect_batch(copy, "a|1\n");
    expect_outcome(copy, LAMINAR_END);
    expect_outcome(copy, LAMINAR_END);
    CHECK_TEXT(laminar_source_name(source), "events");
    laminar_appender_free(appender);
    laminar_source_free(source);
    laminar_subscription_free(copy);
    CHECK_INT(arrays_live(), 0);
}

static void polling_after_cancel_is_the_end(void) {
    laminar_db *db = open_started(NULL);
    laminar_source *source = open_source(db, "events");
    laminar_subscription *all = open_subscription(db, "SELECT k, v FROM events");
    laminar_subscription_cancel(all);
    laminar_subscription_cancel(all);
    push_events(source, 1, KEYS("a"), INTS(1), INTS(1000)); /* nobody listens any more */
    expect_outcome(all, LAMINAR_END);
    expect_outcome(all, LAMINAR_END);
    struct ArrowArray array;
    STATUS(LAMINAR_END, laminar_poll(all, -1, &array, NULL, ERR)); /* does not wait for ever */
    laminar_subscription_free(all);
    laminar_source_free(source);
    laminar_close(db);
}

static void before_start_pushes_queue_up_to_a_limit(void) {
    laminar_db *db = open_db("{\"max_queued_bytes\": 4096, \"push_timeout_ms\": 1}");
    run_sql(db, "CREATE SOURCE numbers (n BIGINT)");
    run_sql(db, "CREATE STREAM copy AS SELECT n FROM numbers");
    laminar_source *source = open_source(db, "numbers");
    laminar_subscription *copy = open_subscription(db, "copy");
    laminar_status status = LAMINAR_OK;
    struct table t;
    int64_t taken = 0;
    while (taken < 1000) { /* 128 values are 1 KiB */
        t = table_new(128);
        table_int64(&t, "n", (int64_t[128]){0}, NULL);
        status = laminar_push(source, &t.array, &t.schema, ERR);
        if (status != LAMINAR_OK) {
            break;
        }
        table_free(&t);
        taken += 1;
    }
    STATUS(LAMINAR_AGAIN, status);
    CHECK(taken >= 1 && taken <= 16);
    /* Waiting is in vain: the outcome says why. */
    CHECK(test_error != NULL);
    CHECK_TEXT(laminar_error_code(test_error), "LDB-3302");
    CHECK_INT(laminar_error_status(test_error), LAMINAR_BACKPRESSURE);
    CHECK(strstr(last_message(), "call start()") != NULL);
    CHECK(t.array.release != NULL); /* AGAIN moves nothing */
    CHECK_INT(laminar_source_pending(source), taken * 128);
    STATUS(LAMINAR_AGAIN, laminar_try_push(source, &t.array, &t.schema, ERR));
    CHECK(t.array.release != NULL);
    struct ArrowArrayStream stream = table_stream(&t, 1, -1);
    STATUS(LAMINAR_AGAIN, laminar_push_stream(source, &stream, ERR));
    CHECK(stream.release != NULL); /* its rows were read, and are in it again */
    expect_nothing(copy);
    OK(laminar_start(db, ERR));
    CHECK_INT(laminar_source_pending(source), 0);
    OK(laminar_push_stream(source, &stream, ERR));
    CHECK(stream.release == NULL);
    char wanted[32];
    snprintf(wanted, sizeof wanted, "%lld\n", (long long)(taken * 128 + 128));
    expect_rows(db, "SELECT COUNT(*) FROM copy", wanted);
    laminar_subscription_free(copy);
    laminar_source_free(source);
    laminar_close(db);
    CHECK_INT(arrays_live(), 0);
}

static void a_source_that_nothing_reads_never_fills(void) {
    laminar_db *db = open_db("{\"max_queued_bytes\": 4096, \"push_timeout_ms\": 1}");
    run_sql(db, "CREATE SOURCE numbers (n BIGINT)");
    laminar_source *source = open_source(db, "numbers");
    for (int64_t i = 0; i < 64; ++i) {
        struct table t = table_new(128);
        table_int64(&t, "n", (int64_t[128]){0}, NULL);
        OK(laminar_push(source, &t.array, &t.schema, ERR));
        table_free(&t);
    }
    expect_rows(db, "SELECT COUNT(*) FROM numbers", "8192\n");
    laminar_source_free(source);
    laminar_close(db);
    CHECK_INT(arrays_live(), 0);
}

int main(void) {
    RUN(configurations);
    RUN(statements);
    RUN(positions_in_sql);
    RUN(names);
    RUN(batches_that_do_not_fit);
    RUN(sources_without_event_time_have_no_watermark);
    RUN(everything_after_close_says_closed);
    RUN(polling_after_cancel_is_the_end);
    RUN(before_start_pushes_queue_up_to_a_limit);
    RUN(a_source_that_nothing_reads_never_fills);
    return report();
}
