/*
 * The board in the terminal: a table that redraws itself in place, or plain lines.
 *
 * Between `table_open` and `table_close` the cursor is hidden; both it and Ctrl-C put it back.
 */
#ifndef DEMO_TABLE_H
#define DEMO_TABLE_H

#include "board.h"

#include <stdbool.h>

/* Whether standard output is a terminal that can show the table. */
bool table_possible(void);

/*
 * Takes the terminal. From here on Ctrl-C only makes `table_interrupted` true; a second one ends
 * the program.
 */
void table_open(void);
bool table_interrupted(void);

/* Draws the board over its last picture: 80 columns or more, as high as the terminal allows. */
void table_draw(const struct board *board);

/* Gives the terminal back, if it was taken, and leaves the last picture where it is. */
void table_close(void);

/* Prints a line for each month that is over and not printed yet; `all`: for the last one too. */
void table_print_months(struct board *board, bool all);

#endif
