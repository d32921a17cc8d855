/*
 * A year of flights through continuous SQL: the example of Laminar's C ABI.
 *
 * The program declares two sources and five continuous queries, reads flights and weather from
 * Parquet with ad-hoc queries, pushes the year in the order in which the flights landed, and shows
 * every result as it changes. Whatever it asks of the ABI stands in this file. Around it: rows.c
 * reads and cuts Arrow data, board.c remembers what table.c and page.c show, clock.c measures.
 *
 * Usage: docs/demo/run.sh [--fast] [--plain] [--batch N] [--rows N]
 */
#include <laminar.h>

#include "board.h"
#include "clock.h"
#include "options.h"
#include "page.h"
#include "rows.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)
#define YEAR_S 13.0             /* how long the year takes on a terminal, unless --fast */
#define REDRAW_S 0.05

/* --- the SQL ---------------------------------------------------------------------------------- */

/*
 * Rows come in the order of landing, so their event time, the departure, is up to eleven hours out
 * of order. Six hours are waited for; what comes later than that is late, and counted.
 */
static const char flights_sql[] =
    "CREATE SOURCE flights ("
    "  sched_ts TIMESTAMP(3) WITH TIME ZONE, ts TIMESTAMP(3) WITH TIME ZONE NOT NULL,"
    "  carrier VARCHAR, flight INT, tailnum VARCHAR, origin VARCHAR, dest VARCHAR,"
    "  cancelled BOOLEAN, dep_delay INT, arr_delay INT, air_time INT, distance INT,"
    "  WATERMARK FOR ts AS ts - INTERVAL '6' HOUR)";

static const char weather_sql[] =
    "CREATE SOURCE weather ("
    "  ts TIMESTAMP(3) WITH TIME ZONE, origin VARCHAR,"
    "  temp DOUBLE, dewp DOUBLE, humid DOUBLE, wind_dir DOUBLE, wind_speed DOUBLE,"
    "  wind_gust DOUBLE, precip DOUBLE, pressure DOUBLE, visib DOUBLE)";

static struct stream {
    const char *name;
    board_apply *apply;         /* what a row of the results does to the board */
    const char *query;
    laminar_subscription *subscription;
    struct ArrowSchema schema;
    int64_t rows;               /* polled so far */
    int64_t late_rows;
} streams[] = {
    {.name = "hourly", .apply = board_hourly, .query =
        "SELECT tumble(ts, INTERVAL '1' HOUR) AS hour_start, origin,"
        "       count(*) AS departures, avg(dep_delay) AS mean_delay"
        "  FROM flights WHERE NOT cancelled"
        " GROUP BY tumble(ts, INTERVAL '1' HOUR), origin"
        "  EMIT ON WINDOW CLOSE"},
    {.name = "rolling", .apply = board_rolling, .query =
        "SELECT hop(ts, INTERVAL '1' HOUR, INTERVAL '6' HOUR) AS six_hours_start, origin,"
        "       count(*) AS departures, avg(dep_delay) AS mean_delay,"
        "       max(dep_delay) AS worst_delay"
        "  FROM flights WHERE NOT cancelled"
        " GROUP BY hop(ts, INTERVAL '1' HOUR, INTERVAL '6' HOUR), origin"
        "  EMIT ON WINDOW CLOSE"},
    {.name = "carriers", .apply = board_carriers, .query =
        "SELECT carrier, count(*) AS departures, avg(arr_delay) AS mean_delay,"
        "       max(dep_delay) AS worst_delay"
        "  FROM flights WHERE NOT cancelled"
        " GROUP BY carrier"
        "  EMIT ON UPDATE"},
    {.name = "long_delays", .apply = board_long_delays, .query =
        "SELECT ts, carrier, flight, origin, dest, dep_delay"
        "  FROM flights WHERE dep_delay > 180"},
    /* A stream over a stream: New York's days (UTC-5), out of the hours that are final. */
    {.name = "daily", .apply = board_daily, .query =
        "SELECT tumble(hour_start, INTERVAL '1' DAY, INTERVAL '5' HOUR) AS day_start, origin,"
        "       sum(departures) AS departures,"
        "       sum(departures * mean_delay) / sum(departures) AS mean_delay,"
        "       max(departures) AS busiest_hour"
        "  FROM hourly"
        " GROUP BY tumble(hour_start, INTERVAL '1' DAY, INTERVAL '5' HOUR), origin"
        "  EMIT ON WINDOW CLOSE"},
};

