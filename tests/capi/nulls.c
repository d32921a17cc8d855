/* NULL for every pointer argument of every function: an error that says so, never a crash. */
#include "fixture.h"

static laminar_db *db;
static laminar_source *source;
static laminar_subscription *subscription;
static laminar_query *query;
static laminar_appender *appender;

/* A handle that is not NULL, so that "nulled on entry" can be seen. */
#define DIRT(type) ((type *)(void *)&arrays_built)

static void open_and_close(void) {
    laminar_db *out = DIRT(laminar_db);
    REFUSED(laminar_open("{}", NULL, ERR));
    CHECK(laminar_open("{}", NULL, NULL) >= 100); /* and nobody wants the error */
    CHECK(laminar_open("{", &out, NULL) >= 100);
    CHECK(out == NULL);
    REFUSED(laminar_start(NULL, ERR));
    CHECK(laminar_start(NULL, NULL) >= 100);
    REFUSED(laminar_shutdown(NULL, ERR));
    CHECK(laminar_shutdown(NULL, NULL) >= 100);
    laminar_close(NULL);
}

static void errors(void) {
    CHECK_INT(laminar_error_status(NULL), LAMINAR_OK);
    CHECK_TEXT(laminar_error_message(NULL), "");
    CHECK_TEXT(laminar_error_code(NULL), "");
    CHECK_INT(laminar_error_line(NULL), 0);
    CHECK_INT(laminar_error_column(NULL), 0);
    laminar_error_free(NULL);
    laminar_string_free(NULL);
}

static void execute(void) {
    struct ArrowArrayStream out;
    memset(&out, 0xAA, sizeof out);
    REFUSED(laminar_execute(NULL, "SELECT 1", &out, ERR));
    CHECK(out.release == NULL);
    memset(&out, 0xAA, sizeof out);
    REFUSED(laminar_execute(db, NULL, &out, ERR));
    CHECK(out.release == NULL);
    REFUSED(laminar_execute(NULL, NULL, NULL, ERR));
    CHECK(laminar_execute(NULL, NULL, NULL, NULL) >= 100);
    OK(laminar_execute(db, "SELECT 1", NULL, NULL));

    char *text = DIRT(char);
    REFUSED(laminar_explain(NULL, "SELECT 1", &text, ERR));
    CHECK(text == NULL);
    text = DIRT(char);
    REFUSED(laminar_explain(db, NULL, &text, ERR));
    CHECK(text == NULL);
    REFUSED(laminar_explain(db, "SELECT 1", NULL, ERR));
    CHECK(laminar_explain(NULL, NULL, NULL, NULL) >= 100);
}

static void queries(void) {
    laminar_query *out = DIRT(laminar_query);
    struct ArrowSchema schema;
    struct ArrowArray array;
    REFUSED(laminar_query_open(NULL, "SELECT 1", &out, ERR));
    CHECK(out == NULL);
    out = DIRT(laminar_query);
    REFUSED(laminar_query_open(db, NULL, &out, ERR));
    CHECK(out == NULL);
    REFUSED(laminar_query_open(db, "SELECT 1", NULL, ERR));
    CHECK(laminar_query_open(NULL, NULL, NULL, NULL) >= 100);

    memset(&schema, 0xAA, sizeof schema);
    REFUSED(laminar_query_schema(NULL, &schema, ERR));
    CHECK(schema.release == NULL);
    REFUSED(laminar_query_schema(query, NULL, ERR));
    CHECK(laminar_query_schema(NULL, NULL, NULL) >= 100);

    memset(&array, 0xAA, sizeof array);
    memset(&schema, 0xAA, sizeof schema);
    REFUSED(laminar_query_next(NULL, &array, &schema, ERR));
    CHECK(array.release == NULL && schema.release == NULL);
    REFUSED(laminar_query_next(query, NULL, NULL, ERR));
    CHECK(laminar_query_next(NULL, NULL, NULL, NULL) >= 100);
    laminar_query_cancel(NULL);
    laminar_query_free(NULL);
}

