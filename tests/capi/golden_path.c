/* What every program does: open, execute, push, poll, close; then the same one step further. */
#include "fixture.h"

static void five_calls(void) {
    laminar_db *db = NULL;
    laminar_source *source = NULL;
    laminar_subscription *alerts = NULL;
    MUST(laminar_open(NULL, &db, ERR));
    OK(laminar_execute(db, "CREATE SOURCE readings (sensor VARCHAR, celsius DOUBLE)", NULL, ERR));
    OK(laminar_execute(db,
                       "CREATE STREAM alerts AS "
                       "SELECT sensor, celsius FROM readings WHERE celsius > 90",
                       NULL, ERR));
    MUST(laminar_source_open(db, "readings", &source, ERR));
    MUST(laminar_subscribe(db, "alerts", NULL, &alerts, ERR));
    OK(laminar_start(db, ERR));

    struct table t = table_new(3);
    table_utf8(&t, "sensor", KEYS("boiler", "hall", "engine"));
    table_double(&t, "celsius", (double[]){91.5, 21.0, 104.25}, NULL);
    OK(laminar_push(source, &t.array, &t.schema, ERR));
    expect_batch(alerts, "boiler|91.5\nengine|104.25\n");
    expect_nothing(alerts);

    table_free(&t);
    laminar_subscription_free(alerts);
    laminar_source_free(source);
    laminar_close(db);
    CHECK_INT(arrays_live(), 0);
}

static void execute_answers_rows_for_every_statement(void) {
    laminar_db *db = open_db(NULL);
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray array;

    /* A statement without rows: one row (statement, object, rows_affected). */
    MUST(laminar_execute(db, "CREATE SOURCE numbers (n BIGINT)", &stream, ERR));
    CHECK_INT(stream.get_schema(&stream, &schema), 0);
    CHECK_INT(schema.n_children, 3);
    CHECK_TEXT(schema.children[0]->name, "statement");
    CHECK_TEXT(schema.children[1]->name, "object");
    CHECK_TEXT(schema.children[2]->name, "rows_affected");
    CHECK_INT(stream.get_next(&stream, &array), 0);
    REQUIRE(array.release != NULL);
    char *text = batch_text(&schema, &array, false);
    CHECK_CONTAINS(text, "CREATE SOURCE|numbers|");
    free(text);
    array.release(&array);
    CHECK_INT(stream.get_next(&stream, &array), 0);
    CHECK(array.release == NULL);
    schema.release(&schema);
    stream.release(&stream);

    MUST(laminar_execute(db, "INSERT INTO numbers VALUES (1), (2), (3)", &stream, ERR));
    CHECK_INT(stream.get_schema(&stream, &schema), 0);
    CHECK_INT(stream.get_next(&stream, &array), 0);
    REQUIRE(array.release != NULL);
    CHECK_INT(arrow_int(schema.children[2], array.children[2], 0), 3);
    array.release(&array);
    schema.release(&schema);
    stream.release(&stream);

    /* A query: its rows. */
    MUST(laminar_execute(db, "SELECT SUM(n) AS total FROM numbers", &stream, ERR));
    CHECK_INT(stream.get_schema(&stream, &schema), 0);
    CHECK_TEXT(schema.children[0]->name, "total");
    CHECK_INT(stream.get_next(&stream, &array), 0);
    REQUIRE(array.release != NULL);
    text = batch_text(&schema, &array, false);
    CHECK_TEXT(text, "6\n");
    free(text);
    array.release(&array);
    schema.release(&schema);
    stream.release(&stream);

    /* Nobody asks for the rows: they are dropped. */
    OK(laminar_execute(db, "SELECT n FROM numbers", NULL, ERR));
    laminar_close(db);
}

static void a_stream_outlives_its_database(void) {
    laminar_db *db = open_db(NULL);
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    MUST(laminar_execute(db, "SELECT 1 AS one", &stream, ERR));
    laminar_close(db);
    const int status = stream.get_next(&stream, &array); /* rows, or an error that says why */
    if (status == 0 && array.release != NULL) {
        array.release(&array);
    } else if (status != 0) {
        CHECK(stream.get_last_error(&stream) != NULL);
    }
    stream.release(&stream);
}

static void queries_read_batches_of_a_fixed_schema(void) {
    laminar_db *db = open_started(NULL);
    laminar_source *source = open_source(db, "events");
    push_events(source, 3, KEYS("a", "b", "a"), INTS(1, 2, 3), INTS(1000, 2000, 3000));
    push_events(source, 1, KEYS("b"), INTS(10), INTS(4000));
    expect_rows(db, "SELECT k, SUM(v) AS total FROM events GROUP BY k ORDER BY k",
                "a|4\nb|12\n");
    expect_rows(db, "SELECT v FROM events WHERE v > 100", "");

    laminar_query *query = NULL;
    struct ArrowSchema schema;
    struct ArrowArray array;
    MUST(laminar_query_open(db, "SELECT k, v FROM events ORDER BY ts", &query, ERR));
    MUST(laminar_query_schema(query, &schema, ERR));
    CHECK_TEXT(schema.format, "+s");
    CHECK_INT(schema.n_children, 2);
    CHECK_TEXT(schema.children[0]->format, "u"); /* no views, no dictionaries at an edge */
    CHECK_TEXT(schema.children[1]->format, "l");
    MUST(laminar_query_next(query, &array, NULL, ERR)); /* the schema is known already */
    char *text = batch_text(&schema, &array, false);
    CHECK_CONTAINS(text, "a|1\n");
    free(text);
    array.release(&array);
    schema.release(&schema);
    laminar_query_free(query);
    laminar_source_free(source);
    laminar_close(db);
    CHECK_INT(arrays_live(), 0);
}

