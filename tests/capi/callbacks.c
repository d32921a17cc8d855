/* Functions of the host and the log. Expected values by hand. */
#include "fixture.h"

struct host {
    laminar_db *db;
    int calls;
    int drops;
    int busy; /* calls of the library from inside that answered BUSY */
};

static void drop_host(void *userdata) {
    ((struct host *)userdata)->drops += 1;
}

/* An array of 64-bit integers that owns its two buffers. */
static void release_ints(struct ArrowArray *array) {
    free((void *)array->buffers[1]);
    free(array->buffers);
    array->release = NULL;
}

static void ints(struct ArrowArray *out, int64_t length, const int64_t *values) {
    const void **buffers = malloc(2 * sizeof *buffers);
    int64_t *copy = malloc(sizeof *copy * (size_t)(length > 0 ? length : 1));
    memcpy(copy, values, sizeof *copy * (size_t)length);
    buffers[0] = NULL;
    buffers[1] = copy;
    memset(out, 0, sizeof *out);
    out->length = length;
    out->n_buffers = 2;
    out->buffers = buffers;
    out->release = release_ints;
}

static int64_t int_at(const struct ArrowArray *column, int64_t row) {
    return ((const int64_t *)column->buffers[1])[column->offset + row];
}

/* twice(v): refuses 13. */
static int twice(void *userdata, struct ArrowArray *arguments, struct ArrowArray *result,
                 char *message, size_t message_size) {
    struct host *host = userdata;
    host->calls += 1;
    if (host->db != NULL) {
        host->busy += laminar_execute(host->db, "SELECT 1", NULL, NULL) == LAMINAR_BUSY;
    }
    const int64_t rows = arguments->length;
    int64_t *values = calloc((size_t)rows + 1, sizeof *values);
    int refused = 0;
    for (int64_t row = 0; row < rows; ++row) {
        values[row] = 2 * int_at(arguments->children[0], arguments->offset + row);
        refused |= values[row] == 26;
    }
    arguments->release(arguments);
    if (refused) {
        snprintf(message, message_size, "no %d here", 13);
    } else {
        ints(result, rows, values);
    }
    free(values);
    return refused;
}

/* Puts out one value, however many are asked for. */
static int too_short(void *userdata, struct ArrowArray *arguments, struct ArrowArray *result,
                     char *message, size_t message_size) {
    (void)userdata, (void)message, (void)message_size;
    arguments->release(arguments);
    ints(result, 1, INTS(7));
    return 0;
}

/* Fills the message without an end. */
static int loud(void *userdata, struct ArrowArray *arguments, struct ArrowArray *result,
                char *message, size_t message_size) {
    (void)userdata;
    memset(message, 'x', message_size);
    arguments->release(arguments);
    ints(result, 1, INTS(7)); /* given back beside an error */
    return 5;
}

/* The schemas of one BIGINT, alone and as a struct of one column. */
static struct table bigint_column(void) {
    struct table t = table_new(1);
    table_int64(&t, "x", INTS(0), NULL);
    return t;
}

static void register_twice(laminar_db *db, struct host *host) {
    struct table t = bigint_column();
    OK(laminar_register_scalar_udf(db, "twice", &t.schema, t.schema.children[0], NULL, twice, host,
                                   drop_host, ERR));
    t.array.release(&t.array);
    table_free(&t);
}