static void sources(void) {
    laminar_source *out = DIRT(laminar_source);
    struct ArrowSchema schema;
    REFUSED(laminar_source_open(NULL, "events", &out, ERR));
    CHECK(out == NULL);
    out = DIRT(laminar_source);
    REFUSED(laminar_source_open(db, NULL, &out, ERR));
    CHECK(out == NULL);
    REFUSED(laminar_source_open(db, "events", NULL, ERR));
    CHECK(laminar_source_open(NULL, NULL, NULL, NULL) >= 100);

    out = DIRT(laminar_source);
    REFUSED(laminar_source_clone(NULL, &out, ERR));
    CHECK(out == NULL);
    REFUSED(laminar_source_clone(source, NULL, ERR));
    CHECK(laminar_source_clone(NULL, NULL, NULL) >= 100);

    CHECK(laminar_source_name(NULL) == NULL);
    CHECK_INT(laminar_source_pending(NULL), 0);
    CHECK_INT(laminar_source_capacity(NULL), 0);
    memset(&schema, 0xAA, sizeof schema);
    REFUSED(laminar_source_schema(NULL, &schema, ERR));
    CHECK(schema.release == NULL);
    REFUSED(laminar_source_schema(source, NULL, ERR));
    CHECK(laminar_source_schema(NULL, NULL, NULL) >= 100);
    REFUSED(laminar_watermark(NULL, 0, ERR));
    CHECK(laminar_watermark(NULL, 0, NULL) >= 100);
    REFUSED(laminar_end_of_input(NULL, ERR));
    laminar_source_free(NULL);
}

typedef laminar_status (*push_function)(laminar_source *, struct ArrowArray *,
                                        const struct ArrowSchema *, laminar_error **);

static void pushes(void) {
    const push_function functions[] = {laminar_push, laminar_try_push};
    for (size_t i = 0; i < 2; ++i) {
        struct table t = events(1, KEYS("a"), INTS(1), INTS(1000));
        REFUSED(functions[i](NULL, &t.array, &t.schema, ERR));
        CHECK(t.array.release == NULL); /* an error consumes the array, this one too */
        CHECK(t.schema.release != NULL); /* the schema is only borrowed */
        REFUSED(functions[i](source, NULL, &t.schema, ERR));
        REFUSED(functions[i](NULL, NULL, NULL, ERR));
        CHECK(functions[i](NULL, NULL, NULL, NULL) >= 100);
        table_free(&t);
    }
    struct table t = events(1, KEYS("a"), INTS(1), INTS(1000));
    REFUSED(laminar_insert(NULL, "events", &t.array, &t.schema, ERR));
    CHECK(t.array.release == NULL);
    table_free(&t);
    t = events(1, KEYS("a"), INTS(1), INTS(1000));
    REFUSED(laminar_insert(db, NULL, &t.array, &t.schema, ERR));
    CHECK(t.array.release == NULL);
    table_free(&t);
    REFUSED(laminar_insert(db, "events", NULL, NULL, ERR));
    CHECK(laminar_insert(NULL, NULL, NULL, NULL, NULL) >= 100);
    CHECK_INT(arrays_live(), 0);
}

static void streams(void) {
    struct table t = events(1, KEYS("a"), INTS(1), INTS(1000));
    struct ArrowArrayStream stream = table_stream(&t, 1, -1);
    REFUSED(laminar_push_stream(NULL, &stream, ERR));
    CHECK(stream.release == NULL);
    REFUSED(laminar_push_stream(source, NULL, ERR));
    CHECK(laminar_push_stream(NULL, NULL, NULL) >= 100);

    t = events(1, KEYS("a"), INTS(1), INTS(1000));
    stream = table_stream(&t, 1, -1);
    REFUSED(laminar_insert_stream(NULL, "events", &stream, ERR));
    CHECK(stream.release == NULL);
    t = events(1, KEYS("a"), INTS(1), INTS(1000));
    stream = table_stream(&t, 1, -1);
    REFUSED(laminar_insert_stream(db, NULL, &stream, ERR));
    CHECK(stream.release == NULL);
    REFUSED(laminar_insert_stream(db, "events", NULL, ERR));
    CHECK(laminar_insert_stream(NULL, NULL, NULL, NULL) >= 100);
    CHECK_INT(arrays_live(), 0);
}

