/* The text of one picture: see page.h. */
#include "page.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void page_clear(struct page *page, int width)
{
    page->length = 0;
    page->column = 0;
    page->width = width;
}

void page_control(struct page *page, const char *code)
{
    size_t length = strlen(code);
    if (page->length + length <= sizeof page->bytes) {
        memcpy(page->bytes + page->length, code, length);
        page->length += length;
    }
}

void page_colour(struct page *page, int colour)
{
    char code[24];
    snprintf(code, sizeof code, "\033[38;5;%dm", colour);
    if (page->coloured)
        page_control(page, code);
}

void page_put(struct page *page, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    page_control(page, text);
    for (const char *c = text; *c != '\0'; c++)
        page->column += ((unsigned char)*c & 0xC0) != 0x80;
}

void page_fill(struct page *page, const char *character, int to_column)
{
    while (page->column < to_column)
        page_put(page, "%s", character);
}

/* --- the frame -------------------------------------------------------------------------------- */

static void end(struct page *page)
{
    page_control(page, "\033[0m\n");
    page->column = 0;
}

void page_begin_line(struct page *page)
{
    page_colour(page, GREY);
    page_put(page, "│ ");
}

void page_end_line(struct page *page)
{
    page_fill(page, " ", page->width - 1);
    page_colour(page, GREY);
    page_put(page, "│");
    end(page);
}

void page_rule(struct page *page, const char *left, const char *title, const char *note)
{
    page_colour(page, GREY);
    page_put(page, "%s─ ", left);
    page_colour(page, WHITE);
    page_put(page, "%s", title);
    page_colour(page, GREY);
    page_put(page, " ─ ");
    page_colour(page, BLUE);
    page_put(page, "%s ", note);
    page_colour(page, GREY);
}

void page_end_rule(struct page *page, const char *right)
{
    page_fill(page, "─", page->width - 1);
    page_put(page, "%s", right);
    end(page);
}

/* --- figures ---------------------------------------------------------------------------------- */

const char *page_format_count(char out[PAGE_COUNT], int64_t count)
{
    char digits[PAGE_COUNT];
    int length = snprintf(digits, sizeof digits, "%" PRId64, count), written = 0;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            out[written++] = ',';
        out[written++] = digits[i];
    }
    out[written] = '\0';
    return out;
}

void page_count(struct page *page, int64_t count, int width)
{
    char text[PAGE_COUNT];
    page_put(page, "%*s", width, page_format_count(text, count));
}

static double within_one(double share)
{
    return share > 0 ? fmin(share, 1) : 0;
}

void page_spark(struct page *page, double share)
{
    static const char *const levels[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    page_put(page, "%s", levels[(int)ceil(within_one(share) * 8)]);
}

void page_bar(struct page *page, double share, int width)
{
    int halves = (int)lround(within_one(share) * width * 2);

    for (int i = 0; i < halves / 2; i++)
        page_put(page, "━");
    if (halves % 2 == 1)
        page_put(page, "╸");
}
