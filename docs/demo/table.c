/* The board in the terminal: see table.h. */
#define _DEFAULT_SOURCE     /* sigaction, isatty, and the terminal's size */

#include "table.h"

#include "page.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    WIDTH_MIN = 80,
    WIDTH_MAX = 150,
    FRAME_LINES = 10,       /* all but the rows of the two lists */
    LIST_MIN = 4,
    LIST_MAX = 16,
    DAYS_COLUMN = 80,       /* where the days begin, */
    DAYS_MIN = 10,          /* if there is room for so many */
    LATE_WIDTH = 40,        /* of the list of long delays; the carriers have the rest */
    WORST_WIDTH = 60,       /* from which on the carriers' worst delays have room */
    BAR_FULL_MIN = 25,      /* minutes of a bar at full length */
};

#define RESTORE "\033[0m\033[?7h\033[?25h"

static volatile sig_atomic_t interrupted;
static bool opened;

/* --- the parts of the picture ----------------------------------------------------------------- */

static void colour_delay(struct page *page, double minutes)
{
    static const struct { double below; int colour; } scale[] = {
        {0.5, GREEN}, {10, LIME}, {20, YELLOW}, {35, ORANGE}, {INFINITY, RED},
    };
    int i = 0;

    while (!isnan(minutes) && minutes >= scale[i].below)
        i++;
    page_colour(page, isnan(minutes) ? GREY : scale[i].colour);
}

static void put_delay(struct page *page, double minutes, int width, int decimals)
{
    if (fabs(minutes) < (decimals > 0 ? 0.05 : 0.5))
        minutes = 0;        /* not "-0" */
    colour_delay(page, minutes);
    if (isnan(minutes))
        page_put(page, "%*s", width, "-");
    else
        page_put(page, "%+*.*f", width, decimals, minutes);
}

/* As high as the departures, in the colour of their mean delay. */
static void put_spark(struct page *page, struct figures figures, double highest)
{
    colour_delay(page, figures.mean_delay);
    page_spark(page, (double)figures.departures / highest);
}

static void draw_head(struct page *page, const struct board *board)
{
    char date[40];
    struct tm local = board_local(board->clock_ms);
    double share = (double)board->events / fmax(1, (double)board->events_total);
    double rate = board->engine_s > 0 ? (double)board->events / board->engine_s : 0;

    strftime(date, sizeof date, "%a %d %b %Y  %H:%M", &local);
    page_rule(page, "╭", "laminar", "every flight out of New York City in 2013");
    page_end_rule(page, "╮");

    page_begin_line(page);
    page_colour(page, WHITE);
    page_put(page, "%s  ", date);
    page_colour(page, BLUE);
    page_bar(page, share, page->width - 9 - page->column);
    page_colour(page, GREY);
    page_fill(page, "─", page->width - 9);
    page_colour(page, WHITE);
    page_put(page, "%5.0f %%", share * 100);
    page_end_line(page);

    page_begin_line(page);
    page_colour(page, WHITE);
    page_count(page, board->events, 7);
    page_colour(page, SILVER);
    page_put(page, " events   ");
    page_colour(page, WHITE);
    page_count(page, (int64_t)rate, 9);
    page_colour(page, SILVER);
    page_put(page, " events/s in the engine");
    page_fill(page, " ", page->width - 26);
    page_colour(page, WHITE);
    page_put(page, "%6.2f", board->push_ms);
    page_colour(page, SILVER);
    page_put(page, " ms push to result");
    page_end_line(page);
}

static bool has_days(const struct page *page)
{
    return page->width - DAYS_COLUMN - 2 >= DAYS_MIN;
}

/* The days up to the latest of all airports, as many as there is room for. */
static void draw_days(struct page *page, const struct airport *airport, int64_t latest_day)
{
    double busiest = 1;

    for (int i = 0; i < BOARD_DAYS; i++)
        busiest = fmax(busiest, (double)airport->days[i].departures);
    page_fill(page, " ", DAYS_COLUMN);
    for (int64_t ago = page->width - 3 - DAYS_COLUMN; ago >= 0; ago--)
        put_spark(page, airport->days[(latest_day + BOARD_DAYS - ago) % BOARD_DAYS], busiest);
}

