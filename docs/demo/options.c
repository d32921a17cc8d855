/* What the command line asks for: see options.h. */
#include "options.h"

#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: %s [--fast] [--plain] [--batch N] [--rows N]\n"
    "  --fast     pushes as fast as the engine takes it, instead of a year in 13 seconds\n"
    "  --plain    a line for each month; the default where there is no terminal\n"
    "  --batch N  rows of a push (default 1000, at most 8192: a batch as it was read)\n"
    "  --rows N   stops after N rows\n";

/* The whole of `text` as a number from 1 on, or 0. */
static int64_t number(const char *text)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    return *end == '\0' && value > 0 ? (int64_t)value : 0;
}

struct options options_parse(int count, char **arguments)
{
    struct options options = {
        .batch = 1000, .rows = INT64_MAX, .table = table_possible(), .paced = true,
    };
    bool understood = true;

    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? arguments[i + 1] : "";

        if (strcmp(arguments[i], "--fast") == 0) {
            options.paced = false;
        } else if (strcmp(arguments[i], "--plain") == 0) {
            options.table = false;
        } else if (strcmp(arguments[i], "--batch") == 0) {
            understood = (options.batch = number(value)) > 0 && understood;
            i++;
        } else if (strcmp(arguments[i], "--rows") == 0) {
            understood = (options.rows = number(value)) > 0 && understood;
            i++;
        } else {
            understood = false;
        }
    }
    if (!understood) {
        fprintf(stderr, usage, arguments[0]);
        exit(2);
    }
    options.paced = options.paced && options.table;
    return options;
}