#define STREAMS_END (streams + sizeof streams / sizeof *streams)

/* Asked once, at the end: a stream joined to a source, both as they stood after the same push. */
static const char rain_sql[] =
    "SELECT w.precip > 0 AS rain,"
    "       sum(h.departures * h.mean_delay) / sum(h.departures) AS mean_delay"
    "  FROM hourly h JOIN weather w ON w.origin = h.origin AND w.ts = h.hour_start"
    " GROUP BY w.precip > 0 ORDER BY rain DESC";

/* --- the database ----------------------------------------------------------------------------- */

/* Ends the program when a call failed. The message says what was wrong, where, and what to do. */
static laminar_status check(laminar_status status, laminar_error **error)
{
    if (*error == NULL)
        return status;
    table_close();
    fprintf(stderr, "%s\n", laminar_error_message(*error));
    laminar_error_free(*error);
    exit(1);
}

static void execute(const laminar_db *db, const char *sql)
{
    laminar_error *error = NULL;
    check(laminar_execute(db, sql, NULL, &error), &error);
}

static laminar_source *open_source(const laminar_db *db, const char *name)
{
    laminar_error *error = NULL;
    laminar_source *source = NULL;
    check(laminar_source_open(db, name, &source, &error), &error);
    return source;
}

/* Declares all there is, and listens to each stream from its first result on. */
static void declare(const laminar_db *db)
{
    laminar_error *error = NULL;
    char sql[1024];

    execute(db, flights_sql);
    execute(db, weather_sql);
    for (struct stream *stream = streams; stream < STREAMS_END; stream++) {
        snprintf(sql, sizeof sql, "CREATE STREAM %s AS %s", stream->name, stream->query);
        execute(db, sql);
        check(laminar_subscribe(db, stream->name, NULL, &stream->subscription, &error), &error);
        check(laminar_subscription_schema(stream->subscription, &stream->schema, &error), &error);
    }
    check(laminar_start(db, &error), &error);
}

/* Reads the whole result of an ad-hoc query. */
static struct batches read_all(const laminar_db *db, const char *sql)
{
    struct batches result = {.count = 0};
    struct ArrowArray batch;
    laminar_query *query = NULL;
    laminar_error *error = NULL;

    check(laminar_query_open(db, sql, &query, &error), &error);
    check(laminar_query_schema(query, &result.schema, &error), &error);
    while (check(laminar_query_next(query, &batch, NULL, &error), &error) == LAMINAR_OK)
        batches_add(&result, &batch);
    laminar_query_free(query);
    return result;
}

/*
 * Pushes a batch, and gives the seconds that took: when it returns, all streams have the result.
 * The batch is the engine's from then on, its schema stays ours.
 */
static double push(laminar_source *source, struct ArrowArray *batch,
                   const struct ArrowSchema *schema)
{
    laminar_error *error = NULL;
    double began_s = clock_now_s();
    while (check(laminar_push(source, batch, schema, &error), &error) == LAMINAR_AGAIN) {
        /* AGAIN took nothing: the batch is still ours. */
    }
    return clock_now_s() - began_s;
}