static void scalar_functions(void) {
    struct host host = {0};
    laminar_db *db = open_started(NULL);
    host.db = db;
    register_twice(db, &host);
    run_sql(db, "CREATE STREAM doubled AS SELECT k, twice(v) AS d FROM events");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *doubled = open_subscription(db, "doubled");
    push_events(source, 3, KEYS("a", "b", "c"), INTS(1, 13, 3), INTS(1, 2, 3));
    expect_batch(doubled, "a|2\nc|6\n");
    CHECK(host.calls >= 2);
    CHECK_INT(host.busy, host.calls);
    expect_rows(db, "SELECT error FROM laminar_dead_letters", "twice: no 13 here\n");
    expect_rows(db, "SELECT twice(21)", "42\n");
    expect_rows(db, "SELECT name, kind, volatility FROM laminar_functions",
                "twice|scalar|immutable\n");

    struct host other = {0};
    struct table t = bigint_column();
    FAILS(LAMINAR_TABLE_EXISTS, "twice",
          laminar_register_scalar_udf(db, "twice", &t.schema, t.schema.children[0], NULL, twice,
                                      &other, drop_host, ERR));
    CHECK_INT(other.drops, 1);
    FAILS(LAMINAR_QUERY_FAILED, "unknown variant `never`",
          laminar_register_scalar_udf(db, "odd", &t.schema, t.schema.children[0],
                                      "{\"volatility\": \"never\"}", twice, &other, drop_host, ERR));
    CHECK_INT(other.drops, 2);
    OK(laminar_register_scalar_udf(db, "too_short", &t.schema, t.schema.children[0], NULL, too_short,
                                   NULL, NULL, ERR));
    OK(laminar_register_scalar_udf(db, "loud", &t.schema, t.schema.children[0], NULL, loud, NULL,
                                   NULL, ERR));
    laminar_query *query = NULL;
    struct ArrowArray batch;
    MUST(laminar_query_open(db, "SELECT too_short(v) FROM events", &query, ERR));
    FAILS(LAMINAR_QUERY_FAILED, "3 values were to come, and 1 did",
          laminar_query_next(query, &batch, NULL, ERR));
    laminar_query_free(query);
    MUST(laminar_query_open(db, "SELECT loud(v) FROM events", &query, ERR));
    FAILS(LAMINAR_QUERY_FAILED, "loud: xxx", laminar_query_next(query, &batch, NULL, ERR));
    laminar_query_free(query);
    t.array.release(&t.array);
    table_free(&t);

    laminar_subscription_free(doubled);
    laminar_source_free(source);
    CHECK_INT(host.drops, 0);
    laminar_close(db);
    CHECK_INT(host.drops, 1);
}

/* A struct array of one BIGINT column and one row. */
struct state {
    struct ArrowArray child;
    struct ArrowArray *children[1];
    const void *buffers[1];
};

static void release_state(struct ArrowArray *array) {
    struct state *state = array->private_data;
    if (state->child.release != NULL) {
        state->child.release(&state->child);
    }
    free(state);
    array->release = NULL;
}

static void put_state(struct ArrowArray *out, int64_t value) {
    struct state *state = calloc(1, sizeof *state);
    ints(&state->child, 1, &value);
    state->children[0] = &state->child;
    memset(out, 0, sizeof *out);
    out->length = 1;
    out->n_buffers = 1;
    out->buffers = state->buffers;
    out->n_children = 1;
    out->children = state->children;
    out->private_data = state;
    out->release = release_state;
}

static int64_t take_state(struct ArrowArray *state, int64_t none) {
    if (state->release == NULL) {
        return none;
    }
    const int64_t value = int_at(state->children[0], state->offset);
    state->release(state);
    return value;
}

/* product(v): refuses zeros. */
static int product_update(void *userdata, struct ArrowArray *state, struct ArrowArray *arguments,
                          struct ArrowArray *result, char *message, size_t message_size) {
    ((struct host *)userdata)->calls += 1;
    int64_t product = take_state(state, 1);
    for (int64_t row = 0; row < arguments->length; ++row) {
        product *= int_at(arguments->children[0], arguments->offset + row);
    }
    arguments->release(arguments);
    if (product == 0) {
        snprintf(message, message_size, "zero");
        return 1;
    }
    put_state(result, product);
    return 0;
}

static int product_merge(void *userdata, struct ArrowArray *state, struct ArrowArray *other,
                         struct ArrowArray *result, char *message, size_t message_size) {
    (void)userdata, (void)message, (void)message_size;
    const int64_t left = take_state(state, 1);
    put_state(result, left * take_state(other, 1));
    return 0;
}

static int product_evaluate(void *userdata, struct ArrowArray *state, struct ArrowArray *result,
                            char *message, size_t message_size) {
    (void)userdata, (void)message, (void)message_size;
    const int64_t value = take_state(state, 1);
    ints(result, 1, &value);
    return 0;
}

