/*
 * Reading and cutting Arrow data in plain C, with nothing but the structs of its C data interface.
 *
 * A batch is a struct array whose children are the columns. Only flat columns are handled here: the
 * demo has no others.
 */
#ifndef DEMO_ROWS_H
#define DEMO_ROWS_H

#include <laminar.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A batch to read, borrowed: its schema and its columns. */
struct rows {
    const struct ArrowSchema *schema;
    const struct ArrowArray *array;
};

/* Bytes of a string column: UTF-8, not NUL-terminated, borrowed from the batch. */
struct text {
    const char *bytes;
    size_t length;
};

bool text_equals(struct text text, const char *string);

/* The position of the column named `name`, or -1. */
int rows_column(const struct ArrowSchema *schema, const char *name);

/*
 * One value. An int is an integer, a boolean or a timestamp in its column's unit, a real is any
 * number. NULL reads as 0, NaN and "".
 */
bool rows_null(const struct rows *rows, int column, int64_t row);
int64_t rows_int(const struct rows *rows, int column, int64_t row);
double rows_real(const struct rows *rows, int column, int64_t row);
struct text rows_text(const struct rows *rows, int column, int64_t row);

/* Batches in order, and their schema. `batches_free` releases all of it. */
struct batches {
    struct ArrowSchema schema;
    struct shared_batch **each;
    size_t count;
    int64_t rows;
};

/* Takes the batch over (its `release` becomes NULL). */
void batches_add(struct batches *batches, struct ArrowArray *batch);
struct rows batches_rows(const struct batches *batches, size_t index);
void batches_free(struct batches *batches);

/*
 * Writes to `slice` a batch of `length` rows of batch `index`, from row `offset` on. No value is
 * copied: it has the same buffers, keeps them alive by itself, and may be released on any thread.
 */
void batches_slice(const struct batches *batches, size_t index, int64_t offset, int64_t length,
                   struct ArrowArray *slice);

#endif
