/* Seconds of the monotonic clock: see clock.h. */
#define _POSIX_C_SOURCE 200809L

#include "clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double clock_now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void clock_sleep_until(double time_s)
{
    double left_s = time_s - clock_now_s();
    if (left_s <= 0)
        return;

    double whole_s = floor(left_s);
    struct timespec left = {.tv_sec = (time_t)whole_s, .tv_nsec = (long)((left_s - whole_s) * 1e9)};
    nanosleep(&left, NULL);
}

void durations_add(struct durations *durations, double duration_s)
{
    if (durations->count == durations->capacity) {
        durations->capacity = durations->capacity == 0 ? 1024 : durations->capacity * 2;
        durations->each_s = realloc(durations->each_s, durations->capacity * sizeof(double));
        if (durations->each_s == NULL) {
            fputs("out of memory\n", stderr);
            exit(1);
        }
    }
    durations->each_s[durations->count++] = duration_s;
    durations->sum_s += duration_s;
}

static int by_length(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double durations_quantile(struct durations *durations, double share)
{
    if (durations->count == 0)
        return 0;
    qsort(durations->each_s, durations->count, sizeof *durations->each_s, by_length);
    size_t rank = (size_t)ceil(share * (double)durations->count);
    return durations->each_s[rank == 0 ? 0 : rank - 1];
}

void durations_free(struct durations *durations)
{
    free(durations->each_s);
}
