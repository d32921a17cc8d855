/* Seconds of the monotonic clock, and what was measured with them. */
#ifndef DEMO_CLOCK_H
#define DEMO_CLOCK_H

#include <stddef.h>

double clock_now_s(void);

/* Returns at once when the time has passed, and early on a signal. */
void clock_sleep_until(double time_s);

/* Durations, in the order in which they were added. */
struct durations {
    double *each_s;
    size_t count;
    size_t capacity;
    double sum_s;
};

void durations_add(struct durations *durations, double duration_s);

/* The smallest duration that `share` (0 to 1) of all do not exceed, or 0. Sorts them. */
double durations_quantile(struct durations *durations, double share);

void durations_free(struct durations *durations);

#endif
