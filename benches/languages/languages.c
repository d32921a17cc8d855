/*
 * The yardstick of the languages: what benches/languages/README.md describes, through the C ABI.
 *
 *     languages SECONDS
 */
#include "../bench.h"

#include <stdbool.h>

enum { MOST_ROWS = 8192, COLUMNS = 3 };

static laminar_db *db;
static laminar_source *source;
static laminar_subscription *changes;
static laminar_appender *appender;
static double seconds;
static double sum_of_what_was_read;

/* The rows as columns, which every batch that is pushed has the first of. */
static struct {
    int32_t offsets[MOST_ROWS + 1];
    char symbols[MOST_ROWS * 3];
    double prices[MOST_ROWS];
    int64_t times[MOST_ROWS];
} kept;

/* Every other row passes the filter; a row on its own does. */
static double price_of(int64_t row, int64_t rows) { return rows == 1 || row % 2 == 1 ? 100.0 : 0.0; }

static void keep_rows(void) {
    int32_t end = 0;
    for (int64_t row = 0; row < MOST_ROWS; ++row) {
        char symbol[8];
        const int length = snprintf(symbol, sizeof symbol, "S%d", (int)(row % 100));
        memcpy(kept.symbols + end, symbol, (size_t)length);
        kept.offsets[row] = end;
        end += length;
        kept.prices[row] = price_of(row, MOST_ROWS);
        kept.times[row] = row;
    }
    kept.offsets[MOST_ROWS] = end;
}

static void nothing(struct ArrowArray *array) { array->release = NULL; }

static void push_arrow(int64_t rows) {
    static const void *no_buffer[1];
    static const void *text[3] = {NULL, kept.offsets, kept.symbols};
    static const void *prices[2] = {NULL, kept.prices};
    static const void *times[2] = {NULL, kept.times};
    static struct ArrowArray columns[COLUMNS];
    static struct ArrowArray *pointers[COLUMNS] = {&columns[0], &columns[1], &columns[2]};
    columns[0] = (struct ArrowArray){.length = rows, .n_buffers = 3, .buffers = text, .release = nothing};
    columns[1] = (struct ArrowArray){.length = rows, .n_buffers = 2, .buffers = prices, .release = nothing};
    columns[2] = (struct ArrowArray){.length = rows, .n_buffers = 2, .buffers = times, .release = nothing};
    struct ArrowArray batch = {.length = rows, .n_buffers = 1, .n_children = COLUMNS, .buffers = no_buffer,
                               .children = pointers, .release = nothing};
    laminar_error *error = NULL;
    check(laminar_push(source, &batch, NULL, &error), error);
}

static void push_rows(int64_t rows) {
    laminar_error *error = NULL;
    for (int64_t row = 0; row < rows; ++row) {
        const char *symbol = kept.symbols + kept.offsets[row];
        const size_t length = (size_t)(kept.offsets[row + 1] - kept.offsets[row]);
        check(laminar_append_string(appender, 0, symbol, length, &error), error);
        check(laminar_append_double(appender, 1, price_of(row, rows), &error), error);
        check(laminar_append_int64(appender, 2, row, &error), error);
        check(laminar_append_row(appender, &error), error);
    }
    check(laminar_appender_flush(appender, &error), error);
}

/* Polls what there is; reads every value if it is to. */
static int64_t poll_all(bool read) {
    int64_t rows = 0;
    struct ArrowArray batch;
    laminar_error *error = NULL;
    laminar_status status;
    while ((status = laminar_poll(changes, 0, &batch, NULL, &error)) == LAMINAR_OK) {
        rows += batch.length;
        if (read) {
            const struct ArrowArray *text = batch.children[0];
            const int32_t *ends = (const int32_t *)text->buffers[1] + text->offset;
            const char *bytes = text->buffers[2];
            const double *prices = (const double *)batch.children[1]->buffers[1] + batch.children[1]->offset;
            const int64_t *times = (const int64_t *)batch.children[2]->buffers[1] + batch.children[2]->offset;
            for (int64_t row = 0; row < batch.length; ++row) {
                sum_of_what_was_read += prices[row] + (double)times[row] + bytes[ends[row]];
            }
        }
        batch.release(&batch);
    }
    check(status == LAMINAR_AGAIN ? LAMINAR_OK : status, error);
    return rows;
}

static void measure(const char *name, int64_t rows, void (*push)(int64_t), bool read) {
    int64_t pushes = 0, used = 0;
    for (int round = 0; round < 2; ++round) { /* the first one warms up */
        const int64_t begun = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        pushes = 0;
        do {
            for (int i = 0; i < 16; ++i, ++pushes) {
                push(rows);
                require(poll_all(read) == (rows + 1) / 2, "half of the rows pass");
            }
            used = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begun;
        } while ((double)used < seconds * 1e9);
    }
    printf("{\"bench\":\"languages\",\"language\":\"C\",\"name\":\"%s\",\"cpu_ns_per_row\":%.1f}\n", name,
           (double)used / (double)(pushes * rows));
    fflush(stdout);
}

int main(int argc, char **argv) {
    laminar_error *error = NULL;
    seconds = argc > 1 ? atof(argv[1]) : 1.0;
    keep_rows();
    check(laminar_open(NULL, &db, &error), error);
    check(laminar_execute(db, "CREATE SOURCE trades (symbol VARCHAR, price DOUBLE, ts BIGINT)", NULL, &error),
          error);
    check(laminar_execute(db, "CREATE STREAM dear AS SELECT * FROM trades WHERE price >= 50", NULL, &error),
          error);
    check(laminar_start(db, &error), error);
    check(laminar_source_open(db, "trades", &source, &error), error);
    check(laminar_subscribe(db, "dear", NULL, &changes, &error), error);
    check(laminar_appender_open(source, &appender, &error), error);
    measure("1 row", 1, push_rows, true);
    measure("1,000 rows", 1000, push_rows, true);
    measure("Arrow, 1,000", 1000, push_arrow, false);
    measure("Arrow, 8,192", 8192, push_arrow, false);
    require(sum_of_what_was_read > 0, "the rows were read");
    laminar_appender_free(appender);
    laminar_subscription_free(changes);
    laminar_source_free(source);
    laminar_close(db);
    return 0;
}