static void appenders(void) {
    laminar_appender *out = DIRT(laminar_appender);
    REFUSED(laminar_appender_open(NULL, &out, ERR));
    CHECK(out == NULL);
    REFUSED(laminar_appender_open(source, NULL, ERR));
    CHECK(laminar_appender_open(NULL, NULL, NULL) >= 100);
    REFUSED(laminar_append_null(NULL, 0, ERR));
    REFUSED(laminar_append_bool(NULL, 0, true, ERR));
    REFUSED(laminar_append_int64(NULL, 0, 1, ERR));
    REFUSED(laminar_append_uint64(NULL, 0, 1, ERR));
    REFUSED(laminar_append_double(NULL, 0, 1, ERR));
    REFUSED(laminar_append_string(NULL, 0, "a", 1, ERR));
    REFUSED(laminar_append_binary(NULL, 0, (const uint8_t *)"a", 1, ERR));
    REFUSED(laminar_append_row(NULL, ERR));
    REFUSED(laminar_appender_flush(NULL, ERR));
    REFUSED(laminar_appender_try_flush(NULL, ERR));
    CHECK(laminar_append_int64(NULL, 0, 1, NULL) >= 100);
    CHECK(laminar_append_row(NULL, NULL) >= 100);
    CHECK(laminar_appender_flush(NULL, NULL) >= 100);

    REFUSED(laminar_append_string(appender, 0, NULL, 1, ERR));
    OK(laminar_append_string(appender, 0, NULL, 0, ERR)); /* nothing to read: the empty string */
    CHECK_INT(laminar_appender_rows(NULL), 0);
    laminar_appender_reset(appender);
    laminar_appender_reset(NULL);
    laminar_appender_free(NULL);
}

static void wake(void *userdata) {
    (void)userdata;
}

static void subscriptions(void) {
    laminar_subscription *out = DIRT(laminar_subscription);
    struct ArrowArray array;
    struct ArrowSchema schema;
    REFUSED(laminar_subscribe(NULL, "copy", NULL, &out, ERR));
    CHECK(out == NULL);
    out = DIRT(laminar_subscription);
    REFUSED(laminar_subscribe(db, NULL, NULL, &out, ERR));
    CHECK(out == NULL);
    REFUSED(laminar_subscribe(db, "copy", NULL, NULL, ERR));
    CHECK(laminar_subscribe(NULL, NULL, NULL, NULL, NULL) >= 100);

    memset(&array, 0xAA, sizeof array);
    memset(&schema, 0xAA, sizeof schema);
    REFUSED(laminar_poll(NULL, 0, &array, &schema, ERR));
    CHECK(array.release == NULL && schema.release == NULL);
    REFUSED(laminar_poll(subscription, 0, NULL, NULL, ERR));
    CHECK(laminar_poll(NULL, 0, NULL, NULL, NULL) >= 100);

    memset(&schema, 0xAA, sizeof schema);
    REFUSED(laminar_subscription_schema(NULL, &schema, ERR));
    CHECK(schema.release == NULL);
    REFUSED(laminar_subscription_schema(subscription, NULL, ERR));
    CHECK(laminar_subscription_schema(NULL, NULL, NULL) >= 100);

    const int64_t *weights = DIRT(int64_t);
    CHECK_INT(laminar_subscription_epoch(NULL), 0);
    CHECK_INT(laminar_subscription_lagged(NULL), 0);
    CHECK_INT(laminar_subscription_weights(NULL, &weights), 0);
    CHECK(weights == NULL);
    CHECK_INT(laminar_subscription_weights(NULL, NULL), 0);
    CHECK_INT(laminar_subscription_weights(subscription, NULL), 0);
    CHECK_INT(laminar_source_push_timeout_ms(NULL), -1);
    CHECK_INT(laminar_source_push_timeout_ms(source), -1);
    REFUSED(laminar_source_on_room(NULL, wake, NULL, NULL, ERR));
    CHECK(laminar_source_on_room(NULL, NULL, NULL, NULL, NULL) >= 100);
    OK(laminar_source_on_room(source, wake, NULL, NULL, ERR)); /* no userdata, nothing to drop */
    OK(laminar_source_on_room(source, NULL, NULL, NULL, ERR));
    REFUSED(laminar_on_ready(NULL, wake, NULL, NULL, ERR));
    CHECK(laminar_on_ready(NULL, NULL, NULL, NULL, NULL) >= 100);
    OK(laminar_on_ready(subscription, wake, NULL, NULL, ERR)); /* no userdata, nothing to drop */
    OK(laminar_on_ready(subscription, NULL, NULL, NULL, ERR));
    laminar_subscription_cancel(NULL);
    laminar_subscription_free(NULL);
}

