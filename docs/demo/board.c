/* What the demo knows of the year so far: see board.h. */
#define _POSIX_C_SOURCE 200809L

#include "board.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)
#define NEW_YORK_MS (-5 * HOUR_MS)

void board_init(struct board *board)
{
    static const char *const codes[BOARD_AIRPORTS] = {"EWR", "JFK", "LGA"};

    memset(board, 0, sizeof *board);
    for (int i = 0; i < BOARD_AIRPORTS; i++)
        strcpy(board->airports[i].code, codes[i]);
    board->latest_month = -1;
}

static void copy(char out[BOARD_NAME], struct text text)
{
    size_t length = text.length < BOARD_NAME ? text.length : BOARD_NAME - 1;
    memcpy(out, text.bytes, length);
    out[length] = '\0';
}

struct tm board_local(int64_t ts_ms)
{
    time_t seconds = (time_t)((ts_ms + NEW_YORK_MS) / 1000);
    struct tm local;
    gmtime_r(&seconds, &local);
    return local;
}

static int month_of(int64_t ts_ms)
{
    struct tm local = board_local(ts_ms);
    int month = (local.tm_year - 113) * 12 + local.tm_mon;
    return month < 0 ? 0 : month < BOARD_MONTHS ? month : BOARD_MONTHS - 1;
}

static struct airport *airport_of(struct board *board, struct text origin)
{
    for (int i = 0; i < BOARD_AIRPORTS; i++)
        if (text_equals(origin, board->airports[i].code))
            return &board->airports[i];
    return NULL;
}

static struct carrier *carrier_of(struct board *board, struct text code)
{
    for (int i = 0; i < board->carrier_count; i++)
        if (text_equals(code, board->carriers[i].code))
            return &board->carriers[i];
    if (board->carrier_count == BOARD_CARRIERS)
        return NULL;

    struct carrier *carrier = &board->carriers[board->carrier_count++];
    copy(carrier->code, code);
    copy(carrier->name, code);
    return carrier;
}

void board_carrier_name(struct board *board, struct text code, struct text name)
{
    static const char *const endings[] = {
        " Inc.", " Co.", " Corporation", " Airlines", " Air Lines",
    };
    struct carrier *carrier = carrier_of(board, code);

    if (carrier == NULL)
        return;
    copy(carrier->name, name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *ending = strstr(carrier->name, endings[i]);
        if (ending != NULL)
            *ending = '\0';
    }
}

/* Departures, and next to them their mean delay. */
static struct figures figures_at(const struct rows *rows, int column, int64_t row)
{
    return (struct figures){rows_int(rows, column, row), rows_real(rows, column + 1, row)};
}

void board_hourly(struct board *board, const struct rows *rows, int64_t row)
{
    int64_t start_ms = rows_int(rows, 0, row);
    struct airport *airport = airport_of(board, rows_text(rows, 1, row));
    struct figures figures = figures_at(rows, 2, row);
    int month = month_of(start_ms);

    if (airport == NULL)
        return;
    /* Hours without a departure have no window: blank those passed over since the last one. */
    int64_t hour = (start_ms + NEW_YORK_MS) / HOUR_MS;
    int64_t passed = airport->latest_hour == 0 ? 0 : hour - airport->latest_hour - 1;
    for (int64_t i = 1; i <= passed && i < 24; i++)
        airport->hours[(hour - i) % 24] = (struct figures){0, 0};
    airport->hours[hour % 24] = figures;
    if (hour > airport->latest_hour)
        airport->latest_hour = hour;

    board->months[month].departures[airport - board->airports] += figures.departures;
    if (!isnan(figures.mean_delay))
        board->months[month].delay_sum += figures.mean_delay * (double)figures.departures;
    if (month > board->latest_month)
        board->latest_month = month;
}

void board_rolling(struct board *board, const struct rows *rows, int64_t row)
{
    struct airport *airport = airport_of(board, rows_text(rows, 1, row));
    if (airport == NULL)
        return;
    airport->six_hours = figures_at(rows, 2, row);
    airport->worst_of_six_hours = rows_int(rows, 4, row);
}

void board_daily(struct board *board, const struct rows *rows, int64_t row)
{
    struct airport *airport = airport_of(board, rows_text(rows, 1, row));
    if (airport == NULL)
        return;
    airport->latest_day = (rows_int(rows, 0, row) + NEW_YORK_MS) / (24 * HOUR_MS);
    airport->days[airport->latest_day % BOARD_DAYS] = figures_at(rows, 2, row);
    airport->busiest_hour = rows_int(rows, 4, row);
    if (airport->latest_day > board->latest_day)
        board->latest_day = airport->latest_day;
}

/* The most punctual first; carriers not seen yet at the end; equals by code. */
static int by_delay(const void *left, const void *right)
{
    const struct carrier *a = left, *b = right;
    bool a_seen = a->figures.departures > 0 && !isnan(a->figures.mean_delay);
    bool b_seen = b->figures.departures > 0 && !isnan(b->figures.mean_delay);

    if (a_seen != b_seen)
        return a_seen ? -1 : 1;
    if (a_seen && a->figures.mean_delay != b->figures.mean_delay)
        return a->figures.mean_delay < b->figures.mean_delay ? -1 : 1;
    return strcmp(a->code, b->code);
}

void board_carriers(struct board *board, const struct rows *rows, int64_t row)
{
    struct carrier *carrier = carrier_of(board, rows_text(rows, 0, row));
    if (carrier == NULL)
        return;
    carrier->figures = figures_at(rows, 1, row);
    carrier->worst_delay = rows_int(rows, 3, row);
    qsort(board->carriers, (size_t)board->carrier_count, sizeof *board->carriers, by_delay);
}

void board_long_delays(struct board *board, const struct rows *rows, int64_t row)
{
    struct long_delay *delay = &board->delays[board->delay_count++ % BOARD_DELAYS];
    delay->ts = rows_int(rows, 0, row);
    copy(delay->carrier, rows_text(rows, 1, row));
    delay->flight = rows_int(rows, 2, row);
    copy(delay->origin, rows_text(rows, 3, row));
    copy(delay->destination, rows_text(rows, 4, row));
    delay->minutes = rows_int(rows, 5, row);
    board->months[month_of(delay->ts)].long_delays += 1;
}
