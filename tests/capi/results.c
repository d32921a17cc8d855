/* Continuous results through the ABI; every expected value is worked out by hand in a comment. */
#include "fixture.h"

static void windows_close_when_the_watermark_passes(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM tens AS "
                "SELECT k, window_start, window_end, COUNT(*) AS n, SUM(v) AS total FROM events "
                "GROUP BY k, tumble(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *tens = open_subscription(db, "tens");

    /* Latest time 9,999, so the watermark is 8,999 and [0, 10,000) is open. */
    push_events(source, 3, KEYS("a", "b", "a"), INTS(1, 2, 3), INTS(1000, 2000, 9999));
    expect_nothing(tens);
    /* Latest 10,998, watermark 9,998: one millisecond short of 10,000 <= W + 1. */
    push_events(source, 1, KEYS("a"), INTS(4), INTS(10998));
    expect_nothing(tens);
    /* Latest 10,999, watermark 9,999: closed. a: 1 + 3, b: 2. The rows of [10,000) wait. */
    push_events(source, 1, KEYS("a"), INTS(5), INTS(10999));
    expect_batch(tens, "a|0|10000|2|4\nb|0|10000|1|2\n");
    /* Late: [0, 10,000) is closed. Dropped, and no error. */
    push_events(source, 1, KEYS("a"), INTS(100), INTS(9000));
    expect_nothing(tens);
    /* By hand: 19,999 closes [10,000, 20,000) with 4 + 5. */
    OK(laminar_watermark(source, 19998, ERR));
    expect_nothing(tens);
    OK(laminar_watermark(source, 19999, ERR));
    expect_batch(tens, "a|10000|20000|2|9\n");
    /* A watermark never goes back. */
    OK(laminar_watermark(source, 5, ERR));
    push_events(source, 1, KEYS("a"), INTS(7), INTS(15000));
    OK(laminar_watermark(source, 40000, ERR));
    expect_nothing(tens);

    laminar_subscription_free(tens);
    laminar_source_free(source);
    laminar_close(db);
}

static void lateness_is_decided_row_by_row(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM tens AS SELECT window_start, SUM(v) AS total FROM events "
                "GROUP BY tumble(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *tens = open_subscription(db, "tens");
    /* In one batch: 1 is in time, 11,000 closes [0, 10,000), 9,999 is late, 12,000 is in time. */
    push_events(source, 4, KEYS("a", "a", "a", "a"), INTS(1, 10, 100, 1000),
                INTS(1, 11000, 9999, 12000));
    expect_batch(tens, "0|1\n");
    OK(laminar_watermark(source, 20000, ERR));
    expect_batch(tens, "10000|1010\n");
    laminar_subscription_free(tens);
    laminar_source_free(source);
    laminar_close(db);
}

static void hopping_windows_overlap(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM hops AS SELECT window_start, window_end, COUNT(*) AS n FROM events "
                "GROUP BY hop(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND) "
                "EMIT ON WINDOW CLOSE");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *hops = open_subscription(db, "hops");
    /* 12,000 is in [5,000, 15,000) and [10,000, 20,000); 16,000 in [10,000) and [15,000). */
    push_events(source, 2, KEYS("a", "a"), INTS(1, 1), INTS(12000, 16000));
    expect_batch(hops, "5000|15000|1\n"); /* watermark 15,000 */
    OK(laminar_watermark(source, 24999, ERR));
    expect_batch(hops, "10000|20000|2\n15000|25000|1\n");
    laminar_subscription_free(hops);
    laminar_source_free(source);
    laminar_close(db);
}

/* The weight of the row whose first column is `k` and whose second is `v`; 0 when absent. */
static int64_t weight_of(const struct ArrowSchema *schema, const struct ArrowArray *array,
                         const int64_t *weights, const char *k, int64_t v, int64_t *row_out) {
    for (int64_t row = 0; row < array->length; ++row) {
        char key[32] = {0};
        arrow_value_text(schema->children[0], array->children[0], row, key, sizeof key);
        if (strcmp(key, k) == 0 && arrow_int(schema->children[1], array->children[1], row) == v) {
            *row_out = row;
            return weights[row];
        }
    }
    return 0;
}