static void cancelled_queries_say_so(void) {
    laminar_db *db = open_db(NULL);
    laminar_query *query = NULL;
    struct ArrowArray array;
    MUST(laminar_query_open(db, "SELECT 1 AS one", &query, ERR));
    laminar_query_cancel(query);
    laminar_query_cancel(query);
    FAILS(LAMINAR_QUERY_CANCELLED, "cancel", laminar_query_next(query, &array, NULL, ERR));
    CHECK(array.release == NULL);
    laminar_query_free(query);
    laminar_close(db);
}

static void explain_is_text_of_the_callers(void) {
    laminar_db *db = open_started(NULL);
    char *text = NULL;
    MUST(laminar_explain(db, "SELECT k FROM events WHERE v > 1", &text, ERR));
    REQUIRE(text != NULL);
    CHECK_CONTAINS(text, "events");
    laminar_close(db);
    CHECK(strlen(text) > 10); /* still ours */
    laminar_string_free(text);
    laminar_string_free(NULL);
}

static void sources_describe_themselves(void) {
    laminar_db *db = open_started(NULL);
    laminar_source *source = open_source(db, "events");
    struct ArrowSchema schema;
    CHECK_TEXT(laminar_source_name(source), "events");
    CHECK(laminar_source_capacity(source) > 0);
    CHECK_INT(laminar_source_pending(source), 0);
    MUST(laminar_source_schema(source, &schema, ERR));
    CHECK_INT(schema.n_children, 3);
    CHECK_TEXT(schema.children[0]->name, "k");
    CHECK_TEXT(schema.children[0]->format, "u");
    CHECK_INT(schema.children[0]->flags & ARROW_FLAG_NULLABLE, 0);
    CHECK_TEXT(schema.children[1]->name, "v");
    CHECK_TEXT(schema.children[1]->format, "l");
    CHECK_INT(schema.children[1]->flags & ARROW_FLAG_NULLABLE, ARROW_FLAG_NULLABLE);
    CHECK_TEXT(schema.children[2]->name, "ts");
    schema.release(&schema);

    /* With the source's own schema, none is needed. */
    struct table t = events(1, KEYS("a"), INTS(1), INTS(1000));
    OK(laminar_push(source, &t.array, NULL, ERR));
    table_free(&t);
    expect_rows(db, "SELECT k, v, ts FROM events", "a|1|1000\n");
    laminar_source_free(source);
    laminar_close(db);
}

static void every_column_type_goes_in_and_comes_out(void) {
    laminar_db *db = open_db(NULL);
    run_sql(db, "CREATE SOURCE kinds (i BIGINT, j INT, d DOUBLE, s VARCHAR, b BOOLEAN, "
                "t TIMESTAMP(3))");
    run_sql(db, "CREATE STREAM copy AS SELECT i, j, d, s, b, t FROM kinds");
    MUST(laminar_start(db, ERR));
    laminar_source *source = open_source(db, "kinds");
    laminar_subscription *copy = open_subscription(db, "copy");
    const bool valid[] = {true, false, true};
    struct table t = table_new(3);
    table_int64(&t, "i", INTS(INT64_MAX, 0, INT64_MIN), valid);
    table_int32(&t, "j", (int32_t[]){1, 2, 3}, valid);
    table_double(&t, "d", (double[]){0.5, 0, -1.25}, valid);
    table_utf8(&t, "s", KEYS("h\xc3\xa9", NULL, ""));
    table_bool(&t, "b", (bool[]){true, false, false}, valid);
    table_timestamp(&t, "t", "tsm:", INTS(1700000000123, 0, -1), valid);
    OK(laminar_push(source, &t.array, &t.schema, ERR));
    table_free(&t);
    expect_batch(copy, "-9223372036854775808|3|-1.25||0|-1\n"
                       "9223372036854775807|1|0.5|h\xc3\xa9|1|1700000000123\n"
                       "NULL|NULL|NULL|NULL|NULL|NULL\n");

    /* A slice: the array's offset counts. */
    struct table whole = table_new(3);
    table_int64(&whole, "i", INTS(1, 2, 3), NULL);
    table_int32(&whole, "j", (int32_t[]){1, 2, 3}, valid);
    table_double(&whole, "d", (double[]){1, 2, 3}, NULL);
    table_utf8(&whole, "s", KEYS("x", "y", "z"));
    table_bool(&whole, "b", (bool[]){true, false, true}, NULL);
    table_timestamp(&whole, "t", "tsm:", INTS(1, 2, 3), NULL);
    whole.array.offset = 1;
    whole.array.length = 2;
    OK(laminar_push(source, &whole.array, &whole.schema, ERR));
    table_free(&whole);
    expect_batch(copy, "2|NULL|2|y|0|2\n3|3|3|z|1|3\n");

    laminar_subscription_free(copy);
    laminar_source_free(source);
    laminar_close(db);
    CHECK_INT(arrays_live(), 0);
}

int main(void) {
    RUN(five_calls);
    RUN(execute_answers_rows_for_every_statement);
    RUN(a_stream_outlives_its_database);
    RUN(queries_read_batches_of_a_fixed_schema);
    RUN(cancelled_queries_say_so);
    RUN(explain_is_text_of_the_callers);
    RUN(sources_describe_themselves);
    RUN(every_column_type_goes_in_and_comes_out);
    return report();
}
