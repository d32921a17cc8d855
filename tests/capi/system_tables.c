/* What the database tells of itself: metrics, topology, queries and their cancelling. */
#include "fixture.h"

#include <pthread.h>

static void metrics_and_topology_are_sql(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM big AS SELECT k, v FROM events WHERE v > 1");
    laminar_source *source = open_source(db, "events");
    laminar_source *second = NULL;
    laminar_subscription *following = open_subscription(db, "big");
    push_events(source, 2, KEYS("a", "b"), INTS(1, 2), INTS(1000, 2000));
    expect_rows(db,
                "SELECT state, total_rows_ingested, total_rows_emitted, total_batches, waiting_rows, "
                "sources, streams, subscriptions FROM laminar_metrics",
                "running|2|1|1|1|1|1|1\n");
    /* 2,000 less a second, as the source declares. */
    expect_rows(db, "SELECT watermark_ms, producers, channel FROM laminar_sources",
                "1000|1|SPSC\n");
    OK(laminar_source_clone(source, &second, ERR));
    expect_rows(db, "SELECT producers, channel FROM laminar_sources", "2|MPSC\n");
    expect_rows(db, "SELECT from_node, to_node FROM laminar_topology WHERE kind = 'edge'",
                "events|big\nbig|subscription 1\n");
    laminar_source_free(second);
    laminar_subscription_free(following);
    laminar_source_free(source);
    laminar_close(db);
}

struct waiter {
    laminar_query *query;
    laminar_status status;
};

static void *read_to_the_end(void *argument) {
    struct waiter *waiter = argument;
    struct ArrowArray batch;
    do {
        waiter->status = laminar_query_next(waiter->query, &batch, NULL, NULL);
        if (waiter->status == LAMINAR_OK) {
            batch.release(&batch);
        }
    } while (waiter->status == LAMINAR_OK);
    return NULL;
}

/* A query that would run for a long time, cancelled by its number while another thread reads it. */
static void a_query_is_cancelled_by_its_number(void) {
    laminar_db *db = open_started(NULL);
    const char *sql = "SELECT value FROM generate_series(1, 1000000000000)";
    laminar_query *query = NULL;
    MUST(laminar_query_open(db, sql, &query, ERR));
    const uint64_t id = laminar_query_id(query);
    CHECK(id > 0);
    expect_rows(db, "SELECT count(*) FROM laminar_queries WHERE is_active AND kind = 'query'", "1\n");
    struct waiter waiter = {query, LAMINAR_OK};
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, read_to_the_end, &waiter) == 0);
    bool found = false;
    OK(laminar_cancel_query(db, id, &found, ERR));
    CHECK(found);
    pthread_join(thread, NULL);
    CHECK_INT(waiter.status, LAMINAR_QUERY_CANCELLED);
    laminar_query_free(query);
    expect_rows(db, "SELECT count(*) FROM laminar_queries", "0\n");
    OK(laminar_cancel_query(db, id, &found, ERR));
    CHECK(!found);
    FAILS(LAMINAR_QUERY_FAILED, "SHOW QUERIES", laminar_execute(db, "CANCEL QUERY 77", NULL, ERR));
    laminar_close(db);
}

int main(void) {
    RUN(metrics_and_topology_are_sql);
    RUN(a_query_is_cancelled_by_its_number);
    return report();
}
