/*
 * The text of one picture: lines of a known width, in colour, made in memory and shown at once.
 *
 * Text is UTF-8 in which every character takes one column.
 */
#ifndef DEMO_PAGE_H
#define DEMO_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Colours of the 256-colour palette. */
enum {
    GREY = 240, SILVER = 248, WHITE = 255, BLUE = 75,
    GREEN = 78, LIME = 149, YELLOW = 221, ORANGE = 215, RED = 203,
};

struct page {
    char bytes[64 * 1024];
    size_t length;
    int width;              /* columns of a line */
    int column;             /* that the current line has reached */
    bool coloured;
};

void page_clear(struct page *page, int width);

/* Bytes that take no column: the terminal's control sequences. */
void page_control(struct page *page, const char *code);
void page_colour(struct page *page, int colour);

void page_put(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_fill(struct page *page, const char *character, int to_column);

/* The frame: lines `│ ... │`, and rules `├─ title ─ note ───┤`, which another may join midway. */
void page_begin_line(struct page *page);
void page_end_line(struct page *page);
void page_rule(struct page *page, const char *left, const char *title, const char *note);
void page_end_rule(struct page *page, const char *right);

/* 1234567 as 1,234,567. */
enum { PAGE_COUNT = 32 };
const char *page_format_count(char out[PAGE_COUNT], int64_t count);
void page_count(struct page *page, int64_t count, int width);

/* One column of a sparkline, and a bar; both show a share from 0 to 1. */
void page_spark(struct page *page, double share);
void page_bar(struct page *page, double share, int width);

#endif
