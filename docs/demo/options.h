/* What the command line asks for. */
#ifndef DEMO_OPTIONS_H
#define DEMO_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    int64_t batch;      /* rows of a push; a push never crosses a batch as it was read */
    int64_t rows;       /* of the year to push */
    bool table;         /* the live table, else plain lines */
    bool paced;         /* for the eye; only with the table */
};

/* Ends the program with a usage message when the arguments make no sense. */
struct options options_parse(int count, char **arguments);

#endif
