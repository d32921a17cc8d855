/* Rows written as JSON, CSV and Arrow IPC, in and out. Expected rows are written by hand. */
#include "fixture.h"

#define JSON(text) (text), strlen(text)

static laminar_db *open_readings(void) {
    laminar_db *db = open_started(NULL);
    run_sql(db, "CREATE SOURCE readings (sensor VARCHAR NOT NULL, v DOUBLE, at TIMESTAMP(3))");
    return db;
}

static void json_in_three_forms(void) {
    laminar_db *db = open_readings();
    laminar_source *source = open_source(db, "readings");
    laminar_subscription *all = open_subscription(db, "SELECT sensor, v FROM readings");
    uint64_t rows = 7;
    OK(laminar_push_json(source, JSON("{\"sensor\": \"a\", \"v\": 1.5}"), NULL, &rows, ERR));
    CHECK_INT(rows, 1);
    expect_batch(all, "a|1.5\n");
    OK(laminar_push_json(source, JSON("[{\"v\": 2.5, \"sensor\": \"b\"}, {\"sensor\": \"c\"}]"),
                         NULL, &rows, ERR));
    CHECK_INT(rows, 2);
    expect_batch(all, "b|2.5\nc|NULL\n");
    OK(laminar_insert_json(db, "readings", JSON("{\"sensor\":\"d\"}\n{\"sensor\":\"e\"}\n"), NULL,
                           NULL, ERR));
    expect_batch(all, "d|NULL\ne|NULL\n");
    /* Nothing is no epoch. */
    OK(laminar_push_json(source, NULL, 0, NULL, &rows, ERR));
    CHECK_INT(rows, 0);
    expect_nothing(all);
    laminar_subscription_free(all);
    laminar_source_free(source);
    laminar_close(db);
}

static void wrong_text_is_refused_whole(void) {
    laminar_db *db = open_readings();
    laminar_source *source = open_source(db, "readings");
    uint64_t rows = 7;
    FAILS(LAMINAR_INGESTION_FAILED, "LDB-3002: row 1, column `v`: 'x' is no value",
          laminar_push_json(source, JSON("[{\"sensor\": \"a\"}, {\"sensor\": \"b\", \"v\": \"x\"}]"),
                            NULL, &rows, ERR));
    CHECK_INT(rows, 0);
    FAILS(LAMINAR_INGESTION_FAILED, "LDB-3004: row 1 has no value in column `sensor`",
          laminar_push_json(source, JSON("[{\"sensor\": \"a\"}, {\"v\": 1}]"), NULL, &rows, ERR));
    FAILS(LAMINAR_BATCH_SCHEMA_MISMATCH, "row 0 has a member `w`",
          laminar_push_json(source, JSON("{\"sensor\": \"a\", \"w\": 1}"), NULL, &rows, ERR));
    FAILS(LAMINAR_INGESTION_FAILED, "LDB-3005",
          laminar_push_json(source, JSON("{\"sensor\""), NULL, &rows, ERR));
    FAILS(LAMINAR_INGESTION_FAILED, "LDB-3005: the text is not UTF-8: byte 1 is wrong",
          laminar_push_json(source, "\"\xff\"", 3, NULL, &rows, ERR));
    FAILS(LAMINAR_INGESTION_FAILED, "LDB-3001",
          laminar_push_json(source, JSON("{}"), "{\"epok\": \"s\"}", &rows, ERR));
    FAILS(LAMINAR_INGESTION_FAILED, "row 1, column `v`: 'two' is no value",
          laminar_push_csv(source, JSON("sensor,v\na,1\nb,two\n"), NULL, &rows, ERR));
    FAILS(LAMINAR_INGESTION_FAILED, "LDB-3005",
          laminar_push_ipc(source, (const uint8_t *)"no", 2, &rows, ERR));
    FAILS(LAMINAR_TABLE_NOT_FOUND, "nowhere",
          laminar_insert_json(db, "nowhere", JSON("{}"), NULL, NULL, ERR));
    expect_rows(db, "SELECT COUNT(*) FROM readings", "0\n");
    laminar_source_free(source);
    laminar_close(db);
}

static void csv_by_header_and_without(void) {
    laminar_db *db = open_readings();
    laminar_source *source = open_source(db, "readings");
    uint64_t rows = 0;
    OK(laminar_push_csv(source, JSON("v,sensor\r\n1.5,\"a, b\"\r\n,c\r\n"), NULL, &rows, ERR));
    CHECK_INT(rows, 2);
    OK(laminar_insert_csv(db, "readings", JSON("d;2;1700000000"),
                          "{\"header\": false, \"delimiter\": \";\", \"epoch\": \"s\"}", &rows, ERR));
    CHECK_INT(rows, 1);
    expect_rows(db, "SELECT sensor, v, CAST(at AS BIGINT) FROM readings ORDER BY sensor",
                "a, b|1.5|NULL\nc|NULL|NULL\nd|2|1700000000000\n");
    laminar_source_free(source);
    laminar_close(db);
}