static void aggregate_functions(void) {
    struct host host = {0};
    laminar_db *db = open_started(NULL);
    struct table t = bigint_column();
    OK(laminar_register_aggregate_udf(db, "product", &t.schema, &t.schema, t.schema.children[0],
                                      "{\"retractable\": true}", product_update, product_merge,
                                      product_evaluate, &host, drop_host, ERR));
    struct host other = {0};
    FAILS(LAMINAR_QUERY_FAILED, "merge",
          laminar_register_aggregate_udf(db, "broken", &t.schema, &t.schema, t.schema.children[0],
                                         NULL, product_update, NULL, product_evaluate, &other,
                                         drop_host, ERR));
    CHECK_INT(other.drops, 1);
    t.array.release(&t.array);
    table_free(&t);
    run_sql(db, "CREATE TABLE w (id BIGINT PRIMARY KEY, v BIGINT)");
    run_sql(db, "CREATE STREAM p AS SELECT k, product(v) AS p FROM events GROUP BY k");
    run_sql(db, "CREATE STREAM pw AS SELECT product(v) AS p FROM w");
    run_sql(db, "CREATE STREAM hops AS SELECT window_start, product(v) AS p FROM events "
                "GROUP BY hop(ts, INTERVAL '10' SECOND, INTERVAL '20' SECOND) EMIT ON WINDOW CLOSE");
    laminar_source *source = open_source(db, "events");
    laminar_subscription *hops = open_subscription(db, "hops");
    push_events(source, 4, KEYS("a", "b", "a", "a"), INTS(2, 3, 5, 0), INTS(1000, 2000, 11000, 3000));
    expect_rows(db, "SELECT k, p FROM p ORDER BY k", "a|10\nb|3\n");
    expect_rows(db, "SELECT DISTINCT error FROM laminar_dead_letters", "product: zero\n");
    /* 11,000 closes [-10, 10): 2 * 3. Then [0, 20): both panes, merged, without the zero. */
    expect_batch(hops, "-10000|6\n");
    OK(laminar_watermark(source, 19999, ERR));
    expect_batch(hops, "0|30\n");
    run_sql(db, "INSERT INTO w VALUES (1, 2), (2, 3)");
    run_sql(db, "UPDATE w SET v = 10 WHERE id = 1");
    expect_rows(db, "SELECT p FROM pw", "30\n");
    expect_rows(db, "SELECT product(v) FROM events WHERE v > 1", "30\n");
    laminar_subscription_free(hops);
    laminar_source_free(source);
    laminar_close(db);
    CHECK_INT(host.drops, 1);
}

struct lines {
    char text[1024];
    int drops;
};

static void drop_lines(void *userdata) {
    ((struct lines *)userdata)->drops += 1;
}

static void hear(void *userdata, int32_t level, const char *message) {
    struct lines *lines = userdata;
    const size_t used = strlen(lines->text);
    snprintf(lines->text + used, sizeof lines->text - used, "%d %s\n", (int)level, message);
}

static void the_log_is_told(void) {
    struct lines first = {{0}, 0}, second = {{0}, 0};
    laminar_db *db = NULL;
    MUST(laminar_open(NULL, &db, ERR));
    OK(laminar_log_callback(db, LAMINAR_LOG_INFO, hear, &first, drop_lines, ERR));
    run_sql(db, "CREATE SOURCE t (v BIGINT)");
    OK(laminar_start(db, ERR));
    CHECK_TEXT(first.text, "3 CREATE SOURCE t\n3 the streams run\n");
    OK(laminar_log_callback(db, LAMINAR_LOG_ERROR, hear, &second, drop_lines, ERR));
    CHECK_INT(first.drops, 1);
    run_sql(db, "DROP SOURCE t");
    CHECK_TEXT(second.text, "");
    FAILS(LAMINAR_CONNECTION_FAILED, "log level 9",
          laminar_log_callback(db, 9, hear, &first, drop_lines, ERR));
    CHECK_INT(first.drops, 2);
    OK(laminar_log_callback(db, LAMINAR_LOG_INFO, NULL, &first, drop_lines, ERR));
    CHECK_INT(first.drops, 3);
    CHECK_INT(second.drops, 1);
    OK(laminar_log_callback(db, LAMINAR_LOG_DEBUG, hear, &second, drop_lines, ERR));
    laminar_close(db);
    CHECK_INT(second.drops, 2);
    CHECK_CONTAINS(second.text, "3 the database was shut down");
}

static void checkpoints_are_refused(void) {
    laminar_db *db = open_started(NULL);
    uint64_t id = 7;
    FAILS(LAMINAR_UNSUPPORTED, "in memory", laminar_checkpoint(db, &id, ERR));
    CHECK_INT(id, 0);
    laminar_close(db);
}

int main(void) {
    RUN(scalar_functions);
    RUN(aggregate_functions);
    RUN(the_log_is_told);
    RUN(checkpoints_are_refused);
    return report();
}