static void changes_carry_weights(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM totals AS SELECT k, SUM(v) AS total FROM events GROUP BY k "
                "EMIT CHANGES");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *totals = open_subscription(db, "totals");
    struct ArrowArray array;
    struct ArrowSchema schema;
    const int64_t *weights = NULL;

    push_events(source, 1, KEYS("a"), INTS(1), INTS(1000));
    expect_batch(totals, "a|1|1\n");
    push_events(source, 2, KEYS("a", "b"), INTS(2, 5), INTS(2000, 2000));
    MUST(laminar_poll(totals, 0, &array, &schema, ERR));
    /* a: 1 ceases, 3 is new; b: 5 is new. The last column is the weight. */
    char *text = batch_text(&schema, &array, true);
    CHECK_TEXT(text, "a|1|-1\na|3|1\nb|5|1\n");
    free(text);
    CHECK_TEXT(schema.children[schema.n_children - 1]->name, "_weight");
    CHECK_TEXT(schema.children[schema.n_children - 1]->format, "l");
    REQUIRE(laminar_subscription_weights(totals, &weights) == 3 && weights != NULL);
    int64_t retraction = -1, insertion = -1, other = -1;
    CHECK_INT(weight_of(&schema, &array, weights, "a", 1, &retraction), -1);
    CHECK_INT(weight_of(&schema, &array, weights, "a", 3, &insertion), 1);
    CHECK_INT(weight_of(&schema, &array, weights, "b", 5, &other), 1);
    CHECK(retraction < insertion);
    array.release(&array);
    schema.release(&schema);

    /* Net zero is never sent: neither +0 nor +4 -4 changes a. */
    push_events(source, 1, KEYS("a"), INTS(0), INTS(3000));
    push_events(source, 2, KEYS("a", "a"), INTS(4, -4), INTS(3000, 3000));
    expect_nothing(totals);
    expect_rows(db, "SELECT k, total FROM totals ORDER BY k", "a|3\nb|5\n");
    laminar_subscription_free(totals);
    laminar_source_free(source);
    laminar_close(db);
}

static void updates_carry_the_new_rows(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM totals AS SELECT k, COUNT(*) AS n, SUM(v) AS total, MIN(v) AS low, "
                "MAX(v) AS high, AVG(v) AS mean FROM events GROUP BY k EMIT ON UPDATE");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *totals = open_subscription(db, "totals");
    push_events(source, 2, KEYS("a", "a"), INTS(1, 4), INTS(1000, 1000));
    expect_batch(totals, "a|2|5|1|4|2.5\n");
    push_events(source, 2, KEYS("b", "a"), INTS(7, 1), INTS(2000, 2000));
    expect_batch(totals, "a|3|6|1|4|2\nb|1|7|7|7|7\n");
    expect_nothing(totals);
    laminar_subscription_free(totals);
    laminar_source_free(source);
    laminar_close(db);
}

static void appended_rows_need_no_weights(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM doubled AS SELECT k, v * 2 AS w FROM events WHERE v > 1");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *doubled = open_subscription(db, "doubled");
    const int64_t *weights = INTS(7);
    push_events(source, 3, KEYS("a", "b", "c"), INTS(1, 2, 3), INTS(1000, 2000, 3000));
    expect_batch(doubled, "b|4\nc|6\n");
    CHECK_INT(laminar_subscription_weights(doubled, &weights), 0);
    CHECK(weights == NULL);
    push_events(source, 1, KEYS("a"), INTS(1), INTS(4000)); /* nothing passes the filter */
    expect_nothing(doubled);
    struct ArrowSchema schema;
    MUST(laminar_subscription_schema(doubled, &schema, ERR));
    CHECK_INT(schema.n_children, 2);
    CHECK_TEXT(schema.children[1]->name, "w");
    schema.release(&schema);
    laminar_subscription_free(doubled);
    laminar_source_free(source);
    laminar_close(db);
}

static void one_push_is_one_epoch_everywhere(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM big AS SELECT k, v FROM events WHERE v > 10");
    run_sql(db, "CREATE STREAM sums AS SELECT k, SUM(v) AS total FROM big GROUP BY k EMIT CHANGES");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *big = open_subscription(db, "big");
    laminar_subscription *sums = open_subscription(db, "sums");
    push_events(source, 2, KEYS("a", "b"), INTS(11, 1), INTS(1000, 1000));
    expect_batch(big, "a|11\n");
    expect_batch(sums, "a|11|1\n"); /* a stream over a stream */
    const uint64_t first = laminar_subscription_epoch(big);
    CHECK(first > 0);
    CHECK_INT(laminar_subscription_epoch(sums), first);
    push_events(source, 1, KEYS("a"), INTS(12), INTS(1000));
    expect_batch(big, "a|12\n");
    expect_batch(sums, "a|11|-1\na|23|1\n");
    CHECK(laminar_subscription_epoch(big) > first);
    CHECK_INT(laminar_subscription_epoch(sums), laminar_subscription_epoch(big));

    /* Several batches of one Arrow stream are one epoch, and so one change. */
    struct table tables[2] = {events(1, KEYS("a"), INTS(100), INTS(2000)),
                              events(1, KEYS("a"), INTS(200), INTS(2000))};
    struct ArrowArrayStream stream = table_stream(tables, 2, -1);
    OK(laminar_push_stream(source, &stream, ERR));
    CHECK(stream.release == NULL);
    expect_batch(sums, "a|23|-1\na|323|1\n");
    expect_nothing(sums);
    laminar_subscription_free(big);
    laminar_subscription_free(sums);
    laminar_source_free(source);
    laminar_close(db);
    CHECK_INT(arrays_live(), 0);
}