/* What goes out as IPC comes in again: of a query, and of a subscription. */
static void ipc_goes_out_and_in(void) {
    laminar_db *db = open_readings();
    run_sql(db, "CREATE SOURCE copies (v DOUBLE, sensor VARCHAR)");
    laminar_source *source = open_source(db, "readings");
    laminar_source *copies = open_source(db, "copies");
    laminar_subscription *all = open_subscription(db, "SELECT sensor, v FROM readings");
    OK(laminar_push_json(source, JSON("[{\"sensor\":\"a\",\"v\":1},{\"sensor\":\"b\"}]"), NULL, NULL,
                         ERR));
    uint8_t *bytes = NULL;
    size_t length = 0;
    uint64_t rows = 0;
    OK(laminar_poll_ipc(all, 0, &bytes, &length, ERR));
    CHECK(laminar_subscription_epoch(all) > 0);
    OK(laminar_push_ipc(copies, bytes, length, &rows, ERR));
    CHECK_INT(rows, 2);
    laminar_bytes_free(bytes, length);
    STATUS(LAMINAR_AGAIN, laminar_poll_ipc(all, 0, &bytes, &length, ERR));
    CHECK(bytes == NULL && length == 0);

    laminar_query *query = NULL;
    MUST(laminar_query_open(db, "SELECT v, sensor FROM readings", &query, ERR));
    OK(laminar_query_ipc(query, &bytes, &length, ERR));
    OK(laminar_insert_ipc(db, "copies", bytes, length, &rows, ERR));
    CHECK_INT(rows, 2);
    /* Cut short anywhere: refused or, between its batches, shorter; never a crash. */
    for (size_t cut = 0; cut < length; cut += 7) {
        (void)laminar_insert_ipc(db, "copies", bytes, cut, NULL, NULL);
    }
    laminar_bytes_free(bytes, length);
    laminar_query_free(query);
    expect_rows(db, "SELECT DISTINCT sensor, v FROM copies ORDER BY sensor", "a|1\nb|NULL\n");

    /* Without rows it is a stream with a schema. */
    MUST(laminar_query_open(db, "SELECT v FROM readings WHERE v > 100", &query, ERR));
    OK(laminar_query_ipc(query, &bytes, &length, ERR));
    CHECK(length > 0);
    OK(laminar_push_ipc(copies, bytes, length, &rows, ERR));
    CHECK_INT(rows, 0);
    laminar_bytes_free(bytes, length);
    laminar_query_free(query);
    laminar_bytes_free(NULL, 0);
    laminar_subscription_free(all);
    laminar_source_free(source);
    laminar_source_free(copies);
    laminar_close(db);
}

static void weights_come_with_ipc(void) {
    laminar_db *db = open_readings();
    laminar_source *source = open_source(db, "readings");
    laminar_subscription *counts =
        open_subscription(db, "SELECT sensor, COUNT(*) AS n FROM readings GROUP BY sensor "
                              "EMIT CHANGES");
    uint8_t *bytes = NULL;
    size_t length = 0;
    const int64_t *weights = NULL;
    OK(laminar_push_json(source, JSON("{\"sensor\":\"a\"}"), NULL, NULL, ERR));
    OK(laminar_poll_ipc(counts, 0, &bytes, &length, ERR));
    CHECK_INT(laminar_subscription_weights(counts, &weights), 1);
    laminar_bytes_free(bytes, length);
    OK(laminar_push_json(source, JSON("{\"sensor\":\"a\"}"), NULL, NULL, ERR));
    OK(laminar_poll_ipc(counts, 0, &bytes, &length, ERR));
    if (CHECK_INT(laminar_subscription_weights(counts, &weights), 2)) {
        CHECK_INT(weights[0], -1);
        CHECK_INT(weights[1], 1);
    }
    laminar_bytes_free(bytes, length);
    laminar_subscription_free(counts);
    laminar_source_free(source);
    laminar_close(db);
}

int main(void) {
    RUN(json_in_three_forms);
    RUN(wrong_text_is_refused_whole);
    RUN(csv_by_header_and_without);
    RUN(ipc_goes_out_and_in);
    RUN(weights_come_with_ipc);
    return report();
}