static void encoded(void) {
    uint64_t rows = 7;
    REFUSED(laminar_push_json(NULL, "{}", 2, NULL, &rows, ERR));
    CHECK_INT(rows, 0);
    REFUSED(laminar_push_json(source, NULL, 2, NULL, NULL, ERR));
    CHECK(laminar_push_json(NULL, NULL, 2, NULL, NULL, NULL) >= 100);
    REFUSED(laminar_push_csv(NULL, "k\n", 2, NULL, &rows, ERR));
    REFUSED(laminar_push_csv(source, NULL, 2, NULL, &rows, ERR));
    CHECK(laminar_push_csv(NULL, NULL, 2, NULL, NULL, NULL) >= 100);
    REFUSED(laminar_push_ipc(NULL, (const uint8_t *)"x", 1, &rows, ERR));
    REFUSED(laminar_push_ipc(source, NULL, 1, &rows, ERR));
    CHECK(laminar_push_ipc(NULL, NULL, 1, NULL, NULL) >= 100);
    REFUSED(laminar_insert_json(NULL, "events", "{}", 2, NULL, &rows, ERR));
    REFUSED(laminar_insert_json(db, NULL, "{}", 2, NULL, &rows, ERR));
    REFUSED(laminar_insert_json(db, "events", NULL, 2, NULL, &rows, ERR));
    REFUSED(laminar_insert_csv(NULL, "events", "k\n", 2, NULL, &rows, ERR));
    REFUSED(laminar_insert_csv(db, NULL, "k\n", 2, NULL, &rows, ERR));
    REFUSED(laminar_insert_csv(db, "events", NULL, 2, NULL, &rows, ERR));
    REFUSED(laminar_insert_ipc(NULL, "events", (const uint8_t *)"x", 1, &rows, ERR));
    REFUSED(laminar_insert_ipc(db, NULL, (const uint8_t *)"x", 1, &rows, ERR));
    REFUSED(laminar_insert_ipc(db, "events", NULL, 1, &rows, ERR));

    uint8_t *data = DIRT(uint8_t);
    size_t length = 7;
    REFUSED(laminar_poll_ipc(NULL, 0, &data, &length, ERR));
    CHECK(data == NULL && length == 0);
    REFUSED(laminar_poll_ipc(subscription, 0, NULL, &length, ERR));
    REFUSED(laminar_poll_ipc(subscription, 0, &data, NULL, ERR));
    CHECK(laminar_poll_ipc(NULL, 0, NULL, NULL, NULL) >= 100);
    REFUSED(laminar_query_ipc(NULL, &data, &length, ERR));
    REFUSED(laminar_query_ipc(query, NULL, &length, ERR));
    REFUSED(laminar_query_ipc(query, &data, NULL, ERR));
    CHECK(laminar_query_ipc(NULL, NULL, NULL, NULL) >= 100);
    laminar_bytes_free(NULL, 0);

    CHECK_INT(laminar_query_id(NULL), 0);
    bool found = true;
    REFUSED(laminar_cancel_query(NULL, 1, &found, ERR));
    OK(laminar_cancel_query(db, 999999, NULL, ERR));
}

static int no_scalar(void *userdata, struct ArrowArray *arguments, struct ArrowArray *result,
                     char *message, size_t message_size) {
    (void)userdata, (void)arguments, (void)result, (void)message, (void)message_size;
    return 1;
}

static int no_update(void *userdata, struct ArrowArray *state, struct ArrowArray *arguments,
                     struct ArrowArray *result, char *message, size_t message_size) {
    (void)userdata, (void)state, (void)arguments, (void)result, (void)message, (void)message_size;
    return 1;
}