static void a_subscribed_query_begins_with_its_content(void) {
    laminar_db *db = open_started(NULL);
    laminar_source *source = open_source(db, "events");
    push_events(source, 2, KEYS("a", "b"), INTS(1, 2), INTS(1000, 1000));
    laminar_subscription *all = open_subscription(db, "SELECT k, v FROM events WHERE v < 10");
    expect_batch(all, "a|1\nb|2\n");
    push_events(source, 2, KEYS("c", "d"), INTS(3, 30), INTS(1000, 1000));
    expect_batch(all, "c|3\n");
    expect_nothing(all);

    /* By name: the changes from now on, or the content first where asked. */
    run_sql(db, "CREATE STREAM sums AS SELECT k, SUM(v) AS total FROM events GROUP BY k "
                "EMIT CHANGES");
    push_events(source, 1, KEYS("e"), INTS(5), INTS(1000));
    laminar_subscription *now = open_subscription(db, "sums");
    laminar_subscription *snapshot = NULL;
    MUST(laminar_subscribe(db, "sums", "{\"snapshot\": true}", &snapshot, ERR));
    expect_nothing(now);
    expect_batch(snapshot, "e|5|1\n");
    push_events(source, 1, KEYS("e"), INTS(1), INTS(1000));
    expect_batch(now, "e|5|-1\ne|6|1\n");
    expect_batch(snapshot, "e|5|-1\ne|6|1\n");
    laminar_subscription_free(all);
    laminar_subscription_free(now);
    laminar_subscription_free(snapshot);
    laminar_source_free(source);
    laminar_close(db);
}

static void slow_consumers_are_told_what_they_missed(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM copy AS SELECT k, v FROM events");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *slow = NULL;
    MUST(laminar_subscribe(db, "copy", "{\"capacity\": 4}", &slow, ERR));
    const int64_t pushed = 64;
    for (int64_t i = 0; i < pushed; ++i) { /* never blocks, whoever reads or does not */
        push_events(source, 1, KEYS("a"), &i, INTS(1000));
    }
    struct ArrowArray array;
    struct ArrowSchema schema;
    int64_t received = 0, last = -1;
    expect_outcome(slow, LAMINAR_LAGGED);
    while (laminar_poll(slow, 0, &array, &schema, ERR) == LAMINAR_OK) {
        for (int64_t row = 0; row < array.length; ++row) {
            const int64_t v = arrow_int(schema.children[1], array.children[1], row);
            CHECK(v > last);
            last = v;
        }
        received += array.length;
        array.release(&array);
        schema.release(&schema);
    }
    CHECK_INT(last, pushed - 1); /* the newest are kept */
    CHECK(received >= 1 && received <= 8);
    CHECK_INT((int64_t)laminar_subscription_lagged(slow) + received, pushed);
    laminar_subscription_free(slow);
    laminar_source_free(source);
    laminar_close(db);
    CHECK_INT(arrays_live(), 0);
}

static void dropping_a_stream_ends_its_subscriptions(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM copy AS SELECT k, v FROM events");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *copy = open_subscription(db, "copy");
    push_events(source, 1, KEYS("a"), INTS(1), INTS(1000));
    run_sql(db, "DROP STREAM copy");
    expect_batch(copy, "a|1\n"); /* what came before is delivered */
    expect_outcome(copy, LAMINAR_END);
    expect_outcome(copy, LAMINAR_END);
    laminar_subscription_free(copy);
    laminar_source_free(source);
    laminar_close(db);
}

int main(void) {
    RUN(windows_close_when_the_watermark_passes);
    RUN(lateness_is_decided_row_by_row);
    RUN(hopping_windows_overlap);
    RUN(changes_carry_weights);
    RUN(updates_carry_the_new_rows);
    RUN(appended_rows_need_no_weights);
    RUN(one_push_is_one_epoch_everywhere);
    RUN(a_subscribed_query_begins_with_its_content);
    RUN(slow_consumers_are_told_what_they_missed);
    RUN(dropping_a_stream_ends_its_subscriptions);
    return report();
}
