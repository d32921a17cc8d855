/* The header by itself: included twice, its numbers, and what the library says of itself. */
#include <laminar.h>

#include <laminar.h> /* the guard must hold */

#include "laminar_test.h"

struct named_status {
    laminar_status status;
    int32_t number;
    const char *name;
};

/* The numbers are the contract: they are written out here and never change. */
static const struct named_status STATUSES[] = {
    {LAMINAR_OK, 0, "OK"},
    {LAMINAR_AGAIN, 1, "AGAIN"},
    {LAMINAR_END, 2, "END"},
    {LAMINAR_LAGGED, 3, "LAGGED"},
    {LAMINAR_RESET, 4, "RESET"},
    {LAMINAR_BUSY, 5, "BUSY"},
    {LAMINAR_CONNECTION_FAILED, 100, "CONNECTION_FAILED"},
    {LAMINAR_CONNECTION_CLOSED, 101, "CONNECTION_CLOSED"},
    {LAMINAR_CONNECTION_IN_USE, 102, "CONNECTION_IN_USE"},
    {LAMINAR_TABLE_NOT_FOUND, 200, "TABLE_NOT_FOUND"},
    {LAMINAR_TABLE_EXISTS, 201, "TABLE_EXISTS"},
    {LAMINAR_SCHEMA_MISMATCH, 202, "SCHEMA_MISMATCH"},
    {LAMINAR_INVALID_SCHEMA, 203, "INVALID_SCHEMA"},
    {LAMINAR_INGESTION_FAILED, 300, "INGESTION_FAILED"},
    {LAMINAR_WRITER_CLOSED, 301, "WRITER_CLOSED"},
    {LAMINAR_BATCH_SCHEMA_MISMATCH, 302, "BATCH_SCHEMA_MISMATCH"},
    {LAMINAR_BACKPRESSURE, 303, "BACKPRESSURE"},
    {LAMINAR_QUERY_FAILED, 400, "QUERY_FAILED"},
    {LAMINAR_SQL_PARSE_ERROR, 401, "SQL_PARSE_ERROR"},
    {LAMINAR_QUERY_CANCELLED, 402, "QUERY_CANCELLED"},
    {LAMINAR_UNSUPPORTED, 403, "UNSUPPORTED"},
    {LAMINAR_SUBSCRIPTION_FAILED, 500, "SUBSCRIPTION_FAILED"},
    {LAMINAR_SUBSCRIPTION_CLOSED, 501, "SUBSCRIPTION_CLOSED"},
    {LAMINAR_SUBSCRIPTION_TIMEOUT, 502, "SUBSCRIPTION_TIMEOUT"},
    {LAMINAR_SUBSCRIPTION_LAGGED, 503, "SUBSCRIPTION_LAGGED"},
    {LAMINAR_STREAM_FAILED, 600, "STREAM_FAILED"},
    {LAMINAR_CHECKPOINT_FAILED, 700, "CHECKPOINT_FAILED"},
    {LAMINAR_RECOVERY_FAILED, 701, "RECOVERY_FAILED"},
    {LAMINAR_CONNECTOR_FAILED, 800, "CONNECTOR_FAILED"},
    {LAMINAR_INTERNAL_ERROR, 900, "INTERNAL_ERROR"},
    {LAMINAR_SHUTDOWN, 901, "SHUTDOWN"},
};

static void statuses_have_their_numbers_and_names(void) {
    CHECK_INT(sizeof(laminar_status), 4);
    for (size_t i = 0; i < sizeof STATUSES / sizeof STATUSES[0]; ++i) {
        CHECK_INT(STATUSES[i].status, STATUSES[i].number);
        CHECK_TEXT(laminar_status_name(STATUSES[i].status), STATUSES[i].name);
    }
    CHECK_TEXT(laminar_status_name(-1), "UNKNOWN");
    CHECK_TEXT(laminar_status_name(6), "UNKNOWN");
    CHECK_TEXT(laminar_status_name(999), "UNKNOWN");
    CHECK_TEXT(laminar_status_name(INT32_MAX), "UNKNOWN");
    CHECK(laminar_status_name(LAMINAR_OK) == laminar_status_name(LAMINAR_OK));
}

static void versions_agree(void) {
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", LAMINAR_VERSION_MAJOR, LAMINAR_VERSION_MINOR,
             LAMINAR_VERSION_PATCH);
    CHECK_TEXT(LAMINAR_VERSION, text);
    CHECK_TEXT(laminar_version(), LAMINAR_VERSION);
    CHECK_INT(LAMINAR_VERSION_NUMBER, LAMINAR_VERSION_MAJOR * 10000 + LAMINAR_VERSION_MINOR * 100 +
                                          LAMINAR_VERSION_PATCH);
    CHECK_INT(laminar_version_number(), LAMINAR_VERSION_NUMBER);
    CHECK_INT(laminar_abi_version(), LAMINAR_ABI_VERSION);
    CHECK_CONTAINS(laminar_build_info(), LAMINAR_VERSION);
    CHECK_CONTAINS(laminar_build_info(), "profile");
    CHECK_CONTAINS(laminar_build_info(), "rustc");
    CHECK_CONTAINS(laminar_build_info(), "datafusion");
}

static void arrow_structs_have_arrows_layout(void) {
    /* https://arrow.apache.org/docs/format/CDataInterface.html, on a 64-bit machine */
    CHECK_INT(sizeof(struct ArrowSchema), 72);
    CHECK_INT(sizeof(struct ArrowArray), 80);
    CHECK_INT(sizeof(struct ArrowArrayStream), 40);
    CHECK_INT(offsetof(struct ArrowSchema, release), 56);
    CHECK_INT(offsetof(struct ArrowArray, release), 64);
    CHECK_INT(offsetof(struct ArrowArrayStream, release), 24);
    CHECK_INT(ARROW_FLAG_DICTIONARY_ORDERED, 1);
    CHECK_INT(ARROW_FLAG_NULLABLE, 2);
    CHECK_INT(ARROW_FLAG_MAP_KEYS_SORTED, 4);
}

int main(void) {
    RUN(statuses_have_their_numbers_and_names);
    RUN(versions_agree);
    RUN(arrow_structs_have_arrows_layout);
    return report();
}