static void draw_airport(struct page *page, const struct airport *airport, int64_t latest_day)
{
    const struct figures *hour = &airport->hours[airport->latest_hour % 24];
    const struct figures *day = &airport->days[airport->latest_day % BOARD_DAYS];
    double busiest = 1;

    for (int i = 0; i < 24; i++)
        busiest = fmax(busiest, (double)airport->hours[i].departures);
    page_begin_line(page);
    page_colour(page, WHITE);
    page_put(page, "%s ", airport->code);
    for (int i = 0; i < 24; i++)
        put_spark(page, airport->hours[i], busiest);
    page_colour(page, WHITE);
    page_put(page, "  %5" PRId64, hour->departures);
    put_delay(page, hour->mean_delay, 6, 0);
    page_colour(page, WHITE);
    page_put(page, "  %5" PRId64, airport->six_hours.departures);
    put_delay(page, airport->six_hours.mean_delay, 6, 0);
    put_delay(page, (double)airport->worst_of_six_hours, 6, 0);
    page_colour(page, WHITE);
    page_put(page, "  %5" PRId64, day->departures);
    put_delay(page, day->mean_delay, 5, 0);
    page_colour(page, SILVER);
    page_put(page, "%4" PRId64, airport->busiest_hour);
    if (has_days(page))
        draw_days(page, airport, latest_day);
    page_end_line(page);
}

static void draw_airports(struct page *page, const struct board *board)
{
    page_rule(page, "├", "departures and mean delay by airport", "hourly · rolling · daily");
    page_end_rule(page, "┤");
    page_begin_line(page);
    page_colour(page, SILVER);
    page_put(page, "    0     6     12    18    ");
    page_put(page, "    last hour  six hours  worst   last day peak");
    if (has_days(page)) {
        page_fill(page, " ", DAYS_COLUMN);
        page_put(page, "day by day");
    }
    page_end_line(page);
    for (int i = 0; i < BOARD_AIRPORTS; i++)
        draw_airport(page, &board->airports[i], board->latest_day);
}

/* The mean delay as a figure and as a bar, the worst if there is room, and the departures. */
static void draw_carrier(struct page *page, const struct carrier *carrier, bool with_worst,
                         int to_column)
{
    bool seen = carrier->figures.departures > 0;
    int after_bar = to_column - (with_worst ? 15 : 8);

    page_colour(page, seen ? WHITE : GREY);
    page_put(page, "%-15s", carrier->name);
    if (!seen)
        return;
    put_delay(page, carrier->figures.mean_delay, 6, 1);
    page_put(page, " ");
    page_bar(page, fabs(carrier->figures.mean_delay) / BAR_FULL_MIN, after_bar - page->column);
    page_fill(page, " ", after_bar);
    if (with_worst)
        put_delay(page, (double)carrier->worst_delay, 7, 0);
    page_colour(page, SILVER);
    page_count(page, carrier->figures.departures, 7);
}

static void draw_long_delay(struct page *page, const struct long_delay *delay)
{
    char date[24];
    struct tm local = board_local(delay->ts);

    strftime(date, sizeof date, "%d %b %H:%M", &local);
    page_colour(page, SILVER);
    page_put(page, " %s  ", date);
    page_colour(page, WHITE);
    page_put(page, "%s %-4" PRId64 "  ", delay->carrier, delay->flight);
    page_put(page, "%s→%s", delay->origin, delay->destination);
    page_colour(page, RED);
    page_put(page, "%6" PRId64, delay->minutes);
}