/* Takes the results that are there, waits for none, and gives the seconds spent in the engine. */
static double poll_all(struct board *board)
{
    double engine_s = 0;

    for (struct stream *stream = streams; stream < STREAMS_END; stream++) {
        for (;;) {
            struct ArrowArray batch;
            laminar_error *error = NULL;
            double began_s = clock_now_s();
            laminar_status status = laminar_poll(stream->subscription, 0, &batch, NULL, &error);
            engine_s += clock_now_s() - began_s;

            check(status, &error);
            if (status == LAMINAR_AGAIN || status == LAMINAR_END)
                break;
            if (status != LAMINAR_OK)           /* LAGGED and RESET only tell; a batch follows */
                continue;
            struct rows rows = {&stream->schema, &batch};
            for (int64_t row = 0; row < batch.length; row++)
                stream->apply(board, &rows, row);
            stream->rows += batch.length;
            batch.release(&batch);
        }
    }
    return engine_s;
}

/* --- the year --------------------------------------------------------------------------------- */

static void read_reference_data(const laminar_db *db, struct board *board)
{
    struct batches airlines =
        read_all(db, "SELECT carrier, name FROM 'docs/demo/data/airlines.parquet'");
    for (size_t i = 0; i < airlines.count; i++) {
        struct rows rows = batches_rows(&airlines, i);
        for (int64_t row = 0; row < rows.array->length; row++)
            board_carrier_name(board, rows_text(&rows, 0, row), rows_text(&rows, 1, row));
    }
    batches_free(&airlines);

    struct batches weather = read_all(db, "SELECT * FROM 'docs/demo/data/weather.parquet'");
    laminar_source *source = open_source(db, "weather");
    for (size_t i = 0; i < weather.count; i++) {
        struct ArrowArray batch;
        batches_slice(&weather, i, 0, batches_rows(&weather, i).array->length, &batch);
        push(source, &batch, &weather.schema);
    }
    laminar_source_free(source);
    batches_free(&weather);
}

/* Shows the board as it is now; on a terminal at most every REDRAW_S. */
static void show(struct board *board, const struct options *options, bool at_once)
{
    static double drawn_s;

    if (!options->table) {
        table_print_months(board, at_once);
    } else if (at_once || clock_now_s() - drawn_s >= REDRAW_S) {
        table_draw(board);
        drawn_s = clock_now_s();
    }
}

static int64_t smallest(int64_t a, int64_t b, int64_t c)
{
    int64_t d = a < b ? a : b;
    return c < d ? c : d;
}

/* Pushes one batch after the other; a push's time runs until its last result is in hand. */
static void run(laminar_source *flights, const struct batches *year, const struct options *options,
                struct board *board, struct durations *pushes)
{
    double began_s = clock_now_s();
    int ts = rows_column(&year->schema, "ts");

    for (size_t i = 0; i < year->count; i++) {
        struct rows rows = batches_rows(year, i);
        for (int64_t offset = 0, length; offset < rows.array->length; offset += length) {
            struct ArrowArray batch;

            length = smallest(options->batch, rows.array->length - offset,
                              board->events_total - board->events);
            if (length == 0 || table_interrupted())
                return;
            for (int64_t row = offset; row < offset + length; row++)
                if (rows_int(&rows, ts, row) > board->clock_ms)
                    board->clock_ms = rows_int(&rows, ts, row);

            batches_slice(year, i, offset, length, &batch);
            double push_s = push(flights, &batch, &year->schema);
            durations_add(pushes, push_s + poll_all(board));
            board->events += length;
            board->engine_s = pushes->sum_s;
            board->push_ms = pushes->sum_s * 1e3 / (double)pushes->count;
            show(board, options, false);
            if (options->paced)
                clock_sleep_until(began_s + YEAR_S * (double)board->events
                                            / (double)board->events_total);
        }
    }
}

/* Says that nothing more will come: every window closes. */
static void finish(laminar_source *flights, struct board *board)
{
    laminar_error *error = NULL;
    check(laminar_watermark(flights, board->clock_ms + 2 * DAY_MS, &error), &error);
    poll_all(board);
}

/* --- the summary ------------------------------------------------------------------------------ */

