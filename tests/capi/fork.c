/* After a fork the child's calls answer an error, and its frees leak on purpose. */
#include "fixture.h"

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static laminar_db *db;
static laminar_source *source;
static laminar_subscription *copy;

/* More rows than worker threads are left alone with, and what they come to. */
static void count_with_workers(laminar_db *of, int64_t pushes) {
    char expected[64];
    run_sql(of, "INSERT INTO numbers SELECT value FROM generate_series(1, 20000)");
    snprintf(expected, sizeof expected, "100|%lld\n", (long long)(pushes * 20000));
    expect_rows(of, "SELECT COUNT(*), SUM(c) FROM counts", expected);
}

static void create_counts(laminar_db *of) {
    run_sql(of, "CREATE SOURCE numbers (n BIGINT)");
    run_sql(of, "CREATE STREAM counts WITH (workers = 4) AS "
                "SELECT n % 100 AS k, COUNT(*) AS c FROM numbers GROUP BY n % 100");
}

/* The number of failed checks in the child, by way of its exit status. */
static int in_child(void (*run)(void)) {
    fflush(stdout);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        test_running = false; /* a failed REQUIRE ends the child */
        run();
        _exit(test_checks_failed > 100 ? 100 : test_checks_failed);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status)); /* no signal: nothing crashed, nothing hung */
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void calls_in_the_child(void) {
    laminar_query *query = NULL;
    laminar_source *another = NULL;
    laminar_subscription *subscription = NULL;
    struct ArrowArray array;
    struct ArrowSchema schema;
    FAILS(LAMINAR_CONNECTION_FAILED, "fork", laminar_execute(db, "SELECT 1", NULL, ERR));
    FAILS(LAMINAR_CONNECTION_FAILED, "fork", laminar_query_open(db, "SELECT 1", &query, ERR));
    FAILS(LAMINAR_CONNECTION_FAILED, "fork", laminar_source_open(db, "events", &another, ERR));
    FAILS(LAMINAR_CONNECTION_FAILED, "fork", laminar_source_clone(source, &another, ERR));
    FAILS(LAMINAR_CONNECTION_FAILED, "fork",
          laminar_subscribe(db, "copy", NULL, &subscription, ERR));
    FAILS(LAMINAR_CONNECTION_FAILED, "fork", laminar_poll(copy, -1, &array, &schema, ERR));
    FAILS(LAMINAR_CONNECTION_FAILED, "fork", laminar_watermark(source, 1, ERR));
    FAILS(LAMINAR_CONNECTION_FAILED, "fork", laminar_shutdown(db, ERR));
    struct table t = events(1, KEYS("a"), INTS(1), INTS(1000));
    FAILS(LAMINAR_CONNECTION_FAILED, "fork", laminar_push(source, &t.array, &t.schema, ERR));
    CHECK(t.array.release == NULL);
    laminar_subscription_cancel(copy);
    laminar_subscription_free(copy);
    laminar_source_free(source);
    laminar_close(db);
}

static void a_database_of_its_own(void) {
    laminar_db *own = NULL;
    MUST(laminar_open(NULL, &own, ERR));
    create_counts(own);
    MUST(laminar_start(own, ERR));
    count_with_workers(own, 1);
    expect_rows(own, "SELECT SUM(n) FROM numbers WHERE n <= 2", "3\n");
    laminar_close(own);
}

static void the_child_is_told(void) {
    CHECK_INT(in_child(calls_in_the_child), 0);
}

static void the_child_may_open_its_own(void) {
    CHECK_INT(in_child(a_database_of_its_own), 0);
}

static void the_parent_goes_on(void) {
    count_with_workers(db, 2);
    push_events(source, 1, KEYS("a"), INTS(1), INTS(1000));
    expect_batch(copy, "a|1\n");
}

int main(void) {
    db = open_started(NULL);
    run_sql(db, "CREATE STREAM copy AS SELECT k, v FROM events");
    /* The threads of the workers run when the process is forked. */
    create_counts(db);
    count_with_workers(db, 1);
    source = open_source(db, "events");
    copy = open_subscription(db, "copy");
    RUN(the_child_is_told);
    RUN(the_child_may_open_its_own);
    RUN(the_parent_goes_on);
    laminar_subscription_free(copy);
    laminar_source_free(source);
    laminar_close(db);
    return report();
}
