/*
 * What the demo knows of the year so far: the newest results of the five streams.
 *
 * Times are milliseconds since the epoch, UTC; delays are minutes. The board only remembers; it
 * computes nothing of its own beyond the sums of a month for the plain lines.
 */
#ifndef DEMO_BOARD_H
#define DEMO_BOARD_H

#include "rows.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum {
    BOARD_AIRPORTS = 3,
    BOARD_CARRIERS = 32,
    BOARD_DELAYS = 64,          /* the latest long delays, a ring */
    BOARD_DAYS = 366,           /* the latest days, a ring */
    BOARD_MONTHS = 13,          /* from January 2013 on */
    BOARD_NAME = 32,            /* bytes of a short text, with its NUL */
};

/* Departures in a window and their mean delay. */
struct figures {
    int64_t departures;
    double mean_delay;
};

struct airport {
    char code[BOARD_NAME];
    struct figures hours[24];           /* by hour of the day: the latest closed window of each */
    int64_t latest_hour;                /* the start of the last one */
    struct figures six_hours;
    int64_t worst_of_six_hours;
    struct figures days[BOARD_DAYS];    /* by day % BOARD_DAYS */
    int64_t latest_day;                 /* the last one, counted from the epoch */
    int64_t busiest_hour;               /* departures in the busiest hour of that day */
};

struct carrier {
    char code[BOARD_NAME];
    char name[BOARD_NAME];
    struct figures figures;             /* the delay is that on arrival */
    int64_t worst_delay;
};

struct long_delay {
    int64_t ts;
    char carrier[BOARD_NAME];
    int64_t flight;
    char origin[BOARD_NAME];
    char destination[BOARD_NAME];
    int64_t minutes;
};

struct month {
    int64_t departures[BOARD_AIRPORTS];
    double delay_sum;
    int64_t long_delays;
};

struct board {
    struct airport airports[BOARD_AIRPORTS];
    int64_t latest_day;                         /* of all airports */
    struct carrier carriers[BOARD_CARRIERS];    /* the most punctual first */
    int carrier_count;
    struct long_delay delays[BOARD_DELAYS];     /* the n-th at n % BOARD_DELAYS */
    int64_t delay_count;
    struct month months[BOARD_MONTHS];
    int latest_month;                           /* of the last closed hour; -1 before the first */
    int reported_months;                        /* printed so far */

    int64_t clock_ms;                           /* the largest event time pushed */
    int64_t events;
    int64_t events_total;
    double engine_s;                            /* spent inside push and poll */
    double push_ms;                             /* from a push to its last result, on average */
};

void board_init(struct board *board);

/* A carrier's full name, from which its legal form and the word "Airlines" are cut. */
void board_carrier_name(struct board *board, struct text code, struct text name);

/* Shows one row of a stream's results. The columns that each expects stand beside it. */
typedef void board_apply(struct board *board, const struct rows *rows, int64_t row);

board_apply board_hourly;       /* hour_start, origin, departures, mean_delay */
board_apply board_rolling;      /* six_hours_start, origin, departures, mean_delay, worst_delay */
board_apply board_carriers;     /* carrier, departures, mean_delay, worst_delay */
board_apply board_long_delays;  /* ts, carrier, flight, origin, dest, dep_delay */
board_apply board_daily;        /* day_start, origin, departures, mean_delay, busiest_hour */

/* New York's standard time, all year: what the table shows, and what its days are cut by. */
struct tm board_local(int64_t ts_ms);

#endif