static void callbacks(void) {
    struct table t = table_new(1);
    table_int64(&t, "x", INTS(0), NULL);
    const struct ArrowSchema *all = &t.schema, *one = t.schema.children[0];
    REFUSED(laminar_register_scalar_udf(NULL, "f", all, one, NULL, no_scalar, NULL, NULL, ERR));
    REFUSED(laminar_register_scalar_udf(db, NULL, all, one, NULL, no_scalar, NULL, NULL, ERR));
    REFUSED(laminar_register_scalar_udf(db, "f", NULL, one, NULL, no_scalar, NULL, NULL, ERR));
    REFUSED(laminar_register_scalar_udf(db, "f", all, NULL, NULL, no_scalar, NULL, NULL, ERR));
    REFUSED(laminar_register_scalar_udf(db, "f", all, one, NULL, NULL, NULL, NULL, ERR));
    REFUSED(laminar_register_scalar_udf(db, "f", one, one, NULL, no_scalar, NULL, NULL, ERR));
    REFUSED(laminar_register_aggregate_udf(NULL, "f", all, all, one, NULL, no_update, no_update,
                                           no_scalar, NULL, NULL, ERR));
    REFUSED(laminar_register_aggregate_udf(db, NULL, all, all, one, NULL, no_update, no_update,
                                           no_scalar, NULL, NULL, ERR));
    REFUSED(laminar_register_aggregate_udf(db, "f", NULL, all, one, NULL, no_update, no_update,
                                           no_scalar, NULL, NULL, ERR));
    REFUSED(laminar_register_aggregate_udf(db, "f", all, NULL, one, NULL, no_update, no_update,
                                           no_scalar, NULL, NULL, ERR));
    REFUSED(laminar_register_aggregate_udf(db, "f", all, all, NULL, NULL, no_update, no_update,
                                           no_scalar, NULL, NULL, ERR));
    REFUSED(laminar_register_aggregate_udf(db, "f", all, all, one, NULL, NULL, no_update, no_scalar,
                                           NULL, NULL, ERR));
    REFUSED(laminar_register_aggregate_udf(db, "f", all, all, one, NULL, no_update, no_update, NULL,
                                           NULL, NULL, ERR));
    t.array.release(&t.array);
    table_free(&t);
    REFUSED(laminar_log_callback(NULL, LAMINAR_LOG_INFO, NULL, NULL, NULL, ERR));
    OK(laminar_log_callback(db, 0, NULL, NULL, NULL, ERR));
    uint64_t id = 7;
    REFUSED(laminar_checkpoint(NULL, &id, ERR));
    CHECK(laminar_checkpoint(db, NULL, NULL) >= 100);
}

static void writers(void) {
    laminar_writer *writer = DIRT(laminar_writer);
    REFUSED(laminar_writer_open(NULL, "events", &writer, ERR));
    CHECK(writer == NULL);
    REFUSED(laminar_writer_open(db, NULL, &writer, ERR));
    REFUSED(laminar_writer_open(db, "events", NULL, ERR));
    CHECK(laminar_writer_open(NULL, NULL, NULL, NULL) >= 100);
    MUST(laminar_writer_open(db, "events", &writer, ERR));
    struct table t = events(1, KEYS("a"), INTS(1), INTS(1));
    uint64_t rows = 7;
    REFUSED(laminar_writer_append(NULL, &t.array, NULL, ERR));
    CHECK(t.array.release == NULL);
    table_free(&t);
    REFUSED(laminar_writer_append(writer, NULL, NULL, ERR));
    CHECK(laminar_writer_append(NULL, NULL, NULL, NULL) >= 100);
    REFUSED(laminar_writer_flush(NULL, &rows, ERR));
    CHECK_INT(rows, 0);
    OK(laminar_writer_flush(writer, NULL, NULL));
    REFUSED(laminar_writer_watermark(NULL, 1, ERR));
    REFUSED(laminar_writer_close(NULL, ERR));
    laminar_writer_free(writer);
    laminar_writer_free(NULL);
}

int main(void) {
    RUN(errors);
    RUN(open_and_close);
    db = open_started(NULL);
    run_sql(db, "CREATE STREAM copy AS SELECT k, v FROM events");
    source = open_source(db, "events");
    subscription = open_subscription(db, "copy");
    MUST(laminar_query_open(db, "SELECT 1 AS one", &query, ERR));
    MUST(laminar_appender_open(source, &appender, ERR));
    RUN(execute);
    RUN(queries);
    RUN(sources);
    RUN(pushes);
    RUN(streams);
    RUN(appenders);
    RUN(encoded);
    RUN(writers);
    RUN(callbacks);
    RUN(subscriptions);
    laminar_appender_free(appender);
    laminar_query_free(query);
    laminar_subscription_free(subscription);
    laminar_source_free(source);
    laminar_close(db);
    return report();
}
