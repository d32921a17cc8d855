/*
 * Panics inside the library, provoked by `laminar_panic(x)`, which panics where x is negative. Only
 * a library with the feature `fault-injection` has that function; run.sh builds one for this program.
 *
 * Whoever did not ask for the failing work goes on: the producer, other streams, other queries.
 */
#include "fixture.h"

/* The stream that panics fails, and says so to its subscriber and to those who ask for its rows. */
static void in_an_epoch(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM fragile AS SELECT k, laminar_panic(v) AS v FROM events");
    run_sql(db, "CREATE STREAM above AS SELECT k FROM fragile");
    run_sql(db, "CREATE STREAM sound AS SELECT k, sum(v) AS total FROM events GROUP BY k");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *fragile = open_subscription(db, "fragile");
    laminar_subscription *above = open_subscription(db, "above");
    laminar_subscription *sound = open_subscription(db, "sound");

    push_events(source, 1, KEYS("a"), INTS(1), INTS(1));
    expect_batch(fragile, "a|1\n");
    expect_batch(above, "a\n");
    expect_batch(sound, "a|1\n");

    /* The push itself succeeds: the producer did nothing wrong. */
    push_events(source, 2, KEYS("a", "b"), INTS(2, -1), INTS(2, 3));
    expect_batch(sound, "a|3\nb|-1\n");
    struct ArrowArray array;
    FAILS(LAMINAR_STREAM_FAILED, "laminar_panic(-1)",
          laminar_poll(fragile, 0, &array, NULL, ERR));
    FAILS(LAMINAR_STREAM_FAILED, "laminar_panic(-1)", laminar_poll(above, 0, &array, NULL, ERR));

    push_events(source, 1, KEYS("a"), INTS(4), INTS(4));
    expect_batch(sound, "a|7\n");
    expect_rows(db, "SELECT k, v FROM events WHERE v > 2", "a|4\n");
    laminar_query *query = NULL;
    FAILS(LAMINAR_STREAM_FAILED, "fragile", laminar_query_open(db, "SELECT * FROM fragile", &query, ERR));
    CHECK(query == NULL);
    run_sql(db, "DROP STREAM above");
    run_sql(db, "DROP STREAM fragile");
    push_events(source, 1, KEYS("a"), INTS(-4), INTS(5));
    expect_batch(sound, "a|3\n");

    laminar_subscription_free(fragile);
    laminar_subscription_free(above);
    laminar_subscription_free(sound);
    laminar_source_free(source);
    laminar_close(db);
}

/* A query that panics answers INTERNAL_ERROR, and the database goes on. */
static void in_a_query(void) {
    laminar_db *db = open_started(NULL);
    laminar_source *source = open_source(db, "events");
    push_events(source, 2, KEYS("a", "b"), INTS(1, -2), INTS(1, 2));
    laminar_query *query = NULL;
    laminar_status status =
        laminar_query_open(db, "SELECT laminar_panic(v) FROM events", &query, ERR);
    if (status == LAMINAR_OK) {
        struct ArrowArray array;
        status = laminar_query_next(query, &array, NULL, ERR);
    }
    CHECK_INT(status, LAMINAR_INTERNAL_ERROR);
    CHECK_TEXT(laminar_error_code(test_error), "LDB-9002");
    CHECK_CONTAINS(last_message(), "laminar_panic(-2)");
    laminar_query_free(query);
    expect_rows(db, "SELECT laminar_panic(v) FROM events WHERE k = 'a'", "1\n");
    laminar_source_free(source);
    laminar_close(db);
}

/* Constants are folded while a query is planned: a panic there is the call's own. */
static void in_the_planner(void) {
    laminar_db *db = open_started(NULL);
    laminar_query *query = NULL;
    laminar_status status =
        laminar_query_open(db, "SELECT laminar_panic(-3)", &query, ERR);
    if (status == LAMINAR_OK) {
        struct ArrowArray array;
        status = laminar_query_next(query, &array, NULL, ERR);
    }
    CHECK_INT(status, LAMINAR_INTERNAL_ERROR);
    CHECK_CONTAINS(last_message(), "laminar_panic(-3)");
    laminar_query_free(query);
    expect_rows(db, "SELECT laminar_panic(3)", "3\n");
    laminar_close(db);
}

/* The rows of an INSERT come from a query: nothing of it is taken. */
static void in_an_insert(void) {
    laminar_db *db = open_started(NULL);
    FAILS(LAMINAR_INTERNAL_ERROR, "laminar_panic(-4)",
          laminar_execute(db, "INSERT INTO events SELECT 'a', laminar_panic(x), 1 "
                              "FROM (VALUES (1), (-4)) AS rows (x)", NULL, ERR));
    expect_rows(db, "SELECT count(*) FROM events", "0\n");
    run_sql(db, "INSERT INTO events VALUES ('a', 1, 1)");
    expect_rows(db, "SELECT count(*) FROM events", "1\n");
    laminar_close(db);
}

int main(void) {
    RUN(in_an_epoch);
    RUN(in_a_query);
    RUN(in_the_planner);
    RUN(in_an_insert);
    return report();
}