/* Two lists side by side: the carriers, and the latest long delays. */
static void draw_lists(struct page *page, const struct board *board, int lines)
{
    int middle = page->width - LATE_WIDTH;
    bool with_worst = middle >= WORST_WIDTH;

    page_rule(page, "├", with_worst ? "mean arrival delay, worst delay, departures"
                                    : "mean delay, departures", "carriers");
    page_fill(page, "─", middle);
    page_rule(page, "┬", "over three hours late", "long_delays");
    page_end_rule(page, "┤");
    for (int i = 0; i < lines; i++) {
        page_begin_line(page);
        if (i < board->carrier_count) {
            page_colour(page, SILVER);
            page_put(page, "%2d ", i + 1);
            draw_carrier(page, &board->carriers[i], with_worst, middle - 1);
        }
        page_fill(page, " ", middle);
        page_colour(page, GREY);
        page_put(page, "│");
        if (i < board->delay_count)
            draw_long_delay(page, &board->delays[(board->delay_count - 1 - i) % BOARD_DELAYS]);
        page_end_line(page);
    }
    page_colour(page, GREY);
    page_put(page, "╰");
    page_fill(page, "─", middle);
    page_put(page, "┴");
    page_end_rule(page, "╯");
}

/* --- the terminal ----------------------------------------------------------------------------- */

static void on_interrupt(int number)
{
    (void)number;
    if (interrupted) {
        ssize_t ignored = write(STDOUT_FILENO, RESTORE "\n", sizeof RESTORE);
        (void)ignored;
        _exit(130);
    }
    interrupted = 1;
}

bool table_possible(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

void table_open(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    fputs("\033[?25l", stdout);
    fflush(stdout);
    opened = true;
}

bool table_interrupted(void)
{
    return interrupted;
}

static int within(int least, int value, int most)
{
    return value < least ? least : value > most ? most : value;
}

void table_draw(const struct board *board)
{
    static struct page page;
    static struct winsize drawn;
    static int drawn_lines;
    struct winsize size;
    char up[32];

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        size = (struct winsize){.ws_row = 24, .ws_col = WIDTH_MIN};
    int lines = within(LIST_MIN, size.ws_row - FRAME_LINES - 1, LIST_MAX);

    /* One write for each picture, shown at once where the terminal knows how; nothing wraps. */
    page_clear(&page, within(WIDTH_MIN, size.ws_col, WIDTH_MAX));
    page.coloured = getenv("NO_COLOR") == NULL;
    page_control(&page, "\033[?2026h\033[?7l");
    if (drawn_lines > 0 && (drawn.ws_col != size.ws_col || drawn.ws_row != size.ws_row)) {
        page_control(&page, "\033[H\033[2J");
    } else if (drawn_lines > 0) {
        snprintf(up, sizeof up, "\033[%dF", drawn_lines);
        page_control(&page, up);
    }
    draw_head(&page, board);
    draw_airports(&page, board);
    draw_lists(&page, board, lines);
    page_control(&page, "\033[?7h\033[?2026l");
    fwrite(page.bytes, 1, page.length, stdout);
    fflush(stdout);
    drawn = size;
    drawn_lines = lines + FRAME_LINES;
}

void table_close(void)
{
    if (opened)
        fputs(RESTORE, stdout);
    fflush(stdout);
    opened = false;
}

/* --- plain lines ------------------------------------------------------------------------------ */

static void print_month(const struct board *board, int index)
{
    const struct month *month = &board->months[index];
    const struct carrier *best = &board->carriers[0];
    int64_t departures = 0;
    char text[PAGE_COUNT];

    for (int i = 0; i < BOARD_AIRPORTS; i++)
        departures += month->departures[i];
    printf("%d-%02d  %10s", 2013 + index / 12, index % 12 + 1, page_format_count(text, departures));
    for (int i = 0; i < BOARD_AIRPORTS; i++)
        printf("  %6s", page_format_count(text, month->departures[i]));
    printf("  %+6.1f min", departures > 0 ? month->delay_sum / (double)departures : 0.0);
    printf("  %8s", page_format_count(text, month->long_delays));
    if (best->figures.departures > 0)
        printf("  %s (%+.1f min)", best->name, best->figures.mean_delay);
    printf("\n");
}

void table_print_months(struct board *board, bool all)
{
    int end = board->latest_month + (all ? 1 : 0);

    if (board->reported_months == 0 && end > 0) {
        printf("month    departures");
        for (int i = 0; i < BOARD_AIRPORTS; i++)
            printf("  %6s", board->airports[i].code);
        printf("  mean delay  over 3 h  most punctual carrier so far\n");
    }
    for (; board->reported_months < end; board->reported_months++)
        print_month(board, board->reported_months);
    fflush(stdout);
}