/* SHOW is SQL too. Here its rows come as an Arrow stream, and its columns are found by name. */
static void read_late_rows(const laminar_db *db)
{
    laminar_error *error = NULL;
    struct ArrowArrayStream shown;
    struct ArrowSchema schema;
    struct ArrowArray batch;

    check(laminar_execute(db, "SHOW STREAMS", &shown, &error), &error);
    if (shown.get_schema(&shown, &schema) != 0)
        return;
    int name = rows_column(&schema, "name"), late_rows = rows_column(&schema, "late_rows");
    while (shown.get_next(&shown, &batch) == 0 && batch.release != NULL) {
        struct rows rows = {&schema, &batch};
        for (int64_t row = 0; row < batch.length; row++)
            for (struct stream *stream = streams; stream < STREAMS_END; stream++)
                if (text_equals(rows_text(&rows, name, row), stream->name))
                    stream->late_rows = rows_int(&rows, late_rows, row);
        batch.release(&batch);
    }
    schema.release(&schema);
    shown.release(&shown);
}

static void print_rain(const laminar_db *db)
{
    struct batches result = read_all(db, rain_sql);
    const char *between = "mean delay       ";

    printf("  ");
    for (size_t i = 0; i < result.count; i++) {
        struct rows rows = batches_rows(&result, i);
        for (int64_t row = 0; row < rows.array->length; row++, between = ", ")
            printf("%s%.1f min %s", between, rows_real(&rows, 1, row),
                   rows_int(&rows, 0, row) ? "in rain or snow" : "in dry hours");
    }
    printf("\n");
    batches_free(&result);
}

static void print_rate(const char *where, int64_t events, double time_s)
{
    char text[PAGE_COUNT];
    printf("  %-15s  %.3f s, %s events per second\n", where, time_s,
           page_format_count(text, time_s > 0 ? (int64_t)((double)events / time_s) : 0));
}

static void summarise(const laminar_db *db, const struct board *board, struct durations *pushes,
                      double wall_s)
{
    char text[PAGE_COUNT];

    page_format_count(text, board->events);
    printf("\n%s events through five continuous queries\n\n", text);
    print_rate("in the engine", board->events, pushes->sum_s);
    print_rate("by the clock", board->events, wall_s);
    printf("  push to result   p50 %.3f ms, p99 %.3f ms, over %s pushes\n",
           durations_quantile(pushes, 0.50) * 1e3, durations_quantile(pushes, 0.99) * 1e3,
           page_format_count(text, (int64_t)pushes->count));
    print_rain(db);
    printf("  build            %s\n\n", laminar_build_info());

    read_late_rows(db);
    printf("  stream           result rows   late rows\n");
    for (struct stream *stream = streams; stream < STREAMS_END; stream++) {
        printf("  %-15s  %11s", stream->name, page_format_count(text, stream->rows));
        printf("  %10s\n", page_format_count(text, stream->late_rows));
    }
}

/* --- the program ------------------------------------------------------------------------------ */

int main(int argument_count, char **arguments)
{
    struct options options = options_parse(argument_count, arguments);
    struct board board;
    struct durations pushes = {.count = 0};
    laminar_db *db = NULL;
    laminar_error *error = NULL;

    check(laminar_open(NULL, &db, &error), &error);     /* in memory, with defaults */
    declare(db);
    board_init(&board);
    read_reference_data(db, &board);
    struct batches year = read_all(db, "SELECT * FROM 'docs/demo/data/flights.parquet'");
    board.events_total = year.rows < options.rows ? year.rows : options.rows;

    laminar_source *flights = open_source(db, "flights");
    if (options.table)
        table_open();
    double began_s = clock_now_s();
    run(flights, &year, &options, &board, &pushes);
    double wall_s = clock_now_s() - began_s;
    if (!table_interrupted())
        finish(flights, &board);
    show(&board, &options, true);
    table_close();
    summarise(db, &board, &pushes, wall_s);

    for (struct stream *stream = streams; stream < STREAMS_END; stream++) {
        stream->schema.release(&stream->schema);
        laminar_subscription_free(stream->subscription);
    }
    laminar_source_free(flights);
    laminar_close(db);
    batches_free(&year);
    durations_free(&pushes);
    return table_interrupted() ? 130 : 0;
}
