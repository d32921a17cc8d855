/* Opening and closing, subscribing and cancelling, many times over, keeps no memory. */
#include "fixture.h"

#include <malloc.h>

#if defined(__SANITIZE_ADDRESS__)
#define HEAP_IS_MEASURED false /* its allocator has no mallinfo2; its leak checker looks instead */
#else
#define HEAP_IS_MEASURED true
#endif

#define ROUNDS_WARM 8
#define ROUNDS 64
#define BYTES_ALLOWED (256 << 10) /* caches of the allocator and the runtime; 4 KiB per round */

/* Bytes that the program and the library hold on the heap. */
static int64_t heap_bytes(void) {
    const struct mallinfo2 info = mallinfo2();
    return (int64_t)(info.uordblks + info.hblkhd);
}

static void measure(void (*round)(void)) {
    for (int i = 0; i < ROUNDS_WARM; ++i) {
        round();
    }
    const int64_t before = heap_bytes();
    for (int i = 0; i < ROUNDS; ++i) {
        round();
    }
    const int64_t grown = heap_bytes() - before;
    if (HEAP_IS_MEASURED && grown > BYTES_ALLOWED) {
        char detail[64];
        snprintf(detail, sizeof detail, "%lld bytes in %d rounds", (long long)grown, ROUNDS);
        test_fail(__FILE__, __LINE__, "the heap grew", detail);
    }
    CHECK_INT(arrays_live(), 0);
}

static void open_close(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE STREAM sums AS SELECT k, SUM(v) AS total FROM events GROUP BY k "
                "EMIT CHANGES");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *sums = open_subscription(db, "sums");
    push_events(source, 2, KEYS("a", "b"), INTS(1, 2), INTS(1000, 2000));
    expect_batch(sums, "a|1|1\nb|2|1\n");
    laminar_subscription_free(sums);
    laminar_source_free(source);
    laminar_close(db);
}

static laminar_db *db;

static void handles(void) {
    laminar_source *source = open_source(db, "events");
    laminar_source *clone = NULL;
    laminar_appender *appender = NULL;
    laminar_subscription *all = open_subscription(db, "SELECT k FROM events WHERE v > 1000000");
    laminar_query *query = NULL;
    char *text = NULL;
    MUST(laminar_source_clone(source, &clone, ERR));
    MUST(laminar_appender_open(clone, &appender, ERR));
    MUST(laminar_query_open(db, "SELECT k FROM events", &query, ERR));
    OK(laminar_explain(db, "SELECT k FROM events", &text, ERR));
    REFUSED(laminar_execute(db, "SELECT nothing FROM events", NULL, ERR));
    laminar_string_free(text);
    laminar_query_free(query);
    laminar_subscription_free(all);
    laminar_appender_free(appender);
    laminar_source_free(clone);
    laminar_source_free(source);
}

static void definitions(void) {
    run_sql(db, "CREATE STREAM temporary AS SELECT k, COUNT(*) AS n FROM events GROUP BY k "
                "EMIT CHANGES");
    run_sql(db, "DROP STREAM temporary");
}

static void open_and_close_keep_nothing(void) { measure(open_close); }
static void handles_keep_nothing(void) { measure(handles); }
static void dropped_definitions_keep_nothing(void) { measure(definitions); }

int main(void) {
    RUN(open_and_close_keep_nothing);
    db = open_started(NULL);
    RUN(handles_keep_nothing);
    RUN(dropped_definitions_keep_nothing);
    laminar_close(db);
    return report();
}
