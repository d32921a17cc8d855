/* The row appender: typed setters, what they refuse, and one epoch for each flush. */
#include "fixture.h"

static laminar_db *db;
static laminar_source *source;
static laminar_subscription *copy;
static laminar_appender *appender;

enum { NAME, SMALL, BIG, PRICE, FLAG, MOMENT, BORN, RAW };

static void setup(void) {
    db = open_db(NULL);
    run_sql(db, "CREATE SOURCE kinds (name VARCHAR NOT NULL, small SMALLINT, big BIGINT, "
                "price DOUBLE, flag BOOLEAN, moment TIMESTAMP(3), born DATE, raw BYTEA)");
    run_sql(db, "CREATE STREAM copy AS SELECT name, small, big, price, flag, moment, born FROM "
                "kinds");
    MUST(laminar_start(db, ERR));
    source = open_source(db, "kinds");
    copy = open_subscription(db, "copy");
    MUST(laminar_appender_open(source, &appender, ERR));
}

static void teardown(void) {
    laminar_appender_free(appender);
    laminar_subscription_free(copy);
    laminar_source_free(source);
    laminar_close(db);
}

static void name_row(const char *name) {
    OK(laminar_append_string(appender, NAME, name, strlen(name), ERR));
}

static void rows_of_every_type(void) {
    setup();
    CHECK_INT(laminar_appender_rows(appender), 0);
    name_row("first");
    OK(laminar_append_int64(appender, SMALL, -32768, ERR));
    OK(laminar_append_int64(appender, BIG, INT64_MIN, ERR));
    OK(laminar_append_double(appender, PRICE, 1.5, ERR));
    OK(laminar_append_bool(appender, FLAG, true, ERR));
    OK(laminar_append_int64(appender, MOMENT, 1700000000123, ERR)); /* in the column's unit */
    OK(laminar_append_int64(appender, BORN, 19675, ERR));
    OK(laminar_append_binary(appender, RAW, (const uint8_t *)"\0\xff", 2, ERR));
    OK(laminar_append_row(appender, ERR));
    /* In any order; columns that were not set are null; so is one set to null. */
    OK(laminar_append_uint64(appender, BIG, 7, ERR));
    OK(laminar_append_null(appender, PRICE, ERR));
    name_row("second");
    OK(laminar_append_row(appender, ERR));
    CHECK_INT(laminar_appender_rows(appender), 2);
    expect_nothing(copy);
    OK(laminar_appender_flush(appender, ERR));
    CHECK_INT(laminar_appender_rows(appender), 0);
    expect_batch(copy, "first|-32768|-9223372036854775808|1.5|1|1700000000123|19675\n"
                       "second|NULL|7|NULL|NULL|NULL|NULL\n");
    expect_rows(db, "SELECT encode(raw, 'hex') FROM kinds WHERE name = 'first'", "00ff\n");
    OK(laminar_appender_flush(appender, ERR)); /* nothing to push */
    expect_nothing(copy);
    /* The length counts, not a terminator. */
    OK(laminar_append_string(appender, NAME, "prefix of more", 6, ERR));
    OK(laminar_append_row(appender, ERR));
    OK(laminar_appender_flush(appender, ERR));
    expect_batch(copy, "prefix|NULL|NULL|NULL|NULL|NULL|NULL\n");
    teardown();
}

static void mistakes_name_the_column(void) {
    setup();
    REFUSED(laminar_append_int64(appender, SMALL, 32768, ERR));
    CHECK_CONTAINS(last_message(), "small");
    REFUSED(laminar_append_uint64(appender, BIG, UINT64_MAX, ERR));
    CHECK_CONTAINS(last_message(), "big");
    REFUSED(laminar_append_string(appender, BIG, "7", 1, ERR));
    CHECK_CONTAINS(last_message(), "big");
    REFUSED(laminar_append_bool(appender, NAME, true, ERR));
    CHECK_CONTAINS(last_message(), "name");
    REFUSED(laminar_append_double(appender, FLAG, 1.0, ERR));
    CHECK_CONTAINS(last_message(), "flag");
    REFUSED(laminar_append_binary(appender, PRICE, (const uint8_t *)"x", 1, ERR));
    CHECK_CONTAINS(last_message(), "price");
    REFUSED(laminar_append_string(appender, NAME, "\xff\xfe", 2, ERR));
    CHECK_CONTAINS(last_message(), "name");
    REFUSED(laminar_append_int64(appender, 8, 1, ERR));
    REFUSED(laminar_append_null(appender, SIZE_MAX, ERR));
    CHECK_INT(laminar_appender_rows(appender), 0);
    laminar_appender_reset(appender);

    /* NOT NULL is seen at the end of the row. */
    OK(laminar_append_int64(appender, BIG, 1, ERR));
    REFUSED(laminar_append_row(appender, ERR));
    CHECK_CONTAINS(last_message(), "name");
    laminar_appender_reset(appender);

    /* After all that it works. */
    name_row("good");
    OK(laminar_append_row(appender, ERR));
    OK(laminar_appender_flush(appender, ERR));
    expect_batch(copy, "good|NULL|NULL|NULL|NULL|NULL|NULL\n");
    teardown();
}

