/* Writers, and subscriptions under a condition and from an epoch. Rows by hand. */
#include "fixture.h"

static void a_writer_gathers_batches(void) {
    laminar_db *db = open_started(NULL);
    laminar_subscription *all = open_subscription(db, "SELECT k, v FROM events");
    laminar_writer *writer = NULL;
    uint64_t rows = 7;
    MUST(laminar_writer_open(db, "events", &writer, ERR));
    struct table first = events(1, KEYS("a"), INTS(1), INTS(1000));
    struct table second = events(2, KEYS("b", "c"), INTS(2, 3), INTS(2000, 3000));
    OK(laminar_writer_append(writer, &first.array, &first.schema, ERR));
    CHECK(first.array.release == NULL);
    OK(laminar_writer_append(writer, &second.array, NULL, ERR));
    expect_nothing(all);
    OK(laminar_writer_flush(writer, &rows, ERR));
    CHECK_INT(rows, 3);
    expect_batch(all, "a|1\nb|2\nc|3\n");
    OK(laminar_writer_flush(writer, &rows, ERR));
    CHECK_INT(rows, 0);
    table_free(&first);
    table_free(&second);

    /* What does not fit is refused at once, and consumed. */
    struct table wrong = table_new(1);
    table_utf8(&wrong, "k", KEYS("d"));
    table_utf8(&wrong, "v", KEYS("four"));
    table_int64(&wrong, "ts", INTS(4000), NULL);
    FAILS(LAMINAR_BATCH_SCHEMA_MISMATCH, "column `v`",
          laminar_writer_append(writer, &wrong.array, &wrong.schema, ERR));
    CHECK(wrong.array.release == NULL);
    table_free(&wrong);

    struct table last = events(1, KEYS("e"), INTS(5), INTS(5000));
    OK(laminar_writer_append(writer, &last.array, NULL, ERR));
    OK(laminar_writer_watermark(writer, 9000, ERR));
    expect_batch(all, "e|5\n");
    table_free(&last);
    expect_rows(db, "SELECT watermark_ms FROM laminar_sources", "9000\n");
    OK(laminar_writer_close(writer, ERR));
    OK(laminar_writer_close(writer, ERR));
    FAILS(LAMINAR_WRITER_CLOSED, "closed", laminar_writer_flush(writer, &rows, ERR));
    last = events(1, KEYS("f"), INTS(6), INTS(6000));
    FAILS(LAMINAR_WRITER_CLOSED, "closed", laminar_writer_append(writer, &last.array, NULL, ERR));
    table_free(&last);
    laminar_writer_free(writer);
    /* Freed with rows that were not flushed, after its database. */
    MUST(laminar_writer_open(db, "events", &writer, ERR));
    last = events(1, KEYS("g"), INTS(7), INTS(7000));
    OK(laminar_writer_append(writer, &last.array, NULL, ERR));
    table_free(&last);
    laminar_close(db);
    FAILS(LAMINAR_CONNECTION_CLOSED, "closed", laminar_writer_flush(writer, NULL, ERR));
    laminar_writer_free(writer);
    laminar_subscription_free(all);
}

static laminar_subscription *subscribe(const laminar_db *db, const char *target,
                                       const char *options) {
    laminar_subscription *subscription = NULL;
    MUST(laminar_subscribe(db, target, options, &subscription, ERR));
    return subscription;
}

static void conditions_and_epochs(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM big AS SELECT k, v FROM events WHERE v > 1");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *all = open_subscription(db, "big");
    laminar_subscription *of_b = subscribe(db, "big", "{\"predicate\": \"k = 'b'\"}");
    push_events(source, 2, KEYS("a", "b"), INTS(10, 20), INTS(1000, 2000));
    expect_batch(of_b, "b|20\n");
    expect_batch(all, "a|10\nb|20\n");
    const uint64_t epoch = laminar_subscription_epoch(all);
    push_events(source, 2, KEYS("a", "b"), INTS(11, 21), INTS(3000, 4000));
    expect_batch(of_b, "b|21\n");
    expect_batch(all, "a|11\nb|21\n");
    const uint64_t next = laminar_subscription_epoch(all);

    char options[96];
    snprintf(options, sizeof options, "{\"as_of_epoch\": %llu}", (unsigned long long)epoch);
    laminar_subscription *again = subscribe(db, "big", options);
    expect_batch(again, "a|11\nb|21\n");
    CHECK_INT(laminar_subscription_epoch(again), next);
    expect_nothing(again);
    push_events(source, 1, KEYS("c"), INTS(30), INTS(5000));
    expect_batch(again, "c|30\n");
    laminar_subscription_free(again);

    snprintf(options, sizeof options, "SUBSCRIBE big WHERE k <> 'a' AS OF EPOCH %llu",
             (unsigned long long)epoch);
    again = subscribe(db, options, NULL);
    expect_batch(again, "b|21\nc|30\n");
    laminar_subscription_free(again);

    laminar_subscription *none = NULL;
    FAILS(LAMINAR_SUBSCRIPTION_FAILED, "has not been yet",
          laminar_subscribe(db, "big", "{\"as_of_epoch\": 100000}", &none, ERR));
    FAILS(LAMINAR_SUBSCRIPTION_FAILED, "cannot be read",
          laminar_subscribe(db, "big", "{\"predicate\": \"k =\"}", &none, ERR));
    CHECK(none == NULL);
    laminar_subscription_free(all);
    laminar_subscription_free(of_b);
    laminar_source_free(source);
    laminar_close(db);
}

int main(void) {
    RUN(a_writer_gathers_batches);
    RUN(conditions_and_epochs);
    return report();
}