static void reset_and_free_forget(void) {
    setup();
    name_row("forgotten");
    OK(laminar_append_row(appender, ERR));
    name_row("half");
    laminar_appender_reset(appender);
    CHECK_INT(laminar_appender_rows(appender), 0);
    name_row("kept");
    OK(laminar_append_row(appender, ERR));
    OK(laminar_appender_flush(appender, ERR));
    expect_batch(copy, "kept|NULL|NULL|NULL|NULL|NULL|NULL\n");
    name_row("never flushed");
    OK(laminar_append_row(appender, ERR));
    laminar_appender_free(appender);
    MUST(laminar_appender_open(source, &appender, ERR));
    OK(laminar_appender_flush(appender, ERR));
    expect_nothing(copy);
    teardown();
}

static void one_flush_is_one_epoch(void) {
    setup();
    for (int round = 0; round < 2; ++round) {
        for (int64_t i = 0; i < 1000; ++i) {
            name_row("x");
            OK(laminar_append_int64(appender, BIG, i, ERR));
            OK(laminar_append_row(appender, ERR));
        }
        CHECK_INT(laminar_appender_rows(appender), 1000);
        OK(laminar_appender_flush(appender, ERR));
        struct ArrowArray array;
        MUST(laminar_poll(copy, 0, &array, NULL, ERR));
        CHECK_INT(array.length, 1000);
        array.release(&array);
        expect_nothing(copy);
    }
    expect_rows(db, "SELECT COUNT(*), SUM(big) FROM kinds", "2000|999000\n");
    teardown();
}

static void without_room_the_rows_are_kept(void) {
    laminar_db *small = open_db("{\"max_queued_bytes\": 64, \"push_timeout_ms\": 0}");
    run_sql(small, "CREATE SOURCE numbers (n BIGINT)");
    run_sql(small, "CREATE STREAM copy AS SELECT n FROM numbers");
    laminar_source *numbers = open_source(small, "numbers");
    laminar_appender *rows = NULL;
    MUST(laminar_appender_open(numbers, &rows, ERR));
    laminar_status status = LAMINAR_OK;
    int64_t flushed = 0;
    for (int64_t i = 0; i < 100 && status == LAMINAR_OK; ++i) {
        OK(laminar_append_int64(rows, 0, i, ERR));
        OK(laminar_append_row(rows, ERR));
        status = laminar_appender_flush(rows, ERR);
        flushed += status == LAMINAR_OK ? 1 : 0;
    }
    STATUS(LAMINAR_AGAIN, status);
    STATUS(LAMINAR_AGAIN, laminar_appender_try_flush(rows, ERR));
    CHECK_INT(laminar_appender_rows(rows), 1);
    OK(laminar_start(small, ERR));
    OK(laminar_appender_try_flush(rows, ERR));
    CHECK_INT(laminar_appender_rows(rows), 0);
    char wanted[32];
    snprintf(wanted, sizeof wanted, "%lld\n", (long long)flushed + 1);
    expect_rows(small, "SELECT COUNT(*) FROM copy", wanted);
    laminar_appender_free(rows);
    laminar_source_free(numbers);
    laminar_close(small);
}

int main(void) {
    RUN(rows_of_every_type);
    RUN(mistakes_name_the_column);
    RUN(reset_and_free_forget);
    RUN(one_flush_is_one_epoch);
    RUN(without_room_the_rows_are_kept);
    return report();
}
